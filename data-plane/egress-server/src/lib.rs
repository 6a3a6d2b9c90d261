//! REQUEST 4 of 5: own the ports of this server's slices, open connections from them, keep connections for reuse.
//!
//! What is spoken over a connection is the business of `origin`; here a connection is a socket with a port lease,
//! or whatever [`Connector`] makes of it.

pub mod choice;
pub mod connection_pool;
mod cut;
pub mod dial;
pub mod group;
pub mod lane;
pub mod port_space;
pub mod port_table;
pub mod shared_connection;

pub use choice::{Chosen, NoPort, choose};
pub use connection_pool::{Acquired, ConnectionPool, PoolSettings, Want};
pub use dial::{Dialer, EgressStream};
pub use group::{Connector, GroupKey, H1Loan, Opened, PooledH1, PooledH2, Reusable, TlsKey, Transport};
pub use port_table::{Held, PortLease, PortTable};
pub use shared_connection::StreamPermit;
