"""detect with other people's pictures: goes on, overwrites nothing, says what it did not read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import detlearn
from detlearn.__main__ import main
from detlearn.commands.pictures import drawing_names, find_pictures, why_unreadable
from detlearn.data import load_photo
from detlearn.models import Detector
from detlearn.show.figures.pictures import annotate


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(path, size=(40, 30), seed=0):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def detect(*arguments, out="out", weights="ssd_tiny"):
    return main(
        ["detect", "--weights", weights, "--out", str(out), "--device", "cpu", *map(str, arguments)]
    )


def index(out="out"):
    return json.loads((Path(out) / "detections.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------ unreadable files


@pytest.fixture
def mixed(tmp_path):
    """Two good pictures among the bad ones that people have."""
    folder = tmp_path / "photos"
    picture(folder / "0.jpg"), picture(folder / "9.png")
    whole = (folder / "0.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "2.jpg").write_bytes(b"")
    (folder / "._0.jpg").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    (folder / "3.HEIC").write_bytes(b"\x00" * 50)
    (folder / "clip.MP4").write_bytes(b"\x00" * 50)
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def test_detect_goes_on_and_lists_what_it_could_not_read(mixed, capsys):
    assert detect(mixed) == 1
    said = capsys.readouterr()
    assert [row["image"] for row in index()] == [str(mixed / "0.jpg"), str(mixed / "9.png")]
    assert all(Path(row["picture"]).is_file() for row in index())
    assert said.out.count("objects ->") + said.out.count("object ->") == 2
    assert "passed over what is no picture: 1 .MP4; --video" in said.out
    first, *rows = said.err.splitlines()
    assert first == "detlearn: 4 of 6 pictures could not be read:"
    reasons = {Path(row.partition(": ")[0].strip()).name: row.partition(": ")[2] for row in rows}
    assert set(reasons) == {"1.jpg", "2.jpg", "._0.jpg", "3.HEIC"}
    assert "truncated" in reasons["1.jpg"] and reasons["2.jpg"] == "the file is empty"
    assert "macOS about 0.jpg" in reasons["._0.jpg"] and ".HEIC cannot be read" in reasons["3.HEIC"]


def test_a_missing_file_among_others_is_listed(capsys):
    assert detect("no.png", picture("a.png")) == 1
    assert "no.png: no such picture" in capsys.readouterr().err
    assert [row["image"] for row in index()] == ["a.png"]


def test_nothing_readable_at_all_is_an_error(capsys):
    Path("a.png").write_bytes(b""), Path("b.png").write_bytes(b"x")
    assert detect("a.png", "b.png") == 2
    assert "2 of 2 pictures could not be read" in capsys.readouterr().err
    assert not Path("out/detections.json").exists()


def test_a_folder_of_nothing_but_phone_pictures_is_refused_by_its_suffix(capsys):
    Path("phone").mkdir()
    Path("phone/1.heic").write_bytes(b"x")
    assert detect("phone") == 2
    assert "no pictures in this folder, 1 that cannot be read: 1 .heic" in capsys.readouterr().err


@pytest.mark.parametrize("accident", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_has_what_was_done(monkeypatch, capsys, accident):
    folder = picture("photos/0.png").parent
    for name in ("1.png", "2.png"):
        picture(folder / name)
    calls = []
    whole = Detector.detect

    def stop_at_the_third(self, images, **options):
        calls.append(1)
        if len(calls) == 3:
            raise accident
        return whole(self, images, **options)

    monkeypatch.setattr(Detector, "detect", stop_at_the_third)
    if accident is RuntimeError:
        with pytest.raises(RuntimeError):
            detect(folder)
    else:
        assert detect(folder) == 130
        err = capsys.readouterr().err
        assert "stopped" in err and "2 of 3 pictures" in err and "--resume" not in err
    assert [Path(row["image"]).name for row in index()] == ["0.png", "1.png"]


def test_the_index_is_there_after_the_first_picture(monkeypatch):
    picture("0.png"), picture("1.png")
    seen = []
    whole = Detector.detect

    def look(self, images, **options):
        seen.append(len(index()) if Path("out/detections.json").exists() else None)
        return whole(self, images, **options)

    monkeypatch.setattr(Detector, "detect", look)
    assert detect("0.png", "1.png") == 0
    assert seen == [None, 1]


# ------------------------------------------------------------------ names


def test_pictures_of_one_name_go_to_folders_of_their_own():
    for number, camera in enumerate(("cam1", "cam2", "cam3")):
        for name in ("a.jpg", "b.jpg"):
            picture(f"pics/{camera}/{name}", seed=number)
    assert detect(*sorted(Path("pics").iterdir()), "--score-threshold", "1") == 0
    rows = index()
    assert [row["picture"] for row in rows] == [
        f"out/{camera}/{name}_detections.png"
        for camera in ("cam1", "cam2", "cam3")
        for name in "ab"
    ]
    for row in rows:  # the index is true: each drawing shows its own picture
        with Image.open(row["picture"]) as drawn, Image.open(row["image"]) as own:
            small = np.asarray(drawn.convert("L").resize(own.size, Image.Resampling.BOX), float)
            alike = np.corrcoef(small.ravel(), np.asarray(own.convert("L"), float).ravel())[0, 1]
        assert alike > 0.8


def test_an_unreadable_file_among_folders_that_share_names(capsys):
    """Two cameras, one frame of each name, and one that is cut off: all others are there."""
    for camera in ("cam1", "cam2"):
        for name in ("frame_0.jpg", "frame_1.jpg"):
            picture(f"pics/{camera}/{name}", seed=len(camera + name))
    broken = Path("pics/cam1/frame_1.jpg")
    broken.write_bytes(broken.read_bytes()[:-400])
    assert detect("pics/cam1", "pics/cam2", "--score-threshold", "1") == 1
    rows = index()
    kept = ["cam1/frame_0", "cam2/frame_0", "cam2/frame_1"]
    assert [row["image"] for row in rows] == [str(Path("pics", f"{name}.jpg")) for name in kept]
    assert [Path(row["picture"]).as_posix() for row in rows] == [
        f"out/{name}_detections.png" for name in kept
    ]
    assert all(Path(row["picture"]).is_file() for row in rows)
    said = capsys.readouterr().err
    assert "1 of 4 pictures could not be read" in said and str(broken) in said


@pytest.mark.parametrize(
    ("caption", "pictures", "expected"),
    [
        ("none", [], []),
        ("one folder", ["p/a.png", "p/b.png"], ["a", "b"]),
        ("two suffixes", ["p/a.png", "p/a.jpg"], ["a", "a_jpg"]),
        ("two cases of letters", ["p/A.png", "p/a.png"], ["A", "a_png"]),
        ("a name that is taken", ["p/a.png", "p/a_jpg.png", "p/a.jpg"], ["a", "a_jpg", "a_jpg_2"]),
        ("a folder in the other", ["p/a.png", "p/q/a.png"], ["a", "q/a"]),
        ("far apart", ["p/1/x/a.png", "p/2/y/a.png"], ["1/x/a", "2/y/a"]),
        ("above", ["../a.png", "a.png"], ["a", "HERE/a"]),
    ],
)
def test_no_two_drawings_share_a_file(tmp_path, caption, pictures, expected):
    names = drawing_names([Path(one) for one in pictures], Path("out"))
    expected = [f"out/{name.replace('HERE', tmp_path.name)}_detections.png" for name in expected]
    assert [name.as_posix() for name in names] == expected, caption


def test_a_second_run_replaces_its_own_drawings_and_nothing_else(capsys):
    one = picture("in/a.png", seed=1)
    assert detect(one) == 0
    before = Path("out/a_detections.png").read_bytes()
    assert detect(one) == 0  # the same picture again
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "a_detections.png",
        "detections.json",
    ]
    assert detect(picture("other/a.png", seed=2)) == 0
    assert Path("out/a_detections.png").read_bytes() == before
    assert index()[0]["picture"] == "out/a_png_detections.png"
    assert json.loads(Path("out/detections-1.json").read_text())[0]["image"] == str(one)
    assert "is of other pictures" in capsys.readouterr().out


def test_a_picture_that_is_called_like_a_drawing_survives():
    mine = picture("in/a_detections.png")
    before = mine.read_bytes()
    picture("in/a.png")
    assert detect("in", out="in") == 0
    assert mine.read_bytes() == before
    assert {row["picture"] for row in index("in")} == {
        "in/a_png_detections.png", "in/a_detections_detections.png",
    }  # fmt: skip


def test_a_picture_that_is_named_twice_is_looked_at_once():
    found = find_pictures([picture("p/a.png"), "p", Path("p/a.png").absolute()])
    assert found.paths == [Path("p/a.png")]


# ------------------------------------------------------------------ what is said


def test_large_pictures_get_one_hint(capsys):
    Image.new("RGB", (2048, 1536)).save("large.png")
    Image.new("RGB", (1024, 768)).save("middle.png")
    Image.new("RGB", (512, 512)).save("small.png")
    assert detect("large.png", "middle.png", "small.png") == 0
    hints = [line for line in capsys.readouterr().out.splitlines() if "network sees" in line]
    assert len(hints) == 1
    assert hints[0].startswith("large.png: 2048 x 1536 px (and 1 more such picture")
    assert "network sees 128 x 128 px: an object of 60 px is 3.8 px there" in hints[0]


def test_a_reason_does_not_repeat_the_path(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    assert (
        why_unreadable(path, ValueError(f"{path}: cannot be read (it's\nodd)"))
        == "cannot be read (it's odd)"
    )


# ------------------------------------------------------------------ weights by name


def test_weights_by_name_find_the_astronaut_and_her_points():
    image = load_photo("astronaut")
    image = image[0] if isinstance(image, tuple) else image
    Image.fromarray(image.permute(1, 2, 0).numpy()).save("astronaut.png")
    assert detect("astronaut.png", weights="blazeface") == 0
    (face,) = index()[0]["objects"]
    assert face["class"] == "face" and face["score"] == pytest.approx(0.92, abs=0.01)
    x1, y1, x2, y2 = face["box_xyxy"]
    assert len(face["keypoints_xy"]) == 6
    right_eye, left_eye, nose, mouth, *_ = face["keypoints_xy"]
    assert x1 < right_eye[0] < nose[0] < left_eye[0] < x2  # of her right and left
    assert y1 < right_eye[1] < nose[1] < mouth[1] < y2


def test_a_file_of_a_shipped_name_wins_and_that_is_said(capsys):
    detlearn.save_model(detlearn.create_model("ssd_tiny", num_classes=3), "blazeface")
    assert detect(picture("a.png"), "--score-threshold", "0.0", weights="blazeface") == 0
    assert "the file of this name is taken" in capsys.readouterr().out
    assert {row["class"] for row in index()[0]["objects"]} <= {"1", "2"}


def test_a_name_that_nobody_knows_lists_those_that_there_are(capsys):
    assert detect(picture("a.png"), weights="blazeface2") == 2
    error = capsys.readouterr().err
    assert "blazeface2: there is no such file" in error and "blazeface, m2det_tiny" in error


@pytest.mark.parametrize("arguments", [[], ["a.png", "--video", "0"]])
def test_pictures_or_a_video(arguments, capsys):
    assert detect(*arguments) == 2
    assert "pictures and folders, or --video" in capsys.readouterr().err


# ------------------------------------------------------------------ drawings


BLACK = torch.zeros(3, 128, 128, dtype=torch.uint8)


def drawn(size_of=BLACK, **found):
    found = {key: torch.as_tensor(value) for key, value in found.items()}
    return np.asarray(annotate(size_of, found, class_names=["-", "thing", "other"], enlarge=True))


def test_a_small_picture_is_enlarged_and_its_boxes_stay_free():
    # Four objects of 30 px, as in a scene of Shapes: today's labels covered them.
    boxes = torch.tensor(
        [[10, 10, 40, 40], [80, 12, 110, 42], [15, 80, 45, 110], [78, 78, 108, 108.0]]
    )
    pixels = drawn(boxes=boxes, labels=[1, 2, 1, 2], scores=[0.9, 0.8, 0.7, 0.6])
    assert pixels.shape == (640, 640, 3)
    for x1, y1, x2, y2 in (boxes * 5).int().tolist():
        assert not pixels[y1 + 4 : y2 - 3, x1 + 4 : x2 - 3].any()  # nothing lies on the object
    covered = (pixels.any(axis=-1)).mean()
    assert 0.02 < covered < 0.1  # lines and labels are there, and leave the picture alone


def test_labels_of_objects_side_by_side_do_not_cover_each_other():
    from detlearn.show.figures import pictures

    places = []

    class Pen:
        def textbbox(self, _at, text, font):
            return (0, 0, 60, 16)

        def rectangle(self, place, **_):
            places.append(place)

        def text(self, *_, **__):
            pass

    boxes = [
        (100.0, 100.0, 140.0, 140.0),
        (104.0, 100.0, 144.0, 140.0),
        (98.0, 102.0, 138.0, 142.0),
    ]
    pictures._draw_captions(Pen(), (640, 640), boxes, ["a"] * 3, ["#000000"] * 3, [0, 1, 2])
    assert len(places) == 3
    for i, one in enumerate(places):
        assert pictures._overlap(one, places[:i]) == 0
        assert pictures._overlap(one, [boxes[i]]) == 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((128, 128), (640, 640)),
        ((90, 60), (990, 660)),
        ((400, 500), (400, 500)),
        ((4000, 20), (4000, 20)),
    ],
)
def test_only_small_pictures_grow(size, expected):
    image = torch.zeros(3, size[1], size[0], dtype=torch.uint8)
    assert annotate(image, {"boxes": []}, enlarge=True).size == expected
    assert annotate(image, {"boxes": []}).size == size


def test_key_points_are_drawn_where_they_are():
    points = [[[50.0, 60.0, 1.0], [100.0, 20.0, 0.0]]]
    pixels = drawn(boxes=[[40.0, 40.0, 70.0, 80.0]], labels=[1], keypoints=points)
    assert tuple(pixels[300, 250]) == (0xD5, 0x5E, 0x00)  # 5 times as large, the colour of class 1
    assert not pixels[80:120, 480:520].any()  # the second is not there
    with pytest.raises(ValueError, match=r"keypoints'\]: expected \(D, J, 3\) with D = 1"):
        drawn(boxes=[[40.0, 40.0, 70.0, 80.0]], keypoints=[[50.0, 60.0]])


def test_folders_of_a_folder_are_named(tmp_path):
    (tmp_path / "cams" / "cam 1").mkdir(parents=True)
    (tmp_path / "cams" / "old").mkdir()
    (tmp_path / "cams" / "cam 1" / "a.PNG").write_bytes(b"")
    (tmp_path / "cams" / "old" / "detections.json").write_text("{}")
    (tmp_path / "cams" / "old" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="no pictures in this folder, but in cam 1; name the"):
        find_pictures([tmp_path / "cams"])
    (tmp_path / "cams" / "b.png").write_bytes(b"")
    found = find_pictures([tmp_path / "cams"])
    assert [path.name for path in found.paths] == ["b.png"]
    assert found.passed_over == [f"{tmp_path / 'cams'}: folders in it are not looked into: cam 1"]
