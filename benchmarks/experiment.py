"""What the experiments on Shapes share: runs in parallel, a record after each, a summary.

An experiment is a table of variants and two functions: `prepare(length, threads)`, which a process
calls before its first run, and `run(variant, config)`, which trains and scores one variant with one
seed and returns a dict with at least "variant", "seed", "seconds" and "scores".  See
`hrnet_experiment.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from detlearn.data.shapes import SHAPES_VERSION
from detlearn.files import write_atomically
from detlearn.training import TrainConfig
from detlearn.training.cli import versions

Run = dict[str, Any]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation and the values themselves."""
    return {
        "mean": round(statistics.mean(values), 4),
        "sd": round(statistics.stdev(values), 4) if len(values) > 1 else 0.0,
        "values": list(values),
    }


def summarize(
    runs: Iterable[Run],
    variants: Mapping[str, Mapping[str, Any]],
    scores: Sequence[str],
    counts: Sequence[str] = ("parameters",),
) -> dict[str, dict[str, Any]]:
    """Mean and spread of each variant over its seeds, in the order of the variants.

    Args:
        runs: what `run` returned.
        variants: name -> what is the same in all its runs (model, overrides, ...).
        scores: which of the scores; one that is missing in a run is left out.
        counts: what a run says that is the same with every seed.
    """
    runs = list(runs)
    summary: dict[str, dict[str, Any]] = {}
    for variant, facts in variants.items():
        own = [one for one in runs if one["variant"] == variant]
        if not own:
            continue
        row: dict[str, Any] = {
            **facts,
            **{key: own[0][key] for key in counts},
            "seeds": [one["seed"] for one in own],
            "seconds": round(statistics.mean(one["seconds"] for one in own), 1),
        }
        for key in scores:
            values = [one["scores"][key] for one in own if key in one["scores"]]
            if values:
                row[key] = spread(values)
        summary[variant] = row
    return summary


def read_runs(path: Path, same: dict[str, Any]) -> list[dict[str, Any]]:
    """Finished runs of an earlier call; none if there is no file.

    Raises:
        SystemExit: the file is of another experiment.
    """
    if not path.exists():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key, value in same.items() if record.get(key) != value]
        runs = record["runs"]
    except (ValueError, KeyError, AttributeError) as error:
        raise SystemExit(f"{path}: expected a record of this experiment ({error!r})") from error
    if differing:
        raise SystemExit(
            f"{path}: holds runs with other {' and '.join(differing)}; "
            "delete it, or choose another --out"
        )
    return list(runs)


def main(
    doc: str,
    variants: Mapping[str, Mapping[str, Any]],
    prepare: Callable[[int, int], None],
    run: Callable[[str, TrainConfig], Run],
    recipe: TrainConfig,
    *,
    scenes: int,
    epochs: int,
    out: Path,
    scores: Sequence[str],
    settings: Mapping[str, Any],
    counts: Sequence[str] = ("parameters",),
    conclude: Callable[[list[Run]], dict[str, Any]] = lambda runs: {},
) -> None:
    """The command of an experiment: run what is missing, and write down what there is.

    Args:
        doc: the experiment's docstring; its first line is the command's help.
        variants: see `summarize`.
        prepare: see above.
        run: see above.
        recipe: how all variants are trained; ``epochs`` and ``seed`` are replaced.
        scenes: drawn scenes to train on, unless told otherwise.
        epochs: passes over them, unless told otherwise.
        out: where the record goes, unless told otherwise.
        scores: what is summarised; the first is printed after each run.
        settings: what else a resumed experiment must have in common.
        counts: see `summarize`.
        conclude: further entries of the record, computed from all runs.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=scenes, help="drawn scenes to train on")
    parser.add_argument("--epochs", type=int, default=epochs, help="passes over them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=variants, default=list(variants))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run")
    parser.add_argument("--out", type=Path, default=out)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = dataclasses.replace(recipe, epochs=args.epochs)
    common = dataclasses.asdict(recipe) | dict(settings)
    common |= {"scenes": args.scenes, "shapes_version": SHAPES_VERSION}
    del common["seed"]
    common = json.loads(json.dumps(common))  # tuples become lists, as in the file
    same = {"settings": common, "versions": versions()}
    runs = read_runs(args.out, same)
    done = {(one["variant"], one["seed"]) for one in runs}
    # Seed by seed, so that an interrupted experiment still compares like with like.
    missing = [(v, s) for s in args.seeds for v in args.variants if (v, s) not in done]
    print(f"{len(done)} runs are there, {len(missing)} to go", flush=True)

    with ProcessPoolExecutor(
        max(1, min(args.jobs, len(missing))),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=prepare,
        initargs=(args.scenes, args.threads),
    ) as pool:
        tasks = [pool.submit(run, v, dataclasses.replace(recipe, seed=s)) for v, s in missing]
        try:
            for task in as_completed(tasks):
                one = task.result()
                runs.append(one)
                runs.sort(key=lambda r: (list(variants).index(r["variant"]), r["seed"]))
                record = {
                    "command": shlex.join(["python", *sys.argv]),
                    **same,
                    "summary": summarize(runs, variants, scores, counts),
                    **conclude(runs),
                    "runs": runs,
                }
                write_atomically(args.out, (json.dumps(record, indent=1) + "\n").encode())
                score = f"{scores[0]} {one['scores'][scores[0]]:.3f}"
                words = f"{one['variant']}, seed {one['seed']}: {score} in {one['seconds']:.0f} s"
                print(words, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    for variant, row in summarize(runs, variants, scores, counts).items():
        words = "  ".join(
            f"{key} {row[key]['mean']:.3f} ± {row[key]['sd']:.3f}" for key in scores if key in row
        )
        numbers = "".join(f"{row[key]:>9,} {key}  " for key in counts)
        print(f"{variant:24}{numbers}{words}  {row['seconds']:.0f} s")
