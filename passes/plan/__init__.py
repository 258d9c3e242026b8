"""The plan phase: the order of the kernels, the arena, and the host program."""
