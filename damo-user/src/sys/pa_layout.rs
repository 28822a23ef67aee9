//! What is where in the physical address space: the kernel's resources, each
//! with its NUMA node.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::iomem::{self, IomemError};

/// Where the kernel says which memory belongs to which node.
const DEVICES: &str = "sys/devices/system";

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The kernel tells no addresses.
    #[error(transparent)]
    Iomem(#[from] IomemError),
    /// The kernel tells no nodes.
    #[error("cannot read {}: {source}; the kernel needs CONFIG_MEMORY_HOTPLUG for it", path.display())]
    Nodes {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not as it should be.
    #[error("{}: '{text}' is not a size", path.display())]
    BlockSize {
        /// The file.
        path: PathBuf,
        /// What it says.
        text: String,
    },
}

/// A resource, or its part on one node in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First address, in bytes.
    pub start: u64,
    /// One past the last; above `start`.
    pub end: u64,
    /// The NUMA node.
    pub node: u32,
    /// `online` or `offline`.
    pub state: String,
    /// What the kernel calls it: `System RAM`, `Kernel code`…
    pub resource: String,
}

/// The layout of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Ascending by address; what is within another comes after it.
    pub pieces: Vec<Piece>,
    /// From the first to the last address of System RAM.
    pub ram: (u64, u64),
    /// All nodes with memory, ascending.
    pub nodes: Vec<u32>,
}

/// Memory blocks of one node and state that follow each other.
struct Blocks {
    start: u64,
    end: u64,
    node: u32,
    state: String,
}

impl Layout {
    /// Reads it from the folder that has `proc` and `sys`: `/`.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn read(root: &Path) -> Result<Layout, LayoutError> {
        let text = fs::read_to_string(root.join("proc/iomem")).map_err(IomemError::Io)?;
        let ram = iomem::parse(&text)?;
        let blocks = blocks(&root.join(DEVICES))?;
        let mut pieces = Vec::new();
        for (start, end, resource) in iomem::resources(&text) {
            for block in &blocks {
                let (start, end) = (start.max(block.start), end.min(block.end));
                if start < end {
                    pieces.push(Piece {
                        start,
                        end,
                        node: block.node,
                        state: block.state.clone(),
                        resource: resource.to_owned(),
                    });
                }
            }
        }
        pieces.sort_by_key(|piece| piece.start);
        let mut nodes: Vec<u32> = blocks.iter().map(|block| block.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let (first, last) = (ram.first(), ram.last());
        Ok(Layout {
            pieces,
            ram: (first.map_or(0, |it| it.0), last.map_or(0, |it| it.1)),
            nodes,
        })
    }

    /// The System RAM of a node; what touches is one.
    pub fn ram_of(&self, node: u32) -> Vec<(u64, u64)> {
        let pieces = self.pieces.iter();
        let ram = pieces.filter(|it| it.node == node && it.resource.starts_with("System RAM"));
        iomem::merge(ram.map(|it| (it.start, it.end)).collect())
    }
}

fn blocks(devices: &Path) -> Result<Vec<Blocks>, LayoutError> {
    let nodes_error = |path: &Path| {
        let path = path.to_owned();
        |source| LayoutError::Nodes { path, source }
    };
    let path = devices.join("memory/block_size_bytes");
    let text = fs::read_to_string(&path).map_err(nodes_error(&path))?;
    let text = text.trim();
    let Ok(size) = u64::from_str_radix(text, 16) else {
        let text = text.to_owned();
        return Err(LayoutError::BlockSize { path, text });
    };
    let mut blocks = Vec::new();
    let folder = devices.join("node");
    for (node, node_folder) in numbered(&folder, "node").map_err(nodes_error(&folder))? {
        let Ok(node) = u32::try_from(node) else {
            continue;
        };
        let found = numbered(&node_folder, "memory").map_err(nodes_error(&node_folder))?;
        for (index, block) in found {
            let state = fs::read_to_string(block.join("state")).unwrap_or_default();
            let start = index.saturating_mul(size);
            blocks.push(Blocks {
                start,
                end: start.saturating_add(size),
                node,
                state: state.trim().to_owned(),
            });
        }
    }
    blocks.sort_unstable_by_key(|block| block.start);
    blocks.dedup_by(|next, before| {
        let goes_on =
            before.end == next.start && (before.node, &before.state) == (next.node, &next.state);
        if goes_on {
            before.end = next.end;
        }
        goes_on
    });
    Ok(blocks)
}

/// What is in a folder under a name and a number.
fn numbered(folder: &Path, name: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let number = file_name.to_str().and_then(|it| it.strip_prefix(name));
        if let Some(number) = number.and_then(|it| it.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(iomem: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/iomem", iomem);
        write("sys/devices/system/memory/block_size_bytes", "1000\n");
        for (node, block, state) in [
            (0, 1, "online"),
            (0, 2, "online"),
            (0, 3, "offline"),
            (1, 4, "online"),
            (1, 5, "online"),
        ] {
            write(
                &format!("sys/devices/system/node/node{node}/memory{block}/state"),
                &format!("{state}\n"),
            );
        }
        write("sys/devices/system/node/node1/memory_failure/total", "0");
        write("sys/devices/system/node/has_cpu", "0");
        root
    }

    #[test]
    fn resources_are_cut_at_nodes() {
        let root = tree(
            "00001000-000027ff : System RAM\n  00001800-00001fff : Kernel code\n\
             00002800-000047ff : System RAM\n00004800-000048ff : Reserved: by me\n\
             00004900-00005fff : System RAM (kmem)\n00009000-00009fff : System ROM\n",
        );
        let layout = Layout::read(root.path()).unwrap();
        let pieces: Vec<_> = (layout.pieces.iter())
            .map(|it| {
                (
                    it.start,
                    it.end,
                    it.node,
                    it.state.as_str(),
                    it.resource.as_str(),
                )
            })
            .collect();
        assert_eq!(
            pieces,
            [
                (0x1000, 0x2800, 0, "online", "System RAM"),
                (0x1800, 0x2000, 0, "online", "Kernel code"),
                (0x2800, 0x3000, 0, "online", "System RAM"),
                (0x3000, 0x4000, 0, "offline", "System RAM"),
                (0x4000, 0x4800, 1, "online", "System RAM"),
                (0x4800, 0x4900, 1, "online", "Reserved: by me"),
                (0x4900, 0x6000, 1, "online", "System RAM (kmem)"),
            ]
        );
        assert_eq!(layout.ram, (0x1000, 0x6000));
        assert_eq!(layout.nodes, [0, 1]);
        assert_eq!(layout.ram_of(0), [(0x1000, 0x4000)]);
        assert_eq!(layout.ram_of(1), [(0x4000, 0x4800), (0x4900, 0x6000)]);
        assert!(layout.ram_of(2).is_empty());
    }

    #[test]
    fn what_is_hidden_or_missing_is_told() {
        let hidden = tree("00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n");
        let error = Layout::read(hidden.path()).unwrap_err().to_string();
        assert!(error.contains("hides its addresses"), "{error}");
        let root = tree("00001000-000027ff : System RAM\n");
        fs::remove_dir_all(root.path().join("sys/devices/system/memory")).unwrap();
        let error = Layout::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("CONFIG_MEMORY_HOTPLUG"), "{error}");
    }
}
