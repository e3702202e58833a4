//! What a limit holds, by example: intervals, changes of shape, pauses, units of others.

use crate::clock::Nanos;

use super::period::Period;
use super::resets::Resets;
use super::window::{Shape, Span, Window};
use super::zone::Zone;

const ROLLING: Shape = Shape { limit: 5, span: Span::Rolling(10) };

fn quota() -> Shape {
    let zone = Zone::named("UTC").expect("UTC");
    Shape { limit: 5, span: Span::Quota { resets: Resets { period: Period::Span(10), zone }, margin: 0 } }
}

fn rolling(limit: u64, interval: Nanos) -> Window {
    Window::new(Shape { limit, span: Span::Rolling(interval) })
}

#[test]
fn a_unit_leaves_at_exactly_one_interval() {
    let mut window = rolling(1, 10);
    window.stamp(5, 1);
    window.expire(14);
    assert!(!window.fits(1));
    window.expire(15);
    assert!(window.fits(1));
}

#[test]
fn in_flight_units_stay_until_settled_and_then_one_interval() {
    let mut window = rolling(2, 10);
    window.take(2);
    window.expire(1_000);
    assert!(!window.fits(1));
    window.settle(1_000, 1);
    window.give_back(1);
    assert!(window.fits(1) && !window.fits(2));
    assert_eq!(window.window_down_to(0), 1_010);
}

#[test]
fn a_changed_interval_applies_to_what_is_in_the_window() {
    let mut window = rolling(1, 10);
    window.stamp(0, 1);
    window.reshape(0, Shape { limit: 1, span: Span::Rolling(20) });
    window.expire(19);
    assert!(!window.fits(1));
    window.reshape(19, Shape { limit: 1, span: Span::Rolling(5) });
    window.expire(19);
    assert!(window.fits(1));
}

#[test]
fn endless_limits_do_not_overflow() {
    let limit = crate::MAX_LIMIT;
    let mut window = rolling(limit, 10);
    for now in (0..1_000).step_by(10) {
        window.expire(now);
        assert!(window.fits(limit) && !window.fits(limit + 1));
        window.stamp(now, limit);
        assert!(!window.fits(1));
        assert_eq!(window.in_window_at(now + 9), limit);
    }
}

#[test]
fn a_change_of_kind_keeps_what_is_used() {
    for (before, after, free_at) in [(ROLLING, quota(), 10), (quota(), ROLLING, 17)] {
        let mut window = Window::new(before);
        window.observe(7, 7);
        window.take(1);
        window.stamp(7, 2);
        window.reshape(7, after);
        window.observe(7, 7);
        assert_eq!((window.used(), window.in_flight()), (3, 1));
        assert_eq!(window.window_down_to(0), free_at);
    }
}

#[test]
fn the_same_boundaries_keep_the_window_as_it_is() {
    let mut window = Window::new(quota());
    window.observe(7, 7);
    window.stamp(7, 2);
    window.reshape(9, Shape { limit: 3, ..quota() });
    assert_eq!((window.limit(), window.used(), window.frees_at(9)), (3, 2, 10));
}

#[test]
fn less_may_be_used_of_a_limit_and_all_of_it_again() {
    let mut window = rolling(5, 10);
    window.stamp(0, 3);
    window.allow(2);
    assert_eq!((window.limit(), window.nominal(), window.used(), window.fits(1)), (2, 5, 3, false));
    window.reshape(0, Shape { limit: 9, span: Span::Rolling(10) });
    assert_eq!((window.limit(), window.nominal()), (2, 9));
    window.allow(u64::MAX);
    assert!(window.fits(6) && !window.fits(7));
}

#[test]
fn rounds_of_either_kind_come_free_one_after_the_other() {
    let rolling = Window::new(ROLLING);
    assert_eq!(rolling.frees_after(7, 3), 37);
    let mut window = Window::new(quota());
    window.observe(7, 7);
    assert_eq!((window.frees_after(7, 0), window.frees_after(7, 3)), (7, 30));
    assert_eq!(window.frees_after(7, 5_000), 50_000);
}
