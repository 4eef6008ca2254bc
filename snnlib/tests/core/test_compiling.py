"""The cache of compiled kernels: broken files cost a compilation, and nobody else can fill it."""

import errno
from pathlib import Path

import numba
import pytest
from numba.core import caching

from snnlib import files
from snnlib.kernels import compiling


def double(x):
    return 2 * x


def hits():
    """How often a process that comes now finds ``double`` compiled."""
    kernel = compiling.kernel(double)
    assert kernel(3) == 6
    return sum(kernel.stats.cache_hits.values())


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_a_file_that_was_cut_off_is_compiled_again(suffix, share, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "_folder", lambda: str(tmp_path))
    assert (hits(), hits()) == (0, 1)
    (file,) = tmp_path.rglob(f"*.{suffix}")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    assert (hits(), hits()) == (0, 1)


def test_a_full_disk_costs_the_cache_and_nothing_else(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiling, "_folder", lambda: str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert (hits(), hits()) == (0, 0)


def test_a_folder_that_cannot_be_written_is_replaced_by_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    folder = Path(compiling._folder.__wrapped__())
    assert folder.parent == files.private_folder() == tmp_path / "home" / "snnlib"
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    folder.parent.chmod(0o777)
    with pytest.raises(OSError, match="not yours alone"):
        compiling._folder.__wrapped__()
