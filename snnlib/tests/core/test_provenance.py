"""The commit behind a result, with git and without."""

import subprocess

from snnlib import paths, provenance


def test_outside_a_checkout_a_variable_names_the_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    provenance.commit.cache_clear()
    try:
        assert provenance.commit() == "unknown"
        provenance.commit.cache_clear()
        monkeypatch.setenv("SNN_COMMIT", "0123456789ab")
        assert provenance.commit() == "0123456789ab"
    finally:
        provenance.commit.cache_clear()


def test_a_repository_around_the_copy_is_not_its_own(tmp_path, monkeypatch):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    git = ["git", "-C", str(tmp_path), *who]
    for words in (["init", "-q"], ["commit", "-q", "--no-verify", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "copy").mkdir()
    monkeypatch.setenv("SNN_COMMIT", "0123456789ab")
    provenance.commit.cache_clear()
    try:
        monkeypatch.setattr(paths, "ROOT", tmp_path / "copy")
        assert provenance.commit() == "0123456789ab"
        provenance.commit.cache_clear()
        monkeypatch.setattr(paths, "ROOT", tmp_path)
        assert len(provenance.commit()) == 12 and provenance.commit() != "0123456789ab"
    finally:
        provenance.commit.cache_clear()
