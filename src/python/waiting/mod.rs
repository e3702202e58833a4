//! How Python waits for its turn: on a future of an event loop, or on a lock of a thread.
//!
//! Begin with `future.rs` for asyncio and with `threads.rs` for threads. The throttler's classes use what is here, and
//! nothing here knows them: what waits in an event loop is a [`future::LoopWaiter`].

pub mod at_exit;
mod event_loop;
pub mod fork;
pub mod future;
mod future_waker;
pub mod innermost;
mod lock_waker;
mod loops;
pub mod ready;
pub mod threads;
pub mod undisturbed;

pub use self::loops::Loops;
