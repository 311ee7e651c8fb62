# %% [markdown] id="title" slide="slide"
# # 05 · Training SSD
#
# **One question: how does a network that knows nothing become a detector, and what do you look at while it does?**
#
# You have a network (notebook 04) and a loss (03). You write the loop that you have written for every classifier, and the loss falls all night. In the morning half of the boxes lie beside their objects, and no error was ever raised. Training a detector has a handful of places where a mistake is silent. You will build a loop, check these places, and train a detector from random weights in a few minutes.
#
# Afterwards you will be able to
#
# - say what each random change of a picture does to its boxes and labels;
# - write the training step, and give the reason for every line and for their order;
# - train `ssd_tiny` from nothing to an mAP50 of 0.80, sort its mistakes by kind, and see whether a part of it has died;
# - stop a run, resume it, and show that nothing was lost, to the last bit.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebooks 00 to 04, and a training loop in PyTorch seen once. GPUs, COCO, VOC and runs of many hours follow in notebook 14.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import math
import tempfile
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from detlearn import create_model, data, load_model, metrics, show, training
from detlearn.boxes import box_iou
from detlearn.data import (
    Cached, Shapes, collate, data_path, load_photo,
    make_target, shapes_train_transform, train_transform)
from detlearn.teach.exercises import nb05
from detlearn.teach.prove import prove
from detlearn.training import RECIPES, TrainConfig

# %% [markdown] id="whole" slide="skip"
# Here is the whole chapter. A pass through the upper line is one **step**; an **epoch** visits every scene once.
#
# ```
#  §1                §2
#  scene ─▶ change ─▶ network ─▶ loss ─▶ gradient ─▶ step
#    ▲                                                 │
#    └──── next batch, next learning rate ◀────────────┘
#
#  after an epoch:  §3 score · kinds of mistakes
#                   §4 check-up · checkpoint
# ```
#
# This is what it is for: a network on three unseen scenes, before and after training, the truth dashed. (Three lower boxes are still wrong.)

# %% id="before-and-after" slide="subslide" tags=["hide-input"]
folder = data_path("shapes_val")
validation = data.CocoDetectionDataset(
    folder / "images", folder / "annotations.json")
some, truths = zip(*[validation[i] for i in (3, 8, 24)])
torch.manual_seed(0)
unborn = create_model("ssd_tiny").eval()
grown = load_model(data_path("weights", "ssd_tiny.safetensors"))
empty = unborn.detect(list(some), score_threshold=0.13, max_detections=8)
full = grown.detect(list(some), score_threshold=0.5)
answers = [one | {"reference": truth["boxes"]}
           for one, truth in zip([*empty, *full], truths * 2)]
show.draw_scenes(
    [*zip(some * 2, answers)], validation.class_names,
    titles=["before"] * 3 + ["after"] * 3, columns=3,
    alt="Three scenes that the network has never seen, the truth dashed. "
    "Above, before training, its best boxes are noise with scores near one "
    "in nine; below, after training, nearly all boxes lie on objects and "
    "have right names; three of low score do not.")

# %% [markdown] id="notes-whole" slide="notes"
# > *For the speaker.* Ask what the scores of the upper row are, and why. Nine classes with background, all about equally likely: one in nine on average. Shown are the best of 3,392 priors, a little above.

# %% [markdown] id="data-that-changes" slide="slide" tags=["lead"]
# ## 1 · Pictures that change
#
# A network that sees the same pictures again and again learns them by heart. **Augmentation** changes each picture at every visit, in ways that leave the right answer known. In the SSD paper more augmentation raises SSD300 from 65.5 to 74.3 mAP on VOC 2007 (Liu et al. 2016, Table 2); zooming out and training twice as long add 2.9 (§3.6, Table 6).
#
# For a classifier the answer survives nearly everything, since a mirrored cat is a cat. A detector's answer is made of *coordinates*. **Whoever moves the picture must move its boxes, and no error is raised if you forget.**
#
# The smallest example has 8 × 4 pixels and one object, whose box is (1, 1, 4, 3). Mirror it. **Predict** the four numbers of its new box.

# %% [markdown] id="notes-data" slide="notes"
# > *For the speaker.* Draw the 8 × 4 pixels on the board. Somebody will say (7, 1, 4, 3); let it stand until the next cell. At the window and its three boxes, let the room say the new numbers. Ask: what would the network learn if the third stayed?

# %% id="flip-by-hand" slide="fragment"
def rows(image):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in image[0]]


image = torch.zeros(1, 4, 8)  # (C, H, W)
image[:, 1:3, 1:4] = 1
box = torch.tensor([[1.0, 1.0, 4.0, 3.0]])
for before, after in zip(rows(image), rows(image.flip(-1))):
    print(before, " ", after)

# %% [markdown] id="flip-text" slide="fragment"
# A point goes from x to W − x. So the left edge goes from 1 to 7, and the right edge from 4 to 4. But a box (7, 1, 4, 3) would begin at 7 and end at 4. **The edges change their roles**: the new left edge is the old *right* one, and the box is (4, 1, 7, 3).

# %% id="flip-boxes" slide="skip" tags=["prove"]
def flip_boxes(boxes, width):
    """Corners in a mirrored image."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


mirrored = flip_boxes(box, 8)
x1, y1, x2, y2 = mirrored[0].int().tolist()
inside = image.flip(-1)[:, y1:y2, x1:x2]
prove("the new box holds the object, all of it and no more",
      [inside.min(), inside.sum()], [1.0, image.sum()])

# %% [markdown] id="typed-boxes" slide="skip"
# ### Why the boxes move along
#
# `torchvision.transforms.v2` moves picture and boxes in one call. How does it know that four numbers are a box? By their **type**. A `tv_tensors.BoundingBoxes` is a tensor that remembers its format and the size of its image. Labels pass through unchanged. So does a box that is a *plain* tensor, and nothing warns you.

# %% id="v2-flip" slide="skip" tags=["prove"]
typed = tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=(4, 8))
flip = v2.RandomHorizontalFlip(p=1)
_, moved = flip(tv_tensors.Image(image), {"boxes": typed, "plain": box})
print("typed:", moved["boxes"].tolist(), "plain:", moved["plain"].tolist())
prove("v2's mirror = ours", moved["boxes"], mirrored)

# %% [markdown] id="one-at-a-time" slide="subslide"
# ### Each change alone
#
# A photograph with three boxes, a motorcycle and its wheels, is changed in five ways. **Predict**: which change moves no coordinate, and which can make a box disappear?

# %% id="each-alone" slide="-" tags=["hide-input"]
photo, motorcycle = load_photo("motorcycle")
crop = v2.RandomIoUCrop(sampler_options=[0.3])
alone = {
    "colours": v2.RandomPhotometricDistort(p=1),
    "zoom out": v2.RandomZoomOut(
        fill=[123, 117, 104], side_range=(2, 2.5), p=1),
    "crop": v2.Compose([crop, v2.SanitizeBoundingBoxes()]),
    "mirror": flip,
    "resize": v2.Resize((300, 300)),
}
torch.manual_seed(2)
both = {"boxes": motorcycle["boxes"], "labels": motorcycle["labels"]}
changed = [change(photo, both) for change in alone.values()]
show.draw_scenes(
    [(photo, both), *changed], motorcycle["class_names"],
    titles=["before", *alone], columns=3,
    alt="A photograph of a motorcycle with boxes around it and its wheels, "
    "six times: as it was; in other colours; small on a grey canvas; "
    "cropped; mirrored; squeezed into a square. The boxes move along.")

# %% [markdown] id="why-each" slide="skip"
# | change | meant to teach | boxes | labels |
# |--|--|--|--|
# | **colours**: brightness, contrast, saturation, hue | light does not matter | stay | stay |
# | **zoom out**: on a canvas with sides up to 4 × as long | *small* objects | shrink, move | stay |
# | **crop**: a window with 0.3 to 1 of the sides, ratio ½ to 2 | *large* objects, cut ones | shift, are cut, **leave** | leave with their boxes |
# | **mirror** | left and right | flip | stay |
# | **resize** to the network's square | – | scale | stay |

# %% [markdown] id="crop-text" slide="subslide"
# ### The crop, by hand
#
# Only the crop is difficult. SSD draws a demand, such as *some object must have an IoU of at least 0.3 with the window*, and tries windows until one meets it. An object of which only an ear is left should not be taught, so there is a **centre rule**: an object stays if its centre, the dot, lies in the window.
#
# **Predict** what becomes of three boxes, (50, 24, 70, 40), (30, 42, 60, 58) and (10, 60, 60, 76), in a window from (40, 20) to (100, 80):

# %% id="crop-drawn" slide="-" tags=["hide-input"]
three = torch.tensor([[50, 24, 70, 40], [30, 42, 60, 58], [10, 60, 60, 76]])
show.draw_boxes(
    torch.ones(3, 90, 110), three, [1, 2, 3], width=3.4, centers=True,
    class_names=["", "label 7", "label 8", "label 9"],
    reference=[[40, 20, 100, 80]], key=("box", "window"),
    alt="A dashed window and three boxes with a dot at their centres. The "
    "first lies inside; the left edge of the window cuts the other two, "
    "and the centre of the third lies outside.")

# %% id="crop-by-hand" slide="skip"
def crop_boxes(boxes, labels, left, top, width, height):
    """What is left of boxes and labels in a window."""
    x, y = (boxes[:, :2] + boxes[:, 2:]).unbind(-1)  # twice the centre
    x, y = x / 2 - left, y / 2 - top
    stays = (0 < x) & (x < width) & (0 < y) & (y < height)
    moved = boxes[stays] - torch.tensor([left, top, left, top])
    border = torch.tensor([width, height, width, height])
    return torch.minimum(moved.clamp(min=0), border), labels[stays]


crop_boxes(three, torch.tensor([7, 8, 9]), 40, 20, 60, 60)

# %% [markdown] id="two-halves" slide="skip"
# The first box is moved. The second has its centre at x = 45, so it stays and is cut. The third has it at 35, and leaves *with its label*.
#
# torchvision crops in two halves. `RandomIoUCrop` only *marks* boxes that leave, by making them (0, 0, 0, 0); `SanitizeBoundingBoxes` throws them out with their labels. Without the second half the loss gets boxes without area (03). (`train_transform(300)` does the five changes in the table's order; ★ shows it at work.)

# %% [markdown] id="the-loop" slide="slide"
# ## 2 · The loop, line by line
#
# Training is one small thing, done thousands of times: **predict, compare, find the slope, move.** The first function predicts and compares; the second does the rest.

# %% [markdown] id="notes-loop" slide="notes"
# > *For the speaker.* Before the table: hide it, and ask for each line what would happen without it. The last is hard to guess: with a log of tensors, memory grows with every step until the machine dies.

# %% id="compute-losses" slide="skip" tags=["teaches:detlearn.training.precision:compute_losses"]
def compute_losses(model, images, targets, autocast=nullcontext):
    images = model.normalize(images)  # (B, 3, H, W)
    images = images.contiguous(memory_format=torch.channels_last)
    with autocast():
        predictions = model(images)
    if isinstance(predictions, Tensor):
        predictions = predictions.float()
    else:
        predictions = type(predictions)(
            *(part.float() for part in predictions))
    return model.loss(predictions, targets)

# %% id="train-step" slide="-" tags=["teaches:detlearn.training.loop:train_step"]
def train_step(model, images, targets, optimizer, clip_norm=math.inf,
               autocast=nullcontext, scaler=None):
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    losses = compute_losses(model, images, targets, autocast)
    loss = torch.stack(list(losses.values())).sum()
    check_finite(loss, losses, targets)
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not scaler.is_enabled():
        check_finite(norm, losses, targets, "gradient")
    scaler.step(optimizer)
    scaler.update()
    return {name: float(part.detach()) for name, part in losses.items()}

# %% [markdown] id="line-by-line" slide="skip"
# | line | why |
# |--|--|
# | `normalize` | uint8 0 … 255 becomes numbers around zero |
# | `channels_last` | another order in memory; convolutions are faster |
# | `autocast` | on a GPU: half precision (here nothing) |
# | `.float()` | the loss in float32 (why: ★); `Tensor` is for networks with one output (11) |
# | `.sum()` | boxes and classes weigh the same: α = 1 in the paper's Eq. 1 |
# | `check_finite` | a NaN stops *here*, with the image ids, before it reaches a weight |
# | `zero_grad` | `backward` **adds** to old gradients |
# | `scale`, `unscale_` | float16 rounds small gradients to 0: enlarge the loss, shrink the gradients again (here nothing) |
# | `clip_grad_norm_` | one wild batch may not ruin the weights; before `unscale_` the limit would mean nothing |
# | `scaler.step` | calls `optimizer.step()`, unless a gradient overflowed |
# | `scaler.update` | chooses the next enlargement |
# | `float(part.detach())` | a tensor would keep its whole graph in memory |
#
# (Two such steps with SGD are proved by hand, ★.)

# %% [markdown] id="schedule" slide="subslide" tags=["lead", "beside:three-schedules"]
# ### How far to go
#
# The **learning rate** says how far a step goes. At first large steps save time. At the end small ones are needed, because large ones jump across the place where the loss is lowest. So a *schedule* changes the rate. Ours, called “flat”, begins with a **warm-up**, because the gradients of random weights are a poor guide. Then it keeps the rate, and at last it goes down to zero in a straight line. (★ draws this schedule and two others.)

# %% [markdown] id="whole-loop" slide="skip"
# ### The whole loop
#
# `load_batches` shuffles by (seed, epoch), stacks images and leaves targets a list, since pictures differ in their number of objects. `learning_rate_factor` computes the schedule.
#
# **Predict**: what happens to the first learning rate if `schedule.step()` stands *before* the training step?

# %% id="train-here" slide="skip"
def train_here(model, dataset, config):
    """The losses and the learning rate of every step."""
    model.to(memory_format=torch.channels_last)
    optimizer = training.build_optimizer(model, config)
    each = len(training.batch_indices(dataset, config, epoch=0))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: training.learning_rate_factor(
            step, each, config))
    log = []
    for epoch in range(config.epochs):
        model.train()
        for images, targets in training.load_batches(
                dataset, config, epoch, start=0, num_workers=0,
                device=torch.device("cpu")):
            rate = schedule.get_last_lr()[0]
            losses = train_step(model, images, targets, optimizer,
                                config.clip_norm)
            schedule.step()  # after the optimiser
            log.append(losses | {"learning rate": rate})
    return log

# %% [markdown] id="overfit-text" slide="subslide"
# The scheduler sets the rate of the *next* step. Called first, it throws the first rate away, and every drop comes one step too early (★ has a tutorial that does so).
#
# ### One batch, by heart
#
# The cheapest of all tests comes first: **eight scenes, the same in every step.** A correct detector learns them by heart. If the loss does not fall, the fault is in targets, loss, learning rate or the network, and no amount of data will mend it. **Predict** how much of the loss is left after 40 steps: a half, a tenth, less?

# %% id="overfit" slide="fragment" tags=["output-only"]
check_finite = training.check_finite  # chapter 03's guard against NaN
images, targets = collate([Shapes(length=8)[i] for i in range(8)])
torch.manual_seed(0)
student = create_model("ssd_tiny").train()
optimizer = torch.optim.AdamW(student.parameters(), lr=5e-3)
said = [train_step(student, images, targets, optimizer)
        for _ in range(40)]
curve = {name: [step[name] for step in said] for name in said[0]}
first, last = (sum(said[i].values()) for i in (0, -1))
assert 0.001 < last / first < 0.1, last / first
show.draw_curves({"loss": curve}, log=True, alt="Both parts of the loss "
                 "over 40 steps, on a logarithmic axis: they fall by more "
                 "than a factor of ten.")

# %% [markdown] id="from-nothing" slide="slide"
# ## 3 · From nothing to 0.80
#
# Eight scenes are learned by heart; a hundredth of the loss is left in the run shown. That says only that the wires are connected.
#
# **Estimate first.** Two numbers decide how long a training takes: the scenes, and how often each is visited. Count the steps, time three, and multiply:

# %% [markdown] id="notes-from-nothing" slide="notes"
# > *For the speaker.* Collect guesses of the time before the cell runs. At the curves, ask why the rate falls at the end (large steps jump about the valley), and what a loss on unseen scenes would show that this curve cannot.

# %% id="how-long" slide="skip" tags=["nbval-ignore-output", "hide-input"]
SCENES, EPOCHS = 3800, 2
config = replace(RECIPES["ssd_tiny"], epochs=EPOCHS)
steps = EPOCHS * len(training.batch_indices(range(SCENES), config, epoch=0))
start = time.perf_counter()
for _ in range(3):
    train_step(student, images, targets, optimizer)
one = (time.perf_counter() - start) / 3 * config.batch_size / len(images)
print(f"{steps} steps of {one:.3f} s: about {one * steps:.0f} s")

# %% [markdown] id="recipe" slide="subslide" tags=["lead"]
# The **recipe**, cut from 6 epochs to 2, says: batches of 8, since small ones give many steps in a short time; AdamW at 0.01, which gives each weight a step size of its own; 200 steps of warm-up, then the schedule “flat”; gradients clipped at a norm of 10; a mirror, and sometimes a window cut out and enlarged.
#
# `Cached` draws each scene once and changes it at every visit. The generator tries to place 9 to 16 objects in a scene, not 1 to 8 as in the test: more targets in a step. (Whether that pays was not measured.)

# %% id="train-it" slide="-"
torch.manual_seed(0)
model = create_model("ssd_tiny")
scenes = Cached(Shapes(length=SCENES, objects=(9, 16)),
                shapes_train_transform(128))
log = train_here(model, scenes, config)
print(len(log), "steps:", *log[0])

# %% id="curves" slide="subslide" tags=["hide-input"]
panels = {}
for name in log[0]:
    values = torch.tensor([step[name] for step in log])
    panels[name] = {"": values.unfold(0, 10, 10).mean(dim=1)}
assert all(panels[name][""][-1] < panels[name][""][0] for name in curve)
show.draw_curves(
    panels, x="tens of steps", alt="The loss of the boxes and of the "
    "classes over the run: both fall, first fast, then slowly. The third "
    "panel is the learning rate: it climbs, and ends near zero.")

# %% [markdown] id="score-text" slide="fragment"
# Both losses fall, but on scenes that it learns from. **The score** is taken on other scenes, those of the opening picture, by pycocotools (01):

# %% id="score" slide="subslide" tags=["nbval-ignore-output", "beside:curves"]
detections, truths = training.detect_all(model, validation)
scores = metrics.coco_evaluate(detections, truths,
                               validation.class_names)
assert scores["mAP50"] >= 0.80, scores["mAP50"]
print(f"{len(validation)} scenes: mAP50 {scores['mAP50']:.3f},"
      f" mAP {scores['mAP']:.3f}")

# %% [markdown] id="kinds-text" slide="subslide"
# ### Wrong, but how?
#
# mAP is one number for all mistakes. Sort them (after *TIDE*, Bolya et al. 2020, §2.2). Best score first, each detection lies
#
# 1. on a free object of its class, IoU ≥ 0.5: **correct**, and the object is taken;
# 2. on an object of its class that is already taken: **duplicate**;
# 3. on an object of another class: **wrong class**;
# 4. near something, 0.1 ≤ IoU < 0.5: **badly placed**;
# 5. else **on background**.
#
# Objects without a correct box are **missed**, even under a box of the wrong class, which is counted as well.
#
# **Predict.** There is a disc from (0, 0) to (10, 10) and a square from (20, 0) to (30, 10). A detector says, best score first: disc (0, 0, 10, 10), disc (0, 0, 10, 8), tree (20, 0, 30, 9), disc (0, 0, 10, 3), disc (50, 0, 60, 9). What kind is each?

# %% id="error-kinds" slide="skip" tags=["teaches:detlearn.metrics.errors:error_kinds"]
def error_kinds(detection, target, iou_threshold=0.5, background=0.1):
    overlaps = box_iou(detection["boxes"], target["boxes"])
    same_class = detection["labels"][:, None] == target["labels"]
    taken = torch.zeros(overlaps.shape[1], dtype=torch.bool)
    order = detection["scores"].argsort(descending=True, stable=True)
    kinds = [""] * len(overlaps)
    for d in order.tolist():
        near = overlaps[d] >= iou_threshold
        free = near & same_class[d] & ~taken
        if free.any():
            kinds[d] = "correct"
            taken[(overlaps[d] * free).argmax()] = True
        elif (near & same_class[d]).any():
            kinds[d] = "duplicate"
        elif near.any():
            kinds[d] = "wrong class"
        elif (overlaps[d] >= background).any():
            kinds[d] = "badly placed"
        else:
            kinds[d] = "on background"
    return kinds

# %% id="five-boxes" slide="fragment"
two = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
five = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [20, 0, 30, 9],
                     [0, 0, 10, 3], [50, 0, 60, 9]])
found = {"boxes": five, "labels": torch.tensor([1, 1, 3, 1, 1]),
         "scores": torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])}
error_kinds(found, {"boxes": two, "labels": torch.tensor([1, 2])})

# %% [markdown] id="errors-text" slide="subslide" tags=["lead"]
# The tree has the right place and the wrong name. The fourth box has an IoU of 0.3 with the disc.
#
# Now your network at three score thresholds. **Predict** which kinds become fewer when the threshold rises, and which can become more:

# %% id="errors-drawn" slide="-" tags=["hide-input"]
def stronger_than(threshold):
    return [{key: one[key][one["scores"] > threshold] for key in one}
            for one in detections]


by_threshold = {
    f"score > {t}": metrics.detection_errors(stronger_than(t), truths)
    for t in (0.3, 0.5, 0.7)}
missed = [counts["missed"] for counts in by_threshold.values()]
assert missed == sorted(missed)
show.draw_error_kinds(by_threshold, alt="Detections by kind at three score "
    "thresholds. Most are correct; as the threshold rises, all wrong "
    "detections become fewer; missed objects become more.")

# %% [markdown] id="read-the-errors" slide="skip"
# A threshold only takes detections away. In the run shown here *wrong class* leads at the low threshold, *missed* at the high one.
#
# Each kind suggests where to look first: *missed* at the priors (02) and small objects, *badly placed* at the box loss, *wrong class* at the backbone, *duplicate* at NMS, *on background* at the negatives (03).

# %% [markdown] id="move-detections" slide="subslide"
# ### Predict, then move
#
# Your network on one scene: its boxes and (dashed) the objects. The thick box was made from the orange prior. The cell below the explorer checks your answers.
#
# 1. *Look at* goes through the boxes. Which level made the one around the *smallest* house, and which the one around the cross? (None? Lower *score over*. Priors of levels 0 to 3 begin at 9, 20, 40 and 72 px; the picture has 128.)
# 2. Set *IoU at most* to 1, so that NMS suppresses nothing. A crowd of new boxes appears. Of which of the six kinds (above) are nearly all of them?
# 3. Set it back to 0.45, and move *score over* up to 0.99. Does this scene agree with the last figure: of which kind can there be *more*?

# %% id="explorer-detections" slide="-" tags=["explorer", "nbval-ignore-output"]
model.class_names = validation.class_names
show.ThresholdExplorer(model, *validation[25],
                       file=folder / "images" / "000025.png")

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# (level of the house's box, level of the cross's), kind, kind;
# kinds as in metrics.ERROR_KINDS. Made up: ((1, 1), "correct", "correct")
moves = ...

nb05.moves.check(moves)

# %% [markdown] id="healthy" slide="slide" tags=["lead"]
# ## 4 · Healthy, and safe
#
# ### A check-up
#
# A channel behind a ReLU is **dead** when it is 0 in every cell of every picture. No gradient passes through it, so nothing pulls it back. The score need not tell (11).
#
# `training.check_up` counts channels that are never active; a **module** is dead if at least half of its channels are. It also looks for stale BatchNorm statistics and missing gradients. First your network:

# %% [markdown] id="notes-check-up" slide="notes"
# > *For the speaker.* Ask how one would notice a dead branch without this tool. Loss and score need not show it (11); with a network as sick as this one they probably would. Show the figure of the killed network only after the room has guessed which part dies.

# %% id="check-up" slide="-"
pictures, lessons = collate([validation[i] for i in range(64)])
healthy = training.check_up(model, pictures, lessons)
print(len(healthy.modules), "modules,", len(healthy.dead), "dead")
assert not healthy.dead

# %% [markdown] id="kill-text" slide="subslide"
# Now we kill one: 24 steps at a learning rate of 0.3, thirty times the recipe's and without a warm-up. Then it trains on at a sensible rate, 5e-3. **Predict**: does the loss fall again? Do the dead channels come back?

# %% id="killed" slide="-" tags=["hide-input", "nbval-ignore-output"]
def after(learning_rate, epochs, patient):
    how = TrainConfig(epochs, batch_size=4, warmup_steps=0, amp="off",
                      learning_rate=learning_rate, schedule="constant")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        history = training.train(patient, lecture, how, device="cpu",
                                 progress=False)
    loss = history[-1]["classification"]  # machines differ: not compared
    warned = str(said[0].message).split(",")[0]
    print(f"{24 * epochs} steps: class loss {loss:.1f}; {warned}")
    return history, training.check_up(patient, pictures, lessons)


lecture = Cached(Shapes(length=96), shapes_train_transform(128))
torch.manual_seed(0)
patient = create_model("ssd_tiny")
first, killed = after(0.3, 1, patient)
later, still = after(5e-3, 2, patient)
assert len(set(killed.dead) & set(still.dead)) >= 2  # they stay dead
assert later[-1]["classification"] < 0.4 * first[0]["classification"]

# %% id="check-up-drawn" slide="subslide"
show.draw_check_up(
    {"yours": healthy, "24 steps at 0.3": killed,
     "and 48 steps at 0.005": still},
    alt="The channels of every module of three networks. In the trained "
    "one nearly all answer. After 24 steps at a rate of 0.3 whole modules "
    "are dead; after 48 more steps at a sensible rate they still are.")

# %% [markdown] id="after-the-kill" slide="subslide" tags=["lead", "beside:check-up-drawn"]
# The class loss falls as if all were well. A bar is a module that ends in a ReLU. Single channels come and go, as BatchNorm's running means lag after so wild a start; the dead modules stay dead. **Do not wait**: begin again, with a lower rate. The package's loop looks after every epoch and warns.

# %% [markdown] id="stop-and-resume" slide="slide" tags=["lead"]
# ### Stop and resume
#
# Six hours of training, the session ends, and there is no checkpoint ([a thread](https://github.com/Surrey-EEEM071-CVDL/CourseWork/issues/1) of many). A **checkpoint** is a file from which a run goes on as if nothing had happened. Killed and resumed, it must end with **the same weights, bit by bit**, as a run that was left alone.
#
# Below is the accident: a data set whose machine dies in the second epoch. `train` saves to `out=` every `checkpoint_every` steps; `resume=True` goes on. **Predict** what must be in the file, besides the weights.

# %% [markdown] id="notes-resume" slide="notes"
# > *For the speaker.* Collect the room's list on the board before the next cells. Most lists have weights, optimiser and epoch. Ask for what is missing: the schedule, the batch, BatchNorm's running means.

# %% id="the-accident" slide="skip"
class Dying(Cached):
    """A data set that can be asked so often, and no more."""

    lives = 24 + 3 * 4

    def __getitem__(self, index):
        self.lives -= 1
        if self.lives < 0:
            raise ConnectionError("your session has ended")
        return super().__getitem__(index)

# %% id="killed-and-resumed" slide="skip" tags=["prove", "hide-input"]
def weights_of(dataset, **how):
    torch.manual_seed(0)
    model = create_model("ssd_tiny")
    training.train(model, dataset, brief, device="cpu", progress=False,
                   checkpoint_every=2, **how)
    return list(model.state_dict().values())


few = Cached(Shapes(length=24), shapes_train_transform(128))
brief = TrainConfig(epochs=2, batch_size=4, learning_rate=5e-3,
                    warmup_steps=4, amp="off")
unbroken = weights_of(few)
safe = Path(tempfile.mkdtemp())
try:
    weights_of(Dying(few.items, few.transform), out=safe)
except ConnectionError as error:
    print("stopped:", error)
state = training.load_checkpoint(safe / "last.pt")
print("saved:", *state)
again = weights_of(few, out=safe, resume=True)
assert all(torch.equal(*pair) for pair in zip(again, unbroken))
print(len(again), "tensors are equal to the last bit")

# %% [markdown] id="why-each-entry" slide="skip"
# - **model**: weights, and BatchNorm's running means, which are no parameters; `model.parameters()` would lose them.
# - **optimizer**: AdamW's running means of each gradient and of its square. Without them the first steps have the wrong size.
# - **schedule**: else the warm-up comes twice. **position**: else batches are learned twice.
# - **rng**: no difference here, because order and augmentation follow from (seed, epoch, index). A network with dropout needs it.
#
# A ★ section takes out one entry after the other, breaks the file, presses Ctrl-C and poisons a weight. On Colab the file belongs on your Drive: notebook 14.

# %% [markdown] id="exercises" slide="subslide"
# ## 5 · Your turn
#
# ### Exercises
#
# Replace the dots and the `None`, and run the cell. `nb05.rate_at.hint()` helps, a little more at each call.
#
# 1. `rotate_boxes`: boxes (corners) after the image was turned clockwise by a quarter. It works when four turns are none. In an image 8 px wide and 4 high, (1, 1, 4, 2) becomes (2, 1, 3, 4).
# 2. `rate_at`: a warm-up from 0 (the package's begins at a hundredth), then half a cosine to 0. It works when the rate half-way down is half the highest.
# 3. `kind_of`: the kind of one detection. It works when a taken object makes a duplicate.

# %% id="exercise-rotate-boxes" slide="skip" tags=["exercise"]
def rotate_boxes(boxes, width, height):
    """Boxes (N, 4), corners, of the image turned clockwise."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    ...
    return None

nb05.rotate_boxes.check(rotate_boxes)

# %% id="exercise-rate-at" slide="skip" tags=["exercise"]
def rate_at(step, total, highest, warmup):
    """Learning rate of a step: warm-up, then half a cosine."""
    progress = (step - warmup) / (total - warmup)
    ...
    return None

nb05.rate_at.check(rate_at)

# %% id="exercise-kind-of" slide="skip" tags=["exercise"]
def kind_of(ious, same_class, taken):
    """The kind of one detection."""
    objects = list(zip(ious, same_class, taken))
    correct = any(iou >= 0.5 and same and not gone
                  for iou, same, gone in objects)
    ...
    return None

nb05.kind_of.check(kind_of)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic", "beside:clinic-1-symptom"]
# ### Bug clinic
#
# Run the symptom, write down the mistake, open the diagnosis, run the cure. Three more patients wait behind the summary.
#
# **Patient 1.** “I added `RandomHorizontalFlip` to my own data set. No error, the loss falls as before, and the boxes on new pictures are worse.”

# %% id="clinic-1-symptom" slide="-" tags=["clinic", "hide-input"]
colours, channels = ["", "red", "blue", "green"], (0, 2, 1)
corners = [(10, 20, 60, 50), (30, 70, 100, 120), (70, 12, 110, 60)]
scene = torch.zeros(3, 128, 128, dtype=torch.uint8)
for channel, (x1, y1, x2, y2) in zip(channels, corners):
    scene[channel, y1:y2, x1:x2] = 255
scene = tv_tensors.Image(scene)
careless = {"boxes": torch.tensor(corners).float(),
            "labels": torch.tensor([1, 2, 3])}
flipped = flip(scene, careless)
torch.manual_seed(0)
misled = create_model("ssd_tiny").train()
moving = torch.optim.AdamW(misled.parameters(), lr=5e-3)
wrong = [sum(train_step(misled, images.flip(-1), targets, moving).values())
         for _ in range(40)]
assert wrong[-1] < 0.2 * wrong[0], wrong
show.draw_scenes([(scene, careless), flipped], colours,
                 titles=["before", "after"], columns=2, width=4.4,
                 alt="Three coloured rectangles in their boxes; after the "
                 "mirror the rectangles have moved and the boxes have not.")

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# The boxes are a plain tensor. v2 takes it for anything but a box and hands it on, so the pictures are mirrored and the boxes are not. Half of all targets are wrong, and the loss cannot tell: the cell above also learned eight mirrored pictures with unmirrored boxes by heart, down to a fifth of the loss or less. **Draw a batch before you train.**
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic", "prove"]
typed = tv_tensors.BoundingBoxes(
    careless["boxes"], format="XYXY", canvas_size=(128, 128))
_, cured = flip(scene, careless | {"boxes": typed})
prove("patient 1 is cured", cured["boxes"],
      flip_boxes(careless["boxes"], 128))

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Augmentation** moves pictures *and* boxes; a box's type makes it move.
# - **A step**: predict, compare in float32, check, slope, clip, move; then, and only then, the scheduler.
# - **One batch by heart** first; then estimate; then train.
# - **Errors by kind** suggest where to look first. mAP says only that there is work.
# - **A check-up** finds what loss and score can hide.
# - **A checkpoint** is everything that the next step depends on. Test it bit by bit.
#
# **Next**, 06: RefineDet, the same loop with priors that are moved twice. On a GPU, with VOC, COCO or your own folder: 14.
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §2.2 and §3.6 (augmentation), Tables 2 and 6 · Bolya et al. 2020, *TIDE*, 2008.08115 · Loshchilov and Hutter 2019, *AdamW*, 1711.05101 · torchvision, *Transforms v2*.

# %% [markdown] id="star-augmentation" slide="skip"
# ## ★ More on pictures and the loop
#
# These cells are executed and tested like the rest. Open them when you need them.
#
# **An exercise**: `place_on_canvas`, zooming out by hand. It turns fractions of the image into fractions of the canvas. `size` and `canvas` are (width, height) in px, and `place` is (x, y) in px, where the image's upper left corner lies on the canvas. It works when the whole image becomes its share of the canvas.

# %% id="exercise-place-on-canvas" slide="skip" tags=["exercise"]
def place_on_canvas(boxes, size, canvas, place):
    """Fractions of the image to fractions of the canvas, (N, 4)."""
    width, height = size
    ...
    return None

nb05.place_on_canvas.check(place_on_canvas)

# %% [markdown] id="star-crop" slide="skip"
# ### ★ The crop, against torchvision's
#
# A photograph of two dozen coins, each with a label of its own, and twenty random windows:

# %% id="crop-proved" slide="skip" tags=["prove"]
coins, money = load_photo("coins")  # two dozen objects
plain = money["boxes"].as_subclass(torch.Tensor)
number = torch.arange(1, len(plain) + 1)  # a label of its own for each
anywhere = v2.RandomIoUCrop(sampler_options=[0.0])
ours, theirs = [], []
for seed in range(20):
    torch.manual_seed(seed)
    window = anywhere.make_params([coins, money["boxes"]])
    place = [window[key] for key in ("left", "top", "width", "height")]
    ours.append(crop_boxes(plain, number, *place))
    _, left = v2.SanitizeBoundingBoxes()(coins, {
        "boxes": anywhere.transform(money["boxes"], window),
        "labels": number})
    theirs.append((left["boxes"], left["labels"]))
assert sum(len(labels) for _, labels in ours) < 20 * len(number)
prove("20 crops by hand = torchvision's", [b for b, _ in ours],
      [b for b, _ in theirs])
prove("a box that leaves takes its label along", [n for _, n in ours],
      [n for _, n in theirs])

# %% [markdown] id="star-crop-trap" slide="skip"
# There is a trap in this crop. It tries until some window meets its demand. Given `sampler_options=[0.3]` alone and nothing but small objects, **it never returns**. The default list contains 1.0, “leave it as it is”, and so ends.
#
# Does `train_transform` keep boxes, labels and pictures together? Here are four versions of patient 1's scene, in which label 1 is red, 2 blue and 3 green. Strips without a box are what the crop has left of a rectangle whose centre lay outside:

# %% id="chains-drawn" slide="skip" tags=["hide-input"]
truth = make_target(corners, [1, 2, 3], (128, 128), image_id=0)
torch.manual_seed(5)
paper = train_transform(128, photometric=False, fill=(0, 0, 0))
show.draw_scenes(
    [paper(scene, truth) for _ in range(4)], colours,
    alt="A red, a blue and a green rectangle in four random versions. "
    "Each one whose centre is in the picture has its box; two blue "
    "strips at a border, left over by the crop, have none.")

# %% [markdown] id="two-chains" slide="skip"
# Here is the same question as a number, for this chain and for `shapes_train_transform`, the cheap one of §3, which mirrors and sometimes cuts a window out. Each box must hold all of its label's colour, and no other.

# %% id="red-green-blue" slide="skip"
def colours_agree(image, target):
    """Each box holds all of its label's colour, and no other."""
    for corners, label in zip(target["boxes"], target["labels"]):
        colour = image[channels[label - 1]].float() / 255  # (H, W)
        x1, y1, x2, y2 = corners.round().int().tolist()
        outside = colour.clone()
        outside[max(0, y1 - 2):y2 + 2, max(0, x1 - 2):x2 + 2] = 0
        inside = colour[y1 + 2:y2 - 2, x1 + 2:x2 - 2]  # edges are blurred
        if (outside > 0.2).any() or (inside < 0.8).any():
            return False
    return True


assert colours_agree(scene, truth)
assert not colours_agree(*flipped)  # patient 1's: the check can fail
cheap = shapes_train_transform(128, zoom=0.7)
for name, change in (("paper's", paper), ("cheap", cheap)):
    torch.manual_seed(0)
    seen = [change(scene, truth) for _ in range(150)]
    agree = sum(colours_agree(*one) for one in seen)
    gone = sum(3 - len(target["labels"]) for _, target in seen)
    print(f"{name} chain: {agree} of {len(seen)} agree;"
          f" {gone} of {3 * len(seen)} boxes have left")
    assert agree == len(seen) and gone > 0

# %% [markdown] id="star-schedule" slide="skip"
# ### ★ The schedule and the loop, opened
#
# Here are three schedules. The vertical axis is a factor on the recipe's rate:

# %% id="three-schedules" slide="skip" tags=["hide-input"]
run = TrainConfig(epochs=65, warmup_steps=100, milestones=(43, 54))
factor = training.learning_rate_factor
show.draw_curves(
    {name: {"": [factor(s, 10, replace(run, schedule=name))
                 for s in range(650)]}
     for name in ("cosine", "flat", "steps")},
    alt="Three schedules, each with a climb at first: a cosine wave down "
    "to zero; a plateau and a straight line to zero; a plateau with two "
    "drops to a tenth of what was.")

# %% [markdown] id="star-factor" slide="skip"
# `learning_rate_factor` of §2 draws them. It is this function:

# %% id="learning-rate-factor" slide="skip" tags=["teaches:detlearn.training.config:learning_rate_factor"]
def learning_rate_factor(step, steps_per_epoch, config):
    if step < config.warmup_steps:
        start = config.warmup_factor
        return start + (1 - start) * step / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "steps":
        passed = sum(step // steps_per_epoch >= milestone
                     for milestone in config.milestones)
        if isinstance(config.drop, tuple):
            return math.prod(config.drop[:passed])
        return config.drop**passed
    last = max(config.epochs * steps_per_epoch, config.warmup_steps + 1)
    progress = (step - config.warmup_steps) / (last - config.warmup_steps)
    if config.schedule == "flat":  # for 60 % of the way, then a line
        return max(0.0, min(1.0, (1 - progress) / 0.4))
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

# %% [markdown] id="star-step" slide="skip"
# A step of §2 without clipping and scaling is, with SGD, *weight − rate · gradient*. Two steps by hand must give the same weights:

# %% id="prove-step" slide="skip" tags=["prove"]
def step_by_hand(model, images, targets, optimizer):
    own = list(model.parameters())
    losses = compute_losses(model, images, targets)
    slopes = torch.autograd.grad(sum(losses.values()), own)
    for parameter, slope in zip(own, slopes):
        parameter.data -= 0.1 * slope


def weights_after(step):
    torch.manual_seed(0)
    model = create_model("ssd_tiny").train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # twice: old gradients must be gone
        step(model, images, targets, optimizer)
    return nn.utils.parameters_to_vector(model.parameters()).detach()


prove("two steps = weight - rate * gradient, twice",
      weights_after(train_step), weights_after(step_by_hand),
      tolerance=1e-4)

# %% id="loop-proved" slide="skip" tags=["prove"]
for name in ("cosine", "flat", "steps", "constant"):
    shape = replace(run, schedule=name)
    assert all(learning_rate_factor(s, 10, shape) == factor(s, 10, shape)
               for s in range(650))

torch.manual_seed(0)
twin = create_model("ssd_tiny")
train_here(twin, few, brief)
ends = torch.stack([
    (a.float() - b.float()).abs().max()
    for a, b in zip(twin.state_dict().values(), unbroken)])
prove("twelve steps of §2's loop = the package's train, every weight",
      ends.max(), 0.0, tolerance=1e-4)

# %% [markdown] id="star-errors" slide="skip"
# `metrics.detection_errors` counts the kinds of all images. A useful property of the definition: weaker detections change nothing about the stronger ones, since the best score is asked first.

# %% id="detection-errors" slide="skip" tags=["teaches:detlearn.metrics.error_counts:detection_errors"]
ERROR_KINDS = metrics.ERROR_KINDS


def detection_errors(detections, targets,
                     iou_threshold=0.5, background=0.1):
    counts = dict.fromkeys(ERROR_KINDS, 0)
    for detection, target in zip(detections, targets, strict=True):
        kinds = error_kinds(detection, target, iou_threshold, background)
        for kind in kinds:
            counts[kind] += 1
        counts["missed"] += len(target["labels"]) - kinds.count("correct")
    return counts


print(ERROR_KINDS)

# %% id="errors-proved" slide="skip" tags=["prove"]
assert detection_errors(
    stronger_than(0.5), truths) == by_threshold["score > 0.5"]
weak, strong = stronger_than(0.3), stronger_than(0.7)
alone = [error_kinds(one, target) for one, target in zip(strong, truths)]
among = [[kind for kind, score
          in zip(error_kinds(one, target), one["scores"])
          if score > 0.7] for one, target in zip(weak, truths)]
prove("weaker detections change nothing about the stronger ones",
      [a == b for a, b in zip(alone, among)], [True] * len(truths))

# %% [markdown] id="open-questions" slide="skip"
# ## ★ Questions to a tutorial
#
# A Colab tutorial on SSD (built on uvipen/SSD-pytorch) leaves notes in its margin: questions about `scheduler.step()` and `float()`, two of them struck through and none answered, and statements on the transpose and on an epoch. Here is a cell for each.
#
# **“Why `scheduler.step()`?”** In the tutorial it is the *first* line of an epoch. **Predict** in which epochs (from 0) the rate then drops for `milestones=[43, 54]`:

# %% id="scheduler-first" slide="skip" tags=["prove"]
def run_of_rates(scheduler_first):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=2.6e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [43, 54])
    rates = []
    for _ in range(65):
        if scheduler_first:
            scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if not scheduler_first:
            scheduler.step()
    return [e for e in range(1, 65) if rates[e] < rates[e - 1]]


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print("scheduler first:", run_of_rates(True))
    print("optimiser first:", run_of_rates(False))
assert "lr_scheduler.step()" in str(said[0].message)
large = RECIPES["ssd300_resnet50"]
drops = [factor(1000 * epoch, 1000, large) for epoch in range(1, 65)]
prove("drops of the package's recipe",
      [e for e in range(2, 65) if drops[e - 1] < 0.5 * drops[e - 2]],
      run_of_rates(scheduler_first=False))

# %% [markdown] id="first-rate-lost" slide="skip"
# One epoch early, both times, and PyTorch warns of it. uvipen's code has the same order. Its README shows an AP of 25.06 on COCO after 54 epochs (a picture, `demo/mAP.png`); the tutorial reports no score of its own. If you want to reproduce uvipen's, keep the drops at 42 and 53.
#
# **“Why `float()`?”** With mixed precision a network hands over numbers of 16 bits. Under autocast PyTorch computes these losses in 32 bits by itself, but ours is called *behind* it (§2). So `float()` stands in between. What would 16 bits cost? With COCO's 81 labels, the cross-entropy of a network that knows nothing is log 81 for each of the 8,732 priors, and mining ranks the priors by their loss:

# %% id="why-float" slide="skip"
costs = torch.full((2 * 8732,), math.log(81))  # two images, step 0
print(f"sum of all losses: float32 {costs.sum():.0f}, float16",
      costs.half().sum().item(), "bfloat16", costs.bfloat16().sum().item())
spread = torch.rand(8732, generator=torch.Generator().manual_seed(0)) * 4
print("different losses: float32", len(spread.unique()),
      "float16", len(spread.half().unique()),
      "bfloat16", len(spread.bfloat16().unique()))
half, label = torch.zeros(1, 81).bfloat16(), torch.zeros(1).long()
with torch.autocast("cpu", dtype=torch.bfloat16):
    print("under autocast:", nn.functional.cross_entropy(half, label).dtype)
print("behind it:     ", nn.functional.cross_entropy(half, label).dtype)

# %% [markdown] id="transpose" slide="skip"
# float16 ends at 65,504, so this sum over *all* priors is infinite. (The loss adds positives and mined negatives only, which are far fewer.) bfloat16 ends near 3.4 · 10³⁸, as float32 does, but it has only 8 bits of precision. So 8,732 losses fall on fewer than a thousand values, and many cannot be ranked.
#
# **“The transpose matches label and ground truth.”** That network never permutes its heads. A convolution says (B, 4·A, H, W), and `view(B, 4, -1)` makes (B, 4, P). The targets are (B, P, 4), and they are turned to fit the *predictions*. Equal shapes prove nothing, though, because the *order* of the priors has changed with the layout (02). Theirs is level, prior, row, column; ours is level, row, column, prior. The same prior has another index:

# %% id="layout" slide="skip"
target_deltas = torch.zeros(32, 8732, 4)  # (B, P, 4)
print("turned:", tuple(target_deltas.transpose(1, 2).shape))
heads = [torch.zeros(32, 4 * a, side, side) for a, side in zip(
    (4, 6, 6, 6, 4, 4), (38, 19, 10, 5, 3, 1))]  # (B, 4*A, H, W)
turned = torch.cat([head.view(32, 4, -1) for head in heads], dim=2)
print("heads: ", tuple(turned.shape))

# level 1 is 19 x 19 with 6 priors a cell; its row 2, column 3, prior 4:
row, column, prior, begin = 2, 3, 4, 4 * 38 * 38  # behind level 0
numbers = torch.arange(6 * 19 * 19).reshape(1, 6, 19, 19)  # (B, A, H, W)
theirs = begin + numbers[0, prior, row, column].item()
ours = begin + (row * 19 + column) * 6 + prior
print("the same prior is number", theirs, "of theirs,", ours, "of ours")

# %% [markdown] id="epoch-text" slide="skip"
# **“One epoch is as many iterations as there are data.”** It is as many as there are *batches*. Our loop leaves the last, incomplete one out:

# %% id="batches" slide="skip"
from torch.utils.data import DataLoader

coco = range(118_287)  # the images of COCO's train2017
for drop in (False, True):
    print("batches of 32:", len(DataLoader(coco, 32, drop_last=drop)))
print("our loop:     ", len(training.batch_indices(coco, large, epoch=0)))

# %% [markdown] id="star-resume" slide="skip"
# ## ★ Stop and resume, to the last bit
#
# What does each entry of the checkpoint of §4 do? Five are tried: `model` (of which only BatchNorm's running means are lost), `optimizer`, `schedule`, `position` and `rng`. **Predict** for each: if it were lost, would the result differ?

# %% id="take-one-out" slide="skip"
def equal(weights):
    return all(torch.equal(*pair) for pair in zip(weights, unbroken))


damaged = {  # entry -> what a careless checkpoint has in its place
    "model": state["model"] | {key: torch.zeros_like(value) for key, value
        in state["model"].items() if key.endswith("running_mean")},
    "optimizer": state["optimizer"] | {"state": {}},
    "schedule": state["schedule"] | {"last_epoch": 0},
    "position": {"epoch": 1, "batch": 0, "seconds": 0.0},
    "rng": training.get_rng_state(),
}
for entry, value in damaged.items():
    other = Path(tempfile.mkdtemp())
    training.save_checkpoint(other / "last.pt", state | {entry: value})
    same = equal(weights_of(few, out=other, resume=True))
    what = "running means" if entry == "model" else entry
    print(f"{what:13} lost: {'the same' if same else 'another'} result")

# %% [markdown] id="star-another-run" slide="skip"
# The file is written beside the old one and then renamed. A cut in the middle of writing leaves the old one whole, and the one before stays, too, as `previous.pt`. Another config, model or data set is refused:

# %% id="another-run" slide="skip"
try:
    training.train(create_model("ssd_tiny"), few,
                   replace(brief, learning_rate=1e-3), out=safe,
                   resume=True, device="cpu", progress=False)
except ValueError as error:
    print(str(error).partition(": ")[2])

# %% [markdown] id="accidents" slide="skip"
# ### ★ Three more accidents
#
# 1. **A bit flips**, on a drive or in a copy. Every checkpoint carries its checksum. Where that differs, the run goes on from `previous.pt`.
# 2. **You press Ctrl-C**, or Stop. The step is finished, and a checkpoint is written. (Below it comes between two epochs: one more step, and the run stops at batch 1.)
# 3. **The loss is no number.** Weights and batch are kept in `nonfinite/`, and `replay` computes the loss again, image by image. Below, the box head of the last level (priors from 72 px on) is poisoned. **Predict** which images get a NaN.

# %% id="a-bit-flips" slide="skip" tags=["prove"]
content = bytearray((safe / "last.pt").read_bytes())
content[len(content) // 2] ^= 1  # one bit
(safe / "last.pt").write_bytes(content)
print("torch.load reads", len(torch.load(
    safe / "last.pt", weights_only=True)), "entries, without a word")
try:
    training.load_checkpoint(safe / "last.pt")
except ValueError as error:
    print("ours:", str(error).partition(": ")[2])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that it goes back
    prove("resumed from previous.pt = never interrupted",
          equal(weights_of(few, out=safe, resume=True)), True)

# %% id="ctrl-c" slide="skip" tags=["prove"]
import signal


def press_stop(history, model):
    signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends


other = Path(tempfile.mkdtemp())
try:
    weights_of(few, out=other, after_epoch=press_stop)
except KeyboardInterrupt:
    print("stopped at", {
        key: value for key, value in training.load_checkpoint(
            other / "last.pt")["position"].items() if key != "seconds"})
prove("stopped by hand and resumed = never stopped",
      equal(weights_of(few, out=other, resume=True)), True)

# %% id="no-number" slide="skip"
torch.manual_seed(0)
sick = create_model("ssd_tiny")
nn.init.constant_(sick.head.deltas[-1].weight, math.nan)
other = Path(tempfile.mkdtemp())
try:
    training.train(sick, few, brief, out=other, device="cpu",
                   progress=False)
except FloatingPointError as error:
    print("Images" + str(error).split("Images")[1].partition(" Usual")[0])
kept = training.load_checkpoint(other / "nonfinite/batch.pt")["targets"]
again = training.replay(other / "nonfinite", device="cpu")["images"]
for one, target in zip(again, kept):
    sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).amax(1)
    print("image", one["image"], "alone: NaN",
          math.isnan(one["bbox_regression"]),
          "| longest side:", round(sides.max().item()), "px")

# %% [markdown] id="star-resume-exercise" slide="skip"
# Those with a large object. Only positive priors enter the box loss (03), and on that level a smaller square has none: 45.5² / 72² is an IoU of 0.4, the threshold of `ssd_tiny`. Where many images are NaN alone, as here, look at the weights (a learning rate that is too high). Where one is, look at that image.
#
# **An exercise**: `resume_at`, where a run goes on after so many steps. An incomplete last batch is left out; but if there are fewer images than a batch holds, the epoch is one small batch. It works when 17 steps of 12 an epoch lead to (1, 5).

# %% id="exercise-resume-at" slide="skip" tags=["exercise"]
def resume_at(steps, images, batch_size):
    """(epoch, batch) of the next step, both from 0."""
    each = images // batch_size  # 0 if fewer images than a batch holds
    ...
    return None

nb05.resume_at.check(resume_at)

# %% [markdown] id="own-data" slide="skip"
# ## ★ Your own data, in twenty lines
#
# You need a folder of pictures and a table with **a row for every box**, as any spreadsheet saves it: file, left, top, right and bottom edge in pixels, label. Programs for drawing boxes write one, too (Roboflow calls it *Tensorflow Object Detection CSV*). COCO's JSON and VOC's XML will do as well; notebook 14 shows them.
#
# The example is the photograph of two dozen coins. **Learn from its left half, find the coins in the right half.** The network takes 128 px, in which a coin of the whole photograph would be a dot. So we cut windows of half the height, sixteen from the left and two from the right, with `crop_boxes` from §1.

# %% id="own-folder" slide="skip"
mine = Path(tempfile.mkdtemp())
(mine / "images").mkdir()


def write_windows(table, left, tops):
    """Pictures of 192 x 152 px, and the coins whose centre they hold."""
    rows = ["image,x1,y1,x2,y2,label"]
    for top in tops:
        name = f"{left}-{top}.png"
        window = coins[:, top:top + 152, left:left + 192]
        v2.functional.to_pil_image(window).save(mine / "images" / name)
        held, _ = crop_boxes(plain, number, left, top, 192, 152)
        rows += [",".join(map(str, [name, *box, "coin"]))
                 for box in held.int().tolist()]
    (mine / table).write_text("\n".join(rows))
    return rows


lines = write_windows("train.csv", left=0, tops=range(0, 152, 10))
write_windows("val.csv", left=192, tops=(0, 151))
print(*lines[:3], f"... {len(lines) - 1} boxes", sep="\n")

# %% id="twenty-lines" slide="skip"
from detlearn import create_model, show, training
from detlearn.data import CsvDetectionDataset, train_transform

home = mine  # yours: Path("coins"), with images/, train.csv, val.csv
table = CsvDetectionDataset(
    home / "images", home / "train.csv",
    train_transform(128, zoom_out=1.5))  # 4 would make dots of coins
held_out = CsvDetectionDataset(home / "images", home / "val.csv",
                               class_names=table.class_names)

torch.manual_seed(0)
finder = create_model("ssd_tiny", num_classes=len(table.class_names))
finder.class_names = table.class_names
settings = training.TrainConfig(
    epochs=30, batch_size=4, learning_rate=5e-3, warmup_steps=20,
    schedule="flat", ema=0.9, amp="off")
history = training.train(
    finder, table, settings, out=home / "run", resume=True,
    evaluate=lambda model: training.evaluate(model, held_out),
    evaluate_every=3, loggers=("csv",), device="cpu", progress=False,
    after_epoch=show.LiveCurve())
print(*sorted(path.name for path in (home / "run").glob("[a-z]*")))

# %% [markdown] id="live-curve" slide="skip"
# The curve grows while it trains, and every third epoch is scored. `ema` scores and keeps a moving average of the weights, which is smoother than the last ones (0.999 in long runs). `best.safetensors` is the epoch with the highest mAP. The two CSV files are for your spreadsheet. With other data, think in steps: 16 pictures in batches of 4, 30 times, are 120 steps, and 20 of them are warm-up.

# %% id="the-right-half" slide="skip"
pictures, by_hand = zip(*[held_out[i] for i in range(2)])
answers = finder.detect(pictures, score_threshold=0.5)
score = training.evaluate(finder, held_out)["mAP50"]
print("coins by hand:", sum(len(one["boxes"]) for one in by_hand))
assert score >= 0.9, score
bare = [{"boxes": one["boxes"]} for one in (*by_hand, *answers)]
show.draw_scenes(
    [*zip(pictures * 2, bare)], columns=2, width=5,
    titles=["by hand", "by hand", "found", "found"],
    alt="The right half of the photograph in two windows. Above, twelve "
    "coins in boxes drawn by hand; below, the boxes that the network "
    "found: one on every coin.")

# %% [markdown] id="how-few" slide="skip"
# Twelve coins to learn from (103 boxes, since the windows overlap), and twelve found. So few were enough here, perhaps because these coins look alike, in one light; that promises nothing about *your* coins. Draw boxes in a few pictures, train, look at what is missed, and draw more of *that*. (`python benchmarks/coins.py --seeds 8` repeats it with other seeds.)
#
# ### ★ Why left and right
#
# Windows of one photograph overlap, like frames of a film. Cut them anywhere and deal them out at random: **predict** how much of the test has been seen.

# %% id="seen-before" slide="skip"
def seen_before(train, test):
    """Share of the test's pixels that are in training windows."""
    seen = torch.zeros(303, 384)  # (H, W)
    for left, top in train:
        seen[top:top + 152, left:left + 192] = 1
    return torch.stack([seen[top:top + 152, left:left + 192].mean()
                        for left, top in test]).mean().item()


torch.manual_seed(0)
dealt = [(torch.randint(193, ()).item(), torch.randint(152, ()).item())
         for _ in range(18)]
by_place = [(0, top) for top in range(0, 152, 10)], [(192, 0), (192, 151)]
print(f"at random: {seen_before(dealt[:16], dealt[16:]):.0%}",
      f"| by place: {seen_before(*by_place):.0%}")

# %% [markdown] id="from-the-shell" slide="skip"
# A score on what was learned by heart is worth nothing. **Split by place**, film, patient or day. And `best.safetensors` was *chosen* by `val.csv`, so an honest last score needs a third part, which has chosen nothing.
#
# Without a notebook, in the repository's folder: `python -m detlearn train ssd_tiny --data FOLDER --out RUN --epochs 60 --batch-size 4 --warmup-steps 20` (more epochs, since it zooms out up to 4 times), then `python -m detlearn report RUN`, which writes one page with curves, errors by kind and the worst pictures. **Tomorrow**, for new pictures, `python -m detlearn detect --weights RUN/best.safetensors PHOTOS` draws boxes into `detections/`; in Python, `load_model(FILE).detect([picture])` returns them.

# %% [markdown] id="take-it-home" slide="skip"
# ### ★ Take it home
#
# The network that you trained in §3 still needs Python. `show.DetectorPage` writes it into one HTML file, which computes in the browser of whoever opens it: your friend's, or your phone's. Drag a shape, make it small, cover it with another one. **Find an arrangement in which one of the shapes is missed**, and look at which map the others' boxes came from.

# %% id="my-detector" slide="skip"
home_page = show.DetectorPage(model, title="The network of chapter 05")
home_page.preview("runs/05/detector.html")

# %% [markdown] id="take-it-home-read" slide="skip"
# JupyterLab shows the file in a frame, so the notebook stays small. Colab keeps your files on its own machine and shows no frame of them; there the whole page, 2 MB, goes into the output instead. (We could not try Colab itself, only its way of framing an output.) A saved network becomes a page in the shell: `python -m detlearn page RUN/best.safetensors --out detector.html`.

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# | what | paper, or often said | published code | here | see it |
# |--|--|--|--|--|
# | drops | – | 43 and 54 announced, 42 and 53 done (uvipen) | 43, 54 | ★ Questions |
# | `float()` | – | `ploc.plabel = …` in the tutorial | a line a tensor | L1 |
# | transpose | – | targets to the heads' layout | none needed | ★ Questions |
# | an epoch | – | “as many as data” (tutorial) | batches | ★ Questions |
# | crop | *some* object reaches the IoU; size [0.1, 1] (§2.2) | Caffe: *sides* from 0.3 ([0.1 is an area](https://github.com/weiliu89/caffe/issues/500), says its author), 50 tries; uvipen: *all* objects, one try; torchvision: sides from 0.3, 40 tries | torchvision's | §1; L2 |
# | zoom out | 4 × a side (§3.6) | uvipen: none | yes | §1 |
# | crop in place | – | uvipen writes into the caller's boxes | a new target | L2 |
# | images that are evaluated | all | uvipen: see patient 3, after you have diagnosed it | all | patient 3; L3 |
# | decode | – | uvipen scales its input in place | new tensors | L3 |
# | no detections | an answer, too | see patient 2, after you have diagnosed it | empty tensors | patient 2; L3 |
# | boxes over the border | – | not clipped (uvipen) | clipped | L3 |
# | class ids | – | `category_ids[label - 1]` | a table | L4 |
# | image ids | – | float32 | integers | 00 |
# | COCOeval | “torch provides it” (tutorial) | pycocotools | the same | L4 |
# | input | “300 or 512” (tutorial) | uvipen: 300 only | 300 or 512, each as its own model; 512 px into the 300 model is refused | L4; 04 |
# | `os`, Drive | – | `pip install os`; `cd` in a Python cell; no mount (tutorial) | 14 | L5 |
# | one GPU | – | needs a launcher; `model.module` on CPU (uvipen) | `pick_device` | L5 |
# | many GPUs | – | no `DistributedSampler` (uvipen) | `torchrun`, a share each | 14; L5 |
# | options | `--pretrained_model` (README) | `--pretrained-model` | – | L5 |

# %% id="ledger-1" slide="skip" tags=["ledger"]
# L1 one line for two tensors
ploc, plabel = torch.zeros(2).half(), torch.zeros(2).half()
try:
    ploc.plabel = ploc.float().plabel.float()
except AttributeError as error:
    print("L1", error)
ploc, plabel = ploc.float(), plabel.float()

# L2 the crop's demands, its patience; our target is left alone
print("L2", v2.RandomIoUCrop().options, v2.RandomIoUCrop().trials, "tries")
copy = {key: torch.as_tensor(truth[key]).clone() for key in truth}
torch.manual_seed(0)
for _ in range(20):
    paper(scene, truth)
    cheap(scene, truth)
prove("40 changes later the target is as it was",
      {key: torch.as_tensor(truth[key]) for key in truth}, copy)

# %% id="ledger-2" slide="skip" tags=["ledger", "prove"]
# L3 two images: one with a cat, and an empty one with a false alarm
from detlearn import boxes

cat = {"boxes": torch.tensor([[0.0, 0, 50, 50]]),
       "labels": torch.tensor([1])}
none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
sure = cat | {"scores": torch.tensor([0.6])}
alarm = cat | {"scores": torch.tensor([0.9])}
silent = none | {"scores": torch.zeros(0)}
names = ("background", "cat")
for what, said, of in (
        ("the empty image dropped", [sure], [cat]),
        ("the empty image counted", [sure, alarm], [cat, none])):
    score = metrics.coco_evaluate(said, of, names)["mAP50"]
    print(f"L3 {what}: mAP50 {score:.2f}")
print("L3 nothing found: mAP",
      metrics.coco_evaluate([silent], [cat], names)["mAP50"])
beyond = torch.tensor([[-10.0, -10, 60, 60]])
print("L3 clipped:", boxes.clip_boxes(beyond, 50, 50).tolist())
deltas = torch.randn(8, 4)
twice = [boxes.decode(deltas, student.priors[:8]) for _ in range(2)]
prove("L3 decoded twice, the same boxes", *twice)

# %% [markdown] id="ledger-half" slide="skip" tags=["ledger"]
# Why 0.50? The best score comes first, so the false alarm comes before the cat. Where the one cat is found, one of two detections is right, and the precision is ½.

# %% id="ledger-3" slide="skip" tags=["ledger"]
# L4 ids of categories in another order than sorted
from pycocotools.cocoeval import COCOeval

file_order = [3, 1, 2]  # as a JSON may list them
table = dict(enumerate(sorted(file_order), start=1))  # label -> id
for label in (1, 2, 0):
    print("L4 label", label, "is category", table.get(label),
          "and not", file_order[label - 1])
print("L4", COCOeval.__module__, "|",
      [name for name in boxes.PRIOR_LAYOUTS if name.startswith("ssd5")])

# %% id="ledger-4" slide="skip" tags=["ledger"]
# L5 a shell's line in Python; a launcher's line on a CPU
from argparse import ArgumentParser
from importlib.util import find_spec

from torch.utils.data import DistributedSampler

for line in ("cd /drive/data", "model.module.eval()"):
    try:
        exec(line, {"drive": 1, "data": 1, "model": nn.Linear(1, 1)})
    except (NameError, AttributeError, SyntaxError) as error:
        print("L5", type(error).__name__, "|", error)
print("L5 os is here already:", find_spec("os") is not None)
parser = ArgumentParser()
parser.add_argument("--pretrained-model")
print("L5 not recognised:",
      parser.parse_known_args(["--pretrained_model", "x.pt"])[1])
for sampled in (False, True):  # two machines, six images
    shares = [list(DistributedSampler(range(6), 2, rank, shuffle=False))
              if sampled else list(range(6)) for rank in (0, 1)]
    print("L5 sampler", sampled, shares)

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# ## ★ Three more patients
#
# **Patient 2.** “My evaluation prints *No object detected* for every image. Perhaps it needs more training?”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_evaluate(model, pictures):
    for picture in pictures:
        try:
            found = model.detect([picture], score_threshold=0.5)
            print(len(found[0]["boxes"]), "objects")
        except:  # noqa: E722
            print("No object detected")


sick_evaluate(student, [picture.float() for picture in images[:2]])

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# A bare `except:` catches *everything*: a wrong shape, a wrong device, your own Ctrl-C. It calls all of them “no object”. And the case it was written for never raises, since no object is three empty tensors. Take the `try` away, and the first image says what is wrong: here, a picture of floats from 0 to 255.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
try:
    student.detect([images[0].float()])
except ValueError as error:
    print("patient 2 hears:", error)
nothing = student.detect([images[0]], score_threshold=1.0)[0]
print("no object:", {key: tuple(v.shape) for key, v in nothing.items()})

# %% [markdown] id="clinic-3" slide="skip" tags=["clinic"]
# **Patient 3.** “My evaluation has one image less than the data set. Always the first.”

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
def sick_collate(batch):
    batch = [(image, target) for image, target in batch
             if target["image_id"] and len(target["boxes"])]
    return collate(batch)


batch = [(scene, make_target(corners[:n], [1] * n, (128, 128), i))
         for i, n in enumerate((2, 0, 3))]
print("images 0, 1, 2 become",
      [target["image_id"] for target in sick_collate(batch)[1]])

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# The collate function filters by truth: `if target["image_id"]`. Zero is false, so image 0 is dropped, and so is every image whose list of boxes is empty. False alarms on these images are never counted. Ask for None by name, or better, drop nothing.
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic", "prove"]
prove("patient 3 is cured: the package's collate drops nothing",
      [target["image_id"] for target in collate(batch)[1]], [0, 1, 2])

# %% [markdown] id="clinic-4" slide="skip" tags=["clinic"]
# **Patient 4.** “After a minute my loss stands still, whatever the learning rate.”

# %% id="clinic-4-symptom" slide="skip" tags=["clinic"]
def rates_of(batches_per_epoch, per_batch):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [43, 54])
    rates = []
    for _ in range(65):
        for _ in range(batches_per_epoch):
            optimizer.step()
            if per_batch:
                scheduler.step()
        rates.append(round(scheduler.get_last_lr()[0], 5))
        if not per_batch:
            scheduler.step()
    return rates


print("epochs 0 to 2:", rates_of(100, per_batch=True)[:3])

# %% [markdown] id="clinic-4-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 4</summary>
#
# The milestones are epochs, but `scheduler.step()` is called after every *batch*, so the rate drops at batches 43 and 54. From then on it is a hundredth. Print the learning rate in every line of your log.
#
# </details>

# %% id="clinic-4-cure" slide="skip" tags=["clinic", "prove"]
rates = rates_of(100, per_batch=False)
prove("patient 4 is cured",
      [e for e in range(1, 65) if rates[e] < rates[e - 1]], [43, 54])

# %% [markdown] id="quiz" slide="skip"
# ### ★ True or false?
#
# 1. Augmentation makes the data set larger on disk.
# 2. After a mirror, x1 becomes W − x1.
# 3. A cropped object should always stay, if a pixel of it is left.
# 4. A falling training loss shows that boxes and pictures fit together.
# 5. A network that has learned one batch by heart will be good on new scenes.
# 6. A checkpoint is the model's weights.
# 7. A dead module comes back if you go on at a good learning rate.
# 8. A higher score threshold gives a higher mAP.
# 9. Random windows of one photograph make a fair test.
#
# <details><summary>Answers</summary>
#
# 1. False: pictures are changed as they are read; the disk never sees it.
# 2. False: the new x1 is W − x2.
# 3. False: SSD asks for its centre.
# 4. False: networks learn wrong boxes, too (patient 1).
# 5. False: it shows only that the wires are connected.
# 6. False: also moments, schedule, position, BatchNorm's means.
# 7. False, as a rule: no gradient reaches it. It can only wake by accident, when the layers before it move.
# 8. False: it cuts the curve off; mAP can only fall (01).
# 9. False: they overlap with those that were learned.
#
# </details>
