"""Decoded tensors and file checksums, kept under ``DATA/cache`` and written atomically.

Nothing here may fail because the data root is read-only or full: then the user's temporary folder is used,
or nothing.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import paths
from ..files import write_atomically

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
    """``read`` of the cached file ``name``, or None; a damaged file is removed."""
    for folder in folders():
        try:
            return read(folder / name)
        except FileNotFoundError:
            continue
        except Exception:  # a cache is never worth a failure: make it again
            with contextlib.suppress(OSError):
                (folder / name).unlink()
    return None


def store(name: str, write: Callable[[Path], Any]) -> bool:
    """Let ``write`` fill the cached file ``name``; whether there was a place for it."""
    for folder in folders():
        try:
            write_atomically(folder / name, write)
            return True
        except (OSError, RuntimeError):  # torch.save wraps "disk full" in RuntimeError
            continue
    return False


def file_digest(path: Path, kind: str = "sha256", compute: Callable[[], str] | None = None) -> str:
    """Hex digest of a file, remembered by size and modification time.

    ``compute`` replaces the plain digest (for example one over the decompressed content); ``kind`` then
    names it.
    """
    stat = path.stat()
    return _remembered(
        f"{kind}:{path}", [stat.st_size, stat.st_mtime_ns], compute or (lambda: _digest(path, kind))
    )


def files_fingerprint(folder: Path, files: Iterable[Path], content=True, remember=True) -> str:
    """SHA-256 over names and content of many files below ``folder``; names and sizes if not ``content``."""
    listing = hashlib.sha256()
    files = sorted(files)
    for file in files:
        stat = file.stat()
        row = f"{file.relative_to(folder)}\0{stat.st_size}"
        listing.update(f"{row}\0{stat.st_mtime_ns}\n".encode() if content else f"{row}\n".encode())
    if not content:
        return listing.hexdigest()

    def read() -> str:
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.relative_to(folder)}\0{_digest(file, 'sha256')}\n".encode())
        return digest.hexdigest()

    return _remembered(f"tree:{folder}", listing.hexdigest(), read) if remember else read()


def folders() -> list[Path]:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [paths.DATA / "cache", Path(tempfile.gettempdir()) / f"snnlib-cache-{user}"]


def _digest(path: Path, kind: str) -> str:
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
