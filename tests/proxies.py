"""nginx with the configuration of deploy/, before servers of a test's own."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from service.conformance import certificates
from tests.conftest import ROOT, answers, free_port, require, wait_until

_MAIN = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/main.log warn;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/latchstring.conf;
}}
"""


def nginx() -> str | None:
    """The path of nginx; Debian puts it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Proxy:
    """Context manager: nginx on a port of its own, over TLS, before servers on these ports, which it takes in turn."""

    def __init__(self, folder: Path) -> None:
        found = nginx()
        require(found, "nginx is not installed")
        assert found
        self._program, self.folder, self.port = found, folder, free_port()
        self._plain_port = free_port()
        folder.mkdir()
        self.certificates = certificates.make(folder)
        self.url = f"https://localhost:{self.port}"

    def stand_before(
        self, ports: Sequence[int], *, patience: str = "10s", changed: Mapping[str, str] | None = None
    ) -> "Proxy":
        """Write its configuration: that of deploy/ with the names of this machine. `patience` with slow bodies.

        `changed` are further words of it, and what a test has in their place.
        """
        text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
        for there, here in {
            "    server 127.0.0.1:8000;\n": "".join(f"    server 127.0.0.1:{port};\n" for port in ports),
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "listen 80;": f"listen 127.0.0.1:{self._plain_port};",
            "server_name health.example.org;": "server_name localhost;",
            "/etc/latchstring/tls.pem": str(self.certificates.server),
            "/etc/latchstring/tls.key": str(self.certificates.key),
            "/var/log/nginx/": f"{self.folder}/",
            "/var/cache/latchstring-bodies;": f"{self.folder}/bodies;",
            "client_body_timeout 10s;": f"client_body_timeout {patience};",
            **(changed or {}),
        }.items():
            assert there in text, f"{there} is not in deploy/nginx.conf"
            text = text.replace(there, here)
        (self.folder / "latchstring.conf").write_text(text, encoding="utf-8")
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder), encoding="utf-8")
        return self

    def check(self) -> str:
        """What nginx says of its configuration."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    @property
    def log(self) -> str:
        """All that it has logged."""
        return "".join(path.read_text("utf-8") for path in self.folder.glob("*.log"))

    @property
    def body_files(self) -> int:
        """How many bodies lie in files now; nginx takes their names away as it opens them."""
        count = 0
        for one in Path(f"/proc/{self._process.pid}/fd").iterdir():
            # A connection may have ended since they were listed.
            with suppress(FileNotFoundError):
                count += str(self.folder / "bodies") in str(one.readlink())
        return count

    @property
    def _command(self) -> list[str]:
        return [self._program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def __enter__(self) -> "Proxy":
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port) or self._process.poll() is not None, 20, "nginx did not start")
        assert self._process.poll() is None, self.check()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
