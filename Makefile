PYTHON ?= python3
BASE ?= main

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Else, where the machine has it set, each process compiles anew what it imports: seconds of DVC's start.
export PYTHONDONTWRITEBYTECODE :=

.NOTPARALLEL:
.PHONY: help repro ladder verify test test-slow test-engines docs serve paper report bench lint format readme check-readme mpi lock

help: ## show these lines
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' Makefile | while read -r target text; do printf '%-13s %s\n' "$$target" "$$text"; done

repro: .git .venv/.run .dvc/tmp/vega.js ## run what has changed of the pipeline: data, models, metrics, figures
	@.venv/bin/python -m stages.shared.parameters
	@if grep -qs '"fallback": true' data/raw/source.json; then .venv/bin/python -m dvc repro --force --single-item fetch; fi
	@.venv/bin/python -m reviewing.recording

ladder: .git .venv/.run ## run the ladder, which takes hours and says how many; a part: make ladder RUNGS="climb@dropout"
	@cd ladder && python -m stages.ladder.plan $(RUNGS)
	@cd ladder && python -m dvc repro $(RUNGS)

verify: .git .venv/.run ## run it again from the last commit, and compare; a part: make verify STAGES="train@w3-relu-10"
	@.venv/bin/python -m reviewing.verify --stages $(STAGES)

test: .venv/.dev ## run the tests
	@OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -m "not slow" --numprocesses auto --dist loadfile

test-slow: .venv/.dev ## run the tests that take longer: faults, interruptions, sharing, experiments
	@OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -m slow --numprocesses auto --dist loadscope

test-engines: .venv/.dev .venv/.torch ## install JAX and PyTorch as well, and run the tests against them
	@.venv/bin/python -m pytest tests/engines

docs: node_modules/.package-lock.json ## build the site in site/
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict

serve: node_modules/.package-lock.json ## show the site, with live reload
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs serve --livereload

paper: .venv/.run ## build the papers, paper/*.pdf, from the derivations and what has been measured
	@.venv/bin/python -m publishing.paper

report: .git .venv/.run ## write report/report.md: what a change did to the numbers, as in `make report BASE=main`
	@.venv/bin/python -m reviewing.report --base "$(BASE)"

bench: .venv/.dev .venv/.torch ## measure gradients and speed against scikit-learn, PyTorch, JAX and MyGrad, on an idle machine
	@.venv/bin/python -m benchmarks.gradients
	@.venv/bin/python -m benchmarks.run

lint: .venv/.dev ## check style, format and types
	@.venv/bin/python -m ruff check
	@.venv/bin/python -m ruff format --check
	@.venv/bin/python -m mypy

format: .venv/.dev ## format the code
	@.venv/bin/python -m ruff check --fix
	@.venv/bin/python -m ruff format

readme: .venv/.run ## write the results in README.md from metrics/ and figures/
	@.venv/bin/python -m publishing.readme

check-readme: .venv/.run ## check that README.md shows what is in metrics/ and figures/
	@.venv/bin/python -m publishing.readme --check

# An MPI of the system belongs to its launcher and its network, and one in .venv would be found before it.
mpi: .venv/.mpi $(if $(shell command -v mpiexec || command -v srun),,.venv/.mpich) ## install what `mpiexec -n 4 python -m stages.train MODEL` needs

compile := .venv/bin/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header
compile_hashed := $(compile) --generate-hashes pyproject.toml

lock: .venv/.dev ## lock the requirements anew, to the newest as of the date in pyproject.toml
	$(compile_hashed) --output-file requirements/run.txt
	$(compile_hashed) --group dev --constraint requirements/run.txt --output-file requirements/dev.txt
	$(compile_hashed) --group docs --constraint requirements/dev.txt --output-file requirements/docs.txt
	$(compile_hashed) --group peers --constraint requirements/dev.txt --constraint requirements/docs.txt \
		--no-emit-package torch --output-file requirements/peers.txt
	$(compile) --generate-hashes --group pyproject.toml:mpi --output-file requirements/mpi.txt
	$(compile) --generate-hashes --group pyproject.toml:mpich --output-file requirements/mpich.txt
	$(compile) --group torch --no-deps --output-file requirements/torch.txt

.git:
	@echo "error: DVC needs a git repository, and this folder is none; clone the project, or make it one:" \
		"git init && git add --all && git commit --message archive" >&2; exit 1

# While pip works there is no .venv/.made: what an interrupted installation leaves behind is thrown away.
# Python compiles what it imports; to compile all that is installed takes as long as to install it.
define install
	@echo "Installing $< into .venv"
	@mv .venv/.made .venv/.unfinished
	@.venv/bin/python -m pip install --quiet --quiet --no-compile --disable-pip-version-check $(1) --requirement $<
	@mv .venv/.unfinished .venv/.made
	@touch $@
endef

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is not Python 3.11 or later; name one that is, such as: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) lacks the module venv or ensurepip; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: requirements/run.txt .venv/.made
	$(call install,--require-hashes)

.venv/.dev: requirements/dev.txt .venv/.made
	$(call install,--require-hashes)
	@touch .venv/.run

.venv/.docs: requirements/docs.txt .venv/.dev
	$(call install,--require-hashes)

node_modules/.package-lock.json: package.json package-lock.json | .venv/.docs
	@.venv/bin/python -m publishing.node ci --no-audit --no-fund
	@touch $@

.venv/.peers: requirements/peers.txt .venv/.made
	$(call install,--require-hashes)

.venv/.mpi: requirements/mpi.txt .venv/.run
	$(call install,--require-hashes)

.venv/.mpich: requirements/mpich.txt .venv/.run
	$(call install,--require-hashes)

.dvc/tmp/vega.js: .venv/.run # draws the pages of `dvc plots`, without a network
	@.venv/bin/python -m reviewing.plots

# No hash: PyPI's file for Linux brings gigabytes of CUDA, so pip may be set up to find one of PyTorch's CPU builds.
.venv/.torch: requirements/torch.txt .venv/.peers
	$(call install)
