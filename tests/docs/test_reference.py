import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from publishing.blocks import ROOT
from stages.shared.parameters import Model, Parameters
from stages.shared.schema import Data, Split

reference: Any = pytest.importorskip("publishing.reference", reason="`make docs` installs what the site needs")


def _rows(table: str) -> dict[str, list[str]]:
    """Return the cells of a Markdown table's rows by the first cell."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines() if line[:1] == "|"
    ]
    return {row[0]: row[1:] for row in cells}


def test_the_graph_has_the_edges_that_dvc_sees(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    dot = subprocess.run(
        [sys.executable, "-m", "dvc", "dag", "--dot"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    edges = {(a, b) for a, b in re.findall(r'"([^"@]+)[^"]*" -> "([^"@]+)[^"]*"', dot)}
    assert edges == set(reference.edges(reference.load_stages()))


def test_the_graph_is_drawn_in_the_color_of_the_text(npm: Path) -> None:
    svg = reference.graph()
    assert '<svg role="img" aria-label="fetch before preprocess; ' in svg
    assert ">train<" in svg
    assert "black" not in svg
    assert "currentColor" in svg
    assert "<title>" not in svg
    assert "http:" not in svg.replace("http://www.w3.org/", "")


def test_every_stage_has_its_table() -> None:
    text = reference.stages()
    assert re.findall(r"^### (\S+) {#stage-\1}$", text, flags=re.MULTILINE) == [
        stage.name for stage in reference.load_stages()
    ]
    train = _rows(text.partition("### train ")[2].partition("### ")[0])
    assert train["Command"] == ["`python -m stages.train`"]
    assert "`stages/nn`" in train["Code"][0]
    assert "data/" not in train["Code"][0]
    assert train["Parameters"] == ["`blas_threads`, `models.${key}`"]
    assert "`models/${key}.npz`" in train["Writes"][0]


def test_artifacts_name_who_makes_and_reads_them() -> None:
    rows = _rows(reference.artifacts())
    preprocess, train, evaluate = (f"[{name}](#stage-{name})" for name in ("preprocess", "train", "evaluate"))
    assert rows["`data/raw`"] == ["[fetch](#stage-fetch)", preprocess, "the cache of DVC"]
    assert rows["`data/splits/${key}`"][1].startswith(f"{train}, {evaluate}")
    assert rows["`metrics/history/${key}.csv`"][0] == train
    assert rows["`metrics/history/${key}.csv`"][2] == "git"


def test_every_parameter_has_a_row_with_a_meaning() -> None:
    text = reference.parameters()
    for schema in (Data, Split, Model):
        for key, info in schema.model_fields.items():
            assert info.description
            assert f"| `{key}` |" in text
    assert "| `blas_threads` | int | required | at least 1 |" in text
    assert {"data", "splits", "models"} < Parameters.model_fields.keys()


def test_rows_of_parameters_say_what_the_schema_allows() -> None:
    rows = _rows(reference.parameters().partition("### models\n")[2].partition("### ")[0])
    assert rows["`batch_size`"][:3] == ["int or null", "`null`", "at least 1"]
    assert rows["`layers`"][:3] == ["list of map", "required", "not empty"]
    assert rows["`optimizer`"][:2] == ["map", "`{name: gradient-descent}`"]
    assert rows["`optimizer`"][2].endswith("is one of gradient-descent, momentum, nesterov, rmsprop, adam")


def test_options_of_a_family_have_their_defaults_and_limits() -> None:
    text = reference.parameters()
    families = re.findall(r"^### models: (.+)$", text, flags=re.MULTILINE)
    assert families == ["layers", "initializer", "optimizer", "schedule"]
    assert set(families) < Model.model_fields.keys()
    assert "| | `beta2` | float | `0.999` | In [0, 1). |" in text
    assert "| | `at` | list of int | required | Numbers of updates, each at least 1, ascending. |" in text


def test_layers_have_the_options_of_their_constructors() -> None:
    table = reference.parameters().partition("### models: layers\n")[2].partition("### ")[0]
    assert "| `relu` | | | | The rectified linear unit, A = max(Z, 0). |" in table
    assert "| | `units` | int or null, at least 1 | `null` | Rows of Z; as many as there are classes" in table
    assert "| | `rate` | float, at least 0, below 1 | required | Probability of dropping an entry" in table
    assert "`shape`" not in table
    assert "`start`" not in table


def test_every_module_is_on_one_page_of_the_reference() -> None:
    claims = "stages/claims"
    pages = [
        reference.modules("stages/nn"),
        *(
            reference.modules(folder)
            for folder in (
                "stages/shared",
                claims,
                f"{claims}/demonstrations",
                f"{claims}/reproductions",
                "stages/ladder",
                "tools",
            )
        ),
        *(reference.modules(folder, programs=True) for folder in ("stages", "stages/shared", "stages/ladder", "tools")),
    ]
    listed = re.findall(r"^::: (\S+)$", "".join(pages), flags=re.MULTILINE)
    paths = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    files = [path.relative_to(ROOT) for path in paths if path.stem != "__init__"]
    assert sorted(listed) == sorted(".".join(file.with_suffix("").parts) for file in files)


def test_a_module_links_to_its_derivation() -> None:
    section = reference.modules("stages/nn").partition("## stages.nn.softmax ")[2].partition("\n## ")[0]
    assert "Derived in [Softmax](../derivations/softmax.md)" in section


def test_the_graph_and_the_tables_say_which_stages_run_for_each_row(npm: Path) -> None:
    sections = re.findall(r"^    foreach: \$\{(\w+)\}", (ROOT / "dvc.yaml").read_text(), re.MULTILINE)
    assert {"splits", "models"} <= set(sections)
    assert sorted(re.findall(r">for each of (\w+)<", reference.graph())) == sorted(sections)
    assert sorted(re.findall(r"Runs once for each row of `(\w+)`\.", reference.stages())) == sorted(sections)


def test_a_cell_shows_signs_as_they_are_and_code_without_backslashes() -> None:
    assert reference._cell("`blas_threads` and a_b|c") == "`blas_threads` and a\\_b\\|c"


def test_the_mathematics_alone_is_shown_with_its_code() -> None:
    assert "show_source" not in reference.modules("stages/nn")
    text = reference.modules("stages/shared")
    assert text.count(":::") == text.count("show_source: false") > 10
