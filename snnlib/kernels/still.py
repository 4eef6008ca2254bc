"""Stills: sequences of which every step shares one memory (``encoding.direct``: time stride 0)."""

import torch
from torch import Tensor

from snnlib.kernels import ops


class _Repeat(torch.autograd.Function):
    """``[*] -> [T, *]`` without a copy. Unlike that of ``expand``, its gradient adds up the steps from the
    last to the first, as back-propagation through time does: the numbers of the recorded runs.
    """

    @staticmethod
    def forward(ctx, x: Tensor, steps: int) -> Tensor:
        return x.expand(steps, *x.shape)

    @staticmethod
    def backward(ctx, grad: Tensor):
        total = grad[-1].clone()
        for step in reversed(grad[:-1].unbind()):
            total += step
        return total, None


def repeated(x: Tensor, steps: int) -> Tensor:
    """x at each of so many steps."""
    return _Repeat.apply(x, steps)


def at_every_step(x_seq: Tensor) -> bool:
    """Whether one step stands for all: a still, of whose derivatives, one for each step, nobody asks."""
    one = len(x_seq) > 1 and x_seq.stride(0) == 0
    return one and not x_seq.requires_grad and not ops.transforming()
