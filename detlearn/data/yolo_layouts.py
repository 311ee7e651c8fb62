"""Where the pictures, text files and names of a YOLO data set lie."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .files import path_inside, read_lines
from .finding import find_pictures, folded, pictures_in
from .layouts import WORDS, Found, only_one, split_folder
from .yolo import YoloDetectionDataset

__all__ = ["find_yolo"]

NAME_FILES = ("classes.txt", "obj.names", "classes.names", "labels.txt")


def find_yolo(root: Path, split: str) -> Found | None:
    """Pictures with text files: by ``data.yaml``, or ``images/`` and ``labels/``, or side by side.

    Args:
        root: the folder.
        split: ``"train"`` or ``"val"``.
    """
    settings = _settings(root)
    if settings is not None:
        file, content = settings
        images = _by_settings(root, split, file, content)
    else:
        file, content, images = root, {}, _by_folders(root, split)
    if not images:
        return None
    labels = _labels_of(images, root)
    if settings is None and not any(label.is_file() for label in labels):
        return None

    def open_yolo(transform: Any) -> YoloDetectionDataset:
        _pair_up(images, labels, file)
        return YoloDetectionDataset(
            images, labels, _names(root, file, content, labels), transform, listed=file,
            keypoint_numbers=_keypoint_numbers(file, content), on_bad="skip",
        )  # fmt: skip

    return Found("YOLO", file, open_yolo)


def _pair_up(images: Sequence[Path], labels: Sequence[Path], file: Path) -> None:
    """Refuse two pictures of one text file; say which text files have no picture."""
    owner: dict[Path, Path] = {}
    for image, label in zip(images, labels, strict=True):
        if (first := owner.setdefault(label, image)) != image:
            raise ValueError(f"{label}: its picture may be {first} or {image}; rename one of them")
    beside = {one for folder in {label.parent for label in labels} for one in _texts_in(folder)}
    shown = {folded(one.stem) for folder in {image.parent for image in images}
             for one in pictures_in(folder)}  # fmt: skip
    # Those of another split have their pictures.
    rest = [one for one in beside - set(labels) if folded(one.stem) not in shown]
    lone = sorted(one for one in rest if _has_rows(one))
    if lone:
        warnings.warn(
            f"{file}: {len(lone)} text files have no picture and are left out: "
            f"{', '.join(one.name for one in lone[:3])}", stacklevel=4
        )  # fmt: skip


def _has_rows(file: Path) -> bool:
    """Whether a text file begins like one of boxes."""
    with open(file, encoding="utf-8-sig", errors="replace") as handle:
        words = handle.readline(200).split()
    return len(words) >= 5 and all(re.fullmatch(r"[-+.\deE]+", word) for word in words)


def _settings(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """The YAML file that names the folders of the splits, and what it says."""
    found = {}
    for file in (*root.glob("*.yaml"), *root.glob("*.yml")):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            if file.name == "data.yaml":
                words = " ".join(str(error).split())
                raise ValueError(f"{file}: not a whole YAML file ({words:.200})") from error
            continue
        if isinstance(content, dict) and ("train" in content or "names" in content):
            found[file] = content
    chosen = only_one(found, "the settings of the data set")
    return None if chosen is None else (chosen, found[chosen])


def _by_settings(root: Path, split: str, file: Path, content: dict[str, Any]) -> list[Path]:
    value = next((content[word] for word in WORDS[split] if content.get(word)), None)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    found: list[Path] = []
    for one in values:
        if not isinstance(one, str):
            raise ValueError(f"{file}: {split}: expected a folder or a list, got {one!r:.80}")
        place = _resolve(root, one, content.get("path"), file)
        found += _read_list(place, root) if place.is_file() else pictures_in(place, deep=True)
    if not found:
        raise ValueError(f"{file}: {split}: there are no pictures in {values[0]!r}")
    return found


def _resolve(root: Path, value: str, path: Any, file: Path) -> Path:
    """A folder or list that the settings name; they keep the paths of other machines."""
    parts = [part for part in value.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    base = str(path or "").replace("\\", "/").split("/")
    prefixes = [base[n:] for n in range(len(base) + 1)]
    for drop in range(len(parts)):
        for prefix in prefixes if drop == 0 else [[]]:
            name = "/".join([*(one for one in prefix if one not in ("", ".", "..")), *parts[drop:]])
            if name and ":" not in name and (there := path_inside(root, name, str(file))).exists():
                return there
    raise ValueError(f"{file}: {value!r}: no such folder or list in {root}")


def _read_list(file: Path, root: Path) -> list[Path]:
    names = read_lines(file)
    where = [f"{file}: row {number}" for number in range(1, len(names) + 1)]
    names = [name.removeprefix("./") for name in names]
    folders = [root] if file.parent == root else [root, file.parent]
    return find_pictures(names, folders, where, file, other_endings=False)


def _by_folders(root: Path, split: str) -> list[Path]:
    """Pictures of a split where nothing names its folders."""
    both = root / "images"
    inner = split_folder(root, split)
    if inner is not None:
        return pictures_in(inner / "images", deep=True) or pictures_in(inner, deep=True)
    inner = split_folder(both, split)
    if inner is not None:
        return pictures_in(inner, deep=True)
    lists = [root / f"{word}.txt" for word in WORDS[split] if (root / f"{word}.txt").is_file()]
    listed = only_one(lists, f"the list of '{split}'")
    if listed is not None:
        return _read_list(listed, root)
    darknet = {"train": ("obj_train_data",), "val": ("obj_valid_data", "obj_val_data")}
    for name in darknet[split]:
        if found := pictures_in(root / name, deep=True):
            return found
    others = [split_folder(root, one) or split_folder(both, one) for one in WORDS]
    if any(others) or (root / "obj_train_data").is_dir() or any(
        (root / f"{word}.txt").is_file() for words in WORDS.values() for word in words
    ):  # fmt: skip
        return []
    return pictures_in(both, deep=True) or pictures_in(root)


def _labels_of(images: Sequence[Path], root: Path) -> list[Path]:
    """The text file of each picture, be it spelled in another way (``A.Txt``, a Mac's umlauts).

    Raises:
        ValueError: a picture has two of them.
    """
    labels = [_label_of(image, root) for image in images]
    texts: dict[Path, dict[str, list[Path]]] = {}
    stems: dict[Path, set[str]] = {}
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        if label.is_file():
            continue
        if label.parent not in texts:
            known = texts[label.parent] = {}
            for file in _texts_in(label.parent):
                known.setdefault(folded(file.name), []).append(file)
        same = texts[label.parent].get(folded(label.name), [])
        if same and image.parent not in stems:
            stems[image.parent] = {one.stem for one in pictures_in(image.parent)}
        # One that has the very name of another picture is that picture's.
        others = stems.get(image.parent, set()) - {image.stem}
        free = [one for one in same if one.stem not in others]
        if len(free) > 1:
            raise ValueError(
                f"{image}: its text file may be {free[0]} or {free[1].name}; rename one of them"
            )
        labels[number] = free[0] if free else label
    return labels


def _texts_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix.lower() == ".txt")


def _label_of(image: Path, root: Path) -> Path:
    """The text file of a picture: ``labels`` for the last ``images`` of its path, or beside it."""
    parts = list(image.relative_to(root).parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            swapped = root.joinpath(*parts[:place], "labels", *parts[place + 1 :])
            if swapped.parent.is_dir():
                return swapped.with_suffix(".txt")
            break
    return image.with_suffix(".txt")


def _names(
    root: Path, file: Path, content: dict[str, Any], labels: Sequence[Path]
) -> Sequence[str]:
    """The background, then the names that the settings or a list give.

    Raises:
        ValueError: nothing names the classes, or a list in the folder or beside the text files does
            it otherwise.
    """
    own = sorted({label.parent / "classes.txt" for label in labels})
    if content.get("names") is not None:  # then the folder's lists are not read, but compared
        own = sorted({*own, *(root / name for name in NAME_FILES)})
    lists = {one: _lines(one) for one in own if one.is_file()}
    if content.get("names") is None and not any((root / name).is_file() for name in NAME_FILES):
        if lists:
            content = content | {"names": next(iter(lists.values()))}
    names = _read_names(root, file, content)
    for one, others in lists.items():
        if list(names[1:]) != others:
            raise ValueError(
                f"{one}: expected the classes {', '.join(names[1:]):.150}, got "
                f"{', '.join(others):.150}; remove the list that is wrong"
            )
    return names


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig").rstrip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8 ({error})") from error
    return [line.strip() for line in text.splitlines()]


def _read_names(root: Path, file: Path, content: dict[str, Any]) -> Sequence[str]:
    """The names of the settings, or of a list in the folder."""
    names: Any = content.get("names")
    where = f"{file}: names"
    if names is None:
        there = [root / name for name in NAME_FILES if (root / name).is_file()]
        there += [
            one
            for name in ("labels", "train", "labels/train", "train/labels")
            if (one := root / name / "classes.txt").is_file() and not there
        ]  # fmt: skip
        chosen = only_one(there, "the names of the classes")
        if chosen is None:
            raise ValueError(
                f"{root}: nothing names the classes of the text files; write classes.txt with a "
                "name a line (class 0 first), or data.yaml with 'names: [first, second]'"
            )
        where = str(chosen)
        names = _lines(chosen)
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise ValueError(
                f"{where}: expected the classes 0 to {len(names) - 1}, got {list(names)!r:.80}"
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(f"{where}: expected a list of names, got {names!r:.80}")
    for name in names:
        if not isinstance(name, str | int) or isinstance(name, bool):  # YAML's no, null and 1.5
            raise ValueError(f"{where}: expected texts, got {name!r:.80}; write it in quotes")
    names = [str(name).strip() for name in names]
    bad = [name for name in names if not name or name == "background" or names.count(name) > 1]
    if bad:
        raise ValueError(
            f"{where}: expected different names and no 'background' (no number stands for it), got "
            f"{bad[0]!r}"
        )
    count = content.get("nc", len(names))
    if count != len(names):
        raise ValueError(f"{file}: nc is {count!r:.80}, but there are {len(names)} names")
    return ("background", *names)


def _keypoint_numbers(file: Path, content: dict[str, Any]) -> int:
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(n, int) for n in shape):
        raise ValueError(f"{file}: kpt_shape: expected [joints, 2 or 3], got {shape!r:.80}")
    return shape[0] * shape[1]
