"""One progress bar over many runs in many processes: it watches the files that they write."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from snnlib.runs import store
from snnlib.runs.config import Run


@contextmanager
def follow(runs: Sequence[Run], folder: Path, costs: Sequence[float]) -> Iterator[None]:
    """While the block runs, show how much of ``costs`` the ``runs`` have done, with an estimate of the time
    left.
    """
    bar = tqdm(
        total=sum(costs),
        file=sys.stderr,
        desc=f"{len(runs)} runs",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}",
    )

    def look() -> None:
        shares = [store.share_done(run, folder) for run in runs]
        bar.n = sum(share * cost for share, cost in zip(shares, costs, strict=True))
        bar.set_postfix_str(f"{sum(share == 1 for share in shares)} of {len(runs)} done")

    try:
        with every(2 if sys.stderr.isatty() else 30, look):  # a log file wants fewer lines
            yield
    finally:
        bar.close()


@contextmanager
def every(seconds: float, look: Callable[[], None]) -> Iterator[None]:
    """Calls ``look`` every so many seconds while the block runs, and once at its end."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
