//! A throttler's part of one scope: its limits there, and what crosses between the gate and the rules.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::{Nanos, WallNanos, boottime};
use crate::gate::{Gate, Index, Left};
use crate::limit::{self, End, RateLimit, Resets, Scope};
use crate::share::{
    Answer, Class, Conflict, Counted, FreeAt, GateView, HeardNews, Kind, Membership, News, Pause, Request,
    SAME_END, ScopePause, SettledUnits, Terms, ToldLimit, Waiting,
};
use crate::wait::Turn;
use crate::wait::{NewLimit, NewPause, NewPauses};

/// The gate of a throttler.
pub(super) type SharedGate = Gate<Arc<Turn>>;

/// A limit of the table: where it stands in the gate, and how long its units stay.
pub(super) type TableLimit = (Index, RateLimit, Nanos);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Part {
    /// The store's incarnation at the last visit.
    pub seen: String,
    /// How far this machine's clock of the wall was ahead of the store's then, and whether that was too far.
    pub ahead: WallNanos,
    is_apart: bool,
    /// The member whose end the last visit asked to be told of.
    pub watched: Option<crate::store::MemberId>,
    /// The name of the scope's document.
    pub document: String,
    pub scope: Scope,
    pub membership: Membership,
    /// Where the limits of the gate's table stand in the gate.
    by_id: HashMap<String, Index>,
    /// The same in the order of the membership's table, which may be an older one while a request is without an answer.
    /// `None` for limits that the gate no longer has.
    limits: Vec<Option<Index>>,
    /// The quotas of the table by their text.
    pub quotas: HashMap<String, Resets>,
}

/// Of the requests that wait, so many may ask for more than this process's part: the oldest.
const OLDEST: usize = 64;

/// What a look at the gate leads to.
#[derive(Debug)]
pub(super) enum Polled {
    /// Nothing is to be done before this instant of [`boottime`]; `None` until something happens. And whether requests
    /// wait.
    Rest(Option<Nanos>, bool),
    Visit(Box<Request>),
}

/// What the text of a quota is, for every process alike.
fn quota_text(resets: &Resets) -> String {
    format!("{} {}", resets.period, resets.zone)
}

/// When a quota resets. All other kinds count as rolling: see `Span::shared`.
fn resets_of(limit: &RateLimit) -> Option<Resets> {
    if let limit::Kind::Quota(resets) = limit.kind { Some(resets) } else { None }
}

/// The limits of a scope as its rules know them.
pub(super) fn terms(scope: Scope, limits: &[TableLimit]) -> Arc<[Terms]> {
    let own = limits.iter().filter(|(_, limit, _)| limit.scope == scope);
    let terms = own.map(|(_, limit, interval)| Terms {
        id: limit.id.clone(),
        limit: limit.limit.min(crate::limit::MAX_LIMIT),
        // What is in flight elsewhere comes free as soon as it ends: after no time that a clock can tell.
        interval: (*interval).max(1),
        kind: resets_of(limit).map_or(Kind::Rolling, |resets| Kind::Quota(quota_text(&resets))),
        reserve: limit.reserve.iter().map(|(&priority, &units)| (priority, units)).collect(),
    });
    terms.collect()
}

impl Part {
    pub fn new(document: String, scope: Scope, membership: Membership, limits: &[TableLimit]) -> Self {
        let mut part = Self {
            seen: String::new(),
            ahead: 0,
            is_apart: false,
            watched: None,
            document,
            scope,
            membership,
            by_id: HashMap::new(),
            limits: Vec::new(),
            quotas: HashMap::new(),
        };
        part.find(limits);
        part
    }

    /// Finds the limits of the scope in the gate.
    fn find(&mut self, limits: &[TableLimit]) {
        let own = || limits.iter().filter(|(_, limit, _)| limit.scope == self.scope);
        self.by_id = own().map(|(index, limit, _)| (limit.id.clone(), *index)).collect();
        let quotas = own().filter_map(|(_, limit, _)| resets_of(limit));
        self.quotas = quotas.map(|resets| (quota_text(&resets), resets)).collect();
        self.follow();
    }

    /// The membership's table may be another one.
    fn follow(&mut self) {
        let index = |terms: &Terms| self.by_id.get(&terms.id).copied();
        self.limits = self.membership.table().iter().map(index).collect();
    }

    /// The limits that the gate has, with where they are in the membership's table.
    fn present(&self) -> impl Iterator<Item = (usize, Index)> {
        self.limits.iter().enumerate().filter_map(|(at, &limit)| Some((at, limit?)))
    }

    /// The store's answer to the last request.
    pub fn answered(&mut self, answer: &mut Answer) {
        self.membership.answered(boottime(), answer);
        self.watched = answer.watch.map(|id| crate::store::MemberId(id.0));
        self.follow();
    }

    /// What its user should know of the clocks, once they have come so far apart that two of the kind may be further apart
    /// than quotas allow for.
    pub fn clock_warning(&mut self, clocks_apart: Nanos) -> Option<String> {
        let is_apart =
            !self.quotas.is_empty() && clocks_apart > 0 && self.ahead.unsigned_abs() > clocks_apart / 2;
        if std::mem::replace(&mut self.is_apart, is_apart) || !is_apart {
            return None;
        }
        let seconds = self.ahead.unsigned_abs() as f64 / 1e9;
        let side = if self.ahead > 0 { "ahead of" } else { "behind" };
        Some(format!(
            "the clock of this machine is {seconds:.1} s {side} the server's: near their boundaries, quotas may be exceeded. \
             Let both machines set their clocks by the network (NTP)"
        ))
    }

    /// The store's rules refused the last request.
    pub fn refused(&mut self, conflict: &Conflict) {
        self.membership.refused(conflict);
        self.follow();
    }

    /// The pauses that other members were told of, and that end later than those of the gate.
    pub fn new_pauses(&self, answer: &Answer, gate: &SharedGate, now: Nanos) -> NewPauses {
        let new = |pause: &Pause| {
            let index = *self.limits.get(pause.limit)?.as_ref()?;
            let known = gate.pause_of(index, now).map_or(0, |(left, _)| left);
            let id = self.membership.table().get(pause.limit)?.id.clone();
            let ends_later = pause.left > known.saturating_add(SAME_END);
            ends_later.then(|| NewPause { id, left: pause.left, reason: pause.reason.clone() })
        };
        let known = gate.pause_of_scope(self.scope, now).map_or(0, |(left, _)| left);
        let of_scope = answer.scope_pause.as_ref();
        let of_scope = of_scope.filter(|pause| pause.left > known.saturating_add(SAME_END));
        let of_scope = of_scope.map(|ScopePause { left, reason }| (self.scope, *left, reason.clone()));
        NewPauses { of_scope, limits: answer.pauses.iter().filter_map(new).collect() }
    }

    /// The limits that other members were told of, where that is newer than what the gate knows.
    pub fn new_limits(&self, answer: &Answer, gate: &SharedGate, now: Nanos) -> Vec<NewLimit> {
        let new = |(at, index): (usize, Index)| {
            let (limit, age) = answer.limits.get(at)?.told?;
            let of = |(limit, age): (u64, Nanos)| ToldLimit::of(limit, age, now);
            let is_new = of((limit, age)).replaces(gate.told_of(index, now).map(of));
            is_new.then(|| NewLimit { id: self.membership.table()[at].id.clone(), limit, age })
        };
        self.present().filter_map(new).collect()
    }

    /// The throttler has another table.
    pub fn set_table(&mut self, limits: &[TableLimit]) {
        self.membership.set_table(terms(self.scope, limits));
        self.find(limits);
    }

    /// Reads the gate. If a visit is due, or `now_at_once`, the gate is made ready for it: it shrinks before the store is
    /// told. And whether the gate has changed.
    pub fn poll(&mut self, gate: &mut SharedGate, now: Nanos, at_once: bool) -> (Polled, bool) {
        let boot = boottime();
        let views = self.views(gate, now, false);
        let waiting = self.waiting(gate, now);
        if let Some((left, reason)) = gate.pause_of_scope(self.scope, now) {
            self.membership.pause_scope(boot, left, reason);
        }
        let due = self.membership.next_visit(boot, &views, &waiting);
        if !at_once && due.is_none_or(|due| due > boot) {
            self.know_news(gate, boot, &views);
            let next = due.into_iter().chain(self.next_poll(gate, now, boot)).min();
            return (Polled::Rest(next, !waiting.is_empty()), false);
        }
        let repeated = self.membership.is_unanswered();
        let request = self.membership.request(boot, &views, &waiting);
        self.know_news(gate, boot, &views);
        gate.forget_refused();
        let mut changed = self.set_gate(gate);
        for &(at, units, _) in request.posts.iter().filter(|_| !repeated) {
            if let Some(limit) = self.limits[at] {
                gate.hand_over(limit, units);
                changed = true;
            }
        }
        (Polled::Visit(Box::new(request)), changed)
    }

    /// Of what this process has heard and is going to tell, it need not hear again.
    fn know_news(&self, gate: &mut SharedGate, boot: Nanos, views: &[GateView]) {
        for (at, limit) in self.present().filter(|&(at, _)| views[at].heard.is_some()) {
            gate.know_news(limit, self.membership.compares(boot, at, &views[at]));
        }
    }

    /// What to write when the throttler ends.
    pub fn farewell(&mut self, gate: &mut SharedGate, now: Nanos) -> Request {
        let views = self.views(gate, now, true);
        self.membership.leave(boottime(), &views)
    }

    /// Lets the gate use what the process has, and nothing once its lease has ended. Whether that changes anything.
    pub fn set_gate(&self, gate: &mut SharedGate) -> bool {
        let lives = self.membership.lives_until().is_none_or(|end| boottime() < end);
        let mut changed = false;
        for (at, limit) in self.present() {
            let units = if lives { self.membership.effective(at) } else { 0 };
            changed |= gate.allow_of(limit, units);
        }
        changed
    }

    /// What others have used is in the document: this process need not count it any more. Whether that changes anything.
    pub fn forget_others(&self, gate: &mut SharedGate, now: Nanos) -> bool {
        let boot = boottime();
        let mut changed = false;
        for (at, limit) in self.present() {
            if let Some(settled) = self.membership.settled_at(at) {
                changed |= gate.settle_others(now, limit, now.saturating_sub(boot - settled));
            }
        }
        changed
    }

    /// Tightens the limits of which another process has a smaller or a longer one.
    pub fn tighten(&self, gate: &mut SharedGate, now: Nanos) {
        for (at, limit) in self.present() {
            let terms = &self.membership.table()[at];
            let (units, interval) = self.membership.in_effect(at);
            if (units, interval) != (0, 0) && (units < terms.limit || interval > terms.interval) {
                gate.tighten(now, limit, units, interval);
            }
        }
    }

    /// When units come free that others may want.
    fn next_poll(&self, gate: &SharedGate, now: Nanos, boot: Nanos) -> Option<Nanos> {
        /// How often a member looks whether it uses all that it holds while others want more.
        const PACE: Nanos = 250_000_000;
        let look = |(at, limit): (usize, Index)| {
            let free = gate.next_free(limit, now).filter(|_| self.membership.is_contended(at))?;
            Some(boot + free.saturating_sub(now).max(PACE))
        };
        self.present().filter_map(look).min()
    }

    fn views(&self, gate: &mut SharedGate, now: Nanos, all: bool) -> Vec<GateView> {
        let boot = boottime();
        let here = |boottime: Nanos| now.saturating_sub(boot.saturating_sub(boottime));
        let mut views = vec![GateView::default(); self.limits.len()];
        let (places, limits): (Vec<usize>, Vec<Index>) = self.present().unzip();
        for ((at, limit), demand) in places.into_iter().zip(limits.clone()).zip(gate.demand(now, &limits)) {
            let terms = &self.membership.table()[at];
            let asked = self.membership.asked_since(at).map(|(since, began)| (here(since), began.map(here)));
            views[at] = GateView {
                heard: heard(gate, limit, now),
                counted: asked.map_or_else(Counted::default, |asked| counted(gate, limit, now, asked)),
                used: demand.used,
                // No more than this process may ever use.
                waiting: demand.waiting.min(gate.nominal(limit).saturating_sub(demand.used)),
                need: demand.need,
                unknown: demand.unknown,
                frees_at: gate.next_free(limit, now).map(|at| boot + at.saturating_sub(now)),
                pause: gate.pause_of(limit, now),
                told: gate.told_of(limit, now),
                settled: if all || terms.is_long() { settled(gate, limit, now) } else { Vec::new() },
            };
        }
        views
    }

    fn waiting(&self, gate: &SharedGate, now: Nanos) -> Vec<Waiting> {
        let patience = gate.patience();
        let position = |limit: Index| self.limits.iter().position(|&own| own == Some(limit));
        gate.next_waiting(OLDEST)
            .into_iter()
            .map(|next| Waiting {
                request: next.number,
                waited: now.saturating_sub(next.since),
                class: Class { priority: next.priority, patience },
                needs: next.needs.iter().filter_map(|&(limit, n)| Some((position(limit)?, n))).collect(),
            })
            .filter(|waiting| !waiting.needs.is_empty())
            .collect()
    }
}

/// What the exchange may have counted of this process since then, in a window that began then, if that is known.
fn counted(
    gate: &mut SharedGate,
    limit: Index,
    now: Nanos,
    (since, began): (Nanos, Option<Nanos>),
) -> Counted {
    let (units, unsure) = gate.counted_since(limit, now, since, began);
    Counted { units, unsure }
}

/// What the exchange has told last of a limit.
fn heard(gate: &mut SharedGate, limit: Index, now: Nanos) -> Option<HeardNews> {
    let (Left { told, number, at, window }, found_at) = gate.left_of(limit)?;
    if window.is_some_and(|(_, ends)| ends <= now) {
        return None;
    }
    let news = News {
        remaining: i64::try_from(told.remaining).unwrap_or(if told.remaining < 0 {
            i64::MIN
        } else {
            i64::MAX
        }),
        age: now.saturating_sub(told.since),
        ends_in: told.until.map(|until| until.saturating_sub(now)),
        window: window.map(|(began, ends)| (now.saturating_sub(began), ends.saturating_sub(now))),
        expect: told.expect,
        counted: counted(gate, limit, now, (told.since, window.map(|window| window.0))),
    };
    let ago = |at: Nanos| now.saturating_sub(at);
    Some(HeardNews { news, number, ago: ago(at), found: found_at.map(ago) })
}

fn settled(gate: &SharedGate, limit: Index, now: Nanos) -> Vec<SettledUnits> {
    let free = |end| match end {
        End::At(at) => FreeAt::In(at.saturating_sub(now)),
        End::Boundary(at) => FreeAt::Boundary(at),
    };
    gate.settled(limit)
        .into_iter()
        .map(|some| SettledUnits { units: some.units, free: free(some.end) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Period, Zone};
    use crate::share::{About, MemberId, OnConflict, Rules};

    const SECOND: WallNanos = 1_000_000_000;

    fn part(limit: RateLimit) -> Part {
        let limits = [(0, limit, 60 * SECOND as Nanos)];
        let table = terms(Scope::Account, &limits);
        let rules = Rules { lease: None, arrival: 0, margin: 0, on_conflict: OnConflict::Refuse };
        let membership = Membership::new(MemberId(1), About::default(), rules, table);
        Part::new("account:x".to_owned(), Scope::Account, membership, &limits)
    }

    #[test]
    fn clocks_that_are_too_far_apart_for_quotas_are_warned_of_once_each_time() {
        let resets = Resets { period: Period::Daily(0), zone: Zone::named("UTC").expect("UTC") };
        let mut quota = part(RateLimit::quota("x", 10, resets));
        let apart = 2 * SECOND as Nanos;
        let mut told = |ahead: WallNanos| {
            quota.ahead = ahead;
            quota.clock_warning(apart)
        };
        assert_eq!(told(SECOND), None);
        assert!(told(SECOND + 1).expect("too far").contains("1.0 s ahead of the server's"));
        assert_eq!(told(SECOND + 1), None, "said");
        assert_eq!(told(0), None);
        assert!(told(-3 * SECOND).expect("too far again").contains("3.0 s behind"));
        quota.ahead = 0;
        quota.clock_warning(apart);
        quota.ahead = 5 * SECOND;
        assert_eq!(quota.clock_warning(0), None, "one file, one clock");
        let mut rolling = part(RateLimit::new("x", 10, std::time::Duration::from_secs(60)));
        rolling.ahead = 5 * SECOND;
        assert_eq!(rolling.clock_warning(apart), None, "no window follows the wall");
    }
}
