"""Reports from the records, and archives that their own validators accept."""

import json

import pytest
import yaml

from snnlib import paths
from snnlib.exchange import __main__ as command
from snnlib.exchange import archive
from snnlib.provenance import Passport
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
        assert archive.licence(passport), passport.dataset


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("MNIST-1D", "Apache-2.0"),
        ("MNIST", "none stated; usually cited as CC BY-SA 3.0"),
        ("Handwritten digits (scikit-learn), stand-in for MNIST", "CC BY 4.0 (UCI"),
        ("Rendered coloured shapes, stand-in for CIFAR-10", "MIT (this project)"),
        (
            "Simulated event camera over CIFAR-10, re-encoded copy, stand-in for CIFAR10-DVS",
            "none stated; fr",
        ),
        (
            "Simulated event camera over Handwritten digits (scikit-learn), stand-in for N-MNIST",
            "CC BY 4.0 (",
        ),
        ("Nobody's set", ""),
    ],
)
def test_a_licence_is_that_of_the_data_and_not_of_a_name_like_theirs(dataset, words):
    found = archive.licence(Passport(dataset, "stand-in" if "stand-in" in dataset else "official"))
    assert found.startswith(words) and bool(found) == bool(words)


def test_only_an_archive_of_ours_is_replaced_and_only_by_a_whole_one(tmp_path, monkeypatch):
    def refused(to):
        to.mkdir()
        (to / "half").write_text("")
        raise ValueError("no archive")

    def written(to):
        to.mkdir()
        (to / "whole").write_text("")
        return [f"{to}: written"]

    monkeypatch.setattr(archive, "needed", lambda package: None)
    monkeypatch.setattr(archive, "_write", written)
    to, mark = tmp_path / "a", tmp_path / "a" / "ro-crate-metadata.json"
    to.mkdir()
    (to / "thesis.tex").write_text("mine")
    for words in (None, "{}"):  # another's crate is none of ours
        if words:
            mark.write_text(words)
        with pytest.raises(ValueError, match="a holds something else than an archive of ours; name a new"):
            archive.write(to)
    with pytest.raises(ValueError, match="thesis.tex holds something else"):
        archive.write(to / "thesis.tex")
    mark.write_text(json.dumps({"name": archive.NAME}))
    monkeypatch.setattr(archive, "_write", refused)
    with pytest.raises(ValueError, match="no archive"):
        archive.write(to)
    assert (to / "thesis.tex").read_text() == "mine" and list(tmp_path.iterdir()) == [to]
    monkeypatch.setattr(archive, "_write", written)
    assert archive.write(to) == [f"{to}: written"] and list(to.iterdir()) == [to / "whole"]
    assert archive.write(tmp_path / "b" / "c") and list((tmp_path / "b").iterdir()) == [tmp_path / "b" / "c"]


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
