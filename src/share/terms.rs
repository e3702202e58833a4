//! What a table says about a limit that is shared, and what happens when two tables disagree.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

/// Windows longer than this are spent in small chunks and posted, so that a crash locks up little of them.
pub(super) const LONG: Nanos = 60_000_000_000;

/// A chunk is this part of a long window's limit, and what is posted comes free at multiples of this part of its interval.
pub(super) const CHUNKS: u64 = 64;

/// How the units of a limit come free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// One interval after they were used.
    Rolling,
    /// At a boundary of wall time. The text names the boundaries for every member alike, such as "1d Asia/Shanghai".
    Quota(String),
}

/// One limit of a member's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub id: String,
    /// The whole limit, as the exchange has it.
    pub limit: u64,
    /// The interval; of a quota, the length of most of its periods.
    pub interval: Nanos,
    pub kind: Kind,
    /// What of it is kept for priorities and those above: (priority, units).
    pub reserve: Vec<(i16, u64)>,
}

impl Terms {
    /// Whether it is spent in chunks.
    pub(crate) fn is_long(&self) -> bool {
        self.interval > LONG
    }
}

/// The most free units of a long window that a member keeps in hand.
pub(super) fn chunk(limit: u64) -> u64 {
    (limit / CHUNKS).max(1)
}

/// What to do when two tables disagree about the limit or the interval of the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// Who comes later is refused.
    Refuse,
    /// The smaller limit and the longer interval hold, for all members.
    Smallest,
}

/// Two tables that disagree about a budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "limit {id:?} is {ours} here, but {theirs} in a process that shares it ({holder}){}. Give both the same table{}",
    if *is_overdue { ", which has not come for longer than its lease. If it has ended, its table counts for one lease more" } else { "" },
    if *smallest_helps { ", or share with conflict=\"smallest\" (the smaller limit and the longer interval hold)" } else { "" }
)]
pub(crate) struct Conflict {
    pub id: String,
    /// What the visitor's table says.
    pub ours: String,
    /// What the other's says.
    pub theirs: String,
    /// Who the other is.
    pub holder: String,
    /// Whether they disagree about the limit or the interval alone.
    pub smallest_helps: bool,
    /// Whether the lease of everybody who disagrees has ended by the store's clock alone, which may have stepped: they have
    /// probably ended, and count as dead once a witness has lived through the time.
    pub is_overdue: bool,
    /// The document, and what its clock showed: who was refused can be that witness.
    pub epoch: u64,
    pub clock: Nanos,
}

/// A limit in words: `1200 per 60 s, with a reserve of 100 for priority 1`.
pub(super) fn in_words(limit: u64, interval: Nanos, kind: &Kind, reserve: &[(i16, u64)]) -> String {
    let seconds = interval as f64 / 1e9;
    let mut words = match kind {
        Kind::Rolling if interval <= 1 => format!("{limit} in flight"),
        Kind::Rolling => format!("{limit} per {seconds} s"),
        Kind::Quota(resets) => format!("{limit} per {seconds} s, a quota that resets at {resets:?}"),
    };
    let kept: Vec<String> =
        reserve.iter().map(|(priority, units)| format!("{units} for priority {priority}")).collect();
    if !kept.is_empty() {
        words.push_str(&format!(", with a reserve of {}", kept.join(" and ")));
    }
    words
}
