"""Errors counted over images: by kind, by size, by pairs of classes."""

import pytest
import torch

from detlearn import metrics
from detlearn.metrics import (
    confusion_matrix,
    detection_errors,
    errors_by_size,
    leave_out_ignored,
    match_detections,
)
from tests.metrics.cases import CAT, DOG, NOTHING, RIGHT, detection, scenes, target


def test_errors_are_counted_over_images():
    counts = detection_errors(
        [detection((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1)), NOTHING, NOTHING],
        [target(CAT, DOG), target(CAT), target()],
    )
    assert counts == {
        "correct": 1, "duplicate": 1, "wrong class": 0, "badly placed": 0, "on background": 0,
        "missed": 2,
    }  # fmt: skip
    assert detection_errors([], []) == dict.fromkeys(metrics.ERROR_KINDS, 0)


def test_correct_detections_are_the_hits():
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        corner = 20 * torch.rand(9, 2, generator=generator)
        boxes = torch.cat([corner, corner + 4 + 8 * torch.rand(9, 2, generator=generator)], dim=1)
        boxes = torch.cat([boxes, boxes + torch.rand(9, 4, generator=generator)])  # (18, 4)
        labels = torch.randint(1, 3, (18,), generator=generator)
        truth = {"boxes": boxes[:9], "labels": labels[:9]}
        found = {"boxes": boxes[6:], "labels": labels[6:]}
        found["scores"] = torch.rand(12, generator=generator)
        hits = 0
        for label in (1, 2):
            mine, theirs = found["labels"] == label, truth["labels"] == label
            hits += int(match_detections(
                found["boxes"][mine], found["scores"][mine], truth["boxes"][theirs]
            ).hits.sum())  # fmt: skip
        counts = detection_errors([found], [truth])
        assert counts["correct"] == hits
        assert counts["correct"] + counts["missed"] == 9
        assert sum(counts.values()) - counts["missed"] == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iou_threshold": 0.05}, "expected 0 < background <= iou_threshold <= 1, got background"),
        ({"background": 0.0}, "got background 0.0 and iou_threshold 0.5"),
        ({"iou_threshold": 1.5}, "iou_threshold 1.5"),
        ({"detections": []}, "detections: expected one dict per target, 1, got 0"),
        ({"targets": [target((0, 0, 10, 10, 0), image_id=7)]}, r"image_id 7.*labels\[0\] is 0"),
        ({"detections": [{**RIGHT, "labels": torch.tensor([0])}]}, r"labels\[0\] is 0: expected 1"),
    ],
)
def test_errors_of_wrong_data(change, message):
    arguments = {"detections": [RIGHT], "targets": [target(CAT)]} | change
    with pytest.raises(ValueError, match=message):
        detection_errors(**arguments)


def test_sizes_by_hand():
    small, medium, large = (0, 0, 32, 32, 1), (100, 0, 133, 32, 1), (0, 200, 97, 296, 1)
    found = detection(
        (0, 0, 32, 32, 0.9, 1),  # small, found: an area of 32² is small still
        (100, 0, 133, 32, 0.9, 2),  # medium, misnamed
        (300, 300, 400, 400, 0.9, 1),  # on background, large itself
    )
    sizes = errors_by_size([found], [target(small, medium, large)])
    assert {
        size: {kind: n for kind, n in counts.items() if n} for size, counts in sizes.items()
    } == {
        "small": {"correct": 1},
        "medium": {"wrong class": 1, "missed": 1},
        "large": {"on background": 1, "missed": 1},
    }
    # a small box on a medium object is a mistake about a medium one
    sizes = errors_by_size([detection((100, 0, 110, 20, 0.9, 1))], [target(medium)])
    assert sizes["medium"]["badly placed"] == 1
    # the outline's area decides, not the box's
    sizes = errors_by_size([NOTHING], [target(large, area=torch.tensor([900.0]))])
    assert sizes["small"]["missed"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_sizes_add_up_and_the_matrix_too(seed):
    found, truth = scenes(seed)
    counts = detection_errors(found, truth)
    sizes = errors_by_size(found, truth)
    assert {kind: sum(size[kind] for size in sizes.values()) for kind in counts} == counts
    matrix = confusion_matrix(found, truth, 4)
    labels, said = (torch.cat([entry["labels"] for entry in entries]) for entries in (truth, found))
    assert matrix[1:].sum(dim=1).tolist() == torch.bincount(labels, minlength=4)[1:].tolist()
    assert matrix[:, 1:].sum(dim=0).tolist() == torch.bincount(said, minlength=4)[1:].tolist()
    assert int(matrix.diagonal().sum()) == counts["correct"]
    assert int(matrix[0, 0]) == 0


@pytest.mark.parametrize(
    ("found", "truth", "cells"),
    [
        pytest.param((), (), {}, id="nothing, nothing"),
        pytest.param((), (CAT, DOG), {(1, 0): 1, (2, 0): 1}, id="nothing found"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (), {(0, 2): 1}, id="no objects"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (CAT,), {(1, 2): 1}, id="a cat taken for a dog"),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 2), (0, 0, 10, 10, 0.3, 1)), (CAT,), {(1, 1): 1, (0, 2): 1},
            id="who names it right goes first",
        ),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 2), (0, 0, 10, 10, 0.3, 2)), (CAT,), {(1, 2): 1, (0, 2): 1},
            id="confused once, not twice",
        ),
        pytest.param(
            ((0, 0, 10, 4, 0.9, 1),), (CAT,), {(1, 0): 1, (0, 1): 1}, id="badly placed: missed, and nothing",
        ),
    ],
)  # fmt: skip
def test_confusions_by_hand(found, truth, cells):
    matrix = confusion_matrix([detection(*found)], [target(*truth)], 3)
    assert {(int(t), int(f)): int(matrix[t, f]) for t, f in matrix.nonzero()} == cells


def test_a_label_too_many_is_named():
    with pytest.raises(
        ValueError, match=r"targets\[0\]: expected labels below num_classes, 2, got 2"
    ):
        confusion_matrix([NOTHING], [target(DOG)], 2)
    with pytest.raises(ValueError, match="expected one dict per target, 1, got 0"):
        errors_by_size([], [target(CAT)])


def test_what_does_not_count_is_left_out():
    found = detection(
        (0, 0, 10, 10, 0.9, 1),
        (52, 52, 60, 60, 0.8, 1),
        (54, 54, 60, 60, 0.7, 1),
        (20, 0, 30, 10, 0.6, 2),
    )
    truth = target(
        CAT, (50, 50, 90, 90, 1), DOG, iscrowd=torch.tensor([0, 1, 0]), difficult=torch.tensor([False, False, True]),
        image_id=7, name="a",
    )  # fmt: skip
    kept, counted = leave_out_ignored(found, truth)
    assert kept["scores"].tolist() == pytest.approx([0.9])
    assert counted["labels"].tolist() == [1] and counted["iscrowd"].tolist() == [0]
    assert (counted["image_id"], counted["name"]) == (7, "a")
    same_found, same_truth = leave_out_ignored(found, target(CAT))
    assert len(same_found["boxes"]) == 4 and len(same_truth["boxes"]) == 1
