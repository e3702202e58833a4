//! Who looks at the gate when the clock alone lets the next request through.
//!
//! Every event loop with waiters has a timer of its own, so that a loop that is busy or dead delays nobody else. Of all
//! waiting threads (and of all waiting tokio tasks) one keeps watch for the others: the oldest, which waits with a
//! deadline, and hands the watch on when it goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::clock::Nanos;
use crate::gate::Place;

use super::turn::Turn;

/// A timer of somebody who waits.
pub(crate) trait Alarm: Send + Sync + fmt::Debug {
    /// Asks for a call of [`Throttler::poll`](super::Throttler::poll) at `at`, in place of any later instant asked
    /// for before. Called without any lock held.
    fn ring_at(&self, at: Nanos);

    /// Nobody waits here any more. Called without any lock held.
    fn silence(&self);
}

/// Where a request waits.
#[derive(Clone, Debug)]
pub(crate) enum Station {
    /// In a thread, with all other waiting threads.
    Threads,
    /// In a tokio task, with all other waiting tokio tasks.
    #[cfg(feature = "tokio")]
    Tasks,
    /// In an event loop that has this timer.
    #[cfg_attr(not(feature = "python"), expect(dead_code, reason = "only Python has such loops"))]
    Loop(Arc<dyn Alarm>),
}

impl Station {
    fn is(&self, other: &Station) -> bool {
        match (self, other) {
            (Self::Threads, Self::Threads) => true,
            #[cfg(feature = "tokio")]
            (Self::Tasks, Self::Tasks) => true,
            (Self::Loop(a), Self::Loop(b)) => std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)),
            _ => false,
        }
    }
}

/// Who looks at the gate, and will be told by the answer when to look again.
#[derive(Clone, Copy)]
pub(crate) enum Looker<'a> {
    /// The timer of an event loop.
    #[cfg_attr(not(feature = "python"), expect(dead_code, reason = "only Python has such loops"))]
    Loop(&'a Station),
    /// A waiter that keeps watch for its station, as long as it waits.
    Waiter(&'a Turn),
}

impl<'a> Looker<'a> {
    pub fn station(self) -> &'a Station {
        match self {
            Self::Loop(station) => station,
            Self::Waiter(turn) => &turn.station,
        }
    }
}

/// What must happen once the lock is released.
#[derive(Debug, Default)]
#[must_use = "somebody waits for this"]
pub(crate) struct Effects {
    wakers: Vec<Waker>,
    rings: Vec<(Arc<dyn Alarm>, Nanos)>,
    silenced: Vec<Arc<dyn Alarm>>,
}

impl Effects {
    pub fn wake(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    #[inline]
    pub fn carry_out(self) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.rings.into_iter().for_each(|(alarm, at)| alarm.ring_at(at));
        self.silenced.into_iter().for_each(|alarm| alarm.silence());
    }
}

/// The waiters of one station. An event loop's are only counted; of the others, the oldest keeps watch.
#[derive(Debug)]
struct Group {
    station: Station,
    waiting: usize,
    members: BTreeMap<Place, Arc<Turn>>,
    rings_at: Option<Nanos>,
}

/// All stations with waiters.
#[derive(Debug, Default)]
pub(super) struct Watch {
    groups: Vec<Group>,
}

impl Watch {
    fn group(&mut self, station: &Station) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.station.is(station))
    }

    pub fn join(&mut self, place: Place, turn: &Arc<Turn>) {
        let group = match self.groups.iter().position(|group| group.station.is(&turn.station)) {
            Some(at) => &mut self.groups[at],
            None => {
                let station = turn.station.clone();
                self.groups.push(Group { station, waiting: 0, members: BTreeMap::new(), rings_at: None });
                self.groups.last_mut().expect("just pushed")
            }
        };
        group.waiting += 1;
        if !matches!(turn.station, Station::Loop(_)) {
            group.members.insert(place, turn.clone());
        }
    }

    pub fn leave(&mut self, place: Place, turn: &Turn, effects: &mut Effects) {
        let Some(at) = self.groups.iter().position(|group| group.station.is(&turn.station)) else { return };
        let group = &mut self.groups[at];
        group.waiting -= 1;
        if group.members.first_key_value().is_some_and(|(&first, _)| first == place) {
            // The watch passes to the next one, who has not been told when to look.
            group.rings_at = None;
        }
        group.members.remove(&place);
        if group.waiting == 0
            && let Station::Loop(alarm) = self.groups.swap_remove(at).station
        {
            effects.silenced.push(alarm);
        }
    }

    /// Whether the waiter at `place` keeps watch for its station.
    pub fn keeps_watch(&self, station: &Station, place: Place) -> bool {
        let group = self.groups.iter().find(|group| group.station.is(station));
        let first = group.and_then(|group| group.members.first_key_value());
        first.is_some_and(|(&first, _)| first == place)
    }

    /// When a station looks at the gate of its own accord; `None` where nobody waits.
    pub fn rings_at(&mut self, station: &Station) -> Option<Nanos> {
        self.group(station)?.rings_at
    }

    /// A station's timer has gone off, or its watch is looking of its own accord.
    pub fn looked(&mut self, station: &Station) {
        if let Some(group) = self.group(station) {
            group.rings_at = None;
        }
    }

    /// Has every station look at the gate at `wake`, unless it will do so before. `told`: this one knows already.
    pub fn set(&mut self, wake: Option<Nanos>, told: Option<&Station>, effects: &mut Effects) {
        let Some(at) = wake else { return };
        for group in &mut self.groups {
            if group.rings_at.is_some_and(|rings_at| rings_at <= at) {
                continue;
            }
            group.rings_at = Some(at);
            if told.is_some_and(|told| told.is(&group.station)) {
                continue;
            }
            match &group.station {
                Station::Loop(alarm) => effects.rings.push((alarm.clone(), at)),
                _ => effects.wakers.extend(group.members.first_key_value().map(|(_, turn)| turn.waker())),
            }
        }
    }

    /// Forgets everybody. What must be dropped without the lock comes back.
    #[cfg(feature = "python")]
    pub fn clear(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.groups)
    }
}
