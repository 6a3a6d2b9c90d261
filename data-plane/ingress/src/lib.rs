//! REQUEST 1 of 5: accept a connection, find out what it speaks, read requests from it.
//!
//! Hands every request to a [`Service`]; knows neither zones nor egress addresses.

pub mod accept;
pub mod connection;
pub mod h1;
pub mod h2_connection;
pub mod limits;
pub mod listener;
pub mod proxy_protocol;
pub mod service;
pub mod tls;

pub use connection::serve_connection;
pub use limits::ClientLimits;
pub use listener::{BindError, bind};
pub use service::{ConnectionInfo, IngressSettings, Service};
