"""Reports and archives that reviewers know, from the records: ``python -m snnlib.exchange archive``.

A summary of one page, the answers to the NeurIPS checklist, a draft of codecheck.yml, Croissant metadata for
each data set behind the records, and all of it with records and results as an RO-Crate (profile Process Run
Crate). rocrate, roc-validator and mlcroissant write and check the last two.
"""

import json
import logging
import re
import tempfile
from pathlib import Path
from unittest import mock

import pandas as pd
import yaml

from snnlib import claims, datasets, files, paths
from snnlib.datasets import events, registry
from snnlib.exchange import needed
from snnlib.provenance import Passport
from snnlib.results import ledger
from snnlib.runs import store

TITLE = "Companion to two papers on spiking neural networks (MDN, arXiv:2010.03140; PLIF, ICCV 2021)"
NAME = "SNN paper companion"
PAPERS = ("mdn", "plif")
WORDS = Path(__file__).with_name("archive.md")
"""What a person wrote: the summary and the checklist, with {names} for what the records say."""


def write(to: Path) -> list[str]:
    """Write everything as the folder ``to``, validate it, and return a sentence for each archive and what its
    validator said of it. ValueError if ``to`` is there and neither empty nor an earlier archive, if a
    validator refuses one, and without the packages: what was in ``to`` then stays as it is.
    """
    needed("rocrate"), needed("rocrate_validator"), needed("mlcroissant")
    place, mark = to.resolve(), to / "ro-crate-metadata.json"
    ours = mark.is_file() and NAME in mark.read_text(encoding="utf-8", errors="replace")
    if place.exists() and not ours and (place.is_file() or any(place.iterdir())):
        raise ValueError(f"{to} holds something else than an archive of ours; name a new or empty folder.")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-") as beside:
        new = Path(beside) / "new"
        said = _write(new)
        if place.exists():
            place.rename(Path(beside) / "old")  # which goes with the temporary folder
        new.rename(place)
    return [words.replace(str(new), str(to)) for words in said]


def _write(to: Path) -> list[str]:
    records = list(store.records().values())
    summary, checklist = (part.strip() for part in _filled(records).split("\n---\n"))
    files.write_text(to / "SUMMARY.md", summary + "\n")
    files.write_text(to / "CHECKLIST.md", checklist + "\n")
    files.write_text(to / "codecheck.yml", codecheck())
    said = [f"{to / name}: written" for name in ("SUMMARY.md", "CHECKLIST.md", "codecheck.yml")]
    for passport in _passports(records):
        name = re.sub(
            r"\W+", "_", f"{passport.dataset} {passport.train_samples} {passport.checksum[:6]}"
        ).lower()
        path = to / "croissant" / f"{name}.json"
        files.write_text(path, json.dumps(croissant(passport), indent=1) + "\n")
        said.append(f"{path}: {validated_croissant(path)}")
    crate(to)
    return [*said, f"{to}: {validated_crate(to)}"]


def _filled(records: list[dict]) -> str:
    board = claims.scoreboard(records)
    board = board[board.paper.isin(PAPERS)]
    counted = claims.count(board).sum(axis=1).items()
    rows = (f"| {scope or '(no run can tell)'} | {verdict} | {n} |" for (scope, verdict), n in counted)
    seeds = pd.Series([record["config"]["seed"] for record in records])
    return WORDS.read_text(encoding="utf-8").format(
        runs=len(records),
        hours=round(sum(record["seconds"] for record in records) / 3600, 1),
        devices=", ".join(sorted({record["device"] for record in records})),
        claims=len(board),
        table="\n".join(rows),
        seeds=seeds.max() + 1,
        networks=len(list(paths.REFERENCE_RUNS.glob("networks/*/"))),
        data="; ".join(sorted({f"{r['dataset']} ({r['source']})" for r in records})),
        torch=", ".join(sorted({r["versions"].get("torch", "?") for r in records})),
    )


def codecheck() -> str:
    """A draft of codecheck.yml: everything that the project knows. Who checks, when and the certificate are
    theirs to add, so there are no placeholders, which the register refuses.
    """
    manifest = []
    for kind, folder, suffix in ((ledger.FIGURES, "figures", "png"), (ledger.TABLES, "tables", "csv")):
        for chapter in ledger.CHAPTERS:
            for stem in kind[chapter]:
                file = f"results/recorded/{folder}/{stem}.{suffix}"
                manifest.append({"file": file, "comment": f"{ledger.title(stem)}, by `make {chapter[:2]}`"})
    content = {
        "version": "https://codecheck.org.uk/spec/config/2.0/",
        "paper": {"title": TITLE, "authors": [{"name": "The companion's authors"}]},
        "manifest": manifest,
        "summary": "`make all` draws every file of the manifest from data/reference_runs; `make verify` "
        "tests the kept networks and trains a few runs again.",
    }
    head = "# A draft: the codechecker adds codechecker, report, certificate and check_time.\n---\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _passports(records: list[dict]) -> list[Passport]:
    found = {Passport.of(record) for record in records}
    return sorted(found, key=lambda p: (p.dataset, p.train_samples, p.checksum))


def licences() -> dict[str, str]:
    """Data set -> its licence: of real ones from the table of data/README.md, of stand-ins their own."""
    text = (paths.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    lines = (line.strip("|") for line in text.splitlines() if line[:2] == "| ")
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    known = {row[0].split(": ")[-1]: row[4] for row in rows if len(row) == 5 and row[0] != "set"}
    entries = [registry.entry(name) for name in datasets.names()]
    own = [entry.sources[-1].locate(entry.papers[0], {"source": "stand-in"}) for entry in entries]
    return known | {located.dataset.partition(", stand-in for ")[0]: located.licence for located in own}


def licence(passport: Passport) -> str:
    """The licence of the data behind a record: of the longest name in ``licences`` that its name begins with
    (MNIST-1D is not MNIST), of a simulated camera that of the images it looks at; "" where none is known.
    """
    seen, known = passport.dataset.removeprefix(events.CAMERA), licences()
    name = max((name for name in known if seen.startswith(name)), key=len, default="")
    return passport.licence or known.get(name, "")


def croissant(passport: Passport) -> dict:
    """Croissant 1.1 metadata of the data behind a record: what was read, from where, under which licence."""
    mlc = needed("mlcroissant")
    words = f"{passport.label}. {passport.note} SHA-256 over the four tensors: {passport.checksum}."
    metadata = mlc.Metadata(
        ctx=mlc.Context(conforms_to="http://mlcommons.org/croissant/1.1"),
        name=re.sub(r"\W+", "-", passport.dataset).strip("-"),
        description=words,
        license=[licence(passport) or "see data/README.md"],
        url="https://arxiv.org/abs/2010.03140",  # the task as the paper has it; data/README.md has the source
        version="1.0.0",
        cite_as="data/README.md says whom to cite",
        creators=[mlc.Organization(name="see data/README.md")],
    )
    return metadata.to_json()


def validated_croissant(path: Path) -> str:
    """What mlcroissant says of a file; ValueError for errors."""
    mlc = needed("mlcroissant")
    logging.getLogger("absl").setLevel(logging.ERROR)  # what it recommends is counted below
    try:
        dataset = mlc.Dataset(jsonld=str(path))
    except mlc.ValidationError as error:
        raise ValueError(f"{path} is no valid Croissant file: {error}") from None
    return f"valid Croissant ({len(dataset.metadata.ctx.issues.warnings)} recommendations open)"


def crate(to: Path) -> None:
    """Make ``to`` an RO-Crate: what is in it, the reference runs and the results that were made from them."""
    rocrate, entities = needed("rocrate.rocrate"), needed("rocrate.model")
    made = rocrate.ROCrate(version="1.1")
    profile = "https://w3id.org/ro/wfrun/process/0.5"
    made.name, made.description = NAME, TITLE
    made.license = "https://spdx.org/licenses/MIT"
    made.root_dataset["conformsTo"] = {"@id": profile}
    about = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    made.add(entities.ContextEntity(made, profile, about))
    made.add(entities.ContextEntity(made, made.license, {"@type": "CreativeWork", "name": "MIT"}))
    for path in sorted(path for path in to.rglob("*") if path.is_file()):
        made.add_file(path, path.relative_to(to).as_posix(), properties={"name": path.stem})
    runs = made.add_dataset(paths.REFERENCE_RUNS, "reference_runs", properties={"name": "Recorded runs"})
    drawn = {kind: paths.results("recorded") / kind for kind in ("figures", "tables")}
    results = [
        made.add_dataset(place, f"results/{kind}", properties={"name": f"Results: {kind}"})
        for kind, place in drawn.items()
        if place.is_dir()
    ]
    finished = max(record["finished"] for record in store.records().values())
    tool = {"@type": "SoftwareApplication", "name": NAME, "version": "0.1.0"}
    tool["url"] = "https://arxiv.org/abs/2010.03140"
    software = made.add(entities.ContextEntity(made, "#companion", tool))
    action = {"name": "make all: figures and tables from the recorded runs", "endTime": finished}
    made.add_action(software, "#make-all", object=[runs], result=results or [runs], properties=action)
    made.metadata.write(to)
    for entity in (runs, *results):
        entity.write(to)


def validated_crate(to: Path) -> str:
    """What the RO-Crate validator says of ``to`` as a Process Run Crate; ValueError for what is required."""
    services, models = needed("rocrate_validator.services"), needed("rocrate_validator.models")
    http = needed("rocrate_validator.utils.http")
    answer = needed("requests").Response()  # without a network: rocrate carries the vocabulary
    answer.status_code, answer.headers["Content-Type"] = 200, "application/ld+json"
    answer._content = (Path(needed("rocrate").__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
    settings = services.ValidationSettings(
        rocrate_uri=models.URI(str(to)),
        profile_identifier="process-run-crate",
        requirement_severity=models.Severity.REQUIRED,
        offline=True,
    )
    with mock.patch.object(http.HttpRequester, "get", lambda *_, **__: answer, create=True):
        found = services.validate(settings)
    if found.has_issues():
        raise ValueError(
            f"{to} is no Process Run Crate: {'; '.join(str(issue.message) for issue in found.get_issues())}"
        )
    return "valid Process Run Crate"
