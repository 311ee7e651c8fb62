"""The prove-it cell: ours equals the reference, in the notebook, in one line."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["prove"]


def prove(claim: str, ours: Any, reference: Any, *, tolerance: float = 0.0) -> None:
    """Assert that two results are equal, and print one line that says so.

    The line holds the claim, how much was compared, and the tolerance: nothing that differs
    from one machine to the next.

    Args:
        claim: a statement that can be false, `"priors equal torchvision's"`.
        ours: a tensor, array, number, string, or a list, tuple or dictionary of them.
        reference: the same structure, from the other implementation.
        tolerance: largest absolute difference of real numbers; integers, truth values and
            strings must be equal.

    Raises:
        ValueError: the claim is empty, the tolerance no number >= 0, or there is nothing to
            compare.
        AssertionError: they differ; the message names the place and both values.

    Invariant:
        prints exactly if every `abs(ours - reference) <= tolerance`.

    >>> prove("two halves are a whole", torch.full((3, 2), 0.5) * 2, torch.ones(3, 2))
    proved: two halves are a whole (3 × 2, exactly)
    >>> prove("a third is near enough", 0.3333, 1 / 3, tolerance=1e-4)
    proved: a third is near enough (tolerance 1e-4)
    """
    if not claim.strip():
        raise ValueError("claim: expected a sentence, got an empty string")
    if not (isinstance(tolerance, numbers.Real) and 0 <= tolerance < math.inf):
        raise ValueError(f"tolerance: expected a number >= 0, got {tolerance!r}")
    sizes: list[str] = []
    has_reals = _compare(ours, reference, float(tolerance), claim, "", sizes)
    if not sizes:
        raise ValueError(f"{claim}: nothing to compare, both sides are empty")
    how = f"tolerance {_tidy(tolerance)}" if has_reals and tolerance else "exactly"
    shapes = list(dict.fromkeys(size for size in sizes if size))
    if len(sizes) > 1:
        shown = ", ".join(shapes[:3]) + (", …" if len(shapes) > 3 else "")
        what = f"{len(sizes)} results" + (f" of {shown}" if shapes else "")
    else:
        what = "".join(shapes)
    print(f"proved: {claim} ({', '.join(part for part in (what, how) if part)})")


def _compare(
    ours: Any, reference: Any, tolerance: float, claim: str, place: str, sizes: list[str]
) -> bool:
    """Compare one node of the structure; whether real numbers were among what it held."""
    where = f" at {place}" if place else ""
    if isinstance(reference, Mapping):
        if not isinstance(ours, Mapping) or ours.keys() != reference.keys():
            got = sorted(map(str, ours)) if isinstance(ours, Mapping) else type(ours).__name__
            raise AssertionError(
                f"not proved: {claim}: keys{where} are {got}, the reference has "
                f"{sorted(map(str, reference))}"
            )
        real = [
            _compare(ours[key], reference[key], tolerance, claim, f"{place}[{key!r}]", sizes)
            for key in reference
        ]
        return any(real)
    if isinstance(reference, list | tuple):
        if not isinstance(ours, list | tuple) or len(ours) != len(reference):
            number = len(ours) if isinstance(ours, list | tuple) else type(ours).__name__
            raise AssertionError(
                f"not proved: {claim}: {number} results{where}, the reference has {len(reference)}"
            )
        real = [
            _compare(a, b, tolerance, claim, f"{place}[{index}]", sizes)
            for index, (a, b) in enumerate(zip(ours, reference, strict=True))
        ]
        return any(real)
    if isinstance(reference, str) or reference is None:
        if ours != reference:
            raise AssertionError(
                f"not proved: {claim}: ours{where} is {ours!r}, the reference {reference!r}"
            )
        sizes.append("")
        return False
    return _compare_numbers(_tensor(ours), _tensor(reference), tolerance, claim, where, sizes)


def _compare_numbers(
    ours: Tensor, reference: Tensor, tolerance: float, claim: str, where: str, sizes: list[str]
) -> bool:
    if ours.shape != reference.shape:
        raise AssertionError(
            f"not proved: {claim}: ours{where} has shape {tuple(ours.shape)}, the reference "
            f"{tuple(reference.shape)}"
        )
    sizes.append(" × ".join(map(str, reference.shape)))
    common = torch.promote_types(ours.dtype, reference.dtype)
    has_reals = common.is_floating_point
    if has_reals:  # in double precision: subtracting must not add an error of its own
        common = torch.float64
    elif not common.is_complex:
        common = torch.int64
    ours, reference = ours.to(common), reference.to(common)
    allowed = tolerance if has_reals else 0.0
    try:
        torch.testing.assert_close(ours, reference, rtol=0, atol=allowed, equal_nan=True)
    except AssertionError:
        raise AssertionError(
            f"not proved: {claim}: {_difference(ours, reference, allowed, where)}"
        ) from None
    return has_reals


def _difference(ours: Tensor, reference: Tensor, tolerance: float, where: str) -> str:
    """How many numbers of two tensors of one shape differ, and both numbers of the worst place."""
    unequal = ~torch.isclose(ours, reference, rtol=0, atol=tolerance, equal_nan=True)
    distance = (ours - reference).abs().double().nan_to_num(math.inf)  # NaN is far from everything
    worst = torch.where(unequal, distance, -1.0).argmax()
    index = tuple(int(i) for i in torch.unravel_index(worst, ours.shape))
    place = f" [{', '.join(map(str, index))}]" if index else ""
    return (
        f"{int(unequal.sum())} of {unequal.numel()} numbers{where} differ by more than "
        f"{_tidy(tolerance)}; at the worst place{place} ours is {ours[index].item():.6g}, the "
        f"reference {reference[index].item():.6g}"
    )


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"cannot compare a {type(value).__name__}: {value!r}") from None


def _tidy(number: float) -> str:
    """1e-06 as people write it, 1e-6."""
    if number == 0 or number >= 0.01:
        return f"{number:g}"
    mantissa, _, exponent = f"{number:.3e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
