"""Normalisation, neurons and pooling in one pass on a GPU: the numbers of the layers one by one, in plain
PyTorch. Without a GPU the tests run in Triton's interpreter, in a process of their own.
"""

from unittest import mock

import pytest
import torch
from torch import nn

from snnlib import encoding, networks
from snnlib.kernels import block, reference
from snnlib.neurons import LIF, PLIF
from snnlib.tests.core.test_kernels_gpu import DEVICE, in_the_interpreter, runs

CONSTANTS = reference.constants(1.0, v_reset=-0.1)
ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def test_in_the_interpreter():
    in_the_interpreter(__file__)


def layers(x, k, norm, steps, pool):
    """What ``block.run`` computes, layer by layer."""
    if norm:
        x = norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    x = x.expand(steps, *x.shape[1:])
    spikes = reference.run("lif", x, [k, 0, 0, 0], [k.new_tensor(-0.1), 0], CONSTANTS)
    if pool < 2:
        return spikes
    return nn.functional.max_pool2d(spikes.flatten(0, 1), pool).unflatten(0, spikes.shape[:2])


def numbers(fused, held, steps, batch, channels, sides, pool, last, normed, dtype):
    """Spikes, gradients of maps, of k and of the normalisation, running statistics; all in float64."""
    wide = torch.promote_types(dtype, torch.float32)
    x = torch.randn(held * batch, channels, *sides, generator=torch.Generator().manual_seed(1))
    x = (2 * x + 0.5).to(DEVICE, dtype)
    if last and fused:
        x = x.to(memory_format=torch.channels_last)
    x = x.unflatten(0, (held, batch)).requires_grad_()
    k = torch.tensor(0.4, dtype=wide, device=DEVICE, requires_grad=True)
    norm = nn.BatchNorm2d(channels).to(DEVICE, wide) if normed else None
    if norm:
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(0.7, 1.3, channels))
            norm.bias.copy_(torch.linspace(0.2, 0.9, channels))
    if fused:
        spikes = block.run("lif", x, (k,), (-0.1,), CONSTANTS, steps, pool, norm)
        assert spikes.dtype == dtype
        assert (not last) == spikes[0].is_contiguous() or channels == 1
    else:
        spikes = layers(x.to(wide), k, norm, steps, pool)
    grad = torch.linspace(-1, 1, spikes.numel(), device=DEVICE).view(spikes.shape).to(dtype)
    wanted = [x, k, *(norm.parameters() if norm else ())]
    gradients = torch.autograd.grad(spikes, wanted, grad.to(spikes.dtype))
    return [value.double() for value in (spikes.detach(), *gradients, *(norm.buffers() if norm else ()))]


@runs
@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize(
    ("held", "steps", "batch", "channels", "sides", "pool", "last", "normed"),
    [
        (4, 4, 2, 3, (6, 10), 2, False, True),
        (5, 5, 2, 3, (7, 5), 2, True, True),  # neurons in no window, which the statistics see
        (1, 6, 2, 3, (6, 6), 2, True, True),  # a still
        (1, 3, 1, 2, (5, 4), 1, False, True),
        (3, 3, 2, 3, (4, 4), 1, True, False),
        (9, 9, 1, 2, (2, 2), 2, False, True),  # one window a map
        (32, 32, 1, 2, (4, 4), 2, False, True),
        (19, 19, 1, 2, (3, 3), 1, False, True),  # segments that do not divide the steps
    ],
)
def test_agrees_with_the_layers_one_by_one(held, steps, batch, channels, sides, pool, last, normed, dtype):
    shape = (held, steps, batch, channels, sides, pool, last, normed, dtype)
    fused, apart = numbers(True, *shape), numbers(False, *shape)
    assert torch.equal(fused[0], apart[0]) and 0 < fused[0].mean() < 1
    for mine, true in zip(fused[1:], apart[1:], strict=True):
        torch.testing.assert_close(
            mine, true, rtol=ROUNDING[dtype], atol=ROUNDING[dtype] * true.abs().max().item()
        )


@runs
@pytest.mark.parametrize("pooling", ["MPk2s2", "APk2s2"])
@pytest.mark.parametrize("last", [False, True])
def test_a_net_trains_as_its_layers_do(pooling, last):
    """One step: blocks with and without pooling behind them, the first of a still. No dropout, whose mask is
    drawn in the order of memory.
    """
    notation = f"{{{{c3k3s1-BN-PLIF}}*2-{pooling}}}*2-FC20-PLIF-APk10s10"
    found = []
    for fused in (True, False):
        torch.manual_seed(0)
        net = networks.conv_net(notation, (2, 9, 9), lambda _: PLIF(tau=1.2)).to(DEVICE).double()
        if last and fused:
            net.to(memory_format=torch.channels_last)
        x = torch.rand(2, 2, 9, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        torch.manual_seed(5)
        served = mock.Mock(side_effect=block.run)
        with (
            mock.patch.object(networks, "_kernels_for_blocks", lambda x, fused=fused: fused),
            mock.patch.object(block, "_on_gpu", lambda maps, fused=fused: fused),
            mock.patch.object(block, "run", served),
        ):
            rates = net(encoding.direct(3 * x.to(DEVICE), 4)).mean(0)
            (rates.square().sum() + rates.sum()).backward()
        assert served.call_count == (4 if fused else 0)
        found.append([rates.detach(), *(p.grad for p in net.parameters()), *net.buffers()])
    assert all(value.abs().sum() > 0 for value in found[0][1:3])
    for mine, true in zip(*found, strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-9, atol=1e-12)


@runs
def test_sums_repeat_to_the_bit():
    shape = (3, 3, 2, 3, (6, 6), 2, False, True, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(numbers(True, *shape), numbers(True, *shape), strict=True))


def test_what_it_does_not_serve_goes_layer_by_layer(monkeypatch):
    maps, norm = torch.zeros(2, 1, 3, 4, 4), nn.BatchNorm2d(3)
    assert not block.serves("lif", maps, (0.5,), 2, norm)  # on a CPU
    monkeypatch.setattr(block, "_on_gpu", lambda maps: True)
    assert block.serves("lif", maps, (0.5,), 2, norm) and block.serves("lif", maps, (0.5,), 0, None)
    assert not block.serves("lif", maps, (0.5,), 2, nn.BatchNorm2d(3).eval())  # not the batch's statistics
    assert not block.serves("lif", maps, (0.5,), 2, nn.BatchNorm2d(3, affine=False))
    assert not block.serves("lif", maps, (0.5,), 3, norm)
    assert not block.serves("lif", maps, (torch.full((4,), 0.5),), 2, norm)
    assert not block.serves("first_order", maps, (0.5,), 2, norm)
    assert not block.serves("lif", maps[:, :, :, :1], (0.5,), 2, norm)
    assert not block.serves("lif", maps[:0], (0.5,), 2, norm)
    assert not block.serves("lif", maps[0], (0.5,), 0, norm)


def test_layers_around_a_neuron_without_a_kernel():
    """On a CPU, in float32: normalised before, repeated, pooled after."""
    norm, x = nn.BatchNorm2d(3), 3 * torch.rand(1, 2, 3, 6, 6)
    spikes = LIF()(x, norm=norm, pool=2, steps=4)
    plain = LIF()(nn.BatchNorm2d(3)(x[0]).expand(4, 2, 3, 6, 6))
    expected = nn.functional.max_pool2d(plain.flatten(0, 1), 2).unflatten(0, (4, 2))
    assert torch.equal(spikes, expected) and 0 < spikes.sum()
    assert norm.num_batches_tracked == 1
