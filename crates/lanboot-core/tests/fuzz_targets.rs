//! Runs the fuzz targets on their seeds and on damaged copies of them: what breaks a target shows
//! up here, without a fuzzer.

use proptest::prelude::*;

#[allow(unreachable_pub)] // In their own crate they are public.
#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

use targets::{ALL, Target};

#[test]
fn every_seed_keeps_the_promises_of_its_target() {
    for Target { name, run, seeds } in ALL {
        let seeds = seeds();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| run(seed));
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzz_workspace() {
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    for Target { name, .. } in ALL {
        let path = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&path), "fuzz/Cargo.toml lacks {path}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), ALL.len());
}

proptest! {
    #[test]
    fn damaged_seeds_keep_the_promises(
        which in any::<prop::sample::Index>(),
        seed in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let target = which.get(&ALL);
        let mut bytes = seed.get(&(target.seeds)()).clone();
        for (at, value) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len() / 4 + 1));
        (target.run)(&bytes);
    }
}
