//! The one script that the server runs: writes a document if nobody else has meanwhile, or returns the newer one.
//!
//! It compares three things with what the client decided upon: the document's version, the server's identity, and the
//! time. Each version is a text that was never used before, not a count: after a server has lost writes, a count could
//! come back with another document. The members are woken first, because a wake-up that is forbidden must show before
//! anything is written; nobody can look before the script has ended.
//!
//! Who wants to write and is too late takes the *turn*, or waits for it in a queue. While one has the turn, others do not
//! write, so that what he decides upon is not decided in vain: without turns, of 100 clients that want to write at once each
//! would read and decide 100 times. The queue is the server's own: those who wait sleep in `BLPOP` on a list beside the
//! document, and the server serves them in order and forgets those whose connection ends. Who has written hands the
//! turn on by a token in that list. The turn is for fairness and to save work only. It ends by itself after [`TURN`]: a
//! client that dies or stops with it, or on the way to it, delays the others by as much and breaks nothing.

use std::time::Duration;

use super::resp::Reply;
use crate::clock::{Nanos, WallNanos};
use crate::store::MemberId;

/// How far the time that a client decided upon may lie behind the server's, in microseconds.
#[cfg(test)]
const LATEST: u64 = 50_000;

/// How long a turn lasts at most, in microseconds.
#[cfg(test)]
const TURN: u64 = 100_000;

/// Instead of a new version: the turn is wanted, and the document if it is not the one that is known.
pub(super) const TAKE: &str = "?";

/// Arguments: the version, the identity and the time that the client decided upon; the client; the new version (empty: to
/// look, [`TAKE`]: to get the turn); the new document, or the token that the client was handed; channels to wake.
pub(super) const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local held = redis.call('HMGET', KEYS[1], 'version', 'turn', 'until', 'queue')
local version, turn = held[1] or '', held[2]
local same = version == ARGV[1] and run == ARGV[2]
local takes = ARGV[5] == '?'
local writes = not takes and ARGV[5] ~= ''
local mine = turn == ARGV[4] or (takes and turn == ARGV[6])
local others = turn and not mine and now < tonumber(held[3]) and redis.call('LLEN', KEYS[2]) == 0
local late = now - ARGV[3]
local function ends(at) return string.format('%.0f', at) end
if not takes and same and late >= 0 and late <= 50000 and not (writes and others) then
  if writes then
    for i = 7, #ARGV do
      redis.call('PUBLISH', ARGV[i], '')
    end
    redis.call('HSET', KEYS[1], 'version', ARGV[5], 'document', ARGV[6])
  end
  if mine and now < tonumber(held[4] or 0) then
    local token = ARGV[4] .. ':' .. ends(now)
    redis.call('HSET', KEYS[1], 'turn', token, 'until', ends(now + 100000))
    redis.call('LPUSH', KEYS[2], token)
    redis.call('PEXPIRE', KEYS[2], 1000)
  elseif mine then
    redis.call('HDEL', KEYS[1], 'turn', 'until', 'queue')
  end
  return {1, time[1], time[2], run}
end
if takes or writes then
  if others then
    redis.call('HSET', KEYS[1], 'queue', ends(now + 1000000))
    return {2, time[1], time[2], run, tonumber(held[3]) - now}
  end
  redis.call('HSET', KEYS[1], 'turn', ARGV[4], 'until', ends(now + 100000))
  redis.call('DEL', KEYS[2])
end
if takes and same then
  return {3, time[1], time[2], run}
end
return {0, time[1], time[2], run, version, redis.call('HGET', KEYS[1], 'document')}
";

/// The key of a scope's document. The braces keep all of a scope on one node of a cluster.
pub(super) fn key(scope: &str) -> String {
    format!("{{sluicegate:{scope}}}")
}

/// Where those wait who want to write a scope: on the same node.
pub(super) fn queue(scope: &str) -> String {
    format!("{}:turn", key(scope))
}

/// The scope of a key.
pub(super) fn scope(key: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    key.strip_prefix("{sluicegate:")?.strip_suffix('}').map(str::to_owned)
}

/// Where a member listens.
pub(super) fn channel(member: MemberId) -> String {
    format!("sluicegate:{member}")
}

/// What the script answers.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) at: Micros,
    pub(super) run: String,
    pub(super) outcome: Outcome,
}

#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The document is as it was decided.
    Done,
    /// It is what the client knows already, and the turn is the client's.
    Known,
    /// What is there; its version is empty where there is no document. If the client wants to write, the turn is its own.
    Newer { version: String, bytes: Option<Vec<u8>> },
    /// It is another client's turn, for so long at most.
    Wait(Duration),
}

/// The server's time in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Micros(pub(super) u64);

impl Micros {
    pub(super) fn nanos(self) -> Nanos {
        self.0.saturating_mul(1000)
    }

    pub(super) fn wall(self) -> WallNanos {
        WallNanos::try_from(self.nanos()).unwrap_or(WallNanos::MAX)
    }
}

/// Reads an answer; `None` if it is none.
pub(super) fn answer(reply: Reply) -> Option<Answer> {
    let Reply::List(list) = reply else { return None };
    let mut list = list.into_iter();
    let Reply::Number(kind) = list.next()? else { return None };
    let mut text = || match list.next()? {
        Reply::Bytes(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let (seconds, micros): (u64, u64) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let at = Micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?);
    let run = text()?;
    let outcome = match kind {
        1 => Outcome::Done,
        2 => match list.next()? {
            Reply::Number(micros) => Outcome::Wait(Duration::from_micros(micros.try_into().ok()?)),
            _ => return None,
        },
        3 => Outcome::Known,
        _ => Outcome::Newer {
            version: text()?,
            bytes: match list.next()? {
                Reply::Bytes(bytes) => Some(bytes),
                _ => None,
            },
        },
    };
    Some(Answer { at, run, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_allows_what_the_client_does() {
        assert!(SCRIPT.contains(&format!("late <= {LATEST}")));
        assert_eq!(SCRIPT.matches(&format!("'until', ends(now + {TURN})")).count(), 2);
        assert!(SCRIPT.contains(&format!("ARGV[5] == '{TAKE}'")));
    }

    #[test]
    fn keys_and_scopes_are_each_others_inverse() {
        for name in ["account:main", "address:home", "a}b{c", "", "ä"] {
            assert_eq!(scope(key(name).as_bytes()).as_deref(), Some(name));
            assert_eq!(scope(queue(name).as_bytes()), None);
        }
        assert_eq!(scope(b"{other:x}"), None);
    }
}
