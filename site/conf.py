"""Sphinx's configuration; tools/site.py lays out the folder in which it is read."""

import json
from pathlib import Path

# Written by tools/site.py: what the repository says once, elsewhere.
FACTS = json.loads((Path(__file__).parent / "facts.json").read_text(encoding="utf-8"))

project = "detlearn"
author = "The detlearn authors"
project_copyright = "The detlearn authors, MIT licence"
release = version = FACTS["version"]
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
nb_execution_mode = "off"
nb_ipywidgets_js: dict = {}  # explorers are frames; no widget needs a manager
nb_mime_priority_overrides = [("html", "text/html", 0)]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type", "myst.xref_missing"]

html_theme = "sphinx_book_theme"
html_title = "detlearn"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"}), ("quiz.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches the pages found, which no browser does on a disk
html_context = {"default_mode": "auto"}
html_theme_options = {
    "repository_url": FACTS["repository"],
    "repository_branch": FACTS["branch"],
    "path_to_docs": "",
    "launch_buttons": {"colab_url": "https://colab.research.google.com", "thebe": False},
    "use_repository_button": True,
    "use_download_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
}
# One file, no speech engine and no menu: nothing is asked of a network.
mathjax_path = "vendor/tex-svg.js"
mathjax3_config = {
    "options": {
        "enableMenu": False,
        "processHtmlClass": "tex2jax_process|mathjax_process|math|output_area",
    },
    "svg": {"fontCache": "local"},
}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_custom_sections = ["Invariant", "Invariants", "Deviation", "Deviations"]
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of a NamedTuple are documented once
copybutton_exclude = ".linenos, .gp, .go"
exclude_patterns = ["_build"]


def setup(app):
    """Two things that are no setting.

    Fields of a NamedTuple stand in its docstring; "Alias for field number 1" says nothing.  Search
    results get excerpts from a file that only the search page reads.
    """
    from collections import namedtuple

    field = type(namedtuple("One", "field").field)

    def excerpts(app, page, template, context, doctree):
        if page == "search":
            app.add_js_file("texts.js", defer="defer")  # written when all pages are there
            app.add_js_file("excerpts.js", defer="defer")

    app.connect("html-page-context", excerpts)
    app.connect(
        "autodoc-skip-member",
        lambda app, what, name, obj, skip, options: True if isinstance(obj, field) else None,
    )
