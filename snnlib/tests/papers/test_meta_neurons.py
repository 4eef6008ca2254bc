"""Generation of meta neurons: clustering on known clouds, and the filter on the paper's candidates."""

import numpy as np
import pandas as pd
import pytest

from snnlib import paths
from snnlib.papers import meta_neurons, published
from snnlib.papers.meta_neurons import THETAS
from snnlib.tests.notebook import generation_rule

RULE = generation_rule()
CANDIDATES = published.table("mdn_candidates")


def cloud(*centres, sizes=None, spread=0.004, seed=0):
    rng = np.random.default_rng(seed)
    sizes = sizes or [100] * len(centres)
    return np.concatenate([rng.normal(c, spread, (n, 2)) for c, n in zip(centres, sizes, strict=True)])


def record(task, ab, cd, epoch):
    theta = np.hstack([ab, cd]).T.tolist()
    return {"task": task, "theta": [{"epoch": epoch, **dict(zip(THETAS, theta, strict=True))}]}


def survivors(selected):
    """name -> theta of the candidates that the rule kept."""
    kept = selected[selected.name != ""]
    return dict(zip(kept.name, kept[list(THETAS)].itertuples(index=False, name=None), strict=True))


def test_clusters_find_known_centres_most_populated_first():
    centres = [(-0.1, 0.0), (0.0, 0.05), (0.1, -0.05)]
    found = meta_neurons.cluster(cloud(*centres, sizes=[50, 300, 120]))
    assert len(found.modes) == 3
    np.testing.assert_allclose(found.centres, [centres[1], centres[2], centres[0]], atol=0.002)
    assert found.sizes.tolist() == [300, 120, 50]
    np.testing.assert_allclose(found.points[found.labels == 2].mean(0), found.centres[2], atol=1e-9)


def test_a_mode_of_outliers_has_few_points_near_it():
    points = np.vstack([cloud((0.0, 0.0), sizes=[200]), [[5.0, 5.0]]])
    found = meta_neurons.Clusters(points, np.zeros(201, int), points[:1], np.array([[0.0, 0.0], [5, 5]]), 0.5)
    assert found.near_modes.tolist() == [200, 1]


def test_k_set_by_hand_leaves_what_mean_shift_found_visible():
    found = meta_neurons.cluster(cloud((0.02, 0.2)), k=3)
    assert (len(found.modes), len(found.centres)) == (1, 3)


def test_clustering_is_deterministic():
    points = cloud((0, 0), (0.1, 0.1), spread=0.03)
    first, second = meta_neurons.cluster(points), meta_neurons.cluster(points)
    assert np.array_equal(first.labels, second.labels) and np.array_equal(first.centres, second.centres)


@pytest.mark.parametrize("points", [np.full((20, 2), 0.2), np.array([[0.02, 0.2]])])
@pytest.mark.filterwarnings("error")
def test_points_without_spread_make_one_mode(points):
    found = meta_neurons.cluster(points)
    assert found.bandwidth == 0 and len(found.modes) == len(found.centres) == 1
    np.testing.assert_allclose(found.modes[0], points[0])
    assert len(meta_neurons.cluster(points, k=3).centres) == 1


def test_diverged_theta_is_named():
    with pytest.raises(ValueError, match="finite"):
        meta_neurons.cluster(np.array([[0.1, np.nan], [0, 0]]))


def test_collect_takes_the_snapshot_and_names_a_missing_one():
    ab, cd = cloud((0.06, 0.2)), cloud((0, 0.1))
    theta = meta_neurons.collect(record("mnist", ab, cd, epoch=5))  # 5 is the authors' snapshot for MNIST
    np.testing.assert_array_equal(theta, np.hstack([ab, cd]))
    with pytest.raises(ValueError, match="no theta of epoch 7: it ends with epoch 5"):
        meta_neurons.collect(record("mnist", ab, cd, epoch=5), 7)
    with pytest.raises(ValueError, match="not learned"):
        meta_neurons.collect({"task": "mnist", "theta": []})


def test_published_centres_combine_to_the_published_candidates():
    for task, ab, cd in (("mnist", 1, 3), ("tidigits", 3, 2)):
        paper = CANDIDATES[CANDIDATES.source_task == task]
        centres = [paper[list(pair)].drop_duplicates().to_numpy() for pair in (THETAS[:2], THETAS[2:])]
        assert [len(c) for c in centres] == [ab, cd]
        ours = RULE.combine(*centres, task)
        pd.testing.assert_frame_equal(ours, paper[ours.columns].reset_index(drop=True))


def test_filter_keeps_table_2_of_the_published_candidates():
    selected = RULE.select(CANDIDATES).set_index("candidate")
    assert selected.name.to_dict() == CANDIDATES.set_index("candidate").table2_name.to_dict()
    assert selected.why["spatial-3"] == "fires regardless of the input"
    assert selected.modulation["spatial-3"] < 0.1 and selected.modulation.drop("spatial-3").min() > 0.6
    assert selected.why["temporal-5"] == "like temporal-3" and selected.why["temporal-2"] == "like temporal-1"


def test_under_the_bare_sine_the_discarded_neuron_is_sensitive():
    bare = RULE.select(CANDIDATES, sigmoid=False).set_index("candidate")
    assert bare.modulation["spatial-3"] == 1 and bare.why["spatial-3"] == "kept"


def test_filter_does_not_depend_on_the_order_of_candidates():
    shuffled = RULE.select(CANDIDATES.sample(frac=1, random_state=3))
    assert survivors(shuffled) == survivors(RULE.select(CANDIDATES))


def test_near_duplicates_leave_one():
    twins = CANDIDATES.iloc[[5, 5]].assign(theta_d=[0.065, 0.06501], candidate=["a", "b"])
    assert list(survivors(RULE.select(twins))) == ["2-SDS"]


def test_silent_neurons_are_discarded(monkeypatch):
    nothing = {"input": np.sin(np.arange(60.0)), **dict.fromkeys(("spikes", "V", "U"), np.zeros((9, 60)))}
    monkeypatch.setattr(meta_neurons, "respond", lambda *_: nothing)
    selected = RULE.select(CANDIDATES)
    assert set(selected.why) == {"silent"} and survivors(selected) == {}


def test_generation_recovers_the_published_neurons_from_clouds_around_their_centres():
    cd = cloud((-0.065, 0.003), (-0.010, 0.050), (-0.135, -0.051), sizes=[200, 60, 40])
    mnist = record("mnist", cloud((0.060, 0.219), sizes=[300]), cd, epoch=5)
    theta = meta_neurons.collect(mnist)
    ab, cd = meta_neurons.cluster(theta[:, :2]), meta_neurons.cluster(theta[:, 2:])
    candidates = RULE.combine(ab.centres, cd.centres, "mnist")
    assert (len(ab.modes), len(cd.modes), len(candidates)) == (1, 3, 3)
    found = survivors(RULE.select(candidates))
    np.testing.assert_allclose(found["2-FS"], (0.060, 0.219, -0.065, 0.003), atol=0.003)
    np.testing.assert_allclose(found["2-RS"], (0.060, 0.219, -0.010, 0.050), atol=0.003)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda profile: tmp_path / profile)

    def write(*selections):
        table = RULE.table2(list(selections), {"mnist": "MNIST", "tidigits": "TIDigits"})
        (tmp_path / "p" / "tables").mkdir(parents=True, exist_ok=True)
        table.to_csv(tmp_path / "p" / "tables" / "mdn_table2.csv", index=False)
        return table

    return write


def test_table_2_round_trip(results):
    selected = RULE.select(CANDIDATES)
    table = results(selected, selected)
    assert (table.difference == 0).all() and (table.n == 2).all() and (table.sd == 0).all()
    assert meta_neurons.generated_thetas("p") == survivors(selected)


def test_table_2_says_who_did_not_survive(results):
    table = results(RULE.select(CANDIDATES[CANDIDATES.source_task == "mnist"]))
    assert set(table.neuron[table.note == "none survived"]) == {"2-SDS", "2-WDS"}
    with pytest.raises(ValueError, match="no 2-SDS, 2-WDS"):
        meta_neurons.generated_thetas("p")


def test_generated_thetas_before_chapter_02(results):
    with pytest.raises(FileNotFoundError, match="make 02 PROFILE=elsewhere"):
        meta_neurons.generated_thetas("elsewhere")
