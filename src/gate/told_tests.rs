//! Each kind of limit beside others, on a server that counts by itself and tells its number in every answer, late by the
//! way back: a request is refused for nothing but what nobody could have told. The clock moves by odd amounts all the time.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::{Clock, Nanos, WallNanos};
use crate::limit::{Kind, RateLimit};

use super::enter::Gate;
use super::listening::Observation;
use super::listening_tests::{Counts, Server};
use super::table::{Hold, Options};

const MS: Nanos = 1_000_000;
const INTERVAL: Nanos = 12_000 * MS + 7;

/// One thing after another: how long after the one before, and what.
type Step = (Nanos, What);

#[derive(Clone, Copy, Debug)]
enum What {
    /// Others use so many units.
    Others(u64),
    /// A request for so many units, if it may enter: how long it takes there and back.
    Own(u64, Nanos, Nanos),
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    counts: Counts,
    limit: u64,
    hold: Hold,
    expect: bool,
    /// So many requests are under way at once, at most.
    most: usize,
    /// Whether the answer is listened to within the block.
    inside: bool,
    /// Whether others are refused where there is no room.
    fair: bool,
    /// Whether it counts as a process does that shares a budget, of which it has all.
    shared: bool,
}

impl Setting {
    fn gate(&self) -> Gate<()> {
        let kind = match self.counts {
            Counts::Rolling => Kind::Rolling,
            Counts::Aligned => Kind::Fixed,
            Counts::First => Kind::First,
            Counts::Bucket => Kind::Bucket,
        };
        let row = RateLimit::new("POOL", self.limit, Duration::from_nanos(INTERVAL)).kind(kind);
        Gate::new(&[row], Options { hold: self.hold, ..Options::default() }).expect("a fine table")
    }
}

struct Sent {
    units: u64,
    left: Nanos,
    arrives: Nanos,
    back: Nanos,
    /// The number that was known when it left.
    knew: Option<usize>,
}

/// The newest number that was heard.
struct Heard {
    /// When the server had counted.
    counted_at: Nanos,
    /// Own units that it may have counted, as far as was known, and that it had not.
    in_doubt: u64,
}

#[derive(Debug, Default)]
struct Outcome {
    served: u64,
    refused: u64,
}

/// Whether the server's window is surely the same from one instant to another.
fn is_one_window(from: Nanos, to: Nanos) -> bool {
    from.saturating_sub(5 * MS) / INTERVAL == (to + 5 * MS) / INTERVAL
}

fn run(setting: Setting, steps: &[Step]) -> Result<Outcome, TestCaseError> {
    let Setting { counts, limit, .. } = setting;
    let clock = Clock::manual();
    let mut gate = setting.gate();
    let route = gate.lookup("POOL").expect("known").clone();
    if setting.shared {
        gate.share(0, 0);
        gate.allow_of(route.index, limit);
    }
    let mut server = Server::new(limit, INTERVAL, counts);
    let (mut sent, mut heard): (Vec<Sent>, Vec<Heard>) = (Vec::new(), Vec::new());
    let mut foreign: Vec<(Nanos, u64)> = Vec::new();
    let mut own: Vec<(Nanos, u64)> = Vec::new();
    let (mut arriving, mut coming_back) = (BTreeMap::new(), BTreeMap::new());
    let (mut steps, mut step_at) = (steps.iter().peekable(), MS);
    let mut best: Option<usize> = None;
    let mut out = Outcome::default();
    if let Some(&&(wait, _)) = steps.peek() {
        step_at += wait;
    }
    loop {
        let step = steps.peek().map(|_| (step_at, 2, 0));
        let arrival = arriving.keys().next().map(|&(at, id)| (at, 0, id));
        let answer = coming_back.keys().next().map(|&(at, id)| (at, 1, id));
        let Some((now, what, id)) = step.into_iter().chain(arrival).chain(answer).min() else { break };
        clock.set(now);
        let at = gate.now(&clock);
        gate.observe_server(at, at as WallNanos, MS);
        match what {
            0 => {
                let units: u64 = arriving.remove(&(now, id)).expect("it is there");
                let (used, refused) = server.arrive(now, units);
                let Sent { back, knew, .. } = sent[id];
                if refused {
                    out.refused += 1;
                    let (since, doubt) =
                        knew.map_or((0, 0), |knew| (heard[knew].counted_at + 1, heard[knew].in_doubt));
                    let later: u64 = foreign.iter().filter(|one| one.0 >= since).map(|one| one.1).sum();
                    prop_assert!(
                        used + units <= limit + later + doubt,
                        "{} of {} units at {}: {} came later than {}, {} in doubt",
                        used,
                        limit,
                        now,
                        later,
                        since,
                        doubt
                    );
                } else {
                    out.served += units;
                    own.push((now, units));
                }
                let reset = server.mark.saturating_sub(now);
                let opened = server.mark.saturating_sub(INTERVAL);
                coming_back.insert((now + back, id), (used, now, refused, reset, opened));
            }
            1 => {
                let (used, counted_at, refused, reset, opened) =
                    coming_back.remove(&(now, id)).expect("it is there");
                let Sent { units, left, .. } = sent[id];
                if !setting.inside {
                    gate.leave(at, &route, units);
                }
                // What the gate must take to be in the number.
                let may_be = match counts {
                    Counts::Bucket if !setting.shared => 0,
                    _ => gate.counted_since(route.index, at, left, None).0,
                };
                let window = gate.window(route.index);
                let ended = window.others_used_at(left) - window.others_used_at(now);
                let age = Some(Duration::from_nanos(now - left));
                let reset = (counts == Counts::First && setting.fair).then(|| Duration::from_nanos(reset));
                let answer = Observation {
                    used: Some(used),
                    remaining: refused.then_some(0),
                    age,
                    reset,
                    expect: setting.expect,
                    ..Observation::default()
                };
                gate.observe_answer(at, &route, &answer).expect("a fine answer");
                if setting.inside {
                    gate.leave(at, &route, units);
                }
                let tells = counts != Counts::Aligned || is_one_window(left, now);
                if tells && best.is_none_or(|best| heard[best].counted_at < counted_at) {
                    let under_way = sent.iter().filter(|one| one.arrives > counted_at && one.left <= now);
                    let under_way: u64 = under_way.map(|one| one.units).sum();
                    let counted = own_at(counts, &own, counted_at, opened, limit);
                    let in_doubt = under_way.max(may_be.saturating_sub(counted)) + ended;
                    best = Some(heard.len());
                    heard.push(Heard { counted_at, in_doubt });
                }
            }
            _ => {
                let &(_, what) = steps.next().expect("it is there");
                step_at = now + steps.peek().map_or(0, |step| step.0);
                match what {
                    What::Others(units) => {
                        server.force(now, 0);
                        if !setting.fair || server.used + units <= limit {
                            server.force(now, units);
                            foreign.push((now, units));
                        }
                    }
                    What::Own(units, there, back) => {
                        let units = units.min(limit);
                        let under_way = arriving.len() + coming_back.len();
                        if under_way < setting.most && gate.try_enter(&clock, &route, units) {
                            // It is the instants of entering that count.
                            let there = if setting.hold == Hold::Start { 0 } else { there };
                            arriving.insert((now + there, sent.len()), units);
                            sent.push(Sent { units, left: now, arrives: now + there, back, knew: best });
                        }
                    }
                }
            }
        }
    }
    // When all have stopped, all is forgotten as the exchange forgets it.
    let now = clock.now() + 2 * INTERVAL + INTERVAL / 4;
    let now = now + if counts == Counts::Bucket { INTERVAL * server.used.div_ceil(limit) } else { 0 };
    clock.set(now);
    gate.now(&clock);
    gate.observe_server(now, now as WallNanos, MS);
    prop_assert!(gate.try_enter(&clock, &route, limit), "{:?}", gate.usage(now, &route));
    Ok(out)
}

/// What the server counts of own units: of a bucket, as if there were no others.
fn own_at(counts: Counts, own: &[(Nanos, u64)], at: Nanos, opened: Nanos, limit: u64) -> u64 {
    if counts == Counts::Bucket {
        let mut server = Server::new(limit, INTERVAL, counts);
        own.iter().filter(|one| one.0 <= at).for_each(|&(came, units)| server.force(came, units));
        server.force(at, 0);
        return server.used;
    }
    let inside = |&&(came, _): &&(Nanos, u64)| match counts {
        Counts::Rolling => came + INTERVAL > at,
        Counts::Aligned => came / INTERVAL == at / INTERVAL,
        Counts::First | Counts::Bucket => came >= opened,
    };
    own.iter().filter(|one| one.0 <= at).filter(inside).map(|one| one.1).sum()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let others = (1..5_u64).prop_map(What::Others);
    let own =
        (1..3_u64, 1..400 * MS, 1..400 * MS).prop_map(|(units, there, back)| What::Own(units, there, back));
    let wait = prop_oneof![1..50 * MS, 1..900 * MS, 1..4_000 * MS];
    prop::collection::vec((wait, prop_oneof![1 => others, 4 => own]), 1..120)
}

fn settings(counts: Counts) -> impl Strategy<Value = Setting> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.25));
    (2..16_u64, 1..4_usize, flags).prop_map(move |(limit, most, (start, expect, inside, fair, shared))| {
        let hold = if start { Hold::Start } else { Hold::Response };
        // Where it counts as a window that rolls, it counts no more than the limit for longer than an interval.
        let fair = fair || (shared && counts == Counts::Bucket);
        Setting { counts, limit, hold, expect, most, inside, fair, shared }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    /// A request may be refused for units of others that came after the newest number that was heard when it left, and for those
    /// that hide behind own ones of which nobody knows whether the number counts them; for no more.
    #[test]
    fn nobody_is_refused_for_what_was_told_of_a_window_that_rolls(
        setting in settings(Counts::Rolling), steps in steps(),
    ) {
        run(setting, &steps)?;
    }

    #[test]
    fn nobody_is_refused_for_what_was_told_of_a_window_of_the_clock(
        setting in settings(Counts::Aligned), steps in steps(),
    ) {
        run(setting, &steps)?;
    }

    #[test]
    fn nobody_is_refused_for_what_was_told_of_a_window_that_a_request_opened(
        setting in settings(Counts::First), steps in steps(),
    ) {
        run(setting, &steps)?;
    }

    #[test]
    fn nobody_is_refused_for_what_was_told_of_a_bucket(setting in settings(Counts::Bucket), steps in steps()) {
        run(setting, &steps)?;
    }
}
