# %% [markdown] id="title" slide="slide"
# # 03 · Matching and the MultiBox loss
#
# **One question: a picture and its boxes come in, and *one number* comes out that says how wrong the network was. How?**
#
# Afterwards you will be able to
#
# - give every prior an object or the background, and say what happens when two objects want the same prior;
# - derive the four numbers that a network is asked for, and say what “variances” really are;
# - mine hard negatives, and read the double `argsort` of published code;
# - predict the loss before the first training step, and find the cause of a NaN.
#
# **90 minutes** with the exercises. Before it: notebooks 00 to 02 (corners, IoU, priors), cross entropy and a training loop in PyTorch.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import _utils, ssd300_vgg16

from detlearn import boxes, create_model, load_model, losses, show
from detlearn.boxes import box_iou, cxcywh_to_xyxy, xyxy_to_cxcywh
from detlearn.data import Shapes, collate, data_path
from detlearn.teach.exercises import nb03
from detlearn.teach.prove import prove
from detlearn.training import TrainConfig, train

priors = boxes.make_priors(boxes.SSD_TINY_PRIORS)
print("priors", tuple(priors.shape), "cxcywh, fractions of the image")

# %% [markdown] id="who" slide="slide"
# ## 1 · Who answers for what
#
# A single-shot network makes one statement for each prior: *what is in it*, and *how to move it so that it fits*. The ground truth is a list of objects. So first we must translate: **which prior should have said what?** That is **matching**.
#
# Here is its result for one scene. A prior that answers for an object is a **positive**, drawn in the object's colour; the thousands of others are **negatives**, and should say “background”.

# %% id="a-matched-scene" slide="-"
scenes = [Shapes(length=200)[index] for index in range(200)]
image, target = scenes[9]
# a scene is 128 px wide and high: / 128 makes fractions
found = boxes.match(target["boxes"] / 128, priors)
show.draw_matches(
    image, target["boxes"], priors, found.gt_index, found.forced,
    alt="A scene with its objects dashed and numbered. Around each object "
    "lie the few priors that answer for it, in its colour; one of them is "
    "dotted, the best one, which is forced.")

# %% [markdown] id="four-priors" slide="subslide"
# The smallest example: four priors, the quarters of the image, and three objects (dashed). Object 0 fills most of the first quarter, object 1 most of the last, and the tiny object 2 stands in front of object 1 (sides that are not to be seen lie on the quarters' edges):

# %% id="quarters" slide="-"
quarters = torch.tensor([
    [0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5],
    [0.25, 0.75, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
objects = torch.tensor([
    [0.0, 0.0, 0.5, 0.4], [0.5, 0.55, 1.0, 1.0], [0.6, 0.6, 0.7, 0.7]])
show.draw_boxes(
    torch.ones(3, 100, 100), 100 * cxcywh_to_xyxy(quarters), [1, 2, 3, 4],
    class_names=["", *[f"prior {p}" for p in range(4)]],
    reference=100 * objects, width=3.2,
    alt="A square in four quarters, priors 0 to 3. Dashed: object 0 in "
    "quarter 0, nearly as large; object 1 in quarter 3, nearly as large; "
    "the tiny object 2 in quarter 3, before object 1.")

# %% [markdown] id="check-on-paper" slide="fragment"
# Check the IoU of object 0 on paper: it is 0.5 wide and 0.4 high and lies inside its quarter, so 0.5 · 0.4 / 0.25 = 0.8. Object 2 has 0.1 · 0.1 / 0.25 = 0.04.

# %% id="ious-by-hand" slide="-"
# a row for each object, a column for each prior
box_iou(objects, cxcywh_to_xyxy(quarters)).round(decimals=2)

# %% [markdown] id="two-rules" slide="subslide"
# **Two rules** (Liu et al. 2016, §2.2):
#
# 1. *Read the columns*, one for each prior. A prior takes the object it overlaps most, if their IoU reaches a threshold, 0.5.
# 2. *Read the rows*, one for each object. The best prior of each object is **forced** to take it, however small their IoU. Otherwise object 2, whose best is 0.04, would have no teacher at all.
#
# **Predict** what the four priors get (−1 is nothing). Mind the last one: objects 1 and 2 both want it. Such a prior is **contested**.

# %% id="match-by-loops" slide="-"
def match_by_loops(boxes, priors, threshold=0.5):
    """The object of every prior, -1 for none."""
    owner = [-1] * len(priors)
    if len(boxes) == 0:
        return owner
    table = box_iou(boxes, cxcywh_to_xyxy(priors)).tolist()
    for p in range(len(priors)):  # rule 1: down each column
        column = [row[p] for row in table]
        if max(column) >= threshold:
            owner[p] = column.index(max(column))
    for g, row in enumerate(table):  # rule 2: along each row
        owner[row.index(max(row))] = g
    return owner


match_by_loops(objects, quarters)

# %% [markdown] id="contested" slide="fragment"
# An IoU of 0.04 took the prior away from an IoU of 0.90, and object 1 has lost its only teacher! Only the *order* of the list decided: in published loops the later object overwrites the earlier. “No object is left without a prior” is a promise with a hole. **Measure** how wide it is:

# %% [markdown] id="notes-who" slide="notes"
# > *For the speaker.* Ask why a large object has several priors and a tiny one often a single dotted one. (Measured in object sizes, small priors stand far apart.) Each positive is a teacher: small objects have fewer.

# %% id="how-often-contested" slide="subslide"
def without_teacher(scenes, priors):
    """Per cent of the objects that no prior answers for."""
    lost = total = 0
    for _, target in scenes:
        owner = boxes.match(target["boxes"] / 128, priors).gt_index
        lost += len(target["boxes"]) - len(owner[owner >= 0].unique())
        total += len(target["boxes"])
    return 100 * lost / total


layout = boxes.PriorBox(boxes.SSD_TINY_PRIORS)
coarse = layout.level(layout.config.num_levels - 1).float()  # (P, 4)
fuller = Shapes(length=200, objects=(9, 16))  # more objects in each
fuller = [fuller[index] for index in range(200)]
for some in (priors, coarse):
    ours, full = (without_teacher(s, some) for s in (scenes, fuller))
    print(f"{len(some):4} priors: {ours:.0f} % without a teacher, "
          f"{full:.0f} % in fuller scenes")
assert ours > 5 and full > 15  # the coarsest map alone

# %% [markdown] id="move-matching" slide="subslide"
# ### Predict, then move
#
# Three objects before SSD300's 8,732 priors. Guess first, then move; `moves`, at the end, checks all four answers.
#
# 1. Untick rule 2 (force). How many positives are left, and who has lost its only teacher? How many negatives are mined then? (*Mined* are the negatives that take part in training, here three to each positive; §3 says which and why.)
# 2. Remove all objects. How many negatives are mined?

# %% id="explorer-matching" slide="-" tags=["explorer"]
shapes = torch.cat([t["boxes"] for _, t in scenes])[:900] / 128
show.MatchingExplorer(
    {name: boxes.PRIOR_LAYOUTS[name]
     for name in ("ssd300_voc", "refinedet320", "ssd_tiny")},
    objects=shapes)

# %% [markdown] id="without-loops" slide="subslide"
# Before all priors nobody falls through the hole. Before those of the coarsest map alone, one object in twelve does, and one in five where scenes are fuller: many want the same few. So the promise holds as long as priors are many and objects few.
#
# ### Without loops
#
# Rule 1 is a `max` along the objects. Rule 2 writes: *prior 3 is claimed by object 1; prior 3 is claimed by object 2*. A plain `claims[best] = index` leaves open which write wins, and on a GPU it may be either. `scatter_reduce` with `"amax"` says it: **the largest index, the later object, wins.**

# %% id="claims" slide="-" tags=["teaches:detlearn.boxes.matching:Match"]
class Match(NamedTuple):
    gt_index: Tensor  # (P,) the object, -1 for none
    iou: Tensor  # (P,) with the best object, forced or not
    forced: Tensor  # (P,) taken by rule 2


best_prior = box_iou(objects, cxcywh_to_xyxy(quarters)).argmax(dim=1)
claims = torch.full((4,), -1)
print("objects 0, 1, 2 want priors", best_prior.tolist())
claims.scatter_reduce(0, best_prior, torch.arange(3), "amax")

# %% id="match" slide="subslide" tags=["teaches:detlearn.boxes.matching:match"]
def match(boxes, priors, threshold=0.5, inclusive=True, force=True):
    G, P = len(boxes), len(priors)
    gt_index = torch.full(
        (P,), -1, dtype=torch.int64, device=priors.device)  # (P,)
    forced = torch.zeros(P, dtype=torch.bool, device=priors.device)
    if G == 0:
        return Match(gt_index, priors.new_zeros(P), forced)
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))  # (G, P)
    iou, best_object = overlaps.max(dim=0)
    # > is the paper's word, >= what most code has: ledger, row 3
    positive = iou >= threshold if inclusive else iou > threshold
    gt_index = torch.where(positive, best_object, gt_index)
    if force:
        best_prior = overlaps.argmax(dim=1)  # (G,)
        claims = torch.full_like(gt_index, -1)  # (P,)
        claims = claims.scatter_reduce(
            0, best_prior,
            torch.arange(G, device=claims.device), "amax")  # (P,)
        forced = claims >= 0  # (P,)
        gt_index = torch.where(forced, claims, gt_index)
    return Match(gt_index, iou, forced)


match(objects, quarters)._asdict()

# %% [markdown] id="two-columns" slide="fragment"
# Mind the last prior: `gt_index` gives it object 2, `iou` is its 0.90 with object 1. `iou` always speaks of the *best* object, forced or not.

# %% id="prove-match" slide="-" tags=["prove"]
# random objects; two stand twice in the list: priors ARE contested
_ = torch.manual_seed(3)
size = 0.05 + 0.4 * torch.rand(12, 2)
corner = torch.rand(12, 2) * (1 - size)
crowd = torch.cat([corner, corner + size], dim=1)  # (12, 4)
crowd = torch.cat([crowd, crowd[:2]])  # (14, 4)
ours = match(crowd, priors)
prove("match = the loops", ours.gt_index.tolist(),
      match_by_loops(crowd, priors))
prove("match = the package's", list(ours),
      list(boxes.match(crowd, priors)))
overlaps = box_iou(crowd, cxcywh_to_xyxy(priors))
# torchvision marks "between thresholds" by -2: for us nothing, too
theirs = _utils.SSDMatcher(0.5)(overlaps).clamp(min=-1)
prove("match = torchvision's", ours.gt_index, theirs)
half = torch.tensor([[0.0, 0.0, 1.0, 0.5]])  # two IoUs of exactly 0.5
for case in (objects, half, objects[:0]):  # contested, equal, nothing
    prove(f"the quarters, {len(case)} objects",
          [match(case, quarters).gt_index.tolist(),
           match_by_loops(case, quarters)],
          [boxes.match(case, quarters).gt_index.tolist()] * 2)

# %% [markdown] id="what" slide="slide"
# ## 2 · What it should say
#
# A positive prior should say four numbers that lead from itself to its object. Which four? Take a prior of 20 × 40 px and an object of 40 × 20 px, 2 px further right and 4 px lower:

# %% id="prior-and-object" slide="-"
prior_px = torch.tensor([[30.0, 30.0, 20.0, 40.0]])  # cx cy w h
object_px = torch.tensor([[12.0, 24.0, 52.0, 44.0]])  # x1 y1 x2 y2
show.draw_boxes(
    torch.ones(3, 60, 60),
    torch.cat([cxcywh_to_xyxy(prior_px), object_px]), [6, 1],
    class_names=["", "object", *5 * ["prior"]], width=3.2,
    alt="A tall prior, and a wide object whose centre lies a little "
    "further right and lower.")

# %% [markdown] id="three-wishes" slide="subslide"
# The corners themselves, (12, 24, 52, 44)? A convolution does not know where in the image it is looking: for the same pattern it says the same numbers everywhere. So the numbers must mean the same everywhere:
#
# 1. **In every place:** only the *way* from the prior's centre counts: (2, 4).
# 2. **At every size:** 2 px are much for a box of 20 and nothing for one of 200, in IoU as well. So **divide by the prior's size**: (2/20, 4/40) = (0.1, 0.1). By the prior's, not the object's: when decoding, the object's size is what we do not know.
# 3. **Twice as large is as far as half as large:** the size *ratio*, 40/20 and 20/40, becomes a distance by the **logarithm**: (log 2, −log 2) = (0.69, −0.69). And back, exp makes every number a positive size: a network cannot predict a width of −3.
#
# That is Eq. 2 of the paper (after Girshick et al. 2014, App. C); the numbers are called **deltas**. Published code then divides once more, by two **scales**, 0.1 for centres and 0.2 for sizes; the reason comes next. `decode` goes the way back, from predictions to boxes, with one addition: no size grows by more than a factor of 1000/16 = 62.5 (torchvision's convention), since exp of a large number is infinite (§4). `eps` belongs to RefineDet's code and is 0 here: see the ledger in §5.

# %% id="encode" slide="-" tags=["teaches:detlearn.boxes.coding:encode"]
def encode(boxes, priors, scales=(0.1, 0.2), eps=0.0):
    g = xyxy_to_cxcywh(boxes)
    center = (g[..., :2] - priors[..., :2]) / priors[..., 2:] / scales[0]
    size = torch.log(g[..., 2:] / priors[..., 2:] + eps) / scales[1]
    return torch.cat([center, size], dim=-1)


print("plain:  ", encode(object_px, prior_px, scales=(1, 1)))
print("divided:", encode(object_px, prior_px))

# %% id="decode" slide="-" tags=["teaches:detlearn.boxes.coding:MAX_LOG_SCALE", "teaches:detlearn.boxes.coding:decode"]
MAX_LOG_SCALE = math.log(1000 / 16)


def decode(deltas, priors, scales=(0.1, 0.2), max_log=MAX_LOG_SCALE):
    center = priors[..., :2] + deltas[..., :2] * scales[0] * priors[..., 2:]
    size = priors[..., 2:] * torch.exp(
        (deltas[..., 2:] * scales[1]).clamp(max=max_log))
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


decode(encode(object_px, prior_px), prior_px)

# %% id="prove-coding" slide="subslide" tags=["prove"]
few = priors[torch.randint(len(priors), (14,))]
deltas = encode(crowd, few)
moved = torch.cat([3 * few[:, :2] + 0.5, 3 * few[:, 2:]], dim=1)
prove("moved, three times as large: the same deltas",
      encode(3 * crowd + 0.5, moved), deltas, tolerance=1e-3)
prove("decode undoes encode", decode(deltas, few), crowd, tolerance=1e-5)
prove("encode = the package's", deltas, boxes.encode(crowd, few))
far = torch.randn(14, 4) * 20  # beyond the bound, too
prove("decode = the package's", decode(far, few), boxes.decode(far, few))

coder = _utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
corners = cxcywh_to_xyxy(few)
prove("encode = torchvision's", deltas,
      coder.encode_single(crowd, corners), tolerance=1e-3)
prove("decode = torchvision's", decode(far, few),
      coder.decode_single(far, corners), tolerance=1e-3)

# %% [markdown] id="variances" slide="slide"
# ### “Variances”
#
# torchvision multiplies by (10, 10, 5, 5), Caffe's files say `variance: 0.1 … 0.2`, the paper says nothing, and seven threads ask ([one](https://github.com/pierluigiferrari/ssd_keras/issues/148): “a glaring omission”). Look at what the targets are like.
#
# A prior matched by its IoU has at least 0.5, so its object *cannot* be far. Two boxes of one size, shifted by a part *t* of their width, have IoU (1 − t)/(1 + t), which is 0.5 at t = 1/3. And a side cannot be more than twice as large: |log| ≤ 0.69. All plain targets crowd around zero. `make_targets` puts §1 and §2 together; then **measure** all positives of 200 scenes. (Shaded in the figure: offsets below 1, to which the box loss of §3 is gentle.)

# %% id="make-targets" slide="-" tags=["teaches:detlearn.boxes.matching:Targets", "teaches:detlearn.boxes.matching:make_targets"]
class Targets(NamedTuple):
    labels: Tensor  # (P,) 0 is background
    deltas: Tensor  # (P, 4) zeros where the label is 0


def make_targets(boxes, labels, priors, threshold=0.5,
                 inclusive=True, scales=(0.1, 0.2), eps=0.0):
    gt_index = match(boxes, priors, threshold, inclusive).gt_index
    positive = gt_index >= 0  # (P,)
    target_labels = torch.zeros_like(gt_index)  # (P,)
    target_deltas = torch.zeros_like(priors)  # (P, 4)
    target_labels[positive] = labels[gt_index[positive]].to(torch.int64)
    target_deltas[positive] = encode(
        boxes[gt_index[positive]], priors[positive], scales, eps)
    return Targets(target_labels, target_deltas)


truth = make_targets(target["boxes"] / 128, target["labels"], priors)
prove("make_targets = the package's", list(truth), list(
    boxes.make_targets(target["boxes"] / 128, target["labels"], priors)))

# %% id="spread" slide="subslide"
def positive_deltas(scales, threshold=0.5):
    """The target deltas of all positives of 200 scenes."""
    found = [make_targets(t["boxes"] / 128, t["labels"], priors,
                          threshold, scales=scales) for _, t in scenes]
    return torch.cat([one.deltas[one.labels > 0] for one in found])


def spread(deltas):
    """Standard deviation of the centres and of the log sizes."""
    return deltas[:, :2].std().item(), deltas[:, 2:].std().item()


plain, divided = positive_deltas((1, 1)), positive_deltas((0.1, 0.2))
print("spread of the plain offsets:  centres {:.2f}, log sizes {:.2f}"
      .format(*spread(plain)))
print("divided by 0.1 and by 0.2:    centres {:.1f},  log sizes {:.1f}"
      .format(*spread(divided)))
assert all(1 < s < 1.6 for s in spread(divided))
show.draw_target_spread(
    plain, divided, alt="Histograms of dx, dy, dw, dh. Plain, they are "
    "spikes around zero, narrower for dx and dy; divided by 0.1 and 0.2, "
    "all four spread over a few units, most of it within ±2.")

# %% [markdown] id="what-variances-are" slide="fragment"
# **The scales are about the spread that the targets have**; on Shapes the divided targets spread by 1.2 to 1.3. Without them, a network that always says 0, “the prior is right as it is”, would have next to no box loss, and the class loss would drown it.
#
# Where matching is more generous, targets spread more. **On your own data: measure.**
#
# <details><summary>Why the name “variances” is off</summary>
#
# For a bell curve of standard deviation σ, the negative log-likelihood of an error *e* is, up to a constant, *e*²/(2σ²) = (*e*/σ)²/2: divide by σ first, then square. The scales are what we divide by, so 0.1 and 0.2 are *standard deviations*; the variances would be 0.01 and 0.04.
#
# </details>

# %% id="spread-and-threshold" slide="-"
generous = positive_deltas((0.1, 0.2), threshold=0.4)
more = [g / d for g, d in zip(spread(generous), spread(divided))]
print("threshold 0.4: centres spread {:.1f} times as much, "
      "log sizes {:.1f} times".format(*more))
assert min(more) > 1

def loss_of_zeros(wanted):
    """Box loss of a network that leaves every prior as it is."""
    # smooth L1: its formula stands in §3
    total = F.smooth_l1_loss(wanted, 0 * wanted, reduction="sum")
    return total.item() / len(wanted)

print(f"always 0 costs: plain {loss_of_zeros(plain):.2f}, "
      f"divided {loss_of_zeros(divided):.1f}")
assert 10 * loss_of_zeros(plain) < loss_of_zeros(divided)

# %% [markdown] id="notes-variances" slide="notes"
# > *For the speaker.* Let the room guess the spread before the figure. Then ask what a threshold of 0.3 would do to it. (Widen it.) Nobody has to keep the two numbers, but encode and decode must use the same.

# %% [markdown] id="loss" slide="slide"
# ## 3 · How wrong it was
#
# A prior's statement has two parts, and so has the loss. For the **class**: cross entropy, −log of the probability that the right class got. For the **box**: *smooth L1* (a gentle square, its formula comes below), summed over the four deltas, of positives only; a background prior has no box to be right about.
#
# The trouble is the class part. Count:

# %% id="imbalance" slide="-"
positive = truth.labels > 0  # (P,)
share = positive.float().mean().item()
print(f"{int(positive.sum())} of {len(priors)} priors are positive: "
      f"{share:.1%}")
print(f"“background, always” is right for {1 - share:.1%} of them")
assert share < 0.02

# %% [markdown] id="hard-negatives" slide="subslide"
# A network taught with all priors learns to say “background, always”, and has nearly no loss. SSD's answer is **hard negative mining**: of the negatives, teach only those that the network gets *most wrong*, three to every positive. They change at every step.
#
# Five priors; the first is a positive. Keep the two hardest negatives. `topk` does it: positives cannot win (−inf), take the best places, write True there.

# %% id="topk-by-hand" slide="-"
loss = torch.tensor([0.9, 0.1, 0.4, 0.2, 0.3])
labels = torch.tensor([7, 0, 0, 0, 0])
candidates = loss.masked_fill(labels > 0, -torch.inf)
hardest = candidates.topk(2).indices
print("the hardest two:", hardest.tolist())
torch.zeros(5, dtype=torch.bool).scatter(0, hardest, True)

# %% [markdown] id="double-argsort" slide="subslide"
# ### Why does published code sort twice?
#
# Nine threads ask, one under the title “Possible bug?” ([ssd.pytorch #43](https://github.com/amdegroot/ssd.pytorch/issues/43)). There is no bug:
#
# - `order` answers *who is on place 0, 1, 2 …?*
# - `rank` answers *on which place is prior 0, 1, 2 …?* That is the inverse question, and the inverse of a permutation is its own `argsort`.
#
# Then `rank < 2` is the mask. Follow prior 2 through both lines:

# %% id="order-and-rank" slide="-"
order = candidates.argsort(descending=True)
rank = order.argsort()
print("order", order.tolist(), "| rank", rank.tolist())
assert (order[rank] == torch.arange(5)).all()  # inverse of each other
print("mask ", (rank < 2).tolist())

# %% [markdown] id="mask-text" slide="subslide"
# `topk` returns the beginning of `order`; writing True *at* its entries is the same inversion, without the second sort. In a batch, each image mines its own number. `topk` needs one number for all, so M is the largest; `chosen` is True for each image's first `num_mined` places only. (An infinite ratio means all negatives: `min(ratio, P)`.)

# %% id="hard-negative-mask" slide="-" tags=["teaches:detlearn.losses:hard_negative_mask"]
def hard_negative_mask(class_loss, target_labels, ratio=3.0):
    P = class_loss.shape[1]
    negative = target_labels == 0  # (B, P)
    num_positive = (target_labels > 0).sum(dim=1, keepdim=True)  # (B, 1)
    num_negative = negative.sum(dim=1, keepdim=True)  # (B, 1)
    ratio = min(ratio, P)
    num_mined = torch.minimum(
        (ratio * num_positive).long(), num_negative)  # (B, 1)
    # to choose is no part of the gradient: detach
    candidates = class_loss.detach().masked_fill(~negative, -torch.inf)
    M = int(num_mined.max())
    hardest = candidates.topk(M, dim=1).indices  # (B, M)
    chosen = torch.arange(M, device=hardest.device) < num_mined
    return torch.zeros_like(negative).scatter(1, hardest, chosen)


hard_negative_mask(loss[None], labels[None], ratio=2)

# %% id="prove-mining" slide="subslide" tags=["prove"]
def mask_by_ranks(class_loss, target_labels, ratio=3):
    """As published: positives count as 0, sort twice."""
    shown = class_loss.masked_fill(target_labels > 0, 0.0)
    rank = shown.argsort(dim=1, descending=True).argsort(dim=1)
    wanted = ratio * (target_labels > 0).sum(dim=1, keepdim=True)
    return rank < wanted


torch.manual_seed(0)
many = torch.rand(8, 500)  # losses of 8 images
few_labels = (torch.rand(8, 500) < 0.1).long()  # a tenth positive
ours = hard_negative_mask(many, few_labels)
prove("topk = the double argsort", ours, mask_by_ranks(many, few_labels))
prove("mining = the package's", ours,
      losses.hard_negative_mask(many, few_labels))
prove("three to a positive", ours.sum(dim=1), 3 * few_labels.sum(dim=1))

# %% [markdown] id="where-they-differ" slide="subslide"
# “The same” has two exceptions. **Ties**: of equal losses, either may be taken; number and sum stay the same. **Positives run into**: if three times the positives exceed the negatives, the ranking has no negatives left and goes on into the *positives*. A loss that then adds both masks counts them twice: uvipen's, NVIDIA's ([#948](https://github.com/NVIDIA/DeepLearningExamples/issues/948)) and torchvision's do; M2Det and RefineDet join the masks by “or”.

# %% id="ties-and-runs" slide="-" tags=["prove"]
ties = torch.ones(1, 40)
one = torch.zeros(1, 40, dtype=torch.int64)
one[0, 7] = 1
prove("ties: as many, and the same sum",
      [(ties * hard_negative_mask(ties, one)).sum()],
      [(ties * mask_by_ranks(ties, one)).sum()])

crowded = torch.tensor([[1, 1, 1, 1, 0]])  # 4 positives, 1 negative
alike = torch.tensor([[0.5, 0.6, 0.7, 0.8, 0.9]])
for mask in (hard_negative_mask, mask_by_ranks):
    print(f"{mask.__name__:19}", mask(alike, crowded).int().tolist()[0])

# %% [markdown] id="what-is-hard" slide="subslide"
# Now with a trained network (it was taught with a lower threshold, 0.4). **Predict:** where in the scene do the hardest negatives lie?

# %% id="mining-in-a-scene" slide="-"
model = load_model(data_path("weights", "ssd_tiny.safetensors"))
with torch.inference_mode():
    logits, _ = model(model.normalize(image[None]))
told = make_targets(target["boxes"] / 128, target["labels"], priors,
                    model.config.match_threshold).labels  # (P,)
class_loss = F.cross_entropy(logits[0], told, reduction="none")
mined = hard_negative_mask(class_loss[None], told[None])[0]
show.draw_mining(
    class_loss, told, mined, shown=180,
    alt="Bars of class losses: a few positives, then the negatives from "
    "the hardest down. The first of them are mined; the loss falls fast, "
    "and thousands of ignored ones have nearly none.")

# %% id="hard-negatives-in-the-scene" slide="fragment"
hardest = class_loss.masked_fill(~mined, -1).topk(8).indices
where = cxcywh_to_xyxy(priors[hardest]) * 128
near = box_iou(where, target["boxes"]).amax(dim=1)
print(int((near > 0.1).sum()), "of 8 overlap an object, and none by",
      f"{model.config.match_threshold}")
assert (near > 0.1).sum() > 4
assert near.max() < model.config.match_threshold
show.draw_boxes(
    image, where, reference=target["boxes"],
    alt="The eight hardest negatives of the scene, most of them beside or "
    "across an object, overlapping it too little to be matched.")

# %% [markdown] id="move-mining" slide="subslide"
# ### Predict, then move
#
# Sixteen priors, two of them positive; their losses are sorted below.
#
# 3. Move the ratio from 3 to 3.25. How many more are mined?
# 4. Ratio 10: how many are mined? And when the positives are ranked, too, as in published code?

# %% id="explorer-mining" slide="-" tags=["explorer"]
show.HardNegativesExplorer()

# %% [markdown] id="near-misses" slide="fragment"
# Near misses: priors that see most of an object, with an IoU just below the threshold. The empty background was learned long ago.
#
# ### Smooth L1, and the whole loss
#
# An error *e* of one delta costs *e*²/2 if |*e*| < 1, and |*e*| − ½ otherwise; at 1 both give ½. Why not simply the square? The pull on the network is the slope: a square's grows with *e*, so that one wild target outweighs all others; here it is never more than 1. By hand: 2 costs 2 − ½ = 1.5 (a square: 2), and 0.5 costs 0.125.

# %% id="smooth-l1-by-hand" slide="-"
error = torch.tensor([2.0, 0.5, 0.0, 0.0])
F.smooth_l1_loss(error, torch.zeros(4), reduction="none")

# %% [markdown] id="loss-text" slide="subslide"
# The whole loss (Eq. 1 to 3) is called **MultiBox**, after an older detector that also learned many boxes at once. Four steps: the box loss of the positives; the class loss of everybody; mining; and at last, dividing by **N, the number of positives**. Every positive pays for itself and for three negatives, so the loss has the same size for one object or forty. (The package also checks its input. A label of −1 takes no part; RefineDet will need it in 07.)
#
# Two helpers first. Networks often compute in half precision (16 bits), whose largest number is 65,504. A sum over thousands of priors leaves it, so the loss widens its input to 32 bits; §4 shows what happens otherwise. And `count_positives` is the sum, at least 1; on several GPUs (05), where each sees a share of the batch, it lets all divide by the same N.

# %% id="float32" slide="-" tags=["teaches:detlearn.losses:upcast"]
def upcast(values):
    return values if values.dtype == torch.float64 else values.float()


count_positives = losses.count_positives
print(upcast(torch.ones(1).half()).dtype,
      count_positives(torch.tensor([3, 0, 4])))
assert count_positives(torch.tensor([0, 0])) == 1

# %% id="multibox-loss" slide="-" tags=["teaches:detlearn.losses:multibox_loss"]
def multibox_loss(logits, deltas, target_labels, target_deltas,
                  negative_ratio=3.0, normalizer="batch"):
    B, P, _ = logits.shape
    target_labels = target_labels.long()
    positive = target_labels > 0  # (B, P)
    error = upcast(deltas) - upcast(target_deltas)  # (B, P, 4)
    error = torch.where(positive[..., None], error, 0.0)
    box_loss = F.smooth_l1_loss(
        error, torch.zeros_like(error), reduction="none")  # (B, P, 4)
    box_loss = box_loss.sum(dim=(1, 2))  # (B,)
    class_loss = F.cross_entropy(upcast(logits).flatten(0, 1),
        target_labels.flatten(), ignore_index=-1, reduction="none")
    class_loss = class_loss.view(B, P)
    mined = hard_negative_mask(class_loss, target_labels, negative_ratio)
    class_loss = (class_loss * (positive | mined)).sum(dim=1)  # (B,)
    num_positive = positive.sum(dim=1)  # (B,)
    if normalizer == "image":
        num_positive = num_positive.clamp(min=1)
        box, classification = ((box_loss / num_positive).mean(),
                               (class_loss / num_positive).mean())
    else:
        total = count_positives(num_positive)
        box, classification = (box_loss.sum() / total,
                               class_loss.sum() / total)
    return {"bbox_regression": box, "classification": classification}

# %% id="loss-by-hand" slide="subslide" tags=["prove"]
# One positive of five, two classes, all logits equal: by hand
labels = torch.tensor([[1, 0, 0, 0, 0]])
wanted = torch.zeros(1, 5, 4)
wanted[0, 0] = torch.tensor([2.0, 0.5, 0.0, 0.0])
by_hand = {"bbox_regression": 1.5 + 0.125,
           "classification": 4 * math.log(2)}
prove("the loss, by hand", multibox_loss(
    torch.zeros(1, 5, 2), torch.zeros(1, 5, 4), labels, wanted),
    by_hand, tolerance=1e-6)

torch.manual_seed(1)
four = scenes[:4]
truths = [make_targets(t["boxes"] / 128, t["labels"], priors)
          for _, t in four]
label_batch, delta_batch = (torch.stack(part) for part in zip(*truths))
logits = torch.randn(4, len(priors), 9)
deltas = torch.randn(4, len(priors), 4)
batch = (logits, deltas, label_batch, delta_batch)
for rule in ("batch", "image"):
    prove(f"the package's, normalizer={rule!r}",
          multibox_loss(*batch, normalizer=rule),
          losses.multibox_loss(*batch, normalizer=rule), tolerance=1e-5)

# %% id="prove-torchvision" slide="-" tags=["prove"]
# torchvision matches, encodes, mines and sums with its own code
with torch.device("meta"):
    network = ssd300_vgg16(weights=None, weights_backbone=None)
theirs = network.compute_loss(
    [{"boxes": t["boxes"] / 128, "labels": t["labels"]} for _, t in four],
    {"bbox_regression": deltas, "cls_logits": logits},
    [cxcywh_to_xyxy(priors)] * 4,
    [match(t["boxes"] / 128, priors).gt_index for _, t in four])
prove("the loss = torchvision's", multibox_loss(*batch), theirs,
      tolerance=1e-3)

# %% [markdown] id="normaliser" slide="subslide"
# ### Whose N?
#
# The paper has one N for the batch. uvipen/SSD-pytorch (after NVIDIA) divides *each image* by its own positives and then takes the mean. Take two images: one positive that costs 10, and nine positives that cost 1 each. With “image”, the lone object weighs as much as the nine together, and an image without any drags the mean down. Neither is wrong; but learning rates do not carry over.

# %% id="whose-n" slide="-"
sums, count = torch.tensor([10.0, 9.0]), torch.tensor([1, 9])
print(f"batch: {sums.sum() / count.sum():.2f}")
print(f"image: {(sums / count).mean():.2f}")
for n in count.tolist():
    print(f"an image with {n}: each weighs 1/10, or 1/2 of 1/{n}")

# %% [markdown] id="step-zero" slide="slide"
# ### The loss before the first step
#
# **Predict, on paper.** A fresh network knows nothing: all K logits are about equal, so every prior that counts costs log K. A positive brings three negatives: **4 · log K**. For the boxes it says about 0: the loss is the smooth L1 of the targets themselves. For Shapes K = 9, so 4 · 2.197 = 8.79; for COCO (81) 17.6; for VOC (21) 12.2.

# %% id="predicted-and-measured" slide="-"
images, targets = collate(scenes[:16])
torch.manual_seed(0)
fresh = create_model("ssd_tiny").eval()
inputs = fresh.normalize(images)  # (B, 3, H, W)
with torch.inference_mode():
    measured = fresh.loss(fresh(inputs), targets)

found = [make_targets(t["boxes"] / 128, t["labels"], priors,
                      fresh.config.match_threshold) for t in targets]
wanted = torch.cat([one.deltas[one.labels > 0] for one in found])
predicted = {"classification": 4 * math.log(9),
             "bbox_regression": loss_of_zeros(wanted)}
for part, value in predicted.items():
    print(f"{part:15} predicted {value:.1f}, measured "
          f"{measured[part].item():.1f}")
    assert 0.95 < measured[part].item() / value < 1.2

# %% [markdown] id="notes-step-zero" slide="notes"
# > *For the speaker.* The cheapest test of a detector: one forward pass. Whoever gets 0.02 divides by the priors; whoever gets 300 forgot to divide. Let the room compute 4 log K for their own number of classes.

# %% [markdown] id="why-not-exactly" slide="fragment"
# Near, and for the classes *above*: random weights have weak opinions, and mining picks the negatives where they are wrong. (In training mode BatchNorm makes opinions stronger: a first loss twice as large is normal.) Take the opinions away, all weights of the heads zero, and the prediction must be exact:

# %% id="silent-heads" slide="-" tags=["prove"]
for parameter in fresh.head.parameters():
    nn.init.zeros_(parameter)
with torch.inference_mode():
    silent = fresh.loss(fresh(inputs), targets)
prove("silent heads: 4 log 9, and the targets' own size", silent,
      predicted, tolerance=1e-3)

# %% [markdown] id="nan-lab" slide="slide"
# ## 4 · The NaN lab
#
# “My loss is nan”: some twenty threads, many answered by “lower the learning rate”. That is one of *four* causes. Each takes a few lines to make, and each has a guard.
#
# **Cause 1, boxes without area** ([lufficc #95](https://github.com/lufficc/SSD/issues/95): xmin > xmax; [qfgaohao #91](https://github.com/qfgaohao/pytorch-ssd/issues/91): xmin = xmax). The logarithm of 0 is −inf, that of a negative number NaN. “No prior will match it”, one hopes; but rule 2 *forces* one: with an IoU of 0 everywhere, the best is the first in the list.

# %% id="nan-area" slide="-"
flat = torch.tensor([[40.0, 20.0, 40.0, 60.0]])  # xmin = xmax
turned = torch.tensor([[80.0, 20.0, 40.0, 60.0]])  # xmin > xmax
for box in (flat, turned):
    sick = make_targets(box / 128, torch.tensor([1]), priors)
    taught = sick.labels.nonzero()[:, 0].tolist()
    print("prior", taught, "dw =", sick.deltas[taught, 2].item())
try:
    boxes.check_boxes(flat, size=(128, 128), name="street_7.jpg")
except ValueError as error:
    print("guard:", error)

# %% [markdown] id="nan-no-positives" slide="subslide"
# **Cause 2, nobody is positive.** N = 0, and 0 / 0 is NaN. An image without objects does it; more often somebody numbers the classes from 0 ([qfgaohao #122](https://github.com/qfgaohao/pytorch-ssd/issues/122)), and every object *is* background. Two guards: N is at least 1 (paper: “if N = 0, the loss is 0”), and label 0 is refused.

# %% id="nan-zero-labels" slide="-" tags=["prove"]
nobody = make_targets(objects, torch.tensor([0, 0, 0]), priors)
positives = (nobody.labels > 0).sum()
print("unguarded:", (torch.tensor(0.0) / positives).item())
without = (logits[:1], deltas[:1], nobody.labels[None],
           nobody.deltas[None])
calm = multibox_loss(*without)
print("N >= 1:   ", [value.item() for value in calm.values()])
prove("and so the package's", calm, losses.multibox_loss(*without))
try:
    boxes.check_boxes(objects, torch.tensor([0, 0, 0]), name="cat.jpg")
except ValueError as error:
    print("guard:", error)

# %% [markdown] id="nan-overflow" slide="subslide"
# **Cause 3, exp and half precision.** float16 ends at 65,504. There exp(12) is infinite and inf / inf is NaN, and the losses of two images of 8,732 priors do not even add up. (float32 has its end, too, at exp(89).) Guards: cross entropy subtracts each row's maximum first, `upcast` widens, `decode` has its bound.

# %% id="nan-half" slide="-"
sure = torch.tensor([12.0, 0.0]).half()
print("exp / sum:  ", (sure.exp() / sure.exp().sum()).tolist())
print("softmax:    ", sure.softmax(dim=0).float().round().tolist())
costs = torch.full((2 * 8732,), math.log(81))
print("sum in half:", costs.half().sum().item(),
      "| in float32:", round(costs.sum().item(), -2))
wild = torch.tensor([[0.0, 0.0, 600.0, 0.0]])
unbound = decode(wild, few[:1], max_log=math.inf)
print("finite box: ", bool(unbound.isfinite().all()), "without a bound,",
      bool(decode(wild, few[:1]).isfinite().all()), "with it")

# %% [markdown] id="nan-steps" slide="subslide"
# **Cause 4, steps too large** ([RefineDet #58](https://github.com/sfzhang15/RefineDet/issues/58): “the pace of learning is too big”). Here the loss first *grows*, from step to step; causes 1 and 2 strike at once. Guard: the course's loop looks at every loss before it does harm, and names the images of the batch, so that you can look at *them*.

# %% id="nan-learning-rate" slide="-" tags=["nbval-ignore-output"]
def losses_of(learning_rate, steps=12):
    torch.manual_seed(0)
    student = create_model("ssd_tiny")
    optimizer = torch.optim.SGD(student.parameters(), learning_rate)
    history = []
    for _ in range(steps):
        parts = student.loss(student(inputs[:8]), targets[:8])
        loss = sum(parts.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


# absurd on purpose, so that every machine shows it within a few steps;
# a rate of 10 diverges as well, and takes more of them
calm, wild = losses_of(0.05), losses_of(1e6)
for name, history in (("0.05", calm), ("1e6 ", wild)):
    print(name, *[f"{loss:.0e}" for loss in history])
assert calm[-1] < 0.6 * calm[0]
assert wild[1] > 100 * wild[0] and min(wild[1:]) > 100 * calm[-1]

# %% [markdown] id="huge-but-finite" slide="fragment"
# With the absurd rate the loss is *huge, but finite* after twelve steps: BatchNorm divides by the spread of its input, so that even absurd weights give finite maps. Nothing is learned any more, and no check for NaN would notice. The next cell goes on until it is no number: the course's loop has a weight decay of 0.0005, too, and 1 − 0.0005 · 10⁶ multiplies every weight by −499, step after step.

# %% id="nan-check-finite" slide="-"
reckless = TrainConfig(
    epochs=12, batch_size=8, optimizer="sgd", learning_rate=1e6,
    warmup_steps=0, schedule="constant", clip_norm=math.inf)
_ = torch.manual_seed(0)
try:
    train(create_model("ssd_tiny"), scenes[:8], reckless,
          device="cpu", progress=False)
except FloatingPointError as error:
    message = str(error)
print("stopped:", "the loss is not a number" in message)
print(message[message.index("Images"):message.index("Usual")])

# %% [markdown] id="notes-nan" slide="notes"
# > *For the speaker.* In practice: NaN in the first batch, or suddenly in some later one, means 1 or 2 (data); NaN only with mixed precision means 3; a loss that climbs first means 4.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 5 · Your turn
#
# ### Paper ↔ code
#
# A reference: skip it the first time. uvipen (SSD-pytorch), M2Det and RefineDet (here RefineDet.PyTorch) are published PyTorch detectors.
#
# | what | paper | published code | here | proof |
# |--|--|--|--|--|
# | scales | Eq. 2 has none | 0.1 and 0.2, called “variances” | `scales` | §2 |
# | log of the size | log(g / d) | RefineDet adds 1e-5 inside the log, and never takes it away | `eps=0` | below, 1 |
# | threshold | above 0.5 | uvipen has >; torchvision, RefineDet and M2Det have ≥ | `inclusive` chooses | below, 2 |
# | forced | each object's best prior | its IoU is set to 2, so that the threshold spares it; the later object wins | `"amax"` | §1 |
# | negatives | at most 3 : 1 | a review of M2Det says “all others are negative”, but only the mined are taught | a mask | §3 |
# | no objects | – | RefineDet raises `IndexError`; M2Det invents a box of zeros | `G = 0` is legal | §1, below 3 |
# | labels | 0 is background | RefineDet's data count from 0, and its matching adds 1 | 0 is refused | §4, 2 |
# | class loss | softmax loss | M2Det and RefineDet subtract the maximum of the *batch* before exp | that of the row | below, 4 |
# | mining | negatives only | all priors are ranked; uvipen and torchvision may count positives twice | negatives only | §3, clinic |
# | N | of the batch; N = 0 gives 0 | N = 0 gives NaN in RefineDet; M2Det has N ≥ 1; uvipen counts per image | `normalizer` | §3, §4 |
# | “why `float()`?” | – | uvipen's loss, an open question in its tutorial | `upcast` | §4, 3 |
# | layout | – | uvipen has (B, 4, P), hence its `transpose` | (B, P, 4) | below, 5 |
#
# The review also says that M2Det has mining *instead of* a score threshold. Mining belongs to training, the threshold to detection.

# %% id="ledger-cells" slide="subslide" tags=["ledger"]
# 1: RefineDet's eps is a bias of 1e-5, for every box
biased = decode(encode(crowd, few, eps=1e-5), few)
grown = (xyxy_to_cxcywh(biased) - xyxy_to_cxcywh(crowd))[:, 2:]
prove("1: too large by 1e-5 of the prior",
      (grown / few[:, 2:]).mean(), 1e-5, tolerance=3e-6)

# 2: an object with an IoU of exactly 0.5 with two quarters
for inclusive in (True, False):
    owner = match(half, quarters, inclusive=inclusive).gt_index
    print("2:", ">=" if inclusive else "> ", owner.tolist())

# 3: what published matching does with an empty target
try:
    box_iou(objects[:0], cxcywh_to_xyxy(quarters)).max(dim=0)
except IndexError as error:
    print("3: IndexError,", str(error).split(":")[0])

# %% id="ledger-log-sum-exp" slide="fragment" tags=["ledger"]
# 4: two negatives; the second is the hardest there can be, gets
# -inf, and will never be mined (ssd.pytorch, thread 483)
rows = torch.tensor([[200.0, 0.0], [0.0, 90.0]])
top = rows.max()  # of the batch, not of the row
sick = (rows - top).exp().sum(dim=1).log() + top - rows[:, 0]
right = F.cross_entropy(rows, torch.tensor([0, 0]), reduction="none")
print("4: minus the batch's maximum:", sick.tolist())
print("   minus the row's:          ", right.tolist())

# 5: the transposed layout holds the same loss
turned = F.smooth_l1_loss(deltas.transpose(1, 2),
                          delta_batch.transpose(1, 2))
same = torch.isclose(turned, F.smooth_l1_loss(deltas, delta_batch))
print("5: transposed, the same loss:", bool(same))

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb03.encode_boxes.hint()` helps. Write without scrolling up.
#
# 1. `encode_boxes`: deltas of boxes (corners) from priors (cxcywh), scales 0.1 and 0.2. It works when a box equal to its prior gives zeros.
# 2. `match_priors`: from the IoU table (G, P) to each prior's object, −1 for none. Rule 1 with ≥; rule 2 after it, and of two objects that want one prior the *later* wins. It works when no object is left out, unless its prior was contested.
# 3. `mine_negatives`: the mask (P,) of one image, `ratio` negatives per positive, never more than there are. It works when no positive is in it.
# 4. `loss_at_start`: the class loss of a batch before the first step, all logits equal: three negatives to a positive, as far as the image has them, divided by N of the whole batch, at least 1. A batch without positives gives 0. It works when 1 positive among thousands and 9 classes give 8.79.
# 5. `normalise`: losses summed image by image and their numbers of positives, to one number, as “batch” or “image” (§3). What you divide by is at least 1: the batch's total, or each image's number. It works when nothing but zeros gives 0.

# %% id="exercise-encode-boxes" slide="skip" tags=["exercise"]
def encode_boxes(boxes, priors):
    """Deltas (N, 4) that lead from each prior to its box."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    cx, cy, w, h = priors.unbind(-1)
    ...
    return None

nb03.encode_boxes.check(encode_boxes)

# %% id="exercise-match-priors" slide="skip" tags=["exercise"]
def match_priors(overlaps, threshold):
    """The object of each prior (P,), from the IoU table (G, P)."""
    iou, best_object = overlaps.max(dim=0)
    ...
    return None

nb03.match_priors.check(match_priors)

# %% id="exercise-mine-negatives" slide="skip" tags=["exercise"]
def mine_negatives(class_loss, labels, ratio):
    """The hardest negatives of one image, a mask (P,)."""
    negative = labels == 0
    ...
    return None

nb03.mine_negatives.check(mine_negatives)

# %% id="exercise-loss-at-start" slide="skip" tags=["exercise"]
def loss_at_start(positives, num_priors, num_classes):
    """Class loss of a batch; positives: a list, one number an image."""
    chosen = 0
    for number in positives:
        ...
    return None

nb03.loss_at_start.check(loss_at_start)

# %% id="exercise-normalise" slide="skip" tags=["exercise"]
def normalise(sums, positives, how):
    """Losses (B,) and positives (B,) to one number."""
    ...

nb03.normalise.check(normalise)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# Tasks 1 and 2 stand in §1 (matching), 3 and 4 in §3 (mining).
# A tuple such as ((12, 30), 5, 2, (8, 9)), made up here:
# (positives, mined), mined, how many more, (mined, mined).
# Who has lost its only teacher is not checked.
moves = ...

nb03.moves.check(moves)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the fourth.
#
# **Patient 1.** “On crowded pictures with few priors my loss is far too high; on others it is right.”
#
# <details><summary>Diagnosis</summary>
#
# Positives are mined: their loss was set to 0 before ranking, so they come last, but when the negatives run out they come all the same; and `+` counts them twice. Two cures in one line: rank only negatives, join by “or”.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_class_loss(class_loss, labels):
    chosen = (labels > 0).float() + mask_by_ranks(class_loss, labels)
    return (class_loss * chosen).sum() / (labels > 0).sum()


even = torch.full((1, 5), math.log(2))
for case in ([1, 0, 0, 0, 0], [1, 1, 1, 1, 0]):
    sick = sick_class_loss(even, torch.tensor([case]))
    print(case, f"{sick / math.log(2):.2f} log 2")

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** “Large objects are found, the smallest never.”
#
# <details><summary>Diagnosis</summary>
#
# The threshold comes *after* forcing and takes away what forcing gave: the IoU of a forced prior is still small. The published loops set it to 2 for exactly this reason.
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_match(boxes, priors, threshold=0.5):
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))
    iou, owner = overlaps.max(dim=0)
    # forced, by an indexed write, as published (on a CPU the last wins)
    owner[overlaps.argmax(dim=1)] = torch.arange(len(boxes))
    owner[iou < threshold] = -1
    return owner


small = objects[[0, 2]]  # the second has an IoU of 0.04
print("sick:", sick_match(small, quarters).tolist())
print("ours:", match(small, quarters).gt_index.tolist())

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** “The loss falls, all centres are right, discs are found well; tall things get wide boxes.”
#
# <details><summary>Diagnosis</summary>
#
# Width and height are swapped in `encode`, not in `decode`. The network learns what it is told, so *no loss shows it*. For squares nothing changes. A round trip shows it at once: test `decode(encode(b)) == b` with boxes that are not square.
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
def sick_encode(boxes, priors):
    deltas = encode(boxes, priors)
    return deltas[..., [0, 1, 3, 2]]


square = torch.tensor([[40.0, 40.0, 60.0, 60.0]])
prior = torch.tensor([[50.0, 50.0, 20.0, 20.0]])
for box in (square, torch.tensor([[45.0, 30.0, 55.0, 70.0]])):
    back = decode(sick_encode(box, prior), prior)
    print(box[0].tolist(), "->", back[0].round().tolist())

# %% [markdown] id="clinic-4" slide="subslide" tags=["clinic"]
# **Patient 4.** “My loss starts at 0.03 and hardly moves. Then it must be nearly perfect?”
#
# <details><summary>Diagnosis</summary>
#
# The mean over *all* priors instead of the sum over N: most of them count as 0. Expected is 4 log 9 = 8.79; this is smaller by positives / priors, and so are all gradients. Step 0 tells, before any training.
#
# </details>

# %% id="clinic-4-symptom" slide="-" tags=["clinic"]
def sick_mean(logits, labels):
    loss = F.cross_entropy(logits, labels, reduction="none")
    mined = hard_negative_mask(loss[None], labels[None])[0]
    return (loss * ((labels > 0) | mined)).mean()


equal = torch.zeros(len(priors), 9)
sick = sick_mean(equal, truth.labels)
print(f"{sick:.2f} instead of {4 * math.log(9):.2f}")
assert sick < 0.02 * 4 * math.log(9)

# %% id="clinic-1-3-4-cure" slide="skip" tags=["clinic", "prove"]
crowded = torch.tensor([[1, 1, 1, 1, 0]])
chosen = (crowded > 0) | hard_negative_mask(even, crowded)
prove("patient 1 is cured: 5 log 2 / 4", (even * chosen).sum() / 4,
      5 * math.log(2) / 4, tolerance=1e-6)

tall = torch.tensor([[45.0, 30.0, 55.0, 70.0]])
prove("patient 3 is cured", decode(encode(tall, prior), prior), tall,
      tolerance=1e-3)

cured = multibox_loss(equal[None], torch.zeros(1, len(priors), 4),
                      truth.labels[None], truth.deltas[None])
prove("patient 4 is cured", cured["classification"],
      4 * math.log(9), tolerance=1e-4)

# %% id="clinic-2-cure" slide="skip" tags=["clinic", "prove"]
def cured_match(boxes, priors, threshold=0.5):
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))
    iou, owner = overlaps.max(dim=0)
    owner[iou < threshold] = -1  # first the threshold, then force
    claims = torch.full_like(owner, -1).scatter_reduce(
        0, overlaps.argmax(dim=1), torch.arange(len(boxes)), "amax")
    return torch.where(claims >= 0, claims, owner)


prove("patient 2 is cured", cured_match(small, quarters),
      match(small, quarters).gt_index)

# %% [markdown] id="quiz" slide="subslide"
# ### Quiz: true or false?
#
# Write seven letters down, then run the next cell, then open the answers.
#
# 1. Every object has at least one positive prior.
# 2. A positive prior may have an IoU of 0.04 with its object.
# 3. Scales of 0.1 and 0.2 bound the offsets a network can predict.
# 4. Which negatives are taught changes from step to step.
# 5. An image without objects teaches the network what background looks like.
# 6. Twice the batch gives twice the loss.
# 7. With nine classes, a class loss of about 8.8 at step 0 is a good sign.
#
# <details><summary>Answers</summary>
#
# 1. False: a contested prior goes to the later object, and the earlier one may have no other.
# 2. True: a forced one may have any IoU.
# 3. False: they are units, not limits. Only exp has a bound.
# 4. True: the hardest are chosen at every step, by the current losses.
# 5. False: three times zero positives is zero negatives; its loss is 0.
# 6. False: N grows with it.
# 7. True: it is what ignorance costs, 4 log 9.
#
# </details>

# %% id="quiz-evidence" slide="-"
found = match(objects, quarters)
print("1. objects with a prior:", found.gt_index.unique()[1:].tolist())
tiny = box_iou(objects, cxcywh_to_xyxy(quarters))[2, 3].item()
print(f"2. object 2 and its prior: IoU {tiny:.2f}")
far = torch.tensor([[50.0, 0.0, 0.0, 0.0]])
far = xyxy_to_cxcywh(decode(far, quarters[:1]))[0, 0].item()
print(f"3. a centre moved from 0.25 to {far:.2f}: outside the image")
masks = [hard_negative_mask(now, few_labels) for now in (many, 1 - many)]
print("4. other losses, the same negatives:", masks[0].equal(masks[1]))
print("5. the loss without objects:", sum(
    part.item() for part in multibox_loss(*without).values()))
twice = multibox_loss(*(torch.cat([part, part]) for part in batch))
once = multibox_loss(*batch)["classification"]
print(f"6. twice the batch: {twice['classification'] / once:.2f} times")
print(f"7. 4 log 9 = {4 * math.log(9):.2f}")

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Match**: a prior takes its best object from IoU 0.5 on; each object forces its best prior; of two claims the later wins.
# - **Encode**: the way between centres in units of the *prior*, the *log* of the size ratio, divided by the spread that such targets have.
# - **Mine**: the hardest negatives, three to a positive; `topk` is the double `argsort`, without its two traps.
# - **N** is the number of positives. At step 0 expect **4 log K** for the classes.
# - **NaN** has four causes: boxes without area, no positives, overflow, steps too large. Check data at the border, and look at step 0.
#
# **Next**, 04: the network that makes the logits and the deltas.
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §2.2 · Girshick et al. 2014, *R-CNN*, 1311.2524, App. C · Girshick 2015, *Fast R-CNN*, 1504.08083, §2.3 (smooth L1) · Shrivastava et al. 2016, *OHEM*, 1604.03540 · torchvision, `models/detection/ssd.py`.
