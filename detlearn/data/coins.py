"""A reader's own data set in small: windows of a photograph of coins, and a table of boxes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..files import write_atomically
from .photos import load_photo

__all__ = ["write_coin_windows"]

HEIGHT, WIDTH = 152, 192
"""px of a window: half of the photograph's height, half of its width."""


def write_coin_windows(folder: str | Path) -> Path:
    """Cut the photograph of coins into a data set of the layout ``images/`` and tables.

    Sixteen windows that overlap are cut from the left half (``train.csv``), two that do not from
    the right half (``val.csv``).  A window has the coins whose centres lie in it.

    Args:
        folder: made where it is missing.

    Returns:
        the folder, as ``--data`` takes it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (write_coin_windows(folder) / "val.csv").read_text().splitlines()[:2]
    ['image,x1,y1,x2,y2,label', '192-0.png,0,30,48,73,coin']
    """
    from torchvision.transforms.v2.functional import to_pil_image

    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    photo, target = load_photo("coins")
    boxes = target["boxes"].as_subclass(Tensor)  # (G, 4)
    size = torch.tensor([WIDTH, HEIGHT])
    for table, left, tops in (("train.csv", 0, range(0, 152, 10)), ("val.csv", WIDTH, (0, 151))):
        lines = ["image,x1,y1,x2,y2,label"]
        for top in tops:
            name = f"{left}-{top}.png"
            window = photo[:, top : top + HEIGHT, left : left + WIDTH]
            to_pil_image(window).save(folder / "images" / name)
            moved = boxes - torch.tensor([left, top, left, top])  # (G, 4)
            centre = (moved[:, :2] + moved[:, 2:]) / 2  # (G, 2)
            held = moved[((centre > 0) & (centre < size)).all(dim=1)]
            inside = held.clamp(min=0).minimum(size.repeat(2)).int()
            lines += [",".join(map(str, [name, *box, "coin"])) for box in inside.tolist()]
        write_atomically(folder / table, "\n".join(lines).encode())
    return folder
