"""Records of finished runs: JSON in results/<profile>/runs, and the reference runs in data/reference_runs, so
that a figure needs no training.

A record is written in one step and read only if its hash is the hash of its config.
"""

import functools
import io
import json
from pathlib import Path

import torch

from snnlib import files, paths
from snnlib.papers.meta_neurons import SNAPSHOTS
from snnlib.provenance import trust
from snnlib.runs.config import Run, beyond, config_hash

FIELDS = {
    *("hash", "config", "paper", "task", "network", "neuron", "pooling", "seed"),
    *("dataset", "source", "note", "checksum", "train_samples", "test_samples"),
    *("accuracy_best", "accuracy_last", "accuracy_validated", "curve", "spike_rates", "tau", "theta"),
    *("w_over_tau", "device", "seconds", "commit", "versions"),
}


def folder(profile: str) -> Path:
    """Where the records of a profile are."""
    return paths.results(profile) / "runs"


def read(r: Run, profile: str, other_data: bool = True) -> dict | None:
    """The record of a run, from this profile's results or the reference runs, or None.

    With ``other_data`` a reference run on other data counts too, if it is the same in everything else: what
    it says of its data is its own.
    """
    path = folder(profile) / f"{r.hash}.json"
    if path.exists():
        try:
            record = accepted(path.read_text(), path.name)
            if record["hash"] != r.hash:
                raise ValueError("it is another run's")
        except ValueError as error:
            raise ValueError(
                f"The record {path} is damaged ({error}); delete it and the run will be trained again."
            ) from None
        return record
    return records().get(r.hash) or (best(r.config) if other_data else None)


def weights(r: Run, profile: str) -> Path | None:
    """The file with what is kept of the trained network behind ``read``'s record, or None."""
    name = (read(r, profile) or {"hash": r.hash})["hash"]
    found = (folder(profile) / f"{name}.pt", reference_weights(name))
    return next((path for path in found if path.exists()), None)


def finished(folder: Path) -> list[Path]:
    """The files of the records in ``folder``, none of unfinished runs."""
    return sorted(folder.glob("[0-9a-f]*[0-9a-f].json"))


def epochs_seen(r: Run, folder: Path) -> int:
    """How many epochs, the untrained network's included, an unfinished run has behind it in ``folder``."""
    try:
        return len(json.loads((folder / f"{r.hash}.partial.json").read_text()))
    except (OSError, ValueError):
        return 0


def accepted(text: str, where: str) -> dict:
    """The record in ``text``; ValueError says ``where`` one is damaged or is not what its config says."""
    try:
        record = json.loads(text)
        lacking = sorted(FIELDS - set(record))
        expected = config_hash(record["config"]) if "config" in record else ""
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} is no whole record ({error}); restore or remove it.") from None
    if lacking:
        raise ValueError(f"{where} holds a record without {', '.join(lacking)}; restore or remove it.")
    if record["hash"] != expected:
        raise ValueError(
            f"{where} holds a record named {record['hash']} whose config has the hash {expected}: it was "
            "changed by hand or is of another run; restore or remove it."
        )
    return record


def records() -> dict[str, dict]:
    """All reference records by hash; ValueError names file and line of one that is not acceptable."""
    return _read(paths.REFERENCE_RUNS)[0]


def best(config: dict) -> dict | None:
    """The record on the best data (``provenance.SOURCES``) whose config differs in nothing else, or None: on
    every machine the same.
    """
    return _read(paths.REFERENCE_RUNS)[1].get(_without_data(config))


def reference_weights(record_hash: str) -> Path:
    """Where the weights kept of a reference run are, if they are."""
    return paths.REFERENCE_RUNS / "weights" / f"{record_hash}.pt"


@functools.lru_cache(maxsize=2)
def _read(folder: Path) -> tuple[dict[str, dict], dict[str, dict]]:
    """Records by hash, and the one on the best data by what their configs say apart from the data."""
    exact = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            record = accepted(line, f"{path.parent.name}/{path.name}, line {number},")
            exact[record["hash"]] = record
    worst_first = sorted(exact.values(), key=lambda r: (trust(r["source"]), r["hash"]), reverse=True)
    return exact, {_without_data(record["config"]): record for record in worst_first}


def _without_data(config: dict) -> str:
    """Hash of a config apart from whose data were read; the version of our own preparation stays in."""
    return config_hash(config | {"data": config["data"].rpartition(":")[2]})


def add(found: list[tuple[dict, Path]], replace: bool = False) -> int:
    """Put records, each with the path of its weights, into their files; returns how many were new.

    A record that is there already stays as it is, unless ``replace``.
    """
    known = records()
    new = {r["hash"]: compact(r) for r, _ in found if replace or r["hash"] not in known}
    for name in sorted({_file(record) for record in new.values()}):
        lines = [
            json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"
            for _, record in sorted((known | new).items())
            if _file(record) == name
        ]
        files.write_text(paths.REFERENCE_RUNS / name, "".join(lines))
    for record, path in found:
        if _pictured(record["config"]) and path.exists() and not reference_weights(record["hash"]).exists():
            _keep_weights(path, reference_weights(record["hash"]))
    _read.cache_clear()
    return len(new)


def compact(record: dict) -> dict:
    """The record with 6 significant digits for what is drawn as curves, accuracies as they are.

    theta of every neuron is large: seed 0 keeps all its epochs (figures 2 and 3 of MDN follow them), other
    seeds the first, the last and the one that the authors clustered.
    """
    record = dict(record)
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


def _pictured(config: dict) -> bool:
    """Whether a figure shows what the trained network does: MDN Fig. 1; PLIF Fig. 5, S2 to S5, Table 5."""
    plain = config["seed"] == 0 and not config["validation"] and not beyond(config)
    if config["paper"] == "mdn":
        return plain and (config["task"], config["neuron"], config["task_options"]) == ("mnist", "2-FS", [])
    return plain and (config["neuron"], config["tau"]) == ("PLIF", 2.0)


def _keep_weights(path: Path, to: Path) -> None:
    """A copy of a state_dict; large matrices in half precision, to keep the repository small."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.half() if value.numel() > 20_000 else value for key, value in state.items()}
    buffer = io.BytesIO()  # in a file its name would become part of the bytes
    torch.save(state, buffer)
    files.write_atomically(to, lambda temporary: temporary.write_bytes(buffer.getvalue()))
