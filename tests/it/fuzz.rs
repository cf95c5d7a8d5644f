//! The fuzz targets for a moment: every seed as it is, and changed in ways that are the same in each run.

use std::path::Path;

use crate::fuzz_targets::TARGETS;

/// Changed inputs for each seed; `OCT_FUZZ_ROUNDS` asks for more.
const ROUNDS: u32 = 1_000;

/// Seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(crate::ROOT).join("tests/fuzz/seeds").join(target);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.display().to_string(), std::fs::read(path).unwrap())
    };
    let mut seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(read).collect();
    seeds.sort();
    seeds
}

/// A few changes of the kinds that fuzzers make.
fn mutate(rng: &mut fastrand::Rng, input: &mut Vec<u8>, others: &[(String, Vec<u8>)]) {
    for _ in 0..rng.u32(1..=4) {
        let at = rng.usize(..=input.len());
        match rng.u32(..7) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << rng.u32(..8);
                }
            }
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = *rng.choice(b"\0\x01\x7f\xff\"\\{}[]:,\n &*0-9").unwrap_or(&0);
                }
            }
            3 => input.truncate(at),
            4 => drop(input.drain(at..(at + rng.usize(..40)).min(input.len()))),
            5 => {
                let again = input[at..(at + rng.usize(..200)).min(input.len())].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let other = &others[rng.usize(..others.len())].1;
                let from = rng.usize(..=other.len());
                let piece = other[from..(from + rng.usize(..200)).min(other.len())].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
}

#[test]
fn every_target_holds_its_laws_for_seeds_and_their_changes() {
    let rounds = std::env::var("OCT_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for (number, (name, target)) in (0..).zip(TARGETS) {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        let mut rng = fastrand::Rng::with_seed(number);
        for (path, seed) in &seeds {
            let run = |round: u32, input: &[u8]| {
                let held = std::panic::catch_unwind(|| target(input));
                assert!(held.is_ok(), "{name}, {path}, round {round}: {:?}", String::from_utf8_lossy(input));
            };
            run(0, seed);
            for round in 1..=rounds {
                let mut input = seed.clone();
                mutate(&mut rng, &mut input, &seeds);
                run(round, &input);
            }
        }
    }
}
