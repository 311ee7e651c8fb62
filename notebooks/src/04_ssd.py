# %% [markdown] id="title" slide="slide"
# # 04 · SSD
#
# **One question: how does one pass through one network say something about 8,732 boxes?**
#
# You have a classifier: a picture goes in, one word comes out. You want every object with its box, in one pass. In the code of a published SSD you meet `ceil_mode=True`, `dilation=6`, a factor of 20, and a `permute` before a `reshape`, and nobody says why. In this chapter you build the network block by block, and each of these gets its reason.
#
# Afterwards you will be able to
#
# - turn VGG-16 into a detector: cut, convert, extend, put heads on six maps;
# - say what each of the six maps is for, and what one of them alone would miss;
# - name the shape of every tensor on the way, and say why the permutation comes before the reshape;
# - *prove*, on random weights, that your network computes what torchvision's does.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebooks 01 (IoU, NMS, mAP) and 02 (what priors are, and their order); 03 helps. Convolution, stride and padding should be no news.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: F401, I001

# %% id="imports" slide="skip"
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection import ssd300_vgg16

from detlearn import boxes, create_model, load_model, show
from detlearn.data import CocoDetectionDataset, Shapes, collate, data_path
from detlearn.models import Predictions, load_reference_weights
from detlearn.models.backbones import named_vgg16_layers
from detlearn.models.layers import ConvBlock, SeparableConv, init_xavier
from detlearn.teach.exercises import nb04
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


blank = torch.empty(1, 3, 300, 300, device="meta")
print(tuple(on_meta(create_model, "ssd300_vgg16").priors.shape))

# %% [markdown] id="six-maps" slide="slide" tags=["lead"]
# ## 1 · Six maps, one kind of head
#
# Here is the whole network. A classifier reduces a picture to smaller and smaller **feature maps**. A cell of a map is a vector of C channels that describes one place of the picture. The classifier's last step, from maps to word, throws the places away. SSD does not take this step. It keeps two maps of the classifier, the **backbone** (blue below), and makes four smaller ones by **extra layers** (green). The names are those of Caffe, in which SSD was written. Then it asks every cell of all six the same two questions, for each of its priors: *what is in it* (K class numbers, the `logits`), and *how must it move* (four `deltas`).

# %% id="the-maps" slide="-" tags=["key-figure"]
show.draw_overview("ssd")

# %% [markdown] id="notes-six-maps" slide="notes"
# > *For the speaker.* Let the room add up the priors of the six maps before you say 8,732. Then ask which map will find the person who fills the picture, and why (one cell, priors of 264 px). “fc7” is a convolution; section 2 says why it is called fully connected.

# %% [markdown] id="why-six" slide="subslide"
# ### Why six maps?
#
# Take the small SSD of this course, `ssd_tiny`, with four maps of 32, 16, 8 and 4 cells a side on 128 px. As in 02, an object is *covered* if some prior has an IoU of at least 0.5 with it.
#
# **Predict.** Keep the priors of *one* map alone, the finest. Up to which side, in px, does it still cover most objects?

# %% id="coverage-of-each-map" slide="fragment" tags=["hide-input"]
layout = boxes.SSD_TINY_PRIORS
scenes = [Shapes(length=400)[index] for index in range(400)]
objects = torch.cat([t["boxes"] for _, t in scenes]) / 128
sides = 128 * (objects[:, 2:] - objects[:, :2]).prod(dim=1).sqrt()  # (G,)
edges = [5, 8, 11, 16, 23, 32, 45, 64, 96]
by_map = boxes.make_priors(layout).split(layout.priors_per_level)
curves = {}
for side, priors in zip(layout.map_sizes, by_map):
    covered = (boxes.coverage(objects, priors) >= 0.5).float()
    curves[f"{side} × {side}"] = [
        covered[(sides >= a) & (sides < b)].mean().item()
        for a, b in pairwise(edges)]
show.draw_coverage(
    edges, curves, name_peaks=True, alt="Share of the objects that the "
    "priors of one map cover, by size: four hills, the finest map's from "
    "5 to 16 px, then 16 to 32, 32 to 64, and above.")

# %% [markdown] id="what-one-map-loses" slide="subslide" tags=["lead", "beside:coverage-of-each-map"]
# The finest map covers most objects up to about 18 px. Each map has its own range of sizes, about a factor of three wide, and neighbours overlap. What would *one* map lose? First ask the trained network. It finds an object if some prior gives the object's class a score of 0.5 or more, and the box that it predicts has an IoU of 0.5 or more with the object. We let it use the priors of one map at a time, on 100 new scenes:

# %% id="found-by-each-map" slide="-" tags=["hide-input"]
folder = data_path("shapes_val")
new = CocoDetectionDataset(folder / "images", folder / "annotations.json")
images, targets = collate([new[index] for index in range(100)])
tiny = load_model(data_path("weights", "ssd_tiny.safetensors"))
with torch.inference_mode():
    logits, deltas = tiny(tiny.normalize(images))
found, sides = [], []
for score, delta, t in zip(logits.softmax(-1), deltas, targets):
    truths = t["boxes"] / 128
    fits = boxes.box_iou(truths, boxes.decode(delta, tiny.priors)) >= 0.5
    right = (score[:, t["labels"]].T >= 0.5) & fits  # (G, P)
    maps = right.split(layout.priors_per_level, dim=1)
    found.append(torch.stack([part.any(dim=1) for part in maps], dim=1))
    sides.append(128 * (truths[:, 2:] - truths[:, :2]).prod(1).sqrt())
found, sides = torch.cat(found), torch.cat(sides)  # (G, L), (G,)
alone = {f"map {m}": hit for m, hit in zip(layout.map_sizes, found.T)}
print("found, by size:     <16  16–32  32–64  >64 px    all")
for name, hit in {**alone, "all maps": found.any(dim=1)}.items():
    shares = [hit[(sides >= a) & (sides < b)].float().mean().item()
              for a, b in pairwise((0, 16, 32, 64, 128))]
    print(f"{name:17}", *[f"{x:5.0%}" for x in shares],
          f"  {hit.float().mean().item():5.0%}")

# %% [markdown] id="one-map-of-the-paper" slide="skip"
# The best single map finds about half of the objects, all four find 94 %. But this network has learned to share the work. Could one map do it all, if it owned priors of every size from the start? The paper tried it: fc7 alone (there called conv7), with 8,664 boxes instead of 8,732, has 62.4 mAP on VOC07 test, six maps have 74.3. But these numbers include the priors that cross the image's border. Without them fc7 alone has 64.0 and the six maps 63.4 (Table 3), so the table does not settle the question. `python -m experiments ssd_maps` asks it on Shapes.

# %% [markdown] id="a-head-by-hand" slide="subslide"
# ### A head, by hand
#
# The part that asks is a **head**: one 3 × 3 convolution for the logits of a map, and one for its deltas. Take the smallest: a map of 1 × 2 cells, A = 2 priors a cell, K = 3 numbers a prior. A convolution puts its answers into *channels*, so there are A·K = 6. Here every number says where it belongs. Its hundreds are the prior, its tens the number, its units the cell.

# %% id="numbers-that-speak" slide="-"
prior, number, cell = torch.arange(2), torch.arange(3), torch.arange(2)
spoken = (100 * prior[:, None, None] + 10 * number[:, None] + cell)
maps = spoken.reshape(1, 6, 1, 2)  # (B, A*K, H, W)
maps[0, :, 0]

# %% [markdown] id="why-permute" slide="subslide"
# The loss and the decoding want one **row** for each prior, in the order of the priors: level, row, column, prior (chapter 02). `reshape` never moves a number, it reads them like a book, along the last axis first. So the numbers of one prior must stand in the last axis *before* anything is reshaped. First `permute`, then `reshape`:

# %% id="flatten-level" slide="-" tags=["teaches:detlearn.models.layers:flatten_level"]
def flatten_level(maps, num_outputs):
    B, channels, H, W = maps.shape
    K, A = num_outputs, channels // num_outputs
    cells = maps.permute(0, 2, 3, 1)  # (B, H, W, A*K)
    rows = cells.reshape(B, H * W * A, K)  # (B, H*W*A, K)
    return rows


rows = flatten_level(maps, 3)
rows

# %% id="rows-seen" slide="subslide" tags=["hide-input"]
show.draw_head_rows(
    maps,
    {"permute, reshape": rows, "reshape alone": maps.reshape(1, 4, 3)},
    alt="Six channels of two cells become four rows of three numbers. "
    "Permuted first, a row holds one prior of one cell; reshaped alone, "
    "rows mix both cells, in the same shape.")

# %% [markdown] id="two-kinds-of-head" slide="fragment"
# In the middle each row is one prior of one cell. On the right every row mixes two cells. Both are (1, 4, 3), so no error will ever tell you.

# %% [markdown] id="all-heads" slide="subslide" tags=["beside:rows-seen"]
# A `MultiBoxHead` holds a pair of heads for each map, with moderate random weights and zero biases (`init_xavier`). It joins all their rows to `Predictions`, a pair named `logits` and `deltas`. K depends on the data: 21 for VOC (20 classes and background), for COCO 91 with its own ids (80 classes, gaps, background) or 81 without the gaps. (`kind` chooses a cheaper head, for phones, ★. `@method_of` adds a method to a class, as in 02.)

# %% id="conv3x3" slide="-" tags=["hide-input", "teaches:detlearn.models.layers:conv3x3", "teaches:detlearn.models.layers:MultiBoxHead.__init__"]
def conv3x3(in_channels, out_channels):
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


class MultiBoxHead(nn.Module):
    def __init__(self, in_channels, priors_per_cell, num_classes,
                 kind="conv"):
        super().__init__()
        predictor = SeparableConv
        if kind == "conv":
            predictor = conv3x3
        self.num_classes = num_classes
        levels = list(zip(in_channels, priors_per_cell, strict=True))
        self.logits = nn.ModuleList(
            predictor(c, a * num_classes) for c, a in levels)
        self.deltas = nn.ModuleList(predictor(c, a * 4) for c, a in levels)
        init_xavier(self)


MultiBoxHead([8, 16], [4, 6], num_classes=3).logits

# %% id="heads-forward" slide="skip" tags=["hide-input", "teaches:detlearn.models.layers:MultiBoxHead.forward", "prove"]
@method_of(MultiBoxHead)
def forward(self, features):
    logits_by_level, deltas_by_level = [], []
    for maps, to_logits, to_deltas in zip(
            features, self.logits, self.deltas, strict=True):
        logits_by_level.append(
            flatten_level(to_logits(maps), self.num_classes))
        deltas_by_level.append(flatten_level(to_deltas(maps), 4))
    logits = torch.cat(logits_by_level, dim=1)  # (B, P, K)
    deltas = torch.cat(deltas_by_level, dim=1)  # (B, P, 4)
    return Predictions(logits, deltas)


head = MultiBoxHead([8, 16], [4, 6], num_classes=3)
two_levels = [torch.rand(5, 8, 4, 4), torch.rand(5, 16, 2, 2)]
out = head(two_levels)
print(tuple(out.logits.shape), tuple(out.deltas.shape))
# level 1, row 1, column 0, prior 5: behind 4 · 4 · 4 rows of level 0
raw = head.deltas[1](two_levels[1])  # (B, 24, 2, 2)
prove("row 64 + (1 · 2 + 0) · 6 + 5 is that prior's",
      out.deltas[:, 64 + 2 * 6 + 5], raw[:, 5 * 4 : 5 * 4 + 4, 1, 0])

# %% [markdown] id="vgg" slide="slide" tags=["lead", "beside:the-maps"]
# ## 2 · VGG-16, converted
#
# VGG-16 is thirteen 3 × 3 convolutions in five blocks, with a halving pool behind each block, and three fully connected layers. torchvision numbers its layers; SSD's papers and files use Caffe's names: `conv4_3` is the third convolution of block 4. We name the layers, too, and **tap** by name: `taps` are the layers whose maps are handed out on the way.
#
# Three places differ from the classifier:
#
# 1. **pool3 rounds up** (`ceil_mode`): 75 becomes 38, as in Caffe, where SSD was written. Rounded down it would be 37, and the priors of level 0, laid out for 38 × 38 cells, would not fit.
# 2. **pool5 no longer halves** (3 × 3, stride 1): level 1 keeps 19 × 19 cells.
# 3. **fc6 and fc7 are convolutions**, and fc6 has *holes*: it reads every sixth cell (`dilation`). The reason comes below.

# %% [markdown] id="notes-vgg" slide="notes"
# > *For the speaker.* Ask first which of the three changes a wrong port would survive without an error message. (Only the third: with another dilation every shape stays as it is. The other two change the maps, and the priors no longer fit.)

# %% id="vgg-class" slide="skip" tags=["teaches:detlearn.models.backbones:VGG16.__init__"]
class VGG16(nn.Module):
    depth = 16  # 19 is a subclass, for M2Det

    def __init__(self, pool5=(3, 1, 1), fc6_dilation=6,
                 taps=("conv4_3", "fc7")):
        super().__init__()
        layers = named_vgg16_layers(self.depth)
        layers["pool3"].ceil_mode = True
        # kernel, stride, padding
        layers["pool5"] = nn.MaxPool2d(*pool5)
        layers["fc6"] = nn.Conv2d(512, 1024, 3, padding=fc6_dilation,
                                  dilation=fc6_dilation)
        layers["relu6"] = nn.ReLU(inplace=True)
        layers["fc7"] = nn.Conv2d(1024, 1024, 1)
        layers["relu7"] = nn.ReLU(inplace=True)
        init_xavier(layers["fc6"])
        init_xavier(layers["fc7"])
        self.layers = nn.Sequential(layers)
        names = list(layers)
        # + 1: the ReLU behind it
        self.taps = tuple(names[names.index(tap) + 1] for tap in taps)
        self.out_channels = tuple(layers[tap].out_channels for tap in taps)


on_meta(VGG16).taps

# %% id="vgg-forward" slide="-" tags=["teaches:detlearn.models.backbones:VGG16.forward", "hide-input"]
@method_of(VGG16)
def forward(self, images):
    features, maps = [], images
    for name, layer in self.layers.named_children():
        maps = layer(maps)
        if name in self.taps:
            features.append(maps)
    return features


vgg, maps = on_meta(VGG16), blank
print("handed out:", [tuple(maps.shape) for maps in vgg(blank)])
for name, layer in vgg.layers.named_children():
    maps = layer(maps)
    if name.startswith(("pool", "fc")) or name == "conv4_3":
        print(f"{name:8}", tuple(maps.shape))

# %% [markdown] id="why-holes" slide="subslide"
# ### Why the holes?
#
# In the classifier fc6 reads pool5's 7 × 7 × 512 numbers at once, with 4,096 units and 103 million weights. That *is* a 7 × 7 convolution that fits in one place only:

# %% id="fc-is-conv" slide="-" tags=["prove"]
small = torch.randn(1, 4, 7, 7)
fc6 = nn.Linear(4 * 7 * 7, 8)  # 4 channels and 8 units for 512 and 4,096
filters = fc6.weight.reshape(8, 4, 7, 7)
prove("a fully connected layer is a 7 × 7 convolution",
      F.conv2d(small, filters, fc6.bias).flatten(1), fc6(small.flatten(1)),
      tolerance=1e-5)

# %% [markdown] id="fewer-weights" slide="subslide" tags=["lead"]
# On larger maps the same filter slides. But 7 × 7 × 512 × 4,096 is heavy, so the authors thin it out to 3 × 3 places and 1,024 units. Which places, the paper does not say; PyTorch tutorials, and we, keep every third weight along each side (★). The nine weights that remain stay in their places, three cells apart. A convolution with such gaps has a **dilation** of 3 (French *à trous*, with holes).
#
# Now pool5 no longer halves, so the cells lie twice as close. To span the same pixels, the gaps must double: **6**.

# %% id="taps-seen" slide="-" tags=["hide-input"]
show.draw_taps({
    "VGG-16's fc6, stride 32": (7, 1, 32),
    "every third weight:\ndilation 3 (RefineDet)": (3, 3, 32),
    "pool5 of stride 1:\ndilation 6 (SSD, M2Det)": (3, 6, 16),
}, alt="Three filters at one scale: 49 weights over 224 px, nine of them "
    "three cells apart over the same 224 px, and nine weights six smaller "
    "cells apart over 208 px.")

# %% [markdown] id="figure-read" slide="fragment"
# All three span 192 px from the first to the last weight (6 · 32 or 12 · 16). The rest is one cell, 32 or 16 px wide. **Prove** both steps on small maps:

# %% id="dilation-proved" slide="skip" tags=["hide-input", "prove"]
nine = filters[:, :, ::3, ::3]  # (8, 4, 3, 3)
kept = torch.zeros(7, 7)
kept[::3, ::3] = 1
prove("49 weights, 40 of them zero = 9 with dilation 3",
      F.conv2d(small, filters * kept), F.conv2d(small, nine, dilation=3),
      tolerance=1e-5)

fine = torch.randn(1, 4, 14, 14)  # a map of stride 16
coarse = fine[:, :, ::2, ::2]  # every second cell of it: stride 32
prove("half the stride, twice the dilation",
      F.conv2d(fine, nine, dilation=6)[:, :, ::2, ::2],
      F.conv2d(coarse, nine, dilation=3), tolerance=1e-5)

# %% [markdown] id="receptive-field" slide="subslide" tags=["lead", "beside:taps-seen"]
# What one cell sees of the picture is its **receptive field**. Measure it: send a gradient from one cell back to the image and count the pixels that it reaches. (Filters are squares, so one axis is enough.) It can be computed, too. A pixel alone sees 1 px. Each layer adds dilation · (kernel − 1) cells, and each of these is as wide as the product of all strides before it.
#
# **Predict:** the classifier's fc6 sees 404 px. How much would it see with SSD's pool5 (3 × 3, stride 1), nine weights and *no* holes?

# %% id="field-measured" slide="fragment" tags=["hide-input"]
convs, pool = [(3, 1, 1)], [(2, 2, 1)]  # kernel, stride, dilation
to_conv5_3 = (2 * convs + pool) * 2 + (3 * convs + pool) * 2 + 3 * convs


def measured_field(layers):
    image = torch.zeros(1, 1, 800, requires_grad=True)
    maps = image
    for kernel, stride, dilation in layers:
        maps = F.conv1d(maps, torch.ones(1, 1, kernel), stride=stride,
                        dilation=dilation)
    maps[0, 0, maps.shape[-1] // 2].backward()
    return int((image.grad != 0).sum())


for name, pool5, fc6 in (
        ("VGG-16", (2, 2, 1), (7, 1, 1)),
        ("no holes", (3, 1, 1), (3, 1, 1)),
        ("SSD", (3, 1, 1), (3, 1, 6)), ("RefineDet", (2, 2, 1), (3, 1, 3))):
    field = measured_field([*to_conv5_3, pool5, fc6])
    print(f"{name:10}{field} px")

# %% [markdown] id="field-read" slide="fragment" tags=["lead"]
# Without holes fc6 would see 260 px, where its weights were trained to see 404. With dilation 6 it sees 420: fc6 itself spans the same 192 px as before, and the 16 px more come from pool5, which is 3 × 3 now. So the weights of ImageNet still fit, thinned out (★). Thinning buys speed; the holes buy 19 × 19 cells with the old view. The paper compares with the whole of VGG-16, not thinned out and with its old pool5, which also predicts from conv5_3: 74.2 mAP instead of 74.3 (Table 2), and about 20 % slower.

# %% [markdown] id="l2norm" slide="subslide"
# ### L2Norm: an early map among late ones
#
# conv4_3 comes five layers before the next map, and its numbers are on another scale (Liu et al. 2016, §3.1, after ParseNet). The remedy is to scale the channel vector of every *cell* to length 1, and to let the network learn a factor for each channel, starting at 20. Why 20? A vector of length 1 over 512 channels has entries near 1/√512 = 0.04; 20 brings them to about 0.9, the size of number that a convolution likes. A cell that says nothing, all zeros, must not become NaN.

# %% id="l2norm-class" slide="-" tags=["hide-input", "teaches:detlearn.models.layers:L2Norm", "prove"]
class L2Norm(nn.Module):
    def __init__(self, channels, scale=20.0):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, maps):
        unit = F.normalize(maps.to(self.scale.dtype), dim=1, eps=1e-12)
        return unit * self.scale[:, None, None]


print(L2Norm(2)(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)).flatten())

loud = 300 * torch.rand(2, 512, 38, 38)
loud[0, :, 5, 7] = 0  # a cell that says nothing
length = L2Norm(512)(loud).norm(dim=1)  # (B, H, W)
expected = torch.full((2, 38, 38), 20.0)
expected[0, 5, 7] = 0
prove("every cell has length 20, a silent one 0", length, expected,
      tolerance=1e-3)

# %% [markdown] id="extras" slide="skip"
# ### Extra layers
#
# Four times, a 1 × 1 convolution narrows the map and a 3 × 3 one shrinks it: twice by stride 2, then, at 5 × 5, by having no padding. (`ConvBlock` is convolution, BatchNorm if `norm`, ReLU; the paper has no BatchNorm.)

# %% id="extra-block" slide="skip" tags=["hide-input", "teaches:detlearn.models.layers:ExtraBlock"]
class ExtraBlock(nn.Sequential):
    def __init__(self, in_channels, mid_channels, out_channels,
                 kernel_size, stride, padding, norm=False):
        super().__init__(OrderedDict(
            narrow=ConvBlock(in_channels, mid_channels, 1, norm=norm),
            shrink=ConvBlock(mid_channels, out_channels, kernel_size,
                             stride, padding, norm),
        ))


# channels in, between, out; kernel, stride, padding of the 3 × 3 one
EXTRAS = ((1024, 256, 512, 3, 2, 1), (512, 128, 256, 3, 2, 1),
          (256, 128, 256, 3, 1, 0), (256, 128, 256, 3, 1, 0))
maps = torch.empty(1, 1024, 19, 19, device="meta")
for each in EXTRAS:
    maps = on_meta(ExtraBlock, *each)(maps)
    print(each, tuple(maps.shape))

# %% [markdown] id="whole" slide="slide"
# ## 3 · The whole network
#
# Every block stands above. A few lines put them together:

# %% id="ssd300" slide="-"
class SSD300(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.backbone, self.l2norm = VGG16(), L2Norm(512)
        self.extras = nn.ModuleList(ExtraBlock(*each) for each in EXTRAS)
        self.head = MultiBoxHead([512, 1024, 512, 256, 256, 256],
                                 [4, 6, 6, 6, 4, 4], num_classes)

    def forward(self, images):
        conv4_3, fc7 = self.backbone(images)
        pyramid = [self.l2norm(conv4_3), fc7]
        for extra in self.extras:
            pyramid.append(extra(pyramid[-1]))
        return self.head(pyramid)


[tuple(t.shape) for t in on_meta(SSD300, num_classes=21)(blank)]

# %% [markdown] id="notes-whole" slide="notes"
# > *For the speaker.* Let somebody name the shape behind each line before you run the cell. Break one thing live afterwards (dilation 3, `dim=2` in L2Norm, a head without permute), run the proof, and let the room see that *shapes* stay right every time.

# %% [markdown] id="prove-torchvision" slide="subslide" tags=["beside:the-maps"]
# 8,732 rows. But shapes prove little. **Prove the numbers** against torchvision's SSD300, written by others: give theirs random weights, load them into ours, and compare. The spreads are chosen so that numbers neither vanish nor explode on the way. (The first filters are divided by 50, since `normalize` turns 0 … 1 into 0 … 255 minus a mean.)

# %% id="their-weights" slide="skip"
torch.manual_seed(0)
theirs = on_meta(ssd300_vgg16, weights=None, weights_backbone=None,
                 num_classes=21).to_empty(device="cpu").eval()
for name, weight in theirs.named_parameters():
    if name.endswith("scale_weight"):
        nn.init.uniform_(weight, 10, 30)
    elif name.endswith("bias"):
        nn.init.normal_(weight, std=0.3)
    elif name.startswith("head"):
        nn.init.normal_(weight, std=0.01)
    else:
        nn.init.kaiming_normal_(weight)
theirs.backbone.features[0].weight.data /= 50  # pixels are 0 to 255 here

ssd = create_model("ssd300_vgg16", num_classes=21).eval()
load_reference_weights(ssd, theirs.state_dict(), source="torchvision")
print(len(theirs.state_dict()), "keys, all of them renamed")

# %% id="same-predictions" slide="-" tags=["prove", "hide-input"]
pictures = torch.rand(2, 3, 300, 300)
mine = SSD300(num_classes=21).eval()
mine.load_state_dict(ssd.state_dict())
with torch.inference_mode():
    inputs = ssd.normalize(pictures)  # (B, 3, H, W)
    pyramid = list(theirs.backbone(inputs).values())
    wanted = theirs.head(pyramid)
    got, written_here = ssd(inputs), mine(inputs)
wanted = [wanted["cls_logits"], wanted["bbox_regression"]]
assert wanted[0].std() > 0.3  # not all the same
prove("the package's logits and deltas = torchvision's", list(got), wanted,
      tolerance=1e-3)
prove("the network of this notebook = torchvision's", list(written_here),
      wanted, tolerance=1e-3)

# %% [markdown] id="shape-table" slide="subslide"
# ### Every shape, and what it costs
#
# **MACs** are multiply-adds: for a convolution, the numbers of its output times (kernel² × input channels). K is 91 here, the COCO ids; 21 above was VOC's. **Predict:** which level's heads cost most, and is it the deltas or the logits?

# %% id="ssd300-table" slide="fragment" tags=["hide-input"]
ssd300_table = show.shape_table(on_meta(create_model, "ssd300_vgg16"))
ssd300_table

# %% [markdown] id="read-the-table" slide="skip"
# Six sevenths of the work is the backbone. Of the heads, level 0 costs most, because it has most *cells*. But a filter is shared by all cells, so parameters follow channels × priors a cell, and level 1 has three times as many. Logits cost K/4 as much as deltas, here 91/4: classes are the price of a head. (A ★ section checks the table with another program.)

# %% [markdown] id="tiny" slide="subslide" tags=["lead", "beside:coverage-of-each-map"]
# ### The same network in small: `ssd_tiny`
#
# Chapter 05 trains a small detector from scratch, on two cores. It is this network with another backbone, 3 × 3 convolutions with BatchNorm. The first one halves the picture. Behind it come four groups, one for each map: a convolution of stride 2, then three, two, one and one of stride 1. They make all four maps, so there are no extra layers. Heads, order and priors follow the same rules. It has learned (00 and 01 show what it finds).

# %% [markdown] id="move-maps" slide="subslide"
# ### Predict, then move
#
# Here are all maps of this network for one new scene. Its objects are a face, a square and a disc; blob, crescent and hook have no class. Left, one channel over the picture, a cell, and (dashed) its receptive field. Right, the channels, those with the largest mean absolute value first; the number on a tile is the channel's own. Guess, then move; `moves`, below the second explorer, checks the answers.
#
# 1. `backbone` hands out tensors [0] to [3]. Which is the first whose field is larger than the picture, 128 px?
# 2. A head is one more 3 × 3 convolution. By how many px does `head.logits.0` widen the field of [0]? And `head.logits.3` that of [3]?
# 3. `head.logits.1`: K is 9 here, class 5 is *face*. So channel 5 is what prior 0 says about faces. Press its tile (the slider *channel* counts ranks). Is it highest on the face? Which channel says the same for prior 3?

# %% id="explorer-maps" slide="subslide" tags=["explorer", "nbval-ignore-output"]
image, target = new[24]
show.PyramidExplorer(tiny, image, ("backbone", "head.logits"),
                     file=folder / "images" / "000024.png")

# %% [markdown] id="move-shapes" slide="skip"
# The second explorer can show every tensor that a module of three SSDs hands out; *depth* says how many steps into a *part* it looks. The SSDs: VGG-16's, and two with the backbones of the ★ section. Its bars show what share of the parameters and of the work each part has.
#
# 4. In which network do the heads have more parameters than the backbone?
# 5. `ssd300_vgg16`, part `backbone.layers`: conv4_3 has 64 times the weights of conv1_2 (the list counts biases, too). How many times its MACs, rounded?

# %% id="explorer-shapes" slide="skip" tags=["explorer"]
show.ShapeTableExplorer({
    name: on_meta(create_model, name) for name in (
        "ssd300_vgg16", "ssd300_resnet50", "ssdlite300_mobilenet_v2")})

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# Level, (px, px), channel, full name of the network, times.
# Made up: (0, (5, 5), 10, "ssd300_vgg16", 30)
moves = ...

nb04.moves.check(moves)

# %% [markdown] id="exercises" slide="slide"
# ## 4 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb04.output_side.hint()` helps, a little more at each call.
#
# 1. `output_side`: the side of a convolution's output, from what you know of padding, stride and dilation. It works when 19 cells with kernel 3, stride 2, padding 1, dilation 1 give 10.
# 2. `flatten_head`: maps to rows, in the order row, column, prior.
# 3. `l2_normalize`, without `F.normalize`. It works when (3, 4) gives (12, 16) and a cell of zeros stays zero.

# %% id="exercise-output-side" slide="skip" tags=["exercise"]
def output_side(side, kernel, stride, padding, dilation):
    """Side of a convolution's output, in cells."""
    reach = ...
    return None

nb04.output_side.check(output_side)

# %% id="exercise-flatten-head" slide="skip" tags=["exercise"]
def flatten_head(maps, num_outputs):
    """One row of num_outputs numbers for each prior."""
    B, channels, H, W = maps.shape
    ...
    return None

nb04.flatten_head.check(flatten_head)

# %% id="exercise-l2-normalize" slide="skip" tags=["exercise"]
def l2_normalize(maps, scale):
    """Length 1 in every cell, then one factor for each channel."""
    length = ...
    return None

nb04.l2_normalize.check(l2_normalize)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic", "beside:clinic-1-symptom"]
# ### Bug clinic
#
# Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “Trained weights, the right shapes, no error, and the boxes are nonsense.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic", "hide-input"]
def run_heads(flatten):
    with torch.inference_mode():
        pyramid = tiny.features(tiny.normalize(image[None]))
        heads = zip(pyramid, tiny.head.logits, tiny.head.deltas)
        rows = [(flatten(to_logits(maps), tiny.config.num_classes),
                 flatten(to_deltas(maps), 4))
                for maps, to_logits, to_deltas in heads]
    return Predictions(*(torch.cat(part, dim=1) for part in zip(*rows)))


sick = run_heads(lambda maps, n: maps.reshape(len(maps), -1, n))
(found,) = tiny.postprocess(sick, [(128, 128)], max_detections=12)
show.draw_boxes(
    image, found["boxes"], found["labels"], class_names=tiny.class_names,
    reference=target["boxes"], alt="The scene of section 3, truth dashed, "
    "with twelve boxes of many classes, scattered over it without regard "
    "to the objects.")

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# The heads' maps are reshaped without the permutation: a row holds neighbouring cells of one channel instead of the numbers of one prior. It is the last panel of §1's figure, with a trained network behind it.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
cured = run_heads(flatten_level)
(found,) = tiny.postprocess(cured, [(128, 128)], score_threshold=0.9)
print(*[tiny.class_names[label] for label in found["labels"]])

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **SSD** is a classifier without its end, a few extra layers, and two 3 × 3 convolutions for each map. Fine maps find small objects, coarse maps large ones; one map alone finds its own range.
# - The order of the heads' rows is the order of the priors: **permute, then reshape**.
# - **fc6** is a 7 × 7 convolution. Every third weight and pool5 without its stride make it 3 × 3 with **dilation 6**: almost the same view, fewer weights.
# - **L2Norm** gives every cell of conv4_3 the length 20, over its channels.
# - Shapes prove little. Equal *numbers*, against somebody else's code, prove a network.
#
# **Next**, 05: train it.
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §2.1, §3 and Fig. 2 · Simonyan & Zisserman 2015, *VGG*, 1409.1556 · Liu et al. 2015, *ParseNet*, 1506.04579 · Chen et al. 2015, *DeepLab*, 1412.7062 (the holes) · Sandler et al. 2018, *MobileNetV2*, 1801.04381, §6.2 · torchvision, `models/detection/ssd.py`.

# %% [markdown] id="star-detections" slide="skip"
# ## ★ Equal detections, and the names of the layers
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# With equal logits and deltas, the decoding, the thresholds and NMS must give the same boxes as torchvision's:

# %% id="same-detections" slide="skip" tags=["prove"]
with torch.inference_mode():
    answers = theirs(list(pictures))
for answer, ours in zip(answers, ssd.detect(pictures)):
    assert len(answer["labels"].unique()) > 3
    prove("boxes, labels and scores = torchvision's",
          {key: ours[key] for key in answer}, answer, tolerance=0.01)

# %% [markdown] id="star-layers" slide="skip"
# These are the names of VGG-16's layers, in Caffe's way:

# %% id="layer-names" slide="skip"
names = list(named_vgg16_layers(16))
for start in range(0, len(names), 8):
    print(*names[start:start + 8])

# %% [markdown] id="torchinfo" slide="skip"
# ### Is the table of §3 right?
#
# `torchinfo` is a widely used package that counts as well. Both should find the same parameters. And the multiply-adds?

# %% id="equal-to-torchinfo" slide="skip" tags=["prove"]
from math import prod
import torchinfo

network = on_meta(create_model, "ssd300_vgg16")
summary = torchinfo.summary(network, input_data=blank, device="meta",
                            verbose=0)
prove("parameters = torchinfo's", ssd300_table.parameters,
      summary.total_params)
more = summary.total_mult_adds - ssd300_table.macs
convolved = sum(prod(layer.output_size) for layer in summary.summary_list
                if layer.class_name == "Conv2d")
prove("multiply-adds part by one for each number that a convolution gives",
      more, convolved)
print(f"{more:,} of {ssd300_table.macs:,}: {more / ssd300_table.macs:.2%}")

# %% [markdown] id="where-they-part" slide="skip"
# torchinfo counts the *bias* of a convolution as one more multiply-add for each number of its output. A bias is added and multiplies nothing, so our table leaves it out. Papers differ in the same way: compare counts only if one program made them.

# %% [markdown] id="decimation" slide="skip"
# ## ★ The weights of the classifier
#
# “Subsample parameters from fc6 and fc7”, says the paper (§3). Its author, when asked, answered: “following what DeepLab did” ([caffe #258](https://github.com/weiliu89/caffe/issues/258)). Neither says which ones. PyTorch tutorials keep **every fourth unit and every third weight**, from the first on; so do we. fc7 then reads fc6's kept units only: every fourth column as well as every fourth row. (torchvision's SSD draws both layers at random instead.)

# %% id="decimate" slide="skip" tags=["teaches:detlearn.models.backbones:decimate_fc6", "teaches:detlearn.models.backbones:decimate_fc7"]
import torchvision


def decimate_fc6(weight):
    filters = weight.unflatten(1, (512, 7, 7))  # (4096, 512, 7, 7)
    return filters[::4, :, ::3, ::3]  # (1024, 512, 3, 3)


def decimate_fc7(weight):
    return weight[::4, ::4, None, None]  # (1024, 1024, 1, 1)


classifier = on_meta(torchvision.models.vgg16, weights=None).state_dict()
for key in ("classifier.0.weight", "classifier.3.weight"):
    print(key, tuple(classifier[key].shape))

# %% [markdown] id="conversion" slide="skip"
# `vgg16_reduced_from_torchvision` does it for a whole state dict. What can be proved on random weights: each number is the one that we would pick by hand, nothing else has changed, and all of it fits.

# %% id="conversion-proved" slide="skip" tags=["prove"]
from detlearn.models import vgg16_reduced_from_torchvision

picked = {key: torch.rand(t.shape) for key, t in classifier.items()}
reduced = vgg16_reduced_from_torchvision(picked)
print(VGG16().load_state_dict(reduced))

n, c, i, j = torch.meshgrid(*map(torch.arange, (1024, 512, 3, 3)),
                            indexing="ij")
by_hand = picked["classifier.0.weight"][4 * n, 49 * c + 7 * 3 * i + 3 * j]
prove("fc6 is what we pick by hand", reduced["layers.fc6.weight"], by_hand)
prove("and what the two lines give", [
    reduced["layers.fc6.weight"], reduced["layers.fc7.weight"]], [
    decimate_fc6(picked["classifier.0.weight"]),
    decimate_fc7(picked["classifier.3.weight"])])
prove("the 13 convolutions are untouched",
      [reduced[key] for key in reduced if ".conv" in key],
      [picked[key] for key in picked if key.startswith("features")])

# %% id="fc7-proved" slide="skip" tags=["prove"]
# The kept units of fc6, the others silent: the old fc7 and ours agree
units = torch.zeros(1, 4096)
units[:, ::4] = torch.rand(1, 1024)
old = F.linear(units, picked["classifier.3.weight"],
               picked["classifier.3.bias"])
new = F.conv2d(units[:, ::4, None, None], reduced["layers.fc7.weight"],
               reduced["layers.fc7.bias"])
prove("fc7 mixes the kept units", new.flatten(1), old[:, ::4],
      tolerance=1e-3)
del picked, by_hand  # half a gigabyte

# %% [markdown] id="published-file" slide="skip"
# Most PyTorch detectors on VGG-16 start from a file, `vgg16_reducedfc.pth`: the authors' own conversion, saved from one `nn.Sequential`, which numbers ReLUs and pools as well. Nothing is downloaded here: the numbers are ours, only the key layout is theirs; with the real file the same call works.

# %% id="published-layout" slide="skip" tags=["prove"]
places = [name for name, _ in on_meta(VGG16).layers.named_children()]
file = {}
for key, value in reduced.items():
    _, name, kind = key.split(".")  # layers.conv1_1.weight
    file[f"{places.index(name)}.{kind}"] = value
print(*sorted(file, key=lambda key: int(key.split(".")[0]))[-6:])

fresh = create_model("ssd300_vgg16", num_classes=21)
load_reference_weights(fresh.backbone, file, source="amdegroot/ssd.pytorch")
prove("every key found its layer", fresh.backbone.state_dict(), reduced)

# %% id="published-layout-broken" slide="skip"
del file["31.bias"]
file["33.weight"] = torch.zeros(4096, 1024)
try:
    load_reference_weights(fresh.backbone, file, "amdegroot/ssd.pytorch")
except ValueError as error:
    print(error)

# %% id="imagenet-weights" slide="skip" tags=["optional", "nbval-skip"]
# Optional: ImageNet's weights, a download of 528 MB. They were trained on
# pixels of mean 0 and spread 1, so the model must normalise like that.
from torchvision.models import VGG16_Weights

started = create_model(
    "ssd300_vgg16", num_classes=21,
    image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225))
try:
    imagenet = VGG16_Weights.IMAGENET1K_V1.get_state_dict()
    started.backbone.load_state_dict(
        vgg16_reduced_from_torchvision(imagenet))
except OSError as error:
    print("no network: the weights stay random", error)

# %% [markdown] id="star-backbones" slide="skip"
# ## ★ Other backbones
#
# A head for 81 classes is large. SSDLite, the SSD for phones, has a cheaper kind: first a 3 × 3 filter for each channel alone (**depthwise**: `groups=in_channels`), then a 1 × 1 convolution that mixes the channels (**pointwise**). Together they are called **separable**. Below, both kinds for SSDLite's first map, which has 576 channels.

# %% id="separable" slide="skip" tags=["teaches:detlearn.models.layers:SeparableConv"]
class SeparableConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(OrderedDict(
            depthwise=nn.Conv2d(in_channels, in_channels, 3,
                                padding=1, groups=in_channels),
            bn=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU6(),
            pointwise=nn.Conv2d(in_channels, out_channels, 1),
        ))


for kind in (nn.Conv2d(576, 6 * 81, 3, padding=1), SeparableConv(576, 486)):
    size = sum(p.numel() for p in kind.parameters())
    print(f"{size:9,}", type(kind).__name__)

# %% [markdown] id="resnet" slide="skip"
# ### ResNet-50, stride 1 in conv4
#
# One published SSD (uvipen/SSD-pytorch, after NVIDIA's) cuts a ResNet-50 behind its third stage, which torchvision calls `layer3` and the ResNet paper conv4_x. That stage would halve the map to 19 × 19. All its strides become 1, that of the 3 × 3 convolution and that of the shortcut beside it, and level 0 has its 38 × 38 cells again.

# %% id="resnet-class" slide="skip" tags=["teaches:detlearn.models.backbones:ResNet50.__init__", "teaches:detlearn.models.backbones:ResNet50.forward"]
class ResNet50(nn.Module):
    def __init__(self):
        super().__init__()
        resnet = torchvision.models.resnet50(weights=None)
        for layer in resnet.layer3.modules():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
        self.conv1, self.bn1, self.relu = (
            resnet.conv1, resnet.bn1, resnet.relu)
        self.maxpool = resnet.maxpool
        self.layer1, self.layer2, self.layer3 = (
            resnet.layer1, resnet.layer2, resnet.layer3)
        self.out_channels = (self.layer3[-1].conv3.out_channels,)

    def forward(self, images):
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return [maps]


maps, cut = blank, on_meta(ResNet50)
for name, layer in cut.named_children():
    maps = layer(maps)
    print(f"{name:8}", tuple(maps.shape))

# %% id="stride-proved" slide="skip" tags=["prove"]
ours = ResNet50().eval()
whole = torchvision.models.resnet50(weights=None).eval()
whole.load_state_dict(ours.state_dict(), strict=False)  # no layer4, fc
fine = torch.rand(1, 512, 16, 16)
with torch.inference_mode():
    every = ours.layer3[0](fine)
    prove("first block: every second cell is torchvision's",
          every[:, :, ::2, ::2], whole.layer3[0](fine), tolerance=1e-4)
    apart = (ours.layer3(fine)[:, :, ::2, ::2] - whole.layer3(fine)).abs()
assert (apart < 1e-4).float().mean() < 0.5
print("the whole stage: most numbers differ")

# %% [markdown] id="stride-without-dilation" slide="skip"
# Why not the whole stage? Behind the first block the cells lie twice as close, so the 3 × 3 filters of the later blocks look half as far as they were trained to. VGG's fc6 got a dilation for exactly that; here the published code gives none, and training must adapt the weights.
#
# **A trap:** the extra layers have BatchNorm here, and the last map is 1 × 1. With a batch of one picture there is a single number a channel, and no spread to divide by:

# %% id="batch-of-one" slide="skip"
last = ExtraBlock(256, 128, 256, 3, stride=1, padding=0, norm=True)
for batch in (2, 1):
    try:
        print(batch, tuple(last(torch.rand(batch, 256, 3, 3)).shape))
    except ValueError as error:
        print(batch, str(error).partition(",")[0])

# %% [markdown] id="mobilenet" slide="skip"
# So a last batch of one picture stops the training, unless the loader says `drop_last=True`. In eval mode nothing happens.
#
# ### MobileNetV2, tapped inside a block
#
# Its **inverted residual** first *expands* its input (1 × 1), filters each channel alone (3 × 3, here with the stride), then projects back (1 × 1). So the last block with stride 2 owns, half-way, the richest map of stride 16: 96 · 6 = 576 channels. SSDLite taps it there.

# %% id="mobilenet-init" slide="skip" tags=["teaches:detlearn.models.backbones:MobileNetV2.__init__"]
from torchvision.models.mobilenetv2 import InvertedResidual


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torchvision.models.mobilenet_v2(
            weights=None).features
        halving = [
            name for name, block in self.features.named_children()
            if isinstance(block, InvertedResidual) and block.stride == 2]
        self.tap = halving[-1]
        expansion = self.features.get_submodule(self.tap).conv[0]
        self.out_channels = (
            expansion.out_channels, self.features[-1].out_channels)


print("tapped in features", on_meta(MobileNetV2).tap)

# %% id="mobilenet-forward" slide="skip" tags=["teaches:detlearn.models.backbones:MobileNetV2.forward"]
@method_of(MobileNetV2)
def forward(self, images):
    features, maps = [], images
    for name, block in self.features.named_children():
        if name == self.tap:
            expand, *rest = block.conv
            maps = expand(maps)  # (B, 576, H, W)
            features.append(maps)
            for layer in rest:
                maps = layer(maps)
        else:
            maps = block(maps)
    return [*features, maps]


mobile = MobileNetV2().eval()
picture = torch.rand(1, 3, 300, 300)
tapped, final = mobile(picture)
print(tuple(tapped.shape), tuple(final.shape))
prove("cut in two it is still torchvision's", final,
      mobile.features(picture))

# %% [markdown] id="cost" slide="skip"
# ### What a backbone costs

# %% id="cost-figure" slide="skip"
tables = {name: show.shape_table(on_meta(create_model, name))
          for name in ("ssd300_vgg16", "ssd300_resnet50",
                       "ssdlite300_mobilenet_v2")}
for name, table in tables.items():
    print(f"{name:24}{table.priors:6,} priors {table.parameters:11,} "
          f"parameters {table.macs / 1e9:6.2f} GMACs")

for kind in ("conv", "separable"):
    lite = on_meta(create_model, "ssdlite300_mobilenet_v2", head=kind)
    heads = sum(level.head_macs for level in show.shape_table(lite).levels)
    print(f"SSDLite with {kind} heads: {heads / 1e6:.0f} M MACs in them")
show.draw_parts(tables)

# %% [markdown] id="cost-read" slide="skip"
# VGG's SSD needs 44 times the multiplications of SSDLite and has 2.9 times its priors: the small priors of the 38 × 38 map are what it gave up. Separable heads alone save nearly nine tenths of the heads' work.

# %% [markdown] id="star-exercises" slide="skip"
# ## ★ Two more exercises, two more patients, a quiz
#
# 1. `convolve_fc`: a linear layer's weight as filters, thinned out. `side` is that of the map which the layer read (7 for fc6); every `every_unit`-th unit and every `every_weight`-th row and column stay. It works when side 7, every 4th unit, every 3rd weight does what `decimate_fc6` does.
# 2. `receptive_field` of a list of layers (kernel, stride, dilation), in px. It works when `[*to_conv5_3, (3, 1, 1), (3, 1, 6)]` gives 420, as the gradient did.

# %% id="exercise-convolve-fc" slide="skip" tags=["exercise"]
def convolve_fc(weight, side, every_unit, every_weight):
    """Filters of a convolution, thinned out."""
    filters = ...
    return None

nb04.convolve_fc.check(convolve_fc)

# %% id="exercise-receptive-field" slide="skip" tags=["exercise"]
def receptive_field(layers):
    """Side of the receptive field of one cell, px."""
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        ...
    return None

nb04.receptive_field.check(receptive_field)

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# ### Two more patients
#
# **Patient 2.** “In eval mode, without BatchNorm or dropout, the same picture gets different logits alone and in a batch.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
class SickNorm(L2Norm):
    def forward(self, maps):
        return maps / maps.norm() * self.scale[:, None, None]


def alone_and_in_a_batch(norm):
    """Length of one cell's vector, both ways."""
    pair = 300 * torch.ones(2, 512, 38, 38)
    return [norm(maps)[0, :, 5, 7].norm().item()
            for maps in (pair[:1], pair)]


print(*[f"{x:.3f}" for x in alone_and_in_a_batch(SickNorm(512))])

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The norm runs over the *whole tensor*, all cells of all pictures, instead of each cell's own channels (`dim=1`). The output has the right shape, is far too small, and depends on the neighbours in the batch.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
lengths = alone_and_in_a_batch(L2Norm(512))
print(*[f"{length:.3f}" for length in lengths])
assert max(abs(length - 20) for length in lengths) < 1e-3

# %% [markdown] id="star-clinic" slide="skip" tags=["clinic"]
# **Patient 3.** “SSDLite has 33,150 parameters more than its blocks explain, and the last map's heads are not the cheap ones I wrote.”

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
channels = (576, 1280, 512, 256, 256, 64)


def sick_heads(numbers):
    heads = [SeparableConv(c, 6 * numbers) for c in channels]
    return nn.ModuleList([*heads, nn.Conv2d(64, 6 * numbers, 1)])


heads = [sick_heads(4), sick_heads(81)]
level_maps = [torch.rand(2, c, 2, 2) for c in channels]
total = sum(layer(maps).sum() for part in heads
            for maps, layer in zip(level_maps, part))
total.backward()
print("never learned:", sum(
    p.numel() for part in heads for p in part.parameters()
    if p.grad is None))

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# The code builds a separable head for *all six* maps and then appends the plain 1 × 1 one that was meant for the last. Seven heads, six maps; `zip` stops at the shorter list and says nothing. `zip(..., strict=True)` would have.
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic", "prove"]
head = MultiBoxHead(channels, [6] * 6, 81, kind="separable")
for part in (head.deltas, head.logits):
    for maps, layer in zip(level_maps, part, strict=True):
        layer(maps).sum().backward()
unused = [name for name, p in head.named_parameters() if p.grad is None]
prove("patient 3 is cured: heads without a gradient", len(unused), 0)

# %% [markdown] id="quiz" slide="skip"
# ### Quiz: true or false?
#
# 1. Dilation 6 makes fc7's map larger.
# 2. The coarsest map finds large objects because its filters are larger.
# 3. If a head's rows are in the wrong order, the loss becomes NaN.
# 4. With ResNet-50 as backbone the priors must be laid out anew.
# 5. Level 0 has most priors, so its heads have most parameters.
# 6. SSDLite is fast because it has fewer priors.
#
# <details><summary>Answers</summary>
#
# 1. False. The padding grows with it, 19 stays 19. Only the view widens: 420 px instead of 260.
# 2. False. All filters are 3 × 3; its *cell* stands for the whole picture.
# 3. False. Everything runs, nothing complains, and the detector is useless. That is why §3 compares numbers, not shapes.
# 4. False. Stride 1 in conv4 was chosen so that the sides are 38, 19, 10, 5, 3, 1 again.
# 5. False. A filter is shared by all cells. Parameters follow channels × priors a cell: level 1, with 1,024 × 6, has most.
# 6. False. SSD has 2.9 times its priors, but 44 times its multiplications. Backbone and heads of SSDLite are separable.
#
# </details>

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# *uvipen* is uvipen/SSD-pytorch, whose README says that all but the backbone follows the paper "strictly".
#
# | what | paper | published code | here | see |
# |--|--|--|--|--|
# | backbone, L2Norm, extras | VGG-16, 20, no BatchNorm | uvipen: ResNet-50, none, BatchNorm | all of them, in the config | a |
# | fc6, fc7 | "subsampled" | tutorials: every 4th, 3rd; torchvision: random | every 4th, 3rd | ★ weights |
# | pool5, dilation | 3 × 3 stride 1, 6 | RefineDet: 2 × 2 stride 2, 3 | arguments | b |
# | channels of a head | – | uvipen: number, prior | prior, number | c |
# | biases of new layers | – | uvipen: left random | 0 | d |
# | SSDLite's first map | – | uvipen: detached, in a global | gradients flow | e |
# | SSDLite's heads | – | uvipen: see patient 3, after you have diagnosed it | one a map | patient 3 |
# | `backbone=ResNet()` | – | uvipen: one backbone for all models | built by name | f |
# | imports | – | `models.mobilenet`, `pretrained=True`: gone or deprecated | current names | f |
# | "input 300 or 512" | both | uvipen: 300 only | 300 or 512, each as its own model; 512 px into the 300 model is refused | g; 05 |
# | pixels | – | 0–255 minus a mean; one port feeds BGR, another RGB, to the same file | range and order belong to the weights | h |

# %% id="ledger-strictly" slide="skip" tags=["ledger"]
# a  "the other parts follow the paper strictly": our ssd300_vgg16, and
# uvipen's. Priors are left out: they are long, and chapter 02 has them.
# antialias: smooth when resizing; normalizer: the loss is divided by the
# matches of the batch or of each image; match_inclusive: does an IoU
# equal to the threshold match?
from dataclasses import fields
from detlearn.models import SSD300_RESNET50, SSD300_VGG16

for field in fields(SSD300_VGG16):
    vgg, port = (getattr(config, field.name)
                   for config in (SSD300_VGG16, SSD300_RESNET50))
    if vgg != port and not isinstance(vgg, tuple):
        if field.name not in ("name", "priors"):
            print(f"{field.name:16}ours: {vgg!s:8} uvipen: {port}")

# %% id="ledger-same-shapes" slide="skip" tags=["ledger"]
# b  the same names and shapes, another network
refine = on_meta(VGG16, pool5=(2, 2, 0), fc6_dilation=3)
shapes = [{key: tuple(t.shape) for key, t in net.state_dict().items()}
          for net in (refine, on_meta(VGG16))]
print("keys:", len(shapes[0]), "| names or shapes that differ:",
      len(set(shapes[0].items()) ^ set(shapes[1].items())))
print("fc7:", *[tuple(net(blank)[1].shape)
                for net in (refine, on_meta(VGG16))])

# %% id="ledger-head-order" slide="skip" tags=["ledger", "prove"]
# c  uvipen: channel k·A + a, and priors level, prior, row, column
from detlearn.models.weights import prior_first

conv = nn.Conv2d(16, 4 * 6, 3, padding=1)
level = torch.rand(2, 16, 10, 10)
upstream = conv(level).view(2, 4, -1)  # no permute, and no mistake
with torch.no_grad():
    conv.weight.copy_(prior_first(conv.weight, 4))
    conv.bias.copy_(prior_first(conv.bias, 4))
rows = flatten_level(conv(level), 4)  # (B, H*W*A, 4)
upstream = upstream.view(2, 4, 6, 100).permute(0, 3, 2, 1)
prove("the same numbers for the same priors", rows,
      upstream.reshape(2, 600, 4), tolerance=1e-5)

# %% id="ledger-biases-and-detach" slide="skip" tags=["ledger"]
# d  "if it has more than one dimension": weights, never biases
port = nn.Conv2d(16, 24, 3)
for parameter in port.parameters():
    if parameter.dim() > 1:
        nn.init.xavier_uniform_(parameter)
print("port: biases that are zero:", int((port.bias == 0).sum()), "of 24")
init_xavier(port)
print("ours: biases that are zero:", int((port.bias == 0).sum()), "of 24")

# e  does the head of the first map teach the backbone?
stem = mobile.features[0][0].weight
for name, first in (("ours", tapped), ("port", tapped.detach())):
    end = "goes back" if first.requires_grad else "ends at the tap"
    print(f"{name}: the gradient {end}")
tapped.sum().backward()
assert stem.grad.abs().sum() > 0

# %% id="ledger-default" slide="skip" tags=["ledger"]
# f  a default argument is made once, when the class is read
import warnings


class Port(nn.Module):
    def __init__(self, backbone=nn.Conv2d(3, 8, 3)):  # noqa: B008
        super().__init__()
        self.backbone = backbone


print("backbones of two models:", len({Port().backbone, Port().backbone}))
try:
    from torchvision.models.mobilenet import InvertedResidual as Moved
except ImportError as error:
    print(type(error).__name__, "since torchvision 0.9: mobilenetv2")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    on_meta(torchvision.models.resnet50, pretrained=False)
print("pretrained=:", caught[0].category.__name__)

# %% id="ledger-sizes-and-order" slide="skip" tags=["ledger", "prove"]
# g  512 px into a network for 300: the maps fit no prior
resnet_ssd = on_meta(create_model, "ssd300_resnet50")
try:
    resnet_ssd.features(torch.empty(1, 3, 512, 512, device="meta"))
except ValueError as error:
    print(error)

# h  BGR pictures want conv1_1 flipped, and nothing else
conv1_1 = nn.Conv2d(3, 64, 3, padding=1)
rgb = torch.rand(1, 3, 20, 20)
prove("flip the pictures or flip the weights",
      F.conv2d(rgb.flip(1), conv1_1.weight),
      F.conv2d(rgb, conv1_1.weight.flip(1)), tolerance=1e-5)
