"""From values to sequences ``[T, B, *]``, time first. All randomness comes from the generator that is
handed in.
"""

import torch
from torch import Tensor


def bernoulli(x: Tensor, time_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Each step spikes with probability x in [0, 1], drawn afresh (MDN's images; the PLIF paper calls it
    Poisson).
    """
    draw = torch.rand((time_steps, *x.shape), generator=generator, dtype=x.dtype, device=x.device)
    return (draw < x).to(x.dtype)


def poisson(rate: Tensor, time_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Number of events of a Poisson process in each step, mean ``rate`` >= 0 per step; may exceed 1."""
    return torch.poisson(rate.expand(time_steps, *rate.shape), generator=generator)


def latency(x: Tensor, time_steps: int) -> Tensor:
    """One spike per value x in [0, 1], the larger the earlier: t = floor((T - 1)(1 - x)) (PLIF, supplement
    10).
    """
    when = ((time_steps - 1) * (1 - x)).floor().long()
    return torch.zeros((time_steps, *x.shape), dtype=x.dtype, device=x.device).scatter_(0, when[None], 1.0)


def direct(x: Tensor, time_steps: int) -> Tensor:
    """The value itself at every step. A view whose time stride is 0: layers see that it is a still, and
    compute once.
    """
    return x.expand(time_steps, *x.shape)
