"""From runs to records: one run alone, or a column of runs of equal shape as one ensemble.

``train_one`` and ``train_together`` write the records, and the weights of seed 0, to a folder in one step;
until then a checkpoint lets a run that was cut off go on.
"""

import functools
import hashlib
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from snnlib import datasets, files, layers, networks, neurons, synapses, training
from snnlib.kernels import memory
from snnlib.runs import check, ensemble, records
from snnlib.runs.config import Run

LOSSES = {"": training.squared_error, "cross-entropy": training.cross_entropy}
"""The papers' loss, and one beyond them."""

_WITHOUT = {"quadratic": 0.0, "threshold": 0.25}
PARTS = {"U-alone": _WITHOUT, "neither": _WITHOUT, "half-step": {"dt": 0.5}}
"""2nd-order neurons whose equation lacks a part, or whose step is half as long; V^2 alone is a matter of
theta. V = V^2 + c has no fixed point above c = 1/4, so with V^2 a constant current above that makes a spike
in the end: without V^2 the threshold is put there."""

THRESHOLD = 0.4
"""Where a leaky neuron of MDN's network fires whose constant input is not amplified: MDN's 1st-order neuron
amplifies by 1 / 0.8 and fires above 0.5. With it all of them fire at the same constant current."""

MEMBERS = 32
"""Most runs of one ensemble: those of a CIFAR-10 column take about 3 GB on a GPU."""

ALONE, WITH_MPS = 2, 12
"""Processes that share a GPU at most. Without NVIDIA's MPS a GPU serves one process after the other: the
second works while the first is in Python. With it their kernels run at once (measured: chapter 07).
"""

NEEDS_TF32 = "train on a GPU of compute capability 8 or more (A100, H100), or in another precision"


class Refused(ValueError):
    """This process or machine must not train what it was asked to: the numbers would be others."""


class OutOfTime(Exception):
    """The next epoch would end too late; the checkpoint goes on from the last one."""


def columns(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups that can be one ensemble: up to MEMBERS of MDN's, equal in all but neuron, theta
    and seed. Runs with the loss, the augmentation or the precision changed train alone, and so do neurons
    whose equation was changed.
    """
    groups: dict[object, list[Run]] = {}
    for r in runs:
        changed = r.neuron in (*PARTS, "semi-implicit")
        plain = not (r.validation or r.loss or r.augmentation or r.precision or changed)
        together = r.paper == "mdn" and plain and (r.neuron == "1st-order" or bool(r.theta))
        same = (r.neuron == "learned", r.neuron == "mixed")
        key = (replace(r, neuron="", theta=(), seed=0), *same) if together else r
        groups.setdefault(key, []).append(r)
    starts = ((group, at) for group in groups.values() for at in range(0, len(group), MEMBERS))
    return [group[at : at + MEMBERS] for group, at in starts]


def train_one(r: Run, store: Path) -> dict:
    """Train one run and write its record to ``store``; returns the record."""
    return train_together([r], store)[0]


def train_together(runs: Sequence[Run], store: Path, until: float = math.inf) -> list[dict]:
    """Train one run, or the runs of one of the ``columns`` as one batched network, from their checkpoint if
    there is one, and write their records to ``store``; returns the records.

    Raises OutOfTime where an epoch as long as the last would end after ``until`` (of ``time.time``).
    """
    device, task, one = _prepare(runs[0].precision), task_of(runs[0]), runs[0]
    members = [build(r).to(device) for r in runs]
    checkpoint = checkpoint_of(runs, store)

    def on_epoch(histories: list[list[dict]]) -> None:
        for r, history in zip(runs, histories, strict=True):
            files.write_json(store / f"{r.hash}.partial.json", [h["epoch"] for h in history])
        took = len(runs) * histories[0][-1]["seconds"]
        if len(histories[0]) <= one.epochs and time.time() + took > until:
            raise OutOfTime

    same = ("epochs", "batch_size", "learning_rate", "theta_learning_rate", "schedule")
    shared = {name: getattr(one, name) for name in same}
    shared |= {"test_batch_size": task.test_batch_size(one.batch_size, device)}
    shared |= {"observe": records.observe, "checkpoint": checkpoint}
    if len(runs) == 1:
        sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
        shared |= {name: getattr(one, name) for name in ("seed", "validation", "precision")}
        shared |= {"loss": LOSSES[one.loss], "on_epoch": lambda history: on_epoch([history])}
        histories = [training.fit(members[0], *sets, task.encode, **shared)]
    else:
        histories = ensemble.fit(members, task, seeds=[r.seed for r in runs], on_epoch=on_epoch, **shared)
    finished = [
        _record(r, task, member, history, device)
        for r, member, history in zip(runs, members, histories, strict=True)
    ]
    # All are made before any is written: a column of which some have records finds its checkpoint no more.
    for r, member, record in zip(runs, members, finished, strict=True):
        if r.seed == 0:
            files.write_sealed(store / f"{r.hash}.pt", member.state_dict())
        files.write_json(store / f"{r.hash}.json", record)
    for left_over in (checkpoint, *(store / f"{r.hash}.partial.json" for r in runs)):
        left_over.unlink(missing_ok=True)
    return finished


def checkpoint_of(runs: Sequence[Run], store: Path) -> Path:
    """Where the state of runs that are trained together is kept until they are finished."""
    together = hashlib.sha256("".join(r.hash for r in runs).encode()).hexdigest()
    # By the first one's record ``store.tidy`` sees that it is of no more use: only runs without go on.
    return store / f"{runs[0].hash}{'' if len(runs) == 1 else f'.{together[:16]}'}.ckpt"


def has_tf32() -> bool:
    """Whether this machine's GPU computes in TF32; what else there is would use float32 without a word."""
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


def _prepare(precision: str) -> str:
    """One CPU thread and deterministic kernels; returns the device. Raises Refused for TF32 where there is
    none.
    """
    if precision == "tf32" and not has_tf32():
        raise Refused(f"Nothing on {platform.node()} computes in TF32: {NEEDS_TF32}.")
    torch.set_num_threads(1)
    memory.keep_freed()
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if not torch.cuda.is_available():
        return "cpu"
    torch.cuda.set_device(_own_gpu())
    return "cuda"


def mps() -> bool:
    """Whether NVIDIA's Multi-Process Service runs on this machine: its control daemon's process lives."""
    folder = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps")
    try:
        os.kill(int((folder / "nvidia-cuda-mps-control.pid").read_text()), 0)
    except PermissionError:  # another user's, who serves all
        return True
    except (OSError, ValueError):
        return False
    return True


def gpu_places(need: float = 0) -> list[tuple[int, int]]:
    """(place, GPU) for as many processes as train side by side here, those with most memory for each first,
    whatever they ``need``: places with fewer bytes than that are left out, but for the very first.
    """
    sizes = [torch.cuda.get_device_properties(n).total_memory for n in range(torch.cuda.device_count())]
    side_by_side = range(WITH_MPS if mps() else ALONE)
    shares = {(place, n): size / (place + 1) for n, size in enumerate(sizes) for place in side_by_side}
    ordered = sorted(shares, key=lambda at: (-shares[at], at))
    return [at for at in ordered if shares[at] >= need] or ordered[:1]


@functools.cache
def _own_gpu() -> int:
    """The GPU of the first place that no other process of the user's holds, this one's as long as it lives;
    where all are taken, the usual GPU.
    """
    for place, number in gpu_places():
        name = f"gpu-{torch.cuda.get_device_properties(number).uuid}-{place}.lock"
        handle = os.open(files.private_folder() / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            files.lock(handle, wait=False)
            return number
        except BlockingIOError:
            os.close(handle)
    return torch.cuda.current_device()


def _record(r: Run, task: datasets.Task, network: nn.Module, history: list[dict], device: str) -> dict:
    record = records.record(r, task, history, device)
    if r.tests:
        record["tests"] = {how: _tested(r, task, network, how) for how in r.tests}
    record = files.finite(record)
    record["digest"] = check.digest(record)
    return record


def _tested(r: Run, task: datasets.Task, network: nn.Module, how: str) -> float:
    """Accuracy (percent) of the trained network on the test set with its time axis changed."""
    size = task.test_batch_size(r.batch_size)
    encode = replace(task, order=how).encode
    return training.evaluate(network, task.test_x, task.test_y, encode, size, r.seed, r.precision)[0]


def build(r: Run) -> nn.Sequential:
    """The run's untrained network, its weights drawn from the run's seed."""
    view = datasets.view(r.task, r.paper, **dict(r.task_options))
    training.initialise(r.seed)
    if r.paper == "mdn":
        hidden, current = networks.read_mlp(r.network)
        if not hidden:  # a linear classifier of the input's mean over time
            return nn.Sequential(layers.TimeBatched(synapses.Linear(view["input_shape"][0], view["classes"])))
        sizes = view["input_shape"][0], hidden, view["classes"]
        network = networks.mlp(*sizes, neuron_factory(r), current=current)
        return nn.Sequential(_Held(), *network) if r.neuron == "half-step" else network
    return networks.conv_net(r.network, view["input_shape"], neuron_factory(r))


class _Held(nn.Module):
    """``[T, B, *] -> [2 T, B, *]``, each step twice: for neurons whose own steps are half as long."""

    def forward(self, x_seq):
        return x_seq.repeat_interleave(2, 0)


def neuron_factory(r: Run) -> networks.NeuronFactory:
    """What makes the run's neurons, given how many there are in a layer."""
    threshold = {"threshold": THRESHOLD} if r.paper == "mdn" else {}
    if r.neuron == "1st-order" and r.tau:
        # A gain of 1 is the same as a threshold in units of the gain; tau 1.25 is the published neuron.
        level = THRESHOLD * r.tau
        return lambda size: neurons.FirstOrder(decay=1 - 1 / r.tau, threshold=level, half_width=level)
    if r.neuron == "1st-order":
        return lambda size: neurons.FirstOrder()
    if r.neuron == "learned":
        return lambda size: neurons.SecondOrder(*r.theta, neurons=size, learnable=True)
    if r.neuron == "mixed":
        return lambda size: _mixed(r.theta, size)
    if r.neuron == "semi-implicit":
        return lambda size: semi_implicit(r.theta)
    if r.theta:
        return lambda size: neurons.SecondOrder(*r.theta, **PARTS.get(r.neuron, {}))
    if r.neuron in ("LIF", "PLIF"):
        return lambda size: getattr(neurons, r.neuron)(tau=r.tau, **threshold)
    if r.neuron in ("PLIF-each", "PLIF-random", "LIF-random"):
        return lambda size: _own_tau(r, size, **threshold)
    raise ValueError(
        f"Unknown neuron {r.neuron!r} without theta; use '1st-order', 'learned', 'LIF', 'PLIF' or give theta."
    )


def semi_implicit(theta: tuple[float, ...]) -> neurons.SecondOrder:
    """A 2nd-order neuron in semi-implicit (symplectic) Euler steps of length 1, U first: V takes the new U.

    U + a (b V - U) = (1 - a) U + a b V, so V takes -a b V beside -V, and U is kept times 1 - a.
    """
    a, b, c, d = theta
    scale = 1 - a
    return neurons.SecondOrder(a, b * scale, c, d * scale, initial_u=0.08 * scale, linear=-1 - a * b)


def _mixed(theta: tuple[float, ...], size: int) -> neurons.SecondOrder:
    """Fixed 2nd-order neurons of two kinds in turn: theta[:4] for the 1st, the 3rd ..., theta[4:]."""
    if len(theta) != 8:
        raise ValueError(f"The neuron 'mixed' takes the theta of two kinds, 8 values, and got {len(theta)}.")
    layer = neurons.SecondOrder(neurons=size)
    for parameter, even, odd in zip(layer.thetas, theta[:4], theta[4:], strict=True):
        with torch.no_grad():
            parameter[0::2], parameter[1::2] = even, odd
    return layer


def _own_tau(r: Run, size: int, **settings) -> neurons.PLIF:
    """PLIF with a time constant per neuron, learned ("PLIF") or fixed: all tau at first, or "random", evenly
    on a logarithmic scale from MDN's 1.25 to PLIF's 16 steps.
    """
    layer = neurons.PLIF(tau=r.tau, **settings)
    tau = torch.full((size,), r.tau)
    if r.neuron.endswith("random"):
        tau = 1.25 * (16 / 1.25) ** torch.rand(size)
    layer.a = nn.Parameter(-(tau - 1).log(), requires_grad=r.neuron.startswith("PLIF"))
    return layer


def task_of(r: Run) -> datasets.Task:
    """The run's data; SourceError if they are not what the run was planned for."""
    found = datasets.identify(r.task, paper=r.paper, **dict(r.task_options))
    if found != r.data:
        raise datasets.SourceError(
            f"The data of {r.task} on {platform.node()}",
            f"{r.data}, for which the run was planned, and found {found}",
            "Put the same data everywhere, or plan the run again for those that are there.",
        )
    task = _load(r.task, r.paper, r.data, r.train_samples, r.test_samples, r.task_options)
    return replace(task, augmentation=r.augmentation or task.augmentation, order=r.order)


@functools.lru_cache(maxsize=2)
def _load(name: str, paper: str, data: str, train: int, test: int, options: tuple) -> datasets.Task:
    return datasets.load(name, paper=paper, train=train or None, test=test or None, **dict(options))
