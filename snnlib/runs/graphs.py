"""A training step recorded once as a CUDA graph and replayed: hundreds of kernel launches become one.

A step of a small spiking network takes the GPU less time than Python needs to launch its kernels one by one.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

Stateful = nn.Module | torch.optim.Optimizer

WARM_UP = 3
"""Eager calls before the recording: they compile kernels and create gradients and the optimiser's state."""


def captured(step: Callable[..., Tensor], example_inputs: Sequence[Tensor], changes: Sequence[Stateful] = ()):
    """A function that does what ``step`` does, with inputs of the shapes and types of ``example_inputs``.

    ``step`` takes tensors and returns one (the loss, say). It may hold the zeroing of gradients, forward,
    backward and the update of an optimiser made with ``capturable=True`` (and, for a schedule, a learning
    rate that is a tensor): all that works on the same memory at every call and never waits for a result.
    Random numbers from PyTorch's default generator differ at every replay. ``changes`` names the modules and
    optimisers that the step changes: recording leaves them as they were. The next call overwrites the tensor
    returned.

    On a CPU ``step`` itself is called. Raises ValueError for inputs that differ from the examples in shape,
    type or device, and for examples on several devices.
    """
    devices = {tensor.device for tensor in example_inputs}
    if len(devices) != 1:
        names = sorted(map(str, devices))
        raise ValueError(f"The inputs of a captured step must lie on one device, got {names}.")
    replay = _record(step, example_inputs, changes) if devices.pop().type == "cuda" else step
    expected = [_form(tensor) for tensor in example_inputs]

    def run(*inputs: Tensor) -> Tensor:
        if [_form(tensor) for tensor in inputs] != expected:
            raise ValueError(
                f"This step was captured for inputs {expected}, got {[_form(tensor) for tensor in inputs]}; "
                "capture it again for other shapes, or drop the last, shorter batch."
            )
        return replay(*inputs)

    return run


def _form(tensor: Tensor) -> tuple:
    return tuple(tensor.shape), str(tensor.dtype), str(tensor.device)


def remembered(changes: Sequence[Stateful]) -> Callable[[], None]:
    """A function that puts back, in place, the present values of modules and optimisers.

    What an optimiser made up in the meantime (momenta, its count of steps) becomes 0: how Adam starts, and
    SGD without dampening.
    """
    before = {id(tensor): tensor.detach().clone() for tensor in _tensors(changes)}

    @torch.no_grad()
    def restore() -> None:
        for tensor in _tensors(changes):
            tensor.copy_(before[id(tensor)]) if id(tensor) in before else tensor.zero_()

    return restore


def _tensors(changes: Sequence[Stateful]) -> Iterator[Tensor]:
    for one in changes:
        if isinstance(one, nn.Module):
            yield from one.parameters()
            yield from one.buffers()
        else:
            for state in one.state.values():
                yield from (value for value in state.values() if isinstance(value, Tensor))


def _record(step, example_inputs, changes) -> Callable[..., Tensor]:
    fixed = [tensor.detach().clone() for tensor in example_inputs]
    restore = remembered(changes)
    with torch.cuda.device(fixed[0].device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                step(*fixed)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = step(*fixed)
    restore()

    def replay(*inputs: Tensor) -> Tensor:
        for place, tensor in zip(fixed, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        graph.replay()
        return result

    return replay
