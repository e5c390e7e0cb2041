"""Finds the Python packages of a workspace for bao."""
