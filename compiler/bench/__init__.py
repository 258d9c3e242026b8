"""Timing vcc against other engines on the same model, inputs and threads, and against what the machine can do."""
