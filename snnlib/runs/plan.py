"""What there is to train: which runs are recorded, on which data, how long the others will take here."""

import calendar
import contextlib
import functools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from snnlib import datasets, networks, neurons
from snnlib.runs import check, store
from snnlib.runs.config import Run, code_of, from_config


def plan(runs: Sequence[Run], profile: str, train: bool = True) -> pd.DataFrame:
    """What ``execute.run`` has to do: one row per distinct run, with the kind of data at hand, whether it
    is recorded and on which data (with ``train`` only on those at hand), and the estimated seconds left on
    one CPU core (``speed``).
    """
    rows, runs = [], list(dict.fromkeys(runs))
    for r, needed in zip(runs, left(runs, profile), strict=True):
        record = store.read(r, profile, other_data=not train)
        rows.append(
            {
                "setting": r.setting,
                "data": r.data.split(":")[0],
                "epochs": r.epochs,
                "recorded": record is not None,
                "recorded_on": f"{record['dataset']} ({record['source']})" if record else "",
                "seconds": 0 if record else needed,
            }
        )
    return pd.DataFrame(rows)


def by_setting(table: pd.DataFrame) -> pd.DataFrame:
    """A plan for reading: one row per setting, its seeds together."""
    seeds = table.groupby(["setting", "epochs", "data"], sort=False)
    short = seeds.agg(
        recorded=("recorded", lambda found: f"{found.sum()} of {len(found)}"),
        recorded_on=("recorded_on", lambda found: "; ".join(dict.fromkeys(filter(None, found)))),
        seconds=("seconds", "sum"),
    ).reset_index()
    return short.round({"seconds": 0}).rename(
        columns={"data": "data at hand", "recorded_on": "recorded on", "seconds": "seconds left"}
    )


def left(runs: Sequence[Run], profile: str, device: str = "CPU") -> list[float]:
    """Estimated seconds that each of the runs still takes of one CPU core, or of a GPU of that name with as
    many side by side as were recorded; as on a CPU where none of its paper was measured there.
    """
    rate, folder = speed(profile, device)[0], store.folder(profile)
    return [seconds(r) * (rate(r) or 1.0) * (1 - store.share_done(r, folder)) for r in runs]


def speed(profile: str, device: str = "CPU") -> tuple[Callable[[Run], float | None], str]:
    """Measured over estimated seconds of a run on a device, None where no run of its paper was measured
    there, and in words what that rests on: the reference runs say how tasks differ, this profile's finished
    runs how this machine differs from theirs. Of runs that shared a GPU each counts with its share of the
    time; CPU runs have a core each.
    """
    words = []

    def of(records: Iterable[dict], before: dict, whose: str) -> dict:
        there = [record for record in records if record["device"].startswith(device)]
        many = 1.0 if device == "CPU" else side_by_side(there)
        ratios = _ratios(there, before, many)
        pace = f" (about {many:.0f} side by side)" if many > 1.5 else " (one run or column at a time)"
        if ratios:
            words.append(whose + ("" if device == "CPU" else pace))
        return ratios

    reference = of(store.records().values(), {}, "the reference runs, from the machine that made them")
    own = of(_own(profile), reference, "this profile's finished runs")

    def rate(r: Run) -> float | None:
        known = r.paper in reference or r.paper in own
        return _rate(reference, r) * _rate(own, r) if known else None

    return rate, " and ".join(reversed(words)) or "a rule of thumb, nothing is measured yet"


def side_by_side(records: Sequence[dict]) -> float:
    """How many runs, or columns, of one device's records trained at a time on average: the seconds of all
    over those in which any did. Members of a column share theirs, so that each has the same.
    """
    columns = defaultdict(list)
    for record in records:
        with contextlib.suppress(KeyError, TypeError, ValueError):  # it does not tell when, as older code
            ended = calendar.timegm(time.strptime(record["finished"], "%Y-%m-%dT%H:%M:%SZ"))
            same = tuple(epoch["seconds"] for epoch in record["curve"])
            columns[same].append((ended, record["seconds"]))
    ends = ((max(end for end, _ in of), sum(took for _, took in of)) for of in columns.values())
    together, covered, until = 0.0, 0.0, -math.inf
    for begun, ended in sorted((ended - took, ended) for ended, took in ends):
        together += ended - begun
        covered += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return together / covered if covered else 1.0


def _rate(ratios: dict, r: Run) -> float:
    return ratios.get((r.paper, r.task), ratios.get(r.paper, 1.0))


def gpus(profile: str) -> list[str]:
    """Names of the GPUs on which recorded runs were trained."""
    names = {record["device"] for record in (*_own(profile), *store.records().values())}
    return sorted(name for name in names if not name.startswith("CPU"))


def _own(profile: str) -> list[dict]:
    return list(filter(None, map(_loaded, store.finished(store.folder(profile))[:200])))


def _ratios(records: list[dict], before: dict, many: float) -> dict:
    """Paper, and (paper, task) -> measured seconds, of ``many`` runs at a time, over those estimated with the
    ratios of ``before``, from at least 20 s of training by the present code.
    """
    totals = defaultdict(lambda: [0.0, 0.0])
    for record in records:
        r = from_config(record["config"])
        if r.code == code_of(r.paper, r.task, **dict(r.task_options)):
            for key in (r.paper, (r.paper, r.task)):
                totals[key][0] += record["seconds"] / many
                totals[key][1] += estimate(record) * _rate(before, r)
    return {key: measured / estimated for key, (measured, estimated) in totals.items() if measured > 20}


def estimate(record: dict) -> float:
    """Seconds that the rule of thumb gives the run of a record, for the samples that it really had."""
    return seconds(from_config(record["config"]), (record["train_samples"], record["test_samples"]))


def _loaded(path: Path) -> dict | None:
    try:
        return check.accepted(path.read_bytes(), path.name)
    except (OSError, ValueError):  # damaged; who asks for this run is told so
        return None


# (train, test) samples of the papers' sets.
SAMPLES = {
    "mnist": (60000, 10000),
    "fashion_mnist": (60000, 10000),
    "cifar10": (50000, 10000),
    "nettalk": (5033, 500),
    "tidigits": (2901, 1243),
    "timit": (4620, 1680),
    "n_mnist": (60000, 10000),
    "cifar10_dvs": (9000, 1000),
    "dvs128_gesture": (1176, 288),
}


def seconds(run: Run, samples: tuple[int, int] = ()) -> float:
    """Seconds that a run takes on one present-day CPU core, with the ``samples`` that its data have."""
    multiply_adds, neuron_steps, _ = work(run)
    train, test = samples_of(run, samples)
    passes = 3 * train + test  # backward costs about twice forward
    arithmetic = passes * (5e-11 * multiply_adds + 1e-8 * neuron_steps)
    return run.epochs * (arithmetic + 5e-4 * run.time_steps * train / run.batch_size) + 1


def samples_of(run: Run, there: tuple[int, int] = ()) -> tuple[int, int]:
    """(train, test) samples that a run sees, of those that are ``there``: at hand, if not given."""
    there = there or _sizes(run.data, run.paper, run.task, run.task_options)
    asked = (run.train_samples, run.test_samples)
    train, test = (min(n, all_) if n else all_ for n, all_ in zip(asked, there, strict=True))
    return train, test


@functools.cache
def _sizes(data: str, paper: str, task: str, options: tuple) -> tuple[int, int]:
    """(train, test) samples of the data at hand: the paper's set, or a smaller or other one."""
    whole = data.split(":")[0] in ("official", "package")
    return SAMPLES[task] if whole and task in SAMPLES else datasets.sizes(task, paper, **dict(options))


def work(run: Run) -> tuple[float, float, int]:
    """(multiply-adds, neuron-steps) of one sample, forward, and the number of weights."""
    return _work(run.paper, run.task, run.network, run.task_options)


@functools.cache
def _work(paper: str, name: str, network: str, options: tuple) -> tuple[float, float, int]:
    view = datasets.view(name, paper, **dict(options))
    shape, classes, steps = view["input_shape"], view["classes"], view["time_steps"]
    if paper == "mdn":
        hidden, _ = networks.read_mlp(network)
        weights = hidden * (shape[0] + classes)
        return steps * weights, steps * (hidden + classes), weights
    still = torch.zeros(1, *shape).expand(steps, 1, *shape)
    net = networks.conv_net(network, shape, lambda size: neurons.LIF())
    weights = sum(weight.numel() for weight in net.parameters())
    return *work_per_sample(net, still if view["encoding"] == "direct" else still.contiguous()), weights


def work_per_sample(network: nn.Sequential, x_seq: Tensor) -> tuple[float, float]:
    """(multiply-adds, neuron-steps) of one forward pass per sample, measured by running ``x_seq`` [T, B, *]
    through a network that is of no further use.
    """
    products, batch = [], x_seq.shape[1]

    def synapse(module: nn.Module, _inputs, out: Tensor) -> None:
        products.append(out.numel() * module.weight[0].numel() / batch)

    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(synapse)
    with torch.no_grad(), networks.recorded_spikes(network.eval()) as spikes:
        network(x_seq)
    return sum(products), sum(layer.numel() for layer in spikes) / batch


def duration(seconds: float) -> str:
    """For example "40 s", "75 min", "30 h" or "1,024 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"
