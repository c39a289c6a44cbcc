"""What one milter hears of one SMTP session, and what it answers.

A milter that fails says nothing any more until the next MAIL: its changes of this message do not
count, and its answer is that of `fail`: go on, or come again later.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from mailraven.daemons.milter_links import Link, Station
from mailraven.milter import steps
from mailraven.milter.answers import Answer, Change, Reply
from mailraven.milter.frames import CHUNK_SIZE, MilterError

FORGETFUL_SECONDS = 2.0  # for the first answer on a connection that served another client
AHEAD = 16 * CHUNK_SIZE  # octets of a file read at once
CONTINUE = Answer("continue")
AWAY = Answer("tempfail", Reply(451, "4.7.1 a filter does not work, try again later"))

Macros = dict[str, str]


@dataclass(frozen=True, slots=True)
class Greeting:
    """What CONNECT and HELO say; `name` is the confirmed name of the client, or ""."""

    name: str
    peer: str
    port: int
    helo: str
    macros: Macros


@dataclass(frozen=True, slots=True)
class Letter:
    """A message: its header with line ends, its body in memory or from `start` in a file."""

    header: bytes
    body: bytes | Path
    start: int = 0


@dataclass(slots=True)
class Talk:
    """`is_over`: it has said all that it will about this message."""

    station: Station
    is_over: bool = False
    is_broken: bool = False  # it failed during this message
    discards: bool = False
    _link: Link | None = None
    _helo: str = ""
    _is_passed: bool = False  # it wants nothing of this client
    _refusal: Answer | None = None  # of this client
    _in_message: bool = False

    @property
    def keeps_blank(self) -> bool:
        """Whether the values of its fields begin with their blank."""
        return self._link is not None and self._link.client.keeps_blank

    async def mail(self, greeting: Greeting, data: bytes, macros: Macros) -> Answer:
        """A message begins."""
        self.is_over = self.is_broken = self.discards = False
        if self._refusal is not None:
            self.is_over, self.discards = True, self._refusal.word == "discard"
            return self._refusal
        if self._is_passed:
            self.is_over = True
            return CONTINUE
        if self._link is None and self.station.is_suspended():
            self.is_broken = True
            return self._without()
        return await self._try(lambda: self._mail(greeting, data, macros))

    async def rcpt(self, data: bytes, macros: Macros) -> Answer:
        """One recipient more. A refusal is of this one alone."""
        if self.is_broken:
            return self._without()
        if self.is_over:
            return CONTINUE
        answer = await self._try(lambda: self._step("rcpt", data, macros))
        if answer.word in ("reject", "tempfail"):
            self.is_over = False
        return answer

    async def message(self, letter: Letter, macros: Macros) -> tuple[list[Change], Answer]:
        """The message is whole."""
        if self.is_broken:
            return [], self._without()
        if self.is_over:
            return [], CONTINUE
        changes: list[Change] = []
        answer = await self._try(lambda: self._message(letter, macros, changes))
        return ([] if self.is_broken else changes), answer

    def leave(self) -> None:
        """The client has gone."""
        link, self._link = self._link, None
        if link is None:
            return
        if self._in_message or self._refusal is not None:
            link.quit()
        else:
            self.station.give_back(link)

    # -- steps -------------------------------------------------------------------------------------

    async def _try(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(self.station.milter.timeout):
                answer = await work()
        except (OSError, MilterError) as error:  # TimeoutError is one of the first
            self.station.failed(error)
            self.is_broken = True
            self._drop()
            return self._without()
        except BaseException:
            self._drop()  # it stands in the middle of something
            raise
        self.station.worked()
        if answer.word != "continue":
            self.is_over = True
        self.discards |= answer.word == "discard"
        return answer

    def _drop(self) -> None:
        link, self._link, self._in_message = self._link, None, False
        if link is not None:
            link.drop()

    def _without(self) -> Answer:
        return CONTINUE if self.station.milter.fail_open else AWAY

    async def _mail(self, greeting: Greeting, data: bytes, macros: Macros) -> Answer:
        link = self._link
        if link is None:
            answer = await self._greet(greeting)
        else:
            if self._in_message:
                link.client.abort()
                self._in_message = False
            answer = CONTINUE if greeting.helo == self._helo else await self._hello(greeting)
        if answer.word == "accept":
            self._is_passed = True
        elif answer.word != "continue":
            self._refusal = answer
        if answer.word != "continue":
            return answer
        self._in_message = True
        return await self._step("mail", data, macros)

    async def _greet(self, greeting: Greeting) -> Answer:
        self._link = await self.station.link()
        if not self._link.is_used:
            return await self._introduce(greeting)
        try:
            async with asyncio.timeout(min(FORGETFUL_SECONDS, self.station.milter.timeout / 4)):
                return await self._introduce(greeting)
        except TimeoutError:
            self._drop()
            self.station.has_forgotten()
        except (OSError, MilterError):  # it was closed while nobody looked
            self._drop()
        self._link = await self.station.link(fresh=True)
        return await self._introduce(greeting)

    async def _introduce(self, greeting: Greeting) -> Answer:
        data = steps.connect_data(greeting.name, greeting.peer, greeting.port)
        answer = await self._step("connect", data, greeting.macros)
        return answer if answer.word != "continue" else await self._hello(greeting)

    async def _hello(self, greeting: Greeting) -> Answer:
        self._helo = greeting.helo
        return await self._step("helo", steps.text_data(greeting.helo), greeting.macros)

    async def _message(self, letter: Letter, macros: Macros, changes: list[Change]) -> Answer:
        link = self._connected()
        answer = await self._step("data", b"", macros)
        if answer.word == "continue":
            answer = await self._header(link, letter.header)
        if answer.word == "continue":
            answer = await self._body(link, letter)
        if answer.word not in ("continue", "skip"):
            return answer
        link.client.end(macros)
        found, answer = await link.answer()
        self._in_message = False
        changes += found
        return answer

    async def _header(self, link: Link, header: bytes) -> Answer:
        if self._is_told("header") and link.client.wants("header"):
            for data in steps.header_data(header, keeps_blank=link.client.keeps_blank):
                answer = await self._step("header", data)
                if answer.word != "continue":
                    return answer
        return await self._step("eoh", b"")

    async def _body(self, link: Link, letter: Letter) -> Answer:
        if not (self._is_told("body") and link.client.wants("body")):
            return CONTINUE
        async with aclosing(_chunks(letter)) as chunks:
            async for chunk in chunks:
                answer = await self._step("body", chunk)
                if answer.word != "continue":
                    return answer
                await link.flush()
        return CONTINUE

    def _is_told(self, step: str) -> bool:
        return (step if step != "eoh" else "header") in self.station.milter.stages

    async def _step(self, step: str, data: bytes, macros: Macros | None = None) -> Answer:
        link = self._connected()
        if not self._is_told(step) or not link.client.step(step, data, macros):
            return CONTINUE
        _, answer = await link.answer()
        return answer

    def _connected(self) -> Link:
        if self._link is None:
            raise MilterError("there is no connection")
        return self._link


async def _chunks(letter: Letter) -> AsyncGenerator[bytes, None]:
    """The body as the protocol takes it."""
    if isinstance(letter.body, bytes):
        for piece in _cut(letter.body):
            yield piece
        return
    file = await asyncio.to_thread(letter.body.open, "rb", 0)
    try:
        file.seek(letter.start)
        while ahead := await asyncio.to_thread(file.read, AHEAD):
            for piece in _cut(ahead):
                yield piece
    finally:
        file.close()


def _cut(data: bytes) -> Iterator[bytes]:
    return (data[at : at + CHUNK_SIZE] for at in range(0, len(data), CHUNK_SIZE))
