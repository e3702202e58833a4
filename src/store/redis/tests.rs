//! The server store with every Redis and Valkey of this machine: killed, emptied, hanging, locked and full.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::resp::Reply;
use super::script::{SCRIPT, key};
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
        assert_eq!(wakeups.wait(None), Woken::Store, "who comes back looks");
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
