"""Files that are either whole or not there, and that notice when they are no longer what was written."""

import errno
import hashlib
import io
import json
import math
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

UNFINISHED = ".unfinished"
"""In the name of a file that is being written; who writes it holds a lock on it."""

_REMEDIES = {
    number: remedy
    for remedy, *numbers in (
        ("it must be writable for you", errno.EACCES, errno.EPERM, errno.EROFS),
        ("free some space there; finished work is kept", errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        ("a file is where a folder belongs; move it away", errno.ENOTDIR, errno.EEXIST),
        ("a folder is where a file belongs; move it away", errno.EISDIR),
        ("raise the limit of open files (`ulimit -n 1024`)", errno.EMFILE, errno.ENFILE),
    )
    for number in numbers
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """An OSError of writing ``path`` as one sentence with the remedy, where we know one."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        sentence = f"{path} cannot be written ({error.strerror}): {_REMEDIES[error.errno]}."
        raise OSError(sentence) from None


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
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step, once it is on
    the disk. What writers that died left in the folder is removed.

    OSError says in a sentence what to do where the system refuses: a full disk, a folder without rights.
    """
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        temporary, handle = _unfinished(path)
        try:
            write(temporary)
            os.fsync(handle)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)
        with suppress(OSError):  # not every system opens a folder
            _synchronise(path.parent)
    return path


def _unfinished(path: Path) -> tuple[Path, int]:
    """A new locked file beside ``path``, with the rights that the umask leaves."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}{path.suffix}")
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        lock(handle, wait=True)
        if os.fstat(handle).st_nlink:
            return temporary, handle
        os.close(handle)  # swept before it was locked


def _sweep(folder: Path) -> None:
    """Remove the files that nobody writes any more."""
    for left in folder.glob(f".*{UNFINISHED}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                if lock(handle, wait=False):
                    left.unlink()
            finally:
                os.close(handle)


def _synchronise(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(handle: int, wait: bool) -> bool:
    """Lock an open file or folder until it is closed or its process ends. BlockingIOError without ``wait``
    where another has it; False where there are no locks (Windows, some network disks).
    """
    try:
        import fcntl  # of POSIX alone

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        return False


def _print(sentence: str) -> None:
    print(sentence, flush=True)


@contextmanager
def alone(folder: Path, waiting: str, say: Callable[[str], object] = _print) -> Iterator[None]:
    """One process at a time in this block; a second one says ``waiting`` and waits. The lock falls with its
    process, so that what a killed one left behind is nobody's when the next goes on.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            lock(handle, wait=False)
        except BlockingIOError:
            say(waiting)
            lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> Path:
    """A text in UTF-8, written in one step."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value) -> Path:
    """JSON, see ``finite``."""
    return write_text(path, json.dumps(finite(value), allow_nan=False) + "\n")


def finite(value):
    """JSON knows no infinities: a number that is not finite (a diverged run) becomes None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def serialised(state: dict) -> bytes:
    """What torch saves, made in memory: in a file its name would become part of the bytes, and a full disk a
    riddle.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def write_sealed(path: Path, state: dict) -> Path:
    """A state_dict after a first line with a digest over it and the file's name."""
    content = serialised(state)
    line = _seal(path.name, content)
    return write_atomically(path, lambda temporary: temporary.write_bytes(line + b"\n" + content))


def read_sealed(path: Path) -> bytes:
    """What torch saved by ``write_sealed``; ValueError for a file cut, altered, renamed or never sealed."""
    line, _, content = path.read_bytes().partition(b"\n")
    if line != _seal(path.name, content):
        raise ValueError("its digest is not that of its content and name")
    return content


def _seal(name: str, content: bytes) -> bytes:
    return f"{hashlib.sha256(name.encode() + content).hexdigest()} {name}".encode()
