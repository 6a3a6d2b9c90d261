//! The port table as pools use it: what one of them takes of an address is not taken from another.

use egressway_core::EgressAddress;
use egressway_counters::{EgressKey, Protocol, Registry};
use egressway_egress_server::PortTable;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

fn address(slice: (u16, u16), cap: u32) -> EgressAddress {
    EgressAddress {
        ip: IpAddr::from([192, 0, 2, 1]),
        slices: [slice].as_slice().into(),
        cap,
        draining: false,
    }
}

#[test]
fn two_pools_that_divide_an_address_have_a_cap_each() {
    let table = PortTable::new(Arc::new(Registry::default()));
    let key = EgressKey {
        egress_ip: IpAddr::from([192, 0, 2, 1]),
        origin: SocketAddr::from(([198, 51, 100, 1], 443)),
        protocol: Protocol::Tcp,
    };
    let (busy, quiet) = (address((1_000, 1_009), 10), address((2_000, 2_001), 2));
    let held: Vec<_> = std::iter::from_fn(|| table.take(key, &busy)).collect();
    assert_eq!(held.len(), 10);
    let others: Vec<_> = std::iter::from_fn(|| table.take(key, &quiet)).collect();
    assert_eq!(others.len(), 2, "its own ports are free");
}
