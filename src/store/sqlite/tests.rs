//! The file store among real processes: killed, stopped, forked, and with its files deleted.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::store::contract::{
    Child, Folder, SCOPE, add, becomes, get, insist, keeps_the_contract, look, number, write,
};
use crate::store::{MemberId, StoreErrorKind, Woken, Write, open};

#[test]
fn a_file_keeps_the_contract() {
    keeps_the_contract(&Folder::new().address());
}

#[test]
fn sqlite_is_newer_than_the_bug_that_loses_commits() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[test]
fn no_update_of_several_processes_is_lost_and_each_gets_its_turn() {
    let folder = Folder::new();
    let mut children: Vec<Child> = (0..4).map(|_| Child::start("count 2000", &folder.address())).collect();
    children.iter_mut().for_each(|child| child.expect("ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    for child in &mut children {
        let done = child.says().expect("is not refused its turn");
        assert!(done.starts_with("done"), "{done}");
    }
    assert_eq!(get(&mut *open(&folder.address()).expect("opens")), 8000);
}

#[test]
fn no_commit_is_lost_when_processes_are_killed() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut sure = 0;
    for round in 0..20 {
        let mut children: Vec<Child> = (0..2).map(|_| Child::start("forever", &folder.address())).collect();
        for child in &mut children {
            for _ in 0..20 + round {
                sure = sure.max(child.says().and_then(|sum| sum.parse().ok()).expect("a sum"));
            }
        }
        for child in &mut children {
            child.signal(Signal::KILL);
            while let Some(sum) = child.says() {
                sure = sure.max(sum.parse().unwrap_or(0));
            }
            child.kill();
        }
        let held = get(&mut *store);
        assert!(held >= sure, "{held} of {sure}");
        sure = held;
    }
}

#[test]
fn a_process_stopped_in_its_turn_keeps_others_waiting_for_a_second_only() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    add(&mut *store).expect("alone");
    let mut child = Child::start("inside", &folder.address());
    child.expect("inside");
    child.stop();
    let begun = Instant::now();
    let error = add(&mut *store).expect_err("locked");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(error.kind(), StoreErrorKind::Away);
    assert!(!error.may_have_written());
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {} (", child.process.id())) && text.contains("stopped"),
        "{text}"
    );
    open(&folder.address()).err().expect("nobody can open it now");
    child.signal(Signal::CONT);
    child.tell("go on");
    child.expect("done");
    assert_eq!(add(&mut *store), Ok(3), "both changes are there");
}

#[test]
fn a_process_killed_in_its_turn_changes_nothing_and_blocks_nobody() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    add(&mut *store).expect("alone");
    let mut child = Child::start("inside", &folder.address());
    child.expect("inside");
    child.kill();
    assert_eq!(add(&mut *store), Ok(2));
}

#[test]
fn a_change_that_panics_changes_nothing_and_blocks_nobody() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    add(&mut *store).expect("alone");
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.update(SCOPE, &mut |_| panic!("on purpose"))
    }));
    assert!(unwound.is_err());
    assert_eq!(add(&mut *open(&folder.address()).expect("opens")), Ok(2));
    assert_eq!(add(&mut *store), Ok(3));
}

#[test]
fn a_member_lives_while_it_is_stopped_and_is_dead_once_it_is_killed_or_has_left() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let (me, _wakeups) = store.join().expect("joins");
    let mut killed = Child::start("member", &folder.address());
    let mut left = Child::start("member", &folder.address());
    let (first, second) = (killed.member(), left.member());
    let mut all = [me, first, second];
    all.sort();
    killed.stop();
    look(&mut *store, |read| {
        assert!(all.iter().all(|id| !(read.is_dead)(*id)));
    });
    killed.kill();
    left.tell("leave");
    left.expect("left");
    look(&mut *store, |read| {
        assert!((read.is_dead)(first));
        assert!(!(read.is_dead)(me));
    });
}

#[test]
fn a_member_in_another_process_is_woken() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut child = Child::start("member", &folder.address());
    let id = child.member();
    for _ in 0..3 {
        let named = Write { bytes: vec![0; 8], wake: vec![id], durable: false };
        store.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
        child.expect("woken");
    }
}

#[test]
fn a_program_that_a_member_starts_does_not_keep_it_alive() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut dying = open(&folder.address()).expect("opens");
    let (id, wakeups) = dying.join().expect("joins");
    let mut program = Command::new("sleep").arg("60").spawn().expect("starts");
    drop((dying, wakeups));
    becomes(|| look(&mut *store, |read| (read.is_dead)(id)));
    assert_eq!(program.try_wait().expect("ours"), None, "the program still runs");
    let _ = program.kill().and_then(|()| program.wait());
}

/// What a forked child has is a copy of each descriptor. Here a program has the copy.
#[test]
fn a_copy_of_a_members_pipe_keeps_it_alive_until_the_copy_is_closed() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut member = Child::start("member", &folder.address());
    let id = member.member();
    let pipe = format!("/proc/{}/fd", member.process.id());
    let of_pipe = std::fs::read_dir(pipe)
        .expect("lives")
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to.ends_with(id.to_string())))
        .count();
    assert_eq!(of_pipe, 1, "one descriptor is the proof of life, so that a child can close its only copy");
    // Opened through /proc: to read, as a child's copy would be.
    let copy = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.0.join(format!("budget.db-members/{id}")));
    let copy = copy.expect("opens");
    member.kill();
    assert!(!look(&mut *store, |read| (read.is_dead)(id)), "the safe direction");
    drop(copy);
    becomes(|| look(&mut *store, |read| (read.is_dead)(id)));
}

#[test]
fn an_abandoned_store_closes_its_pipe_and_leaves_the_parents_where_it_is() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let (id, wakeups) = store.join().expect("joins");
    add(&mut *store).expect("alone");
    store.prepare_fork();
    assert_eq!(add(&mut *store), Ok(2), "the parent goes on");
    store.prepare_fork();
    let open_files = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    let of_sqlite = open_files
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter(|file| {
            ["", "-wal", "-shm"].iter().any(|end| *file == folder.0.join(format!("budget.db{end}")))
        })
        .count();
    assert_eq!(of_sqlite, 0, "a child would take the parent's locks for its own");
    store.abandon();
    std::mem::forget(wakeups);
    let mut other = open(&folder.address()).expect("nothing of SQLite is left");
    becomes(|| look(&mut *other, |read| (read.is_dead)(id)));
    assert!(folder.0.join(format!("budget.db-members/{id}")).exists());
}

#[test]
fn pipes_that_are_deleted_prove_nothing_and_come_back() {
    let folder = Folder::new();
    let (mut one, mut two) =
        (open(&folder.address()).expect("opens"), open(&folder.address()).expect("opens"));
    let (first, mut wakeups) = one.join().expect("joins");
    let (second, _other) = two.join().expect("joins");
    std::fs::remove_dir_all(folder.0.join("budget.db-members")).expect("deleted");
    look(&mut *two, |read| {
        assert!(!(read.is_dead)(first), "a pipe that is missing proves nothing");
        assert!(!(read.is_dead)(second));
    });
    // Who only sleeps puts it back, too.
    let check = Instant::now() + super::life::CHECK_EACH + Duration::from_millis(500);
    assert_eq!(wakeups.wait(Some(check)), Woken::Local);
    let named = Write { bytes: vec![0; 8], wake: vec![first], durable: false };
    two.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
    assert_eq!(wakeups.wait(Some(Instant::now() + Duration::from_secs(5))), Woken::Store);
}

#[test]
fn a_deleted_file_is_made_anew_with_another_incarnation_by_whoever_comes_first() {
    let folder = Folder::new();
    let (mut one, mut two) =
        (open(&folder.address()).expect("opens"), open(&folder.address()).expect("opens"));
    let (me, _wakeups) = one.join().expect("joins");
    add(&mut *one).expect("alone");
    add(&mut *two).expect("alone");
    let incarnation = look(&mut *one, |read| read.incarnation.to_owned());
    for ends in [&[""][..], &["", "-wal", "-shm"], &["", "-lock"]] {
        for end in ends {
            std::fs::remove_file(folder.0.join(format!("budget.db{end}"))).expect("deleted");
        }
        assert_eq!(add(&mut *two), Ok(1), "nothing of the former one is read");
        assert_eq!(add(&mut *one), Ok(2));
        look(&mut *one, |read| {
            assert_ne!(read.incarnation, incarnation);
            assert_eq!((read.elders)(), [me], "who held something is still known");
        });
        let (_newcomer, _wakeups) = two.join().expect("joins");
        let incarnation = look(&mut *two, |read| {
            assert_eq!((read.elders)(), [me], "who comes later held nothing");
            read.incarnation.to_owned()
        });
        two.leave();
        one.told_all("another").expect("alone");
        look(&mut *two, |read| assert_eq!((read.elders)(), [me], "that was another file"));
        one.told_all(&incarnation).expect("alone");
        look(&mut *two, |read| {
            assert_eq!((read.elders)(), [], "it has said what it holds");
        });
    }
    // Both closed, in either order, with one of them on the file that is gone.
    std::fs::remove_file(folder.0.join("budget.db")).expect("deleted");
    add(&mut *two).expect("alone");
    drop(one);
    assert_eq!(add(&mut *two), Ok(2));
    drop(two);
    assert_eq!(add(&mut *open(&folder.address()).expect("opens")), Ok(3));
}

#[test]
fn a_damaged_file_is_told_with_what_to_do() {
    let folder = Folder::new();
    let path = folder.0.join("budget.db");
    std::fs::write(&path, vec![7; 8192]).expect("a file");
    let error = open(&folder.address()).err().expect("no database");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    let told = error.to_string();
    // It may be anything that somebody needs.
    assert!(
        told.contains("another program's file") && told.contains("If the bots made this one: delete it"),
        "{told}"
    );
    std::fs::remove_file(&path).expect("deleted");
    let mut store = open(&folder.address()).expect("opens");
    assert_eq!(add(&mut *store), Ok(1));
}

#[test]
fn another_programs_database_and_another_schema_are_refused() {
    let folder = Folder::new();
    let path = folder.0.join("budget.db");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("CREATE TABLE trades (id INTEGER)").expect("a table");
    drop(other);
    let error = open(&folder.address()).err().expect("another's");
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(error.to_string().contains("another program"), "{error}");
    std::fs::remove_file(&path).expect("deleted");
    drop(open(&folder.address()).expect("opens"));
    let ours = rusqlite::Connection::open(&path).expect("opens");
    ours.pragma_update(None, "user_version", 2).expect("a version");
    drop(ours);
    let error = open(&folder.address()).err().expect("another version");
    assert!(error.to_string().contains("another version of sluicegate"), "{error}");
}

#[test]
fn a_folder_that_is_missing_or_is_the_file_is_told() {
    let folder = Folder::new();
    let error = open(&format!("sqlite:///{}/none/budget.db", folder.0.display())).err().expect("no folder");
    assert!(error.to_string().contains("Create the folder first"), "{error}");
    let error = open(&format!("sqlite:///{}", folder.0.display())).err().expect("a folder");
    assert!(error.to_string().contains("name a file in it"), "{error}");
    let error = open("sqlite:////proc/budget.db").err().expect("no file system for files");
    assert_eq!(error.kind(), StoreErrorKind::Refused);
}

#[test]
fn a_file_of_another_boot_is_taken_over_and_one_of_another_running_kernel_refused() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    add(&mut *store).expect("alone");
    let boot = look(&mut *store, |read| read.timeline.to_owned());
    let other = |written: i64| {
        let file = rusqlite::Connection::open(folder.0.join("budget.db")).expect("opens");
        file.execute("UPDATE store SET boot = 'other'", []).expect("marked");
        file.execute("UPDATE document SET written = ?1", [written]).expect("written");
    };
    // Before this kernel started, or long ago: a restart, or a disk that has moved.
    let now = crate::store::wall_now();
    for written in [0, now - 60_000_000_000] {
        drop(store);
        other(written);
        store = open(&folder.address()).expect("opens");
        assert_eq!(look(&mut *store, |read| read.timeline.to_owned()), boot);
    }
    // Just now: it lives.
    drop(store);
    other(now);
    store = open(&folder.address()).expect("opens");
    let error = add(&mut *store).expect_err("another kernel");
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(
        error.to_string().contains("another kernel") && error.to_string().contains("redis://"),
        "{error}"
    );
    // Taken over under our hands.
    other(0);
    insist(|| add(&mut *store));
    other(0);
    add(&mut *store).expect_err("it was ours a moment ago");
}

#[test]
fn long_dead_members_are_cleared_away_and_living_ones_are_not() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut dead = Child::start("member", &folder.address());
    let mut living = Child::start("member", &folder.address());
    let (gone, here) = (dead.member(), living.member());
    dead.kill();
    let path = |id: MemberId| folder.0.join(format!("budget.db-members/{id}"));
    let age = |id| {
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        // Opened to write as well: a pipe without a writer would not open to read.
        let pipe = std::fs::OpenOptions::new().read(true).write(true).open(path(id)).expect("opens");
        pipe.set_modified(hour_ago).expect("ours");
    };
    age(gone);
    age(here);
    store.join().expect("joins");
    assert!(!path(gone).exists());
    assert!(path(here).exists());
}

#[test]
fn sums_survive_the_last_process_and_a_lost_index() {
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    for _ in 0..10 {
        add(&mut *store).expect("alone");
    }
    drop(store);
    // As after a restart of the machine: the log is there, and what maps it is not.
    std::fs::remove_file(folder.0.join("budget.db-shm")).expect("deleted");
    let mut store = open(&folder.address()).expect("opens");
    assert_eq!(get(&mut *store), 10);
    store
        .update(SCOPE, &mut |read| {
            Some(Write { durable: true, ..write(number(read.bytes) + 1).expect("a write") })
        })
        .expect("a write");
    drop(store);
    // What is durable is in the database itself.
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(folder.0.join(format!("budget.db{end}"))).expect("deleted");
    }
    assert_eq!(get(&mut *open(&folder.address()).expect("opens")), 11);
}

#[test]
#[ignore = "measures"]
fn costs_of_a_file() {
    crate::store::contract::costs("file", &Folder::new().address());
    let folder = Folder::new();
    let mut store = open(&folder.address()).expect("opens");
    let mut members: Vec<_> = (0..100).map(|_| open(&folder.address()).expect("opens")).collect();
    let joined: Vec<_> = members.iter_mut().map(|member| member.join().expect("joins")).collect();
    let begun = Instant::now();
    for _ in 0..100 {
        look(&mut *store, |read| assert!(joined.iter().all(|(id, _)| !(read.is_dead)(*id))));
    }
    println!("file: asking for the life of 100 members {:.0} µs", begun.elapsed().as_micros() as f64 / 100.0);
}
