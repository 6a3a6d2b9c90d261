//! What `drain` and `status` tell, as MessagePack maps; the Python twin is `egressway.data_plane.handle`.

use egressway_counters::{EgressLevel, EgressRow};
use egressway_link::PeerRow;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What happened since the last drain, each event once; the log lines follow it, see [`DrainedBytes`].
#[derive(Debug, Serialize)]
pub struct Drained {
    pub totals: TotalsRow,
    /// By `status:<class>` and `error:<code>`.
    pub requests: BTreeMap<String, u64>,
    pub egress: Vec<EgressRow>,
}

/// An encoded drain in parts, so that its log lines are copied only to where they are wanted.
#[derive(Debug, Default)]
pub struct DrainedBytes {
    /// A map of four entries, up to the length of the last value, `log`.
    head: Vec<u8>,
    /// Whole lines, one buffer of each worker.
    pub log: Vec<Vec<u8>>,
}

impl DrainedBytes {
    pub fn new(drained: &Drained, log: Vec<Vec<u8>>) -> Self {
        let mut head = encode(drained);
        // MessagePack writes a map of up to fifteen entries as 0x80 plus their number.
        debug_assert_eq!(head.first(), Some(&0x83));
        if let Some(entries) = head.first_mut() {
            *entries += 1;
        }
        // A text of up to 31 bytes is 0xa0 plus its length; bytes with a length of 32 bits are 0xc6.
        head.extend_from_slice(b"\xa3log\xc6");
        let length: usize = log.iter().map(Vec::len).sum();
        head.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        DrainedBytes { head, log }
    }

    pub fn len(&self) -> usize {
        self.head.len() + self.log.iter().map(Vec::len).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies everything to `to`, which is [`DrainedBytes::len`] long.
    pub fn write_to(&self, to: &mut [u8]) {
        let mut rest = to;
        for part in std::iter::once(&self.head).chain(&self.log) {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
    }
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
    pub peers: Vec<PeerStatus>,
}

/// Another server, as this one sees it.
#[derive(Debug, Serialize)]
pub struct PeerStatus {
    server: Box<str>,
    state: &'static str,
    connections: usize,
    rtt_us: u64,
}

impl From<PeerRow> for PeerStatus {
    fn from(row: PeerRow) -> Self {
        PeerStatus { server: row.server, state: row.state, connections: row.connections, rtt_us: row.rtt_us }
    }
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

impl Status {
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Cannot fail: plain maps, numbers and text into memory.
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_bytes::ByteBuf;

    #[derive(Deserialize)]
    struct Read {
        requests: BTreeMap<String, u64>,
        log: ByteBuf,
    }

    #[test]
    fn a_drain_in_parts_is_one_map() {
        let totals = TotalsRow { requests: 1, connections: 0, foreign_egress: 0, panics: 0, log_dropped: 0 };
        let requests = BTreeMap::from([("status:2xx".to_owned(), 1)]);
        let drained = Drained { totals, requests, egress: Vec::new() };
        let bytes = DrainedBytes::new(&drained, vec![b"one\n".to_vec(), Vec::new(), b"two\n".to_vec()]);
        let mut encoded = vec![0; bytes.len()];
        bytes.write_to(&mut encoded);
        let read: Read = rmp_serde::from_slice(&encoded).expect("a map");
        assert_eq!(read.log.as_slice(), b"one\ntwo\n");
        assert_eq!(read.requests["status:2xx"], 1);
    }
}
