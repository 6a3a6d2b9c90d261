//! What tables answer, and what one table hands on to the next.

mod common;

use common::{address, build, certificate, difference, host, pool, snapshot, tables, zone};
use egressway_snapshot::wire::{Distance, Peer, Rung, Snapshot, WIRE};
use egressway_snapshot::{TableBuilder, Tables, decode, encode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn zone_of(tables: &Tables, host: &str) -> Option<String> {
    tables.find(host.as_bytes()).map(|found| found.zone.id.to_string())
}

#[test]
fn the_wire_is_maps_by_name_with_addresses_as_text_and_keys_as_binary() {
    let mut whole = snapshot();
    whole.zones[0].certificates = vec![certificate("c1", &["www.example.com"])];
    let bytes = encode(&whole).expect("encode");
    assert_eq!(decode(&bytes).expect("decode"), whole);
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(bytes.starts_with(b"\x8a\xa4wire\x02"), "a map, wire first");
    assert!(has(b"\xa2ip\xa9192.0.2.2"), "an address is a string");
    assert!(has(b"\xa6scheme\xa4http") && has(b"\xa6verify\xa4full"), "enums are lower-case strings");
    assert!(has(b"\xa6slices\x92\x92\xcd\x07\xd0\xcd\x0b\xb7\x92"), "slices are pairs");
    assert!(has(b"\xa3key\xc4"), "a key is binary");
}

#[test]
fn fields_with_defaults_may_be_missing() {
    // A Python-made snapshot without any optional field.
    let mut minimal = snapshot();
    minimal.zones.clear();
    let full = encode(&minimal).expect("encode");
    let removed = b"\xadremoved_zones\x90";
    let at =
        full.windows(removed.len()).position(|window| window == removed).expect("the field before `fleet`");
    let mut short = full[..at].to_vec();
    short[0] -= 2;
    assert_eq!(decode(&short).expect("decode"), minimal);
    assert_eq!(minimal.wire, WIRE);
}

#[test]
fn a_name_goes_before_a_wildcard_and_a_wildcard_covers_one_level() {
    let mut whole = snapshot();
    whole.zones[0].hosts = vec![host("*.example.com"), host("Deep.Example.com.")];
    whole.zones.push(zone("z2", &["www.example.com", "*.a.example.com"]));
    let tables = tables(&whole);
    for (name, zone) in [
        ("www.example.com", Some("z2")),
        ("other.example.com", Some("z1")),
        ("deep.example.com", Some("z1")),
        ("a.example.com", Some("z1")),
        ("b.a.example.com", Some("z2")),
        ("c.b.a.example.com", None),
        ("example.com", None),
        (".example.com", None),
        ("com", None),
        ("", None),
        ("*.example.com", Some("z1")),
    ] {
        assert_eq!(zone_of(&tables, name).as_deref(), zone, "{name}");
    }
    let found = tables.find(b"other.example.com").expect("wildcard");
    assert_eq!(&*found.host.name, "*.example.com");
    assert_eq!((tables.zones(), tables.hosts()), (2, 4));
}

#[test]
fn forbidden_origins_are_forbidden_in_every_spelling() {
    let mut whole = snapshot();
    whole.settings.allowed_origins = vec!["127.0.0.8/29".to_owned()];
    let tables = tables(&whole);
    let permitted = |ip: &str| tables.origin_permitted(ip.parse().expect("address"));
    for ip in
        ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.1.2.3", "0.0.0.0", "::"]
    {
        assert!(!permitted(ip), "{ip}");
    }
    for ip in ["203.0.113.1", "2001:db8::1", "127.0.0.9", "::ffff:203.0.113.1", "::ffff:127.0.0.9"] {
        assert!(permitted(ip), "{ip}");
    }
}

#[test]
fn an_ipv4_origin_in_ipv6_form_is_an_ipv4_origin() {
    let mut whole = snapshot();
    whole.zones[0].hosts[0].origins[0].address = "::ffff:203.0.113.7".parse().expect("address");
    let tables = tables(&whole);
    let found = tables.find(b"www.example.com").expect("host");
    assert_eq!(found.host.origins[0].spec.socket_addr(), "203.0.113.7:80".parse().expect("address"));
}

#[test]
fn a_pool_keeps_its_serial_while_it_stays_the_same() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    let first = build(&mut builder, &base).expect("builds");
    let second = build(&mut builder, &Snapshot { revision: 2, ..base.clone() }).expect("builds");
    let pool_of = |tables: &Tables| tables.pool_of(tables.zone("z1").expect("zone")).clone();
    assert!(Arc::ptr_eq(&pool_of(&first), &pool_of(&second)));
    let mut changed = Snapshot { revision: 3, base_revision: Some(2), zones: Vec::new(), ..base };
    changed.pools[1].addresses[0].cap = 1_999;
    let third = build(&mut builder, &changed).expect("builds");
    assert_ne!(pool_of(&second).serial, pool_of(&third).serial, "another content, another serial");
    assert_eq!(pool_of(&third).addresses[0].cap, 1_999, "a zone outside the difference follows its pool");
    let by_host = third.find(b"www.example.com").expect("host").zone.pool.clone().expect("dedicated");
    assert!(Arc::ptr_eq(&by_host, &pool_of(&third)), "both ways to the zone agree");
    assert!(Arc::ptr_eq(first.shared_pool(), third.shared_pool()));
    assert_eq!(third.pools().count(), 2);
}

#[test]
fn pools_that_come_and_go_are_followed_between_snapshots_that_repeat_them() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    build(&mut builder, &base).expect("builds");
    let mut last = base;
    for cap in [2_000, 2_000, 1_000, 1_000, 2_000] {
        let mut next = difference(&last);
        next.pools[1].addresses[0].cap = cap;
        let tables = build(&mut builder, &next).expect("builds");
        let zone = tables.zone("z1").expect("zone");
        assert_eq!((tables.pool_of(zone).addresses[0].cap, tables.pools().count()), (cap, 2));
        // What is refused in between leaves the pools it came with behind.
        let mut wrong = difference(&next);
        wrong.pools[1].addresses[0].cap = 7;
        wrong.zones = vec![zone_without_origin_port()];
        build(&mut builder, &wrong).expect_err("refused");
        last = next;
    }
}

fn zone_without_origin_port() -> egressway_snapshot::wire::Zone {
    let mut wrong = zone("z9", &["z9.example.com"]);
    wrong.hosts[0].origins[0].port = 0;
    wrong
}

#[test]
fn equal_slices_are_kept_once() {
    let mut whole = snapshot();
    let slices = [(1024, 65535)];
    whole.pools = vec![
        pool("shared", vec![address("192.0.2.1", &slices, 1)]),
        pool("p1", vec![address("192.0.2.2", &slices, 1)]),
    ];
    let tables = tables(&whole);
    let all: Vec<_> = tables.pools().map(|pool| pool.addresses[0].slices.clone()).collect();
    assert!(Arc::ptr_eq(&all[0], &all[1]));
}

#[test]
fn an_account_keeps_its_number() {
    let mut base = snapshot();
    base.zones.push(zone("z2", &[]));
    base.zones[1].account = "account-2".to_owned();
    let mut builder = TableBuilder::new();
    let first = build(&mut builder, &base).expect("builds");
    base.zones.reverse();
    let second = build(&mut builder, &base).expect("builds");
    let serial = |tables: &Tables, id: &str| tables.zone(id).expect("zone").account_serial;
    assert_ne!(serial(&first, "z1"), serial(&first, "z2"));
    for id in ["z1", "z2"] {
        assert_eq!(serial(&first, id), serial(&second, id));
    }
}

#[test]
fn a_hostname_moves_between_zones_in_one_difference() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    build(&mut builder, &base).expect("builds");
    let mut moved = difference(&base);
    moved.zones = vec![zone("z2", &["www.example.com"]), zone("z1", &["*.example.com"])];
    let tables = build(&mut builder, &moved).expect("builds");
    assert_eq!(zone_of(&tables, "www.example.com").as_deref(), Some("z2"));
    assert_eq!(zone_of(&tables, "a.example.com").as_deref(), Some("z1"));
}

#[test]
fn memory_is_counted_the_same_whichever_way_a_table_came_about() {
    let base = snapshot();
    let mut builder = TableBuilder::new();
    let first = build(&mut builder, &base).expect("builds").memory_bytes();
    let mut more = difference(&base);
    more.zones = vec![zone("z2", &["a.example.net"])];
    let grown = build(&mut builder, &more).expect("builds").memory_bytes();
    assert!(grown > first);
    let back = Snapshot { removed_zones: vec!["z2".to_owned()], ..difference(&difference(&base)) };
    let shrunk = build(&mut builder, &back).expect("builds").memory_bytes();
    assert!(shrunk < grown);
}

#[derive(Debug, Clone)]
struct Change {
    zone: u8,
    /// `None`: the zone goes.
    hosts: Option<Vec<u8>>,
    pool: Option<u8>,
    cap: u32,
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = (
        0u8..6,
        prop::option::weighted(0.8, prop::collection::vec(0u8..12, 0..4)),
        prop::option::of(0u8..3),
        1u32..4,
    )
        .prop_map(|(zone, hosts, pool, cap)| Change { zone, hosts, pool, cap });
    prop::collection::vec(prop::collection::vec(change, 0..4), 1..8)
}

/// Everything a table answers, in a form that can be compared.
fn view(tables: &Tables) -> BTreeMap<String, String> {
    let mut view = BTreeMap::new();
    for i in 0..12 {
        for name in [format!("h{i}.example.com"), format!("x.w{i}.example.com")] {
            let found = tables.find(name.as_bytes()).map(|found| {
                let pool = tables.pool_of(found.zone);
                format!("{} {} {} {:?}", found.zone.id, found.host.name, pool.id, pool.addresses)
            });
            view.insert(name, format!("{found:?}"));
        }
    }
    view.insert(
        "counts".to_owned(),
        format!("{:?}", (tables.zones(), tables.hosts(), tables.pools().count())),
    );
    view
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_of_differences_equals_a_whole_snapshot(steps in changes()) {
        let mut builder = TableBuilder::new();
        let mut whole = snapshot();
        whole.zones.clear();
        whole.pools = (0..3).map(|i| pool(&format!("p{i}"), vec![address(&format!("192.0.2.{i}"), &[(10, 19)], 9)])).collect();
        whole.pools.push(pool("shared", Vec::new()));
        build(&mut builder, &whole).expect("builds");
        for step in steps {
            let mut next = whole.clone();
            let mut delta = difference(&whole);
            next.revision += 1;
            let mut touched = std::collections::BTreeSet::new();
            for change in step {
                let id = format!("z{}", change.zone);
                if !touched.insert(id.clone()) {
                    continue;
                }
                next.zones.retain(|zone| zone.id != id);
                let Some(hosts) = change.hosts else {
                    delta.removed_zones.push(id);
                    continue;
                };
                let mut changed = zone(&id, &[]);
                changed.hosts = hosts
                    .iter()
                    .map(|i| host(&if i % 3 == 0 { format!("*.w{i}.example.com") } else { format!("h{i}.example.com") }))
                    .collect();
                changed.pool = change.pool.map(|i| format!("p{i}"));
                if let Some(i) = change.pool {
                    next.pools[usize::from(i)].addresses[0].cap = change.cap;
                }
                next.zones.push(changed.clone());
                delta.zones.push(changed);
            }
            delta.pools.clone_from(&next.pools);
            let by_delta = build(&mut builder, &delta);
            let by_whole = build(&mut TableBuilder::new(), &next);
            prop_assert_eq!(by_delta.is_ok(), by_whole.is_ok(), "{:?} {:?}", by_delta, by_whole);
            if let (Ok(by_delta), Ok(by_whole)) = (by_delta, by_whole) {
                prop_assert_eq!(view(&by_delta), view(&by_whole));
                whole = next;
            }
        }
    }
}

#[test]
fn a_table_that_was_not_put_in_place_leaves_none_of_its_pools_behind() {
    let mut builder = TableBuilder::new();
    let first = snapshot();
    build(&mut builder, &first).expect("builds");
    let in_place = builder.base();
    let mut second = Snapshot { revision: 2, ..first };
    second.pools[1].addresses = vec![address("192.0.2.3", &[(2000, 2999)], 1_000)];
    build(&mut builder, &second).expect("builds");
    builder.go_back_to(in_place);
    second.revision = 3;
    let tables = build(&mut builder, &second).expect("builds");
    let zone = tables.find(b"www.example.com").expect("found").zone;
    assert_eq!(tables.pool_of(zone).addresses[0].ip.to_string(), "192.0.2.3");
}

#[test]
fn a_pool_that_others_hold_too_keeps_its_connections_and_its_zones_follow() {
    let mut base = snapshot();
    base.fleet.server = "here".to_owned();
    let peer = Peer {
        server: "near".to_owned(),
        data_center: String::new(),
        location: String::new(),
        address: [192, 0, 2, 10].into(),
        port: 7443,
    };
    base.fleet.peers.push(peer);
    let mut builder = TableBuilder::new();
    let first = build(&mut builder, &base).expect("builds");
    let mut next = difference(&base);
    let step = Rung { rung: Distance::DataCenter, location: String::new(), servers: vec!["near".to_owned()] };
    next.pools[1].elsewhere.push(step);
    let second = build(&mut builder, &next).expect("builds");
    let pool_of = |tables: &Tables| tables.pool_of(tables.zone("z1").expect("zone")).clone();
    let (before, after) = (pool_of(&first), pool_of(&second));
    assert_eq!(before.serial, after.serial, "the same addresses");
    assert!(before.elsewhere.is_empty());
    assert_eq!(&*after.elsewhere[0].servers[0].name, "near");
    assert_eq!(second.fleet.peer(&after.elsewhere[0].servers[0]).map(|peer| peer.link.port()), Some(7443));
}
