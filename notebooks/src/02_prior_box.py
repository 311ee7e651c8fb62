# %% [markdown] id="title" slide="slide"
# # 02 · PriorBox
#
# **One question: where do the 8,732 boxes of SSD come from, and do they suit your objects?**
#
# You train a published detector on your own pictures: ships, say, four times as long as wide. It learns, and still it misses every second ship. The cause may be one short table of numbers, which the code took from a paper about other objects. Here you learn to read, to build and to replace it.
#
# Afterwards you will be able to
#
# - derive `min_sizes`, `max_sizes` and `steps` of SSD, RefineDet and M2Det, and name the few numbers that nobody can derive;
# - build every prior of a network without a loop, in the order in which the network predicts them;
# - measure whether they cover *your* objects, and make a layout that does.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebook 00, and some PyTorch (indexing, broadcasting).

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: F401, I001

# %% id="imports" slide="skip"
import math
import timeit
from dataclasses import fields, replace
from itertools import pairwise, product

import torch
from torchvision.models.detection import (
    anchor_utils,
    image_list,
    ssd300_vgg16,
)

from detlearn import boxes, create_model, show
from detlearn.boxes import PRIOR_LAYOUTS, PriorConfig, coverage
from detlearn.data import Shapes, coverage_by_shape, text_histogram
from detlearn.teach.exercises import nb02
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove

print(len(PRIOR_LAYOUTS), "layouts:", *PRIOR_LAYOUTS)

# %% [markdown] id="whole" slide="slide"
# Here is the whole chapter in one picture. A detector with four feature maps puts a grid over the image for each map. Every cell owns a few boxes, drawn here for one cell of each map and enlarged for the finest. A fine grid owns small boxes, and a coarse grid owns large ones:
#
# <!-- speaker: Ask which map should look for a ship that fills the picture, and which for a buoy. -->

# %% id="picture-of-the-whole" slide="-"
show.draw_levels(boxes.SSD_TINY_PRIORS)

# %% [markdown] id="one-cell" slide="slide" tags=["beside:picture-of-the-whole"]
# ## 1 · One cell
#
# Chapter 00 said why a single-shot detector **writes down a long list of boxes before it has seen any picture**. For each box the network then says *what is in it* (mostly nothing), and *how to move it* so that it fits.
#
# Such a box is a **prior**. SSD calls it a *default box*, RefineDet and M2Det call it an *anchor*: one thing, three words. A prior is four numbers `(cx, cy, w, h)`, its centre and its size, as fractions of the image.
#
# Let us make the smallest grid by hand. The image has 8 px, the feature map has 2 × 2 cells. Each cell stands for 4 px; this distance is the **step**. Cell 0 spans the pixels 0 to 4. Its corner is at 0, and its *centre* is at (0 + 0.5) · 4 = 2. **The half turns the corner into the centre.**

# %% [markdown] id="notes-one-cell" slide="notes"
# > *For the speaker.* Draw a 2 × 2 grid on the board and let the audience say the four centres. Somebody will say (0, 0), (4, 0) …: those are corners. Keep the grid on the board for the clinic.

# %% id="centres-by-hand" slide="subslide"
image_size, map_size, step = 8, 2, 4
along = (torch.arange(map_size) + 0.5) * step
print(along)

y, x = torch.meshgrid(along, along, indexing="ij")  # rows are counted in y
centers = torch.stack([x, y], dim=-1).reshape(-1, 2)  # (H*W, 2)
centers

# %% [markdown] id="sizes-of-one-cell" slide="subslide"
# Read the tensor row by row: the second centre is the *right* neighbour of the first. A cell is named (row, column), a point (x, y): **the order is reversed**, so cell (0, 1) has its centre at (6, 2).
#
# Now the sizes. A real network predicts from several maps, fine to coarse; one of them with its boxes is a **level**. All cells of a level own the same few boxes, made from three numbers:
#
# - `min_size` *s*: a square of side *s*;
# - `max_size` *s′*: **not** a box, and no limit on objects. It is the next level's `min_size`, and makes a second square of side √(*s s′*), between the two;
# - `aspect_ratios` *r*: each adds a wide box *s*√*r* × *s*/√*r* and a tall one. Both keep the area *s*².

# %% id="sizes-by-hand" slide="-"
small, next_small, ratio = 2, 8, 4
between, root = math.sqrt(small * next_small), math.sqrt(ratio)
sizes = torch.tensor([
    (small, small), (between, between),
    (small * root, small / root), (small / root, small * root),
])
sizes

# %% id="every-centre-with-every-size" slide="subslide" tags=["output-only"]
# 4 cells x 4 sizes: the prior changes fastest, then column, then row
cells, each = len(centers), len(sizes)
pairs = torch.cat([centers[:, None].expand(cells, each, 2),
                   sizes[None].expand(cells, each, 2)], dim=-1)
print(pairs.reshape(cells * each, 4)[4:8])

toy = PriorConfig(
    image_size=8, map_sizes=(2,), steps=(4,), min_sizes=(2,),
    max_sizes=(8,), aspect_ratios=((4,),))
show.draw_priors(toy, level=0, cell=(0, 1))

# %% [markdown] id="where-the-numbers-come-from" slide="slide"
# ## 2 · Where the numbers come from
#
# These are the numbers of SSD300 as published code writes them down, without an explanation. They are for *VOC*, a public data set of photographs; *COCO* is another, larger one.
#
# | level | 0 | 1 | 2 | 3 | 4 | 5 |
# |--|--|--|--|--|--|--|
# | `map_sizes` | 38 | 19 | 10 | 5 | 3 | 1 |
# | `steps` | 8 | 16 | 32 | 64 | 100 | 300 |
# | `min_sizes` | 30 | 60 | 111 | 162 | 213 | 264 |
# | `max_sizes` | 60 | 111 | 162 | 213 | 264 | 315 |
#
# Why 111? Why is 315 larger than the image? Why does 100 follow 64?
#
# **Sizes.** The paper (Liu et al. 2016, §2.2, Eq. 4) spreads the scales evenly from 0.2 to 0.9 of the image, $s_k = s_{min} + \frac{s_{max} - s_{min}}{m - 1}(k - 1)$. Here *m* is the number of levels and *k* counts them from 1. The finest level gets 0.1, apart from the others, so *m* is 5 here:

# %% [markdown] id="notes-numbers" slide="notes"
# > *For the speaker.* Let the room compute Eq. 4 on paper before running the cell. They will get 112.5, not 111: the gap is the point.

# %% id="the-papers-formula" slide="fragment"
paper = [0.2 + (0.9 - 0.2) / (5 - 1) * (k - 1) for k in range(1, 6)]
print("paper:    ", [round(300 * scale, 1) for scale in paper])
print("published:", list(boxes.SSD300_VOC_PRIORS.min_sizes[1:]))

# %% [markdown] id="the-step-is-rounded-down" slide="subslide"
# Close, not equal. The answer is in no paper, but in the script that wrote the authors' network: it counts in **whole per cent and rounds the step down**. (90 − 20) / 4 = 17.5 becomes 17, so the scales are 20, 37, 54, 71, 88 %. One step further, 105 %, is the last `max_size`: the 315.
#
# As a function; in the cell after it, three other numbers give six more published tables:

# %% id="ssd-sizes" slide="-" tags=["teaches:detlearn.boxes.priors:ssd_sizes"]
def ssd_sizes(image_size, num_levels, *, first, low, high):
    """min_sizes, max_sizes in px from scales in whole per cent."""
    step = math.floor((high - low) / (num_levels - 2))
    scales = [first, *(low + step * k for k in range(num_levels))]
    sizes = tuple(image_size * scale / 100 for scale in scales)
    return sizes[:-1], sizes[1:]


for numbers in ssd_sizes(300, 6, first=10, low=20, high=90):
    print(numbers)

# %% id="one-rule-seven-tables" slide="skip"
rules = {  # first, low, high in per cent of the image
    "ssd300_voc": (10, 20, 90), "ssd300_coco": (7, 15, 90),
    "ssdlite300_uvipen": (20, 35, 95), "m2det320": (8, 15, 90),
    "m2det512": (6, 15, 90), "m2det800": (4, 15, 90),
    "ssd512_voc": (4, 10, 90),
}
for name, (first, low, high) in rules.items():
    table = PRIOR_LAYOUTS[name]
    rule, _ = ssd_sizes(table.image_size, table.num_levels,
                        first=first, low=low, high=high)
    exact = tuple(round(side, 2) for side in rule)
    whole = tuple(math.floor(side) for side in exact)
    unit = "" if exact == table.min_sizes else " in whole px"
    assert table.min_sizes in (exact, whole)
    print(f"{name:18}{first:3} %, {low}–{high} %: equal{unit}")

for name in ("refinedet320", "refinedet512"):
    table = PRIOR_LAYOUTS[name]
    assert table.min_sizes == tuple(4 * step for step in table.steps)
    print(f"{name:18}4 × step: equal")

# %% [markdown] id="reading-the-rules" slide="skip"
# In the paper (§3.1, §3.4) the finest scale is 0.1 for VOC at 300 px, 0.07 for VOC at 512 and COCO at 300, and 0.04 for COCO at 512.
#
# Beware of one table. The “SSD512 for VOC” of the PyTorch ports starts at 4 %, and so it is the paper's rule for *COCO*. The paper's sizes for VOC at 512 px follow from 7 % and 15 to 90 %; the function gives them at once:

# %% id="ssd512-of-the-paper" slide="skip"
sizes, _ = ssd_sizes(512, 7, first=7, low=15, high=90)
print("paper, VOC:", [round(side, 1) for side in sizes])
print("ports:     ", list(boxes.SSD512_VOC_PRIORS.min_sizes))

# %% [markdown] id="why-root" slide="subslide" tags=["lead", "beside:every-centre-with-every-size"]
# **Why √(s s′)?** A prior learns from an object if their **IoU** (the area they share, divided by the area they cover together) is at least 0.5. For two squares with a common centre, the IoU is the *ratio* of their areas. So √(30 · 60) = 42.4 cuts the gap from 30 to 60 into two equal factors of 1.41. The mean, 45, would leave one gap wider than the other.
#
# **How small may a prior be?** Take a square object exactly as large as the prior. In the worst place it lies half a step off, sideways and downwards:

# %% id="the-worst-place" slide="skip"
def worst_iou(side, step):
    """IoU of two equal squares, half a step apart in x and in y."""
    shared = (side - step / 2) ** 2
    return shared / (2 * side**2 - shared)


for steps in (2, 3, 4):
    print(f"side of {steps} steps: {worst_iou(steps, 1):.2f}")
print(f"COCO, 21 px on a step of 8: {worst_iou(21, 8):.2f}")

# %% [markdown] id="where-steps-come-from" slide="skip"
# A side of two steps is not enough, three steps keep 0.53. RefineDet takes four, which leaves room for objects of another size; that is a choice. COCO's 21 px on a step of 8 fall just below one half: small priors have this price.
#
# **Steps.** Most steps are the **stride** of the map: how many input pixels lie between two neighbouring cells. Compare them with `image_size / map_size`:

# %% id="steps-and-strides" slide="skip"
for name in ("ssd300_voc", "m2det704", "m2det800"):
    table = PRIOR_LAYOUTS[name]
    even = [table.image_size / side for side in table.map_sizes]
    print(name)
    print("  image / map", *[f"{distance:7.2f}" for distance in even])
    print("  steps      ", *[f"{step:7}" for step in table.steps])

# %% [markdown] id="what-cannot-be-derived" slide="skip"
# While each map halves the one before, strides double: 8, 16, 32, 64. They do so even where 300 / 10 is 30. SSD's last maps (5 → 3 → 1) come from 3 × 3 convolutions of stride 1 without padding, which lose the outer cells instead of halving the map. So the stride of the 3 × 3 map stays 64: its cells are the inner three of the 5 × 5 map, whose priors stand at 96, 160 and 224 of 300 px. The published step is 100, image / map, which puts priors at 50, 150 and 250. **This is a convention**, not a stride ([caffe #352](https://github.com/weiliu89/caffe/issues/352)). Do not tune steps to your data.
#
# **What nobody can derive:**
#
# - the finest scales, the range of 20 to 90 %, RefineDet's four steps, M2Det704's sizes, and which levels get ratio 3;
# - M2Det800's 115 and M2Det704's 117: one is rounded up from 114.29, the other down from 117.33.
#
# The paper itself calls the best tiling an open question (§2.2).

# %% [markdown] id="all-priors-at-once" slide="slide" tags=["beside:picture-of-the-whole"]
# ## 3 · All priors at once
#
# All numbers of one network together are its *layout*, kept in a frozen dataclass. First we build the boxes as articles do, with a loop over every cell.
#
# <!-- speaker: Show the loops first: everybody can read them, and they are what the fast version must agree with. -->

# %% id="a-layout" slide="-"
ssd300 = boxes.SSD300_VOC_PRIORS
for field in fields(ssd300):
    print(f"{field.name:14}", getattr(ssd300, field.name))

# %% id="priors-by-loops" slide="subslide"
def priors_by_loops(config):
    """Every prior of a layout: (P, 4) cxcywh, fractions."""
    found = []
    for level, side in enumerate(config.map_sizes):
        step, small = config.steps[level], config.min_sizes[level]
        for row, column in product(range(side), repeat=2):
            cx, cy = (column + 0.5) * step, (row + 0.5) * step
            found.append((cx, cy, small, small))
            if config.max_sizes:
                between = math.sqrt(small * config.max_sizes[level])
                found.append((cx, cy, between, between))
            for ratio in config.aspect_ratios[level]:
                wide, tall = small * ratio**0.5, small / ratio**0.5
                found += [(cx, cy, wide, tall), (cx, cy, tall, wide)]
    return (torch.tensor(found) / config.image_size).clamp(0, 1)


priors_by_loops(ssd300).shape

# %% [markdown] id="without-loops" slide="subslide"
# 8,732. Now without a loop over cells: sizes of a level, centres of a level, every centre with every size, all levels. The class grows method by method (`@method_of` adds one; in the package it stands in one piece). It computes in float64, so that rounding happens once, at the end. In the comments, A is the priors of a cell, H·W the cells of a map, P all priors.

# %% id="prior-box-sizes" slide="-" tags=["teaches:detlearn.boxes.priors:PriorBox.__init__", "teaches:detlearn.boxes.priors:PriorBox.sizes"]
class PriorBox:
    def __init__(self, config):
        self.config = config

    def sizes(self, level):
        config = self.config
        side = config.min_sizes[level]
        sizes = [(side, side)]
        if config.max_sizes:
            between = math.sqrt(side * config.max_sizes[level])
            sizes.append((between, between))
        for ratio in config.aspect_ratios[level]:
            root = math.sqrt(ratio)
            sizes += [(side * root, side / root),
                      (side / root, side * root)]
        return (torch.tensor(sizes, dtype=torch.float64)
                / config.image_size)  # (A, 2)


(PriorBox(ssd300).sizes(0) * 300).round(decimals=1)

# %% id="prior-box-centers" slide="skip" tags=["teaches:detlearn.boxes.priors:PriorBox.centers"]
@method_of(PriorBox)
def centers(self, level):
    side, step = self.config.map_sizes[level], self.config.steps[level]
    along = ((torch.arange(side, dtype=torch.float64) + 0.5) * step
             / self.config.image_size)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


PriorBox(ssd300).centers(4)[:4] * 300

# %% id="prior-box-level" slide="skip" tags=["teaches:detlearn.boxes.priors:PriorBox.level"]
@method_of(PriorBox)
def level(self, level):
    centers, sizes = self.centers(level), self.sizes(level)
    cells, a = len(centers), len(sizes)
    grid = torch.cat(
        [centers[:, None].expand(cells, a, 2),
         sizes[None].expand(cells, a, 2)], dim=-1,
    )  # (H*W, A, 4)
    priors = grid.reshape(cells * a, 4)
    if self.config.clamp == "all":
        return priors.clamp(0, 1)
    if self.config.clamp == "sizes":
        return torch.cat(
            [priors[:, :2], priors[:, 2:].clamp(0, 1)], dim=-1)
    return priors


[tuple(PriorBox(ssd300).level(k).shape) for k in range(6)]

# %% id="prior-box-call" slide="skip" tags=["teaches:detlearn.boxes.priors:PriorBox.__call__", "prove"]
@method_of(PriorBox)
def __call__(self):
    levels = [self.level(k) for k in range(self.config.num_levels)]
    return torch.cat(levels).to(torch.float32)  # (P, 4)


prove("without loops = with loops",
      PriorBox(ssd300)(), priors_by_loops(ssd300), tolerance=1e-6)
prove("ours = the package's, all layouts",
      [PriorBox(table)() for table in PRIOR_LAYOUTS.values()],
      [boxes.make_priors(table) for table in PRIOR_LAYOUTS.values()])

# %% [markdown] id="three-roads" slide="slide"
# ### 8,732 by three roads
#
# By hand; by the layout's own property; by asking a network. Others wrote torchvision's SSD300, so the number of its predictions is not our choice. On the device `meta` a network has shapes but no numbers: it costs nothing.

# %% [markdown] id="notes-three-roads" slide="notes"
# > *For the speaker.* The third road convinces: nobody in the room wrote that network. Ask what 600 px of input would do to 8,732.

# %% id="counting" slide="-" tags=["prove"]
by_hand = 38**2 * 4 + 19**2 * 6 + 10**2 * 6 + 5**2 * 6 + 3**2 * 4 + 4

with torch.device("meta"):
    network = ssd300_vgg16(weights=None, weights_backbone=None)
    maps = list(network.backbone(torch.zeros(1, 3, 300, 300)).values())
predicted = network.head(maps)["bbox_regression"]

print("levels of the layout:", ssd300.priors_per_level)
print("maps of the network: ", [tuple(m.shape[-2:]) for m in maps])
print("predicted boxes:     ", tuple(predicted.shape))
prove("three roads, one number", [by_hand, ssd300.num_priors],
      [predicted.shape[1]] * 2)

# %% [markdown] id="order" slide="subslide" tags=["beside:every-centre-with-every-size"]
# ### The order is part of the definition
#
# Row *i* of what the network predicts belongs to prior *i*. Here, as in torchvision, RefineDet and M2Det, the order is **level, row, column, prior**, all counted from 0. Prior 152 of the list lies one map row further down, since 38 cells × 4 priors = 152:

# %% id="locate" slide="-" tags=["output-only"]
for index in (3, 4, 152, 5775, 8731):
    print(index, boxes.PriorBox(ssd300).locate(index))

# %% [markdown] id="border" slide="subslide"
# ### Do priors end at the border?
#
# **Predict first.** The list is clamped to [0, 1]. How many of the 8,732 boxes still reach beyond the image after that? And before it, can a *centre* lie outside?

# %% id="clamp-three-ways" slide="-"
for rule in ("none", "sizes", "all"):
    found = PriorBox(replace(ssd300, clamp=rule))()
    corners = boxes.cxcywh_to_xyxy(found)
    beyond = ((corners < -1e-6) | (corners > 1 + 1e-6)).any(dim=1)
    outside = (found[:, :2] > 1 + 1e-6).any(dim=1)
    print(f"{rule:5}  beyond the border: {int(beyond.sum())}"
          f"  centres outside: {int(outside.sum())}")

# %% [markdown] id="predict-then-move" slide="subslide"
# 2,865 boxes still reach beyond the image, only four fewer than before, and 114 centres lay outside. The clamp acts on `(cx, cy, w, h)` and not on corners: a 30-px box around 4 px still begins at −11. The centres lie outside because a grid is larger than the image: the 10 × 10 map has steps of 32 px. Its last row and column are 19 cells with 6 priors each (task 1).
#
# ### Predict, then move
#
# The cell below the explorer checks what you read off. (Leave *IoU with an object* for chapter 03.)
#
# 1. `ssd300_voc`, level 2, last row and column: where is the centre? Untick the clamp. What moves?
# 2. Level 5: how many of the four boxes does the clamp change, and which?
# 3. Find the cell that owns prior 5,776 of the whole list (*index*, the table's last column).

# %% id="explorer" slide="subslide" tags=["explorer"]
shown = ("ssd300_voc", "ssd300_coco", "ssdlite300_uvipen",
         "refinedet320", "m2det512", "ssd_tiny")
show.PriorBoxExplorer({name: PRIOR_LAYOUTS[name] for name in shown})

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# task 1: centre (x, y) in px before clamping; task 2: how many boxes;
# task 3: (level, row, column). Made up: ((280, 280), 1, (2, 5, 5))
moves = ...

nb02.moves.check(moves)

# %% [markdown] id="do-they-suit" slide="slide" tags=["lead"]
# ## 4 · Do they suit your objects?
#
# A layout is a guess about objects. So **measure**: for every object of a data set, take the IoU of its best prior. The **coverage** of a layout is the share of objects whose best IoU is at least 0.5. An object below it gets one poor prior by force (chapter 03).
#
# We take *Shapes* first: scenes of 128 px with objects whose longer side is 8 to 96 px. Which of three layouts covers them: `ssd_tiny`, the same with every level one size larger, or SSD's rule of 10 % and 20 to 90 %?

# %% id="objects-and-bars" slide="skip"
scenes = Shapes(length=400, size=128)
objects = torch.cat([target["boxes"] for _, target in scenes]) / 128
sizes_px = 128 * (objects[:, 2:] - objects[:, :2])  # (G, 2)
tiny = boxes.SSD_TINY_PRIORS
print("objects, width and height:", tuple(sizes_px.shape))

# %% id="recall-by-size" slide="fragment" tags=["output-only"]
edges = [5, 8, 11, 16, 23, 32, 45, 64, 96]
sides = sizes_px.prod(dim=1).sqrt()  # (G,)
bins = [(sides >= a) & (sides < b) for a, b in pairwise(edges)]

def covered(config):
    """Of all objects, then of the objects of each size."""
    found = coverage(objects, boxes.make_priors(config)) >= 0.5
    return [found[chosen].float().mean().item()
            for chosen in [slice(None), *bins]]

low, high = ssd_sizes(128, 4, first=10, low=20, high=90)
layouts = {
    "ssd_tiny": tiny,
    "one size larger": replace(tiny, min_sizes=(20, 40, 72, 112),
                               max_sizes=(40, 72, 112, 128)),
    "10, 20–90 %": replace(tiny, min_sizes=low, max_sizes=high),
}
curves = {name: covered(config)[1:] for name, config in layouts.items()}
show.draw_coverage(edges, curves, alt="Coverage of Shapes objects by size: "
    "ssd_tiny, one size larger, and the rule of 10, 20 to 90 %.")

# %% [markdown] id="tune" slide="subslide" tags=["beside:recall-by-size"]
# `ssd_tiny` is near 100 % from 8 px on, SSD's rule from 11 px, and one size larger from 16 px. SSD's rule loses every object under 8 px: 10 % of 128 px is 12.8, and such a square covers squares only down to 12.8 / √2 = 9 px.
#
# **Predict.** The smallest objects have a side √(w h) of 6 px. Which finest size covers the most of *all* objects, 5, 9 or 14 px?

# %% id="tune-sizes" slide="subslide"
finest = {s: covered(replace(tiny, min_sizes=(s, 20, 40, 72)))
          for s in (5, 9, 14)}
for s, shares in finest.items():
    print(f"finest {s:2} px: {100 * shares[0]:.0f} % of all objects")

curves = {f"finest {s} px": finest[s][1:] for s in finest}
show.draw_coverage(edges, curves, alt="Coverage of Shapes objects by size, "
    "with a finest prior of 5, 9 and 14 px.")

# %% [markdown] id="your-own-data" slide="slide" tags=["lead", "beside:tune-sizes"]
# Smaller is not better. With a finest size of 5 px the finest squares are 5 and √(5 · 20) = 10 px, and the next is 20 px. An object of 14 px then has an IoU of about one half at best, so a hole opens from 11 to 16 px.
#
# ## 5 · Priors for your own boxes
#
# Now the ships. Your boxes come from a COCO, VOC or CSV folder: `open_dataset(folder, "train")` reads any of them, and `input_boxes` gives its boxes as fractions of the network's input. Do not measure in the photograph. A square input squeezes a 640 × 480 photograph, so a square object becomes 3 : 4. Here we make 1,500 boxes up. They are 4 : 1, lying or standing:
#
# <!-- speaker: Ask for the hole before you read the numbers: between which sizes is there no square? -->

# %% id="ships" slide="skip"
generator = torch.Generator().manual_seed(0)
random = torch.rand(1500, 4, generator=generator)  # (G, 4)
area_side = 18 * (60 / 18) ** random[:, 0]  # (G,) px of 128
ratio = torch.where(random[:, 1] < 0.5, 4.0, 0.25)
wh = torch.stack([area_side * ratio.sqrt(), area_side / ratio.sqrt()], 1)
wh = wh.clamp(max=126) / 128  # (G, 2)
corner = random[:, 2:] * (1 - wh)
ships = torch.cat([corner, corner + wh], dim=1)  # (G, 4)

train, held_out = ships[:1000], ships[1000:]
print("width, px of the input")
print(text_histogram(128 * wh[:, 0], (0, 16, 32, 64, 128)))
print("width : height")
print(text_histogram(wh[:, 0] / wh[:, 1], (0, 0.5, 1, 2, 5)))

# %% [markdown] id="measure-ships" slide="skip"
# **Predict.** What share of the ships does `ssd_tiny` cover? Its ratios are 1 and 2, and a centred 4 : 1 box of equal area has an IoU of 0.33 with a square and 0.55 with a 2 : 1 box.

# %% id="coverage-of-ships" slide="skip"
for row in coverage_by_shape(held_out, tiny):
    print(f"{row.name:22} {row.objects:4} objects,"
          f" {100 * row.covered:3.0f} % covered")

# %% [markdown] id="propose" slide="skip"
# Fewer than half are covered. A layout that suits follows from the boxes themselves, in four steps:
#
# 1. **Sizes.** Take the smallest and the largest common size, √(*w h*), and go from one to the other with a constant *factor*. IoU depends on ratios of sizes, so equal factors are fair to small and large objects.
# 2. **Ratios.** Group the long boxes by the logarithm of their ratio and take the mean of each group (*k-means* in one dimension). Take another group only if coverage asks for it.
# 3. **Measure and move.** Move each size a little, and keep what covers more objects.
# 4. **Thin out.** Remove a ratio from a level if nothing is lost. Each costs two priors in every cell.
#
# Maps and steps belong to the network, and stay.

# %% id="mine" slide="skip"
mine = boxes.propose_layout(train, tiny)
print("min_sizes:    ", mine.min_sizes)
print("aspect_ratios:", mine.aspect_ratios)
for name, config in (("ssd_tiny", tiny), ("mine", mine)):
    found = coverage(held_out, boxes.make_priors(config)) >= 0.5
    print(f"{name:9}{config.num_priors:6} priors,"
          f" {100 * found.float().mean():3.0f} % of held-out ships")
    last = found.float().mean()
assert last >= 0.95

# %% [markdown] id="a-model-with-mine" slide="skip"
# Step 3 has moved the sizes away from one constant factor, and step 4 has taken all ratios from the coarsest level. The list is longer: each cell of the finest map owns four boxes instead of two. The held-out ships had no part in the proposal, so their coverage is honest. The last step is a network that predicts for these priors. Its heads have K + 4 channels for each prior of a cell:

# %% id="model-with-mine" slide="skip"
model = create_model("ssd_tiny", num_classes=2, priors=mine)
predictions = model(torch.zeros(1, 3, 128, 128))
print("deltas:", tuple(predictions.deltas.shape))
assert predictions.deltas.shape[1] == mine.num_priors

# %% [markdown] id="shell" slide="skip"
# In a shell, two commands do all of this:
#
# ```
# python -m detlearn priors FOLDER --model ssd_tiny --out mine.json
# python -m detlearn train ssd_tiny --data FOLDER --priors mine.json --out runs/mine
# ```
#
# The explorer above takes your boxes too: *your boxes* reads a COCO JSON or a CSV file and shows its coverage instead of the samples'. The file is read by your browser and never leaves it.
#
# Coverage says what *may* be learned, not what will be. An object too small for every map needs a finer map or a larger input.

# %% [markdown] id="exercises" slide="slide" tags=["beside:picture-of-the-whole"]
# ## 6 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb02.prior_count.hint()` helps, a little more at each call.
#
# 1. `prior_count`: the number of priors of a layout with two squares per cell and two boxes per ratio. It works when SSD300 gives 8,732.
# 2. `find_prior`: level, row, column and prior of entry `index` of the list. It works when it agrees with `locate`.
# 3. `share_covered`: coverage as a function: the share of boxes (corners) with a prior (cxcywh) of IoU ≥ `threshold`.

# %% id="exercise-prior-count" slide="skip" tags=["exercise"]
def prior_count(map_sizes, aspect_ratios):
    """Number of priors of all levels together."""
    total = 0
    for side, ratios in zip(map_sizes, aspect_ratios):
        ...
    return None

nb02.prior_count.check(prior_count)

# %% id="exercise-find-prior" slide="skip" tags=["exercise"]
def find_prior(index, map_sizes, priors_per_cell):
    """(level, row, column, prior) of entry index of the list."""
    levels = zip(map_sizes, priors_per_cell)
    for level, (side, number) in enumerate(levels):
        ...
    return None

nb02.find_prior.check(find_prior)

# %% id="exercise-share-covered" slide="skip" tags=["exercise"]
from detlearn.boxes import box_iou, cxcywh_to_xyxy

def share_covered(boxes, priors, threshold):
    """Share of the boxes that have a prior with IoU >= threshold."""
    ...

nb02.share_covered.check(share_covered)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Two patients, both met in the wild. Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “My boxes are exactly those of the paper. Their number and their sum are right. But with published weights it finds everything mirrored at the diagonal.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_centers(map_size, step):
    along = (torch.arange(map_size) + 0.5) * step
    x, y = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


right, sick = PriorBox(ssd300).centers(3) * 300, sick_centers(5, 64)
print("sums:", right.sum().item(), sick.sum().item())
print("equal rows:", int((right == sick).all(dim=1).sum()), "of", len(sick))
sick[:3]

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# x and y are swapped. With `indexing="ij"` the *first* output changes from row to row, and that is y. On a square map the set of boxes stays the same, only the order is transposed: a prediction for row 0, column 1 is decoded at row 1, column 0. No picture of all priors shows it; a comparison in order does.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
along = (torch.arange(5) + 0.5) * 64
y, x = torch.meshgrid(along, along, indexing="ij")
cured = torch.stack([x, y], dim=-1).reshape(-1, 2)
equal = (right - cured).abs().lt(1e-3).all(dim=1)
print("equal rows:", int(equal.sum()), "of", len(equal))

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# **Patient 2.** “It finds fewer objects of every size, and the largest are simply gone.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_along(map_size, step):
    return torch.arange(map_size) * step

for k in (0, 3, 5):
    sick = sick_along(ssd300.map_sizes[k], ssd300.steps[k])
    right = PriorBox(ssd300).centers(k)[:, 0].unique() * 300
    print(f"level {k}: {(right - sick).mean():.0f} px off,"
          f" first centre at {sick[0]}")

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The + 0.5 is forgotten. Every box sits half a step to the upper left. That is 4 px on the finest level, which the network may still learn. It is 150 px on the coarsest, whose only cell is now centred on the image's *corner*.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
cured = (torch.arange(1) + 0.5) * 300
print("first centre of level 5:", cured.item())
assert cured.item() == 150

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - A **prior** is a box written down before any picture. Its centre comes from the grid, (i + 0.5) · step; its size from `min_size`, √(min · max) and the ratios.
# - **Sizes** of SSD are even scales in whole per cent, with the step rounded down and a smaller scale in front. **Steps** of SSD and RefineDet are strides, or image / map where maps shrink without a stride; M2Det's are image / map.
# - **8,732** = 5,776 + 2,166 + 600 + 150 + 36 + 4: many small boxes on fine maps, few large ones on coarse maps.
# - The **order** is part of the definition: level, row, column, prior.
# - All this was chosen for VOC and COCO. On your data, **measure coverage**, and let your boxes propose the layout.
#
# **Next**, 03: which prior learns from which object?
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §2.2 · Zhang et al. 2018, *RefineDet*, 1711.06897, §4 · Zhao et al. 2019, *M2Det*, 1811.04533 · torchvision, `models/detection/anchor_utils.py` · SSD's author on steps and clamping: caffe issues [352](https://github.com/weiliu89/caffe/issues/352), [526](https://github.com/weiliu89/caffe/issues/526).

# %% [markdown] id="star-code" slide="slide"
# ## ★ More code: exercises, ratios, speed and order
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# Three further exercises. `even_factors` gives the sizes of step 1 of the proposal, 10, 20, 40, 80, 160 for `even_factors(10, 160, 4)`. The other two build the halves of `PriorBox` anew. `cell_sizes` gives the (A, 2) sizes of a cell as fractions. `cell_centers` gives all centres (x, y) as fractions, row by row, without a loop.

# %% id="exercise-even-factors" slide="skip" tags=["exercise"]
def even_factors(low, high, levels):
    """levels + 1 sizes from low to high, each a fixed factor larger."""
    factor = ...
    return None

nb02.even_factors.check(even_factors)

# %% id="exercise-cell-sizes" slide="skip" tags=["exercise"]
def cell_sizes(min_size, max_size, ratios, image_size):
    """Width and height of one cell's priors, fractions of the image."""
    sizes = [(min_size, min_size)]
    ...
    return None

nb02.cell_sizes.check(cell_sizes)

# %% id="exercise-cell-centers" slide="skip" tags=["exercise"]
def cell_centers(map_size, step, image_size):
    """Centre (x, y) of every cell, row by row, fractions of the image."""
    along = torch.arange(map_size)
    ...
    return None

nb02.cell_centers.check(cell_centers)

# %% [markdown] id="star-ratios" slide="subslide"
# Ratios hold in the *input*. In a photograph of 640 × 480 px the “square” is 4 : 3, and the tall 1 : 2 is 2 : 3:

# %% id="ratios-in-a-photograph" slide="-"
in_input = PriorBox(ssd300).sizes(1)  # (A, 2)
in_photograph = in_input * torch.tensor([640, 480])  # (A, 2)
for sizes in (in_input, in_photograph):
    print([f"{w / h:.2f}" for w, h in sizes])

# %% id="ten-times-faster" slide="subslide"
def seconds(function):
    return min(timeit.repeat(function, number=1, repeat=5))


large = boxes.M2DET800_PRIORS  # the largest layout: 80,208 priors
slow = seconds(lambda: priors_by_loops(large))
fast = seconds(lambda: PriorBox(large)())
assert slow > 10 * fast
print(f"{large.num_priors:,} priors: tensors are over 10 times as fast")

# %% id="milliseconds" slide="-" tags=["nbval-ignore-output"]
print(f"loops {1e3 * slow:.1f} ms, tensors {1e3 * fast:.1f} ms")

# %% [markdown] id="prove-it" slide="subslide"
# **Prove it.** torchvision has a `DefaultBoxGenerator`. Give it our numbers and compare every layout with two squares (RefineDet has one, which it cannot make):

# %% id="equal-to-torchvision" slide="-" tags=["prove"]
def torchvision_priors(config):
    size = config.image_size
    sides = (*config.min_sizes, config.max_sizes[-1])
    generator = anchor_utils.DefaultBoxGenerator(
        [list(ratios) for ratios in config.aspect_ratios],
        scales=[side / size for side in sides],
        steps=list(config.steps),
    )
    blank = torch.zeros(1, 3, size, size)
    maps = [torch.zeros(1, 1, side, side) for side in config.map_sizes]
    corners = generator(image_list.ImageList(blank, [(size, size)]), maps)
    return boxes.xyxy_to_cxcywh(corners[0] / size)


for name, table in PRIOR_LAYOUTS.items():
    if table.max_sizes:
        ours = PriorBox(replace(table, clamp="sizes"))()
        theirs = torchvision_priors(table)
        prove(f"{name} = torchvision's", ours, theirs, tolerance=1e-6)

# %% [markdown] id="star-order" slide="subslide"
# A convolution puts channels first, (B, A·4, H, W). They must move behind row and column; a plain `reshape` has the right shape and the wrong boxes. One published SSD (uvipen/SSD-pytorch, chapter 04) orders **level, prior, row, column**; its weights fit ours after a permutation.

# %% id="order-of-a-head" slide="subslide" tags=["prove"]
# (B, A*4, H, W) -> (B, H*W*A, 4)
batch, each, height, width = 2, 6, 10, 10
head = torch.randn(batch, each * 4, height, width)
deltas = head.unflatten(1, (each, 4)).permute(0, 3, 4, 1, 2)
deltas = deltas.reshape(batch, height * width * each, 4)

row, column, prior = 7, 2, 5
prove("the permuted head is in order",
      deltas[:, (row * width + column) * each + prior],
      head[:, prior * 4 : prior * 4 + 4, row, column])
plain = head.reshape(deltas.shape)
same = int((deltas == plain).all(dim=2).sum())
print("a plain reshape agrees in", same, "of", deltas[..., 0].numel())

# %% id="order-of-uvipen" slide="-"
# level, row, column, prior -> level, prior, row, column
levels = torch.arange(8732).split(ssd300.priors_per_level)
order = torch.cat([
    index.view(-1, each).T.reshape(-1)  # (A*H*W,)
    for index, each in zip(levels, ssd300.priors_per_cell)
])
print("uvipen's first rows are our rows", order[:3].tolist())
assert sorted(order.tolist()) == list(range(8732))

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## ★ Paper ↔ code
#
# | what | paper | published code | here | shown in |
# |--|--|--|--|--|
# | scales | Eq. 4, not rounded | step cut to whole per cent | `ssd_sizes` | §2 |
# | finest level | 0.1 VOC300; 0.07 VOC512, COCO300; 0.04 COCO512 | the same | `first=` | §2 |
# | “512 VOC” | 0.07, 0.15 to 0.9 | authors 7, 15–90 %; ports 4, 10–90 % in whole px | as the ports | §2 |
# | centres | (i + 0.5) / map | (i + 0.5) · step / image | as the code | §3 |
# | steps | – | SSD strides, image / map where the stride is 1; M2Det image / map | `steps` | §2 |
# | border | – | Caffe none, torchvision sizes, ports all | `clamp` | §3 |
# | order | – | row, column, prior; uvipen: prior, row, column | the first | §3 |
# | RefineDet | 4 × stride (§4) | 32 … 256 px for both inputs | the same | §2 |
# | M2Det, per cell | six anchors, three ratios | 2 squares + 2 · 2 | the same | §3 |
# | M2Det800 | – | 114.29 became 115 | kept | §2 |

# %% [markdown] id="star-clinic" slide="slide" tags=["clinic"]
# ## ★ A third patient
#
# **Patient 3.** A published RefineDet. “The network for five classes of my own crashes at once; the one for VOC's 21 predicts too many boxes.” Two mistakes.

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
voc = {320: boxes.REFINEDET320_PRIORS, 512: boxes.REFINEDET512_PRIORS}
coco = {"min_dim": 300, "feature_maps": [38, 19, 10, 5, 3, 1]}


def sick_layout(num_classes, image_size):
    return (voc if num_classes == 21 else coco)[image_size]


try:
    sick_layout(num_classes=6, image_size=320)
except KeyError as error:
    print("KeyError:", error)

table = sick_layout(num_classes=21, image_size=320)
each = len(table.aspect_ratios)
predicted = sum(side**2 * each for side in table.map_sizes)
print("the heads predict", predicted, "boxes for", table.num_priors)

# %% [markdown] id="clinic-cures-text" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# The layout is chosen by the *class count*; priors know no classes, only maps, and the COCO entry is not even keyed by size. And `len(aspect_ratios)`, “the number of priors per location” in a comment, counts the four *levels*; a cell has three priors.
#
# </details>

# %% id="clinic-3-cure" slide="-" tags=["clinic"]
table = voc[320]
each = table.priors_per_cell
predicted = sum(side**2 * a for side, a in zip(table.map_sizes, each))
print("the heads predict", predicted, "boxes for", table.num_priors)
assert predicted == table.num_priors
