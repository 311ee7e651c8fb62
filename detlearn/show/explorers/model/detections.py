"""Detection explorer: thresholds on a model's answer, and where each box came from."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import PriorBox, box_iou, cxcywh_to_xyxy
from detlearn.models import Detector, RefineDet
from detlearn.models.modes import evaluating
from detlearn.show.canvas import INK, MUTED, ORANGE, PAPER, class_colour, image_array, ink_on
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.pixels import (
    arrow,
    dashed_rectangle,
    encode_png,
    font,
    outline,
    tag,
)

__all__ = ["DetectionExplorer"]

SIDE, GAP, TOP = 430, 24, 30
LISTED, NAMED = 30, 12
FOUND_IOU = 0.5


class DetectionExplorer(ModelExplorer):
    """Score threshold, IoU threshold, number of boxes: what stays, and which prior made it.

    The network runs once; a control only repeats what follows it (threshold, suppression, the
    best of all: `model.postprocess`, the second half of `model.detect`). Left, all boxes that
    stay, ground truth dashed. Right, the chosen one enlarged: its prior (orange, dashed), the
    box that was decoded from it, and the object it overlaps most. Below, the list with level,
    cell, prior and IoU of prior and box. A RefineDet's prior is moved twice, and so the anchor in
    between is drawn too (thin, dashed).  `ThresholdExplorer` shows the same without a kernel, for
    a trained model and a small picture; this one takes models and pictures of any size.

    `explorer.score.value = 0.9; explorer` shows another state; the controls are `score`, `iou`,
    `most` and `box`. All work with the keyboard.

    Args:
        model: any detector of the course; it is left in the mode it was found in.
        image: ``(3, H, W)`` uint8 or float in [0, 1], array ``(H, W, 3)`` or Pillow image.
        target: "boxes" ``(G, 4)`` xyxy, px of the image, and "labels" ``(G,)``; G = 0 is legal.
        score_threshold: at first; 0.01 to 0.99.

    Raises:
        ValueError: the model is no detector of the course, or the target does not fit.

    Invariant:
        `explorer.detections` is what `model.detect` answers with the same thresholds.

    >>> import detlearn
    >>> model = detlearn.create_model("ssd_tiny")
    >>> DetectionExplorer(model, torch.zeros(3, 64, 96), score_threshold=0.99)
    Explorer of detections: ssd_tiny, score over 0.99, IoU at most 0.45, at most 100; no box.
    """

    def __init__(
        self,
        model: Detector,
        image: Any,
        target: Mapping[str, Any] | None = None,
        *,
        score_threshold: float = 0.5,
    ) -> None:
        if not isinstance(model, Detector):
            raise ValueError(f"model: expected a Detector, got {type(model).__name__}")
        if not 0.01 <= score_threshold <= 0.99:
            raise ValueError(f"score_threshold: expected 0.01 to 0.99, got {score_threshold}")
        self.model = model
        self._image = image_array(image)
        self._truth, self._truth_labels = _checked_target(target)
        self._given_truth = target is not None
        self._given = network_input(model, image)
        config = model.config
        self._layout = PriorBox(config.priors)
        self.score = self.slider("score over", score_threshold, 0.01, 0.99, 0.01)
        self.iou = self.slider("IoU at most", round(config.iou_threshold, 2), 0.0, 1.0, 0.05)
        self.most = self.slider("boxes at most", config.max_detections, 1, config.max_detections, 1)
        self.box = self.slider("look at box", 0, 0, 1, 1)
        self._run()
        self._select()
        self.assemble([self.score, self.iou, self.most, self.box])

    # ------------------------------------------------------------- one pass, kept

    def _run(self) -> None:
        with evaluating(self.model), torch.no_grad():
            self._predictions = self.model(self._given)
            self._anchors = self._read_anchors()

    def _read_anchors(self) -> Tensor | None:
        """Where the first of two steps left the priors, px of the image; None with one step."""
        if not isinstance(self.model, RefineDet) or not self.model.config.two_step:
            return None
        anchors = self.model.anchors(self._predictions.arm_deltas.float())[0]
        return cxcywh_to_xyxy(anchors).cpu() * self._scale()

    def _scale(self) -> Tensor:
        height, width = self._image.shape[:2]
        return torch.tensor([width, height, width, height], dtype=torch.float32)

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        self._run()
        self._select()
        self.draw()

    def follow(self, control: Any) -> None:
        """Other thresholds, other boxes."""
        if control is not self.box:
            self._select()

    def _select(self) -> None:
        with torch.no_grad():
            found = self.model.postprocess(
                self._predictions,
                [self._image.shape[:2]],
                score_threshold=self.score.value,
                iou_threshold=self.iou.value,
                max_detections=self.most.value,
            )[0]
        self.detections = {key: value.detach().cpu() for key, value in found.items()}
        chosen = self.detections["priors"]
        priors = cxcywh_to_xyxy(self.model.priors.detach().cpu()[chosen]) * self._scale()
        boxes = self.detections["boxes"]
        self._priors = priors
        self._overlap = _row_iou(priors, boxes)
        overlaps = box_iou(boxes, self._truth)  # (D, G)
        same = self.detections["labels"][:, None] == self._truth_labels[None]  # (D, G)
        self._with_truth = overlaps
        self._hits = overlaps * same
        self._places = [self._layout.locate(int(index)) for index in chosen]
        most = max(len(boxes) - 1, 0)
        self.box.value = min(self.box.value, most)
        self.box.max = most
        self.box.disabled = len(boxes) <= 1

    # ------------------------------------------------------------- what is shown

    @property
    def found(self) -> int:
        """Objects of the target with a box of their class and an IoU of at least 0.5."""
        if not len(self._hits):
            return 0
        return int((self._hits.amax(dim=0) >= FOUND_IOU).sum())

    @property
    def by_level(self) -> tuple[int, ...]:
        """How many boxes each level made, fine to coarse."""
        counts = [0] * self.model.config.priors.num_levels
        for place in self._places:
            counts[place.level] += 1
        return tuple(counts)

    def _class(self, label: int) -> str:
        names = self.model.class_names
        return names[label] if names is not None and label < len(names) else f"class {label}"

    def __repr__(self) -> str:
        config, count = self.model.config, len(self._places)
        words = [
            f"Explorer of detections: {config.name}, score over {self.score.value:.2f}, "
            f"IoU at most {self.iou.value:.2f}, at most {self.most.value}"
        ]
        if not count:
            words.append("no box")
        else:
            counts = ", ".join(map(str, self.by_level))
            words.append(f"{count} box{'es' * (count > 1)}, by level {counts}")
        if self._given_truth:
            words.append(f"{self.found} of {len(self._truth)} objects found")
        if count:
            index, place = self.box.value, self._places[self.box.value]
            label = self._class(int(self.detections["labels"][index]))
            words.append(
                f"box {index} ({label}) is from level {place.level}, "
                f"cell ({place.row}, {place.column}), prior {place.prior}"
            )
        return "; ".join(words) + "."

    def facts(self) -> str:
        """The list of boxes, the chosen one's row in bold."""
        count = len(self._places)
        if not count:
            return facts_table([], f"No box scores over {self.score.value:.2f}: lower the score.")
        two_step = self._anchors is not None
        header = ["box", "class", "score", "level", "row, column", "prior", "prior, px", "box, px"]
        header += ["IoU prior, box"] + ["IoU anchor, box"] * two_step
        header += ["IoU object, box"] * bool(len(self._truth))
        cell = "padding: 1px 0.9em 1px 0; text-align: left; white-space: nowrap"
        parts = [
            '<div style="max-height: 17em; overflow: auto; line-height: 1.35" tabindex="0" '
            'role="region" aria-label="list of boxes">'
            '<table style="font-variant-numeric: tabular-nums"><thead><tr>'
        ]
        parts += [f'<th scope="col" style="{cell}">{name}</th>' for name in header]
        parts.append("</tr></thead><tbody>")
        chosen = self.box.value
        start = min(max(0, chosen - LISTED + 1), max(count - LISTED, 0))
        for index in range(start, min(start + LISTED, count)):
            style = "font-weight: 700; background: #FFF3D6; color: #1B1F24"
            parts.append(f'<tr style="{style}">' if index == chosen else "<tr>")
            for value in self._row(index):
                parts.append(f'<td style="{cell}">{html.escape(value)}</td>')
            parts.append("</tr>")
        parts.append("</tbody></table></div>")
        if count > LISTED:
            last = min(start + LISTED, count) - 1
            parts.append(f"<p>Boxes {start} to {last} of {count} are listed.</p>")
        return "".join(parts)

    def _row(self, index: int) -> list[str]:
        place, box, prior = self._places[index], self._box(index), self._priors[index]
        sides = self.model.config.priors.map_sizes[place.level]
        row = [
            str(index),
            self._class(int(self.detections["labels"][index])),
            f"{float(self.detections['scores'][index]):.2f}",
            f"{place.level} ({sides} × {sides})",
            f"{place.row}, {place.column}",
            f"{place.prior} of 0–{self.model.config.priors.priors_per_cell[place.level] - 1}",
            _sides(prior),
            _sides(box),
            f"{float(self._overlap[index]):.2f}",
        ]
        if self._anchors is not None:
            anchor = self._anchors[int(self.detections["priors"][index])]
            row.append(f"{float(_row_iou(anchor[None], box[None])[0]):.2f}")
        if len(self._truth):
            row.append(f"{float(self._with_truth[index].max()):.2f}")
        return row

    def _box(self, index: int) -> Tensor:
        return self.detections["boxes"][index]

    def picture(self) -> bytes:
        """All boxes on the left, the chosen one with its prior on the right."""
        from PIL import Image, ImageDraw

        height, width = self._image.shape[:2]
        scale = SIDE / max(height, width)
        w, h = max(round(width * scale), 8), max(round(height * scale), 8)
        sheet = Image.new("RGB", (2 * SIDE + GAP, TOP + SIDE + 46), PAPER)
        pen = ImageDraw.Draw(sheet)
        count = len(self._places)
        title = f"{count} box{'es' * (count != 1)}"
        if self._given_truth:
            title += f", {self.found} of {len(self._truth)} objects found"
        pen.text((0, 2), title, fill=INK, font=font(16, bold=True))
        whole = Image.fromarray(self._image).resize((w, h), Image.Resampling.BICUBIC)
        self._draw_all(whole, scale)
        sheet.paste(whole, (0, TOP))
        if count:
            pen.text((SIDE + GAP, 2), f"box {self.box.value} and its prior",
                     fill=INK, font=font(16, bold=True))  # fmt: skip
            sheet.paste(self._enlarged(), (SIDE + GAP, TOP))
            self._key(pen)
        else:
            words = "no box scores over the threshold"
            pen.text((SIDE + GAP, TOP + 4), words, fill=MUTED, font=font(14))
        return encode_png(sheet)

    def _draw_all(self, panel: Any, scale: float) -> None:
        from PIL import ImageDraw

        pen = ImageDraw.Draw(panel)
        frame = (0.0, 0.0, float(panel.width), float(panel.height))
        for truth in self._truth:
            dashed_rectangle(pen, _scaled(truth, scale), INK, 2, 5)
        order = [k for k in reversed(range(len(self._places))) if k != self.box.value]
        if self._places:
            order.append(self.box.value)  # the chosen one on top
        for index in order:
            colour = class_colour(int(self.detections["labels"][index]))
            is_chosen = index == self.box.value
            outline(pen, _scaled(self._box(index), scale), colour, 4 if is_chosen else 2)
        for index in order:
            if index >= NAMED and index != self.box.value:
                continue
            colour = class_colour(int(self.detections["labels"][index]))
            x1, y1, _, _ = _scaled(self._box(index), scale)
            score = float(self.detections["scores"][index])
            words = f"{index} {self._class(int(self.detections['labels'][index]))} {score:.2f}"
            tag(pen, (x1, y1 - 17), words, ink=ink_on(colour), paper=colour, size=11, inside=frame)

    def _enlarged(self) -> Any:
        """The surroundings of the chosen box and of its prior, square."""
        from PIL import Image, ImageDraw

        index = self.box.value
        box, prior = self._box(index), self._priors[index]
        shown = [box, prior]
        anchor = None
        if self._anchors is not None:
            anchor = self._anchors[int(self.detections["priors"][index])]
            shown.append(anchor)
        truth = None
        if len(self._truth) and float(self._with_truth[index].max()) > 0:
            truth = self._truth[int(self._with_truth[index].argmax())]
            shown.append(truth)
        corners = torch.stack(shown)
        x1, y1 = corners[:, :2].amin(dim=0).tolist()
        x2, y2 = corners[:, 2:].amax(dim=0).tolist()
        side = max(1.35 * max(x2 - x1, y2 - y1), 12.0)
        left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
        height, width = self._image.shape[:2]
        paper = Image.new("RGB", (SIDE, SIDE), "#E6E8EB")
        scale = SIDE / side
        cut = (max(math.floor(left), 0), max(math.floor(top), 0),
               min(math.ceil(left + side), width), min(math.ceil(top + side), height))  # fmt: skip
        if cut[0] < cut[2] and cut[1] < cut[3]:
            part = Image.fromarray(
                np.ascontiguousarray(self._image[cut[1] : cut[3], cut[0] : cut[2]])
            )
            size = (round((cut[2] - cut[0]) * scale), round((cut[3] - cut[1]) * scale))
            part = part.resize((max(size[0], 1), max(size[1], 1)), Image.Resampling.BICUBIC)
            paper.paste(part, (round((cut[0] - left) * scale), round((cut[1] - top) * scale)))
        pen = ImageDraw.Draw(paper)

        def place(corners: Tensor) -> tuple[float, ...]:
            x1, y1, x2, y2 = corners.tolist()
            return tuple(v * scale for v in (x1 - left, y1 - top, x2 - left, y2 - top))

        colour = class_colour(int(self.detections["labels"][index]))
        if truth is not None:
            dashed_rectangle(pen, place(truth), INK, 2, 5)
        if anchor is not None:
            dashed_rectangle(pen, place(anchor), ORANGE, 2, 4)
        dashed_rectangle(pen, place(prior), ORANGE, 4, 10)
        outline(pen, place(box), colour, 4)
        arrow(pen, _middle(place(prior)), _middle(place(box)))
        return paper

    def _key(self, pen: Any) -> None:
        index = self.box.value
        where = self._places[index]
        y, x = TOP + SIDE + 8, SIDE + GAP
        words = (
            f"level {where.level}, row {where.row}, column {where.column}, prior {where.prior}; "
            f"IoU of prior and box {float(self._overlap[index]):.2f}"
        )
        pen.text((x, y), words, fill=INK, font=font(13))
        pen.line((0, y + 8, 26, y + 8), MUTED, 4)
        pen.text((34, y), "box", fill=INK, font=font(13))
        places = [(80, ORANGE, 4, "prior")]
        places += [(160, ORANGE, 2, "anchor")] * (self._anchors is not None)
        places += [(250, INK, 2, "ground truth")] * self._given_truth
        for start, colour, wide, name in places:
            for dash in (0, 14):
                pen.line((start + dash, y + 8, start + dash + 8, y + 8), colour, wide)
            pen.text((start + 30, y), name, fill=INK, font=font(13))


def _checked_target(target: Mapping[str, Any] | None) -> tuple[Tensor, Tensor]:
    if target is None:
        return torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    if not isinstance(target, Mapping) or not {"boxes", "labels"} <= target.keys():
        got = sorted(target) if isinstance(target, Mapping) else type(target).__name__
        raise ValueError(f"target: expected a dict with 'boxes' and 'labels', got {got}")
    boxes = torch.as_tensor(target["boxes"]).detach().cpu().as_subclass(Tensor).float()
    labels = torch.as_tensor(target["labels"]).detach().cpu().as_subclass(Tensor).long()
    boxes = boxes.reshape(0, 4) if boxes.numel() == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"target['boxes']: expected shape (G, 4), got {tuple(boxes.shape)}")
    if labels.shape != boxes.shape[:1]:
        raise ValueError(
            f"target['labels']: expected shape ({len(boxes)},), one a box, got "
            f"{tuple(labels.shape)}"
        )
    return boxes, labels


def _row_iou(one: Tensor, other: Tensor) -> Tensor:
    """IoU of each box with the box of its row, ``(D, 4)`` and ``(D, 4)`` -> ``(D,)``."""
    return box_iou(one, other).diagonal()  # a few hundred rows at most


def _scaled(box: Tensor, scale: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(v) * scale for v in box)
    return x1, y1, x2, y2


def _sides(box: Tensor) -> str:
    x1, y1, x2, y2 = box.tolist()
    return f"{x2 - x1:.0f} × {y2 - y1:.0f}"


def _middle(box: tuple[float, ...]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
