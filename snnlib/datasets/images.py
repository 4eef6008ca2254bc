"""MNIST, Fashion-MNIST and CIFAR-10 from their official files, as each of the two papers sees them.

MDN: flat pixels in [0, 1] as spike probabilities, T = 20. PLIF: normalised images at every step, T = 8.
"""

import gzip
import hashlib
import math
import pickle
import zlib
from pathlib import Path

import numpy as np
import torch

from .. import paths
from . import cache, standins
from .registry import Entry, Located, Source, SourceError, Split, fetch_again, register, stand_in

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


def _present(wanted: list[list[Path]], name: str) -> list[Path] | None:
    """Of each file the place where it is; None if there is none of them, SourceError if one is missing."""
    found = [next((path for path in places if path.exists()), None) for places in wanted]
    if not any(found):
        return None
    if None in found:
        raise SourceError(
            wanted[found.index(None)][0],
            "this file beside the others of the set",
            f"Run `make data SETS={name}`, or remove the folder.",
        )
    return found


# ---------------------------------------------------------------- the idx files of MNIST and Fashion-MNIST
def _idx_bytes(file: Path, name: str) -> bytes:
    data = file.read_bytes()
    if file.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as problem:
        raise SourceError(file, f"a whole gzip file ({problem})", fetch_again(name)) from problem


def _idx_source(name: str, folder: str, title: str, source: str, place, note: str) -> Source:
    """The four files in ``place()``, plain or .gz; their content has to be the official one."""

    def locate(paper, options):
        files = _present([[place() / base, place() / f"{base}.gz"] for base in IDX], name)
        if files is None:
            return None
        for file, expected in zip(files, CONTENT[folder], strict=True):
            digest = cache.file_digest(
                file, "content-sha256", lambda file=file: hashlib.sha256(_idx_bytes(file, name)).hexdigest()
            )
            if digest != expected:
                raise SourceError(
                    file,
                    f"the official content (SHA-256 {expected[:12]}..., found {digest[:12]}...)",
                    fetch_again(name),
                )
        fingerprint = hashlib.sha256("".join(CONTENT[folder]).encode()).hexdigest()
        return Located(title, source, note, LICENCE[name], fingerprint, payload=files)

    def read(located, paper, options):
        # The content is known, so the header (16 bytes of images, 8 of labels) says nothing new.
        data = [np.frombuffer(bytearray(_idx_bytes(file, name)), np.uint8) for file in located.payload]
        return tuple(
            Split(torch.from_numpy(x[16:]).reshape(-1, 1, 28, 28), torch.from_numpy(y[8:]).long())
            for x, y in (data[:2], data[2:])
        )

    return Source(locate, read)


# ---------------------------------------------------------------- CIFAR-10
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def _locate_cifar10(paper, options):
    from torchvision.datasets import CIFAR10

    folder = paths.DATA / "cifar-10-batches-py"
    if not (files := _present([[folder / name] for name in BATCHES], "cifar10")):
        return None
    official = dict(CIFAR10.train_list + CIFAR10.test_list)
    found = {file.name: cache.file_digest(file, "md5") for file in files}
    other = [name for name in BATCHES if found[name] != official[name]]
    fingerprint = hashlib.sha256("".join(found.values()).encode()).hexdigest()
    if not other:
        return Located(
            "CIFAR-10", "official", "MD5 sums equal the official ones.", LICENCE["cifar10"], fingerprint
        )
    return Located(
        "CIFAR-10, re-encoded copy",
        "part",
        f"The pixels are not the official ones: a re-encoded copy (MD5 sums of {', '.join(other)} differ).",
        LICENCE["cifar10"],
        fingerprint,
    )


def _read_cifar10(located, paper, options):
    x, y = zip(*(_read_batch(paths.DATA / "cifar-10-batches-py" / name) for name in BATCHES), strict=True)
    return Split(torch.cat(x[:5]), torch.cat(y[:5])), Split(x[5], y[5])


def _read_batch(file: Path) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        batch = pickle.loads(file.read_bytes(), encoding="latin1")
        x, y = torch.from_numpy(batch["data"].copy()), torch.tensor(batch["labels"])
        sound = x.shape == (len(y), 3072) and set(batch["labels"]) <= set(range(10))
    except Exception as problem:  # a damaged pickle can raise anything
        raise SourceError(
            file,
            f"a CIFAR-10 python batch ({type(problem).__name__} while reading)",
            fetch_again("cifar10"),
        ) from problem
    if not sound:
        raise SourceError(file, "rows of 3,072 pixels and as many labels in 0..9", fetch_again("cifar10"))
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
