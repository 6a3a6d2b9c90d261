//! How many connections one client address may hold open.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

const SHARDS: usize = 16;

/// Open connections by client address, for all workers.
#[derive(Default)]
pub struct ClientLimits {
    shards: [Mutex<HashMap<IpAddr, u32, foldhash::fast::RandomState>>; SHARDS],
    hasher: foldhash::fast::RandomState,
}

/// One open connection of a client; gone when dropped.
pub struct Admission {
    limits: Arc<ClientLimits>,
    client: IpAddr,
}

impl ClientLimits {
    /// `None` when the client holds `most` connections already.
    pub fn admit(self: &Arc<Self>, client: IpAddr, most: u32) -> Option<Admission> {
        let client = holder(client);
        let mut shard = self.shard(client).lock();
        let open = shard.entry(client).or_insert(0);
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Admission { limits: self.clone(), client })
    }

    fn shard(&self, client: IpAddr) -> &Mutex<HashMap<IpAddr, u32, foldhash::fast::RandomState>> {
        &self.shards[self.hasher.hash_one(client) as usize % SHARDS]
    }
}

/// Whom an address belongs to: an IPv6 client has a whole /64 to come from.
fn holder(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut shard = self.limits.shard(self.client).lock();
        if let Some(open) = shard.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_comes_back() {
        let limits = Arc::new(ClientLimits::default());
        let client = IpAddr::from([192, 0, 2, 1]);
        let first = limits.admit(client, 2);
        let second = limits.admit(client, 2);
        assert!(first.is_some() && second.is_some());
        assert!(limits.admit(client, 2).is_none());
        assert!(limits.admit(IpAddr::from([192, 0, 2, 2]), 2).is_some());
        let neighbour = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let _one = limits.admit(neighbour(1), 1).expect("the first of its /64");
        assert!(limits.admit(neighbour(2), 1).is_none());
        drop(first);
        assert!(limits.admit(client, 2).is_some());
    }
}
