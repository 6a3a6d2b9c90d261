//! A connection for a host of a region that this server stands outside of: handed, as it came, to a server inside.
//!
//! Nothing of it is answered here and no key is needed here. The server is chosen by health, then distance, then load:
//! the nearest data center that can be reached, in it the server with the fewest connections passed on from here, and
//! among equals the one that answers faster (`docs/decisions/0015`).

use crate::passed_log::PassedEntry;
use crate::service::WorkerService;
use egressway_core::fleet::Server;
use egressway_core::{Code, Deadline, Error};
use egressway_ingress::PassedOn;
use egressway_ingress::splice::{Copied, splice};
use egressway_link::Links;
use egressway_link::passed::{Opening, PassedStream, pass};
use egressway_snapshot::{FleetEntry, RegionEntry};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Connections that are passed on from here, by server.
#[derive(Default)]
pub struct Passing(Mutex<HashMap<u32, u32, RandomState>>);

/// One of them, for as long as it lives.
struct Passed<'a> {
    passing: &'a Passing,
    server: u32,
}

impl Passing {
    fn to(&self, server: &Server) -> u32 {
        self.0.lock().get(&server.serial).copied().unwrap_or(0)
    }

    fn begin(&self, server: &Server) -> Passed<'_> {
        *self.0.lock().entry(server.serial).or_insert(0) += 1;
        Passed { passing: self, server: server.serial }
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        let mut open = self.passing.0.lock();
        if let Some(count) = open.get_mut(&self.server) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.server);
            }
        }
    }
}

/// The servers of `region` that may be tried, best first.
fn candidates(
    region: &RegionEntry,
    fleet: &FleetEntry,
    is_up: impl Fn(&Server) -> bool,
    load: impl Fn(&Server) -> (u32, u64),
) -> Vec<Arc<Server>> {
    let mut data_centers: Vec<&str> = Vec::new();
    let mut ranked: Vec<_> = region
        .servers
        .iter()
        .filter_map(|server| {
            let data_center = &*fleet.peer(server)?.data_center;
            // The list is nearest first: so are the data centers that are met in it.
            let distance = data_centers.iter().position(|known| *known == data_center).unwrap_or_else(|| {
                data_centers.push(data_center);
                data_centers.len() - 1
            });
            is_up(server).then(|| ((distance, load(server)), server))
        })
        .collect();
    // Stable: among equals the nearer one stays ahead.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, server)| server.clone()).collect()
}

/// Passes `connection` on and stays with it to its end.
///
/// # Errors
/// No server takes it; it is given back as it came.
pub async fn pass_on(
    service: &WorkerService,
    connection: PassedOn,
    deadline: &Deadline,
) -> Result<(), PassedOn> {
    let current = service.shared.current.load_full();
    let tables = &current.tables;
    let mut entry = PassedEntry::begin(&connection);
    let found = tables.find(connection.host.as_bytes());
    let region = found.and_then(|found| tables.region_elsewhere(found.host));
    let (Some(found), Some(region)) = (found, region) else {
        // It was there a moment ago: whoever serves it here says what it is now.
        return Err(connection);
    };
    entry.zone = Some(found.zone.clone());
    entry.region = found.host.region.clone();
    let (links, passing) = (&service.shared.links, &service.shared.passing);
    let opening = Opening {
        client: connection.client,
        local: connection.local,
        is_tls: connection.is_tls,
        server: &tables.fleet.server,
    };
    deadline.clear();
    let dead = Duration::from_millis(tables.settings.link_dead_ms.into());
    let servers = candidates(
        region,
        &tables.fleet,
        |server| links.is_up(server),
        |server| (passing.to(server), links.rtt_us(server)),
    );
    let mut last = Error::because(Code::RegionUnreachable, "no server of the region is up");
    for server in servers {
        entry.attempts += 1;
        match open(links, &server, service.worker, &opening, dead).await {
            Ok(stream) => {
                let _passed = passing.begin(&server);
                service.counters.add_passed();
                entry.server = Some(server.clone());
                let copied = carry(connection, stream, deadline, current.waits.tunnel_idle, &mut entry).await;
                entry.error = copied.err();
                service.record_passed(&entry);
                return Ok(());
            }
            Err(error) => last = Error { code: Code::RegionUnreachable, ..error },
        }
    }
    entry.error = Some(last);
    service.record_passed(&entry);
    Err(connection)
}

/// A stream to `server`, which has said that it serves the connection.
async fn open(
    links: &Arc<Links>,
    server: &Server,
    worker: usize,
    opening: &Opening<'_>,
    dead: Duration,
) -> Result<PassedStream, Error> {
    let seat = links.seat(server, worker).await?;
    let Ok(passed) = tokio::time::timeout(dead, pass(seat, opening)).await else {
        links.give_up(server, worker);
        let cause = format_args!("{}: it did not answer in time", server.name);
        return Err(Error::because(Code::EgressServerUnreachable, cause));
    };
    passed.map_err(|error| {
        let cause = error.cause.as_deref().unwrap_or("it was lost");
        Error::because(Code::EgressServerUnreachable, format_args!("{}: {cause}", server.name))
    })
}

async fn carry(
    mut connection: PassedOn,
    mut stream: PassedStream,
    deadline: &Deadline,
    idle: Duration,
    entry: &mut PassedEntry,
) -> Result<(), Error> {
    let begun = std::mem::take(&mut connection.begun);
    let mut copied = Copied::default();
    let outcome = splice(&mut connection.transport, begun, &mut stream, deadline, idle, &mut copied).await;
    (entry.bytes_in, entry.bytes_out) = (copied.sent, copied.received);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use egressway_snapshot::TableBuilder;
    use egressway_snapshot::wire::{Fleet, Peer, Pool, Region, Settings, Snapshot, WIRE};

    fn order(up: &[&str], open: &[(&str, u32)], rtt: &[(&str, u64)]) -> Vec<String> {
        let names = [("near-1", "dc-1"), ("near-2", "dc-1"), ("far-1", "dc-2"), ("near-3", "dc-1")];
        let mut around = Fleet {
            server: "here".to_owned(),
            data_center: "dc-0".to_owned(),
            location: "one".to_owned(),
            ..Fleet::default()
        };
        for (name, data_center) in names {
            around.peers.push(Peer {
                server: name.to_owned(),
                data_center: data_center.to_owned(),
                location: "two".to_owned(),
                address: [192, 0, 2, 1].into(),
                port: 1,
            });
        }
        let servers = names.iter().map(|(name, _)| (*name).to_owned()).collect();
        around.regions.push(Region { key: "eu".to_owned(), servers });
        let snapshot = Snapshot {
            wire: WIRE,
            revision: 1,
            base_revision: None,
            settings: Settings::default(),
            listeners: Vec::new(),
            pools: vec![Pool {
                id: "shared".to_owned(),
                addresses: Vec::new(),
                overflow: false,
                elsewhere: Vec::new(),
            }],
            shared_pool: "shared".to_owned(),
            zones: Vec::new(),
            removed_zones: Vec::new(),
            fleet: around,
        };
        let bytes = egressway_snapshot::encode(&snapshot).expect("bytes");
        let fleet = TableBuilder::new().build(&bytes).expect("tables").fleet.clone();
        let region = fleet.region("eu").expect("the region");
        let of =
            |list: &[(&str, u32)], name: &str| list.iter().find(|(n, _)| *n == name).map_or(0, |(_, v)| *v);
        let rtt = |name: &str| rtt.iter().find(|(n, _)| *n == name).map_or(0, |(_, v)| *v);
        let found = candidates(
            region,
            &fleet,
            |server| up.contains(&&*server.name),
            |server| (of(open, &server.name), rtt(&server.name)),
        );
        found.iter().map(|server| server.name.to_string()).collect()
    }

    const ALL: &[&str] = &["near-1", "near-2", "near-3", "far-1"];

    #[test]
    fn the_nearest_data_center_comes_first_and_load_moves_within_it_alone() {
        assert_eq!(order(ALL, &[], &[]), ["near-1", "near-2", "near-3", "far-1"]);
        assert_eq!(order(ALL, &[("near-1", 9), ("near-2", 1)], &[]), ["near-3", "near-2", "near-1", "far-1"]);
    }

    #[test]
    fn among_equally_loaded_servers_the_faster_one_is_taken() {
        let rtt = [("near-1", 900), ("near-2", 300), ("near-3", 500), ("far-1", 1)];
        assert_eq!(order(ALL, &[], &rtt), ["near-2", "near-3", "near-1", "far-1"]);
    }

    #[test]
    fn dead_servers_are_skipped() {
        assert_eq!(order(&["near-3", "far-1"], &[("near-3", 50)], &[]), ["near-3", "far-1"]);
        assert!(order(&[], &[], &[]).is_empty());
    }

    #[test]
    fn what_is_passed_on_is_counted_while_it_lasts() {
        let (passing, server) = (Passing::default(), Server::new(7, "far"));
        let (first, second) = (passing.begin(&server), passing.begin(&server));
        assert_eq!(passing.to(&server), 2);
        drop((first, second));
        assert_eq!(passing.to(&server), 0);
    }
}
