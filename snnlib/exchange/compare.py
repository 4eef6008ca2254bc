"""A kept network for other simulators and beside them: its graph, the test samples and what it does here."""

import functools
import hashlib
import importlib.util
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from snnlib import datasets, files, saved
from snnlib.exchange import needed, nir_graph, simulators
from snnlib.networks import recorded_spikes
from snnlib.runs import jobs, store
from snnlib.runs.config import Run, from_config
from snnlib.training import random_stream, test_batches


def export(folder: Path, to: Path, samples: int | None = None) -> None:
    """Write the network in ``folder`` as a NIR graph and, with a number of ``samples`` (0: all) of its test
    set, a ``.npz`` beside it for ``simulators.py``: inputs, labels and what the network gives for them here.
    ValueError where its test set is not known or not here.
    """
    nir, network = needed("nir"), saved.load(folder)
    graph = nir_graph.to_nir(network, tuple(network.config["input_shape"]))
    if samples is not None:
        task, x_seq, y = tested_on(network.config, samples)
        outputs, rates = here(network, x_seq)
        folded, _ = here(nir_graph.from_nir(graph), x_seq)
        weights = hashlib.sha256((folder / saved.WEIGHTS).read_bytes()).hexdigest()
        about = {"folder": folder.resolve().name, "network": network.config["network"]}
        about |= {"weights, SHA-256": weights, "data": task.passport.label}
        found = {"x_seq": x_seq, "y": y, "outputs": outputs, "rates": rates, "folded": folded}
        write = functools.partial(np.savez_compressed, about=json.dumps(about), **found)
        files.write_atomically(to.with_suffix(".npz"), write)
    nir.write(content := io.BytesIO(), graph)
    files.write_atomically(to, lambda path: path.write_bytes(content.getvalue()))


def compare(folder: Path, to: Path, samples: int = 0) -> list[Path]:
    """Run the network in ``folder`` in every simulator that is installed (``simulators.py``); returns the
    tables in ``to``. ValueError where none is installed, and as for ``export``.
    """
    platforms = [name for name in simulators.PLATFORMS if importlib.util.find_spec(name)]
    if not platforms:
        raise ValueError(
            "Neither snnTorch nor SpikingJelly is installed: `pip install snntorch spikingjelly`."
        )
    with tempfile.TemporaryDirectory() as place:
        graph = Path(place) / "network.nir"
        export(folder, graph, samples)
        return [simulators.compare(name, graph, graph.with_suffix(".npz"), to) for name in platforms]


def run_of(config: dict) -> Run:
    """The recorded run of a kept network. ValueError where there is none, or it keeps only first layers."""
    if "layers" in config:
        raise ValueError(
            f"Only the first {config['layers']} layers of this network are kept, which name no class; give "
            "the folder of a whole one."
        )
    if (record := store.records().get(config.get("run"))) is None:
        raise ValueError(
            f"This network is not of a recorded run ({config.get('run')!r} is none), so no test set is "
            "known; give the folder of one that is."
        )
    return from_config(record["config"])


def tested_on(config: dict, samples: int = 0) -> tuple[datasets.Task, Tensor, Tensor]:
    """The task of a kept network, and of the first ``samples`` of its test set (0: all) the encoded inputs
    ``[T, N, *]`` and labels ``[N]``. ValueError as for ``run_of``, and where its data are not here.
    """
    run = run_of(config)
    if samples < 0:
        raise ValueError(f"{samples} samples make no test set; give a number of them, or 0 for all.")
    task = jobs.task_of(run)
    rows = torch.cat(test_batches(len(task.test_y), simulators.BATCH))[: samples or None]
    return task, task.batch(task.test_x[rows], random_stream(0, 0, "evaluate"), False), task.test_y[rows]


@torch.no_grad()
def here(network: nn.Module, x_seq: Tensor) -> tuple[Tensor, list[float]]:
    """Outputs ``[T, N, classes]`` and the spike rate of each layer of neurons, computed here."""
    outputs, rates = [], []
    for x in x_seq.split(simulators.BATCH, 1):
        with recorded_spikes(network, lambda spikes: spikes.sum().item() / spikes[:, 0].numel()) as sums:
            outputs.append(network(x))
        rates.append(sums)
    return torch.cat(outputs, 1), (np.sum(rates, 0) / x_seq.shape[1]).tolist()
