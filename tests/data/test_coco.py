"""A COCO tree as it should be, and in every broken form."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.data import CocoDetectionDataset, VocDetectionDataset, data_path


def write(folder: Path, **changes) -> CocoDetectionDataset:
    """A small tree with gaps in its category ids, an image 0, an empty image and a crowd."""
    content = {
        "images": [
            {"id": 0, "file_name": "first.png", "width": 20, "height": 10},
            {"id": 16_777_217, "file_name": "empty.png", "width": 20, "height": 10},
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 11.5},
            {"id": 2, "image_id": 0, "category_id": 3, "bbox": [15, 5, 10, 10], "iscrowd": 1},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
    }  # fmt: skip
    options = changes.pop("options", {})
    for path, value in changes.items():
        section, _, rest = path.partition("__")
        if not rest:
            content[section] = value
        else:
            number, _, field = rest.partition("__")
            if value is ...:
                del content[section][int(number)][field]
            else:
                content[section][int(number)][field] = value
    for name in ("first.png", "empty.png"):
        Image.new("RGB", (20, 10)).save(folder / name)
    (folder / "a.json").write_text(json.dumps(content))
    return CocoDetectionDataset(folder, folder / "a.json", **options)


def test_items(tmp_path):
    dataset = write(tmp_path)
    assert dataset.class_names == ("background", "cat", "dog")
    assert dataset.category_ids == (None, 3, 9)
    assert len(dataset) == 2
    image, target = dataset[0]
    assert tuple(image.shape) == (3, 10, 20)
    assert target["image_id"] == 0
    assert target["labels"].tolist() == [2, 1]
    assert target["boxes"].tolist() == [[1, 2, 4, 6], [15, 5, 20, 10]]  # the second is clipped
    assert target["iscrowd"].tolist() == [0, 1]
    assert target["area"].tolist() == [11.5, 100.0]


def test_a_box_that_is_cut_has_an_area_that_scores_count(tmp_path):
    _, target = write(tmp_path, annotations__1__bbox=[0, 0, 1e12, 1e12])[0]
    assert target["boxes"].tolist()[1] == [0, 0, 20, 10]
    assert target["area"].tolist() == [11.5, 1e10]


def test_images_without_annotations_stay_and_ids_survive(tmp_path):
    _, target = write(tmp_path)[1]
    assert target["image_id"] == 16_777_217  # float32 would make it 16777216
    assert tuple(target["boxes"].shape) == (0, 4) and len(target["labels"]) == 0


def test_transform_gets_image_and_target(tmp_path):
    dataset = write(tmp_path, options={"transform": lambda image, target: (image.sum(), target)})
    assert dataset[0][0].ndim == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, r"a\.json: expected a list 'images', got NoneType"),
        ({"categories": {}}, r"a\.json: expected a list 'categories', got dict"),
        ({"annotations__1__bbox": ...}, r"annotations\[1\] lacks bbox"),
        ({"images__1__file_name": ...}, r"images\[1\] lacks file_name"),
        ({"annotations__1__image_id": 5}, r"annotations\[1\] \(id 2\) has image_id 5, which no entry of images"),
        ({"annotations__0__category_id": 4}, r"has category_id 4, which no entry of categories"),
        ({"images__1__id": 0}, "two entries of images have the same id"),
        ({"annotations__1__bbox": [1, 2, 3]}, r"image 0, annotation 2: expected bbox \[x, y, width, height\]"),
        ({"annotations__1__bbox": "1 2 3 4"}, r"image 0, annotation 2: expected bbox"),
        ({"annotations__1__bbox": [1, 2, 0, 4]}, "image 0, annotation 2: expected a width and height above 0"),
        ({"annotations__1__bbox": [1, 2, 3, -4]}, "image 0, annotation 2: expected a width and height"),
        ({"annotations__1__bbox": [1, 2, float("nan"), 4]}, "image 0, annotation 2: expected finite numbers"),
    ],
)  # fmt: skip
def test_broken_files_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        write(tmp_path, **change)
    assert "a.json" in str(caught.value)


OUTSIDE = r"image 0, annotation 2: bbox .* lies outside the image \(first\.png, 20 x 10\)"


@pytest.mark.parametrize("bbox", [[30, 2, 3, 4], [20, 2, 3, 4], [-3, 2, 3, 4], [1, 10, 3, 4],
                                  [1, -9, 3, 4], [5, 2, 1e-9, 4]])  # fmt: skip
def test_boxes_outside_name_image_and_box(tmp_path, bbox):
    with pytest.raises(ValueError, match=OUTSIDE):
        write(tmp_path, annotations__1__bbox=bbox)
    with pytest.warns(UserWarning, match="1 boxes skipped"):
        dataset = write(tmp_path, annotations__1__bbox=bbox, options={"on_bad": "skip"})
    assert dataset[0][1]["labels"].tolist() == [2]


@pytest.mark.parametrize("size", [{"images__0__width": 10, "images__0__height": 20},
                                  {"images__0__width": 0}, {"images__0__height": None}])  # fmt: skip
def test_the_picture_decides_where_the_file_has_another_size(tmp_path, size):
    dataset = write(tmp_path, annotations__1__bbox=[15, 2, 3, 4], **size)
    assert dataset[0][1]["boxes"].tolist()[1] == [15, 2, 18, 6]


def test_a_file_that_is_silent_about_sizes_is_checked_late(tmp_path):
    silent = {"images__0__width": ..., "images__0__height": ...}
    dataset = write(tmp_path, annotations__1__bbox=[30, 2, 3, 4], **silent)
    with pytest.raises(
        ValueError, match=r"image 0 \(first\.png, 20 x 10\), annotation 2: .*outside"
    ):
        dataset[0]


def test_skipping_says_so_once(tmp_path):
    with pytest.warns(UserWarning, match="1 boxes skipped; the first: .*annotation 2"):
        dataset = write(tmp_path, annotations__1__bbox=[1, 2, 0, 4], options={"on_bad": "skip"})
    assert dataset[0][1]["labels"].tolist() == [2]
    with pytest.raises(ValueError, match="on_bad: expected 'error' or 'skip', got 'ignore'"):
        write(tmp_path, options={"on_bad": "ignore"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a whole JSON"),
        ('{"images": [', "not a whole JSON"),
        ("[]", "expected an object with images"),
    ],
)
def test_files_that_are_no_annotations(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: " + message):
        CocoDetectionDataset(tmp_path, tmp_path / "a.json")


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such annotation file"):
        CocoDetectionDataset(tmp_path, tmp_path / "a.json")
    dataset = write(tmp_path)
    (tmp_path / "first.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"first\.png: no such picture"):
        dataset[0]


def test_people_of_another_number_of_joints(tmp_path):
    joints = {"annotations__1__keypoints": [5, 6, 2] * 4, "options": {"keypoints": True}}
    dataset = write(tmp_path, **joints)
    assert dataset[0][1]["keypoints"].tolist() == [[[0, 0, 0]] * 4, [[5, 6, 2]] * 4]
    assert tuple(dataset[1][1]["keypoints"].shape) == (0, 4, 3)
    with pytest.raises(
        ValueError, match=r"annotation 2: expected keypoints of 51 numbers, .* got 12"
    ):
        write(tmp_path, annotations__0__keypoints=[0] * 51, **joints)


def test_the_shipped_split_and_its_key_points():
    folder = data_path("shapes_val")
    dataset = CocoDetectionDataset(folder / "images", folder / "annotations.json", keypoints=True)
    assert len(dataset) == 300
    people = 0
    for index in range(0, 300, 10):
        image, target = dataset[index]
        assert tuple(image.shape) == (3, 128, 128)
        assert target["keypoints"].shape == (len(target["labels"]), 17, 3)
        for label, box, joints in zip(
            *(target[k] for k in ("labels", "boxes", "keypoints")), strict=True
        ):
            if dataset.class_names[label] == "person":
                people += 1
                seen = joints[joints[:, 2] > 0, :2]
                assert (seen >= torch.Tensor(box)[:2] - 1).all()
                assert (seen <= torch.Tensor(box)[2:] + 1).all()
            else:
                assert not joints.any()
    assert people > 5


def test_torchvision_reads_the_same(tmp_path):
    """Images in the same order, boxes and labels the same, for COCO and for its twin in VOC's form."""
    from torchvision.datasets import CocoDetection, VOCDetection

    folder = data_path("shapes_val")
    ours = CocoDetectionDataset(folder / "images", folder / "annotations.json")
    theirs = CocoDetection(str(folder / "images"), str(folder / "annotations.json"))
    assert ours.ids == theirs.ids
    for index in range(0, len(ours), 37):
        image, target = ours[index]
        picture, annotations = theirs[index]
        assert torch.equal(image, torch.from_numpy(np.array(picture)).permute(2, 0, 1))
        boxes = torch.tensor([annotation["bbox"] for annotation in annotations])
        corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
        torch.testing.assert_close(target["boxes"].as_subclass(torch.Tensor), corners)
        assert target["labels"].tolist() == [a["category_id"] for a in annotations]

    twin = VocDetectionDataset(data_path("shapes_voc"), "2012", "val")
    theirs = VOCDetection(str(data_path("shapes_voc")), "2012", "val")
    for index in range(len(twin)):
        image, target = twin[index]
        picture, tree = theirs[index]
        assert torch.equal(image, torch.from_numpy(np.array(picture)).permute(2, 0, 1))
        names = [entry["name"] for entry in tree["annotation"]["object"]]
        assert [twin.class_names[label] for label in target["labels"]] == names
