"""Scenes: the same everywhere, with tight boxes, and as hard as they say."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from detlearn.data import Shapes, check_target, collate
from detlearn.data.shapes import (
    COMPLEX,
    KEYPOINT_FLIP,
    KEYPOINT_NAMES,
    LARGEST,
    MIN_VISIBLE,
    SIMPLE,
    SMALLEST,
    VAL_SEED,
    Dice,
)


@pytest.fixture(scope="module")
def scenes():
    """Three hundred pages, drawn once."""
    data = Shapes(length=300)
    return [data.scene(index) for index in range(300)]


@pytest.fixture(scope="module")
def items():
    data = Shapes(length=300, keypoints=True)
    return [data[index] for index in range(300)]


def same(first, second) -> bool:
    (image, target), (other, truth) = first, second
    return torch.equal(image, other) and all(
        torch.equal(target[k], truth[k])
        if isinstance(target[k], torch.Tensor)
        else target[k] == truth[k]
        for k in target
    )


def test_order_start_and_pickling_change_nothing(items):
    data = Shapes(length=300, keypoints=True)
    for index in (7, 3, 7):
        assert same(data[index], items[index])
    assert same(Shapes(length=2, start=7, keypoints=True)[0], items[7])
    assert same(pickle.loads(pickle.dumps(data))[3], items[3])


def test_the_global_generators_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    Shapes(length=1)[0]
    after = torch.rand(()), np.random.rand()  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert after == (torch.rand(()), np.random.rand())  # noqa: NPY002


def test_workers_draw_the_same_scenes(items):
    loader = DataLoader(
        Shapes(length=12, keypoints=True), batch_size=4, num_workers=2, collate_fn=collate
    )
    images = torch.cat([batch for batch, _ in loader])
    assert torch.equal(images, torch.stack([image for image, _ in items[:12]]))


def test_other_seeds_are_other_scenes(items):
    assert not torch.equal(Shapes(length=1, seed=VAL_SEED)[0][0], items[0][0])
    assert not torch.equal(items[1][0], items[0][0])


def test_annotations_are_those_of_this_version(items):
    # Boxes in sixths of a pixel, as integers: no rounding of another machine can change them.
    digest = hashlib.sha256()
    for _, target in items[:100]:
        rows = torch.cat([(6 * target["boxes"]).round(), target["labels"][:, None]], dim=1)
        digest.update(rows.to(torch.int64).numpy().astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == "8ef2bc25dbf0fbe1", (
        "the scenes changed: raise SHAPES_VERSION, export again"
    )


def test_targets_are_whole(items):
    for image, target in items:
        assert image.dtype == torch.uint8 and tuple(image.shape) == (3, 128, 128)
        check_target(target, (128, 128), 9, f"scene {target['image_id']}")
        n = len(target["boxes"])
        assert {len(target[k]) for k in ("labels", "area", "iscrowd", "keypoints")} == {n}
    assert [target["image_id"] for _, target in items] == list(range(300))


def test_boxes_are_tight(scenes):
    for scene, (_, target) in zip(scenes, (Shapes(length=300)[i] for i in range(60)), strict=False):
        for thing, box in zip(scene.objects, target["boxes"].tolist(), strict=True):
            ys, xs = np.nonzero(np.asarray(thing.cutout.picture.getchannel("A")))
            drawn = [
                xs.min() + thing.x,
                ys.min() + thing.y,
                xs.max() + 1 + thing.x,
                ys.max() + 1 + thing.y,
            ]
            drawn = np.clip(drawn, 0, 128)
            assert np.abs(drawn - np.array(box)).max() <= 1.0, (drawn, box)


def test_nothing_is_hidden_by_more_than_thirty_per_cent(scenes):
    for scene in scenes:
        for position, thing in enumerate(scene.things):
            seen = int((scene.owner == position).sum())
            assert seen == thing.seen
            assert seen >= MIN_VISIBLE * thing.pixels


def test_sizes_spread_evenly_over_the_octaves(items):
    sides = torch.cat([(t["boxes"][:, 2:] - t["boxes"][:, :2]).amax(1) for _, t in items]) / 128
    assert sides.min() >= SMALLEST * 0.6 and sides.max() <= LARGEST * 1.25
    octaves = torch.histc(
        sides.log2(), bins=3, min=float(np.log2(SMALLEST)), max=float(np.log2(LARGEST))
    )
    shares = octaves / octaves.sum()
    assert (shares > 0.15).all(), shares  # large ones find a place less often


def test_classes_are_balanced_and_groups_of_one_size(items):
    labels = torch.cat([target["labels"] for _, target in items])
    sides = torch.cat([t["boxes"][:, 2:].sub(t["boxes"][:, :2]).amax(1) for _, t in items])
    counts = labels.bincount(minlength=9)[1:]
    assert (
        counts.min() > 0.7 * counts.float().mean() and counts.max() < 1.35 * counts.float().mean()
    )
    simple = torch.isin(labels, torch.arange(1, 5))
    assert 0.7 < (sides[simple].median() / sides[~simple].median()).item() < 1.4


def test_some_pages_are_empty():
    assert any(len(Shapes(length=1, start=start)[0][1]["labels"]) == 0 for start in range(200))


def test_people_have_joints_inside_their_boxes(items):
    people = 0
    for _, target in items:
        for label, box, joints in zip(
            target["labels"].tolist(), target["boxes"].tolist(), target["keypoints"], strict=True
        ):
            if Shapes.class_names[label] != "person":
                assert not joints.any()
                continue
            people += 1
            seen = joints[joints[:, 2] > 0]
            assert (seen[:, 0] >= box[0] - 1).all() and (seen[:, 0] <= box[2] + 1).all()
            assert (seen[:, 1] >= box[1] - 1).all() and (seen[:, 1] <= box[3] + 1).all()
            assert set(joints[:, 2].tolist()) <= {0.0, 1.0, 2.0}
    assert people > 50


def test_left_is_the_persons_own(items):
    sides = [
        joints[5, 0] - joints[6, 0]
        for _, target in items
        for joints in target["keypoints"]
        if (joints[[5, 6], 2] > 0).all()
    ]
    assert np.mean([float(side) > 0 for side in sides]) > 0.95  # who faces us has left on the right
    assert [KEYPOINT_FLIP[k] for k in KEYPOINT_FLIP] == list(range(17))
    assert all(
        KEYPOINT_NAMES[flipped]
        == name.replace("left", "@").replace("right", "left").replace("@", "right")
        for name, flipped in zip(KEYPOINT_NAMES, KEYPOINT_FLIP, strict=True)
    )


def test_coco_categories():
    categories = Shapes.coco_categories()
    assert [c["name"] for c in categories] == [*SIMPLE, *COMPLEX]
    assert [c["id"] for c in categories] == list(range(1, 9))
    assert len(categories[-1]["keypoints"]) == 17 and "keypoints" not in categories[0]


@pytest.mark.parametrize("size", [32, 96, 300])
def test_other_sizes(size):
    image, target = Shapes(length=3, size=size)[1]
    assert tuple(image.shape) == (3, size, size)
    check_target(target, (size, size), 9, "scene")


def test_transform_gets_image_and_target():
    image, target = Shapes(
        length=1, transform=lambda image, target: (image[0], {"n": len(target)})
    )[0]
    assert image.ndim == 2 and target["n"] >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": -1}, "length: expected an integer >= 0, got -1"),
        ({"length": 2.0}, "length: expected an integer"),
        ({"length": True}, "length: expected an integer"),
        ({"size": 31}, "size: expected an integer >= 32, got 31"),
        ({"seed": -1}, "seed: expected an integer >= 0"),
        ({"start": None}, "start: expected an integer >= 0, got None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Shapes(**arguments)


@pytest.mark.parametrize("index", [-1, 2])
def test_index_outside(index):
    with pytest.raises(IndexError, match=f"expected 0 <= index < 2, got {index}"):
        Shapes(length=2)[index]


def test_no_scenes_are_legal():
    assert len(Shapes(length=0)) == 0 and list(Shapes(length=0)) == []


def test_dice_are_fair():
    dice = Dice(0, 0)
    numbers = [dice.integer(0, 4) for _ in range(4000)]
    assert set(numbers) == {0, 1, 2, 3}
    assert np.bincount(numbers).min() > 850
    assert all(2 <= dice.log_uniform(2, 8) <= 8 for _ in range(100))
