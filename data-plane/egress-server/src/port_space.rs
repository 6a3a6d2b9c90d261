//! The ports of one (egress IP, origin ip:port, protocol): which are taken, which is next.
//!
//! Pure: no clock, no socket, no lock. Taking and giving back are O(1); memory follows the number of ports that were
//! ever taken at once, not the length of the slices. Order (`kernel.md` section 7): a freed port that has rested,
//! else one that was never used, else the one that was freed first.

use egressway_core::Slices;
use foldhash::fast::RandomState;
use std::collections::{HashSet, VecDeque};

#[derive(Debug)]
struct Freed {
    port: u16,
    at_ms: u64,
}

/// State of one key's ports.
#[derive(Debug)]
pub struct PortSpace {
    slices: Slices,
    length: u32,
    /// Where counting begins, so that different origins use different port numbers.
    start: u32,
    /// Never-used ports that have been handed out or passed over.
    next: u32,
    free: VecDeque<Freed>,
    live: HashSet<u16, RandomState>,
    /// Ports of an earlier numbering that come back by themselves and must not be counted out again.
    known: HashSet<u16, RandomState>,
    /// Ports that another process or server holds: they are nowhere in `free`, all of them are `known`.
    excluded: HashSet<u16, RandomState>,
}

fn length(slices: &[(u16, u16)]) -> u32 {
    slices.iter().map(|(lo, hi)| u32::from(hi - lo) + 1).sum()
}

pub(crate) fn contains(slices: &[(u16, u16)], port: u16) -> bool {
    slices.iter().any(|(lo, hi)| (*lo..=*hi).contains(&port))
}

impl PortSpace {
    /// All ports of `slices` are free; counting begins at `seed` modulo their number.
    pub fn new(slices: &Slices, seed: u64) -> Self {
        let length = length(slices);
        PortSpace {
            slices: slices.clone(),
            length,
            start: (seed % u64::from(length.max(1))) as u32,
            next: 0,
            free: VecDeque::new(),
            live: HashSet::default(),
            known: HashSet::default(),
            excluded: HashSet::default(),
        }
    }

    /// Connections that hold a port.
    pub fn live(&self) -> u32 {
        self.live.len() as u32
    }

    /// What counts towards the cap. Ports that have left count as well until they are given back, here and where they
    /// are excluded: only so two servers that each keep to their share of a cap keep to the cap together.
    pub fn used(&self) -> u32 {
        self.live() + self.excluded.len() as u32
    }

    pub fn live_ports(&self) -> impl Iterator<Item = u16> {
        self.live.iter().copied()
    }

    /// Live ports that somebody else has to reckon with: those outside `slices`, and as many others as there are live
    /// ones beyond `cap`, of which others may have a share by now.
    pub fn held_from_others(&self, slices: &Slices, cap: u32) -> Vec<u16> {
        let (inside, mut held): (Vec<u16>, Vec<u16>) =
            self.live_ports().partition(|port| contains(slices, *port));
        let beyond = (self.live.len()).saturating_sub(cap as usize).saturating_sub(held.len());
        held.extend(inside.into_iter().take(beyond));
        held
    }

    /// No port is taken, and the last one that was has rested: nothing would be lost by forgetting.
    pub fn is_at_rest(&self, now_ms: u64, quarantine_ms: u64) -> bool {
        self.live.is_empty()
            && self.excluded.is_empty()
            && self.free.back().is_none_or(|freed| now_ms >= freed.at_ms + quarantine_ms)
    }

    /// Takes a port of `slices` for a connection, unless `cap` of them are taken already.
    pub fn take(&mut self, slices: &Slices, cap: u32, now_ms: u64, quarantine_ms: u64) -> Option<u16> {
        self.follow(slices);
        if self.used() >= cap {
            return None;
        }
        let rested = self.free.front().is_some_and(|freed| now_ms >= freed.at_ms + quarantine_ms);
        let port = match rested {
            true => self.pop_freed(),
            false => self.count_out().or_else(|| self.pop_freed()),
        }?;
        self.live.insert(port);
        Some(port)
    }

    fn pop_freed(&mut self) -> Option<u16> {
        self.free.pop_front().map(|freed| freed.port)
    }

    /// The next port that was never used.
    fn count_out(&mut self) -> Option<u16> {
        while self.next < self.length {
            let port = self.port_at((self.start + self.next) % self.length);
            self.next += 1;
            if !self.known.contains(&port) {
                return Some(port);
            }
        }
        None
    }

    fn port_at(&self, mut index: u32) -> u16 {
        for (lo, hi) in self.slices.iter() {
            let count = u32::from(hi - lo) + 1;
            if index < count {
                return lo + index as u16;
            }
            index -= count;
        }
        unreachable!("index is below the length of the slices")
    }

    /// The connection on `port` is closed.
    pub fn give_back(&mut self, port: u16, now_ms: u64) {
        let was_live = self.live.remove(&port);
        debug_assert!(was_live, "port {port} was given back twice");
        if was_live && contains(&self.slices, port) && !self.excluded.contains(&port) {
            self.free.push_back(Freed { port, at_ms: now_ms });
        }
    }

    /// Somebody else holds `port`, or the kernel still does: it goes to the end of the line for another one of
    /// `slices`. The number of live ports does not change in between.
    pub fn exchange(&mut self, slices: &Slices, port: u16, now_ms: u64) -> Option<u16> {
        self.follow(slices);
        let other = self.count_out().or_else(|| self.pop_freed())?;
        self.live.insert(other);
        self.give_back(port, now_ms);
        Some(other)
    }

    /// From now on exactly `ports` are held by somebody else; returns how many others that frees. A port that comes
    /// back rests like any other: its last connection has only just closed.
    pub fn exclude(&mut self, ports: &[u16], now_ms: u64) -> usize {
        let before = std::mem::replace(&mut self.excluded, ports.iter().copied().collect());
        self.free.retain(|freed| !self.excluded.contains(&freed.port));
        self.known.extend(&self.excluded);
        let mut freed = 0;
        for port in before.into_iter().filter(|port| !self.excluded.contains(port)) {
            freed += 1;
            if contains(&self.slices, port) && !self.live.contains(&port) {
                self.free.push_back(Freed { port, at_ms: now_ms });
            }
        }
        freed
    }

    fn follow(&mut self, slices: &Slices) {
        if *self.slices != **slices {
            self.adopt(slices);
        }
    }

    /// The server's slices have changed. Ports in use stay in use, and those of them that are still ours come back.
    fn adopt(&mut self, slices: &Slices) {
        self.free.retain(|freed| contains(slices, freed.port));
        self.known = self.free.iter().map(|freed| freed.port).collect();
        self.known.extend(self.live.iter().copied().filter(|port| contains(slices, *port)));
        self.known.extend(&self.excluded);
        self.slices = slices.clone();
        self.length = length(slices);
        self.start %= self.length.max(1);
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUARANTINE: u64 = 1000;

    fn slices(list: &[(u16, u16)]) -> Slices {
        list.into()
    }

    fn fill(space: &mut PortSpace, slices: &Slices, now: u64) -> Vec<u16> {
        std::iter::from_fn(|| space.take(slices, u32::MAX, now, QUARANTINE)).collect()
    }

    #[test]
    fn every_port_of_every_slice_is_used_once_and_no_other() {
        let slices = slices(&[(100, 109), (200, 204)]);
        let mut space = PortSpace::new(&slices, 7);
        let mut ports = fill(&mut space, &slices, 0);
        ports.sort_unstable();
        assert_eq!(ports, (100..110).chain(200..205).collect::<Vec<u16>>());
    }

    #[test]
    fn the_cap_is_exact() {
        let slices = slices(&[(100, 199)]);
        let mut space = PortSpace::new(&slices, 0);
        let ports: Vec<u16> = std::iter::from_fn(|| space.take(&slices, 3, 0, QUARANTINE)).collect();
        assert_eq!(ports.len(), 3);
        space.give_back(ports[0], 0);
        assert!(space.take(&slices, 3, 0, QUARANTINE).is_some());
        assert!(space.take(&slices, 3, 0, QUARANTINE).is_none());
    }

    #[test]
    fn a_freed_port_rests_while_another_is_left() {
        let slices = slices(&[(1, 3)]);
        let mut space = PortSpace::new(&slices, 0);
        let first = space.take(&slices, 3, 0, QUARANTINE).expect("free");
        space.give_back(first, 0);
        assert_ne!(space.take(&slices, 3, 10, QUARANTINE), Some(first));
        assert_eq!(space.take(&slices, 3, QUARANTINE, QUARANTINE), Some(first), "it has rested");
        space.give_back(first, QUARANTINE);
        assert_ne!(space.take(&slices, 3, QUARANTINE, QUARANTINE), Some(first), "one was never used");
        assert_eq!(space.take(&slices, 3, QUARANTINE, QUARANTINE), Some(first), "nothing else is left");
    }

    #[test]
    fn ports_in_use_survive_a_change_of_slices() {
        let (old, new) = (slices(&[(1, 10)]), slices(&[(6, 15)]));
        let mut space = PortSpace::new(&old, 3);
        let taken = fill(&mut space, &old, 0);
        let fresh = fill(&mut space, &new, 0);
        assert_eq!(fresh.len(), 5, "only the ports that are new");
        assert!(fresh.iter().all(|port| (11..=15).contains(port)));
        taken.iter().for_each(|port| space.give_back(*port, 0));
        let mut again = fill(&mut space, &new, 0);
        again.sort_unstable();
        assert_eq!(again, [6, 7, 8, 9, 10]);
    }

    #[test]
    fn an_exchange_keeps_the_count_and_gives_another_port() {
        let slices = slices(&[(1, 2)]);
        let mut space = PortSpace::new(&slices, 0);
        let held = space.take(&slices, 1, 0, QUARANTINE).expect("free");
        let other = space.exchange(&slices, held, 0).expect("another");
        assert_ne!(held, other);
        assert_eq!(space.live(), 1);
    }

    #[test]
    fn an_excluded_port_is_never_taken_counts_to_the_cap_and_comes_back() {
        let slices = slices(&[(1, 4)]);
        let mut space = PortSpace::new(&slices, 0);
        assert_eq!(space.exclude(&[2, 3, 9], 0), 0);
        let mut ports = fill(&mut space, &slices, 0);
        ports.sort_unstable();
        assert_eq!(ports, [1, 4]);
        assert_eq!(space.used(), 5);
        space.give_back(1, 0);
        assert_eq!(space.take(&slices, 4, 0, QUARANTINE), None, "one and three others' are four");
        assert_eq!(space.exclude(&[3], 0), 2);
        let mut ports = fill(&mut space, &slices, 0);
        ports.sort_unstable();
        assert_eq!(ports, [1, 2]);
    }

    #[test]
    fn what_left_is_held_from_others_and_counts_until_it_comes_back() {
        let (old, new) = (slices(&[(1, 10)]), slices(&[(1, 5)]));
        let mut space = PortSpace::new(&old, 0);
        fill(&mut space, &old, 0);
        let mut held = space.held_from_others(&new, 5);
        held.sort_unstable();
        assert_eq!(held, [6, 7, 8, 9, 10]);
        assert_eq!(space.held_from_others(&new, 2).len(), 8, "three more are beyond the cap");
        assert_eq!(space.held_from_others(&slices(&[]), 0).len(), 10);
        space.give_back(1, 0);
        assert_eq!(space.take(&new, 5, 0, QUARANTINE), None, "nine are open");
        (6..=10).for_each(|port| space.give_back(port, 0));
        assert_eq!(space.take(&new, 5, 0, QUARANTINE), Some(1));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        GiveBack(usize),
        Exchange(usize),
        Wait(u64),
        Adopt(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            3 => any::<usize>().prop_map(Step::GiveBack),
            1 => any::<usize>().prop_map(Step::Exchange),
            1 => (0u64..2000).prop_map(Step::Wait),
            1 => any::<usize>().prop_map(Step::Adopt),
        ]
    }

    proptest! {
        #[test]
        fn no_port_is_held_twice_and_the_cap_is_never_passed(
            steps in proptest::collection::vec(step(), 1..400),
            cap in 1u32..30,
            seed in any::<u64>(),
        ) {
            let choices = [slices(&[(1, 20)]), slices(&[(10, 25), (40, 44)]), slices(&[(3, 3)])];
            let mut current = choices[0].clone();
            let mut space = PortSpace::new(&current, seed);
            let (mut held, mut now) = (Vec::new(), 0);
            for step in steps {
                match step {
                    Step::Take => {
                        let room = (held.len() as u32) < cap;
                        let port = space.take(&current, cap, now, QUARANTINE);
                        if let Some(port) = port {
                            prop_assert!(room && contains(&current, port) && !held.contains(&port));
                            held.push(port);
                        } else {
                            let all_taken = (1..=50).filter(|p| contains(&current, *p)).all(|p| held.contains(&p));
                            prop_assert!(!room || all_taken, "refused although a port is free");
                        }
                    }
                    Step::GiveBack(at) if !held.is_empty() => {
                        space.give_back(held.swap_remove(at % held.len()), now);
                    }
                    Step::Exchange(at) if !held.is_empty() => {
                        let at = at % held.len();
                        if let Some(port) = space.exchange(&current, held[at], now) {
                            prop_assert!(!held.contains(&port));
                            held[at] = port;
                        }
                    }
                    Step::Wait(time) => now += time,
                    Step::Adopt(at) => current = choices[at % choices.len()].clone(),
                    Step::GiveBack(_) | Step::Exchange(_) => {}
                }
                prop_assert_eq!(space.live() as usize, held.len());
            }
        }
    }
}
