"""Figures of chapter 03: what they draw from a table, what they leave out, and that they name the data."""

import math

import matplotlib
import pandas as pd
import pytest

from snnlib.figures import transfer
from snnlib.papers import published, theory
from snnlib.provenance import Passport
from snnlib.results import tables

TITLES = {task: task.upper() for tasks in transfer.TASKS.values() for task in tasks}


@pytest.fixture
def table():
    """Table 3 with ours two points below it on two tasks, the rest not run."""
    frame = tables.compare([], ["task", "neuron"], published=published.table("mdn_table3"))
    ran = frame.task.isin(["mnist", "timit"])
    frame.loc[ran, "ours"] = frame.published[ran] - 2
    used = Passport("Drawn digits, stand-in for MNIST", "stand-in", "", "", "", 2000, 500)
    frame.loc[ran, "data"] = used.label
    frame.attrs["passports"] = {used.label: (used,)}
    return frame


@pytest.fixture
def runs(table):
    """Three seeds of all neurons on the two tasks, half a point apart; of the last one 2-WDS is dead."""
    ran = table[table.ours.notna()]
    each = pd.concat([ran[["task", "neuron"]].assign(seed=s, ours=ran.ours + s / 2) for s in range(3)])
    each["dead"] = (each.neuron == "2-WDS") & (each.seed == 2)
    each.loc[each.dead, "ours"] = 10.0
    return each.reset_index(drop=True)


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text)).replace("\n", " ")


def test_fig6_draws_ours_as_bars_published_as_diamonds_and_names_the_data(table, runs):
    figure = transfer.mdn_fig6(table, runs, TITLES)
    mnist, fashion = figure.axes[:2]
    heights = [bar.get_height() for bar in mnist.patches]
    assert heights == pytest.approx([98.67 - 2, 98.33 - 2, 94.87 - 2, 95.34 - 2])
    assert all(math.isnan(bar.get_height()) for bar in fashion.patches)
    diamonds = next(line for line in fashion.lines if line.get_marker() == "D")
    assert list(diamonds.get_ydata()) == [90.50, 89.58, 85.37, 85.79]
    assert "stand-in for MNIST" in mnist.get_xlabel().replace("\n", " ") and fashion.get_xlabel() == "not run"
    assert "3 seeds" in mnist.get_xlabel() and "seed that never learned" in words(figure)
    (cross,) = (list(line.get_ydata()) for line in mnist.lines if line.get_marker() == "X")
    dots = next(line for line in mnist.lines if line.get_marker() == "o")
    assert cross == [10] and len(dots.get_ydata()) == 11


def test_a_cut_axis_is_marked_as_such(table, runs):
    living = runs[~runs.dead]
    mnist = transfer.mdn_fig6(table, living, TITLES).axes[0]
    assert mnist.get_ylim()[0] > 0
    assert sum(line.get_transform() == mnist.transAxes for line in mnist.lines) == 2


def test_fig7_averages_the_pairs_over_the_seeds_that_learned(table, runs):
    means = transfer.group_means(table, runs).set_index(["task", "group"])
    assert means.ours["timit", "temporal"] == pytest.approx((91.22 + 91.98) / 2 - 2 + 0.25)
    assert means.n["timit", "temporal"] == 2 and means.n["timit", "spatial"] == 3
    assert means.ours["timit", "1st-order"] == pytest.approx(76.39 - 2 + 0.5)
    assert means.sd["timit", "1st-order"] == pytest.approx(0.5)
    assert math.isnan(means.ours["cifar10", "spatial"]) and means.published["cifar10", "spatial"] > 50
    figure = transfer.mdn_fig7(table, runs, TITLES)
    text = words(figure)
    assert "on Drawn digits, stand-in for MNIST 3 seeds" in text and "(not run)" in text
    bars = [len(axis.containers[1].get_children()) for axis in figure.axes]
    assert all(bars)  # error bars


def test_fig7_says_where_it_saw_a_part_alone(table, runs):
    part = Passport("MNIST", "part", "", "", "", 9, 1)
    table.loc[table.task == "mnist", "data"] = part.label
    table.attrs["passports"] |= {part.label: (part,)}
    assert "MNIST on a part of it" in words(transfer.mdn_fig7(table, runs, TITLES))


def test_group_without_one_of_its_neurons_has_no_mean(table, runs):
    without = runs[(runs.task != "mnist") | (runs.neuron != "2-RS")]
    assert math.isnan(
        transfer.group_means(table, without).set_index(["task", "group"]).ours["mnist", "spatial"]
    )


def test_fig8_places_a_neuron_at_its_mean_capability_and_says_what_is_missing(table):
    cap = theory.capability(published.table("mdn_table3"))
    figure = transfer.mdn_fig8(cap, cap.loc[["mnist"]])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(points) == 5
    spatial = cap.loc[["mnist", "fashion_mnist", "nettalk", "cifar10"], "1st-order"].mean()
    assert points[0].get_xdata()[0] == pytest.approx(spatial)
    assert "no temporal task" in words(figure)
