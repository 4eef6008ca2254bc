"""Workloads of training: a step and an epoch of MDN's MNIST network and of PLIF's Fashion-MNIST network, and
an ensemble against its members one by one. All implementations see the same images and start from the same
weights.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib import datasets, graphs, networks
from snnlib.bench import peers
from snnlib.bench.measure import Contender, Effort, Results, contest
from snnlib.layers import TimeBatched
from snnlib.runs.ensemble import Ensemble
from snnlib.runs.ensemble import update as update_members

STEP = "training step"
EAGER = "ours, kernel by kernel"  # a GPU has its step recorded otherwise
PARTS = "parts of a step"  # for ``parts`` alone, not raced


@dataclass(frozen=True)
class Size:
    """How large the networks and their data are."""

    hidden: int = 500
    channels: int = 0  # 0: as the paper
    features: int = 0
    mdn_batch: int = 100
    plif_batch: int = 16


@dataclass(frozen=True)
class Setting:
    """A network in training: how it is built, fed and compared."""

    work: str
    task: datasets.Task
    batch: int
    networks: dict[str, nn.Module]  # implementation -> network [T, B, *] -> [T, B, classes]
    encode: dict[str, Callable[[Tensor, torch.Generator], object]]
    train_samples: int  # of the whole set, for an epoch
    allowed: float  # share of output spikes that may differ


def mdn(kind: str, size: Size, device: str) -> Setting:
    """MDN's MNIST network, T = 20, Bernoulli encoding, with neurons of ``kind`` ("1st order" or "2nd order").

    Peers: the same Linear, Sigmoid and leaky neuron with decay 0.2 and threshold 0.5, fed with a dense tensor
    of spikes. Their backward pass is their own: SpikingJelly's with ATan in place of the window, snnTorch's
    with a detached reset.
    """
    task = datasets.load("mnist", "mdn", train=20 * size.mdn_batch, test=10)
    torch.manual_seed(0)
    ours = networks.mlp(784, size.hidden, 10, lambda count: peers.KINDS[kind]()).to(device)
    built = {peers.LOOP: _dense(peers.plain_loop(ours)), "ours": ours}
    for name in ("SpikingJelly", "snnTorch"):
        if peers.layer(name, kind) is not None:
            parts = [
                p if isinstance(p, TimeBatched) else peers.layer(name, kind).module for p in _dense(ours)
            ]
            built[name] = nn.Sequential(*parts)
    encode = {name: lambda x, generator: _dense_bernoulli(x, task, generator) for name in built}
    encode["ours"] = lambda x, generator: task.batch(x, generator, train=True, listed=True)
    work = f"MDN's MNIST network 784-{size.hidden}-10, {kind}, batch {size.mdn_batch}"
    return Setting(work, task, size.mdn_batch, built, encode, 60_000, 1e-2)


def plif(size: Size, device: str) -> Setting:
    """PLIF's Fashion-MNIST network with learned tau, T = 8.

    SpikingJelly's is its own FashionMNISTNet: conv 1 runs at every time step there, the companion computes it
    once for a still; its Linear layers have a bias, set to 0 at the start. It exists for the paper's FC
    sizes.
    """
    task = datasets.load("fashion_mnist", "plif", train=20 * size.plif_batch, test=10)
    notation = networks.narrow(networks.TABLE_S1["fashion_mnist"], size.channels, size.features)
    torch.manual_seed(0)
    ours = networks.conv_net(notation, task.input_shape, lambda count: peers.KINDS["PLIF"]()).to(device)
    _make_it_fire(ours, task, size.plif_batch, device)
    built = {peers.LOOP: peers.plain_loop(ours), "ours": ours}
    if peers.version("SpikingJelly") and not size.features:
        built["SpikingJelly"] = _spikingjelly_net(ours, size.channels or 128).to(device)
    encode = {name: lambda x, generator: task.batch(x, generator, train=True) for name in built}
    encode["SpikingJelly"] = lambda x, generator: task.batch(x, generator, train=True).contiguous()
    work = (
        f"PLIF's Fashion-MNIST network {'-'.join(networks.expand(notation)[:1])}.., batch {size.plif_batch}"
    )
    return Setting(work, task, size.plif_batch, built, encode, 60_000, 2e-2)


def race(setting: Setting, effort: Effort, results: Results, device: str, batches: int = 0) -> None:
    """Time training steps, or with ``batches`` > 0 epochs: so many batches, extrapolated to the whole set."""
    entries = [_contender(name, setting, device, batches) for name in setting.networks]
    if device.startswith("cuda"):
        entries.insert(2, _contender(EAGER, setting, device, batches))
    epoch = f"epoch of {setting.train_samples:,}, from {batches} batches"
    share = setting.train_samples / (batches * setting.batch) if batches else 1.0
    entries = [replace(e, passes={epoch if batches else STEP: e.passes[STEP]}) for e in entries]
    contest(setting.work, entries, effort, results, device, setting.allowed, scale=share)


def _contender(name: str, setting: Setting, device: str, batches: int) -> Contender:
    whose = "ours" if name == EAGER else name
    network = copy.deepcopy(setting.networks[whose]).to(device).train()
    recorded = name == "ours" and device.startswith("cuda")
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, fused=True, capturable=recorded)
    generator = torch.Generator(device).manual_seed(0)
    task, encode = setting.task, setting.encode[whose]
    images, labels = task.train_x.to(device), task.train_y.to(device)

    def update(x: Tensor, y: Tensor) -> Tensor:
        return _update(network, optimiser, encode(x, generator), _targets(y, task)).detach()

    replayed = graphs.captured(update, (network, optimiser, generator))  # as training does on a GPU

    def step(first: int = 0, mark: Callable = _unmarked) -> float:
        chosen = slice(first, first + setting.batch)
        if recorded and mark is _unmarked:
            return replayed(images[chosen], labels[chosen]).item()
        mark()
        x_seq = encode(images[chosen], generator)
        mark()
        return _update(network, optimiser, x_seq, _targets(labels[chosen], task), mark).item()

    def steps() -> list[float]:
        room = len(labels) - setting.batch + 1
        return [step(i * setting.batch % room) for i in range(batches or 1)]

    def outputs() -> dict[str, Tensor]:
        """Output spikes for the same encoded input, dropout off."""
        x_seq = task.batch(images[: setting.batch], torch.Generator(device).manual_seed(1), train=False)
        with torch.no_grad():
            return {"output spikes": _without_dropout(network)(x_seq)}

    def timed_parts() -> list[float]:
        marks: list[float] = []
        step(mark=lambda: marks.append(_now(device)))
        return np.diff(marks).tolist()

    passes = {STEP: steps, PARTS: timed_parts}
    return Contender(name, peers.version(name), passes, outputs, (peers.role(whose),), recorded)


def _unmarked() -> None:
    """A step that nobody takes apart."""


def _update(network: nn.Module, optimiser, x_seq, target: Tensor, mark: Callable = _unmarked) -> Tensor:
    """The loss of a training step; ``mark`` is called after forward pass, backward pass and update."""
    loss = functional.mse_loss(network(x_seq).mean(0), target)
    mark()
    optimiser.zero_grad()
    loss.backward()
    mark()
    optimiser.step()
    mark()
    return loss


def _make_it_fire(network: nn.Module, task: datasets.Task, batch: int, device: str) -> None:
    """Enlarge the weights of the FC layers until outputs spike: untrained they are silent, and silent
    networks cannot be compared.
    """
    images = task.train_x[:batch].to(device)
    x_seq = task.batch(images, torch.Generator(device).manual_seed(1), train=False)
    with torch.no_grad():
        for _ in range(8):
            if _without_dropout(network)(x_seq).mean() > 0.02:
                break
            for module in network.modules():
                if isinstance(module, nn.Linear):
                    module.weight *= 1.5


def parts(setting: Setting, device: str, steps: int) -> pd.DataFrame:
    """Where the time of a training step goes: median ms of encoding, forward, backward and optimiser, a row
    for each implementation. One part waits for the other, so on a GPU the sum is more than a step.
    """
    entries = {name: _contender(name, setting, device, 0) for name in setting.networks}
    taken = {name: [] for name in entries}
    for _ in range(steps + 1):
        for name, entry in entries.items():
            taken[name].append(entry.passes[PARTS]())
    medians = {name: np.median(rows[1:], 0) for name, rows in taken.items()}  # the first call warms up
    columns = ["encoding", "forward", "backward", "optimiser"]
    return pd.DataFrame.from_dict(medians, orient="index", columns=columns) * 1e3


def _without_dropout(network: nn.Module) -> nn.Module:
    """A copy, running statistics and all, in which dropout layers of any library pass everything."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if "Dropout" in type(module).__name__:
            module.eval()
    return network


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _targets(labels: Tensor, task: datasets.Task) -> Tensor:
    return functional.one_hot(labels, task.classes).float()


def _dense_bernoulli(x: Tensor, task: datasets.Task, generator: torch.Generator) -> Tensor:
    """What users of the other libraries write: a number drawn for every input and step, compared."""
    x = (x.float() * task.scale).reshape(len(x), *task.input_shape)
    draw = torch.rand((task.time_steps, *x.shape), generator=generator, device=x.device)
    return (draw < x).float()


def _dense(network: nn.Module) -> nn.Module:
    """A copy whose synapses are ``torch.nn.Linear`` with the same weights."""
    network = copy.deepcopy(network)
    for block in network:
        for i, part in enumerate(block if isinstance(block, TimeBatched) else ()):
            if isinstance(part, nn.Linear):
                plain = nn.Linear(part.in_features, part.out_features, device=part.weight.device)
                plain.load_state_dict(part.state_dict())
                block[i] = plain
    return network


def _spikingjelly_net(ours: nn.Module, channels: int) -> nn.Module:
    """SpikingJelly's FashionMNISTNet over whole sequences, with the companion's weights."""
    model = peers._import("spikingjelly.activation_based.model.parametric_lif_net")
    network = model.FashionMNISTNet(channels=channels, spiking_neuron=lambda: peers.spikingjelly_node("PLIF"))
    peers._import("spikingjelly.activation_based.functional").set_step_mode(network, "m")
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    theirs = [module for module in network.modules() if isinstance(module, kinds)]
    for source, target in zip([m for m in ours.modules() if isinstance(m, kinds)], theirs, strict=True):
        state = target.state_dict()
        target.load_state_dict(
            {name: torch.zeros_like(value) for name, value in state.items()} | source.state_dict()
        )
    return peers._Reset(network)


def ensemble(size: Size, members: int, effort: Effort, results: Results, device: str) -> None:
    """``members`` networks of MDN's shape, alternately of 2nd- and 1st-order neurons: one step of the batched
    network against one step of each, one after the other. On a GPU the batched step alone is a recorded
    graph, so that the ratio is that of batching and recording together; the others' label says so.
    """
    task = datasets.load("mnist", "mdn", train=size.mdn_batch, test=10)
    images, labels = task.train_x.to(device), task.train_y.to(device)
    target = _targets(labels, task)
    kinds = [("2nd order", "1st order")[i % 2] for i in range(members)]
    torch.manual_seed(0)
    alone = [
        networks.mlp(784, size.hidden, 10, lambda count, kind=kind: peers.KINDS[kind]()) for kind in kinds
    ]
    together = Ensemble(alone).to(device)
    alone = [network.to(device) for network in alone]

    def one_by_one() -> None:
        for network, optimiser, generator in zip(
            alone, optimisers, _generators(members, device), strict=True
        ):
            _update(network, optimiser, task.batch(images, generator, train=True, listed=True), target)

    def batched() -> None:
        encoded = [task.batch(images, g, train=True) for g in _generators(members, device)]
        update(torch.stack(encoded, 1), target.expand(members, *target.shape))

    def outputs(batched_too: bool) -> dict[str, Tensor]:
        encoded = [task.batch(images, g, train=False) for g in _generators(members, device)]
        with torch.no_grad():
            if batched_too:
                return {"output spikes": copy.deepcopy(together)(torch.stack(encoded, 1))}
            return {"output spikes": torch.stack([n(x) for n, x in zip(alone, encoded, strict=True)], 1)}

    optimisers = [torch.optim.Adam(network.parameters(), 1e-3, fused=True) for network in alone]
    recorded = device.startswith("cuda")
    own = torch.optim.Adam(together.parameters(), 1e-3, fused=True, capturable=recorded)
    update = graphs.captured(partial(update_members, together, own), (together, own))
    version = peers.version("ours")
    entries = [
        Contender(_one_by_one(device), version, {STEP: one_by_one}, lambda: outputs(False), ("loop",)),
        Contender("ours, batched", version, {STEP: batched}, lambda: outputs(True), ("ours",), recorded),
    ]
    work = f"ensemble of {members} of MDN's MNIST networks, batch {size.mdn_batch}"
    contest(work, entries, effort, results, device, 1e-2)


def _one_by_one(device: str) -> str:
    return "ours, one by one" + ", kernel by kernel" * device.startswith("cuda")


def _generators(members: int, device: str) -> list[torch.Generator]:
    return [torch.Generator(device).manual_seed(seed) for seed in range(members)]
