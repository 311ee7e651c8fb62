"""Pictures of every kind become uint8 RGB, or one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.data import images, read_image


def gradient(mode: str) -> Image.Image:
    base = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5)
    return base.convert(mode)


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("rgb.png", gradient("RGB")),
        ("grey.png", gradient("L")),
        ("palette.gif", gradient("P")),
        ("cmyk.jpg", gradient("CMYK")),
        ("one_bit.png", gradient("1")),
        ("alpha.png", gradient("RGBA")),
        ("grey_alpha.png", gradient("LA")),
        ("pixel.png", Image.new("RGB", (1, 1), (9, 8, 7))),
        ("webp.webp", gradient("RGB")),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_every_mode(tmp_path, name, picture):
    picture.save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.dtype == torch.uint8
    assert tuple(image.shape) == (3, picture.height, picture.width)
    assert image.is_contiguous()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    Image.fromarray(values).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png")
    assert image[0, 0, 0] == 0 and image[0, -1, -1] == 255
    assert 120 <= int(image[0, 3, 0]) <= 135


def test_transparent_is_white(tmp_path):
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()


def test_a_turned_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    gradient("RGB").save(tmp_path / "turned.jpg", exif=exif)
    assert tuple(read_image(tmp_path / "turned.jpg").shape) == (3, 8, 6)


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "folder", "missing"])
def test_what_is_no_picture(tmp_path, kind):
    path = tmp_path / f"{kind}.png"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:900])
    elif kind == "folder":
        path.mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=f"{kind}.png: (cannot be|no such)"):
        read_image(path)


def test_a_decompression_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(images.Image, "MAX_IMAGE_PIXELS", 20)
    gradient("RGB").save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png: too large a picture"):
        read_image(tmp_path / "bomb.png")
