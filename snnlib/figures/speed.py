"""Figures of the performance chapter: who is how fast, memory against T, synapse against density."""

import pandas as pd
from matplotlib import pyplot as plt

from snnlib.figures import style

COLOURS = {
    "ours": "#0072B2",
    "ours, dense spikes": "#0072B2",
    "ours, listed spikes": "#56B4E9",
    "SpikingJelly": "#D55E00",
    "snnTorch": "#E69F00",
    "Norse": "#CC79A7",
    "PyTorch loop": "#8C8C8C",
    "torch linear": "#009E73",
}


def ratios(speed: pd.DataFrame, bars: pd.DataFrame) -> plt.Figure:
    """One line a work: every implementation as a dot at how many times as fast as the best peer it is, and
    what the companion aims at as a black stroke.

    ``speed``: rows of the passes to show, columns as ``bench.measure.COLUMNS``; ``bars``: as of
    ``bench.bars.judge``. Raises ValueError where no row has a ratio.
    """
    speed = speed[speed.ratio_to_best_peer.notna() & speed.implementation.isin(COLOURS)]
    if speed.empty:
        raise ValueError("No row has a ratio to a peer; measure the plain PyTorch loop or a library as well.")
    works = list(dict.fromkeys(zip(speed.work, speed["pass"], strict=True)))
    fig, axis = plt.subplots(figsize=(7.6, 1.2 + 0.32 * len(works)))
    for place, (work, step) in enumerate(works):
        rows = speed[(speed.work == work) & (speed["pass"] == step)]
        axis.axhline(place, color="#E6E6E6", lw=0.7, zorder=0)
        for row in rows.itertuples():
            ours = row.implementation.startswith("ours")
            look = {"ms": 9 if ours else 5, "color": COLOURS[row.implementation]}
            axis.plot(row.ratio_to_best_peer, place, "o", **look)
        best = rows[rows.implementation.str.startswith("ours")].ratio_to_best_peer.max()
        text = f"{best:.2g}x" if best < 10 else f"{best:.0f}x"
        look = {"va": "center", "fontsize": 8, "color": COLOURS["ours"]}
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}
        axis.annotate(text, (best, place), (8, 0), textcoords="offset points", bbox=ground, **look)
        aim = bars[(bars.work == work) & (bars["pass"] == step) & ~bars.at_most.astype(bool)]
        for bound in aim.bound:
            axis.plot([bound, bound], [place - 0.32, place + 0.32], color="black", lw=1.8)
    axis.axvline(1, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=0)
    axis.set(xscale="log", xlabel="times as fast as the best peer", ylim=(len(works) - 0.5, -0.5))
    axis.set_yticks(range(len(works)), [work for work, _ in works])
    axis.margins(x=0.12)
    axis.xaxis.set_major_formatter("{x:g}x")
    axis.xaxis.set_minor_formatter("")
    _legend(axis, [name for name in COLOURS if name in set(speed.implementation)], not bars.empty)
    return fig


def _legend(axis, names, aims):
    names = [name for name in names if name != "ours, dense spikes"] if "ours" in names else names
    handles = [plt.Line2D([], [], marker="o", ls="", color=COLOURS[name], label=name) for name in names]
    if aims:
        handles.append(plt.Line2D([], [], marker="|", ls="", color="black", ms=10, mew=1.8, label="aim"))
    axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)


def memory(table: pd.DataFrame) -> plt.Figure:
    """Left: what is alive after the forward pass besides the spikes; right: the peak of forward + backward;
    both in MiB beyond the input. ``table``: ``bench.layers.memory_against_steps``.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 3), sharey=True)
    titles = ("kept for the backward pass", "peak of forward + backward")
    for axis, column, title in zip(axes, ("kept", "peak"), titles, strict=True):
        for name, rows in table.groupby("implementation", sort=False):
            axis.plot(rows["T"], rows[column], "o-", color=COLOURS[name], label=name)
        current = table.drop_duplicates("T")
        look = {"color": style.INK, "lw": 0.9, "ls": (0, (4, 3)), "label": "input current"}
        axis.plot(current["T"], current.current, **look)
        axis.set(xscale="log", title=title, xlabel="time steps T")
        axis.set_yscale("symlog", linthresh=1)
        axis.set_xticks(sorted(set(table["T"])), sorted(set(table["T"])))
        axis.xaxis.set_minor_formatter("")
    axes[0].set(ylabel="MiB beyond the input", ylim=(-0.1, None))
    axes[0].legend()
    return fig


def synapse(table: pd.DataFrame) -> plt.Figure:
    """Milliseconds against density. ``table``: columns density (0 to 1), implementation, median_ms, low_ms,
    high_ms.
    """
    fig, axis = plt.subplots(figsize=(5.2, 3.2))
    for name, rows in table.groupby("implementation", sort=False):
        axis.fill_between(100 * rows.density, rows.low_ms, rows.high_ms, color=COLOURS[name], alpha=0.2, lw=0)
        axis.plot(100 * rows.density, rows.median_ms, "o-", color=COLOURS[name], label=name)
    axis.set(xscale="log", yscale="log", xlabel="active inputs (%)", ylabel="forward + weight gradient (ms)")
    densities = sorted({100 * value for value in table.density})
    axis.set_xticks(densities, [f"{value:g}" for value in densities])
    axis.xaxis.set_minor_formatter("")
    axis.legend()
    return fig
