//! Which ticket is served first: the rule against its definition, and processes whose requests are of several classes.

use std::cmp::Reverse;

use proptest::prelude::*;

use crate::clock::Nanos;

use super::line::Class;
use super::model::Cluster;
use super::model_world::{MS, World};
use super::rules_tests::{SECOND, member, terms, wants};
use super::state::{Member, MemberId, ScopeState, Ticket};
use super::terms::OnConflict;
use super::traffic_tests::{rolling, spread, world};

/// A ticket: its class and how many units it needs.
#[derive(Clone, Copy, Debug)]
struct Asks {
    priority: Option<i16>,
    /// The logarithm of the patience: whole parts of a class are exact then.
    patience: Option<u32>,
    waited: Nanos,
    units: u64,
}

fn asks() -> impl Strategy<Value = Asks> {
    let priority = prop::option::weighted(0.9, -3..4_i16);
    (priority, prop::option::of(0..8_u32), 0..300 as Nanos, 1..12_u64)
        .prop_map(|(priority, patience, waited, units)| Asks { priority, patience, waited, units })
}

/// A document whose members have these tickets, and hold nothing.
fn document(tickets: &[Asks], pool: u64) -> ScopeState {
    let mut file = super::rules_tests::File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(pool, 1)]);
    file.visit(&mut first, &wants(0, 0)).expect("it is alone");
    let mut state = file.document.take().expect("it was written");
    state.clock = 1_000;
    state.budgets[0].pool += std::mem::take(&mut state.members[0].parts[0].held) as i64;
    let one = state.members[0].clone();
    let of = |(id, asks): (u64, &Asks)| Member {
        id: MemberId(id),
        ticket: Some(Ticket {
            request: id,
            since: 1_000 - asks.waited as i64,
            class: Class { priority: asks.priority, patience: asks.patience.map(|log| 1 << log) },
            needs: vec![(0, asks.units)],
        }),
        ..one.clone()
    };
    state.members = (1..).zip(tickets).map(of).collect();
    state
}

proptest! {
    /// The oldest ticket of the highest class is served first, where a class is one that was risen to; no higher than the
    /// highest one of any ticket.
    #[test]
    fn the_oldest_ticket_of_the_highest_class_gets_what_it_needs(
        tickets in prop::collection::vec(asks(), 1..8), pool in 1..30_u64,
    ) {
        let highest = tickets.iter().filter_map(|one| one.priority).max().map_or(0, i64::from);
        // In 256ths of a class.
        let class = |one: &Asks| one.priority.map(|priority| {
            let risen = one.patience.map_or(0, |log| (one.waited as i64 * 256) >> log);
            (i64::from(priority) * 256 + risen).min(highest * 256)
        });
        let fits = |&at: &usize| tickets[at].units <= pool;
        let mut order: Vec<usize> = (0..tickets.len()).filter(fits).collect();
        order.sort_by_key(|&at| (class(&tickets[at]).map(Reverse), Reverse(tickets[at].waited), at));
        let mut left = pool;
        let admitted: Vec<usize> = order.into_iter().filter(|&at| {
            let whole = tickets[at].units <= left;
            left -= if whole { tickets[at].units } else { 0 };
            whole
        }).collect();
        let targets = document(&tickets, pool).targets();
        prop_assert_eq!(&targets.admitted, &admitted);
        for (at, ticket) in tickets.iter().enumerate() {
            let floor = if admitted.contains(&at) { ticket.units } else { 0 };
            prop_assert_eq!(targets.floors[at][0], floor);
        }
    }
}

/// A limit of one unit a second that eight processes always want. How long a request of such a priority waits that another
/// process makes.
fn wait_beside_eight(priority: i16, patience: Option<Nanos>, flood: i16) -> Nanos {
    let mut requests: Vec<_> =
        spread(8, 8, 40 * SECOND).into_iter().map(|(at, process, _)| (at, process, 0)).collect();
    let begins = 10 * SECOND + 400 * MS;
    requests.push((begins, 8, 1));
    let routes = vec![vec![(0, 1)], vec![(0, 1), (1, 1)]];
    let table = vec![rolling(0, 1, SECOND), rolling(1, 1, SECOND)];
    let world = World { priorities: vec![flood, priority], patience, ..world(9, table, routes, requests) };
    let mut cluster = Cluster::new(world);
    cluster.run_until(begins - 1);
    assert!(cluster.queued() > 8, "all of the flood wait");
    let mut now = begins;
    while cluster.processes[8].gate.queue.is_empty() && now < begins + SECOND {
        now += MS;
        cluster.run_until(now);
    }
    while !cluster.processes[8].gate.queue.is_empty() && now < begins + 200 * SECOND {
        now += 10 * MS;
        cluster.run_until(now);
    }
    now - begins
}

#[test]
fn a_request_of_a_higher_priority_is_served_before_all_older_ones_of_other_processes() {
    let high = wait_beside_eight(1, None, 0);
    assert!(high <= SECOND + 200 * MS, "{high}");
    let equal = wait_beside_eight(0, None, 0);
    assert!(equal > 6 * SECOND, "one of the same priority goes in the order of age: {equal}");
}

#[test]
fn with_a_patience_nobody_waits_behind_others_that_came_after_it_had_risen() {
    let lower = wait_beside_eight(0, Some(2 * SECOND), 5);
    // It has risen after 10 s. Two others that came before it still wait then.
    assert!((10 * SECOND..=13 * SECOND).contains(&lower), "{lower}");
    let strict = wait_beside_eight(0, None, 5);
    assert!(strict > 30 * SECOND, "without one it waits for the end of the flood: {strict}");
}
