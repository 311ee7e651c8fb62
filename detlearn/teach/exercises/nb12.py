"""Exercises of notebook 12, the face-off.

Keys: `read_interval`, `unfair`, `plan_seeds`, `decide`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["decide", "plan_seeds", "read_interval", "unfair"]


# --------------------------------------------------------------------------- read_interval


def _intervals(generator: torch.Generator) -> Iterator[Case]:
    for ends in (
        (0.012, 0.03), (-0.03, -0.012), (-0.004, 0.006), (-0.02, 0.03), (0.002, 0.006),
        (0.001, 0.017), (0.001, 0.024), (-0.005, 0.012), (-0.024, -0.001), (-0.04, 0.006),
        (-0.006, 0.04), (-0.006, -0.002), (0.004, 0.014), (-0.014, -0.004), (-0.012, 0.005),
        (0.0, 0.03), (-0.03, 0.0), (-0.01, 0.005),  # at the edge: 0 is inside, ±delta is not
    ):  # fmt: skip
        yield *ends, 0.01
    for _ in range(25):
        low, wide = (torch.rand(2, generator=generator) * 0.08).tolist()
        delta = (0.01, 0.02)[integer(generator, 0, 1)]
        yield low - 0.05, low - 0.05 + wide, delta


_READ = """
    def read_interval(low, high, delta):
        mean = {mean}
        if {better}:
            return "better"
        if {worse}:
            return "worse"
        if {same}:
            return "same"
        return "unknown"
"""


def _read(**changes: str) -> str:
    right = {
        "mean": "(low + high) / 2",
        "better": "low > 0 and mean >= delta",
        "worse": "high < 0 and mean <= -delta",
        "same": "-delta < low and high < delta",
    }
    return _READ.format(**{**right, **changes})


read_interval = Exercise(
    notebook="nb12",
    key="read_interval",
    prompt=(
        'Write `read_interval(low, high, delta)`: "better", "worse", "same" or "unknown", for the '
        "interval of a difference. Better: it leaves out 0, and its middle is at least delta. "
        "Same: it lies inside of ±delta. It works when (0.001, 0.024) with 0.01 is better."
    ),
    stub='''
    def read_interval(low, high, delta):
        """"better", "worse", "same" or "unknown"."""
        return ...
    ''',
    solution_source='''
    def read_interval(low, high, delta):
        """"better", "worse", "same" or "unknown"."""
        mean = (low + high) / 2
        if low > 0 and mean >= delta:
            return "better"
        if high < 0 and mean <= -delta:
            return "worse"
        if -delta < low and high < delta:
            return "same"
        return "unknown"
    ''',
    hints=(
        "Two questions: is 0 inside of the interval, and is the middle far enough from it?",
        "The mean of a t-interval is its middle. Better needs low above 0 *and* the middle at "
        "delta or more; worse is its mirror image.",
        "What is neither better nor worse is the same only if the *whole* interval is small.",
    ),
    wrong_answers=(
        WrongAnswer(
            _read(better="mean >= delta", worse="mean <= -delta"),
            "You read the mean alone. (-0.006, 0.04) has a large mean and may still be no "
            "difference at all: 0 lies inside.",
        ),
        WrongAnswer(
            _read(better="mean > 0", worse="mean < 0"),
            "You read the sign of the mean. Nearly every mean has one; ask whether 0 is inside.",
        ),
        WrongAnswer(
            _read(better="low > 0", worse="high < 0"),
            "Without 0 inside, a difference is probably real, but it may be too small to matter: "
            "(0.002, 0.006) has its middle below delta.",
        ),
        WrongAnswer(
            _read(better="low >= 0 and mean >= delta"),
            "An interval that begins at 0 does not leave it out: better asks for low > 0.",
        ),
        WrongAnswer(
            _read(better="low >= delta", worse="high <= -delta"),
            "You ask that the whole interval lies beyond delta. The rule asks it of the middle; of "
            "the lower end only that it is above 0.",
        ),
        WrongAnswer(
            _read(same="low <= 0 <= high"),
            "An interval that holds 0 is no proof of equality: (-0.02, 0.03) holds differences "
            "that matter. That is unknown.",
        ),
        WrongAnswer(
            _read(same="abs(mean) < delta"),
            "A small mean is not enough for the same: (-0.02, 0.03) has a small mean and holds "
            "differences that matter. Look at both ends.",
        ),
        WrongAnswer(
            _read(same="False"),
            "You never say the same. An interval inside of ±delta excludes every difference that "
            "matters, and that is a finding.",
        ),
        WrongAnswer(
            _read(better="high < 0 and mean <= -delta", worse="low > 0 and mean >= delta"),
            "Better and worse are exchanged. The difference is row minus reference.",
        ),
        WrongAnswer(
            _read(worse="False"),
            "You never say worse. It is the mirror image of better: high below 0, the middle at "
            "-delta or less.",
        ),
        WrongAnswer(
            _read(mean="high - low"),
            "high - low is the width of the interval. Its middle is half of the sum.",
        ),
    ),
    cases=_intervals,
    praise="The words of the table are yours now: four of them, and one is an honest shrug.",
)


# --------------------------------------------------------------------------- unfair


def _parts(*parts: str) -> str:
    return f"\n    unfair = {parts!r}\n"


unfair = Exercise(
    notebook="nb12",
    key="unfair",
    prompt=(
        'Fill `unfair`: for each of the tables a to d, lower case, "data", "tuning", "seeds" or '
        '"fair". It works when every word names the fault that you can point at in the conditions.'
    ),
    stub="""
    unfair = ...  # ("fair", "data", ...), four words
    """,
    solution_source="""
    unfair = ("tuning", "fair", "seeds", "data")
    """,
    hints=(
        "Ask of each table three things: same pictures to learn from? same search for settings? "
        "same number of tries, all of them counted?",
        "In one table a rival runs with settings that were found for somebody else.",
        "A fair table may have different learning rates. What must be equal is the *search*.",
    ),
    wrong_answers=(
        WrongAnswer(
            _parts("fair", "fair", "seeds", "data"),
            "Table a: one rate for both looks equal, but it was searched for A only. B runs with "
            "a setting that somebody else needed.",
        ),
        WrongAnswer(
            _parts("data", "fair", "seeds", "data"),
            "Table a: both saw the same scenes. Read the line about the learning rate again.",
        ),
        WrongAnswer(
            _parts("seeds", "fair", "seeds", "data"),
            "Table a: five seeds each, all counted. Read the line about the learning rate again.",
        ),
        WrongAnswer(
            _parts("tuning", "tuning", "seeds", "data"),
            "Table b: the rates differ because each had its own search, by the same rule. That is "
            "what a fair table looks like.",
        ),
        WrongAnswer(
            _parts("tuning", "data", "seeds", "data"),
            "Table b: both trained on 24,000 images and were tested on the same scenes.",
        ),
        WrongAnswer(
            _parts("tuning", "seeds", "seeds", "data"),
            "Table b: both report the mean of five seeds, none is left out.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "fair", "data"),
            "Table c: A's figure is the best of ten runs, B's the mean of ten. The best of ten "
            "equal runs beats their mean nearly always.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "tuning", "data"),
            "Table c: both were tuned alike. Ask which run of each stands in the table.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "data", "data"),
            "Table c: same scenes for both. Ask which run of each stands in the table.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "seeds", "fair"),
            "Table d: A began with a backbone that has seen another million pictures.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "seeds", "tuning"),
            "Table d: both had their own search. Ask what each network had seen before.",
        ),
        WrongAnswer(
            _parts("tuning", "fair", "seeds", "seeds"),
            "Table d: five seeds each, all counted. Ask what each network had seen before.",
        ),
    ),
    praise="Three kinds of unfairness, and you know each from its conditions alone.",
    look_at=(
        "Table a: for whom was the learning rate found?",
        "Table b: is there anything that one had and the other had not?",
        "Table c: which of the runs stand in the table?",
        "Table d: what had each network seen before it was trained?",
    ),
)


# --------------------------------------------------------------------------- plan_seeds


def _plans(generator: torch.Generator) -> Iterator[Case]:
    yield 600, 10, 4, 5
    yield 300, 10, 4, 3
    yield 2000, 12, 9, 5
    yield 200, 10, 4, 5  # tuning alone costs as much
    yield 60, 10, 4, 5
    yield 300, 10, 4, 5
    for _ in range(10):
        yield (
            integer(generator, 100, 3000), integer(generator, 4, 30),
            integer(generator, 2, 9), integer(generator, 3, 6),
        )  # fmt: skip


_PLAN = """
    def plan_seeds(budget, minutes, variants, rates):
        tuning = {tuning}
        seeds = int(({left}) // ({run}))
        return {answer}
"""


def _plan(**changes: str) -> str:
    right = {
        "tuning": "variants * rates * 2 * minutes / 4",
        "left": "budget - tuning",
        "run": "variants * minutes",
        "answer": "seeds if seeds >= 5 else 0",
    }
    return _PLAN.format(**{**right, **changes})


plan_seeds = Exercise(
    notebook="nb12",
    key="plan_seeds",
    prompt=(
        "Write `plan_seeds(budget, minutes, variants, rates)`: how many paired seeds every variant "
        "can have. First each variant tries all its rates with two seeds and a quarter of the "
        "minutes. Fewer than 5 seeds: 0. It works when (600, 10, 4, 5) gives 12."
    ),
    stub='''
    def plan_seeds(budget, minutes, variants, rates):
        """Seeds a variant, an integer; budget and minutes of a full run."""
        return ...
    ''',
    solution_source='''
    def plan_seeds(budget, minutes, variants, rates):
        """Seeds a variant, an integer; budget and minutes of a full run."""
        tuning = variants * rates * 2 * minutes / 4
        seeds = int((budget - tuning) // (variants * minutes))
        return seeds if seeds >= 5 else 0
    ''',
    hints=(
        "Pay for the search first: how many short runs are these, and how long is one?",
        "variants · rates · 2 short runs, a quarter of the minutes each. What is left buys rounds.",
        "A round is one seed of *every* variant. Count whole rounds; below five there is no "
        "verdict, so do not begin.",
    ),
    wrong_answers=(
        WrongAnswer(
            _plan(tuning="0"),
            "The search for the learning rates is not paid. It is often a third of the budget.",
        ),
        WrongAnswer(
            _plan(tuning="variants * rates * minutes / 4"),
            "You tune with one seed. The rule is two, since one may be lucky.",
        ),
        WrongAnswer(
            _plan(tuning="variants * rates * 2 * minutes"),
            "You tune with whole runs. A quarter of the minutes is enough to find a rate.",
        ),
        WrongAnswer(
            _plan(tuning="rates * 2 * minutes / 4"),
            "You tune one variant and lend its rate to the others. That is the clinic's second "
            "patient: every variant searches for itself.",
        ),
        WrongAnswer(
            _plan(run="minutes"),
            "You count runs. A paired seed is one run of *every* variant.",
        ),
        WrongAnswer(
            _plan(answer="max(seeds, 0)"),
            "You begin an experiment that cannot end in a verdict: below five seeds return 0.",
        ),
        WrongAnswer(
            _plan(answer="seeds if seeds > 5 else 0"),
            "Five seeds are enough; only fewer give no verdict.",
        ),
        WrongAnswer(
            _plan(answer="max(seeds, 5)"),
            "You promise five seeds that the budget does not pay.",
        ),
        WrongAnswer(
            _plan(tuning="variants * rates * 2 * minutes / 4", run="(variants - 1) * minutes"),
            "The reference is a variant, too: it runs with every seed.",
        ),
    ),
    cases=_plans,
    praise="Planned before it starts, an experiment cannot stop when its numbers look good.",
)


# --------------------------------------------------------------------------- decide


def _choices(generator: torch.Generator) -> Iterator[Case]:
    yield (("a", 10, 0.60), ("b", 20, 0.64), ("c", 30, 0.65)), 30, 0.02
    yield (("a", 10, 0.60), ("b", 20, 0.64), ("c", 30, 0.70)), 30, 0.02
    yield (("a", 10, 0.60), ("b", 20, 0.64), ("c", 30, 0.65)), 25, 0.02
    yield (("a", 10, 0.60), ("b", 20, 0.64)), 5, 0.02
    yield (("b", 20, 0.64), ("a", 10, 0.63), ("c", 40, 0.9)), 20, 0.02
    yield (("c", 9, 0.50), ("a", 15, 0.62), ("b", 12, 0.61)), 15, 0.05
    yield (("a", 10, 0.50), ("b", 20, 0.75)), 20, 0.25  # exactly within reach
    yield (("a", 10, 0.64), ("b", 20, 0.66), ("c", 30, 0.65)), 30, 0.0225
    yield (("a", 10, 0.10), ("b", 12, 0.40), ("c", 20, 0.62)), 30, 0.05
    for _ in range(12):
        rows = tuple(
            (name, integer(generator, 5, 40), round(0.5 + integer(generator, 0, 40) / 200, 3))
            for name in "abcde"[: integer(generator, 2, 5)]
        )
        if len({cost for _, cost, _ in rows}) == len(rows) == len({s for _, _, s in rows}):
            yield rows, integer(generator, 8, 40), 0.0125


_DECIDE = """
    def decide(rows, most, reach):
        allowed = {allowed}
        if not allowed:
            return None
        best = max(score for _, _, score in {among})
        good = {good}
        return {pick}
"""


def _decide(**changes: str) -> str:
    right = {
        "allowed": "[row for row in rows if row[1] <= most]",
        "among": "allowed",
        "good": "[row for row in allowed if row[2] >= best - reach]",
        "pick": "min(good, key=lambda row: row[1])[0]",
    }
    return _DECIDE.format(**{**right, **changes})


decide = Exercise(
    notebook="nb12",
    key="decide",
    prompt=(
        "Write `decide(rows, most, reach)`: rows are (name, cost, score). Of those that cost at "
        "most `most`, return the name of the cheapest whose score is within `reach` of the best "
        "of them; None if nothing is allowed. It works when (a, 10, .60), (b, 20, .64), "
        "(c, 30, .65) with 30 and 0.02 give b."
    ),
    stub='''
    def decide(rows, most, reach):
        """The name of the row to take, or None."""
        ...
        return ...
    ''',
    solution_source='''
    def decide(rows, most, reach):
        """The name of the row to take, or None."""
        allowed = [row for row in rows if row[1] <= most]
        if not allowed:
            return None
        best = max(score for _, _, score in allowed)
        good = [row for row in allowed if row[2] >= best - reach]
        return min(good, key=lambda row: row[1])[0]
    ''',
    hints=(
        "Three steps: what may I pay, which of these cannot be told from the best, which is "
        "cheapest?",
        "The best is the best *of the allowed ones*: what you cannot pay sets no standard.",
        "max over the scores of the allowed rows; keep the rows above best - reach; min by cost.",
    ),
    wrong_answers=(
        WrongAnswer(
            _decide(pick="max(good, key=lambda row: row[2])[0]"),
            "You take the highest mean. What lies within reach of it cannot be told from it: take "
            "the cheapest of these.",
        ),
        WrongAnswer(
            _decide(good="allowed"),
            "You take the cheapest of all, however bad it is. It must be within reach of the best.",
        ),
        WrongAnswer(
            _decide(allowed="rows"),
            "You do not look at the limit: the row that you chose may cost more than `most`.",
        ),
        WrongAnswer(
            _decide(allowed="[row for row in rows if row[1] < most]"),
            "At most means that a cost equal to the limit is allowed.",
        ),
        WrongAnswer(
            _decide(among="rows", pick="min(good, key=lambda row: row[1])[0] if good else None"),
            "Your best is one that cannot be paid. Compare with the best of the allowed ones.",
        ),
        WrongAnswer(
            _decide(good="[row for row in allowed if row[2] > best - reach or row[2] == best]"),
            "Within reach means that a score exactly `reach` below the best still counts: >=.",
        ),
        WrongAnswer(
            _decide(pick="max(good, key=lambda row: row[1])[0]"),
            "You take the most expensive of the equally good ones. Take the cheapest.",
        ),
        WrongAnswer(
            _decide(pick="min(good, key=lambda row: row[1])"),
            "You return the whole row. Its name is asked, row[0].",
        ),
        WrongAnswer(
            _decide(pick="max(allowed, key=lambda row: row[2] / row[1])[0]"),
            "Score divided by cost prefers what costs nearly nothing. Nobody asked for the ratio: "
            "take what is good enough, then the cheapest.",
        ),
    ),
    cases=_choices,
    praise="That is how a front is read: first what you can pay, then what can be told apart.",
)
