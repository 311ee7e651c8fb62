# %% [markdown] id="title" slide="slide"
# # 07 · RefineDet II
#
# **One question: what is each of RefineDet's three ideas worth, and how would you know?**
#
# The paper says that three ideas lift a detector on VOC from 76.2 to 80.0 mAP: the TCB, the second step and the negative filter. You build all three, train a small RefineDet, and it does not pass a plain SSD. Is there a mistake in your code? Are your data different? Or is it chance?
#
# To find out, we first write the loss line by line. Then we look into a trained network and see what each idea does to a box. Finally, we read an experiment that leaves out one idea at a time.
#
# Afterwards you will be able to
#
# - name every shape of RefineDet320 and 512;
# - write the two-step loss, and tell three negative filters apart;
# - turn raw answers into boxes;
# - train a small RefineDet, and read its two steps in a picture;
# - judge an experiment by its seeds and its settings, not by its best run.
#
# **{minutes} minutes** with the exercises. Sections with a ★ come after the summary; they are not counted. Before it: notebook 06, which built ARM, TCB and ODM; 03 for the MultiBox loss, 05 for training.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: F402, I001

# %% id="imports" slide="skip"
import math
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from detlearn import boxes, create_model, load_model, metrics, show
from detlearn import losses as package_losses
from detlearn.boxes import Targets, box_iou, cxcywh_to_xyxy, decode
from detlearn.data import CocoDetectionDataset, Shapes, data_path
from detlearn.losses import multibox_loss, released_classification, upcast
from detlearn.models import RefineDetPredictions, refinedet
from detlearn.report import read_experiment, verdicts
from detlearn.teach.exercises import nb07
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove
from detlearn.training import train_step

print(refinedet.REFINEDET320_VGG16.name)

# %% [markdown] id="whole" slide="slide"
# Here is the network that we train and question, `refinedet_tiny`. The backbone's four maps go to the ARM, which drops and moves priors. Through the TCBs they also go to the ODM, which names the objects and moves the boxes once more.
#
# <!-- speaker: Follow one prior with a finger from the backbone to the final box. -->

# %% id="the-network" slide="-"
show.draw_refinedet(
    [(32, 32), (64, 16), (96, 8), (96, 4)], tcb_channels=48)

# %% [markdown] id="network" slide="slide"
# ## 1 · The network
#
# Chapter 06 ended with a class for 320 px and 21 classes. The package's class reads its numbers from a **config**, and there every idea has a switch. On the left is the large network, on the right ours:

# %% id="switches" slide="-"
published, small = refinedet.REFINEDET320_VGG16, refinedet.REFINEDET_TINY
for field in ("image_size", "num_classes", "backbone", "match_threshold",
              "two_step", "negative_filter", "objectness_threshold",
              "tcb_channels", "tcb_batch_norm"):
    print(f"{field:21}", f"{getattr(published, field)!s:13}",
          getattr(small, field))

# %% [markdown] id="notes-network" slide="notes"
# > *For the speaker.* Ask for a bet before §1 is over: which of the three ideas is worth most, and which least? Write the bets on the board and come back to them in §5. Then ask what would change somebody's mind.

# %% [markdown] id="switches-read" slide="fragment"
# `refinedet_tiny` is chapter 05's `ssd_tiny`, asked twice. It has the same backbone, priors and threshold for matching, 0.4 where the paper has 0.5. Its TCBs have BatchNorm, because it starts from random weights; the paper's backbone had learned from ImageNet.

# %% [markdown] id="shapes-text" slide="skip"
# ### Every shape, at 320 and at 512
#
# **Predict** the lines for 512 px: which shapes change, and which stay?

# %% id="every-shape" slide="skip" tags=["hide-input"]
def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


def sides(maps):  # "512×40×40"
    return "×".join(map(str, maps.shape[1:]))


nets = {320: on_meta(refinedet.RefineDet, published),
        512: on_meta(refinedet.RefineDet, refinedet.REFINEDET512_VGG16)}
for size, net in nets.items():
    blank = torch.empty(1, 3, size, size, device="meta")
    pyramid = net.features(blank)
    print(size, "| pyramid:", *[sides(maps) for maps in pyramid])
    print("    | TCBs:   ", *[sides(m) for m in net.transfer(pyramid)])
    for name, part in net(blank)._asdict().items():
        print("    |", f"{name:10}", tuple(part.shape))

# %% [markdown] id="cost-short" slide="skip"
# Channels stay; sides grow, and with them the number of priors. Of the three ideas only the TCBs have parameters of their own, a third of all. Filter and second step *use* what the ARM says, so once there is an ARM they cost no parameters and no multiply-adds (★).

# %% [markdown] id="loss" slide="slide"
# ## 2 · The loss, twice
#
# ARM and ODM each have a MultiBox loss, as in chapter 03. Each is divided by its *own* number of positives (Zhang et al. 2018, §4; Eq. 1 in the arXiv version):
#
# $$\frac{1}{N_\text{arm}}\Big(\sum_i L_b(p_i, [l_i \ge 1]) + \sum_{i \in \text{pos}} L_r(x_i, g_i)\Big) + \frac{1}{N_\text{odm}}\Big(\sum_i L_m(c_i, l_i) + \sum_{i \in \text{pos}} L_r(t_i, g_i)\Big)$$
#
# $p$ and $x$ are the ARM's two answers, $c$ and $t$ the ODM's. $L_b$ is the cross-entropy of two labels, $L_m$ that of K labels, $L_r$ is smooth L1. $l_i$ is the label of prior i and $g_i$ its target deltas. In the second half they are those of the anchors, which are matched anew. The sums over i run over the positives and three mined negatives for each. From the second half, what the filter drops is left out.

# %% [markdown] id="notes-loss" slide="notes"
# > *For the speaker.* A question that always comes: can the ARM *learn* to drop everything, so that the ODM has no loss? No. A comparison with a threshold has no gradient, and the ARM's own loss pays for every *prior* that matches an object and is denied. An anchor's match does not count for it. But it may happen by accident early in training; hence N ≥ 1.

# %% [markdown] id="by-hand-text" slide="subslide"
# **By hand.** There are five priors, one of them matches an object, all logits are 0, and K = 4. The ARM pays log 2 for the positive and for each of three negatives. The ODM pays log 4 for each. Now the ARM becomes sure that the last two priors are background (9 against 0). **Predict:** how many terms are left in each half?

# %% id="by-hand" slide="fragment" tags=["hide-input"]
labels = torch.tensor([[3, 0, 0, 0, 0]])
blank = torch.zeros(1, 5, 4)
one = Targets(labels, blank)
unsure, sure = torch.zeros(1, 5, 2), torch.zeros(1, 5, 2)
sure[0, 3:, 0] = 9.0
for name, arm_logits in (("unsure", unsure), ("sure", sure)):
    found = package_losses.two_step_loss(
        arm_logits, blank, blank, blank, one, one)
    arm = found["arm_classification"].item() / math.log(2)
    odm = found["odm_classification"].item() / math.log(4)
    print(f"{name:7}| ARM: {arm:.2f} log 2 | ODM: {odm:.2f} log 4")

# %% [markdown] id="by-hand-read" slide="fragment"
# Four became three in both halves, for different reasons. The *ARM* still has its third negative, but it costs nothing. In the *ODM* it is gone: two priors are dropped, and only two negatives are left to mine.

# %% [markdown] id="filters-text" slide="subslide"
# ### Three filters
#
# A prior is **easy** if its objectness is at most 0.01. (The paper compares the probability of background with θ = 0.99.) What becomes of an easy prior in the ODM's loss?
#
# | `negative_filter` | it matched an object | it is background |
# |--|--|--|
# | `"paper"` | ignored | ignored |
# | `"released"` | no positive, but *may be mined* | may be mined |
# | `"off"` | a positive | may be mined |
#
# `"released"` is what luuuyi/RefineDet.PyTorch does; our outputs are tested against its outputs. So it is the default of the two large presets. It needs a function of its own (★). All the rest is here. The label −1 means “neither taught nor mined”, as in chapter 03.

# %% id="two-step-loss" slide="-" tags=["teaches:detlearn.losses:two_step_loss", "hide-input"]
def two_step_loss(
    arm_logits, arm_deltas, odm_logits, odm_deltas, arm_targets,
    odm_targets, *, negative_ratio=3.0, negative_filter="paper",
    objectness_threshold=0.01,
):
    is_object = (arm_targets.labels > 0).long()  # (B, P)
    arm = multibox_loss(arm_logits, arm_deltas, is_object,
                        arm_targets.deltas, negative_ratio)

    labels = odm_targets.labels
    easy = torch.zeros_like(labels, dtype=torch.bool)  # (B, P)
    if negative_filter != "off":
        easy = (upcast(arm_logits).softmax(dim=-1)[..., 1]
                <= objectness_threshold)  # (B, P)
    kept = labels.masked_fill(easy, -1)  # (B, P)
    odm = multibox_loss(odm_logits, odm_deltas, kept,
                        odm_targets.deltas, negative_ratio)
    if negative_filter == "released":
        odm["classification"] = released_classification(
            odm_logits, labels, easy, negative_ratio)
    return {f"{module}_{name}": value
            for module, losses in (("arm", arm), ("odm", odm))
            for name, value in losses.items()}

# %% [markdown] id="who-teaches-text" slide="skip"
# Of eight priors, 0 and 1 match objects, and 1, 6 and 7 are easy. So the ARM denies the object of prior 1, and the ODM is wrong about it, too. **Predict** for each filter: is prior 1 taught its class, and how many priors get a gradient? (Three negatives for each positive.)

# %% id="who-teaches" slide="skip" tags=["hide-input"]
labels = torch.tensor([[3, 2, 0, 0, 0, 0, 0, 0]])
blank = torch.zeros(1, 8, 4)
two = Targets(labels, blank)
arm_logits = torch.zeros(1, 8, 2)
arm_logits[0, [1, 6, 7], 0] = 9.0  # the ARM denies object 1
for kind in ("paper", "released", "off"):
    logits = (0.1 * torch.arange(32.0)).sin().view(1, 8, 4)
    logits[0, 1, 2] = -2.0  # the ODM is wrong about it
    logits.requires_grad_()
    two_step_loss(arm_logits, blank, logits, blank, two, two,
                  negative_filter=kind)["odm_classification"].backward()
    learns = logits.grad[0].abs().sum(dim=-1) > 0  # (P,)
    print(f"{kind:9}", "".join("·x"[int(x)] for x in learns),
          "prior 1 is", ["left alone", "taught class 2"][int(learns[1])])

# %% [markdown] id="who-teaches-read" slide="skip"
# An x is a prior with a gradient. `"off"` has two positives, so all six negatives are mined. `"paper"` has one, and three of the four negatives that are not easy. `"released"` has one, too, but the hardest of its three “negatives” is the denied *object*.
#
# N is at least 1, also when nobody matches. The model's `loss` (★) matches every object twice, with the priors and with the detached anchors, and calls this function.

# %% [markdown] id="detect" slide="skip"
# ## 3 · From answers to boxes
#
# Detection has two parts of its own: the filter makes scores 0, and two decodings make boxes. What follows is any detector's work: a threshold and NMS for each class, then the best boxes of the image.

# %% id="scores-and-boxes" slide="skip" tags=["teaches:detlearn.models.refinedet:RefineDet.scores_and_boxes", "hide-input"]
class RefineDet(refinedet.RefineDet):
    """The package's layers; the methods that we add are ours."""


@method_of(RefineDet)
def scores_and_boxes(self, predictions):
    self.check_predictions(predictions)
    wide = torch.promote_types(predictions.odm_logits.dtype, torch.float32)
    arm_logits, arm_deltas, odm_logits, odm_deltas = (
        part.to(wide) for part in predictions)
    scores = odm_logits.softmax(dim=-1)  # (B, P, K)
    if self.config.negative_filter != "off":
        objectness = arm_logits.softmax(dim=-1)[..., 1:]  # (B, P, 1)
        survives = (
            objectness > self.config.objectness_threshold)  # (B, P, 1)
        # not 0: a NaN must stay a NaN and be reported
        scores = torch.where(survives, scores, 0 * objectness)  # (B, P, K)
    boxes = decode(odm_deltas, self.anchors(arm_deltas),
                   self.config.box_scales)  # (B, P, 4)
    return scores, boxes

# %% [markdown] id="notes-detect" slide="notes"
# > *For the speaker.* Ask what dropping priors saves. In the forward pass it saves nothing, for a convolution computes every cell. It saves work in NMS, and §4 measures what else it does.

# %% id="scores-proved" slide="skip" tags=["prove", "hide-input"]
_ = torch.manual_seed(0)
ours = RefineDet(small).eval()
theirs = create_model("refinedet_tiny").eval()
theirs.load_state_dict(ours.state_dict())
scenes = [Shapes(length=10)[index] for index in (1, 2)]
batch = torch.stack([picture for picture, _ in scenes])
answers = ours(ours.normalize(batch))
# an untrained ARM drops nobody: give it opinions
loud = answers._replace(arm_logits=5 * torch.randn(2, 3392, 2))
scores, _ = ours.scores_and_boxes(loud)
share = (scores.sum(dim=-1) == 0).float().mean().item()
print(f"{share:.0%} of the priors are dropped")
prove("scores and boxes = the package's",
      list(ours.scores_and_boxes(loud)),
      list(theirs.scores_and_boxes(loud)))

# %% [markdown] id="train" slide="slide"
# ## 4 · Train it, and look
#
# **One batch by heart**, as in chapter 05: six scenes, the same in every step. If the code is right, all four parts of the loss fall.
#
# <!-- speaker: Collect bets: which of the four losses falls first, and which last? -->

# %% id="by-heart" slide="-" tags=["hide-input"]
_ = torch.manual_seed(0)
student = RefineDet(small).train()
images, targets = zip(*(Shapes(length=6)[i] for i in range(6)))
batch = torch.stack(images)
optimizer = torch.optim.AdamW(student.parameters(), lr=5e-3)
log = [train_step(student, batch, targets, optimizer) for _ in range(40)]
curves = {name.replace("_", " "): [step[name] for step in log]
          for name in log[0]}
for values in curves.values():
    assert sum(values[-5:]) < 0.5 * sum(values[:5])
show.draw_curves({"loss": curves}, log=True, alt="The four parts of the "
    "loss over 40 steps on a logarithmic axis: all fall.")

# %% [markdown] id="trained-text" slide="subslide"
# The `refinedet_tiny` that is shipped with the course learned from 12,000 scenes, six times each. Here are three scenes of the validation split, above with the truth, below with its boxes of score 0.5 and more. It finds all fifteen objects, and two boxes too many: a second, too large one for the square in the first scene, and in the third one for a blot behind the face, which it calls a disc:

# %% id="trained" slide="-" tags=["hide-input"]
tiny = load_model(data_path("weights", "refinedet_tiny.safetensors"))
folder = data_path("shapes_val")
validation = CocoDetectionDataset(folder / "images",
                                  folder / "annotations.json")
classes = validation.class_names
some = [validation[index] for index in (25, 109, 24)]
answers = tiny.detect([picture for picture, _ in some],
                      score_threshold=0.5)
truths = [target for _, target in some]
found = metrics.detection_errors(answers, truths)
number = sum(len(target["labels"]) for target in truths)
print(found["correct"], "of", number, "objects found,",
      sum(len(one["labels"]) for one in answers) - found["correct"],
      "boxes too many")
assert found["correct"] == number
show.draw_scenes(
    some + [(picture, answer) for (picture, _), answer
            in zip(some, answers)], classes, columns=3,
    titles=["truth"] * 3 + ["refinedet_tiny"] * 3,
    alt="Three scenes with their objects, and below what refinedet_tiny "
    "says: a box and a right name on every object, and two more boxes.")

# %% [markdown] id="steps-text" slide="subslide"
# ### Two steps, seen
#
# Take the ODM's positives on forty scenes: all anchors that match an object (at IoU 0.4) and survive the filter, which this network learned with. **Predict** three means: their IoU with the object as priors, as anchors, and as final boxes.

# %% id="steps-measured" slide="skip"
def three_stages(picture, objects):
    """Corners of priors, anchors, boxes; the object of each anchor."""
    with torch.inference_mode():
        said = tiny(tiny.normalize(picture[None]))
        anchors = tiny.anchors(said.arm_deltas)[0]
        _, final = tiny.scores_and_boxes(said)
    starts = [cxcywh_to_xyxy(one) for one in (tiny.priors, anchors)]
    owner = boxes.match(objects, anchors, small.match_threshold).gt_index
    return [*starts, final[0]], owner, said


overlaps, matched = [], 0
for picture, target in (validation[index] for index in range(40)):
    objects = target["boxes"] / 128
    corners, owner, said = three_stages(picture, objects)
    objectness = said.arm_logits.softmax(dim=-1)[0, :, 1]  # (P,)
    taught = (owner >= 0) & (objectness > small.objectness_threshold)
    matched += int((owner >= 0).sum())
    rows = taught.nonzero()[:, 0]
    overlaps.append(torch.stack([
        box_iou(c, objects)[rows, owner[rows]] for c in corners]))
stages = torch.cat(overlaps, dim=1)  # (3, N)
assert 3000 < stages.shape[1] < 5000 < matched < 8000

# %% id="steps-means" slide="fragment" tags=["output-only"]
for name, iou in zip(("prior", "anchor", "final box"), stages.mean(dim=1)):
    print(f"{name:10}mean IoU {iou:.2f}")
print(f"matched, but dropped: {1 - stages.shape[1] / matched:.0%}")
print(f"below 0.4 as priors:  {(stages[0] < 0.4).float().mean():.0%}")
print(f"below 0.5 as anchors: {(stages[1] < 0.5).float().mean():.0%}")
show.draw_iou_shift(stages[1], stages[2], names=("anchor", "final box"),
    alt="Histograms of IoU: anchors spread from 0.4 to 0.95, final boxes "
    "crowd above 0.75.")

# %% [markdown] id="steps-read" slide="fragment" tags=["lead"]
# On these forty scenes the ODM moves the mean IoU from 0.78 to 0.86. Half of its positives come from priors below 0.4, which an SSD with this threshold would nearly all teach “background”.
#
# The filter drops 40 % of the matched anchors. Of the positives that are left only 6 % have an anchor below a half, so in this network a threshold of 0.5 would take at most 6 % of them away; what a training at 0.5 gives is another question. `experiments/refinedet.py` asks about 0.4, 0.5 and 0.6 (`refinedet_threshold`).
#
# Here is the prior that gained most, over both steps, on one object, enlarged:

# %% id="steps-seen" slide="subslide" tags=["hide-input"]
picture, target = validation[109]
objects = target["boxes"] / 128
corners, owner, said = three_stages(picture, objects)
gain = (box_iou(corners[2], objects) - box_iou(corners[0], objects)).gather(
    1, owner.clamp(min=0)[:, None])[:, 0]
objectness = said.arm_logits.softmax(dim=-1)[0, :, 1]  # (P,)
use = (owner == 2) & (objectness > small.objectness_threshold)
i = int(gain.masked_fill(~use, -1).argmax())
goal = target["boxes"][owner[i]]
middle = (goal[:2] + goal[2:]) / 2
x, y = (middle - 20).clamp(0, 88).int().tolist()  # a window of 40 px
shift = torch.tensor([x, y, x, y])
words = ("prior", "moved by the ARM", "moved by the ODM")
show.draw_steps(picture[:, y : y + 40, x : x + 40], goal - shift, {
    name: 128 * stage[i] - shift for name, stage in zip(words, corners)})

# %% [markdown] id="notes-train" slide="notes"
# > *For the speaker.* Let the room say what the prior would have been taught in an SSD before you show its IoU. In the explorer, move one slider at a time and let somebody predict the sentence below it.

# %% [markdown] id="refinement-text" slide="subslide"
# The ARM brings this box from an IoU of 0.28 to 0.64, the ODM to 0.88. In an SSD this prior would have learned “background”.
#
# ### Predict, then move
#
# The same scene is now in your hands. In the grids a filled cell keeps a prior. The dark blot at the top keeps some, too: the ARM does not rule it out, so the ODM must call it background. Answers go into `moves`, below the second explorer.
#
# 1. Add +5 to the ARM's dx: by how many widths of its prior does the *final* box move? Set dx back, and add +5 to dw: how many times as wide is it then?
# 2. On which level does the largest share survive the threshold of 0.01, which the explorer calls θ? (Level 0 is the finest.)

# %% id="filter-seen" slide="-" tags=["hide-input"]
show.draw_filter(
    picture, objectness, tiny.config.priors, boxes=target["boxes"],
    alt="The scene and four grids of cells. Cells on objects keep a prior, "
    "small objects on fine grids, large ones on coarse grids; so do some "
    "cells on a dark blot that is no object.")

# %% id="explorer-refinement" slide="subslide" tags=["explorer", "nbval-ignore-output", "hide-input"]
file = folder / "images" / "000109.png"
show.RefinementExplorer(
    tiny.config.priors, said, objects, class_names=classes, image=file)

# %% [markdown] id="transfer-tasks" slide="subslide"
# ### Cut a TCB's link
#
# Now the TCBs. In the second explorer you cut the link from a coarse map to the next finer one, so that it carries zeros. Two more tasks for `moves`:
#
# 3. Cut the link 2 → 1: which maps change?
# 4. Cut the others, too: which map does *no* cut change?

# %% id="explorer-transfer" slide="-" tags=["explorer", "nbval-ignore-output", "hide-input"]
show.TransferExplorer(tiny, picture, target["boxes"], target["labels"],
                      class_names=classes, file=file)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# Tasks 1 and 2 stand above the first explorer, 3 and 4 above the second.
# (widths, times) to two digits, level, maps, map.
# Made up: ((1.0, 1.0), 0, (1, 2), 0)
moves = ...

nb07.moves.check(moves)

# %% [markdown] id="theta-text" slide="subslide" tags=["beside:filter-seen"]
# ### What does the filter do when it detects?
#
# **Predict:** raise the threshold from 0 to 0.01, to 0.1, to 0.5. How many priors still enter NMS? And does mAP fall, stay, or rise?

# %% id="theta" slide="fragment" tags=["hide-input"]
pictures, truths = zip(*(validation[index] for index in range(150)))
with torch.inference_mode():
    said_of_all = tiny(tiny.normalize(torch.stack(pictures)))
trained, tally = tiny.config, {}
for threshold in (0.0, 0.01, 0.1, 0.5):
    tiny.config = replace(trained, objectness_threshold=threshold)
    scores, _ = tiny.scores_and_boxes(said_of_all)
    enter = (scores[..., 1:] > trained.score_threshold).any(dim=-1)
    found = tiny.postprocess(said_of_all, [(128, 128)] * 150)
    tally[threshold] = metrics.coco_evaluate(found, truths, classes)["mAP"]
    print(f"threshold {threshold:<5}{enter.float().mean():4.0%} of the",
          f"priors enter NMS, mAP {tally[threshold]:.3f}")
tiny.config = trained
assert tally[0.01] > tally[0.0] + 0.003

# %% [markdown] id="theta-read" slide="fragment"
# So a threshold of 0.01 keeps more than two thirds of the candidates out of NMS, and on these 150 scenes mAP rises by 0.007. At 0.1 it is a little higher still, and at 0.5 it has fallen again. But this ODM *learned* with the filter, so a threshold of 0 is unfair to it.

# %% [markdown] id="worth" slide="slide"
# ## 5 · What is each idea worth?
#
# `python -m experiments refinedet_parts` leaves out one idea at a time. It also trains a network with neither filter nor second step, *the TCB alone* (its idle ARM still learns), and two SSDs, one with as many parameters as RefineDet. The rules were fixed before; the runs of `refinedet_tiny` and `ssd_tiny` are chapter 12's:
#
# - each row finds its own learning rate, on scenes kept for that;
# - then it trains with five seeds, 24,000 images each. All rows of a seed see the same images in the same order;
# - it is scored once, on 1,000 other scenes;
# - *better*, *worse*: the interval of the differences leaves out 0, and their mean is at least δ = 0.01; *as good as*: it lies inside ± δ; else *cannot be told*.
#
# The bars are row minus RefineDet, seed by seed, widened for six comparisons (12); the band is ± δ. *M par*, *M m-a*: million parameters, multiply-adds; ±: one standard deviation.

# %% id="experiment" slide="-" tags=["hide-input"]
trial = read_experiment("refinedet_parts")
parts = [name for name in trial.rows if name != trial.reference]
print(verdicts.experiment_table(trial, ("mAP", "mAP50", "mAP75")))
show.draw_intervals(
    {name: verdicts.difference_of(trial, name) for name in parts},
    delta=trial.delta, reference=trial.reference)

# %% [markdown] id="notes-worth" slide="notes"
# > *For the speaker.* Compare the picture with the bets on the board. Let the room argue before you show the next slide. For every sentence that somebody says, ask which bar it rests on, whether that bar leaves out 0, and whether its middle lies outside the band.

# %% [markdown] id="pairs-text" slide="subslide" tags=["beside:experiment"]
# The paper's ablation scores at IoU 0.5 alone, and its networks see 3.8 million images (120,000 batches of 32, §5.1). **Predict:** does any verdict change with the measure? (Intervals of mAP50 are plain.) And would one have been another at half, before the rate falls, on the scenes for choices?

# %% id="pairs" slide="fragment" tags=["output-only"]
short = {"helps": "better", "hurts": "worse",
         "cannot be told": "not to be told",
         "makes no difference that matters": "as good"}
gains = {name: f"{verdicts.difference_of(trial, name)[0]:+.3f}"
         for name in parts}
print(f"{'against refinedet_tiny':30}{'mAP':16}{'mAP50':16}mAP at half")
for name in parts:
    row = trial.rows[name]
    fifty = verdicts.compare_rows(trial, name, trial.reference, "mAP50")
    half = row.half_difference
    print(f"{name:30}{short[row.difference['verdict']]:16}"
          f"{short[fifty.found[0]]:16}{short[half['verdict']]}",
          f"({half['mean']:+.3f})")
print("at the paper's place:")
for score in ("mAP50", "mAP"):
    print(verdicts.pair_sentence(
        trial, "no filter", "the TCB alone", score))
print(verdicts.dead_sentence(trial))
assert gains["no TCB"] == "-0.060" and gains["no filter"] == "-0.008"
assert gains["no second step"] == "+0.038"
assert gains["ssd_tiny, as many parameters"] == "+0.036"

# %% [markdown] id="record-read" slide="subslide" tags=["lead", "beside:experiment"]
# **What they show**, at this budget and with our priors:
#
# - **TCB.** Without it, at half the cost, mAP is lower by 0.060. *Alone* it gives 0.695; an SSD with as many parameters 0.694, and 0.025 more mAP50.
# - **Second step.** Without it mAP is *higher* by 0.038, and mAP75 too (0.841 against 0.803); at IoU 0.5 nothing can be told. So what it costs is lost at strict IoU.
# - **Filter.** Without it mAP is lower by 0.008, which cannot be told from 0. At half it was 0.030 (worse), its rate twice RefineDet's and not yet falling.
# - The whole RefineDet cannot be told from the small `ssd_tiny`, and lies 0.036 below the larger SSD.
#
# Three of six verdicts change with the measure, two with time.

# %% [markdown] id="paper-text" slide="subslide" tags=["beside:experiment"]
# **Beside the paper.** Its ablation (RefineDet320, VOC07 test, mAP at IoU 0.5; Table 3 in the arXiv version, Table 2 at CVPR) takes the ideas away one after the other:
#
# | filter | two steps | TCB | mAP |
# |--|--|--|--|
# | yes | yes | yes | 80.0 |
# | – | yes | yes | 79.5 |
# | – | – | yes | 77.3 |
# | – | – | – | 76.2 |
#
# So the table measures each idea at one place only: the filter with both others, the second step with the TCB and without the filter, the TCB with neither. And the score is mAP at 0.5. At the paper's place, without the filter, two steps are as good as one there (paper: +2.2), by mAP 0.044 worse. Besides, our priors may leave little to refine. **Predict:** what share of our objects has a prior of IoU 0.5, with our priors and with priors laid out as in the paper (one scale of four steps, three ratios)?

# %% id="layouts" slide="fragment"
like_the_paper = boxes.PriorConfig(
    image_size=128, map_sizes=(32, 16, 8, 4), steps=(4, 8, 16, 32),
    min_sizes=(16, 32, 64, 128), max_sizes=(),
    aspect_ratios=((2.0,),) * 4)
objects = torch.cat([target["boxes"] / 128 for _, target in validation])
for name, layout in (("ours", small.priors),
                     ("like the paper's", like_the_paper)):
    best = boxes.coverage(objects, boxes.make_priors(layout))
    print(f"{name:17}{(best >= 0.5).float().mean():.0%} of",
          len(objects), "objects")

# %% [markdown] id="layout-text" slide="subslide"
# `refinedet_layout` has the paper's kind of priors: both steps, one step (its rate of 0.01 was set aside: dead modules), and the small SSD. **Predict:** does the second step pay where there is something to refine?

# %% id="layout" slide="fragment" tags=["hide-input"]
rough = read_experiment("refinedet_layout")
short = {name: name.split(",")[0] for name in list(rough.rows)[1:]}
bars = {f"{short[name]}, {score}": verdicts.compare_rows(
            rough, name, rough.reference, score).found[1:]
        for score in ("mAP50", "mAP") for name in short}
half = {short[name]: rough.rows[name].half_difference["mean"]
        for name in short}
print(verdicts.experiment_table(rough, ("mAP", "mAP50", "mAP75")))
print("mAP at half:", ", ".join(
    f"{name} {mean:+.3f}" for name, mean in half.items()))
assert [f"{bars['no second step, ' + score][0]:+.3f}"
        for score in ("mAP50", "mAP")] == ["-0.029", "+0.018"]
assert f"{half['no second step']:+.3f}" == "+0.062"
show.draw_intervals(
    bars, delta=rough.delta, reference="refinedet_tiny", x="score")

# %% [markdown] id="cannot-say" slide="subslide" tags=["lead", "beside:layout"]
# By mAP no: one step leads by 0.018 (at half, before the rate falls, by 0.062). By mAP50 yes: two lead by 0.029. Both have the filter; the paper's 2.2 points are without.
#
# **What these records cannot say.**
#
# - *The budget.* 3,000 steps from random weights, on drawn scenes; the paper's networks start from ImageNet and see 160 times as many images.
# - *The threshold.* It is 0.4 for priors and anchors, the paper's 0.5; `refinedet_threshold` has not run yet.
# - *Size.* Narrowed below *no TCB*'s cost, RefineDet with its TCBs is as good: 0.601 (12).

# %% [markdown] id="exercises" slide="slide"
# ## 6 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb07.worth.hint()` helps, a little more at each call.
#
# 1. `odm_learns`: which priors the ODM learns from, with the paper's filter and three negatives for each positive. It works when, of labels [3, 2, 0, 0, 0, 0, 0] with losses [0.5, 9, 1, 2, 3, 8, 4], where 1 and 5 are easy, it chooses 0, 3, 4 and 6.
# 2. `final_boxes`: both steps, with torch alone. It works when 06's example, in fractions of its 100 px, arrives at (0.6, 0.5, 0.5, 0.4).
# 3. `worth`: the mean gain, and whether all seeds agree. It works when [0.62, 0.66, 0.64] against [0.60, 0.62, 0.61] is (0.03, True).

# %% id="exercise-odm-learns" slide="skip" tags=["exercise"]
def odm_learns(class_loss, labels, easy):
    """Bool (P,): positives and mined negatives, none of them easy."""
    positive = ...
    return None

nb07.odm_learns.check(odm_learns)

# %% id="exercise-final-boxes" slide="skip" tags=["exercise"]
def final_boxes(arm_deltas, odm_deltas, priors):
    """Boxes (P, 4), cxcywh: prior, then anchor, then box."""
    anchors = ...
    return None

nb07.final_boxes.check(final_boxes)

# %% id="exercise-worth" slide="skip" tags=["exercise"]
def worth(with_idea, without):
    """Mean gain, and whether all seeds agree on its sign."""
    gains = ...
    return None

nb07.worth.check(worth)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# **A patient, met in the wild.** “It trained well for an hour. Then one batch had only empty pictures, and it has forgotten *everything*.” Run the symptom, write down the mistake, open the diagnosis, then run the cure. (A second patient waits in ★.)

# %% id="clinic-1-symptom" slide="-" tags=["clinic", "hide-input"]
def step_on_nothing(normalise):
    torch.manual_seed(0)
    net = nn.Linear(4, 2)
    answers = net(torch.rand(6, 4))
    positive = torch.zeros(6, dtype=torch.bool)  # nobody
    each = F.cross_entropy(answers, torch.zeros(6).long(),
                           reduction="none")
    summed = (each * positive).sum()
    normalise(summed, positive.sum()).backward()
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    return net


sick = step_on_nothing(lambda summed, n: summed / n)
print("weights that are numbers:",
      int(sick.weight.isfinite().sum()), "of", sick.weight.numel())

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis</summary>
#
# The loss is divided by N, and N is 0: 0/0 is NaN. Backwards, 1/N is infinite, and infinity times the mask's 0 is NaN again. After one step every weight is NaN. (The published port *selects* rows instead of multiplying by a mask. There the gradient of nothing stays empty, and only the loss is NaN.) The cure is an N of at least 1.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
well = step_on_nothing(lambda summed, n: summed / n.clamp(min=1))
torch.manual_seed(0)
untouched = nn.Linear(4, 2).weight
print("weights that are numbers:", int(well.weight.isfinite().sum()),
      "| that moved:", int((well.weight != untouched).sum()))

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **The network**: a pyramid of four maps, read by the ARM and, through the TCBs, by the ODM. RefineDet320 has 34.4 million parameters, a third of them in TCBs. Given the ARM, filter and second step cost no parameters and no multiply-adds.
# - **The loss**: MultiBox twice, each with its own N ≥ 1. Anchors are detached and matched anew. There are three filters: `paper`, `released`, `off`.
# - **Detection**: softmax, filter, two decodings, then NMS as everywhere.
# - **The worth**, here: without TCB −0.060 mAP (and half the cost), without the second step +0.038, with rough priors +0.018 but −0.029 mAP50; the filter's cannot be told.
#
# **Next**, 08: M2Det, which asks once but builds eight pyramids.
#
# **Further reading.** Zhang et al. 2018, *Single-Shot Refinement Neural Network for Object Detection*, arXiv 1711.06897, §3, §4 and the ablation in §5.1.2 · the authors' code, sfzhang15/RefineDet, issues [80](https://github.com/sfzhang15/RefineDet/issues/80) and [132](https://github.com/sfzhang15/RefineDet/issues/132) on dropped anchors · Cai & Vasconcelos 2018, *Cascade R-CNN*, 1712.00726, which raises the threshold from step to step.

# %% [markdown] id="star-package" slide="skip"
# ## ★ The package, line by line
#
# These cells are executed and tested like the rest. `RefineDet` of §3 gets the methods that the core only used. `features` makes the pyramid: the backbone's maps, one more for each extra layer, L2Norm on the first ones. Priors are laid out for fixed sides, so a map of another side is refused.

# %% [markdown] id="empty-text" slide="skip"
# First a batch with nothing in the picture. N is 0 when nothing matches, or when a young ARM drops all positives. The code then takes N = 1. An empty batch has the loss 0 and the gradient 0, not NaN:

# %% id="empty" slide="skip" tags=["prove"]
_ = torch.manual_seed(0)
B, P, K = 3, 200, 5
nobody = Targets(torch.zeros(B, P).long(), torch.zeros(B, P, 4))
leaves = [torch.randn(B, P, n, requires_grad=True) for n in (2, 4, K, 4)]
empty = two_step_loss(*leaves, nobody, nobody)
sum(empty.values()).backward()
print({name: value.item() for name, value in empty.items()})
print("gradients:", [leaf.grad.abs().sum().item() for leaf in leaves])

# %% id="features" slide="skip" tags=["teaches:detlearn.models.refinedet:RefineDet.features"]
@method_of(RefineDet)
def features(self, images):
    pyramid = self.backbone(images)
    for extra in self.extras:
        pyramid = [*pyramid, extra(pyramid[-1])]
    for level, (maps, side) in enumerate(
            zip(pyramid, self.config.priors.map_sizes, strict=True)):
        if maps.shape[-2:] != (side, side):
            raise ValueError(f"level {level}: {maps.shape[-2:]}")
    normed = [norm(maps) for norm, maps in
              zip(self.l2norms, pyramid, strict=False)]
    return [*normed, *pyramid[len(normed) :]]


images = torch.rand(2, 3, 128, 128)
print([sides(maps) for maps in ours.features(images)])

# %% [markdown] id="forward-text" slide="skip"
# The pyramid is read twice, by the ARM as it is and by the ODM through the TCBs. Four tensors come out.

# %% id="forward" slide="skip" tags=["teaches:detlearn.models.refinedet:RefineDet.forward", "prove"]
@method_of(RefineDet)
def forward(self, images):
    self.check_input(images)
    pyramid = self.features(images)
    arm, odm = self.arm(pyramid), self.odm(self.transfer(pyramid))
    return RefineDetPredictions(
        arm.logits, arm.deltas, odm.logits, odm.deltas)


with torch.inference_mode():
    prove("our forward = the package's", list(ours(images)),
          list(theirs(images)))

# %% [markdown] id="model-loss-text" slide="skip"
# The model's loss matches every object twice, with the priors for the ARM and with the **anchors** for the ODM. Two details matter. The anchors are detached (06). And they are float32 at least, because encoding divides by small sizes and half precision is too coarse for that.

# %% id="anchors" slide="skip" tags=["teaches:detlearn.models.refinedet:RefineDet.anchors", "teaches:detlearn.models.refinedet:stack_targets"]
from detlearn.boxes import make_targets
from detlearn.models.refinedet import refine_anchors


@method_of(RefineDet)
def anchors(self, arm_deltas):
    if not self.config.two_step:
        return self.priors.expand_as(arm_deltas)
    return refine_anchors(arm_deltas, self.priors, self.config.box_scales)


def stack_targets(targets):
    labels = torch.stack([one.labels for one in targets])  # (B, P)
    deltas = torch.stack([one.deltas for one in targets])  # (B, P, 4)
    return Targets(labels, deltas)


print(tuple(ours.anchors(torch.zeros(2, 3392, 4)).shape))

# %% id="model-loss" slide="skip" tags=["teaches:detlearn.models.refinedet:RefineDet.loss"]
@method_of(RefineDet)
def loss(self, predictions, targets):
    self.check_predictions(predictions)
    config = self.config
    arm_deltas = predictions.arm_deltas.detach()
    wide = torch.promote_types(arm_deltas.dtype, torch.float32)
    anchors = self.anchors(arm_deltas.to(wide))  # (B, P, 4)
    arm_targets = []
    odm_targets = []
    checked = self.check_targets(targets, len(anchors))
    for (boxes, labels), image_anchors in zip(
            checked, anchors, strict=True):
        for matched, start in ((arm_targets, self.priors),
                               (odm_targets, image_anchors)):
            matched.append(make_targets(
                boxes, labels, start, threshold=config.match_threshold,
                scales=config.box_scales, eps=config.encode_eps))
    return two_step_loss(
        *predictions,
        stack_targets(arm_targets), stack_targets(odm_targets),
        negative_ratio=config.negative_ratio,
        negative_filter=config.negative_filter,
        objectness_threshold=config.objectness_threshold)

# %% id="model-loss-proved" slide="skip" tags=["prove"]
batch = torch.stack([picture for picture, _ in scenes])
answers = ours(ours.normalize(batch))
none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
for targets in ([target for _, target in scenes], [scenes[0][1], none]):
    prove("our loss = the package's", ours.loss(answers, targets),
          theirs.loss(answers, targets))

# %% [markdown] id="released-text" slide="skip"
# The `"released"` filter needs a classification of its own: an easy prior is no positive, but it stays in the pool of negatives, and its loss is still measured against its own label.

# %% id="released" slide="skip" tags=["teaches:detlearn.losses:released_classification"]
from detlearn.losses import count_positives, hard_negative_mask


def released_classification(logits, labels, easy, ratio):
    class_loss = F.cross_entropy(
        upcast(logits).transpose(1, 2), labels, reduction="none")
    demoted = labels.masked_fill(easy, 0)  # (B, P)
    positive, mined = demoted > 0, hard_negative_mask(
        class_loss, demoted, ratio)
    return ((class_loss * (positive | mined)).sum()
            / count_positives(positive))


found = released_classification(  # prior 1 is an object, and easy
    torch.zeros(1, 4, 3), torch.tensor([[1, 2, 0, 0]]),
    torch.tensor([[False, True, False, False]]), 3.0)
print("a positive and three mined:", round(found.item() / math.log(3), 2),
      "log 3")

# %% id="loss-proved" slide="skip" tags=["prove"]
_ = torch.manual_seed(0)
arms = 3 * torch.randn(B, P, 2), torch.randn(B, P, 4)
odms = torch.randn(B, P, K), torch.randn(B, P, 4)
some = [Targets(torch.randint(-9, K, (B, P)).clamp(min=0),
                torch.randn(B, P, 4)) for _ in range(2)]
for kind in ("paper", "released", "off"):
    prove(f"two_step_loss, {kind} = the package's",
          two_step_loss(*arms, *odms, *some, negative_filter=kind),
          package_losses.two_step_loss(*arms, *odms, *some,
                                       negative_filter=kind))

# %% [markdown] id="star-detection" slide="skip"
# ### Detection, written plainly
#
# For every image of a batch: class by class a threshold and the best candidates, NMS, then the best boxes of the image, **highest score first**.

# %% id="plain" slide="skip"
def detect_plainly(model, predictions, most=5):
    """Rows (score, label, prior) for each image."""
    config, answer = model.config, []
    for scores, corners in zip(*model.scores_and_boxes(predictions)):
        corners, rows = corners.clamp(0, 1), []
        for label in range(1, config.num_classes):
            order = scores[:, label].argsort(descending=True)
            order = order[scores[order, label] > config.score_threshold]
            order = order[: config.max_candidates]
            stay = order[boxes.nms(corners[order], scores[order, label],
                             config.iou_threshold)]
            rows += [(scores[i, label].item(), label, i.item())
                     for i in stay]
        answer.append(sorted(rows, reverse=True)[:most])
    return answer


plain = detect_plainly(ours, loud)
print([len(rows) for rows in plain], "boxes, one list an image")

# %% id="plain-proved" slide="skip" tags=["prove"]
found = ours.postprocess(loud, [(128, 128)] * 2, max_detections=5)
rows = [list(zip(*(one[key].tolist() for key in
                   ("scores", "labels", "priors")))) for one in found]
prove("plainly = the package's postprocess", plain, rows)
assert all((one["scores"].diff() <= 0).all() for one in found)
alone = RefineDetPredictions(*(part[1:] for part in loud))
prove("an image in a batch = the image alone",
      ours.postprocess(alone, [(128, 128)], max_detections=5)[0], found[1])

# %% [markdown] id="caps-text" slide="skip" tags=["clinic"]
# The published code caps the boxes of a picture, too, but its `keep_top_k` never applies. That is the second patient. Run the symptom first.
#
# **Patient 2.** “I keep the best two boxes. First I got all five; then I repaired it, and the best ones are gone.”

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
def sick_keep(scores, k, repaired):
    scores = scores.clone()
    rank = scores.argsort(descending=True).argsort()
    if repaired:
        scores[rank < k] = 0.0
    else:
        scores[rank < k].fill_(0.0)
    return scores


scores = torch.tensor([0.2, 0.9, 0.5, 0.7, 0.3])
for repaired in (False, True):
    print("repaired" if repaired else "as it was",
          [round(s, 1) for s in sick_keep(scores, 2, repaired).tolist()])

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# There are two mistakes, and one hides the other. Indexing with a mask makes a *copy*, and `fill_` fills the copy. And the mask is the wrong way round, because rank < k *are* the best. While the first mistake stands, the second does no harm. (The port inherited both from ssd.pytorch.)
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic", "prove"]
def cured_keep(scores, k):
    best = scores.topk(min(k, len(scores))).indices
    return torch.zeros_like(scores).index_copy(0, best, scores[best])


prove("patient 2 is cured", cured_keep(scores, 2),
      torch.tensor([0.0, 0.9, 0.0, 0.7, 0.0]))
for most in (3, 50, 200):
    (one, _) = ours.postprocess(loud, [(128, 128)] * 2,
                                max_detections=most)
    print("at most", most, "| got", len(one["scores"]))

# %% [markdown] id="star-exercises" slide="skip"
# Two further exercises. `keep_best` is a cap that applies: of [0.2, 0.9, 0.5, 0.7] the second and the fourth stay. `tcb_macs` counts what a TCB multiplies; its 2 × 2 filter is applied once in each *coarse* cell, and fc7's block needs 360,448,000.

# %% id="exercise-keep-best" slide="skip" tags=["exercise"]
def keep_best(scores, k):
    """Bool (N,): True for the k highest scores."""
    keep = torch.zeros(len(scores), dtype=torch.bool)
    ...
    return None

nb07.keep_best.check(keep_best)

# %% id="exercise-tcb-macs" slide="skip" tags=["exercise"]
def tcb_macs(in_channels, channels, side, coarsest):
    """Multiply-adds of one TCB."""
    cell = ...
    return None

nb07.tcb_macs.check(tcb_macs)

# %% [markdown] id="quiz" slide="skip"
# ### Quiz: true or false?
#
# 1. RefineDet512 has more parameters than RefineDet320.
# 2. ARM and ODM share one N.
# 3. With `"paper"`, an anchor that matched an object can be ignored by the ODM.
# 4. The filter's threshold of 0.01 is compared with the ODM's scores.
# 5. Five seeds that agree prove that an idea helps.
#
# <details><summary>Answers</summary>
#
# 1. False. Convolutions do not know the side of a picture. Only maps, priors and work grow.
# 2. False. Each divides by its own: an anchor may match where its prior did not.
# 3. True, if the ARM's objectness of its prior is at most 0.01.
# 4. False. It is compared with the *ARM's* objectness.
# 5. False. Five coins agree once in sixteen times. Without the filter all five seeds lose, and it still cannot be told.
#
# </details>

# %% [markdown] id="star-costs" slide="skip"
# ## ★ Costs, and a suspicion that found little support
#
# Chapter 06 has a picture of what each part costs. What does each *idea* cost? Switch one idea off and count again. §1 said that two have no parameters. **Predict:** what share of the *multiply-adds* do the TCBs take?

# %% id="costs" slide="skip" tags=["hide-input"]
def price(config):  # parameters, multiply-adds
    table = show.shape_table(on_meta(refinedet.RefineDet, config))
    return table.parameters, table.macs


whole, costs = price(published), {}
for name, change in {"filter": {"negative_filter": "off"},
                     "two steps": {"two_step": False},
                     "TCB": {"tcb_channels": None}}.items():
    less = price(replace(published, **change))
    costs[name] = whole[0] - less[0], whole[1] - less[1]
    print(f"{name:10}{costs[name][0]:>11,} of {whole[0]:,} parameters")
show.draw_branch_costs(
    {**costs, "whole network": whole},
    alt="Filter and second step: no parameters, no multiply-adds. TCB: 10 "
    "of 34 million parameters, 5 of 38 billion multiply-adds.")

# %% [markdown] id="cost-read" slide="skip"
# Two ideas are free once there is an ARM (414,792 parameters): filter and second step *use* its numbers. The TCBs are a third of all parameters. (Without them the ODM's heads read more channels and grow, so the difference is a little smaller than 06's 11.4 million.)

# %% [markdown] id="parts-text" slide="skip"
# Here are all parts, added up:

# %% id="parts" slide="skip" tags=["prove"]
table = show.shape_table(nets[320])
groups = {"VGG-16": ["backbone"],
          "extra layer, L2Norm": ["extras", "l2norms"],
          "ARM heads": ["arm.logits", "arm.deltas"], "TCBs": ["tcbs"],
          "ODM heads": ["odm.logits", "odm.deltas"]}
costs = {name: tuple(sum(getattr(part, field) for part in table.parts
                         if part.name in inside)
                     for field in ("parameters", "macs"))
         for name, inside in groups.items()}
prove("nothing forgotten, nothing twice",
      [sum(column) for column in zip(*costs.values())],
      [table.parameters, table.macs])
large = show.shape_table(nets[512])
prove("512: the same parameters, 1.6² times the work",
      [large.parameters, large.macs],
      [table.parameters, round(2.56 * table.macs)])

# %% [markdown] id="atrous-text" slide="skip"
# `python benchmarks/forward_profile.py` prints where the *time* of a forward pass goes.
#
# SSD's weights fit into RefineDet's VGG without a word (06). Do they *mean* the same? Nearly. Leave out every second cell of a map, and put the nine weights of a filter half as far apart: it is the same computation. fc6's weights lie 6 cells of 16 px apart in SSD and 3 cells of 32 px here, 96 px in both. The pools before it differ a little: the largest of 3 × 3, or of 2 × 2.

# %% id="atrous" slide="skip" tags=["prove"]
from detlearn.models.backbones import VGG16

maps, weight = torch.rand(1, 4, 20, 20), torch.rand(6, 4, 3, 3)
fine = F.conv2d(maps, weight, padding=6, dilation=6)
coarse = F.conv2d(maps[..., ::2, ::2], weight, padding=3, dilation=3)
prove("dilation 3 = every second cell of dilation 6",
      coarse, fine[..., ::2, ::2], tolerance=1e-5)

taps = ("conv4_3", "conv5_3", "fc7")
of_ssd = VGG16(taps=taps)
of_refinedet = VGG16(pool5=(2, 2, 0), fc6_dilation=3, taps=taps)
of_refinedet.load_state_dict(of_ssd.state_dict())  # not a word
with torch.inference_mode():
    noise = torch.rand(1, 3, 64, 64)
    first, second = of_ssd(noise), of_refinedet(noise)
prove("conv4_3 and conv5_3 are equal", first[:2], second[:2])
print("fc7:", sides(first[2]), "and", sides(second[2]))

# %% [markdown] id="transfer-text" slide="skip"
# ### One link of a TCB, measured
#
# Cut the link from map 2 to map 1 in the scene of §4, so that it carries zeros. **Predict:** where in the picture does map 1 change more, on the objects or beside them?

# %% id="transfer-seen" slide="skip" tags=["hide-input"]
with torch.inference_mode():
    pyramid = tiny.features(tiny.normalize(picture[None]))
    usual = tiny.transfer(pyramid)
    deaf = tiny.tcbs[1](pyramid[1], torch.zeros_like(usual[2]))
change = (usual[1] - deaf)[0].abs().mean(dim=0)  # (16, 16)
y, x = torch.meshgrid(*[8 * torch.arange(16.0) + 4] * 2, indexing="ij")
x1, y1, x2, y2 = target["boxes"].T[..., None, None]  # (G, 1, 1) each
on = ((x > x1) & (x < x2) & (y > y1) & (y < y2)).any(dim=0)  # (16, 16)
ratio = (change[~on].mean() / change[on].mean()).item()
print(f"change beside the objects: {ratio:.1f} times that on them")
show.draw_transfer(
    picture, usual[1][0], deaf[0], boxes=target["boxes"],
    names=("map 1, all links", "link 2 → 1 cut"),
    alt="The scene, map 1 of 16 by 16 cells with all links and with the "
    "link from map 2 cut, and the difference, largest in empty corners.")

# %% [markdown] id="transfer-read" slide="skip"
# Map 1 changes most in two empty corners of this scene, not on the objects. One scene shows only that the link carries something; it does not show what for.

# %% [markdown] id="star-suspicion" slide="skip"
# ### The suspicion
#
# Why is the network with the second step behind at high IoU, with our priors? One suspicion: the loss tells a rough anchor its name as firmly as a perfect one, so the scores say little about placement, and NMS, which trusts the scores, keeps a worse box than it could. The network without the second step is not shipped, and SSD is not ahead of the shipped RefineDet at high IoU. So here we only ask whether RefineDet's scores say less about placement than SSD's. Take all boxes that name an object rightly (score above 0.3) and overlap it by half. How far does the **winner**, the one with the highest score, lie below the best?
#
# If one network has more such boxes, its best one is better by chance alone. So compare the twelve highest scores of each object, too, and ask for the rank correlation of score and IoU: 1 if both put the boxes in one order, 0 if the orders are unrelated.

# %% id="suspicion" slide="skip"
def claimants(model):
    """Means: boxes, gap, gap of twelve, rank correlation."""
    rows = []
    for picture, target in (validation[index] for index in range(60)):
        with torch.inference_mode():
            scores, corners = model.scores_and_boxes(
                model(model.normalize(picture[None])))
        overlaps = box_iou(corners[0], target["boxes"] / 128)  # (P, G)
        for g, label in enumerate(target["labels"].tolist()):
            use = (scores[0, :, label] > 0.3) & (overlaps[:, g] > 0.5)
            if use.sum() >= 5:
                order = scores[0, use, label].argsort(descending=True)
                iou = overlaps[use, g][order]  # the winner first
                ranks = iou.argsort(descending=True).argsort().double()
                line = torch.arange(len(iou)).double()
                both = torch.stack([line, ranks])
                rows.append([len(iou), iou.max() - iou[0],
                             iou[:12].max() - iou[0],
                             torch.corrcoef(both)[0, 1]])
    return torch.tensor(rows).mean(dim=0).tolist()

# %% id="suspicion-tested" slide="skip"
ssd = load_model(data_path("weights", "ssd_tiny.safetensors"))
for name, model in {"RefineDet": tiny, "SSD": ssd}.items():
    number, gap, of_twelve, correlation = claimants(model)
    print(f"{name:9} {number:.0f} boxes; winner below the best: {gap:.2f},",
          f"of twelve {of_twelve:.2f}; rank correlation {correlation:.2f}")

# %% [markdown] id="suspicion-read" slide="skip"
# With all boxes the gap looks larger for RefineDet. With at most twelve boxes per object hardly any difference is left, and the rank correlation, if anything, speaks *for* RefineDet. So we saw no sign of it in these two networks; the pair that differs in the record was not looked at. (§4 has weakened the suspicion already: of the ODM's positives only 6 % have an anchor below 0.5.) Whether a stricter threshold for the anchors helps is another question, and only a training can answer it.

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ## ★ Paper ↔ code
#
# What chapter 06 has not told already. *Article* is a published walk through luuuyi/RefineDet.PyTorch, which is called the *port*.
#
# | what they say or do | what is true | here | see |
# |--|--|--|--|
# | `vgg_source`, `os`, `Detect_RefineDet` (article) | unknown names | – | a |
# | `ext == '.pkl' or '.pth'` (port) | always true | a tuple | a |
# | `torch.Tensor(n)` (port) | uninitialised memory | `torch.full` | a |
# | detection as a function with state (port) | does not run since PyTorch 1.5 | a method | b |
# | “300 or 500”; three tensors out (article) | 320, 512; five, with the priors | four, named | §1 |
# | “[batch, topk, 7]” (article) | (batch, classes, k, 5) | a dict an image | c |
# | “extra layers for feature scaling” (article) | one coarser map | `extras` | §1 |
# | “only conv4_3 and conv5_3” (article) | fc7 and conv6_2, too | four levels | §1 |
# | the 512 table is named `RefineDet_VOC_320` (port) | a slip | `config.name` | c |
# | `--top_k`, `--confidence_threshold` (port) | read, then ignored | arguments | c |
# | a crop's least IoU (port) | no crop is ever refused | 05's crop | d |
# | only “difficult” objects: a crash (port) | a legal picture | legal | d |
# | subtracts BGR means, feeds RGB (port) | red loses blue's mean | RGB, RGB | e |
# | its SSD's loss prints shapes (port) | in every step | silent | – |
# | VOC07 at 320: paper 80.0; authors' code, trained by the port's author, 79.52; port 79.81 (port's README) | three trainings | – | e |
# | VOC07 at 512: paper 81.8; authors' code 81.85; port 80.50 (port's README) | the same | – | e |
# | matching at IoU 0.5 for both (paper, §4); an answer in sfzhang15/RefineDet 153 advises 0.3 and 0.7 for the ARM | one threshold | `match_threshold` | §4 |
# | top 400 into NMS, 200 kept (paper, §4); 1,000 and 500 (code) | – | as the code | c |
# | filter: in training and at detection (paper, §3) | dropped priors are not mined (issue 80) | `"paper"` | §2 |
# | COCO table (port) | 02, third patient | by the input size | 02 |
# | `keep_top_k`; N (port) | no effect; NaN | a cap; N ≥ 1 | patients |

# %% id="ledger-names" slide="skip" tags=["ledger"]
# a  names that nobody defined are found when a line is *reached*
def build(size, vgg_sources):
    for layer in vgg_source:
        return layer


try:
    build(320, [])
except NameError as error:
    print("NameError:", error)
for ext in (".pth", ".txt"):
    print(ext, bool(ext == ".pkl" or ".pth"), ext in (".pkl", ".pth"))
scale = torch.full((4,), 10.0)  # torch.Tensor(4) would be anything
print(scale.tolist())

# %% id="ledger-legacy" slide="skip" tags=["ledger"]
# b  the port's detection is a function with state: PyTorch refuses it
class Detect(torch.autograd.Function):
    def __init__(self, top_k):
        self.top_k = top_k

    def forward(self, scores):
        return scores


try:
    Detect(200)(torch.rand(4))
except RuntimeError as error:
    assert "non-static" in str(error)
    print(type(error).__name__, "about a non-static forward")

# %% id="ledger-output" slide="skip" tags=["ledger"]
# c  what comes out, and who sets the thresholds
(answer,) = tiny.detect([picture], score_threshold=0.5, max_detections=4)
print({key: tuple(value.shape) for key, value in answer.items()})
for name in ("refinedet320_vgg16", "refinedet512_vgg16"):
    config = on_meta(create_model, name).config
    print(config.name, config.max_candidates, config.score_threshold,
          config.iou_threshold, config.max_detections)

# %% id="ledger-crop" slide="skip" tags=["ledger", "prove"]
# d  a test that can never refuse, and a crop that keeps no object
least, most = 0.7, float("inf")
overlaps = torch.rand(1000, 3)  # a thousand crops, three objects
refused = [bool(o.min() < least and most < o.max()) for o in overlaps]
prove("the port refuses no crop", sum(refused), 0)
wanted = int((overlaps.min(dim=1).values < least).sum())
print(f"that should have been refused: {wanted / 1000:.0%}")
with torch.inference_mode():
    said = ours(ours.normalize(batch[:1]))
prove("no objects left: legal here",
      list(ours.loss(said, [none]).values()), [0.0] * 4)

# %% id="ledger-colours" slide="skip" tags=["ledger", "prove"]
# e  one mean for each colour, in the order of the picture
mean = [round(255 * m) for m in published.image_mean]
prove("R, G, B", mean, [123, 117, 104])
swapped = [abs(a - b) for a, b in zip(mean, reversed(mean))]
print("means in the wrong order are off by", swapped, "of 255")
for side, paper, code, port in ((320, 80.0, 79.52, 79.81),
                                (512, 81.8, 81.85, 80.50)):
    print(f"VOC07 at {side}: authors' code {code - paper:+.2f},"
          f" port {port - paper:+.2f} beside the paper")
