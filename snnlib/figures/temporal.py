"""Figures of chapter 08. Each draws a tidy table: ``ours`` is a mean over seeds, ``half`` half of its 95 %
interval, NaN where there is one seed.
"""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from snnlib.figures import style
from snnlib.figures.style import INK, NEURON_COLOURS

COLOURS = NEURON_COLOURS | {"LIF": "#882255", "PLIF": "#009E73"}
MARKS = {"in order": "o", "test shuffled": "s", "test reversed": "<", "trained on shuffled": "D"}
LABEL = "test accuracy (%)"


def order(table: pd.DataFrame, counts: pd.DataFrame) -> plt.Figure:
    """What the order of the steps is worth: a panel a task, a column a neuron, a mark for each of MARKS.

    ``table``: task (as titled), neuron, way, ours, half; ``counts``: task, ours of the linear classifier of
    the mean over time, a dashed line.
    """
    tasks = list(dict.fromkeys(table.task))
    columns = min(4, len(tasks))
    lines = -(-len(tasks) // columns)
    size = (2.6 * columns + 0.6, 0.5 + 2.6 * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.remove()
    for axis, task in zip(axes.flat, tasks, strict=False):
        rows = table[table.task == task]
        names = list(dict.fromkeys(rows.neuron))
        for shift, (way, mark) in zip((-0.27, -0.09, 0.09, 0.27), MARKS.items(), strict=True):
            for place, name in enumerate(names):
                for row in rows[(rows.neuron == name) & (rows.way == way)].itertuples():
                    face = COLOURS.get(name, INK) if way == "in order" else "white"
                    look = {"color": COLOURS.get(name, INK), "mfc": face, "ms": 5, "capsize": 2, "lw": 1.2}
                    axis.errorbar(place + shift, row.ours, row.half, fmt=mark, **look)
        for row in counts[counts.task == task].itertuples():
            axis.axhline(row.ours, color=INK, lw=1, ls=(0, (4, 3)))
        axis.set_xticks(range(len(names)), names, fontsize=8)
        axis.set_xlim(-0.5, len(names) - 0.5)
        axis.set_title(task, fontsize=9)
    plt.setp(axes[:, 0], ylabel=LABEL)
    handles = [plt.Line2D([], [], ls="", marker=m, color=INK, mfc="white", label=w) for w, m in MARKS.items()]
    handles[0].set_markerfacecolor(INK)
    handles.append(plt.Line2D([], [], color=INK, lw=1, ls=(0, (4, 3)), label="linear, mean over time"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure


def parts(table: pd.DataFrame, leaks: pd.DataFrame, learned: pd.DataFrame) -> plt.Figure:
    """Left 2-WDS and what is left of it (``table``: part, ours, half); right accuracy over the time constant
    of the 1st-order neuron and of LIF (``leaks``: neuron, tau, ours, half), and beside it constants of each
    layer or neuron (``learned``: kind, ours, half).
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), width_ratios=(1, 2))
    colours = [COLOURS["2-WDS"] if name == "both" else "#B8C4CE" for name in table.part]
    left.bar(range(len(table)), table.ours, yerr=table.half, color=colours, capsize=3, width=0.7)
    left.set_xticks(range(len(table)), table.part)
    left.set_ylabel(LABEL)
    for name, rows in leaks.groupby("neuron", sort=False):
        colour = COLOURS.get(name, INK)
        right.errorbar(np.log2(rows.tau), rows.ours, rows.half, fmt="o-", color=colour, capsize=2, label=name)
    taus = sorted(set(leaks.tau))
    places = [np.log2(taus[-1] if taus else 1) + 0.8 * (i + 1) for i in range(len(learned))]
    right.errorbar(places, learned.ours, learned.half, fmt="D", color=COLOURS["PLIF"], capsize=2)
    told = [f"{tau:g}" if tau >= 1.5 or tau == min(taus) else "" for tau in taus]  # there is room for these
    right.set_xticks([*np.log2(taus), *places], [*told, *learned.kind], fontsize=8)
    right.set_xlabel("time constant τ (steps), fixed; then several, or learned")
    if len(leaks):
        right.legend(fontsize=8)
    style.letter(left, right)
    return figure


def robustness(table: pd.DataFrame) -> plt.Figure:
    """Accuracy over the strength of each disturbance of the test clips, a line a neuron. ``table``: what,
    strength, neuron, ours, half; strength 0 (for warp 1) is the undisturbed test.
    """
    kinds = list(dict.fromkeys(table.what))
    figure, axes = plt.subplots(1, len(kinds), figsize=(9.4, 2.8), sharey=True, squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        for name, rows in table[table.what == kind].groupby("neuron", sort=False):
            rows = rows.sort_values("strength")
            look = {"color": COLOURS.get(name, INK), "capsize": 2, "label": name}
            axis.errorbar(rows.strength, rows.ours, rows.half, fmt="o-", **look)
        axis.set_xlabel(kind, fontsize=9)
    axes[0][0].set_ylabel(LABEL)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=max(len(names), 1), fontsize=8)
    return figure


def costs(table: pd.DataFrame, band: tuple[float, float]) -> plt.Figure:
    """Accuracy over spikes per hidden neuron and clip, a panel a task. ``table``: task, neuron, spikes, ours,
    half; left of the ``band`` a spiking net is said to win.
    """
    tasks = list(dict.fromkeys(table.task))
    figure, axes = plt.subplots(1, len(tasks), figsize=(2.9 * len(tasks) + 0.6, 3.0), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        axis.axvspan(band[0] / 1.5, band[1], color="#D3EBE1")
        for row in table[table.task == task].itertuples():
            colour = COLOURS.get(row.neuron, INK)
            axis.errorbar(row.spikes, row.ours, row.half, fmt="o", color=colour, capsize=2)
        axis.set_xscale("log")
        axis.set_xlim(band[0] / 1.5, None)
        axis.xaxis.set_minor_formatter("")
        axis.set_title(task, fontsize=9)
        axis.set_xlabel("spikes per hidden neuron and clip", fontsize=8)
    axes[0][0].set_ylabel(LABEL)
    look = {"ls": "", "marker": "o"}
    handles = [
        plt.Line2D([], [], color=COLOURS.get(n, INK), label=n, **look) for n in dict.fromkeys(table.neuron)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=max(len(handles), 1), fontsize=8)
    return figure
