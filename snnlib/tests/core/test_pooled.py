"""Neurons and max-pooling in one pass, in bfloat16 on a CPU: the numbers of the two layers one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlib import networks
from snnlib.kernels import ops, pooled, pooling, reference
from snnlib.layers import max_pool_window, spike_average_pool, spike_max_pool
from snnlib.neurons import LIF, PLIF

CONSTANTS = reference.constants(1.0)


def maps(*shape, seed=0, still=False):
    x = (2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).bfloat16()
    return x[:1].expand(shape) if still else x


def both(x):
    """(pooled spikes, gradient of the maps, gradient of k) in one pass, and layer by layer."""
    found = []
    for fused in (True, False):
        k = torch.tensor(0.37, requires_grad=True)
        y = x.clone(memory_format=torch.preserve_format).requires_grad_()
        if fused:
            out = pooled.run("lif", y, (k,), (0.0,), CONSTANTS)
        else:
            spikes = ops.run("lif", y, (k,), (0.0,), CONSTANTS)
            out = pooling.max_pool(spikes.flatten(0, 1), 2, 2).unflatten(0, y.shape[:2])
        weight = torch.linspace(-1, 1, out.numel()).view_as(out).to(out.dtype)
        (out * weight).sum().backward()
        found.append((out.detach(), y.grad, k.grad))
    return found


sides = st.tuples(st.integers(1, 20).map(lambda n: 2 * n), st.integers(2, 41))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), sides, st.integers(0, 99))
def test_one_pass_gives_the_numbers_of_two(steps, batch, channels, side, seed):
    fused, apart = both(maps(steps, batch, channels, *side, seed=seed))
    assert torch.equal(fused[0], apart[0]) and torch.equal(fused[1], apart[1])
    torch.testing.assert_close(fused[2], apart[2], rtol=1e-4, atol=1e-3)  # summed in another order


def test_a_still_is_read_once_and_rows_beyond_a_block_are_served():
    x = maps(4, 2, 3, 6, 1200, still=True)
    assert pooled.pools("lif", x, (0.5,), 2)
    ours = pooled.run("lif", x, (0.5,), (0.0,), CONSTANTS)
    spikes = ops.run("lif", x.contiguous(), (0.5,), (0.0,), CONSTANTS)
    apart = pooling.max_pool(spikes.flatten(0, 1), 2, 2).unflatten(0, x.shape[:2])
    assert torch.equal(ours, apart)


@pytest.mark.parametrize(
    ("x", "parameters", "size", "kind"),
    [
        (maps(2, 1, 1, 5, 4), (0.5,), 2, "lif"),  # half a window at the foot of a map
        (maps(2, 1, 1, 4, 1), (0.5,), 2, "lif"),
        (maps(2, 1, 1, 6, 6), (0.5,), 3, "lif"),
        (maps(2, 1, 1, 4, 4).float(), (0.5,), 2, "lif"),  # the recorded runs' precision
        (maps(2, 1, 1, 4, 4), (torch.full((4,), 0.5),), 2, "lif"),
        (maps(2, 1, 4, 4), (0.5,), 2, "lif"),
        (maps(2, 1, 1, 4, 4), (0.5,), 2, "first_order"),
    ],
)
def test_what_it_does_not_serve_goes_layer_by_layer(x, parameters, size, kind):
    assert not pooled.pools(kind, x, parameters, size)


@pytest.mark.parametrize("neuron", [LIF(tau=3.0), PLIF(tau=3.0)])
@pytest.mark.parametrize("shape", [(3, 2, 2, 6, 6), (3, 2, 2, 5, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_neuron_pools_what_it_fires(neuron, shape, dtype):
    x = maps(*shape).to(dtype)
    spikes = neuron(x)
    assert spikes.dtype == dtype
    expected = torch.nn.functional.max_pool2d(spikes.flatten(0, 1).float(), 2).unflatten(0, shape[:2])
    assert torch.equal(neuron(x, pool=2).float(), expected)


def test_operators_are_whole():
    current, table = maps(3, 1, 1, 4, 4).flatten(1, -2), torch.zeros(6, 1, 1)
    table[0] = 0.5
    current.requires_grad_()
    table.requires_grad_()
    tests = ("test_schema", "test_faketensor", "test_autograd_registration")
    torch.library.opcheck(pooled.neuron_pool, (current, table, list(CONSTANTS), 3), test_utils=tests)
    x = maps(3, 1, 1, 4, 4).requires_grad_()
    out = pooled.run("lif", x, (0.5,), (0.0,), CONSTANTS).float().square().sum()
    (gx,) = torch.autograd.grad(out, x, create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        gx.float().sum().backward()


def test_windows_of_layers():
    assert max_pool_window(spike_max_pool(2, 2)) == 2
    assert [max_pool_window(layer) for layer in (spike_max_pool(3, 2), spike_average_pool(2, 2), LIF())] == [
        0
    ] * 3


def test_a_net_in_bfloat16_trains_as_its_layers_do(monkeypatch):
    """One step of a small net: the same loss and gradients with pooling in the pass and behind it."""
    losses, gradients = [], []
    for fused in (True, False):
        torch.manual_seed(0)
        net = networks.conv_net("c4k3s1-BN-PLIF-MPk2s2-FC20-PLIF-APk10s10", (1, 8, 8), lambda _: PLIF())
        if not fused:
            monkeypatch.setattr(pooled, "pools", lambda *_: False)
        with torch.autocast("cpu", torch.bfloat16):
            rates = net(torch.rand(4, 3, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
        loss = rates.float().square().sum()
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad for p in net.parameters()])
    assert losses[0] == losses[1]
    for ours, apart in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, apart, rtol=1e-3, atol=1e-4)
