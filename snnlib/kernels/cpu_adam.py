"""Adam's step on a CPU of a weight that is used in bfloat16: read and written once, rounded on the way. The
numbers are those of ``torch.optim.Adam(fused=True)``.
"""

import numpy as np

from snnlib.kernels import compiling
from snnlib.kernels.compiling import fma, read, write

BLOCK = 1024
"""Entries that stay in the first-level cache between the two loops, which the compiler makes vectors of: of
one over all five arrays it could not tell that they do not overlap.
"""


@compiling.kernel
def step(weight, grad, mean, square, copy, c, first, last):
    """Entries first .. last of five flat arrays: weight and moments are updated in place by the gradient, the
    copy is the new weight, rounded where it is bfloat16.

    c, float32: 1 - beta1, beta2, 1 - beta2, learning rate over the bias correction of the mean, square root
    of that of the square, epsilon.
    """
    rate, keep, add, size, root, epsilon = c
    for start in range(first, last, BLOCK):
        part = slice(start, min(start + BLOCK, last))
        g, m, s, w, new = grad[part], mean[part], square[part], weight[part], copy[part]
        for i in range(g.size):
            gi = read(g, i)
            m[i] = fma(rate, gi - m[i], m[i])
            s[i] = fma(add * gi, gi, keep * s[i])
        for i in range(g.size):
            wi = w[i] - size * m[i] / (np.sqrt(s[i]) / root + epsilon)
            w[i] = wi
            write(new, i, wi)
