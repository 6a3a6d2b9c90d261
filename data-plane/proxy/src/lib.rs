//! The whole data plane: the stages of the request path stacked in order, and the threads they run on.
//!
//! `ingress` hands a request to [`service`]; [`exchange`] asks the zone table, the egress router and the egress
//! server; [`relay`] carries it to the origin and the answer back. [`plane`] is what the Python binding drives.

mod access_log;
mod answer;
mod attempt;
mod connector;
mod current;
mod exchange;
mod forwarded;
mod forwarding;
mod held;
mod passed_log;
mod peers;
pub mod plane;
mod regional;
mod relay;
pub mod report;
mod service;
mod worker;

pub use plane::{Applied, ApplyError, Options, Plane};
