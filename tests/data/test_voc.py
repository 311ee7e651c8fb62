"""A VOC tree as it should be, and in every broken form."""

import pytest
from PIL import Image

from detlearn.data import VocDetectionDataset, data_path

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""


def write(folder, objects, xml=None, year="2012", image_set="val", **options):
    base = folder / "VOCdevkit" / f"VOC{year}"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10)).save(base / "JPEGImages" / "a.jpg")
    (base / "ImageSets" / "Main" / f"{image_set}.txt").write_text("a\n")
    body = "".join(OBJECT.format(name=n, difficult=d, box=b) for n, d, b in objects)
    text = xml if xml is not None else f"<annotation><filename>a.jpg</filename>{body}</annotation>"
    (base / "Annotations" / "a.xml").write_text(text)
    return VocDetectionDataset(folder, year, image_set, **options)


@pytest.mark.parametrize(
    ("year", "image_set"), [("2012", "val"), ("2007", "trainval"), ("2007", "test")]
)
def test_pixels_from_one_become_edges(tmp_path, year, image_set):
    objects = [("dog", 0, (1, 1, 20, 10)), ("cat", 1, (3, 4, 3, 4))]
    dataset = write(tmp_path, objects, year=year, image_set=image_set)
    image, target = dataset[0]
    assert tuple(image.shape) == (3, 10, 20)
    assert target["boxes"].tolist() == [[0, 0, 20, 10], [2, 3, 3, 4]]  # one pixel is one wide
    assert [dataset.class_names[k] for k in target["labels"]] == ["dog", "cat"]
    assert target["difficult"].tolist() == [False, True]
    assert target["area"].tolist() == [200, 1]
    assert target["name"] == "a" and target["image_id"] == 0


def test_one_object_none_and_only_difficult_ones(tmp_path):
    assert len(write(tmp_path, [("dog", 0, (1, 1, 5, 5))])[0][1]["labels"]) == 1
    assert tuple(write(tmp_path, [])[0][1]["boxes"].shape) == (0, 4)
    only = write(tmp_path, [("dog", 1, (1, 1, 5, 5))], use_difficult=False)
    assert tuple(only[0][1]["boxes"].shape) == (0, 4)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize(
    ("objects", "xml", "message"),
    [
        ([("yeti", 0, (1, 1, 5, 5))], None, r"a\.xml: object 0: class 'yeti' is none of aeroplane"),
        ([("background", 0, (1, 1, 5, 5))], None, "class 'background' is none of"),
        (
            [("dog", 0, (1, 1, 5, 5)), ("dog", 0, (5, 1, 2, 5))],
            None,
            r"object 1: expected xmin <= xmax",
        ),
        ([("dog", 0, ("left", 1, 5, 5))], None, "object 0: bndbox has a side that is no number"),
        ([], "<annotation><object><name>dog</name></object></annotation>", "bndbox has a side"),
        ([], "<annotation><object>", r"a\.xml: not a whole XML file"),
        ([], "", r"a\.xml: not a whole XML file"),
        ([], BOMB, r"a\.xml: declares XML entities"),
    ],
)
def test_broken_files_are_named(tmp_path, objects, xml, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path, objects, xml)


def test_skipping(tmp_path):
    with pytest.warns(UserWarning, match="1 boxes skipped"):
        dataset = write(
            tmp_path, [("dog", 0, (5, 1, 2, 5)), ("cat", 0, (1, 1, 2, 2))], on_bad="skip"
        )
    assert len(dataset[0][1]["labels"]) == 1


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"val\.txt: no such image set"):
        VocDetectionDataset(tmp_path, "2012", "val")
    dataset = write(tmp_path, [])
    (dataset.images[0]).unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.jpg: no such picture"):
        dataset[0]
    (tmp_path / "VOCdevkit/VOC2012/Annotations/a.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.xml: no such annotation"):
        VocDetectionDataset(tmp_path, "2012", "val")


def test_own_classes(tmp_path):
    dataset = write(tmp_path, [("yeti", 0, (1, 1, 5, 5))], class_names=("background", "yeti"))
    assert dataset[0][1]["labels"].tolist() == [1]


def test_the_twin_holds_the_scenes_of_the_coco_split():
    from detlearn.data import CocoDetectionDataset

    twin = VocDetectionDataset(data_path("shapes_voc"), "2012", "val")
    folder = data_path("shapes_val")
    scenes = CocoDetectionDataset(folder / "images", folder / "annotations.json")
    assert len(twin) == 50 and twin.class_names == scenes.class_names
    for index in range(len(twin)):
        (photo, ours), (picture, theirs) = twin[index], scenes[index]
        # Ours are known to a quarter of a pixel, VOC keeps whole ones.
        assert ((ours["boxes"] - theirs["boxes"]).abs() <= 0.5).all()
        assert ours["labels"].tolist() == theirs["labels"].tolist()
        assert (photo.float() - picture.float()).abs().mean() < 8  # JPEG
