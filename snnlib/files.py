"""Files that are either whole or not there."""

import json
import math
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path


def private_folder() -> Path:
    """The user's own folder for caches, made with mode 0700: ``snnlib`` below XDG_CACHE_HOME (or ~/.cache)
    or, where that cannot be written, a folder named after the user in the temporary folder.

    OSError: what lies there belongs to someone else, is a link, or is open to others. Code and data are
    read from this folder, so whoever can fill it could make them mean something else.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    home = Path(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    )  # relative: no home is known
    for folder in (home / "snnlib", Path(tempfile.gettempdir()) / f"snnlib-cache-{user}"):
        if not folder.is_absolute():
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as problem:
            unwritable = problem
            continue
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and user in (None, found.st_uid) and not found.st_mode & 0o077:
            return folder
        raise PermissionError(
            f"{folder} is not yours alone (owner, mode or a link): remove it, or set XDG_CACHE_HOME"
        )
    raise unwritable


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """A text in UTF-8, written in one step."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value) -> Path:
    """JSON knows no infinities: a number that is not finite (a diverged run) becomes null."""
    return write_text(path, json.dumps(_finite(value), allow_nan=False) + "\n")


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
