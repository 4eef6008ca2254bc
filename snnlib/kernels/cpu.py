"""The neurons on a CPU: numba compiles the steps of ``steps.py`` into one loop over blocks of neurons.

A block of neurons keeps its state in the first-level cache through all time steps, and the innermost loop
runs over neurons that lie side by side, so that it becomes vector instructions. The backward pass runs each
block forward again from the input current and keeps the states of that block only.

Arrays: x [T or 1, members, lanes] (1: the same current at every step), parameters [6, members, width]: the
four of the step, then V and U at the start; ``width`` divides ``lanes``, 1 where neurons of a layer share
values.
"""

import numba
import numpy as np

from snnlib.kernels import compiling, steps

LANES = 1024
"""Neurons of a block; their states over T = 20 steps stay within the second-level cache."""

_inline = numba.njit(nogil=True, error_model="numpy")
for _name in ("select", "saturate", "pass_inside", "window", "arctan"):
    numba.extending.register_jitable(getattr(steps, _name))


def blocks(members: int, lanes: int, width: int) -> int:
    """Into how many blocks ``members * lanes`` neurons fall; none reaches across a row of parameters."""
    row = lanes if width == 1 else width
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


def _named(function, step):
    """Compiled under a name of its own: kernels of equal names, cached by different processes, would be
    taken for one another when both are loaded.
    """
    function.__name__ = function.__qualname__ = f"{function.__name__}_{step.__name__}"
    return _inline(function)


def _forward_of(step, states):
    def forward(x, spikes, parameters, c, first, last):
        local = np.empty((6, LANES), x.dtype)  # one array: its rows cannot overlap, and the compiler sees it
        for index in range(first, last):
            member, lane, n, offset = _block(index, x.shape[2], parameters.shape[2])
            _load(parameters, member, offset, n, local, local[4], local[5])
            for t in range(spikes.shape[0]):
                current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
                out = spikes[t, member, lane : lane + n]
                for j in range(n):
                    p = (local[0, j], local[1, j], local[2, j], local[3, j])
                    fired, v, u = step(current[j], local[4, j], local[5, j], p, c)
                    out[j], local[4, j] = fired, v
                    if states == 2:
                        local[5, j] = u

    return _named(forward, step)


def _backward_of(step, adjoint, states, learned):
    """gx [T or 1, members, lanes] is written; gp [learned, blocks, 1 or LANES] receives sums over time (and
    over the lanes of a block, if parameters are shared), or is None.
    """

    def backward(x, gs, gx, gp, parameters, c, first, last):
        T = gs.shape[0]
        before = np.empty((T, states, LANES), x.dtype)  # V and U before each step
        # Rows: 4 parameters, gradients of V and U, of the parameters, of the current at one step and in all.
        local = np.empty((12, LANES), x.dtype)
        every = gx.shape[0] == T  # or one gradient for a current that is the same at every step
        for index in range(first, last):
            member, lane, n, offset = _block(index, x.shape[2], parameters.shape[2])
            _load(parameters, member, offset, n, local, before[0, 0], before[0, states - 1], states)
            for t in range(T - 1):
                current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
                v_t, u_t = before[t, 0], before[t, states - 1]
                v_next, u_next = before[t + 1, 0], before[t + 1, states - 1]
                for j in range(n):
                    p = (local[0, j], local[1, j], local[2, j], local[3, j])
                    _, v, u = step(current[j], v_t[j], u_t[j], p, c)
                    v_next[j] = v
                    if states == 2:
                        u_next[j] = u
            local[4:] = 0
            for back in range(T):
                t = T - 1 - back
                current = x[min(t, x.shape[0] - 1), member, lane : lane + n]
                gs_t = gs[t, member, lane : lane + n]
                v_t, u_t = before[t, 0], before[t, states - 1]
                gx_t = gx[t, member, lane : lane + n] if every else local[10, :n]
                for j in range(n):
                    p = (local[0, j], local[1, j], local[2, j], local[3, j])
                    g, gv, gu, g0, g1, g2, g3 = adjoint(
                        current[j], v_t[j], u_t[j], p, c, gs_t[j], local[4, j], local[5, j]
                    )
                    gx_t[j], local[4, j] = g, gv
                    if states == 2:
                        local[5, j] = gu
                    if gp is not None:
                        local[6, j] += g0
                        if learned > 1:
                            local[7, j] += g1
                            local[8, j] += g2
                            local[9, j] += g3
                if not every:
                    for j in range(n):
                        local[11, j] += local[10, j]
            if not every:
                gx[0, member, lane : lane + n] = local[11, :n]
            if gp is not None:
                for i in range(learned):
                    if gp.shape[2] == 1:
                        total = 0.0
                        for j in range(n):
                            total += local[6 + i, j]
                        gp[i, index, 0] = total
                    else:
                        gp[i, index] = local[6 + i]

    return _named(backward, step)


_first_order = _forward_of(_inline(steps.first_order), 1)
_first_order_back = _backward_of(_inline(steps.first_order), _inline(steps.first_order_adjoint), 1, 1)
_second_order = _forward_of(_inline(steps.second_order), 2)
_second_order_back = _backward_of(_inline(steps.second_order), _inline(steps.second_order_adjoint), 2, 4)
_lif = _forward_of(_inline(steps.lif), 1)
_lif_back = _backward_of(_inline(steps.lif), _inline(steps.lif_adjoint), 1, 1)
_izhikevich = _forward_of(_inline(steps.izhikevich), 2)
_izhikevich_back = _backward_of(_inline(steps.izhikevich), _inline(steps.izhikevich_adjoint), 2, 4)

# Only functions of a module can be kept on disk by numba, hence one line of each.
with compiling.cached():
    _kernel = numba.njit(nogil=True, error_model="numpy", cache=True)

    @_kernel
    def first_order(x, spikes, parameters, c, first, last):
        _first_order(x, spikes, parameters, c, first, last)

    @_kernel
    def first_order_backward(x, gs, gx, gp, parameters, c, first, last):
        _first_order_back(x, gs, gx, gp, parameters, c, first, last)

    @_kernel
    def second_order(x, spikes, parameters, c, first, last):
        _second_order(x, spikes, parameters, c, first, last)

    @_kernel
    def second_order_backward(x, gs, gx, gp, parameters, c, first, last):
        _second_order_back(x, gs, gx, gp, parameters, c, first, last)

    @_kernel
    def lif(x, spikes, parameters, c, first, last):
        _lif(x, spikes, parameters, c, first, last)

    @_kernel
    def lif_backward(x, gs, gx, gp, parameters, c, first, last):
        _lif_back(x, gs, gx, gp, parameters, c, first, last)

    @_kernel
    def izhikevich(x, spikes, parameters, c, first, last):
        _izhikevich(x, spikes, parameters, c, first, last)

    @_kernel
    def izhikevich_backward(x, gs, gx, gp, parameters, c, first, last):
        _izhikevich_back(x, gs, gx, gp, parameters, c, first, last)
