//! What contradicts itself is refused whole, and the message names the place.

mod common;

use common::{address, build, certificate, difference, host, listener, origin, pool, snapshot, zone};
use egressway_snapshot::wire::{Distance, Fleet, Link, Peer, Region, Rung, Snapshot};
use egressway_snapshot::{TableBuilder, encode};

/// Refused with a message that begins with `place` and contains `problem`.
fn refused(change: impl FnOnce(&mut Snapshot), place: &str, problem: &str) {
    let mut wrong = snapshot();
    change(&mut wrong);
    let error = build(&mut TableBuilder::new(), &wrong).expect_err("refused");
    assert_eq!(error.place, place, "{error}");
    assert!(error.problem.contains(problem), "{error}");
    assert_eq!(error.to_string(), format!("{}: {}", error.place, error.problem));
}

fn refused_slices(slices: &[(u16, u16)], cap: u32, problem: &str) {
    refused(
        |s| s.pools[1].addresses[0] = address("192.0.2.2", slices, cap),
        "pool p1, address 192.0.2.2",
        problem,
    );
}

#[test]
fn slices_that_are_no_ranges_in_order_are_refused() {
    refused_slices(&[], 1, "no slices");
    refused_slices(&[(0, 10)], 1, "port 0");
    refused_slices(&[(20, 10)], 1, "ends before it begins");
    refused_slices(&[(10, 20), (20, 30)], 1, "slice 20-30 overlaps");
    refused_slices(&[(30, 40), (10, 20)], 1, "slice 10-20 overlaps or comes before");
}

#[test]
fn a_cap_that_the_slices_cannot_hold_is_refused() {
    refused_slices(&[(10, 20)], 0, "cap 0");
    refused_slices(&[(10, 20), (30, 30)], 13, "cap 13 is more than the 12 ports");
    let mut full = snapshot();
    full.pools[1].addresses[0] = address("192.0.2.2", &[(1, 65535)], 65_535);
    build(&mut TableBuilder::new(), &full).expect("a whole address");
}

#[test]
fn an_address_belongs_to_one_pool() {
    for slices in [&[(2000, 2999)][..], &[(2500, 2600)], &[(3000, 3999)]] {
        refused(
            |s| s.pools.push(pool("p2", vec![address("192.0.2.2", slices, 1)])),
            "pool p2, address 192.0.2.2",
            "it is in pool p1 already",
        );
    }
}

#[test]
fn an_address_that_cannot_be_an_egress_address_is_refused() {
    let one = |ip: &'static str| move |s: &mut Snapshot| s.pools[1].addresses[0] = address(ip, &[(1, 9)], 1);
    refused(one("0.0.0.0"), "pool p1, address 0.0.0.0", "nothing can leave");
    refused(one("::ffff:192.0.2.2"), "pool p1, address ::ffff:192.0.2.2", "write it as IPv4");
    let twice = |s: &mut Snapshot| s.pools[1].addresses.push(address("192.0.2.2", &[(5000, 5001)], 1));
    refused(twice, "pool p1, address 192.0.2.2", "twice");
}

#[test]
fn pools_that_are_unknown_or_there_twice_are_refused() {
    refused(|s| s.zones[0].pool = Some("p9".to_owned()), "zone z1, pool p9", "no such pool");
    refused(|s| s.shared_pool = "p9".to_owned(), "shared_pool", "\"p9\"");
    refused(|s| s.pools.push(pool("p1", Vec::new())), "pool p1", "two pools");
}

#[test]
fn zones_and_hostnames_that_are_there_twice_are_refused() {
    refused(|s| s.zones.push(zone("z1", &[])), "zone z1", "twice");
    let taken = |s: &mut Snapshot| s.zones.push(zone("z2", &["WWW.example.com."]));
    refused(taken, "zone z2, host www.example.com", "zone z1");
    refused(|s| s.zones.push(zone("z2", &["*.example.com"])), "zone z2, host *.example.com", "zone z1");
    refused(|s| s.zones[0].hosts.push(host("www.example.com")), "zone z1, host www.example.com", "zone z1");
}

#[test]
fn bad_hosts_and_origins_are_refused() {
    refused(|s| s.zones[0].hosts[0].name = "a b".to_owned(), "zone z1, host a b", "no hostname");
    let place = |field: &str| format!("zone z1, host www.example.com, origin 203.0.113.1:80, {field}");
    let origin = |change: fn(&mut egressway_snapshot::wire::Origin)| {
        move |s: &mut Snapshot| change(&mut s.zones[0].hosts[0].origins[0])
    };
    refused(
        origin(|o| o.port = 0),
        "zone z1, host www.example.com, origin 203.0.113.1:0, port",
        "cannot be connected to",
    );
    refused(origin(|o| o.h2_max_streams = 0), &place("h2_max_streams"), "http2 to false");
    refused(origin(|o| o.sni = Some("a b".to_owned())), &place("sni"), "no TLS server name");
    refused(origin(|o| o.host = Some("a\r\nX: y".to_owned())), &place("host"), "Host field");
}

#[test]
fn certificates_that_cannot_be_served_are_refused() {
    let with = |change: fn(&mut egressway_snapshot::wire::Certificate)| {
        move |s: &mut Snapshot| {
            let mut certificate = certificate("c1", &["www.example.com"]);
            change(&mut certificate);
            s.zones[0].certificates.push(certificate);
        }
    };
    let place = "zone z1, certificate c1";
    refused(
        with(|c| c.key = certificate("c2", &["www.example.com"]).key),
        place,
        "the key that belongs to it",
    );
    refused(with(|c| c.key = vec![1, 2, 3].into()), place, "PKCS#8");
    refused(with(|c| c.chain[0] = vec![0x30, 0].into()), place, "cannot be read");
    refused(with(|c| c.chain.clear()), place, "chain is empty");
    refused(with(|c| c.hosts[0] = "a b".to_owned()), "zone z1, certificate c1, hosts", "not a hostname");
}

#[test]
fn bad_networks_are_refused() {
    let bad = || vec!["10.0.0.0/99".to_owned()];
    refused(|s| s.settings.denied_origins = bad(), "settings, denied_origins", "10.0.0.0/99");
    refused(|s| s.settings.allowed_origins = bad(), "settings, allowed_origins", "10.0.0.0/99");
    refused(|s| s.settings.trusted_clients = bad(), "settings, trusted_clients", "10.0.0.0/99");
    refused(
        |s| s.listeners[0].proxy_protocol_from = Some(bad()),
        "listener 127.0.0.1:8680, proxy_protocol_from",
        "10.0.0.0/99",
    );
}

#[test]
fn a_listener_is_there_once_unless_its_port_is_any() {
    refused(|s| s.listeners.push(listener(8680)), "listener 127.0.0.1:8680", "two listeners");
    let mut any = snapshot();
    any.listeners = vec![listener(0), listener(0)];
    assert_eq!(common::tables(&any).listeners().len(), 2);
}

#[test]
fn a_newer_layout_is_refused_as_such_whatever_else_it_holds() {
    refused(|s| s.wire += 1, "wire", "newer than this build understands");
    // A map of `wire` and a field that no layout of today has.
    let strange = b"\x82\xa4wire\x63\xa6unheard\xc0";
    let error = TableBuilder::new().build(strange).expect_err("refused");
    assert!(error.to_string().starts_with("wire: snapshot layout 99 is newer"), "{error}");
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let bytes = encode(&snapshot()).expect("encode");
    for end in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        let error = TableBuilder::new().build(&bytes[..end]).expect_err("refused");
        assert_eq!(error.place, "snapshot", "{error}");
    }
}

#[test]
fn a_difference_to_what_is_not_in_place_is_refused() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    let error = build(&mut builder, &difference(&base)).expect_err("nothing in place");
    assert_eq!(error.place, "base_revision", "{error}");
    build(&mut builder, &base).expect("builds");
    let other = Snapshot { base_revision: Some(7), ..difference(&base) };
    let error = build(&mut builder, &other).expect_err("refused");
    assert!(error.problem.contains("revision 7, but 1 is in place; send a whole snapshot"), "{error}");
}

#[test]
fn a_refused_snapshot_leaves_everything_as_it_was() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    let before = build(&mut builder, &base).expect("builds");
    let mut wrong = difference(&base);
    wrong.zones = vec![zone("z2", &["new.example.com"]), zone("z3", &["www.example.com"])];
    wrong.zones[0].hosts[0].origins.push(origin("203.0.113.9", 81));
    build(&mut builder, &wrong).expect_err("taken hostname");
    assert!(
        before.find(b"new.example.com").is_some_and(|found| &*found.zone.id == "z1"),
        "only the wildcard"
    );
    let mut right = difference(&base);
    right.zones = vec![zone("z2", &["new.example.com"])];
    let after = build(&mut builder, &right).expect("the base is still in place");
    assert!(after.find(b"new.example.com").is_some_and(|found| &*found.zone.id == "z2"));
}

#[test]
fn a_difference_may_not_take_a_pool_from_under_a_zone() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    build(&mut builder, &base).expect("builds");
    let mut wrong = difference(&base);
    wrong.pools.pop();
    let error = build(&mut builder, &wrong).expect_err("refused");
    assert_eq!(error.place, "zone z1, pool p1", "{error}");
}

fn fleet() -> Fleet {
    let peer = |server: &str, data_center: &str, location: &str| Peer {
        server: server.to_owned(),
        data_center: data_center.to_owned(),
        location: location.to_owned(),
        address: [192, 0, 2, 10].into(),
        port: 7443,
    };
    Fleet {
        server: "here".to_owned(),
        data_center: "ams-1".to_owned(),
        location: "ams".to_owned(),
        link: Some(Link { address: [127, 0, 0, 1].into(), port: 0 }),
        peers: vec![
            peer("near", "ams-1", "ams"),
            peer("beside", "ams-2", "ams"),
            peer("far", "fra-1", "fra"),
            peer("further", "par-1", "par"),
        ],
        regions: vec![Region { key: "eu".to_owned(), servers: vec!["here".to_owned(), "far".to_owned()] }],
    }
}

fn rung(rung: Distance, location: &str, servers: &[&str]) -> Rung {
    let servers = servers.iter().map(|name| (*name).to_owned()).collect();
    Rung { rung, location: location.to_owned(), servers }
}

#[test]
fn a_fleet_that_contradicts_itself_is_refused() {
    let with = |change: fn(&mut Fleet)| {
        move |s: &mut Snapshot| {
            s.fleet = fleet();
            change(&mut s.fleet);
        }
    };
    refused(with(|f| f.server.clear()), "fleet", "no name");
    refused(with(|f| f.peers[1].server = "NEAR".to_owned()), "fleet, peer NEAR", "twice");
    refused(with(|f| f.peers[1].server = "here".to_owned()), "fleet, peer here", "receiver itself");
    refused(with(|f| f.peers[1].server = "a b".to_owned()), "fleet, peer a b", "certificate");
    refused(with(|f| f.peers[0].port = 0), "fleet, peer near", "cannot be connected to");
    refused(with(|f| f.peers[0].address = [0; 4].into()), "fleet, peer near", "cannot be connected to");
    refused(with(|f| f.regions[0].servers.push("lost".to_owned())), "fleet, region eu", "server lost");
    refused(with(|f| f.regions.push(f.regions[0].clone())), "fleet, region eu", "twice");
}

#[test]
fn a_ladder_that_leads_further_than_it_says_is_refused() {
    let with = |rungs: Vec<Rung>| {
        move |s: &mut Snapshot| {
            s.fleet = fleet();
            s.pools[1].elsewhere = rungs;
        }
    };
    let place = "pool p1, elsewhere";
    use Distance::{Closest, DataCenter, Location};
    refused(with(vec![rung(DataCenter, "ams", &["lost"])]), place, "server lost is not a peer");
    refused(with(vec![rung(DataCenter, "ams", &["here"])]), place, "server here is not a peer");
    refused(with(vec![rung(DataCenter, "ams", &["beside"])]), place, "beside does not stand on rung");
    refused(with(vec![rung(Location, "ams", &["far"])]), place, "far does not stand on rung");
    refused(with(vec![rung(Closest, "fra", &["far", "further"])]), place, "further does not stand on rung");
    refused(
        with(vec![rung(Location, "ams", &["beside"]), rung(DataCenter, "ams", &["near"])]),
        place,
        "order of the ladder",
    );
    refused(with(vec![rung(DataCenter, "ams", &["near", "near"])]), place, "there twice");
    let mut good = snapshot();
    with(vec![
        rung(DataCenter, "ams", &["near"]),
        rung(Location, "ams", &["beside"]),
        rung(Closest, "fra", &["far"]),
        rung(Closest, "par", &["further"]),
    ])(&mut good);
    build(&mut TableBuilder::new(), &good).expect("a ladder");
}

#[test]
fn peers_that_leave_take_no_rung_and_no_region_with_them() {
    let mut base = snapshot();
    base.fleet = fleet();
    base.pools[1].elsewhere = vec![rung(Distance::Closest, "fra", &["far"])];
    base.zones[0].hosts[0].region = Some("eu".to_owned());
    let mut builder = TableBuilder::new();
    build(&mut builder, &base).expect("builds");
    let mut without = difference(&base);
    without.fleet.peers.retain(|peer| peer.server != "far");
    without.fleet.regions[0].servers.pop();
    let error = build(&mut builder, &without).expect_err("refused");
    assert_eq!(error.place, "pool p1, elsewhere", "the pools are the same bytes as before");
    without.pools[1].elsewhere.clear();
    without.fleet.regions.clear();
    let error = build(&mut builder, &without).expect_err("refused");
    assert_eq!(error.place, "zone z1, host www.example.com", "the zone is not in the difference");
}
