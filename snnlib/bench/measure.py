"""Time implementations of the same work against each other: outputs first, then in turns, then ratios.

A ``Contender`` is one implementation of one piece of work. ``contest`` refuses those whose outputs differ
from the first one's, times the others in interleaved rounds (A, B, C, A, B, C, ...) so that a busy machine
hits all alike, and returns rows; ``table`` adds the ratios.
"""

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

COLUMNS = (
    "work",
    "device",
    "implementation",
    "version",
    "pass",
    "median_ms",
    "low_ms",
    "high_ms",
    "peak_mib",
    "ratio_to_best_peer",
    "ratio_to_floor",
)
NAN = float("nan")


@dataclass(frozen=True)
class Contender:
    """One implementation of a piece of work.

    ``passes``: name of a pass -> a function without arguments that does it once. ``outputs``: what it
    computes, by name, for comparison; None for a floor, which computes nothing. ``roles``: one or more of
    "ours", "peer" (another library), "loop" (the plain PyTorch loop), "floor" (what the hardware allows).
    ``recorded``: as a graph on a GPU, whose replay allocates nothing: its memory is not told (NaN).
    """

    implementation: str
    version: str
    passes: dict[str, Callable[[], object]]
    outputs: Callable[[], dict[str, Tensor]] | None = None
    roles: tuple[str, ...] = ("peer",)
    recorded: bool = False


@dataclass(frozen=True)
class Effort:
    """How long to measure: ``seconds`` for each pass of a work, shared by its contenders; each is called at
    least ``least`` times (beside calls to warm up) and at most ``most`` times.
    """

    seconds: float = 1.0
    least: int = 5
    most: int = 50

    def __post_init__(self):
        if not self.seconds >= 0:
            raise ValueError(f"An effort needs seconds >= 0, got {self.seconds}.")


@dataclass
class Results:
    """Rows as ``contest`` makes them, and sentences on what did not take part."""

    rows: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, work, device, contender, name, peak, median=NAN, low=NAN, high=NAN) -> None:
        """A row on the pass ``name`` of a contender: MiB at most, and ms."""
        about = (work, device, contender.implementation, contender.version, name, median, low, high, peak)
        self.rows.append(dict(zip(COLUMNS[: len(about)], about, strict=True)) | {"roles": contender.roles})


def share_different(ours: Tensor, theirs: Tensor, tolerance: float = 1e-3) -> float:
    """Share of elements further apart than ``tolerance`` times the largest magnitude of ``ours``; 1.0 where
    shapes differ or a value is not a number.
    """
    if ours.shape != theirs.shape:
        return 1.0
    if not ours.numel():
        return 0.0
    ours, theirs = ours.detach().double(), theirs.detach().double()
    far = ~((ours - theirs).abs() <= tolerance * ours.abs().max())
    return far.double().mean().item()


def refusal(reference: dict[str, Tensor], outputs: dict[str, Tensor], allowed: float) -> str:
    """Why the outputs are not those of the same work, in words; "" if they are.

    Compared is what both name; ``allowed`` is the share of elements that may differ. Another order of
    operations rounds differently, and a potential that lies on the threshold then makes another spike.
    """
    common = [name for name in reference if name in outputs]
    if not common:
        return "it has no output that could be compared"
    for name in common:
        share = share_different(reference[name], outputs[name])
        if share > allowed:
            return f"{100 * share:.3g} % of its {name} differ (allowed {100 * allowed:g} %)"
    return ""


def contest(
    work: str,
    contenders: Sequence[Contender],
    effort: Effort,
    results: Results,
    device: str = "cpu",
    allowed: float = 1e-3,
    passes: Sequence[str] | None = None,
    scale: float = 1.0,
) -> None:
    """Compare the outputs of the contenders, time the passes of those that agree with the first, and append
    rows and notes to ``results``. ``passes``: which (None: all); ``scale``: by what times are multiplied,
    where a part of a work stands for the whole.

    Raises ValueError if the first contender, the reference, has outputs that are all equal (no spike, say):
    agreement with them would mean nothing.
    """
    gc.collect()
    reference = contenders[0].outputs()
    for name, tensor in reference.items():
        if tensor.numel() > 1 and tensor.min() == tensor.max():
            raise ValueError(
                f"{work}: all {name} are {tensor.flatten()[0]:g}; choose an input that tells more."
            )
    admitted = [contenders[0]]
    for contender in contenders[1:]:
        why = "" if contender.outputs is None else refusal(reference, contender.outputs(), allowed)
        if why:
            results.notes.append(f"{work}: {contender.implementation} is not timed, {why}.")
        else:
            admitted.append(contender)
    del reference
    for name in passes or dict.fromkeys(name for contender in admitted for name in contender.passes):
        taking_part = [contender for contender in admitted if name in contender.passes]
        calls = [contender.passes[name] for contender in taking_part]
        for call in calls:
            call()  # compiles and makes what is needed once, such as Adam's state: no part of the peak
        peaks = [NAN if c.recorded else memory_of(c.passes[name], device).peak for c in taking_part]
        timed = in_turns(calls, effort, device)
        for samples, peak, contender in zip(timed, peaks, taking_part, strict=True):
            times = 1e3 * scale * np.percentile(samples, [50, 25, 75])  # median, low, high
            results.add(work, device, contender, name, peak, *times)


def in_turns(calls: Sequence[Callable], effort: Effort, device: str = "cpu") -> list[list[float]]:
    """Seconds of each call, measured in rounds: every round calls each once, in order. On a GPU twenty calls
    of each come before; elsewhere the caller has warmed up.

    A call that has used its share of ``effort.seconds`` leaves the rounds, but not before ``effort.least``.
    """
    samples: list[list[float]] = [[] for _ in calls]
    for call in calls if device.startswith("cuda") else ():
        for _ in range(20):
            clock(call, device)
    share = effort.seconds / max(1, len(calls))
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(effort.most):
            active = [
                (call, taken)
                for call, taken in zip(calls, samples, strict=True)
                if len(taken) < effort.least or sum(taken) < share
            ]
            if not active:
                break
            for call, taken in active:
                taken.append(clock(call, device))
    finally:
        if collecting:
            gc.enable()
    return samples


def clock(call: Callable, device: str = "cpu") -> float:
    """Seconds of one call; on a GPU by its own events, everything before and after finished."""
    if device.startswith("cuda"):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        kept = call()
        end.record()
        torch.cuda.synchronize(device)
        seconds = start.elapsed_time(end) / 1e3
    else:
        began = time.perf_counter()
        kept = call()
        seconds = time.perf_counter() - began
    del kept  # what a call returns is freed when the clock has stopped
    return seconds


def table(rows: Iterable[dict]) -> pd.DataFrame:
    """The rows with the columns ``COLUMNS``.

    ``ratio_to_best_peer``: median of the fastest peer (of the plain PyTorch loop where no library took part)
    over the row's own, so more than 1 is faster. ``ratio_to_floor``: the row's median over the floor's, so 1
    is all that the hardware allows. NaN where there is nothing to compare with.
    """
    rows, found = list(rows), []
    for row in rows:
        same = [r for r in rows if all(r[key] == row[key] for key in ("work", "device", "pass"))]
        peer = _fastest(same, "peer")
        best = peer if np.isfinite(peer) else _fastest(same, "loop")
        ratios = {"ratio_to_best_peer": best / row["median_ms"]}
        ratios["ratio_to_floor"] = row["median_ms"] / _fastest(same, "floor")
        found.append({**row, **ratios})
    return pd.DataFrame(found, columns=list(COLUMNS))


def _fastest(rows, role):
    return min((row["median_ms"] for row in rows if role in row["roles"]), default=NAN)


@dataclass(frozen=True)
class Memory:
    """MiB that a call took beyond what was there before: at most, and at its end with its result alive."""

    peak: float
    after: float


def memory_of(call: Callable, device: str = "cpu") -> Memory:
    """Memory of one call. On a GPU what PyTorch allocates; on Linux the pages of the process, so that no
    library can hide what it takes; NaN on other systems.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        kept = call()
        torch.cuda.synchronize(device)
        now = torch.cuda.max_memory_allocated(device), torch.cuda.memory_allocated(device)
        del kept
        return Memory(*((value - before) / 2**20 for value in now))
    try:
        with contextlib.suppress(AttributeError):  # glibc: give back what it keeps for later
            ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak starts anew
    except (OSError, TypeError):  # no Linux, where alone the system tells
        return Memory(NAN, NAN)
    before = _pages("VmRSS")
    kept = call()
    now = _pages("VmHWM"), _pages("VmRSS")
    del kept
    return Memory(*(max(0.0, value - before) for value in now))


def _pages(name: str) -> float:
    """A line of the process's status, in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))
