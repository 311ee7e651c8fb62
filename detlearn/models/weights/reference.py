"""A whole model, or its HRNet, filled with the weights of a published implementation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar, overload

from torch import nn

from .files import open_state_dict
from .layout import Source, load_strictly, model_name, translate_key
from .published import SOURCES

Model = TypeVar("Model", bound=nn.Module)


class TrunkReport(NamedTuple):
    """What became of a trunk's weights, see `load_reference_weights` and `load_backbone`.

    Attributes:
        loaded: our keys that the checkpoint filled.
        untouched: our other keys, which stay as they were.
        unused: keys of the checkpoint that the trunk has no place for.
        notes: what else there is to say, a sentence each.
    """

    loaded: tuple[str, ...]
    untouched: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.loaded)} tensors loaded\n"
            f"{len(self.untouched)} not in the checkpoint, left as they were: "
            f"{_families(self.untouched)}\n"
            f"{len(self.unused)} of the checkpoint not used: {_families(self.unused)}"
            + "".join(f"\n{note}" for note in self.notes)
        )


def _families(keys: tuple[str, ...]) -> str:
    """The first two names of every key, each once."""
    return ", ".join(dict.fromkeys(".".join(key.split(".")[:2]) for key in keys)) or "none"


@overload
def load_reference_weights(
    model: Model,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: Literal[False] = False,
) -> Model: ...


@overload
def load_reference_weights(
    model: Model,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: Literal[True],
) -> TrunkReport: ...


def load_reference_weights(
    model: Model,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: bool = False,
) -> Model | TrunkReport:
    """Fill a model, or its VGG-16 alone, with the weights of a published implementation.

    torchvision's own weights, where there is a network::

        from torchvision.models.detection import SSD300_VGG16_Weights as W
        load_reference_weights(model, W.COCO_V1.get_state_dict(), source="torchvision")

    The file from which most PyTorch detectors on VGG-16 start their training (`load_backbone`
    does the same, and minds the pixels)::

        load_reference_weights(model.backbone, "vgg16_reducedfc.pth", "amdegroot/ssd.pytorch")

    Args:
        model: what `create_model` made, with the class count of the checkpoint; or a `VGG16`.
        state_dict_or_path: the checkpoint's dict, or a file: ``.safetensors``, or what
            ``torch.save`` wrote, as long as it holds nothing but tensors and plain data.  A
            state dict inside ``"model"``, ``"state_dict"`` or ``"model_state_dict"`` and the
            prefix ``"module."`` of a parallel model are unpacked.
        source: the repository that published it, one of `SOURCES`.
        trunk_only: fill the HRNet inside the model and nothing else, from a checkpoint that may
            hold more: a trunk trained on ImageNet begins a pose network that way.

    Returns:
        The same model; with ``trunk_only`` a `TrunkReport`, whose text says what was loaded,
        what was not there, and what was not used.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if the source does not fit the model, the file cannot be read, or keys do
            not match: all that are missing, unexpected or of another shape at once.  The
            model is then unchanged.
    """
    trunk = _trunk_of(model) if trunk_only else None
    layout = find_source(model, source, trunk_only)
    theirs, name = open_state_dict(state_dict_or_path)
    if trunk is not None:
        return _load_trunk(model, *trunk, theirs, name, layout)
    load_strictly(model, theirs, name, layout)
    return model


def _load_trunk(
    model: nn.Module, trunk: nn.Module, place: str, tensors: Mapping[str, Any], name: str,
    layout: Source,
) -> TrunkReport:  # fmt: skip
    """Fill the trunk at a place of the model; all of it, or nothing."""
    own = trunk.state_dict()
    wanted = [one for key in own for one in translate_key(key, layout)[0]]
    load_strictly(trunk, {key: tensors[key] for key in wanted if key in tensors}, name, layout)
    loaded = tuple(place + key for key in own)
    return TrunkReport(
        loaded=loaded,
        untouched=tuple(key for key in model.state_dict() if key not in set(loaded)),
        unused=tuple(key for key in tensors if key not in set(wanted)),
    )


def _trunk_of(model: nn.Module) -> tuple[nn.Module, str]:
    """The HRNet inside a model, and the beginning of its keys."""
    for place in ("", "trunk", "backbone.trunk"):
        with contextlib.suppress(AttributeError):
            part = model.get_submodule(place)
            if type(part).__name__ == "HRNet":
                return part, f"{place}." if place else ""
    raise ValueError(f"trunk_only: expected a model with HRNet in it, got {model_name(model)}")


def find_source(model: nn.Module, source: str, trunk_only: bool = False) -> Source:
    """The layout in which a source publishes a model, or a `ValueError` that says what fits."""
    name = "HRNet" if trunk_only else model_name(model)
    if not isinstance(source, str) or source not in SOURCES:
        raise ValueError(f"source: expected one of {', '.join(SOURCES)}, got {source!r}")
    if name not in SOURCES[source] and list(SOURCES[source]) == ["HRNet"]:
        raise ValueError(
            f"source: {source} has weights for HRNet's trunk alone, not for {name}; "
            "trunk_only=True loads those"
        )
    if name not in SOURCES[source]:
        backbone = getattr(model, "backbone", None)
        if backbone is not None and type(backbone).__name__ in SOURCES[source]:
            raise ValueError(
                f"source: {source} has weights for the backbone alone, not for {name}: "
                "load_backbone(model, ...)"
            )
        fitting = [known for known, models in SOURCES.items() if name in models]
        raise ValueError(
            f"source: {source} has weights for {', '.join(SOURCES[source])}, not for {name}; "
            f"for {name} there is {', '.join(fitting) or 'no source'}"
        )
    layout = SOURCES[source][name]
    return layout if layout.adapt is None else layout.adapt(model.config)
