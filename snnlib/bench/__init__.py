"""Speed measured side by side: one process, the same work, outputs compared before anything is timed.

``python -m snnlib.bench`` (or ``make bench``) writes results/bench/speed.csv; chapter 07 calls ``run.run``.
"""
