//! A map whose entries expire, and from which the entry used longest ago goes when there is no room.
//!
//! [`TtlCache`] is that map for Rust. Python's caches are made of the same `Store`: see `store.rs` first. Nothing here
//! locks, waits, reads a clock or knows of Python.

mod compare;
mod counts;
mod index;
mod links;
mod number;
mod orders;
mod store;
#[cfg(test)]
mod store_tests;
mod ttl_cache;

pub use counts::Counts;
pub use ttl_cache::TtlCache;

// What Python's caches are made of.
pub(crate) use self::{
    compare::Compare,
    number::Number,
    orders::EntryId,
    store::{Entry, Found, Insertion, Removed, Store},
};
