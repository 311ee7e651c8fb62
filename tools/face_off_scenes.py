"""Makes data/results/face_off_scenes.json, which the explorer of notebook 12 shows.

    python -m tools.face_off_scenes      # 40 of the 300 shipped scenes, every seventh; a minute

Run it when the shipped weights change; then `python -m detlearn.data.files --write`.
"""

from __future__ import annotations

import base64
import io
import json

import torch
from PIL import Image

from detlearn import load_model
from detlearn.data import Shapes, data_path, open_dataset
from detlearn.data.shapes import TUNE_SEED
from detlearn.files import write_atomically
from detlearn.metrics import best_score_threshold
from detlearn.show.explorers.browser.face_off import scene_answers
from detlearn.training import detect_all

NETWORKS = ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny")
SCENES, EVERY = 40, 7
TUNE_SCENES = 200
WHAT = (
    "every seventh scene of data/shapes_val, and what the four shipped networks answer from the "
    "score on that was best on drawn scenes of another seed; tools/face_off_scenes.py makes it"
)


def picture(image: torch.Tensor) -> str:
    """A scene as a small `data:` URI."""
    stream = io.BytesIO()
    whole = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    whole.save(stream, "WEBP", quality=70, method=6)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def main() -> None:
    """Write the file."""
    torch.set_num_threads(1)
    models = [load_model(data_path("weights", f"{name}.safetensors")).eval() for name in NETWORKS]
    tune = Shapes(TUNE_SCENES, seed=TUNE_SEED)
    thresholds = [
        round(best_score_threshold(*detect_all(m, tune, class_names=tune.class_names)), 3)
        for m in models
    ]
    scenes, dataset = [], open_dataset("shapes", "val")
    for index in range(0, SCENES * EVERY, EVERY):
        image, target = dataset[index]
        boxes, labels = target["boxes"].tolist(), target["labels"].tolist()
        scenes.append({
            "id": index,
            "image": picture(image),
            "truth": [
                [*(round(x, 1) for x in box), label]
                for box, label in zip(boxes, labels, strict=True)
            ],
            "answers": scene_answers(models, thresholds, image, target),
        })  # fmt: skip
    content = {
        "what": WHAT, "networks": NETWORKS, "thresholds": thresholds,
        "classes": list(tune.class_names), "scenes": scenes,
    }  # fmt: skip
    path = data_path("results") / "face_off_scenes.json"
    text = json.dumps(content, separators=(",", ":")).replace('{"id"', '\n{"id"')
    write_atomically(path, (text + "\n").encode())
    print(f"{path}: {path.stat().st_size:,} bytes, thresholds {thresholds}")


if __name__ == "__main__":
    main()
