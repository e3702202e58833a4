//! What every store must keep, whatever it is made of; and processes for its tests.
//!
//! A test that needs other processes starts this test binary again: [`Child`] runs [`child`] alone, in the role that the
//! environment names.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::{MemberId, Read, Store, Woken, Write, open};

pub(super) const SCOPE: &str = "account:main";

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sluicegate-{}", super::random().expect("random")));
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    pub(super) fn address(&self) -> String {
        format!("sqlite:///{}", self.0.join("budget.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")))
}

pub(super) fn write(number: u64) -> Option<Write> {
    Some(Write { bytes: number.to_le_bytes().to_vec(), ..Write::default() })
}

/// Adds one, and returns the sum.
pub(super) fn add(store: &mut dyn Store) -> Result<u64, super::StoreError> {
    let mut sum = 0;
    store.update(SCOPE, &mut |read| {
        sum = number(read.bytes) + 1;
        write(sum)
    })?;
    Ok(sum)
}

pub(super) fn get(store: &mut dyn Store) -> u64 {
    look(store, |read| number(read.bytes))
}

pub(super) fn look<T>(store: &mut dyn Store, mut what: impl FnMut(&Read<'_>) -> T) -> T {
    let mut seen = None;
    let looked = store.update(SCOPE, &mut |read| {
        seen = Some(what(read));
        None
    });
    looked.expect("an update");
    seen.expect("was called")
}

/// Tries until it succeeds, for as long as a store may be away.
pub(super) fn insist<T, E: std::fmt::Display>(mut work: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until it is so, for as long as another test's child may hold copies of our descriptors.
pub(super) fn becomes(mut what: impl FnMut() -> bool) {
    insist(|| if what() { Ok(()) } else { Err("it does not become so") });
}

/// All of the contract, on a store that has nothing yet.
pub(super) fn keeps_the_contract(address: &str) {
    a_document_is_read_as_it_was_written(address);
    nobody_elses_write_is_lost(address);
    whoever_is_named_wakes_up(address);
    time_goes_on_and_never_back(address);
}

fn a_document_is_read_as_it_was_written(address: &str) {
    let (mut one, mut two) = (open(address).expect("opens"), open(address).expect("opens"));
    assert_eq!(look(&mut *one, |read| read.bytes.map(<[u8]>::to_vec)), None);
    assert!(one.scopes().expect("scopes").is_empty(), "a look writes nothing");
    let first = look(&mut *one, |read| read.incarnation.to_owned());
    let documents = [vec![], vec![0, 13, 10, 255], (0..1_000_000u32).map(|n| n as u8).collect::<Vec<u8>>()];
    for bytes in documents {
        for durable in [false, true] {
            let new = Write { bytes: bytes.clone(), wake: vec![MemberId(7)], durable };
            one.update(SCOPE, &mut |_| Some(new.clone())).expect("a write");
            assert_eq!(look(&mut *two, |read| read.bytes.map(<[u8]>::to_vec)), Some(bytes.clone()));
            assert_eq!(look(&mut *one, |read| read.bytes.map(<[u8]>::to_vec)), Some(bytes.clone()));
        }
    }
    two.update("address:a}b 'c'", &mut |read| {
        assert_eq!(read.bytes, None, "each scope has a document of its own");
        write(1)
    })
    .expect("a write");
    assert_eq!(one.scopes().expect("scopes"), [SCOPE, "address:a}b 'c'"]);
    for store in [&mut one, &mut two] {
        assert_eq!(look(&mut **store, |read| read.incarnation.to_owned()), first, "nothing was forgotten");
    }
    one.update(SCOPE, &mut |_| write(0)).expect("a write");
}

fn nobody_elses_write_is_lost(address: &str) {
    let before = get(&mut *open(address).expect("opens"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = open(address).expect("opens");
                for _ in 0..500 {
                    add(&mut *store).expect("its turn");
                }
            });
        }
    });
    assert_eq!(get(&mut *open(address).expect("opens")), before + 2000);
}

fn whoever_is_named_wakes_up(address: &str) {
    let (mut one, mut two) = (open(address).expect("opens"), open(address).expect("opens"));
    let (first, mut first_wakes) = one.join().expect("joins");
    let (second, mut second_wakes) = two.join().expect("joins");
    assert_ne!(first, second);
    let soon = || Some(Instant::now() + Duration::from_secs(10));
    let now = || Some(Instant::now() + Duration::from_millis(30));
    let mut wake = |whom: &[MemberId]| {
        let named = Write { bytes: vec![0; 8], wake: whom.to_vec(), durable: false };
        one.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
    };
    // Before the sleep, and in it.
    wake(&[second]);
    assert_eq!(second_wakes.wait(soon()), Woken::Store);
    let sleeper = std::thread::spawn(move || {
        let woken = second_wakes.wait(soon());
        (second_wakes, woken)
    });
    wake(&[MemberId(1), second]);
    let (mut second_wakes, woken) = sleeper.join().expect("sleeps");
    assert_eq!(woken, Woken::Store);
    // Nobody else, and nobody twice.
    assert_eq!(first_wakes.wait(now()), Woken::Timeout);
    assert_eq!(second_wakes.wait(now()), Woken::Timeout);
    // Any number of times while it does not sleep.
    for _ in 0..300 {
        wake(&[first]);
    }
    let woken =
        |wakes: &mut dyn super::Wakeups| (0..400).take_while(|_| wakes.wait(now()) == Woken::Store).count();
    assert!((1..=300).contains(&woken(&mut *first_wakes)));
    // From within the process.
    let waker = first_wakes.waker();
    waker.wake();
    waker.wake();
    assert_eq!(first_wakes.wait(soon()), Woken::Local);
    let other = std::thread::spawn(move || waker.wake());
    assert_eq!(first_wakes.wait(soon()), Woken::Local);
    other.join().expect("woke");
    // An instant that is past.
    assert_eq!(first_wakes.wait(Some(Instant::now())), Woken::Timeout);
    // Somebody else after leaving.
    one.leave();
    let (again, mut wakes) = one.join().expect("joins");
    assert_ne!(again, first);
    two.update(SCOPE, &mut |_| Some(Write { bytes: vec![0; 8], wake: vec![first], durable: false }))
        .expect("a write");
    assert_eq!(wakes.wait(now()), Woken::Timeout, "who has left is not woken");
}

fn time_goes_on_and_never_back(address: &str) {
    let mut store = open(address).expect("opens");
    let mut before = 0;
    for _ in 0..200 {
        let (now, wall) = look(&mut *store, |read| (read.now, read.wall));
        assert!(now >= before, "{now} {before}");
        before = now;
        let here = super::wall_now();
        assert!((here - wall).abs() < 1_000_000_000, "{here} {wall}");
    }
}

/// This test binary, started again in one role.
pub(super) struct Child {
    pub(super) process: std::process::Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Child {
    pub(super) fn start(role: &str, address: &str) -> Self {
        Self::of(Command::new(std::env::current_exe().expect("this binary")), role, address)
    }

    pub(super) fn of(mut command: Command, role: &str, address: &str) -> Self {
        command
            .args(["store::contract::child", "--exact", "--nocapture", "--test-threads=1"])
            .env("SLUICEGATE_TEST_ROLE", role)
            .env("SLUICEGATE_TEST_STORE", address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A copied program is busy while another thread's child, not yet executed, has it open to write.
        let mut process = insist(|| command.spawn());
        let lines = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, lines }
    }

    /// The next thing that it says; `None` once it has ended.
    pub(super) fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.lines.read_line(&mut line) {
                Ok(1..) => {
                    // The harness begins a line of its own.
                    if let Some((_, said)) = line.split_once("> ") {
                        return Some(said.trim_end().to_owned());
                    }
                }
                _ => return None,
            }
        }
    }

    pub(super) fn expect(&mut self, what: &str) {
        assert_eq!(self.says().as_deref(), Some(what));
    }

    pub(super) fn member(&mut self) -> MemberId {
        let said = self.says().expect("a member");
        MemberId(
            u64::from_str_radix(said.strip_prefix("member ").expect("a member"), 16).expect("hexadecimal"),
        )
    }

    pub(super) fn tell(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().expect("piped"), "{line}").expect("listens");
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id() as i32).expect("a process");
        rustix::process::kill_process(pid, signal).expect("ours");
    }

    /// Stops it, and waits until it is.
    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.process.id());
        while !std::fs::read_to_string(&stat).expect("lives").contains(") T ") {
            std::thread::yield_now();
        }
    }

    /// Kills it, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "> {text}").and_then(|()| out.flush()).expect("heard");
}

fn hear() -> String {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(0);
    }
    line.trim_end().to_owned()
}

/// What [`Child`] runs. Without a role it is no test.
#[test]
fn child() {
    let (Ok(role), Ok(address)) =
        (std::env::var("SLUICEGATE_TEST_ROLE"), std::env::var("SLUICEGATE_TEST_STORE"))
    else {
        return;
    };
    let mut store = match open(&address) {
        Ok(store) => store,
        Err(error) => return say(format_args!("{:?}: {error}", error.kind())),
    };
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("contract", _) => {
            drop(store);
            keeps_the_contract(&address);
            say("kept");
        }
        // Adds so many times.
        ("count", times) => {
            let times: u64 = times.parse().expect("a number");
            let mut longest = Duration::ZERO;
            say("ready");
            hear();
            for _ in 0..times {
                let begun = Instant::now();
                add(&mut *store).expect("its turn");
                longest = longest.max(begun.elapsed());
            }
            say(format_args!("done {}", longest.as_micros()));
        }
        // Adds for so many milliseconds; says how often, and how long in µs each took: half of them, 99 % and all.
        ("flat", millis) => {
            let span = Duration::from_millis(millis.parse().expect("a number"));
            say("ready");
            hear();
            let cpu = super::cpu();
            let (begun, mut took) = (Instant::now(), Vec::new());
            while begun.elapsed() < span {
                let one = Instant::now();
                add(&mut *store).expect("its turn");
                took.push(one.elapsed().as_nanos() as u64);
            }
            let cpu = (super::cpu() - cpu).as_nanos() as u64 / took.len() as u64;
            took.sort_unstable();
            let part = |share: usize| took[(took.len() - 1) * share / 1000] as f64 / 1e3;
            say(format_args!(
                "{} times, p50 {:.1} p99 {:.1} longest {:.0} µs, CPU {:.1} µs",
                took.len(),
                part(500),
                part(990),
                part(1000),
                cpu as f64 / 1e3
            ));
        }
        // Adds for ever, and says each sum once it is sure.
        ("forever", _) => loop {
            if let Ok(sum) = add(&mut *store) {
                say(sum);
            }
        },
        // Is a member until its input ends.
        ("member", _) => {
            let (id, mut wakeups) = store.join().expect("joins");
            say(format_args!("member {id}"));
            let waker = wakeups.waker();
            std::thread::spawn(move || {
                hear();
                waker.wake();
            });
            while wakeups.wait(None) == Woken::Store {
                say("woken");
            }
            store.leave();
            say("left");
        }
        // Says the time at which each wake-up came.
        ("clock", _) => {
            let (id, mut wakeups) = store.join().expect("joins");
            say(format_args!("member {id}"));
            while wakeups.wait(None) == Woken::Store {
                say(super::monotonic().as_nanos());
            }
        }
        // Stays in its turn until it is told to go on.
        ("inside", _) => {
            let done = store.update(SCOPE, &mut |read| {
                say("inside");
                hear();
                write(number(read.bytes) + 1)
            });
            say(done.map_or_else(|error| error.to_string(), |()| "done".into()));
            hear();
        }
        // One addition at each line.
        ("add", _) => loop {
            match add(&mut *store) {
                Ok(sum) => say(sum),
                Err(error) => say(format_args!("{:?}: {error}", error.kind())),
            }
            hear();
        },
        _ => panic!("{role:?} is no role"),
    }
}

/// What a store costs. Printed, not asserted: `cargo test --release --features sqlite,redis -- --ignored --nocapture costs`.
pub(super) fn costs(name: &str, address: &str) {
    let mut one = Child::start("flat 2000", address);
    one.expect("ready");
    one.tell("go");
    println!("{name}: alone {}", one.says().unwrap_or_default());
    let mut four: Vec<Child> = (0..4).map(|_| Child::start("flat 2000", address)).collect();
    four.iter_mut().for_each(|child| child.expect("ready"));
    four.iter_mut().for_each(|child| child.tell("go"));
    for child in &mut four {
        println!("{name}: one of four flat out {}", child.says().unwrap_or_default());
    }
    let mut store = open(address).expect("opens");
    let mut sleeper = Child::start("clock", address);
    let id = sleeper.member();
    let mut took: Vec<f64> = (0..500)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(2));
            let named = Write { bytes: vec![0; 8], wake: vec![id], durable: false };
            let begun = super::monotonic();
            store.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
            let woken: u64 = sleeper.says().expect("woken").parse().expect("an instant");
            (Duration::from_nanos(woken).saturating_sub(begun)).as_nanos() as f64 / 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!(
        "{name}: from the beginning of an update to the awake process p50 {:.0} p99 {:.0} µs",
        took[250], took[495]
    );
    let document = vec![7; 20_000];
    let mut took: Vec<f64> = (0..2000)
        .map(|_| {
            let begun = Instant::now();
            let big = Write { bytes: document.clone(), ..Write::default() };
            store.update(SCOPE, &mut |_| Some(big.clone())).expect("a write");
            begun.elapsed().as_nanos() as f64 / 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("{name}: a document of 20 KB p50 {:.1} p99 {:.1} µs", took[1000], took[1980]);
}
