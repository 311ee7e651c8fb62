"""What every detector with priors has in common: the way in, and the way out.

The way in makes the network's input of pictures (`Detector.prepare`); the way out turns raw
predictions into boxes in the pixels of the original.  Neither is what a paper is about, so both
stand here, once, and a model's own file holds its network and its loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..boxes import (
    clip_boxes,
    decode,
    decode_linear,
    make_priors,
    select_detections,
    select_weighted,
)
from .checks import check_images
from .detector_config import DetectorConfig
from .inputs import TakesPictures, check_finite, check_network_input, check_targets, fit, place
from .layers import Predictions, check_predictions
from .modes import evaluating

__all__ = ["Detector", "DetectorConfig"]

IMAGES_PER_PASS = 16
"""`Detector.detect` splits longer lists, so that memory does not grow with their length."""


class Detector(TakesPictures):
    """A network with priors, pictures in, boxes out.

    A model derives from it and adds `forward` and `loss`; one whose predictions are not
    `Predictions` also says in `scores_and_boxes` how they are read.

    Args:
        config: the model's numbers.

    Attributes:
        config: the same.
        priors: ``(P, 4)`` cxcywh, fractions of the image; a buffer that is not saved.
        class_names: names by label, ``class_names[0]`` the background's; None if nobody said.
    """

    priors: Tensor
    not_for_me: tuple[str, ...] = ()
    """Switches of the config that a model's own way of reading or selecting would pass over."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        for name in self.not_for_me:
            if getattr(config, name):
                raise ValueError(f"{name}: expected False, {type(self).__name__} has no such way")
        self.config = config
        self.class_names: tuple[str, ...] | None = None
        self.register_buffer("priors", make_priors(config.priors), persistent=False)

    def loss(self, predictions: Any, targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """What training minimises the sum of; each model has its own.

        Args:
            predictions: what `forward` returned.
            targets: for each image ``"boxes"`` and ``"labels"``, see `check_targets`.

        Returns:
            Scalars by name.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ in

    def prepare(self, images: Sequence[Tensor] | Tensor) -> Tensor:
        """Pictures to network input: normalise them, and resize them to (S, S).

        This is the one way in.  `detect` takes it, and training pictures, resized by the
        transforms with the config's ``image_size``, ``antialias`` and ``letterbox``, are the same
        but for the rounding to whole grey levels.

        Args:
            images: a list of ``(3, H, W)`` of any sizes, or one ``(B, 3, H, W)``; RGB, uint8, or
                floating point in [0, 1].

        Returns:
            ``(B, 3, S, S)`` floating point, on the model's device.

        Raises:
            ValueError: naming the image that is none, and what is wrong with it.

        >>> import detlearn
        >>> model = detlearn.create_model("ssd_tiny")
        >>> model.prepare([torch.zeros(3, 48, 64), torch.zeros(3, 200, 90)]).shape
        torch.Size([2, 3, 128, 128])
        """
        check_images(images)
        return self._prepare(images)

    def _prepare(self, images: Sequence[Tensor] | Tensor) -> Tensor:
        config = self.config
        if isinstance(images, Tensor):
            black = -self.image_mean / self.image_std  # (3, 1, 1)
            return fit(
                self._normalize(images),
                config.image_size,
                config.antialias,
                config.letterbox,
                black,
            )  # (B, 3, S, S)
        return torch.cat([self._prepare(image[None]) for image in images])  # (B, 3, S, S)

    def check_input(self, images: Tensor) -> None:
        """Refuse what the network cannot take: anything but ``(B, 3, S, S)`` floating point.

        Args:
            images: what was given to `forward`.

        Raises:
            ValueError: with the shape expected, and what to do.
        """
        check_network_input(images, self.config.image_size)

    def check_targets(
        self, targets: Sequence[Mapping[str, Tensor]], batch_size: int
    ) -> list[tuple[Tensor, Tensor]]:
        """Refuse targets that cannot be learned from, and hand over the rest.

        Args:
            targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input,
                and ``"labels" (G,)`` integers; ``G = 0`` is legal.
            batch_size: number of images.

        Returns:
            For each image boxes ``(G, 4)`` xyxy in fractions, and labels ``(G,)``, on the
            model's device.

        Raises:
            ValueError: naming the image, the box, and what is wrong with it.
        """
        config, device = self.config, self.priors.device
        return check_targets(targets, batch_size, config.image_size, config.num_classes, device)

    # ----------------------------------------------------------------- out

    def scores_and_boxes(self, predictions: Predictions) -> tuple[Tensor, Tensor]:
        """Read the raw numbers: class scores, and boxes in fractions of the image.

        Args:
            predictions: what `forward` returned.

        Returns:
            ``scores (B, P, K)`` after softmax, and ``boxes (B, P, 4)`` xyxy, fractions.

        Raises:
            ValueError: if the predictions are not this model's.
        """
        self.check_predictions(predictions)
        # Coordinates of a thousand pixels need more digits than autocast's halves have.
        wide = torch.promote_types(predictions.logits.dtype, torch.float32)
        scores = predictions.logits.to(wide).softmax(dim=-1)  # (B, P, K)
        read = decode_linear if self.config.linear_sizes else decode
        boxes = read(predictions.deltas.to(wide), self.priors, self.config.box_scales)  # (B, P, 4)
        return scores, boxes

    def keypoints(self, predictions: Any) -> Tensor | None:
        """Key points that belong to the boxes, for detectors that find some.

        Args:
            predictions: what `forward` returned.

        Returns:
            ``(B, P, J, 2)`` x, y, fractions of the network's input; None, as here, for a detector
            that finds boxes only.
        """
        return None

    def check_predictions(self, predictions: Predictions) -> None:
        """Refuse predictions that do not belong to this model's priors and classes.

        Args:
            predictions: ``logits (B, P, K)`` and ``deltas (B, P, 4)``.

        Raises:
            ValueError: with the shapes expected.
        """
        check_predictions(predictions, self.config.priors.num_priors, self.config.num_classes)

    def postprocess(
        self,
        predictions: Predictions,
        image_sizes: Sequence[tuple[int, int]],
        *,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        clip: bool = True,
    ) -> list[dict[str, Tensor]]:
        """Raw predictions to detections: softmax, decode, clip, threshold, NMS in each class.

        Args:
            predictions: what `forward` returned.
            image_sizes: (height, width) of the original images, px.
            score_threshold: None for the config's; so are the next two.
            iou_threshold: see `DetectorConfig`.
            max_detections: see `DetectorConfig`.
            clip: cut the boxes at the image's edge: before NMS, as torchvision does, M2Det's after
                it.  uvipen/SSD-pytorch and the published M2Det do not.

        Returns:
            For each image ``"boxes" (D, 4)`` xyxy px of the original image, ``"scores" (D,)``
            descending, ``"labels" (D,)``, and ``"priors" (D,)`` int64, the prior behind each.
            A detector that finds key points adds ``"keypoints" (D, J, 3)``: x, y, px, and 1.

        Raises:
            ValueError: if a threshold is out of range, or the predictions are not finite.

        >>> import detlearn
        >>> model = detlearn.create_model("ssd_tiny")
        >>> P, K = model.config.priors.num_priors, model.config.num_classes
        >>> logits = torch.zeros(1, P, K)
        >>> logits[0, 7, 3] = 9.0  # one prior is sure of class 3
        >>> found = model.postprocess(
        ...     Predictions(logits, torch.zeros(1, P, 4)), [(128, 128)], score_threshold=0.5
        ... )
        >>> found[0]["labels"], found[0]["priors"]
        (tensor([3]), tensor([7]))
        """
        config = self._with_thresholds(score_threshold, iou_threshold, max_detections)
        scores, boxes = self.scores_and_boxes(predictions)
        if len(image_sizes) != len(scores):
            raise ValueError(
                f"image_sizes: expected one for each of the {len(scores)} images, "
                f"got {len(image_sizes)}"
            )
        points = self.keypoints(predictions)
        detections = []
        for index, size in enumerate(image_sizes):
            check_finite(index, scores[index], boxes[index])
            own = None if points is None else points[index]  # (P, J, 2)
            detections.append(self._select(boxes[index], scores[index], own, size, config, clip))
        return detections

    def in_picture(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """From fractions of the network's input to fractions of the picture that lies in it.

        Args:
            points: ``(..., 2n)`` x, y, x, y, ...: boxes xyxy, or points.
            size: ``(height, width)`` of the picture, px.

        Returns:
            The same shape; without letterbox the same numbers, for input and picture then are one.
        """
        if not self.config.letterbox:
            return points
        S = self.config.image_size
        pixels = place(size, S, letterbox=True).to_picture(points * S, size)
        return pixels / points.new_tensor([size[1], size[0]] * (points.shape[-1] // 2))

    def _select(
        self,
        boxes: Tensor,
        scores: Tensor,
        points: Tensor | None,
        size: tuple[int, int],
        config: Any,
        clip: bool,
    ) -> dict[str, Tensor]:
        """Threshold and NMS for one picture: from fractions of the input to its pixels."""
        boxes = self.in_picture(boxes, size)  # (P, 4)
        limits: dict[str, Any] = {
            "score_threshold": config.score_threshold,
            "iou_threshold": config.iou_threshold,
            "max_candidates": config.max_candidates,
            "max_detections": config.max_detections,
        }
        points = None if points is None else self.in_picture(points, size)  # (P, J, 2)
        # An IoU is the same in pixels and in fractions of the image.
        boxes = clip_boxes(boxes, 1.0, 1.0) if clip else boxes
        if config.weighted_nms:
            found = select_weighted(boxes, scores, points, **limits)
        else:
            found = select_detections(boxes, scores, **limits)
            if points is not None:
                found["keypoints"] = points[found["priors"]]  # (D, J, 2)
        whole = boxes.new_tensor([size[1], size[0]])  # (2,)
        found["boxes"] = found["boxes"] * whole.repeat(2)  # (D, 4)
        if "keypoints" in found:
            # The third column says that a point is there, as torchvision's key points do.
            found["keypoints"] = F.pad(found["keypoints"] * whole, (0, 1), value=1.0)  # (D, J, 3)
        return found

    def detect(
        self,
        images: Sequence[Tensor] | Tensor,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find the objects in pictures of any size.

        `prepare` makes the network's input of them.  The model runs in eval mode and is left in
        the mode it was found in.

        Args:
            images: a list of ``(3, H, W)``, or one ``(B, 3, H, W)``; RGB, uint8, or floating
                point in [0, 1].
            score_threshold: None for the config's; so are the next two.
            iou_threshold: see `DetectorConfig`.
            max_detections: see `DetectorConfig`.

        Returns:
            See `postprocess`; boxes are px of the given images, clipped to them.  No images,
            no answers: ``[]``.

        Raises:
            ValueError: naming the image that is none, and what is wrong with it.

        >>> import detlearn
        >>> model = detlearn.create_model("ssd_tiny")
        >>> found = model.detect([torch.zeros(3, 48, 64, dtype=torch.uint8)], max_detections=5)
        >>> sorted(found[0]), len(found[0]["scores"])
        (['boxes', 'labels', 'priors', 'scores'], 5)
        """
        self._with_thresholds(score_threshold, iou_threshold, max_detections)
        check_images(images)
        detections: list[dict[str, Tensor]] = []
        with evaluating(self), torch.inference_mode():
            for start in range(0, len(images), IMAGES_PER_PASS):
                part = images[start : start + IMAGES_PER_PASS]
                detections += self.postprocess(
                    self(self._prepare(part)),
                    [(image.shape[-2], image.shape[-1]) for image in part],
                    score_threshold=score_threshold,
                    iou_threshold=iou_threshold,
                    max_detections=max_detections,
                )
        # Copied outside inference mode they are ordinary tensors, which callers may change.
        return [{key: value.clone() for key, value in found.items()} for found in detections]

    def _with_thresholds(
        self,
        score_threshold: float | None,
        iou_threshold: float | None,
        max_detections: int | None,
    ) -> Any:
        given: dict[str, Any] = {
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "max_detections": max_detections,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(self.config, **changes)
