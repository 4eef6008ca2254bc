"""Find or make the Python that everything runs in: what `make env` calls.

The active Python is used when it has every dependency of pyproject.toml in its range, otherwise .venv with
what requirements.lock asks for. The choice goes to .python-path, which the Makefile reads.
With --read, for what only reads records, a Python without torch that has the group `read` of pyproject.toml
is enough, and with --make-read one is made: .venv-read, with what requirements-read.lock asks for.
This file runs before anything is installed: standard library only.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

PROOF = {
    "": "import torch, torchvision, tonic, librosa, sklearn, papermill, nbval, pytest",
    "-read": "import pandas, sklearn, matplotlib, papermill, ipykernel",
}
SPACE = {"": "8 GB on Linux", "-read": "1 GB"}


def lacking(root: Path, kind: str = "") -> str:
    """What keeps this Python from meeting root/pyproject.toml, in a few words; "" when it has everything.
    With ``kind`` "-read" only what the group `read` names is asked for, in the ranges that hold for all.
    """
    tables = tomllib.loads((root / "pyproject.toml").read_text())
    extras = tables["project"]["optional-dependencies"]
    try:
        found = list(unmet(tables["project"]["dependencies"] + extras["companion"] + extras["dev"]))
    except ImportError:  # a Python with everything has it, by matplotlib
        return "packaging is missing"
    for wanted, version in found:
        if not kind or wanted.name in tables["dependency-groups"]["read"]:
            return f"{wanted.name} " + (f"{version} is not {wanted.specifier}" if version else "is missing")
    return ""


def unmet(requirements):
    """Those of the requirements that this Python does not meet, each with the version that is here, or ""."""
    from packaging.requirements import Requirement

    for wanted in map(Requirement, requirements):
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            version = ""
        if not version or not wanted.specifier.contains(version, prereleases=True):
            yield wanted, version


def _made(root: Path, kind: str = "") -> Path | None:
    """The interpreter of root/.venv (or .venv-read), if it is whole and has what the lock asks for."""
    venv = root / f".venv{kind}"
    python, mark = venv / "bin" / "python", venv / ".complete"
    whole = f"{root}\n{(root / f'requirements{kind}.lock').read_text()}"
    return python if python.exists() and mark.exists() and mark.read_text() == whole else None


def make_venv(root: Path, why: str, kind: str = "") -> Path:
    """The interpreter of root/.venv: made, brought up to the lock or, if half made or moved, made afresh."""
    venv, lock = root / f".venv{kind}", root / f"requirements{kind}.lock"
    python, mark = venv / "bin" / "python", venv / ".complete"
    whole, made = f"{root}\n{lock.read_text()}", mark.read_text() if mark.exists() else ""
    if there := _made(root, kind):
        return there
    if venv.is_symlink():
        raise SystemExit(
            f"make env: {venv.name} is a link to another place; remove it or activate its target."
        )
    print(f"make env: {why}; installing {lock.name} into {venv.name} (minutes the first time)", flush=True)
    if made and not made.startswith(f"{root}\n"):
        if Path(sys.prefix).resolve() == venv.resolve():
            raise SystemExit(
                f"make env: {venv.name} is half installed or moved, and active; `deactivate` it first."
            )
        print(
            f"make env: {venv.name} is half installed or was made elsewhere; starting it afresh", flush=True
        )
        shutil.rmtree(venv)
    missing = not python.exists()
    venv.mkdir(exist_ok=True)
    mark.write_text("unfinished\n")  # before anything else: half a .venv must never look like a whole one
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]  # the lock is complete
    pip += [] if sys.stdout.isatty() else ["--quiet"]  # a terminal gets pip's progress bars, a log does not
    if missing:
        no_venv = f"Python could not make {venv.name} (see above); Debian has what it takes in python3-venv."
        _call(no_venv, sys.executable, "-m", "venv", venv)
    no_packages = f"pip could not install {lock.name} (see above). Check the network, the free disk"
    no_packages += (
        f" space ({SPACE[kind]}) and, if {venv.name} is your own, that its Python is 3.11 or newer."
    )
    _call(no_packages, *pip, "-r", lock)
    _call("pip could not install snnlib (see above).", *pip, "--no-build-isolation", "-e", root)
    _call(
        f"the packages do not import (see above); remove {venv.name} and try again.",
        python,
        "-c",
        PROOF[kind],
    )
    mark.write_text(whole)
    return python


def _call(failure, *command):
    """Run a command; on failure end with one sentence."""
    if subprocess.run(command).returncode:
        raise SystemExit(f"make env: {failure}")


def _choose(root: Path, read: str) -> tuple[Path, str]:
    """The Python to use, and why. ``read``: "" where torch is needed, "--read" or "--make-read"."""
    lack = lacking(root)
    has = f"lacks something ({lack})" if lack else "has everything"
    why = f"the active Python ({sys.executable}) {has}"
    if not lack:
        return Path(sys.executable), why
    if read and not _made(root):
        without = "what reads records is drawn without PyTorch; `make env` installs everything"
        if not importlib.util.find_spec("torch") and not lacking(root, "-read"):
            return Path(sys.executable), f"{why}: {without}"
        if _made(root, "-read") or read == "--make-read":
            return make_venv(root, why, "-read"), f".venv-read is used: {without}"
    return make_venv(root, why), ".venv has what requirements.lock asks for"


def main(root: Path, read: str = "") -> None:
    """Choose, remember, say so when the choice is new; one at a time."""
    if os.pathsep in str(root):
        raise SystemExit(f"make env: Python's search paths are split at {os.pathsep!r}; move {root}.")
    with (root / "requirements.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("make env: another `make env` is at work here; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        python, why = _choose(root, read)
        remembered = root / ".python-path"
        if not remembered.exists() or remembered.read_text() != f"{python}\n":
            unfinished = root / ".python-path.new"  # for make, which reads without the lock
            unfinished.write_text(f"{python}\n")
            unfinished.replace(remembered)
            print(f"make env: {why}")


if __name__ == "__main__":
    try:
        main(Path(__file__).resolve().parents[2], *sys.argv[1:])
    except OSError as error:
        raise SystemExit(f"make env: {error}; this folder must be whole and writable for you.") from None
    except KeyboardInterrupt:
        raise SystemExit("\nmake env: interrupted; the next call starts the installation afresh") from None
