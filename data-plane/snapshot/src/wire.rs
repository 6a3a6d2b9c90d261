//! What crosses the boundary with the control plane, byte for byte: MessagePack maps keyed by field name.
//!
//! The Python twin is `egressway.wire.snapshot`; both are held together by the golden files under
//! `testdata/snapshots/`. Fields may be added with a default; a change that an older data plane would
//! misread bumps [`WIRE`], whose history is in `egressway.wire.capability`.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::net::IpAddr;

/// The newest snapshot layout this build understands.
pub const WIRE: u32 = 2;

/// Desired state of one server's data plane, either whole or as the difference to one exact revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub wire: u32,
    /// The store's counter; grows with every change.
    pub revision: u64,
    /// `None`: this is everything. `Some(r)`: `zones` and `removed_zones` are the difference to revision `r`,
    /// all other fields are whole all the same.
    #[serde(default)]
    pub base_revision: Option<u64>,
    pub settings: Settings,
    pub listeners: Vec<Listener>,
    pub pools: Vec<Pool>,
    /// Id of the pool for zones without dedicated addresses.
    pub shared_pool: String,
    pub zones: Vec<Zone>,
    #[serde(default)]
    pub removed_zones: Vec<String>,
    /// Where this server stands, and who else there is.
    #[serde(default)]
    pub fleet: Fleet,
}

/// This server among the others. All empty: it is alone, and nothing is forwarded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// Name of this server.
    pub server: String,
    pub data_center: String,
    pub location: String,
    /// Where this server takes connections of its peers.
    pub link: Option<Link>,
    /// Every other server that requests may be forwarded to, or come from.
    pub peers: Vec<Peer>,
    pub regions: Vec<Region>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub address: IpAddr,
    /// 0: any free port.
    pub port: u16,
}

/// Another server: where it stands, and where its link listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    pub server: String,
    pub data_center: String,
    pub location: String,
    pub address: IpAddr,
    pub port: u16,
}

/// The servers that may serve regional hostnames of one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub key: String,
    /// Nearest first; this server is among them when it stands inside.
    pub servers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    pub tls: bool,
    /// `Some`: every connection must begin with a PROXY protocol header and come from one of these networks.
    #[serde(default)]
    pub proxy_protocol_from: Option<Vec<String>>,
}

/// A set of egress addresses, all leased or all out of the account's own prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub id: String,
    /// What this server owns of the pool.
    pub addresses: Vec<EgressAddress>,
    /// When the location is exhausted, requests may go on to the closest location that holds the pool.
    #[serde(default)]
    pub overflow: bool,
    /// Other servers that hold IPv4 slices of the pool, in the order of the forwarding ladder.
    #[serde(default)]
    pub elsewhere: Vec<Rung>,
}

/// Servers at one distance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    pub rung: Distance,
    /// The location these servers stand in.
    pub location: String,
    pub servers: Vec<String>,
}

/// How far another server is, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// In this server's data center.
    DataCenter,
    /// In another data center of this server's location.
    Location,
    /// In another location; the closest one comes first.
    Closest,
}

/// One address with the port slices this server owns of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressAddress {
    pub ip: IpAddr,
    /// Inclusive port ranges, ascending, not overlapping.
    pub slices: Vec<(u16, u16)>,
    /// Concurrent connections per origin ip:port and protocol; never more than the slices have ports.
    pub cap: u32,
    /// New connections choose another address; open ones end by themselves or at the drain deadline.
    #[serde(default)]
    pub draining: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    pub id: String,
    pub account: String,
    pub name: String,
    /// Id of the dedicated pool; `None` is the shared pool.
    #[serde(default)]
    pub pool: Option<String>,
    /// `false`: plain HTTP requests only (setting `ssl` = `off`), TLS handshakes for its names fail.
    #[serde(default = "yes")]
    pub tls_to_clients: bool,
    pub hosts: Vec<Host>,
    #[serde(default)]
    pub certificates: Vec<Certificate>,
}

fn yes() -> bool {
    true
}

/// One hostname (`www.example.com`) or one-level wildcard (`*.example.com`) and where its requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub name: String,
    pub origins: Vec<Origin>,
    /// Key of the region that requests of this host are served in; `None` is everywhere.
    #[serde(default)]
    pub region: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub address: IpAddr,
    pub port: u16,
    pub scheme: Scheme,
    #[serde(default)]
    pub verify: Verify,
    /// TLS server name; `None` is the request's host.
    #[serde(default)]
    pub sni: Option<String>,
    /// Host header towards the origin; `None` is the request's host.
    #[serde(default)]
    pub host: Option<String>,
    /// HTTP/2 may be offered by ALPN.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Concurrent HTTP/2 streams per connection, at most (the origin's own limit counts too).
    #[serde(default = "hundred")]
    pub h2_max_streams: u32,
}

fn hundred() -> u32 {
    100
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
    /// HTTP/2 over TCP with prior knowledge.
    H2c,
}

/// What must be true of an origin's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Nothing.
    Off,
    /// The origin proves that it holds the key, and the certificate is in date; issuer and name are not checked.
    Full,
    /// `Full`, and issued under the trust roots, for the TLS server name.
    #[default]
    Strict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub id: String,
    /// Names it is served for, lower case, exact or one-level wildcard.
    pub hosts: Vec<String>,
    /// DER certificates, leaf first.
    pub chain: Vec<ByteBuf>,
    /// PKCS#8 DER.
    pub key: ByteBuf,
}

/// Limits and deadlines; `docs/operate/settings.md` explains each. Durations are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub server_name: String,
    pub tls_handshake_ms: u32,
    pub head_ms: u32,
    pub idle_h1_ms: u32,
    pub idle_h2_ms: u32,
    pub body_ms: u32,
    pub tunnel_idle_ms: u32,
    pub dial_ms: u32,
    pub origin_tls_ms: u32,
    pub first_byte_ms: u32,
    pub origin_idle_ms: u32,
    pub origin_max_age_ms: u32,
    pub queue_ms: u32,
    /// Waiting requests per origin ip:port, at most.
    pub queue_length: u32,
    pub max_head_bytes: u32,
    pub max_headers: u32,
    pub h2_max_streams: u32,
    /// RST_STREAM frames per connection within ten seconds.
    pub h2_max_resets: u32,
    pub max_connections_per_client: u32,
    pub max_requests_per_connection: u32,
    /// A freed port is not used again before this, while a never-used one is left.
    pub port_quarantine_ms: u32,
    /// Networks no origin may lie in, whatever its record says.
    pub denied_origins: Vec<String>,
    /// Exceptions to `denied_origins`, given by the operator.
    pub allowed_origins: Vec<String>,
    /// PEM certificates trusted for origins beside the system's.
    pub extra_trust_roots: String,
    /// `X-Forwarded-For` of clients in these networks is kept and appended to; others' is replaced.
    pub trusted_clients: Vec<String>,
    /// Connecting to a peer, its TLS handshake included.
    pub link_dial_ms: u32,
    /// A link without traffic is asked this often whether its peer is alive.
    pub link_ping_ms: u32,
    /// A peer that has not answered for so long is not used.
    pub link_dead_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let denied = [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/32",
            "2002::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ];
        Settings {
            server_name: "egressway".to_owned(),
            tls_handshake_ms: 10_000,
            head_ms: 15_000,
            idle_h1_ms: 60_000,
            idle_h2_ms: 120_000,
            body_ms: 30_000,
            tunnel_idle_ms: 3_600_000,
            dial_ms: 5_000,
            origin_tls_ms: 5_000,
            first_byte_ms: 60_000,
            origin_idle_ms: 60_000,
            origin_max_age_ms: 3_600_000,
            queue_ms: 5_000,
            queue_length: 10_000,
            max_head_bytes: 32 * 1024,
            max_headers: 100,
            h2_max_streams: 128,
            h2_max_resets: 100,
            max_connections_per_client: 1_024,
            max_requests_per_connection: 100_000,
            port_quarantine_ms: 2_000,
            denied_origins: denied.map(str::to_owned).to_vec(),
            allowed_origins: Vec::new(),
            extra_trust_roots: String::new(),
            trusted_clients: Vec::new(),
            link_dial_ms: 500,
            link_ping_ms: 250,
            link_dead_ms: 750,
        }
    }
}
