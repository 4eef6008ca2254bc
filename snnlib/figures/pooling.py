"""Figures of chapter 05: what pooling does to spikes. Spikes are NumPy arrays ``[T, C, H, W]`` of 0 and 1,
time first."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Rectangle

from snnlib.figures import style
from snnlib.figures.plif_encoder import label_tiles, mosaic
from snnlib.figures.style import INK

PLACES = ("upper left", "upper right", "lower left", "lower right")
PLACE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
MAX, AVERAGE = "#D55E00", "#56B4E9"


def windows(spikes: np.ndarray) -> np.ndarray:
    """``[T, C, H, W]`` as 2 x 2 windows ``[T, C, H // 2, W // 2, 4]``, in the order of PLACES; an odd rim is
    left out, as by pooling."""
    steps, channels, height, width = spikes.shape
    cut = spikes[:, :, : height // 2 * 2, : width // 2 * 2]
    split = cut.reshape(steps, channels, height // 2, 2, width // 2, 2)
    return split.transpose(0, 1, 2, 4, 3, 5).reshape(steps, channels, height // 2, width // 2, 4)


def winners(windowed: np.ndarray, draw: np.random.Generator | None = None) -> np.ndarray:
    """Which of the four passes its spike at each step, ``[T, C, H, W]``: 0 to 3, or -1 where none fires.

    Of several that fire at once the first in order counts, which is the one that PyTorch's max-pooling sends
    the gradient to, or with ``draw`` one at random (PLIF Fig. 5). What leaves the pooling is the same.
    """
    of = windowed if draw is None else windowed * draw.random(windowed.shape)
    return np.where(windowed.any(-1), of.argmax(-1), -1)


def changes(windowed: np.ndarray) -> np.ndarray:
    """How often the connection of each window has to move, ``[C, H, W]``: the least number of times over all
    choices among neurons that fire at once.
    """
    able, moved = np.ones(windowed.shape[1:], bool), np.zeros(windowed.shape[1:-1], int)
    for firing in windowed.astype(bool):  # able: have fired at every passed spike since the last move
        still, passes = able & firing, firing.any(-1)
        moves = passes & ~still.any(-1)
        moved += moves
        able = np.where(moves[..., None], firing, np.where(passes[..., None], still, able))
    return moved


def liveliest(windowed: np.ndarray) -> tuple[int, int, int]:
    """(channel, row, column) of the window whose connection has to move most often; of equals, the one that
    most neurons take part in.
    """
    taking_part = windowed.any(0).sum(-1)
    best = int((changes(windowed) + 0.1 * taking_part).argmax())
    return tuple(int(i) for i in np.unravel_index(best, windowed.shape[1:-1]))


def plif_fig5(spikes: np.ndarray) -> plt.Figure:
    """PLIF Fig. 5: spike max-pooling connects whoever fires.

    (a), (b) the paper's drawing: three neurons, one of which fires at a time, and the connections that this
    makes over time. (c) the liveliest 2 x 2 window of a trained net. (d) its channel: colour says which
    neuron of each window passes a spike.
    """
    windowed = windows(spikes)
    channel, row, column = liveliest(windowed)
    steps = len(spikes)
    shown = min(steps, 10)
    figure = plt.figure(figsize=(10, 8.6))
    grid = figure.add_gridspec(3, 2, width_ratios=[1, 1.9], height_ratios=[1.15, 1.15, 0.62])
    drawing, unfolded = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _schematic(drawing)
    _unfolded(unfolded)
    window = figure.add_subplot(grid[1, :])
    _window(window, windowed[:, channel, row, column])
    window.set_title(
        f"a window of the trained net: channel {channel}, row {row}, column {column} of the pooled map"
    )
    maps = figure.add_subplot(grid[2, :])
    colours = np.array([*map(to_rgb, PLACE_COLOURS), (1.0, 1.0, 1.0)])
    maps.imshow(mosaic(colours[winners(windowed)[:shown, channel]][None]), interpolation="nearest")
    height, width = windowed.shape[2:4]
    for t in range(shown):
        maps.add_patch(
            Rectangle((t * (width + 1) + column - 0.5, row - 0.5), 1, 1, fill=False, ec=INK, lw=1.0)
        )
    label_tiles(maps, (height, width), (), [f"t = {t}" for t in range(shown)])
    maps.set_title(f"the whole of channel {channel}: who passes a spike in each window (white: nobody)")
    style.letter(drawing, unfolded, window, maps)
    return figure


FIRING = (0, 2, None, 1, 0, 2)  # which of the three neurons of the drawing fires at t = 0 .. 5


def _schematic(axis) -> None:
    axis.set(xlim=(0, 10), ylim=(0.4, 6.2), aspect="equal", anchor="N", title="three neurons, one connection")
    axis.axis("off")
    for i, y in enumerate((5.0, 3.2, 1.4)):
        axis.add_patch(Circle((1.6, y), 0.55, facecolor=PLACE_COLOURS[i], alpha=0.9, lw=0))
        axis.text(1.6, y, str(i), ha="center", va="center", color="white", fontweight="bold")
        axis.plot([2.15, 5.0], [y, 3.2], color=PLACE_COLOURS[i], lw=1.6, ls="-" if i == 0 else (0, (2, 2)))
        when = [0.15 + 0.13 * t for t, who in enumerate(FIRING) if who == i]
        axis.vlines(when, y - 0.3, y + 0.3, color=PLACE_COLOURS[i], lw=1.6)
    axis.add_patch(Rectangle((5.0, 2.6), 1.5, 1.2, facecolor="#F3F4F6", edgecolor="#009E73", lw=1.6))
    axis.text(5.75, 3.2, "max", ha="center", va="center")
    style.arrow(axis, (6.5, 3.2), (8.2, 3.2), width=1)
    axis.add_patch(Circle((8.75, 3.2), 0.55, facecolor="#4D4D4D", lw=0))
    axis.text(5.75, 1.9, "solid: fires now", ha="center", fontsize=7.5, color="#666666")


def _unfolded(axis) -> None:
    steps = len(FIRING)
    axis.set(xlim=(-0.6, steps - 0.4), ylim=(-0.2, 4.6), title="unfolded in time: whoever fires is connected")
    axis.axis("off")
    for t, who in enumerate(FIRING):
        for i, y in enumerate((4.1, 3.2, 2.3)):
            axis.plot(t - 0.18, y, "o", ms=13, color=PLACE_COLOURS[i], alpha=1.0 if who == i else 0.22)
            if who == i:
                bent = {"connectionstyle": "arc3,rad=-0.28", "shrinkA": 2, "shrinkB": 2}
                style.arrow(axis, (t - 0.1, y - 0.22), (t + 0.02, 0.95), PLACE_COLOURS[i], 1.6, **bent)
        axis.plot(t, 0.65, "o", ms=13, color="#4D4D4D", alpha=1.0 if who is not None else 0.3)
        axis.text(t, -0.1, f"$t = {t}$", ha="center", fontsize=8)
        if t < steps - 1:
            style.arrow(axis, (t + 0.16, 0.65), (t + 0.84, 0.65), "#999999", width=1)


def _window(axis, spikes: np.ndarray) -> None:
    """Four rows of spikes [T, 4]; the one that passes is filled; below, what max- and average-pooling hand
    on."""
    steps = len(spikes)
    passing = winners(spikes[:, None, None, None, :])[:, 0, 0, 0]
    for place in range(4):
        fired, passed = np.flatnonzero(spikes[:, place]), np.flatnonzero(passing == place)
        ring = {"facecolor": "white", "edgecolor": PLACE_COLOURS[place], "lw": 1.5}
        axis.scatter(fired, np.full(len(fired), 5.0 - place), s=70, zorder=2, **ring)
        axis.scatter(passed, np.full(len(passed), 5.0 - place), s=70, color=PLACE_COLOURS[place], zorder=3)
        axis.vlines(passed, 1.42, 4.82 - place, color=PLACE_COLOURS[place], lw=1.2, alpha=0.6, zorder=1)
    average = spikes.mean(1)
    axis.bar(range(steps), 0.7 * (passing >= 0), bottom=0.65, width=0.5, color=MAX)
    axis.bar(range(steps), 0.7 * average, bottom=-0.5, width=0.5, color=AVERAGE)
    for t, value in enumerate(average):
        if value:
            axis.text(t, 0.7 * value - 0.45, f"{value:g}", ha="center", va="bottom", fontsize=6.5, color=INK)
    axis.set_yticks([5, 4, 3, 2, 1.0, -0.15], [*PLACES, "max-pooling", "average-pooling"])
    axis.set(xlim=(-0.6, steps - 0.4), ylim=(-0.6, 5.5), xlabel="step t", xticks=range(steps))
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.tick_params(length=0)
    axis.hlines([-0.5, 0.65], -0.6, steps - 0.4, color="#CCCCCC", lw=0.7)


def value_histogram(values: dict[str, np.ndarray]) -> plt.Figure:
    """How often each value leaves a pooling: name -> values, on a logarithmic axis."""
    figure, axis = plt.subplots(figsize=(6.4, 2.9))
    levels = np.array([0, 0.25, 0.5, 0.75, 1.0])
    width = 0.8 / len(values)
    for i, (name, flat) in enumerate(values.items()):
        share = np.array([(np.abs(np.asarray(flat) - level) < 1e-6).mean() for level in levels])
        at, colour = np.arange(5) + (i - (len(values) - 1) / 2) * width, (INK, MAX, AVERAGE)[i % 3]
        bars = axis.bar(at, 100 * share, width * 0.92, label=name, color=colour)
        axis.bar_label(bars, [f"{100 * s:.3g}" if s else "0" for s in share], fontsize=7, padding=1)
    axis.set(
        xticks=range(5),
        xticklabels=[f"{level:g}" for level in levels],
        xlabel="value",
        ylabel="share of all values (%), log scale",
        yscale="log",
        ylim=(0.01, 300),
    )
    axis.legend(loc="upper right", ncols=3)
    return figure
