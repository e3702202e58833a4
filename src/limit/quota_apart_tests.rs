//! Quotas of processes whose clocks may be apart: no unit comes free before its window is over by every clock.

use proptest::prelude::*;

use crate::clock::{Nanos, WallNanos};

use super::period::{Period, SECOND};
use super::resets::Resets;
use super::stamps::{End, Settled};
use super::window::{Shape, Span, Window};
use super::zone::Zone;

const MINUTE: Nanos = 60 * SECOND;

fn resets(period: Nanos) -> Resets {
    Resets { period: Period::Span(period), zone: Zone::named("UTC").expect("UTC") }
}

fn quota(limit: u64, period: Nanos, margin: Nanos) -> Window {
    Window::new(Shape { limit, span: Span::Quota { resets: resets(period), margin } })
}

fn wall(nanos: Nanos) -> WallNanos {
    nanos as WallNanos
}

#[test]
fn a_window_ends_later_and_what_came_near_its_end_counts_in_the_next() {
    let mut quota = quota(5, MINUTE, 2 * SECOND);
    let shown = |now| 10 * wall(MINUTE) + wall(now);
    for (now, units) in [(0, 0), (58 * SECOND - 1, 3), (58 * SECOND, 2)] {
        quota.observe(now, shown(now));
        quota.stamp(now, units);
    }
    let of = |units, minute| Settled { units, end: End::Boundary(minute * wall(MINUTE)) };
    assert_eq!(quota.settled(), [of(3, 11), of(2, 12)]);
    assert_eq!((quota.next_change(58 * SECOND), quota.window_down_to(1)), (Some(62 * SECOND), 122 * SECOND));
    let states = [(62 * SECOND - 1, 5), (62 * SECOND, 2), (122 * SECOND - 1, 2), (122 * SECOND, 0)];
    for (now, used) in states {
        quota.observe(now, shown(now));
        assert_eq!(quota.used(), used, "at {now}");
    }
}

#[test]
fn the_oldest_units_are_handed_over_first() {
    let mut quota = quota(5, MINUTE, 2 * SECOND);
    for (now, units) in [(0, 2), (59 * SECOND, 2)] {
        quota.observe(now, wall(now));
        quota.stamp(now, units);
    }
    quota.hand_over(3);
    assert_eq!(quota.settled(), [Settled { units: 1, end: End::Boundary(2 * wall(MINUTE)) }]);
}

#[test]
fn short_quotas_roll_where_clocks_may_be_apart_and_long_ones_get_the_margin() {
    let of = |period| Span::Quota { resets: resets(period), margin: 0 };
    assert_eq!(of(SECOND).shared(0), of(SECOND), "one clock");
    assert_eq!(of(59 * SECOND).shared(2 * SECOND), Span::Rolling(59 * SECOND));
    let margin = 2 * SECOND;
    assert_eq!(of(MINUTE).shared(margin), Span::Quota { resets: resets(MINUTE), margin });
    let mut short = quota(5, SECOND, 0);
    short.share(0, margin);
    assert!(!short.is_quota());
}

proptest! {
    /// Whatever the other clock shows: no unit is free before the window is over that it came in by that clock.
    #[test]
    fn a_unit_is_free_once_its_window_is_over_by_every_clock(
        margin in 1..6_u64, period in 13..40_u64, ahead in -5..=5_i64, stamps in prop::collection::vec(0..30_u64, 1..12),
    ) {
        let ahead = ahead.clamp(-wall(margin), wall(margin));
        let mut quota = quota(100, period, margin);
        let window = |now: Nanos| (1_000 + wall(now) + ahead) / wall(period);
        let (mut at, mut taken) = (0, Vec::new());
        for wait in stamps {
            for now in at..=at + wait {
                quota.observe(now, 1_000 + wall(now));
                let open = taken.iter().filter(|&&taken| window(taken) >= window(now)).count();
                let most = taken.iter().filter(|&&taken| now - taken < period + 2 * margin).count();
                prop_assert!(open as u64 <= quota.used() && quota.used() <= most as u64, "at {}", now);
            }
            at += wait;
            quota.stamp(at, 1);
            taken.push(at);
        }
    }
}
