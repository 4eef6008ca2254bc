"""Tables from records: the arithmetic, the blanks, the order, and the refusals."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from snnlib.papers import published
from snnlib.results import tables


def record(task="mnist", neuron="2-FS", seed=0, accuracy=90.0, **changes):
    """A record as execute.run returns it, reduced to what tables read."""
    config = {"task": task, "neuron": neuron, "seed": seed, "epochs": 3, "tau": 0.0, "task_options": []}
    config |= {name: changes.pop(name) for name in list(changes) if name in config}
    made = {
        "hash": f"{task}-{neuron}-{seed}-{config['tau']}-{config['task_options']}",
        "config": config,
        "task": task,
        "neuron": neuron,
        "seed": seed,
        "network": "mlp-500",
        "pooling": "",
        "dataset": "MNIST",
        "source": "official",
        "train_samples": 60000,
        "test_samples": 10000,
        "accuracy_last": accuracy,
        "accuracy_best": accuracy + 1,
        "accuracy_validated": None,
        "tau": [[2.0]],
    }
    return made | changes


def test_mean_sd_interval_and_difference():
    runs = [record(seed=seed, accuracy=accuracy) for seed, accuracy in enumerate((97.0, 98.0, 99.0))]
    row = tables.compare(runs, ["task", "neuron"], published=published.table("mdn_table3")).iloc[0]
    assert (row.task, row.neuron, row.n) == ("mnist", "2-FS", 3)
    assert (row.published, row.published_sd, row.ours) == (98.67, 0.05, 98.0)
    assert row.sd == pytest.approx(1.0)
    assert row.interval == pytest.approx(4.302653 / math.sqrt(3))  # Student's t, 2 degrees of freedom
    assert row.difference == pytest.approx(98.0 - 98.67)
    assert row.data == "MNIST (official, 60,000 + 10,000)" and row.budget == "3 epochs, 500 hidden"


def test_a_stand_in_has_no_difference_from_a_published_number():
    made = [record(neuron=name, source="stand-in") for name in ("2-FS", "2-RS")]
    table_3 = published.table("mdn_table3")
    row = tables.compare(made, ["task", "neuron"], published=table_3).iloc[0]
    assert (row.published, row.ours) == (98.67, 90.0) and math.isnan(row.difference)
    gap = tables.contrast(made, ["task"], "neuron", ["2-FS"], ["2-RS"], published=table_3).iloc[0]
    assert gap.published > 0 and gap.ours == 0 and math.isnan(gap.difference)


def test_passports_travel_with_a_table():
    runs = [
        record(),
        record("timit", source="part", checksum="ab"),
        record("timit", seed=1, source="stand-in"),
    ]
    frame = tables.compare(runs, ["task", "neuron"], published=published.table("mdn_table3"))
    chosen = frame.assign(more=1)[frame.task == "timit"].reset_index(drop=True)
    words = chosen.data[chosen.n == 2].item()
    assert [(p.source, p.checksum) for p in tables.passports(chosen, words)] == [
        ("part", "ab"),
        ("stand-in", ""),
    ]
    assert words == "; ".join(p.label for p in tables.passports(chosen, words))
    assert tables.passports(chosen, tables.NOT_RUN) == () == tables.passports(pd.DataFrame(), words)
    gap = tables.contrast([*runs, record(neuron="2-RS")], ["task"], "neuron", ["2-FS"], ["2-RS"])
    assert [p.source for p in tables.passports(gap, gap.data[0])] == ["official"]


def test_one_seed_has_no_spread_and_a_missing_run_no_value():
    table = tables.compare([record()], ["task", "neuron"], published=published.table("mdn_table3"))
    assert len(table) == 35
    assert table.sd.isna().all() and table.interval.isna().all()
    assert table.n.tolist() == [1] + [0] * 34
    assert table.ours.notna().sum() == 1 and table.difference.notna().sum() == 1
    assert set(table.data[1:]) == {"not run"}
    assert table.iloc[:1].to_csv(index=False).splitlines()[1].split(",")[5] == ""  # sd


def test_rows_follow_the_published_table_then_the_records():
    theirs = pd.DataFrame({"task": ["b", "a"], "neuron": ["x", "x"], "accuracy": [1.0, 2.0]})
    runs = [record("z", "x"), record("a", "x"), record("a", "w"), record("b", "x")]
    table = tables.compare(runs, ["task", "neuron"], published=theirs)
    assert (table.task + table.neuron).tolist() == ["bx", "ax", "zx", "aw"]
    assert table.published.isna().tolist() == [False, False, True, True]


def test_keys_come_from_config_task_options_and_record():
    runs = [record(), record(task_options=[["leak_free", True]], accuracy=80.0)]
    table = tables.compare(runs, ["task", "leak_free", "source"])
    assert table.leak_free.tolist() == ["", True] and table.ours.tolist() == [90.0, 80.0]
    assert table.published.isna().all() and table.source.tolist() == ["official"] * 2


def test_plif_tables_join_by_initial_tau_and_pooling():
    runs = [
        record("cifar10", "PLIF", tau=2.0, pooling="average", accuracy=93.0),
        record("cifar10", "PLIF", tau=16.0, pooling="max", accuracy=92.0),
    ]
    keys = ["task", "neuron", "tau", "pooling"]
    table = tables.compare(runs, keys, published=published.table("plif_table5"))
    ours = table[table.n > 0].reset_index(drop=True)
    assert ours.tau.tolist() == [2.0, 16.0] and ours.pooling.tolist() == ["average", "max"]
    assert ours.published.tolist()[0] == 93.30 and math.isnan(ours.published[1])


def test_keys_that_mix_runs_are_refused_but_a_run_asked_for_twice_is_not():
    one = record()
    assert tables.compare([one, one], ["task"]).n.tolist() == [1]
    with pytest.raises(ValueError, match="do not tell all runs apart"):
        tables.compare([one, record(neuron="2-RS")], ["task"])


def test_missing_value_and_wrong_published_table_are_named():
    with pytest.raises(ValueError, match="has no 'accuracy_validated'"):
        tables.compare([record()], ["task"], value="accuracy_validated")
    with pytest.raises(ValueError, match="no column 'speed'"):
        tables.compare([record()], ["task"], published=published.table("mdn_table3"), published_value="speed")
    with pytest.raises(ValueError, match="several rows"):
        tables.compare([record()], ["task"], published=published.table("mdn_table3"))
    with pytest.raises(ValueError, match="none of the keys"):
        tables.compare([record()], ["seed"], published=published.table("mdn_table3"))


def test_contrast_of_one_seed_has_no_interval_and_of_none_no_row():
    runs = [record(), record(neuron="2-SDS", accuracy=85.0), record("timit", "2-FS")]
    table = tables.contrast(runs, ["task"], "neuron", ["2-FS"], ["2-SDS"])
    assert table.task.tolist() == ["mnist"] and table.ours.tolist() == [5.0]
    assert table[["published", "sd", "low", "high", "p"]].isna().all(axis=None)


def test_agreement_is_put_in_words():
    nan = math.nan
    rows = [
        (1, 2, 1, 3, 5),
        (1, -2, -3, -1, 5),
        (1, 2, -1, 5, 5),
        (1, 2, nan, nan, 1),
        (-1, 2, nan, nan, 1),
        (nan, 2, 1, 3, 5),
        (1, 0, nan, nan, 1),
        (1, 2, nan, nan, 2),
        (0, 2, 1, 3, 5),
    ]
    assert tables.agreement(pd.DataFrame(rows, columns=["published", "ours", "low", "high", "n"])) == [
        "same direction, interval excludes 0",
        "opposite direction, interval excludes 0",
        "undecided, interval includes 0",
        "same direction, one seed",
        "opposite direction, one seed",
        "",
        "no difference",
        "same direction, equal in all 2 seeds",
        "published: no difference",
    ]


def test_nothing_run_leaves_the_published_rows():
    table = tables.compare([], ["task", "neuron"], published=published.table("mdn_table3"))
    assert len(table) == 35 and table.ours.isna().all() and set(table.n) == {0}
    assert tables.shown(table).ours.eq("").all()
    assert tables.wide(table, "task", "neuron").eq("").all(axis=None)
    assert tables.contrast([], ["task"], "neuron", ["2-FS"], ["2-RS"]).empty
    assert tables.compare([], ["task"]).empty


def test_labels_say_what_was_used():
    runs = [
        record(),
        record(
            seed=1,
            dataset="Handwritten digits, stand-in for MNIST",
            source="stand-in",
            train_samples=100,
            test_samples=50,
            epochs=1,
        ),
    ]
    assert tables.data_label(runs).endswith("; Handwritten digits, stand-in for MNIST (stand-in, 100 + 50)")
    assert tables.budget(runs) == "3 epochs, 500 hidden; 1 epoch, 500 hidden"
    notation = "{c16k3s1-BN-PLIF-MPk2s2}*2-DP-FC64-PLIF-DP-FC100-PLIF-APk10s10"
    assert tables.network_size(notation) == "16 channels, FC 64-100"


def test_views_for_readers():
    runs = [record(accuracy=90.0), record(seed=1, accuracy=92.0), record("timit", "2-RS")]
    table = tables.compare(runs, ["task", "neuron"])
    square = tables.wide(table, "task", "neuron")
    assert square.loc["mnist", "2-FS"] == "91.00 ± 1.41" and square.loc["timit", "2-RS"] == "90.00"
    assert square.loc["mnist", "2-RS"] == ""
    assert tables.shown(table).sd.tolist() == ["1.41", ""]


# --- any records --------------------------------------------------------------------------------------------

SETTINGS = ("2-FS", "2-RS", "2-SDS", "2-WDS")
seeded = st.dictionaries(st.integers(0, 5), st.floats(0, 100).map(lambda x: round(x, 4)), max_size=5)
tasks_of = st.dictionaries(
    st.sampled_from(["mnist", "timit", "nettalk"]), st.dictionaries(st.sampled_from(SETTINGS), seeded)
)


def test_a_shown_p_is_never_zero():
    table = pd.DataFrame({"p": [1e-5, 0.0204, math.nan], "ours": [-2.0, 1e-5, 0.5]})
    assert tables.shown(table).p.tolist() == ["<0.001", "0.020", ""]
    assert tables.shown(table, 3).ours.tolist() == ["-2.000", "0.000", "0.500"]


def test_a_network_that_answers_every_sample_alike_never_learned():
    def run(accuracies, tests=(), rate=0.2):
        curve = [{"epoch": e, "test_accuracy": a} for e, a in enumerate(accuracies)]
        return {"curve": curve, "tests": {f"{i}": t for i, t in enumerate(tests)}, "spike_rates": [0.5, rate]}

    assert tables.never_learned(run([8.0, 9.0], rate=0.0))  # silent
    assert tables.never_learned(run([8.0, *[11.0] * 5]))  # the same outputs fire whatever they see
    assert tables.never_learned(run([8.0, 11.0, 12.0], tests=[10.0] * 5))
    assert not tables.never_learned(run([8.0, *[11.0] * 4]))
    assert not tables.never_learned(run([8.0, *[99.0] * 5], tests=[99.0] * 5))
    assert not tables.never_learned(run([8.0, 30.0, 30.0, 30.0, 30.0, 31.0], tests=[30, 30, 30, 30, 29]))


def test_runs_that_never_learned_stay_out_of_means_and_are_counted():
    """A silent output layer answers at chance; its number in a mean would describe no network."""
    dead = {"spike_rates": [0.6, 0.0]}
    runs = [record(seed=seed, accuracy=90.0 + seed, spike_rates=[0.6, 0.1]) for seed in range(3)]
    runs += [record(seed=seed, accuracy=10.0, **dead) for seed in (3, 4)]
    row = tables.compare(runs, ["task", "neuron"]).iloc[0]
    assert (row.ours, row.sd, row.n, row.dead) == (91.0, 1.0, 3, 2)
    wide = tables.wide(tables.compare(runs, ["task", "neuron"]), "task", "neuron")
    assert wide.loc["mnist", "2-FS"] == "91.00 ± 1.00, 2 dead"
    each = tables.seeds(runs, ["task", "neuron"])
    assert each.ours.tolist() == [90, 91, 92, 10, 10] and each.seed.tolist() == [0, 1, 2, 3, 4]
    assert each.dead.tolist() == [False] * 3 + [True] * 2
    lost = tables.compare(runs[3:], ["task", "neuron"]).iloc[0]
    assert (lost.ours, lost.n, lost.dead) == (10.0, 0, 2)
    others = [record(neuron="2-RS", seed=seed, accuracy=89.0, spike_rates=[0.6, 0.1]) for seed in range(5)]
    gap = tables.contrast(runs + others, ["task"], "neuron", ["2-FS"], ["2-RS"]).iloc[0]
    assert (gap.ours, gap.n, gap.dead) == (2.0, 3, 2)
    gap = tables.contrast(runs[3:] + others, ["task"], "neuron", ["2-FS"], ["2-RS"]).iloc[0]
    assert (gap.ours, gap.n, gap.dead) == (-79.0, 0, 2)


def test_a_page_has_the_numbers_and_a_line_for_each_data_and_budget():
    runs = [record(seed=seed, accuracy=90.0 + seed, spike_rates=[0.1]) for seed in range(3)]
    runs += [record(seed=3, accuracy=10.0, spike_rates=[0.0])]
    theirs = published.table("mdn_table3").query("task == 'mnist' and neuron in ('2-FS', '2-RS')")
    table = tables.compare(runs, ["task", "neuron"], published=theirs)
    seen = tables.page(table, ["task", "neuron"])
    assert list(seen.data.columns) == ["task", "neuron", "published", "ours", "difference"]
    assert seen.data.ours.tolist() == ["91.00 ± 1.00 (n = 3, 1 dead)", ""]
    assert seen.caption == "mnist: MNIST (official, 60,000 + 10,000); 3 epochs, 500 hidden"
    other = [record(neuron="2-RS", seed=seed, accuracy=89.0 + seed / 2) for seed in range(3)]
    gap = tables.contrast(runs[:3] + other, ["task"], "neuron", ["2-FS"], ["2-RS"])
    assert tables.page(gap, ["task"], ["p"]).data.iloc[0].tolist() == [
        "mnist",
        "1.50 [0.26, 2.74] (n = 3)",
        "0.035",
    ]
    assert tables.page(table[table.data == tables.NOT_RUN], ["task"]).caption == "Nothing of it was run."


def records_of(cells, shuffle):
    """task -> neuron -> seed -> accuracy, as records in any order."""
    made = [
        record(task, neuron, seed, accuracy)
        for task, neurons in cells.items()
        for neuron, values in neurons.items()
        for seed, accuracy in values.items()
    ]
    shuffle.shuffle(made)
    return made


@given(tasks_of, st.randoms(use_true_random=False))
def test_compare_of_any_records(cells, shuffle):
    runs = records_of(cells, shuffle)
    theirs = published.table("mdn_table3")
    table = tables.compare([*runs, *runs[:3]], ["task", "neuron"], published=theirs)
    assert len(table) == 35  # each setting of ours is one of the paper's
    assert list(zip(table.task, table.neuron, strict=True)) == list(
        zip(theirs.task, theirs.neuron, strict=True)
    )
    assert table.published.tolist() == theirs["mean"].tolist()
    for row in table.itertuples():
        values = list(cells.get(row.task, {}).get(row.neuron, {}).values())
        assert row.n == len(values) and (row.data == tables.NOT_RUN) == (not values)
        if not values:
            assert all(map(math.isnan, (row.ours, row.sd, row.interval, row.difference))) and row.budget == ""
            continue
        assert row.ours == pytest.approx(np.mean(values), abs=1e-9)
        assert row.difference == pytest.approx(row.ours - row.published, abs=1e-9)
        assert math.isnan(row.sd) == math.isnan(row.interval) == (len(values) == 1)
        if len(values) > 1:
            assert row.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
            half = stats.t.ppf(0.975, len(values) - 1) * row.sd / math.sqrt(len(values))
            assert row.interval == pytest.approx(half, rel=1e-6, abs=1e-9)


@given(tasks_of, st.randoms(use_true_random=False))
def test_settings_that_no_paper_has_come_as_they_were_run(cells, shuffle):
    runs = records_of(cells, shuffle)
    table = tables.compare(runs, ["neuron", "task"])
    assert list(zip(table.task, table.neuron, strict=True)) == list(
        dict.fromkeys((run["task"], run["neuron"]) for run in runs)
    )
    assert table.n.sum() == len(runs) and table.published.isna().all()


@given(
    tasks_of,
    st.randoms(use_true_random=False),
    st.permutations(SETTINGS),
    st.sampled_from([(1, 1), (2, 2), (1, 3)]),
)
def test_contrast_pairs_the_seeds_of_any_records(cells, shuffle, order, sizes):
    a, b = order[: sizes[0]], order[sizes[0] : sum(sizes)]
    runs = records_of(cells, shuffle)
    theirs = published.table("mdn_table3")
    table = tables.contrast(runs, ["task"], "neuron", a, b, published=theirs)
    expected = {}
    for task in dict.fromkeys(run["task"] for run in runs):
        values = [[cells[task].get(name, {}) for name in side] for side in (a, b)]
        seeds = sorted(set.intersection(*(set(found) for side in values for found in side)))
        gaps = [np.subtract(*(np.mean([found[seed] for found in side]) for side in values)) for seed in seeds]
        if gaps:
            expected[task] = gaps
    assert table.task.tolist() == list(expected)
    means = theirs.set_index(["task", "neuron"])["mean"]
    for row, gaps in zip(table.itertuples(), expected.values(), strict=True):
        assert row.n == len(gaps) and row.ours == pytest.approx(np.mean(gaps), abs=1e-9)
        gap = np.subtract(*(np.mean([means[row.task, name] for name in side]) for side in (a, b)))
        assert row.published == pytest.approx(gap, abs=1e-9)
        assert row.difference == pytest.approx(row.ours - gap, abs=1e-9)
        if len(gaps) == 1:
            assert all(map(math.isnan, (row.sd, row.low, row.high, row.p)))
            continue
        assert row.sd == pytest.approx(np.std(gaps, ddof=1), abs=1e-9)
        if row.sd > 1e-6:
            test = stats.ttest_1samp(gaps, 0)
            interval = test.confidence_interval(0.95)
            assert row.p == pytest.approx(test.pvalue, rel=1e-6)
            assert (row.low, row.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)
    other = tables.contrast(runs, ["task"], "neuron", b, a, published=theirs)
    assert other.ours.tolist() == pytest.approx((-table.ours).tolist())
    assert other.published.tolist() == pytest.approx((-table.published).tolist())


@given(seeded.filter(bool), st.data())
def test_two_runs_of_one_seed_are_never_mixed(values, data):
    """Whichever key tells them apart is asked for: neither table takes the mean over two settings."""
    twice = data.draw(st.sampled_from(sorted(values)))
    runs = [record(seed=seed, accuracy=accuracy) for seed, accuracy in values.items()]
    runs += [record(seed=twice, tau=16.0), record(neuron="2-RS", seed=twice)]
    with pytest.raises(ValueError, match="do not tell all runs apart"):
        tables.compare(runs, ["task", "neuron"])
    with pytest.raises(ValueError, match="share a seed"):
        tables.contrast(runs, ["task"], "neuron", ["2-FS"], ["2-RS"])
    assert sorted(tables.compare(runs, ["task", "neuron", "tau"]).n) == sorted([len(values), 1, 1])
