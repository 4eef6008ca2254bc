"""Orders and disturbances of the time axis change what they say and nothing else."""

import dataclasses

import pytest
import torch

from snnlib import datasets
from snnlib.datasets import disturbance


def steps(t=30, b=7, n=3):
    """[T, B, N] that says of each step when it was."""
    return torch.arange(t, dtype=torch.float32).view(t, 1, 1).expand(t, b, n).contiguous()


def disturbed(how, x=None, seed=0):
    return disturbance.disturbed(steps() if x is None else x, how, torch.Generator().manual_seed(seed))


def test_orders_keep_every_step_whole():
    x = steps()
    assert torch.equal(disturbed("in order"), x) and torch.equal(disturbed("reversed"), x.flip(0))
    shuffled = disturbed("shuffled")
    assert torch.equal(shuffled.sort(0).values, x)  # the same steps
    assert (shuffled == shuffled[:, :, :1]).all()  # each with all of its values
    orders = {tuple(shuffled[:, sample, 0].tolist()) for sample in range(7)}
    assert len(orders) == 7  # each sample in an order of its own
    assert torch.equal(shuffled, disturbed("shuffled")) and not torch.equal(
        shuffled, disturbed("shuffled", seed=1)
    )


def test_disturbances_are_as_strong_as_they_say():
    x = torch.randn(30, 40, 50, generator=torch.Generator().manual_seed(3)) * 4
    assert (disturbed("noise:0.5", x) - x).std().item() == pytest.approx(2, rel=0.02)
    assert (disturbed("deletion:0.3", x) == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    moved = (disturbed("jitter:2") - steps())[2:-2, :, 0]
    assert moved.abs().max() == 2 and set(moved.unique().tolist()) == {-2, -1, 0, 1, 2}
    assert disturbed("warp:1.5")[:, 0, 0].tolist()[:4] == [0, 1, 3, 4]
    assert disturbed("warp:1.5")[-1, 0, 0] == 29 and disturbed("warp:0.5")[-1, 0, 0] == 14


@pytest.mark.parametrize(
    "how",
    ["", "sorted", "noise", "noise:-1", "noise:x", "shuffled:2", "warp:0"]
    + ["deletion:2", "noise:inf", "noise:nan", "warp:inf", "jitter:inf", "jitter:1e30"],
)
def test_an_unknown_disturbance_is_named(how):
    with pytest.raises(ValueError, match="is no order or disturbance of time: use in order, shuffled"):
        disturbance.checked(how)


def test_a_task_with_an_order_gives_that_order_in_training_and_testing():
    task = datasets.load("tidigits", train=20, test=20, source="stand-in")
    x = task.batch(task.test_x, torch.Generator().manual_seed(0), False)
    for train in (True, False):
        turned = dataclasses.replace(task, order="reversed")
        assert torch.equal(turned.encode(task.test_x, torch.Generator().manual_seed(0), train), x.flip(0))
