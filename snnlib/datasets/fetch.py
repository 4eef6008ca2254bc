"""Official downloads into the data root: ``python -m snnlib.datasets fetch [names]``.

A download goes to a temporary folder inside the data root, is checked, and is moved into place whole;
nothing partial stays. One probe of all servers decides within ``download.PROBE_SECONDS`` whether there is a
network; nothing is loaded otherwise.
"""

import gzip
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import files, paths
from . import cache, nettalk, series
from .download import download, probe, source
from .event_files import SETS, leave_receipt
from .reading import SourceError, reading
from .registry import entry, identify, load
from .speech import FSDD_CONTENT

BIG = 250  # MB; sets above it are fetched only when named

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/undocumented/connectionist-bench/nettalk/"
FSDD = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"
LATER = "The server sent something else; try later."


@dataclass(frozen=True)
class Download:
    """``get(folder)`` lays the set out in ``folder`` as in the data root and returns how it was checked."""

    megabytes: int
    file: str  # the first file, as its path below the data root,
    url: str  # and where it is, which is what the probe asks for
    get: Callable[[Path], str]
    completes: bool = False  # fetched by name even if a part of the set is there


def _get_idx(name: str, where: str):
    def get(folder: Path) -> str:
        from torchvision import datasets

        for file, md5 in getattr(datasets, name).resources:
            packed = download(folder, f"{name}/raw/{file}", where + file, 60, md5)
            with gzip.open(packed) as content:  # read in a tenth of the time
                packed.with_suffix("").write_bytes(content.read())
            packed.unlink()
        return "MD5 as published"

    return get


def _get_cifar10(folder: Path) -> str:
    from torchvision.datasets import CIFAR10

    archive = download(folder, CIFAR10.filename, CIFAR10.url, 350, CIFAR10.tgz_md5)
    shutil.unpack_archive(archive, folder)
    archive.unlink()
    return "MD5 as published"


def _get_events(name: str):
    """Tonic unpacks; what came out is noted down and the archives (up to 8 GB) are removed."""

    def get(folder: Path) -> str:
        r = SETS[name]
        limit = 2 * DOWNLOADS[name].megabytes
        whole = len(r.patterns) == 1
        for archive, attribute in r.archives:
            part = attribute.removesuffix("md5")  # "train_", "test_" or, for the whole set, "file_"
            url = r.tonic_class.url if whole else getattr(r.tonic_class, f"{part}url")
            file = f"{r.tonic}/{archive}"
            expected = getattr(r.tonic_class, attribute)
            if _lies_at(paths.DATA / file, expected):
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).symlink_to((paths.DATA / file).resolve())
            else:
                download(folder, file, url, limit, expected)
        for split in ({},) if whole else ({"train": True}, {"train": False}):
            r.tonic_class(save_to=str(folder), **split)  # finds the archives and unpacks them
        for archive in [*(folder / r.tonic).glob("*.zip"), *(folder / r.tonic).glob("*.tar.gz")]:
            archive.unlink()
        leave_receipt(r, folder / r.tonic)
        return "MD5 as published"

    return get


def _lies_at(archive: Path, md5: str) -> bool:
    """Whether an archive is there and whole; one that is empty or cannot be read is fetched all the same."""
    try:
        return cache.file_digest(archive, "an archive", LATER, "md5") == md5
    except SourceError:
        return False


def _get_nettalk(folder: Path) -> str:
    file = download(folder, "NETtalk/nettalk.data", UCI + "nettalk.data", 20)
    words = nettalk.read_dictionary(file)
    if not nettalk.ENTRIES - 50 <= len(words) <= nettalk.ENTRIES + 50:
        raise SourceError(file.name, f"about {nettalk.ENTRIES:,} entries, found {len(words):,}", LATER)
    found = f"no published checksum; {len(words):,} well-formed entries"
    try:
        nettalk.common_words(download(folder, "NETtalk/nettalk.list", UCI + "nettalk.list", 1), words)
    except Exception:  # whatever the server sends: the dictionary alone is enough
        (folder / "NETtalk/nettalk.list").unlink(missing_ok=True)
        found += ", without nettalk.list"
    return found


def _get_fsdd(folder: Path) -> str:
    target = folder / "FSDD" / "recordings"
    target.mkdir(parents=True)
    archive = download(folder, "FSDD/master.zip", FSDD, 60)
    title = "Free Spoken Digit Dataset"
    with reading(title, "a zip archive", LATER), zipfile.ZipFile(archive) as packed:
        inside = [m for m in packed.infolist() if re.fullmatch(r"[^/]+/recordings/\d_\w+\.wav", m.filename)]
        if len(inside) != 3000:
            raise SourceError(title, f"3,000 recordings, found {len(inside):,}", LATER)
        if sum(m.file_size for m in inside) > 100e6:
            raise SourceError(title, "recordings of 24 MB together, found more than 100", LATER)
        for member in inside:
            (target / Path(member.filename).name).write_bytes(packed.read(member))
    archive.unlink()
    found = cache.files_fingerprint(target, os.listdir(target), "a recording", LATER, remember=False)
    if not found.startswith(FSDD_CONTENT):
        what = f"the content known to this project (SHA-256 {FSDD_CONTENT}..., found {found[:12]}...)"
        raise SourceError(title, what, "data/README.md says where to put recordings of your own choice.")
    return "content as known"


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_LABELS = "train-labels-idx1-ubyte.gz"

DOWNLOADS = {
    "mnist": Download(12, f"MNIST/raw/{_LABELS}", _MNIST + _LABELS, _get_idx("MNIST", _MNIST)),
    "fashion_mnist": Download(
        31, f"FashionMNIST/raw/{_LABELS}", _FASHION + _LABELS, _get_idx("FashionMNIST", _FASHION)
    ),
    "cifar10": Download(
        170,
        "cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        _get_cifar10,
        True,
    ),
    "nettalk": Download(1, "NETtalk/nettalk.data", UCI + "nettalk.data", _get_nettalk),
    "tidigits": Download(17, "FSDD/master.zip", FSDD, _get_fsdd),
    "n_mnist": Download(
        1180,
        "NMNIST/test.zip",
        "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
        "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
        _get_events("n_mnist"),
        True,
    ),
    "cifar10_dvs": Download(
        8000,
        "CIFAR10DVS/CIFAR10DVS.zip",
        "https://figshare.com/ndownloader/files/38023437",
        _get_events("cifar10_dvs"),
        True,
    ),
    "dvs128_gesture": Download(
        3200,
        "DVSGesture/ibmGestureTest.tar.gz",
        "https://figshare.com/ndownloader/files/38020584",
        _get_events("dvs128_gesture"),
        True,
    ),
}
ALIASES = {"fsdd": "tidigits"}
NO_DOWNLOAD = {
    "timit": "licensed, no official download; see data/README.md for where your copy or an open set goes",
    **{s.name: f"carried by a Python package: `{s.install}` brings it" for s in series.SETS},
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
    if not paths.DATA.is_dir():
        raise ValueError(
            f"the data root {paths.DATA} is no folder: make it, or correct SNN_DATA, which names it"
        )
    named = bool(wanted)
    wanted = list(dict.fromkeys(wanted)) or [name for name, d in DOWNLOADS.items() if d.megabytes <= BIG]
    waiting = f"Another fetch works in {paths.DATA}; waiting until it is done."
    with files.alone(paths.DATA, waiting, say):
        for left_over in paths.DATA.glob(".fetch-*"):  # of a fetch that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        return _fetch(wanted, named, say)


def _state(name: str, named: bool) -> str:
    """The source that the set would be read from. A small set that was asked for by name is read: some
    damage shows only then."""
    found = identify(name).split(":")[0]
    if named and found != "stand-in" and name in DOWNLOADS and DOWNLOADS[name].megabytes <= BIG:
        load(name, entry(name).papers[0])
    return found


def _fetch(wanted: list[str], named: bool, say) -> dict[str, bool]:
    outcome, missing = {}, {}  # missing: and what happens if it cannot be fetched
    for name in wanted:
        try:
            found = _state(name, named)
            outcome[name] = found != "stand-in"
            if not outcome[name] and name in NO_DOWNLOAD:
                say(f"{name}: {NO_DOWNLOAD[name]}")
            elif not outcome[name]:
                missing[name] = "the labelled stand-in will be used"
            elif named and found == "part" and name in DOWNLOADS and DOWNLOADS[name].completes:
                missing[name] = "what is there stays"
            else:
                say(f"{name}: already there ({found})")
        except (ValueError, OSError, ImportError) as problem:
            outcome[name] = False
            say(f"{name}: {problem}")
            if named and isinstance(problem, SourceError) and name in DOWNLOADS:
                missing[name] = "what is damaged there stays"
    answers = probe({name: source(DOWNLOADS[name].file, DOWNLOADS[name].url) for name in missing})
    if missing and all(answer.startswith("no ") for answer in answers.values()):
        mirror = os.environ.get("SNN_MIRROR")
        silent = f"The mirror {mirror} (SNN_MIRROR) does not" if mirror else "No network: the servers do not"
        say(f"{silent} answer; going on with packages and stand-ins.")
    for name, otherwise in missing.items():
        if answers[name]:
            say(f"{name}: not fetched ({answers[name]}); {otherwise}")
        else:
            outcome[name] = _fetch_one(name, otherwise, say) or outcome[name]
    return outcome


def _fetch_one(name: str, otherwise: str, say) -> bool:
    wanted = DOWNLOADS[name]
    started = time.perf_counter()
    try:
        # The archive, its content, and a little: checked first, because a full disk is found late.
        if shutil.disk_usage(paths.DATA).free < 3e6 * wanted.megabytes:
            raise OSError(f"{3 * wanted.megabytes:,} MB of free space are needed in {paths.DATA}")
        say(f"{name}: fetching about {wanted.megabytes:,} MB ...")
        with tempfile.TemporaryDirectory(dir=paths.DATA, prefix=".fetch-") as folder:
            checked = wanted.get(Path(folder))
            _move_into_place(Path(folder), paths.DATA)
    except Exception as problem:  # libraries raise anything; the offline path is always there
        reason = " ".join(str(problem).split()) or type(problem).__name__
        say(f"{name}: not fetched ({reason}); {otherwise}")
        return False
    say(f"{name}: fetched in {time.perf_counter() - started:.0f} s, {checked}")
    try:
        _state(name, named=True)
    except SourceError as problem:  # something else that lies there comes first, and is damaged
        say(f"{name}: {problem}")
        return False
    return True


def _move_into_place(folder: Path, root: Path) -> None:
    for path in sorted(folder.iterdir()):
        target = root / path.name
        if path.is_dir() and target.exists():
            _move_into_place(path, target)
        else:
            path.replace(target)
