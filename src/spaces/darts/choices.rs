//! What an edge of the search network chooses from: the eight primitives of DARTS, or a list of a user's own. Knows no network.

use crate::spaces::darts::genotype::Primitive;

/// By their places in a row of alpha; `None` is `none`, which takes weight and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices(Vec<Option<Primitive>>);

/// How many a list may hold.
const MOST: usize = 31;
const NONE: &str = "none";

impl Choices {
    /// Upstream's eight.
    pub fn standard() -> Choices {
        Choices(std::iter::once(None).chain(Primitive::ALL.map(Some)).collect())
    }

    /// By their names; `None`: the standard ones.
    ///
    /// Errors: a name that no primitive has, one twice, none but `none`, or too many.
    pub fn read(names: Option<&[String]>) -> Result<Choices, String> {
        let Some(names) = names else { return Ok(Choices::standard()) };
        let one = |name: &String| match name.as_str() {
            NONE => Ok(None),
            name => Primitive::find(name).map(Some),
        };
        let all = names.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        if let Some((at, _)) = all.iter().enumerate().find(|(at, choice)| all[..*at].contains(choice)) {
            return Err(format!("primitive `{}` is there twice", names[at]));
        }
        if all.iter().all(Option::is_none) || all.len() > MOST {
            return Err(format!("1 to {MOST} primitives besides `{NONE}` were expected, found {names:?}"));
        }
        Ok(Choices(all))
    }

    pub fn is_standard(&self) -> bool {
        *self == Choices::standard()
    }

    /// Length of a row of alpha.
    pub fn row(&self) -> usize {
        self.0.len()
    }

    /// With their places in a row, all but `none`.
    pub fn primitives(&self) -> impl Iterator<Item = (usize, Primitive)> {
        self.0.iter().enumerate().filter_map(|(at, choice)| Some((at, (*choice)?)))
    }

    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|choice| choice.map_or(NONE.to_string(), Primitive::name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Choices;

    #[test]
    fn lists_are_read_by_name_and_bad_ones_refused() {
        let read = |text: &str| Choices::read(Some(&text.split(' ').map(str::to_string).collect::<Vec<_>>()));
        let standard =
            "none max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5";
        assert!(read(standard).unwrap().is_standard() && Choices::read(None).unwrap().is_standard());
        assert_eq!(Choices::standard().names().join(" "), standard);
        let wide = "sep_conv_11x11 none conv_7x1_1x7 spectral_conv_8 dil_conv_7x7";
        let found = read(wide).unwrap();
        assert!(!found.is_standard());
        assert_eq!((found.names().join(" ").as_str(), found.row()), (wide, 5));
        assert_eq!(found.primitives().map(|(at, _)| at).collect::<Vec<_>>(), [0, 2, 3, 4]);
        for wrong in ["none", "sep_conv_4x4", "sep_conv_3x5", "skip_connect skip_connect", "spectral_conv_0", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
