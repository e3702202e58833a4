//! Blocks within blocks: nobody waits for himself, and nothing grows.

use std::sync::Arc;
use std::time::Duration;

use crate::gate::Options;
use crate::limit::{Kind, RateLimit};

use super::block::Block;
use super::manual_clock::ManualClock;
use super::nested_context::{Context, INTERVAL, throttler};

#[test]
fn a_request_within_another_waits_for_the_clock_and_not_for_itself() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1]);
    let mut task = Context::default();
    task.ask(&throttler, "a", 1);
    task.ask(&throttler, "a", 1);
    clock.advance(INTERVAL - Duration::from_nanos(1));
    task.claim(&throttler);
    assert_eq!(task.blocks.len(), 1);
    clock.advance(Duration::from_nanos(1));
    task.claim(&throttler);
    assert_eq!(task.blocks.len(), 2);
    // Both count until they are answered.
    assert_eq!(throttler.usage("a").expect("known").in_flight, 2);
    task.leave();
    task.leave();
    let usage = throttler.usage("a").expect("known");
    assert_eq!((usage.in_flight, usage.used), (0, 2));
}

#[test]
fn only_the_blocks_around_a_wait_count_down() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[5]);
    let mut others: [Context; 4] = Default::default();
    others.iter_mut().for_each(|other| other.ask(&throttler, "a", 1));
    let mut task = Context::default();
    task.ask(&throttler, "a", 1);
    task.ask(&throttler, "a", 1);
    assert_eq!(throttler.usage("a").expect("known").in_flight, 4);
}

/// The block of one yields while the other joins the queue, and so the other's does not. Then the other's units are in flight again, and its
/// block ends only after the first one's.
#[test]
fn a_request_that_joins_while_a_block_yields_passes_after_it() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[2]);
    let [mut yields, mut waits] = [Context::default(), Context::default()];
    yields.ask(&throttler, "a", 1);
    waits.ask(&throttler, "a", 1);
    yields.ask(&throttler, "a", 1);
    waits.ask(&throttler, "a", 1);
    clock.advance(INTERVAL);
    yields.claim(&throttler);
    yields.leave();
    clock.advance(INTERVAL);
    waits.claim(&throttler);
    assert_eq!((yields.blocks.len(), waits.blocks.len()), (1, 2));
    for block in [&mut yields, &mut waits] {
        block.blocks.drain(..).for_each(|block| assert!(block.leave()));
    }
    clock.advance(INTERVAL);
    assert_eq!(throttler.usage("a").expect("known").used, 0);
}

#[test]
fn a_wait_that_the_clock_ends_leaves_its_outer_block_in_flight() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[5]);
    let mut task = Context::default();
    task.ask(&throttler, "a", 1);
    assert!(throttler.try_acquire("a", 4).expect("it fits"));
    task.ask(&throttler, "a", 4);
    assert_eq!(throttler.usage("a").expect("known").in_flight, 1);
}

/// A limit that shrinks under a block that nobody knows of, and one that is known.
#[test]
fn a_request_waits_for_the_clock_and_not_for_a_block_under_which_its_limit_has_shrunk() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[10_000, 5]);
    let mut known = Context::default();
    known.ask(&throttler, "b", 1);
    let route = throttler.lookup("a").expect("known");
    let unknown = throttler.enter_block(&route, 1).expect("it fits");
    assert!(!unknown.is_tight);
    let table: Vec<_> = [("a", 1), ("b", 5)].map(|(id, limit)| RateLimit::new(id, limit, INTERVAL)).into();
    // In two steps, of which the first one leaves room for both.
    throttler.set_rate_limits(&[RateLimit::new("a", 2, INTERVAL)]).expect("a fine table");
    assert_eq!(throttler.usage("a").expect("known").in_flight, 1);
    throttler.set_rate_limits(&table).expect("a fine table");
    let in_flight = |id| throttler.usage(id).expect("known").in_flight;
    assert_eq!((in_flight("a"), in_flight("b")), (0, 1));
    let mut within = Context::default();
    within.ask(&throttler, "a", 1);
    clock.advance(INTERVAL - Duration::from_nanos(1));
    within.claim(&throttler);
    assert!(within.blocks.is_empty());
    clock.advance(Duration::from_nanos(1));
    within.claim(&throttler);
    within.leave();
    throttler.leave(&route, 1, unknown.epoch);
    known.leave();
    assert_eq!((in_flight("a"), in_flight("b")), (0, 0));
    clock.advance(INTERVAL);
    assert!(throttler.usages().iter().all(|usage| usage.used == 0));
}

#[test]
fn a_limit_that_shrinks_and_leaves_room_settles_nothing() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[10_000]);
    let route = throttler.lookup("a").expect("known");
    let entered = throttler.enter_block(&route, 1).expect("it fits");
    throttler.set_rate_limits(&[RateLimit::new("a", 2, INTERVAL)]).expect("a fine table");
    assert_eq!(throttler.usage("a").expect("known").in_flight, 1);
    throttler.leave(&route, 1, entered.epoch);
    assert_eq!(throttler.usage("a").expect("known").in_flight, 0);
}

#[test]
fn who_waits_for_another_limit_lets_go_of_what_the_other_needs() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1, 1]);
    let (mut one, mut two) = (Context::default(), Context::default());
    one.ask(&throttler, "a", 1);
    two.ask(&throttler, "b", 1);
    one.ask(&throttler, "b", 1);
    two.ask(&throttler, "a", 1);
    for task in [&mut two, &mut one] {
        clock.advance(INTERVAL);
        task.claim(&throttler);
        task.leave();
        task.leave();
    }
}

#[test]
fn a_request_within_a_block_is_not_robbed_of_what_that_block_lets_go_of() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[2]);
    let (mut first, mut holds, mut later) = (Context::default(), Context::default(), Context::default());
    first.ask(&throttler, "a", 1);
    holds.ask(&throttler, "a", 1);
    later.ask(&throttler, "a", 1);
    // `holds` and `later` wait for something that `first` does within its block.
    first.ask(&throttler, "a", 1);
    clock.advance(INTERVAL);
    first.claim(&throttler);
    assert_eq!(first.blocks.len(), 2);
}

#[test]
fn who_gives_up_and_tries_again_waits_for_its_block_only_once() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1]);
    let mut task = Context::default();
    task.ask(&throttler, "a", 1);
    for _ in 0..9 {
        task.ask(&throttler, "a", 1);
        clock.advance(INTERVAL / 10);
        task.claim(&throttler);
        task.waits = None;
        assert_eq!(throttler.usage("a").expect("known").in_flight, 1);
    }
    task.ask(&throttler, "a", 1);
    clock.advance(INTERVAL / 10);
    task.claim(&throttler);
    assert_eq!(task.blocks.len(), 2);
}

#[test]
fn requests_side_by_side_within_a_block_all_pass_it() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1]);
    let mut outer = Context::default();
    outer.ask(&throttler, "a", 1);
    let child = || Context { innermost: outer.innermost.clone(), ..Context::default() };
    let mut children: Vec<_> = (0..3).map(|_| child()).collect();
    children.iter_mut().for_each(|child| child.ask(&throttler, "a", 1));
    for child in &mut children {
        clock.advance(INTERVAL);
        child.claim(&throttler);
        child.leave();
    }
    assert_eq!(throttler.usage("a").expect("known").in_flight, 1);
    outer.leave();
    assert_eq!(throttler.usage("a").expect("known").in_flight, 0);
}

#[test]
fn a_block_that_ends_while_a_request_within_it_waits_counts_from_then_on() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1]);
    let mut outer = Context::default();
    outer.ask(&throttler, "a", 1);
    let mut child = Context { innermost: outer.innermost.clone(), ..Context::default() };
    child.ask(&throttler, "a", 1);
    clock.advance(INTERVAL / 2);
    outer.leave();
    clock.advance(INTERVAL / 2);
    child.claim(&throttler);
    assert!(child.blocks.is_empty());
    clock.advance(INTERVAL / 2);
    child.claim(&throttler);
    child.leave();
    assert_eq!(throttler.usage("a").expect("known").in_flight, 0);
}

#[test]
fn blocks_that_end_in_any_order_leave_no_chain_behind() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1 << 40]);
    let mut task = Context::default();
    let mut seen = Vec::new();
    // Hand over hand: there is always one, and it is always another.
    task.ask(&throttler, "a", 1);
    for _ in 0..1_000 {
        task.ask(&throttler, "a", 1);
        seen.push(Arc::downgrade(&task.blocks[0]));
        assert!(task.blocks.remove(0).leave());
    }
    assert!(seen.iter().filter(|block| block.strong_count() > 0).count() <= 2);
}

#[test]
fn a_long_chain_ends_without_recursion() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[1 << 40]);
    let mut task = Context::default();
    for _ in 0..200_000 {
        task.ask(&throttler, "a", 1);
    }
    let innermost = task.innermost.take();
    task.blocks.clear();
    drop(innermost);
}

#[test]
fn what_this_thread_holds_can_only_be_waited_for_elsewhere() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[2]);
    let (mut holds, mut waits) = (Context::default(), Context::default());
    holds.ask(&throttler, "a", 1);
    let never = |waits: &Context| {
        let (ticket, _) = waits.waits.as_ref().expect("it waits");
        let own = waits.innermost.clone().map_or_else(Vec::new, Block::all_running);
        throttler.never_passes(ticket.turn(), &own)
    };
    waits.ask(&throttler, "a", 2);
    let held = never(&waits).expect("it waits for this thread");
    assert_eq!((held.limit.as_str(), held.units, held.available), ("a", 1, 2));
    assert_eq!(held.by, ["a"]);
    // The clock ends this one.
    waits.waits = None;
    assert!(throttler.try_acquire("a", 1).expect("it fits"));
    waits.ask(&throttler, "a", 1);
    assert!(never(&waits).is_none());
    waits.waits = None;
    // Another thread ends this one.
    clock.advance(INTERVAL);
    let elsewhere = throttler.clone();
    let held = std::thread::spawn(move || {
        let mut other = Context::default();
        other.ask(&elsewhere, "a", 1);
        other
    });
    let _held = held.join().expect("it entered");
    waits.ask(&throttler, "a", 1);
    assert!(never(&waits).is_none());
}

/// What concurrent limits hold ends with its request, whatever becomes of the others.
#[test]
fn a_limit_that_shrinks_leaves_what_is_in_flight_of_concurrent_ones() {
    let clock = ManualClock::new();
    let fills = || RateLimit::new("fills", 3, INTERVAL).kind(Kind::Concurrent);
    let table = |limit| {
        [fills(), RateLimit::new("a", limit, INTERVAL).link("fills", 1), RateLimit::new("b", limit, INTERVAL)]
    };
    let throttler = clock.throttler(&table(10_000), Options::default()).expect("a fine table");
    let mut known = Context::default();
    known.ask(&throttler, "a", 1);
    let pass = throttler.try_enter("a", 1).expect("it fits");
    let mut waits = Context::default();
    let route = throttler.lookup("b").expect("known");
    let unknown = throttler.enter_block(&route, 1).expect("it fits");
    assert!(pass.is_some() && !unknown.is_tight);
    let in_flight = |id| throttler.usage(id).expect("known").in_flight;
    throttler.set_rate_limits(&table(1)).expect("a fine table");
    assert_eq!((in_flight("fills"), in_flight("a"), in_flight("b")), (2, 1, 0));
    // A second time: the first one's are as they were.
    throttler.set_rate_limits(&table(10_000)).expect("a fine table");
    let route = throttler.lookup("b").expect("known");
    let again = throttler.enter_block(&route, 1).expect("it fits");
    throttler.set_rate_limits(&table(1)).expect("a fine table");
    assert_eq!((in_flight("fills"), in_flight("a"), in_flight("b")), (2, 1, 0));
    waits.ask(&throttler, "fills", 2);
    assert!(waits.blocks.is_empty());
    drop(pass);
    waits.claim(&throttler);
    assert_eq!((waits.blocks.len(), in_flight("fills")), (1, 3));
    known.leave();
    waits.leave();
    throttler.leave(&route, 1, unknown.epoch);
    throttler.leave(&route, 1, again.epoch);
    assert_eq!((in_flight("fills"), in_flight("a"), in_flight("b")), (0, 0, 0));
}

#[test]
fn a_request_heavier_than_any_before_does_not_wait_for_a_block_that_nobody_knows_of() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock, &[10_000]);
    let mut task = Context::default();
    task.ask_as_python(&throttler, "a", 1);
    assert!(task.innermost.is_none());
    task.ask_as_python(&throttler, "a", 10_000);
    assert_eq!(task.blocks.len(), 1);
    clock.advance(INTERVAL);
    task.claim(&throttler);
    assert_eq!(task.blocks.len(), 2);
}
