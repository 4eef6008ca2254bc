"""Where the gradient goes in one time step (chapter 00): through the spike, and through the reset or not."""

from matplotlib import pyplot as plt
from matplotlib.patches import Circle, FancyArrowPatch

from snnlib.figures.style import INK

PLACES = {
    "V before": (0.0, 1.0), "I": (1.5, 2.1), "V": (1.5, 1.0), "S": (3.0, 1.0), "V after": (4.5, 1.0),
    "U before": (0.0, -0.5), "U": (1.5, -0.5), "U after": (4.5, -0.5),
}  # fmt: skip
SURROGATE, STOPPED = "#D55E00", "#8C8C8C"


def gradient_flow() -> plt.Figure:
    """One step of an MDN neuron (Eq. 2 and 5) and of a PLIF neuron (Algorithm S1). Black: ordinary
    derivatives; vermilion: the surrogate in place of the step's; grey, dashed: values only, no gradient.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.5))
    names = {"V before": "$V_{t-1}$\nreset", "S": "$S_t$", "V after": "$V_t$\nreset"}
    recovery = {"U before": "$U_{t-1}$\nreset", "U": "$U_t$", "U after": "$U_t$\nreset"}
    _draw(axes[0], names | {"I": "$I_t$", "V": "$V_t$"} | recovery, SURROGATE)
    _draw(axes[1], names | {"I": "$X_t$", "V": "$H_t$"}, STOPPED)
    for start, end in (("U before", "V"), ("V before", "U"), ("U before", "U"), ("U", "U after")):
        _arrow(axes[0], start, end, INK)
    _arrow(axes[0], "S", "U after", SURROGATE)
    axes[0].text(3.55, 0.0, r"$\theta_d$", color=SURROGATE)
    axes[0].text(3.75, 0.72, r"$\theta_c$", color=SURROGATE, ha="center")
    axes[0].set_title("MDN: the reset, in the next step, lets the gradient through", fontsize=9)
    axes[1].text(3.0, 0.12, "$S_t$ detached in the reset", color=STOPPED, ha="center", fontsize=8)
    axes[1].set_title("PLIF: the reset takes the spike's value alone", fontsize=9)
    return figure


def _draw(axis, names, reset):
    for name, words in names.items():
        axis.add_patch(Circle(PLACES[name], 0.36, fc="white", ec=INK, lw=1.2, zorder=3))
        axis.text(*PLACES[name], words, ha="center", va="center", fontsize=8.5, zorder=4)
    _arrow(axis, "V before", "V", INK)
    _arrow(axis, "I", "V", INK)
    _arrow(axis, "V", "S", SURROGATE)
    axis.text(2.25, 1.16, "surrogate", color=SURROGATE, ha="center", fontsize=8)
    _arrow(axis, "S", "V after", reset, "-" if reset == SURROGATE else (0, (3, 2)))
    axis.text(3.75, 1.16, "reset", color=reset, ha="center", fontsize=8)
    _arrow(axis, "V", "V after", INK, bend=-0.45 if "U" in names else 0.45)
    out = {"arrowstyle": "<-", "shrinkB": 14}
    axis.annotate("loss", PLACES["S"], (3.0, 2.3), ha="center", arrowprops=out)
    axis.set(xlim=(-0.5, 5.0), ylim=(-1.0, 2.6), aspect="equal")
    axis.axis("off")


def _arrow(axis, start, end, colour, dashes="-", bend=0.0):
    look = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 22, "shrinkB": 22, "lw": 1.5}
    curve = f"arc3,rad={bend}"
    ends = PLACES[start], PLACES[end]
    axis.add_patch(FancyArrowPatch(*ends, color=colour, ls=dashes, connectionstyle=curve, **look))
