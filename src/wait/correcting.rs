//! What the block of a request holds is corrected: see [`gate::correcting`](crate::gate).

use crate::error::Error;

use super::block::{Block, Holding};
use super::effects::Effects;
use super::pass::{HeldUnits, Inside, Pass};
use super::throttler::Throttler;

/// What is to be done once nothing is locked.
#[must_use = "somebody waits for this"]
struct Remaining {
    throttler: Throttler,
    effects: Effects,
    has_news: bool,
}

impl Remaining {
    fn carry_out(self) {
        self.effects.carry_out();
        if self.has_news {
            self.throttler.tell();
        }
    }
}

impl Throttler {
    /// `in_flight`: whether that is what the block holds; it is not while a request within the block waits.
    fn correct_held(
        &self,
        held: &mut HeldUnits,
        units: i64,
        id: Option<&str>,
        in_flight: bool,
    ) -> Result<(i64, Remaining), Error> {
        let mut effects = Effects::default();
        let mut shared = self.shared.lock();
        let now = shared.now();
        // What was settled with everything else is not given back, unless the block takes it again.
        if units < 0 && in_flight && held.epoch != shared.epoch {
            return Ok((0, Remaining { throttler: self.clone(), effects, has_news: false }));
        }
        let corrected = shared.gate.correct_held(now, (&held.route, held.units), id, units, in_flight)?;
        if let Some(route) = corrected.route {
            (held.route, held.units) = (route, 1);
        }
        shared.advance(now, &mut effects);
        let has_news = shared.has_news();
        Ok((corrected.units, Remaining { throttler: self.clone(), effects, has_news }))
    }
}

impl Block {
    /// Corrects what it holds: see [`Pass::correct`]. `None` once it has ended.
    pub fn correct(&self, units: i64, id: Option<&str>) -> Option<Result<i64, Error>> {
        let corrected = {
            let mut holding = self.held.lock();
            let (of, in_flight) = match &mut *holding {
                Holding::Held(of) => (of, true),
                Holding::Yielded(of, _) => (of, false),
                Holding::Over => return None,
            };
            of.throttler.clone().correct_held(&mut of.held, units, id, in_flight)
        };
        Some(corrected.map(|(units, left)| {
            left.carry_out();
            units
        }))
    }
}

impl Pass {
    /// Corrects what this request takes, where its cost is known only from its answer. A positive number of units was used as
    /// well, and counts from now on; a negative one was not used after all, and is free at once. `id`: units of this limit,
    /// one that the request takes from; `None`: so many times its weights, of all its limits, as the `units` that it entered
    /// with are. Other requests keep what they hold, so it is never over; and nothing is given back of what this one no
    /// longer has in flight, as with [`Hold::Start`](crate::Hold::Start).
    ///
    /// Returns how many were counted or given back: of these no more than the request holds.
    ///
    /// ```
    /// # use sluicegate::{Options, RateLimit, Throttler};
    /// # use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let fills = RateLimit::new("/fills", 20, second).link("POOL", 2);
    /// let throttler = Throttler::new(&[RateLimit::new("POOL", 50, second), fills], Options::default())?;
    /// let mut pass = throttler.enter_blocking("/fills", 10, None)?; // 10 at most
    /// assert_eq!(pass.correct(-7, None)?, -7); // it was 3
    /// assert_eq!(throttler.usage("POOL")?.in_flight, 6);
    /// assert_eq!(pass.correct(4, Some("POOL"))?, 4); // and 4 units of the pool for something else
    /// assert_eq!(throttler.usage("POOL")?.used, 10);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownLimit`]; [`Error::Invalid`] for a limit that the request does not take from.
    pub fn correct(&mut self, units: i64, id: Option<&str>) -> Result<i64, Error> {
        if let Inside::Known { route, units, epoch } = &self.0 {
            // The old one gives nothing back: it is not dropped as a pass.
            let held = route.held(*units, *epoch);
            self.0 = Inside::Held { throttler: route.throttler().clone(), held };
        }
        let Inside::Held { throttler, held } = &mut self.0 else { return Ok(0) };
        let (units, left) = throttler.clone().correct_held(held, units, id, true)?;
        left.carry_out();
        Ok(units)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{ManualClock, Throttler};
    use crate::{Error, Options, RateLimit};

    fn throttler(clock: &ManualClock) -> Throttler {
        let minute = Duration::from_secs(60);
        let table = [RateLimit::new("POOL", 60, minute), RateLimit::new("/a", 20, minute).link("POOL", 2)];
        clock.throttler(&table, Options::default()).expect("a fine table")
    }

    #[test]
    fn a_pass_gives_back_its_own_units_however_it_entered() {
        let clock = ManualClock::new();
        let throttler = throttler(&clock);
        for known in [false, true] {
            let mut pass = match known {
                true => throttler.route("/a").expect("known").try_enter(10).expect("fine").expect("room"),
                false => throttler.enter_blocking("/a", 10, None).expect("room"),
            };
            assert_eq!(pass.correct(-7, None), Ok(-7));
            assert_eq!(pass.correct(-9, Some("POOL")), Ok(-6));
            assert_eq!(pass.correct(2, Some("POOL")), Ok(2));
            let used = |id| throttler.usage(id).map(|usage| (usage.used, usage.in_flight));
            assert_eq!((used("/a"), used("POOL")), (Ok((3, 3)), Ok((2, 0))));
            drop(pass);
            assert_eq!((used("/a"), used("POOL")), (Ok((3, 0)), Ok((2, 0))));
            clock.advance(Duration::from_secs(60));
        }
    }

    #[test]
    fn a_limit_that_a_pass_does_not_take_from_is_refused() {
        let clock = ManualClock::new();
        let throttler = throttler(&clock);
        let mut pass = throttler.enter_blocking("POOL", 10, None).expect("room");
        let refused = pass.correct(-1, Some("/a")).expect_err("not taken from").to_string();
        assert!(refused.contains("one that it takes from (POOL), not /a"), "{refused}");
        assert!(matches!(pass.correct(-1, Some("b")), Err(Error::UnknownLimit { .. })));
    }
}
