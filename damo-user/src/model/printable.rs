//! Names from files and of files, made fit for a terminal.

use std::borrow::Cow;

/// The text with what would steer a terminal or hide text written out
/// (`\u{1b}`, `\n`): file names, host names and comms may hold anything. Other
/// text stays as it is.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match steers(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those that break lines or turn the order of others.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "damon.data", "über \\ \u{1f600}\u{fffd}", "a b'\"$"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let text = "a\u{1b}[31m\tb\r\nc\u{7f}\u{9b}\u{202e}d\0é";
        let shown = "a\\u{1b}[31m\\tb\\r\\nc\\u{7f}\\u{9b}\\u{202e}d\\u{0}é";
        assert_eq!(printable(text), shown);
    }
}
