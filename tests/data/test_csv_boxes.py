"""A folder of pictures and a table: as it should be, as spreadsheets write it, and broken."""

import random
import string
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detlearn.data import (
    CocoDetectionDataset,
    CsvDetectionDataset,
    collate,
    data_path,
    train_transform,
)

HEADER = "image,x1,y1,x2,y2,label\n"
ROWS = "a.png,2,1,10,6,dog\na.png,0,0,20,10,cat\nb.png,,,,,\n"


def folder_with(folder, text, encoding="utf-8", **options):
    (folder / "images" / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png", "c.png", "sub/d.png", "a, b.png", "Mädchen.png"):
        if not (folder / "images" / name).exists():
            Image.new("RGB", (20, 10)).save(folder / "images" / name)
    (folder / "labels.csv").write_bytes(text.encode(encoding))
    return CsvDetectionDataset(folder / "images", folder / "labels.csv", **options)


def test_an_image_without_objects_and_one_that_no_row_names(tmp_path):
    dataset = folder_with(tmp_path, HEADER + ROWS)
    assert [path.name for path in dataset.images] == ["a.png", "b.png"]  # c.png: not looked at
    empty = dataset[1][1]
    assert tuple(empty["boxes"].shape) == (0, 4) and empty["labels"].dtype == torch.int64
    assert empty["name"] == "b.png" and empty["image_id"] == 1
    with pytest.raises(ValueError, match=r"labels\.csv: expected at least one row below"):
        folder_with(tmp_path, HEADER)


def test_boxes_are_edges_and_names_are_sorted(tmp_path):
    dataset = folder_with(tmp_path, HEADER + ROWS)
    assert dataset.class_names == ("background", "cat", "dog")
    image, target = dataset[0]
    assert tuple(image.shape) == (3, 10, 20) and image.dtype == torch.uint8
    assert target["boxes"].tolist() == [[2, 1, 10, 6], [0, 0, 20, 10]]
    assert target["labels"].tolist() == [2, 1]
    assert target["area"].tolist() == [40, 200] and target["iscrowd"].tolist() == [0, 0]


def test_what_a_coco_folder_says(tmp_path):
    """The validation split of Shapes, written as a table, gives the same items."""
    folder = data_path("shapes_val")
    coco = CocoDetectionDataset(folder / "images", folder / "annotations.json")
    lines = []
    for number in (0, 7, 30):
        name = coco[number][1]["name"]
        target = coco[number][1]
        for box, label in zip(target["boxes"].tolist(), target["labels"], strict=True):
            cells = [name, *map(str, box), coco.class_names[label]]
            lines.append(",".join(cells) + "\n")
    file = tmp_path / "labels.csv"
    file.write_text(HEADER + "".join(lines))
    ours = CsvDetectionDataset(folder / "images", file, class_names=coco.class_names)
    for place, number in enumerate((0, 7, 30)):
        (image, target), (picture, wanted) = ours[place], coco[number]
        assert torch.equal(image, picture)
        assert set(target) == set(wanted) and target["name"] == wanted["name"]
        for key in ("boxes", "labels", "iscrowd"):
            assert type(target[key]) is type(wanted[key])
            assert torch.equal(target[key], wanted[key])


ROBOFLOW = (
    "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    "a.png,20,10,dog,2,1,10,6\na.png,20,10,cat,0,0,20,10\nb.png,20,10,,,,,\n"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ROBOFLOW, id="the columns of Roboflow and TensorFlow"),
        pytest.param("\ufeff" + HEADER + ROWS, id="a byte order mark, as Excel writes"),
        pytest.param((HEADER + ROWS).replace("\n", "\r\n"), id="newlines of Windows"),
        pytest.param((HEADER + ROWS).replace("\n", "\r"), id="newlines of an old Macintosh"),
        pytest.param((HEADER + ROWS).replace(",", ";"), id="semicolons, as Excel in Europe"),
        pytest.param((HEADER + ROWS).replace(",", "\t"), id="tabs"),
        pytest.param((HEADER + ROWS).replace(",", " , "), id="spaces around cells"),
        pytest.param(HEADER.upper() + ROWS, id="column names in capitals"),
        pytest.param(HEADER + "\n" + ROWS.replace("b.png", "\n,,,,,\nb.png"), id="empty rows"),
        pytest.param(HEADER + ROWS.rstrip("\n"), id="no newline at the end"),
        pytest.param(HEADER + ROWS.replace("a.png", '"a.png"'), id="quotes"),
        pytest.param(HEADER + ROWS.replace("a.png", "./a.png", 1), id="one picture, two spellings"),
        pytest.param(HEADER + ROWS.replace("20,10", "25.5,1e9"), id="a box beyond the edge is cut"),
    ],
)
def test_every_spelling_is_the_same_table(tmp_path, text):
    dataset = folder_with(tmp_path, text)
    assert len(dataset) == 2 and dataset.class_names == ("background", "cat", "dog")
    target = dataset[0][1]
    assert target["boxes"].tolist() == [[2, 1, 10, 6], [0, 0, 20, 10]]
    assert target["labels"].tolist() == [2, 1] and len(dataset[1][1]["labels"]) == 0


@pytest.mark.parametrize("name", ["a, b.png", "Mädchen.png", "sub/d.png", r"sub\d.png"])
def test_names_of_pictures(tmp_path, name):
    dataset = folder_with(tmp_path, f'{HEADER}"{name}",2,1,10,6,dog\n')
    assert dataset[0][1]["name"] == name.replace("\\", "/")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"labels\.csv: expected the columns image, x1, y1, x2, y2, label \(or filename, xmin"
             r".*\), each once, got nothing"),
        ("image,x,y,w,h,label\na.png,1,1,2,2,dog\n", "each once, got image, x, y, w, h, label"),
        ("image,filename,x1,y1,x2,y2,label\na.png,a.png,1,1,2,2,dog\n", "each once, got image, fi"),
        ("a.png,2,1,10,6,dog\n", r"each once, got a\.png, 2, 1"),
        (HEADER + "a.png,2,1,10,dog\n", "row 2: expected 6 cells, as the header has, got 5"),
        (HEADER + "a, b.png,2,1,10,6,dog\n", "row 2: expected 6 cells, as the header has, got 7"),
        (HEADER + ROWS + "a.png,2,1,10,,dog\n", r"row 5: expected four numbers .*'10', ''"),
        (HEADER + "a.png,,,,,dog\n", "row 2: expected four numbers"),
        (HEADER + "a.png,left,1,10,6,dog\n", r"row 2: expected four numbers .*'left'"),
        (HEADER.replace(",", ";") + "a.png;2,5;1;10;6;dog\n", r"a decimal point.*'2,5'"),
        (HEADER + "a.png,2,1,10,6,\n", "row 2: class '' is none of "),
        (HEADER + ROWS + "a.png,2,1,10,6,background\n", "row 5: class 'background' is none of cat"),
        (HEADER + "\na.png,10,1,2,6,dog\n", r"row 3: expected finite numbers, x1 < x2 and .* got"),
        (HEADER + "a.png,2,1,2,6,dog\n", "row 2: expected finite numbers, x1 < x2"),
        (HEADER + "a.png,2,1,nan,6,dog\n", "row 2: expected finite numbers"),
        (HEADER + "a.png,2,1,inf,6,dog\n", "row 2: expected finite numbers"),
        (HEADER + "a.png,30,1,40,6,dog\n", r"row 2: box .* outside its image \(a\.png, 20 x 10\)"),
        (HEADER + "a.png,0.1,0.1,0.5,0.6,dog\n", "expected pixels, got fractions"),
        (ROBOFLOW.replace(",20,10,cat", ",40,20,cat"),
         r"row 3: a\.png has 20 x 10 px, expected 40 x 20 as its row says; its boxes would lie"),
        (HEADER + '"a.png,2,1,10,6,dog\n', "not a whole CSV file"),
        (HEADER + "/etc/passwd,2,1,10,6,dog\n", "row 2: expected a file inside the folder .* got "),
        (HEADER + "../labels.csv,2,1,10,6,dog\n", "row 2: expected a file inside the folder"),
        (HEADER + r"sub\..\..\z.png,2,1,10,6,dog", "row 2: expected a file inside the folder"),
        (HEADER + r"C:\z.png,2,1,10,6,dog", "row 2: expected a file inside the folder"),
        (HEADER + r"\\host\a\z.png,2,1,10,6,dog", "row 2: expected a file inside the folder"),
        (HEADER + ",2,1,10,6,dog", "row 2: expected a file inside the folder"),
        (HEADER + ".,2,1,10,6,dog", "row 2: expected a file inside the folder"),
    ],
)  # fmt: skip
def test_broken_tables_are_refused_in_a_sentence(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        folder_with(tmp_path, text)
    assert "labels.csv" in str(error.value) and "\n" not in str(error.value)


def test_another_encoding_is_named(tmp_path):
    for encoding in ("latin-1", "utf-16"):
        with pytest.raises(ValueError, match=r"labels\.csv: expected UTF-8 text .* CSV UTF-8"):
            folder_with(tmp_path, HEADER + "Mädchen.png,2,1,10,6,dog\n", encoding)


def test_missing_files_and_what_is_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"labels\.csv: no such table"):
        CsvDetectionDataset(tmp_path, tmp_path / "labels.csv")
    with pytest.raises(FileNotFoundError, match=r"labels\.csv: row 2: .*e\.png: no such picture"):
        folder_with(tmp_path, HEADER + "e.png,2,1,10,6,dog\n")
    with pytest.raises(FileNotFoundError, match=r"row 2: .*no such picture"):
        folder_with(tmp_path, HEADER + "a\0.png,2,1,10,6,dog\n")
    (tmp_path / "images" / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read as a picture"):
        folder_with(tmp_path, HEADER + ROWS)


def test_skipping(tmp_path):
    bad = "a.png,30,1,40,6,dog\na.png,9,1,2,6,dog\nc.png,nan,1,2,6,cat\n"
    with pytest.warns(UserWarning, match="3 boxes skipped; the first: .*row 2: box"):
        dataset = folder_with(tmp_path, HEADER + bad + ROWS, on_bad="skip")
    assert len(dataset) == 3 and len(dataset[0][1]["labels"]) == 2
    assert len(dataset[1][1]["labels"]) == 0  # c.png: it stays, with what is left


def test_a_picture_that_the_camera_turned(tmp_path):
    """Boxes are those of the upright picture, 10 wide and 20 high."""
    turned = Image.new("RGB", (20, 10))
    exif = turned.getexif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    turned.save(tmp_path / "images" / "a.png", exif=exif)
    image, target = folder_with(tmp_path, HEADER + "a.png,1,12,9,19,dog\n")[0]
    assert tuple(image.shape) == (3, 20, 10) and target["boxes"].tolist() == [[1, 12, 9, 19]]
    with pytest.raises(ValueError, match=r"row 2: box .* \(a\.png, 10 x 20\)"):
        folder_with(tmp_path, HEADER + "a.png,12,1,19,9,dog\n")[0]


def test_names_that_were_given(tmp_path):
    names = ("background", "yeti", "dog", "cat")
    dataset = folder_with(tmp_path, HEADER + ROWS, class_names=names)
    assert dataset[0][1]["labels"].tolist() == [2, 3]
    with pytest.raises(ValueError, match="row 3: class 'cat' is none of dog"):
        folder_with(tmp_path, HEADER + ROWS, class_names=("background", "dog"))
    with pytest.raises(ValueError, match="class_names: expected 'background' as the first, got"):
        folder_with(tmp_path, HEADER + ROWS, class_names=("dog", "cat"))


def test_augmented_in_batches(tmp_path):
    dataset = folder_with(tmp_path, HEADER + ROWS, transform=train_transform(32))
    images, targets = collate([dataset[0], dataset[1]])
    assert tuple(images.shape) == (2, 3, 32, 32) and [t["image_id"] for t in targets] == [0, 1]


@given(st.lists(st.text(string.printable, max_size=12), max_size=40), st.integers(0, 10**6))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_any_text_gives_a_data_set_or_a_sentence(tmp_path_factory, cells, seed):
    folder: Path = tmp_path_factory.mktemp("any")
    choose = random.Random(seed)
    lines = [",".join(choose.choice([*cells, "a.png", "3", "7", "dog"]) for _ in range(6))
             for _ in range(3)]  # fmt: skip
    try:
        dataset = folder_with(folder, HEADER + "\n".join(lines))
    except (ValueError, FileNotFoundError) as error:
        assert "labels.csv" in str(error) or "picture" in str(error)
    else:
        assert all(len(target["boxes"]) == len(target["labels"]) for _, target in dataset)


def test_the_shell_knows_the_layouts(tmp_path):
    from detlearn.training.cli import open_dataset

    folder_with(tmp_path, HEADER + ROWS)
    assert [len(open_dataset(str(tmp_path), split)) for split in ("train", "val")] == [2, 2]
    (tmp_path / "labels.csv").rename(tmp_path / "train.csv")
    with pytest.raises(ValueError, match=r"known for 'val': .* val\.csv or labels\.csv \+ images/"):
        open_dataset(str(tmp_path), "val")
    (tmp_path / "val.csv").write_text(HEADER + "c.png,1,1,2,2,dog\n")
    assert open_dataset(str(tmp_path), "train").class_names == ("background", "cat", "dog")
    held_out = open_dataset(str(tmp_path), "val")
    assert held_out[0][1]["labels"].tolist() == [2]  # as in train.csv, not the first of one
