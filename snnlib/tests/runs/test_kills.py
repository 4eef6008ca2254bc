"""Kills at random moments: at the end every record is that of an undisturbed run, and nothing else is there.

SNN_KILLS sets their number: 36 usually; 1,000 take about a quarter of an hour.
"""

import json
import os
import subprocess
import sys
import time

import psutil

from snnlib import paths

KILLS = int(os.environ.get("SNN_KILLS", 36))

TRAINING = """
import dataclasses, json, math, os, random, shutil, signal, sys, time
from pathlib import Path
from snnlib import paths
from snnlib.runs import execute, jobs, store
from snnlib.tests.conftest import register_quarters
from snnlib.tests.runs.samples import BASE, PLIF
from snnlib.tests.runs.test_execute import numbers

register_quarters()
root, kills = Path(sys.argv[1]), int(sys.argv[2])
paths.results = lambda profile: root / profile
GRID = [dataclasses.replace(run, seed=seed, epochs=3) for run in (BASE, PLIF) for seed in (0, 1)]


def start(profile):
    child = os.fork()
    if not child:
        try:
            execute.run(GRID, profile, workers=1, progress=False)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def records(profile):
    found = store.finished(store.folder(profile))
    return {path.stem: numbers(json.loads(path.read_text())) for path in found}


execute.run(GRID, "warm", workers=1, progress=False)  # kernels are compiled before the clock runs
began = time.monotonic()
assert os.waitpid(start("whole"), 0)[1] == 0
length, whole = time.monotonic() - began, records("whole")
chance, done, lost, changed, grids, left = random.Random(kills), 0, 0, 0, 0, []
while done < kills or grids == 0:
    before, child, began, ended = records("cut"), start("cut"), time.monotonic(), 0
    moment = began + chance.uniform(0, length) if done < kills else math.inf
    while not ended and time.monotonic() < moment:
        time.sleep(length / 1000)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        done += os.WIFSIGNALED(status)
    elif not before:
        length = time.monotonic() - began  # on a busy machine it changes
    after = records("cut")
    lost += len(before.keys() - after.keys())
    changed += sum(after[name] != whole[name] for name in after)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0 and len(after) == len(GRID)
        grids += 1
        there = {path.name for path in store.folder("cut").iterdir()}
        left += sorted(there ^ {path.name for path in store.folder("whole").iterdir()})
        shutil.rmtree(root / "cut")
print(json.dumps({"kills": done, "grids": grids, "lost": lost, "changed": changed, "left": left}))
"""


def test_kills_at_random_moments_lose_and_change_nothing(tmp_path):
    command = [sys.executable, "-c", TRAINING, tmp_path, str(KILLS)]
    ended = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    print(said)
    assert said["grids"] >= 1
    assert said == said | {"kills": KILLS, "lost": 0, "changed": 0, "left": []}


WORKERS = """
import dataclasses, sys
from pathlib import Path
from snnlib import datasets, paths
from snnlib.runs import execute
from snnlib.tests.runs.samples import BASE

if __name__ == "__main__":
    paths.results = lambda profile: Path(sys.argv[1])
    run = dataclasses.replace(
        BASE, task="mnist", data=datasets.identify("mnist", source="stand-in"), epochs=10**6,
        train_samples=40, task_options=(("source", "stand-in"),),
    )
    execute.run([dataclasses.replace(run, seed=seed) for seed in (0, 1)], "x", workers=2, progress=False)
"""


def test_training_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(WORKERS)
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, script, tmp_path]
    parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list((tmp_path / "runs").glob("*.ckpt"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.kill()
    parent.wait()
    left = psutil.wait_procs(workers, timeout=10)[1]
    for process in left:
        process.kill()
    assert left == []
