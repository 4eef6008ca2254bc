"""What can be done to the time axis of an input ``[T, B, *]``: other orders of its steps, and disturbances.

``disturbed(x_seq, how, generator)``. ``how`` is one of ORDERS, or one of STRENGTHS with its strength,
"noise:0.5". All randomness comes from the generator, which lives on the device of the input, and each sample
gets its own.
"""

import torch
from torch import Tensor

ORDERS = ("in order", "shuffled", "reversed")
"""As it is; the steps of each sample in an order of its own; from the last to the first."""

STRENGTHS = ("noise", "deletion", "jitter", "warp")
"""noise:s      Gaussian, s times as wide as the values of the whole batch are;
deletion:p   every value is set to 0 with probability p;
jitter:k     every step shows what happens up to k steps earlier or later;
warp:w       time runs w times as fast, and the last step stays when it is over."""


LARGEST = 1000
"""More of noise, steps or speed leaves nothing of the input, and overflows in the end."""


def checked(how: str) -> tuple[str, float]:
    """(what, strength) of a disturbance in words. ValueError for one that is not known."""
    what, _, strength = how.partition(":")
    try:
        if how in ORDERS or (
            what in STRENGTHS and 0 < float(strength) <= (1 if what == "deletion" else LARGEST)
        ):
            return what, float(strength or 0)
    except ValueError:
        pass
    raise ValueError(
        f"{how!r} is no order or disturbance of time: use {', '.join(ORDERS)} or, with a strength above 0 "
        f"(deletion up to 1, else {LARGEST}), {', '.join(f'{name}:0.5' for name in STRENGTHS)}."
    )


def disturbed(x_seq: Tensor, how: str, generator: torch.Generator) -> Tensor:
    """The input ``[T, B, *]`` with its steps in another order, or disturbed. ValueError as ``checked``."""
    (what, strength), (steps, batch) = checked(how), x_seq.shape[:2]
    if what == "reversed":
        return x_seq.flip(0)
    if what == "noise":
        noise = torch.empty_like(x_seq).normal_(generator=generator)
        return x_seq + strength * x_seq.std(correction=0) * noise
    draws = {"generator": generator, "device": x_seq.device}
    if what == "deletion":
        return x_seq * (torch.rand(x_seq.shape, **draws) >= strength)
    at = torch.arange(steps, device=x_seq.device).view(-1, 1).expand(steps, batch)
    if what == "shuffled":
        at = torch.rand(steps, batch, **draws).argsort(0)
    elif what == "jitter":
        at = at + ((2 * torch.rand(steps, batch, **draws) - 1) * (strength + 0.5)).round().long()
    elif what == "warp":
        at = (at * strength).long()
    return x_seq[at.clamp(0, steps - 1), torch.arange(batch, device=x_seq.device)]
