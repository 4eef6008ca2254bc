"""Networks of LIF and PLIF neurons as graphs of the Neuromorphic Intermediate Representation (NIR 1.0), and
back.

| ours | NIR |
| --- | --- |
| LIF, PLIF | LIF(tau = dt tau, r = 1, v_leak = v_reset, v_threshold, v_reset) |
| convolution, its normalisation folded in | Conv2d |
| fully connected, with or without bias | Affine, Linear |
| average-pooling | AvgPool2d |
| max-pooling of spikes | SumPool2d, then Threshold(0.5): any spike in the window passes |
| flatten; voting | Flatten; Linear with the matrix of means |
| dropout | nothing: a graph is of a network that is tested |

NIR fires at V > v_threshold, LIF and PLIF at V >= threshold: a V that is the threshold to the last bit fires
here and not there (SpikingJelly 2.0 fires there, snnTorch 1.0 does not). The importers of both know no
Threshold; export a network with average-pooling for them. NIR has no sigmoid and no neuron of 2nd order, so
MDN's networks have no graph.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from snnlib.exchange import needed
from snnlib.layers import TimeBatched, TimeSharedDropout, Voting, spike_average_pool, spike_max_pool
from snnlib.networks import ConvNet
from snnlib.neurons import LIF, PLIF

DT = 1e-4
"""Seconds of a time step: what the importers of snnTorch and SpikingJelly take for granted."""


def to_nir(network: nn.Sequential, input_shape: tuple[int, ...]):
    """The graph (``nir.NIRGraph``) of a network for samples of ``input_shape``, tau in seconds. It shares no
    memory with the network, which stays as it is. ValueError names the layer that NIR cannot say.
    """
    nir, network = needed("nir"), copy.deepcopy(network).eval()
    nodes = {"input": nir.Input({"input": np.array(input_shape)})}
    with torch.no_grad():
        x = torch.zeros(1, 1, *input_shape)
        for number, layer in enumerate(network):
            for name, node in _nodes(nir, layer, tuple(x.shape[2:])):
                nodes[f"layer{number}_{name}"] = node
            x = layer(x)
    nodes["output"] = nir.Output({"output": np.array(x.shape[2:])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(zip(names, names[1:], strict=False)))


def _nodes(nir, layer: nn.Module, shape: tuple[int, ...]) -> list[tuple[str, object]]:
    if isinstance(layer, LIF | PLIF):
        tau = DT * float(torch.as_tensor(layer.tau, dtype=torch.float64))
        values = (tau, 1.0, layer.v_reset, layer.threshold, layer.v_reset)
        arrays = dict(zip(("tau", "r", "v_leak", "v_threshold", "v_reset"), values, strict=True))
        kind = type(layer).__name__
        filled = {name: np.full(shape, value) for name, value in arrays.items()}
        return [(kind.lower(), nir.LIF(**filled, metadata={"neuron": kind}))]
    if isinstance(layer, Voting):
        groups = torch.eye(shape[0] // layer.size).repeat_interleave(layer.size, 1) / layer.size
        return [("voting", nir.Linear(groups.numpy()))]
    if isinstance(layer, TimeSharedDropout):
        return []
    if not isinstance(layer, TimeBatched):
        raise ValueError(f"NIR has no node for {type(layer).__name__}: it knows LIF neurons alone.")
    found, modules = [], list(layer)
    for before, module, after in zip([None, *modules[:-1]], modules, [*modules[1:], None], strict=True):
        if isinstance(module, nn.Conv2d):
            found.append(("conv", _conv(nir, module, after, shape)))
        elif isinstance(module, nn.Flatten):
            # counted from the end, as some importers have a batch in front and some do not
            found.append(("flatten", nir.Flatten({"input": np.array(shape)}, -len(shape), -1)))
        elif isinstance(module, nn.Linear):
            weight = module.weight.numpy()
            with_bias = module.bias is not None
            found.append(("fc", nir.Affine(weight, module.bias.numpy()) if with_bias else nir.Linear(weight)))
        elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            window = {n: np.array((getattr(module, n),) * 2) for n in ("kernel_size", "stride", "padding")}
            average = isinstance(module, nn.AvgPool2d)
            found.append(("pool", (nir.AvgPool2d if average else nir.SumPool2d)(**window)))
            if not average:
                maps = (shape[0], *(1 + (n - module.kernel_size) // module.stride for n in shape[1:]))
                found.append(("any", nir.Threshold(np.full(maps, 0.5))))
        elif not (isinstance(module, nn.BatchNorm2d) and isinstance(before, nn.Conv2d)):  # folded into it
            where = " that follows no convolution" * isinstance(module, nn.BatchNorm2d)
            raise ValueError(
                f"NIR has no node for {type(module).__name__}{where}; this network has no graph."
            )
    return found


def _conv(nir, conv: nn.Conv2d, norm: nn.Module | None, shape: tuple[int, ...]):
    weight, bias = conv.weight, conv.bias
    if isinstance(norm, nn.BatchNorm2d):
        statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        weight, bias = fuse_conv_bn_weights(weight, bias, *statistics)
    bias = torch.zeros(len(weight)) if bias is None else bias
    where = (conv.stride, conv.padding, conv.dilation, conv.groups)
    return nir.Conv2d(shape[1:], weight.detach().numpy(), *where, bias.detach().numpy())


def from_nir(graph) -> nn.Sequential:
    """The network, in eval mode, of a graph or of a file with one: a chain of the nodes that ``to_nir``
    writes. ValueError names the node that it cannot read.
    """
    nir = needed("nir")
    if isinstance(graph, str | Path):
        try:
            graph = nir.read(graph)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{graph} is no NIR graph ({error}); export it again.") from None
    layers, synapse = [], []
    chain = _chain(nir, graph)
    while chain:
        name, node = chain.pop(0)
        if isinstance(node, nir.Conv2d | nir.Linear | nir.Affine | nir.Flatten) and not _votes(
            nir, node, chain
        ):
            synapse.append(_synapse(nir, node))
            continue
        if synapse:
            layers.append(TimeBatched(*synapse))
            synapse = []
        if isinstance(node, nir.LIF):
            layers.append(_neuron(name, node))
        elif isinstance(node, nir.Linear):
            layers.append(Voting(round(1 / node.weight.max())))
        elif isinstance(node, nir.AvgPool2d):
            layers.append(spike_average_pool(*_window(name, node)))
        elif isinstance(node, nir.SumPool2d) and chain and _any(nir, chain[0][1]):
            chain.pop(0)
            layers.append(spike_max_pool(*_window(name, node)))
        else:
            raise ValueError(f"Node {name} of the graph is {type(node).__name__}, which is not read here.")
    return ConvNet(*layers, *([TimeBatched(*synapse)] if synapse else [])).eval()


def _chain(nir, graph) -> list[tuple[str, object]]:
    """The nodes between input and output, in order."""
    after = dict(graph.edges)
    name = next((name for name, node in graph.nodes.items() if isinstance(node, nir.Input)), None)
    if name is None or len(after) != len(graph.edges) or len(after) != len(graph.nodes) - 1:
        raise ValueError("The graph branches or has no input; a chain of nodes is read here.")
    names = []
    while (name := after.pop(name, None)) is not None:
        names.append(name)
    return [(name, graph.nodes[name]) for name in names if not isinstance(graph.nodes[name], nir.Output)]


def _votes(nir, node, chain: list) -> bool:
    """Whether a node is the matrix of means that a voting layer is written as."""
    if not isinstance(node, nir.Linear) or chain:
        return False
    classes, outputs = node.weight.shape
    size = outputs // classes
    groups = np.repeat(np.eye(classes, dtype=np.float32), size, 1) / np.float32(max(size, 1))
    return size > 1 and groups.shape == node.weight.shape and np.array_equal(groups, node.weight)


def _any(nir, node) -> bool:
    return isinstance(node, nir.Threshold) and bool((np.asarray(node.threshold) == 0.5).all())


def _synapse(nir, node) -> nn.Module:
    if isinstance(node, nir.Flatten):
        return nn.Flatten()
    weight = torch.tensor(np.asarray(node.weight), dtype=torch.float32)
    if isinstance(node, nir.Conv2d):
        plain = [
            v if isinstance(v, str | int) else tuple(map(int, v))
            for v in (node.stride, node.padding, node.dilation)
        ]
        made = nn.Conv2d(
            weight.shape[1] * int(node.groups), len(weight), weight.shape[2:], *plain, int(node.groups)
        )
    else:
        made = nn.Linear(weight.shape[1], len(weight), bias=isinstance(node, nir.Affine))
    with torch.no_grad():
        made.weight.copy_(weight)
        if made.bias is not None:
            made.bias.copy_(torch.tensor(np.asarray(node.bias)))
    return made


def _neuron(name: str, node) -> nn.Module:
    values = {}
    for part in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        found = np.unique(np.asarray(getattr(node, part)))
        if len(found) != 1:
            raise ValueError(f"Node {name} of the graph has several {part}; one for a layer is read here.")
        values[part] = float(found[0])
    if values["r"] != 1 or values["v_leak"] != values["v_reset"]:
        raise ValueError(
            f"Node {name} of the graph must have r = 1 and v_leak = v_reset, as PLIF's Eq. 5 has."
        )
    kind = PLIF if node.metadata.get("neuron") == "PLIF" else LIF
    return kind(tau=values["tau"] / DT, threshold=values["v_threshold"], v_reset=values["v_reset"])


def _window(name: str, node) -> tuple[int, int]:
    (kernel,), (stride,) = (np.unique(np.asarray(v)) for v in (node.kernel_size, node.stride))
    if np.asarray(node.padding).any():
        raise ValueError(f"Node {name} of the graph pads its pooling, which is not read here.")
    return int(kernel), int(stride)
