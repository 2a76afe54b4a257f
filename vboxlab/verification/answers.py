"""Carrying out the checks that ask a service from outside: a prober in a guest asks, and what came is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vboxlab.guest.executor import Completed
from vboxlab.language import C_, _, n_
from vboxlab.topology.asking import DistributionCheck, PageCheck, ProbeCheck
from vboxlab.verification.attempts import COULD_NOT_RUN, Finding, Site, unanswered
from vboxlab.verification.history import Shown
from vboxlab.verification.pace import completed_rate
from vboxlab.verification.probes import ProbeSpec, probe
from vboxlab.verification.samples import WORDS, Owners, Sample, distribution, failed, uneven

PAGE_PACE = 0.1  # seconds between the requests of page and distribution checks


def page_shown(check: PageCheck, site: Site) -> Finding:
    """Ask for a page, and return whether it showed what it must each time. Raises as `probe` does."""
    spec = ProbeSpec(check.url, PAGE_PACE, check.timeout * site.time_scale, check.times, marks=(check.contains,))
    found, _samples = _asked(
        spec, check.source, site, lambda s: s.outcome == "ok" and s.status == check.status and bool(s.marks)
    )
    return found


def probe_answered(check: ProbeCheck, site: Site) -> Finding:
    """Ask as a check says, and return whether all became what was expected. Raises as `probe` does."""

    def is_right(sample: Sample) -> bool:
        return sample.outcome == check.expect and (check.expect != "ok" or (sample.good and bool(sample.marks)))

    spec = ProbeSpec.of(check, site.time_scale, (check.contains,), count=check.times)
    found, samples = _asked(spec, check.source, site, is_right)
    vain = next((s for s in samples if s.outcome == "failed" and s.status in COULD_NOT_RUN), None)
    if vain is not None:
        doubt = unanswered(check.source, check.run[0], Completed(vain.status, vain.page, ""))
        return replace(found, problems=(), doubts=(doubt,))
    if check.every and check.rate is None:
        return found
    made = completed_rate(samples)
    text = _("{rate:.1f} requests a second") if check.every else _("{rate:.1f} requests a second, as fast as it can")
    message = f"{found.message}, {text.format(rate=made)}"
    if check.rate is None or made >= check.rate:
        return replace(found, message=message)
    slow = _("{machine} made {rate:.1f} requests a second, expected at least {expected:g}")
    problem = slow.format(machine=check.source, rate=made, expected=check.rate)
    return replace(found, message=message, problems=(*found.problems, problem))


def _asked(
    spec: ProbeSpec, source: str, site: Site, is_right: Callable[[Sample], bool]
) -> tuple[Finding, list[Sample]]:
    """Ask as often as is said, and return whether all that came was right, with what came."""
    samples = probe(site.lab.executor(source), spec, site.recorder, site.step)
    others = [sample for sample in samples if not is_right(sample)]
    right = spec.count - len(others)
    problems = []
    if others:
        text = n_(
            "{count} of {requests} requests ended as expected; the first other: {other}",
            "{count} of {requests} requests ended as expected; the first other: {other}",
            right,
        )
        problems.append(text.format(count=right, requests=spec.count, other=_seen(others[0])))
    seen = (Shown(machine=source, command=str(spec), output="\n".join(_tally(samples))),)
    message = _("{count} of {requests}").format(count=right, requests=spec.count)
    return Finding(tuple(problems), message, seen), samples


def _seen(sample: Sample) -> str:
    if sample.outcome == "failed":
        text = _("it ended with {code}, {output}")
        return text.format(code=sample.status, output=" ".join(sample.page.split())[:80] or _("no output"))
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
