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
        return Ok(match table {
            Some(table) => write_ranges_table(out, &ranges, table)?,
            None => write_ranges(out, &ranges, raw)?,
        });
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
