"""The documentation, as data."""

import re

from tests.support import ROOT


def blocks(document, language):
    """Return the fenced blocks of one language."""
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
