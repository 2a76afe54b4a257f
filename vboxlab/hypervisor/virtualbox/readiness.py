"""Whether VirtualBox is here, with which binding it can be driven, and whether guests can really run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from vboxlab import programs
from vboxlab.hypervisor.virtualbox.worker.versions import PYTHONS, parse_version, spell
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

INSTALL_HINT = N_(
    "install VirtualBox 7.2: https://www.virtualbox.org/wiki/Downloads, or on Debian `apt install virtualbox`"
)
BINDING_HINT = N_('install the binding: `pip install "vboxlab[virtualbox]"` in the environment that runs vboxlab')
# Where VirtualBox's installers put their libraries (VirtualBox manual, "Installing on Linux/macOS/Windows Hosts").
UNIX_FOLDERS = ("/usr/lib/virtualbox", "/opt/VirtualBox", "/usr/lib64/virtualbox")
MACOS_FOLDER = "/Applications/VirtualBox.app/Contents/MacOS"
WINDOWS_VARIABLES = ("VBOX_MSI_INSTALL_PATH", "VBOX_INSTALL_PATH")
WINDOWS_FOLDER = r"C:\Program Files\Oracle\VirtualBox"
SERVICES = ("VBoxSVC", "VBoxSVC.exe")
DRIVER_DEVICE = Path("/dev/vboxdrv")
KERNEL_MODULES = Path("/proc/modules")


@dataclass(frozen=True)
class Installation:
    """Where VirtualBox's programs and its SDK are."""

    program: Path
    sdk: Path

    @property
    def manage(self) -> Path:
        """Return the VBoxManage program."""
        return self.program / ("VBoxManage.exe" if os.name == "nt" else "VBoxManage")


@dataclass(frozen=True)
class Binding:
    """An interpreter, and the folder of the vboxapi package to load in it ("": its own)."""

    interpreter: str
    folder: str = ""

    def __str__(self) -> str:
        if not self.folder:
            return _("{interpreter} with its own vboxapi").format(interpreter=self.interpreter)
        return _("{interpreter} with {folder}").format(interpreter=self.interpreter, folder=self.folder)


def find_installation(environ: Mapping[str, str] = os.environ) -> Installation | None:
    """Return where VirtualBox is installed, None if it is not. VBOX_PROGRAM_PATH and VBOX_SDK_PATH win."""
    for folder in _program_folders(environ):
        if any(_is_file(folder / service) for service in SERVICES):
            sdk = Path(environ.get("VBOX_SDK_PATH") or folder / "sdk")
            return Installation(folder.absolute(), sdk.absolute())
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that this user may not look into, or its name is too long
        return False


def _program_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("VBOX_PROGRAM_PATH"):
        yield Path(environ["VBOX_PROGRAM_PATH"])
    system = platform.system()
    if system == "Windows":
        yield from (Path(environ[name]) for name in WINDOWS_VARIABLES if environ.get(name))
        yield Path(WINDOWS_FOLDER)
    elif system == "Darwin":
        yield Path(MACOS_FOLDER)
    else:
        yield from map(Path, UNIX_FOLDERS)
    found = programs.find("VBoxManage")
    if found:
        yield Path(found).resolve().parent


def installed_version(installation: Installation) -> str:
    """Return the version that VBoxManage tells, "" when it does not: for when the API cannot be asked."""
    try:
        said: str = programs.run(
            [installation.manage, "--version"], capture_output=True, text=True, errors="replace", timeout=20
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # Debian's wrapper prints its warnings on standard output too.
    return next((line for line in said.splitlines() if re.match(r"\d+\.\d+", line)), "")


def binding_hint(version: str) -> str:
    """Return what to do where no interpreter loads the binding of this VirtualBox ("": version unknown)."""
    series = parse_version(version)[:2]
    if len(series) != 2:
        return _(BINDING_HINT)
    release = spell((series[0], series[1]))
    known = PYTHONS.get((series[0], series[1]), ())
    if not known:
        return _(
            "VirtualBox {version} needs another Python: vboxlab takes it from PATH or VBOXLAB_VBOX_PYTHON, and may "
            "itself run on another; if it still does not load, `pip install 'vbox-sdk=={release}.*'` in it"
        ).format(version=version, release=release)
    pythons = _(" or ").join(known)
    return _(
        "VirtualBox {version} needs a Python {pythons} (such as `uv python install {python}`): vboxlab takes it from "
        "PATH or VBOXLAB_VBOX_PYTHON, and may itself run on another; if it still does not load, "
        "`pip install 'vbox-sdk=={release}.*'` in it"
    ).format(version=version, pythons=pythons, python=known[0], release=release)


def find_interpreter(name: str) -> str | None:
    """Return the path of an interpreter that was named or whose path was given, None when it is no program."""
    return programs.find(name) or programs.find(str(Path(name).absolute()))


def find_bindings(installation: Installation, preferred: str | None) -> list[Binding]:
    """Return what can be tried to load the binding, best first: VirtualBox's own copy before the packaged one.

    Which interpreter works differs by release (one too new crashes on import): each is tried in its own process.
    """
    system = system_python() or programs.find("python3")
    others = [programs.find(f"python{version}") for versions in PYTHONS.values() for version in versions]
    wanted = preferred and (find_interpreter(preferred) or str(Path(preferred).absolute()))
    interpreters = [name for name in (wanted, sys.executable, system, *others) if name]
    folders = [str(folder) for folder in _own_copies(installation) if _is_file(folder / "__init__.py")]
    tried = [Binding(name, folder) for name in dict.fromkeys(interpreters) for folder in (*folders, "")]
    return list(dict.fromkeys(tried))


def system_python(*, windows: bool = os.name == "nt") -> str | None:
    """Return the interpreter that the system came with.

    Windows has none, and Python's default there (ntpath.defpath) is the current folder and a folder bin at the top of
    the drive, which any user of the computer can make.
    """
    return None if windows else programs.find("python3", path=os.defpath)


def _own_copies(installation: Installation) -> Iterator[Path]:
    # Windows' installer calls the folder sdk\install (as those who run vboxapisetup.py in it tell), all others, and the
    # SDK that is packed apart, sdk/installer.
    for folder in ("installer", "install"):
        yield installation.sdk / folder / "python" / "vboxapi" / "src" / "vboxapi"  # 7.1 and later
        yield installation.sdk / folder / "vboxapi"  # 6.1 and 7.0
    yield Path("/usr/lib/python3/dist-packages/vboxapi")  # Debian and Ubuntu


def kernel_driver_problem() -> str:
    """Return why VirtualBox's kernel driver cannot be used, "" when it can or when this host cannot tell.

    VirtualBox's API does not say: `isExecutionEngineSupported` answers yes without the driver.
    """
    if platform.system() != "Linux":
        return ""
    if not DRIVER_DEVICE.exists():
        return _(
            "VirtualBox's kernel driver is not loaded (/dev/vboxdrv is missing): `sudo modprobe vboxdrv`, "
            "or install virtualbox-dkms and the kernel's headers"
        )
    return ""


def other_hypervisor() -> str:
    """Return which other hypervisor's module has guests running on this Linux host, "" if none has."""
    if not KERNEL_MODULES.is_file():
        return ""
    for line in KERNEL_MODULES.read_text(encoding="ascii", errors="replace").splitlines():
        name, _size, users, *_rest = (*line.split(), "", "", "")
        if name in ("kvm_intel", "kvm_amd") and users.isdigit() and int(users) > 0:
            return name
    return ""


def installed() -> str:
    """Return "" when VirtualBox is installed here, so that it can be driven, else why not."""
    if find_installation() is not None:
        return ""
    return _("VirtualBox is not installed; {advice}").format(advice=_(INSTALL_HINT))


def usable() -> str:
    """Return "" when VirtualBox can run guests here, else why not. Starts no process."""
    return installed() or kernel_driver_problem()


def can_show_windows() -> bool:
    """Tell whether a VM's window can be shown: its program is there and so is a screen."""
    installation = find_installation()
    if installation is None:
        return False
    if platform.system() != "Linux":
        return True
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and (installation.program / "VirtualBoxVM").is_file()
