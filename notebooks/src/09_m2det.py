# %% [markdown] id="title" slide="slide"
# # 09 · M2Det II
#
# **One question: do eight levels find more than one, and is it the deep ones that find the complicated things?**
#
# Afterwards you will be able to
#
# - build M2Det's pyramid from two maps of a backbone, and the network around it;
# - account for its 133 million parameters, and find 40 per cent of them where few look;
# - tell what its published code *says* from what it *does*: initialisation, learning rate, suppression;
# - look into a trained network, level by level, and read an experiment on the paper's claim.
#
# **90 minutes** with the exercises. Before it: notebook 08 (BasicConv, TUM, SFAM, levels and scales); 05 for the training.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import json
from dataclasses import replace
from statistics import mean

import torch
from torch import nn
from torch.nn import functional as F

from detlearn import boxes, create_model, data, load_model, metrics
from detlearn import show, training
from detlearn.models import Detector, m2det
from detlearn.models.layers import MultiBoxHead
from detlearn.models.m2det import SFAM, TUM, BasicConv, build_backbone
from detlearn.teach.exercises import nb09
from detlearn.teach.grow import method_of
from detlearn.teach.prove import prove


print(m2det.M2DET512_VGG16.name)

# %% id="helpers" slide="skip"
def on_meta(build, *arguments, **settings):  # shapes without numbers
    with torch.device("meta"):
        return build(*arguments, **settings)


def count(module):  # parameters, shared ones once
    return sum(p.numel() for p in module.parameters())


def shapes(maps):
    return [tuple(each.shape) for each in maps]


count(on_meta(nn.Conv2d, 3, 8, 1))

# %% [markdown] id="two-questions" slide="slide"
# ## 1 · Fuse: where and what
#
# Chapter 08 left two ends open. The first TUM reads *one* map: where does it come from? And the gathered maps go to *heads*: what is around them? In between nothing is new. The whole of it, for an input of 512 px:

# %% id="mlfpn-drawn" slide="-"
show.draw_mlfpn(m2det.M2DET512_VGG16)

# %% [markdown] id="notes-two-questions" slide="notes"
# > *For the speaker.* Point at the two kinds of purple box that are new, FFMv1 and FFMv2; TUM and SFAM are old friends. Ask what the diagonal arrows carry (the largest map of a TUM) and why there is none into the first. Then ask for the number of channels that the heads read: 8 · 256.

# %% [markdown] id="ffm1-by-hand" slide="subslide"
# ### FFMv1, by hand
#
# A **feature fusion module** of the first kind takes two maps of the backbone. The shallow one (conv4_3) knows *where*, the deep one (fc7) knows *what*, and has half the side. So the deep one is enlarged, and they are laid on top of each other. Smallest case, two cells a side and one channel each; a 1 × 1 convolution with weight 2 stands for each reduction. **Write both channels down.**

# %% id="ffm1-by-hand-seen" slide="-"
shallow = torch.tensor([[1.0, 0], [2, 3]])
deep = torch.tensor([[4.0]])
where = 2 * shallow
what = (2 * deep).expand(2, 2)
show.draw_small_maps(
    {"shallow": shallow, "where: · 2": where, "deep": deep,
     "what: · 2,\nenlarged": what}, ("→", "", "→"),
    alt="The shallow map 1, 0, 2, 3 is doubled to 2, 0, 4, 6; the deep "
    "map, one cell of 4, becomes four cells of 8. Both are kept.")

# %% id="ffm1" slide="subslide" tags=["teaches:detlearn.models.m2det:FFMv1"]
class FFMv1(nn.Module):
    def __init__(self, in_channels, out_channels=(256, 512)):
        super().__init__()
        self.reduce = BasicConv(in_channels[0], out_channels[0], 3,
                                padding=1)
        self.up_reduce = BasicConv(in_channels[1], out_channels[1], 1)
        self.out_channels = sum(out_channels)

    def forward(self, shallow, deep):
        where = self.reduce(shallow)  # (B, C1, H, W)
        what = self.up_reduce(deep)  # (B, C2, H2, W2)
        what = F.interpolate(what, size=where.shape[-2:],
                             mode="nearest")  # (B, C2, H, W)
        return torch.cat([where, what], dim=1)  # (B, C1+C2, H, W)


for side, half in ((64, 32), (75, 38)):
    two = [torch.empty(2, 512, side, side, device="meta"),
           torch.empty(2, 1024, half, half, device="meta")]
    print(tuple(on_meta(FFMv1, (512, 1024))(*two).shape))

# %% [markdown] id="ffm1-read" slide="fragment"
# 256 + 512 = **768** channels: the **base feature**. The published code doubles (`scale_factor=2`); that is the same at its four sizes, and stops at 600 px, where 75 cells meet 2 · 38 = 76. The line is also where a popular article about M2Det breaks: its parentheses close in the wrong places (ledger, a).
#
# ### FFMv2
#
# The second kind stands in front of every TUM. It makes a *thin* copy of the base feature, 128 of 768 channels (the code calls it *leach*), so that no TUM forgets the picture, and adds the largest map of the TUM before it.

# %% id="ffm2" slide="subslide" tags=["teaches:detlearn.models.m2det:FFMv2"]
class FFMv2(nn.Module):
    def __init__(self, base_channels, thin_channels):
        super().__init__()
        self.leach = BasicConv(base_channels, thin_channels, 1)

    def forward(self, base, previous=None):
        thin = self.leach(base)
        if previous is None:
            return thin
        return torch.cat([thin, previous], dim=1)


base = torch.empty(2, 768, 64, 64, device="meta")
largest = torch.empty(2, 256, 64, 64, device="meta")
ffm2 = on_meta(FFMv2, 768, 128)
shapes([ffm2(base), ffm2(base, largest)])

# %% id="ffm-equal" slide="-" tags=["prove"]
_ = torch.manual_seed(0)
two = [torch.rand(2, 6, 9, 9), torch.rand(2, 10, 5, 5)]
fusions = FFMv1((6, 10), (4, 8)).eval(), FFMv2(12, 3).eval()
packages = m2det.FFMv1((6, 10), (4, 8)).eval(), m2det.FFMv2(12, 3).eval()
for ours, theirs in zip(fusions, packages):
    theirs.load_state_dict(ours.state_dict())
with torch.inference_mode():
    base = fusions[0](*two)  # (2, 12, 9, 9)
    prove("FFMv1 = the package's", base, packages[0](*two))
    prove("FFMv2 = the package's, first and later",
          [fusions[1](base), fusions[1](base, two[0])],
          [packages[1](base), packages[1](base, two[0])])
    by_hand = two[1][:, :, [0, 0, 1, 1, 2, 2, 3, 3, 4]]  # rows 5 to 9
    by_hand = by_hand[..., [0, 0, 1, 1, 2, 2, 3, 3, 4]]
    prove("enlarge, then 1 × 1, is 1 × 1, then enlarge", base[:, 4:],
          fusions[0].up_reduce(by_hand), tolerance=1e-6)

# %% [markdown] id="mlfpn-words" slide="slide"
# ## 2 · MLFPN: all levels
#
# The **multi-level feature pyramid network** is FFMv1, then FFMv2 and TUM in turn, then SFAM. Its constructor is bookkeeping: who reads how many channels. (`tum="paper"` is the paper's TUM, 128 channels out instead of 256; `shared_weights` is chapter 08's `[conv] * n`: one FFMv2 for all levels.)

# %% id="mlfpn-init" slide="-" tags=["teaches:detlearn.models.m2det:MLFPN.__init__"]
class MLFPN(nn.Module):
    def __init__(self, in_channels, base_channels=(256, 512), planes=256,
                 num_levels=8, num_scales=6, tum="released", smooth=True,
                 sfam=True, shared_weights=True, compress_ratio=16):
        super().__init__()
        out, thin, first = planes, planes // 2, planes // 2
        if tum == "paper":
            out, thin, first = planes // 2, planes // 2, planes
        thin_channels = [first] + [thin] * (num_levels - 1)
        in_planes = [first] + [thin + out] * (num_levels - 1)
        if shared_weights:  # one FFMv2 for each width
            thin_channels = list(dict.fromkeys(thin_channels))

        self.ffm1 = FFMv1(in_channels, base_channels)
        self.ffm2 = nn.ModuleList(FFMv2(self.ffm1.out_channels, width)
                                  for width in thin_channels)
        self.tums = nn.ModuleList(TUM(c, planes, num_scales, tum, smooth)
                                  for c in in_planes)
        self.out_channels = out * num_levels
        self.sfam = nn.Identity()
        if sfam:
            self.sfam = SFAM(self.out_channels, num_scales,
                             compress_ratio, shared_weights)

# %% id="mlfpn-levels" slide="subslide" tags=["teaches:detlearn.models.m2det:MLFPN.levels", "teaches:detlearn.models.m2det:MLFPN.forward"]
@method_of(MLFPN)
def levels(self, base):
    pyramids = []
    for level, tum in enumerate(self.tums):
        # Where they are shared the last one serves all further levels.
        ffm2 = self.ffm2[min(level, len(self.ffm2) - 1)]
        largest = pyramids[-1][0] if pyramids else None
        pyramids.append(tum(ffm2(base, largest)))
    return pyramids


@method_of(MLFPN)
def forward(self, features):
    shallow, deep = features
    base = self.ffm1(shallow, deep)
    levels = self.levels(base)
    gathered = [torch.cat(maps, dim=1)
                for maps in zip(*levels, strict=True)]
    pyramid = self.sfam(gathered)
    return pyramid


two = [torch.empty(2, 512, 64, 64, device="meta"),
       torch.empty(2, 1024, 32, 32, device="meta")]
shapes(on_meta(MLFPN, (512, 1024))(two))

# %% id="mlfpn-equal" slide="subslide" tags=["prove"]
two = [torch.rand(2, 6, 17, 17), torch.rand(2, 10, 9, 9)]
for settings in ({}, {"shared_weights": False, "tum": "paper"},
                 {"sfam": False, "smooth": False}):
    sizes = (6, 10), (4, 8), 16, 3, 4
    ours = MLFPN(*sizes, **settings).eval()
    package = m2det.MLFPN(*sizes, **settings).eval()
    package.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        prove(" ".join(["our MLFPN", *settings, "= the package's"]),
              ours(two), package(two))

# %% [markdown] id="eight-sizes" slide="subslide"
# Levels cost. **Guess first:** the heads excepted, does twice the number of levels have twice the parameters?

# %% id="eight-sizes-counted" slide="-"
sizes = {n: count(on_meta(MLFPN, (512, 1024), num_levels=n))
         for n in (1, 2, 4, 8, 16)}
for n, number in sizes.items():
    pairs = count(on_meta(SFAM, 256 * n))
    print(f"{n:2} levels {number:12,}   of which SFAM {pairs:10,}")

# %% [markdown] id="eight-sizes-read" slide="fragment"
# Very nearly: a level costs 6.9 million, whatever its place (the first a little less). Only SFAM grows with the *square*, both of its layers being as wide as all levels together; and it is small. What the levels really cost comes in the next section: every head reads all of them.

# %% [markdown] id="network-words" slide="slide"
# ## 3 · The network
#
# Backbone, MLFPN, heads. The heads are those of chapter 04: for each scale a 3 × 3 convolution for deltas and one for logits. One oddity of the code, which no paper mentions: a BatchNorm stands before the heads on the *finest* map, and on no other.

# %% id="network-init" slide="-" tags=["teaches:detlearn.models.m2det:M2Det.__init__"]
class M2Det(Detector):
    def __init__(self, config):
        super().__init__(config)
        self.backbone = build_backbone(config)
        in_channels = self.backbone.out_channels
        self.mlfpn = MLFPN(
            in_channels, config.base_channels, config.planes,
            config.num_levels, config.num_scales, config.tum,
            config.smooth, config.sfam, config.shared_weights,
            config.compress_ratio)
        channels = self.mlfpn.out_channels
        self.norm = nn.BatchNorm2d(channels)
        self.head = MultiBoxHead(
            [channels] * config.num_scales,
            config.priors.priors_per_cell, config.num_classes)
        self.init_weights()

# %% [markdown] id="init-words" slide="subslide"
# ### As it says, and as it does
#
# The last line starts the weights. The published initialiser announces that it prepares “tums, reduce, up_reduce, leach, loc, conf”, that is, everything: Kaiming's normal distribution for convolutions, zero for biases. It recognises a convolution by the letters `conv` in the *name* of its weight. A BasicConv calls its convolution `conv`; a head is a bare convolution in a list, `loc.3.weight`: **no `conv` in it.** So the heads keep PyTorch's default, and nobody notices, since nothing fails. `init="stated"` does what it says, `"released"` what it does.

# %% id="init-weights" slide="-" tags=["teaches:detlearn.models.m2det:M2Det.init_weights"]
@method_of(M2Det)
@torch.no_grad()
def init_weights(self):
    convolutions = [
        layer
        for part in (self.mlfpn.ffm1, self.mlfpn.ffm2, self.mlfpn.tums,
                     self.head)
        for layer in part.modules()
        if isinstance(layer, nn.Conv2d)]
    heads = set(self.head.modules())
    for layer in convolutions:
        layer.reset_parameters()
        if self.config.init == "stated" or layer not in heads:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out",
                                    nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

# %% id="network-forward" slide="subslide" tags=["teaches:detlearn.models.m2det:M2Det.features", "teaches:detlearn.models.m2det:M2Det.forward", "prove"]
@method_of(M2Det)
def features(self, images):
    features = self.backbone(images)
    finest, *coarser = self.mlfpn(features)
    return [self.norm(finest), *coarser]


@method_of(M2Det)
def forward(self, images):
    self.check_input(images)
    predictions = self.head(self.features(images))
    return predictions


_ = torch.manual_seed(0)
ours = M2Det(m2det.M2DET_TINY).eval()
package = m2det.M2Det(m2det.M2DET_TINY).eval()
package.load_state_dict(ours.state_dict())
with torch.inference_mode():
    picture = torch.rand(2, 3, 128, 128)
    prove("our M2Det = the package's", [*ours(picture)],
          [*package(picture)])

# %% id="init-seen" slide="subslide" tags=["prove"]
spread = {}
for init in ("released", "stated"):
    _ = torch.manual_seed(0)
    net = M2Det(replace(m2det.M2DET_TINY, init=init))
    spread[init] = {
        "a TUM": net.mlfpn.tums[0].encoder.layers[1].conv.weight.std(),
        "a class head": net.head.logits[0].weight.std(),
        "a box head": net.head.deltas[0].weight.std()}
names = [n for n, _ in nn.ModuleDict({"loc": nn.ModuleList(
    [nn.Conv2d(8, 4, 3)])}).named_parameters()]
print(names, ["conv" in name for name in names])
ratio = spread["stated"]["a box head"] / spread["released"]["a box head"]
prove("TUMs start alike", spread["stated"]["a TUM"],
      spread["released"]["a TUM"])
default = (3 * 9 * net.mlfpn.out_channels) ** -0.5  # PyTorch's, 1/√(3n)
prove("released heads have PyTorch's default spread",
      spread["released"]["a class head"], default, tolerance=0.05 * default)
assert ratio > 5  # at first, "stated" boxes fly far

# %% [markdown] id="shapes-words" slide="subslide"
# ### M2Det-512 on paper
#
# A network of 133 million parameters, every shape of it, without a number computed (`meta`):

# %% id="shapes-of-512" slide="-"
big = on_meta(create_model, "m2det512_vgg16")
table = show.shape_table(big)
table

# %% id="parts-of-512" slide="subslide" tags=["prove"]
parts = {"backbone": big.backbone, "FFMv1": big.mlfpn.ffm1,
         "FFMv2": big.mlfpn.ffm2, "TUM 0": big.mlfpn.tums[0],
         "TUM 1 to 7": big.mlfpn.tums[1:], "SFAM": big.mlfpn.sfam,
         "box heads": big.head.deltas, "class heads": big.head.logits,
         "BatchNorm": big.norm}
for name, part in parts.items():
    number = count(part)
    print(f"{name:12}{number:12,}  {100 * number / count(big):4.1f} %")
prove("the parts are the whole", sum(count(p) for p in parts.values()),
      count(big))
prove("class heads by hand: 6 scales, 6 priors, 81 classes",
      count(big.head.logits), 6 * (9 * 2048 * 486 + 486))

# %% [markdown] id="parts-read" slide="fragment"
# Forty per cent of the network are **class heads**: 2,048 channels in, 6 · 81 answers out, 3 × 3, six times. The levels make them so dear. With one level they would have an eighth.

# %% id="four-networks" slide="subslide" tags=["prove"]
published = {  # counted in the published code, shared tensors once
    ("m2det512_vgg16", False, True): 132_633_140,
    ("m2det512_vgg16", True, True): 133_159_604,
    ("m2det512_vgg16", True, False): 136_481_844,
    ("m2det512_resnet101", True, True): 157_749_148 - 2_049_000,
    ("m2det512_resnet50", True, True): 138_757_020 - 2_049_000}
for (name, sfam, shared), number in published.items():
    network = on_meta(create_model, name, sfam=sfam, shared_weights=shared)
    print(f"{name:19} sfam={sfam!s:6} shared={shared!s:6}{number:12,}")
    prove("as published", count(network), number)
print([p.num_priors for p in (boxes.M2DET320_PRIORS,
      boxes.M2DET512_PRIORS, boxes.M2DET704_PRIORS, boxes.M2DET800_PRIORS)])

# %% [markdown] id="four-networks-read" slide="fragment"
# The subtraction: the published ResNets carry ImageNet's classifier along, 2,049,000 numbers that nothing ever reads. And *shared*: a file of published weights holds six copies of SFAM's layers and eight of the thin convolution, all equal (08); whoever counts keys counts them six and eight times.

# %% [markdown] id="train-words" slide="slide"
# ## 4 · Train and detect
#
# ### The learning rate
#
# Five epochs of **warm-up**, a straight line from 1e-6 to 4e-3; then steps. The paper's schedule is another one: 2e-3, a tenth after 90 and after 120 of 150 epochs (the author confirms it in thread 35). **Read the curves:** which has the larger steps when it counts, at the end?

# %% id="released-rate" slide="-" tags=["teaches:detlearn.models.m2det:released_learning_rate", "prove"]
def released_learning_rate(step, steps_per_epoch):
    warm_up = 5 * steps_per_epoch
    if step < warm_up:
        return 1e-6 + (4e-3 - 1e-6) * step / warm_up
    table = ((90, 4e-3), (110, 2e-3), (130, 4e-4), (150, 4e-5))
    for last_epoch, rate in table:
        if step < last_epoch * steps_per_epoch:
            return rate
    return 4e-6


steps = range(0, 20_000, 50)  # 200 epochs of 100
prove("our rates = the package's",
      [released_learning_rate(k, 100) for k in steps],
      [m2det.released_learning_rate(k, 100) for k in steps])
[released_learning_rate(100 * e, 100) for e in (0, 1, 5, 90, 110, 150)]

# %% id="rates-drawn" slide="subslide"
recipe = training.RECIPES["m2det512_vgg16"]
recipe = replace(recipe, warmup_steps=500)  # five epochs of 100 steps
epochs = range(160)
released = [released_learning_rate(100 * e + 1, 100) for e in epochs]
paper = [recipe.learning_rate * training.learning_rate_factor(
    100 * e + 1, 100, recipe) if e < 150 else float("nan") for e in epochs]
show.draw_curves(
    {"learning rate": {"released": released, "paper": paper}},
    x="epoch", log=True,
    alt="Two learning rates by epoch, logarithmic. Both rise for five "
    "epochs. The released one stays at 0.004 to epoch 90, then 0.002, "
    "0.0004, 0.00004, 0.000004; the paper's stays at 0.002 to 90, "
    "0.0002 to 120, 0.00002 to 150.")

# %% [markdown] id="tiny-words" slide="subslide"
# ### A small one, here
#
# `m2det_tiny` is the same code, four levels, five scales, 24 channels each, for the scenes of Shapes. Forty steps, a few seconds: too few to detect anything, enough to see that all of it learns.

# %% id="train-tiny" slide="-"
_ = torch.manual_seed(0)
newborn = create_model("m2det_tiny")
scenes = data.Cached(data.Shapes(320, objects=data.TRAIN_OBJECTS),
                     data.shapes_train_transform(128))
config = replace(training.RECIPES["m2det_tiny"], epochs=1,
                 warmup_steps=10)
log = []
optimizer = training.build_optimizer(newborn, config)
for images, targets in training.loop.load_batches(
        scenes, config, epoch=0, start=0, num_workers=0,
        device=torch.device("cpu")):
    log.append(training.train_step(newborn.train(), images, targets,
                                   optimizer, config.clip_norm))
for name in log[0]:
    first, last = (mean(row[name] for row in part)
                   for part in (log[:8], log[-8:]))
    print(name, "falls:", last < first)
    assert last < first

# %% [markdown] id="trained-words" slide="subslide"
# The course's weights come from the same loop, 9,000 steps long; `data/weights/m2det_tiny.json` says how, and what it reached. Here on the first hundred scenes of the validation split:

# %% id="trained" slide="-"
model = load_model(data.data_path("weights", "m2det_tiny.safetensors"))
folder = data.data_path("shapes_val")
validation = data.CocoDetectionDataset(folder / "images",
                                       folder / "annotations.json")
model.class_names = validation.class_names
hundred = torch.utils.data.Subset(validation, range(100))
detections, truths = training.detect_all(model, hundred)
scores = metrics.coco_evaluate(detections, truths,
                               validation.class_names)
long = json.loads(data.data_path("weights", "m2det_tiny.json").read_text())
print(f"{count(model):,} parameters; on all 300 scenes, says its record, "
      f"mAP {long['summary']['mAP']['mean']:.3f}")
assert scores["mAP50"] > 0.8 and scores["mAP"] > 0.6

# %% id="trained-seen" slide="subslide"
some = [validation[i][0] for i in (8, 24, 25, 109)]
found = model.detect(some, score_threshold=0.5)
show.draw_scenes(
    list(zip(some, found)), validation.class_names, columns=4,
    alt="Four scenes that the network has never seen, with the boxes it "
    "found: nearly every disc, house, face and person has one, named.")

# %% [markdown] id="soft-words" slide="slide"
# ### Soft-NMS, with the wrong argument
#
# M2Det uses soft-NMS (01): a box that overlaps a better one by more than a threshold N_t loses score, linearly. The config says 0.45. But the call hands it over by *position*, and at that position the function has the **sigma** of the other, Gaussian method. N_t keeps its default, 0.3. (Pixel boxes, counted with “+ 1”.)

# %% id="soft-by-hand" slide="-" tags=["prove"]
pair = torch.tensor([[0.0, 0, 99, 99], [0, 0, 99, 39]])  # IoU 0.40
belief = torch.tensor([[0.1, 0.9], [0.2, 0.8]])  # background, cat
left = {}
for suppression in ("released", "corrected", "hard"):
    answer = m2det.select_by_class(
        pair, belief, suppression=suppression, score_threshold=0.1,
        iou_threshold=0.45)
    left[suppression] = answer["scores"]
    print(f"{suppression:10}", [round(s, 2) for s in
                                answer["scores"].tolist()])
prove("released: 0.40 exceeds 0.3, so 0.8 · (1 − 0.40)",
      left["released"][1].item(), 0.8 * 0.6, tolerance=1e-6)
prove("corrected: 0.40 does not exceed 0.45", left["corrected"][1].item(),
      0.8, tolerance=1e-6)

# %% [markdown] id="soft-read" slide="fragment"
# Silent, since both are legal numbers. A reader who tunes `iou` in the config tunes nothing. Keyword-only arguments (`*` in the signature) make such a call impossible; our functions have them.

# %% id="soft-tiny" slide="subslide"
def detect_with(suppression, iou):
    net = model.at_size(128)
    net.config = replace(net.config, suppression=suppression)
    return sum(len(one["scores"]) for one in net.detect(
        some, score_threshold=0.3, iou_threshold=iou))


for suppression in ("released", "corrected"):
    counts = {detect_with(suppression, iou) for iou in (0.3, 0.45, 0.7)}
    print(f"{suppression:10} three thresholds,", "one answer"
          if len(counts) == 1 else "different answers")

# %% [markdown] id="multiscale-words" slide="subslide"
# ### Several sizes
#
# The best numbers of M2Det are **multi-scale**: the picture is looked at in several sizes, and mirrored, and all boxes go into one suppression. (Announced for the published code, never released; sizes and merging here are ours.) The convolutions do not mind another size. The priors keep their size in *pixels*, since that is what the heads have learned: in a larger picture small objects are larger.

# %% id="multiscale" slide="-" tags=["prove"]
larger = model.at_size(192)
print("maps at 128 px:", *model.config.priors.map_sizes)
print("maps at 192 px:", *larger.config.priors.map_sizes)
with torch.inference_mode():
    once = model.detect_multiscale(some[:1], [128], flip=False)[0]
    plain = model.detect(some[:1])[0]
    many = model.detect_multiscale(some[:1])[0]
prove("one size, no mirror = plain detection", [once["boxes"],
      once["scores"]], [plain["boxes"], plain["scores"]], tolerance=1e-3)
assert many["scores"][0] >= plain["scores"][0]

# %% [markdown] id="inside" slide="slide"
# ## 5 · Look inside
#
# Chapter 08 drew forty-eight maps. Here are the twenty of the trained small network, first in principle, then on a scene.

# %% id="tiny-levels" slide="-"
show.draw_level_grid(model.config.priors.map_sizes,
                     model.config.num_levels, model.config.planes)

# %% [markdown] id="move-levels" slide="subslide"
# ### Predict, then move
#
# Left the scene with one map over it, right all of them. Guess, then move; `moves`, at the end, checks the answers.
#
# 1. Level 2: which channels are its own, in the gathered maps? (24 a level.)
# 2. Scale 3: how many pixels of the picture is a cell wide?
# 3. Stay at scale 0 and go through the levels: at which are the *objects* brightest? (Read “objects against the rest”.)

# %% id="explorer-levels" slide="-" tags=["explorer"]
show.LevelScaleExplorer(model, *validation[25])

# %% [markdown] id="notes-inside" slide="notes"
# > *For the speaker.* Brightness compares cells of a map, not maps. Let the room describe before you explain; a map is the mean of 24 channels, so "bright on objects" is a summary. The paper shows such maps as evidence for its claim; ask what kind of evidence a picked picture is. The next section measures instead.

# %% [markdown] id="attention-words" slide="subslide"
# ### SFAM on a trained network
#
# The bars of chapter 08, for two scenes and all scales: one for each of 96 channels, four levels of 24.

# %% id="attention-drawn" slide="-"
scene_images = [validation[i][0] for i in (25, 3, 8, 24, 109)]
attention = show.AttentionExplorer(model, scene_images)
show.draw_attention(
    {"scene 25": attention.weights[0], "scene 3": attention.weights[1]},
    num_levels=4,
    alt="SFAM's weights of two scenes at five scales: a bar for each of "
    "96 channels, four levels of 24. At the finest scale channels are "
    "open or closed, in every level; the scenes look alike.")

# %% [markdown] id="move-attention" slide="subslide"
# **Predict, then move.** Where bars leave the black marks (the mean over five scenes), the attention answers to the picture. Where they do not, it is merely a fixed factor.
#
# 1. How many weights are there for one scale?
# 2. Change scale and scene: at which scale do the weights follow the scene most? (Read “spread over the scenes”.)

# %% id="explorer-attention" slide="-" tags=["explorer"]
attention

# %% [markdown] id="claim" slide="slide"
# ## 6 · Does it hold?
#
# Two claims, and both can be measured on our scenes. **More levels are better.** And: **deep levels serve complex objects, shallow ones simple objects, at equal size.** Shapes was made for this: four *simple* classes (disc, square, triangle, cross) and four *complex* ones (face, house, tree, person), of the same sizes.
#
# `benchmarks/m2det_experiment.py` trains `m2det_tiny` with 1, 2, 4 and 8 levels, with *one wide* level of as many parameters as four, and without SFAM, each with several seeds, everything else equal. The results lie in `data/results/m2det.json`; this notebook only reads them.

# %% id="results" slide="-"
record = json.loads(data.data_path("results", "m2det.json").read_text())
settings = record["settings"]
print(settings["scenes"], "scenes,", settings["epochs"], "epochs,",
      "batches of", settings["batch_size"])
for name, row in record["summary"].items():
    print(f"{name:18} {row['parameters']:9,} parameters, mAP "
          f"{row['mAP']['mean']:.3f} ± {row['mAP']['sd']:.3f}, seeds",
          *row["seeds"])

# %% id="results-drawn" slide="subslide"
by_variant = {name: row["mAP"]["values"]
              for name, row in record["summary"].items()}
show.draw_seeds(by_variant, reference="4 levels")

# %% [markdown] id="verdict-words" slide="subslide"
# A difference counts here if it has the same sign with *every* seed. That is a low bar, with so few seeds; what does not clear it is not shown at all.

# %% id="verdict" slide="-"
def verdict(differences):
    if len(differences) < 3:
        return f"open, {len(differences)} of three seeds so far"
    if all(d > 0 for d in differences):
        return "yes, with every seed"
    if all(d < 0 for d in differences):
        return "no: the opposite, with every seed"
    return "not shown: the seeds disagree"


def better(one, other):
    pairs = list(zip(by_variant[one], by_variant[other]))
    return (f"{one} better than {other}? "
            + verdict([a - b for a, b in pairs])
            + f" ({mean(a - b for a, b in pairs):+.3f})")


for one, other in (("2 levels", "1 level"), ("4 levels", "2 levels"),
                   ("8 levels", "4 levels"), ("4 levels", "1 wide level"),
                   ("4 levels", "4 levels, no SFAM")):
    if {one, other} <= by_variant.keys():
        print(better(one, other))

# %% [markdown] id="paper-table" slide="subslide"
# **Beside the paper.** Its ablation, on COCO with 320 px and VGG-16, reports that more TUMs help, that wider ones do, too, and that SFAM adds a little: about half a point of AP, *as we recall; look its tables up before you quote them*. With more TUMs the heads also read a *wider* map; that is why our list has one wide level. And the configurations that were released have no SFAM at all: the author saw “no obvious improvement” at 512 px (thread 22).

# %% [markdown] id="ablation-words" slide="subslide"
# ### Deep for complex?
#
# In each trained network with four levels, one level after the other is **silenced** before the heads: each of its channels is set to its mean over the split, so it says nothing about *this* scene. How much of AP goes? For simple and complex objects, small (under 32 × 32 px) and medium apart. **The claim predicts** the solid line high on the left, the dashed one high on the right.

# %% id="ablation-drawn" slide="-"
def losses(group, size, way="mean", variant="4 levels"):
    runs = [r for r in record["runs"] if r["variant"] == variant]
    return [[1 - level[group][size] / r["ablation"]["whole"][group][size]
             for level in r["ablation"][way]] for r in runs]


show.draw_level_losses({
    f"{size} objects": {group: losses(group, size)
                        for group in ("simple", "complex")}
    for size in ("small", "medium")})

# %% id="claim-verdict" slide="subslide"
claim = record["deeper for complex"]
for variant, rows in claim.items():
    for how, row in rows.items():
        print(f"{variant}, silenced by {how}: {verdict(row['values'])} "
              f"({row['mean']:+.3f})")

# %% [markdown] id="claim-words" slide="fragment"
# The number in brackets: where the levels that a group needs lie *on average*, 0 for the first and 1 for the last, complex minus simple. Second road: SFAM's weights on 400 scenes with a single object. If the attention sorts objects by complexity, the weights of deep levels should be larger for complex ones:

# %% id="attention-verdict" slide="-"
for variant in claim:
    runs = [r["attention"] for r in record["runs"]
            if r["variant"] == variant]
    tilt = []
    for one in runs:
        by_group = {group: torch.tensor(one[group]).mean(dim=1)
                    for group in ("simple", "complex")}
        more = by_group["complex"] - by_group["simple"]  # (L,)
        half = len(more) // 2
        tilt.append((more[half:].mean() - more[:half].mean()).item())
    print(f"{variant}: deeper half more open for complex objects?",
          verdict(tilt), f"({mean(tilt):+.4f})")

# %% [markdown] id="long-words" slide="subslide"
# ### The same question, to the long-trained network
#
# Those networks were trained briefly. The course's own weights have seen many times as many steps. It is *one* network, so one seed, but you can ask it here and now. **Guess** which of its four levels it cannot do without.

# %% id="long-silenced" slide="-"
GROUPS = {"simple": torch.arange(1, 5), "complex": torch.arange(5, 9)}
items = [validation[i] for i in range(len(validation))]
with torch.inference_mode():
    pyramid = [torch.cat(maps) for maps in zip(*[
        model.features(model.normalize(torch.stack(
            [image for image, _ in items[k:k + 50]])))
        for k in range(0, len(items), 50)])]  # of all scenes, by scale
print(shapes(pyramid))

# %% id="scores-without" slide="skip"
def scores_without(level):
    changed = [maps.clone() for maps in pyramid]
    for maps in changed:
        own = maps[:, 24 * level:24 * level + 24]
        own.copy_(own.mean(dim=(0, 2, 3), keepdim=True))
    found = model.postprocess(
        model.head(changed), [(128, 128)] * len(items),
        score_threshold=0.01)
    return {group: metrics.coco_evaluate(
        *[[{key: one[key][torch.isin(one["labels"], labels)]
            for key in one if key in ("boxes", "scores", "labels")}
           for one in some] for some in (found, [t for _, t in items])],
        validation.class_names) for group, labels in GROUPS.items()}

# %% id="long-drawn" slide="subslide"
with torch.inference_mode():
    whole = scores_without(4)  # there is no level 4
    without = [scores_without(level) for level in range(4)]
lost = {f"{size} objects": {group: [[
    1 - one[group]["mAP_" + size] / whole[group]["mAP_" + size]
    for one in without]] for group in GROUPS}
    for size in ("small", "medium")}
for size, groups in lost.items():
    depth = {}
    for group, [share] in groups.items():
        share = torch.tensor(share).clamp(min=0)  # (L,)
        depth[group] = (share @ torch.arange(4.0) / 3 / share.sum()).item()
        assert share.argmax() == 3
    print(size, "complex deeper than simple:",
          depth["complex"] > depth["simple"])
    assert depth["complex"] > depth["simple"]
show.draw_level_losses(lost, alt="Share of AP lost by level in the long-"
    "trained network. For medium objects the last level counts far more "
    "than all others; for small objects the first ones count, too. The "
    "last counts more for complex objects than for simple ones.")

# %% [markdown] id="long-read" slide="fragment"
# Here the picture leans the paper's way: at both sizes complex objects need deeper levels than simple ones. But every group needs the last level most, so “shallow levels serve simple objects” is not what happens. SFAM can have little part in it: its weights hardly change from scene to scene (§5). Nor do bright maps tell: at the finest scale the objects were brightest at level 2.

# %% [markdown] id="claim-read" slide="subslide"
# **What follows, and what does not.**
#
# - The training is *short* (the first line of this section's output says how short), and a long chain of TUMs learns slowly. The same four levels reach far more with the course's long training (§4). So a verdict on *how many* levels are best holds for this budget, and no other.
# - Small scenes, eight classes, a small network: nothing here is a verdict on COCO. Whether a gain comes from depth or from the width that comes along, only a control such as *1 wide level* can tell.
# - Silencing measures what the *trained heads* lean on. Two levels that say the same thing both look idle.
# - What carries over is the method. A claim about what a part is *for* needs the part taken away, groups of equal size, and several seeds. Maps that light up on a well-chosen picture are an illustration.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 7 · Your turn
#
# ### Paper ↔ code
#
# *Code* is VDIGPKU/M2Det; *article* is a popular text about it, with code that was copied and changed. Chapter 08's ledger has the blocks.
#
# | what | article or README | published code | here | see |
# |--|--|--|--|--|
# | base feature | parentheses close too early | enlarge, then concatenate | as the code, any size | a |
# | heads | their construction is missing | six pairs | the same | b |
# | starting weights | `inti_model` | `init_model` | `init_weights` | b |
# | sides of the two maps | README: W/4 and W/8 | W/8 and W/16 | the same | §1 |
# | other backbones | in a string after the `return` | some | all of torchvision's ResNets | c |
# | `resnet152`, `se_resnet50` | a comma is missing | the same | listed | c |
# | ResNet-18, -34 | – | accepted, then a crash | their own channels | c |
# | ResNet's input | – | BGR, 0 to 255, trained on RGB | the same, by config | – |
# | file name | `ext == ".pkl" or ".pth"` | the same | safetensors or `weights_only` | d |
# | two pictures | – | (2, P, 4) and (2·P, K) | any batch | patient 4 |
# | initialiser | “all of it” | not the heads | `init=` | §3 |
# | learning rate | paper: 2e-3 | 4e-3; after its table `NameError` | both | e |
# | schedule of VOC | – | never read: always COCO's | one for each recipe | – |
# | soft-NMS | 0.45 | 0.3 | `suppression=` | §4 |
# | several sizes | in the paper's best rows | announced | `detect_multiscale` | §4 |
# | SFAM | always on | off in every released configuration | `sfam=` | §6 |

# %% id="ledger-base" slide="subslide" tags=["ledger"]
# a  the article's base feature: the parentheses close too early
maps = torch.rand(1, 4, 5, 5)
try:
    F.interpolate(maps)
except ValueError as error:
    print("a", error)


# b  an attribute that nobody made, a name that nobody calls
class Dropped(nn.Module):
    def inti_model(self):
        """Never called."""


for name in ("loc", "init_model"):
    try:
        getattr(Dropped(), name)
    except AttributeError as error:
        print("b", error)

# %% id="ledger-names" slide="-" tags=["ledger"]
# c  two neighbours without a comma are one; ours has channels of its own
names = ["resnet101", "resnet152" "se_resnet50", "se_resnet101"]
print("c", len(names), "names;", "resnet152" in names)
small = on_meta(m2det.M2Det, replace(
    m2det.M2DET320_RESNET101, name="m2det320_resnet18",
    backbone="resnet18"))
print("c", small.backbone.out_channels, f"{count(small):,} parameters")

# d  a text that is not empty is true
print("d", {ext: bool(ext == ".pkl" or ".pth") for ext in (".pth", ".txt")})

# e  beyond the table
print("e", released_learning_rate(100 * 500, 100))

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb09.fuse.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `fuse`: FFMv1 without its convolutions, for any side. It works when a side of 7 and a half of 4 fit.
# 2. `head_parameters`: of all heads. It works when (2048, 6, 6, 81) gives 56,404,980.
# 3. `warm_up`: the released rate up to epoch 90. It works when step 250 of 100 an epoch gives 0.0020005.
# 4. `decay`: what linear soft-NMS leaves. It works when §4's pair gives 0.48 and 0.8.
# 5. `silence`: the ablation of §6, with zeros. It works when the maps that you were given stay.
# 6. `moves`: what the explorers showed you.

# %% id="exercise-fuse" slide="skip" tags=["exercise"]
def fuse(shallow, deep):
    """Maps (B, C, H, W) and (B, D, H2, W2) to (B, C + D, H, W)."""
    size = ...
    return None

nb09.fuse.check(fuse)

# %% id="exercise-head-parameters" slide="skip" tags=["exercise"]
def head_parameters(channels, num_scales, priors_per_cell, num_classes):
    """Number of parameters of all heads; num_classes with background."""
    answers = ...
    return None

nb09.head_parameters.check(head_parameters)

# %% id="exercise-warm-up" slide="skip" tags=["exercise"]
def warm_up(step, steps_per_epoch):
    """Learning rate after `step` finished steps."""
    low, high = 1e-6, 4e-3
    done = ...
    return None

nb09.warm_up.check(warm_up)

# %% id="exercise-decay" slide="skip" tags=["exercise"]
def decay(score, iou, threshold):
    """What is left of the score of a box that a better one overlaps."""
    ...
    return None

nb09.decay.check(decay)

# %% id="exercise-silence" slide="skip" tags=["exercise"]
def silence(pyramid, level, planes):
    """Copies of the maps without one level; the maps themselves stay."""
    changed = []
    ...
    return None

nb09.silence.check(silence)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# the explorers' tasks in order, say ((0, 23), 4, 0, 1, 0)
moves = ...

nb09.moves.check(moves)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the fourth.
#
# **Patient 1.** “I tune the threshold of soft-NMS from 0.3 to 0.7. Not one score changes.”
#
# <details><summary>Diagnosis</summary>
#
# The call fills parameters by position, and the second one is sigma, which the linear method never reads. Keyword-only parameters (a `*` before them) turn the silent mistake into a `TypeError`. This is the published code's own case.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def soft(scores, sigma=0.5, limit=0.3, method=1, iou=0.4):
    """The second box overlaps the first by `iou`."""
    if method == 1:
        factor = 1 - iou if iou > limit else 1.0
    else:
        factor = torch.exp(torch.tensor(-iou**2 / sigma)).item()
    return scores[0], scores[1] * factor


print([round(soft((0.9, 0.8), threshold, method=1)[1], 2)
       for threshold in (0.3, 0.45, 0.7)])

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** “My loss is infinite, from one batch on. The logits are large, but all finite, and I subtract the maximum before `exp`, as one should.”
#
# <details><summary>Diagnosis</summary>
#
# It subtracts the maximum of the *whole batch*. A row that lies 150 below it has only exp(−150) = 0 to add up, and log 0 is −∞. The maximum of each **row** is needed; or `torch.logsumexp`. (The published loss of M2Det, and of RefineDet, does this; it spoils the choice of hard negatives.)
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_log_sum_exp(logits):
    highest = logits.max()
    return (logits - highest).exp().sum(-1).log() + highest


wild = torch.tensor([[90.0, 0.0, 5.0], [-60.0, -61.0, -62.0]])
print("row by row:", sick_log_sum_exp(wild).isfinite().tolist())

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** “I switched SFAM on and loaded the published weights. They loaded; yet all scores are poor.”
#
# <details><summary>Diagnosis</summary>
#
# The published weights have no SFAM, and `strict=False` lets missing keys pass: the SFAM keeps its *random* weights and multiplies every map by about one half, channel by channel otherwise. Load strictly; where a key may be missing, name it. (The released `init_net` loads so.)
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
without = create_model("m2det_tiny", sfam=False)
patient = create_model("m2det_tiny")
patient.load_state_dict(without.state_dict(), strict=False)
one = [torch.rand(2, 96, side, side) for side in (32, 16, 8, 4, 2)]
with torch.inference_mode():
    halves = [after.mean() / before.mean() for before, after in zip(
        one, patient.mlfpn.sfam(one))]
print("maps at half strength:", all(0.4 < h < 0.6 for h in halves))

# %% [markdown] id="clinic-4" slide="subslide" tags=["clinic"]
# **Patient 4.** “With one picture all is well. With two, boxes and scores do not fit together.”
#
# <details><summary>Diagnosis</summary>
#
# The released test branch flattens the logits to (B·P, K), for a soft-max without `dim` (08, patient 3), and never brings B back; the deltas stay (B, P, 4). For one picture nobody sees it. Keep the batch, and give the axis.
#
# </details>

# %% id="clinic-4-symptom" slide="-" tags=["clinic"]
def sick_answer(logits, deltas):
    return deltas, logits.flatten(0, 1).softmax(dim=1)


logits, deltas = torch.rand(2, 7, 3), torch.rand(2, 7, 4)  # (B, P, …)
print(shapes(sick_answer(logits, deltas)))

# %% id="clinic-cures" slide="skip" tags=["clinic", "prove"]
def cured_soft(scores, *, sigma=0.5, limit=0.3, method=1, iou=0.4):
    return soft(scores, sigma, limit, method, iou)


try:
    cured_soft((0.9, 0.8), 0.45)
except TypeError as error:
    print("patient 1:", str(error).partition(" takes ")[2])

highest = wild.max(dim=-1, keepdim=True).values
cured = (wild - highest).exp().sum(-1).log() + highest[:, 0]
prove("patient 2 is cured", cured, wild.logsumexp(-1), tolerance=1e-5)

try:
    patient.load_state_dict(without.state_dict())
except RuntimeError as error:
    print("patient 3: missing", str(error).count("mlfpn.sfam"), "keys")

prove("patient 4 is cured", logits.softmax(dim=-1).flatten(0, 1),
      sick_answer(logits, deltas)[1], tolerance=1e-6)

# %% [markdown] id="quiz" slide="slide"
# ### Quiz: true or false?
#
# 1. Every TUM reads the base feature.
# 2. Half of M2Det's parameters are in the TUMs.
# 3. A file with SFAM's weights loads into a network without SFAM.
# 4. The published 37.8 AP were reached with soft-NMS at 0.45.
# 5. Twice the learning rate, ten times earlier: the released schedule is the paper's.
# 6. A level without which AP stays the same is useless.
# 7. Activation maps that light up on persons at a deep level prove the paper's claim.
#
# <details><summary>Answers</summary>
#
# 1. True, thinned: the first reads nothing else, the others also the TUM before them.
# 2. False: 54 of 133 million. The heads have 56.
# 3. False, if loaded strictly: there are keys too many.
# 4. False: at 0.3, whatever the config says.
# 5. False: 4e-3 for 2e-3, and other steps: to a half, a fifth, a tenth, a tenth.
# 6. False. Another level may say the same; silence both, and see.
# 7. False. A map shows that something is bright, not that anybody needs it. Silence it and measure.
#
# </details>

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **FFMv1**: where and what, 256 + 512 = 768 channels, enlarged to the size that is waiting.
# - **FFMv2**: a thin copy of the base for every TUM, and the largest map of the one before.
# - **MLFPN** is a chain of these; the levels' maps are gathered, and SFAM weighs them.
# - **133 million** parameters: 56 in the heads, 54 in the TUMs, 20 in the backbone.
# - The code *says* all weights are initialised and suppression starts at 0.45; it *does* otherwise.
# - A claim about what a part is for is tested by taking the part away, with several seeds.
#
# **Next**, 10: HRNet never gives the fine map up. And 12 puts all four side by side.
#
# **Further reading.** Zhao et al. 2019, *M2Det*, arXiv 1811.04533 · Bodla et al. 2017, *Soft-NMS*, 1704.04503 · Hu et al. 2018, *SENet*, 1709.01507 · VDIGPKU/M2Det, threads 22, 35, 36, 113.
