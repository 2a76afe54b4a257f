"""The sheet of students: golden texts, and that no answer and no secret is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.operations.doors import RecordingDoor
from vboxlab.cli.main import run
from vboxlab.errors import UsageError
from vboxlab.grading.prose import prose
from vboxlab.grading.sheet import sheet_html, sheet_markdown, sheet_of
from vboxlab.guest.explain import explain
from vboxlab.language import Language, speaking
from vboxlab.operations.handout import HandoutRequest, handout
from vboxlab.operations.request import which_of
from vboxlab.topology.exercise import words_in
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology

ROOT = Path(__file__).parents[3]
PRACTICALS = ("failover", "loadbalancing")
RENDER = {"md": sheet_markdown, "html": sheet_html}


def practical(name: str) -> Topology:
    return load_topology(ROOT / "topologies" / f"{name}.yaml")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("form", ["md", "html"])
def test_the_sheet_of_failover(form: str, lang: Language) -> None:
    with speaking(lang):
        text = RENDER[form](sheet_of(practical("failover"), "failover"))
    check_golden(f"handout/failover-{lang}.{form}", text.splitlines())


def typed(key: str) -> set[str]:
    """Return the lines in blocks of an answer key: commands and files' content, too long to be there by chance."""
    lines, inside = set(), False
    for line in key.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside and len(line.strip()) > 5:
            lines.add(line.strip())
    return lines


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("form", ["md", "html"])
@pytest.mark.parametrize("name", PRACTICALS)
def test_no_answer_is_in_a_sheet(name: str, form: str, lang: Language) -> None:
    topology = practical(name)
    with speaking(lang):
        text = RENDER[form](sheet_of(topology, name, "alice"))
        answers = set.union(*(typed(explain(topology, machine=each)) for each in topology.machines))
    assert topology.exercise is not None
    assert topology.grading is not None
    given = {str(each) for machine in topology.machines.values() for each in (machine.name, machine.hostname)}
    answers -= given
    assert len(answers) > 50
    assert [answer for answer in answers if answer in text] == []
    for question in topology.grading.questions:
        for hint in question.hints:
            assert words_in(hint.text, lang) not in text
        for findings in question.findings:
            assert [code for code in findings.none_of if len(code) > 8 and code in text] == []
    assert [step.describe() for step in topology.verify.steps if step.describe() in text] == []


def test_what_the_students_stages_make_is_not_in_the_picture_unless_a_text_names_it() -> None:
    topology = practical("failover")
    assert topology.exercise is not None
    assert topology.grading is not None
    named = sheet_of(topology, "failover").picture
    silent = topology.model_copy(
        update={"exercise": topology.exercise.model_copy(update={"text": ""})}
    )  # fmt: skip
    unnamed = sheet_of(silent, "failover").picture
    assert [each.shared for each in named.networks if each.name == "sw-dmz"] == [("floating 192.168.200.5",)]
    assert [each.shared for each in unnamed.networks if each.name == "sw-dmz"] == [()]
    roles = {each.name: each.roles for each in named.machines}
    assert roles["srv-web"] == ("ssh_server",)
    assert roles["firewall"] == ("router",)


SECRETIVE = """\
lab: small
base: debian12
parameters: {who: {default: nobody}}
networks: {lan: {kind: internal, subnet: 10.1.0.0/24}}
machines:
  one:
    hostname: "host-{who}"
    adapters: [{network: lan, address: 10.1.0.1/24}]
    stages: {work: [{role: files, files: [{path: /etc/answer, content: "hidden {secret admin}"}]}]}
stages: [{name: work}]
secrets: {admin: {}}
exercise: {text: "Do it, **now**, with `cat <x>`."}
"""


def test_a_copys_sheet_has_its_own_values_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SECRETIVE, encoding="utf-8")
    (tmp_path / "class.csv").write_text("copy,who\nalice,anna\nbob,bert\n", encoding="utf-8")
    which = which_of(None, str(tmp_path / "class.csv"), everything=False)
    request = HandoutRequest(
        topology=str(tmp_path / "small.yaml"), which=which, format="html", target=tmp_path / "sheet.html"
    )  # fmt: skip
    written = handout(request, RecordingDoor())
    assert written == [tmp_path / "sheet-alice.html", tmp_path / "sheet-bob.html"]
    page = (tmp_path / "sheet-alice.html").read_text(encoding="utf-8")
    assert "host-anna" in page
    assert "Sheet of alice" in page
    assert not re.search("bob|bert|secret|admin|/etc/answer|hidden", page.partition("</style>")[2])
    assert "Do it, <strong>now</strong>, with <code>cat &lt;x&gt;</code>." in page


def test_sheets_of_several_copies_need_a_file() -> None:
    which = which_of(None, "alice,bob", everything=False)
    with pytest.raises(UsageError, match="each copy's sheet is a file of its own"):
        handout(HandoutRequest(topology="failover", which=which), RecordingDoor())


def test_a_topology_without_an_exercise_has_no_sheet(tmp_path: Path) -> None:
    text = "".join(line for line in SECRETIVE.splitlines(keepends=True) if not line.startswith("exercise"))
    (tmp_path / "small.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="small says nothing about an exercise"):
        handout(HandoutRequest(topology=str(tmp_path / "small.yaml")), RecordingDoor())


def test_the_verb_prints_or_writes_the_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handout", "failover"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# High availability with Heartbeat")
    assert run(["handout", "failover", "-o", str(tmp_path / "sheet.md")]) == 0
    assert (tmp_path / "sheet.md").read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("- a\n  more\n- *b*", "<ul><li>a\nmore</li><li><em>b</em></li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("`a **b** <c>`", "<p><code>a **b** &lt;c&gt;</code></p>"),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("2 * 3 * 4 and a ` alone", "<p>2 * 3 * 4 and a ` alone</p>"),
        ("```sh\nls <x>\n```\nafter", "<pre>ls &lt;x&gt;</pre><p>after</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    ],
)
def test_what_teachers_write_becomes_html_and_nothing_else(text: str, expected: str) -> None:
    assert prose(text) == expected
