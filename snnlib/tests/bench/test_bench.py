"""Speed: what is compared before it is timed, statistics, ratios, absent libraries, aims."""

import json
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
import torch

from snnlib import networks
from snnlib.bench import __main__ as command
from snnlib.bench import bars, layers, measure, peers, synapses, training
from snnlib.bench.measure import Contender, Effort, Results
from snnlib.figures import speed as figures
from snnlib.neurons import LIF, PLIF

QUICK = Effort(seconds=0.0, least=1, most=1)


def contender(name, spikes, calls=None, roles=("peer",)):
    def once():
        if calls is not None:
            calls.append(name)
        return spikes

    return Contender(name, "1", {"forward": once}, lambda: {"spikes": spikes}, roles)


def pattern(flips=0):
    spikes = (torch.arange(10_000) % 3 == 0).float()
    spikes[:flips] = 1 - spikes[:flips]
    return spikes


def test_what_differs_is_refused_and_never_called():
    calls, results = [], Results()
    others = [contender("close", pattern(10), calls), contender("far", pattern(11), calls)]
    measure.contest("w", [contender("ours", pattern(), calls, ("ours",)), *others], QUICK, results)
    assert {row["implementation"] for row in results.rows} == {"ours", "close"}
    assert all(row["low_ms"] <= row["median_ms"] <= row["high_ms"] for row in results.rows)
    assert "far" not in calls
    assert results.notes == ["w: far is not timed, 0.11 % of its spikes differ (allowed 0.1 %)."]


@pytest.mark.parametrize(
    ("theirs", "share"),
    [
        (torch.tensor([1.0, 2.0, 4.0]), 0.0),
        (torch.tensor([1.0, 2.003, 4.0]), 0.0),  # within a thousandth of the largest
        (torch.tensor([1.0, 2.005, 4.0]), 1 / 3),
        (torch.tensor([1.0, float("nan"), 4.0]), 1 / 3),
        (torch.tensor([1.0, 2.0]), 1.0),
    ],
)
def test_share_of_elements_that_differ(theirs, share):
    assert measure.share_different(torch.tensor([1.0, 2.0, 4.0]), theirs) == pytest.approx(share)


def test_outputs_without_a_common_name_and_silent_ones_are_refused():
    assert "no output that could be compared" in measure.refusal({"a": pattern()}, {"b": pattern()}, 1.0)
    with pytest.raises(ValueError, match="w: all spikes are 0; choose an input that tells more"):
        measure.contest("w", [contender("ours", torch.zeros(5))], QUICK, Results())


def test_calls_take_turns_and_slow_ones_leave_after_the_least(monkeypatch):
    order = []
    cost = {"a": 1.0, "b": 0.1}
    monkeypatch.setattr(measure, "clock", lambda call, device: cost[order.append(call) or call])
    samples = measure.in_turns(["a", "b"], Effort(seconds=1.2, least=2, most=20))
    assert order[:4] == ["a", "b", "a", "b"]
    assert [len(taken) for taken in samples] == [2, 6]  # b: until its half of 1.2 s is used up


def row(implementation, median, role, work="w", step="forward"):
    times = {"median_ms": median, "low_ms": median, "high_ms": median, "peak_mib": 0.0}
    words = {"work": work, "device": "cpu", "implementation": implementation, "version": "1", "pass": step}
    return words | times | {"roles": (role,)}


def test_table_has_the_columns_and_both_ratios():
    rows = [
        row("ours", 2.0, "ours"),
        row("A", 6.0, "peer"),
        row("B", 10.0, "peer"),
        row("copy", 1.0, "floor"),
    ]
    rows += [row("PyTorch loop", 4.0, "loop"), row("ours", 1.0, "ours", "alone"), row("A", 9.0, "peer", "x")]
    table = measure.table(rows)
    assert tuple(table.columns) == measure.COLUMNS
    ours, first, second = (table.iloc[i] for i in range(3))
    assert (ours.ratio_to_best_peer, ours.ratio_to_floor) == (3.0, 2.0)  # 6 / 2: the loop is no peer
    assert (first.ratio_to_best_peer, second.ratio_to_best_peer) == (1.0, 0.6)
    assert np.isnan(table.iloc[5].ratio_to_best_peer) and np.isnan(table.iloc[5].ratio_to_floor)


def test_the_loop_stands_in_where_no_library_took_part():
    table = measure.table([row("ours", 2.0, "ours"), row("PyTorch loop", 8.0, "loop")])
    assert table.ratio_to_best_peer.tolist() == [4.0, 1.0]


def test_missing_libraries_are_named_and_skipped(monkeypatch):
    monkeypatch.setattr(peers, "LIBRARIES", {"SpikingJelly": "no-such-package", "snnTorch": "nor-this"})
    assert peers.missing()[0] == (
        'SpikingJelly is skipped: it is not installed; `pip install -e ".[peers]"` brings it.'
    )
    assert peers.layer("SpikingJelly", "LIF") is None
    results = Results()
    layers.race("LIF", (4, 3, 50), QUICK, results, "cpu")
    names = {r["implementation"] for r in results.rows}
    assert names == {"ours", "PyTorch loop", "copy of the same bytes"} and not results.notes


@pytest.mark.parametrize("kind", ("LIF", "PLIF", "1st order"))
@pytest.mark.parametrize("name", peers.LIBRARIES)
def test_libraries_compute_the_same_spikes(name, kind):
    if not peers.version(name):
        pytest.skip(f"{name} is not installed")
    layer = peers.layer(name, kind)
    if layer is None:
        pytest.skip(f"{name} has no such neuron")
    current, _ = layers._sequences(kind, (10, 8, 40), "cpu")
    spikes, ours = layer.module(current * layer.input_scale), peers.KINDS[kind]()(current)
    assert 0.02 < ours.mean() < 0.98
    assert measure.share_different(ours, spikes) <= 1e-3


def test_a_wrong_neuron_would_be_found_out(monkeypatch):
    monkeypatch.setitem(peers.KINDS, "LIF", lambda: LIF(tau=2.1))
    loop = peers.Layer(peers.plain_loop(LIF(tau=2.0)))
    monkeypatch.setattr(peers, "layer", lambda name, kind: loop if name == peers.LOOP else None)
    results = Results()
    layers.race("LIF", (10, 8, 40), QUICK, results, "cpu")
    assert [note for note in results.notes if "ours is not timed" in note]


def test_the_loop_is_the_reference_and_its_parameters_learn():
    loop = peers.layer(peers.LOOP, "PLIF").module
    spikes = loop(torch.rand(5, 2, 3) * 4)
    spikes.sum().backward()
    assert loop.a.grad is not None and type(spikes.grad_fn).__name__ == "StackBackward0"


def test_the_loop_of_a_conv_net_pools_in_training_too(monkeypatch):
    monkeypatch.setattr(networks, "_kernels_for_blocks", lambda x_seq: True)  # as on a GPU
    torch.manual_seed(0)
    net = networks.conv_net("{c4k3s1-BN-PLIF-MPk2s2}*2-FC12-PLIF-APk4s4", (1, 8, 8), lambda size: PLIF())
    next(m for m in net.modules() if isinstance(m, torch.nn.Linear)).weight.data *= 8  # else it is silent
    x_seq = (4 * torch.rand(1, 3, 1, 8, 8)).expand(5, -1, -1, -1, -1)  # a still
    spikes = peers.plain_loop(net)(x_seq)
    assert 0.02 < spikes.mean() < 0.98
    assert measure.share_different(net(x_seq), spikes) <= 1e-2


def test_synapses_agree_dense_and_listed():
    results = Results()
    synapses.race(0.1, (3, 8, 100, 80), QUICK, results, "cpu")
    assert not results.notes
    assert {r["implementation"] for r in results.rows} == {
        "torch linear",
        "ours, dense spikes",
        "ours, listed spikes",
    }


def test_a_training_step_and_its_parts():
    size = training.Size(hidden=12, mdn_batch=4)
    setting, results = training.mdn("1st order", size, "cpu"), Results()
    training.race(setting, QUICK, results, "cpu", batches=2)
    assert {"ours", "PyTorch loop"} <= {r["implementation"] for r in results.rows} and not results.notes
    (step,) = {r["pass"] for r in results.rows}
    assert step == "epoch of 60,000, from 2 batches"
    assert min(r["median_ms"] for r in results.rows) > 60_000 / 8  # more than 1 us for a sample: extrapolated
    parts = training.parts(setting, "cpu", 1)
    assert list(parts.columns) == ["encoding", "forward", "backward", "optimiser"] and (parts > 0).all(
        axis=None
    )


def test_memory_counts_what_a_call_takes():
    taken = measure.memory_of(lambda: torch.ones(8 * 2**20 // 4))
    if np.isnan(taken.peak):
        pytest.skip("this system does not tell")
    assert 7.5 < taken.after <= taken.peak < 10


def test_what_a_first_call_makes_once_is_no_part_of_its_peak():
    made, results = [], Results()

    def step():
        if not made:
            made.append(torch.ones(64 * 2**20 // 4))  # as Adam's state

    entry = Contender("ours", "1", {"step": step}, lambda: {"spikes": pattern()})
    measure.contest("w", [entry], QUICK, results)
    measure.contest("w", [replace(entry, recorded=True)], QUICK, results)
    peaks = [r["peak_mib"] for r in results.rows]
    assert np.isnan(peaks[1]) and (np.isnan(peaks[0]) or peaks[0] < 32)


def test_an_ensemble_says_what_is_not_recorded():
    assert training._one_by_one("cpu") == "ours, one by one"
    assert training._one_by_one("cuda:0") == "ours, one by one, kernel by kernel"


def test_aims_are_judged_on_the_first_such_work():
    rows = [
        row("ours", 1.0, "ours", "LIF [20, 100, 500]", layers.BOTH),
        row("A", 16.0, "peer", "LIF [20, 100, 500]", layers.BOTH),
        row("ours", 1.0, "ours", "LIF [8, 16, 100]", layers.BOTH),
        row("A", 2.0, "peer", "LIF [8, 16, 100]", layers.BOTH),
        row("ours", 1.0, "ours", "PLIF [20, 100, 500]", layers.BOTH),
        row("PyTorch loop", 99.0, "loop", "PLIF [20, 100, 500]", layers.BOTH),
        row("ours", 3.5, "ours", "LIF [20, 100, 500]", layers.FORWARD),
        row("copy", 1.0, "floor", "LIF [20, 100, 500]", layers.FORWARD),
    ]
    judged = bars.judge(rows).set_index("name")
    assert judged.loc["LIF layer, forward + backward", ["factor", "met"]].tolist() == [16.0, True]
    assert judged.loc["PLIF layer, forward + backward", "met"] is None  # no library: not judged
    assert judged.loc["LIF layer, forward", ["factor", "met"]].tolist() == [3.5, False]
    assert len(judged) == 3


def test_figures_draw_what_they_are_given():
    rows = [row("ours", 1.0, "ours", "LIF [2, 2, 2]", layers.BOTH)]
    rows.append(row("SpikingJelly", 16.0, "peer", "LIF [2, 2, 2]", layers.BOTH))
    fig = figures.ratios(measure.table(rows), bars.judge(rows))
    axis = fig.axes[0]
    dots = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert sorted(dots) == [1.0, 16.0] and axis.get_xscale() == "log"
    assert [15, 15] in [list(line.get_xdata()) for line in axis.lines]
    with pytest.raises(ValueError, match="No row has a ratio"):
        figures.ratios(measure.table(rows[:1]), bars.judge([]))


def test_memory_and_synapse_have_a_line_for_every_implementation():
    table = pd.DataFrame({"T": [5, 10] * 2, "implementation": ["ours"] * 2 + ["PyTorch loop"] * 2})
    table = table.assign(kept=[0, 1, 20, 40], peak=[2, 3, 60, 80], current=[1, 2] * 2)
    axes = figures.memory(table).axes
    kept, peak = ({line.get_label(): [*line.get_ydata()] for line in axis.lines} for axis in axes)
    assert kept == {"ours": [0, 1], "PyTorch loop": [20, 40], "input current": [1, 2]}
    assert peak["ours"] == [2, 3] and peak["PyTorch loop"] == [60, 80]
    times = pd.DataFrame({"density": [0.05, 0.5], "implementation": "torch linear", "median_ms": [2.0, 2.5]})
    (axis,) = figures.synapse(times.assign(low_ms=1.0, high_ms=3.0)).axes
    assert [*axis.lines[0].get_xdata()] == [5, 50] and [*axis.lines[0].get_ydata()] == [2, 2.5]


def test_the_command_writes_csv_and_passport(tmp_path, capsys):
    out = tmp_path / "speed.csv"
    assert command.main(["--only", "synapse", "--sizes", "tiny", "--seconds", "0", "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert tuple(table.columns) == measure.COLUMNS and len(table) == 9
    passport = json.loads(out.with_suffix(".json").read_text())
    assert {"cpu", "threads", "versions", "commit", "notes", "seconds"} <= passport.keys()


def test_memory_against_time_steps_is_printed_and_saved(tmp_path, capsys):
    out = tmp_path / "new" / "speed.csv"
    assert command.main(["--only", "memory", "--sizes", "tiny", "--seconds", "0", "--out", str(out)]) == 0
    memory = json.loads(out.with_suffix(".json").read_text())["memory"]
    assert {row["T"] for row in memory} == {4, 16} and {"kept", "peak"} <= memory[0].keys()
    assert "kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("speed.json", "is for the passport beside the table; name the table, such as speed.csv."),
        ("folder", "is a folder; name the table, such as speed.csv."),
        ("file/speed.csv", "cannot be written (Not a directory): a file is where a folder belongs"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_measuring(
    tmp_path, monkeypatch, capsys, name, sentence
):
    monkeypatch.setattr(command.run, "run", lambda *_: pytest.fail("measured"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert command.main(["--out", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1


def test_a_disk_that_fills_up_meanwhile_is_one_sentence_and_loses_no_table(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError("no space")

    monkeypatch.setattr(command.run, "save", full)
    out = str(tmp_path / "speed.csv")
    assert command.main(["--only", "synapse", "--sizes", "tiny", "--seconds", "0", "--out", out]) == 2
    said = capsys.readouterr()
    assert said.err.endswith("no space\n") and "torch linear" in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "layers"], "Unknown workload layers; use layer, memory, synapse"),
        (["--sizes", "huge"], "Unknown sizes 'huge'; use one of full, cuda, tiny"),
        (["--device", "tpu"], "The device 'tpu' is not there"),
        (["--seconds", "-1"], "An effort needs seconds >= 0"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, sentence, capsys):
    assert command.main(arguments) == 2
    assert sentence in capsys.readouterr().err
