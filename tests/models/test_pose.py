"""From box to heat maps and back: the published figures, and what can be checked by hand."""

import math

import numpy as np
import pytest
import torch

from detlearn.data.shapes import KEYPOINT_FLIP
from detlearn.losses import heatmap_loss
from detlearn.metrics import pck
from detlearn.models.pose import (
    COCO_FLIP_ORDER,
    MPII_FLIP_ORDER,
    affine_matrix,
    apply_affine,
    argmax_heatmaps,
    box_to_center_scale,
    crop_image,
    decode_heatmaps,
    flip_heatmaps,
    flip_keypoints,
    heatmaps_to_image,
    make_heatmaps,
)
from tests import golden_scheme as scheme

GOLDEN = scheme.load_golden("pose_functions")
SIZE = (256, 192)


# ------------------------------------------------------------------- published figures


def test_golden_targets():
    (figures,) = GOLDEN["generate_target"]
    points, visible = (torch.from_numpy(array) for array in scheme.joints(901, 3, 17, 192, 256))
    found = make_heatmaps(points, visible, SIZE, (64, 48), figures["sigma"])
    scheme.compare(found.heatmaps.numpy(), figures["target"])
    assert found.weights.tolist() == figures["target_weight"]
    torch.testing.assert_close(
        found.heatmaps.sum(dim=(2, 3)), torch.tensor(figures["per_joint_sum"]), rtol=1e-5, atol=1e-5
    )
    peaks = argmax_heatmaps(found.heatmaps)
    assert peaks.points.tolist() == figures["peak_xy"]


def test_golden_losses():
    (figures,) = GOLDEN["losses"]
    generator = np.random.default_rng(911)
    maps = generator.standard_normal((4, 17, 64, 48))
    target = generator.uniform(0, 1, maps.shape)
    weights = generator.uniform(0, 1, (4, 17, 1)) < 0.7
    maps, target, weights = (
        torch.from_numpy(array.astype(np.float32)) for array in (maps, target, weights)
    )
    weights = weights[..., 0]
    for name, loss in (
        ("joints_mse", heatmap_loss(maps, target, weights)),
        ("joints_mse_no_weight", heatmap_loss(maps, target)),
        ("joints_ohkm_top8", heatmap_loss(maps, target, weights, hard_joints=8)),
    ):
        assert loss.item() == pytest.approx(figures[name], rel=1e-5), name


def test_golden_decoding():
    (figures,) = GOLDEN["max_and_final_preds"]
    maps = scheme.heatmaps(921, 2, 17, 64, 48)
    maps[0, 0] = -abs(maps[0, 0])
    maps = torch.from_numpy(maps)
    generator = np.random.default_rng(922)
    center = torch.from_numpy(generator.uniform(100, 400, (2, 2)))
    scale = generator.uniform(0.5, 2, (2, 2))
    scale[:, 1] = scale[:, 0] * 64 / 48
    scale = torch.from_numpy(scale)
    best, quarter = (decode_heatmaps(maps, how) for how in ("argmax", "quarter"))
    assert best.points.tolist() == figures["max_preds"]
    torch.testing.assert_close(best.scores, torch.tensor(figures["maxvals"]))
    assert quarter.points.tolist() == figures["after_quarter_shift"]
    for points, name in (
        (best.points, "final_preds_no_shift"), (quarter.points, "final_preds")
    ):  # fmt: skip
        found = heatmaps_to_image(points.double(), center, scale, (64, 48))
        expected = torch.tensor(figures[name], dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("case", GOLDEN["affine"], ids=lambda case: f"{case['rot']:.0f} degrees")
def test_golden_affine(case):
    center, scale, points, mapped = (
        torch.tensor(case[name], dtype=torch.float64)
        for name in ("center", "scale", "points", "mapped")
    )
    width, height = case["output_wh"]
    for inverse, name in ((False, "matrix"), (True, "inverse")):
        matrix = affine_matrix(center, scale, (height, width), case["rot"], inverse=inverse)
        expected = torch.tensor(case[name], dtype=torch.float64)
        torch.testing.assert_close(matrix, expected, rtol=1e-5, atol=1e-4)
        if not inverse:
            torch.testing.assert_close(apply_affine(points, matrix), mapped, rtol=1e-5, atol=1e-3)


def test_golden_boxes():
    figures = GOLDEN["box_to_center_scale"]
    width, height = figures["image_wh"]
    for case in figures["cases"]:
        x, y, w, h = case["box_xywh"]
        found = box_to_center_scale(torch.tensor([x, y, x + w, y + h]), (height, width))
        torch.testing.assert_close(found.center, torch.tensor(case["center"]))
        torch.testing.assert_close(found.scale, torch.tensor(case["scale"]))


def test_golden_flips():
    (figures,) = GOLDEN["flip"]
    points, visible = (torch.from_numpy(array)[0] for array in scheme.joints(941, 1, 17, 192, 256))
    keypoints = torch.cat([points, visible[:, None]], dim=1)
    mirrored = flip_keypoints(keypoints, COCO_FLIP_ORDER, width=192)
    expected = torch.tensor(figures["fliplr_joints_xy"], dtype=torch.float64)
    torch.testing.assert_close(mirrored[:, :2], expected, rtol=1e-6, atol=1e-5)
    assert mirrored[:, 2].tolist() == figures["vis"]
    maps = torch.from_numpy(scheme.heatmaps(942, 2, 17, 8, 6))
    scheme.compare(flip_heatmaps(maps, COCO_FLIP_ORDER).numpy(), figures["flip_back"])


def test_golden_accuracy():
    (figures,) = GOLDEN["accuracy"]
    generator = np.random.default_rng(951)
    maps = torch.from_numpy(generator.uniform(0, 1, (2, 17, 64, 48)).astype(np.float32))
    found = argmax_heatmaps(maps).points
    target = torch.zeros_like(maps)
    for person in range(2):
        for joint in range(17):
            x, y = found[person, joint].numpy() + generator.integers(-6, 7, 2)
            target[person, joint, int(np.clip(y, 0, 63)), int(np.clip(x, 0, 47))] = 1
    truth = argmax_heatmaps(target).points
    counts = (truth > 1).all(dim=-1)
    # The published code measures x in tenths of the height, and y in tenths of the width.
    upstream = pck(found, truth, counts, torch.tensor([[6.4, 4.8]]).expand(2, 2))
    assert upstream.per_joint.tolist() == figures["per_joint"]
    assert upstream.mean == pytest.approx(figures["mean"])
    right = pck(found, truth, counts, torch.tensor([[4.8, 6.4]]).expand(2, 2))
    assert right.mean == pytest.approx(figures["mean_with_wh_order"])


# ------------------------------------------------------------------- box, window, crop


@pytest.mark.parametrize(
    ("box", "scale"),
    [
        ((0.0, 0, 75, 100), (75, 100)),  # the right shape already
        ((0.0, 0, 10, 100), (75, 100)),  # too slender: wider
        ((0.0, 0, 150, 100), (150, 200)),  # too wide: taller
    ],
)
def test_windows_only_grow(box, scale):
    found = box_to_center_scale(torch.tensor(box), SIZE, padding=1.0)
    assert (200 * found.scale).tolist() == pytest.approx(scale)


def test_no_boxes_no_windows():
    found = box_to_center_scale(torch.zeros(0, 4), SIZE)
    assert found.center.shape == found.scale.shape == (0, 2)
    assert affine_matrix(*found, SIZE).shape == (0, 2, 3)


@pytest.mark.parametrize("rotation", [0.0, 30.0, -90.0, 180.0])
def test_affine_inverse_undoes(rotation):
    center, scale = torch.tensor([120.0, 80.0]), torch.tensor([0.9, 1.2])
    there = affine_matrix(center, scale, SIZE, rotation)
    back = affine_matrix(center, scale, SIZE, rotation, inverse=True)
    points = torch.tensor([[120.0, 80.0], [0.0, 0.0], [33.0, 199.0]])
    mapped = apply_affine(points, there)
    torch.testing.assert_close(mapped[0], torch.tensor([96.0, 128.0]))
    torch.testing.assert_close(apply_affine(mapped, back), points, rtol=1e-4, atol=1e-3)


def test_a_turned_picture_turns_anticlockwise():
    # What lay to the right of the centre now lies above it.
    matrix = affine_matrix(torch.zeros(2), torch.tensor([0.96, 1.28]), SIZE, rotation=90.0)
    x, y = apply_affine(torch.tensor([[10.0, 0.0]]), matrix)[0].tolist()
    assert (x, y) == pytest.approx((96, 118), abs=1e-4)


@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
def test_crop_and_key_points_agree(pixel_center):
    # A white pixel, cut out five times as large, must be where its key point is.
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    image[:, 22, 13] = 255
    point = torch.tensor([[13.0, 22.0]]) + pixel_center
    window = box_to_center_scale(torch.tensor([5.0, 10.0, 29.0, 42.0]), SIZE, padding=1.6)
    there = affine_matrix(*window, SIZE)
    back = affine_matrix(*window, SIZE, inverse=True)
    crop = crop_image(image, back, SIZE, pixel_center)
    assert crop.dtype == torch.uint8 and crop.shape == (3, *SIZE)
    bright = crop[0].float()
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(192.0), indexing="ij")
    middle = [(bright * axis).sum() / bright.sum() + pixel_center for axis in (columns, rows)]
    torch.testing.assert_close(
        torch.stack(middle), apply_affine(point, there)[0], atol=0.05, rtol=0
    )


@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
def test_mirrored_key_points_lie_on_the_mirrored_pixel(pixel_center):
    image = torch.arange(5)[None]
    keypoints = torch.tensor([[1.0 + pixel_center, 0.0, 2.0]])
    x = flip_keypoints(keypoints, (0,), width=5, pixel_center=pixel_center)[0, 0]
    assert image.flip(-1)[0, int(x - pixel_center)] == 1


def test_crop_is_black_outside_the_picture():
    image = torch.full((3, 10, 10), 200, dtype=torch.uint8)
    matrix = torch.tensor([[1.0, 0, -5], [0, 1, 0]])
    crop = crop_image(image, matrix, (10, 10))
    assert (crop[..., :5] == 0).all() and (crop[..., 5:] == 200).all()


# ------------------------------------------------------------------- bumps


def test_unlabelled_and_distant_joints_have_no_bump():
    points = torch.tensor([[96.0, 128.0], [96.0, 128.0], [-40.0, 0.0], [-20.0, 0.0]])
    maps, weights = make_heatmaps(points, torch.tensor([2.0, 0, 2, 1]), SIZE, (64, 48))
    # -20 px is 5 heat-map pixels outside, and the bump reaches 6.
    assert weights.tolist() == [1, 0, 0, 1]
    assert (maps.flatten(1).max(dim=1).values > 0).tolist() == [True, False, False, True]
    assert maps[3, 0, 1:].max() == 0 or maps[3].argmax() % 48 == 0


def test_a_bump_is_a_gaussian():
    maps, _ = make_heatmaps(torch.tensor([[80.0, 120.0]]), torch.ones(1), SIZE, (64, 48), sigma=2.0)
    assert maps[0, 30, 20] == 1
    assert maps[0, 30, 22].item() == pytest.approx(math.exp(-0.5))
    assert maps[0, 33, 24].item() == pytest.approx(math.exp(-(9 + 16) / 8))
    assert maps[0, 30, 26] > 0 and maps[0, 30, 27] == 0  # three sigma and no further


def test_rounding_moves_a_bump_by_up_to_half_a_pixel():
    points = torch.tensor([[81.9, 120.0], [82.0, 120.0]])
    maps, _ = make_heatmaps(points, torch.ones(2), SIZE, (64, 48))
    assert argmax_heatmaps(maps).points[:, 0].tolist() == [20, 21]


def test_no_people_no_bumps():
    maps, weights = make_heatmaps(torch.zeros(0, 17, 2), torch.zeros(0, 17), SIZE, (64, 48))
    assert maps.shape == (0, 17, 64, 48) and weights.shape == (0, 17)
    assert decode_heatmaps(maps, "dark").points.shape == (0, 17, 2)


# ------------------------------------------------------------------- decoding


def errors(method, rounded, noise=0.0):
    """Mean error, heat-map px, over 400 places of a bump away from the edge."""
    generator = torch.Generator().manual_seed(0)
    places = 40 + 112 * torch.rand(400, 1, 2, generator=generator)
    maps, _ = make_heatmaps(places, torch.ones(400, 1), SIZE, (64, 48), rounded=rounded)
    maps = maps + noise * torch.randn(maps.shape, generator=generator)
    found = decode_heatmaps(maps, method).points
    return (found - places / 4).norm(dim=-1).mean().item()


def test_finer_decoding_is_nearer():
    best, quarter, dark = (errors(how, rounded=False) for how in ("argmax", "quarter", "dark"))
    # Uniform in a pixel: 0.383 px on average from its middle, half of that after a quarter.
    assert best == pytest.approx(0.383, abs=0.02)
    assert quarter == pytest.approx(0.191, abs=0.02)
    assert dark < 0.005


def test_dark_is_nearer_on_ragged_maps_too():
    quarter, dark = (errors(how, rounded=False, noise=0.02) for how in ("quarter", "dark"))
    assert dark < quarter / 2


def test_no_decoding_repairs_rounded_targets():
    # Newton finds the top of the bump, and the bump stands on the wrong place.
    assert errors("dark", rounded=True) == pytest.approx(errors("argmax", rounded=True), abs=0.01)


@pytest.mark.parametrize("method", ["quarter", "dark"])
def test_peaks_at_the_edge_are_not_refined(method):
    maps = torch.zeros(1, 4, 16, 12)
    for joint, (x, y) in enumerate(((1, 8), (11, 8), (5, 1), (5, 15))):
        maps[0, joint, y, x] = 1
        maps[0, joint, max(y - 1, 0), max(x - 1, 0)] = 0.5
    found = decode_heatmaps(maps, method).points[0]
    assert found.tolist() == [[1, 8], [11, 8], [5, 1], [5, 15]]


def test_dark_never_leaps():
    maps = torch.rand(8, 17, 32, 24, generator=torch.Generator().manual_seed(0))
    best, dark = argmax_heatmaps(maps), decode_heatmaps(maps, "dark")
    assert (dark.points - best.points).abs().max() <= 1
    assert dark.points.isfinite().all() and torch.equal(best.scores, dark.scores)


def test_flat_maps_are_decoded_without_nan():
    for maps in (torch.zeros(1, 2, 16, 12), torch.full((1, 2, 16, 12), -3.0)):
        for method in ("argmax", "quarter", "dark"):
            assert decode_heatmaps(maps, method).points.abs().max() == 0


def test_decoding_refuses_other_methods():
    with pytest.raises(ValueError, match="'argmax', 'quarter' or 'dark', got 'udp'"):
        decode_heatmaps(torch.zeros(1, 1, 4, 4), "udp")


# ------------------------------------------------------------------- mirrors


def test_flipping_twice_changes_nothing():
    maps = torch.randn(2, 17, 8, 6)
    assert torch.equal(flip_heatmaps(flip_heatmaps(maps, COCO_FLIP_ORDER), COCO_FLIP_ORDER), maps)


@pytest.mark.parametrize("order", [COCO_FLIP_ORDER, MPII_FLIP_ORDER], ids=["COCO", "MPII"])
def test_flip_orders_are_swaps(order):
    assert [order[other] for other in order] == list(range(len(order)))


def test_one_flip_order_for_data_and_models():
    assert COCO_FLIP_ORDER == KEYPOINT_FLIP


def test_the_shift_aligns_both_halves_of_the_flip_test():
    # Bumps of a joint and of its mirror image, painted by the same rule.
    point = torch.tensor([[[61.0, 100.0]]])
    mirrored = torch.tensor([[[192 - 61.0, 100.0]]])
    here, there = (
        make_heatmaps(one, torch.ones(1, 1), SIZE, (64, 48), rounded=False).heatmaps
        for one in (point, mirrored)
    )
    places = [
        decode_heatmaps(flip_heatmaps(there, (0,), shift), "dark").points[0, 0, 0].item()
        for shift in (False, True)
    ]
    x = decode_heatmaps(here, "dark").points[0, 0, 0].item()
    assert places == pytest.approx([x - 1, x], abs=0.01)


@pytest.mark.parametrize("order", [(0, 1), (0, 0, 1), (0, 1, 3)])
def test_foreign_flip_orders_are_refused(order):
    with pytest.raises(ValueError, match="order: expected each of the 3 joints once"):
        flip_heatmaps(torch.zeros(1, 3, 4, 4), order)
    with pytest.raises(ValueError, match="order: expected each of the 3 joints once"):
        flip_keypoints(torch.zeros(3, 3), order, width=4)
