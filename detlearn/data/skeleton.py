"""Whose key points they are: names, what changes places in a mirror, how exact they are.

A category of COCO's JSON names its ``keypoints``.  It may also have ``flip_pairs``, pairs of
numbers (from 0) or of names that change places in a mirror, and ``sigmas``, a number for each.
Nobody's mirror is guessed: 17 joints are COCO's only if they have COCO's names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..metrics import COCO_SIGMAS
from .shapes import KEYPOINT_FLIP, KEYPOINT_NAMES

__all__ = [
    "UNIFORM_SIGMA", "Skeleton", "choose_sigmas", "flip_order", "parse_pairs", "read_skeleton",
]  # fmt: skip

UNIFORM_SIGMA = round(sum(COCO_SIGMAS) / len(COCO_SIGMAS), 4)
"""The mean of COCO's, for joints of which nobody has measured how exactly they are pointed at."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a file says of its key points.

    Attributes:
        names: of the joints; empty where it does not say.
        order: the joints' order in a mirrored picture; None where nobody knows.
        sigmas: one for each joint, see `detlearn.metrics.oks`; None where nobody says.
    """

    names: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None
    sigmas: tuple[float, ...] | None = None


def flip_order(
    pairs: Sequence[Sequence[Any]], names: Sequence[str], joints: int
) -> tuple[int, ...]:
    """The joints' order in a mirrored picture.

    Args:
        pairs: numbers from 0, or names, that change places.
        names: of the joints.
        joints: how many there are.

    Raises:
        ValueError: no pairs, joints that are not there, or twice.

    >>> flip_order([["left eye", "right eye"]], ["nose", "left eye", "right eye"], 3)
    (0, 2, 1)
    """
    order = list(range(joints))
    places = {name: number for number, name in enumerate(names)}
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"flip_pairs: expected pairs of joints, got {pair!r:.80}")
        ends: list[Any] = [places.get(end, end) if isinstance(end, str) else end for end in pair]
        one, other = ends
        for end in (one, other):
            if type(end) is not int or not 0 <= end < joints:
                raise ValueError(
                    f"flip_pairs: expected joints from 0 to {joints - 1} or their names, got "
                    f"{end!r:.80}"
                )
            if order[end] != end:
                raise ValueError(f"flip_pairs: expected each joint once, got {end} twice")
        order[one], order[other] = other, one
    return tuple(order)


def parse_pairs(text: str) -> list[list[int]]:
    """Pairs as a shell command gives them.

    Args:
        text: ``"0-1,3-4"``; ``"none"`` for joints that all stay where they are.

    Raises:
        ValueError: something else.

    >>> parse_pairs("0-1, 3-4")
    [[0, 1], [3, 4]]
    """
    if text.strip() == "none":
        return []
    try:
        pairs = [[int(end) for end in pair.split("-")] for pair in text.split(",")]
    except ValueError:
        pairs = [[]]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"--flip-pairs: expected pairs of joints such as 0-1,3-4, got {text!r}")
    return pairs


def read_skeleton(category: Mapping[str, Any], where: str) -> Skeleton:
    """What a category of COCO's JSON says of its key points.

    Args:
        category: the entry.
        where: what a message calls it.

    Raises:
        ValueError: names, pairs or sigmas that are none.

    >>> read_skeleton({"keypoints": ["left", "right"], "flip_pairs": [[0, 1]]}, "a.json").order
    (1, 0)
    """
    names = category.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where}: expected keypoints to be a list of names, got {names!r:.80}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"{where}: expected a name for each of the keypoints, got {twice[0]!r} twice"
        )
    pairs, sigmas = category.get("flip_pairs"), category.get("sigmas")
    order: tuple[int, ...] | None = None
    if tuple(name.strip().lower().replace(" ", "_") for name in names) == KEYPOINT_NAMES:
        order, sigmas = KEYPOINT_FLIP, sigmas or list(COCO_SIGMAS)
    if pairs is not None:
        try:
            order = flip_order(pairs, names, len(names))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where}: {error}") from error
    if sigmas is not None and not (
        isinstance(sigmas, list)
        and len(sigmas) == len(names)
        and all(type(one) in (int, float) and 0 < one < 10 for one in sigmas)
    ):
        raise ValueError(
            f"{where}: expected sigmas to be {len(names)} numbers above 0, one for each of the "
            f"keypoints, got {sigmas!r:.80}"
        )
    return Skeleton(tuple(names), order, None if sigmas is None else tuple(map(float, sigmas)))


def choose_sigmas(dataset: Any, joints: int) -> tuple[tuple[float, ...], str]:
    """What OKS measures with, and a sentence where that is not what COCO does.

    Args:
        dataset: perhaps with a ``skeleton``.
        joints: how many the network answers.

    Returns:
        a sigma for each joint; "" or the sentence.

    >>> choose_sigmas(None, 2)[0]
    (0.0669, 0.0669)
    """
    skeleton = getattr(dataset, "skeleton", None)
    if skeleton is None and joints == len(COCO_SIGMAS):
        return COCO_SIGMAS, ""
    if skeleton is not None and skeleton.sigmas is not None and len(skeleton.sigmas) == joints:
        own = skeleton.sigmas != COCO_SIGMAS
        return skeleton.sigmas, "OKS is measured with the file's own sigmas" if own else ""
    return (UNIFORM_SIGMA,) * joints, (
        f"OKS is measured with the same sigma, {UNIFORM_SIGMA:g}, for each of the {joints} joints "
        "(the mean of COCO's): the file gives no sigmas"
    )
