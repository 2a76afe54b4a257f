"""The report as JUnit XML, as CI systems read it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from vboxlab.verification.render import amount
from vboxlab.verification.report import Report, StepReport

# Characters that XML 1.0 cannot hold, escaped or not (section 2.2): a guest may print them.
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report) -> str:
    """Return the report as JUnit XML: a test case for each step, errors for what could not be carried out.

    Warnings are passed test cases that say so in system-out, as JUnit has no such outcome.
    """
    counts = report.counts()
    suite = ET.Element(
        "testsuite",
        name=_clean(f"vboxlab verify {report.topology}"),
        tests=str(len(report.steps)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{report.seconds:.3f}",
        timestamp=report.started_at,
    )
    properties = ET.SubElement(suite, "properties")
    values = {
        "run": report.run,
        "lab": report.lab,
        "copy": report.copy or "",
        "digest": report.digest,
        "driver": f"{report.driver} {report.driver_version}",
        "time_scale": f"{report.time_scale:g}",
        **{f"parameter.{key}": value for key, value in report.parameters.items()},
    }
    for name, value in values.items():
        ET.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    for step in report.steps:
        _case(suite, report, step)
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _case(suite: ET.Element, report: Report, step: StepReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{report.topology}.{step.kind}.{step.name}"),
        name=_clean(f"{step.number:02d} {step.title}"),
        time=f"{step.seconds:.3f}",
    )
    tag = {"failed": "failure", "error": "error", "skipped": "skipped"}.get(step.outcome)
    if tag:
        ET.SubElement(case, tag, message=_clean(step.message)).text = _clean("\n".join(step.details)) or None
    lines = [f"outcome: {step.outcome}, {step.message}"]
    lines += [f"{figure.name}: {amount(figure)} ({figure.meaning})" for figure in step.measurements]
    lines += [f"{name}: {value}" for name, value in step.facts.items()]
    for evidence in step.evidence:
        lines += [f"{evidence.machine}$ {evidence.command}", evidence.output]
    ET.SubElement(case, "system-out").text = _clean("\n".join(lines))


def _clean(text: str) -> str:
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
