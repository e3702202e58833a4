"""The drop-ins inside the real programs: tests, and benchmarks beside the programs' own."""
