//! The document of a scope: its budgets, its members, and what each holds.

use serde::{Deserialize, Serialize};

use crate::clock::{Nanos, WallNanos};

use super::learned::ToldLimit;
use super::line::Class;
use super::reclaim::Quarantined;
use super::tally::{Counted, Tally};
use super::terms::Kind;

/// The first byte of a document: what cannot be read by these rules has another one.
const FORMAT: u8 = 10;

/// Who is a member: one process that has joined a store. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct MemberId(pub u64);

/// Who a member is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub pid: u32,
    pub host: String,
    pub command: String,
    /// When its process began, by the wall clock of its host.
    pub started: WallNanos,
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}: {}", self.pid, self.host, self.command)
    }
}

/// See the [module](super). All instants but `seen` and `seen_wall` are of `clock` ([`super::time`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeState {
    /// Drawn anew whenever the document begins anew: what members know of an older one is worth nothing here.
    pub(super) epoch: u64,
    /// The store's memory at the last visit: a change of it says that what was written since may be lost.
    pub(super) incarnation: String,
    /// The time line of `seen`.
    pub(super) timeline: String,
    /// Time that has certainly passed: never runs faster than true time.
    pub(super) clock: Nanos,
    /// The store's time and wall time at the last visit.
    pub(super) seen: Nanos,
    pub(super) seen_wall: WallNanos,
    /// When the document began anew.
    pub(super) born: Nanos,
    /// Whether somebody knows that what was written before is lost.
    pub(super) lost: bool,
    /// Whether members live who may hold what the document does not know of.
    pub(super) learning: bool,
    pub(super) budgets: Vec<Budget>,
    pub(super) members: Vec<Member>,
    /// A pause of every limit of the scope, of those that nobody's table has yet among them.
    pub(super) pause: PausedUntil,
    /// Whether the visit under way has changed a limit or an interval, has learned or has paused one: all must hear of it.
    #[serde(skip)]
    pub(super) terms_changed: bool,
}

/// A limit and those of its units that no member holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Budget {
    pub id: String,
    pub kind: Kind,
    /// What of it is kept for priorities and those above, as all tables have it: (priority, units).
    pub reserve: Vec<(i16, u64)>,
    /// What the tables of the members say: (limit, interval). The smallest limit and the longest interval hold.
    pub variants: Vec<(u64, Nanos)>,
    /// The smallest limit of the tables.
    pub tabled: u64,
    /// What the exchange has told a member that the limit is, and when.
    pub told: Option<ToldLimit>,
    /// What holds: the smaller of both.
    pub limit: u64,
    pub interval: Nanos,
    /// Units that anybody may take. Negative while a lowered limit is being paid off.
    pub pool: i64,
    /// Units that come free by themselves.
    pub quarantine: Vec<Quarantined>,
    /// What an answer of the exchange said to be left, and whether all members have said what they had used then.
    pub tally: Option<Tally>,
    /// Nobody grows before: the store may have forgotten who holds what.
    pub locked_until: Nanos,
    /// What the exchange has told a member: nothing that takes from it may leave before.
    pub pause: PausedUntil,
}

/// A pause of a limit, or of all; the one that ends last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PausedUntil {
    pub until: Nanos,
    pub reason: String,
}

/// A process's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub id: MemberId,
    pub about: About,
    /// The last operation that released or posted anything: one that comes a second time does not count.
    pub sequence: u64,
    /// When it is dead unless it visits before; `None` where the store knows who lives.
    pub lease_end: Option<Nanos>,
    /// For how long what it has sent may still arrive.
    pub arrival: Nanos,
    /// Which table its parts are in the order of.
    pub table: u64,
    /// Since when it has been asked to visit.
    pub called: Option<Nanos>,
    pub ticket: Option<Ticket>,
    pub parts: Vec<MemberPart>,
}

/// What a member has of one limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MemberPart {
    /// Index into the budgets.
    pub budget: u32,
    /// Index into the budget's variants: what the member's table says.
    pub variant: u32,
    /// Units that are the member's, free or used.
    pub held: u64,
    /// Units in use, as it said at its last visit.
    pub used: u64,
    /// Units in use or waited for.
    pub demand: u64,
    /// What its requests take of it: the most that one of them waits for.
    pub need: u64,
    /// The target that it was told then.
    pub told: u64,
    /// Whether it was told then that there is enough for all: it keeps what it does not use.
    pub calm: bool,
    /// What the exchange may have counted of it, as it said to the budget's last question.
    pub counted: Option<Counted>,
}

/// The first request of a member, in the order of its queue, that its fair share cannot serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// The member's number of the request.
    pub request: u64,
    /// Since when it waits. May be before the clock's start.
    pub since: i64,
    pub class: Class,
    /// What it needs at once: (index of the budget, units).
    pub needs: Vec<(u32, u64)>,
}

/// A document that these rules cannot read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum BadDocument {
    #[error(
        "the shared budget was written by another version of sluicegate (format {0}, not {FORMAT}): update all bots, or use another name"
    )]
    Format(u8),
    #[error("the shared budget cannot be read ({0}): it is damaged, or something else wrote it")]
    Damaged(String),
}

impl ScopeState {
    /// Reads a document.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadDocument> {
        let damaged = |what: &str| BadDocument::Damaged(what.to_owned());
        let (&format, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if format != FORMAT {
            return Err(BadDocument::Format(format));
        }
        let state: Self = postcard::from_bytes(rest).map_err(|error| damaged(&error.to_string()))?;
        state.check().map_err(|what| damaged(&what))?;
        Ok(state)
    }

    /// The document to write.
    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![FORMAT]).expect("a vector takes everything, and all lengths are known")
    }

    /// What must hold in every state.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut sums: Vec<i128> = self.budgets.iter().map(|budget| i128::from(budget.pool)).collect();
        for (sum, budget) in sums.iter_mut().zip(&self.budgets) {
            *sum += budget.quarantine.iter().map(|some| i128::from(some.units)).sum::<i128>();
        }
        for member in &self.members {
            for part in &member.parts {
                let budget = part.budget as usize;
                let known =
                    self.budgets.get(budget).is_some_and(|one| (part.variant as usize) < one.variants.len());
                if !known {
                    return Err(format!("member {:x} has a part of no limit", member.id.0));
                }
                sums[budget] += i128::from(part.held);
            }
            let needs = member.ticket.iter().flat_map(|ticket| &ticket.needs);
            if needs.into_iter().any(|&(budget, _)| budget as usize >= self.budgets.len()) {
                return Err(format!("member {:x} waits for no limit", member.id.0));
            }
        }
        for (sum, budget) in sums.into_iter().zip(&self.budgets) {
            if sum != i128::from(budget.limit) {
                return Err(format!("the units of {:?} add up to {sum}, not {}", budget.id, budget.limit));
            }
        }
        Ok(())
    }

    pub(super) fn position(&self, id: MemberId) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// Drops budgets that nobody's table has, of which nothing is used or paused, and whose limit is that of the tables:
    /// what the exchange told of it holds also for who comes when all have ended.
    pub(super) fn tidy(&mut self) {
        let mut used = vec![false; self.budgets.len()];
        self.members
            .iter()
            .flat_map(|member| &member.parts)
            .for_each(|part| used[part.budget as usize] = true);
        for (used, budget) in used.iter_mut().zip(&self.budgets) {
            let waits = budget.locked_until.max(budget.pause.until) > self.clock;
            *used |= !budget.quarantine.is_empty() || budget.told.is_some() || waits;
        }
        if used.iter().all(|&used| used) {
            return;
        }
        let mut next = 0;
        let moved: Vec<u32> = (used.iter())
            .map(|&used| {
                let index = next;
                next += u32::from(used);
                index
            })
            .collect();
        let mut kept = used.iter();
        self.budgets.retain(|_| *kept.next().expect("one for each"));
        for member in &mut self.members {
            member.parts.iter_mut().for_each(|part| part.budget = moved[part.budget as usize]);
            if let Some(ticket) = &mut member.ticket {
                // What it needs is in its table.
                ticket.needs.iter_mut().for_each(|(budget, _)| *budget = moved[*budget as usize]);
            }
        }
    }
}
