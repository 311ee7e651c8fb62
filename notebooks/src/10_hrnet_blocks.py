# %% [markdown] id="title" slide="slide"
# # 10 · HRNet I: fuse layers
#
# **One question: how do four resolutions work side by side and still make one network?**
#
# Afterwards you will be able to
#
# - draw the fuse matrix from memory, and name the steps of any of its cells;
# - compute an exchange between two branches on paper;
# - build branches, exchanges, transitions and the whole trunk, and say every shape;
# - account for 28,536,113 parameters, by branch and by stage;
# - measure who hears whom, with exchanges and without, and what that is worth.
#
# **80 minutes** with the exercises. Before it: notebook 04 (convolution, stride, residual blocks); 08 has the enlarging once more. What HRNet is *used* for, poses and detection, is chapter 11.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: F601, I001

# %% id="imports" slide="skip"
import json
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet

from detlearn import create_model, show
from detlearn.data import data_path
from detlearn.models import hrnet
from detlearn.show.receptive_field import SpatialTrace
from detlearn.teach.exercises import nb10
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


print(hrnet.POSE_HRNET_W32.name)

# %% id="helpers" slide="skip"
def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


def count(module):  # parameters
    return sum(p.numel() for p in module.parameters())


def stirred(module):  # as if trained: no BatchNorm is fresh any more
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return module.eval()


def pyramid_of(widths, side):  # random maps, fine to coarse
    return [torch.rand(1, width, side // 2**k, side // 2**k)
            for k, width in enumerate(widths)]


[tuple(maps.shape) for maps in pyramid_of((4, 8), 8)]

# %% [markdown] id="never-given-up" slide="slide"
# ## 1 · The fine map is never given up
#
# Every network so far halves its map again and again. When it knows at last *what* is in the picture, it has forgotten *where*, to a few pixels. The detectors of chapters 06 and 08 climb back up from there.
#
# **HRNet** (*high-resolution network*, Sun et al. 2019) does not go down in the first place. The map of stride 4 stays to the end. Beside it coarser maps are opened, one in each stage, and again and again all of them tell each other what they know:

# %% id="the-network" slide="-"
show.draw_hrnet((32, 64, 128, 256), modules=(1, 4, 3), size=(256, 192))

# %% [markdown] id="notes-never-given-up" slide="notes"
# > *For the speaker.* Read along the rows first: a row never changes its size. Then along the columns. Let the room count the bundles of crossing lines: 1 + 4 + 3 = 8 exchanges, and ask what the three dashed arrows do. A widespread walk-through says "three fusions, one a stage": the picture is the cure.

# %% [markdown] id="words" slide="subslide"
# Five words, and you can read the picture:
#
# - A **branch** is a row: one resolution, one number of channels. They are counted from 0, the finest.
# - An **exchange** is a bundle of crossing lines. In it every branch is **giver** and **receiver**; *i ← j* reads "receiver *i* hears giver *j*".
# - All cells *i ← j* together are the **fuse matrix**: a row for each receiver.
# - A **module** is a few residual blocks in every branch, then one exchange.
# - A **stage** is a run of modules; a **transition** (dashed) opens a new branch before it.
#
# *Up* means to a finer map, with more cells. *Down* means to a coarser one. (The best-known walk-through has the two the wrong way round; ledger, row a.)

# %% [markdown] id="by-hand" slide="slide"
# ## 2 · Two branches, by hand
#
# The smallest HRNet: a fine map of 4 × 4, a coarse one of 2 × 2, one channel each. Its fuse matrix has four cells:
#
# | receiver | hears the fine map (0) | hears the coarse map (1) |
# |--|--|--|
# | **0** | as it is | *up*: 1 × 1 convolution (here: times −1), each cell repeated 2 × 2 |
# | **1** | *down*: 3 × 3 convolution, stride 2, padding 1 (here: nine ones) | as it is |
#
# A receiver adds up its row and sets what is negative to 0 (ReLU). **Write down both new maps before you run the cells.** First receiver 0:

# %% id="by-hand-up" slide="-"
fine = torch.tensor([[1.0, 0, 0, 3], [0, 0, 0, 0],
                     [0, 0, 2, 0], [0, 0, 0, 0]])
coarse = torch.tensor([[1.0, 0], [2, 1]])
up = 0 - coarse.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
new_fine = F.relu(fine + up)
show.draw_small_maps(
    {"0 ← 0": fine, "0 ← 1": up, "sum": fine + up, "receiver 0": new_fine},
    "+=→", alt="The fine map with 1, 3 and 2 in three places; the coarse "
    "map enlarged, times minus one; their sum; after ReLU a 3 in the "
    "upper right corner and a 1 below the middle are left.")

# %% id="by-hand-down" slide="subslide"
ones = torch.ones(1, 1, 3, 3)
down = F.conv2d(fine[None, None], ones, stride=2, padding=1)[0, 0]
new_coarse = F.relu(down + coarse)
show.draw_small_maps(
    {"fine": fine, "1 ← 0": down, "1 ← 1": coarse,
     "receiver 1": new_coarse}, "→+=",
    alt="The fine map, counted in windows of 3 by 3: 1, 3, 0, 2; added to "
    "the coarse map 1, 0, 2, 1 that gives 2, 3, 2, 3.")

# %% [markdown] id="read-by-hand" slide="subslide"
# Read what happened. In the upper left corner the coarse branch says 1, and the fine map's 1 is silenced: a broad view overrules a detail. The 2 is lowered to 1. The 3 stays, since the coarse branch says 0 there; and the same 3, one cell of sixteen, has reached the coarse branch.
#
# It is a **sum**: channels are added, not laid side by side (a frequent question, [HRNet-Semantic-Segmentation #229](https://github.com/HRNet/HRNet-Semantic-Segmentation/issues/229)). So all four results keep their shapes, and the next module can do it again.

# %% [markdown] id="notes-by-hand" slide="notes"
# > *For the speaker.* Give them three minutes with pencil and paper, it is worth it. The usual mistake in the second map is the window: with padding 1 the first window starts outside, at row −1. Ask who would win if the 1 × 1 weight were +1 (nobody is silenced), and keep that question for "why no ReLU before the sum".

# %% [markdown] id="the-matrix" slide="slide"
# ## 3 · i ← j
#
# Four branches make sixteen cells, and still only three rules: *as it is*, *up*, *down*. For W32 (32 channels in branch 0) on 256 × 192 px:

# %% id="matrix-drawn" slide="-"
show.draw_fuse_matrix((32, 64, 128, 256), size=(64, 48))

# %% [markdown] id="brick" slide="subslide"
# ### The brick
#
# Everything is made of one brick: convolution without bias, BatchNorm, and ReLU *if asked*.

# %% id="conv-norm" slide="-" tags=["teaches:detlearn.models.hrnet:conv_norm"]
def conv_norm(in_channels, out_channels, kernel_size, stride=1, relu=True):
    layers = [
        ("conv", nn.Conv2d(in_channels, out_channels, kernel_size, stride,
                           kernel_size // 2, bias=False)),
        ("bn", nn.BatchNorm2d(out_channels)),
    ]
    if relu:
        layers.append(("relu", nn.ReLU(inplace=True)))
    return nn.Sequential(OrderedDict(layers))


halve = conv_norm(3, 8, 3, stride=2)
tuple(halve(torch.zeros(2, 3, 16, 12)).shape)

# %% [markdown] id="up-words" slide="subslide"
# ### Up: i < j
#
# From a coarser giver. A 1 × 1 convolution brings the channels to the receiver's number; then each cell is repeated 2 × 2, or 4 × 4, or 8 × 8.

# %% id="path-up" slide="-" tags=["teaches:detlearn.models.hrnet:path_up"]
def path_up(in_channels, out_channels, steps):
    path = conv_norm(in_channels, out_channels, 1, relu=False)
    path.add_module("upsample", nn.Upsample(scale_factor=2**steps,
                                            mode="nearest"))
    return path


maps = torch.rand(1, 256, 8, 6)
climb = path_up(256, 32, steps=3).eval()
for name, layer in climb.named_children():
    maps = layer(maps)
    print(f"{name:9}", tuple(maps.shape))

# %% [markdown] id="order" slide="subslide"
# **Why in this order?** Repeating first would give the same numbers, as a 1 × 1 convolution looks at one cell at a time. But it would multiply 64 copies of every cell:

# %% id="order-proved" slide="-" tags=["prove"]
maps = torch.rand(1, 256, 8, 6)
repeated = climb.upsample(maps)
with torch.inference_mode():
    prove("repeat first = convolve first",
          climb.bn(climb.conv(repeated)), climb(maps), tolerance=1e-5)
for name, given in (("convolve first", maps), ("repeat first", repeated)):
    cells = given.shape[-2] * given.shape[-1]
    print(f"{name:15}{256 * 32 * cells:11,} multiplications")

# %% [markdown] id="down-words" slide="subslide"
# ### Down: i > j
#
# From a finer giver. One strided 3 × 3 convolution halves the map once, so it takes a **chain of i − j** of them. All but the last keep the giver's channels and end in ReLU. The last changes to the receiver's channels and has **no ReLU**.

# %% id="path-down" slide="-" tags=["teaches:detlearn.models.hrnet:path_down"]
def path_down(in_channels, out_channels, steps):
    path = nn.Sequential()
    for _ in range(steps - 1):
        path.append(conv_norm(in_channels, in_channels, 3, stride=2))
    return path.append(conv_norm(in_channels, out_channels, 3, stride=2,
                                 relu=False))


maps = torch.rand(1, 32, 64, 48)
for layer in path_down(32, 256, steps=3).eval():
    maps = layer(maps)
    print(tuple(maps.shape), [type(part).__name__ for part in layer])

# %% [markdown] id="no-relu" slide="subslide"
# **Why no ReLU at the end?** The sum comes next. After a ReLU a giver could only *raise* the receiver's numbers; without it, it can also say *no*, as the coarse branch did by hand. Measured on a cell with random weights:

# %% id="no-relu-seen" slide="-"
_ = torch.manual_seed(0)
own = torch.rand(1, 4, 16, 16)
said = stirred(path_up(8, 4, steps=1))(torch.rand(1, 8, 8, 8))
lowered = (own + said < own).float().mean()
with_relu = (own + said.relu() < own).float().mean()
print("lowers some cells:", bool(0.1 < lowered < 0.9))
print("with a ReLU, share lowered:", with_relu.item())

# %% [markdown] id="cell-words" slide="subslide"
# ### The cell
#
# Three rules, three branches of an `if`. (`receiver` is *i*, `giver` is *j*; an empty `Sequential` hands its input on.)

# %% id="fuse-layer" slide="-" tags=["teaches:detlearn.models.hrnet:FuseLayer"]
class FuseLayer(nn.Sequential):
    def __init__(self, receiver, giver, widths):
        if receiver == giver:
            path = nn.Sequential()
        elif receiver < giver:
            path = path_up(widths[giver], widths[receiver],
                           steps=giver - receiver)
        else:
            path = path_down(widths[giver], widths[receiver],
                             steps=receiver - giver)
        super().__init__(OrderedDict(path.named_children()))


def blank(widths):  # shapes of W32's branches
    return [torch.empty(1, width, 64 // 2**k, 48 // 2**k, device="meta")
            for k, width in enumerate(widths)]


widths = (32, 64, 128, 256)
for i in range(4):
    row = [on_meta(FuseLayer, i, j, widths)(blank(widths)[j])
           for j in range(4)]
    print("receiver", i, *[tuple(maps.shape[1:]) for maps in row])

# %% [markdown] id="one-shape" slide="subslide"
# One shape along each row: that is all a sum needs.
#
# **Prove it.** The same cell with nothing but loops and indices, for all nine cells of three branches. First the brick: a convolution is a window that moves on, BatchNorm in eval mode a shift and a factor.

# %% id="by-loops" slide="-"
def conv_by_loops(maps, weight, stride):
    """(B, I, H, W) and (O, I, k, k) to (B, O, H, W) / stride."""
    k = weight.shape[-1]
    padded = F.pad(maps, [k // 2] * 4)
    H, W = maps.shape[-2] // stride, maps.shape[-1] // stride
    out = torch.empty(len(maps), len(weight), H, W)
    for y in range(H):
        for x in range(W):
            top, left = y * stride, x * stride
            window = padded[:, None, :, top:top + k, left:left + k]
            out[:, :, y, x] = (window * weight).sum(dim=(2, 3, 4))
    return out


def brick_by_loops(maps, brick, stride):
    out, bn = conv_by_loops(maps, brick.conv.weight, stride), brick.bn
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    shift = bn.bias - bn.running_mean * factor
    return out * factor[:, None, None] + shift[:, None, None]


brick_by_loops(torch.ones(1, 3, 4, 4), halve.eval(), 2).shape

# %% id="cells-proved" slide="subslide" tags=["prove"]
def cell_by_loops(i, j, cell, maps):
    if i < j:  # up: one brick, then double j - i times
        maps = brick_by_loops(maps, cell, stride=1)
        for _ in range(j - i):
            maps = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for step in range(i - j):  # down: i - j bricks; none if i <= j
        maps = brick_by_loops(maps, cell[step], stride=2)
        if step < i - j - 1:
            maps = maps.clamp(min=0)
    return maps


maps = pyramid_of((3, 5, 7), 8)
pairs = [(i, j) for i in range(3) for j in range(3)]
with torch.inference_mode():
    loops, ours, package = [], [], []
    for i, j in pairs:
        cell = stirred(FuseLayer(i, j, (3, 5, 7)))
        theirs = hrnet.FuseLayer(i, j, (3, 5, 7)).eval()
        theirs.load_state_dict(cell.state_dict())
        loops.append(cell_by_loops(i, j, cell, maps[j]))
        ours.append(cell(maps[j]))
        package.append(theirs(maps[j]))
    prove("our cells = the loops", ours, loops, tolerance=1e-4)
    prove("our cells = the package's", ours, package)

# %% [markdown] id="row-words" slide="subslide"
# ### The row: a sum, once each
#
# The receiver adds its row (Eq. 2 of the paper) and applies ReLU. Every giver counts **once**, the receiver itself included. That sounds too simple to get wrong; clinic 1 is a network that gets it wrong.

# %% id="exchange" slide="-" tags=["teaches:detlearn.models.hrnet:exchange", "prove"]
def exchange(row, features):
    first, *others = [cell(maps) for cell, maps
                      in zip(row, features, strict=True)]
    total = first
    for maps in others:
        total = total + maps  # (B, C, H, W)
    return F.relu(total)


def by_hand(weight):  # a convolution with given weights
    layer = nn.Conv2d(1, 1, weight.shape[-1], stride=2, padding=1,
                      bias=False)
    layer.weight.data = weight
    return layer


upward = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 1))
upward[1].weight.data.fill_(-1)
upward[1].bias.data.zero_()
as_it_is = nn.Identity()
matrix = [[as_it_is, upward], [by_hand(ones), as_it_is]]
pair = [fine[None, None], coarse[None, None]]
prove("the rows = what we did by hand",
      [exchange(row, pair)[0, 0] for row in matrix],
      [new_fine, new_coarse])

# %% [markdown] id="block-words" slide="subslide"
# ### The module
#
# Before they exchange, the branches work alone, each through four **residual blocks**: two 3 × 3 convolutions, and the input added at the end, so that a block only has to learn what to *change*. Stage 1 has another kind, the **bottleneck**: narrow (1 × 1), filter (3 × 3), widen (1 × 1). Both come from ResNet (He et al. 2016):

# %% id="basic-block" slide="-" tags=["teaches:detlearn.models.hrnet:BasicBlock"]
class BasicBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = conv_norm(channels, channels, 3)
        self.second = conv_norm(channels, channels, 3, relu=False)

    def forward(self, maps):
        return F.relu(self.second(self.first(maps)) + maps)


tuple(BasicBlock(8)(torch.rand(2, 8, 6, 4)).shape)

# %% id="bottleneck" slide="subslide" tags=["teaches:detlearn.models.hrnet:Bottleneck"]
class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_channels, width):
        super().__init__()
        out_channels = self.expansion * width
        self.narrow = conv_norm(in_channels, width, 1)
        self.filter = conv_norm(width, width, 3)
        self.widen = conv_norm(width, out_channels, 1, relu=False)
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = conv_norm(in_channels, out_channels, 1,
                                      relu=False)

    def forward(self, maps):
        return F.relu(self.widen(self.filter(self.narrow(maps)))
                      + self.shortcut(maps))


tuple(Bottleneck(64, 64)(torch.rand(2, 64, 6, 4)).shape)

# %% id="blocks-proved" slide="-" tags=["prove"]
def same_weights(ours, theirs):  # both list their tensors in one order
    values = ours.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values)))
    return theirs.eval()


maps = torch.rand(2, 8, 6, 4)
side_way = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False),
                         nn.BatchNorm2d(16))
with torch.inference_mode():
    for ours, theirs in (
            (BasicBlock(8), resnet.BasicBlock(8, 8)),
            (Bottleneck(8, 4), resnet.Bottleneck(8, 4, 1, side_way))):
        same_weights(stirred(ours), theirs)
        prove(type(ours).__name__ + " = torchvision's", ours(maps),
              theirs(maps), tolerance=1e-5)

# %% [markdown] id="module-words" slide="subslide"
# Blocks, then the matrix. `num_outputs` keeps only the first rows: the very last module of the pose network has one, since nobody listens to the others any more. `fuse=False` leaves the branches strangers; we need that in §5.

# %% id="module-init" slide="-" tags=["teaches:detlearn.models.hrnet:HighResolutionModule.__init__"]
class HighResolutionModule(nn.Module):
    def __init__(self, widths, num_blocks, num_outputs=None, fuse=True):
        super().__init__()
        branches = range(len(widths))
        self.num_outputs = (len(widths) if num_outputs is None
                            else num_outputs)
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(num_blocks)))
            for width in widths)
        self.fuse = nn.ModuleList()
        if fuse:
            for i in branches[:self.num_outputs]:
                self.fuse.append(nn.ModuleList(
                    FuseLayer(i, j, widths) for j in branches))


module = HighResolutionModule((4, 8, 16), num_blocks=1)
print(len(module.branches), "branches,", len(module.fuse), "rows of",
      len(module.fuse[0]), "cells")

# %% id="module-forward" slide="subslide" tags=["teaches:detlearn.models.hrnet:HighResolutionModule.forward", "prove"]
@method_of(HighResolutionModule)
def forward(self, features):
    features = [branch(maps) for branch, maps
                in zip(self.branches, features, strict=True)]
    if not self.fuse:
        return features[:self.num_outputs]
    return [exchange(row, features) for row in self.fuse]


features = pyramid_of((4, 8, 16), 8)
for settings in ({}, {"num_outputs": 1}, {"fuse": False}):
    ours = stirred(HighResolutionModule((4, 8, 16), 2, **settings))
    theirs = hrnet.HighResolutionModule((4, 8, 16), 2, **settings).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        prove(f"our module {settings} = the package's", ours(features),
              theirs(features))
        shapes = [tuple(maps.shape[1:]) for maps in ours(features)]
    print(shapes)

# %% [markdown] id="predict-then-move" slide="subslide"
# ### Predict, then move
#
# The sixteen cells, with small maps in them. Guess first, then move; `moves`, at the end, checks all answers.
#
# 1. Under *Maps* choose **one pixel of branch 3**. How many cells of output 0 will not be 0?
# 2. Choose **one pixel of branch 0**: it lies in row 7, column 7. How many cells of output 1 hear it? And how many from row 8, column 8?
# 3. Which of the sixteen cells has the most parameters? Name receiver and giver.

# %% id="explorer-fuse" slide="-" tags=["explorer"]
show.FuseMatrixExplorer((32, 64, 128, 256), (64, 48), receiver=2, giver=0)

# %% [markdown] id="notes-predict-then-move" slide="notes"
# > *For the speaker.* Collect guesses for task 2 before anyone moves: nearly everybody expects the same number twice. A coarse cell *o* is centred on fine cell 2o and sees 2o − 1 to 2o + 1. An even place lies in one window, an odd one in two, in each direction. Then switch the column of giver 0 off, and let them say what the three coarser outputs lose.

# %% [markdown] id="transition-words" slide="slide"
# ## 4 · From stage to stage
#
# ### The transition
#
# Between stages every branch is handed on, and one new branch is opened, **from the last, the coarsest one**, by a strided 3 × 3 convolution. (That branch has just heard all the others.) Only the first transition also converts what it hands on: stage 1 has 256 channels, branch 0 shall have 32.

# %% id="transition" slide="-" tags=["teaches:detlearn.models.hrnet:Transition"]
class Transition(nn.Module):
    def __init__(self, in_widths, out_widths):
        super().__init__()
        self.keep = nn.ModuleList(
            nn.Sequential() if before == after
            else conv_norm(before, after, 3)
            for before, after in zip(in_widths, out_widths[:-1],
                                     strict=True))
        self.open = conv_norm(in_widths[-1], out_widths[-1], 3, stride=2)

    def forward(self, features):
        kept = [layer(maps) for layer, maps
                in zip(self.keep, features, strict=True)]
        return [*kept, self.open(features[-1])]


for before, after in pairwise([(256,), (32, 64), (32, 64, 128)]):
    out = on_meta(Transition, before, after)(blank(before))
    print(before, "→", [tuple(maps.shape[1:]) for maps in out])

# %% [markdown] id="trunk-words" slide="subslide"
# ### The trunk
#
# A **stem** of two strided convolutions makes the map of stride 4. Four bottlenecks are stage 1. Then transition and stage take turns, three times. That is the whole network:

# %% id="trunk" slide="-"
class Trunk(nn.Module):
    def __init__(self, widths, modules, num_blocks):
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, 64, 3, stride=2),
                                  conv_norm(64, 64, 3, stride=2))
        self.stage1 = nn.Sequential(
            *(Bottleneck(c, 64) for c in (64, 256, 256, 256)))
        growing = [widths[:n] for n in range(2, len(widths) + 1)]
        self.transitions = nn.ModuleList(
            Transition(*two) for two in pairwise([(256,), *growing]))
        self.stages = nn.ModuleList(
            nn.Sequential(*(HighResolutionModule(some, num_blocks)
                            for _ in range(number)))
            for some, number in zip(growing, modules, strict=True))

    def forward(self, images):
        features = [self.stage1(self.stem(images))]
        for transition, stage in zip(self.transitions, self.stages):
            features = stage(transition(features))
        return features


print(len(Trunk((4, 8, 16), (1, 2), 1).stages), "stages after stage 1")

# %% id="trunk-proved" slide="subslide" tags=["prove"]
small = {"widths": (4, 8, 16, 32), "modules": (1, 2, 2), "num_blocks": 1}
ours = stirred(Trunk(**small))
theirs = hrnet.HRNet(hrnet.HRNetConfig(**small)).eval()
theirs.load_state_dict(ours.state_dict())
images = torch.rand(1, 3, 64, 96)
with torch.inference_mode():
    prove("our trunk = the package's", ours(images), theirs(images))

# %% [markdown] id="every-shape-words" slide="subslide"
# ### Every shape
#
# W32, as it was published for poses, on a person's crop of 256 × 192 px. **Predict** each line: after stage 1 only the *number* of maps changes.

# %% id="every-shape" slide="-"
def tell(name, features):
    print(f"{name:18}", *["×".join(map(str, maps.shape[1:]))
                          for maps in features])


w32 = on_meta(create_model, "pose_hrnet_w32").eval()
trunk, images = w32.trunk, torch.empty(1, 3, 256, 192, device="meta")
features = [trunk.stem(images)]
tell("stem", features)
features = [trunk.stage1(features[0])]
tell("stage 1", features)
for s, (transition, stage) in enumerate(
        zip(trunk.transitions, trunk.stages), start=2):
    features = transition(features)
    tell(f"transition to {s}", features)
    for n, module in enumerate(stage, start=1):
        features = module(features)
        tell(f"stage {s}, module {n}", features)
tell("heat maps", [w32.head(features[0])])

# %% [markdown] id="sides-words" slide="subslide"
# Branch 3 has stride 32. A side of 250 px would be halved to 63, 32, 16 and 8 cells, and doubled back from 32 to 64: 63 and 64 cannot be added. So sides are multiples of 32, or the picture is padded:

# %% id="sides" slide="-"
tiny = hrnet.HRNetConfig(**small)
odd = torch.zeros(1, 3, 250, 190)
try:
    hrnet.HRNet(tiny)(odd)
except ValueError as error:
    print(error)
with torch.inference_mode():
    padded = hrnet.HRNet(replace(tiny, pad=True)).eval()(odd)
print([tuple(maps.shape[-2:]) for maps in padded])

# %% [markdown] id="cost-words" slide="slide"
# ### What does it cost?
#
# A block of C channels has 2 · (9·C² + 2·C) parameters, and multiplies 2 · 9·C² times *at each cell*. The next branch has twice the channels on a quarter of the cells. **Predict:** which branch has the most parameters, and which the most multiplications?

# %% id="costs" slide="-" tags=["prove"]
def multiply_adds(model, height, width):  # conv layer -> MACs
    macs, hooks = {}, []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(
                lambda conv, given, out: macs.update(
                    {conv: conv.weight[0].numel() * out.numel()})))
    model(torch.empty(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    return macs


macs = multiply_adds(w32, 256, 192)
w48 = on_meta(create_model, "pose_hrnet_w48")
prove("W32 and W48 have the published size", [count(w32), count(w48)],
      [28_536_113, 63_595_745])
print(f"{sum(macs.values()):,} multiply-adds")

# %% id="costs-by-branch" slide="subslide"
modules = [module for stage in trunk.stages for module in stage]
parts = {"stem, stage 1": [trunk.stem, trunk.stage1],
         "transitions": [trunk.transitions]}
for k in range(4):
    parts[f"branch {k}"] = [module.branches[k] for module in modules
                            if k < len(module.branches)]
parts["exchanges"] = [module.fuse for module in modules]
parts["head"] = [w32.head]


def costs(part):
    inside = {layer for each in part for layer in each.modules()}
    return (sum(map(count, part)),
            sum(n for layer, n in macs.items() if layer in inside))


table = {name: costs(part) for name, part in parts.items()}
show.draw_branch_costs(table, alt="Parameters and multiply-adds of W32. "
    "Parameters grow steeply from branch 0 to branch 3; multiply-adds "
    "shrink, as the coarse branches are opened late.")

# %% [markdown] id="cost-read" slide="subslide"
# Branch 3 owns half of all parameters and does the *fewest* multiplications of the branches. Stage by stage the reason shows. Each row below is one stage:

# %% id="costs-by-stage" slide="-" tags=["prove"]
total = [sum(column) for column in zip(*table.values())]
prove("nothing is forgotten, nothing counted twice", total,
      [count(w32), sum(macs.values())])
heads = ("exchanges", *(f"branch {k}" for k in range(4)))
print(" " * 20, *[f"{head:>10}" for head in heads])
for s, stage in enumerate(trunk.stages, start=2):
    rows = [costs([module.fuse for module in stage])]
    for k in range(len(stage[0].branches)):
        rows.append(costs([module.branches[k] for module in stage]))
    print(f"stage {s} parameters  ", *[f"{n:>10,}" for n, _ in rows])
    print(f"stage {s} million MACs", *[f"{n / 1e6:10.1f}" for _, n in rows])
for k, word in enumerate(("parameters", "multiply-adds")):
    print(f"exchanges: {table['exchanges'][k] / total[k]:.1%} of", word)

# %% [markdown] id="cost-why" slide="fragment"
# (2C)² · HW/4 = C² · HW: inside a module **every branch multiplies equally often**, and has four times the parameters of the one above. Four resolutions side by side cost as much as four fine ones of 32 channels, not more. And the exchanges are cheap. (MACs are multiply-adds.)

# %% [markdown] id="measured" slide="slide"
# ## 5 · What exchange gives, measured
#
# "Fusion helps" is easily said. Whether it *helps* takes training; **who hears whom** can be measured now. Touch one cell of branch 3, run one module, and see which cells of the four outputs change. Then the same module without exchange. **Predict both rows.**

# %% id="touch" slide="-"
def listeners(network, features, branch, row, column):
    touched = [maps.clone() for maps in features]
    touched[branch][..., row, column] += 1
    with torch.inference_mode():
        before, after = network(features), network(touched)
    return [(a != b).any(dim=1)[0] for a, b in zip(before, after)]


_ = torch.manual_seed(0)
features = pyramid_of((16,) * 4, 32)
heard = {}
for words, fuse in (("with exchange", True), ("without", False)):
    module = stirred(HighResolutionModule((16,) * 4, 1, fuse=fuse))
    heard[words] = listeners(module, features, 3, 0, 0)
show.draw_listeners(heard, source=(3, 0, 0), alt="One cell in the corner "
    "of branch 3 is touched. With exchange all four branches change in "
    "their upper left part; without, branch 3 alone.")

# %% [markdown] id="touch-read" slide="subslide"
# Two 3 × 3 convolutions carry the touch two cells far, so 3 × 3 cells of branch 3 in the corner. Repeated 8 × 8, they are 24 × 24 cells of branch 0: more than half of the map after a *single* module.
#
# How much of the *picture* can a fine cell see? That is arithmetic: a `SpatialTrace` follows kernels and strides back. Branch 0 of W32, after each of the eight modules:

# %% id="fields" slide="-" tags=["prove"]
together = on_meta(hrnet.HRNet, hrnet.HRNetConfig())
apart = on_meta(hrnet.HRNet, hrnet.HRNetConfig(
    fuse_within=False, fuse_across=False, fuse_final=False))
names = [f"stages.{s}.{n}" for s, number in enumerate((1, 4, 3))
         for n in range(number)]
fields = []
for network in (together, apart):
    trace = SpatialTrace(network, (256, 192))
    fields.append([trace.field(name, "[0]").size[0] for name in names])
seen = list(zip(*fields))
for n, (with_it, without) in enumerate(seen, start=1):
    print(f"module {n}: {with_it:5} px, without exchange {without:4} px")
prove("alone: 8 convolutions at stride 4 add 64 px a module",
      [b[1] - a[1] for a, b in pairwise(seen)], [64] * 7)

# %% [markdown] id="fields-read" slide="subslide"
# Honestly read: even alone branch 0 of this deep network would see a whole crop of 256 px in the end, after four modules. With exchange it sees more than that after *two*. What the coarse branches bring is the wide view **early**, so that six more modules can work with it.
#
# And what becomes of coarse branches nobody listens to? Take the tiny pose network, switch exchanges off, and ask the gradient who learns:

# %% id="who-learns" slide="-"
switches = {"all exchanges": {}, "none within a stage": ["within"],
            "only the last": ["within", "across"],
            "none": ["within", "across", "final"]}
for words, off in switches.items():
    config = replace(hrnet.POSE_HRNET_TINY,
                     **{f"fuse_{which}": False for which in off})
    network = hrnet.PoseHRNet(config)
    network(torch.rand(2, 3, 64, 64)).square().sum().backward()
    learn = sum(p.numel() for p in network.parameters()
                if p.grad is not None)
    units = sum(len(module.fuse) > 0 for stage in network.trunk.stages
                for module in stage)
    print(f"{words:20}{units} exchanges, {learn:7,} of "
          f"{count(network):7,} parameters learn")
assert learn < 0.5 * count(network)

# %% [markdown] id="who-learns-read" slide="fragment"
# Without any exchange the coarse branches are dead weight: computed, and never heard. With only the last exchange all of them learn, but none can react to another. The paper's ablation (§4.4) trains such networks; the switches above are those of `HRNetConfig`.

# %% [markdown] id="fusion-words" slide="subslide"
# ### Does it *help*? Trained
#
# `benchmarks/hrnet_experiment.py` trains the tiny pose network of chapter 11 with fewer and fewer exchanges, each variant with several seeds, all with the same people and the same recipe, and scores the poses (OKS-AP, 1 is perfect; 11 explains it). **Write down the order you expect**, and whether *only the last* comes near *all*.

# %% id="fusion-trained" slide="-"
path = data_path("results", "hrnet.json")
record = json.loads(path.read_text(encoding="utf-8"))
summary = record["summary"]
for name, row in summary.items():
    print(f"{name:20}{row['exchanges']} exchanges, "
          f"{row['parameters']:,} parameters, {len(row['seeds'])} seeds")
show.draw_seeds({name: row["AP"]["values"]
                 for name, row in summary.items()},
                x="OKS-AP", reference="all exchanges")

# %% id="fusion-verdict" slide="subslide"
whole = summary["all exchanges"]["AP"]
for name, row in summary.items():
    if name == "all exchanges":
        continue
    gap = whole["mean"] - row["AP"]["mean"]
    noise = (whole["sd"] ** 2 + row["AP"]["sd"] ** 2) ** 0.5
    verdict = ("costs" if gap > 2 * noise else
               "gains" if gap < -2 * noise else "no clear difference")
    print(f"{name:20} {-gap:+.3f}  {verdict}")

# %% [markdown] id="fusion-read" slide="fragment"
# A gap counts here only if it is larger than twice the spread of the seeds. The paper's ablation (§4.4: COCO, a network seventy times as large) finds that each kind of exchange adds something. In miniature only half of that shows: *with no exchange at all* poses are clearly worse, although branch 0 keeps every layer (the network is smaller by the exchanges, a quarter of it); but *when* and how often branches exchange hardly matters. One exchange at the end gives these people, in crops of 128 px, most of what there is to gain; what it lacks to the rest is about as much as the seeds vary. A claim about large networks need not show in small ones; this is what measuring is for.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 6 · Your turn
#
# ### Paper ↔ code
#
# *Code* is leoxiaobin/deep-high-resolution-net.pytorch; *article* is a popular walk-through of it.
#
# | what | paper or article | published code | here | see |
# |--|--|--|--|--|
# | `j > i` | article: "from high to low resolution" | 1 × 1, then repeat: *up* | up | a |
# | `j < i` | article: "from small to large" | strided chain: *down* | down | a |
# | new branch | the figure reads as if from all ([#3](https://github.com/HRNet/HRNet-Object-Detection/issues/3)) | from the coarsest, which has heard all | as the code | b |
# | number of fusions | article: "fuse, then branch again" | 1 + 4 + 3 modules; nothing branches after the last | 8 | c |
# | joints | COCO 17 | article: 16, MPII's | a config | d |
# | "GFLOPs" | – | multiply-adds / 2³⁰ | multiply-adds | e |
# | BatchNorm momentum | – | a constant, forgotten in 69 of 292 layers | PyTorch's | f |
# | loading ImageNet weights | – | `strict=False`, silent | names every key | g |
# | `is '*'`, keys twice | – | works by luck; the later key wins | – | h |
# | same branch | – | `None` in a `ModuleList` | empty `Sequential` | §3 |
# | input list | – | overwritten | left alone | patient 3 |
# | `fuse_method` | – | stored, never read: always a sum | no such argument | k |
# | odd sides | – | crash inside the network | a sentence, or `pad=True` | §4 |
# | first weights | – | N(0, 0.001²), for ImageNet's to replace | Kaiming | l |

# %% id="ledger-directions" slide="subslide" tags=["ledger"]
# a  what the loop variables mean: x[i] hears x[j]
for i, j in ((0, 2), (2, 0)):
    maps = torch.zeros(1, (4, 8, 16)[j], 16 // 2**j, 16 // 2**j)
    cells = FuseLayer(i, j, (4, 8, 16)).eval()(maps).shape[-1]
    print("j > i" if j > i else "j < i", maps.shape[-1], "→", cells)

# b  who is heard by the new branch of a transition
step = stirred(Transition((4, 8), (4, 8, 16)))
for branch in (0, 1):
    changed = listeners(step, pyramid_of((4, 8), 8), branch, 2, 2)
    print("touched", branch, "new branch hears:", bool(changed[2].any()))

# c  exchanges, and what comes out of the last
print(len(modules), "exchanges,", len(modules[-1].fuse), "row in the last")

# %% id="ledger-numbers" slide="-" tags=["ledger"]
# d  another number of joints: another head, and weights do not fit
mpii = on_meta(create_model, "pose_hrnet_w32", num_joints=16)
print(f"{count(w32) - count(mpii)} parameters fewer:", 32 + 1)

# e  three names for one count
macs_w32 = sum(macs.values())
print(f"{macs_w32 / 1e9:.3f} G multiply-adds, {macs_w32 / 2**30:.2f} Gi")

# f  BatchNorm layers, and where the constant was forgotten
def norms(module):
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())

print(norms(w32), "in all;", sum(norms(m.fuse) for m in modules),
      "in exchanges and", norms(trunk.transitions), "in transitions")

# %% id="ledger-silent" slide="-" tags=["ledger"]
# g  every key renamed, nothing loaded, no complaint
old = BasicBlock(4)
file = {"module." + key: torch.ones(()) for key in old.state_dict()}
before = old.first.conv.weight.clone()
answer = old.load_state_dict(file, strict=False)
print("unchanged:", torch.equal(before, old.first.conv.weight),
      "| missing:", len(answer.missing_keys))

# h  a key written twice
print({"NUM_CHANNELS": [32, 64], "NUM_CHANNELS": [48, 96]})

# %% id="ledger-rest" slide="-" tags=["ledger"]
# i  a hole in the list has to be asked for in every forward
try:
    nn.ModuleList([None])[0](torch.ones(1))
except TypeError as error:
    print(error)
print(torch.equal(FuseLayer(1, 1, (4, 8))(torch.ones(1)), torch.ones(1)))

# k  how a fuse layer fuses is no setting
print("method" in "".join(hrnet.HRNetConfig.__dataclass_fields__))

# l  spread of the first weights of a 3 × 3 convolution, 16 channels out
network = hrnet.PoseHRNet(hrnet.POSE_HRNET_TINY)
weight = network.trunk.stem[1].conv.weight
wanted = (2 / (9 * len(weight))) ** 0.5
print("Kaiming:", bool(0.8 < weight.std() / wanted < 1.2))

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb10.path_channels.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `path_channels`: output channels of every convolution of *i ← j*. It works when (2, 0) of W32 gives [32, 128].
# 2. `fuse_parameters`: how many parameters a cell has. It works when (3, 0) of W32 gives 92,800.
# 3. `exchange_two`: the whole exchange of two branches, given its two weights. It works when it repeats §2.
# 4. `units_left`: how many exchanges the three switches leave. It works when (1, 4, 3) without those within stages leaves 3.
# 5. `missing_pixels`: rows and columns to pad. It works when 250 × 190 with four branches lacks 6 and 2.
# 6. `moves`: what the explorer showed you.

# %% id="exercise-path-channels" slide="skip" tags=["exercise"]
def path_channels(receiver, giver, widths):
    """Output channels of each convolution of receiver ← giver."""
    ...
    return None

nb10.path_channels.check(path_channels)

# %% id="exercise-fuse-parameters" slide="skip" tags=["exercise"]
def fuse_parameters(receiver, giver, widths):
    """Parameters of the cell, BatchNorm included."""
    def brick(a, b, k):  # convolution without bias, BatchNorm
        ...
    return None

nb10.fuse_parameters.check(fuse_parameters)

# %% id="exercise-exchange-two" slide="skip" tags=["exercise"]
def exchange_two(fine, coarse, up, down):
    """Both new maps; up is (C0, C1), down is (C1, C0, 3, 3).

    fine is (B, C0, H, W), coarse (B, C1, H/2, W/2); no BatchNorm.
    """
    conv2d = torch.nn.functional.conv2d
    ...
    return None

nb10.exchange_two.check(exchange_two)

# %% id="exercise-units-left" slide="skip" tags=["exercise"]
def units_left(modules, within, across, final):
    """Exchanges of a trunk with so many modules in stages 2, 3, …

    within: those of all modules of a stage but its last;
    across: at the end of a stage, but for the last stage;
    final: the very last. True keeps them.
    """
    ...
    return None

nb10.units_left.check(units_left)

# %% id="exercise-missing-pixels" slide="skip" tags=["exercise"]
def missing_pixels(height, width, branches):
    """(rows, columns) to add to the image, as few as possible."""
    ...
    return None

nb10.missing_pixels.check(missing_pixels)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# A tuple such as (9, (5, 6), (0, 2)), made up here: cells of output 0;
# cells of output 1, from row 7 and from row 8; (receiver, giver).
moves = ...

nb10.moves.check(moves)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the fourth.
#
# **Patient 1.** "I ported the exchange. Published weights load, shapes are right, and every map is wrong. But if I train my version from nothing, it works."
#
# <details><summary>Diagnosis</summary>
#
# Giver 0 is counted twice: the sum starts with it, and the loop starts at 0 as well. A network can learn with that (Lite-HRNet has it: [#64](https://github.com/HRNet/Lite-HRNet/issues/64)); one user there repaired it and reports a *lower* mAP. That fits: weights belong to the formula they were trained with. Repair, then train; or keep both as they are.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_exchange(row, features):
    total = row[0](features[0])
    for j in range(len(features)):
        total = total + row[j](features[j])
    return F.relu(total)


once = [torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)]
row = [nn.Identity(), nn.Identity()]
print("giver 0 says 1, giver 1 says 0; receiver hears",
      sick_exchange(row, once).unique().tolist())

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** "Adding failed for branches two apart, so I resized. Now all shapes fit, it trains, and has fewer parameters than published. Thin lines in the picture never reach my coarse branches."
#
# <details><summary>Diagnosis</summary>
#
# Halved once instead of *i − j* times ([HRNet-V2 #2](https://github.com/AI-Chen/HRNet-V2/issues/2) finds the same in a copy); the resizing then *picks* every second or fourth cell and throws the rest away. A chain of strided convolutions looks at every pixel.
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_down(in_channels, out_channels, steps):
    return nn.Sequential(
        conv_norm(in_channels, out_channels, 3, stride=2, relu=False),
        nn.Upsample(scale_factor=0.5 ** (steps - 1)))


def pixels_heard(path):  # pixels that move the result at all
    picture = torch.rand(1, 32, 16, 16, requires_grad=True)
    path.eval()(picture).square().sum().backward()
    return int((picture.grad != 0).any(dim=1).sum())


sick, right = sick_down(32, 64, steps=3), path_down(32, 64, steps=3)
for name, path in (("sick", sick), ("right", right)):
    shape = tuple(path.eval()(torch.rand(1, 32, 16, 16)).shape)
    print(f"{name:6}{shape}, hears {pixels_heard(path)} of 256 pixels")

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** "Eval mode, no dropout, and yet the same call with the same list gives other numbers the second time."
#
# <details><summary>Diagnosis</summary>
#
# `x[i] = self.branches[i](x[i])` writes into the *caller's* list (so does the published code). The second call starts from what the first one left; so does a hook, a visualisation, a loss on intermediate maps. Make a new list.
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
class SickModule(HighResolutionModule):
    def forward(self, features):
        for k, branch in enumerate(self.branches):
            features[k] = branch(features[k])
        return [exchange(row, features) for row in self.fuse]


def twice_the_same(module):
    features = pyramid_of((4, 8), 8)
    with torch.inference_mode():
        first, second = module(features), module(features)
    return all(torch.equal(a, b) for a, b in zip(first, second))


print("twice the same:", twice_the_same(stirred(SickModule((4, 8), 1))))

# %% [markdown] id="clinic-4" slide="subslide" tags=["clinic"]
# **Patient 4.** "Output 0 is right to the last digit, the other outputs are wrong. If I compute them in reverse order, all are right!"
#
# <details><summary>Diagnosis</summary>
#
# `+=` on a tensor changes it in place. In row 0 the sum *is* giver 0, handed on as it is; after the first row giver 0 holds everybody's sum, and the next receivers hear that. (Also in the code of Lite-HRNet #64.) Write `total = total + …`.
#
# </details>

# %% id="clinic-4-symptom" slide="-" tags=["clinic"]
def sick_sum(row, features):
    total = row[0](features[0])
    for cell, maps in zip(row[1:], features[1:]):
        total += cell(maps)
    return F.relu(total)


module = stirred(HighResolutionModule((4, 8, 16), 1))
features = pyramid_of((4, 8, 16), 8)
with torch.inference_mode():
    right = [exchange(row, features) for row in module.fuse]
    sick = [sick_sum(row, [maps.clone() for maps in features])
            for row in module.fuse]
    shared = [maps.clone() for maps in features]
    wrong = [sick_sum(row, shared) for row in module.fuse]
for name, found in (("fresh maps", sick), ("one list", wrong)):
    print(f"{name:11}", [torch.allclose(a, b, atol=1e-6)
                         for a, b in zip(right, found)])

# %% id="clinic-cures" slide="skip" tags=["clinic", "prove"]
prove("patient 1 is cured", exchange(row=[nn.Identity()] * 2,
                                     features=once), once[0])
prove("patient 2 is cured", pixels_heard(path_down(32, 64, steps=3)), 256)
cured = stirred(HighResolutionModule((4, 8), 1))
package = stirred(hrnet.HighResolutionModule((4, 8), 1))
prove("patient 3 is cured", [twice_the_same(cured),
                             twice_the_same(package)], [True, True])
with torch.inference_mode():
    given = [maps.clone() for maps in features]
    for rows in (exchange, hrnet.exchange):
        found = [rows(row, given) for row in module.fuse]
        prove("patient 4 is cured", [*found, *given], [*right, *features])

# %% [markdown] id="quiz" slide="slide"
# ### Quiz: true or false?
#
# 1. HRNet has no coarse maps.
# 2. 0 ← 3 goes down: from branch 0 to branch 3.
# 3. 3 ← 0 of W32 has three convolutions, with 32, 32 and 256 channels out.
# 4. In an exchange the channels of all givers lie side by side.
# 5. Branch 3 has the most channels, so it needs the most multiplications.
# 6. A new branch knows only what the coarsest branch knew.
# 7. If no branch listens to branch 2 any more, it still learns from its own loss.
#
# <details><summary>Answers</summary>
#
# 1. False. It has three of them; it just never gives up the fine one.
# 2. False. The receiver stands left: branch 0 hears branch 3, *up*.
# 3. True. Channels change at the last.
# 4. False. They are added; only HRNetV2p (chapter 11) lays them side by side, at the very end.
# 5. False. All branches of a module multiply equally often.
# 6. True, but that branch has just heard all others.
# 7. False. There is one loss, at the end of branch 0, and no gradient comes back to it.
#
# </details>

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Branches** keep their resolution; an **exchange** lets each hear all.
# - **i ← j**: *as it is*; *up* (i < j) 1 × 1, then repeat; *down* (i > j) a chain of i − j strided 3 × 3, channels at the last, no ReLU after it. Sum, then ReLU.
# - **Transition**: a new branch, from the coarsest one.
# - 1 + 4 + 3 modules, **eight** exchanges; 28,536,113 parameters; every branch of a module multiplies equally often.
# - Exchange gives the fine map a wide view early. Without it, the coarse branches learn nothing.
#
# **Next**, 11: heat maps and key points on this trunk, and the trunk as a detector's pyramid.
#
# **Further reading.** Sun et al. 2019, *Deep High-Resolution Representation Learning for Human Pose Estimation*, arXiv 1902.09212, §3, Fig. 1 to 3, Eq. 2 · Wang et al. 2020, 1908.07919 · He et al. 2016, *ResNet*, 1512.03385 · HRNet-Object-Detection, issues [3](https://github.com/HRNet/HRNet-Object-Detection/issues/3) (where a branch opens) and [4](https://github.com/HRNet/HRNet-Object-Detection/issues/4) (multiples of 32).
