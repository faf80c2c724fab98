import pytest
from PIL import Image, ImageDraw

from stages.shared.drawings import normalize
from tests.drawn import Column


@pytest.fixture
def seven() -> Image.Image:
    """Return a black seven on white, in gray."""
    image = Image.new("L", (200, 260), 255)
    ImageDraw.Draw(image).line([(50, 50), (150, 50), (90, 220)], fill=0, width=14, joint="curve")
    return image


@pytest.fixture
def column(seven: Image.Image) -> Column:
    return normalize(seven.convert("RGB"))
