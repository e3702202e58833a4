//! What is in the window of a rolling limit, and when it leaves.

use proptest::prelude::*;

use super::*;

#[test]
fn what_left_a_shorter_window_is_in_the_longer_one_again() {
    let mut window = Rolling::new(10);
    window.stamp(0, 1);
    window.stamp(5, 2);
    window.reshape(6, 1);
    window.expire(6);
    assert_eq!(window.units(), 0);
    window.stamp(7, 3);
    window.reshape(9, 4);
    assert_eq!((window.units(), window.down_to(3)), (3, 0));
    assert_eq!(window.down_to(0), 11);
    window.reshape(9, 10);
    assert_eq!(window.units(), 6);
    assert_eq!([5, 3, 0].map(|units| window.down_to(units)), [10, 15, 17]);
    window.expire(10);
    assert_eq!(window.units(), 5);
}

#[test]
fn a_shortened_window_keeps_a_bounded_history() {
    let day = 86_400_000_000_000;
    let mut window = Rolling::new(day);
    window.reshape(0, 1);
    for i in 0..400_000 {
        window.expire(i * (day / 400_000));
        window.stamp(i * (day / 400_000), 1);
    }
    assert!(window.left.len() <= 2 * EXACT + 1, "{} stamps", window.left.len());
    window.reshape(day - 1, day);
    assert_eq!(window.units(), 400_000);
}

#[test]
fn stamps_tell_what_came_since_the_last_rewrite() {
    let mut window = Rolling::new(10);
    window.stamp(1, 2);
    window.stamp(4, 3);
    assert_eq!(window.since_rewritten().collect::<Vec<_>>(), [(1, 2), (4, 3)]);
    window.expire(11);
    assert_eq!(window.since_rewritten().collect::<Vec<_>>(), [(4, 3)]);
    window.rewrite(12, [(2, 5), (5, 1), (12, 2)].into_iter());
    assert_eq!(window.since_rewritten().count(), 0);
    // What was stamped at 2 has left at 12; what comes at 12 shares an entry with what was written there.
    assert_eq!(window.units(), 3);
    window.stamp(12, 4);
    window.stamp(13, 1);
    assert_eq!(window.since_rewritten().collect::<Vec<_>>(), [(12, 4), (13, 1)]);
    window.expire(22);
    assert_eq!((window.units(), window.since_rewritten().collect::<Vec<_>>()), (1, vec![(13, 1)]));
}

#[test]
fn a_rewritten_window_cannot_overflow() {
    let mut window = Rolling::new(10);
    window.rewrite(0, [(0, u64::MAX), (0, u64::MAX)].into_iter());
    assert_eq!(window.units(), crate::MAX_LIMIT);
}

#[test]
fn a_full_day_of_charges_stays_within_two_mebibytes_and_lets_nothing_through_early() {
    let day = 86_400_000_000_000;
    let (charges, gap) = (1_000_000, day / 1_000_000);
    let mut window = Rolling::new(day);
    for i in 0..charges {
        window.expire(i * gap);
        window.stamp(i * gap, 1);
    }
    assert!(window.stamps.len() <= 2 * EXACT + 1, "{} stamps", window.stamps.len());
    assert!(window.stamps.len() * size_of::<Stamp>() <= (2 << 20) + 16);
    for i in (0..charges).step_by(997) {
        let kept = window.units_at(i * gap + day - 1);
        assert!(kept >= charges - i, "{kept} of the {} that must still be there", charges - i);
        let late = window.units_at(i * gap + day + day / EXACT as u64);
        assert!(late < charges - i, "{late} left after the allowed lateness");
    }
}

#[test]
fn the_oldest_units_are_taken_back_and_no_more_than_there_are() {
    let mut window = Rolling::new(10);
    [(1, 2), (4, 3), (6, 1)].into_iter().for_each(|(at, units)| window.stamp(at, units));
    assert_eq!(window.take_back(3), 3);
    assert_eq!((window.units(), window.down_to(0), window.units_at(11)), (3, 16, 3));
    assert_eq!(window.ends().collect::<Vec<_>>(), [(14, 2), (16, 1)]);
    window.expire(11);
    assert_eq!((window.take_back(9), window.units(), window.next_expiry(11)), (3, 0, None));
    window.stamp(12, 1);
    assert_eq!((window.units(), window.down_to(0)), (1, 22));
}

#[test]
fn what_has_left_lately_is_known_from_when_it_is_remembered_on() {
    let mut window = Rolling::new(10);
    [(1, 2), (4, 3), (6, 1)].into_iter().for_each(|(at, units)| window.stamp(at, units));
    window.expire(11);
    window.remember(11, 5);
    assert_eq!([10, 11].map(|since| window.units_since(since)), [None, Some(4)]);
    window.expire(16);
    assert_eq!([11, 13, 14, 16].map(|since| window.units_since(since)), [Some(4), Some(4), Some(1), Some(0)]);
}

proptest! {
    /// Whichever units it was that were not used, never fewer count than were.
    #[test]
    fn what_is_left_after_units_are_taken_back_is_what_may_be_there_at_each_instant(
        charges in prop::collection::vec((0..20u64, 1..5u64), 1..12),
        (rewritten, back, now) in (0..60u64, 0..30u64, 0..100u64),
    ) {
        let mut window = Rolling::new(30);
        let mut at = 0;
        for (gap, units) in charges {
            if (at..at + gap).contains(&rewritten) {
                let kept: Vec<_> = window.ends().map(|(end, units)| (end - 30, units)).collect();
                window.rewrite(at, kept.into_iter());
            }
            at += gap;
            window.stamp(at, units);
        }
        window.expire(at.max(now));
        let before: Vec<_> = (0..400).map(|at| window.units_at(at)).collect();
        let (units, own) = (window.units(), window.since_rewritten().map(|(_, units)| units).sum::<u64>());
        let done = window.take_back(back);
        prop_assert_eq!(done, back.min(units));
        for (at, before) in before.into_iter().enumerate() {
            prop_assert_eq!(window.units_at(at as Nanos), before.min(units - done));
        }
        let left = window.since_rewritten().map(|(_, units)| units).sum::<u64>();
        prop_assert_eq!(left, own.min(units - done));
        prop_assert_eq!(window.ends().map(|(_, units)| units).sum::<u64>(), window.units());
    }

    #[test]
    fn a_changed_interval_counts_as_if_it_had_always_been_so(
        steps in prop::collection::vec((0..6_u64, 0..4_u64, 1..20_u64), 1..40),
    ) {
        let mut window = Rolling::new(20);
        let (mut list, mut now) = (Vec::new(), 0);
        for (wait, units, interval) in steps {
            now += wait;
            window.expire(now);
            window.stamp(now, units);
            list.extend((0..units).map(|_| now));
            window.reshape(now, interval);
            window.expire(now);
            let left = list.iter().filter(|&&stamp| stamp + interval > now).count() as u64;
            prop_assert_eq!(window.units(), left);
        }
    }

    #[test]
    fn answers_equal_a_plain_list_of_stamps(
        interval in 1..20_u64,
        steps in prop::collection::vec((0..6_u64, 0..4_u64), 1..60),
        probe in 0..40_u64,
        down_to in 0..10_u64,
    ) {
        let mut window = Rolling::new(interval);
        let (mut list, mut now) = (Vec::new(), 0);
        for (wait, units) in steps {
            now += wait;
            window.expire(now);
            window.stamp(now, units);
            list.extend((0..units).map(|_| now + interval));
            let left_at = |at: u64| list.iter().filter(|&&end| end > at).count() as u64;
            prop_assert_eq!(window.units(), left_at(now));
            prop_assert_eq!(window.units_at(now + probe), left_at(now + probe));
            let free = (now..).find(|&at| left_at(at) <= down_to).expect("all leave");
            prop_assert_eq!(window.down_to(down_to).max(now), free);
            let next = list.iter().copied().filter(|&end| end > now + probe).min();
            prop_assert_eq!(window.next_expiry(now + probe), next);
        }
    }
}

#[test]
fn units_end_in_time_after_the_interval_was_made_shorter_and_after_the_window_was_empty() {
    let mut rolling = Rolling::new(10);
    rolling.stamp(5, 2);
    rolling.expire(6);
    rolling.reshape(7, 3);
    rolling.expire(8);
    assert_eq!(rolling.units(), 0);
    rolling.stamp(20, 1);
    rolling.expire(22);
    assert_eq!(rolling.units(), 1);
    rolling.expire(23);
    assert_eq!(rolling.units(), 0);
}
