"""Recorded runs trained again on this machine, and kept networks tested again: are the numbers live?"""

import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib

from snnlib import paths, saved
from snnlib.runs import execute, jobs, kept, plan, store
from snnlib.runs.config import Run, code_of, from_config

SECONDS = 60.0  # of training, as estimated, for each process; later by the clock no run is started
MOST = 3
START = 5e-3
"""Largest relative difference of the first epoch's loss that sums rounded in another order can cause: on
another kind of processor a rounded potential moves a spike, a spike the weights, and so on."""

SAME = ("curve", "spike_rates", "tau", "theta", "w_over_tau", "accuracy_last", "accuracy_best")


def chosen(workers: int = 0) -> list[Run]:
    """Up to MOST recorded runs that this machine can repeat in about SECONDS: those whose own data are at
    hand and that learned something, of every task its cheapest before any second one, the cheap first.
    """
    rate, costs = plan.speed("recorded")[0], {}
    for record in store.records().values():
        r, curve = from_config(record["config"]), record["curve"]
        if curve[-1]["test_accuracy"] != curve[0]["test_accuracy"] and _repeatable(r):
            costs.setdefault(r.task, []).append((plan.estimate(record) * (rate(r) or 1.0), r.hash, r))
    ranked = [(rank, *entry) for of_task in costs.values() for rank, entry in enumerate(sorted(of_task))]
    left, runs = SECONDS * execute.processes(workers), []
    for _, cost, _, r in sorted(ranked, key=lambda entry: entry[:3]):
        if len(runs) < MOST and cost <= left:
            runs.append(r)
            left -= cost
    return runs


def _repeatable(r: Run) -> bool:
    present = r.code == code_of(r.paper, r.task, **dict(r.task_options))
    return present and kept.here(r) and (r.precision != "tf32" or jobs.has_tf32())


def again(runs: list[Run], workers: int = 0) -> Iterator[tuple[Run, dict, dict]]:
    """(run, its record, the record of training it once more), as they finish; ``results`` is left alone. On a
    slow or busy machine the last ones are not started: SECONDS after the beginning none is.
    """
    began = time.monotonic()
    started = itertools.takewhile(lambda r: r is runs[0] or time.monotonic() - began < SECONDS, runs)
    with tempfile.TemporaryDirectory() as folder:
        work = (joblib.delayed(jobs.train_one)(r, Path(folder)) for r in started)
        side_by_side = min(execute.processes(workers, [(r,) for r in runs]), max(len(runs), 1))
        parallel = joblib.Parallel(side_by_side, batch_size=1, pre_dispatch="n_jobs", return_as="generator")
        for r, new in zip(runs, parallel(work), strict=False):
            yield r, store.records()[r.hash], store.compact(new)


def difference(old: dict, new: dict) -> tuple[str, bool]:
    """How two records of a run compare, in words, and whether they are of the same run.

    They are where the untrained network gets the same test samples right, but for two, the first epoch's loss
    agrees to rounding (START), and the last accuracies differ by less than three standard deviations of what
    two equally good networks get on so many samples. The files are the same (``chosen``); features computed
    from them (speech) may be rounded otherwise here.
    """
    if all(_untimed(old[name]) == _untimed(new[name]) for name in SAME):
        return "equal to the digit", True
    curves, samples = (old["curve"], new["curve"]), old["test_samples"]
    untrained = abs(curves[1][0]["test_accuracy"] - curves[0][0]["test_accuracy"]) * samples / 100
    start = abs(curves[1][1]["train_loss"] / curves[0][1]["train_loss"] - 1)
    share = (old["accuracy_last"] + new["accuracy_last"]) / 200
    chance = 300 * math.sqrt(2 * share * (1 - share) / samples)
    apart = abs(old["accuracy_last"] - new["accuracy_last"])
    words = f"first epoch's loss within {100 * start:.3f} %, last accuracy {apart:.2f} points apart"
    words += f" ({chance:.2f} are chance on {samples:,} test samples)"
    words += "" if old["checksum"] == new["checksum"] else ", features rounded otherwise"
    same = untrained < 2.5 and start <= START and apart <= chance
    return (f"the same start, then drifted by rounding: {words}" if same else f"DIFFERENT: {words}"), same


def _untimed(value):
    if isinstance(value, list):
        return [_untimed(item) for item in value]
    return {k: v for k, v in value.items() if k != "seconds"} if isinstance(value, dict) else value


def tested(folder: Path, record: dict) -> tuple[str, bool]:
    """What a kept network does on the test set of its run, in words, and whether that is, to the last sample,
    what the record of the run says; of one that differs from it, what its own config says.
    """
    try:
        for name in kept.FILES:
            store.summed(folder / name)
        network = saved.load(folder)
    except (ValueError, OSError) as problem:
        return f"DAMAGED: {problem}", False
    r, said = from_config(record["config"]), network.config if "differs" in network.config else record
    accuracy, _ = kept.accuracy(r, network)
    right = kept.same(accuracy, said)
    recorded = "as recorded" if right else f"DIFFERENT: {said['accuracy_last']} % are recorded"
    return f"{folder.name}: {accuracy} %, {recorded}", right


def networks(workers: int = 0, say: Callable[[str], object] = print) -> int:
    """Test every kept network whose data are here on its whole test set, and say what differs from the
    records; returns how many do.
    """
    known, began = store.records(), time.monotonic()
    folders = {folder: kept.whole(folder) for folder in sorted(paths.REFERENCE_RUNS.glob("networks/*/"))}
    whole = [(folder, known[config["run"]]) for folder, config in folders.items() if config]
    todo = [(folder, record) for folder, record in whole if kept.here(from_config(record["config"]))]
    if len(todo) < len(whole):
        lacking = sorted({record["dataset"] for f, record in whole if (f, record) not in todo})
        say(
            f"verify: {len(whole) - len(todo)} of {len(whole)} kept networks cannot be tested here, without "
            f"their data: {', '.join(lacking)}."
        )
    units = [(from_config(record["config"]),) for _, record in todo]
    side_by_side = min(execute.processes(workers, units), max(len(todo), 1))
    found = joblib.Parallel(side_by_side)(joblib.delayed(tested)(*each) for each in todo)
    differing = [words for words, right in found if not right]
    for words in differing:
        say(f"  {words}")
    own = sum("differs" not in folders[folder] for folder, _ in todo)
    say(
        f"verify: {len(todo) - len(differing)} of {len(todo)} kept networks hit what is recorded of them to "
        f"the last sample ({own} have their record's accuracy, the others say what differs; "
        f"{time.monotonic() - began:.0f} s)."
    )
    return len(differing)


def verify(workers: int = 0, say: Callable[[str], object] = print) -> int:
    """Test the kept ``networks``, then train ``chosen`` runs again and say how each compares with its record;
    returns how many differ.
    """
    apart = networks(workers, say)
    runs = chosen(workers=workers)
    if not runs:
        say("verify: no recorded run can be repeated here: none of their data sets is on this machine.")
        return apart
    say(f"verify: {len(runs)} recorded runs are trained again on this machine ...")
    differing = done = 0
    for r, old, new in again(runs, workers):
        done += 1
        words, close = difference(old, new)
        differing += not close
        accuracies = f"{new['accuracy_last']:.2f} % (recorded: {old['accuracy_last']:.2f} %)"
        say(f"  {r.title}, {old['dataset']}: {accuracies}, {words}")
    if done < len(runs):
        say(f"  {len(runs) - done} more were not started: {SECONDS:.0f} s were over.")
    return apart + differing
