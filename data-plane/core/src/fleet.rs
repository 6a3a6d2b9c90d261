//! Servers of the fleet as the data plane names them, and how far from this one they stand.

use std::fmt;
use std::sync::Arc;

/// Another server of the fleet. Its number is given once for the life of the process, so that what is known about
/// it (is it up?) is found without comparing names.
#[derive(PartialEq, Eq)]
pub struct Server {
    pub serial: u32,
    pub name: Box<str>,
}

impl Server {
    pub fn new(serial: u32, name: &str) -> Self {
        Server { serial, name: name.into() }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The rung of the forwarding ladder that a request takes, nearest first (`spec/egress.md` section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rung {
    /// It leaves from the server it came to.
    #[default]
    Server,
    /// From another server of the data center.
    DataCenter,
    /// From another data center of the location.
    Location,
    /// From the closest other location.
    Closest,
}

impl Rung {
    /// As the access log writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rung::Server => "server",
            Rung::DataCenter => "data_center",
            Rung::Location => "location",
            Rung::Closest => "closest",
        }
    }

    /// In this server's own location: load may move a request from one to another of these, and to no other.
    pub const fn is_here(self) -> bool {
        !matches!(self, Rung::Closest)
    }
}

/// Other servers at one distance that hold addresses of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub rung: Rung,
    /// The location they stand in.
    pub location: Box<str>,
    pub servers: Box<[Arc<Server>]>,
}
