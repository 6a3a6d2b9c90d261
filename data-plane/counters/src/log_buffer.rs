//! A bounded buffer of log lines, one per worker.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of an empty buffer that are kept for its next lines.
const MOST_KEPT: usize = 8 << 20;

/// Lines that wait for a reader. A worker only ever waits for a buffer to be swapped, never for its reader.
pub struct LogBuffer {
    lines: Mutex<Vec<u8>>,
    /// An empty buffer that was full before: its memory is used again, since fresh pages cost more than lines.
    spare: Mutex<Vec<u8>>,
    most_bytes: usize,
    dropped: AtomicU64,
}

impl LogBuffer {
    /// Holds `most_bytes` at most; 0 takes no lines and counts none.
    pub fn new(most_bytes: usize) -> Self {
        LogBuffer { lines: Mutex::default(), spare: Mutex::default(), most_bytes, dropped: AtomicU64::new(0) }
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

    /// Takes all lines. The buffer they are in should be given back.
    pub fn take(&self) -> Vec<u8> {
        let spare = std::mem::take(&mut *self.spare.lock());
        std::mem::replace(&mut *self.lines.lock(), spare)
    }

    /// Gives the buffer of a take back. One that grew in a burst is not kept.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() <= MOST_KEPT {
            *self.spare.lock() = buffer;
        }
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
        let lines = buffer.take();
        assert_eq!((lines.as_slice(), buffer.take_dropped()), (b"one\n".as_slice(), 1));
        buffer.append(|out| out.extend_from_slice(b"three\n"));
        buffer.give_back(lines);
        assert_eq!(buffer.take(), b"three\n");
        assert_eq!(buffer.take(), b"");
    }
}
