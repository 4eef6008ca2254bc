"""Figures of chapter 01: single neurons. Every function draws what it is given and returns the Figure."""

import numpy as np
from matplotlib import pyplot as plt

from snnlib.figures import schematics, style
from snnlib.figures.style import INK, TRACE_COLOURS

CURVE_COLOURS = {"": "#0072B2", "w+": "#D55E00", "w−": "#E69F00", "τ+": "#009E73", "τ−": "#CC79A7"}


def spike_ticks(axes, steps, y: float, height: float, colour: str, label: str | None = None) -> None:
    """Spikes as short vertical bars starting at ``y``."""
    axes.vlines(np.asarray(steps), y, y + height, color=colour, lw=1.4, label=label)


def mdn_fig4(current, panels) -> plt.Figure:
    """MDN Fig. 4: six neurons under the same sine.

    current: [T].  panels: six dicts with title, V, S, U (2nd order), attractor (NaN if not real), each [T].
    A missing attractor is drawn dotted far above threshold, as the paper draws it.
    """
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.2), sharex=True, sharey=True)
    steps = np.arange(len(current))
    ceiling = 1.72
    for axis, panel in zip(axes.flat, panels, strict=True):
        style.threshold(axis, zorder=1, label="threshold")
        axis.plot(steps, current, color=TRACE_COLOURS["input"], lw=1.1, alpha=0.75, label="input I")
        missing = np.where(np.isnan(panel["attractor"]), ceiling, np.nan)
        yellow = TRACE_COLOURS["attractor"]
        axis.plot(steps, panel["attractor"], color=yellow, lw=3.2, label="attractor V*", zorder=2)
        axis.plot(steps, missing, color=yellow, lw=2.4, ls=(0, (1, 0.6)), label="V* not real: far above")
        if "U" in panel:
            axis.plot(steps, panel["U"], color=TRACE_COLOURS["U"], lw=1.6, label="recovery U", zorder=3)
        axis.plot(steps, panel["V"], color=TRACE_COLOURS["V"], lw=1.2, label="potential V", zorder=4)
        spike_ticks(axis, steps[panel["S"] > 0], 1.95, 0.22, INK, "spikes")
        axis.set_title(panel["title"])
    style.letter(*axes.flat)
    axes[0, 0].set(ylim=(-1.35, 2.25), xlim=(0, len(steps) - 1))
    plt.setp(axes[:, 0], ylabel="potential (dimensionless)")
    plt.setp(axes[1], xlabel="time step")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    return figure


def plif_fig1(steps, curves) -> plt.Figure:
    """PLIF Fig. 1: (a) the neuron, (b) V under constant input; curves "", "w+", "w−", "τ+", "τ−" -> V [T]."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.7), width_ratios=(1, 1.45))
    schematics.lif_neuron(left)
    left.set_title("spiking neuron")
    _curves(right, steps, curves)
    last, apart = -np.inf, 0.055 * max(v[-1] for v in curves.values())
    place = {"textcoords": "offset points", "va": "center", "fontweight": "bold"}
    for label, v in sorted(curves.items(), key=lambda item: item[1][-1]):
        last = max(v[-1], last + apart)  # labels at the curves, moved apart where two end at the same height
        right.annotate(label or "w, τ", (steps[-1], last), (6, 0), color=CURVE_COLOURS[label], **place)
    for label in ("", "w+", "w−"):
        right.hlines(curves[label][-1], 0, steps[-1], color=CURVE_COLOURS[label], lw=0.8, ls=":", zorder=0)
    right.set(
        title="constant input from step 0",
        xlabel="time t (steps)",
        ylabel="membrane potential V",
        xlim=(0, steps[-1] * 1.1),
        ylim=(0, None),
    )
    style.letter(left, right)
    return figure


def plif_fig2(steps, curves, pulses) -> plt.Figure:
    """PLIF Fig. 2: V of a neuron that receives instant spikes at times ``pulses``; curves as in plif_fig1."""
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7.6, 3.9), sharex=True, height_ratios=(5, 0.6))
    _curves(top, steps, curves)
    peak = max(v.max() for v in curves.values())
    top.set(ylabel="membrane potential V", ylim=(0, 1.05 * peak), title="response to instant spikes")
    top.legend(ncols=5, loc="upper left", bbox_to_anchor=(0.12, 1.0))
    spike_ticks(bottom, pulses, 0, 1, INK)
    bottom.set(yticks=[], xlabel="time t (ms)", xlim=(0, steps[-1]), ylim=(0, 1.1), ylabel="input")
    bottom.spines["left"].set_visible(False)
    return figure


def _curves(axis, steps, curves) -> None:
    for label, v in curves.items():
        look = {"lw": 1.6, "zorder": 2} if label else {"lw": 2.2, "zorder": 3}
        axis.plot(steps, v, color=CURVE_COLOURS[label], label=label or "w, τ", **look)


def plif_fig3(x, h, s, v, threshold: float = 1.0) -> plt.Figure:
    """PLIF Fig. 3: the general discrete neuron; its stages on a trace x, h, s, v (after reset), each [T]."""
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8.4, 5.6), height_ratios=(1.05, 1.3))
    schematics.discrete_neuron(top)
    steps = np.arange(len(x))
    before = np.concatenate([[0.0], v[:-1]])
    style.threshold(bottom, threshold)
    place = {"textcoords": "offset points", "va": "bottom", "ha": "right"}
    bottom.annotate("$V_{th}$", (len(x) - 0.1, threshold), (0, 2), **place, fontsize=8, color="#666666")
    bottom.bar(steps, x, width=0.86, color=TRACE_COLOURS["input"], alpha=0.16, lw=0, label="input $X_t$")
    for t in steps:
        style.arrow(bottom, (t - 0.38, before[t]), (t + 0.02, h[t]), schematics.CHARGE, shrinkB=2)
        if s[t]:
            style.arrow(bottom, (t + 0.06, h[t]), (t + 0.3, v[t]), schematics.RESET, shrinkA=2)
        else:
            bottom.plot([t + 0.04, t + 0.36], [h[t], v[t]], color="#BBBBBB", lw=1)
    bottom.plot(steps, h, "o", color=schematics.CHARGE, ms=5, label="charged $H_t$", zorder=4)
    fired, ring = s > 0, {"color": schematics.FIRE, "ms": 9, "mfc": "none", "mew": 1.8}
    bottom.plot(steps[fired], h[fired], "o", **ring, label="fires: $S_t=1$", zorder=5)
    left = "left for the next step $V_t$"
    bottom.plot(steps + 0.36, v, "s", color=schematics.RESET, ms=4, label=left, zorder=4)
    bottom.set(
        xlabel="time step t",
        ylabel="membrane potential",
        xticks=steps,
        xlim=(-0.6, len(x) - 0.1),
        ylim=(-0.06, max(h.max(), x.max()) * 1.28),
    )
    bottom.legend(ncols=4, loc="upper left")
    bottom.set_title("charge, fire, reset on a trace of our LIF (τ = 2)")
    style.letter(top, bottom)
    return figure


def plif_encoders(p, time_steps: int, rasters, counts, firsts) -> plt.Figure:
    """PLIF supplement 10: three encoders of a pixel p.

    p: [P] in (0, 1].  rasters: {title: spikes [T, P]}, three of them.
    counts: poisson_mean, poisson_sd, learnable, learnable_formula, subtract, each [P].
    firsts: learnable, learnable_formula, latency, latency_formula: step of the first spike [P], NaN for none.
    """
    blue, red, green, violet = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
    figure = plt.figure(figsize=(10.6, 6.4))
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.25))
    axes = [figure.add_subplot(cell) for cell in grid]
    for axis, (title, spikes) in zip(axes, rasters.items(), strict=False):
        extent = (-0.5, time_steps - 0.5, p[0], p[-1])
        look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
        axis.imshow(np.asarray(spikes).T, origin="lower", aspect="auto", extent=extent, **look)
        axis.set(title=title, xlabel="time step")
        axis.spines[["top", "right"]].set_visible(True)
    axes[0].set_ylabel("pixel p")
    how_many, how_good, first = axes[3:]
    mean, sd = counts["poisson_mean"], counts["poisson_sd"]
    dots, formula = {"ls": "", "marker": "o", "ms": 3}, {"lw": 1, "alpha": 0.6}
    how_many.fill_between(p, mean - sd, mean + sd, color=blue, alpha=0.18, lw=0)
    how_many.plot(p, mean, color=blue, lw=1, label="Poisson, mean ± sd")
    how_many.plot(p, time_steps * p, color=INK, lw=1, ls="--", label="$pT$")
    how_many.plot(p, counts["learnable"], color=red, **dots, label="learnable encoder")
    label = r"$\lfloor T/\lceil V_{th}/wp\rceil\rfloor$"
    how_many.plot(p, counts["learnable_formula"], color=red, **formula, ds="steps-mid", label=label)
    how_many.set(title="spikes in T steps", xlabel="pixel p", ylabel="number of spikes")
    how_many.legend(loc="upper left")
    how_good.axhline(1, color=INK, lw=1, ls="--")
    resets = {"learnable": ("hard reset (the paper's)", red), "subtract": ("reset by subtraction", green)}
    for name, (label, colour) in resets.items():
        how_good.plot(p, counts[name] / (time_steps * p), color=colour, lw=1.4, label=label)
    how_good.set(title='how good is "≈ pT"?', xlabel="pixel p", ylabel="spikes / pT", ylim=(0.3, 1.12))
    how_good.legend(loc="lower left")
    equations = {"learnable": r"$\lceil V_{th}/wp\rceil - 1$", "latency": r"$\lfloor (T-1)(1-p)\rfloor$"}
    for (name, equation), colour in zip(equations.items(), (red, violet), strict=True):
        first.plot(p, firsts[name], color=colour, **dots, label=f"{name} encoder")
        first.plot(p, firsts[f"{name}_formula"], color=colour, **formula, label=equation)
    first.set(title="first spike", xlabel="pixel p", ylabel="time step (from 0)", ylim=(-1, time_steps))
    first.legend(loc="upper right")
    style.letter(*axes)
    return figure
