//! REQUEST 3 of 5: from a zone's origins and its pool to the origins that may be tried, and for each of them to the
//! servers it may be reached from, in order.
//!
//! Whether an origin applies is a static predicate: some server holds an address of the pool in the origin's family,
//! and the origin lies in no forbidden network. Load never changes it (`spec/egress.md` section 6). A pool without
//! an applicable address fails closed.

pub mod ladder;

pub use ladder::{Candidate, Ladder, Question};

use egressway_core::Code;
use egressway_core::egress_pool::EgressPool;
use egressway_snapshot::{HostEntry, OriginEntry, RegionEntry, Tables};

/// The region that `host` is served in, if it is regional.
///
/// # Errors
/// `no_applicable_ip_in_region`: the region is unknown here, so nothing is inside it.
pub fn region_of<'t>(tables: &'t Tables, host: &HostEntry) -> Result<Option<&'t RegionEntry>, Code> {
    let Some(key) = host.region.as_deref() else { return Ok(None) };
    tables.fleet.region(key).map(Some).ok_or(Code::NoApplicableIpInRegion)
}

/// The origins a request may try: beginning at `turn`, so that requests are spread, each at most once.
///
/// # Errors
/// `no_origin`, `origin_forbidden`, `no_applicable_ip` or `no_applicable_ip_in_region`: nothing may be tried, and why.
pub fn candidates<'t>(
    tables: &Tables,
    pool: &EgressPool,
    region: Option<&RegionEntry>,
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
        why = if region.is_some() { Code::NoApplicableIpInRegion } else { Code::NoApplicableIp };
        let question = Question { pool, origin: origin.spec.socket_addr(), region, is_linked: false };
        if question.is_placed() {
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
