"""The trained networks that are kept of the recorded runs of seed 0: ``data/reference_runs/networks`` has a
folder for each, which ``snnlib.load`` reads, and each must hit its record.
"""

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from snnlib import datasets, networks, paths, saved
from snnlib.provenance import Passport
from snnlib.runs import jobs
from snnlib.runs.config import Run, beyond, from_config
from snnlib.training import evaluate

LARGEST = 3_000_000
"""Bytes of weights above which a network stays out of the repository, whose networks take 25 MB at most."""

FILES = (saved.WEIGHTS, saved.CONFIG)


def place(run_hash: str) -> Path | None:
    """The folder of the network that is kept of a recorded run, or None."""
    folders = (paths.REFERENCE_RUNS / "networks").glob(f"*_{run_hash[:8]}")
    return next((folder for folder in folders if (folder / saved.CONFIG).exists()), None)


def keep(record: dict, state: dict[str, Tensor], repeat: bool = False) -> bool:
    """Keep the network of a record, if it is one of those that are kept: of seed 0, with nothing held out, no
    step beyond the papers and no further tests, whose results are in the record; not too large; whole.
    Returns whether it was.

    ``repeat``: the record is not the reference record, but that of training the same run once more, on a
    processor that rounds otherwise; it gets a folder of its own. Large matrices are kept in half precision
    where the network then still hits its record, for which the data must be here; one that does not hit it in
    full precision either is left out, with a warning.
    """
    r = from_config(record["config"])
    if r.seed or r.validation or r.tests or beyond(record["config"]):
        return False
    words = "_".join(f"{r.paper} {r.setting} {r.hash[:8]}{' repeat' * repeat}".replace("=", "").split())
    folder = paths.REFERENCE_RUNS / "networks" / words
    if (folder / saved.CONFIG).exists() and whole(folder):
        return False
    config = config_of(r, record) | ({"differs": "trained once more, on another processor"} if repeat else {})
    try:
        network = networks.described(config)
        network.load_state_dict(state)
    except (ValueError, RuntimeError):  # older code kept the first layers; some runs are of other layers too
        return False
    smaller = {name: value.half() if value.numel() > 20_000 else value for name, value in state.items()}
    for chosen in (smaller, state) if here(r) else (state,):
        network.load_state_dict(chosen)
        if not here(r) or same(measured := accuracy(r, network)[0], record):
            break
    else:
        words = f"its network has {measured} % right here, and its record {record['accuracy_last']}"
        warnings.warn(f"{r.title}: {words}; not kept.", stacklevel=2)
        return False
    if sum(value.nbytes for value in chosen.values()) > LARGEST:
        return False
    saved.write(folder, config, chosen)
    return True


def whole(folder: Path) -> dict | None:
    """The config of a kept network, or None where only its first layers are kept."""
    config = json.loads((folder / saved.CONFIG).read_bytes())
    return None if "layers" in config else config


def config_of(r: Run, record: dict) -> dict:
    """What config.json says of the network of a record."""
    view = datasets.view(r.task, r.paper, **dict(r.task_options))
    return {
        "network": r.network,
        "input_shape": view["input_shape"],
        "classes": view["classes"],
        "neuron": networks.neuron_config(jobs.build(r)),
        "setting": r.setting,
        "time_steps": r.time_steps,
        "encoding": view["encoding"],
        "paper": r.paper,
        "task": r.task,
        "run": r.hash,
        "data": Passport.of(record).label,
        **{name: record[name] for name in ("accuracy_last", "spike_rates")},
    }


def here(r: Run) -> bool:
    """Whether the data of a run are on this machine."""
    try:
        return datasets.identify(r.task, paper=r.paper, **dict(r.task_options)) == r.data
    except (ValueError, OSError):
        return False


def accuracy(r: Run, network: nn.Module) -> tuple[float, list[float]]:
    """(accuracy in percent, spike rate per layer) of a network on the test set of a run, as its record has
    them.
    """
    torch.set_num_threads(1)  # as when it was trained: no sum is rounded in another order
    task = jobs.task_of(r)
    batch = task.test_batch_size(r.batch_size)
    return evaluate(network, task.test_x, task.test_y, task.encode, batch, r.seed, r.precision)


def same(measured: float, record: dict) -> bool:
    """Whether an accuracy is a record's to the last sample (NETtalk's similarity: to six digits)."""
    return abs(measured - record["accuracy_last"]) < 1e-6
