//! Dependencies that no package should have: the solver answers or explains, and libsolv stays whole.

use proptest::prelude::*;

use super::*;

fn dependency() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just("("),
        Just(")"),
        Just(" and "),
        Just(" or "),
        Just(" if "),
        Just(" else "),
        Just(" without "),
        Just(" >= 1"),
        Just("packageand("),
        Just("locale("),
        Just("modalias("),
        Just("otherproviders("),
        Just("filesystem("),
        Just("namespace:language("),
        Just("pattern:"),
        Just("splitprovides("),
        Just(":"),
        Just(";"),
        Just("/"),
        Just("\0"),
        Just("é"),
        Just("%2d"),
    ];
    proptest::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn odd_dependencies_are_survived(list in proptest::collection::vec((dependency(), 0..8_u8), 1..12)) {
        let mut offer = offer("oss", 99, "a 1-1 noarch\n b 1-1 noarch\n c 1-1 noarch");
        for (at, (text, kind)) in list.iter().enumerate() {
            let name = offer.words.add(text);
            let dependencies = &mut offer.packages[at % 3].dependencies;
            let target = match kind {
                0 => &mut dependencies.provides,
                1 => &mut dependencies.requires,
                2 => &mut dependencies.conflicts,
                3 => &mut dependencies.obsoletes,
                4 => &mut dependencies.recommends,
                5 => &mut dependencies.suggests,
                6 => &mut dependencies.supplements,
                _ => &mut dependencies.enhances,
            };
            target.push(Capability { name, ..Capability::default() });
        }
        let asked = [list[0].0.as_str(), "a", "c"];
        for install in [&asked[..], &asked[1..]] {
            let wish = Wish { recommends: true, languages: vec!["a".into()], ..wish(install) };
            match try_solve(&wish, vec![offer.clone()]) {
                Ok(resolution) => prop_assert!(resolution.package("a").is_some()),
                Err(Error::Unsatisfiable { problems }) => prop_assert!(problems.iter().all(|one| !one.sentences.is_empty())),
                Err(error) => prop_assert!(matches!(error, Error::Request { .. }), "another error"),
            }
        }
    }
}
