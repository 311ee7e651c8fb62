"""The check-up finds what was broken on purpose, says nothing else, and changes nothing."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from detlearn import create_model, load_model
from detlearn.data import CocoDetectionDataset, KeypointCrops, collate, data_path
from detlearn.models.hrnet import BasicBlock
from detlearn.training import TrainConfig, check_up, train
from detlearn.training.death_watch import DeathWatch

TINY = ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny", "pose_hrnet_tiny")


class Small(nn.Module):
    """Two blocks in a row, the second with a functional ReLU, as HRNet's exchange has it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        self.second = Twice()

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return self.second(self.first(images))

    def loss(self, maps, targets):
        return {"sum": maps[0].sum()}


class Twice(nn.Module):
    """Two maps: one after a ReLU, one before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, maps: torch.Tensor) -> list[torch.Tensor]:
        maps = self.bn(self.conv(maps))
        return [torch.relu(maps), maps]


@pytest.fixture
def small():
    torch.manual_seed(0)
    model = Small().eval()
    model.first[0].weight.data.abs_()  # every channel answers
    model.first[0].bias.data.zero_()
    return model


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_channels_by_hand(small, images):
    with torch.no_grad():
        small.first[0].weight.copy_(torch.tensor([1.0, -1.0, 1.0, 1.0])[:, None, None, None])
        small.first[0].bias.copy_(torch.tensor([0.0, 0.0, -99.0, -2.0]))
        images = images.clone()
        images[:, :, 0, 0] = 0.1
        images[0, :, 0, 0] = 0.9  # sum 2.7: the only cell where the last channel answers
        images[:, :, 1:] = images[:, :, 1:] * 0.5
        images[:, :, 0, 1:] = 0.2
    row = check_up(small, images).modules["first"]
    assert (row.channels, row.never_active) == (4, 0.5)  # -x and x - 99 never answer
    assert row.active == pytest.approx((6 + 0 + 0 + 1) / 4 / 6)


def test_a_map_is_named_once_and_maps_of_both_signs_are_none(small, images):
    found = check_up(small, images).modules
    assert [name for name, row in found.items() if row.channels] == ["first", "second[0]"]


def test_a_block_that_rectifies_in_place_what_a_part_gave_out_is_seen(images):
    block = BasicBlock(3)
    block.second.bn.bias.data[1] = -100.0  # one channel of three is drowned
    model = nn.Sequential(block).eval()
    model.normalize = nn.Identity()
    found = check_up(model, images)
    assert found.modules["0"].never_active == pytest.approx(1 / 3)
    assert found.modules["0"].channels == 3 and "0.second" not in found.modules


def test_dead_needs_half_of_the_channels(small, images):
    with torch.no_grad():
        small.first[0].bias[:1] = -99
    assert "first" not in check_up(small, images).dead
    with torch.no_grad():
        small.first[0].bias[:2] = -99
    assert check_up(small, images).dead["first"] == 0.5


def test_a_channel_that_one_picture_wakes_is_not_dead(small, images):
    with torch.no_grad():
        small.first[0].bias.fill_(-99)
        small.first[0].weight.fill_(1.0)
    assert check_up(small, images).dead["first"] == 1.0
    for number in (0, -1):  # in the first batch, or in the second
        bright = images.clone()
        bright[number] = 40.0
        assert "first" not in check_up(small, bright, batch_size=4).dead


def test_stale_statistics(small, images):
    small.train()
    for _ in range(200):
        small(images)
    small.eval()
    assert check_up(small, images).modules["second"].stale < 0.05
    small.second.bn.running_mean += 3 * small.second.bn.running_var.sqrt()
    found = check_up(small, images)
    assert found.modules["second"].stale == pytest.approx(3, rel=0.1)
    assert found.troubles["second"] == ["stale"]


def test_gradients(small, images):
    targets = [{} for _ in images]
    before = check_up(small, images)
    assert before.modules["first"].gradient is None
    row = check_up(small, images, targets).modules["first"]
    twin = copy.deepcopy(small).train()
    twin.loss(twin(images), targets)["sum"].backward()
    norm = torch.cat([p.grad.flatten() for p in twin.first.parameters()]).norm()
    assert row.gradient == pytest.approx(float(norm), rel=1e-4)
    with torch.no_grad():
        small.second.bn.bias.fill_(-99)
    assert check_up(small, images, targets).modules["first"].troubles == ["no gradient"]


def test_shut_gates(images):
    torch.manual_seed(0)
    model = create_model("m2det_tiny").eval()
    images = torch.rand(2, 3, 128, 128)
    assert not any("shut" in told for told in check_up(model, images).troubles.values())
    with torch.no_grad():
        model.mlfpn.sfam.fc2[1].weight.zero_()
        model.mlfpn.sfam.fc2[1].bias[:50] = -20
        model.mlfpn.sfam.fc2[1].bias[50:] = 0
    found = check_up(model, images)
    assert found.modules["mlfpn.sfam[1]"].shut == pytest.approx(50 / 96)
    assert [name for name, told in found.troubles.items() if "shut" in told] == ["mlfpn.sfam[1]"]


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training):
    model = create_model("refinedet_tiny").train(training)
    model.arm.eval()  # some parts may be frozen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    target = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([1])}
    check_up(model, torch.rand(2, 3, 128, 128), [target] * 2)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.backbone.training is training and not model.arm.training
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_go_even_if_the_network_fails(small):
    with pytest.raises(RuntimeError):
        check_up(small, torch.rand(2, 5, 8, 8))
    assert not any(module._forward_hooks for module in small.modules())


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (torch.zeros(0, 3, 8, 8), None, "images: expected at least one, got none"),
        (torch.zeros(2, 3, 8, 8), [{}], "targets: expected one for each of 2 images, got 1"),
    ],
)
def test_what_cannot_be_looked_at(small, images, targets, message):
    with pytest.raises(ValueError, match=message):
        check_up(small, images, targets)


class Sink(Dataset):
    """Pictures whose loss pushes the first block below 0."""

    class_names = None

    def __len__(self):
        return 64

    def __getitem__(self, index):
        return torch.full((3, 8, 8), 200, dtype=torch.uint8), {"image_id": index}


class Sinking(Small):
    """A network that is paid for silence: its first block dies of it."""

    config = SimpleNamespace(name="sinking", num_classes=2)
    class_names = ("background", "thing")

    def normalize(self, images):
        return images.float() / 255

    def forward(self, images):
        return super().forward(images)[0]

    def loss(self, maps, targets):
        return {"sum": self.first[0].bias.sum() + 0 * maps.sum()}


def test_the_loop_warns_when_a_module_dies_and_once(monkeypatch):
    torch.manual_seed(0)
    model = Sinking()
    model.first[0].weight.data.fill_(0.1)
    model.first[0].bias.data.fill_(0.5)
    config = TrainConfig(
        epochs=3, batch_size=16, learning_rate=0.2, warmup_steps=0, weight_decay=0.0,
        schedule="constant",
    )  # fmt: skip
    with pytest.warns(UserWarning, match="dead modules") as told:
        train(model, Sink(), config, device="cpu", progress=False)
    texts = [str(one.message) for one in told if "dead modules" in str(one.message)]
    assert len(texts) == 1 and texts[0].startswith("epoch 1: ") and "first (100%)" in texts[0]


def test_the_loop_does_not_warn_of_a_healthy_network(recwarn):
    torch.manual_seed(0)
    model = Sinking()
    model.first[0].weight.data.fill_(0.1)
    model.first[0].bias.data.fill_(0.5)
    model.second.bn.bias.data.fill_(9.0)
    config = TrainConfig(epochs=2, batch_size=16, learning_rate=1e-6, warmup_steps=0)
    train(model, Sink(), config, device="cpu", progress=False)
    assert not [one for one in recwarn if "dead" in str(one.message)]


def test_few_pictures_are_not_enough_to_warn(small, recwarn):
    watch = DeathWatch(images=8)
    small.first[0].bias.data.fill_(-99)
    watch.saw(torch.rand(6, 3, 8, 8))
    watch.look(small, 1)
    assert not recwarn.list
    watch.saw(torch.rand(6, 3, 8, 8))
    with pytest.warns(UserWarning, match=r"epoch 2: dead modules.*first \(100%\)"):
        watch.look(small, 2)


def test_it_prints_as_a_table(small, images):
    with torch.no_grad():
        small.first[0].bias.fill_(-99)
    lines = str(check_up(small, images, [{}] * 6)).splitlines()
    assert lines[0].startswith("3 modules on 6 images: ") and "2 modules need a look" in lines[0]
    (first,) = [line for line in lines if line.startswith("first ")]
    assert "100%" in first and first.endswith("dead, no gradient")
    assert len(check_up(small, images).table(rows=1).splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_shipped_weights_are_healthy(name):
    folder, pose = data_path("shapes_val"), name.startswith("pose")
    dataset = CocoDetectionDataset(folder / "images", folder / "annotations.json", keypoints=pose)
    model = load_model(data_path("weights", f"{name}.safetensors"))
    if pose:
        dataset = KeypointCrops(dataset, model.config)
    images, targets = collate([dataset[k] for k in range(100)])
    assert check_up(model, images, targets).troubles == {}
