"""Work on a CPU, shared among as many threads as PyTorch uses."""

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

WORTH_A_THREAD = 50_000
"""Neuron-steps below which a second thread costs more than it saves."""

PARTS_PER_THREAD = 4


def share(kernel: Callable, arguments: Sequence, count: int, size: int) -> None:
    """Call ``kernel(*arguments, first, last)``, tensors handed over as NumPy arrays, for parts of 0 .. count
    that together are all of it; ``size``: neuron-steps, or what costs as much.

    Threads take the next part when they are done with one: a thread that wakes up late finds less to do.
    """
    arrays = [_array(a) if isinstance(a, torch.Tensor) else a for a in arguments]
    threads = min(torch.get_num_threads(), count) if size >= WORTH_A_THREAD else 1
    if threads <= 1:
        kernel(*arrays, 0, count)
        return
    parts = min(count, PARTS_PER_THREAD * threads)
    edges = [count * i // parts for i in range(parts + 1)]
    waiting = iter(zip(edges[:-1], edges[1:], strict=True))
    lock = threading.Lock()

    def take() -> None:
        while True:
            with lock:
                part = next(waiting, None)
            if part is None:
                return
            kernel(*arrays, *part)

    jobs = [_pool(os.getpid(), threads).submit(take) for _ in range(threads - 1)]
    take()
    for job in jobs:
        if not job.cancel():  # one that never began has nothing left to do
            job.result()


def _array(tensor: torch.Tensor):
    """As a NumPy array; bfloat16, which NumPy lacks, as its bits (``compiling.read`` and ``write``)."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.detach().resolve_neg().view(torch.uint16)
    return tensor.numpy(force=True)


@functools.lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked one starts its own."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="snnlib")
