"""A figure carries its description into the notebook."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.show.figure import Figure, figure

ALT = "A red rectangle, 8 by 6 pixels."


def opened(shown: Figure) -> Image.Image:
    return Image.open(io.BytesIO(shown.png))


RED = np.zeros((6, 8, 3), dtype=np.uint8)
RED[..., 0] = 255


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(Image.fromarray(RED), id="Pillow image"),
        pytest.param(RED, id="array (H, W, 3)"),
        pytest.param(RED[:, ::-1], id="array that is a view"),
        pytest.param(torch.from_numpy(RED).permute(2, 0, 1), id="tensor (3, H, W)"),
    ],
)
def test_drawings_become_a_png(drawing: Any) -> None:
    picture = opened(figure(drawing, ALT))
    assert picture.size == (8, 6)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_matplotlib_figure_becomes_a_png_and_is_closed() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    drawing = plt.figure(figsize=(3, 2))
    drawing.add_subplot().plot([0, 1])
    shown = figure(drawing, ALT, dpi=50)
    assert opened(shown).size == (150, 100)
    assert "Software" not in opened(shown).info
    assert plt.get_fignums() == []


def test_bytes_stay_what_they_are() -> None:
    png = figure(RED, ALT).png
    assert figure(png, ALT).png == png


def test_jupyter_gets_picture_text_and_description() -> None:
    shown = Figure(figure(RED, ALT).png, "  A red rectangle,\n 8 by 6 pixels. ", width=80)
    data, metadata = shown._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == shown.png
    assert data["text/plain"] == repr(shown) == f"Figure: {ALT}"
    assert metadata == {"image/png": {"alt": ALT, "width": 80}}
    assert "width" not in figure(RED, ALT)._repr_mimebundle_()[1]["image/png"]


def test_save(tmp_path: Path) -> None:
    shown = figure(RED, ALT)
    assert shown.save(tmp_path / "x.png") == tmp_path / "x.png"
    assert (tmp_path / "x.png").read_bytes() == shown.png


@pytest.mark.parametrize("alt", ["", "   ", "a cat", "plot"])
def test_a_description_that_says_nothing_is_refused(alt: str) -> None:
    with pytest.raises(ValueError, match="alt: expected a description of at least 15 characters"):
        figure(RED, alt)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        pytest.param(b"GIF89a", "expected the bytes of a PNG file, got b'GIF89a'", id="bytes"),
        pytest.param("cat.png", "got str", id="path"),
        pytest.param(torch.zeros(3, 6, 8), r"expected uint8 \(3, H, W\), got torch.float32", id="float"),
        pytest.param(torch.zeros(6, 8, 3).byte(), r"\(3, H, W\), got torch.uint8 \(6, 8, 3\)", id="order"),
        pytest.param(torch.zeros(6, 8).byte(), r"got torch.uint8 \(6, 8\)", id="grey"),
        pytest.param(RED.transpose(2, 0, 1), r"\(H, W, 3\), got uint8 \(3, 6, 8\)", id="array order"),
    ],
)  # fmt: skip
def test_other_drawings_are_refused(drawing: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figure(drawing, ALT)
