import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from stages.shared.figures import PERCENT, VERMILION, figure_at, show_tiles

ROOT = Path(__file__).parents[2]
NOTES = ["No mirror was in reach, and so the figures of this test are of very few digits indeed: five.", "Two."]


def draw(folder: Path, notes: list[str]) -> SubFigure:
    with figure_at(folder / "line", (4, 3), "model on digits", "A line", notes) as figure:
        plotted, shown = figure.subplots(1, 2)
        plotted.plot([1, 2, 4])
        shown.imshow(np.eye(3))
    return figure


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_figure_is_written_as_png_and_svg(tmp_path: Path) -> None:
    draw(tmp_path, [])
    written = files(tmp_path)
    assert sorted(written) == ["line.png", "line.svg"]
    with Image.open(io.BytesIO(written["line.png"])) as image:
        image.load()
        assert image.width == pytest.approx(200 * 4, rel=0.1)
    assert ET.fromstring(written["line.svg"]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (just written by us)


def test_the_same_drawing_gives_the_same_bytes_whatever_the_users_style(tmp_path: Path) -> None:
    written = []
    for name, size in (("plain", 10), ("large", 20)):
        (tmp_path / name).mkdir()
        with mpl.rc_context({"font.size": size, "lines.linewidth": size, "svg.hashsalt": name}):
            draw(tmp_path / name, NOTES)
        written.append(files(tmp_path / name))
    assert written[0] == written[1]


def test_no_date_and_no_version_is_written(tmp_path: Path) -> None:
    draw(tmp_path, [])
    for name, content in files(tmp_path).items():
        assert b"dc:date" not in content, name
        assert mpl.__version__.encode() not in content, name


def texts(figure: SubFigure) -> dict[str, Text]:
    root = figure.get_figure(root=True)
    assert root is not None
    return {text.get_text(): text for text in root.findobj(Text) if isinstance(text, Text)}


def test_headings_stand_one_below_the_other_and_fit(tmp_path: Path) -> None:
    figure = draw(tmp_path, NOTES)
    (notes,) = (text for text in texts(figure) if text.startswith("No mirror"))
    assert " ".join(notes.split()) == " ".join(NOTES)
    boxes = [texts(figure)[heading].get_window_extent() for heading in (notes, "model on digits", "A line")]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_notes_stand_in_color(tmp_path: Path) -> None:
    written = texts(draw(tmp_path, ["Two."]))
    assert same_color(written["Two."].get_color(), VERMILION)
    assert not same_color(written["model on digits"].get_color(), VERMILION)


def read_glyphs(path: Path) -> str:
    """Return the characters of the glyphs that an SVG draws, in their order."""
    characters: dict[tuple[str, int], str] = {}
    for name, weight in (("DejaVuSans", "normal"), ("DejaVuSans-Bold", "bold")):
        font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
        characters |= {(name, glyph): chr(code) for code, glyph in reversed(font.get_charmap().items())}
    glyphs = re.findall(r'href="#(DejaVuSans(?:-Bold)?)-([0-9a-f]+)"', path.read_text(encoding="utf-8"))
    return "".join(characters[name, int(glyph, 16)] for name, glyph in glyphs)


def test_a_name_that_could_be_read_as_a_formula_is_drawn_as_it_stands(tmp_path: Path) -> None:
    name = r"a <b>&|*_$x_{$ [c](d) `e` \$"
    with figure_at(tmp_path / "names", (9, 3), f"model on {name}", "A line", [f"{name}!"]) as figure:
        show_tiles(figure.subplots(), np.zeros((1, 28, 28)), [f"{name}?"], [False], columns=1, room=10)
    drawn = read_glyphs(tmp_path / "names.svg")
    assert all(text in drawn for text in (f"model on {name}", f"{name}!", f"{name}?"))


def test_every_figure_is_written_here() -> None:
    modules = (Path(__file__).parents[2] / "stages").rglob("*.py")
    assert [path.name for path in modules if re.search(r"savefig\(|pyplot", path.read_text(encoding="utf-8"))] == [
        "figures.py"
    ]


def test_nothing_is_written_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), figure_at(tmp_path / "line", (4, 3), "model on digits", "A line"):
        1 / 0  # noqa: B018 (raises, as it is meant to)
    assert files(tmp_path) == {}


def test_tiles_stand_in_rows_each_with_its_frame_and_label() -> None:
    images = np.linspace(0, 1, 3 * 784).reshape(3, 28, 28)
    axes = Figure().subplots()
    last = show_tiles(axes, images, ["a", "b", "c"], [False, True, False], columns=2, room=10, cmap="gray")
    assert last is axes.images[-1]
    assert np.array_equal([np.asarray(tile.get_array()) for tile in axes.images], images)
    assert np.array_equal(
        [tile.get_extent() for tile in axes.images], [(0, 28, 28, 0), (32, 60, 28, 0), (0, 28, 66, 38)]
    )
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [frame.get_xy() for frame in frames] == [(0, 0), (32, 0), (0, 38)]
    assert [same_color(frame.get_edgecolor(), VERMILION) for frame in frames] == [False, True, False]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert [same_color(text.get_color(), VERMILION) for text in axes.texts] == [False, True, False]
    bottom, top = axes.get_ylim()
    assert bottom > 66 + 2 > 0 > top
    assert not axes.axison


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.07, "7%"), (0.125, "12.5%"), (1, "100%")])
def test_shares_are_written_in_percent(share: float, text: str) -> None:
    assert PERCENT(share) == text


def test_matplotlib_is_quiet_without_a_home_folder() -> None:
    places = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "MPL"))}
    program = [sys.executable, "-c", "import stages.shared.figures"]
    environment = places | {"HOME": "/dev/null"}
    done = subprocess.run(program, check=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "MPLCONFIGDIR" not in done.stderr


def test_matplotlib_is_imported_only_after_it_is_given_a_folder() -> None:
    importing = re.compile(r"^(?:from|import) (matplotlib|stages\.shared\.figures)\b", re.MULTILINE)
    for folder in ("stages", "reviewing", "publishing", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            first = importing.search(path.read_text(encoding="utf-8"))
            assert first is None or first[1] != "matplotlib" or path == ROOT / "stages/shared/figures.py", path
