//! All port spaces of this server, and the leases on their ports.
//!
//! Invariant: the number of live leases of a key is the number of its open sockets, because a lease is dropped only
//! after its socket is closed ([`crate::dial::EgressStream`] declares them in that order).

use crate::lane::Watcher;
use crate::port_space::PortSpace;
use egressway_core::deadline::now_ms;
use egressway_core::{EgressAddress, Slices};
use egressway_counters::{EgressCounters, EgressKey, Registry};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SHARDS: usize = 64;

struct State {
    ports: PortSpace,
    /// Whoever waits for a port of this space; asked in turn.
    watchers: Vec<Arc<dyn Watcher>>,
}

struct Space {
    key: EgressKey,
    counters: Arc<EgressCounters>,
    state: Mutex<State>,
}

type Shard = Mutex<HashMap<EgressKey, Arc<Space>, RandomState>>;

/// Who holds which port towards whom.
pub struct PortTable {
    shards: Box<[Shard]>,
    hasher: RandomState,
    /// Keyed and unknown to others, so that port numbers cannot be guessed from origin to origin (RFC 6056).
    secret: std::hash::RandomState,
    registry: Arc<Registry>,
    quarantine_ms: AtomicU64,
}

/// One port towards one origin, for as long as it lives.
pub struct PortLease {
    space: Arc<Space>,
    port: u16,
}

impl PortTable {
    pub fn new(registry: Arc<Registry>) -> Self {
        PortTable {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::default(),
            secret: std::hash::RandomState::new(),
            registry,
            quarantine_ms: AtomicU64::new(2_000),
        }
    }

    /// A freed port rests for so long while a never-used one is left.
    pub fn set_quarantine(&self, milliseconds: u64) {
        self.quarantine_ms.store(milliseconds, Relaxed);
    }

    /// A port of `address` towards `key.origin`; `None` at its cap. No system call either way.
    pub fn take(&self, key: EgressKey, address: &EgressAddress) -> Option<PortLease> {
        let space = self.space(key, &address.slices);
        let mut state = space.state.lock();
        let port = state.ports.take(&address.slices, address.cap, now_ms(), self.quarantine_ms.load(Relaxed));
        space.counters.set_current(state.ports.live());
        space.counters.capacity.store(address.cap, Relaxed);
        drop(state);
        port.map(|port| PortLease { space, port })
    }

    /// Connections that are open for `key` now.
    pub fn live(&self, key: &EgressKey) -> u32 {
        let shard = self.shard(key).lock();
        shard.get(key).map_or(0, |space| space.state.lock().ports.live())
    }

    pub fn counters(&self, key: EgressKey) -> Arc<EgressCounters> {
        self.registry.of(key)
    }

    /// `watcher` is told when a port of `key` comes back.
    pub(crate) fn watch(&self, key: EgressKey, address: &EgressAddress, watcher: &Arc<dyn Watcher>) {
        let space = self.space(key, &address.slices);
        let mut state = space.state.lock();
        if !state.watchers.iter().any(|known| Arc::ptr_eq(known, watcher)) {
            state.watchers.push(watcher.clone());
        }
    }

    /// Forgets spaces that nobody uses and whose freed ports have all rested, in one of `parts` parts of the table.
    pub fn sweep(&self, part: usize, parts: usize) {
        let (now, quarantine) = (now_ms(), self.quarantine_ms.load(Relaxed));
        for shard in self.shards.iter().skip(part).step_by(parts) {
            shard.lock().retain(|_, space| {
                // Clones are made under the shard's lock alone, so one reference means that only the table has it.
                Arc::strong_count(space) > 1 || !space.state.lock().ports.is_at_rest(now, quarantine)
            });
        }
    }

    fn space(&self, key: EgressKey, slices: &Slices) -> Arc<Space> {
        let mut shard = self.shard(&key).lock();
        let make = || {
            Arc::new(Space {
                key,
                counters: self.registry.of(key),
                state: Mutex::new(State {
                    ports: PortSpace::new(slices, self.seed(&key)),
                    watchers: Vec::new(),
                }),
            })
        };
        shard.entry(key).or_insert_with(make).clone()
    }

    fn seed(&self, key: &EgressKey) -> u64 {
        self.secret.hash_one(key)
    }

    /// A stable rank of `address` for `origin`, to break ties between equally used addresses.
    pub(crate) fn rank(&self, key: &EgressKey) -> u64 {
        // The same on every server and in every run: foldhash's fixed state, not the table's secret.
        let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
        hasher.write(key.origin.to_string().as_bytes());
        hasher.write(key.egress_ip.to_string().as_bytes());
        hasher.finish()
    }

    fn shard(&self, key: &EgressKey) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl PortLease {
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn key(&self) -> &EgressKey {
        &self.space.key
    }

    pub fn counters(&self) -> &Arc<EgressCounters> {
        &self.space.counters
    }

    /// Gives the port up for another one, because the kernel says that it is busy. `false`: there is no other.
    pub(crate) fn exchange(&mut self) -> bool {
        let other = self.space.state.lock().ports.exchange(self.port, now_ms());
        if let Some(other) = other {
            self.port = other;
        }
        other.is_some()
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        let watchers = {
            let mut state = self.space.state.lock();
            state.ports.give_back(self.port, now_ms());
            self.space.counters.set_current(state.ports.live());
            if state.watchers.is_empty() {
                return;
            }
            state.watchers.clone()
        };
        if !watchers.iter().any(|watcher| watcher.port_is_free()) {
            // Whoever begins to wait says so before it watches: it is either seen here, or comes after.
            self.space.state.lock().watchers.retain(|watcher| watcher.is_waiting());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egressway_counters::Protocol;
    use std::net::{IpAddr, SocketAddr};

    fn key(origin: u8) -> EgressKey {
        EgressKey {
            egress_ip: IpAddr::from([192, 0, 2, 1]),
            origin: SocketAddr::from(([198, 51, 100, origin], 443)),
            protocol: Protocol::Tcp,
        }
    }

    fn address(cap: u32) -> EgressAddress {
        EgressAddress {
            ip: key(1).egress_ip,
            slices: [(20_000, 20_099)].as_slice().into(),
            cap,
            draining: false,
        }
    }

    #[test]
    fn two_origins_have_all_ports_each() {
        let table = PortTable::new(Arc::default());
        let first: Vec<_> = std::iter::from_fn(|| table.take(key(1), &address(100))).collect();
        let second: Vec<_> = std::iter::from_fn(|| table.take(key(2), &address(100))).collect();
        assert_eq!((first.len(), second.len()), (100, 100));
        assert_eq!(table.live(&key(1)), 100);
        drop(first);
        assert_eq!((table.live(&key(1)), table.live(&key(2))), (0, 100));
    }

    #[test]
    fn leases_taken_by_many_threads_never_pass_the_cap() {
        let table = Arc::new(PortTable::new(Arc::default()));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let table = table.clone();
                std::thread::spawn(move || {
                    for _ in 0..2_000 {
                        let leases: Vec<_> =
                            (0..5).filter_map(|_| table.take(key(1), &address(10))).collect();
                        assert!(table.live(&key(1)) <= 10);
                        drop(leases);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(table.live(&key(1)), 0);
        table.set_quarantine(0);
        table.sweep(0, 1);
        assert!(table.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn the_table_counts_what_is_open() {
        let registry = Arc::new(Registry::default());
        let table = PortTable::new(registry.clone());
        let leases = [table.take(key(1), &address(2)), table.take(key(1), &address(2))];
        assert!(table.take(key(1), &address(2)).is_none());
        drop(leases);
        let row = &registry.drain()[0];
        assert_eq!((row.current, row.peak, row.capacity), (0, 2, 2));
    }
}
