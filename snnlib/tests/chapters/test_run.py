"""Chapters of which nothing is recorded, and plans."""

import pytest

from snnlib.chapters import __main__ as command
from snnlib.chapters import planned, report, run
from snnlib.runs import __main__ as runs_command
from snnlib.runs import store
from snnlib.tests.runs.samples import made, other

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture
def pooling_runs():
    """The recorded profile's runs of chapter 05."""
    return planned.runs("05", "recorded")


def test_a_chapter_without_any_record_is_left_out_and_the_report_says_so(
    folder, results_in, monkeypatch, pooling_runs, capsys
):
    monkeypatch.setattr(run, "execute_notebook", lambda *_: pytest.fail("drawn from nothing"))
    assert run.run(["05_pooling"], "recorded", {}, 1) == 0
    said = capsys.readouterr().out
    count = len(pooling_runs)
    assert f"{count} of {count} runs are not recorded" in said and "not drawn: none of its runs" in said
    page = report.build("recorded")
    assert (
        page.count("Left out: no run of chapter 05 is recorded. <code>make 05 PROFILE=recorded TRAIN=1") == 2
    )


def test_a_plan_says_what_is_recorded_on_which_data(folder, results_in, monkeypatch, pooling_runs, capsys):
    one = pooling_runs[0]
    there = other(one, "official:bb:" + one.data.rpartition(":")[2])
    store.add([(made(there, dataset="The real set"), folder / "none")])
    assert command.main(["plan", "05", "--profile", "recorded"]) == 0
    said = capsys.readouterr().out
    assert f"{len(pooling_runs)} runs, 1 recorded" in said and "The real set (official)" in said
    assert "On a GPU: not measured" in said and "TRAIN=1` trains what is missing" in said
    assert "Not the official data here: " in said and "dvs128_gesture (stand-in)" in said
    assert command.main(["plan", "05", "--profile", "recorded", "--train"]) == 0
    said = capsys.readouterr().out
    assert f"{len(pooling_runs)} runs, 0 recorded" in said  # they would be trained on the data at hand


def test_the_missing_runs_are_listed_for_another_machine(folder, results_in, tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    asked = ["plan", "05", "--profile", "smoke", "--gpu", "NVIDIA T1000", "--to", str(path)]
    assert command.main(asked) == 0
    needed = run.needed(["05_pooling"], "smoke", {})
    assert runs_command.listed(path) == needed and needed
    said = capsys.readouterr().out
    assert "On NVIDIA T1000: not known, no run was measured there." in said
    assert f"{len(needed)} runs in {path}" in said
    assert command.main(["plan", "05", "--profile", "smoke", "--gpu", "H100"]) == 0
    assert f"for {len(needed)} runs, one at a time: estimated, never measured." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fill", "05", "--budget", "soon"], "A budget of 'soon' is none: give a number and s, m, h or d"),
        (["fill", "05", "--backend", "slurm"], "--backend slurm is unknown"),
        (["run", "05", "--scheduler", "tcp://h:1"], "--scheduler tcp://h:1 needs --backend dask or ray"),
    ],
)
def test_a_command_to_train_elsewhere_is_checked_before_it_starts(results_in, capsys, words, said):
    assert command.main([*words, "--profile", "smoke"]) == 2
    assert said in capsys.readouterr().err and not results_in.exists()
