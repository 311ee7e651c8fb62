"""Who is responsible for whom."""

import pytest
import torch
from torchvision.models.detection._utils import SSDMatcher

from detlearn import boxes as B
from detlearn.boxes.propose import layout_coverage
from tests.boxes.test_geometry import random_boxes

# Four priors that tile the image like a window.
WINDOW = torch.tensor(
    [[0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]]
)


@pytest.mark.parametrize(
    ("boxes", "expected", "forced"),
    [
        pytest.param([], [-1, -1, -1, -1], [], id="no object: all background"),
        pytest.param([[0.0, 0.0, 0.5, 0.5]], [0, -1, -1, -1], [0], id="one object on its prior"),
        pytest.param([[0.6, 0.6, 0.7, 0.7]], [-1, -1, -1, 0], [3], id="small: forces its prior"),
        pytest.param([[0.0, 0.0, 1.0, 0.5]], [0, 0, -1, -1], [0], id="IoU 0.5 with two: both"),
        pytest.param(
            [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.45]],
            [1, -1, -1, -1],
            [0],
            id="contested: the later one",
        ),
        pytest.param(
            [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.1, 0.1, 0.2, 0.2]],
            [2, -1, -1, 1],
            [0, 3],
            id="a forced claim beats a better overlap",
        ),
    ],
)
def test_by_hand(boxes, expected, forced):
    found = B.match(torch.tensor(boxes).reshape(-1, 4), WINDOW)
    assert found.gt_index.tolist() == expected
    assert found.forced.nonzero()[:, 0].tolist() == forced


def test_equality_is_a_choice():
    wide = torch.tensor([[0.0, 0.0, 1.0, 0.5]])  # IoU 0.5 exactly with priors 0 and 1
    assert B.match(wide, WINDOW, inclusive=True).gt_index.tolist() == [0, 0, -1, -1]
    assert B.match(wide, WINDOW, inclusive=False).gt_index.tolist() == [
        0,
        -1,
        -1,
        -1,
    ]  # 0 is forced
    assert B.match(wide, WINDOW, inclusive=False, force=False).gt_index.tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize("seed", range(10))
def test_equal_to_torchvision(seed):
    g = torch.Generator().manual_seed(seed)
    size = torch.rand(12, 2, generator=g) * 0.4 + 0.05
    corner = torch.rand(12, 2, generator=g) * (1 - size)
    boxes = torch.cat([corner, corner + size], dim=1)
    boxes = torch.cat([boxes, boxes[:2]])  # two contested priors
    priors = B.make_priors(B.SSD300_VOC_PRIORS)
    theirs = SSDMatcher(0.5)(B.box_iou(boxes, B.cxcywh_to_xyxy(priors)))
    ours = B.match(boxes, priors).gt_index
    assert torch.equal(ours, theirs.clamp(min=-1))
    assert {2, 12, 13} <= set(ours.tolist())  # the copies took over the contested priors


def test_targets_fill_background_with_zeros():
    targets = B.make_targets(torch.tensor([[0.0, 0.0, 0.5, 0.4]]), torch.tensor([7]), WINDOW)
    assert targets.labels.tolist() == [7, 0, 0, 0]
    assert targets.labels.dtype == torch.int64
    assert torch.equal(targets.deltas[1:], torch.zeros(3, 4))
    torch.testing.assert_close(
        B.decode(targets.deltas[:1], WINDOW[:1]), torch.tensor([[0.0, 0.0, 0.5, 0.4]])
    )


def test_targets_without_objects():
    targets = B.make_targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), WINDOW)
    assert targets.labels.tolist() == [0, 0, 0, 0]
    assert not targets.deltas.any()


@pytest.mark.parametrize("n", [0, 1, 700])
def test_coverage_is_the_best_iou(n):
    boxes = random_boxes(n, 5, side=1.0)
    priors = B.make_priors(B.REFINEDET320_PRIORS)
    expected = B.box_iou(boxes, B.cxcywh_to_xyxy(priors)).amax(1) if n else torch.zeros(0)
    assert torch.equal(B.coverage(boxes, priors), expected)


THREE_WAYS = pytest.mark.parametrize(
    "how",
    [
        lambda boxes, priors: B.match(boxes, priors),
        lambda boxes, priors: B.make_targets(boxes, torch.ones(len(boxes)).long(), priors),
        lambda boxes, priors: B.make_batch_targets(
            [(boxes, torch.ones(len(boxes)).long())], priors
        ),
    ],
    ids=["match", "make_targets", "make_batch_targets"],
)


@THREE_WAYS
def test_boxes_in_px_beside_priors_in_fractions_are_refused(how):
    boxes, priors = torch.tensor([[32.0, 32, 64, 64]]), torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    with pytest.raises(ValueError, match=r"boxes: expected fractions of the image, got .* of 64"):
        how(boxes, priors)
    how(boxes, priors * 128)  # both in px: IoU has no unit


@THREE_WAYS
@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0.5, 0.5, 0.25, 0.75], r"expected x1 <= x2 .*, box 1 is \[0.5, 0.5, 0.25, 0.75\]"),
        ([0.5, 0.5, 0.75, 0.25], r"expected x1 <= x2 and y1 <= y2 \(corners xyxy\), box 1 is"),
    ],
    ids=["x2 left of x1: xywh", "y2 above y1"],
)
def test_corners_in_the_wrong_order_are_refused(how, box, message):
    """Such a box overlaps nothing, forces its prior all the same, and its log size is NaN."""
    with pytest.raises(ValueError, match="^boxes: " + message):
        how(torch.tensor([[0.0, 0.0, 0.5, 0.5], box]), WINDOW)


@pytest.mark.parametrize(
    "how",
    [
        lambda labels: B.make_targets(torch.tensor([[0.0, 0.0, 0.5, 0.5]] * 2), labels, WINDOW),
        lambda labels: B.make_batch_targets(
            [(torch.tensor([[0.0, 0.0, 0.5, 0.5]] * 2), labels)], WINDOW
        ),
    ],
    ids=["make_targets", "make_batch_targets"],
)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 0], r"expected at least 1 \(0 is the background.*\), label 1 is 0"),
        ([-3, 1], r"expected at least 1 .*, label 0 is -3"),
        ([1.0, 2.5], r"expected whole numbers \(int64\), got torch.float32"),
        ([True, True], r"expected whole numbers \(int64\), got torch.bool"),
    ],
)
def test_an_object_has_a_class(how, labels, message):
    with pytest.raises(ValueError, match="^labels: " + message):
        how(torch.tensor(labels))


def test_boxes_of_more_digits_than_the_priors():
    boxes, labels = torch.tensor([[0.1, 0.1, 0.45, 0.5]], dtype=torch.float64), torch.tensor([1])
    with pytest.raises(ValueError, match="^boxes: expected torch.float32, as the priors, got tor"):
        B.make_targets(boxes, labels, WINDOW)
    found = B.make_batch_targets([(boxes, labels)], WINDOW)
    expected = B.make_targets(boxes.float(), labels, WINDOW)
    assert found.deltas.dtype == torch.float32 and torch.equal(found.deltas[0], expected.deltas)


def test_boxes_that_have_a_gradient():
    boxes, labels = torch.tensor([[0.1, 0.1, 0.45, 0.5]], requires_grad=True), torch.tensor([1])
    found = B.make_batch_targets([(boxes, labels)], WINDOW)
    expected = B.make_targets(boxes.detach(), labels, WINDOW)
    assert not found.deltas.requires_grad and torch.equal(found.deltas[0], expected.deltas)


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_batch_refuses_priors_that_are_not_finite(number):
    priors = WINDOW.clone()
    priors[2, 1] = float(number)
    message = rf"^priors: expected finite numbers, prior 2 is \[0.25, {number}, 0.5, 0.5\]"
    with pytest.raises(ValueError, match=message):
        B.make_batch_targets([(WINDOW[:1], torch.tensor([1]))], priors)


@pytest.mark.parametrize(
    "covered",
    [
        lambda boxes: B.coverage(boxes, B.make_priors(B.SSD_TINY_PRIORS)),
        lambda boxes: layout_coverage(boxes, B.SSD_TINY_PRIORS),
    ],
)
def test_coverage_refuses_boxes_in_px(covered):
    """Against priors in fractions every IoU would be 0, without a word."""
    with pytest.raises(ValueError, match=r"boxes: expected fractions of the image, got .* of 96"):
        covered(torch.tensor([[0.0, 0.0, 96.0, 40.0]]))
    assert covered(torch.tensor([[-0.2, 0.1, 1.3, 0.9]])).shape == (1,)


def batch(seed, counts, dtype=torch.float32):
    """Objects of so many images, some of them copies: two objects that want one prior."""
    images = []
    for i, count in enumerate(counts):
        boxes = random_boxes(count, seed + i).to(dtype) / 100
        boxes[1::3] = boxes[0::3][: len(boxes[1::3])]
        images.append((boxes, torch.arange(1, count + 1)))
    return images


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        pytest.param([], {}, id="no image"),
        pytest.param([0, 0], {}, id="no object"),
        pytest.param([0, 5, 1, 0, 14], {}, id="images without objects between others"),
        pytest.param([4, 7], {"inclusive": False}, id="above the threshold only"),
        pytest.param([4, 7], {"threshold": 0.0}, id="every prior has an object"),
        pytest.param([4, 7], {"threshold": 1.0}, id="forced priors only"),
        pytest.param([4, 7], {"scales": (0.3, 0.7), "eps": 1e-5}, id="scales and eps"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_is_its_images(counts, rule, dtype):
    priors = torch.cat([B.make_priors(B.SSD_TINY_PRIORS), WINDOW]).to(dtype)
    images = batch(3, counts, dtype)
    found = B.make_batch_targets(images, priors, **rule)
    assert found.labels.shape == (len(counts), len(priors))
    assert found.deltas.shape == (len(counts), len(priors), 4)
    for i, (boxes, labels) in enumerate(images):
        expected = B.make_targets(boxes, labels, priors, **rule)
        for ours, theirs in zip((found.labels[i], found.deltas[i]), expected, strict=True):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_a_batch_with_equality_and_boxes_without_area():
    halves = torch.tensor([[0.0, 0.0, 1.0, 0.5], [0.2, 0.2, 0.2, 0.2]])  # IoU 0.5 with two
    labels = torch.tensor([1, 2])
    for inclusive in (True, False):
        found = B.make_batch_targets([(halves, labels)], WINDOW, inclusive=inclusive)
        expected = B.make_targets(halves, labels, WINDOW, inclusive=inclusive)
        assert torch.equal(found.labels[0], expected.labels)


@pytest.mark.parametrize(
    ("images", "priors", "message"),
    [
        ([(torch.rand(2, 4), torch.tensor([1]))], WINDOW, "one for each of the 2 boxes"),
        ([(torch.full((1, 4), torch.nan), torch.tensor([1]))], WINDOW, "box 0 is"),
        ([(torch.rand(1, 4), torch.tensor([1]))], WINDOW[:0], "priors: expected at least one"),
    ],
)
def test_a_batch_is_checked_like_an_image(images, priors, message):
    with pytest.raises(ValueError, match=message):
        B.make_batch_targets(images, priors)
