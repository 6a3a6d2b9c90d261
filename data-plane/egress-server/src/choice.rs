//! Which of a pool's addresses a new connection leaves from: the least used for its origin, stable under ties
//! (`spec/egress.md` E15).

use crate::dial::Dialer;
use crate::port_table::{PortLease, PortTable};
use egressway_core::{EgressAddress, EgressPool};
use egressway_counters::{EgressKey, Protocol};
use std::net::SocketAddr;

/// A port, or why there is none.
pub type Chosen = Result<PortLease, NoPort>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPort {
    /// The pool has no address of the origin's family, or none that is this server's by now: fail closed (E13).
    NoneApplicable,
    /// Every applicable address is at its cap for this origin.
    AllFull,
}

pub(crate) fn key(address: &EgressAddress, origin: SocketAddr) -> EgressKey {
    EgressKey { egress_ip: address.ip, origin, protocol: Protocol::Tcp }
}

/// The addresses of `pool` that a connection to `origin` may leave from.
pub fn applicable(pool: &EgressPool, origin: SocketAddr) -> impl Iterator<Item = &EgressAddress> {
    let is_ipv4 = origin.is_ipv4();
    pool.addresses.iter().filter(move |address| address.ip.is_ipv4() == is_ipv4 && !address.draining)
}

/// Takes a port for a new connection to `origin`.
pub fn choose(table: &PortTable, dialer: &Dialer, pool: &EgressPool, origin: SocketAddr) -> Chosen {
    let mut addresses = applicable(pool, origin);
    let Some(first) = addresses.next() else { return Err(NoPort::NoneApplicable) };
    if addresses.next().is_none() {
        return table.take(key(first, origin)).ok_or_else(|| why_none(table, pool, origin));
    }
    let mut ranked: Vec<_> = applicable(pool, origin)
        .map(|address| {
            let key = key(address, origin);
            // Fine enough to tell one connection more of any cap, and integers compare exactly.
            let use_share = (u64::from(table.used(&key)) << 32) / u64::from(address.cap.max(1));
            ((dialer.is_unbindable(address.ip), use_share, table.rank(&key)), key)
        })
        .collect();
    ranked.sort_unstable_by_key(|(order, _)| *order);
    ranked.into_iter().find_map(|(_, key)| table.take(key)).ok_or_else(|| why_none(table, pool, origin))
}

/// A request may still hold the pool as it was before its addresses went to other servers: that is no lack of ports,
/// and whoever has them now can be asked.
pub fn why_none(table: &PortTable, pool: &EgressPool, origin: SocketAddr) -> NoPort {
    let is_here = applicable(pool, origin).any(|address| table.has_share(address.ip));
    if is_here { NoPort::AllFull } else { NoPort::NoneApplicable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn owner_of(pool: &Arc<EgressPool>) -> PortTable {
        let table = PortTable::new(Arc::default());
        table.own([pool.clone()].iter());
        table
    }

    #[test]
    fn addresses_that_have_gone_elsewhere_are_not_called_full() {
        let held = pool(&["192.0.2.1", "192.0.2.2"], 1);
        let table = owner_of(&held);
        let (dialer, origin) = (Dialer::default(), SocketAddr::from(([198, 51, 100, 1], 80)));
        let leases = [choose(&table, &dialer, &held, origin), choose(&table, &dialer, &held, origin)];
        assert!(leases.iter().all(Result::is_ok));
        assert_eq!(choose(&table, &dialer, &held, origin).err(), Some(NoPort::AllFull));
        table.own([].iter());
        assert_eq!(choose(&table, &dialer, &held, origin).err(), Some(NoPort::NoneApplicable));
    }

    fn pool(ips: &[&str], cap: u32) -> Arc<EgressPool> {
        let address = |ip: &&str| EgressAddress {
            ip: ip.parse().expect("address"),
            slices: [(20_000, 20_999)].as_slice().into(),
            cap,
            draining: false,
        };
        Arc::new(EgressPool::new("pool", ips.iter().map(address).collect()))
    }

    #[test]
    fn addresses_fill_evenly_and_only_those_of_the_family() {
        let pool = pool(&["192.0.2.1", "192.0.2.2", "2001:db8::1"], 10);
        let table = owner_of(&pool);
        let origin = "198.51.100.1:443".parse().expect("address");
        let mut leases: HashMap<IpAddr, Vec<PortLease>> = HashMap::new();
        for _ in 0..20 {
            let lease = choose(&table, &Dialer::default(), &pool, origin).expect("room");
            leases.entry(lease.key().egress_ip).or_default().push(lease);
            let counts: Vec<_> = leases.values().map(Vec::len).collect();
            assert!(
                counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref()
                    || counts.len() == 1
            );
        }
        assert_eq!(leases.len(), 2);
        assert_eq!(choose(&table, &Dialer::default(), &pool, origin).err(), Some(NoPort::AllFull));
    }

    #[test]
    fn a_pool_without_the_family_gives_nothing() {
        let table = PortTable::new(Arc::default());
        let origin = "[2001:db8::9]:443".parse().expect("address");
        let chosen = choose(&table, &Dialer::default(), &pool(&["192.0.2.1"], 10), origin);
        assert_eq!(chosen.err(), Some(NoPort::NoneApplicable));
    }

    #[test]
    fn ties_are_broken_by_origin_and_alike_everywhere() {
        let pool = pool(&["192.0.2.1", "192.0.2.2"], 10);
        let first_of = |origin: u16| {
            let table = owner_of(&pool);
            let origin = SocketAddr::from(([198, 51, 100, 1], origin));
            choose(&table, &Dialer::default(), &pool, origin).expect("room").key().egress_ip
        };
        let firsts: Vec<_> = (1..64).map(first_of).collect();
        assert_eq!(firsts, (1..64).map(first_of).collect::<Vec<_>>());
        assert!(firsts.iter().any(|ip| *ip != firsts[0]), "origins are spread");
    }
}
