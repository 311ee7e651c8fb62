"""People as training items: crop, heat maps and key points must say the same."""

import json

import pytest
import torch
from PIL import Image

from detlearn.data import Cached, CocoDetectionDataset, KeypointCrops, Shapes, data_path
from detlearn.data.keypoints import KeypointAugmentation, _half_body
from detlearn.models import POSE_HRNET_TINY, POSE_HRNET_W32
from detlearn.models.pose import argmax_heatmaps

CALM = KeypointAugmentation(scale=0.0, rotation=0.0, flip=0.0, half_body=0.0)


class Painted:
    """Pictures with a soft white dot where joint 5 (left shoulder) of each person is."""

    def __init__(self, people=((30.0, 22.0), (61.0, 40.0))):
        self.people = people

    def __len__(self):
        return 1

    def __getitem__(self, index):
        rows, columns = torch.meshgrid(
            torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij"
        )
        image = torch.zeros(64, 96)
        keypoints = torch.zeros(len(self.people), 17, 3)
        boxes = []
        for number, (x, y) in enumerate(self.people):
            image += 250 * (-((columns - x) ** 2 + (rows - y) ** 2) / 8).exp()
            keypoints[number, 5] = torch.tensor([x, y, 2.0])
            boxes.append([x - 8.0, y - 12, x + 8, y + 9])
        return image.to(torch.uint8).expand(3, -1, -1), {
            "boxes": torch.tensor(boxes).reshape(-1, 4), "keypoints": keypoints, "image_id": 7,
        }  # fmt: skip


def brightest(crop):
    """Centre of the white dot, px of the crop, the first pixel's middle at 0.5."""
    dot = crop[0].double() ** 2
    rows, columns = torch.meshgrid(
        torch.arange(dot.shape[0]) + 0.5, torch.arange(dot.shape[1]) + 0.5, indexing="ij"
    )
    return torch.stack([(dot * columns).sum(), (dot * rows).sum()]) / dot.sum()


def test_no_scenes_no_people():
    assert len(KeypointCrops(Shapes(length=0, keypoints=True), POSE_HRNET_TINY)) == 0
    assert len(KeypointCrops(Painted(()), POSE_HRNET_TINY)) == 0


@pytest.mark.parametrize("number", [0, 1])
def test_the_dot_the_joint_and_the_bump_agree(number):
    crop, target = KeypointCrops(Painted(), POSE_HRNET_TINY)[number]
    joint = target["keypoints"][5]
    torch.testing.assert_close(joint[:2], brightest(crop).float(), atol=0.3, rtol=0)
    assert crop.dtype == torch.uint8 and crop.shape == (3, 128, 96)
    assert target["weights"].tolist() == [0.0] * 5 + [1.0] + [0.0] * 11
    peak = argmax_heatmaps(target["heatmaps"]).points[5]
    assert (peak - joint[:2] / 4).abs().max() <= 0.5
    assert target["heatmaps"][[j for j in range(17) if j != 5]].abs().max() == 0


@pytest.mark.parametrize(
    "augmentation",
    [
        CALM,
        KeypointAugmentation(scale=0.3, rotation=0.0, flip=0.0, half_body=0.0),
        KeypointAugmentation(scale=0.0, rotation=40.0, flip=0.0, half_body=0.0),
        KeypointAugmentation(scale=0.0, rotation=0.0, flip=1.0, half_body=0.0),
        KeypointAugmentation(scale=0.2, rotation=30.0, flip=0.5, half_body=1.0),
    ],
    ids=["nothing", "scale", "rotation", "flip", "everything"],
)
def test_augmentation_moves_picture_and_joints_together(augmentation):
    torch.manual_seed(0)
    people = KeypointCrops(Painted(((40.0, 30.0),)), POSE_HRNET_TINY, augmentation)
    for _ in range(8):
        crop, target = people[0]
        # A mirrored left shoulder is a right one.
        joint = 5 if target["weights"][5] else 6
        assert target["weights"].sum() == 1 and target["weights"][joint] == 1
        found = target["keypoints"][joint, :2]
        torch.testing.assert_close(found, brightest(crop).float(), atol=0.3, rtol=0)


def test_everybody_is_mirrored_if_asked():
    people = KeypointCrops(
        Painted(), POSE_HRNET_TINY, KeypointAugmentation(scale=0, rotation=0, flip=1, half_body=0)
    )
    assert people[0][1]["weights"][6] == 1 and people[0][1]["weights"][5] == 0


def test_a_seed_gives_an_item():
    people = KeypointCrops(Painted(), POSE_HRNET_TINY, KeypointAugmentation())
    items = []
    for _ in range(2):
        torch.manual_seed(3)
        items.append(people[1])
    assert torch.equal(items[0][0], items[1][0])
    assert torch.equal(items[0][1]["keypoints"], items[1][1]["keypoints"])


@pytest.mark.parametrize("joints", [[], [(3.0, 4.0)], [(3.0, 4.0), (9.0, 9.0)]])
def test_half_a_body_needs_three_joints(joints):
    keypoints = torch.zeros(17, 3)
    for row, (x, y) in enumerate(joints):
        keypoints[row] = torch.tensor([x, y, 2.0])
    for seed in range(4):
        torch.manual_seed(seed)
        assert _half_body(keypoints, (128, 96)) is None


def test_half_a_body_is_the_upper_or_the_lower():
    keypoints = torch.zeros(17, 3)
    keypoints[:, 2] = 2
    keypoints[:11, :2] = torch.rand(11, 2) * 20
    keypoints[11:, :2] = torch.rand(6, 2) * 20 + 100
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        center = _half_body(keypoints, (128, 96)).center
        seen.add(bool(center[1] > 50))
    assert seen == {True, False}


def test_shapes_people_and_cached_ones_are_the_same():
    scenes = Shapes(length=12, keypoints=True)
    plain, cached = (
        KeypointCrops(dataset, POSE_HRNET_TINY) for dataset in (scenes, Cached(scenes))
    )
    assert len(plain) > 2 and plain.people == cached.people
    for number in range(len(plain)):
        image, target = scenes[plain.people[number][0]]
        assert target["labels"][plain.people[number][1]] == 8  # a person
    (crop, target), (again, _) = plain[0], cached[0]
    assert torch.equal(crop, again) and target["image_id"] == plain.people[0][0]


def test_small_people_and_people_with_few_joints_may_be_left_out():
    scenes = Cached(Shapes(length=40, keypoints=True))
    everybody = KeypointCrops(scenes, POSE_HRNET_TINY)
    large = KeypointCrops(scenes, POSE_HRNET_TINY, min_side=30)
    assert 0 < len(large) < len(everybody)
    assert len(KeypointCrops(Painted(), POSE_HRNET_TINY, min_joints=1)) == 2
    assert len(KeypointCrops(Painted(), POSE_HRNET_TINY, min_joints=2)) == 0
    assert set(large.people) < set(everybody.people)
    for index, row in large.people:
        box = scenes[index][1]["boxes"][row].as_subclass(torch.Tensor)
        assert (box[2:] - box[:2]).max() >= 30


def test_people_on_disk():
    folder = data_path("shapes_val")
    dataset = CocoDetectionDataset(folder / "images", folder / "annotations.json", keypoints=True)
    people = KeypointCrops(dataset, POSE_HRNET_TINY)
    content = json.loads((folder / "annotations.json").read_text())
    labelled = [a for a in content["annotations"] if a.get("num_keypoints")]
    assert len(people) == len(labelled)
    crop, target = people[0]
    assert crop.shape == (3, 128, 96) and target["weights"].sum() > 0
    assert target["image_id"] == labelled[0]["image_id"]


def test_crowds_and_people_without_joints_are_no_items(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (60, 50)).save(tmp_path / "images" / "a.png")
    joints = [10, 20, 2] + [0] * 48
    rows = [
        {"keypoints": joints, "num_keypoints": 1},
        {"keypoints": [0] * 51, "num_keypoints": 0},
        {"keypoints": joints, "num_keypoints": 1, "iscrowd": 1},
        {},
    ]
    annotations = [
        {"id": i + 1, "image_id": 3, "category_id": 1, "bbox": [5, 5, 20, 40], "area": 500, **row}
        for i, row in enumerate(rows)
    ]
    (tmp_path / "annotations.json").write_text(json.dumps({
        "images": [{"id": 3, "file_name": "a.png", "width": 60, "height": 50}],
        "annotations": annotations, "categories": [{"id": 1, "name": "person"}],
    }))  # fmt: skip
    dataset = CocoDetectionDataset(
        tmp_path / "images", tmp_path / "annotations.json", keypoints=True
    )
    people = KeypointCrops(dataset, POSE_HRNET_W32)
    assert people.people == [(0, 0)]
    crop, target = people[0]
    assert crop.shape == (3, 256, 192) and target["heatmaps"].shape == (17, 64, 48)
    assert target["weights"].sum() == 1 and target["heatmaps"].max() == 1  # rounded


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Shapes(length=1), "item 0 has no 'keypoints', only .*keypoints=True"),
        ([(None, {"keypoints": torch.zeros(1, 16, 3), "boxes": torch.zeros(1, 4)})],
         r"item 0: expected keypoints \(G, 17, 3\), got \(1, 16, 3\)"),
    ],
)  # fmt: skip
def test_data_without_key_points_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        KeypointCrops(dataset, POSE_HRNET_TINY)
