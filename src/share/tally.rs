//! Units that others use beside this budget, as the exchange counts them.
//!
//! An answer of the exchange says how many units were left at some instant. What is free in the whole budget, in the pool and
//! in the members' hands, must not be more. But no member knows what the others have in hand: so the answer is a *question* to
//! all. Each says at its next visit how much of it the exchange may have counted at any instant since the request of the
//! answer left. What is missing then from the exchange's number was used by others.
//!
//! One rule keeps it from being used again. Be it that F units are missing, all of the members' own being accounted for, in their
//! hands or posted. From then on at least F units that are not the members' own are locked up until the exchange has forgotten
//! all that it had counted: an interval after the question ([`Budget::lock_up`]). What is locked up already counts, what ends
//! last first; what of it would end before that is locked up for longer; only what is missing then is taken from the pool.
//! (The pool may be negative after that: members give back what they have free.)
//!
//! - *Never too little.* A unit of others that the exchange had counted at a number counts for an interval after it at most, and F
//!   are locked up for as long, whatever was found before: the members have no more than the limit less F. Which of the units
//!   came when is not asked, so that none can hide behind older ones that come free before it. That leaves what no number can
//!   tell: others who come after the last number, and own units that the exchange may have counted or not.
//! - *Never for ever.* No unit is locked up for longer than an interval after the last number that it was missing from, or an eighth
//!   more where others are expected. Once others are gone, a number finds F = 0 and locks up nothing. So does one that counted
//!   wrong: what was never used is missing from no later number.
//! - *Never twice.* F is compared with all that is locked up, what the dead held among it, so that one unit is one unit,
//!   whoever has used it.
//!
//! Until all have answered, those who have not count as if they had used all that they hold. That is the least that others can
//! have used, and is locked up at once. Who does not come counts as if it had used nothing.
//!
//! The member that hears a number compares it with its own part at once, and keeps back what is more (`src/limit/listening.rs`).
//! That ends once the question is settled: the document counts it from then on, and no unit is counted twice.
//!
//! Where others are expected to go on as they did, two guesses are locked up beside F. They are made anew with each question:
//!
//! - What was in flight may be in the number or not. It counts as if it was not, until it should be answered: otherwise all
//!   that is in flight when the limit is reached would be too much. So it does where windows end for all units at once and
//!   none was listened to before this one: nobody knows yet whether there are others.
//! - Where windows end for all units at once, and the exchange's clock is known, others use as much by the end of the window as at
//!   the rate at which they came in it. Own units that came before the window began are not in the number.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

use super::reclaim::{Care, FreeAt, Quarantined, Why};
use super::state::{Budget, MemberPart, ScopeState};
use super::terms::{CHUNKS, Kind};
use super::time::Moment;
use super::visit::Request;

/// What is kept for others is kept longer by this part of the interval than the exchange counts it.
const LATER: Nanos = 8;

/// The exchange's number is compared with what all use so many times an interval at the most.
const OFTEN: Nanos = 32;

/// For each member, two comparisons are further apart by this: all have to visit twice.
const PACE: Nanos = 20_000_000;

/// What others used in the window before counts as if it had been seen in this part of the present one.
const BEFORE: f64 = 0.25;

/// So much more is kept for others until the end of a window than they will use most likely.
const MORE: f64 = 0.15;

/// What is in flight is answered after this part of the interval, or the exchange's number is compared again.
const ANSWERED: Nanos = 16;

/// What an answer of the exchange has told a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeardNews {
    pub news: News,
    /// Its number: higher for later ones.
    pub number: u64,
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
    /// Where its windows end for all units at once: how long ago it began at the most, and how long it goes on at the most.
    pub window: Option<(Nanos, Nanos)>,
    /// Whether others are expected to go on as they did.
    pub expect: bool,
    pub counted: Counted,
}

impl News {
    /// It is told so much later than it was made.
    pub(super) fn grow_older(&mut self, by: Nanos) {
        self.age = self.age.saturating_add(by);
        self.ends_in = self.ends_in.map(|left| left.saturating_sub(by));
        self.window = self.window.map(|(began, ends)| (began.saturating_add(by), ends.saturating_sub(by)));
    }
}

/// What the exchange may have counted of a member since the request of an answer left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// The most units.
    pub units: u64,
    /// Those of them that it may not have counted: in flight, or answered since the request of the answer left.
    pub unsure: u64,
}

/// How much may the exchange have counted of you since so long ago?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub number: u64,
    pub age: Nanos,
    /// How long ago its window began, if all before that counts no more.
    pub began: Option<Nanos>,
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
    /// When the exchange's window began and when it ends, if it ends for all units at once.
    window: Option<(i64, i64)>,
    /// Until when what others have used is locked up, on the time line of the quarantine.
    ends: i64,
    /// Whether others are expected to go on as they did.
    expect: bool,
    /// So many free units were locked up because of it.
    found: u64,
    /// The end of the window that others were last seen in, and how many units they will have used in it, as it seemed.
    seen: Option<(i64, u64)>,
    /// The same of the window before that.
    before: Option<u64>,
}

impl Tally {
    /// How many units others will have used in all at the end of the window, of which they have used `seen` by now: as many as
    /// at the rate at which they came in it and, while little of it is over, in the one before; and a part more. To come are
    /// no more than `most`.
    fn by_the_end(&mut self, seen: u64, (began, ends): (i64, i64), most: u64) -> i128 {
        let length = (ends - began).max(1) as f64;
        let part = |at: i64| ((at - began) as f64 / length).clamp(1.0 / CHUNKS as f64, 1.0);
        if let Some((last, units)) = self.seen.filter(|&(last, _)| last < began + (ends - began) / 2) {
            // They were seen in the window before this one, or it is too long ago.
            self.before = (last > began - (ends - began) / 2).then_some(units);
        }
        let (units, length) = self.before.map_or((0.0, 0.0), |before| (BEFORE * before as f64, BEFORE));
        let rate = (seen as f64 + units) / (part(self.asked_at as i64) + length);
        self.seen = Some((ends, rate as u64));
        // Those that have come since the exchange counted are in no number yet.
        let to_come = rate.min(most as f64) * (1.0 - part(self.since));
        i128::from(seen) + ((1.0 + MORE) * to_come).ceil() as i128
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

    /// Whether units that are locked up for others are not counted by the exchange, as far as anybody knows: these are expected.
    pub(super) fn is_kept(&self, some: &Quarantined, now: i64) -> bool {
        let expects = self.tally.as_ref().is_some_and(|tally| tally.expect);
        some.why.is_guess() || (expects && some.at - (self.interval / LATER) as i64 <= now)
    }

    /// What the member of a part has yet to answer.
    pub(super) fn question(&self, part: &MemberPart, clock: Nanos) -> Option<Question> {
        let tally = self.tally.as_ref().filter(|tally| tally.is_open && part.counted.is_none())?;
        let age = |since: i64| u64::try_from(clock as i64 - since).unwrap_or(0);
        let began = tally.window.map(|(began, _)| age(began));
        Some(Question { number: tally.number, age: age(tally.since), began })
    }

    /// The last question, if it was settled with what the member of a part had said.
    pub(super) fn settled_with(&self, part: &MemberPart) -> Option<u64> {
        let tally = self.tally.as_ref().filter(|tally| !tally.is_open && part.counted.is_some())?;
        Some(tally.number)
    }

    /// A question to all, by what one has heard.
    fn open_tally(&mut self, clock: Nanos, news: &News, care: Care, moment: &Moment<'_>) {
        let expect = news.expect && self.kind == Kind::Rolling;
        let ends = match self.kind {
            Kind::Rolling => {
                let left = news.ends_in.map_or(self.interval, |left| left.min(self.interval));
                let kept = if expect { self.interval / LATER } else { 0 };
                let grain = (self.interval / CHUNKS).max(1);
                (clock + left + kept).div_ceil(grain).saturating_mul(grain) as i64
            }
            Kind::Quota(_) => self.free_at(FreeAt::In(0), clock, care, moment),
        };
        let last = self.tally.as_ref();
        self.tally = Some(Tally {
            number: last.map_or(1, |last| last.number + 1),
            is_open: true,
            asked_at: clock,
            since: clock as i64 - i64::try_from(news.age).unwrap_or(i64::MAX / 2),
            remaining: news.remaining,
            window: (self.kind == Kind::Rolling).then_some(news.window).flatten().map(|(began, ends)| {
                let span = |length: Nanos| i64::try_from(length).unwrap_or(i64::MAX / 2);
                (clock as i64 - span(began), clock as i64 + span(ends.min(self.interval)))
            }),
            ends,
            expect,
            found: 0,
            seen: last.and_then(|last| last.seen),
            before: last.and_then(|last| last.before),
        });
    }

    /// All have said what they used.
    fn close_tally(&mut self, used: Counted, now: i64) {
        self.expect_nothing();
        let found = self.find_others(used.units);
        self.expect_others(found, used.unsure, now);
        self.tally.iter_mut().for_each(|tally| tally.is_open = false);
    }

    /// Gives back what was locked up because of what seemed likely when the exchange counted last. What was expected until the
    /// end of a window stays where this number does not tell its window.
    fn expect_nothing(&mut self) {
        let knows = self.tally.as_ref().is_some_and(|tally| tally.window.is_some());
        let is_old = |why: Why| why.is_guess() && (knows || why == Why::Doubted);
        for old in self.quarantine.extract_if(.., |some| is_old(some.why)) {
            self.pool += old.units as i64;
        }
    }

    /// The members have used so many units at the most when the exchange counted: others have used the rest, and that is
    /// locked up. How many; below 0 where the members may have used more than the exchange has counted.
    fn find_others(&mut self, used: u64) -> i128 {
        let Some(&Tally { remaining, ends, window, .. }) = self.tally.as_ref() else { return 0 };
        // What ended before the window began has been in quarantine for an interval since.
        let counted_from = window.map_or(i64::MIN, |(began, _)| began.saturating_add(self.interval as i64));
        let posted = self.quarantine.iter().filter(|some| some.why == Why::Used && some.at >= counted_from);
        let posted: u64 = posted.map(|some| some.units).sum();
        let others = i128::from(self.limit) - i128::from(remaining) - i128::from(used) - i128::from(posted);
        // They may be more than there is: then nothing passes. Whatever an exchange says, they are twice the limit at most.
        let most = self.limit.saturating_mul(2);
        let units = u64::try_from(others.max(0)).unwrap_or(u64::MAX).min(most);
        let before = self.pool;
        self.lock_up(units, ends);
        let new = u64::try_from(before - self.pool).unwrap_or(0);
        self.tally.iter_mut().for_each(|tally| tally.found = tally.found.saturating_add(new));
        others
    }

    /// Locks up what others are expected to use, beside what they have used: until the window ends, where it ends for all
    /// units at once. And what was in flight may be in the exchange's number or not. Beside others it counts as if it was not, for
    /// as long as it may take to be answered; and as many as have come since the last comparison are expected until the next.
    fn expect_others(&mut self, others: i128, unsure: u64, now: i64) {
        let Some(tally) = self.tally.as_mut().filter(|tally| tally.expect) else { return };
        // Of what was in flight, half is in the number most likely.
        let seen = (others + i128::from(unsure / 2)).clamp(0, self.limit.into()) as u64;
        let by_the_end =
            tally.window.map(|window| (window.1, tally.by_the_end(seen, window, self.limit / 2)));
        let soon = others + i128::from(unsure) + i128::from(tally.found);
        // In the first of such windows, others may be as many as are in flight, and nobody can tell.
        let is_first = tally.window.is_some() && tally.before.is_none();
        let are_known = self.quarantine.iter().any(|some| some.why == Why::Others);
        if !are_known && !is_first {
            return;
        }
        let answered = now.saturating_add((self.interval / ANSWERED) as i64);
        let by_the_end = by_the_end.filter(|_| are_known).map(|(end, units)| (end, units, Why::Expected));
        for (until, units, why) in by_the_end.into_iter().chain([(answered, soon, Why::Doubted)]) {
            let locked = self.quarantine.iter().filter(|some| some.why != Why::Used);
            let locked: u64 = locked.map(|some| some.units).sum();
            let units =
                u64::try_from((units - i128::from(locked)).max(0)).unwrap_or(u64::MAX).min(self.limit);
            self.pool -= units as i64;
            self.quarantine(until, units, why);
        }
    }

    /// Has at least so many units locked up until `until`, those of dead members among them: those that are locked up for
    /// the longest time already, and then free ones. What was a guess is none any more.
    fn lock_up(&mut self, units: u64, until: i64) {
        let (mut missing, mut moved) = (units, 0);
        for old in self.quarantine.iter_mut().rev().filter(|some| some.why != Why::Used) {
            let units = old.units.min(missing);
            missing -= units;
            if old.at < until || old.why.is_guess() {
                (old.units, moved) = (old.units - units, moved + units);
            }
        }
        self.quarantine.retain(|some| some.units > 0);
        self.pool -= missing as i64;
        self.quarantine(until, moved + missing, Why::Others);
    }
}

impl ScopeState {
    /// Whether the member of this part has yet to answer.
    pub(super) fn asks(&self, part: &MemberPart) -> bool {
        part.counted.is_none() && self.budgets[part.budget as usize].is_asking()
    }

    /// Notes what the visitor says to open questions and what it has heard, and finds what others have used where all have
    /// answered. To be called before anything is released or posted. `known`: it was a member before this visit.
    pub(super) fn hear_counts(
        &mut self,
        member: usize,
        known: bool,
        request: &Request,
        care: Care,
        moment: &Moment<'_>,
    ) {
        // What comes a second time was posted the first time, and one who was no member holds what it claimed: the rest of what
        // they say they have used is in quarantine, or lost.
        let is_taken = self.members[member].sequence >= request.sequence;
        let mut told = Vec::new();
        for (nth, (part, said)) in self.members[member].parts.iter_mut().zip(&request.limits).enumerate() {
            let posts = request.posts.iter().filter(|post| is_taken && post.0 == nth);
            let posted = posts.fold(0_u64, |sum, post| sum.saturating_add(post.1));
            let most = if known { u64::MAX } else { part.held };
            let in_hand = |counted: Counted| Counted {
                units: counted.units.saturating_sub(posted).min(most),
                ..counted
            };
            let open = self.budgets[part.budget as usize].tally.as_ref().filter(|tally| tally.is_open);
            if let Some((number, counted)) = said.counted
                && open.is_some_and(|tally| tally.number == number)
                && part.counted.is_none()
            {
                part.counted = Some(in_hand(counted));
            }
            // Members that the document does not know of yet would count as others.
            if let Some(news) = said.news.filter(|_| open.is_none() && !self.learning) {
                told.push((part.budget as usize, News { counted: in_hand(news.counted), ..news }));
            }
        }
        self.open_tallies(member, &told, care, moment);
        self.close_tallies(moment);
    }

    /// Asks all what they had used, by budget and news. Until they have answered, they count as if they had used all that they
    /// hold.
    fn open_tallies(&mut self, hearer: usize, told: &[(usize, News)], care: Care, moment: &Moment<'_>) {
        let mut used: Vec<Option<u64>> = vec![None; self.budgets.len()];
        told.iter().for_each(|(at, news)| used[*at] = Some(news.counted.units));
        let rows = self.members.iter_mut().enumerate().filter(|_| !told.is_empty());
        for (row, part) in rows.flat_map(|(row, one)| one.parts.iter_mut().map(move |part| (row, part))) {
            let Some(used) = &mut used[part.budget as usize] else { continue };
            part.counted = None;
            *used = used.saturating_add(if row == hearer { 0 } else { part.held });
        }
        for (at, news) in told {
            let mine = self.members[hearer].parts.iter_mut().find(|part| part.budget as usize == *at);
            mine.into_iter().for_each(|part| part.counted = Some(news.counted));
            self.budgets[*at].open_tally(self.clock, news, care, moment);
            self.budgets[*at].find_others(used[*at].unwrap_or(0));
        }
    }

    /// Finds what others have used, once nobody is missing who could answer.
    fn close_tallies(&mut self, moment: &Moment<'_>) {
        if !self.budgets.iter().any(Budget::is_asking) {
            return;
        }
        // By budget: what those have used who have answered; nothing while some have not who could.
        let mut all = vec![Some(Counted::default()); self.budgets.len()];
        for member in &self.members {
            let is_present = self.is_present(member);
            for part in &member.parts {
                let sum = &mut all[part.budget as usize];
                *sum = match (*sum, part.counted) {
                    (Some(sum), Some(one)) => Some(Counted {
                        units: sum.units.saturating_add(one.units),
                        unsure: sum.unsure.saturating_add(one.unsure),
                    }),
                    (sum, None) if !is_present => sum,
                    _ => None,
                };
            }
        }
        for (budget, all) in self.budgets.iter_mut().zip(all) {
            if let Some(used) = all.filter(|_| budget.is_asking()) {
                budget.close_tally(used, budget.instant(self.clock, moment.wall));
            }
        }
    }
}
