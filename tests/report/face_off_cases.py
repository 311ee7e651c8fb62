"""Tables of the face-off with invented numbers, for tests only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CLASSES = ("disc", "square", "triangle", "cross", "face", "house", "tree", "person")
ROWS = {
    "ssd_tiny": 88.8, "refinedet_tiny": 181.7, "m2det_tiny": 126.5, "ssd_hrnet_tiny": 108.4,
    "refinedet_tiny, narrow": 88.2, "m2det_tiny, narrow": 88.5, "ssd_hrnet_tiny, narrow": 87.9,
    "ssd_tiny, RefineDet's priors": 80.0, "refinedet_tiny, RefineDet's priors": 170.0,
}  # fmt: skip
WOBBLE = (0.0, 0.004, -0.004, 0.002, -0.002)


def difference(values: list[float], base: list[float], wide: float) -> dict[str, Any]:
    """As the experiment's record has it; an interval of a chosen half width."""
    pairs = [round(a - b, 4) for a, b in zip(values, base, strict=True)]
    mean = sum(pairs) / len(pairs)
    told = "helps" if mean - wide > 0 else "hurts" if mean + wide < 0 else "cannot be told"
    return {
        "mean": mean, "interval": [mean - wide, mean + wide], "confidence": 0.98,
        "p": 0.1, "values": pairs, "verdict": told,
    }  # fmt: skip


def fake_table(
    means: dict[str, float] | None = None, *, seeds: int = 5, wide: float = 0.01,
    dead: tuple[str, ...] = (), rows: tuple[str, ...] = tuple(ROWS),
) -> dict[str, Any]:  # fmt: skip
    """The content of a face_off.json."""
    made: list[dict[str, Any]] = []
    scores_of: dict[str, list[float]] = {}
    for place, name in enumerate(rows):
        mean = (means or {}).get(name, 0.66 - 0.01 * place)
        own = [round(mean + WOBBLE[(k + place) % 5], 4) for k in range(seeds)]
        scores_of[name] = own
        reference = "ssd_tiny, RefineDet's priors" if "priors" in name else "ssd_tiny"
        shifts = {
            "mAP": 0, "mAP50": 0.25, "mAP75": 0.1, "mAP_small": -0.05, "mAP_medium": 0.04,
            "AR100": 0.05, "mAP_simple": 0.02, "mAP_complex": -0.02, "found_free": 0.2,
            "found_hidden": 0.1,
        } | {f"AP/{name}": 0.01 * k for k, name in enumerate(CLASSES)}  # fmt: skip
        compared = seeds >= 5 and name != reference
        made.append({
            "name": name, "model": name.split(",")[0], "experiment": "face_off",
            "reference": reference, "seeds": list(range(seeds)),
            "scores": {key: [round(v + by, 4) for v in own] for key, by in shifts.items()},
            "half": [round(v - 0.1, 4) for v in own],
            "errors": {
                "correct": [4000 + place] * seeds, "duplicate": [60] * seeds,
                "wrong class": [150] * seeds, "badly placed": [300 - place] * seeds,
                "on background": [200 + place] * seeds, "missed": [500] * seeds,
            },
            "reliability": [
                {"score": 0.1 * k + 0.05, "right": min(1.0, 0.1 * k + 0.05 + 0.01 * place),
                 "count": 900 - 80 * k} for k in range(10)
            ],
            "learning_rate": 0.005, "parameters": 500_000 + 1000 * place,
            "multiply_adds": int(1e6 * ROWS[name]), "milliseconds": [10.0 + place, 8.0 + place],
            "training_seconds": 300 + place,
            "difference": difference(own, scores_of[reference], wide) if compared else None,
            "dead": {"0": {"backbone.3": 0.8}} if name in dead else {},
            "search": {
                "tried": {"0.003": [mean - 0.2], "0.005": [mean - 0.1, mean - 0.12], "0.01": [mean]},
                "sick": ["0.01"],
                "given_up": {"0.01": {"half": [0.1], "end": [0.5], "dead": [3]}} if name in dead else {},
            },
        })  # fmt: skip
    return {
        "experiment": "face_off", "question": "Which?", "command": "python -m experiments face_off",
        "reference": "ssd_tiny", "delta": 0.01, "complete": seeds >= 5,
        "rules": {"images": 24_000, "scenes": 12_000, "seed": 0, "shapes": "1.1",
                  "test_scenes": 1000},
        "cpu_hours": 4.2, "versions": {"python": "3.11", "torch": "2.9"}, "rows": made,
    }  # fmt: skip


def write_fake(path: Path, **how: Any) -> Path:
    """Write `fake_table` to a file."""
    path.write_text(json.dumps(fake_table(**how)), encoding="utf-8")
    return path
