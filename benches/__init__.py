"""sluicegate beside other rate limiters: `python -m benches`, or `make bench`.

One module for each scenario, named after it. Each has `ROWS`, what its rows of the table are called
and what they must reach, and `run`, which measures them for sluicegate and for every other library
that is installed.
"""
