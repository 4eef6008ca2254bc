"""A run is a value: everything that changes its result. Its hash names its record."""

import functools
import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields

from snnlib import datasets, networks
from snnlib.datasets import disturbance
from snnlib.neurons import PRESETS
from snnlib.optimiser import read_schedule
from snnlib.papers import published
from snnlib.training import check_precision

CODE = 2
"""Raise it when a change to neurons, networks or training changes numbers: it is part of every run."""

CODE_BERNOULLI = CODE + 1
"""The same for runs on randomly encoded images, whose numbers changed once more when usual spikes came to be
listed once; raising CODE retires these runs too.
"""

PLIF_LEARNING_RATE = 1e-3  # supplement 6


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

    ``network``: "mlp-<hidden>" (``networks.read_mlp``) or Table S1's notation. ``neuron``: "1st-order",
    "LIF", "PLIF", "learned" (2nd-order, theta learned per neuron), "mixed" (2nd-order, two fixed kinds in
    turn, ``theta`` their eight values) or any other name, whose fixed ``theta`` says what it is. ``data`` is
    what ``datasets.identify`` said: a run on a stand-in is another run than the same one on the data set.
    ``loss`` and ``augmentation`` are the papers' where empty, else what goes beyond them (``jobs.LOSSES``,
    ``datasets.task``).
    ``precision``: "" is float32, as in the papers; see ``training.PRECISIONS``. ``order``: what is done to
    the time axis of all input, ``tests``: what is done to that of the test input alone, one more test of the
    trained network for each (``datasets.disturbance``).
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
    precision: str = ""
    order: str = ""
    tests: tuple[str, ...] = ()

    def __post_init__(self):
        for how in (*self.tests, *filter(None, [self.order])):
            disturbance.checked(how)
        for field in fields(self):
            name, kind, value = field.name, field.type, getattr(self, field.name)
            least = 1 if name in ("epochs", "batch_size", "time_steps") else 0
            below = 1 if name == "validation" else math.inf
            # Of the type too: 20.0 epochs, or a tau of 2, would be the same training under another hash.
            good = kind not in (int, float, str) or (isinstance(value, kind) and type(value) is not bool)
            if not good or (kind in (int, float) and not least <= value < below):
                limits = "" if kind is str else f" of at least {least}" + " and below 1" * (below == 1)
                raise ValueError(f"A run's {name} is {value!r}; it must be of type {kind.__name__}{limits}.")
        if not all(isinstance(value, float) and math.isfinite(value) for value in self.theta):
            raise ValueError(f"A run's theta is {self.theta}; its values must be finite and of type float.")
        read_schedule(self.schedule)
        check_precision(self.precision)

    @property
    def hash(self) -> str:
        """Name of the record, a hash over the fields."""
        return config_hash(self.config)

    @property
    def config(self) -> dict:
        """Every field, but for those that depart from the papers and do not here."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value or name not in ("loss", "augmentation", "precision", "order", "tests")
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
        usual = table_1()[self.task]["eta_w"] if self.paper == "mdn" and self.task in table_1() else 0
        usual = PLIF_LEARNING_RATE if self.paper == "plif" else usual
        if usual not in (0, self.learning_rate):
            parts.append(f"learning rate {self.learning_rate:g}")
        parts.append(f"{100 * self.validation:g} % held out" if self.validation else "")
        parts += [*beyond(self.config), self.precision]
        parts.append(f"tested in {len(self.tests)} ways" if self.tests else "")
        return " ".join(filter(None, parts))


@functools.cache
def table_1() -> dict[str, dict]:
    """MDN's Table 1: task -> its settings by name."""
    return published.table("mdn_table1").set_index("task").to_dict("index")


def beyond(config: dict) -> tuple[str, ...]:
    """Steps beyond the papers in the config of a run, in words; a published run's config says little."""
    tuned = config.get("neuron") == "learned" and tuple(config["theta"]) in PRESETS.values()
    cycle = config.get("paper") == "mdn" and config["schedule"].startswith("cosine")
    leak = config.get("neuron") == "1st-order" and config["tau"] > 0
    mlp = config.get("paper") == "mdn" and "network" in config
    current = networks.read_mlp(config["network"])[1] if mlp else "sigmoid"
    words = ("cosine cycle" * cycle, "theta fine-tuned" * tuned, "other leak" * leak)
    words += (f"{current} current" * (current != "sigmoid"), config.get("order"))
    return tuple(filter(None, (*words, config.get("loss"), config.get("augmentation"))))


def from_config(config: dict) -> Run:
    """The run of a record's config; JSON knows lists only."""
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return Run(**config | {"task_options": tuple(map(tuple, config["task_options"]))})


def config_hash(config: dict) -> str:
    """Name of the record of a run: the first 16 hex digits of SHA-256 over all fields of the run."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
