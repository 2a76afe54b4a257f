"""Roles and checks of folders beside a topology: nothing of them runs before it was agreed to, and then just that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.roles.toy import python, vboxlab
from vboxlab.errors import EXIT_INVALID, EXIT_USAGE
from vboxlab.files import make_private_folder
from vboxlab.topology.code_folder import read_code
from vboxlab.topology.trust import TRUSTED

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "vboxlab-quote"
RAN = "from pathlib import Path; Path({ran!r}).write_text('ran')\n"
CODE = {
    "role": {"role.py", "rules.py", "guest.py"},
    "check": {"check.py"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a topology, and a role and check beside it that leave a trace when they run."""
    for kind, files in CODE.items():
        place = tmp_path / f"{kind}s" / "quote"
        place.mkdir(parents=True)
        for file in files:
            source = (EXAMPLE / "vboxlab_quote" / file).read_text(encoding="utf-8")
            first, rest = source.split("from __future__ import annotations\n", 1)
            ran = RAN.format(ran=str(tmp_path / "ran"))
            (place / file).write_text(f"{first}from __future__ import annotations\n{ran}{rest}", encoding="utf-8")
    shutil.copy(EXAMPLE / "quote.yaml", tmp_path)
    return tmp_path


def in_project(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return vboxlab(folder, *words)


def trust(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = vboxlab(folder, "trust", str(folder / "quote.yaml"), "--yes", *options)
    assert done.returncode == 0, done.stderr
    return done


def problems(folder: Path, file: str = "quote.yaml") -> list[str]:
    done = vboxlab(folder, "validate", str(folder / file))
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode, done.stderr) in ((0, ""), (EXIT_INVALID, ""))
    return [] if done.returncode == 0 else done.stdout.splitlines()


def test_nothing_runs_before_it_was_agreed_to(folder: Path) -> None:
    file = str(folder / "quote.yaml")
    role, check = problems(folder)
    assert role.startswith(f"{file}:9:20: [untrusted-role] the role `quote` is in {folder}/roles, whose code")
    assert role.endswith(f"; `vboxlab trust {file}` shows its files and asks")
    assert check.startswith(f"{file}:14:13: [untrusted-check] the check `quote` is in {folder}/checks, whose code")
    assert vboxlab(folder, "plan", file).returncode == EXIT_INVALID
    assert vboxlab(folder, "explain", file).returncode == EXIT_INVALID
    done = vboxlab(folder, "schema", file)
    assert "the role `quote` is in" in done.stderr
    assert "QuoteRole" not in done.stdout
    own = folder / "home" / "topologies"
    make_private_folder(own)
    for name in ("roles", "checks", "quote.yaml"):
        (shutil.copytree if (folder / name).is_dir() else shutil.copy)(folder / name, own / name)
    done = vboxlab(folder, "list")
    assert "quote" in done.stdout
    assert "quote: the role `quote` is in" in done.stderr
    listed = {each["name"]: each for each in json.loads(vboxlab(folder, "list", "--json").stdout)}
    assert len(listed["quote"]["untrusted"]) == 2
    assert listed["failover"]["untrusted"] == []
    words = json.loads(vboxlab(folder, "list", "--roles", "--json").stdout)
    assert [(word["kind"], word["usable"]) for word in words if word["name"] == "quote"] == [
        ("role", False), ("check", False),
    ]  # fmt: skip
    checks = json.loads(vboxlab(folder, "list", "--checks", "--json").stdout)
    (listed,) = [word for word in checks if word["name"] == "quote"]
    assert (listed["usable"], listed["origin"]) == (False, str(own / "checks"))
    assert vboxlab(folder, "doctor", "--offline").returncode in (0, 1)
    assert not (folder / "ran").exists()


def test_nobody_is_asked_where_nobody_can_answer(folder: Path) -> None:
    done = vboxlab(folder, "trust", str(folder / "quote.yaml"))
    assert done.returncode == EXIT_USAGE
    assert "  roles/quote/role.py (" in done.stderr
    assert "roles and checks: quote, quote" in done.stderr
    assert "will not let vboxlab run this code, with all rights that you have without asking" in done.stderr
    assert not (folder / "ran").exists()
    assert len(problems(folder)) == 2


def test_what_was_agreed_to_is_used_everywhere(folder: Path) -> None:
    file = str(folder / "quote.yaml")
    assert "may run, as long as no byte of it changes" in trust(folder).stdout
    assert not (folder / "ran").exists()
    assert problems(folder) == []
    assert (folder / "ran").exists()
    definitions = json.loads(vboxlab(folder, "schema", file).stdout)["$defs"]
    assert definitions["QuoteRole"]["properties"]["text"]["description"] == "the quote, in a line"
    assert definitions["Machine"]["properties"]["roles"]["items"]["oneOf"][-1] == {"$ref": "#/$defs/QuoteRole"}
    assert definitions["QuoteCheck"]["properties"]["check"]["const"] == "quote"
    assert "QuoteRole" not in json.loads(vboxlab(folder, "schema").stdout)["$defs"]
    put_base(folder / "home")
    done = vboxlab(folder, "plan", file, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["blockers"] == []
    assert "nano /etc/quote" in vboxlab(folder, "explain", file).stdout
    assert "already" in trust(folder).stdout


def test_the_schema_of_a_folder_has_all_that_the_usual_one_has(folder: Path) -> None:
    trust(folder)
    usual = json.loads(vboxlab(folder, "schema").stdout)
    own = json.loads(vboxlab(folder, "schema", str(folder / "quote.yaml")).stdout)
    more = own["$defs"].keys() - usual["$defs"].keys()
    assert more == {"QuoteRole", "QuoteCheck"}
    assert usual["$defs"].keys() <= own["$defs"].keys()
    assert own["$defs"]["Topology"].keys() == usual["$defs"]["Topology"].keys()
    assert own["$defs"]["Part"] == usual["$defs"]["Part"]


def test_its_words_are_suggested(folder: Path) -> None:
    trust(folder)
    text = (
        (folder / "quote.yaml").read_text().replace("role: quote", "role: quot").replace("check: quote", "check: qote")
    )
    (folder / "wrong.yaml").write_text(text)
    role, check = problems(folder, "wrong.yaml")
    assert role.endswith("did you mean `quote`?")
    assert check.endswith("did you mean `quote`?")
    (folder / "wrong.yaml").write_text((folder / "quote.yaml").read_text().replace("text:", "txt:"))
    (line,) = problems(folder, "wrong.yaml")
    assert line.endswith("did you mean `text`?")


@pytest.mark.parametrize("change", ["a byte", "a new file", "a file less", "another name"])
def test_any_change_asks_anew(change: str, folder: Path) -> None:
    trust(folder)
    rules = folder / "roles" / "quote" / "rules.py"
    match change:
        case "a byte":
            rules.write_bytes(rules.read_bytes() + b"#")
        case "a new file":
            (folder / "checks" / "notes.txt").touch()
        case "a file less":
            rules.unlink()
        case _:
            rules.rename(rules.with_name("Rules.py"))
    (folder / "ran").unlink(missing_ok=True)
    assert [line.split("[")[1].split("]")[0] for line in problems(folder)] == ["untrusted-role", "untrusted-check"]
    assert not (folder / "ran").exists()
    trust(folder)
    assert problems(folder) == []


def test_what_was_agreed_to_is_taken_back(folder: Path) -> None:
    trust(folder)
    assert "runs no more until you agree again" in trust(folder, "--revoke").stdout
    assert len(problems(folder)) == 2
    assert "was not trusted" in trust(folder, "--revoke").stdout


@pytest.mark.parametrize("where", ["roles/quote/more.py", "roles/other", "checks"])
def test_a_link_is_refused(where: str, folder: Path) -> None:
    trust(folder)
    place = folder / where
    if place.is_dir():
        place.rename(folder / "elsewhere")
        place.symlink_to(folder / "elsewhere", target_is_directory=True)
    else:
        place.symlink_to(folder / "quote.yaml")
    lines = problems(folder)
    assert f"which cannot be used: {where} is a link; expected files and folders alone" in lines[0]
    done = vboxlab(folder, "trust", str(folder / "quote.yaml"), "--yes")
    assert done.returncode == EXIT_INVALID
    assert f"{where} is a link" in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Unix alone has named pipes")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "roles" / "quote" / "pipe.py")
    code = read_code(folder)
    assert code is not None
    assert code.refused is not None
    assert code.refused.told() == "roles/quote/pipe.py is no plain file; expected files and folders alone"


SWAPPED = """
import sys
from pathlib import Path
from vboxlab.topology import vocabulary
from vboxlab.topology.code_folder import InFolder, read_code

folder = Path(sys.argv[1])
code = read_code(folder)
for file in (folder / "roles" / "quote").iterdir():
    file.write_text("raise SystemExit('swapped')")
role = InFolder("role", "quote", code)
print(role.load().__name__, role.module("guest").IN_GUEST.__class__.__name__)
print(read_code(folder).digest != code.digest)
"""


def test_what_runs_is_what_the_digest_is_of(folder: Path) -> None:
    """Whoever swaps a file between the look and the run changes nothing."""
    done = python(folder, "-c", SWAPPED, str(folder))
    assert done.stdout.splitlines() == ["QuoteRole QuoteInGuest", "True"], done.stderr


def test_names_and_contents_cannot_be_taken_for_each_other(tmp_path: Path) -> None:
    digests = set()
    for number, (name, content) in enumerate([("ab.py", "c"), ("a.py", "bc"), ("a.p", "ybc"), ("abc.py", "")]):
        place = tmp_path / str(number) / "roles"
        place.mkdir(parents=True)
        (place / name).write_text(content)
        code = read_code(place.parent)
        assert code is not None
        digests.add(code.digest)
    assert len(digests) == 4


def test_a_damaged_list_trusts_nothing(folder: Path) -> None:
    trust(folder)
    for content in ("", "[]", '{"folders": {"x": 1}}', "{"):
        (folder / "home" / TRUSTED).write_text(content)
        assert len(problems(folder)) == 2


@pytest.mark.parametrize(
    ("file", "content", "code", "why"),
    [
        ("roles/quote/role.py", "1 / 0", "unusable-role", "ZeroDivisionError: division by zero"),
        ("roles/quote/role.py", "raise SystemExit(2)", "unusable-role", "SystemExit: 2"),
        (
            "roles/quote/role.py",
            "",
            "unusable-role",
            'roles/quote/role.py has no class that says `role: Literal["quote"]`',
        ),
        ("roles/quote/guest.py", "1 / 0", "unusable-role", "ZeroDivisionError"),
        ("checks/quote/check.py", "1 / 0", "unusable-check", "ZeroDivisionError: division by zero"),
        ("checks/quote/check.py", "", "unusable-check", 'no class that says `check: Literal["quote"]`'),
    ],
)
def test_a_broken_one_is_named_and_stops_no_other(file: str, content: str, code: str, why: str, folder: Path) -> None:
    (folder / file).write_text(content)
    trust(folder)
    (line,) = problems(folder)
    assert f"[{code}]" in line
    assert why in line
    assert "mend it, or remove it from that folder" in line
    (folder / "other.yaml").write_text((ROOT / "topologies" / "failover.yaml").read_text(encoding="utf-8"))
    done = vboxlab(folder, "validate", str(folder / "other.yaml"))
    assert "unusable" not in done.stdout


def test_a_name_of_ours_is_not_taken_silently(folder: Path) -> None:
    (folder / "roles" / "quote").rename(folder / "roles" / "client")
    role = folder / "roles" / "client" / "role.py"
    role.write_text(role.read_text().replace('Literal["quote"]', 'Literal["client"]'))
    (folder / "quote.yaml").write_text((folder / "quote.yaml").read_text().replace("role: quote", "role: client"))
    trust(folder)
    (line,) = problems(folder)
    assert "[unusable-role]" in line
    assert "its name is also that of one of vboxlab" in line
