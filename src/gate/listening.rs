//! What the exchange says of a limit: how much of it is used, how large it is, that nothing may come for a while. (What a
//! request really cost is in [`correcting`](super::correcting).)
//!
//! [`Gate::advance`] must follow each of these.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::error::Error;
use crate::limit::{Scope, Told};

use super::enter::Gate;
use super::route::{Index, Route};
use super::table::MAX_INTERVAL;

/// What an answer of the exchange says of a limit. All of its numbers count everybody's requests, own ones included.
///
/// ```
/// use sluicegate::{Observation, Options, RateLimit, Throttler};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let throttler = Throttler::new(&[RateLimit::new("REQUEST_WEIGHT", 6000, minute)], Options::default())?;
/// // A header says that 1500 units are used, and no request of this program is among them.
/// let seen = throttler.observe("REQUEST_WEIGHT", Observation { used: Some(1500), ..Observation::default() })?;
/// assert_eq!(seen.foreign, 1500);
/// assert_eq!(throttler.usage("REQUEST_WEIGHT")?.used, 1500);
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Units used.
    pub used: Option<u64>,
    /// Units left.
    pub remaining: Option<u64>,
    /// How many units the limit has, for all who share it: 1 or more. That of the table, if the answer does not say it.
    pub limit: Option<u64>,
    /// For how long the window goes on. If not said, units of others count for one interval, those of a quota until its
    /// boundary. Of a bucket it tells nothing: it falls by its limit an interval, once, whoever has used it.
    pub reset: Option<Duration>,
    /// How long ago the request of this answer left: the numbers are of some instant since. If not said, a quarter of the
    /// interval, and no more than 1 s.
    pub age: Option<Duration>,
    /// Whether others are expected to go on as they did: what they used in one window is kept for them in the next, and
    /// given up as it turns out unused. Of what is in flight, nothing counts as if it were in the number already. Of a bucket,
    /// room is kept for twice what they use in the time that the answer took and one unit takes to drain.
    pub expect: bool,
}

/// What was new in an answer of the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Units of others that were not known before.
    pub foreign: u64,
    /// The limit that holds from now on, if it changed: this program's share of it, and no more than the table says.
    pub limit: Option<u64>,
}

/// What the exchange has said of a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Why it is paused.
    pub reason: Arc<str>,
    /// The limit, and when the request left whose answer told it.
    pub limit: Option<(u64, Nanos)>,
    /// The last answer that told how much is left, where other processes share the limit.
    pub left: Option<Left>,
    /// When units of others were last found that were not known before.
    pub found_at: Option<Nanos>,
    /// Whether the process's member need not be told that there is an answer: it knows of an earlier one.
    pub is_known: bool,
}

/// How much of a limit is left, as an answer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub told: Told,
    /// How many answers had told it before, and this one.
    pub number: u64,
    /// When it was heard.
    pub at: Nanos,
    /// When the exchange's window began at the earliest, and when it has surely ended, if its windows end for all units at once.
    pub window: Option<(Nanos, Nanos)>,
}

/// Until when an age may be assumed that nobody told.
const AGE: Nanos = 1_000_000_000;

impl<W> Gate<W> {
    /// Learns from an answer. [`Gate::now`] must have been called for `now`.
    pub fn observe_answer(&mut self, now: Nanos, route: &Route, answer: &Observation) -> Result<Seen, Error> {
        let Observation { used, remaining, limit, reset, age, expect } = *answer;
        if limit == Some(0) {
            return Err(Error::invalid(
                format_args!("the observed limit of {:?}", route.id()),
                "1 or more",
                0,
            ));
        }
        if (used, remaining, limit) == (None, None, None) {
            let what = format_args!("what is observed of {:?}", route.id());
            return Err(Error::invalid(what, "used, remaining or limit", "nothing"));
        }
        let state = &mut self.limits[route.index as usize];
        let age = age.map_or_else(|| (state.window.interval() / 4).min(AGE), nanos);
        let since = now.saturating_sub(age);
        let mut seen = Seen::default();
        if let Some(limit) = limit {
            // Of two answers the later request's counts; a smaller limit counts at once.
            if state.heard.limit.is_none_or(|(before, at)| limit < before || since >= at) {
                let at = state.heard.limit.map_or(since, |(_, at)| at.max(since));
                seen.limit = self.tell_limit(now, route, limit, at);
            }
        }
        let state = &mut self.limits[route.index as usize];
        let limit = limit.or(state.heard.limit.map(|(limit, _)| limit)).unwrap_or(state.published);
        let unused = used.map(|used| i128::from(limit) - i128::from(used));
        if let Some(remaining) = unused.into_iter().chain(remaining.map(i128::from)).min() {
            let until = reset.map(|reset| now.saturating_add(nanos(reset)));
            let told = Told { since, remaining, until, expect };
            let heard = state.window.hear(now, told);
            seen.foreign = heard.unwrap_or(0);
            if self.is_shared && heard.is_some() {
                let clock = self.server_clock.map(|clock| clock.at(now));
                let window = clock
                    .zip(state.server_window)
                    .and_then(|(clock, length)| clock.window(since, now, length));
                let number = state.heard.left.map_or(0, |left| left.number) + 1;
                state.heard.left = Some(Left { told, number, at: now, window });
                state.heard.found_at = if seen.foreign > 0 { Some(now) } else { state.heard.found_at };
            }
        }
        self.changed = true;
        self.each_companion(route, |own, base| own.follow(now, base));
        Ok(seen)
    }

    /// Whether the processes that share a limit should compare what they use with what was heard last, and nobody was told so
    /// yet.
    pub fn has_news(&mut self, route: &Route) -> bool {
        let state = &mut self.limits[route.index as usize];
        let Some(Left { told, at, window, .. }) = state.heard.left else { return false };
        let found = state.heard.found_at == Some(at);
        let came = state.window.came_since(at, window.map(|window| window.0));
        let used = state.window.used().min(came.saturating_add(state.window.in_flight()));
        let explained = i128::from(state.published) - i128::from(used);
        let is_news = (found || !state.heard.is_known) && told.remaining < explained;
        state.heard.is_known |= is_news;
        is_news
    }

    /// The exchange said so by a request that left at `at`. What holds from now on, if that changed.
    pub(super) fn tell_limit(&mut self, now: Nanos, route: &Route, limit: u64, at: Nanos) -> Option<u64> {
        let units = self.options.share_of(limit);
        let state = &mut self.limits[route.index as usize];
        state.heard.limit = Some((limit, at));
        if !state.window.tell_limit(now, units) {
            return None;
        }
        state.measure_room(self.is_shared);
        self.was_lowered = true;
        Some(state.window.told_limit())
    }

    /// Lets nothing that takes from a limit pass before `until`, nor any request for its id; `None`: nothing at all. An end
    /// that was set before, and is later, stays. Whether this one is the later one; and whether the table must be set anew,
    /// as requests are concerned that take nothing of what is paused.
    pub fn pause_for(&mut self, route: Option<&Route>, until: Nanos, reason: &Arc<str>) -> (bool, bool) {
        self.changed = true;
        let all: Vec<Index> = match route {
            Some(route) => vec![route.index],
            None => {
                if until > self.paused_until {
                    (self.paused_until, self.paused_for) = (until, reason.clone());
                }
                (0..self.limits.len() as Index).collect()
            }
        };
        let (mut later, mut without_units) = (false, false);
        for &index in &all {
            let state = &mut self.limits[index as usize];
            if state.window.paused_until().is_none_or(|before| before < until) {
                state.window.pause(until);
                state.counts.pauses += 1;
                state.heard.reason = reason.clone();
                later |= state.route.is_some();
            }
            // Of all, those that take from nothing else are stopped by their own.
            let takes_none = |route: &Arc<Route>| match all.len() {
                1 => route.charges.iter().all(|charge| charge.limit != index),
                _ => route.charges.is_empty(),
            };
            if state.route.as_ref().is_some_and(takes_none) {
                (state.stops_without_units, without_units) = (true, true);
            }
        }
        (later, without_units)
    }

    /// The same for all limits of a scope, those that come into the table later among them. Whether this one is the later one
    /// for these; and the routes of those that are there: [`Gate::pause_for`] must follow for each.
    pub fn pause_scope(&mut self, scope: Scope, until: Nanos, reason: &Arc<str>) -> (bool, Vec<Arc<Route>>) {
        self.changed = true;
        let later = self.pause_new(scope, until, reason);
        // What was in a table before this one may come back.
        for limit in self.limits.iter_mut().filter(|limit| limit.scope == Some(scope)) {
            if limit.route.is_none() && limit.window.paused_until().is_none_or(|before| before < until) {
                limit.window.pause(until);
                limit.heard.reason = reason.clone();
            }
        }
        let own = self.limits.iter().filter(|limit| limit.scope == Some(scope) && limit.base.is_none());
        (later, own.filter_map(|limit| limit.route.clone()).collect())
    }

    /// Limits of a scope are paused that come into the table later. An end that was set before, and is later, stays. Whether
    /// this one is the later one.
    pub(crate) fn pause_new(&mut self, scope: Scope, until: Nanos, reason: &Arc<str>) -> bool {
        let later = self.pause_of_new(Some(scope)).0 < until;
        if later {
            self.paused_scopes.retain(|&(other, ..)| other != scope);
            self.paused_scopes.push((scope, until, reason.clone()));
        }
        later
    }

    /// Until when a limit of this scope is paused that is new in the table, and why.
    pub(super) fn pause_of_new(&self, scope: Option<Scope>) -> (Nanos, Arc<str>) {
        let of_scope = self.paused_scopes.iter().find(|&&(other, ..)| Some(other) == scope);
        match of_scope {
            Some((_, until, reason)) if *until > self.paused_until => (*until, reason.clone()),
            _ => (self.paused_until, self.paused_for.clone()),
        }
    }

    /// When the pauses end that are not over: of each limit by its id, and of all of them. Limits that are paused with all
    /// others, and no longer, are left out.
    pub fn pauses(&self, now: Nanos) -> Vec<(Option<Arc<str>>, Nanos)> {
        let own = self.limits.iter().filter(|limit| limit.route.is_some() && limit.base.is_none());
        let own = own.filter_map(|limit| Some((Some(limit.id.clone()), limit.window.paused_until()?)));
        let own = own.filter(|&(_, until)| until > self.paused_until);
        own.chain([(None, self.paused_until)]).filter(|&(_, until)| until > now).collect()
    }
}

/// For how long a pause lasts: refused if that is over 100 years.
pub(crate) fn check_pause(length: Duration) -> Result<Nanos, Error> {
    if length > MAX_INTERVAL {
        let shown = format_args!("{} s", length.as_secs_f64()).to_string();
        return Err(Error::invalid("the length of a pause", "at most 100 years", shown));
    }
    Ok(nanos(length))
}
