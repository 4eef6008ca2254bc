"""A simulated event camera, and what it looks at when the real recordings are not there.

Three scenes, one per event data set of the papers. None is the real thing and every passport says so, but
each is an honest small problem of the same kind: microseconds, two polarities, uneven thresholds, noise.

``saccade_recording``   three saccades over a still image, as N-MNIST was recorded
``loop_recording``      a closed loop of movement, repeated, over a still image, as CIFAR10-DVS was recorded
``gesture_recording``   a person whose arms move: the eleven gestures of DVS128 Gesture, split by person

A recording depends on nothing but its subject (image bytes, or person, gesture and repetition) and SEED.
"""

import zlib

import numpy as np

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])  # tonic.io.events_struct
SEED = 20210
VERSION = 1  # raise it when recordings change
GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
TRAIN_PEOPLE, TEST_PEOPLE = range(23), range(23, 29)  # the real set has 29 people, the last 6 for testing
# Head, chest and belly of the stick figure as soft disks: x, y (from the neck), width, in upper-arm lengths.
BODY = np.array([(0, -0.6, 0.28), (-0.25, 0.4, 0.3), (0.25, 0.4, 0.3), (-0.2, 1.1, 0.3), (0.2, 1.1, 0.3)])
TRUNK = len(BODY)
REPETITIONS = 5  # recordings of each gesture by each person: 1,265 + 330 in all


def camera(
    log_intensity: np.ndarray,
    times_us: np.ndarray,
    rng: np.random.Generator,
    threshold: float = 0.25,
    spread: float = 0.1,
    noise_hz: float = 1.0,
) -> np.ndarray:
    """Events of a sensor that sees ``log_intensity`` ``[K, H, W]`` at the K ``times_us`` (microseconds).

    Each pixel remembers the log intensity of its last event and fires ON (OFF) each time the light has gone
    up (down) by its threshold; between two of the K pictures the light is linear, so event times are exact.
    ``spread`` is the standard deviation of the thresholds, relative to ``threshold``, drawn once per pixel
    and polarity; ``noise_hz`` is the rate of background events per pixel. Returns events in order of time.
    """
    steps, height, width = log_intensity.shape
    light = np.ascontiguousarray(log_intensity, np.float32).reshape(steps, -1)
    times = np.asarray(times_us, np.float64)
    theta = 1 + spread * rng.standard_normal((2, height * width), dtype=np.float32)
    theta = threshold * np.maximum(theta, 0.3)
    # Where in its cycle a pixel starts is random, or all pixels of a grey area would fire in step.
    memory = light[0] + (rng.random(height * width, dtype=np.float32) - 0.5) * threshold * 0.6
    found = []
    for step in range(1, steps):
        change = light[step] - memory
        for polarity, fires in enumerate((change <= -theta[0], change >= theta[1])):  # OFF, ON
            pixels = np.flatnonzero(fires)
            size = theta[polarity, pixels] * np.float32(2 * polarity - 1)
            count = (change[pixels] / size).astype(np.int64)
            before = memory[pixels]
            memory[pixels] += count * size
            pixels, size, before = (np.repeat(a, count) for a in (pixels, size, before))
            nth = np.arange(len(pixels)) - np.repeat(np.cumsum(count) - count, count) + 1
            start, end = light[step - 1, pixels], light[step, pixels]
            moved = np.where(start == end, 1, end - start)
            part = np.clip((before + nth * size - start) / moved, 0, 1)
            at = times[step - 1] + part * (times[step] - times[step - 1])
            found.append((pixels, at.astype(np.int64), np.full(len(pixels), polarity)))
    noise = rng.poisson(noise_hz * (times[-1] - times[0]) * 1e-6 * height * width)
    found.append(
        (
            rng.integers(height * width, size=noise),
            rng.integers(int(times[0]), int(times[-1]) + 1, size=noise),
            rng.integers(2, size=noise),
        )
    )
    pixels, at, polarity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(at, kind="stable")
    events = np.empty(len(order), EVENT)
    events["y"], events["x"] = np.divmod(pixels[order], width)
    events["t"], events["p"] = at[order], polarity[order]
    return events


def moving_image(log_image: np.ndarray, dx: np.ndarray, dy: np.ndarray, size: int, scale: float):
    """``log_image`` ``[h, w]`` enlarged by ``scale``, centred on ``size`` x ``size`` pixels and moved by
    ``(dx[k], dy[k])`` pixels at step k; bilinear, the rim repeated outside. Returns ``[K, size, size]``."""

    def weights(shift, n):  # [K, size, n]: which of the n image rows each sensor row sees
        centre = np.arange(size) - (size - 1) / 2
        source = (centre[None, :] - shift[:, None]) / scale + (n - 1) / 2
        source = np.clip(source, 0, n - 1)
        return np.maximum(1 - np.abs(source[..., None] - np.arange(n)), 0).astype(np.float32)

    height, width = log_image.shape
    return weights(dy, height) @ log_image.astype(np.float32) @ weights(dx, width).transpose(0, 2, 1)


def saccade_recording(image: np.ndarray, size: int = 34) -> np.ndarray:
    """N-MNIST's three saccades of 105 ms over ``image`` (uint8 ``[28, 28]``), seen by ``size`` pixels a side.

    The path is the triangle that undoes N-MNIST's own movement: (3.5, 7), (3.5, -7) and (-7, 0) pixels.
    """
    corners = np.array([(-3.5, -3.5), (0.0, 3.5), (3.5, -3.5), (-3.5, -3.5)]) * size / 34
    u = np.linspace(0, 3, 106)
    leg = np.minimum(u.astype(int), 2)
    inside = u - leg
    eased = inside - np.sin(2 * np.pi * inside) / (2 * np.pi)  # starts and stops softly, as a motor does
    dx, dy = (corners[leg] + eased[:, None] * (corners[leg + 1] - corners[leg])).T
    # Dark on light: the recordings' polarity is that way round.
    frames = moving_image(np.log(1.08 - image / 255.0), dx, dy, size, scale=size / 34)
    return camera(frames, u * 105_000, _rng(image), threshold=0.5, noise_hz=0.5)


def loop_recording(image: np.ndarray, size: int = 128, loops: int = 2) -> np.ndarray:
    """CIFAR10-DVS's repeated closed loop: ``image`` (uint8 ``[3, h, w]``, RGB) fills ``size`` pixels a side
    and goes round a diamond in 200 ms, ``loops`` times (the real recordings go round six times)."""
    grey = np.tensordot((0.299, 0.587, 0.114), image / 255.0, 1)
    u = np.linspace(0, loops, 40 * loops + 1)
    dx, dy = (4 * np.abs(v - np.floor(v + 0.5)) - 1 for v in (u, u + 0.25))  # triangle waves between -1 and 1
    reach = 5 * size / 128
    frames = moving_image(np.log(0.1 + grey), reach * dx, reach * dy, size, scale=size / image.shape[-1])
    return camera(frames, u * 200_000, _rng(image), threshold=0.25, noise_hz=0.5)


def gesture_catalogue(train: bool) -> np.ndarray:
    """All recordings of one split as rows (person, gesture, repetition); the label is the gesture."""
    people = TRAIN_PEOPLE if train else TEST_PEOPLE
    grid = np.meshgrid(people, np.arange(len(GESTURES)), np.arange(REPETITIONS), indexing="ij")
    return np.stack(grid, -1).reshape(-1, 3)


def gesture_recording(row, size: int = 128) -> np.ndarray:
    """1.5 s of a stick figure that faces the camera (its right arm is left in the picture; clockwise is as
    the camera sees it). ``row``: person, gesture (index in GESTURES) and repetition.

    Body size, place, tempo, reach, limb thickness and restlessness belong to the person; start of the
    movement, its wobble and the light to the recording. A circle and its reverse look the same once time is
    summed out.
    """
    person, gesture, repetition = map(int, row)
    body = np.random.default_rng([SEED, person])
    unit = size / 128 * body.uniform(20, 26)  # pixels per upper arm
    place = size * np.array([body.uniform(0.46, 0.54), body.uniform(0.36, 0.42)])
    tempo, reach = body.uniform(1.2, 2.0), body.uniform(0.8, 1.15)  # cycles per second; of the movement
    thickness, restless = body.uniform(0.10, 0.15), body.uniform(0.01, 0.04)

    rng = np.random.default_rng([SEED, person, gesture, repetition])
    t = np.linspace(0, 1.5, 101)
    tempo = tempo * rng.uniform(0.9, 1.1)
    wobble = 0.04 * np.sin(2 * np.pi * (rng.uniform(0.3, 0.8) * t + rng.uniform()))
    phase = 2 * np.pi * (tempo * t + rng.uniform() + wobble)
    hands = _hands(GESTURES[gesture], phase, reach * rng.uniform(0.9, 1.1), rng)
    hands = hands + restless * _wander(t, rng, (2, 2))
    sway = 0.5 * restless * _wander(t, rng, (1, 2))
    points, widths = _figure(hands, thickness)
    frames = _paint(place + unit * (points + sway), unit * widths, size)
    contrast = rng.choice((1.6, 1.2, 0.9))  # three kinds of light
    return camera(contrast * frames, t * 1e6, rng, threshold=0.2, noise_hz=0.1)


def _hands(name: str, phase: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Positions ``[K, 2 (right, left), 2 (x, y)]`` of the hands, in upper arms from the neck, y down."""
    sin, cos, still = reach * np.sin(phase), reach * np.cos(phase), np.zeros_like(phase)

    def at(x, y):
        return np.stack([still + x, still + y], -1)

    right, left = at(-0.75, 1.75), at(0.75, 1.75)  # hanging down
    if name == "hand clapping":
        gap = 0.45 * (1 + sin / reach) * reach
        right, left = at(-0.08 - gap, 0.5), at(0.08 + gap, 0.5)
    elif name == "right hand wave":
        right = at(-1.15 + 0.55 * sin, -0.8 - 0.1 * np.abs(cos))
    elif name == "left hand wave":
        left = at(1.15 - 0.55 * sin, -0.8 - 0.1 * np.abs(cos))
    elif "arm c" in name:
        turn = -1 if "counter" in name else 1
        if name.startswith("right"):
            right = at(-1.45 + 0.6 * cos, 0.0 + 0.6 * turn * sin)
        else:
            left = at(1.45 + 0.6 * cos, 0.0 + 0.6 * turn * sin)
    elif name == "arm roll":
        right, left = at(0.1 + 0.15 * cos, 0.6 + 0.3 * sin), at(-0.1 - 0.15 * cos, 0.6 - 0.3 * sin)
    elif name == "air drums":
        right, left = at(-0.65, 0.75 + 0.45 * sin), at(0.65, 0.75 - 0.45 * sin)
    elif name == "air guitar":
        right, left = at(-0.1 + 0.15 * sin, 1.05 + 0.45 * sin), at(1.35 + 0.04 * cos, 0.2 + 0.03 * sin)
    else:  # other: each hand draws a figure of its own
        speed, start = rng.uniform(0.5, 1.5, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
        centre = np.stack([rng.uniform(0.5, 1.3, 2) * (-1, 1), rng.uniform(-0.8, 1.0, 2)], -1)
        size = rng.uniform(0.2, 0.7, (2, 2))
        return centre + reach * size * np.sin(phase[:, None, None] * speed + start)
    return np.stack([right, left], 1)


def _figure(hands: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Soft disks that make up the body: places ``[K, M, 2]``, widths ``[M]``. Elbows follow the hands."""
    parts, widths = [], []
    along = np.linspace(0, 1, 6)[:, None]
    for side, hand in ((-1, hands[:, 0]), (1, hands[:, 1])):
        shoulder = np.array([side * 0.55, 0.0])
        arm = hand - shoulder
        distance = np.linalg.norm(arm, axis=-1, keepdims=True).clip(1e-3)
        hand = shoulder + arm * np.minimum(1, 1.95 / distance)  # upper arm and forearm are 1 long each
        bend = np.sqrt(np.maximum(1 - (np.minimum(distance, 1.95) / 2) ** 2, 0))
        normal = side * np.stack([-arm[:, 1], arm[:, 0]], -1) / distance  # the elbow points down and out
        elbow = (shoulder + hand) / 2 + bend * normal
        for start, end in ((shoulder + 0 * elbow, elbow), (elbow, hand)):
            parts.append(start[:, None] + along * (end - start)[:, None])
            widths += [thickness] * len(along)
    parts.append(np.broadcast_to(BODY[:, :2], (len(hands), TRUNK, 2)))
    return np.concatenate(parts, 1), np.array(widths + list(BODY[:, 2]))


def _paint(points: np.ndarray, widths: np.ndarray, size: int) -> np.ndarray:
    """Log intensity ``[K, size, size]`` in [0, 1] of soft disks at ``points`` ``[K, M, 2]``; it saturates.

    The arms are brighter than the trunk (the last TRUNK disks), so that they show in front of it."""
    grid = np.arange(size, dtype=np.float32)
    distance = (grid - points[..., None].astype(np.float32)) / widths[None, :, None, None].astype(np.float32)
    bump = np.exp(-0.5 * distance**2)  # [K, M, 2 (x, y), size]
    brightness = np.where(np.arange(len(widths)) < len(widths) - TRUNK, 3, 0.3).astype(np.float32)
    light = (brightness[:, None] * bump[:, :, 1]).transpose(0, 2, 1) @ bump[:, :, 0]
    return light / (1 + light)


def _wander(t: np.ndarray, rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Smooth random movement ``[K, *shape]`` of about unit size: three slow sines."""
    rate, start = rng.uniform(0.3, 2.5, (2, 3, *shape))
    return np.sin(2 * np.pi * (rate * t.reshape(-1, 1, 1, 1) + start)).sum(1)


def _rng(image: np.ndarray) -> np.random.Generator:
    return np.random.default_rng([SEED, zlib.crc32(np.ascontiguousarray(image).tobytes())])
