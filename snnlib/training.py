"""Fit one network to one task, epoch by epoch, so that it can stop anywhere and go on later with the same
numbers.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib import checkpoints, graphs
from snnlib.kernels import reference
from snnlib.networks import not_finite, recorded_spikes
from snnlib.optimiser import adam, rounded, scheduler_of
from snnlib.synapses import Spikes

Encode = Callable[[Tensor, torch.Generator, bool], Tensor | Spikes]
"""From samples ``[B, *]``, a generator and whether it is for training to ``[T, B, *]``."""


PRECISIONS = ("", "tf32", "bfloat16")
"""How matrices are multiplied and maps convolved: in float32; in float32 rounded to 10 bits of mantissa, on a
GPU; in bfloat16, which is many times as fast where the processor has units for it.
"""


def check_precision(precision: str) -> None:
    """Raises ValueError for a precision that is none of PRECISIONS."""
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision {precision!r} is unknown; use one of {', '.join(map(repr, PRECISIONS))}."
        )


CHECKPOINT_SECONDS = {"cuda": 60.0}
"""Least time between two checkpoints, by device: where an epoch takes two seconds, writing it takes one."""


def squared_error(rates: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of output rates ``[B, C]`` to one-hot labels ``[B]``, or to targets ``[B, C]``;
    ValueError for targets of another shape.
    """
    _check_targets(rates, y)
    target = functional.one_hot(y, rates.shape[1]) if y.dim() == 1 else y
    return functional.mse_loss(rates, target.float())


def cross_entropy(rates: Tensor, y: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of labels ``[B]``, smoothed. Output rates ``[B, C]`` in [0, 1] are scaled to logits that
    meet the smoothed label exactly where the right neuron always fires and the others never. Raises
    ValueError for a ``smoothing`` that is not above 0 and below 1: no scale meets such a label.
    """
    if not 0 < smoothing < 1:
        raise ValueError(
            f"cross_entropy needs a smoothing above 0 and below 1, which sets its scale, got {smoothing}."
        )
    others = smoothing / rates.shape[1]
    scale = math.log((1 - smoothing + others) / others)
    return functional.cross_entropy(scale * rates, y, label_smoothing=smoothing)


def fit(
    network: nn.Module,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    encode: Encode,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int = 0,
    theta_learning_rate: float = 0.0,
    schedule: str = "step50",
    loss: Callable[[Tensor, Tensor], Tensor] = squared_error,
    validation: float = 0.0,
    precision: str = "",
    test_batch_size: int = 0,
    observe: Callable[[nn.Module], dict] = lambda network: {},
    checkpoint: Path | None = None,
    on_epoch: Callable[[list[dict]], None] = lambda history: None,
) -> list[dict]:
    """Train with Adam, by default on the squared error of the output rates (MDN, Eq. 4; PLIF, Sec. 3.7), on
    the device on which the network lies, and test after every epoch.

    ``train`` and ``test`` are samples ``[N, *]`` and targets: class labels ``[N]`` (int64), or several labels
    a sample ``[N, classes]``. ``encode(x, generator, train)`` makes a batch of samples a sequence
    ``[T, B, *]``, with the generator for all its randomness: ``lambda x, generator, train: direct(x, 8)``,
    say. ``network`` returns ``[T, B, classes]``. ``theta_learning_rate`` is eta_D for learnable theta;
    ``test_batch_size`` 0 is the batch size.

    On a GPU the data are copied there once, and a step, its encoding included, is recorded and replayed
    (``graphs.captured``), in its matrix units' layout where ``precision`` asks for them.

    ``precision``: one of PRECISIONS; neurons step, votes are counted and weights change in float32 in any.
    ``fit`` leaves PyTorch's flags for TF32 and its global random state as they were.

    Returns one dict per epoch, with epoch 0 the untrained network: train_loss, test_accuracy,
    validation_accuracy (None without validation), accuracies in percent, spike_rates, seconds, and what
    ``observe`` returns. With ``validation`` > 0 that share of each class of the training set is held out.
    Each epoch draws its own random streams from (seed, epoch): with a ``checkpoint`` path, which is written
    after every epoch, on a GPU every CHECKPOINT_SECONDS, a run that was cut off goes on with the numbers that
    it would have had. A checkpoint of other data or numbers (seed, rates, ...) is not taken, with a warning;
    what ``network``, ``encode`` and ``loss`` compute is not compared.

    Raises ValueError for samples and targets of different numbers, for targets ``[N, classes]`` of another
    width than the network's output, for an unknown ``precision``, for a ``validation`` that is not at least 0
    and below 1, leaves no sample on one side or splits several labels, and for weights that are no longer
    finite.
    """
    check_precision(precision)
    device, y = device_of(network), train[1]
    for name, (samples, targets) in (("training", train), ("test", test)):
        if len(samples) != len(targets) or not len(targets):
            raise ValueError(
                f"The {name} set has {len(samples)} samples and {len(targets)} targets; give one target each."
            )
    train_on, held_out = split(y, validation, seed)
    settings = {
        "seed": seed,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "theta_learning_rate": theta_learning_rate,
        "schedule": schedule,
        "validation": validation,
        "precision": precision,
        "data": checkpoints.digest(*train, *test) if checkpoint else "",
    }
    x, y, *test = (resident(tensor, device) for tensor in (*train, *test))
    if device.startswith("cuda") and precision:  # the layout of the matrix units; any other costs copies
        network.to(memory_format=torch.channels_last)
    optimiser = adam(network, learning_rate, theta_learning_rate)
    generator = torch.Generator(device)

    def update(samples: Tensor, targets: Tensor) -> Tensor:
        x_seq = encode(samples, generator, True)
        with computing(device, precision):
            rates = rates_of(network(x_seq))
        value = loss(rates, targets)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        return value.detach()

    step = graphs.captured(update, (network, optimiser, generator))

    def train_epoch(epoch: int) -> list[float]:
        network.train()
        order = torch.randperm(len(train_on), generator=random_stream(seed, epoch, "order"))
        generator.manual_seed(stream_seed(seed, epoch, "encode"))
        torch.manual_seed(stream_seed(seed, epoch, "dropout"))
        total = torch.zeros((), dtype=torch.float64, device=device)  # there: nothing waits for a step's loss
        with rounded(network, optimiser, precision):
            for batch in train_on[order].to(x.device).split(batch_size):
                value = step(x[batch].to(device), y[batch.to(y.device)].to(device))
                total += value.double() * len(batch)
        return [total.item() / len(train_on)]

    def tested() -> list[dict]:
        size, held = test_batch_size or batch_size, None
        if validation:
            some = [tensor[held_out.to(tensor.device)] for tensor in (x, y)]
            held = evaluate(network, *some, encode, size, seed, precision)[0]
        accuracy, rates = evaluate(network, *test, encode, size, seed, precision)
        return [{"test_accuracy": accuracy, "validation_accuracy": held, "spike_rates": rates}]

    parts = {"network": network, "optimiser": optimiser, "scheduler": scheduler_of(schedule, optimiser)}
    arguments = (epochs, parts, [network], train_epoch, tested, observe, checkpoint, settings)
    # Epochs seed the global stream, from which dropout draws; a network built afterwards draws from it too.
    gpus = [device] if device.startswith("cuda") else []
    with multiplying(device, precision), torch.random.fork_rng(gpus):
        (history,) = each_epoch(*arguments, lambda all_: on_epoch(all_[0]))
    return history


def each_epoch(
    epochs: int,
    parts: dict,
    networks: Sequence[nn.Module],
    train_epoch: Callable[[int], list[float]],
    tested: Callable[[], list[dict]],
    observe: Callable[[nn.Module], dict],
    checkpoint: Path | None,
    settings: dict,
    on_epoch: Callable[[list[list[dict]]], None],
) -> list[list[dict]]:
    """The loop of ``fit`` and of an ensemble: a history for each of the ``networks`` that learn side by side.

    ``parts``: "network", "optimiser" and "scheduler", which the checkpoint holds beside the histories;
    ``train_epoch(epoch)`` returns the mean losses, ``tested()`` the results of tests, one per network;
    ``settings`` tell a checkpoint of this run from others.
    """

    def report(epoch: int, losses: Sequence, began: float) -> list[dict]:
        if broken := not_finite(parts["network"]):
            raise ValueError(
                f"Weights are not finite after epoch {epoch} ({broken}): its neurons would be silent and the "
                "loss look harmless. Lower the learning rate, or look for NaN in the data."
            )
        results = tested()
        seconds = (time.perf_counter() - began) / len(networks)
        return [
            {"epoch": epoch, "train_loss": loss, **result, "seconds": seconds, **observe(network)}
            for network, loss, result in zip(networks, losses, results, strict=True)
        ]

    device, kept = device_of(parts["network"]), time.perf_counter()
    histories = checkpoints.read(checkpoint, parts, settings, len(networks), epochs, device)
    if not histories:
        histories = [[first] for first in report(0, [None] * len(networks), time.perf_counter())]
    for epoch in range(len(histories[0]), epochs + 1):
        began = time.perf_counter()
        losses = train_epoch(epoch)
        parts["scheduler"].step()
        for history, latest in zip(histories, report(epoch, losses, began), strict=True):
            history.append(latest)
        due = time.perf_counter() - kept > CHECKPOINT_SECONDS.get(device.split(":")[0], 0)
        if due:
            checkpoints.write(checkpoint, parts, histories, settings)
            kept = time.perf_counter()
        try:
            on_epoch(histories)
        except BaseException:  # the run is stopped here, and goes on from here
            if not due:
                checkpoints.write(checkpoint, parts, histories, settings)
            raise
    return histories


def computing(device: str, precision: str) -> torch.autocast:
    """The context in which a network computes in ``precision``."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def multiplying(device: str, precision: str) -> Iterator[None]:
    """Within the block a GPU computes in TF32 where ``precision`` says so and nowhere else: left alone,
    PyTorch convolves in it.
    """
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul) if device.startswith("cuda") else ()
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = precision == "tf32"
        yield
    finally:
        for backend, flag in zip(backends, before, strict=True):
            backend.allow_tf32 = flag


@torch.no_grad()
def evaluate(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    encode: Encode,
    batch_size: int,
    seed: int = 0,
    precision: str = "",
) -> tuple[float, list[float]]:
    """(accuracy in percent, mean spike rate of each neuron layer per step) on samples x ``[N, *]`` with
    targets y, as in ``fit``.

    Random encodings are drawn afresh but from the same stream at every call, so that accuracies of one seed
    compare. Each layer is in the mode afterwards, training or eval, that it was in. Raises ValueError for an
    unknown ``precision`` and for targets ``[N, classes]`` of another width than the network's output.
    """
    check_precision(precision)
    training, device = {module: module.training for module in network.modules()}, device_of(network)
    network.eval()
    generator = random_stream(seed, 0, "evaluate", device)
    scores, rates = [], []
    # Autocast around all: a weight that the inner one has rounded stays so until here.
    try:
        with multiplying(device, precision), computing(device, ""):
            for batch in test_batches(len(y), batch_size):
                x_seq = encode(x[batch.to(x.device)].to(device), generator, False)
                with recorded_spikes(network, mean_rate) as means, computing(device, precision):
                    output = rates_of(network(x_seq))
                scores.append(score(output, y[batch.to(y.device)].to(device)))
                means = torch.stack(means) if means else torch.empty(0)  # a net without neurons
                rates.append(means * len(batch))
    finally:
        for module, mode in training.items():
            module.training = mode
    accuracy = round(100 * torch.cat(scores).double().mean().item(), 6)
    return accuracy, [round(rate, 6) for rate in (sum(rates) / len(y)).tolist()]


def rates_of(votes: Tensor) -> Tensor:
    """Mean over time ``[B, classes]`` of what a network puts out, counted in float32 at least."""
    return votes.to(reference.precision(votes)).mean(0)


def mean_rate(spikes: Tensor) -> Tensor:
    """Share of the neurons and steps that fired."""
    return spikes.float().mean()


def test_batches(samples: int, batch_size: int) -> tuple[Tensor, ...]:
    """Indices of the batches in which a set is tested, the same at every call, and in no order that a set may
    have: where a batch is normalised as a whole, consecutive clips of one speaker must not form one.
    """
    return torch.randperm(samples, generator=random_stream(0, 0, "test order")).split(batch_size)


def resident(x: Tensor, device: str) -> Tensor:
    """A data set on the device, unless it would take more than a third of the memory that a GPU has left."""
    if device.startswith("cuda") and 3 * x.nbytes > torch.cuda.mem_get_info(device)[0]:
        return x
    return x.to(device)


def device_of(network: nn.Module) -> str:
    """The device of the network's parameters."""
    return str(next(network.parameters()).device)


def score(rates: Tensor, y: Tensor) -> Tensor:
    """Per sample, from output rates ``[B, C]``: 1 or 0 for class labels ``[B]``, NETtalk's measure for
    targets ``[B, C]``.

    NETtalk's "accuracy" is the cosine similarity of rates and target, 0 where no rate reaches 0.05 (the
    authors' measure, over every sample of a batch and not just its first). ValueError for other targets.
    """
    _check_targets(rates, y)
    if y.dim() == 1:
        return (rates.argmax(-1) == y).float()
    return functional.cosine_similarity(rates, y, dim=-1) * (rates.amax(-1) >= 0.05)


def _check_targets(rates: Tensor, y: Tensor) -> None:
    """Raises ValueError for targets that would be broadcast against the rates."""
    if y.dim() != 1 and y.shape != rates.shape:
        raise ValueError(
            f"The network has {rates.shape[1]} outputs and a sample a target of shape {list(y.shape[1:])}; "
            f"give class labels [N], or targets [N, {rates.shape[1]}]."
        )


def split(y: Tensor, validation: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices to train on and, ``validation`` of every class, to hold out. Raises ValueError for a share that
    is not at least 0 and below 1 or leaves no sample on one side, and for several labels per sample.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation is the share held out, at least 0 and below 1, got {validation}.")
    if not validation:
        return torch.arange(len(y)), torch.arange(0)
    if y.dim() != 1:
        raise ValueError("A validation split needs class labels; this task has several labels per sample.")
    shuffled = torch.randperm(len(y), generator=random_stream(seed, 0, "validation"))
    held = [
        members[: round(validation * len(members))]
        for members in (shuffled[y[shuffled] == label] for label in y.unique())
    ]
    held_out = torch.cat(held).sort().values
    if not 0 < len(held_out) < len(y):
        raise ValueError(
            f"validation={validation} of each class holds out {len(held_out)} of {len(y)} samples; choose a "
            "share that leaves some on both sides."
        )
    keep = torch.ones(len(y), dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero().flatten(), held_out


def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """A seed for one use of randomness in one epoch, so that no use shifts another."""
    return int(
        np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(1, np.uint64)[0]
        >> np.uint64(1)
    )


def random_stream(seed: int, epoch: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A generator at the start of that stream."""
    return torch.Generator(device).manual_seed(stream_seed(seed, epoch, purpose))


def initialise(seed: int) -> None:
    """Seed the stream from which the next network takes its first weights."""
    torch.manual_seed(stream_seed(seed, 0, "weights"))
