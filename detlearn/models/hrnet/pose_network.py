"""HRNet for human pose: people in, joints out (Sun et al. 2019, §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...losses import heatmap_loss
from ..checks import (
    check_choice,
    check_flag,
    check_image,
    check_integer,
    check_number,
    check_numbers,
    check_positive,
    is_integer,
)
from ..inputs import TakesPictures
from ..modes import evaluating
from ..pose import (
    COCO_FLIP_ORDER,
    MPII_FLIP_ORDER,
    Decoding,
    affine_matrix,
    box_to_center_scale,
    crop_image,
    decode_heatmaps,
    flip_heatmaps,
    heatmaps_to_image,
)
from .trunk import HRNet, HRNetConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseHRNetConfig(HRNetConfig):
    """A trunk that ends in heat maps; see also `HRNetConfig`.

    Attributes:
        name: the model's name in `detlearn.list_models`.
        num_joints: J; 17 for COCO, 16 for MPII.
        crop_size: (height, width) of the person's crop, px.
        sigma: width of the targets' bumps, heat-map px: 2, and 3 for 384 x 288.
        rounded: whether the bumps stand on whole pixels, see `make_heatmaps`.
        decoding: ``"argmax"``, ``"quarter"`` (published) or ``"dark"``, see `decode_heatmaps`.
        pixel_center: coordinate of the first pixel's middle, in key points and boxes: 0 for
            COCO and MPII as the published code reads them, 0.5 for Shapes.
        flip_order: the joints' order in a mirrored picture; empty for that of COCO or MPII, None
            where nobody knows: then nothing is mirrored.
        hard_joints: the loss counts only so many joints of a person, the worst (OHKM); None
            for all, as published.
        image_mean: subtracted from images in [0, 1], RGB.
        image_std: divides them after that.
    """

    name: str
    num_joints: int = 17
    crop_size: tuple[int, int] = (256, 192)
    sigma: float = 2.0
    rounded: bool = True
    decoding: Decoding = "quarter"
    pixel_center: float = 0.0
    flip_order: tuple[int, ...] | None = ()
    hard_joints: int | None = None
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        HRNetConfig.__post_init__(self)
        check_integer("num_joints", self.num_joints)
        sides = self.crop_size
        if not (
            isinstance(sides, tuple)
            and len(sides) == 2
            and all(is_integer(side) and (self.pad or side % self.stride == 0) for side in sides)
        ):
            raise ValueError(
                f"crop_size: expected (height, width), multiples of {self.stride}, got {sides!r}"
            )
        check_choice("decoding", self.decoding, ("argmax", "quarter", "dark"))
        check_positive("sigma", self.sigma)
        check_number("pixel_center", self.pixel_center)
        check_flag("rounded", self.rounded)
        for name in ("image_mean", "image_std"):
            check_numbers(name, getattr(self, name), 3, positive=name == "image_std")
        order, joints = self.flip_order, range(self.num_joints)
        whole = order is None or (isinstance(order, tuple) and len(order) in (0, len(joints)))
        if not whole or (order and any(joint not in order for joint in joints)):
            raise ValueError(
                f"flip_order: expected each of the {self.num_joints} joints once, got {order}"
            )
        hard = self.hard_joints
        if hard is not None and not (is_integer(hard) and hard <= self.num_joints):
            raise ValueError(f"hard_joints: expected 1 to {self.num_joints}, got {hard!r}")

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(height, width) of the maps: a quarter of the crop's."""
        height, width = self.crop_size
        return math.ceil(height / 4), math.ceil(width / 4)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """The joints' order in a mirrored picture."""
        known = {17: COCO_FLIP_ORDER, 16: MPII_FLIP_ORDER}
        order = None if self.flip_order is None else self.flip_order or known.get(self.num_joints)
        if order is None:
            raise ValueError(
                f"flip_order: these {self.num_joints} joints are neither COCO's nor MPII's; say in "
                "which order a mirrored picture has them"
            )
        return order


PEOPLE_PER_PASS = 32
"""`PoseHRNet.estimate` splits larger crowds, so that memory does not grow with them."""


class PoseHRNet(TakesPictures):
    """HRNet for human pose: the trunk's finest map, and a 1x1 convolution (Sun et al. 2019, §3).

    Args:
        config: a preset, or `dataclasses.replace` of one.

    Attributes:
        config: the same.
        class_names: None; it knows no classes.
        joint_names: of the key points that it was trained on; None if nobody said.

    **Deviation:** the published code draws all convolutions from N(0, 0.001²); here only those
    of the head, the trunk's are Kaiming-normal, as HRNet for detection starts.

    >>> PoseHRNet(POSE_HRNET_TINY)(torch.zeros(2, 3, 128, 96)).shape
    torch.Size([2, 17, 32, 24])
    """

    def __init__(self, config: PoseHRNetConfig) -> None:
        super().__init__(config)
        self.config = config
        self.class_names: tuple[str, ...] | None = None
        self.joint_names: tuple[str, ...] | None = None
        self.trunk = HRNet(config, num_outputs=1)
        self.head = nn.Conv2d(config.widths[0], config.num_joints, 1)
        nn.init.normal_(self.head.weight, std=0.001)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, crops: Tensor) -> Tensor:
        """Heat maps of crops with one person each.

        Args:
            crops: ``(B, 3, H, W)`` as `normalize` makes them; any size whose sides are multiples
                of 32.

        Returns:
            ``(B, J, H/4, W/4)``.

        Raises:
            ValueError: if the crops are no such batch.
        """
        if crops.ndim != 4 or crops.shape[1] != 3 or not crops.is_floating_point():
            raise ValueError(
                f"crops: expected normalised floating point (B, 3, H, W), got {crops.dtype} of "
                f"shape {tuple(crops.shape)}; model.estimate takes pictures and boxes"
            )
        (finest,) = self.trunk(crops)
        heatmaps: Tensor = self.head(finest)
        return heatmaps

    def loss(self, heatmaps: Tensor, targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Mean squared error to the painted bumps, labelled joints only.

        Args:
            heatmaps: what `forward` returned.
            targets: for each crop ``"heatmaps" (J, H/4, W/4)`` and ``"weights" (J,)``, see
                `make_heatmaps`; other keys are ignored.

        Returns:
            ``"heatmaps"``, a scalar.

        Raises:
            ValueError: naming the crop whose target does not fit.
        """
        if not isinstance(heatmaps, Tensor) or not isinstance(targets, Sequence):
            got = f"{type(heatmaps).__name__} and {type(targets).__name__}"
            raise ValueError(f"expected heat maps and a list of targets, got {got}")
        if len(targets) != len(heatmaps):
            raise ValueError(
                f"targets: expected one for each of the {len(heatmaps)} crops, got {len(targets)}"
            )
        shape = tuple(heatmaps.shape[1:])
        for index, target in enumerate(targets):
            if not {"heatmaps", "weights"} <= target.keys():
                raise ValueError(
                    f"targets[{index}]: expected 'heatmaps' and 'weights', got {sorted(target)}; "
                    "detlearn.data.KeypointCrops makes them"
                )
            if tuple(target["heatmaps"].shape) != shape:
                raise ValueError(
                    f"targets[{index}]: expected heatmaps {shape}, "
                    f"got {tuple(target['heatmaps'].shape)}"
                )
        target_maps = torch.stack([target["heatmaps"] for target in targets])  # (B, J, H, W)
        weights = torch.stack([target["weights"] for target in targets])  # (B, J)
        error = heatmap_loss(
            heatmaps,
            target_maps.to(heatmaps.device),
            weights.to(heatmaps.device),
            hard_joints=self.config.hard_joints,
        )
        return {"heatmaps": error}

    def heatmaps(self, crops: Tensor, flip: bool = True, shift: bool = True) -> Tensor:
        """Heat maps, averaged with those of the mirrored crops: the flip test.

        Args:
            crops: as for `forward`.
            flip: look at the mirrored crops as well.
            shift: move their maps right by one pixel, see `flip_heatmaps`.

        Returns:
            ``(B, J, H/4, W/4)``.
        """
        maps: Tensor = self(crops)
        if not flip or self.config.flip_order is None:  # nobody knows what a mirror does
            return maps
        mirrored = flip_heatmaps(self(crops.flip(-1)), self.config.mirrored, shift)
        return (maps + mirrored) / 2

    def estimate(
        self,
        images: Sequence[Tensor],
        boxes: Sequence[Tensor],
        box_scores: Sequence[Tensor] | None = None,
        *,
        flip: bool = True,
        shift: bool = True,
        decoding: Decoding | None = None,
        least_joint_score: float = 0.2,
    ) -> list[dict[str, Tensor]]:
        """Find the joints of the people in given boxes, in pictures of any size.

        The model runs in eval mode and is left in the mode it was found in.

        Args:
            images: ``(3, H, W)`` each; RGB, uint8, or floating point in [0, 1].
            boxes: for each image ``(N, 4)`` xyxy, px; no box is legal.
            box_scores: for each image ``(N,)``, how sure the detector was; 1 by default.
            flip: see `heatmaps`.
            shift: see `heatmaps`.
            decoding: None for the config's.
            least_joint_score: joints below it do not count for a person's score.

        Returns:
            For each image, as torchvision's Keypoint R-CNN: ``"boxes" (N, 4)``,
            ``"keypoints" (N, J, 3)`` x, y (px of the image) and 1, ``"keypoints_scores" (N, J)``
            the peaks' heights, and ``"scores" (N,)``, the box's score times the mean of the
            joints' scores above ``least_joint_score``.

        Raises:
            ValueError: naming the image or the boxes that are none.

        >>> model = PoseHRNet(POSE_HRNET_TINY)
        >>> image = torch.zeros(3, 48, 64, dtype=torch.uint8)
        >>> found = model.estimate([image], [torch.tensor([[10.0, 5, 30, 45]])])
        >>> found[0]["keypoints"].shape
        torch.Size([1, 17, 3])
        """
        if not isinstance(images, Sequence | Tensor) or not isinstance(boxes, Sequence | Tensor):
            got = f"{type(images).__name__} and {type(boxes).__name__}"
            raise ValueError(f"expected a list of images and one of boxes, got {got}")
        if len(images) != len(boxes):
            raise ValueError(
                f"boxes: expected one tensor (N, 4) for each of the {len(images)} images, "
                f"got {len(boxes)}"
            )
        for index, (image, one) in enumerate(zip(images, boxes, strict=True)):
            check_image(image, f"images[{index}]", dims=3)
            _check_boxes(one, f"boxes[{index}]")
        device, counts = self.image_mean.device, [len(one) for one in boxes]
        every = torch.cat(
            [torch.zeros(0, 4), *(one.as_subclass(Tensor).cpu() for one in boxes)]
        ).to(device, torch.float32)  # (N, 4)
        sure = every.new_ones(len(every))  # (N,)
        if box_scores is not None:
            sure = torch.cat([sure[:0], *(one.to(sure) for one in box_scores)])  # (N,)
        pictures = [image for image, n in zip(images, counts, strict=True) for _ in range(n)]
        with evaluating(self), torch.inference_mode():
            keypoints, scores = self._estimate(
                pictures, every, flip, shift, decoding or self.config.decoding
            )
        counted = scores > least_joint_score  # (N, J)
        mean = (scores * counted).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)  # (N,)
        columns = {
            "boxes": every,
            "keypoints": keypoints,
            "keypoints_scores": scores,
            "scores": sure * mean,
        }
        # Copied outside inference mode they are ordinary tensors, which callers may change.
        split = {key: value.clone().split(counts) for key, value in columns.items()}
        return [{key: parts[i] for key, parts in split.items()} for i in range(len(images))]

    def _estimate(
        self, pictures: list[Tensor], boxes: Tensor, flip: bool, shift: bool, decoding: Decoding
    ) -> tuple[Tensor, Tensor]:
        """Key points ``(N, J, 3)`` and their scores ``(N, J)``; a picture for every box."""
        config, device = self.config, boxes.device
        center, scale = box_to_center_scale(boxes, config.crop_size)
        matrices = affine_matrix(center, scale, config.crop_size, inverse=True)  # (N, 2, 3)
        points = [boxes.new_zeros(0, config.num_joints, 2)]
        scores = [boxes.new_zeros(0, config.num_joints)]
        for start in range(0, len(boxes), PEOPLE_PER_PASS):
            people = range(start, min(start + PEOPLE_PER_PASS, len(boxes)))
            crops = [
                self.normalize(
                    crop_image(
                        pictures[n].to(device), matrices[n], config.crop_size, config.pixel_center
                    )
                )
                for n in people
            ]
            maps = self.heatmaps(torch.stack(crops), flip, shift).float()  # (B, J, H, W)
            peaks = decode_heatmaps(maps, decoding, config.sigma)
            points.append(peaks.points)
            scores.append(peaks.scores)
        places = heatmaps_to_image(torch.cat(points), center, scale, config.heatmap_size)
        keypoints = torch.cat([places, torch.ones_like(places[..., :1])], dim=-1)  # (N, J, 3)
        return keypoints, torch.cat(scores)


def _check_boxes(boxes: object, name: str) -> None:
    if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[-1] != 4:
        got = tuple(boxes.shape) if isinstance(boxes, Tensor) else type(boxes).__name__
        raise ValueError(f"{name}: expected a tensor (N, 4) of corners, got {got}")
    bad = ~(boxes.isfinite().all(dim=1) & (boxes[:, :2] < boxes[:, 2:]).all(dim=1))
    if bad.any():
        index = int(bad.nonzero()[0])
        corners = boxes[index].tolist()
        raise ValueError(f"{name}: box {index} is {corners}: expected finite x1 < x2 and y1 < y2")


POSE_HRNET_W32 = PoseHRNetConfig(name="pose_hrnet_w32")
"""HRNet-W32 for COCO's 17 joints, 256 x 192."""


POSE_HRNET_W48 = PoseHRNetConfig(name="pose_hrnet_w48", widths=(48, 96, 192, 384))
"""HRNet-W48 for COCO's 17 joints; published for 256 x 192 and, with sigma 3, for 384 x 288."""


POSE_HRNET_TINY = PoseHRNetConfig(
    name="pose_hrnet_tiny",
    widths=(16, 24, 32, 48),  # not doubling: 17 heat maps need a wide finest branch
    modules=(1, 2, 2),
    num_blocks=1,
    stem_width=16,
    stage1_width=16,
    stage1_blocks=1,
    crop_size=(128, 96),
    sigma=1.5,
    rounded=False,
    decoding="dark",
    pixel_center=0.5,
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
)
"""Half a million parameters, for the people of the embedded data set Shapes."""
