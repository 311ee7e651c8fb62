"""Eval mode for a while, and back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detlearn.models import Predictions
from detlearn.models.modes import evaluating, predicting_in


def some_frozen() -> nn.Module:
    """A model in training mode whose second part was frozen by its owner."""
    return nn.Sequential(nn.Sequential(nn.Dropout()), nn.Sequential(nn.BatchNorm2d(3)).eval())


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_every_module_gets_its_own_mode_back():
    model = some_frozen()
    before = modes(model)
    assert before == [True, True, True, False, False]
    with evaluating(model):
        assert not any(modes(model))
    assert modes(model) == before


def test_a_model_in_eval_mode_stays_there():
    model = some_frozen().eval()
    with evaluating(model):
        pass
    assert not any(modes(model))


def test_the_modes_come_back_after_an_error():
    model = some_frozen()
    before = modes(model)
    with pytest.raises(RuntimeError, match="in the block"), evaluating(model):
        raise RuntimeError("in the block")
    assert modes(model) == before


class Stubborn(nn.Module):
    """Refuses eval mode, after its children have taken it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Dropout()

    def train(self, mode: bool = True) -> Stubborn:
        super().train(mode)
        if not mode:
            raise RuntimeError("never")
        return self


def test_the_modes_come_back_where_the_model_refuses_eval_mode():
    model = Stubborn()
    with pytest.raises(RuntimeError, match="never"), evaluating(model):
        pass
    assert modes(model) == [True, True]


def test_what_the_block_replaces_is_left_alone():
    """Modules that join inside the block keep the mode that they came with."""
    model = nn.Sequential(nn.Dropout())
    with evaluating(model):
        model.append(nn.Dropout())
    assert modes(model) == [True, True, True]


class Says(nn.Module):
    """A network that notes what it was given and in which precision it computed."""

    def __init__(self, answer=lambda x: x):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.answer, self.seen = answer, []

    def forward(self, images):
        maps = self.conv(images)
        self.seen.append((images.is_contiguous(memory_format=torch.channels_last), maps.dtype))
        return self.answer(maps)


def test_predictions_in_half_precision_come_out_in_float32():
    images = torch.rand(2, 3, 4, 4)
    for answer, parts in (
        (lambda maps: maps, lambda said: [said]),
        (lambda maps: Predictions(maps, -maps), list),
        (lambda maps: [maps, maps + 1], list),
    ):
        model = Says(answer)
        exact = parts(model(images))
        with predicting_in(model, torch.bfloat16):
            said = model(images)
        assert type(said) is type(model(images))
        for ours, theirs in zip(parts(said), exact, strict=True):
            assert ours.dtype == torch.float32
            assert not torch.equal(ours, theirs) and torch.allclose(ours, theirs, atol=0.05)
        assert model.seen[1] == (True, torch.bfloat16)
        assert model.seen[2] == (False, torch.float32)  # the block has ended
        assert all(p.dtype == torch.float32 for p in model.parameters())


def test_float32_leaves_everything_as_it_is():
    model = Says()
    with predicting_in(model, torch.float32):
        model(torch.rand(2, 3, 4, 4))
    assert model.seen == [(False, torch.float32)]


def test_a_failure_ends_half_precision():
    def fail(maps):
        raise ValueError("broken")

    model = Says(fail)
    with pytest.raises(ValueError, match="broken"), predicting_in(model, torch.bfloat16):
        model(torch.rand(2, 3, 4, 4))
    assert not torch.is_autocast_enabled("cpu")
    model.answer = lambda maps: maps
    assert model(torch.rand(2, 3, 4, 4)).dtype == torch.float32
