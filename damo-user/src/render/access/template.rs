//! Formats: text with keywords in it.

use std::marker::PhantomData;

/// What can stand for a value in a format.
pub trait Keyword: Copy + 'static {
    /// Each with how it is written, and what it is.
    const ALL: &'static [(Self, &'static str, &'static str)];
}

/// A format, taken apart.
#[derive(Clone, Debug)]
pub struct Template<K> {
    pieces: Vec<Piece<K>>,
    keyword: PhantomData<K>,
}

#[derive(Clone, Debug)]
enum Piece<K> {
    Text(String),
    Value(K, usize),
}

impl<K: Keyword> Template<K> {
    /// Takes a format apart: what looks like a keyword and is none is text, `\n`
    /// a new line. `least` says how many characters a value takes at least.
    pub fn parse(text: &str, least: &impl Fn(&str) -> usize) -> Template<K> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = K::ALL.iter().find(|(_, name, _)| rest.starts_with(name));
            let len = match found {
                Some((keyword, name, _)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Value(*keyword, least(name)));
                    name.len()
                }
                None if rest.starts_with("\\n") => {
                    plain.push('\n');
                    2
                }
                None => {
                    plain.push(first);
                    first.len_utf8()
                }
            };
            rest = rest.get(len..).unwrap_or_default();
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Template {
            pieces,
            keyword: PhantomData,
        }
    }

    /// Whether it gives no line at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether a keyword is in it that `wanted` says yes to.
    pub fn has(&self, wanted: impl Fn(K) -> bool) -> bool {
        let keywords = self.pieces.iter();
        keywords.into_iter().any(|piece| match piece {
            Piece::Value(keyword, _) => wanted(*keyword),
            Piece::Text(_) => false,
        })
    }

    /// Appends it to `into` with `value` in place of the keywords.
    pub fn fill(&self, into: &mut String, mut value: impl FnMut(K, &mut String)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => into.push_str(text),
                Piece::Value(keyword, least) => {
                    let before = into.len();
                    value(*keyword, into);
                    if *least > 0 {
                        let told = into.get(before..).map_or(0, |told| told.chars().count());
                        into.extend(std::iter::repeat_n(' ', least.saturating_sub(told)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Letter {
        A,
        B,
    }

    impl Keyword for Letter {
        const ALL: &'static [(Letter, &'static str, &'static str)] =
            &[(Letter::A, "<a>", ""), (Letter::B, "<b c>", "")];
    }

    fn filled(text: &str) -> String {
        let least = |name: &str| if name == "<a>" { 4 } else { 0 };
        let template = Template::<Letter>::parse(text, &least);
        let mut into = String::new();
        template.fill(&mut into, |letter, into| {
            into.push_str(match letter {
                Letter::A => "ä",
                Letter::B => "<a>",
            });
        });
        into
    }

    #[test]
    fn keywords_are_filled_once_and_all_else_stays() {
        assert_eq!(filled("<a>|<b c>|<b>|<a"), "ä   |<a>|<b>|<a");
        assert_eq!(filled("é\\n<<a>>\\"), "é\n<ä   >\\");
        assert_eq!(filled(""), "");
        let template = Template::<Letter>::parse("x<a>", &|_| 0);
        assert!(template.has(|it| it == Letter::A) && !template.has(|it| it == Letter::B));
        assert!(!template.is_empty() && Template::<Letter>::parse("", &|_| 0).is_empty());
    }
}
