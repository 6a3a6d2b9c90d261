//! Measures tables of many zones: time of a whole build and of a difference, memory per zone, time of a look-up.
//!
//! `cargo run --release -p egressway-snapshot --example table_bench -- 100000 own|shared`

use egressway_snapshot::wire::{
    EgressAddress, Fleet, Host, Origin, Pool, Scheme, Settings, Snapshot, Verify, WIRE, Zone,
};
use egressway_snapshot::{TableBuilder, encode};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

fn pool(i: u32) -> Pool {
    let ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + i));
    let address = EgressAddress { ip, slices: vec![(1024, 65535)], cap: 40_000, draining: false };
    Pool { id: format!("pool-{i:032x}"), addresses: vec![address], overflow: false, elsewhere: Vec::new() }
}

fn zone(i: u32, has_pool: bool) -> Zone {
    let origin = Origin {
        address: [203, 0, 113, 1].into(),
        port: 443,
        scheme: Scheme::Https,
        verify: Verify::Full,
        sni: None,
        host: None,
        http2: true,
        h2_max_streams: 100,
    };
    Zone {
        id: format!("{i:032x}"),
        account: format!("account-{i:032x}"),
        name: format!("zone-{i}.example.com"),
        pool: has_pool.then(|| format!("pool-{i:032x}")),
        tls_to_clients: true,
        hosts: vec![Host { name: format!("www.zone-{i}.example.com"), origins: vec![origin], region: None }],
        certificates: Vec::new(),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let has_pool = arguments.next().is_none_or(|word| word == "own");
    let mut whole = Snapshot {
        wire: WIRE,
        revision: 1,
        base_revision: None,
        settings: Settings::default(),
        listeners: Vec::new(),
        pools: (0..if has_pool { count } else { 1 }).map(pool).collect(),
        shared_pool: format!("pool-{:032x}", 0),
        zones: (0..count).map(|i| zone(i, has_pool)).collect(),
        removed_zones: Vec::new(),
        fleet: Fleet::default(),
    };
    let bytes = encode(&whole).expect("encodes");
    whole.revision = 2;
    whole.base_revision = Some(1);
    whole.zones = vec![zone(7, has_pool)];
    let difference = encode(&whole).expect("encodes");
    drop(whole);

    let mut builder = TableBuilder::new();
    let begun = Instant::now();
    let tables = builder.build(&bytes).expect("builds");
    println!("whole build of {count} zones ({} MB): {:?}", bytes.len() >> 20, begun.elapsed());
    println!("memory per zone: {} B by count", tables.memory_bytes() / count as usize);
    let begun = Instant::now();
    let tables = builder.build(&difference).expect("builds");
    println!("difference of one zone ({} KB): {:?}", difference.len() >> 10, begun.elapsed());
    drop(tables);
    let mut changed = egressway_snapshot::decode(&difference).expect("decodes");
    (changed.revision, changed.base_revision) = (3, Some(2));
    changed.pools[0].addresses[0].cap -= 1;
    let changed = encode(&changed).expect("encodes");
    let begun = Instant::now();
    let tables = builder.build(&changed).expect("builds");
    println!("difference of one zone and one pool: {:?}", begun.elapsed());
    let hosts: Vec<_> = (0..1_000_000u32).map(|i| format!("www.zone-{}.example.com", i % count)).collect();
    let begun = Instant::now();
    for host in &hosts {
        black_box(tables.find(host.as_bytes()).is_some());
    }
    println!("look-up: {} ns", begun.elapsed().as_nanos() / hosts.len() as u128);
}
