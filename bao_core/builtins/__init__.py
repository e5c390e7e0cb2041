"""What core itself contributes, through the same hooks as everybody else."""
