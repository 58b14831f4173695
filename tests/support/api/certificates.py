"""A private certificate authority, and a server's certificate of it, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "DNS:api.corp.test,DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificates:
    """`authority` is a file, `folder` one for SSL_CERT_DIR, `server` a chain with its key."""

    authority: Path
    folder: Path
    server: Path


def made_in(root: Path) -> Certificates:
    """Make them. Raises FileNotFoundError where there is no openssl."""
    authority, folder, server = root / "ca.pem", root / "certs", root / "server.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650")
    uses = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    _openssl(
        *("req", "-x509", *key, "-subj", "/CN=Corp CA", *uses),
        *("-keyout", str(root / "ca.key"), "-out", str(authority)),
    )
    signed = ("-CA", str(authority), "-CAkey", str(root / "ca.key"))
    names = ("-addext", f"subjectAltName={NAMES}", "-addext", "basicConstraints=CA:FALSE")
    _openssl(
        *("req", "-x509", *key, "-subj", "/CN=api.corp.test", *signed, *names),
        *("-keyout", str(root / "server.key"), "-out", str(root / "server.crt")),
    )
    server.write_bytes((root / "server.crt").read_bytes() + (root / "server.key").read_bytes())
    folder.mkdir()
    (folder / "corp.pem").write_bytes(authority.read_bytes())
    _openssl("rehash", str(folder))
    return Certificates(authority, folder, server)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
