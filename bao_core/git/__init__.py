"""git, asked in bulk: `facts` for what it knows of changes and commits, `listing` for a worktree.

Nothing is imported here: a run starts git before it has imported anything else.
"""
