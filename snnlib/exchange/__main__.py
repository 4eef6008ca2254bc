"""Networks for other tools and from them:

python -m snnlib.exchange nir FOLDER network.nir          # a kept network as a NIR graph
python -m snnlib.exchange compare FOLDER                  # the same network in snnTorch and SpikingJelly
python -m snnlib.exchange authors CHECKPOINT --task cifar10 --to FOLDER
python -m snnlib.exchange test FOLDER                     # its accuracy on its task, beside Table 2's
"""

import argparse
import sys
from pathlib import Path

from snnlib import datasets, paths, saved
from snnlib.exchange import archive, authors, compare
from snnlib.papers import published
from snnlib.runs import jobs, kept
from snnlib.training import evaluate


def test(folder: Path) -> str:
    """A sentence: the accuracy of the network in ``folder`` on the test set of its task, and on what data. A
    network of a recorded run is tested as its record was. ValueError where the task is not known, is not
    what the network was made for, or has other data here than the run.
    """
    network = saved.load(folder)
    config = network.config
    if not {"task", "paper"} <= config.keys():
        raise ValueError(
            f"{folder / saved.CONFIG} names no task and paper; only with them a test set is known."
        )
    run = compare.run_of(config) if {"run", "layers"} & config.keys() else None
    view = datasets.view(config["task"], config["paper"], **dict(run.task_options if run else ()))
    for name in ("time_steps", "input_shape", "encoding"):
        known = list(view[name]) if isinstance(view[name], tuple) else view[name]
        if config.get(name, known) != known:
            raise ValueError(
                f"{folder / saved.CONFIG} says {name} {config[name]}, but {config['task']} as "
                f"{config['paper']} uses it has {known}; only that can be tested."
            )
    if run:
        task, (accuracy, rates) = jobs.task_of(run), kept.accuracy(run, network)
    else:
        task = datasets.load(config["task"], paper=config["paper"], train=1)
        size = task.test_batch_size(16)
        accuracy, rates = evaluate(network, task.test_x, task.test_y, task.encode, size)
    data = f"{task.passport.dataset} ({task.passport.source})"
    table = published.table("plif_table2")
    rows = table[table.ours & (table.dataset == config["task"]) & (config["paper"] == "plif")]
    beside = f"; the PLIF paper's Table 2 has {rows.accuracy.max()} %" if len(rows) else ""
    fired = ", ".join(f"{rate:.4f}" for rate in rates)
    return f"{accuracy} % on {len(task.test_y):,} test samples of {data}, spike rates {fired}{beside}."


def main(arguments=None) -> int:
    """Exit status: 0, or 2 after one sentence on wrong input."""
    parser = argparse.ArgumentParser(prog="python -m snnlib.exchange", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    graph = commands.add_parser("nir", help="write a network as a NIR graph")
    beside = commands.add_parser("compare", help="run a network in other simulators")
    for command in (graph, beside, commands.add_parser("test", help="test a network on its task")):
        command.add_argument("folder", type=Path)
    graph.add_argument("to", type=Path)
    graph.add_argument("--samples", type=int, help="of its test set, for simulators.py; 0: all")
    beside.add_argument("--samples", type=int, default=0, help="of the test set; 0: all")
    beside.add_argument("--to", type=Path, default=paths.results("exchange"))
    command = commands.add_parser("authors", help="a checkpoint of the PLIF authors as a network's folder")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--task", required=True)
    command.add_argument("--to", type=Path, required=True)
    command = commands.add_parser("archive", help="reports and archives that reviewers know")
    words = "a new or empty folder, or an earlier archive, which is replaced (default: %(default)s)"
    command.add_argument("--to", type=Path, default=paths.results("archive"), help=words)
    options = parser.parse_args(arguments)
    try:
        if options.command == "nir":
            compare.export(options.folder, options.to, options.samples)
            print(f"written: {options.to}")
        elif options.command == "compare":
            for table in compare.compare(options.folder, options.to, options.samples):
                print(table.read_text(), end="")
        elif options.command == "archive":
            print("\n".join(archive.write(options.to)))
        elif options.command == "test":
            print(test(options.folder))
        else:
            authors.convert(options.checkpoint, options.task, options.to)
            print(f"written: {options.to}; `python -m snnlib.exchange test {options.to}` tests it")
        return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
