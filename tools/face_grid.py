"""Makes data/results/face_grid.json, the answers that the face explorer of notebook 13 looks up.

    python -m tools.face_grid            # 1,512 views of one face, half a minute

Run it when the grid of `detlearn.show.explorers.browser.faces`, the weights of BlazeFace or the way
of preparing a picture change; then `python -m detlearn.data.files --write`.
"""

from __future__ import annotations

import base64
import io
import json

import torch
from PIL import Image

from detlearn import load_model
from detlearn.data import data_path, load_portraits
from detlearn.files import write_atomically
from detlearn.show.explorers.browser.faces import face_answers

SIDE = 224  # px of the photograph in the page
WHAT = (
    "what BlazeFace answered to the astronaut (NASA, public domain; scikit-image) in every place "
    "of the grid of the explorer; tools/face_grid.py makes it"
)


def main() -> None:
    """Write the file."""
    torch.set_num_threads(1)
    face = load_portraits()["astronaut"]
    model = load_model(data_path("weights", "blazeface.safetensors"))
    whole = Image.fromarray(face.photo.permute(1, 2, 0).numpy())
    small = whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=60, method=6)
    picture = base64.b64encode(stream.getvalue()).decode()
    content = {
        "what": WHAT,
        "answers": base64.b64encode(face_answers(model)).decode(),
        "photo": f"data:image/webp;base64,{picture}",
        "face": {"center": list(face.center), "side": face.side, "photo": whole.width},
    }
    path = data_path("results", "face_grid.json")
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
