//! Many bots behind one gate, with latencies that differ, beside others: what they are refused, and what they use.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::clock::{Clock, Nanos};
use crate::limit::{Kind, RateLimit};

use super::enter::Gate;
use super::listening::Observation;
use super::table::Options;

const MS: Nanos = 1_000_000;
const INTERVAL: Nanos = 6_000 * MS;
const LIMIT: u64 = 6_000;
const WEIGHTS: [u64; 5] = [25, 5, 2, 4, 1];

/// What others do with the part of the limit that they use in a window.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    Nobody,
    Steady,
    /// In bursts, of a half second's units each.
    Bursts,
    /// They come in the third window.
    Starts,
    /// They go in the middle of the third window.
    Stops,
    /// From nothing to twice their part.
    Ramps,
    /// All of it at the start of each window.
    AtTheStart,
}

#[derive(Debug, Default)]
struct Outcome {
    refused: u64,
    /// Own units that were served in windows that began and ended, and what others left.
    served: u64,
    left: u64,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }

    fn within(&mut self, least: Nanos, most: Nanos) -> Nanos {
        least + (self.next() * (most - least) as f64) as Nanos
    }
}

const WINDOWS: u64 = 10;

/// Bots that each ask again as soon as they are answered. The server's clock is known as well as its `Date` tells it.
fn run(pattern: Pattern, bots: usize, share: f64, seed: u64) -> Outcome {
    let clock = Clock::manual();
    let row = RateLimit::new("WEIGHT", LIMIT, Duration::from_nanos(INTERVAL)).kind(Kind::Fixed);
    let mut gate: Gate<()> = Gate::new(&[row], Options::default()).expect("a fine table");
    let route = gate.lookup("WEIGHT").expect("known").clone();
    let mut random = Random(seed.wrapping_mul(7_919).wrapping_add(1));
    for _ in 0..10 {
        random.next();
    }
    let ahead = random.within(0, INTERVAL);
    let (mut out, mut used, mut window) = (Outcome::default(), 0, ahead / INTERVAL);
    if matches!(pattern, Pattern::Steady | Pattern::Bursts | Pattern::Stops) {
        used = (share * LIMIT as f64 * ahead as f64 / INTERVAL as f64) as u64;
    }
    let (mut own_here, mut others_here, mut owed) = (0, 0, 0.0);
    // (arrives or is answered, order, sent, weight, number and whether it is refused once it was counted).
    type Request = (Nanos, u64, Nanos, u64, Option<(u64, bool)>);
    let mut flying: BinaryHeap<Reverse<Request>> = BinaryHeap::new();
    let mut idle: VecDeque<u64> = VecDeque::new();
    for _ in 0..bots {
        idle.push_back(WEIGHTS[(random.next() * 5.0) as usize]);
    }
    let end = WINDOWS * INTERVAL;
    let mut order = 0;
    for now in (0..end).step_by(MS as usize) {
        clock.set(now);
        let server = now + ahead;
        if server / INTERVAL != window {
            if window > ahead / INTERVAL {
                out.served += own_here;
                out.left += LIMIT.saturating_sub(others_here);
            }
            (window, used, own_here, others_here) = (server / INTERVAL, 0, 0, 0);
        }
        let nth = now / INTERVAL;
        let phase = (server % INTERVAL) as f64 / INTERVAL as f64;
        let each = share * LIMIT as f64 * MS as f64 / INTERVAL as f64;
        owed += match pattern {
            Pattern::Nobody => 0.0,
            Pattern::Steady | Pattern::Bursts => each,
            Pattern::Starts if nth >= 3 => each,
            Pattern::Stops if now < 3 * INTERVAL + INTERVAL / 2 => each,
            Pattern::Ramps => 2.0 * each * now as f64 / end as f64,
            Pattern::AtTheStart if phase < 0.05 => each * 20.0,
            _ => 0.0,
        };
        let lump = if matches!(pattern, Pattern::Bursts) {
            share * LIMIT as f64 / 12.0
        } else {
            share * LIMIT as f64 / 100.0
        };
        while owed > 0.0 && owed >= lump {
            owed -= lump;
            used += lump as u64;
            others_here += lump as u64;
        }
        while let Some(&Reverse((at, _, sent, weight, told))) = flying.peek() {
            if at > now {
                break;
            }
            flying.pop();
            order += 1;
            match told {
                None => {
                    let refused = used + weight > LIMIT;
                    used += weight;
                    own_here += if refused { 0 } else { weight };
                    out.refused += u64::from(refused);
                    // The way back takes as long as the way there.
                    flying.push(Reverse((now + (now - sent), order, sent, weight, Some((used, refused)))));
                }
                Some((number, refused)) => {
                    let at = gate.now(&clock);
                    let half = 500 * MS;
                    let date = server / (1_000 * MS) * 1_000 * MS;
                    let age = now - sent;
                    gate.observe_server(at, (date + half + age / 2) as i64, half + age / 2);
                    let answer = Observation {
                        used: Some(number),
                        expect: true,
                        age: Some(Duration::from_nanos(age)),
                        ..Observation::default()
                    };
                    gate.observe_answer(at, &route, &answer).expect("a fine answer");
                    if refused {
                        let left = INTERVAL - server % INTERVAL;
                        let until = at + left.next_multiple_of(1_000 * MS) + 1_000 * MS;
                        gate.pause_for(Some(&route), until, &"429".into());
                    }
                    gate.leave(at, &route, weight);
                    idle.push_back(WEIGHTS[(random.next() * 5.0) as usize]);
                }
            }
        }
        while let Some(&weight) = idle.front() {
            if !gate.try_enter(&clock, &route, weight) {
                break;
            }
            idle.pop_front();
            order += 1;
            let latency = random.within(20 * MS, 250 * MS);
            flying.push(Reverse((now + latency / 2, order, now, weight, None)));
        }
    }
    out
}

/// 50 bots take all of a window in little more than a second, and some 650 units are in flight all the time. So nobody knows
/// what of them is in the number that an answer tells. 20 refusals in a window would be a ban.
#[test]
fn a_crowd_leaves_others_their_part_and_is_hardly_refused() {
    let patterns = [
        (Pattern::Nobody, 0, 95),
        (Pattern::Steady, 6, 80),
        (Pattern::Bursts, 8, 80),
        (Pattern::Starts, 4, 90),
        (Pattern::Stops, 6, 85),
        (Pattern::Ramps, 4, 85),
        (Pattern::AtTheStart, 0, 60),
    ];
    for (pattern, most, least) in patterns {
        let mut calm = 0;
        for seed in 0..8 {
            let out = run(pattern, 50, 0.35, seed);
            let used = 100 * out.served / out.left;
            assert!(out.refused <= most, "{pattern:?}, seed {seed}: {out:?}");
            assert!(used >= least, "{pattern:?}, seed {seed}: {used} % of {out:?}");
            calm += u64::from(out.refused <= 2);
        }
        assert!(calm >= 6, "{pattern:?}: only {calm} of 8 runs had two refusals at the most");
    }
}

/// As at a user's with one bot, or a few: what they leave unused is what latency keeps them from.
#[test]
fn few_bots_are_held_back_by_nothing_but_their_latency() {
    let alone = run(Pattern::Nobody, 10, 0.0, 3);
    let beside = run(Pattern::Steady, 10, 0.35, 3);
    assert_eq!((alone.refused, beside.refused), (0, 0));
    assert!(100 * beside.served >= 95 * alone.served, "{beside:?}, alone {alone:?}");
}
