"""One file from a server: whole, in time, of the size that it may have, and with the sum that it should have.

SNN_MIRROR names a server or a folder that holds the same files under the same paths as the data root: it is
then asked in place of the official ones, and what it sends is checked alike.
"""

import hashlib
import os
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PROBE_SECONDS = 6.0  # for all servers together, name look-up included
STALL_SECONDS = 10.0  # a download that receives nothing for so long has failed
SLOWEST = 2_000, 30.0  # bytes a second, looked at over so many seconds; less is no download


def source(file: str, url: str) -> str:
    """Where ``file``, a path below the data root, comes from: the mirror if one is named, else ``url``."""
    mirror = os.environ.get("SNN_MIRROR", "").rstrip("/")
    if not mirror:
        return url
    return f"{mirror if '://' in mirror else Path(mirror).resolve().as_uri()}/{file}"


def download(folder: Path, file: str, url: str, megabytes: float, md5: str = "") -> Path:
    """``folder / file`` from ``url`` or the mirror. OSError: it stalls, comes too slowly, ends early, is
    longer than ``megabytes``, or has another MD5."""
    from tqdm import tqdm

    target, digest, received = folder / file, hashlib.md5(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(source(file, url), headers={"User-Agent": "snnlib"})
    with urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer, open(target, "wb") as to:
        whole = int(answer.headers.get("Content-Length") or 0)
        seen, since = 0, time.monotonic()
        with tqdm(
            total=whole or None, desc=target.name, unit="B", unit_scale=True, delay=1, disable=None
        ) as bar:
            # read1 gives what has come; read would wait for the rest of the chunk, however slowly it comes.
            while chunk := getattr(answer, "read1", answer.read)(1 << 16):
                received += len(chunk)
                if max(received, whole) > 1e6 * megabytes:
                    raise OSError(f"{file} is longer than the {megabytes:g} MB that it may have")
                if (passed := time.monotonic() - since) > SLOWEST[1]:
                    if received - seen < SLOWEST[0] * passed:
                        raise OSError(f"{file} comes with less than {SLOWEST[0]:,} bytes a second")
                    seen, since = received, time.monotonic()
                to.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    if received < whole or not received:
        raise OSError(f"{file} ended after {received:,} of {whole:,} bytes")
    if md5 and digest.hexdigest() != md5:
        raise OSError(f"{file} has the MD5 {digest.hexdigest()}, expected {md5}")
    return target


def probe(urls: dict[str, str]) -> dict[str, str]:
    """Ask all servers at once: name -> "" if it would send the file, else why not. Returns within
    PROBE_SECONDS."""
    answers = {}

    def ask(name: str, url: str) -> None:
        head = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "snnlib"})
        try:
            with urllib.request.urlopen(head, timeout=PROBE_SECONDS):
                answers[name] = ""
        except urllib.error.HTTPError as problem:
            # Some servers send files but refuse HEAD; anything else they refuse is not there for us.
            answers[name] = (
                "" if problem.code in (405, 501) else f"the server says {problem.code} {problem.reason}"
            )
        except Exception as problem:
            reason = getattr(problem, "reason", problem)
            lacking = isinstance(reason, FileNotFoundError) and reason.filename  # a folder as mirror
            answers[name] = f"there is no {lacking}" if lacking else f"no connection: {reason}"

    # Threads, because a name look-up has no time limit of its own; daemons, so that none is waited for.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in urls.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: answers.get(name, "no answer") for name in urls}
