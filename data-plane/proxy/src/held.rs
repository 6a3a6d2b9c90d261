//! Held connections as they cross between processes: MessagePack `[[egress ip, "origin ip:port", [port, ...]], ...]`.

use egressway_counters::EgressKey;
use egressway_counters::egress::Protocol;
use egressway_egress_server::Held;

type Row = (String, String, Vec<u16>);

pub fn encode(held: &[Held]) -> Vec<u8> {
    let row = |held: &Held| (held.key.egress_ip.to_string(), held.key.origin.to_string(), held.ports.clone());
    let rows: Vec<Row> = held.iter().map(row).collect();
    // Cannot fail: text and numbers into memory.
    rmp_serde::to_vec(&rows).unwrap_or_default()
}

/// # Errors
/// What cannot be read, and in which row.
pub fn decode(bytes: &[u8]) -> Result<Vec<Held>, String> {
    let rows: Vec<Row> = rmp_serde::from_slice(bytes).map_err(|error| {
        format!("{error}; send what `held` of another data plane gave: [[ip, \"ip:port\", [port, ...]], ...]")
    })?;
    rows.into_iter().map(read).collect()
}

fn read((egress_ip, origin, ports): Row) -> Result<Held, String> {
    let ip = egress_ip.parse().map_err(|_| format!("`{egress_ip}` is no IP address"))?;
    let to = origin.parse().map_err(|_| format!("`{origin}` is no ip:port"))?;
    Ok(Held { key: EgressKey { egress_ip: ip, origin: to, protocol: Protocol::Tcp }, ports })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let held = |ip: &str, origin: &str| Held {
            key: EgressKey {
                egress_ip: ip.parse().expect("address"),
                origin: origin.parse().expect("address"),
                protocol: Protocol::Tcp,
            },
            ports: vec![1, 20_000, 65_535],
        };
        let all = vec![held("192.0.2.1", "198.51.100.1:443"), held("2001:db8::1", "[2001:db8::2]:80")];
        assert_eq!(decode(&encode(&all)), Ok(all));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let rows = [("192.0.2.1", "nowhere", vec![1u16])];
        let error = decode(&rmp_serde::to_vec(&rows).expect("bytes")).expect_err("no address");
        assert!(error.contains("nowhere"), "{error}");
        assert!(decode(b"\xc0").is_err());
    }
}
