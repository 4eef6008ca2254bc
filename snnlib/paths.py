"""Where things live. Everything is relative to this file, never to the caller's folder."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A relative SNN_DATA counts from ROOT: make, kernels and tests run in different folders.
DATA = (ROOT / Path(os.environ.get("SNN_DATA") or "data").expanduser()).resolve()
PUBLISHED = ROOT / "data" / "published"
REFERENCE_RUNS = ROOT / "data" / "reference_runs"


def short(path: Path) -> Path:
    """The path from ROOT on, where it lies below."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def results(profile: str) -> Path:
    """Folder of everything that a profile writes."""
    return ROOT / "results" / profile
