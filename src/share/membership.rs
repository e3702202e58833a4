//! A process's side of a scope: what it holds, what its gate may use, what it must give back, and when it must visit.
//!
//! Everything here is under the lock of the process's gate: what a gate has in use and what it may use must not change
//! between [`Membership::request`] reading the one and its caller setting the other. Instants are the process's own, of a
//! clock that goes on while the machine sleeps.

use std::sync::Arc;

use crate::clock::Nanos;

use super::gate_view::{GateView, Rules, Waiting};
use super::hand::Hand;
use super::learned::ToldLimit;
use super::pauses::{Pause, SAME_END, ScopePause};
use super::reclaim::FreeAt;
use super::state::{About, MemberId};
use super::tally::{Counted, News};
use super::terms::{Conflict, Terms, chunk};
use super::visit::{Answer, Granted, Request, Said, TicketSaid, grain};

/// Visits of a member are at least so far apart, unless it is called.
const PACE: Nanos = 5_000_000;

/// What a member does not use for so long, though others want it, it gives back.
const LINGER: Nanos = 50_000_000;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Membership {
    id: MemberId,
    about: About,
    rules: Rules,
    table: Arc<[Terms]>,
    table_id: u64,
    next_table: Option<Arc<[Terms]>>,
    hands: Vec<Hand>,
    epoch: u64,
    sequence: u64,
    /// A request without an answer: it may or may not have been written.
    pending: Option<Request>,
    ticket: Option<u64>,
    /// Of which document what its clock showed, and the own clock when the request was made that brought that answer.
    witness: Option<(u64, Nanos, Nanos)>,
    /// When the request without an answer was last sent, and whether it was.
    asked_at: Nanos,
    is_sent: bool,
    /// The last answer's.
    visited_at: Nanos,
    again_at: Option<Nanos>,
    lease_end: Option<Nanos>,
    /// Whether what the store knows of this process is out of date, whatever the gate says.
    stale: bool,
    /// Whether the store has called since the last request was made.
    called: bool,
    /// Until when the gate's whole scope is paused, and why; and until when the store knows it is.
    scope_pause: (Nanos, Arc<str>),
    scope_paused_until: Nanos,
}

impl Membership {
    /// A process that joins with nothing in hand: its gate may use 0 of every limit until the first answer.
    pub(crate) fn new(id: MemberId, about: About, rules: Rules, table: Arc<[Terms]>) -> Self {
        Self {
            id,
            about,
            rules,
            hands: vec![Hand::default(); table.len()],
            table,
            table_id: 1,
            next_table: None,
            epoch: 0,
            sequence: 1,
            pending: None,
            ticket: None,
            witness: None,
            asked_at: 0,
            is_sent: false,
            visited_at: 0,
            again_at: None,
            lease_end: None,
            stale: true,
            called: false,
            scope_pause: (0, "".into()),
            scope_paused_until: 0,
        }
    }

    /// Every limit of the scope is paused, as the gate has been told, for so long from `now` on.
    pub(crate) fn pause_scope(&mut self, now: Nanos, left: Nanos, reason: Arc<str>) {
        self.scope_pause = (now.saturating_add(left), reason);
    }

    /// The table that the gate's views, requests and [`Membership::effective`] are in the order of.
    pub(crate) fn table(&self) -> &Arc<[Terms]> {
        &self.table
    }

    /// The gate's table has changed. Where a request is without an answer, [`Membership::table`] changes with the answer.
    pub(crate) fn set_table(&mut self, table: Arc<[Terms]>) {
        self.next_table = Some(table);
        self.adopt_table();
    }

    /// So much of a limit may the gate use; less than is in use means that nothing passes until enough has come free.
    /// Nothing counts after [`Membership::lives_until`].
    pub(crate) fn effective(&self, limit: usize) -> u64 {
        let hand = &self.hands[limit];
        hand.held.min(hand.granted.target)
    }

    /// The limit and the interval that hold for all members, where their tables differ; (0, 0) before the first answer.
    pub(crate) fn in_effect(&self, limit: usize) -> (u64, Nanos) {
        (self.hands[limit].granted.limit, self.hands[limit].granted.interval)
    }

    /// Whether others want more of a limit than there is.
    pub(crate) fn is_contended(&self, limit: usize) -> bool {
        self.hands[limit].granted.contended
    }

    /// Since when the others ask what the exchange may have counted of this process, if they do; and when the exchange's
    /// window began, if all before that counts no more.
    pub(crate) fn asked_since(&self, limit: usize) -> Option<(Nanos, Option<Nanos>)> {
        self.hands[limit].question.map(|(_, since, began)| (since, began))
    }

    /// When what this process said it had used was last settled with what the others said, if that was by the last answer:
    /// units of others that it had heard of by then are in the document.
    pub(crate) fn settled_at(&self, limit: usize) -> Option<Nanos> {
        let hand = &self.hands[limit];
        hand.is_settled.then_some(hand.counted_at)
    }

    /// Whether others are going to be told of what the gate has heard of a limit.
    pub(crate) fn compares(&self, now: Nanos, limit: usize, gate: &GateView) -> bool {
        self.hands[limit].compare_at(now, gate, self.table[limit].interval).is_some()
    }

    /// When nothing may pass any more unless a visit is answered before: to be compared at every pass. `None` where the
    /// store knows who lives.
    pub(crate) fn lives_until(&self) -> Option<Nanos> {
        self.rules.lease.map(|_| self.lease_end.unwrap_or(0))
    }

    /// Whether a request is without an answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.pending.is_some()
    }

    /// What to take to the store. Before it is sent, the gate must be set to [`Membership::effective`] of each limit, and
    /// must drop from its windows what the request posts; all that before anything else can pass. `waiting`: the next
    /// request of each queue, in the order in which they go.
    ///
    /// While a request is without an answer, this is the same one again: what it releases must be taken once.
    pub(crate) fn request(&mut self, now: Nanos, gates: &[GateView], waiting: &[Waiting]) -> Request {
        if self.pending.is_none() {
            self.called = false;
            let ticket = self.ticket_for(waiting);
            let mut posts = Vec::new();
            let limits = (0..self.table.len()).map(|at| self.say(now, at, &gates[at], &mut posts)).collect();
            self.ticket = ticket.map(|one| one.request);
            let ticket = ticket.map(|one| TicketSaid {
                request: one.request,
                waited: one.waited,
                class: one.class_beside(gates, |at| self.hands[at].granted.target),
                needs: one.needs.clone(),
            });
            self.pending = Some(self.ask(limits, posts, ticket, false));
        }
        self.send(now, gates)
    }

    /// The store has woken this process. Should a request be under way, another must follow: it may not have seen what
    /// the call is about.
    pub(crate) fn woken(&mut self) {
        self.called = true;
    }

    /// What to take to the store when the process ends or no longer shares. The gate must let nothing pass from here on.
    /// A request without an answer goes first: this returns it again, and must be called again after its answer.
    pub(crate) fn leave(&mut self, now: Nanos, gates: &[GateView]) -> Request {
        if self.pending.is_none() {
            let mut posts = Vec::new();
            for (at, gate) in gates.iter().enumerate() {
                let settled: u64 = gate.settled.iter().map(|some| some.units).sum();
                posts.extend(gate.settled.iter().map(|some| (at, some.units, some.free)));
                posts.push((at, gate.used.saturating_sub(settled), FreeAt::InFlight));
            }
            posts.retain(|&(_, units, _)| units > 0);
            self.hands.iter_mut().for_each(|hand| hand.held = 0);
            self.pending = Some(self.ask(vec![Said::default(); self.table.len()], posts, None, true));
        }
        self.send(now, gates)
    }

    /// The store's answer to [`Membership::request`]. The gate may be set to [`Membership::effective`] now.
    /// What it tells of the past is made to be true of `now`.
    pub(crate) fn answered(&mut self, now: Nanos, answer: &mut Answer) {
        answer.grow_older(now);
        (self.pending, self.is_sent) = (None, false);
        self.sequence += 1;
        if answer.epoch != self.epoch {
            // The questions of another document have numbers of their own.
            self.hands.iter_mut().for_each(|hand| hand.settled = None);
        }
        self.epoch = answer.epoch;
        self.witness = Some((answer.epoch, answer.clock, self.asked_at));
        self.lease_end = self.rules.lease.map(|lease| self.asked_at + lease - lease / 1_000);
        (self.visited_at, self.again_at) = (now, answer.again.map(|again| now.saturating_add(again)));
        self.stale = false;
        for (hand, granted) in self.hands.iter_mut().zip(&answer.limits) {
            hand.has_lost |= granted.held < hand.held;
            (hand.held, hand.granted, hand.paused_until) = (granted.held, *granted, 0);
            hand.learned = granted.told.map(|(limit, age)| ToldLimit::of(limit, age, now));
            hand.is_settled = granted.settled.is_some_and(|number| hand.settled != Some(number));
            hand.settled = granted.settled.or(hand.settled);
            let ago = |age: Nanos| now.saturating_sub(age);
            hand.question = granted.question.map(|one| (one.number, ago(one.age), one.began.map(ago)));
            hand.compared_at = granted.compared.map(|ago| now.saturating_sub(ago));
        }
        for Pause { limit, left, .. } in &answer.pauses {
            self.hands[*limit].paused_until = now.saturating_add(*left);
        }
        self.scope_paused_until =
            answer.scope_pause.as_ref().map_or(0, |pause| now.saturating_add(pause.left));
        self.adopt_table();
    }

    /// The store's rules refused the request, and wrote nothing. What it gave up is not used again until an answer says
    /// that it is still there.
    ///
    /// Who is refused is a witness from here on, so that the tables of members that have ended do not count for ever.
    pub(crate) fn refused(&mut self, conflict: &Conflict) {
        (self.pending, self.is_sent) = (None, false);
        if self.witness.is_none_or(|(epoch, ..)| epoch != conflict.epoch) {
            self.witness = Some((conflict.epoch, conflict.clock, self.asked_at));
        }
        self.stale = true;
        self.adopt_table();
    }

    /// When to visit: now, if that is not later. `None`: whenever the store wakes this member.
    pub(crate) fn next_visit(
        &mut self,
        now: Nanos,
        gates: &[GateView],
        waiting: &[Waiting],
    ) -> Option<Nanos> {
        if self.stale || self.called || self.pending.is_some() {
            return Some(now);
        }
        let paced = self.visited_at + PACE;
        let mut next = self.again_at;
        let mut at_latest = |at: Nanos| next = Some(next.map_or(at, |next| next.min(at)));
        if self.ticket_for(waiting).map(|one| one.request) != self.ticket {
            at_latest(paced);
        }
        if self.scope_pause.0 > self.scope_paused_until.max(now).saturating_add(SAME_END) {
            at_latest(now);
        }
        for (at, gate) in gates.iter().enumerate() {
            let long = self.table[at].is_long();
            let demand = self.demand(at, gate, gate.used);
            let hand = &mut self.hands[at];
            let Granted { target, contended, urgent, limit, .. } = hand.granted;
            let satisfied = hand.told <= target;
            let paused_until = gate.pause.as_ref().map_or(0, |(left, _)| now.saturating_add(*left));
            if paused_until > hand.paused_until.max(now).saturating_add(SAME_END) {
                at_latest(now);
            }
            let told = gate.told.map(|(limit, age)| ToldLimit::of(limit, age, now));
            if told.is_some_and(|told| told.replaces(hand.learned)) {
                at_latest(now);
            }
            if hand.question.is_some() {
                at_latest(now);
            }
            if let Some(due) = self.hands[at].compare_at(now, gate, self.table[at].interval) {
                at_latest(paced.max(due));
            }
            let hand = &mut self.hands[at];
            let asks = if long { demand > hand.held + chunk(limit) / 2 || gate.waiting > 0 } else { true };
            if demand > hand.held && demand > hand.told && satisfied && asks {
                at_latest(paced);
            }
            let over = hand.held.saturating_sub(target.max(gate.used));
            if over > 0 && (urgent || over >= grain(limit).min(hand.held - target)) {
                at_latest(paced);
            }
            if hand.held > target && gate.used > target {
                gate.frees_at.into_iter().for_each(&mut at_latest);
            }
            let idle = hand.held.saturating_sub(target.min(demand).max(gate.used));
            if idle > 0 && (contended || over > 0) {
                let since = *hand.idle_since.get_or_insert(now);
                at_latest(if urgent { paced } else { paced.max(since + LINGER) });
            } else {
                hand.idle_since = None;
            }
        }
        next
    }

    // ---- the parts of a request

    /// Says of one limit what is given up, and gives it up.
    fn say(&mut self, now: Nanos, at: usize, gate: &GateView, posts: &mut Vec<(usize, u64, FreeAt)>) -> Said {
        let mut used = gate.used;
        let mut posted = 0;
        if self.table[at].is_long() {
            let mut left = self.hands[at].held;
            for some in &gate.settled {
                // What is in the window from another life is not held, and stays.
                let units = some.units.min(left);
                left -= units;
                posted += units;
                if units > 0 {
                    posts.push((at, units, some.free));
                }
            }
            used = used.saturating_sub(posted);
        }
        let demand = self.demand(at, gate, used);
        let hand = &mut self.hands[at];
        hand.has_lost &= gate.used > hand.held;
        // What it has lost and not used up yet is in the document, and must not count twice.
        let most = if hand.has_lost { hand.held } else { u64::MAX };
        let in_hand = |counted: Counted| Counted { units: counted.units.min(most), ..counted };
        let Granted { target, contended, .. } = hand.granted;
        let keeps = if contended { target.min(demand) } else { target };
        hand.held -= posted;
        let released = hand.held.saturating_sub(keeps.max(used));
        hand.held -= released;
        hand.told = demand;
        hand.idle_since = None;
        let counted = hand.question.map(|(number, ..)| (number, in_hand(gate.counted)));
        let compares = hand.compare_at(now, gate, self.table[at].interval).is_some_and(|due| due <= now);
        let heard = gate.heard.filter(|_| compares);
        if let Some(heard) = heard {
            (hand.heard, hand.heard_at) = (heard.number, now.saturating_sub(heard.ago));
        }
        let news = heard.map(|heard| News { counted: in_hand(heard.news.counted), ..heard.news });
        if news.is_some() || counted.is_some() {
            hand.counted_at = now;
        }
        let interval = self.interval(at);
        Said { released, used, demand, need: gate.need, interval, news, counted, ..Said::default() }
    }

    fn ask(
        &self,
        limits: Vec<Said>,
        posts: Vec<(usize, u64, FreeAt)>,
        ticket: Option<TicketSaid>,
        leaves: bool,
    ) -> Request {
        Request {
            member: self.id,
            about: self.about.clone(),
            table: self.table.clone(),
            table_id: self.table_id,
            on_conflict: self.rules.on_conflict,
            lease: self.rules.lease,
            arrival: self.rules.arrival,
            margin: self.rules.margin,
            epoch: self.epoch,
            made_at: 0,
            sequence: self.sequence,
            witness: None,
            limits,
            posts,
            ticket,
            pauses: Vec::new(),
            scope_pause: None,
            leaves,
        }
    }

    /// The request without an answer, with what is true of this instant.
    fn send(&mut self, now: Nanos, gates: &[GateView]) -> Request {
        let later = if self.is_sent { now.saturating_sub(self.asked_at) } else { 0 };
        (self.asked_at, self.is_sent) = (now, true);
        let over = self.lives_until().is_some_and(|until| now >= until);
        let witness = self.witness.map(|(epoch, clock, at)| (epoch, clock, now.saturating_sub(at)));
        let in_hand: Vec<u64> = (self.hands.iter().zip(gates))
            // What the gate has in use may be of others.
            .map(|(hand, gate)| if over { 0 } else { hand.held.min(hand.granted.target.max(gate.used)) })
            .collect();
        let pending = self.pending.as_mut().expect("made before it is sent");
        (pending.witness, pending.made_at) = (witness, now);
        let pause = |(limit, gate): (usize, &GateView)| {
            let (left, reason) = gate.pause.clone()?;
            Some(Pause { limit, left, reason: reason.to_string() })
        };
        pending.pauses = gates.iter().enumerate().filter_map(pause).collect();
        let (until, reason) = &self.scope_pause;
        let left = until.checked_sub(now).filter(|&left| left > 0);
        pending.scope_pause = left.map(|left| ScopePause { left, reason: reason.to_string() });
        for ((said, in_hand), gate) in pending.limits.iter_mut().zip(in_hand).zip(gates) {
            (said.in_hand, said.told) = (in_hand, gate.told);
            said.news.iter_mut().for_each(|news| news.grow_older(later));
        }
        pending.clone()
    }

    /// Units in use or waited for. Of a long window, no more free ones than a chunk, or than a request needs; none if
    /// nothing has been used since the last visit. `used`: what is left in use once the rest is posted.
    fn demand(&self, at: usize, gate: &GateView, used: u64) -> u64 {
        let limit = self.table[at].limit;
        let wanted = match self.table[at].is_long() {
            true if gate.used == 0 && gate.waiting == 0 => 0,
            true => chunk(limit).max(gate.need),
            // A little more than what waits, where that is nobody else's loss.
            false if gate.waiting > 0 && !self.hands[at].granted.contended => gate.waiting + 2 * grain(limit),
            false => gate.waiting,
        };
        used.saturating_add(wanted).min(limit)
    }

    /// The first request that the fair share cannot serve. One that has a ticket keeps it for as long as it waits.
    fn ticket_for<'a>(&self, waiting: &'a [Waiting]) -> Option<&'a Waiting> {
        let is_short = |&(at, units): &(usize, u64)| {
            let granted = &self.hands[at].granted;
            granted.contended && units > granted.target
        };
        // One before it takes the ticket over: at the gate, those behind it may have to wait for it.
        waiting.iter().find(|one| Some(one.request) == self.ticket || one.needs.iter().any(is_short))
    }

    /// The interval that the gate runs with: its own or the one in force, whichever is longer.
    fn interval(&self, at: usize) -> Nanos {
        self.table[at].interval.max(self.hands[at].granted.interval)
    }

    fn adopt_table(&mut self) {
        if self.pending.is_some() {
            return;
        }
        let Some(table) = self.next_table.take() else { return };
        self.hands = (table.iter())
            .map(|terms| {
                let old = self.table.iter().position(|old| old.id == terms.id);
                old.map_or_else(Hand::default, |old| self.hands[old])
            })
            .collect();
        (self.table, self.table_id, self.stale, self.ticket) = (table, self.table_id + 1, true, None);
    }
}
