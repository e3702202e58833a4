//! What a map asks its owner: whether a key is the same, and whether an entry has expired.

/// Compares keys, and instants with now, on behalf of the owner of both.
///
/// An answer may be pending: in Python, it takes running foreign code, and that must not happen under the lock
/// around the map. The map then leaves everything as it was; the caller finds the answer outside its lock, and begins
/// the operation again.
pub trait Compare<K, T> {
    /// Why there is no answer yet.
    type Pending;

    /// Whether a stored key, whose hash is the same, is the key in question.
    ///
    /// # Errors
    /// When the answer is pending.
    fn same_key(&mut self, stored: &K) -> Result<bool, Self::Pending>;

    /// Whether an entry has expired.
    ///
    /// # Errors
    /// When the answer is pending.
    fn has_expired(&mut self, expires: &T) -> Result<bool, Self::Pending>;
}
