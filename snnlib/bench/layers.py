"""Workloads of the neuron alone: a layer [T, B, *] forward and backward, memory against T, and Linear + LIF
as in the Open Neuromorphic benchmark.
"""

from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from snnlib.bench import measure, peers
from snnlib.bench.measure import Contender, Effort, Results, contest

FORWARD, BOTH = "forward", "forward + backward"
GRAPH = "forward, graph kept"  # for memory alone, not raced


def race(
    kind: str, shape: tuple[int, ...], effort: Effort, results: Results, device: str, linear: bool = False
) -> None:
    """All implementations of the neuron ``kind`` on a current of ``shape`` [T, B, *]; with ``linear``,
    behind a dense layer N -> N whose input needs no gradient.
    """
    current, grad = _sequences(kind, shape, device)
    weight = None
    if linear:
        bound = shape[-1] ** -0.5  # torch.nn.Linear's initialisation, enlarged until the neurons fire
        weight = 4 * bound * (2 * torch.rand(shape[-1], shape[-1], device=device) - 1)
    entries = [_contender(name, kind, current, grad, weight) for name in (peers.LOOP, *peers.LIBRARIES)]
    entries.insert(1, _contender("ours", kind, current, grad, weight))
    name = f"Linear + {kind}" if linear else kind
    contest(
        f"{name} {list(shape)}",
        [entry for entry in entries if entry] + [_floor(current, grad, weight)],
        effort,
        results,
        device,
        passes=(FORWARD, BOTH),
    )


def _sequences(kind: str, shape: tuple[int, ...], device: str) -> tuple[Tensor, Tensor]:
    """Input current in the neuron's range (MDN's comes from a sigmoid) and gradient of the spikes."""
    generator = torch.Generator(device).manual_seed(0)
    if "order" in kind:
        current = torch.rand(shape, generator=generator, device=device)
    else:
        current = torch.randn(shape, generator=generator, device=device).mul_(1.5).add_(0.5)
    return current, torch.randn(shape, generator=generator, device=device)


def _contender(
    name: str, kind: str, current: Tensor, grad: Tensor, weight: Tensor | None
) -> Contender | None:
    layer = peers.Layer(peers.KINDS[kind]()) if name == "ours" else peers.layer(name, kind)
    if layer is None:
        return None
    module = layer.module.to(current.device)
    if weight is None:
        x = current if layer.input_scale == 1 else current * layer.input_scale
        x = x.detach().requires_grad_()
        learned = [x]
    else:
        synapse = nn.Linear(*weight.shape, bias=False, device=weight.device)
        synapse.weight = nn.Parameter(weight * layer.input_scale)
        module, x, learned = nn.Sequential(synapse, module), current, [synapse.weight]
    if kind == "PLIF":
        learned += [p for p in layer.module.parameters() if p.requires_grad]

    with_graph = partial(module, x)
    forward = torch.no_grad()(with_graph)

    def both() -> tuple:
        spikes = with_graph()
        return spikes, torch.autograd.grad(spikes, learned, grad)

    def outputs() -> dict[str, Tensor]:
        spikes, gradients = both()
        found = {"spikes": spikes.detach()}
        if layer.same_gradient and weight is None:
            found["gradient"] = gradients[0] * layer.input_scale
            found |= {f"gradient of parameter {i}": g for i, g in enumerate(gradients[1:])}
        return found

    passes = {FORWARD: forward, BOTH: both, GRAPH: with_graph}
    return Contender(name, peers.version(name), passes, outputs, (peers.role(name),))


def _floor(current: Tensor, grad: Tensor, weight: Tensor | None) -> Contender:
    """The same bytes moved by PyTorch's own copies, and for Linear + LIF the products of the same shape.

    Forward reads the current and writes spikes; backward reads the gradient of the spikes and the current,
    writes the gradient of the current, and keeps nothing between.
    """
    out, back = torch.empty_like(current), torch.empty_like(current)

    def forward():
        if weight is not None:
            torch.matmul(current, weight.t())
        out.copy_(current)

    def both():
        forward()
        torch.add(grad, current, out=back)
        if weight is not None:
            torch.matmul(back.flatten(0, -2).t(), current.flatten(0, -2))

    name = "copy of the same bytes" if weight is None else "matmul and copy"
    return Contender(name, peers.version(""), {FORWARD: forward, BOTH: both}, None, ("floor",))


def memory_against_steps(kind: str, steps: list[int], results: Results, device: str) -> pd.DataFrame:
    """MiB of forward + backward of a layer [T, 100, 500] beyond its input and the gradient of its spikes.

    Columns: T, implementation, kept (what is alive after the forward pass besides the spikes), peak, current
    (size of the input current). One call for each; each also adds a row without times to ``results``.
    """
    found = []
    for count in steps:
        current, grad = _sequences(kind, (count, 100, 500), device)
        size = current.nbytes / 2**20
        for name in ("ours", peers.LOOP, *peers.LIBRARIES):
            entry = _contender(name, kind, current, grad, None)
            if entry is None:
                continue
            both = entry.passes[BOTH]
            both()  # compiles and loads what is needed once
            peak = measure.memory_of(both, device).peak
            after = measure.memory_of(entry.passes[GRAPH], device).after
            found.append((count, entry.implementation, max(0.0, after - size), peak, size))
            results.add(f"{kind} {list(current.shape)}", device, entry, "memory of forward + backward", peak)
    return pd.DataFrame(found, columns=["T", "implementation", "kept", "peak", "current"])
