"""Sound files in, the papers' two kinds of features out (librosa's mel bands and MFCC)."""

import functools
import io
import re
from pathlib import Path

import numpy as np

from .reading import content, reading

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


REMEDY = "Copy or fetch it again (data/README.md says from where), or remove the folder."
RATES = 4_000, 192_000  # Hz; neither of the two features means the same outside


def read_audio(path: Path, longest: float = 60.0) -> tuple[np.ndarray, int]:
    """Mono samples in [-1, 1] and the rate of a WAV or NIST SPHERE file. SourceError if it is cut short,
    unreadable, longer than ``longest`` seconds, or if its numbers are no sound."""
    import soundfile

    what = "a whole, uncompressed WAV or SPHERE file"
    data = content(path, what, REMEDY)
    if data[:7] == b"NIST_1A" and b"shorten" in data[:1024]:
        with reading(path, "uncompressed samples", "Convert the corpus with LDC's sph2pipe first."):
            raise ValueError("it is compressed with shorten")
    with reading(path, what, REMEDY):
        if data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data):
            raise ValueError("it is cut short")
        if data[:7] == b"NIST_1A":
            fields = dict(re.findall(rb"(sample_count|sample_n_bytes|channel_count) -i (\d+)", data[:1024]))
            counts = [int(fields.get(name, 0)) for name in (b"sample_count", b"sample_n_bytes")]
            if 1024 + counts[0] * counts[1] * int(fields.get(b"channel_count", 1)) > len(data):
                raise ValueError("it is cut short")
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"its sampling rate is {rate:,} Hz, outside {RATES[0]:,} to {RATES[1]:,}")
        if not rate // 50 <= len(samples) <= longest * rate:
            raise ValueError(f"it holds {len(samples) / rate:.3f} s of sound, not 0.02 to {longest:g} s")
        if not np.isfinite(samples).all():
            raise ValueError("its samples are not finite")
        if np.abs(samples).max() > 8:  # a little above 1 is what resampling leaves
            raise ValueError(f"its samples reach {np.abs(samples).max():,.0f}, not 1")
    return samples.mean(1), rate
