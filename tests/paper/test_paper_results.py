"""Every number of the papers' tables against the file that it was measured into, cell by cell."""

import functools
import html
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from publishing import paper_results
from publishing.measurements import Quantity
from stages.claims.reproductions.runs import NETWORKS, PRINTED, experiments
from stages.claims.verdicts import HOLDS, UNDECIDED
from stages.shared.errors import UserError
from stages.shared.parameters import Model
from tests.lock import write_lock

if TYPE_CHECKING:
    from tests.paper.conftest import Copy

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "metrics/w3-relu-10.json": "dvc repro",
    "metrics/reproductions.json": "dvc repro",
    "metrics/ablations.json": "dvc repro",
    "benchmarks/results.json": "make bench",
    "benchmarks/gradients.json": "make bench",
}
Rows = list[list[str]]
Tables = dict[str, Rows]


@pytest.fixture(scope="module")
def markdown(copy: "Copy") -> dict[str, str]:
    """Return the Markdown of the paper and of its supplement."""
    return {"paper": copy.markdown("reproduction"), "supplement": copy.markdown("reproduction-supplement")}


@pytest.fixture(scope="module")
def tables(markdown: dict[str, str]) -> Tables:
    """Return the rows of each table that has a label, as they are read: without escapes and widths."""
    return {
        f"{name} {label}": [read(line) for line in lines.splitlines()[2:]]
        for name, text in markdown.items()
        for lines, label in re.findall(r"((?:^\|.*\|\n)+)\n: .*\{#tbl:([\w-]+)\}$", text, re.MULTILINE)
    }


def read(line: str) -> list[str]:
    """Return the cells of a line of a table."""
    line = re.sub(r'`#"(.*?)";`{=typst}', lambda text: re.sub(r"\\u{(\w+)}", r"&#x\1;", text[1]), line)
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [
        html.unescape(re.sub(r"\\(.)", r"\1", tex(cell))).translate({0x200B: "", 0xA0: " "}).strip("` ")
        for cell in cells
    ]


def tex(text: str) -> str:
    """Return a text with its powers of ten as a computer writes them, and its minus signs too."""
    text = re.sub(r"(?<!\\)\$(?:([\d.]+) \\cdot )?10\^\{-(\d+)\}\$", lambda m: f"{m[1] or 1}e-{m[2]}", text)
    return text.replace("\N{MINUS SIGN}", "-")


def agrees(shown: str, value: float) -> bool:
    """Return whether a number in decimals is this value, rounded to as many."""
    number = Decimal(shown.replace(",", ""))
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    return abs(number - Decimal(repr(value))) <= half + Decimal("1e-9")


def check(cell: str, pattern: str, *values: float) -> None:
    """Check that a cell has the form of a pattern, in which # is a number, and holds these values in this order."""
    form = re.escape(pattern).replace(r"\#", r"(-?[\d,]+(?:\.\d+)?)")
    found = re.fullmatch(form, cell)
    assert found, f"{cell} is not of the form {pattern}"
    assert len(found.groups()) == len(values)
    for shown, value in zip(found.groups(), values, strict=True):
        assert agrees(shown, value), f"{cell} should hold {value}"


def numbers(text: str) -> list[str]:
    """Return the numbers in a text, in their order."""
    return re.findall(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-\d+)?", text)


def in_percent(unit: str) -> tuple[int, str]:
    """Return the factor and the sign with which a quantity of this unit is shown."""
    return (100, {"share": " %", "points": " points"}[unit]) if unit else (1, "")


def options(model: dict[str, Any], family: str) -> set[float]:
    """Return the numbers among the options that a model states of a member of a family."""
    stated = [value for key, value in model.get(family, {}).items() if key != "name"]
    return {number for value in stated for number in (value if isinstance(value, list) else [value])}


def tokens(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[\d.]+", text))


def in_words(layers: Sequence[Mapping[str, Any]]) -> str:
    words = []
    for layer in layers:
        (_, name), *options = layer.items()
        said = ", ".join(f"{key} {value}" for key, value in options)
        if len(options) == 1:
            inner = options[0][1]
            said = f"({in_words(inner)})" if isinstance(inner, list) else str(inner)
        words.append(f"{name.replace('_', ' ')} {said if len(options) < 2 else f'({said})'}".strip())
    return ", ".join(words)


def check_networks(rows: Rows, copy: "Copy") -> None:
    models = copy.read("params.yaml")["models"]
    assert [name for name, _ in rows] == list(models)
    for name, network in rows:
        repeated = set(re.findall(r"(\d+|x)(?= x \(| \()", network))
        assert tokens(in_words(models[name]["layers"])) | repeated == tokens(network) | repeated
        if " x (" not in network:
            assert network == in_words(models[name]["layers"])


def check_models(rows: Rows, copy: "Copy") -> None:
    models = copy.read("params.yaml")["models"]
    assert [row[0] for row in rows] == list(models)
    for name, start, optimizer, rate, batch, length, *rest in rows:
        model = models[name]
        for family, cell in (("initializer", start), ("optimizer", optimizer), ("schedule", rate)):
            assert options(model, family) <= set(map(float, numbers(cell)))
        assert float(numbers(rate)[0]) == model["learning_rate"]
        assert batch == (f"{model['batch_size']:,}" if model.get("batch_size") else "all")
        unit = "updates" if model.get("updates") else "epochs"
        assert length.startswith(f"{model[unit]:,} {unit}")
        assert rest == [model["split"], str(model["seed"])]


def of_networks(networks: Mapping[str, Any]) -> dict[str, Model]:
    """Return rows of params.yaml by their names there, from those that the claims were tested with."""
    return {PRINTED[NETWORKS[name]]: Model.model_validate(row) for name, row in networks.items()}


def check_settings(rows: Rows, copy: "Copy") -> None:
    parameters = copy.read("params.yaml")
    networks = copy.read("metrics/reproductions.json")["networks"]
    found = experiments(of_networks(networks))
    assert [row[0] for row in rows] == list(found)
    for (_, units, start, optimizer, rate, batch, length, seeds), experiment in zip(rows, found.values(), strict=True):
        row = Model.model_validate(experiment.row).model_dump(mode="json")
        assert units == ("-".join(str(of["units"]) for of in row["layers"] if of.get("units")) or "none")
        assert options(row, "initializer") == set(map(float, numbers(start)))
        assert optimizer == row["optimizer"]["name"].replace("-", " ")
        assert float(numbers(rate)[0]) == row["learning_rate"]
        assert options(row, "schedule") <= set(map(float, numbers(rate)))
        assert batch == (str(row["batch_size"]) if row["batch_size"] else "all")
        assert length == (f"{row['updates']} updates" if row["updates"] else f"{row['epochs']} epochs")
        assert int(seeds) == parameters["reproduce"]["seeds"][experiment.seeds]


def check_results(rows: Rows, copy: "Copy") -> None:
    assert [row[0] for row in rows] == list(copy.read("params.yaml")["models"])
    for name, *cells, cross_entropy in rows:
        metrics = copy.read(f"metrics/{name}.json")
        for cell, part in zip(cells, ("train", "held_out", "test"), strict=True):
            values = metrics[part]
            if values is None:
                assert cell == "-"
            else:
                check(cell, "# (# to #)", *(100 * x for x in (values["accuracy"], *values["interval"])))
        check(cross_entropy, "#", metrics["test"]["cross_entropy"])


def check_numbers(rows: Rows, copy: "Copy") -> None:
    expected = [
        (claim["id"], measured)
        for claim in copy.read("metrics/reproductions.json")["claims"]
        for measured in claim["measured"]
        if "claimed" in measured
    ]
    assert [row[0] for row in rows] == [name for name, _ in expected]
    claims = copy.read("stages/claims/write_ups.yaml")["claims"]
    taken = {claim["id"] for claim in claims if any("of" in number for number in claim.get("numbers", []))}
    for (name, *row), (_, measured) in zip(rows, expected, strict=True):
        factor, sign = in_percent(measured["unit"])
        mean, sd, claimed = (factor * x for x in (measured["mean"], measured["sd"], measured["claimed"]))
        assert row[1].endswith("*") == (name in taken)
        if measured.get("region"):
            margin = factor * (measured["claimed"] - measured["region"][0])
            check(row[1].strip("*"), f"#{sign} (#)", claimed, margin)
        else:
            check(row[1].strip("*"), f"#{sign}", claimed)
        assert Decimal(row[1].split(" ")[0].strip("*")) == Decimal(f"{claimed:.6f}").normalize()
        check(row[2], f"# ± #{sign}", mean, sd)
        check_interval(row[3], measured, factor, sign)
        check_tested([row[0], *row[4:]], measured)


def check_interval(cell: str, measured: dict[str, Any], factor: int, sign: str) -> None:
    if measured["sd"] == 0:
        assert cell == "all runs alike"
    else:
        check(cell, f"# to #{sign}", *(factor * end for end in measured["interval"]))


def check_tested(row: list[str], measured: dict[str, Any]) -> None:
    for cell, p in zip(row[2:4], (measured["p"], measured["corrected"]), strict=True):
        if p is None or p < 0.0001:
            assert cell == ("" if p is None else "< 0.0001")
        else:
            check(cell, "#", p)
    verdict = measured["verdict"] + (
        f" (alone: {measured['alone']})" if measured["alone"] != measured["verdict"] else ""
    )
    if verdict == "holds" and measured.get("better"):
        verdict += ", measured is better"
    assert [row[0], row[1], row[4]] == [measured["quantity"], str(measured["seeds"]), verdict]


def check_comparisons(rows: Rows, copy: "Copy") -> None:
    expected = [
        (claim["id"], measured)
        for claim in copy.read("metrics/reproductions.json")["claims"]
        for measured in claim["measured"]
        if "claimed" not in measured and measured["verdict"]
    ]
    assert [row[0] for row in rows] == [name for name, _ in expected]
    recipes = set()
    for (_, *row), (_, measured) in zip(rows, expected, strict=True):
        factor, _ = in_percent(measured["unit"])
        low, high = (None if end is None else factor * end for end in measured["region"])
        form = "> #" if high is None else "< #" if low is None else "within ±#"
        check(row[1], form, *(end for end in ((low,) if high is None else (high,)) if end is not None))
        check(row[2], "#", factor * measured["mean"])
        check_interval(row[3], measured, factor, "")
        change, comma, recipe = (
            measured["quantity"].removeprefix("gain in accuracy on the test images, ").partition(", from ")
        )
        if comma:
            assert re.fullmatch(rf"{re.escape(change)} \([A-Z]\)", row[0])
            recipes.add((row[0][-2], recipe))
        else:
            assert row[0] == change
        check_tested([measured["quantity"], *row[4:]], measured)
    assert len({letter for letter, _ in recipes}) == len({recipe for _, recipe in recipes}) == len(recipes)


def check_runs(rows: Rows, copy: "Copy") -> None:
    expected = [
        (claim["id"], measured)
        for claim in copy.read("metrics/reproductions.json")["claims"]
        for measured in claim["measured"]
    ]
    assert [row[0] for row in rows] == [name for name, _ in expected]
    for (_, *row), (_, measured) in zip(rows, expected, strict=True):
        factor, sign = in_percent(measured["unit"])
        assert row[:2] == [measured["quantity"], str(measured["seeds"])]
        check(row[2], f"#{sign}", factor * measured["mean"])
        check(row[3], f"#{sign}", factor * measured["sd"])
        check_interval(row[4], measured, factor, sign)


def check_verdicts(rows: Rows, copy: "Copy") -> None:
    claims = copy.read("metrics/reproductions.json")["claims"]
    stated = {claim["id"]: claim for claim in copy.read("stages/claims/write_ups.yaml")["claims"]}
    for row, claim in zip(rows, claims, strict=True):
        basis = f" ({of})" if (of := stated[claim["id"]].get("basis")) else ""
        counted = f"as {claim['same_as']}, not counted" if "same_as" in claim else claim["verdict"] + basis
        assert [row[0], row[2]] == [claim["id"], counted]
    for row, claim in zip(rows, claims, strict=True):
        assert numbers(row[1]) == numbers(claim["claim"])


def check_claims(rows: Rows, copy: "Copy") -> None:
    ablations = copy.read("metrics/ablations.json")["rows"]
    claims = copy.read("metrics/reproductions.json")["claims"]
    assert [row[0] for row in rows] == [claim["id"] for claim in claims]
    for row, claim in zip(rows, claims, strict=True):
        assert row[2] == claim["verdict"]
        assert numbers(row[1]) == numbers(claim["claim"])
        if claim["kind"] == "ablation":
            (finding,) = (row["finding"] for row in ablations if row["id"] == claim["id"])
            reasons = claim["finding"].removeprefix(finding)
            assert row[3].startswith("See @tbl:warnings.")
            assert numbers(row[3]) == numbers(reasons)
        else:
            assert numbers(row[3]) == numbers(claim["finding"])


def check_ablations(group: str, where: str = "") -> Callable[[Rows, "Copy"], None]:
    def check_group(rows: Rows, copy: "Copy") -> None:
        errors = copy.read("stages/claims/write_ups.yaml")["errors"]
        elsewhere = {error["id"] for error in errors if error["where"] != where}
        found = copy.read("metrics/ablations.json")["rows"]
        expected = [row for row in found if row["group"] == group and row["id"] not in elsewhere]
        assert [row[0] for row in rows] == [row["id"] for row in expected]
        for row, ablation in zip(rows, expected, strict=True):
            assert row[1] == ", ".join(ablation["write_ups"])
            assert numbers(row[2]) == numbers(ablation["what"])
            assert numbers(row[3]) == numbers(ablation["finding"])

    return check_group


def check_effects(rows: Rows, copy: "Copy") -> None:
    expected = [row for row in copy.read("metrics/ablations.json")["rows"] if row["gain"]]
    assert [[row[0], row[3]] for row in rows] == [[row["id"], row["effect"]] for row in expected]
    for row, ablation in zip(rows, expected, strict=True):
        assert row[1] == ", ".join(ablation["write_ups"])
        assert numbers(row[2]) == numbers(ablation["what"])
        assert numbers(row[4]) == numbers(ablation["gain"])


def check_ladder(rows: Rows, copy: "Copy") -> None:
    found, stated = copy.read("ladder/results.json")["rungs"], copy.read("ladder/rungs.yaml")
    steps = stated["rungs"] | stated["committees"]
    names = [name for name in found if steps[name]["part"] != "left out"]
    shown = sorted(sorted(names, key=list(steps).index), key=lambda name: steps[name]["part"] == "transformer")
    expected = [steps[name] | found[name] for name in shown]
    signs = [row[0] for row in rows if row[0].isdigit()]
    assert signs == [str(place) for place in range(1, len(signs) + 1)]
    for (sign, start, *cells), rung in zip(rows, expected, strict=True):
        row = [sign, *cells]
        assert [start] == ([of[0] for of, name in zip(rows, shown, strict=True) if name == rung["after"]] or [""])
        assert numbers(row[1]) == numbers(rung["change"])
        of_seeds = [100 * rung[key] for key in ("mean", "spread") if rung[key] is not None]
        check(row[2], " ± ".join("#" * len(of_seeds)), *of_seeds)
        check(row[3], "# to #", *(100 * end for end in rung["interval"]))
        check(row[4], "#", rung["wrong"])
        check(row[5], "#", rung["multiply_adds"])
        check(row[6], "#", rung["seeds"])
        assert abs(float(row[7].replace(",", "")) / rung["seconds"] - 1) < 0.005


@functools.cache
def gradient_checks(copy: "Copy") -> dict[str, str]:
    """Return the table that the program for it prints on each model."""
    names = list(copy.read("params.yaml")["models"])
    done = copy.run("-c", f"from tools.check_gradients import report\nfor name in {names}: report(name)")
    found = re.findall(r"^(\S+): .+; weight decay .*\n(?:.+\n)+\n((?:.+\n)+)", done.stdout, re.MULTILINE)
    return dict(found)


def check_gradients(rows: Rows, copy: "Copy") -> None:
    assert [row[0] for row in rows] == list(copy.read("params.yaml")["models"])
    for name, arrays, parameters, entries, bound in rows:
        table = gradient_checks(copy)[name]
        found = re.findall(
            r"^([\w.]+) +[\dx ]+  (\d+) of (\d+) .* (\S+e[-+]\d+|0) +right( to rounding)?$", table, re.MULTILINE
        )
        assert arrays == ", ".join(array for array, *_ in found)
        check(parameters, "#", sum(int(size) for _, _, size, *_ in found))
        check(entries, "#", sum(int(checked) for _, checked, *_ in found))
        largest = max(float(error) for *_, error, rounding in found if not rounding)
        assert float(bound) / 10 * 0.9 < largest <= float(bound)


def check_engines(rows: Rows, copy: "Copy") -> None:
    expected = copy.read("benchmarks/gradients.json")["gradients"]
    for row, gradients in zip(rows, expected, strict=True):
        errors = ["-" if error is None else float(error) for error in gradients["errors"].values()]
        shown = ["-" if cell == "-" else float(cell) for cell in row[2:]]
        assert [*row[:2], shown] == [gradients["gradient"], str(gradients["entries"]), errors]


def shown_spread(spread: Mapping[str, float]) -> list[float]:
    return [spread[name] for name in ("median", "smallest", "largest")]


def check_performance(rows: Rows, copy: "Copy") -> None:
    expected = [
        (work, name, result)
        for work in copy.read("benchmarks/results.json")["works"]
        for name, result in work["contestants"].items()
    ]
    for row, (work, name, result) in zip(rows, expected, strict=True):
        assert row[:2] == [work["work"], name]
        assert row[2].partition(" ")[2] == work["unit"]
        assert float(row[2].partition(" ")[0]) == result["time"]
        check(row[3], "# (# to #)", *shown_spread(result["ours_over_theirs"]))
        check(row[4], "# MB", result["peak_megabytes"])


def check_cold(rows: Rows, copy: "Copy") -> None:
    expected = [
        ([cold["work"], contestant, target], spread)
        for cold in copy.read("benchmarks/results.json")["cold_starts"]
        for contestant, seconds in cold["seconds"].items()
        for target, spread in seconds.items()
    ]
    for (*what, cell), (described, spread) in zip(rows, expected, strict=True):
        assert [*what[:2], what[2].replace(" ", "")] == described
        if spread is None:
            assert cell == "not within the limit"
        else:
            check(cell, "# (# to #) s", *shown_spread(spread))


def check_published(rows: Rows, copy: "Copy") -> None:
    expected = [of for of in copy.read("docs/literature.yaml")["published"] if of["plain"]]
    for row, of in zip(rows, expected, strict=True):
        assert row[0] == of["network"]
        assert float(row[2].removesuffix(" %")) == of["error"]
        assert row[3].startswith(of["who"])


def check_write_ups(rows: Rows, copy: "Copy") -> None:
    expected = copy.read("stages/claims/write_ups.yaml")["write_ups"]
    for row, entry in zip(rows, expected, strict=True):
        stated = " ".join(str(entry.get(key) or "") for key in ("title", "year", "companion", "network"))
        assert numbers(" ".join(row[1:3])) == numbers(stated)
        assert [numbers(cell) for cell in row[3:]] == [numbers(entry["training"]), numbers(entry["data"])]


def check_sums(rows: Rows, copy: "Copy") -> None:
    assert dict(rows) == copy.read("params.yaml")["data"]["sha256"]


CHECKS: dict[str, Callable[[Rows, "Copy"], None]] = {
    "paper write-ups": check_write_ups,
    "paper claims": check_verdicts,
    "paper numbers": check_numbers,
    "paper comparisons": check_comparisons,
    "paper effects": check_effects,
    "paper ladder": check_ladder,
    "supplement claims": check_claims,
    "supplement runs": check_runs,
    "supplement errors-in-code": check_ablations("errors", "code"),
    "supplement errors-in-text": check_ablations("errors", "text"),
    "supplement warnings": check_ablations("warnings"),
    "supplement networks": check_networks,
    "supplement models": check_models,
    "supplement settings": check_settings,
    "supplement results": check_results,
    "supplement published": check_published,
    "supplement gradients": check_gradients,
    "supplement engines": check_engines,
    "supplement performance": check_performance,
    "supplement cold": check_cold,
    "supplement sums": check_sums,
}


def test_every_table_is_checked(tables: Tables) -> None:
    assert list(tables) == list(CHECKS)


@pytest.mark.parametrize("label", CHECKS)
def test_every_number_of_a_table_is_the_one_in_its_file(label: str, tables: Tables, copy: "Copy") -> None:
    assert tables[label]
    CHECKS[label](tables[label], copy)


@pytest.mark.parametrize("label", [label for label in CHECKS if not label.endswith(("write-ups", "sums"))])
def test_a_number_that_was_not_measured_is_found(label: str, tables: Tables, copy: "Copy") -> None:
    rows = [list(row) for row in tables[label]]
    place, cell = next(
        (place, cell) for place, cell in list(enumerate(rows[0]))[1:] if re.search(r"\d", cell) and "``" not in cell
    )
    rows[0][place] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 5) % 10), cell, count=1)
    with pytest.raises(AssertionError):
        CHECKS[label](rows, copy)


def test_the_caption_says_which_recipe_a_letter_is(markdown: dict[str, str], copy: "Copy") -> None:
    text = re.sub(r"\\(.)", r"\1", markdown["paper"])
    for claim in copy.read("metrics/reproductions.json")["claims"]:
        for of in claim["measured"]:
            change, comma, recipe = of["quantity"].rpartition(", from ")
            if comma and of["verdict"]:
                letters = re.findall(rf"{re.escape(change.rpartition(', ')[2])} \(([A-Z])\)", text)
                assert any(re.search(rf"\b{letter}: from {re.escape(recipe)}[;.]", text) for letter in letters)


def test_the_sentences_have_the_numbers_of_the_files(markdown: dict[str, str], copy: "Copy") -> None:
    metrics = copy.read(f"metrics/{copy.shown_model}.json")
    reached = re.findall(r"([\d.]+)\u00a0% of (the training|images held|the test)", markdown["supplement"])
    parts = {"the training": "train", "images held": "held_out", "the test": "test"}
    assert [parts[words] for _, words in reached] == [part for part in parts.values() if metrics[part]]
    for shown, words in reached:
        assert agrees(shown, 100 * metrics[parts[words]]["accuracy"])
    abstract = " ".join(markdown["paper"].partition("::: abstract")[2].partition(":::")[0].split())
    claims = [claim for claim in copy.read("metrics/reproductions.json")["claims"] if "same_as" not in claim]
    verdicts = Counter(claim["verdict"] for claim in claims)
    said = ", ".join(
        f"{count} {verdict if count == 1 else verdict.replace('holds', 'hold')}"
        for verdict, count in verdicts.most_common()
    )
    found = re.search(r"Of (\d+) claims we find that (.+?)\. Each", abstract)
    assert found
    assert int(found[1]) == verdicts.total()
    assert found[2].replace(" and ", ", ") == said


def test_the_conclusion_is_what_came_of_the_claims(markdown: dict[str, str], copy: "Copy") -> None:
    section = " ".join(markdown["paper"].partition("# Conclusion {")[2].partition("\n#")[0].split())
    claims = copy.read("metrics/reproductions.json")["claims"]
    stated = copy.read("stages/claims/write_ups.yaml")["claims"]
    taken = {claim["id"] for claim in stated for number in claim.get("numbers", []) if "of" in number}
    surpassed = "are surpassed"
    words = {"holds": "are reached again", "cannot be decided by this": "cannot be", "does not hold": "are not"}
    reached: dict[str, list[str]] = {}
    for claim in claims:
        for of in claim["measured"]:
            if "claimed" in of and of.get("region", [0, 0])[1] is None and of["verdict"] and claim["id"] not in taken:
                said = surpassed if of["better"] else words[of["verdict"]]
                reached.setdefault(said, []).append(claim["id"])
    found = re.findall(rf"those of ((?:W\d\.\d+(?:, | and )?)+) ({'|'.join([*words.values(), surpassed])})", section)
    assert {verdict: re.findall(r"W\d\.\d+", names) for names, verdict in found} == reached
    gains = Counter(
        of["verdict"]
        for claim in claims
        if claim["id"] in ("W2.4", "W3.8", "W3.10")
        for of in claim["measured"]
        if of["verdict"]
    )
    assert f"Of {gains.total()} gains by more layers" in section
    for verdict, count in gains.items():
        assert f"{count} {verdict if count == 1 else verdict.replace('holds', 'hold')}" in section


def test_the_paper_says_how_far_the_bootstrap_is_from_the_intervals(markdown: dict[str, str], copy: "Copy") -> None:
    claims = [claim for claim in copy.read("metrics/reproductions.json")["claims"] if "same_as" not in claim]
    many = [of for claim in claims for of in claim["measured"] if "bootstrap" in of]
    found = re.search(r"as far as ([\d.]+) standard.*? at most ([\d.]+) points away", markdown["paper"], re.DOTALL)
    assert found
    assert agrees(found[1], max((of["mean"] - of["min"]) / of["sd"] for of in many))
    apart = [abs(a - b) for of in many if of["unit"] for a, b in zip(of["interval"], of["bootstrap"], strict=True)]
    assert agrees(found[2], 100 * max(apart))


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ({}, "none lies otherwise to its limits"),
        ({"W3.1": HOLDS}, "only that of W3.1 lies otherwise to its limits"),
        (
            {"W3.1": UNDECIDED},
            "only that of W3.1 lies otherwise to its limits; after the correction it is open with either",
        ),
        ({"W3.1": HOLDS, "W4.2": UNDECIDED}, "only those of W3.1 and W4.2 lie otherwise to their limits"),
    ],
)
def test_claims_whose_intervals_lie_otherwise_are_named_one_or_many(verdicts: dict[str, str], told: str) -> None:
    of = {"quantity": "accuracy", "unit": "share", "seeds": 5, "mean": 0.9, "sd": 0.01, "interval": [0.8, 0.95]}
    of |= {"min": 0.8, "p": 0.01, "corrected": 0.06, "alone": HOLDS}
    crossing = {claim: Quantity.model_validate(of | {"verdict": verdict}) for claim, verdict in verdicts.items()}
    assert paper_results._otherwise(crossing) == told


def test_the_paper_says_of_which_claim_only_arithmetic_holds(markdown: dict[str, str], copy: "Copy") -> None:
    (claim,) = (of for of in copy.read("metrics/reproductions.json")["claims"] if of["id"] == "W2.3")
    only_arithmetic = claim["verdict"] == "holds in part" and claim["measured"][0]["verdict"] != "holds"
    assert ("What holds of W2.3 is arithmetic." in markdown["paper"]) == only_arithmetic


def test_the_gradients_are_within_the_bounds_that_the_paper_names(markdown: dict[str, str], copy: "Copy") -> None:
    gradients = copy.read("benchmarks/gradients.json")["gradients"]
    found = re.search(
        r"In (\d+) comparisons.*?(\$10.*?\$|0), and .*?less than (\$10.*?\$|0), in float64", markdown["paper"]
    )
    assert found
    assert int(found[1]) == len(gradients)
    differences = max(row["errors"]["central differences"] for row in gradients)
    others = max(
        error or 0 for row in gradients for name, error in row["errors"].items() if name != "central differences"
    )
    for bound, largest in ((found[2], differences), (found[3], others)):
        assert largest <= float(tex(bound)) <= 10 * largest


def test_the_cost_is_that_of_the_benchmark(markdown: dict[str, str], copy: "Copy") -> None:
    section = markdown["paper"].partition("# Cost {")[2].partition("\n#")[0]
    shown = re.findall(r"^- (.+): (\S+) (.+), in ([\d,]+) MB", section, re.MULTILINE)
    works = {work["work"]: work for work in copy.read("benchmarks/results.json")["works"]}
    assert shown
    for name, time, unit, memory in shown:
        work = works[name]
        ours = work["contestants"]["ours"]
        assert (float(time), unit, int(memory.replace(",", ""))) == (ours["time"], work["unit"], ours["peak_megabytes"])
    assert f"On {copy.read('benchmarks/results.json')['machine']['cores']} cores" in section


def test_the_ladder_is_a_section_as_soon_as_a_rung_has_been_run(substitute: "Copy", tmp_path: Path) -> None:
    climbed = substitute.again(tmp_path / "climbed")
    climbed.write("ladder/results.json", json.dumps({"rungs": {}, "digits": []}))
    assert printed(climbed, "ladder_section()").strip() == ""
    row = {
        "dataset": "MNIST", "images": {"train": 60000, "test": 10000}, "parameters": 7960, "multiply_adds": 7940,
        "mean": 0.8712, "spread": 0.0123, "interval": [0.8645, 0.8776], "seeds": 3, "wrong": 1288.3,
        "seconds": 31.4, "revision": "abc", "machine": "a machine",
    }  # fmt: skip
    climbed.write("ladder/results.json", json.dumps({"rungs": {"write-up": row}, "digits": []}))
    section = printed(climbed, "ladder_section()")
    assert section.startswith("# The ladder {#sec:ladder}")
    assert "a machine" in section
    (line,) = [line for line in section.splitlines() if line.startswith("| 1 |")]
    assert read(line)[3:] == ["87.12 ± 1.23", "86.45 to 87.76", "1,288.3", "7,940", "3", "31.4"]


def test_no_measured_number_is_typed_in_a_text() -> None:
    for path in (ROOT / "paper").glob("*.md"):
        typed = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert set(re.findall(r"\d+\.\d+|\d+(?= ?%)", typed)) <= {"3.11"}, path


def test_a_number_in_the_metrics_is_the_one_in_the_paper(substitute: "Copy", tmp_path: Path) -> None:
    changed = substitute.again(tmp_path / "changed")
    path = changed.folder / "metrics/w3-relu-10.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.8471", "0.7318"), encoding="utf-8")
    before, after = (printed(copy, "headline() + results.results_table()") for copy in (substitute, changed))
    assert before.count("84.7") == after.count("73.2") == 2
    assert "73.2" not in before
    assert "84.7" not in after


def printed(copy: "Copy", call: str) -> str:
    """Return what a function of the module returns in a copy, whose files are of one run."""
    write_lock(copy.folder)
    done = copy.run("-X", "utf8", "-c", f"from publishing import paper_results as results; print(results.{call})")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_changed_parameter_changes_the_paper(substitute: "Copy", tmp_path: Path) -> None:
    changed = substitute.again(tmp_path / "changed")
    path = changed.folder / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("rate: 0.1", "rate: 0.25"), encoding="utf-8")
    before, after = (printed(copy, "protocol_table()") for copy in (substitute, changed))
    assert before.replace("0.1 |", "0.25 |") == after != before


def test_momentum_in_full_batches_alone_has_the_rate_of_descent_as_the_texts_say(
    markdown: dict[str, str], copy: "Copy"
) -> None:
    networks = copy.read("metrics/reproductions.json")["networks"]
    found = experiments(of_networks(networks))
    rates = {
        f"{batches} {name}": found[f"{batches} {name}"].row["learning_rate"] == found[base].row["learning_rate"]
        for batches, base in (("full", "w3"), ("mini", "mini 10"))
        for name in ("momentum", "rmsprop", "adam")
    }
    assert [name for name, is_that_of_descent in rates.items() if is_that_of_descent] == ["full momentum"]
    for text in markdown.values():
        assert "optimizer and rate together, but for momentum in full batches, which has the rate of descent" in text


def test_the_paper_names_every_means_of_training(substitute: "Copy", tmp_path: Path) -> None:
    changed = substitute.again(tmp_path / "changed")
    path = changed.folder / "params.yaml"
    keys = (
        "label_smoothing: 0.2\n    clip_norm: 3\n    averaging: 0.99\n    weight_decay: 0.4\n    decoupled_decay: true"
    )
    path.write_text(
        path.read_text(encoding="utf-8").replace("    learning_rate:", f"    {keys}\n    learning_rate:", 1),
        encoding="utf-8",
    )
    means = ", decoupled weight decay 0.4, clipped at norm 3, label smoothing 0.2, averaging 0.99 |"
    before, after = (printed(copy, "protocol_table()") for copy in (substitute, changed))
    assert means not in before
    assert after.count(means) == 1


@pytest.mark.parametrize("path", COMMANDS)
def test_the_message_on_a_missing_file_has_the_command_that_makes_it(
    path: str, substitute: "Copy", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("params.yaml", *COMMANDS):
        if name != path:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(substitute.folder / name, tmp_path / name)
    write_lock(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^{path}: not there; run `{COMMANDS[path]}`"):
        paper_results.load.__wrapped__()


def test_a_missing_key_is_named(substitute: "Copy", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("params.yaml", *COMMANDS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (substitute.folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace('"seeds"', '"runs"', 1), encoding="utf-8")
    write_lock(tmp_path)
    monkeypatch.chdir(tmp_path)
    key = r"claims\.1\.measured\.0\.seeds"
    with pytest.raises(
        UserError, match=rf"^metrics/reproductions\.json: {key} is missing or is not what `dvc repro` writes"
    ):
        paper_results.load.__wrapped__()


def test_a_figure_that_was_not_drawn_is_named() -> None:
    with pytest.raises(UserError, match=r"^figures/none\.svg: not there; run `dvc repro`"):
        paper_results.figure("figures/none.svg", "none", "", "")


@pytest.mark.parametrize(("error", "shown"), [(0, "0"), (3.2e-9, "$10^{-8}$"), (9.9e-10, "$10^{-9}$")])
def test_an_error_is_given_by_the_power_of_ten_above_it(error: float, shown: str) -> None:
    assert paper_results.bound(error) == shown


@pytest.mark.parametrize(("error", "shown"), [(None, "-"), (0.0, "0"), (2.44e-11, r"$2.4 \cdot 10^{-11}$")])
def test_an_error_is_given_with_two_digits(error: float | None, shown: str) -> None:
    assert paper_results.scientific(error) == shown


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"name": "he"}, "he"),
        ({"name": "gradient-descent"}, "gradient descent"),
        ({"name": "steps", "at": [75, 90], "factor": 0.1}, "steps (at 75, 90, factor 0.1)"),
    ],
)
def test_a_member_of_a_family_is_given_with_its_options(options: dict[str, Any], shown: str) -> None:
    assert paper_results.member(options) == shown


def test_the_versions_are_those_of_the_lock() -> None:
    assert f"numpy=={paper_results.version('numpy')} " in (ROOT / "requirements/run.txt").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="does not name no-such-package"):
        paper_results.version("no-such-package")
