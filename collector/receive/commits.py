"""Group commit: what is posted while one commit is under way goes with the next."""

import asyncio
import sqlite3
from collections.abc import Sequence

from collector.receive.post import Post, Receipt, Refused
from collector.receive.store import Store
from collector.receive.tally import Account, Tally


class GroupCommit:
    """One fsync for all posts that wait, however many that are."""

    def __init__(self, store: Store, account: Account) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the sqlite3.Error after which nothing more can be stored."""
        self._store = store
        self._account = account
        self._waiting: list[tuple[Post, asyncio.Future[Receipt | Refused]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def add(self, post: Post) -> Receipt | Refused:
        """What to answer, once it is true on disk. Raises sqlite3.Error: nothing of it is stored."""
        answer: asyncio.Future[Receipt | Refused] = asyncio.get_running_loop().create_future()
        self._waiting.append((post, answer))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return await answer

    async def _commit(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            posts = [post for post, _ in waiting]
            try:
                answers = await asyncio.to_thread(self._store.add_posts, posts)
            except sqlite3.Error as error:
                for _, answer in waiting:
                    answer.set_exception(error)
                if not self.failed.done():
                    self.failed.set_exception(error)
                continue
            self._account.add(_tally(posts, answers))
            for (_, answer), said in zip(waiting, answers, strict=True):
                answer.set_result(said)
        self._committing = None


def _tally(posts: Sequence[Post], answers: Sequence[Receipt | Refused]) -> Tally:
    tally = Tally(requests=len(posts))
    for post, answer in zip(posts, answers, strict=True):
        if isinstance(answer, Refused):
            tally.invalid += 1
            tally.fault = f"{post.key}: {answer}"
        else:
            tally.readings += answer.stored + answer.duplicates
            tally.stored += 0 if answer.repeated else answer.stored
            tally.duplicates += answer.duplicates + (answer.stored if answer.repeated else 0)
    return tally
