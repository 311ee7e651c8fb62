"""The data folder: found, whole, and complained about."""

import pytest

from detlearn.data import check_files, data_path, load_photo, photo_names
from detlearn.data.files import main, write_sums
from detlearn.data.targets import Cached


def test_the_shipped_files_are_whole():
    assert check_files(data_path()) == []


def test_problems_are_named(tmp_path, monkeypatch, capsys):
    for name in ("a.txt", "b/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setenv("DETLEARN_DATA", str(tmp_path))
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0
    assert "every file is as listed" in capsys.readouterr().out
    (tmp_path / "a.txt").write_text("other")
    (tmp_path / "b" / "c.txt").unlink()
    (tmp_path / "new.txt").write_text("")
    assert check_files(tmp_path) == [
        "a.txt: changed (SHA-256 differs)",
        "b/c.txt: missing",
        "new.txt: not in SHA256SUMS",
    ]
    assert main(["--check"]) == 1
    assert write_sums(tmp_path) == 2


def test_a_missing_folder_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DETLEARN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="work in a clone of it, or set DETLEARN_DATA"):
        data_path("weights")


@pytest.mark.parametrize("name", photo_names())
def test_photographs(name):
    image, target = load_photo(name)
    assert image.shape[0] == 3 and len(target["boxes"]) >= 1
    assert target["author"] and target["licence"]
    assert target["class_names"][0] == "background" and (target["labels"] > 0).all()


def test_coins_are_counted():
    _, target = load_photo("coins")
    assert len(target["boxes"]) == 24


def test_unknown_photograph():
    with pytest.raises(ValueError, match="name: expected one of astronaut, .*, got 'lena'"):
        load_photo("lena")


def test_photograph_that_scikit_image_lost(tmp_path, monkeypatch):
    import skimage

    monkeypatch.setattr(skimage, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(FileNotFoundError, match="does not carry the photograph"):
        load_photo("coins")


def test_cached_items_are_made_once():
    made = []

    class Slow:
        class_names = ("background", "thing")

        def __len__(self):
            return 3

        def __getitem__(self, index):
            made.append(index)
            return index, {"image_id": index}

    cached = Cached(Slow(), transform=lambda image, target: (image + 1, target | {"labels": []}))
    assert [cached[2], cached[2]] == [(3, {"image_id": 2, "labels": []})] * 2
    assert made == [0, 1, 2] and len(cached) == 3 and cached.class_names == Slow.class_names
