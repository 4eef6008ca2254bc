"""A run is a value: everything that changes its result. Its hash names its record; finished runs are never
repeated.

``run(runs, profile)`` returns one record per run, training those that are missing: over processes with
joblib (any backend of processes, a cluster by name too: ``with joblib.parallel_config(backend=...)``), one
CPU thread each, so that the numbers do not depend on how many run side by side. Records are JSON, written in
one step; a run that was cut off goes on after its last whole epoch.
"""

import contextlib
import functools
import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import pandas as pd
import torch
from torch import nn

from snnlib import datasets, estimates, files, networks, neurons, paths, training
from snnlib.progress import follow
from snnlib.provenance import commit, versions

CODE = 2
"""Raise it when a change to neurons, networks or training changes numbers: it is part of every run."""


@dataclass(frozen=True)
class Run:
    """One network trained on one task with one seed. 0 samples mean all of them; tau and theta are the
    initial values.

    ``network``: "mlp-<hidden>" or Table S1's notation. ``neuron``: "1st-order", "LIF", "PLIF", "learned"
    (2nd-order, theta learned per neuron) or any other name, whose fixed ``theta`` says what it is. ``data``
    is what ``datasets.identify`` said: a run on a stand-in is another run than the same one on the data
    set.
    """

    paper: str
    task: str
    data: str
    network: str
    neuron: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    time_steps: int
    schedule: str
    theta: tuple[float, ...] = ()
    theta_learning_rate: float = 0.0
    tau: float = 0.0
    train_samples: int = 0
    test_samples: int = 0
    validation: float = 0.0
    task_options: tuple[tuple[str, object], ...] = ()
    code: int = CODE

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"A run needs at least one epoch, got {self.epochs}.")

    @property
    def hash(self) -> str:
        """Name of the record: the first 16 hex digits of SHA-256 over the fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def pooling(self) -> str:
        return "" if self.paper == "mdn" else "average" if "APk2s2" in self.network else "max"

    @property
    def title(self) -> str:
        tau = f" tau {self.tau:g}" if self.tau else ""
        return f"{self.task} {self.neuron}{tau} {self.pooling} seed {self.seed}".replace("  ", " ")


def run(
    runs: Sequence[Run], profile: str, workers: int = 0, train: bool = True, progress: bool = True
) -> list[dict]:
    """Records of ``runs``, in their order, from ``results/<profile>/runs`` and ``data/reference_runs``.

    Missing ones are trained by ``workers`` processes (0: one per CPU core; one process in all on a GPU).
    With train=False a missing run raises FileNotFoundError that says how many there are and how to train
    them.
    """
    store = _store(profile)
    missing = {r.hash: r for r in runs if read(r, profile) is None}
    if missing and not train:
        raise FileNotFoundError(
            f"{len(missing)} of {len(set(runs))} runs are not recorded for profile {profile!r}; train them "
            f"with `make all PROFILE={profile}`, or list them with `make plan PROFILE={profile}`."
        )
    if missing:
        todo = sorted(missing.values(), key=lambda r: (-estimates.seconds(r), r.title))
        workers = min(processes(workers), len(todo))
        with follow(todo, store, [estimates.seconds(r) for r in todo], progress):
            if workers == 1:
                for r in todo:
                    train_one(r, store)
            else:
                jobs = (joblib.delayed(train_one)(r, store) for r in todo)
                with warnings.catch_warnings():
                    # joblib renews a process whose memory has grown; here it grows by the data sets it keeps.
                    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
                    joblib.Parallel(n_jobs=workers, batch_size=1)(jobs)
    return [read(r, profile) for r in runs]


def processes(workers: int) -> int:
    """How many runs go side by side: as many as asked for, one per CPU core for 0, one on a GPU."""
    return 1 if torch.cuda.is_available() else workers or joblib.cpu_count()


def plan(runs: Sequence[Run], profile: str) -> pd.DataFrame:
    """What ``run`` would do: one row per distinct run, with whether it is recorded and the estimated
    seconds left.
    """
    rows, scale = [], _speed(profile)
    for r in dict.fromkeys(runs):
        record = read(r, profile)
        partial = _partial(_store(profile), r)
        left = 0 if record else estimates.seconds(r) * scale * (1 - len(partial) / (r.epochs + 1))
        rows.append(
            {
                "run": r.title,
                "hash": r.hash,
                "data": r.data.split(":")[0],
                "epochs": r.epochs,
                "recorded": record is not None,
                "epochs_done": r.epochs if record else max(len(partial) - 1, 0),
                "seconds": left,
            }
        )
    return pd.DataFrame(rows, columns=["run", "hash", "data", "epochs", "recorded", "epochs_done", "seconds"])


def read(r: Run, profile: str) -> dict | None:
    """The record of a run, from this profile's results or the reference runs, or None."""
    path = _store(profile) / f"{r.hash}.json"
    if path.exists():
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(
                f"The record {path} is damaged ({error}); delete it and the run will be trained again."
            ) from None
    return _reference_records().get(r.hash)


def train_one(r: Run, store: Path) -> dict:
    """Train one run, from its checkpoint if there is one, and write its record to ``store``; returns the
    record.
    """
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    task = _task(r)
    network = build(r, task)
    partial, checkpoint = store / f"{r.hash}.partial.json", store / f"{r.hash}.ckpt"
    history = training.fit(
        network,
        task,
        seed=r.seed,
        epochs=r.epochs,
        batch_size=r.batch_size,
        learning_rate=r.learning_rate,
        theta_learning_rate=r.theta_learning_rate,
        schedule=r.schedule,
        validation=r.validation,
        device=device,
        checkpoint=checkpoint,
        on_epoch=lambda history: files.write_json(partial, [h["epoch"] for h in history]),
    )
    record = _record(r, task, history, device)
    if r.seed == 0:
        weights = _kept(r, network).state_dict()
        files.write_atomically(store / f"{r.hash}.pt", lambda path: torch.save(weights, path))
    files.write_json(store / f"{r.hash}.json", record)
    for left_over in (partial, checkpoint):
        left_over.unlink(missing_ok=True)
    return record


def build(r: Run, task: datasets.Task) -> nn.Sequential:
    """The run's untrained network, its weights drawn from the run's seed."""
    training.initialise(r.seed)
    if r.paper == "mdn":
        return networks.mlp(
            task.input_shape[0], int(r.network.removeprefix("mlp-")), task.classes, neuron_factory(r)
        )
    return networks.conv_net(r.network, task.input_shape, neuron_factory(r))


def neuron_factory(r: Run) -> networks.NeuronFactory:
    """What makes the run's neurons, given how many there are in a layer."""
    if r.neuron == "1st-order":
        return lambda size: neurons.FirstOrder()
    if r.neuron == "learned":
        return lambda size: neurons.SecondOrder(*r.theta, neurons=size, learnable=True)
    if r.theta:
        return lambda size: neurons.SecondOrder(*r.theta)
    if r.neuron in ("LIF", "PLIF"):
        return lambda size: getattr(neurons, r.neuron)(r.tau)
    raise ValueError(
        f"Unknown neuron {r.neuron!r} without theta; use '1st-order', 'learned', 'LIF', 'PLIF' or give theta."
    )


def trained(r: Run, profile: str) -> nn.Sequential:
    """The trained network of a run with seed 0, in eval mode.

    Of a conv net its first synapse and neuron layer, the learnable spiking encoder (PLIF, Sec. 3.5).
    """
    path = _store(profile) / f"{r.hash}.pt"
    if not path.exists():
        raise FileNotFoundError(
            f"The weights {path.name} of '{r.title}' are missing (they are kept for seed 0 only); delete "
            f"{path.with_suffix('.json').name} beside them and run again to train them anew."
        )
    network = _kept(r, build(r, _task(r)))
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def _kept(r: Run, network: nn.Sequential) -> nn.Sequential:
    """What is kept of a trained network: all of MDN's, the first block of a conv net."""
    return network if r.paper == "mdn" else network[:2]


def _task(r: Run) -> datasets.Task:
    """The run's data, if they are still what the run was planned for."""
    found = datasets.identify(r.task, paper=r.paper, **dict(r.task_options))
    if found != r.data:
        raise ValueError(
            f"The data of {r.task} have changed since the run was planned ({r.data}, now "
            f"{found}); start again."
        )
    return _load(r.task, r.paper, r.data, r.train_samples, r.test_samples, r.task_options)


@functools.lru_cache(maxsize=2)
def _load(name: str, paper: str, data: str, train: int, test: int, options: tuple) -> datasets.Task:
    return datasets.load(name, paper=paper, train=train or None, test=test or None, **dict(options))


def _record(r: Run, task: datasets.Task, history: list[dict], device: str) -> dict:
    tested = [h["test_accuracy"] for h in history[1:]]
    validated = [h["validation_accuracy"] for h in history[1:]]
    best_on_validation = tested[validated.index(max(validated))] if r.validation else None
    passport = task.passport
    keep = ("epoch", "train_loss", "test_accuracy", "validation_accuracy", "seconds")
    return {
        "hash": r.hash,
        "config": asdict(r),
        "paper": r.paper,
        "task": r.task,
        "network": r.network,
        "neuron": r.neuron,
        "pooling": r.pooling,
        "seed": r.seed,
        "dataset": passport.dataset,
        "source": passport.source,
        "note": passport.note,
        "checksum": passport.checksum,
        "train_samples": passport.train_samples,
        "test_samples": passport.test_samples,
        "accuracy_best": max(tested),
        "accuracy_last": tested[-1],
        "accuracy_validated": best_on_validation,
        "curve": [{key: h[key] for key in keep} for h in history],
        "spike_rates": history[-1]["spike_rates"],
        "tau": [h["tau"] for h in history if "tau" in h],
        "theta": [
            {key: h[key] for key in h if key == "epoch" or key.startswith("theta")}
            for h in history
            if "theta_a" in h
        ],
        "w_over_tau": [{"epoch": h["epoch"], **h["w_over_tau"]} for h in history if "w_over_tau" in h],
        "device": torch.cuda.get_device_name()
        if device == "cuda"
        else f"CPU, {torch.get_num_threads()} thread",
        "seconds": sum(h["seconds"] for h in history),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "versions": versions(),
    }


def _speed(profile: str) -> float:
    """Measured over estimated seconds of this profile's own records."""
    ratios = []
    for path in list(_store(profile).glob("[0-9a-f]*[0-9a-f].json"))[:50]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # a damaged or an older record
            record = json.loads(path.read_text())
            ratios.append(record["seconds"] / estimates.seconds(_from_config(record["config"])))
    return float(pd.Series(ratios).median()) if ratios else 1.0


def _from_config(config: dict) -> Run:
    """The run of a record's config; JSON knows lists only."""
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return Run(**config | {"task_options": tuple(map(tuple, config["task_options"]))})


def _partial(store: Path, r: Run) -> list:
    try:
        return json.loads((store / f"{r.hash}.partial.json").read_text())
    except (OSError, ValueError):
        return []


def _store(profile: str) -> Path:
    return paths.results(profile) / "runs"


@functools.lru_cache(maxsize=1)
def _reference_records() -> dict[str, dict]:
    lines = (
        line
        for path in sorted(paths.REFERENCE_RUNS.glob("*.jsonl"))
        for line in path.read_text().splitlines()
        if line
    )
    return {record["hash"]: record for record in map(json.loads, lines)}
