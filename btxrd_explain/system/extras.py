"""How the packages of an extra are installed, however this package was: from a clone, from a wheel, or by pipx."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires
from pathlib import Path


def to_install(extra: str, packages: list[str] | None = None) -> str:
    """Return the command that installs the packages of an extra; its own name is known to no index of packages.

    Args:
        extra: Such as ``captum``.
        packages: What this package requires, as its metadata say; None reads them.

    >>> to_install("captum", ["numpy>=2", 'captum>=0.9; extra == "captum"']).endswith(" 'captum>=0.9'")
    True
    """
    needed = requires("btxrd-explain") if packages is None else packages
    of_extra = (line.partition(";") for line in needed or () if re.search(rf"extra == ['\"]{extra}['\"]", line))
    named = " ".join(f"'{package.strip()}'" for package, _, _ in of_extra) or f"'btxrd-explain[{extra}]'"
    inject = "pipx" in Path(sys.prefix).parts
    return f"{'pipx inject btxrd-explain' if inject else 'python -m pip install'} {named}"
