"""Small runs, and records of runs that were never trained."""

import dataclasses
import json

from snnlib.runs import store
from snnlib.runs.config import CODE, CODE_BERNOULLI, Run

CONV = "c4k3s1-BN-PLIF-MPk2s2-DP-FC20-PLIF-DP-FC100-PLIF-APk10s10"
BASE = Run(
    paper="mdn",
    task="quarters",
    data="stand-in:0123456789ab:1",
    network="mlp-12",
    neuron="1st-order",
    seed=0,
    epochs=2,
    batch_size=20,
    learning_rate=1e-2,
    time_steps=6,
    schedule="step50",
    train_samples=60,
    test_samples=40,
    code=CODE_BERNOULLI,
)
PLIF = dataclasses.replace(
    BASE,
    paper="plif",
    network=CONV,
    neuron="PLIF",
    tau=2.0,
    time_steps=4,
    schedule="cosine64",
    code=CODE,
)


def made(run, **changes) -> dict:
    """A record of a run without training it."""
    curve = [{"epoch": 0, "train_loss": None, "test_accuracy": 12.345678, "seconds": 1.23456789}]
    record = dict.fromkeys(store.FIELDS, "") | {
        "config": json.loads(json.dumps(run.config)),
        "hash": run.hash,
        "paper": run.paper,
        "task": run.task,
        "seed": run.seed,
        "source": run.data.split(":")[0],
        "device": "CPU, 1 thread",
        "seconds": 30.0,
        "train_samples": 60,
        "test_samples": 40,
        "curve": curve,
        "theta": [],
    }
    return record | changes


def other(run, data, **changes):
    return dataclasses.replace(run, data=data, **changes)
