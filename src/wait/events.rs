//! Who listens to a throttler's events, and how these reach them.
//!
//! What happens is collected under the lock ([`Events`]), and told without it ([`Throttler::tell`]): by the thread that made it
//! happen, or by the one that polled. One thread tells at a time, so that the order is the same for everybody; what comes up
//! meanwhile, also within a callback, it tells next. So no callback runs within another, and each may use the throttler.
//!
//! The end of a pause and a wait that is long are known instants. Those who wait poll at them as at any other, as long as
//! somebody listens. While nobody waits, nothing is woken: the end of a pause is told with the next request.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::gate::Route;

use super::event::{Event, EventKind};
use super::shared::Shared;
use super::throttler::{Throttler, WeakThrottler};
use super::turn::{Phase, Turn};

/// So many events wait for callbacks that take long. What comes then is lost.
const MOST: usize = 10_000;

type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

thread_local! {
    /// Whether this thread leaves to others what is to be told.
    static TELLS_NOTHING: Cell<bool> = const { Cell::new(false) };
}

/// This thread takes part in a shared budget: no callback runs where it is within a gate, as a callback may fork. It calls
/// [`Throttler::tell_by`] outside.
pub(crate) fn tell_nothing_here() {
    TELLS_NOTHING.set(true);
}

/// A callback that gets the events of a throttler, until it is [removed](Listener::remove). Dropping this changes nothing.
#[derive(Clone, Debug)]
pub struct Listener {
    throttler: WeakThrottler,
    number: u64,
}

impl Listener {
    /// The callback gets no more events. Another thread may be within it right now. Whether it was there.
    pub fn remove(&self) -> bool {
        let Some(throttler) = self.throttler.upgrade() else { return false };
        let removed = throttler.locked(|shared, _, _| {
            let events = shared.events.as_deref_mut()?;
            let at = events.listening.iter().position(|other| other.number == self.number)?;
            let removed = events.listening.remove(at);
            if events.listening.is_empty() {
                events.pauses.clear();
                shared.resumes_at = Nanos::MAX;
            }
            Some(removed)
        });
        // Dropped without the lock: it is the program's.
        removed.is_some()
    }
}

/// A request that waits, and when it has waited for long.
struct LongWait {
    at: Nanos,
    since: Nanos,
    units: u64,
    route: Arc<Route>,
    turn: Weak<Turn>,
}

impl LongWait {
    /// Whether it is not over. What was granted may still go back.
    fn goes_on(&self) -> bool {
        self.turn.upgrade().is_some_and(|turn| !matches!(*turn.phase.lock(), Phase::Over | Phase::Refused(_)))
    }

    /// Whether it waits at this moment.
    fn waits(&self) -> bool {
        let waits = |turn: Arc<Turn>| matches!(*turn.phase.lock(), Phase::Waiting(_) | Phase::Lapsed(..));
        self.turn.upgrade().is_some_and(waits)
    }
}

struct Listening {
    number: u64,
    callback: Callback,
    /// From how long a wait on it gets to know of it.
    long: Option<Nanos>,
    /// In the order of their instants. Those that have ended are dropped when it is their turn, or before more room is taken.
    waits: VecDeque<LongWait>,
}

impl Listening {
    fn expect(&mut self, since: Nanos, units: u64, route: &Arc<Route>, turn: &Arc<Turn>) {
        let Some(long) = self.long else { return };
        if self.waits.len() == self.waits.capacity() {
            self.waits.retain(LongWait::goes_on);
        }
        let at = since.saturating_add(long);
        self.waits.push_back(LongWait { at, since, units, route: route.clone(), turn: Arc::downgrade(turn) });
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Events {
    listening: Vec<Listening>,
    next_number: u64,
    /// When the pauses end that are not over: of each limit by its id, and of all of them.
    pauses: BTreeMap<Option<Arc<str>>, Nanos>,
    /// What is to be told, and to whom alone.
    due: VecDeque<(Event, Option<u64>)>,
    /// The thread that tells.
    teller: Option<ThreadId>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listening", &self.listening.len()).finish_non_exhaustive()
    }
}

impl Events {
    fn push(&mut self, event: Event, only: Option<u64>) {
        if self.due.len() < MOST && !self.listening.is_empty() {
            self.due.push_back((event, only));
        }
    }

    /// When something is to be told next, should nothing happen before.
    fn next(&mut self) -> Option<Nanos> {
        let waits = self.listening.iter_mut().filter_map(|listening| {
            while listening.waits.front().is_some_and(|wait| !wait.goes_on()) {
                listening.waits.pop_front();
            }
            listening.waits.front().map(|wait| wait.at)
        });
        waits.min().into_iter().chain(self.pauses.values().copied().min()).min()
    }

    /// How many waits are kept.
    #[cfg(test)]
    pub fn waits_kept(&mut self) -> usize {
        self.listening.iter().map(|listening| listening.waits.len()).sum()
    }

    fn end_pauses(&mut self, now: Nanos) {
        let all = self.pauses.get(&None).copied().unwrap_or(0);
        let mut ended: Vec<(Nanos, Option<Arc<str>>)> = Vec::new();
        self.pauses.retain(|id, &mut until| {
            if until <= now {
                ended.push((until, id.clone()));
            }
            until > now
        });
        ended.sort();
        for (at, id) in ended {
            // Paused with all others, it has not resumed.
            if id.is_none() || at > all {
                self.push(Event { id, at, kind: EventKind::Resumed }, None);
            }
        }
    }

    fn end_waits(&mut self, now: Nanos) {
        let mut long = Vec::new();
        for listening in &mut self.listening {
            while listening.waits.front().is_some_and(|wait| wait.at <= now) {
                let Some(wait) = listening.waits.pop_front().filter(LongWait::waits) else { continue };
                let length = Duration::from_nanos(now.saturating_sub(wait.since));
                let kind = EventKind::Waited { length, units: wait.units };
                long.push((Event { id: Some(wait.route.id.clone()), at: wait.at, kind }, listening.number));
            }
        }
        long.into_iter().for_each(|(event, number)| self.push(event, Some(number)));
    }

    /// In the child of a fork: what was to be told is told in the parent. The thread that forked may be the one that tells.
    pub fn start_anew(&mut self) -> impl Sized + use<> {
        self.teller = self.teller.filter(|&teller| teller == thread::current().id());
        std::mem::take(&mut self.due)
    }
}

impl Shared {
    /// Something has happened.
    pub fn happened(&mut self, id: Option<Arc<str>>, at: Nanos, kind: EventKind) {
        if let Some(events) = &mut self.events {
            events.push(Event { id, at, kind }, None);
        }
    }

    /// A limit is paused until then, or all of them.
    pub fn note_pause(&mut self, id: Option<Arc<str>>, now: Nanos, until: Nanos, reason: &Arc<str>) {
        if let Some(events) = &mut self.events {
            let end = events.pauses.entry(id.clone()).or_default();
            *end = until.max(*end);
            let length = Duration::from_nanos(until.saturating_sub(now));
            events.push(
                Event { id, at: now, kind: EventKind::Paused { length, reason: reason.clone() } },
                None,
            );
            self.resumes_at = self.resumes_at.min(until);
        }
    }

    /// A request waits from `since` on.
    pub fn note_wait(&mut self, since: Nanos, units: u64, route: &Arc<Route>, turn: &Arc<Turn>) {
        for listening in self.events.iter_mut().flat_map(|events| &mut events.listening) {
            listening.expect(since, units, route, turn);
        }
    }

    /// When something is to be told next, should nothing happen before.
    pub fn next_event(&mut self) -> Option<Nanos> {
        self.events.as_mut()?.next()
    }

    /// Collects what is to be told by the clock alone.
    pub fn note_time(&mut self, now: Nanos) {
        if let Some(events) = &mut self.events {
            events.end_waits(now);
            if self.resumes_at <= now {
                events.end_pauses(now);
                self.resumes_at = events.pauses.values().copied().min().unwrap_or(Nanos::MAX);
            }
        }
    }

    /// Whether a pause is over of which this is to be told: a request that enters must not do so unnoticed.
    #[inline]
    pub fn must_tell(&self) -> bool {
        self.resumes_at != Nanos::MAX && self.resumes_at <= self.clock.now()
    }

    /// Whether somebody is to be told something, and no thread does so.
    pub fn has_news(&self) -> bool {
        self.events.as_ref().is_some_and(|events| !events.due.is_empty() && events.teller.is_none())
    }
}

impl Throttler {
    /// Calls `callback` with each event: a pause, its end, use by others, a limit that has changed; and, if `waits_over` is
    /// given, each request that has waited for so long, once, while it waits on.
    ///
    /// It is called without any lock, and may use the throttler: in the thread that made it happen, or in one that waits, for
    /// all events in order, one at a time. If it takes long, that thread is late, and nobody else: up to 10,000 events wait for
    /// it, and later ones are lost. A panic is reported as any is, and goes no further. A callback that keeps the throttler
    /// itself keeps it alive: give it a clone of what it needs, or [remove](Listener::remove) it.
    ///
    /// While nobody waits, nothing is woken: the end of a pause is then told with the next request, or the next call that
    /// changes something. [`Event::at`] says when it was.
    ///
    /// ```
    /// # use sluicegate::{EventKind, Options, RateLimit, Throttler};
    /// # use std::sync::{Arc, Mutex};
    /// # use std::time::Duration;
    /// # let throttler = Throttler::new(&[RateLimit::new("/ping", 20, Duration::from_secs(1))], Options::default())?;
    /// let lines = Arc::new(Mutex::new(Vec::new()));
    /// let log = lines.clone();
    /// let listener = throttler.on_event(Some(Duration::from_secs(5)), move |event| {
    ///     log.lock().unwrap().push(event.to_string());
    /// });
    /// throttler.pause(Some("/ping"), Duration::from_secs(31), "HTTP 429")?;
    /// assert_eq!(*lines.lock().unwrap(), ["\"/ping\" is paused for 31 s: HTTP 429"]);
    /// assert!(listener.remove());
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn on_event(
        &self,
        waits_over: Option<Duration>,
        callback: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Listener {
        let callback: Callback = Arc::new(callback);
        let number = self.locked(|shared, now, effects| {
            let is_first = shared.events.as_ref().is_none_or(|events| events.listening.is_empty());
            // What was paused before anybody listened.
            let pauses = if is_first { shared.gate.pauses(now) } else { Vec::new() };
            let mut waiters: Vec<_> = shared
                .gate
                .waiters()
                .map(|(place, waiter)| {
                    (waiter.since, place.order, waiter.units, shared.gate.route_at(place), waiter.tag.clone())
                })
                .collect();
            waiters.sort_by_key(|&(since, order, ..)| (since, order));
            let events = shared.events.get_or_insert_default();
            events.pauses.extend(pauses);
            shared.resumes_at = events.pauses.values().copied().min().unwrap_or(Nanos::MAX);
            let number = events.next_number;
            events.next_number += 1;
            let long = waits_over.map(nanos);
            let mut new = Listening { number, callback, long, waits: VecDeque::new() };
            for (since, _, units, route, turn) in waiters {
                route.iter().for_each(|route| new.expect(since, units, route, &turn));
                effects.drop_later(turn);
            }
            events.listening.push(new);
            shared.advance(now, effects);
            number
        });
        Listener { throttler: self.downgrade(), number }
    }

    /// Tells what has happened, unless a thread does so already: that one goes on with this.
    #[cold]
    #[inline(never)]
    pub(super) fn tell(&self) {
        if !TELLS_NOTHING.get() {
            self.tell_by(|locks| locks());
        }
    }

    /// The same in a thread that must say where it takes the lock: `within` runs what does.
    pub(crate) fn tell_by(&self, within: impl Fn(&mut dyn FnMut())) {
        let next = |begins: bool| {
            let mut next = None;
            within(&mut || next = self.next_to_tell(begins));
            next
        };
        let mut due = next(true);
        while let Some((event, whom)) = due {
            for callback in whom {
                // The panic hook has reported it. Dropping what was thrown, or a callback that is gone, may panic as well.
                let called = catch_unwind(AssertUnwindSafe(|| callback(&event)));
                drop(catch_unwind(AssertUnwindSafe(|| drop((called, callback)))));
            }
            due = next(false);
        }
    }

    fn next_to_tell(&self, begins: bool) -> Option<(Event, Vec<Callback>)> {
        let mut shared = self.shared.lock();
        let events = shared.events.as_deref_mut()?;
        if begins && events.teller.is_some() {
            return None;
        }
        events.teller = Some(thread::current().id()).filter(|_| !events.due.is_empty());
        let (event, only) = events.due.pop_front()?;
        let whom = |listening: &&Listening| only.is_none_or(|number| number == listening.number);
        let whom: Vec<Callback> =
            events.listening.iter().filter(whom).map(|listening| listening.callback.clone()).collect();
        Some((event, whom))
    }
}
