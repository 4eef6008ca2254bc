"""Figures of the companion: one function per published figure, data in, Figure out; none simulates or saves.

A module per chapter, one style file and one palette for all: ``from snnlib.figures import dynamics, style``.
"""
