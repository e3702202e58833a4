//! A throttler as a member of a budget that several processes share.
//!
//! A throttler with a [`Share`] has one thread, and nothing else of this runs in a request's way. The thread sleeps until
//! requests wait, the store wakes it, or a time has come. Then it reads the gate under the throttler's lock, visits the
//! store without that lock, and tells the gate what it may use. What may move and when is decided by
//! [`share`](crate::share), and how a document is read and written by [`store`](crate::store).

mod ask;
mod closing;
mod fork;
mod joining;
mod options;
mod overview;
mod part;
mod seat;
mod thread;
mod visits;

pub(crate) use closing::end_all;
pub(crate) use fork::{after_fork_in_child, after_fork_in_parent, before_fork};
pub use options::{Notice, Share};
pub use overview::{MemberUsage, SharedUsage};
pub(crate) use overview::{ScopeOverview, overview_of};
pub(crate) use visits::visits;
