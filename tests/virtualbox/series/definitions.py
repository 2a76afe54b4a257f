"""Reads definitions of VirtualBox's API: of a C header, of the installed type library, and of the binding's package.

All give a mapping of interfaces to members to signatures, in one notation whatever the source: `number` stands for
integers and values of enumerations, which C has no types for.
"""

from __future__ import annotations

import ast
import re
import runpy
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Interfaces = dict[str, dict[str, str]]
VTABLE = re.compile(r"^struct (I\w+)_vtbl\n\{\n(.*?)^\};", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"nsresult \(\*(\w+)\)\((.*?)\);", re.DOTALL)
PARAMETER = re.compile(r"(?:const )?(\w+)\s*([* ]*)\s*\b(\w+)")
C_TYPES = {"PRUnichar": "text", "PRBool": "boolean", "nsISupports": "object"}
XPCOM_TYPES = {10: "boolean", 17: "text"}  # others but these are numbers
INTERFACE, ARRAY = 18, 20
POINTERS = ("text", "object")  # what is given by a pointer, as all interfaces are
RESERVED = "InternalAndReserved"


def signature_of(parameters: Iterable[tuple[str, bool]]) -> str:
    """Return a method's signature from its parameters' types and whether each is given back."""
    known = list(parameters)
    taken = ", ".join(kind for kind, out in known if not out)
    given = ", ".join(kind for kind, out in known if out)
    return f"({taken}) -> {given}" if given else f"({taken})"


def from_header(text: str) -> Interfaces:
    """Return what a generated VirtualBox_CAPI.h declares. An attribute's functions stand on one line there."""
    own: Interfaces = {}
    parents: dict[str, str] = {}
    for interface, body in VTABLE.findall(text):
        members = own.setdefault(interface, {})
        parent = re.search(r"struct (I\w+)_vtbl \w+;", body)
        if parent:
            parents[interface] = parent[1]
        for name, words in FUNCTION.findall(body):
            if RESERVED in name:
                continue
            parameters = _parameters(words)
            if "\n" in words or not parameters:
                members[name] = signature_of(parameters)
            elif name.startswith("Get"):
                members[name[3:]] = parameters[0][0]
            else:
                members[name[3:]] = f"{parameters[0][0]} ="
    for interface in own:
        parent_name = parents.get(interface, "")
        while parent_name:
            own[interface] = {**own.get(parent_name, {}), **own[interface]}
            parent_name = parents.get(parent_name, "")
    return own


def _parameters(words: str) -> list[tuple[str, bool]]:
    """Return the types of a C function's parameters, but for the object itself, and whether each is given back."""
    matches = [PARAMETER.fullmatch(word.strip()) for word in words.split(",")[1:]]
    known = [(match[1], match[2].count("*"), match[3]) for match in matches if match is not None]
    arrays = {name.removesuffix("Size") for _base, _stars, name in known} & {name for _base, _stars, name in known}
    arrays = {name for name in arrays if f"{name}Size" in {each for _base, _stars, each in known}}
    found: list[tuple[str, bool]] = []
    for base, stars, name in known:
        if name.removesuffix("Size") in arrays and name not in arrays:
            continue
        kind = C_TYPES.get(base) or (base if base.startswith("I") else "number")
        level = (kind in POINTERS or kind.startswith("I")) + (name in arrays)
        found.append((kind + "[]" * (name in arrays), stars > level))
    return found


def from_installed(interfaces: Iterable[str]) -> Interfaces:
    """Return what the installed VirtualBox's type library declares of these, once its binding was loaded (XPCOM's)."""
    from xpcom import xpt  # only there then

    return {name: dict(_members(xpt.Interface(name))) for name in interfaces}


def _members(interface: Any) -> Iterator[tuple[str, str]]:
    for method in interface.methods:
        if method.IsNotXPCOM() or method.IsHidden() or RESERVED in method.name:
            continue
        sizes = {each.type_desc[1] for each in method.params if _tag(each.type_desc[0]) == ARRAY}
        known = [(_kind(method, each), bool(each.IsOut())) for each in method.params if each.param_index not in sizes]
        if method.IsGetter():
            yield method.name, known[0][0]
        elif method.IsSetter():
            yield method.name, f"{known[0][0]} ="
        else:
            yield method.name, signature_of(known)
            # XPCOM has attributes that are arrays as two methods: nothing tells them from methods that are so called.
            if len(known) == 1 and known[0][0].endswith("[]") and method.name[:3] in ("get", "set"):
                yield method.name[3:], known[0][0] if known[0][1] else f"{known[0][0]} ="


def _kind(method: Any, parameter: Any) -> str:
    tag = _tag(parameter.type_desc[0])
    place = (method.method_index, parameter.param_index)
    element = _tag(method.interface_info.GetTypeForParam(*place, 1)[0]) if tag == ARRAY else tag
    if element == INTERFACE:
        kind = str(method.interface_info.GetIIDForParam(*place).name)
    else:
        kind = XPCOM_TYPES.get(element, "number")
    return C_TYPES.get(kind, kind) + "[]" * (tag == ARRAY)


def _tag(flags: int) -> int:
    return flags & 0x1F


def constants_of(wheels: Iterable[Path]) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Return the enumerations and result codes that all these vbox-sdk packages have with the same values."""
    enumerations: list[dict[str, dict[str, int]]] = []
    results: list[dict[str, int]] = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
            made = runpy.run_path(archive.extract("vboxapi/VirtualBox_constants.py", folder))
        info = made["VirtualBoxReflectionInfo"]
        enumerations.append(info._VirtualBoxReflectionInfo__dValues)  # what it has for others tells one name at a time
        flat = info._VirtualBoxReflectionInfo__dValuesFlat
        results.append({name: value for name, value in flat.items() if name.startswith("VBOX_E_")})
    first, *others = enumerations
    alike = {
        name: {
            value: number
            for value, number in values.items()
            if all(o.get(name, {}).get(value) == number for o in others)
        }
        for name, values in first.items()
    }
    return alike, {name: code for name, code in results[0].items() if all(each.get(name) == code for each in results)}


def manager_of(wheel: Path) -> dict[str, list[int]]:
    """Return the members of the binding's VirtualBoxManager: of each call the fewest and most arguments."""
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read("vboxapi/__init__.py"))
    manager = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "VirtualBoxManager")
    found: dict[str, list[int]] = {}
    for method in (node for node in manager.body if isinstance(node, ast.FunctionDef)):
        most = len(method.args.args) - 1
        found[method.name] = [most - len(method.args.defaults), most]
        for node in ast.walk(method):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.setdefault(node.attr, [0, 0])
    return found


def chosen(interfaces: Interfaces, members: Mapping[str, Iterable[str]]) -> Interfaces:
    """Return of each of some interfaces these members, where it has them; C writes first letters otherwise."""
    return {
        interface: {name: known[_capital(name)] for name in sorted(names) if _capital(name) in known}
        for interface, names in sorted(members.items())
        for known in [{_capital(member): text for member, text in interfaces.get(interface, {}).items()}]
    }


def between(older: Interfaces, newer: Interfaces, read: Mapping[str, str]) -> Interfaces:
    """Return what a series has between two others: what is alike in both, the rest as it was `read` ("": missing)."""
    found: Interfaces = {}
    for interface, members in newer.items():
        before = older[interface]
        names = [name for name in (*before, *members) if before.get(name) != members.get(name)]
        missing = [f"{interface}.{name}" for name in names if f"{interface}.{name}" not in read]
        if missing:
            raise SystemExit(f"changed from the series before to the one after, look when: {missing}")
        changed = {name: read[f"{interface}.{name}"] for name in names}
        found[interface] = {name: text for name, text in sorted({**members, **changed}.items()) if text}
    return found


def words_in(source: Path) -> set[str]:
    """Return the attributes that a Python file names, also those in texts."""
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    words = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {word for word in words | texts if word.isidentifier()}


def _capital(member: str) -> str:
    return member[:1].upper() + member[1:]
