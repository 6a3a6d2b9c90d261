//! One pool of connections for all workers: reuse before ports, ports before waiting, waiting before refusal.
//!
//! Order of choice for a request: an idle connection of its own worker, one of another worker, a stream of an HTTP/2
//! connection, a stream of another hostname's connection that covers this one, a new connection from the least used
//! address, a place in the queue. Load never changes the pool, the family or the account.

use crate::choice::{NoPort, applicable, choose, key, why_none};
use crate::dial::Dialer;
use crate::group::{Ages, Connector, Group, GroupKey, Idle, Opened, PooledH1, PooledH2, Reusable, Spoken};
use crate::lane::{Grant, Lane, Waiting, Watcher};
use crate::port_table::{PortLease, PortTable};
use crate::shared_connection::{SharedConnection, StreamPermit};
use egressway_core::deadline::now_ms;
use egressway_core::{Code, EgressPool, Error, PoolSerial};
use egressway_counters::egress::count;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

const SHARDS: usize = 64;
/// Groups that one dial at a full slice may look at for an idle connection to close.
const EVICT_LOOKS: usize = 32;
/// Home of a connection that no request has used: whoever takes it moves it to its own worker.
const NO_WORKER: usize = usize::MAX;

type LaneKey = (PoolSerial, SocketAddr);
type Map<K, V> = HashMap<K, V, RandomState>;
type Groups<C> = Mutex<Map<GroupKey, Arc<Group<C>>>>;

/// What a request needs a connection for.
pub struct Want<'a> {
    pub key: GroupKey,
    pub pool: &'a Arc<EgressPool>,
    /// Name that a borrowed connection's certificate must cover.
    pub host: &'a str,
    pub worker: usize,
    /// A new connection only: the last one turned out to be dead.
    pub is_fresh: bool,
    /// When every port is taken, wait for one. `false`: another server may have one, so say so at once.
    pub may_wait: bool,
}

/// A connection and how it was come by.
pub struct Acquired<C: Connector> {
    pub connection: Reusable<C>,
    /// It has carried a request before, or does so now.
    pub is_reused: bool,
    /// It lay idle, so the origin may have closed it meanwhile without a fault.
    pub may_be_stale: bool,
    /// It was opened for another hostname.
    pub is_coalesced: bool,
    /// Time spent in the queue.
    pub waited: Duration,
}

/// Limits that may change at run time; durations in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    pub idle_ms: u64,
    pub most_age_ms: u64,
    pub queue_ms: u64,
    pub queue_length: usize,
    /// Within this a dial whose outcome is shared has succeeded or failed.
    pub dial_ms: u64,
}

#[derive(Default)]
struct Limits {
    idle_ms: AtomicU64,
    most_age_ms: AtomicU64,
    queue_ms: AtomicU64,
    queue_length: AtomicUsize,
    dial_ms: AtomicU64,
}

pub struct ConnectionPool<C: Connector> {
    connector: C,
    ports: Arc<PortTable>,
    dialer: Arc<Dialer>,
    workers: usize,
    groups: Box<[Groups<C>]>,
    /// What each worker looked up before, so that workers do not share a lock for it.
    seen: Box<[Groups<C>]>,
    lanes: Mutex<Map<LaneKey, Arc<Lane<C>>>>,
    /// Pools as they are now; `None` while nobody has said.
    present: Mutex<Option<HashSet<PoolSerial>>>,
    hasher: RandomState,
    limits: Limits,
}

impl<C: Connector> ConnectionPool<C> {
    pub fn new(connector: C, ports: Arc<PortTable>, dialer: Arc<Dialer>, workers: usize) -> Self {
        ConnectionPool {
            connector,
            ports,
            dialer,
            workers,
            groups: (0..SHARDS).map(|_| Mutex::default()).collect(),
            seen: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            lanes: Mutex::default(),
            present: Mutex::default(),
            hasher: RandomState::default(),
            limits: Limits::default(),
        }
    }

    pub fn set(&self, settings: &PoolSettings) {
        self.limits.idle_ms.store(settings.idle_ms, Relaxed);
        self.limits.most_age_ms.store(settings.most_age_ms, Relaxed);
        self.limits.queue_ms.store(settings.queue_ms, Relaxed);
        self.limits.queue_length.store(settings.queue_length, Relaxed);
        self.limits.dial_ms.store(settings.dial_ms, Relaxed);
    }

    /// A freed port rests for so long while a never-used one is left.
    pub fn set_quarantine(&self, milliseconds: u64) {
        self.ports.set_quarantine(milliseconds);
    }

    /// A connection for `want`, now or after a bounded wait.
    ///
    /// # Errors
    /// `no_applicable_ip` when the pool lacks the origin's family or is not what it was, `egress_capacity_exhausted`
    /// when the queue is full or the wait too long, or what the dial came to.
    pub async fn acquire(self: &Arc<Self>, want: &Want<'_>) -> Result<Acquired<C>, Error> {
        let group = self.group(want);
        if let Some(found) = self.check_out(&group, want) {
            return Ok(found);
        }
        let acquisition = Acquisition {
            pool: self,
            group,
            want,
            began: Instant::now(),
            has_had_turn: false,
            is_queued: false,
            dials_alone: want.is_fresh,
        };
        acquisition.run().await
    }

    fn ages(&self) -> Ages {
        Ages { idle_ms: self.limits.idle_ms.load(Relaxed), most_ms: self.limits.most_age_ms.load(Relaxed) }
    }

    fn group(&self, want: &Want<'_>) -> Arc<Group<C>> {
        let mut seen = self.seen[want.worker % self.seen.len()].lock();
        if let Some(group) = seen.get(&want.key) {
            return group.clone();
        }
        let group = self.find_group(&want.key, want.pool);
        seen.insert(want.key.clone(), group.clone());
        group
    }

    fn find_group(&self, key: &GroupKey, pool: &Arc<EgressPool>) -> Arc<Group<C>> {
        let shard = &self.groups[self.hasher.hash_one(key) as usize % SHARDS];
        let mut groups = shard.lock();
        if let Some(group) = groups.get(key) {
            return group.clone();
        }
        let lane = self.lanes.lock().entry((key.pool, key.origin)).or_default().clone();
        let group = Arc::new(Group::new(key.clone(), pool.clone(), lane, self.workers));
        // Looked at under the shard's lock: whoever retires the pool comes by here afterwards.
        if self.present.lock().as_ref().is_some_and(|present| !present.contains(&key.pool)) {
            group.retire(None);
            return group;
        }
        group.lane.groups.lock().push(Arc::downgrade(&group));
        groups.insert(key.clone(), group.clone());
        group
    }

    /// A connection that is there already, if one may be used.
    fn check_out(&self, group: &Arc<Group<C>>, want: &Want<'_>) -> Option<Acquired<C>> {
        if want.is_fresh {
            return None;
        }
        if let Some(loan) = group.take_idle(want.worker, self.ages()) {
            count(&loan.counters().reused);
            return Some(Acquired::reused(Reusable::H1(loan), false));
        }
        if let Some(permit) = own_stream(group) {
            count(&permit.connection().counters().reused);
            return Some(Acquired::reused(Reusable::H2(permit), false));
        }
        let permit = borrowed_stream(group, want.host)?;
        count(&permit.connection().counters().reused);
        Some(Acquired::reused(Reusable::H2(permit), true))
    }

    /// A request for `want` was answered with 421 on another hostname's connection.
    pub fn insist_on_own(&self, want: &Want<'_>) {
        self.group(want).insist_on_own();
    }

    /// Closes what is too old, dead or without a pool, and forgets what is empty, in one of `parts` parts: all of it
    /// at once would keep a worker from its requests. Called now and then by one worker, part after part.
    pub fn sweep(&self, part: usize, parts: usize) {
        let ages = self.ages();
        for shard in self.groups.iter().skip(part).step_by(parts) {
            let groups: Vec<_> = shard.lock().values().cloned().collect();
            let empty: HashSet<GroupKey> =
                groups.iter().filter(|group| group.sweep(ages)).map(|group| group.key.clone()).collect();
            drop(groups);
            // One reference: nobody can be about to use it, since references are handed out under this lock.
            shard.lock().retain(|key, group| !empty.contains(key) || Arc::strong_count(group) > 1);
        }
        self.ports.sweep(part, parts);
        if part > 0 {
            return;
        }
        for seen in &self.seen {
            let forgotten = std::mem::take(&mut *seen.lock());
            drop(forgotten);
        }
        self.lanes.lock().retain(|_, lane| {
            lane.groups.lock().retain(|group| group.strong_count() > 0);
            lane.coalescable.lock().retain(|shared| shared.strong_count() > 0);
            Arc::strong_count(lane) > 1
        });
    }

    /// What these pools own is owned from now on, and nothing else; requests of the pools before them may still come,
    /// and find ports only where both have them. Returns whether anything is new.
    pub fn own_pools(&self, pools: &[Arc<EgressPool>]) -> bool {
        let mut present = self.present.lock();
        let is_known = |known: &HashSet<PoolSerial>| {
            known.len() == pools.len() && pools.iter().all(|pool| known.contains(&pool.serial))
        };
        if present.as_ref().is_some_and(is_known) {
            return false;
        }
        self.ports.own(pools.iter());
        present.get_or_insert_default().extend(pools.iter().map(|pool| pool.serial));
        true
    }

    /// No others than `pools` are in use from now on. Connections of others take no new requests, unless the pool has
    /// only changed and they fit what it is now: idle ones are closed at once, those in use when they come back;
    /// nothing that is open is cut.
    pub fn retain_pools(&self, pools: &[Arc<EgressPool>]) {
        let serials: HashSet<PoolSerial> = pools.iter().map(|pool| pool.serial).collect();
        *self.present.lock() = Some(serials.clone());
        let mut retired = Vec::new();
        for shard in &self.groups {
            retired.extend(shard.lock().extract_if(|key, _| !serials.contains(&key.pool)));
        }
        self.retire(retired, pools);
    }

    fn retire(&self, retired: Vec<(GroupKey, Arc<Group<C>>)>, pools: &[Arc<EgressPool>]) {
        if retired.is_empty() {
            return;
        }
        let by_id: Map<&str, &Arc<EgressPool>> = pools.iter().map(|pool| (&*pool.id, pool)).collect();
        for (key, group) in retired {
            let pool = by_id.get(&*group.pool.id);
            let successor = pool.map(|pool| self.find_group(&GroupKey { pool: pool.serial, ..key }, pool));
            group.retire(successor);
        }
        for seen in &self.seen {
            seen.lock().retain(|_, group| !group.is_retired());
        }
    }

    /// Requests that wait for a connection.
    pub fn waiting(&self) -> usize {
        self.lanes.lock().values().map(|lane| lane.waiting()).sum()
    }

    fn choose(&self, group: &Group<C>) -> Result<PortLease, NoPort> {
        choose(&self.ports, &self.dialer, &group.pool, group.key.origin)
    }

    /// Frees a port of the lane that an idle connection of another group holds.
    fn evict(&self, group: &Arc<Group<C>>, is_own_too: bool) -> bool {
        let groups: Vec<_> = {
            let mut groups = group.lane.groups.lock();
            let looked_at = groups.len().min(EVICT_LOOKS);
            // Another part of a long list is looked at each time.
            groups.rotate_left(looked_at);
            groups.iter().rev().take(looked_at).filter_map(Weak::upgrade).collect()
        };
        groups.iter().any(|other| (is_own_too || !Arc::ptr_eq(other, group)) && other.close_one_idle())
    }

    /// Starts dials until those who wait will have a stream each.
    fn pump(self: &Arc<Self>, group: &Arc<Group<C>>) {
        loop {
            let mut state = group.state.lock();
            let wanted = group.awaiting.load(SeqCst);
            let expected = match state.spoken_now() {
                // The first dial tells whether it can be shared.
                Spoken::Unknown if state.dialing > 0 => usize::MAX,
                Spoken::Http2 { streams, .. } => state.dialing as usize * streams.max(1) as usize,
                _ => state.dialing as usize,
            };
            if wanted <= expected {
                return;
            }
            match self.choose(group) {
                Ok(lease) => {
                    state.dialing += 1;
                    drop(state);
                    tokio::spawn(Self::dial_for_all(self.clone(), group.clone(), lease));
                }
                Err(why) => {
                    let is_dialing = state.dialing > 0;
                    drop(state);
                    match why {
                        NoPort::NoneApplicable => {
                            group.tell_awaiting(|| Grant::Failed(Code::NoApplicableIp, Box::default()));
                        }
                        // Without a dial on its way they have to wait for a port, each for itself.
                        NoPort::AllFull if !is_dialing => group.tell_awaiting(|| Grant::TryAgain),
                        NoPort::AllFull => {}
                    }
                    return;
                }
            }
        }
    }

    /// A dial whose outcome is shared by all who wait for it; goes on if they go away.
    async fn dial_for_all(self: Arc<Self>, group: Arc<Group<C>>, lease: PortLease) {
        // A task that is dropped before its end has dialled as well.
        let dialing = Dialing(group.clone());
        let opened = self.connector.open(&group.key, lease).await;
        drop(dialing);
        match opened {
            Ok(Opened::H2(h2)) => {
                let shared = self.adopt(&group, h2);
                while let Some(permit) = shared.reserve_new() {
                    if group.lane.offer_stream(&group, permit).is_some() {
                        break;
                    }
                }
                self.pump(&group);
            }
            Ok(Opened::H1(connection)) => {
                group.state.lock().learn(None);
                group.keep(Idle { connection, home: NO_WORKER, since_ms: now_ms(), is_used: false });
                group.tell_awaiting(|| Grant::TryAgain);
            }
            // The last dial decides: others may still bring what everybody waits for.
            Err(_) if group.state.lock().dialing > 0 => {}
            Err(error) => {
                let cause = error.cause.unwrap_or_default();
                group.tell_awaiting(|| Grant::Failed(error.code, cause.clone()));
            }
        }
    }

    /// Makes a new HTTP/2 connection available to the group, and to others it may serve.
    fn adopt(&self, group: &Arc<Group<C>>, h2: C::H2) -> Arc<SharedConnection<C>> {
        let shared = SharedConnection::new(h2, group);
        if group.is_retired() {
            // Whoever waited for it may use it; nobody else finds it, and it ends with its last stream.
            return shared;
        }
        let mut state = group.state.lock();
        state.learn(Some(shared.h2().stream_limit()));
        state.shared.push(shared.clone());
        group.has_shared.store(true, SeqCst);
        drop(state);
        if group.key.is_coalescable() {
            group.lane.coalescable.lock().push(Arc::downgrade(&shared));
        }
        shared
    }
}

/// Counts one dial for as long as it lives.
struct Dialing<C: Connector>(Arc<Group<C>>);

impl<C: Connector> Drop for Dialing<C> {
    fn drop(&mut self) {
        self.0.state.lock().dialing -= 1;
    }
}

fn own_stream<C: Connector>(group: &Arc<Group<C>>) -> Option<StreamPermit<C>> {
    if !group.has_shared.load(SeqCst) {
        return None;
    }
    group.state.lock().shared.iter().find_map(SharedConnection::reserve)
}

/// A stream of a connection that was opened for another hostname and whose certificate covers `host`.
fn borrowed_stream<C: Connector>(group: &Arc<Group<C>>, host: &str) -> Option<StreamPermit<C>> {
    if !group.key.is_coalescable() {
        return None;
    }
    {
        let state = group.state.lock();
        if !state.may_borrow() {
            return None;
        }
        let borrowed = state.borrowed.as_ref().and_then(Weak::upgrade);
        drop(state);
        if let Some(permit) = borrowed.and_then(|shared| shared.reserve()) {
            return Some(permit);
        }
    }
    let candidates: Vec<_> = group.lane.coalescable.lock().iter().filter_map(Weak::upgrade).collect();
    let (shared, permit) = candidates.into_iter().find_map(|shared| {
        let owner = shared.owner()?;
        let may = !Arc::ptr_eq(&owner, group)
            && group.key.may_coalesce_with(&owner.key)
            && shared.h2().covers(host)
            && shared.h2().covers(group.key.server_name());
        let permit = if may { shared.reserve() } else { None }?;
        Some((shared, permit))
    })?;
    group.state.lock().borrowed = Some(Arc::downgrade(&shared));
    group.has_shared.store(true, SeqCst);
    Some(permit)
}

/// One request's way to a connection that was not there.
struct Acquisition<'a, C: Connector> {
    pool: &'a Arc<ConnectionPool<C>>,
    group: Arc<Group<C>>,
    want: &'a Want<'a>,
    began: Instant,
    /// It was woken from the front of the queue, so it is no newcomer.
    has_had_turn: bool,
    is_queued: bool,
    /// No shared dial will help: it dials for itself as soon as there is a port.
    dials_alone: bool,
}

impl<C: Connector> Acquisition<'_, C> {
    async fn run(mut self) -> Result<Acquired<C>, Error> {
        loop {
            // Its ports may have gone to another server: the caller has to look at the tables again.
            if self.group.is_retired() {
                return Err(Error::because(Code::NoApplicableIp, "the pool has changed meanwhile"));
            }
            let is_own_dial = self.dials_alone || self.group.speaks_http1();
            let place = if is_own_dial {
                match self.take_port() {
                    Ok(lease) => return self.open(lease).await,
                    Err(NoPort::NoneApplicable) => return Err(Code::NoApplicableIp.into()),
                    Err(NoPort::AllFull) => self.enqueue(true)?,
                }
            } else {
                let place = self.enqueue(false)?;
                self.pool.pump(&self.group);
                place
            };
            // What came free between the look and the place in the queue would wake nobody.
            if let Some(found) = self.pool.check_out(&self.group, self.want) {
                drop(place);
                return Ok(self.waited(found));
            }
            if is_own_dial && let Ok(lease) = self.take_port_in_turn() {
                drop(place);
                return self.open(lease).await;
            }
            if let Some(acquired) = self.wait(place, is_own_dial).await? {
                return Ok(acquired);
            }
            if let Some(found) = self.pool.check_out(&self.group, self.want) {
                return Ok(self.waited(found));
            }
        }
    }

    /// A port, unless others were here before.
    fn take_port(&mut self) -> Result<PortLease, NoPort> {
        if self.group.lane.is_blocked() && !self.has_had_turn {
            return Err(why_none(&self.pool.ports, &self.group.pool, self.group.key.origin));
        }
        self.take_port_in_turn()
    }

    fn take_port_in_turn(&self) -> Result<PortLease, NoPort> {
        match self.pool.choose(&self.group) {
            Err(NoPort::AllFull) if self.pool.evict(&self.group, self.want.is_fresh) => {
                self.pool.choose(&self.group)
            }
            chosen => chosen,
        }
    }

    fn enqueue(&mut self, is_blocked: bool) -> Result<Waiting<C>, Error> {
        if is_blocked && !self.want.may_wait {
            return Err(Error::because(Code::EgressCapacityExhausted, "every port is taken"));
        }
        let most = self.pool.limits.queue_length.load(Relaxed);
        let lane = &self.group.lane;
        let place = lane.enqueue(&self.group, is_blocked, self.has_had_turn, most);
        let Some(place) = place else { return Err(self.refuse("the queue is full")) };
        if is_blocked {
            let watcher: Arc<dyn Watcher> = lane.clone();
            for address in applicable(&self.group.pool, self.group.key.origin) {
                let key = key(address, self.group.key.origin);
                self.pool.ports.watch(key, &watcher);
                if !self.is_queued {
                    count(&self.pool.ports.counters(key).queued);
                }
            }
            self.is_queued = true;
        }
        Ok(place)
    }

    /// `None`: look again.
    async fn wait(&mut self, place: Waiting<C>, is_blocked: bool) -> Result<Option<Acquired<C>>, Error> {
        let limits = &self.pool.limits;
        let extra = if is_blocked { 0 } else { limits.dial_ms.load(Relaxed) };
        let patience = Duration::from_millis(limits.queue_ms.load(Relaxed) + extra);
        let left = patience.saturating_sub(self.began.elapsed());
        let Ok(grant) = tokio::time::timeout(left, place).await else {
            return Err(self.refuse("no connection became free in time"));
        };
        match grant {
            Grant::H1(idle) => {
                let is_reused = idle.is_used;
                let Some(loan) = self.group.lend(idle, self.want.worker) else { return Ok(None) };
                if is_reused {
                    count(&loan.counters().reused);
                }
                let acquired = Acquired::reused(Reusable::H1(loan), false);
                Ok(Some(self.waited(Acquired { is_reused, may_be_stale: is_reused, ..acquired })))
            }
            Grant::Stream(permit) => {
                let (is_reused, may_be_stale) = (!permit.is_first(), !permit.is_new());
                if is_reused {
                    count(&permit.connection().counters().reused);
                }
                let acquired = Acquired::reused(Reusable::H2(permit), false);
                Ok(Some(self.waited(Acquired { is_reused, may_be_stale, ..acquired })))
            }
            Grant::TryAgain => {
                // Who was blocked keeps its place; who shared a dial that could not begin goes to the end of the line.
                self.has_had_turn |= is_blocked;
                self.dials_alone = true;
                Ok(None)
            }
            Grant::Failed(code, cause) => Err(Error { code, cause: Some(cause).filter(|c| !c.is_empty()) }),
        }
    }

    fn refuse(&self, cause: &str) -> Error {
        if let Some(address) = applicable(&self.group.pool, self.group.key.origin).next() {
            count(&self.pool.ports.counters(key(address, self.group.key.origin)).refused);
        }
        Error::because(Code::EgressCapacityExhausted, cause)
    }

    async fn open(&self, lease: PortLease) -> Result<Acquired<C>, Error> {
        let connection = match self.pool.connector.open(&self.group.key, lease).await? {
            Opened::H1(connection) => {
                self.group.state.lock().learn(None);
                Reusable::H1(self.group.loan(connection, self.want.worker))
            }
            Opened::H2(h2) => {
                let shared = self.pool.adopt(&self.group, h2);
                let permit = shared.reserve_new().ok_or_else(|| {
                    Error::because(Code::OriginProtocol, "the origin allows no stream on its connection")
                })?;
                shared.serve_waiters();
                Reusable::H2(permit)
            }
        };
        let acquired = Acquired::reused(connection, false);
        Ok(self.waited(Acquired { is_reused: false, may_be_stale: false, ..acquired }))
    }

    fn waited(&self, acquired: Acquired<C>) -> Acquired<C> {
        let waited = if self.is_queued { self.began.elapsed() } else { Duration::ZERO };
        Acquired { waited, ..acquired }
    }
}

impl<C: Connector> Acquired<C> {
    fn reused(connection: Reusable<C>, is_coalesced: bool) -> Self {
        Acquired { connection, is_reused: true, may_be_stale: true, is_coalesced, waited: Duration::ZERO }
    }
}

/// Named here because both forms of a connection are given back in one way.
impl<C: Connector> Reusable<C> {
    pub fn counters(&self) -> &Arc<egressway_counters::EgressCounters> {
        match self {
            Reusable::H1(loan) => loan.counters(),
            Reusable::H2(permit) => permit.connection().counters(),
        }
    }
}
