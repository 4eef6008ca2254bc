"""Environment: the active Python is used if it fits; half a .venv or an old one is never taken for whole."""

from pathlib import Path

import pytest

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
def test_requirements_are_compared_as_numbers(requirement, problem):
    found = environment.problems([requirement])
    assert len(found) == bool(problem) and all(problem in text for text in found)


def test_this_python_has_everything_and_the_lock_names_all():
    needed = environment.requirements(environment.ROOT / "pyproject.toml")
    assert environment.problems(needed) == []
    lines = (environment.ROOT / "requirements.lock").read_text().splitlines()
    locked = {line.split("==")[0] for line in lines}
    assert all("==" in line and "/" not in line for line in lines)
    names = {requirement.split(">=")[0] for requirement in needed}
    assert names <= locked


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A root with a lock, where commands are only noted; one that was noted as "fail" makes pip fail."""
    (tmp_path / "requirements.lock").write_text("six==1.17.0\n")
    called = []

    def call(command, failure):
        called.append(" ".join(command))
        if "venv" in command[1:3]:
            python = tmp_path / ".venv" / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        if called[0] == "fail" and "requirements.lock" in called[-1]:
            raise SystemExit(failure)

    monkeypatch.setattr(environment, "_call", call)
    return tmp_path, called


def test_a_whole_venv_is_made_once_and_again_for_another_lock(place):
    root, called = place
    python = environment.make_venv(root)
    assert python == root / ".venv" / "bin" / "python" and len(called) == 5
    assert not (root / ".venv" / ".unfinished").exists()
    environment.make_venv(root)
    assert len(called) == 5
    (root / "requirements.lock").write_text("six==1.18.0\n")
    environment.make_venv(root)
    assert len(called) == 9  # the packages again, the virtual environment not


def test_an_interrupted_installation_is_not_whole(place, capsys):
    root, called = place
    called.append("fail")
    with pytest.raises(SystemExit, match="pip could not install"):
        environment.make_venv(root)
    assert not (root / ".venv" / ".complete").exists()
    called.clear()
    environment.make_venv(root)
    assert "half installed" in capsys.readouterr().out and "-m venv" in called[0]


def test_a_moved_venv_is_made_anew(place, capsys):
    root, called = place
    environment.make_venv(root)
    done = root / ".venv" / ".complete"
    done.write_text(done.read_text().replace(str(root), str(Path("/elsewhere"))))
    environment.make_venv(root)
    assert "made elsewhere" in capsys.readouterr().out and len(called) == 10


def test_a_linked_venv_is_left_alone(place, tmp_path):
    root, called = place
    other = tmp_path / "other"
    other.mkdir()
    (root / ".venv").symlink_to(other)
    with pytest.raises(SystemExit, match=r"\.venv is a link"):
        environment.make_venv(root)
    assert not called and other.exists()


def test_half_a_venv_that_is_active_is_not_removed_under_our_feet(place, monkeypatch):
    root, _ = place
    (root / ".venv").mkdir()
    (root / ".venv" / ".unfinished").touch()
    monkeypatch.setattr(environment.sys, "prefix", str(root / ".venv"))
    with pytest.raises(SystemExit, match="`deactivate` it first"):
        environment.make_venv(root)
    assert (root / ".venv").exists()
