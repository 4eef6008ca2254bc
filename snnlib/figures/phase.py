"""Phase portraits of the meta neurons (chapter 01, beyond the papers)."""

import numpy as np
from matplotlib import pyplot as plt

from snnlib.figures import style
from snnlib.figures.style import INK, NEURON_COLOURS, TRACE_COLOURS

style.use()


def phase_portraits(portraits) -> plt.Figure:
    """Beyond the paper: the V-U plane of each meta neuron, and what it does as the input grows.

    portraits: {neuron: dict} with theta_b, constant and sine (current, V [T], U [T], S [T] each; for the sine
    two currents, of trough and crest), orbit_current [N], orbit_v [K, N], equilibria [N, 2] (or NaN),
    stable [N] bool.
    """
    size = (10.8, 2.65 * len(portraits))
    figure, axes = plt.subplots(len(portraits), 3, figsize=size, squeeze=False, width_ratios=(1, 1, 1.25))
    for row, (neuron, portrait) in zip(axes, portraits.items(), strict=True):
        colour = NEURON_COLOURS[neuron]
        _plane(row[0], portrait["constant"], portrait["theta_b"], colour)
        _plane(row[1], portrait["sine"], portrait["theta_b"], colour)
        _bifurcation(row[2], portrait, colour)
        row[0].set_ylabel("recovery U")
        row[0].annotate(
            neuron, (0, 0.5), (-58, 0), xycoords="axes fraction", textcoords="offset points", rotation=90,
            va="center", ha="center", fontsize=12, fontweight="bold", color=colour,
        )  # fmt: skip
    axes[0, 0].set_title(f"constant input I = {portraits[neuron]['constant']['current']:g}")
    axes[0, 1].set_title("sine input of Fig. 4")
    axes[0, 2].set_title("V under constant I, steps 11 to 30")
    axes[0, 0].text(-0.5, 0.86, "dV/dt = 0", color="#777777", fontsize=8, ha="right")
    axes[0, 0].text(-1.1, -0.32, "dU/dt = 0", color=TRACE_COLOURS["U"], fontsize=8)
    axes[0, 0].legend(loc="lower right", bbox_to_anchor=(1.02, 0.0), borderpad=0, handletextpad=0.2)
    axes[0, 1].text(-0.62, 0.7, "the parabola moves\nwith the input", color="#777777", fontsize=8, va="top")
    axes[0, 2].legend(loc="lower right", bbox_to_anchor=(1.0, 0.0))
    axes[0, 2].text(0.5, 1.86, "range of σ", ha="center", va="top", fontsize=8, color="#9A7A00")
    axes[0, 2].text(-1.17, -1.52, "period 2: dt = 1 is too long", fontsize=8, color="#777777")
    for axis, text in zip(axes[-1], ("potential V", "potential V", "constant input I"), strict=True):
        axis.set_xlabel(text)
    return figure


def _plane(axis, run, theta_b: float, colour) -> None:
    v = np.linspace(-1.2, 1.4, 300)
    currents = np.atleast_1d(run["current"])
    parabolas = v * v - v + currents[:, None]
    axis.plot(v, parabolas.T, color="#999999", lw=1.1, ls="-" if len(currents) == 1 else ":")
    if len(currents) > 1:
        axis.fill_between(v, parabolas.min(0), parabolas.max(0), color="#999999", alpha=0.08, lw=0)
    axis.plot(v, theta_b * v, color=TRACE_COLOURS["U"], lw=1.1)
    style.threshold(axis, upright=True)
    axis.plot(run["V"], run["U"], color=colour, lw=0.9, alpha=0.55)
    axis.plot(run["V"], run["U"], "o", color=colour, ms=2.4)
    fired = run["S"] > 0
    axis.plot(run["V"][fired], run["U"][fired], "o", color=INK, ms=3.2, zorder=5, label="spike")
    axis.plot(run["V"][0], run["U"][0], "s", mfc="white", mec=INK, ms=6, zorder=6, label="start")
    axis.set(xlim=(-1.15, 1.25), ylim=(-0.35, 0.95))


def _bifurcation(axis, portrait, colour) -> None:
    current = portrait["orbit_current"]
    orbit = np.asarray(portrait["orbit_v"])
    tiled = np.broadcast_to(current, orbit.shape)
    fired = orbit > 0.5
    axis.plot(tiled[~fired], orbit[~fired], ".", color="#B0B0B0", ms=1.6, rasterized=True)
    axis.plot(tiled[fired], orbit[fired], ".", color=colour, ms=2, rasterized=True, label="spikes")
    style.threshold(axis)
    low, high = np.asarray(portrait["equilibria"]).T
    axis.plot(current, np.where(portrait["stable"], low, np.nan), color=INK, lw=1.6, label="stable V*")
    axis.plot(
        current, np.where(portrait["stable"], np.nan, low), color=INK, lw=1.1, ls=":", label="unstable V*"
    )
    axis.plot(current, high, color=INK, lw=1.1, ls=":")
    axis.axvspan(0, 1, color="#F3E9C8", alpha=0.45, lw=0, zorder=0)
    axis.set(xlim=(current[0], current[-1]), ylim=(-1.6, 1.9), ylabel="potential V")
