//! The one list of errors the proxy answers with: code, status, whose fault it is, whether a retry can help.
//!
//! The Python list is `egressway.model.errors.PROXY_ERRORS`, the page is `reference/errors.md`; a contract test
//! compares all three. Rule: `spec/egress.md` section 4 (fail closed) and E12, E13.

use std::fmt;

/// Who caused an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Client,
    Egress,
    Origin,
    Internal,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Client => "client",
            Source::Egress => "egress",
            Source::Origin => "origin",
            Source::Internal => "internal",
        }
    }
}

/// Whether sending the same request once more may help whoever got the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The answer will be the same.
    Never,
    /// The origin may have seen the request: only if it is safe to repeat.
    IfIdempotent,
    /// The origin has not seen the request.
    Safe,
}

impl Retry {
    pub const fn as_str(self) -> &'static str {
        match self {
            Retry::Never => "never",
            Retry::IfIdempotent => "if_idempotent",
            Retry::Safe => "safe",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $source:ident $retry:ident $after:expr, $message:literal;)*) => {
        /// A machine-readable reason, as in the `Egressway-Error` header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }
            /// The code that is written so; one that is not known here has no meaning here.
            pub fn named(name: &[u8]) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.as_str().as_bytes() == name)
            }
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }
            pub const fn source(self) -> Source {
                match self { $(Code::$variant => Source::$source,)* }
            }
            pub const fn retry(self) -> Retry {
                match self { $(Code::$variant => Retry::$retry,)* }
            }
            /// Seconds for `Retry-After`, where waiting helps.
            pub const fn retry_after_seconds(self) -> Option<u32> {
                match self { $(Code::$variant => $after,)* }
            }
            pub const fn message(self) -> &'static str {
                match self { $(Code::$variant => $message,)* }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" 400 Client Never None, "The request is not valid HTTP.";
    HostInvalid "host_invalid" 400 Client Never None, "The request needs exactly one valid Host.";
    FramingAmbiguous "framing_ambiguous" 400 Client Never None, "The length of the request body is ambiguous.";
    MethodNotAllowed "method_not_allowed" 405 Client Never None, "This method is not served here.";
    RequestTimeout "request_timeout" 408 Client IfIdempotent None, "The request did not arrive in time.";
    UriTooLong "uri_too_long" 414 Client Never None, "The request target is too long.";
    ExpectationFailed "expectation_failed" 417 Client Never None, "The only expectation understood is 100-continue.";
    Misdirected "misdirected" 421 Client Never None, "This connection's certificate does not cover the requested host.";
    UpgradeUnsupported "upgrade_unsupported" 400 Client Never None, "Only WebSocket upgrades are passed on.";
    HeadTooLarge "head_too_large" 431 Client Never None, "The request header is too large.";
    TransferCodingUnsupported "transfer_coding_unsupported" 501 Client Never None, "The only transfer coding understood is chunked.";
    VersionUnsupported "version_unsupported" 505 Client Never None, "This HTTP version is not served.";
    TooManyConnections "too_many_connections" 503 Client Safe Some(5), "This client has too many open connections.";
    ClientAborted "client_aborted" 499 Client IfIdempotent None, "The client went away before the answer was complete.";
    ZoneNotFound "zone_not_found" 404 Client Never None, "No zone serves this hostname.";
    TlsNotServed "tls_not_served" 403 Client Never None, "This zone is not served over TLS.";
    NoOrigin "no_origin" 503 Origin Safe None, "The hostname has no origin address.";
    OriginForbidden "origin_forbidden" 403 Origin Never None, "The origin lies in a network that may not be reached.";
    LoopDetected "loop_detected" 508 Origin Never None, "The origin leads back to this proxy.";
    NoApplicableIp "no_applicable_ip" 503 Egress Safe None, "The zone's pool has no usable address of the origin's family.";
    EgressCapacityExhausted "egress_capacity_exhausted" 503 Egress Safe Some(1), "Every connection the pool may hold to this origin is in use.";
    EgressAddressUnbindable "egress_address_unbindable" 503 Egress Safe Some(5), "The egress address cannot be used on this server.";
    EgressPortsBusy "egress_ports_busy" 503 Egress Safe Some(1), "The tried ports of the egress address are held by others.";
    NoApplicableIpInRegion "no_applicable_ip_in_region" 503 Egress Safe None, "The zone's pool has no usable address inside the hostname's region.";
    EgressServerUnreachable "egress_server_unreachable" 503 Egress Safe Some(1), "No server that holds an address of the pool can be reached.";
    RegionUnreachable "region_unreachable" 503 Egress Safe Some(1), "No server of the hostname's region can be reached.";
    EgressServerLost "egress_server_lost" 502 Egress IfIdempotent None, "The server that the request left from was lost before its answer was complete.";
    ForeignEgressPrevented "foreign_egress_prevented" 503 Egress Safe Some(1), "The connection did not leave from the chosen address and was closed.";
    OriginRefused "origin_refused" 502 Origin Safe Some(1), "The origin refused the connection.";
    OriginUnreachable "origin_unreachable" 502 Origin Safe Some(1), "The origin cannot be reached.";
    OriginConnectTimeout "origin_connect_timeout" 504 Origin Safe Some(1), "The origin did not accept the connection in time.";
    OriginTlsFailed "origin_tls_failed" 502 Origin Safe None, "The TLS handshake with the origin failed.";
    OriginCertificateInvalid "origin_certificate_invalid" 502 Origin Never None, "The origin's certificate is not valid for this zone's verification mode.";
    OriginTimeout "origin_timeout" 504 Origin IfIdempotent Some(1), "The origin did not answer in time.";
    OriginClosed "origin_closed" 502 Origin IfIdempotent None, "The origin closed the connection before its answer was complete.";
    OriginProtocol "origin_protocol" 502 Origin IfIdempotent None, "The origin's answer is not valid HTTP.";
    OriginUpgradeRefused "origin_upgrade_refused" 502 Origin Never None, "The origin's upgrade answer is not valid.";
    Draining "draining" 503 Internal Safe Some(1), "This server is stopping.";
    Internal "internal" 500 Internal IfIdempotent None, "The proxy failed; the incident has been counted.";
}

/// An error on its way to the client: a code, and for logs alone a cause.
#[derive(Debug)]
pub struct Error {
    pub code: Code,
    /// Never shown to clients.
    pub cause: Option<Box<str>>,
}

impl Error {
    pub const fn new(code: Code) -> Self {
        Error { code, cause: None }
    }

    pub fn because(code: Code, cause: impl fmt::Display) -> Self {
        Error { code, cause: Some(cause.to_string().into_boxed_str()) }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Error::new(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.code.as_str()),
            None => f.write_str(self.code.as_str()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }
}
