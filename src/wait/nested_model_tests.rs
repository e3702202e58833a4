//! Tasks that nest their requests at random, over limits that grow and shrink.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::gate::{Observation, Options};
use crate::limit::{Kind, RateLimit};

use super::manual_clock::ManualClock;
use super::nested_context::{Context, INTERVAL};

#[derive(Clone, Copy, Debug)]
enum Action {
    Ask {
        task: usize,
        limit: usize,
        units: u64,
    },
    Leave {
        task: usize,
    },
    GiveUp {
        task: usize,
    },
    Pass {
        tenths: u32,
    },
    /// Another table, in which a limit is so large.
    Table {
        limit: usize,
        units: u64,
    },
    /// The exchange says that a limit is so large.
    Observe {
        limit: usize,
        units: u64,
    },
}

/// Tight limits, and some that have room for so many requests that nobody needs to know of their blocks.
fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 3..6_u64, 1 => 256..3_000_u64]
}

/// Four limits and one linked pool beside them, whose queue is shared by two; one more is concurrent.
fn random_table(sizes: &[u64]) -> Vec<RateLimit> {
    let mut table: Vec<_> = (sizes.iter().zip('a'..))
        .map(|(&limit, id)| match id {
            'e' => RateLimit::new("pool", limit, INTERVAL),
            'd' => RateLimit::new(id, limit, INTERVAL).kind(Kind::Concurrent),
            _ => RateLimit::new(id, limit, INTERVAL).link("pool", u64::from(id == 'a')),
        })
        .collect();
    table[1] = table[1].clone().link("d", 1);
    table
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (0..6_usize, 0..4_usize, prop_oneof![9 => 1..4_u64, 1 => 4..600_u64])
            .prop_map(|(task, limit, units)| Action::Ask { task, limit, units }),
        1 => (0..5_usize, sizes()).prop_map(|(limit, units)| Action::Table { limit, units }),
        // None heavier than this waits for a limit that the exchange says is smaller.
        1 => (0..4_usize, 600..3_000_u64).prop_map(|(limit, units)| Action::Observe { limit, units }),
        2 => (0..6_usize).prop_map(|task| Action::Leave { task }),
        1 => (0..6_usize).prop_map(|task| Action::GiveUp { task }),
        2 => (0..15_u32).prop_map(|tenths| Action::Pass { tenths }),
    ];
    prop::collection::vec(action, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    /// However tasks nest their requests, over whatever limits, which grow and shrink: when each leaves its blocks as soon
    /// as it waits for nothing, all of them get through, and nothing is left behind.
    #[test]
    fn everybody_gets_through(limits in prop::collection::vec(sizes(), 5), actions in actions()) {
        let clock = ManualClock::new();
        let mut limits = limits;
        let throttler = clock.throttler(&random_table(&limits), Options::default()).expect("a fine table");
        let mut tasks: BTreeMap<usize, Context> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Ask { task, limit, units } => {
                    let task = tasks.entry(task).or_default();
                    if task.waits.is_none() {
                        task.ask_as_python(&throttler, ["a", "b", "c", "d"][limit], units);
                    }
                }
                Action::Leave { task } => {
                    if let Some(task) = tasks.get_mut(&task).filter(|task| task.waits.is_none() && !task.blocks.is_empty()) {
                        task.leave();
                    }
                }
                Action::GiveUp { task } => {
                    tasks.entry(task).or_default().waits = None;
                }
                Action::Pass { tenths } => clock.advance(INTERVAL / 10 * tenths),
                Action::Table { limit, units } => {
                    limits[limit] = units;
                    throttler.set_rate_limits(&random_table(&limits)).expect("a fine table");
                }
                Action::Observe { limit, units } => {
                    let answer = Observation { limit: Some(units), ..Observation::default() };
                    throttler.observe(["a", "b", "c", "d"][limit], answer).expect("a fine answer");
                }
            }
            tasks.values_mut().for_each(|task| task.claim(&throttler));
        }
        for _ in 0..200 {
            for task in tasks.values_mut() {
                task.claim(&throttler);
                while task.waits.is_none() && !task.blocks.is_empty() {
                    task.leave();
                }
            }
            clock.advance(INTERVAL / 2);
        }
        let waiting = tasks.values().filter(|task| task.waits.is_some()).count();
        prop_assert_eq!(waiting, 0, "some never pass");
        for usage in throttler.usages() {
            prop_assert_eq!((usage.in_flight, usage.used), (0, 0), "{} leaks", usage.id);
        }
    }
}
