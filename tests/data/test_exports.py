"""Data sets as tools export them: each layout gives the boxes that were drawn, or one sentence."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detlearn.data import YoloDetectionDataset, open_dataset

WIDTH, HEIGHT = 64, 48
CLASSES = ["red", "green"]
SCENES: dict[str, dict[str, list[tuple]]] = {
    "train": {
        "000": [(4, 6, 20, 30, "red")],
        "001": [(10, 2, 40, 18, "green"), (30, 30, 60, 46, "red")],
        "a b": [(0, 0, 64, 48, "green")],
    },
    "val": {"100": [(8, 12, 24, 36, "green")], "101": [(1, 1, 5, 9, "red"), (6, 6, 9, 9, "red")]},
}
BOTH = {"both": {**SCENES["train"], **SCENES["val"]}}


def scenes(split: str) -> dict[str, list[tuple]]:
    return (SCENES | BOTH)[split]


def pictures(folder: Path, split: str, suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stem in scenes(split):
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / f"{stem}{suffix}")


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def coco(file: Path, split: str, prefix: str = "", suffix: str = ".jpg") -> None:
    images, annotations = [], []
    for number, (stem, objects) in enumerate(scenes(split).items()):
        images.append({"id": number, "file_name": f"{prefix}{stem}{suffix}", "width": WIDTH,
                       "height": HEIGHT})  # fmt: skip
        for x1, y1, x2, y2, name in objects:
            annotations.append({"id": len(annotations), "image_id": number,
                                "category_id": CLASSES.index(name) + 1, "iscrowd": 0,
                                "bbox": [x1, y1, x2 - x1, y2 - y1]})  # fmt: skip
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    put(file, json.dumps(content))


def table(file: Path, split: str, prefix: str = "") -> None:
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for stem, objects in scenes(split).items():
        rows += [
            f"{prefix}{stem}.jpg,{WIDTH},{HEIGHT},{name},{x1},{y1},{x2},{y2}"
            for x1, y1, x2, y2, name in objects
        ]
    put(file, "\n".join(rows))


def xml(folder: Path, split: str) -> None:
    for stem, objects in scenes(split).items():
        body = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for x1, y1, x2, y2, name in objects
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        put(folder / f"{stem}.xml", f"<annotation>{size}{body}</annotation>")


def fractions(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    return [(x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]


def yolo(folder: Path, split: str, more: str = "") -> None:
    for stem, objects in scenes(split).items():
        rows = [
            f"{CLASSES.index(name)} {' '.join(map(repr, fractions(*box)))}{more}"
            for *box, name in objects
        ]
        put(folder / f"{stem}.txt", "\n".join(rows) + "\n")


def each(write: Callable[[str, str], Any]) -> None:
    write("train", "train")
    write("val", "valid")


def read(root: Path, split: str) -> tuple[dict[str, list[tuple]], list[str]]:
    """Boxes of every picture, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        dataset = open_dataset(str(root), split)
        found = {}
        for index in range(len(dataset)):
            _, target = dataset[index]
            names = [dataset.class_names[label] for label in target["labels"]]
            boxes = [tuple(round(v, 4) for v in box) for box in target["boxes"].tolist()]
            found[Path(target["name"]).stem] = [(*b, n) for b, n in zip(boxes, names, strict=True)]
    return found, [str(one.message) for one in said]


# ------------------------------------------------------------------------------ what is read
def roboflow_coco(t: Path) -> None:
    each(lambda s, w: (pictures(t / w, s), coco(t / w / "_annotations.coco.json", s)))


def roboflow_csv(t: Path) -> None:
    each(lambda s, w: (pictures(t / w, s), table(t / w / "_annotations.csv", s)))


def roboflow_voc(t: Path) -> None:
    each(lambda s, w: (pictures(t / w, s), xml(t / w, s)))


def roboflow_yolo(t: Path, more: str = "", settings: str = "") -> None:
    each(lambda s, w: (pictures(t / w / "images", s), yolo(t / w / "labels", s, more)))
    put(t / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        f"nc: 2\nnames: ['red', 'green']\n{settings}\nroboflow:\n  version: 1\n")  # fmt: skip


def coco_own(t: Path) -> None:
    for s in SCENES:
        pictures(t / "images" / s, s)
        coco(t / "annotations" / f"{s}.json", s, f"{s}/")


def coco_plain_names(t: Path) -> None:
    for s in SCENES:
        pictures(t / "images" / s, s)
        coco(t / "annotations" / f"instances_{s}.json", s)
        coco(t / "annotations" / f"captions_{s}.json", s)


def coco_root(t: Path) -> None:
    for s in SCENES:
        pictures(t / s, s, ".png")
        coco(t / f"{s}.json", s, suffix=".png")


def coco_2014(t: Path) -> None:
    for s in SCENES:
        pictures(t / "images", s)
        coco(t / "annotations" / f"instances_{s}2014.json", s)


def cvat_coco(t: Path) -> None:
    pictures(t / "images", "both")
    coco(t / "annotations" / "instances_default.json", "both")


def cvat_voc(t: Path) -> None:
    for s in SCENES:
        pictures(t / "JPEGImages", s)
        xml(t / "Annotations", s)
        put(t / "ImageSets" / "Main" / f"{s}.txt", "\n".join(SCENES[s]))
    put(t / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nred:1,2,3::\ngreen:4,5,6::\n")  # fmt: skip


def cvat_yolo(t: Path) -> None:
    pictures(t / "obj_train_data", "train")
    yolo(t / "obj_train_data", "train")
    pictures(t / "obj_valid_data", "val")
    yolo(t / "obj_valid_data", "val")
    put(t / "obj.names", "red\ngreen\n")
    put(t / "obj.data", "classes = 2\n")
    put(t / "train.txt", "".join(f"data/obj_train_data/{stem}.jpg\n" for stem in SCENES["train"]))
    put(t / "valid.txt", "".join(f"data/obj_valid_data/{stem}.jpg\n" for stem in SCENES["val"]))


def label_studio(t: Path, prefix: str, name: str = "result.json") -> None:
    pictures(t / "images", "both")
    coco(t / name, "both", prefix)


def label_studio_yolo(t: Path) -> None:
    pictures(t / "images", "both")
    yolo(t / "labels", "both")
    put(t / "classes.txt", "red\ngreen\n\n")
    put(t / "notes.json", '{"categories": [], "info": {}}')


def labelimg(t: Path, suffix: str = ".png", folder: str = "") -> None:
    pictures(t / folder, "both", suffix)
    xml(t, "both")


def labelimg_folders(t: Path) -> None:
    pictures(t / "images", "both", ".jpeg")
    xml(t / "annotations", "both")


def labelimg_lists(t: Path, mark: str) -> None:
    labelimg(t)
    for s in SCENES:
        put(t / f"{s}.txt", "".join(f"{stem}{mark}\n" for stem in SCENES[s]))


def labelimg_yolo(t: Path) -> None:
    pictures(t, "both", ".JPG")
    yolo(t, "both")
    put(t / "classes.txt", "red\ngreen\n")


def devkit(t: Path, suffix: str, mark: str) -> None:
    base = t / "VOCdevkit" / "VOC2012"
    for s in SCENES:
        pictures(base / "JPEGImages", s, suffix)
        xml(base / "Annotations", s)
        put(base / "ImageSets" / "Main" / f"{s}.txt", "".join(f"{x}{mark}\n" for x in SCENES[s]))
    put(t / "labels.txt", "red\ngreen\n")


def tensorflow_csv(t: Path) -> None:
    for s in SCENES:
        pictures(t / "images", s)
        table(t / "data" / f"{s}_labels.csv", s)


def one_csv(t: Path) -> None:
    pictures(t / "images", "both")
    table(t / "annotations.csv", "both", "C:\\me\\Desktop\\images\\")


def yolo_folders(t: Path, names: str = "classes.txt") -> None:
    for s in SCENES:
        pictures(t / "images" / s, s)
        yolo(t / "labels" / s, s)
    put(t / names, "red\ngreen\n")


def yolo_settings(t: Path, settings: str) -> None:
    yolo_folders(t)
    (t / "classes.txt").unlink()
    put(t / "my.yaml", settings)


READ: dict[str, tuple[Callable[[Path], Any], str]] = {
    "Roboflow, COCO": (roboflow_coco, ""),
    "Roboflow, CSV": (roboflow_csv, ""),
    "Roboflow, VOC": (roboflow_voc, ""),
    "Roboflow, YOLO": (roboflow_yolo, ""),
    "YOLO with key points": (lambda t: roboflow_yolo(t, " 0.5 0.5 2", "kpt_shape: [1, 3]"), ""),
    "COCO, one JSON a split, folders in the names": (coco_own, ""),
    "COCO, instances and captions": (coco_plain_names, ""),
    "COCO, JSON files beside the folders, PNG": (coco_root, ""),
    "COCO 2014": (coco_2014, ""),
    "CVAT, COCO": (cvat_coco, ""),
    "CVAT, VOC": (cvat_voc, ""),
    "CVAT, YOLO": (cvat_yolo, "taken by their names"),
    "Label Studio, Windows": (lambda t: label_studio(t, "..\\..\\label-studio\\media\\upload\\4\\"), "taken by their names"),
    "Label Studio, older": (lambda t: label_studio(t, "images\\"), ""),
    "Label Studio, older, as annotations.json": (lambda t: label_studio(t, "images\\", "annotations.json"), "taken by their names"),
    "Label Studio, from a server": (lambda t: label_studio(t, "/data/upload/1/"), "taken by their names"),
    "Label Studio, addresses": (lambda t: label_studio(t, "http://host:80/data/upload/1/"), "taken by their names"),
    "Label Studio, YOLO": (label_studio_yolo, ""),
    "LabelImg, side by side, PNG": (labelimg, ""),
    "LabelImg, two folders": (labelimg_folders, ""),
    "LabelImg, pictures below": (lambda t: labelimg(t, ".bmp", "images"), ""),
    "LabelImg, lists": (lambda t: labelimg_lists(t, ""), ""),
    "LabelImg, lists with marks": (lambda t: labelimg_lists(t, " 1"), ""),
    "LabelImg, lists with endings": (lambda t: labelimg_lists(t, ".png"), ""),
    "LabelImg, lists with endings and marks": (lambda t: labelimg_lists(t, ".png -1"), ""),
    "LabelImg, YOLO": (labelimg_yolo, ""),
    "VOC's tree, PNG, marks": (lambda t: devkit(t, ".png", "  1"), ""),
    "VOC's tree, JPG in capitals, endings": (lambda t: devkit(t, ".JPG", ".JPG"), ""),
    "CSV as TensorFlow's examples": (tensorflow_csv, ""),
    "CSV with Windows' paths": (one_csv, "taken by their names"),
    "YOLO, folders in images/": (yolo_folders, ""),
    "YOLO, darknet's names": (lambda t: yolo_folders(t, "obj.names"), ""),
    "YOLO, names by number": (lambda t: yolo_settings(t, "path: ../datasets/x  # root\ntrain: images/train\nval: images/val\nnames:\n  0: red\n  1: green\n"), ""),
    "YOLO, a list of folders, another machine's path": (lambda t: yolo_settings(t, "train: [/data/x/images/train]\nval: C:\\x\\images\\val\nnames: [red, green]\n"), ""),
}  # fmt: skip


@pytest.mark.parametrize("split", list(SCENES))
@pytest.mark.parametrize("caption", list(READ))
def test_exports_are_read_as_they_come(tmp_path, caption, split):
    write, says = READ[caption]
    write(tmp_path)
    found, said = read(tmp_path, split)
    parted = any("train" in str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*"))
    assert found == scenes(split if parted else "both")
    assert len(said) == bool(says) and all(says in one for one in said), said


# --------------------------------------------------------------------------- what is refused
def without(write: Callable[[Path], Any], *files: str) -> Callable[[Path], None]:
    def make(t: Path) -> None:
        write(t)
        for name in files:
            (t / name).unlink()

    return make


def changed(write: Callable[[Path], Any], file: str, text: str) -> Callable[[Path], None]:
    def make(t: Path) -> None:
        write(t)
        put(t / file, text)

    return make


def same_names(t: Path) -> None:
    """cam1/000.jpg and cam2/000.jpg, and only images/000.jpg."""
    pictures(t / "images", "train")
    coco(t / "annotations.json", "train", "cam1/")
    content = json.loads((t / "annotations.json").read_text())
    content["images"].append({"id": 50, "file_name": "cam2/000.jpg"})
    put(t / "annotations.json", json.dumps(content))


def two_folders(t: Path) -> None:
    coco(t / "annotations.json", "train")
    for name in ("cam1", "cam2"):
        pictures(t / "images" / name, "train")


def two_picture_folders(t: Path) -> None:
    coco(t / "annotations" / "train.json", "train")
    pictures(t / "images" / "train", "train")
    pictures(t / "train", "train")


def corners(t: Path) -> None:
    yolo_folders(t)
    for file in (t / "labels").rglob("*.txt"):
        file.write_text("0 0.1 0.1 0.5 0.9\n1 0.4 0.2 0.9 0.5\n")


def missing_at_its_place(t: Path) -> None:
    """images/train/000.jpg is missing; images/val/000.jpg is another picture."""
    coco_own(t)
    (t / "images" / "train" / "000.jpg").rename(t / "images" / "val" / "000.jpg")


def row(text: str) -> Callable[[Path], None]:
    return changed(yolo_folders, "labels/train/000.txt", text)


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "YOLO without names": (without(yolo_folders, "classes.txt"), "nothing names the classes .* write classes.txt"),
    "YOLO: a class that has no name": (row("2 .5 .5 .1 .1"), r"000\.txt: row 1: expected a class from 0 to 1 \(red, green\), counted from 0, got 2"),
    "YOLO: a class below 0": (row("-1 .5 .5 .1 .1"), "row 1: expected a class from 0 to 1"),
    "YOLO: half a class": (row("0.5 .5 .5 .1 .1"), "row 1: expected a class from 0 to 1"),
    "YOLO: three numbers": (row("0 .5 .5 .1"), "row 1: expected four numbers behind the class, .* got 3"),
    "YOLO: scores behind the boxes": (row("0 .5 .5 .1 .1 .9"), "row 1: expected four numbers behind the class, .* got 5"),
    "YOLO: key points without kpt_shape": (lambda t: roboflow_yolo(t, " 0.5 0.5 2"), "kpt_shape, got 7"),
    "YOLO: other key points than kpt_shape": (lambda t: roboflow_yolo(t, " .5 .5 2", "kpt_shape: [2, 3]"), "expected four numbers behind the class and 6 of key points, got 7"),
    "YOLO: words": (row("red .5 .5 .1 .1"), "row 1: expected numbers, class cx cy w h, got 'red"),
    "YOLO: pixels": (lambda t: [put(file, "0 30 20 10 10\n1 5 5 4 4") for file in (yolo_folders(t) or (t / "labels").rglob("*.txt"))], "expected fractions of the picture's sides, from 0 to 1, got 30"),
    "YOLO: corners for centres": (corners, "expected the box's centre, width and height; .* corners?"),
    "YOLO: nc of another number": (changed(roboflow_yolo, "data.yaml", "train: train/images\nnc: 3\nnames: [red, green]"), "nc is 3, but there are 2 names"),
    "YOLO: a gap in the names": (changed(roboflow_yolo, "data.yaml", "train: train/images\nnames: {0: red, 2: green}"), r"expected the classes 0 to 1, got \[0, 2\]"),
    "YOLO: a name twice": (changed(yolo_folders, "classes.txt", "red\nred\n"), "classes.txt: expected different names and no 'background'"),
    "YOLO: an empty line among the names": (changed(yolo_folders, "classes.txt", "red\n\ngreen\n"), "classes.txt: expected different names"),
    "YOLO: the background as a class": (changed(yolo_folders, "classes.txt", "background\nred\n"), "no 'background'"),
    "YOLO: a folder that is not there": (changed(roboflow_yolo, "data.yaml", "train: pictures\nnames: [red, green]"), "'pictures': no such folder or list"),
    "YOLO: broken settings": (changed(roboflow_yolo, "data.yaml", "train: [\n"), "data.yaml: not a whole YAML file"),
    "YOLO: two settings": (changed(roboflow_yolo, "other.yaml", "train: train/images\nnames: [red, green]"), "data.yaml and .*other.yaml may both be the settings"),
    "YOLO: no text file at all": (lambda t: (pictures(t / "train" / "images", "train"), put(t / "data.yaml", "train: train/images\nnames: [red]")), "none of 3 pictures has its text file; expected .*000.txt for"),
    "train/ and training/": (lambda t: (roboflow_coco(t), (t / "training").mkdir()), "train and .*training may both be the folder of 'train'"),
    "two JSON files of a split": (lambda t: (coco_own(t), coco(t / "annotations" / "train_old.json", "train")), "train.json and .*train_old.json may both be the annotations of 'train'; rename or move"),
    "two JSON files of no split": (lambda t: (cvat_coco(t), coco(t / "annotations" / "copy.json", "both")), "may both be the annotations"),
    "two tables": (lambda t: (roboflow_csv(t), table(t / "train" / "old.csv", "train")), "may both be the table of 'train'"),
    "COCO and YOLO": (lambda t: (yolo_folders(t), coco(t / "annotations" / "train.json", "train")), "holds COCO .* and YOLO .* for 'train'; move or rename"),
    "COCO and CSV": (lambda t: (roboflow_coco(t), table(t / "train" / "_annotations.csv", "train")), "holds COCO .* and CSV"),
    "names that only folders tell apart": (same_names, "'cam2/000.jpg' and 'cam1/000.jpg' would both be"),
    "pictures of one name in two folders": (two_folders, r"images\[0\]: '000.jpg' may be .*cam1.* or .*cam2"),
    "two folders of pictures": (two_picture_folders, "pictures of its names lie in .* and in .*; move or rename"),
    "a.bmp and a.png": (lambda t: (labelimg(t), pictures(t, "train", ".bmp")), "its picture may be .*; rename one"),
    "a list that names a picture twice": (lambda t: (labelimg_lists(t, ""), put(t / "train.txt", "000\n000.png\n")), "'000' and '000.png' both mean 000.xml"),
    "a folder in a folder": (lambda t: roboflow_coco(t / "my-export-1"), "none of the layouts known .* did you mean .*my-export-1"),
    "only a picture": (lambda t: pictures(t, "train"), "none of the layouts known for 'train'"),
    "a picture missing where others lie": (missing_at_its_place, "000.jpg: no such picture"),
}  # fmt: skip


@pytest.mark.parametrize("caption", list(REFUSED))
def test_what_is_not_sure_is_refused(tmp_path, caption):
    write, says = REFUSED[caption]
    write(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=says) as caught:
        read(tmp_path, "train")
    assert len(str(caught.value)) < 900 and "\n" not in str(caught.value)


# -------------------------------------------------------------------------- what YOLO says
def test_outlines_become_boxes_and_that_is_said(tmp_path):
    yolo_folders(tmp_path)
    put(tmp_path / "labels/train/000.txt", "0 .25 .25 .5 .25 .375 .75\n1 .1 .1 .3 .1 .3 .5 .1 .5\n")
    found, said = read(tmp_path, "train")
    assert found["000"] == [(16, 12, 32, 36, "red"), (6.4, 4.8, 19.2, 24, "green")]
    assert len(said) == 1 and "2 of 5 rows are outlines; the boxes around them" in said[0]


def every_row(t: Path, *rows: str) -> None:
    yolo_folders(t)
    for file in (t / "labels").rglob("*.txt"):
        put(file, "\n".join(rows))


def test_outlines_that_may_be_key_points_say_so(tmp_path):
    every_row(tmp_path, "0 .5 .5 .2 .2 .45 .45 .55 .55", "1 .3 .4 .1 .3 .26 .3 .34 .5")
    _, said = read(tmp_path, "train")
    assert len(said) == 1 and "6 of 6 rows are outlines; the boxes around them" in said[0]
    assert (
        "may also be a box and 2 key points in it: if so, data.yaml needs kpt_shape: [2, 2]"
        in said[0]
    )
    for other in (
        "1 .3 .4 .1 .3",  # a box
        "1 .3 .4 .1 .3 .26 .3 .34 .5 .3 .4",  # another number of joints
        "1 .1 .1 .3 .1 .3 .5 .1 .5",  # four corners
        "1 .3 .4 .1 .3 .26 .3 .44 .5",  # a point outside
    ):
        put(tmp_path / "labels/train/000.txt", f"0 .5 .5 .2 .2 .45 .45 .55 .55\n{other}\n")
        _, said = read(tmp_path, "train")
        assert len(said) == 1 and said[0].endswith("the boxes around them are taken")


@pytest.mark.parametrize("marks", [(1, 1), (2, 2), (2, 1)])
def test_key_points_with_marks_are_no_outlines(tmp_path, marks):
    first, second = marks
    every_row(tmp_path, f"0 .5 .5 .2 .2 .45 .45 {first} .55 .55 {second}",
              f"1 .3 .4 .1 .3 .26 .3 {first} 0 0 0")  # fmt: skip
    with pytest.raises(
        ValueError, match=r"kpt_shape: \[2, 3\] in data.yaml, got 6 rows that all look"
    ):
        read(tmp_path, "train")


def test_pictures_without_text_files_are_counted(tmp_path):
    yolo_folders(tmp_path)
    (tmp_path / "labels/train/001.txt").unlink()
    found, said = read(tmp_path, "train")
    assert found["001"] == [] and found["000"] == SCENES["train"]["000"]
    assert len(said) == 1 and "1 of 3 pictures have no text file" in said[0] and "001" in said[0]


def test_boxes_over_the_edge_are_cut_and_counted(tmp_path):
    yolo_folders(tmp_path)
    rows = "\n".join(["0 .5 .5 .25 .25"] * 6 + ["1 .9 .5 .4 .5", "1 .2 .5 -.1 .5"])
    put(tmp_path / "labels/train/000.txt", rows)
    found, said = read(tmp_path, "train")
    assert found["000"][-1] == (44.8, 12, 64, 36, "green") and len(found["000"]) == 7
    assert any("1 of 10 boxes leave their pictures and are cut: 000.jpg" in one for one in said)
    assert any("1 boxes skipped; the first" in one and "row 8" in one for one in said)


def test_a_yolo_item_and_its_listing(tmp_path):
    pictures(tmp_path, "train")
    yolo(tmp_path, "train")
    images = [tmp_path / f"{stem}.jpg" for stem in SCENES["train"]]
    labels = [image.with_suffix(".txt") for image in images]
    dataset = YoloDetectionDataset(images, labels, ("background", *CLASSES))
    image, target = dataset[1]
    assert tuple(image.shape) == (3, HEIGHT, WIDTH) and target["image_id"] == 1
    assert target["area"].tolist() == [480, 480] and target["iscrowd"].tolist() == [0, 0]
    listing = dataset.listing()
    assert listing.owner.tolist() == [0, 1, 1, 2] and listing.labels.tolist() == [1, 2, 1, 2]
    assert listing.boxes[0].tolist() == [4, 6, 20, 30]
    with pytest.raises(ValueError, match="class_names: expected 'background' as the first"):
        YoloDetectionDataset(images, labels, CLASSES)
    with pytest.raises(ValueError, match="labels: expected 3, got 2"):
        YoloDetectionDataset(images, labels[:2], ("background", *CLASSES))
