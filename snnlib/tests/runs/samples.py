"""Small runs, and records of runs that were never trained."""

import dataclasses
import json

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
    BASE, paper="plif", network=CONV, neuron="PLIF", tau=2.0, time_steps=4, schedule="cosine64", code=CODE
)


def made(run, accuracies=(), **changes) -> dict:
    """A record of a run without training it: ``accuracies`` per epoch, else 12.5 %."""
    accuracies = accuracies or (12.5,) * (run.epochs + 1)
    curve = changes.pop("curve", None) or [
        {
            "epoch": epoch,
            "train_loss": 0.1 / epoch if epoch else None,
            "test_accuracy": accuracy,
            "validation_accuracy": None,
            "seconds": 1.23456789,
        }
        for epoch, accuracy in enumerate(accuracies)
    ]
    seconds = changes.pop("seconds", 30.0)
    spent = sum(epoch["seconds"] for epoch in curve)
    curve = [epoch | {"seconds": epoch["seconds"] * seconds / spent} for epoch in curve]
    return {
        **dict.fromkeys(("dataset", "note", "checksum", "commit", "pooling"), ""),
        **{"config": json.loads(json.dumps(run.config)), "hash": run.hash},
        **{name: getattr(run, name) for name in ("paper", "task", "network", "neuron", "seed")},
        **{"source": run.data.split(":")[0], "train_samples": 60, "test_samples": 40},
        **{"device": "CPU, 1 thread", "versions": {}, "seconds": seconds, "curve": curve},
        **{"tau": [], "theta": [], "w_over_tau": [], "spike_rates": []},
        **{"accuracy_last": curve[-1]["test_accuracy"], "accuracy_validated": None},
        "accuracy_best": max(epoch["test_accuracy"] for epoch in curve[1:]),
        **changes,
    }


def other(run, data, **changes):
    return dataclasses.replace(run, data=data, **changes)
