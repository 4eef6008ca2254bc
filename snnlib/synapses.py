"""A linear layer that, on a CPU, adds the weights of its active inputs instead of multiplying by zeros.

``Spikes`` is a sequence of spikes as lists of indices, as an encoder hands it over without a dense tensor.
``Linear`` takes it, or a dense tensor in which it finds the active inputs itself, and gives the numbers of
``torch.nn.Linear`` to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib.kernels import ops, threads

DENSE_ABOVE = 0.3
"""Share of active inputs above which the dense product is taken; see where it pays in 07_performance."""

LISTED_BELOW = 0.2
"""Entries per input and step below which an encoder hands over lists (with values, which cost a product)."""

WORTH_LISTING = 64
"""Outputs below which a dense product costs less than finding the active inputs."""


@dataclass(frozen=True)
class Spikes:
    """Spikes ``[T, B, N]`` as lists: row r = t B + b holds ``indices[first[r] : first[r] + count[r]]``
    (int32); ``values`` beside them, or None where all are 1.

    ``base``, if there is one, are spikes ``[1, B, N]`` that every step has in common; the lists then hold
    what is different at each step: 1 where a spike is added, -1 where one of the base is missing.
    """

    shape: tuple[int, int, int]
    indices: Tensor
    first: Tensor
    count: Tensor
    values: Tensor | None = None
    dtype: torch.dtype = torch.float32
    base: Spikes | None = None

    def dense(self) -> Tensor:
        """The same spikes as a tensor ``[T, B, N]``."""
        rows = torch.repeat_interleave(torch.arange(len(self.count)), self.count)
        within = torch.arange(len(rows)) - torch.repeat_interleave(
            self.count.cumsum(0) - self.count, self.count
        )
        at = self.first[rows] + within
        x = torch.zeros((self.shape[0] * self.shape[1], self.shape[2]), dtype=self.dtype)
        x[rows, self.indices[at].long()] = 1.0 if self.values is None else self.values[at].to(self.dtype)
        return x.view(self.shape) + (self.base.dense() if self.base else 0)


def listed(x: Tensor) -> Spikes | None:
    """The active inputs of dense rows ``[R, N]`` on a CPU, or None where the dense product is faster."""
    if x.device.type != "cpu" or not ops.has_kernel(x) or not x.numel():
        return None
    from snnlib.kernels import cpu_events

    x = x.detach().contiguous()
    count = torch.empty(len(x), dtype=torch.int64)
    total, ones = cpu_events.counts(x.numpy(force=True), count.numpy(), int(DENSE_ABOVE * x.numel()))
    if total < 0:
        return None
    first = count.cumsum(0) - count
    indices, values = torch.empty(total, dtype=torch.int32), torch.empty(total, dtype=x.dtype)
    threads.share(cpu_events.active, (x, first, count, indices, values), len(x), x.numel())
    return Spikes((1, *x.shape), indices, first, count, None if ones else values, x.dtype)


class Linear(nn.Linear):
    """``torch.nn.Linear`` for spikes: takes dense ``[*, inputs]`` or ``Spikes``, returns ``[*, outputs]`` (of
    ``Spikes``: ``[T B, outputs]``).

    The weight keeps its shape ``[outputs, inputs]`` but lies in memory by input, so that the weights of one
    active input are neighbours. Raises ValueError if the number of inputs does not fit.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__(in_features, out_features, bias)
        if out_features >= WORTH_LISTING:
            self.weight = nn.Parameter(self.weight.detach().t().contiguous().t())

    def forward(self, x: Tensor | Spikes) -> Tensor:
        given = x.shape[-1] if x.shape else "a single number"
        if given != self.in_features:
            raise ValueError(
                f"Linear takes {self.in_features} inputs, got {given}; make the layer before it, or "
                "the data, the same size."
            )
        if isinstance(x, Spikes):
            if self.weight.device.type == "cpu" and ops.has_kernel(self.weight):
                return _event_linear(x, None, self.weight, self.bias)
            x = x.dense().flatten(0, 1).to(self.weight)
        rows = x.reshape(-1, self.in_features)
        worth = self.out_features >= WORTH_LISTING and x.dtype == self.weight.dtype
        spikes = listed(rows) if worth and not torch.is_autocast_enabled("cpu") else None
        if spikes is None:
            return functional.linear(x, self.weight, self.bias)
        return _event_linear(spikes, rows, self.weight, self.bias).reshape(*x.shape[:-1], self.out_features)


def _event_linear(spikes: Spikes, dense: Tensor | None, weight: Tensor, bias: Tensor | None) -> Tensor:
    start = weight.new_zeros(len(weight)) if bias is None else bias
    start = _event_linear(spikes.base, None, weight, start) if spikes.base else start.unsqueeze(0)
    lists = (spikes.indices, spikes.first, spikes.count, spikes.values)
    return torch.ops.snnlib.event_linear(dense, *lists, weight, start)


@torch.library.custom_op("snnlib::event_linear", mutates_args=(), device_types="cpu")
def event_linear(
    dense: Tensor | None,
    indices: Tensor,
    first: Tensor,
    count: Tensor,
    values: Tensor | None,
    weight: Tensor,
    start: Tensor,
) -> Tensor:
    """Row r: ``start[r % S]`` + sum of the weights of its active inputs, ``[rows, outputs]``; start: ``[S,
    outputs]``, S a divisor of the rows. ``dense``: the same input as a tensor, which receives the gradient
    (None: nothing does).
    """
    return _gather(indices, first, count, values, weight.detach().t().contiguous(), start, len(first))


@torch.library.custom_op("snnlib::event_weight_grad", mutates_args=(), device_types="cpu")
def event_weight_grad(
    grad: Tensor, indices: Tensor, first: Tensor, count: Tensor, values: Tensor | None, inputs: int
) -> Tensor:
    """Gradient of the weight, ``[inputs, outputs]``, for the gradient ``[rows, outputs]`` of the currents."""
    from snnlib.kernels import cpu_events

    total = int(count.sum())
    rows, rows_values = (
        torch.empty(total, dtype=torch.int32),
        grad.new_empty(total if values is not None else 0),
    )
    by_first, by_count = torch.empty(inputs, dtype=torch.int64), torch.empty(inputs, dtype=torch.int64)
    given = (indices.numpy(), first.numpy(), count.numpy(), None if values is None else values.numpy())
    cpu_events.transpose(*given, rows.numpy(), by_first.numpy(), by_count.numpy(), rows_values.numpy())
    by_values = None if values is None else rows_values
    return _gather(rows, by_first, by_count, by_values, grad, grad.new_zeros((1, grad.shape[1])), inputs)


def _gather(indices, first, count, values, table, start, rows: int) -> Tensor:
    from snnlib.kernels import cpu_events

    out = table.new_empty((rows, table.shape[1]))
    arrays = (indices, first, count, values, table, start, out)
    threads.share(cpu_events.gather, arrays, rows, len(indices) * table.shape[1])
    return out


@event_linear.register_fake
def _shape(dense, indices, first, count, values, weight, start):
    return weight.new_empty((len(first), len(weight)))


@event_weight_grad.register_fake
def _weight_shape(grad, indices, first, count, values, inputs):
    return grad.new_empty((inputs, grad.shape[1]))


def _setup(ctx, inputs, output):
    dense, *lists, weight, start = inputs
    ctx.needs_dense = dense is not None and dense.requires_grad
    ctx.save_for_backward(*lists, weight if ctx.needs_dense else None)
    ctx.inputs, ctx.starts = weight.shape[1], len(start)


def _backward(ctx, grad):
    *lists, weight = ctx.saved_tensors
    grad = grad.contiguous()
    to_dense = grad @ weight if ctx.needs_dense else None
    needs_weight, needs_start = ctx.needs_input_grad[-2:]
    to_weight = torch.ops.snnlib.event_weight_grad(grad, *lists, ctx.inputs).t() if needs_weight else None
    rounds = len(grad) // max(ctx.starts, 1)  # an empty batch may have no start to be added up
    to_start = grad.view(rounds, ctx.starts, grad.shape[1]).sum(0) if needs_start else None
    return to_dense, None, None, None, None, to_weight, to_start


event_linear.register_autograd(_backward, setup_context=_setup)
ops.first_derivative_only(event_weight_grad, "use torch.nn.Linear")
