"""What the network is taught with: the MultiBox loss of SSD (Liu et al. 2016, §2.2).

``L = (L_conf + L_loc) / n`` where ``n`` is the number of positive priors.  ``L_loc`` asks the
positive priors for the right offsets; ``L_conf`` asks them for the right class, and the
hardest of the others, three to every positive, for the background.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

from .boxes import Targets

__all__ = [
    "count_positives", "hard_negative_mask", "heatmap_loss", "multibox_loss",
    "released_classification", "two_step_loss", "upcast",
]  # fmt: skip


def hard_negative_mask(class_loss: Tensor, target_labels: Tensor, ratio: float = 3.0) -> Tensor:
    """Choose the negatives the network gets most wrong (Liu et al. 2016, §2.2, "Hard negative
    mining").

    An image has thousands of background priors and a handful of positive ones; taught with all
    of them, the network learns to say "background" always.  So each image keeps ``ratio``
    negatives per positive, those with the largest loss.

    Published code ranks all losses with a double sort: ``order = loss.argsort(descending=True)``
    lists who is on place 0, 1, 2 …; sorting that list again, ``rank = order.argsort()``, inverts
    it: the place of everyone; ``rank < n`` is the mask.  `torch.topk` returns the beginning
    of ``order`` at once, and writing ``True`` at its first ``n`` entries is the same inversion.

    Args:
        class_loss: ``(B, P)`` loss of each prior, any floating dtype; of a background prior it is
            ``-log p(background)``.
        target_labels: ``(B, P)`` integers; above 0 positive, 0 negative, -1 ignored.
        ratio: negatives per positive; ``inf`` takes them all.

    Returns:
        ``(B, P)`` bool, the mined negatives.

    **Invariant:** every mined prior has label 0, and image ``b`` has
    ``min(floor(ratio * positives[b]), negatives[b])`` of them: none without positives.

    **Deviation:** M2Det, RefineDet and uvipen's SSD rank all priors, the positives with loss 0.
    When three times the positives exceed the negatives, their ranking runs into the positives,
    and uvipen's loss counts those twice.  Here only negatives can be chosen.

    >>> loss = torch.tensor([[0.9, 0.1, 0.4, 0.2, 0.3]])
    >>> hard_negative_mask(loss, torch.tensor([[7, 0, 0, 0, 0]]))  # 1 positive, 3 negatives
    tensor([[False, False,  True,  True,  True]])
    """
    P = class_loss.shape[1]
    negative = target_labels == 0  # (B, P)
    num_positive = (target_labels > 0).sum(dim=1, keepdim=True)  # (B, 1)
    num_negative = negative.sum(dim=1, keepdim=True)  # (B, 1)
    ratio = min(ratio, P)  # inf, "all of them", is legal
    num_mined = torch.minimum((ratio * num_positive).long(), num_negative)  # (B, 1)
    # Never more than an image has negatives, so the -inf of the others is never reached.
    candidates = class_loss.detach().masked_fill(~negative, -torch.inf)  # (B, P)
    M = int(num_mined.max())
    hardest = candidates.topk(M, dim=1).indices  # (B, M)
    chosen = torch.arange(M, device=hardest.device) < num_mined  # (B, M)
    return torch.zeros_like(negative).scatter(1, hardest, chosen)


def count_positives(num_positive: Tensor) -> Tensor:
    """What a batch's loss is divided by: its number of positive priors, at least 1.

    In a run on several processes each sees a share of the batch, and gradients are *averaged*
    over the processes.  If each divided by the positives of its own share, a share with few
    objects would weigh more.  So all divide by the mean share, and the average is the gradient of
    the whole batch: every process has to call this equally often.

    Args:
        num_positive: positives, of any shape: their sum counts.

    Returns:
        a scalar, float32.

    **Invariant:** with one process, ``max(num_positive.sum(), 1)``.

    >>> count_positives(torch.tensor([3, 0, 4])), count_positives(torch.tensor([0, 0]))
    (tensor(7.), tensor(1.))
    """
    total = num_positive.sum().float()
    if not (distributed.is_available() and distributed.is_initialized()):
        return total.clamp(min=1)
    distributed.all_reduce(total)
    return total.clamp(min=1) / distributed.get_world_size()


def multibox_loss(
    logits: Tensor,
    deltas: Tensor,
    target_labels: Tensor,
    target_deltas: Tensor,
    negative_ratio: float = 3.0,
    normalizer: Literal["batch", "image"] = "batch",
) -> dict[str, Tensor]:
    """The MultiBox loss (Liu et al. 2016, §2.2, Eq. 1–3).

    - ``bbox_regression``: smooth L1 (quadratic below an error of 1), summed over the four
      offsets of every positive prior.
    - ``classification``: cross entropy, summed over the positives and the negatives that
      `hard_negative_mask` keeps.

    Half precision is computed in float32.  A batch without positives gives zero, with gradients
    (of zero).  A NaN in the logits, or in the deltas of a positive prior, is handed on: the
    training loop decides.

    Args:
        logits: ``(B, P, K)`` class scores before softmax.
        deltas: ``(B, P, 4)`` predicted offsets.
        target_labels: ``(B, P)`` integers; 0 = background, 1 to K - 1 = object, -1 = ignored:
            neither taught nor mined (RefineDet drops easy background that way).
        target_deltas: ``(B, P, 4)`` encoded offsets; read only where the label is above 0.
        negative_ratio: mined negatives per positive.
        normalizer: ``"batch"``: both sums over the batch, divided by its number of positives, at
            least 1 (the paper; RefineDet and M2Det).  ``"image"``: each image's sum divided by
            its own positives, then the mean over the batch; an image without any counts as 0
            (uvipen/SSD-pytorch).  With "image" a lone object weighs as much as a crowd.

    Returns:
        ``{"bbox_regression": scalar, "classification": scalar}``; the loss is their sum.

    Raises:
        ValueError: shapes that disagree, labels that are no integers or outside -1 to K - 1, an
            unknown normalizer, a negative ratio.

    **Invariant:** adding a constant to all logits of a prior changes nothing, and neither does the
    order of the priors.

    >>> logits, deltas = torch.zeros(1, 5, 2), torch.zeros(1, 5, 4)
    >>> target_deltas = torch.zeros(1, 5, 4)
    >>> target_deltas[0, 0] = torch.tensor([2.0, 0.5, 0.0, 0.0])
    >>> losses = multibox_loss(logits, deltas, torch.tensor([[1, 0, 0, 0, 0]]), target_deltas)
    >>> losses["bbox_regression"]  # (2 - 1/2) + 0.5² / 2
    tensor(1.6250)
    >>> losses["classification"]  # log 2 for the positive and for three negatives
    tensor(2.7726)
    """
    _check_inputs(logits, deltas, target_labels, target_deltas)
    if not negative_ratio >= 0:
        raise ValueError(f"negative_ratio: expected 0 or more, got {negative_ratio}")
    if normalizer not in ("batch", "image"):
        raise ValueError(f"normalizer: expected 'batch' or 'image', got {normalizer!r}")
    B, P, _ = logits.shape
    target_labels = target_labels.long()
    positive = target_labels > 0  # (B, P)

    # Offsets of priors that hold no object mean nothing, not even a NaN: drop them first.
    error = upcast(deltas) - upcast(target_deltas)  # (B, P, 4)
    error = torch.where(positive[..., None], error, 0.0)  # (B, P, 4)
    box_loss = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")  # (B, P, 4)
    box_loss = box_loss.sum(dim=(1, 2))  # (B,)

    class_loss = F.cross_entropy(
        upcast(logits).flatten(0, 1), target_labels.flatten(), ignore_index=-1, reduction="none"
    )  # (B*P,)
    class_loss = class_loss.view(B, P)  # (B, P)
    mined = hard_negative_mask(class_loss, target_labels, negative_ratio)  # (B, P)
    # A product, not a selection: it lets a NaN of any prior through to the loop's guard.
    class_loss = (class_loss * (positive | mined)).sum(dim=1)  # (B,)

    num_positive = positive.sum(dim=1)  # (B,)
    if normalizer == "image":
        num_positive = num_positive.clamp(min=1)  # (B,)
        box, classification = (box_loss / num_positive).mean(), (class_loss / num_positive).mean()
    else:
        total = count_positives(num_positive)
        box, classification = box_loss.sum() / total, class_loss.sum() / total
    return {"bbox_regression": box, "classification": classification}


def two_step_loss(
    arm_logits: Tensor,
    arm_deltas: Tensor,
    odm_logits: Tensor,
    odm_deltas: Tensor,
    arm_targets: Targets,
    odm_targets: Targets,
    *,
    negative_ratio: float = 3.0,
    negative_filter: Literal["paper", "released", "off"] = "paper",
    objectness_threshold: float = 0.01,
) -> dict[str, Tensor]:
    """RefineDet's loss: the MultiBox loss, twice (Zhang et al. 2018, §4, Eq. 1).

    The anchor refinement module (ARM) learns to tell objects from background, and to move the
    priors.  The object detection module (ODM) learns classes, and to move the refined priors,
    the anchors.  Each of the two losses is divided by its own number of positives, at least 1.

    The ODM passes over the *easy negatives*: priors whose objectness, the ARM's probability of
    an object, is at most the threshold.  It will not see them when it detects, either.

    Args:
        arm_logits: ``(B, P, 2)`` background and object, before softmax.
        arm_deltas: ``(B, P, 4)`` offsets from the priors.
        odm_logits: ``(B, P, K)`` class scores before softmax.
        odm_deltas: ``(B, P, 4)`` offsets from the anchors.
        arm_targets: labels ``(B, P)`` and deltas ``(B, P, 4)`` of the objects matched with the
            priors; any label above 0 is an object.
        odm_targets: the same, of the objects matched with the anchors, which carry no gradient.
        negative_ratio: mined negatives per positive, in both modules.
        negative_filter: ``"paper"``: an easy negative is ignored by the ODM, whatever it matched.
            ``"released"``: luuuyi/RefineDet.PyTorch, see below.  ``"off"``: no filter.
        objectness_threshold: an objectness up to this is easy; 1 minus the paper's threshold.

    Returns:
        ``{"arm_bbox_regression", "arm_classification", "odm_bbox_regression",
        "odm_classification"}``, scalars; the loss is their sum.

    Raises:
        ValueError: an unknown filter, a threshold outside [0, 1], and what `multibox_loss` refuses.

    **Deviation:** the released code divides by the number of positives even if it is 0, and then
    both losses are NaN.  ``"released"`` drops easy negatives from the positives but not from the
    pool that negatives are mined from; one that matched an object can be mined there, and is then
    taught the object's class as if it were a negative.

    >>> targets = Targets(torch.tensor([[3, 0, 0, 0, 0]]), torch.zeros(1, 5, 4))
    >>> logits, deltas = torch.zeros(1, 5, 4), torch.zeros(1, 5, 4)
    >>> arm_logits = torch.zeros(1, 5, 2)
    >>> arm_logits[0, 3:, 0] = 9.0  # sure that the last two are background
    >>> losses = two_step_loss(arm_logits, deltas, logits, deltas, targets, targets)
    >>> losses["odm_classification"] / torch.tensor(4.0).log()  # the positive, two negatives
    tensor(3.)
    """
    if arm_logits.shape[-1] != 2:
        raise ValueError(
            f"arm_logits: expected (B, P, 2), background and object, got {tuple(arm_logits.shape)}"
        )
    if negative_filter not in ("paper", "released", "off"):
        raise ValueError(
            f"negative_filter: expected 'paper', 'released' or 'off', got {negative_filter!r}"
        )
    if not 0 <= objectness_threshold <= 1:
        raise ValueError(f"objectness_threshold: expected 0 to 1, got {objectness_threshold}")
    is_object = (arm_targets.labels > 0).long()  # (B, P)
    arm = multibox_loss(arm_logits, arm_deltas, is_object, arm_targets.deltas, negative_ratio)

    labels = odm_targets.labels
    easy = torch.zeros_like(labels, dtype=torch.bool)  # (B, P)
    if negative_filter != "off":
        easy = upcast(arm_logits).softmax(dim=-1)[..., 1] <= objectness_threshold  # (B, P)
    kept = labels.masked_fill(easy, -1)  # (B, P)
    odm = multibox_loss(odm_logits, odm_deltas, kept, odm_targets.deltas, negative_ratio)
    if negative_filter == "released":
        odm["classification"] = released_classification(odm_logits, labels, easy, negative_ratio)
    return {
        f"{module}_{name}": value
        for module, losses in (("arm", arm), ("odm", odm))
        for name, value in losses.items()
    }


def released_classification(logits: Tensor, labels: Tensor, easy: Tensor, ratio: float) -> Tensor:
    """luuuyi/RefineDet.PyTorch: easy priors are no positives, but mined with their own label.

    Args:
        logits: ``(B, P, K)`` class scores before softmax.
        labels: ``(B, P)`` int64, what each prior matched.
        easy: ``(B, P)`` bool, priors that the filter struck.
        ratio: mined negatives per positive.

    Returns:
        A scalar, divided by the positives that are not easy.

    >>> easy = torch.tensor([[False, True, False]])
    >>> loss = released_classification(torch.zeros(1, 3, 2), torch.tensor([[1, 1, 0]]), easy, 3.0)
    >>> loss / torch.tensor(2.0).log()  # one positive, and both others mined
    tensor(3.)
    """
    class_loss = F.cross_entropy(upcast(logits).transpose(1, 2), labels, reduction="none")
    demoted = labels.masked_fill(easy, 0)  # (B, P)
    positive, mined = demoted > 0, hard_negative_mask(class_loss, demoted, ratio)
    return (class_loss * (positive | mined)).sum() / count_positives(positive)


def heatmap_loss(
    heatmaps: Tensor,
    target_heatmaps: Tensor,
    weights: Tensor | None = None,
    hard_joints: int | None = None,
) -> Tensor:
    """Half the mean squared error of heat maps, labelled joints only (Sun et al. 2019, §3).

    ``mean over persons and joints of  weight · mean over pixels of (map - target)² / 2``.
    A joint of weight 0 adds no error, but counts in the mean.

    Args:
        heatmaps: ``(B, J, H, W)``, what the network said.
        target_heatmaps: ``(B, J, H, W)``, a bump of height 1 for each joint.
        weights: ``(B, J)``, 1 for a joint that is labelled and on the map, 0 for others; None
            counts all.
        hard_joints: only so many joints of each person count, those with the largest error
            ("online hard keypoints mining", Chen et al. 2018, §3.3); None for all.

    Returns:
        A scalar; half precision is computed in float32.

    Raises:
        ValueError: shapes that disagree, or more hard joints than joints.

    **Deviation:** the published code multiplies both maps by the weight, which enters squared;
    for weights of 0 and 1 that is the same.

    >>> maps = torch.zeros(1, 2, 1, 2)
    >>> target = torch.tensor([[[[1.0, 0.0]], [[1.0, 1.0]]]])
    >>> heatmap_loss(maps, target)  # joints: 0.25 and 0.5
    tensor(0.3750)
    >>> heatmap_loss(maps, target, weights=torch.tensor([[1.0, 0.0]]))
    tensor(0.1250)
    >>> heatmap_loss(maps, target, hard_joints=1)
    tensor(0.5000)
    """
    if heatmaps.ndim != 4 or 0 in heatmaps.shape or heatmaps.shape != target_heatmaps.shape:
        raise ValueError(
            "heatmaps: expected two tensors of one shape (B, J, H, W), got "
            f"{tuple(heatmaps.shape)} and {tuple(target_heatmaps.shape)}"
        )
    B, J = heatmaps.shape[:2]
    error = (upcast(heatmaps) - upcast(target_heatmaps)).square()  # (B, J, H, W)
    error = error.mean(dim=(2, 3)) / 2  # (B, J)
    if weights is not None:
        if weights.shape != (B, J):
            raise ValueError(f"weights: expected {(B, J)}, got {tuple(weights.shape)}")
        error = error * weights  # (B, J)
    if hard_joints is not None:
        if not 1 <= hard_joints <= J:
            raise ValueError(f"hard_joints: expected 1 to {J}, got {hard_joints}")
        error = error.topk(hard_joints, dim=1).values
    return error.mean()


def upcast(values: Tensor) -> Tensor:
    """Half precision widened to float32; float64 stays what it is.

    >>> upcast(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values if values.dtype == torch.float64 else values.float()


def _check_inputs(logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor) -> None:
    if logits.ndim != 3 or 0 in logits.shape or logits.shape[2] < 2:
        raise ValueError(
            "logits: expected (B, P, K) with K >= 2, background included, "
            f"got {tuple(logits.shape)}"
        )
    B, P, K = logits.shape
    named = {"deltas": (deltas, (B, P, 4)), "target_labels": (labels, (B, P))}
    named["target_deltas"] = (target_deltas, (B, P, 4))
    for name, (tensor, expected) in named.items():
        if tuple(tensor.shape) != expected:
            raise ValueError(
                f"{name}: expected {expected} to go with logits {(B, P, K)}, "
                f"got {tuple(tensor.shape)}"
            )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"target_labels: expected integers (int64), got {labels.dtype}")
    low, high = (int(value) for value in labels.aminmax())
    if low < -1 or high >= K:
        bad = ((labels < -1) | (labels >= K)).nonzero()[0].tolist()
        raise ValueError(
            f"target_labels: expected 0 (background) to {K - 1}, or -1 (ignored), "
            f"got {int(labels[bad[0], bad[1]])} (image {bad[0]}, prior {bad[1]})"
        )
