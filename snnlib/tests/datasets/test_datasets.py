"""Registry, batches, images and NETtalk: official formats, damage, and what the papers see."""

import gzip
import hashlib
import os
import pickle
from itertools import product

import numpy as np
import pytest
import torch

from snnlib import datasets
from snnlib.datasets import nettalk, registry, task

from .data_files import empty_root, write_authors, write_cifar10, write_dictionary, write_mnist  # noqa: F401


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


# ---------------------------------------------------------------- the registry
def test_unknown_names_and_options_are_named():
    for call, word in (
        (lambda: datasets.load("mnits"), "cifar10"),
        (lambda: datasets.load("timit", "plif"), "mdn"),
        (lambda: datasets.load("tidigits", splitt="speaker"), "time_axis"),
        (lambda: datasets.load("tidigits", split="sex"), "speaker"),
        (lambda: datasets.load("nettalk", leak_free=1), "True"),
        (lambda: datasets.load("mnist", train=0), "above 0"),
        (lambda: datasets.load("mnist", source="official"), "stand-in"),
    ):
        with pytest.raises(ValueError, match=word):
            call()


def test_every_task_of_both_papers_is_registered():
    assert set(datasets.names("mdn")) >= {"mnist", "fashion_mnist", "nettalk", "cifar10", "tidigits", "timit"}
    assert datasets.names()[0] == "mnist" and datasets.PAPER_TITLE["tidigits"] == "TIDigits"


def test_choice_is_balanced_nested_and_seeded():
    y = torch.tensor([0] * 50 + [1] * 30 + [2] * 5)
    few, more = registry.choose(y, 9, seed=1), registry.choose(y, 30, seed=1)
    assert torch.bincount(y[few]).tolist() == [3, 3, 3]
    assert torch.bincount(y[more]).tolist() == [13, 12, 5]  # what class 2 lacks is shared by the others
    assert set(few.tolist()) <= set(more.tolist())
    assert not torch.equal(few, registry.choose(y, 9, seed=2))
    assert len(registry.choose(y, 1000, seed=1)) == 85


def test_lazy_splits_decode_only_what_is_asked_for(monkeypatch):
    asked = []
    y = torch.arange(100) % 10

    def decode(indices):
        asked.extend(indices.tolist())
        return indices[:, None]

    source = registry.Source(
        lambda p, o: registry.Located("Lazy", "stand-in", "", "", "f00"),
        lambda located, p, o: (registry.Split(decode, y), registry.Split(decode, y)),
    )
    view = {"time_steps": 2, "input_shape": (1,), "classes": 10, "encoding": "direct"}
    monkeypatch.setitem(
        registry._ENTRIES, "lazy", registry.Entry("lazy", "Lazy", ("mdn",), (source,), lambda p, o: view)
    )
    loaded = datasets.load("lazy", train=10, test=20)
    assert len(asked) == 30 and loaded.train_x[:, 0].remainder(10).equal(loaded.train_y)
    assert loaded.passport.label == "Lazy (stand-in, 10 + 20)"


# ---------------------------------------------------------------- batches
def make_task(x, **fields):
    passport = task.Passport("d", "stand-in", "", "", "", len(x), len(x))
    y = torch.zeros(len(x), dtype=torch.int64)
    return task.Task("t", "mdn", x, y, x, y, classes=2, passport=passport, **fields)


def test_bernoulli_batches_follow_the_pixels(generator):
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(200, 3)
    t = make_task(x, time_steps=20, input_shape=(3,), encoding="bernoulli", scale=1 / 255)
    batch = t.batch(x, generator, train=False)
    assert batch.shape == (20, 200, 3) and batch.dtype == torch.float32
    assert set(batch.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(batch.mean((0, 1)), torch.tensor([0, 0.2, 1.0]), atol=0.03)
    assert torch.equal(batch, t.batch(x, torch.Generator().manual_seed(0), train=False))


def test_stills_are_normalised_and_repeated(generator):
    x = torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)
    t = make_task(
        x,
        time_steps=8,
        input_shape=(3, 4, 4),
        encoding="direct",
        scale=1 / 255,
        mean=(0.5, 0.0, 1.0),
        std=(0.5, 2.0, 1.0),
    )
    batch = t.batch(x, generator, train=True)
    assert batch.shape == (8, 2, 3, 4, 4) and batch.stride(0) == 0
    assert torch.allclose(batch[0, 0, :, 0, 0], torch.tensor([1.0, 0.5, 0.0]))


def test_sequences_put_time_first_and_normalise_the_batch(generator):
    x = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)
    t = make_task(x, time_steps=4, input_shape=(3,), encoding="sequence", normalise_batch=True)
    batch = t.batch(x, generator, train=False)
    assert batch.shape == (4, 2, 3) and abs(batch.mean()) < 1e-6 and abs(batch.std(correction=0) - 1) < 1e-5
    assert torch.allclose(batch[1, 0] - batch[0, 0], torch.full((3,), 3 / x.std(correction=0)))


def test_affine_moves_turns_and_scales_within_its_limits(generator):
    x = torch.zeros(500, 1, 28, 28)
    x[:, :, 13:15, 13:15] = 1  # a dot in the middle: its new place is the shift, its new size the scale
    grid = torch.arange(28.0) - 13.5
    out = task.random_affine(x, generator)
    mass = out.sum((1, 2, 3))
    columns, rows = ((out.sum((1, axis)) * grid).sum(1) / mass for axis in (2, 3))
    for moved in (columns, rows):
        assert 3 < moved.abs().max() <= 0.15 * 28 + 0.5 and moved.min() < -3 and moved.max() > 3
    bar = torch.zeros(500, 1, 28, 28)
    bar[:, :, :, 13:15] = 1
    still = task.random_affine(bar, generator, shift=0.0, scale=(1.0, 1.0))
    top = (still[:, 0, 4] * grid).sum(1) / still[:, 0, 4].sum(1).clamp_min(1)
    angle = torch.atan(top / 9.5) * 180 / torch.pi
    assert 24 < angle.max() < 34 and -34 < angle.min() < -24
    assert torch.equal(task.random_affine(x, generator, degrees=0, shift=0, scale=(1.0, 1.0)), x)


def test_crop_flip_is_torchvisions_crop_and_flip(generator):
    x = torch.arange(1, 2 * 3 * 8 * 8 + 1, dtype=torch.float32).reshape(2, 3, 8, 8).repeat(100, 1, 1, 1)
    out = task.random_crop_flip(x, generator, pad=2)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    seen = set()
    for row in range(200):
        cuts = {
            (top, left): padded[row, :, top : top + 8, left : left + 8]
            for top, left in product(range(5), repeat=2)
        }
        fits = [(*place, False) for place, cut in cuts.items() if torch.equal(out[row], cut)]
        fits += [(*place, True) for place, cut in cuts.items() if torch.equal(out[row], cut.flip(-1))]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) > 45  # of 50


# ---------------------------------------------------------------- images
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_official_files(root, monkeypatch, packed):
    pixels = write_mnist(root / "MNIST" / "raw", monkeypatch, packed=packed)
    loaded = datasets.load("mnist", paper="plif")
    assert loaded.passport.label == "MNIST (official, 20 + 20)"
    assert np.array_equal(loaded.train_x.numpy(), pixels) and loaded.train_y.tolist() == list(range(10)) * 2
    assert (loaded.input_shape, loaded.augmentation, loaded.mean) == ((1, 28, 28), "affine", (0.1307,))
    assert datasets.load("mnist").input_shape == (784,)
    assert datasets.identify("mnist").startswith("official:")
    assert datasets.load("mnist", train=10).train_y.unique().numel() == 10


def test_damaged_mnist_is_named_and_never_replaced(root, monkeypatch):
    write_mnist(root / "MNIST" / "raw", monkeypatch)
    file = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    for damaged, expected in (
        (whole[:-20], "whole gzip"),
        (gzip.compress(b"other"), "official content"),
        (gzip.compress(bytes(60_000_000), 1), "more than 50,000,000 bytes"),
    ):
        file.write_bytes(damaged)
        for call in (datasets.load, datasets.identify):
            with pytest.raises(ValueError, match=f"t10k-images.*{expected}.*make data SETS=mnist"):
                call("mnist")
    file.unlink()
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte: expected this file"):
        datasets.load("mnist")
    assert datasets.load("mnist", source="stand-in").passport.source == "stand-in"


def test_fashion_mnist_from_a_distribution_package(tmp_path, monkeypatch):
    write_mnist(tmp_path / "package", monkeypatch, "FashionMNIST")
    loaded = datasets.load("fashion_mnist", paper="plif", train=10)
    assert loaded.passport.label == "Fashion-MNIST (package, 10 + 20)" and loaded.augmentation == "none"


def test_other_cifar10_batches_are_part(root):
    folder = write_cifar10(root)
    loaded = datasets.load("cifar10", paper="plif")
    assert loaded.passport.source == "part" and "not the official ones" in loaded.passport.note
    first = pickle.loads((folder / "data_batch_1").read_bytes())["data"][0]
    assert np.array_equal(loaded.train_x[0].numpy().ravel(), first)
    assert loaded.train_x.shape == (20, 3, 32, 32)
    before = datasets.identify("cifar10")
    odd = {"data": np.zeros((2, 3072), np.uint8), "labels": [1]}
    (folder / "data_batch_3").write_bytes(pickle.dumps(odd))
    assert datasets.identify("cifar10") != before
    with pytest.raises(ValueError, match="data_batch_3.*as many labels"):
        datasets.load("cifar10")


def test_a_batch_that_runs_code_does_not(root, tmp_path):
    folder = write_cifar10(root)

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "marker"),)

    (folder / "batches.meta").write_bytes(pickle.dumps(Hostile()))  # nothing reads it
    datasets.load("cifar10")
    (folder / "data_batch_1").write_bytes(pickle.dumps({"data": Hostile(), "labels": [1]}, protocol=2))
    with pytest.raises(ValueError, match=r"data_batch_1.*it calls \w+\.mkdir"):
        datasets.load("cifar10")
    assert not (tmp_path / "marker").exists()


def test_numbers_that_no_network_could_learn_from_are_refused(monkeypatch):
    x, y = torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])
    view = {"time_steps": 2, "input_shape": (3,), "classes": 2, "encoding": "direct"}
    for train_x, train_y, words in (
        (x * torch.nan, y, "not finite"),
        (x, y + 1, "from 1 to 2"),
        (x, y.float(), "float32"),
        (x, y[:3], "4 samples and 3 labels"),
        (x[:0], y[:0], "0 samples"),
        (x, torch.full((4, 2), 0.5), "not all 0 or 1"),
    ):
        source = registry.Source(
            lambda p, o: registry.Located("Odd", "stand-in", "", "", "f00"),
            lambda located, p, o, part=(train_x, train_y): (registry.Split(*part), registry.Split(x, y)),
        )
        entry = registry.Entry("odd", "Odd", ("mdn",), (source,), lambda p, o: view)
        monkeypatch.setitem(registry._ENTRIES, "odd", entry)
        with pytest.raises(ValueError, match=f"Odd: expected finite samples with labels of 2.*{words}"):
            datasets.load("odd")


# ---------------------------------------------------------------- NETtalk
def test_articulatory_code():
    assert nettalk.code("b", ">") == [12, 0, 6, 22]  # voiced, labial, stop; the syllable's vowel comes next
    assert sorted(nettalk.code("-", "0")) == [17, 18, 23] and len(nettalk.PHONEMES) == 53
    counts = {len(nettalk.code(p, "<")) for p in nettalk.PHONEMES}
    assert counts <= {2, 3, 4, 5, 6}


def test_dictionary_windows(root):
    write_dictionary(root)
    x, y = nettalk.windows([("abaft", "xb@ft", "0>1<<")])
    assert x.shape == (5, 189) and x.sum(1).tolist() == [7] * 5
    letters = "".join(nettalk.SYMBOLS[i] for i in x[1].reshape(7, 27).argmax(1))
    assert letters == "__abaft" and y[1].nonzero()[:, 0].tolist() == [0, 6, 12, 22]
    loaded = datasets.load("nettalk")
    assert loaded.passport.source == "part" and loaded.train_y.dtype == torch.float32
    assert len(loaded.test_x) == 500 and len(loaded.train_x) + 500 == 400 * 13
    assert loaded.batch(loaded.test_x[:2], torch.Generator(), False).shape == (20, 2, 189)
    assert len(datasets.load("nettalk", train=7).train_y) == 7
    file = root / "NETtalk" / "nettalk.data"
    file.write_text(file.read_text() + "broken\tline\n")
    with pytest.raises(ValueError, match="line 803.*equal length"):
        datasets.load("nettalk")


def test_authors_windows_and_the_leak(root, monkeypatch):
    file = write_authors(root)
    with pytest.raises(ValueError, match="nettalk_small.mat.*SHA-256"):
        datasets.load("nettalk")
    monkeypatch.setattr(nettalk, "AUTHORS_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    assert len(datasets.load("nettalk").test_y) == 30
    assert len(datasets.load("nettalk", leak_free=True).test_y) == 20  # ten of them were in the training set
    scored = datasets.load("nettalk", scored="first_of_five")
    assert scored.test_x.argmax(1).tolist() == [90, 95, 100, 105, 110, 115]


@pytest.mark.skipif("SNN_DATA" not in os.environ, reason="needs the user's real data under SNN_DATA")
def test_real_dictionary_codes_as_the_authors_did(monkeypatch):
    from pathlib import Path

    from scipy.io import loadmat

    folder = Path(os.environ["SNN_DATA"]) / "NETtalk"
    if not ((folder / "nettalk_small.mat").exists() and (folder / "nettalk.data").exists()):
        pytest.skip("NETtalk's two files are not there")
    stored = loadmat(folder / "nettalk_small.mat")
    entries = {}
    for row in nettalk.read_dictionary(folder / "nettalk.data"):
        entries.setdefault(row[0], row)
    words = []
    for window in stored["word_x"].reshape(-1, 7, 27).argmax(2):
        if window[2] == 26:
            words.append("")
        words[-1] += nettalk.SYMBOLS[window[3]]
    x, y = nettalk.windows([entries[word] for word in words])
    assert np.array_equal(x.numpy(), stored["word_x"])
    assert (y.numpy() == stored["word_phoneme"]).all(
        1
    ).mean() > 0.99  # the rest are words with two pronunciations
