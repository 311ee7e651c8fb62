"""The score from which on detections count."""

import pytest
import torch

from detlearn.metrics import (
    best_score_threshold,
)
from tests.metrics.cases import CAT, DOG, detection, target


def test_the_best_threshold_by_hand():
    # hits 0.9, 0.7; F1 after each: 2/3, 2/4, 4/5, 4/6
    found = detection(
        (0, 0, 10, 10, 0.9, 1),
        (50, 0, 60, 10, 0.8, 1),
        (20, 0, 30, 10, 0.7, 2),
        (50, 50, 60, 60, 0.6, 1),
    )
    truth = target(CAT, DOG)
    assert best_score_threshold([found], [truth]) == pytest.approx(0.7)
    found["scores"][3] = 0.7  # now both count or none: 4/6 = 2/3, and the first reaches it
    assert best_score_threshold([found], [truth]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("found", "truth"), [((), ()), ((), (CAT,)), (((0, 0, 9, 9, 0.3, 1),), ())]
)
def test_the_best_threshold_of_nothing(found, truth):
    assert best_score_threshold([detection(*found)], [target(*truth)]) == 0.5


def test_a_crowd_moves_no_threshold():
    found = detection((0, 0, 10, 10, 0.9, 1), (50, 50, 60, 60, 0.95, 1))
    truth = target(CAT, (50, 50, 90, 90, 1), iscrowd=torch.tensor([0, 1]))
    assert best_score_threshold([found], [truth]) == pytest.approx(0.9)
