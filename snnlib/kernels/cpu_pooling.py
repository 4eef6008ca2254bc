"""Max-pooling with windows side by side on a CPU: nothing is kept but the input, and the gradient's zeros are
written in the same pass as the gradient.
"""

from snnlib.kernels import compiling
from snnlib.kernels.compiling import read


@compiling.kernel
def max_pool(x, out, size, begin, end):
    """Maps begin .. end of x [maps, H, W] into out [maps, H // size, W // size]."""
    for n in range(begin, end):
        for i in range(out.shape[1]):
            row = out[n, i]
            for di in range(size):
                for dj in range(size):
                    source = x[n, i * size + di, dj:]
                    for j in range(row.size):
                        value, largest = read(source, j * size), read(row, j)
                        new = (di == 0 and dj == 0) or value > largest or value != value  # NaN stays NaN
                        row[j] = source[j * size] if new else row[j]


@compiling.kernel
def max_pool_backward(x, g, gx, size, begin, end):
    """The gradient of a window goes to its first largest entry, as PyTorch has it; all others get 0."""
    for n in range(begin, end):
        gx[n] = 0  # stays in the cache: a map is small
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                top, left = i * size, j * size
                best, at, beside = read(x, (n, top, left)), top, left
                for di in range(size):
                    for dj in range(size):
                        value = read(x, (n, top + di, left + dj))
                        if value > best or value != value:
                            best, at, beside = value, top + di, left + dj
                gx[n, at, beside] = g[n, i, j]
