"""Those who are told: a web server and a mail server on loopback, in this process, that remember what they heard."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass
class WebReceiver:
    """Answers with ``statuses`` in turn, the last one for ever; None hangs up without a word."""

    statuses: list[int | None] = field(default_factory=lambda: [200])
    body: bytes = b"ok"
    heard: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    address: str = ""
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, headers: dict[str, str], payload: dict[str, Any]) -> int | None:
        with self.arrived:
            self.heard.append((path, headers, payload))
            self.arrived.notify_all()
            return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def wait_for(self, count: int, *, timeout: float = 30) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.heard) >= count, timeout=timeout), f"heard {len(self.heard)} of {count}"

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for _, headers, _ in self.heard]


@contextmanager
def web_receiver(*statuses: int | None, headers: dict[str, str] | None = None) -> Iterator[WebReceiver]:
    receiver = WebReceiver(list(statuses) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(self.path, told, json.loads(content))
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """``answer``: what the server says to a message."""

    answer: str = "250 OK"
    recipient_answer: str = "250 OK"
    letters: list[tuple[str, list[str], str, str]] = field(default_factory=list)
    port: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == ("rita", "quoted/word"))

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        letter = message_from_bytes(envelope.content)
        text = letter.get_payload(decode=True)
        assert isinstance(text, bytes)
        subject = str(make_header(decode_header(letter["Subject"])))
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, subject, text.decode()))
        return self.answer


@contextmanager
def mail_receiver(*, tls: str = "", certificate: Certificate | None = None) -> Iterator[Mailbox]:
    """``tls``: "starttls" takes nothing before it, "ssl" speaks nothing else. Who comes by TLS logs in as rita, "quoted/word"."""
    mailbox = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        mailbox.port = probe.getsockname()[1]
    secured: dict[str, Any] = {}
    if certificate is not None and tls == "starttls":
        secured = {"tls_context": certificate.context, "require_starttls": True, "auth_required": True}
    elif certificate is not None:  # aiosmtpd does not take TLS from the first byte on for TLS: it would refuse every login
        secured = {"ssl_context": certificate.context, "auth_require_tls": False}
    if secured:
        secured["authenticator"] = mailbox.log_in
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **secured)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass
class Certificate:
    """Of 127.0.0.1, signed by itself: trusted by whoever is told of ``path``."""

    path: Path
    context: ssl.SSLContext


def certificate_in(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, private = folder / "mail.crt", folder / "mail.key"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return Certificate(path, context)
