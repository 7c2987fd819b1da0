"""Files packed while they are read, in constant memory."""

from collections.abc import Iterator
from pathlib import Path

from isal import isal_zlib

_CHUNK = 256 * 1024
_GZIP = 31
"""The size of the window, and 16: a gzip stream (zlib's manual)."""


def gzipped(path: Path) -> Iterator[bytes]:
    """The content of a file as one gzip stream."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP)
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            if packed := packer.compress(chunk):
                yield packed
    yield packer.flush()
