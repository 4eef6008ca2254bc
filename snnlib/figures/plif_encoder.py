"""Figures of chapter 04 about the learned spiking encoder: what the first PLIF layer of a trained net fires
(PLIF, supplement 9).

Frames and spikes are NumPy arrays, time first: frames ``[T, 2, H, W]`` (OFF and ON events), spikes ``[T, C,
H, W]``.
"""

import numpy as np
from matplotlib import pyplot as plt

from snnlib.figures import style
from snnlib.figures.style import INK

ON, OFF = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255  # events: ON blue, OFF vermilion
GAP = 0.86  # grey between the tiles
RATE = plt.get_cmap("Greys")


def choose_channels(rates: np.ndarray, count: int) -> list[int]:
    """Channels worth looking at, by a rule: ``rates`` ``[N, C, H, W]``, firing rates of N samples.

    First the most structured one (largest spatial standard deviation of its rates, mean over samples), then,
    one at a time, the one with the largest structure x (1 - highest absolute correlation with those chosen).
    Returns at most C channels; silent ones come last.
    """
    maps = np.asarray(rates, float).transpose(1, 0, 2, 3).reshape(rates.shape[1], -1)
    structure = np.asarray(rates, float).std(axis=(2, 3)).mean(0)
    centred = maps - maps.mean(1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1)
    unit = centred / np.where(norm > 0, norm, 1)[:, None]
    chosen = [int(structure.argmax())]
    while len(chosen) < min(count, len(structure)):
        alike = np.abs(unit @ unit[chosen].T).max(1)
        score = structure * (1 - alike)
        score[chosen] = -1
        chosen.append(int(score.argmax()))
    return chosen


def mosaic(tiles: np.ndarray) -> np.ndarray:
    """Tiles ``[rows, columns, H, W, 3]`` side by side as one RGB picture, one grey pixel apart."""
    framed = np.pad(tiles, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)], constant_values=GAP)
    return np.concatenate(np.concatenate(framed, axis=1), axis=1)[:-1, :-1]


def event_colours(frames: np.ndarray) -> np.ndarray:
    """Frames ``[*, 2, H, W]`` of event counts as RGB ``[*, H, W, 3]``: white where nothing happened, full
    colour at the 99th percentile of the counts above 0."""
    frames = np.asarray(frames, float)
    counts = frames[frames > 0]
    strength = np.clip(frames / (np.percentile(counts, 99) if counts.size else 1), 0, 1)
    off, on = strength[..., 0, :, :, None], strength[..., 1, :, :, None]
    return (1 - on * (1 - ON)) * (1 - off * (1 - OFF))


def spike_colours(spikes: np.ndarray) -> np.ndarray:
    """Spikes ``[*, H, W]`` as RGB: dark where a neuron fired."""
    return 1 - 0.88 * np.asarray(spikes, float)[..., None].repeat(3, -1)


def rate_colours(rates: np.ndarray, top: float = 1.0) -> np.ndarray:
    """Firing rates ``[*, H, W]`` in spikes per step as RGB: white at 0, black from ``top`` on."""
    return RATE(np.asarray(rates, float) / top)[..., :3]


def top_of_scale(rates: np.ndarray) -> float:
    """A round upper end for a scale of firing rates: the next tenth above all but the highest 0.1 %, at least
    0.2."""
    return float(np.clip(np.ceil(10 * np.quantile(rates, 0.999)) / 10, 0.2, 1.0))


def running_mean(sequence: np.ndarray) -> np.ndarray:
    """Mean over steps 0 .. t for every t (the paper's x(T_s) and F_{T_s})."""
    steps = np.arange(1, len(sequence) + 1).reshape(-1, *[1] * (sequence.ndim - 1))
    return np.asarray(sequence, float).cumsum(0) / steps


def plif_figS2(images: np.ndarray, rates: np.ndarray, channels: list[int], labels: list[str]) -> plt.Figure:
    """PLIF Fig. S2: samples (row 1) and the firing rates of ``channels`` of the first PLIF layer (rows
    below).

    images: [N, H, W] in [0, 1].  rates: [N, C, H, W], spikes per step.
    """
    top = top_of_scale(rates[:, channels])
    shown = rate_colours(rates.swapaxes(0, 1)[channels], top)
    tiles = np.stack([1 - images[..., None].repeat(3, -1), *shown])
    figure, axis = plt.subplots(figsize=(9.6, 0.98 * len(tiles) + 0.9))
    _show(axis, tiles, ["input", *(f"channel {c}" for c in channels)], labels)
    _rate_bar(figure, axis, top)
    return figure


def plif_figS3(spikes: np.ndarray) -> plt.Figure:
    """PLIF Fig. S3: one sample, all channels of the first PLIF layer: (a) spikes at t = 0, (b) rates over all
    T steps."""
    steps, channels = spikes.shape[:2]
    wide = min(int(np.ceil(np.sqrt(2 * channels))), channels)
    columns = next(n for n in range(wide, channels + 1) if channels % n == 0)  # no tile stays empty
    rows = channels // columns
    figure, axes = plt.subplots(2, 1, figsize=(9, 2 * (9 * rows / columns + 0.35)))
    rates = spikes.mean(0)
    top = top_of_scale(rates)
    pictures = (spike_colours(spikes[0]), rate_colours(rates, top))
    titles = ("spikes at t = 0", f"firing rates over t = 0 … {steps - 1}")
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(mosaic(picture.reshape(rows, columns, *picture.shape[1:])), interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    style.letter(*axes)
    _rate_bar(figure, axes[1], top)
    return figure


def plif_figS4(frames: np.ndarray, spikes: np.ndarray, channels: list[int]) -> plt.Figure:
    """PLIF Fig. S4: one sample, (a) input x_t and spikes of ``channels`` at every t, (b) their means over the
    steps so far."""
    steps = [str(t) for t in range(len(frames))]
    names = [f"channel {c}" for c in channels]
    over_time = np.stack([event_colours(frames), *(spike_colours(spikes[:, c]) for c in channels)])
    rates = running_mean(spikes[:, channels])
    so_far = np.stack([event_colours(running_mean(frames)), *rate_colours(rates.swapaxes(0, 1))])
    width = min(12.0, 1.2 + 0.9 * len(frames))
    figure, axes = plt.subplots(
        2, 1, figsize=(width, 2 * (width - 1.2) * (1 + len(channels)) / len(frames) + 1.3)
    )
    _show(axes[0], over_time, ["input $x_t$", *names], steps)
    _show(axes[1], so_far, ["mean input", *names], steps)
    axes[0].set(title="input and spikes at step t", xlabel="t")
    axes[1].set(title="mean input and firing rates up to step $T_s$", xlabel="$T_s$")
    style.letter(*axes)
    _rate_bar(figure, axes[1], 1.0)
    return figure


def plif_figS5(samples: list[tuple[str, np.ndarray, np.ndarray]], channel: int) -> plt.Figure:
    """PLIF Fig. S5: gestures (label, frames, spikes), each with the spikes of one channel of the first PLIF
    layer over t."""
    rows, names = [], []
    for label, frames, spikes in samples:
        rows += [event_colours(frames), spike_colours(spikes[:, channel])]
        names += [label, f"channel {channel}"]
    tiles = np.stack(rows)
    width = min(12.0, 1.6 + 0.9 * tiles.shape[1])
    figure, axis = plt.subplots(figsize=(width, (width - 1.6) * len(tiles) / tiles.shape[1] + 0.6))
    _show(axis, tiles, names, [str(t) for t in range(tiles.shape[1])])
    axis.set_xlabel("t")
    return figure


def _show(axis, tiles: np.ndarray, rows: list[str], columns: list[str]) -> None:
    axis.imshow(mosaic(tiles), interpolation="nearest")
    label_tiles(axis, tiles.shape[2:4], rows, columns)
    axis.tick_params(labelsize=7.5, labelcolor=INK)


def label_tiles(axis, size: tuple[int, int], rows, columns) -> None:
    """Names beside the rows and below the columns of a mosaic of tiles of ``size`` (height, width)."""
    height, width = size
    axis.set_yticks(height / 2 - 0.5 + (height + 1) * np.arange(len(rows)), rows)
    axis.set_xticks(width / 2 - 0.5 + (width + 1) * np.arange(len(columns)), columns)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _rate_bar(figure, axis, top: float) -> None:
    scale = plt.cm.ScalarMappable(plt.Normalize(0, top), RATE)
    bar = figure.colorbar(scale, ax=axis, fraction=0.025, pad=0.015, aspect=18)
    bar.set_label("spikes per step", fontsize=8)
    bar.outline.set_visible(False)
