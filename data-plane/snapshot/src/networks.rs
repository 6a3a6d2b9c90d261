//! Sets of networks, asked about one address at a time.

use crate::refused::Refused;
use ipnet::IpNet;
use std::net::IpAddr;

/// Address ranges, few enough to be looked through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// Reads CIDR networks; `place` names the list.
    ///
    /// # Errors
    /// One of them is none.
    pub fn parse(place: &str, list: &[String]) -> Result<Self, Refused> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in parse_list(place, list)? {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Ok(Networks { v4: v4.into(), v6: v6.into() })
    }

    /// An IPv4-mapped IPv6 address is judged as the IPv4 address it stands for.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.iter().any(|(low, high)| (*low..=*high).contains(&ip.to_bits())),
            IpAddr::V6(ip) => self.v6.iter().any(|(low, high)| (*low..=*high).contains(&ip.to_bits())),
        }
    }
}

/// The networks of `list`, which `place` names.
pub(crate) fn parse_list(place: &str, list: &[String]) -> Result<Vec<IpNet>, Refused> {
    list.iter().map(|text| parse_network(text).ok_or_else(|| bad(place, text))).collect()
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn bad(place: &str, text: &str) -> Refused {
    Refused::new(place, format!("{text:?} is not a network; write it like 192.0.2.0/24 or 2001:db8::/32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Networks {
        let list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
        Networks::parse("here", &list).expect("networks")
    }

    #[test]
    fn borders_belong_to_a_network_and_neighbours_do_not() {
        let set = networks(&["192.0.2.64/26", "2001:db8:1::/48", "203.0.113.7"]);
        for (ip, is_in) in [
            ("192.0.2.63", false),
            ("192.0.2.64", true),
            ("192.0.2.127", true),
            ("192.0.2.128", false),
            ("::ffff:192.0.2.64", true),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::", false),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
        ] {
            assert_eq!(set.contains(ip.parse().expect("address")), is_in, "{ip}");
        }
    }

    #[test]
    fn a_bad_network_is_named() {
        let error = Networks::parse("denied_origins", &["10.0.0.0/33".to_owned()]).expect_err("bad");
        assert!(error.to_string().starts_with("denied_origins: \"10.0.0.0/33\""), "{error}");
    }
}
