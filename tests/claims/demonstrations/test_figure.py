import numpy as np
from matplotlib.figure import Figure

from stages.claims.demonstrations.common import Curve, Panel
from stages.claims.demonstrations.figure import draw_panel


def test_the_figure_marks_where_a_run_could_not_go_on() -> None:
    stopped = Curve("stopped", "wrong", range(3), [0.1, 0.2, 0.3], 3)
    axes = Figure().subplots()
    draw_panel(axes, Panel("title", [Curve("right", "right", range(4), [0.1, 0.2, 0.3, 0.4]), stopped]))
    lines = [(line.get_marker(), line.get_xydata()) for line in axes.lines]
    assert [marker for marker, _ in lines] == ["None", "None", "X"]
    np.testing.assert_array_equal(lines[2][1], [[3, 0.3]])
    assert axes.get_ylim() == (0, 1)
