"""The rooms of the package and how they import each other, drawn from the imports themselves.

    python -m tools.architecture        write docs/architecture.svg (`make readme` does it, too)

Which floor a room stands on comes from the contract in pyproject.toml; the arrows come from the
code, through grimp, which import-linter brings. An arrow that others already imply (A uses B and
B uses C: A may use C) is left out, so that the picture can be read.
"""

from __future__ import annotations

import html
import tomllib

import grimp

from tools.course.clone import ROOT

__all__ = ["PICTURE", "ROOMS", "arrows", "draw", "floors", "needed_arrows"]

PICTURE = "docs/architecture.svg"
ROOMS = {
    "files": "Atomic writing and checksums.",
    "boxes": "Formats, IoU, priors, coding, matching, suppression.",
    "losses": "The MultiBox loss and hard negatives.",
    "metrics": "Average precision by hand; VOC and COCO scores.",
    "models": "Backbones, necks, heads and whole detectors.",
    "data": "Shapes, COCO and VOC folders, photographs, augmentation.",
    "training": "The loop, checkpoints, evaluation, the command line.",
    "report": "One page on a run: curves, mistakes, pictures.",
    "show": "Figures and explorers.",
    "commands": "What the shell does with pictures and videos.",
    "teach": "Proofs and exercises.",
}
WIDTH, ROOM, HEIGHT, STEP = 1000, 400, 58, 98  # px; STEP from floor to floor
INK, PAPER, FACE, EDGE, LINE = "#1B1B1B", "#FFFFFF", "#EEF4F9", "#0072B2", "#6B7280"


def floors() -> list[list[str]]:
    """The rooms from the top floor down, as the contract of import-linter has them."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def arrows() -> set[tuple[str, str]]:
    """(room, a room that it imports), from every import of the package."""
    graph = grimp.build_graph("detlearn", cache_dir=None)
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            ends = (module.split(".")[1:2], imported.split(".")[1:2])
            if ends[0] != ends[1] and all(end and end[0] in ROOMS for end in ends):
                found.add((ends[0][0], ends[1][0]))
    return found


def needed_arrows(every: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows that no way over other rooms implies.

    >>> sorted(needed_arrows({("a", "b"), ("b", "c"), ("a", "c")}))
    [('a', 'b'), ('b', 'c')]
    """

    def reaches(start: str, end: str, without: tuple[str, str]) -> bool:
        steps = [b for a, b in every if a == start and (a, b) != without]
        return end in steps or any(reaches(step, end, without) for step in steps)

    return {arrow for arrow in every if not reaches(*arrow, without=arrow)}


def draw() -> str:
    """The picture as an SVG, the same text for the same imports."""
    places: dict[str, tuple[int, int]] = {}  # room -> left, top
    for floor, rooms in enumerate(floors()):
        for number, room in enumerate(rooms):
            left = WIDTH / 2 + (number - len(rooms) / 2) * (ROOM + 40) + 20
            places[room] = (round(left), 30 + floor * STEP)
    height = 30 + len(floors()) * STEP
    drawn = enumerate(sorted(needed_arrows(arrows())))
    lines = [_arrow(places[start], places[end], lane) for lane, (start, end) in drawn]
    boxes = [_room(room, *places[room]) for floor in floors() for room in floor]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="Inter, Helvetica, Arial, sans-serif">',
        "<title>The rooms of detlearn; an arrow means imports</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        f'markerHeight="9" orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINE}"/></marker></defs>',
        *lines, *boxes, "</svg>\n",
    ])  # fmt: skip


def _room(name: str, left: int, top: int) -> str:
    return (
        f'<rect x="{left}" y="{top}" width="{ROOM}" height="{HEIGHT}" rx="8" fill="{FACE}" '
        f'stroke="{EDGE}" stroke-width="1.5"/>'
        f'<text x="{left + 16}" y="{top + 25}" font-size="18" font-weight="700" fill="{INK}">'
        f"{name}</text>"
        f'<text x="{left + 16}" y="{top + 45}" font-size="13.5" fill="{INK}">'
        f"{html.escape(ROOMS[name])}</text>"
    )


def _arrow(start: tuple[int, int], end: tuple[int, int], lane: int) -> str:
    """Down to the next floor; or past the floors between, on the right or on the left of all."""
    (x1, y1), (x2, y2) = start, end
    if y2 - y1 == STEP:
        path = f"M{x1 + ROOM // 2} {y1 + HEIGHT} L{x2 + ROOM // 2} {y2 - 2}"
    else:
        y1, y2 = y1 + HEIGHT // 2, y2 + HEIGHT // 2
        right = x2 + ROOM // 2 > WIDTH // 2
        a, b = (x1 + ROOM, x2 + ROOM + 2) if right else (x1, x2 - 2)
        # a curve with both handles at `out` gets three quarters of the way there
        edge = WIDTH - 15 - 8 * (lane % 3) if right else 15 + 8 * (lane % 3)
        out = round((edge - (a + b) / 8) * 4 / 3)
        path = f"M{a} {y1} C{out} {y1} {out} {y2} {b} {y2}"
    return (
        f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.8" marker-end="url(#tip)"/>'
    )


def main() -> None:
    """Write the picture."""
    (ROOT / PICTURE).write_text(draw(), encoding="utf-8", newline="\n")
    print(PICTURE)


if __name__ == "__main__":
    main()
