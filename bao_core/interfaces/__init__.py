"""What plugins implement: one module an extension point, and nothing else."""
