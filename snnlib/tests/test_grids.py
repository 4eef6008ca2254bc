"""The grids hold the runs that the papers' tables hold, with their settings, and chapters share them."""

import pytest

from snnlib import chapter_runs, datasets, grids, meta_neurons
from snnlib.neurons import PRESETS

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


def test_chapter_02_and_03_share_the_convergence_runs():
    two = chapter_runs.chapter_02(1, 1, 1, 40, **MDN)
    three = chapter_runs.chapter_03(grids.MDN_TASKS, protocol_seeds=1, cifar10_samples=0, **MDN)
    assert set(two) - set(three) == {run for run in two if run.neuron == "learned"}
    options = {(run.task, run.task_options) for run in three if run.task_options}
    assert options == {
        ("fashion_mnist", (("pixels", "values"),)),
        ("nettalk", (("leak_free", True),)),
        ("nettalk", (("scored", "first_of_five"),)),
        ("tidigits", (("time_axis", "band"),)),
        ("tidigits", (("split", "speaker"),)),
        ("tidigits", (("form", "spectrogram"),)),
    }


def test_chapter_03_trains_some_tasks_once_more_for_longer():
    given = MDN | {"protocol_seeds": 1, "cifar10_samples": 0, "long_tasks": ["nettalk", "timit"]}
    usual, longer = (
        set(chapter_runs.chapter_03(["fashion_mnist", "nettalk"], long_epochs=n, **given)) for n in (0, 3)
    )
    assert {(run.task, run.seed, run.epochs, run.task_options) for run in longer - usual} == {
        ("nettalk", 0, 3, ())
    }
    assert len(longer - usual) == len(grids.META_NEURONS) and usual < longer


def test_chapter_04_and_05_share_the_max_pooling_runs():
    four = chapter_runs.chapter_04(grids.PLIF_DATASETS, validation_seeds=1, **PLIF)
    five = chapter_runs.chapter_05(grids.PLIF_DATASETS, **PLIF)
    assert {run for run in five if run.pooling == "max"} <= set(four)
    assert {run.pooling for run in set(five) - set(four)} == {"average"}
    assert {run.task for run in four if run.validation} == {*grids.PLIF_DATASETS, "mnist", "n_mnist"}
    paper = grids.plif_run("cifar10_dvs", "LIF", 16.0, "max", 0)
    assert (paper.epochs, paper.batch_size, paper.time_steps, paper.schedule, paper.tau) == (
        1024,
        16,
        20,
        "cosine64",
        16.0,
    )
    assert "c128" in paper.network and "FC2048" in paper.network and paper.task_options == ()
    small = next(run for run in four if run.task == "cifar10_dvs")
    assert small.task_options == (("resolution", 32), ("time_steps", 4)) and small.time_steps == 4


def test_cifar10_has_a_budget_of_its_own():
    runs = chapter_runs.chapter_05(grids.PLIF_DATASETS, **PLIF | {"cifar10_samples": 30, "cosine_epochs": 1})
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


def test_for_chapter_takes_the_parameters_of_a_notebook(monkeypatch):
    parameters = {
        "profile": "smoke",
        "neuron_source": "published",
        "tasks": ["mnist"],
        "protocol_seeds": 1,
        "cifar10_samples": 0,
        "workers": 2,
        **MDN,
    }
    assert len(chapter_runs.for_chapter("03_transfer", parameters)) == 10
    assert chapter_runs.for_chapter("01_dynamics", {"profile": "smoke"}) == []
    monkeypatch.setattr(meta_neurons, "generated_thetas", lambda profile: {"2-FS": (0.1, 0.2, 0.3, 0.4)})
    generated = chapter_runs.for_chapter("03_transfer", parameters | {"neuron_source": "generated"})
    assert {run.theta for run in generated if run.neuron == "2-FS"} == {(0.1, 0.2, 0.3, 0.4)}
    with pytest.raises(ValueError, match="unknown data set 'imagenet'"):
        grids.mdn_run("imagenet", "2-FS", 0)


@pytest.mark.parametrize(
    ("chapter", "wrong", "sentence"),
    [
        ("03_transfer", {"seeds": 0}, "seeds is 0; at least one"),
        ("03_transfer", {"neuron_source": "generatd"}, "must be 'published' or 'generated'"),
        ("03_transfer", {"long_epochs": 20, "long_tasks": ["mnist"]}, "long_epochs is 20; it must be above"),
        ("03_transfer", {"long_tasks": ["mnits"]}, "choose one or more of mnist"),
        ("03_transfer", {"tasks": []}, "choose one or more of mnist"),
        ("04_plif_ablation", {"cosine_epochs": 0}, "cosine_epochs is 0; at least one"),
        ("04_plif_ablation", {"data": ["mnist"]}, "choose one or more of fashion_mnist"),
    ],
)
def test_values_that_make_no_grid_are_refused(chapter, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        chapter_runs.for_chapter(chapter, wrong)
