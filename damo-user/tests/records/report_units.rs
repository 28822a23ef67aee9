//! Units as people write them: exact in, and v1.7.3's forms out.

use damo_user::model::units::*;
use proptest::prelude::*;

#[test]
fn sizes_parse_exactly() {
    for (text, bytes) in [
        ("4K", 4096),
        ("4KB", 4096),
        ("4KiB", 4096),
        ("4 KiB", 4096),
        ("1,024", 1024),
        ("10B", 10),
        ("0", 0),
        ("1.5M", 1_572_864),
        (".5K", 512),
        ("0.1K", 102),
        ("4P", 4 << 50),
        ("15E", 15 << 60),
        ("15.999999999999999999E", u64::MAX - 1),
        ("18446744073709551615", u64::MAX),
        ("min", 0),
        ("max", u64::MAX),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn wrong_sizes_name_text_rule_and_example() {
    for text in [
        "", "4k", "4kB", "4Kib", "0x10", "-4K", "+4", "1e3", "4 K i B", "K", ".", "1.2.3", "Max",
        "4K 2", "٤",
    ] {
        let message = parse_size(text).unwrap_err().to_string();
        assert!(message.contains(&format!("'{text}'")), "{message}");
        assert!(
            message.contains("case matters") && message.contains("for example 4K"),
            "{message}"
        );
    }
    for text in ["16E", "18446744073709551616"] {
        assert_eq!(parse_size(text), Err(UnitError::TooLarge(text.into())));
    }
}

#[test]
fn times_parse_exactly() {
    use TimeUnit::*;
    for (text, unit, ns) in [
        ("5ms", Ns, 5_000_000),
        ("0.1s", Ns, 100_000_000),
        ("0.1", S, 100_000_000),
        ("56.7", S, 56_700_000_000),
        ("100", Us, 100_000),
        ("100", Ns, 100),
        ("2", Ms, 2_000_000),
        ("1 m 30 s", Ns, 90_000_000_000),
        ("1m30s", Ns, 90_000_000_000),
        ("1,000 ms", Ns, 1_000_000_000),
        ("1 d 1 h", Ns, 90_000_000_000_000),
        ("1.9ns", Ns, 1),
        ("min", S, 0),
        ("max", S, u64::MAX),
    ] {
        assert_eq!(parse_time_ns(text, unit), Ok(ns), "{text}");
    }
    assert_eq!(parse_time_us("5ms", Us), Ok(5_000));
    assert_eq!(parse_time_us("max", Us), Ok(u64::MAX));
    assert_eq!(parse_time_us("18446744073709551614", Us), Ok(u64::MAX - 1));
}

#[test]
fn wrong_times_name_text_rule_and_example() {
    for text in [
        "", "1S", "-1s", "1 m 30", "s", "1 x", "1 s s", "1e3s", "1 min",
    ] {
        let message = parse_time_ns(text, TimeUnit::S).unwrap_err().to_string();
        assert!(
            message.contains(&format!("'{text}'")) && message.contains("for example 5ms"),
            "{message}"
        );
    }
    for text in [
        "18446744073709551616",
        "300000 d",
        "213503 d 23 h 34 m 33 s 709551616 ns",
    ] {
        assert_eq!(
            parse_time_ns(text, TimeUnit::Ns),
            Err(UnitError::TooLarge(text.into()))
        );
    }
}

#[test]
fn sizes_format_as_the_peer_prints_them() {
    for (bytes, text) in [
        (0.0, "0 B"),
        (1023.9, "1023 B"),
        (1024.0, "1024 B"),
        (1025.0, "1.001 KiB"),
        (1_048_576.0, "1024.000 KiB"),
        (1_048_577.0, "1.000 MiB"),
        (1_073_741_824.0, "1024.000 MiB"),
        (1_099_511_627_777.0, "1.000 TiB"),
        (1_126_999_418_470_400.0, "1.001 PiB"),
        (1_154_047_404_513_689_600.0, "1.001 EiB"),
        ((u64::MAX - 3000) as f64, "16.000 EiB"),
        (u64::MAX as f64, "max"),
    ] {
        assert_eq!(format_size(bytes), text);
    }
    assert_eq!(
        format_size_accurate(140_271_510_761_472.0),
        "127.576196 TiB"
    );
}

#[test]
fn times_format_as_the_peer_prints_them() {
    for (ns, text) in [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 us"),
        (1_500, "1.500 us"),
        (1_000_001, "1.000 ms"),
        (1_000_000_000, "1 s"),
        (1_234_567_890, "1.235 s"),
        (59_999_999_999, "60.000 s"),
        (60_000_000_000, "1 m"),
        (61_000_000_000, "1 m 1 s"),
        (61_500_000_000, "1 m 1.500 s"),
        (60_000_000_001, "1 m 0.000 s"),
        (119_999_900_000, "1 m 60.000 s"),
        (3_600_000_000_001, "1 h 1 ns"),
        (3_661_500_000_000, "1 h 1 m 1.500 s"),
        (86_400_000_000_000, "24 h"),
        (1 << 63, "2562047 h 47 m 16.855 s"),
        (u64::MAX - 3000, "5124095 h 34 m 33.710 s"),
        (u64::MAX, "max"),
    ] {
        assert_eq!(format_time(ns), text);
    }
}

#[test]
fn numbers_get_commas() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(format_number(number), text);
    }
}

proptest! {
    /// Whatever a form prints without rounding, parsing gives back.
    #[test]
    fn exact_forms_read_back(n in 1u64..1024, unit in 0usize..6, h in 0u64..1000, m in 0u64..60, s in 0u64..60) {
        let bytes = n << (10 * unit);
        prop_assert_eq!(parse_size(&format_size(bytes as f64)), Ok(bytes));
        prop_assert_eq!(parse_size(&format_number(bytes)), Ok(bytes));
        let ns = ((h * 60 + m) * 60 + s) * 1_000_000_000;
        prop_assert_eq!(parse_time_ns(&format_time(ns), TimeUnit::Ns), Ok(ns));
        prop_assert_eq!(parse_time_ns(&ns.to_string(), TimeUnit::Ns), Ok(ns));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}", number in "[0-9.,]{0,60}[a-zA-Z ]{0,4}") {
        for text in [&text, &number] {
            let _ = parse_size(text);
            let _ = parse_time_ns(text, TimeUnit::S);
            let _ = parse_time_us(text, TimeUnit::Us);
        }
    }
}
