"""The explorer's own arithmetic, run by node, against the reference; and what it must not need."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from snnlib import neurons
from snnlib.figures import explorer
from snnlib.kernels import reference
from snnlib.papers import theory

PAGE = explorer.PAGE.read_text(encoding="utf-8")
DRIVER = """
const asked = JSON.parse(require("fs").readFileSync(0));
const answers = asked.map(({name, args}) => ({secondOrder, leaky, stimulus, equilibria, isStable, rateCurve,
  presets: () => PRESETS})[name](...args));
console.log(JSON.stringify(answers));
"""

needs_node = pytest.mark.skipif(
    shutil.which("node") is None,
    reason="node is not installed (apt-get install nodejs): nothing runs the page",
)


def ask(*calls):
    """What the page's functions return, each call a name and its arguments."""
    core = re.search(r"^// core: begin.*?^// core: end", PAGE, re.S | re.M).group()
    asked = json.dumps([{"name": name, "args": args} for name, *args in calls])
    done = subprocess.run(
        ["node", "-e", core + DRIVER], input=asked, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_reference(kind, current, parameters):
    """{V, U, S} of the reference, in float64."""
    current = torch.tensor(current, dtype=torch.float64).reshape(-1, 1, 1)
    if kind == "leaky":
        tau, w = parameters
        kind, current, parameters, initial = "lif", w * current, (1 / tau,), (0.0,)
        constants = reference.constants(1.0)
    else:
        kind, initial, constants = "second_order", (0.0, 0.08), reference.constants(0.5, 0.5)
    parameters = [torch.tensor(value, dtype=torch.float64) for value in parameters]
    spikes, traces = reference.run(kind, current, parameters, initial, constants, trace=True)
    return dict(zip("VU", traces, strict=False)) | {"S": spikes}


def cases():
    """Name of a step, current and parameters: the presets, sines, and parameters at random."""
    random = np.random.default_rng(0)
    found = [
        ("secondOrder", theory.sine_stimulus(100, period, sd).tolist(), theta)
        for theta in neurons.PRESETS.values()
        for period, sd in ((25, theory.SINE_SD), (7, 1.1))
    ]
    found += [
        ("secondOrder", [level] * 200, theta) for theta in neurons.PRESETS.values() for level in (0.45, 1)
    ]
    for _ in range(200):
        theta = random.uniform([-0.05, -0.2, -0.3, -0.1], [0.2, 0.6, 0.3, 0.2]).tolist()
        found.append(("secondOrder", random.uniform(-1.2, 2, 100).tolist(), theta))
        leak = random.uniform([1.05, 0], [20, 4]).tolist()
        found.append(("leaky", random.uniform(-1.2, 2, 100).tolist(), leak))
    return found + [("leaky", [1.0] * 50, [2.0, 1.0]), ("leaky", [1.0] * 50, [1.25, 1.25])]


@needs_node
def test_traces_are_those_of_the_reference():
    asked = cases()
    spikes = 0
    for (name, current, parameters), answer in zip(asked, ask(*asked), strict=True):
        expected = by_reference(name, current, parameters)
        assert set(answer) == set(expected)
        for variable, values in expected.items():
            np.testing.assert_allclose(answer[variable], values.flatten().numpy(), rtol=1e-9, atol=1e-12)
        spikes += int(expected["S"].sum())
    assert spikes > 1000


@needs_node
def test_stimuli_presets_and_rates():
    levels = np.linspace(0, 1, 21)
    presets, sine, constant, step, *rates = ask(
        ("presets",),
        ("stimulus", "sine", 100, theory.SINE_SD, 25),
        ("stimulus", "constant", 10, 0.3, 25),
        ("stimulus", "step", 10, 0.3, 25),
        *(("rateCurve", "meta", theta, 100, levels.tolist()) for theta in neurons.PRESETS.values()),
    )
    assert {name: tuple(theta) for name, theta in presets.items()} == neurons.PRESETS
    np.testing.assert_allclose(sine, theory.sine_stimulus(100, 25), rtol=1e-9, atol=1e-12)
    assert constant == [0.3] * 10 and step == [0.0] * 3 + [0.3] * 7
    for theta, found in zip(neurons.PRESETS.values(), rates, strict=True):
        expected = [float(by_reference("meta", [x] * 100, theta)["S"].mean()) for x in levels]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert max(found) > 0


@needs_node
def test_fixed_points_and_their_stability():
    random = np.random.default_rng(1)
    drawn = random.uniform([-1.2, -0.1, -0.2], [0.6, 0.4, 0.6], (300, 3)).tolist()
    expected = [theory.equilibria(current, theta_b) for current, _, theta_b in drawn]
    found = ask(*(("equilibria", current, theta_b) for current, _, theta_b in drawn))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    places = [
        (float(v), theta_a, theta_b)
        for (_, theta_a, theta_b), each in zip(drawn, expected, strict=True)
        for v in each
    ]
    stable = ask(*(("isStable", *place) for place in places))
    assert stable == [theory.is_stable(*place) for place in places]
    assert set(stable) == {True, False}


def test_page_asks_for_nothing_and_is_short():
    assert not re.search(r"https?:|//cdn|\bsrc=|\bimport\b|<link|@import|fetch\(", PAGE)
    assert len(PAGE.splitlines()) < 300


def test_frame_keeps_the_page_to_itself():
    frame = explorer.frame()
    assert frame.count("<iframe") == 1 and "<script" not in frame and "<td" not in frame
