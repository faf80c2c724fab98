"""The results in the README: written, checked, and what is said where something is missing."""

import html
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pypandoc
import pytest

from publishing import ladder, readme
from publishing.blocks import ROOT
from publishing.markup import escaped
from publishing.measurements import PAPERS
from stages.shared.errors import UserError
from tests.lock import write_lock
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]
NASTY = r"a <b>&|*_$x_{$ [c](d) `e`"

TEXT = (
    "# Title\n\n<!-- results -->\nold\n<!-- /results -->\n\nbetween\n\n<!-- picture --><!-- /picture -->\n"
    "<!-- ladder -->\n<!-- /ladder -->\n<!-- claims -->\n<!-- /claims -->\nend\n"
)
ROW = {"split": "kaggle", "layers": layer_rows(10), "learning_rate": 0.1, "updates": 1500, "seed": 0}
CLAIM: dict[str, Any] = {"id": "W9.1", "kind": "number", "claim": "It works.", "verdict": "holds", "alone": "holds"}
CLAIM |= {"finding": "97 % | 3 seeds.", "measured": []}


PART = {"accuracy": 0.875, "interval": [0.85, 0.9], "cross_entropy": 0.25}


def write_metrics(folder: Path, model: str, **changes: Any) -> None:
    path = folder / "metrics" / f"{model}.json"
    path.parent.mkdir(exist_ok=True)
    content = {"dataset": "MNIST", "train": PART, "held_out": None, "test": PART, "precision": [1.0]} | changes
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def run_project(project: Path, write_parameters: Write) -> Path:
    """Return a project with two models that have been trained, measured and drawn."""
    linear = {**ROW, "layers": layer_rows(10, activation=None), "updates": None, "epochs": 3}
    write_parameters(project, {"models": {"first": ROW, "second": linear}})
    (project / "README.md").write_text(TEXT, encoding="utf-8")
    write_metrics(project, "first")
    write_metrics(project, "second", test={**PART, "accuracy": 0.9, "cross_entropy": 0.5}, held_out=PART)
    content = {"dataset": "MNIST", "notes": ["A note."], "claims": [CLAIM]}
    (project / "metrics/reproductions.json").write_text(json.dumps(content), encoding="utf-8")
    (project / "figures/first").mkdir(parents=True)
    (project / "figures/first/predictions.png").write_bytes(b"picture")
    write_lock(project)
    return project


def read(project: Path) -> str:
    return (project / "README.md").read_text(encoding="utf-8")


def test_table_has_a_line_for_each_network_of_the_parameters(run_project: Path) -> None:
    readme.update(check=False)
    text = read(run_project)
    results = text[: text.index("<!-- /results -->")].splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in results if line.startswith("|")]
    assert table == [
        ["network", "training", "test accuracy"],
        ["---"] * 3,
        [
            "one hidden layer of 10 units, ReLU",
            "1,500 updates, full batch",
            "87.5\u00a0% (85.0\u00a0to\u00a090.0)",
        ],
        ["one hidden layer of 10 units", "3 epochs, full batch", "90.0\u00a0% (85.0\u00a0to\u00a090.0)"],
    ]
    assert "Data: MNIST.\n" in text


def test_the_readme_of_the_project_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


def test_what_the_readme_of_the_project_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("https://")]
    assert len(local) > 8
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_readme_of_the_project_names_the_papers_that_are_made() -> None:
    named = re.findall(r"`(paper/[^`]+\.pdf)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(path.as_posix() for path in PAPERS)


def test_everything_else_stays(run_project: Path) -> None:
    readme.update(check=False)
    text = read(run_project)
    assert "\nold\n" not in text
    assert text.startswith("# Title\n\n<!-- results -->\n\n|")
    assert "<!-- /results -->\n\nbetween\n\n<!-- picture -->\n\n![" in text
    assert ")\n\n<!-- /picture -->\n<!-- ladder -->\n\nNo rung has been run yet" in text
    assert text.endswith("\n\n<!-- /claims -->\nend\n")


def test_claims_are_counted_by_their_verdicts(run_project: Path) -> None:
    readme.update(check=False)
    assert "<!-- claims -->\n\nOf 1 claims: 1 holds.\n\n<!-- /claims -->" in read(run_project)


def test_the_best_rung_of_the_ladder_is_told(run_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, _ = ladder.load()
    row = {"dataset": "MNIST", "images": {}, "parameters": 1, "multiply_adds": 1, "seeds": 3, "wrong": 9}
    row |= {"spread": 0.001, "interval": (0.98, 1), "seconds": 60, "revision": "a", "machine": "b"}
    first, second, third, *_ = [name for _, name, _ in ladder.numbered(steps)]
    means = {first: 0.9, second: 0.99, third: 0.95}
    found = {name: ladder.Row.model_validate({**row, "mean": mean}) for name, mean in means.items()}
    monkeypatch.setattr(ladder, "load", lambda: (steps, found))
    readme.update(check=False)
    change = escaped(steps.steps[second].change)
    assert f"\n\nThe best of its 3 rungs is right on 99.00 ± 0.10 %: {change}.\n\n" in read(run_project)


def test_names_are_shown_as_they_stand(run_project: Path, write_parameters: Write) -> None:
    write_parameters(run_project, {"models": {"_a_": ROW}})
    shutil.rmtree(run_project / "metrics")
    write_metrics(run_project, "_a_", dataset=NASTY, notes=[NASTY])
    content = {"dataset": NASTY, "notes": [NASTY], "claims": [{**CLAIM, "claim": NASTY}]}
    (run_project / "metrics/reproductions.json").write_text(json.dumps(content), encoding="utf-8")
    (run_project / "figures/first").rename(run_project / "figures/_a_")
    write_lock(run_project)
    readme.update(check=False)
    page = pypandoc.convert_text(read(run_project), "html", format="gfm+tex_math_dollars", extra_args=["--wrap=none"])
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    assert text.count(NASTY) == 2
    assert "the prediction of a network: one hidden layer of 10 units, ReLU" in page
    readme.update(check=True)


@pytest.mark.parametrize("check", [True, False])
def test_what_is_of_another_run_is_neither_written_nor_passes_the_check(
    check: bool, run_project: Path, write_parameters: Write
) -> None:
    readme.update(check=False)
    before = read(run_project)
    write_parameters(run_project, {"models": {"first": {**ROW, "updates": 3}}})
    with pytest.raises(UserError, match=r"models\.first\.updates is not what train@first was run with\n.*`dvc repro`"):
        readme.update(check)
    assert read(run_project) == before


def test_what_is_left_of_a_model_is_named(run_project: Path, write_parameters: Write) -> None:
    write_metrics(run_project, "removed", dataset="another")
    with pytest.raises(UserError, match=r"no model removed; .*: `rm -r metrics/removed\.json`"):
        readme.update(check=True)


def test_reproductions_of_another_form_are_an_error(run_project: Path) -> None:
    (run_project / "metrics/reproductions.json").write_text('{"dataset": "MNIST", "notes": []}', encoding="utf-8")
    write_lock(run_project)
    with pytest.raises(UserError, match=r"reproductions\.json: claims is missing or is not what `dvc repro` writes"):
        readme.update(check=False)


def test_no_official_test_part(run_project: Path) -> None:
    notes = ["Why there is none."]
    write_metrics(run_project, "second", dataset="Kaggle", test=None, notes=notes)
    write_metrics(run_project, "first", dataset="Kaggle", test=None, notes=notes)
    write_lock(run_project)
    readme.update(check=False)
    text = read(run_project)
    assert "| one hidden layer of 10 units | 3 epochs, full batch | - |" in text
    assert "Data: Kaggle. Why there is none.\n" in text


def test_what_was_written_passes_the_check(run_project: Path) -> None:
    readme.update(check=False)
    before = read(run_project)
    readme.update(check=True)
    readme.update(check=False)
    assert read(run_project) == before


def test_check_fails_before_anything_is_written_and_writes_nothing(run_project: Path) -> None:
    with pytest.raises(UserError, match=r"README\.md and docs/images/predictions\.png: .* `make readme`"):
        readme.update(check=True)
    assert read(run_project) == TEXT
    assert not readme.PICTURE.exists()


def test_option_check(run_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    with pytest.raises(UserError, match="run `make readme`"):
        readme.main()
    assert read(run_project) == TEXT


def test_check_fails_with_other_metrics(run_project: Path) -> None:
    readme.update(check=False)
    write_metrics(run_project, "first", test={**PART, "accuracy": 0.876})
    write_lock(run_project)
    with pytest.raises(UserError, match=r"^README\.md: "):
        readme.update(check=True)


def test_check_fails_with_another_figure(run_project: Path) -> None:
    readme.update(check=False)
    (run_project / "figures/first/predictions.png").write_bytes(b"another")
    write_lock(run_project)
    with pytest.raises(UserError, match=r"^docs/images/predictions\.png: "):
        readme.update(check=True)


def test_only_the_check_does_without_the_figure(run_project: Path) -> None:
    readme.update(check=False)
    shutil.rmtree(run_project / "figures")
    readme.update(check=True)
    with pytest.raises(UserError, match=r"figures/first/predictions\.png: not there; run `dvc repro`"):
        readme.update(check=False)


def test_missing_metrics(run_project: Path) -> None:
    (run_project / "metrics/second.json").unlink()
    with pytest.raises(UserError, match=r"metrics/second\.json: not there; run `dvc repro`"):
        readme.update(check=False)


def test_metrics_of_another_form(run_project: Path) -> None:
    write_metrics(run_project, "second", train={"accuracy": 0.5, "cross_entropy": 1.0})
    write_lock(run_project)
    with pytest.raises(UserError, match=r"metrics/second\.json: train\.interval is missing or is not what"):
        readme.update(check=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("<!-- results -->", ""),
        TEXT.replace("<!-- /results -->", ""),
        TEXT.replace("<!-- results -->", "<!-- results -->\n<!-- results -->"),
        TEXT + "<!-- /results -->",
        "<!-- /results --><!-- results -->",
    ],
    ids=["empty", "no start", "no end", "two starts", "two ends", "wrong order"],
)
def test_readme_without_its_comments(run_project: Path, text: str) -> None:
    (run_project / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"README\.md: must have <!-- results --> and after it <!-- /results -->"):
        readme.update(check=False)
    assert read(run_project) == text
