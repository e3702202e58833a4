//! The thread that takes part: it sleeps, reads the gate, visits the store, and tells the gate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{Nanos, boottime};
use crate::error::Error;
use crate::limit::Scope;
use crate::share::{Membership, Request, Rules};
use crate::store::{StoreError, Wakeups, Woken};
use crate::wait::{Throttler, tell_nothing_here};

use super::ask::{Failed, ask};
use super::fork;
use super::joining::{about, join};
use super::options::Notice;
use super::part::{Part, Polled, SharedGate, terms};
use super::seat::Seat;

/// How long to wait before the store is asked again after an error: at first, and at most.
const RETRY: [Nanos; 2] = [50_000_000, 2_000_000_000];

/// While requests wait for units that this process has asked for already, the thread does not hear of each that joins
/// them, but looks now and then.
const RECHECKS: [Nanos; 2] = [5_000_000, 250_000_000];

/// How often a thread without a store tries to open it.
const REOPEN: Duration = Duration::from_secs(1);

/// For how long a store that is away may keep a closing throttler.
const FAREWELL: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct MemberThread {
    seat: Arc<Seat>,
    me: crate::share::MemberId,
    rules: Rules,
    wakeups: Box<dyn Wakeups>,
    parts: Vec<Part>,
    /// The table of the gate that the parts know.
    version: u32,
    /// The incarnation of the store in which all parts have said what they hold.
    told: String,
    /// What the store last answered is an error; and when to ask again.
    trouble: Option<String>,
    retry: Nanos,
    retry_at: Nanos,
    recheck: Nanos,
}

/// Starts the thread. One without a member joins by itself.
pub(super) fn start(seat: Arc<Seat>, member: Option<MemberThread>) {
    let run = {
        let seat = seat.clone();
        move || {
            tell_nothing_here();
            if let Some(mut member) = member.or_else(|| join_again(&seat)) {
                member.run();
                member.leave();
            }
            fork::guarded(|| seat.end());
        }
    };
    let thread = std::thread::Builder::new().name("sluicegate-share".to_owned()).spawn(run);
    if let Err(error) = thread {
        let text =
            format!("sluicegate cannot start the thread that shares a budget: {error}. Nothing passes");
        seat.share.notify(Notice::Warning(text));
    }
}

/// Joins as soon as the store can be opened. `None` once the throttler ends.
fn join_again(seat: &Arc<Seat>) -> Option<MemberThread> {
    let mut told = false;
    while !seat.is_closing() {
        let throttler = seat.throttler.upgrade()?;
        match fork::guarded(|| join(seat, &throttler)) {
            Ok(member) => return Some(member),
            Err(error) if !told => {
                told = true;
                seat.share.notify(Notice::Warning(away(&error)));
            }
            Err(_) => {}
        }
        drop(throttler);
        std::thread::sleep(REOPEN);
    }
    None
}

fn away(error: &StoreError) -> String {
    format!(
        "the shared budget cannot be reached: {error}. Requests go on with what this process holds, and then wait"
    )
}

impl MemberThread {
    pub fn new(
        seat: Arc<Seat>,
        me: crate::share::MemberId,
        rules: Rules,
        wakeups: Box<dyn Wakeups>,
        parts: Vec<Part>,
        version: u32,
    ) -> Self {
        Self {
            seat,
            me,
            rules,
            wakeups,
            parts,
            version,
            told: String::new(),
            trouble: None,
            retry: RETRY[0],
            retry_at: 0,
            recheck: RECHECKS[0],
        }
    }

    fn run(&mut self) {
        let mut woken = Woken::Store;
        while !self.seat.is_closing() {
            if let Woken::Away(error) = &woken {
                self.lose(error);
            }
            let Some(throttler) = self.seat.throttler.upgrade() else { return };
            let (until, listens) = self.pass(&throttler, woken == Woken::Store);
            throttler.tell_by(|locks| fork::guarded(locks));
            fork::guarded(|| throttler.listen(listens));
            // One that came between the look and this is looked for once more.
            fork::guarded(|| drop(throttler));
            if self.trouble.is_none() {
                let watched: Vec<_> = self.parts.iter().filter_map(|part| part.watched).collect();
                self.wakeups.watch(&watched);
            }
            woken = self.wakeups.wait(until.map(instant));
        }
    }

    /// Looks at each part once, and visits what is due. When to come again, and whether to hear of requests that wait.
    fn pass(&mut self, throttler: &Throttler, called: bool) -> (Option<Nanos>, bool) {
        let mut until: Option<Nanos> = None;
        let mut waits_in_vain = false;
        fork::guarded(|| throttler.listen(true));
        self.follow_table(throttler);
        let boot = boottime();
        if self.trouble.is_some() && boot < self.retry_at {
            return (Some(self.retry_at), false);
        }
        for at in 0..self.parts.len() {
            let mut at_once = called;
            loop {
                let part = &mut self.parts[at];
                let version = self.version;
                let look = fork::guarded(|| {
                    throttler.in_gate(|gate, now, _| {
                        // Another table came just now: a limit may stand elsewhere in the gate.
                        if gate.version() != version {
                            return (Polled::Rest(Some(boottime()), false), false);
                        }
                        part.poll(gate, now, at_once)
                    })
                });
                at_once = false;
                match look {
                    Polled::Rest(next, waits) => {
                        until = until.into_iter().chain(next).min();
                        waits_in_vain |= waits;
                        break;
                    }
                    Polled::Visit(request) => match self.visit(at, throttler, &request) {
                        Ok(()) => self.recover(),
                        Err(failed) => {
                            self.fail(failed);
                            return (Some(self.retry_at), false);
                        }
                    },
                }
            }
        }
        match self.tell_all() {
            Ok(true) => {}
            // The store has forgotten: all parts must come, due or not.
            Ok(false) => return (Some(boottime()), true),
            Err(failed) => {
                self.fail(failed);
                return (Some(self.retry_at), false);
            }
        }
        self.recheck = if waits_in_vain { (self.recheck * 2).min(RECHECKS[1]) } else { RECHECKS[0] };
        if waits_in_vain {
            let recheck = boottime() + self.recheck;
            return (Some(until.map_or(recheck, |until| until.min(recheck))), false);
        }
        (until, true)
    }

    /// Tells the store once all parts have visited it in its present incarnation. `false` if some have yet to come.
    fn tell_all(&mut self) -> Result<bool, Failed> {
        // A part without a visit holds nothing.
        let mut seen = self.parts.iter().map(|part| &part.seen).filter(|seen| !seen.is_empty());
        let Some(first) = seen.next().cloned() else { return Ok(true) };
        if seen.any(|other| *other != first) {
            self.parts.iter_mut().for_each(|part| part.membership.woken());
            return Ok(false);
        }
        if self.told != first {
            let told = fork::guarded(|| match &mut *self.seat.store.lock() {
                Some(store) => store.told_all(&first),
                None => Ok(()),
            });
            told.map_err(Failed::Store)?;
            self.told = first;
        }
        Ok(true)
    }

    /// The first visit of each part. Where those who have another table have probably ended, the thread comes again until
    /// that is certain.
    pub fn visit_all(&mut self, throttler: &Throttler) -> Result<(), Error> {
        let mut overdue = None;
        for at in 0..self.parts.len() {
            let part = &mut self.parts[at];
            let look = throttler.in_gate(|gate, now, _| part.poll(gate, now, true));
            let Polled::Visit(request) = look else { continue };
            match self.visit(at, throttler, &request) {
                Ok(()) => {}
                Err(Failed::Disagrees(conflict)) if conflict.is_overdue => overdue = Some(conflict),
                Err(Failed::Disagrees(conflict)) => return Err(Error::Disagrees(conflict.to_string())),
                Err(Failed::Store(error)) => return Err(Error::Store(error.to_string())),
            }
        }
        if let Some(conflict) = overdue {
            self.fail(Failed::Disagrees(conflict));
        }
        Ok(())
    }

    /// Takes a request to the store, and its answer to the gate.
    fn visit(&mut self, at: usize, throttler: &Throttler, request: &Request) -> Result<(), Failed> {
        let seat = self.seat.clone();
        let part = &mut self.parts[at];
        let mut answer = match ask(&seat, part, request) {
            Ok(answer) => {
                let warning = part.clock_warning(seat.share.clocks_apart());
                warning.into_iter().for_each(|text| seat.share.notify(Notice::Warning(text)));
                answer
            }
            Err(failed) => {
                if let Failed::Disagrees(conflict) = &failed {
                    part.refused(conflict);
                }
                return Err(failed);
            }
        };
        fork::guarded(|| {
            let (pauses, limits) = throttler.in_gate(|gate, now, lease_end| {
                let part = &mut self.parts[at];
                part.answered(&mut answer);
                let news = (gate.version() == self.version)
                    .then(|| (part.new_pauses(&answer, gate, now), part.new_limits(&answer, gate, now)));
                let ends = self.parts.iter().filter_map(|part| part.membership.lives_until());
                *lease_end = ends.min().unwrap_or(Nanos::MAX);
                (news.unwrap_or_default(), false)
            });
            // Before the gate may use more: who waits for a limit that is new here must not leave while it is paused.
            if !pauses.is_empty() {
                throttler.hear_pauses(&pauses);
            }
            if !limits.is_empty() {
                throttler.hear_limits(&limits);
            }
            throttler.in_gate(|gate, now, _| {
                if gate.version() != self.version {
                    return ((), false);
                }
                self.parts[at].tighten(gate, now);
                // A lease that had ended closed the limits of all scopes.
                ((), set_gates(&self.parts, gate) | self.parts[at].forget_others(gate, now))
            });
        });
        Ok(())
    }

    /// The throttler may have another table by now.
    fn follow_table(&mut self, throttler: &Throttler) {
        if fork::guarded(|| throttler.table_version()) == self.version {
            return;
        }
        let (version, limits) = fork::guarded(|| throttler.shared_limits());
        self.version = version;
        for part in &mut self.parts {
            part.set_table(&limits);
        }
        for scope in [Scope::Address, Scope::Account] {
            let terms = terms(scope, &limits);
            if !terms.is_empty() && self.parts.iter().all(|part| part.scope != scope) {
                let membership = Membership::new(self.me, about(), self.rules.clone(), terms);
                self.parts.push(Part::new(self.seat.share.document(scope), scope, membership, &limits));
            }
        }
        fork::guarded(|| {
            throttler.in_gate(|gate, _, _| ((), set_gates(&self.parts, gate)));
        });
    }

    fn lose(&mut self, error: &StoreError) {
        if self.trouble.is_none() {
            self.trouble = Some(error.to_string());
            self.seat.share.notify(Notice::Warning(away(error)));
        }
    }

    fn fail(&mut self, failed: Failed) {
        match failed {
            Failed::Store(error) => self.lose(&error),
            Failed::Disagrees(conflict) => {
                let text = conflict.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    self.seat.share.notify(Notice::Warning(format!("{text}. Until then its requests wait")));
                    self.trouble = Some(text);
                }
            }
        }
        self.retry_at = boottime() + self.retry;
        self.retry = (self.retry * 2).min(RETRY[1]);
    }

    fn recover(&mut self) {
        self.retry = RETRY[0];
        if self.trouble.take().is_some() {
            self.seat.share.notify(Notice::Info("the shared budget is reached again".to_owned()));
        }
        let warnings = fork::guarded(|| self.seat.store.lock().as_mut().map(|store| store.warnings()))
            .unwrap_or_default();
        warnings.into_iter().for_each(|text| self.seat.share.notify(Notice::Warning(text)));
    }

    /// Gives back what is held: of a throttler that was closed, or of one that is gone.
    fn leave(&mut self) {
        let until = Instant::now() + FAREWELL;
        let last = fork::guarded(|| self.seat.last.lock().take());
        let throttler = self.seat.throttler.upgrade();
        let mut gone = last;
        let mut all = true;
        for at in 0..self.parts.len() {
            loop {
                let part = &mut self.parts[at];
                let request = match (&mut gone, &throttler) {
                    (Some((gate, now)), _) => part.farewell(gate, *now),
                    (None, Some(throttler)) => fork::guarded(|| {
                        throttler.in_gate(|gate: &mut SharedGate, now, _| (part.farewell(gate, now), false))
                    }),
                    (None, None) => return,
                };
                match ask(&self.seat, part, &request) {
                    Ok(_) if request.leaves => break,
                    Ok(mut answer) => part.answered(&mut answer),
                    Err(Failed::Disagrees(_)) => {
                        all = false;
                        break;
                    }
                    Err(Failed::Store(_)) if Instant::now() < until => {
                        std::thread::sleep(Duration::from_nanos(RETRY[0]));
                    }
                    Err(Failed::Store(_)) => {
                        all = false;
                        break;
                    }
                }
            }
        }
        fork::guarded(|| {
            if let Some(mut store) = self.seat.store.lock().take()
                && all
            {
                store.leave();
            }
            // What could not be given back comes as from one who was killed: the store must see that this one is gone.
        });
    }
}

/// Lets the gate use what the process has of all scopes. Whether that changes anything.
fn set_gates(parts: &[Part], gate: &mut SharedGate) -> bool {
    let mut changed = false;
    for part in parts {
        changed |= part.set_gate(gate);
    }
    changed
}

/// The machine's instant for one of [`boottime`].
fn instant(at: Nanos) -> Instant {
    Instant::now() + Duration::from_nanos(at.saturating_sub(boottime()))
}
