"""Write scenes of Shapes to disk, in the layouts of COCO and of PASCAL VOC.

``python -m detlearn.data.export`` makes ``data/shapes_val`` and ``data/shapes_voc``: the scenes
that every score of the course is measured on.  Running it again gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from ..files import write_atomically
from .shapes import SHAPES_VERSION, VAL_SEED, Shapes

__all__ = ["export_coco", "export_voc"]

COMMAND = "python -m detlearn.data.export"


def export_coco(
    folder: str | Path, scenes: Shapes, annotations_file: str = "annotations.json",
    pictures: str = "images",
) -> None:  # fmt: skip
    """A COCO data set: ``annotations.json`` and ``images/*.png``.

    Args:
        folder: made where it is missing; files of the same names are replaced.
        scenes: with ``keypoints=True``; people then have theirs in the JSON.
        annotations_file: path of the JSON in the folder.
        pictures: folder of the images in the folder.
    """
    folder = Path(folder)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, target in (scenes[index] for index in range(len(scenes))):
        image_id = target["image_id"]
        name = f"{image_id:06d}.png"
        write_atomically(folder / pictures / name, _encoded(image, "PNG", optimize=True))
        height, width = image.shape[-2:]
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for row, (box, label) in enumerate(
            zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)
        ):
            x1, y1, x2, y2 = box
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1, "image_id": image_id, "category_id": label,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": float(target["area"][row]),
                "iscrowd": 0,
            }  # fmt: skip
            if scenes.keypoints and scenes.class_names[label] == "person":
                joints = target["keypoints"][row]
                annotation["keypoints"] = [round(float(v), 2) for v in joints.flatten()]
                annotation["num_keypoints"] = int((joints[:, 2] > 0).sum())
            annotations.append(annotation)
    content = {
        "info": {
            "description": "Shapes, the embedded data set of detlearn", "version": SHAPES_VERSION,
            "seed": scenes.seed, "scenes": len(scenes), "size": scenes.size, "command": COMMAND,
            "license": "MIT, as the rest of the repository",
        },
        "images": images,
        "annotations": annotations,
        "categories": scenes.coco_categories(),
    }  # fmt: skip
    write_atomically(folder / annotations_file, (_one_entry_a_line(content) + "\n").encode())


def export_voc(
    folder: str | Path, scenes: Shapes, year: str = "2012", image_set: str = "val"
) -> None:
    """The same kind of scenes as PASCAL VOC keeps them: JPEG, one XML each, pixels from 1.

    Args:
        folder: gets ``VOCdevkit/VOC2012`` with an image set ``val``, and ``labels.txt``.
        scenes: what to write.
        year: of the folder, ``VOC2012``.
        image_set: of the list of pictures, ``val``.
    """
    folder = Path(folder)
    voc = folder / "VOCdevkit" / f"VOC{year}"
    names = []
    for image, target in (scenes[index] for index in range(len(scenes))):
        name = f"{target['image_id']:06d}"
        names.append(name)
        write_atomically(voc / "JPEGImages" / f"{name}.jpg", _encoded(image, "JPEG", quality=95))
        height, width = image.shape[-2:]
        objects = "".join(
            f"  <object>\n    <name>{escape(scenes.class_names[label])}</name>\n"
            f"    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n"
            f"    <difficult>0</difficult>\n    <bndbox>\n"
            f"      <xmin>{x1 + 1:.0f}</xmin>\n      <ymin>{y1 + 1:.0f}</ymin>\n"
            f"      <xmax>{x2:.0f}</xmax>\n      <ymax>{y2:.0f}</ymax>\n"
            f"    </bndbox>\n  </object>\n"
            for (x1, y1, x2, y2), label in zip(
                target["boxes"].tolist(), target["labels"].tolist(), strict=True
            )
        )
        text = (
            f"<annotation>\n  <folder>VOC{year}</folder>\n  <filename>{name}.jpg</filename>\n"
            f"  <size>\n    <width>{width}</width>\n    <height>{height}</height>\n"
            f"    <depth>3</depth>\n  </size>\n  <segmented>0</segmented>\n{objects}</annotation>\n"
        )
        write_atomically(voc / "Annotations" / f"{name}.xml", text.encode())
    write_atomically(
        voc / "ImageSets" / "Main" / f"{image_set}.txt", ("\n".join(names) + "\n").encode()
    )
    write_atomically(folder / "labels.txt", ("\n".join(scenes.class_names[1:]) + "\n").encode())


def _encoded(image: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image.permute(1, 2, 0))).save(buffer, kind, **options)
    return buffer.getvalue()


def _one_entry_a_line(content: dict[str, Any]) -> str:
    """JSON that a diff can show: one line for each image, annotation and category."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            rows = ",\n".join(f"  {json.dumps(entry)}" for entry in value)
            parts.append(f' "{key}": [\n{rows}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Shell entry."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--out", default="data", help="folder that gets shapes_val and shapes_voc")
    parser.add_argument("--scenes", type=int, default=300, help="scenes in the COCO layout")
    parser.add_argument("--voc-scenes", type=int, default=50, help="of which in the VOC layout")
    args = parser.parse_args(arguments)
    out = Path(args.out)
    export_coco(out / "shapes_val", Shapes(args.scenes, seed=VAL_SEED, keypoints=True))
    export_voc(out / "shapes_voc", Shapes(args.voc_scenes, seed=VAL_SEED))
    print(
        f"{args.scenes} scenes in {out / 'shapes_val'}, {args.voc_scenes} in {out / 'shapes_voc'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
