//! TLS towards origins: one configuration per verification mode, the handshake, and what its certificate covers.

use crate::stream::OriginStream;
use crate::verifiers::{Full, Off, strict};
use egressway_core::side::OriginSocket;
use egressway_core::{Code, Error};
use egressway_snapshot::wire::Verify;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};
use tokio_rustls::TlsConnector;

/// Server names whose sessions one configuration remembers.
const SESSIONS: usize = 4_096;

/// What the system trusts; read once, since it is read from files.
static SYSTEM_ROOTS: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Trust roots that were given and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTrustRoots(String);

impl fmt::Display for BadTrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings, extra_trust_roots: {}; give CA certificates in PEM", self.0)
    }
}

impl std::error::Error for BadTrustRoots {}

/// How one kind of origin is met.
pub struct TlsConfig {
    client: Arc<ClientConfig>,
    verify: Verify,
}

/// All kinds. Sessions are resumed within a kind alone: what one mode has not checked, another never inherits.
pub struct TlsConfigs {
    /// By mode, without and with HTTP/2.
    by_mode: [[Arc<TlsConfig>; 2]; 3],
}

impl TlsConfigs {
    /// `extra_trust_roots`: PEM certificates, trusted beside the system's; may be empty.
    ///
    /// # Errors
    /// They are not certificates that can be trusted.
    pub fn new(extra_trust_roots: &str) -> Result<Self, BadTrustRoots> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let both = |verify: Verify, verifier: Arc<dyn ServerCertVerifier>| {
            [false, true].map(|http2| {
                let client = Arc::new(client_config(&provider, verifier.clone(), http2));
                Arc::new(TlsConfig { client, verify })
            })
        };
        let strict = strict(roots(extra_trust_roots)?, &provider);
        let by_mode = [
            both(Verify::Off, Arc::new(Off(algorithms))),
            both(Verify::Full, Arc::new(Full(algorithms))),
            both(Verify::Strict, strict),
        ];
        Ok(TlsConfigs { by_mode })
    }

    /// `http2`: it is offered beside HTTP/1.1.
    pub fn config(&self, verify: Verify, http2: bool) -> Arc<TlsConfig> {
        let mode = match verify {
            Verify::Off => 0,
            Verify::Full => 1,
            Verify::Strict => 2,
        };
        self.by_mode[mode][usize::from(http2)].clone()
    }
}

fn roots(extra: &str) -> Result<RootCertStore, BadTrustRoots> {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates that are of no use here; it is not ours to judge.
    roots.add_parsable_certificates(SYSTEM_ROOTS.iter().cloned());
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(extra.as_bytes()) {
        count += 1;
        let number = |error: &dyn fmt::Display| BadTrustRoots(format!("certificate {count}: {error}"));
        roots.add(certificate.map_err(|e| number(&e))?).map_err(|e| number(&e))?;
    }
    if count == 0 && !extra.trim().is_empty() {
        return Err(BadTrustRoots("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

/// # Panics
/// Never: the provider speaks both versions.
fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    http2: bool,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring speaks TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config
}

/// A connection to an origin after its handshake.
pub struct Secured<S> {
    pub stream: OriginStream<S>,
    pub is_h2: bool,
    /// DER of the leaf, under `strict` alone: elsewhere nobody has proved that it says the truth.
    pub certificate: Option<Vec<u8>>,
}

/// Secures `socket` for `server_name`, a hostname or an IP address. How long it may take is the caller's to say.
///
/// # Errors
/// `origin_certificate_invalid` or `origin_tls_failed`.
pub async fn handshake<S: OriginSocket>(
    socket: S,
    config: &TlsConfig,
    server_name: &str,
) -> Result<Secured<S>, Error> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| {
        Error::because(Code::OriginTlsFailed, format!("{server_name:?} is no TLS server name"))
    })?;
    let connector = TlsConnector::from(config.client.clone());
    let stream = connector.connect(name, socket).await.map_err(fault)?;
    let session = stream.get_ref().1;
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = leaf.filter(|_| config.verify == Verify::Strict).map(|leaf| leaf.to_vec());
    Ok(Secured { stream: OriginStream::Tls(Box::new(stream)), is_h2, certificate })
}

fn fault(error: io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let code = match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Code::OriginCertificateInvalid
        }
        _ => Code::OriginTlsFailed,
    };
    Error::because(code, error)
}

/// The certificate names `host` among its subject alternative names, exactly or by a wildcard one level above it;
/// the common name counts for nothing.
pub fn certificate_covers(leaf_der: &[u8], host: &str) -> bool {
    let leaf = CertificateDer::from(leaf_der);
    let (Ok(certificate), Ok(name)) = (ParsedCertificate::try_from(&leaf), ServerName::try_from(host)) else {
        return false;
    };
    verify_server_name(&certificate, &name).is_ok()
}
