"""What pydantic says of a value that does not fit, as sentences of the catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vboxlab.language import C_, N_, _

# By pydantic's kind of error, its own words (its documentation, "Validation Errors"); the fields are the error's `ctx`.
_MESSAGES = {
    "bool_parsing": N_("Input should be a valid boolean, unable to interpret input"),
    "bool_type": N_("Input should be a valid boolean"),
    "dict_type": N_("Input should be a valid dictionary"),
    "extra_forbidden": N_("Extra inputs are not permitted"),
    "finite_number": N_("Input should be a finite number"),
    "float_parsing": N_("Input should be a valid number, unable to parse string as a number"),
    "float_type": N_("Input should be a valid number"),
    "greater_than": N_("Input should be greater than {gt}"),
    "greater_than_equal": N_("Input should be greater than or equal to {ge}"),
    "int_from_float": N_("Input should be a valid integer, got a number with a fractional part"),
    "int_parsing": N_("Input should be a valid integer, unable to parse string as an integer"),
    "int_parsing_size": N_("Unable to parse input string as an integer, exceeded maximum size"),
    "int_type": N_("Input should be a valid integer"),
    "less_than": N_("Input should be less than {lt}"),
    "less_than_equal": N_("Input should be less than or equal to {le}"),
    "list_type": N_("Input should be a valid list"),
    "literal_error": N_("Input should be {expected}"),
    "missing": N_("Field required"),
    "path_type": N_("Input is not a valid path"),
    "string_type": N_("Input should be a valid string"),
    "value_error": N_("Value error, {error}"),
}


def told(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors in the language spoken; one of another kind by its message."""
    known = _MESSAGES.get(error["type"])
    if known is None:
        return _(str(error["msg"]))
    values = dict(error.get("ctx", {}))
    if "expected" in values:  # 'a', 'b' or 'c'
        either = C_("alternatives", "or")
        values["expected"] = str(values["expected"]).replace(" or ", f" {either} ")
    return _(known).format(**values)
