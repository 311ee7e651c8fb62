"""Where a forward pass of a full-size network spends its time: by kind of layer and by part.

    python benchmarks/forward_profile.py --at-least 0.9
    python benchmarks/forward_profile.py pose_hrnet_w32 --batch 8

Every layer has a hook before it and one after it, on one thread, in both layouts of memory:
``channels_last``, in which the package trains, and PyTorch's usual one, in which the pools are
slow.  CPU time counts, and of several runs the
fastest.  With ``--at-least`` the command fails if convolutions take a smaller share of a network
in ``channels_last``.
"""

import argparse
import sys
import time
from collections import defaultdict

import torch
from torch import nn

from detlearn import create_model
from detlearn.training.cli import versions

LAYOUTS = {"channels_last": torch.channels_last, "usual": torch.contiguous_format}


def timed_forward(model: nn.Module, images: torch.Tensor) -> tuple[float, dict[str, float]]:
    """Seconds of one forward pass, and of each innermost layer by its name."""
    spent: dict[str, float] = defaultdict(float)
    handles = []
    for name, layer in model.named_modules():
        if name and not list(layer.children()):

            def before(module: nn.Module, given: object, name: str = name) -> None:
                spent[name] -= time.process_time()

            def after(module: nn.Module, given: object, out: object, name: str = name) -> None:
                spent[name] += time.process_time()

            handles.append(layer.register_forward_pre_hook(before))
            handles.append(layer.register_forward_hook(after))
    start = time.process_time()
    with torch.inference_mode():
        model(images)
    whole = time.process_time() - start
    for handle in handles:
        handle.remove()
    return whole, dict(spent)


def profile(
    name: str, layout: str, repeats: int, batch: int
) -> tuple[float, dict[str, float], dict[str, float]]:
    """Milliseconds of the fastest run: whole, by kind of layer, by part."""
    torch.manual_seed(0)
    memory = {"memory_format": LAYOUTS[layout]}
    model = create_model(name).eval().to(**memory)
    config = model.config
    size = getattr(config, "crop_size", None) or (config.image_size, config.image_size)
    images = 100 * torch.randn(batch, 3, *size).to(**memory)
    timed_forward(model, images)  # warms up
    whole, spent = min(
        (timed_forward(model, images) for _ in range(repeats)), key=lambda run: run[0]
    )
    layers = dict(model.named_modules())
    kinds: dict[str, float] = defaultdict(float)
    parts: dict[str, float] = defaultdict(float)
    for layer, seconds in spent.items():
        module = layers[layer]
        is_conv = isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        kind = type(module).__name__
        if is_conv:
            kind = "1x1 convolutions" if module.kernel_size == (1, 1) else "convolutions"
        kinds[kind] += 1e3 * seconds
        parts[".".join(layer.split(".")[: 1 + layer.startswith("trunk.")])] += 1e3 * seconds
    # What no layer of its own does: F.relu in the TCBs, sums, reshaping.
    kinds["everything else"] = 1e3 * (whole - sum(spent.values()))
    return 1e3 * whole, dict(kinds), dict(parts)


def main() -> None:
    """Print both tables of each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["refinedet320_vgg16", "refinedet512_vgg16"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1, help="images")
    parser.add_argument("--at-least", type=float, default=0.0, help="share of convolutions")
    args = parser.parse_args()
    torch.set_num_threads(1)
    short = []
    for name in args.models:
        for layout in LAYOUTS:
            whole, kinds, parts = profile(name, layout, args.repeats, args.batch)
            print(f"{name}, {layout} layout, batch {args.batch}: {whole:,.0f} ms of one thread")
            for table in (kinds, parts):
                for key, value in sorted(table.items(), key=lambda item: -item[1]):
                    print(f"  {key:18}{value:9.1f} ms {value / whole:7.1%}")
                print()
            share = kinds["convolutions"] + kinds.get("1x1 convolutions", 0.0)
            if layout == "channels_last" and share < args.at_least * whole:
                short.append(name)
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    if short:
        sys.exit(f"convolutions take less than {args.at_least:.0%} of {', '.join(short)}")


if __name__ == "__main__":
    main()
