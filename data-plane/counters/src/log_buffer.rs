//! A bounded buffer of log lines, one per worker.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lines that wait for a reader. A worker only ever waits for a buffer to be swapped, never for its reader.
pub struct LogBuffer {
    lines: Mutex<Vec<u8>>,
    most_bytes: usize,
    dropped: AtomicU64,
}

impl LogBuffer {
    /// Holds `most_bytes` at most; 0 takes no lines and counts none.
    pub fn new(most_bytes: usize) -> Self {
        LogBuffer { lines: Mutex::default(), most_bytes, dropped: AtomicU64::new(0) }
    }

    pub fn is_on(&self) -> bool {
        self.most_bytes > 0
    }

    /// Appends what `write` writes, a whole line, unless the buffer is full.
    pub fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = self.lines.lock();
        if lines.len() >= self.most_bytes {
            drop(lines);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        write(&mut lines);
    }

    /// Takes all lines, adding them to `into`.
    pub fn drain(&self, into: &mut Vec<u8>) {
        let taken = {
            let mut lines = self.lines.lock();
            let fresh = Vec::with_capacity(lines.len());
            std::mem::replace(&mut *lines, fresh)
        };
        into.extend_from_slice(&taken);
    }

    /// Lines that found no room and have not been taken note of.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Lines that found no room since the last call.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_drops_and_counts() {
        let buffer = LogBuffer::new(4);
        buffer.append(|out| out.extend_from_slice(b"one\n"));
        buffer.append(|out| out.extend_from_slice(b"two\n"));
        let mut lines = Vec::new();
        buffer.drain(&mut lines);
        assert_eq!((lines.as_slice(), buffer.take_dropped()), (b"one\n".as_slice(), 1));
        buffer.append(|out| out.extend_from_slice(b"three\n"));
        buffer.drain(&mut lines);
        assert_eq!(lines, b"one\nthree\n");
    }
}
