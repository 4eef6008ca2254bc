"""Find or make the Python that everything runs in: what `make env` calls.

The active Python is used when it has every dependency of pyproject.toml in its range, otherwise .venv with
what requirements.lock asks for. The choice goes to .python-path, which the Makefile reads.
This file runs before anything is installed: standard library only.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

PROOF = "import torch, torchvision, tonic, librosa, sklearn, papermill, nbval, pytest"


def lacking(root: Path) -> str:
    """What keeps this Python from meeting root/pyproject.toml, in a few words; "" when it has everything."""
    try:
        from packaging.requirements import Requirement  # a Python with everything has it, by matplotlib
    except ImportError:
        return "packaging is missing"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for wanted in map(Requirement, project["dependencies"] + extras["companion"] + extras["dev"]):
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            return f"{wanted.name} is missing"
        if not wanted.specifier.contains(version, prereleases=True):
            return f"{wanted.name} {version} is not {wanted.specifier}"
    return ""


def make_venv(root: Path, why: str) -> Path:
    """The interpreter of root/.venv: made, brought up to the lock or, if half made or moved, made afresh."""
    venv, lock = root / ".venv", root / "requirements.lock"
    python, mark = venv / "bin" / "python", venv / ".complete"
    whole, made = f"{root}\n{lock.read_text()}", mark.read_text() if mark.exists() else ""
    if made == whole and python.exists():
        return python
    if venv.is_symlink():
        raise SystemExit("make env: .venv is a link to another place; remove it or activate its target.")
    print(f"make env: {why}; installing requirements.lock into .venv (minutes the first time)", flush=True)
    if made and not made.startswith(f"{root}\n"):
        if Path(sys.prefix).resolve() == venv.resolve():
            raise SystemExit("make env: .venv is half installed or moved, and active; `deactivate` it first.")
        print("make env: .venv is half installed or was made elsewhere; starting it afresh", flush=True)
        shutil.rmtree(venv)
    missing = not python.exists()
    venv.mkdir(exist_ok=True)
    mark.write_text("unfinished\n")  # before anything else: half a .venv must never look like a whole one
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]  # the lock is complete
    pip += [] if sys.stdout.isatty() else ["--quiet"]  # a terminal gets pip's progress bars, a log does not
    if missing:
        no_venv = "Python could not make .venv (see above); Debian has what it takes in python3-venv."
        _call(no_venv, sys.executable, "-m", "venv", venv)
    no_packages = "pip could not install requirements.lock (see above). Check the network, the free disk"
    no_packages += " space (8 GB on Linux) and, if .venv is your own, that its Python is 3.11 or newer."
    _call(no_packages, *pip, "-r", lock)
    _call("pip could not install snnlib (see above).", *pip, "--no-build-isolation", "-e", root)
    _call("the packages do not import (see above); remove .venv and try again.", python, "-c", PROOF)
    mark.write_text(whole)
    return python


def _call(failure, *command):
    """Run a command; on failure end with one sentence."""
    if subprocess.run(command).returncode:
        raise SystemExit(f"make env: {failure}")


def main(root: Path) -> None:
    """Choose, remember, say so when the choice is new; one at a time."""
    if os.pathsep in str(root):
        raise SystemExit(f"make env: Python's search paths are split at {os.pathsep!r}; move {root}.")
    with (root / "requirements.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("make env: another `make env` is at work here; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lack = lacking(root)
        has = f"lacks something ({lack})" if lack else "has everything"
        why = f"the active Python ({sys.executable}) {has}"
        python = make_venv(root, why) if lack else Path(sys.executable)
        remembered = root / ".python-path"
        if not remembered.exists() or remembered.read_text() != f"{python}\n":
            unfinished = root / ".python-path.new"  # for make, which reads without the lock
            unfinished.write_text(f"{python}\n")
            unfinished.replace(remembered)
            print(f"make env: {'.venv has what requirements.lock asks for' if lack else why}")


if __name__ == "__main__":
    try:
        main(Path(__file__).resolve().parents[2])
    except OSError as error:
        raise SystemExit(f"make env: {error}; this folder must be whole and writable for you.") from None
    except KeyboardInterrupt:
        raise SystemExit("\nmake env: interrupted; the next call starts the installation afresh") from None
