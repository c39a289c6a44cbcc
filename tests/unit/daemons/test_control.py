"""Control sockets: one JSON object a line, answered by id, refused to strangers."""

import asyncio
import json
import os
from pathlib import Path

from mailraven.daemons.control import LINE_LIMIT, Message, serve_control


async def talk(path: Path, *lines: bytes) -> list[Message]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"".join(lines))
    answers = []
    for _ in lines:
        try:
            line = await asyncio.wait_for(reader.readline(), 10)
        except ConnectionError:
            break
        if not line:
            break
        answers.append(json.loads(line))
    writer.close()
    return answers


async def slow(request: Message) -> Message:
    await asyncio.sleep(0.01)
    return {"late": True}


def broken(request: Message) -> Message:
    raise RuntimeError("secret text")


HANDLERS = {"echo": lambda request: {"got": request["value"]}, "slow": slow, "broken": broken}


async def started(tmp_path: Path, uids: frozenset[int] | None = None) -> Path:
    path = tmp_path / "run" / "x.sock"
    await serve_control(path, HANDLERS, uids)
    return path


def test_answers_carry_the_id_of_their_request(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        path = await started(tmp_path)
        return await talk(
            path, b'{"id":1,"op":"slow"}\n', b'{"id":2,"op":"echo","value":"a\\nb"}\n'
        )

    answers = asyncio.run(main())
    assert {answer["id"]: answer for answer in answers} == {
        1: {"id": 1, "late": True},
        2: {"id": 2, "got": "a\nb"},
    }


def test_garbage_and_unknown_operations_are_answered_not_obeyed(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        path = await started(tmp_path)
        return await talk(path, b"\xff\n", b"[1]\n", b'{"op":"exec"}\n', b'{"id":7}\n')

    answers = asyncio.run(main())
    assert [set(answer) - {"id"} for answer in answers] == [{"error"}] * 4


def test_a_bug_says_nothing_of_itself_to_the_caller(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        return await talk(await started(tmp_path), b'{"op":"broken"}\n')

    assert asyncio.run(main()) == [{"error": "internal error"}]


def test_a_line_without_end_ends_the_connection(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        return await talk(await started(tmp_path), b"x" * (LINE_LIMIT + 1000))

    assert asyncio.run(main()) == []


def test_another_user_is_refused(tmp_path: Path) -> None:
    async def main() -> list[Message]:
        path = await started(tmp_path, frozenset({os.getuid() + 1}))
        try:
            return await talk(path, b'{"op":"echo","value":1}\n')
        except ConnectionError:
            return []

    assert asyncio.run(main()) == []


def test_the_socket_is_not_open_to_others_and_replaces_an_old_one(tmp_path: Path) -> None:
    async def main() -> int:
        await started(tmp_path)
        path = await started(tmp_path)
        assert await talk(path, b'{"op":"echo","value":1}\n') == [{"got": 1}]
        return path.stat().st_mode & 0o777

    assert asyncio.run(main()) == 0o660
