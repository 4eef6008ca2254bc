"""MNIST-1D, JapaneseVowels and BasicMotions: series that Python packages carry as tests of time (chapter 08).

Graded values enter as they are, one step of the series a step of the network, each channel with mean 0 and
standard deviation 1 over the training clips. Clips of unequal length (JapaneseVowels, 7 to 29 steps) are
stretched to the longest, as spoken digits are: linearly, so that their duration is lost.

aeon is read but never imported or asked for by this project: it needs an older numba than the kernels are
tested with, and its .ts files need no more than the reader below.
"""

import os
import random
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .. import paths
from . import cache
from .reading import content, reading
from .registry import Entry, Located, Source, Split, register, stand_in

VERSION = 1  # of what is made of the files, and of the stand-ins
KNOWN = {"mnist1d": "60e18865e911", "japanese_vowels": "3b09b344e61c", "basic_motions": "a83b78a275c9"}
"""Starts of cache.files_fingerprint of the files that our numbers come from."""


@dataclass(frozen=True)
class Series:
    """``packages``: which may carry its ``files``, as (package, folder in it). ``shortest``: steps of its
    shortest clip; ``steps``: of its longest; ``samples``: training and test clips."""

    name: str
    title: str
    shortest: int
    steps: int
    channels: int
    classes: int
    samples: tuple[int, int]
    packages: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    install: str
    licence: str
    note: str

    @property
    def remedy(self) -> str:
        return f"Install it again (`{self.install}`), or remove it to do without."


def _ts(name: str, title: str, **facts) -> Series:
    return Series(
        name,
        title,
        packages=tuple((package, f"datasets/data/{title}") for package in ("aeon", "sktime")),
        files=(f"{title}_TRAIN.ts", f"{title}_TEST.ts"),
        install="pip install --no-deps aeon",
        **facts,
    )


SETS = (
    Series(
        "mnist1d",
        "MNIST-1D",
        shortest=40,
        steps=40,
        channels=1,
        classes=10,
        samples=(4000, 1000),
        packages=(("mnist1d", ""),),
        files=("data.py", "transform.py"),
        install="pip install mnist1d",
        licence="Apache-2.0 (Greydanus, Kobak 2024)",
        note="Made by its authors' generator with the default arguments, which by their word gives the "
        "frozen set; not compared with it.",
    ),
    _ts(
        "japanese_vowels",
        "JapaneseVowels",
        shortest=7,
        steps=29,
        channels=12,
        classes=9,
        samples=(270, 370),
        licence="CC BY 4.0 (UCI; Kudo, Toyama, Shimbo 1999)",
        note="Two vowels by nine men, 12 cepstrum coefficients a step; who speaks? Clips are stretched to 29 "
        "steps.",
    ),
    _ts(
        "basic_motions",
        "BasicMotions",
        shortest=100,
        steps=100,
        channels=6,
        classes=4,
        samples=(40, 40),
        licence="none stated with the files; aeon itself is BSD-3-Clause",
        note="Acceleration and rotation of a smart watch, 10 s of four activities.",
    ),
)


# ---------------------------------------------------------------- sources
def _home(s: Series) -> tuple[Path, str] | None:
    """Where its files lie, and whose they are. Imports nothing."""
    if s.files[0].endswith(".ts") and os.path.lexists(paths.DATA / s.title):
        return paths.DATA / s.title, ""
    for package, below in s.packages:
        found = find_spec(package)
        if found and found.submodule_search_locations:
            return Path(found.submodule_search_locations[0]) / below, package
    return None


def _source(s: Series) -> Source:
    def locate(paper, options):
        if (home := _home(s)) is None:
            return None
        folder, package = home
        fingerprint = cache.files_fingerprint(folder, s.files, f"a file of {s.title}", s.remedy)
        kind, note = "package" if package else "official", s.note
        if not fingerprint.startswith(KNOWN[s.name]):
            kind, note = "part", f"{note} Its content differs from the copy known to this project."
        note += f" From the Python package {package}." if package else ""
        return Located(s.title, kind, note, s.licence, fingerprint, payload=folder)

    def read(located, paper, options):
        def make():
            if s.name == "mnist1d":
                parts = _generated(s, located.payload)
            else:
                parts = [part for name in s.files for part in read_ts(located.payload / name, s)]
            with reading(located.payload, f"{s.samples[0]} and {s.samples[1]} clips", s.remedy):
                if (found := (len(parts[0]), len(parts[2]))) != s.samples:
                    raise ValueError(f"found {found[0]} and {found[1]}")
            return _standardised(*parts)

        key = {"what": s.name, "version": VERSION, "of": located.fingerprint}
        return _splits(cache.tensors(key, make), options)

    return Source(locate, read)


def _splits(t: dict[str, Tensor], options) -> tuple[Split, Split]:
    return Split(t["x"], t["y"]), Split(t["test_x"], t["test_y"])


def _standardised(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor) -> dict[str, Tensor]:
    """Clips ``[N, T, channels]``; what the test clips are like has no part in it."""
    x, test_x = x.double(), test_x.double()
    mean, std = x.mean((0, 1)), x.std((0, 1), correction=0).clamp_min(1e-12)
    x, test_x = (((part - mean) / std).float() for part in (x, test_x))
    return {"x": x, "y": y, "test_x": test_x, "test_y": test_y}


def _generated(s: Series, folder: Path) -> list[Tensor]:
    # The generator seeds the global generators of Python and numpy, which are others' too.
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with reading(folder, f"the generator of {s.title}", s.remedy):
            from mnist1d.data import get_dataset_args, make_dataset

            made = make_dataset(get_dataset_args())
            parts = [torch.from_numpy(made[name]) for name in ("x", "y", "x_test", "y_test")]
            return [part if part.dim() == 1 else part.view(-1, s.steps, s.channels) for part in parts]
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def read_ts(file: Path, s: Series) -> tuple[Tensor, Tensor]:
    """Clips ``[N, T, channels]`` and labels of a .ts file: below ``@data`` a line a clip, in it the channels
    and the label between colons, the values of a channel between commas. SourceError: it is none, or one of
    another set."""
    what = f"{s.title} in the .ts format"
    lines = content(file, what, s.remedy).decode("latin1").splitlines()
    heads = [line.split() for line in lines if line.startswith("@")]
    labels = next((words[2:] for words in heads if words[0].lower() == "@classlabel"), [])
    with reading(file, what, s.remedy):
        if len(labels) != s.classes or ["@data"] not in [[word.lower() for word in words] for words in heads]:
            raise ValueError(f"its head does not name {s.classes} classes and end in @data")
    clips, ys = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line[0] in "#@":
            continue
        with reading(f"{file}, line {number}", what, s.remedy):
            *channels, label = line.strip().split(":")
            values = torch.from_numpy(np.array([channel.split(",") for channel in channels], np.float64))
            count, steps = values.shape
            if count != s.channels or not s.shortest <= steps <= s.steps or not values.isfinite().all():
                raise ValueError(f"{count} channels of {steps} values, or one that is no finite number")
            clips.append(F.interpolate(values[None], s.steps, mode="linear", align_corners=True)[0].T)
            ys.append(labels.index(label))
    with reading(file, what, s.remedy):
        return torch.stack(clips), torch.tensor(ys)


def _tunes(s: Series) -> dict[str, Tensor]:
    """Each class is a tune of three sine waves a channel, as strong in every class, in other phases: a clip
    begins up to a quarter later, is louder or softer, and has noise over it."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    count = sum(s.samples)
    y = torch.arange(count) % s.classes
    phases, late = uniform(s.classes, 1, s.channels, 3), uniform(count, 1, 1, 1) / 4
    loud = uniform(count, 1, 1)
    turns = (torch.arange(s.steps) / s.steps).view(-1, 1, 1) - late
    x = (2 * torch.pi * (turns * torch.arange(1, 4) + phases[y])).sin().sum(-1) * (0.5 + loud)
    x = x + torch.randn(x.shape, generator=generator, dtype=torch.float64)
    train = s.samples[0]
    return _standardised(x[:train], y[:train], x[train:], y[train:])


for _s in SETS:
    register(
        Entry(
            _s.name,
            _s.title,
            ("mdn",),
            (
                _source(_s),
                stand_in(
                    f"Tunes of sine waves, stand-in for {_s.title}",
                    f"As many noisy clips of as many classes and channels. `{_s.install}` brings the set.",
                    "MIT (this project)",
                    f"{_s.name} {VERSION}",
                    lambda s=_s: _tunes(s),
                    _splits,
                ),
            ),
            lambda paper, options, s=_s: {
                "time_steps": s.steps,
                "input_shape": (s.channels,),
                "classes": s.classes,
                "encoding": "sequence",
            },
            version=VERSION,
        )
    )
