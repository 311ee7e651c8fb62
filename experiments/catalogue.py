"""All experiments, in the order of their worth."""

from __future__ import annotations

from . import fine_tuning, hrnet, m2det, refinedet, ssd
from .face_off import EQUAL, FACE_OFF, LAYOUTS
from .plan import GRID, Experiment, Variant
from .recipes import POSE, TINY

__all__ = ["EXPERIMENTS", "QUESTIONS"]

_PRECISION = (
    "None: bfloat16 halves the numbers that a CPU with the instructions for it has to move. All "
    "other experiments may use it if it changes no score by more than the seeds do."
)

PRECISION = tuple(
    Experiment(
        name=f"precision_{model}",
        question=f"Does {model} learn the same in bfloat16 as in float32?",
        paper=_PRECISION,
        variants=(
            Variant("float32", model, config={"amp": "off"}, rate=rate),
            Variant("bfloat16", model, rate=rate),
        ),
        reference="float32",
        recipe=TINY,
        scenes=3000,
        epochs=2,
        delta=0.02,
        delta_reason="short runs: two passes over 3,000 scenes, where seeds differ by 0.01",
    )
    for model, rate in (("ssd_tiny", 1e-2), ("refinedet_tiny", 5e-3))
)

WEIGHTS = Experiment(
    name="weights",
    question="How good are the shipped detectors, trained three times as long?",
    paper="None: the course's own networks.",
    # The rate that the face-off's tuning chose and, should it kill a module in so many more steps,
    # the smaller ones of its grid; first the rows of which a sick network was shipped once.
    # ssd_tiny is none of them: it was shipped with this recipe, this rate and three seeds before
    # there was a tuning, by `python -m detlearn train` (data/weights/ssd_tiny.json).
    variants=tuple(
        Variant(name, name, rates=tuple(rate for rate in reversed(GRID) if rate <= tuned))
        for name, tuned in (
            ("m2det_tiny", 5e-3), ("ssd_hrnet_tiny", 3e-3),
            ("refinedet_tiny", 5e-3),
        )
    ),
    reference="m2det_tiny",
    recipe=TINY,
    scenes=12_000,
    epochs=6,
    seeds=(0, 1, 2),
    sick_finals=1,  # what is shipped has no dead module
)  # fmt: skip

POSE_WEIGHTS = Experiment(
    name="pose",
    question="How well does pose_hrnet_tiny find the joints of the people of Shapes?",
    paper="COCO val2017, pose_hrnet_w32 at 256 x 192: 74.4 AP (Sun et al. 2019, Table 1)",
    variants=(Variant("pose_hrnet_tiny", "pose_hrnet_tiny"),),
    reference="pose_hrnet_tiny",
    recipe=POSE,
    scenes=12_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=4,
    score="AP",
    seeds=(0, 1, 2),
)

QUESTIONS = (
    *refinedet.EXPERIMENTS, *m2det.EXPERIMENTS, *hrnet.EXPERIMENTS, *ssd.EXPERIMENTS
)  # fmt: skip
"""Those that ask what a part of a network is worth; a chapter reads each from ``data/results``."""

EXPERIMENTS = {
    one.name: one
    for one in (
        FACE_OFF,
        *PRECISION,
        EQUAL,
        LAYOUTS,
        WEIGHTS,
        POSE_WEIGHTS,
        *fine_tuning.EXPERIMENTS,
        *QUESTIONS,
    )
}
