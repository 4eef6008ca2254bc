"""Sound files in, the papers' two kinds of features out (librosa's mel bands and MFCC)."""

import functools
import re
from pathlib import Path

import numpy as np

from .registry import SourceError

VERSION = 1  # of the two feature functions; part of every cache key


def mel_frames(samples: np.ndarray, rate: int, frames: int = 30, bands: int = 30) -> np.ndarray:
    """``[frames, bands]`` mel energies: ``frames`` half-overlapping Hamming windows stretched over the
    whole clip (window = duration / (frames * 0.5 + 0.5)), each band divided by its sum over time."""
    window = max(int(len(samples) / (frames * 0.5 + 0.5)), 2)
    starts = np.arange(frames) * (len(samples) - window) / (frames - 1)
    cut = samples[starts.round().astype(int)[:, None] + np.arange(window)] * np.hamming(window)
    # Zero padding of short windows, so that no mel band falls between two frequency bins.
    points = max(1024, 1 << (window - 1).bit_length())
    energy = np.abs(np.fft.rfft(cut, points)) ** 2 @ _mel_bank(rate, points, bands).T
    return (energy / np.maximum(energy.sum(0), 1e-12)).astype(np.float32)


@functools.lru_cache
def _mel_bank(rate: int, points: int, bands: int) -> np.ndarray:
    import librosa

    return librosa.filters.mel(sr=rate, n_fft=points, n_mels=bands)


def mfcc_steps(samples: np.ndarray, rate: int, steps: int = 20, frames: int = 800) -> np.ndarray:
    """``[20, 520]``: 13 MFCC every 10 ms, cut or zero-padded to 800 frames, 40 frames side by side in each
    step."""
    import librosa

    hop = rate // 100
    window = int(2.5 * hop)  # 25 ms; the transform is longer, because powers of two are quick
    mfcc = librosa.feature.mfcc(
        y=np.asarray(samples, np.float32),
        sr=rate,
        n_mfcc=13,
        hop_length=hop,
        win_length=window,
        n_fft=1 << (window - 1).bit_length(),
        n_mels=40,
        window="hamming",
    ).T[:frames]
    return np.pad(mfcc, ((0, frames - len(mfcc)), (0, 0))).reshape(steps, -1).astype(np.float32)


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Mono samples in [-1, 1] and the rate of a WAV or NIST SPHERE file. SourceError if it is cut short or
    unreadable."""
    import soundfile

    head = path.read_bytes()[:1024]
    remedy = "Copy or fetch it again (data/README.md says from where)."
    if head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > path.stat().st_size:
        raise SourceError(path, "a whole WAV file, it is cut short", remedy)
    if head[:7] == b"NIST_1A":
        if b"shorten" in head:
            raise SourceError(
                path,
                "uncompressed samples, it is compressed with shorten",
                "Convert the corpus with LDC's sph2pipe first.",
            )
        count, width = (
            int(m[1]) if (m := re.search(rb"%s -i (\d+)" % field, head)) else 0
            for field in (b"sample_count", b"sample_n_bytes")
        )
        if 1024 + count * width > path.stat().st_size:
            raise SourceError(path, "a whole SPHERE file, it is cut short", remedy)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as problem:
        raise SourceError(path, "a readable WAV or SPHERE file", remedy) from problem
    if len(samples) < rate // 50:
        raise SourceError(path, "at least 20 ms of sound", remedy)
    return samples.mean(1), rate
