//! Errors of a manifest as people read them: place, underlined text, remedy. Knows no meaning of a manifest.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text with the name under which errors in it are reported.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub origin: String,
    pub text: String,
}

impl Source {
    pub fn new(origin: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { origin: origin.into(), text: text.into() })
    }

    /// Line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|&&b| b == b'\n').count()
    }
}

/// One error.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub source: Arc<Source>,
    /// Bytes of `source` to underline; `None` where the file as a whole is at fault.
    pub span: Option<Range<usize>>,
    pub message: String,
    /// Said beside the underlined text.
    pub label: String,
    /// Other places of the same source that matter.
    pub related: Vec<(Range<usize>, String)>,
    /// Remedies, one sentence each.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn at(source: &Arc<Source>, span: Range<usize>, message: impl Into<String>) -> Self {
        Diagnostic { span: Some(span), ..Self::of(source, message) }
    }

    pub fn of(source: &Arc<Source>, message: impl Into<String>) -> Self {
        Diagnostic {
            source: source.clone(),
            span: None,
            message: message.into(),
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    pub fn related(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    fn render(&self, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = Group::with_title(title);
        match &self.span {
            None => group = group.element(Origin::path(self.source.origin.as_str())),
            Some(span) => {
                let window = Window::around(&self.source.text, span, self.related.iter().map(|(span, _)| span));
                let mut snippet = Snippet::source(window.text)
                    .line_start(window.first_line)
                    .path(self.source.origin.as_str())
                    .fold(true)
                    .annotation(annotation(AnnotationKind::Primary, window.within(span), &self.label));
                for (span, text) in &self.related {
                    snippet = snippet.annotation(annotation(AnnotationKind::Context, window.within(span), text));
                }
                group = group.element(snippet);
            }
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        renderer.render(&[group])
    }
}

fn annotation<'a>(kind: AnnotationKind, span: Range<usize>, label: &str) -> Annotation<'a> {
    let annotation = kind.span(span);
    if label.is_empty() { annotation } else { annotation.label(normalize_untrusted_str(label)) }
}

/// The lines of a source that an error touches: long files are not handed to the renderer whole.
struct Window<'a> {
    text: &'a str,
    start: usize,
    first_line: usize,
}

impl<'a> Window<'a> {
    fn around<'s>(
        source: &'a str,
        span: &'s Range<usize>,
        related: impl Iterator<Item = &'s Range<usize>>,
    ) -> Window<'a> {
        let (mut low, mut high) = (span.start, span.end);
        for other in related {
            low = low.min(other.start);
            high = high.max(other.end);
        }
        let low = floor_boundary(source, low);
        let high = floor_boundary(source, high.max(low));
        let start = source[..low].rfind('\n').map_or(0, |at| at + 1);
        let end = source[high..].find('\n').map_or(source.len(), |at| high + at + 1);
        Window {
            text: &source[start..end],
            start,
            first_line: 1 + source.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count(),
        }
    }

    /// `span` counted from the window's start, cut to its first line's end where it runs over several lines:
    /// a table over twenty lines is pointed at, not quoted.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor_boundary(self.text, span.start.saturating_sub(self.start));
        let end = floor_boundary(self.text, span.end.saturating_sub(self.start)).max(start);
        let line_end = self.text[start..].find(['\n', '\r']).map_or(self.text.len(), |at| start + at);
        start..end.min(line_end).max(start)
    }
}

/// The character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// All errors of one manifest, never empty.
#[derive(Clone, Debug)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// As text for a terminal, blank lines between errors; `colour` adds ANSI codes.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let parts: Vec<String> = self.0.iter().map(|one| one.render(&renderer)).collect();
        parts.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Diagnostics, Source};

    #[test]
    fn shows_line_column_underline_and_remedy() {
        let source = Source::new("a.toml", "[run]\nname = 3\n");
        let text =
            Diagnostics(vec![Diagnostic::at(&source, 13..14, "wrong").label("here").help("do this")]).to_string();
        assert_eq!(text, "error: wrong\n --> a.toml:2:8\n  |\n2 | name = 3\n  |        ^ here\n  |\n  = help: do this");
    }

    #[test]
    fn any_span_of_any_text_renders() {
        let text = "é = \"ü\"\r\n\u{feff}\n\t[ß";
        let source = Source::new("a.toml", text);
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let one = Diagnostic::at(&source, start..end, "x").related(end..start, "y");
                assert!(Diagnostics(vec![one]).to_string().contains("a.toml:"));
            }
        }
    }

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        let source = Source::new("a.toml", "x");
        let one = Diagnostic::at(&source, 0..1, "a\u{1b}[31m").label("b\u{1b}[31m").help("c\u{1b}[31m");
        assert!(!Diagnostics(vec![one]).to_string().contains('\u{1b}'));
    }

    #[test]
    fn colour_only_when_asked() {
        let source = Source::new("a.toml", "x");
        let all = Diagnostics(vec![Diagnostic::at(&source, 0..1, "a")]);
        assert!(all.render(true).contains('\u{1b}'));
        assert!(!all.render(false).contains('\u{1b}'));
    }
}
