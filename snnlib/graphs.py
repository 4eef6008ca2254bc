"""A training step recorded once as a CUDA graph and replayed: hundreds of kernel launches become one.

A step of a small spiking network takes the GPU less time than Python needs to launch its kernels one by one.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

Changing = nn.Module | torch.optim.Optimizer | torch.Generator

WARM_UP = 3
"""Eager calls before the recording: they compile kernels and create gradients and the optimiser's state."""


def captured(step: Callable[..., Tensor], changes: Sequence[Changing] = ()) -> Callable[..., Tensor]:
    """A function that does what ``step`` does; on a GPU its first call records, later ones replay.

    ``step`` takes tensors and returns one (the loss, say). It may hold the encoding of samples, the zeroing
    of gradients, forward, backward and the update of an optimiser made with ``capturable=True`` (and, for a
    schedule, a learning rate that is a tensor): all that works on the same memory at every call and never
    waits for a result. ``changes`` names the modules, optimisers and random generators that the step changes,
    PyTorch's default one apart: recording leaves them as they were, and a generator may be seeded anew
    between two calls. The next call overwrites the tensor returned.

    ``step`` itself is called on a CPU, and for inputs that differ from the first in shape, type or the axes
    along which all share their memory (the last, shorter batch); with a warning, where it cannot be recorded.
    """
    recorded: list = []

    def call(*inputs: Tensor) -> Tensor:
        if not _on_gpu(inputs[0]):
            return step(*inputs)
        if not recorded:
            try:
                recorded.extend((_form(inputs), _record(step, inputs, changes)))
            except RuntimeError as problem:  # a step of someone's own that waits for a result
                recorded.extend((None, step))
                reason = str(problem).splitlines()[0]
                warnings.warn(
                    f"The step cannot be recorded and runs kernel by kernel: {reason}", stacklevel=2
                )
        return (recorded[1] if _form(inputs) == recorded[0] else step)(*inputs)

    return call


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


def _form(inputs: Sequence[Tensor]) -> list[tuple]:
    return [(tensor.shape, tensor.dtype, tensor.device, _once(tensor).shape) for tensor in inputs]


def _once(tensor: Tensor) -> Tensor:
    """Without the repetitions of an expanded tensor: a copy of those would no longer be known for a still."""
    return tensor[tuple(slice(1 if stride == 0 else None) for stride in tensor.stride())]


def remembered(changes: Sequence[Changing]) -> Callable[[], None]:
    """A function that puts back, in place, the present values of modules, optimisers and generators.

    What an optimiser made up in the meantime (momenta, its count of steps) becomes 0: how Adam starts, and
    SGD without dampening.
    """
    before = {id(tensor): tensor.detach().clone() for tensor in _tensors(changes)}
    states = [(one, one.get_state()) for one in changes if isinstance(one, torch.Generator)]

    @torch.no_grad()
    def restore() -> None:
        for tensor in _tensors(changes):
            tensor.copy_(before[id(tensor)]) if id(tensor) in before else tensor.zero_()
        for generator, state in states:
            generator.set_state(state)

    return restore


def _tensors(changes: Sequence[Changing]) -> Iterator[Tensor]:
    for one in changes:
        if isinstance(one, nn.Module):
            yield from one.parameters()
            yield from one.buffers()
        elif isinstance(one, torch.optim.Optimizer):
            for state in one.state.values():
                yield from (value for value in state.values() if isinstance(value, Tensor))


def _record(step, inputs: Sequence[Tensor], changes: Sequence[Changing]) -> Callable[..., Tensor]:
    fixed = [_once(tensor).clone() for tensor in inputs]
    as_given = [place.expand(tensor.shape) for place, tensor in zip(fixed, inputs, strict=True)]
    device = fixed[0].device
    with torch.cuda.device(device):
        restore = remembered([*changes, torch.cuda.default_generators[torch.cuda.current_device()]])
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                step(*as_given)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        for generator in changes:
            if isinstance(generator, torch.Generator):
                graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph):
                result = step(*as_given)
        finally:
            restore()

    def replay(*inputs: Tensor) -> Tensor:
        for place, tensor in zip(fixed, inputs, strict=True):
            place.copy_(_once(tensor), non_blocking=True)
        graph.replay()
        return result

    return replay
