"""The Bernoulli encoder on a GPU: each probability is read once, and its spikes of all steps are written.

The numbers of ``encoding.bernoulli``: SplitMix64 of the key, the place and the pair of steps gives 64 bits,
32 for each of two steps. The key stays on the device, so that nothing waits for it and a recorded step draws
anew.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnlib.kernels import gpu

BLOCK = 512


@triton.jit
def _mix(z):
    z = (z ^ (z >> 30)) * tl.full((), 0xBF58476D1CE4E5B9, tl.uint64)
    z = (z ^ (z >> 27)) * tl.full((), 0x94D049BB133111EB, tl.uint64)
    return z ^ (z >> 31)


@triton.jit
def _bernoulli(x, key, spikes, count, T: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    bound = (tl.load(x + place, mask=inside, other=0).to(tl.float64) * 4294967296.0).to(tl.int64)
    start = tl.load(key).to(tl.uint64)
    PAIRS: tl.constexpr = (T + 1) // 2
    for pair in range(PAIRS):
        counter = (place * PAIRS + pair + 1).to(tl.uint64)
        bits = _mix(start + counter * tl.full((), 0x9E3779B97F4A7C15, tl.uint64))
        low, high = (bits & 0xFFFFFFFF).to(tl.int64), (bits >> 32).to(tl.int64)
        at = spikes + tl.full((), 2, tl.int64) * pair * count + place
        tl.store(at, (low < bound).to(tl.float32).to(spikes.dtype.element_ty), mask=inside)
        second = inside & (2 * pair + 1 < T)
        tl.store(at + count, (high < bound).to(tl.float32).to(spikes.dtype.element_ty), mask=second)


def bernoulli(x: Tensor, key: Tensor, time_steps: int) -> Tensor:
    """Spikes ``[T, *]`` of contiguous probabilities x ``[*]``; ``key`` is an int64 number on their device."""
    spikes = x.new_empty((time_steps, *x.shape))
    if x.numel():
        with torch.cuda.device_of(x):
            _bernoulli[(-(-x.numel() // BLOCK),)](
                x, key, spikes, x.numel(), T=time_steps, BLOCK=BLOCK, **gpu.OPTIONS
            )
    return spikes
