//! Which third-party crates can change a number, decided by a person for each crate that a stage reaches.
//! Knows no version and no feature. How to decide: `docs/cache-key.md`.

/// What a crate is to a cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Its version, checksum and features enter the key of all that reaches it; so do those of its dependencies.
    Numeric,
    /// Nothing it does can change a result, and so nothing below it that is reached through it alone.
    Inert,
}

/// The class of a crate with these features; `None`: nobody has decided yet, which a test reports.
pub fn class<'f>(name: &str, features: impl IntoIterator<Item = &'f str>) -> Option<Class> {
    if NUMERIC.binary_search(&name).is_ok() {
        return Some(Class::Numeric);
    }
    let inert = INERT.binary_search_by_key(&name, |(name, _)| *name).is_ok();
    let switched = features.into_iter().any(|feature| UNLESS.contains(&(name, feature)));
    (inert && !switched).then_some(Class::Inert)
}

/// Sorted. Tensors, linear algebra, transforms, random numbers, float formats, and what chooses code by CPU.
pub const NUMERIC: &[&str] = &[
    "candle-core",
    "candle-nn",
    "float8",
    "gemm",
    "gemm-c32",
    "gemm-c64",
    "gemm-common",
    "gemm-f16",
    "gemm-f32",
    "gemm-f64",
    "half",
    "libm",
    "num-complex",
    "num-integer",
    "num-traits",
    "ppv-lite86",
    "primal-check",
    "pulp",
    "rand",
    "rand_chacha",
    "rand_core",
    "rand_distr",
    "raw-cpuid",
    "rustfft",
    "safetensors",
    "strength_reduce",
    "transpose",
];

/// Sorted, with the reason.
pub const INERT: &[(&str, &str)] = &[
    ("annotate-snippets", "draws messages"),
    ("autocfg", "asks the compiler for its version at build time"),
    ("bitflags", "sets of flags for system calls"),
    ("bytemuck", "casts plain data to bytes and back"),
    ("bytemuck_derive", "writes checked casts of plain data; a wrong one does not compile"),
    ("byteorder", "reads integers in a stated order"),
    ("bzip2", "lossless: what it unpacks was checked against a published digest, and its own checksum holds"),
    ("cfg-if", "chooses between items at compile time by target, which the numerics class covers"),
    ("clap", "command line"),
    ("clap_complete", "shell completions"),
    ("csv", "splits text into fields by fixed rules (RFC 4180); no number is read by it"),
    ("dyn-stack", "scratch memory"),
    ("flate2", "lossless: its own checksum holds"),
    ("getrandom", "seeds from the system, which no stage asks for: `seed.rs` is the only source of randomness"),
    ("glob", "file names in manifests"),
    ("hashbrown", "a hash map; safetensors, which brings it, sorts what it writes"),
    ("indicatif", "progress bars"),
    ("libc", "declarations of system calls"),
    ("lzma-rust2", "lossless: its own checksum holds"),
    ("md-5", "a digest with one right answer"),
    ("memmap2", "reads files"),
    ("num_cpus", "a thread count, which changes no result"),
    ("once_cell", "initialises once"),
    ("parking_lot", "locks"),
    ("paste", "joins identifiers at compile time"),
    ("petgraph", "the plan's graph"),
    ("proc-macro2", "tokens at compile time"),
    ("pulp-wasm-simd-flag", "a switch for another target"),
    ("quote", "tokens at compile time"),
    ("rayon", "hands out work; results are the same for any thread count, which a test checks"),
    ("reborrow", "lifetimes"),
    ("rustversion", "asks the compiler for its version at build time"),
    ("seq-macro", "repeats items at compile time"),
    ("serde", "moves values between types"),
    ("serde_core", "moves values between types"),
    ("serde_json", "prints floats so that they read back; the order of keys is ours as long as no feature changes it"),
    ("sha2", "a digest with one right answer"),
    ("signal-hook", "signals"),
    ("stable_deref_trait", "marks pointers"),
    ("strsim", "did-you-mean"),
    ("syn", "tokens at compile time"),
    ("tar", "lossless container"),
    ("tempfile", "names of scratch files"),
    ("thiserror", "error messages"),
    ("tokenizers", "text models, which candle offers and no stage uses"),
    ("toml", "manifests, which reach a stage only as keyed settings"),
    ("ureq", "downloads, checked against a published digest"),
    ("version_check", "asks the compiler for its version at build time"),
    ("yoke", "lifetimes"),
    ("zerocopy", "checked casts of plain data"),
    ("zip", "lossless: its own checksum holds"),
    ("zstd", "lossless: its own checksum holds"),
];

/// Features with which an inert crate is no longer inert.
pub const UNLESS: &[(&str, &str)] = &[
    ("serde_json", "arbitrary_precision"), // numbers become texts
    ("serde_json", "preserve_order"),      // maps keep the order of insertion, and artifacts would too
];

#[cfg(test)]
mod tests {
    use crate::fingerprint::crates::{Class, INERT, NUMERIC, UNLESS, class};

    #[test]
    fn lists_are_sorted_and_disjoint() {
        assert!(NUMERIC.is_sorted_by(|a, b| a < b));
        assert!(INERT.is_sorted_by(|a, b| a.0 < b.0));
        for (name, reason) in INERT {
            assert!(!NUMERIC.contains(name), "{name} is on both lists");
            assert!(!reason.is_empty());
        }
        for (name, _) in UNLESS {
            assert!(INERT.iter().any(|(inert, _)| inert == name), "{name} is not inert anyway");
        }
    }

    #[test]
    fn a_feature_can_end_inertness() {
        assert_eq!(class("serde_json", ["std"]), Some(Class::Inert));
        assert_eq!(class("serde_json", ["std", "preserve_order"]), None);
        assert_eq!(class("candle-core", []), Some(Class::Numeric));
        assert_eq!(class("no-such-crate", []), None);
    }
}
