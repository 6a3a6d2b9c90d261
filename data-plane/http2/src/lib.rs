//! Heads to and from the types of the h2 library, by the same rules as HTTP/1.
//!
//! The library has checked pseudo-fields, letter case and connection-specific fields (RFC 9113 section 8); here
//! come the rules that RFC 9113 leaves to a gateway (`data-plane.md` section 8).

mod request;
mod response;
mod trailers;

pub use request::{ToOriginH2, request_from_h2, request_to_h2};
pub use response::{response_from_h2, response_to_h2};
pub use trailers::{trailers_from_h2, trailers_to_h2};
