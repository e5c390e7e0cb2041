"""Keeps the results of bao tasks on the local disk."""
