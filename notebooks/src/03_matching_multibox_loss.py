# %% [markdown] id="title" slide="slide"
# # 03 · Matching and the MultiBox loss
#
# **One question: a network makes 3,392 statements about a picture that holds three objects. How does one number say how wrong it was?**
#
# You start to train your detector, and the first loss that it prints is 0.03. Is that wonderful, or is something broken? On the second day it prints `nan`. Where do you look? Both answers are in one formula, which you build here.
#
# Afterwards you will be able to
#
# - give every prior an object or the background, also when two objects want the same prior;
# - derive the four numbers that a network is asked for, and say what “variances” really are;
# - choose the negatives that a network learns from, and say what this choice changes;
# - predict the loss before the first step, and find the cause of a NaN.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebooks 00 to 02 (corners, IoU, priors) and a training loop in PyTorch.

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
from detlearn.data import CocoDetectionDataset, Shapes, collate, data_path
from detlearn.losses import count_positives, upcast
from detlearn.teach.exercises import nb03
from detlearn.teach.prove import prove

priors = boxes.make_priors(boxes.SSD_TINY_PRIORS)
scenes = [Shapes(length=200)[index] for index in range(200)]
print("priors", tuple(priors.shape), "cxcywh, fractions of the image")

# %% [markdown] id="formula" slide="slide"
# The loss of SSD is called **MultiBox** (Liu et al. 2016, §2.2, Eq. 1):
#
# $$L = \frac{1}{N}\,\bigl(L_{conf} + \alpha\,L_{loc}\bigr)$$
#
# - $L_{conf}$ is the **class loss**: did each prior name the right class?
# - $L_{loc}$ is the **box loss**: did each prior that has an object move to its place?
# - α weighs the two. The paper takes 1, found by cross-validation.
# - N is the number of priors that have an object. With N = 0 the loss is 0.
#
# Take a scene with three objects, and a network that has learned nothing yet. A model returns both parts, divided by N; the training loop adds them.

# %% [markdown] id="notes-formula" slide="notes"
# > *For the speaker.* Write the formula on the board and leave it there. Each section below explains one of its letters: N in section 1, the targets of L_loc in section 2, L_conf in section 3 (α has a ★).

# %% id="two-parts" slide="skip"
image, target = scenes[9]
torch.manual_seed(3)
fresh = create_model("ssd_tiny").eval()
alpha = 1.0

with torch.inference_mode():
    parts = fresh.loss(fresh(fresh.normalize(image[None])), [target])
total = parts["classification"] + alpha * parts["bbox_regression"]
for name, part in {**parts, "total": total}.items():
    print(f"{name:16}{part.item():5.1f}")

# %% [markdown] id="who" slide="slide"
# ## 1 · Who answers for what
#
# The network says two things for each prior: *what is in it*, and *how to move it so that it fits*. The truth is a list of three objects. So first we decide **which prior should have said what**. This is **matching**.
#
# A prior that answers for an object is a **positive**, drawn in the colour of its object. All others are **negatives** and should say “background”. A dotted prior was *forced* to answer; the second rule below says why.
#
# <!-- speaker: Ask whether each object should have one prior or many, and collect reasons for both. -->

# %% id="a-matched-scene" slide="-" tags=["key-figure", "output-only"]
# a scene is 128 px wide and high: / 128 makes fractions
found = boxes.match(target["boxes"] / 128, priors)
show.draw_matches(
    image, target["boxes"], priors, found.gt_index, found.forced,
    alt="A scene with its objects dashed and numbered. Around each object "
    "lie the few priors that answer for it, in its colour; one of them is "
    "dotted, the best one, which is forced.")

# %% [markdown] id="four-priors" slide="subslide"
# The smallest example: four priors are the quarters of the image. Object 0 lies in the first quarter, object 1 in the last, and the tiny object 2 in front of object 1. Check the table on paper: object 0 has sides of 0.4 inside its quarter, so the IoU is 0.4 · 0.4 / 0.25 = 0.64.

# %% id="quarters" slide="-" tags=["hide-input"]
quarters = torch.tensor([
    [0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5],
    [0.25, 0.75, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
objects = torch.tensor([[0.05, 0.05, 0.45, 0.45],
                        [0.52, 0.52, 0.97, 0.97], [0.6, 0.6, 0.7, 0.7]])
# a row for each object, a column for each prior
print(box_iou(objects, cxcywh_to_xyxy(quarters)).round(decimals=2))
show.draw_boxes(
    torch.ones(3, 100, 100),
    100 * torch.cat([cxcywh_to_xyxy(quarters), objects]), range(1, 8),
    class_names=["", *[f"prior {p}" for p in range(4)],
                 *[f"object {g}" for g in range(3)]], width=3.2,
    alt="A square in four quarters, priors 0 to 3. In them: object 0 in "
    "quarter 0; object 1 in quarter 3, nearly as large; the tiny object 2 "
    "in quarter 3, before object 1.")

# %% [markdown] id="two-rules" slide="subslide" tags=["beside:quarters"]
# **Two rules** decide (§2.2):
#
# 1. *Read the columns*, one for each prior. A prior takes the object that it overlaps most, if their IoU is at least 0.5. (The paper says above 0.5, ★.)
# 2. *Read the rows*, one for each object. The best prior of an object is **forced** to take it, however small their IoU is. Otherwise nobody would answer for object 2, whose best IoU is 0.04.
#
# **Predict** the object of each prior; write −1 for none. Objects 1 and 2 both choose the last: it is **contested**.

# %% id="match-by-loops" slide="subslide" tags=["beside:quarters", "output-only"]
def match_by_loops(boxes, priors, threshold=0.5):
    owner = [-1] * len(priors)
    table = box_iou(boxes, cxcywh_to_xyxy(priors)).tolist()
    for p in range(len(priors)):  # rule 1: down each column
        column = [row[p] for row in table]
        if max(column, default=0) >= threshold:
            owner[p] = column.index(max(column))
    for g, row in enumerate(table):  # rule 2: along each row
        owner[row.index(max(row))] = g
    return owner


match_by_loops(objects, quarters)

# %% [markdown] id="contested" slide="fragment"
# An IoU of 0.04 took the last prior away from an IoU of 0.81. No prior answers for object 1 any more. Only the *order* of the list decided: in published loops the later object overwrites the earlier one.
#
# With thousands of priors and few objects that is rare (★ counts).

# %% [markdown] id="notes-who" slide="notes"
# > *For the speaker.* Ask why a large object has several priors and a tiny one often a single dotted one. (An object below 8 px has 1.0 positives on average, from 8 to 11 px 1.8, from 11 to 16 px 3.6, above that about 5. Such objects are near or below the smallest prior, 9 px, and the finest map has no aspect ratios.)

# %% [markdown] id="move-matching" slide="subslide"
# ### Predict, then move
#
# Three objects before SSD300's 8,732 priors. Guess, then move; `nb03.moves.check((30, 2, ..., ...))`, with your numbers, checks these two.
#
# 1. Untick *force the best prior*. How many positives are left?
# 2. Leave it unticked, and lower the threshold from 0.5 to 0.4. How many priors does the smallest object get? (It is number 3 there; the explorer counts from 1.)

# %% id="explorer-matching" slide="-" tags=["explorer"]
shapes = torch.cat([t["boxes"] for _, t in scenes])[:900] / 128
show.MatchingExplorer(
    {name: boxes.PRIOR_LAYOUTS[name]
     for name in ("ssd300_voc", "refinedet320", "ssd_tiny")},
    objects=shapes)

# %% [markdown] id="without-loops" slide="skip" tags=["lead"]
# ### Without loops
#
# A loop over 8,732 priors is slow. Rule 1 is one `max` along the objects. Rule 2 is a write: object 1 claims prior 3, then object 2 claims it. With a plain `claims[best] = index`, either of two writes may win on a GPU. `scatter_reduce` with `"amax"` says it clearly: **the largest index wins, so the later object does.**

# %% id="claims" slide="skip" tags=["teaches:detlearn.boxes.matching:Match"]
class Match(NamedTuple):
    gt_index: Tensor  # (P,) the object, -1 for none
    iou: Tensor  # (P,) with the best object, forced or not
    forced: Tensor  # (P,) taken by rule 2


best_prior = box_iou(objects, cxcywh_to_xyxy(quarters)).argmax(dim=1)
claims = torch.full((4,), -1)
print("objects 0, 1, 2 want priors", best_prior.tolist())
claims.scatter_reduce(0, best_prior, torch.arange(3), "amax")

# %% id="match" slide="subslide" tags=["hide-input", "teaches:detlearn.boxes.matching:match", "beside:quarters"]
def match(boxes, priors, threshold=0.5, inclusive=True, force=True):
    G, P = len(boxes), len(priors)
    gt_index = torch.full(
        (P,), -1, dtype=torch.int64, device=priors.device)  # (P,)
    forced = torch.zeros(P, dtype=torch.bool, device=priors.device)
    if G == 0:
        return Match(gt_index, priors.new_zeros(P), forced)
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))  # (G, P)
    iou, best_object = overlaps.max(dim=0)
    # > is the paper's, >= most code's: see ★ Paper ↔ code
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
# Look at the last prior: `gt_index` gives it to object 2, but its `iou` is the 0.81 with object 1. `iou` always speaks of the *best* object, forced or not. And `forced` is true for prior 0, too: its object would have taken it without rule 1.
#
# **Prove it** on random objects. Two stand twice in the list, so priors are contested.

# %% id="prove-match" slide="skip" tags=["hide-input", "prove"]
_ = torch.manual_seed(3)
size = 0.05 + 0.4 * torch.rand(12, 2)
corner = torch.rand(12, 2) * (1 - size)
crowd = torch.cat([corner, corner + size], dim=1)  # (12, 4)
crowd = torch.cat([crowd, crowd[:2]])  # (14, 4)
ours = match(crowd, priors)
prove("match = the loops", ours.gt_index.tolist(),
      match_by_loops(crowd, priors))
# torchvision knows two kinds of nothing, -1 and -2: for us both are -1
overlaps = box_iou(crowd, cxcywh_to_xyxy(priors))
theirs = _utils.SSDMatcher(0.5)(overlaps).clamp(min=-1)
prove("match = torchvision's", ours.gt_index, theirs)

# %% [markdown] id="what" slide="slide"
# ## 2 · What it should say
#
# Which four numbers lead from a prior to its object? Take a prior of 20 × 40 px and an object of 40 × 20 px, whose centre lies 2 px further right and 4 px lower:
#
# <!-- speaker: Let the room propose four numbers for the way from prior to object; the corners will be among them. -->

# %% id="prior-and-object" slide="-"
prior_px = torch.tensor([[30.0, 30.0, 20.0, 40.0]])  # cx cy w h
object_px = torch.tensor([[12.0, 24.0, 52.0, 44.0]])  # x1 y1 x2 y2
show.draw_boxes(
    torch.ones(3, 60, 60),
    torch.cat([cxcywh_to_xyxy(prior_px), object_px]), [6, 1],
    class_names=["", "object", *5 * ["prior"]], width=3.2, centers=True,
    alt="A tall prior, and a wide object whose centre, a dot, lies a "
    "little further right and lower than the prior's.")

# %% [markdown] id="three-wishes" slide="subslide" tags=["lead", "beside:prior-and-object"]
# The corners, (12, 24, 52, 44)? A convolution does not know where in the image it is looking: for the same pattern it says the same numbers everywhere. So the numbers must mean the same everywhere.
#
# 1. **In every place.** Only the way from the prior's centre to the object's counts: (2, 4) px.
# 2. **At every size.** 2 px is a lot for a box of 20 px and little for one of 200. So we **divide by the prior's size**: (2/20, 4/40) = (0.1, 0.1). When decoding, nobody knows the object's size.
# 3. **Twice as wide and half as wide are equally far apart.** The size *ratios* are 40/20 = 2 and 20/40 = ½. Their **logarithms** are 0.69 and −0.69. The way back is exp, which is always positive, so no network can predict a width of −3.
#
# These four numbers are the **deltas** (Eq. 2, after Girshick et al. 2014, App. C). Published code divides them once more by two **scales**, 0.1 for the centre and 0.2 for the size; the reason comes next. `decode` leads back to boxes. There no side grows by more than 1000/16 = 62.5 times (torchvision's bound), because exp of a large number is infinite. (`eps` is RefineDet's; here it is 0.)

# %% id="encode" slide="subslide" tags=["teaches:detlearn.boxes.coding:encode", "teaches:detlearn.boxes.coding:MAX_LOG_SCALE", "teaches:detlearn.boxes.coding:decode"]
MAX_LOG_SCALE = math.log(1000 / 16)


def encode(boxes, priors, scales=(0.1, 0.2), eps=0.0):
    g = xyxy_to_cxcywh(boxes)
    center = (g[..., :2] - priors[..., :2]) / priors[..., 2:] / scales[0]
    size = torch.log(g[..., 2:] / priors[..., 2:] + eps) / scales[1]
    return torch.cat([center, size], dim=-1)


def decode(deltas, priors, scales=(0.1, 0.2), max_log=MAX_LOG_SCALE):
    center = priors[..., :2] + deltas[..., :2] * scales[0] * priors[..., 2:]
    size = priors[..., 2:] * torch.exp(
        (deltas[..., 2:] * scales[1]).clamp(max=max_log))
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


print("plain:  ", encode(object_px, prior_px, scales=(1, 1)))
print("divided:", encode(object_px, prior_px))
print("back:   ", decode(encode(object_px, prior_px), prior_px))

# %% id="prove-coding" slide="skip" tags=["hide-input", "prove"]
few = priors[torch.randint(len(priors), (14,))]
deltas = encode(crowd, few)
moved = torch.cat([3 * few[:, :2] + 0.5, 3 * few[:, 2:]], dim=1)
prove("moved, three times as large: the same deltas",
      encode(3 * crowd + 0.5, moved), deltas, tolerance=1e-3)
prove("decode undoes encode", decode(deltas, few), crowd, tolerance=1e-5)

# %% [markdown] id="variances" slide="subslide"
# ### “Variances”
#
# torchvision multiplies by (10, 10, 5, 5), Caffe's files say `variance: 0.1 … 0.2`, the paper says nothing ([“a glaring omission”](https://github.com/pierluigiferrari/ssd_keras/issues/148)). The answer lies in the targets.
#
# A prior that rule 1 matched has an IoU of at least 0.5, so its object cannot be far. If the two are equally large and shifted sideways by a part *t* of their width, the IoU is (1 − t)/(1 + t), which is 0.5 at t = 1/3. And no side of one can be more than twice that of the other, so |log| ≤ 0.69. So plain targets crowd around zero. `make_targets` joins §1 and §2; then we **measure** all positives of 200 scenes. (The shaded band from −1 to 1 matters for the box loss of §3.)

# %% id="make-targets" slide="skip" tags=["teaches:detlearn.boxes.matching:Targets", "teaches:detlearn.boxes.matching:make_targets"]
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
print("priors of each label:", truth.labels.bincount().tolist())

# %% id="spread" slide="subslide" tags=["hide-input"]
def positive_deltas(scales, threshold=0.5):
    """The target deltas of all positives of 200 scenes."""
    found = [make_targets(t["boxes"] / 128, t["labels"], priors,
                          threshold, scales=scales) for _, t in scenes]
    return torch.cat([one.deltas[one.labels > 0] for one in found])


plain, divided = positive_deltas((1, 1)), positive_deltas((0.1, 0.2))
for name, wanted in (("plain", plain), ("divided", divided)):
    print(f"{name:8}standard deviation: centres {wanted[:, :2].std():.2f},"
          f" log sizes {wanted[:, 2:].std():.2f}")
assert 1 < divided[:, :2].std() < 1.6 and 1 < divided[:, 2:].std() < 1.6
show.draw_target_spread(
    plain, divided, alt="Histograms of dx, dy, dw, dh. Plain, they are "
    "spikes around zero, narrower for dx and dy; divided by 0.1 and 0.2, "
    "all four spread over a few units, most of it within ±2.")

# %% [markdown] id="what-variances-are" slide="skip" tags=["lead"]
# **The scales are about the spread that such targets have**: divided by them, the targets spread by a little more than 1. They are *standard deviations*, so “variances” is the wrong word. They are also no limits: a delta of 50 is legal.
#
# The scales weigh the box loss as well. A network that always says 0, “the prior is right as it is”, pays 0.08 for a plain target and 2.6 for a divided one (★).

# %% [markdown] id="notes-variances" slide="notes"
# > *For the speaker.* Let the room guess the spread before the figure. Nobody has to keep the two numbers, but encode and decode must use the same. For a bell curve of standard deviation σ the negative log-likelihood of an error e is e²/(2σ²) = (e/σ)²/2: we divide by σ, and the variances would be 0.01 and 0.04.

# %% [markdown] id="loss" slide="slide"
# ## 3 · How wrong it was
#
# For the **class**, a prior pays the cross entropy, −log of the probability that it gave to the right class (Eq. 3). For the **box**, a positive pays a *smooth L1* of its four deltas, which comes below. A background prior has no box to be right about.
#
# The trouble is the class part, since nearly all priors are background. Imagine a lazy network that gives *every* prior the same answer: probability *q* for the background, and the rest shared by the eight classes of objects. Add up its class losses in three ways:
#
# - the mean over all priors;
# - the sum over all priors, divided by N;
# - the sum over the positives and three negatives for each of them, divided by N.
#
# **Predict** in which of the three this network can look good.

# %% [markdown] id="notes-loss" slide="notes"
# > *For the speaker.* Let the room vote before the numbers come. The lesson has two halves: N only makes the number readable, as the cost for each positive; mining makes laziness expensive, and changes who pulls how strongly at the start. The first two rows differ by one constant, 3,392 / 13 = 261.

# %% id="lazy-network" slide="fragment" tags=["hide-input"]
positive = truth.labels > 0  # (P,)
N, negatives = int(positive.sum()), int((~positive).sum())
print(f"{N} of {len(priors):,} priors are positive")


def lazy(q, taught):
    """Class loss of all positives and of `taught` negatives."""
    return -N * math.log((1 - q) / 8) - taught * math.log(q)


for name, taught, divisor in (
        ("mean over all priors", negatives, N + negatives),
        ("all priors, over N", negatives, N),
        ("3 negatives to 1, over N", 3 * N, N)):
    best = taught / (taught + N)  # where the derivative is zero
    print(f"{name:25} ignorance {lazy(1 / 9, taught) / divisor:6.2f}, "
          f"best lazy answer {lazy(best, taught) / divisor:.2f}")

# %% [markdown] id="hard-negatives" slide="subslide"
# The *mean* falls to 0.03 with an answer that finds no object at all. Dividing by **N** only makes the number readable, as a cost for each positive: in both rows the lazy answer costs 1.5 % of ignorance, where all nine classes get 1/9. With three negatives to a positive it costs 49 %. So *mining* makes laziness expensive.
#
# Without it, 3,379 negatives pull towards “background” before the first step, against 13 positives. SSD's answer is **hard negative mining**: of the negatives, teach only those that the network gets *most wrong*, at most three to each positive (§2.2), chosen anew at every step.
#
# Take five priors, the first a positive, and keep the two hardest negatives. Positives get −∞ and cannot win. `topk` names the places, `scatter` writes True there:

# %% id="topk-by-hand" slide="-"
loss = torch.tensor([0.9, 0.1, 0.4, 0.2, 0.3])
labels = torch.tensor([7, 0, 0, 0, 0])
candidates = loss.masked_fill(labels > 0, -torch.inf)
hardest = candidates.topk(2).indices
print("the hardest two:", hardest.tolist())
torch.zeros(5, dtype=torch.bool).scatter(0, hardest, True)

# %% [markdown] id="mask-text" slide="skip"
# In a batch, each image mines its own number. `topk` wants one number for all, so M is the largest; `chosen` is True for each image's first `num_mined` places only. (Published code sorts twice instead, ★.)

# %% id="hard-negative-mask" slide="skip" tags=["teaches:detlearn.losses:hard_negative_mask", "prove"]
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


many = torch.rand(8, 500)  # losses of 8 images
few_labels = (torch.rand(8, 500) < 0.1).long()  # a tenth positive
ours = hard_negative_mask(many, few_labels)
prove("three to a positive", ours.sum(dim=1), 3 * few_labels.sum(dim=1))
hard_negative_mask(loss[None], labels[None], ratio=2)

# %% [markdown] id="what-is-hard" slide="subslide"
# From here on the threshold is 0.4, that of the *trained* `ssd_tiny`: small objects get more positives. **Predict:** where do its hardest negatives lie?

# %% id="hard-negatives-in-the-scene" slide="fragment" tags=["hide-input"]
trained = load_model(data_path("weights", "ssd_tiny.safetensors"))
threshold = trained.config.match_threshold  # 0.4


def class_losses(model, images, targets):
    """Class losses (B, P) and labels (B, P)."""
    with torch.inference_mode():
        logits, _ = model(model.normalize(images))
    labels = torch.stack([make_targets(
        t["boxes"] / 128, t["labels"], priors, threshold).labels
        for t in targets])
    loss = F.cross_entropy(logits.mT, labels, reduction="none")
    return loss, labels

loss, told = class_losses(trained, image[None], [target])
mined = hard_negative_mask(loss, told)
hardest = loss.masked_fill(~mined, -1)[0].topk(8).indices
where = cxcywh_to_xyxy(priors[hardest]) * 128
near = box_iou(where, target["boxes"]).amax(dim=1)
print("positives:", int((told > 0).sum()), "instead of", N)
print("IoU with an object:", " ".join(f"{iou:.2f}" for iou in near))
show.draw_boxes(
    image, where, reference=target["boxes"],
    key=("hard negative", "object"), line=1.6,
    alt="The eight hardest negatives, beside or across an object.")

# %% [markdown] id="near-misses" slide="skip"
# They are near misses, just below the threshold; the empty background was learned long ago. (Is it harmful to teach “background” at 0.39 and “face” at 0.41? ★)

# %% [markdown] id="does-mining-help" slide="subslide"
# **What does mining change?** Ask both networks: which share of the class loss of *all* negatives do the mined ones hold?

# %% id="what-mining-keeps" slide="-" tags=["hide-input"]
folder = data_path("shapes_val")  # scenes that it has not learned from
new = CocoDetectionDataset(folder / "images", folder / "annotations.json")
images, targets = collate([new[index] for index in range(100)])

shares = []
for model in (fresh, trained):
    loss, labels_of_all = class_losses(model, images, targets)
    mined = hard_negative_mask(loss, labels_of_all)
    shares.append(loss[mined].sum() / loss[labels_of_all == 0].sum())
print(f"before training {shares[0]:.1%}, after it {shares[1]:.1%}")
assert shares[0] < 0.1 and shares[1] > 0.8

# %% [markdown] id="mining-answer" slide="fragment"
# At the beginning mining changes much: without it, the other 96 % would pull as well, all towards “background”. At the end it changes little, because hardly any other large losses are left. Does it make a *better* detector? Only trainings can tell: `python -m experiments ssd_loss`.
#
# ### Predict, then move
#
# Sixteen priors, two of them positive.
#
# 3. Move the ratio from 3 to 3.25. How many more are mined?
# 4. Ratio 10: how many are mined? And with a tick at *positives are ranked too*? (Published code does, ★.)

# %% id="explorer-mining" slide="subslide" tags=["explorer"]
show.HardNegativesExplorer()

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# Task 1: positives; task 2: priors of object 3; task 3: how many more;
# task 4: (mined, mined). Made up: (30, 2, 5, (8, 9))
moves = ...

nb03.moves.check(moves)

# %% [markdown] id="smooth-l1" slide="subslide" tags=["lead"]
# ### Smooth L1, and the whole loss
#
# An error *e* of one delta costs *e*²/2 if |*e*| < 1, and |*e*| − ½ otherwise. Why not simply the square? The pull on the network is the slope. A square's slope grows with *e*, so one wild target would outweigh all others; this slope is never more than 1. By hand: an error of 2 costs 2 − ½ = 1.5, and 0.5 costs 0.125.
#
# The loss has four steps: the box loss of the positives, the class loss of all priors, mining, the division by N. α is 1 (★). Of its helpers, `upcast` widens half precision to 32 bits, and `count_positives` is the sum, at least 1. (A label of −1 takes no part.)

# %% id="multibox-loss" slide="skip" tags=["teaches:detlearn.losses:multibox_loss"]
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

# %% id="loss-by-hand" slide="skip" tags=["prove"]
# one positive of five, two classes, all logits equal
labels = torch.tensor([[1, 0, 0, 0, 0]])
wanted = torch.zeros(1, 5, 4)
wanted[0, 0] = torch.tensor([2.0, 0.5, 0.0, 0.0])
by_hand = {"bbox_regression": 1.5 + 0.125,
           "classification": 4 * math.log(2)}
prove("the loss, by hand", multibox_loss(
    torch.zeros(1, 5, 2), torch.zeros(1, 5, 4), labels, wanted),
    by_hand, tolerance=1e-6)

# %% [markdown] id="step-zero" slide="subslide"
# ### The loss before the first step
#
# **Predict, on paper.** In a fresh network all K logits are about equal, so every prior that takes part pays log K. A positive brings three negatives, which makes **4 · log K**: for Shapes (K = 9) 8.79, for VOC (21) 12.2, for COCO (81) 17.6. The deltas are about 0, so the box loss is the smooth L1 of the targets themselves: 2.6 in §2, with a threshold of 0.5. More or less with 0.4, and why?

# %% id="predicted-and-measured" slide="fragment" tags=["hide-input"]
found = [make_targets(t["boxes"] / 128, t["labels"], priors, threshold)
         for t in targets]
wanted = torch.cat([one.deltas[one.labels > 0] for one in found])
predicted = {"classification": 4 * math.log(9),
             "bbox_regression": F.smooth_l1_loss(
                 wanted, 0 * wanted, reduction="sum") / len(wanted)}
with torch.inference_mode():
    measured = fresh.loss(fresh(fresh.normalize(images)), targets)
for part, value in predicted.items():
    print(f"{part:15} predicted {value:.1f}, measured "
          f"{measured[part].item():.1f}")
    assert 0.95 < measured[part].item() / value < 1.2

# %% [markdown] id="nan-lab" slide="skip"
# The class loss is a little *above* the prediction: random weights have weak opinions, and mining picks the negatives where these are wrong. The box loss is larger than 2.6, since a threshold of 0.4 lets in priors that lie further off. (In training mode it is larger still; ★ measures the sum.) A first loss of 0.03 (patient 4, ★) or of 300 is a mistake.
#
# ### When the loss is NaN or infinite
#
# The usual answer is “lower the learning rate”. That cures one of four causes: bad boxes, nobody positive, half precision that overflows, steps too large.
#
# A box of width 0 is not harmless: log 0 is −∞, rule 2 *forces* a prior to learn it, and the loss is infinite. With x1 > x2 it is NaN. The NaN lab (★) shows all four.

# %% [markdown] id="exercises" slide="slide" tags=["beside:quarters"]
# ## 4 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb03.encode_boxes.hint()` helps.
#
# 1. `encode_boxes`: deltas of boxes (corners) from priors (cxcywh), scales 0.1 and 0.2. It works when a box equal to its prior gives zeros.
# 2. `match_priors`: from the IoU table (G, P) to the object of each prior, −1 for none. Rule 2 comes after rule 1, and a contested prior goes to the *later* object.
# 3. `mine_negatives`: the mask (P,) of one image, `ratio` negatives for each positive, never more than there are. A label of −1 is neither.

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

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “Large objects are found, the smallest never.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_match(boxes, priors, threshold=0.5):
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))
    iou, owner = overlaps.max(dim=0)
    # forced, by an indexed write, as published (on a CPU the last wins)
    owner[overlaps.argmax(dim=1)] = torch.arange(len(boxes))
    owner[iou < threshold] = -1
    return owner


small = objects[[0, 2]]  # the second has an IoU of 0.04
print("sick:", sick_match(small, quarters).tolist())

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# The threshold comes *after* forcing and takes away what forcing gave, because the IoU of a forced prior is still small. (Published loops set it to 2 for exactly this reason.)
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
overlaps = box_iou(small, cxcywh_to_xyxy(quarters))
iou, owner = overlaps.max(dim=0)
owner[iou < 0.5] = -1  # first the threshold, then force
owner[overlaps.argmax(dim=1)] = torch.arange(len(small))
print("cured:", owner.tolist())
assert torch.equal(owner, match(small, quarters).gt_index)

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **L = (L_conf + α L_loc) / N**, with α = 1. N is the number of positive priors.
# - **Match**: a prior takes its best object from IoU 0.5 on; each object forces its best prior; the later of two claims wins.
# - **Encode**: the way in units of the *prior*, and the *log* of the size ratio, divided by the spread that such targets have.
# - **Mine**: the hardest negatives, three to a positive. At the start it decides who pulls; at the end it leaves out little.
# - At step 0 expect **4 log K** for the classes.
# - **NaN or infinite** has four causes: bad boxes, no positives, overflow, steps too large.
#
# **Next**, 04: the network that makes the logits and the deltas.
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §2.2 · Girshick et al. 2014, *R-CNN*, 1311.2524, App. C · Girshick 2015, *Fast R-CNN*, 1504.08083, §2.3 (smooth L1) · Shrivastava et al. 2016, *OHEM*, 1604.03540 · torchvision, `models/detection/ssd.py`.

# %% [markdown] id="star-numbers" slide="skip"
# ## ★ More measurements
#
# ### How often an object loses its priors
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# §1 said that a contested prior may cost an object all its priors. Here is how often it happens, for all priors of `ssd_tiny` and for those of its coarsest map alone, in scenes of up to eight objects and in fuller ones:

# %% id="how-often-contested" slide="skip"
def without_prior(scenes, priors):
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
    ours, full = (without_prior(s, some) for s in (scenes, fuller))
    print(f"{len(some):4} priors: {ours:.0f} % without a prior, "
          f"{full:.0f} % in fuller scenes")
assert ours > 5 and full > 15  # the coarsest map alone

# %% [markdown] id="star-ramp" slide="skip"
# ### Are near misses harmful?
#
# A prior of IoU 0.39 is taught “background”, and its neighbour of 0.41 is taught “face”. Does that harm? First measure what the trained network says, on the 100 new scenes: how sure are the priors of one range of IoU of the object's class?

# %% id="around-the-threshold" slide="skip"
with torch.inference_mode():
    logits, deltas_of_all = trained(trained.normalize(images))

overlaps, right, fits = [], [], []  # each (G, P), scene by scene
for score, delta, t in zip(
        logits.softmax(-1), deltas_of_all, targets):
    truths = t["boxes"] / 128
    overlaps.append(box_iou(truths, cxcywh_to_xyxy(priors)))
    right.append(score[:, t["labels"]].T)  # of each object's class
    fits.append(box_iou(truths, decode(delta, priors)) >= 0.5)
overlaps, right, fits = map(torch.cat, (overlaps, right, fits))
for low, high in ((0.3, 0.35), (0.35, 0.4), (0.4, 0.45), (0.45, 0.5),
                  (0.5, 1.0)):
    inside = (overlaps >= low) & (overlaps < high)
    print(f"IoU {low:.2f} to {high:.2f}: {right[inside].mean():.2f}")

# %% [markdown] id="a-ramp" slide="skip"
# The network draws no sharp line at 0.4. Its answer rises over a ramp from 0.3 to 0.5, so priors on the ramp are unsure: that is the price of teaching opposite answers to neighbours. Does an object suffer? Take for each object the surest prior whose *decoded* box fits it:

# %% id="who-finds" slide="skip"
sure, finder = (right * fits).max(dim=1)  # (G,) score, prior
found = sure >= 0.5  # (G,)
by_negative = overlaps.gather(1, finder[:, None])[:, 0] < threshold
print(f"found: {int(found.sum())} of {len(found)} objects, "
      f"{int((found & by_negative).sum())} of them by a negative")
best = overlaps.amax(dim=1)  # (G,)
for name, some in (("0.5 or more", best >= 0.5), ("less", best < 0.5)):
    print(f"best prior {name:11}: {int((found & some).sum()):3} of "
          f"{int(some.sum())} found")
assert found.float().mean() > 0.9

# %% [markdown] id="harmful" slide="skip"
# An object with a good prior does not need the ramp: nearly all are found, and by positives. If the ramp does harm, it does it to the nine objects whose *best* prior stands below 0.5. All nine are small, so their size alone may be the reason; this measurement cannot tell. (A training that leaves the ramp out of the loss, with the label −1, could.)

# %% [markdown] id="star-spread" slide="skip"
# §2 measured the spread of the targets with a threshold of 0.5. A lower one widens it. And this is what a network pays that always says 0, with 0.5:

# %% id="spread-and-threshold" slide="skip"
generous = positive_deltas((0.1, 0.2), threshold=0.4)
more = [(generous[:, part].std() / divided[:, part].std()).item()
        for part in (slice(2), slice(2, 4))]
print("threshold 0.4: centres spread {:.1f} times as much, "
      "log sizes {:.1f} times".format(*more))
assert min(more) > 1
for name, wanted in (("plain", plain), ("divided", divided)):
    zeros = F.smooth_l1_loss(wanted, 0 * wanted, reduction="sum")
    print(f"always 0, {name}: {zeros / len(wanted):.2f} a positive")

# %% [markdown] id="star-losses" slide="skip"
# And here are the class losses of the scene of §3, sorted: for the network that has learned nothing, and for the trained one. At first the ignored negatives (grey) are nearly as bad as the mined ones. After training they cost almost nothing, and their bars vanish.

# %% id="losses-before-and-after" slide="skip"
unskilled, told = class_losses(fresh, image[None], [target])
skilled, _ = class_losses(trained, image[None], [target])
for name, loss_of in (("before", unskilled), ("after", skilled)):
    left = (told == 0) & ~hard_negative_mask(loss_of, told)
    print(f"mean loss of an ignored negative {name} training: "
          f"{loss_of[left].mean():.4f}")
show.draw_mining(
    unskilled[0], told[0], hard_negative_mask(unskilled, told)[0],
    shown=320,
    alt="Bars of class losses before training: the positives, the mined "
    "negatives, and the ignored ones, which are hardly lower.")

# %% id="losses-after" slide="skip"
show.draw_mining(
    skilled[0], told[0], hard_negative_mask(skilled, told)[0], shown=320,
    alt="Bars of class losses after training: a few positives, then the "
    "negatives from the hardest down. The loss falls fast, and thousands "
    "of ignored ones have nearly none.")

# %% [markdown] id="star-normaliser" slide="skip"
# ### Whose N?
#
# The paper says only that N is the number of matched default boxes. torchvision and this package count those of the whole batch. uvipen/SSD-pytorch (after NVIDIA) divides *each image* by its own positives and then takes the mean. Take two images: one positive that costs 10, and nine positives that cost 1 each. With “image”, the lone object weighs as much as the nine together, and an image without any lowers the mean.

# %% id="whose-n" slide="skip"
sums, count = torch.tensor([10.0, 9.0]), torch.tensor([1, 9])
print(f"batch: {sums.sum() / count.sum():.2f}")
print(f"image: {(sums / count).mean():.2f}")
for n in count.tolist():
    print(f"an image with {n}: each weighs 1/10, or 1/2 of 1/{n}")

# %% [markdown] id="alpha" slide="skip"
# ### How are the two parts weighted?
#
# By α = 1 (§3). But an equal weight is not an equal say: what moves the backbone is the *gradient* that each part sends into it. Measure its length, before and after training:

# %% id="who-pulls" slide="skip" tags=["hide-input"]
def pull(model):
    """Length of the gradient of each part in the backbone."""
    parts = model.loss(model(model.normalize(images[:32])), targets[:32])
    weights = list(model.backbone.parameters())
    found = {}
    for name, part in parts.items():
        grads = torch.autograd.grad(part, weights, retain_graph=True)
        found[name] = torch.cat([g.flatten() for g in grads]).norm().item()
    return found["classification"], found["bbox_regression"]


for name, model in (("fresh", fresh), ("trained", trained)):
    classes, box = pull(model)
    print(f"{name:8}: classes pull {classes / box:.1f} times as strongly")
    assert classes > 1.5 * box

# %% [markdown] id="alpha-read" slide="skip"
# The class loss leads by far at first (how far depends on the seed); later the two are of one order. α multiplies the pull of the box loss, and smaller scales (§2) make it stronger, too.

# %% [markdown] id="star-step-zero" slide="skip"
# ### The first loss, exactly
#
# Take away the weak opinions of a fresh network, by setting all weights of its heads to zero, and the prediction of §3 must be exact. In training mode BatchNorm makes the opinions stronger instead:

# %% id="silent-heads" slide="skip" tags=["prove"]
opinions = fresh.head.state_dict()
opinions = {key: value.clone() for key, value in opinions.items()}
fresh.train()
inputs = fresh.normalize(images[:16])
loud = sum(fresh.loss(fresh(inputs), targets[:16]).values()).item()
fresh.eval()
quiet = sum(fresh.loss(fresh(inputs), targets[:16]).values()).item()
print(f"in training mode {loud / quiet:.1f} times as large")
assert 1.2 < loud / quiet < 2

for parameter in fresh.head.parameters():
    nn.init.zeros_(parameter)
with torch.inference_mode():
    silent = fresh.loss(fresh(fresh.normalize(images)), targets)
_ = fresh.head.load_state_dict(opinions)  # as before
prove("silent heads: 4 log 9, and the targets' own size", silent,
      predicted, tolerance=1e-3)

# %% [markdown] id="star-torchvision" slide="skip"
# ### The loss is torchvision's
#
# torchvision matches, encodes, mines and sums with code of its own. The second cell compares `encode` and `decode` alone, beyond the bound, too:

# %% id="prove-torchvision" slide="skip" tags=["prove"]
truths = [make_targets(t["boxes"] / 128, t["labels"], priors)
          for t in targets[:4]]
batch = (torch.randn(4, len(priors), 9), torch.randn(4, len(priors), 4),
         *(torch.stack(part) for part in zip(*truths)))
with torch.device("meta"):
    network = ssd300_vgg16(weights=None, weights_backbone=None)
theirs = network.compute_loss(
    [{**t, "boxes": t["boxes"] / 128} for t in targets[:4]],
    {"bbox_regression": batch[1], "cls_logits": batch[0]},
    [cxcywh_to_xyxy(priors)] * 4,
    [match(t["boxes"] / 128, priors).gt_index for t in targets[:4]])
prove("the loss = torchvision's", multibox_loss(*batch), theirs,
      tolerance=1e-3)

# %% id="prove-coding-torchvision" slide="skip" tags=["prove"]
far = torch.randn(14, 4) * 20  # beyond the bound, too
coder = _utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
corners = cxcywh_to_xyxy(few)
prove("encode = torchvision's", deltas,
      coder.encode_single(crowd, corners), tolerance=1e-3)
prove("decode = torchvision's", decode(far, few),
      coder.decode_single(far, corners), tolerance=1e-3)

# %% [markdown] id="star-copies" slide="skip"
# ### What this chapter defines is what the package holds
#
# The functions above stand once more in `detlearn.boxes` and `detlearn.losses`, with checks of their input. They give the same:

# %% id="copies-of-the-package" slide="skip" tags=["prove"]
half = torch.tensor([[0.0, 0.0, 1.0, 0.5]])  # two IoUs of exactly 0.5
for case in (objects, half, objects[:0]):  # contested, equal, nothing
    assert (match(case, quarters).gt_index.tolist()
            == match_by_loops(case, quarters))

pairs = {
    "match": (match(crowd, priors), boxes.match(crowd, priors)),
    "quarters": (match(half, quarters), boxes.match(half, quarters)),
    "nothing": (match(objects[:0], quarters),
                boxes.match(objects[:0], quarters)),
    "make_targets": (truth, boxes.make_targets(
        target["boxes"] / 128, target["labels"], priors)),
    "encode": (encode(crowd, few), boxes.encode(crowd, few)),
    "decode": (decode(far, few), boxes.decode(far, few)),
    "mining": [rule(many, few_labels) for rule in (
        hard_negative_mask, losses.hard_negative_mask)],
}
for rule in ("batch", "image"):
    pairs[rule] = tuple(list(both(*batch, normalizer=rule).values())
                        for both in (multibox_loss, losses.multibox_loss))
for mine, package in pairs.values():
    torch.testing.assert_close(mine, package, rtol=0, atol=1e-5)
print("equal:", *pairs)

# %% [markdown] id="star-exercise" slide="skip"
# ### Two more exercises
#
# `loss_at_start`: the class loss of a batch whose logits are all equal. Each image mines three negatives for each positive, as far as it has them; divide by N of the whole batch, at least 1. It works when 1 positive among 8,732 priors and 9 classes give 8.79.
#
# `normalise`: losses summed image by image and their numbers of positives, to one number, as “batch” or “image”. What you divide by is at least 1: the batch's total, or each image's number. It works when nothing but zeros gives 0.

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

# %% [markdown] id="double-argsort" slide="skip"
# ## ★ Why does published code sort twice?
#
# Nine threads ask, one under the title “Possible bug?” ([ssd.pytorch #43](https://github.com/amdegroot/ssd.pytorch/issues/43)). There is no bug.
#
# - `order` answers: *who is on place 0, 1, 2 …?*
# - `rank` answers: *on which place is prior 0, 1, 2 …?* That is the inverse question. To invert a permutation, sort it: `rank = order.argsort()`.
#
# Then `rank < 2` is the mask of the two hardest. Follow prior 2 through both lines. `topk` returns the beginning of `order`, and writing True *at* its entries is the same inversion without the second sort.

# %% id="order-and-rank" slide="skip"
order = candidates.argsort(descending=True)
rank = order.argsort()
print("order", order.tolist(), "| rank", rank.tolist())
assert (order[rank] == torch.arange(5)).all()  # inverse of each other
print("mask ", (rank < 2).tolist())

# %% id="prove-mining" slide="skip" tags=["prove"]
def mask_by_ranks(class_loss, target_labels, ratio=3):
    """As published: positives count as 0, sort twice."""
    shown = class_loss.masked_fill(target_labels > 0, 0.0)
    rank = shown.argsort(dim=1, descending=True).argsort(dim=1)
    wanted = ratio * (target_labels > 0).sum(dim=1, keepdim=True)
    return rank < wanted


prove("topk = the double argsort", hard_negative_mask(many, few_labels),
      mask_by_ranks(many, few_labels))

# %% [markdown] id="where-they-differ" slide="skip"
# The two differ in two cases. **Ties**: of negatives with equal losses, either may be taken; number and sum stay the same. **Too few negatives**: if three times the positives exceed the negatives, the ranking runs out of negatives and goes on into the *positives*. A loss that then adds both masks counts them twice: uvipen's, NVIDIA's ([#948](https://github.com/NVIDIA/DeepLearningExamples/issues/948)) and torchvision's do; M2Det and RefineDet join the masks by “or”.

# %% id="ties-and-runs" slide="skip" tags=["prove"]
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

# %% [markdown] id="star-nan" slide="skip"
# ## ★ The NaN lab
#
# | cause | you see it | guard |
# |--|--|--|
# | a box without area: infinite ([ssd.pytorch #116](https://github.com/amdegroot/ssd.pytorch/pull/116)); x1 > x2: NaN ([lufficc #95](https://github.com/lufficc/SSD/issues/95)) | in the first epoch | check boxes when they are read |
# | nobody is positive, N = 0 ([qfgaohao #122](https://github.com/qfgaohao/pytorch-ssd/issues/122)) | at once | N ≥ 1; refuse label 0 (classes numbered from 0 make every first-class object background) |
# | half precision overflows | only with mixed precision | `upcast` |
# | steps too large ([RefineDet #58](https://github.com/sfzhang15/RefineDet/issues/58)) | the loss climbs first | a lower rate |
#
# **Boxes without area, and nobody positive.** The logarithm of a width of 0 is −∞, that of a negative width NaN. “No prior will match such a box”, one hopes, but rule 2 forces one. An image without objects gives 0 / 0. More often somebody has one class and numbers it 0, and every object *is* background. `check_boxes` refuses the flat box and the label 0 when the data are read; an image without objects is legal, and N ≥ 1 takes care of it.

# %% id="nan-data" slide="skip"
flat = torch.tensor([[40.0, 20.0, 40.0, 60.0]])  # xmin = xmax
for bad in (flat, flat + torch.tensor([20.0, 0, 0, 0])):  # xmin > xmax
    sick = make_targets(bad / 128, torch.tensor([1]), priors)
    print("forced:", int((sick.labels > 0).sum()), "prior, dw =",
          sick.deltas[sick.labels > 0][0, 2].item())

nobody = torch.zeros_like(truth.labels)  # an image without objects
print("0 / 0:  ", (nobody.sum() / (nobody > 0).sum()).item())
calm = multibox_loss(batch[0][:1], batch[1][:1], nobody[None],
                     batch[3][:1])
print("N >= 1: ", [part.item() for part in calm.values()])
for bad, label in ((flat, 1), (objects[:1], 0)):
    try:
        boxes.check_boxes(bad, torch.tensor([label]), name="street.jpg")
    except ValueError as error:
        print("guard:  ", error)

# %% [markdown] id="nan-overflow" slide="skip"
# **Half precision.** float16 ends at 65,504. There exp(12) is infinite and inf / inf is NaN, and the losses of two images of 8,732 priors do not even add up. (float32 has its end, too, at exp(89).) The guards: cross entropy subtracts the maximum of each row first, `upcast` widens, `decode` has its bound.

# %% id="upcast" slide="skip" tags=["teaches:detlearn.losses:upcast"]
def upcast(values):
    return values if values.dtype == torch.float64 else values.float()


print(upcast(torch.ones(1).half()).dtype)

# %% id="nan-half" slide="skip"
certain = torch.tensor([12.0, 0.0]).half()
print("exp / sum:  ", (certain.exp() / certain.exp().sum()).tolist())
print("softmax:    ", certain.softmax(dim=0).float().round().tolist())
costs = torch.full((2 * 8732,), math.log(81))
print("sum in half:", costs.half().sum().item(),
      "| in float32:", round(costs.sum().item(), -2))
wild = torch.tensor([[0.0, 0.0, 600.0, 0.0]])
unbound = decode(wild, few[:1], max_log=math.inf)
bound = decode(wild, few[:1])[0]
print("side of the box:", (unbound[0, 2] - unbound[0, 0]).item(),
      "without a bound,", f"{bound[2] - bound[0]:.0f} with it")

# %% [markdown] id="nan-steps" slide="skip"
# **Steps too large** ([RefineDet #58](https://github.com/sfzhang15/RefineDet/issues/58): “the pace of learning is too big”). Here the loss first *grows*, from step to step; the causes in the data strike at once. The rate is absurd on purpose, so that every machine shows it within a few steps.

# %% id="nan-learning-rate" slide="skip" tags=["nbval-ignore-output"]
lesson, answers = collate(scenes[:8])


def losses_of(learning_rate, steps=12):
    torch.manual_seed(0)
    student = create_model("ssd_tiny")
    optimizer = torch.optim.SGD(student.parameters(), learning_rate)
    history = []
    for _ in range(steps):
        parts = student.loss(student(student.normalize(lesson)), answers)
        loss = sum(parts.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


calm, wild = losses_of(0.05), losses_of(1e6)
for name, history in (("0.05", calm), ("1e6 ", wild)):
    print(name, *[f"{loss:.0e}" for loss in history])
assert calm[-1] < 0.6 * calm[0]
assert wild[1] > 100 * wild[0] and min(wild[1:]) > 100 * calm[-1]

# %% [markdown] id="huge-but-finite" slide="skip"
# The loss is *huge, but finite* after twelve steps: BatchNorm divides by the spread of its input, so that even absurd weights give finite maps. Nothing is learned any more, and a check for NaN would not notice. The course's loop has a weight decay of 0.0005 as well; with it, 1 − 0.0005 · 10⁶ multiplies every weight by −499, step after step, until the loss is no number. The loop looks at every loss before it does harm, and names the images of the batch:

# %% id="nan-check-finite" slide="skip"
from detlearn.training import TrainConfig, train

reckless = TrainConfig(
    epochs=12, batch_size=8, optimizer="sgd", learning_rate=1e6,
    warmup_steps=0, schedule="constant", clip_norm=math.inf, amp="off")
_ = torch.manual_seed(0)
try:
    train(create_model("ssd_tiny"), scenes[:8], reckless,
          device="cpu", progress=False)
except FloatingPointError as error:
    message = str(error)
assert "the loss is not a number" in message
print(message[message.index("Images"):message.index("Usual")])

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# ## ★ Three more patients, and a quiz
#
# **Patient 2.** “The loss falls, all centres are right, discs are found well. But tall things get wide boxes.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_encode(boxes, priors):
    deltas = encode(boxes, priors)
    return deltas[..., [0, 1, 3, 2]]


square = torch.tensor([[40.0, 40.0, 60.0, 60.0]])
tall = torch.tensor([[45.0, 30.0, 55.0, 70.0]])
prior = torch.tensor([[50.0, 50.0, 20.0, 20.0]])
for box in (square, tall):
    back = decode(sick_encode(box, prior), prior)
    print(box[0].tolist(), "->", back[0].round().tolist())

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# Width and height are swapped in `encode` and not in `decode`. The network learns what it is told, so *no loss shows it*, and squares don't either. A round trip does: test `decode(encode(b)) == b` with boxes that are not square.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
back = decode(encode(tall, prior), prior)
print(tall[0].tolist(), "->", back[0].round().tolist())
assert (back - tall).abs().max() < 1e-3

# %% [markdown] id="star-clinic" slide="skip" tags=["clinic"]
# **Patient 3.** “On crowded pictures with few priors my loss is far too high; on others it is right.”

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
def sick_class_loss(class_loss, labels):
    chosen = (labels > 0).float() + mask_by_ranks(class_loss, labels)
    return (class_loss * chosen).sum() / (labels > 0).sum()


even = torch.full((1, 5), math.log(2))
for case in ([1, 0, 0, 0, 0], [1, 1, 1, 1, 0]):
    sick = sick_class_loss(even, torch.tensor([case]))
    print(case, f"{sick / math.log(2):.2f} log 2")

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# Positives are mined. Their loss was set to 0 before ranking, so they come last, but when the negatives run out they come all the same, and `+` counts them twice. Rank only negatives, and join the masks by “or”.
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic", "prove"]
chosen = (crowded > 0) | hard_negative_mask(even, crowded)
prove("patient 3 is cured: 5 log 2 / 4", (even * chosen).sum() / 4,
      5 * math.log(2) / 4, tolerance=1e-6)

# %% [markdown] id="clinic-4" slide="skip" tags=["clinic"]
# **Patient 4.** “I mine three to one, as the paper says, and my loss starts at 0.03.”

# %% id="clinic-4-symptom" slide="skip" tags=["clinic"]
def sick_mean(logits, labels):
    loss = F.cross_entropy(logits, labels, reduction="none")
    mined = hard_negative_mask(loss[None], labels[None])[0]
    return (loss * ((labels > 0) | mined)).mean()


equal = torch.zeros(len(priors), 9)
print(f"{sick_mean(equal, truth.labels):.2f} instead of "
      f"{4 * math.log(9):.2f}")

# %% [markdown] id="clinic-4-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 4</summary>
#
# The mean runs over *all* priors, and most of them count as 0. The loss is too small by positives / priors, and so are all gradients. Divide the sum by N.
#
# </details>

# %% id="clinic-4-cure" slide="skip" tags=["clinic", "prove"]
cured = multibox_loss(equal[None], torch.zeros(1, len(priors), 4),
                      truth.labels[None], truth.deltas[None])
prove("patient 4 is cured", cured["classification"],
      4 * math.log(9), tolerance=1e-4)

# %% [markdown] id="quiz" slide="skip"
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

# %% id="quiz-evidence" slide="skip"
found = match(objects, quarters)
print("1. objects with a prior:", found.gt_index.unique()[1:].tolist())
tiny = box_iou(objects, cxcywh_to_xyxy(quarters))[2, 3].item()
print(f"2. object 2 and its prior: IoU {tiny:.2f}")
far = torch.tensor([[50.0, 0.0, 0.0, 0.0]])
far = xyxy_to_cxcywh(decode(far, quarters[:1]))[0, 0].item()
print(f"3. a centre moved from 0.25 to {far:.2f}: outside the image")
masks = [hard_negative_mask(now, few_labels) for now in (many, 1 - many)]
print("4. mined with other losses, too:", int((masks[0] & masks[1]).sum()),
      "of", int(masks[0].sum()))
nothing = torch.zeros_like(batch[2])
print("5. the loss without objects:", sum(part.item() for part in
      multibox_loss(batch[0], batch[1], nothing, batch[3]).values()))
twice = multibox_loss(*(torch.cat([part, part]) for part in batch))
once = multibox_loss(*batch)["classification"]
print(f"6. twice the batch: {twice['classification'] / once:.2f} times")
print(f"7. 4 log 9 = {4 * math.log(9):.2f}")

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# uvipen (SSD-pytorch), M2Det and RefineDet (here RefineDet.PyTorch) are published PyTorch detectors.
#
# | what | paper | published code | here | shown in |
# |--|--|--|--|--|
# | scales | Eq. 2 has none | 0.1 and 0.2, called “variances” | `scales` | §2 |
# | log of the size | log(g / d) | RefineDet adds 1e-5 inside the log, and never takes it away | `eps=0` | below, 1 |
# | threshold | above 0.5 | uvipen has >; torchvision, RefineDet and M2Det have ≥ | `inclusive` chooses | below, 2 |
# | forced | each object's best prior, first | its IoU is set to 2, so that the threshold spares it; the later object wins | `"amax"` | §1 |
# | negatives | at most 3 : 1 | a review of M2Det says “all others are negative”, but only the mined are taught | a mask | §3 |
# | no objects | – | RefineDet raises `IndexError`; M2Det invents a box of zeros | `G = 0` is legal | §1, below 3 |
# | labels | 0 is background | RefineDet's data count from 0, and its matching adds 1 | 0 is refused | §3 |
# | class loss | softmax loss (Eq. 3) | M2Det and RefineDet subtract the maximum of the *batch* before exp | that of the row | below, 4 |
# | mining | negatives only | all priors are ranked; uvipen and torchvision may count positives twice | negatives only | ★ sort twice |
# | N | the matched default boxes; N = 0 gives 0 | N = 0 gives NaN in RefineDet; M2Det has N ≥ 1; uvipen counts per image | `normalizer` | §3, ★ whose N |
# | α | 1, by cross-validation | 1 | 1: the parts are added | §3 |
# | “why `float()`?” | – | uvipen's loss, an open question in its tutorial | `upcast` | ★ NaN lab |
# | layout | – | uvipen has (B, 4, P), hence its `transpose` | (B, P, 4) | below, 5 |
#
# The review also says that M2Det has mining *instead of* a score threshold. Mining belongs to training, the threshold to detection.

# %% id="ledger-cells" slide="skip" tags=["ledger"]
# 1: RefineDet's eps is a bias of 1e-5, for every box
deltas = encode(crowd, few)
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

# %% id="ledger-log-sum-exp" slide="skip" tags=["ledger", "prove"]
# 4: two negatives; the second is the hardest there can be, gets
# -inf, and will never be mined (ssd.pytorch, thread 483)
rows = torch.tensor([[200.0, 0.0], [0.0, 90.0]])
top = rows.max()  # of the batch, not of the row
sick = (rows - top).exp().sum(dim=1).log() + top - rows[:, 0]
right = F.cross_entropy(rows, torch.tensor([0, 0]), reduction="none")
print("4: minus the batch's maximum:", sick.tolist())
print("   minus the row's:          ", (right + 0.0).tolist())

# 5: the transposed layout holds the same loss
prove("5: transposed, the same loss",
      F.smooth_l1_loss(batch[1].transpose(1, 2),
                       batch[3].transpose(1, 2)),
      F.smooth_l1_loss(batch[1], batch[3]), tolerance=1e-5)
