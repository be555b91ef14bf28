"""What was seen is found, what comes later is waited for, and what does not come is said so."""

import asyncio

import pytest

from xds.app.demo.waiting import Journal, NotSeenError, poll


async def test_an_entry_that_is_there_is_found_at_once() -> None:
    """Waiting for an entry that was recorded before returns the first that matches."""
    journal: Journal[int] = Journal("numbers")
    for number in (1, 2, 3, 4):
        journal.add(number)
    assert await journal.first(lambda number: number % 2 == 0, within=0) == 2


async def test_an_entry_that_comes_later_wakes_who_waits() -> None:
    """Everyone who waits is woken by the entry that they wait for, and not by another."""
    journal: Journal[str] = Journal("words")
    waiting = [asyncio.create_task(journal.first(lambda word: word == "second")) for _ in range(2)]
    await asyncio.sleep(0)
    journal.add("first")
    journal.add("second")
    assert await asyncio.gather(*waiting) == ["second", "second"]


async def test_entries_before_an_index_are_passed_over() -> None:
    """Waiting since an index does not see what was recorded before it."""
    journal: Journal[str] = Journal("words")
    journal.add("same")
    waiting = asyncio.create_task(journal.first(lambda word: word == "same", since=len(journal)))
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.add("same")
    assert await waiting == "same"


async def test_an_entry_that_changes_wakes_who_waits() -> None:
    """An entry may come to match after it was recorded."""
    journal: Journal[list[int]] = Journal("lists")
    entry: list[int] = []
    journal.add(entry)
    waiting = asyncio.create_task(journal.first(lambda numbers: 7 in numbers))
    await asyncio.sleep(0)
    entry.append(7)
    journal.touch()
    assert await waiting is entry


async def test_what_was_not_seen_is_told_with_what_was() -> None:
    """A wait that runs out names what it waited for, where, how long, and what was seen instead."""
    journal: Journal[str] = Journal("the log")
    journal.add("something else")
    with pytest.raises(NotSeenError) as raised:
        await journal.first(lambda word: word == "never", within=0.01, what="a greeting")
    assert str(raised.value) == (
        "a greeting: not seen in the log within 0.01 s; the latest of 1: 'something else'"
    )


async def test_a_wait_that_is_cancelled_leaves_the_others_waiting() -> None:
    """Cancelling one who waits does not disturb another."""
    journal: Journal[int] = Journal("numbers")
    cancelled, other = (asyncio.create_task(journal.first(bool)) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    journal.add(1)
    assert await other == 1
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_polling_asks_until_the_answer_holds() -> None:
    """A poll returns the first answer that holds."""
    answers = iter(range(10))

    async def next_answer() -> int:
        return next(answers)

    assert await poll(next_answer, lambda answer: answer == 3, within=5, what="three", every=0) == 3


async def test_polling_that_runs_out_tells_the_last_answer() -> None:
    """A poll asks at least once, and its failure quotes the last answer."""

    async def answer() -> int:
        return 41

    with pytest.raises(NotSeenError, match="forty-two: not so within 0 s; the last answer: 41"):
        await poll(answer, lambda number: number == 42, within=0, what="forty-two")
