"""Resources as the steps of somebody who types: files to edit, commands, things to look at. Pure, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TypeVar

from vboxlab.guest.pages import page_seen
from vboxlab.guest.resources import (
    NEW_FILE,
    AbsentFile,
    Argv,
    Await,
    Command,
    File,
    Hole,
    Hostname,
    Interface,
    Password,
    Resource,
    Restart,
    SecretText,
    Service,
    Sysctl,
    packages,
)
from vboxlab.guest.role_registry import guest_roles
from vboxlab.guest.roles import Seen
from vboxlab.guest.steps import SECRET, Steps, content_of
from vboxlab.guest.wording import code
from vboxlab.language import _
from vboxlab.lazily import dataclass

EDITOR = "nano"
UNITS = "/etc/systemd/system/"
_FENCES = {".html": "html", ".conf": "text", ".rules": "text"}
T = TypeVar("T")


@dataclass(frozen=True)
class Copy:
    """Files that come from another machine, where the copy to this address is typed; `text` is what says so."""

    address: str
    paths: tuple[str, ...]
    text: str


def steps_for(
    resources: Sequence[Resource],
    already: Iterable[Resource],
    *,
    copied: Copy | None = None,
) -> list[str]:
    """Return the steps from what is true `already` to the resources, in the order of the configuration script.

    `copied` files come with `scp -p` from the master instead of from an editor.
    """
    done = set(already)
    installed = packages(resources)
    new = [resource for resource in resources if resource not in done and not _undoes_nothing(resource, installed)]
    steps = Steps()
    for name in _of(new, Hostname):
        steps.say(_("Host name:"))
        steps.run(f"hostnamectl hostname {shlex.quote(name.name)}")
    files = _of(new, File)
    _edit(steps, [file for file in files if file.before_packages])
    _network(steps, _of(new, Interface))
    names = packages(new)
    if names:
        steps.say(_("Packages:"))
        steps.run("apt update", f"apt install -y {shlex.join(names)}")
    late = [file for file in files if not (file.before_packages or file.as_written)]
    if copied is not None:
        late = _copy(steps, late, copied)
    _edit(steps, late)
    for gone in _of(new, AbsentFile):
        steps.say(_("Remove {path}:").format(path=code(gone.path)))
        steps.run(f"rm -f {shlex.quote(gone.path)}")
    _Declared(steps, new).say(resources)
    for wish in _of(new, Await):
        _look(steps, wish)
    return steps.finished()


def _of(resources: Iterable[Resource], kind: type[T]) -> list[T]:
    return [resource for resource in resources if isinstance(resource, kind)]


def _undoes_nothing(resource: Resource, installed: Sequence[str]) -> bool:
    """Tell whether it only takes back what nobody who follows the key ever did.

    That is a command which puts away a file of another variant, or a service that is off and not installed.
    """
    match resource:
        case Command(unless=("test", "!", "-e", _), as_written=False):
            return True
        case Service(name=name, enabled=False, running=False, as_written=False):
            return name not in installed
        case _:
            return False


def _edit(steps: Steps, files: Iterable[File]) -> None:
    made = set()
    for file in files:
        if any(role.made_by(file, steps) for role in guest_roles().values()):
            continue
        folder = file.path.rpartition("/")[0]
        if folder.startswith(UNITS) and folder not in made:  # no package makes it
            made.add(folder)
            steps.say(_("Its folder first:"))
            steps.run(f"mkdir -p {shlex.quote(folder)}")
        path, command = f"**{code(file.path)}**", code(f"{EDITOR} {shlex.quote(file.path)}")
        steps.say(_("Edit {path} ({command}). It holds:").format(path=path, command=command))
        steps.show(content_of(file), _fence(file.path))
        if isinstance(file.content, SecretText):
            _tell_secrets(steps, file.content)
        rights = _rights(file)
        if rights:
            steps.say(_("Its owner and mode:"))
            steps.run(*rights)


def _tell_secrets(steps: Steps, text: SecretText) -> None:
    marks = dict.fromkeys(hole.shown for hole in text.all_holes)
    if list(marks) == [SECRET]:
        steps.say(_("The secret `{secret}` is the same on all nodes.").format(secret=SECRET))
        return
    told = ", ".join(map(code, marks))
    steps.say(_("The lab makes {secrets}: put your own, the same wherever it is named.").format(secrets=told))


def _rights(file: File) -> list[str]:
    path = shlex.quote(file.path)
    commands = []
    if (file.owner, file.group) != ("root", "root") or file.mode & 0o044 == 0:
        commands.append(f"chown {file.owner}:{file.group} {path}")
    if file.mode != 0o644:
        commands.append(f"chmod {file.mode:o} {path}")
    return commands


def _fence(path: str) -> str:
    return next((kind for ending, kind in _FENCES.items() if path.endswith(ending)), "text")


def _network(steps: Steps, interfaces: Sequence[Interface]) -> None:
    if not interfaces:
        return
    steps.say(_("Take the network's files into use, then look at the result:"))
    for interface in interfaces:
        name = shlex.quote(interface.name)
        steps.run(f"ifdown --force {name}; ip -4 addr flush dev {name}; ifup {name}")
    steps.run("ip -br -4 address", "ip route")


def _copy(steps: Steps, files: list[File], copied: Copy) -> list[File]:
    """Say how the copied ones among the files come from the master, and return the others."""
    coming = [file for file in files if file.path in copied.paths]
    if coming:
        steps.say(copied.text)
        folder = coming[0].path.rpartition("/")[0]
        steps.run(f"scp -p {shlex.join(file.path for file in coming)} root@{copied.address}:{shlex.quote(folder)}/")
        for file in coming:
            steps.say(_("What {path} holds then:").format(path=f"**{code(file.path)}**"))
            steps.show(content_of(file), _fence(file.path))
    return [file for file in files if file not in coming]


class _Declared:
    """Says what is left, in the order of declaration; services are restarted once when a file of theirs is new."""

    def __init__(self, steps: Steps, new: Sequence[Resource]) -> None:
        early = [file for file in _of(new, File) if not file.as_written]
        self._steps = steps
        self._new = new
        self._notified = {name for file in early + _of(new, AbsentFile) for name in file.notifies}
        self._units_changed = any(file.path.startswith(UNITS) for file in early)
        self._said = False

    def say(self, resources: Sequence[Resource]) -> None:
        """Say it of all resources; those that are not new count where something new concerns them."""
        for resource in resources:
            self._say(resource, is_new=resource in self._new)
        for last in _of(resources, Restart):
            if last.name in self._notified:
                self._type(*self._reloaded(f"systemctl restart {shlex.quote(last.name)}"))

    def _say(self, resource: Resource, *, is_new: bool) -> None:
        match resource:
            case Service(name=name) if is_new or name in self._notified:
                commands = _service(resource, is_new=is_new, notified=name in self._notified)
                self._notified.discard(name)
                self._type(*(self._reloaded(*commands) if resource.running or resource.enabled else commands))
            case _ if not is_new:
                pass
            case File(as_written=True):
                self._file(resource)
            case Sysctl(name, value, file):
                text = _("In {file}, the line {line} (without `#` in front); then apply it, the new value is shown:")
                self._tell(text.format(file=code(file), line=code(f"{name}={value}")))
                self._steps.run("sysctl -p" if file == "/etc/sysctl.conf" else f"sysctl -p {file}")
            case Password(user=user):
                text = _("Give {user} the password `{secret}` (asked twice):")
                shown = Hole("", resource.secret, length=resource.length).shown
                self._tell(text.format(user=code(user), secret=shown))
                self._steps.run(f"passwd {shlex.quote(user)}")
            case Command():
                self._type(*(_remarks(resource) if resource.explained else ()), typed(resource))
            case _:
                pass

    def _file(self, file: File) -> None:
        self._said = False
        _edit(self._steps, [file])
        self._notified |= set(file.notifies)
        self._units_changed |= file.path.startswith(UNITS)
        if file.check:
            self._steps.say(_("This finds nothing wrong with it:"))
            self._steps.run(shlex.join(word.replace(NEW_FILE, file.path) for word in file.check))

    def _tell(self, text: str) -> None:
        self._steps.say(text)
        self._said = False

    def _type(self, *commands: str) -> None:
        if commands and not self._said:
            self._steps.say(_("Commands:"))
            self._said = True
        self._steps.run(*commands)

    def _reloaded(self, *commands: str) -> Sequence[str]:
        """Return the commands after the one that lets systemd read its units anew, where one of them is new."""
        if not (self._units_changed and commands):
            return commands
        self._units_changed = False
        return ("systemctl daemon-reload", *commands)


def _service(service: Service, *, is_new: bool, notified: bool) -> list[str]:
    name = shlex.quote(service.name)
    if not is_new:
        return [f"systemctl restart {name}"] if service.running is not False else []
    verbs = {True: "enable", False: "disable", None: ""}[service.enabled]
    state = {True: "restart" if notified else "start", False: "stop", None: ""}[service.running]
    if (verbs, state) in (("enable", "start"), ("disable", "stop")):
        return [f"systemctl {verbs} --now {name}"]
    return [f"systemctl {verb} {name}" for verb in (verbs, state) if verb]


def _remarks(command: Command) -> list[str]:
    """Return comments of the shell: what a command is called, and what tells whether it is still needed."""
    name, words = " ".join(command.name.split()), typed(command)
    test = _as_typed(command.unless)
    said = [] if name == " ".join(words.split()) else [name]
    said += _("needed while this fails: {command}").format(command=test).splitlines()
    return [f"# {line}" for line in said]


def typed(command: Command) -> str:
    """Return a command as somebody would type it."""
    for role in guest_roles().values():
        words = role.typed(command)
        if words is not None:
            return words
    return _as_typed(command.run)


def _as_typed(argv: Argv) -> str:
    match argv:
        case ("sh", "-c" | "-ec", script):
            return script.rstrip()
        case argv:
            return shlex.join(argv)


def _look(steps: Steps, wish: Await) -> None:
    """Say what is looked at once all is done: the states that the configuration script waits for."""
    asked = (page_seen, *(role.seen for role in guest_roles().values()))
    said = (seen for look in asked if (seen := look(wish)) is not None)
    seen = next(said, Seen(_("this command succeeds:"), shlex.join(wish.until)))
    steps.check(seen.text)
    steps.run(seen.command)
