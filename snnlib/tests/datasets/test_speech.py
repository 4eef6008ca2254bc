"""Speech features and corpora, and what the stand-ins of all data sets are worth."""

import numpy as np
import pytest
import torch

from snnlib import datasets
from snnlib.datasets import audio, speech, standins, standins_nettalk, standins_speech

from .data_files import LIBRI, empty_root, write_libri, write_sphere, write_wave  # noqa: F401


# ---------------------------------------------------------------- speech
def test_mel_frames_keep_the_order_of_time():
    rate = 8000
    t = np.arange(4000) / rate
    rising = np.sin(2 * np.pi * (300 + 2500 * t) * t).astype(np.float32)
    frames = audio.mel_frames(rising, rate)
    assert frames.shape == (30, 30) and frames.dtype == np.float32
    assert np.allclose(frames.sum(0)[3:20], 1, atol=1e-4)  # each band over time
    peaks = frames[:, 3:20].argmax(0)
    assert (np.diff(peaks) >= 0).all() and peaks[-1] > peaks[0] + 10
    assert audio.mel_frames(rising[:100], rate).shape == (30, 30)  # shorter than 30 real windows


def test_mfcc_steps_pad_and_cut():
    noise = np.random.default_rng(0).standard_normal(16000 * 10).astype(np.float32)
    short, cut = audio.mfcc_steps(noise[:16000], 16000), audio.mfcc_steps(noise, 16000)
    assert short.shape == cut.shape == (20, 520)
    assert (short[3:] == 0).all() and (short[:2] != 0).all() and (cut[-1] != 0).all()  # 101 frames of 800


def test_fsdd_views_and_splits(root):
    for speaker in ("ann", "bob", "cyd"):
        for digit in range(10):
            write_wave(root / "FSDD/recordings" / f"{digit}_{speaker}_0.wav", 0.3, pitch=200 + 50 * digit)
    base = datasets.load("tidigits")
    assert base.passport.source == "open set" and "in place of TIDigits" in base.passport.dataset
    assert base.train_x.shape == (21, 30, 30) and len(base.test_y) == 9 and base.time_steps == 30
    band, flat = datasets.load("tidigits", time_axis="band"), datasets.load("tidigits", form="spectrogram")
    assert torch.equal(band.train_x, base.train_x.transpose(1, 2)) and flat.encoding == "direct"
    assert flat.input_shape == (900,) and torch.equal(flat.train_x, base.train_x.flatten(1))
    held_out = datasets.load("tidigits", split="speaker")
    assert (len(held_out.train_y), len(held_out.test_y)) == (20, 10)


def test_the_users_tidigits(root):
    for speaker in ("AE", "AF"):
        for name in ("ZA", "1A", "1B", "OA", "12A"):
            write_sphere(root / "TIDigits/TRAIN/MAN" / speaker / f"{name}.WAV")
    loaded = datasets.load("tidigits")
    assert loaded.passport.label == "TIDigits (part, 4 + 2)" and "6,520" in loaded.passport.note
    assert torch.cat([loaded.train_y, loaded.test_y]).bincount().tolist() == [
        2,
        4,
    ]  # no "oh", no digit strings
    write_sphere(root / "TIDigits/GH/9b.wav")
    assert {clip.speaker for clip in speech._own_tidigits().clips} == {"man/ae", "man/af", "gh"}
    write_sphere(root / "TIDigits/TRAIN/MAN/AE/2A.WAV", missing=10)
    with pytest.raises(ValueError, match="2A.WAV.*cut short"):
        datasets.load("tidigits")
    write_sphere(root / "TIDigits/TRAIN/MAN/AE/2A.WAV", coding="pcm,embedded-shorten-v2.00")
    with pytest.raises(ValueError, match="2A.WAV.*sph2pipe"):
        datasets.load("tidigits")


def test_timit_layouts_in_order(root):
    for region, speaker in ((1, "fvmh0"), (1, "mcpm0"), (7, "fblv0"), (8, "mbcg0")):
        write_wave(root / "nltk_data/corpora/timit" / f"dr{region}-{speaker}" / "sa1.wav", 0.5, 16000)
    sample = datasets.load("timit")
    assert sample.passport.label == "TIMIT corpus sample (NLTK) (part, 2 + 2)"
    assert sorted(sample.test_y.tolist()) == [0, 1]
    write_libri(root, LIBRI[:3])
    libri = datasets.load("timit")
    assert libri.passport.source == "open set"
    assert (libri.train_y.tolist(), libri.test_y.tolist()) == ([0, 1], [0])
    write_libri(root, [*LIBRI, "d.wav,4,F,test-other\n"])
    with pytest.raises(ValueError, match="d.wav"):
        datasets.load("timit")
    for split, speaker in (("TRAIN", "FCJF0"), ("TEST", "MDAB0")):
        write_sphere(root / "TIMIT" / split / "DR1" / speaker / "SA1.WAV", rate=16000)
    own = datasets.load("timit")
    assert own.passport.dataset == "TIMIT" and (own.train_y.tolist(), own.test_y.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"rate": 16000}, "8,000 Hz as in the whole corpus, found 16,000"),
        ({"rate": 1000}, "sampling rate is 1,000 Hz"),
        ({"seconds": 6}, "6.000 s of sound, not 0.02 to 5"),
        ({"scale": np.nan}, "not finite"),
        ({"scale": 32767}, "reach 32,767, not 1"),
    ],
)
def test_sounds_that_are_no_digits_are_named(root, how, words):
    import soundfile

    for digit in range(3):
        path = root / "FSDD/recordings" / f"{digit}_ann_0.wav"
        write_wave(path)
    seconds, rate, scale = how.get("seconds", 0.4), how.get("rate", 8000), how.get("scale", 1.0)
    tone = np.sin(np.arange(int(seconds * rate)) / 3).astype(np.float32)
    tone[len(tone) // 2] = 1
    soundfile.write(path, tone * np.float32(scale), rate, subtype="FLOAT")
    with pytest.raises(ValueError, match=f"2_ann_0.wav: expected .*{words}"):
        datasets.load("tidigits")


@pytest.mark.parametrize("genders", ["FM", ("f", "m"), ("female", "Male"), ("F ", " M")])
def test_genders_in_the_usual_spellings(root, genders):
    rows = [f"{i}.wav,s{i},{genders[i % 2]},{'train' if i < 2 else 'test'}\n" for i in range(4)]
    write_libri(root, rows, coding="utf-8-sig")  # as spreadsheets write it
    assert datasets.load("timit").train_y.tolist() == [0, 1] == datasets.load("timit").test_y.tolist()


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (["0.wav,s9,x,train\n"], {}, "line 6: .*gender 'x' is none of f, female, m, male"),
        (["0.wav,s9,,train\n"], {}, "line 6: .*gender '' is none"),
        (["0.wav,s9\n"], {}, "line 6: .*gender ''"),
        ([",,F,\n"], {}, "line 6: .*a cell is empty"),
        (["0.wav,s9,F,train\n"], {}, "line 6: .*0.wav stands there twice"),
        (['0.wav,"s9,F\n'], {}, "clips.csv: .*unexpected end"),
        (["9.wav,é,F,train\n"], {"coding": "latin-1"}, "clips.csv: .*decode byte 0xe9"),
        ([], {"head": "file;speaker;gender;subset\n"}, "no column file, gender, speaker, subset"),
    ],
)
def test_rows_that_are_no_clips_are_named(root, rows, options, words):
    write_libri(root, LIBRI + rows, **options)
    with pytest.raises(ValueError, match=words):
        datasets.identify("timit")


def test_a_converted_copy_beside_a_recording_is_not_a_second_sentence(root):
    for split in ("TRAIN", "TEST"):
        for speaker in ("FAAA0", "MBBB0"):
            folder = root / "TIMIT" / split / "DR1" / speaker
            write_sphere(folder / "SA1.WAV", coding="pcm,embedded-shorten-v2.00")  # the copy can be read
            write_wave(folder / "SA1.WAV.wav", 0.5, 16000)
    task = datasets.load("timit")
    assert (
        task.passport.label == "TIMIT (part, 2 + 2)" and "Of 4 recordings a second file" in task.passport.note
    )


def test_a_corpus_without_a_test_clip_or_twice_there_is_named(root, monkeypatch):
    for speaker in ("FAAA0", "MBBB0"):
        write_wave(root / "TIMIT/TRAIN/DR1" / speaker / "SA1.WAV", 0.5, 16000)
    for name in ("1_ann_0", "2_ann_0"):
        write_wave(root / "FSDD/recordings" / f"{name}.wav")
    for call in (lambda: datasets.identify("timit"), lambda: datasets.identify("tidigits", split="speaker")):
        with pytest.raises(ValueError, match="training and test clips below it, found .* and|found 0"):
            call()
    for i in range(3001):
        (root / "FSDD/recordings" / f"3_ann_{i}.wav").touch()
    with pytest.raises(ValueError, match="at most 3,000 clips, found 3,003"):
        datasets.identify("tidigits")


def test_links_to_folders_are_followed_once(root, tmp_path):
    for split, speaker in (("TRAIN", "FCJF0"), ("TEST", "MDAB0")):
        write_sphere(tmp_path / "corpus" / split / "DR1" / speaker / "SA1.WAV", rate=16000)
    (root / "TIMIT").mkdir()
    for split in ("TRAIN", "TEST"):
        (root / "TIMIT" / split).symlink_to(tmp_path / "corpus" / split)
    (tmp_path / "corpus/TRAIN/DR1/round").symlink_to(tmp_path / "corpus")
    assert datasets.load("timit").passport.label == "TIMIT (part, 1 + 1)"


# ---------------------------------------------------------------- stand-ins
def linear_accuracy(train_x, train_y, test_x, test_y):
    from sklearn.linear_model import RidgeClassifier

    flat = [np.asarray(x, np.float32).reshape(len(x), -1) for x in (train_x, test_x)]
    return RidgeClassifier(alpha=float(flat[0].var() * 50)).fit(flat[0], train_y).score(flat[1], test_y)


@pytest.mark.parametrize("make", [standins.garments, standins.shapes])
def test_rendered_pictures_are_learnable_not_trivial_and_repeatable(make):
    d, again = make(500, 100), make(500, 100)
    assert all(torch.equal(d[k], again[k]) for k in d)
    assert d["train_x"].dtype == torch.uint8 and torch.bincount(d["train_y"]).tolist() == [50] * 10
    assert 0.2 < linear_accuracy(d["train_x"], d["train_y"], d["test_x"], d["test_y"]) < 0.95


def test_synthesised_digits_are_learnable_not_trivial_and_need_time(root, monkeypatch):
    few = standins_speech.digits(2, 1)
    assert all(np.array_equal(a, b) for a, b in zip(few[1], standins_speech.digits(2, 1)[1], strict=True))
    monkeypatch.setattr(speech.standins_speech.digits, "__defaults__", (8, 5, 3))
    loaded = datasets.load("tidigits")
    assert loaded.passport.dataset == "Synthesised digits (formants), stand-in for TIDigits"
    assert (len(loaded.train_y), len(loaded.test_y)) == (280, 120)
    parts = loaded.train_x, loaded.train_y, loaded.test_x, loaded.test_y
    assert 0.4 < linear_accuracy(*parts) < 0.99
    assert (
        linear_accuracy(parts[0].mean(1), parts[1], parts[2].mean(1), parts[3]) < 0.3
    )  # nothing without order


def test_women_and_men_are_told_apart_by_a_linear_classifier_but_not_always(root, monkeypatch):
    monkeypatch.setattr(speech.standins_speech.genders, "__defaults__", (24, 6, 4))
    loaded = datasets.load("timit")
    assert loaded.passport.dataset == "Synthesised babble (formants), stand-in for TIMIT"
    assert loaded.train_y.bincount().tolist() == [54, 54] and loaded.test_y.bincount().tolist() == [18, 18]
    assert 0.6 < linear_accuracy(loaded.train_x, loaded.train_y, loaded.test_x, loaded.test_y) < 0.99
    rate, clips, labels, speakers = standins_speech.genders(4, 2)
    assert labels == [0, 0, 1, 1, 0, 0, 1, 1] and speakers == [0, 0, 1, 1, 2, 2, 3, 3]
    assert all(len(c) > rate // 2 and np.isfinite(c).all() for c in clips)


def test_spelling_rules_in_order():
    for word, sounds in (
        ("knock", "-nak-"), ("bake", "bek-"), ("quoash", "kwo-S-"), ("night", "nA--t"), ("cell", "sEl-"),
        ("wrath", "-r@T-"), ("baste", "b@st-"), ("pot", "pat"), ("potgarot", "patgxrxt"),
        ("thought", "T-c---t"),
    ):  # fmt: skip
        assert standins_nettalk.pronounced(word) == sounds, word


def test_invented_words_are_learnable_and_not_trivial(root):
    words = standins_nettalk.words(2000)
    assert words == standins_nettalk.words(2000) and len({word for word, _, _ in words}) == len(words)
    assert all(len(set(map(len, row))) == 1 and row[2].count("1") == 1 for row in words)
    loaded = datasets.load("nettalk")
    assert loaded.passport.dataset == "Invented words read by spelling rules, stand-in for NETtalk"
    assert loaded.train_x.shape == (5033, 189) and loaded.test_y.shape == (500, 26)
    assert 3 <= loaded.train_y.sum(1).min() and loaded.train_y.sum(1).max() <= 6
    from sklearn.linear_model import Ridge

    found = Ridge(1.0).fit(loaded.train_x.float(), loaded.train_y).predict(loaded.test_x.float()) > 0.5
    right = found == loaded.test_y.numpy()
    constant = (loaded.train_y.mean(0).round() == loaded.test_y).float().mean()
    assert constant < 0.9 < right.mean() < 0.99 and 0.4 < right.all(1).mean() < 0.9
    assert 0 < len(datasets.load("nettalk", leak_free=True).test_y) < 500


def test_digits_standin_and_an_unwritable_root(root):
    (root / "cache").write_text("in the way")  # nothing can be cached there
    first, second = datasets.load("mnist", source="stand-in"), datasets.load("mnist")
    assert first.passport.checksum == second.passport.checksum and first.passport.train_samples == 1437
