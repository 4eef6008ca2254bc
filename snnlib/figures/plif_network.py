"""The PLIF networks: their stages with real shapes, and the network formulation of PLIF's Fig. 4."""

import math

import pandas as pd
import torch
from matplotlib import pyplot as plt
from torch import nn

from snnlib import layers, networks, neurons
from snnlib.figures import style
from snnlib.figures.schematics import box
from snnlib.figures.style import INK, arrow

SYNAPSE, NEURON, POOL, VOTE = "#0072B2", "#D55E00", "#009E73", "#8C8C8C"
STAGE_COLOURS = {"input": "#BBBBBB", "conv": SYNAPSE, "pool": POOL, "FC": NEURON, "vote": VOTE}


def structure(notation: str) -> tuple[int, int, int]:
    """(N_conv, N_down, N_fc) of a notation: convolutions per down-sampling, poolings, fully connected layers
    (PLIF, Table 1)."""
    tokens = networks.expand(notation)
    encoder = tokens[: next(i for i, token in enumerate(tokens) if token.startswith("FC"))]
    down = sum(token.startswith(("MP", "AP")) for token in encoder)
    return (
        sum(token.startswith("c") for token in encoder) // down,
        down,
        sum(token.startswith("FC") for token in tokens),
    )


def stages(notation: str, input_shape: tuple[int, int, int]) -> pd.DataFrame:
    """One row per stage of the net, input to vote: kind, title, shape of what leaves it, trained parameters,
    dropout before it.

    A convolution or FC layer and its neurons are one stage; parameters include batch normalisation and the
    neurons' a. Built without memory for its weights. Raises ValueError as ``networks.conv_net`` does.
    """
    with torch.device("meta"):
        net = networks.conv_net(notation, input_shape, lambda size: neurons.PLIF())
        x_seq = torch.zeros(1, 1, *input_shape)
    columns = ["kind", "title", "shape", "parameters", "dropout"]
    rows, dropout = [["input", "input", tuple(input_shape), 0, False]], False
    for module in net:
        parameters = sum(p.numel() for p in module.parameters())
        if isinstance(module, neurons.PLIF):
            rows[-1][columns.index("parameters")] += parameters
            continue
        if isinstance(module, layers.TimeSharedDropout):
            dropout = True
            continue
        x_seq = module(x_seq)
        kind = title = "conv" if x_seq.dim() == 5 else "FC"
        pooled = [part for part in module.modules() if isinstance(part, nn.MaxPool2d | nn.AvgPool2d)]
        if pooled:
            kind, title = "pool", "max" if isinstance(pooled[0], nn.MaxPool2d) else "average"
        if isinstance(module, layers.Voting):
            kind = title = "vote"
        rows.append([kind, title, tuple(x_seq.shape[2:]), parameters, dropout])
        dropout = False
    return pd.DataFrame(rows, columns=columns)


def parameters(notation: str, input_shape: tuple[int, int, int]) -> int:
    """Trained parameters of the net that ``notation`` makes on that input."""
    return int(stages(notation, input_shape).parameters.sum())


def plif_fig4(nets: dict[str, pd.DataFrame]) -> plt.Figure:
    """PLIF Fig. 4: the general formulation, the same unfolded in time, and below it the nets that were really
    trained.

    nets: title of a row -> ``stages`` of that net.
    """
    figure = plt.figure(figsize=(11, 4.6 + 1.6 * len(nets)))
    grid = figure.add_gridspec(
        1 + len(nets), 2, height_ratios=[2.7] + [1.0] * len(nets), width_ratios=[1, 1.25]
    )
    general, unfolded = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _general(general)
    _unfolded(unfolded)
    for row, (title, net) in enumerate(nets.items(), 1):
        axis = figure.add_subplot(grid[row, :])
        _slabs(axis, net)
        axis.set_title(title, fontsize=10, pad=2)
    style.letter(*figure.axes[:3])
    return figure


def _general(axis) -> None:
    axis.set(xlim=(0, 10), ylim=(0, 10), title="general formulation")
    axis.axis("off")
    axis.text(5, 0.15, "input $X_t$, at every step $t$", ha="center")
    rows = (
        (1.9, "Conv2d (BN)", SYNAPSE),
        (3.3, "spiking neurons", NEURON),
        (4.7, "pooling", POOL),
        (6.5, "FC", SYNAPSE),
        (7.9, "spiking neurons", NEURON),
        (9.4, "voting", VOTE),
    )
    _column(axis, 5, rows, 3.6, 0.45)
    for y in (3.3, 7.9):  # only neurons have a state, hence a loop in time
        arrow(axis, (6.85, y + 0.25), (6.85, y - 0.3), NEURON, 1.2, connectionstyle="arc3,rad=-1.6")
    for bottom, top, x, text in (
        (1.35, 3.85, 2.75, r"$\times N_{conv}$"),
        (1.1, 5.3, 1.1, r"$\times N_{down}$"),
        (5.95, 8.45, 2.75, r"$\times N_{fc}$"),
    ):
        axis.plot([x + 0.2, x, x, x + 0.2], [bottom, bottom, top, top], color="#777777", lw=1)
        axis.text(x - 0.15, (bottom + top) / 2, text, ha="right", va="center", color=INK)
    for bottom, top, text in ((1.1, 5.3, "spiking\nencoder"), (5.95, 8.45, "classifier")):
        axis.plot([7.9, 8.1, 8.1, 7.9], [bottom, bottom, top, top], color="#777777", lw=1)
        axis.text(8.3, (bottom + top) / 2, text, va="center", color="#555555")


def _column(axis, x: float, rows, wide: float, half: float, arrows: float = 1.5) -> float:
    """Boxes at ``rows`` of (y, text, colour), joined from below by arrows; returns where the last ends."""
    below = 0.75
    for y, text, colour in rows:
        arrow(axis, (x, below), (x, y - half), width=arrows)
        box(axis, (x, y), wide, 2 * half - 0.04, text, colour)
        below = y + half
    return below


def _unfolded(axis) -> None:
    axis.set(
        xlim=(-0.4, 12.4), ylim=(0, 10), title="unfolded in time: synapses keep nothing, neurons hand on V"
    )
    axis.axis("off")
    rows = (
        (1.9, "Conv2d", SYNAPSE),
        (3.4, "neurons", NEURON),
        (4.9, "pooling", POOL),
        (6.4, "FC", SYNAPSE),
        (7.9, "neurons", NEURON),
    )
    columns = ((1.4, "0"), (4.6, "1"), (7.8, "2"), (11.0, "T-1"))
    for x, step in columns:
        axis.text(x, 0.15, f"$X_{{{step}}}$", ha="center")
        top = _column(axis, x, rows, 1.8, 0.42, 1.1)
        arrow(axis, (x, top), (x, 9.15), width=1.1)
        axis.text(x, 9.35, f"$S_{{{step}}}$", ha="center")
    for (left, _), (right, _) in zip(columns[:-1], columns[1:], strict=True):
        for y in (3.4, 7.9):
            if right == columns[-1][0]:
                axis.text((left + right) / 2, y, "…", ha="center", va="center", color=NEURON, fontsize=13)
            else:
                arrow(axis, (left + 0.92, y), (right - 0.92, y), NEURON, width=1.3)
                axis.text((left + right) / 2, y + 0.2, "$V$", ha="center", color=NEURON, fontsize=9)


def _slabs(axis, net: pd.DataFrame) -> None:
    """Each stage as a slab: height grows with the side of its maps, width with the logarithm of their
    number."""
    tallest = max(math.sqrt(shape[-1]) for shape in net["shape"] if len(shape) == 3)
    for x, stage in zip(range(len(net)), net.itertuples(), strict=True):
        maps = len(stage.shape) == 3
        height = math.sqrt(stage.shape[-1]) / tallest if maps else 0.28
        width = 0.08 + 0.065 * math.log2(stage.shape[0])
        axis.bar(x, height, width, 0.5 - height / 2, color=STAGE_COLOURS[stage.kind], alpha=0.85, lw=0)
        if stage.dropout:
            middle = {"ha": "center", "va": "center"}
            axis.text(x - 0.5, 0.5, "dropout", rotation=90, fontsize=7.5, color="#777777", **middle)
        names = {"conv": "conv, BN,\nneurons", "FC": "FC,\nneurons", "pool": f"{stage.title}-\npooling"}
        name = names.get(stage.kind, stage.kind)
        axis.text(x, 1.06, name, ha="center", va="bottom", fontsize=8, color="#555555", linespacing=1.0)
        axis.text(x, -0.08, " × ".join(map(str, stage.shape)), ha="center", va="top", fontsize=8, color=INK)
    axis.set(xlim=(-0.7, len(net) - 0.3), ylim=(-0.35, 1.5))
    axis.axis("off")
