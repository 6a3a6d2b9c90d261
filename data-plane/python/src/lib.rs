//! CONFIG 5 of 5: the binding that Python drives the data plane with: apply, drain_counters,
//! status, held, exclude, cut, set_part, stop.
//!
//! Bytes and plain numbers cross here, nothing calls back into Python, and every verb gives the interpreter up while
//! it runs. The hand-written stub is `egressway/data_plane/_native.pyi`; a test compares both.

use egressway_core::Code;
use egressway_proxy::{Applied as Outcome, ApplyError, Options, Plane};
use egressway_snapshot::Part;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pyo3::create_exception!(
    _native,
    SnapshotRefused,
    PyValueError,
    "The snapshot was not taken; the one before it stays."
);
pyo3::create_exception!(
    _native,
    ListenError,
    PyOSError,
    "A listener could not be opened; what was in place stays."
);

/// What `apply` put in place.
#[pyclass(frozen, get_all, module = "egressway.data_plane._native")]
struct Applied {
    revision: u64,
    zones: usize,
    listeners: Vec<(String, u16, bool)>,
    unbindable: Vec<(String, String)>,
}

impl From<Outcome> for Applied {
    fn from(outcome: Outcome) -> Self {
        let listeners = outcome.listeners.into_iter();
        let unbindable = outcome.unbindable.into_iter();
        Applied {
            revision: outcome.revision,
            zones: outcome.zones,
            listeners: listeners.map(|(at, tls)| (at.ip().to_string(), at.port(), tls)).collect(),
            unbindable: unbindable.map(|(ip, reason)| (ip.to_string(), reason)).collect(),
        }
    }
}

/// A running data plane: its threads start with it and end with `stop`.
#[pyclass(frozen, module = "egressway.data_plane._native")]
struct DataPlane {
    plane: Plane,
    /// Threads do not survive a fork, so a child must not use its parent's data plane.
    process: u32,
}

impl DataPlane {
    fn plane(&self) -> PyResult<&Plane> {
        if std::process::id() == self.process {
            return Ok(&self.plane);
        }
        Err(PyRuntimeError::new_err(
            "this data plane belongs to the parent process; start one after the fork, not before it",
        ))
    }
}

#[pymethods]
impl DataPlane {
    #[new]
    #[pyo3(signature = (*, workers = 0, log_buffer_bytes = 8_388_608, access_log = true, share_listeners = false))]
    fn new(
        py: Python<'_>,
        workers: usize,
        log_buffer_bytes: usize,
        access_log: bool,
        share_listeners: bool,
    ) -> PyResult<Self> {
        let options = Options { workers, log_buffer_bytes, access_log, share_listeners };
        let plane = py.detach(|| Plane::start(&options))?;
        Ok(DataPlane { plane, process: std::process::id() })
    }

    fn apply(&self, py: Python<'_>, snapshot: &[u8]) -> PyResult<Applied> {
        let plane = self.plane()?;
        let applied = py.detach(|| {
            let applied = plane.apply(snapshot);
            // SAFETY: the function has no precondition. A decoded snapshot is larger than the tables made of it, and
            // this thread may not allocate again for long: what it has freed goes back to the system now.
            unsafe { libmimalloc_sys::mi_collect(true) };
            applied
        });
        applied.map(Applied::from).map_err(|error| match &error {
            ApplyError::Refused(_) => SnapshotRefused::new_err(error.to_string()),
            ApplyError::Listen(bind) => {
                ListenError::new_err((bind.cause.raw_os_error().unwrap_or(0), error.to_string()))
            }
            ApplyError::Stopped => PyRuntimeError::new_err(error.to_string()),
        })
    }

    fn drain_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let plane = self.plane()?;
        let drained = py.detach(|| plane.drain());
        let bytes = PyBytes::new_with(py, drained.len(), |bytes| {
            drained.write_to(bytes);
            Ok(())
        })?;
        plane.give_back(drained);
        Ok(bytes)
    }

    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let plane = self.plane()?;
        let status = py.detach(|| plane.status());
        Ok(PyBytes::new(py, &status))
    }

    fn held<'py>(&self, py: Python<'py>, everything: bool) -> PyResult<Bound<'py, PyBytes>> {
        let plane = self.plane()?;
        let held = py.detach(|| plane.held(everything));
        Ok(PyBytes::new(py, &held))
    }

    fn set_part(&self, part: &str) -> PyResult<()> {
        let Some(part) = Part::ALL.into_iter().find(|known| known.as_str() == part) else {
            return Err(PyValueError::new_err("`part` is one of whole, leaving, arriving"));
        };
        self.plane()?.set_part(part);
        Ok(())
    }

    fn exclude(&self, py: Python<'_>, held: &[u8]) -> PyResult<()> {
        let plane = self.plane()?;
        py.detach(|| plane.exclude(held)).map_err(PyValueError::new_err)
    }

    fn cut(&self, py: Python<'_>, held: &[u8]) -> PyResult<usize> {
        let plane = self.plane()?;
        py.detach(|| plane.cut(held)).map_err(PyValueError::new_err)
    }

    fn set_identity(&self, py: Python<'_>, ca_pem: &[u8], chain_pem: &[u8], key_pem: &[u8]) -> PyResult<()> {
        let plane = self.plane()?;
        let set = py.detach(|| plane.set_identity(ca_pem, chain_pem, key_pem));
        set.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn stop(&self, py: Python<'_>, deadline: f64) -> PyResult<usize> {
        let plane = self.plane()?;
        let patience = Duration::try_from_secs_f64(deadline)
            .map_err(|_| PyValueError::new_err("`deadline` is a number of seconds, 0 or more"))?;
        Ok(py.detach(|| plane.stop(patience)))
    }
}

/// One row of the list of errors: code, status, source, retry, seconds for Retry-After, message.
type ErrorRow = (&'static str, u16, &'static str, &'static str, Option<u32>, &'static str);

#[pyfunction]
fn error_codes() -> Vec<ErrorRow> {
    let row = |code: &Code| {
        let (source, retry) = (code.source().as_str(), code.retry().as_str());
        (code.as_str(), code.status(), source, retry, code.retry_after_seconds(), code.message())
    };
    Code::ALL.iter().map(row).collect()
}

/// Reads a snapshot with the types of the data plane and writes it again.
#[pyfunction]
fn golden_roundtrip<'py>(py: Python<'py>, snapshot: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let decoded =
        egressway_snapshot::decode(snapshot).map_err(|e| SnapshotRefused::new_err(e.to_string()))?;
    let encoded = egressway_snapshot::encode(&decoded).map_err(|e| PyValueError::new_err(e.to_string()))?;
    Ok(PyBytes::new(py, &encoded))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DataPlane>()?;
    module.add_class::<Applied>()?;
    module.add("SnapshotRefused", module.py().get_type::<SnapshotRefused>())?;
    module.add("ListenError", module.py().get_type::<ListenError>())?;
    module.add("WIRE", egressway_snapshot::wire::WIRE)?;
    module.add_function(wrap_pyfunction!(error_codes, module)?)?;
    module.add_function(wrap_pyfunction!(golden_roundtrip, module)?)?;
    Ok(())
}
