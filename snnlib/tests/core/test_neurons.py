"""The five neurons against ten steps worked out by hand, gradients, closed forms, bad input."""

import math

import numpy as np
import pytest
import torch

from snnlib.neurons import LIF, PLIF, PRESETS, FirstOrder, Izhikevich, SecondOrder
from snnlib.papers import published
from snnlib.surrogate import arctan, window

CURRENT = [0.3, 0.9, 0.6, 0.1, 0.8, 0.7, 0.2, 0.9, 0.9, 0.4]
INPUT = [0.5, 1.5, 2.0, 0.0, 1.0, 2.0, 0.5, 3.0, 1.0, 1.2]
EVERY = [FirstOrder(), SecondOrder(*PRESETS["2-RS"]), LIF(), PLIF(), Izhikevich()]
NAMES = [type(neuron).__name__ for neuron in EVERY]

# Worked out step by step with a pocket calculator's arithmetic from the equations in the docstrings.
# fmt: off
BY_HAND = [
    (FirstOrder(), CURRENT,
     {"V": [0.3, 0.96, 0.6, 0.1, 0.82, 0.7, 0.2, 0.94, 0.9, 0.4]}, [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]),
    (SecondOrder(*PRESETS["2-FS"]), CURRENT,
     {"V":
      [0.22, 0.8732, 0.527646, 0.030095, 0.732078, 0.636131, 0.138071, 0.857733, 0.84176, 0.343362],
      "U":
      [0.0752, 0.073579, 0.07113, 0.068828, 0.065094, 0.063154, 0.061331, 0.059465, 0.057863, 0.056357]},
     [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]),
    (SecondOrder(*PRESETS["2-SDS"]), CURRENT,
     {"V":
      [0.22, 0.86768, 0.457405, 0.161818, 0.67847, 0.489677, 0.224046, 0.733601, 0.620315, 0.052639],
      "U":
      [0.08072, 0.080959, 0.147401, 0.147715, 0.148687, 0.215738, 0.216596, 0.218049, 0.285725, 0.35401]},
     [0, 1, 0, 0, 1, 0, 0, 1, 1, 0]),
    (LIF(tau=2.0), INPUT,
     {"V": [0.25, 0.875, 1.4375, 0.0, 0.5, 1.25, 0.25, 1.625, 0.5, 0.85]}, [0, 0, 1, 0, 0, 1, 0, 1, 0, 0]),
    (PLIF(tau=4.0), INPUT,
     {"V": [0.125, 0.46875, 0.851562, 0.638672, 0.729004, 1.046753, 0.125, 0.84375, 0.882812, 0.962109]},
     [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
    (Izhikevich(), [10.0] * 7 + [20.0, 20.0, 40.0],
     {"V":
      [-58.0, -50.44, -37.90026, -7.03004, 122.60425, -66.4204, -67.30761, -57.71435, -47.95867, -10.532],
      "U":
      [-13.0, -12.972, -12.91432, -12.80763, -12.5796, -4.74801, -4.91873, -5.08959, -5.21865, -5.30611]},
     [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
]
# fmt: on


@pytest.mark.parametrize(("neuron", "current", "states", "spikes"), BY_HAND, ids=lambda v: type(v).__name__)
def test_ten_steps_by_hand(neuron, current, states, spikes):
    seen, trace = neuron.double()(torch.tensor(current, dtype=torch.float64)[:, None], trace=True)
    assert seen[:, 0].tolist() == spikes
    for name, values in states.items():
        torch.testing.assert_close(
            trace[name][:, 0], torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-5
        )


def test_thresholds_strict_and_not():
    at_threshold = torch.tensor([[0.5]])
    assert FirstOrder()(at_threshold).item() == 0
    assert FirstOrder()(at_threshold + 1e-6).item() == 1
    assert LIF(tau=2.0)(torch.tensor([[2.0]])).item() == 1
    assert LIF(tau=2.0)(torch.tensor([[2.0 - 1e-6]])).item() == 0


@pytest.mark.parametrize(
    ("surrogate", "derivative"),
    [(window, lambda x: (x.abs() < 0.5).double()), (arctan, lambda x: 1 / (1 + (math.pi * x) ** 2))],
)
def test_surrogate_derivative(surrogate, derivative):
    x = torch.cat(
        [
            torch.linspace(-100, 100, 4001, dtype=torch.float64),
            torch.tensor([-0.5, 0.5, 0.0], dtype=torch.float64),
        ]
    )
    x.requires_grad_()
    surrogate(x).sum().backward()
    assert x.grad.isfinite().all()
    torch.testing.assert_close(x.grad, derivative(x.detach()))


def test_arctan_derivative_is_that_of_its_primitive():
    x, step = torch.linspace(-3, 3, 101, dtype=torch.float64, requires_grad=True), 1e-6
    arctan(x).sum().backward()

    def primitive(x):
        return torch.atan(math.pi * x) / math.pi + 0.5

    slope = (primitive(x.detach() + step) - primitive(x.detach() - step)) / (2 * step)
    torch.testing.assert_close(x.grad, slope, rtol=0, atol=1e-8)


def test_plif_gradients_are_equations_8_to_16():
    """Eq. 8-16 with S detached in the reset, written out as loops over time, against autograd.

    Eq. 8 gathers the later losses in dL/dH_t and Eq. 15 carries dH/da along as well; used together, as Eq.
    16 prints it, they count every later loss again. Each alone is right: the whole dL/dH_t with the step's
    own dH_t/da, or the step's own dL_t/dH_t with the carried dH_t/da.
    """
    generator = torch.Generator().manual_seed(3)
    x = (3 * torch.rand(12, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    weight = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    neuron = PLIF(tau=3.0).double()
    spikes, trace = neuron(x, trace=True)
    assert 0 < spikes.sum() < spikes.numel()
    (spikes * weight).sum().backward()

    h, s, a = trace["V"].detach(), spikes.detach(), neuron.a.item()
    k = 1 / (1 + math.exp(-a))
    k_prime = k * (1 - k)
    before = torch.cat([torch.zeros_like(h[:1]), (h * (1 - s))[:-1]])  # V_{t-1}
    surrogate = 1 / (1 + (math.pi * (h - 1)) ** 2)  # Eq. 13
    carried = 1 - s  # Eq. 12, S detached
    loss_h, later = torch.zeros_like(h), torch.zeros_like(h[0])
    for t in reversed(range(len(h))):  # Eq. 8-11
        loss_h[t] = later + weight[t] * surrogate[t]
        later = loss_h[t] * (1 - k) * carried[t - 1]
    own_h_a = (x.detach() - before) * k_prime
    h_a, carried_a = torch.zeros_like(h[0]), 0.0
    for t in range(len(h)):  # Eq. 15
        h_a = own_h_a[t] + (1 - k) * (carried[t - 1] if t else 0) * h_a
        carried_a += (weight[t] * surrogate[t] * h_a).sum().item()
    torch.testing.assert_close(x.grad, loss_h * k)  # Eq. 14
    assert neuron.a.grad.item() == pytest.approx((loss_h * own_h_a).sum().item(), rel=1e-6)  # Eq. 16
    assert neuron.a.grad.item() == pytest.approx(carried_a, rel=1e-6)


def test_second_order_gradients_follow_the_chain_rule():
    """Gradients of theta and I, the reset not detached, by a forward recursion written out here."""
    generator = torch.Generator().manual_seed(5)
    current = torch.rand(15, 3, generator=generator, dtype=torch.float64)
    weight = torch.randn(15, 3, generator=generator, dtype=torch.float64)
    neuron = SecondOrder(0.03, 0.25, -0.05, 0.07, neurons=3, learnable=True).double()
    spikes, trace = neuron(current, trace=True)
    assert 0 < spikes.sum() < spikes.numel()
    (spikes * weight).sum().backward()
    for name in ("theta_a", "theta_b", "theta_c", "theta_d"):
        expected = _theta_sensitivity(
            name, [theta[0].item() for theta in neuron.thetas], current, weight, trace
        )
        torch.testing.assert_close(getattr(neuron, name).grad, expected, rtol=1e-9, atol=1e-12)


def _theta_sensitivity(name, thetas, current, weight, trace):
    a, b, c, d = thetas
    v = u = s = torch.zeros(3, dtype=torch.float64)
    u = u + 0.08
    dv = du = ds = torch.zeros(3, dtype=torch.float64)  # derivatives by the theta in question
    total = torch.zeros(3, dtype=torch.float64)
    for t in range(len(current)):
        dv = dv * (1 - s) - v * ds + c * ds + (s if name == "theta_c" else 0)
        du = du + d * ds + (s if name == "theta_d" else 0)
        v, u = v * (1 - s) + c * s, u + d * s
        direct_u = (b * v - u) if name == "theta_a" else a * v if name == "theta_b" else 0
        dv, du = 2 * v * dv - du, du + a * (b * dv - du) + direct_u
        v, u = v * v - u + current[t], u + a * (b * v - u)
        s = (v > 0.5).double()
        ds = dv * ((v - 0.5).abs() < 0.5)
        total = total + weight[t] * ds
    torch.testing.assert_close(v, trace["V"][-1])
    return total


@pytest.mark.parametrize("tau", [1.01, 1.5, 2.0, 16.0, 300.0])
def test_initial_tau_round_trip(tau):
    assert PLIF(tau=tau).tau.item() == pytest.approx(tau, rel=1e-5)
    assert PLIF(tau=tau).a.item() == pytest.approx(-math.log(tau - 1), rel=1e-6)


@pytest.mark.parametrize("tau", [1.5, 2.0, 5.0, 16.0])
def test_lif_rate_against_its_closed_form(tau):
    """Constant input X > 1 fires every n = ceil(ln(1 - 1/X) / ln(1 - 1/tau)) steps."""
    for x in (1.05, 1.3, 2.1, 4.7):
        steps = math.ceil(math.log(1 - 1 / x) / math.log(1 - 1 / tau))
        spikes = LIF(tau=tau).double()(torch.full((40 * steps, 1), x, dtype=torch.float64))
        assert spikes.sum().item() == 40
    assert LIF(tau=tau)(torch.full((500, 1), 0.999)).sum() == 0


@pytest.mark.parametrize("neuron", EVERY, ids=NAMES)
def test_output_follows_the_input(neuron):
    current = 2 * torch.rand(5, 3, 4, 2, dtype=torch.float64)
    spikes, trace = neuron(current, trace=True)
    assert spikes.shape == current.shape
    assert spikes.dtype == trace["V"].dtype == torch.float64
    assert neuron(current.float()).dtype == torch.float32
    with torch.device("meta"):
        on_meta = torch.empty(5, 3)
    assert neuron.to("meta")(on_meta).device.type == "meta"
    neuron.to_empty(device="cpu")


@pytest.mark.parametrize("make", [FirstOrder, SecondOrder, LIF, PLIF, Izhikevich])
def test_calls_leave_nothing_behind(make):
    neuron, other = make(), make()
    first, second = 2 * torch.rand(6, 5, 3), 2 * torch.rand(6, 2, 3)
    before = neuron(first)
    neuron(second), other(second)
    assert torch.equal(neuron(first), before)
    assert set(neuron.state_dict()) == {name for name, _ in neuron.named_parameters()}


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="floating-point"):
        LIF()(torch.ones(4, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"\[T, B, \*\]"):
        LIF()(torch.ones(4))
    with pytest.raises(ValueError, match="parameters for 5 neurons.*has 4"):
        SecondOrder(neurons=5)(torch.ones(3, 2, 4))
    for tau in (1.0, 0.5, float("nan")):
        with pytest.raises(ValueError, match="greater than 1 time step"):
            PLIF(tau=tau)
    with pytest.raises(ValueError, match="dt"):
        Izhikevich(dt=2.0)
    with pytest.raises(ValueError, match="dense tensor"):
        LIF()(np.ones((4, 2)))


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("length", [2, 3, 5])
def test_parameters_per_neuron_of_a_wrong_length_are_refused_before_the_kernel_runs(length, trace):
    wrong = torch.linspace(0.1, 0.3, length)
    made = [FirstOrder(decay=wrong), SecondOrder(initial_u=wrong)]
    made += [Izhikevich(**{name: wrong}) for name in "abcd"]
    for neuron in made:
        for neurons in (4, 6):  # 6 is a multiple of 2 and 3, and no more right for it
            with pytest.raises(ValueError, match=f"parameters for {length} neurons.*has {neurons}"):
                neuron(torch.zeros(3, 2, neurons), trace=trace)


def test_parameters_per_neuron_of_a_right_length_are_used_one_by_one():
    decays, current = torch.tensor([0.1, 0.5, 0.9]), torch.rand(8, 2, 3)
    together = FirstOrder(decay=decays)(current)
    one_by_one = [FirstOrder(decay=d.item())(current[..., i]) for i, d in enumerate(decays)]
    assert torch.equal(together, torch.stack(one_by_one, -1))
    resets = torch.tensor([-65, -50, -55])  # whole numbers must not make whole numbers of the others
    together = Izhikevich(c=resets)(60 * current)
    one_by_one = [Izhikevich(c=c)(60 * current[..., i]) for i, c in enumerate(resets.tolist())]
    assert torch.equal(together, torch.stack(one_by_one, -1))


@pytest.mark.parametrize("neuron", [LIF(), PLIF()])
def test_what_a_neuron_of_maps_cannot_give_together_is_refused(neuron):
    maps = torch.rand(3, 1, 2, 4, 4)
    with pytest.raises(ValueError, match="gives a trace of its neurons alone"):
        neuron(maps, trace=True, pool=2)
    with pytest.raises(ValueError, match=r"steps=3 repeats one step \[1, B, \*\], and the input has 3"):
        neuron(maps, steps=3)
    assert neuron(maps[:1], steps=3).shape == maps.shape


def test_what_does_not_fit_the_current_is_named():
    with pytest.raises(ValueError, match="on the device of the current"):
        FirstOrder(decay=torch.tensor(0.2, device="meta"))(torch.ones(3, 2, 4))
    with pytest.raises(ValueError, match="parameters of 3 members.*has 2"):
        FirstOrder(decay=torch.full((3, 1, 1), 0.2))(torch.ones(3, 2, 2, 4))
    for name, value in [("threshold", torch.ones(4)), ("v_reset", "0"), ("threshold", float("nan"))]:
        with pytest.raises(ValueError, match=f"{name} must be one fixed number"):
            LIF(**{name: value})(torch.ones(3, 2, 4))
    with pytest.raises(ValueError, match="one fixed number"):  # it would get no gradient
        LIF(threshold=torch.tensor(1.0, requires_grad=True))(torch.ones(3, 2, 4))


@pytest.mark.parametrize("kind", [FirstOrder, LIF, PLIF, Izhikevich, SecondOrder])
def test_a_size_by_position_is_not_taken_for_a_parameter(kind):
    with pytest.raises((TypeError, ValueError), match="positional|size of a layer is neurons=size"):
        kind(128)


def test_fixed_thetas_get_no_gradient_and_presets_are_table_2():
    assert not any(p.requires_grad for p in SecondOrder().parameters())
    table = published.table("mdn_table2").set_index("neuron")
    assert PRESETS == {name: tuple(table.loc[name]) for name in table.index}
    assert list(PRESETS) == ["2-FS", "2-RS", "2-SDS", "2-WDS"]
