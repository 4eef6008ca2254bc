"""The picture of the gradient says which reset is open."""

from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch

from snnlib.figures import gradient


def test_one_reset_is_open_and_the_other_closed():
    figure = gradient.gradient_flow()
    stopped = [
        sum(isinstance(p, FancyArrowPatch) and p.get_linestyle() not in ("-", "solid") for p in axis.patches)
        for axis in figure.axes
    ]
    assert stopped == [0, 1]  # MDN's reset carries a gradient, PLIF's does not
    plt.close(figure)
