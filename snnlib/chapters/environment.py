"""Find or make the Python that everything runs in: what `make env` calls.

The active python3 is used when it already has every dependency of pyproject.toml in its range; otherwise
.venv is made from requirements.lock. The choice is written to .python-path, which the Makefile reads. A
finished .venv holds a stamp (its path and the hash of the lock), an unfinished one a marker.
This file runs before anything is installed: standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)
PROOF = "import torch, torchvision, tonic, librosa, sklearn, papermill, nbval, pytest"


def requirements(pyproject):
    """Lines such as "torch>=2.11" of the core, of the companion and of its dev extra."""
    import tomllib

    project = tomllib.loads(pyproject.read_text())["project"]
    extras = project["optional-dependencies"]
    return project["dependencies"] + extras["companion"] + extras["dev"]


def _numbers(version):
    return tuple(int(part) for part in re.match(r"\d+(\.\d+)*", version).group().split("."))


def _problem(requirement):
    """What keeps this Python from meeting "name>=1.2,<3", in a few words; "" when it does."""
    name, ranges = re.match(r"([\w.-]+)(.*)", requirement).groups()
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    for operator, bound in re.findall(r"(>=|<)\s*([\d.]+)", ranges):
        if (_numbers(version) >= _numbers(bound)) != (operator == ">="):
            return f"{name} {version} is not {operator}{bound}"
    return ""


def problems(needed):
    """The unmet ones among `needed`, each in a few words."""
    return [text for text in map(_problem, needed) if text]


def stamp(root):
    """What a finished .venv is marked with: where it is (it cannot be moved), and the hash of its lock."""
    return f"{root}\n{hashlib.sha256((root / 'requirements.lock').read_bytes()).hexdigest()}\n"


def _call(command, failure):
    """Run a command; on failure end with one sentence."""
    if subprocess.run(command).returncode:
        raise SystemExit(f"make env: {failure}")


def make_venv(root):
    """Make or complete root/.venv and return its interpreter. Half a .venv, or a moved one, is replaced."""
    venv = root / ".venv"
    python, done, unfinished = venv / "bin" / "python", venv / ".complete", venv / ".unfinished"
    if done.exists() and done.read_text() == stamp(root) and python.exists():
        return python
    if venv.is_symlink():
        raise SystemExit("make env: .venv is a link to another place; remove it or activate its target.")
    moved = done.exists() and done.read_text().splitlines()[:1] != [str(root)]
    if unfinished.exists() or moved:
        if Path(sys.prefix).resolve() == venv.resolve():
            raise SystemExit("make env: .venv is half installed or moved, and active; `deactivate` it first.")
        print(f"make env: .venv {'was made elsewhere' if moved else 'is half installed'}; starting it afresh")
        shutil.rmtree(venv)
    done.unlink(missing_ok=True)
    if not python.exists():
        venv.mkdir(exist_ok=True)
        unfinished.touch()  # before anything else: half a .venv must never look like a whole one
        _call(
            [sys.executable, "-m", "venv", str(venv)],
            "python3 could not make a virtual environment (see above); Debian has it in python3-venv.",
        )
    unfinished.touch()
    _call(
        [str(python), "-c", f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"],
        "the .venv that is there has no pip or a Python older than 3.11; remove it and run this again.",
    )
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    pip += [] if sys.stdout.isatty() else ["--quiet"]  # a terminal gets pip's progress bars, a log does not
    _call(
        [*pip, "--no-deps", "-r", str(root / "requirements.lock")],  # the lock is complete
        "pip could not install requirements.lock (see above). Check the network and the free disk space "
        "(8 GB on Linux), then run it again.",
    )
    _call(
        [*pip, "--no-deps", "--no-build-isolation", "-e", str(root)],
        "pip could not install snnlib (see above).",
    )
    _call(
        [str(python), "-c", PROOF],
        "the installed packages do not import (see above); remove .venv and try again.",
    )
    done.write_text(stamp(root))
    unfinished.unlink()
    return python


def choose(root):
    """The interpreter to use, and a sentence that says which and why."""
    unmet = problems(requirements(root / "pyproject.toml"))
    if not unmet:
        return Path(sys.executable), f"the active Python ({sys.executable}) has everything"
    why = unmet[0] + (f" and {len(unmet) - 1} more" if len(unmet) > 1 else "")
    done = root / ".venv" / ".complete"
    if not (done.exists() and done.read_text() == stamp(root)):
        print(
            f"make env: the active Python lacks something ({why}); installing requirements.lock into .venv "
            "(several minutes the first time)",
            flush=True,
        )
    return make_venv(root), ".venv has what requirements.lock asks for"


def main():
    """Choose, remember, say so when the choice is new."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(
            f"make env: Python 3.11 or newer is needed and python3 is {version}; install a newer one "
            "(or `conda env create -f environment.yml`) and put it on the PATH."
        )
    python, sentence = choose(ROOT)
    remembered = ROOT / ".python-path"
    if not remembered.exists() or remembered.read_text() != f"{python}\n":
        temporary = remembered.with_suffix(".new")
        temporary.write_text(f"{python}\n")
        os.replace(temporary, remembered)
        print(f"make env: {sentence}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\nmake env: interrupted; the next call starts the installation afresh") from None
