"""The language server: requests of an editor to the functions of this package."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass

from lsprotocol import types
from pygls import uris
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import json_rpc

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Source
from lagc.base.version import __version__
from lagc.editing import protocol
from lagc.editing.checking import Check, check, in_background
from lagc.editing.completion import complete, partial_word
from lagc.editing.families import relatives, together, used_by
from lagc.editing.hover import hover
from lagc.editing.names import Occurrence, Reading, read
from lagc.editing.outline import outline
from lagc.editing.positions import Positions
from lagc.editing.rename import CannotRename, places_of, renameable
from lagc.syntax import ast
from lagc.syntax.formatter import format_source

SECONDS_BEFORE_CHECKING = 0.2
_REQUEST_FAILED = -32803


@dataclass(frozen=True)
class _Document:
    """A text as the editor has it."""

    uri: str
    positions: Positions
    reading: Reading

    def offset(self, position: types.Position) -> int:
        return self.positions.offset(position.line, position.character)

    def location(self, found: Occurrence) -> types.Location:
        place = protocol.to_range(self.positions, found.span.start, found.span.end)
        return types.Location(self.uri, place)


class LagServer(LanguageServer):
    """The state of a session: what was read and checked of each open text."""

    def __init__(self) -> None:
        # With whole texts no bookkeeping of columns can go wrong; a model is small.
        super().__init__("lagc", __version__, types.TextDocumentSyncKind.Full)
        self.checks: dict[str, Check] = {}
        self._documents: dict[str, _Document] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def document(self, uri: str) -> _Document:
        """The text of a document, read when it has changed."""
        text = self.workspace.get_text_document(uri).source
        known = self._documents.get(uri)
        if known is None or known.positions.text != text:
            agreed = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
            encoding = types.PositionEncodingKind(agreed).value
            path = self.workspace.get_text_document(uri).path or uri
            folder = os.path.dirname(path) if uri.startswith("file:") else None
            reading = read(Source(path, text, folder))
            known = self._documents[uri] = _Document(uri, Positions(text, encoding), reading)
        return known

    def document_at(self, path: str) -> _Document:
        """The text of a file, as the editor has it if it is open there."""
        return self.document(uris.from_fs_path(path) or path)

    def family(self, document: _Document) -> list[_Document]:
        """A document and those that it uses."""
        return [document, *(self.document_at(s.name) for s in used_by(document.reading))]

    def current_check(self, document: _Document) -> Check | None:
        """What was found in exactly this text, if it has been checked."""
        found = self.checks.get(document.uri)
        return found if found and found.source.text == document.positions.text else None

    def schedule(self, uri: str, delay: float) -> None:
        """Check a document after a delay, unless it changes before."""
        self.forget_task(uri)
        self._tasks[uri] = asyncio.get_running_loop().create_task(self._check(uri, delay))

    def forget_task(self, uri: str) -> None:
        """Nobody waits for the check of a document any more."""
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()

    def close(self, uri: str) -> None:
        """The editor has closed a document."""
        self.forget_task(uri)
        self.checks.pop(uri, None)
        self._documents.pop(uri, None)
        self.publish(uri, [], None)

    async def _check(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        document = self.document(uri)
        version = self.workspace.get_text_document(uri).version
        found = await in_background(lambda: check(document.reading.source))
        self.checks[uri] = found
        related = bool(
            get_capability(
                self.client_capabilities,
                "text_document.publish_diagnostics.related_information",
            )
        )
        shown = [
            protocol.to_diagnostic(document.positions, found.source, item, uri, related=related)
            for item in found.diagnostics
        ]
        self.publish(uri, shown, version)

    def publish(self, uri: str, shown: list[types.Diagnostic], version: int | None) -> None:
        """Send the diagnostics of a document."""
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, shown, version=version)
        )


def make_server() -> LagServer:
    """A server with all its features, to be started with `start_io`."""
    server = LagServer()
    logging.getLogger(json_rpc.__name__).addFilter(_is_no_refusal)
    _add_synchronisation(server)
    _add_names(server)
    _add_texts(server)
    return server


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Whether a record of the log is more than that the answer to a request was an error.

    A name that cannot be changed is no failure of the server, so that nothing is logged of it.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, JsonRpcException) or error.code != _REQUEST_FAILED


def _add_synchronisation(server: LagServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.schedule(params.text_document.uri, 0.0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeTextDocumentParams) -> None:
        server.schedule(params.text_document.uri, SECONDS_BEFORE_CHECKING)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.close(params.text_document.uri)


def _add_names(server: LagServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def show(params: types.HoverParams) -> types.Hover | None:
        document = server.document(params.text_document.uri)
        checked = server.current_check(document)
        _, *used = server.family(document)
        text = hover(
            together(document.reading, [other.reading for other in used]),
            document.offset(params.position),
            checked.compilation if checked else None,
        )
        if text is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> types.Location | None:
        document = server.document(params.text_document.uri)
        offset = document.offset(params.position)
        found = document.reading.at(offset)
        if found is None:
            return _used_file(server, document, offset)
        for other in server.family(document):
            for occurrence in other.reading.of(found.name):
                if occurrence.declares:
                    return other.location(occurrence)
        return None

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> list[types.Location]:
        document = server.document(params.text_document.uri)
        found = document.reading.at(document.offset(params.position))
        places = document.reading.of(found.name) if found else []
        wanted = [o for o in places if params.context.include_declaration or not o.declares]
        return [document.location(o) for o in wanted]

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder:
        document = server.document(params.text_document.uri)
        _, *used = server.family(document)
        whole = together(document.reading, [other.reading for other in used])
        try:
            found = renameable(whole, document.offset(params.position))
        except CannotRename as reason:
            raise JsonRpcException(str(reason), _REQUEST_FAILED) from None
        return types.PrepareRenamePlaceholder(document.location(found).range, found.name)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def change_name(params: types.RenameParams) -> types.WorkspaceEdit:
        document = server.document(params.text_document.uri)
        offset = document.offset(params.position)
        _, *used = server.family(document)
        whole = together(document.reading, [other.reading for other in used])
        changes = {}
        try:
            name = renameable(whole, offset).name
            others = relatives(
                document.reading, name, lambda path: server.document_at(path).reading
            )
            for reading in (whole, *others):
                known = document if reading is whole else server.document_at(reading.source.name)
                places = places_of(reading, name, params.new_name)
                ranges = [protocol.to_range(known.positions, s.start, s.end) for s in places]
                changes[known.uri] = [types.TextEdit(place, params.new_name) for place in ranges]
        except CannotRename as reason:
            raise JsonRpcException(str(reason), _REQUEST_FAILED) from None
        return types.WorkspaceEdit(changes=changes)


def _used_file(server: LagServer, document: _Document, offset: int) -> types.Location | None:
    """The file whose name stands at an offset, in a `use` statement."""
    statement = document.reading.statement_at(offset)
    folder = document.reading.source.folder
    if not isinstance(statement, ast.Use) or folder is None:
        return None
    path = os.path.normpath(os.path.join(folder, *statement.path.split("/")))
    start = types.Position(0, 0)
    return types.Location(uris.from_fs_path(path) or path, types.Range(start, start))


def _add_texts(server: LagServer) -> None:
    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=["'", "_", "~", '"']),
    )
    async def completion(params: types.CompletionParams) -> types.CompletionList:
        document = server.document(params.text_document.uri)
        offset = document.offset(params.position)
        begin = partial_word(document.positions.text, offset)
        place = protocol.to_range(document.positions, begin, offset)
        _, *used = server.family(document)
        whole = together(document.reading, [other.reading for other in used])
        items = [protocol.to_completion(p, place) for p in complete(whole, offset)]
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        document = server.document(params.text_document.uri)
        text = format_source(document.reading.source, Diagnostics())
        old = document.positions.text
        return [] if text is None else protocol.changed_lines(document.positions, old, text)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        document = server.document(params.text_document.uri)
        return [protocol.to_symbol(document.positions, e) for e in outline(document.reading)]
