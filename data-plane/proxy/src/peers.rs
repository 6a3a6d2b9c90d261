//! Where this server takes connections of its peers, as the snapshot wants it.

use crate::plane::ApplyError;
use crate::service::Shared;
use crate::worker::{ListenerId, Worker};
use egressway_ingress::bind;
use egressway_ingress::listener::bind_shared;
use egressway_ingress::service::Counted;
use egressway_link::LinkSettings;
use egressway_snapshot::wire::Settings;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// The listener of the link.
pub struct OpenLink {
    id: ListenerId,
    wanted: SocketAddr,
}

/// What becomes of the listener that is open.
pub enum NextLink {
    Same,
    Closed,
    Opened(SocketAddr, Vec<TcpListener>),
}

pub fn settings(settings: &Settings) -> LinkSettings {
    let ms = |milliseconds: u32| Duration::from_millis(milliseconds.into());
    LinkSettings {
        dial: ms(settings.link_dial_ms),
        ping: ms(settings.link_ping_ms),
        dead: ms(settings.link_dead_ms),
    }
}

/// # Errors
/// The address cannot be listened on.
pub fn open(
    open: Option<&OpenLink>,
    wanted: Option<SocketAddr>,
    shared: &Shared,
) -> Result<NextLink, ApplyError> {
    let Some(wanted) = wanted else { return Ok(NextLink::Closed) };
    if open.is_some_and(|open| open.wanted == wanted) {
        return Ok(NextLink::Same);
    }
    let workers = shared.connections.len();
    let bound = if shared.share_listeners { bind_shared(wanted, workers) } else { bind(wanted, workers) };
    Ok(NextLink::Opened(wanted, bound.map_err(ApplyError::Listen)?))
}

pub fn start(
    open: &mut Option<OpenLink>,
    next: NextLink,
    id: ListenerId,
    workers: &[Worker],
    shared: &Shared,
) {
    let opened = match next {
        NextLink::Same => return,
        NextLink::Closed => None,
        NextLink::Opened(wanted, sockets) => {
            for (worker, socket) in workers.iter().zip(sockets) {
                worker.listen_for_peers(id, socket, Counted::new(&shared.listening));
            }
            Some(OpenLink { id, wanted })
        }
    };
    if let Some(before) = std::mem::replace(open, opened) {
        workers.iter().for_each(|worker| worker.close(before.id));
    }
}
