//! Pictures in files: of all kinds, with what they have to show.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{failure, file, folder, legacy, process, stdout, two_targets};

/// Width, height, and red, green and blue of each pixel.
fn pixels(path: &Path) -> (usize, usize, Vec<[u8; 3]>) {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = bytes.chunks_exact(3).map(|it| [it[0], it[1], it[2]]);
    (info.width as usize, info.height as usize, pixels.collect())
}

/// The extent of a colour: left, top, right and bottom.
fn extent(width: usize, pixels: &[[u8; 3]], color: [u8; 3]) -> (usize, usize, usize, usize) {
    let places = pixels.iter().enumerate().filter(|(_, it)| **it == color);
    let places: Vec<(usize, usize)> = places.map(|(at, _)| (at % width, at / width)).collect();
    assert!(!places.is_empty(), "{color:?} is nowhere");
    let (x, y) = (
        || places.iter().map(|it| it.0),
        || places.iter().map(|it| it.1),
    );
    (
        x().min().unwrap(),
        y().min().unwrap(),
        x().max().unwrap(),
        y().max().unwrap(),
    )
}

#[test]
fn hot_cells_are_where_they_belong() {
    let folder = folder();
    let record = process(&folder);
    let path = folder.path().join("map.png");
    let args = [
        "heatmap",
        "--resol",
        "7",
        "2",
        "--output",
        path.to_str().unwrap(),
    ];
    assert_eq!(stdout(&args, &record), "");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (width, height, pixels) = pixels(&path);
    assert_eq!(pixels.len(), width * height);
    // The last of seven stretches of time, the lower half of the addresses; the
    // legend has one line of the same colour, on the right of it all.
    let hot = [0xfd, 0xe7, 0x25];
    let map: Vec<[u8; 3]> = pixels
        .chunks(width)
        .flat_map(|row| row.iter().take(width - 110))
        .copied()
        .collect();
    let (left, top, right, bottom) = extent(width - 110, &map, hot);
    assert_eq!((right + 1 - left, bottom + 1 - top), (126, 260));
    let cold = extent(width - 110, &map, [0x44, 0x01, 0x54]);
    assert_eq!((cold.2 + 1 - cold.0, cold.3 + 1 - cold.1), (126, 520));
    assert_eq!((left - cold.0, top - cold.1), (2 * 126, 260));
    // Nothing is cut off at the picture's sides.
    let is_white = |at: usize| pixels[at] == [255; 3];
    assert!((0..width).all(|x| is_white(x) && is_white((height - 1) * width + x)));
    assert!((0..height).all(|y| is_white(y * width) && is_white((y + 1) * width - 1)));
}

#[test]
fn each_range_has_a_picture_of_its_own() {
    let folder = folder();
    let record = process(&folder);
    let path = |name: &str| folder.path().join(name);
    for kind in ["png", "jpeg", "svg", "pdf"] {
        let output = path(&format!("map.{kind}"));
        let output = output.to_str().unwrap();
        stdout(
            &["heatmap", "--draw_range", "all", "--output", output],
            &record,
        );
        for name in [format!("map.{kind}"), format!("map.1.{kind}")] {
            let bytes = fs::read(path(&name)).unwrap();
            let head: &[u8] = match kind {
                "png" => b"\x89PNG\r\n",
                "jpeg" => b"\xff\xd8\xff",
                "svg" => b"<svg ",
                _ => b"%PDF-1.4",
            };
            assert!(bytes.starts_with(head), "{name}");
        }
        assert!(!path(&format!("map.2.{kind}")).exists());
    }
    // v1.7.3's form, too.
    let output = path("heats.svg");
    let output = output.to_str().unwrap();
    let ranges = [
        "--address_range",
        "40960",
        "81920",
        "--address_range",
        "4000K",
        "4016K",
    ];
    stdout(
        &[&["heats", "--heatmap", output][..], &ranges].concat(),
        &record,
    );
    let text = fs::read_to_string(path("heats.1.svg")).unwrap();
    assert!(
        text.contains("address after 0x3e8000") && text.contains("(samples)"),
        "{text}"
    );
    // What was there before is kept once.
    stdout(&["heats", "--heatmap", output], &record);
    assert!(path("heats.svg.old").exists());
}

#[test]
fn pictures_say_what_they_show() {
    let folder = folder();
    let record = process(&folder);
    let drawn = |args: &[&str]| {
        let path = folder.path().join("map.svg");
        let range = ["--address_range", "40960", "81920"];
        let args = [
            &["heatmap", "--output", path.to_str().unwrap()][..],
            &range,
            args,
        ]
        .concat();
        stdout(&args, &record);
        fs::read_to_string(path).unwrap()
    };
    let text = drawn(&[]);
    for part in [
        "Accesses of worker (process 42), damon.data",
        "500 x 500 cells, each 1.400 ms and 81 B",
        ">time after 700 ms<",
        ">address after 0xa000<",
        ">access frequency (hz)<",
        ">8 KiB<",
        ">600 ms<",
        ">libhot.so.6<",
        ">[heap]<",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("/usr/lib"), "names are short");
    assert!(!text.contains("not watched"), "all of it was");
    let absolute = drawn(&["--abs_time", "--abs_addr"]);
    for part in [">address<", ">0x10000<", ">1.2 s<", ">[heap]<"] {
        assert!(absolute.contains(part), "{part}");
    }
    let sorted = drawn(&["--sort_temperature"]);
    assert!(sorted.contains("the coldest first") && !sorted.contains("[heap]"));
    // The heap is above the library.
    let height = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        let y = line.split("y=\"").nth(1).unwrap();
        y.split('"').next().unwrap().parse().unwrap()
    };
    for text in [&text, &absolute] {
        assert!(height(text, ">[heap]<") < height(text, ">libhot"), "{text}");
    }
}

#[test]
fn a_pdf_says_where_its_objects_are() {
    let folder = folder();
    let record = process(&folder);
    let path = folder.path().join("map.pdf");
    stdout(&["heatmap", "--output", path.to_str().unwrap()], &record);
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    // Bytes that are no text became longer: places are of bytes.
    let tail = &text[text.rfind("\nxref\n").unwrap()..];
    let start: usize = tail.lines().rev().nth(1).unwrap().parse().unwrap();
    assert!(bytes[start..].starts_with(b"xref\n"));
    let mut objects = 0;
    for (number, line) in (1..).zip(tail.lines().filter(|line| line.ends_with(" n "))) {
        let at: usize = line[..10].parse().unwrap();
        let head = format!("{number} 0 obj\n");
        assert!(bytes[at..].starts_with(head.as_bytes()), "{line}");
        objects = number;
    }
    assert_eq!(objects, 8);
}

#[test]
fn distributions_are_plotted() {
    let folder = folder();
    let record = process(&folder);
    let path = folder.path().join("wss.svg");
    let plot = [
        "wss",
        "--exclude_samples",
        "0",
        "--plot",
        path.to_str().unwrap(),
    ];
    assert_eq!(stdout(&plot, &record), "");
    let text = fs::read_to_string(&path).unwrap();
    for part in [">percentile<", ">48 KiB<", ">100<"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    stdout(&[&plot[..], &["--sortby", "time"]].concat(), &record);
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .contains("percent of the record")
    );
    // One line is what the title says; more have names.
    let regions = ["nr_regions", "--exclude_samples", "0", "--plot"];
    stdout(&[&regions[..], &[path.to_str().unwrap()]].concat(), &record);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains(">Regions<") && !text.contains(">target 0<"),
        "{text}"
    );
    let two = file(&folder, "two", legacy(2, &two_targets(3)));
    stdout(&[&regions[..], &[path.to_str().unwrap()]].concat(), &two);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(">target 7<"), "{text}");
    let (code, message) = failure(&["wss", "--plot", "wss.txt"], &record);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("--plot wss.txt: not a kind of picture"),
        "{message}"
    );
}
