"""A small honest data set for the tests of training and experiments: which of four quarters of a picture is
bright.
"""

import os

import pytest
import torch
from hypothesis import settings

from snnlib import datasets, paths
from snnlib.datasets.registry import Entry, Located, Source, Split, register
from snnlib.runs import plan

os.environ.setdefault("TQDM_DISABLE", "1")
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def _quarters(count: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 4
    x = 90 * torch.rand(count, 1, 8, 8, generator=generator)
    for image, label in zip(x, y.tolist(), strict=True):
        image[0, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 90
    return Split(x.to(torch.uint8), y)


def _view(paper, options) -> dict:
    if paper == "mdn":
        return {
            "time_steps": 6,
            "input_shape": (64,),
            "classes": 4,
            "encoding": "bernoulli",
            "scale": 1 / 255,
        }
    return {"time_steps": 4, "input_shape": (1, 8, 8), "classes": 10, "encoding": "direct", "scale": 1 / 255}


def register_quarters() -> None:
    """Registers the data set "quarters" for both papers."""
    located = Located("Bright quarters", "stand-in", "made by the tests", "MIT", "0123456789abcdef")
    source = Source(
        lambda paper, options: located, lambda found, paper, options: (_quarters(120, 1), _quarters(60, 2))
    )
    register(Entry("quarters", "Quarters", ("mdn", "plif"), (source,), _view))


@pytest.fixture(scope="session")
def quarters():
    return register_quarters()


@pytest.fixture
def results_in(tmp_path, monkeypatch):
    """Sends everything that a profile writes to a temporary folder."""
    monkeypatch.setattr(paths, "results", lambda profile: tmp_path / "results" / profile)
    return tmp_path / "results"


@pytest.fixture
def task(quarters):
    return datasets.load("quarters", paper="mdn")


@pytest.fixture
def small_world(quarters, monkeypatch):
    """The data set "quarters", with its size known to the estimates."""
    monkeypatch.setitem(plan.SAMPLES, "quarters", (120, 60))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of reference runs."""
    place = tmp_path / "reference_runs"
    place.mkdir()
    monkeypatch.setattr(paths, "REFERENCE_RUNS", place)
    return place
