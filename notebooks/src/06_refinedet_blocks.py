# %% [markdown] id="title" slide="slide"
# # 06 · RefineDet I: ARM, ODM, TCB
#
# **One question: why ask every prior twice, and what must be built for it?**
#
# Afterwards you will be able to
#
# - move a prior twice, and compute both moves by hand;
# - build the anchor refinement module (ARM), the transfer connection block (TCB) and the object detection module (ODM), and name the shape after each;
# - say which priors the negative filter drops, and why no gradient passes through an anchor;
# - compute a transposed convolution on paper;
# - lay out RefineDet's VGG-16 and count its 6,375 priors.
#
# **75 minutes** with the exercises. Before it: notebooks 02 to 04 (priors, encode and decode, the MultiBox loss, SSD's heads and VGG-16).

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import math

import torch
from torch import nn
from torch.nn import functional as F

from detlearn import boxes, create_model, load_model, show
from detlearn.boxes import box_iou, cxcywh_to_xyxy, decode, encode
from detlearn.boxes import xyxy_to_cxcywh
from detlearn.data import Shapes, data_path
from detlearn.losses import two_step_loss
from detlearn.models import RefineDetPredictions, layers, refinedet
from detlearn.models.backbones import VGG16
from detlearn.models.layers import ExtraBlock, MultiBoxHead, init_xavier
from detlearn.teach.exercises import nb06
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


print(on_meta(create_model, "refinedet320_vgg16").config.name)

# %% [markdown] id="ask-twice" slide="slide"
# ## 1 · Ask twice
#
# SSD asks every prior once: *what is in you, and how must you move?* A prior that lies badly has to answer both from a bad place. RefineDet (Zhang et al. 2018) asks twice, in one pass through one network:
#
# 1. The **ARM** says of each prior whether it holds *anything*, and moves it roughly. A moved prior is an **anchor** (in this chapter, and nothing else is).
# 2. The **ODM** starts from the anchors. It says *what* is there and moves them once more.
#
# Between the two, **TCBs** prepare the maps. The whole picture; we build it box by box:

# %% id="the-network" slide="-"
show.draw_refinedet(
    [(512, 40), (512, 20), (1024, 10), (512, 5)],
    ["conv4_3", "conv5_3", "fc7", "conv6_2"])

# %% [markdown] id="notes-ask-twice" slide="notes"
# > *For the speaker.* Follow the blue line first: boxes go from ARM to ODM. Then the thick orange arrows: features go from coarse to fine. These are two different roads, and most confusion about RefineDet comes from mixing them. Say now that only the *boxes* are cut off from the gradient, not the features.

# %% [markdown] id="by-hand" slide="subslide"
# The smallest example, on 100 × 100 px: a prior of 40 × 40, an object of 50 × 40, 20 px further right. Remember chapter 03: deltas count in prior sizes, divided by 0.1 (centre) and 0.2 (size). The ARM says 3.75: 3.75 · 0.1 · 40 = **15 px** to the right. The ODM, from there, says 1.25 (**5 px** more), and log(50/40)/0.2 for the width.

# %% id="two-steps-by-hand" slide="-"
prior = torch.tensor([[40.0, 50.0, 40.0, 40.0]])  # cx cy w h, px
target = torch.tensor([[35.0, 30.0, 85.0, 70.0]])  # x1 y1 x2 y2
arm_delta = torch.tensor([[3.75, 0.0, 0.0, 0.0]])
odm_delta = torch.tensor([[1.25, 0.0, math.log(50 / 40) / 0.2, 0.0]])

anchor = decode(arm_delta, prior)
box = decode(odm_delta, xyxy_to_cxcywh(anchor))
steps = {"prior": cxcywh_to_xyxy(prior), "moved by the ARM": anchor,
         "moved by the ODM": box}
for name, corners in steps.items():
    print(f"{name:17}{corners[0].round().int().tolist()}",
          f"IoU {box_iou(corners, target).item():.3f}")
show.draw_steps(torch.ones(3, 100, 100), target[0],
                {name: corners[0] for name, corners in steps.items()})

# %% [markdown] id="read-by-hand" slide="subslide"
# By hand: prior and object share 25 · 40 = 1,000 of 2,600 px, 0.385. The anchor lies inside the object: 1,600 of 2,000, **0.8**. With 0.385 the prior would be a *negative* in SSD, unless no other prior fits the object better; its anchor is a good *positive* for the ODM.
#
# ### The first step as a function
#
# An anchor replaces a prior, so it must look like one: (cx, cy, w, h). `decode` returns corners; turn them back. One guard: the second step divides by the anchor's size, so no side may become 0.

# %% id="refine-loops" slide="-"
def refine_by_loops(arm_deltas, priors):
    """Anchors (P, 4), cxcywh, one number after the other."""
    anchors = []
    for delta, prior in zip(arm_deltas.tolist(), priors.tolist()):
        dx, dy, dw, dh = delta
        cx, cy, w, h = prior
        anchors.append([cx + 0.1 * dx * w, cy + 0.1 * dy * h,
                        w * math.exp(0.2 * dw), h * math.exp(0.2 * dh)])
    return torch.tensor(anchors)


refine_by_loops(arm_delta, prior)

# %% id="refine-anchors" slide="-" tags=["teaches:detlearn.models.refinedet:SMALLEST_ANCHOR", "teaches:detlearn.models.refinedet:refine_anchors", "prove"]
SMALLEST_ANCHOR = 1e-6


def refine_anchors(arm_deltas, priors, scales=(0.1, 0.2)):
    anchors = xyxy_to_cxcywh(decode(arm_deltas, priors, scales))
    return torch.cat([anchors[..., :2],
                      anchors[..., 2:].clamp(min=SMALLEST_ANCHOR)], dim=-1)


priors = boxes.make_priors(boxes.REFINEDET320_PRIORS)
_ = torch.manual_seed(0)
first, second = torch.randn(2, len(priors), 4)  # (P, 4) each
prove("anchors = the loops", refine_anchors(first, priors),
      refine_by_loops(first, priors), tolerance=1e-5)
prove("anchors = the package's", refine_anchors(first, priors),
      refinedet.refine_anchors(first, priors))

vanishing = torch.tensor([[0.0, 0.0, -1000.0, -1000.0]])
prove("no anchor vanishes: 1e-6 stays",
      [refine(vanishing, priors[:1])[0, 2:] for refine in
       (refine_anchors, refinedet.refine_anchors)],
      [torch.tensor([1e-6, 1e-6])] * 2)

# %% [markdown] id="one-is-enough" slide="subslide"
# ### Could one step not say the same?
#
# **Predict:** is there a box that two steps reach and one step cannot? Write both steps out. The second is measured in sizes of the *anchor*, so it counts exp(0.2 · dw₁) times as much; log sizes simply add:
#
# - dx = dx₁ + dx₂ · exp(0.2 · dw₁)
# - dw = dw₁ + dw₂ (dy and dh likewise)

# %% id="compose" slide="-" tags=["prove"]
grown = torch.exp(0.2 * first[:, 2:])  # (P, 2)
single = torch.cat([first[:, :2] + second[:, :2] * grown,
                    first[:, 2:] + second[:, 2:]], dim=1)  # (P, 4)
cascaded = decode(second, refine_anchors(first, priors))
prove("two steps = one larger step",
      cascaded, decode(single, priors), tolerance=1e-4)

# %% [markdown] id="why-then" slide="subslide"
# So no box is out of reach for one step. The gain, if there is one, must lie in what is *learned*: a smaller task, better maps, and **more teachers**, for objects are matched anew, and more anchors than priors are positive. Whether it pays, 07 measures.
#
# Here we count the teachers. `ssd_tiny` from chapter 05 is trained; let it play the ARM (its boxes as the first step). On 40 scenes: the IoU of every positive prior with its object, before and after it moves.

# %% id="ssd-plays-arm" slide="-"
tiny = load_model(data_path("weights", "ssd_tiny.safetensors")).eval()
scenes = [Shapes(length=40, size=128)[index] for index in range(40)]
before, after, good_priors, good_anchors = [], [], 0, 0
for image, scene in scenes:
    if len(scene["boxes"]) == 0:
        continue
    objects = scene["boxes"] / 128
    with torch.inference_mode():
        said = tiny(tiny.normalize(image[None]))
    anchors = refine_anchors(said.deltas[0], tiny.priors)
    old = box_iou(cxcywh_to_xyxy(tiny.priors), objects)  # (P, G)
    new = box_iou(cxcywh_to_xyxy(anchors), objects)  # (P, G)
    owner = boxes.match(objects, tiny.priors).gt_index
    rows = (owner >= 0).nonzero()[:, 0]
    before.append(old[rows, owner[rows]])
    after.append(new[rows, owner[rows]])
    good_priors += int((old >= 0.5).sum())
    good_anchors += int((new >= 0.5).sum())
before, after = torch.cat(before), torch.cat(after)
assert before.mean() < 0.65 and after.mean() > 0.75

# %% id="shift-seen" slide="subslide"
print("at IoU 0.5, over three times as many teachers:",
      good_anchors > 3 * good_priors)
show.draw_iou_shift(before, after, alt="Histograms of IoU. Priors crowd "
    "between 0.5 and 0.7; the anchors they become crowd above 0.8.")

# %% [markdown] id="arm" slide="slide"
# ## 2 · ARM: two labels
#
# The ARM is an SSD head that knows two classes: *background* and *object*. A class of three lines; RefineDet has A = 3 priors a cell, so a cell answers 3 · (2 + 4) = 18 numbers.

# %% id="arm-class" slide="-" tags=["teaches:detlearn.models.refinedet:AnchorRefinementModule", "prove"]
class AnchorRefinementModule(MultiBoxHead):
    def __init__(self, in_channels, priors_per_cell):
        super().__init__(in_channels, priors_per_cell, num_classes=2)


arm = AnchorRefinementModule([8, 16], [3, 3])
pyramid = [torch.rand(2, 8, 4, 4), torch.rand(2, 16, 2, 2)]
out = arm(pyramid)  # 4·4·3 + 2·2·3 = 60 priors
print("logits", tuple(out.logits.shape), "deltas", tuple(out.deltas.shape))

theirs = refinedet.AnchorRefinementModule([8, 16], [3, 3])
theirs.load_state_dict(arm.state_dict())
prove("ARM = the package's", list(out), list(theirs(pyramid)))

# %% [markdown] id="two-or-k" slide="subslide"
# **Two labels or K?** “Is there anything?” needs no names: the ARM's target is 1 for every label above 0. A detector of K classes answers the question, too, if the object classes are added up. In logits, adding probabilities is `logsumexp`. So `ssd_tiny` can play this half of the ARM as well:

# %% id="k-to-two" slide="-" tags=["prove"]
def two_labels(logits):
    """(..., K) class logits as (..., 2), background and object."""
    return torch.stack([logits[..., 0],
                        logits[..., 1:].logsumexp(dim=-1)], dim=-1)


three = torch.tensor([0.0, 0.0, 0.0])  # K = 3: a third each
print(two_labels(three).softmax(dim=-1))
image, scene = Shapes(length=200)[9]
with torch.inference_mode():
    said = tiny(tiny.normalize(image[None]))
scores = said.logits.softmax(dim=-1)
prove("object = all classes but the background",
      two_labels(said.logits).softmax(dim=-1)[..., 1],
      scores[..., 1:].sum(dim=-1), tolerance=1e-4)

# %% [markdown] id="filter" slide="subslide"
# ### The negative-anchor filter
#
# The probability of *object* is the **objectness**. Nearly all priors are easy background, and the ARM knows it. The paper drops those whose background probability exceeds 0.99, so whose objectness is at most θ = **0.01**:
#
# - when it *detects*, all their class scores become 0;
# - when it *learns*, the ODM neither learns from them nor mines them: label −1.
#
# By hand: p = 1/(1 + e^gap) for gap = background logit − object logit. It is ≤ 0.01 from e^gap ≥ 99, so from a gap of log 99 = **4.6** on.

# %% id="filter-by-hand" slide="-"
gaps = torch.tensor([-2.0, 0.0, 4.0, 4.5, 4.7, 9.0])
arm_logits = torch.stack([gaps, torch.zeros(6)], dim=-1)  # (P, 2)
objectness = arm_logits.softmax(dim=-1)[..., 1]  # (P,)
labels = torch.tensor([3, 0, 0, 1, 0, 2])
dropped = objectness <= 0.01
print("log 99 =", round(math.log(99), 2))
print("objectness", [f"{p:.4f}" for p in objectness.tolist()])
print("dropped   ", dropped.tolist())
print("ODM labels", labels.masked_fill(dropped, -1).tolist())

# %% [markdown] id="who-is-dropped" slide="subslide"
# Note the last prior: it matched an object of class 2, and the ARM is *wrong* about it. It is dropped all the same, for the ODM will not see it when it detects, either. (Only the ARM's own loss can bring it back.)
#
# Now in a scene, with `ssd_tiny` as ARM. **Predict:** how many of its priors survive?

# %% id="filter-seen" slide="-"
objectness = two_labels(said.logits).softmax(dim=-1)[0, :, 1]  # (P,)
survives = objectness > 0.01
owner = boxes.match(scene["boxes"] / 128, tiny.priors).gt_index
print("over 9 in 10 are dropped:", bool(survives.float().mean() < 0.1))
print("positives that survive, over 9 in 10:",
      bool(survives[owner >= 0].float().mean() > 0.9))
show.draw_filter(
    image, objectness, tiny.config.priors, boxes=scene["boxes"],
    alt="A scene and four grids of cells. Only cells on the objects keep "
    "a prior: small objects on the fine grids, large on the coarse.")

# %% [markdown] id="notes-filter" slide="notes"
# > *For the speaker.* Ask what θ = 0 and θ = 1 would do (nothing is dropped; everything is). Then: hard negative mining already skips easy negatives, so what is new? Mining chooses negatives by the *ODM's* loss while it learns. The filter uses the *ARM's* opinion, and it works at detection, too.

# %% id="filter-proved" slide="subslide" tags=["prove"]
# the same priors as ssd_tiny's; random answers of the ODM
model = create_model("refinedet_tiny").eval()
odm_logits, odm_deltas = torch.randn_like(said.logits), said.deltas / 2
predictions = RefineDetPredictions(
    two_labels(said.logits), said.deltas, odm_logits, odm_deltas)
theirs, their_boxes = model.scores_and_boxes(predictions)

kept = odm_logits.softmax(dim=-1) * survives[:, None]
prove("the filter = the package's", kept, theirs, tolerance=1e-6)
anchors = refine_anchors(said.deltas, tiny.priors)
prove("decode of decode = the package's",
      decode(odm_deltas, anchors), their_boxes)

# %% [markdown] id="l2norm" slide="subslide"
# ### L2Norm, twice
#
# In RefineDet, conv4_3 *and* conv5_3 are early maps among later ones: both get chapter 04's L2Norm, with a learned scale that starts at 10 and at 8. Once more from nothing: the length of a *cell* runs over the channels. (3, 4) has length 5.

# %% id="l2norm-by-loops" slide="-"
def l2norm_by_loops(maps, scale):
    """Every cell's channel vector gets length 1, then the scale."""
    normed = maps.clone()
    for image in range(maps.shape[0]):
        for row in range(maps.shape[2]):
            for column in range(maps.shape[3]):
                cell = maps[image, :, row, column]  # (C,)
                length = math.sqrt(sum(c * c for c in cell.tolist()))
                normed[image, :, row, column] = scale * cell / length
    return normed


l2norm_by_loops(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1), 10).flatten()

# %% id="l2norm-class" slide="-" tags=["teaches:detlearn.models.layers:L2Norm", "prove"]
class L2Norm(nn.Module):
    def __init__(self, channels, scale=20.0):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, maps):
        unit = F.normalize(maps.to(self.scale.dtype), dim=1, eps=1e-12)
        return unit * self.scale[:, None, None]


loud = 300 * torch.rand(2, 6, 3, 4)
for scale in (10, 8):
    prove(f"L2Norm from {scale} = the loops", L2Norm(6, scale)(loud),
          l2norm_by_loops(loud, scale), tolerance=1e-4)
    prove(f"L2Norm from {scale} = the package's", L2Norm(6, scale)(loud),
          layers.L2Norm(6, scale)(loud))

# %% [markdown] id="tcb" slide="slide"
# ## 3 · TCB: coarse helps fine
#
# A cell of conv4_3 sees little of the picture; a cell of conv6_2 sees most of it, but roughly. “Is this wheel part of a bus?” is easy to answer on the coarse map, and has to be *said* on the fine one. So the coarse map is enlarged to twice its side, and added.
#
# The enlarging is learned: a **transposed convolution** (“deconvolution”), 2 × 2 with stride 2. An ordinary convolution *collects* several cells into one. A transposed one *spreads* one cell over several: each cell paints its number times the filter. On a 1 × 1 map, then on 2 × 2:

# %% id="up-by-hand" slide="-"
filter_ = torch.tensor([[1.0, 10.0], [100.0, 1000.0]])
one = torch.tensor([[7.0]])
print("7 becomes", F.conv_transpose2d(
    one[None, None], filter_[None, None], stride=2)[0, 0].tolist())

coarse = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
painted = torch.zeros(4, 4)
for row in range(2):
    for column in range(2):
        painted[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = (
            coarse[row, column] * filter_)
show.draw_addition(
    {"coarse (2, 2)": coarse, "filter (2, 2)": filter_,
     "painted (4, 4)": painted}, ["∗", "="], plain=["filter (2, 2)"],
    alt="A map 1 2 3 4 and a filter 1 10 100 1000 give a 4 by 4 map in "
    "which each quarter is one number times the filter.")

# %% [markdown] id="no-overlap" slide="subslide"
# Filter side = stride, so the painted blocks touch and never overlap: no seams, and the side doubles exactly. (One channel to one channel, it is the Kronecker product.)
#
# **Channels.** Every output channel adds up what all input channels paint. Mind the weight's layout: (**in**, out, 2, 2), where a convolution has (**out**, in, 3, 3). From loops to one line:

# %% id="up-by-loops" slide="-" tags=["prove"]
def up_by_loops(coarse, weight):
    """(B, I, H, W) and (I, O, 2, 2) to (B, O, 2*H, 2*W)."""
    B, channels, H, W = coarse.shape
    fine = torch.zeros(B, weight.shape[1], 2 * H, 2 * W)
    for i in range(channels):
        for o in range(weight.shape[1]):
            for row in range(2 * H):
                for column in range(2 * W):
                    fine[:, o, row, column] += (
                        coarse[:, i, row // 2, column // 2]
                        * weight[i, o, row % 2, column % 2])
    return fine


def upsample(coarse, weight):
    painted = torch.einsum("bihw,iojk->bohjwk", coarse, weight)
    return painted.flatten(4, 5).flatten(2, 3)  # (B, O, 2*H, 2*W)


maps, weight = torch.randn(2, 3, 4, 5), torch.randn(3, 6, 2, 2)
theirs = F.conv_transpose2d(maps, weight, stride=2)
prove("the loops = F.conv_transpose2d", up_by_loops(maps, weight), theirs,
      tolerance=1e-4)
prove("one line = F.conv_transpose2d", upsample(maps, weight), theirs,
      tolerance=1e-4)

# %% [markdown] id="nearest" slide="subslide"
# **A special case you know.** A filter of four ones that keeps channels apart repeats every number four times: *nearest* upsampling. The TCB may learn that, or something finer.

# %% id="nearest-proved" slide="-" tags=["prove"]
ones = torch.eye(3)[:, :, None, None].expand(3, 3, 2, 2)
prove("four ones = nearest upsampling", upsample(maps, ones),
      F.interpolate(maps, scale_factor=2, mode="nearest"))
prove("one channel = Kronecker", painted, torch.kron(coarse, filter_))

# %% [markdown] id="tcb-block" slide="subslide"
# ### The block
#
# Two convolutions *translate* the map that the ARM reads to the block's channels (256 in the paper's network). The painted coarser map is added. ReLU, one convolution that *smooths* the sum, ReLU. The coarsest block has nobody to listen to:

# %% id="tcb-init" slide="-" tags=["teaches:detlearn.models.refinedet:TransferConnectionBlock.__init__"]
class TransferConnectionBlock(nn.Module):
    def __init__(self, in_channels, out_channels, coarsest=False):
        super().__init__()
        self.translate = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.upsample = None
        if not coarsest:
            self.upsample = nn.ConvTranspose2d(
                out_channels, out_channels, 2, stride=2)
            nn.init.xavier_uniform_(self.upsample.weight)
            nn.init.zeros_(self.upsample.bias)
        self.smooth = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        init_xavier(self)


print([name for name, _ in TransferConnectionBlock(
    8, 4).named_children()])

# %% id="tcb-forward" slide="subslide" tags=["teaches:detlearn.models.refinedet:TransferConnectionBlock.forward"]
@method_of(TransferConnectionBlock)
def forward(self, maps, coarser=None):
    if (coarser is None) != (self.upsample is None):
        expected = ("nothing" if self.upsample is None
                    else "the coarser block's output")
        raise ValueError(f"coarser: expected {expected} for this block")
    transferred = self.translate(maps)  # (B, C, H, W)
    if self.upsample is not None:
        transferred = transferred + self.upsample(coarser)  # (B, C, H, W)
    return F.relu(self.smooth(F.relu(transferred)))


coarse_block = TransferConnectionBlock(16, 4, coarsest=True)
fine_block = TransferConnectionBlock(8, 4)
context = coarse_block(pyramid[1])  # (B, 4, 2, 2)
print("coarse", tuple(pyramid[1].shape), "to", tuple(context.shape))
print("fine  ", tuple(pyramid[0].shape), "to",
      tuple(fine_block(pyramid[0], context).shape))

# %% id="tcb-proved" slide="-" tags=["prove"]
theirs = refinedet.TransferConnectionBlock(8, 4)
theirs.load_state_dict(fine_block.state_dict())
prove("TCB = the package's", fine_block(pyramid[0], context),
      theirs(pyramid[0], context))

# by hand, 1 channel: a filter is 1 in the middle, so it passes a cell on
hand = refinedet.TransferConnectionBlock(1, 1)
for parameter in hand.parameters():
    nn.init.zeros_(parameter)
for conv in (hand.translate[0], hand.translate[2], hand.smooth):
    conv.weight.data[0, 0, 1, 1] = 1
hand.upsample.weight.data[0, 0] = filter_
fine, coarser = 200 * torch.ones(1, 1, 4, 4), coarse[None, None]
prove("fine + painted", hand(fine, coarser), (painted + 200)[None, None])
hand.translate[2].weight.data[0, 0, 1, 1] = -1
summed = (painted - 200).clamp(min=0)[None, None]  # negative sums are 0
hand.smooth.bias.data[:] = 50
prove("ReLU before smooth", hand(fine, coarser), summed + 50)
hand.smooth.bias.data[:] = -50
prove("ReLU after it", hand(fine, coarser), (summed - 50).clamp(min=0))

# %% [markdown] id="notes-tcb" slide="notes"
# > *For the speaker.* Do the 1 × 1 map on the board: 7 becomes 7, 70, 700, 7,000. Then let the room predict the lower right quarter of the 4 × 4 map. "Deconvolution" is a misnomer: nothing is undone. The transpose is that of the matrix that the convolution is.

# %% [markdown] id="transfer" slide="subslide"
# ### Coarse to fine
#
# The maps come fine → coarse; the blocks run the other way, each handing its output to the next finer one. Here as a method of a small holder; in the package it belongs to `RefineDet`.

# %% id="transfer-method" slide="-" tags=["teaches:detlearn.models.refinedet:RefineDet.transfer"]
class Blocks:
    def __init__(self, channels, out_channels):
        last = len(channels) - 1
        self.tcbs = nn.ModuleList(
            TransferConnectionBlock(c, out_channels, level == last)
            for level, c in enumerate(channels))


@method_of(Blocks)
def transfer(self, pyramid):
    if not self.tcbs:
        return list(pyramid)
    transferred = []
    coarser = None
    for block, maps in zip(reversed(self.tcbs), reversed(pyramid),
                           strict=True):
        coarser = block(maps, coarser)
        transferred.append(coarser)
    return transferred[::-1]


three = [torch.rand(1, 4, side, side) for side in (8, 4, 2)]
blocks = Blocks([4, 4, 4], 5)
[tuple(maps.shape) for maps in blocks.transfer(three)]

# %% [markdown] id="who-learns" slide="subslide"
# **Predict:** change the *coarsest* map only; which outputs change? And the *finest* only?

# %% id="who-hears-whom" slide="-"
with torch.inference_mode():
    usual = blocks.transfer(three)
    for changed in range(3):
        other = [maps + (level == changed) for level, maps
                 in enumerate(three)]
        now = blocks.transfer(other)
        differs = [not torch.equal(a, b) for a, b in zip(usual, now)]
        print("map", changed, "changes the outputs",
              [level for level in range(3) if differs[level]])

# %% [markdown] id="odm" slide="slide"
# ## 4 · ODM, and the whole road
#
# The ODM is an SSD head on the TCBs' maps, now with K classes. Only what its numbers are *relative to* is new: anchors, which differ from picture to picture.

# %% id="odm-class" slide="-" tags=["teaches:detlearn.models.refinedet:ObjectDetectionModule"]
class ObjectDetectionModule(MultiBoxHead):
    def __init__(self, in_channels, priors_per_cell, num_classes):
        super().__init__(in_channels, priors_per_cell, num_classes)


odm = ObjectDetectionModule([5, 5, 5], [3, 3, 3], num_classes=9)
out = odm(blocks.transfer(three))  # 3 · (64 + 16 + 4) = 252 priors
print("logits", tuple(out.logits.shape), "deltas", tuple(out.deltas.shape))

# %% [markdown] id="detach" slide="subslide"
# ### The detach
#
# The ODM's targets are `encode(object, anchor)`. The anchor comes from the ARM, so a gradient could run through the target back into the ARM. It must not. Let the ARM be exactly right (anchor = object), and the ODM wrong, it says dx = 0.5. **Predict:** what would a gradient step do to the ARM?

# %% id="detach-by-hand" slide="-"
for detached in (False, True):
    arm_delta = torch.zeros(1, 4, requires_grad=True)  # exactly right
    anchor = refine_anchors(arm_delta, prior)
    if detached:
        anchor = anchor.detach()
    wanted = encode(cxcywh_to_xyxy(prior), anchor)  # zeros
    answer = torch.tensor([[0.5, 0.0, 0.0, 0.0]], requires_grad=True)
    F.smooth_l1_loss(answer, wanted, reduction="sum").backward()
    grad = arm_delta.grad
    print("detached" if detached else "attached",
          "| ODM", round(answer.grad[0, 0].item(), 2),
          "| ARM", None if grad is None else round(grad[0, 0].item(), 2))

# %% [markdown] id="detach-read" slide="fragment"
# Attached, the ARM's dx would *fall*: the anchor runs left, away from its object, until the ODM's wrong answer is right. Detached, only the ODM learns from its mistake. So anchors are the ODM's *given*, not its choice. The package does the same for its whole loss:

# %% id="detach-proved" slide="-" tags=["prove"]
parts = [part.detach().clone().requires_grad_() for part in predictions]
leaves = RefineDetPredictions(*parts)
both = model.loss(leaves, [scene])
odm_loss = both["odm_bbox_regression"] + both["odm_classification"]
arm_loss = both["arm_bbox_regression"] + both["arm_classification"]
grads = torch.autograd.grad(odm_loss, parts, retain_graph=True,
                            allow_unused=True, materialize_grads=True)
prove("the ODM's loss moves no arm_deltas", grads[1],
      torch.zeros_like(grads[1]))
assert grads[2].abs().sum() > 0 and grads[3].abs().sum() > 0
(from_arm,) = torch.autograd.grad(arm_loss, parts[1])
print("the ARM's own loss does:", bool(from_arm.abs().sum() > 0))

# %% [markdown] id="rematch" slide="subslide"
# One thing is left to show: the ODM's positives are those of the **anchors**, matched anew. By hand from `make_targets` and `two_step_loss`:

# %% id="rematch-proved" slide="-" tags=["prove"]
config = model.config
objects, names = scene["boxes"] / 128, scene["labels"]
anchors = refine_anchors(said.deltas[0], tiny.priors)
targets = []
for start in (tiny.priors, anchors):
    one = boxes.make_targets(objects, names, start, config.match_threshold)
    targets.append(boxes.Targets(one.labels[None], one.deltas[None]))
prove("matched twice = the package's loss",
      two_step_loss(*predictions, *targets),
      model.loss(predictions, [scene]), tolerance=1e-4)
positives = [int((one.labels > 0).sum()) for one in targets]
print("more positives among the anchors:", positives[1] > positives[0])

# %% [markdown] id="vgg" slide="subslide"
# ### VGG-16, another way
#
# SSD keeps pool5 from halving and sets fc6's dilation to 6 (chapter 04). RefineDet lets **pool5 halve** (2 × 2, stride 2) and needs only **dilation 3**. The filters are the same, so are all parameter shapes: either file loads into either network, *without a word*. Only the maps tell them apart:

# %% id="vgg-compared" slide="-" tags=["prove"]
taps = ("conv4_3", "conv5_3", "fc7")
ours = on_meta(VGG16, pool5=(2, 2, 0), fc6_dilation=3, taps=taps)
ssds = on_meta(VGG16, taps=taps)
shapes = [{key: list(t.shape) for key, t in net.state_dict().items()}
          for net in (ours, ssds)]
prove("the same names and parameter shapes", *shapes)

blank = torch.empty(1, 3, 320, 320, device="meta")
for name, net in (("RefineDet", ours), ("SSD", ssds)):
    print(f"{name:10}", *[tuple(m.shape[1:]) for m in net(blank)])

# %% [markdown] id="all-blocks" slide="subslide"
# Every block stands above; put together, on 320 px. Three maps of the backbone, one extra layer, and each next map is half as large: 40, 20, 10, 5. (The TCB needs that.)

# %% id="assembled" slide="-"
class RefineDet320(Blocks, nn.Module):
    def __init__(self, num_classes):
        nn.Module.__init__(self)
        channels = [512, 512, 1024, 512]
        self.backbone = VGG16(pool5=(2, 2, 0), fc6_dilation=3, taps=taps)
        self.extras = nn.ModuleList([ExtraBlock(1024, 256, 512, 3, 2, 1)])
        self.l2norms = nn.ModuleList([L2Norm(512, 10), L2Norm(512, 8)])
        self.arm = AnchorRefinementModule(channels, [3] * 4)
        Blocks.__init__(self, channels, 256)
        self.odm = ObjectDetectionModule([256] * 4, [3] * 4, num_classes)

    def forward(self, images):
        conv4_3, conv5_3, fc7 = self.backbone(images)
        pyramid = [self.l2norms[0](conv4_3), self.l2norms[1](conv5_3),
                   fc7, self.extras[0](fc7)]
        return RefineDetPredictions(
            *self.arm(pyramid), *self.odm(self.transfer(pyramid)))


whole = on_meta(RefineDet320, num_classes=21)
for name, part in whole(blank)._asdict().items():
    print(f"{name:11}", tuple(part.shape))

# %% [markdown] id="prove-whole" slide="subslide"
# **Prove it**: the package's RefineDet, whose numbers were compared with the published implementation's (`tests/models/test_refinedet.py`), gets random weights; ours loads them, strictly; one picture.

# %% id="whole-proved" slide="-" tags=["prove"]
_ = torch.manual_seed(0)
package = create_model("refinedet320_vgg16").eval()
whole = whole.to_empty(device="cpu").eval()
whole.load_state_dict(package.state_dict())
picture = 100 * torch.randn(1, 3, 320, 320)
with torch.inference_mode():
    answers, theirs = whole(picture), package(picture)
prove("the blocks = the package's RefineDet",
      list(answers), list(theirs), tolerance=1e-4)

# %% [markdown] id="count" slide="subslide"
# ### 6,375 by three roads
#
# The finest map has three quarters of all priors. One square a cell, of four times the step, and a wide and a tall box of ratio 2.

# %% id="counting" slide="-" tags=["prove"]
by_hand = 3 * (40**2 + 20**2 + 10**2 + 5**2)
layout = boxes.REFINEDET320_PRIORS
prove("three roads, one number",
      [by_hand, layout.num_priors, len(priors)],
      [answers.arm_logits.shape[1]] * 3)
prove("and the parameters", sum(p.numel() for p in whole.parameters()),
      sum(p.numel() for p in package.parameters()))
table = show.shape_table(on_meta(create_model, "refinedet320_vgg16"))
print(table)

# %% [markdown] id="table-read" slide="fragment"
# Read the lower table: ARM and ODM heads together have a million parameters; the **TCBs cost eleven**, half of them in the first convolution, which translates 512 or 1,024 channels. But in multiplications the backbone still takes five sixths. The second question is cheap.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 5 · Your turn
#
# ### Paper ↔ code
#
# *Article*: a published walk through luuuyi/RefineDet.PyTorch, the *port*.
#
# | what they say or do | what is true | here | see |
# |--|--|--|--|
# | a bracket swallows arguments; `forward` inside `__init__`; a list called; a generator printed (article) | three errors, and no shapes | – | a |
# | `if 22 == k` behind the loop (article) | conv4_3 is never collected | maps by name | patient 1 |
# | layout by the class count; COCO's is SSD300's (port) | classes move no prior | by the input size | b |
# | “4 or 6 priors per location” (port's comment) | 4 *maps*, 3 priors a cell | 3 a cell | b |
# | “320 and 512 use different values” (article) | only the priors differ | the same | b |
# | its own `vgg()` (article) | SSD's fits, silently | arguments | §4 |
# | `batch_norm=True` (port) | 22 and 29 are other layers then | by name | c |
# | priors as a plain attribute (port) | they stay on their device | buffer, not in the file | c |
# | log(w + 1e-5) in `encode` (port) | `decode` never undoes it | `encode_eps`, 0 by default | d |
# | no positives: a division by 0 (port) | NaN | at least 1 | e |
# | no objects: a crash (port) | legal in any data set | legal | e |
# | dropped priors are mined (port) | paper: ignored | `negative_filter` | patient 2 |
# | no filter, no two steps (article) | two of the paper's ideas | both | §1, §2 |

# %% id="ledger-as-printed" slide="subslide" tags=["ledger"]
# a  the article's code as printed
class Port(nn.Module):
    def __init__(self):
        super().__init__()
        self.sources = []

        def forward(self, images):  # one indent too far
            return images


extras = {"320": [256, "S", 512]}
for attempt in (lambda: extras[str(320), 320, 1024],
                lambda: Port()(picture),
                lambda: Port().sources().append(picture)):
    try:
        attempt()
    except (KeyError, NotImplementedError, TypeError) as error:
        print(f"{type(error).__name__}: {error}")
shapes = (m.shape for m in [picture])
print("prints a", type(shapes).__name__, "and not the shapes")

# %% id="ledger-config" slide="-" tags=["ledger", "prove"]
# b  the layout must not depend on the classes
voc = {"320": {"feature_maps": [40, 20, 10, 5]}}
coco = {"feature_maps": [38, 19, 10, 5, 3, 1], "num_classes": 201}
try:
    (voc if 6 == 21 else coco)[str(320)]
except KeyError as error:
    print("port, six classes: KeyError", error)
six = on_meta(create_model, "refinedet320_vgg16", num_classes=6)
print("ours, six classes:", tuple(six.priors.shape))
print("maps", len(layout.aspect_ratios), "| priors a cell",
      layout.priors_per_cell)
large = on_meta(create_model, "refinedet512_vgg16")
prove("320 and 512: the same parameters", *(
    {key: list(t.shape) for key, t in net.state_dict().items()}
    for net in (large, package)))

# %% id="ledger-indices" slide="subslide" tags=["ledger"]
# c  a counted index is another layer as soon as one is added
import torchvision

for name in ("vgg16", "vgg16_bn"):
    features = on_meta(getattr(torchvision.models, name)).features
    print(f"{name:9}", [type(features[k]).__name__ for k in (22, 29)],
          "channels", features[:23](blank).shape[1],
          "side", features[:23](blank).shape[-1])

print("priors in the weights' file:", "priors" in package.state_dict())
follows = create_model("refinedet_tiny").to(torch.float64)
print("priors follow the model:", follows.priors.dtype)

# %% id="ledger-eps" slide="-" tags=["ledger"]
# d  log(w + 1e-5), and no counterpart in the decoder
some = priors[:100].double()  # as priors, and as objects
for eps in (0.0, 1e-5):
    back = decode(encode(cxcywh_to_xyxy(some), some, eps=eps), some)
    larger = (xyxy_to_cxcywh(back)[:, 2:] / some[:, 2:]).mean() - 1
    print(f"eps {eps:g}: sides come back larger by",
          round(larger.item(), 7) + 0.0)

# %% id="ledger-nothing" slide="subslide" tags=["ledger", "prove"]
# e  nothing in the picture
try:
    torch.zeros(0, len(priors)).max(0)
except IndexError as error:
    print("port, no objects:", type(error).__name__)
print("port, no positives:", (torch.tensor(0.0) / 0).item())
empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
prove("ours: no objects, no loss",
      list(model.loss(predictions, [empty]).values()), [0.0] * 4)

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb06.compose_steps.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `compose_steps`: one delta that does what two steps do. It works when (0, 0, 5 log 2, 0) and (1, 0, 0, 0) give (2, 0, 5 log 2, 0).
# 2. `filter_labels`: the labels that the ODM learns from, −1 for the dropped. It works when an object that the ARM denies becomes −1, too.
# 3. `upsample_map`: a transposed convolution, 2 × 2 with stride 2, of one picture, without `F.conv_transpose2d`. It works when both agree.
# 4. `head_parameters`: weights and biases of an ARM's or ODM's heads. It works when the ARM of RefineDet320 has 414,792.

# %% id="exercise-compose-steps" slide="skip" tags=["exercise"]
def compose_steps(first, second):
    """One delta (P, 4) for two; the scales are 0.1 and 0.2."""
    grown = ...
    return None

nb06.compose_steps.check(compose_steps)

# %% id="exercise-filter-labels" slide="skip" tags=["exercise"]
def filter_labels(labels, arm_logits, threshold):
    """ODM labels (P,): -1 where the ARM sees background."""
    objectness = ...
    return None

nb06.filter_labels.check(filter_labels)

# %% id="exercise-upsample-map" slide="skip" tags=["exercise"]
def upsample_map(coarse, weight):
    """(I, H, W) and (I, O, 2, 2) to (O, 2*H, 2*W)."""
    ...
    return None

nb06.upsample_map.check(upsample_map)

# %% id="exercise-head-parameters" slide="skip" tags=["exercise"]
def head_parameters(channels, priors_per_cell, num_classes):
    """Parameters of two 3 x 3 convolutions for each level."""
    total = 0
    for c, a in zip(channels, priors_per_cell):
        ...
    return None

nb06.head_parameters.check(head_parameters)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Three patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the third.
#
# **Patient 1.** “I only tidied up the indentation. Now the ARM complains about channels.”
#
# <details><summary>Diagnosis</summary>
#
# The `if 22 == k` stands *behind* the loop: there k is 29 for good, so conv4_3 is never collected. Two maps of the backbone instead of three, so each meets its neighbour's head (the extra layer, left out here, would be the next). Had all maps 512 channels, nothing would have complained.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
vgg_layers = list(ours.layers)
heads = on_meta(AnchorRefinementModule, [512, 512, 1024, 512], [3] * 4)


def sick_sources(x):
    sources = []
    for k in range(30):
        x = vgg_layers[k](x)
    if 22 == k:
        sources.append(x)
    elif 29 == k:
        sources.append(x)
    for layer in vgg_layers[30:]:
        x = layer(x)
    return [*sources, x]


sources = sick_sources(blank)
print([tuple(source.shape[1:]) for source in sources])
try:
    for source, head in zip(sources, heads.deltas):
        head(source)
except RuntimeError as error:
    print(type(error).__name__, "at a head for", head.in_channels,
          "channels, which gets", source.shape[1])

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** “The filter has dropped prior 1; its ODM logits cannot matter. Yet the loss depends on them.”
#
# <details><summary>Diagnosis</summary>
#
# The filter takes prior 1 from the positives, but not from the pool that negatives are mined from. Its loss is measured against its *object* label and is large, so it is mined, a “negative” that is taught class 2. The published port does this (its `"released"` filter); the paper drops such priors altogether.
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_odm_loss(logits, labels, easy):
    loss = F.cross_entropy(logits, labels, reduction="none")  # (P,)
    positive = (labels > 0) & ~easy
    pool = loss.masked_fill(positive, 0.0)
    rank = pool.argsort(descending=True).argsort()
    mined = rank < 3 * positive.sum()
    return loss[positive | mined].sum() / positive.sum()


labels = torch.tensor([3, 2, 0, 0, 0, 0])  # two objects
arm_logits = torch.zeros(6, 2)
arm_logits[1, 0] = 9.0  # the ARM denies the second
easy = arm_logits.softmax(dim=-1)[:, 1] <= 0.01
quiet, loud = torch.zeros(6, 4), torch.zeros(6, 4)
loud[1, 1] = 5.0  # only the dropped prior's logits
for name, logits in (("quiet", quiet), ("loud", loud)):
    print(name, f"{sick_odm_loss(logits, labels, easy):.2f}")

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** “ARM and ODM both have a small loss. My boxes are still half way off.”
#
# <details><summary>Diagnosis</summary>
#
# Detection decodes the ODM's deltas from the *priors*. They were learned relative to the anchors: the first step is lost. The boxes are those of the prior plus a small correction.
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
arm_delta = torch.tensor([[3.75, 0.0, 0.0, 0.0]])  # section 1 again


def sick_boxes(odm_deltas, arm_deltas, priors):
    return decode(odm_deltas, priors)


sick = sick_boxes(odm_delta, arm_delta, prior)
print("IoU", round(box_iou(sick, target).item(), 2), "instead of 1.0")

# %% id="clinic-1-cure" slide="skip" tags=["clinic", "prove"]
def cured_sources(x):
    sources = []
    for k, layer in enumerate(vgg_layers):
        x = layer(x)
        if k in (22, 29, len(vgg_layers) - 1):
            sources.append(x)
    return sources


prove("patient 1 is cured", [list(s.shape) for s in cured_sources(blank)],
      [list(m.shape) for m in ours(blank)])

# %% id="clinic-2-and-3-cures" slide="skip" tags=["clinic", "prove"]
both = boxes.Targets(labels[None], torch.zeros(1, 6, 4))
odm_losses = {
    (kind, name): two_step_loss(
        arm_logits[None], torch.zeros(1, 6, 4), logits[None],
        torch.zeros(1, 6, 4), both, both,
        negative_filter=kind)["odm_classification"]
    for kind in ("released", "paper")
    for name, logits in (("quiet", quiet), ("loud", loud))}
prove("patient 2 is the released filter", odm_losses["released", "loud"],
      sick_odm_loss(loud, labels, easy), tolerance=1e-5)
prove("patient 2 is cured", odm_losses["paper", "loud"],
      odm_losses["paper", "quiet"])
prove("patient 3 is cured", decode(
    odm_delta, refine_anchors(arm_delta, prior)), target, tolerance=1e-4)

# %% [markdown] id="quiz" slide="slide"
# ### Quiz: true or false?
#
# 1. Two regression steps reach boxes that one step cannot.
# 2. The ARM tells a face from a tree.
# 3. Because of the detach, the ODM's loss does not reach the backbone.
# 4. The filter makes the network faster: dropped priors need no ODM heads.
# 5. A transposed convolution undoes a convolution.
# 6. SSD's VGG weights loaded into RefineDet's VGG raise an error.
# 7. The finest TCB helps the coarser ones.
#
# <details><summary>Answers</summary>
#
# 1. False. §1 composes them to one. Two easier tasks *may* be learned better; 07 tests it.
# 2. False. It has two labels; names are the ODM's task.
# 3. False. Cut are the *anchors*. Through TCBs and maps its gradient reaches the backbone.
# 4. False. Convolutions compute all cells anyway; the filter saves work in NMS, and keeps easy background out of the ODM's loss.
# 5. False. It spreads numbers; what a convolution has mixed stays mixed.
# 6. False. Shapes agree; only the maps' sides differ.
# 7. False. Help flows from coarse to fine; §3 measured it.
#
# </details>

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **ARM**: two labels and a rough move. A moved prior is an **anchor**.
# - **Filter**: objectness ≤ 0.01 means no score when detecting, label −1 when learning.
# - **TCB**: translate, add the painted coarser map, smooth. 2 × 2 with stride 2 paints without overlap; it runs coarse → fine.
# - **ODM**: K labels, relative to the anchors, which are matched anew and **detached**.
# - **VGG**: pool5 halves, dilation 3; SSD's parameter shapes, other maps; 3 · (1,600 + 400 + 100 + 25) = **6,375** priors.
#
# **Next**, 07: the loss of both, training, and what each idea is worth.
#
# **Further reading.** Zhang et al. 2018, *Single-Shot Refinement Neural Network for Object Detection*, arXiv 1711.06897, §3 · Liu et al. 2016, *SSD*, 1512.02325 · Dumoulin & Visin 2016, *A guide to convolution arithmetic*, 1603.07285 (transposed convolutions) · the authors' thread on dropped anchors: sfzhang15/RefineDet issue 80.
