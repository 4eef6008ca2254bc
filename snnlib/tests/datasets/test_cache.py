"""What is kept between runs is believed only where no one else could put it, and as it was put there."""

import errno
import os
import tempfile

import pytest
import torch

from snnlib import files, paths
from snnlib.datasets import cache

from .data_files import empty_root  # noqa: F401


def cached(made: list) -> dict:
    def make():
        made.append(1)
        return {"x": torch.arange(5000)}

    return cache.tensors({"what": "t"}, make)


def test_a_flipped_bit_is_noticed(root):
    made = []
    cached(made)
    (file,) = (root / "cache").glob("t-*.pt")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert torch.equal(cached(made)["x"], torch.arange(5000)) and len(made) == 2
    cached(made)
    assert len(made) == 2
    (file.with_name(file.name + ".sha256")).unlink()  # nothing says what the file should be
    assert torch.equal(cached(made)["x"], torch.arange(5000)) and len(made) == 3


def test_a_whole_file_outlives_a_failure_to_read_it(root, monkeypatch):
    def too_many(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    assert cache.store("a", lambda temporary: temporary.write_bytes(b"good"))
    assert cache.load("a", too_many) is None
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_digest", too_many)
        assert cache.load("a", lambda path: path.read_bytes()) is None
    assert cache.load("a", lambda path: path.read_bytes()) == b"good"


def test_without_a_place_in_the_data_root_the_private_folder_is_used(root, tmp_path):
    (root / "cache").write_text("in the way")
    made = []
    for _ in range(2):
        cached(made)
    assert len(made) == 1 and list((tmp_path / "user/snnlib").glob("t-*.pt"))


def test_the_private_folder_is_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    folder = files.private_folder()
    assert folder == tmp_path / "user/snnlib" and folder.stat().st_mode & 0o777 == 0o700
    assert files.private_folder() == folder
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="is not yours alone.*XDG_CACHE_HOME"):
        files.private_folder()
    folder.rmdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="is not yours alone"):
        files.private_folder()


def test_without_a_home_the_temporary_folder_has_the_private_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert files.private_folder() == tmp_path / f"snnlib-cache-{os.getuid()}"
    assert not (tmp_path / "relative").exists()


def test_a_folder_of_another_user_is_refused(root, tmp_path, monkeypatch):
    """Where neither the data root nor the home can be written, someone else may have made the folder in the
    temporary one: nothing of it is believed, and nothing fails."""
    (root / "cache").write_text("in the way")
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = files.private_folder()
    assert folder.parent == tmp_path
    made = []
    cached(made)
    (file,) = folder.glob("t-*.pt")
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    (tmp_path / f"snnlib-cache-{user + 1}").mkdir(mode=0o700)
    with pytest.raises(PermissionError, match="is not yours alone"):
        files.private_folder()
    with pytest.warns(UserWarning, match="nothing is cached"):
        cached(made)
    assert len(made) == 2


def test_a_change_with_size_and_time_kept_is_a_change(root):
    file = root / "a"
    file.write_bytes(b"1234")
    times = file.stat()
    before = cache.file_digest(file, "a file", "")
    file.write_bytes(b"1235")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns and cache.file_digest(file, "a file", "") != before


def test_what_is_gone_is_said_once_it_was_there(root, recwarn):
    cache.say_if_fewer("Clips", root, 3)
    cache.say_if_fewer("Clips", root, 5)
    assert not recwarn
    for count, whole in ((4, 0), (5, 6)):
        with pytest.warns(UserWarning, match=f"Clips: {count} of {max(5, whole)} recordings are left"):
            cache.say_if_fewer("Clips", root, count, whole)


def test_a_data_root_that_is_not_there_is_not_made(root, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "tpyo")
    cached([])
    assert not (tmp_path / "tpyo").exists()
