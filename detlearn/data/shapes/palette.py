"""Papers and inks: colours that a reader can tell apart, also one who is colour-blind."""

from __future__ import annotations

Color = tuple[int, int, int]

# Papers. Steps of lightness and of yellow-blue tell them apart for colour-blind readers too.
TOMATO, MARIGOLD, BUTTER = (212, 70, 50), (238, 152, 40), (250, 214, 98)
JADE, SKY, COBALT = (22, 138, 118), (104, 180, 224), (36, 80, 156)
ROSE, CHALK, INK = (226, 140, 168), (252, 246, 232), (42, 44, 64)
PEACH, CLAY, UMBER = (246, 198, 164), (186, 120, 82), (104, 66, 52)
PALETTE = (TOMATO, MARIGOLD, BUTTER, JADE, SKY, COBALT, ROSE, CHALK, INK, PEACH, CLAY, UMBER)
SKINS = (PEACH, CLAY, UMBER, BUTTER, ROSE)
CREAM, MIST, SAGE, SAND = (244, 232, 208), (212, 228, 230), (204, 214, 184), (228, 206, 172)
BLUSH, LILAC = (240, 212, 200), (216, 208, 228)
NIGHT, FOREST, PLUM, SLATE = (38, 48, 84), (32, 66, 62), (70, 44, 72), (78, 90, 104)
GROUNDS = (CREAM, MIST, SAGE, SAND, BLUSH, LILAC, NIGHT, FOREST, PLUM, SLATE)


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colours: share 0 is the first, 1 the second."""
    (r, g, b), (red, green, blue) = first, second
    return (
        round(r + share * (red - r)), round(g + share * (green - g)), round(b + share * (blue - b))
    )  # fmt: skip


def contrast(first: Color, second: Color) -> float:
    """Difference of two colours in 0..1, lightness weighing most (it survives colour blindness)."""
    (r, g, b), (red, green, blue) = first, second
    return (0.35 * abs(r - red) + 0.45 * abs(g - green) + 0.2 * abs(b - blue)) / 255


def ink_on(color: Color) -> Color:
    """Dark ink on light paper, chalk on dark."""
    return INK if contrast(color, INK) > 0.36 else CHALK
