//! TLS towards clients: which versions and protocols are spoken; which certificate is another's decision.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ResolvesServerCert;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, sessions resumed by tickets. No early data: it can be replayed.
///
/// The provider is named here, lest a default that is set elsewhere in the process changes what is spoken.
///
/// # Panics
/// Never: the provider speaks both versions.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Without randomness for a ticket key, handshakes are full ones.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config.max_early_data_size = 0;
    Arc::new(config)
}
