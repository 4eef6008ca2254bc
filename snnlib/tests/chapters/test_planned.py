"""Each chapter's cell tagged `runs` holds the runs that its tables need, and chapters share them."""

import pytest

from snnlib.chapters import parameters, planned
from snnlib.neurons import PRESETS
from snnlib.papers import meta_neurons
from snnlib.runs import grids

SMALL = {"seeds": 2, "epochs": 1, "train_samples": 40, "test_samples": 20}


def runs(chapter, **changed):
    return planned.runs(chapter, "smoke", **changed)


def test_chapter_02_and_03_share_the_convergence_runs():
    two, three = runs("02", **SMALL, hidden=16), runs("03", **SMALL, hidden=16, long_epochs=0)
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


def test_chapter_03_slows_down_the_neurons_that_die_on_spoken_digits():
    slow = [run for run in runs("03", tasks=["tidigits", "mnist"], seeds=2) if run.learning_rate == 1e-3]
    slow = [run for run in slow if run.task == "tidigits"]  # Table 1 has 1e-2 there
    assert {(run.neuron, run.task_options) for run in slow} == {
        ("1st-order", ()),
        ("1st-order", (("form", "spectrogram"),)),
        ("2-FS", (("form", "spectrogram"),)),
    }
    assert {run.seed for run in slow if not run.task_options} == {0, 1}
    assert all(run.setting.endswith("learning rate 0.001") for run in slow)
    usual = runs("03", tasks=["tidigits", "mnist"], seeds=2, slower_runs=False)
    assert not set(slow) & set(usual) and not any("learning rate" in run.setting for run in usual)


def test_chapter_03_trains_some_tasks_once_more_for_longer():
    given = SMALL | {"tasks": ["fashion_mnist", "nettalk"], "long_tasks": ["nettalk", "timit"]}
    usual, longer = (set(runs("03", **given, long_epochs=n)) for n in (0, 3))
    assert {(run.task, run.seed, run.epochs, run.task_options) for run in longer - usual} == {
        ("nettalk", 0, 3, ()),
        ("nettalk", 0, 3, (("scored", "first_of_five"),)),
    }
    assert len(longer - usual) == 2 * len(grids.META_NEURONS) and usual < longer


def test_chapter_04_and_05_share_the_max_pooling_runs():
    four, five = runs("04", **SMALL), runs("05", **SMALL)
    assert {run for run in five if run.pooling == "max"} <= set(four)
    assert {run.pooling for run in set(five) - set(four)} == {"average"}
    assert {run.task for run in four if run.validation} == {*grids.PLIF_DATASETS, "mnist", "n_mnist"}
    small = next(run for run in four if run.task == "cifar10_dvs")
    assert small.task_options == (("resolution", 32), ("time_steps", 4)) and small.time_steps == 4


def test_generated_neurons_are_trained_with_their_own_theta(monkeypatch):
    monkeypatch.setattr(meta_neurons, "generated_thetas", lambda profile: {"2-FS": (0.1, 0.2, 0.3, 0.4)})
    generated = runs("03", tasks=["mnist"], neuron_source="generated")
    assert {run.theta for run in generated if run.neuron == "2-FS"} == {(0.1, 0.2, 0.3, 0.4)}
    assert runs("01") == []


def test_chapter_06_shares_the_runs_of_the_others():
    known = ["02_mdn_generation", "03_transfer", "04_plif_ablation", "05_pooling"]
    own = {"mixed_tasks": ["mnist"], "few_steps": [4], "beyond_tasks": ["timit"], "beyond_seeds": 1}
    every = set(runs("06", chapters=known, **own))
    for stem in known:
        changed = {"long_epochs": 0} if stem == "03_transfer" else {}  # a longer run backs no claim
        assert set(runs(stem, **changed)) <= every, stem
    added = {run.neuron for run in runs("06", chapters=[], **own)}
    assert {"mixed", "2-FS", "2-SDS"} <= added
    (mixed,) = [run for run in every if run.neuron == "mixed"]
    assert mixed.theta == PRESETS["2-FS"] + PRESETS["2-SDS"]
    pure = next(
        run
        for run in every
        if (run.task, run.neuron, run.epochs) == ("mnist", "2-FS", mixed.epochs)
        and run.train_samples == mixed.train_samples
    )
    assert (pure.network, pure.batch_size, pure.data) == (mixed.network, mixed.batch_size, mixed.data)


def test_a_cell_that_leaves_no_grid_is_named(tmp_path):
    import nbformat

    cell = nbformat.v4.new_code_cell("runs = []", metadata={"tags": ["runs"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "09_own.ipynb")
    with pytest.raises(ValueError, match="09_own.ipynb: the cell tagged 'runs' must leave"):
        planned.evaluate(tmp_path / "09_own.ipynb", {})


@pytest.mark.parametrize(
    ("chapter", "wrong", "sentence"),
    [
        ("03_transfer", {"seeds": 0}, "seeds is 0; at least one"),
        ("03_transfer", {"long_epochs": 20, "epochs": 0, "long_tasks": ["mnist"]}, "it must be above"),
        ("03_transfer", {"long_tasks": ["mnits"]}, "choose one or more of mnist"),
        ("03_transfer", {"tasks": []}, "choose one or more of mnist"),
        ("04_plif_ablation", {"cosine_epochs": 0}, "cosine_epochs is 0; at least one"),
        ("06_claims", {"chapters": ["07_more"]}, "chapters is .*07_more.*of 02_mdn_generation"),
        ("04_plif_ablation", {"data": ["mnist"]}, "choose one or more of fashion_mnist"),
    ],
)
def test_values_that_make_no_grid_are_refused(chapter, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        parameters.resolve(chapter, "smoke", wrong)


def test_an_unknown_source_of_neurons_is_refused():
    with pytest.raises(ValueError, match="must be 'published' or 'generated'"):
        runs("03", neuron_source="generatd")
