"""What PyYAML says of a text that is no YAML, as sentences of the catalogues."""

from __future__ import annotations

import re

from vboxlab.language import N_, _

# PyYAML's messages (its scanner, parser, composer, reader and constructor), which it says in English alone.
_MESSAGES = (
    N_("while scanning a directive"),
    N_("while scanning a block scalar"),
    N_("while scanning a plain scalar"),
    N_("while scanning a quoted scalar"),
    N_("while scanning a double-quoted scalar"),
    N_("while scanning a simple key"),
    N_("while scanning a tag"),
    N_("while scanning an anchor"),
    N_("while scanning an alias"),
    N_("while scanning for the next token"),
    N_("while parsing a block mapping"),
    N_("while parsing a block collection"),
    N_("while parsing a flow mapping"),
    N_("while parsing a flow sequence"),
    N_("while parsing a block node"),
    N_("while parsing a flow node"),
    N_("while parsing a node"),
    N_("while parsing a tag"),
    N_("while composing a mapping"),
    N_("while constructing a mapping"),
    N_("could not find expected ':'"),
    N_("could not determine a constructor for the tag {found}"),
    N_("duplicate tag handle {found}"),
    N_("expected a single document in the stream"),
    N_("but found another document"),
    N_("expected a comment or a line break, but found {found}"),
    N_("expected a digit or ' ', but found {found}"),
    N_("expected a digit or '.', but found {found}"),
    N_("expected a digit, but found {found}"),
    N_("expected a mapping node, but found {found}"),
    N_("expected a mapping for merging, but found {found}"),
    N_("expected a mapping or list of mappings for merging, but found {found}"),
    N_("expected a scalar node, but found {found}"),
    N_("expected a sequence node, but found {found}"),
    N_("expected alphabetic or numeric character, but found {found}"),
    N_("expected chomping or indentation indicators, but found {found}"),
    N_("expected escape sequence of {count} hexadecimal numbers, but found {found}"),
    N_("expected URI escape sequence of 2 hexadecimal numbers, but found {found}"),
    N_("expected indentation indicator in the range 1-9, but found 0"),
    N_("expected the node content, but found {found}"),
    N_("expected URI, but found {found}"),
    N_("expected {wanted}, but found {found}"),
    N_("expected {wanted} or {other}, but got {found}"),
    N_("found character {found} that cannot start any token"),
    N_("found duplicate anchor {found}; first occurrence"),
    N_("found duplicate YAML directive"),
    N_("found incompatible YAML document (version 1.* is required)"),
    N_("found undefined alias {found}"),
    N_("found undefined tag handle {found}"),
    N_("found unconstructable recursive node"),
    N_("found unexpected document separator"),
    N_("found unexpected end of stream"),
    N_("found unhashable key"),
    N_("found unknown escape character {found}"),
    N_("mapping keys are not allowed here"),
    N_("mapping values are not allowed here"),
    N_("second occurrence"),
    N_("sequence entries are not allowed here"),
    N_("special characters are not allowed"),
)


def told(message: str) -> str:
    """Return a message of PyYAML in the language spoken; one that is not known as it is."""
    for known in _MESSAGES:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(known))
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return _(known).format(**found.groupdict())
    return message


def what_is_wrong(error: Exception) -> str:
    """Return what is wrong with a file. The error's own text quotes it, which may have a part of a password."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if isinstance(error, UnicodeDecodeError):
        said = _("expected text in UTF-8")
    else:
        said = told(problem) if problem else _("a value in it cannot be read")
    if mark is None:
        return said
    where = {"line": mark.line + 1, "column": mark.column + 1}
    return _("line {line}, column {column}: {problem}").format(**where, problem=said)
