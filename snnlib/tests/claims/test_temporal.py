"""Our own claims about time: sides, the best of several, sums, and what is missing."""

import pytest

from snnlib.claims import temporal


def record(
    neuron, seed, accuracy, *, order="", tau=0.0, task="tidigits", network="mlp-5", epochs=15, **tests
):
    config = {"tau": tau, "tests": ["in order", *tests]} | ({"order": order} if order else {})
    config |= {"epochs": epochs, "batch_size": 10, "task_options": []}
    return {
        "config": config,
        "hash": f"{neuron}{seed}{order}{tau}{task}{network}{epochs}",
        **{"task": task, "neuron": neuron, "seed": seed, "network": network},
        **{"accuracy_last": accuracy, "tests": {"in order": accuracy, **tests}},
        **{"train_samples": 60, "test_samples": 40, "dataset": "digits", "source": "part"},
        "spike_rates": [0.02, 0.1],
    }


RECORDS = [
    *(record("2-WDS", seed, 70 + seed, shuffled=40 + 2 * seed) for seed in range(3)),
    *(record("2-FS", seed, 60 + seed, shuffled=58 + seed) for seed in range(3)),
    *(record("2-WDS", seed, 50, order="shuffled") for seed in range(2)),
    *(record("LIF", seed, 55 + tau + seed, tau=tau) for tau in (2.0, 4.0) for seed in range(3)),
]


def contrast(**arguments):
    return temporal.contrast(RECORDS, {"task": ["tidigits"]} | {k: v.split() for k, v in arguments.items()})


def test_a_contrast_is_paired_by_seed():
    effect = contrast(a="2-WDS", b="2-WDS/order:shuffled")
    assert effect.ours == pytest.approx(20.5) and effect.n == 2 and len(effect.records) == 4
    assert contrast(a="2-WDS", b="LIF/tau:2").ours == pytest.approx(13)
    assert contrast(a="2-WDS", b="2-RS") is None


def test_a_signed_current_is_a_setting_of_its_own():
    signed = [record("2-WDS", seed, 80 + seed, network="mlp-5-signed") for seed in range(3)]
    arguments = {"task": ["tidigits"], "a": ["2-WDS/current:signed"], "b": ["2-WDS"]}
    for records in (RECORDS + signed, signed + RECORDS):
        assert temporal.contrast(records, arguments).ours == pytest.approx(10)


def test_losses_are_compared_by_a_sum():
    effect = contrast(a="2-WDS 2-FS/test:shuffled", b="2-FS 2-WDS/test:shuffled", side="sum")
    assert effect.ours == pytest.approx((71 - 42) - (61 - 59))


def test_the_best_of_several_is_that_of_the_highest_mean():
    assert contrast(a="2-FS", b="LIF/tau:2 LIF/tau:4 LIF/tau:8", best="b").ours == pytest.approx(61 - 60)
    assert contrast(a="2-FS", b="LIF/tau:2 LIF/tau:4 LIF/tau:8") is None  # a mean needs all
    effect = contrast(a="2-FS", b="LIF/tau:2 LIF/tau:4 LIF/tau:8", best="b")
    assert effect.left_out == ("LIF/tau:8",) and effect.note == "without LIF/tau:8"  # so it cannot hold
    assert contrast(a="2-FS", b="LIF/tau:2 LIF/tau:4", best="b").left_out == ()


def test_parts_are_told_setting_by_setting():
    assert contrast(a="2-WDS 2-FS", b="2-WDS/test:shuffled 2-FS/test:shuffled").parts == {
        "2-WDS": pytest.approx(29),
        "2-FS": pytest.approx(2),
    }


def test_budgets_are_never_mixed_and_one_larger_record_takes_nothing_away():
    arguments = {"task": ["tidigits"], "a": ["2-WDS"], "b": ["2-FS"]}
    longer = [record("2-WDS", seed, 20 + seed, epochs=30) for seed in range(3)]
    larger = [record("2-WDS", 0, 99) | {"train_samples": 61}]
    for records in (RECORDS + longer + larger, larger + longer + RECORDS):
        effect = temporal.contrast(records, arguments)
        assert effect.ours == pytest.approx(10) and {r["config"]["epochs"] for r in effect.records} == {15}
    both = longer + [record("2-FS", seed, 30 + seed, epochs=30) for seed in range(3)]
    assert temporal.contrast(RECORDS + both, arguments).ours == pytest.approx(-10)  # more training, and whole
    linear = [record("counts", seed, 40, network="mlp-0", epochs=250) for seed in range(3)]
    beside = temporal.contrast(RECORDS + linear, arguments | {"b": ["counts"]})
    assert beside.ours == pytest.approx(31)  # a classifier of its own epochs


def test_runs_of_the_papers_do_not_count():
    plain = [r | {"config": {"tau": 0.0}} for r in RECORDS]
    assert temporal.contrast(plain, {"task": ["tidigits"], "a": ["2-WDS"], "b": ["2-FS"]}) is None


def test_quiet_is_what_is_left_of_six_percent():
    effect = temporal.quiet(RECORDS, {"task": ["tidigits"], "a": ["2-WDS", "2-FS"]})
    assert effect.ours == pytest.approx(4)


def searched(neuron, rate, seed, held_out, tested):
    r = record(neuron, seed, tested)
    curve = [
        {"epoch": epoch, "test_accuracy": tested, "validation_accuracy": seen}
        for epoch, seen in enumerate((99.0, held_out))
    ]
    return r | {
        "paper": "mdn",
        "curve": curve,
        "config": {**r["config"], "learning_rate": rate, "validation": 0.15, "tests": []},
    }


SEARCHED = [
    searched(neuron, rate, seed, *accuracies[rate])
    for seed in range(3)
    for neuron, accuracies in {  # the rate that the test set likes best is another one
        "2-FS": {0.01: (50, 80), 0.03: (60 + seed, 70 + seed), 0.1: (55, 75)},
        "2-WDS": {0.01: (62, 64), 0.03: (40, 90), 0.1: (61, 65)},
    }.items()
    for rate in accuracies
]


def test_a_learning_rate_is_chosen_on_held_out_samples_alone():
    arguments = {"task": ["tidigits"], "a": ["2-FS"], "b": ["2-WDS"]}
    assert {r["config"]["learning_rate"] for r in temporal.chosen(SEARCHED, "tidigits", "2-FS")} == {0.03}
    assert temporal.tuned(SEARCHED, arguments).ours == pytest.approx(71 - 64)
    assert temporal.contrast(SEARCHED, arguments) is None  # the other claims do not see the search
    unequal = [r for r in SEARCHED if (r["seed"], r["config"]["learning_rate"]) != (2, 0.1)]
    assert temporal.chosen(unequal, "tidigits", "2-FS") == []
    untried = [r for r in SEARCHED if r["config"]["learning_rate"] != 0.1]
    assert temporal.tuned(untried, arguments) is None
