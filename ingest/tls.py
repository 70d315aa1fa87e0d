"""TLS towards the broker, from the settings."""

import ssl

from config.errors import UserMistake
from config.settings import MqttSettings


class CertificateUnusable(UserMistake):
    """A certificate or key file cannot be read."""


class _ClosedOnFailure(ssl.SSLSocket):
    """Closes a connection whose handshake failed: paho lets go of it without."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """Return the TLS context that the settings ask for; None is a plain connection.

    Raises : CertificateUnusable
    """
    if settings.ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.sslsocket_class = _ClosedOnFailure
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(file) for file in (settings.ca_file, settings.cert_file, settings.key_file) if file)
        raise CertificateUnusable(f"a certificate cannot be used ({error}): check {files}") from error
    return context
