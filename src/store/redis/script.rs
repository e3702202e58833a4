//! The one script that the server runs: writes a document if nobody else has meanwhile, or returns the newer one.
//!
//! It compares three things with what the client decided upon: the document's version, the server's identity, and the
//! time. Each version is a text that was never used before, not a count: after a server has lost writes, a count could
//! come back with another document. The members are woken first, because a wake-up that is forbidden must show before
//! anything is written; nobody can look before the script has ended.
//!
//! Who wanted to write and came too late gets the *turn*: for a tenth of a second others cannot write, so that the next
//! try surely succeeds. Otherwise the last writer, who knows the newest version, would win every race. The turn is for
//! fairness only: a client that dies with it, or whose next try takes longer, delays the others and breaks nothing.

use super::resp::Reply;
use crate::clock::{Nanos, WallNanos};
use crate::store::MemberId;

/// How far the time that a client decided upon may lie behind the server's, in microseconds.
#[cfg(test)]
const LATEST: u64 = 50_000;

pub(super) const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local held = redis.call('HMGET', KEYS[1], 'version', 'turn', 'until')
local version, turn = held[1] or '', held[2]
local mine = turn == ARGV[6]
local others = turn and not mine and now < tonumber(held[3])
local writes = ARGV[4] ~= ''
local late = now - ARGV[3]
if version == ARGV[1] and run == ARGV[2] and late >= 0 and late <= 50000 and not (writes and others) then
  if writes then
    for i = 7, #ARGV do
      redis.call('PUBLISH', ARGV[i], '')
    end
    redis.call('HSET', KEYS[1], 'version', ARGV[4], 'document', ARGV[5])
  end
  if mine then
    redis.call('HDEL', KEYS[1], 'turn', 'until')
  end
  return {1, time[1], time[2], run}
end
if writes and not others then
  redis.call('HSET', KEYS[1], 'turn', ARGV[6], 'until', string.format('%.0f', now + 100000))
end
return {0, time[1], time[2], run, version, redis.call('HGET', KEYS[1], 'document'), others and 1 or 0}
";

/// The key of a scope's document. The braces keep all of a scope on one node of a cluster.
pub(super) fn key(scope: &str) -> String {
    format!("{{sluicegate:{scope}}}")
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
    /// `None`: as it was decided. Otherwise what is there; its version is empty where there is no document.
    pub(super) newer: Option<Newer>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Newer {
    pub(super) version: String,
    pub(super) bytes: Option<Vec<u8>>,
    /// Whether it is another client's turn to write.
    pub(super) others: bool,
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
    let Reply::Number(written) = list.next()? else { return None };
    let mut text = || match list.next()? {
        Reply::Bytes(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let (seconds, micros): (u64, u64) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let at = Micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?);
    let run = text()?;
    let newer = match written {
        1 => None,
        _ => Some(Newer {
            version: text()?,
            bytes: match list.next()? {
                Reply::Bytes(bytes) => Some(bytes),
                _ => None,
            },
            others: list.next()? == Reply::Number(1),
        }),
    };
    Some(Answer { at, run, newer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_allows_what_the_client_does() {
        assert!(SCRIPT.contains(&format!("late <= {LATEST}")));
    }

    #[test]
    fn keys_and_scopes_are_each_others_inverse() {
        for name in ["account:main", "address:home", "a}b{c", "", "ä"] {
            assert_eq!(scope(key(name).as_bytes()).as_deref(), Some(name));
        }
        assert_eq!(scope(b"{other:x}"), None);
    }
}
