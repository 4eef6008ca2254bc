"""Downloads from a server that runs here: whole or not at all, and quick to give up."""

import http.server
import re
import socket
import threading
import time
import zipfile

import pytest

from snnlib.datasets import fetch

from .data_files import empty_root  # noqa: F401


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    released = threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def copyfile(self, source, output):
            """What is called "short" ends after 1,000 bytes, what is called "stalled" never does."""
            if not re.search("short|stalled", self.path):
                return super().copyfile(source, output)
            output.write(source.read(1000))
            output.flush()
            if "stalled" in self.path:
                released.wait(30)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        released.set()
        running.shutdown()


def use_url(monkeypatch, name, url, get=None):
    known = fetch.DOWNLOADS[name]
    monkeypatch.setitem(fetch.DOWNLOADS, name, fetch.Download(1, url, get or known.get))


def test_fetch_checks_and_installs(server, root, monkeypatch):
    folder, url = server
    monkeypatch.setattr(fetch, "FSDD", url + "fsdd.zip")
    use_url(monkeypatch, "tidigits", url + "fsdd.zip")
    said = []
    with zipfile.ZipFile(folder / "fsdd.zip", "w") as z:
        z.writestr("x/recordings/0_ann_0.wav", b"RIFF")
    assert (
        fetch.fetch(["fsdd"], said.append) == {"tidigits": False} and "3,000 recordings, found 1" in said[-1]
    )
    with zipfile.ZipFile(folder / "fsdd.zip", "w") as z:
        for i in range(3000):
            z.writestr(f"x/recordings/{i % 10}_ann_{i}.wav", b"RIFF")
    assert fetch.fetch(["fsdd"], said.append) == {"tidigits": True} and "differs" in said[-1]
    assert len(list((root / "FSDD/recordings").iterdir())) == 3000
    assert not list(root.glob(".fetch-*")) and not list(root.glob("*.zip"))
    fetch.fetch(["tidigits"], said.append)
    assert said[-1] == "tidigits: already there (open set)"


def test_fetch_leaves_nothing_partial(server, root, monkeypatch):
    folder, url = server
    monkeypatch.setattr(fetch, "UCI", url)
    use_url(monkeypatch, "nettalk", url + "nettalk.data")
    (folder / "nettalk.data").write_text("<html>moved</html>")
    said = []
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False}
    assert re.search("nettalk: not fetched .*20,008 entries", said[-1])
    assert [p.name for p in root.iterdir() if p.name != "cache"] == []


@pytest.mark.parametrize("how", ["short", "stalled"])
def test_a_download_that_ends_early_or_stalls_is_no_download(server, root, monkeypatch, how):
    """Well-formed as far as it came, and with no checksum to tell: only its length says that it is cut."""
    folder, url = server
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(fetch, "UCI", url + how + "/")
    monkeypatch.setattr(fetch.nettalk, "read_dictionary", lambda file: [file] * 20008)
    use_url(monkeypatch, "nettalk", url)
    (folder / how).mkdir()
    (folder / how / "nettalk.data").write_bytes(b"x" * 5000)
    said = []
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": False} and "not fetched" in said[-1]
    assert [p.name for p in root.iterdir() if p.name != "cache"] == []
    monkeypatch.setattr(fetch, "UCI", url + "whole/")
    (folder / how).rename(folder / "whole")
    assert fetch.fetch(["nettalk"], said.append) == {"nettalk": True}
    assert (root / "NETtalk" / "nettalk.data").stat().st_size == 5000
    assert [p.name for p in (root / "NETtalk").iterdir()] == ["nettalk.data"]  # nettalk.list is not there


def test_without_a_network_nothing_is_tried_and_it_is_said_once(monkeypatch):
    tried = []
    for name in ("mnist", "nettalk", "tidigits", "cifar10", "fashion_mnist"):
        use_url(monkeypatch, name, "http://127.0.0.1:9/refused", tried.append)
    said = []
    outcome = fetch.fetch([], said.append)
    assert not tried and not any(outcome.values()) and len(outcome) == 5
    assert sum(line.startswith("No network") for line in said) == 1 and len(said) == 6


def test_a_black_hole_costs_no_more_than_the_probe(monkeypatch):
    monkeypatch.setattr(fetch, "PROBE_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        started = time.monotonic()
        answers = fetch.probe({str(i): f"http://127.0.0.1:{silent.getsockname()[1]}/" for i in range(20)})
    assert all(answers.values()) and time.monotonic() - started < 20  # one after the other: 40


def test_fetch_names_what_it_knows(capsys):
    from snnlib.datasets.__main__ import main

    with pytest.raises(ValueError, match="unknown data set 'mnits'"):
        fetch.fetch(["mnits"])
    assert fetch.fetch(["timit"], lambda line: None) == {"timit": False}
    assert main(["list"]) == 0 and "mnist: stand-in" in capsys.readouterr().out
