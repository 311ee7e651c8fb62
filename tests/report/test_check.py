"""``python -m detlearn check``: the border's findings, printed and on a page."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from detlearn.__main__ import main


def write(root, names=("a.png", "b.png"), boxes=((4, 4, 20, 20), (9, 9, 60, 12)), label="cat"):
    (root / "images").mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for name in names:
        pixels = generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / name)
    content = {
        "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names)],
        "categories": [{"id": 1, "name": label}],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)],
    }  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(content))


def check(root):
    return main(["check", str(root), "--out", str(root / "page.html")])


def test_findings_are_printed_and_drawn(tmp_path, capsys):
    write(tmp_path)
    assert check(tmp_path) == 0
    said = capsys.readouterr().out
    assert "train: 2 pictures, 2 boxes; classes: cat" in said
    assert "note: train: 1 of 2 boxes reach out of the picture, and are cut: b.png" in said
    assert "note: val: 2 of 2 pictures are trained on too" in said
    page = (tmp_path / "page.html").read_text()
    assert page.count("<h2>") == said.count("note: ") == 3
    drawn = re.findall(r'class="wrong" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', page)
    assert ("9.0", "9.0", "60.0") in drawn and "data:image/png;base64," in page


def test_what_refuses_training_comes_first_and_fails(tmp_path, capsys):
    write(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    assert check(tmp_path) == 2
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if line.startswith(("refused", "note"))]
    assert lines[0].startswith("refused: train: 1 of 2 pictures is missing")
    assert "got 2 findings that refuse it" in said.err
    assert "Refused: missing" in (tmp_path / "page.html").read_text()


def test_names_of_others_are_text_on_the_page(tmp_path, capsys):
    write(tmp_path, names=("a<b>&.png", "b.png"), boxes=((4, 4, 90, 20), (9, 9, 6, 12)))
    assert check(tmp_path) == 0
    page = (tmp_path / "page.html").read_text()
    assert "a&lt;b&gt;&amp;.png" in page and "a<b>" not in page


def test_a_folder_of_nothing_is_refused(tmp_path, capsys):
    assert check(tmp_path) == 2
    assert "none of the layouts known" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "val"])
def test_one_split_alone_is_looked_at(tmp_path, capsys, split):
    write(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations.json").rename(tmp_path / "annotations" / f"instances_{split}2017.json")
    (tmp_path / "images").rename(tmp_path / f"{split}2017")
    assert check(tmp_path) == 0
    assert f"{split}: 2 pictures" in capsys.readouterr().out
