"""The kit for plugin authors (extra `bao-core[testing]`)."""
