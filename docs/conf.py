"""Settings of the documentation site: `sphinx-build -W -b html docs site`, without network."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "linpot"
release = version = version_of("linpot")
copyright = "the authors of linpot, MIT licence"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "mathml",
    "mentions",
    "plain_docstrings",
]
exclude_patterns = ["_build"]

# Pages are Markdown
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

# Docstrings are numpydoc with `names` in backticks; types are on the type line, not in signatures
default_role = "literal"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
maximum_signature_line_length = 88
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"linpot {release}"
html_static_path = ["_static"]
html_css_files = ["linpot.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
copybutton_prompt_text = "$ "
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4f0", "color-brand-content": "#7db4f0"},
}
