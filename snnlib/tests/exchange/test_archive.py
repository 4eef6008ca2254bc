"""Reports from the records, and archives that their own validators accept."""

import json

import pytest
import yaml

from snnlib import paths
from snnlib.exchange import __main__ as command
from snnlib.exchange import archive
from snnlib.runs import store


def test_the_summary_and_the_checklist_say_what_the_records_say():
    records = list(store.records().values())
    summary, checklist = archive._filled(records).split("\n---\n")
    assert f"{len(records)} recorded runs" in summary and "| at the paper's size | holds |" in summary
    for heading in ("Scope", "Method", "Results", "What was easy", "What was hard"):
        assert f"**{heading}.**" in summary
    assert [f"{n}. **" in checklist for n in range(1, 17)] == [True] * 16
    assert "{" not in summary + checklist and len(summary) < 5000  # one page


def test_codecheck_is_a_manifest_without_placeholders():
    text = archive.codecheck()
    assert text.split("\n")[1] == "---"
    draft = yaml.safe_load(text)
    assert len(draft["manifest"]) > 30 and {"file", "comment"} == draft["manifest"][0].keys()
    assert draft["version"].startswith("https://codecheck.org.uk/spec/config/")
    assert not {"codechecker", "certificate", "report"} & draft.keys()


def test_every_set_of_the_records_has_a_licence():
    known = archive.licences()
    assert known["MNIST"] and known["Free Spoken Digit Dataset"] == "CC BY-SA 4.0"
    for passport in archive._passports(list(store.records().values())):
        named = any(passport.dataset.startswith(name) for name in known)
        assert named or passport.source == "stand-in", passport.dataset


def test_without_the_packages_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "rocrate", None)
    assert command.main(["archive", "--to", str(tmp_path / "a")]) == 2
    assert "needs the package rocrate: `pip install" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_croissant_and_crate_pass_their_validators(tmp_path, monkeypatch):
    pytest.importorskip("rocrate")
    pytest.importorskip("rocrate_validator")
    pytest.importorskip("mlcroissant")
    said = archive.write(tmp_path / "a")
    assert sum("valid Croissant" in words for words in said) > 10 and said[-1].endswith(
        "valid Process Run Crate"
    )
    content = json.loads((tmp_path / "a" / "ro-crate-metadata.json").read_text())
    kinds = {entity["@id"]: entity["@type"] for entity in content["@graph"]}
    assert kinds["#make-all"] == "CreateAction" and kinds["reference_runs/"] == "Dataset"
    lines = len((paths.REFERENCE_RUNS / "SHA256SUMS").read_text().splitlines())
    assert len((tmp_path / "a" / "reference_runs" / "SHA256SUMS").read_text().splitlines()) == lines
    content["@graph"] = [
        e for e in content["@graph"] if e["@id"] != "#companion"
    ]  # an action without its tool
    (tmp_path / "a" / "ro-crate-metadata.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is no Process Run Crate"):
        archive.validated_crate(tmp_path / "a")
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"@context": {}, "@type": "sc:Dataset"}')
    with pytest.raises(ValueError, match="is no valid Croissant file"):
        archive.validated_croissant(wrong)
