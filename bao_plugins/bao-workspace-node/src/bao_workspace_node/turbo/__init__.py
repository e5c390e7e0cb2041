"""`turbo.json` in bao's terms: see `load_turbo`."""

from __future__ import annotations

from bao_workspace_node.turbo.loading import load_turbo

__all__ = ["load_turbo"]
