//! What `wait_time` says of a request, beside what becomes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::clock::Nanos;

use super::model::{Run, World};
use super::ranked_worlds::{changing_worlds, ranked_worlds};
use super::table::Hold;

impl Run<'_> {
    /// Asks how long a request would wait that comes now.
    pub(super) fn ask(&mut self, now: Nanos, at: usize) {
        if self.told.is_none() {
            return;
        }
        self.advance(now);
        let request = self.world.requests[at];
        let route = self.routes[request.route].clone();
        let route = route.of_rank(request.rank);
        let wait = self.gate.wait_time(now, route, request.units, request.rank);
        self.told.get_or_insert_default().insert(at, wait);
    }
}

/// Each request of which `wait_time` said 0 went at once.
fn none_means_at_once(world: World, deadlines: bool) -> Result<(), TestCaseError> {
    let mut world = world;
    world.requests.iter_mut().for_each(|request| request.abandons = false);
    for hold in [Hold::Start, Hold::Response] {
        let mut run = Run::new(&world, hold);
        (run.deadlines, run.told) = (deadlines, Some(BTreeMap::new()));
        let run = run.go(false, None);
        for (at, _) in run.told.unwrap_or_default().into_iter().filter(|&(_, wait)| wait == 0) {
            prop_assert_eq!(run.started[at], Some(world.requests[at].arrives), "{} {:?}", at, hold);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_request_that_need_not_wait_goes_at_once(world in ranked_worlds(25), deadlines in any::<bool>()) {
        none_means_at_once(world, deadlines)?;
    }

    #[test]
    fn a_request_that_need_not_wait_goes_at_once_while_limits_change(
        world in changing_worlds(25), deadlines in any::<bool>(),
    ) {
        none_means_at_once(world, deadlines)?;
    }
}
