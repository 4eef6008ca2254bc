"""Hostile arguments: each call gives what the reference gives, or one sentence of ours before any work.

SNN_FUZZ is the number of calls per neuron (and of each other function): a few here, 100,000 for a long run.
"""

import math
import os
import traceback
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn import functional

import snnlib
from snnlib import encoding, networks
from snnlib.kernels import pooling
from snnlib.neurons import LIF, PLIF, FirstOrder, Izhikevich, SecondOrder
from snnlib.synapses import Linear, Spikes

CALLS = int(os.environ.get("SNN_FUZZ", "100"))
fuzz = settings(
    max_examples=CALLS, deadline=None, database=None, derandomize="SNN_FUZZ" not in os.environ
)  # a long run looks further, the usual one is the same everywhere
# Hypothesis draws the seed and keeps the failing ones; a draw for each argument would cost most of the time.
generators = st.randoms(use_true_random=True)

FLOATS = [torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16]
OTHERS = [torch.int64, torch.bool, torch.complex64, torch.uint8]
EDGES = [0.0, -0.0, 0.5, 1.0, 2.0, 30.0, -65.0, 1e18, -1e18, 3e38, -3e38, 1e-45]
BROKEN = [math.nan, math.inf, -math.inf]
NUMBERS = [0.7, -0.4, 1.5, 0, 1, True, 1e18, 1e30, -1e300, 5e-324, *BROKEN, "0.3", None]
LAYOUTS = ["plain"] * 3 + ["transposed", "still", "expanded", "stepped", "negated"]


def ours(error: Exception) -> bool:
    """Whether an error is one sentence that our own code wrote."""
    raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    written = raised.is_relative_to(Path(snnlib.__file__).parent) and raised != Path(__file__)
    return isinstance(error, ValueError | TypeError) and written and "\n" not in str(error)


def called(function, *arguments):
    """What a function returns, or None for a sentence of ours; other errors come through."""
    try:
        return function(*arguments)
    except Exception as error:
        if not ours(error):
            raise
        return None


def tensor(r, shape, dtypes, scale=1.0, spoilt=True):
    """A tensor of a shape, in one of many layouts in memory, with ordinary, extreme or broken values."""
    generator = torch.Generator().manual_seed(r.getrandbits(32))
    dtype, layout = r.choice(dtypes), r.choice(LAYOUTS)
    x = scale * (1.5 * torch.rand(shape, generator=generator, dtype=torch.float64) - 0.25)
    values = r.choice([[], [], EDGES, EDGES + BROKEN] if spoilt else [[]])
    if values:
        picked = torch.tensor(values)[torch.randint(len(values), shape, generator=generator)]
        x = torch.where(torch.rand(shape, generator=generator) < 0.3, picked, x)
    if dtype in OTHERS:
        return x.nan_to_num(0, 0, 0).clamp(0, 99).to(dtype)
    x = x.to(dtype)
    if layout == "transposed":
        return x.permute(axes := [*reversed(range(x.dim()))]).contiguous().permute(axes)
    if layout == "negated":
        return torch._neg_view(-x)
    if x.dim() < 2 or not x.numel() or layout == "plain":
        return x
    if layout == "stepped":
        return x.repeat_interleave(2, -1)[..., ::2]
    return (x[:1] if layout == "still" else x[:, :1]).expand_as(x)


def current(r, scale):
    """[T, (M,) (B,) N], seldom of another rank, type or device, and some of no elements."""
    rank = r.choice([2, 2, 3, 3, 4, 5, r.randrange(6)])
    shape = [r.choice([1, 1, 2, 2, 3, 4, r.randrange(5)]) for _ in range(rank)]
    if shape:
        shape[-1] = r.choice([1, 2, 3, 4, 4, r.choice([0, 1030])])
    x = tensor(r, shape, FLOATS if r.random() < 0.95 else OTHERS, scale)
    return x if r.random() < 0.97 else x.to("meta")


def parameter(r, usual, x):
    """A parameter of a neuron: a number, or a tensor that fits the current x, or one that does not."""
    kind = r.random()
    if kind < 0.5:
        return usual if kind < 0.45 else r.choice(NUMBERS)
    n, m = (x.shape[-1], x.shape[1]) if x.dim() > 1 else (2, 2)
    shape = r.choice([(), (1,), (n,), (n,), (m, 1, 1), (m, 1, n), (1, 1, n)])
    if r.random() < 0.1:
        shape = r.choice([(n + 1,), (2,), (0,), (m + 1, 1, 1), (m, n), (m, 2, n), (1, 1, 1, 1, n)])
    value = usual * tensor(r, shape, [torch.float64], 1.0, r.random() < 0.1).contiguous()
    value = value.to(r.choice(FLOATS * 6 + [torch.int64, torch.complex64]))
    if r.random() < 0.02:
        value = value.to("meta")
    return value.requires_grad_(value.is_floating_point() and r.random() < 0.5)


def made(r, kind, x):
    """A neuron with hostile settings; tensors that it would learn are put in as an ensemble does."""
    number = lambda usual: usual if r.random() < 0.9 else r.choice(NUMBERS)  # noqa: E731
    own = lambda usual: parameter(r, usual, x)  # noqa: E731
    if kind is FirstOrder:
        return kind(decay=own(0.2), threshold=number(0.5), half_width=number(0.5))
    if kind is LIF:
        return kind(tau=number(2.0), threshold=number(1.0), v_reset=number(0.0))
    if kind is Izhikevich:
        numbers = {"dt": number(0.5), "threshold": number(30.0), "half_width": number(30.0)}
        return kind(a=own(0.02), b=own(0.2), c=own(-65.0), d=own(8.0), **numbers)
    if kind is PLIF:
        neuron = kind(tau=number(2.0), threshold=number(1.0), v_reset=number(0.0))
        learned = {"a": 0.5}
    else:
        size = r.choice([None, None, x.shape[-1] if x.dim() else 1, 5])
        numbers = {"threshold": number(0.5), "half_width": number(0.5), "initial_u": own(0.08)}
        neuron = kind(*(number(v) for v in (0.02, 0.2, 0.1, 0.08)), neurons=size, **numbers)
        learned = {"theta_a": 0.02, "theta_b": 0.2, "theta_c": 0.1, "theta_d": 0.08}
    for name, usual in learned.items():
        value = own(usual)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            setattr(neuron, name, nn.Parameter(value.detach(), requires_grad=value.requires_grad))
    return neuron


def gradients(out, wanted):
    if not out.requires_grad:
        return [torch.zeros_like(value) for value in wanted]
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    return torch.autograd.grad(out, wanted, weights, allow_unused=True, materialize_grads=True)


def same(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    loose = 1e-2 if got.element_size() < 4 else 1e-4
    size = want.double().abs().nan_to_num(0, 0).max().item() if want.numel() else 0.0
    known = want.isfinite()  # where a sum overflows, its order decides between infinity and NaN
    return torch.allclose(got.double()[known], want.double()[known], loose, loose * max(size, 1.0))


def check(kind, r):
    x = current(r, {Izhikevich: 40.0, LIF: 2.5, PLIF: 2.5}.get(kind, 1.0))
    neuron = called(made, r, kind, x)
    if neuron is None:
        return
    x.requires_grad_(x.is_floating_point() and r.random() < 0.7)
    spikes, traced = called(neuron, x), called(neuron, x, True)
    assert (spikes is None) == (traced is None)
    if spikes is None:
        return
    assert spikes.shape == x.shape and spikes.dtype == x.dtype and spikes.device == x.device
    if x.device.type == "meta":
        return
    own = [v for v in [*vars(neuron).values(), *neuron.parameters()] if isinstance(v, torch.Tensor)]
    bounded = all((value.double().abs() <= 1e18).all() for value in own)
    # A parameter that is not finite is multiplied by the zeros of spikes there, and selected by them here.
    known = torch.tensor(True) if bounded else traced[1]["V"].isfinite()
    assert repr(neuron) and ((spikes == traced[0]) | ~known).all()
    if bounded and x.isfinite().all():
        wanted = [value for value in [x, *own] if value.requires_grad]
        for got, want in zip(gradients(spikes, wanted), gradients(traced[0], wanted), strict=True):
            assert same(got, want), (got, want)


@pytest.mark.parametrize("kind", [FirstOrder, SecondOrder, LIF, PLIF, Izhikevich])
def test_neurons(kind):
    fuzz(given(generators)(lambda r: check(kind, r)))()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_view_with_a_negative_bit_is_read_as_what_it_says(dtype):
    """The imaginary part of a conjugate is stored with the other sign."""
    view = torch.randn(5, 2, 3, dtype=torch.cfloat, generator=torch.Generator().manual_seed(0)).conj().imag
    x = view if dtype == torch.float32 else torch._neg_view((-view).to(dtype))
    assert x.is_neg()
    for neuron in (LIF(), SecondOrder()):
        assert torch.equal(neuron(x), neuron(x.clone()))


def shape_of(r):
    return [r.choice([1, 2, 3, 7, r.randrange(3)]) for _ in range(r.randrange(5))]


@fuzz
@given(generators)
def test_encoders(r):
    x = tensor(r, shape_of(r), FLOATS * 3 + OTHERS, 0.7)
    if r.random() < 0.5 and x.is_floating_point():
        x = x.abs().nan_to_num(0).clamp(0, 1)
    steps = r.choice([1, 2, 5, 5, 0, -1, 2.0, None])
    for encode in (encoding.bernoulli, encoding.bernoulli_spikes, encoding.poisson, encoding.latency):
        generator = [torch.Generator().manual_seed(0)][: encode is not encoding.latency]
        spikes = called(encode, x, steps, *generator)
        fits = x.is_floating_point() and isinstance(steps, int) and steps > 0
        most = 1e9 if encode is encoding.poisson else 1
        fits = fits and bool(((x >= -1e-6) & (x.double() <= most + 1e-6)).all())
        if encode is encoding.bernoulli_spikes:
            fits = fits and x.dim() == 2
        assert fits == (spikes is not None)
        if spikes is not None:
            dense = spikes.dense() if isinstance(spikes, Spikes) else spikes
            assert dense.shape == (steps, *x.shape) and dense.dtype == x.dtype and (dense >= 0).all()
            if dense is not spikes:
                assert torch.equal(dense, encoding.bernoulli(x, steps, torch.Generator().manual_seed(0)))


@fuzz
@given(generators)
def test_max_pooling(r):
    x = tensor(r, [*shape_of(r), r.randrange(6), r.randrange(6)], FLOATS * 2 + OTHERS)
    size, stride = r.choice([1, 2, 2, 3, 0, -1]), r.choice([1, 2, 2, 3, 0, -1])
    x.requires_grad_(x.is_floating_point())
    pooled = called(pooling.max_pool, x, size, stride)
    if pooled is not None:
        expected = functional.max_pool2d(x, size, stride)
        assert torch.allclose(pooled, expected, 0, 0, equal_nan=True)
        assert same(gradients(pooled, [x])[0], gradients(expected, [x])[0])


@fuzz
@given(generators)
def test_sparse_linear(r):
    shape = [*shape_of(r), r.choice([20, 20, 20, 19])][r.choice([0, 0, 0, 9]) :]
    x = tensor(r, shape, dtype := [r.choice([torch.float32, torch.float64])])
    x = torch.where(x.abs() > r.choice([0.0, 0.9]), x, 0.0).requires_grad_()
    layer = Linear(20, r.choice([3, 70])).to(*dtype)
    out = called(layer, x)
    assert (out is None) == (x.shape[-1:] != (20,))
    if out is not None and (x.abs() < 1e9).all():
        expected, wanted = functional.linear(x, layer.weight, layer.bias), [x, layer.weight, layer.bias]
        assert same(out, expected)
        for got, want in zip(gradients(out, wanted), gradients(expected, wanted), strict=True):
            assert same(got, want)


TOKENS = ["BN", "DP", "PLIF", "PLIF", "", "c", "{", "}*2", "}", "c8", "FC", "RELU"]


def token(r):
    k, s, out = r.choice("01223"), r.choice("0112"), r.choice("0122")
    return r.choice([f"c{out}k{k}s{s}", f"FC{out}", f"MPk{k}s{s}", f"APk{k}s{s}", r.choice(TOKENS)])


@fuzz
@given(generators)
def test_notations(r):
    notation = "-".join([token(r) for _ in range(r.randrange(5))] + ["FC2", "PLIF", "APk2s2"])
    notation = notation.replace("{-", "{").replace("-}", "}")
    shape = r.choice([(1, 4, 4), (1, 4, 4), (2, 5, 3), (4,), (1, 0, 4), (1, 2, 4, 4), (2, 1, 1)])
    with torch.device("meta"):
        net = called(networks.conv_net, notation, shape, lambda size: PLIF())
        if net is not None:
            assert net(torch.empty(2, 3, *shape)).shape == (2, 3, 1)
    called(networks.narrow, notation, 2, 2)
