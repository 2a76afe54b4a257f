"""`init`: a first topology, from the answers to a few questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from vboxlab.base.recipe import RECIPES
from vboxlab.base.store import BaseStore
from vboxlab.errors import UsageError
from vboxlab.language import C_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.new_topology import free_name, name_fault, write_topology
from vboxlab.planning.desired import WAN_NETWORK
from vboxlab.settings import Settings, load_settings
from vboxlab.topology.drafting import Draft, DraftAdapter, DraftMachine, DraftNetwork, fit_name, scalar
from vboxlab.topology.model import MANAGEMENT_NETWORK
from vboxlab.topology.problems import did_you_mean, one_of
from vboxlab.topology.rules_networks import LONGEST_WITH_BROADCAST

NAME, NETWORK, SUBNET, BASE = "my-lab", "lan", "192.168.10.0/24", "debian12"
SERVER = "server"  # what machines are called
CLIENT = "client"
MOST_MACHINES = 20
FIRST_HOST = 10  # the first machine's place in a network with room enough: those before it are often a router's
INTERNET = "internet"
KEPT_FREE = (MANAGEMENT_NETWORK, IPv4Network(WAN_NETWORK))

Ask = Callable[[str, str, Callable[[str], str]], str]


@dataclass(frozen=True)
class InitRequest:
    """The name of the topology (None: it is asked); with `yes` every question has its default for an answer."""

    name: str | None = None
    yes: bool = False


@dataclass(frozen=True)
class Written:
    """A topology that was written."""

    name: str
    path: Path


@dataclass(frozen=True)
class Answers:
    """What was answered."""

    name: str
    title: str
    machines: tuple[str, ...]
    network: str
    subnet: IPv4Network
    base: str
    internet: bool
    web: bool

    def address(self, number: int) -> IPv4Address:
        """Return the address of a machine, counted from 0."""
        room = self.subnet.num_addresses - 2
        return self.subnet.network_address + number + (FIRST_HOST if FIRST_HOST + len(self.machines) <= room else 1)


def init(request: InitRequest, door: Door) -> Written:
    """Ask, and write a commented topology.

    Raises UsageError for a name that is taken or cannot be, and where nobody can answer; nothing is written then.
    """
    settings = load_settings()
    if request.name is not None and (wrong := name_fault(settings, request.name)):
        raise UsageError(wrong, resolution=_("choose another name; nothing was written"))
    ask: Ask = _default_of if request.yes else door.ask
    answers = _answers(settings, request.name, ask)
    path, _topology = write_topology(settings, answers.name, _draft(answers))
    return Written(answers.name, path)


def _default_of(question: str, default: str, fault: Callable[[str], str]) -> str:
    del question, fault
    return default


def _answers(settings: Settings, given: str | None, ask: Ask) -> Answers:
    name = given or ask(
        _("name of the topology and of its file"), free_name(settings, NAME), lambda text: name_fault(settings, text)
    )
    title = ask(_("title, for people"), name, lambda _text: "")
    count = int(ask(_("how many machines"), "2", _count_fault))
    names = ask(
        _("names of the machines, spaces between them"),
        " ".join(_usual_names(count)),
        lambda text: _names_fault(text, count),
    ).split()
    network = ask(_("name of their network"), NETWORK, _network_fault)
    subnet = ask(_("addresses of their network"), SUBNET, lambda text: _subnet_fault(text, count))
    bases = _bases(settings)
    base = ask(
        _("base that they are clones of ({bases})").format(bases=", ".join(bases)),
        BASE,
        lambda text: _base_fault(text, bases),
    )
    internet = _yes_or_no(ask, _("shall they reach the Internet"), default=False)
    web = _yes_or_no(ask, _("shall {machine} be a web server").format(machine=names[0]), default=True)
    return Answers(name, title, tuple(names), network, IPv4Network(subnet), base, internet, web)


def _usual_names(count: int) -> list[str]:
    clients = [] if count == 1 else [CLIENT, *(f"{CLIENT}-{number}" for number in range(2, count))]
    return [SERVER, *clients]


def _count_fault(text: str) -> str:
    is_count = text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_MACHINES
    return "" if is_count else _("expected a number from 1 to {most}").format(most=MOST_MACHINES)


def _names_fault(text: str, count: int) -> str:
    names = text.split()
    if len(names) != count:
        wanted = n_("expected {count} name, not {found}", "expected {count} names, not {found}", count)
        return wanted.format(count=count, found=len(names))
    unfit = next((name for name in names if fit_name(name) != name), None)
    if unfit is not None:
        wanted = _("{name} is no name for a machine; expected letters, digits and hyphens, such as {other}")
        return wanted.format(name=unfit, other=fit_name(unfit))
    if len({name.lower() for name in names}) < count:
        return _("expected names that are all different")
    return ""


def _network_fault(text: str) -> str:
    if fit_name(text) != text or text == INTERNET:
        return _("expected a name of letters, digits and hyphens, other than {name}").format(name=INTERNET)
    return ""


def _subnet_fault(text: str, count: int) -> str:
    try:
        subnet = IPv4Network(text)
    except ValueError:
        return _("expected a network such as {example}").format(example=SUBNET)
    if subnet.prefixlen > LONGEST_WITH_BROADCAST or subnet.num_addresses - 2 < count:
        wanted = n_("{subnet} has no room for {count} machine", "{subnet} has no room for {count} machines", count)
        return wanted.format(subnet=subnet, count=count)
    if any(subnet.overlaps(kept) for kept in KEPT_FREE) or subnet.is_loopback or subnet.is_multicast:
        return _("{subnet} is needed otherwise; expected another one, such as {example}").format(
            subnet=subnet, example=SUBNET
        )
    return ""


def _bases(settings: Settings) -> list[str]:
    """Return the bases that there are or that can be built, but for those that nobody logs in to."""
    store = BaseStore(settings)
    added = {base.name for base in store.added.all() if base.user}
    return sorted({*RECIPES, *(base.name for base in store.list()), *added})


def _base_fault(text: str, bases: Sequence[str]) -> str:
    return "" if text in bases else one_of(bases) + did_you_mean(text, bases)


def _yes_or_no(ask: Ask, question: str, *, default: bool) -> bool:
    yes, no = C_("answer", "yes"), C_("answer", "no")
    meant = {yes: True, yes[:1]: True, "yes": True, "y": True, no: False, no[:1]: False, "no": False, "n": False}

    def fault(text: str) -> str:
        return "" if text.lower() in meant else _("expected {yes} or {no}").format(yes=yes, no=no)

    return meant[ask(question, yes if default else no, fault).lower()]


def _draft(answers: Answers) -> Draft:
    networks = [DraftNetwork(answers.network, subnet=str(answers.subnet))]
    if answers.internet:
        remark = _("Each machine reaches the Internet through this computer; nobody reaches it from there.")
        networks.append(DraftNetwork(INTERNET, "nat", remarks=(remark,)))
    return Draft(
        lab=answers.name,
        title=answers.title,
        base=answers.base,
        networks=tuple(networks),
        machines=tuple(_machine(answers, number, name) for number, name in enumerate(answers.machines)),
        head=(
            _("This file says what the lab {name} shall be. Lines like this one are comments.").format(
                name=answers.name
            ),
            _("Is it right?             vboxlab validate {name}").format(name=answers.name),
            _("What would be done?      vboxlab plan {name}").format(name=answers.name),
            _("Do it, and prove it:     vboxlab up {name} && vboxlab verify {name}").format(name=answers.name),
        ),
        about_base=(_("What the machines are clones of: see `vboxlab base list`."),),
        about_networks=(_("Internal networks join the lab's machines alone; this computer is in none of them."),),
        about_machines=(
            _("Memory is in MiB. Adapters are numbered in their order: in the guest they are enp0s3, enp0s8, …"),
        ),
        about_verify=(_("What `vboxlab verify` tries, in this order."),),
        verify=tuple(_verify(answers)),
        tail=(
            _(
                "Further on: `parameters` (the student's name, say), `stages` that end in a snapshot, to which `vboxlab"
                " reset` goes back, and more machines with `for each`. `vboxlab schema` has all keys."
            ),
        ),
    )


def _machine(answers: Answers, number: int, name: str) -> DraftMachine:
    address = f"{answers.address(number)}/{answers.subnet.prefixlen}"
    adapters = [DraftAdapter(answers.network, address=address)]
    if answers.internet:
        adapters.append(DraftAdapter(INTERNET, address="dhcp"))
    page = f"<h1>{name}</h1>"
    roles = ("roles:", f"  - {{role: web, page: {scalar(page)}}}") if answers.web and not number else ()
    keys = (("hostname", name), ("cpus", "1"), ("memory", "512"))
    return DraftMachine(name, keys, tuple(adapters), roles)


def _verify(answers: Answers) -> list[str]:
    server, *clients = answers.machines
    steps = [f"- {{check: ping, from: {scalar(client)}, to: {scalar(server)}}}" for client in clients]
    if answers.web:
        url = scalar(f"http://{answers.address(0)}/")
        asker = clients[0] if clients else server
        steps.append(f"- {{check: page, from: {scalar(asker)}, url: {url}, contains: {scalar(server)}}}")
    return steps or [f"- {{check: ping, from: {scalar(server)}, to: {scalar(server)}}}"]
