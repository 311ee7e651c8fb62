"""Models by name."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

from .blazeface import BLAZEFACE, BlazeFace
from .config_json import from_json
from .hrnet import (
    HRNETV2P_W18,
    HRNETV2P_W32,
    HRNETV2P_W40,
    POSE_HRNET_TINY,
    POSE_HRNET_W32,
    POSE_HRNET_W48,
    HRNetV2p,
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
)

__all__ = ["ZOO", "ZooEntry", "create_model", "list_models"]


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
    values = {key: from_json(entry.config, key, value) for key, value in overrides.items()}
    return entry.build(dataclasses.replace(entry.config, **values))


def _entry(name: str) -> ZooEntry:
    if not isinstance(name, str) or name not in ZOO:
        raise ValueError(f"{name!r}: there is no such model; {_suggest(str(name), list(ZOO))}")
    return ZOO[name]


def _suggest(word: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(choices)}"
