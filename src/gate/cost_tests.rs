//! What a decision costs, counted in steps, not in seconds.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Nanos;
use crate::limit::{Kind, RateLimit};

use super::advance::{BEHIND, HEADS};
use super::enter::Gate;
use super::profile::sweeps;
use super::queue::{Rank, Waiter};
use super::table::{Hold, Options};

const POOLS: usize = 8;
const KINDS: &[Kind] = &[Kind::Rolling, Kind::Bucket, Kind::Fixed, Kind::First];

/// A gate of so many ids, each of which takes from some pools, with all of them waiting.
fn crowd(ids: usize, hold: Hold, links: &[Vec<(usize, u64)>], pools: &[(u64, Kind)]) -> Gate<usize> {
    let pools = (0..).zip(pools).map(|(at, &(interval, kind))| {
        RateLimit::new(format!("pool {at}"), 100, Duration::from_nanos(1_000 + 97 * interval)).kind(kind)
    });
    let each = (0..ids).map(|at| {
        let own = RateLimit::new(at.to_string(), 1_000, Duration::from_micros(60));
        let linked = |row: &RateLimit, id: &str| row.links.iter().any(|link| link.id == id);
        links[at % links.len()].iter().fold(own, |row, &(pool, weight)| {
            let id = format!("pool {}", pool % POOLS);
            if linked(&row, &id) { row } else { row.link(id, weight) }
        })
    });
    let table: Vec<RateLimit> = pools.chain(each).collect();
    let options = Options { hold, ..Options::default() };
    let mut gate = Gate::new(&table, options).expect("a fine table");
    for at in 0..POOLS {
        let pool = gate.lookup(&format!("pool {at}")).expect("known").clone();
        for (now, units) in [(0, 20), (300, 20), (500, 30)] {
            assert!(gate.try_acquire(now, &pool, units));
        }
    }
    for at in 0..ids {
        let route = gate.lookup(&at.to_string()).expect("known").clone();
        for tag in [at, ids + at] {
            gate.join(&route, Rank::ORDINARY, Waiter { units: 1, since: 500, deadline: None, tag });
        }
    }
    gate
}

/// The steps of all profiles that one look at the gate goes through.
fn cost(gate: &mut Gate<usize>, now: Nanos) -> u64 {
    let before = sweeps();
    gate.advance(now, &mut Vec::new());
    sweeps() - before
}

proptest! {
    /// However many ids wait, and however their pools overlap: beyond those that are planned for, none costs a step.
    #[test]
    fn a_decision_takes_a_bounded_number_of_steps(
        links in prop::collection::vec(prop::collection::vec((0..POOLS, 20..101_u64), 1..5), 1..20),
        pools in prop::collection::vec((0..20_u64, prop::sample::select(KINDS)), POOLS),
    ) {
        for hold in [Hold::Start, Hold::Response] {
            let planned = (HEADS + BEHIND) as u64;
            let [few, many] = [100, 400].map(|ids| cost(&mut crowd(ids, hold, &links, &pools), 500));
            prop_assert_eq!(few, many);
            prop_assert!(many <= 2 * planned * planned, "{} steps, {:?}", many, hold);
        }
    }
}
