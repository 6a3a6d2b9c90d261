//! Connections that are equal for a request: same pool, account, origin, transport and TLS identity.

use crate::lane::{Grant, Lane};
use crate::port_table::PortLease;
use crate::shared_connection::{SharedConnection, StreamPermit};
use egressway_core::deadline::now_ms;
use egressway_core::{EgressPool, Error, PoolSerial};
use egressway_counters::EgressCounters;
use egressway_snapshot::wire::Verify;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak};

/// What an origin was found to speak is believed for so long.
const PROTOCOL_MEMORY_MS: u64 = 300_000;
/// A hostname that was refused on another's connection keeps to its own for so long.
const OWN_CONNECTION_MS: u64 = 300_000;

/// Everything that must be equal before two requests may use one connection. Connections of one key differ in
/// nothing but the egress address, which is one of the pool's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// Content of the egress pool, not its name: a changed pool has a new serial.
    pub pool: PoolSerial,
    /// Connections are not shared between accounts, not even where their pool is.
    pub account: u32,
    pub origin: SocketAddr,
    pub transport: Transport,
    /// Streams per HTTP/2 connection that the zone allows.
    pub max_streams: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    Http1,
    /// HTTP/2 over TCP with prior knowledge.
    H2c,
    Tls(Box<TlsKey>),
}

/// TLS identity and verification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsKey {
    pub server_name: Box<str>,
    pub verify: Verify,
    /// HTTP/2 is offered by ALPN.
    pub http2: bool,
    /// Which set of trust roots; a changed set has a new number.
    pub trust: u64,
}

impl GroupKey {
    /// Differs at most in the server name, and verification makes names provable: requests of `self` may go over a
    /// connection of `other` whose certificate covers their host (`spec/reuse-and-cache.md` section 1.1).
    pub(crate) fn may_coalesce_with(&self, other: &GroupKey) -> bool {
        let (Transport::Tls(mine), Transport::Tls(theirs)) = (&self.transport, &other.transport) else {
            return false;
        };
        mine.verify == Verify::Strict
            && theirs.verify == Verify::Strict
            && mine.http2
            && theirs.http2
            && mine.trust == theirs.trust
            && (self.pool, self.account, self.origin, self.max_streams)
                == (other.pool, other.account, other.origin, other.max_streams)
    }

    /// The TLS server name; empty without TLS.
    pub(crate) fn server_name(&self) -> &str {
        match &self.transport {
            Transport::Tls(tls) => &tls.server_name,
            Transport::Http1 | Transport::H2c => "",
        }
    }

    pub(crate) fn is_coalescable(&self) -> bool {
        self.may_coalesce_with(self)
    }
}

/// An HTTP/1 connection that can wait for its next request.
pub trait PooledH1: Send + 'static {
    /// Nothing has come in, not even an end.
    fn is_quiet(&mut self) -> bool;
    /// Moves to the calling worker's runtime.
    fn rehome(&mut self) -> io::Result<()>;
    /// May carry another request when it has ended this one.
    fn is_reusable(&self) -> bool;
    /// Gives large buffers back before it waits.
    fn relax(&mut self);
    fn opened_at_ms(&self) -> u64;
    /// Where it leaves from.
    fn egress(&self) -> SocketAddr;
    fn counters(&self) -> &Arc<EgressCounters>;
}

/// An HTTP/2 connection that many requests use at once.
pub trait PooledH2: Send + Sync + 'static {
    /// Streams that may be open now, ours and the origin's limit.
    fn stream_limit(&self) -> u32;
    fn is_usable(&self) -> bool;
    /// Takes no new streams; open ones end by themselves.
    fn retire(&self);
    /// The verified certificate is valid for `host`.
    fn covers(&self, host: &str) -> bool;
    fn opened_at_ms(&self) -> u64;
    fn counters(&self) -> &Arc<EgressCounters>;
}

/// What became of a lease.
pub enum Opened<A, B> {
    H1(A),
    H2(B),
}

/// Makes connections out of leases: dials, secures, begins the protocol.
pub trait Connector: Send + Sync + 'static {
    type H1: PooledH1;
    type H2: PooledH2;

    fn open(
        &self,
        key: &GroupKey,
        lease: PortLease,
    ) -> impl Future<Output = Result<Opened<Self::H1, Self::H2>, Error>> + Send;
}

/// A connection for one request.
pub enum Reusable<C: Connector> {
    H1(H1Loan<C>),
    H2(StreamPermit<C>),
}

/// An HTTP/1 connection and the worker whose runtime it lives on.
pub(crate) struct Idle<C: Connector> {
    pub connection: C::H1,
    pub home: usize,
    pub since_ms: u64,
    /// It has carried a request before.
    pub is_used: bool,
}

/// An HTTP/1 connection in use; closed when dropped, unless it is given back.
pub struct H1Loan<C: Connector> {
    connection: C::H1,
    home: usize,
    group: Arc<Group<C>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Unknown,
    Http1 { until_ms: u64 },
    Http2 { streams: u32, until_ms: u64 },
}

pub(crate) struct GroupState<C: Connector> {
    pub shared: Vec<Arc<SharedConnection<C>>>,
    /// Another hostname's connection that was found to serve this one; its owner decides how long it lives.
    pub borrowed: Option<Weak<SharedConnection<C>>>,
    own_until_ms: u64,
    /// Dials on their way whose outcome waiters share.
    pub dialing: u32,
    spoken: Spoken,
}

pub struct Group<C: Connector> {
    pub(crate) key: GroupKey,
    pub(crate) pool: Arc<EgressPool>,
    pub(crate) lane: Arc<Lane<C>>,
    /// Per worker, newest last.
    idle: Box<[Mutex<VecDeque<Idle<C>>>]>,
    pub(crate) state: Mutex<GroupState<C>>,
    /// `state.shared` or `state.borrowed` may have something.
    pub(crate) has_shared: AtomicBool,
    /// Waiters that share the outcome of a dial.
    pub(crate) awaiting: AtomicUsize,
    is_retired: AtomicBool,
    /// The group of the same pool as it is now, if there is one.
    successor: OnceLock<Arc<Group<C>>>,
}

/// How old connections may get.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    pub idle_ms: u64,
    pub most_ms: u64,
}

impl<C: Connector> Group<C> {
    pub(crate) fn new(key: GroupKey, pool: Arc<EgressPool>, lane: Arc<Lane<C>>, workers: usize) -> Self {
        let spoken = match key.transport {
            Transport::Http1 => Spoken::Http1 { until_ms: u64::MAX },
            Transport::H2c => Spoken::Http2 { streams: key.max_streams, until_ms: u64::MAX },
            Transport::Tls(ref tls) if !tls.http2 => Spoken::Http1 { until_ms: u64::MAX },
            Transport::Tls(_) => Spoken::Unknown,
        };
        Group {
            key,
            pool,
            lane,
            idle: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            state: Mutex::new(GroupState {
                shared: Vec::new(),
                borrowed: None,
                own_until_ms: 0,
                dialing: 0,
                spoken,
            }),
            has_shared: AtomicBool::new(false),
            awaiting: AtomicUsize::new(0),
            is_retired: AtomicBool::new(false),
            successor: OnceLock::new(),
        }
    }

    /// An idle connection for `worker`: its own, else one of another worker, which moves here.
    pub(crate) fn take_idle(self: &Arc<Self>, worker: usize, ages: Ages) -> Option<H1Loan<C>> {
        let count = self.idle.len();
        (0..count).find_map(|step| {
            let stack = &self.idle[(worker + step) % count];
            loop {
                let mut idle = stack.lock().pop_back()?;
                if idle.is_fit(ages, now_ms()) {
                    return self.lend(idle, worker);
                }
            }
        })
    }

    /// `None` when the connection cannot be moved to `worker`, which closes it.
    pub(crate) fn lend(self: &Arc<Self>, mut idle: Idle<C>, worker: usize) -> Option<H1Loan<C>> {
        if idle.home != worker && idle.connection.rehome().is_err() {
            return None;
        }
        Some(H1Loan { connection: idle.connection, home: worker, group: self.clone() })
    }

    /// A fresh connection in the hands of whoever opened it.
    pub(crate) fn loan(self: &Arc<Self>, connection: C::H1, worker: usize) -> H1Loan<C> {
        H1Loan { connection, home: worker, group: self.clone() }
    }

    /// Keeps a connection for the next request, or hands it to one that waits.
    pub(crate) fn keep(self: &Arc<Self>, idle: Idle<C>) {
        if self.is_retired.load(SeqCst) {
            // Who waited while it was opened may have it.
            let unwanted = if idle.is_used { Some(idle) } else { self.lane.offer_h1(self, idle) };
            return self.bequeath(unwanted);
        }
        let home = idle.home;
        let Some(idle) = self.lane.offer_h1(self, idle) else { return };
        let stack = &self.idle[home % self.idle.len()];
        stack.lock().push_back(idle);
        // Whoever begins to wait looks here once more when it is in the queue: one of the two sees the other.
        while self.lane.is_waited_for() && self.lane.has_waiter_of(self) {
            let Some(idle) = stack.lock().pop_back() else { break };
            let Some(unwanted) = self.lane.offer_h1(self, idle) else { break };
            stack.lock().push_back(unwanted);
        }
        if self.is_retired.load(SeqCst) {
            self.give_idle_up();
        }
    }

    /// Closes one connection that carries nothing, so that its port can serve another group.
    pub(crate) fn close_one_idle(&self) -> bool {
        let oldest = self.idle.iter().find_map(|stack| stack.lock().pop_front());
        oldest.is_some() || self.retire_one_unused()
    }

    fn retire_one_unused(&self) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.shared.iter().position(|shared| shared.is_unused()) else { return false };
        let unused = state.shared.swap_remove(at);
        drop(state);
        unused.retire();
        true
    }

    /// Closes what is idle too long, too old, or no longer quiet. Returns whether anything is left.
    pub(crate) fn sweep(&self, ages: Ages) -> bool {
        let now = now_ms();
        let mut is_empty = true;
        for stack in &self.idle {
            let mut stack = stack.lock();
            let mut closed = Vec::new();
            let kept = stack.drain(..).filter_map(|mut idle| {
                if idle.is_fit(ages, now) {
                    return Some(idle);
                }
                closed.push(idle);
                None
            });
            let kept: VecDeque<_> = kept.collect();
            is_empty &= kept.is_empty();
            *stack = kept;
            drop(stack);
            drop(closed);
        }
        let retired = self.sweep_shared(ages, now);
        retired.iter().for_each(|shared| shared.retire());
        is_empty && self.state.lock().shared.is_empty() && self.awaiting.load(Relaxed) == 0
    }

    fn sweep_shared(&self, ages: Ages, now: u64) -> Vec<Arc<SharedConnection<C>>> {
        let mut state = self.state.lock();
        state.borrowed.take_if(|shared| !shared.upgrade().is_some_and(|shared| shared.is_usable()));
        let retired: Vec<_> =
            state.shared.extract_if(.., |shared| !shared.is_usable() || shared.is_over(ages, now)).collect();
        self.has_shared.store(!state.shared.is_empty() || state.borrowed.is_some(), SeqCst);
        retired
    }

    /// Gives connections to the same pool as it is now, where it still has their ports and room for them. The others
    /// are closed.
    fn bequeath(&self, connections: impl IntoIterator<Item = Idle<C>>) {
        for idle in connections {
            let Some(heir) = self.successor.get() else { continue };
            let owner = heir.pool.owner_of(idle.connection.egress());
            if owner.is_some_and(|owner| idle.connection.counters().current.load(Relaxed) <= owner.cap) {
                heir.keep(idle);
            }
        }
    }

    /// Uses no connection for new requests any more; what lies idle goes to `successor`, if it may. Whoever waits for
    /// one looks elsewhere, unless one is being opened for it.
    pub(crate) fn retire(self: &Arc<Self>, successor: Option<Arc<Self>>) {
        if let Some(successor) = successor {
            // Retired once: there is no other successor yet.
            let _ = self.successor.set(successor);
        }
        self.is_retired.store(true, SeqCst);
        self.give_idle_up();
        let mut state = self.state.lock();
        state.borrowed = None;
        let shared = std::mem::take(&mut state.shared);
        self.has_shared.store(false, SeqCst);
        let is_dialing = state.dialing > 0;
        drop(state);
        shared.iter().for_each(|shared| shared.retire());
        while self.lane.turn_away(self, is_dialing) {}
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(SeqCst)
    }

    fn give_idle_up(&self) {
        for stack in &self.idle {
            let idle = std::mem::take(&mut *stack.lock());
            self.bequeath(idle);
        }
    }

    /// Connections of this group are dialled by whoever needs one: nothing could be shared.
    pub(crate) fn speaks_http1(&self) -> bool {
        matches!(self.state.lock().spoken_now(), Spoken::Http1 { .. })
    }

    /// A request for this group's hostname was refused on another's connection.
    pub(crate) fn insist_on_own(&self) {
        let mut state = self.state.lock();
        state.own_until_ms = now_ms() + OWN_CONNECTION_MS;
        state.borrowed = None;
    }

    /// Ends the wait of everyone who shares the outcome of a dial.
    pub(crate) fn tell_awaiting(self: &Arc<Self>, grant: impl Fn() -> Grant<C>) {
        while self.lane.grant_awaiting(self, &grant) {}
    }
}

impl<C: Connector> GroupState<C> {
    pub(crate) fn spoken_now(&mut self) -> Spoken {
        match self.spoken {
            Spoken::Http1 { until_ms } | Spoken::Http2 { until_ms, .. } if until_ms < now_ms() => {
                self.spoken = Spoken::Unknown;
            }
            _ => {}
        }
        self.spoken
    }

    pub(crate) fn learn(&mut self, streams: Option<u32>) {
        let until_ms = now_ms() + PROTOCOL_MEMORY_MS;
        self.spoken = match (self.spoken, streams) {
            (Spoken::Http1 { until_ms: u64::MAX }, _) => self.spoken,
            (Spoken::Http2 { until_ms: u64::MAX, .. }, Some(streams)) => {
                Spoken::Http2 { streams, until_ms: u64::MAX }
            }
            (_, Some(streams)) => Spoken::Http2 { streams, until_ms },
            (_, None) => Spoken::Http1 { until_ms },
        };
    }

    pub(crate) fn may_borrow(&self) -> bool {
        self.own_until_ms <= now_ms()
    }
}

impl<C: Connector> Idle<C> {
    fn is_fit(&mut self, ages: Ages, now: u64) -> bool {
        now < self.since_ms + ages.idle_ms
            && now < self.connection.opened_at_ms() + ages.most_ms
            && self.connection.is_quiet()
    }
}

impl<C: Connector> H1Loan<C> {
    /// Keeps the connection if its exchange ended cleanly, else closes it.
    pub fn give_back(mut self) {
        if self.connection.is_reusable() {
            self.connection.relax();
            let idle =
                Idle { connection: self.connection, home: self.home, since_ms: now_ms(), is_used: true };
            self.group.keep(idle);
        }
    }
}

impl<C: Connector> Deref for H1Loan<C> {
    type Target = C::H1;

    fn deref(&self) -> &C::H1 {
        &self.connection
    }
}

impl<C: Connector> DerefMut for H1Loan<C> {
    fn deref_mut(&mut self) -> &mut C::H1 {
        &mut self.connection
    }
}
