//! Genotypes that others found and published, by name. Those of the benchmark's own searches are named by task and seed; where
//! upstream does not label a seed, by a letter (methods spec §5.4, §5.5; `NB360:darts/gaea/eval/searched_genotypes.py`,
//! `NB360:darts_1d/gaea/eval/searched_genotypes.py`, `NB360:darts/gaea-dense/model_def.py`). Knows no network.

use crate::spaces::darts::genotype::Genotype;

/// What an untouched cell type decodes to: dense networks have no reduction cells.
const UNUSED: &str = "mp0 mp1 mp0 mp1 mp0 mp1 mp0 mp1";

/// Name, normal cell, reduction cell, in the short notation. Upstream calls the seed of `NB360_darcy_0` 2³¹ − 1.
pub const PUBLISHED: &[(&str, &str, &str)] = &[
    ("DARTS_V1", "s31 s30 sk0 s31 sk0 s31 s30 sk2", "mp0 mp1 sk2 mp0 mp0 sk2 sk2 ap0"),
    ("DARTS_V2", "s30 s31 s30 s31 s31 sk0 sk0 d32", "mp0 mp1 sk2 mp1 mp0 sk2 sk2 mp1"),
    ("PC_DARTS_cifar", "s31 sk0 s30 d31 s50 s31 ap0 d31", "s51 mp0 s51 s52 s30 s33 s31 s32"),
    ("PC_DARTS_image", "sk1 s30 s30 sk1 s31 s33 s31 d54", "s30 sk1 d52 mp1 s32 s31 s50 s33"),
    ("GAEA_cifar_103103", "s31 sk0 s31 sk2 s31 s32 s30 d34", "mp0 mp1 s50 s52 d33 s52 s54 s31"),
    ("GAEA_cifar_101307", "s31 sk0 s30 s32 s32 s51 s31 s50", "mp0 s51 d52 mp0 s32 sk0 d34 mp0"),
    ("GAEA_imagenet_156", "sk1 sk0 s32 s31 s52 s30 s53 s52", "mp1 s30 s51 d52 s31 s33 s51 mp2"),
    ("NB360_cifar100_0", "d51 d50 s52 s50 s30 s53 s33 d30", "mp1 mp0 mp1 s52 mp1 s52 ap1 d33"),
    ("NB360_cifar100_1", "s31 d50 s51 s50 s32 mp3 s50 s52", "mp0 mp1 s50 s51 s30 d53 d53 d54"),
    ("NB360_cifar100_2", "s51 s30 s32 d51 s53 s52 s52 s53", "s51 s30 d52 d51 d32 s53 s34 d52"),
    ("NB360_spherical_0", "d30 mp1 mp0 mp1 ap0 sk1 mp1 ap2", "sk1 mp0 sk1 ap0 mp1 ap2 ap1 ap2"),
    ("NB360_spherical_1", "s30 sk1 mp0 mp1 mp0 mp3 sk0 mp2", "ap0 sk1 ap1 ap0 mp0 mp1 ap0 d32"),
    ("NB360_spherical_2", "mp0 mp1 ap0 mp2 mp3 mp2 mp0 mp2", "ap1 sk0 mp1 d50 mp1 mp0 mp1 d50"),
    ("NB360_ninapro_0", "s51 s30 s51 ap2 s51 s53 mp3 mp4", "d31 sk0 s30 s31 ap0 s31 ap1 d52"),
    ("NB360_ninapro_1", "d50 d31 s52 mp1 s51 mp2 mp3 mp4", "d50 mp1 ap0 d52 ap2 ap3 d30 mp4"),
    ("NB360_ninapro_2", "s51 d50 d52 s31 s52 mp3 d54 s51", "mp0 s51 mp2 ap0 mp0 s32 s53 mp4"),
    ("NB360_fsd50k_0", "s50 mp1 d50 d31 s52 d50 d50 s54", "mp1 sk0 mp1 sk0 mp1 s50 mp1 s53"),
    ("NB360_fsd50k_1", "s30 mp1 s50 s51 ap0 s51 s50 s34", "sk1 sk0 sk1 mp0 mp0 sk1 mp0 s52"),
    ("NB360_fsd50k_2", "s50 s51 ap1 mp2 mp0 s53 ap0 mp4", "mp0 s31 mp0 sk1 mp0 sk1 mp0 s32"),
    ("NB360_darcy_0", "s50 s31 s32 s51 s31 s30 d53 mp0", UNUSED),
    ("NB360_darcy_1", "d51 s50 s51 d52 d53 s32 d33 d32", UNUSED),
    ("NB360_darcy_2", "d31 d30 d32 d30 d53 s51 d54 mp1", UNUSED),
    ("NB360_psicov_0", "ap0 sk1 ap0 d51 d31 ap0 s50 d33", UNUSED),
    ("NB360_psicov_1", "mp1 s30 s31 sk0 s30 d33 d51 d50", UNUSED),
    ("NB360_psicov_2", "d30 sk1 s31 sk0 s52 d50 sk0 d33", UNUSED),
    ("NB360_cosmic_a", "mp0 d51 d30 sk2 s52 s50 s31 s50", UNUSED),
    ("NB360_cosmic_b", "s30 mp1 ap2 mp0 ap2 ap3 s50 mp3", UNUSED),
    ("NB360_cosmic_c", "ap1 s30 ap1 ap2 mp1 mp2 mp1 ap3", UNUSED),
    ("NB360_ecg_0", "d30 d51 d51 d52 s53 s52 d54 d50", "s50 s51 d52 s51 d53 d52 d53 d34"),
    ("NB360_ecg_1", "d50 d51 s52 s51 d53 d52 sk0 d34", "s51 s50 s52 s51 s53 d52 d54 s52"),
    ("NB360_ecg_2", "d51 d50 d52 d30 d53 d52 d54 s30", "s51 s50 d52 s50 d52 d53 d54 d53"),
    ("NB360_satellite_0", "d50 d51 s50 s52 s50 d52 s50 d52", "s31 s30 d51 d52 d53 s51 s54 d53"),
    ("NB360_satellite_1", "d50 d51 d50 d52 d50 d53 s50 s52", "d50 ap1 d51 d52 d52 d53 d33 s32"),
    ("NB360_satellite_2", "d50 d51 d50 d52 d50 ap3 s52 d50", "d30 mp1 d52 ap0 d53 ap1 s53 d52"),
    ("NB360_deepsea_0", "s50 s31 s50 s51 d30 s52 ap0 mp2", "mp1 mp0 mp1 mp0 mp1 mp2 mp1 s50"),
    ("NB360_deepsea_1", "ap0 s31 ap0 ap2 ap0 s32 ap0 sk2", "d30 s51 s31 mp0 s50 mp1 mp0 ap1"),
    ("NB360_deepsea_2", "ap0 s31 d50 s32 ap0 s33 d50 d33", "sk0 ap1 sk0 s51 sk1 mp0 s30 ap1"),
];

/// A published genotype by its name, or one written out as `Genotype(normal=[…], …)`.
///
/// Errors: neither of the two.
pub fn find(text: &str) -> Result<Genotype, String> {
    if let Some((_, normal, reduce)) = PUBLISHED.iter().find(|(name, ..)| *name == text) {
        return Genotype::parse(normal, reduce);
    }
    if text.contains('[') {
        return Genotype::read(text);
    }
    let names: Vec<&str> = PUBLISHED.iter().map(|(name, ..)| *name).collect();
    Err(format!(
        "network.genotype: there is no published genotype `{text}`; write `Genotype(normal=[('sep_conv_3x3', 0), …], reduce=[…])` or one of: {}",
        names.join(", ")
    ))
}
