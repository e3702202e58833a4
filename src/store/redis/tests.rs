//! The server store with every Redis and Valkey of this machine: killed, emptied, hanging, locked and full.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::resp::Reply;
use super::script::{SCRIPT, TAKE, key, queue};
use super::testing::{CUT, HANG, PASS, Proxy, Running, SWALLOW, programs, with_each};
use crate::store::contract::{Child, SCOPE, add, get, insist, keeps_the_contract, look, number};
use crate::store::{StoreErrorKind, Woken, Write, open};

#[test]
fn a_server_keeps_the_contract_by_tcp_and_by_a_socket() {
    with_each(&[], |server| {
        keeps_the_contract(&server.address());
        keeps_the_contract(&format!("unix://{}?db=1", server.socket()));
    });
}

#[test]
fn no_update_of_several_processes_is_lost() {
    with_each(&[], |server| {
        let mut children: Vec<Child> = (0..4).map(|_| Child::start("count 300", &server.address())).collect();
        children.iter_mut().for_each(|child| child.expect("ready"));
        children.iter_mut().for_each(|child| child.tell("go"));
        for child in &mut children {
            let done = child.says().expect("is not refused its turn");
            assert!(done.starts_with("done"), "{done}");
        }
        assert_eq!(get(&mut *open(&server.address()).expect("opens")), 1200);
    });
}

#[test]
fn a_server_that_is_killed_and_started_empty_is_away_and_then_another_incarnation() {
    with_each(&[], |mut server| {
        let mut store = open(&server.address()).expect("opens");
        let (_, mut wakeups) = store.join().expect("joins");
        add(&mut *store).expect("there");
        let before = look(&mut *store, |read| read.incarnation.to_owned());
        server.end();
        let Woken::Away(error) = wakeups.wait(None) else { panic!("the connection is lost") };
        assert_eq!(error.kind(), StoreErrorKind::Away);
        assert_eq!(
            wakeups.wait(Some(Instant::now() + Duration::from_millis(200))),
            Woken::Timeout,
            "told once"
        );
        let error = add(&mut *store).expect_err("it is gone");
        assert_eq!(error.kind(), StoreErrorKind::Away, "{error}");
        assert!(!error.may_have_written(), "that the connection had ended was seen before");
        let begun = Instant::now();
        for _ in 0..1000 {
            add(&mut *store).expect_err("it is gone");
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "who asks often does not connect each time");
        server.again();
        assert_eq!(insist(|| add(&mut *store)), 1);
        look(&mut *store, |read| assert_ne!(read.incarnation, before));
        assert_eq!(wakeups.wait(None), Woken::Store, "whoever comes back looks");
    });
}

#[test]
fn a_restart_with_the_data_is_another_incarnation_too() {
    with_each(&[], |mut server| {
        let mut store = open(&server.address()).expect("opens");
        add(&mut *store).expect("there");
        // What this process has seen last is what the server still has: only the server is another.
        let before = look(&mut *store, |read| read.incarnation.to_owned());
        assert_eq!(server.ask(&["SAVE"]), Reply::Simple("OK".into()));
        server.again();
        let after = insist(|| {
            let mut seen = String::new();
            store.update(SCOPE, &mut |read| {
                seen = read.incarnation.to_owned();
                None
            })?;
            Ok::<_, crate::store::StoreError>(seen)
        });
        assert_ne!(after, before);
        let before = after;
        // And without what was written last.
        add(&mut *store).expect("is lost with the server");
        server.again();
        let (sum, after) = insist(|| {
            let mut seen = None;
            store.update(SCOPE, &mut |read| {
                seen = Some((number(read.bytes), read.incarnation.to_owned()));
                None
            })?;
            seen.ok_or(crate::store::StoreError::away("not called"))
        });
        assert_eq!(sum, 1);
        assert_ne!(after, before);
    });
}

#[test]
fn a_document_that_is_deleted_or_replaced_is_noticed() {
    with_each(&[], |server| {
        let mut store = open(&server.address()).expect("opens");
        add(&mut *store).expect("there");
        add(&mut *store).expect("there");
        let before = look(&mut *store, |read| read.incarnation.to_owned());
        server.ask(&["COPY", &key(SCOPE), "{copy}"]);
        let copied = server.ask(&["HGETALL", &key(SCOPE)]);
        server.ask(&["FLUSHALL"]);
        assert_eq!(add(&mut *store), Ok(1));
        let after = look(&mut *store, |read| read.incarnation.to_owned());
        assert_ne!(after, before);
        // An older document comes back, as after the loss of a primary.
        let Reply::List(fields) = copied else { panic!("a hash") };
        let text = |reply: &Reply| match reply {
            Reply::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("text"),
            other => panic!("{other:?}"),
        };
        let fields: Vec<String> = fields.iter().map(text).collect();
        let mut command = vec!["HSET".to_owned(), key(SCOPE)];
        command.extend(fields);
        server.ask(&command.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(add(&mut *store), Ok(3));
        assert_eq!(look(&mut *store, |read| read.incarnation.to_owned()), before);
    });
}

#[test]
fn the_incarnation_that_makes_a_document_is_the_one_it_keeps() {
    with_each(&[], |server| {
        let mut store = open(&server.address()).expect("opens");
        let mut seen = Vec::new();
        for _ in 0..3 {
            store
                .update(SCOPE, &mut |read| {
                    seen.push(read.incarnation.to_owned());
                    crate::store::contract::write(1)
                })
                .expect("there");
        }
        seen.push(look(&mut *open(&server.address()).expect("opens"), |read| read.incarnation.to_owned()));
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
    });
}

#[test]
fn a_server_that_forgot_the_script_gets_it_again() {
    with_each(&[], |server| {
        let mut store = open(&server.address()).expect("opens");
        assert_eq!(add(&mut *store), Ok(1));
        for sum in 2..5 {
            assert_eq!(server.ask(&["SCRIPT", "FLUSH"]), Reply::Simple("OK".into()));
            assert_eq!(add(&mut *store), Ok(sum));
        }
        let Reply::Bytes(sha) = server.ask(&["SCRIPT", "LOAD", SCRIPT]) else { panic!("a name") };
        let sha = String::from_utf8(sha).expect("text");
        let exists = server.ask(&["SCRIPT", "EXISTS", &sha]);
        assert_eq!(exists, Reply::List(vec![Reply::Number(1)]));
    });
}

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
            let begun = Instant::now();
            run_script(&server, &["?", &run, "0", "stopped", TAKE, ""]);
            let silent = std::net::TcpStream::connect(("127.0.0.1", server.port)).expect("connects");
            if stops {
                let text = format!("BLPOP {} 10\r\n", queue(SCOPE));
                (&silent).write_all(text.as_bytes()).expect("sent");
            }
            let sum = add(&mut *store).expect("is not refused its turn");
            assert_eq!(add(&mut *others), Ok(sum + 1));
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    });
}

#[test]
fn a_server_that_hangs_costs_a_second_and_its_answer_may_still_count() {
    with_each(&[], |server| {
        let proxy = Proxy::to(server.port);
        let address = format!("redis://127.0.0.1:{}", proxy.port);
        let mut store = open(&address).expect("opens");
        let mut sum = add(&mut *store).expect("there");
        for (mode, reaches) in [(HANG, false), (SWALLOW, true), (CUT, true)] {
            proxy.set(mode);
            let begun = Instant::now();
            let error = add(&mut *store).expect_err("no answer");
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
            assert_eq!(error.kind(), StoreErrorKind::Away, "{error}");
            assert!(error.may_have_written());
            assert!(error.to_string().contains("did not answer within 1 s"), "{error}");
            // Connecting does not help while it hangs.
            std::thread::sleep(Duration::from_millis(100));
            let error = add(&mut *store).expect_err("no answer");
            assert!(!error.may_have_written(), "nothing was sent: {error}");
            let Some(error) = open(&address).err() else { panic!("no answer") };
            assert_eq!(error.kind(), StoreErrorKind::Away, "{error}");
            proxy.set(PASS);
            let next = insist(|| add(&mut *store));
            assert_eq!(next, sum + 1 + u64::from(reaches), "mode {mode}");
            sum = next;
        }
    });
}

#[test]
fn a_sleeper_notices_that_its_server_is_silent_and_comes_back() {
    let Some(program) = programs().into_iter().next() else { return };
    let server = Running::start(&program, &[]);
    let proxy = Proxy::to(server.port);
    let mut store = open(&format!("redis://127.0.0.1:{}", proxy.port)).expect("opens");
    let (_, mut wakeups) = store.join().expect("joins");
    // A server that is well answers, and nobody is woken.
    let long = Instant::now() + Duration::from_secs(12);
    assert_eq!(wakeups.wait(Some(long)), Woken::Timeout);
    proxy.set(HANG);
    assert!(matches!(wakeups.wait(None), Woken::Away(_)));
    proxy.set(PASS);
    assert_eq!(wakeups.wait(None), Woken::Store);
}

#[test]
fn who_is_no_redis_server_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = open(&format!("redis://:hunter2@127.0.0.1:{port}")).err().expect("a web server");
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
    assert!(
        error.to_string().contains("does not answer as Redis") && !error.to_string().contains("hunter2"),
        "{error}"
    );
    let port = super::testing::free_port();
    let error = open(&format!("redis://:hunter2@127.0.0.1:{port}")).err().expect("nobody");
    assert_eq!(error.kind(), StoreErrorKind::Away);
    assert!(error.to_string().contains("refused") && !error.to_string().contains("hunter2"), "{error}");
    let error = open("unix:///no/such/socket").err().expect("nobody");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn a_server_that_may_forget_is_warned_of_once() {
    with_each(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], |mut server| {
        let mut store = open(&server.address()).expect("opens");
        let warnings = store.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("maxmemory-policy allkeys-lru"), "{warnings:?}");
        server.again();
        insist(|| add(&mut *store));
        assert!(store.warnings().is_empty());
    });
    with_each(&["--maxmemory-policy", "allkeys-lru"], |server| {
        assert!(
            open(&server.address()).expect("opens").warnings().is_empty(),
            "without a limit nothing goes"
        );
    });
}

#[test]
fn a_full_server_is_told_and_comes_back() {
    with_each(&["--maxmemory-policy", "noeviction"], |server| {
        let mut store = open(&server.address()).expect("opens");
        add(&mut *store).expect("there is room");
        let limit = |bytes| {
            assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", bytes]), Reply::Simple("OK".into()))
        };
        limit("500kb");
        let error = add(&mut *store).expect_err("full");
        assert_eq!(error.kind(), StoreErrorKind::Away, "{error}");
        assert!(error.to_string().contains("maxmemory") && !error.may_have_written(), "{error}");
        limit("0");
        assert_eq!(insist(|| add(&mut *store)), 2);
    });
}

#[test]
fn a_key_of_another_program_is_left_alone() {
    with_each(&[], |server| {
        server.ask(&["SET", &key(SCOPE), "mine"]);
        let error = add(&mut *open(&server.address()).expect("opens")).expect_err("no hash");
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert_eq!(server.ask(&["GET", &key(SCOPE)]), Reply::Bytes(b"mine".to_vec()));
    });
}

#[test]
fn a_replica_is_told_from_its_primary() {
    with_each(&[], |server| {
        let mut store = open(&server.address()).expect("opens");
        add(&mut *store).expect("there");
        server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
        let error = add(&mut *store).expect_err("a replica");
        assert_eq!(error.kind(), StoreErrorKind::Away);
        assert!(error.to_string().contains("primary"), "{error}");
        server.ask(&["REPLICAOF", "NO", "ONE"]);
        assert_eq!(insist(|| add(&mut *store)), 2);
    });
}

#[test]
fn a_cluster_is_followed_to_where_it_has_each_scope() {
    for program in programs() {
        let nodes: Vec<Running> =
            (0..2).map(|_| Running::start(&program, &["--cluster-enabled", "yes"])).collect();
        let halves = [(0, 8191), (8192, 16383)];
        for (node, (from, to)) in nodes.iter().zip(halves) {
            let slots: Vec<String> = (from..=to).map(|slot: u32| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            assert_eq!(node.ask(&command), Reply::Simple("OK".into()));
        }
        nodes[1].ask(&["CONFIG", "SET", "cluster-announce-ip", "127.0.0.1"]);
        nodes[0].ask(&["CLUSTER", "SET-CONFIG-EPOCH", "1"]);
        nodes[1].ask(&["CLUSTER", "SET-CONFIG-EPOCH", "2"]);
        nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[1].port.to_string()]);
        for node in &nodes {
            insist(|| match node.ask(&["CLUSTER", "INFO"]) {
                Reply::Bytes(info) if String::from_utf8_lossy(&info).contains("cluster_state:ok") => Ok(()),
                other => Err(format!("{other:?}")),
            });
        }
        let scopes: Vec<String> = (0..8).map(|number| format!("account:{number}")).collect();
        let mut stores: Vec<_> = nodes.iter().map(|node| open(&node.address()).expect("opens")).collect();
        for round in 0..3 {
            for (at, store) in stores.iter_mut().enumerate() {
                for scope in &scopes {
                    let mut seen = 0;
                    let done = store.update(scope, &mut |read| {
                        seen = number(read.bytes);
                        crate::store::contract::write(seen + 1)
                    });
                    done.expect("is found");
                    assert_eq!(seen, round * 2 + at as u64, "{scope}");
                }
            }
        }
        let of = |node: &Running| match node.ask(&["DBSIZE"]) {
            Reply::Number(count) => count,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&nodes[0]) + of(&nodes[1]), 8);
        assert!(of(&nodes[0]) > 0 && of(&nodes[1]) > 0, "both have some");
        // A member at one node is woken by one at the other.
        let (id, mut wakeups) = stores[0].join().expect("joins");
        let named = Write { bytes: vec![0; 8], wake: vec![id], durable: false };
        stores[1].update(&scopes[0], &mut |_| Some(named.clone())).expect("there");
        assert_eq!(wakeups.wait(Some(Instant::now() + Duration::from_secs(10))), Woken::Store);
        assert_eq!(stores[0].scopes().expect("scopes"), scopes, "of all nodes");
    }
}

#[test]
#[ignore = "measures"]
fn costs_of_a_server() {
    with_each(&[], |server| {
        crate::store::contract::costs("TCP", &server.address());
        crate::store::contract::costs("socket", &format!("unix://{}?db=1", server.socket()));
    });
}
