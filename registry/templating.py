"""Templates in one language: strings, dates and line breaks are bound to it once, not looked up for every word."""

from collections.abc import Callable, MutableMapping
from datetime import date, datetime
from functools import cache, lru_cache, partial
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes, select_autoescape
from jinja2.visitor import NodeTransformer

from registry import languages
from registry.places import TEMPLATES

_DATES: dict[str, Callable[[Any, str], str]] = {
    "long_day": languages.long_day,
    "week_day": languages.week_day,
    "short_day": languages.short_day,
    "month": languages.month,
    "moment": languages.moment,
}


class _Translating(NodeTransformer):
    """Puts the words of a language into a template while it is compiled: pages are made of little else."""

    def __init__(self, gettext: Callable[[str], str]) -> None:
        self._gettext = gettext
        self._macros: set[str] = set()

    def visit_FromImport(self, node: nodes.FromImport) -> nodes.Node:  # noqa: N802  the name that Jinja asks for
        """Note which names are macros that see nothing but what they are given."""
        if not node.with_context:
            self._macros.update(name if isinstance(name, str) else name[1] for name in node.names)
        return node

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802  the name that Jinja asks for
        """Leave a call with a body as it is."""
        call = node.call
        self.generic_visit(node)
        node.call = call
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  the name that Jinja asks for
        """Replace `_("words")`, and keep what a macro makes of words alone; other calls stay as they are."""
        self.generic_visit(node)
        words = [argument.value for argument in node.args if isinstance(argument, nodes.Const)]
        is_more = node.kwargs or node.dyn_args or node.dyn_kwargs or len(words) < len(node.args)
        if is_more or not words or not all(isinstance(one, str) for one in words):
            return node
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if name == "_" and len(words) == 1:
            return nodes.Const(self._gettext(words[0]), lineno=node.lineno)
        return _kept(node) if name in self._macros else node


def _kept(node: nodes.Call) -> nodes.Call:
    kept = nodes.Name("kept", "load", lineno=node.lineno)
    return nodes.Call(kept, [node.node, *node.args], [], None, None, lineno=node.lineno)


class _OfOneLanguage(Environment):
    """Jinja's environment, with the words of a language instead of calls that look them up."""

    def __init__(self, language: str, **options: Any) -> None:
        super().__init__(**options)
        self._gettext = languages.translations(language).gettext
        self.globals["_"] = partial(_translated, self._gettext)
        self.globals["language"] = language
        self.filters.update(filters(language))
        # For a macro that depends on little: the same untouched lines for all, the same foot on each page of a patient.
        self.globals["kept"] = lru_cache(maxsize=4096)(_called)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> dict[str, Any]:
        """One plain dictionary: Jinja's chain of two is compared key by key at every import of a macro."""
        return {**self.globals, **(d or {})}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Translating(self._gettext).visit(super()._parse(source, name, filename))
        return tree


@cache
def environment(language: str) -> Environment:
    """The templates of a language; HTML is escaped, and a missing name is an error, not an empty space."""
    return _OfOneLanguage(
        language,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=["html"], default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        # A release is a restart: nobody asks the disk for each page whether a template has changed.
        auto_reload=False,
    )


def _called(macro: Callable[..., str], *arguments: Any) -> str:
    return macro(*arguments)


def filters(language: str) -> dict[str, Callable[..., Any]]:
    """How dates and Japanese phrases are written in a language."""
    dates = {name: _bound(written, language) for name, written in _DATES.items()}
    return dates | {"phrased": partial(languages.phrased, language=language)}


def _translated(gettext: Callable[[str], str], text: str, **values: Any) -> str:
    words = gettext(text)
    return words % values if values else words


def _bound(written: Callable[[Any, str], str], language: str) -> Callable[[date | datetime], str]:
    return lambda value: written(value, language)
