"""Fine-tuning: a detector begins with the weights of another one, whose classes may differ."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .files import open_state_dict, read_checkpoint, read_tensors, unpack
from .layout import Source, model_name, translate_key
from .published import SOURCES
from .reference import find_source

__all__ = ["InitialReport", "load_initial_weights"]

RUN_FILES = ("best.safetensors", "model.safetensors", "last.pt")
"""Where a run keeps its weights, the best first."""

LEAST = 0.5
"""A file must fill so much of what stands before the heads, or it is of another network."""

SAME_NAMES = {
    "aeroplane": "airplane", "diningtable": "dining table", "motorbike": "motorcycle",
    "pottedplant": "potted plant", "sofa": "couch", "tvmonitor": "tv",
}  # fmt: skip
"""VOC's words for classes that COCO calls otherwise."""


class InitialReport(NamedTuple):
    """What became of every tensor, see `load_initial_weights`.

    Attributes:
        tensors: our keys, and what was done with each: ``"taken"``, ``"in part: ..."``
            (the rows of some classes), or ``"left: ..."``, why it stays as it was.
        unused: keys of the file that the model has no place for.
        classes: names of the classes whose rows were taken, background first.
        notes: what else there is to say, a sentence each.
    """

    tensors: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        kinds: dict[str, int] = {}
        for _, what in self.tensors:
            kind = what.partition(":")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
        counted = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        lines = [f"{len(self.tensors)} tensors: {counted}"]
        if self.classes:
            shown = ", ".join(self.classes[:8]) + (", ..." if len(self.classes) > 8 else "")
            lines.append(f"classes that keep their rows: {shown}")
        if self.unused:
            lines.append(f"{len(self.unused)} of the file not used")
        return "\n".join([*lines, *self.notes])

    def table(self) -> str:
        """Every tensor in a line, ours and then those of the file that were not used."""
        lines = [f"{key:<48} {what}" for key, what in self.tensors]
        return "\n".join([*lines, *(f"{key:<48} not used" for key in self.unused)]) + "\n"


class _Found(NamedTuple):
    """What a file holds: tensors by its own keys, what it says of itself, its name."""

    tensors: dict[str, Any]
    class_names: Sequence[str] | None
    model: str | None
    name: str


def load_initial_weights(
    model: nn.Module,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
) -> InitialReport:
    """Fill a detector with what a trained one knows, to train it further on other classes.

    Every tensor of the same place and shape is taken.  In the heads that name classes the rows
    of shared classes, by name, and of the background are taken; the others stay as they are.
    A head of another number of priors stays as it is.

    Args:
        model: what `create_model` made, with the classes that it is to learn.
        state_dict_or_path: a file of ours; the folder or a checkpoint of a run; or a state dict,
            or file of one, of a published repository (torchvision's SSD300, for instance), whose
            layout is recognised.
        class_names: of the model, background first; None takes ``model.class_names``.

    Returns:
        a report; its text counts, its `InitialReport.table` names every tensor.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it cannot be read, holds NaN, is of no known layout, or fits less than
            half of what stands before the heads.  The model is then unchanged.

    >>> from detlearn import create_model
    >>> knows = create_model("ssd_tiny", num_classes=3)
    >>> model = create_model("ssd_tiny", num_classes=5)
    >>> print(load_initial_weights(model, knows.state_dict()))
    88 tensors: 80 taken, 8 in part
    the file does not name its classes: the background alone keeps its rows
    """
    ours = class_names if class_names is not None else getattr(model, "class_names", None)
    found = _open(state_dict_or_path)
    layout = _recognise(model, found)
    heads = _class_layers(model)
    theirs = {key: _find(found.tensors, key, layout) for key in model.state_dict()}
    number = _number_of_classes(heads, theirs)
    rows, notes = _shared_rows(found, layout, number, model, ours)
    state: dict[str, Tensor] = {}
    said = []
    for key, own in model.state_dict().items():
        value = theirs[key]
        if value is None:
            said.append((key, "left: not in the file"))
            continue
        if (convert := translate_key(key, layout)[1]) is not None and number is not None:
            of_theirs = SimpleNamespace(config=SimpleNamespace(num_classes=number))
            value = convert(value, of_theirs)
        what = "taken"
        if key in heads and rows is not None and number is not None:
            if value.shape == (heads[key] * number, *own.shape[1:]):
                value = _mix_rows(own, value, heads[key], rows)
                what = f"in part: rows of {len(rows)} {'class' if len(rows) == 1 else 'classes'}"
        if key in heads and number is None:
            what = "left: a head of other priors"
        elif value.shape != own.shape:
            what = f"left: {tuple(value.shape)} in the file, {tuple(own.shape)} here"
        else:
            state[key] = value
        said.append((key, what))
    _check_enough(model, state, heads, found)
    model.load_state_dict(state, strict=False)
    used = {name for key in theirs for name in translate_key(key, layout)[0]}
    return InitialReport(
        tuple(said), tuple(key for key in found.tensors if key not in used),
        tuple(ours[label] for label, _ in rows or ()) if ours is not None else (), tuple(notes),
    )  # fmt: skip


# ------------------------------------------------------------------ the file


def _open(source: Mapping[str, Any] | str | os.PathLike[str]) -> _Found:
    """The tensors of a state dict, a file or a run's folder, and what it says of itself."""
    if isinstance(source, Mapping) or not isinstance(source, str | os.PathLike):
        tensors, name = open_state_dict(source)
        return _Found(tensors, None, None, name)
    path = Path(source)
    if path.is_dir():
        files = [path / name for name in RUN_FILES if (path / name).is_file()]
        if not files:
            raise ValueError(
                f"{path}: expected the folder of a run, with {', '.join(RUN_FILES[:-1])} or "
                f"{RUN_FILES[-1]} in it"
            )
        path = files[0]
    if path.suffix == ".safetensors":
        plain, said = read_tensors(path)
        names = _names(said.get("class_names"))
        return _Found(unpack(plain, str(path)), names, said.get("model"), str(path))
    content = read_checkpoint(path)
    inside = content
    if isinstance(content, Mapping) and isinstance(content.get("average"), Mapping):
        inside = content["average"]  # what a run with a moving average scores
    run: Mapping = content if isinstance(content, Mapping) and "position" in content else {}
    return _Found(unpack(inside, str(path)), run.get("class_names"), run.get("name"), str(path))


def _names(text: str | None) -> list[str] | None:
    try:
        names = json.loads(text or "null")
    except ValueError:
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def _recognise(model: nn.Module, found: _Found) -> Source | None:
    """The layout that a file's keys come nearest to, None for ours."""
    layouts: dict[str, Source | None] = {"ours": None}
    for source, models in SOURCES.items():
        if model_name(model) in models:
            layouts[source] = find_source(model, source)
    fits = {
        source: sum(_find(found.tensors, key, layout) is not None for key in model.state_dict())
        for source, layout in layouts.items()
    }
    best = max(fits, key=lambda source: fits[source])
    if not fits[best]:
        raise ValueError(
            f"{found.name}: expected weights of {model_name(model)} in the layout of "
            f"{' or '.join(layouts)}, got the keys {', '.join(list(found.tensors)[:3])}, ...; "
            "weights learned on ImageNet belong to load_backbone (--backbone)"
        )
    return layouts[best]


def _find(tensors: Mapping[str, Any], key: str, layout: Source | None) -> Tensor | None:
    """The tensor that stands for one of our keys."""
    value = tensors.get(translate_key(key, layout)[0][-1])
    return value if isinstance(value, Tensor) else None


# ------------------------------------------------------------------ classes


def _class_layers(model: nn.Module) -> dict[str, int]:
    """Keys of the tensors with a row for each prior and class, and their priors a cell."""
    found = {}
    for place in ("head", "odm"):
        head: Any = getattr(model, place, None)
        for i, level in enumerate(getattr(head, "logits", ())):
            last = [name for name, part in level.named_modules() if isinstance(part, nn.Conv2d)][-1]
            begin = f"{place}.logits.{i}." + (f"{last}." if last else "")
            for name in ("weight", "bias"):
                found[begin + name] = level.get_submodule(last).out_channels // head.num_classes
    return found


def _number_of_classes(heads: Mapping[str, int], theirs: Mapping[str, Tensor | None]) -> int | None:
    """K of the file, None where its heads stand for other priors."""
    for key, a in heads.items():
        rows, deltas = theirs[key], theirs[key.replace(".logits.", ".deltas.")]
        if rows is not None and deltas is not None and len(deltas) == 4 * a:
            if len(rows) % a == 0:
                return len(rows) // a
    return None


def _shared_rows(
    found: _Found, layout: Source | None, number: int | None, model: Any,
    ours: Sequence[str] | None,
) -> tuple[list[tuple[int, int]] | None, list[str]]:  # fmt: skip
    """(our label, its label in the file) of the classes that both know; what to say of it.

    None where the rows are the same classes in the same order, as far as anybody says.
    """
    notes = []
    if found.model not in (None, model_name(model)):
        notes.append(f"the file holds {found.model}, the model is {model_name(model)}")
    if number is None:
        return None, notes
    names = found.class_names
    published = SOURCES["torchvision"].get(model_name(model))
    if names is None and layout is not None and layout is published:
        names = _torchvision_names(number)
    if names is not None and ours is not None and len(names) == number:
        places = {_plain(name): label for label, name in enumerate(names) if label}
        same = [(label, places[_plain(name)]) for label, name in enumerate(ours)
                if label and _plain(name) in places]  # fmt: skip
        return [(0, 0), *same], notes
    who = "the model" if ours is None and names is not None else "the file"
    if number == model.config.num_classes:
        return None, [*notes, f"{who} does not name its classes: rows are taken in their order"]
    text = f"{who} does not name its classes: the background alone keeps its rows"
    return [(0, 0)], [*notes, text]


def _torchvision_names(number: int) -> list[str] | None:
    """What the labels of torchvision's SSD300 mean; those without a class are called N/A."""
    from torchvision.models.detection import SSD300_VGG16_Weights

    names = list(SSD300_VGG16_Weights.COCO_V1.meta["categories"])
    return names if len(names) == number else None


def _plain(name: str) -> str:
    return SAME_NAMES.get(name.strip().lower(), name.strip().lower())


def _mix_rows(own: Tensor, theirs: Tensor, a: int, rows: Sequence[tuple[int, int]]) -> Tensor:
    """Our tensor with the rows of shared classes of theirs; ``(A*K, ...)``, prior first."""
    mixed = own.clone().unflatten(0, (a, -1))  # (A, K, ...)
    given = theirs.to(own).unflatten(0, (a, -1))  # (A, M, ...)
    for label, place in rows:
        mixed[:, label] = given[:, place]
    return mixed.flatten(0, 1)


# ------------------------------------------------------------------ what is refused


def _check_enough(
    model: nn.Module, state: Mapping[str, Tensor], heads: Iterable[str], found: _Found
) -> None:
    """Refuse another network, and what is no number."""
    places = {key.partition(".")[0] for key in heads} or {"head"}
    body = {
        key: value.numel()
        for key, value in model.state_dict().items()
        if key.partition(".")[0] not in places
    }
    fits = sum(numbers for key, numbers in body.items() if key in state)
    if fits < LEAST * sum(body.values()):
        raise ValueError(
            f"{found.name}: expected a detector with the layers of {model_name(model)}, got "
            f"{found.model or 'another network'}: {fits:,} of {sum(body.values()):,} numbers "
            "before the heads fit"
        )
    bad = [key for key, value in state.items() if not value.sum(dtype=torch.float64).isfinite()]
    if bad:
        raise ValueError(f"{found.name}: not all numbers are finite in {', '.join(bad[:8])}")
