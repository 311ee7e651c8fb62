"""How fast the package is on one core: scenes, detection, import.

    python benchmarks/speed.py

Each figure is the fastest of several runs, on one thread: as the documentation of `timeit` says,
what makes a run slower is another program on the same core (on a rented machine, a neighbour's).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import torch

from detlearn import boxes, create_model
from detlearn.data import Shapes
from detlearn.models import Predictions
from detlearn.training.cli import versions


def fastest_seconds(run, repeats: int) -> float:
    """Shortest time of a call, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def scenes_per_second(repeats: int) -> float:
    """Scenes of Shapes drawn in a second, 128 x 128."""
    scenes = Shapes(length=100)
    return 100 / fastest_seconds(lambda: [scenes[i] for i in range(100)], repeats)


def noisy_predictions(num_priors: int, num_classes: int) -> Predictions:
    """What an untrained network says: noise, and a little more background than anything else."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, num_priors, num_classes, generator=generator)
    logits[..., 0] += 3
    return Predictions(logits, 0.5 * torch.randn(1, num_priors, 4, generator=generator))


def postprocess_milliseconds(repeats: int) -> float:
    """Noise over (1, 8732, 81) to detections: softmax, decoding, NMS."""
    model = create_model("ssd300_resnet50")
    noise = noisy_predictions(len(model.priors), 81)
    return 1e3 * fastest_seconds(lambda: model.postprocess(noise, [(300, 300)]), repeats)


def priors_milliseconds(repeats: int) -> float:
    """All 8,732 priors of SSD300."""
    return 1e3 * fastest_seconds(lambda: boxes.make_priors(boxes.SSD300_VOC_PRIORS), repeats)


def import_seconds(repeats: int) -> tuple[float, float]:
    """What `import detlearn` costs beyond torch and torchvision: the first time, and later.

    The first import compiles the modules; later ones, and those of an installed package, read the
    bytecode.  It goes into a folder of its own, so that what lies about does not matter.  Nothing
    is tidied up before the clock starts: this is what a user waits for.
    """
    code = (
        "import time, torch, torchvision; start = time.process_time(); "
        "import detlearn; print(time.process_time() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run() -> float:
            command = [sys.executable, "-c", code]
            return float(subprocess.check_output(command, env=environment, text=True))

        first = run()
        return first, min(run() for _ in range(repeats))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"scenes of Shapes, 128 x 128        {scenes_per_second(repeats):8.0f} a second")
    print(f"detections from noise (1, 8732, 81) {postprocess_milliseconds(repeats):7.1f} ms")
    print(f"8,732 priors                       {priors_milliseconds(repeats):8.1f} ms")
    first, later = import_seconds(5)
    print(f"import detlearn                    {later:8.2f} s beyond torch, torchvision")
    print(f"  the first time, not compiled     {first:8.2f} s")
    print(", ".join(f"{name} {value}" for name, value in versions().items()))


if __name__ == "__main__":
    main()
