"""Kept networks hit their records to the last sample, and one changed weight is noticed."""

import dataclasses

import pytest
import torch

from snnlib import datasets, saved
from snnlib.runs import execute, kept, store, verify
from snnlib.tests.runs.samples import BASE, PLIF, made, other

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture
def both(folder, results_in):
    """The kept networks of two small runs, one of either paper."""
    place = results_in / "test" / "runs"
    records = execute.run([BASE, PLIF], "test", workers=1, progress=False)
    store.add([(record, place / f"{record['hash']}.pt") for record in records])
    return [kept.place(r.hash) for r in (BASE, PLIF)]


def networks():
    said = []
    return verify.networks(workers=1, say=said.append), "\n".join(said)


def change(folder, amount, which="weight"):
    """One weight changed by hand."""
    state = saved.tensors((folder / saved.WEIGHTS).read_bytes())
    next(value for name, value in state.items() if name.endswith(which)).view(-1)[0] += amount
    saved.write(folder, saved.load(folder).config, state)


def test_kept_networks_hit_their_records(both):
    differing, said = networks()
    assert (
        differing == 0 and "2 of 2 kept networks hit what is recorded of them to the last sample (2" in said
    )


def test_one_weight_changed_by_hand_is_noticed(both):
    change(both[0], 1e-3)
    differing, said = networks()
    assert differing == 1 and "model.safetensors is not what SHA256SUMS says" in said
    store.seal()  # who renews the sums too is found out by the accuracy, where the weight counts
    assert networks()[0] == 0
    change(both[0], 1e4)
    store.seal()
    differing, said = networks()
    assert differing == 1 and "DIFFERENT" in said and "1 of 2 kept networks hit" in said


def test_verify_fails_where_a_network_differs(both, monkeypatch):
    monkeypatch.setattr(verify, "chosen", lambda workers: [])
    assert verify.verify(workers=1, say=lambda words: None) == 0
    change(both[1], 1e-3)
    assert verify.verify(workers=1, say=lambda words: None) == 1


def test_a_network_whose_data_are_not_here_is_counted(both, monkeypatch):
    monkeypatch.setattr(datasets, "identify", lambda *_, **__: "official:ff:1")
    differing, said = networks()
    assert differing == 0 and said.startswith("verify: 2 of 2 kept networks cannot be tested here, without")
    assert "Bright quarters" in said


def test_large_matrices_are_halved_only_where_the_record_is_still_hit(folder, results_in, monkeypatch):
    run = dataclasses.replace(BASE, network="mlp-2000")
    (record,) = execute.run([run], "test", workers=1, progress=False)
    path = results_in / "test" / "runs" / f"{run.hash}.pt"
    store.add([(record, path)])
    first = saved.tensors((kept.place(run.hash) / saved.WEIGHTS).read_bytes())
    assert first["0.0.weight"].dtype == torch.float16 and first["0.0.bias"].dtype == torch.float32
    for file in kept.place(run.hash).iterdir():
        file.unlink()
    exact = store.load_weights(record, path)["0.0.weight"]
    accuracy = kept.accuracy
    monkeypatch.setattr(  # in which rounding costs a sample
        kept, "accuracy", lambda r, n: accuracy(r, n) if torch.equal(n[0][0].weight, exact) else (0.0, [])
    )
    store.add([(record, path)])
    again = saved.tensors((kept.place(run.hash) / saved.WEIGHTS).read_bytes())
    assert torch.equal(again["0.0.weight"], exact)


def test_what_does_not_hit_its_record_or_is_not_of_seed_0_is_not_kept(folder, results_in):
    (record,) = execute.run([BASE], "test", workers=1, progress=False)
    path = results_in / "test" / "runs" / f"{BASE.hash}.pt"
    state = store.load_weights(record, path)
    with pytest.warns(UserWarning, match="its network has .* right here, and its record .*; not kept"):
        assert not kept.keep(record, {name: 0 * value for name, value in state.items()})
    assert not kept.keep(record, {name: state[name] for name in list(state)[:2]})  # the first layers alone
    assert not kept.keep(made(dataclasses.replace(BASE, seed=1)), state)
    assert not kept.keep(made(dataclasses.replace(BASE, validation=0.1)), state)
    assert kept.keep(made(other(BASE, "official:bb:1")), state)  # no data here to test it on


def test_a_repeat_that_drifted_is_kept_only_when_asked_for_and_hits_its_own_accuracy(folder, results_in):
    (record,) = execute.run([BASE], "test", workers=1, progress=False)
    path = results_in / "test" / "runs" / f"{BASE.hash}.pt"
    right = record["accuracy_last"] + (2.5 if record["accuracy_last"] < 50 else -2.5)  # one sample of 40
    store.add([(made(BASE, (10.0, 10.0, right)), folder / "none")])
    store.add([(record, path)])
    assert kept.place(BASE.hash) is None
    store.add([(record, path)], repeats=True)
    (place,) = (folder / "networks").iterdir()
    assert place.name.endswith("_repeat") and kept.place(BASE.hash) is None
    differing, said = networks()
    assert differing == 0 and "1 of 1 kept networks hit" in said and "(0 have their record's accuracy" in said
