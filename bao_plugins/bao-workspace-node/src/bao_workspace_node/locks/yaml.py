"""Reading YAML: a binding to a parser in Rust, twenty times as fast as PyYAML's."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bao_workspace_node.locks.table import LockSource

_PLACE = re.compile(r" (?:at|in) line (\d+), column \d+")
_PREFIX = re.compile(r"^(?:YAML [a-z]+(?: [a-z]+)? (?:error|exceeded)[:,]? ?)+", re.IGNORECASE)


def read_documents(source: LockSource) -> list[Any]:
    """The documents in a file, without the empty ones.

    Raises:
        LockBrokenError: It is no YAML.
    """
    import fast_yaml

    text = source.text()
    try:
        return [found for found in fast_yaml.safe_load_all(text) if found is not None]
    except UnicodeEncodeError:
        raise source.broken("is not YAML: it holds half a character") from None
    except ValueError as error:
        said = " ".join(str(error).split())
        found = _PLACE.search(said)
        reason = _PREFIX.sub("", _PLACE.sub("", said)) or "it cannot be parsed"
        line = int(found.group(1)) if found else None
        raise source.broken(f"is not YAML: {reason}", line) from None
