//! A hash table in many small shards that successive tables share.
//!
//! A difference to a snapshot of 100,000 zones touches a handful of shards; only those are copied, so that a
//! changed zone costs microseconds and the table before it stays as it was.

use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

const SHARDS: usize = 1024;

/// What lies in a table under a name of its own.
pub(crate) trait Keyed: Clone {
    fn key(&self) -> &[u8];
}

#[derive(Clone)]
pub(crate) struct Sharded<T> {
    shards: Box<[Arc<HashTable<T>>]>,
    hasher: foldhash::fast::RandomState,
    len: usize,
}

impl<T: Keyed> Default for Sharded<T> {
    fn default() -> Self {
        let empty = Arc::new(HashTable::new());
        let hasher = foldhash::fast::RandomState::default();
        Sharded { shards: vec![empty; SHARDS].into_boxed_slice(), hasher, len: 0 }
    }
}

impl<T: Keyed> Sharded<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&T> {
        let hash = self.hash(key);
        self.shards[shard_of(hash)].find(hash, |value| value.key() == key)
    }

    /// Puts `value` in; gives back what lay under its key.
    pub fn insert(&mut self, value: T) -> Option<T> {
        let hash = self.hash(value.key());
        let Sharded { shards, hasher, len } = self;
        let shard = Arc::make_mut(&mut shards[shard_of(hash)]);
        if let Some(old) = shard.find_mut(hash, |old| old.key() == value.key()) {
            return Some(std::mem::replace(old, value));
        }
        shard.insert_unique(hash, value, |value| hasher.hash_one(value.key()));
        *len += 1;
        None
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<T> {
        let hash = self.hash(key);
        let shard = &mut self.shards[shard_of(hash)];
        shard.find(hash, |value| value.key() == key)?;
        let entry = Arc::make_mut(shard).find_entry(hash, |value| value.key() == key).ok()?;
        self.len -= 1;
        Some(entry.remove().0)
    }

    /// Bytes of the tables themselves, not of what their values point to.
    pub fn heap_bytes(&self) -> usize {
        let shards: usize = self.shards.iter().map(|shard| shard.allocation_size()).sum();
        shards + SHARDS * (size_of::<usize>() + size_of::<HashTable<T>>() + 2 * size_of::<usize>())
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Bits that the small tables do not use: those take the lowest and the seven highest.
#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for Arc<str> {
        fn key(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    #[test]
    fn a_copy_changes_alone() {
        let mut first = Sharded::default();
        for i in 0..5_000 {
            assert!(first.insert(Arc::<str>::from(format!("key {i}"))).is_none());
        }
        let mut second = first.clone();
        assert!(second.remove(b"key 17").is_some());
        assert!(second.remove(b"key 17").is_none());
        assert!(second.insert(Arc::from("new")).is_none());
        assert!(second.insert(Arc::from("new")).is_some());
        assert_eq!((first.len(), second.len()), (5_000, 5_000));
        assert!(first.get(b"key 17").is_some() && second.get(b"key 17").is_none());
        assert!(first.get(b"new").is_none() && second.get(b"new").is_some());
        assert_eq!(second.iter().count(), 5_000);
        let shared = first.shards.iter().zip(&second.shards).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert!(shared >= SHARDS - 2, "only touched shards are copied");
    }
}
