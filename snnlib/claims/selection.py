"""Which records a claim is about.

A setting is written "2-FS", "2-FS/form:spectrogram" (a task option) or, for the PLIF paper, "PLIF/2/max",
"PLIF/2/max/validation", "PLIF/2/max/time_steps:4".
"""

import re
from collections.abc import Callable, Iterable

import numpy as np

from snnlib.neurons import PRESETS
from snnlib.runs.config import PLIF_LEARNING_RATE, beyond, table_1

EVENTS = ("cifar10_dvs", "dvs128_gesture")
ENOUGH_SEEDS = 3  # from so many on, a budget nearer to the paper's is preferred to one with more seeds
Measure = Callable[[dict], float]


def matches(record: dict, task: str, setting: str) -> bool:
    """Whether a record is a run of ``setting`` on ``task``; meta neurons must have Table 2's theta, and runs
    with steps beyond the papers do not count.
    """
    neuron, *rest = setting.split("/")
    config, options = record["config"], dict(map(tuple, record["config"]["task_options"]))
    wanted = dict(item.split(":") for item in rest if ":" in item)
    if task in EVENTS:  # smaller frames are a matter of budget, not of setting
        options = {}
    if record["task"] != task or record["neuron"] != neuron:
        return False
    if beyond(config) or not _trained_as_published(record):
        return False
    if {key: str(value) for key, value in options.items()} != wanted:
        return False
    if neuron in PRESETS and tuple(config["theta"]) != PRESETS[neuron]:
        return False
    if neuron in ("PLIF", "LIF"):
        tau, pooling = rest[:2]
        held_out = "validation" in rest
        return (config["tau"], record["pooling"], config["validation"] > 0) == (float(tau), pooling, held_out)
    return record["paper"] == "mdn" and not config.get("validation")


def along_bands(records: Iterable[dict]) -> list[dict]:
    """The records of the other reading of the spoken digits: those that step along the bands, as the MDN
    authors' code has it, in the place of those that step along time, as the text.
    """
    band = [["time_axis", "band"]]
    return [
        record | {"config": record["config"] | {"task_options": []}} if options == band else record
        for record in records
        for options in [list(map(list, record["config"]["task_options"]))]
        if record["task"] != "tidigits" or options == band
    ]


def seeds_of(records: Iterable[dict], task: str, settings: Iterable[str]) -> dict[int, list[dict]]:
    """Seed -> one record per setting, for the seeds that have all of them under one budget.

    Budgets are never mixed: of those with at least ENOUGH_SEEDS seeds, or else with the most, the one with
    the most training counts, of equals the larger network, then float32. {} where no seed has all.
    """
    whole = by_budget(records, task, settings)
    if not whole:
        return {}
    enough = min(ENOUGH_SEEDS, max(map(len, whole.values())))
    fit = [size for size, seeds in whole.items() if len(seeds) >= enough]
    return whole[max(fit, key=lambda b: (_training(b), width(b[4]), len(whole[b]), not b[-1], b))]


def by_budget(
    records: Iterable[dict], task: str, settings: Iterable[str]
) -> dict[tuple, dict[int, list[dict]]]:
    """Budget -> seed -> one record per setting, for the seeds that have all of them.

    Of two records of one setting and seed chapter 03's counts before 08's, which has ``tests`` too and other
    random numbers: which one must not hang on the order of the list.
    """
    settings, budgets = list(settings), {}
    for record in sorted(records, key=lambda r: (bool(r["config"].get("tests")), r.get("hash", ""))):
        for place, setting in enumerate(settings):
            if matches(record, task, setting):
                runs = budgets.setdefault(budget(record), {}).setdefault(record["seed"], {})
                runs.setdefault(place, record)
    whole = {
        size: {
            seed: [runs[place] for place in range(len(settings))]
            for seed, runs in sorted(seeds.items())
            if len(runs) == len(settings)
        }
        for size, seeds in budgets.items()
    }
    return {size: seeds for size, seeds in whole.items() if seeds}


def across_widths(
    records: Iterable[dict], task: str, settings: Iterable[str]
) -> dict[int, dict[int, list[dict]]]:
    """Width of the network -> seed -> one record per setting, of runs that differ in nothing but the width
    (the first FC layer scaled along): of several such ladders the one with the most rungs of ENOUGH_SEEDS
    seeds, then the most training.
    """
    ladders = {}
    for size, seeds in by_budget(records, task, settings).items():
        features, wide = re.search(r"FC(\d+)", size[4]), width(size[4])
        ratio = int(features[1]) / wide if features and wide else 0
        ladders.setdefault((*size[:4], ratio, *size[5:]), {})[wide] = seeds
    decided = {
        same: sum(len(seeds) >= ENOUGH_SEEDS for seeds in rungs.values()) for same, rungs in ladders.items()
    }
    best = max(ladders, key=lambda same: (decided[same], len(ladders[same]), _training(same)), default=None)
    return dict(sorted(ladders.get(best, {}).items()))


def _training(size: tuple) -> int:
    samples, epochs = size[:2]
    return samples * epochs


def _trained_as_published(record) -> bool:
    """Whether a run has the paper's learning rate, and not more epochs; others are no evidence for its
    sentences.
    """
    config = record["config"]
    if "learning_rate" not in config:  # a published number
        return True
    if record["paper"] == "plif":
        return config["learning_rate"] == PLIF_LEARNING_RATE
    theirs = table_1().get(record["task"], {"eta_w": None})
    return config["learning_rate"] == theirs["eta_w"] and config["epochs"] <= theirs["epochs"]


def width(network: str) -> int:
    """Maps of the first convolution in the notation of a network, or neurons of its hidden layer; 0: none."""
    found = re.search(r"c(\d+)k|(\d+)", network)
    return int(found[1] or found[2]) if found else 0


def budget(record: dict) -> tuple:
    """What makes runs comparable: samples, epochs, batch size, the network but for its pooling, data,
    schedule, frames of event recordings, precision.
    """
    config = record["config"]
    network = record["network"].replace("APk2s2", "MPk2s2")  # pooling is a setting
    return (
        record["train_samples"],
        config["epochs"],
        record["test_samples"],
        config["batch_size"],
        network,
        record["dataset"],
        config.get("schedule", ""),
        str(sorted(map(list, config["task_options"]))) if record["task"] in EVENTS else "",
        config.get("precision", ""),
    )


def mean_of(records: Iterable[dict], measure: Measure) -> float:
    return float(np.mean([measure(record) for record in records]))


def choose_tasks(found: dict[str, dict[int, list[dict]]]) -> list[str]:
    """The tasks that a claim about several is tested on: real data before stand-ins, and of these the ones
    with several seeds before those with one. Looks at no result."""
    tasks = [task for task, seeds in found.items() if seeds]
    for better in (
        lambda task: all(run["source"] != "stand-in" for runs in found[task].values() for run in runs),
        lambda task: len(found[task]) > 1,
    ):
        tasks = [task for task in tasks if better(task)] or tasks
    return tasks
