"""bao: a pluggable task runner for monorepos."""

__version__ = "0.1.0"
