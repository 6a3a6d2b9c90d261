//! Zones from the wire: names folded, origins checked, certificates proved.

use crate::certificates::Certificate;
use crate::names::{hostname, hostname_or_wildcard, is_authority};
use crate::pools::Pools;
use crate::refused::Refused;
use crate::tables::{HostEntry, OriginEntry, OriginSpec, ZoneEntry};
use crate::wire;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Gives every account one number and one copy of its id, for the life of the process.
#[derive(Default)]
pub(crate) struct AccountInterner(HashMap<Arc<str>, u32, foldhash::fast::RandomState>);

impl AccountInterner {
    fn intern(&mut self, id: &str) -> (Arc<str>, u32) {
        if let Some((id, serial)) = self.0.get_key_value(id) {
            return (id.clone(), *serial);
        }
        let (id, serial) = (Arc::<str>::from(id), self.0.len() as u32);
        self.0.insert(id.clone(), serial);
        (id, serial)
    }
}

pub(crate) fn place(id: &str) -> String {
    format!("zone {id}")
}

/// What a zone's entry is made with.
pub(crate) struct Surroundings<'a> {
    pub pools: &'a Pools,
    pub accounts: &'a mut AccountInterner,
    /// The zone as it was: certificates that have not changed need no new proof.
    pub before: Option<&'a ZoneEntry>,
}

/// # Errors
/// Something in the zone cannot be served; the place is named.
pub(crate) fn read(zone: wire::Zone, around: Surroundings<'_>) -> Result<ZoneEntry, Refused> {
    let within = place(&zone.id);
    let pool = zone.pool.as_deref().map(|id| dedicated(id, around.pools)).transpose();
    let hosts = zone.hosts.into_iter().map(read_host).collect::<Result<_, _>>();
    let certificates =
        zone.certificates.into_iter().map(|wire| prove(wire, around.before)).collect::<Result<_, _>>();
    let (account, account_serial) = around.accounts.intern(&zone.account);
    Ok(ZoneEntry {
        account,
        account_serial,
        tls_to_clients: zone.tls_to_clients,
        name: zone.name.into(),
        pool: pool.map_err(|refused| refused.within(&within))?,
        hosts: hosts.map_err(|refused: Refused| refused.within(&within))?,
        certificates: certificates.map_err(|refused: Refused| refused.within(&within))?,
        id: zone.id.into(),
    })
}

fn dedicated(id: &str, pools: &Pools) -> Result<Arc<egressway_core::EgressPool>, Refused> {
    pools.get(id.as_bytes()).cloned().ok_or_else(|| unknown_pool(id))
}

pub(crate) fn unknown_pool(id: &str) -> Refused {
    Refused::new(format!("pool {id}"), "the snapshot has no such pool; send the pool or take the zone off it")
}

fn prove(wire: wire::Certificate, before: Option<&ZoneEntry>) -> Result<Arc<Certificate>, Refused> {
    let known = before.and_then(|zone| zone.certificates.iter().find(|certificate| certificate.is(&wire)));
    match known {
        Some(certificate) => Ok(certificate.clone()),
        None => Certificate::check(wire).map(Arc::new),
    }
}

fn read_host(host: wire::Host) -> Result<HostEntry, Refused> {
    let within = format!("host {}", host.name);
    let Some(name) = hostname_or_wildcard(&host.name) else {
        let problem = "this is no hostname; write it like www.example.com or *.example.com (IDNA as xn--...)";
        return Err(Refused::new(within, problem));
    };
    let origins: Result<_, Refused> = host.origins.into_iter().map(read_origin).collect();
    let origins = origins.map_err(|refused| refused.within(within))?;
    Ok(HostEntry { name, origins, region: host.region.map(Into::into) })
}

fn read_origin(origin: wire::Origin) -> Result<OriginEntry, Refused> {
    check_origin(&origin).map_err(|(field, problem)| {
        Refused::new(format!("origin {}:{}, {field}", origin.address, origin.port), problem)
    })?;
    let spec = OriginSpec {
        address: origin.address.to_canonical(),
        port: origin.port,
        scheme: origin.scheme,
        verify: origin.verify,
        http2: origin.http2,
        h2_max_streams: origin.h2_max_streams,
        sni: origin.sni.map(|name| name.to_ascii_lowercase().into()),
        host: origin.host.map(Into::into),
    };
    Ok(OriginEntry { spec })
}

/// The field at fault, and what to do about it.
fn check_origin(origin: &wire::Origin) -> Result<(), (&'static str, &'static str)> {
    if origin.port == 0 {
        return Err(("port", "port 0 cannot be connected to; give 1 to 65535"));
    }
    if origin.h2_max_streams == 0 {
        return Err(("h2_max_streams", "0 would let no request through; set http2 to false instead"));
    }
    if origin.sni.as_deref().is_some_and(|name| !is_server_name(name)) {
        return Err(("sni", "this is no TLS server name; give a hostname or an IP address"));
    }
    if origin.host.as_deref().is_some_and(|host| !is_authority(host)) {
        return Err(("host", "this cannot stand in a Host field; give host or host:port"));
    }
    Ok(())
}

fn is_server_name(name: &str) -> bool {
    let is_address = name.parse::<IpAddr>().is_ok();
    (is_address || hostname(name).is_some()) && ServerName::try_from(name).is_ok()
}
