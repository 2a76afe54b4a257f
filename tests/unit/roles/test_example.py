"""The example of the tutorial, built and installed by pip as somebody's package is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base
from tests.unit.roles.toy import vboxlab
from vboxlab.files import make_private_folder

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "vboxlab-quote"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the package is installed in, with its topology; nothing is fetched for it."""
    found = tmp_path_factory.mktemp("quote")
    source = shutil.copytree(EXAMPLE, found / "source")
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(found), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.copy(EXAMPLE / "quote.yaml", found)
    make_private_folder(found / "home")
    put_base(found / "home")
    return found


def test_its_topology_is_valid_planned_and_explained(folder: Path) -> None:
    file = str(folder / "quote.yaml")
    done = vboxlab(folder, "validate", file)
    assert (done.returncode, done.stderr) == (0, "")
    done = vboxlab(folder, "plan", file, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    done = vboxlab(folder, "explain", file)
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("nano /etc/quote", "Errare humanum est", "ListenStream=0.0.0.0:17", "quote.socket"):
        assert text in done.stdout


def test_it_is_in_the_schema_and_in_the_list(folder: Path) -> None:
    definitions = json.loads(vboxlab(folder, "schema").stdout)["$defs"]
    assert definitions["QuoteRole"]["properties"]["text"]["description"] == "the quote, in a line"
    assert definitions["QuoteCheck"]["properties"]["at"]["description"] == "name or address that is asked"
    words = json.loads(vboxlab(folder, "list", "--roles", "--json").stdout)
    assert [word for word in words if word["name"] == "quote"] == [
        {"kind": "role", "name": "quote", "origin": "vboxlab-quote 1.0", "usable": True,
         "text": "A machine that answers on TCP port 17 with a quote (RFC 865)."},
        {"kind": "check", "name": "quote", "origin": "vboxlab-quote 1.0", "usable": True,
         "text": "A machine reads a quote of another one."},
    ]  # fmt: skip
    table = vboxlab(folder, "list", "--roles").stdout
    assert "vboxlab-quote 1.0" in table
    assert "heartbeat" in table


def test_its_rule_and_its_words_are_known(folder: Path) -> None:
    wrong = folder / "wrong.yaml"
    wrong.write_text((EXAMPLE / "quote.yaml").read_text().replace('"Errare humanum est"', '" "'))
    done = vboxlab(folder, "validate", str(wrong))
    assert "[quote-empty] machine `server` serves nothing; expected a text" in done.stdout
    wrong.write_text((EXAMPLE / "quote.yaml").read_text().replace("check: quote", "check: qoute"))
    assert "did you mean `quote`?" in vboxlab(folder, "validate", str(wrong)).stdout


def test_the_tutorial_shows_what_the_example_says() -> None:
    tutorial = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    code = (EXAMPLE / "vboxlab_quote" / "role.py").read_text(encoding="utf-8")
    for line in (
        '    role: Literal["quote"]',
        '    text: str = Field(max_length=511, description="the quote, in a line")',
    ):
        assert line in code
        assert line in tutorial
    metadata = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    named = metadata.split('[project.entry-points."vboxlab.roles"]')[1].strip()
    assert named in tutorial
