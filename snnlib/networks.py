"""The papers' two networks: a three-layer perceptron (MDN) and a convolutional net read from Table S1's
notation (PLIF).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from snnlib.kernels import still
from snnlib.layers import (
    TimeBatched,
    TimeSharedDropout,
    Voting,
    max_pool_window,
    norm_of_maps,
    spike_average_pool,
    spike_max_pool,
)
from snnlib.neurons import LIF, PLIF, FirstOrder, Neuron, SecondOrder
from snnlib.synapses import Linear

_STILL = "{c128k3s1-BN-PLIF-MPk2s2}*2-DP-FC2048-PLIF-DP-FC100-PLIF-APk10s10"
TABLE_S1: dict[str, str] = {
    "mnist": _STILL,
    "fashion_mnist": _STILL,
    "n_mnist": _STILL,
    "cifar10": "{{c256k3s1-BN-PLIF}*3-MPk2s2}*2-DP-FC2048-PLIF-FC100-PLIF-APk10s10",
    "cifar10_dvs": "{c128k3s1-BN-PLIF-MPk2s2}*4-DP-FC2048-PLIF-DP-FC100-PLIF-APk10s10",
    "dvs128_gesture": "{c128k3s1-BN-PLIF-MPk2s2}*5-DP-FC512-PLIF-DP-FC110-PLIF-APk10s10",
}
"""Data set -> notation: PLIF's Table S1, corrected where the text and the authors' implementation ask for it
(data/published/plif_tableS1.csv says where and why).
"""

KINDS = {kind.__name__: kind for kind in (FirstOrder, SecondOrder, LIF, PLIF)}
"""Neurons that a network's config can name."""


class _Raised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5


CURRENTS = {
    "sigmoid": nn.Sigmoid,
    "signed": nn.Identity,
    "tanh": nn.Tanh,
    "rectified": nn.ReLU,
    "raised": _Raised,
}
"""What becomes of W x + b before it enters MDN's neurons: the paper's sigmoid (Eq. 2 and 3), and ours: as it
is, or with one property of the sigmoid each, bounded, never negative, near 1/2 at the start.
"""

NeuronFactory = Callable[[int], nn.Module]
"""Makes the neurons of a layer from its number of neurons (or feature maps)."""


def mlp(
    inputs: int, hidden: int, outputs: int, neuron: NeuronFactory, *, current: str = "sigmoid"
) -> nn.Sequential:
    """The MDN network, inputs - hidden - outputs, both layers spiking (MDN, Sec. 3.1 and Table 1).

    Takes ``[T, B, inputs]``, returns output spikes ``[T, B, outputs]``. Linear layers with bias and
    PyTorch's default initialisation; a sigmoid bounds the current that enters each neuron (Eq. 2 and 3), or
    ``current`` names another of CURRENTS.
    Raises ValueError for a layer of no neurons, an unknown current, and a class in the factory's place.
    """
    _check(neuron, (inputs, hidden, outputs), "mlp needs sizes (inputs, hidden, outputs)")
    if current not in CURRENTS:
        raise ValueError(f"Unknown current {current!r}; use one of {', '.join(CURRENTS)}.")
    return nn.Sequential(
        TimeBatched(Linear(inputs, hidden), CURRENTS[current]()),
        neuron(hidden),
        TimeBatched(Linear(hidden, outputs), CURRENTS[current]()),
        neuron(outputs),
    )


def read_mlp(network: str) -> tuple[int, str]:
    """(hidden neurons, current) of "mlp-<hidden>", whose current is the sigmoid's, or of
    "mlp-<hidden>-<current>".
    """
    others = [name for name in CURRENTS if name != "sigmoid"]
    if not (found := re.fullmatch(rf"mlp-(\d+)(?:-({'|'.join(others)}))?", network)):
        raise ValueError(
            f"Cannot read the network {network!r}; write mlp-<hidden>, or with a current, mlp-<hidden>-"
            f"{' or mlp-<hidden>-'.join(others)}."
        )
    return int(found[1]), found[2] or "sigmoid"


def _check(neuron: NeuronFactory, sizes: tuple, needed: str) -> None:
    if len(sizes) != 3 or not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"{needed}, three whole numbers of at least 1, got {tuple(sizes)}.")
    if isinstance(neuron, type):
        raise ValueError(
            f"The factory of neurons is called with the size of a layer, which {neuron.__name__} would not "
            f"take for one; give a function, lambda size: {neuron.__name__}()."
        )


def conv_net(notation: str, input_shape: tuple[int, int, int], neuron: NeuronFactory) -> nn.Sequential:
    """The PLIF network written in ``notation``, e.g. ``TABLE_S1["mnist"]`` (PLIF, Table S1, Sec. 4.1).

    Takes ``[T, B, channels, height, width]`` with input_shape = (channels, height, width), returns the
    votes ``[T, B, classes]``. Convolutions (padding k // 2) and fully connected layers have no bias; BN
    follows a convolution; MP and AP pool spikes, and AP after the last neuron is the voting layer; DP drops
    with p = 0.5. ``PLIF`` marks where neurons stand; which kind they are, the factory decides. Raises
    ValueError for a token that it cannot read, for a net that its input is too small for, for neurons over
    maps with parameters of one neuron each, and for a class in the factory's place.
    """
    _check(neuron, input_shape, "conv_net needs an input_shape (channels, height, width)")
    layers: list[nn.Module] = []
    shape, synapse = tuple(input_shape), []
    for token in expand(notation):
        kind, numbers = _read(token, notation)
        if kind in ("c", "FC", "BN"):
            synapse_layer, shape = _synapse(kind, numbers, shape)
            synapse += synapse_layer
            continue
        if synapse:
            layers.append(TimeBatched(*synapse))
            synapse = []
        if kind == "PLIF":
            layers.append(neuron(shape[0]))
            if len(shape) > 1 and isinstance(layers[-1], Neuron) and _each_its_own(layers[-1]):
                raise ValueError(
                    f"The neurons over maps in {notation!r} have parameters of one neuron each, which would "
                    "lie along the columns of a map; give them one set for the layer."
                )
        elif kind == "DP":
            layers.append(TimeSharedDropout(0.5))
        elif len(shape) == 1:
            size = _pool_size(kind, numbers, shape, notation)
            layers.append(Voting(size))
            shape = (shape[0] // size,)
        else:
            pool = spike_max_pool if kind == "MP" else spike_average_pool
            layers.append(pool(*numbers))
            shape = (shape[0], *((side - numbers[0]) // numbers[1] + 1 for side in shape[1:]))
            if min(shape) < 1:
                raise ValueError(
                    f"An input of {tuple(input_shape)} is too small for the pooling in "
                    f"{notation!r}; use a larger one."
                )
    if synapse:
        raise ValueError(
            f"{notation!r} ends with synapses; end it with a neuron (PLIF) and a voting layer (APk10s10)."
        )
    return ConvNet(*layers)


class ConvNet(nn.Sequential):
    """Layers one after the other. While it trains, on a GPU or in bfloat16, normalisation, neurons and the
    max-pooling behind them are asked for together, which a kernel may serve in one pass; a test wants the
    spikes in between, which are counted, and so does whoever has a forward hook on a layer.
    """

    def forward(self, x_seq: Tensor) -> Tensor:
        together = self.training and _kernels_for_blocks(x_seq)
        together = together and not any(module._forward_hooks for module in self.modules())
        place, layers = 0, [*self, None, None]
        while (layer := layers[place]) is not None:
            neuron = layers[place + 1]
            if not (together and isinstance(layer, TimeBatched) and isinstance(neuron, LIF | PLIF)):
                x_seq = layer(x_seq)
                place += 1
                continue
            norm, size = norm_of_maps(layer), max_pool_window(layers[place + 2])
            steps = len(x_seq) if still.at_every_step(x_seq) else 0
            maps = (layer[:-1] if norm else layer)(x_seq[:1] if steps else x_seq)
            x_seq = neuron(maps, pool=size, norm=norm, steps=steps)
            place += 3 if size else 2
        return x_seq


def _kernels_for_blocks(x_seq: Tensor) -> bool:
    return x_seq.is_cuda or x_seq.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")


def expand(notation: str) -> list[str]:
    """The flat list of tokens of a notation: ``{c8k3s1-PLIF}*2-FC10`` -> c8k3s1, PLIF, c8k3s1, PLIF, FC10."""
    innermost = re.compile(r"\{([^{}]*)\}\*(\d+)")
    while match := innermost.search(notation):
        repeated = "-".join([match[1]] * int(match[2]))
        notation = notation[: match.start()] + repeated + notation[match.end() :]
    return notation.split("-")


def narrow(notation: str, channels: int, features: int) -> str:
    """The same net with fewer maps: every ``c*`` becomes ``channels``, every FC but the last ``features``;
    0 keeps Table S1's. Braces stay, unless the last FC stands in repeated ones.
    """
    tokens = expand(notation)
    last = max((i for i, token in enumerate(tokens) if token.startswith("FC")), default=0)
    if channels:
        notation = re.sub(r"c\d+k", f"c{channels}k", notation)
        tokens = [re.sub(r"c\d+k", f"c{channels}k", token) for token in tokens]
    if features:
        notation = re.sub(r"FC\d+(?=.*FC)", f"FC{features}", notation)
        tokens[:last] = [re.sub(r"FC\d+", f"FC{features}", token) for token in tokens[:last]]
    return notation if expand(notation) == tokens else "-".join(tokens)


def with_pooling(notation: str, pooling: str) -> str:
    """The same net with ``"max"`` or ``"average"`` pooling between its convolutions (PLIF, Table 5)."""
    if pooling not in ("max", "average"):
        raise ValueError(f"Unknown pooling {pooling!r}; use 'max' or 'average'.")
    return notation.replace("MP", "AP") if pooling == "average" else notation


def _read(token: str, notation: str) -> tuple[str, tuple[int, ...]]:
    if token in ("BN", "PLIF", "DP"):
        return token, ()
    if match := re.fullmatch(r"(c)(\d+)k(\d+)s(\d+)|(FC)(\d+)|(MP|AP)k(\d+)s(\d+)", token):
        found = [group for group in match.groups() if group is not None]
        if min(numbers := tuple(map(int, found[1:]))) < 1:
            raise ValueError(f"{token!r} in {notation!r} holds a 0; sizes and strides are at least 1.")
        return found[0], numbers
    raise ValueError(
        f"Cannot read {token!r} in {notation!r}; the notation knows c<out>k<size>s<stride>, BN, PLIF, "
        "MPk<size>s<stride>, APk<size>s<stride>, DP, FC<out> and {...}*<times>."
    )


def _synapse(kind: str, numbers: tuple, shape: tuple) -> tuple[list[nn.Module], tuple]:
    if kind == "FC":
        inputs = torch.Size(shape).numel()
        flatten = [nn.Flatten()] if len(shape) > 1 else []
        return [*flatten, nn.Linear(inputs, numbers[0], bias=False)], (numbers[0],)
    if len(shape) != 3:
        raise ValueError(
            "Convolution and BN need maps [channels, height, width]; put them before the first FC layer."
        )
    if kind == "BN":
        return [nn.BatchNorm2d(shape[0])], shape
    out, kernel, stride = numbers
    conv = nn.Conv2d(shape[0], out, kernel, stride, padding=kernel // 2, bias=False)
    return [conv], (out, *((side + 2 * (kernel // 2) - kernel) // stride + 1 for side in shape[1:]))


def _pool_size(kind: str, numbers: tuple, shape: tuple, notation: str) -> int:
    size, stride = numbers
    if kind != "AP" or size != stride or shape[0] % size:
        raise ValueError(
            f"The voting layer of {notation!r} must be AP with kernel = stride dividing {shape[0]} outputs."
        )
    return size


def described(config: dict) -> nn.Sequential:
    """The untrained network of a config: ``network``, "mlp-<hidden>" (``read_mlp``) or Table S1's notation,
    ``input_shape``, ``classes``, and ``neuron``: what ``neuron_config`` said of its neurons.
    """
    settings = dict(config["neuron"])
    kind, each = KINDS[settings.pop("kind")], settings.pop("each", False)

    def neuron(size: int) -> nn.Module:
        layer = kind(**settings)
        for name, value in list(layer.named_parameters()) if each else ():
            setattr(layer, name, nn.Parameter(value.detach().repeat(size), value.requires_grad))
        return layer

    shape, notation = tuple(config["input_shape"]), config["network"]
    if not notation.startswith("mlp-"):
        return conv_net(notation, shape, neuron)
    hidden, current = read_mlp(notation)
    return mlp(shape[0], hidden, config["classes"], neuron, current=current)


def neuron_config(network: nn.Module) -> dict:
    """What a network's neurons are apart from their parameters: their kind, its fixed numbers, and whether
    each neuron has parameters of its own.
    """
    layer = neuron_layers(network)[0]
    numbers = {  # as Python's: NumPy's are numbers too, and no JSON
        name: float(value)
        for name, value in vars(layer).items()
        if isinstance(value, Real) and not isinstance(value, bool)
    }
    each = {"each": True} if _each_its_own(layer) else {}
    return {"kind": type(layer).__name__, **numbers, **each}


def _each_its_own(layer: Neuron) -> bool:
    """Whether each neuron of a layer has parameters of its own."""
    return any(value.dim() for value in layer.parameters())


def not_finite(network: nn.Module) -> str | None:
    """The name of the first weight or buffer of a network that holds NaN or an infinity, or None."""
    return next((name for name, value in network.state_dict().items() if not value.isfinite().all()), None)


def neuron_layers(network: nn.Module) -> list[nn.Module]:
    """The neuron layers of a network, input side first."""
    return [module for module in network.modules() if isinstance(module, Neuron)]


@contextmanager
def recorded_spikes(
    network: nn.Module, keep: Callable[[Tensor], Tensor] = lambda spikes: spikes
) -> Iterator[list[Tensor]]:
    """Within the block, each forward pass leaves the spikes of every neuron layer, or what ``keep`` makes of
    them, in order, in the yielded list.
    """
    spikes: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out: spikes.append(keep(out)))
        for layer in neuron_layers(network)
    ]
    try:
        yield spikes
    finally:
        for hook in hooks:
            hook.remove()
