"""Max-pooling of spikes as a PyTorch operator: ``snnlib::max_pool``, faster than PyTorch's on a CPU."""

import torch
from torch import Tensor
from torch.nn import functional

from snnlib.kernels import ops, threads


def max_pool(x: Tensor, size: int, stride: int) -> Tensor:
    """Largest value of each window of maps ``[N, C, H, W]``; the same numbers and gradients as
    ``torch.nn.functional.max_pool2d``. Raises ValueError for maps that hold no window.
    """
    fits = x.dim() in (3, 4) and min(x.shape[-2:]) >= size >= 1 <= min(stride, x.shape[-3])
    if not fits or not x.is_floating_point():
        raise ValueError(
            f"Max-pooling by {size}, {stride} apart, needs floating-point maps [N, C, H, W] with room for "
            f"one window, got {x.dtype} {list(x.shape)}."
        )
    if x.device.type == "cpu" and _served(x) and size == stride <= min(x.shape[-2:]):
        return torch.ops.snnlib.max_pool(x, size)
    return functional.max_pool2d(x, size, stride)


def _served(x: Tensor) -> bool:
    return x.dtype in (torch.float32, torch.float64, torch.bfloat16) and not ops.transforming()


@torch.library.custom_op("snnlib::max_pool", mutates_args=(), device_types="cpu")
def _max_pool(x: Tensor, size: int) -> Tensor:
    from snnlib.kernels import cpu_pooling

    x = x.contiguous()
    out = x.new_empty((*x.shape[:-2], x.shape[-2] // size, x.shape[-1] // size))
    maps, pooled = x.flatten(0, -3), out.flatten(0, -3)
    threads.share(cpu_pooling.max_pool, (maps, pooled, size), len(maps), x.numel())
    return out


@torch.library.custom_op("snnlib::max_pool_backward", mutates_args=(), device_types="cpu")
def _max_pool_backward(grad: Tensor, x: Tensor, size: int) -> Tensor:
    from snnlib.kernels import cpu_pooling

    gx = torch.empty_like(x, memory_format=torch.contiguous_format)
    maps = [t.contiguous().flatten(0, -3) for t in (x, grad, gx)]
    threads.share(cpu_pooling.max_pool_backward, (*maps, size), len(maps[0]), x.numel())
    return gx


@_max_pool.register_fake
def _shape(x, size):
    return x.new_empty((*x.shape[:-2], x.shape[-2] // size, x.shape[-1] // size))


@_max_pool_backward.register_fake
def _backward_shape(grad, x, size):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _setup(ctx, inputs, output):
    x, ctx.size = inputs
    ctx.save_for_backward(x)


def _backward(ctx, grad):
    return torch.ops.snnlib.max_pool_backward(grad, *ctx.saved_tensors, ctx.size), None


_max_pool.register_autograd(_backward, setup_context=_setup)
ops.first_derivative_only(_max_pool_backward, "use torch.nn.MaxPool2d")
