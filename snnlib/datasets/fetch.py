"""Official downloads into the data root: ``python -m snnlib.datasets fetch [names]``.

A download goes to a temporary folder inside the data root, is checked, and is moved into place whole;
nothing partial stays. One probe of all servers decides within PROBE_SECONDS whether there is a network;
nothing is loaded otherwise.
"""

import contextlib
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from . import cache, nettalk
from .event_files import SETS
from .registry import SourceError, identify

PROBE_SECONDS = 6.0  # for all servers together, name look-up included
STALL_SECONDS = 10.0  # a download that receives nothing for so long has failed
BIG = 250  # MB; sets above it are fetched only when named

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/undocumented/connectionist-bench/nettalk/"
FSDD = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"
FSDD_CONTENT = "99aa5e3a7c82"  # start of cache.files_fingerprint of the 3,000 recordings


@dataclass(frozen=True)
class Download:
    """``get(folder)`` lays the set out in ``folder`` as in the data root and returns how it was checked."""

    megabytes: int
    url: str  # what the probe asks for
    get: Callable[[Path], str]
    completes: bool = False  # fetched by name even if a part of the set is there


def _torchvision(name: str):
    def get(folder: Path) -> str:
        from torchvision import datasets

        for train in (True, False):
            getattr(datasets, name)(str(folder), train=train, download=True)
        for archive in folder.glob("*.tar.gz"):
            archive.unlink()
        return "MD5 as published"

    return get


def _tonic(name: str):
    """Tonic compares the MD5; the sums are left beside the recordings and the archives (up to 8 GB) are
    removed."""

    def get(folder: Path) -> str:
        r = SETS[name]
        for split in ({"train": True}, {"train": False}) if len(r.patterns) == 2 else ({},):
            r.tonic_class(save_to=str(folder), **split)
        for archive, attribute in r.archives:
            (folder / r.tonic / f"{archive}.md5").write_text(getattr(r.tonic_class, attribute))
        for archive in [*(folder / r.tonic).glob("*.zip"), *(folder / r.tonic).glob("*.tar.gz")]:
            archive.unlink()
        return "MD5 as published"

    return get


def _download(url: str, folder: Path, unpack=None):
    """Path of the file in ``folder`` or, with ``unpack``, paths of what was in the archive. OSError if the
    download fails, stalls or ends early."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    loader = pooch.HTTPDownloader(progressbar=True, timeout=STALL_SECONDS)
    return pooch.retrieve(url, None, url.rsplit("/", 1)[1], folder, processor=unpack, downloader=loader)


def _get_nettalk(folder: Path) -> str:
    file = Path(_download(UCI + "nettalk.data", folder / "NETtalk"))
    entries = len(nettalk.read_dictionary(file))
    if entries < 20000:
        raise SourceError(
            file.name, f"about 20,008 entries, found {entries}", "The server sent something else; try later."
        )
    with contextlib.suppress(OSError):  # the dictionary alone is enough
        _download(UCI + "nettalk.list", folder / "NETtalk")
    return f"no published checksum; {entries:,} well-formed entries"


def _get_fsdd(folder: Path) -> str:
    import pooch

    target = folder / "FSDD" / "recordings"
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        for file in map(Path, _download(FSDD, aside, pooch.Unzip())):
            if file.parent.name == "recordings" and file.suffix == ".wav":
                file.replace(target / file.name)
    files = list(target.iterdir())
    if len(files) != 3000:
        raise SourceError(
            "Free Spoken Digit Dataset",
            f"3,000 recordings, found {len(files)}",
            "The server sent something else; try later.",
        )
    if cache.files_fingerprint(target, files, remember=False).startswith(FSDD_CONTENT):
        return "content as known"
    return "3,000 recordings, content differs from the copy known to this project"


DOWNLOADS = {
    "mnist": Download(
        12, "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz", _torchvision("MNIST")
    ),
    "fashion_mnist": Download(
        31,
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
        _torchvision("FashionMNIST"),
    ),
    "cifar10": Download(
        170, "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", _torchvision("CIFAR10"), True
    ),
    "nettalk": Download(1, UCI + "nettalk.data", _get_nettalk),
    "tidigits": Download(17, FSDD, _get_fsdd),
    "n_mnist": Download(
        1180,
        "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
        "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
        _tonic("n_mnist"),
        True,
    ),
    "cifar10_dvs": Download(
        8000, "https://figshare.com/ndownloader/files/38023437", _tonic("cifar10_dvs"), True
    ),
    "dvs128_gesture": Download(
        3200, "https://figshare.com/ndownloader/files/38020584", _tonic("dvs128_gesture"), True
    ),
}
ALIASES = {"fsdd": "tidigits"}
NO_DOWNLOAD = {
    "timit": "licensed, no official download; see data/README.md for where your copy or an open set goes"
}


def fetch(names: Iterable[str] = (), say: Callable[[str], object] = print) -> dict[str, bool]:
    """Fetch the small sets (or those named) that are not under the data root yet; one line for each says
    what happened.

    Returns name -> whether its data are there now. ValueError for unknown names. Never raises for a missing
    network: ``load`` then takes a package or the stand-in.
    """
    wanted = [ALIASES.get(name, name) for name in names]
    known = [*DOWNLOADS, *ALIASES, *NO_DOWNLOAD]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"unknown data set {unknown[0]!r}; fetch knows: {', '.join(known)}")
    named = bool(wanted)
    if not paths.DATA.exists():
        say(f"The data root {paths.DATA} does not exist yet (SNN_DATA names it, if set).")
    wanted = list(dict.fromkeys(wanted)) or [name for name, d in DOWNLOADS.items() if d.megabytes <= BIG]
    outcome, missing = {}, []
    for name in wanted:
        try:
            found = identify(name).split(":")[0]
            outcome[name] = found != "stand-in"
            if outcome[name] and not (
                named and found == "part" and name in DOWNLOADS and DOWNLOADS[name].completes
            ):
                say(f"{name}: already there ({found})")
            elif name in NO_DOWNLOAD:
                say(f"{name}: {NO_DOWNLOAD[name]}")
            else:
                missing.append(name)
        except (ValueError, OSError, ImportError) as problem:
            outcome[name] = False
            say(f"{name}: {problem}")
            if named and isinstance(problem, SourceError) and name in DOWNLOADS:
                missing.append(name)  # asked for by name: what is damaged there is replaced
    answers = probe({name: DOWNLOADS[name].url for name in missing})
    if missing and all(answer.startswith("no ") for answer in answers.values()):
        say(f"No network: no answer within {PROBE_SECONDS:.0f} s; going on with packages and stand-ins.")
    for name in missing:
        if answers[name]:
            say(f"{name}: not fetched ({answers[name]}); the labelled stand-in will be used")
            continue
        outcome[name] = _fetch_one(name, say)
    return outcome


def _fetch_one(name: str, say) -> bool:
    wanted = DOWNLOADS[name]
    started = time.perf_counter()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)  # torchvision and tonic set none of their own
    try:
        paths.DATA.mkdir(parents=True, exist_ok=True)
        for left_over in paths.DATA.glob(".fetch-*"):  # of a fetch that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        # The archive, its content, and a little: checked first, because a full disk is found late.
        if shutil.disk_usage(paths.DATA).free < 3e6 * wanted.megabytes:
            raise OSError(f"{3 * wanted.megabytes:,} MB of free space are needed in {paths.DATA}")
        say(f"{name}: fetching about {wanted.megabytes:,} MB ...")
        with tempfile.TemporaryDirectory(dir=paths.DATA, prefix=".fetch-") as folder:
            checked = wanted.get(Path(folder))
            _move_into_place(Path(folder), paths.DATA)
    except Exception as problem:  # libraries raise anything; the offline path is always there
        reason = " ".join(str(problem).split()) or type(problem).__name__
        say(f"{name}: not fetched ({reason}); the labelled stand-in will be used")
        return False
    finally:
        socket.setdefaulttimeout(before)
    say(f"{name}: fetched in {time.perf_counter() - started:.0f} s, {checked}")
    return True


def probe(urls: dict[str, str]) -> dict[str, str]:
    """Ask all servers at once: name -> "" if it would send the file, else why not. Returns within
    PROBE_SECONDS."""
    answers = {}

    def ask(name: str, url: str) -> None:
        head = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "snnlib"})
        try:
            with urllib.request.urlopen(head, timeout=PROBE_SECONDS):
                answers[name] = ""
        except urllib.error.HTTPError as problem:
            # Some servers send files but refuse HEAD; anything else they refuse is not there for us.
            answers[name] = (
                "" if problem.code in (405, 501) else f"the server says {problem.code} {problem.reason}"
            )
        except Exception as problem:
            answers[name] = f"no connection: {getattr(problem, 'reason', problem)}"

    # Threads, because a name look-up has no time limit of its own; daemons, so that none is waited for.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in urls.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: answers.get(name, "no answer") for name in urls}


def _move_into_place(folder: Path, root: Path) -> None:
    for path in sorted(folder.iterdir()):
        target = root / path.name
        if path.is_dir() and target.exists():
            _move_into_place(path, target)
        else:
            path.replace(target)
