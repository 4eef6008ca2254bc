"""Fit one network to one task, epoch by epoch, so that it can stop anywhere and go on later with the same
numbers.
"""

import math
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib import files, neurons
from snnlib.networks import neuron_layers, recorded_spikes


def scheduler_of(schedule: str, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rates of "step50", a tenth every 50 epochs (MDN, whose runs of 20 or 30 never get there), or
    "cosine64", cosine annealing over 64 epochs, never restarted (PLIF); or any other number in their place.
    """
    kind, epochs = re.fullmatch("(step|cosine)([1-9][0-9]*)", schedule).groups()
    if kind == "step":
        return torch.optim.lr_scheduler.StepLR(optimiser, int(epochs), 0.1)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, int(epochs))


def fit(
    network: nn.Module,
    task,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    theta_learning_rate: float = 0.0,
    schedule: str = "step50",
    loss: str = "",
    validation: float = 0.0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    on_epoch: Callable[[list[dict]], None] = lambda history: None,
) -> list[dict]:
    """Train with Adam on the squared error of the output rates (MDN, Eq. 4; PLIF, Sec. 3.7), or on another of
    the LOSSES, and test after every epoch.

    Returns one dict per epoch, with epoch 0 the untrained network: train_loss, test_accuracy,
    validation_accuracy (None without validation), accuracies in percent, seconds, and what the neurons
    learned (see ``observe``). With ``validation`` > 0 that share of each class of the training set is held
    out. ``theta_learning_rate`` is eta_D for learnable theta. Each epoch draws its own random streams from
    (seed, epoch): with a ``checkpoint`` path, which is written after every epoch, a run that was cut off
    goes on with the numbers that it would have had.
    """
    network.to(device)
    optimiser = torch.optim.Adam(parameter_groups(network, learning_rate, theta_learning_rate), fused=True)
    scheduler = scheduler_of(schedule, optimiser)
    train_on, held_out = split(task.train_y, validation, seed)
    test_set = (task.test_x, task.test_y)
    validation_set = (task.train_x[held_out], task.train_y[held_out]) if validation else None

    def epoch_report(epoch: int, loss: float | None, began: float) -> dict:
        held_accuracy = (
            evaluate(network, task, *validation_set, seed, batch_size, device)[0] if validation_set else None
        )
        accuracy, rates = evaluate(network, task, *test_set, seed, batch_size, device)
        return {
            "epoch": epoch,
            "train_loss": loss,
            "test_accuracy": accuracy,
            "validation_accuracy": held_accuracy,
            "spike_rates": rates,
            "seconds": time.perf_counter() - began,
            **observe(network),
        }

    saved = load_checkpoint(checkpoint, device)
    if saved:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        scheduler.load_state_dict(saved["scheduler"])
    history = saved["history"] if saved else [epoch_report(0, None, time.perf_counter())]

    for epoch in range(len(history), epochs + 1):
        began = time.perf_counter()
        mean_loss = _train_epoch(
            network, task, optimiser, LOSSES[loss], train_on, seed, epoch, batch_size, device
        )
        scheduler.step()
        history.append(epoch_report(epoch, mean_loss, began))
        if checkpoint:
            state = {
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "scheduler": scheduler.state_dict(),
                "history": history,
            }
            files.write_atomically(checkpoint, lambda path, state=state: torch.save(state, path))
        on_epoch(history)
    return history


@torch.no_grad()
def evaluate(
    network: nn.Module, task, x: Tensor, y: Tensor, seed: int, batch_size: int, device: str = "cpu"
) -> tuple[float, list[float]]:
    """(accuracy in percent, mean spike rate of each neuron layer per step) on samples x ``[N, *]`` with
    targets y.

    Random encodings are drawn afresh but from the same stream at every call, so that accuracies of one seed
    compare.
    """
    training = network.training
    network.eval()
    generator = random_stream(seed, 0, "evaluate", device)
    scores, rates = [], []
    for batch in test_batches(task, len(y), batch_size):
        x_seq = task.batch(x[batch].to(device), generator, train=False, listed=True)
        with recorded_spikes(network) as spikes:
            output = network(x_seq).mean(0)
        scores.append(score(output, y[batch].to(device)))
        rates.append(torch.stack([layer.mean() for layer in spikes]) * len(batch))
    network.train(training)
    accuracy = round(100 * torch.cat(scores).double().mean().item(), 6)
    return accuracy, [round(rate, 6) for rate in (sum(rates) / len(y)).tolist()]


def test_batches(task, samples: int, batch_size: int) -> tuple[Tensor, ...]:
    """Indices of the batches in which a set is tested, the same at every call."""
    if task.paper == "mdn" and not task.normalise_batch:
        batch_size = max(batch_size, 100)  # faster, and nothing in these networks depends on the batch
    # Where a batch is normalised as a whole, consecutive clips of one speaker must not form one.
    return torch.randperm(samples, generator=random_stream(0, 0, "test order")).split(batch_size)


def score(rates: Tensor, y: Tensor) -> Tensor:
    """Per sample, from output rates ``[B, C]``: 1 or 0 for class labels ``[B]``, NETtalk's measure for
    targets ``[B, C]``.

    NETtalk's "accuracy" is the cosine similarity of rates and target, 0 where no rate reaches 0.05 (the
    authors' measure, over every sample of a batch and not just its first).
    """
    if y.dim() == 1:
        return (rates.argmax(-1) == y).float()
    return functional.cosine_similarity(rates, y, dim=-1) * (rates.amax(-1) >= 0.05)


def observe(network: nn.Module) -> dict:
    """What the neurons have learned so far: ``tau`` per PLIF layer; ``theta_*`` of learnable 2nd-order
    neurons, hidden and output layer pooled; for conv nets, quantiles of W / tau of the first FC layer
    (PLIF, Fig. S1).
    """
    layers, seen = neuron_layers(network), {}
    learned = [n for n in layers if isinstance(n, neurons.SecondOrder) and n.theta_a.requires_grad]
    for name in ("theta_a", "theta_b", "theta_c", "theta_d") if learned else ():
        pooled = torch.cat([getattr(n, name).detach().flatten() for n in learned])
        seen[name] = [round(value, 6) for value in pooled.tolist()]
    if any(isinstance(n, neurons.PLIF) for n in layers):
        seen["tau"] = [n.tau.item() for n in layers]
    if any(isinstance(n, neurons.PLIF | neurons.LIF) for n in layers):
        seen["w_over_tau"] = _w_over_tau(network)
    return seen


W_OVER_TAU_QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


def _w_over_tau(network: nn.Module) -> dict:
    modules = list(network.modules())
    first = next(i for i, m in enumerate(modules) if isinstance(m, nn.Linear))
    tau = next(
        float(torch.as_tensor(m.tau).detach())
        for m in modules[first:]
        if isinstance(m, neurons.PLIF | neurons.LIF)
    )
    ratio = (modules[first].weight.detach() / tau).double().cpu().numpy()
    return {
        "mean": float(ratio.mean()),
        "variance": float(ratio.var()),
        "quantiles": [float(q) for q in np.quantile(ratio, W_OVER_TAU_QUANTILES)],
    }


def squared_error(rates: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of output rates ``[B, C]`` to one-hot labels ``[B]``, or to targets ``[B, C]``."""
    target = functional.one_hot(y, rates.shape[1]) if y.dim() == 1 else y
    return functional.mse_loss(rates, target.float())


def cross_entropy(rates: Tensor, y: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of labels ``[B]``, smoothed. Output rates ``[B, C]`` in [0, 1] are scaled to logits that
    meet the smoothed label exactly where the right neuron always fires and the others never.
    """
    others = smoothing / rates.shape[1]
    scale = math.log((1 - smoothing + others) / others)
    return functional.cross_entropy(scale * rates, y, label_smoothing=smoothing)


LOSSES = {"": squared_error, "cross-entropy": cross_entropy}
"""The papers' loss, and one beyond them."""


def _train_epoch(
    network, task, optimiser, loss_of, train_on: Tensor, seed: int, epoch: int, batch_size: int, device: str
) -> float:
    network.train()
    order = torch.randperm(len(train_on), generator=random_stream(seed, epoch, "order"))
    generator = random_stream(seed, epoch, "encode", device)
    torch.manual_seed(stream_seed(seed, epoch, "dropout"))
    total = 0.0
    for batch in train_on[order].split(batch_size):
        x_seq = task.batch(task.train_x[batch].to(device), generator, train=True, listed=True)
        loss = loss_of(network(x_seq).mean(0), task.train_y[batch].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(batch)
    return total / len(train_on)


def parameter_groups(network: nn.Module, learning_rate: float, theta_learning_rate: float) -> list[dict]:
    """Adam's groups: weights, and theta with its own learning rate eta_D."""
    thetas = {
        id(p) for n in neuron_layers(network) if isinstance(n, neurons.SecondOrder) for p in n.parameters()
    }
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in thetas], "lr": learning_rate},
        {"params": [p for p in trained if id(p) in thetas], "lr": theta_learning_rate},
    ]
    return [group for group in groups if group["params"]]


def split(y: Tensor, validation: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices to train on and, ``validation`` of every class, to hold out."""
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


def load_checkpoint(checkpoint: Path | None, device: str) -> dict | None:
    """What a run that was cut off left behind, or None; one that cannot be read counts as none, with a
    warning.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    try:
        return torch.load(checkpoint, map_location=device, weights_only=True)
    except Exception as problem:  # torch raises whatever the broken bytes lead to
        reason = f"{type(problem).__name__} {problem}".strip()
        warnings.warn(f"{checkpoint.name} cannot be read ({reason}); its run starts afresh.", stacklevel=2)
        return None
