"""Records of finished runs: JSON in results/<profile>/runs, and the reference runs in data/reference_runs, so
that a figure needs no training.

A record is written in one step and read only as ``check.accepted`` lets it pass, weights only if they are as
they were written: of the reference runs SHA256SUMS says that, a file for ``sha256sum -c``.
"""

import functools
import hashlib
import io
import json
from pathlib import Path

import torch

from snnlib import files, paths, saved
from snnlib.papers.meta_neurons import SNAPSHOTS
from snnlib.provenance import trust
from snnlib.runs import kept
from snnlib.runs.check import accepted
from snnlib.runs.config import Run, beyond, config_hash

SUMS = "SHA256SUMS"


def folder(profile: str) -> Path:
    """Where the records of a profile are."""
    return paths.results(profile) / "runs"


def read(r: Run, profile: str, other_data: bool = True) -> dict | None:
    """The record of a run, from this profile's results or the reference runs, or None.

    With ``other_data`` a reference run on other data counts too, if it is the same in everything else: what
    it says of its data is its own.
    """
    own = whole(r, folder(profile))
    return own or records().get(r.hash) or (best(r.config) if other_data else None)


def whole(r: Run, folder: Path) -> dict | None:
    """The record of a run in ``folder``, or None; ValueError for a damaged one."""
    path = folder / f"{r.hash}.json"
    if not path.exists():
        return None
    try:
        record = accepted(path.read_bytes(), path.name)
        if record["hash"] != r.hash:
            raise ValueError("it is another run's")
        return record
    except (ValueError, OSError) as error:
        raise ValueError(
            f"The record {path} is damaged ({error}); delete it and the run will be trained again."
        ) from None


def weights(r: Run, profile: str) -> dict | None:
    """The state_dict that is kept of the trained network behind ``read``'s record, or None. ValueError for
    one that is damaged or of another run.
    """
    record = read(r, profile)
    if record is None:
        return None
    own, reference = folder(profile) / f"{record['hash']}.pt", kept.place(record["hash"])
    if own.exists():
        return load_weights(record, own)
    if reference is None:
        return None
    path = reference / saved.WEIGHTS
    try:
        return saved.tensors(summed(path))
    except (ValueError, OSError) as error:
        raise ValueError(f"The weights {path} are damaged ({error}); `git checkout` restores them.") from None


def load_weights(record: dict, path: Path) -> dict:
    """The state_dict in a file beside a record; that of one without digest, of older code, may be as torch
    saves it. ValueError names a damaged file.
    """
    try:
        content = path.read_bytes()
        older = "digest" not in record and content.startswith(b"PK")
        return _state(content if older else files.read_sealed(path))
    except (ValueError, OSError) as error:
        remedy = f"delete them and {path.stem}.json"
        raise ValueError(f"The weights {path} are damaged ({error}); {remedy}.") from None


def _state(content: bytes) -> dict:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever broken bytes lead to
        raise ValueError(f"{type(error).__name__} {error}".splitlines()[0]) from None


def receive(content: dict[str, bytes], folder: Path) -> None:
    """Write the files that a worker handed back, as ``jobs`` would have; ValueError for damaged ones. A run
    whose record is there already stays as it is; without one, weights that lie there are of another training.
    """
    for name, text in content.items():
        if name.endswith(".json"):
            accepted(text, name)
    there = {path.stem for path in finished(folder)}
    for name in sorted(content, reverse=True):  # a record last: with it a run is finished
        if name.partition(".")[0] not in there:
            write = functools.partial(Path.write_bytes, data=content[name])
            files.write_atomically(folder / name, write)


def finished(folder: Path) -> list[Path]:
    """The files of the records in ``folder``, none of unfinished runs."""
    return sorted(folder.glob("[0-9a-f]*[0-9a-f].json"))


def tidy(profile: str) -> None:
    """Remove what finished runs have left to go on from: a command killed right after a record leaves it."""
    place = folder(profile)
    for left in (*place.glob("*.ckpt"), *place.glob("*.partial.json")):
        if (place / f"{left.name.partition('.')[0]}.json").exists():
            left.unlink(missing_ok=True)


def epochs_seen(r: Run, folder: Path) -> int:
    """How many epochs, the untrained network's included, an unfinished run has behind it in ``folder``."""
    try:
        return min(len(json.loads((folder / f"{r.hash}.partial.json").read_bytes())), r.epochs + 1)
    except (OSError, ValueError, TypeError):
        return 0


def share_done(r: Run, folder: Path) -> float:
    """How much of a run is done in ``folder``, from 0 to 1."""
    return 1.0 if (folder / f"{r.hash}.json").exists() else epochs_seen(r, folder) / (r.epochs + 1)


def records() -> dict[str, dict]:
    """All reference records by hash; ValueError names file and line of one that is not acceptable."""
    return _read(paths.REFERENCE_RUNS)[0]


def best(config: dict) -> dict | None:
    """The record on the best data (``provenance.SOURCES``) whose config differs in nothing else, or None: on
    every machine the same.
    """
    return _read(paths.REFERENCE_RUNS)[1].get(_without_data(config))


@functools.lru_cache(maxsize=2)
def _read(folder: Path) -> tuple[dict[str, dict], dict[str, dict]]:
    """Records by hash, and the one on the best data by what their configs say apart from the data."""
    exact = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            where = f"{folder.name}/{path.name}, line {number},"
            record = accepted(line, where)
            if record["hash"] in exact:
                raise ValueError(f"{where} holds the record {record['hash']} a second time; remove one.")
            if _file(record) != path.name:
                raise ValueError(f"{where} holds a record of {_file(record)}; move it there.")
            exact[record["hash"]] = record
    for name in {path.name for path in folder.glob("*.jsonl")} | set(sums(folder)):
        if name.endswith(".jsonl"):
            summed(folder / name)
    worst_first = sorted(exact.values(), key=lambda r: (trust(r["source"]), r["hash"]), reverse=True)
    return exact, {_without_data(record["config"]): record for record in worst_first}


def sums(folder: Path) -> dict[str, str]:
    """What SHA256SUMS says of each file of the reference runs."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ()
    return {name: value for value, _, name in (line.partition("  ") for line in lines)}


def seal() -> None:
    """Write SHA256SUMS over the reference runs as they are now, whoever changed them: sums tell of damage,
    not of forgery. What the numbers are worth only training the runs again shows (``verify``).
    """
    root = paths.REFERENCE_RUNS
    kinds = ("*.jsonl", "samples/*.npz", "simulators/*", "speed/*", *(f"networks/*/{n}" for n in kept.FILES))
    found = sorted(path for kind in kinds for path in root.glob(kind))
    lines = (f"{_sum(path.read_bytes())}  {path.relative_to(root).as_posix()}\n" for path in found)
    files.write_text(root / SUMS, "".join(lines))
    _read.cache_clear()


def summed(path: Path) -> bytes:
    """The content of a file of the reference runs; ValueError where it is not what SHA256SUMS says."""
    content = path.read_bytes() if path.exists() else b""
    root = paths.REFERENCE_RUNS
    if sums(root).get(path.relative_to(root).as_posix()) != _sum(content):
        raise ValueError(
            f"{paths.short(path)} is not what {SUMS} says: changed by hand, cut, missing or new. Restore it "
            "(`git checkout data/reference_runs`) or, if you mean it so, `python -m snnlib.runs seal`."
        )
    return content


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _without_data(config: dict) -> str:
    """Hash of a config apart from whose data were read; the version of our own preparation stays in."""
    return config_hash(config | {"data": config["data"].rpartition(":")[2]})


def add(found: list[tuple[dict, Path]], replace: bool = False, repeats: bool = False) -> int:
    """Put records, each with the path of its weights, into their files; returns how many were new.

    A record that is there already stays as it is, unless ``replace``. Networks are kept (``kept.keep``) where
    they are a record's own; ``repeats``: those of a run trained once more, with other rounding, too.
    ValueError names weights that are damaged, before anything is written.
    """
    known = records()
    new = {r["hash"]: compact(r) for r, _ in found if replace or r["hash"] not in known}
    trained = []
    for record, path in found:
        same = (known | new)[record["hash"]]["accuracy_last"] == record["accuracy_last"]
        if path.exists() and (same or repeats):
            load_weights(record, path)  # and again below: not all of them are held at once
            trained.append((record, path, same))
    try:
        for name in sorted({_file(record) for record in new.values()}):
            lines = [
                json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"
                for _, record in sorted((known | new).items())
                if _file(record) == name
            ]
            files.write_text(paths.REFERENCE_RUNS / name, "".join(lines))
        for record, path, same in trained:
            kept.keep(record, load_weights(record, path), repeat=not same)
    finally:
        seal()  # stopped half-way too: what is there is whole, and the same call again adds the rest
    return len(new)


def compact(record: dict) -> dict:
    """The record with 6 significant digits for what is drawn as curves, accuracies as they are.

    theta of every neuron is large: seed 0 keeps all its epochs (figures 2 and 3 of MDN follow them), other
    seeds the first, the last and the one that the authors clustered.
    """
    record = {name: value for name, value in record.items() if name != "digest"}  # SHA256SUMS has one for all
    for name in ("curve", "spike_rates", "tau", "w_over_tau", "seconds"):
        record[name] = _rounded(record[name])
    if record["theta"] and (record["seed"] > 0 or beyond(record["config"])):
        wanted = {0, record["config"]["epochs"], SNAPSHOTS.get(record["task"])}
        record["theta"] = [snapshot for snapshot in record["theta"] if snapshot["epoch"] in wanted]
    return record


def _rounded(value, name: str = ""):
    if isinstance(value, dict):
        return {key: _rounded(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, name) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) and "accuracy" not in name else value


def _file(record: dict) -> str:
    return f"{record['paper']}_{record['task']}.jsonl"
