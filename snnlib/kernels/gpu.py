"""The neurons on a GPU: Triton compiles the steps of ``steps.py`` into one forward and one backward kernel.

A program holds a block of neurons of one member of the ensemble and takes it through all time steps, its
state in registers. The backward pass runs the block forward again from the input current: up to WHOLE steps
their states stay in registers; a longer sequence is cut into segments, and the state at the start of each is
first written to a scratch buffer that lives as long as the backward pass. Arrays as in ``ops.py``; arithmetic
in float64 for a float64 current, else in float32, so parameters are best handed over in that precision.
Neurons past the end of a row and steps past the last read zeros, for which every gradient is zero.

With TRITON_INTERPRET=1 in the environment before Triton is first imported, the same code runs on a CPU.
"""

import types
from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnlib.kernels import reference, steps

WHOLE = 10
"""Longest sequence whose states the backward pass keeps in registers from beginning to end; a longer one is
cut into equal segments no longer than this. Half as many checkpoints would save a few percent of the traffic,
and take Triton four times as long to compile: half a minute and more at the papers' 20 to 30 steps.
"""

AHEAD = 8
"""Loads that a thread has in flight: a step's values are asked for so many steps before they are needed, and
before the stores of the steps between, which the compiler may not move a load across."""

THREADS = 128
"""Threads of a program: small, so that 16 of them fill a multiprocessor and run out of step."""

FILL = 1024
"""Programs that keep a GPU of 100 to 150 multiprocessors busy; below it threads take fewer neurons each."""

VECTOR_BYTES = 16
"""Widest load of a thread: 4 float32 or 8 bfloat16 neurons side by side."""

REGISTERS = 96
"""Of a thread's registers, those that the backward pass may fill with current and states of a segment; more
would leave too few threads on a multiprocessor to hide the memory's latency."""

SIZES = ("members", "width")
"""Arguments for whose values 1 and multiples of 16 nothing is compiled anew."""

OPTIONS = {"num_warps": THREADS // 32, "num_stages": 1, "enable_fp_fusion": False}
"""No fused multiply-add: it rounds once where PyTorch rounds twice, and would move spikes."""


@triton.jit
def _select(condition, a, b):
    return tl.where(condition, a, b)


def _compiled(scope: dict, name: str):
    """A function of ``steps.py`` for Triton, looking up names in ``scope``."""
    source = getattr(steps, name)
    copy = types.FunctionType(source.__code__, scope, name)
    copy.__module__, copy.__qualname__ = source.__module__, source.__qualname__
    scope[name] = triton.jit(copy)
    return scope[name]


_scope = {"tl": tl, "select": _select, "__name__": steps.__name__}
_scope |= {name: tl.constexpr(index) for name, index in vars(steps).items() if name.isupper()}
for _name in ("saturate", "pass_inside", "window", "arctan"):
    _compiled(_scope, _name)
STEPS = {kind: (_compiled(_scope, kind), _compiled(_scope, f"{kind}_adjoint")) for kind in reference.STEPS}


@triton.jit
def _inside(t, T: tl.constexpr, lanes, lane, CUT: tl.constexpr):
    """Which of a block's lanes exist, at a step that does unless segments are ``CUT`` off by the end."""
    mask = lane < lanes
    if CUT:
        mask = mask & (tl.full(lane.shape, t, tl.int32) < T)
    return mask


@triton.jit
def _read(array, t, T: tl.constexpr, CUT: tl.constexpr, members, member, lanes, lane):
    """A block's values in row ``t`` of ``array`` [T, members, lanes]; ``member`` is a 64-bit number."""
    at = array + (t * members + member) * lanes + lane
    return tl.load(at, mask=_inside(t, T, lanes, lane, CUT), other=0)


@triton.jit
def _write(array, values, t, T: tl.constexpr, CUT: tl.constexpr, members, member, lanes, lane):
    at = array + (t * members + member) * lanes + lane
    tl.store(at, values.to(array.dtype.element_ty), mask=_inside(t, T, lanes, lane, CUT))


@triton.jit
def _start(
    parameters, members, member, width, lanes, lane,
    C: tl.constexpr, SHARED: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """Constants, parameters and initial state, as the steps want them."""
    c, p = (), ()
    for i in tl.static_range(len(C)):
        c = c + (tl.full((), C[i], DTYPE),)
    for i in tl.static_range(6):
        at = parameters + (i * members + member) * width
        if SHARED:
            value = tl.load(at)
        else:
            value = tl.load(at + lane % width, mask=lane < lanes, other=0)
        p = p + (value.to(DTYPE),)
    zero = tl.zeros(lane.shape, DTYPE)
    return c, p, p[4] + zero, p[5] + zero


@triton.jit
def _charge(
    x, always, first, v, u, p, c, T: tl.constexpr, CUT: tl.constexpr, members, member, lanes, lane, spikes,
    STEP: tl.constexpr, SEGMENT: tl.constexpr, AHEAD: tl.constexpr, STILL: tl.constexpr, FIRE: tl.constexpr,
):  # fmt: skip
    """Run a segment of steps: the currents read, the states before each step, the state after the last."""
    rows, states = (), ()
    for i in tl.static_range(SEGMENT + AHEAD):
        if i < SEGMENT:
            if STILL:
                rows = rows + (always,)
            else:
                rows = rows + (_read(x, first + i, T, CUT, members, member, lanes, lane),)
        if i >= AHEAD:
            states = states + ((v, u),)
            fired, v, u = STEP(rows[i - AHEAD].to(v.dtype), v, u, p, c)
            if FIRE:
                if spikes.dtype.element_ty.is_floating():
                    fired = fired.to(v.dtype)
                _write(spikes, fired, first + i - AHEAD, T, CUT, members, member, lanes, lane)
    return rows, states, v, u


@triton.jit(do_not_specialize=SIZES)
def _forward(
    x, spikes, parameters, members, lanes, width,
    STEP: tl.constexpr, C: tl.constexpr, T: tl.constexpr, SEGMENT: tl.constexpr, AHEAD: tl.constexpr,
    STILL: tl.constexpr, SHARED: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    c, p, v, u = _start(parameters, members, member, width, lanes, lane, C, SHARED, DTYPE)
    always = _read(x, 0, T, False, members, member, lanes, lane)
    CUT: tl.constexpr = T % SEGMENT != 0
    for first in range(0, T, SEGMENT):
        _, _, v, u = _charge(
            x, always, first, v, u, p, c, T, CUT, members, member, lanes, lane, spikes,
            STEP, SEGMENT, AHEAD, STILL, True,
        )  # fmt: skip


@triton.jit(do_not_specialize=SIZES)
def _backward(
    grad, x, gx, gp, checkpoints, parameters, members, lanes, width, unity,
    STEP: tl.constexpr, ADJOINT: tl.constexpr, STATES: tl.constexpr, LEARNED: tl.constexpr, C: tl.constexpr,
    T: tl.constexpr, SEGMENT: tl.constexpr, AHEAD: tl.constexpr,
    STILL: tl.constexpr, SHARED: tl.constexpr, DTYPE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``checkpoints`` [segments * STATES, members, lanes]; ``gp`` [LEARNED, members, lanes] or, of shared
    parameters, [LEARNED, members, programs of a member]. ``unity`` is 1, which the compiler cannot know: it
    keeps it from holding on to what a step computed on the way forward until the adjoint computes it again,
    which cost a third of all registers.
    """
    SEGMENTS: tl.constexpr = (T + SEGMENT - 1) // SEGMENT
    KEPT: tl.constexpr = SEGMENTS * STATES
    member = tl.program_id(1).to(tl.int64)
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    c, p, v, u = _start(parameters, members, member, width, lanes, lane, C, SHARED, DTYPE)
    always = _read(x, 0, T, False, members, member, lanes, lane)
    CUT: tl.constexpr = T % SEGMENT != 0

    if SEGMENTS > 1:
        for segment in range(SEGMENTS):
            _write(checkpoints, v, segment * STATES, KEPT, False, members, member, lanes, lane)
            if STATES > 1:
                _write(checkpoints, u, segment * STATES + 1, KEPT, False, members, member, lanes, lane)
            if segment < SEGMENTS - 1:
                _, _, v, u = _charge(
                    x, always, segment * SEGMENT, v, u, p, c, T, CUT, members, member, lanes, lane, x,
                    STEP, SEGMENT, AHEAD, STILL, False,
                )  # fmt: skip
        tl.debug_barrier()  # threads may read back what others wrote

    gv = tl.zeros([BLOCK], DTYPE)
    gu, g0, g1, g2, g3 = gv, gv, gv, gv, gv
    for back in range(SEGMENTS):
        segment = SEGMENTS - 1 - back
        first = segment * SEGMENT
        if SEGMENTS > 1:
            v = _read(checkpoints, segment * STATES, KEPT, False, members, member, lanes, lane)
            if STATES > 1:
                u = _read(checkpoints, segment * STATES + 1, KEPT, False, members, member, lanes, lane)
        rows, states, _, _ = _charge(
            x, always, first, v, u, p, c, T, CUT, members, member, lanes, lane, x,
            STEP, SEGMENT, AHEAD, STILL, False,
        )  # fmt: skip
        grads = ()
        for i in tl.static_range(SEGMENT + AHEAD - 1, -1, -1):
            if i >= AHEAD:
                grads = grads + (_read(grad, first + i - AHEAD, T, CUT, members, member, lanes, lane),)
            if i < SEGMENT:
                gs = grads[SEGMENT - 1 - i].to(DTYPE)
                g, gv, gu, d0, d1, d2, d3 = ADJOINT(
                    rows[i].to(DTYPE) * unity, states[i][0] * unity, states[i][1] * unity, p, c, gs, gv, gu
                )
                _write(gx, g, first + i, T, CUT, members, member, lanes, lane)
                if LEARNED > 0:
                    g0 += d0
                if LEARNED > 1:
                    g1 += d1
                    g2 += d2
                    g3 += d3
    sums = (g0, g1, g2, g3)
    for i in tl.static_range(LEARNED):
        if SHARED:
            at = gp + (i * members + member) * tl.num_programs(0) + tl.program_id(0)
            tl.store(at, tl.sum(sums[i], axis=0))
        else:
            _write(gp, sums[i], i, LEARNED, False, members, member, lanes, lane)


def forward(
    current: Tensor,
    parameters: Tensor,
    constants: Sequence[float],
    kind: str,
    steps: int,
    spike_dtype: torch.dtype | None = None,
) -> Tensor:
    """``snnlib::neuron`` (``ops.py``); spikes, 0 and 1, have ``spike_dtype``, by default the current's."""
    spikes = current.new_empty((steps, *current.shape[1:]), dtype=spike_dtype or current.dtype)
    if spikes.numel():
        segment = equal_part(steps, WHOLE)
        common, grid = _common(current, parameters, constants, steps, segment, _width(current))
        with torch.cuda.device_of(current):
            _forward[grid](current, spikes, parameters.contiguous(), STEP=STEPS[kind][0], **common)
    return spikes


def backward(
    grad: Tensor, current: Tensor, parameters: Tensor, constants: Sequence[float], kind: str, learn: bool
) -> tuple[Tensor, Tensor]:
    """``snnlib::neuron_backward`` (``ops.py``). Sums over neurons keep an order: they repeat to the bit."""
    steps, members, lanes = grad.shape
    width = parameters.shape[2]
    gx = torch.empty_like(grad, dtype=current.dtype)
    if not grad.numel():
        return gx.zero_(), torch.zeros_like(parameters) if learn else parameters.new_empty(0)
    states, learned = reference.STEPS[kind][1], reference.LEARNED[kind] if learn else 0
    segment = equal_part(steps, WHOLE)
    kept = segment * (1 + states) * max(1, current.element_size() // 4)
    common, grid = _common(current, parameters, constants, steps, segment, _width(current, REGISTERS // kept))
    dtype = reference.precision(current)
    segments = -(-steps // segment) if steps > segment else 0
    checkpoints = current.new_empty((segments * states, members, lanes), dtype=dtype)
    gp = current.new_empty((learned, members, grid[0] if width == 1 else lanes), dtype=dtype)
    step, adjoint = STEPS[kind]
    with torch.cuda.device_of(current):
        _backward[grid](
            grad, current, gx, gp, checkpoints, parameters.contiguous(),
            STEP=step, unity=1.0, ADJOINT=adjoint, STATES=states, LEARNED=learned, **common,
        )  # fmt: skip
    if not learn:
        return gx, parameters.new_empty(0)
    total = torch.zeros_like(parameters)
    per_row = gp.unflatten(2, (-1, width)) if width > 1 else gp.unsqueeze(-1)
    total[:learned] = per_row.sum(2, dtype=torch.float64).to(total.dtype)
    return gx, total


def equal_part(steps: int, most: int) -> int:
    """Steps of each of as few equal parts as possible, none longer than ``most``."""
    return -(-steps // -(-steps // most))


def _width(current: Tensor, limit: int = VECTOR_BYTES) -> int:
    """Neurons of a thread: what one load can carry, fewer where registers (``limit``) or programs lack."""
    size = current.element_size()
    width = VECTOR_BYTES // size
    while width * size > max(4, size) and (width > limit or current[0].numel() < FILL * THREADS * width):
        width //= 2
    return width


def _common(current, parameters, constants, steps, segment, width) -> tuple[dict, tuple[int, int]]:
    """What both kernels are given by name, and how many programs they run in: per member, members."""
    rows, members, lanes = current.shape
    named = {"members": members, "lanes": lanes, "width": parameters.shape[2]}
    named |= {"T": steps, "SEGMENT": segment, "AHEAD": AHEAD}
    named["C"] = tuple(map(float, constants))
    named["DTYPE"] = tl.float64 if reference.precision(current) == torch.float64 else tl.float32
    named |= {"STILL": rows < steps, "SHARED": parameters.shape[2] == 1, "BLOCK": THREADS * width}
    return named | OPTIONS, (-(-lanes // named["BLOCK"]), members)
