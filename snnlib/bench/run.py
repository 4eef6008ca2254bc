"""Which workloads there are, in which sizes, and all of them in one run."""

import platform
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch

from snnlib import files, paths
from snnlib.bench import bars, layers, measure, peers, synapses, training
from snnlib.bench.measure import Effort, Results
from snnlib.kernels.memory import keep_freed
from snnlib.provenance import commit


@dataclass(frozen=True)
class Sizes:
    """The shapes of the workloads; those of ``SIZES`` are meant."""

    layers: tuple = ((20, 100, 500), (8, 16, 128 * 28 * 28), (500, 16, 4096))
    memory: tuple = (5, 10, 20, 40, 80)
    synapse: tuple = (20, 100, 784, 500)
    densities: tuple = (0.01, 0.05, 0.13, 0.25, 0.5)
    networks: training.Size = field(default_factory=training.Size)
    epoch_batches: tuple = (5, 2)  # MDN, PLIF
    members: int = 5
    open: tuple = (512,)
    open_steps: int = 500


SIZES = {
    "full": Sizes(),
    "cuda": Sizes(
        layers=((20, 100, 500), (8, 128, 128 * 28 * 28), (500, 16, 16384)),
        epoch_batches=(100, 100),
        open=(4096, 16384),
    ),
    "tiny": Sizes(
        layers=((5, 8, 40), (4, 2, 300)),
        memory=(4, 16),
        synapse=(4, 8, 784, 100),
        densities=(0.05, 0.13, 0.5),
        networks=training.Size(hidden=20, channels=4, features=16, mdn_batch=8, plif_batch=2),
        epoch_batches=(2, 1),
        members=2,
        open=(32,),
        open_steps=20,
    ),
}
"""full: two CPU cores, under ten minutes. cuda: what fills a GPU. tiny: every path once."""


@dataclass(frozen=True)
class Report:
    """``speed``: all rows (``measure.COLUMNS``); ``memory``: against T, see ``layers.memory_against_steps``;
    ``bars``: see ``bars.judge``; ``notes``: what was skipped or refused; ``passport``: machine, versions,
    commit, seconds.
    """

    speed: pd.DataFrame
    memory: pd.DataFrame
    bars: pd.DataFrame
    notes: list[str]
    passport: dict


def _layers(sizes, effort, results, device):
    kinds = list(peers.KINDS)
    for shape in sizes.layers:
        for kind in kinds if shape == sizes.layers[0] else kinds[:3]:
            layers.race(kind, shape, _less(effort, shape), results, device)


def _memory(sizes, effort, results, device):
    return layers.memory_against_steps("LIF", list(sizes.memory), results, device)


def _synapse(sizes, effort, results, device):
    for density in sizes.densities:
        synapses.race(density, sizes.synapse, replace(effort, seconds=effort.seconds / 2), results, device)


def _settings(sizes, device):
    yield training.mdn("1st order", sizes.networks, device), sizes.epoch_batches[0]
    yield training.mdn("2nd order", sizes.networks, device), sizes.epoch_batches[0]
    yield training.plif(sizes.networks, device), sizes.epoch_batches[1]


def _steps(sizes, effort, results, device):
    for setting, _ in _settings(sizes, device):
        training.race(setting, effort, results, device)


def _epochs(sizes, effort, results, device):
    few = replace(effort, least=min(3, effort.least))
    for setting, batches in _settings(sizes, device):
        training.race(setting, few, results, device, batches)


def _ensemble(sizes, effort, results, device):
    training.ensemble(sizes.networks, sizes.members, effort, results, device)


def _open(sizes, effort, results, device):
    for neurons in sizes.open:
        shape = (sizes.open_steps, 16, neurons)
        layers.race("LIF", shape, effort, results, device)
        layers.race("LIF", shape, effort, results, device, linear=True)


def _less(effort: Effort, shape: tuple) -> Effort:
    """A loop in Python takes seconds for ten million neuron-steps: three rounds have to do there."""
    large = torch.Size(shape).numel() > 5e6
    return replace(effort, least=min(3, effort.least)) if large else effort


WORKLOADS = {
    "layer": _layers,
    "memory": _memory,
    "synapse": _synapse,
    "step": _steps,
    "epoch": _epochs,
    "ensemble": _ensemble,
    "open": _open,
}


def run(
    only: Iterable[str] = WORKLOADS,
    device: str = "cpu",
    sizes: str = "",
    effort: Effort | None = None,
    say: Callable[[str], None] = lambda text: None,
    threads: int = 1,
) -> Report:
    """Measure the workloads ``only``. ``sizes``: a key of ``SIZES`` ("": what suits the device); ``say`` is
    told what begins; ``threads``: of the CPU, one as every run of the companion has. Raises ValueError for
    an unknown workload, size or a device that is not there.
    """
    only, effort = list(only), effort or Effort()
    unknown = [name for name in only if name not in WORKLOADS]
    if unknown or not only:
        raise ValueError(
            f"Unknown workload {', '.join(unknown) or 'list (empty)'}; use {', '.join(WORKLOADS)}."
        )
    sizes = sizes or ("cuda" if device.startswith("cuda") else "full")
    if sizes not in SIZES:
        raise ValueError(f"Unknown sizes {sizes!r}; use one of {', '.join(SIZES)}.")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise ValueError(
            f"The device {device!r} is not there; use cpu{', cuda' * torch.cuda.is_available()}."
        )
    if threads < 1:
        raise ValueError(f"threads is {threads}; at least one is needed.")
    torch.set_num_threads(threads)
    memory_kept = keep_freed()  # as in training; for every contender alike
    began, results, memory = time.perf_counter(), Results(notes=peers.missing()), pd.DataFrame()
    for name in only:
        say(f"{time.perf_counter() - began:5.0f} s  {name}")
        made = WORKLOADS[name](SIZES[sizes], effort, results, device)
        memory = made if name == "memory" else memory
    passport = _passport(device, sizes, effort) | {"freed memory kept": memory_kept}
    passport |= {"seconds": round(time.perf_counter() - began, 1)}
    return Report(
        measure.table(results.rows),
        memory,
        bars.judge(results.rows),
        list(dict.fromkeys(results.notes)),
        passport,
    )


def _passport(device: str, sizes: str, effort: Effort) -> dict:
    return {
        "cpu": _cpu(),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else "",
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()}
        | {name: peers.version(name) for name in peers.LIBRARIES},
        "commit": commit(),
        "sizes": sizes,
        "effort": asdict(effort),
    }


def _cpu() -> str:
    """The model of the CPU, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def target(path: Path | None = None) -> Path:
    """Where ``save`` will write (default: results/bench/speed.csv), told before minutes of measuring:
    ValueError for a name that cannot be the table's, OSError where nothing can be written.
    """
    path = path or paths.ROOT / "results" / "bench" / "speed.csv"
    with files.told(path):
        if path.suffix.lower() == ".json" or path.is_dir():
            why = "a folder" if path.is_dir() else "for the passport beside the table"
            raise ValueError(f"{path} is {why}; name the table, such as speed.csv.")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        tempfile.TemporaryFile(dir=there).close()
    return path


def save(report: Report, path: Path) -> Path:
    """Write the table as CSV, and passport, notes and memory as JSON beside it."""
    text = report.speed.round(4).to_csv(index=False, lineterminator="\n")
    files.write_text(path, text)
    more = {"notes": report.notes, "memory": report.memory.round(4).to_dict("records")}
    files.write_json(path.with_suffix(".json"), report.passport | more)
    return path
