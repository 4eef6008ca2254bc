"""One entry per data set; each entry has sources that are tried in order.

An entry module (images, speech, ...) makes Source and Entry objects and calls ``register(entry)``; importing
``snnlib.datasets`` imports them all. Heavy libraries (tonic, librosa, ...) are imported inside the functions
that need them: ``identify`` and ``names`` stay cheap. ``paper`` and ``options`` are what ``load`` was given.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..provenance import Passport
from . import cache
from .reading import SourceError, fetch_again  # noqa: F401  (their public home)
from .task import Task


@dataclass(frozen=True)
class Located:
    """A source that was found, before anything is decoded.

    ``fingerprint``: short hex that changes when the content changes (see ``cache.files_fingerprint``).
    ``payload``: whatever ``read`` needs (paths, ...). ``files_checksum``: set it for data too big to hash
    in memory; the passport then carries it instead of the checksum of the four tensors.
    """

    dataset: str
    source: str
    note: str
    licence: str
    fingerprint: str
    payload: Any = None
    files_checksum: str = ""


@dataclass(frozen=True)
class Split:
    """Samples of one split. ``x`` is a tensor, or a function ``(indices: int64 tensor) -> tensor`` that
    decodes only the samples asked for (use it where decoding is slow). ``y`` is int64 ``[N]`` or float32
    ``[N, classes]``."""

    x: Tensor | Callable[[Tensor], Tensor]
    y: Tensor


@dataclass(frozen=True)
class Source:
    """``locate(paper, options)`` is cheap: it looks at ``paths.DATA`` and returns None if the data are not
    there; if they are but cannot be read it raises SourceError, and no other source is taken in silence.
    ``read(located, paper, options)`` decodes: training and test split."""

    locate: Callable[[str, Mapping], Located | None]
    read: Callable[[Located, str, Mapping], tuple[Split, Split]]


def stand_in(dataset: str, note: str, licence: str, identity: str, make, split) -> Source:
    """A source that is always there. ``make()`` gives tensors by name, which are kept in the cache, and
    ``split(tensors, options)`` the two splits; ``identity`` names what makes them, with its version."""
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()

    def locate(paper, options):
        return Located(dataset, "stand-in", note, licence, fingerprint)

    def read(located, paper, options):
        return split(cache.tensors({"what": "standin", "of": identity}, make), options)

    return Source(locate, read)


@dataclass(frozen=True)
class Entry:
    """``options``: name -> tuple of allowed values (first is the default), or ``int`` (None or a positive
    whole number). The last source must be the stand-in, which is always there. ``view(paper, options)`` gives
    the fields of a Task that need no data: time_steps, input_shape, classes, encoding, ... Raise ``version``
    when the code that reads the set yields other numbers: it is part of the identity of a run's data."""

    name: str
    title: str
    papers: tuple[str, ...]
    sources: tuple[Source, ...]
    view: Callable[[str, Mapping], dict]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1


_ENTRIES: dict[str, Entry] = {}
PAPER_TITLE: dict[str, str] = {}


def register(new: Entry) -> None:
    _ENTRIES[new.name] = new
    PAPER_TITLE[new.name] = new.title


def names(paper: str | None = None) -> list[str]:
    """Registered data sets, or those that one paper uses."""
    return [e.name for e in _ENTRIES.values() if paper is None or paper in e.papers]


def entry(name: str) -> Entry:
    if name not in _ENTRIES:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def load(
    name: str, paper: str = "mdn", train: int | None = None, test: int | None = None, seed: int = 0, **options
) -> Task:
    """Data set ``name`` as ``paper`` ("mdn" or "plif") uses it, from the first source that has it. Never
    uses the network.

    ``train``, ``test``: take that many samples (all if there are fewer), balanced over the classes, chosen by
    ``seed``. Options: see ``entry(name).options``; every set knows ``source="stand-in"``. ValueError:
    unknown name, paper or option; SourceError (a ValueError): a file is there but unusable.
    """
    chosen, options = _checked(name, paper, options)
    for what, count in (("train", train), ("test", test)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise ValueError(
                f"{what}={count!r}: a number of samples is a whole number above 0, or None for all"
            )
    source, located = first(chosen, paper, options)
    splits = source.read(located, paper, options)
    fields, tensors = chosen.view(paper, options), []
    for number, (split, count) in enumerate(zip(splits, (train, test), strict=True)):
        indices = choose(split.y, count, 2 * seed + number)
        everything = len(indices) == len(split.y)
        if callable(split.x):
            x = split.x(indices)
        else:
            x = split.x if everything else split.x[indices]
        tensors += [x, split.y if everything else split.y[indices]]
        if fault := _fault(*tensors[-2:], fields["classes"]):
            expected = f"finite samples with labels of {fields['classes']} classes ({fault})"
            remedy = "Fetch or copy its files again, or remove them to do without."
            raise SourceError(located.dataset, expected, remedy)
    about = located.dataset, located.source, located.note, located.licence
    checksum = located.files_checksum or tensors_checksum(tensors)
    passport = Passport(*about, checksum, len(tensors[1]), len(tensors[3]))
    return Task(name, paper, *tensors, passport=passport, **fields)


def _fault(x: Tensor, y: Tensor, classes: int) -> str:
    """What is wrong with the numbers of a split, whatever source they came from."""
    if not len(y) or len(x) != len(y):
        return f"found {len(x):,} samples and {len(y):,} labels"
    if x.is_floating_point() and not x.isfinite().all():
        return "found samples that are not finite"
    if y.dim() == 1 and (y.dtype != torch.int64 or not 0 <= y.min() <= y.max() < classes):
        return f"found labels of {y.dtype} from {y.min()} to {y.max()}"
    if y.dim() == 2 and (y.shape[1] != classes or not ((y == 0) | (y == 1)).all()):
        return f"found labels of shape {tuple(y.shape)} that are not all 0 or 1"
    return ""


def identify(name: str, paper: str | None = None, **options) -> str:
    """``source:fingerprint:version`` of what ``load`` would read now. Cheap: decodes nothing."""
    paper = paper or entry(name).papers[0]
    chosen, options = _checked(name, paper, options)
    _, located = first(chosen, paper, options)
    return f"{located.source}:{located.fingerprint[:12]}:{chosen.version}"


def sizes(name: str, paper: str, **options) -> tuple[int, int]:
    """Numbers of training and test samples of what ``load`` would read now."""
    chosen, options = _checked(name, paper, options)
    source, located = first(chosen, paper, options)
    train, test = source.read(located, paper, options)
    return len(train.y), len(test.y)


def view(name: str, paper: str, **options) -> dict:
    """Shape of the task without its data: time_steps, input_shape, classes, encoding, ... as ``load`` would
    fill them."""
    chosen, options = _checked(name, paper, options)
    return chosen.view(paper, options)


def choose(y: Tensor, count: int | None, seed: int) -> Tensor:
    """Ascending indices of ``count`` samples, as balanced over the classes as they allow. A smaller choice
    with the same seed is part of a larger one."""
    if count is None or count >= len(y):
        return torch.arange(len(y))
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    if y.dim() == 1:
        # The k-th sample of every class goes before the (k+1)-th of any.
        labels = y[order]
        by_class = torch.argsort(labels, stable=True)
        counts = torch.bincount(labels)
        rank = torch.arange(len(y)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        order = order[by_class[torch.argsort(rank, stable=True)]]
    return order[:count].sort().values


def tensors_checksum(tensors) -> str:
    """SHA-256 over the bytes of tensors, in order."""
    digest = hashlib.sha256()
    for t in tensors:
        digest.update(memoryview(t.detach().cpu().contiguous().numpy()).cast("B"))
    return digest.hexdigest()


def _checked(name, paper, options) -> tuple[Entry, dict]:
    chosen = entry(name)
    if paper not in chosen.papers:
        raise ValueError(f"{name} is no task of paper {paper!r}; it belongs to: {', '.join(chosen.papers)}")
    allowed = {**chosen.options, "source": (None, "stand-in")}
    full = {key: None if rule is int else rule[0] for key, rule in allowed.items()}
    for key, value in options.items():
        if key not in allowed:
            raise ValueError(f"{name} has no option {key!r}; it has: {', '.join(allowed)}")
        rule = allowed[key]
        if rule is int:
            good = value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
            rule = ("None", "a whole number above 0")
        else:
            good = any(type(value) is type(known) and value == known for known in rule)
        if not good:
            raise ValueError(f"{name}: option {key}={value!r} is not one of: {', '.join(map(str, rule))}")
        full[key] = value
    chosen.view(paper, full)  # knows which options go together; said before anything is read
    return chosen, full


def first(chosen: Entry, paper: str, options: Mapping) -> tuple[Source, Located]:
    sources = chosen.sources if options["source"] is None else chosen.sources[-1:]
    found = ((source, source.locate(paper, options)) for source in sources)
    return next((source, located) for source, located in found if located is not None)
