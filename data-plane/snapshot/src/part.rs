//! Two processes of one server, while the second takes over from the first: which part of its ports each of them has.
//!
//! The one that leaves keeps a sixteenth of the ports of each address, the last ones, and of the cap: requests that it
//! still gets on open client connections may need new connections. The one that arrives has the rest.

use crate::wire;

/// What the one that leaves keeps: one part of so many.
const OF: u32 = 16;

/// A process's part of its server's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// It is the only one.
    #[default]
    Whole,
    /// Another process takes over.
    Leaving,
    /// It takes over from another process.
    Arriving,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Whole, Part::Leaving, Part::Arriving];

    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Whole => "whole",
            Part::Leaving => "leaving",
            Part::Arriving => "arriving",
        }
    }

    /// The addresses of `pool` with this part of their ports.
    pub(crate) fn of(self, pool: &wire::Pool) -> wire::Pool {
        let addresses = pool.addresses.iter().filter_map(|address| self.of_address(address));
        wire::Pool { addresses: addresses.collect(), ..pool.clone() }
    }

    /// `None`: nothing of it is left for this part.
    fn of_address(self, address: &wire::EgressAddress) -> Option<wire::EgressAddress> {
        let ports: u32 = address.slices.iter().map(|(low, high)| u32::from(high - low) + 1).sum();
        let kept = (ports / OF).max(1);
        let kept_cap = (address.cap / OF).clamp(1, kept);
        let (from, until, cap) = match self {
            Part::Whole => return Some(address.clone()),
            Part::Leaving => (ports - kept, ports, kept_cap),
            Part::Arriving => (0, ports - kept, (address.cap - kept_cap).min(ports - kept)),
        };
        (cap > 0).then(|| wire::EgressAddress {
            slices: cut(&address.slices, from, until),
            cap,
            ..address.clone()
        })
    }
}

/// The ports from number `from` up to, and without, number `until` of all that `slices` hold.
fn cut(slices: &[(u16, u16)], from: u32, until: u32) -> Vec<(u16, u16)> {
    let mut before = 0;
    let mut part = Vec::new();
    for (low, high) in slices {
        let count = u32::from(high - low) + 1;
        let (first, last) = (from.max(before), until.min(before + count));
        if first < last {
            part.push((low + (first - before) as u16, low + (last - before - 1) as u16));
        }
        before += count;
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(slices: &[(u16, u16)], cap: u32) -> wire::EgressAddress {
        wire::EgressAddress { ip: [192, 0, 2, 1].into(), slices: slices.to_vec(), cap, draining: false }
    }

    #[test]
    fn both_parts_are_the_whole_and_have_nothing_in_common() {
        for slices in
            [&[(1u16, 32u16)][..], &[(1, 10), (100, 129), (200, 200)], &[(1, 2)], &[(65_400, 65_535)]]
        {
            let all: Vec<u16> = slices.iter().flat_map(|(low, high)| *low..=*high).collect();
            for cap in 1..=all.len() as u32 {
                let parts =
                    [Part::Arriving, Part::Leaving].map(|part| part.of_address(&address(slices, cap)));
                let ports: Vec<u16> = parts
                    .iter()
                    .flatten()
                    .flat_map(|part| part.slices.iter().flat_map(|(low, high)| *low..=*high))
                    .collect();
                let caps: u32 = parts.iter().flatten().map(|part| part.cap).sum();
                assert!(caps <= cap && ports.iter().all(|port| all.contains(port)));
                let distinct: std::collections::HashSet<_> = ports.iter().collect();
                assert_eq!(distinct.len(), ports.len());
                assert!(parts[1].is_some(), "who leaves may always finish");
                if cap > 1 && all.len() > 1 {
                    assert_eq!((ports.len(), caps), (all.len(), cap));
                }
            }
        }
    }

    #[test]
    fn one_port_or_a_cap_of_one_stays_until_the_other_is_gone() {
        assert_eq!(Part::Arriving.of_address(&address(&[(7, 7)], 1)), None);
        assert_eq!(Part::Arriving.of_address(&address(&[(1, 100)], 1)), None);
        let kept = Part::Leaving.of_address(&address(&[(1, 100)], 1)).expect("its last ports");
        assert_eq!((kept.slices, kept.cap), (vec![(95, 100)], 1));
        assert_eq!(Part::Whole.of_address(&address(&[(7, 7)], 1)), Some(address(&[(7, 7)], 1)));
    }
}
