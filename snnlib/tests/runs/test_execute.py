"""Runs are values: hashed, recorded once, resumed, read back by any chapter, the same over one or two
processes.
"""

import dataclasses
import json
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from snnlib import datasets, files, neurons, paths, training
from snnlib.neurons import PRESETS
from snnlib.runs import execute, gpus, jobs, pictures, plan, records, store, work
from snnlib.runs.config import CODE_BERNOULLI, Run, beyond, from_config
from snnlib.tests.runs.samples import BASE, PLIF, made

pytestmark = pytest.mark.usefixtures("small_world")


NARROW = dataclasses.replace(PLIF, epochs=3, batch_size=5, train_samples=120, test_samples=60)
BY_THE_WAY = ("seconds", "finished", "commit", "digest")
ELSEWHERE = """
import json, sys
from pathlib import Path
from snnlib.runs import jobs
from snnlib.tests.conftest import register_quarters
from snnlib.tests.runs.test_execute import NARROW, numbers
register_quarters()
print(json.dumps(numbers(jobs.train_one(NARROW, Path(sys.argv[1])))))
"""


def numbers(record: dict) -> dict:
    """A record as JSON holds it, without what the clock and the repository say."""

    def kept(values):
        return {name: value for name, value in values.items() if name not in BY_THE_WAY}

    return json.loads(json.dumps(kept(record) | {"curve": [kept(epoch) for epoch in record["curve"]]}))


def test_every_field_changes_the_hash():
    changed = {
        "paper": "plif",
        "task": "mnist",
        "data": "official:ab",
        "network": "mlp-13",
        "neuron": "2-FS",
        "seed": 1,
        "epochs": 3,
        "batch_size": 21,
        "learning_rate": 2e-2,
        "time_steps": 7,
        "schedule": "cosine64",
        "theta": (1.0, 2.0, 3.0, 4.0),
        "theta_learning_rate": 1.0,
        "tau": 2.0,
        "train_samples": 61,
        "test_samples": 41,
        "validation": 0.15,
        "task_options": (("split", "speaker"),),
        "code": CODE_BERNOULLI + 1,
        "loss": "cross-entropy",
        "augmentation": "crop_flip",
        "precision": "bfloat16",
        "order": "shuffled",
        "tests": ("reversed",),
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Run)}
    hashes = {dataclasses.replace(BASE, **{name: value}).hash for name, value in changed.items()}
    assert len(hashes) == len(changed) and BASE.hash not in hashes
    assert dataclasses.replace(BASE).hash == BASE.hash


def test_what_goes_beyond_the_papers_is_named_and_else_left_out_of_the_config():
    assert "loss" not in BASE.config and beyond(BASE.config) == ()
    tuned = dict(neuron="learned", theta=PRESETS["2-FS"], schedule="cosine2", loss="cross-entropy")
    further = dataclasses.replace(BASE, **tuned)
    assert beyond(further.config) == ("cosine cycle", "theta fine-tuned", "cross-entropy")
    assert further.title.endswith("cross-entropy seed 0")
    assert from_config(json.loads(json.dumps(further.config))) == further
    assert beyond(PLIF.config) == ()


def test_precision_is_part_of_a_run_where_it_is_not_the_papers():
    half = dataclasses.replace(PLIF, precision="bfloat16")
    assert "precision" not in PLIF.config and half.config["precision"] == "bfloat16"
    assert half.title.endswith("bfloat16 seed 0")
    with pytest.raises(ValueError, match="precision 'half' is unknown; use one of '', 'tf32', 'bfloat16'"):
        dataclasses.replace(PLIF, precision="half")


def test_runs_beyond_the_papers_train(results_in):
    cycle = dataclasses.replace(BASE, schedule="cosine2", loss="cross-entropy")
    flipped = dataclasses.replace(PLIF, epochs=1, augmentation="crop_flip")
    records = execute.run([cycle, flipped], "test", workers=1, progress=False)
    losses = [record["curve"][1]["train_loss"] for record in records]
    assert losses[0] > 1 > losses[1]  # ln 4 at first; a squared error of rates is below 1
    assert jobs.task_of(flipped).augmentation == "crop_flip" != jobs.task_of(PLIF).augmentation


def test_records_are_written_once_and_read_in_order(results_in, monkeypatch):
    runs = [dataclasses.replace(BASE, seed=seed) for seed in (1, 0)]
    records = execute.run([*runs, runs[0]], "test", workers=1, progress=False)
    assert [record["seed"] for record in records] == [1, 0, 1]
    first = records[0]
    assert first["dataset"] == "Bright quarters" and first["source"] == "stand-in"
    assert first["train_samples"] == 60 and first["test_samples"] == 40
    assert first["accuracy_best"] == max(epoch["test_accuracy"] for epoch in first["curve"][1:])
    assert (
        first["accuracy_last"] == first["curve"][-1]["test_accuracy"] and first["accuracy_validated"] is None
    )
    assert len(first["spike_rates"]) == 2 and first["seconds"] > 0 and first["checksum"] and first["commit"]
    assert not list((results_in / "test" / "runs").glob("*.ckpt"))
    assert not list((results_in / "test" / "runs").glob("*.partial.json"))
    monkeypatch.setattr(jobs, "train_together", lambda *_: pytest.fail("a finished run was trained again"))
    assert execute.run(runs, "test", workers=1) == records[:2]


def test_two_processes_give_the_numbers_of_one(results_in):
    """Also: what a fresh process needs is in the run itself (the data set here is registered by the tests
    alone).
    """
    runs = [
        dataclasses.replace(
            BASE,
            task="mnist",
            data=datasets.identify("mnist", source="stand-in"),
            seed=seed,
            train_samples=40,
            test_samples=40,
            epochs=1,
            task_options=(("source", "stand-in"),),
        )
        for seed in (0, 1)
    ]
    one = execute.run(runs, "one", workers=1, progress=False)
    two = execute.run(runs, "two", workers=2, progress=False)
    for a, b in zip(one, two, strict=True):
        assert [epoch["train_loss"] for epoch in a["curve"]] == [epoch["train_loss"] for epoch in b["curve"]]
        assert a["accuracy_last"] == b["accuracy_last"] and a["checksum"] == b["checksum"]


def test_a_narrow_plif_run_has_the_same_digits_in_every_process(tmp_path):
    here = numbers(jobs.train_one(NARROW, tmp_path / "here"))
    environment = os.environ | {"PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "there"]
    there = subprocess.run(command, env=environment, cwd=paths.ROOT, capture_output=True, text=True)
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout) == here
    # Another processor may round the sums of a convolution differently; what the net learns stays the same.
    losses, accuracies = (
        [epoch[name] for epoch in here["curve"]] for name in ("train_loss", "test_accuracy")
    )
    assert losses[1:] == pytest.approx([0.0980922, 0.0570807, 0.0288349], rel=0.02)
    assert accuracies == pytest.approx([25, 25, 100, 100], abs=3.4)  # two samples of sixty
    assert here["spike_rates"] == pytest.approx([0.1861, 0.5396, 0.0922], abs=0.02)
    assert here["tau"][-1] == pytest.approx([1.67919, 1.58576, 1.60649], rel=0.01)


def test_an_interrupted_run_goes_on(results_in, monkeypatch):
    place = results_in / "test" / "runs"
    whole = jobs.train_one(BASE, results_in / "whole")
    real = records.record
    monkeypatch.setattr(records, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        jobs.train_one(BASE, place)
    assert (place / f"{BASE.hash}.ckpt").exists() and not (place / f"{BASE.hash}.json").exists()
    assert store.epochs_seen(BASE, place) == 3 and not plan.plan([BASE], "test").recorded.any()
    monkeypatch.setattr(records, "record", real)
    monkeypatch.setitem(jobs.LOSSES, "", lambda *_: pytest.fail("an epoch was trained again"))
    (resumed,) = execute.run([BASE], "test", workers=1, progress=False)
    assert numbers(resumed) == numbers(whole)


def test_the_speed_of_a_plan_is_measured(results_in):
    assert plan.speed("test")[1].startswith(("a rule of thumb", "the reference runs"))
    execute.run([BASE], "test", workers=1, progress=False)
    slow = made(BASE, seconds=1000.0, train_samples=60, test_samples=40)
    (results_in / "test" / "runs" / f"{BASE.hash}.json").write_text(json.dumps(slow))
    (reference, _), (rate, basis) = plan.speed("another"), plan.speed("test")
    assert basis.startswith("this profile's finished runs") and rate(BASE) > 10 * reference(BASE)
    assert rate(PLIF) == reference(PLIF)  # of a paper that has no run in the profile
    other = dataclasses.replace(BASE, seed=1)
    assert plan.plan([other], "test").seconds[0] == pytest.approx(1000)


def test_plan_before_and_after(results_in):
    runs = [BASE, dataclasses.replace(BASE, seed=1), BASE]
    before = plan.plan(runs, "test")
    assert len(before) == 2 and not before.recorded.any() and (before.seconds > 0).all()
    execute.run(runs[:1], "test", workers=1, progress=False)
    after = plan.plan(runs, "test")
    assert after.recorded.tolist() == [True, False] and after.seconds[0] == 0


def test_seed_0_keeps_its_weights(results_in):
    (record,) = execute.run([PLIF], "test", workers=1, progress=False)
    assert len(record["tau"]) == 3 and len(record["tau"][0]) == 3 and len(record["w_over_tau"]) == 3
    assert record["pooling"] == "max"
    block = pictures.trained(PLIF, "test")
    assert block[1].tau.item() == pytest.approx(record["tau"][-1][0], rel=1e-5)
    assert block(torch.rand(4, 2, 1, 8, 8)).shape == (4, 2, 4, 8, 8)
    (results_in / "test" / "runs" / f"{PLIF.hash}.pt").unlink()
    assert pictures.trained(PLIF, "test") is None


def test_mdn_runs_keep_the_whole_network_of_seed_0(results_in):
    runs = [dataclasses.replace(BASE, seed=seed) for seed in (0, 1)]
    records = execute.run(runs, "test", workers=1, progress=False)
    network, task = pictures.trained(runs[0], "test"), jobs.task_of(runs[0])
    again = training.evaluate(network, task.test_x, task.test_y, task.encode, task.test_batch_size(20), 0)[0]
    assert again == records[0]["accuracy_last"]
    assert pictures.trained(runs[1], "test") is None


def test_validation_picks_the_reported_epoch(results_in):
    (record,) = execute.run(
        [dataclasses.replace(BASE, validation=0.15, epochs=4)], "test", workers=1, progress=False
    )
    best = max(record["curve"][1:], key=lambda epoch: epoch["validation_accuracy"])
    assert record["accuracy_validated"] == best["test_accuracy"]


def test_neuron_factory_and_bad_runs():
    def made(**changes):
        return jobs.neuron_factory(dataclasses.replace(BASE, **changes))(7)

    assert isinstance(made(), neurons.FirstOrder)
    assert made(neuron="2-FS", theta=neurons.PRESETS["2-FS"]).theta_a.item() == pytest.approx(0.06)
    learned = made(neuron="learned", theta=(0.02, 0.2, 0.0, 0.08))
    assert learned.theta_d.shape == (7,) and learned.theta_d.requires_grad
    assert made(neuron="LIF", tau=16.0).tau == 16.0 and made(
        neuron="PLIF", tau=16.0
    ).tau.item() == pytest.approx(16)
    mixed = made(neuron="mixed", theta=(*neurons.PRESETS["2-FS"], *neurons.PRESETS["2-SDS"]))
    for theta, (even, odd) in zip(
        mixed.thetas, zip(neurons.PRESETS["2-FS"], neurons.PRESETS["2-SDS"], strict=True), strict=True
    ):
        assert theta.tolist() == pytest.approx([even, odd, even, odd, even, odd, even])
        assert not theta.requires_grad
    with pytest.raises(ValueError, match="takes the theta of two kinds, 8 values, and got 4"):
        made(neuron="mixed", theta=neurons.PRESETS["2-FS"])
    with pytest.raises(ValueError, match="Unknown neuron 'HH'"):
        made(neuron="HH")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "A run's epochs is 0; it must be of type int of at least 1"),
        ({"epochs": 20.0}, "epochs is 20.0; it must be of type int"),
        ({"seed": True}, "seed is True; it must be of type int of at least 0"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1; it must be of type float of at least 0"),
        ({"tau": 2}, "tau is 2; it must be of type float"),  # 2.0 has another hash
        ({"validation": 1.5}, "validation is 1.5; .* of at least 0 and below 1"),
        ({"theta": (1, 0.2, 0.0, 0.1)}, "its values must be finite and of type float"),
        ({"neuron": None}, "neuron is None; it must be of type str"),
        ({"schedule": "foo"}, "Unknown schedule 'foo'; use 'step50'"),
    ],
)
def test_a_run_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(BASE, **changes)


def test_damaged_leftovers_do_not_stop_a_plan_or_a_run(results_in):
    store = results_in / "test" / "runs"
    store.mkdir(parents=True)
    (store / f"{BASE.hash}.partial.json").write_text("")
    (store / "0123456789abcdef.json").write_text("{half")
    (store / f".{BASE.hash}.json.k2x9.json").write_text("")
    (store / f"{BASE.hash}.ckpt").write_bytes(b"")
    assert len(plan.plan([BASE], "test")) == 1
    with pytest.warns(UserWarning, match="its run starts afresh"):
        (record,) = execute.run([BASE], "test", workers=1, progress=False)
    assert len(record["curve"]) == 3


def test_a_diverged_run_stops_and_says_why(results_in):
    wild = dataclasses.replace(BASE, neuron="learned", theta=(0.02, 0.2, 0.0, 0.08), theta_learning_rate=1e30)
    with pytest.raises(ValueError, match="Weights are not finite after epoch 1"):
        execute.run([wild], "test", workers=1, progress=False)
    assert not list(store.folder("test").glob("*.json"))


def test_errors_of_the_data_come_back_whole_from_a_worker():
    error = datasets.SourceError("some.gz", "a whole file", "Fetch it again.")
    assert str(pickle.loads(pickle.dumps(error))) == "some.gz: expected a whole file. Fetch it again."


@pytest.fixture
def three_gpus(monkeypatch, tmp_path):
    """16 cores, GPUs of 80, 8 and 48 GiB, and MPS not running; returns where its pipes would be."""
    sizes = [80, 8, 48]
    monkeypatch.setattr(execute.joblib, "cpu_count", lambda: 16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(sizes))
    of = lambda number: SimpleNamespace(total_memory=sizes[number] * 2**30, uuid=f"gpu{number}")  # noqa: E731
    monkeypatch.setattr(torch.cuda, "get_device_properties", of)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    return tmp_path


def test_processes_are_as_asked_one_per_core_or_as_gpus_have_room(monkeypatch, three_gpus):
    assert [number for _, number in jobs.gpu_places()] == [0, 2, 0, 2, 1, 1]
    assert [number for _, number in jobs.gpu_places(20 * 2**30)] == [0, 2, 0, 2]
    assert jobs.gpu_places(100 * 2**30) == [(0, 0)]  # fits nowhere: tried where most is
    assert (execute.processes(0), execute.processes(9)) == (6, 9)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)  # a driver without a GPU
    assert (execute.processes(0), execute.processes(2)) == (1, 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (execute.processes(0), execute.processes(2)) == (16, 2)


def test_mps_lets_twelve_share_a_gpu_as_far_as_memory_and_cores_go(monkeypatch, three_gpus):
    daemon = three_gpus / "nvidia-cuda-mps-control.pid"
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout
    for pid, running in ((gone, False), ("", False), (f"{os.getpid()}\n", True)):
        daemon.write_text(pid)
        assert jobs.mps() is running
    places = jobs.gpu_places()
    assert len(set(places)) == 36 and places[:3] == [(0, 0), (0, 2), (1, 0)]
    fitting = jobs.gpu_places(4 * 2**30)
    assert fitting == places[: len(fitting)] and [n for _, n in fitting].count(1) == 2
    assert execute.processes(0) == 16  # and not 36: a core each
    monkeypatch.setattr(gpus, "memory", lambda unit: 16 * 2**30 * len(unit))
    assert execute.processes(0, [(BASE,), (BASE,) * 2]) == 2 + 1


def test_who_trains_on_a_gpu_without_mps_is_told_once(results_in, monkeypatch, capsys):
    begun = []
    monkeypatch.setattr(work, "device", lambda: "NVIDIA T1000")
    monkeypatch.setattr(work, "outcomes", lambda units, *_: begun.append(units) or iter(()))
    for running in (False, True):
        monkeypatch.setattr(jobs, "mps", lambda running=running: running)
        execute.train_missing([BASE, PLIF], "test", workers=2, progress=False)
        told = capsys.readouterr().out.count("`nvidia-cuda-mps-control -d` beforehand")
        assert told == (not running)
    assert [len(units) for units in begun] == [2, 2]


def test_tf32_is_refused_before_work_starts_where_nothing_computes_in_it(results_in, monkeypatch):
    narrow = dataclasses.replace(PLIF, precision="tf32")
    monkeypatch.setattr(jobs, "has_tf32", lambda: False)
    with pytest.raises(jobs.Refused, match="1 of 2 runs are in TF32, .*: train on a GPU of"):
        execute.run([BASE, narrow], "test", workers=1, progress=False)
    assert not list(store.folder("test").glob("*.json"))
    with pytest.raises(jobs.Refused, match="Nothing on .* computes in TF32"):
        jobs.train_one(narrow, results_in)


def test_what_a_kill_after_the_record_leaves_is_removed_and_nothing_else(results_in):
    place, other = store.folder("test"), jobs.checkpoint_of([PLIF, BASE], Path()).name  # PLIF has no record
    execute.run([BASE], "test", workers=1, progress=False)
    column = jobs.checkpoint_of([BASE, PLIF], place).name
    for name in (f"{BASE.hash}.ckpt", column, f"{BASE.hash}.partial.json", other):
        (place / name).write_text("[]")
    execute.run([BASE], "test", workers=1, progress=False)
    assert {path.name for path in place.iterdir()} == {f"{BASE.hash}.json", f"{BASE.hash}.pt", other}


def test_a_second_command_waits_and_repeats_nothing(results_in, monkeypatch, capsys):
    whole, place = jobs.train_one(BASE, results_in / "elsewhere"), store.folder("test")
    monkeypatch.setattr(jobs, "train_together", lambda *_: pytest.fail("trained a second time"))
    with ThreadPoolExecutor() as threads, files.alone(place, ""):
        second = threads.submit(execute.run, [BASE], "test", workers=1, progress=False)
        said = ""
        while "Another command trains for profile 'test'; waiting" not in said:
            assert not second.done()
            said += capsys.readouterr().out
        shutil.copy(results_in / "elsewhere" / f"{BASE.hash}.json", place)
    assert second.result() == [json.loads(json.dumps(whole))]


def test_without_shared_memory_runs_are_trained_one_by_one(results_in, monkeypatch, capsys):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execute.multiprocessing, "Semaphore", full)
    monkeypatch.setattr(work.joblib, "Parallel", lambda **_: pytest.fail("more processes"))
    runs = [dataclasses.replace(BASE, seed=seed) for seed in (0, 1)]
    assert len(execute.run(runs, "test", workers=2, progress=False)) == 2
    said = capsys.readouterr().out
    assert said.startswith("One run at a time: no shared memory") and "No space left on device" in said


def test_term_is_ctrl_c(tmp_path):
    """A pipe in a record's place holds the command where it is."""
    waiting = tmp_path / "0123456789abcdef.json"
    os.mkfifo(waiting)
    command = [sys.executable, "-m", "snnlib.runs", "collect", tmp_path]
    ended = subprocess.Popen(command, cwd=paths.ROOT, stderr=subprocess.PIPE, text=True)
    with waiting.open("wb"):  # goes on when the command reads
        ended.terminate()
        assert ended.communicate(timeout=30)[1] == "\nInterrupted.\n" and ended.returncode == 130
