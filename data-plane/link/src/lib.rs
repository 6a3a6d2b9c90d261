//! REQUEST 3b of 5: the link between two servers of the fleet, over which a request reaches the server it leaves from.
//!
//! One set of HTTP/2 connections per worker and peer, both sides proved by certificates of the fleet's own authority.
//! A stream carries one request: a record with its head as it was read and what the far side needs to know, then its
//! body; back come records, then the answer's body. What clients or origins send can therefore never be taken for a
//! word between servers. The far end leads to the egress server's connection pool alone: nothing goes two hops.

pub mod exchange;
pub mod identity;
pub mod links;
mod outbound;
pub mod passed;
pub mod record;
pub mod serve;
mod source;

pub use exchange::{LinkExchange, Verdict};
pub use identity::Identity;
pub use links::{LinkSettings, Links, PeerRow, Seat};
pub use record::{Call, Failed};
pub use serve::{LinkClient, LinkService, serve_link};
