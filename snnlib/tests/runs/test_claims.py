"""Commands that share a folder share out its runs, and what a dead one had begun is taken over."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest

from snnlib import paths
from snnlib.runs import claims, execute, jobs, store
from snnlib.tests.runs.samples import BASE
from snnlib.tests.runs.test_execute import numbers

pytestmark = pytest.mark.usefixtures("small_world")


def test_a_claim_is_one_processs_alone(tmp_path):
    path = tmp_path / "runs" / "a.claim"
    with claims.claimed(path) as mine, claims.claimed(path) as second:
        assert mine and not second
        assert path.read_text().split()[1] == str(os.getpid())
    assert not path.exists()


def test_a_dead_claim_is_taken_over(tmp_path):
    path = tmp_path / "a.claim"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = claims.platform.node()
    for text, age, taken in (
        (f"{here} {ended.pid}", 0, True),  # its process is gone
        (f"{here} {os.getpid()}", 0, False),
        ("another-machine 1", claims.STALE - 60, False),
        ("another-machine 1", claims.STALE + 60, True),  # no sign of life
        ("", 0, False),  # just being written
        ("", claims.STALE + 60, True),
    ):
        path.write_text(text)
        os.utime(path, (time.time() - age,) * 2)
        with claims.claimed(path) as mine:
            assert mine == taken, (text, age)


def test_a_claim_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "STALE", 1.0)
    path = tmp_path / "a.claim"
    with claims.claimed(path):
        time.sleep(1.5)
        with claims.claimed(path) as second:
            assert not second


SHARD = """
import sys
from pathlib import Path
from snnlib import paths
from snnlib.runs import claims
from snnlib.tests.conftest import register_quarters
from snnlib.tests.runs.test_claims import GRID

register_quarters()
paths.results = lambda profile: Path(sys.argv[1]) / profile
claims.train_shard(GRID, "shared", sys.argv[2])
"""
GRID = [dataclasses.replace(BASE, seed=seed, epochs=20) for seed in range(6)]


def test_two_shards_train_each_run_once_and_the_same(results_in):
    whole = execute.run(GRID, "whole", workers=1, progress=False)
    begin = [[sys.executable, "-c", SHARD, results_in, f"{i}/2"] for i in (1, 2)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(words, cwd=paths.ROOT, **pipes) for words in begin]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    counts = [int(out.splitlines()[-1].split()[2]) for out, _ in said]
    assert sum(counts) == len(GRID)
    records = execute.run(GRID, "shared", train=False)
    assert [numbers(record) for record in records] == [numbers(record) for record in whole]
    files = [{path.name for path in store.folder(name).iterdir()} for name in ("whole", "shared")]
    assert files[0] == files[1]


def test_a_shard_names_what_failed_and_leaves_what_others_train(results_in, capsys):
    bad = dataclasses.replace(BASE, neuron="HH")
    taken = store.folder("test") / f"{GRID[1].hash}.claim"
    with claims.claimed(taken):
        with pytest.raises(ValueError, match="1 trainings failed: quarters HH seed 0: Unknown neuron 'HH'"):
            claims.train_shard([bad, *GRID[:3]], "test", "0/4")
    assert {path.stem for path in store.finished(store.folder("test"))} == {GRID[0].hash, GRID[2].hash}
    for wrong in ("3", "1/0", "a/b", "-1/4"):
        with pytest.raises(ValueError, match="--shard .* is none: .* such as 3/8"):
            claims.train_shard(GRID, "test", wrong)


def test_a_finished_shard_trains_nothing(results_in, monkeypatch, capsys):
    execute.run(GRID[:1], "test", workers=1, progress=False)
    monkeypatch.setattr(jobs, "train_together", lambda *_: pytest.fail("trained again"))
    claims.train_shard(GRID[:1], "test", "0/1")
    assert capsys.readouterr().out == "shard 0/1: 0 runs trained\n"
