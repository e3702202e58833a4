//! Waiting in threads, from Rust.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sluicegate::{Error, Hold, ManualClock, Options, Pass, RateLimit, Throttler};

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Options {
    Options { hold: Hold::Start, ..Options::default() }
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

#[test]
fn threads_pass_in_the_order_in_which_they_came() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 1, SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let log = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..5)
        .map(|number| {
            let (gate, log) = (throttler.clone(), log.clone());
            let thread = thread::spawn(move || {
                let _pass = gate.enter_blocking("/x", 1, None).expect("known");
                log.lock().expect("whole").push(number);
            });
            until(|| throttler.usage("/x").expect("known").waiting == number + 1);
            thread
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        clock.advance(SECOND);
        thread.join().expect("no panic");
        assert_eq!(*log.lock().expect("whole"), (0..=number).collect::<Vec<_>>());
    }
}

#[test]
fn no_window_of_entering_is_over_and_everybody_gets_through() {
    let interval = Duration::from_millis(40);
    let throttler = Throttler::new(&[RateLimit::new("/x", 10, interval)], start()).expect("fine");
    let entered = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    // The clock is read before the throttler reads its own on the way in, and again after.
                    let before = Instant::now();
                    let _pass = throttler.enter_blocking("/x", 1, None).expect("known");
                    entered.lock().expect("whole").push((before, Instant::now()));
                }
            });
        }
    });
    let mut entered = entered.into_inner().expect("whole");
    assert_eq!(entered.len(), 80);
    entered.sort_by_key(|&(_, after)| after);
    // The eleventh to come out of the gate entered at least one interval after the first went in.
    for pair in entered.windows(11) {
        assert!(pair[10].1 - pair[0].0 >= interval);
    }
}

#[test]
fn a_pass_holds_its_units_until_it_is_dropped_and_one_interval_more() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 1, SECOND)], Options::default()).expect("fine");
    let pass = throttler.try_enter("/x", 1).expect("known").expect("room");
    clock.advance(10 * SECOND);
    assert!(throttler.try_enter("/x", 1).expect("known").is_none());
    drop(pass);
    clock.advance(SECOND - Duration::from_nanos(1));
    assert!(throttler.try_enter("/x", 1).expect("known").is_none());
    clock.advance(Duration::from_nanos(1));
    assert!(throttler.try_enter("/x", 1).expect("known").is_some());
}

#[test]
fn a_timeout_leaves_no_charge_and_no_place() {
    let throttler = Throttler::new(&[RateLimit::new("/x", 1, 3600 * SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let error = throttler.enter_blocking("/x", 1, Some(Duration::from_millis(5))).expect_err("full");
    let Error::Timeout { id, timeout, full_limit, retry_after } = error else { panic!("{error}") };
    assert_eq!((id.as_str(), timeout, full_limit.as_deref()), ("/x", 0.005, Some("/x")));
    assert!(retry_after.is_some_and(|wait| (3590.0..3600.0).contains(&wait)), "{retry_after:?}");
    let usage = throttler.usage("/x").expect("known");
    assert_eq!((usage.used, usage.waiting), (1, 0));
}

#[test]
fn requests_that_share_nothing_never_touch_each_other() {
    let clock = ManualClock::new();
    let table = [RateLimit::new("/x", 1, SECOND), RateLimit::new("/y", 1, SECOND)];
    let throttler = clock.throttler(&table, start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    thread::scope(|scope| {
        scope.spawn(|| throttler.enter_blocking("/x", 1, None).map(drop));
        until(|| throttler.usage("/x").expect("known").waiting == 1);
        assert!(throttler.try_acquire("/y", 1).expect("known"));
        clock.advance(SECOND);
    });
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let table = [RateLimit::new("/depth", 2, SECOND)];
    let throttler = Throttler::new(&table, Options::default()).expect("fine");
    let unknown = throttler.enter_blocking("/dept", 1, None).expect_err("unknown");
    assert_eq!(unknown, Error::UnknownLimit { id: "/dept".into(), closest: Some("/depth".into()) });
    assert!(matches!(throttler.try_acquire("/depth", 3), Err(Error::NeverPasses { units: 3, .. })));
    assert!(matches!(throttler.wait_time("/depth", 0), Err(Error::Invalid { .. })));
    assert_eq!(throttler.usage("/depth").expect("known").used, 0);
}

/// What a thread keeps for itself is dropped at its very end, when other things of its own are gone already.
#[test]
fn a_pass_that_a_thread_keeps_until_its_end_lets_the_next_one_go() {
    thread_local! { static KEPT: RefCell<Option<Pass>> = const { RefCell::new(None) }; }
    let clock = ManualClock::new();
    let table = [RateLimit::new("/x", 1, SECOND), RateLimit::new("/y", 1, SECOND)];
    let throttler = clock.throttler(&table, Options::default()).expect("fine");
    let waiting = |id| throttler.usage(id).expect("known").waiting;
    thread::scope(|scope| {
        let keep = scope.spawn(|| {
            // Dropped last, since it was there first.
            KEPT.with_borrow_mut(|kept| *kept = None);
            let pass = throttler.try_enter("/x", 1).expect("known").expect("room");
            scope.spawn(|| throttler.enter_blocking("/x", 1, None).map(drop));
            until(|| waiting("/x") == 1);
            drop(pass);
            clock.advance(SECOND);
            until(|| waiting("/x") == 0);
            KEPT.set(throttler.try_enter("/y", 1).expect("known"));
            scope.spawn(|| throttler.enter_blocking("/y", 1, None).map(drop));
            until(|| waiting("/y") == 1);
        });
        keep.join().expect("no panic");
        until(|| throttler.usage("/y").expect("known").in_flight == 0);
        clock.advance(SECOND);
    });
    assert_eq!((waiting("/x"), waiting("/y")), (0, 0));
}
