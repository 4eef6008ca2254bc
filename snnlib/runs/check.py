"""Is a record whole, its own run's, and at one with itself? Every record that is read goes through here."""

import json

from snnlib.runs.config import config_hash

_NUMBER, _OR_NONE = (int, float), (int, float, type(None))
_TYPES = {
    **dict.fromkeys(("hash", "paper", "task", "network", "neuron", "pooling"), str),
    **dict.fromkeys(("dataset", "source", "note", "checksum", "device", "commit"), str),
    **dict.fromkeys(("config", "versions"), dict),
    **dict.fromkeys(("seed", "train_samples", "test_samples"), int),
    **dict.fromkeys(("accuracy_best", "accuracy_last", "seconds"), _NUMBER),
    **dict.fromkeys(("curve", "spike_rates", "tau", "theta", "w_over_tau"), list),
    "accuracy_validated": _OR_NONE,
}
EPOCH = {
    "epoch": int,
    "train_loss": _OR_NONE,
    "test_accuracy": _NUMBER,
    "validation_accuracy": _OR_NONE,
    "seconds": _NUMBER,
}
_NOT_COUNTED = ("nettalk",)
"""Tasks whose accuracy is a similarity (``training.score``), not a number of right answers."""

RESTORE = "restore or remove it"


def digest(record: dict) -> str:
    """What ``record["digest"]`` must be, over all the rest."""
    return config_hash({name: value for name, value in record.items() if name != "digest"})


def accepted(text: str | bytes, where: str) -> dict:
    """The record in ``text``, in JSON; ValueError says ``where`` one is damaged, is not what its config says
    or contradicts itself.
    """
    try:
        record = json.loads(text, parse_constant=_refuse)
        lacking = sorted(_TYPES.keys() - set(record))
        expected = config_hash(record["config"]) if "config" in record else ""
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{where} is no whole record ({error}); {RESTORE}.") from None
    if lacking:
        names = ", ".join(lacking[:4]) + " and more" * (len(lacking) > 4)
        raise ValueError(f"{where} holds a record without {names}; {RESTORE}.")
    if record["hash"] != expected:
        raise ValueError(
            f"{where} holds a record named {record['hash']} whose config has the hash {expected}: it was "
            f"changed by hand or is of another run; {RESTORE}."
        )
    try:
        problem = _contradiction(record)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        problem = f"it is not built like a record: {type(error).__name__} {error}"
    if not problem and "digest" in record and record["digest"] != digest(record):
        problem = "its digest is another one's"
    if problem:
        raise ValueError(f"{where} holds a record that was changed ({problem}); {RESTORE}.")
    return record


def _refuse(constant):
    raise ValueError(f"{constant} is no number of JSON")


def _contradiction(record: dict) -> str:
    """What a record says against itself, in a few words; "" for a good one."""
    config, curve = record["config"], record["curve"]
    problem = _mistyped(record, _TYPES) or next(filter(None, (_mistyped(e, EPOCH) for e in curve)), "")
    if problem:
        return problem
    told = {name: config[name] for name in ("paper", "task", "network", "neuron", "seed")}
    told["source"] = config["data"].split(":")[0]
    for name, value in told.items():
        if record[name] != value:
            return f"{name} is {record[name]!r}, and {value!r} in its config"
    for name in ("train_samples", "test_samples"):
        if record[name] < 1 or 0 < config[name] < record[name]:
            return f"{name} is {record[name]}, and {config[name]} in its config"
    if [epoch["epoch"] for epoch in curve] != list(range(config["epochs"] + 1)):
        return f"its curve does not go over the epochs 0 to {config['epochs']}"
    return _wrong_accuracy(record) or _wrong_tests(record) or _wrong_numbers(record)


def _wrong_accuracy(record: dict) -> str:
    curve = record["curve"]
    tested = [epoch["test_accuracy"] for epoch in curve]
    held_out = [epoch["validation_accuracy"] for epoch in curve[1:]] if record["config"]["validation"] else []
    chosen = tested[1 + held_out.index(max(held_out))] if held_out else None
    expected = {"accuracy_last": tested[-1], "accuracy_best": max(tested[1:]), "accuracy_validated": chosen}
    for name, value in expected.items():
        if record[name] != value:
            return f"{name} is {record[name]}, and {value} by its curve"
    return next(filter(None, (_not_counted(record, accuracy) for accuracy in tested)), "")


def _not_counted(record: dict, accuracy: float) -> str:
    samples = record["test_samples"]
    right = accuracy * samples / 100
    counted = record["task"] in _NOT_COUNTED or abs(right - round(right)) < 1e-8 * samples + 1e-9
    good = 0 <= accuracy <= 100 and counted
    return "" if good else f"{accuracy} % is no number of right answers among {samples}"


def _wrong_tests(record: dict) -> str:
    tests = record.get("tests", {})
    if sorted(tests) != sorted(record["config"].get("tests", ())):
        return "its tests are not those of its config"
    return next(filter(None, (_not_counted(record, accuracy) for accuracy in tests.values())), "")


def _wrong_numbers(record: dict) -> str:
    curve, epochs = record["curve"], record["config"]["epochs"]
    if not all(0 <= rate <= 1 for rate in record["spike_rates"]):
        return "a spike rate is outside 0 to 1"
    for name in ("tau", "w_over_tau"):
        if len(record[name]) not in (0, epochs + 1):
            return f"{name} does not go over all epochs"
    if not {snapshot["epoch"] for snapshot in record["theta"]} <= set(range(epochs + 1)):
        return "theta is of an epoch that there was not"
    spent = sum(epoch["seconds"] for epoch in curve)
    if min(epoch["seconds"] for epoch in curve) < 0 or abs(spent - record["seconds"]) > 1e-3 * spent + 1e-6:
        return f"seconds is {record['seconds']}, and {spent:.6g} by its curve"
    return ""


def _mistyped(values: dict, types: dict) -> str:
    for name, kind in types.items():
        value = values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name} is {type(value).__name__} {str(value)[:40]!r}"
    return ""
