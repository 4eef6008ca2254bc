"""Figures of chapter 04 about training: accuracy, time constants, and W / tau over epochs. Records in, Figure
out.

``records`` are what ``execute.run`` returns; ``authors`` is ``published.author_curves()`` of protocol A.
Epochs count training epochs done: 0 is the untrained net. The authors number theirs from 0, so that their
epoch e is our e + 1.
"""

import textwrap
from collections.abc import Iterable
from itertools import groupby, product

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from snnlib.figures import style
from snnlib.figures.style import INK, VARIANT_COLOURS
from snnlib.results import tables

AVERAGE_OVER = 64  # epochs of the moving average in the paper's Fig. 6
FIRST_FC, OUTPUT = "#D55E00", "#8C8C8C"
STARTS = {2.0: "-", 16.0: (0, (3, 1.5))}  # tau_0 -> dashes, in Fig. 7
THEIRS = {"ls": "", "marker": "x", "ms": 3, "mew": 0.8, "alpha": 0.6}  # the authors' runs in Fig. 6
PAPER_BATCH = 16


def plif_fig6(
    records: Iterable[dict], authors: pd.DataFrame, titles: dict[str, str], samples: dict[str, int]
) -> plt.Figure:
    """PLIF Fig. 6: test accuracy against updates of the weights for PLIF and LIF at tau = 2 and 16, one panel
    per data set, max-pooling.

    Dots: mean over our seeds, from the first epoch on; line: through them, in runs of more than 64 epochs
    their moving average over 64; shaded: lowest to highest seed. Crosses, pale: the authors' runs on the
    paper's data at the epochs that are kept (every 8th), not joined, since nothing is known between them.
    ``samples``: training samples of the paper's data sets, which turn the authors' epochs into updates.
    """
    figure, axes, panels = _panels(list(records))
    for axis, task, runs in panels:
        for neuron, tau in product(("PLIF", "LIF"), STARTS):
            colour, theirs = VARIANT_COLOURS[f"{neuron}({tau:g})"], _authors_of(authors, task, neuron, tau)
            updates = (theirs.epoch + 1) * -(-samples[task] // PAPER_BATCH)
            axis.plot(updates, theirs.test_accuracy, color=colour, **THEIRS, zorder=1)
            ours = [run for run in runs if (run["neuron"], run["config"]["tau"]) == (neuron, tau)]
            if ours:
                _accuracy(axis, ours, colour)
        axis.set_xscale("log")
        axis.set_xlabel("updates of the weights")
        _name(axis, titles[task], runs)
        axis.set_ylim(0, 100)
        axis.grid(axis="y")
    plt.setp(axes[:, 0], ylabel="test accuracy (%)")
    handles = [
        Line2D([], [], color=VARIANT_COLOURS[f"{neuron}({tau})"], label=f"{neuron}, {sign} = {tau}")
        for neuron, sign in (("PLIF", "τ₀"), ("LIF", "τ"))
        for tau in (2, 16)
    ]
    handles.append(Line2D([], [], color=INK, marker="o", ms=3, label="ours"))
    handles.append(Line2D([], [], color=INK, **THEIRS, label="authors' logs"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    return figure


def _updates(record: dict) -> int:
    """Of the weights, in an epoch of a run."""
    return -(-record["train_samples"] // record["config"]["batch_size"])


def _accuracy(axis, runs: list[dict], colour: str) -> None:
    points = [point for point in runs[0]["curve"] if point["epoch"] > 0]  # epoch 0 is not trained
    accuracy = np.array([[p["test_accuracy"] for p in run["curve"] if p["epoch"] > 0] for run in runs])
    updates = np.array([point["epoch"] for point in points]) * _updates(runs[0])
    window = AVERAGE_OVER if len(points) > AVERAGE_OVER else 1
    axis.fill_between(updates, accuracy.min(0), accuracy.max(0), color=colour, alpha=0.18, lw=0, zorder=2)
    axis.plot(updates, accuracy.mean(0), "o", color=colour, ms=2.6, zorder=3)
    mean = pd.Series(accuracy.mean(0), updates).rolling(window, min_periods=1).mean()
    axis.plot(mean, color=colour, lw=1.6, zorder=3)


def plif_fig7(
    records: Iterable[dict], authors: pd.DataFrame, titles: dict[str, str], samples: dict[str, int]
) -> plt.Figure:
    """PLIF Fig. 7: tau of every PLIF layer over updates of the weights, from tau_0 = 2 (solid) and 16
    (dashed); mean over our seeds. Layers count from 0, as the paper's do.

    One panel per data set. Thin: the authors' published runs; the first FC layer is vermilion, the output
    grey. ``samples`` as in plif_fig6.
    """
    figure, axes, panels = _panels([record for record in records if record["neuron"] == "PLIF"])
    for axis, task, runs in panels:
        a_pass = _updates(runs[0])
        for start, dashes in STARTS.items():
            theirs = _authors_of(authors, task, "PLIF", start)
            theirs = theirs.set_index((theirs.epoch + 1) * -(-samples[task] // PAPER_BATCH))
            theirs = theirs.filter(regex=r"tau_\d").dropna(axis=1, how="all")
            drawn = [(theirs, {"lw": 0.8, "marker": ".", "ms": 2.2, "alpha": 0.75, "zorder": 1})]
            if ours := [run["tau"] for run in runs if run["config"]["tau"] == start]:
                mean = np.mean(ours, axis=0)
                mean = pd.DataFrame(mean, index=np.arange(len(mean)) * a_pass)
                drawn.append((mean, {"lw": 2.2, "zorder": 3}))
            for taus, look in drawn:  # a row for each epoch, a column for each layer
                for layer, colour in zip(taus, layer_colours(taus.shape[1]), strict=True):
                    axis.plot(taus[layer], color=colour, ls=dashes, **look)
        axis.set_xscale("symlog", linthresh=a_pass, linscale=0.4)  # the untrained net has a place too
        powers = [n for n in range(2, 8) if 10**n > 2 * a_pass]  # where they do not print over the 0
        axis.set_xticks([0, *(10**n for n in powers)], ["0", *(f"$10^{n}$" for n in powers)])
        axis.set_xlim(0, axis.dataLim.x1 * 1.5)
        axis.set_xlabel("updates of the weights")
        axis.set_yscale("log")
        axis.set_yticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"], minor=False)
        axis.minorticks_off()
        axis.set_ylim(1, 90)
        _name(axis, titles[task], runs)
        _layer_legend(axis, len(runs[0]["tau"][0]))
    plt.setp(axes[:, 0], ylabel="membrane time constant τ (steps)")
    looks = {"ours, from τ₀ =": {"lw": 2.2}, "authors' logs, from": {"lw": 0.9, "alpha": 0.75}}
    handles = [
        Line2D([], [], color=INK, ls=dashes, label=f"{words} {start:g}", **look)
        for words, look in looks.items()
        for start, dashes in STARTS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


CONVOLUTIONS = ("#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#000000")  # Okabe and Ito


def layer_colours(count: int) -> list[str]:
    """One colour for each layer: convolutions in hues of their own, the first FC layer vermilion, the output
    layer grey.
    """
    convolutions = [CONVOLUTIONS[i % len(CONVOLUTIONS)] for i in range(count - 2)]
    return [*convolutions, FIRST_FC, OUTPUT]


def _layer_legend(axis, count: int) -> None:
    names = [f"τ({i})" for i in range(count - 2)] + [f"τ({count - 2}), first FC", f"τ({count - 1}), output"]
    handles = [Line2D([], [], color=colour, lw=2) for colour in layer_colours(count)]
    tight = {"fontsize": 6.5, "handlelength": 1, "labelspacing": 0.25, "columnspacing": 0.9}
    axis.legend(handles, names, loc="upper left", ncols=2 if count > 4 else 1, **tight)


def plif_figS1(records: Iterable[dict]) -> plt.Figure:
    """PLIF Fig. S1: the distribution of W_fc / tau of the first FC layer over training, PLIF runs of one data
    set.

    Upper row: quantile bands for the first seed from tau_0 = 2 and 16. Lower row: variance of W / tau, and
    tau itself.
    """
    records = sorted(
        (r for r in records if r["neuron"] == "PLIF"), key=lambda r: (r["config"]["tau"], r["seed"])
    )
    starts = {tau: list(runs) for tau, runs in groupby(records, key=lambda r: r["config"]["tau"])}
    figure, axes = plt.subplots(2, 2, figsize=(8.6, 6.2), sharex=True)
    limit = max(abs(q) for r in records for point in r["w_over_tau"] for q in point["quantiles"][1:-1])
    for axis, (start, runs) in zip(axes[0], starts.items(), strict=False):
        _bands(axis, runs[0]["w_over_tau"])
        axis.set(title=f"from τ₀ = {start:g}, seed {runs[0]['seed']}", ylim=(-1.08 * limit, 1.08 * limit))
    axes[0, 0].set_ylabel(r"$W_{fc}\,/\,\tau$")
    axes[0, 1].legend(loc="upper left", fontsize=7)
    for start, runs in starts.items():
        look = {"color": VARIANT_COLOURS[f"PLIF({start:g})"], "label": f"τ₀ = {start:g}"}
        for run in runs:
            points = pd.DataFrame(run["w_over_tau"])
            axes[1, 0].plot(points.epoch, points.variance, **look)
            axes[1, 1].plot(points.epoch, [tau[-2] for tau in run["tau"]], **look)
            look["label"] = None  # one entry of the legend for all seeds
    axes[1, 0].set(xlabel="epoch", ylabel=r"variance of $W_{fc}\,/\,\tau$", yscale="log")
    axes[1, 1].set(xlabel="epoch", ylabel="τ of the first FC layer (steps)")
    axes[1, 0].legend()
    figure.suptitle(tables.data_label(records), fontsize=8, color="#666666", x=0.01, ha="left")
    for axis in axes.flat:
        axis.xaxis.get_major_locator().set_params(integer=True)
    style.letter(*axes.flat)
    return figure


def _bands(axis, points: list[dict]) -> None:
    epochs = [point["epoch"] for point in points]
    quantiles = np.array([point["quantiles"] for point in points])  # [epochs, quantiles]
    middle = len(tables.W_OVER_TAU_QUANTILES) // 2
    for i in range(1, middle):
        low, high = quantiles[:, i], quantiles[:, -1 - i]
        label = f"{100 * tables.W_OVER_TAU_QUANTILES[i]:g} to {100 * tables.W_OVER_TAU_QUANTILES[-1 - i]:g} %"
        axis.fill_between(epochs, low, high, color="#0072B2", alpha=0.18 + 0.1 * i, lw=0, label=label)
    axis.plot(epochs, quantiles[:, middle], color=INK, lw=1.2, label="median")


# --- what the panels share ----------------------------------------------------------------------------------


def _panels(records: list[dict]):
    """Figure, axes, and (axis, task, its records) for each data set."""
    tasks = list(dict.fromkeys(record["task"] for record in records))
    columns = min(2, len(tasks))
    rows = -(-len(tasks) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.1 * rows + 0.4), squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.axis("off")
    of_task = [[record for record in records if record["task"] == task] for task in tasks]
    return figure, axes, list(zip(axes.flat, tasks, of_task, strict=False))


def _authors_of(authors: pd.DataFrame, task: str, neuron: str, tau: float) -> pd.DataFrame:
    """Rows, every 8th epoch, of the authors' run with max-pooling that stands in the paper's tables."""
    chosen = authors[(authors.dataset == task) & (authors.neuron == neuron) & (authors.tau == tau)]
    return chosen[
        (chosen.pooling == "max") & (chosen.protocol == "A") & chosen.in_paper_table & (chosen.epoch % 8 == 0)
    ]


def _name(axis, title: str, runs: list[dict]) -> None:
    """Above a panel: the paper's data set, and below it what ours were really trained and tested on."""
    axis.set_title(title, pad=24)
    source = "\n".join(textwrap.wrap(f"ours: {tables.data_label(runs)}", 82))
    axis.text(
        0, 1.025, source, transform=axis.transAxes, fontsize=6.5, color="#666666", linespacing=1.1
    ).set_in_layout(False)
