"""Maps on their way to the browser: eight shades a map, three bits a cell."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import torch
from torch import Tensor

SHADES = 8


def shades_of(values: Tensor) -> Tensor:
    """A map in 8 shades, from its least to its largest value.

    Args:
        values: ``(H, W)``.

    Returns:
        ``(H * W,)`` uint8, 0 to 7; 0 for a map that is the same everywhere.

    >>> shades_of(torch.tensor([[1.0, 2.0], [1.5, 1.0]]))
    tensor([0, 7, 4, 0], dtype=torch.uint8)
    """
    low, high = values.min(), values.max()
    span = (high - low).clamp(min=1e-12)
    return ((values - low) / span * (SHADES - 1)).round().to(torch.uint8).flatten()


def pack_maps(maps: Iterable[Tensor]) -> str:
    """Maps as text, eight cells in three bytes; `unpackShades` of shades.js reads it.

    Args:
        maps: ``(H, W)`` each, of any sizes.

    Returns:
        Base64: half a letter a cell.

    >>> pack_maps([torch.tensor([[0.0, 7.0]])])
    'HAAA'
    """
    shades = torch.cat([shades_of(values) for values in maps])
    bits = "".join(f"{shade:03b}" for shade in shades.tolist())
    bits += "0" * (-len(bits) % 24)
    return base64.b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode("ascii")
