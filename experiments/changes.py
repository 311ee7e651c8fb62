"""Changes to a network that are no field of its config: made after it is built, by name.

A question such as "what if the negatives were drawn at random?" is asked once, by one experiment.
It does not belong into the package; so a `Variant` names one of `CHANGES`, and the network that
`detlearn.create_model` gave is changed in place.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detlearn.boxes import Targets, encode, make_targets, match
from detlearn.losses import multibox_loss, two_step_loss
from detlearn.models import PoseHRNet, RefineDetPredictions
from detlearn.models.backbones import TinyBackbone
from detlearn.models.hrnet import FuseLayer
from detlearn.models.m2det import SFAM, TUM, FFMv2
from detlearn.models.refinedet.network import stack_targets

__all__ = ["CHANGES", "change"]

Losses = dict[str, Tensor]


def change(model: Any, name: str) -> Any:
    """Change a network in place, and give it back; an empty name changes nothing.

    Raises:
        ValueError: no change of that name.

    >>> change("a network", "")
    'a network'
    """
    if not name:
        return model
    if name not in CHANGES:
        raise ValueError(f"change: expected one of {', '.join(CHANGES)}, got {name!r}")
    CHANGES[name](model)
    return model


def learns_by(loss: Callable[[Any, Any, Any], Losses]) -> Callable[[Any], None]:
    """The change that gives a network another loss."""

    def exchange(model: Any) -> None:
        model.loss = types.MethodType(loss, model)

    return exchange


def targets_of(
    model: Any, targets: Sequence[Mapping[str, Tensor]], batch: int, force: bool = True
) -> tuple[Tensor, Tensor]:
    """Labels ``(B, P)`` and deltas ``(B, P, 4)``; without ``force`` some objects have no prior."""
    config, labels, deltas = model.config, [], []
    for boxes, classes in model.check_targets(targets, batch):
        of = match(
            boxes, model.priors, config.match_threshold, config.match_inclusive, force
        ).gt_index  # (P,)
        positive = of >= 0  # (P,)
        label, delta = torch.zeros_like(of), torch.zeros_like(model.priors)  # (P,), (P, 4)
        label[positive] = classes[of[positive]].to(torch.int64)
        delta[positive] = encode(boxes[of[positive]], model.priors[positive], config.box_scales)
        labels.append(label)
        deltas.append(delta)
    return torch.stack(labels), torch.stack(deltas)  # (B, P), (B, P, 4)


def not_forced(model: Any, predictions: Any, targets: Any) -> Losses:
    """SSD's loss without the rule that the best prior of an object takes it, whatever the IoU."""
    labels, deltas = targets_of(model, targets, len(predictions.logits), force=False)
    return multibox_loss(
        predictions.logits, predictions.deltas, labels, deltas,
        negative_ratio=model.config.negative_ratio
    )  # fmt: skip


def random_negatives(model: Any, predictions: Any, targets: Any) -> Losses:
    """SSD's loss with as many negatives as usual, drawn from all of them, not the hardest."""
    labels, deltas = targets_of(model, targets, len(predictions.logits))
    wanted = (labels > 0).sum(dim=1, keepdim=True) * model.config.negative_ratio  # (B, 1)
    lot = torch.rand(labels.shape).masked_fill(labels > 0, 2.0)  # (B, P)
    place = lot.argsort(dim=1).argsort(dim=1)  # (B, P)
    labels = labels.masked_fill((labels == 0) & (place >= wanted), -1)  # the others are ignored
    return multibox_loss(predictions.logits, predictions.deltas, labels, deltas, negative_ratio=1e9)


def mean_over_priors(model: Any, predictions: Any, targets: Any) -> Losses:
    """SSD's loss with all negatives, its classification a mean over all priors."""
    labels, deltas = targets_of(model, targets, len(predictions.logits))
    losses = multibox_loss(
        predictions.logits, predictions.deltas, labels, deltas, negative_ratio=1e9
    )
    positives = (labels > 0).sum().clamp(min=1)
    losses["classification"] = losses["classification"] * positives / labels.numel()
    return losses


def odm_matched_at(threshold: float) -> Callable[[Any, Any, Any], Losses]:
    """RefineDet's loss with a threshold of its own for the refined anchors.

    They overlap their objects better than the priors do, so the priors' threshold lets many more of
    them answer for an object.
    """

    def loss(model: Any, predictions: RefineDetPredictions, targets: Any) -> Losses:
        config = model.config
        arm: list[Targets] = []
        odm: list[Targets] = []
        anchors = model.anchors(predictions.arm_deltas.detach().float())  # (B, P, 4)
        checked = model.check_targets(targets, len(anchors))
        for (boxes, labels), image_anchors in zip(checked, anchors, strict=True):
            for matched, start, least in (
                (arm, model.priors, config.match_threshold), (odm, image_anchors, threshold)
            ):  # fmt: skip
                matched.append(
                    make_targets(
                        boxes, labels, start, threshold=least, scales=config.box_scales,
                        eps=config.encode_eps,
                    )
                )  # fmt: skip
        return two_step_loss(
            *predictions, stack_targets(arm), stack_targets(odm),
            negative_ratio=config.negative_ratio, negative_filter=config.negative_filter,
            objectness_threshold=config.objectness_threshold,
        )  # fmt: skip

    return loss


def share_gates(model: Any) -> None:
    """M2Det: one pair of layers in SFAM for all scales, as released, instead of one for each."""
    config = model.config
    model.mlfpn.sfam = SFAM(
        model.mlfpn.out_channels, config.num_scales, config.compress_ratio, shared=True
    )


class Forgetful(FFMv2):
    """A FFMv2 that hands on the previous TUM's map, and nothing of the base feature."""

    def forward(self, base: Tensor, previous: Tensor | None = None) -> Tensor:
        """The map for the next TUM: of the same shape, its part of the base feature all zero."""
        thin = torch.zeros_like(self.leach(base))  # (B, C, H, W)
        return thin if previous is None else torch.cat([thin, previous], dim=1)


def forget_the_base(model: Any) -> None:
    """M2Det: only the first TUM sees the base feature (a plain stack of TUMs)."""
    for later in model.mlfpn.ffm2[1:]:
        later.__class__ = Forgetful


def twelve_channels_of_the_base(model: Any) -> None:
    """M2Det: the first TUM reads 12 channels of the base feature, whatever its own width."""
    config, mlfpn = model.config, model.mlfpn
    mlfpn.ffm2[0] = FFMv2(mlfpn.ffm1.out_channels, 12)
    mlfpn.tums[0] = TUM(12, config.planes, config.num_scales, config.tum, config.smooth)
    model.init_weights()


class Repeating(TinyBackbone):
    """A tiny backbone that gives out a map as often as the layout of the priors names its side."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """One map for each level."""
        maps, own = super().forward(images), sorted(set(self.taps))
        return [maps[own.index(tap)] for tap in self.taps]


def repeat_maps(model: Any) -> None:
    """SSD: several levels of the layout may stand on one map."""
    model.backbone.__class__ = Repeating


def one_bias_a_sum(model: Any) -> None:
    """HRNet: of the BatchNorm biases that a fuse matrix sums, all but one stay 0.

    The network can express what it could before, and an optimiser that gives each bias the same
    step no longer moves the sum several times as far.
    """
    for module in model.modules():
        for row in getattr(module, "fuse", ()):
            norms = [
                [one for one in cell.modules() if isinstance(one, nn.BatchNorm2d)] for cell in row
            ]
            for last in [found[-1] for found in norms if found][1:]:
                nn.init.zeros_(last.bias).requires_grad_(False)


class FromOneBranch(PoseHRNet):
    """A pose network whose head reads another branch than the finest."""

    def forward(self, crops: Tensor) -> Tensor:
        """Heat maps (B, J, H/4, W/4), enlarged where the branch is coarser."""
        (maps,) = self.trunk(crops)
        side = tuple(length // 4 for length in crops.shape[-2:])
        return F.interpolate(self.head(maps), size=side, mode="bilinear", align_corners=False)


def heat_maps_from(branch: int) -> Callable[[Any], None]:
    """The change that lets the head of a pose network read one branch, counted from 1.

    The last exchange gathers what all branches know there, as it does on the finest map. Targets
    stay a quarter of the crop, so that all rows learn from the same and are decoded alike.
    """

    def exchange(model: Any) -> None:
        widths, at = model.config.widths, branch - 1
        row = nn.ModuleList(FuseLayer(at, giver, widths) for giver in range(len(widths)))
        for layer in row.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        model.trunk.stages[-1][-1].fuse = nn.ModuleList([row])
        model.head = nn.Conv2d(widths[at], model.config.num_joints, 1)
        nn.init.normal_(model.head.weight, std=0.001)
        nn.init.zeros_(model.head.bias)
        model.__class__ = FromOneBranch

    return exchange


CHANGES: dict[str, Callable[[Any], None]] = {
    "a map for several levels": repeat_maps,
    "not forced": learns_by(not_forced),
    "random negatives": learns_by(random_negatives),
    "mean over priors": learns_by(mean_over_priors),
    "ODM matched at 0.5": learns_by(odm_matched_at(0.5)),
    "ODM matched at 0.6": learns_by(odm_matched_at(0.6)),
    "shared gates": share_gates,
    "base feature for the first TUM only": forget_the_base,
    "12 channels of the base": twelve_channels_of_the_base,
    "one bias a sum": one_bias_a_sum,
    "heat maps from branch 2": heat_maps_from(2),
    "heat maps from branch 3": heat_maps_from(3),
    "heat maps from branch 4": heat_maps_from(4),
}
"""What is changed, by name."""
