//! Which certificate a handshake gets, over real handshakes in memory.

mod common;

use arc_swap::ArcSwap;
use common::{build, certificate, difference, snapshot, zone};
use egressway_snapshot::wire::Certificate;
use egressway_snapshot::{CertificateResolver, TableBuilder, Tables};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;

/// The leaf that a client asking for `sni`, and trusting `trusted`, is shown.
fn handshake(resolver: &Arc<CertificateResolver>, sni: &str, trusted: &[&Certificate]) -> Option<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver.clone());
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(CertificateDer::from(certificate.chain[0].to_vec())).expect("root");
    }
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(sni.to_owned()).expect("name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("client");
    let mut server = ServerConnection::new(Arc::new(server)).expect("server");
    while client.is_handshaking() || server.is_handshaking() {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
    }
    client.peer_certificates().map(|chain| chain[0].to_vec())
}

fn pass<A, B, C, D>(from: &mut A, to: &mut B) -> Option<()>
where
    A: std::ops::DerefMut<Target = rustls::ConnectionCommon<C>>,
    B: std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
{
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).ok()?;
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).ok()?;
        to.process_new_packets().ok()?;
    }
    Some(())
}

struct Plane {
    builder: TableBuilder,
    tables: Arc<ArcSwap<Tables>>,
    resolver: Arc<CertificateResolver>,
}

impl Plane {
    fn new() -> Self {
        let tables = Arc::new(ArcSwap::from_pointee(Tables::empty()));
        let resolver = Arc::new(CertificateResolver::new(tables.clone()));
        Plane { builder: TableBuilder::new(), tables, resolver }
    }

    fn apply(&mut self, snapshot: &egressway_snapshot::wire::Snapshot) {
        self.tables.store(build(&mut self.builder, snapshot).expect("builds"));
    }

    fn shown(&self, sni: &str, trusted: &[&Certificate]) -> Option<Vec<u8>> {
        handshake(&self.resolver, sni, trusted)
    }
}

#[test]
fn an_exact_certificate_goes_before_a_wildcard() {
    let (wildcard, exact) = (certificate("c1", &["*.example.com"]), certificate("c2", &["www.example.com"]));
    let mut whole = snapshot();
    whole.zones[0].certificates = vec![wildcard.clone(), exact.clone()];
    let mut plane = Plane::new();
    plane.apply(&whole);
    let trusted = [&wildcard, &exact];
    assert_eq!(plane.shown("www.example.com", &trusted).as_deref(), Some(exact.chain[0].as_slice()));
    assert_eq!(plane.shown("WWW.EXAMPLE.COM", &trusted).as_deref(), Some(exact.chain[0].as_slice()));
    assert_eq!(plane.shown("api.example.com", &trusted).as_deref(), Some(wildcard.chain[0].as_slice()));
    assert_eq!(plane.shown("a.b.example.com", &trusted), None);
    assert_eq!(plane.shown("www.example.net", &trusted), None);
    assert_eq!(plane.shown("192.0.2.1", &trusted), None, "no server name is sent for an address");
}

#[test]
fn a_new_certificate_is_served_from_the_next_handshake_on() {
    let (old, new) = (certificate("c1", &["www.example.com"]), certificate("c1", &["www.example.com"]));
    let mut whole = snapshot();
    whole.zones[0].certificates = vec![old.clone()];
    let mut plane = Plane::new();
    plane.apply(&whole);
    let trusted = [&old, &new];
    assert_eq!(plane.shown("www.example.com", &trusted).as_deref(), Some(old.chain[0].as_slice()));
    let mut renewed = difference(&whole);
    renewed.zones = whole.zones.clone();
    renewed.zones[0].certificates = vec![new.clone()];
    plane.apply(&renewed);
    assert_eq!(plane.shown("www.example.com", &trusted).as_deref(), Some(new.chain[0].as_slice()));
    let mut gone = difference(&renewed);
    gone.zones = renewed.zones.clone();
    gone.zones[0].certificates.clear();
    plane.apply(&gone);
    assert_eq!(plane.shown("www.example.com", &trusted), None);
}

#[test]
fn a_zone_without_tls_gets_no_handshake() {
    let certificate = certificate("c1", &["www.example.com"]);
    let mut whole = snapshot();
    whole.zones[0].certificates = vec![certificate.clone()];
    whole.zones[0].tls_to_clients = false;
    let mut plane = Plane::new();
    plane.apply(&whole);
    assert_eq!(plane.shown("www.example.com", &[&certificate]), None);
    assert!(plane.tables.load().zone_of_sni("www.example.com").is_none());
}

#[test]
fn no_zones_certificate_stands_before_another_zones_host() {
    let wildcard = certificate("c1", &["*.example.com", "www.example.com"]);
    let mut whole = snapshot();
    whole.zones[0].hosts.remove(0);
    whole.zones[0].certificates = vec![wildcard.clone()];
    whole.zones.push(zone("z2", &["www.example.com"]));
    let mut plane = Plane::new();
    plane.apply(&whole);
    assert_eq!(plane.shown("www.example.com", &[&wildcard]), None, "the host's own zone has none");
    assert!(plane.shown("api.example.com", &[&wildcard]).is_some());
}

#[test]
fn a_certificate_that_stays_is_made_ready_once() {
    let mut whole = snapshot();
    whole.zones[0].certificates = vec![certificate("c1", &["www.example.com"])];
    let mut builder = TableBuilder::new();
    let first =
        build(&mut builder, &whole).expect("builds").certificate_for("www.example.com").expect("served");
    let second =
        build(&mut builder, &whole).expect("builds").certificate_for("www.example.com").expect("served");
    assert!(Arc::ptr_eq(&first, &second));
}
