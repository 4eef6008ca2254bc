"""The runs of chapter 08: what their neurons are, that hashes tell them apart, what their records hold."""

import dataclasses
import json
import math

import pytest
import torch

from snnlib import claims, networks, neurons, paths
from snnlib.claims import selection
from snnlib.claims.temporal import setting_of
from snnlib.datasets import series
from snnlib.neurons import PRESETS
from snnlib.papers import published
from snnlib.results import tables
from snnlib.runs import check, ensemble, grids, jobs, kept, plan, time_grids
from snnlib.runs.config import beyond, from_config
from snnlib.tests.runs.samples import BASE, made

THETA = PRESETS["2-WDS"]


def layer(neuron, **changes):
    return jobs.neuron_factory(dataclasses.replace(BASE, neuron=neuron, **changes))(5)


def currents():
    return torch.rand(40, 3, 5, generator=torch.Generator().manual_seed(1))


def test_no_recorded_hash_knows_of_orders_and_tests():
    assert {"order", "tests"}.isdisjoint(BASE.config)
    changed = dataclasses.replace(BASE, order="shuffled", tests=("reversed",))
    assert {"order", "tests"} <= set(changed.config) and from_config(made(changed)["config"]) == changed
    with pytest.raises(ValueError, match="is no order"):
        dataclasses.replace(BASE, tests=("backwards",))


def test_what_was_changed_is_no_evidence_for_the_papers():
    assert beyond(dataclasses.replace(BASE, order="shuffled").config) == ("shuffled",)
    assert beyond(dataclasses.replace(BASE, tau=4.0).config) == ("other leak",)
    assert not beyond(BASE.config)


def test_the_leak_of_the_published_neuron_is_one_of_the_grid():
    assert torch.equal(layer("1st-order", tau=1.25)(currents()), neurons.FirstOrder()(currents()))
    constant = torch.linspace(0.3, 0.5, 5).expand(400, 1, 5).contiguous()
    for tau in time_grids.TAUS:  # all fire at the same constant currents, LIF too
        for name in ("1st-order", "LIF"):
            assert layer(name, tau=tau)(constant).sum(0)[0].bool().tolist() == [False] * 2 + [
                False,
                True,
                True,
            ]


def test_parts_of_the_2nd_order_neuron_are_their_equations():
    x, u0 = currents(), 0.08
    (a, b, c, d) = THETA
    none = layer("neither", theta=(0.0, b, c, 0.0))
    assert torch.equal(none(x), (x - torch.tensor(u0) > 0.25).float())  # no memory at all
    for name, quadratic, threshold in (("U-alone", 0.0, 0.25), ("2-WDS", 1.0, 0.5)):
        spikes, traced = layer(name, theta=THETA)(x, trace=True)
        v, u = torch.zeros(3, 5), torch.full((3, 5), u0)
        for t in range(len(x)):
            v, u = quadratic * v * v - u + x[t], u + a * (b * v - u)
            for variable, value in (("V", v), ("U", u)):
                assert torch.allclose(traced[variable][t], value, atol=1e-5)
            s = spikes[t]
            assert torch.equal(s, (traced["V"][t] > threshold).float())
            v, u = v * (1 - s) + c * s, u + d * s
    assert layer("half-step", theta=THETA).dt == 0.5


@pytest.mark.parametrize("theta", PRESETS.values())
def test_a_semi_implicit_step_takes_the_new_u(theta):
    (a, b, c, d), x = theta, currents()
    v, u = torch.zeros(3, 5), torch.full((3, 5), 0.08)
    spikes, traced = layer("semi-implicit", theta=theta)(x, trace=True)
    for t in range(len(x)):
        u = u + a * (b * v - u)
        v = v * v - u + x[t]  # step 1: the terms -V and +V cancel
        assert torch.allclose(traced["V"][t], v, atol=1e-5)
        s = spikes[t]
        v, u = v * (1 - s) + c * s, u + d * s
    assert not torch.equal(traced["V"], layer("2-WDS", theta=theta)(x, trace=True)[1]["V"])


def test_a_signed_current_is_another_network_with_the_same_weights():
    budget = {"seeds": 1, "hidden": 6}
    plain, signed = time_grids.timed("tidigits", ["2-WDS", "2-WDS/current:signed"], **budget)
    built = [jobs.build(r) for r in (plain, signed)]
    states = [network.state_dict() for network in built]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    x = torch.randn(4, 2, states[0]["0.0.weight"].shape[1])
    current = built[1][0](x)
    assert (current < 0).any() and torch.equal(built[0][0](x), current.sigmoid())
    assert plan.work(signed) == plan.work(plain) and tables.network_size(signed.network).endswith("current")
    assert beyond(signed.config) == ("signed current",) and not beyond(plain.config)
    columns = jobs.columns([plain, signed])
    assert [{r.network for r in column} for column in columns] == [{plain.network}, {signed.network}]
    with pytest.raises(ValueError, match="same layers"):
        ensemble.Ensemble(built)


@pytest.mark.parametrize(
    "current, of_signed",
    [("tanh", torch.tanh), ("rectified", torch.relu), ("raised", lambda x: x + 0.5)],
)
def test_currents_with_one_property_of_the_sigmoid(current, of_signed):
    names = [f"1st-order/current:{name}" for name in ("signed", current)]
    runs = time_grids.timed("tidigits", names, seeds=1, hidden=6)
    signed, other = (jobs.build(r)[0](torch.linspace(-9, 9, 60).view(2, 1, 30)) for r in runs)
    assert torch.equal(other, of_signed(signed)) and not torch.equal(other, signed)
    assert current in time_grids.WITH_THE_SIGMOIDS and beyond(runs[1].config) == (f"{current} current",)
    grid = time_grids.sigmoids("tidigits", 1, hidden=6)
    written = {setting_of({"neuron": r.neuron, "network": r.network, "config": r.config}) for r in grid}
    assert names[1] in written and len(written) == len(grid) == 9


def test_an_unknown_current_is_named():
    with pytest.raises(ValueError, match="Unknown current 'bounded'; use one of sigmoid, signed"):
        networks.mlp(3, 4, 2, lambda size: layer("2-FS"), current="bounded")


def test_settings_of_signed_currents_are_written_as_they_are_read():
    runs = time_grids.signed("tidigits", 2, epochs=1, hidden=6)
    assert len(set(runs)) == 2 * (len(time_grids.SIGNED) + 1)  # one behind the sigmoid
    written = {setting_of({"neuron": r.neuron, "network": r.network, "config": r.config}) for r in runs}
    assert written == {"1st-order/tau:2", *(f"{setting}/current:signed" for setting in time_grids.SIGNED)}


@pytest.mark.parametrize("network", ["mlp-", "mlp-5-sigmoid", "mlp-5-signed-", "mlp-1.5"])
def test_a_network_that_cannot_be_read_is_named(network):
    with pytest.raises(ValueError, match=f"Cannot read the network '{network}'"):
        jobs.build(dataclasses.replace(BASE, task="mnist", network=network))


def test_time_constants_of_a_neuron_each():
    torch.manual_seed(0)
    each, random, fixed = (layer(name, tau=2.0) for name in ("PLIF-each", "PLIF-random", "LIF-random"))
    assert torch.allclose(each.tau, torch.full((5,), 2.0)) and each.a.requires_grad
    assert random.tau.unique().numel() == 5 and (1.25 <= random.tau).all() and (random.tau <= 16).all()
    assert not fixed.a.requires_grad and fixed(currents()).shape == (40, 3, 5)


def test_a_grid_shares_runs_and_every_run_has_its_tests():
    budget = {"epochs": 1, "train_samples": 40, "test_samples": 20, "hidden": 6}
    runs = time_grids.order("tidigits", 2, **budget) + time_grids.bench("tidigits", 2, **budget)
    assert len(set(runs)) == 2 * (3 + 3 + 1 + 5)
    assert all(r.tests == time_grids.TESTS for r in runs)
    assert {r.epochs for r in runs if r.neuron == "counts"} == {time_grids.COUNTS_EPOCHS}
    for task in ("timit", "n_mnist"):  # Table 1 has no learning rate of theta there
        runs = time_grids.bench(task, 1, **budget)
        assert not any(math.isnan(r.theta_learning_rate) for r in runs)


@pytest.mark.parametrize("task", time_grids.SERIES + time_grids.EVENTS)
def test_tasks_that_no_table_of_the_paper_has(task, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "none")
    monkeypatch.setattr(series, "find_spec", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = time_grids.order(task, 5)
    assert len(set(runs)) == 5 * 7 and {r.learning_rate for r in runs} == {1e-3, 1e-2}  # 1e-2: counts
    assert {r.network for r in runs} == {"mlp-500", "mlp-0"} and 5 <= runs[0].batch_size <= 32
    assert not math.isnan(time_grids.bench(task, 1)[-1].theta_learning_rate)
    assert task not in grids.MDN_TASKS and task not in set(published.table("mdn_table1").task)
    if task == "cifar10_dvs":  # its stand-in first draws thousands of images
        return
    budget = {"epochs": 1, "train_samples": 20, "test_samples": 20, "hidden": 6}
    (run,) = time_grids.timed(task, ["2-WDS/order:shuffled"], 1, **budget)
    record = jobs.train_one(run, tmp_path)
    assert record["source"] == "stand-in" and not claims.as_the_paper(record | {"source": "official"})
    assert set(record["tests"]) == set(time_grids.TESTS)
    assert not selection.matches(record, task, "2-WDS")


@pytest.mark.parametrize("neuron", ["counts", "2-WDS", "half-step", "semi-implicit", "2-WDS/current:signed"])
def test_a_record_holds_the_tests_of_the_trained_network(neuron, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "none")
    budget = {"epochs": 1, "train_samples": 40, "test_samples": 20, "hidden": 6}
    (run,) = time_grids.timed("tidigits", [neuron], 1, **budget)
    record = jobs.train_one(run, tmp_path)
    text = (tmp_path / f"{run.hash}.json").read_text()
    assert check.accepted(text, "it") == record
    assert record["tests"]["in order"] == record["accuracy_last"] and list(record["tests"]) == list(run.tests)
    assert not kept.keep(record, {})  # its tests are told, its network is not needed
    if neuron == "counts":  # the mean over time knows no order
        assert record["tests"]["shuffled"] == record["tests"]["reversed"] == record["accuracy_last"]


@pytest.mark.parametrize("tests", [{}, {"reversed": 12.5, "shuffled": 12.5}, {"reversed": 12.6}])
def test_a_record_with_other_tests_is_refused(tests):
    run = dataclasses.replace(BASE, tests=("reversed",))
    check.accepted(json.dumps(made(run, tests={"reversed": 12.5})), "it")
    with pytest.raises(ValueError, match="tests are not those|no number of right answers"):
        check.accepted(json.dumps(made(run, tests=tests)), "it")


def test_the_search_tries_every_rate_on_the_same_seeds_with_samples_held_out():
    runs = time_grids.search("tidigits", 2, epochs=3)
    assert len(runs) == len(set(runs)) == len(time_grids.RATES) * len(time_grids.SEARCHED) * 2
    assert {r.validation for r in runs} == {0.15} and not any(r.tests for r in runs)
    assert sorted({r.learning_rate for r in runs}) == [0.00333, 0.01, 0.03]
    record = made(runs[0])
    assert not selection.matches(record, "tidigits", "1st-order")  # no evidence for the papers' claims
