"""N-MNIST, CIFAR10-DVS and DVS128 Gesture: real recordings if they are there, a simulated camera if not.

PLIF sees T frames of equal event count (Eq. S1), MDN sees N-MNIST in 20 binary bins of 15 ms: see
``event_frames``; chapter 08 gives MDN's network the other two, in binary frames of 32 x 32 pixels and equal
event count. Options (PLIF only): ``resolution`` pools the frames to that many pixels a side,
``time_steps`` replaces the paper's T.
"""

import hashlib
from dataclasses import replace

import torch

from . import event_files, event_frames, registry, standins_events
from .event_files import SETS, Recordings
from .event_frames import View, stored_frames
from .registry import Entry, Located, Source, Split, register

# What the simulated camera looks at: the data set with the images, and how they move.
IMAGES = {
    "n_mnist": ("mnist", (28, 28), standins_events.saccade_recording, "three saccades"),
    "cifar10_dvs": ("cifar10", (3, 32, 32), standins_events.loop_recording, "a closed loop, twice,"),
}
POOL = {"train": 2_000, "test": 500}  # so many images at most
CAMERA = "Simulated event camera over "
SMALL_CAMERA = 64  # pixels a side: simulated in place of 128 if the frames are no larger, in half the time


def view_of(r: Recordings, paper: str, options) -> View:
    """ValueError: an option that this paper's view does not have, or a resolution above the sensor's."""
    size, steps = options["resolution"], options["time_steps"]
    if paper == "mdn":
        if size or steps:
            raise ValueError(f"{r.name}: resolution and time_steps are options of paper 'plif' alone")
        if r.name != "n_mnist":  # no task of MDN's: as PLIF's frames, small and without counts
            return View(r.sensor, 32, r.plif_steps, binary=True)
        return View(r.sensor, r.sensor + 2, 20, bin_us=15_000, margin=1, binary=True)
    if size and size > r.sensor:
        raise ValueError(f"{r.name}: resolution={size} is above the sensor's {r.sensor}")
    return View(r.sensor, size or r.sensor, steps or r.plif_steps)


def _splits(what: str, located: Located, view: View, parts) -> tuple[Split, ...]:
    """``parts``: for training and test what gives the events of the i-th recording, and the labels."""

    def split(number, recording, labels):
        key = {"what": what, "source": located.fingerprint, "split": number}
        return Split(lambda chosen: stored_frames(key, view, recording, chosen), torch.from_numpy(labels))

    return tuple(split(number, *part) for number, part in enumerate(parts))


def _recordings(r: Recordings) -> Source:
    def locate(paper, options):
        return event_files.locate(r)

    def read(located, paper, options):
        return _splits(
            r.name, located, view_of(r, paper, options), event_files.open_splits(r, located.payload)
        )

    return Source(locate, read)


def _standin(r: Recordings) -> Source:
    def locate(paper, options):
        if r.name in IMAGES:
            name, _, _, movement = IMAGES[r.name]
            # With source="stand-in" the images are stand-ins too: nothing then depends on the data root.
            _, base = registry.first(registry.entry(name), paper, {"source": options["source"]})
            seen = base.dataset.removesuffix(f", stand-in for {registry.PAPER_TITLE[name]}")
            dataset = CAMERA + seen
            note, licence = f"Simulated: {movement} over images of {base.dataset}.", base.licence
            made_of = f"{base.source} {base.fingerprint}"
        else:
            dataset, licence, made_of = "Simulated moving arms", "MIT (this project)", ""
            note = "Simulated: 29 stick figures make the eleven gestures; 23 of them train, 6 others test."
        versions = f"{r.name} {made_of} {event_frames.VERSION} {standins_events.VERSION}"
        fingerprint = hashlib.sha256(versions.encode()).hexdigest()
        return Located(f"{dataset}, stand-in for {r.title}", "stand-in", note, licence, fingerprint)

    def read(located, paper, options):
        view = view_of(r, paper, options)
        if view.sensor > SMALL_CAMERA >= view.size:
            view = replace(view, sensor=SMALL_CAMERA)
        if r.name in IMAGES:
            name, shape, simulate, _ = IMAGES[r.name]
            base = registry.load(name, paper, **POOL, source=options["source"])
            subjects = [x.reshape(-1, *shape).numpy() for x in (base.train_x, base.test_x)]
            labels = [base.train_y.numpy(), base.test_y.numpy()]
        else:
            simulate = standins_events.gesture_recording
            subjects = [standins_events.gesture_catalogue(train) for train in (True, False)]
            labels = [rows[:, 1].copy() for rows in subjects]
        recordings = [lambda i, seen=seen: simulate(seen[i], view.sensor) for seen in subjects]
        return _splits(f"standin-{r.name}", located, view, zip(recordings, labels, strict=True))

    return Source(locate, read)


def _task_fields(r: Recordings):
    def fields(paper, options):
        view = view_of(r, paper, options)
        shape = (2 * view.size**2,) if view.binary else (2, view.size, view.size)
        return dict(time_steps=view.steps, input_shape=shape, classes=r.classes, encoding="sequence")

    return fields


for _r in SETS.values():
    register(
        Entry(
            _r.name,
            _r.title,
            ("mdn", "plif") if _r.name == "n_mnist" else ("plif", "mdn"),
            (_recordings(_r), _standin(_r)),
            _task_fields(_r),
            {"resolution": int, "time_steps": int},
        )
    )
