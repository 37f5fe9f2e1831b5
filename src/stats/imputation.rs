//! What stands in for the error of a cell without a result: by default nothing. Knows no file and no table.

use std::fmt;
use std::str::FromStr;

/// `none`, `worst` or `baseline:<space>/<algorithm>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Imputation {
    /// A missing cell takes no rank, and is never within any factor of the best.
    #[default]
    None,
    /// The highest error that any method has on the task.
    Worst,
    /// The error of this method on the task.
    Baseline(String),
}

#[derive(Debug, thiserror::Error)]
#[error("expected `none`, `worst` or `baseline:<space>/<algorithm>`, found `{0}`")]
pub struct NotAnImputation(String);

impl FromStr for Imputation {
    type Err = NotAnImputation;

    fn from_str(text: &str) -> Result<Self, NotAnImputation> {
        match text {
            "none" => Ok(Imputation::None),
            "worst" => Ok(Imputation::Worst),
            _ => match text.strip_prefix("baseline:") {
                Some(method)
                    if method.split_once('/').is_some_and(|(space, algorithm)| {
                        !space.is_empty() && !algorithm.is_empty() && !algorithm.contains('/')
                    }) =>
                {
                    Ok(Imputation::Baseline(method.to_string()))
                }
                _ => Err(NotAnImputation(text.to_string())),
            },
        }
    }
}

impl fmt::Display for Imputation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Imputation::None => f.write_str("none"),
            Imputation::Worst => f.write_str("worst"),
            Imputation::Baseline(method) => write!(f, "baseline:{method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Imputation;

    #[test]
    fn reads_what_it_writes() {
        for text in ["none", "worst", "baseline:wrn/default"] {
            assert_eq!(text.parse::<Imputation>().unwrap().to_string(), text);
        }
        for text in ["", "best", "baseline:", "baseline:wrn", "baseline:/x", "baseline:x/", "baseline:a/b/c"] {
            assert!(text.parse::<Imputation>().unwrap_err().to_string().contains("found `"));
        }
    }
}
