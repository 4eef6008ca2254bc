"""Adam as both papers use it, and its learning rates over the epochs."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib.kernels import threads
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


LARGE = 1 << 20
"""Entries from which a weight gets a copy in bfloat16."""


@contextmanager
def rounded(network: nn.Module, optimiser: torch.optim.Adam, precision: str) -> Iterator[None]:
    """Within the block the large FC layers of a network that trains in bfloat16 on a CPU multiply by copies
    of their weights, which ``optimiser.step()`` (of ``adam``) rounds while it has them at hand.

    The numbers are those of autocast, which rounds each weight anew in every step and makes its gradient
    float32: as much work as the layer's products. The gradient is the copy's, ``weight.grad`` stays None. A
    copy is used only if nothing but the step has changed its weight since, and is else made anew.
    """
    groups = {p: group for group in optimiser.param_groups for p in group["params"] if _large(p)}
    layers = [m for m in network.modules() if type(m) is nn.Linear and m.weight in groups]
    copies: dict[Tensor, tuple] = {}  # weight -> copy, and the state of the weight that it is a copy of

    def copy_of(weight: Tensor) -> Tensor:
        copy, known = copies.get(weight, (weight, None))
        if known != _state(weight) and weight in groups:
            copy = weight.detach().bfloat16().requires_grad_()
            copies[weight] = copy, _state(weight)
        return copy

    def forward(layer: nn.Linear, x: Tensor) -> Tensor:
        mixed = torch.is_autocast_enabled("cpu")
        return functional.linear(x, copy_of(layer.weight) if mixed else layer.weight, layer.bias)

    def step(*_) -> None:
        for weight, (copy, _) in copies.items():
            if copy.grad is not None:
                _step(optimiser.state[weight], groups[weight], weight, copy)
                copy.grad, copies[weight] = None, (copy, _state(weight))

    hook = optimiser.register_step_post_hook(step)
    rounding = layers if precision == "bfloat16" else []
    for layer in rounding:
        layer.forward = partial(forward, layer)
    try:
        yield
    finally:
        hook.remove()
        for layer in rounding:
            del layer.forward


def _large(weight: Tensor) -> bool:
    here = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()
    return here and weight.numel() >= LARGE


def _state(weight: Tensor) -> tuple[int, int]:
    """What is another one once a weight is changed in place or put elsewhere (not: changed through .data)."""
    return weight.data_ptr(), weight._version


def _step(state: dict, group: dict, weight: Tensor, copy: Tensor) -> None:
    """Adam's step of one weight by the gradient of its copy, which is written anew."""
    from snnlib.kernels import cpu_adam

    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
    state["step"] += 1
    (beta1, beta2), steps = group["betas"], state["step"].item()
    size, root = group["lr"] / (1 - beta1**steps), math.sqrt(1 - beta2**steps)
    numbers = tuple(map(np.float32, (1 - beta1, beta2, 1 - beta2, size, root, group["eps"])))
    flat = [one.detach().view(-1) for one in (weight, copy.grad, state["exp_avg"], state["exp_avg_sq"], copy)]
    threads.share(cpu_adam.step, (*flat, numbers), weight.numel(), weight.numel())
    torch.autograd.graph.increment_version([weight, copy])


def parameter_groups(network: nn.Module, learning_rate: float, theta_learning_rate: float) -> list[dict]:
    """Adam's groups: weights, and theta with its own learning rate eta_D."""
    thetas = {id(p) for n in neuron_layers(network) if isinstance(n, SecondOrder) for p in n.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in thetas], "lr": learning_rate},
        {"params": [p for p in trained if id(p) in thetas], "lr": theta_learning_rate},
    ]
    return [group for group in groups if group["params"]]


def read_schedule(schedule: str) -> tuple[str, int]:
    """Kind and epochs of "step50", a tenth every 50 epochs (MDN, whose runs of 20 or 30 never get there), or
    "cosine64", cosine annealing over 64 epochs, never restarted (PLIF); or any other number in their place.
    Raises ValueError for other names.
    """
    known = re.fullmatch("(step|cosine)([1-9][0-9]*)", schedule)
    if not known:
        raise ValueError(
            f"Unknown schedule {schedule!r}; use 'step50', 'cosine64' or another number of epochs."
        )
    return known[1], int(known[2])


def scheduler_of(schedule: str, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rates over the epochs, as ``read_schedule`` reads them."""
    kind, epochs = read_schedule(schedule)
    if kind == "step":
        return torch.optim.lr_scheduler.StepLR(optimiser, epochs, 0.1)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
