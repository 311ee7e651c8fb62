"""Scenes on disk are the scenes in memory; a second run writes the same bytes."""

from pathlib import Path

import pytest
import torch

from detlearn.data import (
    TRAIN_OBJECTS,
    CocoDetectionDataset,
    Shapes,
    VocDetectionDataset,
    data_path,
    draw_stand_in,
    load_photo,
    open_dataset,
    write_coin_windows,
)
from detlearn.data.export import main


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    assert main(["--out", str(folder), "--scenes", "6", "--voc-scenes", "4"]) == 0
    return folder


def test_a_second_run_writes_the_same_bytes(exported, tmp_path):
    main(["--out", str(tmp_path), "--scenes", "6", "--voc-scenes", "4"])
    assert contents(tmp_path) == contents(exported)
    assert not list(exported.rglob("*.tmp"))


def test_coco_gives_the_scenes_back(exported):
    folder = exported / "shapes_val"
    read = CocoDetectionDataset(folder / "images", folder / "annotations.json", keypoints=True)
    drawn = Shapes(6, seed=1_000_003, keypoints=True)
    assert read.class_names == drawn.class_names
    for index in range(6):
        (image, target), (expected, truth) = read[index], drawn[index]
        assert torch.equal(image, expected)
        assert torch.equal(target["boxes"], truth["boxes"])
        assert torch.equal(target["labels"], truth["labels"])
        torch.testing.assert_close(target["keypoints"], truth["keypoints"], atol=0.01, rtol=0)


def test_voc_gives_the_boxes_back(exported):
    read = VocDetectionDataset(exported / "shapes_voc", "2012", "val")
    for (_, target), (_, truth) in zip(read, Shapes(4, seed=1_000_003), strict=False):
        assert len(target["boxes"]) == len(truth["boxes"])
        assert ((target["boxes"] - truth["boxes"]).abs() <= 0.5).all()  # VOC keeps whole pixels


def test_the_shipped_scenes_are_those_that_the_code_draws():
    folder = data_path("shapes_val")
    read = CocoDetectionDataset(folder / "images", folder / "annotations.json")
    drawn = Shapes(300, seed=1_000_003)
    for index in (0, 123, 299):
        assert torch.equal(read[index][1]["boxes"], drawn[index][1]["boxes"])
        # Another Pillow may round an edge differently; the picture is the same.
        assert (read[index][0].float() - drawn[index][0].float()).abs().mean() < 1


@pytest.mark.parametrize("layout", ["voc", "coco"])
def test_the_stand_in_is_read_like_the_published_data(tmp_path, layout):
    """The folders of VOC 07+12 and of COCO 2017, one set trained on and another scored on."""
    root = draw_stand_in(tmp_path, layout, train=5, val=3)
    train, val = (open_dataset(str(root), split) for split in ("train", "val"))
    assert (len(train), len(val)) == (5, 3)
    assert train.class_names == val.class_names == Shapes.class_names
    drawn = Shapes(5, objects=TRAIN_OBJECTS)
    for index in range(5):
        image, target = train[index]
        scene, truth = drawn[index]
        assert target["labels"].tolist() == truth["labels"].tolist()
        assert (target["boxes"] - truth["boxes"]).abs().max() <= 1  # VOC has whole pixels
        assert (image.float() - scene.float()).abs().mean() < 8  # and JPEG
    with pytest.raises(ValueError, match="expected 'voc' or 'coco', got 'yolo'"):
        draw_stand_in(tmp_path, "yolo")


def test_the_coins_are_split_by_place(tmp_path):
    root = write_coin_windows(tmp_path / "coins")
    train, val = (open_dataset(str(root), split) for split in ("train", "val"))
    assert (len(train), len(val)) == (16, 2)
    assert sum(len(train[i][1]["boxes"]) for i in range(16)) == 103
    assert sum(len(val[i][1]["boxes"]) for i in range(2)) == 12
    photo, _ = load_photo("coins")
    assert torch.equal(val[1][0], photo[:, 151:303, 192:384])  # the lower right window
