"""What the eight classes look like, and the scraps between them: one draw function each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .outlines import Drawing, Pen, Polygon, arc, circle, ellipse, limb, polygon, rectangle, smile
from .palette import (
    BUTTER,
    CHALK,
    INK,
    MARIGOLD,
    SKINS,
    TOMATO,
    UMBER,
    contrast,
    ink_on,
    mix,
)

# ---------------------------------------------------------------- simple classes


def cut_sheet(pen: Pen, outline: Polygon) -> Drawing:
    """One sheet of paper, at times folded along the middle."""
    drawing, color = Drawing(), pen.paper()
    drawing.add(color, outline)
    if pen.dice.chance(0.3):
        shade = mix(color, INK if contrast(color, INK) > 0.2 else CHALK, 0.16)
        drawing.add(shade, outline[: len(outline) // 2 + 1])
    return drawing


def draw_disc(pen: Pen) -> Drawing:
    """A disc, at times a little flat."""
    stretch = pen.dice.uniform(0.86, 1.0)
    return cut_sheet(pen, ellipse(0, 0.5, 0.5 * stretch, 48))


def draw_square(pen: Pen) -> Drawing:
    """A square, or nearly."""
    half = 0.5 * pen.dice.uniform(0.82, 1.0)
    return cut_sheet(pen, rectangle(-0.5, -half, 0.5, half))


def draw_triangle(pen: Pen) -> Drawing:
    """A triangle whose apex may lean."""
    apex, height = pen.dice.uniform(-0.25, 0.25), pen.dice.uniform(0.75, 1.05)
    return cut_sheet(pen, polygon(complex(apex, -height), -0.5 + 0j, 0.5 + 0j))


def draw_cross(pen: Pen) -> Drawing:
    """Two beams of equal length."""
    a = pen.least(pen.dice.uniform(0.26, 0.42), 1.6) / 2
    corner = polygon(complex(0.5, -a), complex(0.5, a), complex(a, a))
    return cut_sheet(pen, np.concatenate([corner * turn for turn in (1, 1j, -1, -1j)]))


# ---------------------------------------------------------------- complex classes


def draw_face(pen: Pen) -> Drawing:
    """A face with eyes, cheeks, a smile and one of four hairstyles."""
    dice, drawing = pen.dice, Drawing()
    skin = dice.choice(SKINS) if dice.chance(0.6) else pen.paper()
    hair = pen.paper(but=skin)
    line = ink_on(skin)
    style = dice.integer(0, 4)  # none, cap, bob, bun
    rx, ry = dice.uniform(0.4, 0.48), 0.5
    if style == 2:
        drawing.add(hair, ellipse(-0.06j, rx + 0.1, ry + 0.04))
    if style == 3:
        drawing.add(hair, circle(-0.62j, 0.17))
    drawing.add(skin, circle(-rx + 0.02j, 0.09), circle(rx + 0.02j, 0.09))
    drawing.add(skin, ellipse(0, rx, ry, 48))
    if style:
        unit = arc(1.06, 1.94, 20)
        drawing.add(hair, (rx + 0.01) * unit.real + 1j * (ry + 0.01) * unit.imag)
    gap, eye = dice.uniform(0.15, 0.21), pen.least(0.062, 0.62)
    level = dice.uniform(0.0, 0.06)
    if contrast(skin, TOMATO) > 0.15:
        cheek = mix(skin, TOMATO, 0.35)
        drawing.add(cheek, circle(complex(-gap - 0.07, 0.18), 0.07, 16))
        drawing.add(cheek, circle(complex(gap + 0.07, 0.18), 0.07, 16))
    drawing.add(line, circle(complex(-gap, level), eye, 16), circle(complex(gap, level), eye, 16))
    drawing.add(line, smile(0.14j, dice.uniform(0.3, 0.42), pen.least(0.05, 0.9)))
    return drawing


def draw_house(pen: Pen) -> Drawing:
    """A house with roof, door and windows, often with a chimney."""
    dice, drawing = pen.dice, Drawing()
    wall = pen.paper()
    roof = pen.paper(but=wall)
    wide, tall = dice.uniform(0.36, 0.5), dice.uniform(0.5, 0.75)
    peak = dice.uniform(0.34, 0.5)
    eaves = wide + 0.08
    if dice.chance(0.6):  # chimney
        x = dice.choice((-1, 1)) * wide * 0.55
        drawing.add(pen.paper(but=roof), rectangle(x - 0.06, -peak * 0.95, x + 0.06, -peak * 0.2))
    drawing.add(wall, rectangle(-wide, 0, wide, tall))
    flat = dice.choice((0.0, 0.0, 0.25))
    ridge = complex(eaves * flat, -peak)
    drawing.add(roof, polygon(complex(-ridge.real, -peak), ridge, eaves + 0.05j, -eaves + 0.05j))
    dark = ink_on(wall)
    door = pen.least(0.1, 0.8)
    x = dice.choice((-0.45, 0.0, 0.45)) * wide
    drawing.add(dark, rectangle(x - door, tall * 0.48, x + door, tall))
    pane = pen.least(0.075, 0.6)
    for column in (-0.55, 0.0, 0.55):
        if abs(column * wide - x) > 0.2:
            y = tall * 0.34
            glass = BUTTER if contrast(BUTTER, wall) > 0.2 else dark
            middle = column * wide
            drawing.add(glass, rectangle(middle - pane, y - pane, middle + pane, y + pane))
    return drawing


def draw_tree(pen: Pen) -> Drawing:
    """A conifer, a lollipop, or three bushes on a trunk."""
    dice, drawing = pen.dice, Drawing()
    crown = pen.paper()
    trunk = UMBER if UMBER in pen.papers and contrast(crown, UMBER) > 0.15 else pen.paper(crown)
    thick = pen.least(dice.uniform(0.07, 0.11), 1.3) / 2
    kind, foot = dice.integer(0, 3), dice.uniform(0.2, 0.34)
    drawing.add(trunk, rectangle(-thick, -0.3, thick, foot))
    shade = mix(crown, INK if contrast(crown, INK) > 0.2 else CHALK, 0.18)
    if kind == 0:  # conifer
        wide, tiers = dice.uniform(0.28, 0.4), dice.integer(2, 4)
        for tier in range(tiers):
            half, y = wide * (1 - 0.22 * tier), -0.3 * tier
            outline = polygon(complex(-half, y), complex(0, y - 0.42), complex(half, y))
            drawing.add(shade if tier % 2 else crown, outline)
    elif kind == 1:  # lollipop
        rx = dice.uniform(0.26, 0.38)
        drawing.add(crown, ellipse(-0.35j, rx, 0.42))
        drawing.add(shade, ellipse(complex(rx * 0.3, -0.25), rx * 0.5, 0.2, 24))
    else:  # three bushes
        r = dice.uniform(0.2, 0.25)
        drawing.add(crown, circle(-0.22 - 0.2j, r), circle(0.22 - 0.2j, r))
        drawing.add(crown, circle(-0.48j, r * 1.15))
        drawing.add(shade, circle(0.1 - 0.2j, r * 0.6, 20))
    return drawing


def draw_person(pen: Pen) -> Drawing:
    """A person who faces us: the person's own left is on the right of the picture."""
    dice, drawing = pen.dice, Drawing()
    skin = dice.choice(SKINS[:4])
    shirt = pen.paper(but=skin)
    trousers = pen.paper(but=shirt)
    hair = dice.choice((INK, UMBER, MARIGOLD, CHALK, TOMATO))
    neck, head = -0.34j, complex(dice.uniform(-0.03, 0.03), -0.5)
    arm, leg = pen.least(0.085), pen.least(0.105)
    joints = [0j] * 17
    joints[0] = head + 0.02j
    for side, sign in ((0, 1), (1, -1)):  # left, then right
        joints[1 + side] = head + complex(sign * 0.05, -0.01)
        joints[3 + side] = head + complex(sign * 0.13, 0.01)
        shoulder, hip = neck + complex(sign * 0.115, 0.035), complex(sign * 0.065, 0)
        lift, bend = dice.uniform(0.03, 0.8), dice.uniform(-0.1, 0.55)
        if dice.chance(0.3):
            lift, bend = dice.uniform(0.03, 0.2), dice.uniform(-0.1, 0.15)
        elbow = shoulder + 0.17 * sign_turn(lift, sign)
        wrist = elbow + 0.16 * sign_turn(lift + bend, sign)
        stride, kick = dice.uniform(0.0, 0.22), dice.uniform(-0.2, 0.06)
        knee = hip + 0.23 * sign_turn(stride, sign)
        ankle = knee + 0.22 * sign_turn(stride + kick, sign)
        joints[5 + side], joints[7 + side], joints[9 + side] = shoulder, elbow, wrist
        joints[11 + side], joints[13 + side], joints[15 + side] = hip, knee, ankle
        drawing.add(trousers, limb(hip, knee, leg), limb(knee, ankle, leg * 0.9))
        drawing.add(INK, limb(ankle, ankle + sign * 0.04, leg * 0.9))
    if dice.chance(0.35):  # a dress
        drawing.add(shirt, polygon(-0.12 - 0.3j, 0.12 - 0.3j, 0.19 + 0.14j, -0.19 + 0.14j))
    drawing.add(skin, limb(neck, head, 0.09))
    drawing.add(shirt, polygon(-0.13 - 0.32j, 0.13 - 0.32j, 0.11 + 0.03j, -0.11 + 0.03j))
    sleeve = mix(shirt, INK if contrast(shirt, INK) > 0.2 else CHALK, 0.14)
    for side in (0, 1):
        shoulder, elbow, wrist = joints[5 + side], joints[7 + side], joints[9 + side]
        drawing.add(sleeve, limb(shoulder, elbow, arm), limb(elbow, wrist, arm * 0.9))
        drawing.add(skin, circle(wrist, arm * 0.55, 16))
    drawing.add(hair, circle(head - 0.03j, 0.145))
    drawing.add(skin, circle(head + 0.012j, 0.125))
    drawing.add(hair, head + 0.13 * arc(1.1, 1.9, 12))
    if pen.px < 0.04:
        line = ink_on(skin)
        drawing.add(line, circle(joints[1], 0.018, 8), circle(joints[2], 0.018, 8))
        drawing.add(line, smile(head + 0.03j, 0.09, 0.018))
    drawing.joints = np.array(joints)
    return drawing


def sign_turn(half_turns: float, sign: int) -> complex:
    """A unit step that starts straight down and swings outward, to the side of `sign`."""
    angle = np.pi * half_turns
    return complex(sign * np.sin(angle), np.cos(angle))


DRAW: dict[str, tuple[Callable[[Pen], Drawing], float]] = {
    # class: how to draw it, how far it may turn (in half turns, to either side)
    "disc": (draw_disc, 1.0),
    "square": (draw_square, 0.12),
    "triangle": (draw_triangle, 0.15),
    "cross": (draw_cross, 0.15),
    "face": (draw_face, 0.11),
    "house": (draw_house, 0.06),
    "tree": (draw_tree, 0.06),
    "person": (draw_person, 0.1),
}


# ---------------------------------------------------------------- clutter


def draw_scrap(pen: Pen) -> Drawing:
    """Clutter that is no object: a squiggle, a blob, a crescent, or a chevron."""
    dice, drawing, color = pen.dice, Drawing(), pen.paper()
    kind = dice.integer(0, 4)
    if kind == 0:
        x, width = 0.0, pen.least(dice.uniform(0.08, 0.16))
        point = 0j
        for _ in range(dice.integer(2, 5)):
            x += 0.3
            following = complex(x, dice.uniform(-0.3, 0.3))
            drawing.add(color, limb(point, following, width))
            point = following
    elif kind == 1:
        spokes = 0.5 * np.array([dice.uniform(0.45, 1.0) for _ in range(7)])
        smooth = np.repeat(spokes, 4) * 0.5 + np.roll(np.repeat(spokes, 4), 2) * 0.5
        drawing.add(color, smooth * arc(0, 2 - 2 / 28, 28))
    elif kind == 2:
        inner = -0.18j + 0.42 * arc(1, 0, 16)
        drawing.add(color, np.concatenate((0.5 * arc(0, 1, 18), inner)))
    else:
        width, tip = pen.least(0.14), dice.uniform(0.2, 0.5)
        drawing.add(color, limb(-0.5 + 0j, complex(0, -tip), width))
        drawing.add(color, limb(complex(0, -tip), 0.5 + 0j, width))
    return drawing
