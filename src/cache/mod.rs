//! A map that forgets: the entry used longest ago when there is no room, and any entry whose time
//! is over.
//!
//! Nothing here locks, waits, reads a clock or knows of Python. Whether two keys are the same, and
//! whether an entry's time is over, is asked of a [`Judge`]; a judge may answer that it cannot
//! tell yet, and the map then leaves everything as it was, so that the caller can find out
//! (outside its lock) and ask again.

mod counts;
mod index;
mod number;
mod store;

pub use counts::Counts;
pub use number::Number;
pub use store::{Bin, Entry, Found, Judge, Place, Placed, Store};
