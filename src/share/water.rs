//! Max-min sharing in whole units: everybody gets as much as the level, or what he wants if that is less.

/// What one who shares wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Want {
    /// What is reserved for him whatever the level.
    pub floor: u64,
    /// No more than this.
    pub cap: u64,
    /// What he has already: units that do not go round evenly stay where they are.
    pub has: u64,
    /// What his requests take: a part of it is of no use to him. 0 and 1 for single units.
    pub grain: u64,
}

/// Shares `total` out. The floors must fit in it, and no cap may be under its floor.
pub(super) fn share_out(total: u64, wants: &[Want]) -> Vec<u64> {
    let at =
        |level: u64| wants.iter().map(|want| u128::from(want.floor.max(want.cap.min(level)))).sum::<u128>();
    let highest = wants.iter().map(|want| want.cap).max().unwrap_or(0);
    if at(highest) <= u128::from(total) {
        return wants.iter().map(|want| want.cap).collect();
    }
    // The highest level at which all fit: at `low` they do, at `high` they do not.
    let (mut low, mut high) = (0, highest.min(total + 1));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if at(middle) <= u128::from(total) { low = middle } else { high = middle }
    }
    let mut shares: Vec<u64> = wants.iter().map(|want| want.floor.max(want.cap.min(low))).collect();
    let mut rest = total - u64::try_from(at(low)).unwrap_or(total).min(total);
    // Whole requests: what is left over of one share makes another one whole.
    for (share, want) in shares.iter_mut().zip(wants) {
        if want.grain > 1 && want.floor <= low && low < want.cap && *share >= want.grain {
            let part = (*share % want.grain).min(*share - want.floor);
            rest += part;
            *share -= part;
        }
    }
    // One more request for each, as far as it goes, and first for those who would have to give it back otherwise.
    let above: Vec<usize> =
        (0..wants.len()).filter(|&at| wants[at].cap > low && wants[at].floor <= low).collect();
    let has_more = |at: &usize| wants[*at].has > shares[*at];
    let (first, then): (Vec<usize>, Vec<usize>) = above.iter().partition(|at| has_more(at));
    for at in first.into_iter().chain(then) {
        let more = wants[at].grain.max(1).min(wants[at].cap - shares[at]);
        if more <= rest {
            shares[at] += more;
            rest -= more;
        }
    }
    // What makes nobody's request whole.
    for at in above {
        let more = rest.min(wants[at].cap - shares[at]);
        shares[at] += more;
        rest -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    /// The largest limit there is.
    const LARGEST: u64 = 1 << 62;
    use proptest::prelude::*;

    use super::*;

    fn want((floor, more, has): (u64, u64, u64)) -> Want {
        Want { floor, cap: floor + more, has, grain: 1 }
    }

    #[test]
    fn units_that_do_not_go_round_stay_where_they_are() {
        let wants = [0, 0, 4, 5].map(|has| Want { floor: 0, cap: 9, has, grain: 1 });
        assert_eq!(share_out(14, &wants), [3, 3, 4, 4]);
        assert_eq!(share_out(0, &wants), [0; 4]);
    }

    #[test]
    fn endless_limits_do_not_overflow() {
        let wants = [Want { cap: LARGEST, ..Want::default() }; 100];
        let shares = share_out(LARGEST, &wants);
        assert_eq!(shares.iter().map(|&one| u128::from(one)).sum::<u128>(), u128::from(LARGEST));
    }

    #[test]
    fn shares_are_whole_requests() {
        let wants = [50, 20, 11, 10].map(|has| Want { floor: 0, cap: 90, has, grain: 10 });
        assert_eq!(share_out(50, &wants), [20, 10, 10, 10]);
        // Too little for a whole one each: tickets decide, and nobody's share is taken.
        assert_eq!(share_out(20, &wants), [5; 4]);
    }

    proptest! {
        #[test]
        fn all_is_shared_out_whatever_the_requests_take(
            wants in prop::collection::vec((0..5_u64, 0..20_u64, 0..20_u64, 0..7_u64), 1..8),
            spare in 0..60_u64,
        ) {
            let wants: Vec<Want> =
                wants.iter().map(|&(floor, more, has, grain)| Want { grain, ..want((floor, more, has)) }).collect();
            let total = wants.iter().map(|want| want.floor).sum::<u64>() + spare;
            let shares = share_out(total, &wants);
            prop_assert_eq!(shares.iter().sum::<u64>(), total.min(wants.iter().map(|want| want.cap).sum()));
            prop_assert!(shares.iter().zip(&wants).all(|(share, want)| want.floor <= *share && *share <= want.cap));
        }

        #[test]
        fn nobody_could_have_more_without_another_having_less_who_has_no_more(
            wants in prop::collection::vec((0..5_u64, 0..20_u64, 0..20_u64).prop_map(want), 1..8),
            spare in 0..60_u64,
        ) {
            let floors: u64 = wants.iter().map(|want| want.floor).sum();
            let total = floors + spare;
            let shares = share_out(total, &wants);
            let caps: u64 = wants.iter().map(|want| want.cap).sum();
            prop_assert_eq!(shares.iter().sum::<u64>(), total.min(caps));
            for (share, want) in shares.iter().zip(&wants) {
                prop_assert!(want.floor <= *share && *share <= want.cap);
                if *share < want.cap {
                    let over = shares.iter().zip(&wants).find(|(other, wants)| **other > wants.floor.max(share + 1));
                    prop_assert!(over.is_none(), "{:?} of {:?}", shares, wants);
                }
            }
        }
    }
}
