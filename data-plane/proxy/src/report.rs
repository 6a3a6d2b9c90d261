//! What `drain` and `status` tell, as MessagePack maps; the Python twin is `egressway.data_plane.handle`.

use egressway_counters::{EgressLevel, EgressRow};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What happened since the last drain, each event once.
#[derive(Debug, Serialize)]
pub struct Drained {
    pub totals: TotalsRow,
    /// By `status:<class>` and `error:<code>`.
    pub requests: BTreeMap<String, u64>,
    pub egress: Vec<EgressRow>,
    /// Whole lines.
    #[serde(serialize_with = "as_bytes")]
    pub log: Vec<u8>,
}

#[derive(Debug, Serialize)]
pub struct TotalsRow {
    pub requests: u64,
    pub connections: u64,
    pub foreign_egress: u64,
    pub panics: u64,
    pub log_dropped: u64,
}

/// Levels at this moment.
#[derive(Debug, Serialize)]
pub struct Status {
    pub revision: u64,
    pub zones: usize,
    pub hosts: usize,
    pub memory_table_bytes: usize,
    pub workers: usize,
    pub connections: usize,
    pub origin_connections: u64,
    pub waiting: usize,
    pub panics: u64,
    pub foreign_egress: u64,
    pub log_dropped: u64,
    pub is_draining: bool,
    pub listeners: Vec<ListenerRow>,
    pub unbindable: Vec<UnbindableRow>,
    pub egress: Vec<EgressLevel>,
}

#[derive(Debug, Serialize)]
pub struct ListenerRow {
    address: String,
    port: u16,
    tls: bool,
}

impl ListenerRow {
    pub fn new(bound: SocketAddr, tls: bool) -> Self {
        ListenerRow { address: bound.ip().to_string(), port: bound.port(), tls }
    }
}

#[derive(Debug, Serialize)]
pub struct UnbindableRow {
    ip: String,
    reason: String,
}

impl From<(IpAddr, String)> for UnbindableRow {
    fn from((ip, reason): (IpAddr, String)) -> Self {
        UnbindableRow { ip: ip.to_string(), reason }
    }
}

fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl Drained {
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

impl Status {
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Cannot fail: plain maps, numbers and text into memory.
    rmp_serde::to_vec_named(value).unwrap_or_default()
}
