"""Many runs from one command line, by any of Hydra's launchers; knows Hydra as `cli` does.

Jobs run in other processes, or on other machines, from which a launcher brings back nothing that
can be relied on: a job that a cluster kills has no result, one that fails counts as completed. So
every job writes what became of it into the sweep's folder (`folder`, `job`), and the parent reads
it there (`progress`, `sweeper`).
"""
