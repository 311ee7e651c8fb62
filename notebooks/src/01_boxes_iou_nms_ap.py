# %% [markdown] id="title" slide="slide"
# # 01 · Boxes, IoU, NMS, AP
#
# **One question: when is a detector right, and how right is it?**
#
# You have two detectors. One finds more, the other makes fewer mistakes. Which one do you take? Before you can say, you need to know when two boxes are “the same”, what to do with ten boxes of one object, and how a whole list of answers becomes one number.
#
# Afterwards you will be able to
#
# - read a box in any of its formats, and name the three mistakes that nearly everybody makes once;
# - compute the overlap of two boxes by counting, and for whole lists at once;
# - reduce many boxes of one object to one, by hand and in ten lines;
# - turn detections into AP with your own code, and get the number that COCO's own tool gives.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebook 00, and some PyTorch (indexing, broadcasting).

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import math

import numpy as np
import torch
import torchvision
from torchvision.ops import batched_nms, box_convert, masks_to_boxes

from detlearn import boxes, load_model, metrics, show
from detlearn.data import CocoDetectionDataset, data_path, load_photo
from detlearn.teach.exercises import nb01
from detlearn.teach.prove import prove

print(len(metrics.COCO_IOU_THRESHOLDS), "IoU thresholds, one mAP")

# %% [markdown] id="whole" slide="slide"
# Here is the whole chapter in one picture. On the left is what a detector says before it tidies up, in the middle its answer, on the right the truth. The step from left to middle is NMS (§3). The comparison of the middle with the right is AP (§4). Both need IoU (§2), and IoU needs boxes (§1):
#
# <!-- speaker: Name the four words of the chapter on the picture: boxes, IoU, NMS, AP. Everything that follows comes back to it. -->

# %% id="picture-of-the-whole" slide="-" tags=["hide-input"]
model = load_model(data_path("weights", "ssd_tiny.safetensors"))
folder = data_path("shapes_val")
scenes = CocoDetectionDataset(folder / "images",
                              folder / "annotations.json")
scene, truth = scenes[109]
(raw,) = model.detect([scene], 0.5, iou_threshold=1.0)
(answer,) = model.detect([scene], 0.5)
panels = {f"{len(raw['boxes'])} raw boxes": raw["boxes"],
          f"{len(answer['boxes'])} answers": answer["boxes"],
          f"{len(truth['boxes'])} objects": truth["boxes"]}
show.draw_scenes(
    [(scene, {"boxes": some}) for some in panels.values()],
    titles=list(panels), columns=3, line=1.1,
    alt="A scene three times: with a stack of boxes on each object, with "
    "one box for each object, and with the boxes of the ground truth.")

# %% [markdown] id="four-numbers" slide="slide"
# ## 1 · Four numbers
#
# A box is an upright rectangle around an object, and four numbers make one. Draw it on squared paper, one square for each pixel. x counts to the right and y counts **down**. Both count the *lines* between the pixels, from 0:

# %% id="a-box-on-paper" slide="-" tags=["hide-input"]
show.draw_overlaps([([2, 1, 6, 4], None)], size=(6, 8),
                   names=("box", ""), alt="A box on squared paper from "
                   "the lines x 2, y 1 to the lines x 6, y 4.")

# %% [markdown] id="notes-four-numbers" slide="notes"
# > *For the speaker.* Ask for "the four numbers" of a box on the board. You will hear at least two formats, and somebody will count pixels instead of lines. Leave all answers standing: this section is about them.

# %% [markdown] id="three-formats" slide="subslide"
# Three formats are in use, and all of them are right:
#
# | format | numbers | who writes it |
# |--|--|--|
# | **xyxy** | two corners: left, top, right, bottom | torchvision, VOC, this course |
# | **xywh** | upper left corner, width, height | COCO's files |
# | **cxcywh** | centre, width, height | priors (chapter 02), networks |
#
# A function that turns one into another takes the numbers apart, names them, and puts new ones together. `unbind(-1)` and `stack(dim=-1)` work on the last axis. So one box, a list (N, 4) and a batch (B, N, 4) all pass:

# %% id="to-centre-and-back" slide="fragment" tags=["teaches:detlearn.boxes.geometry:xyxy_to_cxcywh", "teaches:detlearn.boxes.geometry:cxcywh_to_xyxy"]
def xyxy_to_cxcywh(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(
        [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], dim=-1)


def cxcywh_to_xyxy(boxes_cxcywh):
    cx, cy, w, h = boxes_cxcywh.unbind(-1)
    return torch.stack(
        [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], dim=-1)


box = torch.tensor([2.0, 1.0, 6.0, 4.0])
print("cxcywh", xyxy_to_cxcywh(box).tolist())
print("xywh  ", boxes.xyxy_to_xywh(box).tolist())
cxcywh_to_xyxy(xyxy_to_cxcywh(box))

# %% [markdown] id="trap-format" slide="subslide"
# ### Trap 1: which format is it?
#
# Nothing in the numbers says so: `[20, 30, 40, 50]` is a legal box in all three formats. Read in the wrong one, it often does not crash. It sits elsewhere, and a network learns from it without complaint. (A check can only see an inversion, x1 > x2. One such box is in the third picture, “cxcywh, read as xyxy”: the cup's runs from x = 300 to 254, and is drawn as if nothing were wrong.) Hence our rule: a variable called `boxes` holds **corners**, and every other format stands in the name, as in `boxes_xywh`. And **draw your boxes before you train**:

# %% id="read-as-corners" slide="-" tags=["hide-input"]
photo, coffee = load_photo("coffee")
right = coffee["boxes"][:2]  # the cup and its saucer
readings = {"right": right,
            "xywh, read as xyxy": boxes.xyxy_to_xywh(right),
            "cxcywh, read as xyxy": boxes.xyxy_to_cxcywh(right)}
show.draw_scenes(
    [(photo, {"boxes": read}) for read in readings.values()],
    titles=list(readings), columns=3,
    alt="A cup on a saucer, three times. Read rightly, two boxes surround "
    "them. xywh read as corners: the saucer's box is nearly right, the "
    "cup's cuts the cup in half. cxcywh read as corners: inside out.")

# %% [markdown] id="trap-fractions" slide="subslide"
# ### Trap 2: pixels or fractions, and x before y
#
# Networks speak in **fractions of the image**, so that a box survives a change of size. x is divided by the *width*, y by the *height*. But a picture is a tensor (C, **H, W**). Its shape and its indices say y first, while a box says x first. Whoever divides by `image.shape[1:]` divides x by the height.

# %% id="x-first-y-first" slide="-"
image = torch.zeros(3, 6, 8)  # height 6, width 8
image[:, 1:4, 2:6] = 1  # the box (2, 1, 6, 4): y first
_, height, width = image.shape
fractions = box / torch.tensor([width, height, width, height])
print("fractions ", [round(x, 3) for x in fractions.tolist()])
# sizes are (height, width), like shapes
twice = boxes.resize_boxes(fractions, (1, 1), (12, 16))
print("twice as large", twice.tolist())
assert image.sum() == 3 * boxes.box_area(box)

# %% [markdown] id="trap-plus-one" slide="subslide" tags=["lead", "beside:a-box-on-paper"]
# ### Trap 3: the + 1
#
# The box above covers the columns of pixels 2, 3, 4 and 5. Does it end at 6, the line behind the last pixel, or at 5, the last pixel's number? Here, as in torchvision's detectors and in COCO, coordinates are **lines**, so the width is 6 − 2. Older code (VOC's, the published soft-NMS) counts **pixels**, so its width is 5 − 2 **+ 1**.
#
# Both are consistent, and a mixture is not. You get one sooner than you think: torchvision's own `masks_to_boxes` returns the *last pixel*, (2, 1, 5, 3) for this box (★).

# %% [markdown] id="iou" slide="slide"
# ## 2 · How good is a box?
#
# A predicted box and the true one rarely agree to the pixel. How well do they agree? **Intersection over union**, IoU, is the area that both cover, divided by the area that at least one covers. It is 1 for the same box and 0 if they do not overlap.
#
# **Count first.** How many squares are hatched, and how many lie inside the outline of both together?
#
# <!-- speaker: Let everybody count squares before a formula is written down. -->

# %% id="two-boxes" slide="-" tags=["hide-input"]
a = torch.tensor([0.0, 0.0, 3.0, 2.0])
b = torch.tensor([1.0, 0.0, 4.0, 3.0])
show.draw_overlaps([(a, b)], size=(4, 4), alt="Two boxes on paper of "
                   "4 by 4 squares: a has 6 squares, b has 9, and 4 "
                   "squares belong to both.")

# %% id="iou-by-counting" slide="subslide" tags=["beside:two-boxes"]
paper = torch.zeros(2, 4, 4, dtype=torch.bool)
paper[0, 0:2, 0:3] = True  # a: rows (y) first
paper[1, 0:3, 1:4] = True  # b
both, either = paper[0] & paper[1], paper[0] | paper[1]
print(int(both.sum()), "of", int(either.sum()), "squares")
round((both.sum() / either.sum()).item(), 4)

# %% [markdown] id="notes-iou" slide="notes"
# > *For the speaker.* Let everybody count: 4 and 11. Those who say 15 for the union have counted the shared squares twice, which is also the commonest bug in code. Write 6 + 9 − 4 on the board.

# %% [markdown] id="why-a-ratio" slide="subslide" tags=["lead", "beside:two-boxes"]
# Why a ratio? A huge box shares much with everything. Its own area is part of the union, so its IoU is small all the same.
#
# Now without paper. The shared rectangle begins at the *larger* of the two left edges and ends at the *smaller* of the two right ones. The same holds for top and bottom. If it ends before it begins, nothing is shared.
#
# A detector compares thousands of boxes with each other, so each list gets an axis of its own. `boxes1[:, None]` is (N, 1, 4) and `boxes2[None]` is (1, M, 4). Whatever combines them is (N, M): every box with every other.

# %% id="box-iou" slide="subslide" tags=["teaches:detlearn.boxes.geometry:box_area", "teaches:detlearn.boxes.geometry:box_iou"]
def box_area(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_iou(boxes1, boxes2):
    left, top, right, bottom = boxes1[:, None].unbind(-1)
    other_left, other_top, other_right, other_bottom = (
        boxes2[None].unbind(-1))
    width = (torch.minimum(right, other_right)
             - torch.maximum(left, other_left))  # (N, M)
    height = (torch.minimum(bottom, other_bottom)
              - torch.maximum(top, other_top))  # (N, M)
    # apart, the difference is negative
    intersection = width.clamp(min=0) * height.clamp(min=0)  # (N, M)
    union = (box_area(boxes1)[:, None] + box_area(boxes2)[None, :]
             - intersection)  # (N, M)
    # two boxes without area: 0, not NaN
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)


print(box_iou(a[None], b[None]), "is 4 / 11 =", round(4 / 11, 4))

# %% [markdown] id="why-clamp" slide="skip"
# **Why the clamp?** Boxes that lie apart in x *and* in y have a negative width and a negative height. Minus times minus is plus, so without the clamp two strangers would share an area of 9:

# %% id="minus-times-minus" slide="skip" tags=["prove"]
upper_left = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
lower_right = torch.tensor([[5.0, 5.0, 8.0, 8.0]])
print("width and height:", 2 - 5, 2 - 5, "| area:", (2 - 5) * (2 - 5))
print("with the clamp:  ", box_iou(upper_left, lower_right).item())

_ = torch.manual_seed(0)
corners = 100 * torch.rand(50, 2, 2).sort(dim=1).values.flatten(1)
first, second = corners[:20], corners[20:]
reference = torchvision.ops.box_iou(first, second)  # (N, M)
prove("ours = torchvision's", box_iou(first, second), reference,
      tolerance=1e-6)
assert torch.allclose(boxes.box_iou(first, second), reference)

# %% [markdown] id="a-feeling" slide="subslide"
# **A feeling for it.** What does 0.5 look like? **Predict**: a box of 9 × 9 is pushed to the right. After how many pixels does its IoU with the old place fall to one half: 2, 3 or 4?

# %% id="pushed-to-the-right" slide="fragment" tags=["hide-input"]
pairs = [([1, 1, 10, 10], [1 + push, 1, 10 + push, 10])
         for push in (1, 2, 3, 4)]
ious = [box_iou(*torch.tensor([pair]).double().transpose(0, 1)).item()
        for pair in pairs]
show.draw_overlaps(
    pairs, size=(11, 15), names=("", ""),
    titles=[f"{push} px: IoU {iou:.2f}"
            for push, iou in enumerate(ious, start=1)],
    alt="A box of 9 by 9 pixels and its copy, pushed right by 1, 2, 3 and "
    "4 pixels: IoU 0.80, 0.64, 0.50 and 0.38.")

# %% [markdown] id="half-is-strict" slide="fragment"
# After three, a *third* of the side and not a half. IoU punishes twice, for what is missed and for what is covered besides. And it is relative. Take a box that lies 2 px too far right *and* 2 px too far down. If the object is 100 px wide and high, the IoU is still 98² / (2 · 100² − 98²) = 0.92. If it is 4 px, the IoU is 4 / 28 = 0.14.

# %% [markdown] id="nms" slide="slide" tags=["lead"]
# ## 3 · One object, one box
#
# A single-shot detector looks at the picture from thousands of places, and many of them see the same object. Its raw answer is a stack of boxes, each with a **score**. To keep one box for each object is the task of **non-maximum suppression**, NMS:
#
# 1. Take the box with the best score. Keep it.
# 2. Drop every box whose IoU with it is *larger* than a threshold: it must be the same object.
# 3. Repeat with what is left.
#
# Here is a table of the IoUs of five boxes, and below it the boxes with their scores. The threshold is 0.45, which is SSD's. **Do it by hand first:** which boxes stay?

# %% id="five-boxes" slide="-"
five = torch.tensor([
    [0.0, 0, 9, 8], [1, 2, 10, 10], [2, 4, 11, 12],  # A, B, C
    [15, 1, 24, 9], [15.5, 2, 23.5, 8],  # E lies within D
])
scores = torch.tensor([0.9, 0.8, 0.6, 0.7, 0.5])
table = box_iou(five, five)  # (N, N)
print("score     A    B    C    D    E")
for name, score, row in zip("ABCDE", scores.tolist(), table.tolist()):
    print(name, f"{score:.1f} ", *[f"{iou:.2f}" for iou in row])
show.draw_suppression(five, [("at first", scores, [])], names="ABCDE",
                      alt="Five boxes with their scores: A, B and C in a "
                      "row, each over the next, and E within D.")

# %% id="film-of-nms" slide="subslide" tags=["hide-input"]
letters, left = "ABCDE", scores.clone()
kept, film = [], [("at first", scores, [])]
waiting = scores.argsort(descending=True).tolist()
while waiting:
    best, *rest = waiting
    kept.append(best)
    waiting = [i for i in rest if table[best, i] <= 0.45]
    for i in set(rest) - set(waiting):
        left[i] = 0  # for the picture
        print(f"{letters[best]} drops {letters[i]}")
    film.append((f"keep {letters[best]}", left.clone(), list(kept)))
print("kept:", *[letters[i] for i in kept])
show.draw_suppression(
    five, film, names="ABCDE",
    alt="Five boxes in four steps. A is kept and B dropped; D is kept and "
    "E dropped; C is kept: only B overlaps it by more than the threshold.")

# %% [markdown] id="notes-nms" slide="notes"
# > *For the speaker.* Give two minutes for the five boxes, then ask for a show of hands: who dropped C? C overlaps B by one half, but B is gone before B is ever asked. Only kept boxes suppress. That is what "greedy" means.

# %% [markdown] id="greedy" slide="skip"
# C survives. Its IoU with A is only 0.24, and B, with which it has 0.50, was dropped before it could drop anybody. **A dropped box has no say.** Is C a second object, or the same one once more? NMS cannot know, because it sees boxes and no picture.
#
# Now in code, with the indices as answer, best first:

# %% id="define-nms" slide="subslide" tags=["teaches:detlearn.boxes.nms:nms"]
def nms(boxes, scores, iou_threshold):
    order = scores.argsort(descending=True, stable=True)
    keep = []
    while len(order) > 0:
        best, rest = order[:1], order[1:]
        keep.append(best)
        overlaps = box_iou(boxes[best], boxes[rest])[0]
        order = rest[overlaps <= iou_threshold]
    return torch.cat(keep) if keep else order


nms(five, scores, 0.45)

# %% [markdown] id="soft" slide="skip"
# A low threshold loses neighbours, so that a crowd becomes one person. A high one leaves doubles. No value is right for both.
#
# **Soft-NMS** (Bodla et al. 2017) does not decide. A box that overlaps the best one stays in the list and loses score. In the *linear* form its score is multiplied by (1 − IoU) if the IoU is above 0.3. By hand: A keeps 0.9, and B falls to 0.8 · (1 − 0.5) = 0.4. D keeps 0.7, and E falls to 0.5 · (1 − 0.67) = 0.17. C keeps 0.6, because 0.24 is below 0.3, and B falls *again*, to 0.4 · 0.5 = 0.2. In the end your score threshold decides which of them are shown. A ★ section has the code.

# %% [markdown] id="move-suppression" slide="subslide"
# ### Predict, then move
#
# Twelve boxes of one class. Write your guesses down, then move the sliders and read the answers off. `nb01.moves.check((3, 0.45, ..., ...))`, with your numbers, checks these two at once.
#
# 1. Hard, IoU threshold 0.50: how many of the twelve stay?
# 2. Linear: what is left of the score of box 1 after the first step? Guess from the picture before you go one step.
#
# <details><summary>What there is to see</summary>
#
# Seven stay. Five are dropped, each by the best box of its stack. The smallest box on the tree stays, because its IoU with the best one is just below 0.50. Box 1 keeps 0.81 · (1 − 0.724) = 0.22.
#
# </details>

# %% id="explorer-suppression" slide="-" tags=["explorer"]
show.NMSExplorer()

# %% [markdown] id="classes" slide="skip"
# ### Each class separately
#
# A rider overlaps her horse, and both are there. So NMS runs **within each class**:

# %% id="nms-by-class" slide="skip" tags=["prove", "hide-input"]
def nms_by_class(boxes, scores, labels, iou_threshold):
    """Indices kept by NMS within each class, best first."""
    keep = []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]  # of this class
        keep.append(rows[nms(boxes[rows], scores[rows], iou_threshold)])
    keep = torch.cat(keep)
    return keep[scores[keep].argsort(descending=True)]


rand_boxes = (100 * torch.rand(400, 2, 2).sort(dim=1).values).flatten(1)
rand_scores, labels = torch.rand(400), torch.arange(400) % 5
prove("nms = torchvision's", nms(rand_boxes, rand_scores, 0.3),
      torchvision.ops.nms(rand_boxes, rand_scores, 0.3))
prove("nms_by_class = torchvision's batched_nms",
      nms_by_class(rand_boxes, rand_scores, labels, 0.3),
      batched_nms(rand_boxes, rand_scores, labels, 0.3))

# %% [markdown] id="ap" slide="slide"
# ## 4 · One number for a detector
#
# Begin with a single class. Here are four objects (dashed) and six detections (solid), each with its score. **Judge them yourself**, best score first: which are right?
#
# <!-- speaker: Judge the six boxes aloud, best score first, and write right or wrong on the board. -->

# %% id="six-detections" slide="-" tags=["hide-input"]
objects = torch.tensor([[2.0, 2, 12, 12], [14, 2, 24, 12],
                        [26, 2, 36, 12], [38, 2, 48, 12]])
found = torch.tensor([[3.0, 2, 13, 12], [2, 4, 12, 14], [14.5, 2, 24.5, 12],
                      [20, 15, 30, 25], [29, 2, 39, 12], [38, 6, 48, 16]])
sure = torch.tensor([0.95, 0.90, 0.80, 0.70, 0.60, 0.50])
show.draw_boxes(torch.ones(3, 27, 50), found, scores=sure, width=6,
                line=1.6, reference=objects, reference_above=True,
                alt="Four dashed objects in a row and "
                "six detections: two on the first object, one on the "
                "second, one on none, one a little and one too far off.")

# %% [markdown] id="who-found-what" slide="subslide" tags=["beside:six-detections"]
# **Step 1: right or wrong?** Best score first, each detection looks at the objects that are *still free* and that it overlaps by at least a threshold, say 0.5. If there are any, it takes the one it overlaps best and is a **hit**. Everything else is a mistake: a box too far off, a box on nothing, or a **second** box of an object that is taken, however good it is.

# %% id="hits-of" slide="-" tags=["output-only"]
def hits_of(boxes, scores, objects, threshold):
    """Which detections of one image and one class are hits: (D,)."""
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    iou = box_iou(boxes.double(), objects.double()).tolist()
    free = set(range(len(objects)))
    for d in scores.argsort(descending=True, stable=True).tolist():
        near = [g for g in free if iou[d][g] >= threshold]
        if near:  # the best of those still free
            free.remove(max(near, key=lambda g: iou[d][g]))
            hits[d] = True
    return hits


hits = hits_of(found, sure, objects, 0.5)
best = box_iou(found, objects).amax(dim=1)
for score, iou, hit in zip(sure.tolist(), best.tolist(), hits.tolist()):
    print(f"{score:.2f}  best IoU {iou:.2f}  {'hit' if hit else '-'}")

# %% [markdown] id="notes-ap" slide="notes"
# > *For the speaker.* Let the room judge the six boxes, best score first: right or wrong? The second, 0.90, divides the room: it lies well on an object, but that one is taken. Only then show the rule.

# %% [markdown] id="precision-recall" slide="subslide"
# **Step 2: walk down the list.** After each detection ask two questions:
#
# - **precision**: which share of the detections so far is right?
# - **recall**: which share of the *objects* is found so far?
#
# Each place where you could stop reading is one score threshold. Instead of choosing one, look at all of them:

# %% id="curve" slide="-"
def curve(scores, hits, num_objects):
    """Precision and recall after each detection, best score first."""
    order = scores.argsort(descending=True, stable=True)
    right = hits[order].double().cumsum(dim=0)  # (D,)
    return right / torch.arange(1, len(hits) + 1), right / num_objects


precision, recall = curve(sure, hits, len(objects))
for p, r in zip(precision.tolist(), recall.tolist()):
    print(f"precision {p:.2f}  recall {r:.2f}")

# %% [markdown] id="average-precision" slide="subslide"
# **Step 3: one number.** Precision as a function of recall is a saw: each hit lifts it, each mistake lowers it. Go along the curve from right to left and never let it fall. That is the **envelope**: at each recall the best precision *there or further right*. (Nobody would stop at a place if a later one is better in both.) The **average precision**, AP, is the mean height of the envelope over all recalls from 0 to 1. Where recall never arrives, the height is 0.

# %% id="envelope" slide="-" tags=["hide-input"]
show.draw_precision_recall(
    precision, recall, methods=("area",),
    alt="The saw of six detections, and above it the envelope, which "
    "falls in steps from 1 to 2/3 to 3/5, and to 0 at recall 0.75. The "
    "area below the envelope is shaded.")

# %% id="ap-area" slide="-"
def ap_area(precision, recall):
    """Area below the envelope."""
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)  # (D,)
    gained = recall.diff(prepend=recall.new_zeros(1))  # (D,)
    return (gained * envelope).sum().item()


print("by hand", round(0.25 * (1 + 2 / 3 + 3 / 5 + 0), 4))
print("by code", round(ap_area(precision, recall), 4))

# %% [markdown] id="three-ways" slide="skip"
# By hand: each object that is found adds a quarter of the recall, at the heights 1, 2/3 and 3/5. The fourth is never found.
#
# Three benchmarks read the same curve in three ways: VOC 2007 at **11 points**, VOC since 2010 by the **area**, COCO at **101 points**. At a point, the height of the envelope is the best precision of all places with at least that recall:

# %% id="ap-points" slide="skip"
def ap_points(precision, recall, points):
    """Mean of the best precision at recall 0, ..., 1."""
    total = 0.0
    for wanted in np.linspace(0, 1, points):
        reached = precision[recall >= wanted]
        total += reached.max().item() if len(reached) else 0.0
    return total / points


by_hand = (3 * 1 + 3 * 2 / 3 + 2 * 3 / 5) / 11  # recall 0-.2, .3-.5, .6-.7
assert abs(ap_points(precision, recall, 11) - by_hand) < 1e-12
print("11 points: ", round(by_hand, 4))
print("101 points:", round(ap_points(precision, recall, 101), 4))

# %% [markdown] id="only-the-order" slide="subslide" tags=["beside:envelope"]
# **Two consequences.** AP knows the scores only by their *order*: an absurdly sure detector and a timid one can have the same AP. And it reads the *whole* list. **Predict:** a user asks you to leave out all answers with a score up to 0.75. Does AP rise or fall?

# %% id="order-and-cut" slide="fragment"
squared = ap_area(*curve(sure**2, hits, len(objects)))
assert squared == ap_area(precision, recall)
for limit in (0.0, 0.55, 0.75, 0.92):
    some = sure > limit
    ap = ap_area(*curve(sure[some], hits[some], len(objects)))
    print(f"scores above {limit:.2f}: AP {ap:.3f}")

# %% [markdown] id="move-the-threshold" slide="subslide"
# It can only fall, or stay if only mistakes at the end are cut.
#
# And the two detectors of the first paragraph? Let *careful* find two of four objects with one mistake, and *eager* all four with three:

# %% id="careful-or-eager" slide="fragment"
careful = torch.tensor([True, True, False])  # few mistakes, two found
eager = torch.tensor([True, True, False, True, False, False, True])
for name, own in (("careful", careful), ("eager", eager)):
    ap = ap_area(*curve(torch.arange(len(own), 0, -1), own, 4))
    print(f"{name}: {int(own.sum())} of 4 found, "
          f"mistakes {int((~own).sum())}, AP {ap:.3f}")

# %% [markdown] id="move-average-precision" slide="subslide"
# AP takes the *eager* one. Both begin with the same two hits. What eager finds after them adds area, and a mistake never takes away area that was there before. If each mistake costs you dearly, choose by precision at your own threshold instead.
#
# ### Predict, then move
#
# Here is another list: twelve detections, eight objects. Guess first.
#
# 3. Which of the three readings gives this list the largest AP, and how large is it?
# 4. Set the reading to area and press *One fewer*: *Score ≥* goes from 0.14 to 0.22. What is AP then?
#
# <details><summary>What there is to see</summary>
#
# Two of the three readings differ only in the third digit, so write three down; the largest is one that reads at points. *One fewer* takes the last detection away. It was a hit, so AP falls.
#
# </details>

# %% id="explorer-ap" slide="-" tags=["explorer"]
show.AveragePrecisionExplorer()

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# boxes that stay, a score (tasks 1 and 2, §3), the largest AP, and AP
# at 0.22 (3 and 4, three digits); made up: (3, 0.45, 0.721, 0.613)
moves = ...

nb01.moves.check(moves)

# %% [markdown] id="map" slide="subslide" tags=["lead"]
# ### From AP to COCO's mAP
#
# A data set has many images and many classes. **Hits are decided within an image, and the list is sorted across all images.** Then:
#
# - **mAP50** is the mean of AP over the classes, at the IoU threshold 0.50.
# - **mAP**, COCO's headline, is the mean over classes *and* over **ten thresholds** 0.50, 0.55, … 0.95. A sloppy box is a hit for the first and a mistake for the last. So 0.40 is a good number on COCO, and it does not mean “40 % right”.

# %% id="my-map" slide="skip"
def my_ap(detections, targets, label, threshold):
    """AP of one class at one IoU threshold, over all images."""
    scores, hits, num_objects = [], [], 0
    for one, target in zip(detections, targets):
        mine, theirs = one["labels"] == label, target["labels"] == label
        objects = target["boxes"][theirs]
        scores.append(one["scores"][mine])
        hits.append(hits_of(one["boxes"][mine], scores[-1], objects,
                            threshold))
        num_objects += len(objects)
    scores, hits = torch.cat(scores), torch.cat(hits)
    return ap_points(*curve(scores, hits, num_objects), 101)


toy = {"boxes": objects, "labels": torch.ones(4).long()}
toy_found = {"boxes": found, "labels": torch.ones(6).long(),
             "scores": sure}
aps = {f"{t:.2f}": round(my_ap([toy_found], [toy], 1, t), 3)
       for t in metrics.COCO_IOU_THRESHOLDS}
print(aps, "mean", round(sum(aps.values()) / 10, 3))

# %% [markdown] id="pycocotools" slide="subslide"
# **Prove it** with a real detector: `ssd_tiny` of chapter 00, on 60 scenes that it has never seen. The judge is **pycocotools**, the code behind COCO's own tables. (`coco_evaluate` hands our dictionaries to it.) Your number must be its number:

# %% id="map-proved" slide="-" tags=["prove", "hide-input"]
images, targets = zip(*[scenes[i] for i in range(60)])
detections = model.detect(list(images))  # every score above 0.01
classes = range(1, len(model.class_names))
mine = torch.tensor([[my_ap(detections, targets, label, threshold)
                      for threshold in metrics.COCO_IOU_THRESHOLDS]
                     for label in classes])  # (K - 1, 10)
judge = metrics.coco_evaluate(detections, targets, model.class_names,
                              backend="pycocotools")
prove("my mAP, mAP50, mAP75 = pycocotools'",
      [mine.mean(), mine[:, 0].mean(), mine[:, 5].mean()],
      [judge[key] for key in ("mAP", "mAP50", "mAP75")], tolerance=1e-6)
prove("my AP of each class = pycocotools'", mine.mean(dim=1).tolist(),
      [judge[f"AP/{name}"] for name in model.class_names[1:]],
      tolerance=1e-6)
by_threshold = mine.mean(dim=0)  # (10,)
for column in (0, 5, 7, 8, 9):
    limit = metrics.COCO_IOU_THRESHOLDS[column]
    print(f"IoU {limit:.2f}: mean AP {by_threshold[column]:.3f}")
print(f"mAP: {by_threshold.mean():.3f}")
assert (by_threshold.diff() <= 0.01).all()  # a stricter IoU, a lower AP
assert by_threshold[-1] < by_threshold[0] / 2

# %% [markdown] id="exercises" slide="skip"
# ## 5 · Your turn
#
# ### Exercises
#
# Replace the dots and run the cell. It says what is right, or what is wrong and why. `nb01.keep_best.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `keep_best`: greedy NMS with `box_iou`, as indices, best first. It works when it agrees with torchvision's.
# 2. `find_hits`: which detections are hits, from the table (D, G) of their IoUs with the objects, by the rule of step 1. It works when every object is found at most once.
# 3. `area_under`: AP from precision and recall, by the envelope's area. It works when the six detections give 0.5667.

# %% id="exercise-keep-best" slide="skip" tags=["exercise"]
from detlearn.boxes import box_iou

def keep_best(boxes, scores, iou_threshold):
    """Indices (int64) that greedy NMS keeps, best score first."""
    order = scores.argsort(descending=True, stable=True)
    keep = []
    ...
    return None

nb01.keep_best.check(keep_best)

# %% id="exercise-find-hits" slide="skip" tags=["exercise"]
def find_hits(table, scores, threshold):
    """Which detections are hits (D,) bool; table is their IoU (D, G)."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    for d in scores.argsort(descending=True, stable=True).tolist():
        ...
    return None

nb01.find_hits.check(find_hits)

# %% id="exercise-area-under" slide="skip" tags=["exercise"]
def area_under(precision, recall):
    """Area under the envelope of the curve, a number."""
    ...

nb01.area_under.check(area_under)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “My AP is far below pycocotools', although the hits agree one by one. With a single image it is equal.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def sick_curve(scores, hits, num_objects):
    right = hits.double().cumsum(dim=0)
    return right / torch.arange(1, len(hits) + 1), right / num_objects


two_images = torch.tensor([0.9, 0.3, 0.2, 0.8, 0.7, 0.1])  # 3 and 3
right_or_not = torch.tensor([True, False, False, True, True, False])
for function in (sick_curve, curve):
    ap = ap_area(*function(two_images, right_or_not, 3))
    print(f"{function.__name__:10} AP {ap:.2f}")

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# Each image's detections are sorted, the images are put one after the other, and nobody sorts the whole list. So the weak mistakes of the first image stand before the sure hits of the second.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
order = two_images.argsort(descending=True)
cured = sick_curve(two_images[order], right_or_not[order], 3)
print(f"sorted     AP {ap_area(*cured):.2f}")
assert torch.equal(cured[1], curve(two_images, right_or_not, 3)[1])

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Boxes** are corners, and coordinates are *lines*. Other formats stand in the name, and a + 1 has a unit. Draw before you train.
# - **IoU** = shared / covered together. It is relative, and strict: a third of the side off is 0.5.
# - **NMS**: keep the best, drop what overlaps it too much, repeat, each class separately. **Soft-NMS** takes score instead.
# - **AP**: hits within each image, one sorted list over all, the area under the envelope. **mAP** is the mean over classes and, for COCO, over ten thresholds.
# - Your number is pycocotools' number.
#
# **Next**, 02: where do the boxes come from that a detector starts with?
#
# **Further reading.** Everingham et al. 2010, *The PASCAL Visual Object Classes Challenge*, §4.2 · Lin et al. 2014, *Microsoft COCO*, arXiv 1405.0312 · Bodla et al. 2017, *Soft-NMS*, 1704.04503 · Liu et al. 2016, *SSD*, 1512.02325 · pycocotools, `cocoeval.py`.

# %% [markdown] id="star-quiz" slide="skip"
# ## ★ Quiz: true or false?
#
# Write seven letters down, then run the next cell, then open the answers.
#
# 1. An IoU of 0.5 means that half of the object is covered.
# 2. Two boxes in a detector's answer may overlap by more than the threshold of NMS.
# 3. NMS may drop the box that fits the object best.
# 4. With all scores halved, AP is halved.
# 5. A higher score threshold removes mistakes, so it raises AP.
# 6. Mistakes after the last hit cost no AP.
# 7. An mAP of 0.5 means that half of the detections are right.
#
# <details><summary>Answers</summary>
#
# 1. False. Pushed by half a side, half is covered, and the IoU is 1/3. At 0.5, two boxes of one size share two thirds of each.
# 2. True, if they are of two classes: the horse and its rider both stay.
# 3. True. It keeps the best *score*, and never makes a better box out of several.
# 4. False. AP sees the order alone.
# 5. False. It shortens the list, and the curve may lose its right end.
# 6. True. Recall gains nothing there, so the envelope has no width. (They annoy users all the same.)
# 7. False. It is an area, averaged over classes and ten thresholds.
#
# </details>

# %% id="quiz-evidence" slide="skip"
half_off = torch.tensor([[0.0, 0, 8, 8], [4, 0, 12, 8]])
print("1. IoU", round(box_iou(half_off, half_off)[0, 1].item(), 3))
two_classes = torch.tensor([1, 2, 1, 1, 1])
keep = nms_by_class(five, scores, two_classes, 0.45)
print("2. kept:", *[letters[i] for i in keep])
halved = ap_area(*curve(sure / 2, hits, 4))
one = torch.tensor([[0.0, 0, 10, 10]])
rivals = torch.cat([one + torch.tensor([2, 0, 2, 0]), one])
keep = nms(rivals, torch.tensor([0.9, 0.8]), 0.45)
fit = [f"{iou:.2f}" for iou in box_iou(rivals, one)[:, 0]]
print("3. IoU with the object:", *fit, "| kept:", keep.tolist())
whole = ap_area(precision, recall)
print("4. AP", round(halved, 3), "and", round(whole, 3))
print("5. cut at 0.7:", round(ap_area(*curve(sure[:3], hits[:3], 4)), 3))
print("6. without the last mistake:",
      round(ap_area(*curve(sure[:5], hits[:5], 4)), 3))
print("7. right:", int(hits.sum()), "of", len(hits), "| mAP",
      round(sum(aps.values()) / 10, 3))

# %% [markdown] id="star-soft" slide="skip"
# ## ★ Soft-NMS in code; the last step of a detector
#
# Two forms exist (Bodla et al. 2017). *Linear* multiplies a score by (1 − IoU) where the IoU exceeds a threshold $N_t$ = 0.3. *Gaussian* multiplies it by exp(−IoU² / σ) everywhere, with σ = 0.5.

# %% id="define-soft-nms" slide="skip" tags=["teaches:detlearn.boxes.nms:soft_nms"]
def soft_nms(boxes, scores, method="linear", iou_threshold=0.3, sigma=0.5,
             score_threshold=0.001, plus_one=False):
    if plus_one:  # older code's width, x2 - x1 + 1: trap 3
        boxes = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    alive = torch.arange(len(scores), device=scores.device)
    decayed = scores.clone()
    keep = []
    while len(alive) > 0:
        best = alive[decayed[alive].argmax()]
        keep.append(best)
        alive = alive[alive != best]
        overlaps = box_iou(boxes[best][None], boxes[alive])[0]
        if method == "linear":
            weight = torch.where(overlaps > iou_threshold, 1 - overlaps,
                                 torch.ones_like(overlaps))
        else:
            weight = torch.exp(-(overlaps**2) / sigma)
        decayed[alive] *= weight
        # who has next to nothing left is dropped, unless it does not
        # touch this box at all: a stranger loses nothing and stays
        alive = alive[(overlaps == 0)
                      | (decayed[alive] >= score_threshold)]
    kept = torch.stack(keep) if keep else alive
    return kept, decayed[kept]

# %% id="soft-on-five" slide="skip"
for method in ("linear", "gaussian"):
    order, decayed = soft_nms(five, scores, method)
    pairs = zip(order.tolist(), decayed.tolist())
    print(f"{method:9}", *[f"{letters[i]} {s:.2f}" for i, s in pairs])
order, decayed = soft_nms(five, scores)
soft_left = torch.empty_like(scores)
soft_left[order] = decayed  # back to the places A, B, C, D, E
two_ends = [("hard, threshold 0.45", left, kept),
            ("soft, linear", soft_left, order.tolist())]
show.draw_suppression(
    five, two_ends, names="ABCDE",
    alt="Left, after hard NMS: A, C and D are kept, B and E dropped. "
    "Right, after soft-NMS: all five are kept, B with 0.20, E with 0.17.")

# %% [markdown] id="soft-proof-text" slide="skip"
# torchvision has no soft-NMS. So compare with two things you trust. One is the paper's pseudocode (its Fig. 2), as a plain loop over numbers. The other is a limit: for σ → 0 the gaussian leaves nothing to whatever touches a better box, which is hard NMS with threshold 0.

# %% id="iou-by-loops" slide="skip"
def iou_by_loops(boxes1, boxes2):
    """IoU of every box with every other, one pair after the other."""
    table = torch.zeros(len(boxes1), len(boxes2))  # (N, M)
    for i, (l1, t1, r1, b1) in enumerate(boxes1.tolist()):
        for j, (l2, t2, r2, b2) in enumerate(boxes2.tolist()):
            width = max(0, min(r1, r2) - max(l1, l2))
            height = max(0, min(b1, b2) - max(t1, t2))
            shared = width * height
            areas = (r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2)
            table[i, j] = shared / (areas - shared)
    return table


iou_by_loops(a[None], b[None])

# %% id="soft-by-loops" slide="skip" tags=["prove"]
def soft_by_loops(boxes, scores, weigh):
    """The paper's pseudocode: answers as (index, score)."""
    table = iou_by_loops(boxes, boxes).tolist()
    left, answers = dict(enumerate(scores.tolist())), []
    while left:
        best = max(left, key=left.get)
        answers.append((best, left.pop(best)))
        left = {i: s * weigh(table[best][i]) for i, s in left.items()}
    return [torch.tensor(column) for column in zip(*answers)]


some, some_scores = rand_boxes[:40], rand_scores[:40]
for method, weigh in {
    "linear": lambda iou: 1 - iou if iou > 0.3 else 1,
    "gaussian": lambda iou: math.exp(-(iou**2) / 0.5),
}.items():
    wanted = soft_by_loops(some, some_scores, weigh)
    for name, function in (("ours", soft_nms),
                           ("the package's", boxes.soft_nms)):
        prove(f"{name}, {method} = the loop",
              function(some, some_scores, method, score_threshold=0.0),
              wanted, tolerance=1e-5)

# %% id="soft-becomes-hard" slide="skip" tags=["prove"]
order, _ = soft_nms(rand_boxes, rand_scores, "gaussian", sigma=1e-12)
prove("a soft-NMS of width 0 is hard", order,
      torchvision.ops.nms(rand_boxes, rand_scores, 0))

# %% [markdown] id="clinic-3" slide="skip" tags=["clinic"]
# **Patient 2** (M2Det as released). “I raise the overlap threshold of soft-NMS from 0.45 to 0.7, and not one score changes.” Two boxes overlap with an IoU of 0.4, and both have a score of 0.8. With a threshold of 0.45, what should the second one keep?

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
def released(found, scores, sigma=0.5, Nt=0.3):
    return boxes.soft_nms(found, scores, "linear", Nt, sigma)


pair = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 4]])  # IoU 0.4
equal = torch.tensor([0.8, 0.8])
for threshold in (0.35, 0.45, 0.7):
    _, left = released(pair, equal, threshold)
    print(threshold, "->", [round(score, 2) for score in left.tolist()])

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The third argument of the function is *sigma*, and the call gives it by position. The linear method does not use sigma. $N_t$ stays at its default 0.3, so 0.8 · (1 − 0.4) = 0.48 is left. (The released results were made with this bug: to reproduce them, keep 0.3.)
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic"]
_, cured = boxes.soft_nms(pair, equal, "linear", iou_threshold=0.45)
print("with a name:", [round(score, 2) for score in cured.tolist()])
assert torch.equal(cured, equal)  # 0.4 is below 0.45

# %% [markdown] id="star-last-step" slide="skip"
# ### A detector's last step
#
# From the table of scores (P, K), a row for each box and a column for each class with the background in column 0, a detector's last step is this:
#
# 1. Every box in every class whose score is above a threshold is a candidate. One box may stand for two classes.
# 2. NMS runs in each class.
# 3. The best of all classes together stay, at most 100 or 200.
#
# Fast code needs no loop over classes. It moves each class to a place of its own (box + 1000 · label, say), out of reach of the others, and runs one NMS. The package's `select_detections` does all three steps:

# %% id="select-detections" slide="skip" tags=["prove"]
table = (3 * torch.randn(400, 6)).softmax(dim=-1)  # (P, K)
answer = boxes.select_detections(
    rand_boxes, table, score_threshold=0.05, iou_threshold=0.45,
    max_detections=100)
prior, column = (table[:, 1:] > 0.05).nonzero(as_tuple=True)
label = column + 1  # column 0 of table[:, 1:] is class 1
score = table[prior, label]
keep = batched_nms(rand_boxes[prior], score, label, 0.45)[:100]
prove("threshold, NMS by class, the best 100",
      [answer["boxes"], answer["scores"], answer["labels"]],
      [rand_boxes[prior[keep]], score[keep], label[keep]])

# %% [markdown] id="star-voc" slide="skip"
# ## ★ Pixels of VOC and of masks; the package
#
# VOC's files name the first and the last *pixel*, counted from 1. `masks_to_boxes` names them counted from 0. First the box of §1, then an object of one pixel: as corners its box has no area.

# %% id="one-pixel-too-small" slide="skip"
mask = image[:1] > 0  # (1, H, W): the pixels of one object
inclusive = masks_to_boxes(mask)
print("from the mask:", inclusive.tolist(), "wanted:", box.tolist())
print("area", boxes.box_area(inclusive).item(), "of", mask.sum().item())
lines = inclusive + torch.tensor([0, 0, 1, 1])
assert torch.equal(lines[0], box)

# %% id="one-pixel" slide="skip"
try:  # an object of one pixel
    dot = torch.zeros(1, 6, 8, dtype=torch.bool)
    dot[0, 3, 5] = True
    boxes.check_boxes(masks_to_boxes(dot), name="one pixel")
except ValueError as error:
    print(error)

# %% [markdown] id="star-voc-exercise" slide="skip"
# **Exercise.** `voc_to_corners` turns VOC's boxes into corners. It works when a box of one pixel has area 1.

# %% id="exercise-voc-to-corners" slide="skip" tags=["exercise"]
def voc_to_corners(boxes_voc):
    """(N, 4) first and last pixel, counted from 1, to corners."""
    ...

nb01.voc_to_corners.check(voc_to_corners)

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# **Patient 3.** “I took an old, well-tested NMS. Now my detector finds exactly one object in each picture.” Compare boxes in pixels with the same boxes in fractions:

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_nms(boxes, scores, iou_threshold):
    pixels = boxes + torch.tensor([0, 0, 1, 1])  # x2 - x1 + 1
    return nms(pixels, scores, iou_threshold)


in_fractions = five / 40  # an image of 40 x 40 px
for five_boxes in (five, in_fractions):
    answer = sick_nms(five_boxes, scores, 0.45)
    print("kept:", *[letters[i] for i in answer])

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# The old code counts pixels and adds 1 to every width. But these boxes are *fractions* of the image. Each becomes more than 1 wide and high, any two of them overlap by more than the threshold, and the best drops all the others. The + 1 has a unit, the pixel.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
for five_boxes in (five, in_fractions):  # no + 1: coordinates are lines
    cured = nms(five_boxes, scores, 0.45)
    print("kept:", *[letters[i] for i in cured])
assert torch.equal(cured, torchvision.ops.nms(five, scores, 0.45))

# %% [markdown] id="star-package" slide="skip"
# ### The package's own code
#
# The package has the functions of this chapter once more, written for speed and for data with faults. They give the same numbers:

# %% id="formats-proved" slide="skip" tags=["prove"]
center = box_convert(corners, "xyxy", "cxcywh")
prove("to the centre = torchvision's", xyxy_to_cxcywh(corners), center,
      tolerance=1e-4)
assert torch.allclose(cxcywh_to_xyxy(center), corners, atol=1e-4)
assert torch.allclose(boxes.xyxy_to_cxcywh(corners), center, atol=1e-4)
assert torch.allclose(boxes.xyxy_to_xywh(corners),
                      box_convert(corners, "xyxy", "xywh"), atol=1e-4)
for limit in (0.1, 0.3, 0.45, 0.7):
    theirs = torchvision.ops.nms(rand_boxes, rand_scores, limit)
    assert torch.equal(nms(rand_boxes, rand_scores, limit), theirs)
    assert torch.equal(boxes.nms(rand_boxes, rand_scores, limit), theirs)
print("NMS at four thresholds: all equal torchvision's")

# %% id="ap-proved" slide="skip" tags=["prove"]
made_up = torch.rand(60)  # scores
is_hit = torch.rand(60) < made_up  # surer is more often right
p, r = curve(made_up, is_hit, 50)
ours = [ap_area(p, r), ap_points(p, r, 11), ap_points(p, r, 101)]
theirs = metrics.precision_recall(made_up, is_hit, num_gt=50)
assert torch.allclose(p, theirs[0]) and torch.allclose(r, theirs[1])
for ap, way in zip(ours, ("area", "11-point", "101-point")):
    assert abs(ap - metrics.average_precision(*theirs, way)) < 1e-12
    print(f"{way:9} the package's AP is ours")
match = metrics.match_detections(found, sure, objects, 0.5)
assert torch.equal(match.hits, hits)
prove("the package's mAP by hand = pycocotools'",
      metrics.coco_map_by_hand(detections, targets, model.class_names),
      judge, tolerance=1e-6)

# %% id="staircase" slide="skip"
show.draw_precision_recall(
    precision, recall, methods=("area", "11-point", "101-point"),
    alt="The saw of six detections with its envelope, three times: the "
    "shaded area, 0.567; read at 11 points, 0.564; at 101 points, 0.571. "
    "The envelope falls from 1 to 2/3 to 3/5, and to 0 at recall 0.75.")

# %% [markdown] id="star-iou" slide="skip"
# ### One more exercise
#
# `iou` of two boxes, given as four numbers each and without a tensor. It works when boxes apart give 0.

# %% id="exercise-iou" slide="skip" tags=["exercise"]
def iou(box1, box2):
    """IoU of two boxes (x1, y1, x2, y2), a number."""
    left = max(box1[0], box2[0])
    ...

nb01.iou.check(iou)

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# uvipen (SSD-pytorch), M2Det and RefineDet.PyTorch are published PyTorch detectors. A *crowd* is one box around many objects that nobody counted; COCO marks them (`iscrowd`). L1 to L5 are the cells below.
#
# | what | paper, or often said | published code | here | see it |
# |--|--|--|--|--|
# | width of a box | – | VOC and M2Det's soft-NMS add 1: x2 − x1 + 1 | x2 − x1; `plus_one=True` adds it | §1; L1 |
# | scaled in place | – | uvipen's `decode_batch` scales its input: called twice, other boxes | new tensors | L1 |
# | an IoU equal to the NMS threshold | “larger” is dropped | torchvision keeps it; uvipen drops it | it is kept | exercise 1 |
# | “NMS merges boxes” | often said | no code does: NMS discards | it discards | L2 |
# | soft-NMS, $N_t$ | 0.3 | M2Det's config says 0.45, but the number lands in σ | arguments are named | patient 2 |
# | keep the best k | after NMS | RefineDet.PyTorch writes with `fill_` into a copy, and its mask holds the best instead of the rest | `max_detections` | L2 |
# | thresholds of score and NMS | SSD 0.01 and 0.45; M2Det's score 0.05 | uvipen has 0.05 and 0.5; M2Det's score 0.1 | they are arguments | §4, cut |
# | nothing detected | – | M2Det's demo and pycocotools' `loadRes` raise IndexError | an empty answer, AP 0 | L3 |
# | images without objects | they count | uvipen drops them, and their false alarms | they count | L3 |
# | crowds | detections in them are ignored | uvipen takes them for ordinary objects | ignored | L3 |
# | a hit | VOC: IoU > 0.5 in the paper, ≥ in its development kit; a detection looks at its best object only. COCO: ≥, at the best *free* one | as said | `rule=` chooses | L4 |
# | 11 points | 0, 0.1, … 1 | the fourth is 0.30000000000000004 in the machine | as the code | L4 |
# | COCO's class ids | – | `category_ids[label - 1]` is right by luck | a table of ids | L5 |
# | order of the answer | best first | uvipen's scores ascend | best first | patient 1 |

# %% id="ledger-1" slide="skip" tags=["ledger"]
# L1 the + 1; scaling in place
for side in (3, 10, 100):
    one = torch.tensor([[0.0, 0.0, side, side]])
    both = torch.cat([one, one + torch.tensor([side / 2, 0, side / 2, 0])])
    plus = both + torch.tensor([0, 0, 1, 1])
    print(f"{side:3} px, pushed by half: {box_iou(both, both)[0, 1]:.2f}, "
          f"with the + 1 {box_iou(plus, plus)[0, 1]:.2f}")

prediction = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
for _ in range(2):
    prediction *= 300  # what was meant: prediction * 300
print("scaled twice:", prediction.round().int().tolist())

# %% id="ledger-2" slide="skip" tags=["ledger"]
# L2 NMS discards, and never merges; the mask that writes into a copy
assert torch.equal(five[nms(five, scores, 0.45)], five[[0, 3, 2]])

rows = torch.tensor([0.9, 0.8, 0.7, 0.6])
rank = rows.argsort(descending=True).argsort()
rows[rank < 2].fill_(0)  # indexing by a mask makes a copy
print("after fill_:", [round(x, 1) for x in rows.tolist()])
rows[rank < 2] = 0  # this one writes, and deletes the *best* two
print("after = 0:  ", [round(x, 1) for x in rows.tolist()])

# %% id="ledger-3" slide="skip" tags=["ledger"]
# L3 nothing found, empty images, crowds
nothing = torch.zeros(0, 4), torch.zeros(0)
assert len(nms(*nothing, 0.5)) == len(boxes.nms(*nothing, 0.5)) == 0
names = ("background", "thing")
empty = {"boxes": nothing[0], "labels": torch.zeros(0).long()}
nobody = {**empty, "scores": nothing[1]}
print("nothing found: mAP50",
      metrics.coco_evaluate([nobody], [toy], names)["mAP50"])
alarm = {"boxes": found[:1], "labels": torch.tensor([1]),
         "scores": torch.tensor([0.99])}
both = metrics.coco_evaluate([toy_found, alarm], [toy, empty], names)
alone = metrics.coco_evaluate([toy_found], [toy], names)
print("mAP50 with the empty image", round(both["mAP50"], 3),
      "and without", round(alone["mAP50"], 3))
match = metrics.match_detections(found[:2], sure[:2], objects[:1],
                                 crowd=torch.tensor([True]))
print("in a crowd: hits", match.hits.tolist(), "ignored",
      match.ignored.tolist())

# %% id="ledger-4" slide="skip" tags=["ledger"]
# L4 VOC and COCO: two boxes between two objects; three of ten objects
near = torch.tensor([[0.0, 0, 10, 10], [0, 2, 10, 12]])
two = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 11]])
for rule in ("voc", "coco"):
    match = metrics.match_detections(two, sure[:2], near, rule=rule)
    print(f"{rule:4}", "hits", match.hits.tolist())

tenths = np.linspace(0, 1, 11)
print("the fourth point:", repr(float(tenths[3])), "| 3 / 10:", 3 / 10)
three = torch.tensor([True] * 3)
print("3 of 10 found, 11 points:",
      round(ap_points(*curve(sure[:3], three, 10), 11), 4), "= 3 / 11")

# %% id="ledger-5" slide="skip" tags=["ledger"]
# L5 labels are 1 ... K - 1; COCO's ids are 1 ... 90 with gaps
categories = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"},
              {"id": 3, "name": "car"}]  # a file may list them so
in_file = [category["id"] for category in categories]
label_of = {number: label  # ours: sorted, so that labels never move
            for label, number in enumerate(sorted(in_file), start=1)}
id_of = {label: number for number, label in label_of.items()}
print("label 1 is id", id_of[1], "| by category_ids[label - 1]:",
      in_file[1 - 1], "| label 0 would be:", in_file[0 - 1])
