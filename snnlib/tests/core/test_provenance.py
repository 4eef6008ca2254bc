"""The commit behind a result, with git and without."""

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
