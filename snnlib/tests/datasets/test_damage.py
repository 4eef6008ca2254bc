"""Every loader with every kind of damage to one of its files: a sentence, the same numbers, or another
identity of the data (an old record then does not pass for them); never other numbers under the same name.

`python -m snnlib.tests.datasets.test_damage` prints the table.
"""

import contextlib
import functools
import hashlib
import io
import os
import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from snnlib import datasets
from snnlib.datasets import images, nettalk
from snnlib.datasets.reading import reading
from snnlib.reading import NeedsTorch

from .data_files import (
    empty_root,  # noqa: F401
    random_events,
    use_root,
    write_aedat4,
    write_authors,
    write_cifar10,
    write_dictionary,
    write_gesture,
    write_libri,
    write_mnist,
    write_nmnist,
    write_sphere,
    write_ts,
    write_wave,
)


# ---------------------------------------------------------------- a small set, and the file to damage
def mnist(root, patch, packed=True):
    write_mnist(root / "MNIST/raw", patch, packed=packed)
    return root / "MNIST/raw" / (images.IDX[1] + ".gz" * packed)


def package(root, patch):
    write_mnist(images.DEBIAN_FASHION, patch, "FashionMNIST")
    return images.DEBIAN_FASHION / (images.IDX[2] + ".gz")


def cifar10(root, patch):
    return write_cifar10(root) / "data_batch_2"


def authors(root, patch):
    file = write_authors(root)
    patch.setattr(nettalk, "AUTHORS_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    return file


def dictionary(root, patch):
    write_dictionary(root)
    return root / "NETtalk/nettalk.data"


def common_words(root, patch):
    letters = "abcdefghij"
    words = [a + b + c + "ab" for a in letters for b in letters for c in letters[:5]]
    (root / "NETtalk").mkdir()
    (root / "NETtalk/nettalk.data").write_text("".join(f"{w}\txb@ft\t0>1<<\t0\n" for w in words))
    (root / "NETtalk/nettalk.list").write_text("\n".join(words))
    return root / "NETtalk/nettalk.list"


def fsdd(root, patch):
    for digit in range(4):
        write_wave(root / "FSDD/recordings" / f"{digit}_ann_0.wav", 0.3, pitch=200 + 50 * digit)
    return root / "FSDD/recordings/2_ann_0.wav"


def tidigits(root, patch):
    for name in ("1A", "2A", "3A", "4B"):
        write_sphere(root / "TIDigits/TRAIN/MAN/AE" / f"{name}.WAV")
    return root / "TIDigits/TRAIN/MAN/AE/2A.WAV"


def timit(root, patch):
    for split, speaker in (("TRAIN", "FCJF0"), ("TRAIN", "MCPM0"), ("TEST", "MDAB0"), ("TEST", "FAAA0")):
        write_sphere(root / "TIMIT" / split / "DR1" / speaker / "SA1.WAV", rate=16000)
    return root / "TIMIT/TEST/DR1/FAAA0/SA1.WAV"


def nltk(root, patch):
    for region, speaker in ((1, "fvmh0"), (1, "mcpm0"), (7, "fblv0"), (8, "mbcg0")):
        write_wave(root / "nltk_data/corpora/timit" / f"dr{region}-{speaker}" / "sa1.wav", 0.5, 16000)
    return root / "nltk_data/corpora/timit/dr1-mcpm0/sa1.wav"


def librispeech(root, patch, file="clips.csv"):
    write_libri(root)
    return root / "LibriSpeechGender" / file


def n_mnist(root, patch):
    for n, place in enumerate(("Train/3", "Train/1", "Train/3", "Test/5", "Test/1")):
        write_nmnist(root / "NMNIST" / place / f"{n + 1:05d}.bin", random_events(203 + n, seed=n))
    return root / "NMNIST/Train/3/00003.bin"


def cifar10_dvs(root, patch):
    for label in ("airplane", "truck"):
        for number in range(10):
            file = root / "CIFAR10DVS" / label / f"cifar10_{label}_{number}.aedat4"
            write_aedat4(file, random_events(60 + number, sensor=128, seed=number))
    return root / "CIFAR10DVS/airplane/cifar10_airplane_3.aedat4"


def gesture(root, patch):
    for split in ("ibmGestureTrain", "ibmGestureTest"):
        for label in (0, 10):
            events = random_events(60 + label, sensor=128)
            write_gesture(root / "DVSGesture" / split / "user03_led" / f"{label}.npy", events)
    return root / "DVSGesture/ibmGestureTrain/user03_led/10.npy"


def motions(root, patch):
    labels = ["Standing", "Running", "Walking", "Badminton"]
    write_ts(root / "BasicMotions", "BasicMotions", 6, [[100] * 40] * 2, labels)
    return root / "BasicMotions/BasicMotions_TEST.ts"


def of_type(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def batch(**fields) -> bytes:
    return pickle.dumps(fields, protocol=2)


def nan_wave() -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.full(8000, np.nan, np.float32), 8000, format="WAV", subtype="FLOAT")
    return file.getvalue()


FLOATS = of_type(np.full((60, 4), np.nan))
# Name of the row -> set, what makes it, and the same file with numbers of another kind in it.
ROWS = {
    "MNIST, packed": ("mnist", mnist, FLOATS),
    "MNIST, plain": ("mnist", functools.partial(mnist, packed=False), FLOATS),
    "Fashion-MNIST, package": ("fashion_mnist", package, FLOATS),
    "CIFAR-10 batch": ("cifar10", cifar10, batch(data=np.zeros((4, 3072), np.float32), labels=[0, 1, 2, 3])),
    "NETtalk .mat": ("nettalk", authors, FLOATS),
    "NETtalk dictionary": ("nettalk", dictionary, b"1.0\t2.0\t3.0\n" * 20_000),
    "NETtalk list": ("nettalk", common_words, b"1.0\n2.0\n" * 500),
    "spoken digits": ("tidigits", fsdd, nan_wave()),
    "TIDigits": ("tidigits", tidigits, nan_wave()),
    "TIMIT": ("timit", timit, nan_wave()),
    "NLTK's TIMIT": ("timit", nltk, nan_wave()),
    "LibriSpeech table": ("timit", librispeech, b"file,speaker,gender,subset\n0.wav,1,0,0\n1.wav,1,1,1\n"),
    "LibriSpeech clip": ("timit", functools.partial(librispeech, file="clips/1.wav"), nan_wave()),
    "N-MNIST": ("n_mnist", n_mnist, FLOATS),
    "CIFAR10-DVS": ("cifar10_dvs", cifar10_dvs, FLOATS),
    "DVS128 Gesture": ("dvs128_gesture", gesture, FLOATS),
    "BasicMotions": (
        "basic_motions",
        motions,
        b"@classLabel true a b c d\n@data\n" + (b":".join([b"nan" + b",0" * 99] * 6) + b":a\n") * 40,
    ),
}


# ---------------------------------------------------------------- kinds of damage
def write(data):
    return lambda file, whole, wrong, patch: file.write_bytes(data(whole, wrong))


def flip(whole: bytes, share: float) -> bytes:
    data = bytearray(whole)
    data[int(share * (len(data) - 1))] ^= 1
    return bytes(data)


def in_its_place(make):
    def damage(file, whole, wrong, patch):
        file.unlink()
        make(file)

    return damage


def forbidden(file, whole, wrong, patch):
    file.chmod(0)
    if os.geteuid():
        return
    opened = io.open

    def refuse(path, *args, **kwargs):  # nothing is forbidden to root
        if isinstance(path, str | os.PathLike) and Path(path) == file:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    patch.setattr(io, "open", refuse)
    patch.setattr("builtins.open", refuse)


COLUMNS = {
    "missing": in_its_place(lambda file: None),
    "empty": write(lambda whole, wrong: b""),
    "cut at 1/10": write(lambda whole, wrong: whole[: len(whole) // 10]),
    "cut at 1/2": write(lambda whole, wrong: whole[: len(whole) // 2]),
    "last byte cut": write(lambda whole, wrong: whole[:-1]),
    "bit in head": write(lambda whole, wrong: flip(whole, 0.0)),
    "bit in middle": write(lambda whole, wrong: flip(whole, 0.5)),
    "last bit": write(lambda whole, wrong: flip(whole, 1.0)),
    "foreign": write(lambda whole, wrong: b"<!DOCTYPE html><html><title>404 not found</title></html>\n" * 40),
    "folder": in_its_place(lambda file: file.mkdir()),
    "no permission": forbidden,
    "dangling link": in_its_place(lambda file: file.symlink_to("nowhere")),
    "pipe": in_its_place(os.mkfifo),
    "wrong type": write(lambda whole, wrong: wrong),
}
SENTENCE, SAME, OTHER = "sentence", "same numbers", "other identity"
# Damage that a reader can always see; a flipped bit or a shorter list may be data as good as before.
ALWAYS_SEEN = {"empty", "foreign", "folder", "no permission", "dangling link", "pipe", "wrong type"}
KNOWN = {row for row in ROWS if row.startswith(("MNIST", "Fashion"))} | {"NETtalk .mat"}  # by their checksum


def seen(name):
    paper = datasets.registry.entry(name).papers[0]
    identity = datasets.identify(name, paper)
    task = datasets.load(name, paper)
    return identity, [task.train_x, task.train_y, task.test_x, task.test_y]


def outcome(row: str, column: str, root: Path, patch) -> str:
    name, make, wrong = ROWS[row]
    file = make(root, patch)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        identity, tensors = seen(name)
        COLUMNS[column](file, file.read_bytes(), wrong, patch)
        try:
            other, found = seen(name)
        except datasets.SourceError as problem:
            said = str(problem)
            assert file.name in said or column == "missing" and str(file.parent) in said, said
            assert "remove" in said or "Copy" in said or "Run" in said, said
            return SENTENCE
    if column == "missing" and row != "NETtalk list":  # (a list that is gone is another set of the same kind)
        assert any("recordings are left" in str(warning.message) for warning in warned)
    same = all(map(torch.equal, tensors, found))
    assert same or other != identity, "other numbers under the same name"
    return SAME if other == identity else OTHER


def test_a_missing_pytorch_is_no_damage():
    with pytest.raises(NeedsTorch, match="It needs PyTorch"), reading("a.ts", "a file", "Install it again."):
        raise NeedsTorch("It needs PyTorch")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_damage_is_said_or_shows(row, column, root, monkeypatch):
    found = outcome(row, column, root, monkeypatch)
    if column in ALWAYS_SEEN or row in KNOWN:
        assert found == SENTENCE
    elif column.startswith(("cut", "last byte")):
        assert found == SENTENCE or row in ("NETtalk dictionary", "NETtalk list", "LibriSpeech table")


def table() -> str:
    lines = ["| file | " + " | ".join(COLUMNS) + " |", "| --- " * (1 + len(COLUMNS)) + "|"]
    for row in ROWS:
        cells = []
        for column in COLUMNS:
            with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
                cells.append(outcome(row, column, use_root(Path(folder), patch), patch))
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    with contextlib.redirect_stderr(io.StringIO()):
        print(table())
