"""Events: slicing that loses nothing, the two papers' views, tonic's file layouts, the simulated camera."""

import hashlib
import os
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from snnlib import datasets, paths
from snnlib.datasets import event_files, event_frames, events, fetch, registry, standins_events
from snnlib.datasets.event_frames import View, as_bytes, stored_frames, to_frames
from snnlib.datasets.registry import Entry, Located, Source, Split, register
from snnlib.datasets.standins_events import EVENT, GESTURES

from .data_files import random_events, use_root, write_gesture, write_nmnist

MDN = View(34, 36, 20, bin_us=15_000, margin=1, binary=True)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root and no cache from outside; any attempt to download fails the test."""
    import tonic.download_utils

    monkeypatch.delattr(tonic.download_utils, "_urlretrieve")
    return use_root(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory):
    """A data root that keeps its cache from test to test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "DATA", tmp_path_factory.mktemp("data"))
        yield paths.DATA


# ---------------------------------------------------------------- slicing
@pytest.mark.parametrize(("count", "steps"), [(4325, 10), (4320, 10), (7, 20), (3, 10), (1, 1), (101, 20)])
def test_equal_counts_lose_no_event(count, steps):
    """Eq. S1 written out: slice j takes events floor(N/T) j to floor(N/T) (j + 1), the last one the rest."""
    events = random_events(count)
    expected = np.zeros((steps, 2, 34, 34), int)
    for i, event in enumerate(events):
        j = min(i // (count // steps), steps - 1) if count >= steps else steps - 1
        expected[j, int(event["p"]), event["y"], event["x"]] += 1
    frames = to_frames(events, View(34, 34, steps))
    np.testing.assert_array_equal(frames, expected)
    assert frames.sum() == count
    if (count, steps) == (4325, 10):
        assert frames.sum((1, 2, 3)).tolist() == [432] * 9 + [437]


def test_resolution_sums_blocks():
    events = random_events(5000)
    full = to_frames(events, View(34, 34, 10))
    half = to_frames(events, View(34, 17, 10))
    np.testing.assert_array_equal(half, full.reshape(10, 2, 17, 2, 17, 2).sum((3, 5)))
    uneven = to_frames(events, View(34, 16, 10))
    assert uneven.sum() == 5000
    # Every column of the sensor falls into one of the 16, and each of those holds two or three.
    assert sorted(set(np.bincount(np.arange(34) * 16 // 34))) == [2, 3]


def test_mdn_bins_of_15_ms():
    events = random_events(6, last_us=1)
    events["t"] = 0, 14_999, 15_000, 299_999, 300_000, 309_000
    events["x"], events["y"], events["p"] = (0, 33, 1, 2, 3, 4), (0, 33, 5, 6, 7, 8), (0, 1, 1, 0, 1, 1)
    frames = to_frames(events, MDN)
    assert frames.shape == (20, 2, 36, 36)
    kept = [tuple(map(int, place)) for place in np.argwhere(frames)]
    assert kept == [(0, 0, 1, 1), (0, 1, 34, 34), (1, 1, 6, 2), (19, 0, 7, 3)]  # +1 pixel; none after 300 ms
    flat = as_bytes(to_frames(np.repeat(events, 3), MDN), MDN)
    assert flat.shape == (20, 2592) and flat.dtype == np.uint8 and flat.max() == 1 and flat.sum() == 4


def test_events_out_of_order():
    events = random_events(500)
    shuffled = events[np.random.default_rng(1).permutation(500)]
    np.testing.assert_array_equal(to_frames(shuffled, MDN), to_frames(events, MDN))


def test_counts_above_a_byte_are_clipped_and_said(root):
    events = np.zeros(300, EVENT)
    with pytest.warns(UserWarning, match="45 of 300 events are above the 255"):
        frames = stored_frames({"what": "t"}, View(4, 4, 1), lambda i: events, torch.arange(1))
    assert frames.sum() == 255


def test_frames_are_kept_and_a_broken_cache_is_made_again(root):
    view, calls = View(34, 34, 10), []

    def recording(i):
        calls.append(i)
        return random_events(50 + i)

    first = stored_frames({"what": "t"}, view, recording, torch.tensor([2, 5])).clone()
    again = stored_frames({"what": "t"}, view, recording, torch.tensor([2, 5]))
    assert calls == [2, 5] and torch.equal(first, again) and first.sum((1, 2, 3, 4)).tolist() == [52, 55]
    again.zero_()  # copy on write: the file does not change
    assert torch.equal(first, stored_frames({"what": "t"}, view, recording, torch.tensor([2, 5])))
    (file,) = (root / "cache").glob("*.npy")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(first, stored_frames({"what": "t"}, view, recording, torch.tensor([2, 5])))
    assert calls == [2, 5, 2, 5]
    wider = stored_frames({"what": "t"}, replace(view, sensor=40), recording, torch.tensor([2, 5]))
    assert calls == [2, 5] * 3 and not torch.equal(first, wider)  # another view is another file


# ---------------------------------------------------------------- files
@pytest.fixture
def nmnist(root):
    """Five recordings; folders 0, 2 and 4 are missing, so a label cannot be the position of its folder."""
    for n, place in enumerate(("Train/3", "Train/1", "Train/3", "Test/5", "Test/1")):
        write_nmnist(root / "NMNIST" / place / f"{n + 1:05d}.bin", random_events(200 + n, seed=n))
    return root / "NMNIST"


def test_part_of_nmnist(nmnist):
    task = datasets.load("n_mnist", paper="plif")
    assert task.passport.source == "part" and "3 + 2 of 60,000 + 10,000" in task.passport.note
    assert task.train_y.tolist() == [1, 3, 3] and task.test_y.tolist() == [1, 5]
    assert task.train_x.shape == (3, 10, 2, 34, 34) and task.train_x.dtype == torch.uint8
    assert task.train_x.sum((1, 2, 3, 4)).tolist() == [201, 200, 202]
    expected = to_frames(random_events(201, seed=1), View(34, 34, 10))
    assert torch.equal(task.train_x[0], torch.from_numpy(expected).to(torch.uint8))
    x = task.batch(task.train_x, torch.Generator(), train=True)
    assert x.shape == (10, 3, 2, 34, 34) and x.dtype == torch.float32 and x.sum() == 603
    assert datasets.identify("n_mnist").startswith("part:")


def test_mdn_view_of_nmnist(nmnist):
    task = datasets.load("n_mnist", paper="mdn")
    assert task.time_steps == 20 and task.input_shape == (2592,) and task.classes == 10
    assert task.batch(task.test_x, torch.Generator(), train=False).shape == (20, 2, 2592)
    expected = to_frames(random_events(201, seed=1), MDN).clip(max=1).reshape(20, -1)
    assert torch.equal(task.train_x[0], torch.from_numpy(expected).to(torch.uint8))


def test_broken_recordings_are_named(nmnist):
    broken = nmnist / "Train" / "3" / "00003.bin"
    broken.write_bytes(broken.read_bytes()[:-2])
    said = r"00003\.bin: expected a whole N-MNIST.*multiple of 5.*make data SETS=n_mnist"
    with pytest.raises(datasets.SourceError, match=said):
        datasets.load("n_mnist", paper="plif")
    broken.write_bytes(broken.read_bytes()[:500])  # between two events
    with pytest.raises(datasets.SourceError, match=r"00003\.bin.*ends after 1\d\d ms of about 300"):
        datasets.load("n_mnist", paper="plif")
    for file in (nmnist / "Test").rglob("*.bin"):
        file.unlink()
    with pytest.raises(datasets.SourceError, match="Test.*as in the other split"):
        datasets.load("n_mnist")


def test_times_that_begin_late_count_from_the_first_event(root):
    for split in ("Train", "Test"):
        for label, offset in enumerate((0, 200_000, 4_000_000)):
            events = random_events(400)
            events["t"] += offset - events["t"].min()
            write_nmnist(root / "NMNIST" / split / str(label) / "00001.bin", events)
    x = datasets.load("n_mnist", paper="mdn").train_x
    assert torch.equal(x[0], x[1]) and torch.equal(x[0], x[2])


def test_what_lies_elsewhere_is_named_and_not_read(nmnist, recwarn):
    before, labels = datasets.identify("n_mnist"), datasets.load("n_mnist").train_y.tolist()
    for place in ("Train/3/kept9/00001.bin", "Train/x/1.bin", "2.bin"):
        write_nmnist(nmnist / place, random_events(200))
    task = datasets.load("n_mnist")
    assert datasets.identify("n_mnist") == before and task.train_y.tolist() == labels
    assert "Left out, in no place of the layout: 2.bin and 2 more." in task.passport.note


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:, [0, 1, 3, 2]], "polarity is 0 or 1"),
        (lambda rows: rows * [1, 1, 2, 1], "polarity is 0 or 1"),
        (lambda rows: rows + [0.5, 0, 0, 0], "whole numbers"),
        (lambda rows: rows * [1, 1, 1, np.nan], "finite"),
        (lambda rows: rows - [128, 0, 0, 0], "outside the 128 x 128"),
        (lambda rows: rows[:, :3], "rows of four numbers"),
        (lambda rows: rows.astype(object), "pickle"),
        (lambda rows: np.broadcast_to(0.0, (1 << 50, 4)), "allocate"),
    ],
)
def test_gesture_columns_are_checked(root, change, words):
    for split in ("ibmGestureTrain", "ibmGestureTest"):
        file = root / "DVSGesture" / split / "user01_lab" / "3.npy"
        write_gesture(file, random_events(60, sensor=128))
    plain = datasets.load("dvs128_gesture", paper="plif").test_x
    rows = np.load(file)
    np.save(file, rows * [1, 1, 2, 1] - [0, 0, 1, 0])  # OFF is -1
    assert torch.equal(datasets.load("dvs128_gesture", paper="plif").test_x, plain)
    if (rows := change(rows)).size < 1000:
        np.save(file, rows)
    else:  # a head that promises far too much
        with open(file, "wb") as to:
            header = {"descr": "<f8", "fortran_order": False, "shape": rows.shape}
            np.lib.format.write_array_header_1_0(to, header)
            to.write(bytes(32))
    with pytest.raises(datasets.SourceError, match=rf"3\.npy.*{words}"):
        datasets.load("dvs128_gesture", paper="plif")


def test_only_what_was_unpacked_from_official_archives_is_official(nmnist, root, tmp_path, monkeypatch):
    """Archives, or texts with their MD5, say nothing about the recordings beside them; the note of ``make
    data`` does, as long as the recordings are those that it was taken of."""
    archives = tmp_path / "mirror" / "NMNIST"
    archives.mkdir(parents=True)
    whole = replace(event_files.SETS["n_mnist"], complete=(3, 2))
    monkeypatch.setitem(event_files.SETS, "n_mnist", whole)
    monkeypatch.setattr(events, "SETS", event_files.SETS)
    for name, attribute in whole.archives:
        with zipfile.ZipFile(archives / name, "w") as z:
            split = name.split(".")[0].title()
            for file in (nmnist / split).rglob("*.bin"):
                z.write(file, file.relative_to(nmnist))
        shutil.copy(archives / name, nmnist / name)
        monkeypatch.setattr(
            whole.tonic_class, attribute, hashlib.md5((nmnist / name).read_bytes()).hexdigest()
        )
        (nmnist / f"{name}.md5").write_text(getattr(whole.tonic_class, attribute))
    found = event_files.locate(whole)
    assert found.source == "part" and "not compared" in found.note
    shutil.rmtree(nmnist)
    monkeypatch.setenv("SNN_MIRROR", str(tmp_path / "mirror"))
    said = []
    assert fetch.fetch(["n_mnist"], said.append) == {"n_mnist": True}, said
    assert sorted(p.name for p in nmnist.iterdir()) == ["Test", "Train", "fetched.json"]
    found = event_files.locate(whole)
    assert found.source == "official" and found.files_checksum.startswith("md5:")
    one = nmnist / "Train/3/00001.bin"
    times, raw = one.stat(), bytearray(one.read_bytes())
    raw[7] ^= 1
    one.write_bytes(raw)
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = event_files.locate(whole)
    assert found.source == "part" and "not what was fetched" in found.note
    (nmnist / "fetched.json").write_text("{")
    with pytest.raises(datasets.SourceError, match="fetched.json"):
        event_files.locate(whole)


def test_an_archive_alone_is_no_data_set(root):
    (root / "NMNIST").mkdir()
    (root / "NMNIST" / "train.zip").write_bytes(b"PK")
    with pytest.raises(datasets.SourceError, match="unpacked recordings"):
        datasets.identify("n_mnist")


def test_cifar10_dvs_split_and_order(root, monkeypatch):
    """The first nine tenths of each class by number (10 comes after 9), whatever the disk's order."""
    import tonic.datasets.cifar10dvs as module

    # What the aedat package returns.
    kind = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")])
    for label in ("airplane", "truck"):
        folder = root / "CIFAR10DVS" / label
        folder.mkdir(parents=True)
        for number in range(20):
            (folder / f"cifar10_{label}_{number}.aedat4").write_bytes(b"#!AER-DAT4.0")

    def read(path):
        number = int(path.rsplit("_", 1)[1].split(".")[0])
        events = np.zeros(100 + number, kind)
        events["x"] = number
        return events

    monkeypatch.setattr(module, "read_aedat4", read)
    task = datasets.load("cifar10_dvs", paper="plif", time_steps=4)
    assert task.passport.source == "part" and task.train_y.tolist() == [0] * 18 + [9] * 18
    assert task.train_x.shape == (36, 4, 2, 128, 128)
    assert task.train_x.sum((1, 2, 3, 4)).tolist() == 2 * [100 + number for number in range(18)]
    assert task.test_x.sum((1, 2, 3, 4)).tolist() == 2 * [118, 119]
    small = datasets.load("cifar10_dvs", paper="plif", train=4, resolution=32)
    assert small.train_x.shape == (4, 20, 2, 32, 32) and sorted(small.train_y.tolist()) == [0, 0, 9, 9]
    monkeypatch.setattr(module, "read_aedat4", lambda path: np.full(5, 130, kind))
    with pytest.raises(datasets.SourceError, match="outside the 128 x 128"):
        datasets.load("cifar10_dvs", paper="plif")


def test_nine_hundred_of_a_thousand():
    train, test = event_files.first_of_each_class(np.repeat(np.arange(10), 1000))
    assert train[:900].tolist() == list(range(900)) and test[:100].tolist() == list(range(900, 1000))
    assert len(train) == 9000 and len(test) == 1000


def test_dvs_gesture_layout(root):
    for split, user in (("ibmGestureTrain", 3), ("ibmGestureTest", 25)):
        for label in (0, 10):
            file = root / "DVSGesture" / split / f"user{user:02d}_led" / f"{label}.npy"
            write_gesture(file, random_events(60 + label, sensor=128))
    task = datasets.load("dvs128_gesture", paper="plif")
    assert task.classes == 11 and task.train_y.tolist() == [0, 10] and task.input_shape == (2, 128, 128)
    assert task.train_x.sum((1, 2, 3, 4)).tolist() == [60, 70]


def test_options_are_checked(root):
    with pytest.raises(ValueError, match="options of paper 'plif'"):
        datasets.load("n_mnist", paper="mdn", resolution=16)
    with pytest.raises(ValueError, match="resolution=40 is above the sensor's 34"):
        datasets.identify("n_mnist", paper="plif", resolution=40)
    with pytest.raises(ValueError, match="resolution"):
        datasets.load("cifar10_dvs", paper="plif", resolution="small")


# ---------------------------------------------------------------- the simulated camera
def test_camera_fires_at_each_threshold():
    """One pixel gets brighter by 1, then darker by 1, in a second each: threshold 0.1, event every 100 ms."""
    t = np.linspace(0, 2e6, 71)  # thresholds are crossed between the pictures, too
    light = 1 - np.abs(t / 1e6 - 1)[:, None, None]
    rng = np.random.default_rng(0)
    events = standins_events.camera(light, t, rng, threshold=0.1, spread=0.0, noise_hz=0.0)
    up, down = events["t"][events["p"]], events["t"][~events["p"]]
    assert len(up) in (9, 10, 11) and len(down) in (9, 10)
    assert up.max() < 1e6 < down.min()
    np.testing.assert_allclose(np.diff(up), 1e5, atol=2)
    np.testing.assert_allclose(np.diff(down), 1e5, atol=2)


def test_camera_noise_and_spread():
    rng = np.random.default_rng(0)
    still = np.zeros((3, 40, 50))
    events = standins_events.camera(still, np.array([0, 1e6, 2e6]), rng, noise_hz=2.0)
    assert abs(len(events) - 8000) < 5 * 8000**0.5 and abs(events["p"].mean() - 0.5) < 0.03
    assert events["x"].max() == 49 and events["y"].max() == 39 and np.all(np.diff(events["t"]) >= 0)
    ramp = np.stack([still[0], still[0] + 3.0])
    counts = [
        np.bincount(e["y"].astype(int) * 50 + e["x"], minlength=2000)
        for e in (
            standins_events.camera(ramp, np.array([0, 1e6]), rng, spread=s, noise_hz=0) for s in (0.0, 0.2)
        )
    ]
    assert counts[1].std() > 2 * counts[0].std()


def test_recordings_are_the_same_every_time():
    import tonic.io

    assert EVENT == tonic.io.events_struct
    image = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    colour = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    for make, subject, other, size, last in (
        (standins_events.saccade_recording, image, image.T, 34, 315_000),
        (standins_events.loop_recording, colour, colour[::-1], 32, 400_000),
        (standins_events.gesture_recording, (3, 1, 0), (3, 1, 1), 64, 1_500_000),
    ):
        one, two = make(subject, size), make(subject, size)
        np.testing.assert_array_equal(one, two)
        assert len(make(other, size)) != len(one)
        assert 0 < one["t"].max() <= last and np.all(np.diff(one["t"]) >= 0)
        assert max(one["x"].max(), one["y"].max()) < size and 0.3 < one["p"].mean() < 0.7


def turning_sense(events: np.ndarray, steps: int = 40) -> float:
    """Signed area that the mean place of the events goes round: positive is clockwise (y points down)."""
    times = np.linspace(0, 1.5e6, steps + 1)
    slots = np.digitize(events["t"], times) - 1
    n = np.bincount(slots, minlength=steps)[:steps].clip(1)
    x, y = (np.bincount(slots, events[a].astype(float), minlength=steps)[:steps] / n for a in "xy")
    x, y = x - x.mean(), y - y.mean()
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


def test_direction_shows_in_the_order_of_events_alone():
    right = {}
    for name, sign in (("clockwise", 1), ("counter-clockwise", -1)):
        gesture = GESTURES.index(f"right arm {name}")
        recordings = [standins_events.gesture_recording((person, gesture, 0), 64) for person in range(8)]
        senses = [sign * turning_sense(events) > 0 for events in recordings]
        assert sum(senses) >= 7, (name, senses)
        summed = [to_frames(events, View(64, 8, 1))[0] / len(events) for events in recordings]
        right[name] = np.mean(summed, 0)
    # Summed over time both directions leave one picture.
    assert np.corrcoef(right["clockwise"].ravel(), right["counter-clockwise"].ravel())[0, 1] > 0.95


def test_people_are_in_one_split_only():
    train, test = (standins_events.gesture_catalogue(part) for part in (True, False))
    assert not set(train[:, 0]) & set(test[:, 0])
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == len(train) + len(test) == 29 * 11 * 5


def blobs() -> str:
    """Registers forty small colour pictures and returns their name."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (40, 3, 32, 32)).astype(np.uint8))
    split = Split(x, torch.arange(40) % 10)
    source = Source(
        lambda paper, options: Located("Blobs", "stand-in", "made by the tests", "MIT", "0123"),
        lambda located, paper, options: (split, split),
    )
    fields = {"time_steps": 8, "input_shape": (3, 32, 32), "classes": 10, "encoding": "direct"}
    register(Entry("blobs", "Blobs", ("plif", "mdn"), (source,), lambda paper, options: fields))
    return "blobs"


@pytest.mark.parametrize(
    ("name", "paper", "shape", "classes"),
    [
        ("n_mnist", "mdn", (20, 2592), 10),
        ("n_mnist", "plif", (10, 2, 34, 34), 10),
        ("cifar10_dvs", "plif", (20, 2, 32, 32), 10),
        ("dvs128_gesture", "plif", (20, 2, 32, 32), 11),
        ("cifar10_dvs", "mdn", (20, 2048), 10),
        ("dvs128_gesture", "mdn", (20, 2048), 11),
    ],
)
def test_standins(shared_root, monkeypatch, name, paper, shape, classes):
    if name == "cifar10_dvs":  # drawing the 7,000 stand-in images would take longer than all the rest
        monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
        monkeypatch.setattr(registry, "PAPER_TITLE", dict(registry.PAPER_TITLE))
        monkeypatch.setitem(events.IMAGES, name, (blobs(), *events.IMAGES[name][1:]))
    options = {"source": "stand-in", **({"resolution": 32} if shape[-1] == 32 else {})}
    task = datasets.load(name, paper=paper, train=2 * classes, test=classes, **options)
    assert task.train_x.shape == (2 * classes, *shape) and task.train_x.dtype == torch.uint8
    assert task.train_y.bincount().tolist() == [2] * classes
    assert task.test_y.bincount().tolist() == [1] * classes
    assert task.classes == classes and task.encoding == "sequence" and task.time_steps == shape[0]
    assert task.passport.source == "stand-in" and "stand-in for" in task.passport.dataset
    assert task.train_x.flatten(1).sum(1).min() > 100
    identity = datasets.identify(name, paper=paper, **options)
    assert identity.startswith("stand-in:")

    def fail(*args, **kwargs):
        raise AssertionError("simulated again")

    monkeypatch.setattr(standins_events, "camera", fail)  # the second time everything comes from the cache
    again = datasets.load(name, paper=paper, train=2 * classes, test=classes, **options)
    assert again.passport == task.passport and torch.equal(again.test_x, task.test_x)
    monkeypatch.setattr(standins_events, "VERSION", 99)
    assert datasets.identify(name, paper=paper, **options) != identity
    monkeypatch.setattr(event_frames, "VERSION", 99)
    with pytest.raises(AssertionError, match="simulated again"):
        datasets.load(name, paper=paper, train=2 * classes, test=classes, **options)
