"""The neurons as PyTorch operators: ``snnlib::neuron`` and its backward, one kernel for each device.

The backward pass is given the input current and runs the neuron again: nothing else is kept. A device or a
precision without a kernel of its own (half precision on a CPU, say) runs the loop of ``reference.py``.
"""

import importlib.util
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from snnlib.kernels import reference, threads


def has_kernel(current: Tensor) -> bool:
    """Whether a compiled kernel serves tensors of this device and precision."""
    if current.device.type == "cpu":
        return current.dtype in (torch.float32, torch.float64)
    return current.device.type == "cuda" and importlib.util.find_spec("triton") is not None


def run(
    kind: str,
    current_seq: Tensor,
    parameters: Sequence[Tensor | float],
    initial: Sequence[float],
    constants: Sequence[float],
) -> Tensor:
    """Spikes ``[T, *]`` of a layer of neurons for its input current ``[T, *]``, both of the same dtype.

    ``parameters``: up to four, those of the step, as numbers or as tensors of one shape: ``()`` for one set
    in all, ``[N]`` for one per neuron of the last axis, ``[M, 1, 1]`` or ``[M, 1, N]`` for the members of an
    ensemble along the axis after time. ``initial``: V and U at the start. ``constants``: what
    ``reference.constants`` returned. A current that is expanded over time (stride 0) is read once.
    """
    steps, *shape = current_seq.shape
    table = _table(parameters, initial, current_seq)
    members = table.shape[1]
    if members > 1 and (len(shape) < 2 or members != shape[0]):
        raise ValueError(
            f"The neurons hold parameters of {members} members, but the axis after time has "
            f"{shape[0] if shape else 0}; stack the inputs of the members there."
        )
    current = current_seq.reshape(steps, members, math.prod(shape) // members)
    return torch.ops.snnlib.neuron(current, table, list(map(float, constants)), kind).view(current_seq.shape)


def _table(parameters: Sequence[Tensor | float], initial: Sequence[float], current: Tensor) -> Tensor:
    """The rows that a kernel reads, ``[6, M, width]``: four parameters, V and U at the start."""
    precision = reference.precision(current)
    values = [*parameters, *[0.0] * (4 - len(parameters)), *initial, *[0.0] * (2 - len(initial))]
    shared = torch.empty((), dtype=precision, device=current.device)
    one = next((p for p in parameters if isinstance(p, Tensor)), shared)
    # Filled on the device: nothing is copied there, which the recording of a graph would forbid.
    rows = [value if isinstance(value, Tensor) else torch.full_like(one, value) for value in values]
    members = one.shape[0] if one.dim() > 1 else 1
    return torch.stack(rows).reshape(6, members, -1).to(precision)


def _by_reference(current: Tensor, parameters: Tensor, constants: Sequence[float], kind: str) -> Tensor:
    """Spikes ``[T, M, lanes]`` for current ``[T, M, lanes]`` and parameters ``[6, M, width]``."""
    members, width = parameters.shape[1:]
    seq = current.reshape(len(current), members, -1, width) if width > 1 else current[..., None]
    rows = [row.reshape(members, 1, width) for row in parameters]
    return reference.run(kind, seq, rows[:4], rows[4:], constants).reshape(current.shape)


def _backward_by_reference(
    grad: Tensor, current: Tensor, parameters: Tensor, constants: Sequence[float], kind: str, learn: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of current and, if ``learn``, of the parameters, for the gradient of the spikes."""
    with torch.enable_grad():
        inputs = [current.detach().requires_grad_(), parameters.detach().requires_grad_()]
        gx, gp = torch.autograd.grad(_by_reference(*inputs, constants, kind), inputs, grad)
    gp[reference.LEARNED[kind] :] = 0
    return gx.contiguous(), gp if learn else gp.new_empty(0)


neuron = torch.library.custom_op("snnlib::neuron", _by_reference, mutates_args=())
neuron_backward = torch.library.custom_op("snnlib::neuron_backward", _backward_by_reference, mutates_args=())


@neuron.register_fake
def _shape(current, parameters, constants, kind):
    return current.new_empty(current.shape)


@neuron_backward.register_fake
def _backward_shapes(grad, current, parameters, constants, kind, learn):
    return current.new_empty(current.shape), parameters.new_empty(parameters.shape if learn else 0)


def _keep(ctx, inputs, output):
    current, parameters, ctx.constants, ctx.kind = inputs
    ctx.save_for_backward(current, parameters)


def _differentiate(ctx, grad):
    current, parameters = ctx.saved_tensors
    learn = ctx.needs_input_grad[1]
    gx, gp = torch.ops.snnlib.neuron_backward(
        grad.contiguous(), current, parameters, ctx.constants, ctx.kind, learn
    )
    return gx, gp if learn else None, None, None


neuron.register_autograd(_differentiate, setup_context=_keep)


def _once(current: Tensor) -> Tensor:
    """What a kernel reads: one step where all share its memory."""
    return (current[:1] if current.stride(0) == 0 else current).contiguous()


@neuron.register_kernel("cpu")
def _on_cpu(current, parameters, constants, kind):
    if not has_kernel(current):
        return _by_reference(current, parameters, constants, kind).contiguous()
    from snnlib.kernels import cpu

    spikes, count = current.new_empty(current.shape), cpu.blocks(*current.shape[1:], parameters.shape[2])
    typed = tuple(map(spikes.numpy().dtype.type, constants))  # no arithmetic in double
    arguments = (_once(current), spikes, parameters.contiguous(), typed)
    threads.share(cpu.FORWARD[kind], arguments, count, spikes.numel())
    return spikes


@neuron_backward.register_kernel("cpu")
def _backward_on_cpu(grad, current, parameters, constants, kind, learn):
    if not has_kernel(current):
        return _backward_by_reference(grad, current, parameters, constants, kind, learn)
    from snnlib.kernels import cpu

    members, lanes = current.shape[1:]
    width, learned = parameters.shape[2], reference.LEARNED[kind]
    gx, count = current.new_empty(current.shape), cpu.blocks(members, lanes, width)
    sums = current.new_zeros((learned, count, 1 if width == 1 else cpu.LANES)) if learn else None
    typed = tuple(map(gx.numpy().dtype.type, constants))
    arguments = (_once(current), grad, gx, sums, parameters.contiguous(), typed)
    threads.share(cpu.BACKWARD[kind], arguments, count, grad.numel())
    if not learn:
        return gx, parameters.new_empty(0)
    total = torch.zeros_like(parameters)
    rows = lanes // width if width > 1 else 1
    if count:
        per_row = sums.reshape(learned, members, rows, -1)
        per_row = per_row.sum(-1, keepdim=True, dtype=torch.float64) if width == 1 else per_row[..., :width]
        total[:learned] = per_row.sum(2, dtype=torch.float64).to(total.dtype)
    return gx, total


@neuron.register_kernel("cuda")
def _on_gpu(current, parameters, constants, kind):
    from snnlib.kernels import gpu

    return gpu.forward(_once(current), parameters, constants, kind, len(current))


@neuron_backward.register_kernel("cuda")
def _backward_on_gpu(grad, current, parameters, constants, kind, learn):
    from snnlib.kernels import gpu

    return gpu.backward(grad, _once(current), parameters, constants, kind, learn)
