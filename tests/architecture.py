"""The layers of the package and who imports whom, read from the source; `python -m tests.architecture` draws them."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import vboxlab

ROOT = Path(vboxlab.__file__).parent
PICTURE = ROOT.parent / "docs" / "architecture.md"
# Lowest first; a module may import from its own layer and from those below. `guest` and `base` stand side by side.
LAYERS = [
    {"language", "lazily", "__init__"},
    {
        "credentials", "errors", "events", "files", "harmless", "home", "invisible", "listening", "programs",
        "pydantic_words", "settings", "settings_file", "waiting", "yaml_words",
    },
    {"topology"},
    {"planning"},
    {"hypervisor"},
    {"guest", "base"},
    {"roles"},
    {"lab"},
    {"verification"},
    {"grading"},
    {"operations"},
    {"cli", "__main__"},
]  # fmt: skip
_TEXT = """# Architecture

Made from the code by `make architecture`; `tests/unit/test_architecture.py` fails when it is not up to date, and when
an import goes upwards or in a circle. An arrow goes to what is imported; one that follows from others is left out. The
modules at the bottom may be imported by all. `docs/decisions` says why.

```mermaid
flowchart TD
{picture}
```

| package | what it is | imports |
|---|---|---|
{table}
"""


@functools.cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    """Return each source file of the package with its tree."""
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(ROOT.rglob("*.py")))


def layer_of(name: str) -> int:
    """Return the number of the layer in which a package, or a module beside the packages, stands."""
    return next(level for level, names in enumerate(LAYERS) if name in names)


def module_name(path: Path) -> str:
    """Return the full name of the module in a file."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the modules that a source imports anywhere, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            yield node.module, node.lineno
            if node.module == "vboxlab":
                yield from ((f"vboxlab.{alias.name}", node.lineno) for alias in node.names)


def package_of(path: Path) -> str:
    """Return the package of the house that a file stands in; a module beside the packages is one by itself."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def packages() -> dict[str, set[str]]:
    """Return which packages each package imports, those at the bottom left out."""
    found: dict[str, set[str]] = {name: set() for names in LAYERS[2:] for name in names if name != "__main__"}
    for path, tree in sources():
        own = package_of(path)
        if own in found:
            named = {
                module.split(".")[1] for module, _ in imported_modules(path, tree) if module.startswith("vboxlab.")
            }
            found[own] |= named & found.keys() - {own}
    return found


def needed(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports without those that follow from others: a graph without circles, transitively reduced."""

    def below(name: str) -> set[str]:
        return imports[name] | {far for near in imports[name] for far in below(near)}

    return {name: named - {far for near in named for far in below(near)} for name, named in imports.items()}


def drawn() -> str:
    """Return the page with the picture."""
    imports = packages()
    high = [name for names in reversed(LAYERS[2:]) for name in sorted(names) if name in imports]
    bottom = ", ".join(sorted((LAYERS[0] | LAYERS[1]) - {"__init__"}))
    arrows = [f"    {name} --> {other}" for name in high for other in sorted(needed(imports)[name])]
    lowest = [f"    {name} --> bottom" for name in high if not imports[name]]
    nodes = [f'    {name}["{name}"]' for name in high]
    rows = [f"| `{name}` | {_about(name)} | {', '.join(sorted(imports[name])) or '-'} |" for name in high]
    plugged = ['    topology -. "entry points vboxlab.roles" .-> roles']
    picture = "\n".join([*nodes, f'    bottom["{bottom}"]', *arrows, *lowest, *plugged])
    return _TEXT.format(picture=picture, table="\n".join(rows))


def _about(name: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.split("\n\n", 1)[0].replace("\n", " ").removesuffix(".")


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT.parent)}\n")
