//! REQUEST 1 of 5: accept a connection, find out what it speaks, read requests from it.
//!
//! Hands every request to a [`Service`]; knows neither zones nor egress addresses.

pub mod accept;
pub mod client_hello;
pub mod connection;
pub mod h1;
pub mod h2_connection;
pub mod limits;
pub mod listener;
pub mod proxy_protocol;
pub mod service;
pub mod splice;
pub mod tls;

pub use accept::Transport;
pub use connection::{serve_connection, serve_passed};
pub use limits::ClientLimits;
pub use listener::{BindError, bind};
pub use service::{ConnectionInfo, IngressSettings, PassedOn, Service};
