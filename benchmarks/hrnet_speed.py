"""How fast HRNet-W32's trunk is, beside timm's with the same weights: one pass, one thread.

    pip install timm
    python benchmarks/hrnet_speed.py

Both see the same image of 256 x 192 in turns, and of several passes the fastest counts: what makes
one slower is another program on the same core.
"""

import argparse
import importlib
import sys
import time

import torch

from detlearn import create_model, load_reference_weights
from detlearn.training.cli import versions


def main() -> None:
    """Print both times and their ratio; exit 1 if ours is slower than asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="largest ratio allowed")
    args = parser.parse_args()
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        sys.exit("timm is not installed: pip install timm, which leaves PyTorch as it is")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    theirs = timm.create_model(
        "hrnet_w32", features_only=True, feature_location="", pretrained=False
    ).eval()
    model = create_model("pose_hrnet_w32")
    load_reference_weights(model, theirs.state_dict(), source="timm", trunk_only=True)
    ours = model.trunk.eval()
    images = torch.randn(1, 3, 256, 192)
    fastest = {"detlearn": float("inf"), f"timm {timm.__version__}": float("inf")}
    with torch.inference_mode():
        for _ in range(1 + args.repeats):  # the first pass warms up, and is never the fastest
            for name, network in zip(fastest, (ours, theirs), strict=True):
                start = time.perf_counter()
                network(images)
                fastest[name] = min(fastest[name], time.perf_counter() - start)
    for name, seconds in fastest.items():
        print(f"{name:12} {1e3 * seconds:7.1f} ms")
    ratio = fastest["detlearn"] / fastest[f"timm {timm.__version__}"]
    print(f"ratio        {ratio:7.2f}")
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    sys.exit(ratio > args.at_most)


if __name__ == "__main__":
    main()
