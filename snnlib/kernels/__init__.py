"""The neurons' maths over a whole sequence. ``reference`` is the definition, in plain PyTorch."""
