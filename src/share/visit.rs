//! The one operation of a scope: a member comes, says what it released, posted, demands and waits for, and takes what is
//! meant for it.

use std::sync::Arc;

use crate::clock::{Nanos, WallNanos};

use super::line::{Class, Line};
use super::pauses::{Pause, ScopePause};
use super::reclaim::{Care, FreeAt, Why};
use super::state::{About, MemberId, ScopeState, Ticket};
use super::tally::{Counted, News, Question};
use super::targets::Targets;
use super::terms::{Conflict, OnConflict, Terms};
use super::time::{Moment, STALE};

/// Members are asked one after the other, this long apart, to fetch what comes free by itself.
const NEXT_IN_LINE: Nanos = 20_000_000;

/// Where the store knows who lives, the first member looks this often whether another has died that nobody watched, or that
/// one watched who is stopped; the nth each n times it.
const LOOK: Nanos = 1_000_000_000;

/// What a member brings. [`super::Membership::request`] makes it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub member: MemberId,
    pub about: About,
    pub table: Arc<[Terms]>,
    /// Another number for each table of this member.
    pub table_id: u64,
    pub on_conflict: OnConflict,
    /// For how long a member lives without a visit; `None` where the store knows who lives.
    pub lease: Option<Nanos>,
    /// For how long what was sent may still arrive.
    pub arrival: Nanos,
    /// How far clocks of the wall may be apart.
    pub margin: WallNanos,
    /// The document it was last a member of; 0 for none.
    pub epoch: u64,
    /// When it was made, by the member's clock.
    pub made_at: Nanos,
    /// One more than the last answered request's.
    pub sequence: u64,
    /// Of which document what its clock showed, and how long ago that was.
    pub witness: Option<(u64, Nanos, Nanos)>,
    /// By limit of the table.
    pub limits: Vec<Said>,
    /// Units spent: (index into the table, units, when they come free).
    pub posts: Vec<(usize, u64, FreeAt)>,
    pub ticket: Option<TicketSaid>,
    /// What the exchange has told it, or it was told before.
    pub pauses: Vec<Pause>,
    /// The same of every limit of the scope, of those that it does not have among them.
    pub scope_pause: Option<ScopePause>,
    /// It goes: all that it holds is free but for what it posts.
    pub leaves: bool,
}

/// What a member says of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Units that its gate has given up.
    pub released: u64,
    /// Units in use, without those that are posted.
    pub used: u64,
    /// Units in use or waited for.
    pub demand: u64,
    /// The most that a request of the queue takes; 0 if none waits.
    pub need: u64,
    /// What its gate may use or has in use: what it claims should the store have forgotten.
    pub in_hand: u64,
    /// The interval that its gate runs with.
    pub interval: Nanos,
    /// What the exchange has told that the limit is, and how long ago.
    pub told: Option<(u64, Nanos)>,
    /// What the exchange has told to be left, if the others should compare.
    pub news: Option<News>,
    /// The number of the budget's question, and what the exchange may have counted of this member.
    pub counted: Option<(u64, Counted)>,
}

/// The first request of a member that its fair share cannot serve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TicketSaid {
    /// The member's number of the request.
    pub request: u64,
    /// For how long it has waited.
    pub waited: Nanos,
    pub class: Class,
    /// (index into the table, units).
    pub needs: Vec<(usize, u64)>,
}

/// What a visit brings back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub epoch: u64,
    /// What the scope's clock shows.
    pub clock: Nanos,
    /// What the member's own clock showed at the visit.
    pub local: Nanos,
    /// By limit of the table; empty for one who left.
    pub limits: Vec<Granted>,
    /// The limits that are paused.
    pub pauses: Vec<Pause>,
    /// That every limit of the scope is paused, of those that the member may have later among them.
    pub scope_pause: Option<ScopePause>,
    /// Come again after so long at the latest.
    pub again: Option<Nanos>,
    /// Members to wake once the document is written.
    pub wake: Vec<MemberId>,
    /// Where the store knows who lives: come again as soon as this one has ended. The members watch each other in a ring,
    /// each the one before it, so that a death concerns one of them and not all.
    pub watch: Option<MemberId>,
    /// Whether the document has to be written. If not, the answer holds without.
    pub write: bool,
}

impl Answer {
    /// A process may be stopped between the visit and this instant of its clock: limits that were told so long before
    /// the visit are older now.
    pub(super) fn grow_older(&mut self, local: Nanos) {
        let since = local.saturating_sub(self.local);
        self.limits
            .iter_mut()
            .filter_map(|one| one.told.as_mut())
            .for_each(|(_, age)| *age = age.saturating_add(since));
        self.local = local;
    }
}

/// What a member has of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Granted {
    pub held: u64,
    /// What it should hold.
    pub target: u64,
    /// The limit and interval of the tables that are in force, for all members alike.
    pub limit: u64,
    pub interval: Nanos,
    /// What the exchange has told a member that the limit is, and how long ago.
    pub told: Option<(u64, Nanos)>,
    /// What the member has yet to answer.
    pub question: Option<Question>,
    /// The last question, if it was settled with what this member had said.
    pub settled: Option<u64>,
    /// How long ago the exchange's number was last compared with what all use, if ever.
    pub compared: Option<Nanos>,
    /// How many members there are.
    pub members: u64,
    /// More is demanded than there is: do not keep what is not used.
    pub contended: bool,
    /// A request of another waits for units that its fair share does not have: give back each unit soon.
    pub urgent: bool,
}

impl ScopeState {
    /// One visit. Nothing must be written when it is refused.
    pub(crate) fn visit(
        document: Option<Self>,
        request: &Request,
        moment: &Moment<'_>,
    ) -> Result<(Self, Answer), Box<Conflict>> {
        // Where leases are renewed, all is written; otherwise what changes nothing is not.
        let before = document.clone().filter(|_| request.lease.is_none());
        let mut state = Self::find(document, request, moment);
        state.terms_changed = false;
        let care = Care { arrival: request.arrival, margin: request.margin, leases: request.lease.is_some() };
        let witness = request.witness.filter(|&(epoch, ..)| epoch == state.epoch);
        let witness = witness.map(|(_, showed, ago)| (showed, ago));
        let behind = state.pass_time(moment, care.leases, witness);
        state.reap(request.member, care, moment);
        state.free_due(moment.wall);
        let known = state.position(request.member).is_some();
        if request.leaves && !known {
            // What it used is not in this document: who comes next must know that something is lost.
            if state.comes_from_another(request) {
                state.know_loss(request);
            }
            let answer = state.farewell(before);
            return Ok((state, answer));
        }
        let member = state.declare(request, care, behind, moment)?;
        if !known {
            state.claim(member, request);
        }
        state.learn(request, moment);
        state.hear_pauses(member, request);
        state.hear_limits(member, request, moment);
        state.hear_counts(member, known, request, care, moment);
        state.take_back(member, request, care, moment);
        if request.leaves {
            let gone = state.members.remove(member);
            gone.parts.iter().for_each(|part| state.budgets[part.budget as usize].pool += part.held as i64);
            state.settle_terms();
            state.tidy();
            let mut answer = state.farewell(before);
            answer.wake = state.wake(&state.targets(), None);
            state.call(&answer.wake);
            return Ok((state, answer));
        }
        let row = &mut state.members[member];
        // Should a witness make up for what a newcomer could not witness, a newcomer's lease must not be cut short by it.
        row.lease_end = request.lease.map(|lease| state.clock + behind.min(lease) + lease + STALE);
        row.arrival = request.arrival;
        row.called = None;
        state.hear(member, request);
        let mut targets = state.targets();
        state.fill(member, &mut targets);
        let wake = state.wake(&targets, Some(member));
        state.call(&wake);
        let limits = state.tell(member, &targets);
        let (pauses, scope_pause) = (state.tell_pauses(member), state.tell_scope_pause());
        let again = state.again(member, moment, care.leases.then_some(request.lease).flatten());
        let write = before.is_none_or(|before| !before.is_same(&state));
        debug_assert_eq!(state.check(), Ok(()));
        let watch = (!care.leases).then(|| state.before_in_ring(member)).flatten();
        let (epoch, clock, local) = (state.epoch, state.clock, moment.local);
        let answer = Answer { epoch, clock, local, limits, pauses, scope_pause, again, wake, watch, write };
        Ok((state, answer))
    }

    fn farewell(&self, before: Option<Self>) -> Answer {
        let write = before.is_none_or(|before| !before.is_same(self));
        Answer {
            epoch: self.epoch,
            clock: self.clock,
            local: 0,
            limits: Vec::new(),
            pauses: Vec::new(),
            scope_pause: None,
            again: None,
            wake: Vec::new(),
            watch: None,
            write,
        }
    }

    /// Whether nothing but the time has changed.
    fn is_same(&self, other: &Self) -> bool {
        let same_time = |state: &Self| (state.epoch, state.incarnation.clone(), state.timeline.clone());
        same_time(self) == same_time(other)
            && (self.lost, self.learning) == (other.lost, other.learning)
            && self.budgets == other.budgets
            && self.pause == other.pause
            && self.members == other.members
    }

    /// Takes what the visitor released and posted, unless that was taken already when the answer got lost. One who was
    /// no member has nothing to release: what it claimed is what it has kept.
    fn take_back(&mut self, member: usize, request: &Request, care: Care, moment: &Moment<'_>) {
        let done = self.members[member].sequence >= request.sequence;
        let gives = !request.posts.is_empty() || request.limits.iter().any(|said| said.released > 0);
        if done || !gives {
            return;
        }
        self.members[member].sequence = request.sequence;
        for &(nth, units, free) in &request.posts {
            if nth < self.members[member].parts.len() {
                self.post((member, nth), units, free, care, moment);
            }
        }
        for (part, said) in self.members[member].parts.iter_mut().zip(&request.limits) {
            let budget = &mut self.budgets[part.budget as usize];
            let units = said.released.min(part.held);
            part.held -= units;
            if said.interval < budget.interval {
                // Its gate did not know of the longer interval when it called these units free.
                budget.quarantine((self.clock + budget.interval) as i64, units, Why::Unknown);
            } else {
                budget.pool += units as i64;
            }
        }
    }

    /// Notes what the visitor demands and waits for.
    fn hear(&mut self, member: usize, request: &Request) {
        let row = &mut self.members[member];
        for (part, said) in row.parts.iter_mut().zip(&request.limits) {
            (part.used, part.demand) = (said.used, said.demand);
            if said.need > 0 {
                part.need = said.need;
            }
        }
        let said = request.ticket.as_ref();
        let old = row.ticket.take().filter(|old| said.is_some_and(|said| said.request == old.request));
        row.ticket = said.map(|said| Ticket {
            request: said.request,
            since: match &old {
                Some(old) => old.since,
                None => self.clock as i64 - i64::try_from(said.waited).unwrap_or(i64::MAX / 2),
            },
            // One that has gone before all keeps that until it passes: it is what lets it have what it needs.
            class: match old {
                Some(old) if old.class.priority.is_none() => old.class,
                _ => said.class,
            },
            needs: (said.needs.iter())
                .filter_map(|&(nth, units)| Some((row.parts.get(nth)?.budget, units)))
                .filter(|&(_, units)| units > 0)
                .collect(),
        });
    }

    /// Lets the visitor take from the pool what it should have, but for what is reserved for others.
    fn fill(&mut self, member: usize, targets: &mut Targets) {
        let rank = targets.admitted.iter().position(|&one| one == member);
        for nth in 0..self.members[member].parts.len() {
            let part = self.members[member].parts[nth].clone();
            let budget = part.budget as usize;
            if self.is_locked(budget) {
                continue;
            }
            let target = &mut targets.targets[member][nth];
            let long = self.budgets[budget].interval > super::terms::LONG;
            if part.demand > part.held && !long {
                // Half of what nobody wants, so that the next request need not come for each unit.
                *target += targets.spare[budget].div_ceil(2);
                targets.spare[budget] /= 2;
            }
            let target = *target;
            // Tickets before this one come first; beyond tickets, those who have less.
            let (mut older, mut others) = (0_u64, 0_u64);
            for &(at, nth) in targets.users[budget].iter().filter(|user| user.0 != member) {
                let has = self.members[at].parts[nth].held;
                let floor = targets.floors[at][nth].saturating_sub(has);
                let fair = targets.targets[at][nth].min(target).saturating_sub(has);
                others = others.saturating_add(if has < part.held { floor.max(fair) } else { floor });
                if floor > 0 && rank.is_some_and(|rank| targets.admitted[..rank].contains(&at)) {
                    older += floor;
                }
            }
            let pool = u64::try_from(self.budgets[budget].pool).unwrap_or(0);
            let floor = targets.floors[member][nth].saturating_sub(part.held);
            let for_ticket = if rank.is_some() { floor.min(pool.saturating_sub(older)) } else { 0 };
            let for_all = target.saturating_sub(part.held).min(pool.saturating_sub(others));
            let given = for_ticket.max(for_all);
            self.members[member].parts[nth].held += given;
            self.budgets[budget].pool -= given as i64;
        }
    }

    /// What the visitor is told of its limits, noted.
    fn tell(&mut self, member: usize, targets: &Targets) -> Vec<Granted> {
        let (clock, members) = (self.clock, self.members.len() as u64);
        let mut urgent = vec![false; self.budgets.len()];
        for &at in targets.admitted.iter().filter(|&&at| at != member) {
            for (part, &floor) in self.members[at].parts.iter().zip(&targets.floors[at]) {
                urgent[part.budget as usize] |= part.held < floor;
            }
        }
        let left = self.left_by_others(member);
        let parts = self.members[member].parts.iter_mut().zip(&targets.targets[member]);
        parts
            .map(|(part, &target)| {
                let target = target.min(left.get(part.budget as usize).copied().unwrap_or(u64::MAX));
                let budget = &self.budgets[part.budget as usize];
                let contended = targets.contended[part.budget as usize];
                (part.told, part.calm) = (target, !contended);
                Granted {
                    held: part.held,
                    target,
                    limit: budget.tabled,
                    interval: budget.interval,
                    told: budget.told.map(|told| (told.limit, told.age(clock))),
                    question: budget.question(part, clock),
                    settled: budget.settled_with(part),
                    compared: budget.tally.as_ref().map(|tally| clock.saturating_sub(tally.asked_at)),
                    members,
                    contended,
                    urgent: urgent[part.budget as usize],
                }
            })
            .collect()
    }

    /// While the pool is negative, more is held than there is: what the others leave of it, who may use what they were told
    /// last until they come. So all together never use more than there is, whoever has yet to give back. By budget; empty where
    /// no pool is negative.
    fn left_by_others(&self, member: usize) -> Vec<u64> {
        let mut left: Vec<i128> = self.budgets.iter().map(|budget| budget.pool.into()).collect();
        if left.iter().all(|&pool| pool >= 0) {
            return Vec::new();
        }
        for (at, one) in self.members.iter().enumerate() {
            for part in &one.parts {
                let uses = if at == member { 0 } else { part.told.max(part.used).min(part.held) };
                left[part.budget as usize] += i128::from(part.held - uses);
            }
        }
        let left = left.into_iter().zip(&self.budgets);
        left.map(|(left, budget)| match budget.pool {
            0.. => u64::MAX,
            _ => u64::try_from(left.max(0)).unwrap_or(u64::MAX),
        })
        .collect()
    }

    /// When the visitor must come again at the latest.
    fn again(&self, member: usize, moment: &Moment<'_>, lease: Option<Nanos>) -> Option<Nanos> {
        let alive = match lease {
            // Those who joined together must not come together for ever: one of them would write, the others try again.
            Some(lease) => Some(lease / 4 + lease / 12 * (self.members[member].id.0 % 64) / 64),
            None => (self.members.len() > 1).then_some(LOOK * (member as u64 + 1)),
        };
        let me = &self.members[member];
        let due = me.parts.iter().filter(|part| part.demand > part.held).filter_map(|part| {
            let budget = &self.budgets[part.budget as usize];
            let lock = if self.learning { LOOK / 4 } else { budget.locked_until.saturating_sub(self.clock) };
            let due = budget.next_due(self.clock, moment.wall).map(|due| due.max(lock));
            let due = if lock > 0 { Some(due.unwrap_or(lock)) } else { due };
            Some(due?.saturating_add(NEXT_IN_LINE * self.before_in_line(member, part.budget)))
        });
        // Who has not answered by then counts as absent.
        let asks = me.parts.iter().any(|part| self.budgets[part.budget as usize].is_asking());
        let absent = asks.then_some(super::targets::ABSENT);
        alive.into_iter().chain(due).chain(absent).chain(Line::of(self).rises_in(me)).min()
    }

    /// The member before this one; the last one for the first, which looks most often and so soon hears of newcomers.
    fn before_in_ring(&self, member: usize) -> Option<MemberId> {
        let before = member.checked_sub(1).unwrap_or(self.members.len() - 1);
        (before != member).then(|| self.members[before].id)
    }

    /// How many others will fetch units of a budget before this member.
    fn before_in_line(&self, member: usize, budget: u32) -> u64 {
        let line = Line::of(self);
        let place = |at: usize| {
            let standing = line.standing(&self.members[at]);
            (standing.is_none(), standing, at)
        };
        let wants = |at: &usize| {
            let part = self.members[*at].parts.iter().find(|part| part.budget == budget);
            *at != member
                && part.is_some_and(|part| part.demand > part.held)
                && self.is_present(&self.members[*at])
        };
        (0..self.members.len()).filter(wants).filter(|&at| place(at) < place(member)).count() as u64
    }
}

/// Units are moved so many at a time, if nobody waits for less.
pub(super) fn grain(limit: u64) -> u64 {
    limit.div_ceil(32)
}
