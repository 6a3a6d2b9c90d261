//! The tables and settings of one revision, in the form the request path uses them.

use crate::relay::Waits;
use egressway_egress_server::PoolSettings;
use egressway_ingress::IngressSettings;
use egressway_origin::tls::TlsConfigs;
use egressway_snapshot::Tables;
use egressway_snapshot::wire::Settings;
use std::sync::Arc;
use std::time::Duration;

/// What a request takes when it begins and keeps to its end.
pub struct Current {
    pub tables: Arc<Tables>,
    pub ingress: Arc<IngressSettings>,
    pub waits: Waits,
    pub dial: Duration,
    pub origin_tls: Duration,
    pub tls: Arc<Trust>,
}

/// TLS towards origins under one set of trust roots.
pub struct Trust {
    /// Differs whenever the roots differ.
    pub number: u64,
    pub configs: TlsConfigs,
    /// The settings the roots were read from.
    pub extra_roots: String,
}

const fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds as u64)
}

impl Current {
    pub fn new(tables: Arc<Tables>, tls: Arc<Trust>) -> Self {
        let settings = tables.settings.clone();
        Current {
            ingress: Arc::new(ingress(&settings)),
            waits: Waits {
                first_byte: ms(settings.first_byte_ms),
                body: ms(settings.body_ms),
                tunnel_idle: ms(settings.tunnel_idle_ms),
            },
            dial: ms(settings.dial_ms),
            origin_tls: ms(settings.origin_tls_ms),
            tables,
            tls,
        }
    }

    pub fn pool_settings(&self) -> PoolSettings {
        let settings = &self.tables.settings;
        PoolSettings {
            idle_ms: settings.origin_idle_ms.into(),
            most_age_ms: settings.origin_max_age_ms.into(),
            queue_ms: settings.queue_ms.into(),
            queue_length: settings.queue_length as usize,
            dial_ms: u64::from(settings.dial_ms) + u64::from(settings.origin_tls_ms),
        }
    }
}

fn ingress(settings: &Settings) -> IngressSettings {
    IngressSettings {
        tls_handshake: ms(settings.tls_handshake_ms),
        head: ms(settings.head_ms),
        idle_h1: ms(settings.idle_h1_ms),
        idle_h2: ms(settings.idle_h2_ms),
        max_head_bytes: settings.max_head_bytes as usize,
        max_headers: settings.max_headers as usize,
        h2_max_streams: settings.h2_max_streams,
        h2_max_resets: settings.h2_max_resets,
        max_requests: settings.max_requests_per_connection,
        max_connections_per_client: settings.max_connections_per_client,
    }
}
