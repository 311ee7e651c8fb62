"""How fast the package is on one core: scenes, detection, import.

    python benchmarks/speed.py

Each figure is the median of several runs, on one thread; another program on the same core makes
it worse.
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch

from detlearn import boxes, create_model
from detlearn.data import Shapes
from detlearn.models import Predictions
from detlearn.training.cli import versions


def median_seconds(run, repeats: int) -> float:
    """Median time of a call, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def scenes_per_second(repeats: int) -> float:
    """Scenes of Shapes drawn in a second, 128 x 128."""
    scenes = Shapes(length=100)
    return 100 / median_seconds(lambda: [scenes[i] for i in range(100)], repeats)


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
    return 1e3 * median_seconds(lambda: model.postprocess(noise, [(300, 300)]), repeats)


def priors_milliseconds(repeats: int) -> float:
    """All 8,732 priors of SSD300."""
    return 1e3 * median_seconds(lambda: boxes.make_priors(boxes.SSD300_VOC_PRIORS), repeats)


def import_seconds(repeats: int) -> float:
    """What `import detlearn` costs beyond torch and torchvision."""
    code = (
        "import time, torch, torchvision; start = time.perf_counter(); "
        "import detlearn; print(time.perf_counter() - start)"
    )
    runs = (
        subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(repeats)
    )
    return statistics.median(float(run) for run in runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"scenes of Shapes, 128 x 128        {scenes_per_second(repeats):8.0f} a second")
    print(f"detections from noise (1, 8732, 81) {postprocess_milliseconds(repeats):7.1f} ms")
    print(f"8,732 priors                       {priors_milliseconds(repeats):8.1f} ms")
    print(
        f"import detlearn                    {import_seconds(3):8.2f} s beyond torch, torchvision"
    )
    print(", ".join(f"{name} {value}" for name, value in versions().items()))


if __name__ == "__main__":
    main()
