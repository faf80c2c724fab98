"""The chart of the benchmark, drawn from its results whenever a page shows it."""

from publishing import words
from publishing.charts import embedded
from publishing.measurements import Benchmarks, Goals, Work
from publishing.results import not_there
from stages.shared.figures import BLUE, GRAY, INK, LIGHT_GRAY, VERMILION, Axes, SubFigure

TICKS = (0.25, 0.5, 1, 2, 4)


def speed_chart() -> str:
    """Return the chart as an image that holds its own SVG, with its numbers as the text for those who do not see it."""
    if not Benchmarks.PATH.exists():
        return not_there(Benchmarks)
    works = Benchmarks.load().works
    rows = -(-len(works) // 2)
    text = "; ".join(
        f"{work.work}: {words.listed([f'{name} {words.spread(ratio)}' for name, ratio in work.ratios.items()])}"
        for work in works
    )
    return embedded(
        lambda figure: draw(figure, works, rows),
        (9, 0.6 + 2.1 * rows),
        "Time of ours, divided by theirs",
        "left of 1, ours is faster",
        f"Time of ours, divided by theirs. {text}",
    )


def draw(figure: SubFigure, works: list[Work], rows: int) -> None:
    """Draw a panel for each work: the median ratio to each contestant, its smallest and largest, and the goal."""
    goals = Goals.load().root
    panels = figure.subplots(rows, 2, squeeze=False, sharex=True)
    for axes, work in zip(panels.flat, works, strict=False):
        draw_work(axes, work, goals.get(work.work, {}))
    for axes in panels.flat[len(works) :]:
        axes.set_axis_off()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)


def draw_work(axes: Axes, work: Work, goals: dict[str, float]) -> None:
    """Draw the panel of a work."""
    places = {name: place for place, name in enumerate(work.ratios)}
    ratios = work.ratios.values()
    axes.axvline(1, color=GRAY, linewidth=0.8)
    axes.hlines(
        list(places.values()),
        [ratio.smallest for ratio in ratios],
        [ratio.largest for ratio in ratios],
        color=BLUE,
        linewidth=2,
        label="smallest to largest",
    )
    axes.plot(
        [ratio.median for ratio in ratios], list(places.values()), "o", color=BLUE, ms=5, label="median of the rounds"
    )
    with_goal = [name for name in places if name in goals]
    axes.plot(
        [goals[name] for name in with_goal],
        [places[name] for name in with_goal],
        "|",
        color=VERMILION,
        ms=14,
        mew=2,
        label="goal",
    )
    axes.set_title(work.work, fontsize=8, color=INK, loc="left")
    axes.set(xscale="log", yticks=list(places.values()), yticklabels=list(places), ylim=(len(places) - 0.5, -0.5))
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS], minor=False)
    axes.minorticks_off()
    axes.tick_params(labelbottom=True)
    axes.grid(axis="x", color=LIGHT_GRAY, linewidth=0.6)
