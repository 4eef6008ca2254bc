"""Which code, which packages and which data made a result."""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import subprocess
from dataclasses import dataclass, fields

from snnlib import paths

SOURCES = ("official", "package", "open set", "part", "stand-in")
"""Kinds of data in the one order of trust, the best first: content equals the official files; the same,
installed by a distribution; a real open corpus in place of a licensed one; real recordings, incomplete or
re-encoded (the note says which); none of these."""


def trust(source: str) -> int:
    """Place in the order of trust, 0 is the best; what SOURCES does not know comes last."""
    return SOURCES.index(source) if source in SOURCES else len(SOURCES)


@dataclass(frozen=True)
class Passport:
    """What the numbers of a run are really about; travels with every record, table and figure.

    ``source`` is one of SOURCES; the ``dataset`` of a stand-in says so itself.
    """

    dataset: str
    source: str
    note: str = ""
    licence: str = ""
    checksum: str = ""
    train_samples: int = 0
    test_samples: int = 0

    def __post_init__(self):
        if self.source not in SOURCES:
            raise ValueError(f"passport source {self.source!r} is not one of {', '.join(SOURCES)}")

    @classmethod
    def of(cls, record: dict) -> "Passport":
        """The passport of the data behind the record of a run (which keeps no licence)."""
        return cls(**{f.name: record[f.name] for f in fields(cls) if f.name in record})

    @property
    def label(self) -> str:
        """For example ``MNIST (official, 60,000 + 10,000)``."""
        return f"{self.dataset} ({self.source}, {self.train_samples:,} + {self.test_samples:,})"


@functools.cache
def commit() -> str:
    """The commit that the code stands at, "+" if files differ; outside a checkout of its own (in someone's
    project, say) what SNN_COMMIT says, or "unknown".
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(paths.ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if os.path.samefile(git("rev-parse", "--show-toplevel"), paths.ROOT):
            changed = git("status", "--porcelain", "--", "snnlib", "notebooks/*.yaml")
            return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    return os.environ.get("SNN_COMMIT", "unknown")


@functools.cache
def sources() -> str:
    """Short hash over the library's code, its tests aside: machines that train one grid must agree in it."""
    root, digest = paths.ROOT / "snnlib", hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith("tests/"):
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on most, as far as they are installed."""
    found = {}
    for name in ("torch", "torchvision", "tonic", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
