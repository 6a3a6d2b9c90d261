//! The immutable tables of one revision: what a request asks about hosts, origins, pools and networks.
//!
//! Tables share what two revisions have in common, so that a difference costs what it changes. A request takes
//! one table when it begins and keeps it to its end (`data-plane.md` section 11).

use crate::certificates::{Certificate, KeyCache};
use crate::fleet::{FleetEntry, RegionEntry};
use crate::names::parent;
use crate::networks::Networks;
use crate::sharded::{Keyed, Sharded};
use crate::wire::{Scheme, Settings, Verify};
use egressway_core::egress_pool::EgressPool;
use ipnet::IpNet;
use rustls::sign::CertifiedKey;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where and how one origin is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginSpec {
    /// Never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    pub port: u16,
    pub scheme: Scheme,
    pub verify: Verify,
    /// HTTP/2 may be offered by ALPN.
    pub http2: bool,
    /// Concurrent HTTP/2 streams per connection, at most.
    pub h2_max_streams: u32,
    /// TLS server name; `None` is the request's host.
    pub sni: Option<Arc<str>>,
    /// Host header; `None` is the request's host.
    pub host: Option<Arc<str>>,
}

impl OriginSpec {
    pub const fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginEntry {
    pub spec: OriginSpec,
}

/// A hostname or one-level wildcard, and where its requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// Lower case, no trailing dot; `*.` before it for a wildcard.
    pub name: Box<str>,
    pub origins: Box<[OriginEntry]>,
    /// Key of the region its requests are served in; `None` is everywhere.
    pub region: Option<Box<str>>,
}

/// A zone, with everything its requests need.
#[derive(Debug, Clone)]
pub struct ZoneEntry {
    pub id: Box<str>,
    pub account: Arc<str>,
    /// Names the account for the life of the process.
    pub account_serial: u32,
    /// `false`: plain HTTP only, handshakes for its names fail.
    pub tls_to_clients: bool,
    pub name: Box<str>,
    /// The dedicated pool; `None` is the shared pool.
    pub pool: Option<Arc<EgressPool>>,
    pub hosts: Box<[HostEntry]>,
    pub(crate) certificates: Box<[Arc<Certificate>]>,
}

impl ZoneEntry {
    /// Its hosts that are served in one region only.
    pub(crate) fn regional_hosts(&self) -> usize {
        self.hosts.iter().filter(|host| host.region.is_some()).count()
    }

    /// The certificate for `sni`: one that names it, else one whose wildcard covers it.
    fn certificate(&self, sni: &str) -> Option<&Arc<Certificate>> {
        let exact = self.certificates.iter().find(|certificate| certificate.names(sni));
        exact.or_else(|| self.certificates.iter().find(|certificate| certificate.covers(sni)))
    }
}

impl Keyed for Arc<ZoneEntry> {
    fn key(&self) -> &[u8] {
        self.id.as_bytes()
    }
}

impl Keyed for Arc<EgressPool> {
    fn key(&self) -> &[u8] {
        self.id.as_bytes()
    }
}

/// A host in the table of exact names, or in that of wildcards under what stands behind the `*.`.
#[derive(Clone)]
pub(crate) struct HostSlot {
    pub zone: Arc<ZoneEntry>,
    pub host: u32,
}

impl HostSlot {
    fn host(&self) -> &HostEntry {
        &self.zone.hosts[self.host as usize]
    }
}

impl Keyed for HostSlot {
    fn key(&self) -> &[u8] {
        let name = &self.host().name;
        name.strip_prefix("*.").unwrap_or(name).as_bytes()
    }
}

/// What a hostname belongs to.
#[derive(Clone, Copy)]
pub struct Found<'t> {
    pub zone: &'t Arc<ZoneEntry>,
    pub host: &'t HostEntry,
}

/// Where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub address: SocketAddr,
    pub tls: bool,
    /// `Some`: connections begin with a PROXY protocol header and come from these networks.
    pub proxy_protocol_from: Option<Vec<IpNet>>,
}

/// One revision of everything.
pub struct Tables {
    pub revision: u64,
    pub settings: Arc<Settings>,
    pub(crate) zones: Sharded<Arc<ZoneEntry>>,
    pub(crate) exact: Sharded<HostSlot>,
    pub(crate) wildcards: Sharded<HostSlot>,
    pub(crate) pools: Sharded<Arc<EgressPool>>,
    pub(crate) shared_pool: Arc<EgressPool>,
    pub(crate) listeners: Arc<[Listener]>,
    /// The servers around this one.
    pub fleet: Arc<FleetEntry>,
    pub(crate) denied: Networks,
    pub(crate) allowed: Networks,
    pub(crate) trusted: Networks,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) regional_hosts: usize,
    /// Heap bytes of all zones, and of all pools, summed while building.
    pub(crate) zone_bytes: usize,
    pub(crate) pool_bytes: usize,
}

// === impl Tables ===

impl Tables {
    /// Revision 0: no listeners, no zones, and a shared pool without addresses.
    pub fn empty() -> Self {
        Tables {
            revision: 0,
            settings: Arc::default(),
            zones: Sharded::default(),
            exact: Sharded::default(),
            wildcards: Sharded::default(),
            pools: Sharded::default(),
            shared_pool: Arc::new(EgressPool::new("", Vec::new())),
            listeners: Arc::default(),
            fleet: Arc::default(),
            denied: Networks::default(),
            allowed: Networks::default(),
            trusted: Networks::default(),
            keys: Arc::default(),
            regional_hosts: 0,
            zone_bytes: 0,
            pool_bytes: 0,
        }
    }

    /// The zone that serves `host` (lower case, no port, no trailing dot): by its own name, else by a wildcard
    /// one level above it.
    #[inline]
    pub fn find(&self, host: &[u8]) -> Option<Found<'_>> {
        let slot = self.exact.get(host).or_else(|| self.wildcards.get(parent(host)?))?;
        Some(Found { zone: &slot.zone, host: slot.host() })
    }

    /// The region that `host` is served in, if this server stands outside of it.
    pub fn region_elsewhere(&self, host: &HostEntry) -> Option<&RegionEntry> {
        self.fleet.region(host.region.as_deref()?).filter(|region| !region.is_inside)
    }

    /// There may be hosts that this server does not serve itself.
    pub fn has_hosts_elsewhere(&self) -> bool {
        self.regional_hosts > 0 && self.fleet.has_region_elsewhere()
    }

    /// A connection to an origin at `ip` may be opened. An IPv4-mapped address is judged as the IPv4 address it is.
    pub fn origin_permitted(&self, ip: IpAddr) -> bool {
        !self.denied.contains(ip) || self.allowed.contains(ip)
    }

    /// The pool that requests of `zone` leave from.
    pub fn pool_of<'t>(&'t self, zone: &'t ZoneEntry) -> &'t Arc<EgressPool> {
        zone.pool.as_ref().unwrap_or(&self.shared_pool)
    }

    /// What a client at `ip` says of the clients before it is believed.
    pub fn is_trusted_client(&self, ip: IpAddr) -> bool {
        self.trusted.contains(ip)
    }

    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    pub fn zones(&self) -> usize {
        self.zones.len()
    }

    pub fn hosts(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    /// All pools, the shared one among them.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<EgressPool>> {
        self.pools.iter()
    }

    pub fn shared_pool(&self) -> &Arc<EgressPool> {
        &self.shared_pool
    }

    pub fn zone(&self, id: &str) -> Option<&Arc<ZoneEntry>> {
        self.zones.get(id.as_bytes())
    }

    /// The zone that answers TLS handshakes for `sni` (lower case). A certificate is served for names of its own
    /// zone alone, so no account's certificate can stand before another's host.
    pub fn zone_of_sni(&self, sni: &str) -> Option<&Arc<ZoneEntry>> {
        self.find(sni.as_bytes()).map(|found| found.zone).filter(|zone| zone.tls_to_clients)
    }

    /// What to present in a handshake for `sni` (lower case); `None`: the name is not served over TLS.
    pub fn certificate_for(&self, sni: &str) -> Option<Arc<CertifiedKey>> {
        self.keys.get(self.zone_of_sni(sni)?.certificate(sni)?)
    }

    /// Heap bytes this table holds alive, shared ones included; an estimate that counts the allocator's rounding.
    pub fn memory_bytes(&self) -> usize {
        self.zone_bytes
            + self.pool_bytes
            + self.zones.heap_bytes()
            + self.exact.heap_bytes()
            + self.wildcards.heap_bytes()
            + self.pools.heap_bytes()
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.zones(), self.hosts(), self.pools.len());
        write!(f, "Tables(revision {}, (zones, hosts, pools) {counts:?})", self.revision)
    }
}

// === Memory of entries ===

/// Bytes that an allocation of `count` costs: a word of the allocator's own, in steps of 16.
pub(crate) const fn allocation(count: usize) -> usize {
    if count == 0 { 0 } else { (count + size_of::<usize>()).next_multiple_of(16) }
}

/// Counters of an [`Arc`].
pub(crate) const ARC: usize = 2 * size_of::<usize>();

pub(crate) fn zone_bytes(zone: &ZoneEntry) -> usize {
    let hosts: usize = zone.hosts.iter().map(host_bytes).sum();
    let certificates: usize = zone.certificates.iter().map(|certificate| certificate.heap_bytes()).sum();
    allocation(ARC + size_of::<ZoneEntry>())
        + allocation(zone.id.len())
        + allocation(zone.name.len())
        + allocation(size_of_val(&*zone.hosts))
        + allocation(size_of_val(&*zone.certificates))
        + hosts
        + certificates
        // Zones of one account share its id; counted once for each, as if every zone had an account of its own.
        + allocation(ARC + zone.account.len())
}

fn host_bytes(host: &HostEntry) -> usize {
    let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| allocation(ARC + text.len()));
    let origins: usize =
        host.origins.iter().map(|origin| text(&origin.spec.sni) + text(&origin.spec.host)).sum();
    let region = host.region.as_ref().map_or(0, |key| allocation(key.len()));
    allocation(host.name.len()) + allocation(size_of_val(&*host.origins)) + origins + region
}

pub(crate) fn pool_bytes(pool: &EgressPool) -> usize {
    // Slices are shared between pools; their few bytes are left out.
    allocation(ARC + size_of::<EgressPool>())
        + allocation(pool.id.len())
        + allocation(size_of_val(&*pool.addresses))
        + allocation(size_of_val(&*pool.elsewhere))
        + pool.elsewhere.iter().map(|step| allocation(size_of_val(&*step.servers))).sum::<usize>()
}
