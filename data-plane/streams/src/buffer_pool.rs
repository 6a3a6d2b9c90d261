//! Read buffers that a worker's connections share: a connection holds one only while unread bytes lie in it.
//!
//! Idle connections hold none, and the few that are in use stay warm in the processor's cache.

use std::cell::RefCell;

/// Fits most messages whole.
pub const SMALL: usize = 32 * 1024;
/// For bodies that fill small ones: fewer system calls.
pub const LARGE: usize = 256 * 1024;

const MOST_SMALL: usize = 64;
const MOST_LARGE: usize = 8;

struct Free {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { small: Vec::new(), large: Vec::new() }) };
}

/// A buffer of [`SMALL`] or [`LARGE`] bytes; what it contains is of no meaning.
pub fn take(is_large: bool) -> Vec<u8> {
    let free = FREE.with_borrow_mut(|free| if is_large { free.large.pop() } else { free.small.pop() });
    free.unwrap_or_else(|| vec![0; if is_large { LARGE } else { SMALL }])
}

/// Gives a buffer back; any that is not from here is dropped.
pub fn give(buffer: Vec<u8>) {
    FREE.with_borrow_mut(|free| match buffer.len() {
        SMALL if free.small.len() < MOST_SMALL => free.small.push(buffer),
        LARGE if free.large.len() < MOST_LARGE => free.large.push(buffer),
        _ => {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_to_the_next_who_needs_one() {
        let buffer = take(false);
        let at = buffer.as_ptr();
        give(buffer);
        let again = take(false);
        assert_eq!(again.as_ptr(), at);
        give(vec![0; 5]);
        assert_eq!(take(false).len(), SMALL);
        assert_eq!(take(true).len(), LARGE);
    }
}
