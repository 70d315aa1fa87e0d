"""Certificate authorities for one test, and what they sign; everything is valid from a day ago for a week."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Signs certificates and keeps its own, and those it signs, as PEM files in ``folder``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}-ca.crt"
        self._folder = folder
        self._name = _name(f"{name} CA")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(self._key, self._name, server=None)
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(self, common_name: str, *, file: str, server: bool = False) -> tuple[Path, Path]:
        """Return the files of a certificate for ``common_name`` and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key, _name(common_name), server=server)
        cert_file, key_file = self._folder / f"{file}.crt", self._folder / f"{file}.key"
        cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert_file, key_file

    def revoke(self, *cert_files: Path, file: str) -> Path:
        """Return a revocation list of exactly these certificates; an empty list is one too."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=7))
        )
        for cert_file in cert_files:
            serial = x509.load_pem_x509_certificate(cert_file.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(revoked)
        path = self._folder / file
        path.write_bytes(builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        return path

    def _sign(self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, *, server: bool | None) -> x509.Certificate:
        """Sign ``key``; ``server`` None is the authority itself."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=7))
            .add_extension(x509.BasicConstraints(ca=server is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_key_usage(authority=server is None), critical=True)
        )
        if server is not None:
            use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
