//! Snapshots to begin with; tests change what they are about.

#![allow(dead_code, reason = "each test binary uses its own part")]

use egressway_snapshot::wire::{
    Certificate, EgressAddress, Fleet, Host, Listener, Origin, Pool, Scheme, Settings, Snapshot, Verify,
    WIRE, Zone,
};
use egressway_snapshot::{Refused, TableBuilder, Tables, encode};
use std::sync::Arc;

pub fn address(ip: &str, slices: &[(u16, u16)], cap: u32) -> EgressAddress {
    EgressAddress { ip: ip.parse().expect("address"), slices: slices.to_vec(), cap, draining: false }
}

pub fn pool(id: &str, addresses: Vec<EgressAddress>) -> Pool {
    Pool { id: id.to_owned(), addresses, overflow: false, elsewhere: Vec::new() }
}

pub fn origin(ip: &str, port: u16) -> Origin {
    Origin {
        address: ip.parse().expect("address"),
        port,
        scheme: Scheme::Http,
        verify: Verify::Full,
        sni: None,
        host: None,
        http2: true,
        h2_max_streams: 100,
    }
}

pub fn host(name: &str) -> Host {
    Host { name: name.to_owned(), origins: vec![origin("203.0.113.1", 80)], region: None }
}

pub fn zone(id: &str, hosts: &[&str]) -> Zone {
    Zone {
        id: id.to_owned(),
        account: "account-1".to_owned(),
        name: "example.com".to_owned(),
        pool: None,
        tls_to_clients: true,
        hosts: hosts.iter().map(|name| host(name)).collect(),
        certificates: Vec::new(),
    }
}

pub fn certificate(id: &str, names: &[&str]) -> Certificate {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names.clone()).expect("certificate");
    Certificate {
        id: id.to_owned(),
        hosts: names,
        chain: vec![made.cert.der().to_vec().into()],
        key: made.signing_key.serialize_der().into(),
    }
}

pub fn listener(port: u16) -> Listener {
    Listener { address: [127, 0, 0, 1].into(), port, tls: false, proxy_protocol_from: None }
}

/// Revision 1: a shared pool `shared`, a dedicated pool `p1`, zone `z1` on it.
pub fn snapshot() -> Snapshot {
    let mut zone = zone("z1", &["www.example.com", "*.example.com"]);
    zone.pool = Some("p1".to_owned());
    Snapshot {
        wire: WIRE,
        revision: 1,
        base_revision: None,
        settings: Settings::default(),
        listeners: vec![listener(8680)],
        pools: vec![
            pool("shared", vec![address("192.0.2.1", &[(1024, 65535)], 40_000)]),
            pool("p1", vec![address("192.0.2.2", &[(2000, 2999), (4000, 4999)], 2_000)]),
        ],
        shared_pool: "shared".to_owned(),
        zones: vec![zone],
        removed_zones: Vec::new(),
        fleet: Fleet::default(),
    }
}

/// The difference from `base` with nothing in it.
pub fn difference(base: &Snapshot) -> Snapshot {
    Snapshot {
        revision: base.revision + 1,
        base_revision: Some(base.revision),
        zones: Vec::new(),
        removed_zones: Vec::new(),
        ..base.clone()
    }
}

pub fn build(builder: &mut TableBuilder, snapshot: &Snapshot) -> Result<Arc<Tables>, Refused> {
    builder.build(&encode(snapshot).expect("encode"))
}

pub fn tables(snapshot: &Snapshot) -> Arc<Tables> {
    build(&mut TableBuilder::new(), snapshot).expect("builds")
}
