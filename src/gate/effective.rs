//! What changes a limit while the table stays: how much of it may be used, a pause, units that others have used.
//!
//! [`Gate::advance`] must follow each of these.

use crate::clock::Nanos;
use crate::limit::Window;

use super::enter::Gate;
use super::route::Route;

impl<W> Gate<W> {
    /// Allows so many units of the limit of an id from now on: 0 included, and no more than the table says. Requests that
    /// take more wait until it has grown, and hold up nobody meanwhile.
    pub fn allow(&mut self, route: &Route, units: u64) {
        self.was_lowered = true;
        self.change(route, |window| window.allow(units));
        self.limits[route.index as usize].measure_room(self.is_shared);
    }

    /// Lets nothing that takes from the limit of an id pass before `until`. An end that was set before, and is later,
    /// stays. Those who wait keep their places.
    pub fn pause(&mut self, route: &Route, until: Nanos) {
        self.change(route, |window| window.pause(until));
    }

    /// Counts units that somebody else has used of the limit of an id, and that come free at `until`: one interval from
    /// now at the latest; those of a quota at its boundary. [`Gate::now`] must have been called for `now`.
    pub fn stamp_foreign(&mut self, now: Nanos, route: &Route, units: u64, until: Nanos) {
        self.change(route, |window| window.stamp_foreign(now, units, Some(until)));
        self.each_companion(route, |own, base| own.follow(now, base));
    }

    fn change(&mut self, route: &Route, how: impl FnOnce(&mut Window)) {
        self.changed = true;
        how(&mut self.limits[route.index as usize].window);
    }
}
