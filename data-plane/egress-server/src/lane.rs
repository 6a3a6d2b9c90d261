//! Who waits for a connection of one pool to one origin, in order.
//!
//! Two kinds wait in one queue. Some share the outcome of a dial that is on its way (`awaiting`); the others found
//! every port taken (`blocked`). What becomes free goes to the first whom it helps, never to a newcomer.

use crate::group::{Connector, Group, Idle};
use crate::shared_connection::{SharedConnection, StreamPermit};
use egressway_core::Code;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

/// Told by the port table about ports that come back.
pub trait Watcher: Send + Sync {
    /// A port is free. `false`: nobody here needs one.
    fn port_is_free(&self) -> bool;
    fn is_waiting(&self) -> bool;
}

/// What ends a wait.
pub(crate) enum Grant<C: Connector> {
    H1(Idle<C>),
    Stream(StreamPermit<C>),
    /// Something has changed: look again, before newcomers.
    TryAgain,
    Failed(Code, Box<str>),
}

enum State<C: Connector> {
    Waiting(Option<Waker>),
    Granted(Grant<C>),
    /// Granted and taken, or given up.
    Over,
}

struct Waiter<C: Connector> {
    group: Arc<Group<C>>,
    is_blocked: bool,
    state: Mutex<State<C>>,
}

/// Waiters of one (pool, origin).
pub struct Lane<C: Connector> {
    queue: Mutex<VecDeque<Arc<Waiter<C>>>>,
    waiting: AtomicUsize,
    blocked: AtomicUsize,
    /// Groups whose idle connections hold ports that others of the lane may need.
    pub(crate) groups: Mutex<Vec<Weak<Group<C>>>>,
    /// Connections that other hostnames may be able to use.
    pub(crate) coalescable: Mutex<Vec<Weak<SharedConnection<C>>>>,
}

/// A place in the queue; given up when dropped.
pub(crate) struct Waiting<C: Connector> {
    waiter: Arc<Waiter<C>>,
}

impl<C: Connector> Default for Lane<C> {
    fn default() -> Self {
        Lane {
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            groups: Mutex::default(),
            coalescable: Mutex::default(),
        }
    }
}

impl<C: Connector> Lane<C> {
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(SeqCst) > 0
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// A place at the end, or at the front for one who has had its turn. `None` when `most` wait already.
    pub(crate) fn enqueue(
        &self,
        group: &Arc<Group<C>>,
        is_blocked: bool,
        at_front: bool,
        most: usize,
    ) -> Option<Waiting<C>> {
        let waiter =
            Arc::new(Waiter { group: group.clone(), is_blocked, state: Mutex::new(State::Waiting(None)) });
        let mut queue = self.queue.lock();
        if self.waiting.load(SeqCst) >= most && !at_front {
            return None;
        }
        self.count_in(&waiter);
        if at_front {
            queue.push_front(waiter.clone());
        } else {
            queue.push_back(waiter.clone());
        }
        // Those who gave up leave gaps; more gaps than waiters are cleared.
        if queue.len() > 2 * self.waiting.load(SeqCst) + 64 {
            queue.retain(|waiter| !matches!(*waiter.state.lock(), State::Over));
        }
        Some(Waiting { waiter })
    }

    fn count_in(&self, waiter: &Waiter<C>) {
        self.waiting.fetch_add(1, SeqCst);
        let kind = if waiter.is_blocked { &self.blocked } else { &waiter.group.awaiting };
        kind.fetch_add(1, SeqCst);
    }

    fn count_out(&self, waiter: &Waiter<C>) {
        self.waiting.fetch_sub(1, SeqCst);
        let kind = if waiter.is_blocked { &self.blocked } else { &waiter.group.awaiting };
        kind.fetch_sub(1, SeqCst);
    }

    /// Gives `grant` to the first waiter whom `suits`; returns it when there is none.
    fn give(&self, mut grant: Grant<C>, suits: impl Fn(&Waiter<C>) -> bool) -> Option<Grant<C>> {
        let mut queue = self.queue.lock();
        let mut from = 0;
        while let Some(at) = (from..queue.len()).find(|at| suits(&queue[*at])) {
            let Some(waiter) = queue.remove(at) else { break };
            match self.grant(&waiter, grant) {
                None => return None,
                Some(refused) => grant = refused,
            }
            from = at;
        }
        Some(grant)
    }

    fn grant(&self, waiter: &Waiter<C>, grant: Grant<C>) -> Option<Grant<C>> {
        let mut state = waiter.state.lock();
        match &mut *state {
            State::Waiting(waker) => {
                let waker = waker.take();
                *state = State::Granted(grant);
                self.count_out(waiter);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                None
            }
            State::Granted(_) | State::Over => Some(grant),
        }
    }

    /// An HTTP/1 connection of `group` has become free; returned when nobody needs it. If the first who is blocked
    /// belongs to another group, the connection is closed and its port serves that one.
    pub(crate) fn offer_h1(&self, group: &Arc<Group<C>>, idle: Idle<C>) -> Option<Idle<C>> {
        if !self.is_waited_for() {
            return Some(idle);
        }
        let is_mine = |waiter: &Waiter<C>| Arc::ptr_eq(&waiter.group, group);
        if self.first_needs_port_elsewhere(is_mine) {
            drop(idle);
            return None;
        }
        match self.give(Grant::H1(idle), is_mine) {
            Some(Grant::H1(idle)) => Some(idle),
            _ => None,
        }
    }

    fn first_needs_port_elsewhere(&self, is_mine: impl Fn(&Waiter<C>) -> bool) -> bool {
        let queue = self.queue.lock();
        let concerned = |waiter: &&Arc<Waiter<C>>| {
            (waiter.is_blocked || is_mine(waiter)) && matches!(*waiter.state.lock(), State::Waiting(_))
        };
        queue.iter().find(concerned).is_some_and(|waiter| !is_mine(waiter))
    }

    /// Somebody waits for a connection of `group`, whether one is being dialled or its ports are taken.
    pub(crate) fn has_waiter_of(&self, group: &Arc<Group<C>>) -> bool {
        let is_concerned = |waiter: &Arc<Waiter<C>>| {
            Arc::ptr_eq(&waiter.group, group) && matches!(*waiter.state.lock(), State::Waiting(_))
        };
        self.queue.lock().iter().any(is_concerned)
    }

    /// A stream of `group` has become free; returned when nobody needs it.
    pub(crate) fn offer_stream(
        &self,
        group: &Arc<Group<C>>,
        permit: StreamPermit<C>,
    ) -> Option<StreamPermit<C>> {
        match self.give(Grant::Stream(permit), |waiter| Arc::ptr_eq(&waiter.group, group)) {
            Some(Grant::Stream(permit)) => Some(permit),
            _ => None,
        }
    }

    /// Ends one wait of somebody of `group`, which is used no more; of those who share a dial on its way none.
    /// `false` when there is none.
    pub(crate) fn turn_away(&self, group: &Arc<Group<C>>, is_dialing: bool) -> bool {
        let concerned =
            |waiter: &Waiter<C>| (waiter.is_blocked || !is_dialing) && Arc::ptr_eq(&waiter.group, group);
        self.give(Grant::TryAgain, concerned).is_none()
    }

    /// Ends one wait for the outcome of a dial of `group`; `false` when there is none.
    pub(crate) fn grant_awaiting(&self, group: &Arc<Group<C>>, grant: &impl Fn() -> Grant<C>) -> bool {
        self.give(grant(), |waiter| !waiter.is_blocked && Arc::ptr_eq(&waiter.group, group)).is_none()
    }
}

impl<C: Connector> Watcher for Lane<C> {
    fn port_is_free(&self) -> bool {
        self.is_blocked() && self.give(Grant::TryAgain, |waiter| waiter.is_blocked).is_none()
    }

    fn is_waiting(&self) -> bool {
        self.is_blocked()
    }
}

impl<C: Connector> Future for Waiting<C> {
    type Output = Grant<C>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Grant<C>> {
        let mut state = self.waiter.state.lock();
        if let State::Waiting(waker) = &mut *state {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Granted(grant) => Poll::Ready(grant),
            _ => Poll::Ready(Grant::TryAgain),
        }
    }
}

impl<C: Connector> Drop for Waiting<C> {
    fn drop(&mut self) {
        let group = &self.waiter.group;
        let mut state = self.waiter.state.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(_) => group.lane.count_out(&self.waiter),
            State::Over => {}
            // Whatever came too late goes to the next.
            State::Granted(grant) => {
                drop(state);
                match grant {
                    Grant::H1(idle) => group.keep(idle),
                    Grant::Stream(permit) => drop(permit),
                    Grant::TryAgain if self.waiter.is_blocked => {
                        group.lane.port_is_free();
                    }
                    Grant::TryAgain | Grant::Failed(..) => {}
                }
            }
        }
    }
}
