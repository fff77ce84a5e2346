"""A renderer of formulas for Sphinx: MathML, which browsers draw without a script or a font."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert


def inline(translator, node):
    """Write a formula in a line of text."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def displayed(translator, node):
    """Write a formula on lines of its own, which a narrow page can scroll."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="formula" tabindex="0">{formula}</div>')
    raise SkipNode


def setup(app):
    """Offer the renderer to Sphinx under the name `mathml`."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
