"""The GPU's kernels against the reference: on a GPU if there is one, else in Triton's interpreter, which has
to be chosen before Triton is imported and therefore runs the tests of this file in a process of its own.
"""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnlib import paths
from snnlib.kernels import reference

triton = pytest.importorskip("triton")
from snnlib.kernels import gpu  # noqa: E402

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
runs = pytest.mark.skipif(DEVICE == "cpu" and not INTERPRETED, reason="runs in test_in_the_interpreter")

# Kind -> constants, four parameters and the initial V and U, the largest input current.
NEURONS = {
    "first_order": (reference.constants(0.5, 0.5), (0.2, 0, 0, 0, 0, 0), 1.5),
    "second_order": (reference.constants(0.5, 0.5), (0.02, 0.2, -0.05, 0.08, 0, 0.08), 1.0),
    "lif": (reference.constants(1.0, v_reset=-0.1), (0.4, 0, 0, 0, -0.1, 0), 3.0),
    "izhikevich": (
        reference.constants(30.0, 30.0, dt=0.5, polynomial=(0.04, 5.0, 140.0)),
        (0.02, 0.2, -65.0, 8.0, -55.0, -13.0),
        60.0,
    ),
}
ROUNDING = {torch.float64: 1e-10, torch.float32: 2e-4, torch.bfloat16: 8e-3}


def in_the_interpreter(file):
    """Runs the tests of a file in a process where Triton interprets, if they do not run in this one."""
    if DEVICE == "cuda" or INTERPRETED:
        pytest.skip("the tests themselves run in this process")
    command = [sys.executable, "-m", "pytest", file, "-q", "-x", "-p", "no:cacheprovider"]
    options = {"cwd": paths.ROOT, "env": os.environ | {"TRITON_INTERPRET": "1"}}
    done = subprocess.run(command, **options, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_in_the_interpreter():
    in_the_interpreter(__file__)


@st.composite
def layers(draw):
    """Arguments of a call, with seeds for what is random in it."""
    width = draw(st.sampled_from([1, 1, 2, 37]))
    return {
        "kind": draw(st.sampled_from(list(NEURONS))),
        "steps": draw(st.integers(1, 6)),
        "members": draw(st.integers(1, 2)),
        "lanes": width * draw(st.integers(1, 4)) if width > 1 else draw(st.sampled_from([1, 31, 129])),
        "width": width,
        "dtype": draw(st.sampled_from(list(ROUNDING))),
        "still": draw(st.booleans()),
        "seed": draw(st.integers(0, 9999)),
    }


def make(kind, steps, members, lanes, width, dtype, still, seed):
    """Current and parameters (in the precision of the arithmetic)."""
    generator = torch.Generator().manual_seed(seed)
    _, values, largest = NEURONS[kind]
    spread = 1 + 0.1 * torch.rand(6, members, width, generator=generator, dtype=torch.float64)
    parameters = torch.tensor(values, dtype=torch.float64)[:, None, None] * spread
    shape = (1 if still else steps, members, lanes)
    current = largest * torch.rand(shape, generator=generator, dtype=torch.float64)
    precise = torch.float64 if dtype == torch.float64 else torch.float32
    return current.to(DEVICE, dtype), parameters.to(DEVICE, precise)


def by_reference(kind, current, parameters, steps):
    """Spikes and V, all [steps, members, lanes], in the precision of the parameters."""
    x = current.to(parameters.dtype).expand(steps, *current.shape[1:])
    each = parameters.repeat(1, 1, current.shape[2] // parameters.shape[2])
    spikes, trace = reference.run(kind, x, each[:4], each[4:], NEURONS[kind][0], trace=True)
    return spikes, trace[0]


def away_from_edges(kind, v):
    """1 for neurons whose V never comes near a value at which spike or surrogate jump, [members, lanes]."""
    threshold, half_width = NEURONS[kind][0][:2]
    distance = (v - threshold).abs()
    edges = torch.minimum(distance, (distance - half_width).abs())
    return (edges.amin(0) > 1e-4 * half_width).double()


def check(kind, steps, seed, **shape):
    constants = NEURONS[kind][0]
    current, parameters = make(kind, steps, seed=seed, **shape)
    spikes = gpu.forward(current, parameters, constants, kind, steps)
    expected, _ = by_reference(kind, current, parameters, steps)
    assert spikes.dtype == current.dtype
    assert torch.equal(spikes.to(expected.dtype), expected)

    x, p = (tensor.double().requires_grad_() for tensor in (current.expand(spikes.shape), parameters))
    exact, v = by_reference(kind, x, p, steps)
    grad = torch.randn(exact.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    grad = (grad.to(DEVICE) * away_from_edges(kind, v.detach())).to(current.dtype)
    gx, gp = torch.autograd.grad(exact, (x, p), grad.double())
    gp[reference.LEARNED[kind] :] = 0
    mine_x, mine_p = gpu.backward(grad, current, parameters, constants, kind, True)
    assert (mine_x.dtype, mine_p.dtype) == (current.dtype, parameters.dtype)
    tolerance = ROUNDING[current.dtype]
    torch.testing.assert_close(mine_x.double(), gx, rtol=tolerance, atol=tolerance * gx.abs().max().item())
    tolerance = ROUNDING[parameters.dtype]
    for mine, true in zip(mine_p.double(), gp, strict=True):
        torch.testing.assert_close(mine, true, rtol=tolerance, atol=tolerance * true.abs().max().item())
    if steps <= gpu.WHOLE:
        alone, nothing = gpu.backward(grad, current, parameters, constants, kind, False)
        assert torch.equal(alone, mine_x) and nothing.numel() == 0


@runs
@settings(max_examples=14, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(layers())
def test_agrees_with_the_reference(layer):
    check(**layer)


@runs
@pytest.mark.parametrize(
    ("kind", "steps", "still"), [("second_order", 33, False), ("lif", 70, False), ("first_order", 40, True)]
)
def test_long_sequences_are_cut_into_segments(kind, steps, still):
    check(kind, steps, 3, members=1, lanes=50, width=1, dtype=torch.float32, still=still)


@runs
@pytest.mark.parametrize("kind", NEURONS)
def test_every_neuron_in_segments(kind, monkeypatch):
    monkeypatch.setattr(gpu, "WHOLE", 2)
    check(kind, 5, 4, members=2, lanes=140, width=70, dtype=torch.float32, still=False)


@runs
@pytest.mark.parametrize("shape", [(4, 2, 0), (4, 0, 3)])
def test_nothing_in_nothing_out(shape):
    current, parameters = torch.zeros(shape, device=DEVICE), torch.ones(6, shape[1], 1, device=DEVICE)
    constants = NEURONS["lif"][0]
    assert gpu.forward(current, parameters, constants, "lif", 4).shape == shape
    gx, gp = gpu.backward(current, current, parameters, constants, "lif", True)
    assert gx.shape == shape and gp.shape == parameters.shape and not gp.any()


@runs
@pytest.mark.parametrize("spike_dtype", [torch.uint8, torch.bfloat16, torch.float64])
def test_spikes_of_another_type(spike_dtype):
    current, parameters = make("lif", 5, 1, 40, 1, torch.float32, False, 8)
    spikes = gpu.forward(current, parameters, NEURONS["lif"][0], "lif", 5, spike_dtype)
    expected, _ = by_reference("lif", current, parameters, 5)
    assert spikes.dtype == spike_dtype and 0 < spikes.sum() < spikes.numel()
    assert torch.equal(spikes.float(), expected)


@runs
@pytest.mark.parametrize("kind", NEURONS)
def test_huge_currents_make_no_nan(kind):
    current, parameters = make(kind, 6, 1, 24, 1, torch.float32, False, 5)
    current[::2, :, ::3], current[1::2, :, 1::3], current[:, :, 2] = 3e38, -3e38, 1e20
    spikes = gpu.forward(current, parameters, NEURONS[kind][0], kind, 6)
    assert torch.equal(spikes, by_reference(kind, current, parameters, 6)[0])
    gx, gp = gpu.backward(torch.ones_like(current), current, parameters, NEURONS[kind][0], kind, True)
    assert not gx.isnan().any() and not gp.isnan().any()


@runs
def test_parameter_gradients_repeat_to_the_bit():
    layer = {"members": 1, "lanes": 1000, "width": 1, "dtype": torch.float32, "still": False}
    current, parameters = make("lif", 3, seed=9, **layer)
    arguments = (torch.ones_like(current), current, parameters, NEURONS["lif"][0], "lif", True)
    assert torch.equal(gpu.backward(*arguments)[1], gpu.backward(*arguments)[1])


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("kind", ["lif", "second_order"])
def test_compiles_for_a_gpu_that_is_not_here(kind):
    """Up to the assembly: loads four wide, and no fused multiply-add, whose single rounding moves spikes."""
    current = torch.empty(3, 1, 1 << 20, device="meta")
    parameters = torch.empty(6, 1, 1, device="meta")
    common, _ = gpu._common(current, parameters, NEURONS[kind][0], 3, 3, gpu._width(current))
    step, adjoint = gpu.STEPS[kind]
    extra = {"STATES": reference.STEPS[kind][1], "LEARNED": reference.LEARNED[kind], "ADJOINT": adjoint}
    for kernel, named in ((gpu._forward, {"STEP": step}), (gpu._backward, {"STEP": step} | extra)):
        assembly = _compile(kernel, common | named)
        assert "ld.global.v4" in assembly and "fma.rn" not in assembly


def _compile(kernel, named):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    numbers = {"members": "i32", "lanes": "i32", "width": "i32", "unity": "fp32"}
    options = {name: named[name] for name in gpu.OPTIONS}
    constant = {name: named[name] for name in kernel.arg_names if name in named and name not in numbers}
    signature = {
        name: "constexpr" if name in constant else numbers.get(name, "*fp32") for name in kernel.arg_names
    }
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, kind in enumerate(signature.values())
        if kind == "*fp32" or kernel.arg_names[i] == "lanes"
    }
    source = ASTSource(kernel, signature, constant, aligned)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
