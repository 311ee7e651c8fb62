"""Small trees in the real layouts of COCO 2017 and PASCAL VOC, with everything that occurs in them,
opened as the shell commands open them and scored beside pycocotools on the files themselves.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch.utils.data import DataLoader

from detlearn.data import (
    CocoDetectionDataset,
    Joined,
    KeypointCrops,
    VocDetectionDataset,
    collate,
    train_transform,
    voc_image_sets,
)
from detlearn.metrics import coco_evaluate, coco_keypoint_evaluate, voc_evaluate
from detlearn.models import POSE_HRNET_TINY
from detlearn.training.cli import open_dataset

# ---------------------------------------------------------------- COCO 2017
SIZE = (320, 200)  # width, height
IDS = [
    0,
    7,
    2**31 + 5,
    2**53,
    2**53 + 1,
    2**62 + 1,
]  # a double cannot tell the fourth from the fifth
FILES = ["000000000000.jpg", "two words.jpg", "größe_画像.jpg", "a.b.jpg", "5.jpg", "last.png"]
NAMES = {1: "person", 3: "car", 90: "toothbrush", 13: "stop sign"}  # gaps, and in no order
JOINTS = [v for joint in range(17) for v in (60 + joint, 50 + 4 * joint, 1 + joint % 2)]

# id, image, category, bbox, further entries
ROWS = [
    (1, 0, 1, [50, 40, 60, 100], {"keypoints": JOINTS, "num_keypoints": 17, "area": 4100.5}),
    (2, 0, 1, [200, 40, 60, 100], {"keypoints": [0] * 51, "num_keypoints": 0}),
    (3, 0, 3, [0, 0, 320, 200], {}),  # touches all four sides
    (4, 7, 3, [319, 199, 1, 1], {}),  # one pixel, in the corner
    (5, 7, 90, [10.25, 20.5, 0.5, 30], {}),  # half a pixel wide
    (6, 2**31 + 5, 1, [100, 0, 220, 150],
     {"iscrowd": 1, "area": 20000, "keypoints": [0] * 51, "num_keypoints": 0,
      "segmentation": {"counts": [20000, 150, 43850], "size": [200, 320]}}),
    (7, 2**31 + 5, 1, [10, 10, 40, 80], {"keypoints": [0, 0, 0] * 16 + [20, 80, 2], "num_keypoints": 1}),
    (8, 2**53, 13, [30, 30, 50, 50], {}),
    (9, 2**53 + 1, 13, [150, 90, 60, 64], {}),
    (2**53 + 1, 2**53 + 1, 1, [5, 5, 20, 40], {"keypoints": [0] * 51, "num_keypoints": 0}),
]  # fmt: skip  # nothing in 2**62 + 1


def write_coco(root: Path, split: str = "val", rows=ROWS) -> Path:
    """A tree as COCO's three archives leave it; returns the JSON of the boxes."""
    folder = root / f"{split}2017"
    folder.mkdir(parents=True)
    for name in FILES:
        Image.new("RGB", SIZE, (90, 90, 90)).save(folder / name)
    images = [{"id": i, "file_name": name, "width": SIZE[0], "height": SIZE[1], "license": 1}
              for i, name in zip(IDS, FILES, strict=True)]  # fmt: skip
    annotations = [
        {"id": i, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0,
         "area": box[2] * box[3], "segmentation": [[1, 1, 2, 2, 1, 2]]} | more
        for i, image, category, box, more in rows
    ]  # fmt: skip
    (root / "annotations").mkdir(exist_ok=True)
    for kind, kept in (("instances", list(NAMES)), ("person_keypoints", [1])):
        content = {
            "info": {}, "licenses": [], "images": images,
            "annotations": [a for a in annotations if a["category_id"] in kept],
            "categories": [{"id": i, "name": NAMES[i], "supercategory": "thing"} for i in kept],
        }  # fmt: skip
        text = json.dumps(content, ensure_ascii=False)
        (root / "annotations" / f"{kind}_{split}2017.json").write_text(text, encoding="utf-8")
    return root / "annotations" / f"instances_{split}2017.json"


def noisy(dataset, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Detections that are partly right: shifted, doubled, of the wrong class, out of thin air."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(len(dataset)):
        _, target = dataset[index]
        boxes, labels = [], []
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            for shift in (0, 1, 6):  # quarters are exact in float32 and in JSON
                moved = [c + shift * random.integers(-4, 5) / 4 for c in box]
                if moved[0] < moved[2] and moved[1] < moved[3]:
                    boxes.append(moved)
                    labels.append(label if random.random() < 0.8 else 1 + label % len(NAMES))
        boxes.append([4.0, 4.0, 44.0, 60.0])
        labels.append(1)
        found.append({
            "boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels),
            "scores": torch.tensor(random.permutation(len(boxes)) / 64 + 0.25, dtype=torch.float32),
        })  # fmt: skip
    return found


def reference(file: Path, rows: list[dict], kind: str = "bbox") -> COCOeval:
    """What pycocotools says of results in its own format, on the file as it is."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        evaluation = COCOeval(truth, truth.loadRes(rows), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def test_coco_items(tmp_path):
    write_coco(tmp_path)
    dataset = open_dataset(str(tmp_path), "val")
    assert dataset.class_names == ("background", "person", "car", "stop sign", "toothbrush")
    assert dataset.category_ids == (None, 1, 3, 13, 90)
    targets = [dataset[index][1] for index in range(len(dataset))]
    assert [target["image_id"] for target in targets] == IDS
    assert all(type(target["image_id"]) is int for target in targets)
    assert [target["labels"].tolist() for target in targets] == [
        [1, 1, 2],
        [2, 4],
        [1, 1],
        [3],
        [3, 1],
        [],
    ]
    assert targets[0]["boxes"].tolist()[2] == [0, 0, 320, 200]
    assert targets[1]["boxes"].tolist() == [[319, 199, 320, 200], [10.25, 20.5, 10.75, 50.5]]
    assert targets[2]["iscrowd"].tolist() == [1, 0] and targets[2]["area"].tolist() == [20000, 3200]
    assert targets[0]["area"][0] == 4100.5  # of the outline, not of the box
    assert tuple(targets[5]["boxes"].shape) == (0, 4)


def test_ids_survive_loaders_and_workers(tmp_path):
    write_coco(tmp_path, "train")
    dataset = open_dataset(str(tmp_path), "train", train_transform(64))
    for workers in (0, 1):
        batches = DataLoader(dataset, batch_size=2, collate_fn=collate, num_workers=workers)
        ids = [target["image_id"] for _, targets in batches for target in targets]
        assert ids == IDS and all(type(one) is int for one in ids)


def test_training_leaves_crowds_out(tmp_path):
    write_coco(tmp_path, "train")
    _, target = open_dataset(str(tmp_path), "train", train_transform(64, crop=False, zoom_out=1))[2]
    assert target["labels"].tolist() == [1] and target["iscrowd"].tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_coco_scores_are_those_of_pycocotools_on_the_file(tmp_path, seed):
    file = write_coco(tmp_path)
    dataset = open_dataset(str(tmp_path), "val")
    detections = noisy(dataset, seed)
    ours = coco_evaluate(
        detections, [dataset[i][1] for i in range(len(dataset))], dataset.class_names
    )
    rows = [
        {"image_id": IDS[index], "category_id": dataset.category_ids[label], "score": score,
         "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for index, found in enumerate(detections)
        for (x1, y1, x2, y2), label, score in zip(
            found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True)
    ]  # fmt: skip
    theirs = reference(file, rows)
    names = ["mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"]
    assert [ours[name] for name in names] == pytest.approx(theirs.stats[:6].tolist(), abs=1e-9)
    assert ours["AR100"] == pytest.approx(theirs.stats[8], abs=1e-9)
    assert 0 < ours["mAP"] < 1
    for k, category in enumerate(theirs.params.catIds):
        each = float(theirs.eval["precision"][:, :, k, 0, -1].mean())
        assert ours[f"AP/{NAMES[category]}"] == pytest.approx(each, abs=1e-9)


def test_the_smallest_cases_count(tmp_path):
    """Image 0, a pixel in the corner, ids next to each other above 2**53: all found, all lost."""
    write_coco(tmp_path)
    dataset = open_dataset(str(tmp_path), "val")
    targets = [dataset[i][1] for i in range(len(dataset))]
    perfect = [
        {"boxes": t["boxes"], "labels": t["labels"], "scores": torch.ones(len(t["labels"]))} for t in targets
    ]  # fmt: skip
    assert coco_evaluate(perfect, targets, dataset.class_names)["mAP"] == pytest.approx(1)
    for index, label in ((0, "car"), (1, "toothbrush"), (4, "stop sign")):
        without = list(perfect)
        without[index] = {key: value[:0] for key, value in perfect[index].items()}
        assert coco_evaluate(without, targets, dataset.class_names)[f"AP/{label}"] < 0.6


def test_key_points_of_some_people(tmp_path):
    file = write_coco(tmp_path).with_name("person_keypoints_val2017.json")
    dataset = open_dataset(str(tmp_path), "val", keypoints=True)
    assert len(dataset) == len(IDS) and dataset.class_names == ("background", "person")
    targets = [dataset[i][1] for i in range(len(dataset))]
    assert [tuple(t["keypoints"].shape) for t in targets] == [
        (n, 17, 3) for n in (2, 0, 2, 0, 1, 0)
    ]
    assert targets[0]["keypoints"][0].flatten().tolist() == JOINTS
    assert not targets[0]["keypoints"][1].any()

    people = KeypointCrops(dataset, POSE_HRNET_TINY)
    assert [people[i][1]["image_id"] for i in range(len(people))] == [0, 2**31 + 5]

    found, rows = [], []
    for target in targets:
        keypoints = target["keypoints"].clone()
        keypoints[..., 0] += 2
        keypoints[..., 2] = 1
        scores = torch.linspace(0.9, 0.5, len(keypoints))
        found.append({"keypoints": keypoints, "scores": scores})
        rows += [
            {"image_id": target["image_id"], "category_id": 1, "score": score, "keypoints": joints}
            for joints, score in zip(keypoints.flatten(1).tolist(), scores.tolist(), strict=True)
        ]  # fmt: skip
    ours = coco_keypoint_evaluate(found, targets)
    theirs = reference(file, rows, "keypoints")
    assert [ours[k] for k in ("AP", "AP50", "AP75")] == pytest.approx(
        theirs.stats[:3].tolist(), abs=1e-9
    )
    assert 0 < ours["AP"] < 1


def test_what_is_wrong_in_train2017_is_passed_over_once(tmp_path):
    """Annotation 918 of the real file is 1.03 px wide and 0 px high."""
    flat = (918, 7, 3, [296.65, 188.33, 1.03, 0.0], {"area": 0.0})
    outside = (919, 7, 3, [320, 10, 5, 5], {})
    over = (920, 7, 3, [310, 190, 10.04, 10.02], {})  # a rounding error over the border: kept
    file = write_coco(tmp_path, "train", [*ROWS, flat, outside, over])
    with pytest.raises(ValueError, match=r"image 7, annotation 918: .*\(on_bad='skip' leaves"):
        CocoDetectionDataset(tmp_path / "train2017", file)
    with pytest.warns(UserWarning, match="2 boxes skipped; the first: .*annotation 918") as warned:
        dataset = CocoDetectionDataset(tmp_path / "train2017", file, on_bad="skip")
        assert [len(dataset[i][1]["labels"]) for i in range(len(dataset))] == [3, 3, 2, 1, 2, 0]
    assert len(warned) == 1
    assert dataset[1][1]["boxes"].tolist()[2] == [310, 190, 320, 200]


# ---------------------------------------------------------------- VOC
OBJECT = """<object><name>{0}</name><pose>Unspecified</pose><truncated>0</truncated>
<difficult>{1}</difficult><bndbox><xmin>{2[0]}</xmin><ymin>{2[1]}</ymin><xmax>{2[2]}</xmax>
<ymax>{2[3]}</ymax></bndbox></object>"""
HEAD = """<annotation><folder>VOC{year}</folder><filename>{name}.jpg</filename>
<source><database>The VOC{year} Database</database></source>
<size><width>100</width><height>80</height><depth>3</depth></size><segmented>0</segmented>"""
SCENES = {
    "000005": [("dog", 0, (11, 11, 40, 40)), ("dog", 1, (51, 11, 90, 60))],
    "000007": [("dog", 0, (1, 1, 100, 80)), ("cat", 0, (100, 80, 100, 80))],  # borders; one pixel
    "000009": [],
    "000012": [("cat", 1, (21, 21, 60, 70)), ("person", 1, (5, 5, 30, 30))],
}  # fmt: skip


def write_voc(root: Path, year: str, sets: dict[str, list[str]]) -> None:
    """A tree as VOC's archives leave it, with lists by class beside the image sets."""
    base = root / "VOCdevkit" / f"VOC{year}"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Layout"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    for image_set, names in sets.items():
        main = base / "ImageSets" / "Main"
        (main / f"{image_set}.txt").write_text("".join(f"{name}\n" for name in names))
        (main / f"dog_{image_set}.txt").write_text("".join(f"{name}  1\n" for name in names))
        for name in names:
            Image.new("RGB", (100, 80)).save(base / "JPEGImages" / f"{name}.jpg")
            text = HEAD.format(year=year, name=name) + "".join(
                OBJECT.format(*one) + "\n<!-- part of a person: --><part><name>head</name></part>"
                for one in SCENES[name[-6:]]
            )  # fmt: skip
            (base / "Annotations" / f"{name}.xml").write_text(text + "</annotation>")


def test_voc_is_scored_as_the_devkit_does(tmp_path):
    """Difficult objects need not be found, and finding them is no mistake."""
    write_voc(tmp_path, "2007", {"test": list(SCENES)})
    dataset = VocDetectionDataset(tmp_path, "2007", "test")
    targets = [dataset[index][1] for index in range(len(dataset))]
    assert [target["name"] for target in targets] == list(SCENES)
    assert targets[1]["boxes"].tolist() == [[0, 0, 100, 80], [99, 79, 100, 80]]
    dog, cat, person = (dataset.class_names.index(name) for name in ("dog", "cat", "person"))
    found = [
        ([[10, 10, 40, 42], [50, 10, 90, 60], [70, 70, 80, 80]], [dog, dog, dog], [0.9, 0.8, 0.7]),
        ([[2, 0, 100, 80], [99, 79, 100, 80]], [dog, cat], [0.6, 0.5]),
        ([[10, 10, 20, 20]], [cat], [0.95]),
        ([[20, 20, 60, 70]], [cat], [0.99]),
    ]
    detections = [
        {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels),
         "scores": torch.tensor(scores)} for boxes, labels, scores in found
    ]  # fmt: skip
    old = voc_evaluate(detections, targets, dataset.class_names)
    new = voc_evaluate(detections, targets, dataset.class_names, method="area")
    # Dogs: right, (difficult), wrong, right: precision 1 up to a recall of 1/2, then 2/3.
    assert old["AP/dog"] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert new["AP/dog"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    # Cats: (difficult), wrong, right.
    assert old["AP/cat"] == new["AP/cat"] == pytest.approx(1 / 2)
    assert np.isnan(old["AP/person"])  # all of them difficult: no class without objects counts

    # pycocotools forgives objects outside its range of areas as the devkit does difficult ones.
    rows, labelled = [], []
    for index, (target, (boxes, labels, scores)) in enumerate(zip(targets, found, strict=True)):
        rows += [{"image_id": index, "category_id": label, "score": score,
                  "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]]}
                 for b, label, score in zip(boxes, labels, scores, strict=True)]  # fmt: skip
        for b, label, hard in zip(
            *(target[key].tolist() for key in ("boxes", "labels", "difficult")), strict=True
        ):
            labelled.append({"id": len(labelled) + 1, "image_id": index, "category_id": label,
                             "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]], "iscrowd": 0,
                             "area": 1e11 if hard else 100.0})  # fmt: skip
    content = {"info": {}, "images": [{"id": i} for i in range(len(targets))], "annotations": labelled,
               "categories": [{"id": k} for k in (cat, dog, person)]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    theirs = reference(tmp_path / "a.json", rows)
    for k, label in enumerate(theirs.params.catIds):
        at_11_recalls = theirs.eval["precision"][0, ::10, k, 0, -1]  # IoU 0.5
        score = old[f"AP/{dataset.class_names[label]}"]
        assert score == pytest.approx(at_11_recalls.mean(), abs=1e-9) or (
            np.isnan(score) and (at_11_recalls == -1).all()
        )


def test_training_leaves_difficult_objects_out(tmp_path):
    write_voc(tmp_path, "2012", {"train": ["000012", "000005"]})
    dataset = open_dataset(str(tmp_path), "train", train_transform(64, crop=False, zoom_out=1))
    assert [len(dataset[index][1]["labels"]) for index in range(2)] == [0, 1]


@pytest.mark.parametrize(
    ("trees", "train", "val"),
    [
        ({"2007": ["trainval", "train", "val", "test"]}, [("2007", "trainval")], [("2007", "test")]),
        ({"2007": ["trainval", "train", "val"]}, [("2007", "train")], [("2007", "val")]),
        ({"2012": ["trainval", "train", "val"]}, [("2012", "train")], [("2012", "val")]),
        ({"2012": ["val"]}, [], [("2012", "val")]),
        (
            {"2007": ["trainval", "train", "val", "test"], "2012": ["trainval", "train", "val"]},
            [("2007", "trainval"), ("2012", "trainval")],
            [("2007", "test")],
        ),
        ({"2007": ["trainval", "val"], "2012": ["train", "val"]}, [("2012", "train")], [("2012", "val")]),
        ({"2007": ["trainval"]}, [("2007", "trainval")], []),
        ({"2007": ["trainval", "val"]}, [], [("2007", "val")]),
        ({}, [], []),
    ],
)  # fmt: skip
def test_image_sets_that_do_not_overlap(tmp_path, trees, train, val):
    for year, sets in trees.items():
        write_voc(tmp_path, year, dict.fromkeys(sets, ["000005"]))
    assert voc_image_sets(tmp_path, "train") == train
    assert voc_image_sets(tmp_path, "val") == val


def test_07_and_12(tmp_path):
    write_voc(tmp_path, "2007", {"trainval": ["000005", "000007"], "test": ["000009"]})
    write_voc(tmp_path, "2012", {"trainval": ["2008_000012", "2008_000009"]})
    parts = [VocDetectionDataset(tmp_path, *one) for one in voc_image_sets(tmp_path, "train")]
    both = Joined(parts)
    assert len(both) == 4 and both.class_names == parts[0].class_names
    targets = [both[index][1] for index in range(4)]
    assert [target["image_id"] for target in targets] == [0, 1, 2, 3]
    assert [target["name"] for target in targets] == [
        "000005",
        "000007",
        "2008_000012",
        "2008_000009",
    ]
    assert both[-1][1]["image_id"] == 3
    parts[1].class_names = ("background", "yeti")
    with pytest.raises(ValueError, match=r"datasets\[1\]: expected the classes of the first"):
        Joined(parts)
    with pytest.raises(ValueError, match="datasets: expected at least one, got none"):
        Joined([])
