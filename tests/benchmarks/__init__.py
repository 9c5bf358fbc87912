"""Benchmarks: each measures the registry beside a bare limit in the same run, and prints ratios."""
