"""Two short animations (chapters 01 and 02), as animated PNG: every browser plays it, a page shows it as a
picture, and it needs neither a player nor a network.
"""

import io
from collections.abc import Callable

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, PngImagePlugin

from snnlib.figures import style
from snnlib.figures.style import INK, NEURON_COLOURS, TRACE_COLOURS

COLOURS = 48  # enough for lines on white
TRAIL = 24  # steps that a path stays visible


def animated(
    figure: plt.Figure, draw: Callable[[int], None], frames: int, seconds: float, rest: float = 1.0
) -> bytes:
    """The figure after ``draw(0)``, ``draw(1)``, ... as an animated PNG of so many seconds, which begins anew
    after a rest. The figure is closed.
    """
    canvas, pictures = FigureCanvasAgg(figure), []
    for frame in range(frames):
        draw(frame)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        figure.set_layout_engine("none")  # nothing moves but what is drawn
        pictures.append(picture)
    plt.close(figure)
    palette = pictures[-1].quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    still = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    changes = [_change(None, still[0]), *map(_change, still, still[1:])]
    lasting = [round(1000 * seconds / frames)] * (frames - 1) + [round(1000 * rest)]
    how = {"save_all": True, "append_images": changes[1:], "duration": lasting, "loop": 0}
    content = io.BytesIO()
    changes[0].save(content, "png", **how, blend=PngImagePlugin.Blend.OP_OVER)
    return content.getvalue()


def _change(before: Image.Image | None, after: Image.Image) -> Image.Image:
    """What of a picture with a palette is new, the rest transparent: a third of the bytes."""
    old = np.full(after.size[::-1], COLOURS) if before is None else np.asarray(before)
    new = np.where(old == np.asarray(after), COLOURS, after).astype(np.uint8)
    picture = Image.fromarray(new)
    picture.putpalette(after.getpalette() + [0, 0, 0])
    picture.info["transparency"] = COLOURS
    return picture


def orbits(runs: dict[str, dict], current: np.ndarray, seconds: float = 12.0) -> bytes:
    """Neurons in their V-U planes, step by step under one current, the parabola dV/dt = 0 moving with it.

    runs: {neuron: dict} with V, U, S [T] and theta_b; current [T]. A frame a step.
    """
    figure, axes = plt.subplot_mosaic(
        [list(runs), ["input"] * len(runs)], figsize=(6.2, 3.5), height_ratios=(3, 1), dpi=90
    )
    v, movers = np.linspace(-2, 2, 120), []
    for name, run in runs.items():
        axis, colour = axes[name], NEURON_COLOURS[name]
        axis.plot(v, run["theta_b"] * v, color=TRACE_COLOURS["U"], lw=1.1, label="dU/dt = 0")
        style.threshold(axis, upright=True, label="threshold")
        (parabola,) = axis.plot(v, v, color="#999999", lw=1.1, label="dV/dt = 0")
        (trail,) = axis.plot([], [], "-", color=colour, lw=0.9)
        (fired,) = axis.plot([], [], "o", color=INK, ms=3.5, label="spike")
        (now,) = axis.plot([], [], "o", color=colour, ms=7)
        movers.append((run, parabola, trail, fired, now))
        margin = 0.1 * np.ptp(run["U"])
        axis.set(xlim=(-1.4, 1.6), ylim=(run["U"].min() - margin, run["U"].max() + margin))
        axis.set(title=name, xlabel="potential V", ylabel="recovery U" if len(movers) == 1 else "")
    figure.legend(*axes[name].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=7)
    axes["input"].plot(current, color=TRACE_COLOURS["input"], lw=1.2)
    axes["input"].set(xlabel="time step", ylabel="input I", xlim=(0, len(current) - 1))
    (here,) = axes["input"].plot([], [], "o", color=TRACE_COLOURS["input"], ms=6)

    def draw(step):
        here.set_data([step], [current[step]])
        seen = slice(max(0, step - TRAIL), step + 1)
        for run, parabola, trail, fired, now in movers:
            spiking = run["S"][seen] > 0
            parabola.set_ydata(v * v - v + current[step])
            trail.set_data(run["V"][seen], run["U"][seen])
            fired.set_data(run["V"][seen][spiking], run["U"][seen][spiking])
            now.set_data([run["V"][step]], [run["U"][step]])

    return animated(figure, draw, len(current), seconds)


def spreading(learned: dict[str, list[dict]], start: dict[str, float], seconds: float = 8.0) -> bytes:
    """Theta of every hidden neuron while it is learned, from one start, epoch by epoch.

    learned: {data: the ``theta`` of a record, snapshots with epoch and theta_a to theta_d [neurons]}; start:
    the four initial values by name. A frame an epoch; what is learned sooner waits for the others. The last
    one comes first too: on paper only that is seen.
    """
    pairs = (("theta_a", "theta_b"), ("theta_c", "theta_d"))
    figure, axes = plt.subplots(len(learned), 2, figsize=(6.2, 2.1 * len(learned)), dpi=90, squeeze=False)
    clouds, frames = [], max(map(len, learned.values()))
    for row, (title, snapshots) in zip(axes, learned.items(), strict=True):
        for axis, pair in zip(row, pairs, strict=True):
            (dots,) = axis.plot([], [], ".", color=NEURON_COLOURS["learned"], ms=2.5)
            axis.plot(*(start[name] for name in pair), "+", color=INK, ms=9, zorder=5)
            for name, limit in zip(pair, (axis.set_xlim, axis.set_ylim), strict=True):
                values = np.concatenate([snapshot[name] for snapshot in snapshots])
                margin = 0.06 * np.ptp(values) + 1e-6
                limit(values.min() - margin, values.max() + margin)
            axis.set(xlabel=rf"$\{pair[0]}$", ylabel=rf"$\{pair[1]}$")
            clouds.append((snapshots, pair, dots, row[0].set_title, title))

    def draw(frame):
        for snapshots, pair, dots, say, title in clouds:
            snapshot = snapshots[min((frame - 1) % frames, len(snapshots) - 1)]
            dots.set_data(snapshot[pair[0]], snapshot[pair[1]])
            say(f"{title}, epoch {snapshot['epoch']}", loc="left")

    return animated(figure, draw, frames + 1, seconds, rest=2.0)
