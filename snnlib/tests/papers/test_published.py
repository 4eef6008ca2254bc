"""The published tables: complete, readable, consistent where the papers are, and known where they are not."""

import pytest

from snnlib.papers import published

SHAPES = {
    "mdn_table1": (7, 9),
    "mdn_table2": (4, 5),
    "mdn_candidates": (9, 7),
    "mdn_table3": (35, 4),
    "mdn_table4": (16, 6),
    "plif_table1": (6, 5),
    "plif_tableS1": (6, 5),
    "plif_table2": (48, 6),
    "plif_table3": (6, 6),
    "plif_table4": (16, 5),
    "plif_table5": (8, 5),
    "plif_tableS2": (12, 3),
    "plif_extra_ablation": (10, 5),
}


def accuracy(frame, **keys):
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    assert len(frame) == 1, keys
    return frame.iloc[0]


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name):
    assert published.table(name).shape == SHAPES[name]


def test_every_table_has_its_line_in_the_readme():
    readme = (published.paths.PUBLISHED / "README.md").read_text()
    assert [name for name in published.names() if f"`{name}.csv`" not in readme] == []


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match="mdn_table3.*plif_tableS2"):
        published.table("mdn_table9")


def test_spot_values():
    assert accuracy(published.table("mdn_table3"), task="cifar10", neuron="2-FS")["mean"] == 54.30
    assert accuracy(published.table("mdn_table2"), neuron="2-SDS")["theta_a"] == -0.009
    assert accuracy(published.table("mdn_table1"), task="tidigits")["eta_w"] == 1e-2
    assert accuracy(published.table("plif_table4"), dataset="cifar10", neuron="LIF", tau=16).accuracy == 47.50
    assert accuracy(published.table("plif_tableS2"), dataset="cifar10_dvs", protocol="B")["accuracy"] == 69.00
    assert accuracy(published.table("plif_table2"), dataset="cifar10", model="[19]")["accuracy"] == 93.63


def test_table2_of_mdn_is_four_of_the_nine_candidates():
    candidates = published.table("mdn_candidates").set_index("table2_name")
    for row in published.table("mdn_table2").itertuples():
        assert tuple(candidates.loc[row.neuron][list(row._fields[2:])]) == tuple(row[2:])


def test_table4_of_mdn_takes_its_own_values_from_table3():
    ours = published.table("mdn_table4").query("ours and learning_rules != 'MDNs, non-sequential, 3-layers'")
    table3 = published.table("mdn_table3")
    best = table3.loc[table3.groupby("task")["mean"].idxmax()].set_index("task")
    below_best = {}
    for row in ours.itertuples():
        source = table3[(table3.task == row.task) & (table3["mean"] == row.accuracy)]
        assert len(source) == 1, row
        if row.accuracy < best.loc[row.task, "mean"]:
            below_best[row.task] = source.neuron.item()
    # Presented as its best, but Table 3 has better: 2-RS on NETtalk, the 1st-order neuron on N-MNIST.
    assert below_best == {"nettalk": "2-FS", "n_mnist": "2-FS"}


def test_plif_tables_repeat_the_same_number():
    table2 = published.table("plif_table2").query("ours").set_index("dataset")["accuracy"]
    plif2 = published.table("plif_table4").query("neuron == 'PLIF' and tau == 2")
    plif2 = plif2.set_index("dataset")["accuracy"]
    pooled = published.table("plif_table5").query("pooling == 'max'").set_index("dataset")["accuracy"]
    without = published.table("plif_tableS2").query("protocol == 'A'").set_index("dataset")["accuracy"]
    assert (table2[plif2.index] == plif2).all() and (plif2 == pooled[plif2.index]).all()
    assert (table2[without.index] == without).all()


def test_plif_tables_agree_with_the_authors_logs():
    runs = published.author_runs().query("protocol == 'A' and in_paper_table")
    keys = ["dataset", "neuron", "tau", "pooling"]
    for name in ("plif_table4", "plif_table5", "plif_extra_ablation"):
        both = published.table(name).merge(runs, on=keys, validate="one_to_one")
        assert len(both) == len(published.table(name))
        assert (both.accuracy - both.accuracy_best).abs().max() < 0.0051, name


def test_plif_beats_lif_everywhere_but_once():
    ablation = ["plif_table4", "plif_extra_ablation"]
    values = {
        (r.dataset, r.neuron, r.tau): r.accuracy
        for name in ablation
        for r in published.table(name).query("pooling == 'max'").itertuples()
    }
    worse = [(d, t) for (d, n, t), v in values.items() if n == "PLIF" and v <= values[d, "LIF", t]]
    assert worse == [("n_mnist", 2.0)]  # 99.61 < 99.64, on a set that Sec. 4.3 ("always") leaves out


def test_table_s1_parses_as_the_text_says():
    for row in published.table("plif_tableS1").itertuples():
        assert row.published.count("{") == row.published.count("}")
        assert (row.published != row.corrected) == bool(row.reason)


def test_author_curves_join_their_runs():
    curves, runs = published.author_curves(), published.author_runs()
    assert len(runs) == 49 and len(curves) == 5362 and set(curves.run_id) == set(runs.run_id)
    best = curves.groupby("run_id").test_accuracy.max()
    assert (best - runs.set_index("run_id").accuracy_best).abs().max() < 0.01  # best epoch kept
    learned = curves.neuron == "PLIF"
    assert curves.tau_1.notna().eq(learned).all() and curves.tau_1[learned].min() > 1
