"""From events to frames, with tonic's slicers and without losing an event.

PLIF: T slices of equal event count (Eq. S1), counts as bytes (at most 255) ``[N, T, 2, H, W]``.
MDN: 36 x 36 canvas, events moved by one pixel, 20 bins of 15 ms, 0 or 1, flat ``[N, 20, 2592]``. N-MNIST
recordings last 297 to 315 ms: the events after 300 ms (about 0.2 %) belong to no bin and are dropped.

A smaller ``size`` maps coordinate x to floor(x * size / sensor): a sum over square blocks where it divides
the sensor, over blocks that differ by one pixel elsewhere. Frames are made from the events one recording at a
time and kept in a memory-mapped file under ``DATA/cache``: full CIFAR10-DVS (5.9 GB) never sits in memory.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import cache

VERSION = 1  # of the code that turns events into frames; raise it when frames change


@dataclass(frozen=True)
class View:
    """How a recording becomes frames: pixels a side of the camera and of the frame, number of frames.

    ``bin_us``: width of a time bin in microseconds, or 0 for slices of equal event count. ``margin``: empty
    rim around the sensor (nothing is rescaled then). ``binary``: a pixel is 0 or 1, a frame is flat.
    """

    sensor: int
    size: int
    steps: int
    bin_us: int = 0
    margin: int = 0
    binary: bool = False


def slicer(view: View, n_events: int):
    """The tonic slicer of a view. Equal counts are Eq. S1: T slices of floor(N/T) events, the last takes the
    remainder, which tonic's own SliceByEventBins would lose."""
    from tonic.slicers import SliceAtIndices, SliceByTime

    if view.bin_us:
        return SliceByTime(time_window=view.bin_us, start_time=0, end_time=view.steps * view.bin_us)
    edges = np.append(np.arange(view.steps) * (n_events // view.steps), n_events)
    return SliceAtIndices(edges[:-1], edges[1:])


def to_frames(events: np.ndarray, view: View) -> np.ndarray:
    """Event counts ``[T, 2 (OFF, ON), H, W]`` (int64) of one recording (fields x, y, t in microseconds, p),
    whose events lie on the sensor (``event_files.read`` sees to it)."""
    x, y = events["x"].astype(np.int64), events["y"].astype(np.int64)
    if np.any(np.diff(events["t"].astype(np.int64)) < 0):
        order = np.argsort(events["t"], kind="stable")
        events, x, y = events[order], x[order], y[order]
    bounds = slicer(view, len(events)).get_slice_metadata(events, None)
    kept = slice(bounds[0][0], bounds[-1][1])  # slices follow each other without gaps
    step = np.repeat(np.arange(view.steps), [end - start for start, end in bounds])
    if view.margin:
        x, y = x + view.margin, y + view.margin
    else:
        x, y = x * view.size // view.sensor, y * view.size // view.sensor
    shape = (view.steps, 2, view.size, view.size)
    cell = np.ravel_multi_index((step, events["p"][kept].astype(np.int64), y[kept], x[kept]), shape)
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)


def as_bytes(frames: np.ndarray, view: View) -> np.ndarray:
    """Frames as stored: MDN's are 0 or 1 and flat, PLIF's are counts up to 255."""
    if view.binary:
        return np.minimum(frames, 1).astype(np.uint8).reshape(view.steps, -1)
    return np.minimum(frames, 255).astype(np.uint8)


def stored_frames(key: dict, view: View, recording: Callable[[int], np.ndarray], indices: Tensor) -> Tensor:
    """Frames (uint8, sample first) of ``recording(i)`` for each i in ``indices``, from the cache if there.

    Memory-mapped and copy-on-write: nothing is read before it is used, nothing written reaches the file.
    """
    sample = (view.steps, 2 * view.size**2) if view.binary else (view.steps, 2, view.size, view.size)
    shape = (len(indices), *sample)
    chosen = hashlib.sha256(indices.numpy().tobytes()).hexdigest()
    text = json.dumps({**key, **asdict(view), "samples": chosen, "version": VERSION}, sort_keys=True)
    name = f"{key['what']}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.npy"

    def rows() -> Iterator[np.ndarray]:
        from tqdm import tqdm

        clipped = total = 0
        for i in tqdm(indices.tolist(), desc=key["what"], delay=5, disable=None):
            frames = to_frames(recording(i), view)
            if not view.binary:
                clipped += int(np.maximum(frames - 255, 0).sum())
                total += int(frames.sum())
            yield as_bytes(frames, view)
        if clipped:
            warnings.warn(
                f"{key['what']}: {clipped:,} of {total:,} events are above the 255 that one pixel "
                "can count in one step, and are left out",
                stacklevel=2,
            )

    def write(temporary: Path) -> None:
        # Plain writes: a full disk is then an error that can be caught, which it is not for a memory map.
        with open(temporary, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for row in rows():
                file.write(row.tobytes())

    def read(path: Path) -> Tensor:
        return torch.from_numpy(np.load(path, mmap_mode="c"))

    found = cache.load(name, read)
    if found is None and cache.store(name, write):
        found = cache.load(name, read)
    return torch.from_numpy(np.stack(list(rows()))) if found is None else found
