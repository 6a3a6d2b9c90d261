//! A pool of egress addresses as the data plane holds it: what a zone's requests may leave from, and nothing else.

use crate::fleet::Elsewhere;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Inclusive source-port ranges of one address that this server owns, ascending, not overlapping.
pub type Slices = Arc<[(u16, u16)]>;

/// One address of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EgressAddress {
    pub ip: IpAddr,
    pub slices: Slices,
    /// Concurrent connections per origin ip:port and protocol.
    pub cap: u32,
    /// New connections choose another address.
    pub draining: bool,
}

/// Names one content of one pool for the life of the process: never given twice, so that equal serials mean equal
/// addresses and a connection can be matched to a pool without comparing lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolSerial(u64);

impl PoolSerial {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        PoolSerial(NEXT.fetch_add(1, Relaxed))
    }
}

/// The addresses that requests of some zones leave from.
#[derive(Debug)]
pub struct EgressPool {
    pub serial: PoolSerial,
    pub id: Box<str>,
    /// What this server owns of the pool.
    pub addresses: Box<[EgressAddress]>,
    /// When the location is exhausted, the closest other one may take over.
    pub overflow: bool,
    /// Other servers that hold IPv4 addresses of the pool, nearest first.
    pub elsewhere: Box<[Elsewhere]>,
}

impl EgressPool {
    /// A pool with a serial of its own.
    pub fn new(id: &str, addresses: Vec<EgressAddress>) -> Self {
        EgressPool {
            serial: PoolSerial::next(),
            id: id.into(),
            addresses: addresses.into(),
            overflow: false,
            elsewhere: Box::default(),
        }
    }

    /// The same pool among other servers.
    #[must_use]
    pub fn among(self, overflow: bool, elsewhere: Vec<Elsewhere>) -> Self {
        EgressPool { overflow, elsewhere: elsewhere.into(), ..self }
    }

    /// The same addresses, so that connections of one may be used for the other, among other servers.
    #[must_use]
    pub fn moved(&self, overflow: bool, elsewhere: Vec<Elsewhere>) -> Self {
        EgressPool {
            serial: self.serial,
            id: self.id.clone(),
            addresses: self.addresses.clone(),
            overflow,
            elsewhere: elsewhere.into(),
        }
    }

    /// The address of `egress`, if new connections may leave from that very port.
    pub fn owner_of(&self, egress: SocketAddr) -> Option<&EgressAddress> {
        let is_within = |(low, high): &(u16, u16)| (*low..=*high).contains(&egress.port());
        let is_owner = |address: &&EgressAddress| {
            address.ip == egress.ip() && !address.draining && address.slices.iter().any(is_within)
        };
        self.addresses.iter().find(is_owner)
    }

    /// The same id with the same addresses: connections of one may be used for the other.
    pub fn is_same_as(&self, id: &str, addresses: &[EgressAddress]) -> bool {
        *self.id == *id && *self.addresses == *addresses
    }
}
