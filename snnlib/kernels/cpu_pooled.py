"""A layer of neurons and the max-pooling by 2 behind it in one pass on a CPU: the spikes of a map never
leave the cache, and neither does their gradient.

Arrays: x [T or 1, rows, W], the rows of all maps one after another; pooled [T, rows // 2, W // 2]. A
block is as many rows of windows as fit; parameters [6, 1, 1] are shared by the whole layer. Within a block
the four entries of the windows lie in four planes, window beside window, so that loops are long and become
vector instructions. Numbers are those of ``cpu.py`` and ``cpu_pooling.py`` one after the other, but for the
order in which a parameter's gradient is summed.
"""

import numba
import numpy as np

from snnlib.kernels import compiling, cpu, reference
from snnlib.kernels.compiling import read, write
from snnlib.kernels.steps import ZERO

LANES = 512
"""Neurons of a block: what all T = 8 steps of it hold stays in the first-level cache."""

step = adjoint = LEARNED = None  # of the two functions below; every kernel has its own


def block_rows(width: int) -> int:
    """Rows of windows in a block."""
    return max(1, LANES // (2 * width))


@numba.njit(**compiling.OPTIONS)
def _to_planes(rows, across, m, planes):
    """The windows of rows [2 count, W], ``across`` in a row and m in all, to planes [4 m]."""
    for r in range(rows.shape[0]):
        row, at = rows[r], 2 * m * (r % 2) + r // 2 * across
        even, odd = planes[at : at + across], planes[at + m : at + m + across]
        for k in range(across):
            even[k], odd[k] = read(row, 2 * k), read(row, 2 * k + 1)


@numba.njit(**compiling.OPTIONS)
def _to_rows(planes, across, m, rows):
    """The way back; entries right of the last window are 0."""
    for r in range(rows.shape[0]):
        row, at = rows[r], 2 * m * (r % 2) + r // 2 * across
        even, odd = planes[at : at + across], planes[at + m : at + m + across]
        row[2 * across :] = 0
        for k in range(across):
            row[2 * k], row[2 * k + 1] = even[k], odd[k]


@numba.njit(**compiling.OPTIONS, fastmath={"reassoc"})
def _sum(values):
    total = 0.0
    for value in values:
        total += value
    return total


def _forward(x, pooled, parameters, c, per, first, last):
    across = pooled.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    local = np.empty((3, 4 * per * across), parameters.dtype)  # x, V, spikes
    for index in range(first, last):
        top = index * per
        count = min(per, pooled.shape[1] - top)
        m = count * across
        local[1] = parameters[4, 0, 0]
        for t in range(pooled.shape[0]):
            if t < x.shape[0]:
                _to_planes(x[t, 2 * top : 2 * (top + count)], across, m, local[0])
            for j in range(4 * m):
                fired, after, _ = step(local[0, j], local[1, j], c[ZERO], p, c)
                local[1, j], local[2, j] = after, fired
            out = pooled[t, top : top + count].reshape(-1)
            a, b = local[2, :m], local[2, m : 2 * m]
            d, e = local[2, 2 * m : 3 * m], local[2, 3 * m : 4 * m]
            for k in range(m):
                write(out, k, max(max(a[k], b[k]), max(d[k], e[k])))


def _backward(x, g, gx, gp, parameters, c, per, first, last):
    """gx [T or 1, rows, W] is written, of a single step at every T the sum from the last to the first in the
    precision of gx (``still``); gp [LEARNED, blocks, 1] receives sums over a block, or is None.

    Of several entries that are equal the first in reading order gets the gradient, as PyTorch has it.
    """
    T, across = g.shape[0], g.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    size = 4 * per * across
    current = np.empty((x.shape[0], size), parameters.dtype)
    before = np.empty((T, size), parameters.dtype)  # V before each step
    spikes = np.empty((T, size), parameters.dtype)
    one, left = np.empty(size, gx.dtype), np.empty(per * across, parameters.dtype)
    local = np.empty((5, size), parameters.dtype)  # gradients of spike, V and parameter; V; sum
    for index in range(first, last):
        top = index * per
        count = min(per, g.shape[1] - top)
        m = count * across
        n = 4 * m
        local[3] = parameters[4, 0, 0]
        for t in range(T):
            at = min(t, x.shape[0] - 1)
            if t < x.shape[0]:
                _to_planes(x[t, 2 * top : 2 * (top + count)], across, m, current[t])
            for j in range(n):
                v = local[3, j]
                fired, after, _ = step(current[at, j], v, c[ZERO], p, c)
                before[t, j], spikes[t, j], local[3, j] = v, fired, after
        local[:3] = 0
        for back in range(T):
            t = T - 1 - back
            at = min(t, x.shape[0] - 1)
            given = g[t, top : top + count].reshape(-1)
            for k in range(m):
                left[k] = read(given, k)  # what the spikes of the planes before have not taken
            for plane in range(4):
                fired, taken = spikes[t, plane * m : plane * m + m], local[0, plane * m : plane * m + m]
                for k in range(m):
                    taken[k] = left[k] * fired[k]
                    left[k] -= taken[k]
            for k in range(m):
                local[0, k] += left[k]  # no spike in the window: its first entry
            for j in range(n):
                gi, gh, _, gk, _, _, _ = adjoint(
                    current[at, j], before[t, j], c[ZERO], p, c, local[0, j], local[1, j], c[ZERO]
                )
                write(one, j, gi)
                local[1, j] = gh
                local[2, j] += gk
            if gx.shape[0] == T:
                _to_rows(one, across, m, gx[t, 2 * top : 2 * (top + count)])
                continue
            for j in range(n):
                local[4, j] = read(one, j) if back == 0 else local[4, j] + read(one, j)
                write(one, j, local[4, j])
                local[4, j] = read(one, j)
        if gx.shape[0] < T:
            _to_rows(one, across, m, gx[0, 2 * top : 2 * (top + count)])
        if gp is not None:
            gp[0, index, 0] = _sum(local[2, :n])


FORWARD = cpu.kernel_of(_forward, "lif")
BACKWARD = cpu.kernel_of(_backward, "lif")
assert reference.STEPS["lif"][1] == reference.LEARNED["lif"] == 1
