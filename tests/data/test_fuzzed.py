"""Two hundred damaged annotation files: what passes the border without a word lies on its object."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from detlearn.data import open_dataset
from tests.data.test_exports import (
    CLASSES,
    HEIGHT,
    SCENES,
    WIDTH,
    coco_own,
    roboflow_csv,
    roboflow_voc,
    roboflow_yolo,
)
from tests.data.test_wild import look

TREES = {
    "COCO": (coco_own, "annotations/train.json"),
    "CSV": (roboflow_csv, "train/_annotations.csv"),
    "VOC": (roboflow_voc, "train/001.xml"),
    "YOLO": (roboflow_yolo, "train/labels/001.txt"),
}
MARKS = "abcxyzXYZ,;:<>/\"'[]{}() \t#_\\"


def damage(text: str, g: random.Random) -> str:
    """Characters lost, doubled or exchanged, lines lost or doubled, the end cut off.

    Digits stay: whether an object begins at 12 or at 72 no file can tell, see `misprint`.
    """
    for _ in range(g.choice([1, 1, 2, 5])):
        places = [place for place, one in enumerate(text) if not one.isdigit()]
        place, lines = g.choice(places), text.split("\n")
        kind = g.randrange(6)
        if kind == 0:
            text = text[:place] + text[place + 1 :]
        elif kind == 1:
            text = text[:place] + g.choice(MARKS) + text[place + 1 :]
        elif kind == 2:
            text = text[:place] + g.choice(MARKS) + text[place:]
        elif kind == 3:
            text = text[:place]
        else:
            line = g.randrange(len(lines))
            lines[line : line + 1] = [lines[line]] * (2 if kind == 4 else 0)
            text = "\n".join(lines)
        if not any(not one.isdigit() for one in text):
            break
    return text


def misprint(text: str, g: random.Random) -> str:
    """One to three digits lost, doubled or exchanged, or a sign before a number."""
    for _ in range(g.randint(1, 3)):
        place = g.choice([place for place, one in enumerate(text) if one.isdigit()])
        new = g.choice(["", text[place] * 2, g.choice("0123456789"), "-" + text[place]])
        text = text[:place] + new + text[place + 1 :]
    return text


def overlap(a: tuple, b: tuple) -> float:
    """Intersection over union of two boxes of one class; 0 for two classes.

    A misspelt name is a class of its own, as far as a file can tell.
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return both / (areas - both) if a[4] == b[4] or a[4] not in CLASSES else 0.0


def boxes_that_miss(tmp_path: Path, kind: str, change, seed: str) -> tuple[list, list[str]]:
    """Boxes on no object, and what was said; nothing for a file that was refused in a sentence."""
    write, name = TREES[kind]
    write(tmp_path)
    file = tmp_path / name
    text = file.read_text(encoding="utf-8")
    file.write_text(change(text, random.Random(seed)), encoding="utf-8")
    try:
        found, said = look(tmp_path)
    except (ValueError, OSError) as error:
        assert type(error) in (ValueError, FileNotFoundError) and "\n" not in str(error)
        assert len(str(error)) < 1000
        return [], [str(error)]
    missed = [
        box
        for stem, boxes in found.items()
        for box in boxes
        if not any(overlap(box, true) > 0.5 for true in SCENES["train"].get(stem, []))
    ]
    return missed, said


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", list(TREES))
def test_damage_is_refused_said_or_harmless(tmp_path: Path, kind: str, seed: int):
    missed, said = boxes_that_miss(tmp_path, kind, damage, f"{kind} {seed}")
    assert said or not missed


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", list(TREES))
def test_wrong_digits_are_refused_said_or_a_box_like_others(tmp_path: Path, kind: str, seed: int):
    """A box that lies in its picture may be wrong, which no file can tell; all else is said."""
    missed, said = boxes_that_miss(tmp_path, kind, misprint, f"digits {kind} {seed}")
    if missed and not said:
        as_written = open_dataset(str(tmp_path), "train").listing().boxes  # (G, 4), not cut
        assert as_written.min() >= -1
        assert (as_written[:, 2:] <= [WIDTH + 1, HEIGHT + 1]).all()
