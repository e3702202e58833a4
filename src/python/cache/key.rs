//! Keys: hashed, and compared without Python where that is possible.

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

/// A stored key, with what makes it comparable without Python.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) object: Py<PyAny>,
    kind: KeyKind,
}

#[derive(Clone, Copy, Debug)]
enum KeyKind {
    /// Exactly `str`, and its UTF-8 is known to exist: reading it again can neither fail nor
    /// allocate.
    Text,
    /// Exactly `int`, and so small that its hash is the number: see [`is_own_hash`].
    Whole,
    /// Only Python can compare it.
    Other,
}

/// Whether the hash of a whole number is the number itself, and of no other that this is true of.
/// (-1 has the hash of -2; and on systems of 32 bits, hashes are so much smaller.)
fn is_own_hash(whole: i64) -> bool {
    const BOUND: i64 = if cfg!(target_pointer_width = "64") { (1 << 61) - 1 } else { (1 << 31) - 1 };
    whole > -BOUND && whole < BOUND && whole != -1
}

impl Key {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { object: self.object.clone_ref(py), kind: self.kind }
    }
}

/// A key that is looked up, hashed.
pub(super) struct Query<'a, 'py> {
    pub(super) object: &'a Bound<'py, PyAny>,
    pub(super) hash: u64,
    /// What a text says, once it was looked into.
    text: Option<&'a str>,
    kind: KeyKind,
}

impl<'a, 'py> Query<'a, 'py> {
    /// Hashes the key, which may run Python code and fail.
    #[inline(always)]
    pub(super) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let mut query = Self::unread(object)?;
        query.read();
        Ok(query)
    }

    /// The same, but a text is not looked into: that is needed only if another object may be equal.
    #[inline(always)]
    pub(super) fn unread(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let mut query = Self { object, hash: hash(object)?, text: None, kind: KeyKind::Other };
        if object.is_exact_instance_of::<PyString>() {
            query.kind = KeyKind::Text;
        } else if object.is_exact_instance_of::<PyInt>() && object.extract::<i64>().is_ok_and(is_own_hash) {
            query.kind = KeyKind::Whole;
        }
        Ok(query)
    }

    /// Whether it is a text that was looked into.
    #[inline(always)]
    pub(super) fn was_read(&self) -> bool {
        self.text.is_some()
    }

    /// Looks into a text. Returns whether that was new.
    pub(super) fn read(&mut self) -> bool {
        if !matches!(self.kind, KeyKind::Text) || self.text.is_some() {
            return false;
        }
        self.text = self.object.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok());
        if self.text.is_none() {
            // A lone surrogate has no UTF-8: such a key is left to Python.
            self.kind = KeyKind::Other;
        }
        true
    }

    /// Whether it is the stored key, if that takes no Python to find out.
    #[inline(always)]
    pub(super) fn is(&self, stored: &Key) -> Option<bool> {
        if self.object.is(&stored.object) {
            return Some(true);
        }
        match (stored.kind, self.kind) {
            (KeyKind::Text, KeyKind::Text) => {
                let text = self.text?;
                let stored = stored.object.bind(self.object.py());
                let stored = stored.cast_exact::<PyString>();
                Some(stored.is_ok_and(|stored| stored.to_str().is_ok_and(|stored| stored == text)))
            }
            // Their hashes are the same.
            (KeyKind::Whole, KeyKind::Whole) => Some(true),
            (KeyKind::Text, KeyKind::Whole) | (KeyKind::Whole, KeyKind::Text) => Some(false),
            _ => None,
        }
    }

    /// A stored key that is looked up again.
    pub(super) fn again(object: &'a Bound<'py, PyAny>, key: &Key, hash: u64) -> Self {
        let text = object.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok());
        Self { object, hash, text, kind: key.kind }
    }

    pub(super) fn to_key(&self) -> Key {
        Key { object: self.object.clone().unbind(), kind: self.kind }
    }
}

#[inline(always)]
fn hash(key: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(key.hash()?.cast_unsigned() as u64)
}
