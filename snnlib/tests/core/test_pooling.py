"""The pooling kernel against PyTorch's max_pool2d, and currents that are the same at every step."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from snnlib import encoding, layers, networks
from snnlib.kernels import memory, pooling
from snnlib.neurons import LIF


@settings(max_examples=40, deadline=None)
@given(
    maps=st.integers(0, 3),
    channels=st.integers(1, 3),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    size=st.integers(1, 3),
    binary=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_max_pooling_is_torchs(maps, channels, height, width, size, binary, dtype, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn((maps, channels, height, width), generator=g, dtype=dtype)
    if binary:
        x = (x > 0.8).to(dtype)  # ties everywhere: which entry receives the gradient matters
    x.requires_grad_()
    ours, theirs = pooling.max_pool(x, size, size), functional.max_pool2d(x, size, size)
    assert torch.equal(ours, theirs)
    grad = torch.randn(theirs.shape, generator=g, dtype=dtype)
    assert torch.equal(torch.autograd.grad(ours, x, grad)[0], torch.autograd.grad(theirs, x, grad)[0])


def test_overlapping_windows_go_to_torch():
    x = torch.rand(1, 2, 7, 7)
    assert torch.equal(pooling.max_pool(x, 3, 2), functional.max_pool2d(x, 3, 2))


def test_pooling_of_a_transposed_tensor():
    x = torch.rand(2, 6, 3, 8).transpose(1, 2)
    assert torch.equal(pooling.max_pool(x, 2, 2), functional.max_pool2d(x, 2, 2))


def test_operator_keeps_torchs_contract():
    x = torch.rand(2, 1, 4, 4, requires_grad=True)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(pooling._max_pool, (x, 2), test_utils=tests)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_still_gives_the_gradients_of_its_copies(steps):
    """A current that is expanded over time is read once; its gradient is the sum over the steps."""
    torch.manual_seed(0)
    synapse = layers.TimeBatched(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.BatchNorm2d(3))
    x = torch.randn(4, 1, 6, 6)
    results = []
    for sequence in (encoding.direct(x, steps), encoding.direct(x, steps).contiguous()):
        synapse.zero_grad()
        synapse.train()
        spikes = LIF(tau=2.0)(synapse(sequence))
        (spikes * torch.linspace(0, 1, steps).view(-1, 1, 1, 1, 1)).sum().backward()
        results.append([spikes.detach(), synapse[0].weight.grad.clone(), synapse[1].weight.grad.clone()])
    assert torch.equal(results[0][0], results[1][0])
    for a, b in zip(results[0][1:], results[1][1:], strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_the_gradient_of_an_expanded_current_is_there_for_those_who_ask():
    still = torch.rand(2, 3)
    y = encoding.direct(still, 5).requires_grad_()
    (grad,) = torch.autograd.grad(LIF(tau=2.0)(y).sum(), y)
    assert grad.shape == y.shape and grad.abs().sum() > 0
    y = encoding.direct(still.clone().requires_grad_(), 5)
    y.retain_grad()
    LIF(tau=2.0)(y).sum().backward()
    assert y.grad is not None and y.grad.abs().sum() > 0


def test_nan_is_not_pooled_away():
    x = torch.tensor([[[[0.0, float("nan")], [1.0, 2.0]]]])
    assert pooling.max_pool(x, 2, 2).isnan().all()
    with pytest.raises(ValueError, match="room for one window"):
        pooling.max_pool(torch.rand(1, 1, 1, 1), 2, 2)


def test_a_small_conv_net_trains_on_the_kernels():
    net = networks.conv_net(
        "c4k3s1-BN-PLIF-MPk2s2-FC80-PLIF-FC20-PLIF-APk10s10", (1, 8, 8), lambda _: LIF(tau=2.0)
    )
    out = net(encoding.direct(torch.randn(3, 1, 8, 8), 4))
    out.mean(0).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize(
    ("platform", "mallopt", "kept"),
    [
        ("linux", lambda option, value: 1, True),
        ("linux", lambda option, value: int(option != memory.M_MMAP_MAX), False),  # one option is refused
        ("linux", None, False),  # another C library, musl say
        ("darwin", lambda option, value: 1, False),
    ],
)
def test_keeping_memory_says_whether_it_could(monkeypatch, platform, mallopt, kept):
    set_options = {}

    def recorded(option, value):
        set_options[option] = value
        return mallopt(option, value)

    library = SimpleNamespace(mallopt=recorded) if mallopt else SimpleNamespace()
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(memory, "ctypes", SimpleNamespace(CDLL=lambda name: library))
    assert memory.keep_freed() is kept
    wanted = {memory.M_TRIM_THRESHOLD: 2**31 - 1, memory.M_TOP_PAD: 64 << 20, memory.M_MMAP_MAX: 0}
    assert set_options == (wanted if platform == "linux" and mallopt else {})
