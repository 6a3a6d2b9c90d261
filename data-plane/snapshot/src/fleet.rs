//! The fleet around this server: who else there is, where it stands, and which servers a pool is held by.
//!
//! Everything is checked when the table is built, so that a rung of the ladder cannot lead further than it says:
//! `data_center` to another data center, or `location` to another location.

use crate::names::hostname;
use crate::refused::Refused;
use crate::tables::ZoneEntry;
use crate::wire;
use egressway_core::EgressPool;
use egressway_core::fleet::{Elsewhere, Rung, Server};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type Set<T> = HashSet<T, foldhash::fast::RandomState>;

/// Gives every server one number, for the life of the process.
#[derive(Default)]
pub(crate) struct ServerInterner(Map<Box<str>, Arc<Server>>);

impl ServerInterner {
    pub fn intern(&mut self, name: &str) -> Arc<Server> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let server = Arc::new(Server::new(self.0.len() as u32, name));
        self.0.insert(name.into(), server.clone());
        server
    }
}

/// Another server, and where its link listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    pub server: Arc<Server>,
    pub data_center: Box<str>,
    pub location: Box<str>,
    pub link: SocketAddr,
}

/// The servers of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionEntry {
    /// This server is one of them.
    pub is_inside: bool,
    /// The others, nearest first.
    pub servers: Box<[Arc<Server>]>,
}

impl RegionEntry {
    pub fn contains(&self, server: &Server) -> bool {
        self.servers.iter().any(|inside| inside.serial == server.serial)
    }
}

/// This server among the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FleetEntry {
    /// Name of this server; empty while it is alone.
    pub server: Box<str>,
    pub data_center: Box<str>,
    pub location: Box<str>,
    /// Where this server takes connections of its peers.
    pub link: Option<SocketAddr>,
    peers: Map<u32, PeerEntry>,
    regions: Map<Box<str>, RegionEntry>,
}

impl FleetEntry {
    pub fn peers(&self) -> impl Iterator<Item = &PeerEntry> {
        self.peers.values()
    }

    pub fn peer(&self, server: &Server) -> Option<&PeerEntry> {
        self.peers.get(&server.serial)
    }

    /// The peer that calls itself `name`, if this snapshot knows it.
    pub fn peer_named(&self, name: &str) -> Option<&PeerEntry> {
        self.peers.values().find(|peer| peer.server.name.eq_ignore_ascii_case(name))
    }

    /// This server stands outside of some region.
    pub fn has_region_elsewhere(&self) -> bool {
        self.regions.values().any(|region| !region.is_inside)
    }

    pub fn region(&self, key: &str) -> Option<&RegionEntry> {
        self.regions.get(key)
    }
}

/// # Errors
/// A peer or region contradicts itself or another.
pub(crate) fn read(wire: &wire::Fleet, servers: &mut ServerInterner) -> Result<FleetEntry, Refused> {
    let mut fleet = FleetEntry {
        server: wire.server.as_str().into(),
        data_center: wire.data_center.as_str().into(),
        location: wire.location.as_str().into(),
        link: wire.link.as_ref().map(|link| SocketAddr::new(link.address.to_canonical(), link.port)),
        ..FleetEntry::default()
    };
    if wire.server.is_empty() && (wire.link.is_some() || !wire.peers.is_empty()) {
        return Err(Refused::new("fleet", "there are peers or a link, but this server has no name; give it"));
    }
    let mut names = Set::<String>::default();
    names.insert(wire.server.to_ascii_lowercase());
    for peer in &wire.peers {
        let refuse = |problem: &str| Err(Refused::new(format!("fleet, peer {}", peer.server), problem));
        if hostname(&peer.server).is_none() {
            return refuse("a server's name stands in its certificate; use letters, digits and `-`");
        }
        if !names.insert(peer.server.to_ascii_lowercase()) {
            return refuse("this server is there twice, or is the receiver itself; send each peer once");
        }
        if peer.port == 0 || peer.address.is_unspecified() {
            return refuse("this cannot be connected to; give the address and port of its link");
        }
        let entry = PeerEntry {
            server: servers.intern(&peer.server),
            data_center: peer.data_center.as_str().into(),
            location: peer.location.as_str().into(),
            link: SocketAddr::new(peer.address.to_canonical(), peer.port),
        };
        fleet.peers.insert(entry.server.serial, entry);
    }
    for region in &wire.regions {
        let entry = read_region(region, &fleet, servers)?;
        if fleet.regions.insert(region.key.as_str().into(), entry).is_some() {
            return Err(Refused::new(region_place(&region.key), "the region is there twice; send it once"));
        }
    }
    Ok(fleet)
}

fn region_place(key: &str) -> String {
    format!("fleet, region {key}")
}

fn read_region(
    region: &wire::Region,
    fleet: &FleetEntry,
    servers: &mut ServerInterner,
) -> Result<RegionEntry, Refused> {
    let mut entry = RegionEntry { is_inside: false, servers: Box::default() };
    let mut others = Vec::with_capacity(region.servers.len());
    for name in &region.servers {
        if **name == *fleet.server {
            entry.is_inside = true;
            continue;
        }
        let server = servers.intern(name);
        if fleet.peer(&server).is_none() {
            let problem = format!("server {name} is neither this one nor a peer; send it as a peer");
            return Err(Refused::new(region_place(&region.key), problem));
        }
        others.push(server);
    }
    entry.servers = others.into();
    Ok(entry)
}

/// Servers of a pool as the wire names them.
pub(crate) fn read_elsewhere(rungs: &[wire::Rung], servers: &mut ServerInterner) -> Vec<Elsewhere> {
    let read = |rung: &wire::Rung| Elsewhere {
        rung: match rung.rung {
            wire::Distance::DataCenter => Rung::DataCenter,
            wire::Distance::Location => Rung::Location,
            wire::Distance::Closest => Rung::Closest,
        },
        location: rung.location.as_str().into(),
        servers: rung.servers.iter().map(|name| servers.intern(name)).collect(),
    };
    rungs.iter().map(read).collect()
}

/// Every rung holds peers that stand where it says, each server once, nearest first.
///
/// # Errors
/// One does not.
pub(crate) fn check_elsewhere(pool: &EgressPool, fleet: &FleetEntry) -> Result<(), Refused> {
    let refuse = |problem: String| Err(Refused::new(format!("pool {}, elsewhere", pool.id), problem));
    let mut last = Rung::Server;
    let mut seen = Vec::new();
    for step in &pool.elsewhere {
        if step.rung < last || (step.rung == last && step.rung.is_here()) {
            return refuse("the rungs are not in the order of the ladder, nearest first".to_owned());
        }
        last = step.rung;
        for server in &step.servers {
            let name = &server.name;
            let Some(peer) = fleet.peer(server) else {
                return refuse(format!("server {name} is not a peer; send it as one"));
            };
            if seen.contains(&server.serial) {
                return refuse(format!("server {name} is there twice; a server is on one rung"));
            }
            seen.push(server.serial);
            if distance(fleet, peer) != step.rung || peer.location != step.location {
                return refuse(format!("server {name} does not stand on rung `{}`", step.rung.as_str()));
            }
        }
    }
    Ok(())
}

fn distance(fleet: &FleetEntry, peer: &PeerEntry) -> Rung {
    if peer.location != fleet.location {
        Rung::Closest
    } else if peer.data_center == fleet.data_center {
        Rung::DataCenter
    } else {
        Rung::Location
    }
}

/// # Errors
/// A host is served in a region that the snapshot does not have.
pub(crate) fn check_regions(zone: &ZoneEntry, fleet: &FleetEntry) -> Result<(), Refused> {
    for host in &zone.hosts {
        let Some(key) = host.region.as_deref() else { continue };
        if fleet.region(key).is_none() {
            let place = format!("{}, host {}", crate::zones::place(&zone.id), host.name);
            return Err(Refused::new(place, format!("the snapshot has no region {key:?}; send it")));
        }
    }
    Ok(())
}
