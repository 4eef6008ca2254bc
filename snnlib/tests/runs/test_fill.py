"""A profile is filled in order of worth, within its time, however often it is cut."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest
import torch

from snnlib import paths
from snnlib.runs import __main__ as command
from snnlib.runs import claims, execute, fill, grids, plan, store, work
from snnlib.runs.config import from_config
from snnlib.tests.runs.samples import BASE, PLIF
from snnlib.tests.runs.test_execute import numbers

pytestmark = pytest.mark.usefixtures("small_world")


def seeded(run, *seeds):
    return [dataclasses.replace(run, seed=seed) for seed in seeds]


def test_budgets():
    assert [fill.seconds_of(text) for text in ("90s", "25m", "1.5h", "2d")] == [90, 1500, 5400, 172800]
    assert fill.seconds_of("") == float("inf")
    with pytest.raises(ValueError, match="A budget of '25' is none: .* such as 25m"):
        fill.seconds_of("25")


def test_fewer_than_no_processes_are_refused(capsys):  # joblib would take -3 for all cores but two
    assert command.main(["fill", "nowhere.jsonl", "--workers", "-3"]) == 2
    assert "--workers is -3; it must be 0 (one per core) or more" in capsys.readouterr().err


def test_a_first_seed_of_every_setting_comes_first_and_the_cheap_before_the_dear(results_in):
    dear = dataclasses.replace(BASE, epochs=5000)
    runs = [*seeded(dear, 0, 1), *seeded(BASE, 0, 1, 2), *seeded(PLIF, 0)]
    execute.run(seeded(BASE, 1), "test", workers=1, progress=False)
    missing = [r for r in runs if r != seeded(BASE, 1)[0]]
    ordered = sorted([(r,) for r in missing], key=fill.worth(runs, missing, "test"))
    assert [(r.paper, r.epochs, r.seed) for (r,) in ordered] == [
        ("plif", 2, 0),
        ("mdn", 5000, 0),
        ("mdn", 2, 0),
        ("mdn", 5000, 1),
        ("mdn", 2, 2),
    ]


def test_what_does_not_fit_is_not_begun(results_in, capsys):
    dear = dataclasses.replace(BASE, epochs=10**6)
    fill.fill([dear, BASE], "test", "1m", workers=1)
    assert {path.stem for path in store.folder("test").iterdir()} == {BASE.hash}
    assert "fill: 2 of 2 runs are missing" in (said := capsys.readouterr().out)
    assert "1 of 2 runs done, 0 begun, 1 min left" in said and "fill: 1 records in" in said
    with pytest.raises(ValueError, match="None fits into 1m: the cheapest needs about"):
        fill.fill([dear], "test", "1m", workers=1)


def test_tf32_is_left_out_where_nothing_computes_in_it(results_in, monkeypatch, capsys):
    narrow = dataclasses.replace(PLIF, precision="tf32")
    monkeypatch.setattr(work, "device", lambda: "CPU")
    fill.fill([narrow, BASE], "test", workers=1)
    assert {path.stem for path in store.folder("test").iterdir()} == {BASE.hash}
    assert "fill: 1 of these are in TF32 and left out: train on a GPU" in capsys.readouterr().out
    claims.train_shard([narrow, BASE], "test", "0/1")
    assert "1 of 2 runs are in TF32 and left out" in capsys.readouterr().out
    began = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(execute, "train_missing", lambda runs, *_, **__: began.append(runs))
    for capability in ((7, 5), (8, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        fill.fill([narrow, PLIF], "test", workers=1)
    assert began == [[PLIF], [narrow, PLIF]]


def test_a_run_that_takes_longer_than_thought_stops_in_time_and_goes_on(results_in, monkeypatch):
    long = dataclasses.replace(BASE, epochs=10**6)
    monkeypatch.setattr(plan, "left", lambda runs, *_: [0.1] * len(runs))
    before = 0
    for _ in range(2):
        began = time.monotonic()
        fill.fill([long], "test", "2s", workers=1)
        assert time.monotonic() - began < 6
        seen = store.epochs_seen(long, store.folder("test"))
        assert seen > before
        before = seen


FILL = """
import sys
from pathlib import Path
from snnlib import interrupt, paths
from snnlib.runs import __main__ as command
from snnlib.tests.conftest import register_quarters

register_quarters()
paths.results = lambda profile: Path(sys.argv[1]) / profile
interrupt.told()
sys.exit(command.main(["fill", sys.argv[2], "--profile", "cut", "--workers", "1"]))
"""


def test_filling_cut_three_times_ends_as_if_never_cut(results_in, tmp_path, capsys):
    grid = [*seeded(dataclasses.replace(BASE, epochs=120), 0, 1), *seeded(PLIF, 0)]
    whole = execute.run(grid, "whole", workers=1, progress=False)
    listed = tmp_path / "runs.jsonl"
    listed.write_text("".join(json.dumps(r.config) + "\n" for r in grid))
    begin = [sys.executable, "-c", FILL, results_in, listed]
    folder, cuts, status = store.folder("cut"), 0, None
    while status != 0:
        child = subprocess.Popen(
            begin, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        seen, until = progress(folder, grid), time.monotonic() + 60
        while cuts < 3 and child.poll() is None and progress(folder, grid) < seen + 5:
            assert time.monotonic() < until
            time.sleep(0.005)
        if cuts < 3:
            child.send_signal(signal.SIGTERM)
        said = child.communicate(timeout=120)
        status = child.returncode
        assert status in ((0,) if cuts == 3 else (130,)), said
        cuts += status == 130
        assert "records in" in said[0]  # the archive is there after a cut too
    assert cuts == 3
    records = execute.run(grid, "cut", train=False)
    assert [numbers(record) for record in records] == [numbers(record) for record in whole]
    with tarfile.open(paths.results("cut") / "fill.tar.gz") as packed:
        assert set(packed.getnames()) == {path.name for path in store.folder("whole").iterdir()}


def progress(folder, grid) -> int:
    done = sum((folder / f"{r.hash}.json").exists() for r in grid)
    return 1000 * done + sum(store.epochs_seen(r, folder) for r in grid)


def test_an_archive_is_collected_like_a_folder(results_in, folder, tmp_path, capsys):
    fill.fill([BASE], "test", workers=1)
    archive = paths.results("test") / "fill.tar.gz"
    assert command.main(["collect", str(archive)]) == 0
    assert "1 records added" in capsys.readouterr().out and store.records().keys() == {BASE.hash}
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[:200])
    assert command.main(["collect", str(cut)]) == 2
    assert "is no whole archive" in capsys.readouterr().err


def test_a_list_of_runs_is_read_back_or_refused(tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(run.config) + "\n" for run in (BASE, PLIF)))
    assert command.listed(path) == [BASE, PLIF]
    path.write_text('{"paper": "mdn"}\n')
    assert command.main(["fill", str(path)]) == 2
    assert "is no list of runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": None}, "code is missing"),
        ({"loss": ""}, "loss is missing, or empty where it should be left out"),
        ({"code": 2}, "it has time_steps 6 and code 2, and here the task has 6 and 3"),
        ({"time_steps": 7}, "it has time_steps 7 and code 3, and here the task has 6 and 3"),
        ({"task": "no such task"}, "no such task"),
        ({"epochs": 20.0}, "epochs is 20.0"),
    ],
)
def test_a_list_is_refused_whose_runs_the_present_code_would_not_train(
    results_in, tmp_path, capsys, changes, said
):
    path, config = tmp_path / "runs.jsonl", BASE.config | changes
    lines = [PLIF.config, {name: value for name, value in config.items() if value is not None}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert command.main(["fill", str(path)]) == 2
    told = capsys.readouterr().err
    assert "is no list of runs (line 2: " in told and said in told


BARE = """
import sys
for name in ("nbformat", "papermill", "nbconvert", "tonic", "librosa", "matplotlib", "yaml", "IPython"):
    sys.modules[name] = None
from pathlib import Path
from snnlib import paths
from snnlib.runs.__main__ import main
paths.results = lambda profile: Path(sys.argv[1]) / profile
sys.exit(main(sys.argv[2:]))
"""


def test_filling_needs_none_of_the_chapters_packages(results_in, tmp_path):
    run = grids.mdn_run(
        "nettalk", "2-FS", 0, epochs=1, hidden=5, train_samples=20, test_samples=20, source="stand-in"
    )
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(run.config))
    for words in (["fill", path, "--budget", "5m"], ["work", path, "--shard", "0/2", "--profile", "other"]):
        command = [sys.executable, "-c", BARE, results_in, *words]
        ended = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, env=os.environ)
        assert ended.returncode == 0, ended.stderr
    for profile in ("paper", "other"):
        assert execute.run([run], profile, train=False)[0]["hash"] == run.hash


def test_the_papers_runs_are_among_those_of_the_paper_profile():
    from snnlib.chapters.run import needed

    chapters = ["02_mdn_generation", "03_transfer", "04_plif_ablation", "05_pooling"]
    known = set(needed(chapters, "paper", {}))
    assert set(grids.papers()) <= known
    assert from_config(json.loads(json.dumps(grids.papers()[0].config))) in known
