//! Threads that wait for a quota while the clock on the wall is moved.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sluicegate::{Hold, ManualClock, Options, Period, RateLimit, Resets, Throttler, Zone};

const MINUTE: i64 = 60_000_000_000;

/// One request a minute, on a clock that shows 10:30 (ten minutes and a half).
fn throttler(clock: &ManualClock) -> Throttler {
    clock.set_wall(10 * MINUTE + MINUTE / 2);
    let resets =
        Resets { period: Period::Span(MINUTE.unsigned_abs()), zone: Zone::named("UTC").expect("UTC") };
    let options = Options { hold: Hold::Start, ..Options::default() };
    clock.throttler(&[RateLimit::quota("/x", 1, resets)], options).expect("a fine table")
}

/// A thread that waits for its turn; then it says so.
fn waiter(throttler: &Throttler) -> mpsc::Receiver<()> {
    let (passes, passed) = mpsc::channel();
    let waiting = throttler.usage("/x").expect("known").waiting;
    let waits = throttler.clone();
    thread::spawn(move || {
        let pass = waits.enter_blocking("/x", 1, None).expect("a turn");
        drop(pass);
        let _ = passes.send(());
    });
    while throttler.usage("/x").expect("known").waiting == waiting {
        thread::yield_now();
    }
    passed
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_thread_waits_for_the_boundary() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock);
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let passed = waiter(&throttler);
    clock.advance(Duration::from_nanos(29_999_999_999));
    assert_eq!(throttler.usage("/x").expect("known").waiting, 1);
    clock.advance(Duration::from_nanos(1));
    passed.recv_timeout(SOON).expect("its turn");
}

#[test]
fn a_step_forward_lets_one_window_of_waiting_threads_through() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock);
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let (first, _second) = (waiter(&throttler), waiter(&throttler));
    clock.set_wall(1_000 * MINUTE);
    first.recv_timeout(SOON).expect("its turn");
    assert_eq!(throttler.usage("/x").expect("known").waiting, 1);
}

#[test]
fn a_step_back_holds_waiting_threads_for_one_period() {
    let clock = ManualClock::new();
    let throttler = throttler(&clock);
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let passed = waiter(&throttler);
    clock.set_wall(0);
    clock.advance(Duration::from_nanos(MINUTE.unsigned_abs() - 1));
    assert_eq!(throttler.usage("/x").expect("known").waiting, 1);
    clock.advance(Duration::from_nanos(1));
    passed.recv_timeout(SOON).expect("its turn");
}
