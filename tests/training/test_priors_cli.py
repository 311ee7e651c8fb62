"""The shell command ``priors``, and what ``train`` does with its file."""

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from detlearn import load_model
from detlearn.__main__ import main
from detlearn.boxes import SSD_TINY_PRIORS
from detlearn.training.priors_cli import read_layout

QUIET = ["--epochs", "1", "--batch-size", "4", "--no-eval", "--quiet", "--device", "cpu"]


@pytest.fixture(scope="module")
def long_boxes(tmp_path_factory):
    """Twelve pictures of 96 x 96 px with boxes of 4:1, lying and standing."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "images").mkdir()
    generator = torch.Generator().manual_seed(0)
    rows = ["image,x1,y1,x2,y2,label"]
    for number in range(12):
        Image.new("RGB", (96, 96), (number, 90, 40)).save(folder / "images" / f"{number}.png")
        for k in range(10):
            long = 30 + 40 * float(torch.rand((), generator=generator))
            w, h = (long, long / 4) if k % 2 else (long / 4, long)
            x, y = (float(torch.rand((), generator=generator)) * (96 - side) for side in (w, h))
            rows.append(f"{number}.png,{x:.2f},{y:.2f},{x + w:.2f},{y + h:.2f},bar")
    (folder / "train.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_from_a_folder_to_a_trained_network(long_boxes, tmp_path, capsys):
    file = tmp_path / "mine.json"
    assert main(["priors", str(long_boxes), "--out", str(file)]) == 0
    said = capsys.readouterr().out
    assert "120 objects in the 128 px input of ssd_tiny" in said
    assert "width, px" in said
    (line,) = [line for line in said.splitlines() if line.startswith("all objects")]
    before, after = (float(word) for word in line.replace("%", "").split()[3:])
    assert before < 60 < 95 <= after
    mine = read_layout(str(file))
    assert any(3.5 < ratio < 4.5 for level in mine.aspect_ratios for ratio in level)
    assert mine.map_sizes == SSD_TINY_PRIORS.map_sizes

    run = tmp_path / "run"
    assert main(["train", "ssd_tiny", "--data", str(long_boxes), "--priors", str(file),
                 "--out", str(run), *QUIET]) == 0  # fmt: skip
    assert load_model(run / "model.safetensors").config.priors == mine
    with safe_open(run / "model.safetensors", framework="pt") as weights:
        assert weights.metadata() is not None


def test_a_layout_of_another_size_is_refused(long_boxes, tmp_path, capsys):
    file = tmp_path / "mine.json"
    assert main(["priors", str(long_boxes), "--model", "ssd300_vgg16", "--out", str(file)]) == 0
    assert main(["train", "ssd_tiny", "--data", str(long_boxes), "--priors", str(file),
                 "--out", str(tmp_path / "run"), *QUIET]) == 2  # fmt: skip
    assert "image_size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "pose_hrnet_tiny"], "has no priors"),
        (["--model", "nothing"], "nothing"),
        (["--target", "98"], "--target: expected a share"),
    ],
)
def test_what_cannot_be_is_refused(long_boxes, tmp_path, capsys, arguments, said):
    out = tmp_path / "mine.json"
    assert main(["priors", str(long_boxes), "--out", str(out), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_pose_network_takes_no_layout(long_boxes, tmp_path, capsys):
    file = tmp_path / "mine.json"
    main(["priors", str(long_boxes), "--out", str(file)])
    assert main(["train", "pose_hrnet_tiny", "--priors", str(file), "--scenes", "4",
                 "--out", str(tmp_path / "run"), *QUIET]) == 2  # fmt: skip
    assert "has no priors" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1"])
def test_no_pictures_to_read(number, tmp_path, capsys):
    assert main(["priors", str(tmp_path), "--images", number]) == 2
    assert f"--images: expected a positive number, got {number}" in capsys.readouterr().err


def test_a_layout_that_is_no_text(tmp_path):
    file = tmp_path / "priors.json"
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(
        ValueError, match=r"priors\.json: expected a layout of `priors`, got no text"
    ):
        read_layout(str(file))
