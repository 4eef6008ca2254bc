"""The scoreboard as a picture (chapter 06 and README): claims, their effects, intervals and verdicts."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from snnlib.figures.style import INK

VERDICTS = {  # colour, symbol
    "holds": ("#00795A", "✓"),
    "fails": ("#C24E00", "✗"),
    "undecided": ("#8A6508", "?"),
    "not testable here": ("#6E6E6E", "—"),
}
SCOPES = {
    "at the paper's size": ("o", True),
    "at our size": ("o", False),
    "on other data": ("o", False),
    "arithmetic": ("s", True),
    "control": ("o", False),
}
"""Marker, and whether it is filled."""
AGREES = "#D3EBE1"
GREY = "#5E5E5E"
ROW, WIDTH, SIZE = 0.235, 8.6, 8.8  # inches, inches, points
LIMITS = {"points": (-15, 60), "other": (-12, 25)}
TICKS = {"points": (-10, -3, -1, 0, 1, 3, 10, 30), "other": (-10, -3, -1, 0, 1, 3, 10)}
AXES = {
    "points": "effect in percentage points (linear up to ±1, logarithmic beyond)",
    "other": "effect / smallest effect that counts (counts, and effects without one: as measured)",
}


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
    """``table``: rows of what ``snnlib.claims.scoreboard`` returns. Above accuracies in percentage points,
    below everything else in units of the smallest effect that counts; counts, and effects that have none, as
    they are.

    Green stretch: where the effect agrees with the claim. Dot and line: ours with its 95 % interval, filled
    at the paper's size, hollow at ours, a square where it is arithmetic. Diamond: the paper's table; cross:
    the authors' logs. What lies outside the axis is an arrow with its number.
    """
    unit = table.unit.where(table.unit == "points", "other")
    parts = [(name, rows) for name in TICKS if len(rows := table[unit == name])]
    below = 0.62
    height = sum(ROW * len(rows) + 0.5 for _, rows in parts) + below
    figure = plt.figure(figsize=(WIDTH, height))
    figure.set_layout_engine("none")  # the axes are placed here, row by row
    top = height - 0.06
    for name, rows in parts:
        tall = ROW * len(rows)
        _panel(figure.add_axes((0.36, (top - tall) / height, 0.4, tall / height)), rows, name)
        top -= tall + 0.5
    _legend(figure)
    return figure


def _panel(axis, rows, unit):
    low, high = LIMITS[unit]
    axis.set_xscale("symlog", linthresh=1, linscale=0.9)
    axis.set(xlim=(low, high), ylim=(len(rows) - 0.5, -0.5))
    axis.axvline(0, color="#8C8C8C", lw=0.8, zorder=1)
    for place, row in enumerate(rows.itertuples()):
        colour, symbol = VERDICTS[row.verdict]
        start, end = np.clip(region(row), low, high)
        axis.barh(place, end - start, left=start, height=0.78, color=AGREES, zorder=0)
        _effect(axis, place, row, colour, (low, high))
        at = {"transform": axis.get_yaxis_transform(), "va": "center", "color": colour}
        axis.text(1.02, place, symbol, fontsize=11, fontweight="bold", **at)
        scope = f", {row.scope}" if row.scope and row.verdict != "not testable here" else ""
        axis.text(1.065, place, f"{row.verdict}{scope}", fontsize=SIZE - 1, **at)
    axis.set_yticks(range(len(rows)), rows.label, fontsize=SIZE, color=INK)
    axis.set_xticks(TICKS[unit], [f"{tick:+d}" if tick else "0" for tick in TICKS[unit]], fontsize=SIZE - 1)
    axis.minorticks_off()
    axis.tick_params(length=2, pad=1.5)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0, pad=3)
    axis.set_xlabel(AXES[unit], fontsize=SIZE - 1, labelpad=1.5)


def _effect(axis, place, row, colour, limits):
    unit = scale(row)
    for value, marker, face in ((row.published, "D", "white"), (row.authors, "x", INK)):
        if pd.notna(value):
            _mark(axis, place, value / unit, limits, marker, ms=3.8, mfc=face, mec=GREY, mew=0.9, zorder=3)
    if pd.isna(row.ours):
        return
    if pd.notna(row.low):
        ends = np.clip([row.low / unit, row.high / unit], *limits)
        axis.plot(ends, [place, place], color=colour, lw=1.7, zorder=2)
        for end, beyond, arrow in zip(
            ends, (row.low / unit < ends[0], row.high / unit > ends[1]), "<>", strict=True
        ):
            if beyond:
                axis.plot(end, place, arrow, ms=4, color=colour, clip_on=False, zorder=2)
    marker, full = SCOPES[row.scope]
    face = colour if full and row.verdict != "not testable here" else "white"
    _mark(axis, place, row.ours / unit, limits, marker, ms=5.2, mfc=face, mec=colour, mew=1.3, zorder=4)


def _mark(axis, place, value, limits, marker, **style):
    """One value, or at the edge an arrow with the number where the axis does not reach it."""
    low, high = limits
    if low <= value <= high:
        axis.plot(value, place, marker, **style)
        return
    edge, arrow, side = (low, "<", "left") if value < low else (high, ">", "right")
    words = f"   {value:.0f}   "
    axis.plot(edge, place, arrow, clip_on=False, **style)
    axis.text(edge, place, words, fontsize=SIZE - 2, color=style["mec"], ha=side, va="center", zorder=5)


def _legend(figure):
    handles = [
        Patch(color=AGREES, label="where the claim agrees"),
        Line2D([], [], color=GREY, marker="o", label="ours, at the paper's size, 95 % interval"),
        Line2D([], [], color=GREY, marker="o", mfc="white", label="ours, at our size or on other data"),
        Line2D([], [], ls="", color=GREY, marker="s", label="arithmetic"),
        Line2D([], [], ls="", color=GREY, marker="D", mfc="white", ms=4, label="the paper's table"),
        Line2D([], [], ls="", color=GREY, marker="x", ms=4, label="the authors' logs"),
    ]
    look = {"ncols": 3, "fontsize": SIZE - 1, "columnspacing": 1.4, "handletextpad": 0.5}
    figure.legend(handles=handles, loc="lower center", **look)


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
