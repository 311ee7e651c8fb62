"""Receptive fields by arithmetic: by hand, by the literature, and by gradients of positive nets."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import detlearn
from detlearn.show import receptive_field
from detlearn.show.receptive_field import SpatialTrace

C = lambda k, s=1, p=0, d=1: nn.Conv2d(3, 3, k, s, p, d)  # noqa: E731

BY_HAND = [
    ("one pixel", [C(1)], (5, 5), (1, 1), (1, 1), (5, 5, 6, 6)),
    ("3x3", [C(3, p=1)], (5, 5), (3, 3), (1, 1), (4, 4, 7, 7)),
    ("cut at the corner", [C(3, p=1)], (0, 0), (3, 3), (1, 1), (0, 0, 2, 2)),
    ("stride", [C(3, 2, 1), C(3, 2, 1)], (2, 1), (7, 7), (4, 4), (1, 5, 8, 12)),
    ("dilation", [C(3, p=2, d=2)], (5, 5), (5, 5), (1, 1), (3, 3, 8, 8)),
    ("pool", [nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1)], (1, 1), (6, 6), (2, 2), (0, 0, 6, 6)),
    ("one sided kernel", [nn.Conv2d(3, 3, (1, 3))], (4, 4), (1, 3), (1, 1), (4, 4, 7, 5)),
    ("nearest", [C(3, 2, 1), nn.Upsample(scale_factor=2)], (5, 4), (3, 3), (1, 1), (3, 3, 6, 6)),
    ("transposed", [nn.MaxPool2d(2), nn.ConvTranspose2d(3, 3, 2, 2)], (5, 4), (2, 2), (1, 1), (4, 4, 6, 6)),
    ("pad", [nn.ZeroPad2d((2, 0, 1, 0)), C(1)], (5, 5), (1, 1), (1, 1), (3, 4, 4, 5)),
    ("global", [nn.AdaptiveAvgPool2d(1)], (0, 0), (12, 12), (0, 0), (0, 0, 12, 12)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "cell", "size", "stride", "box"),
    [row[1:] for row in BY_HAND],
    ids=[r[0] for r in BY_HAND],
)
def test_by_hand(layers, cell, size, stride, box):
    net = nn.Sequential(*layers)
    found = SpatialTrace(net, (12, 12)).field(str(len(layers) - 1), "", cell)
    if layers[0].__class__ is not nn.AdaptiveAvgPool2d:
        assert (found.size, found.stride) == (size, stride)
    assert (found.box, found.exact) == (box, True)


PUBLISHED = [
    ("conv1_2", 5, 1),
    ("pool1", 6, 2),
    ("conv3_3", 40, 4),
    ("conv4_3", 92, 8),
    ("conv5_3", 196, 16),
]


@pytest.mark.parametrize(("layer", "size", "stride"), PUBLISHED)
def test_vgg16_as_everybody_computes_it(layer, size, stride):
    model = detlearn.create_model("ssd300_vgg16")
    found = receptive_field(model, f"backbone.layers.{layer}", 300)
    assert (found.size, found.stride, found.exact) == ((size, size), (stride, stride), True)


def test_a_map_of_one_cell_has_a_stride():
    # 12 -> 6 -> 3 -> 1: the next window would start two cells of four px further
    net = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Conv2d(3, 3, 3, stride=2), nn.ReLU())
    found = receptive_field(net, "3", 12)
    assert (found.size, found.stride, found.box) == ((12, 12), (8, 8), (0, 0, 12, 12))


class NothingDies(TorchFunctionMode):
    """Every layer passes a gradient to all that it reads."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (F.max_pool2d, torch.max_pool2d) or func.__name__ == "max_pool2d":
            kwargs = {k: v for k, v in kwargs.items() if k not in ("dilation", "return_indices")}
            return F.avg_pool2d(*args[:4], **kwargs)
        return func(*args, **kwargs)


def by_gradient(model, size, module, way, cell):
    """The hull of the pixels with a gradient, for positive weights and inputs."""
    found = {}
    draw = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        fan = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 1
        value = (torch.rand(tensor.shape, generator=draw, dtype=torch.float64) + 0.5) / fan
        state[name] = value if tensor.is_floating_point() else tensor
    images = torch.rand(1, 3, *size, generator=draw, dtype=torch.float64) + 0.5
    images.requires_grad_()
    handle = dict(model.named_modules())[module].register_forward_hook(
        lambda m, i, output: found.setdefault("output", output)
    )
    try:
        with NothingDies():
            torch.func.functional_call(model, state, (images,))
    finally:
        handle.remove()
    maps = found["output"] if way is None else found["output"][way]
    maps[0, :, cell[0], cell[1]].sum().backward()
    seen = images.grad[0].abs().sum(dim=0) > 0
    rows, columns = seen.any(dim=1).nonzero()[:, 0], seen.any(dim=0).nonzero()[:, 0]
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


GRADIENTS = [
    ("ssd_tiny", "backbone", 0), ("ssd_tiny", "backbone", 2), ("ssd_tiny", "backbone.stages.1", None),
    ("refinedet_tiny", "backbone", 1), ("pose_hrnet_tiny", "", None), ("ssd_hrnet_tiny", "backbone", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "way"), GRADIENTS)
def test_gradients_reach_the_same_pixels(name, module, way):
    torch.manual_seed(0)
    model = detlearn.create_model(name).eval()
    size = getattr(model.config, "image_size", 128)
    size = (size, size) if isinstance(size, int) else tuple(size)
    trace = SpatialTrace(model, size)
    path = "" if way is None else f"[{way}]"
    node = trace._found[module, 0, path]
    for cell in ((0, 0), (node.size[0] // 3, node.size[1] // 2)):
        found = trace.field(module, path, cell)
        assert found.exact
        assert found.box == by_gradient(model, size, module, way, cell), cell


def test_the_hull_where_paths_meet():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = C(5, p=2), C(1)

        def forward(self, images):
            return torch.cat([self.narrow(images), self.wide(images)], dim=1) + images.repeat(
                1, 2, 1, 1
            )

    assert receptive_field(Two(), "wide", 9).size == (5, 5)
    assert receptive_field(Two(), "narrow", 9).size == (1, 1)
    assert receptive_field(Two(), "", 9).size[0] >= 5


def test_what_is_not_known_is_said():
    class Flips(nn.Module):
        def forward(self, images):
            return images.flip(-1)

    found = receptive_field(Flips(), "", 6)
    assert (found.exact, found.box) == (False, (0, 0, 6, 6))


def test_the_model_is_left_as_it_was():
    model = detlearn.create_model("ssd_tiny").train()
    SpatialTrace(model, (128, 128))
    assert model.training and not any(module._forward_hooks for module in model.modules())
    assert all(p.device.type == "cpu" for p in model.parameters())


def test_refusals():
    with pytest.raises(ValueError, match="module: expected a name .* got 'nose'"):
        receptive_field(nn.Sequential(C(3)), "nose", 8)
    with pytest.raises(ValueError, match=r"path: '0' makes no tensor '\[1\]'"):
        receptive_field(nn.Sequential(C(3)), "0", 8, "[1]")
