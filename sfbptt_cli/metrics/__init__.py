"""How well a generated trajectory reproduces a system: arrays in, numbers out.

Trajectories are arrays (time, variable). Logarithms are natural. Nothing here plots, prints or
reads files, and scipy is imported inside the functions that need it, because it is slow to load.

A diverged generation never scores as a missing value: a distance that cannot be computed is the
worst value of its scale (1 for Hellinger distances, +inf otherwise).
"""
