"""Event-driven synapses against ``torch.nn.Linear``, and spikes as lists of indices."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from snnlib import encoding, networks, synapses
from snnlib.neurons import PRESETS, SecondOrder
from snnlib.synapses import Linear, Spikes, listed


def entries(spikes) -> float:
    """Entries of the lists per input and step: without a base, the share of active inputs."""
    own = spikes.count.sum().item() / torch.Size(spikes.shape).numel()
    return own + (entries(spikes.base) / spikes.shape[0] if spikes.base else 0)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _pair(inputs, outputs, bias=True, dtype=torch.float32):
    torch.manual_seed(0)
    ours, theirs = Linear(inputs, outputs, bias).to(dtype), nn.Linear(inputs, outputs, bias).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def _run(layer, x, grad):
    layer.zero_grad()
    y = layer(x)
    y.backward(grad)
    return y.detach(), *[p.grad for p in layer.parameters()]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 4),
    batch=st.integers(0, 5),
    inputs=st.sampled_from([1, 9, 40]),
    outputs=st.sampled_from([64, 65, 200]),
    density=st.sampled_from([0.0, 0.02, 0.2]),
    graded=st.booleans(),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_same_numbers_as_torchs_linear(steps, batch, inputs, outputs, density, graded, bias, dtype, seed):
    g = _generator(seed)
    x = (torch.rand((steps, batch, inputs), generator=g) < density).to(dtype)
    if graded:
        x = x * torch.randint(1, 4, x.shape, generator=g)
    ours, theirs = _pair(inputs, outputs, bias, dtype)
    grad = torch.randn((steps, batch, outputs), generator=g, dtype=dtype)
    xs = [x.clone().requires_grad_() for _ in range(2)]
    results = [_run(layer, a, grad) + (a.grad,) for layer, a in zip((ours, theirs), xs, strict=True)]
    tolerance = 1e-4 if dtype == torch.float32 else 1e-11
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def test_sparse_input_takes_the_event_path_and_dense_input_does_not(monkeypatch):
    taken = []
    plain = synapses._event_linear
    monkeypatch.setattr(synapses, "_event_linear", lambda *a: taken.append(1) or plain(*a))
    layer = Linear(50, 100)
    sparse = (torch.rand(200, 50, generator=_generator()) < 0.1).float()
    layer(sparse)
    assert len(taken) == 1
    layer(torch.rand(200, 50))
    assert len(taken) == 1
    Linear(50, 10)(sparse)  # too few outputs to be worth it
    assert len(taken) == 1


def test_lists_hold_what_the_dense_tensor_holds():
    x = (torch.rand(30, 20, generator=_generator()) < 0.2).float() * torch.arange(1.0, 21)
    spikes = listed(x)
    assert torch.equal(spikes.dense()[0], x)
    assert entries(spikes) == pytest.approx((x != 0).float().mean().item())
    assert listed(x.bool().float()).values is None
    assert listed(torch.ones(5, 5)) is None


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_an_encoder_hands_over_the_very_spikes_of_the_dense_encoding(steps):
    x = torch.rand(6, 11, generator=_generator(1)) * (torch.rand(6, 11, generator=_generator(2)) < 0.6)
    x[0, 0], x[1] = 1.0, 0.0
    as_lists = encoding.bernoulli_spikes(x, steps, _generator(3))
    dense = encoding.bernoulli(x, steps, _generator(3))
    assert isinstance(as_lists, Spikes)
    assert torch.equal(as_lists.dense(), dense)
    assert (dense[:, 0, 0] == 1).all() and (dense[:, 1] == 0).all()
    assert as_lists.base.dense()[0, 0, 0] == (steps > 1)  # listed once, and never again
    assert entries(as_lists) <= dense.mean().item() + 1 / steps


@pytest.mark.parametrize("steps", [3, 5, 15, 20])
def test_pixels_on_the_border_of_what_is_usual_are_listed_like_the_dense_ones(steps):
    pixels = (torch.arange(256.0) / 255).expand(4, 256)
    as_lists = encoding.bernoulli_spikes(pixels, steps, _generator(3))
    assert torch.equal(as_lists.dense(), encoding.bernoulli(pixels, steps, _generator(3)))


def test_expected_and_drawn_number_of_entries_agree():
    x = torch.rand(50, 200, generator=_generator(1)) ** 2
    drawn = entries(encoding.bernoulli_spikes(x, 20, _generator(2)))
    assert encoding.listed_share(x, 20) == pytest.approx(drawn, rel=0.02)
    assert drawn < 0.7 * encoding.bernoulli(x, 20, _generator(2)).mean().item()


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_every_device_draws_the_same_spikes(steps, monkeypatch):
    """The loop in PyTorch's own operations, which other devices run, against the compiled one."""
    x = torch.rand(5, 13, generator=_generator(4))
    compiled = encoding.bernoulli(x, steps, _generator(5))
    monkeypatch.setattr(encoding.ops, "has_kernel", lambda _: False)
    assert torch.equal(encoding.bernoulli(x, steps, _generator(5)), compiled)


def test_rounding_beyond_the_range_draws_the_same_on_every_path(monkeypatch):
    x = torch.tensor([[-1e-7, 0.0, 1.0000001, 1.0]])
    listed_too = encoding.bernoulli_spikes(x, 6, _generator()).dense()
    dense = encoding.bernoulli(x, 6, _generator())
    monkeypatch.setattr(encoding.ops, "has_kernel", lambda _: False)
    elsewhere = encoding.bernoulli(x, 6, _generator())
    expected = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(6, 1, 4)
    assert all(torch.equal(spikes, expected) for spikes in (listed_too, dense, elsewhere))


RANDOM = [encoding.bernoulli, encoding.bernoulli_spikes, encoding.poisson]


@pytest.mark.parametrize("encode", [*RANDOM, encoding.latency])
@pytest.mark.parametrize(
    "value", [-0.1, 1.5, float("nan"), float("inf"), 1, torch.tensor(128, dtype=torch.uint8)]
)
def test_values_that_are_no_probability_are_refused_on_every_path(encode, value, monkeypatch):
    x = torch.as_tensor(value).expand(1, 3)
    for _ in ("compiled", "in torch's own operations"):
        if encode is encoding.poisson and value == 1.5:
            assert encode(x, 3).shape == (3, 1, 3)
            continue
        with pytest.raises(
            ValueError, match=f"{encode.__name__} needs finite floating-point values from 0 to"
        ):
            encode(x, 3)
        monkeypatch.setattr(encoding.ops, "has_kernel", lambda _: False)


@pytest.mark.parametrize("encode", [*RANDOM, encoding.latency, encoding.direct, encoding.listed_share])
@pytest.mark.parametrize("steps", [0, -1, 2.0])
def test_less_than_a_time_step_is_refused(encode, steps):
    with pytest.raises(ValueError, match="at least 1 time step"):
        encode(torch.rand(2, 3), steps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lists_in_half_precision_hold_the_draws_of_the_dense_encoding(dtype):
    x = torch.rand(6, 20, generator=_generator(1)).to(dtype)
    spikes = encoding.bernoulli_spikes(x, 5, _generator(2))
    assert torch.equal(spikes.dense(), encoding.bernoulli(x, 5, _generator(2)))
    layer = Linear(20, 80).to(dtype)
    assert torch.equal(layer(spikes), layer(spikes.dense().flatten(0, 1)))


def test_every_derivative_is_that_of_torchs_linear_or_a_sentence():
    sparse = (torch.rand(40, 20, generator=_generator()) < 0.1).float()
    ours, theirs = _pair(20, 80)
    along = torch.randn(40, 20, generator=_generator(1))
    torch.testing.assert_close(
        torch.func.jvp(ours, (sparse,), (along,))[1], torch.func.jvp(theirs, (sparse,), (along,))[1]
    )
    slope, expected = (
        torch.func.grad(lambda x, layer=layer: layer(x).square().sum())(sparse) for layer in (ours, theirs)
    )
    torch.testing.assert_close(slope, expected)
    spikes = encoding.bernoulli_spikes(sparse, 3, _generator())
    weights = {name: p.detach() for name, p in ours.named_parameters()}
    call = lambda w: torch.func.functional_call(ours, w, (spikes,)).square().sum()  # noqa: E731
    slopes = torch.func.grad(call)(weights)
    ours(spikes).square().sum().backward()
    for name, p in ours.named_parameters():
        torch.testing.assert_close(slopes[name], p.grad)
    (first,) = torch.autograd.grad(ours(spikes).square().sum(), ours.weight, create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only; use torch.nn.Linear"):
        first.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_precision_than_the_weights_is_left_to_torch(dtype):
    sparse = (torch.rand(40, 20, generator=_generator()) < 0.1).to(dtype)
    with pytest.raises(RuntimeError):
        Linear(20, 80)(sparse)


def test_draws_have_the_right_rate_and_are_independent_in_time():
    x = torch.full((200, 50), 0.3)
    spikes = encoding.bernoulli(x, 20, _generator(6))
    n = spikes.numel()
    assert abs(spikes.mean().item() - 0.3) < 4 * (0.3 * 0.7 / n) ** 0.5
    centred = spikes - 0.3
    for lag in (1, 2, 3):  # pairs of steps share one 64-bit draw
        correlation = (centred[lag:] * centred[:-lag]).mean().item() / (0.3 * 0.7)
        assert abs(correlation) < 5 / n**0.5
    across = (centred[:, 1:] * centred[:, :-1]).mean().item() / (0.3 * 0.7)
    assert abs(across) < 5 / n**0.5


def test_a_network_learns_the_same_from_lists_and_from_dense_spikes():
    torch.manual_seed(0)
    network = networks.mlp(30, 70, 4, lambda _: SecondOrder(*PRESETS["2-FS"]))
    x = torch.rand(8, 30, generator=_generator(7)) ** 2
    results = []
    for encode in (encoding.bernoulli_spikes, encoding.bernoulli):
        network.zero_grad()
        out = network(encode(x, 6, _generator(8)))
        out.mean(0).square().sum().backward()
        results.append([out.detach(), *[p.grad.clone() for p in network.parameters() if p.requires_grad]])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("common", [True, False])
def test_an_empty_batch_of_lists_has_gradients_of_zero(common):
    """With the spikes that every step has in common, and without."""
    spikes = encoding.bernoulli_spikes(torch.rand(0, 6), 3, _generator())
    base = spikes.base or Spikes((1, 0, 6), spikes.indices, spikes.first[:0], spikes.count[:0])
    layer = Linear(6, 70)
    out = layer(dataclasses.replace(spikes, base=base if common else None))
    out.sum().backward()
    assert out.shape == (0, 70)
    assert not layer.weight.grad.any() and not layer.bias.grad.any()


def test_operator_keeps_torchs_contract():
    layer = Linear(12, 70)
    spikes = encoding.bernoulli_spikes(torch.rand(5, 12) * 0.2, 3, _generator())
    arguments = (None, spikes.indices, spikes.first, spikes.count, None, layer.weight, layer.bias[None])
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(synapses.event_linear, arguments, test_utils=tests)


def test_wrong_number_of_inputs_is_refused():
    with pytest.raises(ValueError, match="takes 12 inputs, got 11"):
        Linear(12, 70)(torch.zeros(3, 11))


def test_state_dicts_are_exchangeable_with_torchs():
    ours, theirs = Linear(6, 80), nn.Linear(6, 80)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(4, 6)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
