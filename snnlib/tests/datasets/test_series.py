"""Series from packages: what is read where, that no test clip reaches the training clips, the stand-ins."""

import importlib
import sys

import numpy as np
import pytest
import torch

from snnlib import datasets
from snnlib.datasets import series

from .data_files import empty_root, write_ts  # noqa: F401

REAL = importlib.util.find_spec
VOWELS = [str(n) for n in range(1, 10)]
LENGTHS = [[7 + n % 23 for n in range(270)], [29] * 370]
VIEWS = {"mnist1d": (40, (1,), 10), "japanese_vowels": (29, (12,), 9), "basic_motions": (100, (6,), 4)}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a package, which breaks when it is imported unless told otherwise."""

    def install(package, start="raise RuntimeError('imported')", **files):
        folder = tmp_path / "site" / package
        folder.mkdir(parents=True)
        for name, text in {"__init__": start, **files}.items():
            (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.setattr(series, "find_spec", REAL)
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        return folder

    yield install
    for name in [name for name in sys.modules if name.split(".")[0] in ("aeon", "mnist1d")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", VIEWS)
def test_the_stand_in_has_the_shape_of_the_set_and_names_the_remedy(name):
    task = datasets.load(name)
    assert task.passport.source == "stand-in" and "pip install" in task.passport.note
    assert (task.time_steps, task.input_shape, task.classes) == VIEWS[name]
    assert (len(task.train_y), len(task.test_y)) == next(s.samples for s in series.SETS if s.name == name)
    x = task.batch(task.train_x, torch.Generator(), train=True)
    assert x.shape == (task.time_steps, len(task.train_y), *task.input_shape)
    assert x.mean((0, 1)).abs().max() < 1e-5 and (x.std((0, 1)) - 1).abs().max() < 1e-3
    means = torch.stack([task.train_x[task.train_y == label].mean((0, 1)) for label in range(task.classes)])
    assert means.abs().max() < 0.2  # summed over time the classes are alike: what tells them apart is order


def test_ts_files_are_read_from_a_package_that_is_not_imported(installed):
    folder = installed("aeon") / "datasets/data/JapaneseVowels"
    write_ts(folder, "JapaneseVowels", 12, LENGTHS, VOWELS)
    task = datasets.load("japanese_vowels")
    assert "aeon" not in sys.modules
    assert task.passport.source == "part" and "differs from the copy known" in task.passport.note
    assert task.passport.note.endswith("package aeon.")
    assert task.train_x.shape == (270, 29, 12) and task.test_y[:10].tolist() == [*range(9), 0]
    x, lines = task.train_x, (folder / "JapaneseVowels_TRAIN.ts").read_text().splitlines()[4:]
    assert x.mean((0, 1)).abs().max() < 1e-6 and (x.std((0, 1), correction=0) - 1).abs().max() < 1e-6
    clips = [np.array([c.split(",") for c in line.split(":")[:-1]], float) for line in lines]
    stretched = [
        [np.interp(np.linspace(0, 1, 29), np.linspace(0, 1, clip.shape[1]), c) for c in clip]
        for clip in clips
    ]
    expected = torch.tensor(np.array(stretched)).mT  # [N, T, channels]
    centred = expected - expected.mean((0, 1))
    assert torch.allclose(x.double(), centred / expected.std((0, 1), correction=0), atol=1e-5)


def test_what_test_clips_are_like_does_not_reach_the_training_clips(root):
    folder = root / "BasicMotions"
    labels = ["Standing", "Running", "Walking", "Badminton"]
    write_ts(folder, "BasicMotions", 6, [[100] * 40] * 2, labels)
    before, identity = datasets.load("basic_motions"), datasets.identify("basic_motions")
    file = folder / "BasicMotions_TEST.ts"
    head, body = file.read_text().split("@data\n")
    file.write_text(head + "@data\n" + body.replace("0.", "9."))
    after = datasets.load("basic_motions")
    assert torch.equal(before.train_x, after.train_x) and not torch.equal(before.test_x, after.test_x)
    assert datasets.identify("basic_motions") != identity


def test_the_known_files_are_official_in_the_data_folder_and_package_in_a_package(
    root, installed, monkeypatch
):
    for folder in (root / "BasicMotions", installed("aeon") / "datasets/data/BasicMotions"):
        write_ts(folder, "BasicMotions", 6, [[100] * 40] * 2, list("abcd"))
    known = datasets.identify("basic_motions").split(":")[1]
    monkeypatch.setitem(series.KNOWN, "basic_motions", known)
    assert datasets.identify("basic_motions").startswith("official:")
    (root / "BasicMotions").rename(root / "elsewhere")
    assert datasets.identify("basic_motions") == f"package:{known}:{series.VERSION}"


@pytest.mark.parametrize(
    "changed, said",
    [
        (lambda text: text.replace("@data", ""), "end in @data"),
        (lambda text: text.replace(" 9\n", "\n"), "9 classes"),
        (lambda text: text.replace(",", ":", 1), "line 5"),
        (lambda text: text.replace("0.", "x.", 1), "line 5"),
        (lambda text: text[: text.rindex("\n")], "found 270 and 369"),
        (lambda text: text.rpartition("\n")[0] + "\n" + ":".join(["1,2"] * 12) + ":1", "line 374"),
    ],
)
def test_a_file_of_another_kind_is_named(root, changed, said):
    write_ts(root / "JapaneseVowels", "JapaneseVowels", 12, LENGTHS, VOWELS)
    file = root / "JapaneseVowels/JapaneseVowels_TEST.ts"
    file.write_text(changed(file.read_text()))
    with pytest.raises(datasets.SourceError, match=said) as problem:
        datasets.load("japanese_vowels")
    assert "JapaneseVowels" in str(problem.value) and "remove it to do without" in str(problem.value)


GENERATOR = """
import random
import numpy as np
def get_dataset_args():
    return {count}
def make_dataset(count):
    random.seed(42); np.random.seed(42)
    x = np.random.rand(count, 40)
    y = np.arange(count) % 10
    return {{"x": x, "y": y, "x_test": x[:1000], "y_test": y[:1000]}}
"""


@pytest.mark.parametrize("count", [4000, 3999])
def test_the_generator_is_run_and_leaves_other_random_numbers_alone(installed, count):
    installed("mnist1d", start="", data=GENERATOR.format(count=count), transform="")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert "mnist1d.data" not in sys.modules and datasets.identify("mnist1d").startswith("part:")
    if count != 4000:
        with pytest.raises(datasets.SourceError, match="4000 and 1000 clips .found 3999"):
            datasets.load("mnist1d")
        return
    task = datasets.load("mnist1d")
    assert task.train_x.shape == (4000, 40, 1) and task.test_y.bincount().tolist() == [100] * 10
    assert (before == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("name", VIEWS)
def test_the_packages_themselves_where_they_are_installed(name, monkeypatch):
    chosen = next(s for s in series.SETS if s.name == name)
    if not any(map(REAL, (package for package, _ in chosen.packages))):
        pytest.skip(chosen.install)
    monkeypatch.setattr(series, "find_spec", REAL)
    task = datasets.load(name)
    assert datasets.identify(name) == f"package:{series.KNOWN[name]}:{series.VERSION}"
    assert (len(task.train_y), len(task.test_y)) == chosen.samples
    assert task.train_x.mean((0, 1)).abs().max() < 1e-5 and task.test_x.isfinite().all()
    if name != "japanese_vowels":
        assert (task.train_y.bincount() >= 0.09 * len(task.train_y)).all()
    else:
        assert task.train_y.bincount().tolist() == [30] * 9
