"""A layer of neurons and the max-pooling behind it in one pass on a CPU: the spikes of a map never leave the
cache, and neither does their gradient.

Arrays: x [T or 1, rows, W], the rows of all maps one after another; pooled [T, rows // size, W // size]. A
block is as many rows of windows as fit; parameters [6, 1, 1] are shared by the whole layer. Numbers are those
of ``cpu.py`` and ``cpu_pooling.py`` one after the other, but for the order in which a parameter's gradient is
summed.
"""

import numpy as np

from snnlib.kernels import cpu, reference
from snnlib.kernels.compiling import read, write
from snnlib.kernels.steps import ZERO

LANES = cpu.LANES
step = adjoint = LEARNED = None  # of the two functions below; every kernel has its own


def block_rows(width: int, size: int) -> int:
    """Rows of windows in a block."""
    return max(1, LANES // (size * width))


def _forward(x, pooled, parameters, c, size, per, first, last):
    width = x.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    local = np.empty((2, per * size * width), parameters.dtype)  # V, spikes
    v, spikes = local[0], local[1]
    for index in range(first, last):
        top = index * per
        count = min(per, pooled.shape[1] - top)
        n = count * size * width
        v[:n] = parameters[4, 0, 0]
        for t in range(pooled.shape[0]):
            current = x[min(t, x.shape[0] - 1), top * size : (top + count) * size].reshape(-1)
            for j in range(n):
                fired, after, _ = step(read(current, j), v[j], c[0], p, c)
                v[j], spikes[j] = after, fired
            for row in range(count):
                out, start = pooled[t, top + row], row * size * width
                for k in range(out.size):
                    largest = spikes[start + k * size]
                    for di in range(size):
                        for dj in range(size):
                            largest = max(largest, spikes[start + di * width + k * size + dj])
                    write(out, k, largest)


def _backward(x, g, gx, gp, parameters, c, size, per, first, last):
    """gx [T, rows, W] is written; gp [LEARNED, blocks, 1] receives sums over a block, or is None.

    Of several entries that are equal the first in reading order gets the gradient, as PyTorch has it.
    """
    T, width = g.shape[0], x.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    before = np.empty((T + 1, per * size * width), parameters.dtype)  # V before each step
    fired = np.empty((T, per * size * width), np.uint8)
    local = np.empty((3, per * size * width), parameters.dtype)  # gradients of the spike, V, the parameter
    given = np.empty(width, parameters.dtype)  # what no entry of a window has got yet
    for index in range(first, last):
        top = index * per
        count = min(per, g.shape[1] - top)
        n = count * size * width
        before[0, :n] = parameters[4, 0, 0]
        for t in range(T):
            current = x[min(t, x.shape[0] - 1), top * size : (top + count) * size].reshape(-1)
            v, after, spike = before[t], before[t + 1], fired[t]
            for j in range(n):
                s, h, _ = step(read(current, j), v[j], c[0], p, c)
                after[j], spike[j] = h, s
        local[1:, :n] = 0
        for back in range(T):
            t = T - 1 - back
            current = x[min(t, x.shape[0] - 1), top * size : (top + count) * size].reshape(-1)
            gx_t = gx[t, top * size : (top + count) * size].reshape(-1)
            gs, gv, total, v, spike = local[0], local[1], local[2], before[t], fired[t]
            gs[:n] = 0
            for row in range(count):
                above, start = g[t, top + row], row * size * width
                for k in range(above.size):
                    given[k] = read(above, k)
                for place in range(size * size):
                    at = start + (place // size) * width + place % size
                    for k in range(above.size):
                        mine = given[k] if spike[at + k * size] else c[ZERO]
                        gs[at + k * size] = mine
                        given[k] -= mine
                for k in range(above.size):
                    gs[start + k * size] += given[k]  # no spike in the window: its first entry
            for j in range(n):
                gi, gh, _, gk, _, _, _ = adjoint(read(current, j), v[j], c[0], p, c, gs[j], gv[j], c[0])
                write(gx_t, j, gi)
                gv[j] = gh
                total[j] += gk
        if gp is not None:
            summed = 0.0
            for j in range(n):
                summed += local[2, j]
            gp[0, index, 0] = summed


FORWARD = cpu.kernel_of(_forward, "lif")
BACKWARD = cpu.kernel_of(_backward, "lif")
assert reference.STEPS["lif"][1] == reference.LEARNED["lif"] == 1
