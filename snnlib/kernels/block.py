"""Normalisation, a layer of neurons and the max-pooling behind it as one PyTorch operator on a GPU,
``snnlib::block``: of a convolution's output nothing but the pooled spikes is written.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from snnlib.kernels import ops, reference


def serves(kind: str, maps: Tensor, parameters: Sequence, pool: int, norm: nn.Module | None) -> bool:
    """Whether ``run`` computes this: LIF neurons of one set of parameters, maps ``[T, B, C, H, W]`` on a GPU,
    pooling by 2 or none, normalisation by the batch's own statistics or none.
    """
    plain = norm is None or (
        type(norm) is nn.BatchNorm2d and norm.training and norm.affine and norm.momentum is not None
    )
    shared = all(not isinstance(value, Tensor) or value.numel() == 1 for value in parameters)
    room = maps.dim() == 5 and maps.numel() > 0 and min(maps.shape[-2:]) >= max(pool, 1)
    return kind == "lif" and pool in (0, 1, 2) and shared and room and plain and _on_gpu(maps)


def _on_gpu(maps: Tensor) -> bool:
    return maps.device.type == "cuda" and ops.has_kernel(maps)


def run(
    kind: str,
    maps: Tensor,
    parameters: Sequence[Tensor | float],
    initial: Sequence[Tensor | float],
    constants: Sequence[float],
    steps: int,
    pool: int,
    norm: nn.BatchNorm2d | None,
) -> Tensor:
    """Spikes ``[steps, B, C, H // pool, W // pool]`` for maps ``[steps or 1, B, C, H, W]``, normalised before
    and pooled after; the running statistics of ``norm`` are updated as its own call would.
    """
    table = torch.stack(ops.six(parameters, initial, maps)).flatten()
    maps = maps[:1] if maps.stride(0) == 0 else maps
    flat = maps.flatten(0, 1)
    if not flat.is_contiguous() and not flat.is_contiguous(memory_format=torch.channels_last):
        flat = flat.contiguous()
    weight, bias, eps = (norm.weight, norm.bias, norm.eps) if norm else (None, None, 0.0)
    shape = [steps, len(maps), max(pool, 1)]
    spikes, mean, inverse = torch.ops.snnlib.block(flat, weight, bias, table, list(constants), shape, eps)
    if norm and norm.track_running_stats:
        count = flat.numel() // flat.shape[1]
        with torch.no_grad():
            variance = (inverse**-2 - eps) * (count / max(count - 1, 1))
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
            norm.running_var.lerp_(variance.to(norm.running_var.dtype), norm.momentum)
            norm.num_batches_tracked.add_(1)
    return spikes


def _statistics(flat: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation of each channel of ``[N, C, H, W]``."""
    if flat.is_cuda:
        return torch.batch_norm_stats(flat, eps)
    variance, mean = torch.var_mean(flat.to(reference.precision(flat)), (0, 2, 3), correction=0)
    return mean, (variance + eps).rsqrt()


def _forward(
    flat: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    parameters: Tensor,
    constants: Sequence[float],
    shape: Sequence[int],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """flat [held steps * B, C, H, W], weight and bias [C] of the normalisation or None, parameters [6],
    shape: (steps, held steps, pool) -> pooled spikes [steps, B, C, H // pool, W // pool], mean and 1 /
    standard deviation [C], which stand for functions of flat: their gradients are part of its.
    """
    from snnlib.kernels import gpu_block

    steps, held, pool = shape
    if weight is None:
        mean = parameters.new_zeros(flat.shape[1])
        inverse = mean + 1
    else:
        mean, inverse = _statistics(flat, eps)
    y = flat.unflatten(0, (held, -1))
    norm = _affine(mean, inverse, weight, bias)[:3]
    return gpu_block.forward(y, norm, parameters, constants, steps, pool), mean, inverse


def _affine(mean: Tensor, inverse: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, ...]:
    if weight is None:
        return mean, inverse, mean
    return mean, weight * inverse, bias


def _backward(
    grad: Tensor,
    flat: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    parameters: Tensor,
    constants: Sequence[float],
    shape: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of flat, weight, bias and parameters."""
    from snnlib.kernels import gpu_block

    steps, held, pool = shape
    y = flat.unflatten(0, (held, -1))
    order = torch.channels_last if gpu_block.last(y) else torch.contiguous_format
    grad = grad.flatten(0, 1).contiguous(memory_format=order).unflatten(0, (steps, -1))
    norm = _affine(mean, inverse, weight, bias)
    gx, gk, sums = gpu_block.backward(grad, y, norm, parameters, constants, pool)
    of_parameters = torch.zeros_like(parameters)
    of_parameters[0] = gk
    if weight is None:
        return gx.flatten(0, 1), mean.new_empty(0), mean.new_empty(0), of_parameters
    total, shifted = sums.to(mean.dtype)
    share = norm[1] * (flat.shape[1] / flat.numel())
    gpu_block.through_statistics(gx, y, mean, norm[1], -share * inverse.square() * shifted, -share * total)
    return gx.flatten(0, 1), (shifted * inverse).to(weight.dtype), total.to(weight.dtype), of_parameters


block = torch.library.custom_op("snnlib::block", _forward, mutates_args=())
block_backward = torch.library.custom_op("snnlib::block_backward", _backward, mutates_args=())


@block.register_fake
def _shapes(flat, weight, bias, parameters, constants, shape, eps):
    steps, held, pool = shape
    batch, (channels, height, width) = flat.shape[0] // held, flat.shape[1:]
    order = torch.contiguous_format if flat.is_contiguous() else torch.channels_last
    size = (steps * batch, channels, height // pool, width // pool)
    out = torch.empty(size, dtype=flat.dtype, device=flat.device, memory_format=order)
    mean = parameters.new_empty(channels)
    return out.unflatten(0, (steps, batch)), mean, torch.empty_like(mean)


@block_backward.register_fake
def _backward_shapes(grad, flat, weight, bias, mean, inverse, parameters, constants, shape):
    of_channels = [
        torch.empty_like(mean if v is None else v) if v is not None else mean.new_empty(0)
        for v in (weight, bias)
    ]
    return torch.empty_like(flat), *of_channels, torch.empty_like(parameters)


def _keep(ctx, inputs, output):
    flat, weight, bias, parameters, ctx.constants, ctx.shape, _ = inputs
    ctx.save_for_backward(flat, weight, bias, *output[1:], parameters)


def _differentiate(ctx, grad, _mean, _inverse):
    flat, weight, bias, mean, inverse, parameters = ctx.saved_tensors
    arguments = (flat, weight, bias, mean, inverse, parameters, ctx.constants, ctx.shape)
    g_flat, g_weight, g_bias, g_parameters = torch.ops.snnlib.block_backward(grad, *arguments)
    if weight is None:
        g_weight = g_bias = None
    return g_flat, g_weight, g_bias, g_parameters, None, None, None


block.register_autograd(_differentiate, setup_context=_keep)
ops.first_derivative_only(block_backward, "leave training mode or call the layers one by one")
