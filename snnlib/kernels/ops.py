"""The neurons as PyTorch operators: ``snnlib::neuron`` and its backward, one kernel for each device.

The backward pass is given the input current and runs the neuron again: nothing else is kept. A device or a
precision without a kernel of its own (half precision on a CPU, say) runs the loop of ``reference.py``.
"""

import functools
import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from snnlib.kernels import reference

WORTH_A_THREAD = 50_000
"""Neuron-steps below which a second thread costs more than it saves."""

PARTS_PER_THREAD = 4


def has_kernel(current: Tensor) -> bool:
    """Whether a compiled kernel serves tensors of this device and precision."""
    if current.device.type == "cpu":
        return current.dtype in (torch.float32, torch.float64)
    return current.device.type == "cuda" and importlib.util.find_spec("triton") is not None


def precision(current: Tensor) -> torch.dtype:
    """In which a kernel computes: the current's own, at least float32."""
    return torch.float32 if current.dtype.itemsize < 4 else current.dtype


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
    ensemble along the axis after time. ``initial``: V and U at the start. A current that is expanded over
    time (stride 0) is read, and its gradient written, once. ``constants``: see ``kernels/steps.py``.
    """
    steps, *shape = current_seq.shape
    still = steps > 1 and current_seq.stride(0) == 0
    seq = _once(current_seq) if still else current_seq
    table = _table(parameters, initial, current_seq)
    members = table.shape[1]
    if members > 1 and (len(shape) < 2 or members != shape[0]):
        raise ValueError(
            f"The neurons hold parameters of {members} members, but the axis after time has "
            f"{shape[0] if shape else 0}; stack the inputs of the members there."
        )
    x = seq.contiguous().reshape(seq.shape[0], members, -1) if seq.numel() else seq.reshape(1, members, 0)
    spikes = torch.ops.snnlib.neuron(x, table, list(map(float, constants)), kind, steps)
    return spikes.reshape(steps, *shape)


def _table(parameters: Sequence[Tensor | float], initial: Sequence[float], current: Tensor) -> Tensor:
    """The rows that a kernel reads, ``[6, M, width]``: four parameters, V and U at the start."""
    numbers = [*initial, *[0.0] * (2 - len(initial))]
    if not any(isinstance(p, Tensor) for p in parameters):
        rows = [*parameters, *[0.0] * (4 - len(parameters)), *numbers]
        if current.device.type == "cpu":
            return torch.tensor(rows, dtype=precision(current)).view(6, 1, 1)
        # Filled on the device: nothing is copied there, which the recording of a graph would forbid.
        like = {"dtype": precision(current), "device": current.device}
        return torch.stack([torch.full((1, 1), value, **like) for value in rows])
    one = next(p for p in parameters if isinstance(p, Tensor))
    rows = [p if isinstance(p, Tensor) else torch.full_like(one, p) for p in parameters]
    rows += [torch.zeros_like(one)] * (4 - len(rows))
    rows += [torch.full_like(one, value) for value in numbers]
    members = one.shape[0] if one.dim() > 1 else 1
    return torch.stack(rows).reshape(6, members, -1).to(precision(current))


def _once(expanded: Tensor) -> Tensor:
    """One time step ``[1, *]`` of a tensor that is expanded over time; where nobody asks for the gradient of
    the copies, the tensor that was expanded: its gradient then needs no sum over them.
    """
    base = None if torch.compiler.is_compiling() else expanded._base
    same = base is not None and (base.shape, base.stride()) == (expanded.shape[1:], expanded.stride()[1:])
    if same and expanded.requires_grad:
        same = type(expanded.grad_fn).__name__ == "ExpandBackward0" and base.requires_grad
        same = same and not expanded.retains_grad and not expanded._backward_hooks
    return base.unsqueeze(0) if same else expanded[:1]


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
    gp[reference.LEARNED[kind] :] = 0
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
    lanes_kept = 1 if width == 1 else cpu.LANES
    sums = current.new_zeros((reference.LEARNED[kind], count, lanes_kept)) if learn else None
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
        per_row = sums.reshape(reference.LEARNED[kind], members, rows, -1)
        per_row = per_row.sum(-1, keepdim=True, dtype=torch.float64) if width == 1 else per_row[..., :width]
        total[: reference.LEARNED[kind]] = per_row.sum(2, dtype=torch.float64).to(total.dtype)
    return gx, total


@neuron.register_kernel("cuda")
def _(current, parameters, constants, kind, steps):
    from snnlib.kernels import gpu

    return gpu.forward(current, parameters, constants, kind, steps)


@neuron_backward.register_kernel("cuda")
def _(grad, current, parameters, constants, kind, learn):
    from snnlib.kernels import gpu

    return gpu.backward(grad, current, parameters, constants, kind, learn)


def _typed(constants: Sequence[float], dtype) -> tuple:
    """Nine numbers of the array's own precision: one signature, and no arithmetic in double."""
    return tuple(dtype.type(c) for c in (*constants, *[0.0] * (9 - len(constants))))


def share(work: Callable[[int, int], None], count: int, size: int) -> None:
    """Call ``work(first, last)`` for parts of 0 .. count that together are all of it, on as many threads as
    PyTorch uses; ``size``: neuron-steps, or what costs as much.

    Threads take the next part when they are done with one: a thread that wakes up late finds less to do.
    """
    threads = min(torch.get_num_threads(), count) if size >= WORTH_A_THREAD else 1
    if threads <= 1:
        work(0, count)
        return
    parts = min(count, PARTS_PER_THREAD * threads)
    edges = [count * i // parts for i in range(parts + 1)]
    waiting = iter(zip(edges[:-1], edges[1:], strict=True))
    lock = threading.Lock()

    def take() -> None:
        while True:
            with lock:
                part = next(waiting, None)
            if part is None:
                return
            work(*part)

    jobs = [_pool(os.getpid(), threads).submit(take) for _ in range(threads - 1)]
    take()
    for job in jobs:
        if not job.cancel():  # one that never began has nothing left to do
            job.result()


@functools.lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked one starts its own."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="snnlib")
