//! Throttlers that share a budget in a file, each as its own member.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluicegate::{Options, RateLimit, Share, Throttler};

fn folder(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("sluicegate-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

#[test]
fn several_members_use_all_of_a_limit_and_never_more() {
    let folder = folder("members");
    let url = format!("sqlite:///{}/budget.db", folder.display());
    let table = [RateLimit::new("x", 200, Duration::from_secs(1))];
    let members: Vec<Throttler> = (0..4)
        .map(|_| Throttler::shared(&table, Options::default(), Share::new(&*url)).expect("joined"))
        .collect();
    let passed: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let end = Instant::now() + Duration::from_secs(5);
    let threads: Vec<_> = (0..40)
        .map(|at| {
            let (throttler, passed) = (members[at % 4].clone(), passed.clone());
            std::thread::spawn(move || {
                while Instant::now() < end {
                    if let Ok(pass) = throttler.enter_blocking("x", 1, Some(Duration::from_millis(200))) {
                        passed.lock().expect("no panic").push(Instant::now());
                        drop(pass);
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let mut passed = passed.lock().expect("no panic").clone();
    passed.sort();
    let worst = (0..passed.len())
        .map(|at| {
            passed[at..].iter().take_while(|&&other| other < passed[at] + Duration::from_millis(999)).count()
        })
        .max();
    println!("{} passed, worst window {worst:?}", passed.len());
    println!("{:?}", members[0].shared_usage("x"));
    assert!(worst <= Some(200));
    assert!(passed.len() >= 900, "{}", passed.len());
    for member in &members {
        assert!(member.close(Duration::from_secs(5)));
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_unit_that_one_member_has_comes_to_another_that_asks_again() {
    let folder = folder("again");
    let url = format!("sqlite:///{}/budget.db", folder.display());
    let table = [RateLimit::new("x", 1, Duration::from_millis(50))];
    let join = || Throttler::shared(&table, Options::default(), Share::new(&*url)).expect("joined");
    let (first, second) = (join(), join());
    for _ in 0..3 {
        for member in [&first, &second] {
            let end = Instant::now() + Duration::from_secs(10);
            while !member.try_acquire("x", 1).expect("a fine request") {
                assert!(Instant::now() < end, "it never got the unit");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    [first, second].iter().for_each(|member| assert!(member.close(Duration::from_secs(5))));
    std::fs::remove_dir_all(folder).expect("removed");
}

/// An id that leaves the table and comes back begins with nothing: what this member had may be another's by then.
#[test]
fn a_limit_that_comes_back_with_a_table_begins_with_nothing_in_hand() {
    let folder = folder("tables");
    let url = format!("sqlite:///{}/budget.db", folder.display());
    let interval = Duration::from_millis(300);
    let (x, y) = (RateLimit::new("x", 10, interval), RateLimit::new("y", 10, interval));
    let share = || Share::new(&*url).arrival(Duration::ZERO);
    let table = [x.clone(), y.clone()];
    let join = || Throttler::shared(&table, Options::default(), share()).expect("joined");
    let members = [join(), join()];
    let passed: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let end = Instant::now() + Duration::from_secs(4);
    let threads: Vec<_> = members
        .iter()
        .map(|throttler| {
            let (throttler, passed) = (throttler.clone(), passed.clone());
            std::thread::spawn(move || {
                while Instant::now() < end {
                    if let Ok(true) = throttler.try_acquire("x", 1) {
                        passed.lock().expect("no panic").push(Instant::now());
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();
    while Instant::now() < end {
        members[0].set_rate_limits(std::slice::from_ref(&y)).expect("a fine table");
        std::thread::sleep(Duration::from_millis(3));
        members[0].set_rate_limits(&[x.clone(), y.clone()]).expect("a fine table");
        std::thread::sleep(Duration::from_millis(90));
    }
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let mut passed = passed.lock().expect("no panic").clone();
    passed.sort();
    // The instants were read after the passing.
    let window = interval - Duration::from_millis(5);
    let inside = |at: usize| passed[at..].iter().take_while(|&&other| other < passed[at] + window).count();
    let worst = (0..passed.len()).map(inside).max();
    assert!(worst <= Some(10), "{worst:?} of 10 in a window; {} in all", passed.len());
    assert!(passed.len() > 20, "only {} passed", passed.len());
    members.iter().for_each(|member| assert!(member.close(Duration::from_secs(5))));
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn two_accounts_on_one_file_do_not_wait_for_each_other() {
    let folder = folder("accounts");
    let url = format!("sqlite:///{}/budget.db", folder.display());
    let table = [RateLimit::new("x", 1, Duration::from_secs(1))];
    let members: Vec<Throttler> = ["main", "second", "third"]
        .map(|account| {
            Throttler::shared(&table, Options::default(), Share::new(&*url).account(account)).expect("joined")
        })
        .into();
    for member in &members {
        // Far less than a lock for what a former file may have held.
        drop(member.enter_blocking("x", 1, Some(Duration::from_secs(3))).expect("a unit of its own"));
    }
    members.iter().for_each(|member| assert!(member.close(Duration::from_secs(5))));
    std::fs::remove_dir_all(folder).expect("removed");
}
