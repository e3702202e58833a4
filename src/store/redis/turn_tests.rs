//! Who may write, and who waits for that: the script by itself, and crowds of writers.

use std::io::Write as _;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::resp::Reply;
use super::script::{SCRIPT, TAKE, key, queue};
use super::testing::{Running, with_each};
use crate::store::contract::{SCOPE, add, get, insist, number};
use crate::store::open;

/// Runs the script itself: version, identity, time in µs from the server's, new version (also as the document), client.
fn script(server: &Running, seen: &str, run: &str, ahead: i64, new: &str, client: &str) -> Vec<Reply> {
    let Reply::List(time) = server.ask(&["TIME"]) else { panic!("a time") };
    let part = |at: usize| match &time[at] {
        Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).parse::<i64>().expect("a number"),
        other => panic!("{other:?}"),
    };
    let now = (part(0) * 1_000_000 + part(1) + ahead).to_string();
    run_script(server, &[seen, run, &now, client, new, new])
}

fn run_script(server: &Running, arguments: &[&str]) -> Vec<Reply> {
    let (key, queue) = (key(SCOPE), queue(SCOPE));
    let command = [&["EVAL", SCRIPT, "2", &key, &queue], arguments].concat();
    match server.ask(&command) {
        Reply::List(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_script_writes_only_upon_the_same_version_server_and_time() {
    with_each(&[], |server| {
        let answer = script(&server, "?", "", 0, "", "");
        let Reply::Bytes(run) = &answer[3] else { panic!("{answer:?}") };
        let run = String::from_utf8(run.clone()).expect("text");
        assert!(run.len() >= 40, "{run}");
        let written = |seen: &str, run: &str, ahead, new: &str| {
            script(&server, seen, run, ahead, new, "me")[0] == Reply::Number(1)
        };
        assert!(written("", &run, 0, "a-1"));
        assert!(!written("", &run, 0, "b-1"), "there is a document");
        assert!(!written("a-0", &run, 0, "a-2"), "another version");
        assert!(!written("a-1", "other", 0, "a-2"), "another server");
        assert!(!written("a-1", &run, 60_000_000, "a-2"), "a time to come");
        assert!(!written("a-1", &run, -60_000_000, "a-2"), "a time long past");
        assert!(written("a-1", &run, 0, "a-2"));
    });
}

#[test]
fn who_came_too_late_has_the_turn_for_a_while_and_no_longer() {
    with_each(&[], |server| {
        let Reply::Bytes(run) = &script(&server, "?", "", 0, "", "")[3] else { panic!("an identity") };
        let run = String::from_utf8(run.clone()).expect("text");
        let ask = |seen: &str, new: &str, client: &str| match script(&server, seen, &run, 0, new, client)[0] {
            Reply::Number(1) => "done",
            Reply::Number(2) => "wait",
            Reply::Number(0) => "newer",
            ref other => panic!("{other:?}"),
        };
        assert_eq!(ask("", "a-1", "one"), "done");
        assert_eq!(ask("", "a-1", "two"), "newer", "too late: two has the turn");
        assert_eq!(ask("a-1", "a-2", "one"), "wait", "not one's turn, though it knows the newest");
        assert_eq!(ask("a-1", "", "one"), "done", "to look needs no turn");
        assert_eq!(ask("a-1", "a-2", "two"), "done");
        // One waits, as the script believes; but it does not fetch the turn.
        assert_eq!(ask("a-2", "a-3", "three"), "done", "nobody holds a turn that nobody fetched");
        // Two dies with the turn.
        assert_eq!(ask("", "a-1", "two"), "newer");
        assert_eq!(
            insist(|| if ask("a-3", "a-4", "one") == "done" { Ok(()) } else { Err("two's turn") }),
            ()
        );
        assert_eq!(ask("", "a-1", "two"), "newer");
        assert_eq!(ask("a-4", "", "two"), "done", "who has the turn looks, and writes nothing");
        assert_eq!(ask("a-4", "a-5", "one"), "done", "the turn is over");
    });
}

#[test]
fn the_turn_goes_to_the_next_who_waits_by_a_token_and_a_lost_token_is_passed_over() {
    with_each(&[], |server| {
        let Reply::Bytes(run) = &script(&server, "?", "", 0, "", "")[3] else { panic!("an identity") };
        let run = String::from_utf8(run.clone()).expect("text");
        let take = |client: &str, known: &str, token: &str| {
            run_script(&server, &[known, &run, "0", client, TAKE, token])[0].clone()
        };
        let write =
            |seen: &str, new: &str, client: &str| script(&server, seen, &run, 0, new, client)[0].clone();
        let (newer, done, wait, known) =
            (Reply::Number(0), Reply::Number(1), Reply::Number(2), Reply::Number(3));
        let waiters = || match server.ask(&["INFO", "clients"]) {
            Reply::Bytes(info) => String::from_utf8_lossy(&info).contains("blocked_clients:1\r"),
            other => panic!("{other:?}"),
        };
        assert_eq!(take("one", "", ""), known, "there is no document, as one says");
        assert_eq!(take("two", "?", ""), wait);
        let token = std::thread::scope(|scope| {
            let waits = scope.spawn(|| server.ask(&["BLPOP", &queue(SCOPE), "10"]));
            insist(|| if waiters() { Ok(()) } else { Err("nobody waits") });
            assert_eq!(write("", "a-1", "one"), done);
            waits.join().expect("is handed the turn")
        });
        let Reply::List(token) = token else { panic!("{token:?}") };
        let Reply::Bytes(token) = &token[1] else { panic!("{token:?}") };
        let token = String::from_utf8(token.clone()).expect("text");
        assert_eq!(take("three", "a-1", ""), wait, "it is two's, who has yet to say so");
        assert_eq!(write("a-1", "a-2", "three"), wait);
        assert_eq!(take("two", "a-1", &token), known);
        assert_eq!(write("a-1", "a-2", "two"), done);
        // Three waits no more: the token that was left for it hinders nobody.
        assert_eq!(take("four", "a-1", ""), newer);
        // Four dies, and so does everybody's place in the queue.
        assert_eq!(
            insist(|| Some(take("five", "a-2", "")).filter(|it| *it == known).ok_or("four's turn")),
            known
        );
        assert_eq!(take("two", "a-2", &token), wait, "a token of long ago is worth nothing");
    });
}

#[test]
fn a_hundred_writers_take_turns_and_each_decides_once() {
    with_each(&[], |server| {
        let address = server.address();
        let decisions = AtomicUsize::new(0);
        let gate = Barrier::new(100);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let mut store = insist(|| open(&address));
                    get(&mut *store);
                    gate.wait();
                    for _ in 0..3 {
                        let added = store.update(SCOPE, &mut |read| {
                            decisions.fetch_add(1, Ordering::Relaxed);
                            crate::store::contract::write(number(read.bytes) + 1)
                        });
                        added.expect("is not refused its turn");
                    }
                });
            }
        });
        assert_eq!(get(&mut *open(&address).expect("opens")), 300);
        // The first of each may be in vain, as nobody knows yet that there is a crowd.
        let decisions = decisions.into_inner();
        println!("{decisions} decisions for 300 updates");
        assert!(decisions <= 450, "{decisions} decisions for 300 updates");
    });
}

#[test]
fn who_is_stopped_or_killed_with_the_turn_delays_the_others_by_little() {
    with_each(&[], |server| {
        let mut store = open(&server.address()).expect("opens");
        add(&mut *store).expect("there");
        for stops in [true, false] {
            let Reply::Bytes(run) = &script(&server, "?", "", 0, "", "")[3] else { panic!("an identity") };
            let run = String::from_utf8(run.clone()).expect("text");
            // It has the turn, and is never heard of again; or it waits for it with a connection that stays.
            let mut others = open(&server.address()).expect("opens");
            run_script(&server, &["?", &run, "0", "stopped", TAKE, ""]);
            let silent = std::net::TcpStream::connect(("127.0.0.1", server.port)).expect("connects");
            if stops {
                let text = format!("BLPOP {} 10\r\n", queue(SCOPE));
                (&silent).write_all(text.as_bytes()).expect("sent");
            }
            let sum = add(&mut *store).expect("is not refused its turn");
            assert_eq!(add(&mut *others), Ok(sum + 1));
        }
    });
}
