//! Real handshakes with origins good and bad, in every verification mode.

mod common;

use common::Socket;
use egressway_core::{Code, Error};
use egressway_origin::{Secured, TlsConfigs, certificate_covers, handshake};
use egressway_snapshot::Verify::{self, Full, Off, Strict};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const NAME: &str = "www.example.com";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("key");
        Identity { leaf: params.signed_by(&key, &self.0).expect("certificate").der().clone(), key }
    }
}

struct Identity {
    leaf: CertificateDer<'static>,
    key: KeyPair,
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("params")
}

fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().expect("key");
    Identity { leaf: params.self_signed(&key).expect("certificate").der().clone(), key }
}

fn expired() -> CertificateParams {
    let mut params = named(&[NAME]);
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    params
}

fn not_yet_valid() -> CertificateParams {
    let mut params = named(&[NAME]);
    params.not_before = rcgen::date_time_ymd(2900, 1, 1);
    params.not_after = rcgen::date_time_ymd(2901, 1, 1);
    params
}

/// An origin that shakes hands with whoever comes.
async fn origin(identity: &Identity, protocols: &[&str]) -> SocketAddr {
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![identity.leaf.clone()], private_key(&identity.key))
        .expect("identity");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    serve(config).await
}

fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}

async fn serve(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    let mut sink = Vec::new();
                    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut sink).await;
                }
            });
        }
    });
    address
}

async fn meet(
    configs: &TlsConfigs,
    to: SocketAddr,
    verify: Verify,
    name: &str,
) -> Result<Secured<Socket>, Error> {
    let socket = Socket::connect(to, &Arc::new(AtomicUsize::new(0))).await;
    handshake(socket, &configs.config(verify, true), name).await
}

/// What each mode says to an origin with `identity`.
async fn verdicts(configs: &TlsConfigs, identity: &Identity, name: &str) -> [Result<(), Code>; 3] {
    let to = origin(identity, &["h2", "http/1.1"]).await;
    let mut verdicts = [Ok(()); 3];
    for (verdict, verify) in verdicts.iter_mut().zip([Off, Full, Strict]) {
        *verdict = meet(configs, to, verify, name).await.map(|_| ()).map_err(|error| error.code);
    }
    verdicts
}

#[tokio::test]
async fn each_mode_checks_what_it_promises() {
    let authority = Authority::new();
    let configs = TlsConfigs::new(&authority.pem()).expect("configs");
    let invalid = Err(Code::OriginCertificateInvalid);
    for (what, identity, expected) in [
        ("issued by the extra root", authority.issue(&named(&[NAME])), [Ok(()), Ok(()), Ok(())]),
        ("wildcard", authority.issue(&named(&["*.example.com"])), [Ok(()), Ok(()), Ok(())]),
        ("for another name", authority.issue(&named(&["www.example.net"])), [Ok(()), Ok(()), invalid]),
        ("self-signed", self_signed(&named(&[NAME])), [Ok(()), Ok(()), invalid]),
        ("another issuer", Authority::new().issue(&named(&[NAME])), [Ok(()), Ok(()), invalid]),
        ("expired", authority.issue(&expired()), [Ok(()), invalid, invalid]),
        ("expired and self-signed", self_signed(&expired()), [Ok(()), invalid, invalid]),
        ("not yet valid", authority.issue(&not_yet_valid()), [Ok(()), invalid, invalid]),
    ] {
        assert_eq!(verdicts(&configs, &identity, NAME).await, expected, "{what}");
    }
}

#[tokio::test]
async fn an_address_is_a_server_name_too() {
    let authority = Authority::new();
    let configs = TlsConfigs::new(&authority.pem()).expect("configs");
    let good = authority.issue(&named(&["192.0.2.1"]));
    assert_eq!(verdicts(&configs, &good, "192.0.2.1").await, [Ok(()), Ok(()), Ok(())]);
    let other = Err(Code::OriginCertificateInvalid);
    assert_eq!(verdicts(&configs, &good, "192.0.2.2").await, [Ok(()), Ok(()), other]);
    let failed = Err(Code::OriginTlsFailed);
    assert_eq!(verdicts(&configs, &good, "a b").await, [failed, failed, failed]);
}

/// Shows a certificate and signs with another key.
#[derive(Debug)]
struct Impostor(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Impostor {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn only_off_takes_an_origin_that_does_not_hold_the_key() {
    let authority = Authority::new();
    let configs = TlsConfigs::new(&authority.pem()).expect("configs");
    let (shown, held) = (authority.issue(&named(&[NAME])), KeyPair::generate().expect("key"));
    let key = rustls::crypto::ring::sign::any_supported_type(&private_key(&held)).expect("key");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certified = rustls::sign::CertifiedKey::new(vec![shown.leaf.clone()], key.clone());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Impostor(Arc::new(certified))));
        let to = serve(config).await;
        assert!(meet(&configs, to, Off, NAME).await.is_ok());
        for verify in [Full, Strict] {
            let error = meet(&configs, to, verify, NAME).await.err().expect("refused");
            assert_eq!(error.code, Code::OriginCertificateInvalid, "{error}");
        }
    }
}

#[tokio::test]
async fn http2_is_spoken_when_both_sides_offer_it() {
    let authority = Authority::new();
    let configs = TlsConfigs::new(&authority.pem()).expect("configs");
    let identity = authority.issue(&named(&[NAME]));
    let both = origin(&identity, &["h2", "http/1.1"]).await;
    let silent = origin(&identity, &[]).await;
    for (to, http2, is_h2) in [(both, true, true), (both, false, false), (silent, true, false)] {
        let socket = Socket::connect(to, &Arc::default()).await;
        let secured = handshake(socket, &configs.config(Strict, http2), NAME).await.expect("handshake");
        assert_eq!(secured.is_h2, is_h2);
    }
}

#[tokio::test]
async fn a_certificate_is_kept_under_strict_alone_and_through_resumption() {
    let authority = Authority::new();
    let configs = TlsConfigs::new(&authority.pem()).expect("configs");
    let identity = authority.issue(&named(&[NAME]));
    let to = origin(&identity, &["h2"]).await;
    for verify in [Off, Full] {
        assert!(meet(&configs, to, verify, NAME).await.expect("handshake").certificate.is_none());
    }
    for _ in 0..3 {
        let secured = meet(&configs, to, Strict, NAME).await.expect("handshake");
        assert_eq!(secured.certificate.as_deref(), Some(identity.leaf.as_ref()));
    }
}

#[tokio::test]
async fn what_is_no_tls_is_a_failed_handshake() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let to = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let configs = TlsConfigs::new("").expect("configs");
    let error = meet(&configs, to, Off, NAME).await.err().expect("refused");
    assert_eq!(error.code, Code::OriginTlsFailed, "{error}");
}

#[test]
fn junk_is_no_trust_root() {
    let authority = Authority::new();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = authority.pem().replace("-----END CERTIFICATE-----", "");
    for junk in ["junk", broken, &cut, &format!("{}{broken}", authority.pem())] {
        let error = TlsConfigs::new(junk).err().expect("refused");
        assert!(error.to_string().starts_with("settings, extra_trust_roots: "), "{error}");
    }
    for good in ["", " \n", &authority.pem(), &format!("# Our own\n{0}\n# Twice\n{0}", authority.pem())] {
        assert!(TlsConfigs::new(good).is_ok(), "{good}");
    }
}

#[test]
fn a_certificate_covers_its_names_and_one_level_below_its_wildcards() {
    let mut params = named(&["www.example.com", "*.example.net", "192.0.2.1"]);
    params.distinguished_name.push(rcgen::DnType::CommonName, "cn.example.com");
    let leaf = self_signed(&params).leaf;
    for (host, is_covered) in [
        ("www.example.com", true),
        ("WWW.EXAMPLE.COM", true),
        ("a.example.net", true),
        ("192.0.2.1", true),
        ("example.com", false),
        ("example.net", false),
        ("a.b.example.net", false),
        ("cn.example.com", false),
        ("192.0.2.2", false),
        ("a b", false),
    ] {
        assert_eq!(certificate_covers(&leaf, host), is_covered, "{host}");
    }
    assert!(!certificate_covers(b"junk", "www.example.com"));
}
