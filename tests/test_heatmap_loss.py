"""The loss of heat maps: what it refuses, half precision, joints that nobody labelled."""

import pytest
import torch

from detlearn.losses import heatmap_loss


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 3)), r"heatmaps: .*\(1, 2, 4, 4\) and"),
        ((torch.zeros(0, 2, 4, 4), torch.zeros(0, 2, 4, 4)), "heatmaps: expected two tensors"),
        (
            (torch.zeros(1, 2, 4, 4),) * 2 + (torch.ones(2),),
            r"weights: expected \(1, 2\), got \(2,",
        ),
        ((torch.zeros(1, 2, 4, 4),) * 2 + (None, 3), "hard_joints: expected 1 to 2, got 3"),
    ],
)
def test_heatmap_loss_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        heatmap_loss(*arguments)


def test_heatmap_loss_widens_half_precision():
    maps = torch.full((1, 1, 64, 64), 200.0, dtype=torch.float16, requires_grad=True)
    loss = heatmap_loss(maps, torch.zeros(1, 1, 64, 64))
    assert loss.item() == 20_000 and loss.dtype == torch.float32
    loss.backward()
    assert maps.grad.isfinite().all()


def test_unlabelled_joints_teach_nothing():
    maps = torch.randn(2, 3, 4, 4, requires_grad=True)
    heatmap_loss(maps, torch.zeros(2, 3, 4, 4), torch.tensor([[1.0, 0, 1], [1, 1, 0]])).backward()
    taught = maps.grad.abs().sum(dim=(2, 3)) > 0
    assert taught.tolist() == [[True, False, True], [True, True, False]]
