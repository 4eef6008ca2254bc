"""The other implementations of the same neurons: three libraries and the plain PyTorch loop.

Each is set to the companion's equation, with its own means. A library that is not installed is skipped, with
a sentence (``missing``); `pip install -e ".[peers]"` brings them all.
"""

import copy
import importlib
import importlib.metadata
import importlib.util
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnlib import networks, neurons, surrogate
from snnlib.kernels import reference
from snnlib.provenance import commit

LIBRARIES = {"SpikingJelly": "spikingjelly", "snnTorch": "snntorch", "Norse": "norse"}
LOOP = "PyTorch loop"

TAU = 2.0
KINDS: dict[str, Callable[[], nn.Module]] = {
    "LIF": lambda: neurons.LIF(tau=TAU),
    "PLIF": lambda: neurons.PLIF(tau=TAU),
    "2nd order": lambda: neurons.SecondOrder(*neurons.PRESETS["2-FS"]),
    "1st order": neurons.FirstOrder,
}
"""The neurons that are raced, as the companion makes them."""


@dataclass(frozen=True)
class Layer:
    """A layer of neurons, ``module(current_seq) -> spikes``, of one implementation.

    ``input_scale``: by what its input current is to be multiplied beforehand to mean the same;
    ``same_gradient``: whether its backward pass is the companion's, surrogate and reset, so that gradients
    can be compared as well.
    """

    module: nn.Module
    input_scale: float = 1.0
    same_gradient: bool = True


def version(implementation: str) -> str:
    """The installed version of a library (the companion's commit, PyTorch's for loop and floors); "" if it is
    not installed.
    """
    if implementation.startswith("ours"):
        return commit()
    package = LIBRARIES.get(implementation, "torch")
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def role(implementation: str) -> str:
    """The part that an implementation takes in a race, see ``measure.Contender``."""
    return {"ours": "ours", LOOP: "loop"}.get(implementation, "peer")


def missing() -> list[str]:
    """One sentence for each library that is not installed."""
    return [
        f'{name} is skipped: it is not installed; `pip install -e ".[peers]"` brings it.'
        for name in LIBRARIES
        if not version(name)
    ]


def _import(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecations inside the libraries
        return importlib.import_module(name)


def layer(implementation: str, kind: str) -> Layer | None:
    """The neuron ``kind`` (a key of ``KINDS``) of an implementation; None where the library has none such or
    is not installed.
    """
    if implementation == LOOP:
        return Layer(plain_loop(KINDS[kind]()))
    make = {"SpikingJelly": _spikingjelly, "snnTorch": _snntorch, "Norse": _norse}[implementation]
    return make(kind) if version(implementation) else None


def plain_loop(module: nn.Module) -> nn.Module:
    """A copy of a neuron, or of a network of them, that runs ``kernels/reference.py`` instead of a kernel,
    layer after layer: nothing is asked of neurons together with them.
    """

    def run(self, kind, current_seq, parameters, initial, constants, trace, maps=None):
        dtype, device = reference.precision(current_seq), current_seq.device
        parameters = [torch.as_tensor(value, dtype=dtype, device=device) for value in parameters]
        initial = [torch.full_like(parameters[0], value, requires_grad=False) for value in initial]
        return reference.run(kind, current_seq, parameters, initial, constants)

    module = copy.deepcopy(module)
    if isinstance(module, networks.ConvNet):
        module = nn.Sequential(*module)
    for part in module.modules():
        if isinstance(part, neurons.Neuron):
            part._run = types.MethodType(run, part)
    return module


class _Reset(nn.Module):
    """A SpikingJelly module whose state is born in the call, as the companion's."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.reset = _import("spikingjelly.activation_based.functional").reset_net

    def forward(self, x_seq: Tensor) -> Tensor:
        self.reset(self.inner)
        return self.inner(x_seq)


def spikingjelly_node(kind: str) -> nn.Module:
    """SpikingJelly's neuron over whole sequences, state kept until ``functional.reset_net``."""
    neuron = _import("spikingjelly.activation_based.neuron")
    atan = _import("spikingjelly.activation_based.surrogate").ATan(alpha=2.0)
    common = {"v_reset": 0.0, "step_mode": "m", "store_v_seq": False, "surrogate_function": atan}
    paper = {"decay_input": True, "v_threshold": 1.0, "detach_reset": True}
    mdn = {"decay_input": False, "v_threshold": 0.5, "detach_reset": False}
    if kind == "LIF":
        return neuron.LIFNode(tau=TAU, **paper, **common)
    if kind == "PLIF":
        return neuron.ParametricLIFNode(init_tau=TAU, **paper, **common)
    # v <- v - v / tau + x with 1 - 1 / tau = 0.2; its derivative is ATan's, the window is not among its own.
    return neuron.LIFNode(tau=1.25, **mdn, **common)


def _spikingjelly(kind: str) -> Layer | None:
    if kind == "2nd order":
        return None
    return Layer(_Reset(spikingjelly_node(kind)), same_gradient=kind != "1st order")


class _SnnTorch(nn.Module):
    """snnTorch's Leaky in the loop over time that its users write."""

    def __init__(self, beta: float, threshold: float, spike_grad: Callable):
        super().__init__()
        make = _import("snntorch").Leaky
        self.cell = make(beta=beta, threshold=threshold, spike_grad=spike_grad, reset_mechanism="zero")

    def forward(self, x_seq: Tensor) -> Tensor:
        membrane, spikes = torch.zeros_like(x_seq[0]), []
        for x in x_seq:
            spike, membrane = self.cell(x, membrane)
            spikes.append(spike)
        return torch.stack(spikes)


def _snntorch(kind: str) -> Layer | None:
    if kind == "LIF":  # beta v + x: the input is not divided by tau
        atan = _import("snntorch.surrogate").atan(alpha=2.0)
        return Layer(_SnnTorch(1 - 1 / TAU, 1.0, atan), input_scale=1 / TAU)
    if kind == "1st order":  # its reset is always detached
        return Layer(_SnnTorch(0.2, 0.5, surrogate.window), same_gradient=False)
    return None


class _Norse(nn.Module):
    def __init__(self):
        super().__init__()
        box = _import("norse.torch.functional.lif_box").LIFBoxParameters
        cell = _import("norse.torch.module.lif_box").LIFBoxCell
        parameters = box(tau_mem_inv=torch.tensor(1 / TAU), v_th=torch.tensor(1.0))
        self.lifted = _import("norse.torch.module.lift").Lift(cell(parameters, dt=1.0))

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.lifted(x_seq)[0]


def _norse(kind: str) -> Layer | None:
    return Layer(_Norse(), same_gradient=False) if kind == "LIF" else None  # its surrogate is SuperSpike's
