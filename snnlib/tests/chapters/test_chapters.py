"""Chapters: parameters are checked first, a copy is whole or absent, publish strips, check finds faults."""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from snnlib import paths
from snnlib.chapters import __main__ as chapters
from snnlib.chapters import parameters, publishing, report, run
from snnlib.results import ledger

CELL = (
    'profile: str = "smoke"\nseeds: int = 1  # repetitions\nrate: float = 0.1\ntasks: list[str] = ["mnist"]'
)
KNOWN = parameters.parse(CELL, "test")


def notebook(*sources, cell=CELL):
    """A chapter in small: markdown before each code cell, ids of its own."""
    cells = [new_markdown_cell("# Title", id="title"), new_code_cell(cell, id="parameters")]
    cells[1].metadata.tags = ["parameters"]
    for number, source in enumerate(sources):
        cells += [new_markdown_cell("text", id=f"text{number}"), new_code_cell(source, id=f"code{number}")]
    made = new_notebook(cells=cells)
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


@pytest.fixture
def folder(tmp_path):
    """A notebooks folder with one chapter and its profile."""
    place = tmp_path / "notebooks"
    (place / "profiles").mkdir(parents=True)
    (place / "profiles" / "smoke.yaml").write_text("01_dynamics:\n  seeds: 2\n")
    nbformat.write(
        notebook("import snnlib, os\nprint('seeds', seeds, os.path.basename(os.getcwd()))"),
        place / "01_dynamics.ipynb",
    )
    return place


def test_valid_parameters_pass_and_an_int_serves_as_float():
    checked = parameters.check({"seeds": 3, "rate": 2, "tasks": ["mnist", "timit"]}, KNOWN, "test")
    assert checked == {"seeds": 3, "rate": 2.0, "tasks": ["mnist", "timit"]}
    assert isinstance(checked["rate"], float)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"sedes": 3},
            r"unknown parameter 'sedes' \(did you mean 'seeds'\?\); valid names are profile, seeds, rate, ta",
        ),
        ({"seeds": 1.5}, "'seeds' should be int and is float 1.5"),
        ({"seeds": True}, "'seeds' should be int and is bool True"),
        ({"seeds": "3"}, "'seeds' should be int and is str '3'"),
        (
            {"rate": "1e-3"},
            r"'rate' should be float and is str '1e-3'; YAML takes 1e-3 for text, write 0.001",
        ),
        ({"tasks": "mnist"}, r"'tasks' should be list\[str\] and is str 'mnist'"),
        ({"tasks": ["mnist", 3]}, "'tasks' holds an item that should be str and is int 3"),
    ],
)
def test_wrong_parameters_are_named(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        parameters.check(values, KNOWN, "test")


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("float", [1, 2.0], [True, "1"]),
        ("bool", [True, False], [1, 0]),
        ("list", [[], [1, "a"]], ["a", (1,)]),
        ("list[int]", [[], [1, 2]], [[1, "2"], [True], 3]),
        ("list[list[float]]", [[[1, 2.0], []]], [[1.0], [["a"]]]),
        ("dict", [], [{}]),
    ],
)
def test_annotations(annotation, good, bad):
    assert not any(parameters.mismatch(value, annotation) for value in good)
    assert all(parameters.mismatch(value, annotation) for value in bad)


@pytest.mark.parametrize(
    "line", ["seeds = 1", "seeds: int = 1 + 1", "cfg: dict = dict(a=1)", "import os", "seeds: int"]
)
def test_a_parameters_cell_holds_typed_literals_only(line):
    with pytest.raises(ValueError, match="name: type = literal"):
        parameters.parse(line, "test")


def test_a_default_must_have_its_own_type():
    with pytest.raises(ValueError, match="the default of 'seeds' should be int"):
        parameters.parse('seeds: int = "1"', "test")


def test_command_line_values_follow_the_annotation():
    assert parameters.from_text("1e-3", KNOWN["rate"]) == 0.001
    assert parameters.from_text("3", KNOWN["profile"]) == "3"
    assert parameters.from_text("['a']", KNOWN["tasks"]) == ["a"]


def test_profile_with_unknown_chapter_or_name(folder):
    with pytest.raises(ValueError, match="no profile 'quik': use one of smoke"):
        parameters.profile("quik", folder)
    (folder / "profiles" / "smoke.yaml").write_text("01_dynamic: {}\n")
    with pytest.raises(ValueError, match="unknown chapter '01_dynamic'; valid names are 00_both_papers"):
        parameters.profile("smoke", folder)


def test_every_committed_profile_fits_every_committed_chapter():
    for name in ("smoke", "quick", "recorded", "paper", "one_cycle"):
        for chapter in ledger.CHAPTERS:
            if (parameters.NOTEBOOKS / f"{chapter}.ipynb").exists():
                injected, complete = parameters.resolve(chapter, name, {})
                assert injected["profile"] == complete["profile"] == name


def test_profiles_set_the_same_parameters_and_chapters_show_the_recorded_ones():
    sections = [parameters.profile(name) for name in ("recorded", "smoke", "quick", "paper", "one_cycle")]
    for chapter in ledger.CHAPTERS:
        if (path := parameters.NOTEBOOKS / f"{chapter}.ipynb").exists():
            # What one profile sets would be another's default once its outputs are published.
            assert all(set(section[chapter]) == set(sections[0][chapter]) for section in sections), chapter
            shown = {name: parameter.default for name, parameter in parameters.read(path).items()}
            assert shown == parameters.resolve(chapter, "recorded", {})[1], chapter


def test_values_take_the_place_of_literals_and_comments_stay():
    cell = 'a: int = 1  # steps, 1\nb: list[str] = [\n    "x",  # é\n]  # é\nc: bool = True\nd: str = "µ = 1"'
    values = {"a": 20, "b": ["y", "z"], "c": False, "d": "ü", "e": 3}
    made = parameters.fill(cell, values)
    assert made == 'a: int = 20  # steps, 1\nb: list[str] = ["y", "z"]  # é\nc: bool = False\nd: str = "ü"'
    assert parameters.fill(made, {}) == made


def test_wrong_parameter_stops_before_anything_starts(folder, results_in):
    with pytest.raises(ValueError, match="unknown parameter 'seed'"):
        chapters.run(["01_dynamics"], "smoke", {"seed": "3"}, 1, folder)
    assert not results_in.exists()


def test_a_chapter_runs_with_profile_and_overrides(folder, results_in, capsys):
    before = (folder / "01_dynamics.ipynb").read_bytes()
    assert chapters.run(["01_dynamics"], "smoke", {"rate": "1e-3"}, 1, folder) == 0
    produced = list((results_in / "smoke" / "notebooks").iterdir())
    assert [path.name for path in produced] == ["01_dynamics.ipynb"]
    executed = nbformat.read(produced[0], as_version=4)
    assert executed.cells[-1].outputs[0].text == "seeds 2 notebooks\n"
    assert executed.cells[1].source == CELL.replace("= 1  #", "= 2  #").replace("0.1", "0.001")
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in executed.cells)
    assert (folder / "01_dynamics.ipynb").read_bytes() == before


def test_a_failing_chapter_leaves_only_the_failed_copy(folder, results_in, capsys):
    nbformat.write(notebook("raise RuntimeError('no such neuron')"), folder / "01_dynamics.ipynb")
    output = results_in / "smoke" / "notebooks"
    output.mkdir(parents=True)
    (output / "01_dynamics.ipynb").write_text("from an earlier run")
    assert chapters.run(["01_dynamics"], "smoke", {}, 1, folder) == 1
    assert [path.name for path in output.iterdir()] == ["01_dynamics.failed.ipynb"]
    said = capsys.readouterr().err
    assert "RuntimeError: no such neuron" in said and len(said.splitlines()) < 6


def test_wrong_input_ends_with_status_2_and_one_line(capsys):
    assert chapters.main(["run", "09"]) == 2
    assert capsys.readouterr().err.startswith("There is no chapter '09': use one of 00_both_papers")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["all", "nonsense"], "`all nonsense`: all stands alone"),
        (["all", "07"], "`all 07`: all stands alone"),
        (["05", "-p", "seeds", "2", "-p", "seeds", "3"], "-p: 'seeds' is set more than once; leave one."),
        (["05", "--train", "-p", "train", "false"], "-p: 'train' is set more than once (--train is one)"),
        (["08", "-p", "search", "['timitt']"], "08_time: search is ['timitt']; choose one or more of tidig"),
    ],
)
def test_a_word_that_would_be_dropped_in_silence_is_refused(capsys, words, sentence):
    assert chapters.main(["plan", *words, "--profile", "smoke"]) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_a_mistyped_data_folder_is_named_before_anything_is_planned(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "DATA", tmp_path / "nowhere")
    assert chapters.main(["plan", "05", "--profile", "smoke"]) == 2
    assert capsys.readouterr().err.startswith(f"SNN_DATA names {tmp_path / 'nowhere'}, which is no folder; ")


def executed_copy(chapter):
    """What papermill makes of `chapter`: the values that it was run with, timings, paths."""
    copy = nbformat.from_dict(chapter)
    copy.metadata.papermill = {"input_path": "/home/me/x.ipynb", "duration": 1.0}
    copy.cells[1].source = parameters.fill(copy.cells[1].source, {"profile": "quick", "seeds": 2})
    for count, cell in enumerate((cell for cell in copy.cells if cell.cell_type == "code"), start=1):
        cell.execution_count, cell.metadata.execution = count, {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    copy.cells[-1].outputs = [
        new_output("stream", name="stderr", text="/home/me/lib.py: warning"),
        new_output(
            "execute_result", data={"text/plain": "42"}, execution_count=3, metadata={"needs": "nothing"}
        ),
    ]
    return copy


def test_publishing_takes_outputs_and_strips_the_run():
    chapter = notebook("40 + 2")
    merged = publishing.merge(chapter, executed_copy(notebook("40 + 2")), "01_dynamics")
    assert [cell.id for cell in merged.cells] == [cell.id for cell in chapter.cells]
    assert "papermill" not in merged.metadata
    (result,) = merged.cells[-1].outputs
    assert (result.data["text/plain"], result.execution_count, result.metadata) == ("42", 2, {})
    assert [cell.execution_count for cell in merged.cells if cell.cell_type == "code"] == [1, 2]
    ran = CELL.replace("smoke", "quick").replace("= 1  #", "= 2  #")
    assert merged.cells[1].source == ran and not merged.cells[1].outputs
    assert not any("execution" in cell.metadata for cell in merged.cells)
    assert publishing.faults(merged, 1000) == []


def test_publishing_refuses_a_copy_of_another_version():
    with pytest.raises(ValueError, match="another version"):
        publishing.merge(notebook("40 + 3"), executed_copy(notebook("40 + 2")), "01_dynamics")


def test_publish_writes_good_chapters_and_leaves_faulty_ones(folder, results_in, capsys):
    output = results_in / "quick" / "notebooks"
    output.mkdir(parents=True)
    copy = executed_copy(nbformat.read(folder / "01_dynamics.ipynb", as_version=4))
    nbformat.write(copy, output / "01_dynamics.ipynb")
    assert publishing.publish("quick", folder) == 0
    assert (
        nbformat.read(folder / "01_dynamics.ipynb", as_version=4).cells[-1].outputs[0].data["text/plain"]
        == "42"
    )
    before = (folder / "01_dynamics.ipynb").read_bytes()
    copy.cells[-1].outputs[1].data["text/plain"] = str(paths.ROOT / "data")
    nbformat.write(copy, output / "01_dynamics.ipynb")
    assert publishing.publish("quick", folder) == 1
    assert (folder / "01_dynamics.ipynb").read_bytes() == before
    assert "absolute path" in capsys.readouterr().err


def broken(change):
    made = notebook("1", cell=CELL.replace("smoke", "recorded"))
    change(made)
    return made


def output(text):
    return [new_output("stream", text=text)]


def table(columns):
    html = pd.DataFrame([[0] * len(columns)], columns=columns, index=["fashion_mnist"]).to_html()
    return [new_output("display_data", data={"text/html": html})]


def test_a_narrow_table_with_heads_in_words_is_no_fault():
    made = broken(lambda n: n.cells[-1].update(outputs=table(["theta_a", "2-FS", *"abcdef"])))
    assert publishing.faults(made, 1000) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda n: n.cells[-1].update(outputs=[new_output("error", ename="E", evalue="", traceback=[])]),
            "error output",
        ),
        (lambda n: n.cells[-1].update(outputs=output(f"in {paths.ROOT}/snnlib")), "absolute path"),
        (lambda n: n.cells[-1].update(outputs=output(f"in {Path.home()}")), "absolute path"),
        (lambda n: n.cells[-1].update(outputs=output("'/home/someone/data'")), "absolute path /home/someone"),
        (lambda n: n.cells[-1].update(source="open('/tmp/x')"), "absolute path /tmp/x"),
        (lambda n: n.cells[-1].update(source="x = 1\n" * 26), "has 26 lines"),
        (lambda n: n.cells[1].metadata.update(tags=[]), "0 cells are tagged"),
        (lambda n: n.cells.append(new_code_cell("2")), "no markdown cell before it"),
        (lambda n: n.cells[-1].metadata.update(tags=["injected-parameters"]), "injected by papermill"),
        (lambda n: n.metadata.update(papermill={}), "metadata tells of a run"),
        (
            lambda n: (n.cells[1].update(source=CELL), n.cells[-1].update(outputs=output("3"))),
            "holds outputs of the smoke profile",
        ),
        (lambda n: n.cells[-1].update(outputs=table(range(9))), "a table of 9 columns; 8 are the most"),
        (lambda n: n.cells[-1].update(source="x = 1  # " + "x" * 110), "a line of 119 characters"),
        (lambda n: n.cells[-1].update(outputs=table(["n", "train_samples"])), "train_samples, as a table's"),
    ],
)
def test_check_finds_each_fault(change, fault):
    found = publishing.faults(broken(change), 1000)
    assert len(found) == 1 and fault in found[0], found


def test_check_finds_a_large_file_and_passes_a_good_one():
    assert publishing.faults(notebook("1"), 1000) == []
    assert "MB" in publishing.faults(notebook("1"), 1_600_000)[0]


def test_check_asks_for_outputs(folder, capsys):
    publishing.check(None, folder)
    assert "01_dynamics.ipynb: holds no outputs; run `make 01`" in capsys.readouterr().err
    nbformat.write(broken(lambda n: n.cells[-1].update(outputs=output("3"))), folder / "01_dynamics.ipynb")
    publishing.check(None, folder)
    assert "01_dynamics" not in capsys.readouterr().err


def test_links_and_pictures_are_no_paths():
    made = broken(lambda n: None)
    made.cells[0].source = "see https://example.org/home/page and notebooks/profiles, 1/2, /s"
    made.cells[-1].outputs = [
        new_output("display_data", data={"image/png": "aGk/home/xyz/abc", "text/plain": "<Figure>"})
    ]
    assert publishing.faults(made, 1000) == []


def test_check_asks_for_every_artefact_of_the_ledger(folder, results_in, capsys):
    missing = publishing.missing_artefacts("smoke")
    figures, tables = (sum(map(len, table.values())) for table in (ledger.FIGURES, ledger.TABLES))
    assert len(missing) == 3 * figures + 2 * tables
    (results_in / "smoke" / "figures").mkdir(parents=True)
    (results_in / "smoke" / "figures" / "mdn_fig4.png").touch()
    assert len(publishing.missing_artefacts("smoke")) == len(missing) - 1
    assert publishing.check("smoke", folder) == 1
    said = capsys.readouterr()
    assert "results/smoke/tables/mdn_table3.csv was not made" in said.err
    assert re.search(rf"check: {len(ledger.CHAPTERS)} chapters, \d+ artefacts, \d+ faults", said.out)


def test_a_dead_kernel_leaves_no_older_copy(folder, tmp_path, results_in):
    nbformat.write(notebook("import os\nos._exit(1)"), folder / "01_dynamics.ipynb")
    old = results_in / "smoke" / "notebooks" / "01_dynamics.ipynb"
    stale = results_in / "smoke" / "figures" / "mdn_fig4.png"
    for path in (old, stale):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("an earlier run")
    assert chapters.run(["01_dynamics"], "smoke", {}, 1, folder) == 1
    assert not list(old.parent.iterdir()) and not stale.exists()


def test_a_chapter_that_fails_before_it_is_drawn_leaves_nothing_of_an_earlier_run(
    folder, results_in, monkeypatch
):
    old = [results_in / "smoke" / name for name in ("notebooks/01_dynamics.ipynb", "figures/mdn_fig4.png")]
    for path in old:
        path.parent.mkdir(parents=True)
        path.write_text("an earlier run")
    monkeypatch.setattr(run.planned, "evaluate", lambda *_: 1 / 0)
    assert chapters.run(["01_dynamics"], "smoke", {}, 1, folder) == 1
    assert not any(path.exists() for path in old)
    assert report.build("smoke").count("Left out: the chapter failed.") == len(ledger.stems("01_dynamics"))


def test_a_chapter_that_fails_in_the_middle_keeps_what_it_has_drawn(folder, results_in, monkeypatch):
    drawn = results_in / "smoke" / "figures" / "mdn_fig4.png"

    def fails(*_):
        drawn.parent.mkdir(parents=True)
        drawn.write_text("this run")
        raise RuntimeError("no such neuron")

    monkeypatch.setattr(run, "execute_notebook", fails)
    assert chapters.run(["01_dynamics"], "smoke", {}, 1, folder) == 1
    reasons = {path.stem for path in (results_in / "smoke" / "missing").iterdir()}
    assert drawn.exists() and reasons == {*ledger.stems("01_dynamics")} - {"mdn_fig4"}


def test_negative_values_and_broken_yaml_are_refused(folder):
    with pytest.raises(ValueError, match="'seeds' is -1; it must be 0 or more"):
        parameters.check({"seeds": -1}, KNOWN, "test")
    widths = {"widths": parameters.Parameter("list[int]", [8])}
    with pytest.raises(ValueError, match="'widths' holds 0; each item must be 1 or more"):
        parameters.check({"widths": [8, 0]}, widths, "test")
    assert parameters.check({"widths": []}, widths, "test") == {"widths": []}
    (folder / "profiles" / "smoke.yaml").write_text("01_dynamics:\n\tseeds: 2\n")
    with pytest.raises(ValueError, match="smoke.yaml is not valid YAML"):
        parameters.profile("smoke", folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("01_dynamics:\n  seeds: 2\n  seeds: 9\n", "line 3: 'seeds' stands there twice"),
        ("01_dynamics: {}\n01_dynamics:\n  seeds: 3\n", "line 2: '01_dynamics' stands there twice"),
        ("01_dynamics:\n  seeds: 010\n", "line 2: YAML takes 010 for 8"),
        ("01_dynamics:\n  seeds: 1:30\n", "line 2: YAML takes 1:30 for 90"),
        ("01_dynamics:\n  seeds: 0x10\n", "line 2: YAML takes 0x10 for 16"),
        ("01_dynamics:\n  rate: .inf\n", "line 2: YAML takes .inf for inf"),
        ("01_dynamics:\n  tasks: [1_0]\n", "line 2: YAML takes 1_0 for 10"),
        ("# seeds\n# \xe9\n", "line 2, is not UTF-8"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused(folder, text, sentence):
    (folder / "profiles" / "smoke.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=f"smoke.yaml, {sentence}"):
        parameters.profile("smoke", folder)


def test_numbers_that_yaml_reads_as_they_look_pass(folder):
    (folder / "profiles" / "smoke.yaml").write_text("01_dynamics: {seeds: 12, rate: 1.0e-3, tasks: ['010']}")
    assert parameters.profile("smoke", folder)["01_dynamics"] == {"seeds": 12, "rate": 1e-3, "tasks": ["010"]}


def test_a_parameters_cell_that_is_no_python_or_says_a_thing_twice_is_named(folder):
    with pytest.raises(ValueError, match="test: line 2 of the parameters cell is not Python"):
        parameters.parse("seeds: int = 1\nrate: float =", "test")
    with pytest.raises(ValueError, match="test: 'seeds' stands twice"):
        parameters.parse("seeds: int = 1\nseeds: int = 2", "test")
    with pytest.raises(ValueError, match="'rate' is inf; it must be a finite number"):
        parameters.check({"rate": parameters.from_text("1e999", KNOWN["rate"])}, KNOWN, "-p")
    for text in ("", "{half", "[]", "{}", "\xff"):
        (folder / "01_dynamics.ipynb").write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match="01_dynamics.ipynb is no notebook"):
            parameters.load(folder / "01_dynamics.ipynb")
    assert publishing.check(None, folder) == 1
    with pytest.raises(ValueError, match="01_dynamics.ipynb is no notebook"):
        parameters.read(folder / "01_dynamics.ipynb")


def test_a_chapter_runs_in_a_folder_with_braces(folder, tmp_path, monkeypatch):
    place = folder.rename(tmp_path / "course {x} {0} {{")
    monkeypatch.setattr(paths, "results", lambda profile: place / "results" / profile)
    assert chapters.run(["01_dynamics"], "smoke", {}, 1, place) == 0
    assert [path.name for path in (place / "results/smoke/notebooks").iterdir()] == ["01_dynamics.ipynb"]


def test_places_where_nothing_can_work_are_told_before_a_start(folder, results_in, monkeypatch):
    results_in.write_text("a file")
    with pytest.raises(OSError, match="a file is where a folder belongs"):
        chapters.run(["01_dynamics"], "smoke", {}, 1, folder)
    monkeypatch.setattr(run.resource, "getrlimit", lambda _: (40, 40))
    with pytest.raises(ValueError, match="Only 40 files may be open at once here.*ulimit -n"):
        chapters.run(["01_dynamics"], "smoke", {}, 1, folder)
    monkeypatch.setattr(paths, "ROOT", Path("/home/a:b"))
    with pytest.raises(ValueError, match="a search path, which /home/a:b would split"):
        chapters.run(["01_dynamics"], "smoke", {}, 1, folder)


def test_generated_neurons_bring_their_chapter(monkeypatch, results_in):
    plans = {"03_transfer": ({}, {"neuron_source": "generated"})}
    made = run._with_generation(plans, "smoke", parameters.NOTEBOOKS)
    assert list(made) == ["02_mdn_generation", "03_transfer"]
    (results_in / "smoke" / "tables").mkdir(parents=True)
    (results_in / "smoke" / "tables" / "mdn_table2.csv").touch()
    assert list(run._with_generation(plans, "smoke", parameters.NOTEBOOKS)) == ["03_transfer"]
