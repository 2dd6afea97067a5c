"""Configure Sphinx: MyST pages, and a reference that is made from the code."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "monochat-billing"
author = "the maintainers of monochat-billing"
release = metadata.version("monochat-billing")
version = release
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "from_the_code",
]
exclude_patterns = ["_build", "_ext"]

# ------------------------------------------------------------------------------------------ pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # a link to a heading is checked
myst_links_external_new_tab = False
suppress_warnings: list[str] = []

# -------------------------------------------------------------------------------------- reference
autosummary_generate = False  # from_the_code writes a page per module
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "ignore-module-all": True,  # what a door re-exports is documented in its own room, once
}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
modindex_common_prefix = ["monochat_billing."]

# ------------------------------------------------------------------------------------------- look
html_theme = "furo"
html_title = "monochat-billing"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
