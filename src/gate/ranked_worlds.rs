//! Random worlds of the gate whose requests are of several classes, with and without a patience; and those whose limits
//! change under way.

use proptest::prelude::*;

use crate::clock::Nanos;
use crate::limit::Kind;

use super::model::{Change, What, World, all_worlds, worlds};
use super::queue::Rank;

/// How long requests wait for each class, in half of all worlds.
fn patience() -> impl Strategy<Value = Option<Nanos>> {
    prop::option::of(1..8 as Nanos)
}

/// Worlds with limits of all kinds, whose requests are of several ranks.
pub(super) fn ranked_worlds(max_requests: usize) -> impl Strategy<Value = World> {
    let ranks = prop::collection::vec(0..3_u16, max_requests);
    (all_worlds(max_requests), ranks, patience()).prop_map(|(mut world, ranks, patience)| {
        world.patience = patience;
        for (request, rank) in world.requests.iter_mut().zip(ranks) {
            request.rank = Rank(Rank::ORDINARY.0 + rank);
        }
        world
    })
}

/// Worlds whose requests are of several ranks, and whose limits change under way.
pub(super) fn changing_worlds(max_requests: usize) -> impl Strategy<Value = World> {
    // Some are of a higher class than the table.
    let ranks = (0..3_u16, prop::collection::vec(0..3_u16, max_requests));
    let what = prop_oneof![
        (0..6_u64).prop_map(What::Allow),
        (1..6_u64).prop_map(What::Tell),
        (1..15 as Nanos).prop_map(What::Pause),
        (1..15 as Nanos).prop_map(What::PauseAll),
        (-5..4_i64).prop_map(What::Correct),
        (1..6_u64, 1..12 as Nanos).prop_map(|(units, later)| What::Foreign(units, later)),
        (0..max_requests).prop_map(What::GoFirst),
    ];
    let changes = prop::collection::vec((0..30 as Nanos, 0..4_usize, what), 0..8);
    let worlds = (worlds(max_requests), ranks, changes, patience());
    worlds.prop_map(|(mut world, (higher, ranks), mut changes, patience)| {
        world.patience = patience;
        for (request, rank) in world.requests.iter_mut().zip(ranks) {
            request.rank = Rank(Rank::ORDINARY.0 + rank - higher);
        }
        changes.sort_by_key(|&(at, ..)| at);
        let count = world.table.len();
        // In the end all may be used again.
        let all = [What::Allow(u64::MAX), What::Tell(crate::MAX_LIMIT)];
        let restored = (0..count).flat_map(|limit| all.map(|what| (60, limit, what)));
        world.changes = (changes.into_iter().chain(restored))
            .map(|(at, limit, what)| Change { at, limit: limit % count, what })
            // Who opens a window before us is not known: others than ours are not for such a limit, nor is what became of ours.
            // What of a bucket is given back is in `flood_tests.rs`.
            .filter(|change| match (world.table[change.limit].kind, change.what) {
                (Kind::First, What::Foreign(..) | What::Correct(_)) => false,
                (Kind::Bucket, What::Correct(units)) => units > 0,
                _ => true,
            })
            .map(|change| match change.what {
                What::Foreign(units, later) => {
                    let interval = world.interval(change.limit);
                    Change { what: What::Foreign(units, later.min(interval)), ..change }
                }
                _ => change,
            })
            .collect();
        world
    })
}
