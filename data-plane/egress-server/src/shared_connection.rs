//! An HTTP/2 connection that many requests use at once, and the right to one of its streams.

use crate::group::{Ages, Connector, Group, PooledH2};
use crate::lane::Watcher;
use egressway_core::deadline::now_ms;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};

pub struct SharedConnection<C: Connector> {
    h2: C::H2,
    /// The group that dialled it; other groups only borrow.
    owner: Weak<Group<C>>,
    in_use: AtomicU32,
    unused_since_ms: AtomicU64,
    is_retired: AtomicBool,
    has_carried: AtomicBool,
}

/// One stream of a connection, for as long as it lives.
pub struct StreamPermit<C: Connector> {
    connection: Arc<SharedConnection<C>>,
    /// No request was on the connection before.
    is_first: bool,
    /// The connection was opened while the request waited for it: if it breaks, it was not stale.
    is_new: bool,
    is_over: bool,
}

impl<C: Connector> SharedConnection<C> {
    pub(crate) fn new(h2: C::H2, owner: &Arc<Group<C>>) -> Arc<Self> {
        Arc::new(SharedConnection {
            h2,
            owner: Arc::downgrade(owner),
            in_use: AtomicU32::new(0),
            unused_since_ms: AtomicU64::new(now_ms()),
            is_retired: AtomicBool::new(false),
            has_carried: AtomicBool::new(false),
        })
    }

    pub(crate) fn h2(&self) -> &C::H2 {
        &self.h2
    }

    pub(crate) fn owner(&self) -> Option<Arc<Group<C>>> {
        self.owner.upgrade()
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.is_retired.load(SeqCst) && self.h2.is_usable()
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.in_use.load(SeqCst) == 0
    }

    pub(crate) fn is_over(&self, ages: Ages, now: u64) -> bool {
        now >= self.h2.opened_at_ms() + ages.most_ms
            || (self.is_unused() && now >= self.unused_since_ms.load(Relaxed) + ages.idle_ms)
    }

    pub(crate) fn retire(&self) {
        self.is_retired.store(true, SeqCst);
        self.h2.retire();
    }

    /// A stream, unless all that may be open are.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<StreamPermit<C>> {
        if !self.is_usable() {
            return None;
        }
        let limit = self.h2.stream_limit();
        self.in_use.fetch_update(SeqCst, SeqCst, |in_use| (in_use < limit).then_some(in_use + 1)).ok().map(
            |_| StreamPermit {
                connection: self.clone(),
                is_first: !self.has_carried.swap(true, SeqCst),
                is_new: false,
                is_over: false,
            },
        )
    }

    /// The same, for one who waited while the connection was opened.
    pub(crate) fn reserve_new(self: &Arc<Self>) -> Option<StreamPermit<C>> {
        self.reserve().map(StreamPermit::opened)
    }
}

impl<C: Connector> StreamPermit<C> {
    pub fn connection(&self) -> &C::H2 {
        &self.connection.h2
    }

    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    fn opened(mut self) -> Self {
        self.is_new = true;
        self
    }
}

impl<C: Connector> SharedConnection<C> {
    fn free_stream(&self) {
        if self.in_use.fetch_sub(1, SeqCst) == 1 {
            self.unused_since_ms.store(now_ms(), Relaxed);
        }
    }

    /// A stream has become free. It goes to the first who waits for it; whoever begins to wait after the last look
    /// at the queue finds it by itself.
    fn pass_on(self: &Arc<Self>) {
        self.free_stream();
        self.serve_waiters();
        let Some(owner) = self.owner.upgrade() else { return };
        // Another group of the lane may use the stream, or the port if nothing else needs the connection.
        if self.is_unused() || owner.key.is_coalescable() {
            owner.lane.port_is_free();
        }
    }

    /// Gives free streams to those of the group who wait for one.
    pub(crate) fn serve_waiters(self: &Arc<Self>) {
        let Some(owner) = self.owner.upgrade() else { return };
        while owner.lane.is_waited_for() && owner.lane.has_waiter_of(&owner) {
            let Some(permit) = self.reserve_new() else { return };
            if let Some(unwanted) = owner.lane.offer_stream(&owner, permit) {
                unwanted.forgo();
            }
        }
    }
}

impl<C: Connector> StreamPermit<C> {
    /// Gives the place up without offering it to anyone.
    fn forgo(mut self) {
        self.is_over = true;
        if self.is_first {
            self.connection.has_carried.store(false, SeqCst);
        }
        self.connection.free_stream();
    }
}

impl<C: Connector> Drop for StreamPermit<C> {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.pass_on();
        }
    }
}
