"""From values to sequences ``[T, B, *]``, time first. All randomness comes from the generator that is
handed in.

Every encoder raises ValueError for less than one time step, and, but for ``direct``, which hands on whatever
it gets, for values that are not floating point, not finite or out of its range. Values beyond it by less than
1e-6, by rounding alone, count as its ends.
"""

from numbers import Integral

import torch
from torch import Tensor

from snnlib.kernels import ops, threads
from snnlib.synapses import Spikes


def bernoulli(x: Tensor, time_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Each step spikes with probability x in [0, 1], drawn afresh (MDN's images; the PLIF paper calls it
    Poisson).

    The generator gives one number; from it, and from the place and the step, a counter-based generator
    (SplitMix64) makes each draw: for one such number the same spikes on every device, dense or listed.
    """
    x = _checked("bernoulli", x, time_steps)
    key, pairs = _key(generator, x.device), (time_steps + 1) // 2
    if ops.has_kernel(x) and x.device.type == "cuda":
        from snnlib.kernels import gpu_encoding

        return gpu_encoding.bernoulli(x.detach().contiguous(), key, time_steps)
    if ops.has_kernel(x) and x.device.type == "cpu" and x.dim() >= 2:
        from snnlib.kernels import cpu_events

        p = x.detach().flatten(1).contiguous()
        spikes = p.new_empty((time_steps, *p.shape))
        threads.share(cpu_events.bernoulli_dense, (p, int(key), spikes), len(p), spikes.numel())
        return spikes.view(time_steps, *x.shape)
    counter = torch.arange(x.numel() * pairs, device=x.device).view(-1, pairs) + 1
    bits = _mix(key + counter * _signed(0x9E3779B97F4A7C15))
    draws = torch.stack([bits & 0xFFFFFFFF, (bits >> 32) & 0xFFFFFFFF], -1).view(-1, 2 * pairs)[
        :, :time_steps
    ]
    bound = (x.double().reshape(-1, 1) * 2.0**32).long()
    return (draws < bound).t().to(x.dtype).reshape(time_steps, *x.shape)


def bernoulli_spikes(x: Tensor, time_steps: int, generator: torch.Generator | None = None) -> Spikes:
    """The spikes of ``bernoulli`` for x ``[B, N]`` on a CPU, as lists of indices: inputs that spike at most
    steps are listed once per sample, and then the steps at which they do not.
    """
    from snnlib.kernels import cpu_events

    if x.dim() != 2 or x.device.type != "cpu":
        raise ValueError(
            f"bernoulli_spikes needs values [B, N] on a CPU, got {list(x.shape)} on {x.device}: use bernoulli"
        )
    dtype, x = x.dtype, _checked("bernoulli_spikes", x, time_steps)
    key, x = _key(generator, x.device), x.detach().to(torch.promote_types(dtype, torch.float32)).contiguous()
    often = _often(x, time_steps)
    room = (x > 0).sum(1).repeat(time_steps)  # the most that each row can hold
    first = room.cumsum(0) - room
    count, indices = torch.empty_like(first), torch.empty(int(room.sum()) + 1, dtype=torch.int32)
    values = torch.empty(len(indices), dtype=x.dtype)
    arguments = (x, often, int(key), indices, first, count, values)
    threads.share(cpu_events.bernoulli, arguments, len(x), int(room.sum()))
    always = often.sum(1)
    base = Spikes((1, *x.shape), often.nonzero()[:, 1].int(), always.cumsum(0) - always, always, None, dtype)
    return Spikes((time_steps, *x.shape), indices, first, count, values, dtype, base)


def listed_share(x: Tensor, time_steps: int) -> float:
    """Expected entries of ``bernoulli_spikes`` per input and step, those that are listed once included."""
    _check_steps("bernoulli_spikes", time_steps)
    return torch.where(_often(x, time_steps), 1 - x + 1 / time_steps, x).mean().item()


def _often(x: Tensor, time_steps: int) -> Tensor:
    """Where one entry for a sample and the silent steps are expected to be fewer than the spikes."""
    return x > 0.5 + 0.5 / time_steps


def _key(generator: torch.Generator | None, device: torch.device) -> Tensor:
    return torch.randint(2**62, (), generator=generator, device=device)


def _signed(constant: int) -> int:
    return constant - 2**64 if constant >= 2**63 else constant


def _mix(z: Tensor) -> Tensor:
    """``kernels.cpu_events._mix`` on signed 64-bit tensors, whose shift to the right carries the sign."""
    z = (z ^ ((z >> 30) & (2**34 - 1))) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ ((z >> 27) & (2**37 - 1))) * _signed(0x94D049BB133111EB)
    return z ^ ((z >> 31) & (2**33 - 1))


def poisson(rate: Tensor, time_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Number of events of a Poisson process in each step, mean ``rate`` per step, from 0 to 1e9."""
    rate = _checked("poisson", rate, time_steps, most=1e9)
    return torch.poisson(rate.expand(time_steps, *rate.shape), generator=generator)


def latency(x: Tensor, time_steps: int) -> Tensor:
    """One spike per value x in [0, 1], the larger the earlier: t = floor((T - 1)(1 - x)) (PLIF, supplement
    10).
    """
    x = _checked("latency", x, time_steps)
    when = ((time_steps - 1) * (1 - x)).floor().long()
    return torch.zeros((time_steps, *x.shape), dtype=x.dtype, device=x.device).scatter_(0, when[None], 1.0)


def direct(x: Tensor, time_steps: int) -> Tensor:
    """The value itself at every step. A view whose time stride is 0: layers see that it is a still, and
    compute once.
    """
    _check_steps("direct", time_steps)
    return x.expand(time_steps, *x.shape)


def _checked(encoder: str, x: Tensor, time_steps: int, most: float = 1.0) -> Tensor:
    """x within [0, most], rounding errors taken off."""
    _check_steps(encoder, time_steps)
    if x.is_cuda and torch.cuda.is_current_stream_capturing():  # nobody could read the bounds of a recording
        return x.clamp(0, most)
    low, high = map(float, x.aminmax()) if x.numel() and not x.is_complex() else (0.0, 0.0)
    if not x.is_floating_point() or not (low >= -1e-6 and high <= most + 1e-6):
        raise ValueError(
            f"{encoder} needs finite floating-point values from 0 to {most:g}, got {x.dtype} from {low:g} to "
            f"{high:g}; scale them first (pixels: x / 255)."
        )
    return x if low >= 0 and high <= most else x.clamp(0, most)


def _check_steps(encoder: str, time_steps: int) -> None:
    if not isinstance(time_steps, Integral) or time_steps < 1:
        raise ValueError(f"{encoder} needs a whole number of at least 1 time step, got {time_steps!r}.")
