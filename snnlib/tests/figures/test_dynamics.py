"""Figures of chapter 01 draw what they are given: panels and curves."""

import numpy as np

from snnlib.figures import dynamics, phase
from snnlib.neurons import LIF, FirstOrder, SecondOrder
from snnlib.papers import theory


def test_fig4_draws_six_neurons_and_lifts_a_missing_attractor():
    current = theory.sine_stimulus(50, 25)
    second = theory.simulate(SecondOrder(0.06, 0.219, -0.065, 0.003), current)
    second["attractor"] = theory.fixed_points(current, second["U"])[0]
    first = theory.simulate(FirstOrder(), current) | {"attractor": current / 0.8}
    figure = dynamics.mdn_fig4(current, [second | {"title": "x"}] * 5 + [first | {"title": "1st-order"}])
    assert len(figure.axes) == 6 and figure.axes[5].get_title(loc="left") == "1st-order"
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert "recovery U" in labels and "recovery U" not in [line.get_label() for line in figure.axes[5].lines]
    above = next(line for line in figure.axes[0].lines if "not real" in line.get_label()).get_ydata()
    np.testing.assert_array_equal(np.isnan(above), ~np.isnan(second["attractor"]))


def test_constant_and_pulse_figures_draw_every_curve():
    steps = np.arange(30)
    curves = {key: i * theory.lif_response(1, 10, steps) for i, key in enumerate(dynamics.CURVE_COLOURS, 1)}
    constant = dynamics.plif_fig1(steps, curves).axes[1]
    top, bottom = dynamics.plif_fig2(steps, curves, [5, 20]).axes
    for axis in (constant, top):
        drawn = {line.get_label(): line.get_ydata() for line in axis.lines}
        assert list(drawn) == ["w, τ", *list(curves)[1:]]
        np.testing.assert_array_equal(drawn["τ−"], curves["τ−"])
    beside = {text.get_text(): text.xyann for text in constant.texts if text.get_text() in drawn}
    assert len(beside) == 5
    ticks = [segment[0, 0] for segment in bottom.collections[0].get_segments()]
    assert ticks == [5, 20]


def test_fig3_marks_the_steps_that_fire():
    x = np.array([0.8, 0.8, 1.6, 0.4, 2.4])
    run = theory.simulate(LIF(tau=2.0), x)
    figure = dynamics.plif_fig3(x, run["V"], run["S"], run["V"] * (1 - run["S"]))
    fired = next(line for line in figure.axes[1].lines if "fires" in line.get_label())
    np.testing.assert_array_equal(fired.get_xdata(), np.flatnonzero(run["S"]))


def test_encoders_and_phase_portraits_have_all_panels():
    p = np.arange(1, 9) / 8
    counted = ["poisson_mean", "poisson_sd", "learnable", "learnable_formula", "subtract"]
    counts = dict.fromkeys(counted, 8 * p)
    names = ["learnable", "learnable_formula", "latency", "latency_formula"]
    firsts = dict.fromkeys(names, 8 * (1 - p))
    rasters = {"Poisson": np.eye(8), "learnable": np.tri(8), "latency": np.ones((8, 8))}
    axes = dynamics.plif_encoders(p, 8, rasters, counts, firsts).axes
    assert [axis.get_title(loc="left") for axis in axes[:3]] == list(rasters)
    np.testing.assert_array_equal(axes[1].images[0].get_array(), np.tri(8).T)
    drawn = [{line.get_label(): line.get_ydata() for line in axis.lines} for axis in axes[3:]]
    np.testing.assert_array_equal(drawn[0]["learnable encoder"], 8 * p)
    np.testing.assert_array_equal(drawn[1]["reset by subtraction"], np.ones(8))
    np.testing.assert_array_equal(drawn[2]["latency encoder"], 8 * (1 - p))
    assert [axis.texts[0].get_text() for axis in axes] == [*"abcdef"]
    current = np.linspace(-1, 1, 5)
    run = {"V": p, "U": p, "S": p > 0.5}
    portrait = {
        "theta_b": 0.2, "constant": run | {"current": 0.6}, "sine": run | {"current": np.array([-1.0, 1.0])},
        "start": (0.0, 2.5), "orbit_current": current, "orbit_v": np.zeros((3, 5)),
        "equilibria": np.zeros((5, 2)), "stable": current < 0,
    }  # fmt: skip
    axes = phase.phase_portraits({"2-FS": portrait, "2-SDS": portrait}).axes
    assert len(axes) == 6 and axes[3].texts[0].get_text() == "2-SDS"
    (fired,) = (line for line in axes[0].lines if line.get_label() == "spike")
    np.testing.assert_array_equal(fired.get_xdata(), p[p > 0.5])
    for axis in axes[:2]:  # the start is before the first step, and no path leaves the axes
        (start,) = (line for line in axis.lines if line.get_label().startswith("start"))
        assert start.get_xydata().tolist() == [[0, 2.5]]
        (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
        assert left < 0 and right > 1 and low < p[0] and high > 2.5
    stable = next(line for line in axes[2].lines if line.get_label() == "stable V*").get_ydata()
    np.testing.assert_array_equal(np.isnan(stable), current >= 0)
