//! What a text would be to a shell: enough of its grammar to tell whether one
//! is needed, and whether the text is a single command.

use std::iter::Peekable;
use std::str::CharIndices;

/// How a text is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Words and quotes: no shell is needed.
    Plain,
    /// One command with expansions, redirections or assignments; `exec` fits
    /// before its first word, at this offset.
    Simple {
        /// Bytes from the start of the text.
        command_at: usize,
        /// Bytes from the start of the text.
        command_end: usize,
    },
    /// Several commands, or one that only the shell itself has.
    Compound,
}

/// A quote or an expansion is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed;

/// First words that `exec` cannot run: they are the shell's own.
const SHELLS_OWN: &[&str] = &[
    "!", "{", "[[", ".", ":", "alias", "bg", "break", "builtin", "case", "cd", "command",
    "continue", "declare", "eval", "exec", "exit", "export", "fg", "for", "function", "getopts",
    "hash", "if", "jobs", "let", "local", "read", "readonly", "return", "select", "set", "shift",
    "source", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait",
    "while",
];

struct Scan<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    special: bool,
    compound: bool,
    /// Where the present word began.
    word: Option<usize>,
    /// The next word is a redirection's.
    redirected: bool,
    /// First word that is neither an assignment nor a redirection's.
    command: Option<(usize, usize)>,
}

/// Finds out what `text` is.
///
/// # Errors
/// [`Unclosed`].
pub(super) fn shape(text: &str) -> Result<Shape, Unclosed> {
    let mut scan = Scan {
        text,
        chars: text.char_indices().peekable(),
        special: false,
        compound: false,
        word: None,
        redirected: false,
        command: None,
    };
    while let Some((at, char)) = scan.chars.next() {
        scan.char(at, char)?;
    }
    scan.end_word(text.len());
    Ok(match scan.command {
        Some((start, end)) if !scan.compound => {
            let first = text.get(start..end).unwrap_or_default();
            if !scan.special {
                Shape::Plain
            } else if SHELLS_OWN.contains(&first) {
                Shape::Compound
            } else {
                Shape::Simple {
                    command_at: start,
                    command_end: end,
                }
            }
        }
        _ => Shape::Compound,
    })
}

impl Scan<'_> {
    fn char(&mut self, at: usize, char: char) -> Result<(), Unclosed> {
        match char {
            ' ' | '\t' | '\r' => self.end_word(at),
            '\n' | ';' => {
                self.special = true;
                self.end_word(at);
                // An end of the command that something follows.
                self.compound |= !self.rest(at).trim_start_matches(char).trim().is_empty();
            }
            '|' | '&' | '(' | ')' => {
                self.special = true;
                self.compound = true;
                self.end_word(at);
            }
            '<' | '>' => self.redirection(at),
            '#' if self.word.is_none() => {
                self.special = true;
                while self.chars.next_if(|&(_, char)| char != '\n').is_some() {}
            }
            _ => {
                let starts = self.word.is_none();
                self.word.get_or_insert(at);
                self.in_word(char, starts)?;
            }
        }
        Ok(())
    }

    fn in_word(&mut self, char: char, starts: bool) -> Result<(), Unclosed> {
        match char {
            '\\' => self.chars.next().map(drop).ok_or(Unclosed)?,
            '\'' => self.single_quoted()?,
            '"' => self.double_quoted()?,
            '$' => self.dollar()?,
            '`' => self.backquoted()?,
            '*' | '?' | '[' | ']' => self.special = true,
            '~' if starts => self.special = true,
            _ => {}
        }
        Ok(())
    }

    fn redirection(&mut self, at: usize) {
        self.special = true;
        // `2>` is one token: the number is no word of the command's.
        let number = self.word.and_then(|start| self.text.get(start..at));
        if number.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word(at);
        while self
            .chars
            .next_if(|&(_, char)| matches!(char, '<' | '>' | '&' | '|' | '-'))
            .is_some()
        {}
        self.redirected = true;
    }

    fn end_word(&mut self, end: usize) {
        let Some(start) = self.word.take() else {
            return;
        };
        if std::mem::take(&mut self.redirected) || self.command.is_some() {
            return;
        }
        let word = self.text.get(start..end).unwrap_or_default();
        if is_assignment(word) {
            self.special = true;
        } else {
            self.command = Some((start, end));
        }
    }

    fn single_quoted(&mut self) -> Result<(), Unclosed> {
        self.chars
            .find(|&(_, char)| char == '\'')
            .map(drop)
            .ok_or(Unclosed)
    }

    fn double_quoted(&mut self) -> Result<(), Unclosed> {
        loop {
            match self.chars.next().ok_or(Unclosed)?.1 {
                '"' => return Ok(()),
                '\\' => self.chars.next().map(drop).ok_or(Unclosed)?,
                '$' => self.dollar()?,
                '`' => self.backquoted()?,
                _ => {}
            }
        }
    }

    fn backquoted(&mut self) -> Result<(), Unclosed> {
        self.special = true;
        loop {
            match self.chars.next().ok_or(Unclosed)?.1 {
                '`' => return Ok(()),
                '\\' => self.chars.next().map(drop).ok_or(Unclosed)?,
                _ => {}
            }
        }
    }

    /// After a `$`: skips what is in its brackets, which may be nested.
    fn dollar(&mut self) -> Result<(), Unclosed> {
        self.special = true;
        let close = match self.chars.peek() {
            Some((_, '(')) => ')',
            Some((_, '{')) => '}',
            _ => return Ok(()),
        };
        let mut closes = vec![close];
        self.chars.next();
        while let Some(&close) = closes.last() {
            match self.chars.next().ok_or(Unclosed)?.1 {
                char if char == close => drop(closes.pop()),
                '(' => closes.push(')'),
                '{' => closes.push('}'),
                '\\' => self.chars.next().map(drop).ok_or(Unclosed)?,
                '\'' => self.single_quoted()?,
                '`' => self.backquoted()?,
                '"' => closes.push('"'),
                _ => {}
            }
        }
        Ok(())
    }

    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }
}

/// `NAME=…`.
fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
}
