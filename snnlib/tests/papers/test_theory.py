"""Theory against simulation: what analysis claims about the neurons is what the neurons do."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from snnlib.neurons import LIF, SecondOrder
from snnlib.papers import published, theory


def run(neuron, current):
    trace = theory.simulate(neuron, current)
    return trace["S"], trace


def test_simulate_equals_the_neuron_itself():
    current = np.random.default_rng(0).random((7, 3))
    spikes, trace = SecondOrder()(torch.from_numpy(current)[:, None], trace=True)
    ours = theory.simulate(SecondOrder(), current)
    np.testing.assert_array_equal(ours["S"], spikes[:, 0])
    np.testing.assert_array_equal(ours["U"], trace["U"][:, 0])
    np.testing.assert_array_equal(theory.simulate(SecondOrder(), current[:, 1])["V"], ours["V"][:, 1])


def frozen(u):
    """A 2nd-order neuron whose U never moves: only V's own dynamics are left."""
    return SecondOrder(0.0, 0.0, 0.0, 0.0, threshold=1e9, initial_u=u)


def test_fixed_points_solve_the_equation():
    current, u = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-0.5, 0.5, 41))
    for v in theory.fixed_points(current, u):
        real = ~np.isnan(v)
        np.testing.assert_array_equal(real, 0.25 + u - current >= 0)
        np.testing.assert_allclose((v**2 - v - u + current)[real], 0, atol=1e-12)


def test_the_lower_fixed_point_attracts_and_the_upper_repels():
    low, high = theory.fixed_points(0.2, 0.08)
    _, trace = run(frozen(0.08), np.full(200, 0.2))
    assert trace["V"][-1] == pytest.approx(low, abs=1e-7)
    assert abs(theory.multiplier(low)) < 1 < theory.multiplier(high)


def test_without_a_real_fixed_point_v_grows_past_any_bound():
    assert np.isnan(theory.fixed_points(0.4, 0.08)[0])
    _, trace = run(frozen(0.08), np.full(30, 0.4))
    assert trace["V"].max() > 1e3


def test_euler_step_doubles_its_period_below_minus_three_quarters():
    # I - U in (-5/4, -3/4): the continuous attractor exists, but the map V^2 + c settles on a cycle of two.
    low, _ = theory.fixed_points(-0.9, 0.08)
    assert abs(theory.multiplier(low)) > 1
    _, trace = run(frozen(0.08), np.full(400, -0.9))
    a, b, c = trace["V"][-3:]
    assert a == pytest.approx(c, abs=1e-9) and abs(a - b) > 0.1
    assert a + b == pytest.approx(-1, abs=1e-6)  # the 2-cycle solves V^2 + V + c + 1 = 0


def test_nullclines_cross_at_the_equilibria_and_the_jacobian_is_the_derivative():
    for current in (-0.5, 0.0, 0.2):
        v = theory.equilibria(current, 0.219)
        assert len(v) == 2
        np.testing.assert_allclose(v * v - v + current, 0.219 * v, atol=1e-12)
    assert len(theory.equilibria(0.5, 0.219)) == 0

    def step(v, u):
        return np.array([v * v - u + 0.1, u + 0.06 * (0.219 * v - u)])

    assert theory.is_stable(0.1, 0.06, 0.219) and not theory.is_stable(0.1, -0.009, 0.246)
    assert not theory.is_stable(-0.6, 0.06, 0.219) and not theory.is_stable(0.7, 0.06, 0.219)
    h, v, u = 1e-6, 0.1, 0.03
    columns = [step(v + h, u) - step(v - h, u), step(v, u + h) - step(v, u - h)]
    np.testing.assert_allclose(theory.jacobian(v, 0.06, 0.219), np.stack(columns, 1) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("theta_a", [0.02, -0.02])
def test_u_is_stable_for_positive_theta_a_only(theta_a):
    # MDN, Sec. 3.2 states it the other way round.
    neuron = SecondOrder(theta_a, 0.2, 0.0, 0.0, initial_u=0.2)
    _, trace = run(neuron, np.zeros(60))
    assert (abs(trace["U"][-1]) < 0.2) == (theta_a > 0)


def test_sine_has_the_published_moments():
    wave = theory.sine_stimulus(2000, 100)
    assert wave.mean() == pytest.approx(0, abs=1e-12) and wave.std() == pytest.approx(0.723)
    assert wave.max() == pytest.approx(1.0225, abs=1e-3)


@pytest.mark.parametrize("tau", [1.5, 2.0, 5.0, 16.0])
@pytest.mark.parametrize("current", [0.7, 1.0, 1.02, 4 / 3, 2.0, 7.5])
def test_lif_interval_is_what_the_neuron_does(tau, current):
    spikes, _ = run(LIF(tau=tau), np.full(200, current))
    times = np.flatnonzero(spikes)
    n = theory.lif_interval(current, tau)
    if math.isinf(n):
        # X = threshold: V comes near it step by step, and reaches it only when floats round up.
        assert len(times) == 0 or (current == 1.0 and times[0] > 10)
    else:
        assert times[0] == n - 1 and set(np.diff(times)) <= {n}


def test_effective_tau_turns_powers_into_exponentials():
    n = np.arange(20)
    expected = 3 * (1 - np.exp(-n / theory.effective_tau(4.0)))
    np.testing.assert_allclose(theory.lif_response(3, 4.0, n), expected)


def test_capability_is_a_z_score_per_task_and_needs_unique_cells():
    table = published.table("mdn_table3")
    scores = theory.capability(table)
    np.testing.assert_allclose(scores.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(scores.std(axis=1, ddof=0), 1)
    assert scores.loc["tidigits"].idxmax() == "2-SDS" and scores.loc["cifar10"].idxmax() == "2-FS"
    with pytest.raises(ValueError, match="average over seeds"):
        theory.capability(pd.concat([table, table]))
