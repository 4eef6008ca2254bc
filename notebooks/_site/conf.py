"""The site's looks and extensions, for sphinx; ``snnlib.chapters.site`` lays out the pages and calls it."""

from snnlib.chapters import site

project = html_title = "SNN paper companion"
root_doc = "README"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]

nb_execution_mode = "off"  # the committed outputs are what is shown
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "snnlib.chapters.site.slug"
suppress_warnings = ["myst.header"]  # a notebook's first heading may be of any level
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "sphinx_book_theme"
html_theme_options = {
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "use_download_button": False,
    "navbar_persistent": [],  # the sidebar has the search already
} | site.buttons()
html_show_copyright = html_copy_source = html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
mathjax_path = "mathjax/tex-chtml.js"


def setup(app):
    def as_written(app, what, name, thing, options, lines):
        """Docstrings as they stand in the source: they align their equations."""
        lines[:] = ["::", "", *("    " + line for line in lines), ""] if lines else []

    app.connect("autodoc-process-docstring", as_written)
