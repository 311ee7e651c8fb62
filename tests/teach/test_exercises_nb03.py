"""The solutions of notebook 03's exercises agree with the package."""

from __future__ import annotations

import pytest
import torch

from detlearn import losses
from detlearn.boxes import box_iou, cxcywh_to_xyxy, encode, make_priors, match
from detlearn.boxes.priors import SSD_TINY_PRIORS
from detlearn.teach.exercises import nb03

PRIORS = make_priors(SSD_TINY_PRIORS)


def random_boxes(seed: int, number: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = 0.05 + 0.4 * torch.rand(number, 2, generator=generator)
    corner = torch.rand(number, 2, generator=generator) * (1 - size)
    return torch.cat([corner, corner + size], dim=1)


@pytest.mark.parametrize("seed", range(3))
def test_encode_boxes(seed: int) -> None:
    boxes, priors = random_boxes(seed, 30), PRIORS[seed : seed + 30]
    answer = nb03.encode_boxes.reference()(boxes, priors)
    torch.testing.assert_close(answer, encode(boxes, priors), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_match_priors(seed: int) -> None:
    boxes = random_boxes(seed, 8)
    boxes = torch.cat([boxes, boxes[:2]])  # contested priors
    overlaps = box_iou(boxes, cxcywh_to_xyxy(PRIORS))
    answer = nb03.match_priors.reference()(overlaps, 0.5)
    assert torch.equal(answer, match(boxes, PRIORS).gt_index)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_mine_negatives(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(200, generator=generator)
    labels = (torch.rand(200, generator=generator) < share).long()
    answer = nb03.mine_negatives.reference()(loss, labels, 3)
    assert torch.equal(answer, losses.hard_negative_mask(loss[None], labels[None])[0])


def test_loss_at_start_and_normalise() -> None:
    """Three images of 10 priors with 1, 5 and 0 positives; logits all equal."""
    positives = torch.tensor([1, 5, 0])
    labels = (torch.arange(10) < positives[:, None]).long()  # (3, 10)
    nothing = torch.zeros(3, 10, 4)
    for how in ("batch", "image"):
        loss = losses.multibox_loss(
            torch.zeros(3, 10, 9), nothing, labels, nothing, normalizer=how
        )["classification"]
        sums = torch.tensor([4.0, 10.0, 0.0]) * torch.log(torch.tensor(9.0))
        torch.testing.assert_close(nb03.normalise.reference()(sums, positives, how), loss)
        if how == "batch":
            start = nb03.loss_at_start.reference()(positives.tolist(), 10, 9)
            assert start == pytest.approx(float(loss))


def test_a_batch_without_positives_may_answer_with_the_integer_0() -> None:
    reference = nb03.loss_at_start.reference()

    def loss_at_start(positives: list[int], num_priors: int, num_classes: int) -> float:
        return reference(positives, num_priors, num_classes) if sum(positives) else 0

    assert nb03.loss_at_start.check(loss_at_start)
