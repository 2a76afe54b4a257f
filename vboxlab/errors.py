"""The tree of errors that a user can cause or meet.

VboxlabError                 root; never raised itself
├── UsageError               the command line asks for something that cannot be        exit 64
├── TopologyInvalid          a topology or snapshot file is wrong (lists all problems) exit 3
│   └── RoleUnusable         a role is not fit for use, or none is installed
├── SettingsInvalid          a settings file or variable is wrong                      exit 3
├── DriverError              the hypervisor refused or failed                          exit 4
│   ├── DriverUnavailable    the hypervisor is not installed or not usable
│   ├── MachineNotFound      the machine is not there (any more)
│   ├── MachineConflict      something foreign stands where ours should be
│   ├── SnapshotNotFound     the machine has no such snapshot
│   ├── SnapshotAmbiguous    several snapshots may be meant
│   └── CapabilityMissing    this driver cannot do that
├── HostError                this computer lets no file be written, read or opened   exit 4
├── BaseError                a base image is missing or cannot be built                exit 4
├── GuestError               a guest does not answer or a resource failed              exit 5
├── LabBusy                  another vboxlab process works on this lab                 exit 6
├── LabError                 the lab cannot be brought to the desired state            exit 4
├── CopyStopped              the user stopped it, and what ran was finished first     exit 130
├── InfrastructureTrouble    a verification could not be carried out                   exit 7
└── WaitTimeout              something did not happen in time                          exit 5

A command on many copies of a lab exits with 8 when at least one of them failed; the summary says which and why.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from vboxlab.credentials import redacted
from vboxlab.language import N_, _

EXIT_OK = 0
EXIT_CHECK_FAILED = 1
EXIT_CHANGES_PENDING = 2
EXIT_INVALID = 3
EXIT_DRIVER = 4
EXIT_GUEST = 5
EXIT_BUSY = 6
EXIT_INFRASTRUCTURE = 7
EXIT_SOME_COPIES = 8
EXIT_USAGE = 64
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class VboxlabError(Exception):
    """Root of all expected errors: what failed (brief), the evidence (details), what to do (resolution).

    Users and passwords within URLs are left out, wherever the text came from.
    """

    exit_code = EXIT_DRIVER

    def __init__(self, brief: str, *, details: Sequence[str] = (), resolution: str | None = None) -> None:
        self.brief = redacted(brief)
        super().__init__(self.brief)
        self.details = tuple(map(redacted, details))
        self.resolution = resolution and redacted(resolution)

    def __str__(self) -> str:
        lines = [self.brief, *(f"  {detail}" for detail in self.details)]
        if self.resolution:
            lines.append(f"  -> {self.resolution}")
        return "\n".join(lines)

    def in_one_line(self) -> str:
        """Return all of it in one line: what failed, the evidence, what to do."""
        return "; ".join((self.brief, *self.details, *((self.resolution,) if self.resolution else ())))

    def brief_without(self, subject: str) -> str:
        """Return the brief without its subject in front, for a line that names it already."""
        return self.brief.removeprefix(_("{subject}: {problem}").format(subject=subject, problem=""))

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, VboxlabError)
            and (self.brief, self.details, self.resolution) == (other.brief, other.details, other.resolution)
        )

    def __hash__(self) -> int:
        return hash((type(self), self.brief, self.details, self.resolution))


class UsageError(VboxlabError):
    """The command line asks for something that cannot be."""

    exit_code = EXIT_USAGE


class SettingsInvalid(VboxlabError):
    """A settings file or environment variable is wrong."""

    exit_code = EXIT_INVALID


class DriverError(VboxlabError):
    """The hypervisor refused or failed."""


class DriverUnavailable(DriverError):
    """The hypervisor is not installed or not usable on this host."""


class MachineNotFound(DriverError):
    """The machine is not there (any more)."""


class MachineConflict(DriverError):
    """Something that is not ours stands where a machine of ours should be."""


class SnapshotNotFound(DriverError):
    """The machine has no snapshot of that name."""


class SnapshotAmbiguous(DriverError):
    """Several snapshots of the machine may be meant by the name."""


class CapabilityMissing(DriverError):
    """The chosen driver cannot do what was asked."""


class HostError(VboxlabError):
    """No file can be written, read or opened on this computer: rights, a full disk, too many open files."""


class BaseError(VboxlabError):
    """A base image is missing, in use or cannot be built."""


class LabError(VboxlabError):
    """The lab cannot be brought to the desired state."""


class GuestError(VboxlabError):
    """A guest does not answer, is not the one expected, or refuses a change."""

    exit_code = EXIT_GUEST


class WaitTimeout(VboxlabError):
    """Something did not happen in time."""

    exit_code = EXIT_GUEST


class LabBusy(VboxlabError):
    """Another vboxlab process works on this lab."""

    exit_code = EXIT_BUSY


class CopyStopped(VboxlabError):
    """An operation on a copy ended early because the user stopped it."""

    exit_code = EXIT_INTERRUPTED


class InfrastructureTrouble(VboxlabError):
    """A verification could not be carried out, so nothing is proved either way."""

    exit_code = EXIT_INFRASTRUCTURE


class TopologyInvalid(VboxlabError):
    """A topology or snapshot-set file is wrong; the details list every problem found."""

    exit_code = EXIT_INVALID


class RoleUnusable(TopologyInvalid):
    """A role that is needed cannot be used, or none is installed."""


_FULL = N_("make room on that disk, then repeat the command")
_RIGHTS = N_("give your user the right to it, or choose another folder with VBOXLAB_HOME")
_OTHER_FOLDER = N_("choose a folder that can be made, with VBOXLAB_HOME")
_OPEN = N_("close other programs, or raise the limit (`ulimit -n`), then repeat the command")
_DISK = N_("look after that disk: the system's log says more")
# How the system calls the usual ones (strerror(3)); it says them in its own language only where it was asked to.
SYSTEM_WORDS = (
    N_("No space left on device"), N_("Disk quota exceeded"), N_("File too large"), N_("Permission denied"),
    N_("Operation not permitted"), N_("Read-only file system"), N_("Not a directory"), N_("File name too long"),
    N_("Too many levels of symbolic links"), N_("Too many open files"), N_("Too many open files in system"),
    N_("Input/output error"), N_("No such file or directory"), N_("Is a directory"), N_("File exists"),
    N_("Connection refused"), N_("Directory not empty"), N_("Device or resource busy"),
)  # fmt: skip
# What the system says when a computer's state is the reason, and not a mistake of ours (errno(3)).
_OF_THE_HOST = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: _FULL,
    errno.EACCES: _RIGHTS, errno.EPERM: _RIGHTS, errno.EROFS: _RIGHTS,
    errno.ENOTDIR: _OTHER_FOLDER, errno.ENAMETOOLONG: _OTHER_FOLDER, errno.ELOOP: _OTHER_FOLDER,
    errno.EMFILE: _OPEN, errno.ENFILE: _OPEN,
    errno.EIO: _DISK,
}  # fmt: skip


def host_error(error: BaseException) -> HostError | None:
    """Return what to tell of an error of the system that nothing expected; None where it may be a mistake of ours."""
    if not isinstance(error, OSError) or (resolution := _OF_THE_HOST.get(error.errno or 0)) is None:
        return None
    return HostError(said_by_system(error), resolution=_(resolution))


def said_by_system(error: OSError) -> str:
    """Return what the system says is wrong, with the file it says it of."""
    reason = _(error.strerror) if error.strerror else str(error)
    if not error.filename:
        return reason
    return _("{subject}: {problem}").format(subject=error.filename, problem=reason)
