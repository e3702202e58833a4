//! Listening against a server that others use as well, on a manual clock: the server counts by itself, and refuses what is
//! over its limit.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::{Clock, Nanos};
use crate::limit::{Kind, Period, RateLimit, Resets, Zone};

use super::enter::Gate;
use super::listening::Observation;
use super::table::{Hold, Options};

const MS: Nanos = 1_000_000;

/// How the server counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counts {
    Rolling,
    /// In windows of its clock, which shows the same as ours.
    Aligned,
    /// In windows that the first request opens.
    First,
    /// What drains steadily.
    Bucket,
}

/// The server's window: units by instant, everybody's.
pub(super) struct Server {
    limit: u64,
    interval: Nanos,
    counts: Counts,
    counted: VecDeque<(Nanos, u64)>,
    pub(super) used: u64,
    /// Of a window that a request has opened: its end. Of a bucket: when it was last looked at, and units × nanoseconds.
    pub(super) mark: Nanos,
    level: u128,
}

impl Server {
    pub(super) fn new(limit: u64, interval: Nanos, counts: Counts) -> Self {
        Self { limit, interval, counts, counted: VecDeque::new(), used: 0, mark: 0, level: 0 }
    }

    fn drop_ended(&mut self, now: Nanos) {
        let (interval, counts, mark) = (self.interval, self.counts, self.mark);
        if counts == Counts::Bucket {
            let drained = u128::from(now - mark) * u128::from(self.limit);
            (self.level, self.mark) = (self.level.saturating_sub(drained), now);
            self.used = self.level.div_ceil(u128::from(interval)) as u64;
            return;
        }
        let ended = |at: Nanos| match counts {
            Counts::Rolling => at + interval <= now,
            Counts::Aligned => at / interval < now / interval,
            Counts::First | Counts::Bucket => mark <= now,
        };
        while let Some((_, units)) = self.counted.pop_front_if(|&mut (at, _)| ended(at)) {
            self.used -= units;
        }
    }

    /// Others come: they count, whether there is room or not.
    pub(super) fn force(&mut self, now: Nanos, units: u64) {
        self.drop_ended(now);
        if units > 0 {
            self.count(now, units);
        }
    }

    /// A request arrives: how much is used then, and whether it is refused.
    pub(super) fn arrive(&mut self, now: Nanos, units: u64) -> (u64, bool) {
        self.drop_ended(now);
        let refused = self.used + units > self.limit;
        if !refused {
            self.count(now, units);
        }
        (self.used, refused)
    }

    fn count(&mut self, now: Nanos, units: u64) {
        if self.counts == Counts::First && self.mark <= now {
            self.mark = now + self.interval;
        }
        self.used += units;
        if self.counts == Counts::Bucket {
            self.level += u128::from(units) * u128::from(self.interval);
        } else {
            self.counted.push_back((now, units));
        }
    }
}

/// What others do: how many units they want from the first millisecond to the next one.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// So much of the limit, all the time.
    Steady,
    /// All of it at the start of each window.
    AtTheStart,
    /// All of it late in each window.
    AtTheEnd,
    /// Steady, until they stop half way.
    Stops,
    /// From nothing to all of it, over the whole time.
    Ramps,
}

/// How the bot and the server count.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Windows {
    Quota,
    Fixed,
    Rolling,
    /// Nobody tells when they end.
    First,
    Bucket,
}

#[derive(Debug, Default)]
struct Outcome {
    /// Own requests that were refused.
    refused: u64,
    /// Own units that were served, and what others left.
    served: u64,
    left: u64,
}

const WINDOWS: u64 = 8;

/// A bot that wants all that there is, beside others who use 35 % of the limit.
fn run(pattern: Pattern, windows: Windows, expect: bool, interval: Nanos, seed: u64) -> Outcome {
    let (limit, latency) = (6_000, 80 * MS);
    let zone = Zone::named("UTC").expect("UTC");
    let rolls = RateLimit::new("POOL", limit, Duration::from_nanos(interval));
    let row = match windows {
        Windows::Fixed => rolls.kind(Kind::Fixed),
        Windows::First => rolls.kind(Kind::First),
        Windows::Bucket => rolls.kind(Kind::Bucket),
        Windows::Rolling => rolls,
        Windows::Quota => RateLimit::quota("POOL", limit, Resets { period: Period::Span(interval), zone }),
    };
    let counts = match windows {
        Windows::Rolling => Counts::Rolling,
        Windows::First => Counts::First,
        Windows::Bucket => Counts::Bucket,
        Windows::Quota | Windows::Fixed => Counts::Aligned,
    };
    let clock = Clock::manual();
    let mut gate: Gate<()> = Gate::new(&[row], Options::default()).expect("a fine table");
    gate.observe_server(0, 0, MS);
    let route = gate.lookup("POOL").expect("known").clone();
    let mut server = Server::new(limit, interval, counts);
    let (mut out, mut state) = (Outcome::default(), seed.wrapping_mul(2).wrapping_add(1));
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut sent: VecDeque<(Nanos, u64)> = VecDeque::new();
    let mut answers: VecDeque<(Nanos, u64, u64, bool)> = VecDeque::new();
    let (share, end) = (0.35 * limit as f64, WINDOWS * interval);
    let mut owed = 0.0;
    let mut others_used = 0;
    for now in (0..end).step_by(MS as usize) {
        clock.set(now);
        let (phase, done) = ((now % interval) as f64 / interval as f64, now as f64 / end as f64);
        let each = share * MS as f64 / interval as f64;
        owed += match pattern {
            Pattern::Steady => each * 2.0 * random(),
            Pattern::AtTheStart if phase < 0.05 => each * 20.0,
            Pattern::AtTheEnd if phase > 0.85 && phase < 0.95 => each * 10.0,
            Pattern::Stops if done < 0.5 => each,
            Pattern::Ramps => each * 2.0 * done,
            _ => 0.0,
        };
        let weight = 10;
        while owed >= weight as f64 {
            owed -= weight as f64;
            server.force(now, weight);
            others_used += weight;
        }
        while let Some((_, units)) = sent.pop_front_if(|&mut (at, _)| at <= now) {
            let (used, refused) = server.arrive(now, units);
            out.refused += u64::from(refused);
            out.served += if refused { 0 } else { units };
            answers.push_back((now + latency / 2, units, used, refused));
        }
        while let Some((_, units, used, refused)) = answers.pop_front_if(|answer| answer.0 <= now) {
            let at = gate.now(&clock);
            let remaining = refused.then_some(0);
            let answer = Observation {
                used: Some(used),
                remaining,
                expect,
                age: Some(Duration::from_nanos(latency)),
                ..Observation::default()
            };
            gate.observe_answer(at, &route, &answer).expect("a fine answer");
            gate.leave(at, &route, units);
        }
        // One new request each 5 ms at the most: four times what there is.
        if now % (5 * MS) == 0 && gate.try_enter(&clock, &route, 20) {
            sent.push_back((now + latency / 2, 20));
        }
    }
    out.left = WINDOWS * limit - others_used;
    out
}

/// Own requests that may be refused in eight windows with others that use a third, and what share of what they leave must be
/// used, in percent. Who takes all that there is at once, at 4,000 units a second, runs into hundreds without listening.
#[test]
fn others_who_go_on_as_they_did_keep_their_part_and_the_rest_is_used() {
    for interval in [60_000 * MS, 6_000 * MS] {
        for (pattern, windows, most) in [
            (Pattern::Steady, Windows::Quota, 2),
            (Pattern::AtTheStart, Windows::Quota, 2),
            (Pattern::Stops, Windows::Quota, 2),
            (Pattern::Steady, Windows::Fixed, 2),
            (Pattern::AtTheStart, Windows::Fixed, 2),
            (Pattern::Stops, Windows::Fixed, 2),
            (Pattern::Ramps, Windows::Quota, 24),
            (Pattern::Steady, Windows::Rolling, 25),
            (Pattern::AtTheStart, Windows::Rolling, 2),
            (Pattern::Stops, Windows::Rolling, 15),
            (Pattern::Steady, Windows::Bucket, 2),
            // Bursts of seven times what drains: what comes on the way there is refused.
            (Pattern::AtTheStart, Windows::Bucket, 60),
            (Pattern::AtTheEnd, Windows::Bucket, 90),
            (Pattern::Stops, Windows::Bucket, 2),
            (Pattern::Ramps, Windows::Bucket, 24),
        ] {
            let out = run(pattern, windows, true, interval, 7);
            let used = 100 * out.served / out.left;
            assert!(out.refused <= most, "{pattern:?}, {windows:?}: {out:?}");
            assert!(used >= 85, "{pattern:?}, {windows:?}: {used} % of {out:?}");
        }
    }
}

/// Without that, each window runs into tens of refusals, as in one that rolls.
#[test]
fn the_end_of_a_window_that_others_open_is_found_from_what_is_left() {
    let out = run(Pattern::Steady, Windows::First, true, 60_000 * MS, 7);
    let used = 100 * out.served / out.left;
    assert!(out.refused <= 30 && used >= 85, "{out:?}");
}

#[test]
fn who_is_not_expected_is_run_into() {
    for (windows, least) in [(Windows::Quota, 20), (Windows::Rolling, 200)] {
        let out = run(Pattern::Steady, windows, false, 60_000 * MS, 7);
        assert!(out.refused >= least, "{out:?}");
    }
}

/// Late in each window, nobody can know of them: what they are refused for is what was used before they came.
#[test]
fn others_who_come_late_find_the_window_used() {
    let out = run(Pattern::AtTheEnd, Windows::Quota, true, 60_000 * MS, 7);
    assert!(out.refused <= 16, "{out:?}");
}

/// Early in a window the rate of others is a guess from little, and all that is in flight may be theirs: more than the limit
/// may then be kept for them. Nothing passes, but what there is not is not used.
#[test]
fn no_more_counts_as_used_than_the_limit_and_what_others_have_used_for_certain() {
    const LIMIT: u64 = 6_000;
    let (mut more_is_kept, mut more_is_used) = (0, 0);
    for own in [1, 8, 12, 18, 24] {
        for told in (0..2 * LIMIT).step_by(250) {
            let zone = Zone::named("UTC").expect("UTC");
            let resets = Resets { period: Period::Span(60_000 * MS), zone };
            let row = RateLimit::quota("POOL", LIMIT, resets);
            let clock = Clock::manual();
            let mut gate: Gate<()> = Gate::new(&[row], Options::default()).expect("a fine table");
            clock.set(500 * MS);
            let now = gate.now(&clock);
            let route = gate.lookup("POOL").expect("known").clone();
            assert!((0..own).all(|_| gate.try_enter(&clock, &route, 250)));
            let (age, used) = (Some(Duration::from_millis(100)), Some(told));
            let answer = Observation { used, remaining: None, limit: None, reset: None, age, expect: true };
            gate.observe_answer(now, &route, &answer).expect("a fine answer");
            let usage = gate.usage(now, &route);
            let all = gate.window(route.index).used();
            assert!(usage.used <= all && usage.used == 250 * own + usage.foreign);
            assert!(usage.used <= LIMIT.max(told), "{usage:?} told {told}");
            assert!(usage.used == all || usage.used >= LIMIT, "{usage:?}, all {all}");
            more_is_kept += u64::from(all > usage.used);
            more_is_used += u64::from(usage.used > LIMIT);
        }
    }
    assert!(more_is_kept > 0 && more_is_used > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), ..ProptestConfig::default() })]

    /// With numbers that are exact and come at once, no window of the server is ever over by an own request: whatever others
    /// do. And what is counted here is never less than what the server counts.
    #[test]
    fn nothing_is_over_where_numbers_come_at_once(
        steps in prop::collection::vec((0..6_u64, 0..5_u64, any::<bool>()), 1..80),
        kind in 0..5_usize, response in any::<bool>(), expect in any::<bool>(), limit in 1..12_u64,
    ) {
        // Longer than the clocks drift apart in a minute.
        let (second, interval) = (1_000 * MS, 12_000 * MS);
        let zone = Zone::named("UTC").expect("UTC");
        let length = Duration::from_nanos(interval);
        let (counts, row) = match kind {
            0 => (Counts::Rolling, RateLimit::new("POOL", limit, length)),
            1 => (
                Counts::Aligned,
                RateLimit::quota("POOL", limit, Resets { period: Period::Span(interval), zone }),
            ),
            2 => (Counts::Aligned, RateLimit::new("POOL", limit, length).kind(Kind::Fixed)),
            3 => (Counts::First, RateLimit::new("POOL", limit, length).kind(Kind::First)),
            _ => (Counts::Bucket, RateLimit::new("POOL", limit, length).kind(Kind::Bucket)),
        };
        let clock = Clock::manual();
        let hold = if response { Hold::Response } else { Hold::Start };
        let mut gate: Gate<()> =
            Gate::new(&[row], Options { hold, ..Options::default() }).expect("a fine table");
        let route = gate.lookup("POOL").expect("known").clone();
        // Within a moment of a boundary of the server's clock, nobody knows which window a number is of.
        let (mut server, mut own_server, mut now) =
            (Server::new(limit, interval, counts), Server::new(limit, interval, counts), second / 2);
        gate.observe_server(0, 0, MS);
        for (wait, units, own) in steps {
            now += wait * second;
            clock.set(now);
            let at = gate.now(&clock);
            if own {
                if gate.try_enter(&clock, &route, 1) {
                    let (used, refused) = server.arrive(now, 1);
                    // Of windows that others open, less is known: what came in the one before may still count as ours.
                    prop_assert!(counts == Counts::First || !refused, "{} of {} at {}", used, limit, now);
                    if !refused {
                        own_server.drop_ended(now);
                        own_server.mark = server.mark;
                        own_server.counted.push_back((now, 1));
                        own_server.used += 1;
                    }
                    gate.leave(at, &route, 1);
                }
            } else {
                server.force(now, units);
            }
            server.drop_ended(now);
            let before = gate.usage(at, &route).used;
            // Exchanges whose windows open with a request tell when they end.
            let reset = Some(server.mark.saturating_sub(now)).filter(|&left| counts == Counts::First && left > 0);
            let answer = Observation {
                used: Some(server.used), expect, age: Some(Duration::ZERO),
                reset: reset.map(Duration::from_nanos), ..Observation::default()
            };
            gate.observe_answer(at, &route, &answer).expect("a fine answer");
            let usage = gate.usage(at, &route);
            if counts == Counts::First {
                own_server.drop_ended(now);
                let own = gate.window(route.index).own();
                prop_assert!(own >= own_server.used, "{} of {} own at {}", own, own_server.used, now);
                continue;
            }
            prop_assert!(usage.used >= server.used.min(limit), "{:?}, {} there", usage, server.used);
            prop_assert!(expect || usage.used >= before, "it only ever adds");
        }
    }
}
