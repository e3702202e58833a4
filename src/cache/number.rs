//! A number as Python has it: a whole one or a fraction, compared without rounding.

use std::cmp::Ordering;

/// An instant, a duration or a size.
///
/// Whole numbers stay whole, because nanoseconds since 1970 do not fit a fraction.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// A fraction, an infinity, or not a number.
    Float(f64),
}

impl Number {
    /// The sum; a whole sum that does not fit becomes a fraction.
    #[inline(always)]
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Self::Int(sum);
        }
        Self::Float(self.as_f64() + other.as_f64())
    }

    /// The difference; a whole difference that does not fit becomes a fraction.
    #[inline(always)]
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(difference) = a.checked_sub(b)
        {
            return Self::Int(difference);
        }
        Self::Float(self.as_f64() - other.as_f64())
    }

    /// Whether this is less than `other`; never true when either is not a number.
    #[inline(always)]
    #[must_use]
    pub fn before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a < b,
            (Self::Int(a), Self::Int(b)) => a < b,
            (Self::Int(a), Self::Float(b)) => compare(a, b) == Some(Ordering::Less),
            (Self::Float(a), Self::Int(b)) => compare(b, a) == Some(Ordering::Greater),
        }
    }

    /// The nearest fraction.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Float(fraction) => fraction,
        }
    }
}

/// Compares a whole number with a fraction, exactly: rounding the whole one first would call
/// 2^53 + 1 and 2^53 equal.
#[allow(clippy::cast_possible_truncation)]
fn compare(whole: i64, fraction: f64) -> Option<Ordering> {
    const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;
    if fraction.is_nan() {
        return None;
    }
    if fraction >= TWO_POW_63 {
        return Some(Ordering::Less);
    }
    if fraction < -TWO_POW_63 {
        return Some(Ordering::Greater);
    }
    let floor = fraction.floor();
    Some(whole.cmp(&(floor as i64)).then(if fraction > floor { Ordering::Less } else { Ordering::Equal }))
}

#[cfg(test)]
mod tests {
    use super::Number::{Float, Int};

    #[test]
    fn whole_sums_stay_whole_until_they_do_not_fit() {
        assert!(matches!(Int(2).plus(Int(3)), Int(5)));
        assert!(matches!(Int(2).minus(Int(3)), Int(-1)));
        assert!(matches!(Int(i64::MAX).plus(Int(1)), Float(_)));
        assert!(matches!(Int(1).plus(Float(0.5)), Float(x) if x == 1.5));
    }

    #[test]
    fn whole_numbers_and_fractions_compare_without_rounding() {
        const BIG: i64 = 1 << 53;
        assert!(Float(BIG as f64).before(Int(BIG + 1)));
        assert!(!Int(BIG + 1).before(Float(BIG as f64)));
        assert!(Int(1).before(Float(1.5)) && !Float(1.5).before(Int(1)));
        assert!(Float(-1.5).before(Int(-1)) && !Int(-1).before(Float(-1.5)));
        assert!(Int(i64::MAX).before(Float(f64::INFINITY)));
        assert!(Float(f64::NEG_INFINITY).before(Int(i64::MIN)));
        assert!(!Int(2).before(Float(2.0)) && !Float(2.0).before(Int(2)));
    }

    #[test]
    fn nothing_is_before_or_after_not_a_number() {
        for number in [Int(0), Float(0.0), Float(f64::INFINITY)] {
            assert!(!number.before(Float(f64::NAN)) && !Float(f64::NAN).before(number));
        }
    }
}
