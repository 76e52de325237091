"""Install what the extra ``bench`` names, one by one: a package that cannot be had stops none of the others."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement


def wanted() -> list[str]:
    found = []
    for text in metadata.requires("alice_core") or []:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is not None and marker.evaluate({"extra": "bench"}) and not marker.evaluate({"extra": ""}):
            found.append(str(requirement))
    return found


if __name__ == "__main__":
    for requirement in wanted():
        if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", requirement]).returncode:
            print(f"notice: {requirement} could not be installed; what it would have measured is left out")
