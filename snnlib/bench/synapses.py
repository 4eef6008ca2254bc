"""Workload of the synapse: 784 inputs to 500 outputs, 2,000 rows, at several densities of spikes."""

import torch
from torch import Tensor
from torch.nn import functional

from snnlib import encoding, synapses
from snnlib.bench import peers
from snnlib.bench.measure import Contender, Effort, Results, contest

PASS = "forward + weight gradient"


def race(
    density: float, shape: tuple[int, int, int, int], effort: Effort, results: Results, device: str
) -> None:
    """The companion's synapse, given dense spikes and (on a CPU) spikes as indices, against
    ``torch.nn.functional.linear``; ``shape``: time steps, batch, inputs, outputs.
    """
    steps, batch, inputs, outputs = shape
    generator = torch.Generator(device).manual_seed(0)
    spikes = encoding.bernoulli(torch.full((batch, inputs), density, device=device), steps, generator)
    grad = torch.randn((steps * batch, outputs), generator=generator, device=device)
    layer = synapses.Linear(inputs, outputs).to(device)
    weight, bias = (p.detach().contiguous().requires_grad_() for p in (layer.weight, layer.bias))
    ours = [layer.weight, layer.bias]
    entries = [
        _contender(
            "torch linear",
            lambda: functional.linear(spikes.flatten(0, 1), weight, bias),
            [weight, bias],
            grad,
            ("peer", "floor"),
        ),
        _contender("ours, dense spikes", lambda: layer(spikes).flatten(0, 1), ours, grad, ("ours",)),
    ]
    if device == "cpu":
        indices = as_indices(spikes)
        entries.append(_contender("ours, listed spikes", lambda: layer(indices), ours, grad, ("ours",)))
    name = f"synapse {inputs} -> {outputs}, {steps * batch} rows, {100 * density:g} % spikes"
    contest(name, entries, effort, results, device)


def as_indices(spikes: Tensor) -> synapses.Spikes:
    """The same spikes [T, B, N] as an encoder hands them over."""
    rows = spikes.flatten(0, 1)
    count = (rows != 0).sum(1)
    indices = rows.nonzero()[:, 1].to(torch.int32)
    return synapses.Spikes(tuple(spikes.shape), indices, count.cumsum(0) - count, count)


def _contender(name, forward, learned, grad, roles) -> Contender:
    def run() -> tuple:
        current = forward()
        return current, torch.autograd.grad(current, learned, grad)

    def outputs() -> dict[str, Tensor]:
        current, (weight, bias) = run()
        return {"current": current.detach(), "weight gradient": weight, "bias gradient": bias}

    return Contender(name, peers.version(name), {PASS: run}, outputs, roles)
