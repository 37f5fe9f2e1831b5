//! Names and globs of one axis to the items they mean. Knows one axis at a time and no cell.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Node};
use crate::manifest::suggest;
use crate::manifest::words::{Words, algorithms, names};
use glob::Pattern;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What may be named on an axis: every name with the number of the item it means.
pub struct Universe {
    /// `task`, for messages.
    pub axis: &'static str,
    plural: &'static str,
    names: Vec<(String, usize)>,
    /// Items that no glob matches.
    aside: Vec<usize>,
}

impl Universe {
    /// Items are positions in `words.tasks`.
    pub fn tasks(words: &Words<'_>) -> Self {
        let names = words.tasks.iter().enumerate().map(|(i, task)| (task.name.clone(), i)).collect();
        let aside = words.tasks.iter().enumerate().filter(|(_, task)| task.control).map(|(i, _)| i).collect();
        Universe { axis: "task", plural: "tasks", names, aside }
    }

    /// Items are positions in `words.methods`.
    pub fn methods(words: &Words<'_>) -> Self {
        let all = words.methods.iter().enumerate();
        let names = all.flat_map(|(i, method)| names(method).map(move |name| (name, i))).collect();
        Universe { axis: "method", plural: "methods", names, aside: Vec::new() }
    }

    /// Items are positions in `words.spaces()`.
    pub fn spaces(words: &Words<'_>) -> Self {
        let names = words.spaces().iter().enumerate().map(|(i, space)| (space.to_string(), i)).collect();
        Universe { axis: "space", plural: "spaces", names, aside: Vec::new() }
    }

    /// Items are positions in `words.algorithms()`.
    pub fn algorithms(words: &Words<'_>) -> Self {
        let names = words.algorithms().iter().enumerate().map(|(i, name)| (name.to_string(), i)).collect();
        Universe { axis: "algorithm", plural: "algorithms", names, aside: Vec::new() }
    }
}

/// The method of a space's and an algorithm's name.
pub fn method_of(words: &Words<'_>, space: usize, algorithm: usize) -> Option<usize> {
    let (space, algorithm) = (words.spaces()[space], words.algorithms()[algorithm]);
    words.methods.iter().position(|method| method.space == space && algorithms(method).any(|name| name == algorithm))
}

/// One item that a manifest names.
#[derive(Clone, Debug)]
pub struct Pick {
    pub item: usize,
    /// It was not named but matched by a glob.
    pub glob: bool,
    pub span: Range<usize>,
}

/// Whether a text is a pattern (`*`, `?`, `[…]`) and not a name.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Compiles a pattern, or reports it.
pub fn pattern(source: &Arc<Source>, span: &Range<usize>, text: &str, found: &mut Vec<Diagnostic>) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            found.push(
                Diagnostic::at(source, span.clone(), format!("`{text}` is not a glob"))
                    .label(format!("character {}: {}", error.pos + 1, error.msg.to_lowercase()))
                    .help("`*` stands for any text, `?` for one character, `[ab]` for one of these"),
            );
            None
        }
    }
}

/// The items that a text or a list of texts means, each once, in the order of the text.
pub fn pick(universe: &Universe, source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<Pick> {
    let single = std::slice::from_ref(node);
    let nodes = if let Datum::List(nodes) = &node.datum { nodes.as_slice() } else { single };
    let axis = universe.axis;
    if nodes.is_empty() {
        found.push(
            Diagnostic::at(source, node.span.clone(), format!("the list of `{axis}` is empty"))
                .label("no cell would match")
                .help(format!("name at least one, or \"*\" for all {}", universe.plural)),
        );
        return Vec::new();
    }
    let mut picks: Vec<Pick> = Vec::new();
    // Item to its position in `picks`.
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for node in nodes {
        let Datum::Text(text) = &node.datum else {
            found.push(
                Diagnostic::at(source, node.span.clone(), format!("`{axis}` has the wrong type"))
                    .label(format!("expected a name in quotes, found {}", node.datum.what()))
                    .help(format!("write a name, a glob or a list of them, such as `{axis} = [\"…\", \"…\"]`")),
            );
            continue;
        };
        if is_glob(text) {
            let Some(pattern) = pattern(source, &node.span, text, found) else { continue };
            let mut any = false;
            let matches = |(name, item): &&(String, usize)| pattern.matches(name) && !universe.aside.contains(item);
            for (_, item) in universe.names.iter().filter(matches) {
                any = true;
                seen.entry(*item).or_insert_with(|| {
                    picks.push(Pick { item: *item, glob: true, span: node.span.clone() });
                    picks.len() - 1
                });
            }
            if !any {
                let known: Vec<&str> = universe.names.iter().map(|(name, _)| name.as_str()).collect();
                found.push(
                    Diagnostic::at(source, node.span.clone(), format!("`{text}` matches no {axis}")).help(format!(
                        "{}: {}",
                        universe.plural,
                        known.join(", ")
                    )),
                );
            }
            continue;
        }
        let Some((_, item)) = universe.names.iter().find(|(name, _)| name == text) else {
            let known: Vec<&str> = universe.names.iter().map(|(name, _)| name.as_str()).collect();
            let mut one = Diagnostic::at(source, node.span.clone(), format!("unknown {axis} `{text}`"));
            one.help = suggest::remedies(text, &known, universe.plural);
            found.push(one);
            continue;
        };
        match seen.get(item) {
            Some(&at) if !picks[at].glob => found.push(
                Diagnostic::at(source, node.span.clone(), format!("`{text}` is named twice"))
                    .related(picks[at].span.clone(), "first here")
                    .help("remove one of the two"),
            ),
            // Named as well as matched: named counts, so that an impossible cell is an error.
            Some(&at) => picks[at] = Pick { item: *item, glob: false, span: node.span.clone() },
            None => {
                seen.insert(*item, picks.len());
                picks.push(Pick { item: *item, glob: false, span: node.span.clone() });
            }
        }
    }
    picks
}
