"""``python -m snnlib.bench``: measure and write results/bench/speed.csv."""

import argparse
import sys
from functools import partial
from pathlib import Path

from snnlib.bench import measure, run


def main(arguments=None) -> int:
    """Exit status 0, or 2 for wrong input."""
    parser = argparse.ArgumentParser(prog="python -m snnlib.bench", description=run.__doc__)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument(
        "--only", default=",".join(run.WORKLOADS), help=f"some of {','.join(run.WORKLOADS)} (default: all)"
    )
    parser.add_argument(
        "--sizes", default="", help=f"{', '.join(run.SIZES)} (default: what suits the device)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each pass of a work (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1, as a run has)")
    parser.add_argument("--out", type=Path, default=None, help="default: results/bench/speed.csv")
    options = parser.parse_args(arguments)
    try:
        out = run.target(options.out)
        effort, say = measure.Effort(options.seconds), partial(print, file=sys.stderr, flush=True)
        report = run.run(options.only.split(","), options.device, options.sizes, effort, say, options.threads)
        _print(report)
        print(f"{run.save(report, out)} ({report.passport['seconds']:.0f} s)")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _print(report: run.Report) -> None:
    print(report.speed.drop(columns=["device", "low_ms", "high_ms"]).round(2).to_string(index=False))
    print(report.bars.round(2).to_string(index=False))
    if len(report.memory):
        print("MiB against time steps:", report.memory.round(2).to_string(index=False), sep="\n")
    print("\n".join(report.notes))


if __name__ == "__main__":
    sys.exit(main())
