"""The compiled CPU kernels against the reference: spikes to the last bit, gradients to rounding."""

import os
import subprocess
import sys

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from snnlib import paths
from snnlib.kernels import ops, reference
from snnlib.neurons import LIF, PLIF, PRESETS, FirstOrder, Izhikevich, SecondOrder

SATURATION = reference.SATURATION
KINDS = {
    "first_order": ((0.2,), (0.0,), reference.constants(0.5, 0.5)),
    "second_order": ((0.02, 0.2, 0.1, 0.08), (0.0, 0.08), reference.constants(0.5, 0.5)),
    "lif": ((0.5,), (0.0,), reference.constants(1.0)),
    "izhikevich": (
        (0.02, 0.2, -65.0, 8.0),
        (-65.0, -13.0),
        reference.constants(30.0, 30.0, dt=0.5, polynomial=(0.04, 5.0, 140.0)),
    ),
}

sizes = st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(0, 4), st.sampled_from([1, 3, 17, 300]))


@st.composite
def cases(draw):
    """(kind, current [T, M, B, N], parameters, initial, constants), at random."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    steps, members, batch, n = draw(sizes)
    values, initial, constants = KINDS[kind]
    own = draw(st.sampled_from(["one", "neuron", "member", "both"]))
    shape = {"one": (), "neuron": (n,), "member": (members, 1, 1), "both": (members, 1, n)}[own]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([0.0, 0.1]))
    parameters = [v * (1 + spread * torch.randn(shape, generator=generator)) for v in values]
    scale = {"izhikevich": 20.0, "lif": 2.5}.get(kind, 1.0)
    current = scale * torch.rand((steps, members, batch, n), generator=generator)
    if draw(st.booleans()):
        current = current[:1].expand_as(current)
    return kind, current, parameters, initial, constants


def _both(case, dtype, grad_seed=0):
    """Outputs and gradients of current and parameters, by kernel and by reference in float64."""
    kind, current, parameters, initial, constants = case
    results = []
    for run, as_dtype in ((ops.run, dtype), (reference.run, torch.float64)):
        still = current.stride(0) == 0 and len(current) > 1
        x = (current[:1] if still else current).to(as_dtype).requires_grad_()
        p = [v.to(as_dtype).requires_grad_() for v in parameters]
        spikes = run(kind, x.expand_as(current), p, initial, constants)
        weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(grad_seed))
        grads = torch.autograd.grad((spikes * weights.to(as_dtype)).sum(), [x, *p], allow_unused=True)
        grads = [torch.zeros_like(v) if g is None else g for g, v in zip(grads, [x, *p], strict=True)]
        results.append((spikes.detach(), grads))
    return results


def _near_an_edge(case, margin=1e-4) -> bool:
    """Whether a potential comes so close to the threshold or the window's rim that rounding decides."""
    kind, current, parameters, initial, constants = case
    double = [v.double() for v in parameters]
    _, (v, *_) = reference.run(kind, current.double(), double, initial, constants, trace=True)
    distance = (v - constants[0]).abs()
    rim = (distance - constants[1]).abs() if kind != "lif" else distance
    return bool(v.numel()) and min(distance.min().item(), rim.min().item()) < margin * max(
        1, abs(constants[0])
    )


def _size(x) -> float:
    return max(1.0, float(x.abs().max())) if x.numel() else 1.0


@settings(max_examples=100, deadline=None)
@given(cases())
def test_float64_kernels_are_the_reference(case):
    (spikes, grads), (expected, expected_grads) = _both(case, torch.float64)
    assert torch.equal(spikes, expected)
    for got, want in zip(grads, expected_grads, strict=True):
        assert torch.allclose(got, want, rtol=1e-9, atol=1e-9 * _size(want))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_float32_kernels_agree_with_float64_away_from_the_edge(case):
    kind, current, parameters, initial, constants = case
    single = reference.run(kind, current, parameters, initial, constants)
    (spikes, grads), (expected, expected_grads) = _both(case, torch.float32)
    assert torch.equal(spikes, single)  # the same arithmetic in the same order: bit for bit
    if _near_an_edge(case):
        return
    assert torch.equal(spikes.double(), expected)
    for got, want in zip(grads, expected_grads, strict=True):
        assert torch.allclose(got.double(), want, rtol=2e-4, atol=2e-4 * _size(want))


FIVE = {
    "FirstOrder": FirstOrder,
    "SecondOrder": lambda: SecondOrder(*PRESETS["2-SDS"], learnable=True),  # theta_a < 0: U grows by itself
    "LIF": LIF,
    "PLIF": PLIF,
    "Izhikevich": Izhikevich,
}
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("name", sorted(FIVE))
@settings(max_examples=25, deadline=None)
@given(values=st.lists(finite, min_size=1, max_size=12))
def test_no_finite_current_makes_nan(name, values):
    """Nor an infinite number: by kernel and, with a trace, by reference, in V, U and all gradients."""
    neuron = FIVE[name]()
    current = torch.tensor(values).view(-1, 1).requires_grad_()
    wanted = [current, *neuron.parameters()]
    spikes = neuron(current)
    traced, trace = neuron(current, trace=True)
    assert torch.equal(spikes, traced) and ((spikes == 0) | (spikes == 1)).all()
    assert list(trace) == (["V", "U"] if name in ("SecondOrder", "Izhikevich") else ["V"])
    for value in trace.values():
        assert value.isfinite().all()
    for total in (spikes.sum(), traced.sum(), sum(value.sum() for value in trace.values())):
        gradients = torch.autograd.grad(total, wanted, allow_unused=True, retain_graph=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
        assert gradients[0] is not None


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=25, deadline=None)
@given(values=st.lists(finite, min_size=1, max_size=12))
def test_no_finite_current_makes_nan_of_a_parameters_gradient(kind, values):
    parameters, initial, constants = KINDS[kind]
    for run in (ops.run, reference.run):
        tensors = [torch.tensor(value, requires_grad=True) for value in parameters]
        current = torch.tensor(values).view(-1, 1, 1).requires_grad_()
        spikes = run(kind, current, tensors, initial, constants)
        gradients = torch.autograd.grad(spikes.sum(), [current, *tensors], allow_unused=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_a_diverging_neuron_has_a_defined_state():
    runaway = SecondOrder(-3.0, 0.2, 0.0, 0.08, learnable=True)
    current = torch.rand(500, 2, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    spikes, trace = runaway(current, trace=True)
    assert torch.equal(spikes, runaway(current))
    assert trace["U"].abs().max() == SATURATION
    assert torch.isfinite(trace["V"]).all()
    for seen in (spikes, runaway(current)):
        gradients = torch.autograd.grad(seen.sum(), [current, *runaway.parameters()])
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strided_and_transposed_input(dtype):
    neuron = SecondOrder(*PRESETS["2-FS"], neurons=5, learnable=True)
    base = torch.rand(5, 4, 6, dtype=dtype, generator=torch.Generator().manual_seed(2))
    view = base.permute(1, 2, 0)
    assert torch.equal(neuron(view), neuron(view.contiguous()))
    half = torch.rand(4, 6, 10, dtype=dtype)[:, ::2, 1:6]
    assert torch.equal(neuron(half), neuron(half.contiguous()))


def test_numbers_do_not_depend_on_the_number_of_threads():
    neuron = SecondOrder(*PRESETS["2-RS"], learnable=True)
    current = torch.rand(20, 30, 500, generator=torch.Generator().manual_seed(3))
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            neuron.zero_grad()
            x = current.clone().requires_grad_()
            neuron(x).square().sum().backward()
            results.append([x.grad.clone(), *[p.grad.clone() for p in neuron.parameters()]])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize(
    "make", [FirstOrder, LIF, PLIF, Izhikevich, lambda: SecondOrder(neurons=7, learnable=True)]
)
def test_only_the_input_current_is_kept_for_the_backward_pass(make):
    neuron, kept = make(), []
    current = torch.rand(20, 9, 7, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        neuron(current)
    sequences = [t for t in kept if t.numel() >= current.numel()]
    assert len(sequences) == 1 and sequences[0].data_ptr() == current.data_ptr()
    assert sum(t.numel() for t in kept) <= current.numel() + 100


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_operators_keep_torchs_contract(kind):
    parameters, initial, constants = KINDS[kind]
    rows = [*parameters, *[0.0] * (4 - len(parameters)), *initial, *[0.0] * (2 - len(initial))]
    table = torch.tensor(rows).view(6, 1, 1).requires_grad_()
    current = torch.rand(4, 1, 6, requires_grad=True)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    torch.library.opcheck(ops.neuron, (current, table, list(constants), kind), test_utils=tests)


def test_a_compiled_network_gives_the_same_spikes():
    network = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Sigmoid(), SecondOrder(*PRESETS["2-FS"]))
    current = torch.rand(7, 3, 6, generator=torch.Generator().manual_seed(5))
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(current), network(current))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", sorted(FIVE))
def test_half_precision_enters_and_leaves_at_the_edges(name, dtype):
    """Potentials are float32: the spikes, and the gradients but for their last rounding, are float32's."""
    neuron = LIF(tau=16.0) if name == "LIF" else FIVE[name]()
    scale = {"Izhikevich": 40.0, "LIF": 4.0, "PLIF": 4.0}.get(name, 1.0)
    half = (scale * torch.rand(40, 6, 50, generator=torch.Generator().manual_seed(7))).to(dtype)
    whole, half = half.float().requires_grad_(), half.requires_grad_()
    spikes, (traced, trace) = neuron(half), neuron(half, trace=True)
    expected, potentials = neuron(whole, trace=True)
    assert 0 < expected.sum() and spikes.dtype == traced.dtype == dtype
    assert torch.equal(spikes.float(), expected) and torch.equal(traced, spikes)
    assert all(torch.equal(trace[key], potentials[key]) for key in potentials)
    grads = (
        torch.autograd.grad(spikes.sum(), half)[0],
        torch.autograd.grad(expected.sum(), whole)[0].to(dtype),
    )
    assert torch.allclose(*(g.float() for g in grads), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", sorted(FIVE))
def test_every_way_to_ask_for_derivatives_gives_the_same(name):
    neuron = FIVE[name]().double()
    scale = {"Izhikevich": 40.0, "LIF": 4.0, "PLIF": 4.0}.get(name, 1.0)
    x, along, weights = torch.randn(
        3, 6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(8)
    )
    x = scale * x.abs()
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad((neuron(leaf) * weights).sum(), leaf)
    assert torch.allclose(torch.func.vjp(neuron, x)[1](weights)[0], expected)
    assert torch.allclose(torch.func.grad(lambda x: (neuron(x) * weights).sum())(x), expected)
    forward = torch.func.jvp(neuron, (x,), (along,))[1]
    assert (forward * weights).sum().item() == pytest.approx((expected * along).sum().item())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, along)
        assert torch.allclose(torch.autograd.forward_ad.unpack_dual(neuron(dual)).tangent, forward)
    both = torch.func.vmap(neuron)(torch.stack([x, along]))
    assert torch.equal(both, torch.stack([neuron(x), neuron(along)]))
    for learned, own in neuron.named_parameters():
        slope = lambda value, learned=learned: torch.func.functional_call(neuron, {learned: value}, (x,))  # noqa: E731
        sensitivity = torch.func.jvp(slope, (own.detach(),), (torch.ones_like(own),))[1]
        (expected,) = torch.autograd.grad((neuron(x) * weights).sum(), own)
        assert (sensitivity * weights).sum().item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", sorted(FIVE))
def test_second_derivatives_are_the_references_or_a_sentence(name):
    neuron, x = FIVE[name](), torch.rand(4, 2, 3, requires_grad=True)
    (first,) = torch.autograd.grad(neuron(x).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="call the neuron with trace=True.* for others"):
        torch.autograd.grad(first.sum(), x)
    (first,) = torch.autograd.grad(neuron(x, trace=True)[0].square().sum(), x, create_graph=True)
    assert torch.autograd.grad(first.sum(), x)[0].isfinite().all()


def test_an_empty_batch_goes_through():
    current = torch.zeros(4, 0, 3, requires_grad=True)
    for neuron in (LIF(), SecondOrder(neurons=3, learnable=True)):
        spikes = neuron(current)
        assert spikes.shape == (4, 0, 3)
        spikes.sum().backward()


ONE_KIND = """
import sys, torch
from snnlib.kernels import reference
from snnlib.tests.core.test_kernels import KINDS, ops
current = torch.linspace(0, 3, 120).view(6, 1, 20)
for kind in sys.argv[1:]:
    parameters, initial, constants = KINDS[kind]
    case = (kind, current, [*map(torch.tensor, parameters)], initial, constants)
    assert torch.equal(ops.run(*case), reference.run(*case)), kind
"""


def test_kernels_cached_by_different_processes_are_not_taken_for_one_another(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for kinds in (["lif"], ["second_order"], ["first_order"], ["lif", "second_order", "first_order"]):
        subprocess.run([sys.executable, "-c", ONE_KIND, *kinds], env=environment, cwd=paths.ROOT, check=True)


def test_the_start_gets_no_gradient_on_either_path():
    c = torch.tensor(-65.0, requires_grad=True)
    x = 40 * torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(9))
    neuron = Izhikevich(c=c)
    kernel, loop = (torch.autograd.grad(s.sum(), c)[0] for s in (neuron(x), neuron(x, trace=True)[0]))
    assert kernel == pytest.approx(loop.item())


def test_every_neuron_kind_has_all_its_parts():
    from snnlib.kernels import cpu, steps

    for kind in reference.STEPS:
        assert kind in reference.LEARNED and kind in cpu.FORWARD and kind in cpu.BACKWARD
        assert hasattr(steps, kind) and hasattr(steps, f"{kind}_adjoint")
