//! Why a snapshot is not taken.

use std::fmt;

/// A snapshot that cannot be used: where, what is wrong there, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Such as `zone 023e105f, host www.example.com`.
    pub place: String,
    pub problem: String,
}

impl Refused {
    pub fn new(place: impl Into<String>, problem: impl fmt::Display) -> Self {
        Refused { place: place.into(), problem: problem.to_string() }
    }

    /// The same problem, said to lie within `outer`.
    #[must_use]
    pub fn within(self, outer: impl fmt::Display) -> Self {
        Refused { place: format!("{outer}, {}", self.place), problem: self.problem }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for Refused {}
