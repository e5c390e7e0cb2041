"""Cache tiers over a network, called on threads that a run can leave behind.

Whatever a remote does, a run waits for it only so long, and then goes on without it. Nothing here
is imported before a tier with a remote backend is asked for something.
"""

from __future__ import annotations

from bao_core.remote.tier import RemoteLimits, RemoteTier

__all__ = ["RemoteLimits", "RemoteTier"]
