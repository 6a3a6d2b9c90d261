//! All port spaces of this server, and the leases on their ports.
//!
//! What this server owns is said once, by [`PortTable::own`], and looked up again for every port under its space's
//! lock: whoever still holds an older revision's pool cannot take a port that has left meanwhile, and what
//! [`PortTable::held`] tells afterwards is complete (`docs/decisions/0014`).
//!
//! Invariant: the number of live leases of a key is the number of its open sockets, because a lease is dropped only
//! after its socket is closed ([`crate::dial::EgressStream`] declares them in that order).

use crate::cut::Cut;
use crate::lane::Watcher;
use crate::port_space::{PortSpace, contains};
use arc_swap::ArcSwap;
use egressway_core::deadline::now_ms;
use egressway_core::{EgressPool, Slices};
use egressway_counters::{EgressCounters, EgressKey, Registry};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SHARDS: usize = 64;

struct State {
    ports: PortSpace,
    /// How to end what has a port, for each that is live.
    cuts: HashMap<u16, Arc<Cut>, RandomState>,
    /// Whoever waits for a port of this space; asked in turn.
    watchers: Vec<Arc<dyn Watcher>>,
}

struct Space {
    key: EgressKey,
    counters: Arc<EgressCounters>,
    state: Mutex<State>,
}

type Shard = Mutex<HashMap<EgressKey, Arc<Space>, RandomState>>;

/// What this server owns of an address now.
struct Share {
    slices: Slices,
    cap: u32,
    draining: bool,
}

type Shares = HashMap<IpAddr, Share, RandomState>;

/// Live ports of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub key: EgressKey,
    pub ports: Vec<u16>,
}

/// Who holds which port towards whom.
pub struct PortTable {
    shards: Box<[Shard]>,
    hasher: RandomState,
    /// Keyed and unknown to others, so that port numbers cannot be guessed from origin to origin (RFC 6056).
    secret: std::hash::RandomState,
    registry: Arc<Registry>,
    quarantine_ms: AtomicU64,
    shares: Arc<ArcSwap<Shares>>,
}

/// One port towards one origin, for as long as it lives.
pub struct PortLease {
    space: Arc<Space>,
    shares: Arc<ArcSwap<Shares>>,
    port: u16,
    cut: Arc<Cut>,
}

impl PortTable {
    pub fn new(registry: Arc<Registry>) -> Self {
        PortTable {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::default(),
            secret: std::hash::RandomState::new(),
            registry,
            quarantine_ms: AtomicU64::new(2_000),
            shares: Arc::default(),
        }
    }

    /// From now on this server takes ports of the addresses of `pools` alone.
    pub fn own<'p>(&self, pools: impl Iterator<Item = &'p Arc<EgressPool>>) {
        let share = |address: &egressway_core::EgressAddress| {
            let (slices, cap, draining) = (address.slices.clone(), address.cap, address.draining);
            (address.ip, Share { slices, cap, draining })
        };
        let shares: Shares = pools.flat_map(|pool| pool.addresses.iter().map(share)).collect();
        self.shares.store(Arc::new(shares));
    }

    /// Live leases whose ports are not this server's any more, or that are more than it may have by now; with
    /// `everything` all live leases. No lease is missing that was taken before the last [`PortTable::own`].
    pub fn held(&self, everything: bool) -> Vec<Held> {
        let none = Share { slices: Slices::from([]), cap: 0, draining: true };
        let held_of = |space: Arc<Space>| {
            let state = space.state.lock();
            let shares = self.shares.load();
            let share = shares.get(&space.key.egress_ip).unwrap_or(&none);
            let ports = match everything {
                true => state.ports.live_ports().collect(),
                false => state.ports.held_from_others(&share.slices, share.cap),
            };
            (!ports.is_empty()).then_some(Held { key: space.key, ports })
        };
        self.spaces().into_iter().filter_map(held_of).collect()
    }

    /// Exactly these are held by another process or server from now on: they are not taken here, and count towards
    /// the cap here.
    pub fn exclude(&self, held: Vec<Held>) {
        let mut by_key: HashMap<EgressKey, Vec<u16>, RandomState> = HashMap::default();
        for Held { key, ports } in held {
            by_key.entry(key).or_default().extend(ports);
        }
        for space in self.spaces() {
            space.exclude(&by_key.remove(&space.key).unwrap_or_default());
        }
        // Nobody has a port of the others yet.
        for (key, ports) in by_key {
            self.space(key).exclude(&ports);
        }
    }

    /// Ends the connections of these whose ports are not this server's any more; returns how many. Their leases come
    /// back when the tasks that have them have noticed.
    pub fn cut(&self, held: Vec<Held>) -> usize {
        held.into_iter().map(|Held { key, ports }| self.cut_of(&key, &ports)).sum()
    }

    fn cut_of(&self, key: &EgressKey, ports: &[u16]) -> usize {
        let Some(space) = self.shard(key).lock().get(key).cloned() else { return 0 };
        // The lock is let go of before anybody is woken: whoever ends at once gives its port back.
        let cuts: Vec<Arc<Cut>> = {
            let state = space.state.lock();
            let shares = self.shares.load();
            let is_own = |port: &u16| shares.get(&key.egress_ip).is_some_and(|s| contains(&s.slices, *port));
            ports
                .iter()
                .filter(|port| !is_own(port))
                .filter_map(|port| state.cuts.get(port).cloned())
                .collect()
        };
        cuts.iter().filter(|cut| cut.cut()).count()
    }

    fn spaces(&self) -> Vec<Arc<Space>> {
        self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// A freed port rests for so long while a never-used one is left.
    pub fn set_quarantine(&self, milliseconds: u64) {
        self.quarantine_ms.store(milliseconds, Relaxed);
    }

    /// A port of `key`'s address towards its origin; `None` at its cap, or where it is not this server's to take. No
    /// system call either way.
    pub fn take(&self, key: EgressKey) -> Option<PortLease> {
        let space = self.space(key);
        let mut state = space.state.lock();
        let shares = self.shares.load();
        let share = shares.get(&key.egress_ip).filter(|share| !share.draining)?;
        let port = state.ports.take(&share.slices, share.cap, now_ms(), self.quarantine_ms.load(Relaxed));
        let taken = port.map(|port| (port, state.may_be_cut(port)));
        space.counters.set_current(state.ports.live());
        space.counters.capacity.store(share.cap, Relaxed);
        drop(state);
        taken.map(|(port, cut)| PortLease { space, shares: self.shares.clone(), port, cut })
    }

    /// Whether this server has a part of `ip` that it may open connections from.
    pub fn has_share(&self, ip: IpAddr) -> bool {
        self.shares.load().get(&ip).is_some_and(|share| !share.draining)
    }

    /// Connections that are open for `key` now.
    pub fn live(&self, key: &EgressKey) -> u32 {
        let shard = self.shard(key).lock();
        shard.get(key).map_or(0, |space| space.state.lock().ports.live())
    }

    /// What of the cap of `key` is used up, here and by those whose ports are excluded.
    pub fn used(&self, key: &EgressKey) -> u32 {
        let shard = self.shard(key).lock();
        shard.get(key).map_or(0, |space| space.state.lock().ports.used())
    }

    pub fn counters(&self, key: EgressKey) -> Arc<EgressCounters> {
        self.registry.of(key)
    }

    /// `watcher` is told when a port of `key` comes back.
    pub(crate) fn watch(&self, key: EgressKey, watcher: &Arc<dyn Watcher>) {
        let space = self.space(key);
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

    fn space(&self, key: EgressKey) -> Arc<Space> {
        let mut shard = self.shard(&key).lock();
        let make = || {
            Arc::new(Space {
                key,
                counters: self.registry.of(key),
                state: Mutex::new(State {
                    ports: PortSpace::new(&Slices::from([]), self.seed(&key)),
                    cuts: HashMap::default(),
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
        let mut state = self.space.state.lock();
        let shares = self.shares.load();
        let share = shares.get(&self.space.key.egress_ip).filter(|share| !share.draining);
        let other = share.and_then(|share| state.ports.exchange(&share.slices, self.port, now_ms()));
        if let Some(other) = other {
            state.cuts.remove(&self.port);
            state.cuts.insert(other, self.cut.clone());
            self.port = other;
        }
        other.is_some()
    }

    pub(crate) fn cut(&self) -> &Cut {
        &self.cut
    }
}

impl State {
    fn may_be_cut(&mut self, port: u16) -> Arc<Cut> {
        let cut = Arc::<Cut>::default();
        self.cuts.insert(port, cut.clone());
        cut
    }
}

impl Space {
    fn exclude(&self, ports: &[u16]) {
        let (freed, watchers) = {
            let mut state = self.state.lock();
            (state.ports.exclude(ports, now_ms()), state.watchers.clone())
        };
        // Each port serves one who waits.
        (0..freed).take_while(|_| watchers.iter().any(|watcher| watcher.port_is_free())).for_each(drop);
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        let watchers = {
            let mut state = self.space.state.lock();
            state.ports.give_back(self.port, now_ms());
            state.cuts.remove(&self.port);
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
    use egressway_core::EgressAddress;
    use egressway_counters::Protocol;
    use std::net::SocketAddr;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;

    fn key(origin: u8) -> EgressKey {
        EgressKey {
            egress_ip: IpAddr::from([192, 0, 2, 1]),
            origin: SocketAddr::from(([198, 51, 100, origin], 443)),
            protocol: Protocol::Tcp,
        }
    }

    fn own(table: &PortTable, slices: &[(u16, u16)], cap: u32) {
        let address = EgressAddress { ip: key(1).egress_ip, slices: slices.into(), cap, draining: false };
        table.own([Arc::new(EgressPool::new("pool", vec![address]))].iter());
    }

    /// It owns a hundred ports and may use `cap` of them.
    fn table(cap: u32, registry: Arc<Registry>) -> PortTable {
        let table = PortTable::new(registry);
        own(&table, &[(20_000, 20_099)], cap);
        table
    }

    fn take_all(table: &PortTable, origin: u8) -> Vec<PortLease> {
        std::iter::from_fn(|| table.take(key(origin))).collect()
    }

    #[test]
    fn two_origins_have_all_ports_each() {
        let table = table(100, Arc::default());
        let (first, second) = (take_all(&table, 1), take_all(&table, 2));
        assert_eq!((first.len(), second.len()), (100, 100));
        assert_eq!(table.live(&key(1)), 100);
        drop(first);
        assert_eq!((table.live(&key(1)), table.live(&key(2))), (0, 100));
    }

    #[test]
    fn leases_taken_by_many_threads_never_pass_the_cap() {
        let table = Arc::new(table(10, Arc::default()));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let table = table.clone();
                std::thread::spawn(move || {
                    for _ in 0..2_000 {
                        let leases: Vec<_> = (0..5).filter_map(|_| table.take(key(1))).collect();
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
        let table = table(2, registry.clone());
        let leases = [table.take(key(1)), table.take(key(1))];
        assert!(table.take(key(1)).is_none());
        drop(leases);
        let row = &registry.drain()[0];
        assert_eq!((row.current, row.peak, row.capacity), (0, 2, 2));
    }

    #[test]
    fn a_port_that_has_left_is_held_and_not_taken_again() {
        let table = table(100, Arc::default());
        let leases = take_all(&table, 1);
        own(&table, &[(20_000, 20_049)], 50);
        let held = table.held(false);
        assert_eq!((held.len(), held[0].key, held[0].ports.len()), (1, key(1), 50));
        assert!(held[0].ports.iter().all(|port| *port >= 20_050));
        assert_eq!(table.held(true)[0].ports.len(), 100);
        drop(leases);
        assert_eq!(table.held(true), []);
        assert!(take_all(&table, 1).iter().all(|lease| lease.port() < 20_050));
        table.own([].iter());
        assert!(table.take(key(1)).is_none());
    }

    #[test]
    fn only_what_is_named_and_has_left_is_cut() {
        let table = table(100, Arc::default());
        let leases = take_all(&table, 1);
        let all = || table.held(true);
        assert_eq!(table.cut(all()), 0, "every port is this server's");
        own(&table, &[(20_000, 20_049)], 50);
        let named = Held { key: key(1), ports: vec![20_010, 20_060] };
        assert_eq!(table.cut(vec![named, Held { key: key(2), ports: vec![20_060] }]), 1);
        assert_eq!(table.cut(all()), 49, "what has been cut is not cut again");
        for lease in &leases {
            assert_eq!(lease.cut().check().is_err(), lease.port() >= 20_050);
        }
    }

    #[test]
    fn a_lease_that_has_changed_its_port_is_cut_by_the_one_it_has() {
        let table = table(100, Arc::default());
        let mut lease = table.take(key(1)).expect("a port");
        let before = lease.port();
        assert!(lease.exchange());
        own(&table, &[], 0);
        assert_eq!(table.cut(vec![Held { key: key(1), ports: vec![before] }]), 0);
        assert_eq!(table.cut(vec![Held { key: key(1), ports: vec![lease.port()] }]), 1);
    }

    #[test]
    fn what_another_table_holds_is_left_alone_towards_that_origin_only() {
        let (mine, theirs) = (table(60, Arc::default()), table(100, Arc::default()));
        let first = theirs.take(key(1)).expect("a port");
        mine.exclude(theirs.held(true));
        let leases = take_all(&mine, 1);
        assert_eq!(leases.len(), 59, "it counts to the cap");
        assert!(leases.iter().all(|lease| lease.port() != first.port()));
        assert_eq!(take_all(&mine, 2).len(), 60);
    }

    #[test]
    fn excluded_ports_are_not_forgotten_by_a_sweep() {
        let table = table(100, Arc::default());
        table.set_quarantine(0);
        table.exclude(vec![Held { key: key(1), ports: (20_000..20_099).collect() }]);
        table.sweep(0, 1);
        assert_eq!(take_all(&table, 1).len(), 1);
        table.exclude(Vec::new());
        table.sweep(0, 1);
        assert_eq!(take_all(&table, 1).len(), 100);
    }

    struct Patient(AtomicUsize);

    impl Watcher for Patient {
        fn port_is_free(&self) -> bool {
            self.0.fetch_update(SeqCst, SeqCst, |waiting| waiting.checked_sub(1)).is_ok()
        }
        fn is_waiting(&self) -> bool {
            self.0.load(SeqCst) > 0
        }
    }

    #[test]
    fn each_port_that_is_lifted_wakes_one_who_waits() {
        let table = table(3, Arc::default());
        table.exclude(vec![Held { key: key(1), ports: vec![20_000, 20_001, 20_002] }]);
        assert!(table.take(key(1)).is_none());
        let patient = Arc::new(Patient(AtomicUsize::new(5)));
        let watcher: Arc<dyn Watcher> = patient.clone();
        table.watch(key(1), &watcher);
        table.exclude(vec![Held { key: key(1), ports: vec![20_001] }]);
        assert_eq!(patient.0.load(SeqCst), 3);
    }
}
