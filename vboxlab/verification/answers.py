"""Carrying out the checks that ask a service from outside: a prober in a guest asks, and what came is judged."""

from __future__ import annotations

from collections.abc import Callable

from vboxlab.language import C_, _, n_
from vboxlab.topology.asking import DistributionCheck, PageCheck, ProbeCheck
from vboxlab.verification.attempts import Finding, Site
from vboxlab.verification.history import Shown
from vboxlab.verification.probes import ProbeSpec, probe
from vboxlab.verification.samples import WORDS, Owners, Sample, distribution, failed, uneven

PAGE_PACE = 0.1  # seconds between the requests of page and distribution checks


def page_shown(check: PageCheck, site: Site) -> Finding:
    """Ask for a page, and return whether it showed what it must each time. Raises as `probe` does."""
    return _asked(check, site, lambda s: s.outcome == "ok" and s.status == check.status and bool(s.marks))


def probe_answered(check: ProbeCheck, site: Site) -> Finding:
    """Ask as a check says, and return whether all became what was expected. Raises as `probe` does."""
    return _asked(
        check, site, lambda s: s.outcome == check.expect and (check.expect != "ok" or (s.good and bool(s.marks)))
    )


def _asked(check: PageCheck | ProbeCheck, site: Site, is_right: Callable[[Sample], bool]) -> Finding:
    """Ask as often as the check says, and return whether all that came was right."""
    spec = ProbeSpec(check.url, PAGE_PACE, check.timeout * site.time_scale, check.times, marks=(check.contains,))
    samples = probe(site.lab.executor(check.source), spec, site.recorder, site.step)
    others = [sample for sample in samples if not is_right(sample)]
    right = check.times - len(others)
    problems = []
    if others:
        text = n_(
            "{count} of {requests} requests ended as expected; the first other: {other}",
            "{count} of {requests} requests ended as expected; the first other: {other}",
            right,
        )
        problems.append(text.format(count=right, requests=check.times, other=_seen(others[0])))
    seen = (Shown(machine=check.source, command=str(spec), output="\n".join(_tally(samples))),)
    message = _("{count} of {requests}").format(count=right, requests=check.times)
    return Finding(tuple(problems), message, seen)


def _seen(sample: Sample) -> str:
    if sample.outcome != "ok":
        return C_("request", WORDS[sample.outcome])
    if not sample.status:
        return " ".join(sample.page.split())[:80] or C_("request", WORDS[sample.outcome])
    page = " ".join(sample.page.split())[:80] or _("an empty page")
    return _("status {status}, {page}").format(status=sample.status, page=page)


def _tally(samples: list[Sample]) -> list[str]:
    lines: dict[str, int] = {}
    for sample in samples:
        lines[_seen(sample)] = lines.get(_seen(sample), 0) + 1
    return [f"{count} x {what}" for what, count in lines.items()]


def requests_shared(check: DistributionCheck, site: Site) -> Finding:
    """Ask for a page often, and return whether its servers shared the requests evenly. Raises as `probe` does."""
    owners = Owners.of(site.recorder.history().run.owners)
    patience = check.timeout * site.time_scale
    spec = ProbeSpec(check.url, PAGE_PACE, patience, check.requests, marks=owners.texts)
    samples = probe(site.lab.executor(check.source), spec, site.recorder, site.step)
    counts = distribution(samples, owners)
    parts = [f"{machine} {count}" for machine, count in counts.items()] or [_("nobody answered")]
    if lost := failed(samples):
        parts.append(n_("{count} lost", "{count} lost", lost).format(count=lost))
    message = ", ".join(parts)
    seen = (Shown(machine=check.source, command=str(spec), output="\n".join(_tally(samples))),)
    return Finding(tuple(uneven(counts, check.over, check.requests, check.tolerance)), message, seen)
