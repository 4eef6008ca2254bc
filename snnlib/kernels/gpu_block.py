"""A convolution's output on a GPU: normalisation, LIF or PLIF and max-pooling of its spikes in one pass.

Maps y [T or 1, N, C, H, W] (1: the same at every step), dense, each step contiguous or with channels last.
They are read once; x = (y - mean) scale + bias enters the neurons; one value leaves for each window of POOL x
POOL neurons (POOL 1: no pooling). A program holds a block of windows and takes their neurons through the
steps that ``gpu.py`` compiled. The backward pass runs forward again in segments, whose states stay in
registers; V at the start of each lies in a scratch buffer. The sums that normalisation needs are written per
window, then added up in a fixed order: they repeat to the bit.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnlib.kernels import gpu

KEPT = 16
"""States that a thread keeps at most, 4 steps of a window of 4 neurons: with more, fewer threads find room on
a multiprocessor, and Triton's time to compile grows with the cube of the steps.
"""

BLOCK = gpu.THREADS

SIZES = ("windows", "channels", "rows", "columns", "st", "sn", "sc", "sh", "sw", "count", "per_channel")
"""Numbers of which nothing is compiled anew: a thread reads neuron by neuron, whatever they divide by."""


@triton.jit
def _place(
    y, windows, channels, rows, columns, sn, sc, sh, sw, mean, scale, bias, parameters,
    C: tl.constexpr, POOL: tl.constexpr, LAST: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Windows in the order in which they lie in memory, which of them exist, where their first neuron lies;
    normalisation, constants, parameters and V at the start.
    """
    window = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = window < windows
    if LAST:
        channel, rest = window % channels, window // channels
        column, rest = rest % columns, rest // columns
        row, sample = rest % rows, rest // rows
    else:
        column, rest = window % columns, window // columns
        row, rest = rest % rows, rest // rows
        channel, sample = rest % channels, rest // channels
    first = sample * sn + channel * sc + row * POOL * sh + column * POOL * sw
    m = tl.load(mean + channel, mask=inside, other=0).to(DTYPE)
    a = tl.load(scale + channel, mask=inside, other=0).to(DTYPE)
    b = tl.load(bias + channel, mask=inside, other=0).to(DTYPE)
    c, p = (), ()
    for i in tl.static_range(len(C)):
        c = c + (tl.full((), C[i], DTYPE),)
    for i in tl.static_range(5):
        p = p + (tl.load(parameters + i).to(DTYPE),)
    return window, inside, first, m, a, b, c, p, p[4] + tl.zeros([BLOCK], DTYPE)


@triton.jit
def _charge(
    y, always, states, first, inside, st, sh, sw, m, a, b, c, p, t,
    STEP: tl.constexpr, T: tl.constexpr, POOL: tl.constexpr, STILL: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """One step of a block: the maps read, the states after it, and the first neuron of each window that
    fired, counted from 1 (0: none).
    """
    there = inside
    if CUT:
        there = inside & (tl.full(inside.shape, t, tl.int32) < T)
    values, after, winner = (), (), tl.zeros(inside.shape, tl.int32)
    for i in tl.static_range(POOL * POOL):
        if STILL:
            value = always[i]
        else:
            at = y + (first + t * st + (i // POOL) * sh + (i % POOL) * sw)
            value = tl.load(at, mask=there, other=0).to(m.dtype)
        fired, h, _ = STEP((value - m) * a + b, states[i], m, p, c)
        values, after = values + (value,), after + (h,)
        winner = tl.where(fired & (winner == 0), i + 1, winner)
    return values, after, winner, there


@triton.jit
def _start(y, v, first, inside, sh, sw, DTYPE: tl.constexpr, POOL: tl.constexpr):
    """What a still holds, and the states before the first step."""
    always, states = (), ()
    for i in tl.static_range(POOL * POOL):
        at = y + (first + (i // POOL) * sh + (i % POOL) * sw)
        always, states = always + (tl.load(at, mask=inside, other=0).to(DTYPE),), states + (v,)
    return always, states


@triton.jit(do_not_specialize=SIZES)
def _forward(
    y, out, mean, scale, bias, parameters, windows, channels, rows, columns, st, sn, sc, sh, sw,
    STEP: tl.constexpr, C: tl.constexpr, T: tl.constexpr, SEGMENT: tl.constexpr, POOL: tl.constexpr,
    LAST: tl.constexpr, STILL: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    window, inside, first, m, a, b, c, p, v = _place(
        y, windows, channels, rows, columns, sn, sc, sh, sw, mean, scale, bias, parameters,
        C, POOL, LAST, DTYPE, BLOCK,
    )  # fmt: skip
    always, states = _start(y, v, first, inside, sh, sw, DTYPE, POOL)
    CUT: tl.constexpr = T % SEGMENT != 0
    st = tl.zeros((), tl.int64) + st
    at = out + window
    for segment in range(0, T, SEGMENT):
        for i in tl.static_range(SEGMENT):
            _, states, winner, there = _charge(
                y, always, states, first, inside, st, sh, sw, m, a, b, c, p, segment + i,
                STEP, T, POOL, STILL, CUT,
            )  # fmt: skip
            tl.store(at, (winner > 0).to(tl.float32).to(out.dtype.element_ty), mask=there)
            at += windows


@triton.jit(do_not_specialize=SIZES)
def _backward(
    grad, y, gx, gk, sums, checkpoints, mean, scale, bias, parameters,
    windows, channels, rows, columns, st, sn, sc, sh, sw, unity,
    STEP: tl.constexpr, ADJOINT: tl.constexpr, C: tl.constexpr, T: tl.constexpr, SEGMENT: tl.constexpr,
    POOL: tl.constexpr, LAST: tl.constexpr, STILL: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``gx``, laid out as y, receives the gradient of x, of a still summed over time; ``sums`` [2, windows]
    its sum and that of gx (y - mean) over each window; ``gk`` [programs] that of the parameter;
    ``checkpoints`` [segments, POOL POOL, windows]. ``unity`` as in ``gpu.py``.
    """
    SEGMENTS: tl.constexpr = (T + SEGMENT - 1) // SEGMENT
    CUT: tl.constexpr = T % SEGMENT != 0
    window, inside, first, m, a, b, c, p, v = _place(
        y, windows, channels, rows, columns, sn, sc, sh, sw, mean, scale, bias, parameters,
        C, POOL, LAST, DTYPE, BLOCK,
    )  # fmt: skip
    always, states = _start(y, v, first, inside, sh, sw, DTYPE, POOL)
    zero = tl.zeros([BLOCK], DTYPE)
    row, st = tl.zeros((), tl.int64) + windows, tl.zeros((), tl.int64) + st

    if SEGMENTS > 1:
        for segment in range(SEGMENTS):
            for i in tl.static_range(POOL * POOL):
                at = checkpoints + (segment * (POOL * POOL) + i) * row + window
                tl.store(at, states[i], mask=inside)
            if segment < SEGMENTS - 1:
                for i in tl.static_range(SEGMENT):
                    _, states, _, _ = _charge(
                        y, always, states, first, inside, st, sh, sw, m, a, b, c, p, segment * SEGMENT + i,
                        STEP, T, POOL, STILL, False,
                    )  # fmt: skip
        tl.debug_barrier()  # threads may read back what others wrote

    gv, still, total, shifted, gk_sum = (), (), zero, zero, zero
    for _j in tl.static_range(POOL * POOL):
        gv, still = gv + (zero,), still + (zero,)
    for back in range(SEGMENTS):
        segment = SEGMENTS - 1 - back
        state = ()
        for i in tl.static_range(POOL * POOL):
            if SEGMENTS > 1:
                at = checkpoints + (segment * (POOL * POOL) + i) * row + window
                state = state + (tl.load(at, mask=inside, other=0),)
            else:
                state = state + (v,)
        history = ()
        for i in tl.static_range(SEGMENT):
            values, after, winner, there = _charge(
                y, always, state, first, inside, st, sh, sw, m, a, b, c, p, segment * SEGMENT + i,
                STEP, T, POOL, STILL, CUT,
            )  # fmt: skip
            # Of a window in which none fired, the first neuron gets the gradient, as PyTorch has it.
            history = history + ((values, state, tl.where(winner == 0, 1, winner) - 1, there),)
            state = after
        for i in tl.static_range(SEGMENT - 1, -1, -1):
            t = segment * SEGMENT + i
            values, before, winner, there = history[i]
            g = tl.load(grad + t * row + window, mask=there, other=0).to(DTYPE)
            earlier, summed = (), ()
            for j in tl.static_range(POOL * POOL):
                y_mean = values[j] * unity - m
                gs = tl.where(winner == j, g, zero)
                g_x, g_v, _, d, _, _, _ = ADJOINT(
                    y_mean * a + b, before[j] * unity, zero, p, c, gs, gv[j], zero
                )
                earlier, gk_sum = earlier + (g_v,), gk_sum + d
                total += g_x
                shifted += g_x * y_mean
                if STILL:
                    summed = summed + (still[j] + g_x,)
                else:
                    at = gx + (first + t * st + (j // POOL) * sh + (j % POOL) * sw)
                    tl.store(at, g_x.to(gx.dtype.element_ty), mask=there)
                    summed = summed + (zero,)
            gv, still = earlier, summed
    if STILL:
        for j in tl.static_range(POOL * POOL):
            at = gx + (first + (j // POOL) * sh + (j % POOL) * sw)
            tl.store(at, still[j].to(gx.dtype.element_ty), mask=inside)
    tl.store(sums + window, total, mask=inside)
    tl.store(sums + row + window, shifted, mask=inside)
    tl.store(gk + tl.program_id(0), tl.sum(tl.where(inside, gk_sum, zero), axis=0))


@triton.jit(do_not_specialize=SIZES)
def _through_statistics(
    gx, y, mean, scale, slope, offset, count, per_channel, channels, DTYPE: tl.constexpr, BLOCK: tl.constexpr
):
    """gx <- scale gx + slope (y - mean) + offset of each channel: the gradient of y, in its place."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    channel = (place // per_channel) % channels
    g = tl.load(gx + place, mask=inside, other=0).to(DTYPE)
    y_mean = tl.load(y + place, mask=inside, other=0).to(DTYPE) - tl.load(
        mean + channel, mask=inside, other=0
    )
    g = (
        tl.load(scale + channel, mask=inside, other=0) * g
        + tl.load(slope + channel, mask=inside, other=0) * y_mean
    )
    g += tl.load(offset + channel, mask=inside, other=0)
    tl.store(gx + place, g.to(gx.dtype.element_ty), mask=inside)


def forward(
    y: Tensor, norm: Sequence[Tensor], parameters: Tensor, constants, steps: int, pool: int
) -> Tensor:
    """Spikes [steps, N, C, H // pool, W // pool], laid out as y; ``norm``: mean, scale and bias [C]."""
    _, batch, channels, height, width = y.shape
    shape = (steps * batch, channels, height // pool, width // pool)
    order = torch.channels_last if last(y) else torch.contiguous_format
    out = torch.empty(shape, dtype=y.dtype, device=y.device, memory_format=order)
    arguments, named, grid = _common(y, norm, parameters, constants, steps, pool)
    with torch.cuda.device_of(y):
        _forward[grid](y, out, *arguments, STEP=gpu.STEPS["lif"][0], **named)
    return out.unflatten(0, (steps, batch))


def backward(
    grad: Tensor, y: Tensor, norm: Sequence[Tensor], parameters: Tensor, constants, pool: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x (as y; zero for neurons in no window) and of k, and per channel the sums [2, C], in
    float64, of gx and of gx (y - mean). ``grad`` lies as ``forward`` left the spikes.
    """
    steps, (_, batch, channels, height, width) = len(grad), y.shape
    rows, columns = height // pool, width // pool
    arguments, named, grid = _common(y, norm, parameters, constants, steps, pool)
    whole = height % pool == width % pool == 0
    gx = torch.empty_like(y) if whole else torch.zeros_like(y)
    segments = -(-steps // named["SEGMENT"])
    scratch = {"dtype": parameters.dtype, "device": y.device}
    windows = batch * channels * rows * columns
    checkpoints = torch.empty((segments if segments > 1 else 0, pool * pool, windows), **scratch)
    gk, sums = torch.empty(grid, **scratch), torch.empty((2, windows), **scratch)
    step, adjoint = gpu.STEPS["lif"]
    with torch.cuda.device_of(y):
        _backward[grid](
            grad, y, gx, gk, sums, checkpoints, *arguments, unity=1.0, STEP=step, ADJOINT=adjoint, **named
        )
    shape = (2, batch * rows * columns, channels) if last(y) else (2, batch, channels, rows * columns)
    sums = sums.view(shape).sum((1,) if last(y) else (1, 3), dtype=torch.float64)
    return gx, gk.sum(dtype=torch.float64).to(parameters.dtype), sums


def through_statistics(gx: Tensor, y: Tensor, *of_channel: Tensor) -> None:
    """Make of the gradient of x that of y, in place; ``of_channel``: mean, scale, slope and offset [C]."""
    channels = y.shape[2]
    per_channel = 1 if last(y) else y.shape[3] * y.shape[4]
    dtype = tl.float64 if of_channel[0].dtype == torch.float64 else tl.float32
    with torch.cuda.device_of(y):
        _through_statistics[(-(-y.numel() // 512),)](
            gx, y, *of_channel, y.numel(), per_channel, channels, DTYPE=dtype, BLOCK=512, **gpu.OPTIONS
        )


def last(y: Tensor) -> bool:
    """Whether channels lie last."""
    return not y[0].is_contiguous()


def _common(y, norm, parameters, constants, steps, pool):
    held, batch, channels, height, width = y.shape
    windows = batch * channels * (height // pool) * (width // pool)
    arguments = (*norm, parameters, windows, channels, height // pool, width // pool, *y.stride())
    segment = gpu.equal_part(steps, KEPT // (pool * pool))
    named = {"C": tuple(map(float, constants)), "T": steps, "SEGMENT": segment, "POOL": pool, "LAST": last(y)}
    named |= {"STILL": held < steps, "BLOCK": BLOCK}
    named["DTYPE"] = tl.float64 if parameters.dtype == torch.float64 else tl.float32
    return arguments, named | gpu.OPTIONS, (-(-windows // BLOCK),)
