"""Files: whole or not there, with the umask's rights, leftovers of the dead removed, changes noticed."""

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest
import torch

from snnlib import files


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        written = files.write_text(tmp_path / "new" / "a.txt", "text")
    finally:
        os.umask(before)
    assert written.read_text() == "text" and stat.S_IMODE(written.stat().st_mode) == mode


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: seen.append((tmp_path / "a.txt").exists()))
    files.write_text(tmp_path / "a.txt", "text")
    assert seen == [False, True]  # the file, then the folder


def test_leftovers_of_the_dead_are_swept_and_nobody_elses(tmp_path):
    code = (
        "import os, pathlib, sys; from snnlib import files\n"
        "def stop(path): path.write_text('half'); os.kill(os.getpid(), 9)\n"
        "files.write_atomically(pathlib.Path(sys.argv[1]), stop)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "old.ipynb"])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["half"]
    (tmp_path / ".gitignore").write_text("*")

    def while_another_writes(temporary):
        temporary.write_text("mine")
        thread = threading.Thread(target=files.write_text, args=(tmp_path / "other.txt", "other"))
        thread.start()
        thread.join()
        assert temporary.exists()

    files.write_atomically(tmp_path / "a.txt", while_another_writes)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "a.txt", "other.txt"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "must be writable"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "must be writable"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_and_nothing_is_left(tmp_path, number, remedy):
    def refuse(temporary):
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=f"a.txt cannot be written .*{remedy}"):
        files.write_atomically(tmp_path / "a.txt", refuse)
    assert not list(tmp_path.iterdir())


def test_a_file_in_a_folders_place_is_named(tmp_path):
    (tmp_path / "results").write_text("")
    for place in ("results/a.txt", "results/quick/a.txt"):
        with pytest.raises(OSError, match="a file is where a folder belongs; move it away"):
            files.write_text(tmp_path / place, "text")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match="a.txt cannot be written .*a folder is where a file belongs"):
        files.write_text(tmp_path / "a.txt", "text")
    with (
        pytest.raises(OSError, match="a file is where a folder belongs"),
        files.alone(tmp_path / "results", ""),
    ):
        pass


def test_a_full_disk_is_no_riddle_of_torch(tmp_path):
    """torch's own writer says "unexpected pos" of it."""
    code = (
        "import pathlib, resource, signal, sys, torch; from snnlib import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: files.write_sealed(pathlib.Path(sys.argv[1]), {'x': torch.zeros(5000)})\n"
        "except OSError as error: print(error)"
    )
    command = [sys.executable, "-c", code, tmp_path / "a.ckpt"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert "a.ckpt cannot be written (File too large): free some space" in said
    assert not list(tmp_path.iterdir())


def test_one_at_a_time_and_the_second_says_that_it_waits(tmp_path, capsys):
    order, inside = [], threading.Event()

    def second():
        inside.wait()
        with files.alone(tmp_path, "waiting"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with files.alone(tmp_path, "never said"):
        inside.set()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"] and capsys.readouterr().out == "waiting\n"


def test_a_sealed_file_is_taken_only_as_it_was_written_and_under_its_name(tmp_path):
    path = files.write_sealed(tmp_path / "a.pt", {"x": torch.arange(5)})
    whole = path.read_bytes()
    assert files.read_sealed(path) == files.serialised({"x": torch.arange(5)})
    wrong = [whole[:size] for size in (0, 10, 64, len(whole) // 2, len(whole) - 1)] + [b"\n" + whole]
    wrong += [bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]) for at in range(0, len(whole), 37)]
    (tmp_path / "b.pt").write_bytes(whole)
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="its digest is not"):
            files.read_sealed(path)
    with pytest.raises(ValueError, match="its digest is not"):
        files.read_sealed(tmp_path / "b.pt")
