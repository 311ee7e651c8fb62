"""Feature-map explorer: every tensor that any module of a model makes of one image."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detlearn.show.canvas import INK, MUTED, ORANGE, PAPER, image_array
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.kept_pass import KeptPass
from detlearn.show.explorers.model.pixels import (
    colours_of,
    dashed_rectangle,
    encode_png,
    font,
    outline,
    tag,
    wrapped,
)
from detlearn.show.explorers.model.sight import extent_in_words, sight_in_words
from detlearn.show.receptive_field import ReceptiveField, SpatialTrace

__all__ = ["FeatureMapExplorer"]

COLUMNS, ROWS = 5, 4
LEFT, TILE, GAP, TOP = 400, 92, 6, 50


class FeatureMapExplorer(ModelExplorer):
    """Choose a module, a channel, a cell: what the network makes of the image there.

    The model runs once, in eval mode; every module's output is kept, and a control only draws.
    Left, the image with the chosen channel over it, the chosen cell, and the pixels that the
    cell sees (its receptive field, dashed). Right, the channels, those with the largest mean
    absolute value first. Each channel has the whole range of colours to itself, so brightness
    compares cells, not channels (it compares channels where a map has one cell only). A map is
    stretched over the image: exact where the layers' sides divide, half a cell off at most where
    they do not.

    The receptive field comes from arithmetic, not from gradients: kernels, strides, paddings and
    dilations on the way back to the image, exact for every cell (`SpatialTrace`).

    It takes any module of any model and needs a kernel; `PyramidExplorer`, for small ones, none.
    `explorer.module.value = "backbone"; explorer` shows another state; the controls are `module`,
    `tensor`, `channel`, `row`, `column` and `opacity`. All work with the keyboard.

    Args:
        model: takes images ``(1, 3, H, W)``; it is left in the mode it was found in.
        image: ``(3, H, W)`` uint8 or float in [0, 1], array ``(H, W, 3)`` or Pillow image. A
            detector's image is resized and normalised as `detect` does; another model with
            `normalize` gets what that returns; any other gets floats in [0, 1].
        module: name of the module shown first, "" for the whole model; the first one that makes
            maps of several channels when omitted.
        inputs: ``(1, 3, H, W)``, what the network is given, for models with rules of their own.

    Raises:
        ValueError: no module of that name, or inputs that are no such batch.

    >>> import detlearn
    >>> explorer = FeatureMapExplorer(detlearn.create_model("ssd_tiny"), torch.zeros(3, 128, 128))
    >>> explorer.module.value = "backbone"
    >>> explorer.tensor.value = "[1]"
    >>> repr(explorer).split("; ")[1]
    'tensor [1] of 4, shape (1, 64, 16, 16)'
    """

    def __init__(
        self,
        model: nn.Module,
        image: Any,
        module: str | None = None,
        *,
        inputs: Tensor | None = None,
    ) -> None:
        self.model = model
        self._modules = dict(model.named_modules())
        if module is not None and module not in self._modules:
            near = difflib.get_close_matches(module, self._modules, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"module: expected a name from model.named_modules(), got {module!r}{hint}"
            )
        self._image = image_array(image)
        self._inputs = network_input(model, image) if inputs is None else inputs
        if self._inputs.ndim != 4 or self._inputs.shape[:2] != (1, 3):
            raise ValueError(
                f"inputs: expected shape (1, 3, H, W), got {tuple(self._inputs.shape)}"
            )
        self._pass = KeptPass(model, self._inputs)
        self._trace: SpatialTrace | None = None
        self._trace_failed = False
        if module is None:
            module = next((name for name in self._modules if self._is_pyramid(name)), "")
        names = [(self._label(name), name) for name in self._modules]
        self.module = self.choice("module", names, module)
        self.tensor = self.choice("tensor", [("", "")], "")
        self.channel = self.slider("channel, by rank", 0, 0, 1, 1)
        self.row = self.slider("row of the cell", 0, 0, 1, 1)
        self.column = self.slider("column of the cell", 0, 0, 1, 1)
        self.opacity = self.slider("map over image", 0.6, 0.0, 1.0, 0.05)
        self._choose_module()
        self.assemble([self.module, self.tensor, self.channel, self.opacity, self.row, self.column])

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        self._pass = KeptPass(self.model, self._inputs)
        self._choose_tensor()
        self.draw()

    def _label(self, name: str) -> str:
        ways = self._pass.shapes.get(name, {})
        words = name or "(the whole model)"
        if not ways:
            return f"{words}  ·  no tensor"
        if len(ways) > 1:
            return f"{words}  ·  {len(ways)} tensors"
        shape = next(iter(ways.values()))[0]
        return f"{words}  ·  {' × '.join(map(str, shape[1:] or shape))}"

    def _is_pyramid(self, name: str) -> bool:
        shapes = [shape for shape, _, _ in self._pass.shapes.get(name, {}).values()]
        return bool(name) and any(len(shape) == 4 and shape[1] > 3 for shape in shapes)

    def follow(self, control: Any) -> None:
        """A module brings its tensors, a tensor its channels, rows and columns."""
        if control is self.module:
            self._choose_module()
        elif control is self.tensor:
            self._choose_tensor()

    def _choose_module(self) -> None:
        ways = self._pass.shapes.get(self.module.value, {})
        named = [(f"{way or 'the only one'}  ·  {ways[way][0]}", way) for way in ways]
        self.tensor.options = named or [("none", "")]
        self.tensor.value = next(iter(ways), "")
        self._choose_tensor()

    def _choose_tensor(self) -> None:
        self._maps = self._read_maps()
        count, height, width = self._maps.shape
        finite = torch.nan_to_num(self._maps)
        self._order = (
            finite.abs().flatten(1).mean(dim=1).argsort(descending=True, stable=True).tolist()
        )
        self._span: list[tuple[float, float]] = []
        if height * width:
            lows, highs = finite.flatten(1).aminmax(dim=1)
            self._span = list(zip(lows.tolist(), highs.tolist(), strict=True))
        if height == width == 1:  # one number a channel: here the colours compare channels
            low, high = (min(span[0] for span in self._span), max(span[1] for span in self._span))
            self._span = [(low, high)] * count
        self._tiles: dict[int, Any] = {}
        self._arrays: np.ndarray = finite.numpy()
        for slider, number in ((self.channel, count), (self.row, height), (self.column, width)):
            most = max(number - 1, 0)
            slider.value = min(slider.value, most)
            slider.max = most
            slider.disabled = number <= 1
        self.channel.value = 0
        self.row.value, self.column.value = height // 2, width // 2

    def _read_maps(self) -> Tensor:
        """The chosen tensor as maps ``(C, H, W)``, float32; none of them if there is nothing."""
        ways = self._pass.shapes.get(self.module.value, {})
        if self.tensor.value not in ways:
            return torch.zeros(0, 0, 0)
        values = self._pass.tensor(self.module.value, self.tensor.value).detach().cpu()
        values = (values.abs() if values.is_complex() else values).float()
        if values.ndim > 4 or values.numel() == 0:
            return torch.zeros(0, 0, 0)
        if values.ndim == 4:
            return values[0]
        if values.ndim == 3:  # predictions: one picture of K rows and N columns
            return values[0].T[None]
        return values.reshape(1, 1, -1)

    # ------------------------------------------------------------- what is shown

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the chosen tensor; None if the module makes none."""
        entry = self._pass.shapes.get(self.module.value, {}).get(self.tensor.value)
        return None if entry is None else entry[0]

    @property
    def strongest(self) -> int | None:
        """The channel with the largest mean absolute value; None if there is no map."""
        return self._order[0] if self._order else None

    @property
    def chosen(self) -> int | None:
        """The channel that lies over the image."""
        return self._order[self.channel.value] if self._order else None

    @property
    def field(self) -> ReceptiveField | None:
        """What the chosen cell sees; None where the tensor is no map of the image."""
        shape = self.shape
        if shape is None or len(shape) != 4 or 0 in shape:
            return None
        if self._trace is None and not self._trace_failed:
            try:
                size = self._inputs.shape[-2:]
                self._trace = SpatialTrace(self.model, (int(size[0]), int(size[1])))
            except Exception:  # a model that looks at values cannot run on `meta`
                self._trace_failed = True
        if self._trace is None:
            return None
        _, call, path = self._pass.shapes[self.module.value][self.tensor.value]
        cell = (self.row.value, self.column.value)
        return self._trace.field(self.module.value, path, cell, call)

    def _why_nothing(self) -> str:
        """A sentence where there is nothing to draw, else an empty string."""
        name, shape = self.module.value, self.shape
        module = self._modules[name]
        if shape is None:
            if not self._pass.shapes.get(name) and isinstance(
                module, (nn.ModuleList, nn.ModuleDict)
            ):
                return f"{name} is a list of modules and is never called itself: choose one in it"
            return f"{name or 'the model'} was not called for this image, or returned no tensor"
        if 0 in shape:
            return f"a tensor of shape {shape} has no numbers"
        if len(shape) > 4:
            return f"a tensor of {len(shape)} dimensions is not drawn, shape {shape}"
        return ""

    def __repr__(self) -> str:
        name = self.module.value
        kind, nothing = type(self._modules[name]).__name__, self._why_nothing()
        words = [f"Explorer of feature maps: {name or 'the whole model'} ({kind})"]
        if self.shape is not None:
            total = len(self._pass.shapes[name])
            which = f"tensor {self.tensor.value} of {total}, " if total > 1 else ""
            words.append(f"{which}shape {self.shape}")
        if nothing:
            return "; ".join([words[0], nothing]) + "."
        if self._is_map():
            words.append(f"channel {self.chosen} shown, {self.strongest} is the strongest")
        field = self.field
        if field is not None:
            words.append(f"cell ({self.row.value}, {self.column.value}) {sight_in_words(field)}")
        return "; ".join(words) + "."

    def _is_map(self) -> bool:
        return self.shape is not None and len(self.shape) == 4

    def facts(self) -> str:
        """Numbers of the module, the channel and the cell, as HTML."""
        name = self.module.value
        nothing = self._why_nothing()
        if nothing:
            return facts_table([("module", type(self._modules[name]).__name__)], nothing + ".")
        chosen = self.chosen or 0
        values = self._maps[chosen]
        finite = values.isfinite()
        rows = [("module", type(self._modules[name]).__name__), ("shape", str(self.shape))]
        if self._is_map():
            at = float(values[self.row.value, self.column.value])
            rows.append(("channel", f"{chosen}, rank {self.channel.value} of {len(self._order)}"))
            rows.append(("in the cell", f"{at:.3g}"))
        mean, low, high = (float(v) for v in (values.mean(), values.min(), values.max()))
        rows.append(("lowest, mean, highest", f"{low:.3g}, {mean:.3g}, {high:.3g}"))
        if not bool(finite.all()):
            rows.append(("not finite", f"{int((~finite).sum()):,} of {values.numel():,}"))
        if self._is_map():
            dead = int((self._maps == 0).flatten(1).all(dim=1).sum())
            rows.append(("zero everywhere", f"{dead} of {len(self._order)} channels"))
        field = self.field
        if field is not None:
            y, x = field.stride
            rows.append(("receptive field", extent_in_words(field)))
            step = f"{x:g} px" if x == y else f"{x:g} px across, {y:g} px down"
            rows.append(("stride", step if x or y else "none: every cell sees the same"))
        elif self._is_map():
            rows.append(("receptive field", "not known: this model cannot run without values"))
        return facts_table(rows)

    def picture(self) -> bytes:
        """Image and map on the left, channels on the right."""
        from PIL import Image, ImageDraw

        nothing = self._why_nothing()
        h, w = self._image.shape[:2]
        scale = LEFT / max(h, w)
        panel_w, panel_h = max(round(w * scale), 8), max(round(h * scale), 8)
        grid_w = COLUMNS * (TILE + GAP) - GAP
        wide, tall = LEFT + 24 + grid_w, TOP + LEFT + 26
        sheet = Image.new("RGB", (wide, tall), PAPER)
        pen = ImageDraw.Draw(sheet)
        title = self.module.value or "the whole model"
        if self.tensor.value:
            title += f"  {self.tensor.value}"
        pen.text((0, 2), title, fill=INK, font=font(16, bold=True))
        if self.shape is not None:
            pen.text((0, 25), f"shape {self.shape}", fill=MUTED, font=font(13))

        panel = Image.fromarray(self._image).resize((panel_w, panel_h), Image.Resampling.BICUBIC)
        if self._is_map() and not nothing:
            panel = self._laid_over(panel)
        sheet.paste(panel, (0, TOP))
        if nothing:
            wrapped(pen, nothing + ".", (LEFT + 24, TOP), grid_w)
            return encode_png(sheet)
        if not self._is_map():
            self._draw_matrix(sheet, pen, (LEFT + 24, TOP, wide, TOP + LEFT))
            return encode_png(sheet)
        self._draw_cell(sheet, pen, (panel_w, panel_h))
        self._draw_grid(sheet, pen)
        return encode_png(sheet)

    def _coloured(self, channel: int, size: tuple[int, int]) -> Any:
        """A channel in colours, (width, height) px; each of them shows the cell below it."""
        from PIL import Image

        values = self._arrays[channel]
        height, width = values.shape
        # choose before colouring: a tile of 92 px does not need a map of 300 x 300
        rows = (2 * np.arange(size[1]) + 1) * height // (2 * size[1])
        columns = (2 * np.arange(size[0]) + 1) * width // (2 * size[0])
        if size[0] > width:
            coloured = colours_of(values, *self._span[channel])
            return Image.fromarray(coloured).resize(size, Image.Resampling.NEAREST)
        return Image.fromarray(colours_of(values[rows][:, columns], *self._span[channel]))

    def _laid_over(self, panel: Any) -> Any:
        """The chosen channel over the image; low values are thinner than high ones."""
        from PIL import Image

        chosen = self.chosen or 0
        low, high = self._span[chosen]
        unit = (self._arrays[chosen] - low) / (high - low if high > low else 1)
        share = self.opacity.value * (0.4 + 0.6 * unit.clip(0, 1))
        mask = Image.fromarray((255 * share).astype(np.uint8))
        mask = mask.resize(panel.size, Image.Resampling.NEAREST)
        return Image.composite(self._coloured(chosen, panel.size), panel, mask)

    def _draw_cell(self, sheet: Any, pen: Any, panel: tuple[int, int]) -> None:
        """The chosen cell and what it sees, on the image."""
        from PIL import ImageDraw

        panel_w, panel_h = panel
        _, height, width = self._arrays.shape
        row, column = self.row.value, self.column.value
        x, y = panel_w / width, panel_h / height
        cell = (column * x, row * y, (column + 1) * x, (row + 1) * y)
        # drawn on the panel alone, so that no line leaves the image
        part = sheet.crop((0, TOP, panel_w, TOP + panel_h))
        brush = ImageDraw.Draw(part)
        field = self.field
        words = f"cell ({row}, {column})"
        if field is not None:
            in_h, in_w = self._inputs.shape[-2:]
            sx, sy = panel_w / in_w, panel_h / in_h
            x1, y1, x2, y2 = field.box
            seen = (x1 * sx + 1, y1 * sy + 1, x2 * sx - 2, y2 * sy - 2)
            dashed_rectangle(brush, seen, ORANGE, 3, 9)
            words += f" {sight_in_words(field)}"
        outline(brush, cell, INK, 2)
        sheet.paste(part, (0, TOP))
        pen.text((0, TOP + panel_h + 6), words, fill=INK, font=font(13))

    def _draw_grid(self, sheet: Any, pen: Any) -> None:
        """The channels around the chosen one, strongest first."""
        count, height, width = self._arrays.shape
        left, each = LEFT + 24, COLUMNS * ROWS
        first = self.channel.value // each * each
        shown = self._order[first : first + each]
        words = f"ranks {first} to {first + len(shown) - 1} of {count} channels, strongest first"
        pen.text((left, 25), words, fill=MUTED, font=font(13))
        tile_h = min(max(round(TILE * height / width), 12), TILE)
        tile_w = min(max(round(TILE * width / height), 12), TILE)
        mark = None
        for place, channel in enumerate(shown):
            down, across = divmod(place, COLUMNS)
            x, y = left + across * (TILE + GAP), TOP + down * (tile_h + GAP)
            if channel not in self._tiles:
                self._tiles[channel] = self._coloured(channel, (tile_w, tile_h))
            sheet.paste(self._tiles[channel], (x, y))
            if tile_h >= 20:
                tag(pen, (x, y), str(channel), size=11)
            if first + place == self.channel.value:
                mark = (x + 1, y + 1, x + tile_w - 2, y + tile_h - 2)
        if mark is not None:
            outline(pen, mark, ORANGE, 3)

    def _draw_matrix(self, sheet: Any, pen: Any, frame: tuple[int, int, int, int]) -> None:
        """A tensor that is no map of the image: its numbers as one field of colours."""
        _, height, width = self._arrays.shape
        x1, y1, x2, y2 = frame
        size = (x2 - x1, min(max(24 * height, 24), y2 - y1))
        sheet.paste(self._coloured(0, size), (x1, y1))
        words = f"no map of the image: {height} rows, {width:,} columns, as one field"
        pen.text((x1, 25), words, fill=MUTED, font=font(13))
