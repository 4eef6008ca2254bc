"""One step of each neuron, and one loop over time that serves them all: the definition that the compiled
kernels are tested against.

A step takes the input current of one time step, the state left by the step before and the parameters, and
returns ``(spike, seen, state)``: ``seen`` is what a trace shows (V before any reset, and U for 2nd-order
neurons), ``state`` is what the next step starts from. The equations in words, with their source, stand in
the classes of ``snnlib.neurons``. Everything broadcasts, so parameters may be scalars (one for the layer)
or vectors (one per neuron); float64 works.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from snnlib.kernels.steps import CONSTANT, DT, LINEAR, QUADRATIC, THRESHOLD, V_RESET, WIDTH
from snnlib.surrogate import arctan, window

SATURATION = 1e18
"""V and U stay within +- this: their squares are still finite in float32, so no finite input makes a NaN."""


def constants(
    threshold: float,
    width: float = math.pi,
    v_reset: float = 0.0,
    dt: float = 1.0,
    polynomial: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> tuple[float, ...]:
    """What a step takes besides the neuron's parameters, in the order of the names in ``steps``: ``width`` of
    the surrogate (half-width of the window; pi for arctan), and of Izhikevich's neuron the time step and the
    coefficients of V^2, V and 1. ValueError for what is not one number (``number``).
    """
    threshold, width = number("threshold", threshold), number("width of the surrogate", width)
    v_reset, dt = number("v_reset", v_reset), number("dt", dt)
    return (threshold, width, SATURATION, 0.0, 1.0, v_reset, dt, *polynomial)


def number(name: str, value, above: float = -math.inf, wanted: str = f"within +-{SATURATION:g}") -> float:
    """``value`` as a Python number; ValueError for several, for a learned one, for NaN, and for what is not
    ``above`` or lies beyond SATURATION.
    """
    try:
        unfit = isinstance(value, str) or getattr(value, "requires_grad", False)
        found = math.nan if unfit else float(value)
    except (TypeError, ValueError, RuntimeError):
        found = math.nan
    if not above < found or not abs(found) <= SATURATION:
        raise ValueError(f"{name} must be one fixed number {wanted}, got {value!r}.")
    return found


State = tuple[Tensor, ...]


def run(
    kind: str,
    current_seq: Tensor,
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor | float],
    constants: Sequence[float],
    trace: bool = False,
):
    """Spikes of neurons of one ``kind`` (see STEPS), with the arguments of ``kernels.ops.run``; with
    ``trace`` also the list of traced variables, each ``[T, B, *]``, in the ``precision`` of the arithmetic.
    """
    step, states = STEPS[kind]
    current_seq, dtype = current_seq.to(precision(current_seq)), current_seq.dtype
    state = tuple(value + torch.zeros_like(current_seq[0]) for value in initial[:states])
    spikes, traces = [], []
    for current in current_seq:
        spike, seen, state = step(current, state, parameters, constants)
        spikes.append(spike)
        if trace:
            traces.append(seen)
    spikes = torch.stack(spikes).to(dtype)
    return (spikes, [torch.stack(values) for values in zip(*traces, strict=True)]) if trace else spikes


def precision(current: Tensor) -> torch.dtype:
    """In which neurons compute: the current's own, at least float32."""
    return torch.float32 if current.dtype.itemsize < 4 else current.dtype


def saturate(x: Tensor) -> Tensor:
    """``clamp``, of which PyTorch's versions differ in the gradient on the bound itself: here it passes."""
    return torch.where(x.abs() <= SATURATION, x, x.detach().clamp(-SATURATION, SATURATION))


def first_order_step(current: Tensor, state: State, parameters, constants):
    (v,), (decay, *_) = state, parameters
    v = saturate(decay * v + current)
    s = window(v - constants[THRESHOLD], constants[WIDTH])
    return s, (v,), (v * (1 - s),)


def second_order_step(current: Tensor, state: State, parameters, constants):
    (v, u), (theta_a, theta_b, theta_c, theta_d) = state, parameters
    dv = v * v - v - u + current
    du = theta_a * (theta_b * v - u)
    v, u = saturate(v + dv), saturate(u + du)
    s = window(v - constants[THRESHOLD], constants[WIDTH])
    return s, (v, u), (v * (1 - s) + theta_c * s, u + theta_d * s)


def lif_step(current: Tensor, state: State, parameters, constants):
    (v,), (k, *_), v_reset = state, parameters, constants[V_RESET]
    h = saturate(v + k * (current - (v - v_reset)))
    s = arctan(h - constants[THRESHOLD])
    fired = s.detach()
    return s, (h,), (h * (1 - fired) + v_reset * fired,)


def izhikevich_step(current: Tensor, state: State, parameters, constants):
    (v, u), (a, b, c, d), dt = state, parameters, constants[DT]
    dv = dt * (constants[QUADRATIC] * v * v + constants[LINEAR] * v + constants[CONSTANT] - u + current)
    du = dt * (a * (b * v - u))
    v, u = saturate(v + dv), saturate(u + du)
    s = window(v - constants[THRESHOLD], constants[WIDTH])
    return s, (v, u), (v * (1 - s) + c * s, u + d * s)


STEPS = {
    "first_order": (first_order_step, 1),
    "second_order": (second_order_step, 2),
    "lif": (lif_step, 1),
    "izhikevich": (izhikevich_step, 2),
}
"""Kind of neuron -> (its step, its number of states)."""

LEARNED = {"first_order": 1, "second_order": 4, "lif": 1, "izhikevich": 4}
"""Neuron -> how many of its parameters receive gradients."""
