"""Drawings without data: a neuron, and the three stages of the general discrete neuron."""

from matplotlib.patches import Circle, FancyBboxPatch

from snnlib.figures.style import INK, PALE, arrow

CHARGE, FIRE, RESET = "#0072B2", "#D55E00", "#009E73"


def box(axis, centre, width, height, text, colour) -> None:
    x, y = centre
    corner, look = (x - width / 2, y - height / 2), {"facecolor": PALE, "edgecolor": colour, "lw": 1.6}
    rounded = "round,pad=0,rounding_size=0.12"
    axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle=rounded, zorder=3, **look))
    axis.text(x, y, text, ha="center", va="center", color=INK, zorder=4)


def lif_neuron(axis) -> None:
    """PLIF Fig. 1(a): presynaptic spikes I(t), a synapse of weight w, a membrane V that leaks with tau."""
    axis.set(xlim=(0, 10), ylim=(0, 6.4), aspect="equal")
    axis.axis("off")
    axis.vlines([0.3, 0.75, 1.55, 1.8], 2.9, 3.7, color=INK, lw=1.6)
    axis.plot([0.1, 2.05], [2.9, 2.9], color="#999999", lw=0.8)
    axis.text(1.05, 4.0, "$I(t)$", ha="center")
    arrow(axis, (2.2, 3.2), (4.35, 3.2))
    axis.add_patch(Circle((3.2, 3.2), 0.42, facecolor="white", edgecolor="#D55E00", lw=1.6, zorder=3))
    axis.text(3.2, 3.2, "$w$", ha="center", va="center", zorder=4)
    axis.text(3.2, 2.3, "synapse", ha="center", fontsize=8, color="#777777")
    axis.add_patch(Circle((5.75, 3.2), 1.4, facecolor=PALE, edgecolor="#0072B2", lw=2))
    axis.text(5.75, 3.45, "$V(t)$", ha="center", va="center", fontsize=12)
    axis.text(5.75, 2.65, r"$\tau$", ha="center", va="center", color="#009E73", fontsize=13)
    axis.text(5.75, 1.35, "membrane", ha="center", fontsize=8, color="#777777")
    arrow(axis, (7.15, 3.2), (8.2, 3.2))
    axis.vlines([8.6, 9.45], 2.9, 3.7, color=INK, lw=1.6)
    axis.plot([8.35, 9.8], [2.9, 2.9], color="#999999", lw=0.8)
    axis.text(9.05, 4.0, "$S(t)$", ha="center")
    axis.text(5.0, 5.65, r"$\tau\,\dot V = -(V - V_{rest}) + w\,I(t)$", ha="center", fontsize=11)
    axis.text(5.0, 0.35, r"spike and reset where $V \geq V_{th}$", ha="center", fontsize=9, color="#555555")


def discrete_neuron(axis) -> None:
    """PLIF Fig. 3: charging, firing and resetting, Eq. 2 to 4."""
    axis.set(xlim=(-0.6, 15.6), ylim=(0.2, 5.2), aspect="equal")
    axis.axis("off")
    box(axis, (4.0, 3.0), 3.3, 1.5, "$H_t = f(V_{t-1}, X_t)$", CHARGE)
    box(axis, (8.9, 3.0), 3.3, 1.5, r"$S_t = \Theta(H_t - V_{th})$", FIRE)
    box(axis, (13.4, 3.0), 3.6, 1.5, "$H_t(1-S_t) + V_{reset}S_t$", RESET)
    for x, text, colour in ((4.0, "charge", CHARGE), (8.9, "fire", FIRE), (13.4, "reset", RESET)):
        axis.text(x, 4.05, text, ha="center", color=colour, fontweight="bold")
    arrow(axis, (0.7, 3.0), (2.3, 3.0))
    axis.text(0.55, 3.0, "$X_t$", ha="right", va="center")
    arrow(axis, (5.7, 3.0), (7.2, 3.0), CHARGE)
    axis.text(6.4, 3.25, "$H_t$", ha="center", color=CHARGE)
    arrow(axis, (10.6, 3.0), (11.55, 3.0), FIRE)
    axis.text(11.05, 3.25, "$S_t$", ha="center", color=FIRE)
    arrow(axis, (10.1, 3.8), (10.1, 4.9), FIRE)
    axis.text(10.3, 4.7, "output spike", va="center", fontsize=8, color=FIRE)
    axis.plot([13.4, 13.4, 4.0], [2.2, 0.9, 0.9], color=RESET, lw=1.5)
    arrow(axis, (4.0, 0.9), (4.0, 2.22), RESET)
    box(axis, (8.7, 0.9), 2.6, 0.8, "one step later", "#BBBBBB")
    axis.text(13.6, 1.55, "$V_t$", color=RESET)
    axis.text(4.2, 1.55, "$V_{t-1}$", color=RESET)
