"""The picture of the gradient says which reset is open."""

from matplotlib import pyplot as plt

from snnlib.figures import gradient


def test_one_reset_is_open_and_the_other_closed():
    figure = gradient.gradient_flow()
    dashes = [{patch.get_linestyle() for patch in axis.patches} for axis in figure.axes]
    assert dashes[0] == {"solid"} or dashes[0] == {"-"}
    assert len(dashes[1]) == 2
    plt.close(figure)
