//! All tables of a budget have the same reserves.

use super::rules_tests::{File, member, terms, wants};
use super::terms::{OnConflict, Terms};

#[test]
fn tables_that_differ_in_their_reserves_are_refused_and_a_table_alone_may_change_its_own() {
    let kept = |units| Terms { reserve: vec![(1, units)], ..terms(10, 60) };
    for on_conflict in [OnConflict::Refuse, OnConflict::Smallest] {
        let mut file = File::default();
        let mut first = member(1, on_conflict, vec![kept(4)]);
        file.visit(&mut first, &wants(0, 1)).expect("it may");
        for other in [kept(2), terms(10, 60)] {
            let mut second = member(2, on_conflict, vec![other]);
            let conflict =
                file.visit(&mut second, &wants(0, 1)).expect_err("the reserves differ").to_string();
            assert!(
                conflict.contains("but 10 per 60 s, with a reserve of 4 for priority 1 in a process"),
                "{conflict}"
            );
            assert!(conflict.ends_with("Give both the same table"), "{conflict}");
        }
        first.set_table(vec![kept(2)].into());
        file.visit(&mut first, &wants(0, 1)).expect("nobody else has it");
        file.visit(&mut member(3, on_conflict, vec![kept(2)]), &wants(0, 1)).expect("it is the same now");
    }
}
