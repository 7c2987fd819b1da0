"""A certificate authority of one machine and one hour, for the server that a run starts itself."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.clock import now

_EARLY, _LIFE = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True)
class Certificates:
    """PEM files: what clients trust, and what the server shows, with its key in PKCS #8."""

    authority: Path
    server: Path
    key: Path


def make(folder: Path) -> Certificates:
    """An authority, and a certificate of it for localhost; the authority's key is kept nowhere."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = _name("Conformance self-test")
    authority = (
        _builder(name, name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    server = (
        _builder(_name("localhost"), name, key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificates(
        _write(folder / "authority.pem", authority.public_bytes(serialization.Encoding.PEM)),
        _write(folder / "server.pem", server.public_bytes(serialization.Encoding.PEM)),
        _write(folder / "server.key", private),
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    moment = now()
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), moment - _EARLY, moment + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
