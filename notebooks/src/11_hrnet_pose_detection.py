# %% [markdown] id="title" slide="slide"
# # 11 · HRNet II: pose and detection
#
# **One question: how does a map of numbers become a place in the picture, more exact than the map's own pixels?**
#
# Afterwards you will be able to
#
# - turn a person's box into a crop, and a place in the crop back into the picture;
# - paint heat maps to learn from, and decode them by arg-max, by a quarter shift, and by DARK;
# - measure the half pixels that rounding, decoding and mirroring cost;
# - score poses by OKS, COCO's AP and PCK;
# - train a pose network, and use the same trunk as a detector's pyramid.
#
# **85 minutes** with the exercises. Before it: notebook 10 (branches, exchange, trunk); 05 for training, 01 for average precision.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import json
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detlearn import create_model, load_model, losses, metrics, show
from detlearn import training
from detlearn.data import (CocoDetectionDataset, KeypointCrops, data_path,
                           SHAPES_AUGMENTATION, collate)
from detlearn.data.shapes import KEYPOINT_NAMES
from detlearn.models import hrnet, pose
from detlearn.models.layers import init_xavier
from detlearn.models.pose import CenterScale, HeatmapTargets, Peaks
from detlearn.teach.exercises import nb11
from detlearn.teach.prove import prove

print(hrnet.POSE_HRNET_TINY.name, len(KEYPOINT_NAMES), "joints")

# %% [markdown] id="the-task" slide="slide"
# ## 1 · A person, 17 places
#
# A **pose** is a list of **joints** (or *key points*): nose, eyes, ears, shoulders, and so on down to the ankles, 17 in COCO. The people of Shapes have all of them:

# %% id="people" slide="-"
folder = data_path("shapes_val")
validation = CocoDetectionDataset(
    folder / "images", folder / "annotations.json", keypoints=True)
chosen = [index for index in range(80) if any(
    (person[:, 2] > 0).all()
    and person[:, 1].max() - person[:, 1].min() > 24
    for person in validation[index][1]["keypoints"])][:4]
panels, frames = {}, {}
for index in chosen:
    image, target = validation[index]
    there = (target["keypoints"][..., 2] > 0).any(dim=1)
    panels[f"scene {index}"] = image, target["keypoints"][there]
    frames[f"scene {index}"] = target["boxes"][there]
show.draw_poses(panels, boxes=frames, alt="Four scenes of Shapes; in each "
    "the people's boxes are dashed, their joints dots joined by lines.")

# %% [markdown] id="top-down" slide="subslide"
# HRNet works **top-down**: a detector finds the boxes, then the network looks at *one person at a time*, and answers with one **heat map** for each joint: a grid, a quarter of the crop's size, bright where the joint probably is.
#
# ```
# box → centre, scale → crop → HRNet → 17 heat maps → places in the map → picture
# ```
#
# This chapter walks along that line, and back. On the way half a pixel will get lost four times. Each time we find it.

# %% [markdown] id="notes-top-down" slide="notes"
# > *For the speaker.* Ask why not simply predict 34 numbers, as a detector predicts four. A heat map can say "here or there", and it is made by convolutions: move the person and the map moves along. The price is the grid, and that is the subject of today.

# %% [markdown] id="by-hand" slide="slide"
# ### By hand: between the cells
#
# A bump of width 1 has its top at 3.3. The network sees it only at whole places: 2, 3 and 4. The brightest is 3. How do you get 3.3 from three numbers? **Take logarithms**: the logarithm of a Gaussian is a parabola, and a parabola's top follows from its slope and its bend. On paper first: slope = (right − left) / 2, bend = right − 2 · middle + left, top = 3 − slope / bend.

# %% id="by-hand-code" slide="-"
places = torch.arange(8.0)
bump = (-(places - 3.3) ** 2 / 2).exp()
left, middle, right = bump.log()[2:5].tolist()
print(f"logarithms: {left:.3f}, {middle:.3f}, {right:.3f}")
slope, bend = (right - left) / 2, right - 2 * middle + left
print(f"slope {slope:.2f}, bend {bend:.2f}, top {3 - slope / bend:.2f}")

# %% [markdown] id="crop-words" slide="slide"
# ## 2 · Cut the person out
#
# ### Centre and scale
#
# The network wants crops of one form, 4 : 3 say. The box gets it: the *shorter* side grows, so nothing is lost and nothing is squeezed; then all of it becomes 1.25 times as large. What is left of the box is its **centre** and its **scale**, in the odd unit of 200 px.

# %% id="center-scale" slide="-" tags=["teaches:detlearn.models.pose:box_to_center_scale"]
PIXEL_STD = 200.0


def box_to_center_scale(boxes, size, padding=1.25):
    height, width = size
    x1, y1, x2, y2 = boxes.as_subclass(Tensor).unbind(-1)
    w, h = x2 - x1, y2 - y1
    aspect = width / height
    wide = torch.stack([w.maximum(h * aspect), h.maximum(w / aspect)],
                       dim=-1)  # (..., 2)
    center = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2],
                         dim=-1)  # (..., 2)
    return CenterScale(center, wide * padding / PIXEL_STD)


box = torch.tensor([10.0, 20, 60, 140])  # 50 × 120 px
center, scale = box_to_center_scale(box, size=(256, 192))
print(center.tolist(), "and", (scale * PIXEL_STD).tolist(), "px")

# %% [markdown] id="affine-words" slide="subslide"
# ### The affine map
#
# One matrix says where each point of the picture lands in the crop: turn around the centre, zoom by *width / (200 · scale)*, put the centre in the middle. With `inverse` it leads back.

# %% id="affine" slide="-" tags=["teaches:detlearn.models.pose:affine_matrix"]
def affine_matrix(center, scale, size, rotation=0.0, *, inverse=False):
    height, width = size
    turn = torch.deg2rad(torch.as_tensor(rotation, dtype=center.dtype,
                                         device=center.device))
    turn = turn.expand(center.shape[:-1])
    zoom = width / (PIXEL_STD * scale[..., 0])
    cos, sin = turn.cos(), turn.sin()
    middle = center.new_tensor([width / 2, height / 2])
    rows = [torch.stack([cos, sin], dim=-1),
            torch.stack([-sin, cos], dim=-1)]
    matrix = torch.stack(rows, dim=-2)  # (..., 2, 2)
    start, end = center, middle.expand_as(center)
    if inverse:  # the transpose turns back
        matrix, zoom, start, end = (matrix.transpose(-1, -2), 1 / zoom,
                                    end, start)
    matrix = matrix * zoom[..., None, None]
    shift = end - (matrix @ start[..., None])[..., 0]
    return torch.cat([matrix, shift[..., None]], dim=-1)  # (..., 2, 3)


affine_matrix(center, scale, (256, 192))

# %% id="apply-affine" slide="subslide" tags=["teaches:detlearn.models.pose:apply_affine", "prove"]
def apply_affine(points, matrix):
    return (points @ matrix[..., :2].transpose(-1, -2)
            + matrix[..., None, :, 2])


there = affine_matrix(center, scale, (256, 192), rotation=30.0)
back = affine_matrix(center, scale, (256, 192), 30.0, inverse=True)
points = torch.rand(5, 2) * 100
prove("there and back again",
      apply_affine(apply_affine(points, there), back), points,
      tolerance=1e-3)
prove("the centre lands in the middle",
      apply_affine(center[None], there), torch.tensor([[96.0, 128]]),
      tolerance=1e-3)
prove("ours = the package's", [there, center, scale], [
    pose.affine_matrix(center, scale, (256, 192), 30.0),
    *pose.box_to_center_scale(box, (256, 192))], tolerance=1e-5)

# %% [markdown] id="crop-image-words" slide="subslide"
# `pose.crop_image` does the rest: each pixel of the crop asks the inverse matrix where it comes from, and mixes the four pixels around that place. Training turns and scales the window at random, and mirrors half of the people:

# %% id="crops-seen" slide="-"
tiny = hrnet.POSE_HRNET_TINY
plain = KeypointCrops([validation[index] for index in chosen], tiny)
varied = KeypointCrops([validation[index] for index in chosen], tiny,
                       SHAPES_AUGMENTATION)
_ = torch.manual_seed(5)
panels = {}
for words, people, number in (("plain", plain, 0), ("varied", varied, 0),
                              ("again", varied, 0), ("plain ", plain, 1),
                              ("varied ", varied, 1)):
    crop, target = people[number]
    panels[words] = crop, target["keypoints"][None]
show.draw_poses(panels, alt="Crops of two people, 128 by 96 px: upright "
    "ones, and turned, scaled or mirrored ones whose joints went along.")

# %% [markdown] id="first-half-pixel" slide="subslide"
# ### The first lost half: where is the middle of a pixel?
#
# The pixel in row 0, column 0 has its middle at **0** (OpenCV, the published HRNet) or at **0.5** (boxes, since a box that covers it goes from 0 to 1; Shapes). Both work; *mixing* them does not. A white dot around (20, 20), counted with 0.5, cut out and enlarged four times. **Predict** where it lands with each setting of `pixel_center`: the crop's middle is (48, 64).

# %% id="pixel-center" slide="-"
grid = torch.arange(40) + 0.5
distance = (grid[:, None] - 20).hypot(grid[None] - 20)
dot = (5 - distance).clamp(0, 1).expand(3, 40, 40)
window = CenterScale(torch.tensor([20.0, 20]),
                     torch.tensor([24.0, 32]) / PIXEL_STD)
back = affine_matrix(*window, (128, 96), inverse=True)
middles = torch.stack(torch.meshgrid(
    torch.arange(128) + 0.5, torch.arange(96) + 0.5, indexing="ij"))
for said in (0.5, 0.0):
    crop = pose.crop_image(dot, back, (128, 96), pixel_center=said)[0]
    y, x = (middles * crop).sum(dim=(1, 2)) / crop.sum()
    print(f"pixel_center={said}: the dot's middle is ({x:.1f}, {y:.1f})")

# %% [markdown] id="first-half-read" slide="fragment"
# 1.5 px of the crop: half a pixel of the picture, times four, minus half a pixel of the crop. The picture looks right to everybody. Small people pay most, as they are enlarged most.

# %% [markdown] id="targets-words" slide="slide"
# ## 3 · What the network shall answer
#
# ### A bump for each joint
#
# Around each joint a Gaussian of height 1 is painted; **sigma** is its width, 2 heat-map px at 256 × 192. The published network first *rounds* the joint to a whole heat-map pixel: **the second lost half**. Joints that are not labelled, or so far outside that nothing of the bump is left, get weight 0.

# %% id="make-heatmaps" slide="-" tags=["teaches:detlearn.models.pose:make_heatmaps"]
def make_heatmaps(joints, visible, crop_size, heatmap_size, sigma=2.0, *,
                  rounded=True):
    height, width = heatmap_size
    stride = joints.new_tensor([crop_size[1] / width,
                                crop_size[0] / height])
    centers = joints / stride  # (..., J, 2)
    if rounded:
        centers = (centers + 0.5).trunc()
    reach = 3 * sigma
    limits = joints.new_tensor([width, height])
    outside = ((centers - reach >= limits)
               | (centers + reach + 1 < 0)).any(dim=-1)  # (..., J)
    weights = ((visible > 0) & ~outside).to(torch.float32)  # (..., J)

    x = torch.arange(width, device=joints.device) - centers[..., 0, None]
    y = torch.arange(height, device=joints.device) - centers[..., 1, None]
    along_x, along_y = ((-(d**2) / (2 * sigma**2)).exp()
                        * (d.abs() <= reach) for d in (x, y))
    maps = along_y[..., :, None] * along_x[..., None, :]  # (..., J, H, W)
    return HeatmapTargets(
        maps.to(torch.float32) * weights[..., None, None], weights)

make_heatmaps(torch.rand(17, 2), torch.ones(17), (8, 8), (2, 2))[0].shape

# %% id="targets-seen" slide="subslide" tags=["prove"]
crop, target = plain[0]
joints = target["keypoints"]
size, small = tiny.crop_size, tiny.heatmap_size
for rounded in (True, False):
    settings = (joints[:, :2], joints[:, 2], size, small, 1.5)
    prove(f"our bumps = the package's, rounded {rounded}",
          [*make_heatmaps(*settings, rounded=rounded)],
          [*pose.make_heatmaps(*settings, rounded=rounded)])
maps = {"rounded": make_heatmaps(*settings)[0],
        "not rounded": make_heatmaps(*settings, rounded=False)[0]}
wrist = KEYPOINT_NAMES.index("left_wrist")
panels = {f"left wrist,\n{words}": found[wrist]
          for words, found in maps.items()}
panels["all 17, largest,\nnot rounded"] = maps["not rounded"].amax(dim=0)
place = (joints[wrist, :2] / 4).tolist()
show.draw_heatmaps(panels, truth=dict.fromkeys([*panels][:2], place),
    alt="Heat maps of 32 by 24 cells: a round bump at the left wrist, on a "
    "whole cell and between cells; and the bumps of all joints together.")

# %% [markdown] id="loss-words" slide="subslide"
# ### The loss
#
# Half the mean squared error, each joint times its weight. A joint that nobody labelled teaches nothing; without the weight it would teach *"there is no ankle here"*. Optionally only each person's *k* worst joints count: **OHKM**, online hard key point mining, the cousin of hard negatives (03).

# %% id="loss" slide="-" tags=["prove"]
def pose_loss(heatmaps, targets, weights, hard_joints=None):
    error = (heatmaps - targets).square().mean(dim=(2, 3)) / 2  # (B, J)
    error = error * weights  # (B, J)
    if hard_joints is not None:
        error = error.topk(hard_joints, dim=1).values
    return error.mean()


said = torch.rand(2, 17, 32, 24, requires_grad=True)
wanted, weights = torch.rand(2, 17, 32, 24), torch.ones(2, 17)
weights[0, :5] = 0  # a face that nobody labelled
for hard in (None, 8):
    prove(f"our loss = the package's, hard_joints={hard}",
          pose_loss(said, wanted, weights, hard),
          losses.heatmap_loss(said, wanted, weights, hard),
          tolerance=1e-6)
pose_loss(said, wanted, weights).backward()
print("silent maps:", int((said.grad == 0).all(dim=(2, 3)).sum()))

# %% [markdown] id="decode-words" slide="slide"
# ## 4 · From the map to a place
#
# ### Arg-max
#
# The brightest pixel. It cannot say 3.3: **the third lost half**.

# %% id="argmax" slide="-" tags=["teaches:detlearn.models.pose:argmax_heatmaps"]
def argmax_heatmaps(heatmaps):
    scores, index = heatmaps.flatten(-2).max(dim=-1)  # (..., J), (..., J)
    width = heatmaps.shape[-1]
    points = torch.stack([index % width, index // width],
                         dim=-1)  # (..., J, 2)
    return Peaks(points * (scores > 0)[..., None].to(heatmaps.dtype),
                 scores)


argmax_heatmaps(torch.tensor([[[0.0, 0.2, 0.9], [0.1, 0.0, 0.3]]]))

# %% [markdown] id="refine-words" slide="subslide"
# ### A quarter, or DARK
#
# - **Quarter shift** (published HRNet): from the best pixel a quarter towards the brighter neighbour, in x and in y. Whatever the truth is, the answer is a quarter.
# - **DARK** (Zhang et al. 2020): the parabola of §1, in two dimensions. Slopes `dx, dy`, bends `dxx, dyy, dxy`, one Newton step. The bumps of a network are ragged, so the map is smoothed first.

# %% id="newton" slide="-" tags=["teaches:detlearn.models.pose:newton_step"]
def newton_step(near):  # (..., 5, 5) logarithms around the best pixel
    dx, dy = (near[..., 2, 3] - near[..., 2, 1]) / 2, (
        near[..., 3, 2] - near[..., 1, 2]) / 2
    dxx = (near[..., 2, 4] - 2 * near[..., 2, 2] + near[..., 2, 0]) / 4
    dyy = (near[..., 4, 2] - 2 * near[..., 2, 2] + near[..., 0, 2]) / 4
    dxy = (near[..., 3, 3] - near[..., 1, 3] - near[..., 3, 1]
           + near[..., 1, 1]) / 4
    determinant = dxx * dyy - dxy**2
    top = (determinant > 1e-12) & (dxx < 0)  # else it is no top
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1)
    step = step / determinant.where(top, 1.0)[..., None] * top[..., None]
    return step.clamp(-1, 1)


x, y = torch.arange(5.0), torch.arange(5.0)[:, None]
newton_step(-(x - 2.3) ** 2 - (y - 1.8) ** 2 - 0.5 * (x - 2.3) * (y - 1.8))

# %% id="neighbours" slide="subslide" tags=["teaches:detlearn.models.pose:neighbours", "teaches:detlearn.models.pose:blur"]
def neighbours(maps, x, y, reach):
    H, W = maps.shape[-2:]
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    rows = (y[..., None] + offsets).clamp(0, H - 1)
    columns = (x[..., None] + offsets).clamp(0, W - 1)
    index = rows[..., :, None] * W + columns[..., None, :]
    return maps.flatten(-2).gather(-1, index.flatten(-2)).view(index.shape)


def blur(maps, sigma):
    reach = math.ceil(2.5 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype,
                           device=maps.device)
    bump = (-(offsets**2) / (2 * sigma**2)).exp()
    bump = bump / bump.sum()
    planes = maps.flatten(0, -3)[:, None]
    planes = F.conv2d(planes, bump.view(1, 1, 1, -1), padding=(0, reach))
    planes = F.conv2d(planes, bump.view(1, 1, -1, 1), padding=(reach, 0))
    return planes.view(maps.shape)


blur(torch.ones(17, 8, 6), sigma=1.0).shape

# %% id="decode" slide="subslide" tags=["teaches:detlearn.models.pose:decode_heatmaps", "prove"]
def decode_heatmaps(heatmaps, method="quarter", sigma=2.0):
    peaks = argmax_heatmaps(heatmaps)
    if method == "argmax":
        return peaks
    x, y = peaks.points.long().unbind(-1)
    H, W = heatmaps.shape[-2:]
    inside = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)  # (..., J)
    if method == "quarter":
        near = neighbours(heatmaps, x, y, reach=1)
        step = 0.25 * torch.stack(
            [near[..., 1, 2] - near[..., 1, 0],
             near[..., 2, 1] - near[..., 0, 1]], dim=-1).sign()
    else:
        inside = inside & (x < W - 2) & (y < H - 2)
        smooth = blur(heatmaps, sigma)
        step = newton_step(neighbours(
            smooth.clamp(min=1e-10).log(), x, y, reach=2))
    return Peaks(peaks.points + step * inside[..., None], peaks.scores)


maps = torch.rand(3, 17, 32, 24)
for how in ("argmax", "quarter", "dark"):
    prove(f"our {how} = the package's", [*decode_heatmaps(maps, how)],
          [*pose.decode_heatmaps(maps, how)], tolerance=1e-5)

# %% [markdown] id="sweep-words" slide="subslide"
# ### The lost halves, made visible
#
# A joint moves from pixel 10 to pixel 12, in steps of a fiftieth. Each place is painted, then decoded. **Sketch the three errors** before you run it: bumps where the joint is, and bumps on whole pixels.

# %% id="sweep" slide="-"
true_x = torch.linspace(10, 12, 101)
joints = torch.stack([true_x, torch.full_like(true_x, 16)], dim=1)
curves, lost = {}, {}
for words, rounded in (("bump where the joint is", False),
                       ("bump on a whole pixel", True)):
    maps = make_heatmaps(joints, torch.ones(101), (32, 24), (32, 24),
                         rounded=rounded).heatmaps
    curves[words] = {how: decode_heatmaps(maps, how).points[:, 0] - true_x
                     for how in ("argmax", "quarter", "dark")}
    lost[words] = {how: error.abs().mean().item()
                   for how, error in curves[words].items()}
for words, means in lost.items():
    print(f"{words:24}", *[f"{how} {4 * mean:.2f} px  "
                           for how, mean in means.items()])
show.draw_decoding(true_x, curves, alt="Error against the true place. With "
    "exact bumps arg-max makes a saw of height 0.5, the quarter shift one "
    "of 0.25, DARK is zero. With rounded bumps all three make the saw.")

# %% [markdown] id="sweep-read" slide="fragment"
# (Means, in px of the crop, four to a heat-map pixel.) A perfect decoder cannot repair a rounded target: DARK belongs together with bumps that are *not* rounded. `pose_hrnet_tiny` is trained that way; the published presets round and take the quarter.

# %% [markdown] id="predict-then-move" slide="subslide"
# ### Predict, then move
#
# Guess first; `moves`, at the end, checks all answers. Errors are in heat-map px.
#
# 1. The joint is at x = 10.40, y = 8. Errors of arg-max and of the quarter shift?
# 2. Tick **bump on a whole pixel**. Which error has DARK now?
# 3. Untick it and walk along x from 10 to 11. What is the quarter shift's *largest* error?
# 4. Move the joint to x = 1.30. How many of the three are better than arg-max now?

# %% id="explorer-heat-map" slide="-" tags=["explorer"]
show.HeatMapExplorer((16, 20), (9.3, 8.0))

# %% [markdown] id="notes-predict" slide="notes"
# > *For the speaker.* After task 4 set noise to 0.15 and press *Other noise* a few times: arg-max jumps by a pixel, DARK less, because it smooths first. Then make sigma small: with 0.5 px the neighbours are nearly 0, and noise decides the direction.

# %% [markdown] id="back-words" slide="slide"
# ### Back to the picture
#
# The inverse matrix again, now **with the size of the heat map**, since the place is in its pixels.

# %% id="to-image" slide="-" tags=["teaches:detlearn.models.pose:heatmaps_to_image", "prove"]
def heatmaps_to_image(points, center, scale, heatmap_size):
    return apply_affine(points, affine_matrix(center, scale, heatmap_size,
                                              inverse=True))


crop, target = plain[1]
found = decode_heatmaps(target["heatmaps"], "dark", tiny.sigma).points
places = heatmaps_to_image(found, target["center"], target["scale"], small)
index, row = plain.people[1]
truth = validation[chosen[index]][1]["keypoints"][row]
off = (places - truth[:, :2]).norm(dim=1)[target["weights"] > 0]
prove("painted, decoded, brought back: the labels again, to 0.05 px",
      bool(off.max() < 0.05), True)

# %% [markdown] id="flip-words" slide="slide"
# ### The flip test
#
# Ask the network twice: about the crop, and about its mirror image. Turn the second answer back, and take the mean. Turning back needs *two* exchanges: places left and right, and **channels** left and right, since what looks like a left hand in a mirror is a right one. And a `shift`:

# %% id="flip" slide="-" tags=["teaches:detlearn.models.pose:flip_heatmaps", "prove"]
def flip_heatmaps(heatmaps, order, shift=False):
    maps = heatmaps.flip(-1)[..., list(order), :, :]
    if shift:
        maps = torch.cat([maps[..., :1], maps[..., :-1]], dim=-1)
    return maps


maps = torch.rand(2, 17, 32, 24)
order = pose.COCO_FLIP_ORDER
prove("flipped twice = as before",
      flip_heatmaps(flip_heatmaps(maps, order), order), maps)
prove("ours = the package's", flip_heatmaps(maps, order, True),
      pose.flip_heatmaps(maps, order, True))

# %% [markdown] id="shift-words" slide="subslide"
# **The fourth lost half.** Heat-map pixel *h* stands for place 4*h* of the crop. Mirrored, place *x* becomes 96 − *x* (middles at 0.5; 95 − *x* with middles at 0), and map pixel *h* becomes 23 − *h*, which stands for 92 − 4*h*. **How far apart** are the two bumps that get averaged? With a network that is *always right*:

# %% id="shift-ideal" slide="-"
def bump_at(h):
    joint = torch.tensor([[h, 16.0]])
    return make_heatmaps(joint, torch.ones(1), (32, 24), (32, 24),
                         rounded=False).heatmaps


x = 41.2  # px of the crop
grids = {"middles at 0.5": (x / 4, (96 - x) / 4, 4),
         "middles at 0": (x / 4, (95 - x) / 4, 4),
         "UDP": (x * 23 / 95, (95 - x) * 23 / 95, 95 / 23)}
for words, (h, mirrored, stride) in grids.items():
    errors = []
    for shift in (False, True):
        back = flip_heatmaps(bump_at(mirrored), (0,), shift)
        mean = (bump_at(h) + back) / 2
        found = decode_heatmaps(mean, "dark").points[0, 0].item()
        errors.append(round(stride * (found - h), 1) + 0.0)
    print(f"{words:15} no shift {errors[0]:4} px, shift {errors[1]:4} px")

# %% [markdown] id="shift-read" slide="fragment"
# With middles at 0.5 the shift by one pixel is exactly right. With middles at 0, the published convention, it overshoots by half a crop pixel: a third of the error without it. **UDP** (*unbiased data processing*, Huang et al. 2020) removes the cause: count *lengths between middles*, 95 to 23 and not 96 to 24. Then mirror and grid agree, and no shift is needed.

# %% [markdown] id="oks-words" slide="slide"
# ## 5 · How good is a pose?
#
# ### OKS, the IoU of poses
#
# How far off a joint may be depends on the person's size, and on the joint: annotators agree on eyes, not on hips. **Object key point similarity** is the mean, over the labelled joints, of exp(−d² / (2 · area · (2σ)²)). COCO measured the σ.

# %% id="oks" slide="-" tags=["prove"]
def oks_of(found, truth, area, visible, sigmas):
    distance = (found - truth).square().sum(dim=-1)  # (J,)
    near = (-distance / (2 * area * (2 * sigmas) ** 2)).exp()  # (J,)
    return near[visible > 0].mean()


sigmas = torch.tensor(metrics.COCO_SIGMAS, dtype=torch.float64)
truth = torch.rand(17, 2, dtype=torch.float64) * 60
found = truth + torch.randn(17, 2, dtype=torch.float64)
visible = torch.ones(17)
visible[:5] = 0
prove("ours = the package's",
      oks_of(found, truth, 3600.0, visible, sigmas),
      metrics.oks(found[None], truth[None], torch.tensor([3600.0]),
                  visible[None])[0, 0], tolerance=1e-12)
area = torch.tensor(3600.0)
for name in ("nose", "left_hip"):
    s = sigmas[KEYPOINT_NAMES.index(name)]
    print(f"{name:9} may be {2 * s * area.sqrt():.1f} px off for 0.61")

# %% [markdown] id="ap-words" slide="subslide"
# With OKS in the place of IoU everything of chapter 01 comes back: **OKS-NMS** drops a pose that resembles a better one (above 0.9), and COCO's **AP** is the mean over OKS thresholds 0.50, 0.55, …, 0.95, by pycocotools. MPII counts otherwise: **PCK**, the share of joints that are near enough; in **PCKh** "near" is half a head. Check by hand: three times the same person, a copy of it 1 px off, one elsewhere.

# %% id="oks-nms" slide="-"
poses = torch.stack([truth, truth + 0.7, truth + 90])
areas, sure = torch.full((3,), 3600.0), torch.tensor([0.8, 0.9, 0.7])
print("OKS-NMS keeps", metrics.oks_nms(poses, sure, areas).tolist())
five = torch.zeros(1, 5, 2)
five[0, :, 0] = torch.tensor([0.0, 4, 14, 15, 16])  # px off
head = torch.tensor([[0.0, 0, 30, 40]])  # diagonal 50, times 0.6: 30 px
result = metrics.pckh(five, torch.zeros(1, 5, 2), torch.ones(1, 5), head,
                      skip=())
print("PCKh@0.5:", result.overall, result.per_joint.tolist())

# %% [markdown] id="train-words" slide="slide"
# ## 6 · Train
#
# First the cheapest test (05): eight people, the same in every step. Does the loss fall? (Most of a target is 0, so the loss is small from the start, and the bumps are learned late.)

# %% id="by-heart" slide="-"
torch.manual_seed(0)
people = KeypointCrops([validation[index] for index in range(40)], tiny)
images, targets = collate([people[number] for number in range(8)])
student = create_model("pose_hrnet_tiny").train()
optimizer = torch.optim.AdamW(student.parameters(), lr=5e-3)
said = [training.train_step(student, images, targets, optimizer)
        ["heatmaps"] for _ in range(80)]
print("steps:", len(said))
assert said[-1] < 0.6 * said[0], (said[0], said[-1])
show.draw_curves({"loss, eight people": {"": torch.tensor(said)}},
    x="step", alt="The loss of the heat maps over 80 steps: after a "
    "jump in the first steps it falls to about half or less.")

# %% [markdown] id="shipped-words" slide="subslide"
# The course ships a `pose_hrnet_tiny` that was trained for some minutes (by the command in `data/weights/pose_hrnet_tiny.json`). Its trunk is chapter 10's, its head a 1 × 1 convolution from the finest branch to 17 maps. Four people it has never seen:

# %% id="shipped" slide="-"
network = load_model(data_path("weights", "pose_hrnet_tiny.safetensors"))
images, boxes = [], []
for index in range(len(validation)):
    image, target = validation[index]
    there = (target["keypoints"][..., 2] > 0).any(dim=1)
    images.append(image)
    boxes.append(target["boxes"][there])
answers = network.estimate([images[i] for i in chosen],
                           [boxes[i] for i in chosen])
show.draw_poses({f"scene {i}": (images[i], answer["keypoints"][..., :2])
                 for i, answer in zip(chosen, answers)},
    alt="The four scenes again, with the joints that the network found.")

# %% id="shipped-maps" slide="subslide"
crop, target = plain[0]
with torch.inference_mode():
    maps = network(network.normalize(crop[None]))[0]
panels = {"crop's maps,\nlargest": maps.amax(dim=0)}
truth, found = {}, {}
for name in ("nose", "left_wrist", "right_knee"):
    k = KEYPOINT_NAMES.index(name)
    panels[name + "\n"] = maps[k]
    truth[name + "\n"] = (target["keypoints"][k, :2] / 4).tolist()
    peaks = decode_heatmaps(maps, "dark", tiny.sigma).points
    found[name + "\n"] = peaks[k].tolist()
show.draw_heatmaps(panels, truth=truth, points=found,
    alt="What the trained network answers: a bump for each joint; the "
    "decoded ring lies on the true cross, or beside it.")

# %% [markdown] id="score-words" slide="subslide"
# ### Scored, and the lost halves in its score
#
# All people of the validation split, in their true boxes. **Predict the order** of the five rows: decoding and flip test.

# %% id="score" slide="-" tags=["prove"]
truths = []
for index in range(len(validation)):
    _, target = validation[index]
    there = (target["keypoints"][..., 2] > 0).any(dim=1)
    truths.append({key: target[key].as_subclass(Tensor)[there]
                   for key in ("keypoints", "boxes", "area")})
rows = {"arg-max · flip": {"decoding": "argmax"},
        "quarter · flip": {"decoding": "quarter"},
        "DARK · no flip": {"flip": False},
        "DARK · flip · no shift": {"shift": False},
        "DARK · flip and shift": {}}
scores = {}
for words, settings in rows.items():
    answers = network.estimate(images, boxes, **settings)
    scores[words] = metrics.coco_keypoint_evaluate(answers, truths)["AP"]
best = scores["DARK · flip and shift"]
print(sum(map(len, boxes)), "people")
assert best >= 0.85 and best == max(scores.values()), scores
assert scores["DARK · flip · no shift"] < scores["DARK · no flip"], scores
show.draw_seeds({words: [ap] for words, ap in scores.items()}, x="OKS-AP",
    alt="OKS-AP of the five ways. Best: DARK with flip and shift. Without "
    "the shift the flip test does harm.")

# %% [markdown] id="score-read" slide="fragment"
# One trained network, five scores. The flip test without its shift is *worse than no flip test*. (With the published code [one report](https://github.com/leoxiaobin/deep-high-resolution-net.pytorch/issues/22) has 72.0 AP without the shift and 74.0 with it.) Half pixels are not pedantry.

# %% [markdown] id="notes-score" slide="notes"
# > *For the speaker.* Let the room explain why the shift matters so much here: these people are 40 px tall, a crop pixel is a third of a picture's pixel, and COCO's thresholds go up to 0.95. Ask what true boxes hide: a detector's boxes would cost some more.

# %% [markdown] id="v2p-words" slide="slide"
# ## 7 · The same trunk as a detector
#
# For poses only branch 0 is read. A detector wants maps of several strides, and **HRNetV2p** makes them in a roundabout way: *enlarge* all branches to the finest (bilinear), lay them side by side, mix by a 1 × 1 convolution; then *average* down again, and end each level in a 3 × 3 convolution. So every level has heard all resolutions. (This is where channels are laid side by side; exchanges add.)

# %% id="hrfpn" slide="-" tags=["teaches:detlearn.models.hrnet:HRFPN"]
class HRFPN(nn.Module):
    def __init__(self, in_channels, out_channels, num_levels=5):
        super().__init__()
        self.mix = nn.Conv2d(sum(in_channels), out_channels, 1)
        self.levels = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1)
            for _ in range(num_levels))
        init_xavier(self)

    def forward(self, features):
        size = features[0].shape[-2:]
        enlarged = [F.interpolate(maps, size, mode="bilinear",
                                  align_corners=False)
                    for maps in features[1:]]
        fine = self.mix(torch.cat([features[0], *enlarged], dim=1))
        pyramid = [fine] + [F.avg_pool2d(fine, 2**k)
                            for k in range(1, len(self.levels))]
        return [level(maps) for level, maps
                in zip(self.levels, pyramid, strict=True)]


branches = [torch.rand(1, c, s, s)
            for c, s in ((18, 64), (36, 32), (72, 16), (144, 8))]
[tuple(maps.shape[1:]) for maps in HRFPN((18, 36, 72, 144), 256)(branches)]

# %% id="hrfpn-proved" slide="subslide" tags=["prove"]
ours = HRFPN((18, 36, 72, 144), 256)
theirs = hrnet.HRFPN((18, 36, 72, 144), 256)
theirs.load_state_dict(ours.state_dict())
with torch.inference_mode():
    prove("our pyramid = the package's", ours(branches), theirs(branches))
counts = []
for name in ("hrnetv2p_w18", "hrnetv2p_w32", "hrnetv2p_w40"):
    with torch.device("meta"):
        trunk = create_model(name).trunk
    counts.append(sum(p.numel() for p in trunk.parameters()))
prove("trunks of W18, W32, W40 have the published size", counts,
      [9_562_260, 29_305_536, 45_521_216])

# %% [markdown] id="detector-words" slide="subslide"
# SSD's heads on that pyramid are a detector: `ssd_hrnet_tiny`, as large as `ssd_tiny`, with the same priors.

# %% id="detector-shapes" slide="-" tags=["prove"]
detector = load_model(data_path("weights", "ssd_hrnet_tiny.safetensors"))
plain_ssd = load_model(data_path("weights", "ssd_tiny.safetensors"))
pair = {"ssd_hrnet_tiny": detector, "ssd_tiny": plain_ssd}
picture = torch.zeros(1, 3, 128, 128)
for words, model in pair.items():
    with torch.inference_mode():
        print(f"{words:14}", *[tuple(maps.shape[1:])
                               for maps in model.backbone(picture)])
prove("the same priors", detector.priors, plain_ssd.priors)

# %% id="detector-costs" slide="-"
def multiply_adds(model):
    macs, hooks = [], []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(
                lambda conv, given, out: macs.append(
                    conv.weight[0].numel() * out.numel())))
    model(picture)
    for hook in hooks:
        hook.remove()
    return sum(macs)


for words, model in pair.items():
    number = sum(p.numel() for p in model.parameters())
    layers = sum(isinstance(m, nn.Conv2d) for m in model.modules())
    print(f"{words:14} {number:,} parameters in {layers} convolutions, "
          f"{multiply_adds(model) / 1e6:.1f} million multiply-adds")

# %% id="detector-drawn" slide="subslide"
scene, answer = validation[chosen[2]]
found = detector.detect([scene], score_threshold=0.4)[0]
show.draw_boxes(scene, found["boxes"], labels=found["labels"],
                class_names=detector.class_names,
                reference=answer["boxes"],
                alt="A scene with the boxes that ssd_hrnet_tiny finds; the "
                "true ones are dashed.")

# %% [markdown] id="branches-words" slide="subslide"
# ### Predict, then move
#
# All resolutions of this detector, on that scene, one channel of each; `module` chooses where, `its exchange` whether before or after it.
#
# 5. For how many px of the picture's side does *one* cell of branch 3 stand?
# 6. Leaf back through the modules. In which stage does branch 2 appear first?

# %% id="explorer-branches" slide="-" tags=["explorer"]
show.BranchExplorer(detector, scene)

# %% [markdown] id="branches-read" slide="fragment"
# Compare *before* and *after*: the exchange brings the coarse branches' cells, large squares, into the fine maps. A map that is dark all over says nothing about this scene: ReLU has silenced it. (Without a kernel you see one state.)

# %% [markdown] id="compared-words" slide="subslide"
# ### Scored beside `ssd_tiny`
#
# Both were given the *same short lesson*: 2,500 scenes, three times, seed 0. **Which one is ahead, and at what price?** Read the stored records:

# %% id="compared" slide="-"
path = data_path("results", "hrnet_detector.json")
lessons = json.loads(path.read_text(encoding="utf-8"))
for name, run in lessons.items():
    print(f"{name:15} mAP {run['scores']['mAP']:.3f}, mAP50 "
          f"{run['scores']['mAP50']:.3f}")
first, second = (run["scores"]["mAP"] for run in lessons.values())
print("ahead:", "neither" if abs(first - second) < 0.02 else
      [*lessons][int(second > first)])

# the weights of the course: 12,000 scenes, six times
for name in lessons:
    path = data_path("weights", f"{name}.json")
    run = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
    print(f"{name:15} mAP {run['scores']['mAP']:.3f} after",
          run["config"]["epochs"], "epochs")

# %% [markdown] id="compared-read" slide="fragment"
# After the short lesson, and after the long one of the shipped weights, the plain backbone is ahead, with fewer multiplications (and, as it has far fewer layers, in less than half of the time a step). That is *one* seed, one recipe (that of `ssd_tiny`), 128 px; the paper's pyramid was measured on COCO, in pictures ten times as large, with a trunk that had learned from ImageNet. Chapter 12 asks again. Until then the honest sentence is: here, for detection, keeping the fine map did not pay.

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## 8 · Your turn
#
# ### Paper ↔ code
#
# *Code* is leoxiaobin/deep-high-resolution-net.pytorch, and HRNet-Object-Detection in the last rows.
#
# | what | paper or expected | published code | here | see |
# |--|--|--|--|--|
# | target | a bump at the joint | rounded to a whole pixel | either, `rounded=` | §4 |
# | flip test | mean of both | needs a shift by one pixel ([#22](https://github.com/leoxiaobin/deep-high-resolution-net.pytorch/issues/22)) | `shift=True` | §4 |
# | decoding | quarter shift | quarter; no DARK, no UDP | all three | §4 |
# | weight of a joint | once | multiplied into both maps: squared | once | a |
# | OHKM | – | a class that train.py never uses | `hard_joints=` | §3 |
# | half body | upper or lower, 50 : 50 | a *normal* number below 0.5 | 50 : 50 | b |
# | PCKh@0.1 | threshold 0.10 | entry 11: 0.11 ([#167](https://github.com/leoxiaobin/deep-high-resolution-net.pytorch/issues/167)) | 0.10 | c |
# | accuracy while training | x by width, y by height | (x, y) by (h, w) | – | d |
# | learning rate | falls at 170, 200 | one epoch early with PyTorch ≥ 1.1 | after the step | e |
# | weight decay | in the config | Adam never gets it | AdamW gets it | – |
# | `list(a) and list(b)` in OKS-NMS | both | is just `list(b)`; never reached | – | f |
# | pooling in HRFPN | average | average; when MAX is chosen it prints AVG | average | §7 |
# | "HRNet" in a walk-through | pose, detection and segmentation | the listing is the pose network | §7 has the other | – |

# %% id="ledger-pose" slide="subslide" tags=["ledger"]
# a  a weight of 1.5 on both maps
print("1.5 counts", ((1.5 * 1.0 - 1.5 * 0.0) ** 2))

# b  share of normal numbers below 0.5
print(f"upper halves: {0.5 * (1 + math.erf(0.5 / math.sqrt(2))):.2f}")

# c  thresholds 0.00, 0.01, … 0.50: which is entry 11?
print("entry 11:", [n / 100 for n in range(51)][11])

# d  a tenth of a 64 × 48 map, in the wrong order
h, w = 64, 48
print("x is measured by", h / 10, "and should be by", w / 10)

# f  `and` of two lists
print([0, 3] and [3, 7])

# %% id="ledger-schedule" slide="-" tags=["ledger"]
# e  the schedule steps before the epoch, or after it
for words, early in (("before", True), ("after", False)):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [170, 200])
    optimizer.step()
    rates = []
    for epoch in range(210):
        if early:
            schedule.step()
        rates.append(schedule.get_last_lr()[0])
        if not early:
            schedule.step()
    print(f"step {words} the epoch: first drop in epoch",
          next(e for e, rate in enumerate(rates) if rate < 0.5))

# %% [markdown] id="exercises" slide="subslide"
# ### Exercises
#
# Replace the dots and run the cell: it says what is right, or wrong and why. `nb11.window.hint()` helps, a little more at each call. Write without scrolling up.
#
# 1. `window`: width and height of what is cut out for a box. It works when 50 × 120 px and a crop of 256 × 192 give 112.5 × 150.
# 2. `masked_loss`: the loss with weights. It works when maps of 0, targets [1, 0] and [1, 1] and weights 1 and 0 give 0.125.
# 3. `parabola_top`: the top of a bump from three values. It works when it repeats §1.
# 4. `turn_back`: the mirrored answer, turned back and shifted.
# 5. `oks_one`: the OKS of one pose.
# 6. `moves`: what the two explorers showed you.

# %% id="exercise-window" slide="skip" tags=["exercise"]
def window(box, size):
    """(width, height) of the window, px; size is (height, width)."""
    ...
    return None

nb11.window.check(window)

# %% id="exercise-masked-loss" slide="skip" tags=["exercise"]
def masked_loss(maps, targets, weights):
    """A scalar; maps and targets (B, J, H, W), weights (B, J)."""
    ...
    return None

nb11.masked_loss.check(masked_loss)

# %% id="exercise-parabola-top" slide="skip" tags=["exercise"]
def parabola_top(left, middle, right):
    """Place of the top; the values are those of the map."""
    ...
    return None

nb11.parabola_top.check(parabola_top)

# %% id="exercise-turn-back" slide="skip" tags=["exercise"]
def turn_back(maps, order):
    """(J, H, W), turned back and moved right by one pixel."""
    ...
    return None

nb11.turn_back.check(turn_back)

# %% id="exercise-oks-one" slide="skip" tags=["exercise"]
def oks_one(found, truth, area, visible, sigmas):
    """A scalar from 0 to 1; found and truth (J, 2), area in px²."""
    ...
    return None

nb11.oks_one.check(oks_one)

# %% id="exercise-moves" slide="skip" tags=["exercise"]
# A tuple such as ((0.1, 0.2), 0.3, 0.4, 3, 5, 1), made up here: arg-max
# and quarter; DARK with a rounded bump; largest error; how many are
# better; px of a cell of branch 3; stage of branch 2.
moves = ...

nb11.moves.check(moves)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Four patients. Run the symptom, write down the mistake, *then* open the diagnosis. The cures stand after the fourth.
#
# **Patient 1.** "With the flip test noses are better. But wrists and knees lose half of their score, and some jump to the other side of the body."
#
# <details><summary>Diagnosis</summary>
#
# Only the places were mirrored, not the channels. The mirrored answer for *left wrist* lies on the right one; the mean has two bumps of half the height. Noses have no partner and do not mind.
#
# </details>

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
def two_wrists(turn):
    joints = torch.tensor([[6.0, 8.0], [17.0, 8.0]])  # left, right; 24 wide
    maps = make_heatmaps(joints, torch.ones(2), (16, 24), (16, 24))[0]
    mirror = make_heatmaps((torch.tensor([24.0, 0]) - joints).abs()[[1, 0]],
                           torch.ones(2), (16, 24), (16, 24))[0]
    return argmax_heatmaps((maps + turn(mirror)) / 2)


def sick_turn(maps):
    return torch.cat([maps.flip(-1)[..., :1], maps.flip(-1)[..., :-1]], -1)


print("scores:", [f"{s:.2f}" for s in two_wrists(sick_turn).scores])

# %% [markdown] id="clinic-2" slide="subslide" tags=["clinic"]
# **Patient 2.** "The heat maps look perfect. Drawn into the picture all joints crowd together, in one corner of the box."
#
# <details><summary>Diagnosis</summary>
#
# The places are heat-map pixels, 24 × 32, and the way back was computed for the crop, 96 × 128: everything is four times too near to the window's corner. Give `affine_matrix` the size of the map.
#
# </details>

# %% id="clinic-2-symptom" slide="-" tags=["clinic"]
def sick_return(points, center, scale, crop_size):
    return apply_affine(points, affine_matrix(center, scale, crop_size,
                                              inverse=True))


target = plain[1][1]
found = decode_heatmaps(target["heatmaps"], "dark", tiny.sigma).points
for words, way, size in (("sick", sick_return, tiny.crop_size),
                         ("right", heatmaps_to_image, small)):
    places = way(found, target["center"], target["scale"], size)
    spread = places.amax(dim=0) - places.amin(dim=0)
    print(f"{words:6} spread {spread[0]:.1f} × {spread[1]:.1f} px")

# %% [markdown] id="clinic-3" slide="subslide" tags=["clinic"]
# **Patient 3.** "In my data every second ankle is hidden and not labelled. The network finds all ankles, at the right places, but none scores above 0.5, so they never count."
#
# <details><summary>Diagnosis</summary>
#
# The weights were forgotten. For half of the ankles the target is an empty map; the mean squared error is least at the *mean* of all targets: half a bump.
#
# </details>

# %% id="clinic-3-symptom" slide="-" tags=["clinic"]
ankles = make_heatmaps(torch.full((8, 1, 2), 8.0), torch.ones(8, 1),
                       (16, 16), (16, 16)).heatmaps
labelled = torch.tensor([[1.0], [0]] * 4)  # every second one
wanted = ankles * labelled[..., None, None]


def learned_height(loss):
    answer = torch.zeros(1, 1, 16, 16, requires_grad=True)
    optimizer = torch.optim.SGD([answer], lr=256.0)
    for _ in range(60):
        optimizer.zero_grad()
        loss(answer.expand(8, 1, 16, 16)).backward()
        optimizer.step()
    return round(answer.max().item(), 2)


print("learned:", learned_height(lambda said: pose_loss(
    said, wanted, torch.ones(8, 1))))

# %% [markdown] id="clinic-4" slide="subslide" tags=["clinic"]
# **Patient 4.** "The flip test lowers my AP. AP50 stays, AP75 falls. Without it all is well, so I left it out."
#
# <details><summary>Diagnosis</summary>
#
# The shift is missing. The two bumps lie one heat-map pixel apart, their mean half a pixel to the left of the truth: harmless at OKS 0.50, deadly at 0.90. Shift (or count as UDP does), and the flip test helps.
#
# </details>

# %% id="clinic-4-symptom" slide="-" tags=["clinic"]
def mean_error(**settings):  # px of the crop, to the right
    answers = network.estimate(images[:100], boxes[:100], **settings)
    found, true, width = [], [], []
    for answer, target, box in zip(answers, truths, boxes):
        found.append(answer["keypoints"][..., 0])
        true.append(target["keypoints"][..., 0])
        window = box_to_center_scale(box, tiny.crop_size).scale[:, 0]
        width.append(window[:, None] * PIXEL_STD)
    off = (torch.cat(found) - torch.cat(true)) / torch.cat(width) * 96
    return off.median().item()  # a joint that is not labelled is rare


lean = {words: mean_error(**settings) for words, settings in
        (("sick", {"shift": False}), ("right", {}))}
print("sick leans to the left by half a heat-map px:",
      -2.6 < lean["sick"] < -1.4)

# %% id="clinic-cures" slide="skip" tags=["clinic", "prove"]
cured = two_wrists(lambda maps: flip_heatmaps(maps, (1, 0), True))
prove("patient 1 is cured", cured.scores, torch.ones(2), tolerance=1e-5)
prove("patient 2 is cured", heatmaps_to_image(
    torch.tensor([[12.0, 16]]), target["center"], target["scale"], small),
    target["center"][None], tolerance=1e-3)
prove("patient 3 is cured", learned_height(lambda said: pose_loss(
    said, wanted, labelled)), 1.0)
prove("patient 4 is cured", abs(lean["right"]) < 0.6, True)

# %% [markdown] id="quiz" slide="slide"
# ### Quiz: true or false?
#
# 1. A heat map is a probability: its pixels add up to 1.
# 2. The quarter shift is exact for a joint at 10.25.
# 3. DARK repairs targets that were rounded.
# 4. In the flip test the left wrist's map is averaged with the mirror's right wrist's.
# 5. A joint of weight 0 is taught to be absent.
# 6. The same error in px costs a small person more OKS than a large one.
# 7. HRNetV2p adds the four branches.
#
# <details><summary>Answers</summary>
#
# 1. False. Its top is 1; each pixel is a number of its own.
# 2. True. (And for 10.75, and for 10, where both neighbours are equal.)
# 3. False. It finds exactly what was painted.
# 4. True. After turning back, what the mirror calls right is left.
# 5. False. It teaches nothing. Without weights it would.
# 6. True. d² is divided by the area.
# 7. False. It lays them side by side; a 1 × 1 convolution mixes them.
#
# </details>

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Box → centre, scale → crop**, and the inverse matrix, with the *map's* size, back.
# - **Target**: a bump for each labelled joint; **loss**: weighted MSE.
# - **Decode**: arg-max loses up to 0.5 heat-map px, the quarter 0.25, DARK nothing, if the targets were not rounded.
# - **Flip test**: mirror places *and* channels, shift by one pixel, or count as UDP.
# - **OKS** stands where IoU stood; COCO's AP is the rest.
# - **HRNetV2p**: enlarge, lay side by side, mix, pool: a pyramid of any trunk.
#
# The four lost halves: where a pixel's middle is, the rounded target, arg-max, and the mirror without its shift.
#
# **Next**, 12: four detectors, one data set, one table.
#
# **Further reading.** Sun et al. 2019, arXiv 1902.09212, §3 · Newell et al. 2016, *Stacked Hourglass Networks*, 1603.06937 · Zhang et al. 2020, *DARK*, 1910.06278 · Huang et al. 2020, *UDP*, 1911.07524 · Chen et al. 2018, *Cascaded Pyramid Network* (OHKM), 1711.07319 · Sun et al. 2019, *High-Resolution Representations for Labeling Pixels and Regions* (HRNetV2p), 1904.04514.
