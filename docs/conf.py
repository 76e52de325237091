"""The book: ``make docs`` builds it to build/docs. Every page is executed; nothing is fetched from the network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXT = str(HERE / "_ext")
sys.path.insert(0, EXT)
os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (EXT, os.environ.get("PYTHONPATH")) if p)  # for the kernels
os.environ["ALICE_BOOK"] = str(HERE.parent)  # where pages find docs/bench

# Kernels have settings of their own, not those of whoever builds: pictures as SVG, and no word about their sockets.
PROFILE = HERE.parent / "build" / "ipython" / "profile_default" / "ipython_kernel_config.py"
PROFILE.parent.mkdir(parents=True, exist_ok=True)
PROFILE.write_text("c.IPKernelApp.log_level = 40\nc.InlineBackend.figure_formats = {'svg'}\n", encoding="utf-8")
os.environ["IPYTHONDIR"] = str(PROFILE.parent.parent)

project = "alice_core"
author = "alice_core contributors"
copyright = "alice_core contributors"
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "shown",
    "errata",
    "reference",
    "links",
]
exclude_patterns = ["_ext", "gallery/*.ipynb", "gallery/*.py", "gallery/**/*.zip", "bench/*", "sg_execution_times.rst"]
suppress_warnings = ["config.cache"]  # of functions in this file
nitpicky = True

# Pages are Markdown; those with the head "file_format: mystnb" are executed, each in a process of its own.
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "smartquotes"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_show_tb = True  # of what is wrong in all pages: warnings are errors at the end
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_render_text_lexer = "text"
html_math_renderer = "mathml"

# The reference.
add_module_names = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Source", "Gradient", "Accuracy", ("Attributes", "params_style")]
nitpick_ignore = [("py:class", "numpy.ndarray")]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "run_stale_examples": True,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "plot_gallery": True,
    "min_reported_time": 1000,
    "write_computation_times": False,
    "reset_modules": (),
    "reset_argv": "gallery.arguments",
    "image_scrapers": ("matplotlib", "gallery.pictures"),
    "matplotlib_animations": False,
}

html_theme = "furo"
html_title = "alice_core"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
pygments_style = "friendly"
