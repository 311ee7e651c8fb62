"""Changes that no config has: each does what its name says; every row of the catalogue learns."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from detlearn import create_model
from detlearn.boxes import match
from detlearn.losses import multibox_loss
from experiments import budget
from experiments.catalogue import EXPERIMENTS
from experiments.changes import CHANGES, change, odm_matched_at, targets_of

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [
    {"boxes": torch.tensor([[10.0, 10, 60, 60], [70, 20, 100, 90]]), "labels": torch.tensor([1, 5])},
    {"boxes": torch.tensor([[0.0, 0, 128, 8]]), "labels": torch.tensor([3])},  # no prior is so long
]  # fmt: skip


@pytest.fixture
def ssd():
    torch.manual_seed(0)
    return create_model("ssd_tiny").eval()


@pytest.fixture
def predictions(ssd):
    with torch.no_grad():
        return ssd(torch.rand(2, 3, 128, 128))


def test_targets_are_those_of_the_network_itself(ssd, predictions):
    labels, deltas = targets_of(ssd, TARGETS, 2)
    own = ssd.loss(predictions, TARGETS)
    again = multibox_loss(predictions.logits, predictions.deltas, labels, deltas)
    assert own.keys() == again.keys()
    assert all(torch.equal(own[name], again[name]) for name in own)


def test_not_forced_leaves_an_object_without_a_teacher(ssd, predictions):
    boxes = TARGETS[1]["boxes"] / 128
    assert (match(boxes, ssd.priors, 0.4).gt_index >= 0).sum() == 1  # only by force
    assert (targets_of(ssd, TARGETS, 2, force=False)[0][1] > 0).sum() == 0
    free = change(copy.deepcopy(ssd), "not forced")
    assert free.loss(predictions, TARGETS[1:] * 2) == {
        "bbox_regression": torch.tensor(0.0), "classification": torch.tensor(0.0),
    }  # fmt: skip
    assert ssd.loss(predictions, TARGETS[1:] * 2)["classification"] > 0


def test_random_negatives_are_as_many_and_not_the_hardest(ssd, predictions):
    chance = change(copy.deepcopy(ssd), "random negatives")
    found = [float(chance.loss(predictions, TARGETS)["classification"]) for _ in range(3)]
    assert len(set(found)) == 3
    assert max(found) < float(ssd.loss(predictions, TARGETS)["classification"])
    # With equal logits every negative costs log K: what is left is their number.
    even = type(predictions)(torch.zeros_like(predictions.logits), predictions.deltas)
    assert chance.loss(even, TARGETS)["classification"] == pytest.approx(
        float(ssd.loss(even, TARGETS)["classification"]), rel=1e-5
    )


def test_mean_over_priors_is_all_negatives_divided_otherwise(ssd, predictions):
    mean = change(copy.deepcopy(ssd), "mean over priors")
    every = create_model("ssd_tiny", negative_ratio=1e9)
    labels, _ = targets_of(ssd, TARGETS, 2)
    ratio = int((labels > 0).sum()) / labels.numel()
    ours, theirs = mean.loss(predictions, TARGETS), every.loss(predictions, TARGETS)
    assert ours["classification"] == pytest.approx(float(theirs["classification"]) * ratio)
    assert torch.equal(ours["bbox_regression"], theirs["bbox_regression"])


def test_the_odm_has_a_threshold_of_its_own():
    torch.manual_seed(0)
    plain = create_model("refinedet_tiny").eval()
    with torch.no_grad():
        predictions = plain(torch.rand(2, 3, 128, 128))
    own = plain.loss(predictions, TARGETS)
    same = odm_matched_at(plain.config.match_threshold)(plain, predictions, TARGETS)
    assert all(torch.equal(own[name], same[name]) for name in own)
    # Where the ARM has moved nothing the anchors are the priors.
    still = predictions._replace(arm_deltas=torch.zeros_like(predictions.arm_deltas))
    strict = change(copy.deepcopy(plain), "ODM matched at 0.6").loss(still, TARGETS)
    everywhere = create_model("refinedet_tiny", match_threshold=0.6).loss(still, TARGETS)
    before = plain.loss(still, TARGETS)
    for name in own:
        assert torch.equal(strict[name], (everywhere if "odm" in name else before)[name])
    assert not torch.equal(strict["odm_classification"], before["odm_classification"])


def test_shared_gates_are_one_pair():
    model = change(create_model("m2det_tiny"), "shared gates")
    assert len(model.mlfpn.sfam.fc1) == len(model.mlfpn.sfam.fc2) == 1
    assert model.config.num_levels == len(model.mlfpn.ffm2) == 4


def test_later_tums_forget_the_base():
    plain = create_model("m2det_tiny").eval()
    model = change(copy.deepcopy(plain), "base feature for the first TUM only")
    bases = [torch.rand(1, plain.mlfpn.ffm1.out_channels, 32, 32) for _ in range(2)]
    previous = torch.rand(1, 24, 32, 32)
    one, other = (model.mlfpn.ffm2[1](base, previous) for base in bases)
    assert torch.equal(one, other)
    assert one.shape == plain.mlfpn.ffm2[1](bases[0], previous).shape
    one, other = (model.mlfpn.ffm2[0](base) for base in bases)
    assert not torch.equal(one, other)


def test_a_wide_level_reads_no_more_of_the_base():
    plain = create_model("m2det_tiny")
    wide = create_model("m2det_tiny", num_levels=1, planes=66)
    base = torch.rand(1, plain.mlfpn.ffm1.out_channels, 32, 32)
    assert wide.mlfpn.ffm2[0](base).shape[1] == 33
    change(wide, "12 channels of the base")
    assert wide.mlfpn.ffm2[0](base).shape[1] == plain.mlfpn.ffm2[0](base).shape[1] == 12
    assert [maps.shape[1] for maps in wide.mlfpn.levels(base)[0]] == [66] * 5
    fresh = wide.mlfpn.tums[0].encoder.layers[1].conv.weight.detach()  # (66, 66, 3, 3)
    assert float(fresh.std()) == pytest.approx((2 / (66 * 9)) ** 0.5, rel=0.05)  # as all TUMs start


def test_a_map_for_several_levels():
    (experiment,) = [one for one in EXPERIMENTS.values() if one.name == "ssd_maps"]
    row = experiment.variant("three maps")
    model = change(create_model(row.model, **row.overrides), row.change).eval()
    pyramid = model.features(torch.rand(1, 3, 128, 128))
    assert [maps.shape[-1] for maps in pyramid] == [32, 16, 8, 8]
    assert pyramid[2] is pyramid[3] and pyramid[1] is not pyramid[2]


@pytest.mark.parametrize(("branch", "width"), [(2, 24), (3, 32), (4, 48)])
def test_heat_maps_from_a_coarser_branch(branch, width):
    torch.manual_seed(0)
    model = change(create_model("pose_hrnet_tiny"), f"heat maps from branch {branch}").eval()
    seen = []
    model.head.register_forward_hook(lambda _, given, told: seen.append((given[0].shape, told)))
    with torch.no_grad():
        maps = model(torch.rand(2, 3, 128, 96))
    ((shape, told),) = seen
    stride = 2 ** (branch + 1)
    assert shape == (2, width, 128 // stride, 96 // stride)
    assert maps.shape == (2, 17, 32, 24)
    wanted = F.interpolate(told, scale_factor=2 ** (branch - 1), mode="bilinear")
    assert torch.equal(maps, wanted)


def test_an_unknown_change():
    with pytest.raises(ValueError, match="change: expected one of .*not forced.*, got 'forced'"):
        change(create_model("ssd_tiny"), "forced")
    assert {one.change for e in EXPERIMENTS.values() for one in e.variants} - {""} == set(CHANGES)


ROWS = {
    f"{name}: {one.name}": one for name, e in EXPERIMENTS.items() for one in e.variants
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_of_the_catalogue_learns(row):
    model = change(create_model(row.model, **row.overrides), row.change)
    if row.model.startswith("pose"):
        images = torch.rand(2, 3, *model.config.crop_size)
        maps = torch.zeros(17, *model.config.heatmap_size)
        targets = [{"heatmaps": maps, "weights": torch.ones(17)}] * 2
    else:
        most = model.config.num_classes - 1
        images = torch.rand(2, 3, 128, 128)
        targets = [one | {"labels": one["labels"].clamp(max=most)} for one in TARGETS]
    loss = torch.stack(list(model.loss(model(images), targets).values())).sum()
    loss.backward()
    assert loss.isfinite()
    silent = {
        name.split(".")[0]
        for name, p in model.named_parameters()
        if p.grad is None and p.requires_grad
    }
    expected = {
        "base feature for the first TUM only": {"mlfpn"},  # the leaches of the later ones
    }
    assert silent == expected.get(row.change, set())


def test_controls_are_of_equal_size():
    def size(experiment, name):
        row = experiment.variant(name)
        model = change(create_model(row.model, **row.overrides), row.change)
        return sum(p.numel() for p in model.parameters())

    pairs = [(e, one) for e in EXPERIMENTS.values() for one in e.variants if one.control]
    assert len(pairs) >= 4
    for experiment, row in pairs:
        ratio = size(experiment, row.name) / size(experiment, row.control)
        assert 0.97 <= ratio <= 1.03, (experiment.name, row.name, ratio)


def test_the_readme_shows_the_budget():
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    assert budget.table(EXPERIMENTS.values()) in text


def test_a_cost_by_hand():
    cost = budget.cost_of(EXPERIMENTS["face_off"])
    # 5.5 rates x 2 seeds x 750 steps and 5 seeds x 3,000 steps, for each network
    seconds = (11 * 750 + 5 * 3000) * (0.080 + 0.120 + 0.125 + 0.136)
    assert cost == (44, 20, 3000, pytest.approx(seconds / 3600))
    own = budget.own_rows(EXPERIMENTS.values())
    everything = (budget.cost_of(EXPERIMENTS[name], rows).hours for name, rows in own.items())
    assert sum(everything) * budget.BFLOAT16 <= 24, "what the programme may take"


def test_a_row_of_several_tables_is_counted_once():
    own = budget.own_rows(EXPERIMENTS.values())
    assert {one.name for one in own["face_off"]} >= {"ssd_tiny", "refinedet_tiny"}
    names = {one.name for one in own["refinedet_parts"]}
    assert names >= {"no filter", "no TCB"} and not names & {"ssd_tiny", "refinedet_tiny"}
    # a network of the same name, trained three times as long, is another row
    assert "refinedet_tiny" in {one.name for one in own["weights"]}


def test_one_bias_a_sum_and_the_network_still_says_the_same():
    torch.manual_seed(0)
    plain = create_model("ssd_hrnet_tiny").eval()
    changed = change(copy.deepcopy(plain), "one bias a sum")
    frozen = [name for name, one in changed.named_parameters() if not one.requires_grad]
    assert len(frozen) == 22 and all(".fuse." in name and "bias" in name for name in frozen)
    images = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        assert torch.equal(changed(images).logits, plain(images).logits)
    module = changed.backbone.trunk.stages[2][1]
    for row in module.fuse:  # three givers are not the row itself: one of them still learns
        learns = [
            one.bias.requires_grad
            for cell in row
            for one in [m for m in cell.modules() if isinstance(m, torch.nn.BatchNorm2d)][-1:]
        ]
        assert learns == [True, False, False]
