//! MEASUREMENT 1 of 4: what the request path counts and logs, drained by the node agent.
//!
//! Counting never waits for a reader: counters are atomics, log lines go into a bounded buffer of their worker,
//! and what does not fit is dropped and counted.

pub mod egress;
pub mod log_buffer;
pub mod requests;

pub use egress::{EgressCounters, EgressKey, EgressLevel, EgressRow, Protocol, Registry};
pub use log_buffer::LogBuffer;
pub use requests::{RequestCounters, Totals};
