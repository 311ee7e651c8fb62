"""A model's backbone filled with weights learned on ImageNet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .files import open_state_dict
from .layout import Pixels, Source, load_strictly, model_name, translate_key
from .published import SOURCES
from .reference import TrunkReport


def load_backbone(
    model: nn.Module,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str | None = None,
) -> TrunkReport:
    """Fill a model's backbone, and nothing else, with weights learned on ImageNet.

    Every published recipe starts so.  The files, which nothing here downloads:

    * VGG-16 (SSD, RefineDet, M2Det): ``vgg16_reducedfc.pth``, or torchvision's
      ``vgg16-397923af.pth``, whose fc6 and fc7 are thinned out by
      `detlearn.models.vgg16_reduced_from_torchvision`.
    * ResNet (SSD, M2Det) and MobileNetV2 (SSDLite): torchvision's.
    * HRNet (pose networks, pyramids, SSD): the trunks of
      leoxiaobin/deep-high-resolution-net.pytorch and timm, or that of a detector of
      HRNet/HRNet-Object-Detection.

    A classifier's last layers are left out.  Where the file learned from other pixels than
    ``model.normalize`` gives, the first layer is refitted: on the same picture it then says what
    it said there, except at the border, where the padding stands for each one's own mean colour.

    Args:
        model: what `create_model` made, with any number of classes.
        state_dict_or_path: as in `load_reference_weights`.
        source: the layout, one of `SOURCES`; None recognises it from the keys.

    Returns:
        a report, whose text says what was loaded, what was left as it was, what of the file was
        not used, and whether the first layer was refitted.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if no backbone is published for the model, the file cannot be read, is of no
            known layout, holds NaN, or its keys do not match: all that are missing, unexpected
            or of another shape at once.  The model is then unchanged.

    **Deviation:** VDIGPKU/M2Det feeds torchvision's ResNets pixels that they have never seen (BGR,
    0 to 255).  Whether ``vgg16_reducedfc.pth`` wants RGB or BGR is not known: both are in use, and
    the model's own order is kept.

    >>> import torchvision
    >>> from detlearn import create_model
    >>> model = create_model("ssdlite300_mobilenet_v2", num_classes=5)
    >>> classifier = torchvision.models.mobilenet_v2(weights=None).state_dict()
    >>> print(load_backbone(model, classifier))  # doctest: +ELLIPSIS
    312 tensors loaded
    180 not in the checkpoint, left as they were: extras.0, ..., head.logits, head.deltas
    2 of the checkpoint not used: classifier.1
    layout: torchvision
    """
    part, place = _backbone_of(model)
    layouts = _layouts_of(part)
    if source is not None and source not in layouts:
        raise ValueError(
            f"source: for {type(part).__name__}, the backbone of {model_name(model)}, expected one "
            f"of {', '.join(layouts)}, got {source!r}"
        )
    theirs, name = open_state_dict(state_dict_or_path)
    sources = (source,) if source is not None else _recognise(part, layouts, theirs, name)
    layout = layouts[sources[0]]
    own = part.state_dict()
    wanted = {one for key in own for one in translate_key(key, layout)[0]}
    for key in wanted - theirs.keys():
        if key.endswith(".num_batches_tracked"):  # not yet counted when some of the files were made
            theirs[key] = torch.tensor(0)
    bad = [
        key
        for key, value in theirs.items()
        if isinstance(value, Tensor)
        and key in wanted
        and not value.cpu().sum(dtype=torch.float64).isfinite()
    ]
    if bad:
        raise ValueError(f"{name}: not all numbers are finite in {', '.join(bad)}")
    load_strictly(part, theirs, name, layout)
    notes = ["layout: " + " or ".join(sources)]
    if layout.pixels is not None and (refitted := _refit_first_layer(model, part, layout.pixels)):
        notes.append(refitted)
    return TrunkReport(
        loaded=tuple(place + key for key in own),
        untouched=tuple(key for key in model.state_dict() if not key.startswith(place)),
        unused=tuple(key for key in theirs if key not in wanted),
        notes=tuple(notes),
    )


def _layouts_of(part: nn.Module) -> dict[str, Source]:
    """Sources that have weights for a backbone."""
    kind = type(part).__name__
    return {source: models[kind] for source, models in SOURCES.items() if kind in models}


def _backbone_of(model: nn.Module) -> tuple[nn.Module, str]:
    """The part of a model that has published weights, and the beginning of its keys."""
    name = model_name(model)
    if name.endswith("_tiny"):
        raise ValueError(
            f"{name}: there is no published backbone for it; the tiny models are ours and learn "
            "from nothing"
        )
    for place in ("trunk", "backbone.trunk", "backbone"):
        with contextlib.suppress(AttributeError):
            part = model.get_submodule(place)
            if _layouts_of(part):
                return part, f"{place}."
    kind = type(getattr(model, "backbone", model)).__name__
    raise ValueError(f"{name}: no published weights are known for its backbone, {kind}")


def _recognise(
    part: nn.Module, layouts: Mapping[str, Source], tensors: Mapping[str, Any], name: str
) -> tuple[str, ...]:
    """The sources whose layout the keys come nearest to; several where it is the same."""
    found = {
        source: sum(
            one in tensors for key in part.state_dict() for one in translate_key(key, layout)[0]
        )
        for source, layout in layouts.items()
    }
    most = max(found.values())
    if most == 0:
        raise ValueError(
            f"{name}: expected weights of {type(part).__name__} in the layout of "
            f"{' or '.join(layouts)}, got the keys {', '.join(map(str, list(tensors)[:3]))}, ..."
        )
    return tuple(source for source, number in found.items() if number == most)


def _refit_first_layer(model: Any, part: nn.Module, theirs: Pixels) -> str | None:
    """Make a backbone that was trained on other pixels understand those of the model.

    With u our input and ``gain * u + shift`` theirs, a convolution's answer to theirs is that of
    the weights ``w * gain`` to ours, and a constant.  A bias takes the constant.  So does the
    running mean of a BatchNorm; and there the weights keep their size, and thereby their pace of
    learning, since the running statistics can be scaled instead.

    Returns:
        what was done; None for nothing.
    """
    if not hasattr(model, "image_mean"):  # a pyramid alone is given normalised images
        return None
    config = model.config
    ours = Pixels(config.image_mean, config.image_std, getattr(config, "channel_order", "rgb"))
    their_std = torch.tensor(theirs.std, dtype=torch.float64)
    gain = torch.tensor(ours.std) / their_std  # (3,)
    shift = (torch.tensor(ours.mean) - torch.tensor(theirs.mean)) / their_std  # (3,)
    swapped = theirs.order not in (None, ours.order)
    if not swapped and max((gain - 1).abs().max(), shift.abs().max()) < 1e-3:
        return None
    conv: Any
    norm: Any
    conv, norm = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)][:2]
    if ours.order == "bgr":
        gain, shift = gain.flip(0), shift.flip(0)
    with torch.no_grad():
        weight = conv.weight.cpu().double()  # (C, 3, H, W)
        if swapped:
            weight = weight.flip(1)  # (C, 3, H, W)
        constant = (weight * shift[:, None, None]).sum((1, 2, 3))  # (C,)
        weight = weight * gain[:, None, None]  # (C, 3, H, W)
        if conv.bias is not None:
            conv.bias.copy_(conv.bias.cpu() + constant)
        else:
            scale = 1 / gain.mean()
            weight = weight * scale  # (C, 3, H, W)
            mean, variance = norm.running_mean.cpu(), norm.running_var.cpu()  # (C,)
            norm.running_mean.copy_(scale * (mean - constant))
            norm.running_var.copy_(scale**2 * (variance + norm.eps) - norm.eps)
        conv.weight.copy_(weight)
    return f"first layer refitted from pixels of {theirs} to {ours}"
