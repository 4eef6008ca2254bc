"""Grids of chapter 08: does the order of the steps matter, and which part of the dynamics makes use of it?

All are networks of the MDN paper with Table 1's settings (or ours, ``grids.BEYOND_TABLE_1``) but for the
budget; every trained network is also tested with its test input in other orders and disturbed. Seeds are
paired throughout.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from snnlib import datasets
from snnlib.datasets import disturbance
from snnlib.neurons import PRESETS
from snnlib.runs.config import Run
from snnlib.runs.grids import mdn_run

TASKS = ("tidigits", "timit", "n_mnist")
SERIES = ("mnist1d", "japanese_vowels", "basic_motions")
"""In use as small tests of time, and in neither paper: ``order`` alone is asked of them."""

EVENTS = ("cifar10_dvs", "dvs128_gesture")
"""Simulated where the recordings are not there; what stand-ins say, no rule judges."""

CONTROL = "mnist"
"""Every step of it is drawn anew and alike: no order to be worth anything."""

NEURONS = ("1st-order", "2-FS", "2-WDS")
BENCH = ("1st-order", "LIF/tau:2", "PLIF/tau:2", "2-FS", "2-RS", "2-SDS", "2-WDS", "learned")
SEARCHED = (*BENCH, "1st-order/tau:2")
STEPS = ("half-step", "semi-implicit")
WITH_THE_SIGMOIDS = ("tanh", "rectified", "raised")
"""Signed currents with one property of the sigmoid each (``networks.CURRENTS``)."""

SIGNED = ("1st-order", "1st-order/tau:2", "LIF/tau:2", "PLIF/tau:2", "2-FS", "2-WDS")
TAUS = (2.0, 4.0, 8.0, 16.0)
TAUS_LATER = (1.05, 1.25, 1.5)
"""LIF's, added when PLIF had gone below the grid: drawn, and judged by no rule."""

STRENGTHS = {
    "noise": (0.25, 0.5, 1.0),
    "deletion": (0.1, 0.3, 0.5),
    "jitter": (1, 2, 4),
    "warp": (0.75, 1.25, 1.5),
}
TESTS = disturbance.ORDERS + tuple(f"{what}:{x:g}" for what, values in STRENGTHS.items() for x in values)
STILLS = ("mnist", "fashion_mnist", "nettalk", "cifar10")
"""MDN's tasks without time."""

RATES = (1 / 3, 1.0, 3.0)
"""Of Table 1's learning rate: the search."""

HELD_OUT = 0.15
"""Share of the training samples of each class that the search chooses by; Table S2's of the PLIF paper."""

COUNTS_EPOCHS = 5
"""Times as many epochs for the linear classifier, which costs next to nothing."""


def timed(task: str, settings: Iterable[str], seeds: int, tests=TESTS, **budget) -> list[Run]:
    """Settings x seeds on a task. A setting is a neuron, with "/tau:4" where it has a time constant,
    "/order:shuffled" where all input is changed so and "/current:signed", or another of
    ``networks.CURRENTS``, where it is not the sigmoid's; ``tests`` as in Run.

    Neurons: of Table 2, "1st-order", "learned", "counts" (a linear classifier of the input's mean over time,
    no neuron), "LIF", "PLIF", "PLIF-each", "PLIF-random", "LIF-random", or a part of 2-WDS ("V2-alone",
    "U-alone", "neither"), or one with other ``STEPS``.
    """
    data, runs = datasets.identify(task, paper="mdn"), []
    for setting in settings:
        neuron, *words = setting.split("/")
        more = dict(word.split(":", 1) for word in words)
        changes = {"order": more.get("order", ""), "tau": float(more.get("tau", 0)), "tests": tuple(tests)}
        if neuron == "counts":
            changes |= {"network": "mlp-0", "loss": "cross-entropy", "learning_rate": 1e-2}
        for seed in range(seeds):
            r = replace(mdn_run(task, neuron, seed, theta=_theta(neuron), data=data, **budget), **changes)
            if "current" in more:
                r = replace(r, network=f"{r.network}-{more['current']}")
            runs.append(replace(r, epochs=COUNTS_EPOCHS * r.epochs) if neuron == "counts" else r)
    return runs


def _theta(neuron: str) -> Sequence[float]:
    a, b, c, d = PRESETS["2-WDS"]
    parts = {"V2-alone": (0.0, b, c, 0.0), "neither": (0.0, b, c, 0.0)}  # U stays what it is at first
    return parts.get(neuron, (a, b, c, d) if neuron in STEPS or neuron == "U-alone" else ())


def over(neuron: str, taus: Iterable[float] = TAUS) -> list[str]:
    """The settings of a neuron over time constants."""
    return [f"{neuron}/tau:{tau:g}" for tau in taus]


def order(task: str, seeds: int, neurons: Iterable[str] = NEURONS, **budget) -> list[Run]:
    """Is a task temporal? In order, trained and tested on shuffled steps, and the mean over time alone."""
    shuffled = [f"{neuron}/order:shuffled" for neuron in neurons]
    return timed(task, [*neurons, *shuffled, "counts"], seeds, **budget)


def parts(task: str, seeds: int, **budget) -> list[Run]:
    """2-WDS and what is left of it without V^2, without U, without both; a 1st-order neuron with other
    leaks.
    """
    settings = ["2-WDS", "V2-alone", "U-alone", "neither", "1st-order", *over("1st-order")]
    return timed(task, settings, seeds, **budget)


def signed(task: str, seeds: int, **budget) -> list[Run]:
    """A signed current in place of the sigmoid's: both papers' neurons, 1st-order also with the leak that
    was best behind the sigmoid on spoken digits, and that neuron behind it.
    """
    settings = [f"{neuron}/current:signed" for neuron in SIGNED]
    return timed(task, [*settings, "1st-order/tau:2"], seeds, **budget)


def sigmoids(task: str, seeds: int, **budget) -> list[Run]:
    """One property of the sigmoid at a time: the two 1st-order neurons and 2-WDS."""
    neurons = ("1st-order", "1st-order/tau:2", "2-WDS")
    return timed(task, [f"{n}/current:{c}" for n in neurons for c in WITH_THE_SIGMOIDS], seeds, **budget)


def constants(task: str, seeds: int, **budget) -> list[Run]:
    """LIF over a grid of tau, and tau learned: one a layer, one a neuron, from equal and from random
    starts; random and fixed.
    """
    several = ("PLIF", "PLIF-each", "PLIF-random", "LIF-random")
    return timed(
        task, [*(f"{name}/tau:2" for name in several), *over("LIF", TAUS_LATER + TAUS)], seeds, **budget
    )


def bench(task: str, seeds: int, **budget) -> list[Run]:
    """Both papers' neurons in the same network, tau from 2 where there is one."""
    tests = TESTS if task in (*TASKS, CONTROL) else ()
    return timed(task, BENCH, seeds, tests, **budget)


def search(task: str, seeds: int, **budget) -> list[Run]:
    """The bench, and the 1st-order neuron with another leak, with each learning rate of the search, part of
    the training samples held out to choose by.
    """
    return [
        replace(r, learning_rate=float(f"{rate * r.learning_rate:.3g}"), validation=HELD_OUT)
        for rate in RATES
        for r in timed(task, SEARCHED, seeds, (), **budget)
    ]


def step(task: str, seeds: int, **budget) -> list[Run]:
    """2-WDS with MDN's Euler steps of length 1, half as long, and semi-implicit."""
    return timed(task, ("2-WDS", *STEPS), seeds, **budget)
