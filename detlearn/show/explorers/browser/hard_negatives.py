"""Hard-negative explorer: sorted losses, a ratio, and why topk equals the double argsort."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from detlearn.show.explorers.browser.frame import Explorer, rounded

__all__ = ["HardNegativesExplorer"]

MAX_PRIORS = 64
LOSSES = (0.21, 1.35, 0.08, 2.41, 0.64, 0.05, 1.02, 3.10, 0.33, 0.12, 1.78, 0.47, 0.02, 0.88,
          0.27, 0.15)  # fmt: skip
LABELS = (0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0)


class HardNegativesExplorer(Explorer):
    """The losses of an image's priors as they lie and sorted; a slider for the ratio.

    Each prior is followed from its own place (above) to its place in ``order`` (below). The table
    shows both ways to choose: ``order.argsort() < n``, the double sort of published code, and the
    first n of ``order``, which is what `torch.topk` returns. A tick lets positives take part with
    loss 0, as published code does, and shows when that goes wrong.

    Args:
        class_loss: ``(P,)`` loss of each prior, 0 or more, at most 64; an example when omitted.
        target_labels: ``(P,)`` integers; above 0 positive, 0 negative, -1 ignored.
        ratio: negatives for each positive, at first; 0 to 10 in quarters.
        prior: the prior followed at first.

    Raises:
        ValueError: losses without labels or labels without losses, lengths that disagree, none or
            more than 64, a loss that is negative or no number, a ratio or prior outside.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> HardNegativesExplorer(torch.tensor([0.9, 0.1, 0.4]), torch.tensor([7, 0, 0]), ratio=1)
    Explorer of hard negatives: 3 priors, 1 positive, ratio 1 : 1.
    """

    module = "hard_negatives.js"
    title = "Explorer of hard negatives"
    height = 760

    def __init__(
        self,
        class_loss: Tensor | None = None,
        target_labels: Tensor | None = None,
        *,
        ratio: float = 3.0,
        prior: int = 0,
    ) -> None:
        if (class_loss is None) != (target_labels is None):
            raise ValueError("expected class_loss and target_labels together, or neither")
        if class_loss is None or target_labels is None:
            class_loss, target_labels = torch.tensor(LOSSES), torch.tensor(LABELS)
        if class_loss.ndim != 1 or class_loss.shape != target_labels.shape:
            raise ValueError(
                "expected class_loss (P,) and target_labels (P,) of one image, "
                f"got {tuple(class_loss.shape)} and {tuple(target_labels.shape)}"
            )
        P = len(class_loss)
        if not 1 <= P <= MAX_PRIORS:
            raise ValueError(f"class_loss: expected 1 to {MAX_PRIORS} priors to show, got {P}")
        if target_labels.is_floating_point() or target_labels.dtype == torch.bool:
            raise ValueError(f"target_labels: expected integers, got {target_labels.dtype}")
        bad = ~(torch.isfinite(class_loss) & (class_loss >= 0))
        if bad.any():
            index = int(bad.nonzero()[0])
            raise ValueError(
                f"class_loss[{index}]: expected a number, 0 or more, got {float(class_loss[index])}"
            )
        if not 0 <= ratio <= 10:
            raise ValueError(f"ratio: expected 0 to 10, got {ratio}")
        if not 0 <= prior < P:
            raise ValueError(f"prior: expected 0 to {P - 1}, got {prior}")
        self.class_loss = rounded(class_loss)
        self.target_labels = [max(-1, int(label)) for label in target_labels]
        self.ratio, self.prior = round(4 * ratio) / 4, prior

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "loss": self.class_loss,
            "labels": self.target_labels,
            "ratio": self.ratio,
            "prior": self.prior,
        }

    def __repr__(self) -> str:
        P, positives = len(self.class_loss), sum(label > 0 for label in self.target_labels)
        return (
            f"Explorer of hard negatives: {P} prior{'s' * (P != 1)}, {positives} positive, "
            f"ratio {self.ratio:g} : 1."
        )
