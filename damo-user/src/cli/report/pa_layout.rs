//! `damo report pa_layout`: what is where in the physical address space.

use std::io::Write;
use std::path::Path;

use super::args::Form;
use crate::cli::Outcome;
use crate::render::{
    write_default_range, write_layout, write_layout_table, write_ranges, write_ranges_table,
};
use crate::sys::pa_layout::Layout;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what is on this NUMA node
    #[arg(long = "numa_node", value_name = "NODE")]
    numa_node: Option<u32>,
    /// Only the addresses of this NUMA node's memory
    #[arg(long = "numa_addr", value_name = "NODE", conflicts_with = "numa_node")]
    numa_addr: Option<u32>,
    /// Print bytes without units
    #[arg(long = "raw_number")]
    raw_number: bool,
    #[command(flatten)]
    form: Form,
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    report(args, Path::new("/"), out)?;
    Ok(Outcome::Done)
}

fn report(args: &Args, root: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut layout = Layout::read(root)?;
    let (raw, table) = (args.raw_number, args.form.table());
    if let Some(node) = args.numa_node.or(args.numa_addr)
        && !layout.nodes.contains(&node)
    {
        let nodes: Vec<String> = layout.nodes.iter().map(u32::to_string).collect();
        anyhow::bail!(
            "there is no memory on node {node}, but on {}",
            nodes.join(", ")
        );
    }
    if let Some(node) = args.numa_addr {
        let ranges = layout.ram_of(node);
        match table {
            Some(table) => write_ranges_table(out, &ranges, table)?,
            None => write_ranges(out, &ranges, raw)?,
        }
        return Ok(());
    }
    if let Some(node) = args.numa_node {
        layout.pieces.retain(|piece| piece.node == node);
    }
    match table {
        Some(table) => write_layout_table(out, &layout.pieces, table)?,
        None => {
            write_layout(out, &layout.pieces, raw)?;
            write_default_range(out, layout.ram, raw)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// Two nodes of two blocks of 4 KiB each.
    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let iomem = "00000000-00003fff : System RAM\n  00001000-00001fff : Kernel code\n";
        write("proc/iomem", iomem);
        write("sys/devices/system/memory/block_size_bytes", "1000\n");
        for block in 0..4 {
            let state = format!(
                "sys/devices/system/node/node{}/memory{block}/state",
                block / 2
            );
            write(&state, "online\n");
        }
        root
    }

    fn printed(words: &[&str]) -> Result<String, String> {
        let words = std::iter::once("pa_layout").chain(words.iter().copied());
        let args = Line::try_parse_from(words).unwrap().args;
        let mut out = Vec::new();
        match report(&args, root().path(), &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_text_is_the_peers() {
        let head = "#         start            end\tnode\tstate\tresource\tsize\n";
        let first = "              0            8192\t0\tonline\tSystem RAM\t8192\n\
             \x20          4096            8192\t0\tonline\tKernel code\t4096\n";
        let second = "           8192           16384\t1\tonline\tSystem RAM\t8192\n";
        let range = "Default paddr monitoring range: [0, 16384) (size 16384)\n";
        let raw = |words: &[&str]| printed(&[&["--raw_number"], words].concat()).unwrap();
        assert_eq!(raw(&[]), format!("{head}{first}{second}{range}"));
        assert_eq!(raw(&["--numa_node", "0"]), format!("{head}{first}{range}"));
        assert_eq!(raw(&["--numa_addr", "1"]), "[8192, 16384) (size 8192)\n");
        let people = printed(&["--numa_addr", "1"]).unwrap();
        assert_eq!(people, "[8.000 KiB, 16.000 KiB) (size 8.000 KiB)\n");
        let error = printed(&["--numa_node", "7"]).unwrap_err();
        assert_eq!(error, "there is no memory on node 7, but on 0, 1");
    }

    #[test]
    fn programs_get_addresses_as_text() {
        let json = printed(&["--numa_addr", "1", "--format", "ndjson"]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["start_address"], "8192");
        assert_eq!(json["bytes"], 8192);
        let csv = printed(&["--format", "csv"]).unwrap();
        assert!(
            csv.ends_with("\n8192,16384,1,online,System RAM,8192\n"),
            "{csv}"
        );
    }
}
