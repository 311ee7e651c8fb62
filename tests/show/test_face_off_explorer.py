"""The face-off explorer: its answers are the networks', its filters count what is there."""

from __future__ import annotations

import json
import math

import pytest

from detlearn import load_model
from detlearn.data import data_path, open_dataset
from detlearn.metrics import detection_errors
from detlearn.show import FaceOffExplorer
from detlearn.show.explorers.browser.face_off import scene_answers
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node

RANGES = [(0, math.inf), (0, 15.999), (16, 23.999), (24, 999)]  # px
CROWDS = [(0, 99), (1, 2), (3, 4), (5, 99)]
needs_node = pytest.mark.skipif(NODE is None, reason="node runs the explorer's arithmetic")


def compute(expression, cases):
    return in_node(expression, cases=cases, module="face_off.js", browser=BROWSER)


@pytest.fixture(scope="module")
def content():
    return FaceOffExplorer().content


def test_the_answers_are_those_of_the_shipped_networks(content):
    scene = content["scenes"][1]
    image, target = open_dataset("shapes", "val")[scene["id"]]
    models = [
        load_model(data_path("weights", f"{name}.safetensors")).eval()
        for name in content["networks"]
    ]
    for found, told in zip(
        scene_answers(models, content["thresholds"], image, target), scene["answers"], strict=True
    ):
        assert [row[4:] for row in found] == [
            [label, pytest.approx(score, abs=0.02), which] for *_, label, score, which in told
        ]
        for a, b in zip(found, told, strict=True):
            assert a[:4] == pytest.approx(b[:4], abs=0.5)
    assert [row[4] for row in scene["truth"]] == target["labels"].tolist()


def test_an_answer_finds_an_object_of_its_class_and_none_is_found_twice(content):
    assert len(content["scenes"]) == 40
    for scene in content["scenes"]:
        for answers in scene["answers"]:
            found = [row[6] for row in answers if row[6] >= 0]
            assert len(found) == len(set(found))
            assert all(scene["truth"][row[6]][4] == row[4] for row in answers if row[6] >= 0)


@needs_node
def test_every_filter_leaves_what_it_says(content):
    scenes = content["scenes"]
    told = compute("Object.entries(SIZES).map(([size]) => left(cases, { size }))", scenes)
    sides = [
        min((math.sqrt((c - a) * (d - b)) for a, b, c, d, _ in scene["truth"]), default=math.inf)
        for scene in scenes
    ]
    assert math.inf in sides  # a scene without objects stays while no filter is set
    for places, (low, high) in zip(told, RANGES, strict=True):
        assert places == [k for k, side in enumerate(sides) if low <= side <= high]
        assert places
    crowds = compute("Object.keys(CROWDS).map((crowd) => left(cases, { crowd }))", scenes)
    numbers = [len(scene["truth"]) for scene in scenes]
    for places, (few, many) in zip(crowds, CROWDS, strict=True):
        assert places == [k for k, number in enumerate(numbers) if few <= number <= many]
    houses = compute("left(cases, { label: 6 })", scenes)
    assert houses == [k for k, s in enumerate(scenes) if any(row[4] == 6 for row in s["truth"])]


@needs_node
def test_the_counter_counts_as_the_package_does(content):
    import torch

    scenes = content["scenes"]
    for number in range(len(content["networks"])):
        told = compute(f"totals(cases, cases.map((_, i) => i), {number})", scenes)
        found, truth = [], []
        for scene in scenes:
            rows = torch.tensor(scene["answers"][number]).reshape(-1, 7)
            objects = torch.tensor(scene["truth"]).reshape(-1, 5)
            found.append({"boxes": rows[:, :4], "labels": rows[:, 4].long(), "scores": rows[:, 5]})
            truth.append({"boxes": objects[:, :4], "labels": objects[:, 4].long()})
        counts = detection_errors(found, truth)
        assert told["missed"] == counts["missed"] and told["right"] == counts["correct"]
        assert told["wrong"] == sum(map(len, (f["labels"] for f in found))) - counts["correct"]
        perfect = [
            {row[6] for row in s["answers"][number]} == set(range(len(s["truth"]))) for s in scenes
        ]
        assert told["perfect"] == sum(perfect)


@needs_node
def test_the_page_is_one_valid_module(content):
    assert compute("typeof mount", []) == "function"


def test_a_page_is_small_and_the_same_twice():
    page = FaceOffExplorer().to_html()
    assert len(json.dumps(page)) <= 400_000 and page == FaceOffExplorer().to_html()
