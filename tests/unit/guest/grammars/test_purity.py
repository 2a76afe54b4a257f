"""Grammars stand below all else that knows guests: they import none of it."""

from __future__ import annotations

from tests.architecture import ROOT, imported_modules, sources

ALLOWED = ("vboxlab.guest.grammars", "vboxlab.lazily", "vboxlab.invisible")


def test_grammars_import_nothing_that_judges() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path, tree in sources()
        if path.parent == ROOT / "guest" / "grammars"
        for module, line in imported_modules(path, tree)
        if module.startswith("vboxlab") and not module.startswith(ALLOWED) and module != "vboxlab"
    ]
    assert found == []
