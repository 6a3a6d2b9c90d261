//! The forwarding ladder: which server a request leaves from, the nearest that holds an address first.
//!
//! Pure: placement decides, and health where placement leaves a choice. Load never moves a request to another
//! location (`spec/egress.md` section 6): once a server was exhausted, only others of its location follow, unless the
//! pool says `overflow`, and then only those of one location more. A request that another server has forwarded takes
//! this server's own addresses or none, so it cannot go round.

use egressway_core::EgressPool;
use egressway_core::fleet::{Rung, Server};
use egressway_snapshot::RegionEntry;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is asked of the ladder.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub pool: &'a EgressPool,
    pub origin: SocketAddr,
    /// The region that the hostname is served in.
    pub region: Option<&'a RegionEntry>,
    /// Another server has forwarded the request to this one.
    pub is_linked: bool,
}

/// A server that the request may leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate<'a> {
    Here,
    Peer(Rung, &'a Arc<Server>),
}

/// Numbers a location: 0 is this server's own, others count from 1 in the order of the ladder.
type Place = u16;

/// Servers in the order in which they are to be tried; nothing is allocated while this server itself is the answer.
pub struct Ladder<'a> {
    question: Question<'a>,
    stage: Stage<'a>,
    /// The location of the last candidate given.
    place: Place,
    /// The only location that candidates may come from, since a server there was exhausted.
    bound: Option<Place>,
    may_overflow: bool,
}

enum Stage<'a> {
    Here,
    Peers,
    Ranked(std::vec::IntoIter<(Place, Rung, &'a Arc<Server>)>),
}

impl<'a> Question<'a> {
    /// This server has an address of its own for the origin; one that drains does not count.
    pub fn is_placed_here(&self) -> bool {
        let is_ipv4 = self.origin.is_ipv4();
        let usable = self.pool.addresses.iter().any(|own| own.ip.is_ipv4() == is_ipv4 && !own.draining);
        usable && self.region.is_none_or(|region| region.is_inside)
    }

    /// Requests to IPv6 origins are never forwarded; nor are those that were.
    fn may_forward(&self) -> bool {
        self.origin.is_ipv4() && !self.is_linked
    }

    fn admits(&self, server: &Server) -> bool {
        self.region.is_none_or(|region| region.contains(server))
    }

    /// Some server, this or another, holds an address that the request may leave from.
    pub fn is_placed(&self) -> bool {
        self.is_placed_here()
            || (self.may_forward()
                && self
                    .pool
                    .elsewhere
                    .iter()
                    .any(|step| step.servers.iter().any(|server| self.admits(server))))
    }

    pub fn ladder(self) -> Ladder<'a> {
        Ladder { question: self, stage: Stage::Here, place: 0, bound: None, may_overflow: self.pool.overflow }
    }
}

impl<'a> Ladder<'a> {
    /// The next server to try; those that `is_up` denies are passed over.
    pub fn next(&mut self, is_up: impl Fn(&Server) -> bool) -> Option<Candidate<'a>> {
        if matches!(self.stage, Stage::Here) {
            self.stage = Stage::Peers;
            if self.question.is_placed_here() {
                return Some(Candidate::Here);
            }
        }
        if matches!(self.stage, Stage::Peers) {
            self.stage = Stage::Ranked(self.rank().into_iter());
        }
        let Stage::Ranked(peers) = &mut self.stage else { return None };
        for (place, rung, server) in peers {
            if !is_up(server) {
                continue;
            }
            if self.bound.is_some_and(|bound| bound != place) {
                if !std::mem::take(&mut self.may_overflow) {
                    return None;
                }
                self.bound = Some(place);
            }
            self.place = place;
            return Some(Candidate::Peer(rung, server));
        }
        None
    }

    /// The candidate given last has no capacity left: its location is exhausted, as far as it goes.
    pub fn exhausted(&mut self) {
        self.bound.get_or_insert(self.place);
    }

    /// After the candidate given last, another may be tried if that one is exhausted.
    pub fn has_more(&self) -> bool {
        if !self.question.may_forward() {
            return false;
        }
        let others = match &self.stage {
            Stage::Ranked(peers) => {
                return self.may_overflow && peers.len() > 0
                    || peers.as_slice().iter().any(|(place, ..)| *place == self.place);
            }
            Stage::Here | Stage::Peers => &self.question.pool.elsewhere,
        };
        others.iter().any(|step| {
            (step.rung.is_here() || self.may_overflow)
                && step.servers.iter().any(|server| self.question.admits(server))
        })
    }

    /// Every peer once: by rung, within a rung by rank.
    fn rank(&self) -> Vec<(Place, Rung, &'a Arc<Server>)> {
        let question = self.question;
        let mut ranked = Vec::new();
        if !question.may_forward() {
            return ranked;
        }
        let base = seed(question.pool, question.origin);
        let mut place = 0;
        for step in &question.pool.elsewhere {
            place += Place::from(!step.rung.is_here());
            let from = ranked.len();
            let admitted = step.servers.iter().filter(|server| question.admits(server));
            ranked.extend(admitted.map(|server| (place, step.rung, server)));
            ranked[from..].sort_by_cached_key(|(_, _, server)| {
                (std::cmp::Reverse(mix(hash(base, server.name.as_bytes()))), server.name.clone())
            });
        }
        ranked
    }
}

/// Rendezvous hashing: every server of the fleet ranks the holders of a pool alike, so requests to one origin meet at
/// one server and find its connections open; a server that leaves moves only what it had.
fn seed(pool: &EgressPool, origin: SocketAddr) -> u64 {
    let mut base = hash(0xcbf2_9ce4_8422_2325, pool.id.as_bytes());
    if let std::net::IpAddr::V4(ip) = origin.ip() {
        base = hash(base, &ip.octets());
    }
    hash(base, &origin.port().to_be_bytes())
}

/// FNV-1a, going on from `state`: the same in every build, which the standard library's hashers do not promise.
fn hash(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// FNV's high bits barely depend on its last bytes; this spreads them (SplitMix64's finish).
fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
