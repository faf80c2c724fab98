import pytest

from stages.claims import write_ups
from stages.shared import schema

CONTENT = schema.read(write_ups.WRITE_UPS)


def test_claims_and_errors_are_those_of_the_file_and_warnings_are_among_the_claims() -> None:
    claims = write_ups.claims()
    assert list(claims.values()) == CONTENT["claims"]
    assert write_ups.errors() == CONTENT["errors"]
    warnings = write_ups.warnings()
    assert {warning["kind"] for warning in warnings} == {"ablation"}
    assert [name for name, claim in claims.items() if claim["kind"] == "ablation"] == [row["id"] for row in warnings]


def test_every_claim_names_its_write_up_and_its_kind() -> None:
    write_ups = {row["id"] for row in CONTENT["write_ups"]}
    counts = {"W1": 1, "W2": 4, "W3": 10, "W4": 5, "W5": 4}
    assert [claim["id"] for claim in CONTENT["claims"]] == [f"{w}.{k + 1}" for w, n in counts.items() for k in range(n)]
    for claim in CONTENT["claims"]:
        assert claim["write_up"] in write_ups
        assert claim["id"].startswith(f"{claim['write_up']}.")
        assert claim["kind"] in {"number", "comparison", "shown", "ablation"}
        assert ("numbers" in claim or "same_as" in claim) >= (claim["kind"] == "number")
    for error in CONTENT["errors"]:
        assert set(error["write_ups"]) <= write_ups
        assert error["where"] in {"code", "text"}


def half_a_unit_of_the_last_digit(text: str) -> float:
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def test_the_rounding_of_a_percentage_is_half_a_unit_of_its_last_digit() -> None:
    for claim in CONTENT["claims"]:
        for number in claim.get("numbers", []):
            if number["unit"] == "%":
                assert number["rounding"] == pytest.approx(half_a_unit_of_the_last_digit(str(number["value"])))


def test_each_claim_says_beforehand_what_decides_it() -> None:
    for claim in CONTENT["claims"]:
        for key in ("measured", "contradicts", "undecided"):
            assert claim[key].endswith("."), (claim["id"], key)


def test_a_margin_is_a_point_the_rounding_and_what_so_many_images_say() -> None:
    stated = [number for claim in CONTENT["claims"] for number in claim.get("numbers", []) if "images" in number]
    assert len(stated) == 8
    for number in stated:
        p = number["value"] / 100
        sampling = 1.96 * (p * (1 - p) / number["images"]) ** 0.5
        assert number["margin"] == pytest.approx(1 + number["rounding"] + 100 * sampling, abs=0.05)
    (cost,) = [n for claim in CONTENT["claims"] for n in claim.get("numbers", []) if n["quantity"] == "cost"]
    assert cost["margin"] == pytest.approx(0.01 * cost["value"] + cost["rounding"], abs=5e-5)


def test_a_number_is_judged_by_its_margin_or_says_why_it_is_not() -> None:
    for claim in CONTENT["claims"]:
        for number in claim.get("numbers", []):
            if "part" in number:
                assert ("margin" in number) != ("why" in number)
            if "margin" in number:
                assert number["reading"] in {"at least", "about"}


def test_claims_rest_on_others_that_rest_on_none() -> None:
    rests_on = write_ups.rests_on()
    assert {name: others for name, others in rests_on.items() if others} == {
        "W1.1": ["W2.1"],
        "W2.4": ["W3.8", "W3.10"],
    }
    assert not any(rests_on[other] for others in rests_on.values() for other in others)


def test_a_number_that_is_taken_from_another_claim_is_that_one() -> None:
    stated = {claim["id"]: claim.get("numbers", []) for claim in CONTENT["claims"]}
    taken = [number for numbers in stated.values() for number in numbers if "of" in number]
    assert taken
    for number in taken:
        (of,) = stated[number["of"]]
        assert (number["value"], number["rounding"]) == (of["value"], of["rounding"])
