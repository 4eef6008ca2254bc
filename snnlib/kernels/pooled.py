"""A layer of neurons and the max-pooling by 2 behind it as one PyTorch operator, ``snnlib::neuron_pool``."""

from collections.abc import Sequence

import torch
from torch import Tensor

from snnlib.kernels import ops, threads


def run(
    kind: str,
    current_seq: Tensor,
    parameters: Sequence[Tensor | float],
    initial: Sequence[Tensor | float],
    constants: Sequence[float],
    steps: int = 0,
) -> Tensor:
    """Spikes of a layer of neurons for its maps ``[T, B, C, H, W]``, or ``[1, B, C, H, W]`` at each of so
    many ``steps``, max-pooled by 2: ``[T, B, C, H // 2, W // 2]``; see ``pools``.
    """
    steps = steps or len(current_seq)
    table = torch.stack(ops.six(parameters, initial, current_seq)).reshape(6, 1, 1)
    rows = current_seq.flatten(1, -2)
    pooled = torch.ops.snnlib.neuron_pool(rows, table, list(constants), steps)
    sides = [side // 2 for side in current_seq.shape[-2:]]
    return pooled.view(steps, *current_seq.shape[1:-2], *sides)


def pools(kind: str, current_seq: Tensor, parameters: Sequence[Tensor | float], size: int) -> bool:
    """Whether ``run`` serves: bfloat16 maps on a CPU, whole windows down a map, one set of parameters.

    In float32 neurons and pooling stay apart: together they add up the gradient of tau in another order, and
    the recorded runs have the numbers of this one.
    """
    shared = all(not isinstance(value, Tensor) or value.numel() == 1 for value in parameters)
    maps = current_seq.dim() == 5 and current_seq.shape[-2] % 2 == 0 and current_seq.shape[-1] > 1
    here = current_seq.device.type == "cpu" and current_seq.dtype == torch.bfloat16 and not ops.transforming()
    return kind == "lif" and size == 2 and shared and maps and here and current_seq.numel() > 0


@torch.library.custom_op("snnlib::neuron_pool", mutates_args=(), device_types="cpu")
def neuron_pool(current: Tensor, parameters: Tensor, constants: Sequence[float], steps: int) -> Tensor:
    """current [T or 1, rows, W], parameters [6, 1, 1] -> pooled spikes [T, rows // 2, W // 2]."""
    from snnlib.kernels import cpu_pooled

    x, parameters = ops.once(current), parameters.contiguous()
    pooled = x.new_empty((steps, current.shape[1] // 2, current.shape[2] // 2))
    per, typed = _pooled_arguments(current, parameters, constants)
    arguments = (x, pooled, parameters, typed, per)
    threads.share(cpu_pooled.FORWARD, arguments, -(-pooled.shape[1] // per), 4 * pooled.numel())
    return pooled


@torch.library.custom_op("snnlib::neuron_pool_backward", mutates_args=(), device_types="cpu")
def neuron_pool_backward(
    grad: Tensor, current: Tensor, parameters: Tensor, constants: Sequence[float], learn: bool
) -> tuple[Tensor, Tensor]:
    from snnlib.kernels import cpu_pooled

    x, parameters = ops.once(current), parameters.contiguous()
    gx = x.new_empty(current.shape)
    per, typed = _pooled_arguments(current, parameters, constants)
    count = -(-grad.shape[1] // per)
    sums = parameters.new_zeros((1, count, 1)) if learn else None
    arguments = (x, grad.contiguous(), gx, sums, parameters, typed, per)
    threads.share(cpu_pooled.BACKWARD, arguments, count, 4 * grad.numel())
    if not learn:
        return gx, parameters.new_empty(0)
    total = torch.zeros_like(parameters)
    total[0] = sums.sum(dtype=torch.float64).to(total.dtype)
    return gx, total


def _pooled_arguments(current, parameters, constants):
    from snnlib.kernels import cpu_pooled

    typed = tuple(map(parameters.numpy().dtype.type, constants))
    return cpu_pooled.block_rows(current.shape[2]), typed


@neuron_pool.register_fake
def _pooled_shape(current, parameters, constants, steps):
    return current.new_empty((steps, current.shape[1] // 2, current.shape[2] // 2))


@neuron_pool_backward.register_fake
def _pooled_backward_shapes(grad, current, parameters, constants, learn):
    return current.new_empty(current.shape), parameters.new_empty(parameters.shape if learn else 0)


def _keep_pooled(ctx, inputs, output):
    current, parameters, ctx.constants, _ = inputs
    ctx.save_for_backward(current, parameters)


def _differentiate_pooled(ctx, grad):
    current, parameters = ctx.saved_tensors
    learn = ctx.needs_input_grad[1]
    gx, gp = torch.ops.snnlib.neuron_pool_backward(grad, current, parameters, ctx.constants, learn)
    return gx, gp if learn else None, None, None


neuron_pool.register_autograd(_differentiate_pooled, setup_context=_keep_pooled)
ops.first_derivative_only(neuron_pool_backward, "train in float32")
