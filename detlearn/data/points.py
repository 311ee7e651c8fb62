"""Key points that cannot be where their file says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .readings import TELLING
from .surveying import SLOPPY, Finding, Survey, finding_about
from .wording import count_of

__all__ = ["look_at_points"]

FAR = 0.5
"""Of a box's sides: a joint may lie so far outside, as a hand behind a person's outline does."""


def look_at_points(seen: Survey) -> Iterator[Finding]:
    """What is worth a line about the key points of one split.

    Args:
        seen: of `detlearn.data.surveying.survey`.
    """
    points = seen.listing.points
    if points is None or not points.size:
        return
    owner = np.repeat(seen.listing.owner[:, None], points.shape[1], axis=1)  # (G, J)
    shown = points[..., 2]
    labelled = (shown > 0) & ~seen.listing.ignored[:, None]  # (G, J)
    if not labelled.any():
        return
    odd = labelled & ~np.isin(shown, (0, 1, 2))
    if odd.any():
        text = (
            f"{count_of(int(odd.sum()), int(labelled.sum()), 'key point')} have a third number "
            f"that is no visibility, expected 0 (not labelled), 1 (hidden) or 2 (seen), got "
            f"{shown[odd][0]:g}"
        )
        yield finding_about(seen, "visibility", text, owner[odd], refused=True)
    places = points[..., :2]
    if places[labelled].max() <= 1 and (places[labelled] % 1 != 0).any():
        text = "expected key points in pixels, got fractions (none goes beyond 1)"
        yield finding_about(seen, "points", text, owner[labelled], refused=True)
        return
    boxes = seen.listing.boxes[:, None]  # (G, 1, 4)
    reach = FAR * (boxes[..., 2:] - boxes[..., :2]) + SLOPPY
    near = (places >= boxes[..., :2] - reach) & (places <= boxes[..., 2:] + reach)
    size = seen.sizes[owner]  # (G, J, 2)
    with np.errstate(invalid="ignore"):
        out = ((places < -SLOPPY) | (places > size + SLOPPY)).any(axis=-1)
    away = labelled & (~near.all(axis=-1) | out)
    if away.any():
        share = away.sum() / labelled.sum()
        text = (
            f"{count_of(int(away.sum()), int(labelled.sum()), 'key point')} lie outside of the "
            "picture or far from their boxes"
        )
        if share > TELLING:
            text += ", expected x and y in pixels of the picture"
        yield finding_about(seen, "points", text, owner[away], refused=bool(share > TELLING))
