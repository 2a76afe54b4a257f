"""What a node of a cluster comes to."""

from __future__ import annotations

from tests.unit.roles.test_resources import by_key, topology
from vboxlab.guest.resources import File, SecretText


def test_the_master_asks_for_its_address_before_it_waits_for_the_page() -> None:
    waited = [key for key in by_key(topology(), "srv-web", "heartbeat") if key.startswith("await:")]
    assert waited == ["await:floating address held", "await:page"]


def test_heartbeat_names_its_nodes_by_their_host_names() -> None:
    found = topology(student="marie")
    resources = by_key(found, "srv-web-bis", "heartbeat")
    for path, text in (
        ("/etc/ha.d/ha.cf", "node srv-web-marie srv-web-bis-marie\n"),
        ("/etc/ha.d/haresources", "srv-web-marie IPaddr::192.168.200.5/24/enp0s3 apache2\n"),
    ):
        wanted = resources[f"file:{path}"]
        assert isinstance(wanted, File)
        assert isinstance(wanted.content, str)
        assert wanted.content.endswith(text)
    hosts = resources["file:/etc/hosts"]
    assert isinstance(hosts, File)
    assert "192.168.200.51\tsrv-web-marie.mlif.local srv-web-marie\n" in str(hosts.content)


def test_the_key_of_heartbeat_is_a_named_secret_in_a_private_file() -> None:
    wanted = by_key(topology(), "srv-web", "heartbeat")["file:/etc/ha.d/authkeys"]
    assert isinstance(wanted, File)
    assert (wanted.mode, wanted.owner) == (0o600, "root")
    assert wanted.content == SecretText("auth 1\n1 md5 <secret>\n", "heartbeat")
