"""A command that is stopped says so in a line, even while it imports."""

import os
import subprocess
import sys

import pytest

from snnlib import paths

ROOMS = sorted(path.parent.name for path in (paths.ROOT / "snnlib").glob("*/__main__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_stopped_while_it_imports_a_command_says_one_line(room, tmp_path):
    for name in ("torch", "numpy", "pandas"):  # whichever comes first stands for the slow imports
        (tmp_path / f"{name}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}"}
    command = [sys.executable, "-m", f"snnlib.{room}", "list"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode not in (0, 2) and done.stderr.split() == ["Interrupted."]


def test_a_program_that_imports_the_library_keeps_its_own_way(tmp_path):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("import snnlib")  # while Python looks for __main__
    code = "import signal, sys; print(sys.excepthook is sys.__excepthook__, signal.getsignal(15).name)"
    (tmp_path / "program" / "__main__.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}"}
    command = [sys.executable, "-m", "program"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "SIG_DFL"]
