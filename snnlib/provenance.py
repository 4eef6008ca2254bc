"""Which code and which packages made a result."""

import contextlib
import functools
import importlib.metadata
import subprocess

from snnlib import paths


@functools.cache
def commit() -> str:
    """The commit that the code stands at, "+" if files differ; "unknown" outside a git checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(paths.ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "snnlib", "notebooks/*.yaml")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on most, as far as they are installed."""
    found = {}
    for name in ("torch", "torchvision", "tonic", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
