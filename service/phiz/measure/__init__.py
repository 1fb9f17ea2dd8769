"""How well and how fast: what the benchmarks and the command line share."""
