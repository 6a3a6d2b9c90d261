//! Pools of egress addresses: checked, and carried over from one table to the next while they stay the same.

use crate::fleet::{ServerInterner, read_elsewhere};
use crate::part::Part;
use crate::refused::Refused;
use crate::sharded::Sharded;
use crate::tables::pool_bytes;
use crate::wire;
use egressway_core::egress_pool::{EgressAddress, EgressPool, PoolSerial, Slices};
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) type Pools = Sharded<Arc<EgressPool>>;
type Set<T> = HashSet<T, foldhash::fast::RandomState>;

/// Slices that many addresses have in common are kept once.
#[derive(Default)]
pub(crate) struct SliceInterner(Set<Slices>);

impl SliceInterner {
    fn intern(&mut self, slices: &[(u16, u16)]) -> Slices {
        if let Some(known) = self.0.get(slices) {
            return known.clone();
        }
        let slices = Slices::from(slices);
        self.0.insert(slices.clone());
        slices
    }

    /// Forgets slices that no table has any more.
    pub fn forget_unused(&mut self) {
        self.0.retain(|slices| Arc::strong_count(slices) > 1);
    }
}

/// The pools of a new table, and which of the old table's are there no more, or stand among other servers.
pub(crate) struct NextPools {
    pub pools: Pools,
    pub replaced: Set<PoolSerial>,
    pub bytes: usize,
}

impl NextPools {
    pub fn unchanged(pools: &Pools, bytes: usize) -> Self {
        NextPools { pools: pools.clone(), replaced: Set::default(), bytes }
    }
}

/// # Errors
/// A pool contradicts itself or another.
pub(crate) fn build(
    base: &Pools,
    wire: &[wire::Pool],
    part: Part,
    slices: &mut SliceInterner,
    servers: &mut ServerInterner,
) -> Result<NextPools, Refused> {
    let mut next = NextPools::unchanged(base, 0);
    let mut ids = Set::<&str>::with_capacity_and_hasher(wire.len(), Default::default());
    let mut is_changed = false;
    for pool in wire {
        if !ids.insert(&pool.id) {
            return Err(Refused::new(place(pool), "there are two pools with this id; send it once"));
        }
        let narrowed;
        let pool = if part == Part::Whole {
            pool
        } else {
            // What is wrong with the whole is refused, not narrowed.
            read(pool, slices)?;
            narrowed = part.of(pool);
            &narrowed
        };
        let elsewhere = read_elsewhere(&pool.elsewhere, servers);
        let same = base.get(pool.id.as_bytes()).filter(|old| is_same(old, pool));
        if let Some(same) = same.filter(|old| old.overflow == pool.overflow && *old.elsewhere == *elsewhere) {
            next.bytes += pool_bytes(same);
            continue;
        }
        let pool = if let Some(same) = same {
            same.moved(pool.overflow, elsewhere)
        } else {
            is_changed = true;
            read(pool, slices)?.among(pool.overflow, elsewhere)
        };
        let pool = Arc::new(pool);
        next.bytes += pool_bytes(&pool);
        next.replaced.extend(next.pools.insert(pool).map(|old| old.serial));
    }
    if next.pools.len() > wire.len() {
        remove_others(&mut next, &ids);
    }
    if is_changed {
        check_owners(wire)?;
    }
    Ok(next)
}

fn remove_others(next: &mut NextPools, ids: &Set<&str>) {
    let others: Vec<_> = next.pools.iter().filter(|pool| !ids.contains(&*pool.id)).cloned().collect();
    for pool in others {
        next.pools.remove(pool.id.as_bytes());
        next.replaced.insert(pool.serial);
    }
}

fn place(pool: &wire::Pool) -> String {
    format!("pool {}", pool.id)
}

fn is_same(pool: &EgressPool, wire: &wire::Pool) -> bool {
    pool.addresses.len() == wire.addresses.len()
        && pool.addresses.iter().zip(&wire.addresses).all(|(ours, theirs)| {
            ours.ip == theirs.ip
                && *ours.slices == *theirs.slices
                && ours.cap == theirs.cap
                && ours.draining == theirs.draining
        })
}

fn read(pool: &wire::Pool, slices: &mut SliceInterner) -> Result<EgressPool, Refused> {
    let mut addresses = Vec::with_capacity(pool.addresses.len());
    for (i, address) in pool.addresses.iter().enumerate() {
        let place = || format!("{}, address {}", place(pool), address.ip);
        check_ip(address.ip).map_err(|problem| Refused::new(place(), problem))?;
        if pool.addresses[..i].iter().any(|before| before.ip == address.ip) {
            return Err(Refused::new(
                place(),
                "the address is there twice; give all of its slices in one entry",
            ));
        }
        check_slices(&address.slices).map_err(|problem| Refused::new(place(), problem))?;
        check_cap(address).map_err(|problem| Refused::new(place(), problem))?;
        addresses.push(EgressAddress {
            ip: address.ip,
            slices: slices.intern(&address.slices),
            cap: address.cap,
            draining: address.draining,
        });
    }
    Ok(EgressPool::new(&pool.id, addresses))
}

fn check_ip(ip: IpAddr) -> Result<(), &'static str> {
    if ip.is_unspecified() || ip.is_multicast() {
        return Err("nothing can leave from this address; give one that this server owns");
    }
    if ip.to_canonical() != ip {
        return Err("this is an IPv4 address in IPv6 form; write it as IPv4");
    }
    Ok(())
}

fn check_slices(slices: &[(u16, u16)]) -> Result<(), String> {
    if slices.is_empty() {
        return Err("it has no slices; give at least one port range".to_owned());
    }
    let mut last = 0;
    for (low, high) in slices {
        if *low == 0 {
            return Err(format!("slice {low}-{high}: port 0 would be any port; begin at 1 or above"));
        }
        if low > high {
            return Err(format!("slice {low}-{high} ends before it begins; swap its ends"));
        }
        if *low <= last {
            return Err(format!(
                "slice {low}-{high} overlaps or comes before the one ahead of it; sort and merge them"
            ));
        }
        last = *high;
    }
    Ok(())
}

fn check_cap(address: &wire::EgressAddress) -> Result<(), String> {
    let ports: u32 = address.slices.iter().map(|(low, high)| u32::from(high - low) + 1).sum();
    match address.cap {
        0 => Err("cap 0 would refuse every connection; use draining instead".to_owned()),
        cap if cap > ports => {
            Err(format!("cap {cap} is more than the {ports} ports of its slices; lower it"))
        }
        _ => Ok(()),
    }
}

/// An address belongs to one pool: its count towards an origin is that pool's alone, and so is its cap.
fn check_owners(pools: &[wire::Pool]) -> Result<(), Refused> {
    let mut owners: HashMap<IpAddr, &wire::Pool, foldhash::fast::RandomState> = HashMap::default();
    for pool in pools {
        for address in &pool.addresses {
            if let Some(owner) = owners.insert(address.ip, pool) {
                let problem = format!("it is in pool {} already; an address belongs to one pool", owner.id);
                return Err(Refused::new(format!("{}, address {}", place(pool), address.ip), problem));
            }
        }
    }
    Ok(())
}
