# %% [markdown] id="title" slide="slide"
# # 08 · M2Det I: BasicConv, TUM, SFAM
#
# **One question: how does one build a pyramid whose maps differ in depth as well as in size?**
#
# Afterwards you will be able to
#
# - build M2Det's three blocks from nothing, and say the shape of every map before you run it;
# - gather levels × scales from nested lists, and compute an attention with pencil and paper;
# - tell what the paper draws from what was released, and see through `[conv] * n`.
#
# **80 minutes** with the exercises. Before it: notebook 04 (convolution, feature maps, heads); 02 for the priors. M2Det itself is chapter 09.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: F401, I001

# %% id="imports" slide="skip"
import math
import warnings
from collections import OrderedDict
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork, SqueezeExcitation

from detlearn import boxes, create_model, data, load_model, show
from detlearn.models import m2det
from detlearn.teach.exercises import nb08
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


print(m2det.M2DET320_VGG16.name)

# %% id="helpers" slide="skip"
def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


def count(module):  # parameters, shared ones once
    return sum(p.numel() for p in module.parameters())


count(on_meta(nn.Conv2d, 3, 8, 1))

# %% [markdown] id="size-and-depth" slide="slide"
# ## 1 · Size and depth
#
# SSD finds small objects on a fine map, which it takes *early* from the backbone, and large ones on a coarse map, which comes *late*. So the small object gets the view of few layers, and the large one the view of many. But is a face 20 px wide simpler than one of 200 px? And a traffic light next to a pedestrian of the same height: must both be judged from the same depth?
#
# Size and depth are tied together only because a backbone shrinks its maps on the way. M2Det (Zhao et al. 2019) unties them:
#
# - a **scale** is the resolution of a map: 40 × 40 cells, 20 × 20, … It serves a *size* of object.
# - a **level** is a depth: how many U-shaped modules a map went through. It serves a *kind* of object, simple or complex. That is the paper's claim; chapter 09 measures it.
#
# *Mind the word.* Up to now "level" meant a map of the pyramid. In chapters 08 and 09 that is a scale, as in the paper.

# %% id="levels-and-scales" slide="-"
show.draw_level_grid((40, 20, 10, 5, 3, 1), num_levels=8, channels=256)

# %% [markdown] id="notes-size-and-depth" slide="notes"
# > *For the speaker.* Let the room read the picture in both directions before you explain it: along a row the size stays and the depth grows, down a column the depth stays and the size shrinks. Ask which direction SSD has (neither: it walks a diagonal). Every coloured column is one TUM; the right end is what the heads of chapter 04 would read.

# %% [markdown] id="three-blocks" slide="subslide"
# 48 maps, and three kinds of blocks make them:
#
# 1. **BasicConv**, the brick of everything;
# 2. the **TUM** (*thinned U-shape module*): one column of the picture;
# 3. **SFAM** (*scale-wise feature aggregation module*): gathers a row of the picture, and says which of its channels matter.
#
# (A fourth, the FFM, prepares what the first block reads; it waits for chapter 09.)
#
# ### BasicConv
#
# A convolution **without bias**, BatchNorm, ReLU. BatchNorm subtracts each channel's mean, so a bias would be gone a moment after it was added.

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

# %% id="no-bias" slide="subslide" tags=["prove"]
_ = torch.manual_seed(0)
brick = BasicConv(3, 8, 3, padding=1)
maps = torch.randn(4, 3, 8, 8)
answers = brick.conv(maps)  # (4, 8, 8, 8)
biased = answers + torch.randn(8)[:, None, None]  # what a bias would do
prove("BatchNorm takes a bias away", nn.BatchNorm2d(8)(biased),
      nn.BatchNorm2d(8)(answers), tolerance=1e-4)

brick(maps)  # one training step moves the running mean by 1 %
prove("momentum 0.01: a hundredth of the way", brick.bn.running_mean,
      0.01 * answers.mean(dim=(0, 2, 3)), tolerance=1e-6)

# %% [markdown] id="momentum" slide="fragment"
# `momentum=0.01` is M2Det's; PyTorch's default is 0.1. The running statistics, which eval mode uses, follow a tenth as fast: after 100 steps they have gone 63 % of the way. A short training on few pictures suffers from that.

# %% [markdown] id="the-u" slide="slide"
# ## 2 · The U: a TUM
#
# First the picture, for an input of 320 px. A TUM reads one map of 40 × 40 cells and returns six, all with the same number of channels. Left, the **encoder** shrinks. In the middle, the **decoder** enlarges again, and adds at every size what the encoder had there. Right, a 1 × 1 convolution **smooths** each sum. Numbers in and beside the squares are channels.

# %% id="tum-drawn" slide="-"
show.draw_tum(in_channels=128, planes=256, side=40)

# %% [markdown] id="notes-the-u" slide="notes"
# > *For the speaker.* Walk the U with a finger, once down, once up, and say each shape aloud. Then cover the left column and ask for the sides again. The trap is the last step, 3 → 1: no stride, no padding. The top right map has been through all scales and back, and that one goes on to the next TUM.

# %% [markdown] id="down-by-hand" slide="subslide"
# ### Down, by hand
#
# The smallest U has three scales. Take a map of 8 × 8 ones and filters of nine ones: then a convolution *counts* what it sees. With stride 2 and padding 1 a filter sees 3 × 3 = 9 cells; at the upper edge one row lies outside, 2 × 3 = 6; in the corner 2 × 2 = 4. **Write the 4 × 4 result down**, then the last step: no stride, no padding.

# %% id="down-by-hand-seen" slide="-"
ones = torch.ones(1, 1, 3, 3)
eight = torch.ones(1, 1, 8, 8)
four = F.conv2d(eight, ones, stride=2, padding=1)  # (1, 1, 4, 4)
two = F.conv2d(four, ones)  # (1, 1, 2, 2)
show.draw_small_maps(
    {"8 × 8": eight[0, 0], "stride 2": four[0, 0],
     "no padding": two[0, 0]}, "→→",
    alt="A map of 8 by 8 ones; after stride 2 a map of 4 by 4 with 4 in "
    "the upper left corner, 6 along the upper and left edge, 9 elsewhere; "
    "without padding a map of 2 by 2 with 64, 72, 72, 81.")

# %% [markdown] id="why-uneven" slide="subslide"
# Only the upper and the left edge miss something: with an even side and stride 2 the last filter ends exactly at the border. And 64 = 4 + 4 · 6 + 4 · 9.
#
# The encoder is this with BasicConvs: stride 2 all the way, except for the last. It returns *all* maps, the one that it read included.

# %% id="encoder" slide="-" tags=["teaches:detlearn.models.m2det:Encoder"]
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
# ### The sides by three roads
#
# **By hand.** A convolution gives ⌊(n + 2 · padding − 3) / stride⌋ + 1 cells. With padding 1 and stride 2 that is ⌊(n − 1) / 2⌋ + 1, which is **n / 2 rounded up**; without padding and stride, **n − 2**. From 40: 20, 10, 5, then 2.5 becomes 3, and 3 − 2 = 1.
#
# **By formula**, and **by the network**: fill the lines for 512, 704 and 800 px (64, 88 and 100 cells) before you run it.

# %% id="tum-sides" slide="-" tags=["teaches:detlearn.models.m2det:tum_sides"]
def tum_sides(side, num_scales):
    """Halve, rounding up; at the very end subtract two."""
    sides = [side]
    for step in range(num_scales - 1):
        last = step == num_scales - 2 and step > 0
        sides.append(sides[-1] - 2 if last else (sides[-1] + 1) // 2)
    return tuple(sides)


print(tum_sides(40, 6))

# %% id="three-roads" slide="subslide" tags=["prove"]
layouts = (boxes.M2DET320_PRIORS, boxes.M2DET512_PRIORS,
           boxes.M2DET704_PRIORS, boxes.M2DET800_PRIORS)


def sides_of(encoder, side):
    maps = encoder(torch.empty(2, 8, side, side, device="meta"))
    return tuple(each.shape[-1] for each in maps)


for layout in layouts:
    formula = tum_sides(layout.map_sizes[0], 6)
    network = sides_of(on_meta(Encoder, 8, 8, 6), formula[0])
    package = sides_of(on_meta(m2det.Encoder, 8, 8, 6), formula[0])
    print(f"{layout.image_size} px", *formula)
    prove("formula, network, package and the published table agree",
          [formula, network, package], [layout.map_sizes] * 3)

# %% [markdown] id="too-small" slide="subslide"
# **How small may a picture be?** The last convolution needs three cells. With six scales, go backwards: 1 came from 3, 3 from at least 5, then 9, 17, and 33. The fine map has stride 8, so 33 cells are more than 256 px:

# %% id="too-small-shown" slide="-"
for side in (33, 32):
    try:
        print(side, sides_of(on_meta(Encoder, 8, 8, 6), side))
    except RuntimeError as error:
        print(side, tum_sides(side, 6), type(error).__name__)

try:
    replace(m2det.M2DET512_VGG16, image_size=256)
except ValueError as error:
    print(error)

# %% [markdown] id="up-by-hand" slide="slide"
# ### Up, by hand
#
# The decoder goes back. **Nearest** upsampling repeats each cell; then the encoder's map of that size is added. The coarse cell knows *what* is there, from a wide view; the fine map knows *where*. Smallest case: 1 × 1 to 2 × 2.

# %% id="up-by-hand-seen" slide="-"
coarse = torch.tensor([[5.0]])[None, None]  # (1, 1, 1, 1)
side_map = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
up = F.interpolate(coarse, size=(2, 2), mode="nearest")  # (1, 1, 2, 2)
total = up + side_map  # (1, 1, 2, 2)
show.draw_small_maps(
    {"coarse": coarse[0, 0], "enlarged": up[0, 0],
     "from the side": side_map[0, 0], "sum": total[0, 0]}, "→+=",
    alt="A single 5 becomes four fives; added to 1, 2, 3, 4 they make "
    "6, 7, 8, 9.")

# %% [markdown] id="uneven" slide="subslide"
# Sides that were rounded up on the way down do not double on the way up: 1 → 3, 3 → 5, 5 → 10. So the *size* is given, not a factor. Cell *i* of *n* then copies cell ⌊*i* · *m* / *n*⌋ of the *m* coarse ones. **From 3 to 5: which cells appear twice?**

# %% id="nearest-proved" slide="-" tags=["prove"]
for m, n in ((1, 3), (3, 5), (5, 10), (2, 4)):
    print(f"{m} → {n}: cells", (torch.arange(n) * m // n).tolist())

three = torch.rand(1, 7, 3, 3)
copied = torch.arange(5) * 3 // 5
prove("nearest upsampling is an index", three[:, :, copied][..., copied],
      F.interpolate(three, size=(5, 5), mode="nearest"))

# %% [markdown] id="decoder-words" slide="subslide"
# 0 and 1 appear twice, 2 once: uneven, and harmless, since the convolutions around it learn with it.
#
# In the **released** decoder the encoder's maps come through a *lateral* 3 × 3 convolution each (*lateral*: from the side), the coarsest through a 1 × 1 one. First three scales written out, then the loop. The list grows at its *front*, so it runs fine → coarse at any time.

# %% id="decoder" slide="-" tags=["teaches:detlearn.models.m2det:Decoder"]
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
[tuple(m.shape) for m in decoder(small(torch.rand(2, 1, 8, 8)))]

# %% id="decoder-written-out" slide="subslide" tags=["prove"]
def enlarge(coarse, like):
    return F.interpolate(coarse, size=like.shape[-2:], mode="nearest")


decoder.eval()
fine, middle, coarse = small.eval()(torch.rand(2, 1, 8, 8))
with torch.inference_mode():
    p2 = decoder.top(coarse)  # (2, 5, 2, 2)
    p1 = decoder.lateral[1](middle)  # (2, 5, 4, 4)
    p1 = p1 + enlarge(p2, p1)  # (2, 5, 4, 4)
    p0 = decoder.lateral[0](fine)  # (2, 5, 8, 8)
    p0 = p0 + enlarge(p1, p0)  # (2, 5, 8, 8)
    prove("five lines are the loop", [p0, p1, p2],
          decoder([fine, middle, coarse]))

# %% [markdown] id="fpn" slide="subslide"
# **Prove it.** Enlarge and add: that is also how a *feature pyramid network* comes down (FPN, Lin et al. 2017), the pyramid of most detectors since. torchvision has one. Put its side convolutions into our decoder, silence its last ones, and compare:

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

# %% [markdown] id="paper-decoder-words" slide="subslide"
# ### The paper's U is another one
#
# In the paper's figure (Fig. 4c) the 3 × 3 convolutions stand *on the way up*, and the encoder's maps are added *as they are*. A 1 × 1 convolution at the end **thins** every map to half its channels: hence the name. The released code leaves 256 channels, and no smoothing for the coarsest map. The author confirms it: the paper's is "a little better", the released one was an experiment ([M2Det #36](https://github.com/VDIGPKU/M2Det/issues/36)). Compare with the first U:

# %% id="paper-tum-drawn" slide="-"
show.draw_tum(in_channels=256, planes=256, side=40, kind="paper")

# %% id="paper-decoder" slide="subslide" tags=["teaches:detlearn.models.m2det:PaperDecoder"]
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

# %% id="smoothing" slide="subslide" tags=["teaches:detlearn.models.m2det:Smoothing"]
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


two_maps = [torch.rand(2, 8, 5, 5), torch.rand(2, 8, 3, 3)]
for num_maps, thin in ((1, 8), (2, 4)):
    out = Smoothing(8, thin, num_maps)(two_maps)
    print([tuple(m.shape) for m in out], "coarsest passes:",
          out[1] is two_maps[1])

# %% [markdown] id="tum-words" slide="subslide"
# ### The TUM
#
# Down, up, smooth: three things, three lines of `forward`. (`planes` is the code's word for the channels inside.)

# %% id="tum" slide="-" tags=["teaches:detlearn.models.m2det:TUM"]
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

# %% id="tum-walk" slide="subslide"
tum = on_meta(TUM, 128)
down = tum.encoder(blank)
up = tum.decoder(down)
out = tum.smoothing(up)
for row in zip(down, up, out):
    print(*[f"{tuple(m.shape[1:])!s:15}" for m in row])

# %% [markdown] id="walker-words" slide="subslide"
# **A trained one.** `m2det_tiny` is a small M2Det, four TUMs of five scales and 24 channels; chapter 09 builds it. Its first TUM, drawn, and then to walk through:

# %% id="walker-drawn" slide="-"
show.draw_tum(in_channels=12, planes=24, side=32, num_scales=5)

# %% [markdown] id="move-walker" slide="subslide"
# ### Predict, then move
#
# One step of the U after the other, on a scene that the network has not seen in training; each square is the mean of a map's channels. Guess, then move; `moves`, at the end, checks the answers.
#
# 1. Which step is the first that makes a map *larger* than the one from below?
# 2. Level 1: how many channels does that TUM read?
# 3. Still level 1: which two of all its steps are the dearest?

# %% id="explorer-walker" slide="-" tags=["explorer"]
trained = load_model(data.data_path("weights", "m2det_tiny.safetensors"))
folder = data.data_path("shapes_val")
scenes = data.CocoDetectionDataset(folder / "images",
                                   folder / "annotations.json")
walk = show.TUMWalker(trained, scenes[25][0])
walk.step.value = 4
walk

# %% id="tum-equal" slide="-" tags=["prove"]
for kind, channels in (("released", 6), ("paper", 8)):
    ours = TUM(channels, 8, 6, kind).eval()
    package = m2det.TUM(channels, 8, 6, kind).eval()
    package.load_state_dict(ours.state_dict())
    picture = torch.rand(2, channels, 40, 40)
    with torch.inference_mode():
        prove(f"our TUM ({kind}) = the package's", ours(picture),
              package(picture))

# %% [markdown] id="tum-cost" slide="subslide"
# **What does it cost?** A k × k BasicConv from *a* to *b* channels has *k*²·*a*·*b* weights, and 2·*b* numbers for BatchNorm. So the first TUM (128 channels in) has 5.7 million. The others read 384, for a reason of the next section:

# %% id="tum-cost-counted" slide="-" tags=["prove"]
def size(a, b, k):
    return k * k * a * b + 2 * b


# twice from the input, eight 3 × 3 inside, the top, five smoothings
by_hand = [2 * size(c, 256, 3) + 8 * size(256, 256, 3)
           + 6 * size(256, 256, 1) for c in (128, 384)]
prove("parameters of TUM 1 and of each further one", by_hand,
      [count(on_meta(TUM, c)) for c in (128, 384)])
print(*[f"{number:,}" for number in by_hand])
print(f"{count(on_meta(TUM, 256, kind='paper')):,} in the paper's")

# %% [markdown] id="gather" slide="slide"
# ## 3 · Levels on top of each other
#
# One TUM is one level. The next one reads two things, laid on top of each other: the *largest* map of the TUM before it (256 channels), and a thin copy of the first input (128), so that it does not forget the picture. 256 + 128 = **384**. The very first TUM has nobody before it: 128.
#
# What comes out is a list of lists, `levels[level][scale]`. The heads want one map for each *scale*. Turning a table on its side is what `zip(*…)` does; first on names:

# %% id="gather-names" slide="-"
names = [[f"level {level} scale {scale}" for scale in range(3)]
         for level in range(2)]
for group in zip(*names):
    print(group)

# %% [markdown] id="notes-gather" slide="notes"
# > *For the speaker.* Ask for the loop version first: for every scale, for every level, append. Then show that zip(*levels) says the same. Stress that concatenation keeps every map as it is: nothing is added up, and channel 256 · level + c can be traced back to its TUM. The bars of the next section rely on it.

# %% id="levels-by-loop" slide="subslide"
_ = torch.manual_seed(0)
planes, num_levels, num_scales = 4, 3, 3
thin = torch.rand(1, 2, 8, 8)  # what is left of the first input
tums = [TUM(2 if level == 0 else 2 + planes, planes, num_scales).eval()
        for level in range(num_levels)]

levels, reads = [], thin
with torch.inference_mode():
    for tum in tums:
        levels.append(tum(reads))
        reads = torch.cat([thin, levels[-1][0]], dim=1)  # (B, 6, 8, 8)

for level, maps in enumerate(levels):
    print("level", level, [tuple(m.shape) for m in maps])

# %% id="gathered" slide="-" tags=["prove"]
by_loops = []
for scale in range(num_scales):
    of_this_scale = []
    for level in range(num_levels):
        of_this_scale.append(levels[level][scale])
    by_loops.append(torch.cat(of_this_scale, dim=1))

gathered = [torch.cat(maps, dim=1) for maps in zip(*levels)]
print([tuple(m.shape) for m in gathered])
prove("zip is the two loops", gathered, by_loops)
prove("level 2 owns the channels 8 to 11", gathered[1][:, 8:12],
      levels[2][1])

# %% [markdown] id="same-as-package" slide="subslide"
# **Prove it** against the package's MLFPN, *multi-level feature pyramid network*: the whole of it but for the attention. Chapter 09 builds it; here we borrow its weights. Its `ffm1` joins two maps of a backbone, its `ffm2` makes the thin copy.

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
    prove("our loop and our gathering = the package's MLFPN",
          [torch.cat(maps, dim=1) for maps in zip(*levels)],
          mlfpn(backbone), tolerance=1e-5)

# %% [markdown] id="sfam-by-hand" slide="slide"
# ## 4 · SFAM: which level matters?
#
# 8 levels × 256 = 2,048 channels lie on top of each other, and not every picture needs all of them. An **attention** gives each channel a weight between 0 and 1, computed *from the picture itself*. It is *squeeze-and-excitation* (Hu et al. 2018), once for each scale (Eq. 2, 3):
#
# 1. **squeeze**: the average of each channel, one number for a whole map;
# 2. **excite**: two small layers with a ReLU between them; a **sigmoid**, 1 / (1 + e⁻ˣ), squashes the result to 0 … 1;
# 3. **multiply** every cell of a channel by its weight.
#
# Two channels, by hand. The first layer subtracts their averages, the second writes +1 and −1 times the result: **compute both weights** (e⁻³ is 0.05).

# %% id="sfam-by-hand-seen" slide="-"
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
# > *For the speaker.* 4 − 1 = 3; sigmoid(3) = 0.953, sigmoid(−3) = 0.047. Ask what happens if channel 1 is the louder one: the ReLU makes the hidden number 0, and both weights become 0.5. A single hidden unit can only say one thing; 128 can say more. And ask what the weights sum to. Nothing particular: it is no softmax.

# %% [markdown] id="sfam-class-words" slide="subslide"
# On maps of shape (B, C, 1, 1) a 1 × 1 convolution *is* a linear layer. The hidden width is C / r, the paper's *r* being 16. `shared` says whether all scales use one pair of layers; we come back to it.

# %% id="sfam-init" slide="-" tags=["teaches:detlearn.models.m2det:SFAM.__init__"]
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

# %% id="sfam-attention" slide="subslide" tags=["teaches:detlearn.models.m2det:SFAM.attention"]
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

# %% [markdown] id="squeeze-words" slide="subslide"
# **Prove it.** torchvision has one squeeze-and-excitation for *one* map, as in MobileNetV3. SFAM is a row of them, one for each scale. (It hands out its weights, too, and may share its layers; there torchvision's does not fit.)

# %% id="equal-to-squeeze" slide="-" tags=["prove"]
theirs = [SqueezeExcitation(32, 2) for _ in pyramid]
for scale, block in enumerate(theirs):
    block.fc1, block.fc2 = sfam.fc1[scale], sfam.fc2[scale]
package = m2det.SFAM(32, num_scales=2, shared=False)
package.load_state_dict(sfam.state_dict())
with torch.inference_mode():
    prove("SFAM = torchvision's SqueezeExcitation, scale by scale",
          sfam(pyramid), [se(m) for se, m in zip(theirs, pyramid)],
          tolerance=1e-6)
    prove("and the package's", package(pyramid), sfam(pyramid))

# %% [markdown] id="star-n" slide="slide"
# ### `[conv] * n`: eight keys, one tensor
#
# The paper gives each scale a pair of layers. The released code makes them with `nn.ModuleList([conv] * 6)`, and the eight 1 × 1 convolutions in front of the TUMs likewise. But `[x] * n` builds a list that holds **the same object n times**:

# %% id="star-n-counted" slide="-"
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
print("first is last:", starred[0] is starred[7])

# %% [markdown] id="star-n-file" slide="subslide"
# The saved file looks like eight layers, with eight names. So the printed model, the keys and the file all say eight; only `parameters()` counts objects, and says one. A file of eight *equal* copies loads into either kind. Eight *different* ones do not fit into one tensor, and nobody complains. **Which one survives?**

# %% id="star-n-loads" slide="-" tags=["prove"]
print(starred.load_state_dict(separate.state_dict()))
prove("the last one has overwritten all others", starred[0].weight,
      separate[7].weight)
separate.load_state_dict(starred.state_dict())
prove("and a starred file is eight equal copies",
      [layer.weight for layer in separate], [conv.weight] * 8)

# %% [markdown] id="does-sharing-matter" slide="slide"
# ### Does sharing matter?
#
# A small experiment, trained in this cell. Two scales, four levels of two channels, all of it noise. The task: at scale 0 only **level 0** shall come through, at scale 1 only **level 3**. Nothing but an SFAM stands in between: it must open some channels and close the others. Three runs:
#
# - a pair of layers for each scale;
# - one pair for both;
# - one pair for both, but scale 1 is *brighter*: 1 is added to all its numbers.
#
# **Predict the bars of each before you run it.**

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

# %% [markdown] id="sharing-read" slide="subslide"
# One pair cannot know which scale it serves, unless the *averages* tell. Where they do, it learns to read them; where they do not, it settles for one half. (Eight hidden units learned it from ten seeds of ten; four units, from five of six.) So sharing is not fatal, but it is another network than the paper's.
#
# ### On a trained detector
#
# Noise is a puzzle; what do the weights look like where there are pictures? `m2det_tiny` has a pair for each scale. **Guess:** do they differ more from level to level, or from scene to scene?

# %% id="attention-trained" slide="-"
def weights_of(image):
    inputs = trained.normalize(image[None])
    mlfpn, features = trained.mlfpn, trained.backbone(inputs)
    levels = mlfpn.levels(mlfpn.ffm1(*features))
    gathered = [torch.cat(maps, dim=1) for maps in zip(*levels)]
    return torch.cat(mlfpn.sfam.attention(gathered))  # (scales, C)


with torch.inference_mode():
    weights = torch.stack([weights_of(scenes[i][0]) for i in range(40)])
assert weights.mean(0).std() > 2 * weights.std(0).mean()
show.draw_attention(
    {"scene 0": weights[0], "scene 1": weights[1]}, num_levels=4,
    alt="SFAM's weights in the trained network, for two scenes, five "
    "scales and four levels of 24 channels. Most channels of the finest "
    "scale are open or closed; both scenes look alike.")

# %% [markdown] id="trained-read" slide="subslide"
# Much more from channel to channel. Here the attention is mostly a *switch*, set in training: at the finest scale a channel is either open or closed, whatever the scene. Chapter 09 has an explorer for it, and asks whether the levels are sorted by the kind of object.
#
# ### The whole network, in shapes
#
# What the blocks make of an input of 512 px: six maps of 2,048 channels. The four configurations differ by what you can now compute: a pair of layers has 2 · 2,048 · 128 weights and 128 + 2,048 biases; a thin 1 × 1 BasicConv 768 · 128 + 256.

# %% id="shapes-of-m2det" slide="-"
networks = {
    name: on_meta(create_model, "m2det512_vgg16", **settings)
    for name, settings in (
        ("as released, without SFAM", {"sfam": False}),
        ("with SFAM", {}),
        ("not shared", {"shared_weights": False}),
        ("not shared, the paper's TUM",
         {"shared_weights": False, "tum": "paper"}))}
show.shape_table(networks["with SFAM"])

# %% id="parameters-of-m2det" slide="subslide" tags=["prove"]
sizes = {name: count(network) for name, network in networks.items()}
base, shared, unshared, _ = sizes.values()
pair = 2 * 2048 * 128 + 128 + 2048
thin_conv = 768 * 128 + 2 * 128
prove("SFAM adds one pair of layers", shared - base, pair)
prove("not shared: five pairs and seven 1 × 1 convolutions more",
      unshared - shared, 5 * pair + 7 * thin_conv)
for name, number in sizes.items():
    print(f"{number:12,} {name}")

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 5 · Your turn
#
# ### Paper ↔ code
#
# *Code* is VDIGPKU/M2Det; *article* are two popular texts about it, with code that was copied and changed.
#
# | what | paper or article | published code | here | see |
# |--|--|--|--|--|
# | activation | article: `nn.ReLUL` | `nn.ReLU` | as the code | a |
# | way up | article: "peculiar" | nearest and add, as in FPN | the same | §2, FPN |
# | 3 × 3 of the way up | on the way up | on the side ways | `kind=` | §2, both U |
# | channels out | 128, every map thinned | 256, the coarsest map passes | `kind=` | §2, both U |
# | a TUM reads | 128 + 128 = 256 | first 128, others 128 + 256 = 384 | both | b |
# | first TUM's second input | none | an argument never read | no such argument | b |
# | SFAM's layers | article: `nn.Linear` | 1 × 1 convolutions | as the code | c |
# | `compress_ratio` | r = 16 | accepted, never read | read | d |
# | SFAM's pairs | one for each scale | one for six, `[conv] * 6` | `shared=` | §4 |
# | 1 × 1 before a TUM | one for each level | one for eight, initialised eight times | `shared_weights=` | e |
# | SFAM | always; article: too | off in every released configuration | `sfam=` | §4, parameters |
# | BatchNorm before the heads | – | sized `256 * 8` | follows the levels | f |
# | soft-max | over the classes | `nn.Softmax()`, no axis | `dim=-1` | patient 3 |

# %% id="ledger-blocks" slide="subslide" tags=["ledger"]
# a  the article's code stops at its first block
try:
    nn.ReLUL(inplace=True)
except AttributeError as error:
    print(error)

# b  what the TUMs of the presets read
for name in ("with SFAM", "not shared, the paper's TUM"):
    reads = [tum.encoder.layers[0].conv.in_channels
             for tum in networks[name].mlfpn.tums]
    print(f"{name:28}", *reads)

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

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb08.smallest_side.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `smallest_side`: the smallest side from which a TUM with `num_scales` (3 or more) makes maps of at least one cell. It works when six scales need 33.
# 2. `enlarge`: nearest upsampling to any size, without `F.interpolate`. It works when a row (7, 8, 9) becomes (7, 7, 8, 8, 9).
# 3. `gather`: `levels[level][scale]` to one map for each scale, levels on top of each other. It works when level 1 of C channels owns C to 2C − 1.
# 4. `excite`: squeeze, excite, multiply, for one map and two weights without biases. It works when §4's example gives 0.953 · 7 in the corner.
# 5. `tum_parameters`: of a released TUM with smoothing. It works when (128, 256, 6) gives 5,709,824.
# 6. `moves`: what the walk through the U showed you.

# %% id="exercise-smallest-side" slide="skip" tags=["exercise"]
def smallest_side(num_scales):
    """Smallest side of the input, cells; num_scales is at least 3."""
    side = ...
    return None

nb08.smallest_side.check(smallest_side)

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

# %% id="exercise-tum-parameters" slide="skip" tags=["exercise"]
def tum_parameters(in_channels, planes, num_scales):
    """Number of parameters of a released TUM, smoothing included."""
    def block(a, b, k):  # a BasicConv
        ...
    return None

nb08.tum_parameters.check(tum_parameters)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# the explorer's tasks 1 to 3, say (2, 12, (3, 4))
moves = ...

nb08.moves.check(moves)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the fourth.
#
# **Patient 1.** "I gave every scale its own layers and freeze those of scale 0. Now none of them learns."
#
# <details><summary>Diagnosis</summary>
#
# `[conv] * 6` again. Freezing one freezes the one there is. A comprehension calls the constructor six times.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_layers(n):
    return nn.ModuleList([nn.Conv2d(8, 2, 1)] * n)


def still_learning(layers):
    layers[0].requires_grad_(False)
    return sum(layer.weight.requires_grad for layer in layers)


print("layers that still learn:", still_learning(sick_layers(6)), "of 6")

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** "My decoder works at 512 px. At 320 it stops, in the first step."
#
# <details><summary>Diagnosis</summary>
#
# `scale_factor=2` doubles; but 1 → 3 and 3 → 5 are no doublings. At 512 the sides are 64, 32, …, 4, and 4 − 2 = 2: every step happens to double. Give the *size* of the map that is waiting.
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_up(coarse, finer):
    return finer + F.interpolate(coarse, scale_factor=2, mode="nearest")


def way_up(step, side):
    maps = [torch.zeros(1, 1, n, n) for n in tum_sides(side, 6)]
    for finer, coarse in zip(maps[-2::-1], maps[:0:-1]):
        step(coarse, finer)
    return "up to " + str(side)


for side in (64, 40):
    try:
        print(way_up(sick_up, side))
    except RuntimeError as error:
        print(side, "stops:", error)

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** "In my demo, one picture at a time, every class has score 1. With two pictures the scores change with the neighbour. There was a warning, but the script silences warnings."
#
# <details><summary>Diagnosis</summary>
#
# `nn.Softmax()` without `dim` guesses: on a 2-d tensor axis 1, on a 3-d tensor axis **0**, the batch. Over one picture a soft-max is 1. The released code is saved by flattening to (B·P, K) first, and that is why it can only detect with batch 1.
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
logits = torch.randn(1, 5, 3)  # (B, P, K)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sick = nn.Softmax()(logits)
print("scores:", sick.unique().tolist())
print("sum over the classes:", sick.sum(-1).unique().tolist())
print("a warning:", "Implicit dimension" in str(caught[0].message))

# %% [markdown] id="clinic-4" slide="subslide" tags=["clinic"]
# **Patient 4.** "I ported a decoder. Weights load, all shapes are right, and the coarsest map is right to the last digit. All others are wrong."
#
# <details><summary>Diagnosis</summary>
#
# Backwards indexing. The maps are walked coarse → fine, the list of side convolutions fine → coarse. The author reversed the maps, put the finest convolution last because its channels demanded it, and left the middle ones as they were. They have one shape, so nothing complains. (In the published code the modules of a TUM are `Sequential`s filled by `add_module(str(len(…)))` and indexed from the back, and the TUMs themselves are attributes `unet1` … `unet8` made by `setattr`. A `ModuleList` in one order, and `zip(..., strict=True)`, leave less to get wrong.)
#
# </details>

# %% id="clinic-4-symptom" slide="-" tags=["clinic"]
def sick_decode(decoder, maps):
    finest, *others = decoder.lateral
    pyramid = [decoder.top(maps[-1])]
    for lateral, finer in zip([*others, finest], reversed(maps[:-1])):
        side = lateral(finer)
        pyramid.insert(0, side + F.interpolate(
            pyramid[0], size=side.shape[-2:]))
    return pyramid


patient = TUM(6, 8, 6).eval()
with torch.inference_mode():
    down = patient.encoder(torch.rand(1, 6, 40, 40))
    right, sick = patient.decoder(down), sick_decode(patient.decoder, down)
print("same shapes:", all(a.shape == b.shape for a, b in zip(right, sick)))
print("same numbers:", [torch.equal(a, b) for a, b in zip(right, sick)])

# %% id="clinic-cures" slide="skip" tags=["clinic", "prove"]
cured = nn.ModuleList(nn.Conv2d(8, 2, 1) for _ in range(6))
prove("patient 1 is cured", still_learning(cured), 5)


def cured_up(coarse, finer):
    return finer + F.interpolate(coarse, size=finer.shape[-2:],
                                 mode="nearest")


prove("patient 2 is cured", way_up(cured_up, 40), "up to 40")

scores = nn.Softmax(dim=-1)(logits)
prove("patient 3 is cured", scores.sum(-1), torch.ones(1, 5),
      tolerance=1e-6)

with torch.inference_mode():
    pyramid4 = [patient.decoder.top(down[-1])]
    for k in (4, 3, 2, 1, 0):  # one index for both lists
        pyramid4.insert(0, cured_up(
            pyramid4[0], patient.decoder.lateral[k](down[k])))
prove("patient 4 is cured", pyramid4, right, tolerance=1e-6)

# %% [markdown] id="quiz" slide="slide"
# ### Quiz: true or false?
#
# 1. The coarsest map of a TUM is its deepest level.
# 2. A TUM's finest map knows no more than the map that went in.
# 3. SFAM tells the network *where* to look.
# 4. SFAM's weights of a scale sum to 1.
# 5. Without SFAM all levels count the same.
# 6. Eight keys in a file mean eight layers.
# 7. With 320 px and a batch of one picture, training stops in the first TUM.
#
# <details><summary>Answers</summary>
#
# 1. False. A level is a whole TUM; its six maps are six scales of the same level.
# 2. False. It has been down to 1 × 1 and back: every cell has seen the whole picture.
# 3. False. One weight serves all cells of a channel: it tells *what*, not where.
# 4. False. Each has a sigmoid of its own: all may be open, or none.
# 5. False. The filters of the heads weigh the channels anyway, but in the same way for every picture.
# 6. False. Count `parameters()`, or compare `data_ptr()`.
# 7. True. The coarsest map is 1 × 1, one number a channel, and BatchNorm needs two.
#
# </details>

# %% id="quiz-evidence" slide="-"
try:
    TUM(8, 8).train()(torch.rand(1, 8, 40, 40))
except ValueError as error:
    print(str(error).partition(",")[0])

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - A **scale** is a resolution, a **level** a depth. M2Det has 8 × 6 of them, a column for each TUM.
# - **BasicConv**: no bias, since BatchNorm takes it away; momentum 0.01.
# - **TUM**: halve, rounding up, and at last subtract two; then enlarge *to the size that is waiting*, and add. The paper convolves on the way up and thins to 128; the released code convolves on the side and keeps 256.
# - **Gather**: `zip(*levels)` and a concatenation. Level *l* owns the channels *l*·C to (*l* + 1)·C − 1.
# - **SFAM**: average, two layers, sigmoid, multiply.
# - **`[conv] * n`** is one layer under *n* names.
#
# **Next**, 09: the fusion in front, the heads behind, and whether levels do what the paper claims.
#
# **Further reading.** Zhao et al. 2019, *M2Det*, arXiv 1811.04533, Fig. 2 and 4, Eq. 1 to 3 · Lin et al. 2017, *FPN*, 1612.03144 · Hu et al. 2018, *SENet*, 1709.01507 · Ronneberger et al. 2015, *U-Net*, 1505.04597 · VDIGPKU/M2Det, issues 22, 36, 71, 94.
