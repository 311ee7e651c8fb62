"""The numbers that every detector with priors has."""

from __future__ import annotations

from dataclasses import dataclass

from ..boxes import PriorConfig
from .checks import (
    check_flag,
    check_integer,
    check_number,
    check_numbers,
)

__all__ = ["DetectorConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """The numbers that every detector with priors has.

    Attributes:
        name: the model's name in `detlearn.list_models`.
        image_size: S, side of the square network input, px.
        num_classes: K, background included.
        priors: the layout; its maps must be the network's.
        image_mean: subtracted from images in [0, 1], RGB.
        image_std: divides them after that.
        antialias: whether `Detector.prepare` smooths before it shrinks an image (as Pillow does).
        letterbox: whether `Detector.prepare` keeps an image's proportions, with black beside it;
            without it, the image is stretched to the square, as SSD is trained.
        box_scales: divisors of centre offsets and log sizes ("variances").
        linear_sizes: whether the sizes in the deltas are plain ratios (`decode_linear`) and not
            their logarithms (`decode`).
        score_threshold: detections score higher than this.
        iou_threshold: of two boxes of a class that overlap more, the better one stays.
        max_candidates: best candidates of each class that enter NMS; None for all.
        max_detections: of one image, at most.
        weighted_nms: whether a box is the mean of those that NMS would drop for it, weighted by
            score (`detlearn.boxes.weighted_nms`), and not the best of them alone.

    Raises:
        ValueError: naming the field, what was expected, and what came.
    """

    name: str
    image_size: int
    num_classes: int
    priors: PriorConfig
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    antialias: bool = True
    letterbox: bool = False
    box_scales: tuple[float, float] = (0.1, 0.2)
    linear_sizes: bool = False
    score_threshold: float = 0.01
    iou_threshold: float = 0.45
    max_candidates: int | None = 400
    max_detections: int = 200
    weighted_nms: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.priors, PriorConfig):
            raise ValueError(f"priors: expected a PriorConfig, got {type(self.priors).__name__}")
        if self.image_size != self.priors.image_size:
            raise ValueError(
                f"image_size: expected that of the priors, {self.priors.image_size}, got "
                f"{self.image_size!r}; another size needs both image_size= and priors="
            )
        check_integer("num_classes", self.num_classes, 2, " (the background counts)")
        check_integer("max_detections", self.max_detections)
        if self.max_candidates is not None:
            check_integer("max_candidates", self.max_candidates)
        for name in ("antialias", "letterbox", "linear_sizes", "weighted_nms"):
            check_flag(name, getattr(self, name))
        for name in ("score_threshold", "iou_threshold"):
            check_number(name, getattr(self, name), 0, 1)
        for name, length in (("image_mean", 3), ("image_std", 3), ("box_scales", 2)):
            check_numbers(name, getattr(self, name), length, positive=name != "image_mean")
