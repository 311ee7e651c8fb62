"""Other people's data: each row is somebody's mistake, and right boxes, one sentence or a refusal.

A row names a tree and what must come of it: the boxes that were drawn ("" or what is said beside),
or the words of the refusal.  None may give other boxes without a word.
"""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detlearn.data import open_dataset
from detlearn.report.check import check_folder
from tests.data.test_exports import HEIGHT, SCENES, WIDTH, coco, put, table, xml, yolo

TRAIN = {stem: [(*map(float, box), name) for *box, name in rows]
         for stem, rows in SCENES["train"].items()}  # fmt: skip
Tree = Callable[[Path], Any]


def draw(folder: Path, split: str = "train", suffix: str = ".jpg", mode: str = "RGB", way: int = 1,
         size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:  # fmt: skip
    """Pictures that differ, so that none is trained and scored."""
    folder.mkdir(parents=True, exist_ok=True)
    g = np.random.default_rng([len(split), way])
    exif = Image.Exif()
    exif[0x0112] = way
    for stem in SCENES[split]:
        pixels = Image.fromarray(g.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
        more = {"exif": exif} if way > 1 else {}
        pixels.convert(mode).save(folder / f"{stem}{suffix}", **more)


def coco_tree(change: Callable[[dict], Any] = lambda content: None, **how: Any) -> Tree:
    def make(t: Path) -> None:
        draw(t / "images", **how)
        coco(t / "annotations.json", "train", suffix=how.get("suffix", ".jpg"))
        content = json.loads((t / "annotations.json").read_text())
        change(content)
        put(t / "annotations.json", json.dumps(content))

    return make


def boxes(change: Callable[..., list]) -> Tree:
    """All boxes of a COCO tree written otherwise."""
    return coco_tree(lambda c: [a.update(bbox=change(*a["bbox"])) for a in c["annotations"]])


def entries(section: str, **values: Any) -> Tree:
    def change(content: dict) -> None:
        for entry in content[section]:
            entry.update({k: v(entry) if callable(v) else v for k, v in values.items()})

    return coco_tree(change)


def first(**values: Any) -> Tree:
    return coco_tree(lambda c: c["annotations"][0].update(values))


def name_of(change: Callable[[str], str], **how: Any) -> Tree:
    return coco_tree(
        lambda c: [i.update(file_name=change(i["file_name"])) for i in c["images"]], **how
    )


def category(**values: Any) -> Tree:
    return coco_tree(lambda c: c["categories"].insert(0, {"id": 0, "name": "red"} | values))


def then(tree: Tree, *more: Tree) -> Tree:
    return lambda t: [one(t) for one in (tree, *more)]


def csv_tree(change: Callable[[str], str] = str, encoding: str = "utf-8") -> Tree:
    def make(t: Path) -> None:
        draw(t / "images")
        table(t / "train.csv", "train")
        (t / "train.csv").write_bytes(change((t / "train.csv").read_text()).encode(encoding))

    return make


def corners(change: Callable[..., tuple]) -> Tree:
    """A CSV whose last four cells are written otherwise; the picture's size is not said."""

    def rewrite(text: str) -> str:
        rows = ["image,label,x1,y1,x2,y2"]
        for line in text.splitlines()[1:]:
            image, _, _, name, *box = line.split(",")
            rows.append(",".join([image, name, *map(str, change(*map(int, box)))]))
        return "\n".join(rows)

    return csv_tree(rewrite)


def xml_tree(change: Callable[[str, str], Any] = lambda text, stem: text, **how: Any) -> Tree:
    def make(t: Path) -> None:
        draw(t, **how)
        xml(t, "train")
        for file in t.glob("*.xml"):
            text = change(file.read_text(), file.stem)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def yolo_tree(change: Callable[[str, str], Any] = lambda text, stem: text, names: str = "red\ngreen\n",
              **how: Any) -> Tree:  # fmt: skip
    def make(t: Path) -> None:
        draw(t / "images" / "train", **how)
        yolo(t / "labels" / "train", "train")
        for file in (t / "labels" / "train").glob("*.txt"):
            text = change(file.read_text(), file.stem)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        put(t / "classes.txt", names)

    return make


def rename(old: str, new: str) -> Tree:
    return lambda t: (
        (t / new).parent.mkdir(parents=True, exist_ok=True),
        (t / old).rename(t / new),
    )


def cut(name: str, share: float) -> Tree:
    def make(t: Path) -> None:
        content = (t / name).read_bytes()
        (t / name).write_bytes(content[: int(share * len(content))])

    return make


def decomposed(tree: Tree, folder: str) -> Tree:
    """A name with an umlaut, as macOS writes it to disk and everybody else into lists."""

    def make(t: Path) -> None:
        tree(t)
        for file in t.rglob("*"):
            if file.suffix in (".json", ".csv"):
                put(file, file.read_text().replace("000.jpg", "größe.jpg"))
            elif file.name in ("000.xml", "000.txt"):
                file.rename(file.with_name(f"größe{file.suffix}"))
        picture = t / folder / "000.jpg"
        picture.rename(picture.with_name(unicodedata.normalize("NFD", "größe.jpg")))

    return make


def linked(t: Path) -> None:
    coco_tree()(t)
    (t / "images").rename(t.with_name(f"{t.name} elsewhere"))
    (t / "images").symlink_to(t.with_name(f"{t.name} elsewhere"))


def fifo(rows: str) -> Callable[[str, str], str]:
    return lambda text, stem: rows if stem == "000" else text


def tag(pattern: str, to: str) -> Callable[[str, str], str]:
    return lambda text, stem: re.sub(pattern, to, text)


def calls(own: str, other: str) -> Callable[[str, str], str]:
    """An XML that gives the name of another picture."""
    named = {own: other, other: own}
    return lambda text, stem: text.replace(
        "<annotation>", f"<annotation><filename>{named.get(stem, stem)}.png</filename>"
    )


def as_corners(rows: str) -> str:
    out = []
    for row in rows.splitlines():
        kind, *numbers = row.split()
        x, y, w, h = map(float, numbers)
        out.append(f"{kind} {x - w / 2} {y - h / 2} {x + w / 2} {y + h / 2}")
    return "\n".join(out)


READ: dict[str, tuple[Tree, str]] = {
    # how files are written
    "a JSON with a mark and Windows' ends": (then(coco_tree(), lambda t: (t / "annotations.json").write_bytes(
        b"\xef\xbb\xbf" + (t / "annotations.json").read_text().replace(", ", ",\r\n").encode())), ""),
    "a CSV with a mark and Windows' ends": (csv_tree(lambda s: s.replace("\n", "\r\n"), "utf-8-sig"), ""),
    "a CSV with an old Mac's ends": (csv_tree(lambda s: s.replace("\n", "\r")), ""),
    "a CSV with everything in quotes": (csv_tree(lambda s: re.sub("[^,\n]+", r'"\g<0>"', s)), ""),
    "a CSV with semicolons": (csv_tree(lambda s: s.replace(",", ";")), ""),
    "a CSV with 4.0 and 4e0": (csv_tree(lambda s: s.replace(",4,6,", ",4.0,6e0,")), ""),
    "an XML with a mark": (xml_tree(lambda s, _: b"\xef\xbb\xbf" + s.encode()), ""),
    "an XML in UTF-16": (xml_tree(lambda s, _: f'<?xml version="1.0" encoding="utf-16"?>{s}'.encode("utf-16")), ""),
    "an XML in UTF-16 that does not say so": (xml_tree(lambda s, _: s.encode("utf-16")), ""),
    "an XML with indents and Windows' ends": (xml_tree(lambda s, _: s.replace("><", ">\r\n\t<")), ""),
    "an XML with parts of objects": (xml_tree(tag("</bndbox>", "</bndbox><part><name>hand</name><bndbox><xmin>1</xmin></bndbox></part>")), ""),
    "an XML of no size": (xml_tree(tag("<size>.*</size>", "")), ""),
    "a text file with a mark and Windows' ends": (yolo_tree(lambda s, _: b"\xef\xbb\xbf" + s.replace("\n", "\r\n").encode()), ""),
    "a text file with 0.0 for a class": (yolo_tree(tag(r"(?m)^(\d) ", r"\1.0 ")), ""),
    # names of pictures
    "capitals at the end of all names": (name_of(lambda s: s.replace(".jpg", ".JPG")), ""),
    "capitals at the end of one name": (name_of(lambda s: s.replace("000.jpg", "000.JPG")), ""),
    "capitals in a CSV": (csv_tree(lambda s: s.replace("001.jpg", "001.JPG")), ""),
    "names without an ending": (name_of(lambda s: s.replace(".jpg", "")), "taken by their names"),
    "names from before the pictures were converted": (name_of(lambda s: s.replace(".jpg", ".png")), "taken by their names"),
    "a CSV without endings": (csv_tree(lambda s: s.replace(".jpg", "")), "taken by their names"),
    "addresses with %20": (name_of(lambda s: "https://host/a/" + s.replace(" ", "%20")), "taken by their names"),
    "addresses with a signature": (name_of(lambda s: f"https://host/a/{s}?sig=4%2F"), "taken by their names"),
    "a folder of Windows": (csv_tree(lambda s: re.sub(r"(?m)^(\w[^,]*jpg)", r"C:\\me\\pics\\\1", s)), "taken by their names"),
    "a link to the folder": (linked, ""),
    # kinds of pictures
    "transparent": (coco_tree(suffix=".png", mode="RGBA"), ""),
    "grey": (coco_tree(mode="L"), ""),
    "with a palette": (coco_tree(suffix=".gif", mode="P"), ""),
    "for a printer": (coco_tree(mode="CMYK"), ""),
    "black and white": (coco_tree(suffix=".png", mode="1"), ""),
    "with 16 bits": (then(coco_tree(suffix=".png"), lambda t: Image.fromarray(
        np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)).save(t / "images" / "000.png")), ""),
    "a PNG named .jpg": (then(coco_tree(), lambda t: Image.new("RGB", (WIDTH, HEIGHT)).save(t / "images" / "000.jpg", "PNG")), ""),
    "bytes behind the picture's end": (then(coco_tree(), lambda t: (t / "images" / "000.jpg").write_bytes(
        (t / "images" / "000.jpg").read_bytes() + bytes(5000))), ""),
    # classes
    "ids from 0": (coco_tree(lambda c: [a.update(category_id=a["category_id"] - 1) for a in c["annotations"]]
                             + [k.update(id=k["id"] - 1) for k in c["categories"]]), ""),
    "a background without boxes": (category(name="background"), ""),
    "a Background in capitals": (category(name="BACKGROUND"), ""),
    "Roboflow's first category": (category(name="things", supercategory="none"), "1 of 3 classes never occur.*things"),
    "blanks around a name": (coco_tree(lambda c: c["categories"][0].update(name=" red ")), ""),
    "blanks around a name in YOLO": (yolo_tree(names=" red\r\ngreen \r\n"), ""),
    # sizes and marks
    "sizes of 0": (entries("images", width=0, height=0), ""),
    "sizes that are texts": (entries("images", width="64", height="48"), ""),
    "no sizes": (coco_tree(lambda c: [i.pop("width") for i in c["images"]]), ""),
    "iscrowd: false": (entries("annotations", iscrowd=False), ""),
    # folders
    "YOLO's settings and a list that agree": (then(yolo_tree(), lambda t: put(t / "data.yaml", "train: images/train\nnames: [red, green]\n")), ""),
    "YOLO in folders of folders": (then(yolo_tree(), rename("images/train/000.jpg", "images/train/cam 1/000.jpg"),
                                        rename("labels/train/000.txt", "labels/train/cam 1/000.txt")), ""),
    "LabelImg's list beside the text files": (then(yolo_tree(), rename("classes.txt", "labels/train/classes.txt")), ""),
    "a text file in capitals": (then(yolo_tree(), rename("labels/train/000.txt", "labels/train/000.TXT")), ""),
    "a text file of a capital": (then(yolo_tree(), rename("labels/train/000.txt", "labels/train/000.Txt")), ""),
    "a text file too many": (then(yolo_tree(), lambda t: put(t / "labels/train/zzz.txt", "0 .5 .5 .1 .1\n")),
                             "1 text files have no picture and are left out: zzz.txt"),
    "a picture that no JSON names": (then(coco_tree(), lambda t: Image.new("RGB", (9, 9)).save(t / "images" / "x.jpg")), ""),
    "XML files that exchange their pictures' names": (xml_tree(calls("000", "001"), suffix=".png"),
                                                     "2 of 3 XML files give the name of another picture"),
    "XML files that name the old pictures": (xml_tree(tag("<annotation>", "<annotation><filename>old.bmp</filename>")), ""),
}  # fmt: skip

REFUSED: dict[str, tuple[Tree, str]] = {
    # numbers of another kind
    "COCO: corners": (boxes(lambda x, y, w, h: [x, y, x + w, y + h]), r"got what looks like \[x1, y1, x2, y2\]: 1 of 4 boxes"),
    "COCO: centres": (boxes(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]), "looks like the centre, width and height: 2 of 4"),
    "COCO: y first": (boxes(lambda x, y, w, h: [y, x, h, w]), "looks like y before x: 2 of 4 boxes would leave"),
    "COCO: fractions": (boxes(lambda x, y, w, h: [x / 64, y / 48, w / 64, h / 48]), "expected boxes in pixels, got fractions"),
    "COCO: negative sizes": (boxes(lambda x, y, w, h: [x + w, y + h, -w, -h]), "got none .* 4 left out"),
    "COCO: texts": (boxes(lambda *box: [str(v) for v in box]), r"annotation 0: expected bbox \[x, y, width, height\], got \['4'"),
    "COCO: no numbers": (first(bbox=[]), "annotation 0: expected bbox"),
    "COCO: outlines alone": (coco_tree(lambda c: [a.pop("bbox") for a in c["annotations"]]), r"annotations\[0\] lacks bbox"),
    "COCO: boxes of zeros": (boxes(lambda *_: [0, 0, 0, 0]), "got none .* 4 left out"),
    "COCO: crowds alone": (entries("annotations", iscrowd=1, segmentation={"counts": [9], "size": [48, 64]}), "4 are crowds"),
    "CSV: widths and heights": (corners(lambda a, b, c, d: (a, b, c - a, d - b)), "expected corners, got what looks like x, y, width and height: 1 of 4"),
    "CSV: y first": (corners(lambda a, b, c, d: (b, a, d, c)), "looks like y before x"),
    "COCO: fractions, one over the edge": (boxes(lambda x, y, w, h: [x / 64, y / 48, w / 64 if x != 4 else 1.0001 - x / 64, h / 48]), r"expected boxes in pixels, got fractions \(1 of the 4 goes beyond 1\)"),
    "COCO: fractions, and one in pixels": (boxes(lambda x, y, w, h: [x / 64, y / 48, w / 64, h / 48] if x != 4 else [x, y, w, h]), r"expected boxes in pixels, got fractions \(1 of the 4"),
    "CSV: fractions, one over the edge": (corners(lambda a, b, c, d: (a / 64, b / 48, c / 64 if a != 4 else 1.0001, d / 48)), r"expected pixels, got fractions \(1 box goes beyond 1\)"),
    "XML: fractions, one over the edge": (xml_tree(lambda s, _: re.sub(r"<(.m\w\w)>(\d+)", lambda m: f"<{m[1]}>{1.0001 if m[2] == '48' else int(m[2]) / 64}", s)), r"expected boxes in pixels, got fractions \(1 of the 4"),
    "CSV: fractions": (corners(lambda a, b, c, d: (a / 64, b / 48, c / 64, d / 48)), "expected pixels, got fractions"),
    "CSV: commas in numbers": (csv_tree(lambda s: s.replace(",", ";").replace(";4;6;", ";4,5;6,5;")), "row 2: expected four numbers"),
    "XML: y first": (xml_tree(lambda s, _: s.replace("xm", "Q").replace("ym", "xm").replace("Q", "ym")), "looks like y before x"),
    "XML: ends before beginnings": (xml_tree(lambda s, _: s.replace("min", "Q").replace("max", "min").replace("Q", "max")), "4 left out"),
    "XML: fractions": (xml_tree(lambda s, _: re.sub(r"<(.m\w\w)>(\d+)", lambda m: f"<{m[1]}>{int(m[2]) / 64}", s)), "expected boxes in pixels, got fractions"),
    "XML: commas in numbers": (xml_tree(tag("</xmin>", ",5</xmin>")), "object 0: bndbox has a side that is no number"),
    "XML: outlines alone": (xml_tree(tag("<bndbox>.*?</bndbox>", "<polygon><x1>3</x1></polygon>")), "bndbox has a side that is no number"),
    "YOLO: corners": (yolo_tree(lambda s, _: as_corners(s)), "expected the box's centre, width and height; .* corners"),
    "YOLO: per cent": (yolo_tree(tag(r" 0\.(\d\d)", r" \1.")), "expected fractions of the picture's sides"),
    "YOLO: commas between": (yolo_tree(lambda s, _: s.replace(" ", ",")), "row 1: expected numbers, class cx cy w h"),
    "YOLO: commas in numbers": (yolo_tree(lambda s, _: s.replace(".", ",")), "row 1: expected numbers"),
    "YOLO: classes from 1": (yolo_tree(lambda s, _: re.sub(r"(?m)^\d", lambda m: str(int(m[0]) + 1), s)), "a class from 0 to 1 .*, got 2"),
    "YOLO: in UTF-16": (yolo_tree(lambda s, _: s.encode("utf-16")), "expected text in UTF-8"),
    # sizes
    "COCO: sizes that are texts, of another picture": (entries("images", width="640", height="480"), "3 of 3 pictures have another size"),
    "COCO: sizes exchanged": (entries("images", width=HEIGHT, height=WIDTH), "width and height exchanged"),
    "COCO: on their side by a note": (coco_tree(way=6), "3 turned by the camera's note"),
    "COCO: upside down by a note": (coco_tree(way=3), "expected --exif-upright if after"),
    "COCO: mirrored by a note": (coco_tree(way=2), "expected --exif-upright"),
    "YOLO: on their side by a note": (yolo_tree(way=8), "expected --exif-upright"),
    "XML: upside down by a note": (xml_tree(way=3), "expected --exif-upright"),
    "CSV: a picture that grew": (then(csv_tree(), lambda t: Image.new("RGB", (640, 480)).save(t / "images" / "000.jpg")), "000.jpg has 640 x 480 px, expected 64 x 48"),
    # files
    "COCO: an empty file": (then(coco_tree(), lambda t: put(t / "annotations.json", "")), "not a whole JSON file"),
    "COCO: in UTF-16": (then(coco_tree(), lambda t: (t / "annotations.json").write_bytes((t / "annotations.json").read_text().encode("utf-16"))), "not a whole JSON file"),
    "COCO: one id for all": (entries("annotations", id=1), "two entries of annotations have the same id"),
    "COCO: categories from 1, boxes from 0": (entries("annotations", category_id=lambda a: a["category_id"] - 1), "category_id 0, which no entry of categories has"),
    "COCO: a background with boxes": (coco_tree(lambda c: c["categories"][0].update(name="background")), "expected no boxes of the category 'background', .* got 2"),
    "COCO: one name for two": (coco_tree(lambda c: c["categories"][0].update(name="green")), "got 'green' twice"),
    "COCO: one name for two, and nothing to score": (then(coco_tree(lambda c: c["categories"][0].update(name="green")), rename("annotations.json", "annotations/train.json")), "got 'green' twice"),
    "CSV: an empty file": (csv_tree(lambda s: ""), "expected the columns .* got nothing"),
    "CSV: a header alone": (csv_tree(lambda s: s.splitlines()[0]), "at least one row below the header"),
    "CSV: no header": (csv_tree(lambda s: s.split("\n", 1)[1]), "expected the columns"),
    "CSV: in Latin 1": (csv_tree(lambda s: s.replace("red", "röt"), "latin-1"), "save it as CSV UTF-8"),
    "CSV: no class": (csv_tree(lambda s: s.replace("red", "")), "class '' is none of green"),
    "XML: an empty file": (xml_tree(fifo("")), "000.xml: not a whole XML file"),
    "XML: a page": (xml_tree(fifo("<html><body>404</body></html>")), "000.xml: expected a VOC <annotation>, got <html>"),
    "XML: CVAT's own": (xml_tree(lambda s, _: f"<annotations>{s}</annotations>"), "000.xml: expected a VOC <annotation>, got <annotations>"),
    "XML: with a namespace": (xml_tree(tag("<annotation>", '<annotation xmlns="http://host/voc">')), "000.xml: expected a VOC <annotation>, got <{http://host/voc}annotation>"),
    "XML: no class": (xml_tree(lambda s, _: s.replace("red", "")), "object 0: expected the name of a class, got none"),
    "XML: all difficult": (xml_tree(tag("<bndbox>", "<difficult>1</difficult><bndbox>")), "4 are difficult"),
    "YOLO: empty files": (yolo_tree(lambda *_: ""), "expected at least one box to learn from"),
    "YOLO: two pictures of one text file": (then(yolo_tree(), lambda t: Image.new("RGB", (9, 9)).save(t / "images/train/000.png")), r"000.txt: its picture may be .* rename one"),
    "YOLO: two spellings of one text file": (then(yolo_tree(), rename("labels/train/000.txt", "labels/train/000.TXT"), lambda t: put(t / "labels/train/000.Txt", "")), "000.jpg: its text file may be .*000.TXT or 000.Txt; rename"),
    "YOLO: yes and no for names": (then(yolo_tree(), lambda t: put(t / "data.yaml", "train: images/train\nnames: [yes, no]\n")), "names: expected texts, got True; write it in quotes"),
    "YOLO: two lists of names": (then(yolo_tree(), lambda t: put(t / "labels/train/classes.txt", "green\nred\n")), "labels/train/classes.txt: expected the classes red, green, got green, red; remove"),
    "YOLO: settings against the folder's list": (then(yolo_tree(), lambda t: put(t / "data.yaml", "train: images/train\nnames: [green, red]\n")), "/classes.txt: expected the classes green, red, got red, green; remove the list that is wrong"),
    "YOLO: settings against Darknet's list": (then(yolo_tree(), rename("classes.txt", "obj.names"), lambda t: put(t / "data.yaml", "train: images/train\nnames: [red, green, blue]\n")), "/obj.names: expected the classes red, green, blue, got red, green; remove"),
    "YOLO: a list of names in Latin 1": (then(yolo_tree(), lambda t: (t / "classes.txt").write_bytes("röt\ngreen\n".encode("latin-1"))), "classes.txt: expected text in UTF-8"),
    # pictures
    "a picture cut off in its middle": (then(coco_tree(), cut("images/000.jpg", 0.5)), "1 of 3 pictures cannot be read .*: 000.jpg"),
    "a picture cut off at its end": (then(coco_tree(), cut("images/000.jpg", 0.97)), "1 of 3 pictures cannot be read .*: 000.jpg"),
    "a PNG cut off at its end": (then(coco_tree(suffix=".png"), cut("images/000.png", 0.97)), "1 of 3 pictures cannot be read .*: 000.png"),
    "a folder that is named as a picture": (then(coco_tree(), lambda t: ((t / "images/000.jpg").unlink(), (t / "images/000.jpg").mkdir())), "1 of 3 pictures is missing"),
    "a link to nowhere": (then(coco_tree(), lambda t: ((t / "images/000.jpg").unlink(), (t / "images/000.jpg").symlink_to("/nowhere/a.jpg"))), "1 of 3 pictures is missing"),
    "a telephone's HEIC": (then(coco_tree(), rename("images/000.jpg", "images/000.HEIC")), "1 of 3 pictures is missing"),
    "two spellings of one name": (then(name_of(lambda s: s.replace("000.jpg", "000.Jpg")), lambda t: (
        t / "images/000.JPG").write_bytes((t / "images/000.jpg").read_bytes())), "1 of 3 pictures is missing"),
}  # fmt: skip

SAID: dict[str, tuple[Tree, str]] = {
    "one box far too large": (first(bbox=[0, 0, 1e12, 1e12]), "1 of 4 boxes reach out of the picture, and are cut: 000.jpg"),
    "one box that is no number": (first(bbox=[float("nan")] * 4), "1 of 4 boxes left out: 000.jpg"),
    "one box of a negative size": (first(bbox=[20, 30, -16, -24]), "1 of 4 boxes left out: 000.jpg"),
    "one box in another picture": (first(bbox=[400, 600, 160, 240]), "1 of 4 boxes left out: 000.jpg"),
    "one crowd": (first(iscrowd=1), "1 of 4 boxes are crowds"),
    "names but for capitals": (xml_tree(lambda s, stem: s.replace("red", "Red") if stem == "000" else s), "'Red' and 'red' are 2 classes, as they are written"),
    "names but for a line": (coco_tree(lambda c: c["categories"].append({"id": 9, "name": "r_ed"})
                             or c["annotations"][0].update(category_id=9)), "'red' and 'r_ed' are 2 classes"),
    "a picture without its XML": (then(xml_tree(), lambda t: (t / "001.xml").unlink()), "1 of 3 pictures have no XML file and are left out: 001.jpg"),
    "a picture without its text file": (then(yolo_tree(), lambda t: (t / "labels/train/001.txt").unlink()), "1 of 3 pictures have no text file"),
    "an empty text file": (yolo_tree(fifo("")), "1 of 3 pictures has no box, and is kept as background: 000.jpg"),
    "an XML that counts from 0": (xml_tree(lambda s, _: re.sub(r"<([xy]min)>(\d+)", lambda m: f"<{m[1]}>{int(m[2]) - 1}", s)),
                                  "1 of 4 boxes begin at 0, expected 1 for the first pixel"),
    "a huge XML side": (xml_tree(tag("<xmax>20<", "<xmax>99999999<")), "1 of 4 boxes reach out"),
}  # fmt: skip


def look(root: Path) -> tuple[dict[str, list], list[str]]:
    """Boxes by picture, and all that is said of training; what refuses is raised."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, findings = check_folder(str(root))
        dataset = open_dataset(str(root), "train")
    ours = [one for one in findings if one.text.startswith("train") or one.kind == "names"]
    for finding in ours:
        assert len(finding.text) < 600 and "\n" not in finding.text
        if finding.refused:
            raise ValueError(finding.text)
    found = {}
    for index in range(len(dataset)):
        _, target = dataset[index]
        names = [dataset.class_names[label] for label in target["labels"]]
        corners = [tuple(round(v, 3) for v in box) for box in target["boxes"].tolist()]
        rows = [(*b, n) for b, n in zip(corners, names, strict=True)]
        found[Path(unicodedata.normalize("NFC", target["name"])).stem] = rows
    return found, [one.text for one in ours] + list({str(one.message) for one in caught})


@pytest.mark.parametrize("caption", list(READ))
def test_valid_data_are_read(tmp_path, caption):
    tree, says = READ[caption]
    tree(tmp_path / "data")
    found, said = look(tmp_path / "data")
    assert found == TRAIN
    own = [one for one in said if not re.search("trained on too|numbers the classes", one)]
    assert [bool(re.search(says, one)) for one in own] == [True] * bool(says), own


@pytest.mark.parametrize("caption", list(REFUSED))
def test_what_would_be_wrong_is_refused_in_one_sentence(tmp_path, caption):
    tree, says = REFUSED[caption]
    tree(tmp_path / "data")
    with pytest.raises((ValueError, FileNotFoundError), match=says) as caught:
        look(tmp_path / "data")
    assert len(str(caught.value)) < 900 and "\n" not in str(caught.value)


@pytest.mark.parametrize("caption", list(SAID))
def test_what_is_left_out_or_changed_is_said(tmp_path, caption):
    tree, says = SAID[caption]
    tree(tmp_path / "data")
    found, said = look(tmp_path / "data")
    assert any(re.search(says, one) for one in said), said


@pytest.mark.parametrize("kind", ["COCO", "CSV", "XML", "YOLO"])
def test_names_that_a_mac_has_written(tmp_path, kind):
    tree, folder = {
        "COCO": (coco_tree(), "images"), "CSV": (csv_tree(), "images"), "XML": (xml_tree(), "."),
        "YOLO": (yolo_tree(), "images/train"),
    }[kind]  # fmt: skip
    decomposed(tree, folder)(tmp_path)
    found, said = look(tmp_path)
    assert found == {("größe" if stem == "000" else stem): rows for stem, rows in TRAIN.items()}
    assert not [one for one in said if "trained on too" not in one and "expected" not in one]


@pytest.mark.parametrize("kind", ["XML", "YOLO"])
def test_pictures_of_the_other_split_are_not_missed(tmp_path, kind):
    """One folder of pictures for both splits: nothing lacks anything."""
    if kind == "XML":
        for split in SCENES:
            draw(tmp_path / "images", split)
            xml(tmp_path / "Annotations" / split, split)
    else:
        for split in SCENES:
            draw(tmp_path, split)
            yolo(tmp_path, split)
            put(tmp_path / f"{split}.txt", "".join(f"{stem}.jpg\n" for stem in SCENES[split]))
        put(tmp_path / "classes.txt", "red\ngreen\n")
    found, said = look(tmp_path)
    assert found == TRAIN and said == []


def test_a_text_file_is_not_taken_from_the_picture_of_its_name(tmp_path):
    """A.jpg beside a.jpg and a.txt, where names have a case: a picture without objects."""
    yolo_tree()(tmp_path)
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        rename(f"{folder}/train/000.{suffix}", f"{folder}/train/a.{suffix}")(tmp_path)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "train" / "A.jpg")
    if len(list((tmp_path / "images" / "train").glob("*.jpg"))) == len(TRAIN):
        pytest.skip("this disk knows no case")
    found, said = look(tmp_path)
    assert found["a"] == TRAIN["000"] and found["A"] == []
    assert any("1 of 4 pictures have no text file" in one for one in said)


def test_numbers_that_are_names(tmp_path):
    coco_tree(lambda c: [k.update(name=k["id"]) for k in c["categories"]])(tmp_path)
    found, _ = look(tmp_path)
    assert found["000"] == [(4, 6, 20, 30, "1")]


# ------------------------------------------------------------------------------ key points
def points(change: Callable[[dict], Any]) -> Tree:
    """Boxes with four key points each, along their middles."""

    def edit(content: dict) -> None:
        for kind in content["categories"]:
            kind["keypoints"] = ["ear", "nose", "neck", "tail"]
        for one in content["annotations"]:
            x, y, w, h = one["bbox"]
            one["keypoints"] = [v for j in range(1, 5) for v in (x + w * j / 5, y + h / 2, 2)]
            change(one)

    return coco_tree(edit)


def each_point(change: Callable[..., tuple]) -> Callable[[dict], None]:
    def edit(one: dict) -> None:
        old = one["keypoints"]
        triples = [old[n : n + 3] for n in range(0, len(old), 3)]
        one["keypoints"] = [v for point in triples for v in change(*point, one["bbox"])]

    return edit


def of_first(values: list) -> Callable[[dict], None]:
    return lambda one: one.update(keypoints=values) if one["id"] == 0 else None


POINTS: dict[str, tuple[Callable[[dict], Any], bool, str]] = {
    "as they should be": (lambda one: None, False, ""),
    "not all labelled": (of_first([5, 7, 2, 0, 0, 0, 9, 9, 1, 0, 0, 0]), False, ""),
    "fractions": (each_point(lambda x, y, v, _: (x / 64, y / 48, v)), True, "expected key points in pixels, got fractions"),
    "from the box's corner": (each_point(lambda x, y, v, b: (x - b[0] - 30, y - b[1] - 30, v)), True, "far from their boxes, expected x and y in pixels of the picture"),
    "one person's far away": (of_first([500, 500, 2] * 4), True, "4 of 16 key points lie outside of the picture"),
    "one joint far away": (of_first([5, 7, 2, -40, 9, 2, 9, 9, 2, 10, 9, 2]), False, "1 of 16 key points lie outside of the picture or far from their boxes: 000.jpg"),
    "scores for visibility": (each_point(lambda x, y, v, _: (x, y, 0.9)), True, "16 of 16 key points have a third number .*, got 0.9"),
    "another code for visibility": (each_point(lambda x, y, v, _: (x, y, 3)), True, "no visibility, .*, got 3"),
    "null everywhere": (lambda one: one.update(keypoints=None), True, "got none|no labelled key point"),
    "zeros everywhere": (lambda one: one.update(keypoints=[0] * 12), True, "got none"),
    "pairs": (each_point(lambda x, y, v, _: (x, y)), True, "expected keypoints to be three finite numbers a joint"),
    "no numbers": (of_first([float("nan"), 5, 2] * 4), True, "expected keypoints to be three finite numbers"),
    "three joints for four": (of_first([5, 5, 2] * 3), True, "expected key"),
}  # fmt: skip


@pytest.mark.parametrize("caption", list(POINTS))
def test_key_points_are_where_the_file_says_or_it_is_said(tmp_path, caption):
    change, refused, says = POINTS[caption]
    points(change)(tmp_path)
    try:
        _, findings = check_folder(str(tmp_path), keypoints=True)
    except ValueError as error:
        assert refused and re.search(says, str(error)) and "\n" not in str(error)
        return
    ours = [one for one in findings if one.text.startswith("train")]
    assert any(one.refused for one in ours) == refused
    if says:
        assert any(re.search(says, one.text) for one in ours), ours
    else:
        assert not ours


def test_a_joint_s_name_stands_there_once(tmp_path):
    coco_tree(lambda c: [k.update(keypoints=["ear", "ear"]) for k in c["categories"]])(tmp_path)
    with pytest.raises(ValueError, match="a name for each of the keypoints, got 'ear' twice"):
        open_dataset(str(tmp_path), "train", keypoints=True)
