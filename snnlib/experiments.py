"""A run is a value: everything that changes its result. Its hash names its record; finished runs are never
repeated.

``run(runs, profile)`` returns one record per run, training those that are missing: over processes with
joblib (any backend of processes, a cluster by name too: ``with joblib.parallel_config(backend=...)``), one
CPU thread each, so that the numbers do not depend on how many run side by side. Records are JSON, written in
one step; a run that was cut off goes on after its last whole epoch. The paper profile trains only when told
to (``trains``): it returns the records that there are, reference runs on other data than ours among them.
"""

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import torch
from torch import nn

from snnlib import datasets, estimates, jobs, paths, references
from snnlib.neurons import PRESETS
from snnlib.progress import follow

CODE = 2
"""Raise it when a change to neurons, networks or training changes numbers: it is part of every run."""

CODE_BERNOULLI = CODE + 1
"""The same for runs on randomly encoded images, whose numbers changed once more when usual spikes came to be
listed once; raising CODE retires these runs too.
"""


def code_of(paper: str, task: str, **options) -> int:
    """The present code's number for runs of a task; 0 for a task or option that it does not know."""
    try:
        encoding = datasets.view(task, paper, **options)["encoding"]
    except ValueError:  # of an older version's record
        return 0
    return CODE_BERNOULLI if encoding == "bernoulli" else CODE


@dataclass(frozen=True)
class Run:
    """One network trained on one task with one seed. 0 samples mean all of them; tau and theta are the
    initial values.

    ``network``: "mlp-<hidden>" or Table S1's notation. ``neuron``: "1st-order", "LIF", "PLIF", "learned"
    (2nd-order, theta learned per neuron), "mixed" (2nd-order, two fixed kinds in turn, ``theta`` their eight
    values) or any other name, whose fixed ``theta`` says what it is. ``data`` is what ``datasets.identify``
    said: a run on a stand-in is another run than the same one on the data set. ``loss`` and ``augmentation``
    are the papers' where empty, else what goes beyond them (``training.LOSSES``, ``datasets.task``).
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
    loss: str = ""
    augmentation: str = ""

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"A run needs at least one epoch, got {self.epochs}.")

    @property
    def hash(self) -> str:
        """Name of the record, a hash over the fields."""
        return references.config_hash(self.config)

    @property
    def config(self) -> dict:
        """Every field, but for those that go beyond the papers and do not here."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value or name not in ("loss", "augmentation")
        }

    @property
    def pooling(self) -> str:
        return "" if self.paper == "mdn" else "average" if "APk2s2" in self.network else "max"

    @property
    def title(self) -> str:
        return f"{self.setting} seed {self.seed}"

    @property
    def setting(self) -> str:
        """What the run is in words, but for its seed."""
        parts = [self.task, self.neuron, f"tau {self.tau:g}" if self.tau else "", self.pooling]
        parts += [f"{name}={value}" for name, value in self.task_options]
        parts.append(f"{100 * self.validation:g} % held out" if self.validation else "")
        parts += beyond(self.config)
        return " ".join(filter(None, parts))


def beyond(config: dict) -> tuple[str, ...]:
    """Steps beyond the papers in the config of a run, in words; a published run's config says little."""
    tuned = config.get("neuron") == "learned" and tuple(config["theta"]) in PRESETS.values()
    cycle = config.get("paper") == "mdn" and config["schedule"].startswith("cosine")
    words = ("cosine cycle" * cycle, "theta fine-tuned" * tuned)
    return tuple(filter(None, (*words, config.get("loss"), config.get("augmentation"))))


def trains(profile: str) -> bool:
    """Whether missing runs are trained: always, but in the paper profile only with `make ... TRAIN=1`
    (SNN_TRAIN=1 in the environment), for there it takes days.
    """
    return profile != "paper" or os.environ.get("SNN_TRAIN", "0") == "1"


def run(
    runs: Sequence[Run], profile: str, workers: int = 0, train: bool | None = None, progress: bool = True
) -> list[dict]:
    """Records of ``runs``, in their order, from ``results/<profile>/runs`` and ``data/reference_runs``.

    Missing ones are trained by ``workers`` processes (0: one per CPU core; one process in all on a GPU).
    Without training (``train``; None: what ``trains`` says of the profile) they are left out, and one printed
    sentence says how many and how to train them.
    """
    store, train = store_of(profile), trains(profile) if train is None else train
    missing = {r.hash: r for r in runs if read(r, profile) is None}
    if missing and not train:
        print(
            f"{len(missing)} of {len(set(runs))} runs are not recorded for profile {profile!r} and left out: "
            f"`make plan PROFILE={profile}` lists them, `make all PROFILE={profile} TRAIN=1` trains them."
        )
        return [read(r, profile) for r in runs if r.hash not in missing]
    if missing:
        todo = sorted(missing.values(), key=lambda r: (-estimates.seconds(r), r.title))
        workers = min(processes(workers), len(todo))
        with follow(todo, store, [estimates.seconds(r) for r in todo], progress):
            if torch.cuda.is_available():
                for column in jobs.columns(todo):
                    jobs.train_together(column, store)
            elif workers == 1:
                for r in todo:
                    jobs.train_one(r, store)
            else:
                work = (joblib.delayed(jobs.train_one)(r, store) for r in todo)
                with warnings.catch_warnings():
                    # joblib renews a process whose memory has grown; here it grows by the data sets it keeps.
                    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
                    joblib.Parallel(n_jobs=workers, batch_size=1)(work)
    return [read(r, profile) for r in runs]


def processes(workers: int) -> int:
    """How many runs go side by side: as many as asked for, one per CPU core for 0, one on a GPU."""
    return 1 if torch.cuda.is_available() else workers or joblib.cpu_count()


def read(r: Run, profile: str) -> dict | None:
    """The record of a run, from this profile's results or the reference runs, or None.

    Where nothing is trained (``trains``) a reference run on other data counts too, if it is the same in
    everything else; where runs are trained, only one on exactly the data at hand.
    """
    path = store_of(profile) / f"{r.hash}.json"
    if path.exists():
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(
                f"The record {path} is damaged ({error}); delete it and the run will be trained again."
            ) from None
    return references.find(r.config, other_data=not trains(profile))


def trained(r: Run, profile: str) -> nn.Sequential:
    """The trained network of a run with seed 0, in eval mode.

    Of a conv net its first synapse and neuron layer, the learnable spiking encoder (PLIF, Sec. 3.5).
    """
    path = weights(r, profile)
    if path is None:
        raise FileNotFoundError(
            f"The weights {r.hash}.pt of '{r.title}' are missing (kept for seed 0 only, of reference "
            f"runs only where a figure shows them); delete {r.hash}.json beside them and run again to train "
            "them anew."
        )
    network = jobs.kept(r, jobs.build(r, jobs.task_of(r)))
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def weights(r: Run, profile: str) -> Path | None:
    """The file with what is kept of the trained network behind ``read``'s record, or None."""
    name = (read(r, profile) or {"hash": r.hash})["hash"]
    found = (store_of(profile) / f"{name}.pt", references.weights(name))
    return next((path for path in found if path.exists()), None)


def from_config(config: dict) -> Run:
    """The run of a record's config; JSON knows lists only."""
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return Run(**config | {"task_options": tuple(map(tuple, config["task_options"]))})


def store_of(profile: str) -> Path:
    """Where the records of a profile are."""
    return paths.results(profile) / "runs"
