"""Photographs seen from nearer, turned, moved, blurred; the three portraits."""

from __future__ import annotations

import pytest
import torch

import detlearn
from detlearn.boxes import box_iou
from detlearn.data import data_path, load_portraits, view_photo


def dot(row, column, size=(40, 60)):
    """A black photograph with a white square of 4 px around a point."""
    photo = torch.zeros(3, *size, dtype=torch.uint8)
    photo[:, row - 2 : row + 2, column - 2 : column + 2] = 255
    return photo


def middle(picture):
    """(x, y) of what is bright, px."""
    weight = picture[0].double()
    along = torch.arange(len(weight)) + 0.5
    return [float((weight.sum(d) * along).sum() / weight.sum()) for d in (0, 1)]


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (5.0, -3.0)])
def test_the_point_comes_to_its_place(scale, shift):
    seen = view_photo(dot(12, 40), (40.0, 12.0), scale, shift=shift, side=32)
    assert seen.shape == (3, 32, 32) and seen.dtype == torch.uint8
    assert middle(seen) == pytest.approx([16 + shift[0], 16 + shift[1]], abs=0.1)
    assert float(seen[0].double().sum()) / 255 == pytest.approx((4 * scale) ** 2, rel=0.1)


def test_a_turn_is_clockwise():
    """What lies 10 px right of the centre lies below it after 90 degrees."""
    seen = view_photo(dot(20, 40), (30.0, 20.0), 1.0, angle=90, side=40)
    assert middle(seen) == pytest.approx([20, 30], abs=0.1)


def test_beside_the_photograph_is_black():
    seen = view_photo(torch.full((3, 10, 10), 255, dtype=torch.uint8), (5.0, 5.0), 1.0, side=30)
    assert int((seen[0] > 0).sum()) == 100


def test_blur_spreads_and_keeps_the_sum():
    sharp = view_photo(dot(20, 30), (30.0, 20.0), 1.0, side=40).double()
    soft = view_photo(dot(20, 30), (30.0, 20.0), 1.0, side=40, blur=2.0).double()
    assert soft.max() < 0.5 * sharp.max()
    assert float(soft.sum()) == pytest.approx(float(sharp.sum()), rel=0.05)


def test_the_whole_photograph_is_what_the_detector_makes_of_it():
    """Centre, a quarter of the size: the model's own resize, to a grey level."""
    model = detlearn.create_model("blazeface")
    photo = load_portraits()["astronaut"].photo
    seen = model.normalize(view_photo(photo, (256.0, 256.0), 0.25)[None])
    assert (seen - model.prepare([photo])).abs().max() < 0.02


@pytest.mark.parametrize("name", ["astronaut", "hopper", "cameraman"])
def test_the_faces_are_where_the_detector_sees_them(name):
    model = detlearn.load_model(data_path("weights", "blazeface.safetensors"))
    portrait = load_portraits()[name]
    (x, y), half = portrait.center, portrait.side / 2
    box = torch.tensor([[x - half, y - half, x + half, y + half]])
    assert box_iou(box, model.detect([portrait.photo])[0]["boxes"]).max() > 0.99
    # and in a view the face is in the middle, as large as was asked
    found = model.detect([portrait.view(40)])[0]["boxes"]
    assert box_iou(found, torch.tensor([[44.0, 44.0, 84.0, 84.0]])).max() > 0.6


@pytest.mark.parametrize(
    ("photo", "settings", "message"),
    [
        (torch.zeros(3, 4, 4), {"scale": 1.0}, r"photo: expected uint8 \(3, H, W\)"),
        ([1], {"scale": 1.0}, "photo: expected uint8 .*, got list"),
        (dot(5, 5), {"scale": 0.0}, "scale: expected a number above 0, got 0.0"),
        (dot(5, 5), {"scale": 1.0, "side": 0}, "side: expected a number above 0, got 0"),
        (dot(5, 5), {"scale": 1.0, "blur": -1.0}, "blur: expected 0 or more, got -1.0"),
    ],
)
def test_what_is_refused(photo, settings, message):
    with pytest.raises(ValueError, match=message):
        view_photo(photo, (2.0, 2.0), **settings)
