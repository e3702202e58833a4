//! Limits that change while the table stays, and requests of several ranks, against the schedule made by brute force.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Clock;
use crate::error::Error;
use crate::limit::RateLimit;

use super::brute_force::brute_force;
use super::enter::{Decided, Gate};
use super::model::{Run, World};
use super::plan::NEVER;
use super::queue::{Rank, Waiter};
use super::ranked_worlds::changing_worlds;
use super::route::Route;
use super::table::{Hold, Options};

/// `PROPTEST_CASES` asks for more.
fn thorough() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(3_000), ..config }
}

proptest! {
    #![proptest_config(thorough())]

    /// I2, I3, I4 with ranks, limits of which less may be used, or nothing, pauses, and units of others.
    #[test]
    fn starts_equal_the_schedule_whatever_becomes_of_the_limits(
        world in changing_worlds(25), deadlines in any::<bool>(),
    ) {
        let mut world = World { plans_for: None, ..world };
        world.requests.iter_mut().for_each(|request| request.abandons &= !deadlines);
        let mut run = Run::new(&world, Hold::Start);
        run.deadlines = deadlines;
        let run = run.go(false, None);
        prop_assert_eq!(&run.started, &brute_force(&world, deadlines));
    }

    /// I6: an end of a pause and of somebody else's units are wake-ups like others, and there are no more.
    #[test]
    fn wake_ups_are_known_instants_whatever_becomes_of_the_limits(world in changing_worlds(25)) {
        for hold in [Hold::Start, Hold::Response] {
            let run = Run::new(&world, hold).go(false, None);
            let polled = Run::new(&world, hold).go(true, None);
            prop_assert_eq!(&run.started, &polled.started);
            let known = run.known_instants();
            prop_assert!(run.woken.is_sorted_by(|a, b| a < b), "{:?}", run.woken);
            prop_assert!(run.woken.iter().all(|at| known.contains(at)), "{:?} of {:?}", run.woken, known);
        }
    }
}

const TEN: Duration = Duration::from_nanos(10);

fn gate(hold: Hold) -> Gate<&'static str> {
    let table = [RateLimit::new("pool", 8, TEN), RateLimit::new("a", 8, TEN).weight(0).link("pool", 4)];
    Gate::new(&table, Options { hold, ..Options::default() }).expect("a fine table")
}

fn join(gate: &mut Gate<&'static str>, id: &str, rank: Rank, tag: &'static str) {
    let route = gate.lookup(id).expect("known").clone();
    gate.join(&route, rank, Waiter { units: 1, since: 0, deadline: None, tag });
}

fn advance(gate: &mut Gate<&'static str>, now: u64) -> Vec<&'static str> {
    let mut decided = Vec::new();
    gate.advance(now, &mut decided);
    decided.into_iter().map(|one| one.waiter.tag).collect()
}

#[test]
fn a_request_above_what_may_be_used_waits_for_more_and_holds_up_nobody() {
    for (hold, plans_for) in [(Hold::Start, (64, 32)), (Hold::Response, (64, 32)), (Hold::Response, (0, 0))] {
        let mut gate = gate(hold);
        gate.walk.plans_for = plans_for;
        let [pool, a] = ["pool", "a"].map(|id| gate.lookup(id).expect("known").clone());
        gate.allow(&pool, 3);
        join(&mut gate, "a", Rank::ORDINARY, "heavy");
        join(&mut gate, "pool", Rank::ORDINARY, "light");
        assert_eq!(advance(&mut gate, 1), ["light"]);
        assert_eq!((gate.wake_at(), gate.wait_time(1, &a, 1, Rank::ORDINARY)), (None, NEVER));
        // It could pass by the table, so that it is not refused.
        assert!(gate.check_units(&a, 1).is_ok() && gate.check_units(&a, 3).is_err());
        gate.allow(&pool, 5);
        assert_eq!(advance(&mut gate, 2), ["heavy"]);
    }
}

#[test]
fn who_comes_behind_a_request_above_what_may_be_used_is_told_that_nobody_knows() {
    for hold in [Hold::Start, Hold::Response] {
        let mut gate = gate(hold);
        let pool = gate.lookup("pool").expect("known").clone();
        assert!(gate.try_acquire(0, &pool, 8));
        gate.join(&pool, Rank::ORDINARY, Waiter { units: 4, since: 0, deadline: None, tag: "heavy" });
        assert_eq!(advance(&mut gate, 0), [""; 0]);
        gate.allow(&pool, 2);
        assert_eq!(gate.wait_time(1, &pool, 1, Rank::ORDINARY), NEVER);
        gate.allow(&pool, 8);
        assert_ne!(gate.wait_time(1, &pool, 1, Rank::ORDINARY), NEVER);
    }
}

#[test]
fn a_question_leaves_what_the_last_ones_of_the_queue_want() {
    let pool = RateLimit::new("pool", 8, Duration::from_nanos(12));
    let linked = |id: &str| RateLimit::new(id, 8, TEN).weight(0).link("pool", 1);
    for hold in [Hold::Start, Hold::Response] {
        let table = [pool.clone(), linked("a"), linked("b")];
        let mut gate: Gate<&'static str> =
            Gate::new(&table, Options { hold, ..Options::default() }).expect("a fine table");
        let [a, b] = ["a", "b"].map(|id| gate.lookup(id).expect("known").clone());
        assert!(gate.try_acquire(0, &a, 4) && gate.try_acquire(6, &a, 2));
        for units in [4, 2] {
            gate.join(&b, Rank::ORDINARY, Waiter { units, since: 6, deadline: None, tag: "waits" });
        }
        assert_eq!(advance(&mut gate, 6), [""; 0]);
        // At 12 four units come free for the first, and there are two for the second: one of "a" would be in its way.
        assert!(gate.wait_time(6, &a, 1, Rank::ORDINARY) > 0);
    }
}

#[test]
fn no_one_knows_when_a_request_above_what_may_be_used_has_room() {
    let mut gate = gate(Hold::Response);
    let [pool, a] = ["pool", "a"].map(|id| gate.lookup(id).expect("known").clone());
    gate.allow(&pool, 3);
    gate.join(&a, Rank::ORDINARY, Waiter { units: 1, since: 0, deadline: Some(5), tag: "heavy" });
    let mut decided = Vec::new();
    gate.advance(5, &mut decided);
    let [Decided { outcome: Err(Error::Timeout { full_limit, retry_after, .. }), .. }] = &decided[..] else {
        panic!("{decided:?}");
    };
    assert_eq!((full_limit.as_deref(), *retry_after), (Some("pool"), None));
}

#[test]
fn nothing_may_be_used_of_a_limit_of_which_nothing_is_left() {
    for hold in [Hold::Start, Hold::Response] {
        let mut gate = gate(hold);
        let pool = gate.lookup("pool").expect("known").clone();
        gate.allow(&pool, 0);
        assert!(!gate.try_acquire(0, &pool, 1));
        join(&mut gate, "pool", Rank::ORDINARY, "light");
        assert_eq!(advance(&mut gate, 0), [""; 0]);
        assert_eq!((gate.wait_time(0, &pool, 1, Rank::ORDINARY), gate.usage(0, &pool).limit), (NEVER, 0));
        gate.allow(&pool, u64::MAX);
        assert_eq!(advance(&mut gate, 0), ["light"]);
        assert_eq!(gate.usage(0, &pool).limit, 8);
    }
}

#[test]
fn a_pause_outlives_a_new_table_and_ends_by_itself() {
    for hold in [Hold::Start, Hold::Response] {
        let mut gate = gate(hold);
        let pool = gate.lookup("pool").expect("known").clone();
        gate.pause(&pool, 30);
        // An end that is earlier changes nothing.
        gate.pause(&pool, 20);
        assert!(gate.set_table(1, &[RateLimit::new("pool", 2, TEN)]).expect("fine").is_empty());
        let pool = gate.lookup("pool").expect("known").clone();
        assert!(!gate.try_acquire(29, &pool, 1));
        join(&mut gate, "pool", Rank::ORDINARY, "light");
        assert_eq!(advance(&mut gate, 29), [""; 0]);
        assert_eq!((gate.wake_at(), gate.wait_time(29, &pool, 1, Rank::ORDINARY)), (Some(30), 1));
        assert_eq!(advance(&mut gate, 30), ["light"]);
    }
}

#[test]
fn a_pause_is_kept_while_its_id_is_in_no_table() {
    let mut gate = gate(Hold::Response);
    let pool = gate.lookup("pool").expect("known").clone();
    gate.pause(&pool, 30);
    // What a table leaves behind and is of no use makes place for the ids of the next one.
    for ids in [&["x"][..], &["1", "2", "3", "4"], &["pool"]] {
        let table: Vec<RateLimit> = ids.iter().map(|&id| RateLimit::new(id, 8, TEN)).collect();
        assert!(gate.set_table(1, &table).expect("fine").is_empty());
    }
    let pool = gate.lookup("pool").expect("known").clone();
    assert!(!gate.try_acquire(29, &pool, 1) && gate.try_acquire(30, &pool, 1));
}

#[test]
fn units_of_others_count_until_they_come_free() {
    let mut gate = gate(Hold::Start);
    let pool = gate.lookup("pool").expect("known").clone();
    assert!(gate.try_acquire(20, &pool, 1));
    gate.stamp_foreign(21, &pool, 7, 24);
    assert!(!gate.try_acquire(23, &pool, 1));
    assert!(gate.try_acquire(24, &pool, 7) && !gate.try_acquire(24, &pool, 1));
}

#[test]
fn those_of_a_smaller_rank_go_first_in_the_order_of_arrival() {
    for hold in [Hold::Start, Hold::Response] {
        let mut gate = gate(hold);
        let pool = gate.lookup("pool").expect("known").clone();
        gate.allow(&pool, 0);
        let later = Rank(Rank::ORDINARY.0 + 1);
        join(&mut gate, "pool", later, "5");
        assert!(gate.waits_before(0, &pool, later) && !gate.waits_before(0, &pool, Rank::ORDINARY));
        for (rank, tag) in [
            (later, "6"),
            (Rank::ORDINARY, "2"),
            (Rank::FIRST, "1"),
            (Rank::ORDINARY, "3"),
            (Rank::ORDINARY, "4"),
        ] {
            join(&mut gate, "pool", rank, tag);
        }
        assert_eq!(advance(&mut gate, 0), [""; 0]);
        for count in 1..7 {
            gate.allow(&pool, count);
            assert_eq!(advance(&mut gate, 0), [count.to_string()]);
        }
    }
}

#[test]
fn those_of_a_lower_class_that_wait_are_in_nobodys_way_and_in_no_estimate() {
    for hold in [Hold::Start, Hold::Response] {
        let mut gate = gate(hold);
        let [pool, a] = ["pool", "a"].map(|id| gate.lookup(id).expect("known").clone());
        assert!(gate.try_acquire(0, &pool, 6));
        for _ in 0..20 {
            join(&mut gate, "a", Rank::ORDINARY, "low");
        }
        assert_eq!(advance(&mut gate, 0), [""; 0]);
        let high = Rank::of(3).expect("in range");
        let waits = |gate: &mut Gate<&'static str>, route, units, rank| gate.wait_time(0, route, units, rank);
        assert_eq!(waits(&mut gate, &pool, 2, high), 0);
        assert_eq!(waits(&mut gate, &pool, 3, high), 10);
        assert_eq!(waits(&mut gate, &a, 1, high), 10);
        // Twenty of 4 units each go first, two in a window.
        assert_eq!(waits(&mut gate, &a, 1, Rank::ORDINARY), 110);
        join(&mut gate, "pool", high, "high");
        join(&mut gate, "a", high, "higher than its own kind");
        assert_eq!(advance(&mut gate, 0), ["high"]);
        assert_eq!(advance(&mut gate, 10)[0], "higher than its own kind");
    }
}

#[test]
fn priorities_are_whole_numbers_of_which_the_higher_go_first() {
    let ranks = [1000, 1, 0, -1, -1000].map(|priority| Rank::of(priority).expect("in range"));
    assert!(ranks.is_sorted() && Rank::FIRST < ranks[0] && ranks[4] == Rank(Rank::ORDINARY.0 + 1000));
    assert_eq!(Rank::of(0), Ok(Rank::ORDINARY));
    let refused = Rank::of(1001).expect_err("out of range").to_string();
    assert_eq!(refused, "a priority must be a whole number from -1000 to 1000, not 1001");
}

#[test]
fn one_of_a_larger_rank_goes_as_soon_as_a_later_one_before_it_gives_up() {
    let mut gate = gate(Hold::Response);
    let [pool, a] = ["pool", "a"].map(|id| gate.lookup(id).expect("known").clone());
    gate.join(&pool, Rank::ORDINARY, Waiter { units: 5, since: 0, deadline: None, tag: "in flight" });
    assert_eq!(advance(&mut gate, 0), ["in flight"]);
    gate.join(&pool, Rank::ORDINARY, Waiter { units: 3, since: 0, deadline: None, tag: "light" });
    gate.join(&a, Rank::FIRST, Waiter { units: 1, since: 0, deadline: Some(5), tag: "gives up" });
    assert_eq!(advance(&mut gate, 5), ["gives up", "light"]);
}

#[test]
fn a_wait_for_a_limit_of_which_less_may_be_used_hangs_on_answers_and_is_not_without_end() {
    let mut gate = gate(Hold::Response);
    let [pool, a] = ["pool", "a"].map(|id| gate.lookup(id).expect("known").clone());
    let mut enter = |units| {
        gate.join(&pool, Rank::ORDINARY, Waiter { units, since: 0, deadline: None, tag: "in flight" });
        assert_eq!(advance(&mut gate, 0), ["in flight"]);
        // There is room for both, but less may be used; it can be more again.
        gate.allow(&pool, 5);
        let place =
            gate.join(&a, Rank::ORDINARY, Waiter { units: 1, since: 0, deadline: None, tag: "heavy" });
        assert_eq!(advance(&mut gate, 0), [""; 0]);
        assert!(gate.hangs_on_answers(place));
        let full = (gate.full_without(place, &[]), gate.full_beside(place, &[(&pool, units)]));
        gate.remove(place).expect("it waits");
        gate.allow(&pool, u64::MAX);
        full
    };
    assert_eq!(enter(4), (None, None));
    // Five of eight are in flight now, and four more are wanted.
    assert_eq!(enter(1).0, Some(("pool".to_owned(), 5, 8)));
}

#[test]
fn a_limit_of_which_less_may_be_used_is_tight_earlier() {
    let table = [RateLimit::new("pool", 10_000, TEN)];
    let mut gate: Gate<&str> = Gate::new(&table, Options::default()).expect("a fine table");
    let pool = gate.lookup("pool").expect("known").clone();
    let clock = Clock::manual();
    assert!(gate.try_enter(&clock, &pool, 1) && !gate.is_tight(&pool));
    gate.allow(&pool, 100);
    assert!(gate.is_tight(&pool));
    gate.allow(&pool, u64::MAX);
    assert!(!gate.is_tight(&pool));
}

#[test]
fn a_request_needs_what_it_takes_and_what_blocks_hold_that_it_may_be_within() {
    let table = [RateLimit::new("pool", 64_000, TEN), RateLimit::new("other", 9, TEN)];
    let mut gate: Gate<&str> = Gate::new(&table, Options::default()).expect("a fine table");
    let [pool, other] = ["pool", "other"].map(|id| gate.lookup(id).expect("known").clone());
    gate.share(0, 0);
    assert!(gate.allow_of(pool.index, 64_000) && gate.allow_of(other.index, 1));
    let clock = Clock::manual();
    for _ in 0..1_000 {
        assert!(gate.try_enter(&clock, &pool, 1) && !gate.is_tight(&pool));
    }
    // One more than a 64th: everybody knows of this one.
    assert!(gate.try_enter(&clock, &pool, 1) && gate.is_tight(&pool));
    assert!(gate.try_enter(&clock, &other, 1) && gate.is_tight(&other));
    assert!(gate.allow_of(pool.index, 500));
    gate.join(&pool, Rank::ORDINARY, Waiter { units: 3, since: 0, deadline: None, tag: "within" });
    gate.join(&other, Rank::ORDINARY, Waiter { units: 1, since: 0, deadline: None, tag: "beside" });
    let needs =
        |gate: &Gate<&str>| -> Vec<_> { gate.next_waiting(9).into_iter().map(|next| next.needs).collect() };
    assert_eq!(needs(&gate), [[(pool.index, 1_003)], [(other.index, 1)]]);
    gate.leave(0, &pool, 995);
    assert_eq!(needs(&gate), [[(pool.index, 3 + 6)], [(other.index, 1)]]);
}

/// A plan takes nothing in the window to have been stamped after the last event.
#[test]
fn what_becomes_of_a_limit_is_an_event() {
    let changes: [fn(&mut Gate<&'static str>, &Route); 3] = [
        |gate, pool| gate.allow(pool, 3),
        |gate, pool| gate.pause(pool, 30),
        |gate, pool| gate.stamp_foreign(7, pool, 2, 12),
    ];
    for change in changes {
        let mut gate = gate(Hold::Response);
        let pool = gate.lookup("pool").expect("known").clone();
        gate.join(&pool, Rank::ORDINARY, Waiter { units: 8, since: 0, deadline: None, tag: "in flight" });
        join(&mut gate, "pool", Rank::ORDINARY, "waits");
        assert_eq!(advance(&mut gate, 5), ["in flight"]);
        assert_eq!(advance(&mut gate, 6), [""; 0]);
        change(&mut gate, &pool);
        for now in [7, 8] {
            assert_eq!(advance(&mut gate, now), [""; 0]);
            assert_eq!(gate.event, 7);
        }
    }
}
