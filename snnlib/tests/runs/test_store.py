"""Reference runs: accepted only with their config's hash, found by config, kept small, and repeatable."""

import dataclasses
import json
import shutil

import pytest
import torch

from snnlib import datasets, paths
from snnlib.runs import __main__ as command
from snnlib.runs import execute, jobs, pictures, plan, store
from snnlib.runs.config import code_of, from_config
from snnlib.tests.runs.samples import BASE, PLIF, made, other

pytestmark = pytest.mark.usefixtures("small_world")


def test_collect_writes_sorted_whole_small_records_once(folder, results_in, capsys):
    runs = [dataclasses.replace(PLIF, seed=seed, epochs=1) for seed in (0, 1)] + [
        dataclasses.replace(BASE, epochs=1)
    ]
    execute.run(runs, "test", workers=1, progress=False)
    store = results_in / "test" / "runs"
    stale = made(dataclasses.replace(BASE, code=0))
    (store / f"{stale['hash']}.json").write_text(json.dumps(stale))
    assert command.main(["collect", str(store)]) == 0
    said = capsys.readouterr().out
    assert "3 records added, 0 were there already, 1 of older code left out" in said
    assert sorted(path.name for path in folder.glob("*.jsonl")) == [
        "mdn_quarters.jsonl",
        "plif_quarters.jsonl",
    ]
    before = (folder / "plif_quarters.jsonl").read_bytes()
    lines = [json.loads(line) for line in before.decode().splitlines()]
    assert [line["hash"] for line in lines] == sorted(run.hash for run in runs[:2])
    assert all(list(line) == sorted(line) for line in lines)
    kept = [f"{run.paper}_{'_'.join(run.setting.split())}_{run.hash[:8]}" for run in (runs[2], runs[0])]
    assert sorted(path.name for path in (folder / "networks").iterdir()) == sorted(kept)  # of seed 0
    command.collect([store])
    assert (folder / "plif_quarters.jsonl").read_bytes() == before
    shutil.rmtree(store)
    (record,) = execute.run(runs[:1], "test", train=False)
    assert record["tau"][-1][0] == pytest.approx(pictures.trained(runs[0], "test")[1].tau.item(), rel=1e-5)
    assert record["dataset"] == "Bright quarters"


def test_a_record_stays_unless_it_is_replaced(folder):
    first, second = made(BASE, seconds=1.0), made(BASE, seconds=2.0)
    for record, replace, seconds in ((first, False, 1.0), (second, False, 1.0), (second, True, 2.0)):
        store.add([(record, folder / "none")], replace)
        assert store.records()[BASE.hash]["seconds"] == seconds


def trained(results_in, *epochs) -> list:
    """Runs of so many epochs: the record of each and the path of its weights."""
    runs = [dataclasses.replace(BASE, epochs=n) for n in epochs]
    records = execute.run(runs, "test", workers=1, progress=False)
    return [(record, results_in / "test" / "runs" / f"{record['hash']}.pt") for record in records]


def test_damaged_weights_are_named_before_anything_is_written(folder, results_in):
    found = trained(results_in, 1, 2)
    found[1][1].write_bytes(b"cut")
    store.seal()
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match=rf"The weights .*{found[1][1].name} are damaged .*; delete them"):
        store.add(found)
    assert sorted(folder.rglob("*")) == before and store.records() == {}


def test_what_was_added_when_it_was_stopped_can_be_read_and_added_to(folder, results_in, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    found = trained(results_in, 1)
    store.add([(made(PLIF), folder / "none")])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.kept, "keep", stopped)
        store.add(found)
    assert len(store.records()) == 2
    store.add(found)
    assert store.kept.place(found[0][0]["hash"])


def test_what_a_worker_hands_back_takes_the_place_of_weights_without_a_record(tmp_path):
    def back(seconds):
        text = json.dumps(made(BASE, seconds=seconds))
        return {f"{BASE.hash}.json": text.encode(), f"{BASE.hash}.pt": f"{seconds}".encode()}

    (tmp_path / f"{BASE.hash}.pt").write_bytes(b"of a training that was stopped before its record")
    for seconds in (1.0, 2.0):  # what is finished stays
        store.receive(back(seconds), tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == back(1.0)


def test_compact_keeps_what_figures_read():
    values = {"theta_a": [0.123456], "theta_b": [0.2], "theta_c": [0.0], "theta_d": [0.1]}
    theta = [{"epoch": epoch, **values} for epoch in range(9)]
    run = dataclasses.replace(BASE, task="mnist", neuron="learned", theta=(0.1,) * 4, epochs=8)
    first, second = (
        store.compact(made(dataclasses.replace(run, seed=seed), (12.345678,) * 9, theta=theta, digest="ab"))
        for seed in (0, 1)
    )
    assert first["theta"] == theta
    assert [snapshot["epoch"] for snapshot in second["theta"]] == [0, 5, 8]
    assert first["curve"][0]["test_accuracy"] == 12.345678 and first["curve"][0]["seconds"] == 3.33333
    assert "digest" not in first


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda line: line[:-20], r"mdn_quarters.jsonl, line 2, is no whole record"),
        (lambda line: "", r"mdn_quarters.jsonl, line 2, is no whole record"),
        (lambda line: "[1]", r"mdn_quarters.jsonl, line 2, is no whole record|holds a record without"),
        (lambda line: line.replace('"epochs": 2', '"epochs": 3'), r"line 2, .*whose config has the hash"),
        (lambda line: line.replace('"curve"', '"curves"'), r"line 2, holds a record without curve"),
    ],
)
def test_a_damaged_or_altered_line_is_named(folder, spoil, sentence):
    lines = [json.dumps(made(dataclasses.replace(BASE, seed=seed))) for seed in (0, 1)]
    assert spoil(lines[1]) != lines[1]
    (folder / "mdn_quarters.jsonl").write_text("\n".join([lines[0], spoil(lines[1])]) + "\n")
    store._read.cache_clear()
    with pytest.raises(ValueError, match=sentence):
        store.records()
    with pytest.raises(ValueError, match="mdn_quarters.jsonl, line 2"):
        store.read(BASE, "test")


def test_the_paper_profile_takes_the_best_data_that_are_recorded(folder, results_in, monkeypatch):
    kinds = ("open set:aa:1", "official:bb:1", "part:cc:1")
    recorded = [other(BASE, kind) for kind in kinds]
    store.add([(made(run), folder / "none") for run in recorded])
    assert store.read(BASE, "paper")["source"] == "official"
    assert store.read(recorded[0], "paper")["source"] == "open set"  # exactly ours comes first
    assert store.read(BASE, "paper", other_data=False) is None
    assert store.read(recorded[2], "paper", other_data=False)["source"] == "part"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"epochs": 3},
        {"code": 99},
        {"train_samples": 0},
        {"task_options": (("split", "speaker"),)},
    ],
)
def test_a_run_that_differs_in_more_than_its_data_is_another_run(folder, results_in, monkeypatch, change):
    store.add([(made(other(BASE, "official:bb:1")), folder / "none")])
    assert store.read(BASE, "paper")
    assert store.read(dataclasses.replace(BASE, **change), "paper") is None
    assert store.read(other(BASE, "official:bb:2"), "paper") is None  # data prepared in another way


def test_without_train_the_recorded_runs_come_back_and_the_others_are_counted(
    folder, results_in, monkeypatch, capsys
):
    monkeypatch.setattr(jobs, "train_together", lambda *_: pytest.fail("trained without TRAIN=1"))
    store.add([(made(other(BASE, "official:bb:1")), folder / "none")])
    runs = [BASE, dataclasses.replace(BASE, seed=1), dataclasses.replace(BASE, seed=2)]
    (record,) = execute.run(runs, "paper", train=False)
    assert record["source"] == "official"
    said = capsys.readouterr().out
    assert "2 of 3 runs are not recorded for profile 'paper'" in said and "TRAIN=1" in said
    assert len(said.splitlines()) == 1


def test_the_cheapest_reference_run_trained_again_gives_the_same_numbers(tmp_path):
    """On the processor that made it the numbers are equal; on another one up to rounding in the sums."""
    here = []
    for record in store.records().values():
        run = from_config(record["config"])
        data = datasets.identify(run.task, paper=run.paper, **dict(run.task_options))
        if run.data == data and run.code == code_of(run.paper, run.task):
            here.append((plan.estimate(record), run, record))
    assert here, "no reference run of this CODE can be repeated offline: python -m snnlib.runs example"
    expected, run, record = min(here, key=lambda entry: entry[0])
    assert expected < 20
    threads = torch.get_num_threads()
    again = store.compact(jobs.train_one(run, tmp_path))
    torch.set_num_threads(threads)
    assert again["checksum"] == record["checksum"] and again["hash"] == record["hash"]
    for now, then in zip(again["curve"], record["curve"], strict=True):
        assert now["train_loss"] == (then["train_loss"] and pytest.approx(then["train_loss"], rel=1e-3))
        assert now["test_accuracy"] == pytest.approx(then["test_accuracy"], abs=0.5)
    assert again["spike_rates"] == pytest.approx(record["spike_rates"], rel=1e-2)
    assert again["accuracy_last"] == pytest.approx(record["accuracy_last"], abs=0.5)


def test_wrong_input_is_one_sentence(tmp_path, capsys):
    assert command.main(["collect", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("There is no folder")


def test_the_reference_runs_of_the_repository_are_acceptable_and_small():
    for name in {store._file(record) for record in store.records().values()}:
        lines = (paths.REFERENCE_RUNS / name).read_text().splitlines()
        assert lines == sorted(lines, key=lambda line: json.loads(line)["hash"])
    size = sum(path.stat().st_size for path in (paths.REFERENCE_RUNS / "networks").glob("*/*"))
    assert size < 25_000_000


def test_every_recorded_run_keeps_its_hash():
    """However files move: what a config says is still this run, and its record is still found."""
    assert len(store.records()) >= 307
    for name, record in store.records().items():
        run = from_config(record["config"])
        assert run.hash == name and json.loads(json.dumps(run.config)) == record["config"]
        assert store.read(run, "nowhere", other_data=False) is record
