//! What listeners are told, when, and in which order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Waker;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::enter::Admission;
use super::pass::HeldUnits;
use super::turn::{Turn, WaitHandle};
use super::wake_groups::WakeGroup;
use crate::clock::Nanos;
use crate::gate::{Observation, Options};
use crate::limit::RateLimit;
use crate::{Event, EventKind, Listener, ManualClock, Throttler};

const SECOND: Duration = Duration::from_secs(1);

fn table() -> [RateLimit; 3] {
    let limit = |id| RateLimit::new(id, 10, 60 * SECOND);
    [limit("POOL"), limit("/a").link("POOL", 1), limit("/b")]
}

fn throttler(clock: &ManualClock) -> Throttler {
    clock.throttler(&table(), Options::default()).expect("a fine table")
}

/// What was told: (seconds, line).
type Told = Arc<Mutex<Vec<(Nanos, String)>>>;

fn listen(throttler: &Throttler, waits_over: Option<Duration>) -> (Told, Listener) {
    let told = Told::default();
    let log = told.clone();
    let listener = throttler.on_event(waits_over, move |event: &Event| {
        log.lock().push((event.at / 1_000_000_000, event.to_string()));
    });
    (told, listener)
}

fn take(told: &Told) -> Vec<(Nanos, String)> {
    std::mem::take(&mut told.lock())
}

fn lines<const N: usize>(lines: [(Nanos, &str); N]) -> Vec<(Nanos, String)> {
    lines.map(|(at, line)| (at, line.to_owned())).into()
}

/// A request that waits where nobody keeps watch but the test.
fn wait(throttler: &Throttler, id: &str, units: u64, timeout: Option<Duration>) -> WaitHandle {
    let mut held = HeldUnits::new(&throttler.lookup(id).expect("known"), units, None);
    let turn = || Turn::new(WakeGroup::Threads, Waker::noop().clone());
    match throttler.enter(&mut held, timeout.map(crate::clock::nanos), turn) {
        Ok(Admission::Waiting(ticket)) => ticket,
        other => panic!("it should wait, not {other:?}"),
    }
}

#[test]
fn pauses_their_ends_use_by_others_and_new_limits_are_told_with_their_instants() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let (told, _) = listen(&gate, None);
    assert_eq!(gate.pause(Some("POOL"), 5 * SECOND, "HTTP 429"), Ok(true));
    assert_eq!(gate.pause(Some("POOL"), 3 * SECOND, "HTTP 429"), Ok(false));
    let told_by_exchange = Observation { used: Some(4), limit: Some(8), ..Observation::default() };
    gate.observe("/b", told_by_exchange).expect("known");
    gate.observe("/b", told_by_exchange).expect("known");
    clock.advance(60 * SECOND);
    let expected = [
        (0, "\"POOL\" is paused for 5 s: HTTP 429"),
        (0, "\"/b\": the limit is 8 units from now on"),
        (0, "\"/b\": others have used 4 units more"),
        (5, "\"POOL\" is paused no longer"),
    ];
    assert_eq!(
        take(&told),
        lines(expected),
        "a refusal that comes late, and a number that is known, are no news"
    );
}

#[test]
fn a_longer_pause_replaces_the_end_of_a_shorter_one() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    gate.pause(Some("/b"), 2 * SECOND, "").expect("known");
    let (told, _) = listen(&gate, None);
    gate.pause(Some("/b"), 4 * SECOND, "").expect("known");
    gate.pause(Some("/a"), 3 * SECOND, "").expect("known");
    gate.pause(None, 6 * SECOND, "banned").expect("known");
    gate.pause(Some("POOL"), 8 * SECOND, "").expect("known");
    take(&told);
    clock.advance(60 * SECOND);
    let expected = [(6, "every limit is paused no longer"), (8, "\"POOL\" is paused no longer")];
    assert_eq!(take(&told), lines(expected));
}

#[test]
fn the_end_of_a_pause_that_began_before_anybody_listened_is_told() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    gate.pause(Some("/b"), 2 * SECOND, "").expect("known");
    let (told, _) = listen(&gate, None);
    clock.advance(2 * SECOND);
    assert_eq!(take(&told), lines([(2, "\"/b\" is paused no longer")]));
}

#[test]
fn nobody_listens_any_more_and_nothing_is_noted() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let (told, listener) = listen(&gate, Some(SECOND));
    gate.pause(None, 5 * SECOND, "").expect("fine");
    let _ticket = wait(&gate, "/b", 1, None);
    assert!(listener.remove() && !listener.remove());
    take(&told);
    assert_eq!(gate.next_instant(), gate.wake_at());
    clock.advance(9 * SECOND);
    assert_eq!(take(&told), []);
    let (told, _) = listen(&gate, None);
    assert_eq!(take(&told), [], "what is over is no news");
}

#[test]
fn the_end_of_a_pause_is_told_with_the_next_request_where_nobody_waits() {
    for enter in [
        |gate: &Throttler| gate.try_enter("/b", 1).expect("known").is_some(),
        |gate: &Throttler| gate.charge("/b", 1).expect("known"),
        |gate: &Throttler| gate.route("/b").expect("known").try_enter(1).expect("fits").is_some(),
        |gate: &Throttler| gate.route("/b").expect("known").charge(1).expect("fits"),
        |gate: &Throttler| gate.wait_time("/b", 1) == Ok(0),
    ] {
        let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
        let (told, _) = listen(&gate, None);
        gate.pause(None, Duration::from_nanos(1), "").expect("fine");
        assert!(enter(&gate));
        let told: Vec<_> = take(&told).into_iter().map(|(_, line)| line).collect();
        assert_eq!(told, ["every limit is paused for 0 s", "every limit is paused no longer"]);
    }
}

#[test]
fn a_block_does_not_begin_before_the_end_of_a_pause_is_told() {
    let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
    let _listening = listen(&gate, None);
    gate.pause(Some("/a"), Duration::from_nanos(1), "").expect("fine");
    while gate.now() < 2 {}
    let route = gate.lookup("/b").expect("known");
    assert!(gate.enter_block(&route, 1).is_none());
    assert!(gate.wait_time("/b", 1).is_ok());
    assert!(gate.enter_block(&route, 1).is_some());
}

#[test]
fn each_request_that_waits_for_long_is_told_once_to_whom_that_is_long() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let (short, _) = listen(&gate, Some(2 * SECOND));
    let (none, _) = listen(&gate, None);
    assert!(gate.charge("/b", 10).expect("fits"));
    let first = wait(&gate, "/b", 3, None);
    clock.advance(SECOND);
    let (late, _) = listen(&gate, Some(5 * SECOND));
    let second = wait(&gate, "/b", 1, None);
    let _third = wait(&gate, "/b", 1, Some(2 * SECOND));
    let cancelled = wait(&gate, "/b", 1, None);
    drop(cancelled);
    clock.advance(30 * SECOND);
    let line = "\"/b\": a request has waited for ";
    let told = |at, seconds: u64| (at, format!("{line}{seconds} s"));
    assert_eq!(take(&short), [told(2, 2), told(3, 2)], "one gave up at that instant");
    assert_eq!(take(&late), [told(5, 5), told(6, 5)]);
    clock.advance(60 * SECOND);
    assert!(first.take().is_some() && second.take().is_some());
    assert_eq!((take(&short), take(&late), take(&none)), (vec![], vec![], vec![]));
}

#[test]
fn who_passes_at_that_instant_has_not_waited_for_longer() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    assert!(gate.charge("/b", 10).expect("fits"));
    let (told, _) = listen(&gate, Some(60 * SECOND));
    let ticket = wait(&gate, "/b", 1, None);
    clock.advance(60 * SECOND);
    assert!(ticket.take().is_some());
    assert_eq!(take(&told), []);
}

#[test]
fn waits_that_ended_are_not_kept() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let _listening = listen(&gate, Some(3_600 * SECOND));
    assert!(gate.charge("/b", 10).expect("fits"));
    let _stays = wait(&gate, "/b", 1, None);
    for _ in 0..10_000 {
        drop(wait(&gate, "/b", 1, None));
    }
    let mut shared = gate.shared.lock();
    let kept = shared.events.as_deref_mut().expect("somebody listens").waits_kept();
    assert!(kept <= 8, "{kept}");
}

#[test]
fn a_callback_may_use_the_throttler_and_runs_within_no_other() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let told = Told::default();
    let (log, inner, depth) = (told.clone(), gate.clone(), AtomicUsize::new(0));
    let listener = gate.on_event(None, move |event| {
        assert_eq!(depth.fetch_add(1, Ordering::SeqCst), 0, "within another");
        log.lock().push((event.at / 1_000_000_000, event.to_string()));
        if matches!(&event.kind, EventKind::Paused { length, .. } if *length < 4 * SECOND) {
            inner.pause(Some("/b"), 4 * SECOND, "for longer").expect("known");
            assert!(inner.charge("POOL", 1).expect("fits"));
            let _new = inner.on_event(None, |_| {}).remove();
        }
        depth.fetch_sub(1, Ordering::SeqCst);
    });
    gate.pause(Some("/b"), SECOND, "short").expect("known");
    clock.advance(9 * SECOND);
    let expected = [
        (0, "\"/b\" is paused for 1 s: short"),
        (0, "\"/b\" is paused for 4 s: for longer"),
        (4, "\"/b\" is paused no longer"),
    ];
    assert_eq!(take(&told), lines(expected));
    listener.remove();
}

#[test]
fn a_callback_that_panics_harms_nobody() {
    let clock = ManualClock::new();
    let gate = throttler(&clock);
    let _panics = gate.on_event(None, |_| panic!("as the test wants it"));
    let (told, _) = listen(&gate, None);
    assert_eq!(gate.pause(None, SECOND, ""), Ok(true));
    clock.advance(SECOND);
    assert_eq!(take(&told).len(), 2);
}

#[test]
fn the_thread_that_tells_also_tells_what_others_do_meanwhile_in_order() {
    let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
    let told = Told::default();
    let log = told.clone();
    let (enter, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let left = Mutex::new(left);
    let _listener = gate.on_event(None, move |event| {
        log.lock().push((0, event.to_string()));
        if matches!(&event.kind, EventKind::Paused { reason, .. } if &**reason == "first") {
            enter.send(()).expect("the test waits");
            left.lock().recv().expect("the test goes on");
        }
    });
    let (pausing, others) = (gate.clone(), gate.clone());
    let first = thread::spawn(move || pausing.pause(Some("/b"), 100 * SECOND, "first"));
    entered.recv().expect("it was called");
    let second = thread::spawn(move || {
        others.pause(Some("/b"), 200 * SECOND, "second").expect("known");
        others.pause(Some("/b"), 300 * SECOND, "third")
    });
    assert_eq!(second.join().expect("it waits for no callback"), Ok(true));
    assert_eq!(told.lock().len(), 1);
    leave.send(()).expect("it waits");
    assert_eq!(first.join().expect("it has told"), Ok(true));
    let reasons = take(&told).into_iter().filter_map(|(_, line)| line.split(": ").nth(1).map(str::to_owned));
    assert_eq!(reasons.collect::<Vec<_>>(), ["first", "second", "third"]);
}

#[test]
fn a_waiting_thread_tells_at_the_instants() {
    let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
    let (send, told) = mpsc::channel();
    let send = Mutex::new(send);
    let _listener = gate.on_event(Some(SECOND / 50), move |event| {
        send.lock().send((thread::current().id(), event.kind.clone())).ok();
    });
    gate.pause(Some("/b"), SECOND / 10, "").expect("known");
    let waiting = gate.clone();
    let waits = thread::spawn(move || drop(waiting.enter_blocking("/b", 1, None).expect("known")));
    let waiter = waits.thread().id();
    waits.join().expect("it passes");
    let told: Vec<_> = told.try_iter().skip(1).collect();
    assert!(told.iter().all(|&(thread, _)| thread == waiter));
    assert!(matches!(told[0].1, EventKind::Waited { .. }), "{told:?}");
    assert!(matches!(told[1].1, EventKind::Resumed), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[cfg(feature = "tokio")]
#[test]
fn a_runtime_tells_at_the_instants() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
    let (told, _) = listen(&gate, Some(SECOND / 50));
    gate.pause(Some("/b"), SECOND / 10, "").expect("known");
    runtime.block_on(async { drop(gate.enter_async("/b", 1, None).await.expect("known")) });
    assert_eq!(take(&told).len(), 3);
}

#[test]
fn in_the_child_of_a_fork_nothing_of_the_parents_is_told() {
    let gate = Throttler::new(&table(), Options::default()).expect("a fine table");
    let (told, _) = listen(&gate, None);
    let (enter, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let left = Mutex::new(left);
    let slow = gate.on_event(None, move |_| {
        enter.send(()).ok();
        left.lock().recv().ok();
    });
    let pausing = gate.clone();
    let first = thread::spawn(move || pausing.pause(None, SECOND, "parent"));
    entered.recv().expect("it was called");
    gate.pause(None, 100 * SECOND, "parent too").expect("fine");
    assert!(slow.remove());
    // As in a child: the thread that tells is not there any more.
    gate.start_anew().expect("nobody has the lock")();
    gate.pause(None, 200 * SECOND, "child").expect("fine");
    let reasons: Vec<_> = take(&told).into_iter().map(|(_, line)| line).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].ends_with(": parent") && reasons[1].ends_with(": child"), "{reasons:?}");
    drop(leave);
    first.join().expect("it ends").expect("fine");
}
