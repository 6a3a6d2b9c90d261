//! Certificates for clients: checked when a snapshot comes in, made ready for handshakes when first asked for.
//!
//! The DER of chain and key is kept once per certificate; parsed keys lie in a bounded cache that outlives the
//! tables, so that a hundred thousand certificates cost what the busy ones need.

use crate::refused::Refused;
use crate::tables::{ARC, Tables, allocation};
use crate::wire;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// Parsed keys that are kept ready, at most.
const READY_KEYS: usize = 10_000;

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(rustls::crypto::ring::default_provider);

/// One certificate with its key, known to fit each other.
pub(crate) struct Certificate {
    /// Never given twice in the life of the process.
    serial: u64,
    hosts: Box<[Box<str>]>,
    chain: Box<[Box<[u8]>]>,
    key: Box<[u8]>,
}

impl Certificate {
    /// Takes what the control plane sends, after proving that it can be served.
    ///
    /// # Errors
    /// It cannot be parsed, or the key is another certificate's.
    pub fn check(wire: wire::Certificate) -> Result<Self, Refused> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let place = format!("certificate {}", wire.id);
        let chain: Vec<_> = wire.chain.into_iter().map(|der| der.into_vec().into_boxed_slice()).collect();
        let hosts: Option<Box<[_]>> =
            wire.hosts.iter().map(|name| crate::names::hostname_or_wildcard(name)).collect();
        let Some(hosts) = hosts else {
            let problem =
                format!("{:?}: a name in it is not a hostname; give names like www.example.com", wire.hosts);
            return Err(Refused::new(format!("{place}, hosts"), problem));
        };
        let key = wire.key.into_vec().into_boxed_slice();
        let certificate = Certificate { serial: NEXT.fetch_add(1, Relaxed), hosts, chain: chain.into(), key };
        certificate.ready().map_err(|error| Refused::new(place, explain(&error)))?;
        Ok(certificate)
    }

    /// `wire` is this very certificate.
    pub fn is(&self, wire: &wire::Certificate) -> bool {
        self.hosts.iter().map(|name| &**name).eq(wire.hosts.iter().map(String::as_str))
            && *self.key == **wire.key
            && self.chain.iter().map(|der| &**der).eq(wire.chain.iter().map(|der| der.as_slice()))
    }

    pub fn names(&self, sni: &str) -> bool {
        self.hosts.iter().any(|name| **name == *sni)
    }

    /// A wildcard of this certificate stands one level above `sni`.
    pub fn covers(&self, sni: &str) -> bool {
        let parent = crate::names::parent(sni.as_bytes());
        let wildcards = self.hosts.iter().filter_map(|name| name.strip_prefix("*."));
        parent.is_some_and(|parent| wildcards.into_iter().any(|above| above.as_bytes() == parent))
    }

    fn ready(&self) -> Result<CertifiedKey, Error> {
        let chain: Vec<_> = self.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        if chain.is_empty() {
            return Err(Error::NoCertificatesPresented);
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec()));
        CertifiedKey::from_der(chain, key, &PROVIDER)
    }

    pub fn heap_bytes(&self) -> usize {
        let names: usize = self.hosts.iter().map(|name| allocation(name.len())).sum();
        let chain: usize = self.chain.iter().map(|der| allocation(der.len())).sum();
        allocation(ARC + size_of::<Certificate>())
            + allocation(size_of_val(&*self.hosts))
            + allocation(size_of_val(&*self.chain))
            + allocation(self.key.len())
            + names
            + chain
    }
}

/// Private keys never reach a log.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?})", self.hosts)
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => "the chain is empty; send at least the leaf".to_owned(),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key is not that of the chain's first certificate; send the key that belongs to it".to_owned()
        }
        Error::InvalidCertificate(_) => format!("the chain's first certificate cannot be read: {error}"),
        _ => format!("the key cannot be used ({error}); send it as PKCS#8 DER, RSA, ECDSA or Ed25519"),
    }
}

// === Keys made ready ===

type Generation = HashMap<u64, Arc<CertifiedKey>, foldhash::fast::RandomState>;

/// Keeps what was used last: entries begin in `young`; when that is half of the bound it becomes `old`, and what
/// is not asked for until the next turn is forgotten.
#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

pub(crate) struct KeyCache {
    most: usize,
    generations: Mutex<Generations>,
}

impl Default for KeyCache {
    fn default() -> Self {
        KeyCache::new(READY_KEYS)
    }
}

impl KeyCache {
    fn new(most: usize) -> Self {
        KeyCache { most, generations: Mutex::default() }
    }

    pub fn get(&self, certificate: &Certificate) -> Option<Arc<CertifiedKey>> {
        if let Some(ready) = self.recall(certificate.serial) {
            return Some(ready);
        }
        // Parsed outside the lock: other handshakes do not wait for it.
        let ready = Arc::new(certificate.ready().ok()?);
        self.keep(certificate.serial, ready.clone());
        Some(ready)
    }

    fn recall(&self, serial: u64) -> Option<Arc<CertifiedKey>> {
        let mut generations = self.generations.lock();
        if let Some(ready) = generations.young.get(&serial) {
            return Some(ready.clone());
        }
        let ready = generations.old.remove(&serial)?;
        self.add(&mut generations, serial, ready.clone());
        Some(ready)
    }

    fn keep(&self, serial: u64, ready: Arc<CertifiedKey>) {
        self.add(&mut self.generations.lock(), serial, ready);
    }

    fn add(&self, generations: &mut Generations, serial: u64, ready: Arc<CertifiedKey>) {
        generations.young.insert(serial, ready);
        if generations.young.len() >= self.most / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
    }
}

/// Answers handshakes out of whatever tables are in place at that moment.
pub struct CertificateResolver {
    tables: Arc<ArcSwap<Tables>>,
}

impl CertificateResolver {
    pub fn new(tables: Arc<ArcSwap<Tables>>) -> Self {
        CertificateResolver { tables }
    }
}

impl fmt::Debug for CertificateResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateResolver")
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The library has lowered the name's case already.
        self.tables.load().certificate_for(hello.server_name()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("certificate");
        Certificate::check(wire::Certificate {
            id: "c1".to_owned(),
            hosts: vec![name.to_owned()],
            chain: vec![made.cert.der().to_vec().into()],
            key: made.signing_key.serialize_der().into(),
        })
        .expect("fits")
    }

    #[test]
    fn a_key_is_made_ready_once_while_it_is_in_use_and_the_cache_stays_bounded() {
        let cache = KeyCache::new(4);
        let busy = certificate("busy.example.com");
        let first = cache.get(&busy).expect("ready");
        for i in 0..20 {
            assert!(cache.get(&certificate(&format!("{i}.example.com"))).is_some());
            assert!(Arc::ptr_eq(&first, &cache.get(&busy).expect("ready")), "after {i} others");
            let generations = cache.generations.lock();
            assert!(generations.young.len() + generations.old.len() <= 4);
        }
    }

    #[test]
    fn a_wildcard_covers_one_level() {
        let wildcard = certificate("*.example.com");
        assert!(wildcard.covers("www.example.com"));
        assert!(!wildcard.covers("example.com") && !wildcard.covers("a.b.example.com"));
        assert!(!format!("{wildcard:?}").contains("key"));
    }
}
