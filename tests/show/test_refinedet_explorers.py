"""Explorers of refinement and transfer: what the browser is told, and what is refused.

What all explorers have in common is tested in test_explorers.py, their arithmetic in
test_explorers_geometry.py, their pages in tests/browser.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
import torch

from detlearn import create_model
from detlearn.boxes import SSD300_VOC_PRIORS, SSD_TINY_PRIORS
from detlearn.models import RefineDetPredictions, refinedet
from detlearn.show import RefinementExplorer, TransferExplorer
from detlearn.show.explorers.browser.transfer import transfer_with_cut

P = SSD_TINY_PRIORS.num_priors
BOX = torch.tensor([[0.1, 0.1, 0.4, 0.5]])
IMAGE = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))


def random_answers() -> RefineDetPredictions:
    """What an untrained RefineDet could say about one picture."""
    generator = torch.Generator().manual_seed(0)
    return RefineDetPredictions(
        *(3 * torch.randn(1, P, n, generator=generator) for n in (2, 4, 9, 4))
    )


def seeded(name: str) -> Any:
    """The same random model every time."""
    torch.manual_seed(0)
    return create_model(name).eval()


# ---- refinement


def test_refinement_tells_the_browser_of_the_surest_priors_first():
    said = random_answers()
    explorer = RefinementExplorer(SSD_TINY_PRIORS, said, BOX, picks=5)
    gaps = said.arm_logits[0, :, 1] - said.arm_logits[0, :, 0]
    assert [pick[0] for pick in explorer._picks] == gaps.argsort(descending=True)[:5].tolist()
    index, dx, *_, label, score = explorer._picks[0]
    assert dx == round(1024 * float(said.arm_deltas[0, index, 0]))
    scores = said.odm_logits[0, index].softmax(dim=-1)
    assert label == int(scores[1:].argmax()) + 1
    assert score == round(255 * float(scores[1:].max()))
    assert len(base64.b64decode(explorer.options()["gaps"])) == 2 * P
    assert repr(explorer) == (
        "Explorer of refinement: 1 object; 3,392 priors, 5 of them with boxes; θ = 0.01."
    )


def part(name: str, value: torch.Tensor) -> RefineDetPredictions:
    return random_answers()._replace(**{name: value})


FAULTS = {
    "no layout": (lambda: RefinementExplorer(3, random_answers(), BOX), "config: expected a Prior"),
    "8,732 priors": (
        lambda: RefinementExplorer(SSD300_VOC_PRIORS, random_answers(), BOX),
        "config: expected at most 4,000 priors, got 8,732"),
    "an SSD's answer": (
        lambda: RefinementExplorer(SSD_TINY_PRIORS, random_answers()[2:], BOX), "the four tensors"),
    "two images": (
        lambda: RefinementExplorer(
            SSD_TINY_PRIORS, part("odm_logits", torch.zeros(2, P, 9)), BOX),
        rf"odm_logits: expected \(1, {P}, K\), one image .* got \(2, {P}, 9\)"),
    "three ARM labels": (
        lambda: RefinementExplorer(
            SSD_TINY_PRIORS, part("arm_logits", torch.zeros(1, P, 3)), BOX),
        rf"arm_logits: expected \(1, {P}, 2\)"),
    "no number": (
        lambda: RefinementExplorer(
            SSD_TINY_PRIORS, part("arm_deltas", torch.full((1, P, 4), torch.nan)), BOX),
        "arm_deltas: expected finite numbers"),
    "θ between two marks": (
        lambda: RefinementExplorer(SSD_TINY_PRIORS, random_answers(), BOX, threshold=0.3),
        "threshold: expected one of .* got 0.3"),
    "too many picks": (
        lambda: RefinementExplorer(SSD_TINY_PRIORS, random_answers(), BOX, picks=161),
        "picks: expected 0 to 160, got 161"),
    "an SSD": (
        lambda: TransferExplorer(seeded("ssd_tiny"), IMAGE, BOX, torch.tensor([1])),
        "model: expected a RefineDet with TCBs, got SSD"),
    "a large RefineDet": (
        lambda: TransferExplorer(LARGE(), IMAGE, BOX, torch.tensor([1])), "at most 1,500 cells"),
    "labels of others": (
        lambda: TransferExplorer(seeded("refinedet_tiny"), IMAGE, BOX, torch.tensor([1, 2])),
        r"labels: expected shape \(1,\), one for each box, got \(2,\)"),
    "no such link": (
        lambda: transfer_with_cut(seeded("refinedet_tiny"), [], 4), "cut: expected 0 to 3, got 4"),
}  # fmt: skip


def LARGE() -> torch.nn.Module:
    with torch.device("meta"):
        return refinedet.RefineDet(refinedet.REFINEDET320_VGG16)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()


# ---- transfer


def test_a_cut_link_is_felt_by_finer_maps_only():
    model = seeded("refinedet_tiny")
    with torch.inference_mode():
        pyramid = model.features(model.normalize(IMAGE[None]))
        usual = model.transfer(pyramid)
        for cut in range(4):
            maps = transfer_with_cut(model, pyramid, cut)
            changed = [not torch.equal(a, b) for a, b in zip(maps, usual, strict=True)]
            assert changed == [level < cut for level in range(4)]


def test_a_cut_link_carries_zeros():
    model = seeded("refinedet_tiny")
    with torch.inference_mode():
        pyramid = model.features(model.normalize(IMAGE[None]))
        silence = torch.zeros(1, model.config.tcb_channels, 4, 4)
        expected = model.tcbs[2](pyramid[2], silence)
        assert torch.equal(transfer_with_cut(model, pyramid, 3)[2], expected)
