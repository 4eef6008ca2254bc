"""A convolution's output on a GPU: normalisation, LIF or PLIF and 2 x 2 max-pooling of spikes in one pass.

``y`` [T, B, C, H, W], H and W even, is read once; each channel's normalisation is the affine x = scale y +
shift (scale = gamma / std, shift = beta - mean scale); one value is written per four neurons. A program holds
the four neurons of each of a block of windows and takes them through the steps that ``gpu.py`` compiled. The
backward pass runs forward again, all states in registers.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnlib.kernels import gpu

THREADS = 128
"""Windows of a program, one for each thread: four neurons of T steps each fill its registers."""

LONGEST = 12
"""Steps at most: Triton's time to compile the backward pass grows with their cube, from 5 s at 8 steps."""


@triton.jit
def _place(
    scale, shift, parameters, windows, half_width, channels,
    C: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Constants, parameters, V at the start, affine, windows and their first neuron, and which exist."""
    window = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = window < windows[0] * windows[1]
    channel = (window // windows[1]) % channels
    row = window // half_width
    first = row * (4 * half_width) + (window % half_width) * 2
    a = tl.load(scale + channel, mask=inside, other=0).to(DTYPE)
    b = tl.load(shift + channel, mask=inside, other=0).to(DTYPE)
    c, p = (), ()
    for i in tl.static_range(9):
        c = c + (tl.full((), C[i], DTYPE),)
    for i in tl.static_range(5):
        p = p + (tl.load(parameters + i).to(DTYPE),)
    return c, p, p[4] + tl.zeros([BLOCK], DTYPE), a, b, window, first, inside


@triton.jit
def _pooled_forward(
    y, out, scale, shift, parameters, maps, per_map, half_width, channels,
    STEP: tl.constexpr, C: tl.constexpr, T: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    c, p, v, a, b, window, first, inside = _place(
        scale, shift, parameters, (maps, per_map), half_width, channels, C, DTYPE, BLOCK
    )
    size = per_map.to(tl.int64) * maps
    states = (v, v, v, v)
    for t in tl.static_range(T):
        after, spike = (), tl.zeros([BLOCK], tl.int32)
        for i in tl.static_range(4):
            at = y + t * size * 4 + first + (i // 2) * (2 * half_width) + i % 2
            x = a * tl.load(at, mask=inside, other=0).to(DTYPE) + b
            fired, h, _ = STEP(x, states[i], v, p, c)
            after = after + (h,)
            spike = spike | fired.to(tl.int32)
        states = after
        tl.store(out + t * size + window, spike.to(tl.float32).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _pooled_backward(
    grad, y, gx, gk, scale, shift, parameters, maps, per_map, half_width, channels, unity,
    STEP: tl.constexpr, ADJOINT: tl.constexpr, C: tl.constexpr, T: tl.constexpr, DTYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """``gk`` [programs] receives sums over the neurons of a program."""
    c, p, v, a, b, window, first, inside = _place(
        scale, shift, parameters, (maps, per_map), half_width, channels, C, DTYPE, BLOCK
    )
    size = per_map.to(tl.int64) * maps
    state, history = (v, v, v, v), ()
    for t in tl.static_range(T):
        after, winner = (), tl.zeros([BLOCK], tl.int32)
        values, before = (), state
        for i in tl.static_range(4):
            at = y + t * size * 4 + first + (i // 2) * (2 * half_width) + i % 2
            x = a * tl.load(at, mask=inside, other=0).to(DTYPE) + b
            fired, h, _ = STEP(x, state[i], v, p, c)
            values, after = values + (x,), after + (h,)
            winner = tl.where(fired & (winner == 0), i + 1, winner)  # max-pooling's first spike of a window
        state = after
        history = history + ((values, before, tl.where(winner == 0, 1, winner) - 1),)
    zero = tl.zeros([BLOCK], DTYPE)
    gv, total = (zero, zero, zero, zero), zero
    for t in tl.static_range(T - 1, -1, -1):
        g = tl.load(grad + t * size + window, mask=inside, other=0).to(DTYPE)
        after = ()
        for i in tl.static_range(4):
            gs = tl.where(history[t][2] == i, g, zero)
            x, before = history[t][0][i] * unity, history[t][1][i] * unity
            g_x, g_v, _, d, _, _, _ = ADJOINT(x, before, zero, p, c, gs, gv[i], zero)
            after = after + (g_v,)
            total += d
            at = gx + t * size * 4 + first + (i // 2) * (2 * half_width) + i % 2
            tl.store(at, g_x.to(gx.dtype.element_ty), mask=inside)
        gv = after
    tl.store(gk + tl.program_id(0), tl.sum(total, axis=0))


def forward(
    y: Tensor,
    scale: Tensor,
    shift: Tensor,
    parameters: Tensor,
    constants: Sequence[float],
    spike_dtype: torch.dtype | None = None,
) -> Tensor:
    """Pooled spikes [T, B, C, H/2, W/2] of LIF neurons for contiguous y [T, B, C, H, W], scale and shift [C],
    parameters [6] and constants as in ``ops.py``. ValueError for odd maps or more than LONGEST steps.
    """
    steps, batch, channels, height, width = y.shape
    out = y.new_empty((steps, batch, channels, height // 2, width // 2), dtype=spike_dtype or y.dtype)
    if out.numel():
        arguments, named, grid = _arguments(y, scale, shift, parameters, constants)
        with torch.cuda.device_of(y):
            _pooled_forward[grid](y, out, *arguments, STEP=gpu.STEPS["lif"][0], **named)
    return out


def backward(
    grad: Tensor, y: Tensor, scale: Tensor, shift: Tensor, parameters: Tensor, constants: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Gradients of the normalised current x = scale y + shift (as y) and of k, a scalar."""
    gx = torch.empty_like(y)
    if not y.numel():
        return gx, parameters.new_zeros(())
    arguments, named, grid = _arguments(y, scale, shift, parameters, constants)
    gk = y.new_empty(grid, dtype=torch.float64 if y.dtype == torch.float64 else torch.float32)
    step, adjoint = gpu.STEPS["lif"]
    with torch.cuda.device_of(y):
        _pooled_backward[grid](grad, y, gx, gk, *arguments, unity=1.0, STEP=step, ADJOINT=adjoint, **named)
    return gx, gk.sum(dtype=torch.float64).to(parameters.dtype)


def _arguments(y, scale, shift, parameters, constants):
    steps, batch, channels, height, width = y.shape
    if height % 2 or width % 2 or steps > LONGEST:
        raise ValueError(
            f"The fused pooling takes maps of even height and width over at most {LONGEST} steps, got "
            f"{height} x {width} over {steps}; use the separate layers."
        )
    per_map = height * width // 4
    named = {"C": tuple(map(float, (*constants, *[0.0] * (9 - len(constants)))))}
    named |= {"T": steps, "BLOCK": THREADS}
    named["DTYPE"] = tl.float64 if y.dtype == torch.float64 else tl.float32
    arguments = (scale, shift, parameters, batch * channels, per_map, width // 2, channels)
    return arguments, named | gpu.OPTIONS, (-(-batch * channels * per_map // THREADS),)
