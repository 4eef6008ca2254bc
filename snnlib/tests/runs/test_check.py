"""Nothing is believed that lies there: records, weights and checkpoints edited, cut, swapped or with a bit
flipped.
"""

import dataclasses
import hashlib
import io
import json
import shutil

import pytest
import torch

from snnlib import files, paths
from snnlib.runs import __main__ as command
from snnlib.runs import check, execute, jobs, kept, pictures, store
from snnlib.tests.runs.samples import BASE, PLIF, made, other
from snnlib.tests.runs.test_execute import numbers

pytestmark = pytest.mark.usefixtures("small_world")

HELD_OUT = dataclasses.replace(BASE, validation=0.15)


def changed(path, value):
    """A function that sets one entry of a record, by keys and positions."""

    def change(record):
        *outer, last = path.split(".")
        for name in outer:
            record = record[int(name) if name.lstrip("-").isdigit() else name]
        record[int(last) if last.lstrip("-").isdigit() else last] = value

    change.__name__ = f"{path}={value!r:.20}"
    return change


def shorter(name):
    def change(record):
        del record[name][-1]

    return change


CHANGES = [
    *(changed("accuracy_last", value) for value in (99.9, "50.0", None, True, float("nan"))),
    *(changed("accuracy_best", value) for value in (100.0, 12.5, "75.0")),
    changed("accuracy_validated", 50.0),
    *(changed("curve.-1.test_accuracy", value) for value in (75.0, 50.1, "50.0", None)),
    *(changed("curve.1.test_accuracy", value) for value in (51.0, 102.5, -2.5, 1e400, 80.0)),
    *(changed("curve.1.epoch", value) for value in (2, "1")),
    changed("curve.1.train_loss", "0.1"),
    *(changed("curve.1.seconds", value) for value in (-1.0, 500.0, "1")),
    *(changed("curve", value) for value in ([], {}, "", [1, 2, 3], [{}] * 3)),
    shorter("curve"),
    *(changed("seed", value) for value in (1, "0", 0.5)),
    *(changed(name, "other") for name in ("paper", "task", "network", "neuron", "source")),
    *(changed("test_samples", value) for value in (41, 0, -40, "40")),
    changed("train_samples", 61),
    *(changed("config.epochs", value) for value in (3, "2")),
    changed("config", []),
    *(changed("seconds", value) for value in (1.0, "30")),
    *(changed("spike_rates", value) for value in ([2.0], ["a"], 0.5, [None])),
    *(changed(name, [1.0, 2.0]) for name in ("tau", "w_over_tau")),
    *(changed("theta", value) for value in ([{"epoch": 9}], [[]], [3])),
    changed("dataset", 3),
    changed("hash", "0123456789abcdef"),
]


def good():
    return made(BASE, (25.0, 75.0, 50.0), spike_rates=[0.1])


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_record_that_contradicts_itself_is_refused(change):
    record = good()
    assert check.accepted(json.dumps(record), "it") == record
    change(record)
    with pytest.raises(ValueError, match=r"^it (is no whole record|holds a record).*restore or remove it\.$"):
        check.accepted(json.dumps(record), "it")


@pytest.mark.parametrize("name", sorted(good()))
def test_with_a_digest_no_value_can_be_another_one(name):
    record = good()
    record["digest"] = check.digest(record)
    assert check.accepted(json.dumps(record), "it") == record
    record[name] = "another" if isinstance(record[name], str) else 1
    with pytest.raises(ValueError, match=r"^it holds a record"):
        check.accepted(json.dumps(record), "it")


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "null", '"a"', b"\xff", "[" * 10**5])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError, match=r"^it (is no whole record|holds a record)"):
        check.accepted(text, "it")


def test_the_validated_accuracy_is_that_of_the_epoch_which_was_best_held_out():
    record = made(HELD_OUT, (25.0, 75.0, 50.0), accuracy_validated=50.0)
    for epoch, accuracy in zip(record["curve"], (20.0, 40.0, 60.0), strict=True):
        epoch["validation_accuracy"] = accuracy
    assert check.accepted(json.dumps(record), "it") == record
    with pytest.raises(ValueError, match="accuracy_validated is 75.0, and 50.0 by its curve"):
        check.accepted(json.dumps(record | {"accuracy_validated": 75.0}), "it")


@pytest.fixture
def trained(results_in):
    """A trained run, its record and the folder where it lies."""
    (record,) = execute.run([BASE], "test", workers=1, progress=False)
    return record, results_in / "test" / "runs"


def test_a_result_is_used_only_as_it_was_written(trained):
    record, place = trained
    path = place / f"{BASE.hash}.json"
    text = path.read_text()
    assert execute.run([BASE], "test", workers=1) == [record]
    older = {name: value for name, value in record.items() if name != "digest"}
    for whole in (older, older | {"finished": "another day"}):  # of older code, without a digest
        path.write_text(json.dumps(whole))
        assert execute.run([BASE], "test", workers=1) == [whole]
    edited = [
        record | {"dataset": "MNIST"},
        record | {"accuracy_last": 99.9},
        older | {"accuracy_last": 99.9},
    ]
    edited += [{}, [], made(PLIF), {name: record[name] for name in record if name != "curve"}]
    for wrong in [*map(json.dumps, edited), "", text[:-9], text.replace("0.", "1.", 1)]:
        path.write_text(wrong)
        with pytest.raises(ValueError, match=f"{BASE.hash}.json is damaged .*delete it and the run"):
            execute.run([BASE], "test", workers=1)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is damaged .*delete it"):
        execute.run([BASE], "test", workers=1)


def test_weights_are_used_only_as_they_were_written(trained):
    _, place = trained
    path = place / f"{BASE.hash}.pt"
    whole = path.read_bytes()
    assert pictures.trained(BASE, "test") is not None
    halfway = len(whole) // 2
    flipped = bytes([*whole[:halfway], whole[halfway] ^ 1, *whole[halfway + 1 :]])
    another = files.write_sealed(place / "other.pt", {"x": torch.zeros(3)}).read_bytes()
    for wrong in (b"", whole[:500], whole[:-1], flipped, another):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=f"{BASE.hash}.pt are damaged .*delete them and "):
            pictures.trained(BASE, "test")
    files.write_sealed(path, {"x": torch.zeros(3)})
    with pytest.raises(ValueError, match=f"{BASE.hash}.pt .* are of older code; delete"):
        pictures.trained(BASE, "test")


def cut_off(run, place, monkeypatch):
    """The checkpoint of a run that ends after its last epoch, before its record."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.records, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        jobs.train_one(run, place)
    return place / f"{run.hash}.ckpt"


@pytest.mark.parametrize(
    "spoil", ["another seed", "more epochs", "edited", "a bit", "half", "nothing", "older", "shapes", "keys"]
)
def test_a_checkpoint_that_is_not_the_runs_own_changes_nothing(results_in, monkeypatch, spoil):
    expected = jobs.train_one(BASE, results_in / "whole")
    place = results_in / "test" / "runs"
    path = cut_off(BASE, place, monkeypatch)
    content = path.read_bytes()
    state = torch.load(io.BytesIO(files.read_sealed(path)), weights_only=True)
    if spoil in ("another seed", "more epochs"):
        change = {"seed": 1} if spoil == "another seed" else {"epochs": 4}
        shutil.move(cut_off(dataclasses.replace(BASE, **change), place, monkeypatch), path)
    elif spoil == "edited":
        state["histories"][0][-1]["test_accuracy"] = 99.0
        path.write_bytes(content.partition(b"\n")[0] + b"\n" + files.serialised(state))
    elif spoil == "a bit":
        path.write_bytes(content[:-3000] + bytes([content[-3000] ^ 1]) + content[-2999:])
    elif spoil in ("half", "nothing"):
        path.write_bytes(content[: len(content) // 2 if spoil == "half" else 0])
    elif spoil == "older":
        path.write_bytes(files.serialised(state))
    elif spoil == "shapes":
        wider = dataclasses.replace(BASE, network="mlp-13")
        files.write_sealed(path, state | {"optimiser": {}, "network": jobs.build(wider).state_dict()})
    else:
        files.write_sealed(path, {"epoch": 1})
    with pytest.warns(UserWarning, match=f"{BASE.hash}.ckpt cannot be read .*starts afresh"):
        assert numbers(jobs.train_one(BASE, place)) == numbers(expected)


def test_a_good_checkpoint_under_more_epochs_than_asked_is_not_taken(results_in, monkeypatch):
    """Of a caller of ``training.fit`` who keeps the name and asks for less."""
    place = results_in / "test" / "runs"
    longer = cut_off(dataclasses.replace(BASE, epochs=4), place, monkeypatch)
    state = torch.load(io.BytesIO(files.read_sealed(longer)), weights_only=True)
    files.write_sealed(place / f"{BASE.hash}.ckpt", state)
    with pytest.warns(UserWarning, match="it is of another run"):
        assert len(jobs.train_one(BASE, place)["curve"]) == 3


def test_the_committed_sums_are_those_of_the_committed_files():
    """Any change by hand of what everything is drawn from shows here."""
    found = {
        path.relative_to(paths.REFERENCE_RUNS).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths.REFERENCE_RUNS.rglob("*")
        if path.suffix in (".jsonl", ".safetensors", ".json", ".npz", ".csv")
    }
    assert len(found) > 20 and store.sums(paths.REFERENCE_RUNS) == found


@pytest.fixture
def recorded(folder):
    """A folder of two reference records, one with weights."""
    runs = [dataclasses.replace(BASE, seed=seed) for seed in (0, 1)]
    store.add([(made(run, (25.0, 75.0, 50.0)), folder / "none") for run in runs])
    assert len(store.records()) == 2
    return folder


def again(folder):
    store._read.cache_clear()
    return store.records()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:1],
        lambda lines: lines[::-1],
        lambda lines: [],
        lambda lines: [line.replace("12", "13") for line in lines],
        lambda lines: [lines[0], lines[1].replace('"dataset":""', '"dataset":"MNIST"')],
        lambda lines: [lines[0], lines[1].replace("25.0", "30.0")],
        lambda lines: [lines[0], lines[1], lines[1]],
        lambda lines: None,
    ],
)
def test_reference_records_changed_by_hand_are_noticed(recorded, spoil):
    path = recorded / "mdn_quarters.jsonl"
    lines = spoil(path.read_text().splitlines())
    if lines is None:
        path.unlink()
    else:
        path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(ValueError, match="mdn_quarters.jsonl"):
        again(recorded)


def test_a_meant_change_is_sealed_by_one_command(recorded, capsys):
    path = recorded / "mdn_quarters.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="is not what SHA256SUMS says.*git checkout.*snnlib.runs seal"):
        again(recorded)
    assert command.main(["seal"]) == 0
    assert len(again(recorded)) == 1


def test_weights_and_samples_of_the_reference_runs_are_checked(folder, results_in):
    (record,) = execute.run([PLIF], "test", workers=1, progress=False)
    store.add([(record, results_in / "test" / "runs" / f"{PLIF.hash}.pt")])
    shutil.rmtree(results_in)
    assert pictures.trained(PLIF, "test") is not None
    path = kept.place(PLIF.hash) / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-700] + bytes([whole[-700] ^ 1]) + whole[-699:])
    with pytest.raises(ValueError, match="model.safetensors are damaged .*is not what SHA256SUMS says"):
        pictures.trained(PLIF, "test")


def test_records_of_older_code_are_collected_with_their_weights(folder, results_in):
    """They have no digest, and their weights are as torch saves them."""
    (record,) = execute.run([PLIF], "test", workers=1, progress=False)
    place = results_in / "test" / "runs"
    state = store.weights(PLIF, "test")
    torch.save(state, place / f"{PLIF.hash}.pt")
    older = {name: value for name, value in record.items() if name != "digest"}
    (place / f"{PLIF.hash}.json").write_text(json.dumps(older))
    assert command.main(["collect", str(place)]) == 0
    assert store.records()[PLIF.hash] == store.compact(json.loads(json.dumps(record)))
    shutil.rmtree(results_in)
    again = store.weights(PLIF, "test")
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_a_record_in_the_wrong_file_is_named(folder):
    wrong = made(other(PLIF, "official:bb:1"))
    (folder / "mdn_quarters.jsonl").write_text(json.dumps(wrong) + "\n")
    with pytest.raises(ValueError, match="mdn_quarters.jsonl, line 1, holds a record of plif_quarters.jsonl"):
        again(folder)
