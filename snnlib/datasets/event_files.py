"""The three event data sets as files: tonic's layout under the data root, its readers, its downloads."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import paths
from . import cache
from .registry import Located, SourceError, fetch_again

HASH_ALL_BELOW = 5_000  # so many recordings are hashed; of more, names and sizes make the fingerprint


@dataclass(frozen=True)
class Recordings:
    """One data set. ``patterns``, ``complete``: files of each split and how many there are in the whole set;
    ``archives``: what they were unpacked from, as (file, attribute of the tonic class with its MD5)."""

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

    @property
    def folder(self) -> Path:
        return paths.DATA / self.tonic

    @property
    def remedy(self) -> str:
        return fetch_again(self.name)

    @property
    def tonic_class(self):
        import numpy.lib.recfunctions  # noqa: F401  (tonic's DVSGesture uses it without importing it)
        import tonic.datasets

        return getattr(tonic.datasets, self.tonic)


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
            patterns=("Train/*/*.bin", "Test/*/*.bin"),
            complete=(60_000, 10_000),
            archives=(("train.zip", "train_md5"), ("test.zip", "test_md5")),
            licence="not stated with the files; published for research "
            "(Orchard, Jayawant, Cohen, Thakor 2015)",
        ),
        Recordings(
            "cifar10_dvs",
            "CIFAR10-DVS",
            "CIFAR10DVS",
            sensor=128,
            classes=10,
            plif_steps=20,
            patterns=("*/*.aedat4",),
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
            patterns=("ibmGestureTrain/*/*.npy", "ibmGestureTest/*/*.npy"),
            complete=(1_077, 264),
            archives=(("ibmGestureTrain.tar.gz", "train_md5"), ("ibmGestureTest.tar.gz", "test_md5")),
            licence="CC BY 4.0 (Amir et al. 2017)",
            note="Official split by person; cut and rounded to ms by tonic's authors.",
        ),
    )
}


def locate(r: Recordings) -> Located | None:
    """The recordings under the data root, or None. "official" only if all are there and the archives they
    came from had the official MD5: the archives lie beside them, or ``fetch_events`` left the checked sums.
    Otherwise "part", and the note says what is missing or unknown."""
    files = [list(r.folder.glob(pattern)) for pattern in r.patterns]
    counts = tuple(map(len, files))
    archives = [r.folder / name for name, _ in r.archives if (r.folder / name).exists()]
    checked = [r.folder / f"{name}.md5" for name, _ in r.archives if (r.folder / f"{name}.md5").exists()]
    if not any(counts):
        if archives:
            raise SourceError(archives[0], "the unpacked recordings beside this archive", r.remedy)
        return None
    for pattern, count in zip(r.patterns, counts, strict=True):
        if count == 0:
            raise SourceError(r.folder / pattern, "recordings here, as in the other split", r.remedy)
    if counts == r.complete and len(r.archives) in (len(archives), len(checked)):
        if len(archives) == len(r.archives):
            found = [cache.file_digest(path, "md5") for path in archives]
        else:
            found = [path.read_text().strip() for path in checked]
        if found == [getattr(r.tonic_class, attribute) for _, attribute in r.archives]:
            note = f"The archives have the official MD5. {r.note}".strip()
            fingerprint = hashlib.sha256("".join(found).encode()).hexdigest()
            return Located(
                r.title, "official", note, r.licence, fingerprint, files_checksum="md5:" + "+".join(found)
            )
        note = "All recordings by count, but the MD5 of the archives differ from the official ones."
    elif counts == r.complete:
        note = "All recordings by count, not compared with the official archives, which are not beside them."
    else:
        have, whole = (" + ".join(f"{n:,}" for n in numbers) for numbers in (counts, r.complete))
        note = f"Real recordings, {have} of {whole}."
    everything = [file for split in files for file in split]
    fingerprint = cache.files_fingerprint(r.folder, everything, content=len(everything) < HASH_ALL_BELOW)
    return Located(r.title, "part", f"{note} {r.note}".strip(), r.licence, fingerprint)


def open_splits(r: Recordings) -> list[tuple[Callable[[int], np.ndarray], np.ndarray]]:
    """Training and test set as (what gives the events of the i-th recording, labels); reads no event, never
    downloads."""
    offline = type(r.tonic, (r.tonic_class,), {"_check_exists": lambda self: True})

    def split(reader, rows=slice(None)):
        places = np.arange(len(reader))[rows]
        return lambda i: read(r, reader, places[i]), np.array(reader.targets, np.int64)[rows]

    if len(r.patterns) == 2:
        return [split(_sorted(offline(save_to=str(paths.DATA), train=train))) for train in (True, False)]
    reader = _sorted(offline(save_to=str(paths.DATA)))
    return [split(reader, rows) for rows in first_of_each_class(np.array(reader.targets))]


def _sorted(reader):
    """By class, then by number (cifar10_bird_9 before cifar10_bird_10); tonic leaves the disk's order."""

    def place(i):
        pieces = re.split(r"(\d+)", reader.data[i])
        return reader.targets[i], [int(piece) if piece.isdigit() else piece for piece in pieces]

    order = sorted(range(len(reader.data)), key=place)
    reader.data, reader.targets = ([column[i] for i in order] for column in (reader.data, reader.targets))
    return reader


def first_of_each_class(labels: np.ndarray, share: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training (the first ``share`` of each class: 900 of 1,000) and for testing (the others)."""
    early = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        early[rows[: int(share * len(rows))]] = True
    return np.flatnonzero(early), np.flatnonzero(~early)


def read(r: Recordings, reader, row: int) -> np.ndarray:
    """Events of one recording. SourceError: the file is broken, empty or not from this sensor."""
    path = Path(reader.data[row])
    try:
        if path.suffix == ".bin" and path.stat().st_size % 5:
            raise ValueError("its size is no multiple of 5 bytes")
        events = reader[row][0]
        if len(events) == 0:
            raise ValueError("it holds no event")
        if max(int(events["x"].max()), int(events["y"].max())) >= r.sensor:
            raise ValueError(f"an event lies outside the {r.sensor} x {r.sensor} pixels")
    except ModuleNotFoundError as problem:
        raise ImportError(f"{r.title} needs a missing package: pip install {problem.name}") from problem
    except Exception as problem:  # what a broken file raises is up to its reader
        raise SourceError(path, f"a whole {r.title} recording ({problem})", r.remedy) from problem
    return events
