"""A base and its package layers as `base build` and `up` would leave them on disk, with nothing inside."""

from __future__ import annotations

import json
from pathlib import Path

from vboxlab.base.keys import ensure_key
from vboxlab.base.recipe import RECIPES
from vboxlab.base.store import BaseStore
from vboxlab.base.stored import image_name
from vboxlab.lab.desire import package_sets
from vboxlab.settings import Settings
from vboxlab.topology.model import Topology


def put_base(home: Path, name: str = "debian12") -> BaseStore:
    """Put an empty base on disk."""
    store = BaseStore(Settings(home=home))
    _private, public = ensure_key(home)
    digest = RECIPES[name].digest(public)
    directory = store.directory / image_name(name, digest)
    directory.mkdir(parents=True)
    (directory / "disk.qcow2").touch()
    (directory / "base.json").write_text(json.dumps({"name": name, "digest": digest, "built": 0}))
    return store


def put_layers(store: BaseStore, topology: Topology, members: dict[str, tuple[str, ...]]) -> None:
    """Put every layer and delta on disk that the machines of a topology want."""
    for machine in topology.machines.values():
        base = store.get(machine.base or topology.base)
        sets = package_sets(topology, machine, members)
        if sets.image:
            layer = store.layers.directory / store.layers.image_name(base, sets.image)
            _put(layer, sets.image)
            (layer / "disk.qcow2").touch()
        for packages in sets.by_stage.values():
            later = tuple(sorted(set(packages) - set(sets.image)))
            if later:
                delta = store.layers._delta_directory(base, sets.image, later)
                _put(delta, later)
                (delta / "changes.json").write_text(json.dumps({"manifest": None}))


def _put(directory: Path, packages: tuple[str, ...]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "layer.json").write_text(json.dumps({"packages": packages}))
