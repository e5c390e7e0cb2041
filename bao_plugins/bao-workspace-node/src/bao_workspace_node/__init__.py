"""Finds the JavaScript packages of a workspace for bao."""
