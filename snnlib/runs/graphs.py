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

    ``step`` itself is called on a CPU, and for inputs that differ from the examples in shape or type (the
    last, shorter batch).
    """
    if example_inputs[0].device.type != "cuda":
        return step
    replay, expected = _record(step, example_inputs, changes), [_form(tensor) for tensor in example_inputs]
    return lambda *inputs: (replay if [_form(tensor) for tensor in inputs] == expected else step)(*inputs)


def _form(tensor: Tensor) -> tuple:
    return tensor.shape, tensor.dtype, tensor.device


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
