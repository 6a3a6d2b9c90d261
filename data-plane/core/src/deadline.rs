//! Deadlines that cost a store each, not a timer each.
//!
//! Every worker has one [`Deadlines`] list that it walks ten times per second; a connection sets its
//! [`Deadline`] forward as it makes progress. Precise to one tick, which suits limits of seconds; dialling,
//! which is rare and short, uses the runtime's timers instead.

use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How often a worker looks.
pub const TICK: Duration = Duration::from_millis(100);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process began to count; never goes back.
pub fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64
}

/// The time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

#[derive(Default)]
struct Inner {
    /// 0: none set.
    at_ms: AtomicU64,
    expired: AtomicBool,
    /// Waits for work, and need not be waited for when the worker drains.
    is_idle: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// All deadlines of one worker.
#[derive(Default)]
pub struct Deadlines {
    list: Mutex<Vec<Weak<Inner>>>,
    tick_ms: AtomicU64,
    is_draining: AtomicBool,
    cuts_idle: AtomicBool,
}

impl Deadlines {
    pub fn new() -> Arc<Self> {
        let deadlines = Arc::new(Deadlines::default());
        deadlines.tick_ms.store(now_ms(), Relaxed);
        deadlines
    }

    /// A deadline that is not set yet.
    pub fn watch(self: &Arc<Self>) -> Deadline {
        let inner = Arc::new(Inner::default());
        self.list.lock().push(Arc::downgrade(&inner));
        Deadline { inner, clock: self.clone() }
    }

    /// From now on each answer is the last of its connection; who is idle may still send one request.
    pub fn begin_draining(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// From now on who is idle counts as late.
    pub fn drain(&self) {
        self.begin_draining();
        self.cuts_idle.store(true, Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }

    /// Wakes whoever is late and forgets who has gone. Called once per tick by the worker.
    pub fn tick(&self) {
        let now = now_ms();
        self.tick_ms.store(now, Relaxed);
        let cuts_idle = self.cuts_idle.load(Relaxed);
        let mut wake = Vec::new();
        self.list.lock().retain(|weak| {
            let Some(inner) = weak.upgrade() else { return false };
            let at = inner.at_ms.load(Relaxed);
            let is_late = (at != 0 && at <= now) || (cuts_idle && inner.is_idle.load(Relaxed));
            if is_late && !inner.expired.swap(true, Relaxed) {
                wake.extend(inner.waker.lock().take());
            }
            true
        });
        wake.into_iter().for_each(Waker::wake);
    }
}

/// One connection's or stream's current deadline.
pub struct Deadline {
    inner: Arc<Inner>,
    clock: Arc<Deadlines>,
}

impl Deadline {
    /// From now on so much time is left.
    pub fn set(&self, after: Duration) {
        self.inner.is_idle.store(false, Relaxed);
        self.start(after);
    }

    /// The same for a connection that waits for work: draining ends it at once.
    pub fn set_idle(&self, after: Duration) {
        self.inner.is_idle.store(true, Relaxed);
        self.start(after);
    }

    /// The same for a connection that has just begun; one that was taken while draining is waited for.
    pub fn set_first(&self, after: Duration) {
        if self.clock.is_draining() { self.set(after) } else { self.set_idle(after) }
    }

    fn start(&self, after: Duration) {
        let now = self.clock.tick_ms.load(Relaxed);
        self.inner.at_ms.store(now + after.as_millis() as u64 + 1, Relaxed);
        self.inner.expired.store(false, Relaxed);
    }

    pub fn clear(&self) {
        self.inner.at_ms.store(0, Relaxed);
        self.inner.is_idle.store(false, Relaxed);
        self.inner.expired.store(false, Relaxed);
    }

    /// No deadline, but draining wakes the task all the same.
    pub fn mark_idle(&self) {
        self.inner.is_idle.store(true, Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.clock.is_draining()
    }

    /// Ready once the deadline has passed; otherwise the task is woken when it does.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expired> {
        if self.inner.expired.load(Relaxed) {
            return Poll::Ready(Expired);
        }
        let mut waker = self.inner.waker.lock();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// `future`, unless the deadline passes first.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Expired> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_expired(cx).map(Err),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_task_is_woken_and_told() {
        let deadlines = Deadlines::new();
        let deadline = deadlines.watch();
        let mut cx = Context::from_waker(Waker::noop());
        deadline.set(Duration::ZERO);
        assert!(deadline.poll_expired(&mut cx).is_pending());
        std::thread::sleep(Duration::from_millis(5));
        deadlines.tick();
        assert!(deadline.poll_expired(&mut cx).is_ready());
        deadline.set(Duration::from_secs(60));
        deadlines.tick();
        assert!(deadline.poll_expired(&mut cx).is_pending());
    }

    #[test]
    fn the_list_forgets_what_is_gone() {
        let deadlines = Deadlines::new();
        drop(deadlines.watch());
        deadlines.tick();
        assert!(deadlines.list.lock().is_empty());
    }
}
