"""A cache of task results in S3, in other object stores, and in shared folders."""
