"""Figures of chapter 02: what they draw of networks, clusters, candidates and curves."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot as plt

from snnlib.figures import generation
from snnlib.figures.style import NEURON_COLOURS
from snnlib.neurons import PRESETS
from snnlib.papers import meta_neurons
from snnlib.papers.meta_neurons import Clusters
from snnlib.tests.notebook import generation_rule


@pytest.fixture
def clusters():
    """Two clusters of three and two points, and one mode."""
    points = np.array([[0, 0], [0, 1], [1, 0], [5, 5], [6, 5]], float)
    return Clusters(points, np.array([0, 0, 0, 1, 1]), np.array([[0.3, 0.3], [5.5, 5]]), np.ones((1, 2)), 1.0)


@pytest.fixture
def judged():
    """Table 2's spatial neurons and their cross-combinations, and what the filter makes of them."""
    thetas = np.array([PRESETS[name] for name in meta_neurons.NAMES["mnist"]])
    rule = generation_rule()
    return rule.select(rule.combine(thetas[:2, :2], thetas[:2, 2:], "mnist"))


def points_of(axis, marker):
    return [tuple(xy) for line in axis.lines if line.get_marker() == marker for xy in line.get_xydata()]


def test_scatter_shows_points_centres_modes_and_published_centres(clusters):
    axis = plt.figure().add_subplot()
    generation.scatter(axis, clusters, generation.PAIRS[0], published=[[2, 2]])
    assert sorted(points_of(axis, ".")) == sorted(map(tuple, clusters.points))
    assert points_of(axis, "X") == [(0.3, 0.3), (5.5, 5)]
    assert points_of(axis, "o") == [(1, 1)] and points_of(axis, "*") == [(2, 2)]
    assert [text.get_text() for text in axis.texts] == ["2"]  # (0, 1) and (1, 0) are within a bandwidth of 1
    first, second = (line for line in axis.lines if line.get_marker() == ".")
    assert first.get_color() != second.get_color() and len(first.get_xdata()) == 3


def test_fig1_shows_the_spikes_of_every_layer_and_marks_the_label():
    hidden, outputs = np.zeros((4, 3)), np.zeros((4, 2))
    hidden[2, 1] = outputs[1, 0] = outputs[3, 0] = 1
    trace = {
        "V": np.array([0.1, 0.6, 0.2, 0.7]),
        "U": np.zeros(4),
        "spikes": np.array([0, 1, 0, 1]),
        "reset": -0.2,
    }
    figure = generation.mdn_fig1(np.eye(8), np.ones((4, 64)), hidden, outputs, trace, 0)
    sample, into, middle, out, wiring, inside, rates = figure.axes
    np.testing.assert_array_equal(sample.images[0].get_array(), np.eye(8))
    np.testing.assert_array_equal(into.images[0].get_array(), np.ones((64, 4)))  # many neurons: cells
    assert [bar[0, 0] for bar in middle.collections[0].get_segments()] == [2]
    assert [bar[0, 0] for bar in out.collections[0].get_segments()] == [1, 3]
    wires = [line for line in wiring.lines if line.get_marker() != "o"]
    assert len(wires) == 6 * 7 + 7 * 4 and "3 hidden, spiking" in [text.get_text() for text in wiring.texts]
    fired = next(line for line in inside.lines if line.get_label() == "spike")
    assert list(fired.get_xdata()) == [1, 3]
    back = next(line for line in inside.lines if "reset" in line.get_label())
    assert list(back.get_ydata()) == [-0.2, -0.2]  # a spike is followed by the fall that the text speaks of
    assert [bar.get_height() for bar in rates.patches] == [0.5, 0]
    assert [text.get_text() for text in rates.texts] == ["label", ""]


def test_fig2_says_of_every_candidate_what_it_became(clusters, judged):
    source = {
        "title": "MNIST", "theta": np.arange(12.0).reshape(3, 4), "epochs": np.arange(3), "snapshot": 1,
        "ab": clusters, "cd": clusters, "selected": judged,
        "V": np.tile(np.linspace(-3, 3, 10), (len(judged), 1)),
    }  # fmt: skip
    drift, _, _, responses, survivors = generation.mdn_fig2({"mnist": source}).subfigs[0].axes
    median = next(line for line in drift.lines if line.get_label() == "median")
    np.testing.assert_allclose(median.get_ydata(), np.median(source["theta"], axis=1))
    rows = [line.get_ydata() for line in responses.lines if line.get_marker() != "^"]
    tips = [line.get_ydata()[0] for line in responses.lines if line.get_marker() == "^"]
    assert len(rows) == len(judged) and tips == list(map(np.nanmax, rows))  # no plateau where V runs away
    assert all(np.nanmax(below) < np.nanmin(above) for above, below in pairwise(rows))  # nor do traces touch
    said = "\n".join(text.get_text() for text in survivors.texts)
    for row in judged.itertuples():
        assert f"{row.candidate.split('-')[1]}  {row.name or row.why}" in said


def test_fig3_counts_modes_and_centres_and_names_the_snapshot(clusters):
    source = {
        "title": "MNIST", "accuracy": np.array([[10, 50, 90], [10, 70, 90]]), "snapshot": 2, "ab": clusters,
        "cd": clusters, "published_ab": np.zeros((3, 2)), "published_cd": np.zeros((1, 2)),
    }  # fmt: skip
    curve, ab, cd = generation.mdn_fig3({"mnist": source}).axes
    assert list(curve.lines[0].get_ydata()) == [10, 60, 90]
    (note,) = (text for text in curve.texts if "snapshot" in text.get_text())
    assert note.get_text() == " snapshot, epoch 2 " and note.get_horizontalalignment() == "right"
    assert ab.get_title(loc="left") == "1 mode, K = 2 (published 3)"
    assert cd.get_title(loc="left") == "1 mode, K = 2 (published 1)"


def test_fig5_draws_means_over_seeds_and_tells_home_from_guest():
    accuracy = {"2-FS": np.array([[10, 80, 90], [10, 82, 92]]), "2-SDS": np.array([[10, 70, 85]])}
    published = {"2-FS": 95, "2-SDS": 60}
    source = {"title": "MNIST", "accuracy": accuracy, "home": ("2-FS",), "published": published}
    figure = generation.mdn_fig5({"mnist": source})
    (axis,) = figure.axes
    curves = [line for line in axis.lines if line.get_marker() != "<"]
    home, guest = (next(c for c in curves if c.get_color() == NEURON_COLOURS[n]) for n in accuracy)
    assert list(home.get_ydata()) == [10, 81, 91] and home.get_linestyle() == "-"
    assert list(guest.get_ydata()) == [10, 70, 85] and guest.get_linestyle() == "--"
    assert [line.get_ydata()[0] for line in axis.lines if line.get_marker() == "<"] == [95, 60]
    assert axis.get_ylim() == (60 - 0.08 * 40, 100)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0].startswith("2-FS") and labels[-1] == "published (Table 3)" and len(labels) == 4


def test_every_candidate_has_a_panel_with_its_own_response(judged):
    response = meta_neurons.respond(judged)
    figure = generation.candidates(judged, response)
    assert len(figure.axes) == 6 and not figure.axes[5].axison  # 4 candidates in rows of three
    for i, row in enumerate(judged.itertuples()):
        axis = figure.axes[i]
        assert axis.get_title(loc="left") == f"{row.candidate}: {row.name or row.why}"
        np.testing.assert_array_equal(axis.lines[3].get_ydata(), response["V"][i])
        np.testing.assert_array_equal(axis.lines[4].get_xdata(), np.flatnonzero(response["spikes"][i]))
