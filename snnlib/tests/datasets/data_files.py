"""An empty data root, and small files in the official formats of the data sets."""

import gzip
import hashlib
import pickle
import struct
import wave

import numpy as np
import pytest
from scipy.io import savemat

from snnlib import paths
from snnlib.datasets import images, series
from snnlib.datasets.standins_events import EVENT


@pytest.fixture(autouse=True, name="root")
def empty_root(tmp_path, monkeypatch):
    return use_root(tmp_path, monkeypatch)


def use_root(tmp_path, monkeypatch):
    """An empty data root; no distribution package; no cache from outside."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(images, "DEBIAN_FASHION", tmp_path / "package")
    monkeypatch.setattr(series, "find_spec", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_ts(folder, name, channels, lengths, labels, seed=0):
    """Two .ts files; ``lengths``: steps of each clip of each, whose labels come in turn."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for part, steps in zip(("TRAIN", "TEST"), lengths, strict=True):
        head = ["# made up", f"@problemName {name}", f"@classLabel true {' '.join(labels)}", "@data"]
        for i, n in enumerate(steps):
            clip = [",".join(f"{v:.4f}" for v in channel) for channel in rng.normal(size=(channels, n))]
            head.append(":".join([*clip, labels[i % len(labels)]]))
        (folder / f"{name}_{part}.ts").write_text("\n".join(head))


def write_mnist(folder, monkeypatch, name="MNIST", packed=True, n=20):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    contents = [
        idx(rng.integers(0, 256, (n, 28, 28), np.uint8)),
        idx((np.arange(n) % 10).astype(np.uint8)),
    ] * 2
    for base, data in zip(images.IDX, contents, strict=True):
        (folder / (base + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    digests = tuple(hashlib.sha256(data).hexdigest() for data in contents)
    monkeypatch.setitem(images.CONTENT, name, digests)
    return np.frombuffer(contents[0][16:], np.uint8).reshape(n, 1, 28, 28)


def write_cifar10(root, n=4):
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in images.BATCHES:
        batch = {"data": rng.integers(0, 256, (n, 3072), np.uint8), "labels": list(range(n))}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def write_wave(path, seconds=0.4, rate=8000, pitch=200.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes((samples * 32767).astype("<i2").tobytes())


def write_sphere(path, count=8000, rate=20000, coding="pcm", missing=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {"channel_count": 1, "sample_count": count, "sample_rate": rate, "sample_n_bytes": 2}
    head = "NIST_1A\n   1024\n" + "".join(f"{name} -i {value}\n" for name, value in fields.items())
    head += "sample_byte_format -s2 01\nsample_sig_bits -i 16\n"
    head += f"sample_coding -s{len(coding)} {coding}\nend_head\n"
    samples = (8000 * np.sin(np.arange(count - missing) / 5)).astype("<i2")
    path.write_bytes(head.encode().ljust(1024) + samples.tobytes())


LIBRI = [f"{i}.wav,s{i},{'FM'[i % 2]},{'train' if i < 2 else 'test'}\n" for i in range(4)]


def write_libri(root, rows=LIBRI, head="file,speaker,gender,subset\n", coding="utf-8"):
    folder = root / "LibriSpeechGender"
    for i in range(4):
        write_wave(folder / "clips" / f"{i}.wav", 0.5, 16000, pitch=200 + 30 * i)
    (folder / "clips.csv").write_bytes((head + "".join(rows)).encode(coding))


def write_dictionary(root, words=400):
    (root / "NETtalk").mkdir(parents=True)
    rows = ["nettalk.data -- a header\n", "\n"] + [
        "aardvark\ta-rdvark\t1<<<>2<<\t0\n",
        "abaft\txb@ft\t0>1<<\t0 \n",
    ] * words
    (root / "NETtalk" / "nettalk.data").write_text("".join(rows))


def write_authors(root):
    """Windows as in the authors' file; ten of the test windows are training windows too."""
    file = root / "NETtalk/nettalk_small.mat"
    file.parent.mkdir()
    x, y = np.eye(189, dtype=np.uint8), np.zeros((189, 26), np.uint8)
    savemat(file, {"train_x": x[:100], "train_y": y[:100], "test_x": x[90:120], "test_y": y[90:120]})
    return file


def random_events(count: int, sensor: int = 34, seed: int = 0, last_us: int = 310_000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["x"], events["y"] = rng.integers(sensor, size=(2, count))
    events["t"] = np.sort(rng.integers(last_us, size=count))
    events["p"] = rng.integers(2, size=count)
    return events


def write_nmnist(path, events):
    raw = np.zeros((len(events), 5), np.uint8)
    raw[:, 0], raw[:, 1] = events["x"], events["y"]
    raw[:, 2] = events["p"].astype(np.uint8) << 7 | (events["t"] >> 16).astype(np.uint8)
    raw[:, 3], raw[:, 4] = events["t"] >> 8 & 255, events["t"] & 255
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw.tobytes())


def write_gesture(path, events):
    """As tonic's authors store a recording: rows of x, y, polarity and time in ms."""
    rows = np.stack([events["x"], events["y"], events["p"], events["t"] // 1000], 1).astype(float)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)


def write_aedat4(path, events):
    """One uncompressed packet of events, in the flatbuffers of the AEDAT 4.0 format (little-endian)."""
    info = (
        b'<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/"><node name="0" '
        b'path="/mainloop/Recorder/outInfo/0/"><attr key="compression" type="string">NONE</attr>'
        b'<attr key="originalModuleName" type="string">camera</attr>'
        b'<attr key="originalOutputName" type="string">events</attr>'
        b'<attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>'
        b'<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" '
        b'path="/mainloop/Recorder/outInfo/0/info/"><attr key="sizeX" type="int">128</attr>'
        b'<attr key="sizeY" type="int">128</attr><attr key="source" type="string">camera</attr></node>'
        b"</node></node></dv>"
    )
    head = (
        struct.pack("<I4s6x5Hiiiqi", 24, b"IOHE", 10, 20, 4, 12, 8, 10, 0, 12, -1, len(info)) + info + b"\0"
    )
    rows = np.zeros(len(events), "<i8, <i2, <i2, ?, V3")
    rows["f0"], rows["f1"], rows["f2"], rows["f3"] = (events[name] for name in "txyp")
    body = struct.pack("<I4s2x3Hiii", 16, b"EVTS", 6, 8, 4, 6, 4, len(rows)) + rows.tobytes()
    body = struct.pack("<I", len(body)) + body
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(head)) + head + struct.pack("<ii", 0, len(body)) + body
    )
