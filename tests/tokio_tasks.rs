//! Waiting in tokio tasks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluicegate::{Error, Hold, ManualClock, Options, RateLimit, Throttler};
use tokio::task::{JoinSet, yield_now};

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Options {
    Options { hold: Hold::Start, ..Options::default() }
}

fn waiting(throttler: &Throttler) -> usize {
    throttler.usage("/x").expect("known").waiting
}

/// Starts a task that logs its number once it is through, and lets it come as far as the queue.
async fn join_queue(
    set: &mut JoinSet<()>,
    throttler: &Throttler,
    log: &Arc<Mutex<Vec<usize>>>,
    number: usize,
) {
    let before = waiting(throttler);
    let (gate, log) = (throttler.clone(), log.clone());
    set.spawn(async move {
        let _pass = gate.enter_async("/x", 1, None).await.expect("known");
        log.lock().expect("whole").push(number);
    });
    while waiting(throttler) == before {
        yield_now().await;
    }
}

#[tokio::test]
async fn tasks_pass_in_the_order_in_which_they_came() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 2, SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 2).expect("known"));
    let (mut set, log) = (JoinSet::new(), Arc::default());
    for number in 0..6 {
        join_queue(&mut set, &throttler, &log, number).await;
    }
    for round in 1..=3 {
        clock.advance(SECOND);
        set.join_next().await.expect("a task").expect("no panic");
        set.join_next().await.expect("a task").expect("no panic");
        assert_eq!(log.lock().expect("whole").len(), 2 * round);
    }
    assert_eq!(*log.lock().expect("whole"), (0..6).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dropped_future_leaves_the_queue_and_hands_the_watch_on() {
    let throttler = Throttler::new(&[RateLimit::new("/x", 1, SECOND / 20)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let (mut set, log) = (JoinSet::new(), Arc::default());
    let mut first = Box::pin(throttler.enter_async("/x", 1, None));
    std::future::poll_fn(|context| {
        assert!(first.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    join_queue(&mut set, &throttler, &log, 1).await;
    drop(first);
    assert_eq!(waiting(&throttler), 1);
    set.join_next().await.expect("a task").expect("no panic");
}

#[tokio::test]
async fn a_future_dropped_in_the_moment_of_its_grant_gives_it_to_the_next() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 1, SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let mut first = Box::pin(throttler.enter_async("/x", 1, None));
    std::future::poll_fn(|context| {
        assert!(first.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let (mut set, log) = (JoinSet::new(), Arc::default());
    join_queue(&mut set, &throttler, &log, 1).await;
    clock.advance(SECOND);
    assert_eq!(throttler.usage("/x").expect("known").in_flight, 1);
    drop(first);
    set.join_next().await.expect("a task").expect("no panic");
    assert_eq!(throttler.usage("/x").expect("known").used, 1);
}

#[tokio::test]
async fn a_timeout_leaves_no_charge_and_no_place() {
    let throttler = Throttler::new(&[RateLimit::new("/x", 1, 3600 * SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let error = throttler.enter_async("/x", 1, Some(SECOND / 100)).await.expect_err("full");
    assert!(matches!(&error, Error::Timeout { id, timeout, .. } if id == "/x" && *timeout == 0.01));
    assert_eq!(waiting(&throttler), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_runtime_and_threads_share_one_throttler() {
    let throttler = Throttler::new(&[RateLimit::new("/x", 20, SECOND / 50)], start()).expect("fine");
    let mut set = JoinSet::new();
    for _ in 0..40 {
        let gate = throttler.clone();
        set.spawn(async move { gate.enter_async("/x", 1, None).await.map(drop) });
    }
    let gate = throttler.clone();
    let thread = tokio::task::spawn_blocking(move || {
        for _ in 0..40 {
            drop(gate.enter_blocking("/x", 1, None).expect("known"));
        }
    });
    while let Some(passed) = set.join_next().await {
        passed.expect("no panic").expect("known");
    }
    thread.await.expect("no panic");
    assert_eq!(waiting(&throttler), 0);
}

/// A future that was polled once and is then left alone must not keep others from their turn.
#[tokio::test]
async fn a_waiting_future_that_nobody_polls_holds_nobody_up() {
    let table = [RateLimit::new("/x", 1, 3600 * SECOND), RateLimit::new("/y", 1, SECOND / 50)];
    let throttler = Throttler::new(&table, start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    assert!(throttler.try_acquire("/y", 1).expect("known"));
    let mut left_alone = Box::pin(throttler.enter_async("/x", 1, None));
    std::future::poll_fn(|context| {
        assert!(left_alone.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(throttler.enter_async("/y", 1, None).await.expect("known"));
    assert_eq!(waiting(&throttler), 1);
}

/// Polls a future once, and leaves it alone.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_grant_that_no_task_comes_for_goes_back_after_a_second_and_its_future_to_its_old_place() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 1, 10 * SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let mut left_alone = Box::pin(throttler.enter_async("/x", 1, None));
    assert!(poll_once(&mut left_alone).await.is_none());
    let (mut set, log) = (JoinSet::new(), Arc::default());
    for number in 0..2 {
        join_queue(&mut set, &throttler, &log, number).await;
    }
    clock.advance(10 * SECOND);
    assert_eq!(throttler.usage("/x").expect("known").in_flight, 1, "granted to the one left alone");
    clock.advance(SECOND);
    set.join_next().await.expect("a task").expect("no panic");
    assert_eq!(*log.lock().expect("whole"), [0]);
    assert!(poll_once(&mut left_alone).await.is_none(), "it went to the next");
    assert_eq!(waiting(&throttler), 2);
    clock.advance(10 * SECOND);
    drop(poll_once(&mut left_alone).await.expect("before those who came later").expect("known"));
    clock.advance(10 * SECOND);
    set.join_next().await.expect("a task").expect("no panic");
    assert_eq!(*log.lock().expect("whole"), [0, 1]);
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn a_wait_in_a_runtime_without_timers_panics() {
    let throttler = Throttler::new(&[RateLimit::new("/x", 1, SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _never = runtime.block_on(throttler.enter_async("/x", 1, None));
}

#[test]
fn a_runtime_without_timers_serves_a_manual_clock() {
    let clock = ManualClock::new();
    let throttler = clock.throttler(&[RateLimit::new("/x", 1, SECOND)], start()).expect("fine");
    assert!(throttler.try_acquire("/x", 1).expect("known"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut set, log) = (JoinSet::new(), Arc::default());
        join_queue(&mut set, &throttler, &log, 1).await;
        clock.advance(SECOND);
        set.join_next().await.expect("a task").expect("no panic");
    });
}
