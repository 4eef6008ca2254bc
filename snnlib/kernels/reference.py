"""One step of each neuron, and one loop over time that serves them all: the definition that others are
tested against.

A step takes the input current of one time step, the state left by the step before and the parameters, and
returns ``(spike, seen, state)``: ``seen`` is what a trace shows (V before any reset, and U for 2nd-order
neurons), ``state`` is what the next step starts from. The equations in words, with their source, stand in
the classes of ``snnlib.neurons``. Everything broadcasts, so parameters may be scalars (one for the layer)
or vectors (one per neuron); float64 works.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from snnlib.surrogate import arctan, window

State = tuple[Tensor, ...]


def unroll(step: Callable, current_seq: Tensor, state: State, parameters: tuple, trace: bool):
    """Run ``step`` over time: spikes ``[T, B, *]`` and, if ``trace``, the list of traced variables, each
    ``[T, B, *]``.
    """
    spikes, traces = [], []
    for current in current_seq:
        spike, seen, state = step(current, state, *parameters)
        spikes.append(spike)
        if trace:
            traces.append(seen)
    return torch.stack(spikes), [torch.stack(values) for values in zip(*traces, strict=True)]


def first_order_step(current: Tensor, state: State, decay, threshold: float, half_width: float):
    v, s = state
    v = decay * v * (1 - s) + current
    s = window(v - threshold, half_width)
    return s, (v,), (v, s)


def second_order_step(
    current: Tensor, state: State, theta_a, theta_b, theta_c, theta_d, threshold, half_width
):
    v, u, s = state
    v, u = v * (1 - s) + theta_c * s, u + theta_d * s
    dv = v * v - v - u + current
    du = theta_a * (theta_b * v - u)
    v, u = v + dv, u + du
    s = window(v - threshold, half_width)
    return s, (v, u), (v, u, s)


def lif_step(current: Tensor, state: State, k, threshold: float, v_reset: float):
    (v,) = state
    h = v + k * (current - (v - v_reset))
    s = arctan(h - threshold)
    fired = s.detach()
    return s, (h,), (h * (1 - fired) + v_reset * fired,)


def izhikevich_step(
    current: Tensor, state: State, a, b, c, d, dt: float, threshold: float, half_width: float
):
    v, u = state
    v, u = v + dt * (0.04 * v * v + 5 * v + 140 - u + current), u + dt * a * (b * v - u)
    s = window(v - threshold, half_width)
    return s, (v, u), (v * (1 - s) + c * s, u + d * s)
