"""One request over HTTPS, one answer: no redirects, no cookies, an end in sight.

The connection is ours, so that addresses come from our resolver and a host that drips octets ends
at the time limit; the answer is taken apart by http.client.
"""

import asyncio
import http.client
import io
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HEADER_LIMIT = 32 * 1024  # octets of the answer's header
READ = 16 * 1024  # octets


class FetchFailed(Exception):
    """There is no usable answer; the message says why, `certificate` that it was to blame."""

    def __init__(self, why: str, *, certificate: bool = False) -> None:
        super().__init__(why)
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of whom. `limit` is the most octets of an answer, `timeout` in seconds."""

    host: str
    path: str
    addresses: Sequence[str]
    port: int = 443
    content: bytes | None = None
    content_type: str = ""
    limit: int = 64 * 1024
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Response:
    """The answer; `media_type` is lower case without parameters."""

    status: int
    media_type: str
    content: bytes


@dataclass(slots=True)
class _Heard:
    """What http.client takes for a socket."""

    octets: bytes
    file: io.BytesIO = field(init=False)

    def makefile(self, mode: str) -> io.BytesIO:
        """The octets to read."""
        self.file = io.BytesIO(self.octets)
        return self.file


def web_context(ca: Path | None) -> ssl.SSLContext:
    """The authorities of the machine, and `ca` if it is there."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    if ca is not None:
        with suppress(FileNotFoundError):
            context.load_verify_locations(ca)
    return context


async def exchange(request: Request, context: ssl.SSLContext) -> Response:
    """Ask the first address that answers, and hear it out. Raises FetchFailed."""
    heard: list[bytes] = []
    failure = FetchFailed("the host has no address")
    try:
        async with asyncio.timeout(request.timeout):
            for address in request.addresses:
                try:
                    await _talk(request, address, context, heard)
                    break
                except (OSError, EOFError) as error:
                    heard.clear()
                    failure = _failure(error)
            else:
                raise failure
    except TimeoutError as error:
        # One who has said it all may forget to close the connection.
        try:
            return _answer(b"".join(heard), request.limit)
        except FetchFailed:
            raise FetchFailed("timed out") from error
    return _answer(b"".join(heard), request.limit)


def _failure(error: Exception) -> FetchFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return FetchFailed(f"certificate: {error.verify_message}", certificate=True)
    if isinstance(error, ssl.SSLError):
        return FetchFailed(f"TLS: {error.reason or 'failed'}")
    return FetchFailed(f"connection: {str(error) or type(error).__name__}")


async def _talk(
    request: Request, address: str, context: ssl.SSLContext, heard: list[bytes]
) -> None:
    reader, writer = await asyncio.open_connection(
        address, request.port, ssl=context, server_hostname=request.host
    )
    try:
        writer.write(_octets(request))
        size = 0
        while octets := await reader.read(READ):
            heard.append(octets)
            size += len(octets)
            if size > request.limit + HEADER_LIMIT:
                break
    finally:
        writer.transport.abort()


def _octets(request: Request) -> bytes:
    port = "" if request.port == 443 else f":{request.port}"
    verb = "GET" if request.content is None else "POST"
    lines = [
        f"{verb} {request.path} HTTP/1.1",
        f"Host: {request.host}{port}",
        "User-Agent: MailRaven",
        "Accept: */*",
        "Connection: close",
    ]
    if request.content is not None:
        lines += [f"Content-Type: {request.content_type}"]
        lines += [f"Content-Length: {len(request.content)}"]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode() + (request.content or b"")


def _answer(octets: bytes, limit: int) -> Response:
    response = http.client.HTTPResponse(_Heard(octets))  # type: ignore[arg-type]
    try:
        response.begin()
        content = response.read(limit + 1)
        if len(content) > limit:
            raise FetchFailed("the answer is too long")
        if response.length:  # less came than was promised
            raise FetchFailed("the answer was cut off")
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise FetchFailed("the answer is no HTTP, or not whole") from error
    media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Response(response.status, media_type, content)
