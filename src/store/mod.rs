//! Where the budget of several processes lives: a SQLite file on one machine, Redis or Valkey over several.
//!
//! A store knows nothing of the rules. It holds one small document of bytes for each scope. [`Store::update`] reads the
//! document, lets a closure change it, and writes what the closure returns if nobody else has written meanwhile. So all
//! updates of a scope happen one after the other, in the same order for everybody.
//!
//! A *member* is one open store of one process ([`Store::join`]). Who writes names the members that the change
//! concerns, and these are woken: each member has one [`Wakeups`], on which one thread sleeps.
//!
//! The two stores differ in how they know who lives ([`Life`]), in their time and in what they forget; [`Read`] tells.

#[cfg(all(test, unix, any(feature = "redis", feature = "sqlite")))]
mod contract;
mod error;
#[cfg(all(feature = "redis", unix))]
mod redis;
#[cfg(all(feature = "sqlite", target_os = "linux"))]
mod sqlite;
mod url;
#[cfg(all(unix, any(feature = "redis", feature = "sqlite")))]
mod waker;

use std::fmt;
#[cfg(all(unix, any(feature = "redis", feature = "sqlite")))]
use std::time::Duration;
use std::time::Instant;

use crate::clock::{Nanos, WallNanos};
pub(crate) use error::{StoreError, StoreErrorKind};
pub(crate) use url::{StoreUrl, shown};
#[cfg(all(unix, any(feature = "redis", feature = "sqlite")))]
pub(crate) use waker::Waker;

/// Wakes a sleeping [`Wakeups`] from within the process. Here there is nothing to wake.
#[cfg(not(all(unix, any(feature = "redis", feature = "sqlite"))))]
#[derive(Clone, Debug)]
pub(crate) struct Waker;

#[cfg(not(all(unix, any(feature = "redis", feature = "sqlite"))))]
impl Waker {
    pub(crate) fn wake(&self) {}
}

/// Who has joined a store. Never used twice: a process that joins again is another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How a store knows who lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The kernel knows, at once and exactly: a stopped process lives, a killed one is dead ([`Read::is_dead`]).
    Kernel,
    /// Nobody knows. Members hold leases by the store's time, written into the document by the rules.
    Lease,
}

/// What `change` sees of a scope.
pub(crate) struct Read<'a> {
    /// The document as it was last written; `None` if nobody ever wrote one, or if it is lost.
    pub bytes: Option<&'a [u8]>,
    /// The store's time, in nanoseconds. It never runs ahead of the store's clock (and at most 50 ms behind it).
    pub now: Nanos,
    /// Wall time of the same instant: of this machine (file), or of the server (Redis).
    pub wall: WallNanos,
    /// The time line of `now`. Instants in the document that were written on another time line mean nothing here.
    /// File: the kernel's boot id (the time line is `CLOCK_BOOTTIME`: it never steps, and counts while the machine
    /// sleeps). Another boot id means that the machine restarted: every member of the former one is dead.
    /// Redis: always `"unix"` (`TIME`: the server's wall clock, which may step).
    pub timeline: &'a str,
    /// Changes whenever the store may have forgotten what was written. File: a random number in the file, so a deleted
    /// or replaced file differs. Redis: the server's `run_id` and a random number beside the document.
    pub incarnation: &'a str,
    /// Whether this member has surely ended ([`Life::Kernel`] only; with leases always false).
    pub is_dead: &'a dyn Fn(MemberId) -> bool,
    /// Members that were there before the present incarnation, live, and have not called [`Store::told_all`] since
    /// ([`Life::Kernel`] only; with leases empty): they may still hold what no document knows of.
    pub elders: &'a dyn Fn() -> Vec<MemberId>,
    /// When this process began to read, and no longer waited for others.
    pub began: Instant,
}

/// What `change` wants to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Write {
    /// The new document.
    pub bytes: Vec<u8>,
    /// Members whom the change concerns. They are woken once it is written. A member that is gone is passed over.
    pub wake: Vec<MemberId>,
    /// Whether the change must outlive a power cut (file: one `fsync`, 0.2 to 10 ms; Redis: as the server is set up).
    /// A change that is not durable still outlives the death of every process.
    pub durable: bool,
}

/// Where the documents are.
pub(crate) trait Store: Send {
    /// Becomes a member, and returns its identity and the ear of its sleeping thread. Joining again leaves first.
    fn join(&mut self) -> Result<(MemberId, Box<dyn Wakeups>), StoreError>;

    /// Ends the membership: nobody takes this member for alive any more, and nobody wakes it. Does nothing if there is
    /// none. The rules must have written what they release before.
    fn leave(&mut self);

    /// This member has visited all its scopes in this incarnation: what it holds is in the documents.
    fn told_all(&mut self, incarnation: &str) -> Result<(), StoreError>;

    /// Reads the document of `scope`, lets `change` decide, and writes what it returns (`None`: nothing). `change` may
    /// be called several times, each time with a newer document: only its last call counts, and `Ok` says that nobody
    /// wrote between what that call saw and what it returned. It runs while the file is locked: it must be short.
    ///
    /// After an error, [`StoreError::may_have_written`] says whether the document may have been written all the same.
    fn update(
        &mut self,
        scope: &str,
        change: &mut dyn FnMut(&Read<'_>) -> Option<Write>,
    ) -> Result<(), StoreError>;

    /// The scopes that have a document.
    fn scopes(&mut self) -> Result<Vec<String>, StoreError>;

    /// How this store knows who lives.
    fn life(&self) -> Life;

    /// What the user should know about this store, each thing once: call it after [`open`] and after each reconnection.
    fn warnings(&mut self) -> Vec<String>;

    /// To be called in the parent before `fork`, under the lock that keeps others from using the store: puts down what a
    /// child must not inherit. The parent's next `update` takes it up again.
    fn prepare_fork(&mut self);

    /// To be called in the child after `fork`, instead of dropping the store: the child gives up its copies, and nothing
    /// of the parent's is touched. The child may then [`open`] the store anew, and is another member.
    fn abandon(self: Box<Self>);
}

/// Why a sleeping thread goes on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Woken {
    /// Another member named this one in a [`Write`], or may have, or one has ended that is watched: look at the store.
    Store,
    /// A [`Waker`] of this process.
    Local,
    /// The instant has come.
    Timeout,
    /// The connection that brings wake-ups is lost. The next `wait` connects again, after a growing pause, and then
    /// returns [`Woken::Store`]. Told once for each loss.
    Away(StoreError),
}

/// What one thread sleeps on.
pub(crate) trait Wakeups: Send {
    /// Sleeps until another member wakes this one, a local [`Waker`] does, or `until` has come (`None`: never). Calls
    /// are not lost: what happened since the last `wait` makes this one return at once.
    fn wait(&mut self, until: Option<Instant>) -> Woken;

    /// Wakes this sleeper from any thread of the process.
    fn waker(&self) -> Waker;

    /// From now on, [`Woken::Store`] comes also when one of these members has ended, at once; of those named before, no
    /// more. Where the store does not know that, nothing comes.
    fn watch(&mut self, _members: &[MemberId]) {}
}

/// Opens the store at `address`, checks that it can be used, and creates it where it is a file that does not exist.
pub(crate) fn open(address: &str) -> Result<Box<dyn Store>, StoreError> {
    match StoreUrl::parse(address)? {
        #[cfg(all(feature = "sqlite", target_os = "linux"))]
        StoreUrl::Sqlite(path) => Ok(Box::new(sqlite::SqliteFile::open(&path)?)),
        #[cfg(all(feature = "sqlite", not(target_os = "linux")))]
        StoreUrl::Sqlite(_) => Err(StoreError::refused(format_args!(
            "{address} cannot be shared on this system: a file as the store needs Linux. Use Redis or Valkey: \
             share=\"redis://host:6379/0\""
        ))),
        #[cfg(not(feature = "sqlite"))]
        StoreUrl::Sqlite(_) => Err(StoreError::refused(format_args!(
            "{address} cannot be opened: this build of sluicegate has no SQLite. Build it with the feature \"sqlite\""
        ))),
        #[cfg(all(feature = "redis", unix))]
        StoreUrl::Redis(server) => Ok(Box::new(redis::RedisServer::open(server)?)),
        #[cfg(all(feature = "redis", not(unix)))]
        StoreUrl::Redis(server) => Err(StoreError::refused(format_args!(
            "{} cannot be shared on this system: sharing needs Linux, macOS or another Unix",
            server.shown
        ))),
        #[cfg(not(feature = "redis"))]
        StoreUrl::Redis(server) => Err(StoreError::refused(format_args!(
            "{} cannot be opened: this build of sluicegate has no Redis. Build it with the feature \"redis\"",
            server.shown
        ))),
    }
}

/// A new number that nobody else has. From the kernel each time: a generator of this process would repeat itself in a
/// forked child.
#[cfg(all(unix, any(feature = "redis", feature = "sqlite")))]
fn random() -> Result<MemberId, StoreError> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .map(|()| MemberId(u64::from_ne_bytes(bytes)))
        .map_err(|error| {
            StoreError::refused(format_args!("no random number can be had from /dev/urandom: {error}"))
        })
}

/// A random part of a span, from half of it to one and a half.
#[cfg(all(unix, any(feature = "redis", feature = "sqlite")))]
fn random_part(span: Duration) -> Duration {
    let noise = u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos()));
    // The low digits of the clock, spread: good enough to keep two processes out of step.
    let part = noise.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    span / 2 + span * part as u32 / 1024
}

#[cfg(all(test, unix, any(feature = "redis", feature = "sqlite")))]
fn wall_now() -> WallNanos {
    crate::clock::Clock::monotonic().wall()
}

/// The kernel's monotonic time, the same in all processes.
#[cfg(all(test, unix, any(feature = "redis", feature = "sqlite")))]
fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What this process has used of the processor.
#[cfg(all(test, unix, any(feature = "redis", feature = "sqlite")))]
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
