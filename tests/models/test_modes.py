"""Eval mode for a while, and back."""

from __future__ import annotations

import pytest
from torch import nn

from detlearn.models.modes import evaluating


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
