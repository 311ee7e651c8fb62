# %% [markdown] id="title" slide="slide"
# # 13 · In the wild
#
# **One question: what does an SSD look like that runs in a very large number of phones, and what can be learned from its weights alone?**
#
# Somebody hands you a file from a phone: 200 kilobytes of numbers. There is no training code, and not one of the pictures that it was trained on. Is what you know of SSD enough to run it, to prove that you run it rightly, and to find out where it fails?
#
# Afterwards you will be able to
#
# - find a face in a photograph, offline, with your own decode and your own NMS;
# - build BlazeFace block by block, and prove it equal to the published runtime;
# - pad as TensorFlow does, and say what happens to the boxes if you do not;
# - compute the prior sizes that training very probably used from two settings, and test them on the network's answers;
# - measure where a detector fails, and recognise bugs that its score does not show.
#
# **{minutes} minutes** with the exercises. Before it: notebooks 01 to 04.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import json
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from detlearn import boxes, create_model, data, load_model, show
from detlearn.boxes import box_iou
from detlearn.models import blazeface
from detlearn.models.layers import flatten_level
from detlearn.teach.exercises import nb13
from detlearn.teach.prove import prove

print(", ".join(blazeface.FACE_POINTS))

# %% [markdown] id="first-minute" slide="slide"
# ## 1 · A face
#
# So far nearly all detectors of this course learned from drawn scenes. This one was trained by others, on photographs: BlazeFace, the short-range face detector of MediaPipe. Its weights lie beside this notebook, so nothing is downloaded.
#
# <!-- speaker: Show the face before you say what found it, and how small its file is. -->

# %% id="face-found" slide="-" tags=["output-only"]
path = data.data_path("weights", "blazeface.safetensors")
model = load_model(path).eval()
photo, target = data.load_photo("astronaut")
found = model.detect([photo])[0]
print(len(found["boxes"]), "face, score", f"{found['scores'][0]:.2f}")
show.draw_face(
    photo, found["boxes"][0], found["keypoints"][0], blazeface.FACE_POINTS)

# %% [markdown] id="what-it-is" slide="subslide" tags=["beside:face-found"]
# The picture shows Eileen Collins (NASA, public domain). The box comes with six **key points**; right and left are the subject's own. Measure how small this detector is:

# %% id="facts" slide="skip"
notice = json.loads(path.with_suffix(".json").read_text("utf-8"))
parameters = sum(p.numel() for p in model.parameters())
with torch.device("meta"):
    ssd = create_model("ssd300_vgg16")
ratio = sum(p.numel() for p in ssd.parameters()) / parameters
print(f"{parameters:,} parameters in {path.stat().st_size:,} bytes,")
print(f"1/{ratio:.0f} of SSD300; from", notice["source"]["package"])
overlap = box_iou(found["boxes"], target["boxes"]).max()
print(f"IoU with a box drawn by hand: {overlap:.2f}")

# %% [markdown] id="notes-first" slide="notes"
# > *For the speaker.* Run the first cell before you say anything. Then ask which parts of an SSD the audience expects inside: backbone, two maps, heads, priors, decode, NMS. All of them are there. Say also that a detector of faces does not know whose face it is; the last section returns to that.

# %% [markdown] id="padding" slide="slide"
# ## 2 · The network, block by block
#
# ### The odd zero
#
# The network was trained in TensorFlow. A filter of side 3 at stride 2 needs only *one* zero to halve a map of even side. TensorFlow's rule SAME puts this zero **behind**, right and below. PyTorch's `padding=1` puts one in front as well. Let a filter copy its middle number, and see which pixels it reads:
#
# <!-- speaker: Ask where the extra zero goes when only one is needed; nobody guesses TensorFlow's answer. -->

# %% id="padding-by-hand" slide="-"
ramp = torch.arange(8.0).expand(1, 1, 8, 8)
middle = F.pad(torch.ones(1, 1, 1, 1), (1, 1, 1, 1))  # 1 in the middle
in_front = F.conv2d(ramp, middle, stride=2, padding=1)[0, 0, 0]
behind = F.conv2d(F.pad(ramp, (0, 1, 0, 1)), middle, stride=2)[0, 0, 0]
print("padding=1:", in_front.int().tolist())
print("SAME:     ", behind.int().tolist())

# %% [markdown] id="padding-rule" slide="skip" tags=["lead"]
# Every number moved by one pixel. Now the rule as TensorFlow's documentation states it (`tf.nn`, *Notes on padding*): the output has ⌈n / stride⌉ cells, the zeros are as many as these need, and the smaller half stands in front. First as loops, then as our function:

# %% id="same-by-loops" slide="skip"
def same_by_loops(maps, weight, stride):
    """Convolution (C, H, W) by TensorFlow's rule, sum after sum."""
    (_, H, W), k = maps.shape, weight.shape[-1]
    rows, columns = -(-H // stride), -(-W // stride)  # rounded up
    top = max((rows - 1) * stride + k - H, 0) // 2
    left = max((columns - 1) * stride + k - W, 0) // 2
    out = torch.zeros(len(weight), rows, columns)
    for row, column in product(range(rows), range(columns)):
        for i, j in product(range(k), range(k)):
            y, x = row * stride + i - top, column * stride + j - left
            if 0 <= y < H and 0 <= x < W:
                out[:, row, column] += weight[:, :, i, j] @ maps[:, y, x]
    return out

# %% id="pad-same" slide="skip" tags=["teaches:detlearn.models.blazeface:pad_same", "prove"]
def pad_same(maps, kernel_size, stride):
    H, W = maps.shape[-2:]
    if H % stride or W % stride:
        raise ValueError(
            f"maps: expected sides that {stride} divides, got {H} x {W}")
    total = max(kernel_size - stride, 0)
    first, last = total // 2, total - total // 2
    padded = F.pad(maps, (first, last, first, last))  # (B, C, H+n, W+n)
    return padded


_ = torch.manual_seed(0)
for side, stride in ((1, 1), (3, 1), (3, 2), (5, 2)):
    maps, weight = torch.randn(4, 6, 8), torch.randn(5, 4, side, side)
    padded = pad_same(maps[None], side, stride)
    prove(f"side {side}, stride {stride} = TensorFlow's rule",
          F.conv2d(padded, weight, stride=stride)[0],
          same_by_loops(maps, weight, stride), tolerance=1e-4)

# %% [markdown] id="depthwise" slide="subslide"
# ### Two cheap convolutions
#
# A **depthwise** convolution gives each channel a 3 × 3 filter of its own and mixes nothing; in PyTorch it is `groups=channels`. A **pointwise** one mixes channels and looks at one cell. Count what one cell of the last block costs:

# %% id="depthwise-counted" slide="-" tags=["prove"]
maps, weight = torch.randn(1, 4, 6, 6), torch.randn(4, 1, 3, 3)
alone = [F.conv2d(maps[:, c : c + 1], weight[c : c + 1]) for c in range(4)]
prove("groups = each channel alone",
      F.conv2d(maps, weight, groups=4), torch.cat(alone, 1), tolerance=1e-5)
full, cheap = 96 * 96 * 3 * 3, 96 * 3 * 3 + 96 * 96
print(f"3 x 3: {full:,}; both cheap ones: {cheap:,} multiplications")

# %% [markdown] id="block" slide="subslide"
# ### The block
#
# Depthwise, pointwise, plus the input, ReLU. The shortcut has no weights: a map that is halved is max-pooled, and missing channels are zeros *behind* the old ones.

# %% id="block-class" slide="-" tags=["teaches:detlearn.models.blazeface:BlazeBlock"]
class BlazeBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.stride = stride
        self.new_channels = out_channels - in_channels
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, maps):
        change = self.pointwise(
            self.depthwise(pad_same(maps, 3, self.stride)))
        if self.stride == 2:
            maps = F.max_pool2d(maps, 2)  # (B, C, H, W)
        shortcut = F.pad(maps, (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(shortcut + change)


for stride in (1, 2):
    halved = BlazeBlock(24, 28, stride)(torch.rand(1, 24, 64, 64))
    print("stride", stride, tuple(halved.shape))

# %% id="block-proved" slide="skip" tags=["prove"]
maps, block = torch.rand(1, 3, 6, 6), BlazeBlock(3, 5, 2)
theirs = blazeface.BlazeBlock(3, 5, 2)
theirs.load_state_dict(block.state_dict())
prove("block = the package's", block(maps), theirs(maps))
for parameter in block.parameters():
    nn.init.zeros_(parameter)
prove("a silent block hands on the pooled map, zeros behind",
      block(maps)[0, :, 0, 0].tolist(), [
          *maps[0, :, :2, :2].amax((1, 2)).tolist(), 0.0, 0.0])

# %% [markdown] id="whole" slide="subslide"
# ### All of it
#
# The stem is a 5 × 5 convolution with stride 2; sixteen blocks follow. The maps of block 10 and of block 15, counted from 0, are the pyramid. The heads are 1 × 1 convolutions: one score and 16 numbers for each prior, which are x, y, width, height and six points. Stem and heads are plain layers, so they come from the file as they are; the blocks are ours.

# %% id="network-blocks" slide="-"
blocks, channels = nn.ModuleList(), 24
for wider, stride in model.config.blocks:
    blocks.append(BlazeBlock(channels, wider, stride))
    channels = wider
blocks.load_state_dict(model.blocks.state_dict())


def pyramid_of(images):
    maps, pyramid = F.relu(model.stem(pad_same(images, 5, 2))), []
    for index, block in enumerate(blocks):
        maps = block(maps)
        if index in (10, 15):
            pyramid.append(maps)
    return pyramid


print([tuple(m.shape) for m in pyramid_of(torch.zeros(1, 3, 128, 128))])

# %% id="network-forward" slide="skip"
@torch.inference_mode()
def network(images):
    """Rows (B, P, 16), px, and logits (B, P)."""
    pyramid = pyramid_of(images)
    rows = [flatten_level(head(maps), 16)
            for head, maps in zip(model.box_heads, pyramid)]
    logits = [flatten_level(head(maps), 1)
              for head, maps in zip(model.score_heads, pyramid)]
    return torch.cat(rows, dim=1), torch.cat(logits, dim=1)[..., 0]


rows, logits = network(torch.zeros(1, 3, 128, 128))
print("rows", tuple(rows.shape), "logits", tuple(logits.shape))

# %% [markdown] id="parity" slide="subslide" tags=["lead"]
# **Prove it** against somebody else. Seven pictures were given to Google's runtime `ai-edge-litert` with the original file, and 200 rows of its answers are stored beside the weights. Ours must agree to a thousandth of their range, noise and photographs alike.

# %% id="parity-compared" slide="-" tags=["prove", "output-only"]
stored = np.load(path.with_name("blazeface_runtime.npz"))
picked = stored["rows"].astype(int)
for k, name in enumerate(stored["names"]):
    rows, logits = network(data.runtime_picture(name))
    for what, ours, theirs in (
            ("rows", rows[0, picked], stored["regressors"][k]),
            ("logits", logits[0, picked], stored["classificators"][k])):
        prove(f"{name}: {what} = the runtime's", ours / np.ptp(theirs),
              theirs / np.ptp(theirs), tolerance=1e-3)

# %% [markdown] id="notes-network" slide="notes"
# > *For the speaker.* The proof is the point of this section: a file without source code became fifty lines that anybody can read. Ask what a wrong padding would do to this proof (it fails) and to the first picture (the score hardly changes, the box slips by a fifth of its side). The clinic shows it.

# %% [markdown] id="priors" slide="slide" tags=["beside:face-found"]
# ## 3 · From 896 rows to one face
#
# Two priors a cell on 16 × 16, six on 8 × 8. In the settings of MediaPipe stands `fixed_anchor_size`: every prior is as large as the picture. A prior is therefore only a centre.
#
# <!-- speaker: Ask what a prior is good for that is as large as the picture. -->

# %% id="priors-counted" slide="-"
priors, centers = model.priors, model.priors[:, :2]
print(len(priors), "priors,", len(priors[:, 2:].unique(dim=0)), "size,",
      len(centers.unique(dim=0)), "centres")

# %% [markdown] id="decode" slide="subslide"
# ### Decode without exp
#
# SSD multiplies a prior by exp(dw). Here the row holds the width itself, in pixels of the input. So an error of one pixel is the same number for small and large faces, and nothing forbids a negative width. Points are offsets from the same centre.

# %% id="decode-faces" slide="-" tags=["prove"]
def decode_faces(rows, centers):
    """(..., P, 16) px to boxes (..., P, 4), points (..., P, 6, 2)."""
    unit = rows / 128
    middle, size = centers + unit[..., :2], unit[..., 2:4]
    corners = torch.cat([middle - size / 2, middle + size / 2], dim=-1)
    points = centers[:, None] + unit[..., 4:].unflatten(-1, (6, 2))
    return corners, points


said = model(model.prepare([photo]))
rows, logits = network(model.prepare([photo]))
corners, points = (part[0] for part in decode_faces(rows, centers))
prove("boxes = the package's", corners,
      boxes.decode_linear(said.deltas[0], priors), tolerance=1e-5)
prove("points = the package's", points, model.keypoints(said)[0],
      tolerance=1e-5)

# %% id="own-nms" slide="subslide" tags=["prove", "output-only"]
def suppress(corners, scores, threshold=0.3):
    """Indices of the best boxes; what overlaps a better one goes."""
    order, keep = scores.argsort(descending=True).tolist(), []
    while order:
        best, *rest = order
        keep.append(best)
        overlaps = box_iou(corners[[best]], corners[rest])[0]
        order = [k for k, iou in zip(rest, overlaps) if iou <= threshold]
    return keep


scores = logits[0].sigmoid()
for threshold in (0.02, 0.5):
    sure = scores > threshold
    keep = suppress(corners[sure], scores[sure])
    prove(f"NMS from {threshold} = the package's", torch.tensor(keep),
          boxes.nms(corners[sure], scores[sure], 0.3))
face, spots = 512 * corners[sure][keep[0]], 512 * points[sure][keep[0]]
assert box_iou(face[None], found["boxes"]).item() > 0.9
show.draw_face(
    photo, face, spots, blazeface.FACE_POINTS, zoom=2,
    candidates=512 * corners[sure])

# %% [markdown] id="weighted" slide="subslide" tags=["lead", "beside:own-nms"]
# The points cost little: they are twelve more channels for each prior, 9 % of the weights, and NMS keeps those of the surviving row.
#
# ### Weighted NMS: an average instead of a winner
#
# In a film, another prior wins from frame to frame, and the box trembles. BlazeFace averages the whole cluster (paper, §3), MediaPipe weighted by score, and so do we; the score stays that of the best box. We move a picture by quarters of a pixel. **Predict:** by how much does the *spread* of the side, its standard deviation over that film, shrink?

# %% id="own-average" slide="skip" tags=["prove"]
def average(corners, scores, threshold=0.3):
    """(D, 4): the mean box of each cluster, weighted by score."""
    order, means = scores.argsort(descending=True), []
    while len(order):
        near = box_iou(corners[order[:1]], corners[order])[0] > threshold
        cluster, order = order[near], order[~near]
        weights = scores[cluster] / scores[cluster].sum()
        means.append(weights @ corners[cluster])
    return torch.stack(means)


index, weights = boxes.weighted_nms(corners[sure], scores[sure], 0.3)
prove("average = the package's", average(corners[sure], scores[sure]),
      weights @ corners[sure], tolerance=1e-5)

# %% [markdown] id="three-faces" slide="subslide" tags=["lead"]
# A test needs more than one face. `load_portraits` adds Grace Hopper (matplotlib's sample data, public domain) and the cameraman (scikit-image, CC0), and `view` shows a face in a chosen size and place. A “face of 48 px” means the side of its *box* in the 128 px input. `surest` is your detector's best answer whose centre lies on the face:

# %% id="faces" slide="skip"
def surest(images, side=128):
    """Scores (B,), boxes (B, 4) and points (B, 6, 2), px."""
    rows, logits = network(images)
    corners, points = decode_faces(rows, centers)
    middle = (corners[..., :2] + corners[..., 2:]) / 2
    away = (128 * middle - 64).abs().amax(-1) > side / 2
    top = logits.masked_fill(away, -100).argmax(dim=1)  # (B,)
    one = torch.arange(len(top)), top
    return logits[one].sigmoid(), 128 * corners[one], 128 * points[one]


faces = data.load_portraits()
for name, face in faces.items():
    score, box, _ = surest(model.prepare([face.view(48)]), 48)
    print(f"{name:9} score {score.item():.1f}, side about",
          f"{(box[0, 2] - box[0, 0]) / 10:.0f}0 px")

# %% id="jitter" slide="-" tags=["output-only"]
shifts = [k / 4 - 4 for k in range(33)]  # quarters of a pixel
ratios = {}
for name, side in product(list(faces)[::-1], (36, 48, 96, 72)):
    film = [faces[name].view(side, shift=(shift, 0)) for shift in shifts]
    sides = []
    for rows, logits in zip(*network(model.prepare(film))):
        corners, scores = decode_faces(rows, centers)[0], logits.sigmoid()
        sure = scores > 0.5
        mean = average(corners[sure], scores[sure])[0]
        best = corners[scores.argmax()]
        sides.append(128 * torch.stack([b[2] - b[0] for b in (best, mean)]))
    sides = torch.stack(sides)  # (N, 2)
    ratios[name, side] = float(sides[:, 1].std() / sides[:, 0].std())
steadier = sum(ratio < 1 for ratio in ratios.values())
print(steadier, "of", len(ratios), "series are steadier with the average")
print(f"its spread: {np.median(list(ratios.values())):.2f} of the",
      "best box's (median)")
show.draw_jitter(
    shifts, dict(zip(("best box", "average"), sides.T)),
    ylabel="side of the box, px", alt="The side of the box around a "
    "face of 72 px while the picture moves: the best box jumps, "
    "the average moves less.")

# %% [markdown] id="hidden" slide="slide" tags=["lead"]
# ### All alike, and yet
#
# So the average takes away about a third of the spread in the middle one of twelve series. (The curves are the astronaut's, at 72 px.) Whose boxes does it average?
#
# The two priors of a cell of the 16 × 16 map have the same centre and the same size, and so do the six of a cell of the 8 × 8 map. Nothing in the settings tells them apart. Call the place of a prior in its cell its **slot**; there are two and six, together eight. **Predict:** do all slots give the same answers? Show the network one face in 36 sizes, and note the best score of each slot over all cells.
#
# <!-- speaker: Let the room vote: same answers or not? -->

# %% id="slots" slide="fragment" tags=["output-only"]
sizes = torch.tensor([8 * 2 ** (k / 8) for k in range(36)])
places = [(0, 0), (4, 4), (-4, 2), (2, -4)]


def slots_of(face):
    """(N, 8): the best score of each slot, for each of N sizes."""
    rows = []
    for size in sizes.tolist():
        views = [face.view(size, shift=place) for place in places]
        fine, coarse = network(model.prepare(views))[1].sigmoid().split(
            [512, 384], dim=1)
        rows.append(torch.cat([fine.reshape(-1, 2).amax(0),
                               coarse.reshape(-1, 6).amax(0)]))
    return torch.stack(rows)


slots = slots_of(faces["astronaut"])
names = [f"{m} × {m}: {k}" for m, n in ((16, 2), (8, 6)) for k in range(n)]
show.draw_slot_ranges(sizes, slots, names)

# %% [markdown] id="hidden-read" slide="subslide" tags=["lead"]
# The slots are specialists. Something must have told them apart in training; the likeliest cause is *matching*: a face teaches the prior that it overlaps best (notebook 03). So training very probably had priors of different sizes, which inference threw away. The settings still name two scales that nothing uses any more, `min_scale` 0.1484375 and `max_scale` 0.75. They also list four strides, 8, 16, 16, 16, with two priors each. So SSD's rule (notebook 02) has four levels, although there are only two maps: the last three levels share the map of 8 × 8. Exercise 4 computes eight sizes from this, and exercise 3 finds the geometric middle of each range of answers (scores of at least 0.5). Both results:

# %% id="hidden-compared" slide="-" tags=["output-only"]
rule = torch.tensor(
    nb13.training_sizes.reference()(0.1484375, 0.75, 4, 128))  # (8,)
middles = nb13.slot_sizes.reference()(sizes, slots)  # (8,)
for name, size, middle in zip(names, rule, middles):
    print(f"{name:11} rule {size:5.1f} px, measured about {middle:3.0f}")
assert (middles / rule - 1).abs().max() < 0.2
show.draw_slot_ranges(sizes, slots, names, marks=rule)

# %% [markdown] id="hidden-limits" slide="skip"
# Every middle lies within a fifth of the rule. This is an **inference**, not a fact that we read somewhere: the training code is not public, and this was one face. The ★ at the end repeats it with the other two.

# %% [markdown] id="notes-hidden" slide="notes"
# > *For the speaker.* Let the audience predict before the figure: most say that equal priors give equal answers. Then ask what could have broken the symmetry; “random initialisation” alone would not give stairs in ascending order. Stress the word inference. A weight file is evidence about its training.

# %% [markdown] id="fails" slide="slide"
# ## 4 · Where it fails
#
# One good picture says little. Change one thing at a time and draw the curve. First the **distance**:
#
# <!-- speaker: Let them choose what to break first: distance, rotation or light. -->

# %% id="distance" slide="-" tags=["output-only"]
far = [8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128, 144, 160, 192]
curves = {name: torch.cat([
    surest(model.prepare([face.view(side)]), side)[0] for side in far])
    for name, face in faces.items()}
for curve in curves.values():
    assert max(curve[0], curve[-1]) < 0.5 < min(curve[5:12])
astronaut = faces["astronaut"]
show.draw_decline(
    far, curves, {f"{side} px": astronaut.view(side)
                  for side in (12, 24, 96, 144, 192)}, model,
    xlabel="side of the face, px", logarithmic=True)

# %% [markdown] id="distance-read" slide="skip"
# Below an eighth to a sixth of the picture (16 to 21 px) it becomes a lottery: the cameraman is found at 12 px, but not at 14 and 16. That agrees roughly with section 3, where the finest slots answer from about 13 px on. All three are found from 20 to 144 px. A face that is larger than the picture is lost in the end: the astronaut at 160 px, all three at 192.

# %% id="rotation" slide="subslide" tags=["output-only"]
turns = list(range(0, 181, 15))
curves, tilt = {}, {}
for name, face in faces.items():
    curves[name], _, points = surest(model.prepare(
        [face.view(48, angle=turn) for turn in turns]), 48)
    eyes = points[:, 1] - points[:, 0]  # (N, 2)
    level = torch.atan2(eyes[:, 1], eyes[:, 0]).rad2deg()
    error = level - level[0] - torch.tensor(turns)
    tilt[name] = ((error + 180) % 360 - 180).abs()
assert min(c[:5].min() for c in curves.values()) > 0.5
assert all(t[4] < 15 and max(t[8:]) > 90 for t in tilt.values())
show.draw_decline(
    turns, curves, {f"{turn}°": astronaut.view(48, angle=turn)
                    for turn in (0, 60, 90, 120, 180)}, model,
    xlabel="turn of the picture, degrees",
    second=("eye line off by, degrees", tilt))

# %% [markdown] id="rotation-read" slide="fragment"
# Up to a right angle the points follow the face, to within about 20°. Beyond it they let go, Hopper's at 105°, the others' at 120°, and still no score falls far below 0.5; the lowest is Hopper's at 180°, 0.46. At 180° a second box even lies on something that is no face. An application that reads the points needs a test of the points.

# %% [markdown] id="explore" slide="subslide"
# **Everything at once.** Move, turn, scale and blur the astronaut below. The answers come from a table, so no kernel is needed. Find a place where the score is high and the box is wrong.
#
# <details><summary>For example</summary>
#
# A face of 16 px, in the middle, sharp, turned by 180°: the score is 0.67, and the box lies beside the face. (At 64 px and 120° the score is 0.69 and the box 27 px too far right; its IoU with the face is 0.32, and “found” means more than 0.3 here.)
#
# </details>

# %% id="explorer" slide="-" tags=["explorer"]
show.FaceExplorer()

# %% [markdown] id="squash" slide="subslide"
# **Squashing.** SSD makes every photograph a square. A picture of 2 : 1 becomes half as wide, and so do the faces in it. BlazeFace adds bars instead; this is called *letterboxing*. Does it matter? We squash a whole view and fill its square with black bars:

# %% id="squash-measured" slide="fragment" tags=["output-only"]
def squash(view, ratio):
    """A view (3, 128, 128) as a wide picture shows it, squashed."""
    wide = 2 * round(64 / ratio)
    thin = F.interpolate(view[None].float(), (128, wide),
                         mode="bilinear", antialias=True)[0]
    return F.pad(thin, [(128 - wide) // 2] * 2).round().byte()


ratios = [1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4]
curves = {name: surest(model.prepare([
    squash(face.view(48), ratio) for ratio in ratios]), 48)[0]
    for name, face in faces.items()}
assert all(c[4] > 0.6 and c[-1] < 0.5 for c in curves.values())
show.draw_decline(
    ratios, curves, {f"{ratio:g} : 1": squash(astronaut.view(48), ratio)
                     for ratio in (1, 1.5, 2, 3, 4)}, model,
    xlabel="width : height of the squashed picture")

# %% [markdown] id="alarms" slide="subslide" tags=["lead"]
# A face that is squashed to half its width is still found. At a quarter of its width (12 px) none of the three is found: a panorama that is made square may lose its faces.
#
# **False alarms** are the other kind of failure. Three photographs without a human face, and noise. The network sees the motorcycle twice: *letterboxed*, with its proportions, and *squashed* to a square as SSD does it. (The panel shows the photograph unsquashed, with the box that was found.)

# %% id="alarms-seen" slide="fragment" tags=["output-only"]
squashing = create_model("blazeface", letterbox=False).eval()
squashing.load_state_dict(model.state_dict())
noise = torch.rand(200, 3, 128, 128, generator=torch.manual_seed(0))
peaks = network(model.prepare(noise))[1].amax(1).sigmoid()  # (N,)
print("noise: over 0.5 in about", round(sum(peaks > 0.5).item(), -1),
      "of 200 pictures, over 0.7 in", sum(peaks > 0.7).item())
shown, top = [], {}
for name, how in (("noise", model), ("coffee", model), ("chelsea", model),
                  ("motorcycle", model), ("motorcycle", squashing)):
    picture = (noise[peaks.argmax()] if name == "noise"
               else data.load_photo(name)[0])
    words = "squashed" if how is squashing else name
    answer = how.detect([picture], 0.01, max_detections=1)[0]
    top[words] = answer["scores"].item()
    shown.append((f"{words}\n{top[words]:.2f}", picture,
                  answer["boxes"][answer["scores"] > 0.5]))
assert top["motorcycle"] < 0.45 and top["squashed"] > 0.65
show.draw_face_panels(shown)

# %% [markdown] id="alarms-read" slide="fragment"
# The surest of the 200 pictures of noise is an alarm, and the cat is one by a hair. A threshold is a decision about *your* pictures. SSD is trained on squashed pictures; whether this network was, whose runtime letterboxes, we do not know.

# %% [markdown] id="notes-fails" slide="notes"
# > *For the speaker.* Choose one curve and ask for the application that it rules out: distance for surveillance cameras, rotation for a phone that lies on a table, blur for a moving child. The right sentence is “found, on these three portraits, from 20 to 144 px”, and never “works”.

# %% [markdown] id="ledger" slide="skip" tags=["ledger"]
# ### Paper ↔ code
#
# *Paper*: Bazarevsky et al. 2019, arXiv 1907.05047. *MediaPipe*: the network in the wheel of mediapipe 0.10.14, its settings and its runtime.
#
# | paper, or the habit | MediaPipe | here | see |
# |--|--|--|--|
# | depthwise 5 × 5 (§3) | 3 × 3 everywhere | 3 × 3 | ★ a |
# | single and double blocks (§3) | single blocks only | single | §2 |
# | zeros on both sides (PyTorch) | the odd zero behind | `pad_same` | §2 |
# | priors of several sizes (SSD) | `fixed_anchor_size`: all 1 × 1 | 1 × 1 | §3 |
# | exp of the size (SSD) | the size itself | `linear_sizes` | §3 |
# | softmax over two labels (SSD) | one number, sigmoid | (0, logit) | ★ b |
# | logits as they are | clipped to ± 100 | not clipped | ★ b |
# | squashed input (SSD) | letterbox, black border | `letterbox` | §4 |
# | smoothed when shrunk (ours) | the nearest pixel read, as we understand it | smoothed | ★ c |
#
# <!-- speaker: Read two rows and leave the rest for at home. -->

# %% [markdown] id="exercises" slide="subslide"
# ## 5 · Your turn
#
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb13.slot_sizes.hint()` helps, a little more at each call.
#
# 1. `same_padding`: zeros before and behind by TensorFlow's rule, for *any* side. It works when side 7, filter 3, stride 2 give (1, 1) and side 8 gives (0, 1).
# 2. `points_in_photo`: key points from the letterboxed input back to the photograph. It works when the middle of the input is the middle of the photograph.
# 3. `slot_sizes`: the geometric middle of the smallest and the largest size that each slot answers to, with a score of at least 0.5. It works when a slot that answers from 16 to 64 px has 32.
# 4. `training_sizes`: the eight sizes behind the slots, from two numbers in the settings and `levels` = 4, one for each stride in the settings; after the last level comes the whole picture, 1.0. It works when the first is 19 px and the last ones lie near 96 and 111.

# %% id="exercise-same-padding" slide="skip" tags=["exercise"]
def same_padding(side, kernel_size, stride):
    """(zeros before, zeros behind) along one side."""
    return ...

nb13.same_padding.check(same_padding)

# %% id="exercise-points-in-photo" slide="skip" tags=["exercise"]
def points_in_photo(points, height, width, side):
    """(J, 2) x, y, px of the side x side input, to px of the photo."""
    return ...

nb13.points_in_photo.check(points_in_photo)

# %% id="exercise-slot-sizes" slide="skip" tags=["exercise"]
def slot_sizes(sizes, scores):
    """Sizes (N,), scores (N, S): geometric middles (S,)."""
    return ...

nb13.slot_sizes.check(slot_sizes)

# %% id="exercise-training-sizes" slide="skip" tags=["exercise"]
def training_sizes(min_scale, max_scale, levels, side):
    """Two sizes a level, px, as a list: its own, and one between."""
    return ...

nb13.training_sizes.check(training_sizes)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients, and three of the four find the astronaut. Run the symptom, write down the mistake, *then* open the diagnosis.
#
# **Patient 1.** “My port is even surer than the original. Only the boxes look a little low.”
#
# <!-- speaker: Show the symptom, and wait: let the room say the cause, then open it. -->

# %% id="clinic-1-symptom" slide="-" tags=["clinic", "output-only"]
def pad_both_sides(maps, kernel_size, stride):
    return F.pad(maps, [kernel_size // 2] * 4)


image = model.prepare([photo])
score, box, _ = surest(image)
healthy, pad_same = pad_same, pad_both_sides
sick_score, sick_box, _ = surest(image)
pad_same = healthy
print(f"score {score.item():.2f}, of the patient {sick_score.item():.2f};",
      f"IoU with the right box {box_iou(sick_box, box).item():.1f}")
show.draw_face_panels(
    [("SAME", photo, 4 * box), ("padding=1", photo, 4 * sick_box)])

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# `padding=1` (and 2 in the stem) at stride 2. Each halving moves the map by a pixel of its own, and the boxes move with it, right and down. The score hardly tells: here it rose.
#
# </details>
#
# **Patients 2, 3 and 4** wrote their own input. “Mine finds her.” — “Mine, too.” — “Mine finds nothing, and the weights are yours.”

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
spread = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
patients = {  # what they make of the right input, from -1 to 1
    "healthy": lambda x: x, "patient 2": lambda x: (x + 1) / 2,
    "patient 3": lambda x: x.flip(1),
    "patient 4": lambda x: ((x + 1) / 2 - mean) / spread}
for name, change in patients.items():
    score, sick_box, _ = surest(change(image))
    print(f"{name}: astronaut {score.item():.2f}, IoU with the right box",
          f"{box_iou(sick_box, box).item():.1f}")

# %% [markdown] id="clinic-cure" slide="subslide" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# Pixels in [0, 1] instead of [−1, 1]: grey instead of black, half the contrast.
#
# </details>
# <details><summary>Diagnosis of patient 3</summary>
#
# BGR, as OpenCV reads it, instead of RGB. One large, clear portrait survives it; of 72 harder views about a dozen more are lost (★).
#
# </details>
# <details><summary>Diagnosis of patient 4</summary>
#
# Mean and spread of ImageNet, by habit. This network never saw such numbers.
#
# </details>
#
# **The cure** has two parts. `Detector.prepare` is the only way in, so nobody writes an input by hand. And one picture is no test. Compare rows with the original on noise, as section 2 did, and each of the four bugs is found at once; the ★ at the end shows the numbers.

# %% [markdown] id="responsible" slide="slide" tags=["lead", "beside:face-found"]
# ### Responsible use
#
# **Detection is not recognition.** A box says that something looks like a face; it does not say whose. But it is the first step of every system that does, and a crop of a face is personal data in many countries.
#
# **Who is found less often?** Some groups of people, perhaps. We could not measure it: three portraits prove nothing, and we had no set with consent. MediaPipe publishes a model card with figures for training data and fairness; it could **not be reached** from where this chapter was written, so nothing here quotes it. Read it before you deploy.
#
# **Licence.** The weights are Apache-2.0 (© The MediaPipe Authors). In `data/weights/`, `blazeface.LICENSE` is the licence's text; source, hashes and what was changed stand in `blazeface.json`. The card's terms were not checked, either.

# %% [markdown] id="quiz" slide="skip"
# ### Quiz: true or false?
#
# 1. All 896 priors have the same size, so all slots answer alike.
# 2. `padding=1` lowers the score, so a test of the score finds it.
# 3. Weighted NMS changes the box and keeps the best score.
# 4. A depthwise convolution mixes channels.
# 5. The stored answers of the runtime prove that the detector is accurate.
#
# <details><summary>Answers</summary>
#
# 1. False: section 3 measured different answers.
# 2. False. It moves the box; the score may rise, as the astronaut's did, or fall a little.
# 3. True.
# 4. False. The pointwise one does.
# 5. False. They prove that ours is the *same* detector; section 4 shows its faults.
#
# </details>

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **BlazeFace** is an SSD: two maps, 896 priors, one pass, NMS.
# - **SAME** puts the odd zero behind; a port that forgets it moves every box.
# - **Linear sizes** need no exp; **weighted NMS** makes a steadier box.
# - **Weights are evidence**: equal priors, eight sizes of face.
# - **Curves, not a picture**: size, turn, blur, squashing and false alarms, each measured.
#
# **Further reading.** Bazarevsky et al. 2019, *BlazeFace*, arXiv 1907.05047 · the settings: google-ai-edge/mediapipe, `face_detection_short_range` · hollance/BlazeFace-PyTorch, a port whose README also says that the file is not the paper's network.

# %% [markdown] id="star-ledger" slide="skip" tags=["ledger"]
# ## ★ More evidence
#
# Rows a to c of the ledger, measured:

# %% id="ledger-code" slide="skip" tags=["ledger", "prove"]
# a  the filters in the file
print("depthwise:", {tuple(b.depthwise.weight.shape[2:])
                     for b in model.blocks})
# b  softmax over (0, l) is the sigmoid of l, also at the clip
l = torch.tensor([-100.0, -3.0, 0.0, 3.0, 100.0])
pair = torch.stack([torch.zeros(5), l], dim=1)
prove("softmax = sigmoid", pair.softmax(dim=1)[:, 1], l.sigmoid(),
      tolerance=1e-6)
# c  every fourth pixel instead of smoothing
sharp = model.detect([photo[:, ::4, ::4].contiguous()])[0]
moved = (4 * sharp["boxes"] - found["boxes"]).abs().max().item()
print(f"sampling moves the box by up to {moved:.0f} px of the photograph")
assert abs(sharp["scores"] - found["scores"]).item() < 0.01

# %% [markdown] id="star-slots" slide="skip"
# **The slots of all three faces.** Section 3 measured one. Here is the median of measured size over the rule for each. A size is that of the box drawn by hand, so the second number takes the box that the network draws around the same face instead:

# %% id="star-slots-measured" slide="skip"
for name, face in faces.items():
    middles = nb13.slot_sizes.reference()(sizes, slots_of(face))
    _, box, _ = surest(model.prepare([face.view(48)]), 48)
    ratio = (middles / rule).median().item()
    own = ratio * (box[0, 2] - box[0, 0]).item() / 48
    print(f"{name:9} by hand {ratio:.1f}, by the network's box {own:.1f}")
    assert (middles.diff() >= 0).all() and 1 < own < 1.2

# %% [markdown] id="star-slots-read" slide="skip"
# All three climb the same stairs. The cameraman's seem four tenths too high, mostly because his box was drawn by hand a quarter larger than the network draws it. Measured by the network's own boxes, all three lie a tenth above the rule.

# %% [markdown] id="star-exercise" slide="skip"
# **A fifth exercise.** `average_boxes`: weighted NMS of given boxes and overlaps, close to section 3's `average`. It works when no box of a cluster is lost and no cluster is averaged twice.

# %% id="exercise-average-boxes" slide="skip" tags=["exercise"]
def average_boxes(boxes, scores, overlaps, threshold):
    """(N, 4), (N,), (N, N) IoUs: mean boxes (D, 4), best first."""
    return ...

nb13.average_boxes.check(average_boxes)

# %% [markdown] id="star-exp" slide="skip"
# With exp or without, decoding is the same arithmetic: SSD's own `decode`, given logarithms, makes the same boxes.

# %% id="star-exp-proved" slide="skip" tags=["prove"]
said = model(model.prepare([photo]))
logs = torch.cat([said.deltas[..., :2], said.deltas[..., 2:].log()], dim=-1)
prove("SSD's decode, fed with logarithms, agrees",
      boxes.decode(logs, priors, (1.0, 1.0)),
      boxes.decode_linear(said.deltas, priors), tolerance=1e-4)

# %% [markdown] id="star-patients" slide="skip" tags=["clinic"]
# **The patients again.** On noise, their rows against the original's; and on 72 views of three faces, how many each of them loses. Scores between 0.48 and 0.52 may count either way, hence the ranges. Patient 1 loses only a few more than the healthy one, since a score hardly sees a shift; its rows tell at once:

# %% id="clinic-cured" slide="skip" tags=["clinic", "prove"]
reference = torch.from_numpy(
    stored["regressors"][list(stored["names"]).index("noise0")])
for name, change in (patients | {"patient 1": lambda x: x}).items():
    pad_same = pad_both_sides if name == "patient 1" else healthy
    rows, _ = network(change(data.runtime_picture("noise0")))
    error = (rows[0, picked] - reference).abs().max().item()
    print(f"{name}: rows are wrong by up to {error:.0f} px")
    assert (error < 1e-2) == (name == "healthy")
pad_same = healthy

# %% id="star-patients-lost" slide="skip" tags=["clinic"]
many = model.prepare([
    face.view(side, angle=turn, blur=blur) for face, side, turn, blur in
    product(faces.values(), (16, 32, 64, 128), (0, 60, 120), (0, 1))])
sure = {name: surest(change(many))[0] for name, change in patients.items()}
pad_same = pad_both_sides
sure["patient 1"] = surest(many)[0]
pad_same = healthy
fewest, most = ({name: int(sum(score <= limit)) for name, score
                 in sure.items()} for limit in (0.48, 0.52))
for name in sure:
    print(f"{name}: {fewest[name]} to {most[name]} of {len(many)} lost")
assert most.pop("healthy") < min(most.values())

# %% [markdown] id="star-blur" slide="skip"
# **Blur**: a hand that shakes. One face in three sizes:

# %% id="blur" slide="skip"
blurs = [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6]
curves = {f"face of {side} px": surest(model.prepare(
    [astronaut.view(side, blur=blur) for blur in blurs]), side)[0]
    for side in (24, 48, 96)}
assert all(c[0] > 0.8 and c[-1] < c[0] - 0.1 for c in curves.values())
show.draw_decline(
    blurs, curves, {f"sigma {blur}": astronaut.view(48, blur=blur)
                    for blur in (0, 1, 2, 3, 6)}, model,
    xlabel="blur: sigma, px of the input")

# %% [markdown] id="blur-read" slide="skip"
# The smaller the face, the sooner it is lost. With a sigma of 3 px the face of 96 px is found, the other two are not.

# %% [markdown] id="star-noise" slide="skip"
# **False alarms as a curve.** Of 200 pictures of noise, how many hold a “face”, at which threshold?

# %% id="noise-curve" slide="skip"
steps = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
share = torch.stack([(peaks > step).float().mean() for step in steps])
assert share[0] == 1 and 0.1 < share[4] < 0.35 and share[-2] == 0
show.draw_decline(
    steps, {"noise": share},
    {f"{peaks[k]:.2f}": noise[k]
     for k in peaks.argsort()[[0, 50, 100, 150, 199]].tolist()}, model,
    xlabel="threshold", ylabel="share with an alarm",
    threshold=None)

# %% [markdown] id="star-noise-read" slide="skip"
# Everything is a face at 0.2, and nothing is one at 0.7. Noise is no photograph; count the alarms on pictures of your own, without faces, before you choose a threshold.

# %% [markdown] id="star-own-pictures" slide="skip"
# ## ★ Your own pictures
#
# The network is so small that it fits into an HTML file together with everything that it needs. This cell writes one and shows it. Drop a photograph into it, or open the file itself from your disk and switch the camera on; then move away until your face is lost, tilt your head, and compare with the curves of section 4. No picture leaves the page.

# %% id="own-pictures" slide="skip"
face_page = show.DetectorPage(model, title="BlazeFace")
face_page.preview("runs/13/face_detector.html")

# %% [markdown] id="own-pictures-read" slide="skip"
# In JupyterLab the frame shows the file, and JupyterLab gives such a frame no camera. Colab shows no files of its machine in a frame, so there the page itself, 1 MB, goes into the output. (We could not try Colab itself.) In both, the file opens without Python once you have downloaded it.
