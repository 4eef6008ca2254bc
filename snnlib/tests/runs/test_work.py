"""Training elsewhere gives the records of training here, or says why it does not."""

import dataclasses
import os
import shutil
import threading

import pytest

from snnlib import datasets, files
from snnlib.runs import claims, execute, grids, jobs, store, work
from snnlib.tests.runs.samples import BASE, PLIF
from snnlib.tests.runs.test_execute import numbers

pytestmark = pytest.mark.usefixtures("small_world")

SMALL = {"train_samples": 40, "test_samples": 40, "epochs": 1, "source": "stand-in"}


def grid() -> list:
    """Runs that any machine can make: other processes know no data set of the tests."""
    narrow = {"channels": 4, "features": 20}
    plif = [grids.plif_run("mnist", "PLIF", 2.0, "max", seed, **SMALL, **narrow) for seed in (0, 1)]
    return plif + [grids.mdn_run("mnist", "2-FS", seed, hidden=10, **SMALL) for seed in (0, 1)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A cache folder of the workers' own, with the kernels compiled so far."""
    compiled = files.private_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "theirs"))
    if compiled.exists():
        shutil.copytree(compiled, files.private_folder(), dirs_exist_ok=True)
    return files.private_folder() / "runs"


def there(*_):
    pytest.fail("trained on the client")


def test_a_dask_cluster_without_shared_disk_gives_the_records_of_loky(results_in, elsewhere, monkeypatch):
    distributed = pytest.importorskip("distributed")
    here = execute.run(grid(), "loky", workers=2, progress=False)
    shutil.rmtree(elsewhere, ignore_errors=True)
    monkeypatch.setattr(jobs, "train_together", there)
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with work.backend("dask", cluster.scheduler_address):
            records = execute.run(grid(), "dask", workers=1, progress=False)
    assert [numbers(record) for record in records] == [numbers(record) for record in here]
    loky, dask = ({p.name: p for p in store.folder(name).iterdir()} for name in ("loky", "dask"))
    assert loky.keys() == dask.keys() and len(loky) == 6  # weights of seed 0 too
    assert all(loky[n].read_bytes() == dask[n].read_bytes() for n in loky if n.endswith(".pt"))
    assert {path.name for path in elsewhere.iterdir()} == loky.keys()


def test_a_dask_cluster_goes_on_without_what_fails_and_refuses_threads(results_in, elsewhere):
    distributed = pytest.importorskip("distributed")
    runs = grid()
    bad = dataclasses.replace(runs[0], neuron="HH", tau=0.0)
    with distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=":0") as cluster:
        with work.backend("dask", cluster.scheduler_address):
            with pytest.raises(ValueError, match="1 of 3 trainings failed: mnist HH .*Unknown neuron 'HH'"):
                execute.run([bad, *runs[2:]], "test", progress=False)
    assert len(execute.run(runs[2:], "test", train=False)) == 2
    long = [dataclasses.replace(run, epochs=200) for run in runs[:2]]
    with distributed.LocalCluster(1, threads_per_worker=2, dashboard_address=":0") as cluster:
        with work.backend("dask", cluster.scheduler_address):
            with pytest.raises(jobs.Refused, match="two runs at once.*--nthreads 1"):
                execute.run(long, "test", progress=False)


def test_a_ray_cluster_gives_the_records_of_loky_and_goes_on_without_what_fails(
    results_in, elsewhere, monkeypatch
):
    pytest.importorskip("ray")
    here = execute.run(grid(), "loky", workers=2, progress=False)
    shutil.rmtree(elsewhere, ignore_errors=True)
    bad = dataclasses.replace(grid()[0], neuron="HH", tau=0.0)
    monkeypatch.setattr(jobs, "train_together", there)
    with work.backend("ray"):
        assert work.device() == "CPU"
        with pytest.raises(ValueError, match="1 of 5 trainings failed: mnist HH .*Unknown neuron 'HH'"):
            execute.run([bad, *grid()], "ray", progress=False)
    records = execute.run(grid(), "ray", train=False)
    assert [numbers(record) for record in records] == [numbers(record) for record in here]


def test_another_version_of_the_library_is_refused(tmp_path):
    with pytest.raises(jobs.Refused, match="has another version of snnlib"):
        work.train((BASE,), tmp_path, sources="0123456789ab")
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_data_are_not_here_does_not_end_the_others(results_in):
    stale = dataclasses.replace(BASE, data="official:0123456789ab:1")
    said = "data of quarters on .*: expected official:.* found stand-in:.* the same data everywhere, or plan"
    with pytest.raises(ValueError, match=f"1 of 2 trainings failed: .*{said}"):
        execute.run([stale, BASE], "test", workers=1, progress=False)
    with pytest.raises(ValueError, match=f"1 trainings failed: .*{said}"):
        claims.train_shard([stale, BASE], "shard", "0/1")
    for profile in ("test", "shard"):
        assert [path.stem for path in store.finished(store.folder(profile))] == [BASE.hash]


def test_two_runs_at_once_in_one_process_are_refused(tmp_path, monkeypatch):
    inside, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(jobs, "train_together", lambda *_: (inside.set(), go_on.wait(30)))
    first = threading.Thread(target=work.train, args=((PLIF,), tmp_path))
    first.start()
    assert inside.wait(30)
    with pytest.raises(jobs.Refused, match="two runs at once"):
        work.train((BASE,), tmp_path)
    go_on.set()
    first.join()


def test_what_a_worker_has_finished_is_handed_over_again(elsewhere, tmp_path, monkeypatch):
    content, problem = work.train((BASE,), None)
    assert not problem and set(content) == {f"{BASE.hash}.json", f"{BASE.hash}.pt"}
    monkeypatch.setattr(jobs, "train_together", there)
    assert work.train((BASE,), None) == (content, "")
    store.receive(content, tmp_path / "client")
    assert store.whole(BASE, tmp_path / "client")["hash"] == BASE.hash
    with pytest.raises(ValueError, match="no whole record"):
        store.receive({"0123456789abcdef.json": b"{half"}, tmp_path / "client")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_does_not_end_the_others(results_in, workers):
    (good, *_), mdn = grid(), grid()[2]
    bad = [dataclasses.replace(mdn, neuron=name, theta=()) for name in ("HH", "AdEx")]
    with pytest.raises(ValueError, match="2 of 3 trainings failed: .*Unknown neuron 'AdEx'.*'HH'") as told:
        execute.run([bad[0], good, bad[1]], "test", workers=workers, progress=False)
    assert "\n" not in str(told.value)
    assert len(execute.run([good], "test", train=False)) == 1


def test_a_failure_in_a_library_is_told_with_its_place():
    try:
        dict()["missing"]
    except KeyError as error:
        said = work.failure(BASE, error)
    assert said.startswith("quarters 1st-order seed 0: KeyError: 'missing' (snnlib/tests/runs/")
    assert work.failure(BASE, ValueError("Say so.")) == "quarters 1st-order seed 0: Say so."


def test_a_member_that_fails_does_not_cost_its_column(tmp_path, monkeypatch):
    column = tuple(dataclasses.replace(BASE, seed=seed) for seed in range(5))
    real, tried = jobs.train_together, []

    def train(group, folder, until):
        tried.append([r.seed for r in group])
        if column[3] in group:
            jobs.checkpoint_of(group, folder).write_text("cut")
            raise FloatingPointError("diverged")
        return real(group, folder, until)

    monkeypatch.setattr(jobs, "train_together", train)
    problem = work.train(column, tmp_path)[1]
    assert "seed 3: FloatingPointError: diverged" in problem and "seed 4" not in problem
    assert tried == [[0, 1, 2, 3, 4], [2, 3, 4], [3, 4], [4], [3], [2], [0, 1]]
    trained = {path.stem for path in store.finished(tmp_path)}
    assert trained == {column[seed].hash for seed in (0, 1, 2, 4)}
    assert [path.stem for path in tmp_path.glob("*.ckpt")] == [column[3].hash]  # its own, to go on from


@pytest.mark.parametrize("problem", [OSError("no space"), datasets.SourceError("A", "no space", "B")])
def test_what_is_the_same_for_all_fails_a_column_as_a_whole_and_keeps_its_checkpoint(
    tmp_path, monkeypatch, problem
):
    column = tuple(dataclasses.replace(BASE, seed=seed) for seed in range(3))
    jobs.checkpoint_of(column, tmp_path).write_text("epochs")

    def full(*_):
        raise problem

    monkeypatch.setattr(jobs, "train_together", full)
    assert work.train(column, tmp_path)[1].count("no space") == 3
    assert [path.name for path in tmp_path.iterdir()] == [jobs.checkpoint_of(column, tmp_path).name]


def test_a_killed_process_is_told_in_a_sentence(results_in, monkeypatch):
    monkeypatch.setattr(work, "_train_for", lambda *_: os._exit(1))
    with pytest.raises(OSError, match="A training process was killed, .* under `--workers 1`"):
        execute.run(grid(), "test", workers=2, progress=False)


def test_columns_have_a_most(quarters):
    seeds = [dataclasses.replace(BASE, seed=seed) for seed in range(jobs.MEMBERS + 3)]
    assert [len(column) for column in jobs.columns(seeds)] == [jobs.MEMBERS, 3]


def test_backends_are_named(monkeypatch):
    for name, address, said in (
        ("slurm", "", "--backend slurm is unknown: use loky, dask or ray"),
        ("loky", "tcp://here:1", "needs --backend dask or ray"),
    ):
        with pytest.raises(ValueError, match=said), work.backend(name, address):
            pass
    for name, package in (("dask", "distributed"), ("ray", "ray")):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(ValueError, match=f"pip install {package}"), work.backend(name):
            pass
    assert work.cluster() is None and work.device() == "CPU"


def test_sizes_are_those_of_the_data_at_hand(quarters):
    assert datasets.sizes("quarters", "mdn") == (120, 60)
