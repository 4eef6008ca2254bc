"""The ladder of sizes (chapter 04): how PLIF's findings depend on the width of the network and on training.

Records in, Figure out. ``authors``: rows of ``published.author_curves()`` with a column ``variant`` and, in
``at``, the epoch of ours that had as many updates; their networks are Table S1's.
"""

from collections.abc import Iterable
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from snnlib.figures import style
from snnlib.figures.style import INK, VARIANT_COLOURS

EFFECTS = {  # name -> (variant, variant that is taken off, colour)
    "τ = 16 costs LIF": ("LIF(2)", "LIF(16)", VARIANT_COLOURS["LIF(16)"]),
    "PLIF − LIF, τ = 16": ("PLIF(16)", "LIF(16)", VARIANT_COLOURS["PLIF(16)"]),
    "PLIF − LIF, τ = 2": ("PLIF(2)", "LIF(2)", VARIANT_COLOURS["PLIF(2)"]),
    "max − average": ("PLIF(2)", "PLIF(2) average", VARIANT_COLOURS["PLIF(2) average"]),
}
WIDTH_COLOURS = ("#FDBF6F", "#E07B1A", "#B3447A", "#5B2A86", "#1A1333")  # narrow pale, wide dark
THEIRS = {"ls": "", "marker": "x", "color": INK, "ms": 5, "mew": 1.1}


def ladder(records: Iterable[dict], authors: pd.DataFrame, paper: dict[str, float], full: int) -> plt.Figure:
    """Four panels: last accuracy and four effects against width; the cost of tau = 16 and the first FC
    layer's tau against epochs, one line a width.

    Dots: seeds; lines: means over seeds. ``paper``: variant -> best accuracy in Tables 4 and 5, drawn as
    diamonds at ``full``, the maps of Table S1's own layers. Crosses: the authors' logs, at equal updates.
    """
    records = list(records)
    curves = _curves(records)
    last = curves.groupby(["width", "seed"]).last()
    figure, axes = plt.subplots(2, 2, figsize=(9.6, 7.2))
    accuracy, effect, cost, tau = axes.flat
    for name, colour in VARIANT_COLOURS.items():
        _rungs(accuracy, last[name], colour, name, paper[name], full)
    accuracy.set_ylabel("test accuracy after the last epoch (%)")
    accuracy.legend(loc="lower right", fontsize=7.5)
    for label, (a, b, colour) in EFFECTS.items():
        _rungs(effect, last[a] - last[b], colour, label, paper[a] - paper[b], full)
    effect.axhline(0, color=INK, lw=0.8)
    effect.set_ylabel("difference of accuracies (points)")
    effect.legend(loc="upper right", fontsize=7.5)
    widths, epochs = last.index.unique("width"), curves.index.unique("epoch").max()
    colours = dict(zip(widths, cycle(WIDTH_COLOURS), strict=False))
    _cost(cost, curves, colours, authors)
    _tau(tau, records, colours, authors)
    for axis in axes[0]:
        ticks = sorted({*widths, full})
        axis.set(xscale="log", xlabel="maps per convolution")
        axis.set_xticks(ticks, list(map(str, ticks)))
        axis.minorticks_off()
    for axis in axes[1]:
        axis.set(xlabel="epoch", xlim=(0.5, epochs + 0.5))
        axis.xaxis.get_major_locator().set_params(integer=True)
    handles = [Line2D([], [], color=colour, lw=2, label=f"{width} maps") for width, colour in colours.items()]
    handles += [
        Line2D([], [], ls="", marker="D", mfc="white", color=INK, ms=5, label="the paper's table"),
        Line2D([], [], **THEIRS, label="the authors' logs"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    style.letter(*axes.flat)
    return figure


def width(record: dict) -> int:
    """Maps of the first convolution in Table S1's notation: "c128k3s1-..." -> 128."""
    return int(record["network"].lstrip("{").split("k")[0].removeprefix("c"))


def _curves(records: Iterable[dict]) -> pd.DataFrame:
    """Test accuracy after each epoch: a row for width, seed and epoch, a column for each variant."""
    points = [
        {
            "width": width(record),
            "seed": record["seed"],
            "epoch": point["epoch"],
            "variant": style.variant(record["neuron"], record["config"]["tau"], record["pooling"]),
            "accuracy": point["test_accuracy"],
        }
        for record in records
        for point in record["curve"]
        if point["epoch"] > 0
    ]
    curves = pd.DataFrame(points).pivot(
        index=["width", "seed", "epoch"], columns="variant", values="accuracy"
    )
    return curves.reindex(columns=list(VARIANT_COLOURS))


def _rungs(axis, seeds: pd.Series, colour: str, label: str, paper: float, full: int) -> None:
    """Dots for ``seeds`` (by width and seed), a line through their means, a diamond for the paper."""
    seeds = seeds.dropna()
    if len(seeds):
        axis.plot(seeds.index.get_level_values("width"), seeds, "o", color=colour, ms=3.5, alpha=0.6)
        axis.plot(seeds.groupby("width").mean(), color=colour, lw=1.6, label=label)
        axis.plot(full, paper, "D", color=colour, mfc="white", ms=5.5)


def _cost(axis, curves, colours, authors) -> None:
    ours = (curves["LIF(2)"] - curves["LIF(16)"]).dropna().groupby(["width", "epoch"]).mean()
    for size, gap in ours.groupby("width"):
        axis.plot(gap.droplevel("width"), color=colours[size], lw=1.6)
    theirs = authors.pivot_table(index="at", columns="variant", values="test_accuracy")
    if {"LIF(2)", "LIF(16)"} <= set(theirs):  # not in so short a training as to have no log of theirs
        gap = (theirs["LIF(2)"] - theirs["LIF(16)"]).dropna()
        axis.plot(gap.index, gap, **THEIRS)
    axis.axhline(0, color=INK, lw=0.8)
    axis.set_ylabel("LIF: accuracy at τ = 2 − at τ = 16 (points)")


def _tau(axis, records, colours, authors) -> None:
    for start, dashes in ((2.0, "-"), (16.0, (0, (3, 1.5)))):
        for size, colour in colours.items():
            taus = [
                [layers[-2] for layers in record["tau"]]
                for record in records
                if record["neuron"] == "PLIF"
                and (width(record), record["config"]["tau"], record["pooling"]) == (size, start, "max")
            ]
            if taus:
                axis.plot(np.mean(taus, axis=0), color=colour, lw=1.6, ls=dashes)
        theirs = authors[authors.variant == f"PLIF({start:g})"].dropna(axis=1, how="all")
        if len(theirs):
            layers = theirs.filter(regex=r"tau_\d").columns
            axis.plot(theirs["at"], theirs[layers[-2]], **THEIRS)
    axis.set_yscale("log", base=2)
    axis.set_ylabel("τ of the first FC layer; dashed: from 16")
