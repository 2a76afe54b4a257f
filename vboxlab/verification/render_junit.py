"""The report as JUnit XML, as CI systems read it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from vboxlab.harmless import for_xml
from vboxlab.verification.render import amount
from vboxlab.verification.report import Report, StepReport


def render_junit(report: Report) -> str:
    """Return the report as JUnit XML: a test case for each step, errors for what could not be told or carried out.

    Warnings are passed test cases that say so in system-out, as JUnit has no such outcome.
    """
    counts = report.counts()
    suite = ET.Element(
        "testsuite",
        name=for_xml(f"vboxlab verify {report.topology}"),
        tests=str(len(report.steps) + len(report.doubts)),
        failures=str(counts["failed"]),
        errors=str(counts["error"] + counts["unclear"] + len(report.doubts)),
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
        ET.SubElement(properties, "property", name=for_xml(name), value=for_xml(value))
    for step in report.steps:
        _case(suite, report, step)
    for doubt in report.doubts:
        name = for_xml(f"{report.topology}.run")
        case = ET.SubElement(suite, "testcase", classname=name, name=for_xml(doubt), time="0.000")
        ET.SubElement(case, "error", message=for_xml(doubt))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _case(suite: ET.Element, report: Report, step: StepReport) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=for_xml(f"{report.topology}.{step.kind}.{step.name}"),
        name=for_xml(f"{step.number:02d} {step.title}"),
        time=f"{step.seconds:.3f}",
    )
    tag = {"failed": "failure", "error": "error", "unclear": "error", "skipped": "skipped"}.get(step.outcome)
    if tag:
        ET.SubElement(case, tag, message=for_xml(step.message)).text = for_xml("\n".join(step.details)) or None
    lines = [f"outcome: {step.outcome}, {step.message}"]
    lines += [f"{figure.name}: {amount(figure)} ({figure.meaning})" for figure in step.measurements]
    lines += [f"{name}: {value}" for name, value in step.facts.items()]
    for evidence in step.evidence:
        lines += [f"{evidence.machine}$ {evidence.command}", evidence.output]
    ET.SubElement(case, "system-out").text = for_xml("\n".join(lines))
