# %% [markdown] id="title" slide="slide"
# # 00 · Start here
#
# **One question: what happens between a picture and a list of boxes?**
#
# A program has to count the ships in a harbour, or to brake for a child. It must say *what* is in a picture and *where*, for as many things as there are. The first picture below shows a small network that does this. In this chapter you walk through every step of its answer.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: some PyTorch (tensors, `nn.Module`, a training loop seen once). You need to know nothing about detection.

# %% id="setup" slide="skip" tags=["setup"]

# %% id="imports" slide="skip"
import copy

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

# %% id="first-detection" slide="subslide" tags=["hide-input"]
model = load_model(data_path("weights", "ssd_tiny.safetensors"))
names = model.class_names
folder = data_path("shapes_val")
scenes = CocoDetectionDataset(
    folder / "images", folder / "annotations.json"
)
image, target = scenes[109]
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

# %% [markdown] id="notes-first-minute" slide="notes"
# > *For the speaker.* Show the picture before any explanation. Ask what the dashed boxes are before you say it: they are the ground truth, where the objects really are.

# %% [markdown] id="a-detector-running" slide="slide" tags=["lead", "beside:first-detection"]
# ## 1 · A detector, running
#
# An image **classifier** answers *what is this a picture of?* with one word. A **detector** answers *what is where?* with a list, as long as the picture needs. Each entry is a **box**, a **label** and a **score**, which is the detector's own opinion of how sure it is.
#
# The solid boxes above are such a list. The dashed boxes are the **ground truth**: where the objects really are, according to whoever drew the scene. The dark blob and the green tick are scraps. They belong to no class and were put there to tempt the detector. It has never seen this scene, only others of its kind.
#
# After this chapter you will be able to
#
# - run a trained detector on a scene and on a photograph, and read its answer;
# - name the six stations between a picture and that answer, and the shape that passes each of them;
# - ask a detector which of its thousands of candidates a box came from;
# - train a detector for a few seconds, and say what its loss should be at the start.

# %% id="the-detector-in-numbers" slide="skip"
print(sum(p.numel() for p in model.parameters()), "parameters")
print(len(names), "classes:", *names)
print(len(scenes), "scenes; this one:", tuple(image.shape), image.dtype)

# %% [markdown] id="a-photograph" slide="subslide"
# Now show it something quite different: a photograph. These coins lay in Pompeii, and nobody cut them out of paper. `score_threshold=0.5` means that only boxes with a score above 0.5 are kept. **Predict first:** how many of the 24 coins will a detector miss that has never seen a coin?

# %% id="detect-coins" slide="fragment" tags=["hide-input"]
photo, coins = load_photo("coins")
(seen,) = model.detect([photo], score_threshold=0.5)
show.draw_boxes(
    photo,
    seen["boxes"],
    seen["labels"],
    class_names=names,
    reference=coins["boxes"],
    width=7.4,
    alt="A photograph of 24 ancient coins in rows. Dashed boxes mark the "
    "coins; solid boxes say disc, tree or face; one large box says face.",
)

# %% id="coins-in-numbers" slide="skip"
share = boxes.box_iou(coins["boxes"], seen["boxes"])  # (24, D)
missed = int((share.amax(dim=1) < 0.5).sum())
stray = share.amax(dim=0) < 0.5  # (D,)
print("missed:", missed, "of", len(coins["boxes"]), "coins")
print("boxes that fit no coin:", int(stray.sum()))
for label, score in zip(seen["labels"][stray], seen["scores"][stray]):
    print(f"  {names[label]} {score:.2f}")
print("the photograph:", tuple(photo.shape))
print("the network works on", model.config.image_size, "px a side")

# %% [markdown] id="what-the-photo-teaches" slide="skip"
# It missed none. (A box fits a coin if the two agree by at least one half, in the measure of §2.) Three things are worth remembering:
#
# - It found *where* the coins are and not *what* they are. It has only eight words, and none for *something else*, so it says disc, tree or face.
# - On pictures of another kind a score of 0.9 is no promise. One disc that lies between two coins has 0.93, and the face that covers half of the photograph has 0.90. The first ★ section measures scores on scenes of the *same* kind.
# - The photograph is larger than the network's input, and you did nothing about it. `detect` resizes on the way in and scales the boxes on the way out.

# %% [markdown] id="what-comes-out" slide="slide"
# ## 2 · What comes out
#
# Every detector of this course, and every one of torchvision, answers with these three keys for each image.

# %% [markdown] id="notes-what-comes-out" slide="notes"
# > *For the speaker.* Write `boxes`, `scores`, `labels` on the board and leave them there: every later chapter ends in them. Ask which way y grows, and wait until somebody says "up".

# %% id="three-keys" slide="-"
for key in ("boxes", "scores", "labels"):
    print(f"{key:7}", found[key].dtype, found[key].ndim, "axes")
assert (found["scores"].diff() <= 0).all()
assert ((found["labels"] > 0) & (found["labels"] < len(names))).all()

# %% [markdown] id="read-the-keys" slide="fragment" tags=["lead"]
# - `boxes` (D, 4) has a row for each of the D detections: the corners **x1, y1, x2, y2** in pixels of *your* image. x grows to the right, y grows **downwards**.
# - `scores` (D,) lie between 0 and 1, best first.
# - `labels` (D,) are integers from 1. **Label 0 is the background**: it says that a box holds nothing. No object ever has it: an object numbered 0 can turn the loss into NaN, as patient 1 of the clinic explains.
#
# A fourth key, `priors`, is for §3.
#
# Why do we say which four numbers? Because a box can be written in many ways. Here is the same box four times:

# %% id="four-formats" slide="skip"
box = torch.tensor([40.0, 20.0, 100.0, 60.0])  # x1 y1 x2 y2
print("corners  xyxy  ", box.tolist())
print("COCO     xywh  ", boxes.xyxy_to_xywh(box).tolist())
print("centre   cxcywh", boxes.xyxy_to_cxcywh(box).tolist())
relative = boxes.xyxy_to_cxcywh(box) / 200  # an image of 200 x 200
print("fractions      ", [round(x, 3) for x in relative.tolist()])

# %% [markdown] id="iou" slide="subslide" tags=["beside:first-detection"]
# Nothing in the numbers says which format they are in, so the course has one rule. A variable called `boxes` holds corners, and any other format stands in the name, as in `boxes_xywh`. (`boxes.` with a dot is the module.)
#
# ### How good is a box?
#
# **Intersection over union**, IoU, is the area that two boxes share, divided by the area that they cover together. It is 1 for equal boxes and 0 if they share nothing. Take two 2 × 2 squares on squared paper, one moved by one unit. They share 2 units of area and cover 6. `prove` compares two numbers and stops the notebook if they differ:

# %% id="iou-by-hand" slide="subslide"
a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])  # 4 squares
b = torch.tensor([[1.0, 0.0, 3.0, 2.0]])  # 4 squares, 2 of them shared
by_hand = 2 / (4 + 4 - 2)
prove(
    "2 of 6 squares are shared",
    boxes.box_iou(a, b).item(),
    by_hand,
    tolerance=1e-6,
)

# %% id="iou-of-the-scene" slide="skip"
# G objects in rows, D detections in columns
overlap = boxes.box_iou(target["boxes"], found["boxes"])  # (G, D)
best = overlap.amax(dim=1)  # (G,)
hits = int((best > 0.5).sum())
print(hits, "of", len(best), "objects have a box of IoU over 0.5")

# %% [markdown] id="threshold" slide="subslide"
# ### The threshold is yours
#
# `score_threshold=0.5` was a choice. The detector always has more to say. **Predict first:** with a threshold of 0.2 on the same scene, do you get more boxes around the objects that were found, or boxes in other places?

# %% id="a-low-threshold" slide="fragment" tags=["hide-input"]
(many,) = model.detect([image], score_threshold=0.2)
print(len(found["boxes"]), "boxes, then", len(many["boxes"]))
assert torch.equal(many["boxes"][: len(found["boxes"])], found["boxes"])
show.draw_boxes(
    image,
    many["boxes"],
    many["labels"],
    many["scores"],
    names,
    reference=target["boxes"],
    line=1.4,
    alt="The same scene at a score threshold of 0.2, every box with its "
    "class and score, and the ground truth dashed.",
)

# %% [markdown] id="threshold-answer" slide="fragment"
# You get both. One house gets two more opinions (face and person), and one cross is called a tree as well. The dark scrap, which is no object at all, becomes a disc.
#
# A lower threshold means fewer misses but more false alarms. **Recall** is the share of the objects that are found. **Precision** is the share of the boxes that are right. Chapter 01 turns both into one number, AP.

# %% [markdown] id="notes-threshold" slide="notes"
# > *For the speaker.* Draw two axes, recall and precision, and let the room say where a threshold of 0.2 and one of 0.9 would lie.

# %% [markdown] id="exercise-count-text" slide="skip"
# **Exercise.** How many boxes of one class reach a threshold? Replace the dots and run the cell again; it says what is right, or what is wrong and why. `nb00.count_detections.hint()` helps, a little more at each call.


# %% id="exercise-count-detections" slide="skip" tags=["exercise"]
def count_detections(detection, label, threshold):
    """How many boxes of class label have a score of at least threshold?"""
    scores = detection["scores"]
    labels = detection["labels"]
    ...


nb00.count_detections.check(count_detections)

# %% [markdown] id="the-sentence" slide="slide"
# ## 3 · One diagram
#
# This course builds four systems from their papers, each with its own code. Yet one diagram fits them all. Read it from left to right:

# %% [markdown] id="notes-the-sentence" slide="notes"
# > *For the speaker.* Walk along the diagram with a finger while you say the sentence once: image, backbone, pyramid, heads, then two lanes. Everything in this course changes a word of it.

# %% id="the-picture" slide="-"
show.draw_system()

# %% [markdown] id="the-systems" slide="subslide"
# Each system changes some parts of the diagram:
#
# | system | its idea, in one sentence | chapters |
# |--|--|--|
# | **SSD** | Ask maps of many sizes, from fine to coarse, in one pass. | 02–05 |
# | **RefineDet** | Ask twice: move the priors first, then judge what they hold. | 06, 07 |
# | **M2Det** | Build the pyramid eight times, each time from deeper features. | 08, 09 |
# | **HRNet** | Keep the fine map from the first layer to the last. | 10, 11 |
#
# Today you walk once through **six stations**, with the small SSD and the scene above. They are numbered in the diagram: 1 image, 2 backbone, 3 pyramid, 4 heads, 5 *decode* and 6 *nms*. At each station we look at one shape. Each *3×3* in the diagram is a convolution of that size. *score* and *mAP* at the end of the lower lane measure a detector on a whole data set, which is chapter 01. The upper lane follows in §4.
#
# In the comments B counts images, H and W are height and width (S where they are equal), P counts priors and K classes.

# %% id="normalise" slide="subslide"
# 1 image: uint8 pixels become numbers around zero
images = model.normalize(image[None])  # (B, 3, H, W)
print(tuple(images.shape), images.dtype)
print(f"from {images.min():.2f} to {images.max():.2f}")

# %% id="features" slide="fragment"
# 2, 3 backbone and pyramid in one call: maps from fine to coarse
with torch.inference_mode():
    pyramid = model.features(images)
for level, maps in enumerate(pyramid):
    print(f"level {level}:", tuple(maps.shape))

# %% [markdown] id="read-the-pyramid" slide="fragment"
# The **backbone** is a convolutional network, often a classifier without its end. It and some further layers give the **pyramid**, a list of **feature maps**. Each is a grid of numbers laid over the picture. The first one has 32 × 32 **cells**. Each cell describes its own 4 × 4 pixels and their surroundings. A pixel has three numbers, a cell has as many as the shape's second entry says. The next map, or **level**, has half as many cells per side, and each cell sees about twice as far. Small objects are looked for in the fine maps, large ones in the coarse maps.

# %% id="heads" slide="subslide"
# 4 heads: what is it, and how far is it off?
with torch.inference_mode():
    logits, deltas = model(images)  # (B, P, K), (B, P, 4)
print("logits", tuple(logits.shape))
print("deltas", tuple(deltas.shape))
print("priors", tuple(model.priors.shape))

# %% [markdown] id="read-the-heads" slide="fragment"
# The **heads** are small convolutions on each map. Why do they return thousands of rows for a scene with a handful of objects? A network returns tensors of one fixed shape. So a **single-shot** detector, which answers in one pass of one network, works through a long list of boxes that were written down before any picture was seen: the **priors**. For each prior it says what the prior holds (`logits`, one number per class) and how to move it so that it fits (`deltas`, four numbers). Most priors hold nothing. Chapter 02 shows where the list comes from.

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
    line=1.2,
    alt="Before suppression: many boxes of nearly the same place are "
    "stacked on each object.",
)

# %% [markdown] id="read-nms" slide="skip"
# Neighbouring priors have all found the same object. **Non-maximum suppression**, NMS, keeps the best box and drops those that overlap it too much, again and again, within each class. (So one object may keep several boxes with different labels, as the house did at a threshold of 0.2.) That is the sixth station:

# %% id="select" slide="subslide" tags=["prove", "beside:before-nms"]
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
    assert torch.allclose(answer[key], found[key], atol=1e-3)
print(int(sure.sum()), "boxes became", len(answer["boxes"]))

# %% [markdown] id="which-prior" slide="subslide"
# These are the boxes of `model.detect`, and you have now seen every step that it takes for a scene of 128 px. So you can also ask it a question. Which prior made the second box?

# %% id="where-it-came-from" slide="-" tags=["hide-input"]
index = int(answer["priors"][1])
place = boxes.PriorBox(config.priors).locate(index)
prior = boxes.cxcywh_to_xyxy(model.priors[index])[None] * 128
print(place)
show.draw_boxes(
    image,
    answer["boxes"][1:2],
    answer["labels"][1:2],
    class_names=names,
    reference=prior,
    key=("box", "prior"),
    alt="The brown square of the scene, the detector's box around it, and "
    "dashed the prior that it was made from: smaller, and further left.",
)

# %% [markdown] id="read-the-prior" slide="fragment"
# It was prior 1 of the cell in row 5, column 1 of level 2, the map of 8 × 8 cells. (All of these count from 0.) The prior reaches beyond the left border and covers only a part of the square. Its four deltas have moved it to the right and enlarged it.

# %% [markdown] id="move-detections" slide="subslide"
# ### Predict, then move
#
# The sliders below change what happens after the network. The picture shows the whole answer, and one box of it drawn thick, with the prior that it was made from (orange, dashed). The table says which level and which cell (row, column) each box came from. Write your guesses down **before** you move anything:
#
# 1. Push *IoU at most* up to 1.00, so that no overlap is too much and nothing is suppressed. How many boxes do you get?
# 2. Go back to 0.45. Which level made the **largest** box, and which the **smallest**? *Look at box* steps through them.
# 3. Raise *score over* to 0.90. How many objects are still found, and what do the lost ones have in common?

# %% id="explorer-detections" slide="-" tags=["explorer", "nbval-ignore-output"]
file = folder / "images" / "000109.png"
show.ThresholdExplorer(model, image, target, file=file)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# boxes, level of the largest, level of the smallest, objects found:
# four numbers, such as (30, 3, 1, 6), made up here
moves = ...

nb00.moves.check(moves)

# %% [markdown] id="moves-answers" slide="skip"
# <details><summary>What there was to see</summary>
#
# Without suppression a stack of boxes lies on every object, about nine times as many in all. The largest box comes from a coarse level, the smallest from the finest. At 0.90 the three smallest objects are lost, all of them 8 to 10 px wide.
#
# </details>

# %% [markdown] id="training-branch" slide="slide" tags=["lead", "beside:the-picture"]
# ## 4 · The upper lane: training
#
# Where do the right `deltas` come from? That is the upper lane of the diagram. **Match** gives every prior an object or the background. The **loss** compares this with what the network said. Here is the scene again, prior by prior:
#
# <!-- speaker: Put a finger on the upper lane of the diagram. Ask how many of 3,392 priors will answer for an object, before the numbers come. -->

# %% id="match" slide="-"
truth = boxes.make_targets(
    target["boxes"] / 128, target["labels"], model.priors
)
positive = truth.labels > 0  # (P,)
print("priors that answer for an object:", int(positive.sum()))
print("priors that answer for nothing:  ", int((~positive).sum()))

# %% [markdown] id="loss-by-hand" slide="subslide"
# A prior that answers for an object is a **positive**, any other a **negative**. Almost all are negatives. The loss therefore takes only three of them for each positive: those that the network gets most wrong. Choosing them is what *mine* means in the diagram (chapter 03).
#
# **Predict.** An untrained network knows nothing, so each of the 9 classes gets a probability of about 1/9. The loss of one prior is the **cross-entropy**, −log of the probability given to the right class: −log(1/9) = 2.2, with the natural logarithm. For each positive four priors count, itself and three negatives, and the sum is divided by the positives alone. So we expect about 4 · 2.2 = 8.8. (The other part, `bbox_regression`, says how far the positives' deltas are off.)

# %% id="loss-at-step-0" slide="fragment"
torch.manual_seed(0)
fresh = create_model("ssd_tiny").eval()
with torch.inference_mode():
    losses = fresh.loss(fresh(images), [target])
for name, value in losses.items():
    print(f"{name:15} {value:.1f}")
assert 8 < losses["classification"] < 11

# %% [markdown] id="train-a-little" slide="subslide"
# It is a little more than 8.8, because mining picks the three negatives per positive that are *most* wrong. Now we show the network 32 scenes, fifteen times each. That takes seconds and shows whether the wires are connected: **a network that cannot learn a handful of pictures by heart will not learn a thousand.**

# %% id="a-short-training" slide="-" tags=["output-only"]
few = Shapes(length=32)
short = TrainConfig(
    epochs=15, batch_size=8, learning_rate=5e-3, warmup_steps=10, amp="off"
)
history = train(fresh, few, short, device="cpu", progress=False)
curves = {key: [epoch[key] for epoch in history] for key in losses}
total = [sum(parts) for parts in zip(*curves.values())]
assert total[0] > 12 and total[-1] < 5
show.draw_curves(
    {"loss of 32 scenes": {"total": total, **curves}},
    x="epoch",
    alt="Both parts of the loss, and their sum, over 15 epochs. The sum "
    "falls from about 20 to about 3.",
)

# %% [markdown] id="by-heart-question" slide="skip"
# The class loss starts at about 15 and not at 9.8. In training BatchNorm uses each batch's own mean and spread, so the random opinions come out stronger (chapter 03 measures it). **Predict:** how many objects does it find now in its own 32 scenes, and in 32 others?

# %% id="by-heart" slide="skip" tags=["nbval-ignore-output"]
own_and_new = []
for start in (0, 1000):
    right = number = 0
    for picture, objects in Shapes(length=32, start=start):
        (d,) = fresh.detect([picture], score_threshold=0.5)
        iou = boxes.box_iou(objects["boxes"], d["boxes"])  # (G, D)
        iou[objects["labels"][:, None] != d["labels"]] = 0
        right += int((iou > 0.5).any(dim=1).sum())
        number += len(iou)
    print(f"scenes from {start}: {right} of {number} objects found")
    own_and_new.append(right / number)
assert own_and_new[0] > 0.3 and own_and_new[1] < 0.1

# %% [markdown] id="by-heart-answer" slide="skip"
# It finds about half of the objects in its own scenes, and none in the others. It has learned these pictures by heart, and not what a disc is. The wires are connected; for the rest a network needs many more scenes (chapter 05).

# %% [markdown] id="notes-training" slide="notes"
# > *For the speaker.* Let the students break a wire: swap the targets of two scenes, say first how far the loss will still fall, and then run it.

# %% [markdown] id="shapes" slide="subslide" tags=["lead"]
# ### The data set that draws itself
#
# Detectors are measured on COCO, which has 118,000 photographs to learn from, 20 GB. The smallest M2Det, for 320 px, learned from COCO for three days on four GPUs (Zhao et al. 2019, *Implementation details*). *Shapes* is a function instead: a number goes in and a scene comes out, the same on every machine.
#
# Four classes are **simple** (disc, square, triangle, cross). Four are **complex**, made of parts (face, house, tree, person). Both groups have the same range of sizes: the longer side is 6 to 75 % of the image's. M2Det claims that complex objects need deeper features than simple ones of the same size, and chapter 09 puts this to the test. The person has 17 joints, for HRNet.

# %% id="some-scenes" slide="-" tags=["hide-input"]
show.draw_scenes(
    [Shapes(length=32)[i] for i in (9, 3, 8, 13, 6, 28, 26, 17)],
    Shapes.class_names,
    columns=4,
    line=1.4,
    alt="Eight scenes of cut paper on textured ground: discs, squares, "
    "triangles, crosses, faces, houses, trees and people of many sizes.",
)

# %% id="one-seed-one-scene" slide="skip"
again, _ = Shapes(length=8)[5]
later, _ = Shapes(length=3, start=5)[0]
assert torch.equal(again, later)
print("scene 5 is scene 5, however it is asked for")

# %% [markdown] id="how-the-course-works" slide="slide" tags=["lead"]
# ## 5 · How every chapter works
#
# 1. **A question**, a picture of the whole, and the smallest tensor that shows it, checked by hand.
# 2. **The block**, in a few lines, with each change of shape written behind it: `# (B, P, 4)`. The letters mean the same everywhere: B batch, C channels, H W, L levels, A priors per cell, P all priors, K classes (with the background), G ground truths, D detections.
# 3. **Prove it**: a cell computes one thing in two ways, if possible with somebody else's code, and stops if they differ.
# 4. **Predict, then move**: a picture, then something to try out.
# 5. **Exercises** that check themselves, and a **bug clinic**.
# 6. **★ sections** after the summary: what you may want later. One of them says where paper and published code disagree.

# %% [markdown] id="notes-how" slide="notes"
# > *For the speaker.* Say which parts you will do in the room (predictions, explorers, clinic) and which are homework (exercises). The ★ sections have no slides.

# %% [markdown] id="clinic" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Each patient is a mistake that people really made. Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “My loss is NaN. Sometimes it is not, but then one class is never found.” The patient's class file counts from 0:

# %% [markdown] id="notes-clinic" slide="notes" tags=["clinic"]
# > *For the speaker.* Run the symptom, then wait half a minute before you open the diagnosis. Let two people say what they suspect.

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
from_zero = {"boxes": target["boxes"], "labels": target["labels"] - 1}
print("the patient's labels:", from_zero["labels"].tolist())
try:
    model.loss(model(images), [from_zero])
except ValueError as error:
    print(error)

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# Every disc has label 0, so the network would be taught that a disc is background. In a batch with nothing but discs no prior would be positive, and a loss divided by the number of positives is 0 / 0 = NaN, *not a number*. The check stops you first. The cure is to count classes from 1.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
cured = {**from_zero, "labels": from_zero["labels"] + 1}
losses = model.loss(model(images), [cured])
print("lowest label:", int(cured["labels"].min()))
assert all(value.isfinite() for value in losses.values())

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - A detector answers with `boxes`, `scores`, `labels`. Label 0 is the background, boxes are corners in pixels.
# - Image → backbone → pyramid → heads → logits and deltas for every **prior**. Then decode and NMS to detect, or match, mine and loss to train.
# - IoU says how well two boxes agree. The score threshold is your choice.
# - A claim in this course stands next to the cell that shows it.
#
# **Next:** 01 builds IoU, NMS and AP from nothing. 02 asks where the priors come from.
#
# **Further reading.** Liu et al. 2016, *SSD: Single Shot MultiBox Detector* (arXiv 1512.02325), §1 and Fig. 1. Zhang et al. 2018, *RefineDet* (1711.06897). Zhao et al. 2019, *M2Det* (1811.04533). Sun et al. 2019, *HRNet* (1902.09212). To train on Shapes from a shell: `python -m detlearn train ssd_tiny --data shapes --out run`.

# %% [markdown] id="star-scores" slide="skip"
# ## ★ How sure is a score of 0.9?
#
# Take every detection over 0.2 on 300 scenes of the kind that the detector was trained on. Sort them by score. In each group, count those that are **right**: IoU of at least 0.5 with an object of the same class that no better box has claimed. If a score were a probability, the two columns would agree.

# %% id="calibration" slide="skip"
groups = torch.zeros(10, 2)  # for each tenth of score: right ones, all
for picture, objects in scenes:
    (d,) = model.detect([picture], score_threshold=0.2)
    iou = boxes.box_iou(d["boxes"], objects["boxes"])  # (D, G)
    iou[d["labels"][:, None] != objects["labels"]] = 0
    for row, score in zip(iou, d["scores"]):
        right = len(row) > 0 and row.max() >= 0.5
        groups[int(score * 10)] += torch.tensor([right, 1.0])
        if right:
            iou[:, row.argmax()] = 0
for tenth in (2, 4, 6, 8, 9):
    right, number = groups[tenth].tolist()
    low, high = tenth / 10, (tenth + 1) / 10
    print(f"{low:.1f} to {high:.1f}: right in {right / number:4.0%}")
assert groups[5, 0] / groups[5, 1] < 0.5 < groups[9, 0] / groups[9, 1]

# %% [markdown] id="read-calibration" slide="skip"
# The scores are too high nearly everywhere: of those between 0.4 and 0.7 fewer than half are right. Only above 0.9 does the detector deserve its confidence. So use a score to sort, and choose a threshold by counting on your own data.

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# ## ★ Two more patients
#
# **Patient 2.** “Most of my boxes are refused. The rest start at the right corner but are too small.” The boxes come from a COCO file:

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
coco_style = boxes.xyxy_to_xywh(target["boxes"])
try:
    boxes.check_boxes(coco_style, size=(128, 128), name="scene 109")
except ValueError as error:
    print(error)
slip = (coco_style[:, :2] < coco_style[:, 2:]).all(dim=1)  # (G,)
for label in target["labels"][slip]:
    print("slips through:", names[label])

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# COCO's `bbox` is (x, y, w, h), and the patient reads it as corners. The check asks for x1 < x2 and y1 < y2. Here the second corner is (w, h), so only an object with w > x *and* h > y slips through: a large one, or one near the upper left. A check is no substitute for **drawing your targets before you train**.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
cured = boxes.xywh_to_xyxy(coco_style)
boxes.check_boxes(cured, size=(128, 128), name="scene 109")
print(len(cured), "boxes pass")

# %% [markdown] id="star-mode" slide="skip" tags=["clinic"]
# **Patient 3.** “My network gives another answer for the same picture, depending on what else is in the batch.”

# %% id="clinic-3-symptom" slide="skip" tags=["clinic"]
sick = copy.deepcopy(model).train()
other = model.normalize(scenes[5][0][None])
pair = torch.cat([images, other])
with torch.inference_mode():
    alone, together = sick(images).logits, sick(pair).logits[:1]
difference = (alone - together).abs().max()
print(f"largest difference of a logit: {difference:.0f}")
assert difference > 5

# %% [markdown] id="clinic-3-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 3</summary>
#
# The network is in training mode. There BatchNorm uses the mean of the batch, so every picture depends on its neighbours. Worse, every picture that passes also *changes* the stored mean, which is why the cell worked on a copy. The cure is one line, `model.eval()`; `detect` switches by itself and switches back.
#
# </details>

# %% id="clinic-3-cure" slide="skip" tags=["clinic"]
sick.eval()
with torch.inference_mode():
    alone, together = sick(images).logits, sick(pair).logits[:1]
difference = (alone - together).abs().max()
print(f"largest difference of a logit: {difference:.3f}")
assert difference < 1e-3

# %% [markdown] id="exercise-fractions-text" slide="skip"
# ## ★ One more exercise: from pixels to priors
#
# Priors are centre and size in fractions of the image. Annotations are corners in pixels. Write the bridge, for images that need not be square. You are done when the check shows ✓.


# %% id="exercise-to-fractions" slide="skip" tags=["exercise"]
def to_fractions(boxes, height, width):
    """Corners in pixels to centre and size in fractions of the image."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    ...


nb00.to_fractions.check(to_fractions)

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# Each row of this small print has cost somebody a day:
#
# | what | often found | here | see it |
# |--|--|--|--|
# | background | label −1, or none, or 0 | always label 0 | §2; patient 1 |
# | corners | 0 … W, or pixel indices 0 … W − 1 with a “+ 1” | 0 … W, no + 1 | chapter 01 |
# | class ids | 1 … 90 with gaps (COCO), used as labels | 1 … K − 1, and a table back to the ids | chapter 14 |
# | image ids | stored as float32 | integers | below |
# | softmax | `nn.Softmax()` without `dim` (M2Det, RefineDet) | `dim=-1` | below |
# | scores out | ascending (uvipen/SSD-pytorch) | descending | §2 |

# %% id="float-ids" slide="skip" tags=["ledger"]
ids = torch.tensor([16_777_216, 16_777_217])
print("as float32:", ids.float().long().tolist())  # two images become one
shared = ids.float().long().unique()
assert len(shared) == 1

# %% id="softmax-without-dim" slide="skip" tags=["ledger"]
three = torch.zeros(2, 4, 9)  # (B, P, K): every class equal
wrong = three.softmax(dim=0)  # what nn.Softmax() picks for three axes
right = three.softmax(dim=-1)
print(
    f"over the batch: {wrong[0, 0, 0]:.3f}",
    f"| over the classes: {right[0, 0, 0]:.3f}",
)
