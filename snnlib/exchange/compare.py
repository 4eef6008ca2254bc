"""A kept network beside itself in other simulators: the same samples, the same graph, accuracy and spikes."""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from snnlib import datasets, files, saved
from snnlib.exchange import needed, nir_graph, simulators
from snnlib.networks import recorded_spikes
from snnlib.runs import jobs, store
from snnlib.runs.config import from_config
from snnlib.training import random_stream, test_batches

BATCH = 500


def compare(folder: Path, to: Path, samples: int = 0) -> list[pd.DataFrame]:
    """Run the network in ``folder`` on the first ``samples`` (0: all) of its test set here and in every
    simulator that is installed; writes ``to``/<platform>.csv, a row for each quantity with our value and
    theirs, and returns those tables. ValueError where no simulator is installed or the data are not here.
    """
    nir = needed("nir")
    platforms = [name for name in simulators.PLATFORMS if importlib.util.find_spec(name)]
    if not platforms:
        raise ValueError(
            "Neither snnTorch nor SpikingJelly is installed: `pip install snntorch spikingjelly`."
        )
    network = saved.load(folder)
    task, batches = tested_on(network.config, samples)
    found = {name: [] for name in ("ours", *platforms)}
    with tempfile.TemporaryDirectory() as place, torch.no_grad():
        graph = str(Path(place) / "network.nir")
        nir.write(graph, nir_graph.to_nir(network, task.input_shape))
        for rows, x_seq in batches:
            with recorded_spikes(network) as spikes:
                found["ours"].append((rows, network(x_seq), [layer.mean().item() for layer in spikes]))
            for name in platforms:
                found[name].append((rows, *simulators.run(name, graph, x_seq)))
    return [_table(found, name, task.test_y, to) for name in platforms]


def tested_on(config: dict, samples: int = 0) -> tuple[datasets.Task, Iterator[tuple[Tensor, Tensor]]]:
    """The task of a kept network, and the first ``samples`` of its test set (0: all) in batches: indices and
    encoded inputs ``[T, B, *]``.
    """
    if "run" not in config:
        raise ValueError("This network is not of a recorded run, so no test set is known.")
    task = jobs.task_of(from_config(store.records()[config["run"]]["config"]))
    order = torch.cat(test_batches(len(task.test_y), BATCH))[: samples or None]
    generator = random_stream(0, 0, "evaluate")
    return task, ((rows, task.batch(task.test_x[rows], generator, False)) for rows in order.split(BATCH))


def _table(found: dict, platform: str, y: torch.Tensor, to: Path) -> pd.DataFrame:
    ours, theirs = found["ours"], found[platform]
    numbers = [_numbers(batches, y) for batches in (ours, theirs)]
    table = pd.DataFrame(
        {"quantity": numbers[0].keys(), "ours": numbers[0].values(), platform: numbers[1].values()}
    )
    differing = sum(int((a != b).sum()) for (_, a, _), (_, b, _) in zip(ours, theirs, strict=True))
    votes = sum(a.numel() for _, a, _ in ours)
    table.loc[len(table)] = [f"outputs that differ, of {votes}", 0, differing]
    files.write_text(to / f"{platform}.csv", table.to_csv(index=False))
    return table


def _numbers(batches: list, y: torch.Tensor) -> dict[str, float]:
    size = torch.tensor([len(rows) for rows, _, _ in batches], dtype=torch.float64)
    right = sum(int((out.mean(0).argmax(-1) == y[rows]).sum()) for rows, out, _ in batches)
    rates = (torch.tensor([rates for _, _, rates in batches]) * size[:, None]).sum(0) / size.sum()
    layers = {f"spike rate, layer {n}": round(rate, 6) for n, rate in enumerate(rates.tolist(), start=1)}
    return {f"accuracy, % of {int(size.sum())}": 100 * right / int(size.sum()), **layers}
