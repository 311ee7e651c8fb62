"""Weights and inputs of the numerical reference, rebuilt from their recipe (numpy only).

The files in ``tests/data/golden`` hold figures: what four published repositories compute
when their weights are drawn by `tensor_for` and their input by `image`.  A test fills its
own model with the same weights and asks `compare` whether the figures agree.

A *fingerprint* describes an array by its shape, its moments and 64 sampled values.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "data" / "golden"

# One-dimensional weights (BatchNorm, L2Norm) are uniform in this range.
VARIANTS = {"A": (0.5, 1.5), "B": (0.25, 0.75)}


def load_golden(name: str) -> dict[str, Any]:
    """The content of ``tests/data/golden/<name>.json``."""
    figures: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def tensor_for(key: str, shape: Sequence[int], variant: str = "B") -> np.ndarray:
    """The array that belongs to one key of an upstream state dict.

    The key's own text is the seed, so the order of the keys does not matter.
    """
    size = tuple(int(side) for side in shape)
    kind = key.rpartition(".")[2]
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    generator = np.random.default_rng(seed)
    if kind == "num_batches_tracked":
        return np.zeros(size, np.int64)
    if kind == "weight" and len(size) > 1:
        values = generator.standard_normal(size) * math.sqrt(2.0 / int(np.prod(size[1:])))
    elif kind == "weight":
        values = generator.uniform(*VARIANTS[variant], size)
    elif kind in ("bias", "running_mean"):
        values = 0.1 * generator.standard_normal(size)
    elif kind == "running_var":
        values = generator.uniform(0.5, 1.5, size)
    else:
        raise KeyError(
            f"{key}: expected an entry called weight, bias, running_* or num_batches_tracked"
        )
    return np.asarray(values, np.float64).astype(np.float32)


def fill_state_dict(
    manifest: Iterable[tuple[str, Sequence[int]]], variant: str = "B"
) -> dict[str, np.ndarray]:
    """All arrays of a manifest of (key, shape), in its order."""
    return {key: tensor_for(key, shape, variant) for key, shape in manifest}


def image(height: int, width: int, batch: int = 1, seed: int = 7) -> np.ndarray:
    """The network input: ``(batch, 3, height, width)`` float32, standard normal."""
    values = np.random.default_rng(seed).standard_normal((batch, 3, height, width))
    return values.astype(np.float32)


def gt_boxes(
    seed: int,
    n: int,
    label_lo: int,
    label_hi: int,
    size_lo: float = 0.05,
    size_hi: float = 0.6,
) -> tuple[np.ndarray, np.ndarray]:
    """``(n, 4)`` float32 xyxy boxes in [0, 1] and ``(n,)`` int64 labels in [label_lo, label_hi)."""
    generator = np.random.default_rng(seed)
    center = generator.uniform(0.1, 0.9, (n, 2))
    half = generator.uniform(size_lo, size_hi, (n, 2)) / 2
    corners = np.concatenate([center - half, center + half], axis=1).clip(0.0, 1.0)
    labels = generator.integers(label_lo, label_hi, n)
    return corners.astype(np.float32), labels.astype(np.int64)


def det_logits(
    seed: int,
    batch: int,
    priors: int,
    classes: int,
    hot: int,
    pool: Sequence[int],
    start: int = 0,
    loc_scale: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions with few sure detections: deltas ``(B, P, 4)``, logits ``(B, P, K)``, float32.

    Everything is background (logit 9) but ``hot`` priors of index ``start`` or more in each
    image, which get 6 to 14 on one class of ``pool``.
    """
    generator = np.random.default_rng(seed)
    deltas = loc_scale * generator.standard_normal((batch, priors, 4))
    logits = 0.1 * generator.standard_normal((batch, priors, classes))
    logits[..., 0] += 9.0
    choices = np.asarray(pool)
    for one in logits:
        chosen = start + generator.choice(priors - start, hot, replace=False)
        label = choices[generator.integers(0, len(choices), hot)]
        one[chosen, label] += generator.uniform(6.0, 14.0, hot)
    return deltas.astype(np.float32), logits.astype(np.float32)


def joints(
    seed: int, n: int, k: int, width: int, height: int, margin: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """``(n, k, 2)`` float64 joints, some outside the image, and ``(n, k)`` visibility 0 or 1."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-margin, width + margin, (n, k))
    y = generator.uniform(-margin, height + margin, (n, k))
    visible = generator.uniform(0, 1, (n, k)) < 0.85
    return np.stack([x, y], axis=2), visible.astype(np.float64)


def heatmaps(seed: int, n: int, k: int, height: int, width: int) -> np.ndarray:
    """Random heat maps ``(n, k, height, width)`` float32."""
    values = np.random.default_rng(seed).standard_normal((n, k, height, width))
    return (0.3 * values).astype(np.float32)


def fingerprint(array: np.ndarray, idx_seed: int = 11, n: int = 64) -> dict[str, Any]:
    """Shape, float64 moments and ``n`` sampled values of an array, read in C order."""
    array = np.ascontiguousarray(array)
    flat = array.reshape(-1).astype(np.float64)
    found: dict[str, Any] = {"shape": list(array.shape)}
    if flat.size:
        chosen = np.random.default_rng(idx_seed).integers(0, flat.size, n)
        found |= {
            "mean": flat.mean(),
            "std": flat.std(),
            "absmean": np.abs(flat).mean(),
            "values": flat[chosen],
        }
    return found


def compare(
    array: np.ndarray, golden: dict[str, Any], rtol: float = 1e-4, atol_std: float = 1e-4
) -> None:
    """Assert that an array has a stored fingerprint.

    A number x passes against y if ``|x - y| <= rtol * |y| + atol_std * std``.  The
    reference's own float32 noise is below a fifth of that in variant B.
    """
    values = golden.get("values", [])
    found = fingerprint(array, golden.get("idx_seed", 11), len(values) or 64)
    assert found["shape"] == golden["shape"], f"shape {found['shape']}, golden {golden['shape']}"
    if not values:
        return
    slack = atol_std * golden["std"] + 1e-12
    for moment in ("mean", "std", "absmean"):
        x, y = found[moment], golden[moment]
        assert abs(x - y) <= rtol * abs(y) + slack, f"{moment}: {x}, golden {y}"
    expected = np.asarray(values)
    off = np.abs(found["values"] - expected) > rtol * np.abs(expected) + slack
    assert not off.any(), (
        f"{off.sum()} of {len(expected)} samples differ; the first: number {off.argmax()} is "
        f"{found['values'][off.argmax()]}, golden {expected[off.argmax()]}"
    )
