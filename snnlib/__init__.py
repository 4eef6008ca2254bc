"""The thin library behind the notebooks: neurons, networks, data sets, experiments.

Read it in import order: surrogate, kernels, neurons, layers, encoding, networks, datasets, training,
experiments, grids, meta_neurons, analysis, chapter_runs, figures. Nothing imports upwards.
"""
