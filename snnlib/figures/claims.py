"""The scoreboard as one picture (chapter 06): every claim of both papers, its effect, interval, verdict."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from snnlib.figures import style
from snnlib.figures.style import INK
from snnlib.results import tables

style.use()
VERDICTS = {  # words of a verdict -> colour, symbol
    "holds": ("#009E73", "✓"),
    "fails": ("#D55E00", "✗"),
    "undecided": ("#B8860B", "?"),
    "not testable here": ("#9A9A9A", "—"),
}
PAPERS = {"mdn": "Meta-dynamic neurons", "plif": "Learnable membrane time constant"}
HOLDS_HERE = "#DCEFE7"
ROW = 0.205  # inches
SIZE = 7.6  # points
SYMBOL = {"fontsize": 10, "fontweight": "bold", "va": "center"}
LIMITS = {"points": (-15, 60), "other": (-12, 25)}
TICKS = {"points": (-10, -3, -1, 0, 1, 3, 10, 30), "other": (-10, -3, -1, 0, 1, 3, 10)}


def kind(verdict: str) -> str:
    """The verdict without "(computed)", a key of VERDICTS."""
    return verdict.removesuffix(" (computed)")


def scale(row) -> float:
    """What an effect is divided by before it is drawn: 1 for percentage points and counts, else its SESOI."""
    return 1.0 if row.unit == "points" or row.test == "count" or row.sesoi == 0 else float(row.sesoi)


def region(row) -> tuple[float, float]:
    """Where, on its axis, an effect agrees with its claim."""
    least = row.sesoi / scale(row)
    return {
        "above": (least, np.inf),
        "at_least": (-least, np.inf),
        "similar": (-max(least, 0.06), max(least, 0.06)),
        "count": (-0.06, 0.06),
    }[row.test]


def claims(table: pd.DataFrame) -> plt.Figure:
    """``table``: what ``snnlib.claims.scoreboard`` returns. Left MDN, right PLIF; above accuracies in
    percentage points, below everything else in units of the smallest effect that counts.

    Green stretch: where the effect agrees with the claim. Dot and line: ours with its 95 % interval; hollow:
    less training than the paper's, or other data (open set, part, stand-in). Diamond: the paper's table;
    cross: the authors' logs.
    """
    papers = [paper for paper in PAPERS if (table.paper == paper).any()]
    unit = table.unit.where(table.unit == "points", "other")
    parts = {paper: [*rows.groupby(unit[rows.index])][::-1] for paper, rows in table.groupby("paper")}
    longest = max(sum(len(rows) + 2.6 for _, rows in part) for part in parts.values())
    figure = plt.figure(figsize=(5.6 * len(papers), ROW * longest + 0.95))
    figure.set_layout_engine("none")  # the axes are placed here, row by row
    height = figure.get_figheight()
    for column, paper in enumerate(papers):
        top = height - 0.52
        left = (column + 0.5) / len(papers)
        for unit, rows in parts[paper]:
            tall = ROW * len(rows)
            box = (left, (top - tall) / height, 0.455 / len(papers), tall / height)
            _panel(figure.add_axes(box), rows, unit)
            top -= tall + 2.6 * ROW
        start = column / len(papers) + 0.008
        title = {"fontsize": 11, "fontweight": "bold", "color": INK, "va": "center"}
        figure.text(start, 1 - 0.12 / height, PAPERS[paper], **title)
        _tally(figure, table[table.paper == paper], left, height)
    _legend(figure)
    return figure


def _tally(figure, rows, left, height):
    """How many claims got which verdict, above the axes."""
    counts = rows.verdict.map(kind).value_counts()
    for name, (colour, symbol) in VERDICTS.items():
        if name in counts:
            figure.text(left, 1 - 0.36 / height, f"{symbol} {counts[name]}", color=colour, **SYMBOL)
            left += 0.62 / figure.get_figwidth()


def _panel(axis, rows, unit):
    low, high = LIMITS[unit]
    axis.set_xscale("symlog", linthresh=1, linscale=0.9)
    axis.set(xlim=(low, high), ylim=(len(rows) - 0.5, -0.5))
    axis.axvline(0, color="#8C8C8C", lw=0.8, zorder=1)
    for place, row in enumerate(rows.itertuples()):
        colour, symbol = VERDICTS[kind(row.verdict)]
        start, end = np.clip(region(row), low, high)
        axis.barh(place, end - start, left=start, height=0.78, color=HOLDS_HERE, zorder=0)
        other_data = any(p.source in ("open set", "part") for p in tables.passports(rows, row.data))
        _effect(axis, place, row, colour, (low, high), other_data)
        axis.text(1.015, place, symbol, color=colour, transform=axis.get_yaxis_transform(), **SYMBOL)
    axis.set_yticks(range(len(rows)), rows.label, fontsize=SIZE)
    for text, verdict in zip(axis.get_yticklabels(), rows.verdict, strict=True):
        text.set_color("#8A8A8A" if kind(verdict) == "not testable here" else INK)
    axis.set_xticks(TICKS[unit], [f"{tick:+d}" if tick else "0" for tick in TICKS[unit]], fontsize=7)
    axis.minorticks_off()
    axis.tick_params(length=2, pad=1.5)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0, pad=3)
    words = {"points": "effect (percentage points)", "other": "effect / smallest effect that counts"}
    axis.set_xlabel(words[unit], fontsize=SIZE, labelpad=1.5)


def _effect(axis, place, row, colour, limits, other_data):
    unit = scale(row)

    def inside(value):
        return float(np.clip(value / unit, *limits))

    for value, marker, size, face in ((row.published, "D", 3.6, "white"), (row.authors, "x", 3.6, INK)):
        if pd.notna(value):
            axis.plot(inside(value), place, marker, ms=size, mfc=face, mec="#666666", mew=0.8, zorder=3)
    if pd.isna(row.ours):
        return
    if pd.notna(row.low):
        axis.plot([inside(row.low), inside(row.high)], [place, place], color=colour, lw=1.6, zorder=2)
    full = row.scope in ("paper", "computed") and kind(row.verdict) != "not testable here" and not other_data
    face = colour if full else "white"
    axis.plot(inside(row.ours), place, "o", ms=4.8, mfc=face, mec=colour, mew=1.3, zorder=4)


def _legend(figure):
    grey = "#666666"
    handles = [
        Line2D([], [], ls="", marker=f"${symbol}$", color=colour, ms=7, label=name)
        for name, (colour, symbol) in VERDICTS.items()
    ]
    handles += [
        Patch(color=HOLDS_HERE, label="where the claim agrees"),
        Line2D([], [], color=grey, marker="o", label="ours, 95 % interval"),
        Line2D([], [], ls="", color=grey, marker="o", mfc="white", label="less training or other data"),
        Line2D([], [], ls="", color=grey, marker="D", mfc="white", ms=4, label="paper's table"),
        Line2D([], [], ls="", color=grey, marker="x", ms=4, label="authors' logs"),
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        fontsize=SIZE,
        columnspacing=1.2,
        handletextpad=0.4,
        borderaxespad=0.2,
    )


def gains(table: pd.DataFrame) -> plt.Figure:
    """Steps beyond the papers: accuracy minus that of the faithful run, with 95 % intervals where there are.

    ``table``: columns network, step, gain, low, high (points). Filled: the interval leaves zero out.
    """
    heads = list(dict.fromkeys(table.network))
    figure, axis = plt.subplots(figsize=(6.4, 0.24 * (len(table) + len(heads)) + 0.7))
    axis.axvline(0, color="#8C8C8C", lw=0.8)
    place, ticks = 0, []
    for head in heads:
        label = axis.get_yaxis_transform()
        axis.text(-0.02, place, head, transform=label, ha="right", va="center", fontsize=9, fontweight="bold")
        for row in table[table.network == head].itertuples():
            place += 1
            ticks.append((place, row.step))
            if pd.notna(row.low):
                axis.plot([row.low, row.high], [place, place], color=INK, lw=1.4)
            clear = pd.notna(row.low) and (row.low > 0 or row.high < 0)
            axis.plot(row.gain, place, "o", ms=5, mfc=INK if clear else "white", mec=INK, mew=1.3)
        place += 1
    axis.set_yticks(*zip(*ticks, strict=True), fontsize=SIZE)
    axis.set_ylim(place - 0.5, -0.5)
    axis.margins(x=0.1)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=SIZE)
    axis.set_xlabel("gain in accuracy (percentage points)", fontsize=SIZE)
    return figure
