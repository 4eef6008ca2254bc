"""Layers over sequences ``[T, B, *]`` that keep no state in time: synapses, pooling of spikes, dropout,
voting.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib.kernels import pooling, still
from snnlib.synapses import Spikes


class TimeBatched(nn.Sequential):
    """Stateless modules applied to all time steps at once, time folded into the batch.

    Batch normalisation inside therefore takes its statistics over all T x B maps together (the usual
    multi-step form; the PLIF authors' loop normalises each time step by itself). A still
    (``encoding.direct``: time stride 0) is computed once and its result repeated (PLIF, Sec. 3.5), unless
    someone asks for its derivatives, of which each step has its own. In eval mode it would be the same T
    times; in training a layer sees B maps where it would see T x B: the running variance is that of n = B H W
    values times n / (n - 1), n = 1 is refused, and an ``nn.Dropout`` inside has one mask for all steps.
    """

    def forward(self, x_seq: Tensor | Spikes) -> Tensor:
        steps, batch = x_seq.shape[:2]
        if isinstance(x_seq, Spikes):
            return super().forward(x_seq).unflatten(0, (steps, batch))
        if still.at_every_step(x_seq):
            return still.repeated(super().forward(x_seq[0]), steps)
        return super().forward(x_seq.flatten(0, 1)).unflatten(0, (steps, batch))


class TimeSharedDropout(nn.Module):
    """Dropout with one mask per sample for all its time steps (PLIF, Sec. 4.1)."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, x_seq: Tensor) -> Tensor:
        if not self.training:
            return x_seq
        return x_seq * functional.dropout(torch.ones_like(x_seq[0]), self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _SpikeMaxPool(nn.MaxPool2d):
    def forward(self, x: Tensor) -> Tensor:
        return pooling.max_pool(x, self.kernel_size, self.stride)


def spike_max_pool(kernel: int, stride: int) -> TimeBatched:
    """Max-pooling of spikes: any spike in the window passes, and spikes stay binary (PLIF, Sec. 3.6)."""
    return TimeBatched(_SpikeMaxPool(kernel, stride))


def max_pool_window(layer: nn.Module) -> int:
    """Side of the windows of a ``spike_max_pool`` whose windows lie side by side; 0 for any other layer."""
    pool = layer[0] if isinstance(layer, TimeBatched) else None
    fits = isinstance(pool, _SpikeMaxPool) and pool.kernel_size == pool.stride
    return pool.kernel_size if fits else 0


def norm_of_maps(layer: nn.Module) -> nn.BatchNorm2d | None:
    """The normalisation with which a layer over all time steps ends, or None."""
    last = layer[-1] if isinstance(layer, TimeBatched) and len(layer) else None
    return last if type(last) is nn.BatchNorm2d else None


def spike_average_pool(kernel: int, stride: int) -> TimeBatched:
    """Average-pooling of spikes: what leaves is a graded value, the share of the window that fired."""
    return TimeBatched(nn.AvgPool2d(kernel, stride))


class Voting(nn.Module):
    """Mean over consecutive groups of ``size`` output neurons, ``[T, B, size C] -> [T, B, C]`` (PLIF, Sec.
    4.1).
    """

    def __init__(self, size: int = 10):
        super().__init__()
        self.size = size

    def forward(self, spikes: Tensor) -> Tensor:
        wide = torch.promote_types(spikes.dtype, torch.float32)  # tenths are no numbers of half precision
        return spikes.unflatten(-1, (-1, self.size)).mean(-1, dtype=wide)

    def extra_repr(self) -> str:
        return f"size={self.size}"
