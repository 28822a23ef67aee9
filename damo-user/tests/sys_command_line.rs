//! Which commands need a shell, and which shell command they become.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::ffi::OsString;

use damo_user::sys::command_line::{CommandError, CommandLine};

fn argv(text: &str) -> Vec<String> {
    let line = CommandLine::parse(text).unwrap();
    line.argv()
        .iter()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn plain_words_need_no_shell() {
    for (text, words) in [
        ("ls", &["ls"][..]),
        ("  ls  -l\t/tmp ", &["ls", "-l", "/tmp"]),
        ("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]),
        (
            "grep '$x|y*' \"a;b\" a\\;b \\*",
            &["grep", "$x|y*", "a;b", "a;b", "*"],
        ),
        (
            "dd if=/dev/zero of=x#y a~b",
            &["dd", "if=/dev/zero", "of=x#y", "a~b"],
        ),
        ("echo ''", &["echo", ""]),
        (
            "echo {a} é %d @x ^y",
            &["echo", "{a}", "é", "%d", "@x", "^y"],
        ),
    ] {
        assert_eq!(argv(text), words, "{text}");
    }
}

#[test]
fn one_command_with_more_becomes_the_shell() {
    for (text, script) in [
        ("a > b", "exec a > b"),
        ("a 2>&1", "exec a 2>&1"),
        ("a >| b <c", "exec a >| b <c"),
        (">b 2>c a", ">b 2>c exec a"),
        ("A=1 B=\"x y\" a b=c", "A=1 B=\"x y\" exec a b=c"),
        ("a $HOME", "exec a $HOME"),
        ("a \"$HOME\"", "exec a \"$HOME\""),
        ("$PROGRAM x", "exec $PROGRAM x"),
        ("a `b; c`", "exec a `b; c`"),
        ("a $(b | c; (d))", "exec a $(b | c; (d))"),
        ("a \"$(b \")\" | c)\"", "exec a \"$(b \")\" | c)\""),
        ("a ${x:-'}'}", "exec a ${x:-'}'}"),
        ("a *.c", "exec a *.c"),
        ("a b?", "exec a b?"),
        ("a [b]", "exec a [b]"),
        ("a ~/b", "exec a ~/b"),
        ("a # b", "exec a # b"),
        ("a b;", "exec a b;"),
        ("a $x\n", "exec a $x\n"),
        ("é $x", "exec é $x"),
    ] {
        assert_eq!(argv(text), ["/bin/sh", "-c", script], "{text}");
        assert_eq!(CommandLine::parse(text).unwrap().note(), None, "{text}");
    }
}

#[test]
fn several_commands_stay_the_shells_and_that_is_said() {
    for text in [
        "a | b",
        "a && b",
        "a; b",
        "a\nb",
        "a & ",
        "(a)",
        "a $x || b",
        "cd /tmp; a",
        "cd $HOME",
        "exec a >b",
        "if true; then a; fi",
        "{ a; }",
        "! a $x",
        "A=1",
        "A=$x",
        "> b",
        "a &> b",
        "a <(b)",
        "; a",
        "# nothing",
        "for i in 1; do a; done",
    ] {
        assert_eq!(argv(text), ["/bin/sh", "-c", text], "{text}");
        let line = CommandLine::parse(text).unwrap();
        assert!(
            line.note().unwrap().contains("more than one command"),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_closed_is_refused() {
    for text in [
        "a 'b",
        "a \"b",
        "a \\",
        "a `b",
        "a $(b",
        "a ${b",
        "a \"$(b\"",
        "a \"b\\",
    ] {
        assert_eq!(
            CommandLine::parse(text),
            Err(CommandError::Unclosed(text.into())),
            "{text}"
        );
    }
    for text in ["", "  ", "\n", "''"] {
        assert_eq!(
            CommandLine::parse(text),
            Err(CommandError::Empty),
            "{text:?}"
        );
    }
    assert_eq!(CommandLine::from_args(Vec::new()), Err(CommandError::Empty));
}

#[test]
fn several_arguments_are_not_parsed() {
    let words = ["a", "b; c", "$d", ""].map(OsString::from).to_vec();
    assert_eq!(CommandLine::from_args(words.clone()).unwrap().argv(), words);
    let one = CommandLine::from_args(vec!["a 'b c'".into()]).unwrap();
    assert_eq!(one.argv(), ["a", "b c"]);
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "[ab'\"`$(){}\\\\;|&<>#=*~ \n]{0,24}|.{0,16}") {
        let _ = CommandLine::parse(&text);
    }

    /// A shell that finds a text well-formed agrees that it is one.
    #[test]
    fn plain_means_what_a_shell_means(text in "[ab'\" \\\\=#;]{0,12}") {
        if let Ok(line) = CommandLine::parse(&format!("printf %s, {text}"))
            && line.argv()[0] == "printf"
        {
            let ours: String = line.argv()[2..].iter().map(|word| format!("{},", word.to_str().unwrap())).collect();
            let shell = std::process::Command::new("/bin/sh").arg("-c").arg(format!("printf %s, {text}")).output().unwrap();
            let ours = if line.argv().len() == 2 { ",".to_owned() } else { ours };
            proptest::prop_assert_eq!(String::from_utf8(shell.stdout).unwrap(), ours);
        }
    }
}
