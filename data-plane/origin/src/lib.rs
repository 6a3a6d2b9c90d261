//! REQUEST 5 of 5: speak to the origin over a connection that the egress server opened.
//!
//! [`H1Connection`] and [`H2Exchange`] are the two forms of an [`egressway_core::side::OriginSide`]; which
//! address a connection leaves from is none of this crate's business.

pub mod h1;
pub mod h2_connection;
pub mod stream;
pub mod tls;
mod validity;
mod verifiers;

pub use h1::H1Connection;
pub use h2_connection::{H2Connection, H2Exchange, Opened};
pub use stream::OriginStream;
pub use tls::{BadTrustRoots, Secured, TlsConfig, TlsConfigs, certificate_covers, handshake};
