"""Members of an ensemble learn what they would have learned alone."""

import pytest
import torch

from snnlib import datasets, networks, neurons, training
from snnlib.runs import ensemble, grids, jobs, records, store

SETTINGS = [
    (0, lambda n: neurons.SecondOrder(*neurons.PRESETS["2-FS"])),
    (1, lambda n: neurons.FirstOrder()),
    (0, lambda n: neurons.SecondOrder(*neurons.PRESETS["2-SDS"])),
    (2, lambda n: neurons.FirstOrder()),
]
BUDGET = {"epochs": 2, "batch_size": 50, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def task():
    return datasets.load("mnist", paper="mdn", train=120, test=60, source="stand-in")


def _members(task, settings=SETTINGS, hidden=20):
    nets = []
    for seed, factory in settings:
        training.initialise(seed)
        nets.append(networks.mlp(task.input_shape[0], hidden, task.classes, factory))
    return nets


def _alone(network, task, **settings):
    sets = (task.train_x, task.train_y), (task.test_x, task.test_y)
    return training.fit(network, *sets, task.encode, **settings)


def _same(history, alone):
    for a, b in zip(history, alone, strict=True):
        assert a.keys() == b.keys()
        assert a["epoch"] == b["epoch"]
        assert a["test_accuracy"] == pytest.approx(b["test_accuracy"], abs=1.7)  # one sample of sixty
        assert a["spike_rates"] == pytest.approx(b["spike_rates"], abs=2e-3)
        if b["train_loss"] is not None:
            assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)


def test_each_member_equals_its_solo_run(task):
    seeds = [seed for seed, _ in SETTINGS]
    members, solo = _members(task), _members(task)
    histories = ensemble.fit(members, task, seeds=seeds, **BUDGET)
    for history, network, member, seed in zip(histories, solo, members, seeds, strict=True):
        _same(history, _alone(network, task, seed=seed, **BUDGET))
        for a, b in zip(member.parameters(), network.parameters(), strict=True):
            assert torch.allclose(a, b, atol=2e-4)


def test_theta_is_learned_per_member(task):
    settings = [(s, lambda n: neurons.SecondOrder(neurons=n, learnable=True)) for s in (0, 1)]
    members, solo = _members(task, settings), _members(task, settings)
    budget = BUDGET | {"theta_learning_rate": 0.05, "observe": records.observe}
    histories = ensemble.fit(members, task, seeds=[0, 1], **budget)
    for seed in (0, 1):
        alone = _alone(solo[seed], task, seed=seed, **budget)
        assert histories[seed][-1]["theta_a"] == pytest.approx(alone[-1]["theta_a"], abs=1e-3)
    assert histories[0][-1]["theta_a"] != histories[1][-1]["theta_a"]


def test_goes_on_where_it_was_cut_off(task, tmp_path):
    seeds = [seed for seed, _ in SETTINGS]
    whole = ensemble.fit(_members(task), task, seeds=seeds, **BUDGET)

    def stop(histories):
        raise KeyboardInterrupt

    checkpoint = tmp_path / "column.ckpt"
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(_members(task), task, seeds=seeds, checkpoint=checkpoint, on_epoch=stop, **BUDGET)
    resumed = ensemble.fit(_members(task), task, seeds=seeds, checkpoint=checkpoint, **BUDGET)
    for a, b in zip(whole, resumed, strict=True):
        assert [h["train_loss"] for h in a] == [h["train_loss"] for h in b]
        assert a[-1]["test_accuracy"] == b[-1]["test_accuracy"]


def test_members_that_cannot_share_a_call_are_refused(task):
    with pytest.raises(ValueError, match="equal size"):
        ensemble.Ensemble([*_members(task, SETTINGS[:1], 10), *_members(task, SETTINGS[:1], 12)])
    with pytest.raises(ValueError, match="one by one"):
        ensemble.Ensemble(_members(task, [(0, lambda n: neurons.LIF())]))
    with pytest.raises(ValueError, match="one setting"):
        widths = [(0, lambda n, w=w: neurons.FirstOrder(half_width=w)) for w in (0.1, 0.5)]
        ensemble.Ensemble(_members(task, widths))
    stacked = ensemble.Ensemble(_members(task, [SETTINGS[0], SETTINGS[2]]))
    with pytest.raises(ValueError, match="2 members, but the axis after time has 3"):
        stacked[2](torch.rand(4, 3, 5, 20))


def test_a_column_of_runs_leaves_the_records_of_single_runs(tmp_path):
    runs = [
        grids.mdn_run(
            "mnist", neuron, seed, epochs=1, hidden=10, train_samples=100, test_samples=50, source="stand-in"
        )
        for neuron in ("2-FS", "1st-order")
        for seed in (0, 1)
    ]
    other = grids.mdn_run("mnist", "learned", 0, epochs=1, hidden=10, source="stand-in")
    assert jobs.columns([*runs, other]) == [runs, [other]]
    for record, r in zip(jobs.train_together(runs, tmp_path), runs, strict=True):
        alone = jobs.train_one(r, tmp_path / "alone")
        assert record["hash"] == r.hash and (tmp_path / f"{r.hash}.json").exists()
        assert (tmp_path / f"{r.hash}.pt").exists() == (r.seed == 0)
        assert record.keys() == alone.keys()
        assert record["accuracy_last"] == pytest.approx(alone["accuracy_last"], abs=2)
        assert record["curve"][1]["train_loss"] == pytest.approx(alone["curve"][1]["train_loss"], rel=1e-4)
    assert not list(tmp_path.glob("*.ckpt")) and not list(tmp_path.glob("*.partial.json"))


def test_a_column_that_is_cut_after_its_training_goes_on_as_a_whole(tmp_path, monkeypatch):
    small = dict(epochs=1, hidden=10, train_samples=100, test_samples=50, source="stand-in")
    runs = [grids.mdn_run("mnist", "2-FS", seed, **small) for seed in (0, 1)]
    real, made = records.record, []

    def cut(*given):
        if made:
            raise KeyboardInterrupt
        made.append(real(*given))
        return made[0]

    monkeypatch.setattr(records, "record", cut)
    with pytest.raises(KeyboardInterrupt):
        jobs.train_together(runs, tmp_path)
    assert not store.finished(tmp_path) and jobs.checkpoint_of(runs, tmp_path).exists()
    monkeypatch.setattr(records, "record", real)
    monkeypatch.setattr(ensemble, "update", lambda *_: pytest.fail("trained again"))
    assert [record["hash"] for record in jobs.train_together(runs, tmp_path)] == [r.hash for r in runs]
