"""The one way into a data file: whatever is wrong with it becomes one sentence that names file and remedy."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..reading import NeedsTorch


class SourceError(ValueError):
    """A data file is there but cannot be used: SourceError(which file, what was expected, what to do)."""

    def __str__(self):
        return "{}: expected {}. {}".format(*self.args)


def fetch_again(name: str) -> str:
    """The remedy for what ``make data`` can bring."""
    return f"Run `make data SETS={name}` to fetch it again, or remove it and do without."


@contextlib.contextmanager
def reading(path: Path | str, what: str, remedy: str) -> Iterator[None]:
    """Within the block everything that a reader raises becomes a SourceError: ``path`` was expected to be
    ``what``, why it is not, ``remedy``. A missing package stays an ImportError, and a
    missing PyTorch a NeedsTorch."""
    try:
        yield
    except (SourceError, ImportError, NeedsTorch, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except (
        BaseException
    ) as problem:  # what a damaged file raises is up to its reader; Rust's panics are no Exception
        raise SourceError(path, f"{what} ({_reason(path, problem)})", remedy) from problem


def _reason(path: Path | str, problem: BaseException) -> str:
    kinds = {
        FileNotFoundError: "it is a link that leads nowhere" if os.path.islink(path) else "it is not there",
        IsADirectoryError: "it is a folder",
        NotADirectoryError: "it is no folder",
        PermissionError: "no permission to read it",
    }
    return kinds.get(type(problem)) or " ".join(str(problem).split()) or type(problem).__name__


def regular(path: Path | str) -> os.stat_result:
    """Size and times of a file. OSError: not there, or something else than a file (a pipe would be waited for
    without end)."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no file")
    return found


def content(path: Path, what: str, remedy: str) -> bytes:
    """All bytes of a data file. SourceError: missing, a folder, a link to nothing, not readable or empty."""
    with reading(path, what, remedy):
        if not regular(path).st_size:
            raise ValueError("it is empty")
        return Path(path).read_bytes()


def unaltered(file: Path, digest: str, official: str, what: str, remedy: str) -> None:
    """SourceError if a file has another SHA-256 than the official one."""
    if digest != official:
        raise SourceError(file, f"{what} (SHA-256 {official[:12]}..., found {digest[:12]}...)", remedy)


def absent(folder: Path, what: str, remedy: str) -> None:
    """None for a set of which nothing was found. SourceError if its folder is there all the same: what lies
    there is then not what its owner thinks, and a stand-in would take its place in silence."""
    if os.path.lexists(folder):
        with reading(folder, what, remedy):
            os.listdir(folder)
            raise ValueError("nothing of it is there")


def files_below(folder: Path, suffix: str, what: str, remedy: str) -> list[str]:
    """Everything below ``folder`` whose name ends in ``suffix`` (in any case), as sorted paths from there on,
    with slashes. Links to folders are followed, each folder once; a folder of such a name is listed too, so
    that reading it says what it is."""
    found, seen = [], {os.path.realpath(folder)}

    def fail(problem: OSError):
        raise problem

    with reading(folder, what, remedy):
        for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
            start = os.path.relpath(place, folder).replace(os.sep, "/") + "/"
            start = "" if start == "./" else start
            found += [start + name for name in (*files, *folders) if name.lower().endswith(suffix)]
            real = {name: os.path.realpath(os.path.join(place, name)) for name in folders}
            folders[:] = [
                name for name in folders if real[name] not in seen and not name.lower().endswith(suffix)
            ]
            seen.update(real.values())
    return in_order(found)


def in_order(names: Iterable[str]) -> list[str]:
    """Sorted as paths are: folder by folder."""
    return sorted(names, key=lambda name: name.split("/"))
