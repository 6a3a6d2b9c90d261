//! Requests by answer, one set per worker.

use egressway_core::Code;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CLASSES: [&str; 5] = ["status:1xx", "status:2xx", "status:3xx", "status:4xx", "status:5xx"];

/// What one worker has answered since the last drain. Only that worker writes.
pub struct RequestCounters {
    requests: AtomicU64,
    connections: AtomicU64,
    calls: AtomicU64,
    passed: AtomicU64,
    classes: [AtomicU64; CLASSES.len()],
    errors: Box<[AtomicU64]>,
}

/// Sums over all workers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    pub connections: u64,
}

impl Default for RequestCounters {
    fn default() -> Self {
        RequestCounters {
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            classes: Default::default(),
            errors: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl RequestCounters {
    /// A request was answered with `status`, or ended with `code` whatever was answered.
    pub fn add(&self, status: u16, code: Option<Code>) {
        self.requests.fetch_add(1, Relaxed);
        if let Some(class) = self.classes.get((usize::from(status) / 100).wrapping_sub(1)) {
            class.fetch_add(1, Relaxed);
        }
        self.add_error(code);
    }

    pub fn add_connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// A request of another server is sent on from here; that server counts its answer.
    pub fn add_call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// A connection is served by another server; that one counts its requests.
    pub fn add_passed(&self) {
        self.passed.fetch_add(1, Relaxed);
    }

    /// A connection failed before it had a request.
    pub fn add_error(&self, code: Option<Code>) {
        if let Some(error) = code.and_then(|code| self.errors.get(code as usize)) {
            error.fetch_add(1, Relaxed);
        }
    }

    /// Adds what was counted to `totals` and `by_answer`, and begins again.
    pub fn drain(&self, totals: &mut Totals, by_answer: &mut BTreeMap<String, u64>) {
        totals.requests += self.requests.swap(0, Relaxed);
        totals.connections += self.connections.swap(0, Relaxed);
        let classes = CLASSES.iter().map(|class| (*class).to_owned()).zip(&self.classes);
        let errors = Code::ALL.iter().map(|code| format!("error:{}", code.as_str())).zip(&self.errors);
        let calls = [("link".to_owned(), &self.calls), ("passed".to_owned(), &self.passed)];
        for (name, counter) in classes.chain(errors).chain(calls) {
            let count = counter.swap(0, Relaxed);
            if count > 0 {
                *by_answer.entry(name).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class_and_code_and_drained_once() {
        let counters = RequestCounters::default();
        counters.add(200, None);
        counters.add(503, Some(Code::NoApplicableIp));
        let (mut totals, mut answers) = (Totals::default(), BTreeMap::new());
        counters.drain(&mut totals, &mut answers);
        assert_eq!(totals.requests, 2);
        let expected = [("error:no_applicable_ip", 1), ("status:2xx", 1), ("status:5xx", 1)];
        assert!(answers.iter().map(|(k, v)| (k.as_str(), *v)).eq(expected));
        counters.drain(&mut totals, &mut answers);
        assert_eq!(totals.requests, 2);
    }
}
