//! A model of waiting: threads, a thread with signal handlers, and event loops on a simulated machine, in which timers
//! fail, ring early and are lost, threads are away in handlers, loops are blocked or closed, waits are cancelled, and the
//! program ends. After each event:
//!
//! - where somebody waits and there is an instant at which he can go, every group with waiters has a living timer at or
//!   before it, or a call that is under way; unless it is away itself, or knows that its timer could not be set;
//! - nobody that lives waits for ever, however many others are away or dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::clock::{Clock, Nanos};
use crate::gate::{Hold, Options};
use crate::limit::RateLimit;

use super::enter::Admission;
use super::loop_timer::LoopTimer;
use super::model_loop::SimLoop;
use super::pass::{HeldUnits, Pass};
use super::polling::ThreadPoll;
use super::throttler::Throttler;
use super::turn::{Claim, Turn, WaitHandle};
use super::wake_groups::WakeGroup;

pub const MS: Nanos = 1_000_000;
pub const LOOPS: usize = 2;

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunsIn {
    /// A thread of its own.
    Thread,
    /// The main thread, or a signal handler in it: its waits are nested.
    Main,
    Loop(usize),
}

#[derive(Debug)]
struct SimWait {
    ticket: WaitHandle,
    place: RunsIn,
    woken: Arc<Flag>,
    /// A thread parks until then, at the latest.
    until: Option<Nanos>,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Time goes on; or to the next instant of interest to anybody that lives.
    Pass(Nanos),
    Jump,
    Join {
        place: RunsIn,
        id: usize,
        timeout: Option<Nanos>,
    },
    /// All that have something to do in these places do it.
    Run(RunsIn),
    /// Somebody who does not wait asks the throttler something.
    Ask,
    Cancel(usize),
    Leave(usize),
    /// A signal: a handler runs in the main thread, over whatever waits there.
    Signal,
    /// The handler returns, or raises: then the wait ends under it.
    Return {
        raises: bool,
    },
    Fail {
        at: usize,
        times: u32,
    },
    Block {
        at: usize,
        blocked: bool,
    },
    /// The loop's own code loses a call that was due, or all its timers ring early.
    Lose(usize),
    RingEarly(usize),
    Close(usize),
    /// The program ends: threads that wait leave the queue.
    Exit,
}

pub struct Model {
    clock: Clock,
    throttler: Throttler,
    loops: Vec<(SimLoop, Arc<LoopTimer<SimLoop>>)>,
    waits: Vec<SimWait>,
    passes: Vec<Pass>,
    /// How many waits of the main thread there were when each handler began that runs now.
    handlers: Vec<usize>,
    /// Loops that have lost a timer: they are cured by the next event only.
    lost: [bool; LOOPS],
    /// A timer may have been lost, or could not be set, ever.
    troubled: bool,
}

pub const IDS: [&str; 4] = ["/a", "/b", "/c", "/slow"];

impl Model {
    pub fn new(hold: Hold) -> Self {
        let every = |id, limit, ms| RateLimit::new(id, limit, Duration::from_millis(ms));
        let table = [
            every("POOL", 2, 300),
            every("/a", 1, 50),
            every("/b", 5, 200).link("POOL", 1),
            every("/c", 5, 700).link("POOL", 2),
            every("/slow", 1, 20_000),
        ];
        let clock = Clock::manual();
        let options = Options { hold, ..Options::default() };
        let throttler = Throttler::with_clock(&table, options, clock.clone()).expect("a fine table");
        for id in IDS {
            assert!(throttler.try_acquire(id, 1).is_ok());
        }
        let new_loop = |_| {
            let event_loop = SimLoop::default();
            (event_loop.clone(), LoopTimer::new(event_loop, &throttler))
        };
        let loops = (0..LOOPS).map(new_loop).collect();
        let (waits, passes, handlers) = Default::default();
        Self { clock, throttler, loops, waits, passes, handlers, lost: [false; LOOPS], troubled: false }
    }

    fn main_waits(&self) -> usize {
        self.waits.iter().filter(|wait| wait.place == RunsIn::Main).count()
    }

    /// Whether the code of a place can run now, to join: the main thread where its innermost code does not wait.
    fn can_join(&self, place: RunsIn) -> bool {
        match place {
            RunsIn::Thread => true,
            RunsIn::Main => self.main_waits() == self.handlers.last().copied().unwrap_or(0),
            RunsIn::Loop(at) => self.can_run(at),
        }
    }

    fn can_run(&self, at: usize) -> bool {
        let machine = self.loops[at].0.0.lock();
        !machine.blocked && !machine.closed
    }

    /// Whether a waiter of the main thread is the one that is awake in it.
    fn is_away(&self, index: usize) -> bool {
        match self.waits[index].place {
            RunsIn::Thread => false,
            RunsIn::Loop(at) => !self.can_run(at),
            RunsIn::Main => {
                let nth = self.waits[..=index].iter().filter(|wait| wait.place == RunsIn::Main).count();
                nth <= self.handlers.last().copied().unwrap_or(0)
            }
        }
    }

    fn join(&mut self, place: RunsIn, id: usize, timeout: Option<Nanos>) {
        if !self.can_join(place) {
            return;
        }
        let group = match place {
            RunsIn::Thread => WakeGroup::Threads,
            RunsIn::Main => WakeGroup::Thread(thread::current().id()),
            RunsIn::Loop(at) => WakeGroup::Loop(self.loops[at].1.clone()),
        };
        let woken = Arc::new(Flag::default());
        let waker = Waker::from(woken.clone());
        let mut held = HeldUnits::new(&self.throttler.lookup(IDS[id]).expect("known"), 1, None);
        let entry = self.throttler.enter(&mut held, timeout, || Turn::new(group, waker));
        match entry {
            Ok(Admission::Entered) => self.passes.push(Pass::new(self.throttler.clone(), held)),
            Ok(Admission::Waiting(ticket)) => {
                self.waits.push(SimWait { ticket, place, woken, until: None });
                if !matches!(place, RunsIn::Loop(_)) {
                    self.run_thread(self.waits.len() - 1);
                }
            }
            Err(_) => {}
        }
    }

    /// A thread comes back from its park. Whether its wait is over.
    fn run_thread(&mut self, index: usize) -> bool {
        let wait = &mut self.waits[index];
        wait.woken.0.store(false, Ordering::SeqCst);
        match self.throttler.poll_in_thread(wait.ticket.turn()) {
            ThreadPoll::Park(until) => {
                wait.until = until;
                return false;
            }
            ThreadPoll::Over(outcome) => {
                self.waits.remove(index);
                self.passes.extend(outcome.ok().map(|held| Pass::new(self.throttler.clone(), held)));
            }
        }
        true
    }

    fn run_threads(&mut self, place: RunsIn) {
        let mut index = 0;
        while index < self.waits.len() {
            let wait = &self.waits[index];
            let due = wait.woken.0.load(Ordering::SeqCst)
                || wait.until.is_some_and(|until| until <= self.clock.now());
            let over = wait.place == place && due && !self.is_away(index) && self.run_thread(index);
            index += usize::from(!over);
        }
    }

    fn run_loop(&mut self, at: usize, early: Nanos) {
        if !self.can_run(at) {
            return;
        }
        let due = {
            let mut machine = self.loops[at].0.0.lock();
            let now = self.clock.now() + early;
            let soon: Vec<_> = machine.soon.drain(..).collect();
            let rung = machine.timers.extract_if(.., |(at, ..)| *at <= now).map(|(.., call)| call);
            soon.into_iter().chain(rung).collect::<Vec<_>>()
        };
        for call in due {
            let _reported = call.call();
        }
        let mut index = 0;
        while index < self.waits.len() {
            let wait = &self.waits[index];
            if wait.place == RunsIn::Loop(at) && wait.woken.0.swap(false, Ordering::SeqCst) {
                match wait.ticket.claim() {
                    Claim::Waiting => {}
                    Claim::Lapsed => {
                        wait.ticket.rejoin();
                        continue;
                    }
                    Claim::Over(outcome) => {
                        self.waits.remove(index);
                        self.passes.extend(outcome.ok().map(|held| Pass::new(self.throttler.clone(), held)));
                        continue;
                    }
                }
            }
            index += 1;
        }
    }

    fn run(&mut self, place: RunsIn) {
        match place {
            RunsIn::Loop(at) => self.run_loop(at, 0),
            threads => self.run_threads(threads),
        }
    }

    fn ask(&self) {
        let _answer = self.throttler.wait_time("/a", 1);
    }

    /// The next instant at which something that lives does anything by itself.
    fn next_instant(&self) -> Option<Nanos> {
        let threads =
            (0..self.waits.len()).filter(|&at| !self.is_away(at)).filter_map(|at| self.waits[at].until);
        let timers = (0..LOOPS).filter(|&at| self.can_run(at)).flat_map(|at| {
            let machine = self.loops[at].0.0.lock();
            machine.timers.iter().map(|(at, ..)| *at).collect::<Vec<_>>()
        });
        threads.chain(timers).min()
    }

    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Pass(span) => self.clock.set(self.clock.now() + span),
            Event::Jump => self.next_instant().into_iter().for_each(|at| self.clock.set(at)),
            Event::Join { place, id, timeout } => self.join(place, id, timeout),
            Event::Run(place) => self.run(place),
            Event::Ask => self.ask(),
            Event::Cancel(index) => {
                if !self.waits.is_empty() {
                    let index = index % self.waits.len();
                    if !self.is_away(index) {
                        let wait = self.waits.remove(index);
                        drop(wait.ticket);
                    }
                }
            }
            Event::Leave(index) => {
                if !self.passes.is_empty() {
                    drop(self.passes.remove(index % self.passes.len()));
                }
            }
            Event::Signal => {
                let waits = self.main_waits();
                if waits > self.handlers.last().copied().unwrap_or(0) {
                    self.handlers.push(waits);
                }
            }
            Event::Return { raises } => {
                if self.handlers.last() == Some(&self.main_waits()) {
                    self.handlers.pop();
                    let interrupted = self.waits.iter().rposition(|wait| wait.place == RunsIn::Main);
                    if raises {
                        interrupted.into_iter().for_each(|index| drop(self.waits.remove(index)));
                    }
                }
            }
            Event::Fail { at, times } => {
                self.troubled = true;
                self.loops[at].0.0.lock().failing = times;
            }
            Event::Block { at, blocked } => self.loops[at].0.0.lock().blocked = blocked,
            Event::Lose(at) => {
                let lost = !std::mem::take(&mut self.loops[at].0.0.lock().timers).is_empty();
                self.lost[at] |= lost;
                self.troubled |= lost;
            }
            Event::RingEarly(at) => self.run_loop(at, MS / 2),
            Event::Close(at) => {
                let (soon, timers) = {
                    let mut machine = self.loops[at].0.0.lock();
                    machine.closed = true;
                    (std::mem::take(&mut machine.soon), std::mem::take(&mut machine.timers))
                };
                drop((soon, timers));
            }
            Event::Exit => {
                while let Some(index) = self.waits.iter().position(|wait| wait.place == RunsIn::Thread) {
                    drop(self.waits.remove(index));
                }
            }
        }
    }

    /// Every group that can poll does so in time for the one that can go next.
    pub fn check(&self) {
        let now = self.clock.now();
        let (wake, claims) = {
            let mut shared = self.throttler.shared.lock();
            let claims: Vec<_> = shared.groups.each().map(|(group, at)| (group.clone(), at)).collect();
            (shared.wake_at(now), claims)
        };
        let Some(wake) = wake else { return };
        for (group, claim) in claims {
            let in_time = |at: Nanos| at <= wake.max(now);
            let threads = |place| {
                let waits = || self.waits.iter().enumerate().filter(move |(_, wait)| wait.place == place);
                let awake = |(_, wait): (usize, &SimWait)| {
                    wait.woken.0.load(Ordering::SeqCst) || wait.until.is_some_and(in_time)
                };
                // In the main thread, only the innermost can be awake, and none below a handler.
                match place {
                    RunsIn::Main => {
                        waits().next_back().is_none_or(|last| self.is_away(last.0) || awake(last))
                    }
                    _ => waits().any(awake),
                }
            };
            let polls = match &group {
                WakeGroup::Threads => threads(RunsIn::Thread),
                WakeGroup::Thread(_) => threads(RunsIn::Main),
                WakeGroup::Loop(_) => {
                    let this =
                        |(_, timer): &(_, Arc<LoopTimer<SimLoop>>)| WakeGroup::Loop(timer.clone()).is(&group);
                    let at = self.loops.iter().position(this).expect("known");
                    let machine = self.loops[at].0.0.lock();
                    machine.closed
                        || self.lost[at]
                        || !machine.soon.is_empty()
                        // A timer that rings early is set anew for what is left, in whole ticks.
                        || machine.timers.iter().any(|(at, ..)| *at <= wake.max(now) + MS)
                        || (machine.failed && claim.is_none())
                }
            };
            assert!(polls, "{group:?} sleeps over {wake}, at {now}; it claims {claim:?}");
        }
    }

    /// From here on nothing goes wrong any more, and who is away stays away: everybody else gets through.
    pub fn everybody_alive_gets_through(&mut self) {
        for at in 0..LOOPS {
            self.loops[at].0.0.lock().failing = 0;
        }
        // What was lost or could not be set is asked for at the next occasion: this is one, and late enough.
        let late = if self.lost.contains(&true) { 22_000 } else { 1_100 };
        self.clock.set(self.clock.now() + late * MS);
        self.lost = [false; LOOPS];
        self.passes.clear();
        if self.troubled {
            self.ask();
        }
        // One after the other, each behind a grant that nobody comes for.
        let in_time = self.clock.now() + (self.waits.len() as Nanos + 1) * (20_000 + 1_000) * MS;
        for _ in 0..2_000 {
            for place in [RunsIn::Thread, RunsIn::Main, RunsIn::Loop(0), RunsIn::Loop(1)] {
                self.run(place);
            }
            self.passes.clear();
            let busy = (0..self.waits.len())
                .any(|at| !self.is_away(at) && self.waits[at].woken.0.load(Ordering::SeqCst))
                || (0..LOOPS).any(|at| self.can_run(at) && !self.loops[at].0.0.lock().soon.is_empty());
            if !busy {
                self.check();
                match self.next_instant() {
                    Some(at) => self.clock.set(at),
                    None => break,
                }
            }
        }
        let left: Vec<_> = (0..self.waits.len()).filter(|&at| !self.is_away(at)).collect();
        assert!(left.is_empty(), "{left:?} of {:?} wait for ever", self.waits);
        assert!(self.clock.now() <= in_time, "somebody waited for what others do not come for");
    }
}
