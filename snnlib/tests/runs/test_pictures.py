"""A picture shows what its run saw: data at hand, else samples kept beside the records, else nothing."""

import numpy as np
import pytest

from snnlib import datasets, paths
from snnlib.runs import grids, pictures, store
from snnlib.tests.runs.samples import BASE, made, other


@pytest.fixture
def nothing_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "nothing")
    monkeypatch.setattr(datasets.images, "DEBIAN_FASHION", tmp_path / "nothing")


@pytest.mark.parametrize("which", ["mnist", "fashion_mnist"])
def test_without_the_data_set_the_kept_samples_are_shown(nothing_at_hand, results_in, which):
    if which == "mnist":
        run = grids.mdn_run("mnist", "2-FS", 0)
    else:
        narrow = {"channels": 8, "features": 256, "train_samples": 10000}
        run = grids.plif_run("fashion_mnist", "PLIF", 2.0, "max", 0, epochs=16, cosine_epochs=16, **narrow)
    assert run.data.startswith("stand-in")
    task = pictures.samples(run, "recorded")
    assert task.passport.source == "official" and task.passport.dataset in ("MNIST", "Fashion-MNIST")
    assert len(task.test_y) == len(task.test_x) == task.passport.test_samples >= pictures.FIRST
    assert set(task.test_y.tolist()) == set(range(10)) and task.test_x.float().std() > 10
    assert (
        task.batch(task.test_x, None, train=False).shape[1] == len(task.test_y) if which != "mnist" else True
    )
    network = pictures.trained(run, "recorded")
    assert network is not None and len(network) == (4 if which == "mnist" else 2)


def test_the_data_at_hand_are_shown_where_they_are_those_of_the_record(quarters, folder, results_in):
    store.add([(made(BASE), folder / "none")])
    assert pictures.samples(BASE, "test", 40).passport.dataset == "Bright quarters"


def test_other_data_than_the_records_are_not_shown(quarters, folder, results_in):
    assert pictures.samples(BASE, "test") is None  # no record
    store.add([(made(other(BASE, "official:bb:1")), folder / "none")])
    assert pictures.samples(BASE, "test") is None  # recorded on data that are neither here nor kept


def test_the_kept_samples_are_small_and_hold_no_code():
    for path in (paths.REFERENCE_RUNS / "samples").glob("*.npz"):
        assert path.stat().st_size < 20_000
        with np.load(path, allow_pickle=False) as kept:
            assert kept["x"].dtype == np.uint8 and len(kept["x"]) <= 30
