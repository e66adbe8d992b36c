"""Text from outside, for people: file names and messages may hold bytes that move the cursor."""

from __future__ import annotations

import unicodedata

_BROKEN = ("Cc", "Cs", "Cn", "Zl", "Zp")


def clean(text: str) -> str:
    r"""Without control characters and broken UTF-8; each becomes `?`.

    >>> clean("shot\x1b[2J.blend")
    'shot?[2J.blend'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if unicodedata.category(char) in _BROKEN else char for char in text)
