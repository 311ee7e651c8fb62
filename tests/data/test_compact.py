"""Annotations in arrays: nothing is lost, and no object is kept for a box."""

from __future__ import annotations

import gc
import json
import pickle
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detlearn.data import CocoDetectionDataset, coco_json
from detlearn.data.compact import ById, Paths, Ragged, Texts, integers


def write(folder: Path, pictures: int, boxes: int, **options: Any) -> CocoDetectionDataset:
    """A COCO folder with so many pictures, and so many boxes in each."""
    folder.mkdir(exist_ok=True)
    content = {
        "info": {"a": [1, 2, {"b": "}]"}]},
        "annotations": [
            {"id": 100 * place + k, "image_id": 7 * place, "category_id": 1 + k % 2,
             "bbox": [k % 9, 1.5, 4, 3.25], "area": 11 + k, "iscrowd": k % 3 == 1,
             "segmentation": [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]], "keypoints": [1, 2, 2, 3, 4, 1]}
            for place in range(pictures)
            for k in range(boxes)
        ],
        "categories": [{"id": 1, "name": "größe"}, {"id": 2, "name": 'a "b", c'}],
        "images": [
            {"id": 7 * place, "file_name": f"ä {place}.png", "width": 20, "height": 10}
            for place in reversed(range(pictures))
        ],
    }  # fmt: skip
    for place in range(min(pictures, 3)):
        Image.new("RGB", (20, 10)).save(folder / f"ä {place}.png")
    (folder / "a.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return CocoDetectionDataset(folder, folder / "a.json", **options)


def reachable(start: Any) -> int:
    """Objects that can be reached from one, types, functions and modules aside."""
    passed = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
    seen, waiting = {id(start)}, [start]
    while waiting:
        for one in gc.get_referents(waiting.pop()):
            if id(one) not in seen and not isinstance(one, passed):
                seen.add(id(one))
                waiting.append(one)
    return len(seen)


def test_no_object_is_kept_for_a_box(tmp_path):
    few, many = write(tmp_path / "few", 40, 2), write(tmp_path / "many", 40, 60)
    assert len(many.annotations[0]) == 60
    # Small integers are shared: the two data sets differ by a handful of counts, not by 2,320 boxes.
    assert abs(reachable(many) - reachable(few)) < 40
    more = write(tmp_path / "more", 80, 2)
    assert reachable(more) - reachable(few) < 4 * 40, "nor more than an id for a picture"


def test_a_piece_may_end_anywhere(tmp_path, monkeypatch):
    whole = write(tmp_path, 3, 4, keypoints=True)
    for piece in (1, 2, 3, 7, 64):
        monkeypatch.setattr(coco_json, "PIECE", piece)
        pieces = CocoDetectionDataset(tmp_path, tmp_path / "a.json", keypoints=True)
        assert pieces.class_names == whole.class_names == ("background", "größe", 'a "b", c')
        for index in range(3):
            (_, ours), (_, theirs) = pieces[index], whole[index]
            assert ours.keys() == theirs.keys()
            for key, value in ours.items():
                same = value == theirs[key]
                assert same if isinstance(same, bool) else same.all()
        assert dict(pieces.annotations) == dict(whole.annotations)


def test_a_long_file_is_not_read_at_once(tmp_path, monkeypatch):
    write(tmp_path, 200, 5)
    sizes = []
    walk = coco_json._Text.more

    def more(self):
        walk(self)
        sizes.append(len(self.text))

    monkeypatch.setattr(coco_json, "PIECE", 2000)
    monkeypatch.setattr(coco_json._Text, "more", more)
    CocoDetectionDataset(tmp_path, tmp_path / "a.json")
    assert max(sizes) < 4100 < 30 * 4100 < (tmp_path / "a.json").stat().st_size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [], "annotations": [], "categories": []} x', "not a whole JSON.*Extra data"),
        ('{"images": [1,]}', r"not a whole JSON|images\[0\] lacks id"),
        ('{"images": [], "annotations": [], "categories": [],}', "not a whole JSON"),
        ('{"images": [], "images": [], "annotations": [], "categories": []}', "'images' stands there twice"),
        ('{"images" []}', "not a whole JSON.*line 1 column 11"),
        ('{5: []}', "not a whole JSON"),
        ('{"images": [{"id": 1, "file_name": "a.png"} {"id": 2}]}', "not a whole JSON"),
        ('{"images": [], "annotations": [], "categories": [}', "not a whole JSON"),
        ('{"info": "\\ud800", "images": 7}', "expected a list 'images', got int"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [3, 4_000_000])
def test_what_is_no_json_is_said_whatever_the_piece(tmp_path, monkeypatch, text, message, piece):
    monkeypatch.setattr(coco_json, "PIECE", piece)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: " + message):
        CocoDetectionDataset(tmp_path, tmp_path / "a.json")


def test_what_the_file_says_is_there_by_id(tmp_path):
    dataset = write(tmp_path, 2, 2, keypoints=True)
    assert list(dataset.images) == [0, 7] == dataset.ids
    assert dataset.images[7] == {"id": 7, "file_name": "ä 1.png", "width": 20, "height": 10}
    assert dataset.paths[7] == tmp_path / "ä 1.png"
    assert dataset.annotations[7][1] == {
        "id": 101, "image_id": 7, "category_id": 2, "bbox": [1, 1.5, 4, 3.25], "area": 12,
        "iscrowd": 1, "label": 2, "keypoints": [1, 2, 2, 3, 4, 1],
    }  # fmt: skip
    again = pickle.loads(pickle.dumps(dataset))  # as workers get it on Windows and macOS
    assert dict(again.annotations) == dict(dataset.annotations)


def test_lists_in_one_piece():
    texts = ["", "a", "größe", "\udce4"]  # the last as Linux gives names of another encoding
    assert list(Texts(texts)) == texts and Texts(texts)[1:3] == ["a", "größe"]
    assert list(Texts([])) == []
    with pytest.raises(IndexError):
        Texts(texts)[4]
    files = [Path("b"), Path("a", "c.png")]
    assert list(Paths(files)) == files and Paths(files)[1:] == files[1:]
    rows = Ragged.of([[(1, 2.5)], [], [(3, 4.0), (5, 6.0)]], np.dtype([("n", "i8"), ("x", "f8")]))
    assert len(rows) == 3 and [part["n"].tolist() for part in rows] == [[1], [], [3, 5]]
    assert rows[-1]["x"].tolist() == [4.0, 6.0]
    with pytest.raises(ValueError, match="counts: expected a sum of 3, got 2"):
        Ragged(np.zeros(3), [1, 1])
    assert integers([10**29, -1]).tolist() == [10**29, -1] and integers([]).dtype == np.int64
    assert ById({4: 0}, lambda place: place + 1)[4] == 1
