"""Transaction-cost analysis: what trading has cost, against which benchmark, and by which method.

The database is a projection of the journal, made by a process of its own. ``python -m tca --help`` lists the
commands; ``docs/tca.md`` explains the figures.
"""
