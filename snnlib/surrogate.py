"""Spikes with a usable derivative: a step function forward, a smooth or windowed derivative backward.

Both take the distance to the threshold, ``x = V - V_th``, of any shape, and return spikes (0 or 1) of the
same shape, dtype and device. They differ in what happens exactly at the threshold, as the two papers do.
"""

import torch
from torch import Tensor


class _Window(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, half_width: float) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.half_width = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() < ctx.half_width, grad, 0.0), None

    @staticmethod
    def jvp(ctx, tangent: Tensor, _):
        return _Window.backward(ctx, tangent)[0]


class _Arctan(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x >= 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        return grad / (1 + (torch.pi * x).square())

    @staticmethod
    def jvp(ctx, tangent: Tensor):
        return _Arctan.backward(ctx, tangent)


def window(x: Tensor, half_width: float = 0.5) -> Tensor:
    """Spike where x > 0 (strict); derivative 1 where |x| < half_width (strict), else 0 (MDN, Eq. 6)."""
    return _Window.apply(x, half_width)


def arctan(x: Tensor) -> Tensor:
    """Spike where x >= 0 (the threshold itself fires); derivative 1 / (1 + (pi x)^2) (PLIF, supplement 6)."""
    return _Arctan.apply(x)
