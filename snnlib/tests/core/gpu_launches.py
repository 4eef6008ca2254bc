"""Compiles, for a GPU that need not be here (sm_90), every kernel that the papers' networks launch: the nets
of Table S1 in float32 and bfloat16, MDN's MLPs alone and as an ensemble. Each network takes a training step
on the meta device; each launch is compiled with the types and the specialisation that Triton would give it.

``python -m snnlib.tests.core.gpu_launches PART PARTS`` compiles every PARTS-th and prints what it found as
JSON.
"""

import contextlib
import json
import sys
import time
from unittest import mock

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from snnlib import datasets, networks, neurons
from snnlib.kernels import block, gpu, gpu_block, gpu_encoding, ops
from snnlib.runs import ensemble

KERNELS = ("_forward", "_backward", "_bernoulli", "_through_statistics")
MDN = ("mnist", "cifar10", "tidigits")  # 20 and 30 steps, both sizes of the hidden layer


class Operators(TorchDispatchMode):
    """Notes the arguments of the library's own operators, and how many operators there were in all."""

    def __init__(self):
        super().__init__()
        self.own, self.count = [], 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.count += 1
        if operator.namespace == "snnlib":
            self.own.append((operator._opname, args))
        return operator(*args, **(kwargs or {}))


def step_of(network: nn.Module, x_seq: torch.Tensor) -> Operators:
    """The operators of a training step, its update apart."""
    with (
        Operators() as noted,
        mock.patch.object(block, "_on_gpu", lambda maps: True),
        mock.patch.object(networks, "_kernels_for_blocks", lambda x: True),
    ):
        rates = network(x_seq).mean(0)
        rates.float().square().mean().backward()
    return noted


def plif_step(task: str, dtype: torch.dtype, notation: str = "") -> Operators:
    """A step of Table S1's net at batch 16; half precision with channels last."""
    view = datasets.view(task, "plif")
    with torch.device("meta"):
        net = networks.conv_net(
            notation or networks.TABLE_S1[task], view["input_shape"], lambda _: neurons.PLIF()
        )
        x = torch.empty(16, *view["input_shape"], dtype=dtype)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    if dtype != torch.float32:
        net.to(memory_format=torch.channels_last)
    still = x.expand(view["time_steps"], *x.shape)
    return step_of(net, still if view["encoding"] == "direct" else torch.empty_like(still).contiguous())


def mdn_step(task: str, neuron, members: int) -> Operators:
    """A step of MDN's MLP at its batch size, alone or as an ensemble."""
    view = datasets.view(task, "mdn")
    shape = (view["input_shape"][0], 1500 if task == "cifar10" else 500, view["classes"])
    alone = [networks.mlp(*shape, neuron) for _ in range(members)]
    net = alone[0] if members == 1 else ensemble.Ensemble(alone)
    rows = (100,) if members == 1 else (members, 100)
    return step_of(net.to("meta"), torch.empty(view["time_steps"], *rows, shape[0], device="meta"))


NEURONS = {
    "1st-order": lambda size: neurons.FirstOrder(),
    "2nd-order": lambda size: neurons.SecondOrder(),
    "learned": lambda size: neurons.SecondOrder(neurons=size, learnable=True),
}


def launches() -> list[tuple]:
    """(kernel, arguments, named arguments, grid) of all steps, one of each specialisation."""
    operators = []
    for task in networks.TABLE_S1:
        for dtype in (torch.float32, torch.bfloat16):
            operators += plif_step(task, dtype).own
    average = networks.with_pooling(networks.TABLE_S1["fashion_mnist"], "average")
    operators += plif_step("fashion_mnist", torch.bfloat16, average).own
    for task in MDN:
        for kind, neuron in NEURONS.items():
            for members in (1, 5 if kind == "learned" else 25):
                operators += mdn_step(task, neuron, members).own
    found: dict[tuple, tuple] = {}
    with noted_launches(found):
        for name, args in operators:
            {
                "neuron": ops._on_gpu,
                "neuron_backward": ops._backward_on_gpu,
                "block": block._forward,
                "block_backward": block._backward,
            }[name](*args)
        for task in ("mnist", "cifar10"):
            inputs = datasets.view(task, "mdn")["input_shape"][0]
            x, key = (
                torch.empty(100, inputs, device="meta"),
                torch.empty((), dtype=torch.int64, device="meta"),
            )
            gpu_encoding.bernoulli(x, key, 20)
    return list(found.values())


@contextlib.contextmanager
def noted_launches(found: dict):
    """In this block the kernels are not launched, but their launches noted."""
    with contextlib.ExitStack() as patches:
        for module in (gpu, gpu_block, gpu_encoding):
            kernels = {name: getattr(module, name) for name in KERNELS if hasattr(module, name)}
            noted = {name: _Noted(kernel, found) for name, kernel in kernels.items()}
            patches.enter_context(mock.patch.multiple(module, **noted))
        yield


class _Noted:
    def __init__(self, kernel, found: dict):
        self.kernel, self.found = kernel, found

    def __getitem__(self, grid):
        def note(*args, **named):
            given = dict(zip(self.kernel.arg_names, args, strict=False)) | named
            key = (
                self.kernel.fn.__module__,
                self.kernel.fn.__name__,
                *map(self._form, given, given.values()),
            )
            self.found.setdefault(key, (self.kernel, args, named, grid))

        return note

    def _form(self, name: str, value):
        """What Triton compiles anew for."""
        if isinstance(value, torch.Tensor):
            return value.dtype
        parameter = next((p for p in self.kernel.params if p.name == name), None)
        if parameter is None or parameter.is_constexpr or not isinstance(value, int):
            return str(value)
        return () if parameter.do_not_specialize else (value == 1, value % 16 == 0)


class NoDriver:
    """Stands for the driver of a GPU of compute capability 9.0."""

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


def main(part: int, parts: int) -> None:
    driver.set_active(NoDriver())
    every = launches()
    for kernel, args, named, grid in every[part::parts]:
        used = time.process_time()
        assembly = kernel.warmup(*args, grid=grid, **named).asm["ptx"]
        first = next(arg for arg in args if isinstance(arg, torch.Tensor))
        told = {
            "kernel": f"{kernel.fn.__module__.rsplit('.', 1)[-1]}.{kernel.fn.__name__}",
            "for": f"{str(first.dtype).removeprefix('torch.')} {list(first.shape)}",
            "cpu_seconds": round(time.process_time() - used, 2),
            "fused multiply-add": "fma.rn" in assembly,
        }
        print(json.dumps(told), flush=True)
    print(json.dumps({"of": len(every)}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
