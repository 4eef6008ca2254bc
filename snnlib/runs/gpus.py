"""What a run takes on a GPU: its memory, and its time where none was measured, from the card's data sheet. An
estimate, not a measurement: products run at a share of the peak, bytes at a share of the bandwidth, one after
the other, and every kernel of a recorded step has to be started.
"""

import re
from collections.abc import Sequence

from snnlib.runs import plan, store
from snnlib.runs.config import Run

SHEETS = {
    "H100": (67, 495, 989, 3350),
    "A100": (19.5, 156, 312, 2039),
    "RTX 4090": (82.6, 82.6, 165, 1008),
    "T4": (8.1, 8.1, 8.1, 320),
}
"""TFLOP/s in float32, TF32 and bfloat16 without sparsity, GB/s of memory: NVIDIA's data sheets (of H100 SXM
and A100 SXM 80 GB). Where a card has no units for a precision stands float32.
"""

OTHERS = {"PCIE", "NVL", "40GB", "LAPTOP", "D", "MIG"}
"""Words that make of a card one with other numbers, which are not in SHEETS."""

SHARE_OF_PEAK, SHARE_OF_BANDWIDTH = 0.4, 0.6
"""What products of these sizes and kernels that only move numbers usually reach."""

LAUNCHES, LAUNCH = 200, 1.5e-6
"""Kernels of a recorded step, and seconds from one to the next."""

BYTES, ADAM = 40, 28
"""Of each neuron-step, forward and backward, in float32 (20 for neurons alone, see 07_performance, as many
for what the synapses write and read again); of each weight in a step of Adam.
"""

STATE, CUDA = 16, 2 * 2**30
"""Bytes of each weight, its gradient and Adam's two moments; of CUDA, its libraries and PyTorch's reserve."""


def memory(unit: Sequence[Run]) -> float:
    """Bytes that runs trained together take: 2.8 GiB for Table S1's Fashion-MNIST net, of which an H100 took
    3.0.
    """
    total = CUDA
    for run in unit:
        _, neuron_steps, weights = plan.work(run)
        total += run.batch_size * BYTES * neuron_steps + STATE * weights
    return total


def sheet(gpu: str) -> tuple[float, ...] | None:
    """The data sheet of a GPU named as its driver or its seller names it, or None."""
    words = set(re.split(r"[\s-]+", gpu.upper()))
    found = (numbers for name, numbers in SHEETS.items() if set(name.split()) <= words)
    return None if words & OTHERS else next(found, None)


def left(runs: Sequence[Run], profile: str, gpu: str) -> float:
    """Seconds that the runs still take on a GPU of SHEETS, one after the other, by this estimate."""
    return sum(seconds(r, gpu) * (1 - store.share_done(r, store.folder(profile))) for r in runs)


def seconds(run: Run, gpu: str) -> float:
    """Seconds of one run on a GPU of SHEETS."""
    *peaks, bandwidth = sheet(gpu)
    peak = dict(zip(("", "tf32", "bfloat16"), peaks, strict=True))[run.precision] * 1e12 * SHARE_OF_PEAK
    speed = bandwidth * 1e9 * SHARE_OF_BANDWIDTH
    multiply_adds, neuron_steps, weights = plan.work(run)
    narrow = 0.5 if run.precision == "bfloat16" else 1.0
    sample = 6 * multiply_adds / peak + narrow * BYTES * neuron_steps / speed
    train, test = plan.samples_of(run)
    steps = train / run.batch_size
    return run.epochs * ((train + test / 3) * sample + steps * (ADAM * weights / speed + LAUNCHES * LAUNCH))
