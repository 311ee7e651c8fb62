"""The border: what is looked at before the first training step, for every layout alike.

`survey` asks a reader what it understood and opens the head of every picture; `findings_of`
compares the two, and `findings_between` the pictures that are trained and scored on.  Each finding
is one sentence with counts and the first three names.  `detlearn.data.names` compares the classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from .headers import ON_THEIR_SIDE
from .points import look_at_points
from .readings import TELLING, are_fractions, fit, other_readings
from .same_pictures import also_in, identity
from .sizes import only_the_size_is_swapped
from .surveying import SLOPPY, Finding, Survey, finding_about, survey
from .wording import are, by, count_of, have, its

__all__ = ["Finding", "Survey", "findings_between", "findings_of", "refuse", "survey"]


def refuse(findings: Iterable[Finding]) -> None:
    """Stop if a finding says that training would be wrong.

    Args:
        findings: of any number.

    Raises:
        ValueError: the first that refuses, and how many more do.

    >>> refuse([Finding("missing", "train: 1 of 2 pictures is missing: a.png", refused=True)])
    Traceback (most recent call last):
        ...
    ValueError: train: 1 of 2 pictures is missing: a.png
    """
    texts = [finding.text for finding in findings if finding.refused]
    if texts:
        more = f" (and {len(texts) - 1} more, see above)" if texts[1:] else ""
        raise ValueError(f"{texts[0]}{more}")


def findings_of(seen: Survey, exif_upright: bool = False) -> list[Finding]:
    """What is worth a line about the pictures and boxes of one split.

    Args:
        seen: of `survey`.
        exif_upright: whether somebody says that all boxes were drawn on upright pictures.
    """
    looks = (
        _files,
        _sizes,
        _upright if exif_upright else _turned,
        _units,
        _places,
        _left_out,
        look_at_points,
        _nothing_left,
        _repeated,
        _classes,
    )
    return [finding for look in looks for finding in look(seen)]


def findings_between(train: Survey, val: Survey) -> list[Finding]:
    """Pictures that are trained on and scored on.

    Args:
        train: of `survey`.
        val: likewise.
    """
    both = also_in(val.listing.paths, train.listing.paths)
    if not both:
        return []
    many, of = len(both), len(val.listing.paths)
    told = "the scores say how well they are known by heart, not what new pictures would give"
    text = f"val: {count_of(many, of, 'picture')} {are(many)} trained on too, {told}"
    return [finding_about(val, "trained and scored", text, both)]


# ---------------------------------------------------------------- the looks at one split


def _files(seen: Survey) -> Iterator[Finding]:
    """Pictures that are not there, or are none."""
    problems = [header.problem for header in seen.headers]
    missing = [n for n, problem in enumerate(problems) if problem == "missing"]
    broken = [n for n, problem in enumerate(problems) if problem and problem != "missing"]
    of = len(problems)
    if missing:
        text = f"{count_of(len(missing), of, 'picture')} {are(len(missing))} missing"
        folder = seen.listing.paths[missing[0]].parent
        yield finding_about(
            seen, "missing", f"{text} (expected in {folder})", missing, refused=True
        )
    if broken:
        text = f"{count_of(len(broken), of, 'picture')} cannot be read ({problems[broken[0]]})"
        yield finding_about(seen, "unreadable", text, broken, refused=True)


def _sizes(seen: Survey) -> Iterator[Finding]:
    """Pictures of another size than their annotations were made for."""
    said, real = seen.listing.sizes, seen.sizes
    known = np.isfinite(said).all(axis=1) & np.isfinite(real).all(axis=1)
    swapped = known & (said[:, ::-1] == real).all(axis=1) & (said != real).any(axis=1)
    other = np.flatnonzero(known & (said != real).any(axis=1) & ~swapped)
    if len(other):
        n = other[0]
        text = (
            f"{count_of(len(other), len(real), 'picture')} {have(len(other))} another size than "
            f"the annotations say ({by(real[n])} px, expected {by(said[n])}), boxes would lie in "
            "wrong places"
        )
        yield finding_about(seen, "size", text, other, refused=True)
    proven: list[int] = []
    unclear: list[int] = []
    for n in np.flatnonzero(swapped):
        boxes = seen.listing.boxes[seen.listing.owner == n]
        size = (int(real[n, 0]), int(real[n, 1]))
        fits = only_the_size_is_swapped(boxes.tolist(), size)  # type: ignore[arg-type]
        (proven if fits else unclear).append(int(n))
    if unclear:
        turned = sum(seen.headers[n].orientation in ON_THEIR_SIDE for n in unclear)
        why = (
            f"{turned} turned by the camera's note (EXIF), so boxes may be those of the picture "
            "before; remove the note or turn the pictures for good, and let sizes and boxes be "
            "theirs"
            if turned
            else "boxes would lie in wrong places"
        )
        n = unclear[0]
        text = (
            f"{count_of(len(unclear), len(real), 'picture')} {have(len(unclear))} width and height "
            f"exchanged ({by(real[n])} px, expected {by(said[n])}): {why}"
        )
        yield finding_about(seen, "turned", text, unclear, refused=True)
    if proven:
        text = (
            f"{count_of(len(proven), len(real), 'picture')} {have(len(proven))} width and height "
            "exchanged in the annotations, while the boxes fit the picture only: they are taken"
        )
        yield finding_about(seen, "exchanged", text, proven)


def _turned(seen: Survey) -> Iterator[Finding]:
    """Pictures that a note turns, where nothing tells in which position they were labelled."""
    if unclear := _silent_notes(seen):
        text = (
            f"{_notes(unclear, seen)}, and no size tells whether the boxes were drawn before or "
            "after: expected --exif-upright if after, else pictures without the note (exiftool "
            "-Orientation= removes it)"
        )
        yield finding_about(seen, "EXIF", text, unclear, refused=True)


def _upright(seen: Survey) -> Iterator[Finding]:
    """The same pictures, where somebody has told."""
    if unclear := _silent_notes(seen):
        text = f"{_notes(unclear, seen)}: the boxes are taken for those of the upright picture"
        yield finding_about(seen, "EXIF", text, unclear)


def _notes(unclear: list[int], seen: Survey) -> str:
    count = count_of(len(unclear), len(seen.headers), "picture")
    return f"{count} {are(len(unclear))} turned or mirrored by the camera's note (EXIF)"


def _silent_notes(seen: Survey) -> list[int]:
    """Pictures with boxes and a note, whose size is the same before and after or not known."""
    silent = np.array(~np.isfinite(seen.listing.sizes).all(axis=1))
    square = np.isclose(seen.sizes[:, 0], seen.sizes[:, 1])
    labelled = np.bincount(seen.listing.owner, minlength=len(seen.headers)) > 0
    return [
        n
        for n, header in enumerate(seen.headers)
        if header.orientation > 1 and labelled[n]
        and (header.orientation not in ON_THEIR_SIDE or silent[n] or square[n])
    ]  # fmt: skip


def _units(seen: Survey) -> Iterator[Finding]:
    """Boxes that are numbers of another kind than the layout's."""
    boxes, owner = seen.listing.boxes, seen.listing.owner
    if not len(boxes):
        return
    if are_fractions(boxes):
        over = int((boxes > 1).any(axis=1).sum())
        text = (
            f"expected boxes in pixels, got fractions ({over or 'none'} of the {len(boxes)} "
            f"{'go' if over > 1 else 'goes'} beyond 1)"
        )
        yield finding_about(seen, "fractions", text, owner, refused=True)
    width, height = seen.sizes[owner].T
    out = np.array((boxes[:, 2] > 1.05 * width) | (boxes[:, 3] > 1.05 * height))
    gone = seen.listing.skipped.count
    if len(boxes) < 3 or out.sum() + gone < TELLING * (len(boxes) + gone):
        return
    for kind, expected, got, turned in other_readings(boxes, seen.listing.file):
        if fit(turned, width, height, SLOPPY):
            many = int(out.sum()) + gone
            text = (
                f"expected {expected}, got what looks like {got}: "
                f"{count_of(many, len(boxes) + gone, 'box')} would leave {its(many)} picture or "
                "have no area, and so read all fit"
            )
            wrong = owner[out] if out.any() else owner
            yield finding_about(seen, kind, text, wrong, refused=True)
            return


def _places(seen: Survey) -> Iterator[Finding]:
    """Boxes outside of their pictures, or half outside."""
    boxes, size = seen.listing.boxes, seen.sizes[seen.listing.owner]
    low, high = boxes[:, :2].clip(min=0), np.minimum(boxes[:, 2:], size)
    with np.errstate(invalid="ignore"):
        outside = np.array(np.isfinite(size).all(axis=1) & ~(low < high).all(axis=1))
        over = np.concatenate([-boxes[:, :2], boxes[:, 2:] - size], axis=1)  # (G, 4)
        cut = np.array(~outside & (over > SLOPPY).any(axis=1))
    if outside.any():
        text = f"{count_of(int(outside.sum()), len(boxes), 'box')} lie outside of the picture"
        yield finding_about(
            seen, "outside", text, seen.listing.owner[outside], boxes[outside], True
        )
    if cut.any():
        text = (
            f"{count_of(int(cut.sum()), len(boxes), 'box')} reach out of the picture, and are cut"
        )
        yield finding_about(seen, "cut", text, seen.listing.owner[cut], boxes[cut])


def _left_out(seen: Survey) -> Iterator[Finding]:
    """Boxes and pictures that nothing is learned from."""
    listing, scored = seen.listing, seen.split == "val"
    skipped = listing.skipped
    if skipped.count:
        of = skipped.count + len(listing.boxes)
        names = ", ".join(skipped.pictures)
        text = f"{count_of(skipped.count, of, 'box')} left out: {names}; the first: {skipped.first}"
        yield Finding("left out", f"{seen.split}: {text}")
    ignored = int(listing.ignored.sum())
    if ignored:
        what = "neither found nor missed when scored" if scored else "not trained on"
        word = "crowds (iscrowd)" if "crowd" in listing.ignored_word else "marked difficult"
        text = f"{count_of(ignored, len(listing.boxes), 'box')} are {word}, {what}"
        owner, boxes = listing.owner[listing.ignored], listing.boxes[listing.ignored]
        yield finding_about(seen, "crowds" if "crowd" in word else "difficult", text, owner, boxes)
    silent = (listing.joints == 0) & ~listing.ignored
    if silent.any():
        text = (
            f"{count_of(int(silent.sum()), len(silent), 'box')} have no labelled key point (null, \
[] or zeros), and are left out"
        )
        yield finding_about(
            seen, "no key points", text, listing.owner[silent], listing.boxes[silent]
        )
    counts = np.bincount(listing.owner, minlength=len(listing.paths))
    empty = np.flatnonzero(counts == 0)
    if len(empty) and len(listing.boxes):
        text = f"{count_of(len(empty), len(listing.paths), 'picture')} {have(len(empty))} no box"
        yield finding_about(
            seen, "empty", f"{text}, and {are(len(empty))} kept as background", empty
        )


def _nothing_left(seen: Survey) -> Iterator[Finding]:
    """Splits without a picture or a box."""
    listing = seen.listing
    verb = "learn from" if seen.split == "train" else "score (--no-eval trains without scores)"
    if not listing.paths:
        text = f"{seen.split}: expected at least one picture to {verb}, got none in {listing.file}"
        yield Finding("nothing", text, refused=True)
    elif not seen.used.any():
        gone = len(listing.boxes) + listing.skipped.count
        text = (
            f"{seen.split}: expected at least one box to {verb}, got none in {listing.file}: of "
            f"its {gone} boxes {int(listing.ignored.sum())} are {listing.ignored_word}, "
            f"{listing.skipped.count} left out"
        )
        yield Finding("nothing", text, refused=True)


def _repeated(seen: Survey) -> Iterator[Finding]:
    """The same picture, or the same box, twice."""
    listing = seen.listing
    times = Counter(map(identity, listing.paths))
    twice = [n for n, path in enumerate(listing.paths) if times[identity(path)] > 1]
    if twice:
        text = (
            f"{count_of(len(twice), len(listing.paths), 'entry')} name a picture that another does"
        )
        yield finding_about(seen, "repeated", text, twice)
    rows = np.column_stack([listing.owner, listing.labels, listing.boxes])
    _, first = np.unique(rows, axis=0, return_index=True)
    again = np.setdiff1d(np.arange(len(rows)), first)
    if len(again):
        text = f"{count_of(len(again), len(rows), 'box')} repeat one of the same class and place"
        yield finding_about(seen, "same box", text, listing.owner[again], listing.boxes[again])


def _classes(seen: Survey) -> Iterator[Finding]:
    """Classes that nothing is learned about, or that seem to be one."""
    alike: dict[str, list[str]] = {}
    for name in seen.listing.class_names:
        alike.setdefault(re.sub(r"[\W_]+", "", name).casefold() or name, []).append(name)
    for several in alike.values():
        if len(several) > 1:
            listed = " and ".join(map(repr, several[:3]))
            text = f"{seen.split}: {listed} are {len(several)} classes, as they are written"
            yield Finding("alike", text)
    names, used = seen.listing.class_names, seen.listing.labels[seen.used]
    counts = np.bincount(used, minlength=len(names))
    never = [name for label, name in enumerate(names) if label and not counts[label]]
    if never and len(used) and seen.split == "train":
        listed = ", ".join(never[:3]) + (", ..." if never[3:] else "")
        of = f"{len(never)} of {len(names) - 1} classes"
        text = f"train: {of} never occur, and will not be learned: {listed}"
        yield Finding("no example", text)
