//! Two servers share an address: whatever moves between them, in whatever order they tell each other, no port is held
//! twice and the cap holds over both.

use egressway_core::Slices;
use egressway_egress_server::port_space::PortSpace;
use proptest::prelude::*;

/// Two servers that share one address; each knows of the other what it was told last.
struct Pair {
    spaces: [PortSpace; 2],
    held: [Vec<u16>; 2],
    slices: [Slices; 2],
    caps: [u32; 2],
}

const PORTS: u16 = 24;

impl Pair {
    /// The first server has everything.
    fn new(cap: u32, seed: u64) -> Self {
        let slices = [Slices::from([(1, PORTS)]), Slices::from([])];
        let spaces = [PortSpace::new(&slices[0], seed), PortSpace::new(&slices[1], seed)];
        Pair { spaces, held: Default::default(), slices, caps: [cap, 0] }
    }

    /// Ports up to `boundary` are the first server's from now on; the cap is shared out by length.
    fn split_at(&mut self, boundary: u16) {
        let total = self.caps[0] + self.caps[1];
        let first = total * u32::from(boundary) / u32::from(PORTS);
        self.caps = [first, total - first];
        let ranges = [(1, boundary), (boundary + 1, PORTS)];
        self.slices = ranges
            .map(|(low, high)| if low <= high { Slices::from([(low, high)]) } else { Slices::from([]) });
        self.tell();
    }

    /// Each tells what it holds, and the other keeps off it.
    fn tell(&mut self) {
        for who in 0..2 {
            let held = self.spaces[who].held_from_others(&self.slices[who], self.caps[who]);
            self.spaces[1 - who].exclude(&held, 0);
        }
    }

    fn take(&mut self, who: usize) {
        let port = self.spaces[who].take(&self.slices[who], self.caps[who], 0, 0);
        self.held[who].extend(port);
    }

    fn exchange(&mut self, who: usize, at: usize) {
        if let Some(port) = self.held[who].get(at % self.held[who].len().max(1)).copied() {
            let other = self.spaces[who].exchange(&self.slices[who], port, 0);
            self.held[who].retain(|held| other.is_none() || *held != port);
            self.held[who].extend(other);
        }
    }

    fn give_back(&mut self, who: usize, at: usize) {
        if !self.held[who].is_empty() {
            let at = at % self.held[who].len();
            self.spaces[who].give_back(self.held[who].swap_remove(at), 0);
        }
    }
}

#[derive(Debug, Clone)]
enum Move {
    Take(usize),
    GiveBack(usize, usize),
    Exchange(usize, usize),
    Split(u16),
    Tell,
}

fn move_or_use() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => (0usize..2).prop_map(Move::Take),
        4 => (0usize..2, any::<usize>()).prop_map(|(who, at)| Move::GiveBack(who, at)),
        1 => (0usize..2, any::<usize>()).prop_map(|(who, at)| Move::Exchange(who, at)),
        1 => (0u16..=PORTS).prop_map(Move::Split),
        1 => Just(Move::Tell),
    ]
}

proptest! {
    #[test]
    fn two_servers_never_hold_one_tuple_nor_more_than_the_cap_together(
        moves in proptest::collection::vec(move_or_use(), 1..300),
        cap in 1..=u32::from(PORTS),
        seed in any::<u64>(),
    ) {
        let mut pair = Pair::new(cap, seed);
        for step in moves {
            match step {
                Move::Take(who) => pair.take(who),
                Move::GiveBack(who, at) => pair.give_back(who, at),
                Move::Exchange(who, at) => pair.exchange(who, at),
                Move::Split(boundary) => pair.split_at(boundary),
                Move::Tell => pair.tell(),
            }
            let mut all: Vec<u16> = pair.held.concat();
            prop_assert!(all.len() as u32 <= cap, "{} of {cap}", all.len());
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), pair.held.iter().map(Vec::len).sum::<usize>());
        }
    }
}
