"""The three event data sets as files: tonic's layout under the data root, what is read from it and how."""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import paths
from ..files import write_json
from . import cache
from .reading import SourceError, absent, content, fetch_again, files_below, reading, regular
from .registry import Located

RECEIPT = "fetched.json"  # what the archives were and what was unpacked from them, left by ``make data``


@dataclass(frozen=True)
class Recordings:
    """One data set. ``patterns``, ``complete``: files of each split, with what names the class of each, and
    how many there are in the whole set; ``archives``: what they were unpacked from, as (file, attribute of
    the tonic class with its MD5); ``lasts_us``: no recording is shorter."""

    name: str
    title: str
    tonic: str  # class in tonic.datasets; also the folder under the data root
    sensor: int  # pixels a side
    classes: int
    plif_steps: int  # PLIF's T
    patterns: tuple[str, ...]
    complete: tuple[int, ...]
    archives: tuple[tuple[str, str], ...]
    licence: str
    note: str = ""
    lasts_us: int = 0

    @property
    def folder(self) -> Path:
        return paths.DATA / self.tonic

    @property
    def remedy(self) -> str:
        return fetch_again(self.name)

    @property
    def tonic_class(self):
        import tonic.datasets

        return getattr(tonic.datasets, self.tonic)

    @property
    def md5(self) -> list[str]:
        return [getattr(self.tonic_class, attribute) for _, attribute in self.archives]


SETS = {
    r.name: r
    for r in (
        Recordings(
            "n_mnist",
            "N-MNIST",
            "NMNIST",
            sensor=34,
            classes=10,
            plif_steps=10,
            patterns=(r"Train/(\d)/[^/]+\.bin", r"Test/(\d)/[^/]+\.bin"),
            complete=(60_000, 10_000),
            archives=(("train.zip", "train_md5"), ("test.zip", "test_md5")),
            licence="not stated with the files; published for research "
            "(Orchard, Jayawant, Cohen, Thakor 2015)",
            lasts_us=250_000,  # 1,100 of them: 297 to 336 ms, beginning within 26 ms
        ),
        Recordings(
            "cifar10_dvs",
            "CIFAR10-DVS",
            "CIFAR10DVS",
            sensor=128,
            classes=10,
            plif_steps=20,
            patterns=(r"(\w+)/[^/]+\.aedat4",),
            complete=(10_000,),
            archives=(("CIFAR10DVS.zip", "file_md5"),),
            licence="CC BY 4.0 (Li, Liu, Ji, Li, Shi 2017)",
            note="The first 90 % of each class train, the last 10 % test.",
        ),
        Recordings(
            "dvs128_gesture",
            "DVS128 Gesture",
            "DVSGesture",
            sensor=128,
            classes=11,
            plif_steps=20,
            patterns=(r"ibmGestureTrain/[^/]+/(10|\d)\.npy", r"ibmGestureTest/[^/]+/(10|\d)\.npy"),
            complete=(1_077, 264),
            archives=(("ibmGestureTrain.tar.gz", "train_md5"), ("ibmGestureTest.tar.gz", "test_md5")),
            licence="CC BY 4.0 (Amir et al. 2017)",
            note="Official split by person; cut and rounded to ms by tonic's authors.",
        ),
    )
}


@dataclass(frozen=True)
class Found:
    """The recordings of a set, as paths from its folder on: of each split (file, label), and what was left
    out."""

    splits: list[list[tuple[str, int]]]
    left_out: list[str]


def locate(r: Recordings) -> Located | None:
    """The recordings under the data root, or None. "official" only if all are there and are what ``make
    data`` unpacked from archives with the official MD5; otherwise "part", and the note says what is missing
    or unknown."""
    if not os.path.lexists(r.folder):
        return None
    found = _find(r, r.folder)
    counts = tuple(map(len, found.splits))
    if not any(counts):
        return absent(r.folder, "unpacked recordings in it", r.remedy)
    for pattern, count in zip(r.patterns, counts, strict=True):
        if count == 0:
            raise SourceError(r.folder / pattern, "recordings here, as in the other split", r.remedy)
    cache.say_if_fewer(r.title, r.folder, sum(counts))
    fingerprint = _fingerprint(r, r.folder, found)
    if counts != r.complete:
        have, whole = (" + ".join(f"{n:,}" for n in numbers) for numbers in (counts, r.complete))
        note = f"Real recordings, {have} of {whole}."
    elif not (receipt := _receipt(r)):
        note = "All recordings by count, not compared with the official archives (`make data` does)."
    elif receipt != {"md5": r.md5, "content": fingerprint}:
        note = "All recordings by count, but not what was fetched."
    else:
        note = f"The archives had the official MD5, and this is their content. {r.note}".strip()
        official = hashlib.sha256("".join(r.md5).encode()).hexdigest()
        return Located(r.title, "official", note, r.licence, official, found, "md5:" + "+".join(r.md5))
    if found.left_out:
        others = f" and {len(found.left_out) - 1:,} more" if found.left_out[1:] else ""
        note += f" Left out, in no place of the layout: {found.left_out[0]}{others}."
    return Located(r.title, "part", f"{note} {r.note}".strip(), r.licence, fingerprint, found)


def _find(r: Recordings, folder: Path) -> Found:
    """What is listed here is counted, hashed and read; nothing else is."""
    numbers = {str(label): label for label in range(r.classes)}
    labels = r.tonic_class.classes if r.name == "cifar10_dvs" else numbers
    suffix = r.patterns[0].rsplit("\\", 1)[1]
    splits, left_out = [[] for _ in r.patterns], []
    for path in files_below(folder, suffix, f"{r.title} recordings below it", r.remedy):
        for pattern, split in zip(r.patterns, splits, strict=True):
            if (fit := re.fullmatch(pattern, path)) and fit[1] in labels:
                split.append((path, labels[fit[1]]))
                break
        else:
            left_out.append(path)
    return Found(splits, left_out)


def _place(recording: tuple[str, int]):
    """By class, then by number: cifar10_bird_9 before cifar10_bird_10."""
    path, label = recording
    pieces = re.split(r"(\d+)", path)
    return label, [int(piece) if piece.isdigit() else piece for piece in pieces]


def _fingerprint(r: Recordings, folder: Path, found: Found, remember: bool = True) -> str:
    everything = [path for split in found.splits for path, _ in split]
    return cache.files_fingerprint(folder, everything, f"a {r.title} recording", r.remedy, remember)


def _receipt(r: Recordings) -> dict | None:
    path = r.folder / RECEIPT
    if not path.exists():
        return None
    remedy = "Remove it; the recordings then count as part of the set."
    with reading(path, "what `make data` left", remedy):
        return json.loads(content(path, "what `make data` left", remedy))


def leave_receipt(r: Recordings, folder: Path) -> None:
    """Note down what was unpacked into ``folder``, right after the MD5 of the archives was compared."""
    content = _fingerprint(r, folder, _find(r, folder), remember=False)
    write_json(folder / RECEIPT, {"md5": r.md5, "content": content})


def open_splits(r: Recordings, found: Found) -> list[tuple[Callable[[int], np.ndarray], np.ndarray]]:
    """Training and test set as (what gives the events of the i-th recording, labels), by class and then by
    number; reads no event, never downloads."""

    def split(recordings):
        labels = np.array([label for _, label in recordings], np.int64)
        return lambda i: read(r, r.folder / recordings[i][0]), labels

    ordered = [sorted(recordings, key=_place) for recordings in found.splits]
    if len(ordered) == 2:
        return [split(recordings) for recordings in ordered]
    (recordings,) = ordered
    parts = first_of_each_class(np.array([label for _, label in recordings]))
    return [split([recordings[i] for i in rows]) for rows in parts]


def first_of_each_class(labels: np.ndarray, share: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training (the first ``share`` of each class: 900 of 1,000) and for testing (the others)."""
    early = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        early[rows[: int(share * len(rows))]] = True
    return np.flatnonzero(early), np.flatnonzero(~early)


def read(r: Recordings, path: Path) -> np.ndarray:
    """Events of one recording (fields x, y, t in microseconds, p: 0 OFF, 1 ON). SourceError: the file is
    broken, empty or not from this sensor."""
    what = f"a whole {r.title} recording"
    with reading(path, what, r.remedy):
        try:
            events = _READERS[path.suffix](path, what, r.remedy)
        except ModuleNotFoundError as problem:
            raise ImportError(f"{r.title} needs a missing package: pip install {problem.name}") from problem
        if len(events) == 0:
            raise ValueError("it holds no event")
        corners = [int(events[axis].min()) for axis in "xyt"] + [int(events[axis].max()) for axis in "xy"]
        if min(corners) < 0 or max(corners[3:]) >= r.sensor:
            raise ValueError(f"an event lies outside the {r.sensor} x {r.sensor} pixels or before time 0")
        if r.lasts_us:
            first, last = int(events["t"].min()), int(events["t"].max())
            if last - first < r.lasts_us:
                raise ValueError(f"it ends after {(last - first) / 1000:.0f} ms of about 300: cut?")
            if first > r.lasts_us // 5:  # absolute times, no recording of this set begins so late
                events["t"] -= first
            if np.mean(events["t"] < 1.2 * r.lasts_us) < 0.05:
                raise ValueError(
                    "almost none of its events lies in the first 300 ms; are times microseconds?"
                )
    return events


def _read_bin(path: Path, what: str, remedy: str) -> np.ndarray:
    """N-MNIST: five bytes an event."""
    from tonic.datasets import NMNIST
    from tonic.io import read_mnist_file

    data = content(path, what, remedy)
    if len(data) % 5:
        raise ValueError("its size is no multiple of 5 bytes")
    return read_mnist_file(io.BytesIO(data), NMNIST.dtype, is_stream=True)


def _read_npy(path: Path, what: str, remedy: str) -> np.ndarray:
    """DVS128 Gesture as tonic's authors cut it: rows x, y, polarity, time in ms."""
    rows = np.load(io.BytesIO(content(path, what, remedy)))
    if rows.ndim != 2 or rows.shape[1] != 4 or rows.dtype.kind not in "iuf":
        raise ValueError(f"rows of four numbers were expected, found {rows.dtype} of shape {rows.shape}")
    if not (np.isfinite(rows).all() and np.array_equal(rows[:, :3], np.floor(rows[:, :3]))):
        raise ValueError("x, y and polarity are whole numbers, and time is finite")
    x, y, polarity = rows[:, :3].astype(np.int64).T
    kinds = set(np.unique(polarity).tolist())
    if not (kinds <= {0, 1} or kinds <= {-1, 1}):
        raise ValueError(
            f"polarity is 0 or 1 (or -1 and 1), found {min(kinds)} to {max(kinds)} in the third column"
        )
    events = np.empty(len(rows), np.dtype([("x", "i8"), ("y", "i8"), ("t", "i8"), ("p", "i8")]))
    events["x"], events["y"], events["t"], events["p"] = x, y, rows[:, 3] * 1000, polarity > 0
    return events


def _read_aedat4(path: Path, what: str, remedy: str) -> np.ndarray:
    """CIFAR10-DVS: the format has a reader of its own, which opens the file itself."""
    import tonic.datasets.cifar10dvs as module

    if not regular(path).st_size:
        raise ValueError("it is empty")
    open(path, "rb").close()  # its reader gives no reason where this fails
    events = module.read_aedat4(str(path))
    events.dtype.names = ["t", "x", "y", "p"]
    return events


_READERS = {".bin": _read_bin, ".npy": _read_npy, ".aedat4": _read_aedat4}
