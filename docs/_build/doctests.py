"""Shows the examples in docstrings as blocks of code; Markdown takes the signs before them for quotations."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Doctests(Extension):
    """Puts a fence around every example of the docstrings that the page of the library shows."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:  # noqa: ANN401, ARG002 -- griffe's signature
        """Change the docstring of one object."""
        if obj.docstring is not None:
            examples = r"^>>> .*(?:\n.*\S.*)*"
            obj.docstring.value = re.sub(examples, r"```pycon\n\g<0>\n```", obj.docstring.value, flags=re.MULTILINE)
