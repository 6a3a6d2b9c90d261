//! Snapshots in, tables out: the state that outlives a table, and the order in which one is built.

use crate::codec::decode;
use crate::fleet::{self, FleetEntry, ServerInterner};
use crate::networks::{Networks, parse_list};
use crate::part::Part;
use crate::pools::{self, NextPools, Pools, SliceInterner};
use crate::raw::value_in_map;
use crate::refused::Refused;
use crate::sharded::Sharded;
use crate::tables::{HostSlot, Listener, Tables, ZoneEntry, zone_bytes};
use crate::wire::{self, Snapshot};
use crate::zones::{self, AccountInterner, Surroundings};
use egressway_core::egress_pool::EgressPool;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Builds one table after another. A pool that stays the same keeps its serial, so its connections live on; an
/// account keeps its number.
#[derive(Default)]
pub struct TableBuilder {
    base: Option<Arc<Tables>>,
    /// The pools of `base` as they came.
    pool_bytes: Box<[u8]>,
    accounts: AccountInterner,
    slices: SliceInterner,
    servers: ServerInterner,
    part: Part,
}

impl TableBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes, checks and builds. A table that was built is what the next difference refers to.
    ///
    /// # Errors
    /// The snapshot is refused as a whole, and what was in place stays so.
    pub fn build(&mut self, bytes: &[u8]) -> Result<Arc<Tables>, Refused> {
        let pools = value_in_map(bytes, "pools").unwrap_or_default();
        if self.base.is_some() && !pools.is_empty() && bytes[pools.clone()] == *self.pool_bytes {
            // The same pools again: an empty list stands for them.
            let rest = [&bytes[..pools.start], b"\x90", &bytes[pools.end..]].concat();
            return self.build_from(decode(&rest)?, true);
        }
        let tables = self.build_from(decode(bytes)?, false)?;
        self.pool_bytes = bytes[pools].into();
        Ok(tables)
    }

    fn build_from(&mut self, snapshot: Snapshot, has_same_pools: bool) -> Result<Arc<Tables>, Refused> {
        let is_difference = snapshot.base_revision.is_some();
        self.check_base(&snapshot)?;
        let base = self.base.clone().unwrap_or_else(|| Arc::new(Tables::empty()));
        let next = if has_same_pools {
            NextPools::unchanged(&base.pools, base.pool_bytes)
        } else {
            pools::build(&base.pools, &snapshot.pools, self.part, &mut self.slices, &mut self.servers)?
        };
        let around = Arc::new(fleet::read(&snapshot.fleet, &mut self.servers)?);
        let around = if *base.fleet == *around { base.fleet.clone() } else { around };
        let has_moved = !Arc::ptr_eq(&base.fleet, &around);
        if has_moved || !has_same_pools {
            next.pools.iter().try_for_each(|pool| fleet::check_elsewhere(pool, &around))?;
        }
        let shared_pool = shared_pool(&next.pools, &snapshot.shared_pool)?;
        let mut draft = if is_difference { Draft::continuing(&base) } else { Draft::default() };
        self.change_zones(&mut draft, &base, &next, snapshot.zones, &snapshot.removed_zones)?;
        if is_difference && !next.replaced.is_empty() {
            draft.follow_pools(&next)?;
        }
        draft.check_regions(&around, is_difference && !has_moved)?;
        let settings = snapshot.settings;
        let tables = Arc::new(Tables {
            revision: snapshot.revision,
            zones: draft.zones,
            exact: draft.exact,
            wildcards: draft.wildcards,
            zone_bytes: draft.bytes,
            regional_hosts: draft.regional,
            pool_bytes: next.bytes,
            pools: next.pools,
            shared_pool,
            listeners: read_listeners(&snapshot.listeners)?,
            fleet: around,
            denied: Networks::parse("settings, denied_origins", &settings.denied_origins)?,
            allowed: Networks::parse("settings, allowed_origins", &settings.allowed_origins)?,
            trusted: Networks::parse("settings, trusted_clients", &settings.trusted_clients)?,
            settings: if *base.settings == settings { base.settings.clone() } else { Arc::new(settings) },
            keys: base.keys.clone(),
        });
        self.base = Some(tables.clone());
        drop(base);
        self.slices.forget_unused();
        Ok(tables)
    }

    /// The pools of the next table, and of those after it, are this part of what the snapshot says.
    pub fn set_part(&mut self, part: Part) {
        self.part = part;
        // Whatever they are, they are read again.
        self.pool_bytes = Box::default();
    }

    /// The table that the next difference refers to.
    pub fn base(&self) -> Option<Arc<Tables>> {
        self.base.clone()
    }

    /// The table built last was not put in place after all: differences refer to `base` as before.
    pub fn go_back_to(&mut self, base: Option<Arc<Tables>>) {
        self.base = base;
        // They were those of the table that is given up: the next ones are read, whatever they are.
        self.pool_bytes = Box::default();
    }

    fn check_base(&self, snapshot: &Snapshot) -> Result<(), Refused> {
        let Some(wanted) = snapshot.base_revision else { return Ok(()) };
        let problem = match self.base.as_ref().map(|base| base.revision) {
            Some(revision) if revision == wanted => return Ok(()),
            Some(revision) => format!("the difference is to revision {wanted}, but {revision} is in place"),
            None => format!("the difference is to revision {wanted}, but nothing is in place"),
        };
        Err(Refused::new("base_revision", format!("{problem}; send a whole snapshot")))
    }

    fn change_zones(
        &mut self,
        draft: &mut Draft,
        base: &Tables,
        next: &NextPools,
        zones: Vec<wire::Zone>,
        removed: &[String],
    ) -> Result<(), Refused> {
        let mut ids = HashSet::<String, foldhash::fast::RandomState>::default();
        ids.reserve(zones.len());
        // All that change give their hostnames up first, so that a hostname may move between them.
        for id in removed.iter().chain(zones.iter().map(|zone| &zone.id)) {
            if !ids.insert(id.clone()) {
                let problem = "it is in the snapshot twice; send it once, either as it is or as removed";
                return Err(Refused::new(zones::place(id), problem));
            }
            draft.remove(id);
        }
        for zone in zones {
            let before = base.zones.get(zone.id.as_bytes()).map(Arc::as_ref);
            let around = Surroundings { pools: &next.pools, accounts: &mut self.accounts, before };
            let zone = Arc::new(zones::read(zone, around)?);
            draft.changed.extend((zone.regional_hosts() > 0).then(|| zone.clone()));
            draft.add(zone)?;
        }
        Ok(())
    }
}

fn shared_pool(pools: &Pools, id: &str) -> Result<Arc<EgressPool>, Refused> {
    pools.get(id.as_bytes()).cloned().ok_or_else(|| {
        Refused::new(
            "shared_pool",
            format!("the snapshot has no pool {id:?}; send it, even without addresses"),
        )
    })
}

fn read_listeners(listeners: &[wire::Listener]) -> Result<Arc<[Listener]>, Refused> {
    let mut read: Vec<Listener> = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let address = SocketAddr::new(listener.address, listener.port);
        let place = format!("listener {address}");
        // Port 0 is any free port, another one each time.
        if address.port() != 0 && read.iter().any(|before| before.address == address) {
            return Err(Refused::new(place, "there are two listeners at this address; send it once"));
        }
        let from = listener.proxy_protocol_from.as_ref();
        let from = from.map(|list| parse_list(&format!("{place}, proxy_protocol_from"), list)).transpose()?;
        read.push(Listener { address, tls: listener.tls, proxy_protocol_from: from });
    }
    Ok(read.into())
}

/// Zones and hosts of a table in the making.
#[derive(Default)]
struct Draft {
    zones: Sharded<Arc<ZoneEntry>>,
    exact: Sharded<HostSlot>,
    wildcards: Sharded<HostSlot>,
    bytes: usize,
    /// Hosts that are served in one region alone.
    regional: usize,
    /// Came with this snapshot.
    changed: Vec<Arc<ZoneEntry>>,
}

impl Draft {
    fn continuing(base: &Tables) -> Self {
        Draft {
            zones: base.zones.clone(),
            exact: base.exact.clone(),
            wildcards: base.wildcards.clone(),
            bytes: base.zone_bytes,
            regional: base.regional_hosts,
            changed: Vec::new(),
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(zone) = self.zones.remove(id.as_bytes()) else { return };
        self.bytes -= zone_bytes(&zone);
        self.regional -= zone.regional_hosts();
        for host in &zone.hosts {
            match host.name.strip_prefix("*.") {
                Some(parent) => self.wildcards.remove(parent.as_bytes()),
                None => self.exact.remove(host.name.as_bytes()),
            };
        }
    }

    fn add(&mut self, zone: Arc<ZoneEntry>) -> Result<(), Refused> {
        for (i, host) in zone.hosts.iter().enumerate() {
            let slot = HostSlot { zone: zone.clone(), host: i as u32 };
            let table = if host.name.starts_with("*.") { &mut self.wildcards } else { &mut self.exact };
            if let Some(other) = table.insert(slot) {
                let place = format!("{}, host {}", zones::place(&zone.id), host.name);
                let problem =
                    format!("the hostname belongs to zone {} as well; leave it in one", other.zone.id);
                return Err(Refused::new(place, problem));
            }
        }
        self.bytes += zone_bytes(&zone);
        self.regional += zone.regional_hosts();
        self.zones.insert(zone);
        Ok(())
    }

    /// Hosts name regions that there are: those that came, and while the fleet is another all of them.
    fn check_regions(&self, fleet: &FleetEntry, is_same_fleet: bool) -> Result<(), Refused> {
        if is_same_fleet {
            return self.changed.iter().try_for_each(|zone| fleet::check_regions(zone, fleet));
        }
        self.zones.iter().try_for_each(|zone| fleet::check_regions(zone, fleet))
    }

    /// Zones that have not changed themselves go over to the new content of their pools.
    fn follow_pools(&mut self, next: &NextPools) -> Result<(), Refused> {
        let left_behind = |zone: &&Arc<ZoneEntry>| {
            zone.pool.as_ref().is_some_and(|pool| next.replaced.contains(&pool.serial))
        };
        let zones: Vec<_> = self.zones.iter().filter(left_behind).cloned().collect();
        for zone in zones {
            let Some(old) = &zone.pool else { continue };
            let pool = next.pools.get(old.id.as_bytes()).cloned();
            let Some(pool) = pool else {
                return Err(zones::unknown_pool(&old.id).within(zones::place(&zone.id)));
            };
            self.remove(&zone.id);
            self.add(Arc::new(ZoneEntry { pool: Some(pool), ..ZoneEntry::clone(&zone) }))?;
        }
        Ok(())
    }
}
