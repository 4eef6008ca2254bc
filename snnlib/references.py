"""Reference runs: records of finished runs kept in data/reference_runs, so that a figure needs no training.

`python -m snnlib.references collect results/paper/runs` adds the finished runs of a folder, `example` trains
and adds the small one that a test repeats, `list` says what there is.
"""

import argparse
import functools
import hashlib
import io
import json
import sys
from collections import Counter
from pathlib import Path

from snnlib import files, paths

SOURCES = ("official", "package", "part", "open set", "stand-in")  # the best data first
FIELDS = {
    *("hash", "config", "paper", "task", "network", "neuron", "pooling", "seed"),
    *("dataset", "source", "note", "checksum", "train_samples", "test_samples"),
    *("accuracy_best", "accuracy_last", "accuracy_validated", "curve", "spike_rates", "tau", "theta"),
    *("w_over_tau", "device", "seconds", "commit", "versions"),
}


def config_hash(config: dict) -> str:
    """Name of the record of a run: the first 16 hex digits of SHA-256 over all fields of the run."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


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


def find(config: dict, other_data: bool = False) -> dict | None:
    """The record of exactly this config, or None.

    With ``other_data`` also one whose config differs in nothing but the data that were read, the best data
    first (SOURCES): what it says of its data is its own.
    """
    exact, alike = _read(paths.REFERENCE_RUNS)
    found = exact.get(config_hash(config))
    return found or (alike.get(_without_data(config)) if other_data else None)


def best(config: dict) -> dict | None:
    """The record on the best data (SOURCES) whose config differs in nothing else, or None: on every machine
    the same.
    """
    return _read(paths.REFERENCE_RUNS)[1].get(_without_data(config))


def weights(record_hash: str) -> Path:
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
    worst_first = sorted(exact.values(), key=lambda r: (_rank(r["source"]), r["hash"]), reverse=True)
    return exact, {_without_data(record["config"]): record for record in worst_first}


def _rank(source: str) -> int:
    return SOURCES.index(source) if source in SOURCES else len(SOURCES)


def _without_data(config: dict) -> str:
    """Hash of a config apart from whose data were read; the version of our own preparation stays in."""
    return config_hash(config | {"data": config["data"].rpartition(":")[2]})


def add(found: list[tuple[dict, Path]], replace: bool = False) -> int:
    """Put records, each with the path of its weights, into their files; returns how many were new.

    A record that is there already stays as it is, unless ``replace``.
    """
    known = {} if replace else records()
    new = {record["hash"]: record for record, _ in found if record["hash"] not in known}
    known = {name: record for name, record in records().items() if name not in new}
    for name in sorted({_file(record) for record in new.values()}):
        both = [record for record in (*known.values(), *map(compact, new.values())) if _file(record) == name]
        lines = [
            json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"
            for record in sorted(both, key=lambda record: record["hash"])
        ]
        text = "".join(lines)
        files.write_atomically(paths.REFERENCE_RUNS / name, lambda path, text=text: path.write_text(text))
    for record, path in found:
        if _pictured(record["config"]) and path.exists() and not weights(record["hash"]).exists():
            _keep_weights(path, weights(record["hash"]))
    _read.cache_clear()
    return len(new)


def compact(record: dict) -> dict:
    """The record with 6 significant digits for what is drawn as curves, accuracies as they are.

    theta of every neuron is large: seed 0 keeps all its epochs (figures 2 and 3 of MDN follow them), other
    seeds the first, the last and the one that the authors clustered.
    """
    from snnlib.experiments import beyond
    from snnlib.meta_neurons import SNAPSHOTS

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
    from snnlib.experiments import beyond

    plain = config["seed"] == 0 and not config["validation"] and not beyond(config)
    if config["paper"] == "mdn":
        return plain and (config["task"], config["neuron"], config["task_options"]) == ("mnist", "2-FS", [])
    return plain and (config["neuron"], config["tau"]) == ("PLIF", 2.0)


def _keep_weights(path: Path, to: Path) -> None:
    """A copy of a state_dict; large matrices in half precision, to keep the repository small."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.half() if value.numel() > 20_000 else value for key, value in state.items()}
    buffer = io.BytesIO()  # in a file its name would become part of the bytes
    torch.save(state, buffer)
    files.write_atomically(to, lambda temporary: temporary.write_bytes(buffer.getvalue()))


def collect(folders: list[Path]) -> None:
    """Add the finished runs of ``folders`` (results/<profile>/runs) that were made by the present code."""
    from snnlib.experiments import code_of

    found, older = [], 0
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}; give one like results/paper/runs.")
        for path in sorted(folder.glob("[0-9a-f]*.json")):
            if path.name.endswith(".partial.json"):
                continue
            record = accepted(path.read_text(encoding="utf-8"), path.name)
            config = record["config"]
            present = code_of(config["paper"], config["task"], **dict(config["task_options"]))
            current = config["code"] == present
            older += not current
            found += [(record, path.with_suffix(".pt"))] if current else []
    added = add(found)
    print(f"{added} records added, {len(found) - added} were there already, {older} of older code left out")


def example() -> None:
    """Train and add the cheapest record of all: three epochs on the handwritten digits of scikit-learn."""
    import tempfile

    from snnlib import grids, jobs

    run = grids.mdn_run("mnist", "2-FS", 0, epochs=3, hidden=100, source="stand-in")
    with tempfile.TemporaryDirectory() as folder:
        record = jobs.train_one(run, Path(folder))
        add([(record, Path(folder) / "none")], replace=True)
        print(f"made anew: {run.title}")


def overview() -> None:
    """Print what there is: records by task, data and code, and the size of it all."""
    counted = Counter(
        (record["paper"], record["task"], record["dataset"], record["source"], record["config"]["code"])
        for record in records().values()
    )
    for (paper, task, dataset, source, code), number in sorted(counted.items()):
        print(f"{number:4d}  {paper}  {task:15s} {dataset} ({source}), code {code}")
    size = sum(path.stat().st_size for path in paths.REFERENCE_RUNS.rglob("*") if path.is_file())
    print(f"{len(records()):4d}  records in all, {size / 1e6:.1f} MB")


def main(arguments=None) -> int:
    """Exit status 0, or 2 after one sentence on wrong input."""
    parser = argparse.ArgumentParser(prog="python -m snnlib.references", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="add the finished runs of folders")
    command.add_argument("folders", nargs="+", type=Path, metavar="results/PROFILE/runs")
    commands.add_parser("example", help="train and add the small record that a test trains again")
    commands.add_parser("list", help="say what there is")
    options = parser.parse_args(arguments)
    try:
        if options.command == "collect":
            collect(options.folders)
        elif options.command == "example":
            example()
        overview()
        return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    # This file is then a second copy of snnlib.references, which experiments imports; work with that one.
    from snnlib import references

    sys.exit(references.main())
