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
    drop((first, second));
    std::fs::remove_dir_all(folder).expect("removed");
}
