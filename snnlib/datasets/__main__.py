"""``python -m snnlib.datasets fetch [names]`` fetches data; ``... list`` says what each set would be read
from now."""

import argparse
import sys
from pathlib import Path

from . import identify, names
from .fetch import BIG, DOWNLOADS, fetch


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m snnlib.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sizes = ", ".join(f"{name} {d.megabytes:,} MB" for name, d in DOWNLOADS.items())
    fetcher = commands.add_parser(
        "fetch",
        help=f"official downloads; sets above {BIG} MB only when named",
        description=f"Sizes: {sizes}.",
    )
    fetcher.add_argument("--stamp", type=Path, help="file to touch once all small sets are there")
    fetcher.add_argument("names", nargs="*")
    commands.add_parser("list", help="what each data set would be read from now")
    chosen = parser.parse_args(arguments)
    if chosen.command == "list":
        for name in names():
            try:
                print(f"{name}: {identify(name).split(':')[0]}")
            except (ValueError, OSError, ImportError) as problem:
                print(f"{name}: {problem}")
        return 0
    try:
        outcome = fetch(chosen.names)
    except ValueError as problem:
        parser.error(str(problem))
    except KeyboardInterrupt:
        print("stopped; nothing partial was kept", file=sys.stderr)
        return 130
    if chosen.stamp and not chosen.names and all(outcome.values()):
        chosen.stamp.parent.mkdir(parents=True, exist_ok=True)
        chosen.stamp.touch()
    # Without a network the small sets have stand-ins; a set asked for by name has to be there.
    return int(bool(chosen.names) and not all(outcome.values()))


if __name__ == "__main__":
    sys.exit(main())
