# %% [markdown] id="title" slide="slide"
# # 00 · Start here
#
# **One question: what happens between a picture and a list of boxes?**
#
# Afterwards you will be able to
#
# - run a trained detector on a scene and on a photograph, and read its answer;
# - name the six stations between a picture and that answer, and say what shape passes each of them;
# - ask a detector which of its thousands of candidates a box came from;
# - train a detector for a few seconds, and say which branch of the diagram you were on;
# - find your way through the chapters, their proofs, clinics and exercises.
#
# **45 minutes** with the exercises. Before it: some PyTorch (tensors, `nn.Module`, a training loop seen once). Nothing about detection is assumed.

# %% id="setup" slide="skip" tags=["setup"]

# %% id="imports" slide="skip"
import torch
from detlearn import boxes, create_model, list_models, load_model, show
from detlearn.data import (
    CocoDetectionDataset,
    Shapes,
    data_path,
    load_photo,
)
from detlearn.teach.exercises import nb00
from detlearn.teach.prove import prove
from detlearn.training import TrainConfig, train

print(len(list_models()), "models, among them", *list_models()[:5])

# %% [markdown] id="a-detector-running" slide="slide"
# ## 1 · A detector, running
#
# An image **classifier** answers *what is this a picture of?* with one word. A **detector** answers *what is where?* with a list, as long as the picture needs: each entry is a **box**, a **label** and a **score**, the detector's own opinion of how sure it is.
#
# The repository carries a small one, trained and ready: `ssd_tiny`, half a million numbers, two megabytes. Load it.

# %% [markdown] id="notes-first-minute" slide="notes"
# > *For the speaker.* Run the next three cells at once, before any explanation: something must be on the screen in the first minute. Ask what the dashed boxes are before you say it (ground truth: where the objects really are).

# %% id="load-a-detector" slide="fragment"
model = load_model(data_path("weights", "ssd_tiny.safetensors"))
names = model.class_names
print(sum(p.numel() for p in model.parameters()), "parameters")
print(len(names), "classes:", *names)

# %% id="a-scene" slide="subslide"
folder = data_path("shapes_val")
scenes = CocoDetectionDataset(
    folder / "images", folder / "annotations.json"
)
image, target = scenes[109]
print(len(scenes), "scenes; this one:", tuple(image.shape), image.dtype)

# %% id="detect-a-scene" slide="-"
(found,) = model.detect([image], score_threshold=0.5)
assert len(found["boxes"]) > 0
show.draw_boxes(
    image,
    found["boxes"],
    found["labels"],
    found["scores"],
    names,
    reference=target["boxes"],
    alt="A scene of cut paper shapes. The detector's boxes, with class and "
    "score, lie close to the dashed boxes of the ground truth.",
)

# %% [markdown] id="a-photograph" slide="subslide"
# The dashed boxes are the **ground truth**: where the objects really are, according to whoever drew the scene. The dark blob and the green tick are scraps, objects of no class, put there to tempt it. The detector has never seen this scene, only others of its kind.
#
# Now something that it has never seen the like of: a photograph. These coins lay in Pompeii; nobody cut them out of paper.

# %% id="detect-coins" slide="-"
photo, coins = load_photo("coins")
(seen,) = model.detect([photo], score_threshold=0.3)
show.draw_boxes(
    photo,
    seen["boxes"],
    seen["labels"],
    seen["scores"],
    names,
    reference=coins["boxes"],
    width=6,
    alt="A photograph of ancient coins in rows. Dashed boxes mark all "
    "coins; solid boxes show what a detector trained on paper shapes says.",
)

# %% [markdown] id="what-the-photo-teaches" slide="fragment"
# Look before you judge: which boxes are right, which are absurd, how many coins did it miss? Three things to take along:
#
# - it found *where* the coins are, although it has never seen one, and not *what* they are: it answered, without complaint, in the only eight words it has. It has no word for *something else*;
# - a score of 0.9 is not a probability of 90 % outside the kind of pictures it was trained on;
# - the picture had another size than the scene, and you did nothing about it: `detect` resizes on the way in and scales the boxes on the way out.

# %% id="coins-in-numbers" slide="-"
print(tuple(photo.shape), "with", len(coins["boxes"]), "coins")
side = model.config.priors.image_size
print("the network works on", side, "x", side, "pixels")
print(f"boxes reach as far as x = {seen['boxes'][:, 2].max():.0f}")

# %% [markdown] id="what-comes-out" slide="slide"
# ## 2 · What comes out
#
# Every detector of this course, and every one of torchvision, answers with the same dictionary for each image.

# %% id="three-keys" slide="-"
for key in ("boxes", "scores", "labels"):
    print(f"{key:7}", found[key].dtype, found[key].ndim, "axes")
assert (found["scores"].diff() <= 0).all()
assert ((found["labels"] > 0) & (found["labels"] < len(names))).all()

# %% [markdown] id="read-the-keys" slide="fragment"
# - `boxes` (D, 4), a row for each of the D detections: corners **x1, y1, x2, y2** in pixels of *your* image, x to the right, y **down**;
# - `scores` (D,): 0 to 1, best first;
# - `labels` (D,): integers from 1. **Label 0 is the background**: what a box is when it holds nothing. No object ever has it. Many a "my loss is NaN" thread begins with an object numbered 0.
#
# (`detect` adds a fourth key, `priors`; §3 asks it something.)
#
# Why say which four numbers? Because a box can be written in many ways. The same box, four times:

# %% id="four-formats" slide="subslide"
box = torch.tensor([40.0, 20.0, 100.0, 60.0])  # x1 y1 x2 y2
print("corners  xyxy  ", box.tolist())
print("COCO     xywh  ", boxes.xyxy_to_xywh(box).tolist())
print("priors   cxcywh", boxes.xyxy_to_cxcywh(box).tolist())
relative = boxes.xyxy_to_cxcywh(box) / 200  # an image of 200 x 200
print("fractions      ", [round(x, 3) for x in relative.tolist()])

# %% [markdown] id="iou" slide="subslide"
# Nothing in the numbers says which format they are in, so the course has one rule: a variable called `boxes` holds corners (`boxes.` with a dot is the module), and any other format stands in the name (`boxes_xywh`).
#
# ### How good is a box?
#
# **Intersection over union**, IoU: the area that two boxes share, divided by the area that they cover together. 1: the same box; 0: nothing shared. By hand, on squares of a sheet of paper (`prove` stops the notebook if its two numbers differ):

# %% id="iou-by-hand" slide="-"
a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])  # 4 squares
b = torch.tensor([[1.0, 0.0, 3.0, 2.0]])  # 4 squares, 2 of them shared
by_hand = 2 / (4 + 4 - 2)
prove(
    "2 of 6 squares are shared",
    boxes.box_iou(a, b).item(),
    by_hand,
    tolerance=1e-6,
)

# %% id="iou-of-the-scene" slide="fragment"
# G objects in rows, D detections in columns
overlap = boxes.box_iou(target["boxes"], found["boxes"])  # (G, D)
best = overlap.amax(dim=1)  # (G,)
print("every object has a box:", bool((best > 0.5).all()))

# %% [markdown] id="threshold" slide="subslide"
# ### The threshold is yours
#
# `score_threshold=0.5` was a choice. The detector always has more to say; below, the same scene with 0.2. **Predict first:** more boxes around the objects that were found, or boxes in other places?

# %% id="a-low-threshold" slide="-"
(many,) = model.detect([image], score_threshold=0.2)
print(len(found["boxes"]), "boxes, then", len(many["boxes"]))
print(
    "the best ones are the same:",
    bool(torch.equal(many["boxes"][: len(found["boxes"])], found["boxes"])),
)
show.draw_boxes(
    image,
    many["boxes"],
    many["labels"],
    many["scores"],
    names,
    alt="The same scene at a score threshold of 0.2, every box with its "
    "class and score.",
)

# %% [markdown] id="threshold-answer" slide="fragment"
# Both: one house gets two more opinions (face, person), a cross becomes a tree as well, and the dark scrap, no object at all, a disc.
#
# A lower threshold means fewer misses but more false alarms. **Recall** is the share of the objects that are found, **precision** the share of the boxes that are right; chapter 01 turns both into one number, AP.

# %% [markdown] id="notes-threshold" slide="notes"
# > *For the speaker.* Draw the two axes, recall and precision, and let the room say where a threshold of 0.2 and one of 0.9 would lie.

# %% [markdown] id="exercise-count-text" slide="subslide"
# **Exercise.** How many boxes of one class reach a threshold? Fill in the dots, run the cell again, and read what it says. `nb00.count_detections.hint()` helps a little, again a little more. You are done when it praises you.


# %% id="exercise-count-detections" slide="-" tags=["exercise"]
def count_detections(detection, label, threshold):
    """How many boxes of class label have a score of at least threshold?"""
    scores = detection["scores"]
    labels = detection["labels"]
    ...


nb00.count_detections.check(count_detections)

# %% [markdown] id="the-sentence" slide="slide"
# ## 3 · One diagram
#
# Four systems, four papers, four repositories that share no line. Yet all four fit one diagram, read from left to right; each chapter changes some of its parts:

# %% id="the-picture" slide="-"
show.draw_system()

# %% [markdown] id="the-systems" slide="subslide"
# | system | backbone | pyramid | heads | priors | its idea |
# |--|--|--|--|--|--|
# | **SSD** | VGG-16, ResNet-50, MobileNetV2 | extra strided convs | conv on each level | fixed | many scales from one pass |
# | **RefineDet** | VGG-16 | TCB, coarse to fine | ARM, then ODM | refined by the ARM first | two steps |
# | **M2Det** | VGG-16, ResNet | FFM, 8 TUM, SFAM | conv on each scale | fixed | levels as well as scales |
# | **HRNet** | itself | fuse layers | heat maps, or SSD's heads | none, or fixed | resolution is never lost |
#
# The words will come, one chapter each. Today you walk once through six stations, with `ssd_tiny` and the scene above, and look at **one shape per station**: image, backbone, pyramid, heads, then in the lower branch decode and nms. (`mine` is for chapter 03, `score`, the mAP of a whole data set, for chapter 01.)
#
# In the comments B counts images, H and W are height and width (S in the diagram, where they are equal), P counts priors and K classes.

# %% id="normalise" slide="subslide"
# 1 image: uint8 pixels become numbers around zero
images = model.normalize(image[None])  # (B, 3, H, W)
print(
    tuple(images.shape),
    images.dtype,
    "within ±1:",
    bool(images.abs().max() <= 1),
)

# %% id="features" slide="fragment"
# 2, 3 backbone and pyramid in one call: maps from fine to coarse
with torch.inference_mode():
    pyramid = model.features(images)
for level, maps in enumerate(pyramid):
    print(f"level {level}:", tuple(maps.shape))

# %% [markdown] id="read-the-pyramid" slide="fragment"
# A **feature map** is a picture of the picture: 32 × 32 **cells**, each describing its own 4 × 4 pixels and their surroundings, not by three numbers but by as many as the shape's second entry says. The next map, or **level**, has half as many cells per side, each of which sees about twice as far. Small objects are looked for in the fine maps, large ones in the coarse.

# %% id="heads" slide="subslide"
# 4 heads: what is it, and how far is it off?
with torch.inference_mode():
    logits, deltas = model(images)  # (B, P, K), (B, P, 4)
print("logits", tuple(logits.shape))
print("deltas", tuple(deltas.shape))
print("priors", tuple(model.priors.shape))

# %% [markdown] id="read-the-heads" slide="fragment"
# Thousands of rows, for a scene with a handful of objects? A network returns tensors of one fixed shape, so a single-shot detector holds up a long list of boxes that were written down before any picture was seen, the **priors**. For each of them it says what it holds (`logits`, one number per class) and how to move it so that it fits (`deltas`, four numbers). Most hold nothing. Chapter 02 is about where the list comes from.

# %% id="decode" slide="subslide"
# 5 decode: priors, moved by what the network said
scores = logits[0].softmax(dim=-1)  # (P, K)
moved = boxes.decode(deltas[0], model.priors)  # (P, 4)
# column 0 is the background
sure = scores[:, 1:].amax(dim=1) > 0.5  # (P,)
print(int(sure.sum()), "of", len(sure), "priors are sure")

# %% id="before-nms" slide="-"
# priors are fractions of the image: times 128 they are pixels
show.draw_boxes(
    image,
    moved[sure] * 128,
    alt="Before suppression: many boxes of nearly the same place are "
    "stacked on each object.",
)

# %% [markdown] id="read-nms" slide="fragment"
# Neighbouring priors have all found the same object. **Non-maximum suppression**, NMS, keeps the best box and drops those that overlap it, again and again, within each class. (So an object may keep two boxes with different labels, as a house did above.) That is the sixth station:

# %% id="select" slide="subslide" tags=["prove"]
# 6 nms: one box for each object and class
config = model.config
answer = boxes.select_detections(
    boxes.clip_boxes(moved, 1, 1) * 128,
    scores,
    score_threshold=0.5,
    iou_threshold=config.iou_threshold,
    max_candidates=config.max_candidates,
    max_detections=config.max_detections,
)
for key in ("boxes", "scores", "labels"):
    prove(
        f"six stations by hand are model.detect: {key} are equal",
        bool(torch.allclose(answer[key], found[key], atol=1e-3)),
        True,
    )

# %% [markdown] id="which-prior" slide="subslide"
# Nothing is hidden in `detect`: you have written it. So you may also ask it questions. Which prior made the second box?

# %% id="where-it-came-from" slide="-"
index = int(answer["priors"][1])
place = boxes.PriorBox(config.priors).locate(index)
prior = boxes.cxcywh_to_xyxy(model.priors[index])[None] * 128
both = torch.cat([answer["boxes"][1:2], prior])
print(place)
show.draw_boxes(
    image,
    both,
    [int(answer["labels"][1]), 0],
    class_names=("prior", *names[1:]),
    alt="One object of the scene, the detector's box around it, and the "
    "prior that it was made from, of about the same place and size.",
)

# %% [markdown] id="move-detections" slide="subslide"
# ### Predict, then move
#
# One box is explained; here are all of them. On the left is the whole answer, on the right one box of it, enlarged, with the prior that it was made from (orange, dashed); the table says which level and which cell (row, column) each box came from. Run the cell to get the sliders; they start at a score of 0.50 and an IoU of 0.45. Write three guesses down **before** you move anything; the cell after the explorer checks what you then read off.
#
# 1. Push *IoU at most* up to 1.00: now no overlap is too much, and nothing is suppressed. How many boxes do you get, twice as many, or ten times?
# 2. Back to 0.45. Which level made the **largest** box, and which the **smallest**? *Look at box* steps through them.
# 3. Raise *score over* to 0.90. How many objects are still found, and what have the lost ones in common?
#
# <details><summary>Answers</summary>
#
# 1. About nine times as many: a stack on every object.
# 2. The largest, the disc, comes from level 2, a coarse one; the smallest, a cross, from level 0, the finest.
# 3. Four stay. The lost ones are the three smallest, two crosses and a house of 8 to 10 px.
#
# </details>

# %% id="explorer-detections" slide="-" tags=["explorer"]
show.DetectionExplorer(model, image, target)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# boxes, level of the largest, level of the smallest, objects found:
# four numbers, such as (30, 3, 1, 6), made up here
moves = ...

nb00.moves.check(moves)

# %% [markdown] id="training-branch" slide="slide"
# ## 4 · The other branch: training
#
# Where do the right `deltas` come from? The picture has a second branch. **Match** gives every prior an object or the background; the **loss** compares that with what the network said. The scene again, prior by prior:

# %% id="match" slide="-"
truth = boxes.make_targets(
    target["boxes"] / 128, target["labels"], model.priors
)
positive = truth.labels > 0  # (P,)
print("priors that answer for an object:", int(positive.sum()))
print("priors that answer for nothing:  ", int((~positive).sum()))

# %% [markdown] id="loss-by-hand" slide="subslide"
# A prior that answers for an object is a **positive**, any other a **negative**. Almost all are negatives, and that is why the loss takes only three of them for each positive, those that the network is most wrong about (chapter 03).
#
# **Predict.** An untrained network knows nothing, so every one of 9 classes gets a probability of about 1/9. The loss of one prior is the **cross-entropy**, −log of the probability given to the right class: −log(1/9) = 2.2 (natural logarithm). For each positive four count, itself and three negatives; the sum is divided by the positives alone, so expect about 4 · 2.2 = 8.8.

# %% id="loss-at-step-0" slide="fragment"
torch.manual_seed(0)
fresh = create_model("ssd_tiny").eval()
with torch.inference_mode():
    losses = fresh.loss(fresh(images), [target])
for name, value in losses.items():
    print(f"{name:15} {value:.1f}")
assert 8 < losses["classification"] < 11

# %% [markdown] id="train-a-little" slide="subslide"
# A little more than 8.8: random weights have weak opinions already, and these are wrong. Now teach it. Thirty-two scenes, fifteen times over: seconds on two cores, and far too little to be useful. It shows that the wires are connected: **a network that cannot learn a handful of pictures by heart will not learn a thousand.**

# %% id="a-short-training" slide="-"
few = Shapes(length=32)
short = TrainConfig(
    epochs=15, batch_size=8, learning_rate=5e-3, warmup_steps=10
)
history = train(fresh, few, short, device="cpu", progress=False)
first, last = (
    sum(history[epoch][key] for key in losses) for epoch in (0, -1)
)
print("less than a third of the loss is left:", last < first / 3)

# %% [markdown] id="notes-training" slide="notes"
# > *For the speaker.* Ask why the loss falls although nobody told the network where to look. Then let the students break the wire: swap images and targets of two scenes, and see how far the loss still falls (it does, by learning the frequencies).

# %% [markdown] id="shapes" slide="subslide"
# ### The data set that draws itself
#
# COCO, the photographs that detectors are measured on, is 20 GB and a night of training. *Shapes* is a function: a number in, a scene out, the same on every machine. Four classes are **simple** (disc, square, triangle, cross), four are **complex**, made of parts (face, house, tree, person), both groups in the same range of sizes: the longer side is 6 to 75 % of the image's. M2Det claims that complex objects need deeper features than simple ones of the same size, so that can be tested here (chapter 09). The person has 17 joints, for HRNet.

# %% id="some-scenes" slide="-"
show.draw_scenes(
    [Shapes(length=8)[i] for i in range(8)],
    Shapes.class_names,
    columns=4,
    alt="Eight scenes of cut paper on textured ground: discs, squares, "
    "triangles, crosses, faces, houses, trees and people of many sizes.",
)

# %% id="one-seed-one-scene" slide="fragment" tags=["prove"]
again, _ = Shapes(length=8)[5]
later, _ = Shapes(length=3, start=5)[0]
prove("scene 5 is scene 5, however it is asked for", again, later)

# %% [markdown] id="how-the-course-works" slide="slide"
# ## 5 · How every chapter works
#
# 1. **A question**, and the smallest tensor that shows it, checked by hand.
# 2. **The block**, in a few lines, each change of shape written behind it: `# (B, P, 4)`. The letters mean the same everywhere: B batch, C channels, H W, L levels, A priors per cell, P all priors, K classes (with the background), G ground truths, D detections.
# 3. **Prove it**: a cell that computes one thing in two ways, if possible with somebody else's code, and stops if they differ. You have met three.
# 4. **A picture**, then something to move.
# 5. **Paper ↔ code**: where the paper, the published code and this course disagree, and a cell that shows it.
# 6. **Bug clinic** and **exercises** that check themselves.
#
# Every notebook runs as a test each night. If a cell does something else on your machine, that is a bug: report it.

# %% [markdown] id="ledger" slide="subslide" tags=["ledger"]
# ### Paper ↔ code
#
# The small print that all the chapters share; skip it at a first reading. Each row has bitten somebody:
#
# | what | often found | here | see it |
# |--|--|--|--|
# | background | label −1, or none, or 0 | always label 0 | §2; clinic 1 |
# | corners | 0 … W, or pixel indices 0 … W − 1 with a “+ 1” | 0 … W, no + 1 | chapter 01 |
# | class ids | 1 … 90 with gaps (COCO), used as labels | 1 … K − 1, and a table back to the ids | below |
# | image ids | stored as float32 | integers | below |
# | soft-max | `nn.Softmax()` without `dim` (M2Det, RefineDet) | `dim=-1` | below |
# | scores out | ascending (uvipen/SSD-pytorch) | descending | §2 |

# %% id="float-ids" slide="-" tags=["ledger"]
ids = torch.tensor([16_777_216, 16_777_217])
print("as float32:", ids.float().long().tolist())  # two images become one
shared = ids.float().long().unique()
assert len(shared) == 1

# %% id="softmax-without-dim" slide="fragment" tags=["ledger"]
three = torch.zeros(2, 4, 9)  # (B, P, K): every class equal
wrong = three.softmax(dim=0)  # what nn.Softmax() picks for three axes
right = three.softmax(dim=-1)
print(
    f"over the batch: {wrong[0, 0, 0]:.3f}",
    f"| over the classes: {right[0, 0, 0]:.3f}",
)

# %% [markdown] id="clinic" slide="subslide" tags=["clinic"]
# ### Bug clinic
#
# **1. The loss is NaN, or a class is never found.** A reader numbers the classes from 0. Say what the network would be taught about every `disc`, then run:

# %% id="clinic-label-0" slide="-" tags=["clinic"]
from_zero = {"boxes": target["boxes"], "labels": target["labels"] * 0}
try:
    model.loss(model(images), [from_zero])
except ValueError as error:
    print(error)

# %% [markdown] id="clinic-label-0-answer" slide="fragment" tags=["clinic"]
# It would be taught that a disc is nothing. And in a batch of discs only, no prior would be positive: a loss divided by the number of positives is 0 / 0 = NaN, *not a number*. Here the check stops you first.

# %% [markdown] id="clinic-mode" slide="subslide" tags=["clinic"]
# **2. The same picture, two answers.** The detector finds everything in a test, and half of it in the demo that shows pictures one by one. Diagnose before you run: what in a network depends on the *other* images of the batch?

# %% id="clinic-train-mode" slide="-" tags=["clinic"]
other = model.normalize(scenes[5][0][None])
pair = torch.cat([images, other])
for mode in (True, False):
    model.train(mode)
    with torch.inference_mode():
        alone, together = model(images).logits, model(pair).logits[:1]
    same = torch.allclose(alone, together, atol=1e-3)
    print("train" if mode else "eval ", "mode: the same answer:", same)

# %% [markdown] id="clinic-mode-answer" slide="fragment" tags=["clinic"]
# BatchNorm takes the mean of the batch in training mode, and the stored one in evaluation mode. The cure is one line, `model.eval()`. (Worse: in training mode every picture that passes also *changes* the stored mean. `detect` switches by itself and switches back.) We have just done that damage to our detector, so load it afresh:

# %% id="clinic-reload" slide="skip" tags=["clinic"]
model = load_model(data_path("weights", "ssd_tiny.safetensors"))
print("trains:", model.training)

# %% [markdown] id="clinic-format" slide="subslide" tags=["clinic"]
# **3. Most boxes are refused; the rest start at the right corner but are too small.** Somebody read COCO's `bbox`, (x, y, w, h), as corners. Which boxes slip through the check?

# %% id="clinic-xywh" slide="-" tags=["clinic"]
coco_style = boxes.xyxy_to_xywh(target["boxes"])
try:
    boxes.check_boxes(coco_style, size=(128, 128), name="scene 109")
except ValueError as error:
    print(error)
slip = (coco_style[:, :2] < coco_style[:, 2:]).all(dim=1)  # (G,)
for label in target["labels"][slip]:
    print("slips through:", names[label])

# %% [markdown] id="clinic-format-answer" slide="fragment" tags=["clinic"]
# `check_boxes` asks for x1 < x2 and y1 < y2. Here the second corner is (w, h), so only an object with w > x *and* h > y slips through: a large one, or one near the upper left. So a check is no substitute for **drawing your targets before you train**.

# %% [markdown] id="exercise-fractions-text" slide="slide"
# ### Exercise: from pixels to priors
#
# Priors are centre and size in fractions of the image; annotations are corners in pixels. Write the bridge, for images that are not square. You are done when the check praises you; three hints wait.


# %% id="exercise-to-fractions" slide="-" tags=["exercise"]
def to_fractions(boxes, height, width):
    """Corners in pixels to centre and size in fractions of the image."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    ...


nb00.to_fractions.check(to_fractions)

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - A detector answers with `boxes`, `scores`, `labels`; label 0 is the background, boxes are corners in pixels.
# - image → backbone → pyramid → heads → logits and deltas for every **prior**; then decode and NMS to detect, or match and loss to train.
# - IoU says how well two boxes agree; the score threshold is a choice.
# - A claim in this course stands next to the cell that proves it.
#
# **Next:** 01 builds IoU, NMS and AP from nothing; 02 asks where the priors come from.
#
# **Further reading.** Liu et al. 2016, *SSD: Single Shot MultiBox Detector* (arXiv 1512.02325), §1 and Fig. 1. Zhang et al. 2018, *RefineDet* (1711.06897). Zhao et al. 2019, *M2Det* (1811.04533). Sun et al. 2019, *HRNet* (1902.09212). Shapes for your own machine: `python -m detlearn train ssd_tiny --data shapes --out run`.
