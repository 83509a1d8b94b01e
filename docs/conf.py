"""The site: `make docs` builds it into build/site, strictly and without network."""

import sys
from pathlib import Path

import fewshot

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
import commands_reference

commands_reference.TARGET.write_text(commands_reference.page(), encoding="utf-8")

project = "fewshot"
author = "The fewshot developers"
copyright = "The fewshot developers, Apache-2.0"
version = release = fewshot.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
root_doc = "index"
exclude_patterns = ["images"]

html_theme = "pydata_sphinx_theme"
html_title = "fewshot"
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
copybutton_exclude = ".linenos, .gp"
