"""`trust`: agree that the code in the folders `roles` and `checks` beside a topology may run, or do so no more."""

from __future__ import annotations

from vboxlab.errors import TopologyInvalid
from vboxlab.harmless import for_line
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.settings import load_settings
from vboxlab.topology import trust as trusted
from vboxlab.topology.catalog import find_topology
from vboxlab.topology.code_folder import CodeFolder, read_code


@dataclass(frozen=True)
class TrustRequest:
    """The topology that the folders are beside; with `revoke` its code may run no more; with `yes` nobody is asked."""

    topology: str
    revoke: bool = False
    yes: bool = False


def trust(request: TrustRequest, door: Door) -> str:
    """Show what would run, ask, and remember the answer; return what came of it. Nothing of the folders runs here.

    Raises UsageError where there is no such topology or nobody can answer, TopologyInvalid where the folders hold what
    is not read (a link), OSError where the home cannot be written.
    """
    settings = load_settings()
    folder = find_topology(request.topology, settings).parent
    code = read_code(folder)
    if request.revoke:
        if trusted.revoke(settings.home, folder, code):
            return _("the code beside {folder} runs no more until you agree again").format(folder=folder)
        return _("the code beside {folder} was not trusted").format(folder=folder)
    if code is None:
        return _("there are no folders roles and checks in {folder}: nothing to agree to").format(folder=folder)
    if code.refused is not None:
        raise TopologyInvalid(
            _("the code in {folder} cannot be used").format(folder=code.path),
            details=[code.refused.told()],
            resolution=_("leave plain files and folders alone in its folders roles and checks"),
        )
    if trusted.is_trusted(settings.home, code):
        return _("the code in {folder} is trusted already, as it is now").format(folder=code.path)
    _show(code, door)
    if not request.yes:
        door.confirm(_("let vboxlab run this code, with all rights that you have?"))
    trusted.trust(settings.home, code)
    return _("the code in {folder} may run, as long as no byte of it changes").format(folder=code.path)


def _show(code: CodeFolder, door: Door) -> None:
    """Say what would run: the files, which are read once, so that what is shown is what is agreed to."""
    count = len(code.files)
    text = n_("{count} file in {folder}:", "{count} files in {folder}:", count)
    door.remark(text.format(count=count, folder=code.path))
    for name, content in sorted(code.files.items()):
        size = n_("{count} byte", "{count} bytes", len(content)).format(count=len(content))
        door.remark(f"  {for_line(name)} ({size})")
    names = [each for kind in ("role", "check") for each in code.names(kind)]
    door.remark(_("roles and checks: {names}").format(names=for_line(", ".join(names)) or "-"))
    door.remark(_("sha256 of all: {digest}").format(digest=code.digest))
