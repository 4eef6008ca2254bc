"""A layer of neurons and the max-pooling by 2 behind it in one pass on a CPU: the spikes of a map never
leave the cache, and neither does their gradient.

Arrays: x [T or 1, rows, W], the rows of all maps one after another; pooled [T, rows // 2, W // 2]. A
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


def block_rows(width: int) -> int:
    """Rows of windows in a block."""
    return max(1, LANES // (2 * width))


def _forward(x, pooled, parameters, c, per, first, last):
    width = x.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    local = np.empty((2, per * 2 * width), parameters.dtype)  # V, spikes
    for index in range(first, last):
        top = index * per
        count = min(per, pooled.shape[1] - top)
        n = count * 2 * width
        local[0, :n] = parameters[4, 0, 0]
        for t in range(pooled.shape[0]):
            current = x[min(t, x.shape[0] - 1), 2 * top : 2 * (top + count)].reshape(-1)
            for j in range(n):
                fired, after, _ = step(read(current, j), local[0, j], c[ZERO], p, c)
                local[0, j], local[1, j] = after, fired
            for row in range(count):
                out, start = pooled[t, top + row], row * 2 * width
                for k in range(out.size):
                    at, below = start + 2 * k, start + 2 * k + width
                    above_two = max(local[1, at], local[1, at + 1])
                    write(out, k, max(above_two, max(local[1, below], local[1, below + 1])))


def _backward(x, g, gx, gp, parameters, c, per, first, last):
    """gx [T or 1, rows, W] is written, of a single step at every T the sum from the last to the first in the
    precision of gx (``still``); gp [LEARNED, blocks, 1] receives sums over a block, or is None.

    Of several entries that are equal the first in reading order gets the gradient, as PyTorch has it.
    """
    T, width = g.shape[0], x.shape[2]
    p = (parameters[0, 0, 0], parameters[1, 0, 0], parameters[2, 0, 0], parameters[3, 0, 0])
    before = np.empty((T, per * 2 * width), parameters.dtype)  # V before each step
    spikes = np.empty((T, per * 2 * width), parameters.dtype)
    one = np.empty(per * 2 * width, gx.dtype)
    local = np.empty((4, per * 2 * width), parameters.dtype)  # gradients of spike, V and parameter; V
    for index in range(first, last):
        top = index * per
        count = min(per, g.shape[1] - top)
        n = count * 2 * width
        local[3, :n] = parameters[4, 0, 0]
        for t in range(T):
            current = x[min(t, x.shape[0] - 1), 2 * top : 2 * (top + count)].reshape(-1)
            for j in range(n):
                v = local[3, j]
                fired, after, _ = step(read(current, j), v, c[ZERO], p, c)
                before[t, j], spikes[t, j], local[3, j] = v, fired, after
        local[:3] = 0  # entries right of the last window get no gradient
        for back in range(T):
            t = T - 1 - back
            current = x[min(t, x.shape[0] - 1), 2 * top : 2 * (top + count)].reshape(-1)
            gx_t = gx[min(t, gx.shape[0] - 1), 2 * top : 2 * (top + count)].reshape(-1)
            added = back > 0 and gx.shape[0] < T
            out = one if added else gx_t
            for row in range(count):
                above, start = g[t, top + row], row * 2 * width
                for k in range(above.size):
                    at, below = start + 2 * k, start + 2 * k + width
                    left = read(above, k)  # what the spikes before this one have not taken
                    for place in (at, at + 1, below, below + 1):
                        local[0, place] = left * spikes[t, place]
                        left -= local[0, place]
                    local[0, at] += left  # no spike in the window: its first entry
            for j in range(n):
                gi, gh, _, gk, _, _, _ = adjoint(
                    read(current, j), before[t, j], c[ZERO], p, c, local[0, j], local[1, j], c[ZERO]
                )
                write(out, j, gi)
                local[1, j] = gh
                local[2, j] += gk
            if added:
                for j in range(n):
                    write(gx_t, j, read(gx_t, j) + read(one, j))
        if gp is not None:
            summed = 0.0
            for j in range(n):
                summed += local[2, j]
            gp[0, index, 0] = summed


FORWARD = cpu.kernel_of(_forward, "lif")
BACKWARD = cpu.kernel_of(_backward, "lif")
assert reference.STEPS["lif"][1] == reference.LEARNED["lif"] == 1
