//! Words that every stage of the request path shares: errors, message heads, deadlines.
//!
//! Knows no socket, no snapshot, no Python.

pub mod deadline;
pub mod egress_pool;
pub mod error;
pub mod field;
pub mod fleet;
pub mod head;
pub mod hygiene;
pub mod record;
pub mod side;

pub use deadline::{Deadline, Deadlines};
pub use egress_pool::{EgressAddress, EgressPool, PoolSerial, Slices};
pub use error::{Code, Error};
pub use field::FieldName;
pub use head::{Fields, Framing, Method, RequestHead, ResponseHead, Version};
