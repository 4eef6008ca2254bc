from snnlib import reading

reading.begin()  # before a module here imports torch
