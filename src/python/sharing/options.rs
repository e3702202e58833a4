//! What a throttler shares: a store's address, or a `sluicegate.Share`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::python::numbers;

use super::Share;

/// Reads the argument `share`: the address of a store, or anything with the attributes of `sluicegate.Share`.
pub fn read(share: &Bound<'_, PyAny>) -> PyResult<Share> {
    if share.is_instance_of::<PyString>() {
        return checked(Share::new(text("share", share)?));
    }
    let attribute = |name: &str| {
        share.getattr_opt(name)?.ok_or_else(|| {
            PyTypeError::new_err(format!(
                "share must be the address of a store or a sluicegate.Share, not {}: write \
                 share=\"sqlite:////var/lib/bots/budget.db\"",
                numbers::shown(share)
            ))
        })
    };
    let named = |name: &str| text(&format!("{name} of a share"), &attribute(name)?);
    let span = |name: &str| numbers::span(&format!("{name} of a share"), &attribute(name)?);
    let one_of = |name: &str, must: &str, values: &[&str]| {
        let value = attribute(name)?;
        match value.extract::<String>() {
            Ok(text) if values.contains(&text.as_str()) => Ok(text),
            _ => Err(numbers::wrong_value(&format!("{name} of a share"), must, &value)),
        }
    };
    let mut read = Share::new(named("url")?)
        .address(named("address")?)
        .account(named("account")?)
        .lease(span("lease")?)
        .arrival(span("arrival")?);
    one_of("on_loss", "'wait'", &["wait"])?;
    if one_of("conflict", "'refuse' or 'smallest'", &["refuse", "smallest"])? == "smallest" {
        read = read.smallest();
    }
    checked(read)
}

fn checked(share: Share) -> PyResult<Share> {
    share.check_url().map_err(PyValueError::new_err)?;
    share.check()?;
    Ok(share)
}

fn text(what: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.cast::<PyString>().map_err(|_| numbers::wrong_type(what, "a str", value))?;
    let utf8 = text
        .to_str()
        .map_err(|_| numbers::wrong_value(what, "a str without halves of surrogate pairs", value))?;
    Ok(utf8.to_owned())
}

/// Checks one `Share`: its address, and the range of its values. The store is not opened.
///
/// Args:
///     share: An object with the attributes of `Share`.
///
/// Raises:
///     ValueError: A value is out of range. The message shows it and says what would be right.
///     TypeError: A value has the wrong type.
#[pyfunction]
pub fn check_share(share: &Bound<'_, PyAny>) -> PyResult<()> {
    read(share).map(drop)
}

/// Returns the address of a store with ``***`` in place of its password.
///
/// Args:
///     url: The address.
#[pyfunction]
pub fn hide_password(url: &str) -> String {
    crate::store::shown(url)
}
