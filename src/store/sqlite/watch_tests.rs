//! Who watches a member of a file hears of its end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::store::contract::{Child, Folder, SCOPE, look};
use crate::store::{Woken, Write, open};

#[test]
fn who_watches_a_member_hears_of_its_end_at_once_and_of_nothing_else() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let (_, mut wakeups) = store.join().expect("joins");
    let now = || Some(Instant::now() + Duration::from_millis(30));
    let soon = || Some(Instant::now() + Duration::from_secs(20));
    for leaves in [false, true] {
        let (mut one, mut other) =
            (Child::start("member", &folder.address()), Child::start("member", &folder.address()));
        let (first, second) = (one.member(), other.member());
        wakeups.watch(&[first, second]);
        // It is called, asked for and stopped; another joins, and one that is no longer watched ends.
        for _ in 0..3 {
            let named = Write { bytes: vec![0; 8], wake: vec![first], durable: false };
            store.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
            one.expect("woken");
            look(&mut *store, |read| assert!(!(read.is_dead)(first)));
        }
        wakeups.watch(&[first]);
        one.stop();
        other.kill();
        drop(Child::start("member", &folder.address()));
        assert_eq!(wakeups.wait(now()), Woken::Timeout);
        one.signal(Signal::CONT);
        if leaves {
            one.tell("leave")
        } else {
            one.kill()
        }
        assert_eq!(wakeups.wait(soon()), Woken::Store);
        // Who has left has taken its pipe along, and said what it held before.
        look(&mut *store, |read| assert_eq!((read.is_dead)(first), !leaves));
        assert_eq!(wakeups.wait(now()), Woken::Timeout, "told once");
        wakeups.watch(&[second]);
        wakeups.watch(&[second]);
        assert_eq!(wakeups.wait(now()), Woken::Store, "it had ended before");
        wakeups.watch(&[second]);
        assert_eq!(wakeups.wait(now()), Woken::Timeout, "told once");
    }
}

/// A descriptor that a child has a copy of stays in the kernel's list when it is closed.
#[test]
fn an_end_is_told_once_also_where_a_forked_child_has_copies() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let (_, mut wakeups) = store.join().expect("joins");
    let mut child = Child::start("member", &folder.address());
    let id = child.member();
    wakeups.watch(&[id]);
    let path = folder.0.join(format!("budget.db-members/{id}"));
    let held = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    let held: Vec<i32> = held
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to == path))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    assert_eq!(held.len(), 1, "one descriptor for one that is watched");
    let pid = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("ours");
    let copy = rustix::process::pidfd_getfd(&pidfd, held[0], rustix::process::PidfdGetfdFlags::empty());
    let _copy = copy.expect("a copy of the same open file");
    child.kill();
    assert_eq!(wakeups.wait(Some(Instant::now() + Duration::from_secs(20))), Woken::Store);
    assert_eq!(wakeups.wait(Some(Instant::now() + Duration::from_millis(30))), Woken::Timeout);
}
