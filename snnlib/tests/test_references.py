"""Reference runs: accepted only with their config's hash, found by config, kept small, and repeatable."""

import dataclasses
import json
import shutil

import pytest
import torch

from snnlib import (
    chapter_runs,
    chapters,
    datasets,
    estimates,
    experiments,
    jobs,
    parameters,
    paths,
    planning,
    references,
    report,
)
from snnlib.tests.test_experiments import BASE, PLIF

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture
def small_world(quarters, monkeypatch):
    monkeypatch.setitem(estimates.SAMPLES, "quarters", (120, 60))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of reference runs."""
    place = tmp_path / "reference_runs"
    place.mkdir()
    monkeypatch.setattr(paths, "REFERENCE_RUNS", place)
    return place


def made(run, **changes) -> dict:
    """A record of a run without training it."""
    curve = [{"epoch": 0, "train_loss": None, "test_accuracy": 12.345678, "seconds": 1.23456789}]
    record = dict.fromkeys(references.FIELDS, "") | {
        "config": json.loads(json.dumps(run.config)),
        "hash": run.hash,
        "paper": run.paper,
        "task": run.task,
        "seed": run.seed,
        "source": run.data.split(":")[0],
        "device": "CPU, 1 thread",
        "seconds": 30.0,
        "train_samples": 60,
        "test_samples": 40,
        "curve": curve,
        "theta": [],
    }
    return record | changes


def other(run, data, **changes):
    return dataclasses.replace(run, data=data, **changes)


def test_collect_writes_sorted_whole_small_records_once(folder, results_in, capsys):
    runs = [dataclasses.replace(PLIF, seed=seed, epochs=1) for seed in (0, 1)] + [
        dataclasses.replace(BASE, epochs=1)
    ]
    experiments.run(runs, "test", workers=1, progress=False)
    store = results_in / "test" / "runs"
    stale = made(dataclasses.replace(BASE, code=0))
    (store / f"{stale['hash']}.json").write_text(json.dumps(stale))
    assert references.main(["collect", str(store)]) == 0
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
    assert [path.stem for path in (folder / "weights").iterdir()] == [runs[0].hash]  # seed 0 of what is drawn
    references.collect([store])
    assert (folder / "plif_quarters.jsonl").read_bytes() == before
    shutil.rmtree(store)
    (record,) = experiments.run(runs[:1], "test", train=False)
    assert record["tau"][-1][0] == pytest.approx(experiments.trained(runs[0], "test")[1].tau.item(), rel=1e-5)
    assert record["dataset"] == "Bright quarters"


def test_a_record_stays_unless_it_is_replaced(folder):
    first, second = made(BASE, seconds=1.0), made(BASE, seconds=2.0)
    for record, replace, seconds in ((first, False, 1.0), (second, False, 1.0), (second, True, 2.0)):
        references.add([(record, folder / "none")], replace)
        assert references.records()[BASE.hash]["seconds"] == seconds


def test_compact_keeps_what_figures_read():
    values = {"theta_a": [0.123456], "theta_b": [0.2], "theta_c": [0.0], "theta_d": [0.1]}
    theta = [{"epoch": epoch, **values} for epoch in range(9)]
    run = dataclasses.replace(BASE, task="mnist", neuron="learned", theta=(0.1,) * 4, epochs=8)
    first, second = (
        references.compact(made(dataclasses.replace(run, seed=seed), theta=theta)) for seed in (0, 1)
    )
    assert first["theta"] == theta
    assert [snapshot["epoch"] for snapshot in second["theta"]] == [0, 5, 8]
    assert first["curve"][0]["test_accuracy"] == 12.345678 and first["curve"][0]["seconds"] == 1.23457


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
    references._read.cache_clear()
    with pytest.raises(ValueError, match=sentence):
        references.records()
    with pytest.raises(ValueError, match="mdn_quarters.jsonl, line 2"):
        experiments.read(BASE, "test")


def test_the_paper_profile_takes_the_best_data_that_are_recorded(folder, results_in, monkeypatch):
    monkeypatch.delenv("SNN_TRAIN", raising=False)
    kinds = ("open set:aa:1", "official:bb:1", "part:cc:1")
    recorded = [other(BASE, kind) for kind in kinds]
    references.add([(made(run), folder / "none") for run in recorded])
    assert experiments.read(BASE, "paper")["source"] == "official"
    assert experiments.read(recorded[0], "paper")["source"] == "open set"  # exactly ours comes first
    for profile in ("smoke", "quick"):
        assert experiments.read(BASE, profile) is None
    monkeypatch.setenv("SNN_TRAIN", "1")
    assert experiments.read(BASE, "paper") is None
    assert experiments.read(recorded[2], "paper")["source"] == "part"


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
    monkeypatch.delenv("SNN_TRAIN", raising=False)
    references.add([(made(other(BASE, "official:bb:1")), folder / "none")])
    assert experiments.read(BASE, "paper")
    assert experiments.read(dataclasses.replace(BASE, **change), "paper") is None
    assert experiments.read(other(BASE, "official:bb:2"), "paper") is None  # data prepared in another way


def test_without_train_the_recorded_runs_come_back_and_the_others_are_counted(
    folder, results_in, monkeypatch, capsys
):
    monkeypatch.delenv("SNN_TRAIN", raising=False)
    monkeypatch.setattr(jobs, "train_one", lambda *_: pytest.fail("trained without TRAIN=1"))
    references.add([(made(other(BASE, "official:bb:1")), folder / "none")])
    runs = [BASE, dataclasses.replace(BASE, seed=1), dataclasses.replace(BASE, seed=2)]
    (record,) = experiments.run(runs, "paper", progress=False)
    assert record["source"] == "official"
    said = capsys.readouterr().out
    assert "2 of 3 runs are not recorded for profile 'paper'" in said and "TRAIN=1" in said
    assert len(said.splitlines()) == 1


def test_the_cheapest_reference_run_trained_again_gives_the_same_numbers(tmp_path):
    """On the processor that made it the numbers are equal; on another one up to rounding in the sums."""
    here = []
    for record in references.records().values():
        run = experiments.from_config(record["config"])
        data = datasets.identify(run.task, paper=run.paper, **dict(run.task_options))
        if run.data == data and run.code == experiments.code_of(run.paper, run.task):
            here.append((planning.estimate(record), run, record))
    assert here, "no reference run of this CODE can be repeated offline: python -m snnlib.references example"
    expected, run, record = min(here, key=lambda entry: entry[0])
    assert expected < 20
    threads = torch.get_num_threads()
    again = references.compact(jobs.train_one(run, tmp_path))
    torch.set_num_threads(threads)
    assert again["checksum"] == record["checksum"] and again["hash"] == record["hash"]
    for now, then in zip(again["curve"], record["curve"], strict=True):
        assert now["train_loss"] == (then["train_loss"] and pytest.approx(then["train_loss"], rel=1e-3))
        assert now["test_accuracy"] == pytest.approx(then["test_accuracy"], abs=0.5)
    assert again["spike_rates"] == pytest.approx(record["spike_rates"], rel=1e-2)
    assert again["accuracy_last"] == pytest.approx(record["accuracy_last"], abs=0.5)


def test_wrong_input_is_one_sentence(tmp_path, capsys):
    assert references.main(["collect", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("There is no folder")


@pytest.fixture
def pooling_runs():
    """The paper profile's runs of chapter 05."""
    complete = parameters.resolve("05_pooling", "paper", {})[1]
    return chapter_runs.for_chapter("05_pooling", complete)


def test_a_chapter_without_any_record_is_left_out_and_the_report_says_so(
    folder, results_in, monkeypatch, pooling_runs, capsys
):
    monkeypatch.delenv("SNN_TRAIN", raising=False)
    monkeypatch.setattr(chapters, "execute", lambda *_: pytest.fail("drawn from nothing"))
    assert chapters.run(["05_pooling"], "paper", {}, 1) == 0
    said = capsys.readouterr().out
    count = len(pooling_runs)
    assert f"{count} of {count} runs are not recorded" in said and "not drawn: none of its runs" in said
    page = report.build("paper", results_in / "paper")
    assert page.count("Left out: no run of chapter 05 is recorded. <code>make 05 PROFILE=paper TRAIN=1") == 2


def test_a_plan_says_what_is_recorded_on_which_data(folder, results_in, monkeypatch, pooling_runs, capsys):
    monkeypatch.setenv("SNN_TRAIN", "0")
    run = pooling_runs[0]
    there = other(run, "official:bb:" + run.data.rpartition(":")[2])
    references.add([(made(there, dataset="The real set"), folder / "none")])
    assert chapters.main(["plan", "05", "--profile", "paper"]) == 0
    said = capsys.readouterr().out
    assert f"{len(pooling_runs)} runs, 1 recorded" in said and "The real set (official)" in said
    assert "On a GPU: not measured" in said and "TRAIN=1` trains what is missing" in said
    assert "Not the official data here: " in said and "dvs128_gesture (stand-in)" in said
    assert chapters.main(["plan", "05", "--profile", "paper", "--train"]) == 0
    said = capsys.readouterr().out
    assert f"{len(pooling_runs)} runs, 0 recorded" in said  # they would be trained on the data at hand


def test_the_reference_runs_of_the_repository_are_acceptable_and_small():
    for name in {references._file(record) for record in references.records().values()}:
        lines = (paths.REFERENCE_RUNS / name).read_text().splitlines()
        assert lines == sorted(lines, key=lambda line: json.loads(line)["hash"])
    size = sum(path.stat().st_size for path in (paths.REFERENCE_RUNS / "weights").glob("*"))
    assert size < 5_000_000
