"""Models by name, and models as files."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..boxes import PriorConfig
from ..files import write_atomically
from .blazeface import BLAZEFACE, BlazeFace
from .detector import Detector
from .hrnet import (
    HRNETV2P_W18,
    HRNETV2P_W32,
    HRNETV2P_W40,
    POSE_HRNET_TINY,
    POSE_HRNET_W32,
    POSE_HRNET_W48,
    HRNetV2p,
    HRNetV2pConfig,
    PoseHRNet,
)
from .m2det import (
    M2DET320_RESNET101,
    M2DET320_VGG16,
    M2DET512_RESNET50,
    M2DET512_RESNET101,
    M2DET512_VGG16,
    M2DET704_VGG16,
    M2DET800_VGG16,
    M2DET_TINY,
    M2Det,
)
from .reference_weights import compare_strictly, load_strictly, read_tensors
from .refinedet import REFINEDET320_VGG16, REFINEDET512_VGG16, REFINEDET_TINY, RefineDet
from .ssd import (
    SSD,
    SSD300_RESNET50,
    SSD300_VGG16,
    SSD512_VGG16,
    SSD_HRNET_TINY,
    SSD_HRNETV2P_W18,
    SSD_TINY,
    SSDLITE300_MOBILENET_V2,
    ExtraLayer,
)

__all__ = ["create_model", "list_models", "load_model", "save_model"]


class ZooEntry(NamedTuple):
    """A preset, and the class that builds a network of it."""

    config: Any
    build: Callable[[Any], Any]


ZOO: dict[str, ZooEntry] = {
    config.name: ZooEntry(config, build)
    for config, build in (
        (SSD300_VGG16, SSD),
        (SSD512_VGG16, SSD),
        (SSD300_RESNET50, SSD),
        (SSDLITE300_MOBILENET_V2, SSD),
        (SSD_TINY, SSD),
        (REFINEDET320_VGG16, RefineDet),
        (REFINEDET512_VGG16, RefineDet),
        (REFINEDET_TINY, RefineDet),
        (M2DET320_VGG16, M2Det),
        (M2DET512_VGG16, M2Det),
        (M2DET704_VGG16, M2Det),
        (M2DET800_VGG16, M2Det),
        (M2DET320_RESNET101, M2Det),
        (M2DET512_RESNET101, M2Det),
        (M2DET512_RESNET50, M2Det),
        (M2DET_TINY, M2Det),
        (POSE_HRNET_W32, PoseHRNet),
        (POSE_HRNET_W48, PoseHRNet),
        (POSE_HRNET_TINY, PoseHRNet),
        (HRNETV2P_W18, HRNetV2p),
        (HRNETV2P_W32, HRNetV2p),
        (HRNETV2P_W40, HRNetV2p),
        (SSD_HRNETV2P_W18, SSD),
        (SSD_HRNET_TINY, SSD),
        (BLAZEFACE, BlazeFace),
    )
}
"""Every model of the course.  A new one is one line here."""


def list_models() -> list[str]:
    """Names that `create_model` knows, in the order of the course.

    Returns:
        The names.

    >>> list_models()[0]
    'ssd300_vgg16'
    """
    return list(ZOO)


def create_model(name: str, **overrides: Any) -> Any:
    """A network of the course with random weights; nothing is downloaded.

    Args:
        name: one of `list_models`.
        overrides: fields of the model's config that differ from its preset, for instance
            ``num_classes=21`` (the background counts).

    Returns:
        The network, in training mode, on the default device: a `Detector`, for
        ``"pose_hrnet_*"`` a `PoseHRNet`, for ``"hrnetv2p_*"`` the pyramid alone, `HRNetV2p`.

    Raises:
        ValueError: if there is no such model or no such field, or a value does not fit.

    >>> create_model("ssd_tiny", num_classes=3).config.num_classes
    3
    >>> create_model("ssd_tiny", classes=3)
    Traceback (most recent call last):
        ...
    ValueError: classes: ssd_tiny has no such setting; did you mean num_classes?
    """
    entry = _entry(name)
    fields = [field.name for field in dataclasses.fields(entry.config) if field.name != "name"]
    for key in overrides:
        if key in ("weights", "pretrained", "weights_backbone"):
            raise ValueError(
                f"{key}: create_model never downloads and starts with random weights; "
                "load_model reads a file of ours, load_reference_weights a published one, "
                "load_backbone ImageNet's for its backbone"
            )
        if key not in fields:
            raise ValueError(f"{key}: {name} has no such setting; {_suggest(key, fields)}")
    values = {key: _thaw(key, value) for key, value in overrides.items()}
    return entry.build(dataclasses.replace(entry.config, **values))


def save_model(
    model: Detector | PoseHRNet | HRNetV2p,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model to a safetensors file that `load_model` understands without help.

    The file appears under its name only when it is complete: a crash or a full disk leaves
    what was there before.

    Args:
        model: a model of `create_model`.
        path: the file, by custom with the suffix ``.safetensors``.  Its folder is made if
            there is none.
        metadata: texts to keep with it (how it was trained, what it scores).  ``"model"`` and
            ``"overrides"`` are written by us; ``"class_names"`` is a JSON list and by default
            that of ``model.class_names``.

    Raises:
        ValueError: if the metadata are no texts, use a name of ours, or name other than
            ``num_classes`` classes.
    """
    import safetensors.torch

    if not isinstance(model, Detector | PoseHRNet | HRNetV2p) or model.config.name not in ZOO:
        raise ValueError(f"model: expected one of create_model, got {type(model).__name__}")
    config = model.config
    entry = ZOO[config.name]
    overrides = {
        field.name: _freeze(getattr(config, field.name))
        for field in dataclasses.fields(entry.config)
        if getattr(config, field.name) != getattr(entry.config, field.name)
    }
    texts = dict(metadata or {})
    for key, value in texts.items():
        if key in ("model", "overrides") or not isinstance(key, str):
            raise ValueError(f"metadata: the key {key!r} is not free")
        if not isinstance(value, str):
            raise ValueError(f"metadata[{key!r}]: expected a text, got {type(value).__name__}")
    if "class_names" in texts:
        _parse_class_names(texts["class_names"], model, "metadata['class_names']")
    elif model.class_names is not None:
        texts["class_names"] = json.dumps(list(model.class_names))
        _parse_class_names(texts["class_names"], model, "model.class_names")
    texts |= {"model": config.name, "overrides": json.dumps(overrides)}
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    content = safetensors.torch.save(tensors, texts)
    write_atomically(Path(path), _sort_metadata(content))


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a file of `save_model`: the network it names, its settings, weights and class names.

    Args:
        path: the file.

    Returns:
        The network, in eval mode, on the CPU.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it is damaged, or not one of `save_model`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "tiny.safetensors")
    ...     save_model(create_model("ssd_tiny", num_classes=3), file)
    ...     load_model(file).config.num_classes
    3
    """
    path = Path(path)
    tensors, metadata = read_tensors(path)
    if not {"model", "overrides"} <= metadata.keys():
        raise ValueError(
            f"{path}: expected a file of save_model, which says what model it holds; for weights "
            "of a published repository there is load_reference_weights(model, path, source=...)"
        )
    try:
        overrides = _parse_json(metadata["overrides"])
        if not isinstance(overrides, dict):
            raise ValueError(
                f"overrides: expected a JSON object, got {metadata['overrides'][:60]!r}"
            )
        # Shapes first: settings that somebody made up must not ask for all the memory there is.
        with torch.device("meta"):
            draft = create_model(metadata["model"], **overrides)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    compare_strictly(draft, tensors, str(path))
    try:
        model = create_model(metadata["model"], **overrides)
    except (RuntimeError, MemoryError) as error:
        raise ValueError(f"{path}: there is no memory for {metadata['overrides'][:60]}") from error
    if "class_names" in metadata:
        model.class_names = _parse_class_names(
            metadata["class_names"], model, f"{path}: class_names"
        )
    load_strictly(model, tensors, str(path))
    return model.eval()


def _sort_metadata(content: bytes) -> bytes:
    """The same safetensors file with its metadata in order: the same model, the same bytes.

    The library writes them in the random order of a hash table.  The file begins with the
    length of its header (8 bytes, little-endian), then comes the header, JSON.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def _entry(name: str) -> ZooEntry:
    if not isinstance(name, str) or name not in ZOO:
        raise ValueError(f"{name!r}: there is no such model; {_suggest(str(name), list(ZOO))}")
    return ZOO[name]


def _suggest(word: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(choices)}"


def _freeze(value: Any) -> Any:
    """A config's value as JSON has it: a layout of priors, or a trunk, becomes a dict."""
    nested = isinstance(value, PriorConfig | HRNetV2pConfig)
    return dataclasses.asdict(value) if nested else value


def _thaw(key: str, value: Any) -> Any:
    """The reverse: what JSON made of a config's value, as the config has it."""
    try:
        if isinstance(value, dict):
            kind = HRNetV2pConfig if key == "hrnet" else PriorConfig
            return kind(**{name: _tuples(entry) for name, entry in value.items()})
        if key == "extras":
            return tuple(ExtraLayer(*numbers) for numbers in value)
    except TypeError as error:  # a field too many, or too few
        raise ValueError(f"{key}: {value!r} does not fit ({error})") from error
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _parse_json(text: str) -> Any:
    """What a text says; None for what is no JSON, or nested so deep that it was made to harm."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_class_names(
    text: str, model: Detector | PoseHRNet | HRNetV2p, name: str
) -> tuple[str, ...]:
    if not isinstance(model, Detector):
        raise ValueError(f"{name}: {model.config.name} knows no classes")
    names = _parse_json(text)
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ValueError(f"{name}: expected a JSON list of names, got {text[:60]!r}")
    if len(names) != model.config.num_classes:
        raise ValueError(
            f"{name}: expected {model.config.num_classes} names, the background's first, "
            f"got {len(names)}"
        )
    return tuple(names)
