"""The papers' data sets: ``load("mnist", paper="plif")`` gives a Task whose passport says what the data
really are."""

from . import images, nettalk, speech, events, series  # noqa: F401, I001  (each registers its entries; the order of names())
from .registry import PAPER_TITLE, Passport, SourceError, Split, Task  # noqa: F401
from .registry import entry, identify, load, names, sizes, view  # noqa: F401
