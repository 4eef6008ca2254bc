"""Environment: the active Python is used if it fits; half a .venv or an old one is never taken for whole."""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from snnlib import paths
from snnlib.chapters import environment


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("numpy>=1.0", ""),
        ("numpy", ""),
        ("numpy>=1.0,<999", ""),
        ("numpy>=999.1", "is not >=999.1"),
        ("numpy<1.0", "is not <1.0"),
        ("no-such-package>=1", "no-such-package is missing"),
    ],
)
def test_a_requirement_that_is_not_met_is_named(requirement, problem, tmp_path):
    project = (
        f'dependencies = ["pytest"]\noptional-dependencies = {{ companion = ["{requirement}"], dev = [] }}'
    )
    (tmp_path / "pyproject.toml").write_text(f"[project]\n{project}")
    found = environment.lacking(tmp_path)
    assert bool(found) == bool(problem) and found.endswith(problem)


def test_a_bare_python_lacks_something(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert environment.lacking(paths.ROOT) == "packaging is missing"


def test_this_python_has_everything_and_the_lock_names_all():
    assert environment.lacking(paths.ROOT) == ""
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    lines = (paths.ROOT / "requirements.lock").read_text().splitlines()
    assert all("==" in line and "/" not in line for line in lines)
    extras = project["optional-dependencies"]
    needed = project["dependencies"] + extras["companion"] + extras["dev"]
    assert {text.split(">=")[0] for text in needed} | {"packaging"} <= {line.split("==")[0] for line in lines}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A root with a lock, where commands are only noted; one that was noted as "fail" makes pip fail."""
    (tmp_path / "requirements.lock").write_text("six==1.17.0\n")
    called = []

    def call(failure, *command):
        called.append(" ".join(map(str, command)))
        if "venv" in command:
            python = tmp_path / ".venv" / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        if called[0] == "fail" and "requirements.lock" in called[-1]:
            raise SystemExit(failure)

    monkeypatch.setattr(environment, "_call", call)
    return tmp_path, called


def test_a_whole_venv_is_made_once_and_again_for_another_lock(place):
    root, called = place
    python = environment.make_venv(root, "")
    assert python == root / ".venv" / "bin" / "python" and len(called) == 4
    environment.make_venv(root, "")
    assert len(called) == 4
    (root / "requirements.lock").write_text("six==1.18.0\n")
    environment.make_venv(root, "")
    assert len(called) == 7  # the packages again, the virtual environment not


def test_an_interrupted_installation_is_not_whole(place, capsys):
    root, called = place
    called.append("fail")
    with pytest.raises(SystemExit, match="pip could not install"):
        environment.make_venv(root, "")
    called.clear()
    environment.make_venv(root, "")
    assert "half installed" in capsys.readouterr().out and "-m venv" in called[0]


def test_a_moved_venv_is_made_anew(place, capsys):
    root, called = place
    environment.make_venv(root, "")
    mark = root / ".venv" / ".complete"
    mark.write_text(mark.read_text().replace(str(root), str(Path("/elsewhere"))))
    environment.make_venv(root, "")
    assert "made elsewhere" in capsys.readouterr().out and len(called) == 8


def test_a_venv_of_the_users_own_is_completed_in_its_place(place):
    root, called = place
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("theirs")
    environment.make_venv(root, "")
    assert python.read_text() == "theirs" and "pip install" in called[0]


def test_a_linked_venv_is_left_alone(place, tmp_path):
    root, called = place
    other = tmp_path / "other"
    other.mkdir()
    (root / ".venv").symlink_to(other)
    with pytest.raises(SystemExit, match=r"\.venv is a link"):
        environment.make_venv(root, "")
    assert not called and other.exists()


def test_half_a_venv_that_is_active_is_not_removed_under_our_feet(place, monkeypatch):
    root, _ = place
    (root / ".venv").mkdir()
    (root / ".venv" / ".complete").write_text("unfinished\n")
    monkeypatch.setattr(environment.sys, "prefix", str(root / ".venv"))
    with pytest.raises(SystemExit, match="`deactivate` it first"):
        environment.make_venv(root, "")
    assert (root / ".venv").exists()


def test_a_second_call_waits_for_the_first_and_says_so(tmp_path):
    (tmp_path / "requirements.lock").touch()
    project = "[project]\ndependencies = []\noptional-dependencies = { companion = [], dev = [] }"
    (tmp_path / "pyproject.toml").write_text(project)
    code = "import sys, pathlib, snnlib.chapters.environment as e; e.main(pathlib.Path(sys.argv[1]))"
    with (tmp_path / "requirements.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-c", code, str(tmp_path)]
        second = subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True)
        assert "another `make env` is at work here" in second.stdout.readline()
        assert not (tmp_path / ".python-path").exists()
    assert second.wait(60) == 0 and "has everything" in second.stdout.read()
    assert (tmp_path / ".python-path").read_text() == f"{sys.executable}\n"


def test_make_takes_every_path_as_it_is(tmp_path):
    """What looks like a command in the path of the checkout or in PYTHONPATH is not run."""
    root = tmp_path / "a$(touch MARK)$(shell touch MARK)`touch MARK`{x} [y]'\""
    (root / "snnlib" / "chapters").mkdir(parents=True)
    (root / "notebooks" / "profiles").mkdir(parents=True)
    (root / "notebooks" / "profiles" / "recorded.yaml").touch()
    (root / "requirements.lock").touch()
    project = "[project]\ndependencies = []\noptional-dependencies = { companion = [], dev = [] }"
    (root / "pyproject.toml").write_text(project)
    shutil.copy(paths.ROOT / "Makefile", root)
    shutil.copy(environment.__file__, root / "snnlib" / "chapters")
    (root / "snnlib" / "chapters" / "__main__.py").write_text("import os; print(os.environ['PYTHONPATH'])")
    variables = os.environ | {
        "PYTHONPATH": "/b$(shell touch MARK)",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):  # this may be a test that make runs
        variables.pop(name, None)
    for target in ("help", "plan"):
        said = subprocess.run(["make", target], cwd=root, env=variables, capture_output=True, text=True)
        assert said.returncode == 0 and not said.stderr, said.stderr
    assert said.stdout.splitlines()[-1] == f"{root}:/b$(shell touch MARK)"
    assert not list(tmp_path.rglob("MARK"))


def make(root, *words):
    """What make says in a folder that has the Makefile and empty profiles alone."""
    (root / "notebooks" / "profiles").mkdir(parents=True, exist_ok=True)
    for name in ("recorded", "quick"):
        (root / "notebooks" / "profiles" / f"{name}.yaml").touch()
    shutil.copy(paths.ROOT / "Makefile", root)
    ours = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "PROFILE", "TRAIN")  # this may be a test that make runs
    variables = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(["make", *words], cwd=root, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize("more", ["PROFILE=quick", "TRAIN=1"])
def test_make_read_that_would_train_is_refused(tmp_path, more):
    assert "make read draws what is recorded" in make(tmp_path, "-n", "read", more).stderr
    assert "make read draws" not in make(tmp_path, "-n", "all", more).stderr
    assert "make read draws" not in make(tmp_path, "-n", "read").stderr


def test_make_clean_removes_every_result(tmp_path):
    for name in ("smoke", "quick", "bench", "site", "archive", "exchange", "recorded/runs"):
        (tmp_path / "results" / name).mkdir(parents=True)
    (tmp_path / "results" / "recorded" / "runs" / "a.json").touch()
    assert "kept results/recorded" in make(tmp_path, "clean").stdout
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["recorded"]


def test_a_path_with_a_colon_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="search paths are split at ':'; move /somewhere/a:b"):
        environment.main(Path("/somewhere/a:b"))
