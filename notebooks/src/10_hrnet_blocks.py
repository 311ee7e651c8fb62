# %% [markdown] id="title" slide="slide"
# # 10 · HRNet I: fuse layers
#
# **One question: how do four resolutions work side by side and still make one network?**
#
# You have a photograph of a person and want her wrist, to a pixel or two. A network that knows what a wrist looks like has halved its map five times on the way, and one cell of the last map covers 32 × 32 px. In this chapter you build a network that never gives its fine map up.
#
# Afterwards you will be able to
#
# - draw HRNet's fuse matrix from memory, and name the steps of any of its cells;
# - compute an exchange between two branches on paper;
# - build branches, exchanges, transitions and the trunk, and predict every shape;
# - account for all 28,536,113 parameters of the published network.
#
# **{minutes} minutes** with the exercises. Sections with a ★ stand behind the summary; they are not counted. Before it: notebook 04 (convolution, stride, BatchNorm, residual blocks). What HRNet is *used* for is the subject of chapter 11.

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
from detlearn.data import CocoDetectionDataset, KeypointCrops, data_path
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
# How exactly can a map say where something is? Below is a drawn person with her joints (black: her left side; white: right side and nose), and what is left of her when every cell of a map becomes one colour. **Find the wrist of the raised arm** in each panel:
#
# <!-- speaker: Give the room ten seconds for each panel, from the coarsest to the finest. -->

# %% id="what-a-cell-sees" slide="-" tags=["hide-input"]
folder = data_path("shapes_val")
scenes = CocoDetectionDataset(
    folder / "images", folder / "annotations.json", keypoints=True)
crop, person = KeypointCrops([scenes[35]], hrnet.POSE_HRNET_TINY)[0]
nobody = torch.zeros(0, 17, 3)
panels = {"128 × 96 px": (crop, person["keypoints"][None])}
for stride in (4, 8, 16, 32):
    cells = F.avg_pool2d(crop.float()[None], stride)  # (1, 3, H, W)
    view = F.interpolate(cells, size=crop.shape[1:])[0].to(crop.dtype)
    panels[f"stride {stride}"] = view, nobody
show.draw_poses(panels, alt="A person of Shapes with her joints, and the "
    "same crop in cells of 4, 8, 16 and 32 px: at 4 px the arms are seen, "
    "at 8 px a body, at 16 and 32 px coloured squares. The black part lies "
    "outside the picture.")

# %% [markdown] id="resolution-counts" slide="subslide" tags=["lead", "beside:what-a-cell-sees"]
# A coarse map can know *that* there is a person, and no longer *where* her wrist is. The paper has measured it on photographs (Sun et al. 2019, Fig. 5). The same trained network, asked for joints on its map of stride 4, 8 or 16, scores 74.4, 68.9 or 55.0 AP, and below 10 on the map of stride 32.
#
# A map that has never been coarse has the opposite weakness. Its view widens slowly, by a few pixels with each convolution. Early cells see a part and cannot know what it belongs to. The detectors of chapters 06 and 08 go down for the *what*, and climb back up for the *where*.
#
# **HRNet** (*high-resolution network*) does neither. It keeps the map of stride 4 to the end. Beside it, it opens coarser maps one after the other. Again and again all maps tell each other what they know:

# %% id="the-network" slide="subslide"
show.draw_hrnet((32, 64, 128, 256), modules=(1, 4, 3), size=(256, 192))

# %% [markdown] id="notes-never-given-up" slide="notes"
# > *For the speaker.* At the crops, ask from which panel on nobody dares to point, and which panel a network needs to know that this is a person at all: it is the other end of the row. At the network, read along the rows first: a row never changes its size. Then along the columns. Let the room count the bundles of crossing lines: 1 + 4 + 3 = 8. The sky-blue bar of stage 1 has 256 channels; the 32 written at the left begin with stage 2.

# %% [markdown] id="words" slide="skip"
# A few words, and you can read the picture:
#
# - A **branch** is a row: one resolution, one number of channels. Branches are counted from 0, the finest. The first bar, stage 1, has 256 channels. Of the four outputs at the right the pose network keeps only the first.
# - An **exchange** is a bundle of crossing lines. In it every branch is a **giver** and a **receiver**. *i ← j* reads “receiver *i* hears giver *j*”.
# - All cells *i ← j* together are the **fuse matrix**. It has a row for each receiver.
# - A **module** is a few residual blocks in every branch, followed by one exchange.
# - A **stage** is a run of modules. Before it a **transition** (dashed) opens a new branch.
#
# *Up* means to a finer map, with more cells. *Down* means to a coarser one.
#
# As a detector the trunk stands where SSD, RefineDet and M2Det have their backbones. This chapter builds what stands before *HRFPN*, and 11 the rest:

# %% id="overview" slide="subslide"
show.draw_overview("hrnet")

# %% [markdown] id="by-hand" slide="slide"
# ## 2 · Two branches, by hand
#
# The smallest HRNet has a fine map of 4 × 4 cells and a coarse map of 2 × 2, with one channel each. Its fuse matrix has four cells:
#
# | receiver | hears the fine map (0) | hears the coarse map (1) |
# |--|--|--|
# | **0** | as it is | *up*: 1 × 1 convolution (here: times −1), each cell repeated 2 × 2 |
# | **1** | *down*: 3 × 3 convolution, stride 2, padding 1 (here: nine ones) | as it is |
#
# A receiver adds up its row and sets what is negative to 0 (ReLU). The maps are
#
# ```
# fine  1 0 0 3      coarse  1 0
#       0 0 0 0              2 1
#       0 0 2 0
#       0 0 0 0
# ```
#
# **Write down both new maps before you go on.** First receiver 0:

# %% [markdown] id="notes-by-hand" slide="notes"
# > *For the speaker.* Give them three minutes with pencil and paper, it is worth it. The usual mistake in the second map is the window: with padding 1 the first window starts outside, at row −1.

# %% id="by-hand-up" slide="fragment"
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

# %% [markdown] id="read-by-hand" slide="subslide" tags=["lead", "beside:by-hand-down"]
# Look at the fine map first. In its upper left corner the coarse branch says 1, and so the 1 of the fine map is silenced: a broad view overrules a detail. The 2 is lowered to 1. The 3 stays, because the coarse branch says 0 there.
#
# Now the coarse map. The same 3, one cell of sixteen, has reached it.
#
# An exchange is a **sum**. Channels are added, not laid side by side, so all results keep their shapes and the next module can do the same again. Many readers ask about this. An author confirms the sum in [HRNet-Semantic-Segmentation #84](https://github.com/HRNet/HRNet-Semantic-Segmentation/issues/84). The concatenation in thread [#229](https://github.com/HRNet/HRNet-Semantic-Segmentation/issues/229) belongs to another part, the head that reads all branches at the very end.

# %% [markdown] id="the-matrix" slide="slide"
# ## 3 · i ← j
#
# Four branches make sixteen cells, and still there are only three rules: *as it is*, *up*, *down*. This is the matrix of W32, which has 32 channels in branch 0, for crops of 256 × 192 px:

# %% id="matrix-drawn" slide="-"
show.draw_fuse_matrix((32, 64, 128, 256), size=(64, 48))

# %% [markdown] id="notes-matrix" slide="notes"
# > *For the speaker.* Let them find the symmetry: steps depend on the distance from the diagonal only. Then the asymmetry: down needs a convolution for every step, up needs one in all.

# %% [markdown] id="brick" slide="subslide"
# ### The brick
#
# Everything is made of one brick: a convolution without bias, BatchNorm, and a ReLU *if asked*.

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
# The giver is coarser. A 1 × 1 convolution brings its channels to the receiver's number. Then each cell is repeated 2 × 2, or 4 × 4, or 8 × 8 times.

# %% id="path-up" slide="-" tags=["teaches:detlearn.models.hrnet:path_up"]
def path_up(in_channels, out_channels, steps):
    path = conv_norm(in_channels, out_channels, 1, relu=False)
    path.add_module("upsample", nn.Upsample(scale_factor=2**steps,
                                            mode="nearest"))
    return path


maps = torch.rand(1, 256, 8, 6)
for name, layer in path_up(256, 32, steps=3).named_children():
    maps = layer(maps)
    print(f"{name:9}", tuple(maps.shape))

# %% [markdown] id="down-words" slide="subslide"
# ### Down: i > j
#
# The giver is finer. One convolution of stride 2 halves the map once, so it takes a **chain of i − j** of them. All but the last keep the giver's channels and end in a ReLU. The last one changes to the receiver's channels and has **no ReLU**.

# %% id="path-down" slide="-" tags=["teaches:detlearn.models.hrnet:path_down"]
def path_down(in_channels, out_channels, steps):
    path = nn.Sequential()
    for _ in range(steps - 1):
        path.append(conv_norm(in_channels, in_channels, 3, stride=2))
    return path.append(conv_norm(in_channels, out_channels, 3, stride=2,
                                 relu=False))


maps = torch.rand(1, 32, 64, 48)
for layer in path_down(32, 256, steps=3):
    maps = layer(maps)
    print(tuple(maps.shape), [type(part).__name__ for part in layer])

# %% [markdown] id="cell-words" slide="subslide" tags=["lead"]
# **Why does the last step have no ReLU?** The sum comes next. With a ReLU a giver could only *raise* the receiver's numbers. Without it, it can also say *no*, as the coarse branch did in §2. (A ★ cell shows it with random weights.)
#
# ### The cell
#
# Three rules become three cases. The `receiver` is *i*, the `giver` is *j*. An empty `Sequential` hands its input on.

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

# %% id="one-shape-a-row" slide="skip"
widths = (32, 64, 128, 256)
maps = pyramid_of(widths, 64)
for i in range(4):
    row = [FuseLayer(i, j, widths)(maps[j]) for j in range(4)]
    print("receiver", i, *[tuple(said.shape[1:]) for said in row])

# %% [markdown] id="row-words" slide="subslide" tags=["lead"]
# Along a row all shapes are equal, and that is all a sum needs.
#
# ### The row
#
# The receiver adds up its row, its own map included, then a ReLU follows. That sounds too simple to get wrong. Two patients of the clinic get it wrong.

# %% id="exchange" slide="-" tags=["teaches:detlearn.models.hrnet:exchange"]
def exchange(row, features):
    (cell, maps), *others = zip(row, features, strict=True)
    total = cell(maps)  # (B, C, H, W)
    for cell, maps in others:
        total = total + cell(maps)  # a new map
    # without others, total may be the giver's own map
    return F.relu(total, inplace=bool(others))

# %% id="exchange-proved" slide="skip" tags=["prove"]
# enlarged first, unlike §2 and §3: the same numbers (★ "Why is up …")
up_by_hand = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 1))
down_by_hand = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)
up_by_hand[1].weight.data.fill_(-1)
up_by_hand[1].bias.data.zero_()
down_by_hand.weight.data = ones
matrix = [[nn.Identity(), up_by_hand], [down_by_hand, nn.Identity()]]
pair = [fine[None, None], coarse[None, None]]
prove("the rows = what we did by hand",
      [exchange(row, pair)[0, 0] for row in matrix],
      [new_fine, new_coarse])

# %% [markdown] id="block-words" slide="skip" tags=["lead"]
# ### The module
#
# Before they exchange, the branches work alone, each through four **residual blocks** (He et al. 2016). A block has two 3 × 3 convolutions and adds its input at the end, so it only has to learn what to *change*.
#
# A module is blocks, then the matrix. `num_outputs` keeps only the first rows. The very last module of the pose network has one, since nobody listens to the other branches any more; the published code says `multi_scale_output=False`. `fuse=False` leaves the branches strangers, which we need in §5.

# %% id="basic-block" slide="skip" tags=["teaches:detlearn.models.hrnet:BasicBlock"]
class BasicBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = conv_norm(channels, channels, 3)
        self.second = conv_norm(channels, channels, 3, relu=False)

    def forward(self, maps):
        total = self.second(self.first(maps))
        total += maps  # in place: nobody else has these numbers
        return F.relu(total, inplace=True)


tuple(BasicBlock(8)(torch.rand(2, 8, 6, 4)).shape)

# %% id="module-init" slide="skip" tags=["teaches:detlearn.models.hrnet:HighResolutionModule.__init__"]
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

# %% id="module-forward" slide="skip" tags=["teaches:detlearn.models.hrnet:HighResolutionModule.forward"]
@method_of(HighResolutionModule)
def forward(self, features):
    features = [branch(maps) for branch, maps
                in zip(self.branches, features, strict=True)]
    if not self.fuse:
        return features[:self.num_outputs]
    return [exchange(row, features) for row in self.fuse]


for outputs in (3, 1):
    module = HighResolutionModule((4, 8, 16), 1, num_outputs=outputs)
    print([tuple(m.shape[1:]) for m in module(pyramid_of((4, 8, 16), 8))])

# %% [markdown] id="predict-then-move" slide="subslide"
# ### Predict, then move
#
# The explorer shows the sixteen cells with small maps in them. Guess first, then move; the cell below it checks your answers.
#
# 1. Under *Maps* choose **one pixel of branch 3**. How many cells of output 0 will not be 0?
# 2. Choose **one pixel of branch 0**, which lies in row 7, column 7. How many cells of output 1 hear it? And how many hear it from row 8, column 8?
# 3. Which of the sixteen cells has the most parameters? Name receiver and giver.

# %% id="explorer-fuse" slide="-" tags=["explorer"]
show.FuseMatrixExplorer((32, 64, 128, 256), (64, 48), receiver=2, giver=0)

# %% [markdown] id="notes-predict-then-move" slide="notes"
# > *For the speaker.* Collect guesses for task 2 before anyone moves: nearly everybody expects the same number twice. A coarse cell *o* is centred on fine cell 2o and sees 2o − 1 to 2o + 1. An even place lies in one window, an odd one in two, in each direction. Then switch the column of giver 0 off, and let them say what the three coarser outputs lose.

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# task 1: cells of output 0; task 2: cells of output 1, from row 7 and
# from row 8; task 3: (receiver, giver). Made up: (9, (5, 6), (0, 2))
moves = ...

nb10.moves.check(moves)

# %% [markdown] id="transition-words" slide="slide" tags=["lead"]
# ## 4 · From stage to stage
#
# ### The transition
#
# Between two stages every branch is handed on, and one new branch is opened **from the last, the coarsest one**, by a strided 3 × 3 convolution. From the second transition on, that branch has just heard all the others. Only the first transition also converts what it hands on, since stage 1 has 256 channels and branch 0 shall have 32.

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

# %% [markdown] id="notes-transition" slide="notes"
# > *For the speaker.* Go back to the picture of the whole and point at the three dashed arrows: each starts in the lowest row there is. A published figure reads as if a new branch came from all of them.

# %% [markdown] id="trunk-words" slide="subslide" tags=["lead", "beside:the-network"]
# ### The trunk
#
# A **stem** of two strided convolutions makes the map of stride 4. Four *bottlenecks*, ResNet's other kind of block (built in the first ★ section), are stage 1. Then transition and stage take turns, three times. That is the whole network.
#
# The cell after the class sends a crop of 256 × 192 px through it. **Predict** each line that it prints: how many maps are there, and how large is the last?

# %% id="trunk" slide="skip"
class Trunk(nn.Module):
    def __init__(self, widths, modules, num_blocks):
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, 64, 3, stride=2),
                                  conv_norm(64, 64, 3, stride=2))
        self.stage1 = nn.Sequential(
            *(hrnet.Bottleneck(c, 64) for c in (64, 256, 256, 256)))
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


trunk = on_meta(Trunk, (32, 64, 128, 256), (1, 4, 3), 4)
modules = [module for stage in trunk.stages for module in stage]
print(len(modules), "modules, so", len(modules), "exchanges")

# %% id="every-shape" slide="subslide"
images = torch.empty(1, 3, 256, 192, device="meta")
stem = trunk.stem(images)
features = [trunk.stage1(stem)]
shapes = {"stem": [stem], "stage 1": features}
for s in range(2, 5):
    features = trunk.transitions[s - 2](features)
    shapes[f"transition to {s}"] = features
    features = trunk.stages[s - 2](features)
    shapes[f"stage {s}"] = features
for name, maps in shapes.items():
    print(f"{name:16}", *["×".join(map(str, m.shape[1:])) for m in maps])

# %% [markdown] id="sides-words" slide="subslide" tags=["lead", "beside:the-network"]
# After stage 1 only the *number* of maps changes. Every row of the picture in §1 keeps its size.
#
# One condition comes with it. Branch 3 has stride 32. A side of 250 px would be halved to 63, 32, 16 and 8 cells, and doubled back from 32 to 64; 63 and 64 cannot be added. The map of stride 4 needs a multiple of 8 cells a side. The package demands the simple rule that always gives it: sides are **multiples of 32**, or the picture is padded. (253 to 255 px would happen to fit.)
#
# ### What does it cost?
#
# A block of C channels has 2 · (9·C² + 2·C) parameters, and it multiplies 2 · 9·C² times *at each cell*. The next branch has twice the channels on a quarter of the cells. **Predict:** which branch has the most parameters, and which the most multiplications?
#
# We count on the package's network: our trunk's 29,305,536 parameters, less 769,984 for three rows of the last exchange that nobody hears, plus 561 for the head.

# %% id="costs" slide="skip"
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


w32 = on_meta(create_model, "pose_hrnet_w32").eval()
macs = multiply_adds(w32, 256, 192)
assert count(w32) == 28_536_113  # as published
assert count(trunk) == 29_305_536  # ours, with all four rows
assert count(trunk) - 769_984 + count(w32.head) == count(w32)
print(f"{count(w32):,} parameters, {sum(macs.values()):,} multiply-adds")

# %% id="costs-by-branch" slide="subslide" tags=["hide-input"]
trunk = w32.trunk
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

# %% [markdown] id="cost-read" slide="fragment" tags=["lead"]
# Inside a module **every branch multiplies equally often**, since (2C)² · HW/4 = C² · HW, and has almost four times the parameters of the one above it. In total branch 3 owns half of all parameters. The most multiplications are a tie: branches 0 and 1 have 1.81 G each, as both are in all eight modules. Branch 3 has the *least*, as it exists only in stage 4.
#
# So a coarser branch costs no more multiplications than the fine one, and the exchanges are cheap.

# %% [markdown] id="measured" slide="slide"
# ## 5 · Who hears whom
#
# What does an exchange give? We touch one cell in the corner of branch 3, run one module, and see which cells of the four outputs change. Then we do the same without an exchange. The branches have 32, 16, 8 and 4 cells a side. **Predict** how many cells of branch 0 change in each case:

# %% id="touch" slide="-" tags=["hide-input"]
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

# %% [markdown] id="notes-touch" slide="notes"
# > *For the speaker.* Let them derive 24: two 3 × 3 convolutions reach two cells far, so rows 0 to 2 of branch 3, and each becomes eight rows of branch 0.

# %% [markdown] id="who-learns-words" slide="subslide" tags=["lead"]
# This module has one block in each branch (W32's have four). Its two 3 × 3 convolutions carry the touch two cells far. That makes 3 × 3 cells in the corner of branch 3. Repeated 8 × 8, they are 24 × 24 cells of branch 0: more than half of that map, after a *single* module.
#
# The other direction is learning. The loss of a pose network looks at branch 0 only. What becomes of coarse branches that nobody listens to? Below is the tiny pose network of chapter 11, with fewer and fewer exchanges. **Predict:** in which rows does every parameter receive a gradient?

# %% id="who-learns" slide="-"
switches = {"all exchanges": [], "none within a stage": ["within"],
            "only the last": ["within", "across"],
            "none": ["within", "across", "final"]}
for words, off in switches.items():
    network = hrnet.PoseHRNet(replace(
        hrnet.POSE_HRNET_TINY, **{f"fuse_{which}": False for which in off}))
    network(torch.rand(2, 3, 64, 64)).square().sum().backward()
    learn = sum(p.numel() for p in network.parameters()
                if p.grad is not None)
    print(f"{words:20}{learn:8,} of {count(network):8,} learn")
assert learn == 40_625

# %% [markdown] id="who-learns-read" slide="subslide" tags=["lead", "beside:touch"]
# With the last exchange alone everything still learns. Without it 40,625 of 285,281 parameters learn, one in seven. The coarse branches are computed and never heard.
#
# Does it *pay* to exchange again and again? The paper trained W32 on COCO with 1, 3 and all 8 exchanges, without ImageNet, and found 70.8, 71.9 and 73.4 AP (Table 6). Read such a table with care. A network with fewer exchanges is also a smaller one, as the totals above show. A fair trial widens it to the same size first; `experiments/hrnet.py` plans one. (`benchmarks/hrnet_experiment.py`, in a ★ section, does not widen.)

# %% [markdown] id="exercises" slide="skip"
# ## 6 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb10.path_channels.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `path_channels`: output channels of every convolution of *i ← j*. It works when (2, 0) of W32 gives [32, 128].
# 2. `fuse_parameters`: how many parameters a cell has. It works when (3, 0) of W32 gives 92,800.
# 3. `exchange_two`: the whole exchange of two branches, given its two weights. It works when it repeats §2.

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

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Two patients, both met in the wild. Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “I ported the exchange. Published weights load, shapes are right, and every map is wrong. But if I train my version from nothing, it works.”

# %% [markdown] id="notes-clinic" slide="notes"
# > *For the speaker.* Let them read the code aloud, giver by giver. The bug is in the published code of a well-known small HRNet, so nobody needs to be ashamed of not seeing it at once.

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

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# Giver 0 is counted twice: the sum starts with it, and the loop starts at 0 as well. A network can learn with that. [Lite-HRNet #64](https://github.com/HRNet/Lite-HRNet/issues/64) reports it in that network's code, and a *lower* mAP after the repair; whether it was trained again, nobody says. If it was not, that is no surprise: weights belong to the formula they were trained with. Repair and train again, or keep code and weights as they are.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
print("receiver hears", exchange(row, once).unique().tolist())

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# **Patient 2.** “Adding failed for branches two apart, so I resized. Now all shapes fit, it trains, and it has fewer parameters than published. But thin lines in the picture never reach my coarse branches.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_down(in_channels, out_channels, steps):
    return nn.Sequential(
        conv_norm(in_channels, out_channels, 3, stride=2, relu=False),
        nn.Upsample(scale_factor=0.5 ** (steps - 1)))


def pixels_heard(path):  # pixels that move the result at all
    picture = torch.rand(1, 32, 16, 16, requires_grad=True)
    path.eval()(picture).square().sum().backward()
    return int((picture.grad != 0).any(dim=1).sum())


print("hears", pixels_heard(sick_down(32, 64, steps=3)), "of 256 pixels")

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The map is halved once instead of *i − j* times ([HRNet-V2 #2](https://github.com/AI-Chen/HRNet-V2/issues/2) finds the same in a copy). The resizing then *picks* every fourth cell and throws the rest away. A chain of strided convolutions looks at every pixel.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
print("hears", pixels_heard(path_down(32, 64, steps=3)), "of 256 pixels")

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Branches** keep their resolution. An **exchange** lets each of them hear all.
# - **i ← j**: *as it is*; *up* (i < j) a 1 × 1 convolution, then repeated cells; *down* (i > j) a chain of i − j strided 3 × 3 convolutions, channels at the last, no ReLU after it. Then the sum, then ReLU.
# - A **transition** opens a new branch from the coarsest one.
# - 1 + 4 + 3 modules make **eight** exchanges and, with the head, 28,536,113 parameters. Every branch of a module multiplies equally often.
# - An exchange makes a wide view possible early, and gives the coarse branches something to learn.
#
# **Next**, 11: heat maps and key points on this trunk, and the trunk as a detector's pyramid.
#
# **Further reading.** Sun et al. 2019, *Deep High-Resolution Representation Learning for Human Pose Estimation*, arXiv 1902.09212, §3, Fig. 1, 3 and 5, Table 6 · Wang et al. 2020, 1908.07919, §III · He et al. 2016, *ResNet*, 1512.03385.

# %% [markdown] id="star-proofs" slide="skip"
# ## ★ More proofs and measurements
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# **The cell, with nothing but loops.** A convolution is a window that moves on. BatchNorm in eval mode is a factor and a shift. Here are all nine cells of three branches, written once more from these sentences alone:

# %% id="by-loops" slide="skip"
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

# %% id="cells-proved" slide="skip" tags=["prove"]
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
with torch.inference_mode():
    loops, ours = [], []
    for i, j in [(i, j) for i in range(3) for j in range(3)]:
        cell = stirred(FuseLayer(i, j, (3, 5, 7)))
        loops.append(cell_by_loops(i, j, cell, maps[j]))
        ours.append(cell(maps[j]))
    prove("our cells = the loops", ours, loops, tolerance=1e-4)

# %% [markdown] id="bottleneck-words" slide="skip"
# **The bottleneck of stage 1** narrows (1 × 1), filters (3 × 3) and widens (1 × 1). Where the number of channels changes, the shortcut needs a convolution of its own. Both blocks are compared with torchvision's ResNet:

# %% id="bottleneck" slide="skip" tags=["teaches:detlearn.models.hrnet:Bottleneck"]
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
        total = self.widen(self.filter(self.narrow(maps)))
        total += self.shortcut(maps)
        return F.relu(total, inplace=True)


tuple(Bottleneck(64, 64)(torch.rand(2, 64, 6, 4)).shape)

# %% id="blocks-proved" slide="skip" tags=["prove"]
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

# %% id="trunk-is-the-packages" slide="skip"
small = {"widths": (4, 8, 16, 32), "modules": (1, 2, 2), "num_blocks": 1}
ours = stirred(Trunk(**small))
theirs = hrnet.HRNet(hrnet.HRNetConfig(**small)).eval()
theirs.load_state_dict(ours.state_dict())
images = torch.rand(1, 3, 64, 96)
with torch.inference_mode():
    for a, b in zip(ours(images), theirs(images), strict=True):
        assert torch.equal(a, b)
print("our trunk is the package's:", count(ours), "parameters")

# %% [markdown] id="no-relu" slide="skip"
# **No ReLU before the sum.** A giver with random weights speaks to a receiver, once without and once with a ReLU of its own. Which share of the receiver's numbers can it lower?

# %% id="no-relu-seen" slide="skip"
_ = torch.manual_seed(0)
own = torch.rand(1, 4, 16, 16)
said = stirred(path_up(8, 4, steps=1))(torch.rand(1, 8, 8, 8))
for words, heard in (("without", said), ("with", said.relu())):
    lowered = (own + heard < own).float().mean()
    print(f"{words:8}ReLU: {10 * round(10 * lowered.item())} % lowered")

# %% [markdown] id="order" slide="skip"
# **Why is *up* convolved first and enlarged afterwards?** The other order gives the same numbers, as a 1 × 1 convolution looks at one cell at a time. But it would multiply 64 copies of every cell:

# %% id="order-proved" slide="skip" tags=["prove"]
maps = torch.rand(1, 256, 8, 6)
climb = path_up(256, 32, steps=3).eval()
repeated = climb.upsample(maps)
with torch.inference_mode():
    prove("repeat first = convolve first",
          climb.bn(climb.conv(repeated)), climb(maps), tolerance=1e-5)
for name, given in (("convolve first", maps), ("repeat first", repeated)):
    cells = given.shape[-2] * given.shape[-1]
    print(f"{name:15}{256 * 32 * cells:11,} multiplications")

# %% [markdown] id="costs-by-stage-words" slide="skip"
# **Costs by stage.** In each row the branches multiply equally often; a MAC is one multiplication with its addition.

# %% id="costs-by-stage" slide="skip" tags=["prove"]
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
assert count(on_meta(create_model, "pose_hrnet_w48")) == 63_595_745

# %% [markdown] id="fields-words" slide="skip"
# **How much of the picture can a fine cell see?** A `SpatialTrace` follows kernels and strides back. This is branch 0 of W32, after each of the eight modules:

# %% id="fields" slide="skip" tags=["prove"]
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

# %% [markdown] id="fields-read" slide="skip"
# This is the central cell; a cell at the edge sees half of its field outside the picture. Even alone, the central cell of branch 0 would see a whole crop of 256 px after four modules. With exchanges it does after *two*. The coarse branches make a wide view *possible* early; whether a trained network uses it, this count cannot say.
#
# **In miniature.** `benchmarks/hrnet_experiment.py` trained the tiny pose network with three seeds and one learning rate for all, and did not widen the smaller ones; `experiments/hrnet.py` does. This is what it recorded (OKS-AP is chapter 11's AP for joints). The sizes differ, and three seeds say little about chance:

# %% id="fusion-trained" slide="skip"
path = data_path("results", "hrnet.json")
summary = json.loads(path.read_text(encoding="utf-8"))["summary"]
for name, row in summary.items():
    print(f"{name:20}{row['exchanges']} exchanges, "
          f"{row['parameters']:,} parameters, OKS-AP", *row["AP"]["values"])

# %% [markdown] id="fusion-read" slide="skip"
# What these three seeds show: all three scores of *only the last* lie below all three of *all exchanges*, and *none* lies far below both. But *only the last* has 106,608 parameters fewer, and of *none* only 40,625 learn. So the table cannot tell an exchange from the parameters that come with it. For the other rows three seeds are too few to say anything.
#
# One more exercise counts what the switches of `HRNetConfig` leave. `units_left` works when (1, 4, 3) without those within stages leaves 3.

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

# %% [markdown] id="missing-pixels-words" slide="skip"
# And one counts what an odd picture lacks (§4). `missing_pixels`: rows and columns up to the next multiple of the coarsest stride. It works when 250 × 190 with four branches lacks 6 and 2.

# %% id="exercise-missing-pixels" slide="skip" tags=["exercise"]
def missing_pixels(height, width, branches):
    """(rows, columns) up to multiples of the coarsest stride."""
    ...
    return None

nb10.missing_pixels.check(missing_pixels)

# %% [markdown] id="published" slide="skip"
# ## ★ The published code: settings, first weights, loading
#
# The published network (leoxiaobin/deep-high-resolution-net.pytorch, `pose_hrnet.py`) is built from a YAML file. Its keys, with W32's values, and what they are called here:
#
# | key below `MODEL` | W32, 256 × 192 | here | remark |
# |--|--|--|--|
# | `NUM_JOINTS` | 17 | `num_joints` | MPII has 16 |
# | `IMAGE_SIZE`, `HEATMAP_SIZE` | [192, 256], [48, 64] | `crop_size`, `heatmap_size` | there *width first*, here height first |
# | `EXTRA.STAGE2` … `STAGE4` | | | a dictionary for each stage |
# | … `NUM_MODULES` | 1, 4, 3 | `modules` | |
# | … `NUM_BRANCHES` | 2, 3, 4 | – | the length of `widths[:n]` |
# | … `NUM_CHANNELS` | [32, 64], … | `widths` | repeated in every stage |
# | … `NUM_BLOCKS` | [4, 4], … | `num_blocks` | |
# | … `BLOCK` | BASIC | – | BOTTLENECK is the other choice |
# | … `FUSE_METHOD` | SUM | – | stored, never read: it is always a sum |
# | `EXTRA.FINAL_CONV_KERNEL` | 1 | – | the head, 1 × 1 or 3 × 3 |
# | `INIT_WEIGHTS`, `PRETRAINED` | true, a path | `load_reference_weights` | see below |
# | `EXTRA.PRETRAINED_LAYERS` | all but `final_layer` | – | see below |
#
# `multi_scale_output` is no key. The code passes `multi_scale_output=False` for stage 4, and only the *last* module of that stage obeys it and keeps one row of its matrix.

# %% id="multi-scale-output" slide="skip"
rows = [len(module.fuse) for module in modules]
print("rows of the eight matrices:", rows)
saved = sum(count(FuseLayer(i, j, widths)) for i in (1, 2, 3)
            for j in range(4))
print(f"three rows fewer save {saved:,} parameters")
assert rows[-1] == 1

# %% [markdown] id="init-weights" slide="skip"
# **First weights.** `init_weights` draws every convolution from a normal distribution with standard deviation 0.001, since ImageNet's weights are meant to replace it. Then, if `PRETRAINED` names a file, it filters that file and loads the rest with `strict=False`. A tensor passes the filter if the first part of its name, up to the dot, stands in `PRETRAINED_LAYERS`. The list has no `final_layer`, so a head for another number of joints does no harm.
#
# **Predict.** Somebody saved the network from `DataParallel`, which puts `module.` before every name. How many tensors does the filter let through, and what does the user hear of it?

# %% id="pretrained-layers" slide="skip"
layers = ("conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2",
          "transition2", "stage3", "transition3", "stage4")
names = ("conv1.weight", "stage2.0.branches.0.0.conv1.weight",
         "final_layer.weight")
for words, prefix in (("as published", ""), ("DataParallel", "module.")):
    file = [prefix + name for name in names]
    passed = [name for name in file if name.split(".")[0] in layers]
    print(f"{words:14}{len(passed)} of {len(file)} pass:", *passed)

old = BasicBlock(4)
before = old.first.conv.weight.clone()
answer = old.load_state_dict({"module.first": torch.ones(1)}, strict=False)
assert torch.equal(before, old.first.conv.weight)
print("no error;", len(answer.missing_keys), "keys missing, unsaid")

# %% [markdown] id="init-weights-read" slide="skip"
# None passes, nothing is loaded, and nobody is told. Training then starts from weights of 0.001. Here `load_reference_weights` names every key that is missing or left over, and first weights are Kaiming's:

# %% id="first-weights" slide="skip"
network = hrnet.PoseHRNet(hrnet.POSE_HRNET_TINY)
weight = network.trunk.stem[1].conv.weight
wanted = (2 / (9 * len(weight))) ** 0.5
print(f"Kaiming: {wanted:.3f}, published: 0.001")
assert 0.8 < weight.std() / wanted < 1.2

# %% [markdown] id="several-words" slide="skip"
# **Opening several branches at once.** The published transition can do that, too. The *n*-th new branch gets a chain of *n* strided convolutions of its own, all from the coarsest branch there is. All but the last keep that branch's channels, and here each one ends in ReLU, since no sum follows. Our `Transition` opens one branch, as every published setting does. This opens any number:

# %% id="several-branches" slide="skip"
def open_branches(in_channels, new_widths):
    """One chain for each new branch, fine to coarse."""
    return nn.ModuleList(
        nn.Sequential(*(
            conv_norm(in_channels, width if step == n else in_channels, 3,
                      stride=2) for step in range(1, n + 1)))
        for n, width in enumerate(new_widths, start=1))


stage_1 = torch.rand(1, 256, 64, 48)
for chain in open_branches(256, (64, 128, 256)):
    print(len(chain), "steps:", tuple(chain(stage_1).shape[1:]))

# %% [markdown] id="several-read" slide="skip"
# The paper tried a network whose four branches all begin at the start and found 72.5 AP against 73.4, both without ImageNet (§4.4). One detail of the published transition is worth knowing. From stage 3 on it hands the *coarsest* map to every branch that has to be converted, also to one that is kept. With the published widths no kept branch is converted there, so nobody has met it.

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ### Paper ↔ code
#
# *Code* is leoxiaobin/deep-high-resolution-net.pytorch. *Article* is a popular walk-through of it.
#
# | what | paper or article | published code | here | see |
# |--|--|--|--|--|
# | enlarging in *up* | CVPR: 1 × 1, then nearest; journal: bilinear, then 1 × 1 | 1 × 1, then nearest | as the code | §3 |
# | `j > i` | article: “from high to low resolution” | 1 × 1, then repeat: *up* | up | a |
# | `j < i` | article: “from small to large” | strided chain: *down* | down | a |
# | new branch | the figure reads as if from all ([#3](https://github.com/HRNet/HRNet-Object-Detection/issues/3)) | from the coarsest, which has heard all | as the code | b |
# | number of fusions | article: “fuse, then branch again” | 1 + 4 + 3 modules; nothing branches after the last | 8 | c |
# | joints | COCO 17 | article: 16, MPII's | a config | d |
# | “GFLOPs” | 7.10 (Table 1) | multiply-adds / 2³⁰, 7.12 | multiply-adds | e |
# | BatchNorm momentum | – | a constant of 0.1, not passed in 69 of 292 layers; it is PyTorch's default, so nothing changes | PyTorch's | f |
# | `is '*'` | – | compares strings by identity, works by luck | – | – |
# | a key twice | article: `NUM_CHANNELS` in one dictionary | the later wins | – | g |
# | same branch | – | `None` in a `ModuleList` | empty `Sequential` | §3 |
# | input list | – | overwritten | left alone | patient 3 |
# | odd sides | – | crash inside the network | a sentence, or `pad=True` | h |

# %% id="ledger-directions" slide="skip" tags=["ledger"]
# a  what the loop variables mean: x[i] hears x[j]
for i, j in ((0, 2), (2, 0)):
    maps = torch.zeros(1, (4, 8, 16)[j], 16 // 2**j, 16 // 2**j)
    cells = FuseLayer(i, j, (4, 8, 16)).eval()(maps).shape[-1]
    print("j > i" if j > i else "j < i", maps.shape[-1], "→", cells)

# b  who is heard by the new branch of a transition
step = stirred(Transition((4, 8), (4, 8, 16)))
for branch in (0, 1):
    changed = listeners(step, pyramid_of((4, 8), 8), branch, 2, 2)
    print("touched", branch, "cells of the new branch that hear it:",
          int(changed[2].sum()))

# c  exchanges, and what comes out of the last
print(len(modules), "exchanges,", len(modules[-1].fuse), "row in the last")

# %% id="ledger-numbers" slide="skip" tags=["ledger"]
# d  another number of joints: another head, and weights do not fit
mpii = on_meta(create_model, "pose_hrnet_w32", num_joints=16)
print(f"{count(w32) - count(mpii)} parameters fewer:", 32 + 1)

# e  two names for one count
macs_w32 = sum(macs.values())
print(f"{macs_w32 / 1e9:.3f} G multiply-adds, {macs_w32 / 2**30:.2f} Gi")

# f  BatchNorm layers, and which do not get the constant
def norms(module):
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())

print(norms(w32), "in all;", sum(norms(m.fuse) for m in modules),
      "in exchanges and", norms(trunk.transitions), "in transitions")

# g  a key written twice
print({"NUM_CHANNELS": [32, 64], "NUM_CHANNELS": [48, 96]})

# %% id="sides" slide="skip" tags=["ledger"]
# h  odd sides
tiny = hrnet.HRNetConfig(**small)
odd = torch.zeros(1, 3, 250, 190)
try:
    hrnet.HRNet(tiny)(odd)
except ValueError as error:
    print(error)
with torch.inference_mode():
    padded = hrnet.HRNet(replace(tiny, pad=True)).eval()(odd)
print([tuple(maps.shape[-2:]) for maps in padded])

# %% [markdown] id="star-clinic" slide="skip" tags=["clinic"]
# ## ★ Two more patients, and a quiz
#
# **Patient 3.** “Eval mode, no dropout, and yet the same call with the same list gives other numbers the second time.”

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
class SickModule(HighResolutionModule):
    def forward(self, features):
        for k, branch in enumerate(self.branches):
            features[k] = branch(features[k])
        return [exchange(row, features) for row in self.fuse]


def numbers_that_change(module):
    features = pyramid_of((4, 8), 8)
    with torch.inference_mode():
        first, second = module(features), module(features)
    return sum(int((a != b).sum()) for a, b in zip(first, second))


_ = torch.manual_seed(0)
changed = numbers_that_change(stirred(SickModule((4, 8), 1)))
print(f"{changed / 384:.0%} of 384 numbers change")
assert 192 < changed < 384

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# `features[k] = …` writes into the *caller's* list, and so does the published code (`x[i] = self.branches[i](x[i])`). The second call starts from what the first one left. A hook, a visualisation or a loss on intermediate maps would read the same changed list. Make a new list.
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic"]
cured = stirred(HighResolutionModule((4, 8), 1))
print("numbers that change:", numbers_that_change(cured))
package = stirred(hrnet.HighResolutionModule((4, 8), 1))
assert numbers_that_change(package) == 0

# %% [markdown] id="clinic-4" slide="skip" tags=["clinic"]
# **Patient 4.** “Output 0 is right to the last digit, the other outputs are wrong. If I compute them in reverse order, all are right!”

# %% id="clinic-4-symptom" slide="skip" tags=["clinic"]
def sick_sum(row, features):
    total = row[0](features[0])
    for cell, maps in zip(row[1:], features[1:]):
        total += cell(maps)
    return F.relu(total)


module = stirred(HighResolutionModule((4, 8, 16), 1))
features = pyramid_of((4, 8, 16), 8)
with torch.inference_mode():
    right = [exchange(row, features) for row in module.fuse]
    shared = [maps.clone() for maps in features]
    wrong = [sick_sum(row, shared) for row in module.fuse]
for k, (a, b) in enumerate(zip(right, wrong)):
    print(f"output {k}:", "right" if torch.allclose(a, b, atol=1e-6)
          else "wrong")

# %% [markdown] id="clinic-4-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 4</summary>
#
# `+=` on a tensor changes it in place. In row 0 the sum *is* giver 0, handed on as it is. After the first row giver 0 holds everybody's sum, and the next receivers hear that. (The same `+=` stands in the code that Lite-HRNet #64 is about.) Write `total = total + …`, as `exchange` does: that makes a new map, and only a map of your own may be changed in place.
#
# </details>

# %% id="clinic-4-cure" slide="skip" tags=["clinic"]
with torch.inference_mode():
    given = [maps.clone() for maps in features]
    found = [exchange(row, given) for row in module.fuse]
    for a, b in zip([*found, *given], [*right, *features]):
        assert torch.equal(a, b)
print("3 outputs right, 3 inputs as they were")

# %% [markdown] id="quiz" slide="skip"
# **Quiz: true or false?**
#
# 1. HRNet has no coarse maps.
# 2. 0 ← 3 goes down: from branch 0 to branch 3.
# 3. 3 ← 0 of W32 has three convolutions, with 32, 32 and 256 channels out.
# 4. In an exchange the channels of all givers lie side by side.
# 5. Branch 3 has the most channels, so it needs the most multiplications.
# 6. The new branch of a transition is made from the coarsest branch alone.
# 7. If no branch listens to branch 2 any more, it still learns from its own loss.
#
# <details><summary>Answers</summary>
#
# 1. False. It has three of them, and never gives up the fine one.
# 2. False. The receiver stands left: branch 0 hears branch 3, *up*.
# 3. True. Channels change at the last.
# 4. False. They are added. Only HRNetV2 and V2p (chapter 11) lay them side by side, at the very end.
# 5. False. All branches of a module multiply equally often.
# 6. True. But from stage 3 on, that branch has just heard all others.
# 7. False. There is one loss, at the end of branch 0, and no gradient comes back to it.
#
# </details>
