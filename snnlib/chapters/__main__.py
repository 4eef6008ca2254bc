"""Run chapters (`python -m snnlib.chapters run 01 -p seeds 3`), plan or fill them, publish, report, check."""

import argparse
import json
import sys
from pathlib import Path

from snnlib import files, paths, reading
from snnlib.chapters import one_click, parameters, publishing, readme, report, site
from snnlib.chapters.run import needed, plan, run
from snnlib.results import ledger
from snnlib.runs import work
from snnlib.runs.fill import fill


def _arguments(arguments):
    parser = argparse.ArgumentParser(prog="python -m snnlib.chapters", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "execute chapters"),
        ("plan", "list the runs of chapters"),
        ("fill", "train what chapters lack, within a budget, and draw nothing"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("chapters", nargs="*", default=["all"], help="00 ... 08, or all (without 07)")
        command.add_argument("--profile", default="recorded")
        work.add_options(command)
        command.add_argument(
            "--train", action="store_true", help="train what is not recorded, whatever the profile says"
        )
        command.add_argument(
            "-p",
            dest="overrides",
            nargs=2,
            action="append",
            default=[],
            metavar=("NAME", "VALUE"),
            help="set a parameter in the chapters that have it",
        )
        if name == "fill":
            command.add_argument("--budget", default="", help="how long, such as 25m or 2h; else to the end")
        elif name == "plan":
            command.add_argument("--gpu", default="", metavar="NAME", help="estimate for this GPU too")
            command.add_argument(
                "--to",
                type=Path,
                metavar="FILE",
                help="the missing runs, for `python -m snnlib.runs fill FILE`",
            )
    command = commands.add_parser("publish", help="put the outputs of executed chapters into notebooks/")
    command.add_argument("--profile", default="recorded")
    command = commands.add_parser("report", help="write results/PROFILE/report.html from what is there")
    command.add_argument("--profile", default="recorded")
    commands.add_parser("site", help="build the site of notebooks, README and library into results/site")
    commands.add_parser("first-cell", help="the first cell of every notebook, the badges of README.md")
    command = commands.add_parser("check", help="check the committed notebooks")
    command.add_argument(
        "--artefacts", metavar="PROFILE", help="also ask for every artefact under results/PROFILE"
    )
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Exit status: 0, 1 after an error in a chapter or a check, 2 for wrong input, 130 after Ctrl-C."""
    options = _arguments(arguments)
    try:
        if options.command == "report":
            print(f"report: {paths.short(report.write(options.profile))}")
            return 0
        if options.command == "first-cell":
            for path, text in one_click.stale().items():
                print(f"first-cell: {paths.short(files.write_text(path, text))}")
            return 0
        if options.command == "site":
            print(f"site: {paths.short(site.build(paths.results('site')))}")
            return 0
        if options.command in ("publish", "check"):
            if reading.WITHOUT_TORCH:
                raise reading.NeedsTorch(f"Nothing half drawn is published. {reading.SENTENCE}")
            if options.command == "publish":
                status = publishing.publish(options.profile)
                if status == 0:
                    readme.write(options.profile)
                return status
            return publishing.check(options.artefacts)
        if not paths.DATA.is_dir():
            raise ValueError(f"SNN_DATA names {paths.DATA}, which is no folder; make it, or correct it.")
        if "all" in options.chapters and len(options.chapters) > 1:
            raise ValueError(f"`{' '.join(options.chapters)}`: all stands alone; name chapters, or all.")
        every = [chapter for chapter in ledger.CHAPTERS if chapter not in ledger.BY_ITSELF]
        names = every if "all" in options.chapters else options.chapters
        chapters = sorted({ledger.find(name) for name in names})
        overrides = dict(options.overrides)
        given = [name for name, _ in options.overrides] + ["train"] * options.train
        if twice := [name for name in overrides if given.count(name) > 1]:
            told = " (--train is one)" * (options.train and twice[0] == "train")
            raise ValueError(f"-p: {twice[0]!r} is set more than once{told}; leave one.")
        notebooks = [parameters.NOTEBOOKS / f"{chapter}.ipynb" for chapter in chapters]
        if options.train and any("train" in parameters.read(notebook) for notebook in notebooks):
            overrides["train"] = "true"
        if options.workers < 0:
            raise ValueError(f"--workers is {options.workers}; it must be 0 (one per core) or more.")
        if options.command == "plan":
            missing = plan(chapters, options.profile, overrides, options.workers, options.gpu)
            if options.to:
                lines = (json.dumps(r.config) + "\n" for r in missing)
                print(f"{len(missing)} runs in {files.write_text(options.to, ''.join(lines))}")
            return 0
        with work.backend(options.backend, options.scheduler):
            if options.command == "fill":
                runs = needed(chapters, options.profile, overrides)
                fill(runs, options.profile, options.budget, options.workers)
                return 0
            return min(1, run(chapters, options.profile, overrides, options.workers))
    except (ValueError, OSError, reading.NeedsTorch) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted: the same command goes on from the last finished epoch.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
