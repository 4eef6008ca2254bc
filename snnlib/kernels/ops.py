"""The neurons as PyTorch operators: ``snnlib::neuron`` and its backward, one kernel for each device.

The backward pass is given the input current and runs the neuron again: nothing else is kept. A device
without a kernel of its own runs the loop of ``reference.py``, and so does every device where PyTorch asks for
what a kernel cannot give: forward-mode derivatives and the transforms of ``torch.func``.
"""

import importlib.util
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snnlib.kernels import reference, threads


def has_kernel(x: Tensor) -> bool:
    """Whether a compiled kernel serves tensors of this device and precision, outside ``transforming``."""
    if x.device.type == "cpu":
        return x.dtype in (torch.float32, torch.float64) and not transforming()
    return x.device.type == "cuda" and importlib.util.find_spec("triton") is not None and not transforming()


def transforming() -> bool:
    """Whether forward-mode derivatives or a transform of ``torch.func`` are under way: a kernel takes no part
    in them, and its derivatives would be 0 without a word.
    """
    if torch.compiler.is_compiling():
        return False
    return forward_ad._current_level >= 0 or torch._C._functorch.peek_interpreter_stack() is not None


def first_derivative_only(backward: torch.library.CustomOpDef, instead: str) -> None:
    """Let the derivative of ``backward`` be one sentence that says what to use instead."""

    def refuse(ctx, *grads):
        raise NotImplementedError(f"The compiled kernels give first derivatives only; {instead} for others.")

    backward.register_autograd(refuse)


def run(
    kind: str,
    current_seq: Tensor,
    parameters: Sequence[Tensor | float],
    initial: Sequence[Tensor | float],
    constants: Sequence[float],
    trace: bool = False,
):
    """Spikes ``[T, *]`` of a layer of neurons for its input current ``[T, *]``, both of the same dtype; with
    ``trace`` what ``reference.run`` returns.

    ``parameters``: up to four, those of the step, as numbers or as tensors: ``()`` for one set in all,
    ``[N]`` for one per neuron of the last axis, ``[M, 1, 1]`` or ``[M, 1, N]`` for the members of an ensemble
    along the axis after time. ``initial``: V and U at the start, likewise; no gradient goes there.
    ``constants``: what ``reference.constants`` returned. A current that is expanded over time (stride 0) is
    read once. Raises ValueError for parameters that do not fit the current.
    """
    rows = six(parameters, initial, current_seq)
    if trace or transforming() or not current_seq.numel():
        return reference.run(kind, current_seq, rows[:4], rows[4:], constants, trace)
    if all(row.numel() == 1 for row in rows) and (axes := _in_memory(current_seq)):
        # No neuron has a place, so they may come as they lie there: no copy, and what leaves lies likewise.
        spikes = run(kind, current_seq.permute(axes), parameters, initial, constants)
        return spikes.permute([axes.index(i) for i in range(len(axes))])
    table = torch.stack(torch.broadcast_tensors(*rows))
    members = table.shape[1] if table.dim() > 2 else 1
    table = table.reshape(6, members, -1)
    current = current_seq.reshape(len(current_seq), members, -1)
    return torch.ops.snnlib.neuron(current, table, list(constants), kind).view(current_seq.shape)


def _in_memory(x: Tensor) -> tuple[int, ...]:
    """The axes of a sequence as its steps lie in memory, where that is another dense order: channels last."""
    if x.is_contiguous() or x[0].is_contiguous():
        return ()
    axes = sorted(range(1, x.dim()), key=x.stride, reverse=True)
    return (0, *axes) if x[0].permute([i - 1 for i in axes]).is_contiguous() else ()


def six(
    parameters: Sequence[Tensor | float], initial: Sequence[Tensor | float], current: Tensor
) -> list[Tensor]:
    """What a kernel's table holds: four parameters, then V and U at the start; what a neuron lacks is 0."""
    own = [fitted(value, current) for value in parameters]
    limits = -reference.SATURATION, reference.SATURATION
    start = [fitted(value, current) for value in initial]
    start = [
        row.detach().clamp(*limits) if isinstance(value, Tensor) else row
        for row, value in zip(start, initial, strict=True)
    ]
    zero = [fitted(0.0, current)]
    return [*own, *zero * (4 - len(own)), *start, *zero * (2 - len(start))]


def fitted(value: Tensor | float, current: Tensor) -> Tensor:
    """A parameter of ``run`` as a tensor that broadcasts against one step of the current; or ValueError."""
    precision = reference.precision(current)
    if not isinstance(value, Tensor):
        value = reference.number("A parameter of a neuron", value)
        return _number(value, precision, current.device)
    shape = current.shape[1:]
    usual = value.dim() == 0 or value.shape == shape[-1:]
    if usual and value.dtype == precision and value.device == current.device:
        return value  # as nearly always
    members, middle, width = (1, 1, 1, *value.shape)[-3:]
    if value.dim() > 3 or middle != 1 or value.is_complex() or value.device != current.device:
        raise ValueError(
            f"A parameter of a neuron is a real tensor [], [neurons] or [members, 1, neurons] on the device "
            f"of the current ({current.device}), got {value.dtype} {list(value.shape)} on {value.device}."
        )
    if width not in (1, shape[-1]):
        raise ValueError(
            f"The neurons hold parameters for {width} neurons, but the last axis of their input has "
            f"{shape[-1]}; make the layer and the neuron the same size."
        )
    if members != 1 and (len(shape) < 2 or members != shape[0]):
        raise ValueError(
            f"The neurons hold parameters of {members} members, but the axis after time has "
            f"{shape[0]}; stack the inputs of the members there."
        )
    shape = (members, *[1] * (len(shape) - 2), width) if members != 1 else (width,) if width != 1 else ()
    return value.to(precision).reshape(shape)


_numbers: dict[tuple, Tensor] = {}


def _number(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A number as a tensor, on a GPU made once: a kernel saved for every layer and step. It is filled there:
    nothing is copied, which the recording of a graph would forbid.
    """
    key = value, dtype, device
    if device.type != "cuda" or key not in _numbers:
        with torch.inference_mode(False):
            made = torch.full((), value, dtype=dtype, device=device)
        if device.type != "cuda" or type(made) is not Tensor or transforming() or len(_numbers) > 999:
            return made  # none of a trace's own tensors is kept
        _numbers[key] = made
    return _numbers[key]


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
first_derivative_only(neuron_backward, "call the neuron with trace=True, which runs in plain PyTorch,")


def once(current: Tensor) -> Tensor:
    """What a kernel reads: one step where all share its memory."""
    return (current[:1] if current.stride(0) == 0 else current).contiguous()


def _read(x: Tensor) -> Tensor:
    """Contiguous and in a precision that the kernels read, which float16 is not."""
    return x.contiguous().to(torch.float32 if x.dtype == torch.float16 else x.dtype)


@neuron.register_kernel("cpu")
def _on_cpu(current, parameters, constants, kind):
    from snnlib.kernels import cpu

    x, parameters = _read(once(current)), parameters.contiguous()
    spikes, count = x.new_empty(current.shape), cpu.blocks(*current.shape[1:], parameters.shape[2])
    typed = tuple(map(parameters.numpy().dtype.type, constants))  # no arithmetic in double
    threads.share(cpu.FORWARD[kind], (x, spikes, parameters, typed), count, spikes.numel())
    return spikes.to(current.dtype)


@neuron_backward.register_kernel("cpu")
def _backward_on_cpu(grad, current, parameters, constants, kind, learn):
    from snnlib.kernels import cpu

    x, parameters = _read(once(current)), parameters.contiguous()
    members, lanes = current.shape[1:]
    width, learned = parameters.shape[2], reference.LEARNED[kind]
    gx, count = x.new_empty(current.shape), cpu.blocks(members, lanes, width)
    sums = parameters.new_zeros((learned, count, 1 if width == 1 else cpu.LANES)) if learn else None
    typed = tuple(map(parameters.numpy().dtype.type, constants))
    arguments = (x, grad.to(x.dtype), gx, sums, parameters, typed)
    threads.share(cpu.BACKWARD[kind], arguments, count, grad.numel())
    gx = gx.to(current.dtype)
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

    return gpu.forward(once(current), parameters, constants, kind, len(current))


@neuron_backward.register_kernel("cuda")
def _backward_on_gpu(grad, current, parameters, constants, kind, learn):
    from snnlib.kernels import gpu

    return gpu.backward(grad, once(current), parameters, constants, kind, learn)
