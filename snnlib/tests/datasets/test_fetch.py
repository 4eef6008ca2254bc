"""Downloads from a server that runs here: whole or not at all, and quick to give up."""

import contextlib
import hashlib
import http.server
import os
import re
import shutil
import socket
import threading
import time
import zipfile
from types import SimpleNamespace

import pytest

from snnlib import datasets, paths
from snnlib.datasets import download, fetch
from snnlib.datasets.__main__ import main

from .data_files import empty_root, write_wave  # noqa: F401


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A mirror of the data root: the folder that it serves and the paths that were asked for."""
    folder = tmp_path / "server"
    folder.mkdir()
    released, asked = threading.Event(), []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def do_GET(self):
            asked.append(self.path)
            if "endless" not in self.path:
                return super().do_GET()
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not released.is_set():
                    self.wfile.write(bytes(1 << 20))

        def copyfile(self, source, output):
            """What is called "short" lacks its last line, "stalled" stops in the middle, "dripping" goes on
            by single bytes and "slow" waits in the middle until it is released."""
            data = source.read()
            cut = {"short": len(data) - 20, "whole": len(data)}.get(self.path.split("/")[1], len(data) // 2)
            output.write(data[:cut])
            output.flush()
            if "stalled" in self.path or "slow" in self.path:
                released.wait(30)
            if "slow" in self.path:
                output.write(data[cut:])
            with contextlib.suppress(OSError):
                while "dripping" in self.path and not released.wait(0.05):
                    output.write(b"x")
                    output.flush()

        def log_message(self, *args):
            pass

    def mirror(how: str):
        (folder / how).mkdir(exist_ok=True)
        monkeypatch.setenv("SNN_MIRROR", f"http://127.0.0.1:{running.server_port}/{how}")
        return folder / how

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield SimpleNamespace(mirror=mirror, released=released, asked=asked)
        released.set()
        running.shutdown()


def entries(root) -> list[str]:
    return [path.name for path in root.iterdir() if path.name != "cache"]


def put_dictionary(mirror, words=20_008):
    (mirror / "NETtalk").mkdir()
    (mirror / "NETtalk/nettalk.data").write_text("abaft\txb@ft\t0>1<<\t0\n" * words)


def put_digits(mirror, sound: bytes, count=3000):
    (mirror / "FSDD").mkdir(exist_ok=True)
    with zipfile.ZipFile(mirror / "FSDD/master.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for i in range(count):
            z.writestr(f"x/recordings/{i % 10}_ann_{i}.wav", sound)
        z.writestr("x/../../evil.wav", sound)


def test_what_is_fetched_is_compared_with_what_is_known(server, root, tmp_path, monkeypatch):
    mirror, said = server.mirror("whole"), []
    monkeypatch.setattr(fetch, "load", lambda *args: None)  # to read 3,000 recordings takes long
    write_wave(tmp_path / "a.wav", 0.1)
    sound = (tmp_path / "a.wav").read_bytes()
    for rubbish, count, words in (
        (sound, 1, "3,000 recordings, found 1"),
        (b"RIFF", 3000, "the content known"),
    ):
        put_digits(mirror, rubbish, count)
        assert fetch.fetch(["fsdd"], said.append) == {"tidigits": False}
        assert words in said[-1] and entries(root) == []
    put_digits(mirror, sound)
    row = hashlib.sha256(sound).hexdigest()
    names = sorted(f"{i % 10}_ann_{i}.wav" for i in range(3000))
    known = hashlib.sha256("".join(f"{name}\0{row}\n" for name in names).encode()).hexdigest()
    monkeypatch.setattr(fetch, "FSDD_CONTENT", known)
    assert fetch.fetch(["fsdd"], said.append) == {"tidigits": True} and "content as known" in said[-1]
    assert len(list((root / "FSDD/recordings").iterdir())) == 3000 and entries(root) == ["FSDD"]
    fetch.fetch(["tidigits"], said.append)
    assert said[-1] == "tidigits: already there (open set)"
    # An archive that unpacks to far more than recordings have is not unpacked.
    put_digits(mirror, bytes(40_000))
    shutil.rmtree(root / "FSDD")
    assert fetch.fetch(["fsdd"], said.append) == {"tidigits": False} and "found more than 100" in said[-1]


def test_fetch_leaves_nothing_partial(server, root):
    mirror, said = server.mirror("whole"), []
    put_dictionary(mirror, 0)
    (mirror / "NETtalk/nettalk.data").write_text("<html>moved</html>")
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False}
    assert re.search("nettalk: not fetched .*20,008 entries", said[-1]) and entries(root) == []


@pytest.mark.parametrize("how", ["short", "stalled", "dripping", "endless"])
def test_a_download_that_ends_early_or_never_is_no_download(server, root, monkeypatch, how):
    """ "short" is well-formed as far as it came, with no checksum to tell: only its length says that it is
    cut."""
    monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(download, "SLOWEST", (2_000, 0.3))
    put_dictionary(server.mirror(how))
    said = []
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False}
    words = {
        "short": "ended after",
        "stalled": "timed out",
        "dripping": "less than 2,000",
        "endless": "20 MB",
    }
    assert words[how] in said[-1] and entries(root) == []


def test_what_is_damaged_is_fetched_again_by_name(server, root):
    mirror, said = server.mirror("whole"), []
    put_dictionary(mirror)
    (mirror / "NETtalk/nettalk.list").write_text("<html>the moved abaft page</html>")
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": True} and "without nettalk.list" in said[-1]
    assert entries(root / "NETtalk") == ["nettalk.data"]
    file = root / "NETtalk/nettalk.data"
    file.write_text(file.read_text()[:100_010])  # in the middle of a line
    with pytest.raises(ValueError, match="line .*make data SETS=nettalk"):
        datasets.identify("nettalk")
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": True} and "fetched in" in said[-1]
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": True} and "already there" in said[-1]
    (root / "NETtalk/nettalk_small.mat").write_bytes(b"cut")  # comes from elsewhere: fetching cannot mend it
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False} and "nettalk_small.mat" in said[-1]


def test_an_archive_that_cannot_be_read_is_fetched(root, tmp_path, monkeypatch):
    def asked(folder, file, *_):
        raise OSError(f"asked for {file}")

    monkeypatch.setattr(fetch, "download", asked)
    (root / "NMNIST").mkdir()
    (root / "NMNIST/train.zip").touch()
    with pytest.raises(OSError, match="asked for NMNIST/train.zip"):
        fetch.DOWNLOADS["n_mnist"].get(tmp_path)


def test_a_second_fetch_waits_for_the_first(server, root):
    put_dictionary(server.mirror("slow"))
    (root / ".fetch-dead").mkdir()  # of a fetch that was killed
    outcomes, said = [], []

    def one():
        outcomes.append(fetch.fetch(["nettalk"], said.append))

    first, second = (threading.Thread(target=one) for _ in range(2))
    first.start()
    while not server.asked:
        time.sleep(0.01)
    second.start()
    while not any(line.startswith("Another fetch") for line in said):
        time.sleep(0.01)
    server.released.set()
    for thread in (first, second):
        thread.join()
    assert outcomes == [{"nettalk": True}] * 2 and said[-1] == "nettalk: already there (part)"
    assert sum(path.endswith("nettalk.data") for path in server.asked) == 1 and entries(root) == ["NETtalk"]


def test_a_mistyped_data_root_is_not_made(root, monkeypatch):
    wrong = root / "tpyo"
    monkeypatch.setattr(paths, "DATA", wrong)
    assert datasets.load("nettalk").passport.source == "stand-in"
    with pytest.raises(ValueError, match="tpyo is no folder.*SNN_DATA"):
        fetch.fetch()
    assert not wrong.exists()


def test_what_was_not_fetched_is_tried_again(root, tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_MIRROR", str(tmp_path / "nowhere"))
    assert main(["fetch", "--stamp", str(tmp_path / "stamp")]) == 0 and not (tmp_path / "stamp").exists()
    monkeypatch.setattr("snnlib.datasets.__main__.fetch", lambda names: {"mnist": True})
    assert main(["fetch", "--stamp", str(tmp_path / "stamp"), "mnist"]) == 0
    assert not (tmp_path / "stamp").exists()  # one set by name is not all of them
    assert main(["fetch", "--stamp", str(tmp_path / "stamp")]) == 0 and (tmp_path / "stamp").exists()


def test_without_a_network_nothing_is_tried_and_it_is_said_once(monkeypatch):
    tried = []
    for name in ("mnist", "nettalk", "tidigits", "cifar10", "fashion_mnist"):
        monkeypatch.setitem(
            fetch.DOWNLOADS, name, fetch.Download(1, "", "http://127.0.0.1:9/refused", tried.append)
        )
    said = []
    outcome = fetch.fetch([], said.append)
    assert not tried and not any(outcome.values()) and len(outcome) == 5
    assert sum(line.startswith("No network") for line in said) == 1 and len(said) == 6


@pytest.mark.parametrize(
    ("mirror", "words"),
    [
        ("http://127.0.0.1:9", "The mirror http://127.0.0.1:9 (SNN_MIRROR) does not answer; going on"),
        ("{tmp}/nowhere", "nettalk: not fetched (there is no {tmp}/nowhere/NETtalk/nettalk.data); the"),
        ("{server}", "nettalk: not fetched (the server says 404 File not found); the labelled"),
    ],
)
def test_a_mirror_that_gives_nothing_is_no_missing_network(
    mirror, words, server, root, tmp_path, monkeypatch
):
    server.mirror("whole")
    address = mirror.format(tmp=tmp_path, server=os.environ["SNN_MIRROR"])
    monkeypatch.setenv("SNN_MIRROR", address)
    said = []
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False}
    assert said[0].startswith(words.format(tmp=tmp_path)) and "No network" not in "".join(said)


def test_a_black_hole_costs_no_more_than_the_probe(monkeypatch):
    monkeypatch.setattr(download, "PROBE_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        started = time.monotonic()
        answers = download.probe({str(i): f"http://127.0.0.1:{silent.getsockname()[1]}/" for i in range(20)})
    assert all(answers.values()) and time.monotonic() - started < 20  # one after the other: 40


def test_fetch_names_what_it_knows(capsys):
    with pytest.raises(ValueError, match="unknown data set 'mnits'"):
        fetch.fetch(["mnits"])
    assert fetch.fetch(["timit"], lambda line: None) == {"timit": False}
    assert main(["list"]) == 0 and "mnist: stand-in" in capsys.readouterr().out
