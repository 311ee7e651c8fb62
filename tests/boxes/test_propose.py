"""A layout for boxes of one's own: what it covers, on data sets of different shape."""

import dataclasses

import pytest
import torch

from detlearn import boxes as B
from detlearn import create_model


def made_up(number, seed, low, high, ratios, side=128):
    """Boxes (G, 4), fractions: sizes log-uniform in px of a 128 px input, ratios near the given."""
    generator = torch.Generator().manual_seed(seed)

    def uniform():
        return torch.rand(number, generator=generator, dtype=torch.float64)

    size = low * (high / low) ** uniform()
    ratio = torch.tensor(ratios, dtype=torch.float64)[(len(ratios) * uniform()).long()]
    ratio = ratio * torch.exp(0.2 * (uniform() - 0.5))
    ratio = torch.where(uniform() < 0.5, ratio, 1 / ratio)  # lying and standing
    sides = torch.stack([size * ratio.sqrt(), size / ratio.sqrt()], dim=1) / side
    sides = sides.clamp(max=0.99)
    corner = torch.stack([uniform(), uniform()], dim=1) * (1 - sides)
    return torch.cat([corner, corner + sides], dim=1)


DATA_SETS = {  # smallest and largest size, ratios of the sides
    "small and round": (10, 24, (1.0,)),
    "of every size, up to 2:1": (10, 90, (1.0, 2.0)),
    "long, 4:1": (18, 60, (4.0,)),
}


def share(boxes, config):
    """By the slow road: all priors, all IoUs."""
    priors = B.make_priors(config).double()
    return float((B.coverage(boxes, priors) >= 0.5).double().mean())


@pytest.mark.parametrize("base", ["ssd_tiny", "ssd300_voc", "refinedet320"])
@pytest.mark.parametrize("name", DATA_SETS)
def test_19_of_20_unseen_objects_are_covered(name, base):
    layout = B.PRIOR_LAYOUTS[base]
    mine = B.propose_layout(made_up(1500, 0, *DATA_SETS[name]), layout)
    unseen = made_up(800, 1, *DATA_SETS[name])
    assert share(unseen, mine) >= 0.95
    assert share(unseen, mine) >= share(unseen, layout) - 0.03
    for field in ("image_size", "map_sizes", "steps", "clamp"):
        assert getattr(mine, field) == getattr(layout, field), field
    assert (mine.max_sizes == ()) == (layout.max_sizes == ())


def test_long_boxes_get_their_ratio_and_square_ones_none():
    tiny = B.SSD_TINY_PRIORS
    long = B.propose_layout(made_up(1500, 0, *DATA_SETS["long, 4:1"]), tiny)
    assert {ratio for level in long.aspect_ratios for ratio in level} == {4.0}
    assert share(made_up(800, 1, *DATA_SETS["long, 4:1"]), tiny) < 0.6
    square = B.propose_layout(made_up(1500, 0, *DATA_SETS["small and round"]), tiny)
    assert square.aspect_ratios == ((), (), (), ())
    assert square.num_priors < tiny.num_priors


@pytest.mark.parametrize("clamp", ["all", "sizes", "none"])
@pytest.mark.parametrize("name", ["ssd_tiny", "ssd300_voc", "refinedet320", "m2det320"])
def test_the_nearest_cell_is_the_best(name, clamp):
    config = dataclasses.replace(B.PRIOR_LAYOUTS[name], clamp=clamp)
    boxes = made_up(300, 2, 4, 120, (1.0, 2.0, 5.0))
    slow = B.coverage(boxes, B.make_priors(config).double())
    torch.testing.assert_close(B.layout_coverage(boxes, config), slow, atol=2e-6, rtol=0)


def test_a_network_takes_the_layout():
    mine = B.propose_layout(made_up(400, 0, *DATA_SETS["long, 4:1"]), B.SSD_TINY_PRIORS)
    model = create_model("ssd_tiny", priors=mine)
    predictions = model(torch.zeros(1, 3, 128, 128))
    assert predictions.deltas.shape == (1, mine.num_priors, 4)


def test_one_box_is_enough_to_begin_with():
    one = torch.tensor([[0.3, 0.3, 0.5, 0.6]])
    assert float(B.layout_coverage(one, B.propose_layout(one, B.SSD_TINY_PRIORS))) >= 0.5


def test_equal_boxes_give_equal_layouts_in_any_order():
    boxes = made_up(900, 3, *DATA_SETS["of every size, up to 2:1"])
    shuffled = boxes[torch.randperm(900, generator=torch.Generator().manual_seed(0))]
    assert B.propose_layout(boxes, B.SSD_TINY_PRIORS) == B.propose_layout(
        shuffled, B.SSD_TINY_PRIORS
    )


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (torch.empty(0, 4), "at least one"),
        (torch.rand(3, 5), "(3, 5)"),
        (torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.1, 0.2, 0.3]]), "boxes[1]"),
        (torch.tensor([[10.0, 10.0, 40.0, 50.0]]), "fractions of the network input"),
        (torch.tensor([[0.1, 0.1, float("nan"), 0.5]]), "boxes[0]"),
    ],
)
def test_no_boxes_or_bad_ones_are_refused(boxes, said):
    with pytest.raises(ValueError) as error:
        B.propose_layout(boxes, B.SSD_TINY_PRIORS)
    assert said in str(error.value)


@pytest.mark.parametrize("change", [{"target": 0}, {"threshold": 1.0}, {"max_ratios": -1}])
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match="expected 0 < target"):
        B.propose_layout(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), B.SSD_TINY_PRIORS, **change)


def test_groups_of_numbers():
    two_heaps = torch.cat([torch.linspace(1, 2, 50), torch.linspace(9, 11, 30)])
    torch.testing.assert_close(
        B.cluster_1d(two_heaps, 2),
        torch.tensor([1.5, 10.0], dtype=torch.float64),
        atol=1e-5,
        rtol=0,
    )
    assert B.cluster_1d(torch.ones(5), 3).tolist() == [1.0]
    with pytest.raises(ValueError, match="at least one group"):
        B.cluster_1d(torch.ones(5), 0)


@pytest.mark.parametrize("name", B.PRIOR_LAYOUTS)
def test_json_and_back(name):
    config = B.PRIOR_LAYOUTS[name]
    assert B.layout_from_json(B.layout_to_json(config)) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected JSON"),
        ("[1]", "expected an object"),
        ('{"image_size": 8}', "missing"),
        (
            B.layout_to_json(B.SSD_TINY_PRIORS).replace('"clamp"', '"clip"'),
            "unknown ['clip']",
        ),
        (
            B.layout_to_json(B.SSD_TINY_PRIORS).replace('"steps": [4', '"steps": [-4'),
            "mine.json: steps[0]: expected a positive number",
        ),
    ],
)
def test_a_file_that_is_no_layout_is_refused(text, said):
    with pytest.raises(ValueError) as error:
        B.layout_from_json(text, "mine.json")
    assert "mine.json" in str(error.value)
    assert said in str(error.value)
