"""Decoded tensors and file checksums, kept under ``DATA/cache`` and written atomically.

Nothing here may fail because the data root is read-only or full: then the user's private folder is used, or
nothing. Beside each file lies the SHA-256 of its content, and a file that differs from it is made again.
"""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import paths
from ..files import private_folder, write_atomically, write_text
from .reading import in_order, reading, regular

VERSION = 1  # raise it when the code that fills the cache changes what it stores


def tensors(key: dict, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """``make()``'s tensors, from the cache if they were made before with the same ``key``.

    ``key`` (JSON-able) names everything that shapes the result: what it is, its parameters, the fingerprint
    of the source and a version of the code that makes it. Big tensors come back memory-mapped, so they cost
    nothing until read.
    """
    text = json.dumps({**key, "cache": VERSION}, sort_keys=True)
    name = f"{key.get('what', 'tensors')}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.pt"
    found = load(name, lambda path: torch.load(path, mmap=True, weights_only=True))
    if found is None:
        found = make()
        store(name, lambda temporary: torch.save(found, temporary))
    return found


def load(name: str, read: Callable[[Path], Any]):
    """``read`` of the cached file ``name``, or None; a file that is not what was stored is removed."""
    for folder in folders():
        with contextlib.suppress(Exception):  # a cache is never worth a failure: make it again
            if (folder / f"{name}.sha256").read_text() == _digest(folder / name, "sha256"):
                return read(folder / name)
            (folder / name).unlink()
    return None


def store(name: str, write: Callable[[Path], Any]) -> bool:
    """Let ``write`` fill the cached file ``name``; whether there was a place for it."""
    for folder in folders():
        try:
            stored = write_atomically(folder / name, write)
            write_text(folder / f"{name}.sha256", _digest(stored, "sha256"))
            return True
        except (OSError, RuntimeError):  # torch.save wraps "disk full" in RuntimeError
            continue
    return False


def file_digest(
    path: Path, what: str, remedy: str, kind: str = "sha256", compute: Callable[[], str] | None = None
) -> str:
    """Hex digest of a file, remembered by everything that a change of the file changes.

    ``compute`` replaces the plain digest (for example one over the decompressed content); ``kind`` then
    names it. SourceError (``what`` the file should be, ``remedy``): it cannot be read or is empty.
    """
    with reading(path, what, remedy):
        stamp = _stamp(path)
        if not stamp[0]:
            raise ValueError("it is empty")
        return _remembered(f"{kind}:{path}", stamp, compute or (lambda: _digest(path, kind)))


def files_fingerprint(folder: Path, names: Iterable[str], what: str, remedy: str, remember=True) -> str:
    """SHA-256 over names and content of many files, ``names`` from ``folder`` on. SourceError: one cannot be
    read."""
    listing, names, start = hashlib.sha256(), in_order(names), f"{folder}{os.sep}"
    for name in names:
        with reading(start + name, what, remedy):
            listing.update(f"{name}\0{_stamp(start + name)}\n".encode())

    def read() -> str:
        digest = hashlib.sha256()
        for name in names:
            with reading(start + name, what, remedy):
                digest.update(f"{name}\0{_digest(start + name, 'sha256')}\n".encode())
        return digest.hexdigest()

    return _remembered(f"tree:{folder}", listing.hexdigest(), read) if remember else read()


def say_if_fewer(title: str, folder: Path, count: int, whole: int = 0) -> None:
    """Warn that recordings are gone: ``folder`` held more than ``count`` when this was last asked, or a copy
    is known to have ``whole``. Said where data are located, which is before anything is trained on them."""
    name = f"count-{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}.json"
    before = load(name, lambda path: int(path.read_text())) or 0
    if count > before:
        store(name, lambda temporary: temporary.write_text(str(count)))
    if count < max(before, whole):
        warnings.warn(
            f"{title}: {count:,} of {max(before, whole):,} recordings are left in {folder}", stacklevel=2
        )


def folders() -> Iterator[Path]:
    """Where cached files may lie. A data root that is not there is not made: its name may be mistyped; and
    nothing is added to the reference runs, which are the root where PyTorch is missing (``reading.begin``).
    """
    if paths.DATA.is_dir() and paths.DATA != paths.REFERENCE_RUNS.resolve():
        yield paths.DATA / "cache"
    try:
        yield private_folder()
    except OSError as problem:
        warnings.warn(f"nothing is cached outside the data root: {problem}", stacklevel=2)


def _stamp(path: Path | str) -> list[int]:
    # The time of the last change of state (ctime) cannot be set back, as the time of modification can.
    found = regular(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _digest(path: Path | str, kind: str) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, kind).hexdigest()


def _remembered(name: str, stamp: list | str, compute: Callable[[], str]) -> str:
    file = f"checksum-{hashlib.sha256(name.encode()).hexdigest()[:20]}.json"
    known = load(file, lambda path: json.loads(path.read_text()))
    if known and known[0] == stamp:
        return known[1]
    value = compute()
    store(file, lambda temporary: temporary.write_text(json.dumps([stamp, value])))
    return value
