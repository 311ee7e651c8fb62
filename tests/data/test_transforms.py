"""Boxes move with their pixels, and everything of a dropped box goes with it."""

import pickle

import pytest
import torch
from torchvision import tv_tensors

from detlearn.data import (
    Shapes,
    check_target,
    collate,
    eval_transform,
    make_target,
    shapes_train_transform,
    train_transform,
)

TRANSFORMS = {
    "eval": eval_transform(96),
    "ssd": train_transform(96),
    "only crop": train_transform(96, photometric=False, zoom_out=1, flip=False),
    "only zoom-out": train_transform(96, photometric=False, crop=False, flip=False),
    "only flip": train_transform(96, photometric=False, zoom_out=1, crop=False),
    "shapes": shapes_train_transform(96),
}


def square(x1: int, y1: int, x2: int, y2: int):
    """A white square on black, and its box."""
    image = torch.zeros(3, 64, 80, dtype=torch.uint8)
    image[:, y1:y2, x1:x2] = 255
    target = make_target([(x1, y1, x2, y2)], [1], (64, 80), 0, iscrowd=torch.tensor([0]))
    return tv_tensors.Image(image), target


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "ssd"])
def test_boxes_stay_on_their_pixels(name):
    torch.manual_seed(0)
    fill = TRANSFORMS[name]
    if name == "only zoom-out":
        fill = train_transform(96, photometric=False, crop=False, flip=False, fill=(0, 0, 0))
    seen = 0
    for x1, y1 in [(10, 8), (30, 20), (44, 25)]:
        for _ in range(15):
            image, target = fill(*square(x1, y1, x1 + 30, y1 + 24))
            assert tuple(image.shape) == (3, 96, 96) and image.dtype == torch.uint8
            for x1_, y1_, x2_, y2_ in target["boxes"].tolist():
                ys, xs = torch.where(image.as_subclass(torch.Tensor)[0] > 127)
                found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
                assert (
                    torch.tensor(found).float().sub(torch.tensor([x1_, y1_, x2_, y2_])).abs().max()
                    <= 1.5
                )
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("name", TRANSFORMS)
def test_targets_stay_whole(name):
    scenes, transform = Shapes(length=40, keypoints=True), TRANSFORMS[name]
    torch.manual_seed(1)
    for image, target in (scenes[i] for i in range(40)):
        before = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in target.items()}
        moved, changed = transform(image, target)
        check_target(changed, (96, 96), 9, name)
        n = len(changed["boxes"])
        assert {len(changed[key]) for key in ("labels", "area", "iscrowd")} == {n}
        assert isinstance(changed["boxes"], tv_tensors.BoundingBoxes)
        assert changed["image_id"] == target["image_id"]
        assert moved.dtype == torch.uint8 and tuple(moved.shape) == (3, 96, 96)
        assert all(
            torch.equal(v, before[k]) for k, v in target.items() if isinstance(v, torch.Tensor)
        )


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(64, 80), (1, 1), (300, 2)])
def test_images_without_objects(name, size):
    torch.manual_seed(2)
    image = tv_tensors.Image(torch.zeros(3, *size, dtype=torch.uint8))
    for _ in range(10):
        moved, target = TRANSFORMS[name](image, make_target([], [], size, 3))
        assert tuple(moved.shape) == (3, 96, 96) and tuple(target["boxes"].shape) == (0, 4)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_seeds_and_workers(name):
    image, target = Shapes(length=1)[0]
    copy = pickle.loads(pickle.dumps(TRANSFORMS[name]))  # as a worker process on Windows gets it
    torch.manual_seed(3)
    first = TRANSFORMS[name](image, target)
    torch.manual_seed(3)
    second = copy(image, target)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1]["boxes"], second[1]["boxes"])


def test_training_sees_small_and_large_objects():
    torch.manual_seed(4)
    image, target = square(20, 16, 50, 40)
    areas = [float(t["boxes"][0, 2:].sub(t["boxes"][0, :2]).prod()) / 96**2
             for _, t in (train_transform(96)(image, target) for _ in range(200)) if len(t["boxes"])]  # fmt: skip
    plain = 30 * 24 / (64 * 80)
    assert min(areas) < plain / 4 and max(areas) > 2 * plain


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eval_transform(0), "size: expected a positive integer, got 0"),
        (lambda: train_transform(30.5), "size: expected a positive integer, got 30.5"),
        (lambda: train_transform(96, zoom_out=0.5), "zoom_out: expected a factor of at least 1"),
        (lambda: shapes_train_transform(96, closest=0), "closest: expected a fraction above 0"),
        (
            lambda: collate([(torch.zeros(3, 2, 2), {}), (torch.zeros(3, 2, 3), {})]),
            "images of one shape",
        ),
        (
            lambda: check_target({"boxes": torch.zeros(0, 4)}, (1, 1), 2, "a.jpg"),
            "a.jpg: expected the keys",
        ),
    ],
)
def test_bad_settings(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("key", ["iscrowd", "difficult"])
def test_crowds_and_difficult_objects_are_no_lessons(key):
    corners = [(2, 2, 30, 30), (20, 10, 60, 50), (5, 40, 25, 60)]
    flags = {key: torch.tensor([0, 1, 0])}
    target = make_target(corners, [1, 2, 3], (64, 80), 0, **flags)
    image = tv_tensors.Image(torch.zeros(3, 64, 80, dtype=torch.uint8))
    plain = train_transform(96, photometric=False, zoom_out=1, crop=False, flip=False)
    _, target = plain(image, target)
    assert target["labels"].tolist() == [1, 3]
    assert target[key].tolist() == [0, 0]
    assert len(target["boxes"]) == 2


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (40, 2), (1, 5000)])
def test_a_strip_of_pixels_ends_no_training(height, width):
    """The crop's window may be three tenths as high as the picture: no pixel, of three."""
    image = tv_tensors.Image(torch.zeros(3, height, width, dtype=torch.uint8))
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor([[0.0, 0, width, height]]), format="XYXY", canvas_size=(height, width)
    )
    transform = train_transform(32, photometric=False, zoom_out=1)
    for seed in range(60):
        torch.manual_seed(seed)
        seen, target = transform(image, {"boxes": boxes, "labels": torch.tensor([1])})
        assert seen.shape == (3, 32, 32) and len(target["boxes"]) == 1
