"""Where the gradient goes in one time step (chapter 00): through the spike, and through the reset or not."""

from matplotlib import pyplot as plt
from matplotlib.patches import Circle, FancyArrowPatch

from snnlib.figures.style import INK

PLACES = {"V before": (0.0, 1.0), "I": (1.5, 2.1), "V": (1.5, 1.0), "S": (3.0, 1.0), "V after": (4.5, 1.0)}
SURROGATE, STOPPED = "#D55E00", "#8C8C8C"


def gradient_flow() -> plt.Figure:
    """One step of an MDN neuron (Eq. 5) and of a PLIF neuron (Algorithm S1). Black: ordinary derivatives;
    vermilion: the surrogate in place of the step's; grey, dashed: values only, no gradient.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.1))
    names = {"V before": "$V_{t-1}$", "I": "$I_t$", "V": "$V_t$", "S": "$S_t$", "V after": "$V_t$\nreset"}
    _draw(
        axes[0],
        names,
        "MDN: the reset lets the gradient through",
        True,
        r"not detached; $\theta_c, \theta_d$ stand in the reset",
    )
    names |= {"I": "$X_t$", "V": "$H_t$"}
    _draw(
        axes[1], names, "PLIF: the reset takes the spike's value alone", False, "$S_t$ detached in the reset"
    )
    return figure


def _draw(axis, names, title, through_reset, words):
    for name, (x, y) in PLACES.items():
        axis.add_patch(Circle((x, y), 0.33, fc="white", ec=INK, lw=1.2, zorder=3))
        axis.text(x, y, names[name], ha="center", va="center", fontsize=9, zorder=4)
    _arrow(axis, "V before", "V", INK)
    _arrow(axis, "I", "V", INK)
    _arrow(axis, "V", "S", SURROGATE)
    axis.text(2.25, 1.16, "surrogate", color=SURROGATE, ha="center", fontsize=8)
    reset = SURROGATE if through_reset else STOPPED
    _arrow(axis, "S", "V after", reset, "-" if through_reset else (0, (3, 2)))
    axis.text(3.75, 1.16, "reset", color=reset, ha="center", fontsize=8)
    axis.text(3.0, 0.12, words, color=reset, ha="center", fontsize=8)
    _arrow(axis, "V", "V after", INK, bend=0.45)
    axis.annotate(
        "loss", PLACES["S"], (3.0, 2.1), ha="center", arrowprops={"arrowstyle": "<-", "shrinkB": 13}
    )
    axis.set(xlim=(-0.5, 5.0), ylim=(-0.05, 2.6), aspect="equal")
    axis.set_title(title, fontsize=10)
    axis.axis("off")


def _arrow(axis, start, end, colour, dashes="-", bend=0.0):
    look = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 22, "shrinkB": 22, "lw": 1.5}
    curve = f"arc3,rad={bend}"
    ends = PLACES[start], PLACES[end]
    axis.add_patch(FancyArrowPatch(*ends, color=colour, ls=dashes, connectionstyle=curve, **look))
