"""Compile the catalogues of sentences when a package of vboxlab is built, an editable one included."""

from __future__ import annotations

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Hatch's hook for what is made before files are packed (its documentation, "Custom build hook")."""

    def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
        """Make the .mo files; pyproject.toml names them as artifacts, as no version control has them."""
        sys.path.insert(0, self.root)
        from tests.catalogues import compile_all

        compile_all()
