"""What is measured for our own claims about time (chapter 08): functions (records, arguments) -> Effect.

A setting is written "2-WDS", "1st-order/tau:4", "2-WDS/order:shuffled" (trained and tested so),
"2-WDS/current:signed" or "2-WDS/test:reversed" (trained in order, that test of the record).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from snnlib import networks
from snnlib.claims.measures import pool
from snnlib.claims.selection import ENOUGH_SEEDS, budget, width
from snnlib.claims.verdicts import Effect
from snnlib.runs.time_grids import RATES

COMBINE: dict[str, Callable] = {"mean": np.mean, "sum": sum}


def contrast(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Mean accuracy (percent) of the settings ``a`` minus that of ``b``, seed by seed, same data and budget.

    side=sum adds up instead. best=a, b or both: of that side only the setting with the highest mean over
    seeds counts, an advantage for that side; settings without runs are left out and named.
    """
    combine = COMBINE[arguments.get("side", ["mean"])[0]]
    names, best, found, numbers = arguments["a"] + arguments["b"], arguments.get("best", []), {}, {}
    for task in arguments["task"]:
        runs = _runs(records, task, names)
        a, b = (_values(runs, arguments[side], side in best) for side in "ab")
        found[task] = {seed: a[seed][1] + b[seed][1] for seed in sorted(set(a) & set(b))}
        for seed in found[task]:
            numbers[task, seed] = float(combine(a[seed][0]) - combine(b[seed][0]))
    effect = pool(found, lambda task, runs: numbers[task, runs[0]["seed"]], arguments)
    effect = effect and replace(effect, **_without(records, arguments, effect))
    alike = len(arguments["a"]) == len(arguments["b"]) and combine is np.mean and not best
    if effect is None or len(found) > 1 or not alike:
        return effect
    each = np.mean([np.subtract(a[seed][0], b[seed][0]) for seed in next(iter(found.values()))], 0)
    return replace(effect, parts=dict(zip(names, each.tolist(), strict=False)) if len(each) > 1 else {})


def _without(records, arguments, effect: Effect) -> dict[str, object]:
    """What an effect left out: settings that were to be compared for the best and have no runs."""
    of_tasks = [_runs(records, task, arguments["a"] + arguments["b"]) for task in arguments["task"]]
    missing = tuple(
        setting
        for side in arguments.get("best", ())
        for setting in arguments[side]
        if not any(_values(runs, [setting], False) for runs in of_tasks)
    )
    note = "; ".join(filter(None, (effect.note, f"without {', '.join(missing)}" if missing else "")))
    return {"left_out": effect.left_out + missing, "note": note}


def chosen(records: list[dict], task: str, setting: str) -> list[dict]:
    """The runs of a setting with the learning rate that has the best mean accuracy, after the last epoch, on
    the samples held out; [] unless every rate was tried with the same seeds.
    """
    rates: dict[float, list[dict]] = {}
    for record in records:
        held_out = record["paper"] == "mdn" and record["config"].get("validation")
        if held_out and record["task"] == task and setting_of(record) == setting:
            rates.setdefault(record["config"]["learning_rate"], []).append(record)
    if len(rates) < len(RATES) or len({frozenset(r["seed"] for r in runs) for runs in rates.values()}) > 1:
        return []
    return rates[
        max(rates, key=lambda rate: np.mean([r["curve"][-1]["validation_accuracy"] for r in rates[rate]]))
    ]


def tuned(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """As ``contrast``, on the test set, each setting with the learning rate that held-out samples chose."""
    names = {*arguments["a"], *arguments["b"]}
    runs = [r for task in arguments["task"] for name in names for r in chosen(records, task, name)]
    return contrast([r | {"config": r["config"] | {"tests": ["chosen"]}} for r in runs], arguments)


def quiet(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """6 minus the spike rate of the hidden layer in percent; of the settings ``a`` the mean."""
    found = {}
    for task in arguments["task"]:
        values = _values(_runs(records, task, arguments["a"]), arguments["a"], False)
        found[task] = {seed: runs for seed, (_, runs) in values.items()}
    return pool(
        found, lambda task, runs: 6 - 100 * float(np.mean([r["spike_rates"][0] for r in runs])), arguments
    )


def setting_of(record: dict) -> str:
    """How a record of chapter 08 is written in an argument."""
    tau, order = record["config"]["tau"], record["config"].get("order")
    _, current = networks.read_mlp(record["network"])
    other = "" if current == "sigmoid" else current
    parts = {"tau": f"{tau:g}" if tau else "", "order": order, "current": other}
    return "/".join([record["neuron"], *(f"{name}:{value}" for name, value in parts.items() if value)])


def _runs(records, task, settings) -> dict[str, dict[int, dict]]:
    """Setting -> seed -> record, of one budget: of those that have the most settings (with ENOUGH_SEEDS
    seeds, then at all) the one with the most training. ``counts`` has epochs and a size of its own.
    """
    names = {setting.partition("/test:")[0] for setting in settings}
    budgets: dict[tuple, dict] = {}
    for record in sorted(records, key=lambda r: r.get("hash", "")):
        if record["task"] == task and record["config"].get("tests") and setting_of(record) in names:
            samples, epochs, *rest = budget(record)
            hidden = width(record["network"])
            same = (samples, rest[0], record["dataset"], *((epochs, hidden, rest[-1]) if hidden else ()))
            budgets.setdefault(same, {}).setdefault(setting_of(record), {})[record["seed"]] = record
    whole = {same: runs | budgets.get(same[:3], {}) for same, runs in budgets.items()}

    def preferred(same):
        seeds, training = [len(runs) for runs in whole[same].values()], same[0] * max(same[3:4], default=0)
        return sum(n >= ENOUGH_SEEDS for n in seeds), len(seeds), len(same), training

    return whole[max(whole, key=preferred)] if whole else {}


def _values(runs, settings, best) -> dict[int, tuple[list[float], list[dict]]]:
    """Seed -> (values, records) of the settings, for seeds that have all of them; of ``best`` the best."""
    columns = []
    for setting in settings:
        name, _, how = setting.partition("/test:")
        there = runs.get(name, {})
        columns.append({s: (r["tests"][how] if how else r["accuracy_last"], r) for s, r in there.items()})
    if best:
        columns = [max(filter(None, columns), key=lambda c: np.mean([v for v, _ in c.values()]), default={})]
    seeds = set.intersection(*map(set, columns))
    return {s: ([c[s][0] for c in columns], [c[s][1] for c in columns]) for s in sorted(seeds)}
