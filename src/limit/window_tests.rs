//! Limits of any kind against plain lists: units in flight and in the window, those of others, pauses, less of a limit, new
//! shapes, in any order.

use proptest::prelude::*;

use crate::clock::{Nanos, WallNanos};

use super::period::Period;
use super::resets::Resets;
use super::window::{Shape, Span, Window};
use super::zone::Zone;

/// Rolling windows begin with it: what would have left the longest span that a window ever had is forgotten.
const LONGEST: Nanos = 15;

#[derive(Clone, Copy, Debug)]
enum Action {
    Wait(Nanos),
    Take(u64),
    Settle,
    GiveBack,
    Stamp(u64),
    Allow(u64),
    Pause(Nanos),
    Foreign(u64, Nanos),
    /// Another limit and span; of a quota or not.
    Reshape(u64, Nanos, bool),
}

/// The same by lists. The clock on the wall shows `now`, so that boundaries are multiples of a quota's period.
struct Lists {
    /// How far other clocks may be from it, where a quota is longer than twice that.
    apart: Nanos,
    limit: u64,
    allowed: u64,
    span: Nanos,
    quota: bool,
    now: Nanos,
    paused_until: Nanos,
    in_flight: u64,
    /// When each unit was stamped.
    stamps: Vec<Nanos>,
    /// When each unit of others ends.
    foreign: Vec<Nanos>,
}

impl Lists {
    fn end(&self, stamp: Nanos) -> Nanos {
        if !self.quota {
            return stamp + self.span;
        }
        let margin = margin(self.apart, self.span);
        ((stamp + margin) / self.span + 1) * self.span + margin
    }

    fn in_window_at(&self, at: Nanos) -> u64 {
        let own = self.stamps.iter().filter(|&&stamp| self.end(stamp) > at).count();
        let others = self.foreign.iter().filter(|&&end| end > at).count();
        (own + others) as u64
    }

    fn used(&self) -> u64 {
        self.in_window_at(self.now) + self.in_flight
    }

    fn effective(&self) -> u64 {
        self.limit.min(self.allowed)
    }

    fn fits(&self, units: u64) -> bool {
        self.paused_until <= self.now && self.used() + units <= self.effective()
    }

    /// The first instant from now on at which at most so many units of the window are left, and no pause is on.
    fn down_to(&self, units: u64) -> Nanos {
        let is_so = |&at: &Nanos| at >= self.paused_until && self.in_window_at(at) <= units;
        (self.now..).find(is_so).expect("all units come free")
    }

    fn next_change(&self) -> Option<Nanos> {
        let ends = self.stamps.iter().map(|&stamp| self.end(stamp));
        // Units in flight over a boundary are what the next window begins with.
        let boundary = Some(self.end(self.now)).filter(|_| self.quota && self.in_flight > 0);
        let others = self.foreign.iter().copied();
        ends.chain(others).chain(boundary).chain([self.paused_until]).filter(|&at| at > self.now).min()
    }
}

fn margin(apart: Nanos, span: Nanos) -> Nanos {
    apart.min((span - 1) / 2)
}

fn shape(apart: Nanos, limit: u64, span: Nanos, quota: bool) -> Shape {
    let zone = Zone::named("UTC").expect("UTC");
    let resets = Resets { period: Period::Span(span), zone };
    let margin = margin(apart, span);
    Shape { limit, span: if quota { Span::Quota { resets, margin } } else { Span::Rolling(span) } }
}

fn steps() -> impl Strategy<Value = Vec<Action>> {
    let step = prop_oneof![
        4 => (0..8 as Nanos).prop_map(Action::Wait),
        2 => (1..4_u64).prop_map(Action::Take),
        2 => Just(Action::Settle),
        1 => Just(Action::GiveBack),
        2 => (1..4_u64).prop_map(Action::Stamp),
        2 => prop_oneof![0..8_u64, Just(u64::MAX)].prop_map(Action::Allow),
        2 => (0..30 as Nanos).prop_map(Action::Pause),
        2 => (1..6_u64, 0..30 as Nanos).prop_map(|(units, later)| Action::Foreign(units, later)),
        2 => (1..8_u64, 1..=LONGEST, prop::bool::weighted(0.25))
            .prop_map(|(limit, span, quota)| Action::Reshape(limit, span, quota)),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn answers_equal_plain_lists_whatever_is_done_to_a_limit(
        quota in any::<bool>(), apart in prop_oneof![Just(0), 1..4 as Nanos], steps in steps(),
    ) {
        // Late enough that a stamp of the longest interval ago is none before the clock's start.
        let now = 100;
        let mut window = Window::new(shape(apart, 5, LONGEST, quota));
        let mut lists = Lists {
            apart, limit: 5, allowed: u64::MAX, span: LONGEST, quota, now, paused_until: 0, in_flight: 0, stamps: Vec::new(),
            foreign: Vec::new(),
        };
        for step in steps {
            // As the gate has it: whatever happens, the window has heard of the time first.
            window.observe(lists.now, lists.now as WallNanos);
            window.expire(lists.now);
            match step {
                Action::Wait(wait) => lists.now += wait,
                Action::Take(units) => {
                    window.take(units);
                    lists.in_flight += units;
                }
                Action::Settle => {
                    window.settle_all(lists.now);
                    let (now, units) = (lists.now, std::mem::take(&mut lists.in_flight));
                    lists.stamps.extend((0..units).map(|_| now));
                }
                Action::GiveBack => {
                    window.give_back(lists.in_flight.min(1));
                    lists.in_flight -= lists.in_flight.min(1);
                }
                Action::Stamp(units) => {
                    window.stamp(lists.now, units);
                    lists.stamps.extend((0..units).map(|_| lists.now));
                }
                Action::Allow(units) => {
                    window.allow(units);
                    lists.allowed = units;
                }
                Action::Pause(length) => {
                    window.pause(lists.now + length);
                    lists.paused_until = lists.paused_until.max(lists.now + length);
                }
                Action::Foreign(units, later) => {
                    window.stamp_foreign(lists.now, units, Some(lists.now + later));
                    let end = (lists.now + later).min(lists.end(lists.now));
                    lists.foreign.extend((0..units).map(|_| end));
                }
                Action::Reshape(limit, span, quota) => {
                    let span = if quota || !lists.quota { span } else { LONGEST };
                    window.reshape(lists.now, shape(apart, limit, span, quota));
                    if quota != lists.quota || quota && span != lists.span {
                        let units = lists.stamps.iter().filter(|&&stamp| lists.end(stamp) > lists.now).count();
                        lists.stamps = vec![lists.now; units];
                    }
                    (lists.limit, lists.span, lists.quota) = (limit, span, quota);
                    let latest = lists.end(lists.now);
                    lists.foreign.iter_mut().for_each(|end| *end = latest.min(*end));
                }
            }
            let now = lists.now;
            window.observe(now, now as WallNanos);
            window.expire(now);
            prop_assert_eq!((window.nominal(), window.limit()), (lists.limit, lists.effective()));
            prop_assert_eq!((window.used(), window.in_flight()), (lists.used(), lists.in_flight));
            for units in 1..9 {
                prop_assert_eq!(window.fits(units), lists.fits(units), "{} units", units);
                prop_assert_eq!(window.window_down_to(units - 1).max(now), lists.down_to(units - 1), "down to {}", units);
            }
            for later in 0..32 {
                prop_assert_eq!(window.in_window_at(now + later), lists.in_window_at(now + later), "{} later", later);
            }
            prop_assert_eq!(window.next_change(now), lists.next_change());
            prop_assert_eq!(window.frees_at(now), lists.end(now));
            prop_assert!(window.expired_at() <= now);
        }
    }
}
