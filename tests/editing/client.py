"""A client of the Language Server Protocol over pipes, as small as the tests need it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

from tests.conftest import ROOT

PATIENCE = 120.0  # seconds; only a server that is stuck takes as long


class Refused(Exception):
    """The server answered with an error; `code` is its number."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class Client:
    """Starts `lagc lsp` and talks to it; positions are those of the wire.

    What it writes to stderr goes to `log`.
    """

    def __init__(
        self,
        encodings: Sequence[str] | None = None,
        related: bool = True,
        log: IO[bytes] | None = None,
    ) -> None:
        command = [sys.executable, "-c", "from lagc.cli.main import main; main()", "lsp"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
        self._incoming: queue.Queue[dict[str, Any]] = queue.Queue()
        self._published: list[dict[str, Any]] = []
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()
        general = {"positionEncodings": list(encodings)} if encodings else {}
        text = {"publishDiagnostics": {"relatedInformation": related}}
        capabilities = {"general": general, "textDocument": text}
        self.capabilities = self.request(
            "initialize", processId=None, rootUri=None, capabilities=capabilities
        )["capabilities"]
        self.notify("initialized")

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            self._incoming.put(json.loads(stream.read(length)))

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, **params: Any) -> Any:
        self._number += 1
        self.send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._incoming.get(timeout=PATIENCE)
            if message.get("id") == self._number:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
            self._published.append(message)

    def diagnostics(self, uri: str, version: int) -> list[dict[str, Any]]:
        """Those published for a version of a document; what was published before is forgotten."""
        while True:
            kept, self._published = self._published, []
            message = kept.pop(0) if kept else self._incoming.get(timeout=PATIENCE)
            self._published = kept
            params = message.get("params", {})
            assert message.get("method") != "window/showMessage", message
            if params.get("uri") == uri and params.get("version") == version:
                found: list[dict[str, Any]] = params["diagnostics"]
                return found

    def open(self, uri: str, text: str) -> None:
        document = {"uri": uri, "languageId": "lag", "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=document)

    def change(self, uri: str, text: str, version: int) -> None:
        document = {"uri": uri, "version": version}
        self.notify(
            "textDocument/didChange", textDocument=document, contentChanges=[{"text": text}]
        )

    def at(self, method: str, uri: str, line: int, character: int, **more: Any) -> Any:
        position = {"line": line, "character": character}
        return self.request(
            f"textDocument/{method}", textDocument={"uri": uri}, position=position, **more
        )

    def stop(self) -> int:
        """End the session; the exit code of the server."""
        self.request("shutdown")
        self.send({"method": "exit"})
        code = self.process.wait(timeout=PATIENCE)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return code
