"""A cache backend for bao: keeps results in Redis."""
