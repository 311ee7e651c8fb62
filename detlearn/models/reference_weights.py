"""Checkpoints of the published repositories, in their own key layout.

A source is a short list of `Rule`s: how *our* key is called *there*, and whether numbers
change places on the way.  Everything else is done once, below: unpacking, comparing, naming
everything that is wrong, and loading.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .detector import Detector

__all__ = ["SOURCES", "Rule", "Source", "load_reference_weights", "read_tensors"]


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


@dataclass(frozen=True, slots=True)
class Source:
    """A published layout of one of our models.

    Attributes:
        rules: each of our keys is translated by the first rule that matches it.
        dead: regular expressions of keys that the source holds but never uses; dropped.
    """

    rules: tuple[Rule, ...]
    dead: tuple[str, ...] = ()


def prior_first(values: Tensor, numbers: int) -> Tensor:
    """Reorder a head from coordinate (or class) first, prior second, to prior first.

    uvipen/SSD-pytorch reads channel ``c * A + a`` as number c of prior a, we ``a * K + c``.

    Args:
        values: ``(K*A, ...)``, weight or bias of a convolution.
        numbers: K, four coordinates or the classes.

    Returns:
        ``(A*K, ...)``.

    >>> prior_first(torch.arange(8), 4)  # x of both priors, y of both priors, w, h
    tensor([0, 2, 4, 6, 1, 3, 5, 7])
    """
    split = values.unflatten(0, (numbers, -1))  # (K, A, ...)
    return split.transpose(0, 1).flatten(0, 1)


def _box_head(values: Tensor, model: Any) -> Tensor:
    return prior_first(values, 4)


def _class_head(values: Tensor, model: Any) -> Tensor:
    return prior_first(values, model.config.num_classes)


_UVIPEN_RESNET50 = Source(
    (
        # Upstream keeps the ResNet's children in a Sequential, which numbers them.
        *(
            Rule(rf"backbone\.{ours}\.(.+)", rf"feature_extractor.feature_extractor.{number}.\1")
            for number, ours in (
                (0, "conv1"),
                (1, "bn1"),  # 2 and 3 are ReLU and pooling
                (4, "layer1"),
                (5, "layer2"),
                (6, "layer3"),
            )
        ),
        Rule(r"extras\.(\d+)\.narrow\.conv\.(.+)", r"additional_blocks.\1.0.\2"),
        Rule(r"extras\.(\d+)\.narrow\.bn\.(.+)", r"additional_blocks.\1.1.\2"),
        Rule(r"extras\.(\d+)\.shrink\.conv\.(.+)", r"additional_blocks.\1.3.\2"),
        Rule(r"extras\.(\d+)\.shrink\.bn\.(.+)", r"additional_blocks.\1.4.\2"),
        Rule(r"head\.deltas\.(\d+)\.(.+)", r"loc.\1.\2", _box_head),
        Rule(r"head\.logits\.(\d+)\.(.+)", r"conf.\1.\2", _class_head),
    )
)

_UVIPEN_SSDLITE = Source(
    (
        Rule(r"backbone\.features\.(.+)", r"feature_extractor.feature_extractor.\1"),
        Rule(r"extras\.(.+)", r"additional_blocks.\1"),
        *(
            Rule(rf"head\.{ours}\.(\d+)\.{layer}\.(.+)", rf"{theirs}.\1.{number}.\2", convert)
            for ours, theirs, reorder in (
                ("deltas", "loc", _box_head),
                ("logits", "conf", _class_head),
            )
            for number, layer, convert in (
                (0, "depthwise", None),
                (1, "bn", None),
                (3, "pointwise", reorder),
            )
        ),
    ),
    # A seventh head for six maps: built, saved, never called.
    dead=(r"(loc|conf)\.6\.(weight|bias)",),
)


def _vgg_rules() -> tuple[Rule, ...]:
    """torchvision numbers the layers of its Sequentials; Caffe's names say which they are."""
    rules, number = [], 0
    for block, convolutions in enumerate((2, 2, 3, 3), start=1):
        for conv in range(1, convolutions + 1):
            theirs = rf"backbone.features.{number}.\1"
            rules.append(Rule(rf"backbone\.layers\.conv{block}_{conv}\.(.+)", theirs))
            number += 2  # the convolution and its ReLU
        number += 1  # the pooling
    for conv in (1, 2, 3):  # block 5 follows pool4, as number 0, and shares its Sequential
        theirs = rf"backbone.extra.0.{2 * conv - 1}.\1"
        rules.append(Rule(rf"backbone\.layers\.conv5_{conv}\.(.+)", theirs))
    rules.append(Rule(r"backbone\.layers\.fc6\.(.+)", r"backbone.extra.0.7.1.\1"))
    rules.append(Rule(r"backbone\.layers\.fc7\.(.+)", r"backbone.extra.0.7.3.\1"))
    return tuple(rules)


_TORCHVISION_SSD300 = Source(
    (
        *_vgg_rules(),
        Rule(r"l2norm\.scale", "backbone.scale_weight"),
        # Its extra.0 is the end of the VGG; the extra layers proper start at 1.
        *(
            Rule(rf"extras\.{level}\.{layer}\.conv\.(.+)", rf"backbone.extra.{level + 1}.{n}.\1")
            for level in range(4)
            for n, layer in ((0, "narrow"), (2, "shrink"))
        ),
        Rule(r"head\.logits\.(.+)", r"head.classification_head.module_list.\1"),
        Rule(r"head\.deltas\.(.+)", r"head.regression_head.module_list.\1"),
    )
)

SOURCES: dict[str, dict[str, Source]] = {
    "uvipen/SSD-pytorch": {
        "ssd300_resnet50": _UVIPEN_RESNET50,
        "ssdlite300_mobilenet_v2": _UVIPEN_SSDLITE,
    },
    "torchvision": {"ssd300_vgg16": _TORCHVISION_SSD300},
}
"""Source, then name of our model."""


def load_reference_weights(
    model: Detector,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
) -> Detector:
    """Fill a model with the weights of a published implementation.

    torchvision's own weights, where there is a network::

        from torchvision.models.detection import SSD300_VGG16_Weights as W
        load_reference_weights(model, W.COCO_V1.get_state_dict(), source="torchvision")

    Args:
        model: what `create_model` made, with the class count of the checkpoint.
        state_dict_or_path: the checkpoint's dict, or a file: ``.safetensors``, or what
            ``torch.save`` wrote, as long as it holds nothing but tensors and plain data.  A
            state dict inside ``"model"``, ``"state_dict"`` or ``"model_state_dict"`` and the
            prefix ``"module."`` of a parallel model are unpacked.
        source: the repository that trained it, one of `SOURCES`.

    Returns:
        The same model.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if the source does not fit the model, the file cannot be read, or keys do
            not match: all that are missing, unexpected or of another shape at once.  The
            model is then unchanged.
    """
    layout = _find_source(model, source)
    if isinstance(state_dict_or_path, Mapping):
        name, checkpoint = "state dict", state_dict_or_path
    else:
        path = Path(state_dict_or_path)
        name, checkpoint = str(path), _read_checkpoint(path)
    theirs = _unpack(checkpoint, name)
    load_strictly(model, theirs, name, layout)
    return model


def load_strictly(
    model: Detector, tensors: Mapping[str, Any], name: str, layout: Source | None = None
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
    own = model.state_dict()
    loaded: dict[str, Tensor] = {}
    expected: set[str] = set()
    wrong: list[str] = []
    for key, tensor in own.items():
        names, convert = _translate(key, layout)
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
    problems = [
        f"{len(found)} {kind}: {', '.join(map(str, found))}"
        for kind, found in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of wrong shape or type", wrong),
        )
        if found
    ]
    if problems:
        raise ValueError(
            f"{name}: the weights do not fit {model.config.name}\n  " + "\n  ".join(problems)
        )
    model.load_state_dict(loaded, strict=True)


def _translate(
    key: str, layout: Source | None
) -> tuple[tuple[str, ...], Callable[[Tensor, Any], Tensor] | None]:
    if layout is None:
        return (key,), None
    for rule in layout.rules:
        match = re.fullmatch(rule.ours, key)
        if match:
            templates = (rule.theirs,) if isinstance(rule.theirs, str) else rule.theirs
            return tuple(match.expand(template) for template in templates), rule.convert
    raise ValueError(f"{key}: no rule of the source covers this key of ours")


def _find_source(model: nn.Module, source: str) -> Source:
    name = getattr(getattr(model, "config", None), "name", type(model).__name__)
    if source not in SOURCES:
        raise ValueError(f"source: expected one of {', '.join(SOURCES)}, got {source!r}")
    if name not in SOURCES[source]:
        fitting = [known for known, models in SOURCES.items() if name in models]
        raise ValueError(
            f"source: {source} has weights for {', '.join(SOURCES[source])}, not for {name}; "
            f"for {name} there is {', '.join(fitting) or 'no source'}"
        )
    return SOURCES[source][name]


# ---------------------------------------------------------------------- files


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: the file.

    Returns:
        Tensors by key, and the file's metadata.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it is none of its kind, or damaged.
    """
    import safetensors
    import safetensors.torch

    _check_file(path)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            return tensors, file.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path}: no complete safetensors file ({error})") from error


def _read_checkpoint(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    _check_file(path)
    try:
        # Tensors and plain containers only: a checkpoint must not be able to run code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the unpickler fail in any way
        first = str(error).strip().splitlines()
        raise ValueError(
            f"{path}: cannot be read as a checkpoint of tensors; it is damaged, no file of "
            f"torch.save, or holds Python objects, which are never executed here "
            f"({type(error).__name__}: {first[0][:200] if first else 'no message'})"
        ) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got a folder")


def _unpack(checkpoint: Any, name: str) -> dict[str, Any]:
    """The state dict inside a checkpoint, without the prefix of a parallel model."""
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{name}: expected a state dict, got {type(checkpoint).__name__}")
    if checkpoint and all(str(key).startswith("module.") for key in checkpoint):
        return {str(key).removeprefix("module."): value for key, value in checkpoint.items()}
    return dict(checkpoint)
