"""Boxes of a data set, measured in the network's input."""

import json
import math

import pytest
import torch
from PIL import Image

from detlearn.boxes import SSD_TINY_PRIORS, coverage, make_priors
from detlearn.data import coverage_by_shape, input_boxes, open_dataset, text_histogram


class Pictures:
    """Two pictures of 200 x 100 px; the first has a square, a crowd and a thin box."""

    def __init__(self, boxes=((20, 20, 60, 60), (0, 0, 200, 100), (0, 0, 200, 10))):
        self.boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)

    def __len__(self):
        return 2

    def __getitem__(self, index):
        boxes = self.boxes if index == 0 else torch.empty(0, 4)
        crowd = torch.arange(len(boxes)) == 1
        return torch.zeros(3, 100, 200), {"boxes": boxes, "iscrowd": crowd.long()}


def test_a_stretched_picture_changes_ratios_and_a_letterboxed_one_does_not():
    stretched = input_boxes(Pictures())
    want = torch.tensor([[0.1, 0.2, 0.3, 0.6], [0.0, 0.0, 1.0, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(stretched, want, atol=1e-6, rtol=0)
    placed = input_boxes(Pictures(), letterbox=True)
    sides = placed[:, 2:] - placed[:, :2]
    torch.testing.assert_close(sides[0], torch.tensor([0.2, 0.2]).double(), atol=1e-6, rtol=0)
    assert len(stretched) == len(placed) == 2, "the crowd is no object"


def test_no_objects_are_refused():
    with pytest.raises(ValueError, match="none in 2 images"):
        input_boxes(Pictures(boxes=()))


def test_only_so_many_images_are_read():
    dataset, read = open_dataset("shapes", "val"), []

    class Counted:
        def __len__(self):
            return len(dataset)

        def __getitem__(self, index):
            read.append(index)
            return dataset[index]

    input_boxes(Counted(), most=10)
    assert len(read) == 10
    assert read[-1] > 0.8 * len(dataset), "spread over all"


def test_rows_add_up_and_agree_with_coverage():
    boxes = input_boxes(open_dataset("shapes", "val"), most=40)
    rows = coverage_by_shape(boxes, SSD_TINY_PRIORS)
    whole = rows[0]
    assert whole.objects == len(boxes)
    best = coverage(boxes, make_priors(SSD_TINY_PRIORS).double())
    assert whole.covered == pytest.approx(float((best >= 0.5).double().mean()), abs=1e-9)
    for word in ("size", "ratio"):
        part = [row for row in rows if row.name.startswith(word)]
        assert sum(row.objects for row in part) == whole.objects
        found = sum(row.objects * row.covered for row in part)
        assert found == pytest.approx(whole.objects * whole.covered)


def test_of_nothing_nothing_is_covered():
    (row,) = coverage_by_shape(torch.empty(0, 4), SSD_TINY_PRIORS)
    assert row.objects == 0
    assert math.isnan(row.covered)


def test_a_histogram_counts_everything():
    values = torch.tensor([-1.0, 0.0, 1.0, 1.5, 2.0, 99.0])
    lines = text_histogram(values, (0, 1, 2, 4), width=10).splitlines()
    assert [int(line.split()[3]) for line in lines] == [2, 2, 2]
    assert [line.count("#") for line in lines] == [10, 10, 10]


@pytest.fixture
def folders(tmp_path):
    """One picture with two boxes, as CSV and as COCO."""
    for kind in ("csv", "coco"):
        (tmp_path / kind / "images").mkdir(parents=True)
        Image.new("RGB", (200, 100)).save(tmp_path / kind / "images" / "a.png")
    (tmp_path / "csv" / "labels.csv").write_text(
        "image,x1,y1,x2,y2,label\na.png,20,20,60,60,coin\na.png,0,0,200,10,coin\n"
    )
    (tmp_path / "coco" / "annotations.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "coin"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 40, 40], "area": 1600,
             "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 200, 10], "area": 2000,
             "iscrowd": 0},
        ],
    }))  # fmt: skip
    return tmp_path


def test_csv_and_coco_say_the_same(folders):
    csv, coco = (
        input_boxes(open_dataset(str(folders / kind), "train")) for kind in ("csv", "coco")
    )
    torch.testing.assert_close(csv, coco)
