//! Units that others use beside this budget, as the exchange counts them.
//!
//! An answer of the exchange says how many units were left at some instant. What is free in the whole budget, in the pool and
//! in the members' hands, must not be more. But no member knows what the others have in hand: so the answer is a *question* to
//! all. Each says at its next visit how much of it the exchange may have counted at any instant since the request of the
//! answer left. What is missing then from the exchange's number was used by others: so many units are taken from the pool until
//! the exchange has forgotten them. The pool may be negative after that: members give back what they have free.
//!
//! Until all have answered, those who have not count as if they had used all that they hold. That is the least that others can
//! have used, and is taken at once. Who does not come counts as if it had used nothing. Of what the dead held, nobody knows how
//! much the exchange has counted: as much of it as is missing stays locked up for as long as if it were others'.
//!
//! The member that hears a number compares it with its own part at once, and keeps back what is more (`src/limit/listening.rs`).
//! That ends once the question is settled: the document counts it from then on, and no unit is counted twice.
//!
//! Members say how much of theirs is in flight as well. Where others are known to be there, the exchange's number counts as if it
//! was not in it, until it is answered: otherwise all that is in flight when the limit is reached would be too much.
//!
//! Others are expected to go on as they did: what they used is kept for them for a little longer than the exchange counts it,
//! until others are seen to have come in their place.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

use super::reclaim::{Care, FreeAt, Quarantined};
use super::state::{Budget, MemberId, MemberPart, ScopeState};
use super::terms::{CHUNKS, Kind};
use super::time::Moment;
use super::visit::Request;

/// What is kept for others is kept longer by this part of the interval than the exchange counts it.
const LATER: Nanos = 8;

/// The exchange's number is compared with what all use so many times an interval at the most.
const OFTEN: Nanos = 32;

/// For each member, two comparisons are further apart by this: all have to visit twice.
const PACE: Nanos = 20_000_000;

/// What is in flight is answered after this part of the interval, or the exchange's number is compared again.
const ANSWERED: Nanos = 16;

/// When the exchange has counted units that are only kept for others.
const NEVER: i64 = i64::MIN;

/// What an answer of the exchange has told a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeardNews {
    pub news: News,
    /// How long ago it was heard.
    pub ago: Nanos,
    /// How long ago the process last found units of others, if ever.
    pub found: Option<Nanos>,
}

/// What an answer of the exchange says, and what the exchange may have counted of the member that heard it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct News {
    /// Units left; below 0 where more were used than the limit has.
    pub remaining: i64,
    /// How long ago the request left.
    pub age: Nanos,
    /// How long the exchange's window goes on, if it said so.
    pub ends_in: Option<Nanos>,
    /// Whether others are expected to go on as they did.
    pub expect: bool,
    pub counted: Counted,
}

/// What the exchange may have counted of a member since the request of an answer left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// The most units.
    pub units: u64,
    /// Those of them that are in flight: perhaps it has not counted them yet.
    pub in_flight: u64,
}

/// How much may the exchange have counted of you since so long ago?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub number: u64,
    pub age: Nanos,
}

/// How far apart two questions are at the least. `found`: units of others are known to have come.
pub(super) fn spacing(interval: Nanos, members: u64, found: bool) -> Nanos {
    let pace = PACE.saturating_mul(members.max(1));
    if found { pace } else { pace.max(interval / OFTEN) }
}

/// An answer of the exchange, and the question that it is to the members of a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    number: u64,
    /// Whether some have yet to answer.
    is_open: bool,
    pub asked_at: Nanos,
    /// When the request left, by the scope's clock. May be before its start.
    since: i64,
    remaining: i64,
    /// When the exchange has forgotten what it has counted, on the time line of the quarantine.
    ends: i64,
    /// For how much longer that is kept.
    kept: Nanos,
    /// What the exchange may have counted of the members, as they have said.
    counts: Vec<(MemberId, Counted)>,
    /// Units of others that were found by it.
    found: u64,
}

impl Tally {
    fn has(&self, member: MemberId) -> bool {
        self.counts.iter().any(|one| one.0 == member)
    }
}

#[cfg(test)]
impl Tally {
    /// Its number, and whether it is open.
    pub(super) fn shown(&self) -> (u64, bool) {
        (self.number, self.is_open)
    }
}

impl Budget {
    pub(super) fn is_asking(&self) -> bool {
        self.tally.as_ref().is_some_and(|tally| tally.is_open)
    }

    /// What a member has yet to answer.
    pub(super) fn question(&self, member: MemberId, clock: Nanos) -> Option<Question> {
        let tally = self.tally.as_ref().filter(|tally| tally.is_open && !tally.has(member))?;
        let age = u64::try_from(clock as i64 - tally.since).unwrap_or(0);
        Some(Question { number: tally.number, age })
    }

    /// The last question, if it was settled with what a member had said.
    pub(super) fn settled_with(&self, member: MemberId) -> Option<u64> {
        let tally = self.tally.as_ref().filter(|tally| !tally.is_open && tally.has(member))?;
        Some(tally.number)
    }

    /// Units that a member has said to have used are in quarantine from now on.
    pub(super) fn uncount(&mut self, member: MemberId, units: u64) {
        let counts = self.tally.iter_mut().flat_map(|tally| &mut tally.counts);
        let counts = counts.filter(|one| one.0 == member).map(|one| &mut one.1);
        counts.for_each(|counted| counted.units = counted.units.saturating_sub(units));
    }

    /// Gives back what was kept for the requests that were in flight when the exchange counted last.
    fn forget_in_flight(&mut self) {
        for old in self.quarantine.extract_if(.., |some| some.counts_until == NEVER) {
            self.pool += old.units as i64;
        }
    }

    /// The members have used so many units at the most when the exchange counted: others have used the rest, as far as that is
    /// not known yet. `is_sure`: all members have said what they used, or count as if they had used all. `is_closing`: nobody has
    /// anything more to say.
    fn find_foreign(&mut self, counted: Counted, now: i64, is_sure: bool, is_closing: bool) {
        let Counted { units: used, in_flight } = counted;
        let Some(&Tally { remaining, ends, kept, found, .. }) = self.tally.as_ref() else { return };
        let counts = |some: &&Quarantined| some.is_sure && some.counts_until > now;
        let gone: u64 = self.quarantine.iter().filter(counts).map(|some| some.units).sum();
        let known = i128::from(gone) + i128::from(used);
        let missing = i128::from(self.limit) - i128::from(remaining) - known;
        let lacks = missing;
        // They may be more than there is: then nothing passes. Whatever an exchange says, they are twice the limit at most.
        let most = self.limit.saturating_mul(2).saturating_sub(gone);
        let mut missing = u64::try_from(missing.max(0)).unwrap_or(u64::MAX).min(most);
        // They may be what a dead member had used: then nothing more is locked up. If they are others', they are counted for
        // longer than that.
        let mut unsure = 0;
        for old in self.quarantine.iter_mut().filter(|some| !some.is_sure) {
            let units = old.units.min(missing);
            missing -= units;
            if old.at < ends {
                (old.units, unsure) = (old.units - units, unsure + units);
            }
        }
        // They have come in the place of those that are kept for them.
        let mut come = missing;
        for old in self.quarantine.iter_mut().filter(|some| some.counts_until <= now) {
            let units = old.units.min(come);
            (old.units, come) = (old.units - units, come - units);
            self.pool += units as i64;
        }
        self.quarantine.retain(|some| some.units > 0);
        self.quarantine(ends, unsure);
        self.pool -= missing as i64;
        let at = ends.saturating_add(kept as i64);
        self.keep_back(Quarantined { at, units: missing, counts_until: ends, is_sure, is_foreign: true });
        let found = found.saturating_add(missing);
        self.tally.iter_mut().for_each(|tally| tally.found = found);
        // What is in flight may be in the exchange's number or not. Beside others it counts as if it was not, for as long as
        // it may take to be answered; and as many as have come since the last comparison are expected until the next.
        let beside_others = |some: &Quarantined| some.is_sure && some.counts_until < some.at;
        if kept > 0 && is_closing && self.quarantine.iter().any(beside_others) {
            let units = (lacks + i128::from(in_flight) + i128::from(found)).max(0) - lacks.max(0);
            let units = u64::try_from(units).unwrap_or(0);
            self.pool -= units as i64;
            let at = now.saturating_add((self.interval / ANSWERED) as i64);
            self.keep_back(Quarantined { at, units, counts_until: NEVER, is_sure: true, is_foreign: true });
        }
    }
}

impl ScopeState {
    /// Whether the member of this part has yet to answer.
    pub(super) fn asks(&self, member: MemberId, part: &MemberPart) -> bool {
        let tally = self.budgets[part.budget as usize].tally.as_ref();
        tally.is_some_and(|tally| tally.is_open && !tally.has(member))
    }

    /// Notes what the visitor says to open questions and what it has heard, and finds what others have used where all have
    /// answered. To be called before anything is released or posted.
    pub(super) fn hear_counts(&mut self, member: usize, request: &Request, care: Care, moment: &Moment<'_>) {
        for (nth, said) in request.limits.iter().enumerate() {
            let Some(part) = self.members[member].parts.get(nth) else { continue };
            let tally = self.budgets[part.budget as usize].tally.as_mut();
            let mut open = tally.filter(|tally| tally.is_open);
            if let Some((number, counted)) = said.counted
                && let Some(tally) = open.as_mut().filter(|tally| tally.number == number)
                && !tally.has(request.member)
            {
                tally.counts.push((request.member, counted));
            }
            let is_open = open.is_some();
            // Members that the document does not know of yet would count as others.
            if let Some(news) = said.news.filter(|_| !is_open && !self.learning) {
                self.open_tally((member, nth), &news, care, moment);
            }
        }
        for at in 0..self.budgets.len() {
            self.close_tally(at, moment);
        }
    }

    fn open_tally(&mut self, (member, nth): (usize, usize), news: &News, care: Care, moment: &Moment<'_>) {
        let at = self.members[member].parts[nth].budget as usize;
        let budget = &self.budgets[at];
        let clock = self.clock;
        let now = budget.instant(clock, moment.wall);
        let ends = match budget.kind {
            Kind::Rolling => {
                let left = news.ends_in.map_or(budget.interval, |left| left.min(budget.interval));
                let grain = (budget.interval / CHUNKS).max(1);
                (clock + left).div_ceil(grain).saturating_mul(grain) as i64
            }
            Kind::Quota(_) => budget.free_at(FreeAt::In(0), clock, care, moment),
        };
        let tally = Tally {
            number: budget.tally.as_ref().map_or(1, |last| last.number + 1),
            is_open: true,
            asked_at: clock,
            since: clock as i64 - i64::try_from(news.age).unwrap_or(i64::MAX / 2),
            remaining: news.remaining,
            ends,
            kept: if news.expect && budget.kind == Kind::Rolling { budget.interval / LATER } else { 0 },
            counts: vec![(self.members[member].id, news.counted)],
            found: 0,
        };
        self.budgets[at].tally = Some(tally);
        let others = self.members.iter().enumerate().filter(|&(row, _)| row != member);
        let held = others.flat_map(|(_, one)| &one.parts).filter(|part| part.budget as usize == at);
        let units = held.fold(news.counted.units, |sum, part| sum.saturating_add(part.held));
        let most = Counted { units, in_flight: 0 };
        let is_sure = !self.is_locked(at);
        self.budgets[at].find_foreign(most, now, is_sure, false);
    }

    /// Finds what others have used, once nobody is missing who could answer.
    fn close_tally(&mut self, at: usize, moment: &Moment<'_>) {
        let Some(tally) = self.budgets[at].tally.as_ref().filter(|tally| tally.is_open) else { return };
        let is_missing = |member: &&super::state::Member| {
            member.parts.iter().any(|part| part.budget as usize == at) && !tally.has(member.id)
        };
        if self.members.iter().filter(is_missing).any(|member| self.is_present(member)) {
            return;
        }
        // While it is locked, members may live that the document does not know of.
        let is_sure = !self.is_locked(at) && !self.members.iter().any(|member| is_missing(&member));
        // Of those who have died since, all that they held is in quarantine.
        let alive = tally.counts.iter().filter(|one| self.position(one.0).is_some());
        let used = alive.fold(Counted::default(), |sum, (_, one)| Counted {
            units: sum.units.saturating_add(one.units),
            in_flight: sum.in_flight.saturating_add(one.in_flight),
        });
        let now = self.budgets[at].instant(self.clock, moment.wall);
        self.budgets[at].forget_in_flight();
        self.budgets[at].find_foreign(used, now, is_sure, true);
        if let Some(tally) = &mut self.budgets[at].tally {
            tally.is_open = false;
        }
    }
}
