"""Claims that are mathematics: computed with the library's own neurons, no data, no seeds."""

import numpy as np

from snnlib.claims.verdicts import Effect, exact
from snnlib.neurons import LIF, PRESETS, FirstOrder, SecondOrder
from snnlib.papers import meta_neurons, published, theory
from snnlib.papers.theory import simulate

TAU, STEPS = 20.0, 400
SILENT = 1e9  # a threshold that is never reached: the membrane alone
PIXELS = np.arange(1, 65) / 64  # exact in binary
ENCODER_STEPS = 64
PULSES = ((5, 80, 85, 90), 0.1)  # ms, and the step (PLIF, Fig. 2)


def weight_scales_v(records, arguments) -> Effect:
    """Largest deviation of V(k w) from k V(w) over k in 0.5, 2, 3, relative to the steady state k w."""
    base = simulate(LIF(tau=TAU, threshold=SILENT), np.ones(STEPS))["V"]
    scaled = {k: simulate(LIF(tau=TAU, threshold=SILENT), np.full(STEPS, k))["V"] for k in (0.5, 2.0, 3.0)}
    return exact(max(np.abs(v - k * base).max() / k for k, v in scaled.items()))


def tau_scales_time(records, arguments) -> Effect:
    """Largest deviation of V at tau' from V at tau read at t tau / tau' (effective time constants of the
    discrete membrane), and of the steady state from w."""
    steps, worst = np.arange(1, STEPS + 1), 0.0
    for tau in (TAU / 2, 2 * TAU):
        v = simulate(LIF(tau=tau, threshold=SILENT), np.ones(STEPS))["V"]
        stretch = theory.effective_tau(tau) / theory.effective_tau(TAU)
        worst = max(worst, np.abs(v - (1 - (1 - 1 / TAU) ** (steps / stretch))).max())
        worst = max(worst, abs(simulate(LIF(tau=tau, threshold=SILENT), np.ones(10 * STEPS))["V"][-1] - 1))
    return exact(worst, "exact for the effective time constants -1 / ln(1 - 1/tau)")


def small_tau_sensitive(records, arguments) -> Effect:
    """Fig. 2's pulses: peak after the three close ones with half the tau, over that with tau, minus 1."""
    pulses, dt = PULSES
    drive = np.zeros(1300)
    drive[[round(p / dt) for p in pulses]] = 1 / dt
    peak = {tau: simulate(LIF(tau=tau / dt, threshold=SILENT), drive)["V"].max() for tau in (5.0, 10.0)}
    return exact(peak[5.0] / peak[10.0] - 1, "tau 10 ms and 5 ms; Euler step 0.1 ms")


def _encoder():
    """Spikes [T, pixels] of a weight 1 and a non-leaky neuron with threshold 1."""
    neuron = FirstOrder(decay=1.0, threshold=float(np.nextafter(1, 0)))  # it fires strictly above
    return simulate(neuron, np.tile(PIXELS, (ENCODER_STEPS, 1)))["S"]


def encoder_count(records, arguments) -> Effect:
    """Largest difference of the spike count from floor(T / ceil(1 / p)), in spikes."""
    return exact(np.abs(_encoder().sum(0) - np.floor(ENCODER_STEPS / np.ceil(1 / PIXELS))).max())


def encoder_like_poisson(records, arguments) -> Effect:
    """Largest deviation of the spike count from p T over the pixels, as a share of T."""
    worst = np.abs(_encoder().sum(0) - PIXELS * ENCODER_STEPS).max() / ENCODER_STEPS
    return exact(worst, "every p from 1/2 to below 1 gives T/2 spikes: the hard reset loses the surplus")


def encoder_latency(records, arguments) -> Effect:
    """Largest difference of the first spike's step, counted from 1, from ceil(1 / p), in steps."""
    return exact(np.abs(_encoder().argmax(0) + 1 - np.ceil(1 / PIXELS)).max())


def fewer_steps(records, arguments) -> Effect:
    """Smallest ratio of the time steps of the best method before to the paper's own (Table 3), minus 1."""
    table = published.table("plif_table3")
    return exact((table.sota_time_steps_min / table.ours_time_steps).min() - 1, "from the paper's Table 3")


def rate_linearity(records, arguments) -> Effect:
    """R^2, and slope, of a line through rate against input (``theory.linearity``), 2-FS minus 2-RS."""
    fit = {name: theory.linearity(SecondOrder(*PRESETS[name])) for name in ("2-FS", "2-RS")}
    (r2_fs, slope_fs), (r2_rs, slope_rs) = fit.values()
    note = f"R² {r2_fs:.3f} and {r2_rs:.3f}, slope {slope_fs:.2f} and {slope_rs:.2f}"
    return exact(r2_fs - r2_rs, note, slope_fs - slope_rs)


def _candidates(sigmoid: bool):
    """The nine candidates under Fig. 4's own sine, or under that sine through the networks' sigmoid."""
    table = published.table("mdn_candidates")
    return meta_neurons.measure(table, meta_neurons.respond(table, sigmoid=sigmoid))


def third_is_insensitive(records, arguments) -> Effect:
    """Limit of sensitivity minus the modulation of the discarded spatial neuron by Fig. 4's sine."""
    found, inside = (
        _candidates(sigmoid).set_index("candidate").modulation["spatial-3"] for sigmoid in (False, True)
    )
    note = (
        f"modulation {found:.2f}, limit {meta_neurons.SENSITIVE}; behind the networks' sigmoid {inside:.2f}"
    )
    return exact(meta_neurons.SENSITIVE - found, note, meta_neurons.SENSITIVE - inside)


def strong_depression(records, arguments) -> Effect:
    """Share of its spikes that 2-SDS loses from the first to the last period, minus that of 2-WDS."""
    found, inside = (_candidates(sigmoid).set_index("table2_name").depression for sigmoid in (False, True))
    words = [f"{losses['2-SDS']:.2f} and {losses['2-WDS']:.2f}" for losses in (found, inside)]
    note = f"{words[0]}; behind the networks' sigmoid {words[1]}"
    return exact(found["2-SDS"] - found["2-WDS"], note, inside["2-SDS"] - inside["2-WDS"])
