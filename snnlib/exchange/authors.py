"""Checkpoints of the PLIF authors' implementation (its ``models.py`` on SpikingJelly's ``clock_driven``) as
networks of ours, so that whoever has the weights can test Table 2.

A checkpoint is ``{"net": the whole module, ...}`` as torch pickled it. It is read without their code and runs
none: their classes are empty modules here, and torch's reader refuses whatever is not on the list below.
"""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from snnlib import datasets, networks, saved


class Theirs(nn.Module):
    """Any module of theirs: what it holds counts, not what it did."""


_OURS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.Sequential, nn.Flatten)
_OURS += (nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool2d)
_NETS = ("MNIST", "FashionMNIST", "Cifar10", "NMNIST", "CIFAR10DVS", "DVS128Gesture")
_THEIRS = (
    *(f"models.{name}Net" for name in _NETS),
    "models.PLIFNode",
    *(f"spikingjelly.clock_driven.{name}" for name in ("neuron.LIFNode", "layer.Dropout", "surrogate.ATan")),
)


def read(path: Path) -> dict[str, Tensor]:
    """The state of the network in a checkpoint, whole or a ``state_dict`` alone, in the order of its layers.
    ValueError for a file that is no such checkpoint.
    """
    try:
        with torch.serialization.safe_globals([*_OURS, set, *((Theirs, name) for name in _THEIRS)]):
            found = torch.load(path, map_location="cpu", weights_only=True)
        found = found.get("net", found) if isinstance(found, dict) else found
        return dict(found.state_dict() if isinstance(found, nn.Module) else found)
    except OSError:
        raise
    except Exception as error:  # torch raises whatever bytes and strange classes lead to
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise ValueError(f"{path} is no checkpoint of the PLIF authors ({reason}).") from None


def convert(path: Path, task: str, to: Path) -> nn.Sequential:
    """Write the network of a checkpoint for a ``task`` of Table 1 as a folder ``to`` and return it.

    Max- or average-pooling cannot be told from weights: max, as in their tables, unless the name of the file
    or its folder says ``use_max_pool_False``. ValueError where its weights are not those of Table S1's net.
    """
    if task not in networks.TABLE_S1:
        raise ValueError(f"Table S1 has no net for {task!r}; it has {', '.join(networks.TABLE_S1)}.")
    theirs = {n: v for n, v in read(path).items() if not n.endswith((".alpha", "num_batches_tracked"))}
    view = datasets.view(task, "plif")
    learned = [value for name, value in theirs.items() if name.endswith(".w")]
    average = "use_max_pool_False" in str(path.absolute())
    config = {
        "network": networks.with_pooling(networks.TABLE_S1[task], "average" if average else "max"),
        "input_shape": view["input_shape"],
        "classes": view["classes"],
        "neuron": {"kind": "PLIF"} if learned else {"kind": "LIF", "tau": _told_tau(path)},
        "time_steps": view["time_steps"],
        "encoding": view["encoding"],
        "paper": "plif",
        "task": task,
    }
    network = networks.described(config)
    ours = {n: v for n, v in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    names = {a: b for a, b in zip(ours, theirs, strict=False) if _fits(a, ours[a], b, theirs[b])}
    if len(names) < max(len(ours), len(theirs)):
        unlike = (b for a, b in zip(ours, theirs, strict=False) if a not in names)
        wrong = next(unlike, "the number of layers")
        raise ValueError(f"{path} does not hold Table S1's net for {task} ({wrong} does not fit).")
    network.load_state_dict({a: theirs[b] for a, b in names.items()}, strict=False)
    saved.write(to, config, network.state_dict())
    return saved.load(to)


def _fits(ours: str, a: Tensor, theirs: str, b: Tensor) -> bool:
    """The same parameter by its last name and its shape; what PLIF calls w is a here."""
    last = theirs.rpartition(".")[2]
    return ours.rpartition(".")[2] == ("a" if last == "w" else last) and a.shape == b.shape


def _told_tau(path: Path) -> float:
    """The fixed tau of LIF neurons, which their weights do not hold but their files' names do."""
    told = re.search(r"init_tau_(\d+(?:\.\d+)?)", str(path.absolute()))
    if not told:
        words = "whose tau is not in its weights: name the file as they did (init_tau_2.0)."
        raise ValueError(f"{path} is of a LIF network, {words}")
    return float(told[1])
