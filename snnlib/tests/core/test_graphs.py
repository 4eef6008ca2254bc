"""Captured training steps: the same numbers as the step itself, on a CPU and, if there is one, on a GPU."""

import copy

import pytest
import torch
from torch import nn

from snnlib import graphs
from snnlib.neurons import PLIF

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def a_step(device):
    torch.manual_seed(1)
    first = nn.Sequential(nn.Linear(12, 20), nn.BatchNorm1d(20), nn.Unflatten(0, (4, 6)))
    net = nn.Sequential(first, PLIF(), nn.Linear(20, 3)).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01, capturable=device == "cuda")

    def step(x, y):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(net(x).mean(0), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return net, optimiser, step


@pytest.mark.parametrize("device", DEVICES)
def test_same_numbers_as_the_step_itself(device):
    batches = [(3 * torch.randn(24, 12, device=device), torch.randn(6, 3, device=device)) for _ in range(5)]
    net, _, step = a_step(device)
    losses = [step(*batch).item() for batch in batches]
    other, optimiser, step = a_step(device)
    fast = graphs.captured(step, (other, optimiser))
    torch.testing.assert_close([fast(*batch).item() for batch in batches], losses)
    assert losses[-1] != losses[0]
    for mine, plain in zip(other.state_dict().values(), net.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, plain)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_recording_leaves_no_trace():
    net, optimiser, step = a_step("cpu")
    before = copy.deepcopy(net.state_dict())
    restore = graphs.remembered((net, optimiser))
    x, y = torch.randn(24, 12), torch.randn(6, 3)
    first = step(x, y).item()
    for _ in range(3):
        assert step(x, y).item() != first
    assert not same(before, net.state_dict())
    restore()
    assert same(before, net.state_dict())
    assert step(x, y).item() == first
    fresh, _, step = a_step("cpu")
    step(x, y)
    assert same(fresh.state_dict(), net.state_dict())


@pytest.mark.parametrize("device", DEVICES)
def test_other_inputs_are_computed_afresh(device):
    fast = graphs.captured(lambda x: x.sum())
    assert fast(torch.ones(4, 3, device=device)) == 12
    assert fast(torch.ones(1, 3, device=device)) == 3
    double = fast(torch.full((4, 3), 2, dtype=torch.float64, device=device))
    assert double == 24 and double.dtype == torch.float64
