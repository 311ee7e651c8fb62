"""The templates of the page: Jinja2, with every value escaped.

A name of a class, a file or a folder may hold anything, so escaping is not left to whoever writes a
template: ``autoescape`` is on for all of them, and an unknown name is an error, not an empty text.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .words import count, duration, number_text, percent, with_article

__all__ = ["render"]


@cache
def environment() -> Environment:
    """What all templates share: their folder, the escaping, the filters."""
    made = Environment(
        loader=PackageLoader("detlearn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count,
        "duration": duration,
        "number": number_text,
        "of": percent,
        "px": "{:.1f}".format,
        "thousands": "{:,}".format,
        "with_article": with_article,
    }
    made.tests["finite"] = math.isfinite
    return made


def render(template: str, **values: Any) -> Markup:
    """Fill in a template.

    Args:
        template: its file name in ``detlearn/report/templates``.
        **values: what its names stand for; text is escaped, `Markup` is not.

    Returns:
        HTML (or SVG), marked as such: another template takes it as it is.

    Raises:
        jinja2.UndefinedError: the template uses a name that has no value.

    >>> print(render("notes.html.j2", notes=["class <b> is & stays text"]))
    <aside class="notes"><strong>To know first</strong><ul>
    <li>class &lt;b&gt; is &amp; stays text</li>
    </ul></aside>
    """
    return Markup(environment().get_template(template).render(values))
