"""How the gallery runs the examples: they are given a folder for their pictures, and what they draw there is shown."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

DRAWN = Path(__file__).resolve().parents[2] / "build" / "drawn"


def arguments(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """What an example finds in sys.argv."""
    return [str(DRAWN / Path(script_vars["src_file"]).stem)]


def pictures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show the files that an example has drawn."""
    shown = []
    for file in sorted((DRAWN / Path(block_vars["src_file"]).stem).glob("*.png")):
        target = next(block_vars["image_path_iterator"])
        shutil.move(file, target)
        shown.append(target)
    return figure_rst(shown, gallery_conf["src_dir"])
