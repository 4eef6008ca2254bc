"""Spikes as lists of indices on a CPU: drawing them, finding them in a dense tensor, and adding up the rows
of a table that they name.

Row r of a list holds ``indices[first[r] : first[r] + count[r]]``: the inputs that are active there, and
``values`` beside them where they are not all 1. One gather-add serves the synapse's forward pass (rows: time
steps of samples; table: weights) and its weight gradient (rows: inputs; table: gradients of the currents).
"""

import numba
import numpy as np

from snnlib.kernels import compiling

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@numba.njit(**compiling.OPTIONS)
def _mix(z):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a counter in, 64 random bits out."""
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@compiling.kernel
def bernoulli(p, often, key, indices, first, count, values, start, stop):
    """Samples start .. stop of p [B, N]: each value spikes at each of T steps with its probability.

    The draw of (sample, input, step) depends on the key and these three alone. Rows are t B + b. Where
    ``often`` [B, N] a value is taken to spike always, and the steps at which it does not are listed, with
    -1.
    """
    B, N = p.shape
    T = count.size // B
    pairs = np.uint64((T + 1) // 2)
    for b in range(start, stop):
        for t in range(T):
            count[t * B + b] = 0
        for i in range(N):
            if p[b, i] > 0:
                bound = np.uint64(min(np.float64(p[b, i]), 1.0) * 4294967296.0)
                silent = often[b, i]
                at = (np.uint64(b) * np.uint64(N) + np.uint64(i)) * pairs
                for t in range(T):
                    if t % 2 == 0:
                        bits = _mix(np.uint64(key) + (at + np.uint64(t // 2) + np.uint64(1)) * GOLDEN)
                    else:
                        bits = bits >> np.uint64(32)
                    row = t * B + b
                    indices[first[row] + count[row]] = i
                    values[first[row] + count[row]] = -1 if silent else 1
                    count[row] += ((bits & np.uint64(0xFFFFFFFF)) < bound) != silent


@compiling.kernel
def bernoulli_dense(p, key, out, start, stop):
    """The draws of ``bernoulli`` as zeros and ones in out [T, B, N]."""
    T, B, N = out.shape
    pairs = (T + 1) // 2
    for b in range(start, stop):
        for pair in range(pairs):
            early, late = out[2 * pair, b], out[min(2 * pair + 1, T - 1), b]
            for i in range(N):
                chance = min(np.float64(p[b, i]), 1.0) if p[b, i] > 0 else 0.0
                bound = np.uint64(chance * 4294967296.0)
                at = (np.uint64(b) * np.uint64(N) + np.uint64(i)) * np.uint64(pairs) + np.uint64(pair)
                bits = _mix(np.uint64(key) + (at + np.uint64(1)) * GOLDEN)
                late[i] = (bits >> np.uint64(32)) < bound
                early[i] = (bits & np.uint64(0xFFFFFFFF)) < bound  # last: for odd T both are one row


@compiling.kernel
def active(x, first, count, indices, values, start, stop):
    """Fill the lists of rows start .. stop of a dense x [R, N] whose counts are known."""
    for r in range(start, stop):
        at = first[r]
        for i in range(x.shape[1]):
            if x[r, i] != 0:
                indices[at] = i
                values[at] = x[r, i]
                at += 1


@compiling.kernel
def counts(x, count, most):
    """(entries of x [R, N] other than 0, or -1 once there are more than ``most``; all of them are 1)."""
    total, ones = 0, True
    for r in range(x.shape[0]):
        n, odd = 0, 0
        for i in range(x.shape[1]):
            n += x[r, i] != 0
            odd += (x[r, i] != 0) & (x[r, i] != 1)
        count[r] = n
        total += n
        ones = ones and odd == 0
        if total > most:
            return -1, ones
    return total, ones


@compiling.kernel
def gather(indices, first, count, values, table, start, out, begin, end):
    """out[r] = start[r % S] + sum of the rows of ``table`` that row r names (times their values, or 1
    each); start: [S, outputs].
    """
    for r in range(begin, end):
        a = out[r]
        a[:] = start[r % start.shape[0]]
        k, stop = np.intp(first[r]), np.intp(first[r]) + np.intp(count[r])
        # Eight rows at once: the sum is then loaded and stored an eighth as often.
        while k + 8 <= stop:
            w0, w1, w2, w3 = (
                table[indices[k]],
                table[indices[k + 1]],
                table[indices[k + 2]],
                table[indices[k + 3]],
            )
            w4, w5, w6, w7 = (
                table[indices[k + 4]],
                table[indices[k + 5]],
                table[indices[k + 6]],
                table[indices[k + 7]],
            )
            if values is None:
                for j in range(a.size):
                    a[j] += ((w0[j] + w1[j]) + (w2[j] + w3[j])) + ((w4[j] + w5[j]) + (w6[j] + w7[j]))
            else:
                v0, v1, v2, v3 = values[k], values[k + 1], values[k + 2], values[k + 3]
                v4, v5, v6, v7 = values[k + 4], values[k + 5], values[k + 6], values[k + 7]
                for j in range(a.size):
                    a[j] += ((v0 * w0[j] + v1 * w1[j]) + (v2 * w2[j] + v3 * w3[j])) + (
                        (v4 * w4[j] + v5 * w5[j]) + (v6 * w6[j] + v7 * w7[j])
                    )
            k += 8
        while k < stop:
            w0 = table[indices[k]]
            v0 = a.dtype.type(1) if values is None else values[k]
            for j in range(a.size):
                a[j] += v0 * w0[j]
            k += 1


@compiling.kernel
def transpose(indices, first, count, values, by_input, inputs_first, inputs_count, by_value):
    """The same spikes, listed by input: the rows at which it is active, in ascending order."""
    inputs_count[:] = 0
    for r in range(first.size):
        for k in range(first[r], first[r] + count[r]):
            inputs_count[indices[k]] += 1
    total = 0
    for i in range(inputs_count.size):
        inputs_first[i] = total
        total += inputs_count[i]
        inputs_count[i] = 0
    for r in range(first.size):
        for k in range(first[r], first[r] + count[r]):
            i = indices[k]
            at = inputs_first[i] + inputs_count[i]
            by_input[at] = r
            if values is not None:
                by_value[at] = values[k]
            inputs_count[i] += 1
