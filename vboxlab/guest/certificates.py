"""The certification authority of a lab, and certificates that it signs, as PEM texts without a line break at the end.

All are valid from a day before they are made, as the clock of a guest may be slow, and for ten years: a lab that is
restored long afterwards still works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vboxlab.lazily import dataclass

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

YEARS = 10
EARLY = timedelta(days=1)
LONGEST_COMMON_NAME = 64  # RFC 5280, appendix A.1, ub-common-name


@dataclass(frozen=True)
class Certified:
    """A key (PKCS #8) and its certificate, both PEM."""

    key: str = field(repr=False)
    certificate: str


def new_authority(lab: str) -> Certified:
    """Return a new certification authority that is named after a lab."""
    from cryptography import x509

    key = _new_key()
    name = _name(f"vboxlab {lab}")
    builder = (
        _begun(key, name, name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _signed(builder, key, key)


def certified(
    authority: Certified, names: Sequence[str], addresses: Sequence[str], key: str | None = None
) -> Certified:
    """Return a certificate for these DNS names and IPv4 addresses, of which there is one at least.

    It is for `key`, else for a new one. Raises ValueError where the authority or the key is none.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signing, issuer = _key_of(authority.key), x509.load_pem_x509_certificate(authority.certificate.encode())
    own = _new_key() if key is None else _key_of(key)
    name = _name([*names, *addresses][0][:LONGEST_COMMON_NAME])
    meant = [*map(x509.DNSName, names), *(x509.IPAddress(IPv4Address(address)) for address in addresses)]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _begun(own, name, issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(meant), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    return _signed(builder, own, signing)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_of(text: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(type(key).__name__)
    return key


def _name(common_name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:LONGEST_COMMON_NAME])])


def _begun(key: EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    from cryptography import x509

    public, now = key.public_key(), datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now.replace(year=now.year + YEARS, day=min(now.day, 28)))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _signed(
    builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, signing: EllipticCurvePrivateKey
) -> Certified:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    certificate = builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certified(private.decode().strip(), certificate.decode().strip())
