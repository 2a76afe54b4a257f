"""The layers and habits of the design, enforced on the source text."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import ModuleType

import pytest

import vboxlab
from tests.architecture import PICTURE, ROOT, drawn, imported_modules, layer_of, module_name, needed, sources
from vboxlab.guest.naming import naming
from vboxlab.guest.network import network
from vboxlab.guest.place import Place
from vboxlab.guest.resources import AbsentFile, File
from vboxlab.guest.role_registry import in_guest
from vboxlab.hypervisor import qemu, virtualbox
from vboxlab.hypervisor.virtualbox import worker
from vboxlab.topology.loader import load_topology
from vboxlab.topology.role_registry import installed_roles

# Where something is made otherwise than by vboxlab.files (0600 and 0700 whatever the umask), and why that is right.
MADE_OTHERWISE = {
    ("cli/graph.py", "write_text"): "the user's own file, where he wants it",
    ("operations/handout.py", "write_text"): "the user's own file, where he wants it",
    ("operations/new_topology.py", "mkdir"): "the user's own folder of topologies, which others may read",
    ("operations/prove_grading.py", "mkdir"): "the user's own folder of results, which others may read",
    ("base/builder.py", "open"): "a tar in memory",
    ("base/disk.py", "open"): "in a scratch directory",
    ("base/jobs.py", "mkdir"): "others pass through the scratch directory's parent; it is outside the home",
    ("base/native.py", "mkdir"): "in a guest's root tree, whose rights are the guest's",
    ("base/native.py", "write_text"): "in a guest's root tree, whose rights are the guest's",
    ("hypervisor/diskfiles/copying.py", "open"): "copies that may be large, opened privately",
    ("hypervisor/qemu/disks.py", "open"): "a disk that grows, opened privately",
    ("hypervisor/qemu/garbage.py", "os.open"): "a lock, with 0600",
    ("hypervisor/qemu/layout.py", "os.open"): "a lock, with 0600",
    ("hypervisor/qemu/readiness.py", "write_bytes"): "in a temporary directory",
    ("hypervisor/qemu/switch.py", "os.open"): "a lock, with 0600; the program runs with the standard library alone",
    ("hypervisor/virtualbox/launch.py", "open"): "a log that grows, opened privately",
    ("hypervisor/virtualbox/worker/conversion.py", "mkdir"): "with 0700, in VirtualBox's folder of machines",
    ("hypervisor/virtualbox/worker/conversion.py", "open"): "a copy that may be large, opened privately",
    ("hypervisor/virtualbox/worker/layout.py", "mkdir"): "in VirtualBox's folder of machines",
    ("hypervisor/virtualbox/worker/locks.py", "open"): "a lock, opened privately",
    ("hypervisor/virtualbox/worker/power.py", "write_bytes"): "the user's own file, where he wants it",
    ("hypervisor/virtualbox/worker/presence.py", "mkdir"): "with 0700, in a private folder",
    ("hypervisor/virtualbox/worker/registry.py", "open"): "a copy among VirtualBox's own settings",
    ("operations/reporting.py", "mkdir"): "the user's own file, where he wants it",
    ("operations/reporting.py", "write_text"): "the user's own file, where he wants it",
    ("verification/recorder.py", "open"): "grows line by line, in a private folder",
}
# What a door may know of the house: it parses, asks and shows; the work of a verb is an operation's.
SEEN_BY_DOORS = {
    "credentials", "errors", "events", "harmless", "language", "operations", "programs", "settings", "settings_file",
    "__version__",
}  # fmt: skip
MAKERS = {"mkdir", "makedirs", "write_text", "write_bytes", "touch", "copy", "copy2", "copyfile", "copytree", "move"}
MAX_FILE = 400
MAX_FUNCTION = 60


def test_imports_go_downwards() -> None:
    wrong = []
    for path, tree in sources():
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for module, line in imported_modules(path, tree):
            parts = module.split(".")
            if parts[0] != "vboxlab" or len(parts) < 2 or parts[1] == "__version__":
                continue
            if layer_of(parts[1]) > layer_of(own) or ({parts[1], own} == {"guest", "base"}):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {own} imports {module}")
    assert wrong == []


def test_grammars_know_of_files_alone() -> None:
    """A reader is pure: nothing of roles, facts or findings, only other readers and what has no layer."""
    free = {"vboxlab", "vboxlab.lazily"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path, tree in sources()
        if path.parent == ROOT / "guest" / "grammars"
        for module, line in imported_modules(path, tree)
        if module.startswith("vboxlab") and module not in free and not module.startswith("vboxlab.guest.grammars")
    ]
    assert wrong == []


def imports_within_the_package() -> dict[str, set[str]]:
    """Return which modules of the package each one imports, at its top or in a function."""
    trees = {module_name(path): tree for path, tree in sources()}
    found: dict[str, set[str]] = {}
    for own, tree in trees.items():
        named: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                named.update(name if name in trees else node.module for name in full.values())
        found[own] = named.intersection(trees) - {own}
    return found


def circles(imports: Mapping[str, Set[str]]) -> set[frozenset[str]]:
    """Return the sets of modules that reach each other by imports."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = set(imports[start])
        while todo:
            seen |= todo
            todo = {far for near in todo for far in imports[near]} - seen
        return seen

    reach = {module: reached(module) for module in imports}
    return {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in imports
        if module in reach[module]
    }


def test_grammars_know_nothing_but_each_other() -> None:
    """They read what any file means, whoever's it is."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path, tree in sources()
        if path.relative_to(ROOT).parts[:2] == ("guest", "grammars")
        for module, line in imported_modules(path, tree)
        if module.startswith("vboxlab") and not module.startswith(("vboxlab.guest.grammars", "vboxlab.lazily"))
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(imports_within_the_package()) == set()


def test_a_circle_would_be_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset({"b", "c"})}
    assert "vboxlab.hypervisor.virtualbox.driver" in imports_within_the_package()["vboxlab.hypervisor.registry"]


def test_the_terminal_knows_operations_and_little_else() -> None:
    """Neither under TYPE_CHECKING: what it prints of a result is the result's own."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path, tree in sources()
        if path.relative_to(ROOT).parts[0] == "cli"
        for module, line in imported_modules(path, tree)
        if module.startswith("vboxlab.") and module.split(".")[1] not in SEEN_BY_DOORS | {"cli"}
    ]
    assert wrong == []


def test_operations_hand_on_nothing_of_other_layers() -> None:
    """What a door takes from an operation's module is defined there."""
    defined = {
        module_name(path): defined_in(tree)
        for path, tree in sources()
        if path.relative_to(ROOT).parts[0] == "operations" and path.name != "__init__.py"
    }
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {alias.name} of {node.module}"
        for path, tree in sources()
        if path.relative_to(ROOT).parts[0] == "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in defined
        for alias in node.names
        if alias.name not in defined[node.module]
    ]
    assert wrong == []


def defined_in(tree: ast.Module) -> set[str]:
    """Return the names that a module itself gives to something."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def test_the_picture_of_the_architecture_is_up_to_date() -> None:
    assert PICTURE.read_text(encoding="utf-8") == drawn(), "run `make architecture`"


def test_the_picture_leaves_out_what_follows() -> None:
    assert needed({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


# Files that only one of the two drivers of real hypervisors has, by why the other has none.
ONE_SIDED = {
    "VirtualBox keeps settings, makes processes and has networks by itself": {
        "definition", "command", "switch", "workspace",
    },
    "VirtualBox's process for each machine is not spoken to, nor measured": {
        "looks", "conversations", "refusals", "work",
    },
    "VirtualBox's API needs a process of its own, which may be killed": {
        "launch", "process", "startup", "failures", "main", "protocol", "calls", "arguments", "disk_calls", "facts",
        "told", "coding", "pulse", "presence", "locks", "repeating",
    },
    "VirtualBox is a service with an API that changes with its releases": {
        "service", "kvm", "connection", "sessions", "versions", "host",
    },
    "its list of VMs and disks is the user's too": {
        "lookup", "marks", "noted_disks", "foreign", "describing", "media", "storage", "ownership", "conversion",
    },
    "its files can be damaged, and are read": {"settings_file", "looking", "registry", "mending", "repairs"},
}  # fmt: skip


def modules_in(package: ModuleType) -> set[str]:
    assert package.__file__ is not None
    return {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}


def named_in(package: ModuleType) -> set[str]:
    """Return the files in the lists of a package's docstring: indented, before two spaces or alone in their line."""
    lists = re.findall(r"^ {4}(\w+(?:, \w+)*)(?: {2,}.*)?$", package.__doc__ or "", re.MULTILINE)
    return {name for names in lists for name in names.split(", ")}


def test_the_drivers_are_twins_file_for_file() -> None:
    ours, theirs = modules_in(qemu), modules_in(virtualbox) | modules_in(worker)
    one_sided = set[str]().union(*ONE_SIDED.values())
    assert ours ^ theirs == one_sided
    assert named_in(qemu) == ours
    assert named_in(virtualbox) == (ours & theirs) | (modules_in(virtualbox) & one_sided)
    assert named_in(worker) == modules_in(worker) & one_sided


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("click", "cli/"),
        ("vboxapi", "hypervisor/virtualbox/worker"),
        ("paramiko", "guest/ssh.py"),
        ("rich", "cli/output.py"),
        ("qemu", "hypervisor/qemu"),
    ],
)
def test_one_place_imports_each_foreign_interface(library: str, allowed: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path, tree in sources()
        for module, _ in imported_modules(path, tree)
        if module.split(".")[0] == library
    }
    assert all(name.startswith(allowed) for name in found), found


def test_one_module_prints() -> None:
    wrong = []
    for path, tree in sources():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write") and (
                name != "cli/output.py" and not name.startswith("hypervisor/virtualbox/worker")
            ):
                wrong.append(f"{name}:{node.lineno}: {called}")
    assert wrong == []


def test_readers_of_foreign_files_are_pure() -> None:
    """Those who judge disk files and appliances start no program and know no driver."""
    found = {
        module
        for path, tree in sources()
        if path.relative_to(ROOT).parts[:2] == ("hypervisor", "diskfiles")
        for module, _ in imported_modules(path, tree)
        if module == "subprocess" or module.startswith("vboxlab.")
    }
    others = {module for module in found if not module.startswith("vboxlab.hypervisor.diskfiles")}
    assert others == {"vboxlab.errors", "vboxlab.files", "vboxlab.language", "vboxlab.lazily"}


def makes_a_file(call: ast.Call) -> str | None:
    """Return what a call makes files or folders with, None when it makes none or makes them privately."""
    called = ast.unparse(call.func)
    name = called.rsplit(".", 1)[-1]
    given = [ast.unparse(each) for each in (*call.args, *call.keywords)]
    if name in MAKERS and not (name == "copy" and not called.startswith("shutil.")):
        return name
    if called == "os.open":
        return called if any("O_CREAT" in each for each in given) else None
    if name == "open":
        texts = [each.value for each in ast.walk(call) if isinstance(each, ast.Constant)]
        return (
            name
            if any(isinstance(text, str) and re.fullmatch(r"[rbt+]*[wax][rbt+]*", text) for text in texts)
            else None
        )
    if name == "FileLock":
        return None if "mode=PRIVATE_FILE" in given else name
    return None


def test_what_is_made_is_made_privately() -> None:
    """Secrets, keys, journals and images are their owner's alone: few modules but vboxlab.files make any."""
    found = {
        (path.relative_to(ROOT).as_posix(), made)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (made := makes_a_file(node)) and path.name != "files.py"
    }
    assert found == MADE_OTHERWISE.keys()


def calls_in(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of each thing of a module that a source calls."""
    names = names_of_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield ".".join(filter(None, (names.get(first, first), rest)))


@pytest.mark.parametrize(
    ("calls", "allowed"),
    [
        ({"os.fsync", "os.replace", "os.rename", "os.sync", "tempfile.mkstemp", "shutil.copyfile"}, {"files.py"}),
        # Who takes a port for a moment to see whether it is free.
        ({"probe.bind", "socket.create_server"}, {"listening.py"}),
    ],
    ids=["flushed writes", "free ports"],
)
def test_one_module_does_it_for_all(calls: set[str], allowed: set[str]) -> None:
    found = {path.relative_to(ROOT).as_posix() for path, tree in sources() if calls.intersection(calls_in(tree))}
    assert found == allowed


# What Python has on Unix alone (its library reference, "Availability"), by module; "" are attributes of whatever.
UNIX_ONLY = {
    "os": {
        "fork", "forkpty", "setsid", "setpgid", "getpgid", "killpg", "getuid", "geteuid", "getgid", "getegid",
        "getgroups", "setuid", "setgid", "chown", "lchown", "chroot", "mkfifo", "mknod", "openpty", "pread",
        "pwrite", "sync", "nice", "statvfs", "uname", "getloadavg", "sched_getaffinity", "sched_setaffinity",
        "WNOHANG", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "wait", "waitid", "wait3", "wait4", "sysconf",
        "memfd_create", "pipe2", "copy_file_range", "SEEK_DATA", "SEEK_HOLE", "posix_fallocate",
        "posix_fadvise", "getxattr", "setxattr", "listxattr", "confstr", "ttyname",
    },
    "signal": {
        "SIGKILL", "SIGHUP", "SIGQUIT", "SIGSTOP", "SIGCONT", "SIGTSTP", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM",
        "SIGPIPE", "SIGWINCH", "alarm", "pause", "setitimer", "pthread_kill", "pthread_sigmask", "sigwait",
    },
    "socket": {"AF_UNIX", "SO_PEERCRED", "SO_REUSEPORT", "SCM_RIGHTS", "socketpair"},
    "": {"st_blocks", "st_blksize", "st_rdev"},
}  # fmt: skip
UNIX_MODULES = {"fcntl", "pwd", "grp", "pty", "tty", "termios", "resource", "syslog", "posix", "crypt", "readline"}
# Asked for on Unix alone, each behind a look at the platform that mypy follows (or hasattr).
GUARDED = {
    ("files.py", "fcntl"), ("files.py", "st_blocks"),
    ("hypervisor/diskfiles/copying.py", "os.SEEK_DATA"), ("hypervisor/diskfiles/copying.py", "os.SEEK_HOLE"),
    ("hypervisor/diskfiles/copying.py", "os.copy_file_range"),
    ("hypervisor/doctor.py", "os.geteuid"), ("home.py", "os.geteuid"),
    ("hypervisor/virtualbox/worker/locks.py", "fcntl"),
}  # fmt: skip


def for_unix_alone() -> set[str]:
    """Return the modules that need not run on Windows, as `make lint` knows them; a folder ends in a slash."""
    config = tomllib.loads((ROOT.parent / "tests" / "portability.toml").read_text(encoding="utf-8"))
    (names,) = (each["module"] for each in config["tool"]["mypy"]["overrides"] if each.get("ignore_errors"))
    paths = (name.removeprefix("vboxlab.").replace(".", "/") for name in names)
    return {path.removesuffix("*") if path.endswith("*") else f"{path}.py" for path in paths}


def unix_only_in(tree: ast.Module) -> Iterator[str]:
    """Yield each name in a source that Python has on Unix alone."""
    names = names_of_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from UNIX_MODULES.intersection(modules)
        if isinstance(node, ast.Attribute | ast.Name):
            first, _, rest = ast.unparse(node).partition(".")
            module, _, name = (f"{names.get(first, '')}.{rest}" if rest else names.get(first, "")).partition(".")
            if module and name in UNIX_ONLY.get(module, ()):
                yield f"{module}.{name}"
            elif isinstance(node, ast.Attribute) and node.attr in UNIX_ONLY[""]:
                yield node.attr


def test_nothing_but_the_qemu_driver_and_the_builder_of_bases_needs_unix() -> None:
    alone = for_unix_alone()
    found = {
        (path.relative_to(ROOT).as_posix(), what)
        for path, tree in sources()
        for what in unix_only_in(tree)
        if not any(path.relative_to(ROOT).as_posix().startswith(each) for each in alone)
    }
    assert found == GUARDED


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("import os; os.fork()", "os.fork"),
        ("from os import getuid; getuid()", "os.getuid"),
        ("import os as o; o.geteuid()", "os.geteuid"),
        ("import signal; signal.SIGKILL", "signal.SIGKILL"),
        ("import fcntl", "fcntl"),
        ("from pwd import getpwuid", "pwd"),
        ("from pathlib import Path; Path('x').stat().st_blocks", "st_blocks"),
        ("import socket; socket.socket(socket.AF_UNIX)", "socket.AF_UNIX"),
    ],
)
def test_a_name_of_unix_alone_would_be_seen(line: str, what: str) -> None:
    assert what in set(unix_only_in(ast.parse(line)))


def test_threads_are_waited_for_where_ctrl_c_is_seen_on_windows_too() -> None:
    """Executor.map, Future.result and leaving an executor wait for a lock, which Ctrl-C does not interrupt there."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path, tree in sources()
        if any("ThreadPoolExecutor" in {alias.name for alias in node.names}
               for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    }  # fmt: skip
    # The engine waits in short turns itself; the worker is no terminal's, and QEMU's driver not for Windows.
    assert {name for name in found if "/qemu/" not in name and "/worker/" not in name} == {
        "waiting.py",
        "lab/engine.py",
    }


def test_driver_names_stay_below() -> None:
    """Nothing above the hypervisor layer asks which driver it has: it asks for capabilities."""
    wrong = []
    for path, tree in sources():
        if path.relative_to(ROOT).parts[0] in ("hypervisor", "settings.py", "cli", "base"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                values = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                if {"qemu", "virtualbox", "memory"} & {v for v in values if isinstance(v, str)}:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


# Words that are a role's name, and mean something else there.
NO_ROLES = {
    ("guest/grammars/ha_cf.py", "time"): "a value of hbgenmethod",
    ("topology/reachability.py", "dns"): "a machine's key",
    ("guest/grammars/nsswitch.py", "dns"): "a service of nsswitch.conf(5)",
    ("guest/grammars/nsswitch.py", "files"): "a service of nsswitch.conf(5)",
    ("guest/slips/resolving.py", "dns"): "a service of nsswitch.conf(5)",
    ("guest/slips/resolving.py", "files"): "a service of nsswitch.conf(5)",
    ("cli/importing.py", "commands"): "a field",
    ("base/delta.py", "sysctl"): "a kind of a package's files",
    ("base/initrd.py", "modules"): "a folder",
    ("base/layers.py", "packages"): "a key of a record",
    ("base/native.py", "packages"): "a key of a job",
    ("base/store.py", "packages"): "a key of a record",
    ("guest/grammars/interfaces.py", "script"): "a word of interfaces(5)",
    ("roles/heartbeat/rules.py", "services"): "a key of the role",
    ("topology/rules_references.py", "dns"): "a machine's key",
    ("topology/rules_left_alone.py", "dns"): "a machine's key",
    ("verification/checks.py", "dns"): "getent's database",
    ("verification/probes.py", "dns"): "a URL's scheme",
}


def role_of(path: Path) -> str | None:
    """Return the role whose folder a source is in, if it is in one's."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "roles" and len(parts) > 2 else None


def compared_in(tree: ast.Module) -> Iterator[str]:
    """Yield the words that a source compares with, or has as keys or in lists: what decides by them."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                deciding = [left, *others]
            case ast.Dict(keys=keys):
                deciding = [key for key in keys if key is not None]
            case ast.List(elts=members) | ast.Set(elts=members) | ast.Tuple(elts=members):
                deciding = members
            case ast.Subscript(slice=key):
                deciding = [key]
            case ast.MatchValue(value=value):
                deciding = [value]
            case _:
                continue
        yield from (part.value for part in deciding if isinstance(part, ast.Constant) and isinstance(part.value, str))


def test_nothing_imports_a_role_or_decides_by_its_name() -> None:
    """Also no role another one: what is asked of a role is asked through its interface."""
    names, wrong, excused = set(installed_roles()), [], set()
    for path, tree in sources():
        file, own = path.relative_to(ROOT).as_posix(), role_of(path)
        for module, line in imported_modules(path, tree):
            if module.startswith("vboxlab.roles.") and module.split(".")[2] != own:
                wrong.append(f"{file}:{line}: imports {module}")
        found = {(file, word) for word in compared_in(tree) if word in names and word != own}
        excused |= found & NO_ROLES.keys()
        wrong += [f"{file}: decides by the word {word}" for file, word in found - NO_ROLES.keys()]
    assert wrong == []
    assert excused == NO_ROLES.keys()


@pytest.mark.parametrize(
    "line",
    [
        "role == 'web'",
        "role in ('web', 'x')",
        "{'web': 1}",
        "names = ['web']",
        "found['web']",
        "role: Literal['web']",
        "match role:\n    case 'web':\n        pass",
    ],
)
def test_a_decision_by_a_role_would_be_seen(line: str) -> None:
    assert "web" in set(compared_in(ast.parse(line)))


def files_of_roles() -> dict[str, set[str]]:
    """Return the files that each role's resources write in the shipped topologies, but for those of every guest."""
    found: dict[str, set[str]] = {}
    for name, key, value in (
        ("failover", "tuning", "practical"),
        ("failover", "tuning", "fast"),
        *(("loadbalancing", "health", health) for health in ("none", "keepalived", "ldirectord")),
    ):
        topology = load_topology(ROOT.parent / "topologies" / f"{name}.yaml", {key: value})
        for machine in topology.machines.values():
            place = Place(topology, machine, topology.last_stage)
            everywhere = {resource.key for resource in (*naming(place), *network(place))}
            for role in place.roles:
                for resource in in_guest(role).resources(role, place):
                    if isinstance(resource, File | AbsentFile) and resource.key not in everywhere:
                        found.setdefault(role.role, set()).add(resource.path)
    return found


# A program's one file, of roles that are never on one machine together (service-of-two-roles).
ALSO_OF = {("/etc/keepalived/keepalived.conf", "vrrp")}


def test_only_a_role_knows_its_files() -> None:
    owned = files_of_roles()
    assert {"/etc/ha.d/authkeys", "/etc/ha.d/shellfuncs.lean"} <= owned["heartbeat"]
    texts = {path: path.read_text(encoding="utf-8") for path in ROOT.rglob("*") if path.suffix in (".py", ".sh")}
    wrong = [
        f"{path.relative_to(ROOT)}: {file} of the role {name}"
        for path, text in texts.items()
        for name, files in owned.items()
        for file in files
        if file in text and role_of(path) != name and (file, role_of(path)) not in ALSO_OF
    ]
    assert wrong == []


STARTERS = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {"system", "popen", "startfile", "posix_spawn", "posix_spawnp", "fork", "forkpty"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "shutil": {"which"},
}


def names_of_modules(tree: ast.Module) -> dict[str, str]:
    """Return what modules and things of theirs are called in a source, each with its full name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def starters_in(tree: ast.Module) -> Iterator[str]:
    """Yield each place that looks for a program or starts a process by itself, or names this interpreter."""
    names = names_of_modules(tree)
    types = {node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)}  # subprocess.Popen[bytes]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name) or node in types:
            continue
        first, _, rest = ast.unparse(node).partition(".")
        module, _, name = (f"{names.get(first, '')}.{rest}" if rest else names.get(first, "")).partition(".")
        if (
            name in STARTERS.get(module, ())
            or (module == "os" and name.startswith(("exec", "spawn")))
            or (module == "multiprocessing" and name)
            or (module, name) == ("sys", "executable")
        ):
            yield f"{module}.{name}"


def test_one_module_finds_and_starts_programs() -> None:
    """So that no program and no Python module is ever taken from the folder that somebody works in."""
    allowed = {
        ("programs.py", "subprocess.run"), ("programs.py", "subprocess.Popen"), ("programs.py", "sys.executable"),
        # As the first to be tried, and as a fact for `doctor`: neither starts it.
        ("hypervisor/virtualbox/readiness.py", "sys.executable"),
        ("hypervisor/virtualbox/worker/host.py", "sys.executable"),
        # The switch leaves its parent; it starts no program.
        ("hypervisor/qemu/switch.py", "os.fork"),
    }  # fmt: skip
    found = {(path.relative_to(ROOT).as_posix(), what) for path, tree in sources() for what in starters_in(tree)}
    assert found - allowed == set()


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess; subprocess.run(['qemu-img'])",
        "from subprocess import Popen as P; P(['ssh'])",
        "import subprocess as s; s.check_output('ver')",
        "import os; os.execvp('sh', [])",
        "import os; os.spawnl(0, 'x')",
        "from os import system; system('x')",
        "from shutil import which",
        "import sys; [sys.executable, '-m', 'vboxlab']",
        "import asyncio; asyncio.create_subprocess_exec('x')",
        "import multiprocessing; multiprocessing.Process()",
    ],
)
def test_a_program_started_elsewhere_would_be_seen(line: str) -> None:
    tree = ast.parse(line + ("; which('x')" if "which" in line else ""))
    assert list(starters_in(tree)) != []


def test_one_place_decides_what_vms_and_networks_are_called() -> None:
    """Names are not a function of the lab's name: two labs may want the same ones (vboxlab.planning.names)."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Names"
    }
    assert found == {"planning/names.py"}


def test_no_digest_is_made_of_a_repr() -> None:
    """What is kept on a disk must not change with our classes; the classes' old forms are in first_digest."""
    wrong = []
    for path, tree in sources():
        hashes = any(module == "hashlib" for module, _ in imported_modules(path, tree))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "repr"]
        if hashes and calls and path.name != "first_digest.py":
            wrong.append(path.relative_to(ROOT).as_posix())
    assert wrong == []


def test_files_and_functions_are_small() -> None:
    wrong = []
    for path, tree in sources():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert wrong == []


def test_no_module_is_a_dump() -> None:
    names = {path.stem for path, _ in sources()} | {path.name for path in ROOT.rglob("*") if path.is_dir()}
    assert names.isdisjoint({"utils", "util", "helpers", "helper", "common", "misc"})


@pytest.mark.parametrize("module", [m.name for m in pkgutil.walk_packages(vboxlab.__path__, "vboxlab.")])
def test_every_module_can_be_imported(module: str) -> None:
    if module.endswith("__main__") or ".virtualbox.worker" in module:
        pytest.skip("runs when imported, or only under VirtualBox's interpreter")
    importlib.import_module(module)


def test_text_is_made_harmless_in_one_place() -> None:
    """No other module escapes by itself, and whatever writes a table, a page or a picture asks that one."""
    escaping = {"html", "xml.sax.saxutils", "markupsafe"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path, tree in sources()
        for module, line in imported_modules(path, tree)
        if module in escaping and path.name != "harmless.py"
    ]
    asking = {
        path
        for path, tree in sources()
        for module, _line in imported_modules(path, tree)
        if module in ("vboxlab.harmless", "harmless")
    }
    for path, _tree in sources():
        text = path.read_text(encoding="utf-8")
        shows = "csv.writer(" in text or "<html" in text or "<svg" in text or "ET.SubElement(" in text
        if shows and path not in asking:
            wrong.append(f"{path.relative_to(ROOT)}: shows text without vboxlab.harmless")
    assert wrong == []
