"""The neurons on a CPU: numba compiles the steps of ``steps.py`` into one loop over blocks of neurons.

A block of neurons keeps its state in the first-level cache through all time steps, and the innermost loop
runs over neurons that lie side by side, so that it becomes vector instructions. The backward pass runs each
block forward again from the input current and keeps the states of that block only.

Arrays: x [T or 1, members, lanes] (1: the same current at every step), parameters [6, members, width]: the
four of the step, then V and U at the start; ``width`` divides ``lanes``, 1 where neurons of a layer share
values. FORWARD and BACKWARD hold a kernel for each kind of neuron.
"""

import types

import numba
import numpy as np

from snnlib.kernels import compiling, reference, steps
from snnlib.kernels.compiling import read, write

LANES = 1024
"""Neurons of a block; their states over T = 20 steps stay within the second-level cache."""

_inline = numba.njit(**compiling.OPTIONS)
for _name in ("select", "saturate", "pass_inside", "window", "arctan"):
    numba.extending.register_jitable(getattr(steps, _name))


def blocks(members: int, lanes: int, width: int) -> int:
    """Into how many blocks ``members * lanes`` neurons fall; none reaches across a row of parameters."""
    row = lanes if width == 1 else width
    if lanes % max(row, 1):
        raise ValueError(f"Parameters of {width} neurons do not fit {lanes} lanes.")
    return members * (lanes // max(row, 1)) * -(-row // LANES)


@_inline
def _block(index, lanes, width):
    """(member, first lane, number of lanes, first parameter) of a block."""
    row = lanes if width == 1 else width
    per_row = (row + LANES - 1) // LANES
    per_member = (lanes // row) * per_row
    member, rest = index // per_member, index % per_member
    offset = (rest % per_row) * LANES
    return member, (rest // per_row) * row + offset, min(LANES, row - offset), offset


@_inline
def _load(parameters, member, offset, n, local, v, u, states=2):
    """Parameters and initial state of a block, spread over its lanes."""
    shared = parameters.shape[2] == 1
    for j in range(n):
        at = 0 if shared else offset + j
        for i in range(4):
            local[i, j] = parameters[i, member, at]
        if states == 2:
            u[j] = parameters[5, member, at]
        v[j] = parameters[4, member, at]  # last: with a single state U lies where V does, unused


step = adjoint = STATES = LEARNED = None  # of the two functions below; every kernel has its own


def _forward(x, spikes, parameters, c, first, last):
    local = np.empty(
        (6, LANES), parameters.dtype
    )  # one array: its rows cannot overlap, and the compiler sees it
    for index in range(first, last):
        member, lane, n, offset = _block(index, x.shape[2], parameters.shape[2])
        _load(parameters, member, offset, n, local, local[4], local[5])
        for t in range(spikes.shape[0]):
            current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
            out = spikes[t, member, lane : lane + n]
            for j in range(n):
                p = (local[0, j], local[1, j], local[2, j], local[3, j])
                fired, v, u = step(read(current, j), local[4, j], local[5, j], p, c)
                write(out, j, fired)
                local[4, j] = v
                if STATES == 2:
                    local[5, j] = u


def _backward(x, gs, gx, gp, parameters, c, first, last):
    """gx [T, members, lanes] is written; gp [LEARNED, blocks, 1 or LANES] receives sums over time (and over
    the lanes of a block, if parameters are shared), or is None.
    """
    T = gs.shape[0]
    before = np.empty((T, STATES, LANES), parameters.dtype)  # V and U before each step
    local = np.empty((10, LANES), parameters.dtype)  # 4 parameters, gradients of V and U, of the parameters
    for index in range(first, last):
        member, lane, n, offset = _block(index, x.shape[2], parameters.shape[2])
        _load(parameters, member, offset, n, local, before[0, 0], before[0, STATES - 1], STATES)
        for t in range(T - 1):
            current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
            v_t, u_t = before[t, 0], before[t, STATES - 1]
            v_next, u_next = before[t + 1, 0], before[t + 1, STATES - 1]
            for j in range(n):
                p = (local[0, j], local[1, j], local[2, j], local[3, j])
                _, v, u = step(read(current, j), v_t[j], u_t[j], p, c)
                v_next[j] = v
                if STATES == 2:
                    u_next[j] = u
        local[4:] = 0
        for back in range(T):
            t = T - 1 - back
            current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
            gs_t, gx_t = gs[t, member, lane : lane + n], gx[t, member, lane : lane + n]
            v_t, u_t = before[t, 0], before[t, STATES - 1]
            for j in range(n):
                p = (local[0, j], local[1, j], local[2, j], local[3, j])
                g, gv, gu, g0, g1, g2, g3 = adjoint(
                    read(current, j), v_t[j], u_t[j], p, c, read(gs_t, j), local[4, j], local[5, j]
                )
                write(gx_t, j, g)
                local[4, j] = gv
                if STATES == 2:
                    local[5, j] = gu
                if gp is not None:
                    local[6, j] += g0
                    if LEARNED > 1:
                        local[7, j] += g1
                        local[8, j] += g2
                        local[9, j] += g3
        if gp is not None:
            for i in range(LEARNED):
                if gp.shape[2] == 1:
                    total = 0.0
                    for j in range(n):
                        total += local[6 + i, j]
                    gp[i, index, 0] = total
                else:
                    gp[i, index] = local[6 + i]


def kernel_of(function, kind):
    """``function`` compiled for a kind of neuron, under a name of its own: kernels of equal names, cached by
    different processes, would be taken for one another when both are loaded.
    """
    own = {"STATES": reference.STEPS[kind][1], "LEARNED": reference.LEARNED[kind]}
    own |= {"step": _inline(getattr(steps, kind)), "adjoint": _inline(getattr(steps, f"{kind}_adjoint"))}
    name = f"{function.__module__.rsplit('.', 1)[-1]}{function.__name__}_{kind}"
    named = types.FunctionType(function.__code__, function.__globals__ | own, name)
    named.__qualname__ = name
    return compiling.kernel(named)


FORWARD = {kind: kernel_of(_forward, kind) for kind in reference.STEPS}
BACKWARD = {kind: kernel_of(_backward, kind) for kind in reference.STEPS}
