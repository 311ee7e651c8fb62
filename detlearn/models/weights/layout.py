"""How our keys are called elsewhere, and loading that names everything which does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

MESSAGE, LONGEST = 500, 80
"""Characters of a message, and of each list in one that would be longer."""

HEADS = re.compile(r"(head|arm|odm)\.logits\.|conf\.|odm_conf\.|head\.classification_head\.")
"""Keys of layers whose size follows from the number of classes, here and elsewhere."""


@dataclass(frozen=True, slots=True)
class Rule:
    r"""How some of our keys are called in a source.

    Attributes:
        ours: regular expression that one of our keys must match as a whole.
        theirs: their key; ``\1`` is the first group of ``ours``.  Several of them for one
            tensor that upstream keeps under several keys: all must be there, the last one
            counts, as it does in upstream's own loading.
        convert: reorders numbers inside the tensor; never changes its shape.
    """

    ours: str
    theirs: str | tuple[str, ...]
    convert: Callable[[Tensor, Any], Tensor] | None = None


class Pixels(NamedTuple):
    """What a network was trained to see.

    Attributes:
        mean: subtracted from pixels in [0, 1]; red, green, blue.
        std: divides them after that.
        order: of the channels; None where nobody says.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] | None = "rgb"

    def __str__(self) -> str:
        numbers = (", ".join(f"{value:.4g}" for value in values) for values in self[:2])
        return "mean ({}), std ({}), ".format(*numbers) + (self.order or "rgb or bgr").upper()


@dataclass(frozen=True, slots=True)
class Source:
    """A published layout of one of our models.

    Attributes:
        rules: each of our keys is translated by the first rule that matches it.
        dead: regular expressions of keys that the source holds but never uses; dropped.
        adapt: makes the source for a model's own config, where the keys depend on it; ``rules``
            are those of the preset.
        reduce: makes weights of our layout where one tensor of theirs becomes a smaller one;
            ``rules`` then only say by which keys the layout is recognised.
        pixels: of a backbone that was trained alone, see `load_backbone`.
    """

    rules: tuple[Rule, ...]
    dead: tuple[str, ...] = ()
    adapt: Callable[[Any], Source] | None = None
    reduce: Callable[[Mapping[str, Any]], dict[str, Tensor]] | None = None
    pixels: Pixels | None = None


def translate_key(
    key: str, layout: Source | None
) -> tuple[tuple[str, ...], Callable[[Tensor, Any], Tensor] | None]:
    """What one of our keys is called in a layout, and how its numbers are reordered."""
    if layout is None:
        return (key,), None
    for rule in layout.rules:
        match = re.fullmatch(rule.ours, key)
        if match:
            templates = (rule.theirs,) if isinstance(rule.theirs, str) else rule.theirs
            return tuple(match.expand(template) for template in templates), rule.convert
    raise ValueError(f"{key}: no rule of the source covers this key of ours")


def model_name(model: nn.Module) -> str:
    """The name of a model's config, or else its class."""
    return str(getattr(getattr(model, "config", None), "name", type(model).__name__))


def load_strictly(
    model: nn.Module, tensors: Mapping[str, Any], name: str, layout: Source | None = None
) -> None:
    """Load tensors if they are exactly the model's, or say everything that is wrong at once.

    Args:
        model: changed only if nothing is wrong.
        tensors: by key of the layout.
        name: what the message calls them.
        layout: None for our own keys.

    Raises:
        ValueError: with one line for each kind of difference.
    """
    model.load_state_dict(compare_strictly(model, tensors, name, layout), strict=True)


def compare_strictly(
    model: nn.Module, tensors: Mapping[str, Any], name: str, layout: Source | None = None
) -> dict[str, Tensor]:
    """The state dict that `load_strictly` loads; the model may be without memory, on ``meta``."""
    if layout is not None and layout.reduce is not None:
        try:
            tensors, layout = layout.reduce(tensors), None
        except ValueError as error:
            raise ValueError(str(error).replace("state dict", name, 1)) from None
    own = model.state_dict()
    loaded: dict[str, Tensor] = {}
    expected: set[str] = set()
    wrong: list[str] = []
    for key, tensor in own.items():
        names, convert = translate_key(key, layout)
        expected.update(names)
        if any(one not in tensors for one in names):
            continue
        for one in names:
            value = tensors[one]
            if not isinstance(value, Tensor):
                wrong.append(f"{one} is no tensor but {type(value).__name__}")
            elif value.shape != tensor.shape:
                wrong.append(f"{one} is {tuple(value.shape)}, expected {tuple(tensor.shape)}")
            elif value.is_floating_point() != tensor.is_floating_point():
                wrong.append(f"{one} is {value.dtype}, expected {tensor.dtype}")
            else:
                loaded[key] = value if convert is None else convert(value, model)
    dead = layout.dead if layout is not None else ()
    missing = [key for key in sorted(expected) if key not in tensors]
    unexpected = [
        key
        for key in tensors
        if key not in expected and not any(re.fullmatch(pattern, str(key)) for pattern in dead)
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of wrong shape or type": wrong}
    problems = {kind: found for kind, found in kinds.items() if found}
    if problems:
        cause = _cause(expected, tensors, missing, unexpected, wrong)
        message = ""
        for longest in (MESSAGE, LONGEST):  # all that is wrong, if it can be read
            lists = [
                f"{len(one)} {kind}: {_listed(one, longest)}" for kind, one in problems.items()
            ]
            head = f"{name[-90:]}: the weights do not fit {model_name(model)}"
            message = "\n  ".join([head, *lists, *cause])
            if len(message) <= MESSAGE:
                break
        raise ValueError(message)
    return loaded


def _listed(keys: Sequence[object], longest: int) -> str:
    """The first names of a list, as many as a reader reads; there may be thousands."""
    texts = [
        str(key) if len(str(key)) <= longest else f"{str(key)[: longest - 3]}..." for key in keys
    ]
    shown = texts[:1]
    for text in texts[1:]:
        if len(", ".join([*shown, text])) > longest:
            return ", ".join(shown) + ", ..."
        shown.append(text)
    return ", ".join(shown)


def _cause(
    expected: set[str], tensors: Mapping[str, Any], missing: Sequence[str],
    unexpected: Sequence[object], wrong: Sequence[str],
) -> list[str]:  # fmt: skip
    """What is behind the differences, where it is plain."""
    if tensors and not any(key in tensors for key in expected):
        return ["none of its keys is there: another network, or another source"]
    if wrong and not missing and not unexpected and all(map(HEADS.match, wrong)):
        return ["only its heads differ: trained for another number of classes"]
    return []
