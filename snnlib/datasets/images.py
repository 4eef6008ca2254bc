"""MNIST, Fashion-MNIST and CIFAR-10 from their official files, as each of the two papers sees them.

MDN: flat pixels in [0, 1] as spike probabilities, T = 20. PLIF: normalised images at every step, T = 8.
"""

import gzip
import hashlib
import io
import math
import os
import pickle
from pathlib import Path

import numpy as np
import torch

from .. import paths
from . import cache, standins
from .reading import SourceError, absent, content, fetch_again, reading, unaltered
from .registry import Entry, Located, Source, Split, register, stand_in

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# SHA-256 of the decompressed files. They were computed from .gz files whose MD5 is the one that torchvision
# checks; Debian's Fashion-MNIST has other gzip headers but the same content.
CONTENT = {
    "MNIST": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "FashionMNIST": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
LICENCE = {
    "mnist": "no formal licence by the authors (LeCun, Cortes, Burges); usually cited as CC BY-SA 3.0",
    "fashion_mnist": "MIT, Copyright (c) 2017 Zalando SE",
    "cifar10": "none stated (Krizhevsky, Nair, Hinton 2009); free for research with citation",
}


def _present(folder: Path, wanted: list[tuple[str, ...]], name: str) -> list[Path] | None:
    """Of each file the place where it is (a link to nothing included: reading says so); None if the folder is
    not there, SourceError if one of the files is missing."""
    found = [next((p for p in map(folder.joinpath, names) if os.path.lexists(p)), None) for names in wanted]
    remedy = f"Run `make data SETS={name}`, or remove the folder."
    if not any(found):
        return absent(folder, f"the files of the set, {wanted[0][0]} and others", remedy)
    if None in found:
        raise SourceError(
            folder / wanted[found.index(None)][0], "this file beside the others of the set", remedy
        )
    return found


# ---------------------------------------------------------------- the idx files of MNIST and Fashion-MNIST
UNPACKED = 50_000_000  # bytes; the largest of the files has 47,040,016


def _idx_bytes(file: Path, name: str, expected: str = "") -> bytes:
    """Decompressed content, which has to have the SHA-256 ``expected``, if that is given."""
    what, remedy = "a whole gzip file" if file.suffix == ".gz" else "an idx file", fetch_again(name)
    data = content(file, what, remedy)
    if file.suffix == ".gz":
        with reading(file, what, remedy), gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            data = packed.read(UNPACKED)
            if packed.read(1):
                raise ValueError(f"it holds more than {UNPACKED:,} bytes")
    if expected:
        unaltered(file, hashlib.sha256(data).hexdigest(), expected, "the official content", remedy)
    return data


def _idx_source(name: str, folder: str, title: str, source: str, place, note: str) -> Source:
    """The four files in ``place()``, plain or .gz; their content has to be the official one."""

    def locate(paper, options):
        files = _present(place(), [(base, f"{base}.gz") for base in IDX], name)
        if files is None:
            return None
        for file, expected in zip(files, CONTENT[folder], strict=True):
            digest = cache.file_digest(
                file,
                "an idx file",
                fetch_again(name),
                "content-sha256",
                lambda file=file: hashlib.sha256(_idx_bytes(file, name)).hexdigest(),
            )
            unaltered(file, digest, expected, "the official content", fetch_again(name))
        fingerprint = hashlib.sha256("".join(CONTENT[folder]).encode()).hexdigest()
        return Located(title, source, note, LICENCE[name], fingerprint, payload=files)

    def read(located, paper, options):
        # The content is compared again, as it is read, so the header (16 bytes of images, 8 of labels)
        # says nothing new.
        data = [
            np.frombuffer(bytearray(_idx_bytes(file, name, expected)), np.uint8)
            for file, expected in zip(located.payload, CONTENT[folder], strict=True)
        ]
        return tuple(
            Split(torch.from_numpy(x[16:]).reshape(-1, 1, 28, 28), torch.from_numpy(y[8:]).long())
            for x, y in (data[:2], data[2:])
        )

    return Source(locate, read)


# ---------------------------------------------------------------- CIFAR-10
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
BATCH = "a CIFAR-10 python batch"


def _locate_cifar10(paper, options):
    from torchvision.datasets import CIFAR10

    folder = paths.DATA / "cifar-10-batches-py"
    if not (files := _present(folder, [(name,) for name in BATCHES], "cifar10")):
        return None
    official = dict(CIFAR10.train_list + CIFAR10.test_list)
    found = {file: cache.file_digest(file, BATCH, fetch_again("cifar10"), "md5") for file in files}
    other = [file.name for file in files if found[file] != official[file.name]]
    fingerprint = hashlib.sha256("".join(found.values()).encode()).hexdigest()
    if not other:
        dataset, source, note = "CIFAR-10", "official", "MD5 sums equal the official ones."
    else:
        dataset, source = "CIFAR-10, re-encoded copy", "part"
        note = (
            "The pixels are not the official ones: a re-encoded copy "
            f"(MD5 sums of {', '.join(other)} differ)."
        )
    return Located(dataset, source, note, LICENCE["cifar10"], fingerprint, payload=found)


def _read_cifar10(located, paper, options):
    x, y = zip(*(_read_batch(file, md5) for file, md5 in located.payload.items()), strict=True)
    return Split(torch.cat(x[:5]), torch.cat(y[:5])), Split(x[5], y[5])


class _Unpickler(pickle.Unpickler):
    """Knows what a CIFAR-10 batch is made of, arrays, lists, texts and numbers, and calls nothing else: a
    pickle is a program."""

    ALLOWED = (
        "numpy.ndarray numpy.dtype numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct "
        "_codecs.encode"  # how Python 3 writes bytes for Python 2
    ).split()

    def find_class(self, module, name):
        if f"{module}.{name}" not in self.ALLOWED:
            raise ValueError(f"it calls {module}.{name}, which no CIFAR-10 batch does")
        return super().find_class(module, name)


def _read_batch(file: Path, md5: str) -> tuple[torch.Tensor, torch.Tensor]:
    remedy = fetch_again("cifar10")
    data = content(file, BATCH, remedy)
    with reading(file, BATCH, remedy):
        if hashlib.md5(data).hexdigest() != md5:
            raise ValueError("it changed while it was read")
        batch = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        x, y = torch.from_numpy(batch["data"].copy()), torch.tensor(batch["labels"])
    with reading(file, "rows of 3,072 pixels and as many labels in 0..9", remedy):
        if x.shape != (y.numel(), 3072) or y.dim() != 1 or not len(y) or x.dtype != torch.uint8:
            raise ValueError(f"found pixels {tuple(x.shape)} of {x.dtype} and labels {tuple(y.shape)}")
        if y.dtype != torch.int64 or not 0 <= y.min() <= y.max() <= 9:
            raise ValueError(f"found labels of {y.dtype} from {y.min()} to {y.max()}")
    return x.reshape(-1, 3, 32, 32), y


# ---------------------------------------------------------------- stand-ins and the papers' views
def _view(shape: tuple, mean: tuple, std: tuple, augmentation: str):
    def view(paper, options):
        steps = options.get("time_steps") or {"mdn": 20, "plif": 8}[paper]
        common = dict(time_steps=steps, classes=10, scale=1 / 255)
        if paper == "mdn":
            encoding = "direct" if options.get("pixels") == "values" else "bernoulli"
            return common | dict(input_shape=(math.prod(shape),), encoding=encoding)
        seen = dict(mean=mean, std=std, augmentation=augmentation)
        return common | dict(input_shape=shape, encoding="direct") | seen

    return view


OPTIONS = {
    "time_steps": int,  # None: the papers' 20 and 8
    "pixels": ("spikes", "values"),  # MDN: drawn afresh at each step, or the values themselves
}


def _register(name: str, title: str, sources, view, drawn: str, note: str, licence: str, draw) -> None:
    def split(t, options):
        return Split(t["train_x"], t["train_y"]), Split(t["test_x"], t["test_y"])

    version = 1  # of what ``draw`` draws
    last = stand_in(f"{drawn}, stand-in for {title}", note, licence, f"{name} {version}", draw, split)
    register(Entry(name, title, ("mdn", "plif"), (*sources, last), view, OPTIONS))


_SAME = "Content equals the official files"
_register(
    "mnist",
    "MNIST",
    [_idx_source("mnist", "MNIST", "MNIST", "official", lambda: paths.DATA / "MNIST/raw", f"{_SAME}.")],
    _view((1, 28, 28), (0.1307,), (0.3081,), "affine"),
    "Handwritten digits (scikit-learn)",
    "1,797 real handwritten digits of 8 x 8 pixels, enlarged to MNIST's format.",
    "CC BY 4.0 (UCI, Optical Recognition of Handwritten Digits)",
    standins.digits,
)
_register(
    "fashion_mnist",
    "Fashion-MNIST",
    [
        _idx_source("fashion_mnist", "FashionMNIST", "Fashion-MNIST", source, place, note)
        for source, place, note in (
            ("official", lambda: paths.DATA / "FashionMNIST/raw", f"{_SAME}."),
            ("package", lambda: DEBIAN_FASHION, f"{_SAME}; from Debian's dataset-fashion-mnist."),
        )
    ],
    _view((1, 28, 28), (0.2860,), (0.3530,), "none"),
    "Rendered garments",
    "Rendered outlines of the ten kinds of garment, random in cut, pose, cloth and noise.",
    "MIT (this project)",
    standins.garments,
)
_register(
    "cifar10",
    "CIFAR-10",
    [Source(_locate_cifar10, _read_cifar10)],
    _view((3, 32, 32), (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), "crop_flip"),
    "Rendered coloured shapes",
    "Ten kinds of rendered shape in random colour, size, pose and background.",
    "MIT (this project)",
    standins.shapes,
)
