"""What is measured for a claim: functions (records, arguments) -> Effect, or None where runs are missing.

A measure sees records only, so that the papers' tables and the PLIF authors' logs, put into the form of
records (``snnlib.claims.sources``), go through the same code. Arguments come from claims.csv; lists of str.
"""

import math
from dataclasses import replace

import numpy as np

from snnlib.claims.selection import ENOUGH_SEEDS, across_widths, choose_tasks, mean_of, seeds_of
from snnlib.claims.verdicts import Effect, over_seeds, unpaired
from snnlib.papers import meta_neurons, published
from snnlib.results.tables import never_learned

NEURONS = ("2-FS", "2-RS", "2-SDS", "2-WDS", "1st-order")
TABLES = {"mdn": "mdn_table4", "plif": "plif_table2"}


def gap(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Mean value of the settings ``a`` minus that of ``b``, seed by seed, same data.

    Over several tasks: their mean, or for sentences that say "on each" with over=least the smallest, with
    over=farthest the one farthest from 0.
    """
    a, b = arguments["a"], arguments["b"]
    value_a = VALUES[arguments["value"][0]]
    value_b = VALUES[arguments["value"][-1]]
    if {"curve", "late"} & set(arguments["value"]):
        records = [record for record in records if len(_curve(record)) > 1]
    found = {task: seeds_of(records, task, [*a, *b]) for task in arguments["task"]}

    def difference(task, runs):
        return mean_of(runs[: len(a)], value_a) - mean_of(runs[len(a) :], value_b)

    effect = pool(found, difference, arguments)
    if effect is None or len(found) > 1 or len(a) == len(b) == 1:
        return effect
    runs = next(iter(found.values())).values()
    return replace(effect, parts=_settings(runs, a, b, value_a, value_b))


def _settings(runs_of_seeds, a, b, value_a, value_b) -> dict[str, float]:
    """The settings of a comparison one by one: neuron by neuron a minus b where both sides have the same
    neurons, otherwise the value of each.
    """
    each = np.array(
        [[*map(value_a, runs[: len(a)]), *map(value_b, runs[len(a) :])] for runs in runs_of_seeds]
    ).mean(0)
    names = [setting.split("/")[0] for setting in (*a, *b)]
    if names[: len(a)] == names[len(a) :]:
        return dict(zip(names, each[: len(a)] - each[len(a) :], strict=False))
    return dict(zip(names, each, strict=True))


def level(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Accuracy minus the best that the paper cites of others for that task (MDN Table 4, PLIF Table 2).

    ``a``: one setting for all tasks, or one for each.
    """
    tasks, value = arguments["task"], VALUES[arguments["value"][0]]
    settings = dict(zip(tasks, arguments["a"] * (len(tasks) if len(arguments["a"]) == 1 else 1), strict=True))
    found = {task: seeds_of(records, task, [settings[task]]) for task in tasks}
    cited = published.table(TABLES[arguments["paper"][0]]).rename(columns={"dataset": "task"})
    best = cited[~cited.ours].groupby("task").accuracy.max()
    return pool(found, lambda task, runs: value(runs[0]) - best[task], arguments)


def matched_gain(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """The pair of meta neurons that the paper assigns to a task, minus the 1st-order neuron; mean over tasks.

    Tasks up to "/" are spatial (2-FS, 2-RS), those after it temporal (2-SDS, 2-WDS).
    """
    split = arguments["task"].index("/")
    pairs = {task: NEURONS[:2] for task in arguments["task"][:split]}
    pairs |= {task: NEURONS[2:4] for task in arguments["task"][split + 1 :]}
    found = {task: seeds_of(records, task, [*pair, "1st-order"]) for task, pair in pairs.items()}
    last = VALUES["last"]
    return pool(found, lambda task, runs: mean_of(runs[:2], last) - last(runs[2]), arguments)


def narrowing(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """(a - b) on the first task minus (a - b) on the second; seeds of different data are not paired."""
    gaps = [gap(records, arguments | {"task": [task]}) for task in arguments["task"]]
    return None if None in gaps else unpaired(*gaps)


def widening(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """What ``effect`` names (gap or growth) in the narrowest network minus the same in the widest (with
    first=widest the other way round), of the widths that have ENOUGH_SEEDS seeds and differ in nothing else.
    """
    task, measured = arguments["task"][0], MEASURED[arguments["effect"][0]]
    rungs = across_widths(records, task, [*arguments["a"], *arguments.get("b", ())])
    rungs = {wide: seeds for wide, seeds in rungs.items() if len(seeds) >= ENOUGH_SEEDS}
    if len(rungs) < 2:
        return None
    ends = [min(rungs), max(rungs)]
    if "widest" in arguments.get("first", ()):
        ends.reverse()
    effects = [measured([run for runs in rungs[end].values() for run in runs], arguments) for end in ends]
    if None in effects:
        return None
    note = f"{effects[0].ours:.2f} with width {ends[0]}, {effects[1].ours:.2f} with {ends[1]}"
    return replace(unpaired(*effects), note=note)


def capability(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Capability (MDN, Eq. 7: accuracy normalised over the five neurons of a task) of ``a`` minus ``b``."""
    found = {task: seeds_of(records, task, NEURONS) for task in arguments["task"]}
    a, b = ([NEURONS.index(name) for name in arguments[side]] for side in "ab")

    def difference(task, runs):
        normal = _normalised(runs)
        return normal[a].mean() - normal[b].mean()

    return pool(found, difference, arguments)


def specialty(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Capability of the neurons ``a`` on the tasks before "/", minus that on the tasks after it."""
    split = arguments["task"].index("/")
    a = [NEURONS.index(name) for name in arguments["a"]]
    sides = []
    for tasks in (arguments["task"][:split], arguments["task"][split + 1 :]):
        found = {task: seeds_of(records, task, NEURONS) for task in tasks}
        sides.append(pool(found, lambda task, runs: _normalised(runs)[a].mean(), arguments))
    return None if None in sides else unpaired(*sides)


def clusters(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Modes that mean-shift finds in the learned theta, minus the claimed number.

    At the authors' snapshot, or the last epoch of a shorter run.
    """
    task, pair, claimed = arguments["task"][0], arguments["pair"][0], int(arguments["claimed"][0])
    found = seeds_of(records, task, ["learned"])
    if not found:
        return None
    columns = slice(0, 2) if pair == "ab" else slice(2, 4)
    snapshot, values, epochs = meta_neurons.SNAPSHOTS[task], {}, set()
    for seed, (run,) in found.items():
        epoch = min(snapshot, run["theta"][-1]["epoch"])
        epochs.add(epoch)
        points = meta_neurons.collect(run, epoch)[:, columns] if epoch else np.zeros((1, 2))
        values[seed] = float(len(meta_neurons.cluster(points).modes) - claimed)
    modes = ", ".join(f"{value + claimed:g}" for value in values.values())
    note = f"claimed {claimed}, found {modes} (epoch {', '.join(map(str, sorted(epochs)))})"
    return over_seeds(values, [run for runs in found.values() for run in runs], note)


def gathering(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """Share of the distance between the starts tau = 2 and 16 that is closed in the layer that closes least.

    1 - |log(tau_16 / tau_2)| / log 8 at the end: 0 as far apart as at the start, 1 where they met.
    """
    found = _following(records, "tau", arguments)

    def closed(task, runs):
        ends = [np.array(run["tau"][-1], float) for run in runs]
        return 1 - float(np.abs(np.log(ends[1] / ends[0])).max()) / math.log(8)

    return pool(found, closed, arguments)


def growth(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """log2 of the first FC layer's tau at the end over its start: 1 is a doubling."""
    found = _following(records, "tau", arguments)
    return pool(found, lambda _, runs: math.log2(runs[0]["tau"][-1][-2] / runs[0]["tau"][0][-2]), arguments)


def settling(records: list[dict], arguments: dict[str, list[str]]) -> Effect | None:
    """log2 of the variance of W_fc / tau at the end over that at three quarters of the training."""
    found = _following(records, "w_over_tau", arguments)

    def change(task, runs):
        spread = [point["variance"] for point in runs[0]["w_over_tau"]]
        return math.log2(spread[-1] / spread[3 * (len(spread) - 1) // 4])

    return pool(found, change, arguments)


def _following(records, trajectory, arguments):
    """Task -> seed -> runs of the settings ``a``, of the runs that have that trajectory."""
    records = [record for record in records if record[trajectory]]
    return {task: seeds_of(records, task, arguments["a"]) for task in arguments["task"]}


def _curve(record: dict) -> np.ndarray:
    return np.array([point["test_accuracy"] for point in record["curve"] if point["epoch"] > 0], float)


def _late_change(record: dict) -> float:
    """Mean test accuracy of the last quarter of the epochs minus that of the quarter before."""
    curve = _curve(record)
    quarter = max(1, len(curve) // 4)
    return float(curve[-quarter:].mean() - curve[-2 * quarter : -quarter].mean())


MEASURED = {"gap": gap, "growth": growth}
VALUES = {
    "last": lambda record: record["accuracy_last"],
    "best": lambda record: record["accuracy_best"],
    "validated": lambda record: record["accuracy_validated"],
    "curve": lambda record: float(_curve(record).mean()),
    "late": _late_change,
    "zero": lambda record: 0.0,
}


def _normalised(runs: list[dict]) -> np.ndarray:
    accuracy = np.array([run["accuracy_last"] for run in runs])
    sd = accuracy.std()
    return (accuracy - accuracy.mean()) / sd if sd > 0 else np.zeros(len(runs))


COMBINE = {"mean": np.mean, "least": min, "farthest": lambda values: max(values, key=abs)}


def pool(found, measure, arguments) -> Effect | None:
    """Combine tasks seed by seed: over=mean (default), least or farthest (from 0); says what was left out,
    how many runs never learned, and what each task gives.
    """
    tasks = choose_tasks(found)
    seeds = sorted(set.intersection(*(set(found[task]) for task in tasks))) if tasks else []
    if not seeds:
        return None
    combine = COMBINE[arguments.get("over", ["mean"])[0]]
    each = {seed: [measure(task, found[task][seed]) for task in tasks] for seed in seeds}
    values = {seed: float(combine(numbers)) for seed, numbers in each.items()}
    if not np.isfinite(list(values.values())).all():
        return None
    left_out = tuple(task for task in found if task not in tasks)
    note = f"without {', '.join(left_out)}" if left_out else ""
    behind = [run for task in tasks for seed in seeds for run in found[task][seed]]
    silent = {seed: sum(never_learned(run) for task in tasks for run in found[task][seed]) for seed in seeds}
    living = {seed: value for seed, value in values.items() if not silent[seed]}
    parts = np.mean(list(each.values()), axis=0).tolist()
    return replace(
        over_seeds(values, behind, note),
        left_out=left_out,
        dead=sum(silent.values()),
        living=over_seeds(living) if living and any(silent.values()) else None,
        parts=dict(zip(tasks, parts, strict=True)) if len(tasks) > 1 else {},
    )
