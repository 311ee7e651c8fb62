"""The coins of notebook 14: what is learned from and what is scored are two halves of a photograph."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor

from detlearn.data import load_photo, open_dataset, read_image, write_coin_windows


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_coin_windows(tmp_path_factory.mktemp("coins") / "mine")


def rows_of(table: Path) -> list[tuple[str, list[int]]]:
    with open(table, encoding="utf-8", newline="") as lines:
        return [
            (row["image"], [int(row[side]) for side in ("x1", "y1", "x2", "y2")])
            for row in csv.DictReader(lines)
        ]


def test_no_coin_is_trained_and_scored(folder):
    middles = {}
    for table in ("train", "val"):
        for name, (x1, y1, x2, y2) in rows_of(folder / f"{table}.csv"):
            left, top = map(int, name.removesuffix(".png").split("-"))
            assert 0 <= x1 < x2 <= 192 and 0 <= y1 < y2 <= 152
            middles.setdefault(table, []).append((left + (x1 + x2) / 2, top + (y1 + y2) / 2))
    assert max(x for x, _ in middles["train"]) < 192 < min(x for x, _ in middles["val"])
    assert len(middles["val"]) == 12


def test_a_window_is_a_piece_of_the_photograph_and_its_boxes_move_along(folder):
    photo, target = load_photo("coins")
    boxes = target["boxes"].as_subclass(Tensor)
    name, (x1, y1, x2, y2) = rows_of(folder / "val.csv")[-1]
    left, top = map(int, name.removesuffix(".png").split("-"))
    piece = photo[:, top : top + 152, left : left + 192]
    assert torch.equal(read_image(folder / "images" / name).as_subclass(Tensor), piece)
    moved = torch.tensor([x1 + left, y1 + top, x2 + left, y2 + top])
    assert (boxes - moved).abs().amax(dim=1).min() < 8  # one of them; the edge may cut a little


def test_it_is_a_data_set_of_one_class(folder):
    train, val = (open_dataset(str(folder), split) for split in ("train", "val"))
    assert (len(train), len(val)) == (16, 2)
    assert train.class_names == ("background", "coin")
