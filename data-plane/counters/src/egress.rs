//! Counters of one (egress IP, origin ip:port, protocol).

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// What a capacity belongs to (`spec/egress.md` section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EgressKey {
    pub egress_ip: IpAddr,
    pub origin: SocketAddr,
    pub protocol: Protocol,
}

/// Levels and counts of one key. `current` and `peak` are kept by the port table, under its lock.
#[derive(Debug, Default)]
pub struct EgressCounters {
    pub current: AtomicU32,
    pub peak: AtomicU32,
    pub capacity: AtomicU32,
    pub opened: AtomicU64,
    pub refused: AtomicU64,
    pub reused: AtomicU64,
    pub handshakes: AtomicU64,
    pub queued: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    /// A row of zeros has been drained since the last activity: nobody needs another.
    was_quiet: AtomicBool,
}

impl EgressCounters {
    /// So many connections are open now.
    pub fn set_current(&self, current: u32) {
        self.current.store(current, Relaxed);
        self.peak.fetch_max(current, Relaxed);
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// What one key did since the last drain; `current` and `capacity` are levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressRow {
    pub egress_ip: String,
    pub origin: String,
    pub protocol: &'static str,
    pub current: u32,
    pub peak: u32,
    pub capacity: u32,
    pub opened: u64,
    pub refused: u64,
    pub reused: u64,
    pub handshakes: u64,
    pub queued: u64,
    pub sent: u64,
    pub received: u64,
}

/// How full one key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressLevel {
    pub egress_ip: String,
    pub origin: String,
    pub protocol: &'static str,
    pub current: u32,
    pub capacity: u32,
}

/// The counters of every key that is or was lately in use.
#[derive(Default)]
pub struct Registry {
    keys: Mutex<HashMap<EgressKey, Arc<EgressCounters>, RandomState>>,
}

impl Registry {
    /// The one set of counters of `key`.
    pub fn of(&self, key: EgressKey) -> Arc<EgressCounters> {
        self.keys.lock().entry(key).or_default().clone()
    }

    /// Takes what has been counted since the last call. A key that is idle and that nobody holds is forgotten
    /// after one last row.
    pub fn drain(&self) -> Vec<EgressRow> {
        let mut rows = Vec::new();
        let mut quiet = Vec::new();
        for (key, counters) in self.all() {
            let row = take(&key, &counters);
            let is_quiet = row.current == 0
                && row.peak == 0
                && row.opened + row.refused + row.reused + row.queued + row.sent + row.received == 0;
            if !counters.was_quiet.swap(is_quiet, Relaxed) || !is_quiet {
                rows.push(row);
            }
            if is_quiet {
                quiet.push(key);
            }
        }
        let mut keys = self.keys.lock();
        for key in quiet {
            // One reference: nobody can have counted since, nor will before asking for the key again.
            if keys.get(&key).is_some_and(|counters| Arc::strong_count(counters) == 1) {
                keys.remove(&key);
            }
        }
        rows
    }

    pub fn levels(&self) -> Vec<EgressLevel> {
        let level = |(key, counters): (EgressKey, Arc<EgressCounters>)| EgressLevel {
            egress_ip: key.egress_ip.to_string(),
            origin: key.origin.to_string(),
            protocol: key.protocol.as_str(),
            current: counters.current.load(Relaxed),
            capacity: counters.capacity.load(Relaxed),
        };
        self.all().into_iter().map(level).collect()
    }

    /// Copied out, because a worker that opens a connection may need the lock meanwhile.
    fn all(&self) -> Vec<(EgressKey, Arc<EgressCounters>)> {
        self.keys.lock().iter().map(|(key, counters)| (*key, counters.clone())).collect()
    }
}

fn take(key: &EgressKey, counters: &EgressCounters) -> EgressRow {
    let current = counters.current.load(Relaxed);
    let peak = counters.peak.swap(current, Relaxed).max(current);
    EgressRow {
        egress_ip: key.egress_ip.to_string(),
        origin: key.origin.to_string(),
        protocol: key.protocol.as_str(),
        current,
        peak,
        capacity: counters.capacity.load(Relaxed),
        opened: counters.opened.swap(0, Relaxed),
        refused: counters.refused.swap(0, Relaxed),
        reused: counters.reused.swap(0, Relaxed),
        handshakes: counters.handshakes.swap(0, Relaxed),
        queued: counters.queued.swap(0, Relaxed),
        sent: counters.sent.swap(0, Relaxed),
        received: counters.received.swap(0, Relaxed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> EgressKey {
        EgressKey {
            egress_ip: IpAddr::from([192, 0, 2, 1]),
            origin: SocketAddr::from(([198, 51, 100, 1], 443)),
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn each_event_is_drained_once_and_levels_stay() {
        let registry = Registry::default();
        let counters = registry.of(key());
        counters.set_current(3);
        counters.set_current(1);
        count(&counters.opened);
        let rows = registry.drain();
        assert_eq!((rows[0].current, rows[0].peak, rows[0].opened), (1, 3, 1));
        let rows = registry.drain();
        assert_eq!((rows[0].current, rows[0].peak, rows[0].opened), (1, 1, 0));
    }

    #[test]
    fn an_idle_key_gives_one_last_row_and_is_forgotten() {
        let registry = Registry::default();
        registry.of(key()).set_current(1);
        registry.of(key()).set_current(0);
        assert_eq!(registry.drain()[0].peak, 1);
        assert_eq!(registry.drain()[0].current, 0);
        assert!(registry.drain().is_empty());
        assert!(registry.levels().is_empty());
    }
}
