"""The scoreboard: claims are complete data, rules decide as they say, gaps in the records are named."""

import dataclasses
import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from snnlib import claims
from snnlib.claims import measures, selection, sources, verdicts
from snnlib.figures import claims as drawing
from snnlib.papers import published
from snnlib.runs import grids


def record(neuron, seed, accuracy, task="mnist", *, source="official", epochs=20, samples=0, **more):
    """A run as far as the scoreboard reads it."""
    paper, pooling, tau = ("plif", "max", 2.0) if "LIF" in neuron else ("mdn", "", 0.0)
    found = sources._record(paper, task, neuron, accuracy, tau=tau, pooling=pooling)
    found["config"] |= {"epochs": epochs, "batch_size": 100, "train_samples": samples, "test_samples": 0}
    found |= {"hash": f"{task}{neuron}{seed}{epochs}", "network": "mlp-500", "seed": seed, "source": source}
    return found | {"train_samples": samples or 60000, "test_samples": 10000} | more


def runs(values, task="mnist", **more):
    """neuron -> accuracies, as records with seeds 0, 1, ..."""
    return [
        record(neuron, seed, accuracy, task, **more)
        for neuron, accuracies in values.items()
        for seed, accuracy in enumerate(accuracies)
    ]


def judge(records, *ids):
    listed = claims.listed()
    chosen = listed[listed.id.isin(ids)].reset_index(drop=True)
    assert len(chosen) == len(ids)
    return claims.scoreboard(records, chosen).set_index("id")


# --- the list -----------------------------------------------------------------------------------------------


def test_every_claim_is_complete():
    listed, raw = claims.listed(), published.table("claims")
    assert listed.id.is_unique and len(listed) >= 60
    for name in (*claims.WORDS, "measure", "arguments", "test"):
        if name not in ("arguments", "sesoi", "main"):
            assert (raw[name].str.strip() != "").all(), name
    assert np.isfinite(raw.sesoi).all() and (raw.sesoi >= 0).all()
    assert set(listed.paper) == {"mdn", "plif", "ours"} and set(listed.test) <= set(verdicts.RULES)
    families = claims.families().set_index("family")
    assert (families.paper[listed.family].to_numpy() == listed.paper).all()
    assert set(families.index) == set(listed.family) and set(families["rank"]) == {"primary", "secondary"}
    assert (
        set(listed.needs) == {"", "paper", "restart", "equal samples", "control"} and listed.main.sum() == 12
    )
    assert listed.statement.is_unique and listed.label.str.len().max() <= 46
    for claim in listed.itertuples(index=False):
        assert callable(claims.measure(claim)), claim.id
        assert claim.rule.startswith(("Holds if", "Computed: holds if")), claim.id
        if not claim.computed:
            assert f"{claim.sesoi:g}" in claim.rule, claim.id


def test_an_unknown_measure_is_named():
    claim = claims.listed().assign(measure="guess").iloc[0]
    with pytest.raises(ValueError, match="names the measure 'guess'"):
        claims.measure(claim)


def test_the_list_covers_what_was_promised():
    ids = " ".join(claims.listed().id)
    for wanted in (
        "centres_mnist_ab centres_tidigits_cd fs_above_rs sds_above_wds "
        "spatial_fashion_mnist spatial_nettalk spatial_cifar10 temporal_timit "
        "similar_n_mnist narrowed_gap first_like_spatial first_below_temporal cap_first "
        "mixed_mnist mixed_tidigits plif_lif_2_cifar10 plif_lif_16_cifar10 "
        "collapse_cifar10 robust_cifar10 gather_cifar10 fc_tau_grows w_over_tau "
        "pooling_cifar10 steps_4 weight_scales_v tau_scales_time encoder_poisson "
        "encoder_latency"
    ).split():
        assert wanted in ids


# --- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "values", "verdict"),
    [
        ("above", [3.0, 3.1, 2.9], "holds"),
        ("above", [-3.0, -3.1, -2.9], "fails"),
        ("above", [0.5, 0.51, 0.49], "fails"),  # real, but less than the smallest effect that counts
        ("above", [9.0, -4.0, 2.0], "undecided"),
        ("above", [3.0], "undecided"),
        ("above", [3.0, 3.0, 3.0], "undecided"),  # a tie is no certainty
        ("at_least", [0.0, 0.1, -0.1], "holds"),
        ("at_least", [-3.0, -3.1, -2.9], "fails"),
        ("similar", [0.1, 0.0, -0.1], "holds"),
        ("similar", [3.0, 3.1, 2.9], "fails"),
        ("similar", [-3.0, -3.1, -2.9], "fails"),
        ("similar", [0.9, -0.5, 1.1], "undecided"),
    ],
)
def test_rules(test, values, verdict):
    effect = verdicts.over_seeds(dict(enumerate(values)))
    p = verdicts.p_value(test, 1.0, effect)
    assert verdicts.decide(test, 1.0, effect, p)[0] == verdict


# --- records ------------------------------------------------------------------------------------------------

STRONG = {
    "2-FS": [98.6, 98.7, 98.5],
    "2-RS": [98.2, 98.3, 98.2],
    "2-SDS": [94.8, 94.9, 94.7],
    "2-WDS": [95.2, 95.0, 95.0],
}


def test_holds_fails_and_missing():
    board = judge(runs(STRONG), "spatial_mnist", "fs_above_rs", "temporal_timit")
    row = board.loc["spatial_mnist"]
    assert (row.verdict, row.n, row.scope) == ("holds", 3, "at the paper's size")
    mean = {name: np.mean(values) for name, values in STRONG.items()}
    assert row.ours == pytest.approx((mean["2-FS"] + mean["2-RS"] - mean["2-SDS"] - mean["2-WDS"]) / 2)
    assert row.low < row.ours < row.high and row.published == pytest.approx(3.395)
    assert row.p_holm >= row.p and row.difference == pytest.approx(row.ours - row.published)
    missing = board.loc["temporal_timit"]
    assert (missing.verdict, missing.reason, missing.n) == ("not testable here", "not recorded", 0)
    swapped = dict(zip(STRONG, [*STRONG.values()][2:] + [*STRONG.values()][:2], strict=True))
    assert judge(runs(swapped), "spatial_mnist").verdict.item() == "fails"
    one = judge(runs({name: values[:1] for name, values in STRONG.items()}), "spatial_mnist").iloc[0]
    assert (one.verdict, one.reason, one.n) == ("undecided", "one seed", 1) and math.isnan(one.low)


def test_correction_counts_the_planned_tests_of_a_family():
    planned = claims.planned_tests()
    board = judge(runs(STRONG), "spatial_mnist", "fs_above_rs", "temporal_timit")
    for name, family in (("spatial_mnist", "mdn_specialists"), ("fs_above_rs", "mdn_details")):
        assert board.p_holm[name] == pytest.approx(planned[family] * board.p[name])  # missing tests count too
    assert (planned["ours_signed"], planned["ours_step"]) == (3, 1) and len(planned) > 8


def test_correction_stays_within_a_family():
    board = claims.scoreboard(runs(STRONG)).set_index("id")
    tested = board[board.p.notna()]
    assert tested.family.nunique() > 1
    for _, rows in tested.groupby("family"):
        assert rows.p_holm.tolist() == verdicts.holm(
            rows.p.tolist(), claims.planned_tests()[rows.family.iloc[0]]
        )


def test_dead_runs_decide_nothing_alone():
    """A network that never spikes at its output is at chance; no mean may mix it with those that learned."""
    alive = runs(STRONG)
    assert judge(alive, "spatial_mnist").dead.item() == 0
    silent = [
        run | {"accuracy_last": 10.0, "seed": 3, "spike_rates": [0.4, 0.0]} for run in runs(STRONG)[::3]
    ]
    same = judge(alive + silent, "spatial_mnist").iloc[0]
    assert (same.n, same.dead, same.verdict) == (4, 4, "undecided")  # all at chance: an effect of 0
    assert "4 of 16 runs never learned" in same.reason
    lone = [run for run in silent if run["neuron"] == "2-SDS"]
    rest = [run | {"accuracy_last": STRONG[run["neuron"]][0], "spike_rates": [0.4, 0.1]} for run in silent]
    rest = [run for run in rest if run["neuron"] != "2-SDS"]
    wild = judge(alive + rest + lone, "spatial_mnist").iloc[0]
    assert (wild.n, wild.dead, wild.verdict) == (4, 1, "undecided") and wild.ours > 10
    none_left = judge([run | {"spike_rates": [0.4, 0.0]} for run in alive], "spatial_mnist").iloc[0]
    assert none_left.verdict == "undecided" and "every seed has a run that never learned" in none_left.reason


def test_two_living_seeds_decide_nothing():
    values = verdicts.over_seeds({0: 5.0, 1: 5.1})
    effect = dataclasses.replace(verdicts.over_seeds({0: 5.0, 1: 5.1, 2: 4.9}), dead=1, living=values)
    assert verdicts.decide("above", 1.0, effect, 1e-4)[0] == "undecided"
    assert verdicts.decide("above", 1.0, dataclasses.replace(effect, dead=0), 1e-4)[0] == "holds"


def test_which_of_two_records_counts_hangs_on_no_order():
    plain = runs({"2-FS": [1.0], "2-RS": [2.0]})
    again = [run | {"hash": "0", "accuracy_last": 9.0} for run in plain]  # chapter 08's, with tests
    again = [run | {"config": run["config"] | {"tests": ["in order"]}} for run in again]
    for records in (plain + again, again + plain):
        found = selection.seeds_of(records, "mnist", ["2-FS", "2-RS"])
        assert [run["accuracy_last"] for run in found[0]] == [1.0, 2.0]


def test_frames_schedules_and_the_width_of_the_fc_layer_are_part_of_a_budget():
    a, b = record("PLIF", 0, 50.0, "dvs128_gesture"), record("LIF", 0, 60.0, "dvs128_gesture")
    a["config"]["task_options"] = [["resolution", 32], ["time_steps", 8]]
    assert selection.seeds_of([a, b], "dvs128_gesture", ["PLIF/2/max", "LIF/2/max"]) == {}
    b["config"]["task_options"] = a["config"]["task_options"]
    assert len(selection.seeds_of([a, b], "dvs128_gesture", ["PLIF/2/max", "LIF/2/max"])) == 1
    b["config"] |= {"schedule": "cosine64"}
    assert selection.seeds_of([a, b], "dvs128_gesture", ["PLIF/2/max", "LIF/2/max"]) == {}
    narrow, wide = (rung(w, [80.0, 81.0, 82.0], [72.0, 73.2, 73.9]) for w in (8, 16))
    odd = [run | {"network": "c8k3s1-FC2", "hash": run["hash"] + "x"} for run in narrow[:1] + narrow[3:4]]
    rungs = selection.across_widths(odd + narrow + wide, "fashion_mnist", ["LIF/2/max", "LIF/16/max"])
    assert [len(seeds) for seeds in rungs.values()] == [3, 3]


def test_a_verdict_against_the_papers_own_number_says_so():
    drop = {("LIF", 2.0): [90.0, 90.1, 89.9], ("LIF", 16.0): [80.0, 80.1, 79.8]}
    made = [
        record(neuron, seed, accuracy, "fashion_mnist", epochs=16, samples=10000, tau=[[tau]])
        for (neuron, tau), values in drop.items()
        for seed, accuracy in enumerate(values)
    ]
    for run in made:
        run["config"]["tau"] = run["tau"][0][0]
    row = judge(made, "collapse_fashion_mnist").iloc[0]
    assert (row.verdict, row.scope) == ("undecided", "at our size")
    assert row.reason.startswith(
        "holds in our networks; by the paper's own number, -0.30, the sentence fails"
    )


def test_other_sizes_are_shown_and_the_nearest_with_enough_seeds_is_judged():
    full, short = runs(STRONG), runs(STRONG, epochs=5)
    row = judge(full + short, "spatial_mnist").iloc[0]
    assert row.scope == "at the paper's size" and row.sizes.startswith("3.") and "5 epochs" in row.sizes
    few = judge([run for run in full if run["seed"] == 0] + short, "spatial_mnist").iloc[0]
    assert (few.n, few.scope) == (3, "at our size") and "20 epochs" in few.sizes and "1 seed" in few.sizes
    assert "2-SDS" in row.parts


def test_other_learning_rates_and_longer_runs_are_no_evidence():
    run = runs({"2-FS": [98.0]})[0]
    run["config"]["learning_rate"] = 0.1
    assert not selection.matches(run, "mnist", "2-FS")
    run["config"]["learning_rate"] = 0.001
    assert selection.matches(run, "mnist", "2-FS")  # Table 1's
    run["config"]["epochs"] = 60
    assert not selection.matches(run, "mnist", "2-FS")


def test_what_settles_under_one_annealing_is_not_tested():
    spread = [{"epoch": i, "variance": 1.0, "quantiles": []} for i in range(9)]
    made = [
        record(
            "PLIF", seed, 90.0, "fashion_mnist", w_over_tau=[p | {"variance": 1 + seed / 1e3} for p in spread]
        )
        for seed in range(3)
    ]
    for run, schedule, testable in (
        (run, s, t) for s, t in (("cosine20", False), ("cosine8", True)) for run in made
    ):
        run["config"]["schedule"] = schedule
        row = judge([run], "w_over_tau").iloc[0]
        assert (row.verdict != "not testable here") == testable
        assert testable or "anything settles" in row.reason


def test_a_gap_between_tasks_needs_as_many_samples_in_both():
    few = runs(STRONG, "n_mnist", samples=1000)
    row = judge(runs(STRONG) + few, "narrowed_gap").iloc[0]
    assert row.verdict == "not testable here" and "different numbers of training samples" in row.reason
    assert "samples" not in judge(runs(STRONG) + runs(STRONG, "n_mnist"), "narrowed_gap").reason.item()


def test_a_stand_in_tests_nothing_but_is_shown():
    row = judge(runs(STRONG, source="stand-in"), "spatial_mnist").iloc[0]
    assert row.verdict == "not testable here" and row.reason == "stand-in data: mnist"
    assert row.ours > 3 and math.isnan(row.p_holm)


def test_one_task_refutes_no_mean_over_several():
    def curves(gain):
        to = [("LIF", 80.0), ("PLIF", 80.0 + gain)]
        return [
            record(
                neuron,
                seed,
                value,
                "fashion_mnist",
                curve=[
                    {"epoch": e, "test_accuracy": value + 0.001 * seed * (neuron == "LIF")} for e in (1, 2)
                ],
            )
            for neuron, value in to
            for seed in range(3)
        ]

    row = judge(curves(0.1), "faster_2").iloc[0]
    assert row.p_holm < 0.05 and row.verdict == "undecided"
    assert "fails where it could be tested" in row.reason and "without cifar10" in row.reason
    assert row.authors < 0.2  # theirs on Fashion-MNIST alone, too


def test_what_speaks_against_an_untestable_sentence_is_said():
    made = [record("PLIF", seed, 90.0, "cifar10_dvs", source="stand-in") for seed in range(3)]
    other = [r | {"hash": r["hash"] + "16", "config": r["config"] | {"tau": 16.0}} for r in made]
    row = judge(made + other, "robust_cifar10_dvs").iloc[0]
    assert row.verdict == "not testable here" and row.reason.startswith("stand-in data: ")
    assert "by the paper's own number, -4.30, the sentence fails" in row.reason


def test_absolute_accuracies_need_the_papers_budget():
    full = [record("1st-order", seed, 99.0 + seed / 100) for seed in range(3)]
    row = judge(full, "mdn_sota").iloc[0]
    assert row.ours == pytest.approx(99.01 - 98.64)
    # MNIST alone cannot prove what is said of four tasks, but it can refute it
    assert row.verdict == "undecided" and "holds where it could be tested" in row.reason
    assert judge(runs({"1st-order": [97.0, 97.1, 97.05]}), "mdn_sota").verdict.item() == "fails"
    for task, neuron in (("fashion_mnist", "2-FS"), ("nettalk", "2-FS")):
        full += runs({neuron: [99.0, 99.01, 99.02]}, task)
    full += runs({"2-FS": [99.0, 99.01, 99.02]}, "cifar10", network="mlp-1500")
    assert judge(full, "mdn_sota").verdict.item() == "holds"
    short = judge(runs({"1st-order": [99.0, 99.1, 99.05]}, epochs=2), "mdn_sota").iloc[0]
    assert short.verdict == "not testable here" and "less training" in short.reason


def test_seeds_are_paired_and_budgets_are_not_mixed():
    a, b = [98.0, 90.0, 70.0], [97.0, 89.1, 68.9]  # only pairs show that a is better by one
    assert judge(runs({"2-FS": a, "2-RS": b}), "fs_above_rs").verdict.item() == "holds"
    mixed = runs({"2-FS": a}) + runs({"2-RS": b}, epochs=2)
    assert judge(mixed, "fs_above_rs").reason.item() == "not recorded"
    both = runs({"2-FS": [1.0] * 4, "2-RS": [2.0] * 4}, epochs=2) + runs({"2-FS": a, "2-RS": b})
    assert judge(both, "fs_above_rs").ours.item() == pytest.approx(1.0)  # the longer training counts
    assert selection.seeds_of(runs({"2-FS": a, "2-RS": b[:2]}), "mnist", ["2-FS", "2-RS"]).keys() == {0, 1}


def test_precisions_are_never_mixed_and_float32_counts_first():
    coarse = runs({"2-FS": [1.0, 2.0, 3.0]})
    for run in coarse:
        run["config"]["precision"] = "bfloat16"
    exact = runs({"2-FS": [5.0, 6.0, 7.0], "2-RS": [5.0, 6.0, 7.0]})
    assert len(selection.by_budget(coarse + exact, "mnist", ["2-FS"])) == 2
    chosen = selection.seeds_of(coarse + exact, "mnist", ["2-FS"])
    assert [run["accuracy_last"] for (run,) in chosen.values()] == [5.0, 6.0, 7.0]
    assert judge(coarse + exact[3:], "fs_above_rs").reason.item() == "not recorded"


def rung(width, first, second, **more):
    """Three seeds of LIF from 2 and from 16 in a network of that width."""
    made = []
    for tau, accuracies in ((2.0, first), (16.0, second)):
        for run in runs({"LIF": accuracies}, "fashion_mnist", network=f"c{width}k3s1-FC{width}", **more):
            run["config"] |= {"tau": tau, "learning_rate": 1e-3}
            made.append(run)
    return made


def test_an_effect_is_followed_over_widths_that_differ_in_nothing_else():
    arguments = {"task": ["fashion_mnist"], "effect": ["gap"], "value": ["last"]}
    arguments |= {"a": ["LIF/2/max"], "b": ["LIF/16/max"]}
    narrow, middle = rung(8, [80.0, 81.0, 82.0], [72.0, 73.2, 73.9]), rung(16, [85.0] * 3, [81.0, 81.1, 80.9])
    wide = rung(32, [90.0] * 3, [89.0, 89.1, 88.9])
    effect = measures.widening(narrow + middle + wide, arguments)
    assert effect.ours == pytest.approx(np.mean([8.0, 7.8, 8.1]) - 1.0) and effect.n == 3
    assert "width 8" in effect.note and "with 32" in effect.note
    # a rung of two seeds does not count, nor one with more training
    short = measures.widening(narrow + middle + wide[:2] + wide[3:5], arguments)
    assert short.ours == pytest.approx(np.mean([8.0, 7.8, 8.1]) - 4.0)
    longer = rung(32, [90.0] * 3, [89.0, 89.1, 88.9], epochs=60)
    assert measures.widening(narrow + longer, arguments) is None
    assert measures.widening(narrow + middle + longer, arguments).ours == pytest.approx(short.ours)
    assert measures.widening(narrow, arguments) is None


def test_other_theta_and_options_are_other_neurons():
    strange = runs({"2-FS": [98.0]})[0]
    assert selection.matches(strange, "mnist", "2-FS")
    assert not selection.matches(strange, "mnist", "2-RS")
    assert not selection.matches(strange, "nettalk", "2-FS")
    strange["config"]["theta"] = (0.1, 0.2, 0.3, 0.4)
    assert not selection.matches(strange, "mnist", "2-FS")
    whole = record("2-SDS", 0, 90.0, "tidigits")
    whole["config"]["task_options"] = [["form", "spectrogram"]]
    assert selection.matches(whole, "tidigits", "2-SDS/form:spectrogram")
    assert not selection.matches(whole, "tidigits", "2-SDS")
    few = record("PLIF", 0, 90.0, "fashion_mnist")
    few["config"]["task_options"] = [["time_steps", 4]]
    assert selection.matches(few, "fashion_mnist", "PLIF/2/max/time_steps:4")
    assert not selection.matches(few, "fashion_mnist", "PLIF/2/max")


def test_tasks_of_a_general_sentence_are_chosen_without_looking_at_results():
    several = runs({"1st-order": [90.0, 91.0], "2-FS": [90.1, 91.3], "2-RS": [90.2, 91.2]})
    single = runs({"1st-order": [10.0], "2-FS": [50.0], "2-RS": [50.0]}, "cifar10")
    far = {"1st-order": [10.0, 11.0], "2-FS": [50.0, 50.0], "2-RS": [50.0, 50.0]}
    made = runs(far, "nettalk", source="stand-in")
    row = judge(several + single + made, "first_like_spatial").iloc[0]
    assert row.n == 2 and abs(row.ours) < 1 and "without" in row.reason and "cifar10" in row.reason
    assert judge(made, "first_like_spatial").verdict.item() == "not testable here"


def test_time_constants():
    taus = {2.0: [[2.0] * 4, [1.5, 1.6, 8.0, 3.0]], 16.0: [[16.0] * 4, [1.5, 1.6, 16.0, 3.0]]}
    two, sixteen = (record("PLIF", 0, 90.0, "fashion_mnist", tau=taus[start]) for start in (2.0, 16.0))
    sixteen["config"]["tau"] = 16.0
    both = {"task": ["fashion_mnist"], "a": ["PLIF/2/max", "PLIF/16/max"]}
    effect = measures.gathering([two, sixteen], both)
    assert effect.ours == pytest.approx(2 / 3)  # three layers met, one closed from 8 times to twice
    grown = measures.growth([two], {"task": ["fashion_mnist"], "a": ["PLIF/2/max"]})
    assert grown.ours == pytest.approx(2.0)  # from 2 to 8
    assert measures.settling([two], {"task": ["fashion_mnist"], "a": ["PLIF/2/max"]}) is None


def test_clusters_count_modes():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(centre, 0.001, 40) for centre in (0.0, 0.5)])
    theta = [{"epoch": 2, **{name: points.tolist() for name in ("theta_a", "theta_b", "theta_c", "theta_d")}}]
    made = [record("learned", seed, 98.0, theta=theta) for seed in range(3)]
    board = judge(made, "centres_mnist_ab")
    assert board.ours.item() == 1 and board.verdict.item() == "fails"  # two modes, one claimed
    assert "found 2, 2, 2 (epoch 2)" in board.reason.item()


def test_papers_and_authors_go_through_the_same_measures():
    board = claims.scoreboard([]).set_index("id")
    assert board.published["collapse_cifar10"] == pytest.approx(93.03 - 47.50)
    assert board.authors["collapse_cifar10"] == pytest.approx(45.53)
    assert board.published["narrowed_gap"] == pytest.approx(3.395 - 0.465)
    assert 0.8 < board.authors["gather_cifar10"] < 1 and math.isnan(board.published["gather_cifar10"])
    assert board.published["mdn_sota"] == pytest.approx(0.05) and len(sources.authors()) >= 30
    computed = board[board.scope == claims.ARITHMETIC]
    assert len(computed) == 10 and (computed.low == computed.high).all()
    assert set(computed[computed.verdict == "fails"].index) == {"encoder_poisson"}
    readings = computed[computed.verdict == "undecided"]
    assert set(readings.index) == {"linear_fs_rs", "third_spatial"}
    assert readings.reason.str.startswith("its readings disagree; ").all()
    rest = board.drop(computed.index)
    assert rest.reason.str.startswith("not recorded").all() and (rest.verdict == "not testable here").all()


def test_the_picture_shows_every_claim():
    board = claims.scoreboard(runs(STRONG))
    figure = drawing.claims(board)
    labels = [text.get_text() for axis in figure.axes for text in axis.get_yticklabels()]
    assert sorted(labels) == sorted(board.label)
    words = [text.get_text() for axis in figure.axes for text in axis.texts]
    for verdict, (_, symbol) in drawing.VERDICTS.items():
        assert words.count(symbol) == (board.verdict == verdict).sum()
    plt.close(figure)


def test_what_was_measured_on_other_data_is_drawn_hollow():
    def filled(source):
        board = judge(runs(STRONG, source=source), "spatial_mnist", "fs_above_rs").reset_index()
        figure = drawing.claims(board)
        dots = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "o"]
        plt.close(figure)
        return [dot.get_markerfacecolor() != "white" for dot in dots]

    assert filled("official") == filled("package") == [True, True]
    assert filled("open set") == filled("part") == [False, False]


def test_an_effect_outside_the_axis_is_an_arrow_with_its_number():
    weak = dict(STRONG, **{"2-FS": [11.0, 11.1, 11.2]})
    figure = drawing.claims(judge(runs(weak), "fs_above_rs").reset_index())
    (axis,) = figure.axes
    assert "<" in [line.get_marker() for line in axis.lines]
    assert "-87" in [text.get_text().strip() for text in axis.texts]
    plt.close(figure)


# --- the grid -----------------------------------------------------------------------------------------------


def test_fewer_steps_are_an_option_of_the_data_set():
    plif = {"seeds": 1, "epochs": 1, "train_samples": 40, "test_samples": 20, "channels": 4, "features": 16}
    runs = grids.fewer_steps([4, 2], **plif)
    assert [run.task_options for run in runs] == [(("time_steps", 4),), (("time_steps", 2),)]


def test_a_verdict_that_the_other_axis_of_the_spoken_digits_turns_is_undecided():
    def both(along_time, along_bands):
        spatial = {"2-FS": [70.0, 70.2, 70.4], "2-RS": [70.0, 70.2, 70.4]}
        boards = []
        for gain in (along_time, along_bands):
            temporal = {name: [70 + gain + 0.1 * seed for seed in range(3)] for name in ("2-SDS", "2-WDS")}
            boards.append(runs(spatial | temporal, "tidigits", source="open set"))
        for run in boards[1]:
            run["config"]["task_options"] = [["time_axis", "band"]]
        return judge(boards[0] + boards[1], "temporal_tidigits").loc["temporal_tidigits"]

    turned, same = both(9, -3), both(9, 5)
    assert turned.verdict == "undecided" and "its readings disagree: -3.10 with steps along" in turned.reason
    assert same.verdict == "holds" and "4.90 with steps along the bands" in same.reason
    assert turned.ours == same.ours  # the number stays that of the text's axis
    assert both(0.2, 9).verdict == both(-9, 9).verdict == "undecided"
