//! The innermost block that runs in a context, and what waits within it.
//!
//! Python's own `contextvars` know what runs within what: tasks that are started within a block are within it, too, and
//! so are threads that run in a copy of its context. Only blocks that others may have to wait for are kept there: to
//! look there costs as much as a whole pass.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use crate::python::once::Once;
use crate::wait::{Block, HeldUnits, Throttler};

/// A `ContextVar`, of which these are the methods.
struct Variable {
    get: Py<PyAny>,
    set: Py<PyAny>,
}

impl Variable {
    fn of(py: Python<'_>) -> PyResult<&'static Self> {
        static VARIABLE: Once<Variable> = Once::new();
        VARIABLE.get_or_try_init(py, || {
            let kwargs = [("default", py.None())].into_py_dict(py)?;
            let class = py.import("contextvars")?.getattr("ContextVar")?;
            let variable = class.call(("sluicegate",), Some(&kwargs))?;
            Ok(Self { get: variable.getattr("get")?.unbind(), set: variable.getattr("set")?.unbind() })
        })
    }

    fn get(&self, py: Python<'_>) -> PyResult<Option<Arc<Block>>> {
        let innermost = self.get.bind(py).call0()?;
        Ok(innermost.cast::<Innermost>().ok().map(|innermost| innermost.get().0.clone()))
    }

    fn set(&self, py: Python<'_>, block: Arc<Block>) -> PyResult<()> {
        self.set.bind(py).call1((Bound::new(py, Innermost(block))?,)).map(drop)
    }
}

/// A block, as the variable keeps it.
#[pyclass(module = "sluicegate", frozen)]
struct Innermost(Arc<Block>);

/// A request has entered, and others may have to wait for its answer: its block is the innermost one of this context.
///
/// It stays in this context when it has ended: what looks there passes over it. So blocks may end in any order, and in
/// contexts that they did not begin in.
#[cold]
pub fn begin(py: Python<'_>, throttler: Throttler, held: HeldUnits) -> PyResult<Arc<Block>> {
    let found = Variable::of(py).and_then(|variable| Ok((variable, variable.get(py)?)));
    let (variable, outer) = found.inspect_err(|_| {
        throttler.leave(&held.route, held.units, held.epoch);
    })?;
    let block = Block::new(throttler, held, outer.and_then(Block::running));
    let set = variable.set(py, block.clone());
    set.inspect_err(|_| {
        block.leave();
    })?;
    Ok(block)
}

/// The blocks that run around the code that runs now, from the innermost one outwards.
#[cold]
pub fn enclosing(py: Python<'_>) -> PyResult<Vec<Arc<Block>>> {
    Ok(Variable::of(py)?.get(py)?.map_or_else(Vec::new, Block::all_running))
}
