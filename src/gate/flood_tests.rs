//! Many random requests for each kind of limit, against a server that counts as the kind says: it is never over.
//!
//! 40,000 for each kind; `FLOOD=250000` makes it a million.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, WallNanos};
use crate::limit::{Kind, RateLimit};

use super::enter::Gate;
use super::queue::{Rank, Waiter};
use super::route::Route;
use super::table::{Hold, Options};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;

/// The clock of the server is two seconds ahead, and runs 30 ppm fast.
fn shown(at: Nanos) -> WallNanos {
    (1_790_000_000 * SECOND + 2 * SECOND + at + at / 1_000_000 * 30) as WallNanos
}

/// Random numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// How the server counts one limit.
struct Counter {
    limit: RateLimit,
    /// Of rolling windows: (arrival, units).
    arrivals: VecDeque<(Nanos, u64)>,
    /// Units in the window, in flight, or, of a bucket, units × nanoseconds.
    count: u128,
    /// When the window ends, which window it is, or when the bucket was last looked at.
    mark: i128,
    served: u64,
}

impl Counter {
    fn arrive(&mut self, at: Nanos, units: u64) -> bool {
        let interval = self.limit.interval.as_nanos();
        let span = interval as i128;
        self.served += units;
        let now = i128::from(at);
        match self.limit.kind {
            Kind::Rolling => {
                while let Some((_, old)) =
                    self.arrivals.pop_front_if(|&mut (then, _)| then + interval as Nanos <= at)
                {
                    self.count -= u128::from(old);
                }
                self.arrivals.push_back((at, units));
            }
            Kind::Bucket => {
                let drained = (now - self.mark) as u128 * u128::from(self.limit.limit);
                (self.count, self.mark) = (self.count.saturating_sub(drained), now);
                self.count += u128::from(units) * interval;
                return self.count <= u128::from(self.limit.limit) * interval;
            }
            Kind::Fixed => {
                let window = i128::from(shown(at)).div_euclid(span);
                if window != self.mark {
                    (self.count, self.mark) = (0, window);
                }
            }
            Kind::First if now >= self.mark => (self.count, self.mark) = (0, now + span),
            _ => {}
        }
        self.count += u128::from(units);
        self.count <= u128::from(self.limit.limit)
    }

    fn answered(&mut self, units: u64) {
        if self.limit.kind == Kind::Concurrent {
            self.count -= u128::from(units);
        }
    }
}

/// What happens at the server, and then to us.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answered(usize),
    Arrives(usize),
    Comes,
}

#[derive(Clone, Copy, PartialEq)]
enum Crowd {
    Some,
    /// Someone always waits.
    Eager,
    /// Requests may cost less than they took, which their answers tell.
    Cheaper,
}

/// One request: what it took, and what it cost.
struct Sent {
    route: usize,
    units: u64,
    cost: u64,
    answered: Nanos,
}

/// The answer of a request tells what it cost: what its block holds is corrected, or each of its limits.
fn correct(gate: &mut Gate<usize>, routes: &[Arc<Route>], now: Nanos, sent: &Sent, dice: &mut Dice) {
    let (mut route, mut units) = (routes[sent.route].clone(), sent.units);
    let less = -((sent.units - sent.cost) as i64);
    if less < 0 && dice.roll(3) == 0 && gate.options.hold == Hold::Response {
        for charge in &routes[sent.route].charges {
            let of = gate.limits[charge.limit as usize].route.clone().expect("in the table");
            gate.correct(now, &of, less * charge.weight as i64);
        }
    } else if less < 0 {
        // In two steps, or one too many and one back.
        let too_many = i64::from(sent.cost > 0 && dice.roll(2) == 0);
        for by in [-1, less + 1 - too_many, too_many].into_iter().filter(|&by| by != 0) {
            let done = gate.correct_held(now, (&route, units), None, by, true).expect("fine");
            assert!(done.units == by || gate.options.hold == Hold::Start, "{} of {by}", done.units);
            if let Some(rest) = done.route {
                (route, units) = (rest, 1);
            }
        }
    }
    gate.leave(now, &route, units);
}

/// Sends so many requests and returns how many units of each limit were served, and how long it took.
fn flood(
    table: &[RateLimit],
    hold: Hold,
    count: usize,
    seed: u64,
    crowd: Crowd,
) -> (BTreeMap<String, u64>, Nanos) {
    let eager = crowd == Crowd::Eager;
    let mut gate = Gate::new(table, Options { hold, ..Options::default() }).expect("a fine table");
    let counter = |limit: &RateLimit| {
        let limit = limit.clone();
        (limit.id.clone(), Counter { limit, arrivals: VecDeque::new(), count: 0, mark: 0, served: 0 })
    };
    let mut server: BTreeMap<String, Counter> = table.iter().map(counter).collect();
    let routes: Vec<_> = table.iter().map(|row| gate.lookup(&row.id).expect("known").clone()).collect();
    let ids: Vec<String> = gate.limits.iter().map(|limit| limit.id.to_string()).collect();
    let mut dice = Dice(seed);
    let mut heap = BinaryHeap::from([Reverse((0, Event::Comes))]);
    let (mut sent, mut waiting, mut now) = (Vec::<Sent>::new(), 0, 0);
    let mut told = 0;
    while sent.len() < count || waiting > 0 || !heap.is_empty() {
        let wake = gate.wake_at().unwrap_or(Nanos::MAX);
        let next = heap.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at);
        now = wake.min(next).max(now);
        if now >= told {
            gate.observe_server(now, shown(now), 20 * MS);
            told = now + 30 * SECOND;
        }
        if next <= now {
            match heap.pop().expect("an event").0.1 {
                Event::Arrives(at) => {
                    let Sent { route, cost, answered, .. } = sent[at];
                    for charge in &routes[route].charges {
                        let counter = server.get_mut(&ids[charge.limit as usize]).expect("a limit");
                        let fine = counter.arrive(now, charge.weight * cost);
                        assert!(fine, "{} is over at {now}, {hold:?}", counter.limit.id);
                    }
                    heap.push(Reverse((answered, Event::Answered(at))));
                }
                Event::Answered(at) => {
                    let one = &sent[at];
                    for charge in &routes[one.route].charges {
                        let counter = server.get_mut(&ids[charge.limit as usize]).expect("a limit");
                        counter.answered(charge.weight * one.cost);
                    }
                    correct(&mut gate, &routes, now, one, &mut dice);
                }
                Event::Comes => {
                    let many = if eager { 30 - waiting.min(30) } else { 1 + dice.roll(6) as usize };
                    for _ in 0..many {
                        if sent.len() + waiting >= count || waiting > if eager { 30 } else { 5 } {
                            break;
                        }
                        let most = if crowd == Crowd::Cheaper { 5 } else { 2 };
                        let tag = dice.roll(routes.len() as u64) as usize;
                        let units = 1 + dice.roll(most);
                        let units = if gate.check_units(&routes[tag], units).is_ok() { units } else { 1 };
                        gate.join(
                            &routes[tag],
                            Rank::ORDINARY,
                            Waiter { units, since: now, deadline: None, tag },
                        );
                        waiting += 1;
                    }
                    if sent.len() + waiting < count {
                        let pause = [2, 40, 900][dice.roll(3) as usize] * MS;
                        let later = if eager { 20 * MS } else { dice.roll(pause) };
                        heap.push(Reverse((now + 1 + later, Event::Comes)));
                    }
                }
            }
        }
        let mut decided = Vec::new();
        gate.advance(now, &mut decided);
        for one in decided {
            let route = one.outcome.expect("it may pass");
            gate.begin(now, &route, one.waiter.units);
            waiting -= 1;
            // Most answers come soon, some very late.
            let worst = [60, 60, 60, 300, 4_000][dice.roll(5) as usize] * MS;
            let latency = if eager { dice.roll(60 * MS) } else { dice.roll(worst) };
            // With `Hold::Start` it is the instants of entering that keep the limit.
            let arrives = if hold == Hold::Start { now } else { now + dice.roll(latency + 1) };
            let (route, units) = (one.waiter.tag, one.waiter.units);
            let cost = if crowd == Crowd::Cheaper { dice.roll(units + 1) } else { units };
            sent.push(Sent { route, units, cost, answered: now + latency });
            heap.push(Reverse((arrives, Event::Arrives(sent.len() - 1))));
        }
        gate.advance(now, &mut Vec::new());
    }
    (server.into_iter().map(|(id, counter)| (id, counter.served)).collect(), now)
}

fn limit(id: &str, limit: u64, interval: Nanos, kind: Kind) -> RateLimit {
    RateLimit::new(id, limit, Duration::from_nanos(interval)).kind(kind)
}

/// Small and large limits of a kind, short and long ones, and requests that take from several of them.
fn table(kind: Kind) -> Vec<RateLimit> {
    vec![
        limit("small", 5, SECOND, kind),
        limit("large", 600, 10 * SECOND + 7, kind),
        limit("long", 2_000, 61 * SECOND, kind).link("small", 1),
        limit("pool", 50, SECOND, Kind::Rolling).link("large", 25).link("long", 3),
        RateLimit::route("route").link("pool", 1).link("large", 40).link("long", 7),
    ]
}

fn never_over(kind: Kind) {
    let cases = std::env::var("FLOOD").map_or(10_000, |count| count.parse().expect("a number"));
    for hold in [Hold::Response, Hold::Start] {
        for seed in [1, 2] {
            flood(&table(kind), hold, cases, seed, Crowd::Some);
            flood(&table(kind), hold, cases, seed, Crowd::Cheaper);
        }
    }
}

#[test]
fn many_requests_never_fill_a_rolling_window_above_its_limit() {
    never_over(Kind::Rolling);
}

#[test]
fn many_requests_never_raise_a_bucket_above_its_limit() {
    never_over(Kind::Bucket);
}

#[test]
fn many_requests_never_fill_a_window_of_the_servers_clock_above_its_limit() {
    never_over(Kind::Fixed);
}

#[test]
fn many_requests_never_fill_a_window_that_they_open_above_its_limit() {
    never_over(Kind::First);
}

#[test]
fn of_many_requests_never_more_are_in_flight_than_may_be() {
    never_over(Kind::Concurrent);
}

#[test]
fn all_kinds_together_are_never_over() {
    let mixed = [
        limit("rolling", 90, 9 * SECOND, Kind::Rolling),
        limit("bucket", 40, 7 * SECOND, Kind::Bucket),
        limit("fixed", 60, 10 * SECOND, Kind::Fixed).link("bucket", 1),
        limit("first", 50, 8 * SECOND, Kind::First).link("rolling", 2).link("slots", 1),
        RateLimit::concurrent("slots", 4),
        RateLimit::route("all")
            .link("rolling", 1)
            .link("bucket", 2)
            .link("fixed", 3)
            .link("first", 4)
            .link("slots", 1),
    ];
    for hold in [Hold::Response, Hold::Start] {
        flood(&mixed, hold, 20_000, 3, Crowd::Some);
        flood(&mixed, hold, 20_000, 3, Crowd::Cheaper);
    }
}

#[test]
fn what_latency_leaves_of_each_kind_is_used() {
    for (kind, hold, least) in [
        (Kind::Fixed, Hold::Response, 0.97),
        (Kind::Fixed, Hold::Start, 0.97),
        // A unit drains, or a window opens, from an answer on: 60 ms later at the most, of 10 s.
        (Kind::Bucket, Hold::Response, 0.97),
        (Kind::Bucket, Hold::Start, 0.999),
        (Kind::First, Hold::Response, 0.97),
        // Where one unit is left, a request of two does not fit.
        (Kind::First, Hold::Start, 0.99),
    ] {
        let (served, span) = flood(&[limit("x", 100, 10 * SECOND, kind)], hold, 10_000, 4, Crowd::Eager);
        let share = served["x"] as f64 / (100.0 * (span as f64 / 1e10 + 1.0));
        assert!(share >= least, "{share} of {kind:?}, {hold:?}");
    }
}
