"""A daemon's configuration follows the folder, and a broken edit changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailraven.config.watch import ConfigWatcher
from mailraven.mail.errors import ConfigErrors


@asynccontextmanager
async def watching(etc: Path) -> AsyncIterator[tuple[ConfigWatcher, asyncio.Event]]:
    watcher, reloaded = ConfigWatcher(etc, {}), asyncio.Event()
    watcher.subscribe(reloaded.set)
    await watcher.start()
    try:
        yield watcher, reloaded
    finally:
        watcher.close()


def test_an_edit_is_in_force_without_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as (watcher, reloaded):
            before = watcher.config
            (tmp_path / "mailraven.toml").write_text("smtp.recipients = 7")
            await reloaded.wait()
            assert watcher.config.smtp.recipients == 7
            assert before.smtp.recipients == 1000  # whoever holds the old one keeps it

    asyncio.run(scenario())


def test_an_editor_that_renames_is_seen_more_than_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as (watcher, reloaded):
            for number in (11, 12):
                aside = tmp_path / ".mailraven.toml.swp"
                aside.write_text(f"smtp.recipients = {number}")
                aside.rename(tmp_path / "mailraven.toml")
                await reloaded.wait()
                reloaded.clear()
                assert watcher.config.smtp.recipients == number

    asyncio.run(scenario())


def test_a_broken_edit_keeps_the_old_configuration_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "mailraven.toml"
    file.write_text("smtp.recipients = 7")

    async def scenario() -> None:
        async with watching(tmp_path) as (watcher, reloaded):
            file.write_text('smtp.recipients = "many"')
            await reloaded.wait()
            assert watcher.config.smtp.recipients == 7
            assert watcher.problems == [
                f"{file}:1: smtp.recipients: 'many' is not a number (write 1)"
            ]
            reloaded.clear()
            file.write_text("smtp.recipients = 8")
            await reloaded.wait()
            assert watcher.config.smtp.recipients == 8
            assert watcher.problems == []

    asyncio.run(scenario())


def test_a_daemon_does_not_start_with_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "mailraven.toml").write_text("nonsense = 1")
    with pytest.raises(ConfigErrors):
        ConfigWatcher(tmp_path, {})


def test_without_a_folder_a_reload_on_request_still_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        etc = tmp_path / "later"
        async with watching(etc) as (watcher, _):
            etc.mkdir()
            (etc / "mailraven.toml").write_text("smtp.recipients = 7")
            watcher.reload()
            assert watcher.config.smtp.recipients == 7

    asyncio.run(scenario())
