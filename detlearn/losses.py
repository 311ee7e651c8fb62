"""What the network is taught with: the MultiBox loss of SSD (Liu et al. 2016, §2.2).

``L = (L_conf + L_loc) / n`` where ``n`` is the number of positive priors.  ``L_loc`` asks the
positive priors for the right offsets; ``L_conf`` asks them for the right class, and the
hardest of the others, three to every positive, for the background.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["hard_negative_mask", "multibox_loss"]


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
    error = _float32(deltas) - _float32(target_deltas)  # (B, P, 4)
    error = torch.where(positive[..., None], error, 0.0)  # (B, P, 4)
    box_loss = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")  # (B, P, 4)
    box_loss = box_loss.sum(dim=(1, 2))  # (B,)

    class_loss = F.cross_entropy(
        _float32(logits).flatten(0, 1), target_labels.flatten(), ignore_index=-1, reduction="none"
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
        total = num_positive.sum().clamp(min=1)
        box, classification = box_loss.sum() / total, class_loss.sum() / total
    return {"bbox_regression": box, "classification": classification}


def _float32(values: Tensor) -> Tensor:
    """Half precision widened; float64 stays what it is."""
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
