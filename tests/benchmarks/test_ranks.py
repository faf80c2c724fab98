import json
from pathlib import Path

import pytest

from benchmarks import ranks
from benchmarks.ranks import Costs, Link, Work, exchange_seconds, update_seconds
from stages.nn.parts import Alone

COSTS = Costs({"1": 1.0, "11": 6.0}, add=0.25, step=0.5, row=100)
LINK = Link("a wire", latency=0.01, bandwidth=1000.0, source="made up")


def test_a_part_costs_what_was_measured_or_lies_between() -> None:
    assert [COSTS.part(images) for images in (1, 6, 11, 22)] == pytest.approx([1, 3.5, 6, 12])


def test_an_exchange_takes_a_latency_for_each_doubling_and_all_rows_but_its_own() -> None:
    assert exchange_seconds(100, 4, 1, LINK) == 0
    assert exchange_seconds(100, 4, 2, LINK) == pytest.approx(0.01 + 0.2)
    assert exchange_seconds(100, 8, 8, LINK) == pytest.approx(0.03 + 0.7)


def test_an_update_takes_its_parts_the_exchange_the_sum_and_the_step() -> None:
    rest = 3 * 0.25 + 0.5
    assert update_seconds(COSTS, 44, 4, 1) == pytest.approx(4 * 6 + rest)
    assert update_seconds(COSTS, 44, 4, 3) == pytest.approx(2 * 6 + rest)
    assert update_seconds(COSTS, 44, 4, 2, LINK) == pytest.approx(2 * 6 + 0.21 + rest)
    assert update_seconds(COSTS, 44, 4, 4, LINK, cores=2) == pytest.approx(2 * 6 + 0.02 + 0.3 + rest)


def test_the_row_that_is_sent_is_that_of_the_parts() -> None:
    work = Work("few", (784, 3, 10), 20, 4)
    network, _, _ = ranks.build(work)
    rows = ranks.trainer_of(work, network).parts._rows
    assert rows.itemsize == 4 * network.size + ranks.HEAD + (-4 * network.size) % 8


def test_every_network_has_a_source() -> None:
    assert all(0 < link.latency < 1e-3 and link.bandwidth > 1e7 and link.source for link in ranks.links())


@pytest.mark.parametrize("work", ranks.WORKS, ids=lambda work: work.name)
def test_no_more_workers_are_predicted_than_a_batch_has_images(work: Work) -> None:
    assert [size for size, _ in ranks.prediction(COSTS, work, LINK)][-1] == min(ranks.MOST, work.m)


def test_a_measurement_has_all_works_and_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "WORKS", [Work("few", (784, 3, 10), 20, 4)])
    found = ranks.on_ranks(Alone(), threads=1)
    assert found["updates"].keys() == {"few"}
    assert found["updates"]["few"] > 0


def test_latency_and_bandwidth_are_those_of_the_exchanges() -> None:
    link = ranks.measured_link({"1000": 0.5, "4000": 2.5})
    assert (link.latency, link.bandwidth) == (0.5, 2000)


def test_the_figure_is_drawn_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "FIGURE", tmp_path / "ranks")
    ranks.draw(json.loads(ranks.RESULTS.read_text()))
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}
