"""A task is data with a passport: four tensors, how they enter a network, and where they really came from."""

import functools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import encoding, synapses
from ..provenance import Passport
from . import disturbance

ENCODINGS = ("bernoulli", "direct", "sequence")
AUGMENTATIONS = ("none", "affine", "crop_flip")


@dataclass(frozen=True)
class Task:
    """Train and test tensors of one data set as one of the two papers uses it.

    Tensors are sample first: stills ``[N, *]``, sequences ``[N, T, *]``; uint8 for pixels and event counts,
    float32 for features. Labels are int64 ``[N]``, or float32 ``[N, classes]`` of 0 and 1.
    ``input_shape`` is one time step of one sample as the network sees it (MDN: flat).

    How a sample becomes a sequence (``encoding``):
    "bernoulli"  the value in [0, 1] is the spike probability of each step, drawn afresh at each step (MDN,
    images);
    "direct"     the still is repeated at every step (PLIF, images; MDN, NETtalk);
    "sequence"   the sample has a time axis of its own.
    ``scale`` brings the stored numbers to the network's unit (1/255 for pixels). ``mean`` and ``std`` (per
    channel) normalise PLIF's stills; ``normalise_batch`` subtracts one mean and divides by one standard
    deviation, both over the whole batch (MDN, TIMIT). ``order`` is what is done to the steps at last, in
    training and in testing (``disturbance``; "": nothing).
    """

    name: str
    paper: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    time_steps: int
    input_shape: tuple
    classes: int
    encoding: str
    passport: Passport
    scale: float = 1.0
    mean: tuple | None = None
    std: tuple | None = None
    normalise_batch: bool = False
    augmentation: str = "none"
    order: str = ""

    def __post_init__(self):
        for value, allowed in ((self.encoding, ENCODINGS), (self.augmentation, AUGMENTATIONS)):
            if value not in allowed:
                raise ValueError(f"task {self.name}: {value!r} is not one of {', '.join(allowed)}")

    def encode(self, x: Tensor, generator: torch.Generator, train: bool) -> Tensor | synapses.Spikes:
        """``batch``, as ``training.fit`` asks for it: sparse spikes as lists."""
        return self.batch(x, generator, train, listed=True)

    def test_batch_size(self, batch_size: int, device: str = "cpu") -> int:
        """In what batches runs with this batch size are tested: at least 100 for MDN's networks, in which
        nothing depends on the batch unless it is normalised as a whole; on a GPU 500 for PLIF's, or as many
        as have six million inputs (128 maps of them in float32 take 3 GB).
        """
        if self.paper == "mdn":
            return batch_size if self.normalise_batch else max(batch_size, 100)
        inputs = self.time_steps * math.prod(self.input_shape[1:])
        return max(batch_size, min(500, 6_000_000 // inputs)) if device.startswith("cuda") else batch_size

    def batch(
        self, x: Tensor, generator: torch.Generator, train: bool, listed: bool = False
    ) -> Tensor | synapses.Spikes:
        """Encode samples ``x`` (rows of ``train_x`` or ``test_x``, on any device) as ``[T, B,
        *input_shape]`` float32; with ``listed``, sparse random spikes on a CPU as ``synapses.Spikes``, for a
        network that begins with ``synapses.Linear``.

        Scales, augments (only if ``train``), normalises, encodes, puts in ``order``. All randomness comes
        from ``generator``, which must live on the device of ``x``.
        """
        if self.order:
            x_seq = replace(self, order="").batch(x, generator, train)
            return disturbance.disturbed(x_seq, self.order, generator)
        x = x.to(torch.float32)
        if self.scale != 1.0:
            x = x * self.scale
        if train and self.augmentation != "none":
            x = {"affine": random_affine, "crop_flip": random_crop_flip}[self.augmentation](x, generator)
        if self.mean is not None:
            shape = (-1, *[1] * (x.dim() - 2))
            x = (x - _there(self.mean, x.device).view(shape)) / _there(self.std, x.device).view(shape)
        if self.normalise_batch:
            x = (x - x.mean()) / x.std(correction=0).clamp_min(1e-6)
        if self.encoding == "sequence":
            return x.reshape(len(x), self.time_steps, *self.input_shape).transpose(0, 1).contiguous()
        x = x.reshape(len(x), *self.input_shape)
        if self.encoding == "bernoulli":
            if listed and x.device.type == "cpu" and x.dim() == 2:
                if encoding.listed_share(x, self.time_steps) < synapses.LISTED_BELOW:
                    return encoding.bernoulli_spikes(x, self.time_steps, generator)
            return encoding.bernoulli(x, self.time_steps, generator)
        return encoding.direct(x, self.time_steps)


@functools.cache
def _there(values: tuple, device: torch.device) -> Tensor:
    """On the device from the first call on: a recorded step copies nothing there."""
    return torch.tensor(values, dtype=torch.float32, device=device)


def random_affine(
    x: Tensor,
    generator: torch.Generator,
    degrees: float = 30.0,
    shift: float = 0.15,
    scale: tuple = (0.85, 1.11),
) -> Tensor:
    """Rotate, shift and scale each image of ``x`` ``[B, C, H, W]`` at random, black outside (PLIF's MNIST).

    Nearest neighbour, as torchvision's RandomAffine has it by default; one draw of four numbers an image.
    """
    angle, dx, dy, size = torch.rand(4, len(x), generator=generator, device=x.device)
    angle = (2 * angle - 1) * degrees * torch.pi / 180
    size = scale[0] + size * (scale[1] - scale[0])
    # The grid maps output positions to input positions: undo the shift, then rotation and scale.
    cos, sin = angle.cos() / size, angle.sin() / size
    dx, dy = (2 * dx - 1) * 2 * shift, (2 * dy - 1) * 2 * shift  # in grid units: the picture is 2 wide
    rows = cos, sin, -(cos * dx + sin * dy), -sin, cos, sin * dx - cos * dy
    grid = F.affine_grid(torch.stack(rows, -1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", align_corners=False)


def random_crop_flip(x: Tensor, generator: torch.Generator, pad: int = 4) -> Tensor:
    """Pad each image of ``x`` ``[B, C, H, W]`` with black, cut its size out at random, mirror half of
    them."""
    b, _, h, w = x.shape
    top, left = torch.randint(0, 2 * pad + 1, (2, b, 1), generator=generator, device=x.device)
    rows = top + torch.arange(h, device=x.device)
    columns = left + torch.arange(w, device=x.device)
    mirrored = torch.rand(b, 1, generator=generator, device=x.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    x = F.pad(x, (pad,) * 4).movedim(1, -1)  # channel last, so that one gather cuts all channels
    picked = x[torch.arange(b, device=x.device)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.movedim(-1, 1).contiguous()
