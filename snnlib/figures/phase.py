"""Phase portraits of the meta neurons (chapter 01, beyond the papers)."""

import numpy as np
from matplotlib import pyplot as plt

from snnlib.figures import style
from snnlib.figures.style import INK, NEURON_COLOURS, TRACE_COLOURS


def phase_portraits(portraits) -> plt.Figure:
    """Beyond the paper: the V-U plane of each meta neuron, and what it does as the input grows.

    portraits: {neuron: dict} with theta_b, constant and sine (current, V [T], U [T], S [T] each; for the sine
    two currents, of trough and crest), start (V and U before the first step), orbit_current [N], orbit_v
    [K, N], equilibria [N, 2] (or NaN), stable [N] bool. A column of planes has the limits of all its paths.
    """
    size = (10.8, 2.65 * len(portraits))
    figure, axes = plt.subplots(len(portraits), 3, figsize=size, squeeze=False, width_ratios=(1, 1, 1.25))
    for row, (neuron, portrait) in zip(axes, portraits.items(), strict=True):
        colour = NEURON_COLOURS[neuron]
        for axis, drive in zip(row, ("constant", "sine"), strict=False):
            _plane(axis, portrait[drive], portrait["start"], portrait["theta_b"], colour)
            axis.set(**_limits([other[drive] for other in portraits.values()], portrait["start"]))
        _bifurcation(row[2], portrait, colour)
        row[0].set_ylabel("recovery U")
        row[0].annotate(
            neuron, (0, 0.5), (-58, 0), xycoords="axes fraction", textcoords="offset points", rotation=90,
            va="center", ha="center", fontsize=12, fontweight="bold", color=colour,
        )  # fmt: skip
    axes[0, 0].set_title(f"constant input I = {portraits[neuron]['constant']['current']:g}")
    axes[0, 1].set_title("sine input of Fig. 4")
    axes[0, 2].set_title("V under constant I, steps 11 to 30")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=len(names))
    axes[0, 2].legend(loc="lower right", bbox_to_anchor=(1.0, 0.0))
    axes[0, 2].text(0.5, 1.86, "range of σ", ha="center", va="top", fontsize=8, color="#9A7A00")
    axes[0, 2].text(-1.17, -1.52, "period 2: dt = 1 is too long", fontsize=8, color="#777777")
    for axis, text in zip(axes[-1], ("potential V", "potential V", "constant input I"), strict=True):
        axis.set_xlabel(text)
    return figure


def _limits(runs, start) -> dict:
    """Axes limits that hold all paths and the start."""
    around = {}
    for name, own, first in (("xlim", "V", start[0]), ("ylim", "U", start[1])):
        values = np.concatenate([[first], *(run[own] for run in runs)])
        margin = 0.06 * np.ptp(values)
        around[name] = (values.min() - margin, values.max() + margin)
    return around


def _plane(axis, run, start, theta_b: float, colour) -> None:
    v = np.linspace(-2, 2, 400)
    currents = np.atleast_1d(run["current"])
    parabolas = v * v - v + currents[:, None]
    label = ["dV/dt = 0 (it moves with the input)", *[None] * (len(currents) - 1)]
    axis.plot(v, parabolas.T, color="#999999", lw=1.1, ls="-" if len(currents) == 1 else ":", label=label)
    if len(currents) > 1:
        axis.fill_between(v, parabolas.min(0), parabolas.max(0), color="#999999", alpha=0.08, lw=0)
    axis.plot(v, theta_b * v, color=TRACE_COLOURS["U"], lw=1.1, label="dU/dt = 0")
    style.threshold(axis, upright=True, label="threshold")
    path = [np.concatenate([[first], run[name]]) for first, name in zip(start, "VU", strict=True)]
    axis.plot(*path, color=colour, lw=0.9, alpha=0.55)
    axis.plot(run["V"], run["U"], "o", color=colour, ms=2.4)
    fired = run["S"] > 0
    axis.plot(run["V"][fired], run["U"][fired], "o", color=INK, ms=3.2, zorder=5, label="spike")
    axis.plot(*start, "s", mfc="white", mec=INK, ms=6, zorder=6, label="start, before step 1")


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
