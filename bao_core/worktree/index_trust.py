"""Which claims of git's index bao has checked against the bytes on disk.

That git reports a file as unmodified does not make the id in its index the id of the file's
bytes. A line-ending setting or a filter may stand between the two, even one that is no longer
configured; git compares times in whole seconds; other programs write indexes too. So each claim
is checked once, by hashing the file. From then on the index vouches for it: any later change gives
the file another ctime, in whole seconds, and git reports it as modified.

What was checked is remembered twice. By a fingerprint (ctime, inode, claimed id), which holds
whatever happens to the index. And as "all but these" for one state of the index, which
costs nothing to look up.
"""

from __future__ import annotations

from bao_core.model import Stamp
from bao_core.worktree.content import settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from bao_core.worktree.content import HashMemo

_KEY = "\0index"
"""Where the memo keeps it; no path holds a zero."""

_NO_STAMP = Stamp(0, 0, 0, 0, 0)

_MANY = 1000
"""So many exceptions are always worth listing; more only as long as they are fewer than half."""


_FEW = 16
"""For so many lookups, searching the text is cheaper than taking it apart."""


_PIECES = 3
"""Parts of what is remembered: the index, the fingerprints, the exceptions."""


class IndexTrust:
    """What is known of the claims of one state of the index.

    The text in the memo has three parts: the index id, the fingerprints, and the exceptions.

    Attributes:
        complete: Whether every claim is known to be true, but for `exceptions`.
        exceptions: Paths whose claims are false, or not checked.
    """

    __slots__ = (
        "_fingerprints",
        "_index_id",
        "_known",
        "_lookups",
        "_memo",
        "_seen",
        "complete",
        "exceptions",
    )

    def __init__(self, memo: HashMemo, index_id: str) -> None:
        self._memo = memo
        self._index_id = index_id
        memo.keep(_KEY)
        entry = memo.entries.get(_KEY)
        pieces = entry[1].split("\n", 2) if entry is not None else []
        whole = len(pieces) == _PIECES
        remembered, self._fingerprints, exceptions = pieces if whole else ("", "", "")
        self.complete = remembered == index_id != ""
        self.exceptions: Sequence[str] = ()
        if self.complete and exceptions:
            self.exceptions = exceptions.split("\0")
        self._known: set[str] | None = None
        self._lookups = 0
        self._seen: set[str] = set()

    @property
    def blank(self) -> bool:
        """Whether nothing was ever checked."""
        return not self._fingerprints

    def confirms(self, claim: str, found: os.stat_result) -> bool:
        """Whether this claim about a file with this stat was checked before."""
        fingerprint = _fingerprint(claim, found)
        self._lookups += 1
        if self._lookups <= _FEW:
            known = f" {fingerprint} " in f" {self._fingerprints} "
        else:
            if self._known is None:
                self._known = set(self._fingerprints.split(" "))
            known = fingerprint in self._known
        if known:
            self._seen.add(fingerprint)
        return known

    def confirm(self, claim: str, found: os.stat_result, *, now: int) -> bool:
        """Take note that a claim is true, if that will stay so.

        Args:
            claim: Mode and blob id by the index.
            found: The file's stat when it was read.
            now: A time before it was read, in nanoseconds since the epoch.

        Returns:
            False for a file so young that another change might not show.
        """
        if not settled(found.st_ctime_ns, now):
            return False
        self._seen.add(_fingerprint(claim, found))
        return True

    def save(self, exceptions: Sequence[str], *, files: int, all_seen: bool) -> None:
        """Put what is known now into the memo.

        Args:
            exceptions: Paths whose claims are false, or not checked.
            files: How many claims there are.
            all_seen: Whether every claim was looked at, so that what was not seen is history.
        """
        if not self._seen and (self.complete or not all_seen):
            return
        index_id = self._index_id
        if len(exceptions) > max(_MANY, files // 2):
            index_id, exceptions = "", ()
        fingerprints = self._seen
        if not all_seen or self.complete:
            earlier = self._fingerprints.split(" ") if self._fingerprints else []
            if len(earlier) <= 2 * files + _MANY:
                fingerprints = fingerprints.union(earlier)
        text = "\n".join((index_id, " ".join(sorted(fingerprints)), "\0".join(exceptions)))
        entry = self._memo.entries.get(_KEY)
        if entry is None or entry[1] != text:
            self._memo.put(_KEY, _NO_STAMP, text)


def _fingerprint(claim: str, found: os.stat_result) -> str:
    # Half of a blob id tells two versions of one file apart as surely as the whole.
    return f"{found.st_ctime_ns:x}.{found.st_ino:x}.{claim[7:27]}"
