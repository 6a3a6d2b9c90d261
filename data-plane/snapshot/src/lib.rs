//! CONFIG 5 of 5: decodes the wire snapshot, checks it, and builds the immutable tables a request reads.
//!
//! A snapshot is taken whole or refused whole, with the place that is wrong ([`Refused`]). What outlives a
//! snapshot (account and pool serials, parsed keys) lives in the [`TableBuilder`]; [`Tables`] never change.

pub mod builder;
pub mod certificates;
pub mod codec;
pub mod fleet;
mod names;
pub mod networks;
pub mod part;
mod pools;
mod raw;
pub mod refused;
mod sharded;
pub mod tables;
pub mod wire;
mod zones;

pub use builder::TableBuilder;
pub use certificates::CertificateResolver;
pub use codec::{decode, encode};
pub use fleet::{FleetEntry, PeerEntry, RegionEntry};
pub use networks::Networks;
pub use part::Part;
pub use refused::Refused;
pub use tables::{Found, HostEntry, Listener, OriginEntry, OriginSpec, Tables, ZoneEntry};
pub use wire::{Scheme, Verify};
