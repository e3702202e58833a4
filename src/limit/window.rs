//! A limit of any kind, and what it holds: the one thing that the gate knows of limits.

use crate::clock::{Nanos, WallNanos};

use super::bucket::Slope;
use super::listening::down_beside;
use super::others::Others;
use super::resets::Resets;
use super::rolling::Rolling;
use super::server_clock::ServerClock;
use super::stamps::{Settled, Stamps};

/// What of a limit is fixed by the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many units fit.
    pub limit: u64,
    pub span: Span,
}

/// For how long a unit stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// For an interval.
    Rolling(Nanos),
    /// Until the next boundary; with a margin, until it has come by every clock that may be so far from this one.
    Quota { resets: Resets, margin: Nanos },
    /// As so many units drain in an interval.
    Bucket { limit: u64, interval: Nanos },
    /// Until its request has ended.
    Concurrent,
    /// Until the end of the latest window of the server's clock in which its request may have arrived, and a margin longer.
    Fixed { interval: Nanos, margin: Nanos },
    /// Until the end of a window that the first request opens.
    First(Nanos),
}

/// A quota of which the clocks may be apart is so many times as long, or is counted as if it rolled.
const SHORTEST: u64 = 30;

impl Span {
    /// As processes count it that share the limit, whose clocks may be so far apart: no kind lets more through than a
    /// rolling window of the same length. A short quota would lose too much by the margin on both sides of its boundaries.
    pub fn shared(self, apart: Nanos) -> Self {
        match self {
            Self::Bucket { interval, .. } | Self::First(interval) => Self::Rolling(interval),
            Self::Fixed { interval, margin } => Self::Rolling(interval.saturating_add(margin)),
            Self::Quota { resets, .. } if apart > 0 && resets.period.nanos() < SHORTEST * apart => {
                Self::Rolling(resets.period.nanos())
            }
            Self::Quota { resets, .. } => Self::Quota { resets, margin: apart },
            Self::Rolling(_) | Self::Concurrent => self,
        }
    }
}

/// A limit, with the units that it holds.
///
/// Units are *in flight* once taken, and *in the window* once stamped, until they come free.
///
/// The *nominal* limit is that of the table. The *effective* one is never above it: it is what may be used now, and may
/// change many times a second, down to 0. While a limit is *paused*, nothing fits at all. Units of *others* count beside
/// the own ones.
#[derive(Debug)]
pub(crate) struct Window {
    /// One more than what is left of the effective limit by others, or 0 while this is paused: `own units + units < open` is
    /// all that a passing request asks.
    pub(super) open: u64,
    pub(super) in_flight: u64,
    pub(super) stamps: Stamps,
    /// When `open` changes by itself; `Nanos::MAX` for never.
    pub(super) changes_at: Nanos,
    pub(super) nominal: u64,
    /// What somebody else allows of the nominal limit.
    allowed: u64,
    /// What the exchange says that the limit is.
    pub(super) told: u64,
    /// As of the last [`Window::expire`]: when the pause ends; 0 where there is none.
    pub(super) paused_until: Nanos,
    /// When a pause or units of others last ended.
    pub(super) resumed_at: Nanos,
    pub(super) others: Option<Box<Others>>,
    /// Units of others, as of the last [`Window::expire`].
    pub(super) others_units: u64,
    /// Units given back while in flight: so many fewer are stamped by those that leave next.
    pub(super) credit: u64,
    /// Whether the exchange has a counter that falls, also where this counts as rolling.
    pub(super) drains: bool,
}

impl Window {
    pub fn new(shape: Shape) -> Self {
        Self {
            open: shape.limit + 1,
            in_flight: 0,
            stamps: Stamps::holding(shape.span, 0, 0),
            changes_at: Nanos::MAX,
            nominal: shape.limit,
            allowed: u64::MAX,
            told: u64::MAX,
            paused_until: 0,
            resumed_at: 0,
            others: None,
            others_units: 0,
            credit: 0,
            drains: matches!(shape.span, Span::Bucket { .. }),
        }
    }

    /// What the exchange counts by, whatever this counts as.
    pub fn counts_by(&mut self, span: Span) {
        self.drains = matches!(span, Span::Bucket { .. });
    }

    /// Takes another shape; what is used stays used, what is allowed of the limit stays allowed, and a pause goes on. What
    /// the exchange said of the limit holds until the table has another one.
    /// Should the kind or the boundaries change, what is in the window counts as stamped now. A quota must be observed
    /// after that.
    pub fn reshape(&mut self, now: Nanos, shape: Shape) {
        self.stamps.reshape(now, shape.span);
        if self.nominal != shape.limit {
            // The table knows better now, until the exchange says it again.
            self.told = u64::MAX;
        }
        self.nominal = shape.limit;
        self.stamps.drain_by(now, self.told_limit());
        let (latest, interval) = (self.frees_at(now), self.interval());
        // What others have used of a bucket drains with the rest.
        if self.others_units > 0 && self.stamps.stamp_foreign(now, self.others_units) {
            self.others = None;
        }
        if let Some(others) = &mut self.others {
            others.end_by(latest, interval);
        }
        self.recount(now);
    }

    /// Allows so much of the nominal limit from now on, 0 included; more than that is all of it. What is used stays used.
    pub fn allow(&mut self, units: u64) {
        self.allowed = units;
        self.reopen();
    }

    /// What was last allowed of the nominal limit.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// Counts as it must where other processes take from the same limit, whose clocks may be so far apart.
    pub fn share(&mut self, now: Nanos, apart: Nanos) {
        let interval = self.stamps.interval();
        match &self.stamps {
            Stamps::Bucket(_) | Stamps::First(_) => self.stamps.reshape(now, Span::Rolling(interval)),
            Stamps::Fixed(fixed) => {
                let longest = fixed.longest();
                self.stamps.reshape(now, Span::Rolling(longest));
            }
            Stamps::Quota(quota) => {
                let span = Span::Quota { resets: quota.resets(), margin: 0 };
                self.stamps.reshape(now, span.shared(apart));
            }
            Stamps::Rolling(_) | Stamps::Concurrent(_) => {}
        }
    }

    /// A rolling limit is so large at most and its interval so long at least, until it takes another shape.
    pub fn tighten(&mut self, now: Nanos, limit: u64, interval: Nanos) {
        if let Stamps::Rolling(rolling) = &self.stamps {
            let span = Span::Rolling(rolling.interval().max(interval));
            self.reshape(now, Shape { limit: self.nominal.min(limit), span });
        } else {
            self.nominal = self.nominal.min(limit);
            self.reopen();
        }
    }

    pub(super) fn reopen(&mut self) {
        let free = self.limit().saturating_sub(self.others_units);
        self.open = if self.paused_until > 0 { 0 } else { free + 1 };
    }

    /// How many units the table says that fit.
    #[inline]
    pub fn nominal(&self) -> u64 {
        self.nominal
    }

    /// The effective limit: how many units fit when this is not paused. It may be less than what is used, and 0.
    #[inline]
    pub fn limit(&self) -> u64 {
        self.nominal.min(self.allowed).min(self.told)
    }

    #[inline]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// How long most windows are.
    pub fn interval(&self) -> Nanos {
        self.stamps.interval()
    }

    pub fn is_quota(&self) -> bool {
        matches!(self.stamps, Stamps::Quota(_))
    }

    /// The window of a limit that rolls, unit by unit.
    pub fn rolling_mut(&mut self) -> Option<&mut Rolling> {
        match &mut self.stamps {
            Stamps::Rolling(rolling) => Some(rolling),
            _ => None,
        }
    }

    /// Tells a quota what the clock on the wall shows; nothing else about it is right for `now` before that.
    #[inline]
    pub fn observe(&mut self, now: Nanos, wall: WallNanos) {
        let before = self.stamps.window().filter(|_| self.others.is_some());
        self.stamps.observe(now, wall, self.in_flight);
        if let Some(before) = before {
            self.move_others(now, before);
        }
    }

    /// Tells a limit that follows the server's clock what is known of it.
    pub fn learn(&mut self, now: Nanos, clock: ServerClock) {
        self.stamps.learn(now, clock);
    }

    /// Whether units are held until their request ends, whatever the [`Hold`](crate::Hold).
    pub fn is_concurrent(&self) -> bool {
        matches!(self.stamps, Stamps::Concurrent(_))
    }

    /// Whether it must know when each request enters.
    pub fn needs_entering(&self) -> bool {
        matches!(self.stamps, Stamps::First(_))
    }

    /// The level of a bucket, with all that is in flight draining from `answered` on; `None` for all other kinds.
    pub fn slope(&self, answered: Nanos) -> Option<Slope> {
        self.stamps.slope(self.in_flight, answered)
    }

    /// Drops what has left the window by `now`, and ends a pause whose time has come.
    #[inline]
    pub fn expire(&mut self, now: Nanos) {
        self.stamps.expire(now, self.in_flight);
        if self.changes_at <= now {
            self.recount(now);
        }
    }

    /// When units stamped at `at` have surely come free: later for a later `at`, or at the same instant.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        self.stamps.frees_at(at)
    }

    /// When units are first free that are stamped at `at`.
    pub fn first_frees_at(&self, at: Nanos) -> Nanos {
        self.stamps.first_frees_at(at)
    }

    /// When units stamped at `at` have come free and been stamped anew so many times.
    pub fn frees_after(&self, at: Nanos, rounds: u64) -> Nanos {
        /// Boundaries further ahead are taken to be as far apart as most are.
        const COUNTED: u64 = 1_000;
        let counted = if self.is_quota() { rounds.min(COUNTED) } else { 0 };
        let at = (0..counted).fold(at, |at, _| self.frees_at(at));
        at.saturating_add(self.interval().saturating_mul(rounds - counted))
    }

    /// Units used up.
    #[inline]
    pub fn used(&self) -> u64 {
        self.stamps.units().saturating_add(self.in_flight).saturating_add(self.others_units)
    }

    /// The same without those of others.
    pub fn own(&self) -> u64 {
        self.stamps.known_units().0.saturating_add(self.in_flight)
    }

    /// Whether `units` more fit, as of the last [`Window::expire`]. None at all fit wherever no pause is on, also where more
    /// is used than there is.
    #[inline]
    pub fn fits(&self, units: u64) -> bool {
        (self.stamps.units() + self.in_flight).saturating_add(units) < self.open
            || units == 0 && self.open > 0
    }

    /// Takes units: in flight from now on.
    #[inline]
    pub fn take(&mut self, units: u64) {
        self.stamps.enter(self.in_flight);
        self.in_flight += units;
    }

    /// Gives units in flight back as if they had never been taken.
    #[inline]
    pub fn give_back(&mut self, units: u64) {
        if units > self.in_flight {
            return self.give_back_credited(units);
        }
        self.in_flight -= units;
    }

    /// Puts units into the window: those of a request that has neither an answer nor an end.
    #[inline]
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        self.stamps.enter(self.in_flight);
        self.stamps.stamp(now, units);
    }

    /// Moves units from in flight to in the window.
    #[inline]
    pub fn settle(&mut self, now: Nanos, units: u64) {
        if self.credit > 0 || units > self.in_flight {
            return self.settle_credited(now, units);
        }
        self.in_flight -= units;
        self.stamps.stamp(now, units);
    }

    /// Moves everything in flight into the window.
    pub fn settle_all(&mut self, now: Nanos) {
        self.credit = 0;
        self.settle(now, self.in_flight);
    }

    /// What is in the window, oldest first; of others' nothing.
    pub fn settled(&self) -> Vec<Settled> {
        self.stamps.settled()
    }

    /// Takes the oldest units out of the window: somebody else counts them from now on.
    pub fn hand_over(&mut self, units: u64) {
        self.stamps.hand_over(units);
    }

    /// Nothing is in flight or in the window any more.
    pub fn forget_used(&mut self) {
        (self.in_flight, self.credit, self.others, self.others_units) = (0, 0, None, 0);
        self.reopen();
        self.stamps.hand_over(u64::MAX);
    }

    /// Units of today's window that will still be in it at `at`.
    pub fn in_window_at(&self, at: Nanos) -> u64 {
        let others = self.others.as_ref().map_or(0, |others| others.units_at(at));
        self.stamps.units_at(at).saturating_add(others)
    }

    /// The first instant at which at most `units` of today's window are left in it and no pause is on; 0 if that is so
    /// already.
    pub fn window_down_to(&self, units: u64) -> Nanos {
        let down = match &self.others {
            None => self.stamps.down_to(units),
            Some(others) => down_beside(others, |units| self.stamps.down_to(units), units),
        };
        down.max(self.paused_until)
    }

    /// When at most `room` units are used and no pause is on, if all that is in flight is answered at `answered`.
    pub fn used_down_to(&self, room: u64, answered: Nanos) -> Nanos {
        if let Some(slope) = self.slope(answered) {
            return slope.down_to(slope.amount(room)).max(self.paused_until);
        }
        match room.checked_sub(self.in_flight) {
            Some(window) => self.window_down_to(window),
            None => {
                let free = self.frees_at(answered).max(self.paused_until);
                let others = self.others.as_ref();
                others.map_or(free, |others| down_beside(others, |_| free, room))
            }
        }
    }

    /// Whether nothing is used or paused, nor would be used in the longest interval that it ever had.
    pub fn is_unused(&mut self, now: Nanos) -> bool {
        self.expire(now);
        self.in_flight == 0 && self.paused_until == 0 && self.others_units == 0 && self.stamps.is_unused(now)
    }

    /// When units last left the window, a quota's window ended in which any were used, or a pause or units of others ended,
    /// as of the last [`Window::expire`] or [`Window::observe`]; 0 if nothing has.
    #[inline]
    pub fn expired_at(&self) -> Nanos {
        self.stamps.expired_at().max(self.resumed_at)
    }

    /// When units next leave the window after `at`, or could, were those in flight answered before that; or when a pause
    /// ends.
    pub fn next_change(&self, at: Nanos) -> Option<Nanos> {
        let stamps = if self.is_quota() {
            let all = (self.used() > 0).then(|| self.frees_at(at));
            self.stamps.next_expiry(at).into_iter().chain(all).min()
        } else {
            self.stamps.next_event(at)
        };
        let resumes = Some(self.paused_until).filter(|&until| until > at);
        let others = self.others.as_ref().and_then(|others| others.next_end(at));
        stamps.into_iter().chain(resumes).chain(others).min()
    }

    /// When the next units leave the window after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        let others = self.others.as_ref().and_then(|others| others.next_end(at));
        self.stamps.next_expiry(at).into_iter().chain(others).min()
    }
}
