"""A real `BinanceExchange` of Hummingbot that trades at an exchange that refuses and bans."""

from __future__ import annotations

from peers.hummingbot.beside import Trouble, run


async def test_a_bot_that_is_restarted_at_the_limit_is_refused_once() -> None:
    seen, _ = await run(Trouble(16, before=True, minute=10), drop_in=True)
    assert (seen.rejected, seen.banned) == (1, 0)
    # 300 were accepted before the restart; more follow once the time that it was told is over.
    assert seen.accepted > 300


async def test_a_bot_beside_others_is_not_banned() -> None:
    seen, told = await run(Trouble(12, others=0.35, dropped=0.05, minute=10), drop_in=True)
    assert seen.rejected <= 4
    assert seen.banned == 0
    assert told["done"] > 100
