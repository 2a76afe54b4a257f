"""The rules that a topology must keep beyond its shape; each yields problems with a stable code, none has effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vboxlab.topology import rules_commands as commands
from vboxlab.topology import rules_disks as disks
from vboxlab.topology import rules_faults as faults
from vboxlab.topology import rules_grading as grading
from vboxlab.topology import rules_invariants as invariants
from vboxlab.topology import rules_left_alone as left_alone
from vboxlab.topology import rules_names as names
from vboxlab.topology import rules_networks as networks
from vboxlab.topology import rules_references as references
from vboxlab.topology import rules_roles as roles
from vboxlab.topology import rules_secrets as secrets
from vboxlab.topology import rules_sites as sites
from vboxlab.topology.problems import Problem
from vboxlab.topology.role_registry import FoundRole
from vboxlab.topology.role_rules import problems_of_roles
from vboxlab.topology.subject import Subject

Rule = Callable[[Subject], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    references.something_to_do,
    names.lab_name,
    names.machine_names,
    names.adopted_names,
    names.adopted_in_copies,
    names.host_names,
    names.network_names,
    names.stage_names,
    names.parameter_names,
    names.domains,
    networks.subnets,
    networks.slots,
    networks.adapter_networks,
    networks.addresses,
    networks.duplicate_addresses,
    networks.gateways,
    networks.one_gateway_each,
    sites.sites,
    sites.meetings,
    sites.pings,
    disks.disk_names,
    disks.disk_counts,
    disks.shared_disks,
    roles.duplicate_roles,
    roles.owned_services,
    roles.secret_names,
    secrets.declared_secrets,
    secrets.secret_machines,
    secrets.certificate_names,
    secrets.secrets_of_roles,
    secrets.secrets_in_texts,
    references.bases,
    references.stages,
    references.snapshots,
    references.circles,
    references.defaults,
    references.conditions,
    references.scenario_machines,
    faults.fault_adapters,
    faults.fault_networks,
    faults.fault_disks,
    invariants.asked_networks,
    references.scenario_servers,
    references.dns_servers,
    grading.exercise_names,
    grading.exercise_reserved,
    grading.question_names,
    grading.points_add_up,
    grading.depended_on,
    grading.graded_machines,
    grading.tiers,
    grading.hint_costs,
    left_alone.nothing_configured,
    left_alone.nobody_logs_in,
)


def problems_of(subject: Subject, roles: Iterable[FoundRole] | None = None) -> list[Problem]:
    """Return every problem that the rules find in a topology, those of each role included (default: installed ones)."""
    return [*(problem for rule in RULES for problem in rule(subject)), *problems_of_roles(subject, roles)]


def doubts_of(subject: Subject) -> list[Problem]:
    """Return every warning about a topology that is without problems."""
    from vboxlab.topology import reachability  # only `validate` wants to know

    return [
        *networks.point_to_point(subject),
        *disks.outside_snapshots(subject),
        *grading.nothing_refused(subject),
        *commands.without_shell(subject),
        *secrets.readable_secrets(subject),
        *reachability.doubts_of(subject),
    ]
