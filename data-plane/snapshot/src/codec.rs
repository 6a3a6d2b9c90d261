//! Bytes to [`Snapshot`] and back: MessagePack maps by field name, addresses as text.

use crate::refused::Refused;
use crate::wire::{Snapshot, WIRE};
use serde::{Deserialize, Serialize};

/// The only field that every layout, however new, is sure to have.
#[derive(Deserialize)]
struct Layout {
    wire: u32,
}

/// Reads a snapshot of a layout that this build understands.
///
/// # Errors
/// The layout is newer, or the bytes are no snapshot.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, Refused> {
    let read: Result<Snapshot, _> = read(bytes);
    let wire = match &read {
        Ok(snapshot) => snapshot.wire,
        // A newer layout may have fields that are unknown here: the better reason comes first.
        Err(_) => self::read::<Layout>(bytes).map_or(0, |layout| layout.wire),
    };
    if wire > WIRE {
        let problem = format!(
            "snapshot layout {wire} is newer than this build understands ({WIRE}); update the data plane"
        );
        return Err(Refused::new("wire", problem));
    }
    read.map_err(|error| Refused::new("snapshot", format!("not a snapshot of layout {WIRE}: {error}")))
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    T::deserialize(&mut rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable())
}

/// Writes a snapshot as the control plane does.
///
/// # Errors
/// None that the types allow.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    snapshot.serialize(&mut serializer)?;
    Ok(bytes)
}
