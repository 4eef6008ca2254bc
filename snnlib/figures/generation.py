"""Figures of chapter 02: how meta neurons are generated. Functions draw what they are given."""

from itertools import product
from textwrap import fill

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator

from snnlib.figures import style
from snnlib.figures.style import CLUSTER_COLOURS, INK, KIND_COLOURS, NEURON_COLOURS, TRACE_COLOURS

GUEST = {"lw": 1.1, "ls": (0, (4, 2))}  # of Fig. 5: a neuron on the task that it was not generated on
SOURCE_COLOURS = {"mnist": KIND_COLOURS["spatial"], "tidigits": KIND_COLOURS["temporal"]}
PAIRS = ((r"$\theta_a$", r"$\theta_b$"), (r"$\theta_c$", r"$\theta_d$"))


def mdn_fig1(image, inputs, hidden, outputs, trace, label: int) -> plt.Figure:
    """MDN Fig. 1: the three-layer network, with what really went through it for one sample.

    image: [height, width]; inputs, hidden, outputs: spikes [T, neurons]; trace: V, U and spikes [T] of one
    hidden neuron and reset, where V goes after a spike; label: the sample's class.
    """
    figure = plt.figure(figsize=(11.4, 5.8))
    grid = figure.add_gridspec(2, 4, width_ratios=(0.9, 1.2, 1.2, 1.2), height_ratios=(1.45, 1))
    picture, *rasters = (figure.add_subplot(grid[0, i]) for i in range(4))
    picture.imshow(image, cmap="Greys")
    picture.set(xticks=[], yticks=[], title="sample", xlabel="pixel = spike probability")
    picture.spines[["top", "right"]].set_visible(True)
    picture.set_anchor("N")
    layers = (
        ("input spikes", inputs, INK, "Bernoulli"),
        ("hidden meta neurons", hidden, SOURCE_COLOURS["mnist"], r"$\sigma(W_1 s + b_1)$"),
        ("output meta neurons", outputs, SOURCE_COLOURS["tidigits"], r"$\sigma(W_2 s + b_2)$"),
    )
    for axis, (title, spikes, colour, sent) in zip(rasters, layers, strict=True):
        _raster(axis, spikes, colour)
        axis.set_title(title)
        apart = {"shrinkA": 2, "shrinkB": 2}
        style.arrow(axis, (-0.36, 1.15), (-0.02, 1.15), width=1.4, coords="axes fraction", **apart)
        axis.text(-0.19, 1.19, sent, transform=axis.transAxes, ha="center", fontsize=8)
    rasters[2].set_yticks(range(outputs.shape[1]))
    rasters[2].axhspan(label - 0.5, label + 0.5, color="#F3E9C8", zorder=0)
    _wiring(figure.add_subplot(grid[1, :2]), inputs.shape[1], hidden.shape[1], outputs.shape[1])
    _one_neuron(figure.add_subplot(grid[1, 2]), trace)
    _rates(figure.add_subplot(grid[1, 3]), outputs.mean(0), label)
    return figure


def _raster(axis, spikes, colour: str) -> None:
    """Spikes [T, neurons] as bars, or, for many neurons, as filled cells."""
    steps, neurons = spikes.shape
    if neurons <= 60:
        at, who = np.nonzero(spikes)
        axis.vlines(at, who - 0.38, who + 0.38, color=colour, lw=1.6)
    else:
        two = ListedColormap(["white", colour])
        axis.imshow(spikes.T, two, aspect="auto", origin="lower", interpolation="nearest", vmin=0, vmax=1)
    axis.set(
        xlabel="time step",
        ylabel=f"neuron (of {neurons})",
        xlim=(-0.7, steps - 0.3),
        ylim=(-0.8, neurons - 0.2),
    )


def _wiring(axis, *sizes: int) -> None:
    """Three columns of units, all connected to the next column."""
    axis.set(xlim=(-0.6, 10.6), ylim=(-0.9, 4.7), title="architecture", aspect="equal")
    axis.axis("off")
    columns = [(0.6, np.linspace(0.2, 3.8, 6)), (5.0, np.linspace(0, 4, 7)), (9.4, np.linspace(0.6, 3.4, 4))]
    for (x, ys), (x_next, y_next) in zip(columns, columns[1:], strict=False):
        axis.plot([x, x_next], np.array([*product(ys, y_next)]).T, color="#C9CCD1", lw=0.6, zorder=1)
    colours = (INK, SOURCE_COLOURS["mnist"], SOURCE_COLOURS["tidigits"])
    names = ("inputs", "hidden, spiking", "output, spiking")
    for (x, ys), colour, name, size in zip(columns, colours, names, sizes, strict=True):
        axis.plot(np.full(len(ys), x), ys, "o", ms=9, mfc="white", mec=colour, mew=1.8, zorder=2)
        axis.text(x, -0.75, f"{size:,} {name}", ha="center", va="center", fontsize=8, color=colour)
    axis.text(2.8, 4.35, "weights $W_1$", ha="center", fontsize=8)
    axis.text(7.2, 4.35, "weights $W_2$", ha="center", fontsize=8)


def _one_neuron(axis, trace) -> None:
    steps = np.arange(len(trace["V"]))
    style.threshold(axis)
    fired = np.asarray(trace["spikes"]) > 0
    after = np.where(fired, trace["reset"], trace["V"])  # what the next step starts from
    path = np.stack([steps, steps + 0.35], 1).ravel(), np.stack([trace["V"], after], 1).ravel()
    axis.plot(*path, color=TRACE_COLOURS["V"], lw=0.8, alpha=0.6)
    axis.plot(steps, trace["V"], ".", color=TRACE_COLOURS["V"], label="V")
    axis.plot(steps, trace["U"], color=TRACE_COLOURS["U"], label="U")
    back = {"color": TRACE_COLOURS["V"], "mfc": "white", "mew": 0.8, "ms": 3.5, "ls": "", "marker": "s"}
    axis.plot(steps[fired] + 0.35, after[fired], **back, label=r"reset to $\theta_c$")
    top = max(trace["V"].max(), 0.5) + 0.15
    axis.plot(steps[fired], np.full(fired.sum(), top), "|", color=INK, ms=7, mew=1.6, label="spike")
    axis.set(
        title="inside one hidden neuron",
        xlabel="time step",
        ylabel="V, U",
        xlim=(-0.7, len(steps) - 0.3),
        ylim=(min(after.min(), trace["U"].min()) - 0.5, top + 0.1),
    )
    axis.legend(ncols=2, loc="lower right")


def _rates(axis, rates, label: int) -> None:
    colours = [SOURCE_COLOURS["tidigits"] if i == label else "#BBC3CC" for i in range(len(rates))]
    bars = axis.bar(range(len(rates)), rates, color=colours)
    axis.set(
        title="output rates against label",
        xticks=range(len(rates)),
        xlabel="output neuron = class",
        ylabel="spikes per step",
        ylim=(0, 1.05),
    )
    words = ["label" if i == label else "" for i in range(len(rates))]
    axis.bar_label(bars, words, padding=2, fontsize=8, color=SOURCE_COLOURS["tidigits"])


def mdn_fig2(sources) -> plt.Figure:
    """MDN Fig. 2: the procedure, one row for each source task, with its real values.

    sources: {task: dict} with title, theta [epochs, neurons] of one parameter (theta_c), epochs, snapshot, ab
    and cd (Clusters), selected (chapter 02's table of judged candidates), V [candidates, T].
    """
    figure = plt.figure(figsize=(12, 3.3 * len(sources)))
    headings = ("1  train", "2  cluster", "2  cluster", "3  combine, sort", "4  filter")
    rows = np.atleast_1d(figure.subfigures(len(sources), 1, hspace=0.06))
    for part, (task, source) in zip(rows, sources.items(), strict=True):
        part.suptitle(
            source["title"], x=0.01, ha="left", color=SOURCE_COLOURS[task], fontsize=11, fontweight="bold"
        )
        row = part.subplots(1, 5, width_ratios=(1.1, 1, 1, 1.1, 1.5))
        _drift(row[0], source, task)
        for axis, name, pair in zip(row[1:3], ("ab", "cd"), PAIRS, strict=True):
            scatter(axis, source[name], pair, bins=3)
        _responses(row[3], source)
        _survivors(row[4], source)
        for axis, heading in zip(row, headings, strict=True):
            axis.set_title(heading)
        for left, right in zip(row, row[1:], strict=False):
            ends = {"xyA": (0.8, 1.07), "xyB": (-0.03, 1.07), "coordsA": "axes fraction", "axesA": left}
            part.add_artist(ConnectionPatch(**ends, axesB=right, arrowstyle="-|>", color="#9AA0A6", lw=1.3))
    return figure


def _drift(axis, source, task: str) -> None:
    low, middle, high = np.quantile(source["theta"], (0.05, 0.5, 0.95), axis=1)
    colour = SOURCE_COLOURS[task]
    axis.fill_between(source["epochs"], low, high, color=colour, alpha=0.2, lw=0, label="5 to 95 %")
    axis.plot(source["epochs"], middle, color=colour, label="median")
    axis.axvline(source["snapshot"], ymax=0.72, color=INK, lw=1, ls=":", label="snapshot")
    axis.set(xlabel="epoch", ylabel=r"$\theta_c$ of all neurons")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.margins(y=0.45)  # the line ends below the legend
    axis.legend(loc="upper left", fontsize=7.5, ncols=2)


def _responses(axis, source) -> None:
    selected, away = source["selected"], source["V"] > 1.6  # far above the threshold a neuron runs away
    potentials = np.where(away, np.nan, np.maximum(source["V"], -1))
    low, range_ = np.nanmin(potentials), max(np.nanmax(potentials) - np.nanmin(potentials), 1e-9)
    for i, (_, row) in enumerate(selected.iterrows()):
        v = 0.8 * (potentials[i] - low) / range_ - 0.4 - i  # a fifth of a row stays free: no traces touch
        colour = NEURON_COLOURS.get(row["name"], "#9AA0A6")
        axis.plot(np.arange(len(v)), v, color=colour, lw=1.6 if row["name"] else 0.9)
        if away[i].any():
            last = max(away[i].argmax() - 1, 0)
            axis.plot(last, v[last], "^", color=colour, ms=5)
    axis.set(
        yticks=-np.arange(len(selected)),
        yticklabels=[c.split("-")[1] for c in selected.candidate],
        xlabel="time step under the sine" + "; ▲: V runs away" * bool(away.any()),
        ylabel="candidate",
        ylim=(-len(selected) + 0.4, 0.6),
    )


def _survivors(axis, source) -> None:
    """One line of text per candidate: its name and theta, or why it was discarded."""
    selected = source["selected"]
    axis.axis("off")
    step = min(0.86 / len(selected), 0.2)
    place = {"transform": axis.transAxes, "va": "center"}
    head = r"$\theta_a$, $\theta_b$, $\theta_c$, $\theta_d$"
    axis.text(0.4, 0.96, head, fontsize=8, color=INK, **place)
    for i, (_, row) in enumerate(selected.iterrows()):
        y = 0.86 - i * step
        look = {"fontsize": 8, "color": "#6E6E6E"}
        if row["name"]:
            look = {"fontweight": "bold", "color": NEURON_COLOURS[row["name"]]}
            values = ", ".join(f"{row[t]:.3f}" for t in ("theta_a", "theta_b", "theta_c", "theta_d"))
            axis.text(0.4, y, values, fontsize=7.5, **place)
        axis.text(0, y, f"{row.candidate.split('-')[1]}  {row['name'] or row.why}", **place, **look)


def scatter(axis, clusters, pair, published=None, bins: int = 5) -> None:
    """Points in their cluster's colour, K-means centres as X, modes as rings, published centres as stars.
    With these, each ring says how many points lie within its bandwidth.
    """
    for k, centre in enumerate(clusters.centres):
        colour = CLUSTER_COLOURS[k % len(CLUSTER_COLOURS)]
        points = clusters.points[clusters.labels == k]
        axis.plot(*points.T, ".", color=colour, ms=3, alpha=0.45, mew=0, zorder=1)
        axis.plot(*centre, "X", color=colour, mec="white", mew=0.8, ms=8, zorder=4)
    axis.plot(*clusters.modes.T, "o", mfc="none", mec=INK, mew=1.1, ms=13, zorder=3)
    if published is not None:
        for mode, near in zip(clusters.modes, clusters.near_modes, strict=True):
            beside = {"xytext": (-11, 4), "textcoords": "offset points", "ha": "right", "va": "center"}
            pale = {"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 1}
            axis.annotate(f"{near}", mode, **beside, zorder=4, fontsize=8, color=INK, bbox=pale)
        axis.plot(*np.asarray(published).T, "*", color="#E8B500", mec=INK, mew=0.6, ms=9, zorder=5)
    axis.set(xlabel=pair[0], ylabel=pair[1])
    axis.locator_params(nbins=bins)
    axis.margins(0.12)


def mdn_fig3(sources) -> plt.Figure:
    """MDN Fig. 3: left column MNIST, right column TIDigits, as far as both are there.

    sources: {task: dict} with title, accuracy [seeds, epochs + 1] in percent, snapshot, ab and cd (Clusters),
    published_ab and published_cd [K, 2].
    """
    figure, axes = plt.subplots(
        3, len(sources), figsize=(4.7 * len(sources), 10.2), height_ratios=(0.85, 1, 1), squeeze=False
    )
    for column, (task, source) in zip(axes.T, sources.items(), strict=True):
        curves(column[0], source["accuracy"], SOURCE_COLOURS[task])
        column[0].axvline(source["snapshot"], color=INK, lw=1, ls=":")
        late = source["snapshot"] > 0.6 * (source["accuracy"].shape[1] - 1)
        words = f" snapshot, epoch {source['snapshot']} "
        look = {"fontsize": 8, "color": "#666", "ha": "right" if late else "left"}
        column[0].text(source["snapshot"], 0.04, words, transform=column[0].get_xaxis_transform(), **look)
        column[0].set(title=fill(source["title"], 42), xlabel="epoch", ylabel="test accuracy (%)")
        for axis, name, pair in zip(column[1:], ("ab", "cd"), PAIRS, strict=True):
            found = source[name]
            scatter(axis, found, pair, source[f"published_{name}"])
            modes = f"{len(found.modes)} mode{'s' * (len(found.modes) != 1)}"
            published = len(source[f"published_{name}"])
            axis.set_title(f"{modes}, K = {len(found.centres)} (published {published})", fontweight="normal")
    style.letter(*axes.flat)
    ring = "mean-shift mode, and how many neurons lie within its bandwidth"
    marks = {
        "one neuron": {"marker": ".", "color": CLUSTER_COLOURS[0], "ms": 6},
        "K-means centre": {"marker": "X", "color": CLUSTER_COLOURS[0], "ms": 9, "mec": "white"},
        ring: {"marker": "o", "mfc": "none", "mec": INK, "ms": 11},
        "centre in the authors' code": {"marker": "*", "color": "#E8B500", "mec": INK, "ms": 11},
    }
    handles = [plt.Line2D([], [], ls="", label=name, **look) for name, look in marks.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def curves(axis, accuracy, colour: str, lw: float = 1.8, ls="-") -> None:
    """Mean over seeds of ``accuracy`` [seeds, epochs + 1], epoch 0 first, in a band of one sd if several."""
    accuracy = np.asarray(accuracy, float)
    epochs, mean = np.arange(accuracy.shape[1]), accuracy.mean(0)
    if len(accuracy) > 1:
        sd = accuracy.std(0, ddof=1)
        axis.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.18, lw=0)
    marker = "o" if len(epochs) < 8 else None
    axis.plot(epochs, mean, color=colour, lw=lw, ls=ls, marker=marker, ms=3)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def mdn_fig5(tasks) -> plt.Figure:
    """MDN Fig. 5: convergence of the four meta neurons on the two source tasks, mean and sd over seeds.

    tasks: {task: dict} with title, accuracy {neuron: [seeds, epochs + 1]}, home (the two neurons generated
    there), published {neuron: accuracy in percent}. Guests from the other source are thin, dashed. The axis
    starts below the lowest mean after the first epoch, so that the end of the curves can be told apart.
    """
    figure, axes = plt.subplots(1, len(tasks), figsize=(10.4, 4.5), squeeze=False)
    for axis, source in zip(axes.flat, tasks.values(), strict=True):
        lowest = 100.0
        for neuron, accuracy in source["accuracy"].items():
            colour, accuracy = NEURON_COLOURS[neuron], np.asarray(accuracy)
            published, beside = source["published"][neuron], axis.get_yaxis_transform()
            curves(axis, accuracy, colour, **({"lw": 2.2} if neuron in source["home"] else GUEST))
            axis.plot(1.018, published, "<", color=colour, ms=6, clip_on=False, transform=beside)
            lowest = min(lowest, accuracy.mean(0)[1:].min(), published)
        axis.set(
            title=fill(source["title"], 60),
            xlabel="epoch",
            ylabel="test accuracy (%)",
            xlim=(0, None),
            ylim=(max(0, lowest - 0.08 * (100 - lowest)), 100),
        )
    style.letter(*axes.flat)
    handles = [
        plt.Line2D([], [], color=colour, lw=2.2, label=f"{neuron} ({style.NEURON_NAMES[neuron]})")
        for neuron, colour in NEURON_COLOURS.items()
        if any(neuron in source["accuracy"] for source in tasks.values())
    ]
    handles += [
        plt.Line2D([], [], color="#888888", **GUEST, label="guest from the other source"),
        plt.Line2D([], [], color="#888888", marker="<", ms=6, ls="", label="published (Table 3)"),
    ]
    figure.legend(handles=handles, ncols=3, loc="outside lower center")
    return figure


def candidates(selected, response) -> plt.Figure:
    """Beside Fig. 4: how every candidate answers the stimulus, and what the filter made of it.

    selected: chapter 02's table of judged candidates; response: dict of ``meta_neurons.respond``.
    """
    rows = -(-len(selected) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(11, 2.0 * rows), sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[len(selected) :]:
        axis.axis("off")
    for axis, (i, row) in zip(axes.flat, enumerate(selected.itertuples(index=False)), strict=False):
        colour = NEURON_COLOURS.get(row.name, "#9AA0A6")
        steps = np.arange(len(response["current"]))
        style.threshold(axis, lw=0.8)
        axis.plot(steps, response["current"], color=TRACE_COLOURS["input"], lw=1, alpha=0.7)
        axis.plot(steps, response["U"][i], color=TRACE_COLOURS["U"], lw=1)
        axis.plot(steps, response["V"][i], color=colour, lw=1.3)
        fired = steps[response["spikes"][i] > 0]
        axis.plot(fired, np.full(len(fired), 1.75), "|", color=INK, ms=6, mew=1.2)
        axis.set_title(
            f"{row.candidate}: {row.name or row.why}",
            color=colour if row.name else "#777777",
            fontweight="bold" if row.name else "normal",
        )
        axis.set_ylim(-0.95, 1.95)
    plt.setp(axes[-1], xlabel="time step")
    words = ("current I = σ(sine)", "recovery U", "potential V in its neuron's colour, spikes above")
    handles = [plt.Line2D([], [], color=c) for c in (TRACE_COLOURS["input"], TRACE_COLOURS["U"], INK)]
    figure.legend(handles, words, loc="outside lower center", ncols=3)
    return figure
