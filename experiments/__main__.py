"""``python -m experiments [NAME ...]``: make the runs that are missing, the most worth first.

Start it once for each core, with OMP_NUM_THREADS=1: the processes share the runs out among
themselves.  Kill it whenever you like: a run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from detlearn.data import data_path

from . import fine_tuning
from .catalogue import EXPERIMENTS, QUESTIONS
from .face_off import publish, publish_others
from .plan import Experiment, Spec, next_runs, spec_of
from .records import ROOT, add_run, borrow, read_runs, record_path
from .runs import execute, measure_later, run_folder, tidy
from .ship import ship


def make_parser() -> argparse.ArgumentParser:
    """What the command understands."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--list", action="store_true", help="what is done, and what is missing")
    parser.add_argument("--quick", action="store_true",
                        help="one seed, 64 scenes, two epochs: to see that it works")  # fmt: skip
    parser.add_argument("--publish", action="store_true",
                        help="write what the chapters read, out of the records")  # fmt: skip
    parser.add_argument("--ship", action="store_true",
                        help="write the weights that are shipped")  # fmt: skip
    parser.add_argument("--records", type=Path, help="another folder of records")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "experiments")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing."""
    parser = make_parser()
    args = parser.parse_args(arguments)
    unknown = [name for name in args.names if name not in EXPERIMENTS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(EXPERIMENTS)}")
    wanted = [EXPERIMENTS[name] for name in args.names or EXPERIMENTS]
    if args.list:
        for experiment in wanted:
            runs = read_runs(record_path(experiment, args.records), experiment)
            hours = sum(run["cpu_seconds"] for run in runs) / 3600
            missing = next_runs(experiment, runs)
            told = f"next {missing[0].key} (of {len(missing)})" if missing else "complete"
            print(f"{experiment.name:20}{len(runs):4} runs, {hours:5.2f} h; {told}")
        return
    if args.publish:
        folder = record_path(EXPERIMENTS["face_off"], args.records).parent
        if not publish(folder, data_path("results") / "face_off.json"):
            parser.error(f"{folder}: expected the record of face_off, there is none")
        fine_tuning.publish(folder, data_path("results") / "fine_tuning.json")
        publish_others(QUESTIONS, folder, data_path("results"))
        return
    torch.set_num_threads(1)
    if args.ship:
        shipped = ship_all(args, parser)
        print("shipped:", ", ".join(shipped) or f"none, no finished run lies in {args.runs}")
        return
    logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)
    if args.quick:
        for experiment in wanted:
            look_quickly(experiment, args.runs / "quick")
        return
    for experiment in wanted:
        if taken := borrow(experiment, list(EXPERIMENTS.values()), args.records):
            say(f"{experiment.name}: {len(taken)} runs that were made for another experiment")
        if experiment.standing:
            complete_standings(experiment, record_path(experiment, args.records), args.runs)
    while (job := claim(wanted, args.records, args.runs)) is not None:
        experiment, spec, lock = job
        with lock:
            folder = run_folder(args.runs, experiment, spec)
            say(f"{experiment.name}: {spec.key}")
            run = execute(experiment, spec, folder)
            run["command"] = shlex.join(["python", "-m", "experiments", *sys.argv[1:]])
            add_run(record_path(experiment, args.records), experiment, run)
            tidy(folder, spec.role)
            scores = {which: values[run["score"]] for which, values in run["scores"].items()}
            say(f"{experiment.name}: {spec.key}: {scores}, dead {run['check_up']['dead']}, "
                f"{run['cpu_seconds']:.0f} s")  # fmt: skip


def ship_all(args: argparse.Namespace, parser: argparse.ArgumentParser) -> list[str]:
    """Ship what the records of the detectors and of the pose network hold; says which."""
    found = [
        (experiment, record_path(experiment, args.records))
        for experiment in (EXPERIMENTS["weights"], EXPERIMENTS["pose"])
    ]
    if not any(path.is_file() for _, path in found):
        parser.error(f"{found[0][1]}: expected the record of the weights, there is none")
    shipped = []
    for experiment, path in found:
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            shipped += ship(experiment, record, args.runs, data_path("weights"))
    return shipped


def complete_standings(experiment: Experiment, path: Path, folder: Path) -> None:
    """Measure what the table wants of final runs that were made before it wanted it."""
    for run in read_runs(path, experiment):
        spec = spec_of(run)
        own = run_folder(folder, experiment, spec)
        if spec.role == "final" and "standing" not in run and own.is_dir():
            lock = FileLock(own.with_suffix(".standing.lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:  # another process does it
                continue
            with lock:
                say(f"{experiment.name}: {spec.key}: measured for the table")
                add_run(path, experiment, run | {"standing": measure_later(experiment, spec, own)})


def claim(
    wanted: Sequence[Experiment], records: Path | None, runs: Path
) -> tuple[Experiment, Spec, FileLock] | None:
    """The next run that nobody works on; its lock is held.  None when nothing is left.

    Runs that another process has taken may decide what comes after them: wait for it then.
    """
    while True:
        taken = False
        for experiment in wanted:
            path = record_path(experiment, records)
            for spec in next_runs(experiment, read_runs(path, experiment)):
                lock = FileLock(runs / experiment.name / f"{spec.key}.lock".replace(" ", "_"))
                Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    taken = True
                    continue
                # It may have been finished between the two looks.
                if spec in next_runs(experiment, read_runs(path, experiment)):
                    return experiment, spec, lock
                lock.release()
        if not taken:
            return None
        time.sleep(20)


def look_quickly(experiment: Experiment, folder: Path) -> None:
    """Every variant once, on few scenes; says what it takes and scores, and draws no conclusion."""
    import shutil

    print(f"{experiment.question}\n(--quick: nothing is concluded from so little)")
    for variant in experiment.variants:
        rate = next(iter(variant.rates), variant.rate or experiment.recipe.learning_rate)
        spec = Spec(variant.name, "final", rate, experiment.seeds[0])
        shutil.rmtree(folder, ignore_errors=True)
        run = execute(experiment, spec, folder, quick=True)
        print(f"{variant.name:32}{run['parameters']:>9,} parameters"
              f"{run['multiply_adds'] / 1e6:>8.1f} M multiply-adds{run['milliseconds']:>7.1f} ms  "
              f"{run['score']} {run['scores']['test'].get(run['score'], 0.0):.3f}")  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)


def say(words: str) -> None:
    """A line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


if __name__ == "__main__":
    main()
