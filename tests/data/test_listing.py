"""What readers tell the border, and the one rule about sizes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from detlearn.data import CocoDetectionDataset, CsvDetectionDataset, VocDetectionDataset, read_image
from detlearn.data.headers import read_header, read_headers
from detlearn.data.listing import join_listings, make_listing
from detlearn.data.sizes import check_said_size
from detlearn.data.targets import Joined

XML = """<annotation>{size}<object><name>dog</name><difficult>{difficult}</difficult><bndbox>
<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox>
</object></annotation>"""


def picture(path: Path, size: tuple[int, int], orientation: int = 1) -> Path:
    """A drawn file whose camera noted how it was held; ``size`` is that of the raw frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.new("RGB", size, (30, 90, 60)).save(path, exif=exif)
    return path


def as_coco(root: Path, said: tuple[int, int] | None, box: tuple[float, ...]):
    x1, y1, x2, y2 = box
    image = {"id": 1, "file_name": "a.jpg"} | (
        {"width": said[0], "height": said[1]} if said else {}
    )
    content = {
        "images": [image], "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
                         "bbox": [x1, y1, x2 - x1, y2 - y1]}],
    }  # fmt: skip
    (root / "a.json").write_text(json.dumps(content))
    return CocoDetectionDataset(root / "images", root / "a.json", on_bad="skip")


def as_csv(root: Path, said: tuple[int, int] | None, box: tuple[float, ...]):
    sides = f",{said[0]},{said[1]}" if said else ",,"
    (root / "a.csv").write_text(
        f"image,x1,y1,x2,y2,label,width,height\na.jpg,{','.join(map(str, box))},dog{sides}\n"
    )
    return CsvDetectionDataset(root / "images", root / "a.csv", on_bad="skip")


def as_voc(root: Path, said: tuple[int, int] | None, box: tuple[float, ...]):
    base = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    (base / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    (base / "JPEGImages" / "a.jpg").write_bytes((root / "images" / "a.jpg").read_bytes())
    size = f"<size><width>{said[0]}</width><height>{said[1]}</height></size>" if said else ""
    x1, y1, x2, y2 = box
    text = XML.format(size=size, difficult=0, box=(x1 + 1, y1 + 1, x2, y2))
    (base / "Annotations" / "a.xml").write_text(text)
    return VocDetectionDataset(root, "2012", "train", on_bad="skip")


LAYOUTS = {"COCO": as_coco, "CSV": as_csv, "VOC": as_voc}
RAW, UPRIGHT = (40, 20), (20, 40)  # a camera held on its side

ROWS = [  # caption, raw size, orientation, the size that is said, box, refused
    ("the size is right", RAW, 1, RAW, (2, 3, 9, 9), False),
    ("resized after labelling", RAW, 1, (80, 40), (2, 3, 9, 9), True),
    ("one side is wrong", RAW, 1, (40, 21), (2, 3, 9, 9), True),
    ("nothing is said", RAW, 1, None, (2, 3, 9, 9), False),
    ("a size of zero says nothing", RAW, 1, (0, 0), (2, 3, 9, 9), False),
    ("sides exchanged, nothing proves where the box belongs", RAW, 1, UPRIGHT, (2, 3, 9, 9), True),
    ("sides exchanged, the box fits only the picture", RAW, 1, UPRIGHT, (25, 3, 39, 9), False),
    *[
        (f"held in way {way}, labelled upright", RAW, way, UPRIGHT, (2, 3, 9, 9), False)
        for way in (5, 6, 7, 8)
    ],
    *[
        (f"held in way {way}, labelled as stored", RAW, way, RAW, (2, 3, 9, 9), True)
        for way in (5, 6, 7, 8)
    ],
    ("held in way 6, stored size, box fits only the upright one", RAW, 6, RAW, (2, 25, 9, 39), False),
    ("held in way 6, stored size, a sloppy box proves nothing", RAW, 6, RAW, (2, 3, 9, 21), True),
    ("upside down, which no size tells", RAW, 3, RAW, (2, 3, 9, 9), False),
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("raw", "orientation", "said", "box", "refused"), [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)  # fmt: skip
def test_one_rule_about_sizes(tmp_path, layout, raw, orientation, said, box, refused):
    picture(tmp_path / "images" / "a.jpg", raw, orientation)
    if refused:
        with pytest.raises(ValueError, match=r"a.*(the picture has|a\.jpg has) .* px.*, expected"):
            LAYOUTS[layout](tmp_path, said, box)[0]
    else:
        assert LAYOUTS[layout](tmp_path, said, box)[0][1]["boxes"].tolist() == [list(box)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_reader_lists_the_same(tmp_path, layout):
    path = picture(tmp_path / "images" / "a.jpg", RAW)
    found = LAYOUTS[layout](tmp_path, RAW, (2.0, 3.0, 9.0, 9.0)).listing()
    assert found.class_names[found.labels[0]] == "dog"
    assert found.boxes.tolist() == [[2, 3, 9, 9]] and found.owner.tolist() == [0]
    assert found.sizes.tolist() == [list(RAW)] and [p.name for p in found.paths] == [path.name]
    assert found.ignored.tolist() == [False] and found.skipped.count == 0


@pytest.mark.filterwarnings("ignore::detlearn.data.targets.BoxesSkipped")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_skipped_is_counted(tmp_path, layout):
    picture(tmp_path / "images" / "a.jpg", RAW)
    skipped = LAYOUTS[layout](tmp_path, RAW, (9.0, 3.0, 2.0, 9.0)).listing().skipped
    assert skipped.count == 1 and skipped.first and skipped.pictures[0].startswith("a")


def test_difficult_and_crowds_are_marked(tmp_path):
    picture(tmp_path / "images" / "a.jpg", RAW)
    as_voc(tmp_path, RAW, (2, 3, 9, 9))
    file = tmp_path / "VOCdevkit" / "VOC2012" / "Annotations" / "a.xml"
    file.write_text(XML.format(size="", difficult=1, box=(3, 4, 9, 9)))
    found = VocDetectionDataset(tmp_path, "2012", "train").listing()
    assert found.ignored.tolist() == [True] and found.ignored_word == "difficult"
    as_coco(tmp_path, RAW, (2, 3, 9, 9))
    content = json.loads((tmp_path / "a.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = CocoDetectionDataset(tmp_path / "images", tmp_path / "a.json").listing()
    assert found.ignored.tolist() == [True] and "crowd" in found.ignored_word


def test_parts_are_joined(tmp_path):
    picture(tmp_path / "images" / "a.jpg", RAW)
    part = as_voc(tmp_path, RAW, (2, 3, 9, 9))
    whole = Joined([part, part]).listing()
    assert whole.owner.tolist() == [0, 1] and len(whole.paths) == 2
    empty = make_listing("x", ("background",), [Path("a")], [(None, "wide")], [])
    both = join_listings([empty, part.listing()])
    assert both.owner.tolist() == [1] and np.isnan(both.sizes[0]).all()


def test_any_number_may_say_a_size():
    check_said_size(("20", 10.0), (20, 10), [], "a")
    check_said_size((float("inf"), 10), (20, 10), [], "a")
    check_said_size((10**400, 10), (20, 10), [], "a")


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize("way", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_header_says_what_the_reader_shows(tmp_path, suffix, way):
    path = picture(tmp_path / f"a.{suffix}", RAW, way)
    height, width = read_image(path).shape[-2:]
    header = read_header(path)
    assert (header.width, header.height, header.orientation) == (width, height, way)


def test_a_note_behind_the_pixels_of_a_png(tmp_path):
    path = picture(tmp_path / "a.png", RAW, 6)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    last = content.index(b"IEND") - 4
    path.write_bytes(content[:start] + content[end:last] + content[start:end] + content[last:])
    assert read_image(path).shape[-2:] == (40, 20)
    assert read_header(path)[:3] == (20, 40, 6)


def test_a_png_without_a_note_is_not_decoded(tmp_path, monkeypatch):
    path = picture(tmp_path / "a.png", RAW)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
    assert read_header(path)[:2] == RAW


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    names = ["empty.jpg", "text.jpg", "folder.jpg", "nowhere.jpg", "a\0.jpg", "a" * 300 + ".jpg"]
    problems = [header.problem for header in read_headers([tmp_path / name for name in names])]
    assert all(problems) and problems[2:] == ["missing"] * 4
    assert "cannot identify" in problems[1] and str(tmp_path) not in problems[1]


def test_many_headers_keep_their_order(tmp_path):
    paths = [picture(tmp_path / f"{n}.png", (n + 1, 3)) for n in range(37)]
    assert [header.width for header in read_headers(paths)] == list(range(1, 38))
