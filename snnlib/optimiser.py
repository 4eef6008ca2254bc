"""Adam as both papers use it, and its learning rates over the epochs."""

import re

import torch
from torch import nn

from snnlib.networks import neuron_layers
from snnlib.neurons import SecondOrder


def adam(network: nn.Module, learning_rate: float, theta_learning_rate: float = 0.0) -> torch.optim.Adam:
    """Fused Adam for the weights of a network and, with a learning rate of their own (eta_D), its theta.

    On a GPU the learning rates lie there: a recorded step (``graphs.captured``) reads them at each replay.
    """
    on_gpu = next(network.parameters()).is_cuda
    groups = parameter_groups(network, learning_rate, theta_learning_rate)
    if on_gpu:
        for group in groups:
            group["lr"] = torch.tensor(group["lr"], device=group["params"][0].device)
    return torch.optim.Adam(groups, fused=True, capturable=on_gpu)


def parameter_groups(network: nn.Module, learning_rate: float, theta_learning_rate: float) -> list[dict]:
    """Adam's groups: weights, and theta with its own learning rate eta_D."""
    thetas = {id(p) for n in neuron_layers(network) if isinstance(n, SecondOrder) for p in n.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in thetas], "lr": learning_rate},
        {"params": [p for p in trained if id(p) in thetas], "lr": theta_learning_rate},
    ]
    return [group for group in groups if group["params"]]


def scheduler_of(schedule: str, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rates of "step50", a tenth every 50 epochs (MDN, whose runs of 20 or 30 never get there), or
    "cosine64", cosine annealing over 64 epochs, never restarted (PLIF); or any other number in their place.
    Raises ValueError for other names.
    """
    known = re.fullmatch("(step|cosine)([1-9][0-9]*)", schedule)
    if not known:
        raise ValueError(
            f"Unknown schedule {schedule!r}; use 'step50', 'cosine64' or another number of epochs."
        )
    kind, epochs = known.groups()
    if kind == "step":
        return torch.optim.lr_scheduler.StepLR(optimiser, int(epochs), 0.1)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, int(epochs))
