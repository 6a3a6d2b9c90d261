//! REQUEST 3 of 5: from a zone's origins and its pool to the origins that may be tried, in order.
//!
//! Whether an origin applies is a static predicate: the pool has an address of the origin's family on this server,
//! and the origin lies in no forbidden network. Load never changes it (`spec/egress.md` section 6). With one
//! server there is one rung, `server`; a pool without an applicable address fails closed.

use egressway_core::Code;
use egressway_core::egress_pool::EgressPool;
use egressway_snapshot::{OriginEntry, Tables};
use std::net::IpAddr;

/// The rung of the forwarding ladder that a request took.
pub const RUNG_SERVER: &str = "server";

/// The pool owns an address of the family of `origin` (`spec/egress.md` E13: the family is never changed).
pub fn has_family(pool: &EgressPool, origin: IpAddr) -> bool {
    pool.addresses.iter().any(|address| address.ip.is_ipv4() == origin.is_ipv4() && !address.draining)
}

/// The origins a request may try: beginning at `turn`, so that requests are spread, each at most once.
///
/// # Errors
/// `no_origin`, `origin_forbidden` or `no_applicable_ip`: nothing may be tried, and why.
pub fn candidates<'t>(
    tables: &Tables,
    pool: &EgressPool,
    origins: &'t [OriginEntry],
    turn: usize,
) -> Result<Candidates<'t>, Code> {
    if origins.is_empty() {
        return Err(Code::NoOrigin);
    }
    let mut why = Code::OriginForbidden;
    let mut applicable = 0u64;
    for (i, origin) in origins.iter().take(64).enumerate() {
        let ip = origin.spec.address;
        if !tables.origin_permitted(ip) {
            continue;
        }
        why = Code::NoApplicableIp;
        if has_family(pool, ip) {
            applicable |= 1 << i;
        }
    }
    if applicable == 0 { Err(why) } else { Ok(Candidates { origins, applicable, turn }) }
}

/// Applicable origins that have not been tried yet.
pub struct Candidates<'t> {
    origins: &'t [OriginEntry],
    applicable: u64,
    turn: usize,
}

impl<'t> Iterator for Candidates<'t> {
    type Item = &'t OriginEntry;

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.origins.len().min(64);
        for step in 0..count {
            let i = (self.turn + step) % count;
            if self.applicable & (1 << i) != 0 {
                self.applicable &= !(1 << i);
                return Some(&self.origins[i]);
            }
        }
        None
    }
}
