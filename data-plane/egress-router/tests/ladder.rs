//! Whatever the fleet looks like: the ladder goes outwards, load keeps it in its location, and it never goes round.

use egressway_core::fleet::{Elsewhere, Rung, Server};
use egressway_core::{EgressAddress, EgressPool};
use egressway_egress_router::{Candidate, Question};
use egressway_snapshot::RegionEntry;
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

const ORIGIN: &str = "198.51.100.1:443";

/// A pool, and the fleet around it.
#[derive(Debug, Clone)]
struct World {
    /// Own addresses: whether IPv4, whether draining.
    own: Vec<(bool, bool)>,
    /// Servers in the data center, in the location, and in each other location.
    rungs: Vec<(Rung, u32)>,
    overflow: bool,
}

fn server(serial: u32) -> Arc<Server> {
    Arc::new(Server::new(serial, &format!("server-{serial}")))
}

impl World {
    fn pool(&self) -> EgressPool {
        let address = |(i, (is_ipv4, draining)): (usize, &(bool, bool))| EgressAddress {
            ip: if *is_ipv4 {
                [192, 0, 2, i as u8].into()
            } else {
                [0x2001, 0xdb8, 0, 0, 0, 0, 0, i as u16].into()
            },
            slices: [(20_000, 20_999)].as_slice().into(),
            cap: 10,
            draining: *draining,
        };
        let mut serial = 0;
        let step = |(rung, count): &(Rung, u32)| {
            let servers = (serial..serial + count).map(server).collect();
            serial += count;
            Elsewhere { rung: *rung, location: "".into(), servers }
        };
        let elsewhere = self.rungs.iter().map(step).collect();
        EgressPool::new("pool", self.own.iter().enumerate().map(address).collect())
            .among(self.overflow, elsewhere)
    }

    /// The location of a peer, this server's own being 0.
    fn place(&self, serial: u32) -> usize {
        let (mut place, mut seen) = (0, 0);
        for (rung, count) in &self.rungs {
            place += usize::from(!rung.is_here());
            seen += count;
            if serial < seen {
                return place;
            }
        }
        unreachable!("a server of the pool")
    }
}

fn world() -> impl Strategy<Value = World> {
    let own = proptest::collection::vec((any::<bool>(), any::<bool>()), 0..4);
    let near = (0u32..4, 0u32..4, any::<bool>(), any::<bool>());
    let far = proptest::collection::vec(1u32..4, 0..4);
    (own, near, far, any::<bool>()).prop_map(
        |(own, (center, location, has_center, has_location), far, overflow)| {
            let near = [(Rung::DataCenter, center, has_center), (Rung::Location, location, has_location)];
            let near =
                near.into_iter().filter(|(.., is_there)| *is_there).map(|(rung, count, _)| (rung, count));
            World {
                own,
                rungs: near.chain(far.into_iter().map(|count| (Rung::Closest, count))).collect(),
                overflow,
            }
        },
    )
}

/// All that the ladder gives; `full` says after which candidates it is told that they are exhausted.
fn walk(
    question: Question<'_>,
    is_up: impl Fn(&Server) -> bool,
    full: impl Fn(usize) -> bool,
) -> Vec<(Rung, Option<u32>)> {
    let mut ladder = question.ladder();
    let mut given = Vec::new();
    while let Some(candidate) = ladder.next(&is_up) {
        if full(given.len()) {
            ladder.exhausted();
        }
        given.push(match candidate {
            Candidate::Here => (Rung::Server, None),
            Candidate::Peer(rung, server) => (rung, Some(server.serial)),
        });
    }
    given
}

fn question(pool: &EgressPool) -> Question<'_> {
    Question { pool, origin: ORIGIN.parse().expect("address"), region: None, is_linked: false }
}

proptest! {
    #[test]
    fn rungs_come_in_order_and_every_living_server_once(world in world(), dead in any::<u16>()) {
        let pool = world.pool();
        let is_up = |server: &Server| dead & (1 << server.serial) == 0;
        let given = walk(question(&pool), is_up, |_| false);
        prop_assert!(given.is_sorted_by_key(|(rung, _)| *rung));
        let peers: Vec<u32> = given.iter().filter_map(|(_, serial)| *serial).collect();
        prop_assert!(peers.is_sorted_by_key(|serial| world.place(*serial)), "the closest location first");
        let expected: HashSet<u32> = (0..world.rungs.iter().map(|(_, count)| count).sum())
            .filter(|serial| dead & (1 << serial) == 0)
            .collect();
        prop_assert_eq!(peers.len(), expected.len());
        prop_assert_eq!(peers.into_iter().collect::<HashSet<_>>(), expected);
        let has_own = world.own.iter().any(|(is_ipv4, draining)| *is_ipv4 && !draining);
        prop_assert_eq!(given.iter().any(|(_, serial)| serial.is_none()), has_own);
    }

    #[test]
    fn load_never_leads_to_another_location(world in world(), dead in any::<u16>(), full in any::<u16>()) {
        let world = World { overflow: false, ..world };
        let pool = world.pool();
        let is_up = |server: &Server| dead & (1 << server.serial) == 0;
        let given = walk(question(&pool), is_up, |i| full & (1 << i.min(15)) != 0);
        let place = |serial: Option<u32>| serial.map_or(0, |serial| world.place(serial));
        for (i, (_, serial)) in given.iter().enumerate().filter(|(i, _)| full & (1 << i.min(&15)) != 0) {
            for (_, later) in &given[i..] {
                prop_assert_eq!(place(*later), place(*serial), "candidate {} was exhausted: {:?}", i, given);
            }
        }
    }

    #[test]
    fn overflow_goes_to_one_location_more(world in world(), dead in any::<u16>()) {
        let world = World { overflow: true, ..world };
        let pool = world.pool();
        let is_up = |server: &Server| dead & (1 << server.serial) == 0;
        let given = walk(question(&pool), is_up, |_| true);
        let mut places: Vec<_> =
            given.iter().map(|(_, serial)| serial.map_or(0, |serial| world.place(serial))).collect();
        prop_assert!(places.is_sorted());
        places.dedup();
        prop_assert!(places.len() <= 2, "{:?}", given);
    }

    #[test]
    fn ipv6_and_what_came_over_the_link_are_never_forwarded(world in world(), is_linked in any::<bool>()) {
        let pool = world.pool();
        let origin: SocketAddr =
            if is_linked { ORIGIN.parse() } else { "[2001:db8::9]:443".parse() }.expect("address");
        let question = Question { is_linked, origin, ..question(&pool) };
        let given = walk(question, |_| true, |_| false);
        prop_assert!(given.iter().all(|(rung, _)| *rung == Rung::Server), "{:?}", given);
        prop_assert_eq!(question.is_placed(), !given.is_empty());
        prop_assert!(!question.ladder().has_more());
    }

    #[test]
    fn a_region_admits_its_own_servers_alone(world in world(), inside in any::<u16>(), is_inside in any::<bool>()) {
        let pool = world.pool();
        let servers = (0..16).filter(|serial| inside & (1 << serial) != 0).map(server).collect();
        let region = RegionEntry { is_inside, servers };
        let question = Question { region: Some(&region), ..question(&pool) };
        let given = walk(question, |_| true, |_| false);
        let admits = |serial: &Option<u32>| serial.map_or(is_inside, |serial| inside & (1 << serial) != 0);
        prop_assert!(given.iter().all(|(_, serial)| admits(serial)), "{:?}", given);
        prop_assert_eq!(question.is_placed(), !given.is_empty());
    }

    #[test]
    fn what_may_follow_an_exhausted_candidate_is_known_before(world in world(), overflow in any::<bool>()) {
        let world = World { overflow, ..world };
        let pool = world.pool();
        let mut ladder = question(&pool).ladder();
        let Some(_) = ladder.next(|_| true) else { return Ok(()) };
        let has_more = ladder.has_more();
        ladder.exhausted();
        prop_assert_eq!(ladder.next(|_| true).is_some(), has_more);
    }
}

#[test]
fn origins_are_spread_over_servers_and_a_server_that_leaves_moves_only_its_own() {
    let world = World { own: Vec::new(), rungs: vec![(Rung::DataCenter, 5)], overflow: false };
    let pool = world.pool();
    let first = |port: u16, is_up: &dyn Fn(&Server) -> bool| {
        let origin = SocketAddr::from(([198, 51, 100, 1], port));
        walk(Question { origin, ..question(&pool) }, is_up, |_| false)[0].1.expect("a peer")
    };
    let mut counts = [0; 5];
    for port in 1..=1000 {
        let all = first(port, &|_| true);
        counts[all as usize] += 1;
        let without = first(port, &|server| server.serial != 3);
        assert!(all == 3 || all == without, "port {port} moved from {all} to {without}");
    }
    assert!(counts.iter().all(|count| (120..280).contains(count)), "{counts:?}");
}
