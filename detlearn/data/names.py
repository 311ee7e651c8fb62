"""Names decide: a label means what its name says, whatever number a file gave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .listing import Listing
from .targets import Target

__all__ = ["Relabelled", "compare_names", "relabel"]


class Relabelled(Dataset):
    """A data set whose labels are numbered as somebody else's names are.

    Args:
        dataset: items ``(image, target)``; with ``class_names``.
        class_names: names by label that are wanted, background first; classes of ``dataset`` that
            are not among them must not occur in it.

    Raises:
        ValueError: names that stand there twice.

    >>> class Two(Dataset):
    ...     class_names = ("background", "cat", "dog")
    ...     def __getitem__(self, index):
    ...         return None, {"labels": torch.tensor([1, 2])}
    >>> Relabelled(Two(), ("background", "dog", "cat"))[0][1]["labels"]
    tensor([2, 1])
    """

    def __init__(self, dataset: Any, class_names: Sequence[str]) -> None:
        self.dataset, self.class_names = dataset, tuple(class_names)
        for names in (self.class_names, dataset.class_names):
            check_unique(names)
        places = {name: label for label, name in enumerate(self.class_names)}
        self.translation = torch.tensor([places.get(name, -1) for name in dataset.class_names])

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image, target = self.dataset[index]
        labels = self.translation[target["labels"]]
        if (labels < 0).any():
            number = int(target["labels"][labels < 0][0])
            raise ValueError(
                f"item {index}: class {self.dataset.class_names[number]!r} is none of "
                f"{', '.join(self.class_names[1:])}"
            )
        return image, target | {"labels": labels}

    def listing(self) -> Listing:
        """What the reader has understood, in the numbers that are wanted."""
        found: Listing = self.dataset.listing()
        labels = self.translation.numpy()[found.labels]
        return Listing(
            **{name: getattr(found, name) for name in Listing.__slots__}
            | {"labels": labels, "class_names": self.class_names}
        )


def check_unique(names: Sequence[str], who: str = "classes") -> None:
    """Refuse classes that no name tells apart.

    Args:
        names: by label.
        who: what the message calls them.

    >>> check_unique(("background", "cat", "cat"))
    Traceback (most recent call last):
        ...
    ValueError: classes: expected a name of its own for each, got 'cat' twice
    """
    for name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"{who}: expected a name of its own for each, got {name!r} twice")


def compare_names(
    ours: Sequence[str], theirs: Sequence[str], who: tuple[str, str], used: Sequence[int] | None
) -> list[str]:
    """Sentences about classes that differ, and what will happen.

    Args:
        ours: names by label that count, background first.
        theirs: names by label of data that are scored.
        who: what the sentences call the two.
        used: how many boxes of each label ``theirs`` has; None if nobody knows.

    Returns:
        no sentence for the same names in the same order.

    Raises:
        ValueError: a class with boxes that ``ours`` does not know.

    >>> compare_names(("background", "cat", "dog"), ("background", "dog"), ("train", "val"), None)
    ["val lacks cat of train's classes: the scores are of the others"]
    """
    check_unique(ours)
    check_unique(theirs)
    missing = [name for name in ours if name not in theirs]
    more = [name for name in theirs if name not in ours]
    unknown = [
        name for label, name in enumerate(theirs) if name in more and (used is None or used[label])
    ]
    first, second = who
    if unknown:
        boxes = ""
        if used is not None:
            total = sum(used[label] for label, name in enumerate(theirs) if name in unknown)
            boxes = f" ({total} boxes)"
        verb = "do" if first.startswith("the weights") else "does"
        raise ValueError(
            f"{second} has {_listed(unknown)}{boxes}, which {first} {verb} not know: expected the "
            f"classes {_listed(ours[1:])}"
        )
    texts = []
    if missing:
        texts.append(
            f"{second} lacks {_listed(missing)} of {first}'s classes: the scores are of the others"
        )
    if more:
        texts.append(f"{second} names {_listed(more)}, without a box: left out")
    if list(theirs) != list(ours) and not texts:
        texts.append(f"{second} numbers the classes otherwise than {first}: names decide")
    return texts


def relabel(
    dataset: Any, class_names: Sequence[str], who: tuple[str, str]
) -> tuple[Any, list[str]]:
    """A data set in the labels of others, by name.

    Args:
        dataset: with ``class_names``.
        class_names: names by label that are wanted, background first.
        who: what the sentences call those who have ``class_names``, and the data set.

    Returns:
        the data set, or a `Relabelled` one; sentences about what differs.

    Raises:
        ValueError: it has boxes of other classes.
    """
    names = tuple(dataset.class_names)
    if names == tuple(class_names):
        check_unique(names)
        return dataset, []
    used = None
    if hasattr(dataset, "listing"):
        used = np.bincount(dataset.listing().labels, minlength=len(names)).tolist()
    texts = compare_names(class_names, names, who, used)
    return Relabelled(dataset, class_names), texts


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
