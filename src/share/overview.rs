//! Who holds what, for people.

use crate::clock::{Nanos, WallNanos};

use super::reclaim::Why;
use super::state::{About, MemberId, ScopeState};
use super::terms::Kind;

/// What a scope looks like at its last visit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Overview {
    pub members: Vec<MemberOverview>,
    pub limits: Vec<LimitOverview>,
    /// The store may have forgotten something: nobody grows until this is over.
    pub learning: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemberOverview {
    pub id: MemberId,
    pub about: About,
    /// How long until it counts as dead unless it visits; `None` where the store knows who lives.
    pub lease: Option<Nanos>,
    /// For how long it has been called and not come: it may be stopped.
    pub called_for: Option<Nanos>,
    /// For how long the oldest request that its fair share cannot serve has waited, and what it needs: (id, units).
    pub ticket: Option<(Nanos, Vec<(String, u64)>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitOverview {
    pub id: String,
    pub limit: u64,
    pub interval: Nanos,
    pub kind: Kind,
    /// What of it is kept for priorities and those above: (priority, units).
    pub reserve: Vec<(i16, u64)>,
    /// By member of the overview; `None` if its table lacks the limit.
    pub members: Vec<Option<PartOverview>>,
    /// Units that anybody may take; negative while a lowered limit is being paid off.
    pub pool: i64,
    /// Units that come free by themselves: (after, units).
    pub quarantine: Vec<(Nanos, u64)>,
    /// Of these, what others have used, as the exchange said, and what is kept for them.
    pub foreign: u64,
    /// Of `foreign`, what the exchange does not count now: it is kept for others who may come again.
    pub kept: u64,
    /// Of the quarantine, what processes held that have ended without giving it back.
    pub locked_up: u64,
    /// How long until anybody can get more, if the store has forgotten.
    pub locked_for: Nanos,
    /// For how long nothing may leave, and why.
    pub pause: Option<(Nanos, String)>,
}

/// A process's part of a limit, as it said at its last visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartOverview {
    /// Units that are its own, free or used.
    pub held: u64,
    /// Units in use.
    pub used: u64,
    /// Units in use or waited for.
    pub demand: u64,
}

impl LimitOverview {
    fn quarantined(&self) -> u64 {
        self.quarantine.iter().map(|&(_, units)| units).sum()
    }

    /// Units that are not used, whoever has them, as far as the members have told.
    pub(crate) fn unused(&self) -> u64 {
        let in_use: u64 = self.members.iter().flatten().map(|part| part.held.min(part.used)).sum();
        self.limit.saturating_sub(self.quarantined() + in_use)
    }

    /// Units that are used, waited for or held ready, as far as the members have told.
    pub(crate) fn used(&self) -> u64 {
        self.used_beside(None)
    }

    /// The same, where it is known what one member uses now: (its place, units).
    pub(crate) fn used_beside(&self, known: Option<(usize, u64)>) -> u64 {
        // Of a long window, that counts what a member keeps at hand for what comes: it may be used by now.
        let used = |(at, part): (usize, &Option<PartOverview>)| match (known, part) {
            (Some((known, used)), Some(part)) if known == at => part.held.min(used),
            (_, part) => part.map_or(0, |part| part.held.min(part.demand)),
        };
        self.quarantined() + self.members.iter().enumerate().map(used).sum::<u64>()
    }
}

/// The state at `now` and `wall`, by the store's clocks.
pub(crate) fn overview(state: &ScopeState, now: Nanos, wall: WallNanos) -> Overview {
    let clock = state.clock + now.saturating_sub(state.seen);
    let members = (state.members.iter())
        .map(|member| MemberOverview {
            id: member.id,
            about: member.about.clone(),
            lease: member.lease_end.map(|end| end.saturating_sub(clock)),
            called_for: member.called.map(|since| clock.saturating_sub(since)),
            ticket: member.ticket.as_ref().map(|ticket| {
                let needs = ticket.needs.iter().map(|&(at, n)| (state.budgets[at as usize].id.clone(), n));
                (u64::try_from(clock as i64 - ticket.since).unwrap_or(0), needs.collect())
            }),
        })
        .collect();
    let limits = (state.budgets.iter().enumerate())
        .map(|(at, budget)| {
            let on_line = if budget.kind == Kind::Rolling { clock as i64 } else { wall };
            let after = |instant: i64| u64::try_from(instant - on_line).unwrap_or(0);
            // Who visits next finds them in the pool.
            let due = |budget: &super::state::Budget| -> u64 {
                let due = budget.quarantine.iter().filter(|some| after(some.at) == 0);
                due.map(|some| some.units).sum()
            };
            let part = |member: &super::state::Member| {
                let part = member.parts.iter().find(|part| part.budget as usize == at)?;
                Some(PartOverview { held: part.held, used: part.used, demand: part.demand })
            };
            let locked = budget.quarantine.iter().filter(|some| after(some.at) > 0);
            let (mut foreign, mut kept, mut locked_up) = (0, 0, 0);
            for some in locked {
                match some.why {
                    Why::Used => {}
                    Why::Unknown => locked_up += some.units,
                    Why::Others | Why::Expected | Why::Doubted => {
                        foreign += some.units;
                        kept += if budget.is_kept(some, on_line) { some.units } else { 0 };
                    }
                }
            }
            let pause = if budget.pause.until < state.pause.until { &state.pause } else { &budget.pause };
            let paused = pause.until.saturating_sub(clock);
            LimitOverview {
                id: budget.id.clone(),
                limit: budget.limit,
                interval: budget.interval,
                kind: budget.kind.clone(),
                reserve: budget.reserve.clone(),
                members: state.members.iter().map(part).collect(),
                pool: budget.pool + due(budget) as i64,
                quarantine: (budget.quarantine.iter())
                    .map(|some| (after(some.at), some.units))
                    .filter(|&(after, _)| after > 0)
                    .collect(),
                foreign,
                kept,
                locked_up,
                locked_for: budget.locked_until.saturating_sub(clock),
                pause: (paused > 0).then(|| (paused, pause.reason.clone())),
            }
        })
        .collect();
    Overview { members, limits, learning: state.learning }
}
