"""Runs of equal shape, trained as one batched network: seeds x neuron settings of one task.

Each member keeps its own weights, its own random streams and its own loss, so that member k learns what it
would have learned alone, to rounding. Sequences are ``[T, M, B, *]``: members after time. One matrix
product and one neuron call serve all members; on a GPU a whole column of a table is then one job, where
single runs of this size would leave most of the device idle.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnlib import checkpoints, graphs, neurons, training
from snnlib.networks import neuron_layers, recorded_spikes
from snnlib.optimiser import adam, scheduler_of


class Linear(nn.Module):
    """``[T, M, B, inputs] -> [T, M, B, outputs]`` with a weight and a bias for each member."""

    def __init__(self, members: Sequence[nn.Linear]):
        super().__init__()
        self.members = members
        self.weight = nn.Parameter(torch.stack([m.weight.detach().t() for m in members]).contiguous())
        self.bias = nn.Parameter(torch.stack([m.bias.detach() for m in members])[:, None])

    def forward(self, x_seq: Tensor) -> Tensor:
        steps, members, batch, inputs = x_seq.shape
        rows = x_seq.transpose(0, 1).reshape(members, steps * batch, inputs)
        currents = torch.baddbmm(self.bias, rows, self.weight)
        return currents.view(members, steps, batch, -1).transpose(0, 1)

    @torch.no_grad()
    def unstack(self) -> None:
        """Copy the weights back into the members."""
        for member, weight, bias in zip(self.members, self.weight, self.bias, strict=True):
            member.weight.copy_(weight.t())
            member.bias.copy_(bias[0])


class Neurons(nn.Module):
    """The neurons of one layer of all members: one call for the 1st-order and one for the 2nd-order ones."""

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        second = [m for m in members if isinstance(m, neurons.SecondOrder)]
        first = [m for m in members if isinstance(m, neurons.FirstOrder)]
        settings = {(m.decay, m.threshold, m.half_width) for m in first}
        if len(first) + len(second) != len(members) or len(settings) > 1:
            raise ValueError(
                "An ensemble takes 2nd-order neurons and 1st-order ones of one setting; "
                "train others one by one."
            )
        settings = {
            (m.threshold, m.half_width, m.initial_u, m.theta_a.requires_grad, m.theta_a.shape) for m in second
        }
        if len(settings) > 1:
            raise ValueError(
                "2nd-order neurons of an ensemble may differ in theta only; train others one by one."
            )
        is_first = torch.tensor([isinstance(m, neurons.FirstOrder) for m in members])
        first_at, second_at = is_first.nonzero().flatten(), (~is_first).nonzero().flatten()
        # On the device before a step is recorded there.
        self.register_buffer("first_at", first_at, persistent=False)
        self.register_buffer("second_at", second_at, persistent=False)
        self.register_buffer("back", torch.cat([first_at, second_at]).argsort(), persistent=False)
        self.members = members
        self.first = first[0] if first else None
        self.second = _stack(second) if second else None

    def forward(self, current_seq: Tensor) -> Tensor:
        if self.second is None:
            return self.first(current_seq)
        if self.first is None:
            return self.second(current_seq)
        first, second = (current_seq.index_select(1, at) for at in (self.first_at, self.second_at))
        return torch.cat([self.first(first), self.second(second)], 1).index_select(1, self.back)

    @torch.no_grad()
    def unstack(self) -> None:
        """Copy learned theta back into the members."""
        for k, i in enumerate(self.second_at.tolist()):
            for own, stacked in zip(self.members[i].thetas, self.second.thetas, strict=True):
                own.copy_(stacked[k].reshape(own.shape))


def _stack(members: Sequence[neurons.SecondOrder]) -> neurons.SecondOrder:
    """2nd-order neurons whose theta is ``[M, 1, 1]`` or, one set per neuron, ``[M, 1, N]``."""
    one = members[0]
    stacked = neurons.SecondOrder(threshold=one.threshold, half_width=one.half_width, initial_u=one.initial_u)
    for name in ("theta_a", "theta_b", "theta_c", "theta_d"):
        theta = torch.stack([getattr(m, name).detach() for m in members]).view(len(members), 1, -1)
        setattr(stacked, name, nn.Parameter(theta, requires_grad=one.theta_a.requires_grad))
    return stacked


class Ensemble(nn.Sequential):
    """Networks of ``networks.mlp`` with equal sizes as one; ``[T, M, B, inputs] -> [T, M, B, outputs]``.

    Raises ValueError for members that differ in shape or whose neurons cannot share a call.
    """

    def __init__(self, members: Sequence[nn.Sequential]):
        layers: list[nn.Module] = []
        alike = {
            (*(type(x) for x in m.modules() if not isinstance(x, neurons.Neuron)),)
            + (*(p.shape for p in m.parameters() if p.dim() == 2),)
            for m in members
        }
        if len(alike) != 1:
            raise ValueError("Members of an ensemble must have the same layers, of equal size.")
        for same in zip(*members, strict=True):
            if isinstance(same[0], neurons.Neuron):
                layers.append(Neurons(same))
            else:
                layers += [Linear([synapse[0] for synapse in same]), *same[0][1:]]
        super().__init__(*layers)

    def unstack(self) -> None:
        """Copy what was learned back into the members."""
        for layer in self:
            if isinstance(layer, Linear | Neurons):
                layer.unstack()


def fit(
    members: Sequence[nn.Sequential],
    task,
    *,
    seeds: Sequence[int],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    theta_learning_rate: float = 0.0,
    schedule: str = "step50",
    test_batch_size: int = 0,
    observe: Callable[[nn.Module], dict] = lambda network: {},
    checkpoint: Path | None = None,
    on_epoch: Callable[[list[list[dict]]], None] = lambda histories: None,
) -> list[list[dict]]:
    """``training.fit`` for several networks at once, on the device of the first: one history per member,
    ``seconds`` divided by their number.
    """
    device = training.device_of(members[0])
    together = Ensemble(members).to(device)
    optimiser = adam(together, learning_rate, theta_learning_rate)
    scheduler = scheduler_of(schedule, optimiser)
    x, y = (training.resident(tensor, device) for tensor in (task.train_x, task.train_y))
    encoders = [torch.Generator(device) for _ in seeds]

    def encoded_update(samples: Tensor, target: Tensor) -> Tensor:
        if target.dim() == 2:
            target = functional.one_hot(target, task.classes)
        return update(together, optimiser, _stacked(task, samples, encoders, train=True), target.float())

    step = graphs.captured(encoded_update, (together, optimiser, *encoders))

    def train_epoch(epoch: int) -> list[float]:
        orders = []
        for seed, generator in zip(seeds, encoders, strict=True):
            generator.manual_seed(training.stream_seed(seed, epoch, "encode"))
            orders.append(torch.randperm(len(x), generator=training.random_stream(seed, epoch, "order")))
        totals = torch.zeros(len(seeds), device=device)
        for batch in torch.stack(orders).to(x.device).split(batch_size, 1):
            totals += step(x[batch].to(device), y[batch.to(y.device)].to(device)) * batch.shape[1]
        return (totals / len(x)).tolist()

    def tested() -> list[dict]:
        together.unstack()
        return evaluate(together, task, seeds, test_batch_size or batch_size, device)

    parts = {"network": together, "optimiser": optimiser, "scheduler": scheduler}
    data = task.train_x, task.train_y, task.test_x, task.test_y
    settings = {
        "seed": list(seeds),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "theta_learning_rate": theta_learning_rate,
        "schedule": schedule,
        "data": checkpoints.digest(*data) if checkpoint else "",
    }
    with training.multiplying(device, ""):
        histories = training.each_epoch(
            epochs, parts, members, train_epoch, tested, observe, checkpoint, settings, on_epoch
        )
    together.unstack()  # of a run that was cut off after its last epoch
    return histories


def update(together: Ensemble, optimiser: torch.optim.Optimizer, x_seq: Tensor, target: Tensor) -> Tensor:
    """A step of all members: losses ``[M]`` for x_seq ``[T, M, B, inputs]``, target ``[M, B, classes]``."""
    losses = (together(x_seq).mean(0) - target).square().mean((1, 2))
    optimiser.zero_grad()
    losses.sum().backward()  # no member's loss reaches another's weights
    optimiser.step()
    return losses.detach()


@torch.no_grad()
def evaluate(together: Ensemble, task, seeds: Sequence[int], batch_size: int, device: str) -> list[dict]:
    """``training.evaluate`` on the test set, for each member, as an epoch's report has it."""
    x, y = (training.resident(tensor, device) for tensor in (task.test_x, task.test_y))
    encoders = [training.random_stream(seed, 0, "evaluate", device) for seed in seeds]
    scores, rates = [], []
    for batch in training.test_batches(len(y), batch_size):
        samples = x[batch.to(x.device)].to(device)
        x_seq = _stacked(task, [samples] * len(seeds), encoders, train=False)
        with recorded_spikes(together) as spikes:
            output = together(x_seq).mean(0)
        targets = y[batch.to(y.device)].to(device)
        scores.append(torch.stack([training.score(member, targets) for member in output]))
        rates.append(_member_rates(together, spikes) * len(batch))
    accuracies = (100 * torch.cat(scores, 1).double().mean(1)).tolist()
    mean_rates = (sum(rates) / len(y)).tolist()
    return [
        {
            "test_accuracy": round(accuracy, 6),
            "validation_accuracy": None,
            "spike_rates": [round(rate, 6) for rate in layers],
        }
        for accuracy, layers in zip(accuracies, mean_rates, strict=True)
    ]


def _member_rates(together: Ensemble, spikes: list[Tensor]) -> Tensor:
    """Mean spike rate per member and layer; a layer of two kinds of neurons left its spikes in two parts."""
    waiting = iter(spikes)
    layers = []
    for layer in (part for part in together if isinstance(part, Neurons)):
        parts = [next(waiting) for _ in neuron_layers(layer)]
        layers.append(torch.cat([part.mean((0, 2, 3)) for part in parts])[layer.back])
    return torch.stack(layers, 1)


def _stacked(task, xs: Sequence[Tensor], encoders: Sequence[torch.Generator], train: bool) -> Tensor:
    return torch.stack([task.batch(x, g, train) for x, g in zip(xs, encoders, strict=True)], 1)
