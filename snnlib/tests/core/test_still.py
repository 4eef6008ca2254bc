"""A current that is the same at every step: read once, and each of its copies has its own gradient."""

import pytest
import torch

from snnlib import encoding, layers
from snnlib.kernels import ops
from snnlib.neurons import LIF, PLIF, PRESETS, FirstOrder, Izhikevich, SecondOrder

STEPS = 6
EVERY = [FirstOrder(), SecondOrder(*PRESETS["2-FS"]), LIF(), PLIF(), Izhikevich()]


def _leaf(still):
    return encoding.direct(still, STEPS).detach().requires_grad_()


def _copies(still):
    return encoding.direct(still, STEPS).contiguous().requires_grad_()


def _retained(still):
    sequence = encoding.direct(still.clone().requires_grad_(), STEPS)
    sequence.retain_grad()
    return sequence


class Shift(torch.nn.Module):
    """A synapse that changes nothing, of one learned number for each input."""

    def __init__(self, still):
        super().__init__()
        self.by = torch.nn.Parameter(torch.zeros_like(still))

    def forward(self, x):
        return x + self.by


def _repeated(still):
    """As a layer of synapses hands it over."""
    sequence = layers.TimeBatched(Shift(still))(encoding.direct(still, STEPS))
    sequence.retain_grad()
    return sequence


@pytest.mark.parametrize("neuron", EVERY, ids=lambda neuron: type(neuron).__name__)
@pytest.mark.parametrize("make", [_leaf, _retained, _repeated])
def test_every_copy_gets_its_own_gradient(make, neuron):
    still = 3 * torch.rand(4, 5, generator=torch.Generator().manual_seed(1))
    still = 20 * still if isinstance(neuron, Izhikevich) else still
    weights = torch.randn(STEPS, 4, 5, generator=torch.Generator().manual_seed(2))
    one, copies = make(still), _copies(still)
    assert one.stride(0) == 0 and torch.equal(neuron(one), neuron(copies))
    (neuron(one) * weights).sum().backward()
    (neuron(copies) * weights).sum().backward()
    assert torch.equal(one.grad, copies.grad) and (one.grad[1:] != 0).any()


def test_asked_for_by_name_the_gradients_are_the_same():
    still = 3 * torch.rand(4, 5, generator=torch.Generator().manual_seed(3))
    for sequence in (_leaf(still), _retained(still), _repeated(still)):
        (grad,) = torch.autograd.grad(LIF()(sequence).sum(), sequence)
        (expected,) = torch.autograd.grad(LIF()(copies := _copies(still)).sum(), copies)
        assert torch.equal(grad, expected)


def test_what_is_computed_once_gets_their_sum_from_the_last_step_to_the_first():
    still = torch.rand(3, 7, generator=torch.Generator().manual_seed(4))
    weights = torch.randn(STEPS, 3, 7, generator=torch.Generator().manual_seed(5))
    synapse = layers.TimeBatched(Shift(still))
    (synapse(encoding.direct(still, STEPS)) * weights).sum().backward()
    total = torch.zeros(3, 7)
    for step in reversed(weights):
        total += step
    assert torch.equal(synapse[0].by.grad, total)


@pytest.mark.parametrize("make", [_leaf, _retained])
def test_every_copy_gets_its_own_gradient_through_a_synapse(make):
    """Of the copies themselves, not their sum at the first."""
    torch.manual_seed(6)
    synapse, still = layers.TimeBatched(torch.nn.Linear(5, 7)), torch.rand(4, 5)
    one, copies, weights = make(still), _copies(still), torch.randn(STEPS, 4, 7)
    (synapse(one) * weights).sum().backward()
    (synapse(copies) * weights).sum().backward()
    torch.testing.assert_close(one.grad, copies.grad)
    (asked,) = torch.autograd.grad((synapse(one) * weights).sum(), one)
    torch.testing.assert_close(asked, copies.grad)
    along = torch.randn(4, 5)
    slope = torch.func.jvp(lambda x: synapse(encoding.direct(x, STEPS)), (still,), (along,))[1]
    torch.testing.assert_close(slope, (along @ synapse[0].weight.t()).expand(STEPS, 4, 7))


def test_a_kernel_reads_one_step_of_it():
    current = torch.rand(2, 3).expand(STEPS, 2, 3)
    assert ops.once(current).shape == (1, 2, 3)
    assert ops.once(current.contiguous()).shape == (STEPS, 2, 3)
