"""The neurons as PyTorch operators: ``snnlib::neuron`` and its backward, one kernel for each device.

The backward pass is given the input current and runs the neuron again: nothing else is kept. A device or a
precision without a kernel of its own (half precision on a CPU, say) runs the loop of ``reference.py``.
"""

import functools
import importlib.util
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from snnlib.kernels import reference

LEARNED = {"first_order": 1, "second_order": 4, "lif": 1, "izhikevich": 4}
"""Neuron -> how many of its parameters receive gradients."""

WORTH_A_THREAD = 50_000
"""Neuron-steps below which a second thread costs more than it saves."""


def has_kernel(current: Tensor) -> bool:
    """Whether a compiled kernel serves tensors of this device and precision."""
    if current.device.type == "cpu":
        return current.dtype in (torch.float32, torch.float64)
    return current.device.type == "cuda" and importlib.util.find_spec("triton") is not None


def run(
    kind: str,
    current_seq: Tensor,
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    constants: Sequence[float],
) -> Tensor:
    """Spikes ``[T, *]`` of a layer of neurons for its input current ``[T, *]``, both of the same dtype.

    ``parameters`` (up to four, those of the step) and ``initial`` (V and U at the start) are tensors of one
    shape: ``()`` for one set in all, ``[N]`` for one per neuron of the last axis, ``[M, 1, 1]`` or
    ``[M, 1, N]`` for the members of an ensemble along the axis after time. A current that is expanded over
    time (stride 0) is read, and its gradient written, once. ``constants``: see ``kernels/steps.py``.
    """
    steps, *shape = current_seq.shape
    still = steps > 1 and current_seq.stride(0) == 0
    seq = current_seq[:1] if still else current_seq
    one = parameters[0]
    members = one.shape[0] if one.dim() > 1 else 1
    zero = torch.zeros_like(one)
    rows = [*parameters, *[zero] * (4 - len(parameters)), *initial, *[zero] * (2 - len(initial))]
    table = torch.stack(rows).reshape(6, members, -1).to(current_seq.dtype)
    x = seq.contiguous().reshape(seq.shape[0], members, -1) if seq.numel() else seq.reshape(1, members, 0)
    spikes = torch.ops.snnlib.neuron(x, table, list(map(float, constants)), kind, steps)
    return spikes.reshape(steps, *shape)


@torch.library.custom_op("snnlib::neuron", mutates_args=())
def neuron(current: Tensor, parameters: Tensor, constants: Sequence[float], kind: str, steps: int) -> Tensor:
    """Spikes ``[steps, M, lanes]`` for current ``[steps or 1, M, lanes]``, parameters ``[6, M, width]``."""
    return _by_reference(current, parameters, constants, kind, steps)


@torch.library.custom_op("snnlib::neuron_backward", mutates_args=())
def neuron_backward(
    grad: Tensor, current: Tensor, parameters: Tensor, constants: Sequence[float], kind: str, learn: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of current and, if ``learn``, of the parameters, for the gradient of the spikes."""
    with torch.enable_grad():
        inputs = [current.detach().requires_grad_(), parameters.detach().requires_grad_()]
        spikes = _by_reference(*inputs, constants, kind, grad.shape[0])
        gx, gp = torch.autograd.grad(spikes, inputs, grad)
    gp[LEARNED[kind] :] = 0
    return gx, gp if learn else gp.new_empty(0)


@neuron.register_fake
def _(current, parameters, constants, kind, steps):
    return current.new_empty((steps, *current.shape[1:]))


@neuron_backward.register_fake
def _(grad, current, parameters, constants, kind, learn):
    return torch.empty_like(current), torch.empty_like(parameters) if learn else parameters.new_empty(0)


def _setup(ctx, inputs, output):
    current, parameters, ctx.constants, ctx.kind, _ = inputs
    ctx.save_for_backward(current, parameters)


def _backward(ctx, grad):
    current, parameters = ctx.saved_tensors
    learn = ctx.needs_input_grad[1]
    gx, gp = torch.ops.snnlib.neuron_backward(
        grad.contiguous(), current, parameters, ctx.constants, ctx.kind, learn
    )
    return gx, gp if learn else None, None, None, None


neuron.register_autograd(_backward, setup_context=_setup)


def _by_reference(current, parameters, constants, kind, steps):
    current = current.expand(steps, *current.shape[1:])
    members, width = parameters.shape[1:]
    seq = current.reshape(steps, members, -1, width) if width > 1 else current[..., None]
    rows = [row.reshape(members, 1, width) for row in parameters]
    return reference.run(kind, seq, rows[:4], rows[4:], constants).reshape(current.shape)


@neuron.register_kernel("cpu")
def _(current, parameters, constants, kind, steps):
    if not has_kernel(current):
        return _by_reference(current, parameters, constants, kind, steps).contiguous()
    from snnlib.kernels import cpu

    spikes = current.new_empty((steps, *current.shape[1:]))
    x, table = current.detach().numpy(), parameters.detach().contiguous().numpy()
    count = cpu.blocks(*current.shape[1:], table.shape[2])
    share(
        lambda first, last: getattr(cpu, kind)(
            x, spikes.numpy(), table, _typed(constants, x.dtype), first, last
        ),
        count,
        spikes.numel(),
    )
    return spikes


@neuron_backward.register_kernel("cpu")
def _(grad, current, parameters, constants, kind, learn):
    if not has_kernel(current):
        return neuron_backward._init_fn(grad, current, parameters, constants, kind, learn)
    from snnlib.kernels import cpu

    members, lanes = current.shape[1:]
    width = parameters.shape[2]
    x, gs, gx = current.detach().numpy(), grad.detach().numpy(), torch.empty_like(current)
    table = parameters.detach().contiguous().numpy()
    count = cpu.blocks(members, lanes, width)
    sums = current.new_zeros((LEARNED[kind], count, 1 if width == 1 else cpu.LANES)) if learn else None
    gp = None if sums is None else sums.numpy()
    share(
        lambda first, last: getattr(cpu, f"{kind}_backward")(
            x, gs, gx.numpy(), gp, table, _typed(constants, x.dtype), first, last
        ),
        count,
        grad.numel(),
    )
    if not learn:
        return gx, parameters.new_empty(0)
    total = torch.zeros_like(parameters)
    rows = lanes // width if width > 1 else 1
    if count:
        per_row = sums.reshape(LEARNED[kind], members, rows, -1)
        per_row = per_row.sum(-1, keepdim=True, dtype=torch.float64) if width == 1 else per_row[..., :width]
        total[: LEARNED[kind]] = per_row.sum(2, dtype=torch.float64).to(total.dtype)
    return gx, total


def _typed(constants: Sequence[float], dtype) -> tuple:
    """Nine numbers of the array's own precision: one signature, and no arithmetic in double."""
    return tuple(dtype.type(c) for c in (*constants, *[0.0] * (9 - len(constants))))


def share(work: Callable[[int, int], None], count: int, size: int) -> None:
    """Call ``work(first, last)`` for blocks 0 .. count, split among PyTorch's number of threads."""
    threads = min(torch.get_num_threads(), count) if size >= WORTH_A_THREAD else 1
    if threads <= 1:
        work(0, count)
        return
    edges = [count * i // threads for i in range(threads + 1)]
    waiting = [_pool(os.getpid(), threads).submit(work, *pair) for pair in zip(edges[1:-1], edges[2:], strict=True)]
    work(edges[0], edges[1])
    for job in waiting:
        job.result()


@functools.lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked one starts its own."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="snnlib")
