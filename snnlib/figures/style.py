"""The palette of all chapters: one colour per neuron, variant and trace, safe for colour-blind readers.

The hues are Okabe and Ito's. Spatial meta neurons are warm, temporal ones cool, the 1st-order neuron is grey;
PLIF is cool, LIF is warm.
"""

from pathlib import Path
from string import ascii_lowercase

from matplotlib import pyplot as plt

plt.style.use(Path(__file__).with_name("companion.mplstyle"))  # every module of figures imports this one

NEURON_COLOURS = {
    "2-FS": "#D55E00",
    "2-RS": "#E69F00",
    "2-SDS": "#0072B2",
    "2-WDS": "#56B4E9",
    "1st-order": "#4D4D4D",
    "learned": "#CC79A7",
}
NEURON_NAMES = {
    "2-FS": "fast spiking",
    "2-RS": "regular spiking",
    "2-SDS": "strong depression",
    "2-WDS": "weak depression",
    "1st-order": "1st order",
}
VARIANT_COLOURS = {
    "PLIF(2)": "#0072B2",
    "PLIF(16)": "#009E73",
    "LIF(2)": "#E69F00",
    "LIF(16)": "#D55E00",
    "PLIF(2) average": "#CC79A7",
}
KIND_COLOURS = {"1st-order": NEURON_COLOURS["1st-order"], "spatial": "#E07B1A", "temporal": "#2F8FCB"}
CLUSTER_COLOURS = ("#332288", "#44AA99", "#5A3D1E")  # no neuron has them
TRACE_COLOURS = {  # Fig. 4 of MDN: V red, U green, input blue, attractor yellow
    "V": "#D1303C",
    "U": "#1B8A5A",
    "input": "#3A6FB0",
    "attractor": "#E8B500",
    "threshold": "#8C8C8C",
}
INK, PALE = "#333333", "#F3F4F6"


def variant(neuron: str, tau: float, pooling: str = "max") -> str:
    """Key of VARIANT_COLOURS for a run: variant("PLIF", 16.0) -> "PLIF(16)"."""
    key = f"{neuron}({tau:g})" + (" average" if pooling == "average" else "")
    if key not in VARIANT_COLOURS:
        raise ValueError(f"No colour for variant {key!r}; valid ones are {', '.join(VARIANT_COLOURS)}.")
    return key


def letter(*axes) -> None:
    """Panel letters a, b, c ... outside the top left corners."""
    for axis, text in zip(axes, ascii_lowercase, strict=False):
        place = {"xycoords": "axes fraction", "textcoords": "offset points"}
        axis.annotate(text, (0, 1), (-26, 8), **place, fontweight="bold", fontsize=11, color=INK)


def threshold(axis, value: float = 0.5, upright: bool = False, **look) -> None:
    """A dashed line where a neuron fires; MDN's neurons do at 0.5."""
    line = axis.axvline if upright else axis.axhline
    line(value, **{"color": TRACE_COLOURS["threshold"], "lw": 0.9, "ls": (0, (4, 3))} | look)


def arrow(axis, start, end, colour=INK, width: float = 1.5, coords="data", **look) -> None:
    """``look``: of the patch, e.g. shrinkA and shrinkB, the points that it keeps away from its ends."""
    patch = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0} | look
    axis.annotate("", end, start, xycoords=coords, arrowprops=patch)
