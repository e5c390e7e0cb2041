"""What this distribution offers to bao."""
