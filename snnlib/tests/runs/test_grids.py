"""The grids hold the runs that the papers' tables hold, with their settings, and chapters share them."""

import pytest

from snnlib import datasets
from snnlib.neurons import PRESETS
from snnlib.runs import grids

SMALL = {"epochs": 1, "train_samples": 40, "test_samples": 20}
MDN = {"seeds": 2, "hidden": 16, **SMALL}
NET = {"channels": 4, "features": 16, "event_resolution": 32, "event_time_steps": 4}
PLIF = {"seeds": 2, "cosine_epochs": 64, "cifar10_samples": 0, **NET, **SMALL}


def test_table_3_is_seven_tasks_by_five_neurons():
    runs = grids.transfer(seeds=5)
    assert len(set(runs)) == 7 * 5 * 5
    cifar = next(run for run in runs if run.task == "cifar10" and run.neuron == "2-RS")
    assert (cifar.network, cifar.batch_size, cifar.learning_rate, cifar.epochs, cifar.time_steps) == (
        "mlp-1500",
        100,
        1e-4,
        20,
        20,
    )
    assert cifar.theta == PRESETS["2-RS"] and cifar.theta_learning_rate == 0
    digits = next(run for run in runs if run.task == "tidigits" and run.neuron == "1st-order")
    assert (digits.batch_size, digits.learning_rate, digits.epochs, digits.time_steps, digits.theta) == (
        10,
        1e-2,
        30,
        30,
        (),
    )


def test_generation_learns_theta_with_the_published_rates():
    mnist, digits = grids.generation()
    assert (mnist.theta_learning_rate, digits.theta_learning_rate) == (1e-3, 1e-4)
    assert mnist.theta == digits.theta == (0.02, 0.2, 0.0, 0.08)


def test_the_papers_own_settings_of_a_conv_net():
    paper = grids.plif_run("cifar10_dvs", "LIF", 16.0, "max", 0)
    assert (paper.epochs, paper.batch_size, paper.time_steps, paper.schedule, paper.tau) == (
        1024,
        16,
        20,
        "cosine64",
        16.0,
    )
    assert "c128" in paper.network and "FC2048" in paper.network and paper.task_options == ()


def test_cifar10_has_a_budget_of_its_own():
    runs = grids.ablation(**PLIF | {"cifar10_samples": 30, "cosine_epochs": 1})
    budgets = {(run.task == "cifar10", run.train_samples, run.test_samples, run.schedule) for run in runs}
    assert budgets == {(False, 40, 20, "cosine1"), (True, 30, 6, "cosine1")}
    (one,) = grids.transfer(["cifar10"], ["2-FS"], 1, cifar10_samples=30)
    assert (one.train_samples, one.test_samples) == (30, 6)


def test_the_data_is_part_of_the_run():
    official, stand_in = (
        grids.mdn_run("mnist", "2-FS", 0),
        grids.mdn_run("mnist", "2-FS", 0, source="stand-in"),
    )
    assert stand_in.data == datasets.identify("mnist", source="stand-in") != ""
    assert official.hash != stand_in.hash


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="unknown data set 'imagenet'"):
        grids.mdn_run("imagenet", "2-FS", 0)
