//! Who this server is to its peers, and how peers prove who they are.
//!
//! Every certificate is issued by the fleet's authority for `<server>.node.egressway.internal`; nothing else is
//! trusted, and TLS 1.3 alone is spoken.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Behind a server's name in its certificate.
const DOMAIN: &str = ".node.egressway.internal";
/// What both sides agree on before anything is said; another layout of records has another name.
const PROTOCOL: &[u8] = b"egressway-link/1";

/// An identity that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadIdentity(String);

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadIdentity {}

/// Both roles of one certificate.
pub struct Identity {
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
}

impl Identity {
    /// `authority`, `chain` (leaf first) and `key` in PEM.
    ///
    /// # Errors
    /// One of them cannot be read, or the key is not the certificate's.
    pub fn new(authority: &[u8], chain: &[u8], key: &[u8]) -> Result<Self, BadIdentity> {
        let bad = |what: &str, error: &dyn fmt::Display| BadIdentity(format!("{what}: {error}"));
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority).map_err(|e| bad("the fleet's authority", &e))? {
            roots.add(certificate).map_err(|e| bad("the fleet's authority", &e))?;
        }
        let chain = certificates(chain).map_err(|e| bad("the certificate chain", &e))?;
        let key = || PrivateKeyDer::from_pem_slice(key).map_err(|e| bad("the key", &e));
        let roots = Arc::new(roots);
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| bad("TLS", &e))?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key()?)
            .map_err(|e| bad("the certificate and its key", &e))?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|e| bad("the fleet's authority", &e))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| bad("TLS", &e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key()?)
            .map_err(|e| bad("the certificate and its key", &e))?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Identity { client: Arc::new(client), server: Arc::new(server) })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(list) if list.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(list) => Ok(list),
        Err(error) => Err(error.to_string()),
    }
}

/// What the certificate of `server` must be for; `None`: this is no name for a server.
pub(crate) fn tls_name(server: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(format!("{server}{DOMAIN}")).ok()
}

/// The servers that a certificate, which has been verified, is for.
pub(crate) fn servers_of(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(leaf) else { return Vec::new() };
    certificate.valid_dns_names().filter_map(|name| name.strip_suffix(DOMAIN).map(str::to_owned)).collect()
}

/// Both sides speak of the same layout.
pub(crate) fn is_agreed(protocol: Option<&[u8]>) -> bool {
    protocol == Some(PROTOCOL)
}
