"""The border: every finding of every layout, refused or said before the first step."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detlearn.data import (
    CocoDetectionDataset,
    CsvDetectionDataset,
    Shapes,
    open_dataset,
    train_transform,
)
from detlearn.data.border import findings_between, findings_of, refuse, survey
from detlearn.data.names import Relabelled, compare_names, relabel

SIDE = 40
BOXES = [(1, 2, 3, 20, 18, "cat"), (2, 5, 5, 30, 30, "dog"), (3, 0, 0, 12, 40, "cat")]


def pictures(folder: Path, names=("001.png", "002.png", "003.png"), seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for name in names:
        pixels = generator.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def coco(root: Path, boxes=BOXES, classes=("cat", "dog"), images: dict | None = None, **changes):
    """A folder of three pictures, and its reader; ``changes`` go to all annotations."""
    if not (root / "images").exists():
        pictures(root / "images")
    content = {
        "images": [{"id": n, "file_name": f"{n:03}.png", "width": SIDE, "height": SIDE}
                   | (images or {}) for n in (1, 2, 3)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, start=1)],
        "annotations": [
            {"id": k, "image_id": n, "category_id": classes.index(name) + 1,
             "bbox": [x1, y1, x2 - x1, y2 - y1]} | changes
            for k, (n, x1, y1, x2, y2, name) in enumerate(boxes)
        ],
    }  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(content))
    return CocoDetectionDataset(root / "images", root / "annotations.json", on_bad="skip")


def found(dataset, split="train"):
    return {finding.kind: finding for finding in findings_of(survey(dataset, split))}


def test_good_data_need_no_word(tmp_path):
    assert found(coco(tmp_path)) == {} == found(coco(tmp_path), "val")
    dots = [(n, 0, 0, 1, 1, "cat") for n in (1, 2, 3)]  # in the corner, of one pixel
    assert "fractions" not in found(coco(tmp_path, dots))
    assert "fractions" not in found(coco(tmp_path, [*dots, (1, 4.5, 4.5, 5, 5, "dog")]))
    assert survey(Shapes(length=3), "train") is None


def remove(name):
    return lambda root: (root / "images" / name).unlink()


def write(name, content):
    return lambda root: (root / "images" / name).write_bytes(content)


def resize(name, size, way=1):
    def change(root):
        exif = Image.Exif()
        exif[0x0112] = way
        Image.new("RGB", size).save(root / "images" / name, exif=exif)

    return change


def box(*rows):
    return {"boxes": [*BOXES, *rows]}


TABLE = [  # caption, what is changed of the JSON, of the folder, kind, refused, words
    ("a picture is missing", {}, remove("002.png"), "missing", True,
     r"train: 1 of 3 pictures is missing \(expected in .*images\): 002\.png$"),
    ("all pictures are missing", {}, lambda root: [remove(f"00{n}.png")(root) for n in (1, 2, 3)], "missing", True,
     r"3 of 3 pictures are missing .*: 001\.png, 002\.png, 003\.png$"),
    ("an empty file", {}, write("003.png", b""), "unreadable", True, r"1 of 3 pictures cannot be .*003\.png$"),
    ("a text", {}, write("003.png", b"<html>"), "unreadable", True, "cannot be read"),
    ("a picture was resized", {}, resize("001.png", (80, 80)), "size", True,
     r"1 of 3 pictures has another size .*\(80 x 80 px, expected 40 x 40\).*: 001\.png$"),
    ("cropped by one pixel", {}, resize("001.png", (40, 39)), "size", True, "40 x 39 px, expected"),
    ("stored on its side, labelled so", {"images": {"height": 80}}, lambda root: [
        resize(f"00{n}.png", (40, 80), 6)(root) for n in (1, 2, 3)], "turned", True,
     r"3 of 3 pictures have width and height exchanged \(80 x 40 px, expected 40 x 80\): 3 turned by the camera"),
    ("sides exchanged, no note", {"images": {"height": 80}}, lambda root: [
        resize(f"00{n}.png", (80, 40))(root) for n in (1, 2, 3)], "turned", True,
     "exchanged .* boxes would lie in wrong places"),
    ("upside down", {}, resize("002.png", (40, 40), 3), "EXIF", True,
     r"1 of 3 pictures is turned or mirrored .* no size tells .*: 002\.png$"),
    ("mirrored", {}, resize("002.png", (40, 40), 2), "EXIF", True, "no size tells"),
    ("square and on its side", {}, resize("002.png", (40, 40), 6), "EXIF", True, "no size tells"),
    ("on its side, no size said", {"images": {"width": 0}}, resize("002.png", (44, 40), 8), "EXIF",
     True, "no size tells .*: expected --exif-upright if after"),
    ("fractions", {"boxes": [(1, .1, .1, .5, .5, "cat"), (2, .2, .2, .9, .9, "dog")]}, None,
     "fractions", True, r"expected boxes in pixels, got fractions \(none of the 2"),
    ("corners for width and height", {"boxes": [(1, 5, 6, 35, 36, "cat"), (2, 9, 9, 47, 47, "dog"),
     (3, 2, 3, 33, 33, "cat")]}, None, "corners", True, r"got what looks like \[x1, y1, x2, y2\]: 1 of 3 boxes"),
    ("a box reaches out", box((1, 30, 30, 50, 44, "dog")), None, "cut", False,
     r"1 of 4 boxes reach out of the picture, and are cut: 001\.png$"),
    ("a box begins outside", box((1, -9, 30, 8, 40, "dog")), None, "cut", False, "reach out"),
    ("a box lies outside, no size said", box((2, 60, 60, 70, 70, "dog")) | {"images": {"width": 0, "height": 0}},
     None, "outside", True, r"1 of 4 boxes lie outside of the picture: 002\.png$"),
    ("a box without width", box((2, 9, 9, 9, 20, "dog")), None, "left out", False,
     r"1 of 4 boxes left out: 002\.png; the first: .*expected a width and height above 0"),
    ("a box that is no number", box((2, float("nan"), 9, 12, 20, "dog")), None, "left out", False,
     "1 of 4 boxes left out: .*finite"),
    ("crowds alone", {"iscrowd": 1}, None, "nothing", True,
     "expected at least one box to learn from, got none .* of its 3 boxes 3 are crowds"),
    ("crowds alone are counted", {"iscrowd": 1}, None, "crowds", False,
     r"3 of 3 boxes are crowds \(iscrowd\), not trained on: 001\.png, 002\.png, 003\.png$"),
    ("no box at all", {"boxes": []}, None, "nothing", True, "got none"),
    ("a picture without a box", {"boxes": BOXES[:2]}, None, "empty", False,
     r"1 of 3 pictures has no box, and is kept as background: 003\.png$"),
    ("one entry twice", {"images": {"file_name": "002.png"}}, None, "repeated", False,
     "3 of 3 entries name a picture that another does"),
    ("a box twice", box(BOXES[1]), None, "same box", False, r"1 of 4 boxes repeat one .*: 002\.png$"),
    ("a class never occurs", {"classes": ("cat", "dog", "yeti")}, None, "no example", False,
     "train: 1 of 3 classes never occur, and will not be learned: yeti$"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::detlearn.data.targets.BoxesSkipped")
@pytest.mark.parametrize(("changes", "prepare", "kind", "refused", "words"),
                         [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])  # fmt: skip
def test_what_is_found_in_coco(tmp_path, changes, prepare, kind, refused, words):
    pictures(tmp_path / "images")
    if prepare:
        prepare(tmp_path)
    findings = found(coco(tmp_path, **changes))
    assert kind in findings, sorted(findings)
    finding = findings[kind]
    assert finding.refused == refused and "\n" not in finding.text and len(finding.text) < 500
    with pytest.raises(ValueError, match=words):
        raise ValueError(finding.text)
    if refused:
        with pytest.raises(ValueError, match=words):
            refuse([finding])
    else:
        refuse([finding])


def test_brush_masks_among_boxes_are_counted(tmp_path):
    """CVAT writes what was painted as a crowd: 15 of 24 boxes are not trained on, the 9 others are."""
    coco(tmp_path, boxes=BOXES * 8)
    file = tmp_path / "annotations.json"
    content = json.loads(file.read_text())
    for number, entry in enumerate(content["annotations"]):
        entry["bbox"][0] += number / 8  # none repeats another
        entry["iscrowd"] = int(number < 15)
    file.write_text(json.dumps(content))
    findings = found(CocoDetectionDataset(tmp_path / "images", file))
    assert set(findings) == {"crowds"} and not findings["crowds"].refused
    assert "15 of 24 boxes are crowds (iscrowd), not trained on: " in findings["crowds"].text
    learned = CocoDetectionDataset(
        tmp_path / "images", file, train_transform(SIDE, crop=False, zoom_out=1)
    )
    assert sum(len(learned[n][1]["boxes"]) for n in range(3)) == 9


@pytest.mark.parametrize("way", [2, 3, 4, 6])
def test_somebody_may_tell_how_boxes_were_drawn(tmp_path, way):
    pictures(tmp_path / "images")
    resize("002.png", (40, 40), way)(tmp_path)
    seen = survey(coco(tmp_path), "train")
    (finding,) = findings_of(seen, exif_upright=True)
    assert finding.kind == "EXIF" and not finding.refused
    assert finding.text.endswith("taken for those of the upright picture: 002.png")


def test_no_more_is_found_than_there_is(tmp_path):
    """A single change is a single line."""
    pictures(tmp_path / "images")
    for changes, kinds in [({}, set()), (box((1, 30, 30, 50, 44, "dog")), {"cut"}),
                           (box((1, 30, 30, 40.9, 40.9, "dog")), set())]:  # fmt: skip
        assert set(found(coco(tmp_path, **changes))) == kinds


def test_other_layouts_pass_the_same_border(tmp_path):
    pictures(tmp_path / "images")
    (tmp_path / "a.csv").write_text(
        "image,x1,y1,x2,y2,label,width,height\n001.png,30,30,50,50,cat,40,40\n"
        "002.png,,,,,,40,40\n003.png,1,1,9,9,dog,40,40\n"
    )
    findings = found(CsvDetectionDataset(tmp_path / "images", tmp_path / "a.csv"))
    assert set(findings) == {"cut", "empty"}


def test_pictures_that_are_trained_and_scored(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    pictures(one / "images"), pictures(two / "images", seed=7)
    train, val = survey(coco(one), "train"), survey(coco(two), "val")
    assert findings_between(train, val) == []
    (again,) = findings_between(train, survey(coco(one), "val"))
    assert again.text.startswith("val: 3 of 3 pictures are trained on too") and not again.refused
    shutil.copy(one / "images" / "001.png", two / "images" / "003.png")  # under another name
    (leak,) = findings_between(train, survey(coco(two), "val"))
    assert "1 of 3 pictures is trained on too" in leak.text and leak.text.endswith("003.png")


def test_what_cannot_be_scored_is_refused(tmp_path):
    findings = found(coco(tmp_path, boxes=[]), "val")
    assert "--no-eval" in findings["nothing"].text and findings["nothing"].refused


def test_several_reasons_are_counted(tmp_path):
    pictures(tmp_path / "images")
    remove("001.png")(tmp_path)
    write("002.png", b"")(tmp_path)
    with pytest.raises(ValueError, match=r"missing.*\(and 1 more, see above\)$"):
        refuse(found(coco(tmp_path)).values())


def test_samples_show_what_is_meant(tmp_path):
    finding = found(coco(tmp_path, **box((1, 30, 30, 50, 44, "dog"))))["cut"]
    ((path, boxes),) = finding.samples
    assert path.name == "001.png" and boxes == ((30.0, 30.0, 50.0, 44.0),)


@pytest.mark.slow
def test_ten_thousand_pictures_take_seconds(tmp_path):
    """CPU time, because a machine may be busy."""
    pictures(tmp_path / "images")
    content = (tmp_path / "images" / "001.png").read_bytes()
    numbers = range(1, 10_001)
    for n in numbers:
        (tmp_path / "images" / f"{n:03}.png").write_bytes(content + bytes(n % 7))
    whole = {
        "images": [{"id": n, "file_name": f"{n:03}.png", "width": 40, "height": 40} for n in numbers],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": n, "image_id": 1 + n % 10_000, "category_id": 1, "bbox": [n % 20, 5, 12, 9]}
                        for n in range(70_000)],
    }  # fmt: skip
    (tmp_path / "annotations.json").write_text(json.dumps(whole))
    start = time.process_time()
    dataset = CocoDetectionDataset(tmp_path / "images", tmp_path / "annotations.json")
    seen = survey(dataset, "train")
    findings_of(seen)
    assert time.process_time() - start < 10
    assert len(seen.headers) == 10_000


# ---------------------------------------------------------------- names

OURS = ("background", "cat", "dog")


@pytest.mark.parametrize(
    ("theirs", "used", "says"),
    [
        (OURS, None, []),
        (("background", "dog", "cat"), [0, 1, 1], ["val numbers the classes otherwise than train: names decide"]),
        (("background", "dog"), [0, 3], ["val lacks cat of train's classes: the scores are of the others"]),
        ((*OURS, "yeti"), [0, 1, 1, 0], ["val names yeti, without a box: left out"]),
        (("background", "Cat", "dog"), [0, 0, 4],
         ["val lacks cat of train's classes: the scores are of the others", "val names Cat, without a box: left out"]),
    ],
)  # fmt: skip
def test_names_that_differ_are_said(theirs, used, says):
    assert compare_names(OURS, theirs, ("train", "val"), used) == says


@pytest.mark.parametrize(
    ("theirs", "used", "says"),
    [
        ((*OURS, "yeti"), [0, 1, 1, 7], r"val has yeti \(7 boxes\), which train does not know: expected the classes cat, dog$"),
        ((*OURS, "yeti"), None, "val has yeti, which train does not know"),
        (("background", "Cat", "dog"), [0, 1, 1], r"val has Cat \(1 boxes\)"),
        (("background", "cat", "cat"), [0, 1, 1], "expected a name of its own for each, got 'cat' twice"),
    ],
)  # fmt: skip
def test_names_that_nothing_can_be_made_of_are_refused(theirs, used, says):
    with pytest.raises(ValueError, match=says):
        compare_names(OURS, theirs, ("train", "val"), used)


def test_labels_follow_names(tmp_path):
    other = coco(tmp_path, classes=("dog", "cat"))
    dataset, said = relabel(other, OURS, ("train", "val"))
    assert [dataset[n][1]["labels"].tolist() for n in range(3)] == [[1], [2], [1]]
    assert dataset.listing().labels.tolist() == [1, 2, 1] and dataset.class_names == OURS
    assert said == ["val numbers the classes otherwise than train: names decide"]
    assert relabel(other, other.class_names, ("train", "val")) == (other, [])
    strange = Relabelled(other, ("background", "dog"))
    with pytest.raises(ValueError, match="item 0: class 'cat' is none of dog"):
        strange[0]


def test_the_same_folder_opens_as_before(tmp_path):
    coco(tmp_path)
    assert open_dataset(str(tmp_path), "val").class_names == OURS
