//! Ends a connection from outside the task that owns it: whose port is wanted back fails at its next read or write,
//! and is woken for that where it waits.

use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Waker};

/// Of one lease. Reading and writing may be the business of two tasks, so each waits by itself.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    is_cut: AtomicBool,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Cut {
    /// The connection ends; `false`: it was to end already.
    pub(crate) fn cut(&self) -> bool {
        let is_first = !self.is_cut.swap(true, SeqCst);
        for waiting in [&self.reader, &self.writer] {
            if let Some(waker) = waiting.lock().take() {
                waker.wake();
            }
        }
        is_first
    }

    /// # Errors
    /// It was cut.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.is_cut.load(SeqCst) {
            false => Ok(()),
            true => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "its port is another server's by now"))
            }
        }
    }

    /// Whoever reads waits, and is to be woken when it is cut.
    ///
    /// # Errors
    /// It was cut meanwhile.
    pub(crate) fn wake_reader(&self, cx: &Context<'_>) -> io::Result<()> {
        self.wait(&self.reader, cx)
    }

    /// Whoever writes waits, and is to be woken when it is cut.
    ///
    /// # Errors
    /// It was cut meanwhile.
    pub(crate) fn wake_writer(&self, cx: &Context<'_>) -> io::Result<()> {
        self.wait(&self.writer, cx)
    }

    fn wait(&self, place: &Mutex<Option<Waker>>, cx: &Context<'_>) -> io::Result<()> {
        {
            let mut waiting = place.lock();
            if !waiting.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waiting = Some(cx.waker().clone());
            }
        }
        // A cut is either seen here, or comes later and finds the waker.
        self.check()
    }
}
