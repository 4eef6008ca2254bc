"""Random streams: one seed decides everything, and each use of randomness has a stream of its own."""

import numpy as np
import torch


def stream(seed: int, epoch: int, purpose: str) -> int:
    """A seed for one use of randomness in one epoch, so that no use shifts another."""
    return int(
        np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(1, np.uint64)[0]
        >> np.uint64(1)
    )


def generator(seed: int, epoch: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A generator at the start of that stream."""
    return torch.Generator(device).manual_seed(stream(seed, epoch, purpose))
