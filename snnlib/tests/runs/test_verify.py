"""Recorded runs trained again: which are chosen, and when two records are of the same run."""

import copy
import dataclasses

import pytest

from snnlib.runs import execute, plan, store, verify
from snnlib.tests.runs.samples import BASE, PLIF, made, other

pytestmark = pytest.mark.usefixtures("small_world")


HUNDRED = dataclasses.replace(BASE, test_samples=100)


def record(accuracies=(10.0, 50.0, 60.0), run=HUNDRED, **changes):
    same = {"checksum": "ab", "spike_rates": [0.1], "test_samples": 100, "seconds": 3.0}
    return made(run, accuracies, **same | changes)


def test_only_what_can_be_repeated_and_learned_is_chosen(folder, monkeypatch):
    dead = record((10.0, 10.0, 10.0), dataclasses.replace(PLIF, test_samples=100))
    elsewhere = record(run=other(HUNDRED, "official:bb:1"))
    store.add([(each, folder / "none") for each in (record(), dead, elsewhere)])
    monkeypatch.setattr(execute, "processes", lambda workers: 1)
    assert verify.chosen() == [HUNDRED]
    monkeypatch.setattr(plan, "speed", lambda profile: (lambda r: 1e9, "a slow machine"))
    assert verify.chosen() == []


def test_a_run_trained_again_is_equal_and_a_changed_record_is_not(folder, results_in, capsys):
    execute.run([BASE], "test", workers=1, progress=False)
    kept = store.read(BASE, "test")
    if kept["curve"][-1]["test_accuracy"] == kept["curve"][0]["test_accuracy"]:
        pytest.fail("the small run learns nothing: verify would leave it out")
    store.add([(kept, folder / "none")])
    assert verify.verify() == 0
    assert "equal to the digit" in capsys.readouterr().out
    changed = copy.deepcopy(kept)
    changed["curve"][1]["train_loss"] *= 1.02
    store.add([(changed, folder / "none")], replace=True)
    assert verify.verify() == 1
    assert "DIFFERENT: first epoch's loss within 1.961 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "word", "same"),
    [
        ({}, "equal to the digit", True),
        ({"seconds": 99.0}, "equal to the digit", True),
        ({"spike_rates": [0.1001]}, "the same start", True),
        ({"accuracy_last": 70.0}, "the same start", True),  # sd of a difference: 6.8 points
        ({"accuracy_last": 90.0}, "DIFFERENT", False),
        ({"curve": record((17.0, 50.0, 60.0))["curve"]}, "DIFFERENT", False),  # another untrained network
        ({"checksum": "cd"}, "equal to the digit", True),  # features rounded otherwise, and no effect
    ],
)
def test_what_counts_as_the_same(changes, word, same):
    words, verdict = verify.difference(record(), record(**changes))
    assert words.startswith(word) and verdict is same


def test_without_any_data_nothing_is_verified(folder, capsys):
    assert verify.verify() == 0
    assert "no recorded run can be repeated here" in capsys.readouterr().out
