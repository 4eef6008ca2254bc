"""The explorer of chapter 01: one neuron under one current, to be touched, in a page without a kernel."""

import html
from pathlib import Path

PAGE = Path(__file__).with_name("explorer.html")


def frame() -> str:
    """The explorer as HTML for a notebook or a page: a frame of its own that holds all of it, so that neither
    sees the other's styles and scripts. It fits its height to what it shows; it asks the network for nothing.
    """
    page = html.escape(PAGE.read_text(encoding="utf-8"))
    look = "width: 100%; height: 640px; border: 0"
    return f'<div><iframe title="Neuron explorer" style="{look}" srcdoc="{page}"></iframe></div>'
