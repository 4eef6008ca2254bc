"""Figures of chapter 03: one network per task and meta neuron (MDN, Fig. 6 to 8).

Every function draws the table that ``tables.compare(records, ["task", "neuron"], published=...)`` makes
and the single runs that ``tables.seeds(records, ["task", "neuron"])`` lists, and returns the Figure. Bars
are ours with one sd over seeds, dots the seeds, crosses those that never learned and are in no bar; open
diamonds are published; what was not run is left out.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from snnlib.figures import style
from snnlib.figures.style import INK, KIND_COLOURS, NEURON_COLOURS, NEURON_NAMES
from snnlib.results import tables

# MDN, Sec. 4.6: which tasks and which meta neurons count as spatial and as temporal.
TASKS = {
    "spatial": ("mnist", "fashion_mnist", "nettalk", "cifar10"),
    "temporal": ("tidigits", "timit", "n_mnist"),
}
NEURONS = {"1st-order": ("1st-order",), "spatial": ("2-FS", "2-RS"), "temporal": ("2-SDS", "2-WDS")}
MEAN_LINE = {"color": "#B3202C", "lw": 1.3, "ls": (0, (4, 2))}
_DIAMOND = {"marker": "D", "ls": "", "mfc": "white", "mec": INK, "mew": 1.1, "ms": 5}
_DOT = {"marker": "o", "ls": "", "mfc": "white", "mec": INK, "mew": 0.6, "ms": 2.6}
_DEAD = {"marker": "X", "ls": "", "mfc": "white", "mec": INK, "mew": 0.8, "ms": 6}


def mdn_fig6(table: pd.DataFrame, runs: pd.DataFrame, titles: dict[str, str]) -> plt.Figure:
    """MDN Fig. 6: the four 2nd-order neurons on every task, with the mean of each kind as a dashed line.

    ``titles``: task -> name of the data set in the paper; what the bars were really measured on stands below
    the panel.
    """
    figure, axes = plt.subplots(2, 4, figsize=(11, 6.6))
    panels = [*axes[0], *axes[1, :3]]
    places = {"2-FS": 0, "2-RS": 1, "2-SDS": 2.5, "2-WDS": 3.5}
    for axis, task in zip(panels, TASKS["spatial"] + TASKS["temporal"], strict=True):
        rows = table[table.task == task].set_index("neuron").reindex(places)
        _bars(axis, list(places.values()), rows, [NEURON_COLOURS[neuron] for neuron in places], 0.82)
        own = runs[(runs.task == task) & runs.neuron.isin(places)]
        _dots(axis, own.neuron.map(places) + 0.3, own)
        for kind in ("spatial", "temporal"):
            left, right = (places[neuron] for neuron in NEURONS[kind])
            mean = rows.ours[list(NEURONS[kind])].mean()
            axis.hlines(mean, left - 0.5, right + 0.5, **MEAN_LINE, zorder=4)
        _limits(axis, rows, own)
        axis.set_xticks(list(places.values()), [neuron.removeprefix("2-") for neuron in places])
        axis.set_xlim(-0.7, 4.2)
        axis.tick_params(axis="x", length=0)
        axis.set_title(titles[task])
        axis.set_xlabel(_wrapped(_source(rows, own), 40), fontsize=7.2, color="#666666", loc="left")
    style.letter(*panels)
    for axis, kind in zip(axes[:, 0], TASKS, strict=True):
        axis.set_ylabel(f"{kind} tasks\ntest accuracy (%)")
    axes[1, 3].set_axis_off()
    handles = [Patch(color=NEURON_COLOURS[n], label=_named(n)) for n in places]
    handles += [Line2D([], [], **MEAN_LINE, label="mean of the pair")]
    handles += _marks(runs[runs.neuron.isin(places)])
    axes[1, 3].legend(handles=handles, loc="center left", fontsize=9, labelspacing=0.9)
    return figure


def mdn_fig7(table: pd.DataFrame, runs: pd.DataFrame, titles: dict[str, str]) -> plt.Figure:
    """MDN Fig. 7: the 1st-order neuron beside the means of the spatial and of the temporal pair.

    A dot is one seed: the mean of the bar's neurons. ``titles`` as in ``mdn_fig6``.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.3), width_ratios=[len(TASKS[kind]) for kind in TASKS])
    means, each = group_means(table, runs), group_seeds(runs)
    for axis, (kind, tasks) in zip(axes, TASKS.items(), strict=True):
        for shift, group in zip((-0.27, 0, 0.27), NEURONS, strict=True):
            rows = means[means.group == group].set_index("task").reindex(tasks)
            x = np.arange(len(tasks)) + shift
            _bars(axis, x, rows, KIND_COLOURS[group], 0.24)
            own = each[(each.group == group) & each.task.isin(tasks)]
            _dots(axis, own.task.map(dict(zip(tasks, x, strict=True))) + 0.08, own)
        of_kind = table[table.task.isin(tasks)]
        _limits(axis, of_kind, runs[runs.task.isin(tasks)])
        labels = [
            f"{titles[task]}\n{_note(table[table.task == task], runs[runs.task == task], titles[task])}"
            for task in tasks
        ]
        axis.set_xticks(range(len(tasks)), labels, fontsize=7.5)
        axis.set_xlim(-0.6, len(tasks) - 0.4)
        axis.tick_params(axis="x", length=0)
        axis.set_title(f"{kind} tasks")
    axes[0].set_ylabel("test accuracy (%)")
    style.letter(*axes)
    words = {
        "1st-order": "1st-order neuron",
        "spatial": "spatial 2nd-order neurons (2-FS, 2-RS)",
        "temporal": "temporal 2nd-order neurons (2-SDS, 2-WDS)",
    }
    handles = [Patch(color=KIND_COLOURS[group], label=words[group]) for group in NEURONS]
    figure.legend(handles=handles + _marks(runs), loc="outside lower center", ncols=3)
    return figure


def mdn_fig8(published: pd.DataFrame, ours: pd.DataFrame) -> plt.Figure:
    """MDN Fig. 8: capability (Eq. 7) on temporal over spatial tasks, one point per neuron.

    published, ours: what ``theory.capability`` returns, tasks x neurons. A point is the mean over the tasks
    of a kind, its whiskers reach from the lowest to the highest of them.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.7), sharex=True, sharey=True)
    style.letter(*axes)
    for axis, cap, title in zip(axes, (published, ours), ("published", "ours"), strict=True):
        axis.axhline(0, color="#C8C8C8", lw=0.8, zorder=0)
        axis.axvline(0, color="#C8C8C8", lw=0.8, zorder=0)
        counts = {kind: int(cap.index.isin(tasks).sum()) for kind, tasks in TASKS.items()}
        axis.set_title(f"{title}: {counts['spatial']} spatial, {counts['temporal']} temporal tasks")
        if 0 in counts.values():
            missing = " or ".join(kind for kind, count in counts.items() if not count)
            words = f"no {missing} task with\ndifferences between neurons"
            axis.text(0.5, 0.55, words, ha="center", transform=axis.transAxes, color="#666666")
            continue
        for neuron in [n for group in NEURONS.values() for n in group if n in cap]:
            spatial, temporal = (cap.loc[cap.index.isin(tasks), neuron] for tasks in TASKS.values())
            x, y, colour = spatial.mean(), temporal.mean(), NEURON_COLOURS[neuron]
            axis.hlines(y, spatial.min(), spatial.max(), color=colour, lw=1, alpha=0.45)
            axis.vlines(x, temporal.min(), temporal.max(), color=colour, lw=1, alpha=0.45)
            axis.plot(x, y, "o", ms=9, color=colour, mec="white", mew=0.8, zorder=3, label=neuron)
    axes[0].set_ylabel("capability on temporal tasks")
    plt.setp(axes, xlabel="capability on spatial tasks", box_aspect=1)
    handles = [
        Line2D([], [], marker="o", ls="", ms=8, color=NEURON_COLOURS[neuron], label=_named(neuron))
        for group in NEURONS.values()
        for neuron in group
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def group_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean over the neurons of each group, seed by seed: columns task, group, seed, ours, dead (one of them
    never learned). A seed that lacks one of a group's neurons has no row.
    """
    parts = []
    for group, members in NEURONS.items():
        by_seed = runs[runs.neuron.isin(members)].groupby(["task", "seed"], sort=False)
        found = by_seed.agg(ours=("ours", "mean"), dead=("dead", "any"), neurons=("neuron", "nunique"))
        parts.append(found[found.neurons == len(members)].drop(columns="neurons").assign(group=group))
    return pd.concat(parts).reset_index()


def group_means(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Each group's mean and sd over those of ``group_seeds`` that learned (over all if none did), per task:
    columns task, group, published, ours, sd, n.
    """
    each, rows = group_seeds(runs), []
    for task in dict.fromkeys(table.task):
        theirs = table[table.task == task].set_index("neuron").published
        for group, members in NEURONS.items():
            own = each[(each.task == task) & (each.group == group)]
            over = own.ours[~own.dead] if (~own.dead).any() else own.ours
            published = theirs.reindex(members).mean(skipna=False)
            numbers = {"published": published, "ours": over.mean(), "sd": over.std(), "n": len(over)}
            rows.append({"task": task, "group": group} | numbers)
    return pd.DataFrame(rows)


def _bars(axis, x, rows, colours, width):
    """Our means as bars with one sd, published ones as diamonds."""
    axis.bar(x, rows.ours, width, color=colours, zorder=2)
    axis.errorbar(x, rows.ours, rows.sd, fmt="none", ecolor=INK, elinewidth=1, capsize=2.5, zorder=3)
    axis.plot(x, rows.published, **_DIAMOND, zorder=5)


def _dots(axis, x, runs):
    """Single runs, and crosses for those that never learned."""
    dead = runs.dead.astype(bool)
    axis.plot(x[~dead], runs.ours[~dead], zorder=4, **_DOT)
    axis.plot(x[dead], runs.ours[dead], zorder=6, **_DEAD)


def _limits(axis, rows, runs):
    """From a little below the lowest value to a little above the highest; two strokes mark a cut axis."""
    sd = rows.sd.fillna(0)
    values = np.concatenate([rows.ours - sd, rows.ours + sd, rows.published, runs.ours])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    margin = max(0.18 * (values.max() - values.min()), 0.5)
    low = max(0.0, values.min() - margin)
    low = 0.0 if low < 20 else low
    axis.set_ylim(low, values.max() + 0.6 * margin)
    first = low + 0.07 * (axis.get_ylim()[1] - low) if low else 0.0  # no tick where the axis is cut
    axis.set_yticks([tick for tick in axis.get_yticks() if first <= tick <= min(100, axis.get_ylim()[1])])
    if low:
        strokes = ((0.01, 0.034), (0.034, 0.058))  # start and end of the two, one a column
        look = {"lw": 0.9, "color": "#777777", "clip_on": False}
        axis.plot((-0.018, 0.018), strokes, transform=axis.transAxes, **look)


def _source(rows, runs) -> str:
    """The data behind our bars of one task, as the table's rows say it."""
    labels = list(dict.fromkeys(rows.data[rows.ours.notna()]))
    return f"ours on: {'; '.join(labels)}, {_seeds(runs)}" if labels else "not run"


def _seeds(runs) -> str:
    """How many seeds each neuron has: "5 seeds" or, if they differ, "3 to 5 seeds"."""
    n = sorted(set(runs.groupby("neuron").size()))
    return f"{n[0]} to {n[-1]} seeds" if len(n) > 1 else "1 seed" if n == [1] else f"{n[0]} seeds"


def _note(rows, runs, title: str) -> str:
    """The data in short, for below an axis, unless it is the whole data set itself, and the seeds."""
    labels = dict.fromkeys(rows.data[rows.ours.notna()])
    if not labels:
        return "(not run)"
    seen = [passport for label in labels for passport in tables.passports(rows, label)]
    names = list(dict.fromkeys(passport.dataset for passport in seen))
    if names != [title]:
        return _wrapped("on " + "; ".join(names or labels), 22) + "\n" + _seeds(runs)
    part = any(passport.source == "part" for passport in seen)
    return "on a part of it\n" * part + _seeds(runs)


def _wrapped(text: str, width: int) -> str:
    """Lines of at most ``width`` letters that leave "2,000 + 500" in one piece."""
    return "\n".join(textwrap.wrap(text.replace(" + ", "\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}"), width))


def _named(neuron: str) -> str:
    return neuron if neuron == "1st-order" else f"{neuron} ({NEURON_NAMES[neuron]})"


def _marks(runs):
    """Legend entries of what is not a bar."""
    marks = [Line2D([], [], **_DOT, label="one seed")]
    if runs.dead.any():
        marks += [Line2D([], [], **_DEAD, label="seed that never learned")]
    return [*marks, Line2D([], [], **_DIAMOND, label="published (Table 3)")]
