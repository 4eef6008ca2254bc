"""What is written down of a run: what its neurons learned, epoch by epoch, and its record."""

import time

import numpy as np
import torch
from torch import Tensor, nn

from snnlib import datasets, neurons
from snnlib.networks import neuron_layers
from snnlib.provenance import commit, versions
from snnlib.results.tables import W_OVER_TAU_QUANTILES
from snnlib.runs import check
from snnlib.runs.config import Run

OF_RUN = ("hash", "config", "paper", "task", "network", "neuron", "pooling", "seed")
OF_DATA = ("dataset", "source", "note", "checksum", "train_samples", "test_samples")
THETAS = ("theta_a", "theta_b", "theta_c", "theta_d")


def observe(network: nn.Module) -> dict:
    """What the neurons have learned so far: ``tau`` per PLIF layer, the median where each neuron has its own;
    ``theta_*`` of learnable 2nd-order neurons, hidden and output layer pooled; for conv nets, quantiles of
    W / tau of the first FC layer (PLIF, Fig. S1).
    """
    layers, seen = neuron_layers(network), {}
    learned = [n for n in layers if isinstance(n, neurons.SecondOrder) and n.theta_a.requires_grad]
    for name in THETAS if learned else ():
        pooled = torch.cat([getattr(n, name).detach().flatten() for n in learned])
        seen[name] = [round(value, 6) for value in pooled.tolist()]
    if any(isinstance(n, neurons.PLIF) for n in layers):
        seen["tau"] = [n.tau.median().item() for n in layers]
    if any(isinstance(m, nn.Conv2d) for m in network.modules()):
        seen["w_over_tau"] = _w_over_tau(network)
    return seen


def _w_over_tau(network: nn.Module) -> dict:
    modules = list(network.modules())
    first = next(i for i, m in enumerate(modules) if isinstance(m, nn.Linear))
    tau = next(
        float(torch.as_tensor(m.tau).detach())
        for m in modules[first:]
        if isinstance(m, neurons.PLIF | neurons.LIF)
    )
    ratio = (modules[first].weight.detach() / tau).double()
    if ratio.is_cuda:  # millions of numbers, after every epoch
        mean, variance, quantiles = ratio.mean(), ratio.var(correction=0), sorted_quantiles(ratio)
    else:
        ratio = ratio.numpy()
        mean, variance, quantiles = ratio.mean(), ratio.var(), np.quantile(ratio, W_OVER_TAU_QUANTILES)
    return {"mean": float(mean), "variance": float(variance), "quantiles": quantiles.tolist()}


def sorted_quantiles(values: Tensor) -> Tensor:
    """NumPy's quantiles W_OVER_TAU_QUANTILES of all values, on their device."""
    ordered = values.flatten().sort().values
    at = torch.tensor(W_OVER_TAU_QUANTILES, dtype=torch.float64, device=values.device) * (len(ordered) - 1)
    low, high = ordered[at.floor().long()], ordered[at.ceil().long()]
    return low + (high - low) * (at - at.floor())


def record(r: Run, task: datasets.Task, history: list[dict], device: str) -> dict:
    """The record of a finished run, from the ``history`` of ``training.fit``."""
    tested = [h["test_accuracy"] for h in history[1:]]
    validated = [h["validation_accuracy"] for h in history[1:]]
    best_on_validation = tested[validated.index(max(validated))] if r.validation else None
    cpu = f"CPU, {torch.get_num_threads()} thread"
    return {
        **{name: getattr(r, name) for name in OF_RUN},
        **{name: getattr(task.passport, name) for name in OF_DATA},
        "accuracy_best": max(tested),
        "accuracy_last": tested[-1],
        "accuracy_validated": best_on_validation,
        "curve": [{key: h[key] for key in check.EPOCH} for h in history],
        "spike_rates": history[-1]["spike_rates"],
        "tau": [h["tau"] for h in history if "tau" in h],
        "theta": [{key: h[key] for key in ("epoch", *THETAS)} for h in history if "theta_a" in h],
        "w_over_tau": [{"epoch": h["epoch"], **h["w_over_tau"]} for h in history if "w_over_tau" in h],
        "device": cpu if device == "cpu" else torch.cuda.get_device_name(),
        "seconds": sum(h["seconds"] for h in history),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "versions": versions(),
    }
