# %% [markdown] id="title" slide="slide"
# # 08 · M2Det I: BasicConv, TUM, SFAM
#
# **One question: how do you build a pyramid whose maps differ in depth as well as in size?**
#
# A traffic light stands beside a pedestrian, and both are 60 px tall. SSD gives both to the same feature map, because it sorts objects by size alone. So a box with three discs and a body in one of a thousand poses are judged after the same number of layers. M2Det offers several depths for every size.
#
# Afterwards you will be able to
#
# - build M2Det's three blocks from nothing, and say the shape of every map before you run it;
# - gather the maps of all levels from nested lists, and compute an attention with pencil and paper;
# - tell what the paper draws from what was released, and find two mistakes that raise no error.
#
# **{minutes} minutes** with the exercises. Sections with a ★ stand behind the summary; they are not counted. Before it: notebook 04 (feature maps, heads, BatchNorm in a network). M2Det as a whole is chapter 09.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
from collections import OrderedDict
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork, SqueezeExcitation

from detlearn import boxes, data, load_model, show, training
from detlearn.models import m2det
from detlearn.teach.exercises import nb08
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


def count(module):  # parameters, shared ones once
    return sum(p.numel() for p in module.parameters())


count(on_meta(nn.Conv2d, 3, 8, 1))

# %% [markdown] id="size-and-depth" slide="slide" tags=["lead"]
# ## 1 · Size and depth
#
# A backbone shrinks its maps on the way. In SSD a fine map therefore comes *early* and has been through few layers, and a coarse map comes *late* and has been through many. Small objects get the view of few layers, large objects the view of many. But is a face of 20 px simpler than a face of 200 px?
#
# M2Det (Zhao et al. 2019) unties the two:
#
# - a **scale** is the resolution of a map: 40 × 40 cells, 20 × 20, … It serves a *size* of object.
# - a **level** is a depth: how many U-shaped modules a map has been through. The paper says that it serves a *kind* of object, simple or complex. Chapter 09 looks at the evidence.
#
# *Mind the word.* Up to now “level” meant a map of the pyramid. In chapters 08 and 09 that is a scale, as in the paper.

# %% id="levels-and-scales" slide="-"
show.draw_level_grid((40, 20, 10, 5, 3, 1), num_levels=8, channels=256)

# %% [markdown] id="notes-size-and-depth" slide="notes"
# > *For the speaker.* Let the room read the picture in both directions before you explain it: along a row the size stays and the depth grows, down a column the depth stays and the size shrinks. Ask which direction SSD has. It walks a diagonal.

# %% [markdown] id="three-blocks" slide="subslide" tags=["lead"]
# A row keeps the size and changes the depth; a column does the opposite. SSD has neither, since its six maps form a diagonal. M2Det makes these 48 maps and lays them on top of each other, scale by scale. The next picture shows the way from the image to the boxes. It leaves out SFAM, and the arrows from one TUM to the next; chapter 09 draws both. Three kinds of blocks do the work:
#
# 1. **BasicConv**, the brick of everything;
# 2. the **TUM** (*thinned U-shape module*), which makes one column of the first picture;
# 3. **SFAM** (*scale-wise feature aggregation module*), which weighs the channels of a row.
#
# Chapter 09 builds the rest: the base feature in front, and the heads behind.

# %% id="whole-drawn" slide="-" tags=["key-figure"]
show.draw_overview("m2det")

# %% [markdown] id="basic-conv-words" slide="subslide"
# ### BasicConv
#
# A BasicConv is a convolution **without bias**, then BatchNorm, then ReLU. Its BatchNorm has `momentum=0.01`, where PyTorch's default is 0.1. Eval mode uses *running* means, and each training step moves them by this share of the way to the mean of its batch. **Predict:** what would a bias change? And how far have the running means come after 100 steps?

# %% id="basic-conv" slide="-" tags=["teaches:detlearn.models.m2det:BasicConv"]
class BasicConv(nn.Sequential):
    def __init__(self, in_channels, out_channels, kernel_size,
                 stride=1, padding=0):
        conv = nn.Conv2d(in_channels, out_channels, kernel_size,
                         stride, padding, bias=False)
        bn = nn.BatchNorm2d(out_channels, momentum=0.01)
        super().__init__(
            OrderedDict(conv=conv, bn=bn, relu=nn.ReLU(inplace=True)))


brick = BasicConv(3, 8, 3, stride=2, padding=1)
tuple(brick(torch.zeros(2, 3, 16, 16)).shape)

# %% id="no-bias" slide="skip" tags=["prove"]
_ = torch.manual_seed(0)
answers = brick.conv(torch.randn(4, 3, 16, 16))  # (4, 8, 8, 8)
biased = answers + torch.randn(8)[:, None, None]
prove("BatchNorm takes a bias away", nn.BatchNorm2d(8)(biased),
      nn.BatchNorm2d(8)(answers), tolerance=1e-4)
for steps in (1, 100, 500):
    print(f"after {steps:3} steps: {1 - 0.99**steps:4.0%} of the way")

# %% [markdown] id="momentum" slide="skip"
# A bias would change nothing, because BatchNorm subtracts each channel's mean right after it.
#
# After 100 steps more than a third of the starting value is still in the running means, after 500 steps less than a hundredth.

# %% [markdown] id="the-u" slide="slide" tags=["lead"]
# ## 2 · The U: a TUM
#
# A TUM reads one map and returns one map for each scale. In the picture it reads 40 × 40 cells, for an input of 320 px, and returns six maps. The **encoder** on the left shrinks. The **decoder** in the middle enlarges again, and adds at every size what the encoder had there. A 1 × 1 convolution on the right **smooths** each sum. The numbers in and beside the squares are channels.

# %% id="tum-drawn" slide="-"
show.draw_tum(in_channels=128, planes=256, side=40)

# %% [markdown] id="notes-the-u" slide="notes"
# > *For the speaker.* Walk the U with a finger, once down, once up, and say each shape aloud. Then cover the left column and ask for the sides again. The trap is the last step, 3 → 1: no stride, no padding. The top right map has been through all scales and back, and that one goes on to the next TUM.

# %% [markdown] id="down-by-hand" slide="subslide"
# ### Down, by hand
#
# A small U has three scales. Take a map of 8 × 8 ones and a filter of nine ones: such a convolution *counts* the cells that it sees. With stride 2 and padding 1 it sees 9 of them, but fewer at a border. **Predict** the 4 × 4 result, and then what a second filter makes of it with stride 1 and no padding.

# %% id="down-by-hand-seen" slide="fragment" tags=["output-only"]
ones = torch.ones(1, 1, 3, 3)
eight = torch.ones(1, 1, 8, 8)
four = F.conv2d(eight, ones, stride=2, padding=1)  # (1, 1, 4, 4)
two = F.conv2d(four, ones)  # (1, 1, 2, 2)
show.draw_small_maps(
    {"8 × 8": eight[0, 0], "stride 2": four[0, 0],
     "no padding": two[0, 0]}, "→→",
    alt="8 by 8 ones; after stride 2 4 by 4 with 4 in the upper left "
    "corner, 6 along the upper and left edge, 9 elsewhere; without "
    "padding 2 by 2 with 64, 72, 72, 81.")

# %% [markdown] id="why-uneven" slide="subslide" tags=["lead", "beside:down-by-hand-seen"]
# Only the upper and the left edge miss cells. The side is even, so with stride 2 the last filter ends exactly at the border. In the second map, 64 = 4 + 4 · 6 + 4 · 9.
#
# The encoder is this with BasicConvs. Every step has stride 2, except for the last. It returns *all* maps, and also the one that it read.

# %% id="encoder" slide="skip" tags=["teaches:detlearn.models.m2det:Encoder"]
class Encoder(nn.Module):
    def __init__(self, in_channels, planes, num_scales):
        super().__init__()
        self.layers = nn.ModuleList(
            [BasicConv(in_channels, planes, 3, stride=2, padding=1)])
        for _ in range(num_scales - 3):
            self.layers.append(
                BasicConv(planes, planes, 3, stride=2, padding=1))
        if num_scales > 2:
            self.layers.append(BasicConv(planes, planes, 3))

    def forward(self, maps):
        pyramid = [maps]
        for layer in self.layers:
            pyramid.append(layer(pyramid[-1]))
        return pyramid


small = Encoder(1, 5, num_scales=3)
[tuple(maps.shape) for maps in small(torch.rand(2, 1, 8, 8))]

# %% [markdown] id="sides" slide="subslide"
# ### Which sides?
#
# A 3 × 3 convolution makes ⌊(n + 2 · padding − 3) / stride⌋ + 1 cells of n. With stride 2 and padding 1 that is **n / 2, rounded up**; without both it is **n − 2**. From 40 the sides are 20, 10 and 5; then 2.5 becomes 3, and 3 − 2 = 1. **Predict** the sides for inputs of 512, 704 and 800 px, whose finest maps have 64, 88 and 100 cells.

# %% id="tum-sides" slide="fragment" tags=["teaches:detlearn.models.m2det:tum_sides"]
def tum_sides(side, num_scales):
    """Halve, rounding up; at the very end subtract two."""
    sides = [side]
    for step in range(num_scales - 1):
        last = step == num_scales - 2 and step > 0
        sides.append(sides[-1] - 2 if last else (sides[-1] + 1) // 2)
    return tuple(sides)


for side in (40, 64, 88, 100):
    print(tum_sides(side, 6))

# %% [markdown] id="up-by-hand" slide="subslide"
# ### Up, by hand
#
# A coarse cell has seen a large part of the picture and knows *what* is there. A fine map knows *where*. So the decoder enlarges the coarse map and adds the encoder's map of that size. **Nearest** upsampling copies cells. **Predict** the enlarged map and the sum:

# %% id="up-by-hand-seen" slide="fragment"
coarse = torch.tensor([[8.0, 0], [4, 0]])[None, None]  # (1, 1, 2, 2)
side_map = torch.eye(4)[None, None]  # (1, 1, 4, 4)
up = F.interpolate(coarse, size=(4, 4), mode="nearest")  # (1, 1, 4, 4)
show.draw_small_maps(
    {"coarse": coarse[0, 0], "enlarged": up[0, 0],
     "from the side": side_map[0, 0], "sum": (up + side_map)[0, 0]},
    "→+=", alt="8, 0, 4, 0 become blocks of two by two cells; a "
    "diagonal of ones is added.")

# %% [markdown] id="uneven" slide="subslide" tags=["beside:up-by-hand-seen"]
# ### Sides that do not double
#
# On the way down, odd sides were rounded up, and the last step took two off. So on the way up 1 becomes 3, and 3 becomes 5; only then do sides double. The decoder therefore asks for a *size*, not for a factor. Cell *i* of *n* then copies cell ⌊*i* · *m* / *n*⌋ of the *m* coarse ones. **Predict:** the row (7, 8, 9) becomes five cells. Which of the three appear twice?

# %% id="nearest-and-linear" slide="fragment"
row = torch.tensor([[[7.0, 8.0, 9.0]]])  # (B, C, W)
for mode in ("nearest", "linear"):
    five = F.interpolate(row, size=5, mode=mode)[0, 0]
    print(f"{mode:8}", [round(cell, 1) for cell in five.tolist()])

# %% [markdown] id="decoder-words" slide="subslide"
# Nearest copies 7 and 8 twice and 9 once. Linear interpolation mixes neighbours; in two dimensions it is called bilinear. The legend of the paper's Figure 4 says *bilinear*, the text names no mode, and the released code uses *nearest* (a user noticed it in [thread 93](https://github.com/VDIGPKU/M2Det/issues/93)). The author adds that bilinear can be used as well ([thread 18](https://github.com/VDIGPKU/M2Det/issues/18)). We follow the code.
#
# In the released decoder every map of the encoder but the coarsest passes a *lateral* 3 × 3 convolution first (lateral: from the side). The coarsest passes a 1 × 1 convolution, the *top*. With three scales, the way up is five lines:

# %% id="decoder-written-out" slide="-"
def enlarged(coarse, like):
    return F.interpolate(coarse, size=like.shape[-2:], mode="nearest")


top = BasicConv(5, 5, 1).eval()
side0 = BasicConv(1, 5, 3, padding=1).eval()
side1 = BasicConv(5, 5, 3, padding=1).eval()
fine, middle, coarse = small.eval()(torch.rand(2, 1, 8, 8))
p2 = top(coarse)  # (2, 5, 2, 2)
p1 = side1(middle)  # (2, 5, 4, 4)
p1 = p1 + enlarged(p2, like=p1)  # (2, 5, 4, 4)
p0 = side0(fine)  # (2, 5, 8, 8)
p0 = p0 + enlarged(p1, like=p0)  # (2, 5, 8, 8)
[tuple(maps.shape) for maps in (p0, p1, p2)]

# %% [markdown] id="decoder-loop-words" slide="skip"
# A loop does the same for any number of scales. Its list grows at the *front*, so that it runs fine → coarse at any time. Both lists are read backwards, because the way up begins at the coarsest map.

# %% id="decoder" slide="skip" tags=["teaches:detlearn.models.m2det:Decoder", "prove"]
class Decoder(nn.Module):
    def __init__(self, in_channels, planes, num_scales):
        super().__init__()
        self.lateral = nn.ModuleList(
            [BasicConv(in_channels, planes, 3, padding=1)])
        for _ in range(num_scales - 2):
            self.lateral.append(BasicConv(planes, planes, 3, padding=1))
        self.top = BasicConv(planes, planes, 1)

    def forward(self, maps):
        pyramid = [self.top(maps[-1])]
        for lateral, finer in zip(reversed(self.lateral),
                                  reversed(maps[:-1]), strict=True):
            side = lateral(finer)  # (B, C, H, W)
            up = F.interpolate(pyramid[0], size=side.shape[-2:],
                               mode="nearest")  # (B, C, H, W)
            pyramid.insert(0, up + side)
        return pyramid


decoder = Decoder(1, 5, num_scales=3)
decoder.top, decoder.lateral = top, nn.ModuleList([side0, side1])
prove("the loop is the five lines", decoder([fine, middle, coarse]),
      [p0, p1, p2])

# %% [markdown] id="tum-words" slide="subslide" tags=["lead", "beside:tum-drawn"]
# ### Down, up, smooth
#
# The TUM has three parts, and `forward` three lines. `planes` is the code's word for the channels inside. `smooth=False` leaves out the 1 × 1 convolutions. In `Smoothing`, `strict=False` lets `zip` stop at the last layer: there is none for the coarsest map, which passes as it is. This is the *released* TUM. The paper draws another one, whose way up is a `PaperDecoder` (★).

# %% id="smoothing" slide="skip" tags=["teaches:detlearn.models.m2det:Smoothing"]
class Smoothing(nn.Module):
    def __init__(self, in_channels, out_channels, num_maps):
        super().__init__()
        self.layers = nn.ModuleList(
            BasicConv(in_channels, out_channels, 1)
            for _ in range(num_maps))

    def forward(self, maps):
        smoothed = [layer(fine) for layer, fine in zip(
            self.layers, maps, strict=False)]
        return [*smoothed, *maps[len(self.layers):]]

# %% id="tum" slide="skip" tags=["teaches:detlearn.models.m2det:TUM"]
class TUM(nn.Module):
    def __init__(self, in_channels, planes=256, num_scales=6,
                 kind="released", smooth=True):
        super().__init__()
        self.encoder = Encoder(in_channels, planes, num_scales)
        if kind == "released":
            self.decoder = Decoder(in_channels, planes, num_scales)
            self.smoothing = Smoothing(
                planes, planes, num_scales - 1 if smooth else 0)
        else:
            self.decoder = PaperDecoder(planes, num_scales)
            self.smoothing = Smoothing(planes, planes // 2, num_scales)

    def forward(self, maps):
        down = self.encoder(maps)
        up = self.decoder(down)
        smoothed = self.smoothing(up)
        return smoothed


blank = torch.empty(2, 128, 40, 40, device="meta")
[tuple(maps.shape[1:]) for maps in on_meta(TUM, 128)(blank)]

# %% [markdown] id="move-walker" slide="subslide"
# ### Predict, then move
#
# `m2det_tiny` is a small trained M2Det: four TUMs with five scales and 24 channels. Walk through one of its TUMs on a scene that it has not seen in training. A square shows the mean of a map's channels. The cell below the explorer checks your answers.
#
# 1. Which step is the first that *enlarges* a map?
# 2. Set `level` to 1: how many channels does that TUM read?
# 3. Still level 1: which two steps have the most parameters?

# %% id="explorer-walker" slide="-" tags=["explorer", "nbval-ignore-output"]
trained = load_model(data.data_path("weights", "m2det_tiny.safetensors"))
folder = data.data_path("shapes_val")
scenes = data.CocoDetectionDataset(folder / "images",
                                   folder / "annotations.json")
file = folder / "images" / "000025.png"
show.UShapeExplorer(trained, scenes[25][0], file=file, step=4)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# task 1: number of the step; 2: channels; 3: (smaller, larger step)
moves = ...

nb08.moves.check(moves)

# %% [markdown] id="gather" slide="slide" tags=["lead", "beside:levels-and-scales"]
# ## 3 · Levels on top of each other
#
# One TUM makes one level. The next TUM reads two things: the *largest* map of the TUM before it, with 256 channels, and a thin copy of the base feature, with 128, so that it does not forget the picture. That makes 256 + 128 = **384**. The first TUM has no one before it and reads only the thin copy, 128.
#
# What comes out is a list of lists, `levels[level][scale]`. The heads want one map for each *scale*. `zip(*…)` turns such a table on its side; here it is with names:

# %% id="gather-names" slide="skip"
names = [[f"level {level} scale {scale}" for scale in range(3)]
         for level in range(2)]
for group in zip(*names):
    print(group)

# %% [markdown] id="notes-gather" slide="notes"
# > *For the speaker.* Stress that concatenation keeps every map as it is: nothing is added up, and channel 256 · level + c can be traced back to its TUM. Ask what would be lost if the levels were added.

# %% id="levels-by-loop" slide="skip"
_ = torch.manual_seed(0)
thin = torch.rand(1, 2, 8, 8)  # what is left of the first input
tums = [TUM(2, 4, 3), TUM(2 + 4, 4, 3), TUM(2 + 4, 4, 3)]

levels, reads = [], thin
for tum in tums:
    levels.append(tum.eval()(reads))
    reads = torch.cat([thin, levels[-1][0]], dim=1)  # (B, 6, 8, 8)

for level, maps in enumerate(levels):
    print("level", level, [tuple(m.shape) for m in maps])

# %% id="gathered" slide="skip"
gathered = []
for scale in range(3):
    of_this_scale = [maps[scale] for maps in levels]
    gathered.append(torch.cat(of_this_scale, dim=1))

print([tuple(m.shape) for m in gathered])
assert torch.equal(gathered[1][:, 8:12], levels[2][1])  # level 2's own

# %% [markdown] id="sfam-by-hand" slide="slide" tags=["lead"]
# ## 4 · SFAM: which channels, for this picture?
#
# 8 levels × 256 = 2,048 channels lie on top of each other, and not every picture needs all of them. An **attention** gives each channel a weight between 0 and 1, which it computes *from the picture itself*. SFAM uses *squeeze-and-excitation* (Hu et al. 2018), once for each scale:
#
# 1. **squeeze**: take the average of each channel, one number for a whole map;
# 2. **excite**: two small layers with a ReLU between them, then a **sigmoid**, 1 / (1 + e⁻ˣ), which maps any number to 0 … 1;
# 3. **multiply** every cell of a channel by its weight.
#
# Here are two channels, to be done by hand. The first layer subtracts their averages, the second multiplies the result by +1 and −1. **Predict** both weights (e⁻³ is 0.05).

# %% id="sfam-by-hand-seen" slide="fragment"
maps = torch.tensor([[[1.0, 3.0], [5.0, 7.0]], [[0.0, 0.0], [2.0, 2.0]]])
first = torch.tensor([[1.0, -1.0]])  # (1, 2)
second = torch.tensor([[1.0], [-1.0]])  # (2, 1)
average = maps.mean(dim=(1, 2))  # (2,)
hidden = F.relu(first @ average)  # (1,)
weights = torch.sigmoid(second @ hidden)  # (2,)
weighed = maps * weights[:, None, None]  # (2, 2, 2)
print("averages", average.tolist(), "hidden", hidden.tolist(),
      "weights", [round(w, 3) for w in weights.tolist()])
show.draw_small_maps(
    {"channel 0": maps[0], "· 0.953": weighed[0],
     "channel 1": maps[1], "· 0.047": weighed[1]}, ("→", "", "→"),
    alt="Channel 0 with average 4 keeps nearly all of its numbers 1, 3, "
    "5, 7; channel 1 with average 1 is turned down to a twentieth.")

# %% [markdown] id="notes-sfam" slide="notes"
# > *For the speaker.* 4 − 1 = 3; sigmoid(3) = 0.953, sigmoid(−3) = 0.047. Ask what happens if channel 1 is the brighter one: the ReLU makes the hidden number 0, and both weights become 0.5. And ask what the weights sum to. Here 1, but only because the second layer is +1 and −1; in general nothing particular, it is no softmax.

# %% [markdown] id="sfam-class-words" slide="subslide" tags=["lead", "beside:sfam-by-hand-seen"]
# A weight turns a whole channel down, much or little, never one place: all cells share it. How much a channel counts, the heads' filters decide, too. And each weight has its own sigmoid, so all may be open, or none.
#
# In the class, 1 × 1 convolutions on maps of shape (B, C, 1, 1) are the two linear layers. The hidden width is C / r, and the paper has r = 16. (Its TUMs give out 128 channels, so its C is 8 · 128 = 1,024.) The next cells explain `shared`.

# %% id="sfam-init" slide="skip" tags=["teaches:detlearn.models.m2det:SFAM.__init__"]
class SFAM(nn.Module):
    def __init__(self, channels, num_scales=6, compress_ratio=16,
                 shared=True):
        super().__init__()
        hidden = max(1, channels // compress_ratio)
        pairs = 1 if shared else num_scales
        self.fc1 = nn.ModuleList(
            nn.Conv2d(channels, hidden, 1) for _ in range(pairs))
        self.fc2 = nn.ModuleList(
            nn.Conv2d(hidden, channels, 1) for _ in range(pairs))


for channels, kind in ((2048, "released"), (1024, "paper")):
    pair = on_meta(SFAM, channels)
    print(f"{kind:9}{channels} → {pair.fc1[0].out_channels} → {channels}")

# %% id="sfam-attention" slide="skip" tags=["teaches:detlearn.models.m2det:SFAM.attention"]
@method_of(SFAM)
def attention(self, pyramid):
    weights = []
    for scale, maps in enumerate(pyramid):
        fc1 = self.fc1[scale % len(self.fc1)]  # a shared pair serves all
        fc2 = self.fc2[scale % len(self.fc2)]
        squeezed = F.adaptive_avg_pool2d(maps, 1)  # (B, C, 1, 1)
        excited = torch.sigmoid(
            fc2(F.relu(fc1(squeezed))))  # (B, C, 1, 1)
        weights.append(excited.flatten(1))  # (B, C)
    return weights


pyramid = [torch.rand(2, 32, 4, 4), torch.rand(2, 32, 2, 2)]
sfam = SFAM(32, num_scales=2, shared=False)
[tuple(weights.shape) for weights in sfam.attention(pyramid)]

# %% id="sfam-forward" slide="subslide" tags=["teaches:detlearn.models.m2det:SFAM.forward", "prove"]
@method_of(SFAM)
def forward(self, pyramid):
    weights = self.attention(pyramid)
    return [maps * each[:, :, None, None]
            for maps, each in zip(pyramid, weights, strict=True)]


by_hand = SFAM(2, num_scales=1, compress_ratio=2)
with torch.no_grad():
    by_hand.fc1[0].weight.copy_(first[..., None, None])
    by_hand.fc2[0].weight.copy_(second[..., None, None])
    by_hand.fc1[0].bias.zero_()
    by_hand.fc2[0].bias.zero_()
prove("the class does what we did by hand",
      by_hand([maps[None]])[0], weighed[None], tolerance=1e-6)

# %% [markdown] id="star-n" slide="subslide"
# ### `[conv] * n`: eight keys, one tensor
#
# How many pairs of layers does SFAM have? The paper's Eq. 2 gives W₁ and W₂ no index of the scale. In [thread 2](https://github.com/VDIGPKU/M2Det/issues/2) the author speaks of six attentions, which supports one pair for each scale. The released code seems to make six: `nn.ModuleList([conv] * 6)`. It makes the eight 1 × 1 convolutions in front of the TUMs in the same way.
#
# **Predict:** a `Conv2d(24, 4, 1)` has 100 parameters. How many does a list of eight have, made in these two ways?

# %% id="star-n-counted" slide="fragment"
def describe(name, layers):
    state = layers.state_dict()
    weights = [t for key, t in state.items() if key.endswith("weight")]
    tensors = {weight.data_ptr() for weight in weights}
    print(f"{name:14}{len(weights)} keys, {len(tensors)} tensors,",
          count(layers), "parameters")


conv = nn.Conv2d(24, 4, 1)
starred = nn.ModuleList([conv] * 8)
separate = nn.ModuleList(nn.Conv2d(24, 4, 1) for _ in range(8))
describe("[conv] * 8", starred)
describe("comprehension", separate)

# %% [markdown] id="star-n-file" slide="subslide"
# `[x] * n` builds a list that holds **the same object n times**. The printed model, the keys and the file all say eight, and only `parameters()` says one. A file of eight *equal* copies loads into either kind. Eight *different* ones do not fit into one tensor, and PyTorch does not complain. **Predict** which of the eight survives:

# %% id="star-n-loads" slide="fragment"
print(starred.load_state_dict(separate.state_dict()))
survivors = [k for k, layer in enumerate(separate)
             if torch.equal(starred[0].weight, layer.weight)]
print("survivors:", survivors)
assert survivors == [7]

# %% [markdown] id="star-n-read" slide="fragment"
# The last one has overwritten all others. So the released SFAM is a *different network* from one with a pair for each scale. A ★ section measures on a toy what sharing can cost.

# %% [markdown] id="exercises" slide="slide"
# ## 5 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb08.enlarge.hint()` helps, a little more at each call.
#
# 1. `enlarge`: nearest upsampling to any size, without `F.interpolate`. It works when a row (7, 8, 9) becomes (7, 7, 8, 8, 9).
# 2. `gather`: `levels[level][scale]` to one map for each scale, levels on top of each other. It works when level 1 of C channels owns C to 2C − 1.
# 3. `excite`: squeeze, excite, multiply, for one map and two weights without biases. It works when §4's example gives 0.953 · 7 in the corner.

# %% id="exercise-enlarge" slide="skip" tags=["exercise"]
def enlarge(maps, height, width):
    """maps (B, C, H, W) to (B, C, height, width), by copying cells."""
    rows = ...
    columns = ...
    return None

nb08.enlarge.check(enlarge)

# %% id="exercise-gather" slide="skip" tags=["exercise"]
def gather(levels):
    """One map for each scale, the levels on top of each other."""
    gathered = []
    ...
    return None

nb08.gather.check(gather)

# %% id="exercise-excite" slide="skip" tags=["exercise"]
def excite(maps, first, second):
    """maps (B, C, H, W), weighed; first is (M, C), second (C, M)."""
    average = ...
    return None

nb08.excite.check(excite)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Two patients. Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “My decoder works at 512 px. At 320 px it stops, in the first step.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_up(coarse, finer):
    return finer + F.interpolate(coarse, scale_factor=2, mode="nearest")


def way_up(step, side):
    maps = [torch.zeros(1, 1, n, n) for n in tum_sides(side, 6)]
    for finer, coarse in zip(maps[-2::-1], maps[:0:-1]):
        step(coarse, finer)
    return f"up to {side}"


print(way_up(sick_up, 64))
try:
    way_up(sick_up, 40)
except RuntimeError as error:
    print("40 stops:", error)

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# `scale_factor=2` doubles, but 1 → 3 and 3 → 5 are no doublings. At 512 px the sides are 64, 32, …, 4, and 4 − 2 = 2: there, every step happens to double. Ask for the *size* of the map that is waiting.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
def cured_up(coarse, finer):
    return finer + enlarged(coarse, like=finer)


print(way_up(cured_up, 64), "and", way_up(cured_up, 40))

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# **Patient 2.** “I ported a decoder. The weights load, all shapes are right, and the coarsest map is right to the last digit. The others are wrong.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_decode(decoder, maps):
    finest, *others = decoder.lateral
    pyramid = [decoder.top(maps[-1])]
    for lateral, finer in zip([*others, finest], reversed(maps[:-1])):
        side = lateral(finer)
        pyramid.insert(0, side + enlarged(pyramid[0], like=side))
    return pyramid


patient = TUM(6, 8, 6).eval()
down = patient.encoder(torch.rand(1, 6, 40, 40))
right, sick = patient.decoder(down), sick_decode(patient.decoder, down)
for a, b in zip(right, sick, strict=True):
    print(tuple(a.shape), tuple(b.shape), "equal:", torch.equal(a, b))

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The maps are walked coarse → fine, the list of lateral convolutions fine → coarse. The author reversed the maps, and put the finest convolution last because its channels demanded it. The middle ones have one shape, so nothing complained. The published code invites this: it keeps its lateral convolutions coarse → fine, the finest last, and walks them from the front, while it takes the encoder's *maps* from the back. Whoever joins that walk to a list like ours, and moves the finest convolution to the end so that channels fit, gets this patient.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
cured = [patient.decoder.top(down[-1])]
for k in (4, 3, 2, 1, 0):  # one index for both lists
    side = patient.decoder.lateral[k](down[k])
    cured.insert(0, side + enlarged(cured[0], like=side))
print(sum(torch.equal(a, b) for a, b in zip(right, cured)), "of 6 equal")

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - A **scale** is a resolution, a **level** a depth. M2Det has 8 levels × 6 scales, and each TUM makes one level.
# - **BasicConv** has no bias, since BatchNorm would remove it.
# - **TUM**: halve, rounding up, and at last subtract two; then enlarge *to the size that is waiting*, and add. The paper convolves on the way up and thins to 128 channels; the released code convolves on the side and keeps 256.
# - **Gather**: `zip(*levels)` and a concatenation. Level *l* owns the channels *l* · C to (*l* + 1) · C − 1.
# - **SFAM**: average, two layers, sigmoid, multiply.
# - **`[conv] * n`** is one layer under *n* names.
# - A trained network may have **dead channels** (★). Look, before you believe a score.
#
# **Next**, 09: the fusion in front, the heads behind, and whether levels do what the paper claims.
#
# **Further reading.** Zhao et al. 2019, *M2Det*, arXiv 1811.04533, Figures 2 to 4, Eq. 1 to 3 · Lin et al. 2017, *FPN*, 1612.03144 · Hu et al. 2018, *SENet*, 1709.01507 · Ronneberger et al. 2015, *U-Net*, 1505.04597 · VDIGPKU/M2Det, threads 2, 18, 36, 93.

# %% [markdown] id="star-more" slide="slide"
# ## ★ More code: smallest pictures, proofs, the paper's U, dead channels, sharing
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# The encoder's last convolution needs three cells. With six scales, go backwards: 1 came from 3, 3 from at least 5, then 9, 17, and 33. The fine map has stride 8, so 33 cells are 264 px, more than 256:

# %% id="too-small-shown" slide="-"
def sides_of(encoder, side):
    maps = encoder(torch.empty(2, 8, side, side, device="meta"))
    return tuple(each.shape[-1] for each in maps)


for side in (33, 32):
    try:
        print(side, sides_of(on_meta(Encoder, 8, 8, 6), side))
    except RuntimeError as error:
        print(side, tum_sides(side, 6), type(error).__name__)

try:
    replace(m2det.M2DET512_VGG16, image_size=256)
except ValueError as error:
    print(error)

# %% [markdown] id="star-smallest-side" slide="subslide"
# **Exercise.** `smallest_side`: the smallest side from which a TUM with `num_scales` (3 or more) makes maps of at least one cell. It works when six scales need 33.

# %% id="exercise-smallest-side" slide="skip" tags=["exercise"]
def smallest_side(num_scales):
    """Smallest side of the input, cells; num_scales is at least 3."""
    side = ...
    return None

nb08.smallest_side.check(smallest_side)

# %% id="three-roads" slide="subslide" tags=["prove"]
for layout in (boxes.M2DET320_PRIORS, boxes.M2DET512_PRIORS,
               boxes.M2DET704_PRIORS, boxes.M2DET800_PRIORS):
    formula = tum_sides(layout.map_sizes[0], 6)
    network = sides_of(on_meta(Encoder, 8, 8, 6), formula[0])
    package = sides_of(on_meta(m2det.Encoder, 8, 8, 6), formula[0])
    prove(f"{layout.image_size} px: formula, network, published table",
          [formula, network, package], [layout.map_sizes] * 3)

# %% [markdown] id="fpn" slide="subslide"
# **The way up is FPN's.** Enlarge and add: so does a *feature pyramid network* (Lin et al. 2017). torchvision has one. Put its lateral convolutions into our decoder, silence its last ones, and compare:

# %% id="equal-to-fpn" slide="-" tags=["prove"]
fpn = FeaturePyramidNetwork([8, 16, 16, 16], out_channels=16).eval()
decoder = Decoder(8, 16, num_scales=4).eval()
for k, conv in enumerate(fpn.inner_blocks):
    fpn.layer_blocks[k] = nn.Identity()
    if k < 3:
        decoder.lateral[k] = conv
    else:
        decoder.top = conv

maps = [torch.rand(2, 8, 40, 40), torch.rand(2, 16, 20, 20),
        torch.rand(2, 16, 10, 10), torch.rand(2, 16, 8, 8)]
with torch.inference_mode():
    theirs = fpn(OrderedDict((str(k), m) for k, m in enumerate(maps)))
    prove("the way up of a TUM is FPN's", decoder(maps),
          list(theirs.values()), tolerance=1e-5)

# %% [markdown] id="squeeze-words" slide="subslide"
# **SFAM is torchvision's squeeze-and-excitation**, which MobileNetV3 uses for one map, once for each scale:

# %% id="equal-to-squeeze" slide="-" tags=["prove"]
theirs = [SqueezeExcitation(32, 2) for _ in pyramid]
for scale, block in enumerate(theirs):
    block.fc1, block.fc2 = sfam.fc1[scale], sfam.fc2[scale]
package = m2det.SFAM(32, num_scales=2, shared=False)
package.load_state_dict(sfam.state_dict())
with torch.inference_mode():
    expected = [se(maps) for se, maps in zip(theirs, pyramid)]
    prove("SFAM, scale by scale", sfam(pyramid), expected, tolerance=1e-6)
    for ours, same in zip(sfam(pyramid), package(pyramid), strict=True):
        assert torch.equal(ours, same)

# %% [markdown] id="same-as-package" slide="subslide"
# **Our loop and our gathering are the package's MLFPN** (*multi-level feature pyramid network*), its attention aside. Chapter 09 builds it. Its `ffm1` joins two maps of a backbone, and its `ffm2` makes the thin copy:

# %% id="equal-to-mlfpn" slide="-" tags=["prove"]
mlfpn = m2det.MLFPN(
    (8, 16), (8, 16), planes=4, num_levels=3, num_scales=3,
    sfam=False).eval()
for ours, theirs in zip(tums, mlfpn.tums, strict=True):
    ours.load_state_dict(theirs.state_dict())

backbone = [torch.rand(2, 8, 8, 8), torch.rand(2, 16, 4, 4)]
levels = []
with torch.inference_mode():
    reads = thin = mlfpn.ffm2[0](mlfpn.ffm1(*backbone))  # (2, 2, 8, 8)
    for tum in tums:
        levels.append(tum(reads))
        reads = torch.cat([thin, levels[-1][0]], dim=1)  # (2, 6, 8, 8)
    prove("three levels, three scales",
          [torch.cat(maps, dim=1) for maps in zip(*levels)],
          mlfpn(backbone), tolerance=1e-5)

# %% [markdown] id="star-paper" slide="subslide"
# ### The paper's way up
#
# In the paper's Figure 4c the 3 × 3 convolutions stand *on the way up*, and the encoder's maps are added *as they are*. A 1 × 1 convolution at the end takes every map from 256 to 128 channels. (*Thinned* is the paper's word for a U that is thinner than FPN's.) The released code keeps 256 channels and does not smooth the coarsest map. The author was asked and says that the paper's is “a little better while the arch in this repo is more fancy” ([thread 36](https://github.com/VDIGPKU/M2Det/issues/36)). Compare with the U of §2:

# %% id="paper-tum-drawn" slide="-"
show.draw_tum(in_channels=256, planes=256, side=40, kind="paper")

# %% [markdown] id="paper-decoder-read" slide="subslide"
# The 3 × 3 convolution comes before the enlarging, and the encoder's map is added as it is. (Two things are as in the released code here: the last step down has stride 1 and no padding, where the figure has stride 2 five times; and enlarging is nearest, where the figure says bilinear.)

# %% id="paper-decoder" slide="-" tags=["teaches:detlearn.models.m2det:PaperDecoder"]
class PaperDecoder(nn.Module):
    def __init__(self, planes, num_scales):
        super().__init__()
        self.refine = nn.ModuleList(
            BasicConv(planes, planes, 3, padding=1)
            for _ in range(num_scales - 1))

    def forward(self, maps):
        pyramid = [maps[-1]]
        for refine, finer in zip(reversed(self.refine),
                                 reversed(maps[:-1]), strict=True):
            up = refine(pyramid[0])
            up = F.interpolate(up, size=finer.shape[-2:],
                               mode="nearest")  # (B, C, H, W)
            pyramid.insert(0, up + finer)
        return pyramid


up = PaperDecoder(5, num_scales=2)
five, three = torch.rand(2, 5, 5, 5), torch.rand(2, 5, 3, 3)
[tuple(maps.shape) for maps in up([five, three])]

# %% id="tum-equal" slide="subslide"
for kind, channels in (("released", 6), ("paper", 8)):
    ours = TUM(channels, 8, 6, kind).eval()
    package = m2det.TUM(channels, 8, 6, kind).eval()
    package.load_state_dict(ours.state_dict())
    picture = torch.rand(2, channels, 40, 40)
    with torch.inference_mode():
        for a, b in zip(ours(picture), package(picture), strict=True):
            assert torch.equal(a, b)

for kind, reads in (("released", 128), ("released", 384), ("paper", 256)):
    number = count(on_meta(TUM, reads, kind=kind))
    print(f"{kind:9} TUM that reads {reads} channels: {number:,}")

# %% [markdown] id="star-tum-parameters" slide="subslide"
# **Exercise.** `tum_parameters`: the number of parameters of a released TUM with smoothing. A *k* × *k* BasicConv from *a* to *b* channels has *k*²·*a*·*b* weights, and BatchNorm adds a factor and a shift for each of the *b* channels. It works when (128, 256, 6) gives 5,709,824.

# %% id="exercise-tum-parameters" slide="skip" tags=["exercise"]
def tum_parameters(in_channels, planes, num_scales):
    """Number of parameters of a released TUM, smoothing included."""
    def block(a, b, k):  # a BasicConv
        ...
    return None

nb08.tum_parameters.check(tum_parameters)

# %% [markdown] id="health" slide="subslide"
# ### Does every channel answer?
#
# A mean over channels hides those that say nothing. A channel behind a ReLU is **dead** if it is 0 in every cell of every picture. No gradient passes through it, so training hardly brings it back. Take the `decoder.top` of TUM 1, where its way up begins. **Predict** how many of its 24 channels answer to at least one of 100 scenes, in the network that you have loaded and in a run of the same seed whose learning rate was 5e-3 instead of 3e-3.

# %% id="health-seen" slide="fragment"
hundred = torch.stack([scenes[i][0] for i in range(100)])
found = training.check_up(trained, hundred)
silent = {name: round(row.channels * row.never_active)
          for name, row in found.modules.items() if row.never_active}
for name, number in silent.items():
    print(f"{name}: {found.modules[name].channels - number} of",
          found.modules[name].channels, "channels answer")
assert len(silent) == 4 and not found.dead
show.draw_check_up({"m2det_tiny": found}, alt="A bar for each module "
    "of m2det_tiny: from below the share of channels that answer to a "
    "scene, on average; from above, hatched, those that answer to none.")

# %% [markdown] id="health-read" slide="fragment"
# A bar is a module: a convolution with its BatchNorm and ReLU, or a sum or a stack of such maps. They run from the image to the heads; a decoder's sums stand behind its convolutions. Blue is the share of channels that answer to a scene, on average; hatched is the share that answers to none of the 100; what is white is the silence of the rest. A module counts as *dead* if at least half of its channels are.
#
# In the weights that you have loaded no module is dead. Only four bars have a hatched part, the `decoder.top` of the four TUMs (TUM 1: 22 of 24 answer). Nine of their 96 channels never answer, 0.4 % of all that were looked at, which the title rounds to 0. (A check-up does not see SFAM's hidden units; 09 counts them.) `print(found)` lists all modules, the worst first.
#
# The run with 5e-3 had a check-up of the same kind, and was set aside for what it found. The record has its dead modules, and the scores of both runs on the same 1,000 test scenes:

# %% id="health-record" slide="subslide"
import json

path = data.data_path("weights", "m2det_tiny.json")
record = json.loads(path.read_text())
shipped, (aside,) = record["runs"][0], record["set_aside"]
rates = shipped["config"]["learning_rate"], aside["learning_rate"]
for rate, run in zip(rates, (shipped, aside), strict=True):
    print(f"rate {rate}: mAP {run['test']['mAP']:.3f},",
          len(run["dead"]), "dead modules")
    for name, share in run["dead"].items():
        number = found.modules[name].channels
        print(f"    {name}: {number * (1 - share):.0f} of {number} answer")
seeds = [run["test"]["mAP"] for run in record["runs"]]
print("rate 0.003, all seeds:", *[f"{score:.3f}" for score in seeds])
assert not any(run["dead"] for run in record["runs"])
assert rates == (3e-3, 5e-3) and len(seeds) == 3
assert aside["test"]["mAP"] > 0.72 and len(aside["dead"]) == 2

# %% [markdown] id="health-record-read" slide="fragment"
# With 5e-3 only 7 of the 24 channels answer where you looked, and 12 of 24 in TUM 0. A mAP of 0.724 alone would have warned nobody. **A score can hide such a loss, and a look finds it.** With 3e-3 three seeds have no dead module (0.733 to 0.740). The one run with 5e-3 does not show that this rate always kills (in the shorter trainings of chapter 12 one run of five lost a module), or that the dead channels cost the difference.

# %% [markdown] id="does-sharing-matter" slide="subslide"
# ### What can sharing cost?
#
# Here is a toy: two scales, four levels of two channels, all of it noise. At scale 0 only **level 0** shall come through, and at scale 1 only **level 3**. Nothing but an SFAM can do it. Three runs differ in one thing:
#
# - a pair of layers for each scale;
# - one pair for both;
# - one pair for both, but scale 1 is *brighter*: 1 is added to all its numbers.
#
# **Predict the bars of each.**

# %% id="trained-attention" slide="-"
def train_attention(shared, brighter, steps=200):
    _ = torch.manual_seed(0)
    sfam = SFAM(8, num_scales=2, compress_ratio=1, shared=shared)
    optimizer = torch.optim.Adam(sfam.parameters(), lr=0.05)
    for _ in range(steps):
        noise = [torch.randn(16, 8, 5, 5),
                 torch.randn(16, 8, 5, 5) + brighter]
        fine, coarse = sfam(noise)
        loss = F.mse_loss(fine.sum(1), noise[0][:, :2].sum(1))
        loss += F.mse_loss(coarse.sum(1), noise[1][:, 6:].sum(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [w.mean(0) for w in sfam.attention(noise)]


with_own = train_attention(shared=False, brighter=0)
with_one = train_attention(shared=True, brighter=0)
told_apart = train_attention(shared=True, brighter=1)
assert with_own[0][:2].min() > 0.8 > 0.2 > with_own[1][:2].max()
assert 0.3 < with_one[0][0] < 0.7 and 0.3 < with_one[1][0] < 0.7
assert told_apart[0][:2].min() > 0.7 > 0.3 > told_apart[1][:2].max()

# %% id="attention-seen" slide="subslide"
runs = {"a pair for each scale": with_own, "one pair": with_one,
        "one pair, 1 brighter": told_apart}
show.draw_attention(
    {name: [w.detach() for w in run] for name, run in runs.items()},
    num_levels=4,
    alt="Attention of three runs. With a pair for each scale level 0 is "
    "open at scale 0 and level 3 at scale 1. With one pair both levels "
    "are half open at both scales. With one pair and a brighter scale 1 "
    "the levels are told apart again.")

# %% [markdown] id="sharing-read" slide="fragment"
# One pair cannot know which scale it serves, unless the *averages* tell. In the third run they do, and the pair has learned to read them. In the second they do not, and both levels end half open. This is one seed of a toy, so it shows that sharing *can* matter, and not that it does in a detector.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## ★ Paper ↔ code
#
# *Code* is VDIGPKU/M2Det. *Article* stands for two popular texts about it, with code that was copied and changed.
#
# | what | paper or article | published code | here | see |
# |--|--|--|--|--|
# | activation | article: `nn.ReLUL` | `nn.ReLU` | as the code | a |
# | enlarging | figure 4: bilinear; article: “peculiar” | nearest, as in FPN | nearest | §2 |
# | 3 × 3 of the way up | figure 4c: on the way up | on the side | `kind=` | §2 |
# | channels out | figure 4c: 128, all maps thinned | 256, the coarsest map passes | `kind=` | §2 |
# | a TUM reads | the first the base feature (Eq. 1), others 128 + 128 = 256 (figure 4b) | the first 128, others 128 + 256 = 384 | both; the paper's first reads 256, too | b |
# | Eq. 1 | names FFMv1, must be FFMv2 (thread 93) | FFMv2 | FFMv2 | – |
# | Eq. 2 | names σ ReLU and δ sigmoid: swapped | ReLU, then sigmoid | as the code | §4 |
# | first TUM's second input | none | an argument never read | no such argument | b |
# | SFAM's layers | article: `nn.Linear` | 1 × 1 convolutions | as the code | c |
# | `compress_ratio` | r = 16 | accepted, never read | read | d |
# | SFAM's pairs | no index; six attentions (thread 2) | one for six, `[conv] * 6` | `shared=` | §4 |
# | 1 × 1 before a TUM | an FFMv2 before each TUM but the first | one for eight, initialised eight times | `shared_weights=` | e |
# | SFAM | always; article: too | off in every released configuration | `sfam=` | 09 |
# | BatchNorm before the heads | – | sized `256 * 8` | follows the levels | f |

# %% id="ledger-blocks" slide="subslide" tags=["ledger"]
# a  the article's code stops at its first block
try:
    nn.ReLUL(inplace=True)
except AttributeError as error:
    print(error)

# b  what the TUMs of the presets read (the paper's first one, too: 256)
for kind in ("released", "paper"):
    mlfpn = on_meta(m2det.MLFPN, (512, 1024), tum=kind)
    reads = [tum.encoder.layers[0].conv.in_channels for tum in mlfpn.tums]
    print(f"{kind:9}", *reads)

# %% id="ledger-sfam" slide="-" tags=["ledger", "prove"]
# c  linear layers on the averages: the same numbers
averages = pyramid[0].mean(dim=(2, 3))  # (B, C)
fc1, fc2 = sfam.fc1[0], sfam.fc2[0]
hidden = F.relu(F.linear(averages, fc1.weight.flatten(1), fc1.bias))
excited = F.linear(hidden, fc2.weight.flatten(1), fc2.bias).sigmoid()
prove("1 × 1 convolutions = linear layers", excited,
      sfam.attention(pyramid)[0], tolerance=1e-6)

# d  an argument that is read
for ratio in (4, 16):
    block = on_meta(m2det.SFAM, 2048, compress_ratio=ratio)
    print("ratio", ratio, "hidden", block.fc1[0].out_channels)

# %% id="ledger-shared" slide="subslide" tags=["ledger"]
# e  a loop over eight names initialises one tensor eight times
seen = []
starred = nn.ModuleList([nn.Conv2d(24, 4, 1)] * 8)
for index in range(8):
    nn.init.normal_(starred[index].weight)
    seen.append(starred[0].weight.sum().item())
print("first layer's sums after each step:", len(set(seen)), "different")

# f  a width that is written down twice must change twice
fewer = torch.rand(2, 4 * 256, 8, 8)  # four levels
try:
    nn.BatchNorm2d(256 * 8)(fewer)
except RuntimeError as error:
    print(error)

# %% [markdown] id="star-clinic" slide="slide" tags=["clinic"]
# ## ★ A third patient, and a quiz
#
# **Patient 3.** “In my demo, one picture at a time, every class has score 1. With two pictures the scores change with the neighbour. There was a warning, but the script silences warnings.”

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
import warnings

logits = torch.randn(1, 5, 3)  # (B, P, K)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sick = nn.Softmax()(logits)
print("scores:", sick.unique().tolist())
print("sum over the classes:", sick.sum(-1).unique().tolist())
print(str(caught[0].message).partition(".")[0])

# %% [markdown] id="clinic-3-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# `nn.Softmax()` without `dim` guesses: on a 2-d tensor axis 1, on a 3-d tensor axis **0**, the batch. Over one picture a softmax is 1. The released code flattens to (B·P, K) first, and so it escapes.
#
# </details>

# %% id="clinic-3-cure" slide="-" tags=["clinic"]
scores = nn.Softmax(dim=-1)(logits)
assert torch.allclose(scores.sum(-1), torch.ones(1, 5))
print("sum over the classes: 1 for each of", scores.shape[1], "priors")

# %% [markdown] id="quiz" slide="subslide"
# **Quiz: true or false?**
#
# 1. The coarsest map of a TUM is its deepest level.
# 2. A cell of a TUM's finest map knows no more than the same cell of the map that went in.
# 3. SFAM tells the network *where* to look.
# 4. SFAM's weights of a scale sum to 1.
# 5. Without SFAM all levels count the same.
# 6. Eight keys in a file mean eight layers.
# 7. With 320 px and a batch of one picture, training stops in the first TUM.
#
# <details><summary>Answers</summary>
#
# 1. False. A level is a whole TUM; its six maps are six scales of the same level.
# 2. False. The map has been down to 1 × 1 and back, so its cell has heard from the whole picture.
# 3. False. One weight serves all cells of a channel.
# 4. False. Each has a sigmoid of its own: all may be open, or none.
# 5. False. The filters of the heads weigh the channels anyway, but in the same way for every picture.
# 6. False. Count `parameters()`, or compare `data_ptr()`.
# 7. True. The coarsest map is 1 × 1, one number for each channel, and BatchNorm needs two.
#
# </details>

# %% id="quiz-evidence" slide="-"
try:
    TUM(8, 8).train()(torch.rand(1, 8, 40, 40))
except ValueError as error:
    print(str(error).partition(",")[0])
