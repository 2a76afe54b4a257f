"""The parameters of a source of packages."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class RepositoryRole(Role):
    """A machine that has packages from another source than Debian's, which signs them with a key of its own."""

    role: Literal["repository"]
    name: str = Field(description="name of its files below /etc/apt")
    uri: str = Field(description="address, such as https://download.docker.com/linux/debian")
    suite: str = Field(description="such as bookworm; one that ends with `/` has no components")
    components: tuple[str, ...] = ("main",)
    key: str | None = Field(
        default=None, description="public key in its armour (`-----BEGIN PGP PUBLIC KEY BLOCK-----`)"
    )
    template: str | None = Field(default=None, description="file below the topology's folder that holds the key")

    list_order: ClassVar[int] = 19
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
    template_fills: ClassVar[str] = "key"
