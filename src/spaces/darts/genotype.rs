//! What a search finds: for each cell type, two primitives with their inputs per node. Knows no network.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A primitive of the retained edges, in upstream's order without `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Primitive {
    MaxPool,
    AveragePool,
    Skip,
    /// Separable convolution with this kernel.
    Sep(usize),
    /// Dilated convolution with this kernel.
    Dil(usize),
    /// Convolutions of 1×k and k×1, one after the other.
    Crossed(usize),
    /// Convolution in so many of the lowest frequencies of each axis.
    Spectral(usize),
}

/// Kernels and frequencies at most.
const LARGEST: usize = 11;
const MOST_MODES: usize = 64;

impl From<Primitive> for String {
    fn from(primitive: Primitive) -> String {
        primitive.name()
    }
}

impl TryFrom<String> for Primitive {
    type Error = String;

    fn try_from(name: String) -> Result<Primitive, String> {
        Primitive::find(&name)
    }
}

/// A primitive and the number of the state that it reads: 0 and 1 are the cell's inputs, then its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    pub primitive: Primitive,
    pub input: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genotype {
    /// Two picks per node, node by node.
    pub normal: Vec<Pick>,
    pub reduce: Vec<Pick>,
}

impl Primitive {
    /// As upstream names it (`NB360:darts/gaea/search/genotypes.py`).
    pub fn name(self) -> String {
        match self {
            Primitive::MaxPool => "max_pool_3x3".to_string(),
            Primitive::AveragePool => "avg_pool_3x3".to_string(),
            Primitive::Skip => "skip_connect".to_string(),
            Primitive::Sep(k) => format!("sep_conv_{k}x{k}"),
            Primitive::Dil(k) => format!("dil_conv_{k}x{k}"),
            Primitive::Crossed(k) => format!("conv_{k}x1_1x{k}"),
            Primitive::Spectral(modes) => format!("spectral_conv_{modes}"),
        }
    }

    /// By its name.
    pub fn find(name: &str) -> Result<Primitive, String> {
        let kernels = (3..=LARGEST).step_by(2);
        let wider = kernels.flat_map(|k| [Primitive::Sep(k), Primitive::Dil(k), Primitive::Crossed(k)]);
        let mut all = Primitive::ALL.into_iter().chain(wider).chain((1..=MOST_MODES).map(Primitive::Spectral));
        all.find(|p| p.name() == name).ok_or_else(|| format!("there is no primitive `{name}`"))
    }

    /// Upstream's primitives in its order, without `none`, which is number 0 of a row of alpha.
    pub const ALL: [Primitive; 7] = [
        Primitive::MaxPool,
        Primitive::AveragePool,
        Primitive::Skip,
        Primitive::Sep(3),
        Primitive::Sep(5),
        Primitive::Dil(3),
        Primitive::Dil(5),
    ];
}

/// `Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=[…], reduce_concat=range(2, 6))`, as the
/// literature prints it.
impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |picks: &[Pick]| {
            let pair = |p: &Pick| format!("('{}', {})", p.primitive.name(), p.input);
            picks.iter().map(pair).collect::<Vec<_>>().join(", ")
        };
        let end = |picks: &[Pick]| 2 + picks.len() / 2;
        write!(
            f,
            "Genotype(normal=[{}], normal_concat=range(2, {}), reduce=[{}], reduce_concat=range(2, {}))",
            list(&self.normal),
            end(&self.normal),
            list(&self.reduce),
            end(&self.reduce)
        )
    }
}

impl Genotype {
    /// From the notation of the literature, as `Display` writes it; white space and the kind of quotes do not matter.
    ///
    /// Errors: what `parse` refuses, and a text without the two lists.
    pub fn read(text: &str) -> Result<Genotype, String> {
        let list = |name: &str| {
            let start = text.find(&format!("{name}=[")).or_else(|| text.find(&format!("{name} = [")));
            let start = start.ok_or_else(|| format!("genotype: `{name}=[…]` was expected in `{text}`"))?;
            let open = start + text[start..].find('[').expect("just found");
            let close = text[open..].find(']').ok_or_else(|| format!("genotype: `{name}=[` is not closed"))?;
            let pairs = text[open + 1..open + close].split(')').filter(|pair| pair.contains('('));
            let short = |pair: &str| {
                let inside = pair.split('(').next_back().unwrap_or_default();
                let (name, input) =
                    inside.split_once(',').ok_or_else(|| format!("genotype: a pair was expected, found `{pair})`"))?;
                let name = name.trim().trim_matches(['\'', '"']);
                let primitive = Primitive::find(name).map_err(|e| format!("genotype: {e}"))?;
                let input =
                    input.trim().parse().map_err(|_| format!("genotype: an input was expected, found `{input}`"))?;
                Ok(Pick { primitive, input })
            };
            checked(pairs.map(short).collect::<Result<_, String>>()?, text)
        };
        Ok(Genotype { normal: list("normal")?, reduce: list("reduce")? })
    }

    /// From the short notation: two letters or a letter and a kernel, then the input, such as `s30 sk1 d52 mp0`.
    ///
    /// Errors: an unknown primitive, an input that is not there yet, an odd number of picks.
    pub fn parse(normal: &str, reduce: &str) -> Result<Genotype, String> {
        Ok(Genotype { normal: picks(normal)?, reduce: picks(reduce)? })
    }
}

fn picks(text: &str) -> Result<Vec<Pick>, String> {
    checked(text.split_whitespace().map(pick).collect::<Result<_, _>>()?, text)
}

fn checked(picks: Vec<Pick>, text: &str) -> Result<Vec<Pick>, String> {
    if picks.is_empty() || !picks.len().is_multiple_of(2) {
        return Err(format!("genotype: two picks per node were expected, found `{text}`"));
    }
    match picks.iter().enumerate().find(|(at, pick)| pick.input >= 2 + at / 2) {
        Some((at, pick)) => Err(format!("genotype: node {} cannot read state {}: `{text}`", at / 2, pick.input)),
        None => Ok(picks),
    }
}

fn pick(text: &str) -> Result<Pick, String> {
    let wrong = || format!("genotype: mp, ap, sk, s3, s5, d3 or d5 and an input were expected, found `{text}`");
    let (name, input) = text.split_at_checked(2).ok_or_else(wrong)?;
    let primitive = match name {
        "mp" => Primitive::MaxPool,
        "ap" => Primitive::AveragePool,
        "sk" => Primitive::Skip,
        "s3" => Primitive::Sep(3),
        "s5" => Primitive::Sep(5),
        "d3" => Primitive::Dil(3),
        "d5" => Primitive::Dil(5),
        _ => return Err(wrong()),
    };
    Ok(Pick { primitive, input: input.parse().map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::{Genotype, Pick, Primitive};

    #[test]
    fn the_notation_of_the_literature_goes_there_and_back() {
        let genotype = Genotype::parse("s30 sk1 d52 mp0", "ap0 mp1 s51 d32").unwrap();
        let text = genotype.to_string();
        assert!(text.starts_with("Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), "), "{text}");
        assert!(text.contains("normal_concat=range(2, 4)"));
        assert_eq!(Genotype::read(&text), Ok(genotype));
        let spaced = "Genotype( normal = [ (\"sep_conv_5x5\" , 0), ('max_pool_3x3',1) ], reduce=[('skip_connect', 0), ('skip_connect', 1)])";
        assert_eq!(Genotype::read(spaced), Genotype::parse("s50 mp1", "sk0 sk1"));
        for wrong in [
            "",
            "Genotype(normal=[], reduce=[])",
            "normal=[('sep_conv_4x4', 0), ('skip_connect', 1)]",
            "normal=[('skip_connect', 0)",
        ] {
            assert!(Genotype::read(wrong).is_err(), "{wrong}");
        }
        let json = serde_json::to_string(&Genotype::parse("s50 mp1", "sk0 sk1").unwrap()).unwrap();
        assert!(json.contains(r#"{"primitive":"sep_conv_5x5","input":0}"#), "{json}");
        assert_eq!(
            serde_json::from_str::<Genotype>(&json).unwrap().to_string().len(),
            Genotype::read(spaced).unwrap().to_string().len()
        );
    }

    #[test]
    fn the_short_notation_is_read() {
        let found = Genotype::parse("s30 sk1 d52 mp0", "ap0 mp1").unwrap();
        assert_eq!(found.normal[2], Pick { primitive: Primitive::Dil(5), input: 2 });
        assert_eq!(found.reduce.len(), 2);
        for wrong in ["s30", "s70 s31", "s30 s32", "s3x s31", ""] {
            assert!(Genotype::parse(wrong, "mp0 mp1").is_err(), "{wrong}");
        }
    }
}
