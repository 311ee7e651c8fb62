"""Our own files: a network, its config, weights and class names in one safetensors file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...files import write_atomically
from ..config_json import to_json
from ..detector import Detector
from ..hrnet import (
    HRNetV2p,
    PoseHRNet,
)
from ..zoo import ZOO, create_model
from .files import read_tensors
from .layout import compare_strictly, load_strictly


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
            that of ``model.class_names``, ``"joint_names"`` likewise.

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
        field.name: to_json(getattr(config, field.name))
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
    if isinstance(model, PoseHRNet) and model.joint_names is not None:
        texts.setdefault("joint_names", json.dumps(list(model.joint_names)))
    if "joint_names" in texts:
        _parse_joint_names(texts["joint_names"], model, "joint_names")
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
    if "joint_names" in metadata:
        model.joint_names = _parse_joint_names(
            metadata["joint_names"], model, f"{path}: joint_names"
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


def _parse_json(text: str) -> Any:
    """What a text says; None for what is no JSON, or nested so deep that it was made to harm."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_joint_names(text: str, model: Any, name: str) -> tuple[str, ...]:
    names = _parse_json(text)
    if not isinstance(model, PoseHRNet):
        raise ValueError(f"{name}: {model.config.name} knows no key points")
    joints = model.config.num_joints
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ValueError(f"{name}: expected a JSON list of names, got {text[:60]!r}")
    if len(names) != joints:
        raise ValueError(f"{name}: expected {joints} names, got {len(names)}")
    return tuple(names)


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
